//! Connects where the address policy allows. The host is judged as the URL
//! names it; then its name is resolved, once, and of what was found only what
//! the policy allows is handed to whoever connects: the address that was
//! judged is the address connected to.
//!
//! Where the operator's environment names a proxy for HTTPS, the connection
//! goes through it, unless it is to this machine. Names are then the proxy's
//! to resolve and to refuse; the host is still judged here as the URL names
//! it.

use super::names::Names;
use crate::registry::address::{AddressPolicy, is_local, judge, judge_host};
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
use url::Host;

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
    /// The policy refuses where it leads: an address or a name.
    #[error("{host} is {what}, where this proxy does not deliver")]
    Refused { host: String, what: &'static str },
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
    pub(super) fn new(
        policy: Arc<AddressPolicy>,
        timeout: Duration,
        names: Arc<dyn Names>,
        proxies: Matcher,
    ) -> Self {
        let mut direct = HttpConnector::new_with_resolver(Resolver { policy: policy.clone(), names });
        let mut to_proxy = HttpConnector::new();
        direct.set_nodelay(true);
        direct.enforce_http(false);
        direct.set_connect_timeout(Some(timeout.min(CONNECT_TIMEOUT)));
        to_proxy.set_nodelay(true);
        to_proxy.set_connect_timeout(Some(timeout.min(CONNECT_TIMEOUT)));
        Self { policy, direct, to_proxy, proxies: Arc::new(proxies) }
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
        // As the URL standard reads it: `0x7f.1` is an address.
        let host = match Host::parse(uri.host().unwrap_or_default()) {
            Ok(host) => host,
            Err(cause) => return Box::pin(async move { Err(cause.into()) }),
        };
        if let Err(what) = judge_host(&host, &self.policy) {
            let refused = NotConnected::Refused { host: host.to_string(), what };
            return Box::pin(async move { Err(refused.into()) });
        }
        let proxied = uri.scheme_str() == Some("https") && !is_local(&host);
        let proxy = if proxied { self.proxies.intercept(&uri) } else { None };
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

/// Names' addresses, without those that the policy refuses.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    policy: Arc<AddressPolicy>,
    names: Arc<dyn Names>,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = NotConnected;
    type Future = BoxFuture<'static, Result<Self::Response, NotConnected>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotConnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { policy, names } = self.clone();
        Box::pin(async move {
            let name = name.as_str();
            let found = names.addresses(name).await;
            let found = found
                .map_err(|error| NotConnected::Unresolved { name: name.to_owned(), cause: Some(error) })?;
            let allowed = admit(name, found, &policy)?;
            // The port is the connector's to fill in.
            let sockets: Vec<_> = allowed.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(sockets.into_iter())
        })
    }
}

/// Of the addresses that `name` has, those that may be connected to.
pub(crate) fn admit(
    name: &str,
    found: Vec<IpAddr>,
    policy: &AddressPolicy,
) -> Result<Vec<IpAddr>, NotConnected> {
    let mut refused = NotConnected::Unresolved { name: name.to_owned(), cause: None };
    let mut allowed = Vec::with_capacity(found.len());
    for address in found {
        match judge(address, policy) {
            Ok(()) => allowed.push(address),
            Err(what) => refused = NotConnected::Refused { host: address.to_string(), what },
        }
    }
    if allowed.is_empty() { Err(refused) } else { Ok(allowed) }
}
