//! WebSockets: a visitor's upgrade becomes a stream of raw bytes to the worker
//! (extended CONNECT, RFC 8441), and both are joined. Any other upgrade is
//! declined: the request is answered as if it had not asked for one (RFC 9110,
//! section 7.8).

use super::exchange::Exchange;
use super::page::{Failure, Wanted};
use super::{Front, Visit, head, hung_up, passed_on, unanswered};
use crate::http::error::chain;
use axum::body::Body;
use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use postern_protocol::ErrorCode;
use postern_tunnel::{Link, TunnelStream, websocket_accept};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is read at once of either side, in bytes.
const BUFFER: usize = 32 << 10;

/// A visitor's wish for a WebSocket.
pub(super) struct Asked {
    on_upgrade: OnUpgrade,
    key: Option<HeaderValue>,
    version: Option<HeaderValue>,
}

/// Whether a WebSocket is asked for.
pub(super) fn asked(head: &mut Parts) -> Option<Asked> {
    let upgrades = lists(&head.headers, &CONNECTION, "upgrade");
    if head.method != Method::GET
        || head.version != Version::HTTP_11
        || !upgrades
        || !lists(&head.headers, &UPGRADE, "websocket")
    {
        return None;
    }
    let on_upgrade = head.extensions.remove::<OnUpgrade>()?;
    let one = |name: &HeaderName| head.headers.get(name).cloned();
    Some(Asked { on_upgrade, key: one(&SEC_WEBSOCKET_KEY), version: one(&SEC_WEBSOCKET_VERSION) })
}

/// Whether a comma-separated header has `token`, in any case.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
}

impl Front {
    pub(super) async fn websocket(
        &self,
        visit: Visit,
        asked: Asked,
        link: &Link,
        exchange: Arc<Exchange>,
    ) -> Result<Response<Body>, Failure> {
        if visit.tunnel.options.only_signed.is_some() {
            return Err(Failure::denied("only signed requests get through, and nobody signs a WebSocket"));
        }
        let accept = asked.key.as_ref().and_then(|key| websocket_accept(key.as_bytes()));
        let (Some(accept), Some(b"13")) = (accept, asked.version.as_ref().map(HeaderValue::as_bytes)) else {
            let failure = Failure::new(ErrorCode::BadRequest, "a WebSocket needs a key, and version 13");
            return Err(failure.with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
        };
        let (id, wanted) = (visit.id, Wanted::of(&visit.head.headers));
        let (name, rules) = (visit.tunnel.name.clone(), visit.tunnel.clone());
        let hangup = visit.connection.hangup.clone();
        let head = head::down(visit)?;
        let response = tokio::select! {
            sent = link.connect(Request::from_parts(head, ()), "websocket") => {
                sent.map_err(|error| unanswered(&error, &name))?
            }
            () = hung_up(hangup.as_ref()) => return Err(Failure::new(ErrorCode::BodyIncomplete, "the visitor hung up")),
            () = exchange.idle() => return Err(Failure::late()),
        };
        let (mut told, stream) = response.into_parts();
        let stream = match stream {
            Ok(stream) => stream,
            Err(body) => {
                let refusal = Response::from_parts(told, body);
                let rules = &rules.options.response_headers;
                return Ok(passed_on(refusal, exchange, hangup, rules, wanted, id).await);
            }
        };
        exchange.answered(StatusCode::SWITCHING_PROTOCOLS, &told.headers);
        head::up(&mut told.headers, &rules.options.response_headers);
        let headers = &mut told.headers;
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        self.tasks.spawn(join(asked.on_upgrade, stream, exchange));
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = told.headers;
        Ok(response)
    }
}

/// Joins both ends until either is done, or nothing moves for too long.
async fn join(on_upgrade: OnUpgrade, mut stream: TunnelStream, exchange: Arc<Exchange>) {
    let upgraded = match on_upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => return tracing::debug!(error = %chain(&error), "no WebSocket came about"),
    };
    let mut visitor = Counted { io: TokioIo::new(upgraded), exchange: exchange.clone() };
    tokio::select! {
        ended = tokio::io::copy_bidirectional_with_sizes(&mut visitor, &mut stream, BUFFER, BUFFER) => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a WebSocket broke");
            }
        }
        () = exchange.idle() => tracing::debug!("a WebSocket was ended: nothing moved for too long"),
    }
}

/// The visitor's end, whose bytes are counted.
struct Counted<T> {
    io: T,
    exchange: Arc<Exchange>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        if polled.is_ready() {
            self.exchange.came(buffer.filled().len() - before);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = &polled {
            self.exchange.went(*written);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
