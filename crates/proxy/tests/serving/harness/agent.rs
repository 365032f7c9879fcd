use super::receiver::{Received, Reply};
use super::{Proxy, Registered, soon};
use http::Response;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use postern_protocol::Secret;
use postern_protocol::api::{RegisterResponse, WorkerState};
use postern_proxy::store::Store;
use postern_tunnel::{
    Agent, AgentConfig, AgentHandle, Carrier, Dialer, DownReason, Hello, Proxies, State, Timing, Tls,
    TunnelBody,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A worker behind NAT: an agent of the transport, whose handler takes
/// deliveries as a [`super::Receiver`] would.
pub(crate) struct Tunnel {
    pub(crate) agent: AgentHandle,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    deliveries: mpsc::UnboundedReceiver<(Uri, Received)>,
    _stop: DropGuard,
}

impl Tunnel {
    /// Dials the proxy's listener, by the upgrade first.
    pub(crate) fn to(proxy: &Proxy, credential: &Secret) -> Self {
        let dialer =
            Dialer::new(&format!("http://{}", proxy.address), Proxies::none(), Tls::new(vec![]).unwrap());
        Self::dial(dialer.unwrap(), credential, None)
    }

    pub(crate) fn dial(dialer: Dialer, credential: &Secret, carrier: Option<Carrier>) -> Self {
        let (sender, deliveries) = mpsc::unbounded_channel();
        let replies: Arc<Mutex<VecDeque<Reply>>> = Arc::default();
        let answers = replies.clone();
        let handler = move |request: Request<TunnelBody>| {
            let (sender, answers) = (sender.clone(), answers.clone());
            async move { answer(request, &sender, &answers).await }
        };
        let config = AgentConfig {
            credential: credential.clone(),
            hello: Hello { software: "test/1".into(), ..Hello::default() },
            carrier,
            timing: Timing::default(),
            jitter: Arc::new(|| 0.0),
        };
        let (agent, handle) = Agent::new(dialer, config, handler);
        let stop = CancellationToken::new();
        tokio::spawn(agent.run(stop.clone()));
        Self { agent: handle, replies, deliveries, _stop: stop.drop_guard() }
    }

    /// The next deliveries are answered so, one after the other.
    pub(crate) fn replies(&self, replies: impl IntoIterator<Item = Reply>) {
        self.replies.lock().unwrap().extend(replies);
    }

    pub(crate) async fn up(&self) -> Carrier {
        let mut state = self.agent.state();
        let up = soon("a tunnel", state.wait_for(|state| matches!(state, State::Up { .. }))).await.unwrap();
        let State::Up { carrier, .. } = &*up else { unreachable!("waited for it") };
        *carrier
    }

    /// Why there is no tunnel, the next time there is none.
    pub(crate) async fn down(&self) -> DownReason {
        let mut state = self.agent.state();
        let down = soon("a tunnel's end", state.wait_for(|s| matches!(s, State::Down { .. }))).await.unwrap();
        let State::Down { reason, .. } = &*down else { unreachable!("waited for it") };
        reason.clone()
    }

    /// The next delivery, and where it was posted.
    pub(crate) async fn posted(&mut self) -> (Uri, Received) {
        soon("a delivery through the tunnel", self.deliveries.recv()).await.unwrap()
    }

    pub(crate) async fn delivery(&mut self) -> Received {
        self.posted().await.1
    }

    /// What arrived and was not asked for yet.
    pub(crate) fn unasked(&mut self) -> usize {
        std::iter::from_fn(|| self.deliveries.try_recv().ok()).count()
    }
}

async fn answer(
    request: Request<TunnelBody>,
    sender: &mpsc::UnboundedSender<(Uri, Received)>,
    replies: &Mutex<VecDeque<Reply>>,
) -> Response<Full<bytes::Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Response::new(Full::default());
    };
    if head.headers.get("postern-kind").is_some_and(|kind| kind == "ping") {
        return Response::new(Full::default());
    }
    let _ = sender.send((head.uri, Received { headers: head.headers, body: body.to_bytes() }));
    let next = replies.lock().unwrap().pop_front();
    match next {
        None => Response::new(Full::default()),
        Some(Reply::Hang) => std::future::pending().await,
        Some(Reply::Status(status, headers, body)) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Full::new(body)).unwrap()
        }
    }
}

impl Proxy {
    /// Registers a worker without an address.
    pub(crate) async fn register_without_url(&self) -> Registered {
        let mut request = self.registration("");
        request.as_object_mut().unwrap().remove("webhookUrl");
        let answer = self.register_with(&request, None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let registered: RegisterResponse = answer.json();
        assert_eq!(registered.state, WorkerState::Active);
        Registered { id: registered.worker_id, credential: registered.credential, secret: registered.secret }
    }

    pub(crate) async fn store_state(&self, worker: &Registered) -> WorkerState {
        self.store.worker(worker.id).await.unwrap().unwrap().state
    }
}
