//! HTTP proxies on the way out, as companies have them.

use super::dial::{DialError, host, tcp};
use super::tls::Tls;
use crate::io::BoxIo;
use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Which HTTP proxy leads where.
#[derive(Clone, Debug)]
pub struct Proxies(Option<Arc<Matcher>>);

impl Proxies {
    /// None: everything is dialled directly.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// As the operating system and the environment say (`HTTPS_PROXY`,
    /// `ALL_PROXY`, `NO_PROXY`, …).
    #[must_use]
    pub fn from_system() -> Self {
        Self(Some(Arc::new(Matcher::from_system())))
    }

    /// As these variables say: `variable` is asked for `HTTPS_PROXY`,
    /// `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals, then in small
    /// letters.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value =
            |name: &str| variable(name).or_else(|| variable(&name.to_ascii_lowercase())).unwrap_or_default();
        let matcher = Matcher::builder()
            .all(value("ALL_PROXY"))
            .https(value("HTTPS_PROXY"))
            .http(value("HTTP_PROXY"))
            .no(value("NO_PROXY"));
        Self(Some(Arc::new(matcher.build())))
    }

    pub(super) fn on_the_way(&self, uri: &Uri) -> Option<Intercept> {
        self.0.as_ref()?.intercept(uri)
    }
}

/// Asks `proxy` for a connection to where `target` leads.
pub(super) async fn through(proxy: &Intercept, target: &Uri, tls: &Tls) -> Result<BoxIo, DialError> {
    let scheme = proxy.uri().scheme_str().unwrap_or("http");
    if scheme != "http" && scheme != "https" {
        return Err(DialError::ProxyScheme(scheme.to_owned()));
    }
    let name = || name(proxy);
    let unreachable = |source| DialError::ConnectProxy { proxy: name(), source };
    let mut io: BoxIo = Box::new(tcp(proxy.uri().clone()).await.map_err(unreachable)?);
    if scheme == "https" {
        io = tls.connect(host(proxy.uri()), io).await?;
    }
    let broken = |error: hyper::Error| unreachable(error.into());
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(broken)?;
    let mut driver = JoinSet::new();
    driver.spawn(connection.with_upgrades());
    let response = sender.send_request(request(proxy, target)).await.map_err(broken)?;
    match response.status() {
        status if status.is_success() => {
            let upgraded = hyper::upgrade::on(response).await.map_err(broken)?;
            Ok(Box::new(TokioIo::new(upgraded)))
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(DialError::ProxyCredentials { proxy: name() }),
        status => Err(DialError::ProxyRefused { proxy: name(), status: status.as_u16() }),
    }
}

/// A proxy's host and port; its credentials are kept elsewhere.
pub(super) fn name(proxy: &Intercept) -> String {
    proxy.uri().authority().map(ToString::to_string).unwrap_or_default()
}

fn request(proxy: &Intercept, target: &Uri) -> Request<Empty<Bytes>> {
    let default = if target.scheme_str() == Some("https") { 443 } else { 80 };
    let host = target.host().unwrap_or_default();
    let authority = format!("{host}:{}", target.port_u16().unwrap_or(default));
    let mut request = Request::new(Empty::new());
    *request.method_mut() = http::Method::CONNECT;
    // Both come from a URI that was parsed before.
    if let (Ok(uri), Ok(host)) = (authority.parse(), authority.parse()) {
        *request.uri_mut() = uri;
        request.headers_mut().insert(HOST, host);
    }
    if let Some(credentials) = proxy.basic_auth() {
        let mut credentials = credentials.clone();
        credentials.set_sensitive(true);
        request.headers_mut().insert(PROXY_AUTHORIZATION, credentials);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::Proxies;

    fn via(proxies: &Proxies, uri: &'static str) -> Option<String> {
        proxies.on_the_way(&uri.parse().unwrap()).map(|proxy| proxy.uri().to_string())
    }

    #[test]
    fn the_environment_names_the_way() {
        let proxies = Proxies::from_variables(|name| match name {
            "https_proxy" => Some("http://u:p@gate.test:3128".into()),
            "NO_PROXY" => Some("inside.test,10.0.0.0/8".into()),
            _ => None,
        });
        assert_eq!(via(&proxies, "https://p.test/").as_deref(), Some("http://gate.test:3128/"));
        assert_eq!(via(&proxies, "https://a.inside.test/"), None);
        assert_eq!(via(&proxies, "https://10.1.2.3/"), None);
        assert_eq!(via(&proxies, "http://p.test/"), None);
        assert_eq!(via(&Proxies::none(), "https://p.test/"), None);
    }
}
