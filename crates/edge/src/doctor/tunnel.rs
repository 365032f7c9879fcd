//! The tunnel, as the running worker knows it.

use super::Finding;
use super::{sentence, span, trip};
use crate::api::{Arrival, Status, Tunnel};

const CHECK: &str = "tunnel";

/// Whether the tunnel is up, where deliveries come through one; otherwise why
/// they do not.
pub(super) fn check(status: &Status) -> Option<Finding> {
    let (tunnel, reason) = match &status.session.as_ref()?.arrival {
        Arrival::Tunnel { tunnel, reason } => (tunnel, reason),
        Arrival::Address { reason, .. } => {
            let found = format!("None is needed: the proxy posts to this machine's address, {reason}.");
            return Some(Finding::ok(CHECK, found));
        }
    };
    let age = |since| span(status.now.since(since));
    Some(match tunnel {
        Tunnel::Idle => {
            let cure = "See the line about the worker: it registers first.";
            Finding::warn(CHECK, "It is not dialled yet.", cure)
        }
        Tunnel::Connecting { since } => {
            let found = format!("It has been dialled for {}.", age(*since));
            Finding::warn(CHECK, found, "Try again in a moment.")
        }
        Tunnel::Up { since, .. } => {
            let trip = trip(tunnel).unwrap_or_default();
            Finding::ok(CHECK, format!("Connected for {}{trip}, {reason}.", age(*since)))
        }
        Tunnel::Down { since, problem, cure, .. } => {
            let found = format!("Down for {}. {}", age(*since), sentence(problem));
            let cure = cure.as_deref().unwrap_or("The worker goes on trying, and nothing is lost.");
            Finding::fail(CHECK, found, cure)
        }
    })
}
