//! The design that Postern replaces: a server that keeps a stream open to each
//! listener and pushes what came in as a line of JSON. Nothing is stored; what
//! nobody listens to is gone.

use crate::load::{SECRET, connect};
use crate::proxy::Arrivals;
use crate::{Result, process::Process};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use postern_protocol::dedupe::LINEAR_DELIVERY;
use postern_protocol::signature::linear;
use postern_protocol::{HeaderList, Secret};
use serde_json::value::RawValue;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;

#[derive(Default)]
struct Hub {
    listeners: Mutex<Vec<mpsc::UnboundedSender<Bytes>>>,
}

#[derive(serde::Deserialize, serde::Serialize)]
struct Line<'l> {
    id: &'l str,
    #[serde(borrow)]
    body: &'l RawValue,
}

/// Serves on a free loopback port and prints its address, until killed.
///
/// # Errors
/// When it cannot listen.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    let app = Router::new().route("/", post(take)).route("/stream", get(stream));
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // A line waits for nothing.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, app.with_state(Arc::<Hub>::default())).await?)
}

async fn take(State(hub): State<Arc<Hub>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let list: HeaderList = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let verified = linear::verify(&[Secret::new(SECRET)], &list, &body, None);
    let (Ok(_), Some(id), Ok(body)) = (verified, list.get(LINEAR_DELIVERY), serde_json::from_slice(&body))
    else {
        return StatusCode::UNAUTHORIZED;
    };
    let Ok(mut line) = serde_json::to_vec(&Line { id, body }) else { return StatusCode::BAD_REQUEST };
    line.push(b'\n');
    let line = Bytes::from(line);
    hub.listeners
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .retain(|listener| listener.send(line.clone()).is_ok());
    StatusCode::OK
}

async fn stream(State(hub): State<Arc<Hub>>) -> Response {
    let (listener, lines) = mpsc::unbounded_channel();
    hub.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    let lines = futures_util::stream::unfold(lines, async |mut lines| {
        lines.recv().await.map(|line| (Ok::<_, Infallible>(line), lines))
    });
    Response::new(Body::from_stream(lines))
}

/// Starts it, and listens to it; where to post.
///
/// # Errors
/// When it does not start.
pub(crate) async fn start() -> Result<(Process, Uri, Arrivals)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("ndjson");
    let mut process = Process::start(command)?;
    let uri: Uri = format!("http://{}/", process.line().await?).parse()?;
    let (arrived, arrivals) = mpsc::unbounded_channel();
    let host = uri.authority().map_or("", |a| a.as_str());
    let request = Request::get("/stream").header("host", host).body(Full::new(Bytes::new()))?;
    let mut connection = connect(&uri).await?;
    let mut stream = connection.send_request(request).await?.into_body();
    tokio::spawn(async move {
        // The connection lives as long as its sender.
        let _connection = connection;
        let mut rest = Vec::new();
        while let Some(Ok(frame)) = stream.frame().await {
            rest.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
            let mut read = 0;
            for line in rest.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
                read += line.len();
                if let Ok(line) = serde_json::from_slice::<Line<'_>>(line) {
                    // Nobody listens any more: the measurement is over.
                    let _ = arrived.send((line.id.to_owned(), Instant::now()));
                }
            }
            rest.drain(..read);
        }
    });
    Ok((process, uri, arrivals))
}
