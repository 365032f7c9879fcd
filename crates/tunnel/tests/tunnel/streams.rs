//! Raw bytes through the tunnel, as WebSockets will use it.

use crate::ends::{data, full, handler, text, tunnel, written};
use crate::on_both_carriers;
use http::{Request, Response, StatusCode};
use postern_tunnel::{Carrier, on_stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

on_both_carriers! {
    bytes_both_ways_until_each_end_finishes
    a_refusal_comes_with_its_body
    a_dropped_stream_is_an_error_at_the_other_end
}

fn request() -> Request<()> {
    Request::get("/socket").header("sec-websocket-protocol", "chat").body(()).unwrap()
}

/// Grants every stream and hands it to the test.
async fn granted(
    carrier: Carrier,
) -> (crate::ends::Tunnel, mpsc::UnboundedReceiver<postern_tunnel::TunnelStream>) {
    let (opened, streams) = mpsc::unbounded_channel();
    let tunnel = tunnel(
        carrier,
        handler(move |mut request| {
            let opened = opened.clone();
            let answer = match on_stream(&mut request) {
                None => full("no stream"),
                Some(stream) => {
                    assert_eq!(stream.protocol(), "websocket");
                    assert_eq!(request.headers()["sec-websocket-protocol"], "chat");
                    tokio::spawn(async move { opened.send(stream.await.unwrap()).unwrap() });
                    full("")
                }
            };
            async { Response::new(answer) }
        }),
    )
    .await;
    (tunnel, streams)
}

async fn bytes_both_ways_until_each_end_finishes(carrier: Carrier) {
    let (tunnel, mut streams) = granted(carrier).await;
    let response = tunnel.link.connect(request(), "websocket").await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut near = response.into_body().unwrap();
    let mut far = streams.recv().await.unwrap();
    for n in 0..100u8 {
        near.write_all(&[n; 3]).await.unwrap();
        let mut got = [0; 3];
        far.read_exact(&mut got).await.unwrap();
        assert_eq!(got, [n; 3]);
        far.write_all(&got).await.unwrap();
        near.read_exact(&mut got).await.unwrap();
    }
    let big = vec![5; 8 << 20];
    let (sent, read) = tokio::join!(
        async {
            near.write_all(&big).await?;
            near.shutdown().await
        },
        async {
            let mut got = Vec::new();
            far.read_to_end(&mut got).await.map(|_| got.len())
        }
    );
    sent.unwrap();
    assert_eq!(read.unwrap(), 8 << 20);
    // The other half lives on.
    far.write_all(b"bye").await.unwrap();
    far.shutdown().await.unwrap();
    let mut rest = String::new();
    near.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "bye");
    assert_eq!(tunnel.link.in_flight(), 1);
    drop(near);
    assert_eq!(tunnel.link.in_flight(), 0);
    let plain = tunnel.link.send(crate::ends::get("/")).await.unwrap();
    assert_eq!(text(plain.into_body()).await, "no stream");
}

async fn a_refusal_comes_with_its_body(carrier: Carrier) {
    let tunnel = tunnel(
        carrier,
        handler(async |request| {
            let status = request.uri().path()[1..].parse().unwrap();
            let (chunks, body) = written();
            tokio::spawn(async move {
                for piece in ["no, ", "and ", "no"] {
                    chunks.send(data(piece)).await.unwrap();
                }
            });
            Response::builder().status::<u16>(status).body(body).unwrap()
        }),
    )
    .await;
    // What would grant it does not, where nobody takes the stream.
    for status in [403, 302, 200, 299, 426] {
        let request = Request::get(format!("/{status}")).body(()).unwrap();
        let response = tunnel.link.connect(request, "websocket").await.unwrap();
        assert_eq!(response.status(), status);
        assert!(response.headers().is_empty());
        let body = response.into_body().unwrap_err();
        assert_eq!(tunnel.link.in_flight(), 1);
        assert_eq!(text(body).await, "no, and no");
        assert_eq!(tunnel.link.in_flight(), 0);
    }
}

async fn a_dropped_stream_is_an_error_at_the_other_end(carrier: Carrier) {
    let (tunnel, mut streams) = granted(carrier).await;
    for near_drops in [true, false] {
        let response = tunnel.link.connect(request(), "websocket").await.unwrap();
        let near = response.into_body().unwrap();
        let far = streams.recv().await.unwrap();
        let mut left = if near_drops {
            drop(near);
            far
        } else {
            drop(far);
            near
        };
        let error = left.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}
