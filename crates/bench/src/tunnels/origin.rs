//! The local server that tunnels lead to: 100 bytes at `/`, as many MiB as asked
//! for at [`DOWN`], and [`UP`] takes what comes. One thread, as most dev servers
//! have.

use crate::Result;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONNECTION, CONTENT_LENGTH, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::process::Process;

/// Followed by how many MiB.
pub(super) const DOWN: &str = "/down/";
/// Takes a body of any size.
pub(super) const UP: &str = "/up";
/// Accepts a WebSocket and reads what comes.
pub(super) const WEBSOCKET: &str = "/websocket";

const SMALL: [u8; 100] = [b's'; 100];
const PIECE: usize = 64 << 10;
static LARGE: [u8; PIECE] = [b'l'; PIECE];

type Body = BoxBody<Bytes, Infallible>;

/// Starts it in a process of its own; where it listens.
///
/// # Errors
/// When it does not start.
pub(super) async fn start() -> Result<(Process, SocketAddr)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("origin");
    let mut process = Process::start(command)?;
    let address = process.line().await?.parse()?;
    Ok((process, address))
}

/// Serves on a free loopback port and prints its address, until killed.
///
/// # Errors
/// When it cannot listen.
pub(crate) async fn serve() -> Result<()> {
    super::visitor::apart(|| async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(serving.with_upgrades());
        }
    })
    .await
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Body>> {
    let path = request.uri().path();
    if path == WEBSOCKET {
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            if let Ok(upgraded) = upgraded.await {
                let mut io = TokioIo::new(upgraded);
                while io.read_u8().await.is_ok() {}
            }
        });
        let mut response = Response::new(Full::default().boxed());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        return Ok(response);
    }
    if let Some(mib) = path.strip_prefix(DOWN) {
        let bytes = mib.parse::<usize>()? << 20;
        let pieces = std::iter::repeat_n(Bytes::from_static(&LARGE), bytes / PIECE);
        let body = StreamBody::new(stream::iter(pieces.map(|piece| Ok(Frame::data(piece)))));
        let mut response = Response::new(body.boxed());
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        return Ok(response);
    }
    if path == UP {
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            drop(frame?);
        }
    }
    Ok(Response::new(Full::new(Bytes::from_static(&SMALL)).boxed()))
}
