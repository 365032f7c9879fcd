//! Profiles and settings.

use super::writer::Write;
use super::{History, HistoryError};
use postern_protocol::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// A proxy and a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) id: i64,
    pub(crate) hook_key: String,
    pub(crate) proxy_url: String,
    pub(crate) workspace_id: String,
    pub(crate) workspace_name: String,
    pub(crate) name: String,
    pub(crate) registered: Option<String>,
    /// What carried the last tunnel, as [`postern_tunnel::Carrier`] reads.
    pub(crate) tunnel_carrier: Option<String>,
    pub(crate) paused: bool,
    pub(crate) token_digest: Option<String>,
    /// What it is called on this machine, where it was given a name.
    pub(crate) label: Option<String>,
}

impl Profile {
    /// Under which its secrets are kept.
    pub(crate) fn secrets_key(&self) -> String {
        Self::key_of(&self.proxy_url, &self.workspace_id)
    }

    /// Under which the secrets of a workspace at a proxy are kept.
    pub(crate) fn key_of(proxy_url: &str, workspace_id: &str) -> String {
        format!("{proxy_url}#{workspace_id}")
    }
}

/// What makes a profile.
#[derive(Clone, Debug)]
pub(crate) struct NewProfile {
    pub(crate) hook_key: String,
    pub(crate) proxy_url: String,
    pub(crate) workspace_id: String,
    pub(crate) workspace_name: String,
    /// The worker's name.
    pub(crate) name: String,
    /// Whether that is meant, also for a profile that is there already.
    pub(crate) named: bool,
    pub(crate) token_digest: Option<String>,
    pub(crate) now: UnixMillis,
}

const COLUMNS: &str = "id, hook_key, proxy_url, workspace_id, workspace_name, name, registered_url, paused,
    token_digest, tunnel_carrier, label";
const CURRENT: &str = "current_profile";

fn read(row: &Row<'_>) -> rusqlite::Result<Profile> {
    Ok(Profile {
        id: row.get(0)?,
        hook_key: row.get(1)?,
        proxy_url: row.get(2)?,
        workspace_id: row.get(3)?,
        workspace_name: row.get(4)?,
        name: row.get(5)?,
        registered: row.get(6)?,
        paused: row.get(7)?,
        token_digest: row.get(8)?,
        tunnel_carrier: row.get(9)?,
        label: row.get(10)?,
    })
}

fn by_id(connection: &Connection, id: i64) -> rusqlite::Result<Option<Profile>> {
    let sql = format!("SELECT {COLUMNS} FROM profile WHERE id = ?1");
    connection.query_row(&sql, [id], read).optional()
}

impl History {
    /// The profile last signed in to, unless signed out since.
    pub(crate) async fn current_profile(&self) -> Result<Option<Profile>, HistoryError> {
        self.readers
            .read(|reader, _| match setting(&reader.connection, CURRENT)?.and_then(|id| id.parse().ok()) {
                Some(id) => by_id(&reader.connection, id),
                None => Ok(None),
            })
            .await
    }

    /// The profile a token from the environment has signed in to before.
    pub(crate) async fn profile_of_token(&self, digest: String) -> Result<Option<Profile>, HistoryError> {
        let sql = format!("SELECT {COLUMNS} FROM profile WHERE token_digest = ?1 ORDER BY id DESC LIMIT 1");
        self.readers
            .read(move |reader, _| reader.connection.query_row(&sql, [&digest], read).optional())
            .await
    }

    /// Makes the profile, or brings its names up to date, and makes it the
    /// current one: clients start afresh.
    pub(crate) async fn enter_profile(&self, new: NewProfile) -> Result<Profile, HistoryError> {
        self.writer
            .write(move |write| {
                let id: i64 = write.tx.query_row(
                    "INSERT INTO profile
                       (hook_key, proxy_url, workspace_id, workspace_name, name, token_digest, created_at,
                        signed_in)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1)
                     ON CONFLICT (proxy_url, workspace_id) DO UPDATE SET
                       workspace_name = excluded.workspace_name,
                       name = iif(?8, excluded.name, name),
                       token_digest = excluded.token_digest, signed_in = 1
                     RETURNING id",
                    params![
                        new.hook_key,
                        new.proxy_url,
                        new.workspace_id,
                        new.workspace_name,
                        new.name,
                        new.token_digest,
                        new.now.0,
                        new.named
                    ],
                    |row| row.get(0),
                )?;
                set(write.tx, CURRENT, &id.to_string())?;
                let seq = write.next_seq();
                write.tx.execute("UPDATE cursor SET reset_seq = ?1", [seq])?;
                by_id(write.tx, id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
            })
            .await
    }

    /// Everybody who is signed in, in the order of their first sign-in.
    pub(crate) async fn signed_in_profiles(&self) -> Result<Vec<Profile>, HistoryError> {
        let sql = format!("SELECT {COLUMNS} FROM profile WHERE signed_in = 1 ORDER BY id");
        self.readers
            .read(move |reader, _| reader.connection.prepare(&sql)?.query_map([], read)?.collect())
            .await
    }

    /// Makes a profile the current one.
    pub(crate) async fn show_profile(&self, id: i64) -> Result<(), HistoryError> {
        self.writer.write(move |write| set(write.tx, CURRENT, &id.to_string())).await
    }

    /// Gives the profile's worker another name, which the proxy is yet to be told.
    pub(crate) async fn rename_worker(&self, id: i64, name: String) -> Result<(), HistoryError> {
        let sql = "UPDATE profile SET name = ?2, registered_url = NULL WHERE id = ?1";
        self.writer.write(move |write| write.tx.execute(sql, params![id, name]).map(|_| ())).await
    }

    pub(crate) async fn set_label(&self, id: i64, label: Option<String>) -> Result<(), HistoryError> {
        self.update_profile(id, "label", label).await
    }

    /// Nobody is signed in to the profile any more. Its history stays.
    pub(crate) async fn leave_profile(&self, id: i64) -> Result<(), HistoryError> {
        self.writer
            .write(move |write| {
                write.tx.execute(
                    "DELETE FROM setting WHERE name = ?1 AND value = ?2",
                    params![CURRENT, id.to_string()],
                )?;
                write.tx.execute(
                    "UPDATE profile SET token_digest = NULL, registered_url = NULL, signed_in = 0 WHERE id = ?1",
                    [id],
                )?;
                let seq = write.next_seq();
                write.tx.execute("UPDATE cursor SET reset_seq = ?1", [seq])?;
                Ok(())
            })
            .await
    }

    /// Deletes everything of a profile that nobody is signed in to, in small
    /// batches, itself last. The search index forgets by itself what is not
    /// here any more.
    pub(crate) async fn remove_profile(&self, id: i64) -> Result<(), HistoryError> {
        loop {
            let work = move |write: &mut Write<'_>| {
                let events = write.tx.execute(
                    "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE profile = ?1 LIMIT 500)",
                    [id],
                )?;
                write.counts_events(id, -i64::try_from(events).unwrap_or(i64::MAX));
                let seen = write.tx.execute(
                    "DELETE FROM seen WHERE id IN (SELECT id FROM seen WHERE profile = ?1 LIMIT 5000)",
                    [id],
                )?;
                Ok(events + seen > 0)
            };
            if !self.writer.write(work).await? {
                break;
            }
        }
        self.writer
            .write(move |write| {
                write.tx.execute("DELETE FROM rejected WHERE profile = ?1", [id])?;
                write.tx.execute("DELETE FROM view WHERE profile = ?1", [id])?;
                write.tx.execute("DELETE FROM profile WHERE id = ?1", [id])?;
                Ok(())
            })
            .await
    }

    pub(crate) async fn set_registered(
        &self,
        id: i64,
        registered: Option<String>,
    ) -> Result<(), HistoryError> {
        self.update_profile(id, "registered_url", registered).await
    }

    pub(crate) async fn set_tunnel_carrier(&self, id: i64, carrier: String) -> Result<(), HistoryError> {
        self.update_profile(id, "tunnel_carrier", carrier).await
    }

    pub(crate) async fn set_paused(&self, id: i64, paused: bool) -> Result<(), HistoryError> {
        self.update_profile(id, "paused", paused).await
    }

    async fn update_profile(
        &self,
        id: i64,
        column: &'static str,
        value: impl rusqlite::ToSql + Send + 'static,
    ) -> Result<(), HistoryError> {
        let sql = format!("UPDATE profile SET {column} = ?2 WHERE id = ?1");
        self.writer.write(move |write| write.tx.execute(&sql, params![id, value]).map(|_| ())).await
    }

    /// The number of the newest migration.
    pub(crate) async fn schema_version(&self) -> Result<i64, HistoryError> {
        let sql = "SELECT max(version) FROM refinery_schema_history";
        self.readers.read(move |reader, _| reader.connection.query_row(sql, [], |row| row.get(0))).await
    }

    /// A setting of the machine.
    pub(crate) async fn setting(&self, name: &'static str) -> Result<Option<String>, HistoryError> {
        self.readers.read(move |reader, _| setting(&reader.connection, name)).await
    }

    /// Changes a setting of the machine.
    pub(crate) async fn set_setting(&self, name: &'static str, value: String) -> Result<(), HistoryError> {
        self.writer.write(move |write| set(write.tx, name, &value)).await
    }
}

fn setting(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT value FROM setting WHERE name = ?1", [name], |row| row.get(0)).optional()
}

pub(super) fn set(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO setting (name, value) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [name, value],
    )?;
    Ok(())
}
