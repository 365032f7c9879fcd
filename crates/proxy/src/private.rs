//! Files and folders for their owner alone (modes 0600 and 0700, where modes
//! exist).

use std::fs::{DirBuilder, File, OpenOptions, hard_link, remove_file, rename};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A new file; fails where there is one.
pub(crate) fn file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A folder and those above it, where they are not there yet.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes a file that must not exist yet. Nobody ever sees half of it, and it
/// is on the disk when this returns.
pub(crate) fn write_new(path: &Path, content: &str) -> io::Result<()> {
    let draft = draft(path, content)?;
    let linked = hard_link(&draft, path);
    let _ = remove_file(&draft);
    linked
}

/// Writes a file in one step: a reader sees the old one or the new one.
pub(crate) fn replace(path: &Path, content: &str) -> io::Result<()> {
    let draft = draft(path, content)?;
    rename(&draft, path).inspect_err(|_| {
        let _ = remove_file(&draft);
    })
}

/// The content under a name of its own, beside where it is to be.
fn draft(path: &Path, content: &str) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", hex::encode(crate::entropy::bytes::<6>())));
    let draft = PathBuf::from(name);
    let mut file = file(&draft)?;
    file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).inspect_err(|_| {
        let _ = remove_file(&draft);
    })?;
    Ok(draft)
}
