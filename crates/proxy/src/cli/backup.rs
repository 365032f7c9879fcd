//! `backup`, `restore`, `upgrade`: the database as a whole.

use super::output::size;
use super::{CliError, Common, Terminal, open};
use crate::app::open_vault;
use crate::config::{Config, MasterKey};
use crate::store::{self, OpenError, SqliteStore};
use clap::Args;
use postern_protocol::UnixMillis;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The file to make; it must not be there yet
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The backup
    file: PathBuf,
    /// Take the place of a database that is there, which is kept beside
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, Args)]
pub(super) struct UpgradeArgs {
    /// Keep no copy of the database as it was
    #[arg(long)]
    no_copy: bool,
}

pub(super) fn backup(args: &BackupArgs, common: &Common, terminal: &mut Terminal) -> Result<(), CliError> {
    let config = open::settings(common)?;
    let bytes =
        store::backup(&open::database(&config)?, &args.file, &mut |progress| terminal.progress(progress))?;
    let shown = json!({ "file": args.file, "bytes": bytes, "masterKey": key_place(&config) });
    terminal.answer(&shown, || {
        let (file, key) = (args.file.display(), key_place(&config));
        format!(
            "{file}: {} backed up and checked.\nIts secrets open with the master key alone, which is not in it: keep {key} elsewhere.",
            size(bytes)
        )
    })
}

pub(super) fn restore(
    args: &RestoreArgs,
    common: &Common,
    terminal: &mut Terminal,
    now: UnixMillis,
) -> Result<(), CliError> {
    let config = open::settings(common)?;
    let vault = open_vault(&config, true).map_err(OpenError::from)?;
    let database = config.database();
    let mut progress = |progress| terminal.progress(progress);
    let restored = store::restore(&args.file, &database, &vault, args.replace, now, &mut progress)?;
    let shown = json!({ "database": database, "bytes": restored.bytes, "keptAt": restored.kept_at });
    terminal.answer(&shown, || {
        let kept = restored.kept_at.as_ref().map(|path| {
            format!("\nThe database before is kept: {}. Remove it with its -wal and -shm once it is not needed.", path.display())
        });
        format!(
            "{}: {} restored.{}\nWhat was delivered after the backup is delivered once more when the proxy serves; the workers know it and keep one.",
            database.display(),
            size(restored.bytes),
            kept.unwrap_or_default()
        )
    })
}

pub(super) fn upgrade(args: &UpgradeArgs, common: &Common, terminal: &mut Terminal) -> Result<(), CliError> {
    let config = open::settings(common)?;
    let database = open::database(&config)?;
    let vault = open_vault(&config, true).map_err(OpenError::from)?;
    SqliteStore::upgrade(&database, &vault, !args.no_copy)?;
    let shown = json!({ "database": database, "schema": store::check(&database, &vault, false)?.schema });
    terminal.answer(&shown, || format!("{} is up to date", database.display()))
}

/// Where the master key is kept.
pub(super) fn key_place(config: &Config) -> String {
    match config.master_key() {
        MasterKey::Text(_) => "POSTERN_MASTER_KEY".to_owned(),
        MasterKey::File(path) => path.display().to_string(),
    }
}
