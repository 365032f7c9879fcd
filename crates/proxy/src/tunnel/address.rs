//! Where public tunnels are: the address of each, and which of them a request
//! is for. Only its host and its path say so, and no other header.

use crate::config;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{Uri, Version};
use postern_protocol::api::tunnels::{PATH_PREFIX, TunnelName};

/// Names that nobody gets: people take them for the operator's, or machines
/// ask them for what they trust.
const KEPT_BACK: [&str; 62] = [
    "abuse",
    "account",
    "accounts",
    "admin",
    "administrator",
    "api",
    "assets",
    "auth",
    "autoconfig",
    "autodiscover",
    "billing",
    "cdn",
    "dashboard",
    "dns",
    "edge",
    "ftp",
    "help",
    "hook",
    "hooks",
    "hostmaster",
    "imap",
    "internal",
    "localhost",
    "login",
    "logout",
    "mail",
    "mta",
    "mta-sts",
    "ns1",
    "ns2",
    "ns3",
    "ntp",
    "oauth",
    "openid",
    "pop3",
    "postern",
    "postmaster",
    "proxy",
    "register",
    "root",
    "saml",
    "security",
    "signin",
    "signup",
    "smtp",
    "ssh",
    "ssl",
    "sso",
    "static",
    "status",
    "support",
    "sysadmin",
    "system",
    "tls",
    "token",
    "tunnel",
    "tunnels",
    "vpn",
    "webhooks",
    "webmaster",
    "wpad",
    "www",
];

/// Where public tunnels are.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// The proxy's own, without a slash at the end.
    base: String,
    /// `https`, and the port where it is not the scheme's own.
    scheme: String,
    port: Option<u16>,
    /// The proxy's own host, which may lie in the domain.
    own_host: String,
    domain: Option<String>,
    paths: bool,
}

/// Which tunnel a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// This one.
    Tunnel {
        /// Its name.
        name: TunnelName,
        /// Whether the path says so, and not the host.
        by_path: bool,
        /// The host that was asked for; absent: HTTP/1.0 without one.
        host: Option<Authority>,
    },
    /// It lacks the slash after the tunnel's name.
    Slash,
    /// A tunnel's place with what cannot be a tunnel's name.
    Unknown,
    /// It would be a tunnel's, if one could tell which.
    Unclear(&'static str),
}

impl Address {
    /// `base`: the proxy's own address.
    pub(crate) fn new(base: &str, settings: &config::Tunnel) -> Self {
        let uri: Uri = base.parse().unwrap_or_default();
        Self {
            base: base.to_owned(),
            scheme: uri.scheme_str().unwrap_or("http").to_owned(),
            port: uri.port_u16(),
            own_host: uri.host().unwrap_or_default().to_ascii_lowercase(),
            domain: settings.domain.clone(),
            paths: settings.paths,
        }
    }

    /// A tunnel's address; `None`: this proxy has none.
    pub(crate) fn of(&self, name: &TunnelName) -> Option<String> {
        match (&self.domain, self.paths) {
            (Some(domain), _) => {
                let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
                Some(format!("{}://{name}.{domain}{port}", self.scheme))
            }
            (None, true) => Some(format!("{}{PATH_PREFIX}{name}", self.base)),
            (None, false) => None,
        }
    }

    /// Whether nobody may have this name.
    pub(crate) fn keeps_back(&self, name: &TunnelName) -> bool {
        let own = self.domain.as_ref().is_some_and(|domain| self.own_host == format!("{name}.{domain}"));
        own || KEPT_BACK.contains(&name.as_str())
    }

    /// Which tunnel a request is for; `None`: none, it is the proxy's own.
    pub(crate) fn find(&self, head: &Parts) -> Option<Place> {
        let hosts: Vec<&str> =
            head.headers.get_all(HOST).iter().map(|value| value.to_str().unwrap_or_default()).collect();
        let asked = head.uri.authority().map(Authority::as_str);
        let label = hosts.iter().copied().chain(asked).find_map(|host| self.label(host));
        let path = head.uri.path().strip_prefix(PATH_PREFIX).filter(|rest| self.paths && !rest.is_empty());
        if label.is_none() && path.is_none() {
            return None;
        }
        let host = match (hosts.as_slice(), asked) {
            ([_, _, ..], _) => return Some(Place::Unclear("it has more than one header Host")),
            ([host], Some(asked)) if !host.eq_ignore_ascii_case(asked) => {
                return Some(Place::Unclear("its header Host is not the host of its target"));
            }
            ([], None) if head.version != Version::HTTP_10 => {
                return Some(Place::Unclear("it has no header Host"));
            }
            // HTTP/1.1 wants the header whatever the target says.
            ([], Some(_)) if head.version == Version::HTTP_11 => {
                return Some(Place::Unclear("it has no header Host"));
            }
            ([], asked) => asked,
            ([host], _) => Some(*host),
        };
        let host = match host.map(Authority::try_from) {
            None => None,
            Some(Ok(host)) if !host.as_str().contains('@') => Some(host),
            Some(_) => return Some(Place::Unclear("its header Host is none")),
        };
        let (name, by_path) = match (label, path) {
            (Some(label), _) => (label, false),
            (None, path) => match path?.split_once('/') {
                Some((name, _)) => (name.to_owned(), true),
                None if path?.parse::<TunnelName>().is_ok() => return Some(Place::Slash),
                None => return Some(Place::Unknown),
            },
        };
        Some(name.parse().map_or(Place::Unknown, |name| Place::Tunnel { name, by_path, host }))
    }

    /// Which tunnel a request of this target and host is for, as far as they
    /// say: [`Address::find`] decides.
    pub(crate) fn guess(&self, target: &str, host: Option<&str>) -> Option<TunnelName> {
        if let Some(label) = host.and_then(|host| self.label(host)) {
            return label.parse().ok();
        }
        let rest = target.strip_prefix(PATH_PREFIX).filter(|_| self.paths)?;
        rest.split('/').next()?.parse().ok()
    }

    /// What stands before the domain, where a host lies in it and is not the
    /// proxy's own.
    fn label(&self, host: &str) -> Option<String> {
        let domain = self.domain.as_ref()?;
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host).to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let label = host.strip_suffix(domain.as_str())?.strip_suffix('.')?;
        (host != self.own_host).then(|| label.to_owned())
    }
}

#[cfg(test)]
mod tests;
