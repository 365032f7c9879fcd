//! Which way deliveries take to this machine: to an address of its own, or
//! through the tunnel. Chosen from facts alone, the same ones every time.

use crate::api::Via;

/// The way that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The proxy posts to the receiver's address.
    Address,
    /// The proxy sends down the connection that this machine keeps to it.
    Tunnel,
}

/// What the choice is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'f> {
    /// What the user wants.
    pub(crate) via: Via,
    /// The receiver's address as the proxy would see it.
    pub(crate) address: &'f str,
    /// Whether somebody configured that address, or a certificate for it.
    pub(crate) configured: bool,
    /// Whether the proxy is on this machine.
    pub(crate) proxy_is_here: bool,
}

/// The way, and why, as the end of a sentence.
pub(crate) fn choose(facts: Facts<'_>) -> (Way, &'static str) {
    match facts.via {
        Via::Tunnel => (Way::Tunnel, "as you set it"),
        Via::Address => (Way::Address, "as you set it"),
        Via::Auto if facts.configured && facts.address.starts_with("https://") => {
            (Way::Address, "since this machine has an HTTPS address of its own")
        }
        Via::Auto if facts.proxy_is_here => (Way::Address, "since the proxy is on this machine"),
        Via::Auto if facts.configured => {
            (Way::Tunnel, "since the address configured for this machine is not an HTTPS one")
        }
        Via::Auto => (Way::Tunnel, "since this machine has no HTTPS address of its own"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Facts, Way, choose};
    use crate::api::Via;

    #[test]
    fn the_way_follows_from_the_facts() {
        let (loopback, own, plain) =
            ("http://127.0.0.1:4100", "https://laptop.example", "http://laptop.example");
        for (via, address, configured, proxy_is_here, way) in [
            (Via::Auto, loopback, false, true, Way::Address),
            (Via::Auto, loopback, false, false, Way::Tunnel),
            (Via::Auto, own, true, false, Way::Address),
            (Via::Auto, own, true, true, Way::Address),
            (Via::Auto, plain, true, false, Way::Tunnel),
            (Via::Auto, plain, true, true, Way::Address),
            (Via::Tunnel, loopback, false, true, Way::Tunnel),
            (Via::Tunnel, own, true, false, Way::Tunnel),
            (Via::Address, loopback, false, false, Way::Address),
            (Via::Address, own, true, false, Way::Address),
        ] {
            let facts = Facts { via, address, configured, proxy_is_here };
            assert_eq!(choose(facts).0, way, "{facts:?}");
        }
    }
}
