//! What somebody who helps wants to see, in one document without secrets: no
//! payload, no header of an event, no token, no name that people have given,
//! and of addresses only where they lead. What is put together here names each
//! thing it tells; on top of that every text is looked through for secrets
//! ([`redact`]), those of the log above all.

use super::{Action, ApiError, Arrival, Connection, Document, HostHeader, Rule, Settings};
use crate::EdgeHandle;
use crate::doctor::{self, Finding};
use crate::log;
use crate::redact;
use crate::state::Shared;
use postern_protocol::{ErrorCode, Secret};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// What `format` says.
const FORMAT: &str = "postern-diagnostics";
const VERSION: u32 = 1;
/// The files whose size is told.
const FILES: [&str; 4] = ["history.db", "history.db-wal", "search.db", "search.db-wal"];

/// One document with versions, settings, how things stand, what a doctor finds
/// and the last lines of the log; secrets removed.
///
/// # Errors
/// `store.unavailable`.
pub async fn diagnostics(edge: &EdgeHandle) -> Result<Document, ApiError> {
    let shared = &edge.shared;
    let config = &shared.config;
    let status = shared.status();
    let token = config.environment.is_some();
    let mut checks = vec![secrets_can_be_read(shared).await];
    checks.extend(doctor::examine(Some(&status), None, edge.profiles.at_work(), token).await);
    let (mut secrets, mut profiles) = (Vec::new(), Vec::new());
    for slot in edge.profiles.all() {
        let rules = match slot.profile_id() {
            Some(profile) => shared.history.rules(profile).await?.0.rules,
            None => Vec::new(),
        };
        known(&slot, &rules, &mut secrets);
        profiles.push(profile(&slot, &rules));
    }
    let dir = config.data_dir.clone();
    let files = tokio::task::spawn_blocking(move || sizes(&dir)).await.unwrap_or_default();
    let document = json!({
        "format": FORMAT,
        "version": VERSION,
        "at": shared.now(),
        "postern": status.version,
        "program": config.program,
        "system": { "os": std::env::consts::OS, "family": std::env::consts::FAMILY, "arch": std::env::consts::ARCH },
        "data": { "schema": shared.history.schema_version().await?, "bytes": files },
        "receiver": {
            "bind": config.receiver_bind,
            "tls": config.tls.is_some(),
            "address": redact::origin(&shared.place.base()),
            "configured": config.webhook_base.is_some(),
        },
        "api": shared.api_url.is_some(),
        "secretsKeptIn": config.secrets.kept_in().as_str(),
        "settings": settings(status.settings),
        "refusedRequests": status.rejected,
        "profiles": profiles,
        "checks": checks,
        "log": log::lines(),
    });
    let document = scrubbed(document, &secrets);
    let text = serde_json::to_string_pretty(&document)
        .map_err(|e| ApiError::new(ErrorCode::Internal, e.to_string()))?;
    Ok(Document { name: "postern-diagnostics.json".into(), text })
}

/// Without names, and terms without what they ask of payloads.
fn settings(mut settings: Settings) -> Value {
    for term in &mut settings.capabilities {
        if let Some(condition) = term.find('[') {
            term.replace_range(condition.., "[…]");
        }
    }
    let group = settings.group.take().is_some();
    let mut settings = json!(settings);
    settings["group"] = json!(group);
    settings
}

/// How a profile stands.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    shown: bool,
    proxy: Option<String>,
    workspace: Option<String>,
    worker: Option<String>,
    connection: Connection,
    arrival: Option<Value>,
    events: u64,
    local_secrets: usize,
    rules: Vec<Value>,
}

fn profile(slot: &Arc<Shared>, rules: &[Rule]) -> Profile {
    let status = slot.status();
    let session = status.session.as_ref();
    let arrival = session.map(|session| match &session.arrival {
        Arrival::Address { url, reason } => {
            json!({ "way": "address", "address": redact::origin(url), "reason": reason })
        }
        Arrival::Tunnel { tunnel, reason } => json!({ "way": "tunnel", "tunnel": tunnel, "reason": reason }),
    });
    Profile {
        shown: status.profiles.iter().any(|profile| profile.shown && Some(profile.id) == slot.profile_id()),
        proxy: session.map(|session| redact::origin(&session.proxy_url)),
        workspace: session.map(|session| session.workspace.id.to_string()),
        worker: session.and_then(|session| session.worker_id.clone()),
        connection: status.connection,
        arrival,
        events: status.events,
        local_secrets: slot.session().map_or(0, |session| session.local.borrow().len()),
        rules: rules.iter().map(rule).collect(),
    }
}

/// A rule without its names and values: filters may hold what payloads hold.
fn rule(rule: &Rule) -> Value {
    let action = match &rule.action {
        Action::Notify => json!({ "type": "notify" }),
        Action::Forward(to) => json!({
            "type": "forward",
            "to": redact::origin(&to.url),
            "timeoutMs": to.timeout_ms,
            "headers": to.headers.len(),
            "keepsHost": to.host == HostHeader::Keep,
            "retries": to.retry.count,
        }),
    };
    json!({ "enabled": rule.enabled, "stop": rule.stop, "terms": rule.filter.len(), "action": action })
}

/// All that is known to be secret: of the machine, and of a profile.
fn known(slot: &Shared, rules: &[Rule], secrets: &mut Vec<Secret>) {
    secrets.push(slot.access.control.clone());
    secrets.extend(slot.config.environment.iter().map(|environment| environment.token.clone()));
    if let Some(profile) = slot.account.borrow().profile() {
        secrets.push(Secret::new(profile.hook_key.clone()));
    }
    for rule in rules {
        if let Action::Forward(to) = &rule.action {
            secrets.extend(to.headers.iter().map(|(_, value)| Secret::new(value.clone())));
        }
    }
    let Ok(session) = slot.session() else { return };
    let kept = session.secrets();
    secrets.push(session.token.clone());
    secrets.extend(kept.local.into_iter().map(|local| local.secret));
    if let Some(worker) = kept.worker {
        secrets.push(worker.credential);
        secrets.extend(worker.signing.into_iter().map(|key| key.secret));
    }
}

async fn secrets_can_be_read(shared: &Shared) -> Finding {
    let place = shared.config.secrets.kept_in().as_str();
    match shared.config.secrets.load("doctor").await {
        Ok(_) => Finding::ok("secrets", format!("They can be read ({place}).")),
        Err(error) => {
            let found = doctor::sentence(&ApiError::from(error).message);
            Finding::fail("secrets", found, "Unlock the keychain, or see who may read the data folder.")
        }
    }
}

fn sizes(dir: &Path) -> Value {
    let size = |name: &&str| {
        let bytes = std::fs::metadata(dir.join(name)).ok()?.len();
        Some(((*name).to_owned(), json!(bytes)))
    };
    Value::Object(FILES.iter().filter_map(size).collect())
}

fn scrubbed(value: Value, secrets: &[Secret]) -> Value {
    match value {
        Value::String(text) => Value::String(redact::text(&text, secrets)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| scrubbed(item, secrets)).collect()),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, scrubbed(value, secrets))).collect())
        }
        other => other,
    }
}
