//! What a tunnel leads to: a port of this machine, or, where the user says so,
//! of one in the local network. Never Postern itself, never the addresses at
//! which clouds keep their credentials.

use crate::api::{ApiError, TunnelSettings};
use crate::handlers::web_address;
use crate::ports::OwnPorts;
use crate::proxy_client::is_loopback;
use http::uri::Scheme;
use hyper_rustls::ConfigBuilderExt;
use postern_protocol::ErrorCode;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// How long a connection may take: it is this machine, or the next room.
const CONNECT: Duration = Duration::from_secs(5);

/// A checked target.
#[derive(Clone)]
pub(crate) struct Origin {
    url: Url,
    /// Whether it may be in the local network.
    lan: bool,
    /// What an HTTPS target must show.
    trust: Trust,
    own_ports: OwnPorts,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// A certificate that this machine trusts.
    System,
    /// Any.
    Anything,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("nothing listens there (connection refused)")]
    Refused,
    #[error("the name does not resolve")]
    Unresolved,
    #[error("the address {0} is not one a tunnel may lead to")]
    Forbidden(IpAddr),
    #[error("port {0} is Postern's own")]
    Own(u16),
    #[error("no TLS: {0}")]
    Tls(io::Error),
    #[error("no connection: {0}")]
    Failed(io::Error),
}

/// A connection to a target.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Origin {
    /// Reads a target as people write it: `3000`, `localhost:3000`,
    /// `https://localhost:3443`. Postern's `own_ports` on this machine are
    /// refused.
    pub(crate) fn parse(settings: &TunnelSettings, own_ports: &OwnPorts) -> Result<Self, ApiError> {
        let refuse =
            |why: String| Err(ApiError::new(ErrorCode::BadRequest, format!("the tunnel's target {why}")));
        let text = settings.target.trim();
        let port = text.strip_prefix(':').unwrap_or(text);
        let read = web_address(text, port.parse::<u16>().is_ok().then_some(port), |e| {
            format!("is not an address ({e}): write it as 3000 or http://localhost:3000")
        });
        let url = match read {
            Ok(url) => url,
            Err(why) => return refuse(why),
        };
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return refuse("is a server, without a path: a visitor's path goes there as it is".into());
        }
        let trust = if settings.insecure { Trust::Anything } else { Trust::System };
        let origin = Self { url, lan: settings.lan, trust, own_ports: own_ports.clone() };
        if origin.port() == 0 {
            return refuse("has no port 0".into());
        }
        let literal = match origin.url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            _ => None,
        };
        if is_loopback(&origin.url) || literal.is_some_and(|ip| ip.is_unspecified()) {
            if own_ports.now().contains(&origin.port()) {
                return refuse(format!("is Postern itself: port {} is its own", origin.port()));
            }
            return Ok(origin);
        }
        if !origin.lan {
            let host = origin.url.host_str().unwrap_or_default();
            return refuse(format!(
                "is on this machine; {host} is not: allow the local network for this tunnel"
            ));
        }
        match literal.filter(|ip| !is_local_network(*ip)) {
            Some(ip) => refuse(format!("may be in the local network; {ip} is not")),
            None => Ok(origin),
        }
    }

    /// The whole address, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// Host and port as a client names them: `localhost:3000`.
    pub(super) fn authority(&self) -> &str {
        // Between the slashes of `http://…/`.
        &self.url[url::Position::BeforeHost..url::Position::AfterPort]
    }

    pub(super) fn scheme(&self) -> Scheme {
        if self.url.scheme() == "https" { Scheme::HTTPS } else { Scheme::HTTP }
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(80)
    }

    /// Connects; over TLS with one of the protocols `alpn`.
    pub(super) async fn connect(&self, alpn: &[&[u8]]) -> Result<Box<dyn Io>, ConnectError> {
        let mut failed = ConnectError::Unresolved;
        for address in self.addresses().await? {
            if let Some(why) = self.forbids(address) {
                return Err(why);
            }
            failed = match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Without it small answers wait for the peer's acknowledgement.
                    let _ = stream.set_nodelay(true);
                    return self.secured(stream, alpn).await;
                }
                Ok(Err(e)) if e.kind() == io::ErrorKind::ConnectionRefused => ConnectError::Refused,
                Ok(Err(e)) => ConnectError::Failed(e),
                Err(_) => ConnectError::Failed(io::ErrorKind::TimedOut.into()),
            };
        }
        Err(failed)
    }

    /// `localhost` is this machine by both protocols: a dev server may listen on
    /// either one only.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        let port = self.port();
        match self.url.host() {
            Some(Host::Ipv4(ip)) => Ok(vec![(ip, port).into()]),
            Some(Host::Ipv6(ip)) => Ok(vec![(ip, port).into()]),
            Some(Host::Domain(_)) if is_loopback(&self.url) => {
                Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()])
            }
            Some(Host::Domain(name)) => {
                let found = tokio::net::lookup_host((name, port)).await;
                found.map(Iterator::collect).map_err(|_| ConnectError::Unresolved)
            }
            None => Err(ConnectError::Unresolved),
        }
    }

    /// Whatever was said when it was set: names come to mean other addresses,
    /// and Postern's ports change.
    fn forbids(&self, address: SocketAddr) -> Option<ConnectError> {
        let ip = address.ip().to_canonical();
        let here = ip.is_loopback() || ip.is_unspecified();
        let allowed = here || (self.lan && is_local_network(ip));
        if !allowed {
            return Some(ConnectError::Forbidden(ip));
        }
        let own = self.own_ports.now().contains(&address.port());
        let is_own =
            own && (here || if_addrs::get_if_addrs().is_ok_and(|all| all.iter().any(|a| a.ip() == ip)));
        is_own.then_some(ConnectError::Own(address.port()))
    }

    async fn secured(&self, stream: TcpStream, alpn: &[&[u8]]) -> Result<Box<dyn Io>, ConnectError> {
        if self.url.scheme() != "https" {
            return Ok(Box::new(stream));
        }
        let invalid = |e: &dyn std::fmt::Display| ConnectError::Tls(io::Error::other(e.to_string()));
        let config = match self.trust {
            Trust::System => SYSTEM.as_ref().map_err(|e| invalid(e))?,
            Trust::Anything => ANYTHING.as_ref().map_err(|e| invalid(e))?,
        };
        let mut config = ClientConfig::clone(config);
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned()).map_err(|e| invalid(&e))?;
        let shaking = TlsConnector::from(Arc::new(config)).connect(name, stream);
        match tokio::time::timeout(CONNECT, shaking).await {
            Ok(stream) => Ok(Box::new(stream.map_err(ConnectError::Tls)?)),
            Err(_) => Err(ConnectError::Tls(io::ErrorKind::TimedOut.into())),
        }
    }
}

/// Addresses of local networks: private ones (RFC 1918, RFC 4193), and this
/// machine's. Those of clouds' metadata are link-local or in their own list.
fn is_local_network(ip: IpAddr) -> bool {
    /// AWS's over IPv6, within the private ones.
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback(),
        IpAddr::V6(ip) => (ip.is_unique_local() && ip != METADATA) || ip.is_loopback(),
    }
}

type Shared = LazyLock<Result<ClientConfig, String>>;

/// Reading the system's trust store takes a while.
static SYSTEM: Shared = LazyLock::new(|| {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .try_with_platform_verifier()
        .map_err(|e| e.to_string())?;
    Ok(builder.with_no_client_auth())
});

static ANYTHING: Shared = LazyLock::new(|| {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    let verifier = Arc::new(Unverified(provider()));
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
});

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Takes any certificate, where a user said so of a server of their own.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(target: &str, lan: bool) -> Result<Origin, ApiError> {
        let settings = TunnelSettings { target: target.into(), lan, ..TunnelSettings::default() };
        Origin::parse(&settings, &OwnPorts::new(vec![7777]))
    }

    #[test]
    fn a_target_is_read_as_people_write_it() {
        for (text, url, authority) in [
            ("3000", "http://localhost:3000", "localhost:3000"),
            (" :3000 ", "http://localhost:3000", "localhost:3000"),
            ("localhost:3000/", "http://localhost:3000", "localhost:3000"),
            ("app.localhost:3000", "http://app.localhost:3000", "app.localhost:3000"),
            ("127.0.0.1:80", "http://127.0.0.1", "127.0.0.1"),
            ("https://[::1]:3443", "https://[::1]:3443", "[::1]:3443"),
        ] {
            let origin = parse(text, false).unwrap();
            assert_eq!((origin.url(), origin.authority()), (url, authority), "{text}");
        }
    }

    #[test]
    fn what_a_tunnel_may_not_lead_to_is_refused() {
        for (text, why) in [
            ("", "not an address"),
            ("0", "port 0"),
            ("ftp://localhost", "must begin with"),
            ("http://u:p@localhost", "user or password"),
            ("localhost:3000/app", "without a path"),
            ("localhost:3000/?x", "without a path"),
            ("7777", "Postern itself"),
            ("0.0.0.0:7777", "Postern itself"),
            ("[::ffff:127.0.0.1]:7777", "Postern itself"),
            ("192.168.1.7:3000", "allow the local network"),
            ("example.com:3000", "allow the local network"),
            ("169.254.169.254", "allow the local network"),
        ] {
            let refused = parse(text, false).err().unwrap();
            assert!(refused.message.contains(why), "{text}: {}", refused.message);
        }
        for text in
            ["169.254.169.254", "[fd00:ec2::254]", "8.8.8.8", "100.100.100.200", "[fe80::1]", "224.0.0.1"]
        {
            let refused = parse(text, true).err().unwrap();
            assert!(refused.message.contains("local network"), "{text}: {}", refused.message);
        }
        assert!(parse("192.168.1.7:3000", true).is_ok() && parse("nas.local:3000", true).is_ok());
    }

    #[test]
    fn what_a_name_resolves_to_is_judged_again() {
        let lan = parse("nas.local:7777", true).unwrap();
        for (address, forbidden) in [
            ("192.168.1.7:7777", false),
            ("169.254.169.254:80", true),
            ("8.8.8.8:7777", true),
            ("127.0.0.1:7777", true),
            ("127.0.0.1:80", false),
        ] {
            assert_eq!(lan.forbids(address.parse().unwrap()).is_some(), forbidden, "{address}");
        }
        let here = parse("localhost:3000", false).unwrap();
        assert!(here.forbids("192.168.1.7:3000".parse().unwrap()).is_some());
    }
}
