//! Bodies: nothing is held back, nothing is read ahead, nothing is lost.

use super::stage::{APP, DOMAIN, Stage, data, full, next, raw, read, request, visit, written};
use crate::harness::soon;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};

#[tokio::test]
async fn bodies_of_all_sizes_arrive_whole() {
    let stage = Stage::echoing().await;
    for length in [0, 1, 65_535, 65_537, 5 << 20] {
        let body: Vec<u8> = (0..length).map(|n: u32| n.to_le_bytes()[n as usize % 3]).collect();
        let answer =
            read(visit(stage.address(), request(Method::POST, "/", &[], full(body.clone()))).await).await;
        assert!(answer.body == body, "{length} bytes, {} came back", answer.body.len());
    }
    let chunked = format!(
        "POST / HTTP/1.1\r\nhost: {APP}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
         3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n"
    );
    let came = raw(stage.address(), chunked).await;
    let whole = ["\r\n4\r\nabcd\r\n0\r\n\r\n", "\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"];
    assert!(whole.iter().any(|body| came.ends_with(body)), "{came}");
}

#[tokio::test]
async fn each_piece_arrives_before_the_next_is_sent() {
    let stage = Stage::echoing().await;
    let (chunks, body) = written();
    let mut answer = visit(stage.address(), request(Method::POST, "/", &[], body)).await;
    for n in 0..50 {
        let piece = format!("piece {n}");
        chunks.send(data(piece.clone())).await.unwrap();
        assert_eq!(next(answer.body_mut()).await, piece);
    }
    drop(chunks);
    assert!(soon("the end", answer.body_mut().frame()).await.is_none());
}

#[tokio::test]
async fn an_event_arrives_before_its_stream_ends() {
    let (sender, body) = written();
    let body = Arc::new(Mutex::new(Some(body)));
    let stage = Stage::with(move |_| {
        let body = body.clone();
        async move {
            let body = body.lock().await.take().unwrap();
            Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
        }
    })
    .await;
    let mut answer = visit(stage.address(), request(Method::GET, "/", &[], full(""))).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    for event in ["data: one\n\n", "data: two\n\n"] {
        sender.send(data(event)).await.unwrap();
        assert_eq!(next(answer.body_mut()).await, event);
    }
}

/// A visitor who does not read stops the writer at the far end.
#[tokio::test]
async fn a_slow_reader_stops_the_writer() {
    const PIECE: usize = 64 << 10;
    let written_pieces = Arc::new(AtomicUsize::new(0));
    let count = written_pieces.clone();
    let stage = Stage::with(move |request| {
        let count = count.clone();
        async move {
            if request.uri().path() == "/other" {
                return Response::new(full("there"));
            }
            let (chunks, body) = written();
            tokio::spawn(async move {
                while chunks.send(data(vec![b'x'; PIECE])).await.is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
            Response::new(body)
        }
    })
    .await;
    let mut answer = visit(stage.address(), request(Method::GET, "/", &[], full(""))).await;
    next(answer.body_mut()).await;
    // It comes to rest, with no more written than all windows on the way hold.
    let mut before = usize::MAX;
    loop {
        let now = written_pieces.load(Ordering::SeqCst);
        if now == before {
            break;
        }
        before = now;
        for _ in 0..20 {
            assert_eq!(stage.get("/other", &[]).await.body, "there", "others are served meanwhile");
        }
    }
    assert!(before * PIECE < 32 << 20, "{before} pieces were written for a reader that does not read");
    // Reading makes it go on.
    while written_pieces.load(Ordering::SeqCst) <= before {
        next(answer.body_mut()).await;
    }
}

#[tokio::test]
async fn an_early_answer_ends_an_upload() {
    let stage = Stage::with(async |_| Response::builder().status(413).body(full("too much")).unwrap()).await;
    let (chunks, body) = written();
    chunks.send(data("some")).await.unwrap();
    let answer = visit(stage.address(), request(Method::POST, "/", &[], body)).await;
    assert_eq!(read(answer).await.status, 413);
    drop(chunks);
}

#[tokio::test]
async fn trailers_travel_both_ways() {
    let stage = Stage::with(async |request| {
        let collected = request.into_body().collect().await.unwrap();
        let got = collected.trailers().unwrap()["x-sum"].to_str().unwrap().to_owned();
        let (chunks, body) = written();
        tokio::spawn(async move {
            let _ = chunks.send(data(collected.to_bytes())).await;
            let _ = chunks
                .send(Ok(Frame::trailers(
                    [("x-got".parse().unwrap(), got.parse().unwrap())].into_iter().collect(),
                )))
                .await;
        });
        Response::builder().header("trailer", "x-got").body(body).unwrap()
    })
    .await;
    let came = raw(
        stage.address(),
        format!(
            "POST / HTTP/1.1\r\nhost: {APP}\r\nconnection: close, te\r\nte: trailers\r\ntrailer: x-sum\r\n\
             transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n"
        ),
    )
    .await;
    assert!(came.contains("body") && came.ends_with("0\r\nx-got: 42\r\n\r\n"), "{came}");
}

#[tokio::test]
async fn http2_carries_grpc() {
    let stage = Stage::with(async |request| {
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.headers()["cookie"], "a=1; b=2", "HTTP/1.1 has one");
        assert_eq!(request.uri().authority().unwrap(), APP);
        let (chunks, body) = written();
        tokio::spawn(async move {
            let mut messages = request.into_body();
            while let Some(Ok(frame)) = messages.frame().await {
                if let Ok(message) = frame.into_data() {
                    chunks.send(data(message)).await.unwrap();
                }
            }
            let status: HeaderMap =
                [("grpc-status".parse().unwrap(), "0".parse().unwrap())].into_iter().collect();
            let _ = chunks.send(Ok(Frame::trailers(status))).await;
        });
        Response::builder().header("content-type", "application/grpc").body(body).unwrap()
    })
    .await;
    let stream = TcpStream::connect(stage.address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (chunks, body) = written();
    let request = Request::post(format!("http://{APP}/pkg.Service/Method"))
        .header("te", "trailers")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(body)
        .unwrap();
    let mut answer = soon("an answer", sender.send_request(request)).await.unwrap();
    for message in ["one", "two"] {
        chunks.send(data(message)).await.unwrap();
        assert_eq!(next(answer.body_mut()).await, message);
    }
    drop(chunks);
    let trailers = soon("trailers", answer.body_mut().frame()).await.unwrap().unwrap();
    assert_eq!(trailers.into_trailers().unwrap()["grpc-status"], "0");
    // The proxy's own routes are there too.
    let own = Request::get("http://127.0.0.1/v1/workspace").body(full("")).unwrap();
    assert_eq!(soon("an answer", sender.send_request(own)).await.unwrap().status(), 401);
}

/// A local server that breaks off in the middle is never taken for one that has
/// finished.
#[tokio::test]
async fn a_body_cut_short_is_an_error() {
    let (sender, mut chunks) = mpsc::unbounded_channel();
    let stage = Stage::with(move |request| {
        let sender = sender.clone();
        async move {
            let (chunks, body) = written();
            sender.send(chunks).unwrap();
            let response = Response::builder();
            let long = request.uri().path() == "/length";
            let response = if long { response.header("content-length", "100") } else { response };
            response.body(body).unwrap()
        }
    })
    .await;
    for path in ["/chunked", "/length"] {
        let mut answer = visit(stage.address(), request(Method::GET, path, &[], full(""))).await;
        let local = chunks.recv().await.unwrap();
        local.send(data("begun")).await.unwrap();
        assert_eq!(next(answer.body_mut()).await, "begun");
        local.send(Err(io::Error::other("it crashed"))).await.unwrap();
        let end = soon("the end", answer.body_mut().frame()).await;
        assert!(matches!(end, Some(Err(_))), "{path}: {end:?}");
    }
    // So is the machine going away.
    let mut answer = visit(stage.address(), request(Method::GET, "/chunked", &[], full(""))).await;
    let local = chunks.recv().await.unwrap();
    local.send(data("begun")).await.unwrap();
    assert_eq!(next(answer.body_mut()).await, "begun");
    drop(stage.edge);
    let end = soon("the end", async {
        loop {
            match answer.body_mut().frame().await {
                Some(Ok(_)) => {}
                end => break end,
            }
        }
    })
    .await;
    assert!(matches!(end, Some(Err(_))), "{end:?}");
}

/// What a machine is asked a hundred times over, it sees a hundred times.
#[tokio::test]
async fn as_many_arrive_as_were_sent() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::<Bytes>::new()));
    let keep = seen.clone();
    let stage = Stage::of(DOMAIN, move |request: Request<postern_tunnel::TunnelBody>| {
        let keep = keep.clone();
        async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            keep.lock().unwrap().push(body.clone());
            Response::new(full(body))
        }
    })
    .await;
    let to = stage.address();
    let visitors: Vec<_> = (0..100)
        .map(|n: u32| {
            tokio::spawn(async move {
                let body = n.to_string();
                let sent = request(Method::POST, "/", &[], full(body.clone()));
                assert_eq!(read(visit(to, sent).await).await.body, body);
            })
        })
        .collect();
    for visitor in visitors {
        soon("an answer", visitor).await.unwrap();
    }
    let mut seen: Vec<u32> =
        seen.lock().unwrap().iter().map(|body| String::from_utf8_lossy(body).parse().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}
