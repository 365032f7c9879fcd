//! Claiming what is due. Claims live in memory: the one process that serves
//! from the database makes them, and a killed one leaves none behind.
//!
//! A claim is a read: of each worker that has something due and room for it,
//! the first few in the order of due times, those already claimed left out.

use super::SqliteStore;
use super::connection;
use super::memory::SharedMemory;
use super::problem::Problem;
use super::roster::{Flight, Member};
use super::rows;
use crate::store::{Claim, Claimed, ClaimedFresh, RequestId, StoreError};
use bytes::Bytes;
use postern_protocol::UnixMillis;
use postern_protocol::api::{CircuitState, WorkerState};
use postern_protocol::id::{DeliveryId, EventId, WorkspaceId};
use rusqlite::{Connection, params};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

/// The connection claims read with; its lock makes them one at a time.
pub(super) struct Claimer {
    path: PathBuf,
    connection: Option<Connection>,
}

impl Claimer {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, connection: None }
    }
}

/// A delivery that is due.
pub(super) struct Due {
    pub(super) at: UnixMillis,
    pub(super) event: i64,
    pub(super) id: DeliveryId,
}

impl SqliteStore {
    pub(super) async fn claim_due(&self, claim: Claim) -> Result<Vec<Claimed>, StoreError> {
        self.serving()?;
        loop {
            if !self.any_group_ready(claim) {
                return self.claim_alone(claim).await;
            }
            // Half of the room at most, lest the others get none.
            let half = Claim { limit: claim.limit.div_ceil(2), bytes: claim.bytes.div_ceil(2), ..claim };
            let mut claimed = match self.grant_due(half).await {
                Ok(granted) => granted,
                Err(error) => {
                    tracing::warn!(%error, "what waits for claim groups cannot be granted");
                    return self.claim_alone(claim).await;
                }
            };
            let bytes: u64 = claimed.iter().map(|claimed| claimed.body.len() as u64).sum();
            let limit = claim.limit.saturating_sub(u32::try_from(claimed.len()).unwrap_or(u32::MAX));
            let rest = Claim { limit, bytes: claim.bytes.saturating_sub(bytes), ..claim };
            if rest.limit > 0 && rest.bytes > 0 {
                match self.claim_alone(rest).await {
                    Ok(alone) => claimed.extend(alone),
                    Err(error) if claimed.is_empty() => return Err(error),
                    // These are claimed; the next call meets the same trouble.
                    Err(error) => tracing::warn!(%error, "what waits for workers cannot be claimed"),
                }
            }
            // Before what somebody can take there may be much that nobody can.
            if !claimed.is_empty() || !self.any_group_ready(claim) {
                return Ok(claimed);
            }
        }
    }

    fn any_group_ready(&self, claim: Claim) -> bool {
        self.memory.change(|memory| {
            let roster = &mut memory.roster;
            roster.has_groups() && {
                roster.allow(claim);
                !roster.groups_ready(claim.now).is_empty()
            }
        })
    }

    /// What waits for workers by themselves.
    async fn claim_alone(&self, claim: Claim) -> Result<Vec<Claimed>, StoreError> {
        // Most calls find nothing, or what was just accepted, and need not
        // leave the thread.
        let ClaimedFresh { deliveries: fresh, more } = self.claim_fresh_alone(claim);
        let taken: u64 = fresh.iter().map(|claimed| claimed.body.len() as u64).sum();
        let bytes = claim.bytes.saturating_sub(taken);
        if !more || fresh.len() >= claim.limit as usize || bytes == 0 {
            return Ok(fresh);
        }
        let limit = claim.limit.saturating_sub(u32::try_from(fresh.len()).unwrap_or(u32::MAX));
        match self.claim_stored(Claim { limit, bytes, ..claim }).await {
            Err(error) if !fresh.is_empty() => {
                // These are claimed; the next call meets the same trouble.
                tracing::warn!(%error, "what waits in the database cannot be claimed");
                Ok(fresh)
            }
            stored => stored.map(|stored| fresh.into_iter().chain(stored).collect()),
        }
    }

    pub(super) fn claim_fresh(&self, claim: Claim) -> ClaimedFresh {
        let fresh = self.claim_fresh_alone(claim);
        // What is for claim groups is granted, which takes a write.
        let more = fresh.more || self.any_group_ready(claim);
        ClaimedFresh { more, ..fresh }
    }

    fn claim_fresh_alone(&self, claim: Claim) -> ClaimedFresh {
        self.memory.change(|m| {
            let roster = &mut m.roster;
            if !roster.anything_due(claim) {
                return ClaimedFresh::default();
            }
            let deliveries = roster.claim_fresh(claim);
            ClaimedFresh { deliveries, more: roster.anything_due(claim) }
        })
    }

    async fn claim_stored(&self, claim: Claim) -> Result<Vec<Claimed>, StoreError> {
        let (claimer, memory) = (Arc::clone(&self.claimer), Arc::clone(&self.memory));
        let claimed = tokio::task::spawn_blocking(move || {
            let mut claimer = claimer.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = match claimer.connection.take() {
                Some(connection) => connection,
                None => connection::for_reading(&claimer.path)?,
            };
            let claimed = claim_now(&connection, &memory, claim);
            if !claimed.as_ref().is_err_and(Problem::is_outage) {
                claimer.connection = Some(connection);
            }
            claimed
        });
        Ok(claimed.await.map_err(|error| StoreError::Failed(error.into()))??)
    }
}

fn claim_now(connection: &Connection, memory: &SharedMemory, claim: Claim) -> Result<Vec<Claimed>, Problem> {
    let limit = claim.limit as usize;
    // What is claimed now is left out below, even if it is finished while we
    // read: the read may still see it as due.
    let members = memory.change(|m| m.roster.candidates(claim.now, limit));
    let db = connection.unchecked_transaction()?;
    let mut queues = Vec::with_capacity(members.len());
    // Of bodies, for each of them.
    let mut taken = Vec::with_capacity(members.len());
    for member in members {
        let (queue, later) = due(&db, &member, claim.now, member.allowance(claim).min(limit))?;
        let under_way = member.claimed_bytes;
        queues.push((member, queue.into_iter(), later));
        taken.push(under_way);
    }

    // In turns, one each, so that none takes all the room.
    let mut chosen = Vec::new();
    loop {
        let before = chosen.len();
        for (place, (_, queue, _)) in queues.iter_mut().enumerate() {
            if chosen.len() < limit
                && let Some(due) = queue.next()
            {
                chosen.push((place, due));
            }
        }
        if chosen.len() == before {
            break;
        }
    }
    let mut found = Vec::with_capacity(chosen.len());
    let mut unread = Vec::new();
    let mut bytes = 0;
    for (place, due) in chosen {
        if bytes >= claim.bytes || taken[place] >= claim.worker_bytes {
            unread.push(queues[place].0.no);
            continue;
        }
        let delivery = match read(&db, &due, &queues[place].0, claim.now) {
            Err(outage) if outage.is_outage() => return Err(outage),
            other => other,
        };
        let size = delivery.as_ref().map_or(0, |delivery| delivery.body.len() as u64);
        bytes += size;
        taken[place] += size;
        found.push((place, due, delivery));
    }
    drop(db);

    Ok(memory.change(|m| {
        let roster = &mut m.roster;
        for (member, rest, later) in &queues {
            // What was left over is due already.
            let next = if rest.len() > 0 { Some(claim.now) } else { *later };
            roster.update(member.no, |present| present.leaves(next));
        }
        for no in unread {
            roster.update(no, |present| present.due(claim.now));
        }
        roster.turn = found.last().map_or(roster.turn, |(place, ..)| queues[*place].0.no);
        let mut claimed = Vec::new();
        for (place, due, delivery) in found {
            let member = &queues[place].0;
            // It may have left, or been found unreachable, while we read.
            let still = |now: &Member| {
                now.state == WorkerState::Active
                    && now.absences == member.absences
                    && now.circuit.state != CircuitState::Open
            };
            if !roster.get(member.no).is_some_and(still) {
                roster.update(member.no, |present| present.due(claim.now));
                continue;
            }
            // The one before it was held or given up, and is still under way.
            let lane = delivery.as_ref().ok().and_then(|delivery| delivery.entity.as_deref());
            if lane.is_some_and(|lane| roster.lane_busy(member.no, lane)) {
                roster.update(member.no, |present| present.due(claim.now));
                continue;
            }
            let id = delivery.as_ref().ok().map(|delivery| delivery.event);
            let lane = lane.map(Into::into);
            let bytes = delivery.as_ref().map_or(0, |delivery| delivery.body.len() as u64);
            let flight = Flight { event: due.event, id, worker: member.no, lane, bytes, granted: None };
            roster.claim(due.id, flight);
            match delivery {
                Ok(delivery) => claimed.push(delivery),
                // Nobody gets it, nobody tries it again in this process, and
                // the others go on.
                Err(error) => tracing::error!(%error, delivery = %due.id, "a delivery cannot be read"),
            }
        }
        claimed
    }))
}

/// The first `count` unclaimed deliveries that are due, and when the one after
/// them is.
fn due(
    db: &Connection,
    member: &Member,
    now: UnixMillis,
    count: usize,
) -> Result<(Vec<Due>, Option<UnixMillis>), Problem> {
    let mut statement = db.prepare_cached(
        "SELECT due_at, event, id FROM deliveries INDEXED BY deliveries_pending
         WHERE worker = ? AND state = 0 ORDER BY due_at, event, id",
    )?;
    let mut rows = statement.query([member.no])?;
    let mut queue = Vec::with_capacity(count);
    while let Some(row) = rows.next()? {
        let id = DeliveryId::from_bytes(row.get(2)?);
        if member.claimed.contains(&id) {
            continue;
        }
        let at = UnixMillis(row.get(0)?);
        if queue.len() == count || at > now {
            return Ok((queue, Some(at)));
        }
        queue.push(Due { at, event: row.get(1)?, id });
    }
    Ok((queue, None))
}

pub(super) fn read(db: &Connection, due: &Due, member: &Member, now: UnixMillis) -> Result<Claimed, Problem> {
    let mut statement = db.prepare_cached(
        "SELECT e.id, e.workspace, e.source_name, e.provider, e.event_type, e.action, e.received_at, e.synthetic,
                e.headers, e.body, d.attempts, d.failures, d.first_attempt_at, d.redriven, d.replay, d.lane, e.request
         FROM deliveries d JOIN events e ON e.seq = d.event WHERE d.event = ? AND d.id = ?",
    )?;
    let mut rows = statement.query(params![due.event, due.id.to_bytes()])?;
    let row = rows.next()?.ok_or(Problem::Damaged("a delivery without its event"))?;
    let text = |column: usize| row.get_ref(column)?.as_str().map_err(|_| Problem::Damaged("an event's text"));
    let event = EventId::from_bytes(row.get(0)?);
    let event_type = text(4)?;
    let event_name = match row.get::<_, Option<String>>(5)? {
        Some(action) => format!("{event_type}.{action}"),
        None => event_type.to_owned(),
    };
    Ok(Claimed {
        delivery: due.id,
        event,
        webhook_id: match row.get::<_, u32>(14)? {
            0 => event.to_string(),
            replay => format!("{event}.r{replay}"),
        },
        redriven: row.get(13)?,
        worker: member.id,
        url: member.url.clone(),
        secrets: member.secrets(now),
        style: member.style.clone(),
        attempt: row.get::<_, u32>(10)?.saturating_add(1),
        failures: row.get(11)?,
        entity: row.get(15)?,
        granted: None,
        // Its wait for the worker, until now, is not held against it.
        counts_from: row.get::<_, Option<i64>>(12)?.map(|at| UnixMillis(at).plus(now.since(due.at).max(0))),
        retry: member.retry.clone(),
        workspace: WorkspaceId::from_bytes(row.get(1)?),
        source_name: row.get(2)?,
        provider: rows::provider(text(3)?)?,
        event_name,
        received_at: UnixMillis(row.get(6)?),
        synthetic: row.get(7)?,
        request: row.get::<_, Option<[u8; 8]>>(16)?.map(RequestId),
        headers: rows::headers(text(8)?)?,
        body: Bytes::from(row.get::<_, Vec<u8>>(9)?),
    })
}
