//! WebSockets, and whatever else a request upgrades to: the handshake goes on
//! as HTTP/1, the bytes after it as they are.

use super::exchange::Exchange;
use super::pool::{Pool, SendError, Sender};
use super::{body::Upload, head};
use axum::body::Body;
use axum::response::Response;
use http::header::SEC_WEBSOCKET_KEY;
use http::request::Parts;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use postern_tunnel::OnStream;
use std::io::Result as IoResult;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the target said to an upgrade.
pub(super) enum Upgraded {
    /// Yes; the bytes go both ways from now on.
    Accepted(Response),
    /// No, or something else: its answer.
    Refused(http::Response<Incoming>, Sender),
}

/// Asks the target for what the visitor asked for.
pub(super) async fn upgrade(
    parts: Parts,
    offered: OnStream,
    pool: &Pool,
    keep_host: bool,
    exchange: &Arc<Exchange>,
) -> Result<Upgraded, SendError> {
    let own_key = !parts.headers.contains_key(SEC_WEBSOCKET_KEY);
    let request = head::upgrade(parts, pool.origin()?, keep_host, offered.protocol());
    let request: Request<Upload> = request.map(|()| Upload::Empty);
    exchange.asked(request.headers());
    let mut sender = pool.connect().await?;
    exchange.connected();
    let mut response = sender.send_request(request).await.map_err(SendError::Unanswered)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Upgraded::Refused(response, sender));
    }
    exchange.answered(response.status(), response.headers());
    let upgrading = hyper::upgrade::on(&mut response);
    let mut answer = Response::new(Body::empty());
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    head::accepted(answer.headers_mut(), own_key);
    let exchange = Arc::clone(exchange);
    tokio::spawn(async move {
        let (Ok(local), Ok(visitor)) = tokio::join!(upgrading, offered) else {
            return exchange.failed("given up during the handshake");
        };
        let (mut local, mut visitor) = (TokioIo::new(local), Counted { io: visitor, exchange: &exchange });
        // An error of either side drops both, so that the other hears of it.
        match tokio::io::copy_bidirectional(&mut local, &mut visitor).await {
            Ok(_) => exchange.completed(),
            Err(e) => exchange.failed(&format!("broke off: {e}")),
        }
    });
    Ok(Upgraded::Accepted(answer))
}

/// Counts what goes through.
struct Counted<'e, I> {
    io: I,
    exchange: &'e Exchange,
}

impl<I: AsyncRead + Unpin> AsyncRead for Counted<'_, I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<IoResult<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.exchange.sends(&buffer.filled()[before..]);
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Counted<'_, I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = &written {
            self.exchange.gets(&bytes[..*written]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
