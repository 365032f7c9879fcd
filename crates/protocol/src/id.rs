//! Identifiers: a prefix that says what they name, and a ULID (48 bits of
//! milliseconds, 80 bits of entropy), so that they sort by time of creation.
//!
//! Text form: `evt_01JD3Q…`, prefix and 26 Crockford base32 characters.

use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use ulid::Ulid;

/// Why a text is not an id of the kind asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id: expected {prefix} followed by 26 base32 characters")]
pub struct InvalidId {
    /// The prefix the text should have had, with its underscore.
    pub prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ts_rs::TS)]
        #[serde(try_from = "String", into = "String")]
        #[ts(type = "string")]
        pub struct $name(Ulid);

        impl $name {
            /// The prefix of the text form, with its underscore.
            pub const PREFIX: &'static str = $prefix;

            /// An id made at `now` with 80 bits of entropy from a
            /// cryptographic source. A time before 1970 counts as 1970.
            #[must_use]
            pub fn new(now: UnixMillis, entropy: [u8; 10]) -> Self {
                let random = entropy.iter().fold(0u128, |n, b| n << 8 | u128::from(*b));
                Self(Ulid::from_parts(now.0.max(0).unsigned_abs(), random))
            }

            /// The id without its prefix as 16 bytes, which sort as the id does.
            #[must_use]
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.to_bytes()
            }

            /// The id that [`Self::to_bytes`] was called on.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Ulid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                // Base32 has several texts for one number (lower case, a first
                // digit beyond 128 bits); an id has one.
                text.strip_prefix($prefix)
                    .and_then(|rest| Ulid::from_string(rest).ok().filter(|ulid| ulid.to_string() == rest))
                    .map(Self)
                    .ok_or(InvalidId { prefix: $prefix })
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "[0-7][0-9A-HJKMNP-TV-Z]{25}$")))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

id!(
    /// One accepted webhook. Also the `webhook-id` of its deliveries, bare or
    /// with the suffix `.r{n}` for the n-th deliberate replay.
    EventId, "evt_"
);
impl EventId {
    /// The event of a delivery's `webhook-id`: the id itself, or what stands
    /// before `.r{n}`.
    ///
    /// # Errors
    /// When the text is no `webhook-id` of Postern's.
    pub fn of_webhook_id(text: &str) -> Result<Self, InvalidId> {
        let (event, replay) = text.split_once(".r").unwrap_or((text, "1"));
        let numbered = !replay.starts_with(['0', '+']) && replay.parse::<u32>().is_ok();
        if numbered { event.parse() } else { Err(InvalidId { prefix: Self::PREFIX }) }
    }
}

id!(
    /// A team: owns sources, tokens and workers.
    WorkspaceId, "ws_"
);
id!(
    /// Where a provider posts to: `/hooks/{source id}`. Unguessable.
    SourceId, "src_"
);
id!(
    /// A registered receiver of deliveries: a laptop or a server.
    WorkerId, "wrk_"
);
id!(
    /// One event on its way to one worker.
    DeliveryId, "dlv_"
);
id!(
    /// An issued token (its name in lists, never the token itself).
    TokenId, "tok_"
);

#[cfg(test)]
mod tests;
