//! Who hangs up is heard at the other end, and nobody else is.

use super::stage::{APP, DOMAIN, Stage, data, full, next, request, visit, written};
use crate::harness::{PATIENCE, soon};
use http::{Method, Response};
use http_body_util::BodyExt;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};

/// Tells when it is dropped.
struct Told(mpsc::UnboundedSender<&'static str>, &'static str);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

/// Local servers that never finish: `/head` no answer's head, `/body` no body,
/// `/upload` reads on. Each tells when it has begun, and when it was dropped.
async fn endless() -> (Stage, mpsc::UnboundedReceiver<&'static str>) {
    let (sender, told) = mpsc::unbounded_channel();
    let stage = Stage::with(move |request| {
        let sender = sender.clone();
        async move {
            let path = request.uri().path().to_owned();
            match path.as_str() {
                "/head" => {
                    let _told = Told(sender.clone(), "head dropped");
                    sender.send("head").unwrap();
                    std::future::pending().await
                }
                "/body" => {
                    let (chunks, body) = written();
                    chunks.send(data("begun")).await.unwrap();
                    tokio::spawn(async move {
                        chunks.closed().await;
                        sender.send("body dropped").unwrap();
                    });
                    Response::new(body)
                }
                "/upload" => {
                    // Dropped with its request.
                    let _told = Told(sender.clone(), "upload dropped");
                    let mut body = request.into_body();
                    next(&mut body).await;
                    sender.send("upload").unwrap();
                    while let Some(Ok(_)) = body.frame().await {}
                    Response::new(full(""))
                }
                _ => Response::new(full("there")),
            }
        }
    })
    .await;
    (stage, told)
}

async fn begin(stage: &Stage, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(stage.address()).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_visitor_who_hangs_up_is_heard() {
    let (stage, mut told) = endless().await;
    let mut say = async || soon("what the local server sees", told.recv()).await.unwrap();
    let stream = begin(&stage, &format!("GET /head HTTP/1.1\r\nhost: {APP}\r\n\r\n")).await;
    assert_eq!(say().await, "head");
    drop(stream);
    assert_eq!(say().await, "head dropped");

    let mut stream = begin(&stage, &format!("GET /body HTTP/1.1\r\nhost: {APP}\r\n\r\n")).await;
    let mut some = vec![0; 1024];
    assert_ne!(soon("the head", stream.read(&mut some)).await.unwrap(), 0);
    // Nothing is being written: nothing but the closing tells of it.
    drop(stream);
    assert_eq!(say().await, "body dropped");

    let head = format!("POST /upload HTTP/1.1\r\nhost: {APP}\r\ncontent-length: 100\r\n\r\nsome");
    let stream = begin(&stage, &head).await;
    assert_eq!(say().await, "upload");
    drop(stream);
    assert_eq!(say().await, "upload dropped");
    assert_eq!(stage.get("/", &[]).await.body, "there");
}

#[tokio::test]
async fn over_http2_as_well() {
    let (stage, mut told) = endless().await;
    let stream = TcpStream::connect(stage.address()).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let get = |path: &str| http::Request::get(format!("http://{APP}{path}")).body(full("")).unwrap();
    let waiting = tokio::spawn(sender.send_request(get("/head")));
    assert_eq!(soon("the request", told.recv()).await, Some("head"));
    waiting.abort();
    assert_eq!(soon("its end", told.recv()).await, Some("head dropped"));
    assert_eq!(soon("an answer", sender.send_request(get("/"))).await.unwrap().status(), 200);
}

/// Eight hundred at once, and the connection that carries them all stays.
#[tokio::test]
async fn eight_hundred_hang_up_at_once() {
    const VISITORS: usize = 800;
    let begun = Arc::new(Semaphore::new(0));
    let here = watch::Sender::new(0usize);
    let (count, present) = (begun.clone(), here.clone());
    // The clock stands still, and with it the rate.
    let settings = format!("{DOMAIN}rate = 0\n");
    let stage = Stage::of(&settings, move |request| {
        let (count, present) = (count.clone(), present.clone());
        async move {
            if request.uri().path() == "/" {
                return Response::new(full("there"));
            }
            struct Here(watch::Sender<usize>);
            impl Drop for Here {
                fn drop(&mut self) {
                    self.0.send_modify(|here| *here -= 1);
                }
            }
            present.send_modify(|here| *here += 1);
            let _here = Here(present);
            count.add_permits(1);
            std::future::pending().await
        }
    })
    .await;
    for _ in 0..3 {
        let mut visitors = Vec::new();
        for _ in 0..VISITORS {
            visitors.push(begin(&stage, &format!("GET /wait HTTP/1.1\r\nhost: {APP}\r\n\r\n")).await);
        }
        let all = u32::try_from(VISITORS).unwrap();
        soon("all requests", begun.acquire_many(all)).await.unwrap().forget();
        drop(visitors);
        soon("all to be gone", here.subscribe().wait_for(|here| *here == 0)).await.unwrap();
        assert_eq!(stage.get("/", &[]).await.body, "there");
    }
    let state = stage.edge.agent.state();
    assert!(matches!(&*state.borrow(), postern_tunnel::State::Up { .. }), "no link was lost");
    // The counts come down when the last of an exchange is dropped.
    let gone = async {
        while !stage.metrics().await.contains("postern_tunnel_requests_in_flight{tunnel=\"app\"} 0\n") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
}

/// One visitor's end is nobody else's.
#[tokio::test]
async fn others_go_on() {
    let stage = Stage::echoing().await;
    let (chunks, body) = written();
    let mut answer = visit(stage.address(), request(Method::POST, "/", &[], body)).await;
    let (others, other_body) = written();
    let mut other = visit(stage.address(), request(Method::POST, "/", &[], other_body)).await;
    others.send(data("x")).await.unwrap();
    assert_eq!(next(other.body_mut()).await, "x");
    drop((other, others));
    for _ in 0..10 {
        chunks.send(data("still here")).await.unwrap();
        assert_eq!(next(answer.body_mut()).await, "still here");
    }
}
