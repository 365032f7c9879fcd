//! The other way to a worker: through its tunnel, in this process. The request
//! is the one that would have gone over HTTP; what comes of it is told apart in
//! the same terms. Without a tunnel there is no connection.

use super::client::{Answer, Unanswered};
use crate::http::error::chain;
use crate::tunnel::Directory;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use postern_protocol::api::TUNNEL_DELIVERY_URI;
use postern_protocol::id::WorkerId;
use postern_tunnel::SendError;
use std::sync::Arc;
use std::time::Duration;

/// Posts to workers through their tunnels.
#[derive(Clone)]
pub(crate) struct Tunnelled {
    directory: Arc<dyn Directory>,
    timeout: Duration,
}

impl Tunnelled {
    /// Waits `timeout` for an answer's head.
    pub(crate) fn new(directory: Arc<dyn Directory>, timeout: Duration) -> Self {
        Self { directory, timeout }
    }

    /// Which of the worker's tunnels is up, if one is: a later one has a higher
    /// number.
    pub(crate) fn epoch(&self, worker: WorkerId) -> Option<u64> {
        self.directory.link(worker).map(|link| link.epoch())
    }

    /// Posts once.
    pub(crate) async fn post(
        &self,
        worker: WorkerId,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Unanswered> {
        let Some(link) = self.directory.link(worker) else {
            return Err(Unanswered::Connect("the worker's tunnel is not up".to_owned()));
        };
        let length = HeaderValue::from(body.len());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static(TUNNEL_DELIVERY_URI);
        *request.headers_mut() = headers;
        // As over HTTP, where the client sets it.
        request.headers_mut().insert(header::CONTENT_LENGTH, length);
        let sending = tokio::time::timeout(self.timeout, link.send(request));
        let response = sending.await.map_err(|_| Unanswered::late(self.timeout))?;
        Ok(Answer::read(response.map_err(|error| classify(&error))?, true).await)
    }
}

fn classify(error: &SendError) -> Unanswered {
    let text = chain(error);
    match error {
        SendError::NotSent(_) | SendError::Refused => Unanswered::Connect(format!("no tunnel: {text}")),
        SendError::Lost(_) | SendError::Reset(_) => {
            Unanswered::Timeout(format!("the tunnel broke before an answer came: {text}"))
        }
        SendError::Invalid(_) | SendError::InvalidTarget(_) => Unanswered::Unsendable(text),
    }
}
