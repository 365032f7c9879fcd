//! The names of public tunnels. What a visitor must show is sealed beside the
//! options.

use super::SqliteStore;
use super::problem::Problem;
use super::writer::{Batch, Tx};
use crate::store::{MOST_NAMES, QUARANTINE, ReservedTunnel, StoreError, TunnelKept};
use crate::vault::Vault;
use postern_protocol::api::tunnels::{TunnelAccess, TunnelName, TunnelOptions};
use postern_protocol::id::WorkspaceId;
use postern_protocol::{Secret, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;

const TUNNEL: &str = "SELECT name, workspace, options, secret, created_at, used_at FROM tunnels";

impl SqliteStore {
    pub(super) async fn reserve_tunnel(
        &self,
        workspace: WorkspaceId,
        name: TunnelName,
        options: Option<TunnelOptions>,
        now: UnixMillis,
    ) -> Result<TunnelKept, StoreError> {
        let reserve = move |tx: &mut Tx<'_>| match owner(tx.db, &name)? {
            Some(kept) if kept.workspace == workspace && kept.released_at.is_none() => match &options {
                Some(options) => set(tx, workspace, &name, options),
                None => yours(tx, &name),
            },
            Some(kept) if kept.workspace != workspace && !kept.is_free(now) => Ok(TunnelKept::Taken),
            kept => {
                let there = "SELECT 1 FROM workspaces WHERE id = ?";
                if !tx.db.prepare_cached(there)?.exists([workspace.to_bytes()])? {
                    return Err(Problem::Missing(format!("the workspace {workspace}")));
                }
                forget_old(tx.db, workspace, now)?;
                // One of its own in quarantine counts already.
                let counted = kept.is_some_and(|kept| kept.workspace == workspace);
                if !counted && count(tx.db, workspace)? >= MOST_NAMES {
                    return Ok(TunnelKept::TooMany);
                }
                insert(tx, workspace, &name, options.as_ref(), now)
            }
        };
        self.writer.write(Batch::Joins, reserve).await
    }

    pub(super) async fn set_tunnel_options(
        &self,
        workspace: WorkspaceId,
        name: TunnelName,
        options: TunnelOptions,
    ) -> Result<TunnelKept, StoreError> {
        self.writer.write(Batch::Joins, move |tx| set(tx, workspace, &name, &options)).await
    }

    pub(super) async fn release_tunnel(
        &self,
        workspace: WorkspaceId,
        name: TunnelName,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let release = move |tx: &mut Tx<'_>| {
            let released = tx
                .db
                .prepare_cached(
                    "UPDATE tunnels SET released_at = ?, options = '{}', secret = NULL
                     WHERE name = ? AND workspace = ? AND released_at IS NULL",
                )?
                .execute(params![now.0, name.as_str(), workspace.to_bytes()])?;
            tx.after_commit(super::memory::Memory::forget_cached);
            Ok(released == 1)
        };
        self.writer.write(Batch::Joins, release).await
    }

    pub(super) async fn touch_tunnel(&self, name: TunnelName, now: UnixMillis) -> Result<(), StoreError> {
        let touch = move |tx: &mut Tx<'_>| {
            tx.db
                .prepare_cached("UPDATE tunnels SET used_at = ? WHERE name = ? AND released_at IS NULL")?
                .execute(params![now.0, name.as_str()])?;
            Ok(())
        };
        self.writer.write(Batch::Joins, touch).await
    }

    pub(super) async fn tunnels(&self, workspace: WorkspaceId) -> Result<Vec<ReservedTunnel>, StoreError> {
        let vault = Arc::clone(&self.vault);
        let list = move |db: &Connection| {
            let sql = format!("{TUNNEL} WHERE workspace = ? AND released_at IS NULL ORDER BY name");
            let mut statement = db.prepare_cached(&sql)?;
            let mut found = statement.query(params![workspace.to_bytes()])?;
            let mut tunnels = Vec::new();
            while let Some(row) = found.next()? {
                tunnels.push(read(row, &vault)?);
            }
            Ok(tunnels)
        };
        self.readers.read(list).await
    }

    pub(super) async fn tunnel(&self, name: &TunnelName) -> Result<Option<Arc<ReservedTunnel>>, StoreError> {
        let generation = match self.memory.tunnel(name) {
            Ok(tunnel) => return Ok(Some(tunnel)),
            Err(generation) => generation,
        };
        let (vault, name) = (Arc::clone(&self.vault), name.clone());
        let tunnel = self.readers.read(move |db| find(db, &vault, &name)).await?.map(Arc::new);
        if let Some(tunnel) = &tunnel {
            self.memory.keep_tunnel(generation, tunnel);
        }
        Ok(tunnel)
    }
}

/// Whose a name is, or was.
struct Owner {
    workspace: WorkspaceId,
    released_at: Option<i64>,
}

impl Owner {
    /// Whether anybody may have it.
    fn is_free(&self, now: UnixMillis) -> bool {
        self.released_at.is_some_and(|at| at <= now.0 - QUARANTINE)
    }
}

fn owner(db: &Connection, name: &TunnelName) -> Result<Option<Owner>, Problem> {
    let read = |row: &Row<'_>| {
        Ok(Owner { workspace: WorkspaceId::from_bytes(row.get(0)?), released_at: row.get(1)? })
    };
    let mut statement = db.prepare_cached("SELECT workspace, released_at FROM tunnels WHERE name = ?")?;
    Ok(statement.query_row([name.as_str()], read).optional()?)
}

/// Names whose quarantine is over are nobody's.
fn forget_old(db: &Connection, workspace: WorkspaceId, now: UnixMillis) -> Result<(), Problem> {
    db.prepare_cached("DELETE FROM tunnels WHERE workspace = ? AND released_at <= ?")?
        .execute(params![workspace.to_bytes(), now.0 - QUARANTINE])?;
    Ok(())
}

fn count(db: &Connection, workspace: WorkspaceId) -> Result<u32, Problem> {
    let mut statement = db.prepare_cached("SELECT count(*) FROM tunnels WHERE workspace = ?")?;
    Ok(statement.query_row(params![workspace.to_bytes()], |row| row.get(0))?)
}

fn insert(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    name: &TunnelName,
    options: Option<&TunnelOptions>,
    now: UnixMillis,
) -> Result<TunnelKept, Problem> {
    let options = options.cloned().unwrap_or_default();
    if lacks_secret(&options.access) {
        return Ok(TunnelKept::SecretMissing);
    }
    let secret =
        secret(&options.access).map(|secret| tx.vault.seal(&context(name.as_str()), secret.reveal()));
    tx.db
        .prepare_cached(
            "INSERT OR REPLACE INTO tunnels (name, workspace, options, secret, created_at)
             VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![name.as_str(), workspace.to_bytes(), json(options)?, secret, now.0])?;
    tx.after_commit(super::memory::Memory::forget_cached);
    yours(tx, name)
}

/// Replaces the options; a secret that is not given stays, where the kind of
/// access does.
fn set(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    name: &TunnelName,
    options: &TunnelOptions,
) -> Result<TunnelKept, Problem> {
    let Some(before) = find(tx.db, tx.vault, name)?.filter(|before| before.workspace == workspace) else {
        return Ok(TunnelKept::Unknown);
    };
    let mut options = options.clone();
    match (&mut options.access, before.options.access) {
        (TunnelAccess::Basic { password: new @ None, .. }, TunnelAccess::Basic { password: kept, .. })
        | (TunnelAccess::Bearer { token: new @ None }, TunnelAccess::Bearer { token: kept }) => *new = kept,
        _ => {}
    }
    if lacks_secret(&options.access) {
        return Ok(TunnelKept::SecretMissing);
    }
    let secret =
        secret(&options.access).map(|secret| tx.vault.seal(&context(name.as_str()), secret.reveal()));
    tx.db.prepare_cached("UPDATE tunnels SET options = ?, secret = ? WHERE name = ?")?.execute(params![
        json(options)?,
        secret,
        name.as_str()
    ])?;
    tx.after_commit(super::memory::Memory::forget_cached);
    yours(tx, name)
}

/// The name as it stands.
fn yours(tx: &Tx<'_>, name: &TunnelName) -> Result<TunnelKept, Problem> {
    let found = find(tx.db, tx.vault, name)?;
    Ok(found.map_or(TunnelKept::Unknown, |tunnel| TunnelKept::Yours(Box::new(tunnel))))
}

fn find(db: &Connection, vault: &Vault, name: &TunnelName) -> Result<Option<ReservedTunnel>, Problem> {
    let mut statement = db.prepare_cached(&format!("{TUNNEL} WHERE name = ? AND released_at IS NULL"))?;
    let mut found = statement.query([name.as_str()])?;
    found.next()?.map(|row| read(row, vault)).transpose()
}

fn read(row: &Row<'_>, vault: &Vault) -> Result<ReservedTunnel, Problem> {
    let name: String = row.get(0)?;
    let mut options: TunnelOptions = serde_json::from_str(&row.get::<_, String>(2)?)
        .map_err(|_| Problem::Damaged("a tunnel's options"))?;
    let sealed: Option<Vec<u8>> = row.get(3)?;
    let opened = sealed.map(|sealed| vault.open(&context(&name), &sealed)).transpose()?;
    match &mut options.access {
        TunnelAccess::None {} => {}
        TunnelAccess::Basic { password: secret, .. } | TunnelAccess::Bearer { token: secret } => {
            // Without it everybody would be let in.
            *secret = Some(opened.ok_or(Problem::Damaged("a tunnel's secret"))?);
        }
    }
    Ok(ReservedTunnel {
        name: name.try_into().map_err(|_| Problem::Damaged("a tunnel's name"))?,
        workspace: WorkspaceId::from_bytes(row.get(1)?),
        options,
        created_at: UnixMillis(row.get(4)?),
        used_at: row.get::<_, Option<i64>>(5)?.map(UnixMillis),
    })
}

fn json(options: TunnelOptions) -> Result<String, Problem> {
    serde_json::to_string(&options.without_secrets()).map_err(|_| Problem::Damaged("a tunnel's options"))
}

fn secret(access: &TunnelAccess) -> Option<&Secret> {
    match access {
        TunnelAccess::None {} => None,
        TunnelAccess::Basic { password: secret, .. } | TunnelAccess::Bearer { token: secret } => {
            secret.as_ref()
        }
    }
}

fn lacks_secret(access: &TunnelAccess) -> bool {
    *access != TunnelAccess::None {} && secret(access).is_none()
}

pub(super) fn context(name: &str) -> String {
    format!("tunnel:{name}")
}
