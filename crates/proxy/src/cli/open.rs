//! Settings and store, as administrative commands need them.

use super::{CliError, Common};
use crate::app::open_store;
use crate::config::{Config, Overrides};
use crate::store::{Access, SqliteStore};
use std::path::PathBuf;

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

/// The database of these settings, which must be there.
pub(super) fn database(config: &Config) -> Result<PathBuf, CliError> {
    let database = config.database();
    if database.exists() {
        return Ok(database);
    }
    Err(CliError::NotFound(format!("there is no database {} yet", database.display())))
}
