//! Events as lists show them, newest first: in the order of their ids, which
//! is that of the times they were accepted. As with deliveries, a read
//! examines a bounded number of rows.

use super::SqliteStore;
use super::deliveries::{EXAMINED, STANDING, is_source, name, standing};
use super::problem::Problem;
use super::rows;
use crate::store::{Cursor, EventContent, EventCursor, Page, StoreError};
use bytes::Bytes;
use postern_protocol::UnixMillis;
use postern_protocol::api::{DeliveryCounts, DeliveryState, EventFilter, EventInfo};
use postern_protocol::id::{EventId, SourceId, WorkspaceId};
use rusqlite::{Connection, Row, params};

/// The columns [`Listed::read`] reads, of events `e`.
pub(super) const EVENT: &str = "e.seq, e.id, e.workspace, e.source, e.source_name, e.provider, e.received_at, \
     e.synthetic, e.event_type, e.action, e.entity, e.subject, e.detail, length(e.body)";

/// An event with what filters ask for.
pub(super) struct Listed {
    pub(super) seq: i64,
    pub(super) workspace: WorkspaceId,
    pub(super) event_type: String,
    pub(super) action: Option<String>,
    /// Its deliveries are not counted yet.
    pub(super) info: EventInfo,
}

impl Listed {
    pub(super) fn read(row: &Row<'_>) -> Result<Self, Problem> {
        let (event_type, action): (String, Option<String>) = (row.get(8)?, row.get(9)?);
        let info = EventInfo {
            id: EventId::from_bytes(row.get(1)?),
            received_at: UnixMillis(row.get(6)?),
            source_id: SourceId::from_bytes(row.get(3)?),
            source: row.get(4)?,
            provider: rows::provider(&row.get::<_, String>(5)?)?,
            name: name(&event_type, action.clone()),
            entity: row.get(10)?,
            subject: row.get(11)?,
            detail: row.get(12)?,
            size: rows::count(row, 13)?,
            synthetic: row.get(7)?,
            deliveries: DeliveryCounts::default(),
        };
        let workspace = WorkspaceId::from_bytes(row.get(2)?);
        Ok(Self { seq: row.get(0)?, workspace, event_type, action, info })
    }

    fn passes(&self, filter: &EventFilter) -> bool {
        let info = &self.info;
        filter.source.as_ref().is_none_or(|named| is_source(named, info.source_id, &info.source))
            && filter.provider.is_none_or(|provider| info.provider == provider)
            && filter.event_type.as_ref().is_none_or(|named| *named == self.event_type || *named == info.name)
            && filter.entity.as_ref().is_none_or(|entity| info.entity.as_ref() == Some(entity))
            && filter.synthetic.is_none_or(|synthetic| info.synthetic == synthetic)
    }

    /// With its deliveries counted.
    pub(super) fn shown(self, db: &Connection) -> Result<EventInfo, Problem> {
        Ok(EventInfo { deliveries: counts(db, self.seq)?, ..self.info })
    }
}

fn counts(db: &Connection, event: i64) -> Result<DeliveryCounts, Problem> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {STANDING} FROM deliveries d LEFT JOIN workers w ON w.no = d.worker WHERE d.event = ?"
    ))?;
    let mut found = statement.query([event])?;
    let mut counts = DeliveryCounts::default();
    while let Some(row) = found.next()? {
        *in_state(&mut counts, standing(row, 0)?.0) += 1;
    }
    Ok(counts)
}

fn in_state(counts: &mut DeliveryCounts, state: DeliveryState) -> &mut u32 {
    match state {
        DeliveryState::Pending | DeliveryState::Sending | DeliveryState::Queued | DeliveryState::Claimed => {
            &mut counts.pending
        }
        DeliveryState::Delivered => &mut counts.delivered,
        DeliveryState::Dead => &mut counts.dead,
        DeliveryState::Expired => &mut counts.expired,
        DeliveryState::Held => &mut counts.held,
        DeliveryState::Skipped => &mut counts.skipped,
        DeliveryState::Discarded => &mut counts.discarded,
    }
}

/// The first id that an event accepted then can have.
pub(super) fn first_id(at: UnixMillis) -> [u8; 16] {
    EventId::new(UnixMillis(at.0.clamp(0, (1 << 48) - 1)), [0; 10]).to_bytes()
}

impl SqliteStore {
    pub(super) async fn list_events(
        &self,
        workspace: WorkspaceId,
        filter: EventFilter,
        from: Option<EventCursor>,
        limit: u32,
    ) -> Result<Page<EventInfo, 16>, StoreError> {
        let read = move |db: &Connection| {
            let until = filter.until.map_or([0xff; 16], first_id);
            let before = from.map_or(until, |Cursor(id)| id.min(until));
            let since = filter.since.map_or([0; 16], first_id);
            let mut statement = db.prepare_cached(&format!(
                "SELECT {EVENT} FROM events e WHERE e.id < ?1 AND e.id >= ?2 ORDER BY e.id DESC LIMIT ?3"
            ))?;
            let mut found = statement.query(params![before, since, EXAMINED])?;
            let (mut items, mut examined, mut last) = (Vec::new(), 0, None);
            while let Some(row) = found.next()? {
                if items.len() == limit as usize {
                    return Ok(Page { items, next: last });
                }
                let listed = Listed::read(row)?;
                (examined, last) = (examined + 1, Some(Cursor(listed.info.id.to_bytes())));
                if listed.workspace != workspace || !listed.passes(&filter) {
                    continue;
                }
                let mut event = listed.shown(db)?;
                if filter.state.is_none_or(|state| *in_state(&mut event.deliveries, state) > 0) {
                    items.push(event);
                }
            }
            Ok(Page { items, next: last.filter(|_| examined == EXAMINED) })
        };
        self.readers.read(read).await
    }

    pub(super) async fn event_content(
        &self,
        workspace: WorkspaceId,
        id: EventId,
    ) -> Result<Option<EventContent>, StoreError> {
        let read = move |db: &Connection| {
            let mut statement = db.prepare_cached(
                "SELECT source, entity, subject, detail, headers, body FROM events WHERE id = ? AND workspace = ?",
            )?;
            let mut found = statement.query(params![id.to_bytes(), workspace.to_bytes()])?;
            let Some(row) = found.next()? else { return Ok(None) };
            Ok(Some(EventContent {
                source: SourceId::from_bytes(row.get(0)?),
                entity: row.get(1)?,
                subject: row.get(2)?,
                detail: row.get(3)?,
                headers: rows::headers(&row.get::<_, String>(4)?)?,
                body: Bytes::from(row.get::<_, Vec<u8>>(5)?),
            }))
        };
        self.readers.read(read).await
    }
}
