//! Claim groups in memory: their members, what is due to them, and who holds
//! what by which lease.
//!
//! A group's deliveries wait under the group's number. Where a claim looks
//! through them it passes over what nobody can take now, and remembers for
//! which members' sake: once one of them can, it looks again from there, for
//! that one alone. So a long queue that waits for one member is not read again
//! and again for the others.

use super::roster::{Member, Roster, WorkerNo};
use postern_protocol::UnixMillis;
use postern_protocol::api::{GroupName, WorkerState};
use postern_protocol::id::DeliveryId;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Deliveries of one group that are looked at one by one, at most.
const SINGLES: usize = 4_096;

/// A place in the order in which a group's deliveries are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) due: UnixMillis,
    pub(super) event: i64,
    pub(super) id: [u8; 16],
}

impl Place {
    /// Before all that is due then.
    pub(super) fn at(due: UnixMillis) -> Self {
        Self { due, event: i64::MIN, id: [0; 16] }
    }

    /// Before all.
    const FIRST: Self = Self { due: UnixMillis(i64::MIN), event: i64::MIN, id: [0; 16] };

    /// A delivery's own.
    pub(super) fn of(due: UnixMillis, event: i64, delivery: DeliveryId) -> Self {
        Self { due, event, id: delivery.to_bytes() }
    }
}

/// What was passed over for a member's sake.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stall {
    /// From where on.
    pub(super) from: Place,
    /// Some of it since the member holds the entity: another could take it
    /// once this one cannot.
    pub(super) holder: bool,
}

pub(super) type Stalls = HashMap<WorkerNo, Stall>;

/// A claim group.
pub(super) struct Group {
    pub(super) name: GroupName,
    pub(super) members: BTreeSet<WorkerNo>,
    /// Its deliveries that are not done: pending, queued or at a member.
    pub(super) waiting: u64,
    /// From where on there may be something due that was not looked at.
    from: Option<Place>,
    /// The same for what was committed since the last claim began to read.
    arrived: Option<Place>,
    /// What fell due by itself, before that.
    singles: BTreeSet<Place>,
    stalls: Stalls,
    /// What waits for an attempt with one before it to end.
    behind: Vec<Place>,
    /// The entities that members hold, each with the delivery whose grant that
    /// goes by.
    lanes: HashMap<Box<str>, DeliveryId>,
}

/// What a member holds, and until when.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) group: WorkerNo,
    pub(super) event: i64,
    pub(super) worker: WorkerNo,
    pub(super) lane: Option<Box<str>>,
    pub(super) until: UnixMillis,
    /// For how long from the member's answer on.
    pub(super) length: Duration,
    /// Whether the member has it, and has yet to report that it is done; if
    /// not, it is on its way, or the entity alone is held.
    pub(super) working: bool,
}

/// The claim groups, and what their members hold.
#[derive(Default)]
pub(super) struct Groups {
    all: HashMap<WorkerNo, Group>,
    leases: HashMap<DeliveryId, Lease>,
    by_end: BTreeSet<(UnixMillis, DeliveryId)>,
    /// Grows with each grant: whose turn it is among equals.
    turn: u64,
}

/// What a claim is to look at.
pub(super) struct Sight {
    /// One by one.
    pub(super) singles: Vec<Place>,
    /// From there to the next, for the sake of these members alone.
    pub(super) woken: Option<(Place, Vec<WorkerNo>)>,
    /// From there on.
    pub(super) from: Option<Place>,
    pub(super) members: Vec<Member>,
}

impl Group {
    /// All from there on is to be looked at.
    fn due(&mut self, place: Place) {
        let first = |known: Option<Place>| Some(known.map_or(place, |known| known.min(place)));
        (self.from, self.arrived) = (first(self.from), first(self.arrived));
    }
}

impl Groups {
    pub(super) fn get(&self, no: WorkerNo) -> Option<&Group> {
        self.all.get(&no)
    }

    /// Takes note of a group.
    pub(super) fn know(&mut self, no: WorkerNo, name: &GroupName) -> &mut Group {
        self.all.entry(no).or_insert_with(|| Group {
            name: name.clone(),
            members: BTreeSet::new(),
            waiting: 0,
            from: None,
            arrived: None,
            singles: BTreeSet::new(),
            stalls: Stalls::new(),
            behind: Vec::new(),
            lanes: HashMap::new(),
        })
    }

    pub(super) fn lease(&self, delivery: DeliveryId) -> Option<&Lease> {
        self.leases.get(&delivery)
    }

    /// The delivery whose grant an entity is held by.
    pub(super) fn holds(&self, group: WorkerNo, lane: &str) -> Option<DeliveryId> {
        self.all.get(&group)?.lanes.get(lane).copied()
    }

    /// The groups something waits for.
    pub(super) fn waiting(&self) -> impl Iterator<Item = WorkerNo> {
        self.all.iter().filter(|(_, group)| group.waiting > 0).map(|(no, _)| *no)
    }

    /// The leases over at `now`.
    pub(super) fn over(&self, now: UnixMillis) -> impl Iterator<Item = (DeliveryId, &Lease)> {
        let over = self.by_end.iter().take_while(move |(until, _)| *until <= now);
        over.filter_map(|(_, delivery)| Some((*delivery, self.leases.get(delivery)?)))
    }
}

impl Roster {
    /// Something of a worker, or of a group, falls due then.
    pub(super) fn falls_due(&mut self, no: WorkerNo, at: UnixMillis) {
        if no >= 0 {
            self.update(no, |member| member.due(at));
        } else if let Some(group) = self.groups.all.get_mut(&no) {
            group.due(Place::at(at));
        }
    }

    /// Whether there is somebody, or was, to whom these deliveries can go.
    pub(super) fn knows(&self, no: WorkerNo) -> bool {
        if no >= 0 { self.get(no).is_some() } else { self.groups.all.contains_key(&no) }
    }

    /// What waits for a group grew, or shrank.
    pub(super) fn group_waits(&mut self, no: WorkerNo, change: i64) {
        if let Some(group) = self.groups.all.get_mut(&no) {
            group.waiting = group.waiting.saturating_add_signed(change);
        }
    }

    /// One delivery, which was not waiting, is due.
    pub(super) fn released_one(&mut self, no: WorkerNo, place: Place) {
        if no >= 0 {
            return self.released(no, 1);
        }
        self.pending += 1;
        self.group_waits(no, 1);
        self.single_due(no, place);
    }

    /// One delivery of a group falls due.
    pub(super) fn single_due(&mut self, no: WorkerNo, place: Place) {
        let Some(group) = self.groups.all.get_mut(&no) else { return };
        if group.singles.len() < SINGLES {
            group.singles.insert(place);
        } else {
            group.due(group.singles.first().map_or(place, |first| place.min(*first)));
            group.singles.clear();
        }
    }

    /// A worker is put into its group, or out of the one before; or its filter
    /// changed.
    pub(super) fn regroup(&mut self, member: &Member) {
        let before = self.get(member.no).map(|present| (present.group, present.filter == member.filter));
        if before == Some((member.group, true)) {
            return;
        }
        if let Some((Some(left), _)) = before
            && member.group != Some(left)
        {
            self.out_of(left, member.no);
        }
        let (Some(no), Some(name)) = (member.group, &member.group_name) else { return };
        let group = self.groups.know(no, name);
        group.members.insert(member.no);
        group.due(Place::FIRST);
    }

    /// A worker is in that group no more. What it held was given up.
    pub(super) fn out_of(&mut self, group: WorkerNo, worker: WorkerNo) {
        if let Some(group) = self.groups.all.get_mut(&group) {
            group.members.remove(&worker);
            if let Some(stall) = group.stalls.remove(&worker) {
                group.due(stall.from);
            }
        }
        self.gave_up(worker);
    }

    /// A worker holds nothing any more.
    pub(super) fn gave_up(&mut self, worker: WorkerNo) {
        let held = self.groups.leases.iter().filter(|(_, lease)| lease.worker == worker);
        for delivery in held.map(|(delivery, _)| *delivery).collect::<Vec<_>>() {
            self.end_lease(delivery);
        }
    }

    /// A delivery is granted, or its lease goes on.
    pub(super) fn lease(&mut self, delivery: DeliveryId, lease: Lease) {
        self.end_lease(delivery);
        let Some(group) = self.groups.all.get_mut(&lease.group) else { return };
        if let Some(lane) = &lease.lane
            && let Some(earlier) = group.lanes.insert(lane.clone(), delivery)
            && earlier != delivery
        {
            // The entity is held by the newest.
            self.forget_lease(earlier);
        }
        if lease.working {
            self.update(lease.worker, |member| member.working += 1);
        }
        self.groups.by_end.insert((lease.until, delivery));
        self.groups.leases.insert(delivery, lease);
    }

    /// It has another end, and is worked on, or is not any more.
    pub(super) fn prolong(&mut self, delivery: DeliveryId, until: UnixMillis, working: bool) {
        if let Some(lease) = self.groups.leases.get(&delivery) {
            let lease = Lease { until, working, ..lease.clone() };
            self.lease(delivery, lease);
        }
    }

    /// A grant has ended: the entity is free.
    pub(super) fn end_lease(&mut self, delivery: DeliveryId) {
        let Some(lease) = self.forget_lease(delivery) else { return };
        let Some(group) = self.groups.all.get_mut(&lease.group) else { return };
        if let Some(lane) = &lease.lane
            && group.lanes.get(lane) == Some(&delivery)
        {
            group.lanes.remove(lane);
        }
        if group.stalls.get(&lease.worker).is_some_and(|stall| stall.holder)
            && let Some(stall) = group.stalls.remove(&lease.worker)
        {
            // Others may take what waited for its holder.
            group.due(stall.from);
        }
    }

    fn forget_lease(&mut self, delivery: DeliveryId) -> Option<Lease> {
        let lease = self.groups.leases.remove(&delivery)?;
        self.groups.by_end.remove(&(lease.until, delivery));
        if lease.working {
            self.update(lease.worker, |member| member.working = member.working.saturating_sub(1));
        }
        Some(lease)
    }

    /// A delivery is granted to a member: its next turn comes after the others'.
    pub(super) fn took_turn(&mut self, worker: WorkerNo) {
        self.groups.turn += 1;
        let turn = self.groups.turn;
        self.update(worker, |member| member.last_turn = turn);
    }

    /// Whether there are any groups.
    pub(super) fn has_groups(&self) -> bool {
        !self.groups.all.is_empty()
    }

    /// The groups of which something can be granted at `now`.
    pub(super) fn groups_ready(&self, now: UnixMillis) -> Vec<WorkerNo> {
        let ready = |no: &&WorkerNo| self.group_ready_at(**no).is_some_and(|at| at <= now);
        self.groups.all.keys().filter(ready).copied().collect()
    }

    /// When something of any group can be granted next.
    pub(super) fn groups_next(&self) -> Option<UnixMillis> {
        self.groups.all.keys().filter_map(|no| self.group_ready_at(*no)).min()
    }

    fn group_ready_at(&self, no: WorkerNo) -> Option<UnixMillis> {
        let group = self.groups.all.get(&no)?;
        let mut at: Option<UnixMillis> = None;
        let mut sooner = |then: UnixMillis| at = Some(at.map_or(then, |at| at.min(then)));
        for (worker, stall) in &group.stalls {
            match self.get(*worker).and_then(|member| self.free_at(member)) {
                Some(free) => sooner(free),
                None if stall.holder && !self.get(*worker).is_some_and(Member::is_there) => {
                    sooner(UnixMillis(i64::MIN));
                }
                None => {}
            }
        }
        if let Some(first) = group.from.into_iter().chain(group.singles.first().copied()).min() {
            let members = group.members.iter().filter_map(|worker| self.get(*worker));
            if let Some(free) = members.filter_map(|member| self.free_at(member)).min() {
                sooner(free.max(first.due));
            }
        }
        at
    }

    /// From when on a member can be granted one more; `None`: not before
    /// something happens.
    fn free_at(&self, member: &Member) -> Option<UnixMillis> {
        let free = member.is_there() && member.group_room(self.most()) > 0;
        free.then(|| member.rate_allows_from())
    }

    /// Begins to look through what is due to a group. [`Roster::looked`] says at
    /// its end what was left.
    pub(super) fn look_through(&mut self, no: WorkerNo, now: UnixMillis) -> Option<Sight> {
        let members: Vec<_> = self.groups.all.get(&no)?.members.iter().copied().collect();
        members.iter().for_each(|worker| self.update(*worker, |member| member.fill(now)));
        let there = |worker: &WorkerNo| self.get(*worker).is_some_and(Member::is_there);
        let stalls = &self.groups.all.get(&no)?.stalls;
        let lost: Vec<_> =
            stalls.iter().filter(|(no, stall)| stall.holder && !there(no)).map(|(no, _)| *no).collect();
        let free =
            |no: &WorkerNo| self.get(*no).and_then(|member| self.free_at(member)).is_some_and(|at| at <= now);
        let freed: Vec<_> = stalls.keys().filter(|no| free(no)).copied().collect();

        let group = self.groups.all.get_mut(&no)?;
        for worker in lost {
            // Others may take what waited for it.
            if let Some(stall) = group.stalls.remove(&worker) {
                group.due(stall.from);
            }
        }
        let woken =
            freed.iter().filter_map(|worker| group.stalls.remove(worker)).map(|stall| stall.from).min();
        group.arrived = None;
        let later = group.singles.split_off(&Place::at(now.plus(1)));
        let singles = std::mem::replace(&mut group.singles, later).into_iter().collect();
        let from = group.from;
        let woken = woken.filter(|woken| from.is_none_or(|from| *woken < from)).map(|woken| (woken, freed));
        let members = members.iter().filter_map(|worker| self.get(*worker).cloned()).collect();
        Some(Sight { singles, woken, from, members })
    }

    /// What was looked through: from where on the rest is, which singles were
    /// not looked at, and what was passed over.
    pub(super) fn looked(&mut self, no: WorkerNo, rest: Option<Place>, singles: &[Place], passed: Stalls) {
        let Some(group) = self.groups.all.get_mut(&no) else { return };
        group.from = group.arrived.into_iter().chain(rest).min();
        group.singles.extend(singles);
        for (worker, stall) in passed {
            let known = group.stalls.entry(worker).or_insert(stall);
            *known = Stall { from: known.from.min(stall.from), holder: known.holder || stall.holder };
        }
    }

    /// What waits for an attempt with one before it to end.
    pub(super) fn is_behind(&mut self, no: WorkerNo, place: Place) {
        if let Some(group) = self.groups.all.get_mut(&no) {
            group.behind.push(place);
        }
    }

    /// An attempt of a group has ended.
    pub(super) fn attempt_ended(&mut self, no: WorkerNo) {
        let behind = self.groups.all.get_mut(&no).map(|group| std::mem::take(&mut group.behind));
        behind.into_iter().flatten().for_each(|place| self.single_due(no, place));
    }

    /// No lease ends before then.
    pub(super) fn extend_leases(&mut self, until: UnixMillis) {
        let over: Vec<_> =
            self.groups.over(until).map(|(delivery, lease)| (delivery, lease.working)).collect();
        over.into_iter().for_each(|(delivery, working)| self.prolong(delivery, until, working));
    }

    /// What is to be looked at again for the sake of these members.
    pub(super) fn stalled(&mut self, no: WorkerNo, woken: Option<(Place, Vec<WorkerNo>)>) {
        let (Some((from, workers)), Some(group)) = (woken, self.groups.all.get_mut(&no)) else { return };
        for worker in workers {
            let known = group.stalls.entry(worker).or_insert(Stall { from, holder: false });
            known.from = known.from.min(from);
        }
    }

    /// The clock was set back.
    pub(super) fn set_groups_back(&mut self, earlier: impl Fn(UnixMillis) -> UnixMillis) {
        for group in self.groups.all.values_mut() {
            group.due(Place::FIRST);
        }
        let leases: Vec<_> =
            self.groups.leases.iter().map(|(delivery, lease)| (*delivery, lease.clone())).collect();
        for (delivery, lease) in leases {
            self.prolong(delivery, earlier(lease.until), lease.working);
        }
    }
}

impl Member {
    /// Whether it can be granted anything at all.
    pub(super) fn is_there(&self) -> bool {
        self.state == WorkerState::Active && self.circuit.state != postern_protocol::api::CircuitState::Open
    }
}
