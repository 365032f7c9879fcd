//! What an import changes, in one transaction.

use super::{History, HistoryError, profiles, rules, views};
use crate::api::{Rule, RuleList, View};
use rusqlite::params;

/// What one profile takes over.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) profile: i64,
    /// What it is called on this machine.
    pub(crate) label: Option<String>,
    /// The version the rules were read at.
    pub(crate) rules_version: u64,
    /// Absent: they stay.
    pub(crate) rules: Option<Vec<Rule>>,
    pub(crate) views: Vec<View>,
}

impl History {
    /// Takes all of it over, the settings as JSON, unless the rules of a profile
    /// have changed since they were read: then nothing. Answers with the rules
    /// of each profile as they are then.
    pub(crate) async fn take_over(
        &self,
        settings: String,
        taken: Vec<Taken>,
    ) -> Result<Option<Vec<RuleList>>, HistoryError> {
        self.writer
            .write(move |write| {
                for of in &taken {
                    if rules::list(write.tx, of.profile)?.version != of.rules_version {
                        return Ok(None);
                    }
                }
                profiles::set(write.tx, crate::edge::SETTINGS, &settings)?;
                let mut lists = Vec::with_capacity(taken.len());
                for of in &taken {
                    let label = "UPDATE profile SET label = ?2 WHERE id = ?1";
                    write.tx.execute(label, params![of.profile, of.label])?;
                    for view in &of.views {
                        views::put(write.tx, of.profile, view)?;
                    }
                    if let Some(new) = &of.rules {
                        rules::replace(write.tx, of.profile, new)?;
                    }
                    lists.push(rules::list(write.tx, of.profile)?);
                }
                Ok(Some(lists))
            })
            .await
    }
}
