//! Sends a body into a stream, at the pace of whoever reads it.

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::{Body, Frame};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

/// How a body's journey ended.
#[derive(Debug)]
pub(crate) enum Pumped<E> {
    /// All of it was handed over.
    Complete,
    /// The body itself failed; the stream was reset, so that the reader sees an
    /// error and not an end.
    Broken(E),
    /// The reader, or the link, went away.
    Unwanted,
}

/// Pumps `body` until it ends, fails, or nobody wants it. At most one chunk
/// waits beyond the stream's window. `on_failure` is what the reader is told
/// when the body fails.
pub(crate) async fn pump<B>(body: B, stream: &mut SendStream<Bytes>, on_failure: Reason) -> Pumped<B::Error>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    loop {
        let Some(frame) = next(body.as_mut(), stream).await else {
            return Pumped::Unwanted;
        };
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                stream.send_reset(on_failure);
                return Pumped::Broken(error);
            }
            None => return sent(stream.send_data(Bytes::new(), true)),
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => return sent(stream.send_trailers(trailers)),
                Err(_) => continue,
            },
        };
        let last = body.is_end_stream();
        // Empty frames that end nothing are counted as abuse over the whole
        // life of the connection: a hundred of them would end it.
        if data.is_empty() && !last {
            continue;
        }
        match sent(stream.send_data(data, last)) {
            Pumped::Complete if !last => {}
            ended => return ended,
        }
    }
}

/// The body's next frame, once the stream has room for one; `None` when the
/// stream was reset.
async fn next<B>(
    mut body: Pin<&mut B>,
    stream: &mut SendStream<Bytes>,
) -> Option<Option<Result<Frame<Bytes>, B::Error>>>
where
    B: Body<Data = Bytes>,
{
    stream.reserve_capacity(1);
    poll_fn(|context| {
        if stream.poll_reset(context).is_ready() {
            return Poll::Ready(None);
        }
        while stream.capacity() == 0 {
            match stream.poll_capacity(context) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(None | Some(Err(_))) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
        body.as_mut().poll_frame(context).map(Some)
    })
    .await
}

fn sent<E>(result: Result<(), h2::Error>) -> Pumped<E> {
    match result {
        Ok(()) => Pumped::Complete,
        Err(_) => Pumped::Unwanted,
    }
}
