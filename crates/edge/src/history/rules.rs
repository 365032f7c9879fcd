//! A profile's rules, and what they would have done.

use super::pages::{SUMMARY, SUMMARY_COLUMNS, summary};
use super::{History, HistoryError, runs};
use crate::api::{DryRunRow, HandlerRun, Rule, RuleList, RunRow};
use crate::handlers::Rules;
use postern_protocol::Described;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::HashMap;
use std::sync::Arc;

/// Runs of the profile older than so many of all are not looked for, lest a
/// profile long unused costs a walk.
const RECENT: i64 = 5_000;

impl History {
    /// The profile's rules with the last run of each.
    pub(crate) async fn rules(
        &self,
        profile: i64,
    ) -> Result<(RuleList, HashMap<u64, HandlerRun>), HistoryError> {
        self.readers
            .read(move |reader, _| {
                let tx = reader.connection.transaction()?;
                let list = list(&tx, profile)?;
                let mut last = HashMap::new();
                for rule in &list.rules {
                    let of_rule = format!(
                        "SELECT {} FROM run r WHERE r.rule = ?1 AND r.micros IS NOT NULL ORDER BY r.id DESC LIMIT 1",
                        runs::COLUMNS
                    );
                    let run = tx.prepare_cached(&of_rule)?.query_row([id(rule)], |row| runs::read(row, 0)).optional()?;
                    last.extend(run.map(|run| (rule.id, run)));
                }
                Ok((list, last))
            })
            .await
    }

    /// Sets the profile's rules, checked ones, if they are still at `version`.
    /// Rules without a number get one.
    pub(crate) async fn set_rules(
        &self,
        profile: i64,
        version: u64,
        rules: Vec<Rule>,
    ) -> Result<Option<RuleList>, HistoryError> {
        self.change_rules(profile, move |list| (list.version == version).then(|| rules.clone())).await
    }

    /// Changes the profile's rules from what they are; `None` from `change`
    /// leaves them.
    pub(crate) async fn change_rules(
        &self,
        profile: i64,
        mut change: impl FnMut(RuleList) -> Option<Vec<Rule>> + Send + 'static,
    ) -> Result<Option<RuleList>, HistoryError> {
        self.writer
            .write(move |write| {
                let Some(rules) = change(list(write.tx, profile)?) else { return Ok(None) };
                replace(write.tx, profile, &rules)?;
                list(write.tx, profile).map(Some)
            })
            .await
    }

    /// Who would act on the newest `limit` events, newest first.
    pub(crate) async fn dry_run(
        &self,
        profile: i64,
        limit: u32,
        rules: Arc<Rules>,
    ) -> Result<Vec<DryRunRow>, HistoryError> {
        self.readers
            .read(move |reader, _| {
                // One body at a time, and only where a filter looks into it.
                let body = if rules.look_into_payloads() { "p.body AS body" } else { "x'' AS body" };
                let sql = format!(
                    "SELECT {SUMMARY}, {body} FROM event e JOIN payload p ON p.event = e.id
                     WHERE e.profile = ?1 ORDER BY e.id DESC LIMIT ?2"
                );
                let mut statement = reader.connection.prepare_cached(&sql)?;
                let rows = statement.query_map(params![profile, limit], |row| {
                    let event = summary(row)?;
                    let described = named(&event.event_type, event.action.as_deref());
                    let body = row.get_ref("body")?.as_blob()?;
                    let rules = rules.places(event.provider, &described, body);
                    Ok(DryRunRow { event, rules })
                })?;
                rows.collect()
            })
            .await
    }

    /// The newest runs of the profile, or of one of its rules.
    pub(crate) async fn recent_runs(
        &self,
        profile: i64,
        rule: Option<u64>,
        limit: u32,
    ) -> Result<Vec<RunRow>, HistoryError> {
        let (which, value) = match rule {
            Some(rule) => ("r.rule = ?3", i64::try_from(rule).unwrap_or(i64::MAX)),
            None => ("r.id > (SELECT coalesce(max(id), 0) FROM run) - ?3", RECENT),
        };
        let sql = format!(
            "SELECT {SUMMARY}, {} FROM run r CROSS JOIN event e ON e.id = r.event
             WHERE {which} AND e.profile = ?1 ORDER BY r.id DESC LIMIT ?2",
            runs::COLUMNS
        );
        self.readers
            .read(move |reader, _| {
                let mut statement = reader.connection.prepare_cached(&sql)?;
                let rows = statement.query_map(params![profile, limit, value], |row| {
                    Ok(RunRow { run: runs::read(row, SUMMARY_COLUMNS)?, event: summary(row)? })
                })?;
                rows.collect()
            })
            .await
    }
}

/// An event as filters by name see it.
pub(super) fn named(event_type: &str, action: Option<&str>) -> Described {
    Described {
        event_type: event_type.to_owned(),
        action: action.map(ToOwned::to_owned),
        entity: None,
        subject: String::new(),
        detail: String::new(),
    }
}

fn id(rule: &Rule) -> i64 {
    i64::try_from(rule.id).unwrap_or(i64::MAX)
}

pub(super) fn list(connection: &Connection, profile: i64) -> rusqlite::Result<RuleList> {
    let version: i64 = connection
        .query_row("SELECT rules_version FROM profile WHERE id = ?1", [profile], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    let rules = connection
        .prepare_cached(
            "SELECT id, name, enabled, filter, action, stop FROM rule WHERE profile = ?1 ORDER BY position",
        )?
        .query_map([profile], read)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(RuleList { version: version.unsigned_abs(), rules })
}

fn read(row: &Row<'_>) -> rusqlite::Result<Rule> {
    Ok(Rule {
        id: row.get::<_, i64>(0)?.unsigned_abs(),
        name: row.get(1)?,
        enabled: row.get(2)?,
        filter: json(row, 3)?,
        action: json(row, 4)?,
        stop: row.get(5)?,
    })
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e))
    })
}

pub(super) fn replace(connection: &Connection, profile: i64, rules: &[Rule]) -> rusqlite::Result<()> {
    let text = |value: serde_json::Result<String>| {
        value.map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
    };
    connection.execute("DELETE FROM rule WHERE profile = ?1", [profile])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO rule (id, profile, position, name, enabled, filter, action, stop)
         VALUES (nullif(?1, 0), ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (position, rule) in rules.iter().enumerate() {
        insert.execute(params![
            id(rule),
            profile,
            i64::try_from(position).unwrap_or(i64::MAX),
            rule.name,
            rule.enabled,
            text(serde_json::to_string(&rule.filter))?,
            text(serde_json::to_string(&rule.action))?,
            rule.stop,
        ])?;
    }
    connection.execute("UPDATE profile SET rules_version = rules_version + 1 WHERE id = ?1", [profile])?;
    Ok(())
}
