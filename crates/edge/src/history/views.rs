//! Saved views: filters of the list with a name, those of one profile.

use super::{History, HistoryError};
use crate::api::View;
use rusqlite::{Connection, params};

/// What became of a renaming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renamed {
    /// It has the new name.
    Done,
    /// There is none of the old name.
    Unknown,
    /// Another has the new name.
    Taken,
}

impl History {
    /// A profile's views, by name.
    pub(crate) async fn views(&self, profile: i64) -> Result<Vec<View>, HistoryError> {
        self.readers.read(move |reader, _| all(&reader.connection, profile)).await
    }

    /// Keeps a view, in place of one of its name, unless there are `most`
    /// already; says whether it is kept.
    pub(crate) async fn save_view(
        &self,
        profile: i64,
        view: View,
        most: usize,
    ) -> Result<bool, HistoryError> {
        self.writer
            .write(move |write| {
                let others = all(write.tx, profile)?.iter().filter(|other| other.name != view.name).count();
                if others >= most {
                    return Ok(false);
                }
                put(write.tx, profile, &view)?;
                Ok(true)
            })
            .await
    }

    /// Gives a view another name.
    pub(crate) async fn rename_view(
        &self,
        profile: i64,
        name: String,
        to: String,
    ) -> Result<Renamed, HistoryError> {
        self.writer
            .write(move |write| {
                if name != to && all(write.tx, profile)?.iter().any(|view| view.name == to) {
                    return Ok(Renamed::Taken);
                }
                let sql = "UPDATE view SET name = ?3 WHERE profile = ?1 AND name = ?2";
                let renamed = write.tx.execute(sql, params![profile, name, to])?;
                Ok(if renamed == 0 { Renamed::Unknown } else { Renamed::Done })
            })
            .await
    }

    /// Removes a view, if it is there.
    pub(crate) async fn remove_view(&self, profile: i64, name: String) -> Result<(), HistoryError> {
        self.writer
            .write(move |write| {
                write
                    .tx
                    .execute("DELETE FROM view WHERE profile = ?1 AND name = ?2", params![profile, name])
                    .map(drop)
            })
            .await
    }
}

/// Keeps a view, in place of one of its name.
pub(super) fn put(connection: &Connection, profile: i64, view: &View) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO view (profile, name, filter) VALUES (?1, ?2, ?3)
         ON CONFLICT (profile, name) DO UPDATE SET filter = excluded.filter",
        params![profile, view.name, view.filter],
    )?;
    Ok(())
}

fn all(connection: &Connection, profile: i64) -> rusqlite::Result<Vec<View>> {
    connection
        .prepare_cached(
            "SELECT name, filter FROM view WHERE profile = ?1 ORDER BY name COLLATE NOCASE, name",
        )?
        .query_map([profile], |row| Ok(View { name: row.get(0)?, filter: row.get(1)? }))?
        .collect()
}
