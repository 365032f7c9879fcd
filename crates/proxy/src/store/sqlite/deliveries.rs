//! Deliveries as lists show them, newest events first. A read examines a
//! bounded number of rows, so that it ends soon whatever the filter: a page
//! may be short, and says where to go on.

use super::SqliteStore;
use super::memory::SharedMemory;
use super::problem::Problem;
use super::records::attempts;
use super::roster::WorkerNo;
use super::rows;
use crate::store::{Cursor, DeliveryCursor, Page, StoreError};
use postern_protocol::UnixMillis;
use postern_protocol::api::{
    DeadLetterFilter, DeadReason, DeliveryDetail, DeliveryFilter, DeliveryInfo, DeliveryState, EndState,
    Ended, GroupClaim,
};
use postern_protocol::id::{DeliveryId, EventId, SourceId, WorkerId, WorkspaceId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;

/// Rows examined for one page at most.
pub(super) const EXAMINED: u32 = 2_000;
/// Keys of ended deliveries read at once.
const KEYS: u32 = 256;

pub(super) const PENDING: i64 = 0;
pub(super) const DELIVERED: i64 = 1;
pub(super) const DEAD: i64 = 2;
pub(super) const SKIPPED: i64 = 3;
pub(super) const HELD: i64 = 4;
pub(super) const DISCARDED: i64 = 5;
pub(super) const QUEUED: i64 = 6;
/// At a member of a claim group, which has yet to report.
pub(super) const CLAIMED: i64 = 7;

/// A delivery's place in the order of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) event: i64,
    pub(super) id: [u8; 16],
}

impl Key {
    /// After all others.
    const END: Self = Self { event: i64::MAX, id: [0xff; 16] };

    fn cursor(self) -> DeliveryCursor {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.event.to_be_bytes());
        bytes[8..].copy_from_slice(&self.id);
        Cursor(bytes)
    }

    fn of(Cursor(bytes): DeliveryCursor) -> Self {
        let (mut event, mut id) = ([0; 8], [0; 16]);
        event.copy_from_slice(&bytes[..8]);
        id.copy_from_slice(&bytes[8..]);
        Self { event: i64::from_be_bytes(event), id }
    }
}

/// The columns [`standing`] reads, of deliveries `d` and workers `w`.
pub(super) const STANDING: &str = "d.state, d.worker > 0 AND w.state = 'gone', \
     coalesce(d.settled_at, iif(d.worker > 0, w.gone_at, NULL)), \
     coalesce(d.dead_reason, iif(d.worker > 0, w.gone_reason, NULL)), d.skipped_by, d.settled_by, d.settled_reason";

/// Who has deliveries `d`: workers `w`, with a claim group `c` by grant `g`.
pub(super) const WHO: &str = "LEFT JOIN grants g ON d.worker < 0 AND g.event = d.event AND g.delivery = d.id \
     LEFT JOIN workers w ON w.no = iif(d.worker > 0, d.worker, g.worker) LEFT JOIN claim_groups c ON c.no = d.worker";

/// The columns [`who`] reads, of [`WHO`].
pub(super) const NAMED: &str = "w.id, w.name, c.name, g.number, g.until";

/// Who has a delivery, from [`NAMED`] at `column`: a worker, its name or the
/// group's, and how it stands with the group.
pub(super) type Who = (Option<WorkerId>, String, Option<GroupClaim>);

pub(super) fn who(row: &Row<'_>, column: usize) -> Result<Who, Problem> {
    let id: Option<[u8; 16]> = row.get(column)?;
    let (worker, group): (Option<String>, Option<String>) = (row.get(column + 1)?, row.get(column + 2)?);
    let claim = |group: &String| -> Result<GroupClaim, Problem> {
        Ok(GroupClaim {
            group: group.parse().map_err(|_| Problem::Damaged("a group's name"))?,
            number: row.get::<_, Option<u32>>(column + 3)?.unwrap_or(0),
            until: row.get::<_, Option<i64>>(column + 4)?.map(UnixMillis),
        })
    };
    let claim = group.as_ref().map(claim).transpose()?;
    let name = worker.or(group).ok_or(Problem::Damaged("a delivery to nobody"))?;
    Ok((id.map(WorkerId::from_bytes), name, claim))
}

/// Where a delivery stands, and how it ended, from [`STANDING`] at `column`.
pub(super) fn standing(row: &Row<'_>, column: usize) -> Result<(DeliveryState, Option<Ended>), Problem> {
    let reason: Option<String> = row.get(column + 3)?;
    let state = match row.get::<_, i64>(column)? {
        PENDING if !row.get::<_, bool>(column + 1)? => DeliveryState::Pending,
        QUEUED if !row.get::<_, bool>(column + 1)? => DeliveryState::Queued,
        DELIVERED => DeliveryState::Delivered,
        CLAIMED => DeliveryState::Claimed,
        PENDING | QUEUED | DEAD if reason.as_deref() == Some(DeadReason::Expired.as_str()) => {
            DeliveryState::Expired
        }
        PENDING | QUEUED | DEAD => DeliveryState::Dead,
        SKIPPED => DeliveryState::Skipped,
        HELD => DeliveryState::Held,
        DISCARDED => DeliveryState::Discarded,
        _ => return Err(Problem::Damaged("a delivery's state")),
    };
    let (by, reason) = match state {
        DeliveryState::Dead => (Some("postern".to_owned()), reason),
        DeliveryState::Expired => (Some("retention".to_owned()), reason),
        DeliveryState::Skipped => (row.get(column + 4)?, None),
        DeliveryState::Discarded => (row.get(column + 5)?, row.get(column + 6)?),
        _ => return Ok((state, None)),
    };
    match (by, row.get::<_, Option<i64>>(column + 2)?) {
        (Some(by), Some(at)) => Ok((state, Some(Ended { at: UnixMillis(at), by, reason }))),
        _ => Err(Problem::Damaged("how a delivery ended")),
    }
}

/// A delivery with what filters ask for.
pub(super) struct Listed {
    pub(super) key: Key,
    pub(super) worker: WorkerNo,
    pub(super) workspace: WorkspaceId,
    source: SourceId,
    event_type: String,
    pub(super) info: DeliveryInfo,
}

/// The delivery with this key, without its last attempt.
pub(super) fn listed(db: &Connection, memory: &SharedMemory, key: Key) -> Result<Option<Listed>, Problem> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT d.worker, e.workspace, e.source, e.event_type, e.action, e.id, e.received_at, e.source_name,
                e.provider, e.subject, d.due_at, d.redriven, d.replay, d.attempts, {STANDING}, {NAMED}
         FROM deliveries d JOIN events e ON e.seq = d.event {WHO}
         WHERE d.event = ? AND d.id = ?"
    ))?;
    let mut found = statement.query(params![key.event, key.id])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let id = DeliveryId::from_bytes(key.id);
    let (mut state, ended) = standing(row, 14)?;
    if state == DeliveryState::Pending && memory.look(|memory| memory.roster.flight(id).is_some()) {
        state = DeliveryState::Sending;
    }
    let event_type: String = row.get(3)?;
    let (worker_id, worker, mut claim) = who(row, 21)?;
    if let Some(claim) = &mut claim
        && !matches!(state, DeliveryState::Claimed | DeliveryState::Sending)
    {
        claim.until = None;
    }
    let info = DeliveryInfo {
        id,
        event_id: EventId::from_bytes(row.get(5)?),
        received_at: UnixMillis(row.get(6)?),
        source: row.get(7)?,
        provider: rows::provider(&row.get::<_, String>(8)?)?,
        name: name(&event_type, row.get(4)?),
        subject: row.get(9)?,
        worker_id,
        worker,
        claim,
        state,
        next_attempt_at: Some(UnixMillis(row.get(10)?)).filter(|_| state == DeliveryState::Pending),
        ended,
        redriven: row.get(11)?,
        replay: row.get(12)?,
        attempt_count: row.get(13)?,
        last_attempt: None,
    };
    Ok(Some(Listed {
        key,
        worker: row.get(0)?,
        workspace: WorkspaceId::from_bytes(row.get(1)?),
        source: SourceId::from_bytes(row.get(2)?),
        event_type,
        info,
    }))
}

/// `Issue.update`, or the bare type.
pub(super) fn name(event_type: &str, action: Option<String>) -> String {
    action.map_or_else(|| event_type.to_owned(), |action| format!("{event_type}.{action}"))
}

/// Whether `named` (an id or a name) is this source.
pub(super) fn is_source(named: &str, id: SourceId, name: &str) -> bool {
    named == name || named == id.to_string()
}

impl Listed {
    fn is(&self, source: Option<&String>, event_type: Option<&String>) -> bool {
        source.is_none_or(|named| is_source(named, self.source, &self.info.source))
            && event_type.is_none_or(|named| *named == self.event_type || *named == self.info.name)
    }

    fn within(&self, since: Option<UnixMillis>, until: Option<UnixMillis>) -> bool {
        since.is_none_or(|since| self.info.received_at >= since)
            && until.is_none_or(|until| self.info.received_at < until)
    }

    fn passes(&self, filter: &DeliveryFilter) -> bool {
        self.is(filter.source.as_ref(), filter.event_type.as_ref())
            && self.within(filter.since, filter.until)
            && filter.worker.is_none_or(|worker| self.info.worker_id == Some(worker))
            && filter.state.is_none_or(|state| self.info.state == state)
            && filter.provider.is_none_or(|provider| self.info.provider == provider)
    }

    pub(super) fn is_dead_letter(&self, filter: &DeadLetterFilter) -> bool {
        let state = match filter.state {
            Some(state) => self.info.state == state.state(),
            None => matches!(self.info.state, DeliveryState::Dead | DeliveryState::Expired),
        };
        let reason = self.info.ended.as_ref().and_then(|ended| ended.reason.as_deref());
        state
            && self.is(filter.source.as_ref(), filter.event_type.as_ref())
            && self.within(filter.since, filter.until)
            && filter.worker.is_none_or(|worker| self.info.worker_id == Some(worker))
            && filter.reason.is_none_or(|wanted| {
                self.info.state != DeliveryState::Discarded && reason == Some(wanted.as_str())
            })
    }

    /// With its last attempt.
    pub(super) fn shown(self, db: &Connection) -> Result<DeliveryInfo, Problem> {
        let last = super::records::last_attempt(db, self.key.event, self.info.id)?;
        Ok(DeliveryInfo { last_attempt: last, ..self.info })
    }
}

/// The state in the database of what ended like this.
pub(super) fn ended_state(state: Option<EndState>) -> i64 {
    match state {
        None | Some(EndState::Dead | EndState::Expired) => DEAD,
        Some(EndState::Skipped) => SKIPPED,
        Some(EndState::Discarded) => DISCARDED,
    }
}

/// A workspace's claim groups and workers, the gone ones included; of these
/// alone the one asked for, where one is.
pub(super) fn numbers(
    db: &Connection,
    workspace: WorkspaceId,
    only: Option<WorkerId>,
) -> Result<Vec<WorkerNo>, Problem> {
    let mut statement = db.prepare_cached(
        "SELECT no FROM claim_groups WHERE workspace = ?1
         UNION ALL SELECT no FROM workers WHERE workspace = ?1 AND id = coalesce(?2, id) ORDER BY no",
    )?;
    let only = only.map(|id| id.to_bytes());
    let found = statement.query_map(params![workspace.to_bytes(), only], |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The event of a delivery. A delivery's id is made with the time its event
/// was accepted, and the event's too: so there are few to look among.
pub(super) fn event_of(db: &Connection, id: DeliveryId) -> Result<Option<i64>, Problem> {
    let bytes = id.to_bytes();
    let (mut from, mut to) = ([0; 16], [0xff; 16]);
    from[..6].copy_from_slice(&bytes[..6]);
    to[..6].copy_from_slice(&bytes[..6]);
    let mut statement = db.prepare_cached(
        "SELECT e.seq FROM events e CROSS JOIN deliveries d ON d.event = e.seq AND d.id = ?3
         WHERE e.id BETWEEN ?1 AND ?2",
    )?;
    Ok(statement.query_row(params![from, to, bytes], |row| row.get(0)).optional()?)
}

impl SqliteStore {
    pub(super) async fn list_deliveries(
        &self,
        workspace: WorkspaceId,
        filter: DeliveryFilter,
        from: Option<DeliveryCursor>,
        limit: u32,
    ) -> Result<Page<DeliveryInfo, 24>, StoreError> {
        let ended = match filter.state {
            Some(DeliveryState::Dead | DeliveryState::Expired) => Some(DEAD),
            Some(DeliveryState::Skipped) => Some(SKIPPED),
            Some(DeliveryState::Discarded) => Some(DISCARDED),
            _ => None,
        };
        let worker = filter.worker;
        let passes = move |listed: &Listed| listed.workspace == workspace && listed.passes(&filter);
        match ended {
            Some(state) => self.page_of_ended(workspace, state, worker, from, limit, passes).await,
            None => self.page(from, limit, passes, newest).await,
        }
    }

    pub(super) async fn list_dead_letters(
        &self,
        workspace: WorkspaceId,
        filter: DeadLetterFilter,
        from: Option<DeliveryCursor>,
        limit: u32,
    ) -> Result<Page<DeliveryInfo, 24>, StoreError> {
        let (state, worker) = (ended_state(filter.state), filter.worker);
        let passes = move |listed: &Listed| listed.is_dead_letter(&filter);
        self.page_of_ended(workspace, state, worker, from, limit, passes).await
    }

    async fn page_of_ended(
        &self,
        workspace: WorkspaceId,
        state: i64,
        worker: Option<WorkerId>,
        from: Option<DeliveryCursor>,
        limit: u32,
        passes: impl Fn(&Listed) -> bool + Send + 'static,
    ) -> Result<Page<DeliveryInfo, 24>, StoreError> {
        let keys = move |db: &Connection, before: Key| {
            let mut keys = Vec::new();
            for no in numbers(db, workspace, worker)? {
                keys.extend(newest_ended(db, state, no, before)?);
            }
            // The newest of all are among the newest of each.
            keys.sort_unstable_by(|one, other| other.cmp(one));
            keys.truncate(KEYS as usize);
            Ok(keys)
        };
        self.page(from, limit, passes, keys).await
    }

    /// Goes through the deliveries that `keys` names, newest first, as long as
    /// it takes.
    async fn page(
        &self,
        from: Option<DeliveryCursor>,
        limit: u32,
        passes: impl Fn(&Listed) -> bool + Send + 'static,
        keys: impl Fn(&Connection, Key) -> Result<Vec<Key>, Problem> + Send + 'static,
    ) -> Result<Page<DeliveryInfo, 24>, StoreError> {
        let memory = Arc::clone(&self.memory);
        let read = move |db: &Connection| {
            let (mut items, mut examined) = (Vec::new(), 0);
            let mut at = from.map_or(Key::END, Key::of);
            loop {
                let keys = keys(db, at)?;
                if keys.is_empty() {
                    return Ok(Page { items, next: None });
                }
                for key in keys {
                    if items.len() == limit as usize || examined == EXAMINED {
                        return Ok(Page { items, next: Some(at.cursor()) });
                    }
                    (at, examined) = (key, examined + 1);
                    if let Some(found) = listed(db, &memory, key)?.filter(|found| passes(found)) {
                        items.push(found.shown(db)?);
                    }
                }
            }
        };
        self.readers.read(read).await
    }

    pub(super) async fn delivery(
        &self,
        workspace: WorkspaceId,
        id: DeliveryId,
    ) -> Result<Option<DeliveryDetail>, StoreError> {
        let memory = Arc::clone(&self.memory);
        let read = move |db: &Connection| {
            let Some(event) = event_of(db, id)? else { return Ok(None) };
            let found = listed(db, &memory, Key { event, id: id.to_bytes() })?;
            let Some(found) = found.filter(|found| found.workspace == workspace) else { return Ok(None) };
            let attempts = attempts(db, event, id)?;
            Ok(Some(DeliveryDetail { delivery: found.shown(db)?, attempts }))
        };
        self.readers.read(read).await
    }
}

/// The newest deliveries before this one.
fn newest(db: &Connection, before: Key) -> Result<Vec<Key>, Problem> {
    let mut statement = db.prepare_cached(
        "SELECT event, id FROM deliveries WHERE (event, id) < (?1, ?2) ORDER BY event DESC, id DESC LIMIT ?3",
    )?;
    let found = statement.query_map(params![before.event, before.id, KEYS], key)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// The newest of a worker that ended in this state, before this one.
fn newest_ended(db: &Connection, state: i64, no: WorkerNo, before: Key) -> Result<Vec<Key>, Problem> {
    let mut statement = db.prepare_cached(
        "SELECT event, id FROM deliveries INDEXED BY deliveries_ended
         WHERE state = ?1 AND state IN (2, 3, 5) AND worker = ?2 AND (event, id) < (?3, ?4)
         ORDER BY event DESC, id DESC LIMIT ?5",
    )?;
    let found = statement.query_map(params![state, no, before.event, before.id, KEYS], key)?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn key(row: &Row<'_>) -> rusqlite::Result<Key> {
    Ok(Key { event: row.get(0)?, id: row.get(1)? })
}
