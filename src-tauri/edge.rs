//! The edge that the app works with: one in this process or, where another
//! program's runs on the data folder already (`postern serve`, the app of
//! another session), that one. When the other ends, the app takes the folder
//! and goes on with its own; what it shows and tells continues at the change
//! where the other ended.

mod start;
mod state;
mod work;

pub(crate) use start::{EdgeError, causes};
pub(crate) use state::EdgeState;
pub(crate) use work::{replay, set_tunnel_on, toggle_pause};

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use postern_edge::api::{self, ApiError, Live};
use postern_edge::attach::{Client, UNREACHABLE};
use postern_edge::{EdgeConfig, EdgeHandle};
use serde_json::Value;
use start::Found;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tauri::async_runtime::JoinHandle;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

/// How long a call waits for an edge, between two.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before trying again to start one.
const AGAIN: Duration = Duration::from_secs(2);

/// Which edge answers.
#[derive(Clone)]
enum Which {
    /// The one in this process.
    Own(EdgeHandle),
    /// Another program's.
    Other(Client),
    /// None, between two; and why none starts, once that was tried.
    Neither(Option<String>),
}

/// What everything in the shell talks to; cheap to clone.
#[derive(Clone)]
pub(crate) struct CurrentEdge {
    config: Arc<EdgeConfig>,
    which: watch::Sender<Which>,
    stop: CancellationToken,
    /// The task that the edge in this process runs in.
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl CurrentEdge {
    /// Between two edges until [`CurrentEdge::begin`] has found the first.
    pub(crate) fn new(config: EdgeConfig) -> Self {
        Self {
            config: Arc::new(config),
            which: watch::Sender::new(Which::Neither(None)),
            stop: CancellationToken::new(),
            task: Arc::default(),
        }
    }

    /// Starts the edge that the configuration describes, or attaches to the
    /// one that runs; neither, when this is stopped meanwhile.
    ///
    /// # Errors
    /// When neither can be done.
    pub(crate) async fn begin(&self) -> Result<(), EdgeError> {
        tokio::select! {
            found = start::find(&self.config) => self.take(found?).await,
            () = self.stop.cancelled() => {}
        }
        Ok(())
    }

    /// One that has begun.
    #[cfg(test)]
    pub(crate) async fn of(config: EdgeConfig) -> Result<Self, EdgeError> {
        let edge = Self::new(config);
        edge.begin().await?;
        Ok(edge)
    }

    /// Calls an operation of the edge's table. Between two edges it waits for
    /// the next, or for the reason why none starts.
    ///
    /// # Errors
    /// The operation's own; `edge.unreachable` when no edge starts.
    pub(crate) async fn call(&self, op: &str, args: Value) -> Result<Value, ApiError> {
        let mut which = self.which.subscribe();
        let there = which.wait_for(|which| !matches!(which, Which::Neither(None)));
        // Cloned, so that nothing is held while the operation runs.
        let which = match tokio::time::timeout(PATIENCE, there).await {
            Ok(Ok(which)) => which.clone(),
            _ => self.which.borrow().clone(),
        };
        match which {
            Which::Own(edge) => api::call(&edge, op, args).await,
            Which::Other(client) => client.call(op, args).await,
            Which::Neither(problem) => {
                let why = problem.map(|why| format!(": {why}")).unwrap_or_default();
                Err(ApiError {
                    code: UNREACHABLE.to_owned(),
                    message: format!("Postern's worker on this machine has ended, and none starts{why}"),
                    retryable: true,
                })
            }
        }
    }

    /// How it stands now, and whenever that changes.
    pub(crate) fn states(&self) -> impl Stream<Item = EdgeState> + Send + use<> {
        stream::unfold((self.which.subscribe(), true), |(mut which, first)| async move {
            if !first {
                which.changed().await.ok()?;
            }
            let state = EdgeState::of(&which.borrow_and_update());
            Some((state, (which, false)))
        })
    }

    /// How it stands now.
    pub(crate) fn state(&self) -> EdgeState {
        EdgeState::of(&self.which.borrow())
    }

    /// The data folder, this app's and the other program's.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    /// What changes, whichever edge answers: of each the status first, and of
    /// the next one everything after what the last one told. Ends when this
    /// is stopped.
    pub(crate) fn live(&self) -> impl Stream<Item = Live> + Send + use<> {
        let follower = Follower { edge: self.clone(), reading: Reading::after(None) };
        stream::unfold(follower, |mut follower| async move {
            let live = follower.next().await?;
            Some((live, follower))
        })
    }

    /// The same from `cursor` on, for one who reads at its own pace. It goes
    /// from one edge to the next when [`CurrentEdge::live`] has found that.
    pub(crate) fn live_after(&self, cursor: u64) -> impl Stream<Item = Live> + Send + use<> {
        let which = self.which.subscribe();
        let listener = Listener { which, reading: Reading::after(Some(cursor)), stop: self.stop.clone() };
        stream::unfold(listener, |mut listener| async move {
            let live = listener.next().await?;
            Some((live, listener))
        })
    }

    /// Stops an edge of our own and waits until what has begun is finished,
    /// for as long as the edge allows. Another program's goes on. Stopping
    /// twice waits for the first.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.ended().await;
    }

    /// Waits for the end of an edge of our own.
    async fn ended(&self) {
        let mut task = self.task.lock().await;
        if let Some(running) = task.take()
            && let Err(problem) = running.await
        {
            tracing::error!(%problem, "the edge did not end well");
        }
    }

    /// Goes on with what was found.
    async fn take(&self, found: Found) {
        match found {
            Found::Own(handle, edge) => {
                let running = tauri::async_runtime::spawn(edge.run(self.stop.clone()));
                *self.task.lock().await = Some(running);
                self.which.send_replace(Which::Own(handle));
            }
            Found::Other(client) => {
                tracing::info!(
                    process = client.pid(),
                    program = client.program(),
                    "attached to a running edge"
                );
                self.which.send_replace(Which::Other(client));
            }
        }
    }

    /// Finds the next edge, however long it takes. `false` when there shall
    /// be none any more.
    async fn succeed(&self) -> bool {
        self.ended().await;
        loop {
            if self.stop.is_cancelled() {
                return false;
            }
            match start::find(&self.config).await {
                Ok(found) => {
                    self.take(found).await;
                    return true;
                }
                Err(problem) => {
                    let why = causes(&problem);
                    tracing::warn!(%why, "no edge");
                    self.which.send_replace(Which::Neither(Some(why)));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                () = self.stop.cancelled() => return false,
            }
        }
    }
}

/// Reads one edge's changes after the other's.
struct Follower {
    edge: CurrentEdge,
    reading: Reading,
}

impl Follower {
    async fn next(&mut self) -> Option<Live> {
        loop {
            if let Some(live) = self.reading.next(|| self.edge.which.borrow().clone()).await {
                return Some(live);
            }
            self.edge.which.send_if_modified(|which| {
                let ended = !matches!(which, Which::Neither(_));
                *which = Which::Neither(None);
                ended
            });
            if !self.edge.succeed().await {
                return None;
            }
        }
    }
}

/// Reads whichever edge there is, and finds none.
struct Listener {
    which: watch::Receiver<Which>,
    reading: Reading,
    stop: CancellationToken,
}

impl Listener {
    async fn next(&mut self) -> Option<Live> {
        loop {
            if let Some(live) = self.reading.next(|| self.which.borrow_and_update().clone()).await {
                return Some(live);
            }
            tokio::select! {
                changed = self.which.changed() => changed.ok()?,
                () = self.stop.cancelled() => return None,
            }
        }
    }
}

/// One edge's changes after another's.
struct Reading {
    /// Up to where they are told; absent before the first status.
    cursor: Option<u64>,
    /// Of the present edge.
    changes: Option<BoxStream<'static, Live>>,
}

impl Reading {
    fn after(cursor: Option<u64>) -> Self {
        Self { cursor, changes: None }
    }

    /// The next of the edge that is read, or, where none is, of the `present`
    /// one; `None` when that has ended, or there is none.
    async fn next(&mut self, present: impl FnOnce() -> Which) -> Option<Live> {
        if self.changes.is_none() {
            self.changes = changes(present(), self.cursor).await;
        }
        let Some(live) = self.changes.as_mut()?.next().await else {
            self.changes = None;
            return None;
        };
        let status = live.status.as_ref().map(|status| status.cursor);
        let told = live.changes.as_ref().map(|changes| changes.cursor);
        self.cursor = told.or(self.cursor).or(status);
        Some(live)
    }
}

/// What an edge changes after `cursor`, until it ends; none when it has.
async fn changes(which: Which, cursor: Option<u64>) -> Option<BoxStream<'static, Live>> {
    match which {
        Which::Own(edge) => Some(edge.live(cursor).boxed()),
        Which::Other(client) => {
            let live = client.live(cursor, None).await.ok()?;
            Some(live.scan((), |(), live| std::future::ready(live.ok())).boxed())
        }
        Which::Neither(_) => None,
    }
}

#[cfg(test)]
mod tests;
