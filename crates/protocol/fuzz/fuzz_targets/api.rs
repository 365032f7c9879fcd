#![no_main]
#[path = "../entries.rs"]
#[expect(dead_code, reason = "a target uses one entry")]
mod entries;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entries::api(data));
