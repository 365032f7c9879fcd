//! `rotate-key`: a new master key, safe against an end at any moment.
//!
//! A key in a file is replaced in four steps, each of which can be the last:
//! the new key is written beside the old one; every secret is sealed with it,
//! in one transaction; the old key gets a name of its own (backups made before
//! open with it alone); the new one takes its place. Whoever finds the old key
//! after the second step looks beside it. The command run again goes on where
//! it was broken off.

use super::{CliError, Common, Terminal, open, secret};
use crate::config::MasterKey;
use crate::private;
use crate::store::{self, OpenError};
use crate::vault::{KeyId, Vault, VaultError};
use clap::Args;
use postern_protocol::Secret;
use serde_json::json;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Without either, a new key is made.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct RotateKeyArgs {
    /// Take the new key from this file: 32 bytes in base64
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
    /// Take the new key from this environment variable
    #[arg(long, value_name = "VARIABLE")]
    new_key_env: Option<String>,
}

pub(super) fn run(args: &RotateKeyArgs, common: &Common, terminal: &mut Terminal) -> Result<(), CliError> {
    let config = open::settings(common)?;
    let database = open::database(&config)?;
    let given = args.read()?;
    match config.master_key() {
        MasterKey::File(path) => in_file(&database, &path, given, terminal),
        MasterKey::Text(old) => {
            let (text, origin) = given.ok_or_else(|| {
                CliError::Usage(
                    "the master key comes from POSTERN_MASTER_KEY: give the new one with --new-key-file or --new-key-env".into(),
                )
            })?;
            let old = Vault::from_text(&old, "POSTERN_MASTER_KEY").map_err(OpenError::from)?;
            let new = Vault::from_text(&text, &origin).map_err(OpenError::from)?;
            // A proxy that serves cannot learn another value of its variable.
            let _stopped = store::lock(&database)?;
            let secrets = store::rotate_key(&database, &old, &new)?;
            terminal.answer(&json!({ "masterKey": new.key_id().to_string(), "secrets": secrets }), || {
                format!(
                    "{}\nSet POSTERN_MASTER_KEY to the new key before the next start.",
                    sealed(secrets, new.key_id())
                )
            })
        }
    }
}

impl RotateKeyArgs {
    /// The new key and where it is from, when one was given.
    fn read(&self) -> Result<Option<(Secret, String)>, CliError> {
        if let Some(path) = &self.new_key_file {
            let text = fs::read_to_string(path).map_err(|source| {
                OpenError::from(VaultError::KeyFile { path: path.clone(), what: "read", source })
            })?;
            return Ok(Some((Secret::new(text), format!("the file {}", path.display()))));
        }
        match &self.new_key_env {
            Some(name) => Ok(Some((Secret::new(secret::variable(name)?.trim()), name.clone()))),
            None => Ok(None),
        }
    }
}

fn in_file(
    database: &Path,
    path: &Path,
    given: Option<(Secret, String)>,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    let old = Vault::from_file(path, true).map_err(OpenError::from)?;
    let before = old.key_id();
    let next = Vault::next_file(path);
    place_next(&next, given)?;
    let new = Vault::from_file(&next, true).map_err(OpenError::from)?;
    let secrets = store::rotate_key(database, &old, &new)?;
    let kept = Vault::kept_file(path, before);
    let moved = |path: &Path| {
        let path = path.to_owned();
        move |source| CliError::File { path, source }
    };
    match fs::hard_link(path, &kept) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            let text = Zeroizing::new(fs::read_to_string(path).map_err(moved(path))?);
            private::replace(&kept, &text).map_err(moved(&kept))?;
        }
        _ => {}
    }
    fs::rename(&next, path).map_err(moved(path))?;
    let shown = json!({ "masterKey": new.key_id().to_string(), "secrets": secrets, "oldKeyAt": kept });
    terminal.answer(&shown, || {
        format!(
            "{}\nThe new key is in {}. The old one is in {}: backups made before today open with it alone. Keep it with them, and nowhere else.",
            sealed(secrets, new.key_id()),
            path.display(),
            kept.display()
        )
    })
}

/// The next key, beside the present one: as given, or made; where an earlier
/// run was broken off it is there already.
fn place_next(next: &Path, given: Option<(Secret, String)>) -> Result<(), CliError> {
    let failed =
        |source| OpenError::from(VaultError::KeyFile { path: next.to_owned(), what: "written", source });
    let Some((text, origin)) = given else {
        return match Vault::make_file(next) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error).into()),
            _ => Ok(()),
        };
    };
    let wanted = Vault::from_text(&text, &origin).map_err(OpenError::from)?;
    let line = Zeroizing::new(format!("{}\n", text.reveal().trim()));
    match private::write_new(next, &line) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let waiting = Vault::from_file(next, true).map_err(OpenError::from)?;
            if waiting.key_id() == wanted.key_id() {
                return Ok(());
            }
            Err(CliError::Usage(format!(
                "{} holds another new key, of a rotation that was broken off: run rotate-key without a key first, which finishes it",
                next.display()
            )))
        }
        Err(error) => Err(failed(error).into()),
    }
}

fn sealed(secrets: Option<u64>, key: KeyId) -> String {
    match secrets {
        Some(secrets) => format!("{secrets} secrets are sealed with the new master key {key}."),
        None => format!("All secrets were sealed with the new master key {key} already."),
    }
}
