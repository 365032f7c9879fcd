//! What every store must do, whatever it is built on: one suite, run on each.
//!
//! A test is a function over a [`World`]; [`run_on`] makes a test of each for
//! one backend.

use super::*;
use crate::circuit::{Breaker, Observed, Observer};
use crate::entropy;
use postern_protocol::api::{AttemptOutcome, DeliveryRecord, DeliveryState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering as Atomic};

pub(super) mod admin;
pub(super) mod ahead;
pub(super) mod catch_up;
pub(super) mod circuits;
pub(super) mod claims;
pub(super) mod dead_letters;
pub(super) mod group_model;
pub(super) mod groups;
pub(super) mod ingest;
pub(super) mod model;
pub(super) mod order;
pub(super) mod order_model;
pub(super) mod outcomes;
pub(super) mod policies;
pub(super) mod reasons;
pub(super) mod retention;
pub(super) mod tunnels;
pub(super) mod work;
pub(super) mod workers;

/// A time to count from.
pub(super) const T0: UnixMillis = UnixMillis(1_700_000_000_000);

/// How long members of claim groups hold what they are granted.
pub(super) const LEASE: Duration = Duration::from_secs(60);

/// A place where a store can be opened, and opened again after it was closed.
pub(super) trait Backend {
    fn open(&self) -> Arc<dyn Store>;
}

/// A store with a workspace, a source and a token in it.
pub(super) struct World {
    backend: Box<dyn Backend>,
    /// Absent only while it is opened again.
    store: Option<Arc<dyn Store>>,
    pub(super) workspace: WorkspaceId,
    pub(super) source: SourceId,
    pub(super) token: TokenId,
    /// Distinguishes what is made.
    next: AtomicI64,
}

impl World {
    pub(super) async fn new(backend: Box<dyn Backend>) -> Self {
        let store = backend.open();
        let (workspace, source) = (entropy::workspace_id(T0), entropy::source_id(T0));
        let made = Workspace { id: workspace, name: "Acme".into(), created_at: T0 };
        store.create_workspace(made).await.unwrap();
        let made = Source {
            id: source,
            workspace,
            name: "linear".into(),
            scheme: Scheme::Linear,
            id_from: None,
            entity_pointer: None,
            secrets: vec!["lin_whs_a".into()],
            old_until: None,
            created_at: T0,
        };
        store.create_source(made).await.unwrap();
        let mut world = Self {
            backend,
            store: Some(store),
            workspace,
            source,
            token: entropy::token_id(T0),
            next: AtomicI64::new(0),
        };
        world.token = world.issue_token([1; 32]).await;
        world
    }

    /// Closes the store and opens it again, as after the end of a process.
    pub(super) fn restart(&mut self) {
        self.store = None;
        self.store = Some(self.backend.open());
    }

    /// Closes the store.
    pub(super) fn close(&mut self) {
        self.store = None;
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        self.store.as_ref().unwrap()
    }

    pub(super) async fn issue_token(&self, hash: [u8; 32]) -> TokenId {
        self.issue_token_until(hash, None).await
    }

    pub(super) async fn issue_token_until(&self, hash: [u8; 32], expires_at: Option<UnixMillis>) -> TokenId {
        let id = entropy::token_id(T0);
        let token = Token {
            id,
            workspace: self.workspace,
            label: "laptop".into(),
            hash,
            scopes: Scope::ALL.to_vec(),
            created_at: T0,
            expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        self.store().create_token(token).await.unwrap();
        id
    }

    /// An event, the n-th of its kind: each has its own key and time.
    pub(super) fn event(&self) -> NewEvent {
        let n = self.next.fetch_add(1, Atomic::Relaxed);
        let received_at = T0.plus(n);
        let body = format!("{{\"n\":{n}}}");
        let mut headers = HeaderList::new();
        headers.push("linear-delivery", format!("delivery-{n}"));
        headers.push("x-odd", [0xff, b'a']);
        NewEvent {
            id: entropy::event_id(received_at),
            workspace: self.workspace,
            source: self.source,
            source_name: "linear".into(),
            provider: Provider::Linear,
            received_at,
            dedupe: postern_protocol::dedupe::key(&Scheme::Linear, None, &headers, body.as_bytes()),
            dedupe_since: received_at.plus(-7 * 86_400_000),
            described: described("Issue", Some("create")),
            headers,
            body: body.into(),
            synthetic: false,
            request: Some(RequestId([7; 8])),
            only: None,
            new_delivery: entropy::delivery_id,
        }
    }

    /// A new event, accepted.
    pub(super) async fn accept(&self) -> NewEvent {
        let event = self.event();
        assert!(matches!(self.store().accept_event(event.clone()).await.unwrap(), Accepted::Stored { .. }));
        event
    }

    pub(super) fn worker(&self, filter: &[&str]) -> Worker {
        let n = self.next.fetch_add(1, Atomic::Relaxed);
        Worker {
            id: entropy::worker_id(T0.plus(n)),
            workspace: self.workspace,
            token: self.token,
            name: format!("laptop-{n}"),
            url: Some(format!("https://worker-{n}.example/")),
            credential_hash: entropy::bytes(),
            secret: Secret::new(format!("whsec_{n}")),
            previous_secret: None,
            filter: Filter::parse(filter).unwrap(),
            ordering: Ordering::None,
            catch_up: CatchUp::Ask,
            group: None,
            style: SignatureStyle::Standard,
            state: WorkerState::Pending,
            leased_until: T0,
            challenge_error: None,
            circuit: Circuit::closed(T0.plus(n)),
            policy: WorkerPolicy::default(),
            throttled_until: None,
            created_at: T0.plus(n),
        }
    }

    /// A worker with a long lease.
    pub(super) async fn active_worker(&self, filter: &[&str]) -> WorkerId {
        let worker = self.worker(filter);
        let id = worker.id;
        self.store().register_worker(worker).await.unwrap();
        self.store().settle_challenge(id, Ok(T0.plus(1_000_000_000))).await.unwrap();
        id
    }

    pub(super) async fn claim(&self, now: UnixMillis) -> Vec<Claimed> {
        self.claim_some(now, 100, 100).await
    }

    /// At odd times what is fresh is claimed first, and then the rest: together
    /// it is the same.
    pub(super) async fn claim_some(&self, now: UnixMillis, limit: u32, per_worker: u32) -> Vec<Claimed> {
        let claim = Claim { now, limit, per_worker, bytes: u64::MAX, worker_bytes: u64::MAX, lease: LEASE };
        if now.0 % 2 == 0 {
            return self.store().claim_due(claim).await.unwrap();
        }
        let ClaimedFresh { mut deliveries, more } = self.store().claim_fresh(claim);
        let limit = limit - u32::try_from(deliveries.len()).unwrap();
        if limit > 0 {
            let rest = self.store().claim_due(Claim { limit, ..claim }).await.unwrap();
            assert!(more || rest.is_empty(), "there was no more");
            deliveries.extend(rest);
        }
        deliveries
    }

    pub(super) async fn finish(&self, claimed: &Claimed, at: UnixMillis, next: Next) {
        self.store().finish_attempt(finished(claimed, at, next)).await.unwrap();
    }

    /// A ping finds the worker there; its circuit closes, where it was open
    /// because the worker was out of reach.
    pub(super) async fn answer_ping(&self, worker: WorkerId, at: UnixMillis) {
        let ping = report(Observed::Well, Observer::Ping { taken: true }, at, None);
        self.store().report_ping(worker, ping).await.unwrap();
    }

    pub(super) async fn record(&self, event: EventId) -> EventRecord {
        self.store().event_record(self.workspace, event).await.unwrap().unwrap()
    }
}

/// An attempt whose record fits what follows from it.
pub(super) fn finished(claimed: &Claimed, at: UnixMillis, next: Next) -> FinishAttempt {
    let (outcome, status) = match &next {
        Next::Delivered => (AttemptOutcome::Delivered, Some(200)),
        Next::RetryAt(_) | Next::Dead(_) => (AttemptOutcome::Refused, Some(500)),
        Next::WorkerGone => (AttemptOutcome::Refused, Some(410)),
        Next::HoldUntil(_) => (AttemptOutcome::ClockSkew, Some(401)),
        Next::NotReached => (AttemptOutcome::Connect, None),
    };
    let observed = match (&next, outcome) {
        (Next::NotReached, _) => Observed::Unreached,
        (_, AttemptOutcome::Refused) => Observed::Badly,
        _ => Observed::Well,
    };
    let attempt = AttemptRecord {
        number: claimed.attempt,
        at,
        micros: 1_500,
        outcome,
        status,
        error: (outcome != AttemptOutcome::Delivered).then(|| format!("{outcome:?}")),
        answer: status.map(|status| format!("answered {status}")),
    };
    let report = report(observed, Observer::Attempt(at), at, attempt.error.clone());
    FinishAttempt { delivery: claimed.delivery, worker: claimed.worker, attempt, next, report }
}

/// By a breaker that leaves a worker alone for one second at first.
pub(super) fn report(observed: Observed, by: Observer, at: UnixMillis, error: Option<String>) -> Observation {
    let breaker = Breaker {
        window: Duration::from_secs(60),
        min_attempts: 1_000,
        failure_ratio: 0.8,
        open_min: Duration::from_secs(1),
        open_max: Duration::from_secs(4),
        jitter: 0.0,
    };
    Observation { observed, by, error, at, random: 0.5, breaker }
}

pub(super) fn described(event_type: &str, action: Option<&str>) -> Described {
    Described {
        event_type: event_type.into(),
        action: action.map(str::to_owned),
        entity: Some("linear:Issue:1".into()),
        subject: "ENG-1 Fix".into(),
        detail: "by Ada".into(),
    }
}

/// A test of each of the suite's functions, on one backend.
macro_rules! suite {
    ($backend:expr; $($area:ident: $($test:ident),+;)+) => {
        $(mod $area {
            $(#[tokio::test]
            async fn $test() {
                let world = $crate::store::contract::World::new(Box::new($backend)).await;
                $crate::store::contract::$area::$test(world).await;
            })+
        })+
    };
}
pub(super) use suite;

/// The suite on a backend.
macro_rules! run_on {
    ($backend:expr) => {
        $crate::store::contract::suite! {
            $backend;
            admin:
                workspaces_have_unique_names, sources_are_kept_and_listed, secrets_are_rotated, replaced_secrets_end,
                a_removed_source_is_gone, linear_apps_route_organizations, tokens_live_and_die,
                a_revoked_token_ends_its_workers_leases, a_linear_user_is_known_by_the_token, it_says_that_it_is_ready;
            ingest:
                an_event_is_kept_byte_for_byte, a_repetition_within_the_window_is_a_duplicate,
                a_repetition_after_the_window_is_an_event, simultaneous_repetitions_are_one_event,
                events_without_a_key_are_always_new, filters_decide_who_gets_it,
                away_and_paused_workers_get_it_too, one_worker_alone_whatever_its_filter,
                other_workspaces_get_nothing, a_refused_event_leaves_nothing,
                posterns_own_events_are_for_those_who_ask;
            workers:
                a_worker_is_kept_and_found, its_style_of_signature_is_kept, the_unproved_are_found_by_their_lease, a_challenge_makes_it_active, a_failed_challenge_says_why,
                an_update_keeps_what_waits, a_secret_is_rotated, leases_expire_and_renew, pausing_holds,
                leaving_makes_dead_letters, the_abandoned_are_retired, a_worker_without_a_url, who_may_not_connect_any_more, what_waits_is_counted;
            catch_up:
                all_flow_oldest_first, none_are_skipped_and_recorded, the_newest_of_each_entity_flow,
                ask_holds_until_someone_chooses, a_return_ends_one_absence,
                a_skipped_or_dead_one_can_be_redelivered,
                an_attempt_under_way_may_still_deliver_what_is_held,
                what_is_held_dies_with_its_worker_and_of_old_age;
            claims:
                a_claim_is_exclusive, the_oldest_comes_first, no_worker_takes_all_the_room, a_claim_is_bounded_in_bytes, no_worker_takes_all_the_bytes,
                workers_take_turns, absent_workers_are_left_alone, a_clock_set_back_puts_nothing_off, a_claim_carries_all_it_takes,
                a_backlog_is_claimed_in_order_and_once, what_is_accepted_meanwhile_is_claimed_once,
                a_claim_ends_with_the_process, what_is_fresh_is_claimed_once, the_next_due_time_is_known, simultaneous_claims_share;
            ahead:
                what_was_claimed_ahead_is_delivered_once, what_is_known_is_not_claimed_ahead,
                what_waits_for_the_commit_is_told_of_it, what_waits_for_a_commit_that_fails_is_not_sent,
                nobody_is_overtaken, a_group_beside_one_who_is_ahead_gets_it_once, without_a_commit_the_claims_end,
                claimed_ahead_it_survives_the_process;
            circuits:
                an_unreachable_worker_is_left_alone, a_burst_of_failures_is_one, a_renewed_lease_is_a_ping_at_once,
                a_failing_worker_gets_one_at_a_time, idle_ones_are_pinged_when_asked_for,
                a_registration_closes_it, away_and_gone_workers_are_not_pinged;
            policies:
                a_policy_is_kept, one_worker_at_its_own_pace, a_worker_at_its_rate, a_rate_starts_anew_when_changed;
            outcomes:
                delivered_is_done, a_failure_is_retried_when_said, held_uses_nothing_up,
                what_waited_for_its_worker_is_no_older, dead_is_dead, gone_takes_all_with_it,
                an_attempt_without_a_claim_is_refused, a_worker_that_left_may_still_answer,
                everything_survives_a_restart;
            dead_letters:
                events_are_listed_in_pages, deliveries_are_listed_in_pages,
                a_page_under_a_rare_filter_says_where_to_go_on, dead_letters_are_redriven,
                many_dead_letters_are_redriven_a_part_at_a_time, discarding_keeps_who_when_and_why,
                what_is_too_old_has_expired, a_replay_arrives_again, a_worker_recovers_what_did_not_reach_it,
                recovery_goes_on_where_it_stopped, what_happened_since_is_told_without_gaps;
            order:
                one_of_an_entity_at_a_time, the_order_outlives_the_process, a_changed_order_counts_for_what_waits,
                what_is_asked_for_by_itself_leaves_the_order, a_choice_among_the_held_keeps_their_order,
                an_attempt_that_outlasts_its_turn_is_waited_for, a_queue_dies_with_its_worker;
            order_model:
                no_sequence_of_calls_breaks_the_order;
            groups:
                one_delivery_for_all_members, the_holder_of_an_entity_gets_its_next, whoever_lost_it_cannot_finish_it,
                a_failure_goes_to_another_and_ends, only_who_is_there_and_has_room_is_chosen,
                a_member_that_leaves_gives_up_at_once, what_is_held_outlives_the_process,
                a_report_may_overtake_the_answer, a_member_out_of_reach_holds_nothing_up,
                a_long_queue_for_one_is_nobody_elses, a_group_replays_recovers_and_expires,
                no_member_takes_all_the_bytes;
            group_model:
                no_sequence_of_calls_breaks_a_group;
            reasons:
                a_delivery_says_how_it_stands, who_has_none_is_told_apart, members_of_a_group_are_told_apart;
            tunnels:
                a_name_is_its_workspaces_alone, a_released_name_is_kept_back, options_and_their_secret_are_kept, a_workspace_has_so_many_names;
            work:
                reports_are_kept_once, nobody_reports_of_what_is_not_theirs;
            retention:
                old_events_go_and_young_ones_stay, undelivered_ones_expire_first, beyond_a_size_the_oldest_settled_go, a_pruned_key_is_new_again;
            model:
                it_does_what_a_simple_model_does;
        }
    };
}
pub(super) use run_on;
