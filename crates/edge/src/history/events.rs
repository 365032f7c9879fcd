//! Events: stored once each.

use super::claims::{self, NewClaim};
use super::{History, HistoryError};
use bytes::Bytes;
use postern_protocol::{Described, Provider, UnixMillis};
use rusqlite::params;

/// A verified delivery, ready to be stored.
#[derive(Debug)]
pub(crate) struct NewEvent {
    pub(crate) profile: i64,
    pub(crate) webhook_id: String,
    pub(crate) received_at: UnixMillis,
    pub(crate) stored_at: UnixMillis,
    pub(crate) signed_at: UnixMillis,
    pub(crate) secret: usize,
    pub(crate) attempt: u32,
    pub(crate) source: String,
    pub(crate) provider: Provider,
    pub(crate) described: Described,
    pub(crate) synthetic: bool,
    /// As JSON.
    pub(crate) headers: String,
    pub(crate) body: Bytes,
    /// Whether a handler wants it.
    pub(crate) pending: bool,
    /// The notify rules that took it, by name; absent where there is none.
    pub(crate) notify: Option<Vec<String>>,
    /// That it is given to this machine as a member of a claim group.
    pub(crate) claim: Option<NewClaim>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// It is on the disk now.
    Stored,
    /// Its id was on the disk already; nothing was added.
    Known,
    /// It was on the disk, is given to this machine once more, and is to be
    /// handled anew: this one.
    Again(i64),
}

/// The pill of an event that waits for its handler.
pub(super) const WAITING: (&str, &str) = ("running", "waiting");
/// The pill of an event that no handler wants.
pub(super) const NO_HANDLER: (&str, &str) = ("none", "no handler");
/// The pill of an event that was told on the desktop and nothing else.
const NOTIFIED: (&str, &str) = ("none", "notified");

impl History {
    /// Stores an event unless its id has been seen in its profile; on the
    /// disk when it returns.
    pub(crate) async fn accept(&self, event: NewEvent) -> Result<Accepted, HistoryError> {
        let notify = event.notify.as_ref().and_then(|names| serde_json::to_string(names).ok());
        let (outcome, label) = match &event.notify {
            _ if event.pending => WAITING,
            Some(names) if !names.is_empty() => NOTIFIED,
            _ => NO_HANDLER,
        };
        self.writer
            .write(move |write| {
                let first = write
                    .tx
                    .prepare_cached(
                        "INSERT INTO seen (profile, webhook_id, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                    )?
                    .execute(params![event.profile, event.webhook_id, event.stored_at.0])?;
                if first == 0 {
                    let Some(claim) = event.claim else { return Ok(Accepted::Known) };
                    let key = (event.profile, event.webhook_id.as_str());
                    let again = claims::note_again(write, key, claim, event.pending, event.stored_at)?;
                    return Ok(again.map_or(Accepted::Known, Accepted::Again));
                }
                let id = write.next_seq();
                let what = &event.described;
                write
                    .tx
                    .prepare_cached(
                        "INSERT INTO event (id, profile, webhook_id, seq, received_at, stored_at, signed_at,
                           secret, attempt, source, provider, event_type, action, entity, subject, detail,
                           size, synthetic, outcome, label, pending, notify)
                         VALUES (?1, ?2, ?3, ?1, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
                           ?16, ?17, ?18, ?19, ?20, ?21)",
                    )?
                    .execute(params![
                        id,
                        event.profile,
                        event.webhook_id,
                        event.received_at.0,
                        event.stored_at.0,
                        event.signed_at.0,
                        i64::try_from(event.secret).unwrap_or(i64::MAX),
                        event.attempt,
                        event.source,
                        event.provider.as_str(),
                        what.event_type,
                        what.action,
                        what.entity,
                        what.subject,
                        what.detail,
                        i64::try_from(event.body.len()).unwrap_or(i64::MAX),
                        event.synthetic,
                        outcome,
                        label,
                        event.pending,
                        notify,
                    ])?;
                write
                    .tx
                    .prepare_cached("INSERT INTO payload (event, headers, body) VALUES (?1, ?2, ?3)")?
                    .execute(params![id, event.headers, &event.body[..]])?;
                if let Some(claim) = event.claim {
                    claims::note(write, id, event.profile, claim, event.stored_at)?;
                }
                write.counts_events(event.profile, 1);
                Ok(Accepted::Stored)
            })
            .await
    }

    /// Forgets at most 500 ids seen before `cutoff`, the oldest first, none of
    /// an event that is here; says whether there may be more.
    pub(crate) async fn forget_seen(&self, cutoff: UnixMillis) -> Result<bool, HistoryError> {
        self.writer
            .write(move |write| {
                let n = write.tx.execute(
                    "DELETE FROM seen
                     WHERE at < min(?1, coalesce((SELECT stored_at FROM event ORDER BY id LIMIT 1), ?1))
                       AND id IN (SELECT id FROM seen ORDER BY id LIMIT 500)",
                    [cutoff.0],
                )?;
                Ok(n == 500)
            })
            .await
    }
}
