//! Workspaces, sources, Linear apps, tokens: what people set up.

use super::SqliteStore;
use super::problem::Problem;
use super::writer::{Batch, Tx};
use super::{rows, sealed};
use crate::store::{LinearApp, Source, StoreError, Token, Workspace};
use crate::vault::Vault;
use postern_protocol::id::{SourceId, TokenId, WorkspaceId};
use postern_protocol::{Secret, UnixMillis};
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;

const MINUTE: i64 = 60_000;

impl SqliteStore {
    pub(super) async fn create_workspace(&self, workspace: Workspace) -> Result<(), StoreError> {
        let insert = move |tx: &mut Tx<'_>| {
            let row = params![workspace.id.to_bytes(), workspace.name, workspace.created_at.0];
            let sql = "INSERT INTO workspaces (id, name, created_at) VALUES (?, ?, ?)";
            insert_new(tx.db, sql, row, || format!("the workspace {}", workspace.name))
        };
        self.writer.write(Batch::Joins, insert).await
    }

    pub(super) async fn workspaces(&self) -> Result<Vec<Workspace>, StoreError> {
        let list = |db: &Connection| {
            let mut statement =
                db.prepare_cached("SELECT id, name, created_at FROM workspaces ORDER BY created_at, rowid")?;
            Ok(statement.query_map([], rows::workspace)?.collect::<Result<_, _>>()?)
        };
        self.readers.read(list).await
    }

    pub(super) async fn create_source(&self, source: Source) -> Result<(), StoreError> {
        let secrets = rows::seal(&self.vault, &rows::source_context(source.id), &source.secrets);
        let json = |value: serde_json::Result<String>| value.map_err(|e| StoreError::Failed(e.into()));
        let scheme = json(serde_json::to_string(&source.scheme))?;
        let id_from = source.id_from.as_ref().map(|from| json(serde_json::to_string(from))).transpose()?;
        let insert = move |tx: &mut Tx<'_>| {
            must_exist(
                tx.db,
                "SELECT 1 FROM workspaces WHERE id = ?",
                params![source.workspace.to_bytes()],
                || format!("the workspace {}", source.workspace),
            )?;
            let row = params![
                source.id.to_bytes(),
                source.workspace.to_bytes(),
                source.name,
                source.provider().as_str(),
                secrets,
                source.created_at.0,
                scheme,
                id_from,
                source.old_until.map(|at| at.0),
                source.entity_pointer.clone().map(String::from)
            ];
            let sql =
                "INSERT INTO sources (id, workspace, name, provider, secrets, created_at, scheme, id_from, old_until,
                                      entity_pointer)
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            insert_new(tx.db, sql, row, || format!("the source {}", source.name))
        };
        self.writer.write(Batch::Joins, insert).await
    }

    pub(super) async fn sources(&self, workspace: WorkspaceId) -> Result<Vec<Source>, StoreError> {
        let vault = Arc::clone(&self.vault);
        let list = move |db: &Connection| {
            let sql = format!("{} WHERE workspace = ? ORDER BY created_at, rowid", rows::SOURCE);
            let mut statement = db.prepare_cached(&sql)?;
            let mut found = statement.query(params![workspace.to_bytes()])?;
            let mut sources = Vec::new();
            while let Some(row) = found.next()? {
                sources.push(rows::source(row, &vault)?);
            }
            Ok(sources)
        };
        self.readers.read(list).await
    }

    pub(super) async fn source(&self, id: SourceId) -> Result<Option<Source>, StoreError> {
        let generation = match self.memory.source(id) {
            Ok(source) => return Ok(Some(source)),
            Err(generation) => generation,
        };
        let vault = Arc::clone(&self.vault);
        let find = move |db: &Connection| {
            let mut statement = db.prepare_cached(&format!("{} WHERE id = ?", rows::SOURCE))?;
            let mut found = statement.query(params![id.to_bytes()])?;
            found.next()?.map(|row| rows::source(row, &vault)).transpose()
        };
        let source = self.readers.read(find).await?;
        if let Some(source) = &source {
            self.memory.keep_source(generation, source);
        }
        Ok(source)
    }

    pub(super) async fn set_source_secrets(
        &self,
        id: SourceId,
        secrets: Vec<Secret>,
        old_until: Option<UnixMillis>,
    ) -> Result<(), StoreError> {
        let sealed = rows::seal(&self.vault, &rows::source_context(id), &secrets);
        let update = move |tx: &mut Tx<'_>| {
            let changed = tx
                .db
                .prepare_cached("UPDATE sources SET secrets = ?, old_until = ? WHERE id = ?")?
                .execute(params![sealed, old_until.map(|at| at.0), id.to_bytes()])?;
            tx.after_commit(super::memory::Memory::forget_cached);
            if changed == 1 { Ok(()) } else { Err(Problem::Missing(format!("the source {id}"))) }
        };
        self.writer.write(Batch::Joins, update).await
    }

    pub(super) async fn drop_old_secrets(&self, now: UnixMillis) -> Result<u64, StoreError> {
        let over = move |db: &Connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM sources WHERE old_until <= ?1)
                           OR EXISTS (SELECT 1 FROM linear_apps WHERE old_until <= ?1)";
            Ok(db.prepare_cached(sql)?.query_row([now.0], |row| row.get::<_, bool>(0))?)
        };
        if !self.readers.read(over).await? {
            return Ok(0);
        }
        let drop = move |tx: &mut Tx<'_>| {
            let mut changed = 0;
            for table in ["sources", "linear_apps"] {
                sealed::of_table(tx.db, table, "old_until <= ?", now.0, |row| {
                    let mut secrets = rows::unseal(tx.vault, &row.context, &row.sealed)?;
                    secrets.truncate(1);
                    row.replace(tx.db, &rows::seal(tx.vault, &row.context, &secrets))?;
                    changed += 1;
                    Ok(())
                })?;
                let sql = format!("UPDATE {table} SET old_until = NULL WHERE old_until <= ?");
                tx.db.prepare_cached(&sql)?.execute([now.0])?;
            }
            tx.after_commit(super::memory::Memory::forget_cached);
            Ok(changed)
        };
        self.writer.write(Batch::Joins, drop).await
    }

    pub(super) async fn remove_source(&self, id: SourceId) -> Result<(), StoreError> {
        let remove = move |tx: &mut Tx<'_>| {
            let key = params![id.to_bytes()];
            must_exist(tx.db, "SELECT 1 FROM sources WHERE id = ?", key, || format!("the source {id}"))?;
            tx.db.prepare_cached("DELETE FROM linear_organizations WHERE source = ?")?.execute(key)?;
            tx.db.prepare_cached("DELETE FROM sources WHERE id = ?")?.execute(key)?;
            tx.after_commit(super::memory::Memory::forget_cached);
            Ok(())
        };
        self.writer.write(Batch::Joins, remove).await
    }

    pub(super) async fn put_linear_app(&self, app: LinearApp) -> Result<(), StoreError> {
        let sealed = rows::seal(&self.vault, &app_context(&app.slug), &app.secrets);
        let put = move |tx: &mut Tx<'_>| {
            for (_, source) in &app.organizations {
                source_must_exist(tx.db, *source)?;
            }
            tx.db
                .prepare_cached(
                    "INSERT INTO linear_apps (slug, secrets, old_until) VALUES (?, ?, ?)
                     ON CONFLICT (slug) DO UPDATE SET secrets = excluded.secrets, old_until = excluded.old_until",
                )?
                .execute(params![app.slug, sealed, app.old_until.map(|at| at.0)])?;
            tx.db.prepare_cached("DELETE FROM linear_organizations WHERE app = ?")?.execute([&app.slug])?;
            for (organization, source) in &app.organizations {
                link(tx.db, &app.slug, organization, *source)?;
            }
            tx.after_commit(super::memory::Memory::forget_cached);
            Ok(())
        };
        self.writer.write(Batch::Joins, put).await
    }

    pub(super) async fn linear_app(&self, slug: &str) -> Result<Option<LinearApp>, StoreError> {
        let generation = match self.memory.app(slug) {
            Ok(app) => return Ok(Some(app)),
            Err(generation) => generation,
        };
        let (vault, slug) = (Arc::clone(&self.vault), slug.to_owned());
        let app = self.readers.read(move |db| find_app(db, &vault, slug)).await?;
        if let Some(app) = &app {
            self.memory.keep_app(generation, app);
        }
        Ok(app)
    }

    pub(super) async fn link_organization(
        &self,
        app: &str,
        organization: &str,
        source: SourceId,
    ) -> Result<(), StoreError> {
        let (app, organization) = (app.to_owned(), organization.to_owned());
        let put = move |tx: &mut Tx<'_>| {
            must_exist(tx.db, "SELECT 1 FROM linear_apps WHERE slug = ?", [&app], || {
                format!("the Linear app {app}")
            })?;
            source_must_exist(tx.db, source)?;
            link(tx.db, &app, &organization, source)?;
            tx.after_commit(super::memory::Memory::forget_cached);
            Ok(())
        };
        self.writer.write(Batch::Joins, put).await
    }

    pub(super) async fn create_token(&self, token: Token) -> Result<(), StoreError> {
        let insert = move |tx: &mut Tx<'_>| {
            must_exist(
                tx.db,
                "SELECT 1 FROM workspaces WHERE id = ?",
                params![token.workspace.to_bytes()],
                || format!("the workspace {}", token.workspace),
            )?;
            let scopes: Vec<_> = token.scopes.iter().map(|scope| scope.as_str()).collect();
            let row = params![
                token.id.to_bytes(),
                token.workspace.to_bytes(),
                token.label,
                token.hash,
                scopes.join(" "),
                token.created_at.0,
                token.expires_at.map(|at| at.0),
                token.revoked_at.map(|at| at.0),
                token.last_used_at.map(|at| at.0)
            ];
            let sql = "INSERT INTO tokens
                (id, workspace, label, hash, scopes, created_at, expires_at, revoked_at, last_used_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
            insert_new(tx.db, sql, row, || format!("the token {}", token.id))
        };
        self.writer.write(Batch::Joins, insert).await
    }

    pub(super) async fn tokens(&self, workspace: WorkspaceId) -> Result<Vec<Token>, StoreError> {
        let list = move |db: &Connection| {
            let sql = format!("{} WHERE workspace = ? ORDER BY created_at, rowid", rows::TOKEN);
            let mut statement = db.prepare_cached(&sql)?;
            let mut found = statement.query(params![workspace.to_bytes()])?;
            let mut tokens = Vec::new();
            while let Some(row) = found.next()? {
                tokens.push(rows::token(row)?);
            }
            Ok(tokens)
        };
        self.readers.read(list).await
    }

    pub(super) async fn token_by_hash(
        &self,
        hash: [u8; 32],
        now: UnixMillis,
    ) -> Result<Option<Token>, StoreError> {
        let find = move |db: &Connection| {
            let mut statement = db.prepare_cached(&format!("{} WHERE hash = ?", rows::TOKEN))?;
            let mut found = statement.query(params![hash])?;
            found.next()?.map(rows::token).transpose()
        };
        let Some(mut token) = self.readers.read(find).await? else { return Ok(None) };
        let minute = UnixMillis(now.0.div_euclid(MINUTE) * MINUTE);
        if token.revoked_at.is_none() && token.last_used_at.is_none_or(|used| used < minute) {
            let id = token.id;
            let note = move |tx: &mut Tx<'_>| {
                tx.db
                    .prepare_cached("UPDATE tokens SET last_used_at = ? WHERE id = ?")?
                    .execute(params![minute.0, id.to_bytes()])?;
                Ok(())
            };
            match self.writer.write(Batch::Joins, note).await {
                Ok(()) => token.last_used_at = Some(minute),
                // Who may only read shall not fail for want of room to write.
                Err(error) => tracing::warn!(%error, token = %id, "a token's use could not be noted"),
            }
        }
        Ok(Some(token))
    }

    pub(super) async fn revoke_token(&self, id: TokenId, now: UnixMillis) -> Result<(), StoreError> {
        let revoke = move |tx: &mut Tx<'_>| {
            let key = id.to_bytes();
            must_exist(tx.db, "SELECT 1 FROM tokens WHERE id = ?", params![key], || {
                format!("the token {id}")
            })?;
            tx.db
                .prepare_cached("UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?")?
                .execute(params![now.0, key])?;
            tx.db
                .prepare_cached(
                    "UPDATE workers SET leased_until = min(leased_until, ?),
                            state = iif(state = 'active', 'away', state) WHERE token = ? AND state <> 'gone'",
                )?
                .execute(params![now.0, key])?;
            let ended = super::workers::members(tx, "token = ? AND state <> 'gone'", params![key])?;
            tx.after_commit(|memory| ended.into_iter().for_each(|member| memory.roster.put(member)));
            Ok(())
        };
        self.writer.write(Batch::Ends, revoke).await
    }
}

pub(super) fn app_context(slug: &str) -> String {
    format!("linear-app:{slug}")
}

fn find_app(db: &Connection, vault: &Vault, slug: String) -> Result<Option<LinearApp>, Problem> {
    let kept: Option<(Vec<u8>, Option<i64>)> = db
        .prepare_cached("SELECT secrets, old_until FROM linear_apps WHERE slug = ?")?
        .query_row([&slug], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((sealed, old_until)) = kept else { return Ok(None) };
    let mut statement = db.prepare_cached(
        "SELECT organization, source FROM linear_organizations WHERE app = ? ORDER BY organization",
    )?;
    let organizations = statement
        .query_map([&slug], |row| Ok((row.get(0)?, SourceId::from_bytes(row.get(1)?))))?
        .collect::<Result<_, _>>()?;
    let secrets = rows::unseal(vault, &app_context(&slug), &sealed)?;
    Ok(Some(LinearApp { slug, secrets, old_until: old_until.map(UnixMillis), organizations }))
}

fn link(db: &Connection, app: &str, organization: &str, source: SourceId) -> Result<(), Problem> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO linear_organizations (app, organization, source) VALUES (?, ?, ?)",
    )?
    .execute(params![app, organization, source.to_bytes()])?;
    Ok(())
}

fn source_must_exist(db: &Connection, id: SourceId) -> Result<(), Problem> {
    let key = params![id.to_bytes()];
    must_exist(db, "SELECT 1 FROM sources WHERE id = ?", key, || format!("the source {id}"))
}

fn must_exist(
    db: &Connection,
    sql: &str,
    key: impl rusqlite::Params,
    what: impl FnOnce() -> String,
) -> Result<(), Problem> {
    if db.prepare_cached(sql)?.exists(key)? { Ok(()) } else { Err(Problem::Missing(what())) }
}

/// Inserts a row; a conflict says that `what` exists.
fn insert_new(
    db: &Connection,
    sql: &str,
    row: impl rusqlite::Params,
    what: impl FnOnce() -> String,
) -> Result<(), Problem> {
    match db.prepare_cached(sql)?.execute(row) {
        Ok(_) => Ok(()),
        Err(error) if Problem::is_conflict(&error) => Err(Problem::Exists(what())),
        Err(error) => Err(error.into()),
    }
}
