//! What strangers send, read from any bytes: each parser's tests run their
//! entry over its seeds (`fuzz/seeds`) and mutations of them.

use std::path::Path;

#[path = "../../protocol/fuzz/mutate.rs"]
mod mutate;

/// Runs one entry.
pub(crate) fn run(name: &str, check: impl Fn(&[u8])) {
    mutate::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds"), name, check);
}
