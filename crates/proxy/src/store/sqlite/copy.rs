//! Copies a database, also one that is being written to: SQLite's online backup
//! over one read transaction, so that the copy is the database of one moment.
//! Writers go on meanwhile; their log grows until the copy is made.
//!
//! A copy is one file, for its owner alone, checked before it gets its name,
//! and on the disk when it has it.

use super::{connection, rows};
use crate::private;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::fs::{File, hard_link, remove_file, rename};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pages copied between two looks at how far it is: 4 MiB.
const PAGES: i32 = 1_024;
/// The rest when the database is locked for a moment.
const BUSY: Duration = Duration::from_millis(50);

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes copied.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A file of that name is there.
    #[error("{path} exists already: give another name")]
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// The copy cannot be written.
    #[error("{path} cannot be written: {source}")]
    Target {
        /// The copy.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The database cannot be read, or the copy not written.
    #[error("{from} cannot be copied to {to}: {reason}")]
    Failed {
        /// The database.
        from: PathBuf,
        /// The copy.
        to: PathBuf,
        /// Why.
        reason: String,
    },
    /// What was copied is damaged.
    #[error("{from} is damaged: {damage}")]
    Damaged {
        /// The database.
        from: PathBuf,
        /// What SQLite says.
        damage: String,
    },
}

/// Copies to a file that must not exist yet; its size in bytes.
pub(super) fn new(from: &Path, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<u64, CopyError> {
    let exists = || CopyError::Exists { path: to.to_owned() };
    if to.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let draft = Draft::make(to)?;
    let size = draft.fill(from, progress)?;
    match hard_link(&draft.path, to) {
        Ok(()) => draft.discard(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists()),
        // Not every file system has links.
        Err(_) => draft.become_file(to)?,
    }
    settle(to).map_err(|source| CopyError::Target { path: to.to_owned(), source })?;
    Ok(size)
}

/// Copies to a file, in the place of one that may be there.
pub(super) fn over(from: &Path, to: &Path) -> Result<(), CopyError> {
    let draft = Draft::make(to)?;
    draft.fill(from, &mut |_| {})?;
    draft.become_file(to)?;
    settle(to).map_err(|source| CopyError::Target { path: to.to_owned(), source })
}

/// A file's name is on the disk, too.
pub(super) fn settle(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if cfg!(unix) { File::open(folder.unwrap_or(Path::new(".")))?.sync_all() } else { Ok(()) }
}

/// A copy that does not have its name yet; gone with its value.
pub(super) struct Draft {
    pub(super) path: PathBuf,
}

impl Draft {
    pub(super) fn make(to: &Path) -> Result<Self, CopyError> {
        let mut name = to.as_os_str().to_owned();
        name.push(format!(".{}", hex::encode(crate::entropy::bytes::<6>())));
        let path = PathBuf::from(name);
        match private::file(&path) {
            Ok(_) => Ok(Self { path }),
            Err(source) => Err(CopyError::Target { path: to.to_owned(), source }),
        }
    }

    /// Copies, checks the copy, and brings it onto the disk.
    pub(super) fn fill(&self, from: &Path, progress: &mut dyn FnMut(Progress)) -> Result<u64, CopyError> {
        let failed =
            |reason: String| CopyError::Failed { from: from.to_owned(), to: self.path.clone(), reason };
        let copied = copy(from, &self.path, progress).map_err(|error| failed(error.to_string()))?;
        if let Some(damage) = damage(&copied, false).map_err(|error| failed(error.to_string()))?.first() {
            return Err(CopyError::Damaged { from: from.to_owned(), damage: damage.clone() });
        }
        drop(copied);
        let synced = File::open(&self.path).and_then(|file| {
            file.sync_all()?;
            file.metadata()
        });
        synced.map(|file| file.len()).map_err(|error| failed(error.to_string()))
    }

    pub(super) fn become_file(self, to: &Path) -> Result<(), CopyError> {
        rename(&self.path, to).map_err(|source| CopyError::Target { path: to.to_owned(), source })
    }

    fn discard(self) {}
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is none.
        let _ = remove_file(&self.path);
    }
}

fn copy(from: &Path, to: &Path, progress: &mut dyn FnMut(Progress)) -> rusqlite::Result<Connection> {
    let source = connection::for_looking(from)?;
    let mut target = Connection::open(to)?;
    target.pragma_update(None, "synchronous", "full")?;
    // Held to the end: without it, each write of others would begin the copy anew.
    let moment = source.unchecked_transaction()?;
    moment.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let page = moment.pragma_query_value(None, "page_size", |row| rows::count(row, 0))?;
    let backup = Backup::new(&moment, &mut target)?;
    loop {
        let step = backup.step(PAGES)?;
        let pages = backup.progress();
        let bytes = |pages: i32| u64::try_from(pages).unwrap_or(0) * page;
        progress(Progress { done: bytes(pages.pagecount - pages.remaining), total: bytes(pages.pagecount) });
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            _ => rest(),
        }
    }
    drop(backup);
    // One file, that can be read where nothing can be written.
    target.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    Ok(target)
}

#[expect(clippy::disallowed_methods, reason = "nobody tells when a lock of SQLite's goes")]
fn rest() {
    std::thread::sleep(BUSY);
}

/// What SQLite finds damaged; `fully`: indexes against their tables, too.
pub(super) fn damage(connection: &Connection, fully: bool) -> rusqlite::Result<Vec<String>> {
    let sql = if fully { "PRAGMA integrity_check" } else { "PRAGMA quick_check" };
    let found =
        connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    Ok(found.into_iter().filter(|line| line != "ok").collect())
}
