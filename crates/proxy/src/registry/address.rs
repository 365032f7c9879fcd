//! Which addresses a worker's URL may lead to. The proxy posts wherever an
//! edge asks it to, so what is not the public internet is refused: otherwise
//! the proxy would reach its own network's inside on a stranger's behalf.
//!
//! Pure functions: [`judge_host`] over what a URL's text says, when it is
//! registered and again before each connection; [`judge`] over the very
//! addresses that are connected to, after DNS, so that a name that changes its
//! mind gains nothing. Sources: IANA's special-purpose address registries for
//! IPv4 and IPv6; of names RFC 6761, RFC 6762 appendix G, RFC 8375 and ICANN's
//! reservation of `internal`; the clouds' documentation of their metadata
//! services.

use crate::config::Network;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::Host;

/// Names that lead to a cloud's metadata service, and thereby to its keys.
const METADATA_NAMES: [&str; 3] = ["metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"];
/// Domains that exist inside networks only.
const PRIVATE_DOMAINS: [&str; 9] =
    ["internal", "local", "localdomain", "intranet", "private", "corp", "home", "lan", "home.arpa"];

/// What lies beyond the public internet and may be reached all the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddressPolicy {
    /// Loopback: workers on the proxy's own machine.
    pub(crate) allow_loopback: bool,
    /// Networks an operator has named.
    pub(crate) allow: Vec<Network>,
}

/// Where an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The public internet.
    Public,
    /// This machine.
    Loopback,
    /// A cloud's metadata service, which hands out the machine's keys.
    Metadata,
    /// Neither, and what it is.
    Inside(&'static str),
}

/// Whether deliveries may go to `address`; if not, what it is. A metadata
/// service is allowed by its own address alone, not by a network around it.
pub(crate) fn judge(address: IpAddr, policy: &AddressPolicy) -> Result<(), &'static str> {
    match place(address) {
        Place::Public => Ok(()),
        Place::Loopback if policy.allow_loopback || policy.lists(address) => Ok(()),
        Place::Loopback => Err("this machine (loopback)"),
        Place::Metadata if policy.names(address) => Ok(()),
        Place::Metadata => Err("a cloud's metadata service"),
        Place::Inside(_) if policy.lists(address) => Ok(()),
        Place::Inside(what) => Err(what),
    }
}

/// Whether a URL may name `host`, as far as its text tells; if not, what it
/// is. Names that exist inside networks alone are refused where no network is
/// allowed, since whoever resolves them may not be us (an HTTPS proxy).
pub(crate) fn judge_host(host: &Host<String>, policy: &AddressPolicy) -> Result<(), &'static str> {
    let name = match host {
        Host::Ipv4(address) => return judge((*address).into(), policy),
        Host::Ipv6(address) => return judge((*address).into(), policy),
        Host::Domain(name) => name.trim_end_matches('.').to_ascii_lowercase(),
    };
    if is_local(host) {
        return if policy.allow_loopback { Ok(()) } else { Err("this machine (loopback)") };
    }
    if METADATA_NAMES.contains(&name.as_str()) {
        return Err("a cloud's metadata service");
    }
    if !policy.allow.is_empty() {
        return Ok(());
    }
    let private = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    if !name.contains('.') || PRIVATE_DOMAINS.into_iter().any(private) {
        return Err("a name inside a network");
    }
    Ok(())
}

/// Whether a URL's host is this machine, as far as its text tells.
pub(crate) fn is_local(host: &Host<String>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.to_canonical().is_loopback(),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

impl AddressPolicy {
    fn lists(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|network| network.contains(address))
    }

    fn names(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|network| network.is(address))
    }
}

/// Where `address` lies. An IPv4 address mapped into IPv6 lies where the IPv4
/// address does.
#[must_use]
pub(crate) fn place(address: IpAddr) -> Place {
    match address.to_canonical() {
        IpAddr::V4(address) => place_v4(address),
        IpAddr::V6(address) => place_v6(address),
    }
}

fn place_v4(address: Ipv4Addr) -> Place {
    match address.octets() {
        [127, ..] => Place::Loopback,
        // AWS, Google, Azure, DigitalOcean, …; AWS's of containers; Azure's
        // host; Alibaba; Oracle.
        [169, 254, 169, 254]
        | [169, 254, 170, 2]
        | [168, 63, 129, 16]
        | [100, 100, 100, 200]
        | [192, 0, 0, 192] => Place::Metadata,
        [0, ..] => Place::Inside("an unspecified address"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Place::Inside("a private address"),
        [100, 64..=127, ..] => Place::Inside("a shared (CGNAT) address"),
        [169, 254, ..] => Place::Inside("a link-local address"),
        [192, 0, 0, _] | [192, 88, 99, _] => Place::Inside("an address reserved for protocols"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Place::Inside("an address for documentation")
        }
        [198, 18..=19, ..] => Place::Inside("an address for benchmarks"),
        [224..=239, ..] => Place::Inside("a multicast address"),
        [240..=255, ..] => Place::Inside("a reserved or broadcast address"),
        _ => Place::Public,
    }
}

fn place_v6(address: Ipv6Addr) -> Place {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Place::Loopback,
        [0, 0, 0, 0, 0, 0, 0, 0] => Place::Inside("an unspecified address"),
        [0, 0, 0, 0, 0, 0, ..] => Place::Inside("an IPv4-compatible address"),
        [0x64, 0xff9b, ..] => Place::Inside("a NAT64 address"),
        // AWS, also of its pods; Google.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254 | 0x23] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => {
            Place::Metadata
        }
        [0xfc00..=0xfdff, ..] => Place::Inside("a unique local address"),
        [0xfe80..=0xfeff, ..] => Place::Inside("a link-local or site-local address"),
        [0xff00..=0xffff, ..] => Place::Inside("a multicast address"),
        [0x2001, 0..=0x1ff, ..] => Place::Inside("an address reserved for protocols (Teredo, ORCHID, …)"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Place::Inside("an address for documentation"),
        [0x2002, ..] => Place::Inside("a 6to4 address"),
        [0x2000..=0x3fff, ..] => Place::Public,
        _ => Place::Inside("an address outside the global unicast range"),
    }
}

#[cfg(test)]
mod tests;
