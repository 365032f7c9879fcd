//! `Expect: 100-continue`, through the tunnel: a request whose body waits until
//! somebody at the far end wants it (RFC 9110, section 10.1.1).

use h2::RecvStream;
use h2::client::ResponseFuture;
use http::header::{EXPECT, HeaderMap};
use http::{Request, Response, StatusCode};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

/// Whether a request's body waits to be asked for.
pub(crate) fn awaited(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// At the agent: lets the body of a request come that waits for it. It is among
/// the extensions of such a request. A cheap clone; the first word counts.
#[derive(Clone, Debug, Default)]
pub struct GoAhead(Arc<Notify>);

impl GoAhead {
    /// The body is wanted: the target said `100 Continue`.
    pub fn give(&self) {
        self.0.notify_one();
    }

    pub(crate) async fn given(&self) {
        self.0.notified().await;
    }
}

/// At the proxy: what listens for the go-ahead, and what waits for it.
pub(crate) fn of<B>(request: &Request<B>) -> (Asked, Awaited) {
    let (sender, receiver) = awaited(request.headers()).then(oneshot::channel).unzip();
    (Asked(sender), Awaited(receiver))
}

/// A request under way, perhaps one whose body waits.
pub(crate) struct Asked(Option<oneshot::Sender<()>>);

impl Asked {
    /// The answer, and the go-ahead before it.
    pub(crate) async fn answer(
        self,
        mut response: ResponseFuture,
    ) -> Result<Response<RecvStream>, h2::Error> {
        let Some(go_ahead) = self.0 else { return response.await };
        while let Some(interim) = poll_fn(|context| response.poll_informational(context)).await {
            if interim?.status() == StatusCode::CONTINUE {
                // Its patience may have run out, or the body be gone.
                let _ = go_ahead.send(());
                return response.await;
            }
        }
        let response = response.await?;
        // Who is content already may read it all the same.
        if response.status().is_success() {
            let _ = go_ahead.send(());
        }
        Ok(response)
    }
}

/// A body that may have to wait.
pub(crate) struct Awaited(Option<oneshot::Receiver<()>>);

impl Awaited {
    /// Waits, as long as there is `patience`; `false`: the answer was no before
    /// the body was wanted.
    pub(crate) async fn given(self, patience: Duration) -> bool {
        match self.0 {
            None => true,
            Some(go_ahead) => !matches!(timeout(patience, go_ahead).await, Ok(Err(_))),
        }
    }
}
