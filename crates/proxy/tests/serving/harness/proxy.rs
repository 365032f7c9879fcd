use super::spy::Happened;
use super::{Answer, HandClock, Receiver, Spy, call, soon};
use http::Method;
use postern_protocol::api::{EventRecord, LeaseResponse, RegisterResponse, WorkerState};
use postern_protocol::dedupe::IdFrom;
use postern_protocol::id::{EventId, WorkerId, WorkspaceId};
use postern_protocol::signature::{Scheme, github, linear};
use postern_protocol::{Clock, PROTOCOL_VERSION, Provider, Secret, UnixMillis};
use postern_proxy::bus::{Bus, InProcess};
use postern_proxy::circuit::Observed;
use postern_proxy::config::Config;
use postern_proxy::entropy;
use postern_proxy::store::{Access, FinishAttempt, Scope, Source, SqliteStore, Store, Token, Workspace};
use postern_proxy::vault::Vault;
use postern_proxy::{App, Listeners, Parts, RunError};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A proxy that runs.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) store: Arc<Spy>,
    pub(crate) workspace: WorkspaceId,
    pub(crate) token: Secret,
    pub(crate) stop: CancellationToken,
    settings: String,
    bus: Arc<InProcess>,
    happened: mpsc::UnboundedReceiver<Happened>,
    serving: JoinHandle<Result<(), RunError>>,
    folder: TempDir,
}

/// A worker that registered.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    pub(crate) id: WorkerId,
    pub(crate) credential: Secret,
    pub(crate) secret: Secret,
}

struct Running {
    address: SocketAddr,
    admin: SocketAddr,
    store: Arc<Spy>,
    bus: Arc<InProcess>,
    stop: CancellationToken,
    happened: mpsc::UnboundedReceiver<Happened>,
    serving: JoinHandle<Result<(), RunError>>,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// With these settings over the defaults; loopback is allowed.
    pub(crate) async fn with(settings: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Arc::new(HandClock::new());
        let mut settings = settings.to_owned();
        if !settings.contains("[registration]") {
            settings.push_str("\n[registration]\nallow_loopback = true\n");
        }
        let running = run(folder.path(), &settings, &clock).await;
        let workspace = entropy::workspace_id(clock.now());
        let made = Workspace { id: workspace, name: "acme".into(), created_at: clock.now() };
        running.store.create_workspace(made).await.unwrap();
        let Running { address, admin, store, bus, stop, happened, serving } = running;
        let token = Secret::new("");
        let mut proxy = Self {
            address,
            admin,
            clock,
            store,
            workspace,
            token,
            stop,
            settings,
            bus,
            happened,
            serving,
            folder,
        };
        proxy.token = proxy.make_token(&Scope::ALL, None).await;
        proxy
    }

    /// Stops, and starts again on the same database.
    pub(crate) async fn restart(self) -> Self {
        let Self { clock, store, workspace, token, stop, settings, bus, happened, serving, folder, .. } =
            self;
        stop.cancel();
        soon("the proxy's end", serving).await.unwrap().unwrap();
        drop((store, bus, happened));
        let Running { address, admin, store, bus, stop, happened, serving } =
            run(folder.path(), &settings, &clock).await;
        Self {
            address,
            admin,
            clock,
            store,
            workspace,
            token,
            stop,
            settings,
            bus,
            happened,
            serving,
            folder,
        }
    }

    /// Waits until a proxy told to stop has stopped.
    pub(crate) async fn stopped(self) -> Result<(), RunError> {
        soon("the proxy's end", self.serving).await.unwrap()
    }

    /// Turns the clock, and lets the scheduler look at it.
    pub(crate) fn turn(&self, millis: i64) {
        self.clock.turn(millis);
        self.bus.wake();
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    pub(crate) async fn make_token(&self, scopes: &[Scope], expires_at: Option<UnixMillis>) -> Secret {
        let secret = entropy::credential("pst_");
        let token = Token {
            id: entropy::token_id(self.now()),
            workspace: self.workspace,
            label: "test".into(),
            hash: entropy::credential_hash(secret.reveal()),
            scopes: scopes.to_vec(),
            created_at: self.now(),
            expires_at,
            revoked_at: None,
            last_used_at: None,
        };
        self.store.create_token(token).await.unwrap();
        secret
    }

    pub(crate) async fn revoke(&self, token: &Secret) {
        let hash = entropy::credential_hash(token.reveal());
        let token = self.store.token_by_hash(hash, self.now()).await.unwrap().unwrap();
        self.store.revoke_token(token.id, self.now()).await.unwrap();
    }

    pub(crate) async fn make_source(&self, provider: Provider) -> Source {
        self.make_source_named(provider, provider.as_str()).await
    }

    pub(crate) async fn make_source_named(&self, provider: Provider, name: &str) -> Source {
        let scheme = Scheme::of(provider).unwrap();
        self.make_source_by(scheme, None, name).await
    }

    pub(crate) async fn make_source_by(&self, scheme: Scheme, id_from: Option<IdFrom>, name: &str) -> Source {
        let secrets = match scheme.provider() {
            Provider::None => vec![],
            Provider::StandardWebhooks => vec![postern_protocol::signature::standard::new_secret([5; 32])],
            _ => vec![Secret::new("the new one"), Secret::new("the old one")],
        };
        let source = Source {
            id: entropy::source_id(self.now()),
            workspace: self.workspace,
            name: name.into(),
            scheme,
            id_from,
            entity_pointer: None,
            secrets,
            old_until: None,
            created_at: self.now(),
        };
        self.store.create_source(source.clone()).await.unwrap();
        source
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &[u8])], body: &[u8]) -> Answer {
        call(self.address, Method::POST, path, headers, body.to_vec()).await
    }

    /// Posts what Linear would: signed with the source's newest secret.
    pub(crate) async fn linear(&self, source: &Source, delivery: &str, body: &[u8]) -> Answer {
        let signature = linear::sign(&source.secrets[0], body);
        let headers: [(&str, &[u8]); 4] = [
            ("content-type", b"application/json; charset=utf-8"),
            ("linear-delivery", delivery.as_bytes()),
            ("linear-event", b"Issue"),
            ("linear-signature", signature.as_bytes()),
        ];
        self.post(&format!("/hooks/{}", source.id), &headers, body).await
    }

    /// Posts what GitHub would, with more headers.
    pub(crate) async fn github(&self, source: &Source, more: &[(&str, &[u8])], body: &[u8]) -> Answer {
        let signature = github::sign(&source.secrets[0], body);
        let mut headers: Vec<(&str, &[u8])> =
            vec![("x-github-event", b"ping"), ("x-hub-signature-256", signature.as_bytes())];
        headers.extend_from_slice(more);
        self.post(&format!("/hooks/{}", source.id), &headers, body).await
    }

    /// A Linear webhook whose event's id is handed back.
    pub(crate) async fn event(&self, source: &Source, number: u32) -> EventId {
        let answer =
            self.linear(source, &format!("delivery-{number}"), &linear_body(self.now(), number)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let receipt: Value = answer.json();
        assert_eq!(receipt["duplicate"], false);
        receipt["eventId"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn record(&self, event: EventId) -> EventRecord {
        self.store.event_record(self.workspace, event).await.unwrap().unwrap()
    }

    pub(crate) fn registration(&self, url: &str) -> Value {
        json!({
            "webhookUrl": url, "token": self.token.reveal(), "name": "laptop",
            "protocolVersion": PROTOCOL_VERSION,
        })
    }

    pub(crate) async fn register_with(&self, request: &Value, credential: Option<&Secret>) -> Answer {
        let bearer = credential.map(|c| format!("Bearer {}", c.reveal()));
        let headers: Vec<(&str, &[u8])> = bearer.iter().map(|b| ("authorization", b.as_bytes())).collect();
        self.post("/edge/register", &headers, request.to_string().as_bytes()).await
    }

    /// Registers a receiver, without waiting for the challenge's outcome.
    pub(crate) async fn register_pending(&self, receiver: &Receiver, request: &Value) -> Registered {
        let answer = self.register_with(request, None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let registered: RegisterResponse = answer.json();
        assert_eq!(registered.state, WorkerState::Pending);
        receiver.knows(&registered.secret);
        Registered { id: registered.worker_id, credential: registered.credential, secret: registered.secret }
    }

    /// Registers a receiver and waits until it is active.
    pub(crate) async fn register(&mut self, receiver: &Receiver) -> Registered {
        let worker = self.register_pending(receiver, &self.registration(&receiver.url())).await;
        assert_eq!(self.settled().await, (worker.id, Ok(())));
        worker
    }

    pub(crate) async fn renew(&self, worker: &Registered, request: Value) -> Answer {
        let bearer = format!("Bearer {}", worker.credential.reveal());
        let path = format!("/edge/workers/{}/lease", worker.id);
        self.post(&path, &[("authorization", bearer.as_bytes())], request.to_string().as_bytes()).await
    }

    pub(crate) async fn renewed(&self, worker: &Registered) -> LeaseResponse {
        let answer = self.renew(worker, json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(crate) async fn get(&self, path: &str, bearer: &Secret) -> Answer {
        let bearer = format!("Bearer {}", bearer.reveal());
        call(self.address, Method::GET, path, &[("authorization", bearer.as_bytes())], "").await
    }

    pub(crate) async fn patch(&self, path: &str, bearer: &Secret, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", bearer.reveal());
        let headers: [(&str, &[u8]); 1] = [("authorization", bearer.as_bytes())];
        call(self.address, Method::PATCH, path, &headers, body.to_string()).await
    }

    /// The next attempt recorded.
    pub(crate) async fn finished(&mut self) -> FinishAttempt {
        loop {
            if let Happened::Finished(finish) = self.next().await {
                return *finish;
            }
        }
    }

    /// The next challenge settled.
    pub(crate) async fn settled(&mut self) -> (WorkerId, Result<(), String>) {
        loop {
            if let Happened::Settled(worker, outcome) = self.next().await {
                return (worker, outcome.map(|_| ()));
            }
        }
    }

    /// The next ping's outcome.
    pub(crate) async fn pinged(&mut self) -> (WorkerId, Observed) {
        loop {
            if let Happened::Pinged(worker, observed) = self.next().await {
                return (worker, observed);
            }
        }
    }

    /// The next workers found away.
    pub(crate) async fn away(&mut self) -> Vec<WorkerId> {
        loop {
            if let Happened::Away(workers) = self.next().await {
                return workers;
            }
        }
    }

    /// How many events the next pruning took.
    pub(crate) async fn pruned(&mut self) -> u64 {
        loop {
            if let Happened::Pruned(events) = self.next().await {
                return events;
            }
        }
    }

    async fn next(&mut self) -> Happened {
        soon("something to happen in the store", self.happened.recv()).await.unwrap()
    }
}

async fn run(folder: &Path, settings: &str, clock: &Arc<HandClock>) -> Running {
    let config = Config::from_toml(settings).unwrap();
    let vault = Arc::new(Vault::new(&[7; 32]));
    let store = SqliteStore::open(&folder.join("postern.db"), vault, Access::Serve).unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let (spy, happened) = Spy::new(store);
    let store = Arc::new(spy);
    let bus = Arc::new(InProcess::new());
    let listeners = Listeners { public: free_port().await, admin: free_port().await };
    let address = listeners.public.local_addr().unwrap();
    let admin = listeners.admin.local_addr().unwrap();
    let app =
        App::build(Parts { config, store: store.clone(), clock: clock.clone(), bus: bus.clone() }).unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(app.serve(listeners, stop.clone()));
    Running { address, admin, store, bus, stop, happened, serving }
}

async fn free_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A Linear payload, signed at `at`.
pub(crate) fn linear_body(at: UnixMillis, number: u32) -> Vec<u8> {
    json!({
        "action": "update", "type": "Issue", "organizationId": "org-1", "webhookTimestamp": at.0,
        "webhookId": "w", "createdAt": "2027-01-15T08:00:00.000Z", "url": "https://linear.app/acme/issue/ENG-1",
        "data": {"id": format!("issue-{number}"), "identifier": format!("ENG-{number}"), "title": "Fix login"},
    })
    .to_string()
    .into_bytes()
}
