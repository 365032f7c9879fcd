//! A backup of a database, while it is served from; and the way back.

use super::copy::{self, CopyError, Draft, Progress};
use super::{connection, open};
use crate::private;
use crate::store::OpenError;
use crate::vault::Vault;
use postern_protocol::UnixMillis;
use std::fs::rename;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no database to be backed up, or no backup.
    #[error("{path} cannot be read: {source}")]
    Missing {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A database of something else.
    #[error("{path} is no database of postern-proxy")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// There is a database where the backup is to go.
    #[error("{path} exists: restore with --replace, which keeps it beside, or name another data_dir")]
    Present {
        /// The database.
        path: PathBuf,
    },
    /// The copy could not be made.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// In use, of a newer version, or sealed with another key.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file cannot be moved.
    #[error("{path} cannot be moved: {source}")]
    Move {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What a restored backup took the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Where the database is now that was there before.
    pub kept_at: Option<PathBuf>,
    /// The restored database's size, in bytes.
    pub bytes: u64,
}

/// Copies the database at `path` to the new file `to`, whether a proxy serves
/// from it or not; the copy's size in bytes. Blocks.
///
/// # Errors
/// When there is no such database, it is damaged, or `to` exists or cannot be
/// written.
pub fn backup(path: &Path, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<u64, BackupError> {
    must_be_ours(path)?;
    Ok(copy::new(path, to, progress)?)
}

/// Puts a copy of the backup `from` in the place of the database at `path`,
/// from which nobody may be serving. With `replace` a database that is there is
/// kept under another name. Blocks.
///
/// # Errors
/// When the backup is damaged, of a newer version or sealed with another key
/// than the vault's, the database is there and not to be replaced, or is in use.
pub fn restore(
    from: &Path,
    path: &Path,
    vault: &Vault,
    replace: bool,
    now: UnixMillis,
    progress: &mut dyn FnMut(Progress),
) -> Result<Replaced, BackupError> {
    let found = must_be_ours(from)?;
    let known = open::known();
    if found > known {
        return Err(OpenError::Newer { path: from.to_owned(), found, known }.into());
    }
    let looking = connection::for_looking(from);
    let checked = looking.map_err(super::problem::Problem::from).and_then(|db| open::compare_key(&db, vault));
    checked.map_err(|problem| open::not_opened(from, problem))?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private::folder(folder).map_err(|source| OpenError::File { path: folder.to_owned(), source })?;
    }
    let _serving = open::lock(path)?;
    let _opening = open::alone(path)?;
    let present = path.symlink_metadata().is_ok();
    if present && !replace {
        return Err(BackupError::Present { path: path.to_owned() });
    }
    let draft = Draft::make(path)?;
    let bytes = draft.fill(from, progress)?;
    let kept = named(path, &format!(".replaced-{}", now.seconds()));
    // A log without its database would be taken for the restored one's.
    for ending in ["-wal", "-shm", ""] {
        let file = named(path, ending);
        if file.symlink_metadata().is_ok() {
            rename(&file, named(&kept, ending)).map_err(|source| BackupError::Move { path: file, source })?;
        }
    }
    draft.become_file(path)?;
    copy::settle(path).map_err(|source| BackupError::Move { path: path.to_owned(), source })?;
    Ok(Replaced { kept_at: present.then_some(kept), bytes })
}

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The schema of a database of ours.
fn must_be_ours(path: &Path) -> Result<u32, BackupError> {
    path.metadata().map_err(|source| BackupError::Missing { path: path.to_owned(), source })?;
    match open::found(path)? {
        0 => Err(BackupError::Foreign { path: path.to_owned() }),
        found => Ok(found),
    }
}
