//! The live tail.

use crate::harness::{Proxy, Receiver, soon};
use http::StatusCode;
use postern_protocol::{Provider, Secret};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// An open tail.
struct Tail(BufReader<TcpStream>);

#[derive(Debug)]
struct Message {
    kind: String,
    id: String,
    data: Value,
}

impl Tail {
    async fn open(proxy: &Proxy, token: &Secret, after: Option<&str>) -> (StatusCode, Self) {
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        let after = after.map_or(String::new(), |id| format!("last-event-id: {id}\r\n"));
        let head = format!(
            "GET /v1/live HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{after}\r\n",
            token.reveal()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut tail = Self(BufReader::new(stream));
        let status = tail.line().await.unwrap();
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        while !tail.line().await.unwrap().is_empty() {}
        (status, tail)
    }

    /// `None`: the stream has ended.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = soon("a line of the stream", self.0.read_line(&mut line)).await.ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }

    async fn next(&mut self) -> Option<Message> {
        let (mut kind, mut id) = (String::new(), String::new());
        loop {
            let line = self.line().await?;
            match line.split_once(": ") {
                Some(("event", value)) => value.clone_into(&mut kind),
                Some(("id", value)) => value.clone_into(&mut id),
                Some(("data", value)) => {
                    return Some(Message { kind, id, data: serde_json::from_str(value).unwrap() });
                }
                // Lengths of chunks, comments, the end of a message.
                _ => {}
            }
        }
    }

    /// The next message of this kind about this event, whatever comes before.
    async fn until(&mut self, kind: &str, matches: impl Fn(&Value) -> bool) -> Message {
        loop {
            let message = self.next().await.unwrap();
            if message.kind == kind && matches(&message.data) {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn it_tells_what_happens_and_goes_on_where_it_stopped() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let mut receiver = Receiver::start().await;
    proxy.register(&receiver).await;
    let (status, mut tail) = Tail::open(&proxy, &proxy.token, None).await;
    assert_eq!(status, 200);
    let ready = tail.next().await.unwrap();
    assert_eq!(ready.kind, "ready");

    let first = proxy.event(&source, 1).await.to_string();
    let told = tail.until("event", |data| data["id"] == first.as_str()).await;
    assert_eq!(
        (&told.data["name"], &told.data["source"]),
        (&Value::from("Issue.update"), &Value::from("linear"))
    );
    receiver.delivery().await;
    proxy.finished().await;
    tail.until("delivery", |data| data["eventId"] == first.as_str() && data["state"] == "delivered").await;
    drop(tail);

    // Missed meanwhile, over a restart too.
    let second = proxy.event(&source, 2).await.to_string();
    receiver.delivery().await;
    proxy.finished().await;
    let proxy = proxy.restart().await;
    let (_, mut tail) = Tail::open(&proxy, &proxy.token, Some(&told.id)).await;
    assert_eq!(tail.next().await.unwrap().id, told.id);
    let again = tail.next().await.unwrap();
    assert_eq!((again.kind.as_str(), &again.data["id"]), ("event", &Value::from(second.as_str())));
    let mut delivered = vec![];
    while delivered.len() < 2 {
        let message = tail.next().await.unwrap();
        assert_eq!(message.kind, "delivery");
        delivered.push(message.data["eventId"].as_str().unwrap().to_owned());
    }
    assert_eq!(delivered, [first, second]);
}

#[tokio::test]
async fn who_comes_from_elsewhere_is_told_to_start_anew() {
    let proxy = Proxy::start().await;
    let (status, mut tail) = Tail::open(&proxy, &proxy.token, Some("999-999")).await;
    assert_eq!((status.as_u16(), tail.next().await.unwrap().kind.as_str()), (200, "ready"));
    let reset = tail.next().await.unwrap();
    assert_eq!((reset.kind.as_str(), reset.id.as_str()), ("reset", "0-0"));
    for id in ["x", "1", "-1-1"] {
        assert_eq!(Tail::open(&proxy, &proxy.token, Some(id)).await.0, 400, "{id}");
    }
}

#[tokio::test]
async fn it_ends_with_the_proxy() {
    let proxy = Proxy::start().await;
    let (_, mut tail) = Tail::open(&proxy, &proxy.token, None).await;
    assert_eq!(tail.next().await.unwrap().kind, "ready");
    proxy.stop.cancel();
    assert!(tail.next().await.is_none());
    proxy.stopped().await.unwrap();
}
