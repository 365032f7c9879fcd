//! What goes in comes out.

use crate::ends::{
    Body, Handler, Tunnel, data, echo, full, get, handler, next, post, text, tunnel, tunnel_with, written,
};
use crate::on_both_carriers;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use postern_tunnel::{Carrier, GoAhead, Timing, TunnelBody};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio::sync::mpsc;

on_both_carriers! {
    small_requests_and_answers
    large_bodies_both_ways
    both_directions_at_once
    trailers_both_ways
    heads_as_they_were
    an_early_answer_ends_the_upload
    a_body_waits_until_it_is_wanted
    a_body_is_sent_unasked_after_a_while
    a_body_is_read_after_an_answer_that_is_content
    a_body_that_is_not_wanted_is_not_asked_for
}

async fn small_requests_and_answers(carrier: Carrier) {
    let tunnel = tunnel(carrier, echo()).await;
    let response = tunnel.link.send(get("/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response.into_body()).await, "");
    for n in 0..100 {
        let response = tunnel.link.send(post(full(format!("body {n}")))).await.unwrap();
        assert_eq!(text(response.into_body()).await, format!("body {n}"));
    }
    assert_eq!(tunnel.link.in_flight(), 0);
}

async fn large_bodies_both_ways(carrier: Carrier) {
    let bytes = Bytes::from_iter((0..16u32 << 20).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8));
    let expected = Sha256::digest(&bytes);
    let tunnel = tunnel(carrier, echo()).await;
    let (chunks, body) = written();
    let upload = tokio::spawn(async move {
        for start in (0..bytes.len()).step_by(100_000) {
            chunks.send(data(bytes.slice(start..bytes.len().min(start + 100_000)))).await.unwrap();
        }
    });
    let mut body = tunnel.link.send(post(body)).await.unwrap().into_body();
    let mut hash = Sha256::new();
    while let Some(frame) = body.frame().await {
        hash.update(frame.unwrap().into_data().unwrap());
    }
    assert_eq!(hash.finalize(), expected);
    upload.await.unwrap();
}

async fn both_directions_at_once(carrier: Carrier) {
    let tunnel = tunnel(carrier, echo()).await;
    let (chunks, body) = written();
    let mut body = tunnel.link.send(post(body)).await.unwrap().into_body();
    for n in 0..100 {
        // Each is written only after the last came back.
        chunks.send(data(format!("chunk {n}"))).await.unwrap();
        assert_eq!(next(&mut body).await, format!("chunk {n}"));
    }
    drop(chunks);
    assert!(body.frame().await.is_none());
}

async fn trailers_both_ways(carrier: Carrier) {
    let tunnel = tunnel(carrier, echo()).await;
    let (chunks, body) = written();
    let mut body = tunnel.link.send(post(body)).await.unwrap().into_body();
    let trailers: HeaderMap = [("grpc-status".parse().unwrap(), "0".parse().unwrap())].into_iter().collect();
    chunks.send(data("x")).await.unwrap();
    chunks.send(Ok(Frame::trailers(trailers.clone()))).await.unwrap();
    assert_eq!(next(&mut body).await, "x");
    assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap(), trailers);
    assert!(body.frame().await.is_none());
}

async fn heads_as_they_were(carrier: Carrier) {
    let handler = handler(async |request| {
        let (parts, _) = request.into_parts();
        assert_eq!(parts.method, Method::from_bytes(b"BREW").unwrap());
        assert_eq!(parts.uri.to_string(), "http://pots.test:8/a//b%2F/..?q=%20&q=");
        let mut response = Response::new(full(""));
        *response.status_mut() = StatusCode::from_u16(799).unwrap();
        *response.headers_mut() = parts.headers;
        response.headers_mut().insert("connection", "close, x-hop".parse().unwrap());
        response.headers_mut().insert("x-hop", "1".parse().unwrap());
        response
    });
    let tunnel = tunnel(carrier, handler).await;
    let request = Request::builder()
        .method("BREW")
        .uri("/a//b%2F/..?q=%20&q=")
        .header("host", "pots.test:8")
        .header("x-raw", http::HeaderValue::from_bytes(b"\x80\xff").unwrap())
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("x-long", "x".repeat(64 << 10))
        .header("connection", "keep-alive")
        .header("keep-alive", "timeout=5");
    let response = tunnel.link.send(request.body(full("")).unwrap()).await.unwrap();
    assert_eq!(response.status().as_u16(), 799);
    let headers = response.headers();
    assert_eq!(headers["x-raw"].as_bytes(), b"\x80\xff");
    assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(headers["x-long"].len(), 64 << 10);
    for name in ["connection", "keep-alive", "x-hop"] {
        assert!(!headers.contains_key(name), "{name}");
    }
}

async fn an_early_answer_ends_the_upload(carrier: Carrier) {
    let handler = handler(async |_| {
        Response::builder().status(StatusCode::PAYLOAD_TOO_LARGE).body(full("too large")).unwrap()
    });
    let tunnel = tunnel(carrier, handler).await;
    let (chunks, body) = written();
    let response = tunnel.link.send(post(body)).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(text(response.into_body()).await, "too large");
    chunks.closed().await;
}

/// One whose bodies wait for as long as a test takes.
async fn patient(carrier: Carrier, handler: Handler) -> Tunnel {
    let timing = Timing { go_ahead: Duration::from_secs(3600), ..Timing::default() };
    tunnel_with(carrier, timing, handler).await
}

fn expecting(body: Body) -> Request<Body> {
    let mut request = post(body);
    request.headers_mut().insert("expect", "100-continue".parse().unwrap());
    request
}

async fn a_body_waits_until_it_is_wanted(carrier: Carrier) {
    let (asked, mut told) = mpsc::unbounded_channel();
    let handler = handler(move |request: Request<TunnelBody>| {
        let asked = asked.clone();
        async move {
            asked.send(request.extensions().get::<GoAhead>().unwrap().clone()).unwrap();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Response::new(full(body))
        }
    });
    let tunnel = patient(carrier, handler).await;
    let (chunks, body) = written();
    chunks.send(data("wanted")).await.unwrap();
    let link = tunnel.link.clone();
    let sending = tokio::spawn(async move { link.send(expecting(body)).await.unwrap() });
    let go_ahead = told.recv().await.unwrap();
    // There is room for one piece only: it was not taken yet.
    assert!(chunks.try_send(data("more")).is_err());
    go_ahead.give();
    chunks.send(data(", and more")).await.unwrap();
    drop(chunks);
    assert_eq!(text(sending.await.unwrap().into_body()).await, "wanted, and more");
}

async fn a_body_is_sent_unasked_after_a_while(carrier: Carrier) {
    let handler = handler(async |request: Request<TunnelBody>| {
        Response::new(full(request.into_body().collect().await.unwrap().to_bytes()))
    });
    let timing = Timing { go_ahead: Duration::from_millis(1), ..Timing::default() };
    let tunnel = tunnel_with(carrier, timing, handler).await;
    let (chunks, body) = written();
    chunks.send(data("unasked")).await.unwrap();
    drop(chunks);
    let response = tunnel.link.send(expecting(body)).await.unwrap();
    assert_eq!(text(response.into_body()).await, "unasked");
}

async fn a_body_is_read_after_an_answer_that_is_content(carrier: Carrier) {
    let tunnel = patient(carrier, echo()).await;
    let (chunks, body) = written();
    let mut body = tunnel.link.send(expecting(body)).await.unwrap().into_body();
    chunks.send(data("after all")).await.unwrap();
    assert_eq!(next(&mut body).await, "after all");
}

async fn a_body_that_is_not_wanted_is_not_asked_for(carrier: Carrier) {
    let handler = handler(async |_| {
        Response::builder().status(StatusCode::EXPECTATION_FAILED).body(full("no")).unwrap()
    });
    let tunnel = patient(carrier, handler).await;
    let (chunks, body) = written();
    chunks.send(data("unwanted")).await.unwrap();
    let response = tunnel.link.send(expecting(body)).await.unwrap();
    assert_eq!(response.status(), StatusCode::EXPECTATION_FAILED);
    assert!(chunks.try_send(data("more")).is_err(), "the first was not taken");
    assert_eq!(text(response.into_body()).await, "no");
    chunks.closed().await;
    assert_eq!(tunnel.link.in_flight(), 0);
}

#[tokio::test]
async fn a_thousand_empty_frames_do_no_harm() {
    let tunnel = tunnel(Carrier::Upgrade, echo()).await;
    let (chunks, body) = written();
    let upload = tokio::spawn(async move {
        for _ in 0..1000 {
            chunks.send(data("")).await.unwrap();
        }
        chunks.send(data("end")).await.unwrap();
    });
    assert_eq!(text(tunnel.link.send(post(body)).await.unwrap().into_body()).await, "end");
    upload.await.unwrap();
}

#[tokio::test]
async fn a_hundred_thousand_single_bytes_may_lie_unread() {
    let (done, written_all) = tokio::sync::oneshot::channel();
    let done = std::sync::Mutex::new(Some(done));
    let handler = handler(move |_| {
        let done = done.lock().unwrap().take();
        async move {
            let (chunks, body) = written();
            tokio::spawn(async move {
                for _ in 0..100_000 {
                    chunks.send(data("x")).await.unwrap();
                }
                if let Some(done) = done {
                    done.send(()).unwrap();
                }
            });
            Response::new(body)
        }
    });
    let tunnel = tunnel(Carrier::Upgrade, handler).await;
    let body = tunnel.link.send(get("/")).await.unwrap().into_body();
    written_all.await.unwrap();
    assert_eq!(text(body).await.len(), 100_000);
}

#[tokio::test]
async fn a_request_that_http_2_cannot_carry_is_refused_here() {
    let tunnel = tunnel(Carrier::Upgrade, echo()).await;
    let connect = Request::connect("x.test:1").body(full("")).unwrap();
    let error = tunnel.link.send::<Body>(connect).await.unwrap_err();
    assert!(!error.is_safe_to_retry(), "{error}");
    assert_eq!(text(tunnel.link.send(post(full("on"))).await.unwrap().into_body()).await, "on");
}
