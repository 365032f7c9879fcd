//! The fuzz targets' entries (`fuzz/entries.rs`) under a stable compiler. What
//! libFuzzer finds becomes a seed.

#![expect(clippy::expect_used, reason = "a test's failure")]

#[path = "../fuzz/entries.rs"]
mod entries;
#[path = "../fuzz/mutate.rs"]
mod mutate;

use std::path::Path;

fn run(entry: &str) {
    let (name, check) = entries::ENTRIES.iter().find(|(name, _)| *name == entry).expect("an entry");
    mutate::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds"), name, check);
}

macro_rules! tests {
    ($($entry:ident),*) => {
        $(#[test]
        fn $entry() {
            run(stringify!($entry));
        })*

        #[test]
        fn every_entry_is_run() {
            let names: Vec<_> = entries::ENTRIES.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($entry)),*]);
        }
    };
}

tests!(
    id,
    header_json,
    linear,
    github,
    standard,
    stripe,
    slack,
    hmac,
    timestamped,
    guess,
    config,
    dedupe,
    filter,
    condition,
    line,
    api
);
