//! A slow reader stops its own writer, and nobody else.

use crate::ends::{data, full, get, handler, post, text, tunnel, written};
use crate::on_both_carriers;
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use postern_tunnel::{Carrier, Link};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

on_both_carriers! {
    a_slow_reader_of_an_answer_stops_its_writer
    a_slow_reader_of_an_upload_stops_its_writer
}

const CHUNK: usize = 64 << 10;
/// The stream's window, what one end holds ready to send, and the chunks that
/// are in somebody's hands.
const BOUND: usize = (4 << 20) + (400 << 10) + 4 * CHUNK;

/// Waits until `count` no longer grows while requests go to and fro; returns
/// it.
async fn settled(link: &Link, count: &AtomicUsize) -> usize {
    let (mut last, mut still) = (0, 0);
    while still < 20 {
        let response = link.send(get("/small")).await.unwrap();
        assert_eq!(text(response.into_body()).await, "small");
        let now = count.load(Ordering::SeqCst);
        still = if now == last && now > 0 { still + 1 } else { 0 };
        last = now;
    }
    last
}

async fn a_slow_reader_of_an_answer_stops_its_writer(carrier: Carrier) {
    let written_bytes = Arc::new(AtomicUsize::new(0));
    let count = written_bytes.clone();
    let tunnel = tunnel(
        carrier,
        handler(move |request| {
            let count = count.clone();
            async move {
                if request.uri().path() == "/small" {
                    return Response::new(full("small"));
                }
                let (chunks, body) = written();
                tokio::spawn(async move {
                    while chunks.send(data(Bytes::from(vec![7; CHUNK]))).await.is_ok() {
                        count.fetch_add(CHUNK, Ordering::SeqCst);
                    }
                });
                Response::new(body)
            }
        }),
    )
    .await;
    // As many as the connection has room for, and one that is read.
    let stuck: Vec<_> = futures_util::future::join_all((0..4).map(|_| tunnel.link.send(get("/")))).await;
    let first = settled(&tunnel.link, &written_bytes).await;
    assert!(first <= 4 * BOUND, "{first}");
    let mut stuck = stuck.into_iter();
    let mut body = stuck.next().unwrap().unwrap().into_body();
    let mut read = 0;
    while read < 16 << 20 {
        read += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    let second = settled(&tunnel.link, &written_bytes).await;
    assert!(second >= first + read - BOUND && second <= read + 4 * BOUND, "{first} {read} {second}");
    drop((stuck, body));
}

async fn a_slow_reader_of_an_upload_stops_its_writer(carrier: Carrier) {
    let (called, mut call) = tokio::sync::mpsc::unbounded_channel();
    let tunnel = tunnel(
        carrier,
        handler(move |request| {
            let called = called.clone();
            async move {
                if request.uri().path() == "/small" {
                    return Response::new(full("small"));
                }
                called.send(request.into_body()).unwrap();
                std::future::pending().await
            }
        }),
    )
    .await;
    let written_bytes = Arc::new(AtomicUsize::new(0));
    let (chunks, body) = written();
    let count = written_bytes.clone();
    tokio::spawn(async move {
        while chunks.send(data(Bytes::from(vec![7; CHUNK]))).await.is_ok() {
            count.fetch_add(CHUNK, Ordering::SeqCst);
        }
    });
    let link = tunnel.link.clone();
    let visitor = tokio::spawn(async move { link.send(post(body)).await.map(drop) });
    let mut body = call.recv().await.unwrap();
    let first = settled(&tunnel.link, &written_bytes).await;
    assert!(first <= BOUND, "{first}");
    let mut read = 0;
    while read < 16 << 20 {
        read += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    let second = settled(&tunnel.link, &written_bytes).await;
    assert!(second >= read && second <= read + BOUND, "{first} {read} {second}");
    visitor.abort();
}
