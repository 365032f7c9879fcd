//! Choosing members for what is due to claim groups.

use super::Wish;
use crate::store::sqlite::claim::{Due, read};
use crate::store::sqlite::groups::{Place, Sight, Stall, Stalls};
use crate::store::sqlite::memory::SharedMemory;
use crate::store::sqlite::problem::Problem;
use crate::store::sqlite::roster::{Member, Most, WorkerNo};
use crate::store::sqlite::rows;
use crate::store::{Claim, Claimed};
use postern_protocol::UnixMillis;
use postern_protocol::api::GroupName;
use postern_protocol::event::Described;
use postern_protocol::filter;
use postern_protocol::id::DeliveryId;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;

/// Deliveries of one group looked at in one go.
const EXAMINED: usize = 500;

/// A delivery and the member it is to be granted to.
pub(super) struct Chosen {
    pub(super) wish: Wish,
    pub(super) group: GroupName,
    pub(super) claimed: Claimed,
}

/// A member while deliveries are handed out.
struct Slot {
    member: Member,
    room: usize,
    /// Of the bodies under way to it.
    bytes: u64,
    load: usize,
    turn: u64,
}

/// Whom a delivery goes to.
enum Choice {
    To(WorkerNo),
    /// To nobody now: it waits for the member that holds its entity.
    ForHolder(WorkerNo),
    /// To nobody now: one before it was given up while it was on its way.
    AfterAnother,
    /// To nobody now: none that takes it has room.
    Nobody,
}

/// What can be granted now of all groups, within the claim's bounds.
pub(super) fn look(db: &Connection, memory: &SharedMemory, claim: Claim) -> Result<Vec<Chosen>, Problem> {
    let mut chosen = Vec::new();
    let (mut limit, mut bytes) = (claim.limit as usize, claim.bytes);
    let ready = memory.look(|memory| memory.roster.groups_ready(claim.now));
    let groups = ready.len();
    for (n, group) in ready.into_iter().enumerate() {
        // What is left is shared by those that are left.
        let share = limit.div_ceil(groups - n);
        if share == 0 || bytes == 0 {
            break;
        }
        let found = look_through(db, memory, group, claim, share, bytes)?;
        limit -= found.len();
        let taken: u64 = found.iter().map(|chosen| chosen.claimed.body.len() as u64).sum();
        bytes = bytes.saturating_sub(taken);
        chosen.extend(found);
    }
    Ok(chosen)
}

fn look_through(
    db: &Connection,
    memory: &SharedMemory,
    group: WorkerNo,
    claim: Claim,
    limit: usize,
    bytes: u64,
) -> Result<Vec<Chosen>, Problem> {
    let sight = memory.change(|memory| {
        let roster = &mut memory.roster;
        let name = roster.groups.get(group).map(|group| group.name.clone());
        name.zip(roster.look_through(group, claim.now))
    });
    let Some((name, Sight { singles, woken, from, members })) = sight else { return Ok(Vec::new()) };
    let db = db.unchecked_transaction()?;
    let slots = members.into_iter().map(|member| (member.no, Slot::new(member, claim))).collect();
    let (chosen, stalls) = (Vec::new(), Stalls::new());
    let mut look =
        Look { db: &db, memory, group, name, claim, limit, bytes, slots, chosen, stalls, examined: 0 };
    let left = look.run(&singles, woken.clone(), from);
    let Look { chosen, stalls, .. } = look;
    match left {
        Ok(Left { rest, singles, woken }) => {
            memory.change(|m| {
                m.roster.looked(group, rest, &singles, stalls);
                m.roster.stalled(group, woken);
            });
            Ok(chosen)
        }
        Err(problem) => {
            memory.change(|m| {
                m.roster.looked(group, from, &singles, Stalls::new());
                m.roster.stalled(group, woken);
            });
            Err(problem)
        }
    }
}

/// A look through what is due to one group.
struct Look<'a> {
    db: &'a Connection,
    memory: &'a SharedMemory,
    group: WorkerNo,
    name: GroupName,
    claim: Claim,
    limit: usize,
    bytes: u64,
    slots: HashMap<WorkerNo, Slot>,
    chosen: Vec<Chosen>,
    stalls: Stalls,
    examined: usize,
}

/// What was not looked at: as [`Sight`].
struct Left {
    rest: Option<Place>,
    singles: Vec<Place>,
    woken: Option<(Place, Vec<WorkerNo>)>,
}

const ROWS: &str = "SELECT due_at, event, id, lane FROM deliveries INDEXED BY deliveries_pending
     WHERE worker = ?1 AND state = 0 AND (due_at, event, id) >= (?2, ?3, ?4) ORDER BY due_at, event, id";

impl Look<'_> {
    fn run(
        &mut self,
        singles: &[Place],
        woken: Option<(Place, Vec<WorkerNo>)>,
        from: Option<Place>,
    ) -> Result<Left, Problem> {
        for (n, place) in singles.iter().enumerate() {
            if self.is_over(None) {
                return Ok(Left { rest: from, singles: singles[n..].to_vec(), woken });
            }
            let lane: Option<Option<String>> = self
                .db
                .prepare_cached(
                    "SELECT lane FROM deliveries WHERE event = ? AND id = ? AND worker = ? AND state = 0",
                )?
                .query_row(params![place.event, place.id, self.group], |row| row.get(0))
                .optional()?;
            if let Some(lane) = lane {
                self.examine(*place, lane.map(Into::into), None)?;
            }
        }
        let mut left = Left { rest: from, singles: Vec::new(), woken: None };
        if let Some((place, only)) = woken {
            left.woken = self.go(place, from, Some(&only))?.map(|place| (place, only));
        }
        if let Some(from) = from.filter(|_| !self.is_over(None)) {
            left.rest = self.go(from, None, None)?;
        }
        Ok(left)
    }

    /// Goes through what is due from a place on, up to another, for these
    /// members or for all; where it stopped, if it did.
    fn go(
        &mut self,
        from: Place,
        until: Option<Place>,
        only: Option<&[WorkerNo]>,
    ) -> Result<Option<Place>, Problem> {
        let db = self.db;
        let mut statement = db.prepare_cached(ROWS)?;
        let mut rows = statement.query(params![self.group, from.due.0, from.event, from.id])?;
        while let Some(row) = rows.next()? {
            let place = Place { due: UnixMillis(row.get(0)?), event: row.get(1)?, id: row.get(2)? };
            if until.is_some_and(|until| place >= until) {
                return Ok(None);
            }
            if place.due > self.claim.now || self.is_over(only) {
                return Ok(Some(place));
            }
            self.examine(place, row.get::<_, Option<String>>(3)?.map(Into::into), only)?;
        }
        Ok(None)
    }

    /// Whether nothing more can be chosen, of these members or of all.
    fn is_over(&self, only: Option<&[WorkerNo]>) -> bool {
        let full = |no: &WorkerNo| self.slots.get(no).is_none_or(|slot| slot.room == 0);
        self.chosen.len() == self.limit
            || self.bytes == 0
            || self.examined == EXAMINED
            || only.map_or_else(|| self.slots.keys().all(full), |only| only.iter().all(full))
    }

    /// Chooses a member for a delivery, if one can take it.
    fn examine(
        &mut self,
        place: Place,
        lane: Option<Box<str>>,
        only: Option<&[WorkerNo]>,
    ) -> Result<(), Problem> {
        self.examined += 1;
        let delivery = DeliveryId::from_bytes(place.id);
        if self.chosen.iter().any(|chosen| chosen.wish.delivery == delivery)
            || self.memory.look(|m| m.roster.flight(delivery).is_some())
        {
            // Its end makes it due anew.
            return Ok(());
        }
        let mut takers = self.takers(place.event)?;
        let choice = self.choose(place.event, delivery, lane.as_deref(), &takers, only)?;
        let worker = match choice {
            Choice::To(worker) => worker,
            Choice::AfterAnother => {
                self.memory.change(|m| m.roster.is_behind(self.group, place));
                return Ok(());
            }
            Choice::ForHolder(holder) => {
                self.stall(holder, place, true);
                return Ok(());
            }
            Choice::Nobody => {
                takers.drain(..).for_each(|worker| self.stall(worker, place, false));
                return Ok(());
            }
        };
        let Some(slot) = self.slots.get_mut(&worker) else { return Ok(()) };
        let due = Due { at: place.due, event: place.event, id: delivery };
        let claimed = match read(self.db, &due, &slot.member, self.claim.now) {
            Ok(claimed) => claimed,
            Err(outage) if outage.is_outage() => return Err(outage),
            Err(error) => {
                // Nobody gets it before the next start, and the others go on.
                tracing::error!(%error, %delivery, "a delivery cannot be read");
                return Ok(());
            }
        };
        let bytes = claimed.body.len() as u64;
        slot.take(bytes, self.claim.worker_bytes);
        self.bytes = self.bytes.saturating_sub(bytes);
        let wish = Wish { group: self.group, event: place.event, delivery, worker, lane, bytes, place };
        self.chosen.push(Chosen { wish, group: self.name.clone(), claimed });
        Ok(())
    }

    fn stall(&mut self, worker: WorkerNo, place: Place, holder: bool) {
        let known = self.stalls.entry(worker).or_insert(Stall { from: place, holder });
        *known = Stall { from: known.from.min(place), holder: known.holder || holder };
    }

    /// The members whose filter takes an event.
    fn takers(&self, event: i64) -> Result<Vec<WorkerNo>, Problem> {
        let slots = &self.slots;
        let mut statement =
            self.db.prepare_cached("SELECT provider, event_type, action, body FROM events WHERE seq = ?")?;
        let mut found = statement.query([event])?;
        let row = found.next()?.ok_or(Problem::Damaged("a delivery without its event"))?;
        let described = Described {
            event_type: row.get(1)?,
            action: row.get(2)?,
            entity: None,
            subject: String::new(),
            detail: String::new(),
        };
        let conditions = slots.values().any(|slot| slot.member.filter.has_conditions());
        let body: Vec<u8> = if conditions { row.get(3)? } else { Vec::new() };
        let provider = rows::provider(&row.get::<_, String>(0)?)?;
        let filters = slots.iter().map(|(no, slot)| (*no, &slot.member.filter));
        Ok(filter::takers(provider, &described, &body, filters))
    }

    fn choose(
        &self,
        event: i64,
        delivery: DeliveryId,
        lane: Option<&str>,
        takers: &[WorkerNo],
        only: Option<&[WorkerNo]>,
    ) -> Result<Choice, Problem> {
        let slots = &self.slots;
        // One before it was ended while it was on its way.
        if lane.is_some_and(|lane| self.memory.look(|m| m.roster.group_lane_busy(self.group, lane))) {
            return Ok(Choice::AfterAnother);
        }
        // Whose it is, or whose its entity is.
        let holder = self.memory.look(|m| {
            let groups = &m.roster.groups;
            let by = lane.and_then(|lane| groups.holds(self.group, lane)).unwrap_or(delivery);
            groups.lease(by).map(|lease| lease.worker)
        });
        if let Some(worker) = holder {
            let there = slots.get(&worker).filter(|slot| slot.member.is_there() && takers.contains(&worker));
            match there {
                Some(slot) if slot.room > 0 => return Ok(Choice::To(worker)),
                Some(_) => return Ok(Choice::ForHolder(worker)),
                None => {}
            }
        }
        // Who had it last, and did not finish it, comes after the others.
        let last = "SELECT worker FROM grants WHERE event = ? AND delivery = ?";
        let last: Option<WorkerNo> = self
            .db
            .prepare_cached(last)?
            .query_row(params![event, delivery.to_bytes()], |row| row.get(0))
            .optional()?;
        let asked = |no: &&WorkerNo| only.is_none_or(|only| only.contains(no));
        let can = takers.iter().filter(asked).filter_map(|no| slots.get(no)).filter(|slot| slot.room > 0);
        let best = can.min_by_key(|slot| {
            let no = slot.member.no;
            (last == Some(no), slot.load, slot.turn, no)
        });
        Ok(best.map_or(Choice::Nobody, |slot| Choice::To(slot.member.no)))
    }
}

impl Slot {
    fn new(member: Member, claim: Claim) -> Self {
        let room = if member.is_there() {
            member.allowance(claim).min(member.group_room(Most::of(claim)))
        } else {
            0
        };
        let load = member.claimed.len() + member.working;
        let (bytes, turn) = (member.claimed_bytes, member.last_turn);
        Self { member, room, bytes, load, turn }
    }

    /// It gets one of so many bytes, and no more once it has `most` of them.
    fn take(&mut self, bytes: u64, most: u64) {
        self.bytes += bytes;
        self.room = if self.bytes < most { self.room - 1 } else { 0 };
        self.load += 1;
        self.turn = u64::MAX;
    }
}
