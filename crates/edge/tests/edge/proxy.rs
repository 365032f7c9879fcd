//! A small proxy: the edge's half of the route table, all in memory.

use crate::connect::{self, Links};
use crate::support::{TestClock, client};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use postern_protocol::api::tunnels::{TunnelInfo, TunnelList, TunnelOptions};
use postern_protocol::api::*;
use postern_protocol::id::{EventId, WorkerId, WorkspaceId};
use postern_protocol::signature::standard;
use postern_protocol::{Clock, ErrorBody, ErrorCode, Secret, UnixMillis};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What a test may look at and change.
pub(crate) struct Book {
    pub(crate) workers: BTreeMap<String, Worker>,
    pub(crate) registrations: u32,
    pub(crate) leases: u32,
    pub(crate) left: Vec<String>,
    pub(crate) triggered: Vec<TriggerRequest>,
    pub(crate) lease_seconds: u32,
    /// The proxy's clock minus the test's.
    pub(crate) skew: i64,
    /// Answers everything with this while set.
    pub(crate) down: Option<ErrorCode>,
    /// Post the challenge before the registration is answered.
    pub(crate) hasty: bool,
    /// Tokens that are good.
    pub(crate) tokens: Vec<&'static str>,
    pub(crate) waiting: u64,
    pub(crate) held: Option<Held>,
    /// What it was last told to do after absences.
    pub(crate) catch_up: Option<CatchUp>,
    /// The order it was last told.
    pub(crate) ordering: Option<Ordering>,
    /// What each registration asked for.
    pub(crate) asked: Vec<Vec<String>>,
    /// What each registration and renewal said of how to deliver.
    pub(crate) policies: Vec<PolicyChange>,
    pub(crate) chosen: Vec<CatchUpChoice>,
    pub(crate) redelivered: Vec<String>,
    /// The canaries it was asked for.
    pub(crate) canaries: Vec<CanaryRequest>,
    /// When.
    pub(crate) canaried_at: Vec<UnixMillis>,
    /// What it does instead of sending one.
    pub(crate) no_canary: Option<NoCanary>,
    /// The group it was last told.
    pub(crate) group: Option<Option<Group>>,
    /// Reports on events, refused ones included.
    pub(crate) reports: Vec<(String, ReportWork)>,
    /// Reports are answered 503.
    pub(crate) mute: bool,
    /// Reports are answered that the claim is lost.
    pub(crate) lost: bool,
    /// Reserved names, with the options last told.
    pub(crate) tunnel_options: BTreeMap<String, serde_json::Value>,
}

/// Why no canary arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoCanary {
    /// The proxy cannot connect.
    Unreached,
    /// Something else has answered.
    Elsewhere,
    /// The proxy knows of none.
    Old,
}

pub(crate) struct Worker {
    pub(crate) name: String,
    /// `None`: deliveries go into its tunnel.
    pub(crate) url: Option<String>,
    pub(crate) credential: String,
    pub(crate) secret: Secret,
    pub(crate) state: WorkerState,
    pub(crate) challenge_error: Option<String>,
}

#[derive(Clone)]
pub(crate) struct FakeProxy {
    pub(crate) url: String,
    book: Arc<Mutex<Book>>,
    /// Moves with every request that was answered.
    pub(crate) changed: watch::Sender<u64>,
    pub(crate) clock: TestClock,
    /// The tunnels of its workers.
    pub(crate) links: Links,
    served: Arc<Mutex<Option<JoinHandle<()>>>>,
}

pub(crate) const WORKSPACE: &str = "ws_01JD3Q0000000000000000000A";

impl FakeProxy {
    pub(crate) async fn start(clock: &TestClock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let book = Book {
            workers: BTreeMap::new(),
            registrations: 0,
            leases: 0,
            left: Vec::new(),
            triggered: Vec::new(),
            lease_seconds: 60,
            skew: 0,
            down: None,
            hasty: false,
            tokens: vec!["pst_good"],
            waiting: 0,
            held: None,
            catch_up: None,
            ordering: None,
            asked: Vec::new(),
            policies: Vec::new(),
            chosen: Vec::new(),
            redelivered: Vec::new(),
            canaries: Vec::new(),
            canaried_at: Vec::new(),
            no_canary: None,
            group: None,
            reports: Vec::new(),
            mute: false,
            lost: false,
            tunnel_options: BTreeMap::new(),
        };
        let proxy = Self {
            url,
            book: Arc::new(Mutex::new(book)),
            changed: watch::Sender::new(0),
            clock: clock.clone(),
            links: Links::default(),
            served: Arc::default(),
        };
        proxy.serve(listener);
        proxy
    }

    /// With a clock of its own, for tests that do not turn it.
    pub(crate) async fn new() -> Self {
        Self::start(&TestClock::new()).await
    }

    fn serve(&self, listener: TcpListener) {
        let routes = Router::new()
            .route("/v1/workspace", get(workspace))
            .route("/v1/sources", get(sources))
            .route("/v1/events/trigger", post(trigger))
            .route("/edge/tunnels", get(tunnels).post(reserve_tunnel))
            .route("/edge/tunnels/{name}", delete(release_tunnel))
            .route("/edge/tunnels/{name}/options", put(tunnel_options))
            .route("/edge/register", post(register))
            .route("/edge/connect", get(connect::connect))
            .route("/edge/workers/{id}/lease", post(lease))
            .route("/edge/workers/{id}/secret", post(rotate))
            .route("/edge/workers/{id}/catch-up", post(catch_up))
            .route("/v1/deliveries", get(deliveries))
            .route("/edge/workers/{id}/canary", post(canary))
            .route("/edge/events/{event}/redeliver", post(redeliver))
            .route("/edge/events/{event}/status", post(report))
            .route("/edge/workers/{id}", delete(leave))
            .with_state(self.clone());
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        *self.served.lock().unwrap() = Some(task);
    }

    /// Ends the process, as it were: connections break, nothing listens.
    pub(crate) async fn crash(&self) {
        let task = self.served.lock().unwrap().take().unwrap();
        task.abort();
        let _ = task.await;
    }

    /// Listens again on the same port.
    pub(crate) async fn come_back(&self) {
        let listener = TcpListener::bind(self.url.strip_prefix("http://").unwrap()).await.unwrap();
        self.serve(listener);
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// The secret of the newest worker.
    pub(crate) fn secret(&self) -> Secret {
        self.book().workers.values().last().unwrap().secret.clone()
    }

    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Book) -> bool) {
        let mut changed = self.changed.subscribe();
        crate::support::soon(what, async {
            while !wanted(&self.book()) {
                changed.changed().await.unwrap();
            }
        })
        .await;
    }

    fn now(&self) -> UnixMillis {
        self.clock.now().plus(self.book().skew)
    }

    pub(crate) fn check(&self) -> Result<(), Refused> {
        let down = self.book().down;
        self.changed.send_modify(|n| *n += 1);
        down.map_or(Ok(()), |code| Err(Refused(code)))
    }
}

pub(crate) struct Refused(pub(crate) ErrorCode);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status()).unwrap();
        (status, Json(ErrorBody::new(self.0, format!("refused: {}", self.0)))).into_response()
    }
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

fn info() -> WorkspaceInfo {
    WorkspaceInfo { id: WORKSPACE.parse::<WorkspaceId>().unwrap(), name: "Acme".into() }
}

fn token_is_good(proxy: &FakeProxy, token: Option<&str>) -> Result<(), Refused> {
    let good = token.is_some_and(|token| proxy.book().tokens.contains(&token));
    if good { Ok(()) } else { Err(Refused(ErrorCode::Unauthorized)) }
}

async fn workspace(State(proxy): State<FakeProxy>, headers: HeaderMap) -> Result<Response, Refused> {
    proxy.check()?;
    token_is_good(&proxy, bearer(&headers))?;
    Ok(Json(info()).into_response())
}

async fn sources(State(proxy): State<FakeProxy>, headers: HeaderMap) -> Result<Response, Refused> {
    proxy.check()?;
    token_is_good(&proxy, bearer(&headers))?;
    Ok(Json(SourceList { sources: Vec::new() }).into_response())
}

async fn register(
    State(proxy): State<FakeProxy>,
    headers: HeaderMap,
    Json(request): Json<RegisterRequest>,
) -> Result<Response, Refused> {
    proxy.check()?;
    token_is_good(&proxy, Some(request.token.reveal()))?;
    let known = match bearer(&headers) {
        None => None,
        Some(credential) => {
            let book = proxy.book();
            let known = book.workers.iter().find(|(_, worker)| worker.credential == credential);
            Some(known.map(|(id, _)| id.clone()).ok_or(Refused(ErrorCode::Unauthorized))?)
        }
    };
    let id = known.unwrap_or_else(|| WorkerId::new(proxy.now(), rand::random()).to_string());
    let secret = standard::new_secret(rand::random());
    let by_tunnel = request.webhook_url.is_none();
    let hasty = {
        let mut book = proxy.book();
        book.registrations += 1;
        book.catch_up = Some(request.catch_up);
        book.asked.push(request.capabilities);
        book.policies.push(request.policy.clone());
        let credential = format!("cred_{}", hex(rand::random()));
        book.workers.insert(
            id.clone(),
            Worker {
                name: request.name,
                url: request.webhook_url,
                credential,
                secret: secret.clone(),
                state: if by_tunnel { WorkerState::Active } else { WorkerState::Pending },
                challenge_error: None,
            },
        );
        book.hasty
    };
    if !by_tunnel {
        drop(tokio::spawn(challenge(proxy.clone(), id.clone())));
    }
    if hasty {
        // The challenge is under way before the answer; it must not need it to be.
        tokio::task::yield_now().await;
    }
    let book = proxy.book();
    let answer = RegisterResponse {
        worker_id: id.parse().unwrap(),
        credential: Secret::new(book.workers[&id].credential.clone()),
        secret,
        lease_seconds: book.lease_seconds,
        workspace: info(),
        waiting: Waiting::default(),
        state: book.workers[&id].state,
    };
    Ok(Json(answer).into_response())
}

/// Posts the ownership challenge and judges the answer.
async fn challenge(proxy: FakeProxy, id: String) {
    let (url, secret) = {
        let book = proxy.book();
        (book.workers[&id].url.clone(), book.workers[&id].secret.clone())
    };
    let text = hex(rand::random());
    let body =
        serde_json::to_vec(&Challenge { kind: Challenge::TYPE.into(), challenge: text.clone() }).unwrap();
    let now = proxy.clock.now();
    let answer = client()
        .post(url.unwrap())
        .header("webhook-id", format!("chl_{text}"))
        .header("webhook-timestamp", now.seconds().to_string())
        .header(
            "webhook-signature",
            standard::sign(std::slice::from_ref(&secret), &format!("chl_{text}"), now, &body),
        )
        .header("postern-kind", "challenge")
        .body(body)
        .send()
        .await;
    let error = match answer {
        Err(e) => Some(e.to_string()),
        Ok(answer) if answer.status() != 200 => Some(format!("answered {}", answer.status())),
        Ok(answer) => {
            let answer: ChallengeAnswer = answer.json().await.unwrap();
            let right = standard::sign(&[secret], "challenge", UnixMillis(0), text.as_bytes());
            (answer.answer != right).then(|| "wrong answer".to_owned())
        }
    };
    if let Some(worker) = proxy.book().workers.get_mut(&id) {
        match error {
            None => worker.state = WorkerState::Active,
            error => worker.challenge_error = error,
        }
    }
    proxy.changed.send_modify(|n| *n += 1);
}

async fn lease(
    State(proxy): State<FakeProxy>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(request): Json<LeaseRequest>,
) -> Result<Response, Refused> {
    proxy.check()?;
    let now = proxy.now();
    let mut book = proxy.book();
    book.catch_up = request.catch_up.or(book.catch_up);
    book.ordering = request.ordering.or(book.ordering);
    book.group = request.group.clone().or(book.group.take());
    book.policies.push(request.policy.clone());
    let (lease_seconds, waiting, held) = (book.lease_seconds, book.waiting, book.held.clone());
    let worker = book.workers.get_mut(&id).ok_or(Refused(ErrorCode::NotFound))?;
    if bearer(&headers) != Some(&worker.credential) {
        return Err(Refused(ErrorCode::Unauthorized));
    }
    worker.state = match (worker.state, request.paused) {
        (WorkerState::Active | WorkerState::Paused, Some(true)) => WorkerState::Paused,
        (WorkerState::Paused, Some(false)) => WorkerState::Active,
        (state, _) => state,
    };
    let answer = LeaseResponse {
        lease_seconds,
        state: worker.state,
        waiting: Waiting { count: waiting, oldest: None, held },
        now,
        challenge_error: worker.challenge_error.clone(),
        last_transport_error: None,
    };
    book.leases += 1;
    drop(book);
    proxy.changed.send_modify(|n| *n += 1);
    Ok(Json(answer).into_response())
}

/// The old secret verifies for an hour.
async fn rotate(
    State(proxy): State<FakeProxy>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    proxy.check()?;
    let previous_until = proxy.now().plus(3_600_000);
    let mut book = proxy.book();
    let worker = book.workers.get_mut(&id).ok_or(Refused(ErrorCode::NotFound))?;
    if bearer(&headers) != Some(&worker.credential) {
        return Err(Refused(ErrorCode::Unauthorized));
    }
    worker.secret = standard::new_secret(rand::random());
    Ok(Json(RotatedSecret { secret: worker.secret.clone(), previous_until }).into_response())
}

async fn catch_up(
    State(proxy): State<FakeProxy>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(request): Json<CatchUpRequest>,
) -> Result<Response, Refused> {
    proxy.check()?;
    let mut book = proxy.book();
    let worker = book.workers.get(&id).ok_or(Refused(ErrorCode::NotFound))?;
    if bearer(&headers) != Some(&worker.credential) {
        return Err(Refused(ErrorCode::Unauthorized));
    }
    book.chosen.push(request.choice);
    let delivering = book.held.take().map_or(0, |held| held.count);
    Ok(Json(CaughtUp { delivering, skipped: 0, held: 0 }).into_response())
}

/// As many as are held, in pages of the size that was asked for.
async fn deliveries(
    State(proxy): State<FakeProxy>,
    headers: HeaderMap,
    Query(asked): Query<HashMap<String, String>>,
) -> Result<Response, Refused> {
    proxy.check()?;
    let book = proxy.book();
    let worker =
        asked.get("worker").and_then(|id| book.workers.get(id)).ok_or(Refused(ErrorCode::NotFound))?;
    if bearer(&headers) != Some(&worker.credential) || asked.get("state").is_none_or(|state| state != "held")
    {
        return Err(Refused(ErrorCode::Forbidden));
    }
    let number = |name: &str| asked.get(name).and_then(|number| number.parse::<u64>().ok());
    let count = book.held.as_ref().map_or(0, |held| held.count);
    let from = number("cursor").unwrap_or(0);
    let to = count.min(from + number("limit").unwrap_or(50));
    let delivery = |n: u64| {
        serde_json::json!({
            "id": format!("dlv_01JD3Q{n:020}"), "eventId": format!("evt_01JD3Q{n:020}"),
            "receivedAt": n, "source": "linear-main", "provider": "linear", "name": "Issue.update",
            "subject": format!("ENG-{n}"), "workerId": asked["worker"], "worker": "here", "state": "held",
            "nextAttemptAt": null, "ended": null, "redriven": 0, "replay": 0, "attemptCount": 0,
            "lastAttempt": null,
        })
    };
    let page: Vec<_> = (from..to).map(delivery).collect();
    let next = (to < count).then(|| to.to_string());
    Ok(Json(serde_json::json!({ "deliveries": page, "next": next })).into_response())
}

/// Sends it as the proxy does, quiet or not, and reports with made-up times.
async fn canary(
    State(proxy): State<FakeProxy>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(request): Json<CanaryRequest>,
) -> Result<Response, Refused> {
    proxy.check()?;
    let (to, secret, instead) = {
        let mut book = proxy.book();
        if book.no_canary == Some(NoCanary::Old) {
            return Err(Refused(ErrorCode::NotFound));
        }
        book.canaries.push(request.clone());
        book.canaried_at.push(proxy.clock.now());
        let worker = book.workers.get(&id).ok_or(Refused(ErrorCode::NotFound))?;
        if bearer(&headers) != Some(&worker.credential) {
            return Err(Refused(ErrorCode::Unauthorized));
        }
        (worker.url.clone(), worker.secret.clone(), book.no_canary)
    };
    let now = proxy.clock.now();
    let event = (!request.quiet).then(|| EventId::new(now, rand::random()));
    let mut report = CanaryReport {
        event_id: event,
        accepted_at: proxy.now(),
        verified: event.map(|_| 10),
        committed: event.map(|_| 20),
        claimed: event.map(|_| 30),
        sent: Some(40),
        answered: Some(50),
        reported: 60,
        outcome: Some(AttemptOutcome::Delivered),
        status: Some(200),
        error: None,
    };
    if instead == Some(NoCanary::Unreached) {
        report.outcome = Some(AttemptOutcome::Connect);
        report.error = Some("connection refused".into());
    }
    if instead.is_none() {
        let canary = Canary::new(request.nonce, now);
        post_canary(&to.unwrap(), &secret, now, &canary, event).await;
    }
    proxy.changed.send_modify(|n| *n += 1);
    Ok(Json(report).into_response())
}

/// Posts a canary, quiet unless it is an event.
pub(crate) async fn post_canary(
    url: &str,
    secret: &Secret,
    now: UnixMillis,
    canary: &Canary,
    event: Option<EventId>,
) -> StatusCode {
    let body = serde_json::to_vec(canary).unwrap();
    let id = event.map_or_else(|| format!("canary_{}", hex(rand::random())), |event| event.to_string());
    let mut post = client()
        .post(url)
        .header("webhook-id", &id)
        .header("webhook-timestamp", now.seconds().to_string())
        .header("webhook-signature", standard::sign(std::slice::from_ref(secret), &id, now, &body))
        .header("postern-workspace", WORKSPACE);
    post = match event {
        None => post.header("postern-kind", "canary"),
        Some(_) => post
            .header("postern-provider", "postern")
            .header("postern-event", Canary::TYPE)
            .header("postern-synthetic", "true"),
    };
    post.body(body).send().await.unwrap().status()
}

async fn redeliver(State(proxy): State<FakeProxy>, Path(event): Path<String>) -> Result<StatusCode, Refused> {
    proxy.check()?;
    proxy.book().redelivered.push(event);
    Err(Refused(ErrorCode::Unsupported))
}

async fn report(
    State(proxy): State<FakeProxy>,
    Path(event): Path<String>,
    Json(report): Json<ReportWork>,
) -> Result<Response, Refused> {
    proxy.check()?;
    let mut book = proxy.book();
    book.reports.push((event, report));
    let answer = match (book.mute, book.lost) {
        (true, _) => Err(Refused(ErrorCode::Unavailable)),
        (_, true) => Err(Refused(ErrorCode::ClaimLost)),
        _ => Ok(Json(ClaimRenewed { lease_seconds: 60 }).into_response()),
    };
    drop(book);
    proxy.changed.send_modify(|n| *n += 1);
    answer
}

async fn leave(
    State(proxy): State<FakeProxy>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    proxy.check()?;
    let mut book = proxy.book();
    let worker = book.workers.get(&id).ok_or(Refused(ErrorCode::NotFound))?;
    if bearer(&headers) != Some(&worker.credential) {
        return Err(Refused(ErrorCode::Unauthorized));
    }
    book.workers.remove(&id);
    book.left.push(id);
    Ok(StatusCode::NO_CONTENT)
}

async fn trigger(
    State(proxy): State<FakeProxy>,
    headers: HeaderMap,
    Json(request): Json<TriggerRequest>,
) -> Result<Response, Refused> {
    proxy.check()?;
    let known =
        proxy.book().workers.values().any(|worker| Some(worker.credential.as_str()) == bearer(&headers));
    if !known {
        return Err(Refused(ErrorCode::Unauthorized));
    }
    proxy.book().triggered.push(request);
    let event_id = EventId::new(proxy.now(), rand::random());
    Ok(Json(TriggerResponse { event_id, deliveries: 1 }).into_response())
}

fn hex(bytes: [u8; 8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn tunnel(name: &str, options: &serde_json::Value) -> TunnelInfo {
    let options: TunnelOptions = serde_json::from_value(options.clone()).unwrap();
    TunnelInfo {
        name: name.parse().unwrap(),
        url: format!("https://{name}.example.com"),
        worker: None,
        options,
        created_at: UnixMillis(0),
        used_at: None,
    }
}

async fn tunnels(State(proxy): State<FakeProxy>) -> Result<Response, Refused> {
    proxy.check()?;
    let tunnels = proxy.book().tunnel_options.iter().map(|(name, options)| tunnel(name, options)).collect();
    Ok(Json(TunnelList { tunnels }).into_response())
}

async fn reserve_tunnel(
    State(proxy): State<FakeProxy>,
    Json(request): Json<serde_json::Value>,
) -> Result<Response, Refused> {
    proxy.check()?;
    let name = request["name"].as_str().map_or_else(|| hex(rand::random())[..16].to_owned(), str::to_owned);
    let mut book = proxy.book();
    let options = book.tunnel_options.entry(name.clone()).or_insert_with(|| serde_json::json!({}));
    if let Some(told) = request.get("options") {
        *options = told.clone();
    }
    Ok(Json(tunnel(&name, options)).into_response())
}

async fn tunnel_options(
    State(proxy): State<FakeProxy>,
    Path(name): Path<String>,
    Json(options): Json<serde_json::Value>,
) -> Result<Response, Refused> {
    proxy.check()?;
    let info = tunnel(&name, &options);
    proxy.book().tunnel_options.insert(name, options);
    Ok(Json(info).into_response())
}

async fn release_tunnel(
    State(proxy): State<FakeProxy>,
    Path(name): Path<String>,
) -> Result<Response, Refused> {
    proxy.check()?;
    proxy.book().tunnel_options.remove(&name).ok_or(Refused(ErrorCode::TunnelNotReserved))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
