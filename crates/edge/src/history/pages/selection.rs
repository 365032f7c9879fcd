//! Which events a query selects, as SQL.
//!
//! Every selection is walked in the order of its rows' ids, so that a page
//! costs what it shows, however long the history is.

use super::outcome_text;
use crate::api::EventQuery;
use crate::history::search;
use rusqlite::types::Value;

/// A query on a profile's events.
pub(super) struct Selection {
    from: &'static str,
    /// The column that is the row's id in `from`.
    id: &'static str,
    conditions: String,
    values: Vec<Value>,
    /// Nothing is asked for but the profile.
    pub(super) is_all: bool,
    /// The search index must be attached.
    pub(super) searches: bool,
}

impl Selection {
    /// `None` when nothing can match: a search without a word.
    pub(super) fn new(profile: i64, query: &EventQuery) -> Option<Self> {
        let mut conditions = Vec::new();
        let mut values = vec![Value::Integer(profile)];
        let mut only = |column: &str, value: Option<String>| {
            if let Some(value) = value {
                conditions.push(format!("e.{column} = ?"));
                values.push(Value::Text(value));
            }
        };
        only("provider", query.provider.map(|p| p.as_str().to_owned()));
        only("source", query.source.clone());
        only("event_type", query.event_type.clone());
        only("outcome", query.outcome.map(|kind| outcome_text(kind).to_owned()));
        // Without the plus sign, SQLite would find all rows of the profile by
        // an index of something else and then sort them.
        let profile = if conditions.is_empty() { "+e.profile = ?" } else { "e.profile = ?" };
        let unfiltered = conditions.is_empty();
        conditions.insert(0, profile.into());

        let typed = query.search.as_deref().map(str::trim).filter(|typed| !typed.is_empty());
        if let Some(typed) = typed {
            conditions.push("doc MATCH ?".into());
            values.push(Value::Text(search::query(typed)?));
        }
        // CROSS JOIN: the search first, then its rows.
        let (from, id) = match typed {
            Some(_) => ("search.doc CROSS JOIN event e ON e.id = doc.rowid", "doc.rowid"),
            None => ("event e", "e.id"),
        };
        Some(Self {
            from,
            id,
            conditions: conditions.join(" AND "),
            values,
            is_all: unfiltered && typed.is_none(),
            searches: typed.is_some(),
        })
    }

    /// How many rows there are.
    pub(super) fn count(&self) -> String {
        format!("SELECT count(*) FROM {} WHERE {}", self.from, self.conditions)
    }

    /// The newest rows; with `before`, of those before a row.
    pub(super) fn rows(&self, columns: &str, before: bool, limit: u32) -> String {
        let Self { from, id, conditions, .. } = self;
        let before = if before { format!(" AND {id} < ?") } else { String::new() };
        format!("SELECT {columns} FROM {from} WHERE {conditions}{before} ORDER BY {id} DESC LIMIT {limit}")
    }

    /// The values for [`Self::count`], or for [`Self::rows`].
    pub(super) fn values(&self, before: Option<i64>) -> impl Iterator<Item = Value> {
        self.values.iter().cloned().chain(before.map(Value::Integer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::OutcomeKind;
    use crate::history::database;
    use postern_protocol::Provider;
    use rusqlite::params_from_iter;

    #[test]
    fn no_page_needs_to_be_sorted_nor_a_whole_history_read() {
        let dir = tempfile::tempdir().unwrap();
        let connection = database::open_writer(&dir.path().join("history.db")).unwrap();
        connection
            .execute_batch(
                "ATTACH ':memory:' AS search; CREATE VIRTUAL TABLE search.doc USING fts5(text, content = '');",
            )
            .unwrap();
        let plan = |sql: String, values: Vec<Value>| -> String {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
            steps.map(|step| step.unwrap() + "\n").collect()
        };
        for n in 0..32 {
            let has = |bit: u32| n & 1 << bit != 0;
            let query = EventQuery {
                provider: has(0).then_some(Provider::Linear),
                source: has(1).then(|| "s".into()),
                event_type: has(2).then(|| "Issue".into()),
                outcome: has(3).then_some(OutcomeKind::Failed),
                search: has(4).then(|| "eng".into()),
                ..EventQuery::default()
            };
            let selection = Selection::new(1, &query).unwrap();
            for before in [None, Some(9)] {
                let values = selection.values(before).collect();
                let rows = plan(selection.rows("*", before.is_some(), 100), values);
                assert!(!rows.contains("TEMP B-TREE"), "{query:?}: {rows}");
                // In order of ids a scan is a walk, ended by the limit.
                assert!(!rows.contains("SCAN e") || selection.is_all, "{query:?}: {rows}");
            }
            if !selection.is_all {
                let count = plan(selection.count(), selection.values(None).collect());
                assert!(!count.contains("SCAN e\n"), "{query:?}: {count}");
            }
        }
    }
}
