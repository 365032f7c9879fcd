//! Giving a claim group's deliveries to its members: chosen by a reader
//! ([`look`]), granted by the writer, each only if it still stands as it was
//! found. That is written down before anything is sent, so that after the end
//! of the process nobody else finishes what a member holds.

use super::SqliteStore;
use super::connection;
use super::problem::Problem;
use super::roster::{Flight, Roster, WorkerNo};
use super::workers::oldest;
use super::writer::{Batch, Tx};
use crate::store::{Claim, Claimed, Granted, StoreError};
use postern_protocol::UnixMillis;
use postern_protocol::api::{Waiting, WorkerState};
use postern_protocol::id::{DeliveryId, WorkerId, WorkspaceId};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

pub(super) mod finish;
mod look;
mod report;

use super::groups::{Lease, Place};
use look::Chosen;

/// The connection that looks for what can be granted; one at a time does.
pub(super) struct Granter {
    path: PathBuf,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl Granter {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, connection: Arc::default() }
    }
}

/// A delivery to be granted.
#[derive(Clone)]
struct Wish {
    group: WorkerNo,
    event: i64,
    delivery: DeliveryId,
    worker: WorkerNo,
    lane: Option<Box<str>>,
    /// Of its body.
    bytes: u64,
    place: Place,
}

impl SqliteStore {
    pub(super) async fn group_waiting(&self, id: WorkerId) -> Result<Waiting, StoreError> {
        let group = self.memory.look(|memory| {
            let no = memory.roster.by_id(id)?.group?;
            Some((no, memory.roster.groups.get(no)?.waiting)).filter(|(_, count)| *count > 0)
        });
        let Some((no, count)) = group else { return Ok(Waiting::default()) };
        let oldest = self.readers.read(move |db| oldest(db, no)).await?;
        Ok(Waiting { count, oldest, held: None })
    }

    pub(super) async fn groups_waiting(&self) -> Result<(u64, Option<UnixMillis>), StoreError> {
        let waiting: Vec<_> = self.memory.look(|memory| {
            let groups = &memory.roster.groups;
            groups.waiting().filter_map(|no| Some((no, groups.get(no)?.waiting))).collect()
        });
        let count = waiting.iter().map(|(_, count)| count).sum();
        let find = move |db: &Connection| {
            let mut first: Option<UnixMillis> = None;
            for (no, _) in waiting {
                first = first.into_iter().chain(oldest(db, no)?).min();
            }
            Ok(first)
        };
        Ok((count, self.readers.read(find).await?))
    }

    /// Grants what is due to claim groups, within the claim's bounds.
    pub(super) async fn grant_due(&self, claim: Claim) -> Result<Vec<Claimed>, StoreError> {
        let mut connection = Arc::clone(&self.granter.connection).lock_owned().await;
        let (path, memory) = (self.granter.path.clone(), Arc::clone(&self.memory));
        let looked = tokio::task::spawn_blocking(move || {
            let db = match connection.take() {
                Some(db) => db,
                None => connection::for_reading(&path)?,
            };
            let chosen = look::look(&db, &memory, claim);
            if !chosen.as_ref().is_err_and(Problem::is_outage) {
                *connection = Some(db);
            }
            // Held until the grants are committed: the next look is to see them.
            chosen.map(|chosen| (chosen, connection))
        });
        let (chosen, _turn) = looked.await.map_err(|error| StoreError::Failed(error.into()))??;
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let until = claim.now.plus(millis(claim.lease));
        let wishes: Vec<Wish> = chosen.iter().map(|chosen| chosen.wish.clone()).collect();
        let granted =
            self.writer.write(Batch::Joins, move |tx| grant_all(tx, &wishes, until, claim.lease)).await;
        let granted = match granted {
            Ok(granted) => granted,
            Err(error) => {
                // They are due still.
                self.memory.change(|memory| {
                    chosen.iter().for_each(|one| memory.roster.single_due(one.wish.group, one.wish.place));
                });
                return Err(error);
            }
        };
        let give = |(chosen, number): (Chosen, Option<u32>)| {
            let Chosen { mut claimed, group, .. } = chosen;
            claimed.granted = Some(Granted { group, number: number?, lease: claim.lease });
            Some(claimed)
        };
        Ok(chosen.into_iter().zip(granted).filter_map(give).collect())
    }
}

/// The numbers by which they are granted; of what stands differently by now,
/// none.
fn grant_all(
    tx: &mut Tx<'_>,
    wishes: &[Wish],
    until: UnixMillis,
    length: Duration,
) -> Result<Vec<Option<u32>>, Problem> {
    wishes.iter().map(|wish| grant(tx, wish, until, length)).collect()
}

fn grant(tx: &mut Tx<'_>, wish: &Wish, until: UnixMillis, length: Duration) -> Result<Option<u32>, Problem> {
    let Wish { group, event, delivery, worker, ref lane, bytes, .. } = *wish;
    let id = delivery.to_bytes();
    let due = "SELECT 1 FROM deliveries WHERE event = ? AND id = ? AND worker = ? AND state = 0";
    let due = tx.db.prepare_cached(due)?.exists(params![event, id, group])?;
    let member = tx.memory.look(|memory| {
        let member = memory.roster.get(worker);
        member.is_some_and(|member| member.group == Some(group) && member.state == WorkerState::Active)
    });
    if !due || !member {
        if due {
            let place = wish.place;
            tx.after_commit(move |memory| memory.roster.single_due(group, place));
        }
        return Ok(None);
    }
    // What a member has, and gets once more, is the same grant.
    let number: u32 = tx
        .db
        .prepare_cached(
            "INSERT INTO grants (event, delivery, worker, number, until) VALUES (?1, ?2, ?3, 1, ?4)
             ON CONFLICT DO UPDATE SET number = number + (worker <> ?3 OR until IS NULL), worker = ?3, until = ?4
             RETURNING number",
        )?
        .query_row(params![event, id, worker, until.0], |row| row.get(0))?;
    if let Some(lane) = lane
        && let Some(earlier) = tx.memory.look(|memory| memory.roster.groups.holds(group, lane))
        && earlier != delivery
    {
        let lease = tx.memory.look(|memory| memory.roster.groups.lease(earlier).map(|lease| lease.event));
        if let Some(event) = lease {
            end(tx.db, event, earlier)?;
        }
    }
    let lease = Lease { group, event, worker, lane: lane.clone(), until, length, working: false };
    let lane = lane.clone();
    tx.after_commit(move |memory| {
        let roster = &mut memory.roster;
        let flight = Flight { event, id: None, worker, lane, bytes, granted: Some((group, number)) };
        roster.lease(delivery, lease);
        roster.took_turn(worker);
        roster.claim(delivery, flight);
    });
    Ok(Some(number))
}

/// Ends a grant in the database.
fn end(db: &Connection, event: i64, delivery: DeliveryId) -> Result<(), Problem> {
    db.prepare_cached("UPDATE grants SET until = NULL WHERE event = ? AND delivery = ?")?
        .execute(params![event, delivery.to_bytes()])?;
    Ok(())
}

/// By which number a worker holds a delivery.
fn standing(
    db: &Connection,
    event: i64,
    delivery: DeliveryId,
    worker: WorkerNo,
) -> Result<Option<u32>, Problem> {
    let sql =
        "SELECT number FROM grants WHERE event = ? AND delivery = ? AND worker = ? AND until IS NOT NULL";
    let mut statement = db.prepare_cached(sql)?;
    Ok(statement.query_row(params![event, delivery.to_bytes(), worker], |row| row.get(0)).optional()?)
}

/// The number of a workspace's claim group, made when there is none.
pub(super) fn group_number(db: &Connection, workspace: WorkspaceId, name: &str) -> Result<WorkerNo, Problem> {
    db.prepare_cached(
        "INSERT INTO claim_groups (no, workspace, name)
         VALUES ((SELECT coalesce(min(no), 0) - 1 FROM claim_groups), ?1, ?2) ON CONFLICT (workspace, name) DO NOTHING",
    )?
    .execute(params![workspace.to_bytes(), name])?;
    let mut statement = db.prepare_cached("SELECT no FROM claim_groups WHERE workspace = ? AND name = ?")?;
    Ok(statement.query_row(params![workspace.to_bytes(), name], |row| row.get(0))?)
}

/// A worker gives up what it holds of claim groups: others get it at once.
pub(super) fn give_up(tx: &mut Tx<'_>, worker: WorkerNo, now: UnixMillis) -> Result<(), Problem> {
    let held: Vec<(i64, [u8; 16], i64, WorkerNo, i64)> = tx
        .db
        .prepare_cached(
            "SELECT g.event, g.delivery, d.state, d.worker, d.due_at FROM grants g INDEXED BY grants_standing
               JOIN deliveries d ON d.event = g.event AND d.id = g.delivery
             WHERE g.until IS NOT NULL AND g.worker = ?",
        )?
        .query_map([worker], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?
        .collect::<Result<_, _>>()?;
    for (event, delivery, state, group, due) in held {
        end(tx.db, event, DeliveryId::from_bytes(delivery))?;
        if state == super::deliveries::CLAIMED {
            let sql = "UPDATE deliveries SET state = 0 WHERE event = ? AND id = ?";
            tx.db.prepare_cached(sql)?.execute(params![event, delivery])?;
            report::keep_expired(tx.db, (event, delivery), worker, now, "it left the group")?;
        }
        let place = Place { due: UnixMillis(due), event, id: delivery };
        tx.after_commit(move |memory| memory.roster.single_due(group, place));
    }
    tx.after_commit(move |memory| memory.roster.gave_up(worker));
    Ok(())
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl Roster {
    /// Reads the claim groups and what their members hold: once, at the start.
    pub(super) fn count_groups(&mut self, db: &Connection) -> Result<(), Problem> {
        let mut statement = db.prepare("SELECT no, name FROM claim_groups")?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let name = row.get::<_, String>(1)?.parse().map_err(|_| Problem::Damaged("a group's name"))?;
            self.groups.know(row.get(0)?, &name);
        }
        let mut statement = db.prepare(
            "SELECT g.event, g.delivery, g.worker, g.until, d.worker, d.state, d.lane
             FROM grants g INDEXED BY grants_standing JOIN deliveries d ON d.event = g.event AND d.id = g.delivery
             WHERE g.until IS NOT NULL",
        )?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let group = row.get(4)?;
            let working = row.get::<_, i64>(5)? == super::deliveries::CLAIMED;
            let lease = Lease {
                group,
                event: row.get(0)?,
                worker: row.get(2)?,
                lane: row.get::<_, Option<String>>(6)?.map(Into::into),
                until: UnixMillis(row.get(3)?),
                length: Duration::ZERO,
                working,
            };
            self.lease(DeliveryId::from_bytes(row.get(1)?), lease);
            if working {
                self.pending += 1;
                self.group_waits(group, 1);
            }
        }
        Ok(())
    }
}
