//! What the workspace API asks of the store: pages of lists, work on many
//! deliveries a part at a time, and what happened since.

use bytes::Bytes;
use postern_protocol::api::{DeliveryInfo, EventInfo, Which};
use postern_protocol::id::{DeliveryId, SourceId, WorkerId};
use postern_protocol::{HeaderList, UnixMillis};
use std::fmt;
use std::str::FromStr;

/// Where a list, or work on many, goes on; what the bytes mean is the store's
/// affair, and any bytes are a place. As text: hex digits in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor<const N: usize>(pub [u8; N]);

/// A text that is no [`Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: pass `next` of an answer as it came")]
pub struct InvalidCursor;

impl<const N: usize> fmt::Display for Cursor<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl<const N: usize> FromStr for Cursor<N> {
    type Err = InvalidCursor;
    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let mut bytes = [0; N];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidCursor)?;
        // A cursor has one text.
        if text.bytes().any(|b| b.is_ascii_uppercase()) { Err(InvalidCursor) } else { Ok(Self(bytes)) }
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, const N: usize> {
    /// What was found: perhaps less than asked for, even where there is more.
    pub items: Vec<T>,
    /// Where it goes on; `None`: that was all.
    pub next: Option<Cursor<N>>,
}

/// The place of an event in a list.
pub type EventCursor = Cursor<16>;
/// The place of a delivery in a list.
pub type DeliveryCursor = Cursor<24>;
/// How far work on dead letters has come, and where it ends.
pub type BulkCursor = Cursor<41>;
/// How far a recovery has come, and where it ends.
pub type RecoverCursor = Cursor<24>;

/// What was posted, beside what [`EventInfo`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventContent {
    /// The source it came in by.
    pub source: SourceId,
    /// What it is about.
    pub entity: Option<String>,
    /// The start of its line.
    pub subject: String,
    /// The rest of the line.
    pub detail: String,
    /// The provider's headers.
    pub headers: HeaderList,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// Work on dead letters, a part of it.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// On which.
    pub which: Which,
    /// Only those to this worker; others do not count.
    pub only: Option<WorkerId>,
    /// Only counts.
    pub dry_run: bool,
    /// Where to go on.
    pub from: Option<BulkCursor>,
}

/// What came of a [`Bulk`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkDone {
    /// How many it concerned.
    pub matched: u32,
    /// How many were changed.
    pub changed: u32,
    /// How many cannot be redriven: their worker is gone.
    pub unable: u32,
    /// Where it goes on.
    pub next: Option<BulkCursor>,
}

/// Which events a worker is to recover, a part of it.
#[derive(Clone, Copy, Debug)]
pub struct Recovery {
    /// Accepted then or later.
    pub since: UnixMillis,
    /// Accepted before then.
    pub until: UnixMillis,
    /// Only counts.
    pub dry_run: bool,
    /// Where to go on; it carries `until` with it.
    pub from: Option<RecoverCursor>,
    /// Makes the ids of new deliveries, of the time given.
    pub new_delivery: fn(UnixMillis) -> DeliveryId,
}

/// What came of a [`Recovery`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoverDone {
    /// Events without a delivery to the worker.
    pub missing: u32,
    /// Deliveries that had ended.
    pub ended: u32,
    /// How many of both are due now.
    pub delivering: u32,
    /// Where it goes on.
    pub next: Option<RecoverCursor>,
}

/// How far someone has followed what happens. As text: `12-345`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveMark {
    /// The last event.
    pub event: i64,
    /// The last change of a delivery.
    pub change: i64,
}

impl fmt::Display for LiveMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.event, self.change)
    }
}

impl FromStr for LiveMark {
    type Err = InvalidCursor;
    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            if digits { text.parse::<i64>().map_err(|_| InvalidCursor) } else { Err(InvalidCursor) }
        };
        let (event, change) = text.split_once('-').ok_or(InvalidCursor)?;
        Ok(Self { event: number(event)?, change: number(change)? })
    }
}

/// What happened after a [`LiveMark`].
#[derive(Clone, Debug, Default)]
pub struct LiveBatch {
    /// The oldest first, each with the mark that follows it.
    pub events: Vec<(LiveMark, EventInfo)>,
    /// Deliveries as they stand now, each once, likewise.
    pub deliveries: Vec<(LiveMark, DeliveryInfo)>,
    /// How far this came; may be further than what it holds.
    pub mark: LiveMark,
    /// There may be more already.
    pub more: bool,
    /// What followed the mark is not known any more: this begins at the
    /// present.
    pub gap: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_one_text() {
        let cursor = Cursor([0xab, 0x01]);
        assert_eq!(cursor.to_string(), "ab01");
        assert_eq!("ab01".parse(), Ok(cursor));
        for text in ["", "ab", "AB01", "ab0g", "ab0100"] {
            assert_eq!(text.parse::<Cursor<2>>(), Err(InvalidCursor), "{text}");
        }
        let mark = LiveMark { event: 12, change: 345 };
        assert_eq!(mark.to_string().parse(), Ok(mark));
        for text in ["", "-", "1-", "-1", "+1-1", "1--1", "1-99999999999999999999"] {
            assert_eq!(text.parse::<LiveMark>(), Err(InvalidCursor), "{text}");
        }
    }
}
