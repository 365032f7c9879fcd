//! The way to the proxy: TCP, an HTTP proxy where one is configured, TLS.

use super::proxies::{Proxies, name, through};
use super::tls::Tls;
use crate::io::BoxIo;
use futures_util::future::BoxFuture;
use http::uri::Scheme;
use http::{Uri, uri::Authority};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tower::ServiceExt;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Dial = dyn Fn() -> BoxFuture<'static, Result<BoxIo, DialError>> + Send + Sync;

/// Opens connections to one proxy.
#[derive(Clone)]
pub struct Dialer {
    target: Target,
    http_proxy: Option<String>,
    dial: Arc<Dial>,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").field("target", &self.target).finish_non_exhaustive()
    }
}

/// What the proxy's URL says.
#[derive(Clone, Debug)]
pub(super) struct Target {
    uri: Uri,
    pub(super) authority: Authority,
    /// Without a slash at its end.
    pub(super) path: String,
}

impl Dialer {
    /// Dials the proxy at `url`: `https://host[:port][/path]`, or `http://` for
    /// loopback. `TCP_NODELAY` is set. Loopback is dialled directly, everything
    /// else as `proxies` says.
    ///
    /// # Errors
    /// [`BadUrl`], with the cure.
    pub fn new(url: &str, proxies: Proxies, tls: Tls) -> Result<Self, BadUrl> {
        let target = Target::parse(url)?;
        let uri = target.uri.clone();
        let http_proxy = on_the_way(&proxies, &uri).map(|proxy| name(&proxy));
        let dial = move || {
            let (uri, proxies, tls) = (uri.clone(), proxies.clone(), tls.clone());
            let dial: BoxFuture<'static, _> = Box::pin(async move { connect(&uri, &proxies, &tls).await });
            dial
        };
        Ok(Self { target, http_proxy, dial: Arc::new(dial) })
    }

    /// Takes its connections from `dial`: a proxy in the same process, say.
    /// `url` goes into the upgrade's request.
    ///
    /// # Errors
    /// [`BadUrl`], as above.
    pub fn from_fn<F, Fut>(url: &str, dial: F) -> Result<Self, BadUrl>
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::io::Result<BoxIo>> + Send + 'static,
    {
        let dial = move || {
            let dialling = dial();
            let dial: BoxFuture<'static, _> =
                Box::pin(async move { dialling.await.map_err(|error| DialError::Connect(error.into())) });
            dial
        };
        Ok(Self { target: Target::parse(url)?, http_proxy: None, dial: Arc::new(dial) })
    }

    /// The HTTP proxy on the way, as `host:port`, where one is configured.
    #[must_use]
    pub fn http_proxy(&self) -> Option<&str> {
        self.http_proxy.as_deref()
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) async fn dial(&self) -> Result<BoxIo, DialError> {
        (self.dial)().await
    }
}

impl Target {
    fn parse(url: &str) -> Result<Self, BadUrl> {
        let uri: Uri = url.parse().map_err(BadUrl::Malformed)?;
        let authority = uri.authority().cloned().ok_or(BadUrl::NoHost)?;
        if authority.as_str().contains('@') {
            return Err(BadUrl::Credentials);
        }
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => {}
            Some(scheme) if *scheme == Scheme::HTTP && is_loopback(&uri) => {}
            Some(scheme) if *scheme == Scheme::HTTP => return Err(BadUrl::Insecure),
            _ => return Err(BadUrl::Scheme),
        }
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { uri, authority, path })
    }
}

/// Why a URL cannot be dialled.
#[derive(Debug, thiserror::Error)]
pub enum BadUrl {
    /// Not a URL.
    #[error("the proxy's URL cannot be read")]
    Malformed(#[source] http::uri::InvalidUri),
    /// It names no host.
    #[error("the proxy's URL names no host: write https://host")]
    NoHost,
    /// It carries a user name or a password.
    #[error("the proxy's URL must not carry credentials")]
    Credentials,
    /// `http://` to somewhere else.
    #[error("the proxy's URL must be https:// (http:// is for this machine only)")]
    Insecure,
    /// Neither.
    #[error("the proxy's URL must begin with https://")]
    Scheme,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// DNS or TCP.
    #[error("no connection")]
    Connect(#[source] BoxError),
    /// The HTTP proxy on the way cannot be reached.
    #[error("no connection to the HTTP proxy {proxy}")]
    ConnectProxy {
        /// Its host and port.
        proxy: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The HTTP proxy wants credentials, or others (407).
    #[error("the HTTP proxy {proxy} wants a user name and a password: put them into its URL")]
    ProxyCredentials {
        /// Its host and port.
        proxy: String,
    },
    /// The HTTP proxy does not let us through.
    #[error("the HTTP proxy {proxy} answered {status}")]
    ProxyRefused {
        /// Its host and port.
        proxy: String,
        /// The HTTP status.
        status: u16,
    },
    /// A kind of proxy that we do not speak with: SOCKS.
    #[error("a proxy of scheme {0} is not supported: use an http:// one")]
    ProxyScheme(String),
    /// The certificate is not trusted, or TLS failed otherwise.
    #[error("TLS with {host} failed")]
    Tls {
        /// With whom.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It took too long.
    #[error("no connection in time")]
    Timeout,
}

async fn connect(uri: &Uri, proxies: &Proxies, tls: &Tls) -> Result<BoxIo, DialError> {
    let io: BoxIo = match on_the_way(proxies, uri) {
        None => Box::new(tcp(uri.clone()).await.map_err(DialError::Connect)?),
        Some(proxy) => through(&proxy, uri, tls).await?,
    };
    if uri.scheme() == Some(&Scheme::HTTPS) {
        return tls.connect(host(uri), io).await;
    }
    Ok(io)
}

/// This machine is never reached through a proxy.
fn on_the_way(proxies: &Proxies, uri: &Uri) -> Option<Intercept> {
    proxies.on_the_way(uri).filter(|_| !is_loopback(uri))
}

/// TCP to where a URI leads, whichever of its addresses answers first.
pub(super) async fn tcp(uri: Uri) -> Result<TcpStream, BoxError> {
    let mut connector = HttpConnector::new();
    // Small frames are what a tunnel is made of: with Nagle's algorithm an
    // event waits up to 40 ms for the last one's acknowledgement.
    connector.set_nodelay(true);
    connector.enforce_http(false);
    Ok(connector.oneshot(uri).await.map(TokioIo::into_inner)?)
}

/// The host of a URI, an IPv6 address without its brackets.
pub(super) fn host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

fn is_loopback(uri: &Uri) -> bool {
    let host = host(uri);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{BadUrl, Target};

    #[test]
    fn https_anywhere_and_http_on_this_machine() {
        for good in [
            "https://p.test",
            "https://p.test:8443/base/",
            "http://localhost:1",
            "http://[::1]:1/",
            "http://127.0.0.9",
        ] {
            Target::parse(good).unwrap();
        }
        assert_eq!(Target::parse("https://p.test/base/").unwrap().path, "/base");
        assert!(matches!(Target::parse("http://p.test"), Err(BadUrl::Insecure)));
        assert!(matches!(Target::parse("ftp://p.test"), Err(BadUrl::Scheme)));
        assert!(matches!(Target::parse("/edge"), Err(BadUrl::NoHost)));
        assert!(matches!(Target::parse("p.test:1"), Err(BadUrl::Scheme)));
        assert!(matches!(Target::parse("https://u:p@p.test"), Err(BadUrl::Credentials)));
        assert!(matches!(Target::parse("https://p test"), Err(BadUrl::Malformed(_))));
    }
}
