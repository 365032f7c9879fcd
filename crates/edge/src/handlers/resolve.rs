//! Names to addresses. `localhost` is this machine by both protocols, whatever
//! the system's table says: a dev server may listen on either one only.

use hyper_util::client::legacy::connect::dns::Name;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Resolves as the system does, and `localhost` to 127.0.0.1 and ::1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolver;

impl tower::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let name = name.as_str().trim_end_matches('.').to_ascii_lowercase();
            let addresses = if name == "localhost" || name.ends_with(".localhost") {
                vec![(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()]
            } else {
                tokio::net::lookup_host((name, 0))
                    .await
                    .map_err(|e| io::Error::new(io::ErrorKind::NotFound, Unresolved(e)))?
                    .collect()
            };
            Ok(addresses.into_iter())
        })
    }
}

/// Marks a failure to resolve among the causes of an error.
#[derive(Debug, thiserror::Error)]
#[error("the name does not resolve")]
pub(super) struct Unresolved(#[source] io::Error);
