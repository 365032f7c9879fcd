//! A CONNECT proxy, as the only way out.

use crate::places::PROXY;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// Starts one, beside the proxy; ends with the process.
pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind((PROXY, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(lead(near));
        }
    });
    address
}

/// Ends with the connection, by whichever side.
async fn lead(mut near: TcpStream) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?;
    let mut far = TcpStream::connect(target).await.ok()?;
    near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
    copy_bidirectional(&mut near, &mut far).await.ok().map(|_| ())
}
