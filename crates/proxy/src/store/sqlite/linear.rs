//! Linear sign-ins: which organisations may, and who has.

use super::SqliteStore;
use super::problem::Problem;
use super::rows;
use super::writer::{Batch, Tx};
use crate::store::{LinearMember, LinearOrganization, StoreError, Token};
use postern_protocol::UnixMillis;
use postern_protocol::id::{TokenId, WorkspaceId};
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;

impl SqliteStore {
    pub(super) async fn link_linear(&self, named: &str, workspace: WorkspaceId) -> Result<(), StoreError> {
        let named = named.to_owned();
        let put = move |tx: &mut Tx<'_>| {
            forget(tx.db, &named)?;
            tx.db
                .prepare_cached("INSERT INTO linear_links (named, workspace) VALUES (?, ?)")?
                .execute(params![named, workspace.to_bytes()])?;
            Ok(())
        };
        self.writer.write(Batch::Joins, put).await
    }

    pub(super) async fn unlink_linear(&self, named: &str) -> Result<(), StoreError> {
        let named = named.to_owned();
        let remove = move |tx: &mut Tx<'_>| {
            if forget(tx.db, &named)? {
                return Ok(());
            }
            Err(Problem::Missing(format!("a link of the Linear organization {named}")))
        };
        self.writer.write(Batch::Joins, remove).await
    }

    pub(super) async fn linear_links(&self) -> Result<Vec<(String, WorkspaceId)>, StoreError> {
        let list = |db: &Connection| {
            let mut statement =
                db.prepare_cached("SELECT named, workspace FROM linear_links ORDER BY named")?;
            let link = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, WorkspaceId::from_bytes(row.get(1)?)));
            Ok(statement.query_map([], link)?.collect::<Result<_, _>>()?)
        };
        self.readers.read(list).await
    }

    pub(super) async fn linear_workspace(
        &self,
        organization: LinearOrganization,
    ) -> Result<Option<WorkspaceId>, StoreError> {
        let find = move |tx: &mut Tx<'_>| {
            let LinearOrganization { id, url_key } = &organization;
            let found = tx
                .db
                .prepare_cached(
                    "SELECT named, workspace FROM linear_links
                     WHERE organization = ?1 OR (organization IS NULL AND named IN (?1, ?2))
                     ORDER BY organization IS NULL, named <> ?1",
                )?
                .query_row(params![id, url_key], |row| {
                    Ok((row.get::<_, String>(0)?, WorkspaceId::from_bytes(row.get(1)?)))
                })
                .optional()?;
            let Some((named, workspace)) = found else { return Ok(None) };
            tx.db
                .prepare_cached("UPDATE linear_links SET organization = ? WHERE named = ?")?
                .execute(params![id, named])?;
            Ok(Some(workspace))
        };
        self.writer.write(Batch::Joins, find).await
    }

    pub(super) async fn admit_linear(&self, token: Token, member: LinearMember) -> Result<(), StoreError> {
        match self.create_token(token).await {
            // The same key at the same moment: the other one has made it.
            Err(StoreError::Exists(_)) => return Ok(()),
            made => made?,
        }
        let sealed = rows::seal(&self.vault, &context(member.token), std::slice::from_ref(&member.secret));
        let put = move |tx: &mut Tx<'_>| {
            tx.db
                .prepare_cached(
                    "INSERT INTO linear_members (token, organization, user, secret, checked_at) VALUES (?, ?, ?, ?, ?)",
                )?
                .execute(params![
                    member.token.to_bytes(),
                    member.organization,
                    member.user,
                    sealed,
                    member.checked_at.0
                ])?;
            Ok(())
        };
        self.writer.write(Batch::Joins, put).await
    }

    pub(super) async fn linear_members_checked_before(
        &self,
        before: UnixMillis,
    ) -> Result<Vec<LinearMember>, StoreError> {
        let vault = Arc::clone(&self.vault);
        let list = move |db: &Connection| {
            let mut statement = db.prepare_cached(
                "SELECT m.token, m.organization, m.secret, m.checked_at, t.workspace, m.user
                 FROM linear_members m JOIN tokens t ON t.id = m.token
                 WHERE m.checked_at <= ? AND t.revoked_at IS NULL ORDER BY m.checked_at LIMIT 50",
            )?;
            let mut found = statement.query(params![before.0])?;
            let mut members = Vec::new();
            while let Some(row) = found.next()? {
                let token = TokenId::from_bytes(row.get(0)?);
                let sealed: Vec<u8> = row.get(2)?;
                let secret = rows::unseal(&vault, &context(token), &sealed)?
                    .pop()
                    .ok_or(Problem::Damaged("a Linear member's secret"))?;
                members.push(LinearMember {
                    token,
                    workspace: WorkspaceId::from_bytes(row.get(4)?),
                    organization: row.get(1)?,
                    user: row.get(5)?,
                    secret,
                    checked_at: UnixMillis(row.get(3)?),
                });
            }
            Ok(members)
        };
        self.readers.read(list).await
    }

    pub(super) async fn linear_checked(
        &self,
        token: TokenId,
        found: Option<(UnixMillis, String)>,
    ) -> Result<(), StoreError> {
        let note = move |tx: &mut Tx<'_>| {
            let key = token.to_bytes();
            match &found {
                Some((at, user)) => tx
                    .db
                    .prepare_cached("UPDATE linear_members SET checked_at = ?, user = ? WHERE token = ?")?
                    .execute(params![at.0, user, key])?,
                None => tx
                    .db
                    .prepare_cached("DELETE FROM linear_members WHERE token = ?")?
                    .execute(params![key])?,
            };
            // Revoked by an administrator: not asked about any more, nor kept.
            tx.db
                .prepare_cached(
                    "DELETE FROM linear_members WHERE token IN
                     (SELECT id FROM tokens WHERE revoked_at IS NOT NULL)",
                )?
                .execute([])?;
            Ok(())
        };
        self.writer.write(Batch::Joins, note).await
    }

    pub(super) async fn linear_user(&self, token: TokenId) -> Result<Option<String>, StoreError> {
        let find = move |db: &Connection| {
            let mut statement = db.prepare_cached("SELECT user FROM linear_members WHERE token = ?")?;
            Ok(statement.query_row(params![token.to_bytes()], |row| row.get(0)).optional()?.flatten())
        };
        self.readers.read(find).await
    }
}

/// Removes a link; its members are due for a check, which they will not pass.
fn forget(db: &Connection, named: &str) -> Result<bool, Problem> {
    db.prepare_cached(
        "UPDATE linear_members SET checked_at = 0 WHERE organization IN
         (SELECT organization FROM linear_links WHERE named = ?1 OR organization = ?1)",
    )?
    .execute([named])?;
    let removed = db
        .prepare_cached("DELETE FROM linear_links WHERE named = ?1 OR organization = ?1")?
        .execute([named])?;
    Ok(removed > 0)
}

pub(super) fn context(token: TokenId) -> String {
    format!("linear-member:{token}")
}
