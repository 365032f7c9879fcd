//! Whether the library behind Linux tray icons can be loaded.
//!
//! The tray crate loads libayatana-appindicator (or its ancestor) by name at
//! first use and panics when there is none. Asking beforehand must not run
//! the loader itself (no unsafe code here), so this looks where the loader
//! looks: `LD_LIBRARY_PATH`, the loader's cache, and its default folders; and
//! it accepts only a library built for this machine, as the loader does.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The names the tray crate tries.
const NAMES: [&str; 4] = [
    "libayatana-appindicator3.so.1",
    "libappindicator3.so.1",
    "libayatana-appindicator3.so",
    "libappindicator3.so",
];

/// Where the loader looks when its cache knows nothing.
const DEFAULT_FOLDERS: [&str; 4] = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];

/// Whether a tray icon can be built in this process.
pub(super) fn loadable() -> bool {
    let Some(own) = elf_identity(Path::new("/proc/self/exe")) else { return false };
    let cache = std::fs::read("/etc/ld.so.cache").unwrap_or_default();
    candidates(std::env::var_os("LD_LIBRARY_PATH").as_deref(), &cache)
        .any(|library| elf_identity(&library).is_some_and(|found| found == own))
}

/// Every path the loader may take one of [`NAMES`] from.
fn candidates(library_path: Option<&OsStr>, cache: &[u8]) -> impl Iterator<Item = PathBuf> {
    let folders =
        library_path.map(|list| std::env::split_paths(list).collect::<Vec<_>>()).unwrap_or_default();
    let by_folder = folders
        .into_iter()
        .chain(DEFAULT_FOLDERS.map(PathBuf::from))
        .flat_map(|folder| NAMES.map(|name| folder.join(name)));
    by_folder.chain(cached(cache)).collect::<Vec<_>>().into_iter()
}

/// The paths of [`NAMES`] in the loader's cache: its strings are paths, each
/// ended by a NUL.
fn cached(cache: &[u8]) -> Vec<PathBuf> {
    cache
        .split(|byte| *byte == 0)
        .filter_map(|text| std::str::from_utf8(text).ok())
        .filter_map(|text| text.find('/').map(|start| Path::new(&text[start..])))
        .filter(|path| path.file_name().is_some_and(|name| NAMES.iter().any(|known| name == *known)))
        .map(Path::to_path_buf)
        .collect()
}

/// What must agree for a library to be loaded: word size, byte order and
/// machine, from the ELF header.
fn elf_identity(path: &Path) -> Option<([u8; 2], [u8; 2])> {
    let mut head = [0_u8; 20];
    File::open(path).ok()?.read_exact(&mut head).ok()?;
    let [0x7f, b'E', b'L', b'F', class, order, ..] = head else { return None };
    Some(([class, order], [head[18], head[19]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_library_in_the_loaders_cache() {
        let cache = b"glibc-ld.so.cache1.1\0junk\0libayatana-appindicator3.so.1\0\
            /usr/lib/x86_64-linux-gnu/libayatana-appindicator3.so.1\0/usr/lib/libz.so.1\0";
        assert_eq!(cached(cache), [PathBuf::from("/usr/lib/x86_64-linux-gnu/libayatana-appindicator3.so.1")]);
    }

    #[test]
    fn looks_in_the_users_folders_first() {
        let mut found = candidates(Some(OsStr::new("/opt/a:/opt/b")), b"");
        assert_eq!(found.next(), Some(PathBuf::from("/opt/a/libayatana-appindicator3.so.1")));
        assert!(found.any(|path| path == Path::new("/opt/b/libappindicator3.so.1")));
    }

    #[test]
    fn refuses_what_is_no_library_of_this_machine() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("libayatana-appindicator3.so.1");
        std::fs::write(&text, "not an ELF file, though long enough").unwrap();
        assert_eq!(elf_identity(&text), None);
        assert_eq!(elf_identity(Path::new("/no/such/file")), None);
        assert!(elf_identity(Path::new("/proc/self/exe")).is_some());
    }
}
