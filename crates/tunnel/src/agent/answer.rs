//! One request, from the tunnel to the handler and back.

use crate::body::{Held, TunnelBody};
use crate::go_ahead::{self, GoAhead};
use crate::hop;
use crate::pump::{Pumped, pump};
use crate::stream::{Offered, TunnelStream, refusal};
use bytes::Bytes;
use futures_util::future::OptionFuture;
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use std::future::poll_fn;

/// Answers one request. When the other end resets the stream, or the link
/// ends, the handler's future, or its answer's body, is dropped there and then.
pub(super) async fn answer<S, F, B>(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    service: S,
) where
    S: FnOnce(Request<TunnelBody>) -> F,
    F: Future<Output = Response<B>>,
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let (mut parts, recv) = request.into_parts();
    let protocol = parts.extensions.remove::<Protocol>();
    if parts.method == Method::CONNECT {
        // A plain CONNECT has no path for a handler to judge by.
        return match protocol {
            None => respond.send_reset(Reason::PROTOCOL_ERROR),
            Some(protocol) => {
                let (offered, sender) = Offered::new(protocol.as_str());
                parts.extensions.insert(offered);
                let request = Request::from_parts(parts, TunnelBody::default());
                let Some(response) = wanted(&mut respond, None, service(request)).await else { return };
                if !response.status().is_success() {
                    return finish(response, respond).await;
                }
                if sender.is_closed() {
                    return finish(refusal(response), respond).await;
                }
                let (head, _) = split(response);
                if let Ok(send) = respond.send_response(head, false) {
                    // Nobody took it: dropped, and thereby reset.
                    drop(sender.send(TunnelStream::new(recv, send, Held::default())));
                }
            }
        };
    }
    let awaited = go_ahead::awaited(&parts.headers).then(GoAhead::default);
    if let Some(awaited) = &awaited {
        parts.extensions.insert(awaited.clone());
    }
    let request = Request::from_parts(parts, TunnelBody::new(recv, Held::default()));
    if let Some(response) = wanted(&mut respond, awaited, service(request)).await {
        finish(response, respond).await;
    }
}

/// What the handler answers, unless nobody waits for it any more; meanwhile
/// passes its go-ahead on.
async fn wanted<F: Future>(
    respond: &mut SendResponse<Bytes>,
    mut awaited: Option<GoAhead>,
    handler: F,
) -> Option<F::Output> {
    tokio::pin!(handler);
    loop {
        tokio::select! {
            biased;
            _ = poll_fn(|context| respond.poll_reset(context)) => return None,
            Some(()) = OptionFuture::from(awaited.as_ref().map(GoAhead::given)) => {
                awaited = None;
                let mut go_ahead = Response::new(());
                *go_ahead.status_mut() = StatusCode::CONTINUE;
                if let Err(error) = respond.send_informational(go_ahead) {
                    tracing::debug!(%error, "a go-ahead was not sent");
                }
            }
            response = &mut handler => return Some(response),
        }
    }
}

async fn finish<B>(response: Response<B>, mut respond: SendResponse<Bytes>)
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let (head, body) = split(response);
    let ended = body.is_end_stream();
    match respond.send_response(head, ended) {
        Ok(_) if ended => {}
        Ok(mut stream) => {
            if let Pumped::Broken(error) = pump(body, &mut stream, Reason::INTERNAL_ERROR).await {
                tracing::debug!(%error, "an answer's body broke off on its way into the tunnel");
            }
        }
        Err(error) => {
            tracing::warn!(%error, "an answer cannot travel over HTTP/2");
            respond.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}

fn split<B>(response: Response<B>) -> (Response<()>, B) {
    let (parts, body) = response.into_parts();
    let mut head = Response::new(());
    *head.status_mut() = parts.status;
    *head.headers_mut() = parts.headers;
    hop::strip(head.headers_mut());
    (head, body)
}
