//! Opening the history's database file.

use super::HistoryError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

mod embedded {
    refinery::embed_migrations!("src/history/schema");
}

/// The writer waits for nobody but a checkpoint's last moment.
const BUSY: Duration = Duration::from_secs(5);

/// Longer files, in pages (256 MiB), are not built anew.
const REBUILT: i64 = 65_536;

/// Opens the file for the one writer, and brings its schema up to date.
///
/// The pragmas: free pages can be given back, which is decided when the file is
/// made; WAL, so that readers do not wait; `synchronous = FULL`, so
/// that a commit is on the disk when it returns; no automatic checkpoint,
/// which would run inside a commit; the WAL file is kept at up to 64 MiB and
/// overwritten, which syncs far faster than growing it.
pub(super) fn open_writer(path: &Path) -> Result<Connection, HistoryError> {
    let failed = HistoryError::opening(path);
    let mut connection = Connection::open(path).map_err(&failed)?;
    connection
        .execute_batch(
            "PRAGMA auto_vacuum = INCREMENTAL;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA fullfsync = ON;
             PRAGMA checkpoint_fullfsync = ON;
             PRAGMA journal_size_limit = 67108864;
             PRAGMA foreign_keys = ON;
             PRAGMA cache_size = -16384;",
        )
        .map_err(&failed)?;
    connection.busy_timeout(BUSY).map_err(&failed)?;
    compile_once(&connection).map_err(&failed)?;
    rebuild_once(&connection).map_err(&failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    embedded::migrations::runner()
        .run(&mut connection)
        .map_err(|e| HistoryError::Schema { path: path.display().to_string(), source: Arc::new(e) })?;
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0;").map_err(&failed)?;
    Ok(connection)
}

/// A file that cannot give pages back, made by an earlier version, is built
/// anew as one that can, unless that would take long.
fn rebuild_once(connection: &Connection) -> rusqlite::Result<()> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    if pragma("auto_vacuum")? == 0 && pragma("page_count")? < REBUILT {
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")?;
    }
    Ok(())
}

/// Opens the file for reading.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    // Read–write at the file level: a reader of a WAL shares its index.
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY)?;
    compile_once(&connection)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0;")?;
    Ok(connection)
}

/// Without this a statement whose plan might depend on a parameter is compiled
/// anew each time that one is bound.
fn compile_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Gives free pages back to the file system, at most so many.
pub(super) fn give_back(connection: &Connection, pages: Option<u32>) -> rusqlite::Result<()> {
    let sql = match pages {
        Some(pages) => format!("PRAGMA incremental_vacuum({pages})"),
        None => "PRAGMA incremental_vacuum".to_owned(),
    };
    // A row for each page.
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Opens the file for the checkpoint alone.
pub(super) fn open_checkpoint(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA wal_autocheckpoint = 0;",
    )?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use postern_protocol::UnixMillis;

    #[tokio::test]
    async fn the_one_target_of_before_becomes_a_rule() {
        let dir = tempfile::tempdir().unwrap();
        let mut old = Connection::open(dir.path().join("history.db")).unwrap();
        let runner = embedded::migrations::runner().set_target(refinery::Target::Version(4));
        runner.run(&mut old).unwrap();
        old.execute_batch(
            "INSERT INTO profile (id, hook_key, proxy_url, workspace_id, workspace_name, name, forward_url, created_at)
             VALUES (1, 'a', 'http://p', 'w1', 'W', 'n', 'http://localhost:3000/hooks?x=/1', 0),
                    (2, 'b', 'http://p', 'w2', 'W', 'n', 'https://dev.example', 0),
                    (3, 'c', 'http://p', 'w3', 'W', 'n', NULL, 0);",
        )
        .unwrap();
        drop(old);
        let history = History::open(dir.path(), UnixMillis(0)).unwrap();
        let mut found = Vec::new();
        for profile in 1..=3 {
            let (list, _) = history.rules(profile).await.unwrap();
            found.extend(list.rules);
        }
        let named = |name: &str, rule: crate::api::Rule| crate::api::Rule { name: name.into(), ..rule };
        let wanted = [
            named("localhost:3000", crate::api::Rule::forward("http://localhost:3000/hooks?x=/1")),
            named("dev.example", crate::api::Rule::forward("https://dev.example")),
        ];
        let plain: Vec<_> = found.into_iter().map(|rule| crate::api::Rule { id: 0, ..rule }).collect();
        assert_eq!(plain, wanted);
    }
}
