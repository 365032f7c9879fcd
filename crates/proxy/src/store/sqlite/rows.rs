//! Between rows and types. What cannot be read is reported as damage, never
//! guessed at.

use super::problem::Problem;
use crate::store::{Scope, Source, Token, Worker, Workspace};
use crate::vault::Vault;
use postern_protocol::api::{
    AttemptOutcome, CatchUp, Circuit, Group, GroupMode, Ordering, WorkerPolicy, WorkerState,
};
use postern_protocol::id::{SourceId, TokenId, WorkerId};
use postern_protocol::signature::{Scheme, SignatureStyle};
use postern_protocol::{HeaderList, Provider, Secret, UnixMillis};
use rusqlite::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// The text under which the protocol names a value: `active`, `entity`.
pub(super) fn name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

/// The value with that name.
pub(super) fn named<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T, Problem> {
    T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text))
        .map_err(|_| Problem::Damaged(what))
}

/// A number that cannot be negative.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

pub(super) fn provider(text: &str) -> Result<Provider, Problem> {
    text.parse().map_err(|_| Problem::Damaged("a provider"))
}

pub(super) fn outcome_name(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Delivered => "delivered",
        AttemptOutcome::Refused => "refused",
        AttemptOutcome::Dns => "dns",
        AttemptOutcome::Connect => "connect",
        AttemptOutcome::Tls => "tls",
        AttemptOutcome::Timeout => "timeout",
        AttemptOutcome::ClockSkew => "clock_skew",
    }
}

pub(super) fn headers(text: &str) -> Result<HeaderList, Problem> {
    serde_json::from_str(text).map_err(|_| Problem::Damaged("an event's headers"))
}

/// Seals a list of secrets that belong together.
pub(super) fn seal(vault: &Vault, context: &str, secrets: &[Secret]) -> Vec<u8> {
    let texts: Vec<&str> = secrets.iter().map(Secret::reveal).collect();
    let json = Zeroizing::new(serde_json::json!(texts).to_string());
    vault.seal(context, &json)
}

/// Opens what [`seal`] made.
pub(super) fn unseal(vault: &Vault, context: &str, sealed: &[u8]) -> Result<Vec<Secret>, Problem> {
    serde_json::from_str(vault.open(context, sealed)?.reveal())
        .map_err(|_| Problem::Damaged("a list of secrets"))
}

pub(super) fn workspace(row: &Row<'_>) -> rusqlite::Result<Workspace> {
    Ok(Workspace {
        id: postern_protocol::id::WorkspaceId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        created_at: UnixMillis(row.get(2)?),
    })
}

pub(super) const SOURCE: &str =
    "SELECT id, workspace, name, provider, secrets, created_at, scheme, id_from, old_until, entity_pointer
     FROM sources";

fn json_of<T: DeserializeOwned>(json: &str, what: &'static str) -> Result<T, Problem> {
    serde_json::from_str(json).map_err(|_| Problem::Damaged(what))
}

pub(super) fn source_context(id: SourceId) -> String {
    format!("source:{id}")
}

pub(super) fn source(row: &Row<'_>, vault: &Vault) -> Result<Source, Problem> {
    let id = SourceId::from_bytes(row.get(0)?);
    let scheme = match row.get::<_, Option<String>>(6)? {
        Some(json) => json_of(&json, "a source's scheme")?,
        None => {
            let provider = provider(row.get_ref(3)?.as_str().map_err(|_| Problem::Damaged("a provider"))?)?;
            Scheme::of(provider).ok_or(Problem::Damaged("a source's scheme"))?
        }
    };
    let id_from: Option<String> = row.get(7)?;
    let pointer: Option<String> = row.get(9)?;
    Ok(Source {
        id,
        workspace: postern_protocol::id::WorkspaceId::from_bytes(row.get(1)?),
        name: row.get(2)?,
        scheme,
        id_from: id_from.map(|json| json_of(&json, "where a source's ids stand")).transpose()?,
        entity_pointer: pointer
            .map(|text| text.parse().map_err(|_| Problem::Damaged("a source's entity pointer")))
            .transpose()?,
        secrets: unseal(vault, &source_context(id), &row.get::<_, Vec<u8>>(4)?)?,
        old_until: row.get::<_, Option<i64>>(8)?.map(UnixMillis),
        created_at: UnixMillis(row.get(5)?),
    })
}

pub(super) const TOKEN: &str =
    "SELECT id, workspace, label, hash, scopes, created_at, expires_at, revoked_at, last_used_at FROM tokens";

pub(super) fn token(row: &Row<'_>) -> Result<Token, Problem> {
    let scopes: String = row.get(4)?;
    let scope = |text: &str| {
        Scope::ALL.into_iter().find(|s| s.as_str() == text).ok_or(Problem::Damaged("a token's scopes"))
    };
    Ok(Token {
        id: TokenId::from_bytes(row.get(0)?),
        workspace: postern_protocol::id::WorkspaceId::from_bytes(row.get(1)?),
        label: row.get(2)?,
        hash: row.get(3)?,
        scopes: scopes.split_whitespace().map(scope).collect::<Result<_, _>>()?,
        created_at: UnixMillis(row.get(5)?),
        expires_at: row.get::<_, Option<i64>>(6)?.map(UnixMillis),
        revoked_at: row.get::<_, Option<i64>>(7)?.map(UnixMillis),
        last_used_at: row.get::<_, Option<i64>>(8)?.map(UnixMillis),
    })
}

/// A circuit out of its column; `None`: it was never open.
pub(super) fn circuit(json: Option<String>) -> Result<Option<Circuit>, Problem> {
    json.map(|json| json_of(&json, "a worker's circuit")).transpose()
}

/// A worker with what the store alone knows of it.
pub(super) struct WorkerRow {
    pub(super) no: i64,
    pub(super) worker: Worker,
    pub(super) activated: bool,
    /// The number of its claim group.
    pub(super) claim_group: Option<i64>,
}

pub(super) fn worker_query(condition: &str) -> String {
    format!(
        "SELECT no, id, workspace, token, name, url, credential_hash, secret, previous_secret, previous_until,
                filter, ordering, catch_up, state, activated, leased_until, challenge_error, created_at, policy,
                circuit, signature_style, group_name, claim_group
         FROM workers WHERE {condition}"
    )
}

pub(super) fn worker_context(id: WorkerId) -> String {
    format!("worker:{id}")
}

pub(super) fn worker(row: &Row<'_>, vault: &Vault) -> Result<WorkerRow, Problem> {
    let id = WorkerId::from_bytes(row.get(1)?);
    let context = worker_context(id);
    let previous = match (row.get::<_, Option<Vec<u8>>>(8)?, row.get::<_, Option<i64>>(9)?) {
        (Some(sealed), Some(until)) => Some((vault.open(&context, &sealed)?, UnixMillis(until))),
        _ => None,
    };
    let (group_name, claim_group): (Option<String>, Option<i64>) = (row.get(21)?, row.get(22)?);
    let mode = if claim_group.is_some() { GroupMode::Claim } else { GroupMode::Fanout };
    let group = |name: String| -> Result<Group, Problem> {
        Ok(Group { name: name.parse().map_err(|_| Problem::Damaged("a group's name"))?, mode })
    };
    let filter: String = row.get(10)?;
    let created_at = UnixMillis(row.get(17)?);
    let worker = Worker {
        id,
        workspace: postern_protocol::id::WorkspaceId::from_bytes(row.get(2)?),
        token: TokenId::from_bytes(row.get(3)?),
        name: row.get(4)?,
        url: row.get(5)?,
        credential_hash: row.get(6)?,
        secret: vault.open(&context, &row.get::<_, Vec<u8>>(7)?)?,
        previous_secret: previous,
        filter: serde_json::from_str(&filter).map_err(|_| Problem::Damaged("a worker's filter"))?,
        ordering: named::<Ordering>(&row.get::<_, String>(11)?, "a worker's ordering")?,
        catch_up: named::<CatchUp>(&row.get::<_, String>(12)?, "a worker's catch-up")?,
        group: group_name.map(group).transpose()?,
        style: match row.get::<_, Option<String>>("signature_style")? {
            Some(json) => json_of(&json, "how a worker is signed for")?,
            None => SignatureStyle::Standard,
        },
        state: named::<WorkerState>(&row.get::<_, String>(13)?, "a worker's state")?,
        leased_until: UnixMillis(row.get(15)?),
        challenge_error: row.get(16)?,
        circuit: circuit(row.get(19)?)?.unwrap_or(Circuit::closed(created_at)),
        policy: match row.get::<_, Option<String>>(18)? {
            Some(json) => json_of(&json, "a worker's policy")?,
            None => WorkerPolicy::default(),
        },
        throttled_until: None,
        created_at,
    };
    Ok(WorkerRow { no: row.get(0)?, worker, activated: row.get(14)?, claim_group })
}
