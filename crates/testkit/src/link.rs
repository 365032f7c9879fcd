//! A TCP relay that can be cut, in the middle of a body too, and restored.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// The relay; gone, with all connections through it, when dropped.
#[derive(Debug)]
pub struct FlakyLink {
    address: SocketAddr,
    wire: Arc<Wire>,
    _relay: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Wire {
    state: watch::Sender<State>,
    /// How many more bytes may pass before the cut, and which way.
    until_cut: Mutex<Option<(Way, usize)>>,
}

/// Which way bytes pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ToTarget,
    Back,
}

#[derive(Clone, Copy, Debug)]
struct State {
    up: bool,
    /// How often it was cut: a link that is up again has still lost whatever
    /// went through it before.
    cuts: u64,
}

impl FlakyLink {
    /// A link on a free port of loopback to `target`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let wire = Arc::new(Wire {
            state: watch::Sender::new(State { up: true, cuts: 0 }),
            until_cut: Mutex::new(None),
        });
        let relay = AbortOnDropHandle::new(tokio::spawn(accept(listener, target, Arc::clone(&wire))));
        Self { address, wire, _relay: relay }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets every connection, and every new one until [`FlakyLink::restore`].
    pub fn cut(&self) {
        self.wire.cut();
    }

    /// Cuts the link as soon as `bytes` more have passed towards the target.
    pub fn cut_after(&self, bytes: usize) {
        self.wire.cut_after(Way::ToTarget, bytes);
    }

    /// Cuts the link as soon as `bytes` more have passed back from the target:
    /// what it sends down a tunnel, say.
    pub fn cut_after_back(&self, bytes: usize) {
        self.wire.cut_after(Way::Back, bytes);
    }

    /// Lets connections through again.
    pub fn restore(&self) {
        *self.wire.until_cut.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.wire.state.send_modify(|state| state.up = true);
    }

    /// Waits until the link is cut, by whichever way.
    ///
    /// # Panics
    /// When it is not before the deadline.
    pub async fn is_cut(&self) {
        let mut state = self.wire.state.subscribe();
        let cut = crate::within("the link to be cut", state.wait_for(|state| !state.up)).await;
        drop(cut.expect("the link outlives its own wait"));
    }
}

impl Wire {
    fn cut(&self) {
        self.state.send_modify(|state| *state = State { up: false, cuts: state.cuts + 1 });
    }

    fn cut_after(&self, way: Way, bytes: usize) {
        *self.until_cut.lock().unwrap_or_else(PoisonError::into_inner) = Some((way, bytes));
    }

    /// How many of `wanted` bytes may pass this way; fewer mean that the link
    /// is to be cut after them. That is said once, however many connections
    /// reach the end of the count: a second cut would come after the link was
    /// restored.
    fn allow(&self, way: Way, wanted: usize) -> usize {
        let mut until_cut = self.until_cut.lock().unwrap_or_else(PoisonError::into_inner);
        match until_cut.take() {
            None => wanted,
            Some((counted, left)) if counted == way && left < wanted => left,
            Some((counted, left)) => {
                *until_cut = Some((counted, if counted == way { left - wanted } else { left }));
                wanted
            }
        }
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, wire: Arc<Wire>) {
    // Dropped with the link, and every connection with it.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((visitor, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(connect(visitor, target, Arc::clone(&wire)));
    }
}

async fn connect(visitor: TcpStream, target: SocketAddr, wire: Arc<Wire>) {
    // A reset, not an orderly end: nobody may take a cut body for a whole one.
    let _ = visitor.set_zero_linger();
    let State { up: true, cuts } = *wire.state.borrow() else { return };
    let Ok(server) = TcpStream::connect(target).await else { return };
    let _ = server.set_zero_linger();
    let mut state = wire.state.subscribe();
    let (from_visitor, to_visitor) = visitor.into_split();
    let (from_server, to_server) = server.into_split();
    let both = async {
        tokio::join!(
            copy(from_visitor, to_server, Way::ToTarget, &wire),
            copy(from_server, to_visitor, Way::Back, &wire)
        );
    };
    tokio::select! {
        () = both => {}
        _ = state.wait_for(|state| state.cuts > cuts) => {}
    }
}

/// Copies until the end, which it passes on; counts against the cut.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: Way, wire: &Wire) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let allowed = wire.allow(way, read);
        let written = to.write_all(&buffer[..allowed]).await;
        if allowed < read {
            wire.cut();
            // Not ended here: an end that looks orderly could be answered.
            return std::future::pending().await;
        }
        if written.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
