//! A kept request, sent to its tunnel's target once more.

use super::answer::{back, patience, problem};
use super::body::Upload;
use super::exchange::{Exchange, Exchanges};
use super::pool::SendError;
use super::{Tunnel, head};
use crate::api::TunnelRequest;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::BodyExt;
use std::sync::Arc;

/// What is sent.
pub(crate) struct Edited {
    pub(crate) method: Method,
    pub(crate) path: PathAndQuery,
    /// As they went to the target.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether the body is another than the headers were made for.
    pub(crate) resized: bool,
}

/// Sends it, waits for the end of the answer, and says what it came to. It goes
/// on when nobody waits any more.
pub(crate) async fn replay(
    exchanges: &Arc<Exchanges>,
    tunnel: Arc<Tunnel>,
    edited: Edited,
    of: u64,
) -> TunnelRequest {
    let exchange =
        Exchange::new(exchanges, Arc::clone(&tunnel), &edited.method, edited.path.as_str(), Some(of));
    let account = exchange.ended();
    let patience = patience(&tunnel);
    let work = async move {
        let sent = tokio::select! {
            sent = send(&tunnel, edited, &exchange) => sent,
            () = exchange.silence(patience) => Err(SendError::Silent),
        };
        if let Err(error) = sent {
            exchange.failed(&problem(&error, &tunnel, patience).message);
        }
    };
    tokio::spawn(work);
    account.await
}

async fn send(tunnel: &Arc<Tunnel>, edited: Edited, exchange: &Arc<Exchange>) -> Result<(), SendError> {
    let Edited { method, path, mut headers, body, resized } = edited;
    headers.remove(TRANSFER_ENCODING);
    if resized || !body.is_empty() {
        headers.insert(CONTENT_LENGTH, body.len().into());
    }
    let mut request =
        Request::new(Upload::Whole(Some(body).filter(|body| !body.is_empty()), Arc::clone(exchange)));
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from(path);
    *request.headers_mut() = headers;
    exchange.asked(request.headers());
    let pool = &tunnel.pool;
    let response = if head::is_grpc(request.headers()) {
        back(pool.send_grpc(head::of_http_2(request, pool.origin()?), exchange).await?, None, exchange)
    } else {
        let (response, sender) = pool.send(request, exchange).await?;
        back(response, Some((Arc::clone(pool), sender)), exchange)
    };
    let mut body = response.into_body();
    // What becomes of it is in the account.
    while let Some(Ok(_)) = body.frame().await {}
    Ok(())
}
