//! A clock that was set back takes what was put off with it.

use super::SqliteStore;
use super::problem::Problem;
use super::writer::{Batch, Tx};
use crate::store::StoreError;
use postern_protocol::UnixMillis;
use rusqlite::params;
use std::time::Duration;

impl SqliteStore {
    pub(super) async fn set_back(&self, now: UnixMillis, by: Duration) -> Result<(), StoreError> {
        self.serving()?;
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.writer.write(Batch::Joins, move |tx| shift(tx, now, by)).await
    }
}

fn shift(tx: &mut Tx<'_>, now: UnixMillis, by: i64) -> Result<(), Problem> {
    for sql in [
        "UPDATE deliveries SET due_at = due_at - ?1 WHERE state = 0 AND due_at > ?2",
        "UPDATE deliveries SET due_at = due_at - ?1 WHERE state = 4 AND due_at > ?2",
        "UPDATE deliveries SET due_at = due_at - ?1 WHERE state = 6 AND due_at > ?2",
        "UPDATE grants SET until = until - ?1 WHERE until IS NOT NULL AND until > ?2",
        "UPDATE workers SET leased_until = leased_until - ?1 WHERE leased_until > ?2",
        "UPDATE workers SET circuit = json_set(circuit, '$.until', json_extract(circuit, '$.until') - ?1)
         WHERE json_extract(circuit, '$.until') > ?2",
        "UPDATE workers SET circuit = json_set(circuit, '$.since', json_extract(circuit, '$.since') - ?1)
         WHERE json_extract(circuit, '$.since') > ?2",
    ] {
        tx.db.prepare_cached(sql)?.execute(params![by, now.0])?;
    }
    tx.after_commit(move |memory| {
        let earlier = |at: UnixMillis| if at > now { at.plus(-by) } else { at };
        memory.roster.set_groups_back(earlier);
        let everyone: Vec<_> = memory.roster.members().map(|member| member.no).collect();
        for no in everyone {
            memory.roster.update(no, |member| {
                member.forget_fresh();
                member.leased_until = earlier(member.leased_until);
                member.circuit.until = member.circuit.until.map(earlier);
                member.circuit.since = earlier(member.circuit.since);
                member.reached_at = member.reached_at.map(earlier);
                if let Some(bucket) = &mut member.bucket {
                    bucket.set_back(now, by);
                }
                if let Some(next) = member.next_due {
                    member.due(earlier(next));
                }
            });
        }
    });
    Ok(())
}
