//! Connects where the address policy allows, judging the very addresses that
//! are connected to: literal ones before, resolved ones after DNS.
//!
//! Where the operator's environment names a proxy for HTTPS, the connection
//! goes through it and names are the proxy's to resolve; literal addresses are
//! still judged here.

use crate::registry::address::{AddressPolicy, Place, is_allowed, place};
use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{HttpConnector, dns::GaiResolver};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long a TCP connection may take at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why no connection was tried, or no address found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotConnected {
    /// DNS has no address, or no answer.
    #[error("the name {name} did not resolve")]
    Unresolved {
        name: String,
        #[source]
        cause: Option<std::io::Error>,
    },
    /// The policy refuses where it leads.
    #[error("{address} is {what}, where this proxy does not deliver")]
    Refused { address: IpAddr, what: &'static str },
    /// The proxy on the way did not let it through.
    #[error("the HTTPS proxy gave no connection")]
    Proxy {
        #[source]
        cause: BoxError,
    },
}

/// A connector that keeps to the policy.
#[derive(Clone, Debug)]
pub(super) struct Guarded {
    policy: Arc<AddressPolicy>,
    direct: HttpConnector<Resolver>,
    to_proxy: HttpConnector<GaiResolver>,
    proxies: Arc<Matcher>,
}

impl Guarded {
    pub(super) fn new(policy: Arc<AddressPolicy>, timeout: Duration) -> Self {
        let mut direct = HttpConnector::new_with_resolver(Resolver { policy: policy.clone() });
        let mut to_proxy = HttpConnector::new();
        direct.set_nodelay(true);
        direct.enforce_http(false);
        direct.set_connect_timeout(Some(timeout.min(CONNECT_TIMEOUT)));
        to_proxy.set_nodelay(true);
        to_proxy.set_connect_timeout(Some(timeout.min(CONNECT_TIMEOUT)));
        Self { policy, direct, to_proxy, proxies: Arc::new(Matcher::from_system()) }
    }
}

impl Service<Uri> for Guarded {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        if let Some(refused) = literal(&uri).and_then(|address| judge(address, &self.policy).err()) {
            return Box::pin(async move { Err(refused.into()) });
        }
        let proxy = if uri.scheme_str() == Some("https") { self.proxies.intercept(&uri) } else { None };
        match proxy {
            None => {
                let connecting = self.direct.call(uri);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), self.to_proxy.clone());
                if let Some(credentials) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(credentials.clone());
                }
                let connecting = tunnel.call(uri);
                Box::pin(async move {
                    connecting.await.map_err(|cause| NotConnected::Proxy { cause: cause.into() }.into())
                })
            }
        }
    }
}

/// The address a URI names literally.
fn literal(uri: &Uri) -> Option<IpAddr> {
    uri.host()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn judge(address: IpAddr, policy: &AddressPolicy) -> Result<(), NotConnected> {
    if is_allowed(address, policy) {
        return Ok(());
    }
    let what = match place(address) {
        Place::Inside(what) => what,
        Place::Loopback => "this machine (loopback)",
        Place::Public => "a public address",
    };
    Err(NotConnected::Refused { address, what })
}

/// The system's resolver, without the addresses the policy refuses.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    policy: Arc<AddressPolicy>,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = NotConnected;
    type Future = BoxFuture<'static, Result<Self::Response, NotConnected>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotConnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let policy = self.policy.clone();
        Box::pin(async move {
            let resolved = tokio::net::lookup_host((name.as_str(), 0)).await;
            let unresolved = |cause| NotConnected::Unresolved { name: name.as_str().to_owned(), cause };
            let found: Vec<_> = resolved.map_err(|error| unresolved(Some(error)))?.collect();
            let mut refused = unresolved(None);
            let mut allowed = Vec::with_capacity(found.len());
            for address in found {
                match judge(address.ip(), &policy) {
                    Ok(()) => allowed.push(address),
                    Err(why) => refused = why,
                }
            }
            if allowed.is_empty() { Err(refused) } else { Ok(allowed.into_iter()) }
        })
    }
}
