//! Where the programs under test lie: beside the test's own executable, in
//! cargo's target directory, unless `POSTERN_BIN_DIR` names another place (an
//! installed package, a release build).

use std::path::PathBuf;

/// The proxy, `postern-proxy`.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn proxy() -> PathBuf {
    find("postern-proxy")
}

/// The command line, `postern`.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn postern() -> PathBuf {
    find("postern")
}

fn find(name: &str) -> PathBuf {
    let directory = match std::env::var_os("POSTERN_BIN_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => beside_this_test(),
    };
    let path = directory.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "{} is missing: `cargo build --workspace --bins` makes it (`make test` does that first)",
        path.display()
    );
    path
}

/// `target/debug` for a test in `target/debug/deps`.
fn beside_this_test() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let directory = test.parent().expect("an executable lies in a directory");
    match directory.file_name() {
        Some(name) if name == "deps" => directory.parent().expect("deps lies in a directory").to_owned(),
        _ => directory.to_owned(),
    }
}
