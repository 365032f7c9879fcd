//! Where the sealed secrets are, for whoever goes over all of them.

use super::problem::Problem;
use postern_protocol::id::{SourceId, TokenId, WorkerId};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row, ToSql, params};

/// A column of sealed secrets.
struct Place {
    table: &'static str,
    column: &'static str,
    /// The column that names the row, and with it the secret's context.
    key: &'static str,
    context: fn(ValueRef<'_>) -> Option<String>,
}

/// All of them. A test sees to it that none is missing.
static PLACES: [Place; 6] = [
    Place {
        table: "sources",
        column: "secrets",
        key: "id",
        context: |key| id(key).map(SourceId::from_bytes).map(super::rows::source_context),
    },
    Place {
        table: "linear_apps",
        column: "secrets",
        key: "slug",
        context: |key| key.as_str().ok().map(super::admin::app_context),
    },
    Place {
        table: "linear_members",
        column: "secret",
        key: "token",
        context: |key| id(key).map(TokenId::from_bytes).map(super::linear::context),
    },
    Place { table: "workers", column: "secret", key: "id", context: worker },
    Place { table: "workers", column: "previous_secret", key: "id", context: worker },
    Place {
        table: "tunnels",
        column: "secret",
        key: "name",
        context: |key| key.as_str().ok().map(super::tunnels::context),
    },
];

/// A sealed secret.
pub(super) struct Sealed {
    place: &'static Place,
    key: rusqlite::types::Value,
    pub(super) context: String,
    pub(super) sealed: Vec<u8>,
}

impl Sealed {
    /// Puts what was sealed anew in its place.
    pub(super) fn replace(&self, db: &Connection, sealed: &[u8]) -> rusqlite::Result<()> {
        let Place { table, column, key, .. } = self.place;
        let sql = format!("UPDATE {table} SET {column} = ?1 WHERE {key} = ?2");
        db.prepare_cached(&sql)?.execute([&sealed as &dyn ToSql, &self.key]).map(drop)
    }
}

/// Goes over all sealed secrets.
pub(super) fn each(
    db: &Connection,
    mut work: impl FnMut(Sealed) -> Result<(), Problem>,
) -> Result<(), Problem> {
    for place in &PLACES {
        go_over(db, place, "true", params![], &mut work)?;
    }
    Ok(())
}

/// Goes over the sealed secrets of a table's rows for which `condition` holds.
pub(super) fn of_table(
    db: &Connection,
    table: &str,
    condition: &str,
    value: i64,
    mut work: impl FnMut(Sealed) -> Result<(), Problem>,
) -> Result<(), Problem> {
    for place in PLACES.iter().filter(|place| place.table == table) {
        go_over(db, place, condition, params![value], &mut work)?;
    }
    Ok(())
}

fn go_over(
    db: &Connection,
    place: &'static Place,
    condition: &str,
    values: impl Params,
    work: &mut dyn FnMut(Sealed) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let Place { table, column, key, .. } = place;
    let sql = format!("SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL AND {condition}");
    let mut statement = db.prepare(&sql)?;
    let all = statement.query_map(values, |row| read(place, row))?.collect::<Result<Vec<_>, _>>()?;
    for sealed in all {
        work(sealed.ok_or(Problem::Damaged("the name of a secret's row"))?)?;
    }
    Ok(())
}

fn read(place: &'static Place, row: &Row<'_>) -> rusqlite::Result<Option<Sealed>> {
    let context = (place.context)(row.get_ref(0)?);
    let (key, sealed) = (row.get(0)?, row.get(1)?);
    Ok(context.map(|context| Sealed { place, key, context, sealed }))
}

fn worker(key: ValueRef<'_>) -> Option<String> {
    id(key).map(WorkerId::from_bytes).map(super::rows::worker_context)
}

fn id(key: ValueRef<'_>) -> Option<[u8; 16]> {
    key.as_blob().ok()?.try_into().ok()
}
