//! Opens a database: takes the lock where it is to serve, brings the schema up
//! to date, and makes sure that the master key is the one it was sealed with.
//!
//! A database of a newer version is looked at without being written to, and
//! refused. One of an older version is copied before it is changed, and only
//! while nobody serves from it.

use super::connection;
use super::problem::Problem;
use crate::private;
use crate::vault::{KeyId, Vault, VaultError};
use refinery::embed_migrations;
use rusqlite::{Connection, OptionalExtension, params};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

embed_migrations!("src/store/sqlite/migrations");

/// Why a database does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process serves from it.
    #[error(
        "{path} is in use by another postern-proxy: stop that one, or give this one a data_dir of its own"
    )]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// A folder or file cannot be made, read or locked.
    #[error("{path} cannot be used: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It was written by a later version.
    #[error(
        "{path} was written by a newer postern-proxy (its schema is {found}, this one knows {known}): run that version, or a newer one"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// It was written by an earlier version, and a proxy serves from it.
    #[error(
        "{path} was written by an older postern-proxy (its schema is {found}, this one makes it {known}), and one serves from it: stop that one first"
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The copy that is kept of a database before an upgrade cannot be made.
    #[error(
        "the copy of the database that is kept before an upgrade cannot be made: {reason}. Make room, or make a backup elsewhere and run `postern-proxy upgrade --no-copy`"
    )]
    Copy {
        /// Why.
        reason: super::copy::CopyError,
    },
    /// No database, or a damaged one.
    #[error("{path} cannot be opened as a database: {reason}")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The master key is absent, unreadable, or another one.
    #[error("{0}")]
    Key(#[from] VaultError),
}

/// A database, open.
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// Held while serving.
    pub(super) lock: Option<File>,
}

/// `copy`: whether a copy is kept before an upgrade.
pub(super) fn open(path: &Path, vault: &Vault, serve: bool, copy: bool) -> Result<Opened, OpenError> {
    let file = |source| OpenError::File { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private::folder(folder).map_err(file)?;
    }
    // SQLite's other files take the mode of this one.
    match private::file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(file(error)),
        _ => {}
    }
    let lock = if serve { Some(lock(path)?) } else { None };
    let connection = prepare(path, serve, copy)?;
    check_key(&connection, vault).map_err(|problem| not_opened(path, problem))?;
    Ok(Opened { connection, lock })
}

/// Taken by the process that serves; whoever holds it knows that none does.
///
/// # Errors
/// When one does, or the file beside the database cannot be locked.
pub fn lock(path: &Path) -> Result<File, OpenError> {
    let (file, name) = lock_file(path, ".lock")?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(OpenError::File { path: name, source }),
    }
}

fn lock_file(path: &Path, ending: &str) -> Result<(File, PathBuf), OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    let name = PathBuf::from(name);
    match OpenOptions::new().create(true).truncate(false).write(true).open(&name) {
        Ok(file) => Ok((file, name)),
        Err(source) => Err(OpenError::File { path: name, source }),
    }
}

/// Waits until no other process opens or replaces the database.
pub(super) fn alone(path: &Path) -> Result<File, OpenError> {
    let (alone, name) = lock_file(path, ".opening")?;
    alone.lock().map_err(|source| OpenError::File { path: name, source })?;
    Ok(alone)
}

/// Opens the database and brings its schema up to date. One process at a time:
/// neither the change to a write-ahead log nor a migration waits for others.
fn prepare(path: &Path, serve: bool, copy: bool) -> Result<Connection, OpenError> {
    let database = |reason: String| OpenError::Database { path: path.to_owned(), reason };
    let _alone = alone(path)?;
    let (found, known) = (found(path)?, known());
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    let mut lock_for_upgrade = None;
    if (1..known).contains(&found) {
        if !serve {
            let older = |error| match error {
                OpenError::InUse { path } => OpenError::Older { path, found, known },
                other => other,
            };
            lock_for_upgrade = Some(lock(path).map_err(older)?);
        }
        keep_copy(path, found, known, copy)?;
    }
    let mut connection = connection::for_writing(path).map_err(|error| database(error.to_string()))?;
    migrations::runner().run(&mut connection).map_err(|error| database(error.to_string()))?;
    drop(lock_for_upgrade);
    Ok(connection)
}

/// Keeps the database as it is before an upgrade, beside it.
fn keep_copy(path: &Path, found: u32, known: u32, copy: bool) -> Result<(), OpenError> {
    if !copy {
        tracing::info!(found, known, "the database's schema is brought up to date, without a copy of it");
        return Ok(());
    }
    let name = format!("{}.schema-{found}", path.display());
    super::copy::over(path, Path::new(&name)).map_err(|reason| OpenError::Copy { reason })?;
    tracing::info!(found, known, copy = name, "the database's schema is brought up to date; a copy is kept");
    Ok(())
}

/// The schema that this program writes.
pub(super) fn known() -> u32 {
    let versions = migrations::runner();
    versions.get_migrations().iter().map(|m| u32::try_from(m.version()).unwrap_or(0)).max().unwrap_or(0)
}

/// The schema that the file has, which is not written to.
pub(super) fn found(path: &Path) -> Result<u32, OpenError> {
    connection::for_looking(path)
        .and_then(|looking| schema(&looking))
        .map_err(|error| OpenError::Database { path: path.to_owned(), reason: error.to_string() })
}

/// The schema's version; 0 for an empty database.
pub(super) fn schema(connection: &Connection) -> rusqlite::Result<u32> {
    if !connection.table_exists(None, "refinery_schema_history")? {
        return Ok(0);
    }
    let newest: Option<u32> =
        connection.query_row("SELECT max(version) FROM refinery_schema_history", [], |row| row.get(0))?;
    Ok(newest.unwrap_or(0))
}

/// Keeps the key's id at the first opening, and compares it at later ones.
fn check_key(connection: &Connection, vault: &Vault) -> Result<(), Problem> {
    if key(connection)?.is_none() {
        let present = params![vault.key_id().0];
        connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('master_key_id', ?)", present)?;
    }
    compare_key(connection, vault)
}

/// Whether the vault has the key that the database is sealed with; it seals
/// with that one from here on.
pub(super) fn compare_key(connection: &Connection, vault: &Vault) -> Result<(), Problem> {
    if let Some(sealed) = key(connection)? {
        vault.adopt(sealed)?;
    }
    Ok(())
}

/// Which key the database was sealed with.
pub(super) fn key(connection: &Connection) -> rusqlite::Result<Option<KeyId>> {
    let kept = "SELECT value FROM meta WHERE key = 'master_key_id'";
    connection.query_row(kept, [], |row| row.get(0).map(KeyId)).optional()
}

/// Why a database does not open.
pub(super) fn not_opened(path: &Path, problem: Problem) -> OpenError {
    match problem {
        Problem::Vault(error) => OpenError::Key(error),
        other => OpenError::Database { path: path.to_owned(), reason: other.to_string() },
    }
}
