//! From the settings to a store.

use super::{CliError, Common};
use crate::config::{Config, MasterKey, Overrides};
use crate::store::{Access, OpenError, SqliteStore};
use crate::vault::Vault;
use std::sync::Arc;

/// Opens the store a configuration names, and makes database and master key
/// where there are none. Where there is a database, its key must be there too:
/// a new one would open nothing.
///
/// # Errors
/// As [`SqliteStore::open`], and when there is no usable master key.
pub fn open_store(config: &Config, access: Access) -> Result<SqliteStore, OpenError> {
    let database = config.database();
    let vault = match config.master_key() {
        MasterKey::Text(key) => Vault::from_text(&key, "POSTERN_MASTER_KEY")?,
        MasterKey::File(path) => Vault::from_file(&path, database.exists())?,
    };
    SqliteStore::open(&database, Arc::new(vault), access)
}

/// The settings, for an administrative command.
pub(super) fn settings(common: &Common) -> Result<Config, CliError> {
    let overrides = Overrides { data_dir: common.data_dir.clone(), ..Overrides::default() };
    Ok(Config::load(common.config.as_deref(), &overrides)?)
}

/// Settings and store, for an administrative command.
pub(super) fn administer(common: &Common) -> Result<(Config, SqliteStore), CliError> {
    let config = settings(common)?;
    let store = open_store(&config, Access::Administer)?;
    Ok((config, store))
}
