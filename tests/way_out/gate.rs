//! A CONNECT proxy as companies have them: it wants a password, and knows one
//! name, which leads to this machine.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

pub(crate) struct Gate {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _work: AbortOnDropHandle<()>,
}

impl Gate {
    /// Lets whoever shows `credentials` through to `name`.
    pub(crate) async fn start(name: &'static str, credentials: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let work = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let noted = Arc::clone(&noted);
                tokio::spawn(async move { lead(near, name, credentials, &noted).await });
            }
        });
        Self { address, asked, _work: AbortOnDropHandle::new(work) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The request lines of those who had the password.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Ends with the connection, by whichever side.
async fn lead(mut near: TcpStream, name: &str, credentials: &str, asked: &Mutex<Vec<String>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let shown = head.lines().filter_map(|line| line.split_once(": "));
    let shown = shown
        .into_iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("proxy-authorization") && value == credentials);
    if !shown {
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        return near.write_all(answer.as_bytes()).await.ok();
    }
    asked.lock().ok()?.push(head.lines().next()?.to_owned());
    let port = head.strip_prefix(&format!("CONNECT {name}:"))?.split(' ').next()?.parse::<u16>().ok()?;
    let mut far = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
    copy_bidirectional(&mut near, &mut far).await.ok().map(|_| ())
}
