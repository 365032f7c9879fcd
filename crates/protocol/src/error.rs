//! The codes by which errors cross a process boundary. Programs match codes;
//! the message is for people and may change.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal;)*) => {
        /// What went wrong, for programs. The text form is stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl ErrorCode {
            /// Every code, for tables and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable text: `signature.mismatch`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The HTTP status this code is answered with.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }
    };
}

codes! {
    /// The request cannot be read: bad JSON, bad parameter, bad header.
    BadRequest = "request.malformed", 400;
    /// No credential, or one that is not known.
    Unauthorized = "auth.invalid", 401;
    /// The credential has expired or was revoked.
    TokenRevoked = "auth.revoked", 401;
    /// The credential is good but lacks the scope.
    Forbidden = "auth.forbidden", 403;
    /// No such route, source, worker, event, …
    NotFound = "not_found", 404;
    /// The route exists, this method does not.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The body is larger than the source, or the receiver, allows.
    TooLarge = "body.too_large", 413;
    /// The body did not arrive in time.
    BodyTimeout = "body.timeout", 408;
    /// The body broke off: its sender, or the network, went away.
    BodyIncomplete = "body.incomplete", 408;
    /// A signature header is absent.
    SignatureMissing = "signature.missing", 401;
    /// A signature header is there but not of its scheme's form.
    SignatureMalformed = "signature.malformed", 401;
    /// No configured secret made this signature over this body.
    SignatureMismatch = "signature.mismatch", 401;
    /// The signed time is too long ago.
    TimestampStale = "signature.stale", 401;
    /// The signed time is too far ahead.
    TimestampFuture = "signature.future", 401;
    /// Too many requests, or no room for the body now: see `Retry-After`.
    RateLimited = "rate_limited", 429;
    /// The store cannot take writes now (down, disk full).
    StoreUnavailable = "store.unavailable", 503;
    /// The program is shutting down or not ready yet.
    Unavailable = "unavailable", 503;
    /// The worker's URL is not allowed (scheme, address, own domain).
    UrlRefused = "worker.url_refused", 422;
    /// What is reported on was given to another member of the claim group
    /// meanwhile, or may be: the report does not count.
    ClaimLost = "claim.lost", 409;
    /// The capability filter cannot be read.
    FilterInvalid = "filter.invalid", 422;
    /// The request is understood, and asks for what this proxy does not do.
    Unsupported = "request.unsupported", 422;
    /// The edge and the proxy speak no common protocol version.
    ProtocolUnsupported = "protocol.unsupported", 426;
    /// A tunnel is asked for without an upgrade; something on the way may have
    /// taken it away.
    UpgradeRequired = "tunnel.upgrade_required", 426;
    /// The tunnel's name is another workspace's, was released not long ago, or
    /// is kept back.
    TunnelNameTaken = "tunnel.name_taken", 409;
    /// The tunnel's name is not reserved by the workspace.
    TunnelNotReserved = "tunnel.not_reserved", 404;
    /// No such tunnel.
    TunnelUnknown = "tunnel.unknown", 404;
    /// Nobody serves the tunnel now.
    TunnelOffline = "tunnel.offline", 502;
    /// The tunnel broke before the answer was complete, or took too long.
    TunnelBroken = "tunnel.broken", 502;
    /// The visitor is not let in.
    TunnelDenied = "tunnel.denied", 403;
    /// Nothing listens where the tunnel leads to.
    TargetRefused = "target.refused", 502;
    /// What the tunnel leads to takes too long.
    TargetTimeout = "target.timeout", 504;
    /// The proxy cannot be reached (DNS, connect, TLS, timeout).
    ProxyUnreachable = "proxy.unreachable", 502;
    /// The edge is not signed in.
    NotSignedIn = "edge.not_signed_in", 409;
    /// No target is set to replay or forward to.
    NoTarget = "edge.no_target", 409;
    /// There is no local secret to sign the event with.
    NoLocalSecret = "edge.no_local_secret", 409;
    /// The rules have been changed since they were read.
    RulesChanged = "edge.rules_changed", 409;
    /// The keychain is there but locked, or its dialog was not answered.
    KeychainLocked = "keychain.locked", 503;
    /// This machine has no keychain service.
    KeychainAbsent = "keychain.absent", 503;
    /// A defect of Postern: logged where it happened.
    Internal = "internal", 500;
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The body of every error answer: `{"error":{"code","message"}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// The only member.
    pub error: ErrorDetail,
}

/// What an [`ErrorBody`] carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorDetail {
    /// For programs. Kept as text, so that an older reader survives a newer code.
    pub code: String,
    /// For people: what happened and, where known, the cure. No secrets.
    pub message: String,
}

impl ErrorBody {
    /// An error answer's body.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { error: ErrorDetail { code: code.as_str().into(), message: message.into() } }
    }
}

#[cfg(test)]
mod tests;
