//! A disk small enough to be filled.
//!
//! It is a memory file system in a mount namespace of its own, which ends with
//! the test, however the test ends. Making one needs root on Linux.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the small disk to the test that runs in the namespace.
const DISK: &str = "POSTERN_TEST_SMALL_DISK";

/// Runs the test called `name` once more, alone, where a disk of so many
/// mebibytes can be mounted that nobody else sees; there, runs `test` on it.
/// Returns what that run printed; `None`: this user may not mount, and nothing
/// was run.
///
/// # Panics
/// When the test fails there, or is not called `name`.
#[must_use]
pub fn on_small_disk<F: Future<Output = ()>>(
    name: &str,
    mebibytes: u32,
    test: impl FnOnce(PathBuf) -> F,
) -> Option<String> {
    if let Some(disk) = std::env::var_os(DISK).map(PathBuf::from) {
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&disk).status();
        assert!(mounted.is_ok_and(|status| status.success()), "a disk of {size} cannot be mounted");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        runtime.block_on(test(disk));
        return Some(String::new());
    }
    if !may_mount() {
        return None;
    }
    let disk = tempfile::tempdir().expect("a temporary folder can be made");
    let this = std::env::current_exe().expect("a test knows its own path");
    let run = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(this)
        .args(["--exact", name, "--nocapture"])
        .env(DISK, disk.path())
        .output()
        .expect("unshare can be started");
    let out = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{out}\n{}", String::from_utf8_lossy(&run.stderr));
    assert!(out.contains("1 passed"), "the test is not called {name}:\n{out}");
    Some(out.into_owned())
}

fn may_mount() -> bool {
    let probe = "mount -t tmpfs -o size=1m tmpfs /tmp";
    let tried = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--", "sh", "-c", probe])
        .output();
    tried.is_ok_and(|output| output.status.success())
}

/// Takes what room a disk has left.
#[derive(Debug)]
pub struct Filler {
    path: PathBuf,
    file: File,
}

impl Filler {
    /// Nothing is taken yet.
    ///
    /// # Panics
    /// When the disk takes no file.
    #[must_use]
    pub fn new(disk: &Path) -> Self {
        let path = disk.join("filler");
        let file = File::create(&path).expect("the disk takes a file");
        Self { path, file }
    }

    /// Takes what is there now.
    pub fn fill(&mut self) {
        while self.file.write_all(&[0; 4096]).is_ok() {}
    }

    /// Takes so many mebibytes.
    ///
    /// # Panics
    /// When the disk does not have them.
    pub fn take(&mut self, mebibytes: usize) {
        self.file.write_all(&vec![0; mebibytes << 20]).expect("the disk has room for it");
    }

    /// Gives it all back.
    ///
    /// # Panics
    /// When the file is not there any more.
    pub fn free(self) {
        drop(self.file);
        fs::remove_file(self.path).expect("the filler can be removed");
    }
}
