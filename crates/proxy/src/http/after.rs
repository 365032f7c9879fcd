//! Something to do once an answer is on its way: the ownership challenge must
//! not reach a worker before the secret it is to be answered with.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Calls `then` when the server is done with the answer's body: all of it was
/// handed to the connection, or the connection broke.
pub(crate) fn after(response: Response, then: impl FnOnce() + Send + 'static) -> Response {
    response.map(|body| Body::new(Watched { body, _then: OnDrop(Some(Box::new(then))) }))
}

struct Watched {
    body: Body,
    _then: OnDrop,
}

struct OnDrop(Option<Box<dyn FnOnce() + Send>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then();
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
