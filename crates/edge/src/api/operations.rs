//! The operations, in the order of the table in [`crate::api`].

use super::PathTest;
use super::types::*;
use crate::EdgeHandle;
use crate::handlers::{self, Handler, Resign, Target};
use crate::history::{LOOK, Selection};
use crate::local;
use crate::registration;
use crate::state::Session;
use crate::templates;
use http::{HeaderName, HeaderValue};
use postern_protocol::api::{CatchUpRequest, CaughtUp, EventRecord, ReportWork, TriggerRequest, WorkStatus};
use postern_protocol::filter::{Filter, Predicate};
use postern_protocol::{ErrorCode, Secret};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long `set_paused` waits for the proxy's word.
const PAUSE_WAIT: Duration = Duration::from_secs(5);

/// Where everything stands.
///
/// # Errors
/// None at present.
pub async fn status(edge: &EdgeHandle) -> Result<Status, ApiError> {
    Ok(edge.shared.status())
}

/// Checks the token with the proxy, keeps it, and begins to register. A
/// workspace that this machine does not work for yet becomes a further profile,
/// beside those there are. It is shown from then on.
///
/// # Errors
/// `request.malformed` for an address or token that cannot be one;
/// `request.unsupported` where the environment provides the token; the proxy's refusal; `proxy.unreachable`; `keychain.*` when it cannot be kept.
/// Then nothing has changed.
pub async fn sign_in(edge: &EdgeHandle, args: SignIn) -> Result<Status, ApiError> {
    let slot = registration::sign_in(&edge.profiles, &edge.shared, args).await?;
    status(&edge.of(slot)).await
}

/// Leaves the proxy and forgets the token and the worker's secrets. The
/// history stays. Another profile is shown, where there is one.
///
/// # Errors
/// When the secrets cannot be removed: then nothing has changed.
pub async fn sign_out(edge: &EdgeHandle) -> Result<Status, ApiError> {
    let shown = registration::sign_out(&edge.profiles, &edge.shared).await?;
    status(&edge.of(shown)).await
}

/// Asks the proxy to hold events, or to deliver again. Waits a few seconds
/// for its word; without it the wish is kept and the status says so later.
///
/// # Errors
/// `edge.not_signed_in`.
pub async fn set_paused(edge: &EdgeHandle, args: SetPaused) -> Result<Status, ApiError> {
    let session = edge.shared.session()?;
    edge.shared.history.set_paused(session.profile.id, args.paused).await?;
    let mut connection = edge.shared.connection.subscribe();
    session.paused.send_replace(args.paused);
    edge.shared.renew.notify_one();
    let done = connection.wait_for(|connection| match connection {
        Connection::Paused { .. } => args.paused,
        Connection::Live { .. } => !args.paused,
        // Nothing is to be expected soon.
        Connection::Refused { .. } | Connection::Reconnecting { .. } | Connection::SignedOut => true,
        Connection::Connecting { .. } => false,
    });
    let _ = tokio::time::timeout(PAUSE_WAIT, done).await;
    status(edge).await
}

/// The short way to the rule that forwards everything: sets its target and
/// enables it, adds one at the end where there is none, or removes it. Other
/// rules stay as they are. Events that come from now on go there.
///
/// # Errors
/// `edge.not_signed_in`; `request.malformed` for what cannot be a target.
pub async fn set_forward(edge: &EdgeHandle, args: SetForward) -> Result<Status, ApiError> {
    let session = edge.shared.session()?;
    let url = args.url.as_deref().map(str::trim).filter(|url| !url.is_empty());
    let target = url.map(|url| target(edge, url)).transpose()?;
    let change = move |list| Some(handlers::set_plain(list, target.as_ref()));
    if let Some(list) = edge.shared.history.change_rules(session.profile.id, change).await? {
        edge.shared.apply_rules(&session, list);
    }
    status(edge).await
}

/// Changes what the user may set.
///
/// # Errors
/// `filter.invalid` for a capability term that cannot be read, with the place;
/// `request.malformed` for what is out of range; `unavailable` for a port that
/// cannot be had, `request.unsupported` where it was given at the start;
/// `store.unavailable`.
pub async fn set_settings(edge: &EdgeHandle, args: Settings) -> Result<Status, ApiError> {
    check_settings(&args)?;
    let moved = match args.port {
        port if port == edge.shared.settings.borrow().port => None,
        port => edge.shared.place.on(port).await?,
    };
    let text = serde_json::to_string(&args).map_err(|e| ApiError::new(ErrorCode::Internal, e.to_string()))?;
    edge.shared.history.set_setting(crate::edge::SETTINGS, text).await?;
    settings_in_force(edge, args, moved).await?;
    status(edge).await
}

/// Whether settings can be so.
pub(super) fn check_settings(args: &Settings) -> Result<(), ApiError> {
    Filter::parse(&args.capabilities).map_err(|e| ApiError::new(ErrorCode::FilterInvalid, e.to_string()))?;
    if args.canary_minutes > Settings::LONGEST_CANARY_MINUTES {
        let message = format!(
            "`canaryMinutes` is {}, and must be 0 (never) to {}",
            args.canary_minutes,
            Settings::LONGEST_CANARY_MINUTES
        );
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    let Keep { days, gib } = args.keep;
    if days.is_some_and(|days| !(1..=3650).contains(&days))
        || gib.is_some_and(|gib| !(1..=1000).contains(&gib))
    {
        let message = "`keep` has `days` from 1 to 3650 and `gib` from 1 to 1000, or null for no bound";
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    Ok(())
}

/// From now on settings that are kept already count; the receiver moves to where
/// it was `moved`.
///
/// # Errors
/// `store.unavailable`, when the next start will not know the port.
pub(super) async fn settings_in_force(
    edge: &EdgeHandle,
    args: Settings,
    moved: Option<TcpListener>,
) -> Result<(), ApiError> {
    let caught_up = edge.shared.catch_up();
    let before = edge.shared.settings.send_replace(args.clone());
    let told = |settings: &Settings| {
        let Settings { via, ordering, capabilities, group, .. } = settings.clone();
        (via, ordering, capabilities, group)
    };
    let moves = moved.is_some();
    if let Some(listener) = moved {
        edge.shared.place.take(listener);
    }
    if moves || edge.shared.catch_up() != caught_up || told(&before) != told(&args) {
        // A renewal, or another registration, tells the proxies.
        edge.profiles.all().iter().for_each(|slot| slot.renew.notify_one());
    }
    edge.shared.touch();
    if moves {
        let port = edge.shared.place.port().port.to_string();
        edge.shared.history.set_setting(crate::edge::PORT, port).await?;
    }
    Ok(())
}

/// Tries at once whatever waits to reach the proxy again, and makes sure of
/// the tunnel that stands.
///
/// # Errors
/// None at present.
pub async fn reconnect(edge: &EdgeHandle) -> Result<Status, ApiError> {
    edge.shared.wake_up();
    status(edge).await
}

/// Sends a canary through everything, from the proxy's door to the handler, and
/// says how long each hop took.
///
/// # Errors
/// `edge.not_signed_in`; `unavailable` before the registration is through;
/// `request.unsupported` while events are held, or where the proxy is too old.
pub async fn test_path(edge: &EdgeHandle) -> Result<PathTest, ApiError> {
    let session = edge.shared.session()?;
    crate::canary::test(&edge.shared, &session).await
}

/// Says what becomes of the events that the proxy holds after an absence.
///
/// # Errors
/// `edge.not_signed_in`; the proxy's refusal; `proxy.unreachable`.
pub async fn catch_up(edge: &EdgeHandle, args: CatchUpRequest) -> Result<CaughtUp, ApiError> {
    let session = edge.shared.session()?;
    let credential = credential(&session)?;
    let worker = session.worker.borrow().as_ref().map(|worker| worker.worker_id.clone()).unwrap_or_default();
    let caught_up = session.proxy.catch_up(&worker, &credential, &args).await?;
    // What is held now is in the answer to a renewal.
    let mut connection = edge.shared.connection.subscribe();
    edge.shared.renew.notify_one();
    let _ = tokio::time::timeout(PAUSE_WAIT, connection.changed()).await;
    Ok(caught_up)
}

/// Has the proxy sign with a new secret; the old one signs beside it for a
/// while.
///
/// # Errors
/// `edge.not_signed_in`; `unavailable` before the registration is through; the
/// proxy's refusal; `proxy.unreachable`; `keychain.*` when the new secret
/// cannot be kept, which is in use all the same.
pub async fn rotate_secret(edge: &EdgeHandle) -> Result<RotatedSecret, ApiError> {
    let session = edge.shared.session()?;
    registration::rotate_secret(&edge.shared, &session).await
}

/// Has the proxy deliver an event that was skipped, is held, or was given up.
/// Answers with what the proxy then has on record.
///
/// # Errors
/// As [`event_record`]; `request.unsupported` when it was delivered already.
pub async fn redeliver(edge: &EdgeHandle, args: EventKey) -> Result<EventRecord, ApiError> {
    let session = edge.shared.session()?;
    let (id, credential) = (event_id(&args.id)?, credential(&session)?);
    session.proxy.redeliver(id, &credential).await?;
    Ok(session.proxy.event(id, &credential).await?)
}

/// Tells the proxy how the work on an event stands. Answers with what the
/// proxy then has on record.
///
/// # Errors
/// As [`event_record`]; `request.malformed` for a reason that is too long.
pub async fn report_work(edge: &EdgeHandle, args: ReportEvent) -> Result<EventRecord, ApiError> {
    let session = edge.shared.session()?;
    let (id, credential) = (event_id(&args.id)?, credential(&session)?);
    let report = ReportWork { status: args.status, reason: args.reason, claim: None };
    session.proxy.report_work(&args.id, &credential, &report).await?;
    let (ended, now) = (args.status != WorkStatus::Processing, edge.shared.now());
    edge.shared.history.claim_reported(session.profile.id, args.id.clone(), ended, now).await?;
    Ok(session.proxy.event(id, &credential).await?)
}

/// A page of the history, newest first. Without a sign-in it is empty.
///
/// # Errors
/// `request.malformed` for a limit or cursor out of range, a status that is
/// none, a condition that cannot be read.
pub async fn events(edge: &EdgeHandle, args: EventQuery) -> Result<EventPage, ApiError> {
    let limit = limit(args.limit)?;
    let before = match args.before.as_deref().map(str::parse::<i64>) {
        None => None,
        Some(Ok(before)) => Some(before),
        Some(Err(_)) => {
            return Err(ApiError::new(ErrorCode::BadRequest, "`before` is not a cursor of `events`"));
        }
    };
    // No profile has the number 0: without a sign-in there are no rows.
    let selection = Selection::new(edge.shared.profile_id().unwrap_or(0), &args)
        .map_err(|why| ApiError::new(ErrorCode::BadRequest, why))?;
    match selection {
        Some(selection) => Ok(edge.shared.history.page(selection, before, limit, LOOK).await?),
        None => {
            let cursor = edge.shared.history.committed().borrow().seq.unsigned_abs();
            Ok(EventPage { rows: Vec::new(), next: None, total: Some(0), searched_to: None, cursor })
        }
    }
}

/// Whether a condition on the payload can be read, and where not.
///
/// # Errors
/// None at present.
pub async fn check_condition(_: &EdgeHandle, args: Condition) -> Result<CheckedCondition, ApiError> {
    let problem = Predicate::parse(&args.payload).err();
    let problem = problem.map(|wrong| ConditionProblem { at: wrong.at, reason: wrong.reason });
    Ok(CheckedCondition { problem })
}

/// What was inserted or changed since a cursor.
///
/// # Errors
/// `store.unavailable`.
pub async fn events_since(edge: &EdgeHandle, args: Since) -> Result<Changes, ApiError> {
    // No profile has the number 0: without a sign-in there are no rows.
    let profile = edge.shared.profile_id().unwrap_or(0);
    Ok(edge.shared.history.since(profile, args.cursor).await?)
}

/// Everything known of one event.
///
/// # Errors
/// `not_found`.
pub async fn event(edge: &EdgeHandle, args: EventKey) -> Result<EventDetail, ApiError> {
    let profile = edge.shared.profile_id().ok_or_else(|| unknown(&args.id))?;
    let detail = edge.shared.history.detail(profile, args.id.clone()).await?;
    let mut detail = detail.ok_or_else(|| unknown(&args.id))?;
    let (provider, source) = (detail.summary.provider, &detail.summary.source);
    let local = edge.shared.session().ok().and_then(|session| session.local_secret(provider, source));
    if let Some(local) = local {
        let body = detail.body.clone().into_bytes().unwrap_or_default();
        let headers = detail.headers.clone();
        detail.local = Some(local::verification(headers, body, local, edge.shared.now()).await);
    }
    Ok(detail)
}

/// What the proxy did with an event.
///
/// # Errors
/// `edge.not_signed_in`; the proxy's refusal; `proxy.unreachable`.
pub async fn event_record(edge: &EdgeHandle, args: EventKey) -> Result<EventRecord, ApiError> {
    let session = edge.shared.session()?;
    Ok(session.proxy.event(event_id(&args.id)?, &credential(&session)?).await?)
}

/// The event's id at the proxy: a replay has its event's record.
pub(super) fn event_id(id: &str) -> Result<&str, ApiError> {
    let event = id.split_once('.').map_or(id, |(event, _)| event);
    match event.parse::<postern_protocol::id::EventId>() {
        Ok(_) => Ok(event),
        Err(_) => Err(unknown(id)),
    }
}

/// Sends an event to a target once more, as it came, edited or signed anew, and
/// waits for the outcome.
///
/// # Errors
/// `not_found`, of the event or the rule; `edge.no_target` when none is given
/// and no rule forwards it;
/// `request.malformed` for what cannot be a target, a header or a body;
/// `edge.no_local_secret` and `request.unsupported` when it is to be signed anew
/// and cannot be. A target that fails is no error: the run says so.
pub async fn replay(edge: &EdgeHandle, args: Replay) -> Result<HandlerRun, ApiError> {
    let session = edge.shared.session()?;
    let given = args.target.as_deref().map(str::trim).filter(|target| !target.is_empty());
    let given = given.map(|text| target(edge, text)).transpose()?;
    let payload = edge.shared.history.payload_of(session.profile.id, args.id.clone()).await?;
    let payload = payload.ok_or_else(|| unknown(&args.id))?;
    let rules = Arc::clone(&session.rules.borrow());
    let handler = match (given, args.rule) {
        (Some(_), Some(_)) => {
            return Err(ApiError::new(ErrorCode::BadRequest, "give `target` or `rule`, not both"));
        }
        (Some(target), None) => Handler::plain(target),
        (None, Some(id)) => rules.handler(id).ok_or_else(|| {
            ApiError::new(ErrorCode::NotFound, format!("there is no enabled rule {id} that forwards"))
        })?,
        (None, None) => rules.handlers(&payload).next().ok_or_else(|| {
            let message = if rules.forwards() {
                "no enabled rule that forwards takes this event: give a target"
            } else {
                "no target is set: give one, or set where events are forwarded to"
            };
            ApiError::new(ErrorCode::NoTarget, message)
        })?,
    };
    let (provider, source) = (payload.provider, payload.source.clone());
    let resign = match args.resign {
        None => Resign::Needed,
        Some(false) => Resign::Never,
        Some(true) if session.local_secret(provider, &source).is_none() => {
            return Err(ApiError::new(
                ErrorCode::NoLocalSecret,
                format!("there is no local secret for {source} ({provider}) to sign it with: set one"),
            ));
        }
        Some(true) => Resign::Always,
    };
    let edit = args.edit.map(edit).transpose()?;
    handlers::replay(&edge.shared, &session, payload, handler, resign, edit).await
}

fn edit(args: Edit) -> Result<handlers::Edit, ApiError> {
    let body = args.body.map(Body::into_bytes).transpose();
    let body = body.map_err(|e| ApiError::new(ErrorCode::BadRequest, format!("`edit.body.base64`: {e}")))?;
    for (name, value) in args.headers.iter().flat_map(|headers| headers.iter()) {
        if HeaderName::try_from(name).is_err() || HeaderValue::from_bytes(value).is_err() {
            return Err(ApiError::new(
                ErrorCode::BadRequest,
                format!("`{name}` is no header that can be sent"),
            ));
        }
    }
    Ok(handlers::Edit { headers: args.headers, body: body.map(Into::into) })
}

/// What a run sent.
///
/// # Errors
/// `not_found`: there is no such run, or it is from before this was kept.
pub async fn run_request(edge: &EdgeHandle, args: RunKey) -> Result<RunRequest, ApiError> {
    let unknown =
        || ApiError::new(ErrorCode::NotFound, format!("what the run {} sent is not on record", args.run));
    let profile = edge.shared.profile_id().ok_or_else(unknown)?;
    edge.shared.history.run_request(profile, args.run).await?.ok_or_else(unknown)
}

/// Asks the proxy for a synthetic event from a template, or with a body of
/// one's own, for this worker.
///
/// # Errors
/// `edge.not_signed_in`; `not_found` for a template that is none;
/// `request.malformed` for a member that cannot be set; the proxy's refusal;
/// `proxy.unreachable`.
pub async fn trigger(edge: &EdgeHandle, args: Trigger) -> Result<Triggered, ApiError> {
    let session = edge.shared.session()?;
    let (set, now) = (args.set.unwrap_or_default(), edge.shared.now());
    let made = match args.body {
        Some(body) => templates::own(args.provider, &args.name, body, &set, now).map(Some),
        None => templates::make(args.provider, &args.name, &set, now),
    };
    let made = made.map_err(|why| ApiError::new(ErrorCode::BadRequest, why))?.ok_or_else(|| {
        let message = format!("there is no template `{}` of {}", args.name, args.provider);
        ApiError::new(ErrorCode::NotFound, message)
    })?;
    let request = TriggerRequest {
        source: None,
        provider: args.provider,
        headers: made.headers,
        body: made.body,
        all: false,
        worker: None,
    };
    let made = session.proxy.trigger(&credential(&session)?, &request).await?;
    Ok(Triggered { event_id: made.event_id.to_string() })
}

/// What `trigger` knows.
///
/// # Errors
/// None at present.
pub async fn templates(_: &EdgeHandle) -> Result<Templates, ApiError> {
    Ok(Templates { templates: templates::list() })
}

/// The workspace's sources.
///
/// # Errors
/// `edge.not_signed_in`; the proxy's refusal; `proxy.unreachable`.
pub async fn sources(edge: &EdgeHandle) -> Result<Sources, ApiError> {
    let session = edge.shared.session()?;
    Ok(Sources { sources: session.proxy.sources(&session.token).await?.sources })
}

/// The workspace's workers, as the proxy knows them.
///
/// # Errors
/// `edge.not_signed_in`; the proxy's refusal; `proxy.unreachable`.
pub async fn workers(edge: &EdgeHandle) -> Result<Workers, ApiError> {
    let session = edge.shared.session()?;
    let worker = session.worker.borrow().clone();
    // Not registered yet: the token may be allowed to look.
    let credential = worker.as_ref().map_or(&session.token, |worker| &worker.credential);
    let workers = session.proxy.workers(credential).await?.workers;
    Ok(Workers { workers, own: worker.map(|worker| worker.worker_id) })
}

/// What the receiver refused, newest first.
///
/// # Errors
/// `request.malformed` for a limit out of range.
pub async fn rejected(edge: &EdgeHandle, args: RejectedQuery) -> Result<RejectedPage, ApiError> {
    let limit = limit(args.limit)?;
    Ok(edge.shared.history.rejected(edge.shared.profile_id(), args.before, limit).await?)
}

/// A target that is not ourselves.
pub(crate) fn target(edge: &EdgeHandle, text: &str) -> Result<Target, ApiError> {
    Target::parse(text, &edge.shared.own_ports.now())
}

pub(super) fn limit(limit: Option<u32>) -> Result<u32, ApiError> {
    match limit.unwrap_or(100) {
        limit @ 1..=500 => Ok(limit),
        limit => {
            Err(ApiError::new(ErrorCode::BadRequest, format!("`limit` is {limit}, and must be 1 to 500")))
        }
    }
}

fn unknown(id: &str) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("there is no event `{id}` in this machine's history"))
}

pub(super) fn credential(session: &Session) -> Result<Secret, ApiError> {
    session.worker.borrow().as_ref().map(|worker| worker.credential.clone()).ok_or_else(|| {
        ApiError::new(ErrorCode::Unavailable, "this machine is not registered with the proxy yet")
    })
}
