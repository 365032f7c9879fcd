//! Signature schemes: each signs, and verifies raw bytes in constant time
//! against several secrets at once, and explains a failure.
//!
//! Nothing here reads a clock: freshness is judged against the time handed in.

mod explain;
pub mod generic;
pub mod github;
mod guess;
pub mod linear;
mod mac;
pub mod resign;
mod scheme;
mod signed_time;
pub mod slack;
pub mod standard;
pub mod stripe;
mod style;
pub mod timestamped;

pub use explain::{Step, explain};
pub use generic::Hmac;
pub use guess::{Guess, guess};
pub use resign::{CannotResign, Resigned, resign};
pub use scheme::{Scheme, verify};
pub use signed_time::{SignedTime, signed_time};
pub use style::SignatureStyle;
pub use timestamped::Timestamped;

use crate::ErrorCode;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// How old or early a signed time may be.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    /// The verifier's present time.
    pub now: UnixMillis,
    /// How far the signed time may lie from it, either way, in milliseconds;
    /// inclusive.
    pub tolerance: i64,
}

/// A signature that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Which of the secrets made it, from 0.
    pub secret: usize,
    /// The signed time, where the scheme signs one.
    pub signed_at: Option<UnixMillis>,
    /// Where in the body that time stands, from byte to byte, if it stands there.
    pub time_in_body: Option<(usize, usize)>,
}

impl Verified {
    /// By the secret at this place, with no time.
    pub(crate) fn by(secret: usize) -> Self {
        Self { secret, signed_at: None, time_in_body: None }
    }
}

/// Why a signature does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize, ts_rs::TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Failure {
    /// A header that the scheme needs is absent.
    #[error("the header {header} is missing")]
    MissingHeader {
        /// Its name.
        header: String,
    },
    /// A header, or the signed field, is there but cannot be read.
    #[error("{field} is malformed: {reason}")]
    Malformed {
        /// The header's name, or the body field's.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The signature is well formed, and no configured secret made it over
    /// this body: the secret is another, or the body was altered on the way.
    #[error("the signature matches none of the {tried} configured secret(s): wrong secret, or altered body")]
    WrongSecret {
        /// How many secrets were tried.
        tried: usize,
    },
    /// The signature is good, the signed time too old.
    #[error("signed {by_ms} ms ago, which is more than the {tolerance_ms} ms allowed")]
    Stale {
        /// How long ago it was signed, in milliseconds.
        #[ts(type = "number")]
        by_ms: i64,
        /// How long ago it may be.
        #[ts(type = "number")]
        tolerance_ms: i64,
    },
    /// The signature is good, the signed time too far ahead.
    #[error("signed {by_ms} ms in the future, which is more than the {tolerance_ms} ms allowed")]
    Future {
        /// How far ahead it lies, in milliseconds.
        #[ts(type = "number")]
        by_ms: i64,
        /// How far ahead it may lie.
        #[ts(type = "number")]
        tolerance_ms: i64,
    },
}

impl Failure {
    /// The error code a request refused for this reason is answered with.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::MissingHeader { .. } => ErrorCode::SignatureMissing,
            Self::Malformed { .. } => ErrorCode::SignatureMalformed,
            Self::WrongSecret { .. } => ErrorCode::SignatureMismatch,
            Self::Stale { .. } => ErrorCode::TimestampStale,
            Self::Future { .. } => ErrorCode::TimestampFuture,
        }
    }
}

/// The outcome of a verification.
pub type Verdict = Result<Verified, Failure>;

#[cfg(test)]
mod tests;
