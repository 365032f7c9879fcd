//! What members of claim groups report, and what becomes of grants of which
//! nothing was heard in time. A report counts only while the grant stands that
//! it names: that is looked at in the transaction that applies it.

use super::end;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::deliveries::{CLAIMED, DEAD, DELIVERED, PENDING};
use crate::store::sqlite::groups::Place;
use crate::store::sqlite::order;
use crate::store::sqlite::problem::Problem;
use crate::store::sqlite::roster::WorkerNo;
use crate::store::sqlite::work;
use crate::store::sqlite::writer::{Batch, Tx};
use crate::store::{DeadReason, Grant, GrantReport, GrantSought, GrantStep, Next, RequestId, StoreError};
use postern_protocol::UnixMillis;
use postern_protocol::api::{WorkReport, WorkStatus};
use postern_protocol::id::{DeliveryId, EventId, WorkerId, WorkspaceId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;

/// Grants ended in one transaction.
const AT_ONCE: usize = 500;

/// A granted delivery, as the database has it.
struct Found {
    event: i64,
    state: i64,
    group: WorkerNo,
    lane: Option<String>,
    standing: bool,
    worker: WorkerNo,
    grant: Grant,
}

const FOUND: &str =
    "SELECT d.event, d.state, d.worker, d.lane, g.until IS NOT NULL, g.worker, d.id, e.id, d.replay,
        e.workspace, w.id, g.number, d.attempts, d.failures, d.first_attempt_at, e.received_at, e.request
     FROM grants g JOIN deliveries d ON d.event = g.event AND d.id = g.delivery
       JOIN events e ON e.seq = d.event JOIN workers w ON w.no = g.worker";

impl Found {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let lane: Option<String> = row.get(3)?;
        let grant = Grant {
            delivery: DeliveryId::from_bytes(row.get(6)?),
            event: EventId::from_bytes(row.get(7)?),
            replay: row.get(8)?,
            workspace: WorkspaceId::from_bytes(row.get(9)?),
            worker: WorkerId::from_bytes(row.get(10)?),
            number: row.get(11)?,
            attempts: row.get(12)?,
            failures: row.get(13)?,
            counts_from: row.get::<_, Option<i64>>(14)?.map(UnixMillis),
            retry: None,
            ordered: lane.is_some(),
            received_at: UnixMillis(row.get(15)?),
            request: row.get::<_, Option<[u8; 8]>>(16)?.map(RequestId),
        };
        let (event, state, group) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Self { event, state, group, lane, standing: row.get(4)?, worker: row.get(5)?, grant })
    }

    /// A worker's, of an event or of a replay of it. The newest, should there
    /// be several.
    fn of(db: &Connection, worker: WorkerId, event: EventId, replay: u32) -> Result<Option<Self>, Problem> {
        let mut statement = db.prepare_cached(&format!(
            "{FOUND} WHERE e.id = ? AND w.id = ? AND d.replay = ? ORDER BY d.state = {CLAIMED} DESC LIMIT 1"
        ))?;
        let found = statement.query_row(params![event.to_bytes(), worker.to_bytes(), replay], Self::read);
        Ok(found.optional()?)
    }

    /// Whether the worker holds it, by this number.
    fn stands(&self, number: u32) -> bool {
        self.standing && self.grant.number == number && matches!(self.state, PENDING | CLAIMED)
    }
}

impl SqliteStore {
    pub(in crate::store::sqlite) async fn find_grant(
        &self,
        id: WorkerId,
        event: EventId,
        replay: u32,
        number: Option<u32>,
    ) -> Result<GrantSought, StoreError> {
        let find = move |db: &Connection| match Found::of(db, id, event, replay)? {
            Some(found) => Ok(Ok(found)),
            None => Ok(Err(is_anothers(db, id, event, replay, number)?)),
        };
        let found = match self.readers.read(find).await? {
            Ok(found) => found,
            Err(true) => return Ok(GrantSought::Lost),
            Err(false) => return Ok(GrantSought::None),
        };
        let number = number.unwrap_or(found.grant.number);
        if found.state == DELIVERED && found.grant.number == number {
            return Ok(GrantSought::Completed);
        }
        if !found.stands(number) {
            return Ok(GrantSought::Lost);
        }
        Ok(GrantSought::Held(Box::new(self.with_policy(found.grant))))
    }

    fn with_policy(&self, grant: Grant) -> Grant {
        let retry = self
            .memory
            .look(|memory| memory.roster.by_id(grant.worker).and_then(|member| member.retry.clone()));
        Grant { retry, ..grant }
    }

    pub(in crate::store::sqlite) async fn report_grant(
        &self,
        report: GrantReport,
    ) -> Result<bool, StoreError> {
        self.serving()?;
        let report = Arc::new(report);
        self.writer.write(Batch::Joins, move |tx| apply(tx, &report)).await
    }

    pub(in crate::store::sqlite) async fn expired_grants(
        &self,
        now: UnixMillis,
    ) -> Result<Vec<Grant>, StoreError> {
        self.serving()?;
        let (mut idle, mut working) = (Vec::new(), Vec::new());
        self.memory.look(|memory| {
            let roster = &memory.roster;
            for (delivery, lease) in roster.groups.over(now) {
                match lease.working {
                    _ if roster.flight(delivery).is_some() => {}
                    true => working.push((lease.event, delivery)),
                    false => idle.push((lease.event, delivery, lease.group, lease.until)),
                }
            }
        });
        for some in idle.chunks(AT_ONCE) {
            let some = some.to_vec();
            self.writer.write(Batch::Joins, move |tx| free(tx, &some)).await?;
        }
        if working.is_empty() {
            return Ok(Vec::new());
        }
        working.truncate(AT_ONCE);
        let find = move |db: &Connection| {
            let mut statement =
                db.prepare_cached(&format!("{FOUND} WHERE g.event = ? AND g.delivery = ?"))?;
            let mut found = Vec::new();
            for (event, delivery) in working {
                let one = statement.query_row(params![event, delivery.to_bytes()], Found::read).optional()?;
                found.extend(one.filter(|one| one.stands(one.grant.number)).map(|one| one.grant));
            }
            Ok(found)
        };
        let found = self.readers.read(find).await?;
        Ok(found.into_iter().map(|grant| self.with_policy(grant)).collect())
    }

    pub(in crate::store::sqlite) async fn extend_grants(&self, until: UnixMillis) -> Result<(), StoreError> {
        self.serving()?;
        if self.memory.look(|memory| memory.roster.groups.over(until).next().is_none()) {
            return Ok(());
        }
        let extend = move |tx: &mut Tx<'_>| {
            tx.db
                .prepare_cached(
                    "UPDATE grants INDEXED BY grants_standing SET until = ?1 WHERE until IS NOT NULL AND until < ?1",
                )?
                .execute([until.0])?;
            tx.after_commit(move |memory| memory.roster.extend_leases(until));
            Ok(())
        };
        self.writer.write(Batch::Joins, extend).await
    }
}

/// Whether a worker that is not the last to have had it speaks of its claim
/// group's delivery, or of any group's, if it names a number.
fn is_anothers(
    db: &Connection,
    worker: WorkerId,
    event: EventId,
    replay: u32,
    number: Option<u32>,
) -> Result<bool, Problem> {
    let sql = "SELECT coalesce(sum(d.worker = w.no), 0), coalesce(sum(d.worker < 0 AND (d.worker = w.claim_group OR ?4)), 0)
               FROM workers w JOIN events e ON e.workspace = w.workspace JOIN deliveries d ON d.event = e.seq
               WHERE w.id = ?1 AND e.id = ?2 AND d.replay = ?3";
    let numbered = number.is_some();
    let found: (i64, i64) = db
        .prepare_cached(sql)?
        .query_row(params![worker.to_bytes(), event.to_bytes(), replay, numbered], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let (own, groups) = found;
    Ok(groups > 0 && (numbered || own == 0))
}

/// Ends grants that are not worked on, unless they were prolonged meanwhile.
fn free(tx: &mut Tx<'_>, some: &[(i64, DeliveryId, WorkerNo, UnixMillis)]) -> Result<(), Problem> {
    for (event, delivery, group, until) in some.iter().copied() {
        let freed = tx
            .db
            .prepare_cached("UPDATE grants SET until = NULL WHERE event = ? AND delivery = ? AND until <= ?")?
            .execute(params![event, delivery.to_bytes(), until.0])?;
        let due: Option<i64> = tx
            .db
            .prepare_cached("SELECT due_at FROM deliveries WHERE event = ? AND id = ? AND state = 0")?
            .query_row(params![event, delivery.to_bytes()], |row| row.get(0))
            .optional()?;
        tx.after_commit(move |memory| {
            let roster = &mut memory.roster;
            let ended = roster.groups.lease(delivery).is_some_and(|lease| lease.until <= until);
            if freed > 0 || ended {
                roster.end_lease(delivery);
            }
            if let Some(due) = due {
                roster.single_due(group, Place::of(UnixMillis(due), event, delivery));
            }
        });
    }
    Ok(())
}

fn apply(tx: &mut Tx<'_>, report: &GrantReport) -> Result<bool, Problem> {
    let found = Found::of(tx.db, report.worker, report.event, report.replay)?;
    let Some(found) = found.filter(|found| found.stands(report.number)) else { return Ok(false) };
    let Found { event, group, ref lane, worker, .. } = found;
    let delivery = found.grant.delivery;
    let key = (event, delivery.to_bytes());
    work::add(tx.db, key, Some(worker), &report.report)?;
    let at = report.report.at;
    match &report.step {
        GrantStep::Renew => {
            hold(tx.db, key, report.until)?;
            let (until, working) = (report.until, found.state == CLAIMED);
            tx.after_commit(move |memory| memory.roster.prolong(delivery, until, working));
        }
        GrantStep::Complete => {
            settle(tx.db, key, DELIVERED, at, None, false)?;
            match lane {
                Some(lane) => {
                    hold(tx.db, key, report.until)?;
                    order::advance(tx, group, lane)?;
                }
                None => end(tx.db, event, delivery)?,
            }
            let (until, keeps) = (report.until, lane.is_some());
            tx.after_commit(move |memory| {
                memory.roster.settled(group, false);
                match keeps {
                    true => memory.roster.prolong(delivery, until, false),
                    false => memory.roster.end_lease(delivery),
                }
            });
        }
        GrantStep::Fail(Next::Dead(reason)) => {
            end(tx.db, event, delivery)?;
            settle(tx.db, key, DEAD, at, Some(reason.as_str()), *reason == DeadReason::Exhausted)?;
            if let Some(lane) = lane {
                order::advance(tx, group, lane)?;
            }
            tx.after_commit(move |memory| {
                memory.roster.settled(group, true);
                memory.roster.end_lease(delivery);
            });
        }
        GrantStep::Fail(next) => {
            let due = match next {
                Next::RetryAt(then) => *then,
                _ => at,
            };
            end(tx.db, event, delivery)?;
            let sql = "UPDATE deliveries SET state = 0, due_at = ?3, failures = failures + 1 WHERE event = ?1 AND id = ?2";
            tx.db.prepare_cached(sql)?.execute(params![key.0, key.1, due.0])?;
            tx.after_commit(move |memory| {
                memory.roster.end_lease(delivery);
                memory.roster.single_due(group, Place::of(due, event, delivery));
            });
        }
    }
    Ok(true)
}

fn hold(db: &Connection, (event, delivery): (i64, [u8; 16]), until: UnixMillis) -> Result<(), Problem> {
    db.prepare_cached("UPDATE grants SET until = ? WHERE event = ? AND delivery = ?")?
        .execute(params![until.0, event, delivery])?;
    Ok(())
}

fn settle(
    db: &Connection,
    (event, delivery): (i64, [u8; 16]),
    state: i64,
    at: UnixMillis,
    reason: Option<&str>,
    failed: bool,
) -> Result<(), Problem> {
    db.prepare_cached(
        "UPDATE deliveries SET state = ?3, settled_at = ?4, dead_reason = ?5, failures = failures + ?6
         WHERE event = ?1 AND id = ?2",
    )?
    .execute(params![event, delivery, state, at.0, reason, failed])?;
    Ok(())
}

/// Keeps, for those who look, that a member lost what it had.
pub(super) fn keep_expired(
    db: &Connection,
    key: (i64, [u8; 16]),
    worker: WorkerNo,
    at: UnixMillis,
    reason: &str,
) -> Result<(), Problem> {
    let (status, reason) = (WorkStatus::Expired, Some(reason.to_owned()));
    work::add(db, key, Some(worker), &WorkReport { at, status, reason, worker_id: None })
}
