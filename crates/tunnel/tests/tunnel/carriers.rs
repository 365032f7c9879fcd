//! Fronts that do not let the upgrade through, and the WebSocket that they do.

use crate::ends::{Proxy, config, dialer, echo, full, post, run, text, until};
use postern_tunnel::{Carrier, DownReason, Goodbye, State, Timing};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// What a front does with an upgrade that it does not know.
#[derive(Clone, Copy, Debug)]
enum Front {
    Answers(&'static str),
    Cuts,
    /// Passes the request on without its `Upgrade`.
    Strips,
}

type Seen = Arc<Mutex<Vec<&'static str>>>;

/// A front before the proxy that understands WebSockets and nothing else.
async fn front(proxy: String, front: Front) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let noted = seen.clone();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            tokio::spawn(pass(near, proxy.clone(), front, noted.clone()));
        }
    });
    (url, seen)
}

async fn pass(mut near: TcpStream, proxy: String, front: Front, seen: Seen) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match near.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let mut head = String::from_utf8(head).unwrap();
    let websocket = head.contains("upgrade: websocket");
    seen.lock().unwrap().push(if websocket { "websocket" } else { "upgrade" });
    if !websocket {
        match front {
            Front::Cuts => return,
            Front::Answers(answer) => return near.write_all(answer.as_bytes()).await.unwrap(),
            Front::Strips => {
                head = head.replace("upgrade: postern-h2/1\r\n", "").replace("connection: Upgrade\r\n", "")
            }
        }
    }
    let mut far = TcpStream::connect(proxy.strip_prefix("http://").unwrap()).await.unwrap();
    far.write_all(head.as_bytes()).await.unwrap();
    let _ = copy_bidirectional(&mut near, &mut far).await;
}

#[tokio::test]
async fn a_websocket_goes_where_the_upgrade_does_not_and_is_remembered() {
    for kind in [
        Front::Answers("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"),
        Front::Answers("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n"),
        Front::Answers("HTTP/1.1 403 Forbidden\r\ncontent-length: 4\r\n\r\nnope"),
        Front::Answers("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        Front::Answers("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"),
        // Says yes to the wrong thing, and yes without meaning it.
        Front::Answers("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"),
        Front::Answers(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: postern-h2/1\r\n\r\n",
        ),
        Front::Cuts,
        Front::Strips,
    ] {
        let timing = Timing { steady: Duration::ZERO, ..Timing::default() };
        let (proxy, mut links) = Proxy::new(timing.clone());
        let (url, seen) = front(proxy.listen().await, kind).await;
        let running = run(dialer(&url), config(None, timing), echo());
        let link = links.recv().await.unwrap();
        assert_eq!(link.carrier(), Carrier::WebSocket, "{kind:?}");
        assert_eq!(text(link.send(post(full("x"))).await.unwrap().into_body()).await, "x");
        running.agent.carrier().wait_for(|known| *known == Some(Carrier::WebSocket)).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), ["upgrade", "websocket"], "{kind:?}");
        link.shutdown(Goodbye::Draining);
        links.recv().await.unwrap();
        assert_eq!(*seen.lock().unwrap(), ["upgrade", "websocket", "websocket"], "{kind:?}");
    }
}

#[tokio::test]
async fn where_the_plain_upgrade_works_nothing_else_is_tried() {
    let (proxy, mut links) = Proxy::new(Timing::default());
    let running = run(dialer(&proxy.listen().await), config(None, Timing::default()), echo());
    assert_eq!(links.recv().await.unwrap().carrier(), Carrier::Upgrade);
    running.agent.carrier().wait_for(|known| *known == Some(Carrier::Upgrade)).await.unwrap();
}

#[tokio::test]
async fn a_remembered_carrier_that_no_longer_works_is_given_up() {
    let (proxy, mut links) = Proxy::new(Timing::default());
    let answer = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    let (url, seen) = front(proxy.listen().await, Front::Answers(answer)).await;
    let _running = run(dialer(&url), config(Some(Carrier::Upgrade), Timing::default()), echo());
    assert_eq!(links.recv().await.unwrap().carrier(), Carrier::WebSocket);
    assert_eq!(*seen.lock().unwrap(), ["upgrade", "websocket"]);
}

#[tokio::test]
async fn an_address_without_a_proxy_behind_it_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            let _ = socket.read(&mut head).await;
            socket.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    });
    let running = run(dialer(&url), config(None, Timing::default()), echo());
    let down = until(&running.agent, |state| matches!(state, State::Down { .. })).await;
    assert!(matches!(down, State::Down { reason: DownReason::NoTunnel { status: 404 }, .. }), "{down:?}");
}
