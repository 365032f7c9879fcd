//! A new master key: every secret is sealed anew in one transaction, so that a
//! process that ends at any moment leaves all of them under one key.

use super::open::{self, OpenError};
use super::problem::Problem;
use super::sealed;
use crate::vault::{Vault, VaultError};
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, MAIN_DB, TransactionBehavior, params};
use std::path::Path;

/// Seals every secret in the database at `path` with the key of `new`, and
/// makes that the master key; how many secrets there were. `None`: it is the
/// master key already. A proxy may be serving; it looks for the new key where
/// it has the old one from. Blocks.
///
/// # Errors
/// When the database does not open under `old`, or a secret is damaged:
/// nothing has changed then.
pub fn rotate_key(path: &Path, old: &Vault, new: &Vault) -> Result<Option<u64>, OpenError> {
    let mut connection = match open::open(path, old, false, true) {
        Err(OpenError::Key(VaultError::WrongKey { sealed, .. })) if sealed == new.key_id() => {
            return Ok(None);
        }
        opened => opened?.connection,
    };
    rotate(&mut connection, old, new).map_err(|problem| open::not_opened(path, problem))
}

fn rotate(connection: &mut Connection, old: &Vault, new: &Vault) -> Result<Option<u64>, Problem> {
    // What was sealed with the old key is not to be found in freed pages.
    connection.pragma_update(None, "secure_delete", true)?;
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if open::key(&tx)? == Some(new.key_id()) {
        return Ok(None);
    }
    tx.execute("UPDATE meta SET value = ? WHERE key = 'master_key_id'", params![new.key_id().0])?;
    let mut secrets = 0;
    sealed::each(&tx, |row| {
        let text = old.open(&row.context, &row.sealed)?;
        row.replace(&tx, &new.seal(&row.context, text.reveal()))?;
        secrets += 1;
        Ok(())
    })?;
    tx.commit()?;
    // Nor in the log, unless a proxy is using it: then it is written over soon.
    let _ = connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::TRUNCATE);
    Ok(Some(secrets))
}
