//! How much room the database takes, and how much is left on its disk.

use super::SqliteStore;
use super::rows;
use crate::store::{Room, StoreError};
use rusqlite::Connection;
use std::path::Path;

impl SqliteStore {
    pub(super) async fn room(&self) -> Result<Room, StoreError> {
        let look = |db: &Connection| {
            let pages = |which| db.pragma_query_value(None, which, |row| rows::count(row, 0));
            let (size, all, free) = (pages("page_size")?, pages("page_count")?, pages("freelist_count")?);
            let path = db.path().map(Path::new);
            let log = path
                .map(|path| format!("{}-wal", path.display()))
                .and_then(|log| std::fs::metadata(log).ok());
            Ok(Room {
                database: all * size,
                unused: free * size,
                log: log.map_or(0, |log| log.len()),
                disk_free: path.and_then(disk_free),
            })
        };
        self.readers.read(look).await
    }
}

/// What an ordinary user may still write there.
#[cfg(unix)]
fn disk_free(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn disk_free(_: &Path) -> Option<u64> {
    None
}
