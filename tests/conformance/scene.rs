//! A proxy, an edge that serves the tunnel `app` over one of the carriers, and
//! the port that the tunnel leads to, whose every connection the test plays.

use postern_edge::api::{self, AddTunnel, Arrival, ChangeTunnel, PublicTunnelState, TunnelSettings, Via};
use postern_testkit::{EdgeInProcess, Proxy, SystemClock, within};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// The host of the tunnel.
pub(crate) const APP: &str = "app.tunnels.test";
/// An answer with nothing in it.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// What carries the tunnel's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// The upgraded connection itself.
    Upgrade,
    /// A WebSocket, since something on the way takes other upgrades away.
    WebSocket,
}

pub(crate) struct Scene {
    pub(crate) proxy: Proxy,
    pub(crate) edge: EdgeInProcess,
    pub(crate) local: Local,
    carrier: Carrier,
    _front: AbortOnDropHandle<()>,
}

impl Scene {
    pub(crate) async fn of(carrier: Carrier) -> Self {
        Self::with(carrier, TunnelSettings::default()).await
    }

    /// The same with these settings of the tunnel, but for its target.
    pub(crate) async fn with(carrier: Carrier, settings: TunnelSettings) -> Self {
        let clock = Arc::new(SystemClock);
        let rules = "[tunnel]\ndomain = \"tunnels.test\"\nrate = 0\n";
        let proxy = Proxy::start_with(rules, clock.clone()).await;
        let (way, front) = front(proxy.address(), carrier).await;
        let url = format!("http://{way}");
        let edge = EdgeInProcess::start(&url, proxy.token().await, clock, |config| {
            config.via = Some(Via::Tunnel);
        })
        .await;
        edge.live().await;
        let local = Local::start().await;
        let name = Some("app".parse().expect("a name"));
        let settings = TunnelSettings { target: local.port.to_string(), ..settings };
        let add = AddTunnel { name, settings, options: None, on: Some(true) };
        api::add_tunnel(edge.handle(), add).await.expect("the tunnel is added");
        let scene = Self { proxy, edge, local, carrier, _front: front };
        scene.online().await;
        scene
    }

    /// Waits until the tunnel is online, over the carrier that is meant; since
    /// when its connection stands.
    pub(crate) async fn online(&self) -> i64 {
        within("the tunnel online", async {
            loop {
                let status = api::status(self.edge.handle()).await.expect("the edge answers");
                let online = status.tunnels.iter().all(|t| t.state == PublicTunnelState::Online);
                let arrival = status.session.map(|session| session.arrival);
                if let Some(Arrival::Tunnel { tunnel: api::Tunnel::Up { carrier, since, .. }, .. }) = arrival
                    && online
                {
                    let meant = if self.carrier == Carrier::Upgrade { "upgrade" } else { "websocket" };
                    assert_eq!(carrier, meant);
                    return since.0;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    /// Leads the tunnel to another port.
    pub(crate) async fn lead_to(&self, port: u16) {
        let name = "app".parse().expect("a name");
        let settings = TunnelSettings { target: port.to_string(), ..TunnelSettings::default() };
        let change = ChangeTunnel { name, settings: Some(settings), options: None };
        api::change_tunnel(self.edge.handle(), change).await.expect("the tunnel is changed");
    }

    /// A visitor's connection to the proxy.
    pub(crate) async fn visitor(&self) -> Wire {
        Wire::to(self.proxy.address()).await
    }

    /// A visitor who has said this, and the local server's end of it.
    pub(crate) async fn visit(&self, says: impl AsRef<[u8]>) -> (Wire, Wire) {
        let mut visitor = self.visitor().await;
        visitor.say(says).await;
        (visitor, self.local.accept().await)
    }

    /// What the local server is asked, when a visitor asks this on a connection
    /// of its own, and what the visitor gets when the server answers that.
    pub(crate) async fn trade(&self, asks: impl AsRef<[u8]>, answers: impl AsRef<[u8]>) -> (Head, Wire) {
        let (visitor, mut local) = self.visit(asks).await;
        let asked = local.head().await;
        local.say(answers).await;
        local.end().await;
        (asked, visitor)
    }

    /// Goes once there and back, on connections of its own.
    pub(crate) async fn works(&self) {
        let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let (asked, mut visitor) = self.trade(get("/works"), ok).await;
        assert_eq!(asked.line, "GET /works HTTP/1.1");
        assert_eq!(visitor.head().await.line, "HTTP/1.1 200 OK");
        assert_eq!(visitor.read(2).await, b"ok");
    }
}

/// A request without a body.
pub(crate) fn get(path: &str) -> String {
    ask("GET", path, "")
}

/// A request's head; `more` are whole lines.
pub(crate) fn ask(method: &str, path: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: {APP}\r\n{more}\r\n")
}

/// A server on this machine.
pub(crate) struct Local {
    listener: TcpListener,
    pub(crate) port: u16,
}

impl Local {
    pub(crate) async fn start() -> Self {
        Self::on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port"))
    }

    pub(crate) fn on(listener: TcpListener) -> Self {
        let port = listener.local_addr().expect("a bound listener has an address").port();
        Self { listener, port }
    }

    pub(crate) async fn accept(&self) -> Wire {
        Wire::new(within("a connection", self.listener.accept()).await.expect("a listener accepts").0)
    }
}

/// One end of a connection, whose bytes are the test's.
pub(crate) struct Wire(pub(crate) BufReader<TcpStream>);

/// The head of a message.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) line: String,
    /// Names in small letters.
    headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// The values of a header, in their order.
    pub(crate) fn all(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_slice()).collect()
    }

    /// The value of a header that is there once; empty: it is not there.
    pub(crate) fn one(&self, name: &str) -> &str {
        match self.all(name).as_slice() {
            [] => "",
            [value] => std::str::from_utf8(value).expect("text"),
            more => panic!("{} times {name}: {self:?}", more.len()),
        }
    }

    /// The second word of the first line: a request's target, an answer's
    /// status.
    pub(crate) fn second(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
}

impl Wire {
    fn new(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }

    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.expect("somebody listens"))
    }

    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        within("the other end to read", self.0.write_all(bytes.as_ref())).await.expect("the other end reads");
    }

    pub(crate) async fn head(&mut self) -> Head {
        self.head_or_end().await.expect("a head")
    }

    /// A head, unless the connection ends without one.
    pub(crate) async fn head_or_end(&mut self) -> Option<Head> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            match within("a head", self.0.read_u8()).await {
                Ok(byte) => bytes.push(byte),
                Err(_) if bytes.is_empty() => return None,
                Err(error) => panic!("{error} in {:?}", String::from_utf8_lossy(&bytes)),
            }
        }
        let mut lines =
            bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let line = String::from_utf8(lines.next().unwrap_or_default().to_vec()).expect("text");
        let headers = lines.filter(|line| !line.is_empty()).map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').expect("a header has a colon");
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            (name, line[colon + 1..].trim_ascii().to_vec())
        });
        Some(Head { line, headers: headers.collect() })
    }

    pub(crate) async fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        within("bytes", self.0.read_exact(&mut bytes)).await.expect("the other end writes");
        bytes
    }

    /// The body after this head, however it is delimited.
    pub(crate) async fn body(&mut self, head: &Head) -> Vec<u8> {
        if head.one("transfer-encoding").is_empty() {
            return self.read(head.one("content-length").parse().expect("a length")).await;
        }
        let mut bytes = Vec::new();
        loop {
            let chunk = self.chunk().await;
            if chunk.is_empty() {
                return bytes;
            }
            bytes.extend(chunk);
        }
    }

    /// One chunk of a chunked body; empty: the last one.
    pub(crate) async fn chunk(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(within("a chunk", self.0.read_u8()).await.expect("a chunk"));
        }
        let size =
            std::str::from_utf8(&line).ok().and_then(|line| usize::from_str_radix(line.trim(), 16).ok());
        let size = size.unwrap_or_else(|| panic!("{:?} is no chunk", String::from_utf8_lossy(&line)));
        if size == 0 {
            return Vec::new();
        }
        let bytes = self.read(size).await;
        assert_eq!(self.read(2).await, b"\r\n");
        bytes
    }

    /// `len` bytes of a chunked body, in however many chunks they come.
    pub(crate) async fn chunks(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let chunk = self.chunk().await;
            assert!(!chunk.is_empty(), "it ended after {} of {len} bytes", bytes.len());
            bytes.extend(chunk);
        }
        bytes
    }

    /// All that comes until the connection ends, in order or not.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // What came before an error is there.
        let _ = within("the end of the connection", self.0.read_to_end(&mut bytes)).await;
        bytes
    }

    /// The connection, of which nothing must have been read.
    pub(crate) fn into_inner(self) -> TcpStream {
        assert!(self.0.buffer().is_empty(), "what was read already would be lost");
        self.0.into_inner()
    }

    /// Closes this side; the other one may go on.
    pub(crate) async fn end(&mut self) {
        // The other end may have gone already.
        let _ = self.0.shutdown().await;
    }

    /// Ends the connection without an orderly close.
    pub(crate) fn reset(self) {
        let _ = self.0.get_ref().set_zero_linger();
    }
}

/// What stands between edge and proxy: nothing but TCP, or what lets through no
/// other upgrade than WebSocket's.
async fn front(proxy: SocketAddr, carrier: Carrier) -> (SocketAddr, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let work = tokio::spawn(async move {
        while let Ok((edge, _)) = listener.accept().await {
            // Ends with either side.
            tokio::spawn(pass(edge, proxy, carrier));
        }
    });
    (address, AbortOnDropHandle::new(work))
}

async fn pass(mut edge: TcpStream, proxy: SocketAddr, carrier: Carrier) -> std::io::Result<()> {
    edge.set_nodelay(true)?;
    let mut far = TcpStream::connect(proxy).await?;
    far.set_nodelay(true)?;
    if carrier == Carrier::WebSocket {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(edge.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let taken = |line: &&str| !line.to_ascii_lowercase().starts_with("upgrade: postern");
        let passed: String = head.split_inclusive("\r\n").filter(taken).collect();
        far.write_all(passed.as_bytes()).await?;
    }
    tokio::io::copy_bidirectional(&mut edge, &mut far).await.map(drop)
}
