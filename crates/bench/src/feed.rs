//! A proxy for `scripts/bench-ui`: it says yes to a worker, and posts signed
//! deliveries to it at the rate it is told. What a real proxy does besides
//! would take the processors from the app that is measured.
//!
//! It prints its address. `POST /send/{count}/{rate}` has it send so many to
//! the worker that registered last, so many a second (0: as fast as they are
//! answered), and is answered when they are sent, by how many seconds it took.

use crate::load::{Post, Sender, connect};
use crate::{Result, worker};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Connections, each with one delivery under way.
const LANES: usize = 32;

/// Who the deliveries go to, once a worker has registered.
type To = watch::Receiver<Option<Arc<Post>>>;

/// Runs until it is ended.
///
/// # Errors
/// When there is no port to listen on.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let (registered, to) = watch::channel(None);
    let control = Router::new().route("/send/{count}/{rate}", post(asked)).with_state(to);
    let mut registrations = worker::say_yes(listener, control);
    loop {
        let uri = worker::receiver(&mut registrations).await?;
        registered.send_replace(Some(Arc::new(Post::new(Sender::Proxy, uri))));
    }
}

async fn asked(
    State(to): State<To>,
    Path((count, rate)): Path<(usize, f64)>,
) -> std::result::Result<String, (StatusCode, String)> {
    let Some(post) = to.borrow().clone() else {
        return Err((StatusCode::CONFLICT, "no worker has registered".to_owned()));
    };
    let began = Instant::now();
    match send(&post, count, rate).await {
        Ok(()) => Ok(began.elapsed().as_secs_f64().to_string()),
        Err(error) => Err((StatusCode::BAD_GATEWAY, error.to_string())),
    }
}

/// Posts `count` deliveries, `rate` a second.
async fn send(post: &Arc<Post>, count: usize, rate: f64) -> Result<()> {
    let (began, next) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let mut lanes = JoinSet::new();
    for _ in 0..LANES {
        let (post, next) = (Arc::clone(post), Arc::clone(&next));
        lanes.spawn(async move {
            let mut connection = connect(&post.uri).await?;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return Ok::<_, Box<dyn std::error::Error + Send + Sync>>(());
                }
                if rate > 0.0 {
                    sleep_until(began + Duration::from_secs_f64(n as f64 / rate)).await;
                }
                post.send(&mut connection).await?;
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane??;
    }
    Ok(())
}
