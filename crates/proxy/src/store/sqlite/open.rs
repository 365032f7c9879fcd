//! Opens a database: takes the lock where it is to serve, brings the schema up
//! to date, and makes sure that the master key is the one it was sealed with.

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

pub(super) fn open(path: &Path, vault: &Vault, serve: bool) -> Result<Opened, OpenError> {
    let file = |source| OpenError::File { path: path.to_owned(), source };
    let database = |reason: String| OpenError::Database { path: path.to_owned(), reason };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private::folder(folder).map_err(file)?;
    }
    // SQLite's other files take the mode of this one.
    match private::file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(file(error)),
        _ => {}
    }
    let lock = if serve { Some(lock(path)?) } else { None };
    let connection = prepare(path)?;
    check_key(&connection, vault).map_err(|problem| match problem {
        Problem::Vault(error) => OpenError::Key(error),
        other => database(other.to_string()),
    })?;
    Ok(Opened { connection, lock })
}

/// Taken by the process that serves.
fn lock(path: &Path) -> Result<File, OpenError> {
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

/// Opens the database and brings its schema up to date. One process at a time:
/// neither the change to a write-ahead log nor a migration waits for others.
fn prepare(path: &Path) -> Result<Connection, OpenError> {
    let (alone, name) = lock_file(path, ".opening")?;
    alone.lock().map_err(|source| OpenError::File { path: name, source })?;
    let mut connection = connection::for_writing(path)
        .map_err(|error| OpenError::Database { path: path.to_owned(), reason: error.to_string() })?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let database = |reason: String| OpenError::Database { path: path.to_owned(), reason };
    let runner = migrations::runner();
    let known =
        runner.get_migrations().iter().map(|m| u32::try_from(m.version()).unwrap_or(0)).max().unwrap_or(0);
    let found = schema(connection).map_err(|e| database(e.to_string()))?;
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    runner.run(connection).map(drop).map_err(|error| database(error.to_string()))
}

/// The schema's version; 0 for an empty database.
fn schema(connection: &Connection) -> rusqlite::Result<u32> {
    if !connection.table_exists(None, "refinery_schema_history")? {
        return Ok(0);
    }
    let newest: Option<u32> =
        connection.query_row("SELECT max(version) FROM refinery_schema_history", [], |row| row.get(0))?;
    Ok(newest.unwrap_or(0))
}

/// Keeps the key's id at the first opening, and compares it at later ones.
fn check_key(connection: &Connection, vault: &Vault) -> Result<(), Problem> {
    let kept =
        || connection.query_row("SELECT value FROM meta WHERE key = 'master_key_id'", [], |row| row.get(0));
    let mut sealed: Option<[u8; 8]> = kept().optional()?;
    if sealed.is_none() {
        let present = params![vault.key_id().0];
        connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('master_key_id', ?)", present)?;
        sealed = Some(kept()?);
    }
    match sealed.map(KeyId) {
        Some(sealed) if sealed != vault.key_id() => {
            Err(VaultError::WrongKey { sealed, present: vault.key_id() }.into())
        }
        _ => Ok(()),
    }
}
