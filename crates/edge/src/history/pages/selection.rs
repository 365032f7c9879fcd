//! Which events a query selects, as SQL.
//!
//! Every selection is walked in the order of its rows' ids, window by window,
//! so that a page costs what it shows, and never more than its budget, however
//! long the history is.

use super::outcome_text;
use crate::api::EventQuery;
use crate::history::search::{self, Part};
use postern_protocol::filter::Predicate;
use rusqlite::types::Value;

/// What a row's time may be ahead of the time it was stored at, in
/// milliseconds: clocks differ.
const SKEW: i64 = 600_000;

/// A query on a profile's events.
#[derive(Debug)]
pub(crate) struct Selection {
    conditions: String,
    values: Vec<Value>,
    /// Nothing is asked for but the profile.
    pub(super) is_all: bool,
    /// The text to search for, as FTS5 reads it.
    search: Option<String>,
    /// What the payload must say.
    pub(super) predicate: Option<Predicate>,
    /// No row stored before is wanted.
    pub(super) stored_from: Option<i64>,
}

impl Selection {
    /// `None` when nothing can match: a search without a word.
    ///
    /// # Errors
    /// In words, for what cannot be read.
    pub(crate) fn new(profile: i64, query: &EventQuery) -> Result<Option<Self>, String> {
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
        conditions.insert(0, profile.into());
        // No index knows the following.
        let mut only = |condition: &str, value: Option<Value>| {
            if let Some(value) = value {
                conditions.push(condition.into());
                values.push(value);
            }
        };
        only("+e.action = ?", query.action.clone().map(Value::Text));
        only("e.received_at >= ?", query.since.map(|at| Value::Integer(at.0)));
        only("e.received_at < ?", query.until.map(|at| Value::Integer(at.0)));
        let rule = query.rule.map(|rule| Value::Integer(i64::try_from(rule).unwrap_or(i64::MAX)));
        only("EXISTS (SELECT 1 FROM run r WHERE r.event = e.id AND r.rule = ?)", rule);
        if let Some(wanted) = &query.status {
            conditions.push(answer(wanted).ok_or_else(|| {
                format!("`status` is `{wanted}`, and must be `2xx` … `5xx`, a status, or `none`")
            })?);
        }
        let predicate = query
            .payload
            .as_deref()
            .filter(|text| !text.trim().is_empty())
            .map(Predicate::parse)
            .transpose()
            .map_err(|wrong| format!("`payload`, {wrong}"))?;
        let typed = query.search.as_deref().map(str::trim).filter(|typed| !typed.is_empty());
        let search = typed.map(search::query);
        if matches!(search, Some(None)) {
            return Ok(None);
        }
        let search = search.flatten();
        Ok(Some(Self {
            is_all: conditions.len() == 1 && search.is_none() && predicate.is_none(),
            conditions: conditions.join(" AND "),
            values,
            search,
            predicate,
            stored_from: query.since.map(|at| at.0.saturating_sub(SKEW)),
        }))
    }

    /// Whether the search index must be attached, and its parts walked.
    pub(super) fn searches(&self) -> bool {
        self.search.is_some()
    }

    /// How many rows a window has.
    pub(super) fn count(&self, part: Option<&Part>) -> String {
        let (from, id) = self.from(part, "");
        format!("SELECT count(*) FROM {from} WHERE {} AND {id} >= ? AND {id} < ?", self.conditions_in(part))
    }

    /// The rows of a window, the newest first; the body follows `columns`
    /// where a predicate has to see it.
    pub(super) fn rows(&self, columns: &str, part: Option<&Part>) -> String {
        let (body, payload) = match self.predicate {
            Some(_) => (", p.body", " CROSS JOIN payload p ON p.event = e.id"),
            None => ("", ""),
        };
        let (from, id) = self.from(part, payload);
        format!(
            "SELECT {columns}{body} FROM {from} WHERE {} AND {id} >= ? AND {id} < ? ORDER BY {id} DESC",
            self.conditions_in(part)
        )
    }

    /// Where the rows come from and which column is their id. CROSS JOIN: what
    /// stands first is walked.
    fn from(&self, part: Option<&Part>, payload: &str) -> (String, String) {
        match part.map(Part::table) {
            Some(doc) => {
                let from = format!("search.{doc} CROSS JOIN event e ON e.id = {doc}.rowid{payload}");
                (from, format!("{doc}.rowid"))
            }
            None => (format!("event e{payload}"), "e.id".into()),
        }
    }

    fn conditions_in(&self, part: Option<&Part>) -> String {
        match part.map(Part::table) {
            Some(doc) => format!("{} AND {doc} MATCH ?", self.conditions),
            None => self.conditions.clone(),
        }
    }

    /// The values for [`Self::count`] and [`Self::rows`]: the window is from
    /// the row `from` on, up to the row `to`, which is not in it.
    pub(super) fn values(&self, from: i64, to: i64) -> impl Iterator<Item = Value> {
        let search = self.search.clone().map(Value::Text);
        self.values.iter().cloned().chain(search).chain([Value::Integer(from), Value::Integer(to)])
    }
}

/// The condition on the newest answer's status.
fn answer(wanted: &str) -> Option<String> {
    if wanted == "none" {
        return Some("e.status IS NULL AND +e.outcome = 'failed'".into());
    }
    let (from, to) = match wanted.strip_suffix("xx") {
        Some(class) => {
            let class: u16 = class.parse().ok().filter(|class| (1..=5).contains(class))?;
            (class * 100, class * 100 + 99)
        }
        None => {
            let status: u16 = wanted.parse().ok().filter(|status| (100..=599).contains(status))?;
            (status, status)
        }
    };
    Some(format!("e.status BETWEEN {from} AND {to}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::OutcomeKind;
    use crate::history::database;
    use postern_protocol::{Provider, UnixMillis};
    use rusqlite::params_from_iter;

    #[test]
    fn no_window_needs_to_be_sorted_nor_a_whole_history_read() {
        let dir = tempfile::tempdir().unwrap();
        let connection = database::open_writer(&dir.path().join("history.db")).unwrap();
        connection
            .execute_batch(
                "ATTACH ':memory:' AS search; CREATE VIRTUAL TABLE search.doc_1 USING fts5(text, content = '');",
            )
            .unwrap();
        let plan = |sql: String, values: Vec<Value>| -> String {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
            steps.map(|step| step.unwrap() + "\n").collect()
        };
        for n in 0..256 {
            let has = |bit: u32| n & 1 << bit != 0;
            let query = EventQuery {
                provider: has(0).then_some(Provider::Linear),
                source: has(1).then(|| "s".into()),
                event_type: has(2).then(|| "Issue".into()),
                outcome: has(3).then_some(OutcomeKind::Failed),
                search: has(4).then(|| "eng".into()),
                action: has(5).then(|| "update".into()),
                payload: has(6).then(|| "exists(data)".into()),
                since: has(7).then_some(UnixMillis(5)),
                status: has(7).then(|| "5xx".into()),
                rule: has(5).then_some(3),
                ..EventQuery::default()
            };
            let selection = Selection::new(1, &query).unwrap().unwrap();
            let part = Part { number: 1, first: 1, last: 9 };
            let part = selection.searches().then_some(&part);
            for sql in [selection.rows("*", part), selection.count(part)] {
                let plan = plan(sql, selection.values(1, 9).collect());
                assert!(!plan.contains("TEMP B-TREE"), "{query:?}: {plan}");
                assert!(!plan.contains("SCAN e"), "{query:?}: {plan}");
                if n & 15 != 0 && part.is_none() {
                    assert!(plan.contains("SEARCH e USING") && plan.contains("INDEX event_by_"), "{plan}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_asked_for_is_said() {
        let of = |query| Selection::new(1, &query).map(|s| s.is_some());
        assert_eq!(of(EventQuery { search: Some(" -- ".into()), ..EventQuery::default() }), Ok(false));
        assert_eq!(of(EventQuery { status: Some("503".into()), ..EventQuery::default() }), Ok(true));
        for status in ["6xx", "0xx", "99", "600", "x", "5xx'"] {
            assert!(
                of(EventQuery { status: Some(status.into()), ..EventQuery::default() }).is_err(),
                "{status}"
            );
        }
        let wrong = of(EventQuery { payload: Some("a = 1".into()), ..EventQuery::default() }).unwrap_err();
        assert!(wrong.starts_with("`payload`, character 3: "), "{wrong}");
    }
}
