//! A connection, set up: the pragmas every part of the store relies on.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// How long a connection waits for another process's lock.
const BUSY: Duration = Duration::from_secs(10);
/// Statements kept compiled; more than there are.
const STATEMENTS: usize = 128;

/// The connection that writes. Creates the file when there is none.
pub(super) fn for_writing(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    prepare(&connection)?;
    // Before there is a table; without effect on an existing database. An event
    // and its body are often a little over 2 KiB: pages of 4 KiB were half empty.
    connection.pragma_update(None, "page_size", 8192)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // Committed is on the disk: the sender has been told.
    connection.pragma_update(None, "synchronous", "full")?;
    // The checkpointer does it, off the writer's path.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // 16 MiB. Not more: a commit after a page split walks the whole cache's
    // hash table, and with 64 MiB that was a fifth of the writer's time.
    connection.pragma_update(None, "cache_size", -16_384)?;
    #[cfg(target_os = "macos")]
    {
        // There, fsync leaves data in the drive's cache.
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    }
    Ok(connection)
}

/// A connection that reads, or checkpoints.
pub(super) fn for_reading(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -8_192)?;
    #[cfg(target_os = "macos")]
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    Ok(connection)
}

/// A connection that can write nothing, neither into the database nor, by a
/// checkpoint at its end, from the log.
pub(super) fn for_looking(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Or a statement whose plan might depend on a parameter is compiled anew
    // each time that one is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "temp_store", "memory")
}
