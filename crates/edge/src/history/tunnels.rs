//! The public tunnels of a profile.

use super::{History, HistoryError};
use crate::api::TunnelSettings;
use postern_protocol::api::tunnels::TunnelName;
use rusqlite::types::Type;
use rusqlite::{Connection, params};

/// A tunnel as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeptTunnel {
    pub(crate) name: TunnelName,
    /// Its public address.
    pub(crate) url: String,
    /// Whether it is to be served.
    pub(crate) enabled: bool,
    pub(crate) settings: TunnelSettings,
}

impl History {
    /// A profile's tunnels, by name.
    pub(crate) async fn tunnels(&self, profile: i64) -> Result<Vec<KeptTunnel>, HistoryError> {
        self.readers.read(move |reader, _| all(&reader.connection, profile)).await
    }

    /// Keeps a tunnel, in place of the one of its name.
    pub(crate) async fn keep_tunnel(&self, profile: i64, tunnel: KeptTunnel) -> Result<(), HistoryError> {
        self.writer
            .write(move |write| {
                let settings = serde_json::to_string(&tunnel.settings)
                    .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
                write
                    .tx
                    .execute(
                        "INSERT INTO tunnel (profile, name, url, enabled, settings) VALUES (?1, ?2, ?3, ?4, ?5)
                         ON CONFLICT (profile, name) DO UPDATE
                         SET url = excluded.url, enabled = excluded.enabled, settings = excluded.settings",
                        params![profile, tunnel.name.as_str(), tunnel.url, tunnel.enabled, settings],
                    )
                    .map(drop)
            })
            .await
    }

    /// Forgets a tunnel, if it is there.
    pub(crate) async fn forget_tunnel(&self, profile: i64, name: TunnelName) -> Result<(), HistoryError> {
        self.writer
            .write(move |write| {
                let sql = "DELETE FROM tunnel WHERE profile = ?1 AND name = ?2";
                write.tx.execute(sql, params![profile, name.as_str()]).map(drop)
            })
            .await
    }
}

fn all(connection: &Connection, profile: i64) -> rusqlite::Result<Vec<KeptTunnel>> {
    connection
        .prepare_cached("SELECT name, url, enabled, settings FROM tunnel WHERE profile = ?1 ORDER BY name")?
        .query_map([profile], |row| {
            let unread = |column, e: Box<dyn std::error::Error + Send + Sync>| {
                rusqlite::Error::FromSqlConversionFailure(column, Type::Text, e)
            };
            let name: TunnelName = row.get::<_, String>(0)?.parse().map_err(|e| unread(0, Box::new(e)))?;
            let settings = row.get::<_, String>(3)?;
            let settings = serde_json::from_str(&settings).map_err(|e| unread(3, Box::new(e)))?;
            Ok(KeptTunnel { name, url: row.get(1)?, enabled: row.get(2)?, settings })
        })?
        .collect()
}
