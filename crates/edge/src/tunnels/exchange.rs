//! One request through a tunnel and its answer, as an account of it: what came,
//! what went, when. It ends when nothing of either is under way any more,
//! however that came about; then watchers hear of it, and the inspector keeps
//! it.

use super::{Meter, Tunnel};
use crate::api::{ExchangeKind, TunnelRequest};
use crate::inspector::{Capture, Inspector, Side, Stored};
use http::{HeaderMap, Method, StatusCode, header};
use postern_protocol::Clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, oneshot};
use tokio::time::Instant;

/// So many are kept for a watcher that is slower than they come; then it misses
/// some.
const WAITING: usize = 4_096;

/// Where the accounts of a profile's requests go.
pub(crate) struct Exchanges {
    clock: Arc<dyn Clock>,
    inspector: Arc<Inspector>,
    watchers: broadcast::Sender<TunnelRequest>,
}

impl Exchanges {
    pub(crate) fn new(clock: Arc<dyn Clock>, inspector: Arc<Inspector>) -> Arc<Self> {
        let watchers = broadcast::Sender::new(WAITING);
        Arc::new(Self { clock, inspector, watchers })
    }

    /// Requests from now on: each when it is over, and one that stays open when
    /// it has begun, too.
    pub(crate) fn watch(&self) -> broadcast::Receiver<TunnelRequest> {
        self.watchers.subscribe()
    }
}

/// One request and its answer.
pub(super) struct Exchange {
    exchanges: Arc<Exchanges>,
    pub(super) tunnel: Arc<Tunnel>,
    began: Instant,
    /// Bytes of the request's body, of the answer's.
    up: AtomicU64,
    down: AtomicU64,
    /// Microseconds after the beginning at which a part of the request last
    /// went out.
    moved: AtomicU64,
    account: Mutex<TunnelRequest>,
    /// What the inspector is to keep of it; absent: nothing.
    capture: Option<Mutex<Capture>>,
    /// Who waits for its end.
    waits: Mutex<Option<oneshot::Sender<TunnelRequest>>>,
}

impl Exchange {
    /// `of`: the request that this is a replay of.
    pub(super) fn new(
        exchanges: &Arc<Exchanges>,
        tunnel: Arc<Tunnel>,
        method: &Method,
        path: &str,
        of: Option<u64>,
    ) -> Arc<Self> {
        tunnel.meter().came();
        let account = TunnelRequest {
            id: exchanges.inspector.next(),
            tunnel: tunnel.kept.name.clone(),
            at: exchanges.clock.now(),
            method: method.as_str().to_owned(),
            path: path.to_owned(),
            replay_of: of,
            kind: ExchangeKind::Http,
            status: None,
            open: true,
            connect_micros: None,
            first_byte_micros: None,
            micros: 0,
            request_bytes: 0,
            response_bytes: 0,
            error: None,
        };
        // Somebody who replays wants to see what came of it.
        let inspects = tunnel.kept.settings.inspect || of.is_some();
        let capture = inspects.then(|| exchanges.inspector.capture()).flatten();
        Arc::new(Self {
            exchanges: Arc::clone(exchanges),
            tunnel,
            began: Instant::now(),
            up: AtomicU64::default(),
            down: AtomicU64::default(),
            moved: AtomicU64::default(),
            account: Mutex::new(account),
            capture: capture.map(Mutex::new),
            waits: Mutex::default(),
        })
    }

    /// A new connection to the target stands.
    pub(super) fn connected(&self) {
        self.account().connect_micros = Some(micros(self.began.elapsed()));
    }

    /// Its account, once it is over.
    pub(super) fn ended(&self) -> impl Future<Output = TunnelRequest> + use<> {
        let (wait, ended) = oneshot::channel();
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = Some(wait);
        let so_far = self.account().clone();
        async move { ended.await.unwrap_or(so_far) }
    }

    /// The head that goes to the target.
    pub(super) fn asked(&self, headers: &HeaderMap) {
        self.capture(|capture| capture.asked(headers));
    }

    /// A part of the request's body goes out.
    pub(super) fn sends(&self, bytes: &[u8]) {
        let after = micros(self.began.elapsed());
        self.up.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.moved.store(after, Ordering::Relaxed);
        self.capture(|capture| capture.piece(Side::Visitor, bytes, after));
    }

    /// A part of the answer's body has come.
    pub(super) fn gets(&self, bytes: &[u8]) {
        self.down.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.capture(|capture| capture.piece(Side::Local, bytes, micros(self.began.elapsed())));
    }

    /// The answer begins. Of one that stays open, watchers hear now.
    pub(super) fn answered(&self, status: StatusCode, headers: &HeaderMap) {
        let after = self.began.elapsed();
        self.tunnel.meter().answered(after);
        let is_stream = headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream"));
        let mut account = self.account();
        account.status = Some(status.as_u16());
        account.first_byte_micros = Some(micros(after));
        if status == StatusCode::SWITCHING_PROTOCOLS {
            account.kind = ExchangeKind::WebSocket;
        } else if is_stream {
            account.kind = ExchangeKind::Events;
        }
        let kind = account.kind;
        self.capture(|capture| capture.answered(kind, headers));
        if kind != ExchangeKind::Http {
            account.micros = micros(after);
            account.request_bytes = self.up.load(Ordering::Relaxed);
            self.exchanges.tell(&account);
            let mut beginning = None;
            self.capture(|capture| beginning = Some(capture.beginning()));
            self.exchanges.keep(&self.tunnel, &account, beginning);
        }
    }

    /// It came to nothing, or broke off. The first reason counts.
    pub(super) fn failed(&self, why: &str) {
        self.account().error.get_or_insert_with(|| why.to_owned());
    }

    /// All of the answer has come.
    pub(super) fn completed(&self) {
        self.account().open = false;
    }

    /// Waits until the target has had `patience` since any of the request last
    /// went out.
    pub(super) async fn silence(&self, patience: Duration) {
        loop {
            let moved = self.began + Duration::from_micros(self.moved.load(Ordering::Relaxed));
            if moved.elapsed() >= patience {
                return;
            }
            tokio::time::sleep_until(moved + patience).await;
        }
    }

    fn capture(&self, what: impl FnOnce(&mut Capture)) {
        if let Some(capture) = &self.capture {
            what(&mut capture.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn account(&self) -> MutexGuard<'_, TunnelRequest> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchanges {
    /// Watchers hear of it.
    fn tell(&self, account: &TunnelRequest) {
        if self.watchers.receiver_count() > 0 {
            // The last of them may have gone just now.
            let _ = self.watchers.send(account.clone());
        }
    }

    fn keep(&self, tunnel: &Tunnel, account: &TunnelRequest, capture: Option<Capture>) {
        if let Some(capture) = capture {
            self.inspector.keep(Stored { profile: tunnel.profile, summary: account.clone(), capture });
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let Self { exchanges, tunnel, account, .. } = self;
        let account = account.get_mut().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut account.open) && account.error.is_none() {
            account.error = Some("given up before its end".into());
        }
        account.micros = micros(self.began.elapsed());
        account.request_bytes = *self.up.get_mut();
        account.response_bytes = *self.down.get_mut();
        tunnel.meter().went(account.error.is_some());
        exchanges.tell(account);
        let capture =
            self.capture.take().map(|capture| capture.into_inner().unwrap_or_else(PoisonError::into_inner));
        exchanges.keep(tunnel, account, capture);
        let waits = self.waits.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waits) = waits {
            // Whoever replayed it may be gone.
            let _ = waits.send(account.clone());
        }
    }
}

impl Tunnel {
    fn meter(&self) -> &Meter {
        &self.life.meter
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
