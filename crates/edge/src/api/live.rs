//! Live changes for one client: batches, at most 60 a second.
//!
//! Each client reads from the history at its own pace from its own cursor, so
//! that a slow one misses nothing and holds nobody up.

use super::{Changes, Live, LiveRequests, Status, TunnelRequest};
use crate::EdgeHandle;
use crate::state::Shared;
use futures_util::Stream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

/// The least time between two batches.
const INTERVAL: Duration = Duration::from_millis(17);
/// How long to wait when the history does not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// So many requests through public tunnels at most in one batch.
const REQUESTS: usize = 200;

/// The status first, then changes after `cursor`, and the status whenever it
/// changes. Ends with the edge.
pub(crate) fn stream(edge: &EdgeHandle, cursor: Option<u64>) -> impl Stream<Item = Live> + Send + use<> {
    let shared = &edge.current().shared;
    let client = Client {
        edge: edge.clone(),
        other: false,
        cursor: cursor.unwrap_or_else(|| shared.history.committed().borrow().seq.unsigned_abs()),
        committed: shared.history.committed(),
        changed: shared.changed.subscribe(),
        shown: None,
        last: None,
        more: cursor.is_some(),
        requests: shared.exchanges.watch(),
        gathered: LiveRequests { rows: Vec::new(), missed: 0 },
        shared: Arc::clone(shared),
    };
    futures_util::stream::unfold(client, |mut client| async move {
        client.next().await.map(|live| (live, client))
    })
}

struct Client {
    edge: EdgeHandle,
    /// The profile that was shown at the last look.
    shared: Arc<Shared>,
    /// Whether it is another one since the last batch.
    other: bool,
    cursor: u64,
    committed: watch::Receiver<crate::history::Committed>,
    changed: watch::Receiver<u64>,
    /// The status last sent, without what moves all the time.
    shown: Option<Status>,
    /// When the last batch went out.
    last: Option<Instant>,
    /// Whether the history has more for us already.
    more: bool,
    requests: broadcast::Receiver<TunnelRequest>,
    /// Those for the next batch.
    gathered: LiveRequests,
}

impl Client {
    async fn next(&mut self) -> Option<Live> {
        loop {
            if let Some(last) = self.last {
                tokio::time::sleep_until(last + INTERVAL).await;
            }
            // Marked as seen before the look, so that no change is missed.
            self.changed.borrow_and_update();
            let newest = self.committed.borrow_and_update().seq.unsigned_abs();
            self.other |= self.follow();
            let live = if self.more || newest != self.cursor { self.changes().await } else { Some(None) };
            let Some(changes) = live else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let changes = if std::mem::take(&mut self.other) { Some(self.afresh(changes)) } else { changes };
            let (status, requests) = (self.status(), self.requests());
            if changes.is_some() || status.is_some() || requests.is_some() {
                self.last = Some(Instant::now());
                return Some(Live { changes, status, requests });
            }
            tokio::select! {
                changed = self.committed.changed() => changed.ok()?,
                changed = self.changed.changed() => changed.ok()?,
                request = self.requests.recv() => match request {
                    Ok(request) => self.gathered.rows.push(request),
                    Err(RecvError::Lagged(missed)) => self.gathered.missed += missed,
                    Err(RecvError::Closed) => return None,
                },
                () = self.shared.stopping.cancelled() => return None,
            }
        }
    }

    /// Takes up the profile that is shown; says whether it is another.
    fn follow(&mut self) -> bool {
        let shown = self.edge.current().shared;
        let other = !Arc::ptr_eq(&shown, &self.shared);
        if other {
            self.requests = shown.exchanges.watch();
        }
        self.shared = shown;
        other
    }

    /// Says that what was shown is another profile's.
    fn afresh(&self, changes: Option<Changes>) -> Changes {
        match changes {
            Some(changes) => Changes { reset: true, ..changes },
            None => Changes { rows: Vec::new(), cursor: self.cursor, more: false, reset: true },
        }
    }

    /// The next changes, if there are any; `None` when the history does not answer.
    async fn changes(&mut self) -> Option<Option<Changes>> {
        let profile = self.shared.profile_id().unwrap_or(0);
        match self.shared.history.since(profile, self.cursor).await {
            Ok(changes) => {
                self.cursor = changes.cursor;
                self.more = changes.more;
                Some((!changes.rows.is_empty() || changes.reset).then_some(changes))
            }
            Err(e) => {
                tracing::warn!(error = %e, "live changes wait for the history");
                None
            }
        }
    }

    /// The requests through public tunnels since the last batch.
    fn requests(&mut self) -> Option<LiveRequests> {
        loop {
            match self.requests.try_recv() {
                Ok(request) if self.gathered.rows.len() < REQUESTS => self.gathered.rows.push(request),
                Ok(_) => self.gathered.missed += 1,
                Err(TryRecvError::Lagged(missed)) => self.gathered.missed += missed,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let none = LiveRequests { rows: Vec::new(), missed: 0 };
        let gathered = std::mem::replace(&mut self.gathered, none);
        (!gathered.rows.is_empty() || gathered.missed > 0).then_some(gathered)
    }

    /// The status, when it has changed in more than time and cursor.
    fn status(&mut self) -> Option<Status> {
        let status = self.shared.status();
        let still = Status { now: Default::default(), cursor: 0, ..status.clone() };
        if self.shown.as_ref() == Some(&still) {
            return None;
        }
        self.shown = Some(still);
        Some(status)
    }
}
