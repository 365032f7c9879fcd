//! WebSockets: a visitor's upgrade, or over HTTP/2 its extended CONNECT (RFC
//! 8441), becomes a stream of raw bytes to the worker (extended CONNECT too), and
//! both are joined. Any other upgrade is declined: the request is answered as if
//! it had not asked for one (RFC 9110, section 7.8).

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
use hyper::ext::Protocol;
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
    handshake: Handshake,
}

/// How it is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handshake {
    /// By an upgrade (RFC 6455).
    Upgrade,
    /// By extended CONNECT (RFC 8441): without a key, and a 2xx says yes.
    Connect,
}

/// Whether a WebSocket is asked for.
pub(super) fn asked(head: &mut Parts) -> Option<Asked> {
    let handshake = if connects(head) {
        Handshake::Connect
    } else if head.method == Method::GET
        && head.version == Version::HTTP_11
        && lists(&head.headers, &CONNECTION, "upgrade")
        && lists(&head.headers, &UPGRADE, "websocket")
    {
        Handshake::Upgrade
    } else {
        return None;
    };
    Some(Asked { on_upgrade: head.extensions.remove::<OnUpgrade>()?, handshake })
}

/// Whether it is an extended CONNECT for a WebSocket.
pub(super) fn connects(head: &Parts) -> bool {
    let protocol = head.extensions.get::<Protocol>().map(Protocol::as_str);
    head.method == Method::CONNECT && head.version == Version::HTTP_2 && protocol == Some("websocket")
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
        let said = |name: &HeaderName| visit.head.headers.get(name).map(HeaderValue::as_bytes);
        let accept = said(&SEC_WEBSOCKET_KEY).and_then(websocket_accept);
        let lacks_key = asked.handshake == Handshake::Upgrade && accept.is_none();
        if lacks_key || said(&SEC_WEBSOCKET_VERSION) != Some(b"13") {
            let failure = Failure::new(ErrorCode::BadRequest, "a WebSocket needs a key, and version 13");
            return Err(failure.with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
        }
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
            // Over HTTP/2 it would say yes.
            Err(_) if asked.handshake == Handshake::Connect && told.status.is_success() => {
                return Err(Failure::no_websocket());
            }
            Err(body) => {
                let refusal = Response::from_parts(told, body);
                let rules = &rules.options.response_headers;
                return Ok(passed_on(refusal, exchange, hangup, rules, wanted, id).await);
            }
        };
        exchange.answered(StatusCode::SWITCHING_PROTOCOLS, &told.headers);
        head::up(&mut told.headers, &rules.options.response_headers);
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = told.headers;
        if let (Handshake::Upgrade, Some(accept)) = (asked.handshake, accept) {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        self.tasks.spawn(join(asked.on_upgrade, stream, exchange));
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
