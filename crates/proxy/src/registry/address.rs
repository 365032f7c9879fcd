//! Which addresses a worker's URL may lead to. The proxy posts wherever an
//! edge asks it to, so what is not the public internet is refused: otherwise
//! the proxy would reach its own network's inside on a stranger's behalf.
//!
//! A pure function over the address connected to, applied after DNS
//! resolution, so that a name that changes its mind gains nothing. Sources:
//! IANA's special-purpose address registries for IPv4 and IPv6.

use crate::config::Network;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
    /// Neither, and what it is.
    Inside(&'static str),
}

/// Whether deliveries may go to `address`.
#[must_use]
pub(crate) fn is_allowed(address: IpAddr, policy: &AddressPolicy) -> bool {
    match place(address) {
        Place::Public => true,
        Place::Loopback => policy.allow_loopback || policy.lists(address),
        Place::Inside(_) => policy.lists(address),
    }
}

impl AddressPolicy {
    fn lists(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|network| network.contains(address))
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
        [0, ..] => Place::Inside("an unspecified address"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Place::Inside("a private address"),
        [100, 64..=127, ..] => Place::Inside("a shared (CGNAT) address"),
        [169, 254, ..] => Place::Inside("a link-local or metadata address"),
        [168, 63, 129, 16] => Place::Inside("a cloud's metadata address"),
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
