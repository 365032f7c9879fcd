//! Who the visitor is, and what was asked of whom, as the local server is told:
//! by the connection, or by a reverse proxy in front whose word counts.

use super::Connection;
use crate::config;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use std::net::IpAddr;

pub(super) const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
pub(super) const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Who asks, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visitor {
    /// The address.
    pub(super) address: IpAddr,
    /// Whether what came before us is believed.
    pub(super) trusted: bool,
    /// Whether over HTTPS.
    pub(super) https: bool,
    /// For the local server: the addresses that the request came by.
    pub(super) by: String,
    /// For the local server: the host that was asked.
    pub(super) host: String,
    /// For the local server: the port that was asked.
    pub(super) port: u16,
}

impl Visitor {
    pub(super) fn of(
        head: &Parts,
        connection: &Connection,
        host: Option<&Authority>,
        settings: &config::Tunnel,
    ) -> Self {
        let peer = connection.peer.to_canonical();
        let trusted = settings.trusts(peer);
        let said = |name: &HeaderName| {
            let value = head.headers.get(name).filter(|_| trusted)?.to_str().ok()?;
            Some(value.rsplit(',').next()?.trim().to_owned())
        };
        let https = match said(&PROTO).as_deref() {
            Some("https") => true,
            Some("http") => false,
            _ => connection.tls,
        };
        let (address, by) =
            if trusted { chain(&head.headers, peer, settings) } else { (peer, peer.to_string()) };
        let asked = host.map(|host| host.as_str().to_owned()).unwrap_or_default();
        let forwarded = said(&HOST).and_then(|host| Authority::try_from(host).ok());
        let port = said(&PORT).and_then(|port| port.parse().ok());
        let named = forwarded.as_ref().or(host).and_then(Authority::port_u16);
        Self {
            address,
            trusted,
            https,
            by,
            port: port.or(named).unwrap_or(if https { 443 } else { 80 }),
            host: forwarded.map_or(asked, |host| host.as_str().to_owned()),
        }
    }
}

/// The nearest address that is not one of ours, and the whole list.
fn chain(headers: &HeaderMap, peer: IpAddr, settings: &config::Tunnel) -> (IpAddr, String) {
    let mut list: Vec<String> = headers
        .get_all(FOR)
        .iter()
        .filter_map(|value| HeaderValue::to_str(value).ok())
        .flat_map(|value| value.split(','))
        .map(|address| address.trim().to_owned())
        .filter(|address| !address.is_empty())
        .collect();
    let mut visitor = peer;
    for text in list.iter().rev() {
        // What is no address hides whatever stands before it.
        let Ok(address) = text.parse::<IpAddr>() else { break };
        visitor = address.to_canonical();
        if !settings.trusts(visitor) {
            break;
        }
    }
    list.push(peer.to_string());
    (visitor, list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use http::Request;

    fn visitor(peer: &str, tls: bool, headers: &[(&str, &str)]) -> (String, String, String) {
        let settings = "[tunnel]\ntrusted_proxies = [\"10.0.0.0/8\"]";
        let settings = Config::from_toml(settings).unwrap().tunnel;
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let head = request.body(()).unwrap().into_parts().0;
        let connection = Connection { peer: peer.parse().unwrap(), tls, hangup: None };
        let host: Authority = "app.example:8443".parse().unwrap();
        let found = Visitor::of(&head, &connection, Some(&host), &settings);
        let scheme = if found.https { "https" } else { "http" };
        (found.address.to_string(), found.by, format!("{scheme} {} {}", found.host, found.port))
    }

    fn told(address: &str, by: &str, rest: &str) -> (String, String, String) {
        (address.to_owned(), by.to_owned(), rest.to_owned())
    }

    const FORGED: [(&str, &str); 4] = [
        ("x-forwarded-for", "1.2.3.4, 10.0.0.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "bank.example"),
        ("x-forwarded-port", "1"),
    ];

    #[test]
    fn strangers_are_not_believed() {
        let plain = told("203.0.113.9", "203.0.113.9", "http app.example:8443 8443");
        assert_eq!(visitor("203.0.113.9", false, &FORGED), plain);
        assert_eq!(visitor("::ffff:203.0.113.9", false, &FORGED), plain);
    }

    #[test]
    fn a_reverse_proxy_in_front_is() {
        let all = told("1.2.3.4", "1.2.3.4, 10.0.0.7, 10.0.0.1", "https bank.example 1");
        assert_eq!(visitor("10.0.0.1", false, &FORGED), all);
        let forged_twice = [("x-forwarded-for", "6.6.6.6, 1.2.3.4"), ("x-forwarded-proto", "gopher")];
        let nearest = told("1.2.3.4", "6.6.6.6, 1.2.3.4, 10.0.0.1", "https app.example:8443 8443");
        assert_eq!(visitor("10.0.0.1", true, &forged_twice), nearest, "the nearest stranger");
        let nonsense = [("x-forwarded-for", "1.2.3.4, unknown")];
        let own = told("10.0.0.1", "1.2.3.4, unknown, 10.0.0.1", "http app.example:8443 8443");
        assert_eq!(visitor("10.0.0.1", false, &nonsense), own);
    }
}
