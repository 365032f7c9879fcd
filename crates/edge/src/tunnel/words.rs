//! Why there is no tunnel, for people, and the cure where they have one.

use crate::state::with_causes;
use postern_tunnel::{DialError, DownReason};

/// The problem and its cure.
pub(super) fn of(reason: &DownReason) -> (String, Option<String>) {
    let cure = match reason {
        DownReason::Refused { .. } => {
            Some("This machine registers anew by itself; if it goes on, sign in again.")
        }
        DownReason::ProtocolUnsupported { .. } => Some("Update Postern on this machine, or the proxy."),
        DownReason::NoTunnel { .. } => Some(
            "Have whatever stands before the proxy (a load balancer, a reverse proxy) pass on `Upgrade` or WebSockets on /edge/connect.",
        ),
        DownReason::TakenOver => Some(
            "Another program works with this worker's credential: stop the one that is not wanted; a copied data folder needs a sign-in of its own.",
        ),
        DownReason::Unreachable(error) => of_dial(error),
        DownReason::Unanswered(_) => {
            Some("If it goes on, something on the way ends long connections: a firewall, or an HTTP proxy.")
        }
        DownReason::Busy { .. } | DownReason::Left(_) | DownReason::Lost(_) | DownReason::Stopped => None,
    };
    (with_causes(reason), cure.map(str::to_owned))
}

fn of_dial(error: &DialError) -> Option<&'static str> {
    match error {
        DialError::Connect(_) | DialError::Timeout => {
            Some("Check the network, and HTTPS_PROXY where the way out leads through a proxy.")
        }
        DialError::ConnectProxy { .. } => Some("Check HTTPS_PROXY: nothing answers there."),
        DialError::ProxyCredentials { .. } => {
            Some("Write HTTPS_PROXY with a user and a password: http://user:password@host:port.")
        }
        DialError::ProxyRefused { .. } => {
            Some("Have the HTTP proxy allow CONNECT to the Postern proxy's host and port.")
        }
        DialError::ProxyScheme(_) => Some("Set HTTPS_PROXY to an http:// or https:// proxy."),
        DialError::Tls { .. } => Some(
            "Have the proxy serve a certificate for this name, or add its authority to the system's trust store (SSL_CERT_FILE on Linux).",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::of;
    use postern_tunnel::{DialError, DownReason};
    use std::sync::Arc;

    #[test]
    fn what_somebody_can_cure_has_a_cure() {
        let unreachable = |error| DownReason::Unreachable(Arc::new(error));
        let too_old = DownReason::ProtocolUnsupported { message: "it speaks 9".into() };
        let (problem, cure) = of(&too_old);
        assert!(problem.contains("it speaks 9"), "{problem}");
        assert!(cure.is_some_and(|cure| cure.contains("Update")));
        let refused = DialError::Connect("connection refused".into());
        let (problem, cure) = of(&unreachable(refused));
        assert_eq!(problem, "the proxy cannot be reached: no connection: connection refused");
        assert!(cure.is_some());
        let wants = DialError::ProxyCredentials { proxy: "gate:3128".into() };
        assert!(of(&unreachable(wants)).1.is_some_and(|cure| cure.contains("user:password@")));
        let busy = DownReason::Busy { status: 503, message: "draining".into(), retry_after: None };
        assert_eq!(of(&busy), ("the proxy answered 503: draining".into(), None));
    }
}
