//! Why each worker of a workspace got an event, or did not: from its deliveries
//! where it has one, and else from what is known of the worker now.

use super::memory::SharedMemory;
use super::problem::Problem;
use super::roster::{Member, Roster, WorkerNo};
use super::rows;
use postern_protocol::UnixMillis;
use postern_protocol::api::{
    DeliveryRecord, DeliveryState, EventRecord, ReasonCode, SkippedBy, WaitsFor, WorkerReason, WorkerState,
};
use postern_protocol::event::Described;
use postern_protocol::filter::{Filter, Stand};
use postern_protocol::id::{WorkerId, WorkspaceId};
use rusqlite::{Connection, params};

/// A worker as it is known now.
struct Known {
    no: WorkerNo,
    id: WorkerId,
    name: String,
    created_at: UnixMillis,
    activated: bool,
    state: WorkerState,
    filter: Filter,
    group: Option<WorkerNo>,
}

/// Adds to an event's record why each worker got it or did not.
pub(super) fn add(
    db: &Connection,
    memory: &SharedMemory,
    workspace: WorkspaceId,
    seq: i64,
    record: &mut EventRecord,
) -> Result<(), Problem> {
    let workers = workers(db, workspace)?;
    let (described, body) = event(db, seq, workers.iter().any(|known| known.filter.has_conditions()))?;
    for known in workers {
        let group = known.group.map(|no| group_name(db, no)).transpose()?;
        let of_group = |delivery: &&DeliveryRecord| {
            delivery.claim.as_ref().is_some_and(|claim| Some(claim.group.as_str()) == group.as_deref())
        };
        // Of several the newest: a replay.
        let own = record.deliveries.iter().rev().find(|delivery| delivery.worker_id == Some(known.id));
        let shared = record.deliveries.iter().rev().find(of_group);
        let stand = || known.filter.stand(record.provider, &described, &body);
        let (code, reason, terms, delivery) = match (own, shared) {
            (Some(own), _) => {
                let (code, reason) = of_own(memory, known.no, own);
                (code, reason, Vec::new(), Some(own.id))
            }
            (None, Some(shared)) => {
                let (code, reason, terms) = of_group_delivery(memory, &known, shared, stand());
                (code, reason, terms, Some(shared.id))
            }
            (None, None) if known.state == WorkerState::Gone => continue,
            (None, None) => {
                let (code, reason, terms) = of_none(&known, record, stand());
                (code, reason, terms, None)
            }
        };
        let (worker_id, worker) = (known.id, known.name);
        record.workers.push(WorkerReason { worker_id, worker, code, reason, terms, delivery_id: delivery });
    }
    Ok(())
}

/// The worker's own delivery, or one of its group's that it has, or had last.
fn of_own(memory: &SharedMemory, no: WorkerNo, delivery: &DeliveryRecord) -> (ReasonCode, String) {
    let group = delivery.claim.as_ref().map(|claim| &claim.group);
    let code = match delivery.state {
        DeliveryState::Delivered => ReasonCode::Delivered,
        DeliveryState::Sending => ReasonCode::Sending,
        DeliveryState::Claimed => ReasonCode::Claimed,
        DeliveryState::Queued => ReasonCode::InLine,
        DeliveryState::Held => ReasonCode::Held,
        DeliveryState::Skipped => ReasonCode::Skipped,
        DeliveryState::Dead => ReasonCode::Dead,
        DeliveryState::Expired => ReasonCode::Expired,
        DeliveryState::Discarded => ReasonCode::Discarded,
        DeliveryState::Pending if group.is_some() => ReasonCode::GroupWaits,
        DeliveryState::Pending => match delivery.waits_for {
            Some(WaitsFor::WorkerAway) => ReasonCode::Away,
            Some(WaitsFor::WorkerPaused) => ReasonCode::Paused,
            Some(WaitsFor::WorkerPending) => ReasonCode::Unproved,
            Some(WaitsFor::Circuit) => ReasonCode::Circuit,
            Some(WaitsFor::Rate) => ReasonCode::Rate,
            Some(WaitsFor::Member) | None => ReasonCode::Waiting,
        },
    };
    let ended = delivery.ended.as_ref().and_then(|ended| ended.reason.as_deref()).unwrap_or("no reason kept");
    let reason = match (code, group) {
        (ReasonCode::Delivered, None) => "It was delivered.".into(),
        (ReasonCode::Delivered, Some(group)) => {
            format!("As a member of the claim group `{group}` it reported the event as completed.")
        }
        (ReasonCode::Sending, _) => "An attempt is under way.".into(),
        (ReasonCode::Claimed, _) => {
            let group = group.map_or("", |group| group.as_str());
            format!(
                "As a member of the claim group `{group}` it holds the event, and has yet to report that it is done."
            )
        }
        (ReasonCode::InLine, _) => "It waits in line behind an earlier event of its entity.".into(),
        (ReasonCode::Held, _) => {
            "It came while the worker was away, and is held until someone chooses.".into()
        }
        (ReasonCode::Skipped, _) => match delivery.skipped.map(|skipped| skipped.by) {
            Some(SkippedBy::Setting) => {
                "It came while the worker was away, and was skipped as its catch-up says.".into()
            }
            _ => "It came while the worker was away, and was skipped by choice.".into(),
        },
        (ReasonCode::Dead, _) => format!("It was given up: {ended}."),
        (ReasonCode::Expired, _) => "It was given up: it waited for longer than events are kept.".into(),
        (ReasonCode::Discarded, _) => format!("It was given up, and discarded: {ended}."),
        (ReasonCode::GroupWaits, _) => {
            format!(
                "It had the event last; now the event waits for a member of its claim group{}.",
                own_trouble(memory, no)
            )
        }
        (ReasonCode::Away, _) => "The worker is away: the event waits for it.".into(),
        (ReasonCode::Paused, _) => "The worker is paused: the event waits for it.".into(),
        (ReasonCode::Unproved, _) => "The worker has yet to answer its ownership challenge.".into(),
        (ReasonCode::Circuit, _) => "The worker cannot be reached, or fails: its circuit is open.".into(),
        (ReasonCode::Rate, _) => "The worker's rate allows no more now.".into(),
        _ => "It waits for its turn, or for its next attempt.".into(),
    };
    (code, reason)
}

/// A delivery of the worker's group that it has never had.
fn of_group_delivery(
    memory: &SharedMemory,
    known: &Known,
    delivery: &DeliveryRecord,
    stand: Stand,
) -> (ReasonCode, String, Vec<String>) {
    let group = delivery.claim.as_ref().map_or("", |claim| claim.group.as_str());
    let other = &delivery.worker;
    if let Some((code, reason, terms)) = refused(stand) {
        return (code, reason, terms);
    }
    let (code, reason) = match (delivery.worker_id, delivery.state) {
        (Some(_), DeliveryState::Claimed | DeliveryState::Sending) => {
            (ReasonCode::OtherMember, format!("`{other}` of the claim group `{group}` holds it."))
        }
        (Some(_), DeliveryState::Delivered) => {
            (ReasonCode::OtherMember, format!("`{other}` of the claim group `{group}` completed it."))
        }
        (Some(_), DeliveryState::Dead | DeliveryState::Expired | DeliveryState::Discarded) => (
            ReasonCode::OtherMember,
            format!("`{other}` of the claim group `{group}` had it last; it was given up."),
        ),
        (None, DeliveryState::Dead | DeliveryState::Expired | DeliveryState::Discarded) => {
            (ReasonCode::Expired, "It was given up: no member of the claim group could take it.".into())
        }
        (_, DeliveryState::Queued) => {
            (ReasonCode::InLine, "It waits in line behind an earlier event of its entity.".into())
        }
        _ => {
            let trouble = own_trouble(memory, known.no);
            (ReasonCode::GroupWaits, format!("It waits for a member of the claim group `{group}`{trouble}."))
        }
    };
    (code, reason, Vec::new())
}

/// Why a member cannot be given anything now: `; this one is paused`.
fn own_trouble(memory: &SharedMemory, no: WorkerNo) -> &'static str {
    memory.look(|memory| {
        let roster = &memory.roster;
        let Some(member) = roster.get(no) else { return "" };
        match member.waits_for() {
            Some(WaitsFor::WorkerAway) => "; this one is away",
            Some(WaitsFor::WorkerPaused) => "; this one is paused",
            Some(WaitsFor::WorkerPending) => "; this one has yet to answer its ownership challenge",
            Some(WaitsFor::Circuit) => "; this one's circuit is open",
            Some(WaitsFor::Rate) => "; this one's rate allows no more now",
            Some(WaitsFor::Member) | None if is_full(roster, member) => "; this one has all it can take",
            Some(WaitsFor::Member) | None => "",
        }
    })
}

fn is_full(roster: &Roster, member: &Member) -> bool {
    member.group_room(roster.most()) == 0
}

/// A worker without a delivery of the event.
fn of_none(known: &Known, record: &EventRecord, stand: Stand) -> (ReasonCode, String, Vec<String>) {
    if known.created_at > record.received_at {
        let reason = "It registered after the event had come; `recover` has it delivered.".into();
        return (ReasonCode::RegisteredLater, reason, Vec::new());
    }
    if !known.activated {
        let reason = "It has never answered its ownership challenge.".into();
        return (ReasonCode::NotActivated, reason, Vec::new());
    }
    refused(stand).unwrap_or_else(|| {
        let (code, reason) = if record.synthetic && !record.deliveries.is_empty() {
            (ReasonCode::MadeForAnother, "The event was made for another worker alone.")
        } else {
            let reason = "Its capabilities take the event now; when it came they, or its group, were others.";
            (ReasonCode::ChangedSince, reason)
        };
        (code, reason.into(), Vec::new())
    })
}

fn refused(stand: Stand) -> Option<(ReasonCode, String, Vec<String>)> {
    match stand {
        Stand::Takes => None,
        Stand::Refuses(term) => Some((
            ReasonCode::FilterRefuses,
            format!("Its capability `{term}` refuses the event."),
            vec![term],
        )),
        Stand::Misses(terms) if terms.is_empty() => {
            let reason = "Postern's own events go to those whose capabilities name them.".into();
            Some((ReasonCode::FilterDoesNotTake, reason, terms))
        }
        Stand::Misses(terms) => {
            let reason = format!("None of its capabilities takes the event: {}.", terms.join(", "));
            Some((ReasonCode::FilterDoesNotTake, reason, terms))
        }
    }
}

/// What an event is, and its body where it is asked for.
fn event(db: &Connection, seq: i64, body: bool) -> Result<(Described, Vec<u8>), Problem> {
    let sql = "SELECT event_type, action, entity, subject, detail, body FROM events WHERE seq = ?";
    let read = |row: &rusqlite::Row<'_>| {
        let described = Described {
            event_type: row.get(0)?,
            action: row.get(1)?,
            entity: row.get(2)?,
            subject: row.get(3)?,
            detail: row.get(4)?,
        };
        Ok((described, if body { row.get(5)? } else { Vec::new() }))
    };
    Ok(db.prepare_cached(sql)?.query_row([seq], read)?)
}

/// A workspace's workers, oldest first, the gone ones included.
fn workers(db: &Connection, workspace: WorkspaceId) -> Result<Vec<Known>, Problem> {
    let mut statement = db.prepare_cached(
        "SELECT no, id, name, created_at, activated, state, filter, claim_group FROM workers
         WHERE workspace = ? ORDER BY created_at, no",
    )?;
    let mut found = statement.query(params![workspace.to_bytes()])?;
    let mut known = Vec::new();
    while let Some(row) = found.next()? {
        let filter: String = row.get(6)?;
        known.push(Known {
            no: row.get(0)?,
            id: WorkerId::from_bytes(row.get(1)?),
            name: row.get(2)?,
            created_at: UnixMillis(row.get(3)?),
            activated: row.get(4)?,
            state: rows::named(&row.get::<_, String>(5)?, "a worker's state")?,
            filter: serde_json::from_str(&filter).map_err(|_| Problem::Damaged("a worker's filter"))?,
            group: row.get(7)?,
        });
    }
    Ok(known)
}

fn group_name(db: &Connection, no: WorkerNo) -> Result<String, Problem> {
    let mut statement = db.prepare_cached("SELECT name FROM claim_groups WHERE no = ?")?;
    Ok(statement.query_row([no], |row| row.get(0))?)
}
