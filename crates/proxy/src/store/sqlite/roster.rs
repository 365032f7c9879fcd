//! The workers that are not gone, as far as matching and claiming need them:
//! who takes what, who has something due when, what is claimed.
//!
//! For each worker a lower bound of when its next unclaimed delivery falls due
//! is kept, and the workers that have room for a claim are sorted by it. So a
//! claim asks the database about workers that have something due, and about
//! no others: one with a million waiting and no lease costs nothing. What was
//! just accepted for a worker with nothing else due is claimed from memory
//! ([`super::fresh`]).

use super::ahead::Ahead;
use super::fresh::{Fresh, Room};
use super::groups::Groups;
use super::problem::Problem;
use super::rows;
use crate::bucket::{Bucket, Flow};
use crate::circuit::{Observation, Observed, Observer, Window};
use crate::store::{Claim, Claimed, NewEvent};
use crate::vault::Vault;
use postern_protocol::api::{
    Circuit, CircuitState, GroupName, Held, Ordering, RetryPolicy, WaitsFor, WorkerState,
};
use postern_protocol::event::Described;
use postern_protocol::filter::{self, Filter};
use postern_protocol::id::{DeliveryId, EventId, WorkerId, WorkspaceId};
use postern_protocol::signature::SignatureStyle;
use postern_protocol::{Provider, Secret, UnixMillis};
use rusqlite::Connection;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// A worker's number in the database; a claim group's, where it is below 0.
pub(super) type WorkerNo = i64;

/// What is known of one worker.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) no: WorkerNo,
    pub(super) id: WorkerId,
    pub(super) workspace: WorkspaceId,
    pub(super) url: Option<String>,
    pub(super) secret: Secret,
    pub(super) previous_secret: Option<(Secret, UnixMillis)>,
    pub(super) style: SignatureStyle,
    pub(super) filter: Filter,
    pub(super) ordering: Ordering,
    pub(super) state: WorkerState,
    pub(super) activated: bool,
    pub(super) leased_until: UnixMillis,
    pub(super) name: String,
    pub(super) circuit: Circuit,
    /// What its last attempts came to.
    pub(super) window: Window,
    /// When an attempt or a ping reached it last, in this process.
    pub(super) reached_at: Option<UnixMillis>,
    pub(super) retry: Option<Arc<RetryPolicy>>,
    max_in_flight: Option<u32>,
    /// Its own rate.
    flow: Option<Flow>,
    /// Made, full, by the first claim that its rate concerns.
    pub(super) bucket: Option<Bucket>,
    /// Deliveries pending or queued, claimed ones included; held ones are not.
    pub(super) waiting: u64,
    pub(super) holding: Holding,
    /// Absences that have ended in this process: what was found due before
    /// one did may have been held or skipped with it.
    pub(super) absences: u64,
    /// No unclaimed delivery is due before this, those apart that are kept as
    /// fresh; `None`: there is none.
    pub(super) next_due: Option<UnixMillis>,
    /// The same for what was committed since the last claim began to read.
    arrived: Option<UnixMillis>,
    /// Unclaimed, and in the order in which they are due.
    pub(super) fresh: VecDeque<Fresh>,
    /// A claim reads what the database has for it.
    pub(super) reading: bool,
    pub(super) claimed: Vec<DeliveryId>,
    /// Of the bodies of those.
    pub(super) claimed_bytes: u64,
    /// Its claim group, and that one's name.
    pub(super) group: Option<WorkerNo>,
    pub(super) group_name: Option<GroupName>,
    /// How many of its group's deliveries it has, and has yet to report on.
    pub(super) working: usize,
    /// When it was granted one last, in turns.
    pub(super) last_turn: u64,
    /// Its place in [`Roster::ready`].
    sorted_at: Option<UnixMillis>,
    /// Its place in [`Roster::open`].
    pinged_at: Option<UnixMillis>,
}

/// What is known of the held deliveries of a worker: counted when first asked
/// for, forgotten when it changes.
#[derive(Clone, Default)]
pub(super) struct Holding {
    /// Moves with each change.
    pub(super) version: u64,
    /// `None`: to be counted; `Some(None)`: nothing is held.
    pub(super) known: Option<Option<Held>>,
}

impl Holding {
    /// Something was held, released or skipped.
    pub(super) fn changed(&mut self) {
        self.version += 1;
        self.known = None;
    }
}

/// A worker, or a claim group, that gets an event.
#[derive(Clone, Copy)]
pub(super) struct Taker {
    pub(super) no: WorkerNo,
    /// Of a group, one member's.
    pub(super) id: WorkerId,
    /// First in, first out for each entity.
    pub(super) ordered: bool,
}

/// A delivery that was committed with its event.
#[derive(Clone, Copy)]
pub(super) struct Inserted {
    pub(super) no: WorkerNo,
    pub(super) id: DeliveryId,
    /// It keeps the order of its entity.
    pub(super) in_line: bool,
    /// It waits behind another one.
    pub(super) queued: bool,
    /// It was claimed before it was committed.
    pub(super) ahead: bool,
}

/// A claimed delivery.
#[derive(Clone)]
pub(super) struct Flight {
    pub(super) event: i64,
    /// That event's id, when it could be read.
    pub(super) id: Option<EventId>,
    pub(super) worker: WorkerNo,
    /// The entity within which it keeps the order.
    pub(super) lane: Option<Box<str>>,
    /// Of its body.
    pub(super) bytes: u64,
    /// Of a claim group: which, and by which number it is granted.
    pub(super) granted: Option<(WorkerNo, u32)>,
}

/// What one worker may have under way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Most {
    claims: u32,
    /// Of bodies; the last one may exceed it.
    bytes: u64,
}

impl Most {
    const EVERYTHING: Self = Self { claims: u32::MAX, bytes: u64::MAX };

    pub(super) fn of(claim: Claim) -> Self {
        Self { claims: claim.per_worker, bytes: claim.worker_bytes }
    }
}

#[derive(Default)]
pub(super) struct Roster {
    members: HashMap<WorkerNo, Member>,
    by_id: HashMap<WorkerId, WorkerNo>,
    by_workspace: HashMap<WorkspaceId, Vec<WorkerNo>>,
    ready: BTreeSet<(UnixMillis, WorkerNo)>,
    /// Whose circuit is open, by when they are pinged.
    open: BTreeSet<(UnixMillis, WorkerNo)>,
    pub(super) flights: HashMap<DeliveryId, Flight>,
    pub(super) ahead: Ahead,
    pub(super) groups: Groups,
    room: Room,
    /// What one worker may have under way, as the last claim said.
    most: Option<Most>,
    /// The worker that was served last.
    pub(super) turn: WorkerNo,
    pub(super) pending: u64,
    pub(super) dead: u64,
}

impl Member {
    pub(super) fn new(row: rows::WorkerRow) -> Self {
        let worker = row.worker;
        Self {
            no: row.no,
            id: worker.id,
            workspace: worker.workspace,
            url: worker.url,
            secret: worker.secret,
            previous_secret: worker.previous_secret,
            style: worker.style,
            filter: worker.filter,
            ordering: worker.ordering,
            state: worker.state,
            activated: row.activated,
            leased_until: worker.leased_until,
            name: worker.name,
            circuit: worker.circuit,
            window: Window::default(),
            reached_at: None,
            retry: worker.policy.retry.map(Arc::new),
            max_in_flight: worker.policy.max_in_flight,
            flow: worker
                .policy
                .rate
                .map(|rate| Flow { per_second: rate.per_second(), burst: rate.count.into() }),
            bucket: None,
            waiting: 0,
            holding: Holding::default(),
            absences: 0,
            next_due: None,
            arrived: None,
            fresh: VecDeque::new(),
            reading: false,
            claimed: Vec::new(),
            claimed_bytes: 0,
            group: row.claim_group,
            group_name: worker.group.map(|group| group.name),
            working: 0,
            last_turn: 0,
            sorted_at: None,
            pinged_at: None,
        }
    }

    /// As one that gets events for itself.
    pub(super) fn alone(&self) -> Taker {
        Taker { no: self.no, id: self.id, ordered: self.ordering == Ordering::Entity }
    }

    /// Who gets what it takes: its claim group, or itself.
    fn taker(&self) -> Taker {
        match self.group {
            Some(no) => Taker { no, id: self.id, ordered: true },
            None => self.alone(),
        }
    }

    /// How many more may be claimed, its rate aside.
    fn room(&self, most: Most) -> usize {
        let most = match self.circuit.state {
            _ if self.claimed_bytes >= most.bytes => 0,
            CircuitState::Closed => self.max_in_flight.unwrap_or(most.claims),
            CircuitState::HalfOpen => 1,
            CircuitState::Open => 0,
        };
        (most as usize).saturating_sub(self.claimed.len())
    }

    /// How many more of its claim group's it may be granted, its rate aside:
    /// what it has yet to report on counts as under way.
    pub(super) fn group_room(&self, most: Most) -> usize {
        self.room(most).saturating_sub(self.working)
    }

    /// From when on its rate allows the next one, as of the last look at its
    /// bucket.
    pub(super) fn rate_allows_from(&self) -> UnixMillis {
        match (self.flow, self.bucket) {
            (Some(flow), Some(bucket)) => bucket.next(flow),
            _ => UnixMillis(i64::MIN),
        }
    }

    /// How many more may be claimed, as of the last look at its bucket.
    pub(super) fn allowance(&self, claim: Claim) -> usize {
        let (room, now) = (self.room(Most::of(claim)), claim.now);
        match (self.flow, self.bucket) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a million")]
            (Some(flow), Some(mut bucket)) => room.min(bucket.look(flow, now) as usize),
            _ => room,
        }
    }

    /// When its rate allows the next claim, where that is later than what is
    /// due.
    pub(super) fn throttled_until(&self) -> Option<UnixMillis> {
        let (flow, bucket, due) = (self.flow?, self.bucket?, self.first_due()?);
        Some(bucket.next(flow)).filter(|next| *next > due)
    }

    /// Looks at its bucket, where it has a rate.
    pub(super) fn fill(&mut self, now: UnixMillis) {
        if let Some(flow) = self.flow {
            self.bucket.get_or_insert(Bucket::full(flow, now)).look(flow, now);
        }
    }

    /// When its first unclaimed delivery is due, or earlier.
    fn first_due(&self) -> Option<UnixMillis> {
        self.next_due.into_iter().chain(self.fresh.front().map(Fresh::due)).min()
    }

    fn ready_at(&self, most: Most) -> Option<UnixMillis> {
        if self.state != WorkerState::Active || self.room(most) == 0 {
            return None;
        }
        self.throttled_until().or_else(|| self.first_due())
    }

    /// When it is to be pinged, while its circuit is open.
    fn ping_at(&self) -> Option<UnixMillis> {
        let open = self.state == WorkerState::Active && self.circuit.state == CircuitState::Open;
        self.circuit.until.filter(|_| open)
    }

    /// What a delivery that is due waits for.
    pub(super) fn waits_for(&self) -> Option<WaitsFor> {
        match (self.state, self.circuit.state) {
            (WorkerState::Away, _) => Some(WaitsFor::WorkerAway),
            (WorkerState::Paused, _) => Some(WaitsFor::WorkerPaused),
            (WorkerState::Pending, _) => Some(WaitsFor::WorkerPending),
            (_, CircuitState::Open | CircuitState::HalfOpen) => Some(WaitsFor::Circuit),
            _ => self.throttled_until().map(|_| WaitsFor::Rate),
        }
    }

    /// Something of it falls due then.
    pub(super) fn due(&mut self, at: UnixMillis) {
        self.next_due = Some(self.next_due.map_or(at, |earlier| earlier.min(at)));
        self.arrived = Some(self.arrived.map_or(at, |earlier| earlier.min(at)));
    }

    /// A claim has read what is due and leaves this; what it may not have seen
    /// counts too.
    pub(super) fn leaves(&mut self, next: Option<UnixMillis>) {
        self.reading = false;
        self.next_due = self.arrived.into_iter().chain(next).min();
    }
}

impl Roster {
    /// All workers that are not gone.
    pub(super) fn read(db: &Connection, vault: &Vault) -> Result<Vec<Member>, Problem> {
        let mut statement = db.prepare_cached(&rows::worker_query("state <> 'gone'"))?;
        let mut found = statement.query([])?;
        let mut members = Vec::new();
        while let Some(row) = found.next()? {
            members.push(Member::new(rows::worker(row, vault)?));
        }
        Ok(members)
    }

    /// Counts what waits and what is dead: once, at the start.
    pub(super) fn count(&mut self, db: &Connection) -> Result<(), Problem> {
        self.count_groups(db)?;
        let mut statement = db.prepare(
            "SELECT worker, count(*), min(due_at) FROM deliveries INDEXED BY deliveries_pending
             WHERE state = 0 GROUP BY worker",
        )?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let (no, waiting, due) = (row.get(0)?, rows::count(row, 1)?, row.get(2)?);
            self.pending += waiting;
            self.wait(no, waiting);
            self.falls_due(no, UnixMillis(due));
        }
        let mut statement = db.prepare(
            "SELECT worker, count(*) FROM deliveries INDEXED BY deliveries_queued WHERE state = 6 GROUP BY worker",
        )?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let queued = rows::count(row, 1)?;
            self.pending += queued;
            self.wait(row.get(0)?, queued);
        }
        let dead = "SELECT count(*) FROM deliveries INDEXED BY deliveries_ended
                    WHERE state = 2 AND state IN (2, 3, 5)";
        self.dead = db.query_row(dead, [], |row| rows::count(row, 0))?;
        Ok(())
    }

    /// Takes over what the database says of the workers, and keeps counts and
    /// claims.
    pub(super) fn replace(&mut self, members: Vec<Member>) {
        let gone: Vec<_> = {
            let present: BTreeSet<_> = members.iter().map(|m| m.no).collect();
            self.members.keys().filter(|no| !present.contains(no)).copied().collect()
        };
        gone.into_iter().for_each(|no| self.remove(no));
        for member in members {
            self.put(member);
        }
    }

    /// Adds a worker, or takes over what a write has changed of one.
    pub(super) fn put(&mut self, mut member: Member) {
        let no = member.no;
        if member.group.is_some() || self.has_groups() {
            self.regroup(&member);
        }
        match self.members.get_mut(&no) {
            Some(present) => {
                present.forget_fresh();
                member.waiting = present.waiting;
                member.holding = std::mem::take(&mut present.holding);
                member.absences = present.absences;
                member.next_due = present.next_due;
                member.arrived = present.arrived;
                member.reading = present.reading;
                member.claimed = std::mem::take(&mut present.claimed);
                member.claimed_bytes = present.claimed_bytes;
                member.working = present.working;
                member.last_turn = present.last_turn;
                member.sorted_at = present.sorted_at;
                member.pinged_at = present.pinged_at;
                member.window = present.window;
                member.reached_at = present.reached_at;
                member.bucket = present.bucket.filter(|_| member.flow == present.flow);
            }
            None => {
                self.by_id.insert(member.id, no);
                self.by_workspace.entry(member.workspace).or_default().push(no);
            }
        }
        self.members.insert(no, member);
        self.update(no, |_| {});
    }

    /// A worker is gone: what waited for it counts as dead.
    pub(super) fn remove(&mut self, no: WorkerNo) {
        let Some(member) = self.members.remove(&no) else { return };
        if let Some(group) = member.group {
            self.out_of(group, no);
        }
        self.by_id.remove(&member.id);
        if let Some(workers) = self.by_workspace.get_mut(&member.workspace) {
            workers.retain(|other| *other != no);
        }
        if let Some(at) = member.sorted_at {
            self.ready.remove(&(at, no));
        }
        if let Some(at) = member.pinged_at {
            self.open.remove(&(at, no));
        }
        self.pending = self.pending.saturating_sub(member.waiting);
        self.dead += member.waiting;
    }

    pub(super) fn get(&self, no: WorkerNo) -> Option<&Member> {
        self.members.get(&no)
    }

    pub(super) fn by_id(&self, id: WorkerId) -> Option<&Member> {
        self.by_id.get(&id).and_then(|no| self.members.get(no))
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Who of a workspace gets an event.
    pub(super) fn takers(
        &self,
        workspace: WorkspaceId,
        provider: Provider,
        event: &Described,
        body: &[u8],
    ) -> Vec<Taker> {
        let workers = self.by_workspace.get(&workspace).map_or(&[][..], Vec::as_slice);
        let members = workers.iter().filter_map(|no| self.members.get(no)).filter(|member| member.activated);
        let mut takers =
            filter::takers(provider, event, body, members.map(|member| (member.taker(), &member.filter)));
        if takers.iter().any(|taker| taker.no < 0) {
            // A group once.
            let mut seen = BTreeSet::new();
            takers.retain(|taker| seen.insert(taker.no));
        }
        takers
    }

    /// Changes a worker, and sorts it anew.
    pub(super) fn update(&mut self, no: WorkerNo, change: impl FnOnce(&mut Member)) {
        let most = self.most();
        let Some(member) = self.members.get_mut(&no) else { return };
        change(member);
        let at = member.ready_at(most);
        if at != member.sorted_at {
            let before = std::mem::replace(&mut member.sorted_at, at);
            before.map(|at| self.ready.remove(&(at, no)));
            at.map(|at| self.ready.insert((at, no)));
        }
        let ping = member.ping_at();
        if ping != member.pinged_at {
            let before = std::mem::replace(&mut member.pinged_at, ping);
            before.map(|at| self.open.remove(&(at, no)));
            ping.map(|at| self.open.insert((at, no)));
        }
    }

    /// Notes what an attempt or a ping says. Where the worker's circuit stands,
    /// and whether too many of its attempts have failed.
    pub(super) fn note(&mut self, no: WorkerNo, report: &Observation) -> Option<(CircuitState, bool)> {
        let member = self.members.get_mut(&no)?;
        let attempt = matches!(report.by, Observer::Attempt(_));
        let failing = attempt && member.window.count(report);
        if report.observed != Observed::Unreached {
            member.reached_at = Some(report.at);
        }
        Some((member.circuit.state, failing))
    }

    /// More waits for a worker, or for a group.
    fn wait(&mut self, no: WorkerNo, more: u64) {
        if no < 0 {
            self.group_waits(no, i64::try_from(more).unwrap_or(i64::MAX));
        } else {
            self.update(no, |member| member.waiting += more);
        }
    }

    /// What one worker may have under way.
    pub(super) fn most(&self) -> Most {
        self.most.unwrap_or(Most::EVERYTHING)
    }

    /// The event's deliveries were committed.
    pub(super) fn delivered_to(&mut self, seq: i64, event: Arc<NewEvent>, deliveries: &[Inserted]) {
        let (id, due) = (event.id, event.received_at);
        let kept = self.room.keep(seq, event, deliveries.len());
        for delivery in deliveries {
            self.pending += 1;
            if delivery.no < 0 {
                self.group_waits(delivery.no, 1);
                if !delivery.queued {
                    self.falls_due(delivery.no, due);
                }
                continue;
            }
            self.update(delivery.no, |member| {
                member.waiting += 1;
                match &kept {
                    _ if delivery.queued || delivery.ahead => {}
                    Some(kept) if !delivery.in_line && member.may_keep(due) => {
                        member.fresh.push_back(kept(delivery.id));
                    }
                    _ => member.due(due),
                }
            });
        }
        let written: Vec<_> = deliveries.iter().filter(|one| one.ahead).map(|one| one.id).collect();
        self.end_ahead(id, &written);
    }

    /// A waiting delivery waits no more.
    pub(super) fn settled(&mut self, no: WorkerNo, dead: bool) {
        if no < 0 {
            self.group_waits(no, -1);
            self.pending = self.pending.saturating_sub(1);
            self.dead += u64::from(dead);
        } else if let Some(member) = self.members.get_mut(&no) {
            member.waiting = member.waiting.saturating_sub(1);
            self.pending = self.pending.saturating_sub(1);
            self.dead += u64::from(dead);
        } else if !dead {
            // Of a gone worker: it had been counted as dead.
            self.dead = self.dead.saturating_sub(1);
        }
    }

    /// Held deliveries became due.
    pub(super) fn released(&mut self, no: WorkerNo, count: u64) {
        if count == 0 {
            return;
        }
        self.pending += count;
        self.update(no, |member| {
            member.holding.changed();
            member.waiting += count;
            // When the first of them was accepted is not worth a look.
            member.due(UnixMillis(0));
        });
    }

    /// Due deliveries are held from now on.
    pub(super) fn held(&mut self, no: WorkerNo, count: u64) {
        self.pending = self.pending.saturating_sub(count);
        self.update(no, |member| {
            member.forget_fresh();
            member.holding.changed();
            member.waiting = member.waiting.saturating_sub(count);
        });
    }

    /// Held deliveries became something else than due.
    pub(super) fn unheld(&mut self, no: WorkerNo) {
        self.update(no, |member| member.holding.changed());
    }

    /// A dead letter was delivered after all, by an attempt already under way.
    pub(super) fn revived(&mut self) {
        self.dead = self.dead.saturating_sub(1);
    }

    /// Whether a claim can succeed now.
    pub(super) fn anything_due(&mut self, claim: Claim) -> bool {
        self.allow(claim);
        self.ready.first().is_some_and(|(due, _)| *due <= claim.now)
    }

    /// One worker may have so much under way.
    pub(super) fn allow(&mut self, claim: Claim) {
        let most = Some(Most::of(claim));
        if self.most != most {
            self.most = most;
            let all: Vec<_> = self.members.keys().copied().collect();
            all.into_iter().for_each(|no| self.update(no, |_| {}));
        }
    }

    /// The workers with something due and with room, at most `limit`, beginning
    /// after the one served last.
    fn due(&self, now: UnixMillis, limit: usize) -> Vec<WorkerNo> {
        let due = self.ready.range(..=(now, WorkerNo::MAX)).map(|(_, no)| *no);
        let mut due: Vec<_> = due.collect();
        let turn = self.turn;
        due.sort_unstable_by_key(|no| (*no <= turn, *no));
        due.truncate(limit);
        due
    }

    fn is_stored(&self, no: WorkerNo, now: UnixMillis) -> bool {
        self.members.get(&no).is_some_and(|member| member.next_due.is_some_and(|due| due <= now))
    }

    /// Claims what is kept as fresh, of workers for which the database has
    /// nothing due; the others keep their share of the limit.
    pub(super) fn claim_fresh(&mut self, claim: Claim) -> Vec<Claimed> {
        let limit = claim.limit as usize;
        let due = self.due(claim.now, limit);
        let all = due.len().max(1);
        let fresh: Vec<_> = due.into_iter().filter(|no| !self.is_stored(*no, claim.now)).collect();
        let share = (limit * fresh.len()).div_ceil(all);
        let mut claimed: Vec<Claimed> = Vec::new();
        let mut bytes = 0;
        loop {
            let before = claimed.len();
            for no in &fresh {
                if claimed.len() == share || bytes >= claim.bytes {
                    return claimed;
                }
                let first = self.claim_first(*no, claim);
                bytes += first.as_ref().map_or(0, |first| first.body.len() as u64);
                claimed.extend(first);
            }
            if claimed.len() == before {
                return claimed;
            }
        }
    }

    fn claim_first(&mut self, no: WorkerNo, claim: Claim) -> Option<Claimed> {
        let member = self.members.get_mut(&no)?;
        member.fill(claim.now);
        if member.allowance(claim) == 0 {
            return None;
        }
        let first = member.fresh.front().filter(|first| first.due() <= claim.now)?;
        let (claimed, event) = (first.claimed(member, claim.now), first.seq());
        member.fresh.pop_front();
        self.turn = no;
        let bytes = claimed.body.len() as u64;
        let flight = Flight { event, id: Some(claimed.event), worker: no, lane: None, bytes, granted: None };
        self.claim(claimed.delivery, flight);
        Some(claimed)
    }

    /// For which workers to read what is due. The claim reads after this, and
    /// says at its end what it [leaves](Member::leaves).
    pub(super) fn candidates(&mut self, now: UnixMillis, limit: usize) -> Vec<Member> {
        let mut due = self.due(now, limit);
        due.retain(|no| self.is_stored(*no, now));
        for no in &due {
            self.update(*no, |member| {
                member.forget_fresh();
                member.arrived = None;
                member.reading = true;
                member.fill(now);
            });
        }
        due.iter().filter_map(|no| self.members.get(no).cloned()).collect()
    }

    /// When the next claim can succeed, or the next ping is due.
    pub(super) fn next_due(&self) -> Option<UnixMillis> {
        let first = [&self.ready, &self.open].into_iter().filter_map(BTreeSet::first);
        first.map(|(at, _)| *at).chain(self.groups_next()).min()
    }

    /// Whose circuit is open and was for long enough.
    pub(super) fn to_ping(&self, now: UnixMillis) -> impl Iterator<Item = &Member> {
        let due = self.open.range(..=(now, WorkerNo::MAX));
        due.filter_map(|(_, no)| self.members.get(no))
    }

    pub(super) fn flight(&self, delivery: DeliveryId) -> Option<Flight> {
        self.flights.get(&delivery).cloned()
    }

    /// Whether a delivery of this entity is under way to the worker.
    pub(super) fn lane_busy(&self, no: WorkerNo, lane: &str) -> bool {
        let Some(member) = self.members.get(&no) else { return false };
        let flights = member.claimed.iter().filter_map(|id| self.flights.get(id));
        let lanes = flights.filter(|flight| flight.granted.is_none()).filter_map(|f| f.lane.as_deref());
        lanes.into_iter().any(|other| other == lane)
    }

    /// Whether a delivery of this entity is under way to a member of the group.
    pub(super) fn group_lane_busy(&self, group: WorkerNo, lane: &str) -> bool {
        let of_group = |flight: &&Flight| flight.granted.is_some_and(|(no, _)| no == group);
        self.flights.values().filter(of_group).any(|flight| flight.lane.as_deref() == Some(lane))
    }

    pub(super) fn claim(&mut self, delivery: DeliveryId, flight: Flight) {
        let (worker, bytes) = (flight.worker, flight.bytes);
        self.flights.insert(delivery, flight);
        self.update(worker, |member| {
            member.claimed.push(delivery);
            member.claimed_bytes += bytes;
            if let Some(bucket) = &mut member.bucket {
                bucket.take();
            }
        });
    }

    pub(super) fn release(&mut self, delivery: DeliveryId) {
        if let Some(flight) = self.flights.remove(&delivery) {
            self.update(flight.worker, |member| {
                member.claimed.retain(|other| *other != delivery);
                member.claimed_bytes = member.claimed_bytes.saturating_sub(flight.bytes);
            });
        }
    }
}
