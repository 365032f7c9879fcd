//! `token create|list|revoke`.

use super::output::{time, time_or};
use super::{CliError, Common, Terminal, open, workspace};
use crate::config::parse_duration;
use crate::entropy;
use crate::store::{Scope, Store, Token};
use clap::Subcommand;
use postern_protocol::id::{TokenId, WorkspaceId};
use postern_protocol::{Secret, UnixMillis};
use serde::Serialize;
use std::time::Duration;

/// How a token begins.
pub(super) const PREFIX: &str = "pst_";

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token; its text is shown this once
    Create {
        /// What it is for, 1 to 100 characters
        label: String,
        /// The workspace's name or id; needed when there are several
        #[arg(long)]
        workspace: Option<String>,
        /// What it may do; may be repeated. Without it: everything
        #[arg(long, value_parser = scope)]
        scope: Vec<Scope>,
        /// When it ends, from now: 12h, 90d. Without it: never
        #[arg(long, value_name = "DURATION", value_parser = lifetime)]
        expires: Option<Duration>,
    },
    /// List the tokens
    List {
        /// The workspace's name or id; needed when there are several
        #[arg(long)]
        workspace: Option<String>,
    },
    /// Revoke a token: what registered with it loses its lease
    Revoke {
        /// The token's id: tok_…
        id: TokenId,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| {
        let known: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        format!("known scopes are {}", known.join(", "))
    })
}

fn lifetime(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .filter(|d| !d.is_zero())
        .ok_or_else(|| "write a duration such as 12h or 90d".to_owned())
}

/// A token as lists show it: without its text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: TokenId,
    workspace: WorkspaceId,
    label: String,
    scopes: Vec<&'static str>,
    created_at: UnixMillis,
    expires_at: Option<UnixMillis>,
    revoked_at: Option<UnixMillis>,
    last_used_at: Option<UnixMillis>,
    /// Its text, when it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl Shown {
    fn new(token: Token, text: Option<&Secret>) -> Self {
        Self {
            id: token.id,
            workspace: token.workspace,
            label: token.label,
            scopes: token.scopes.iter().map(|scope| scope.as_str()).collect(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
            last_used_at: token.last_used_at,
            token: text.map(|text| text.reveal().to_owned()),
        }
    }
}

pub(super) async fn run(
    command: TokenCommand,
    common: &Common,
    terminal: &mut Terminal,
    now: UnixMillis,
) -> Result<(), CliError> {
    match command {
        TokenCommand::Create { label, workspace, scope, expires } => {
            let label = label.trim();
            if !(1..=100).contains(&label.chars().count()) || label.chars().any(char::is_control) {
                return Err(CliError::Usage(
                    "a label has 1 to 100 characters, and no control characters".into(),
                ));
            }
            let (_, store) = open::administer(common)?;
            let workspace = workspace::find(&store, workspace.as_deref()).await?;
            let scopes = if scope.is_empty() { Scope::ALL.to_vec() } else { scope };
            let (mut token, text) = make(workspace.id, label, scopes, now);
            token.expires_at = expires.map(|d| now.plus(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)));
            store.create_token(token.clone()).await?;
            let shown = Shown::new(token, Some(&text));
            terminal.answer(&shown, || {
                let until = shown.expires_at.map(|at| format!(", until {}", time(at))).unwrap_or_default();
                format!("Token {} made{until}. Its text, shown this once:\n{}", shown.id, text.reveal())
            })
        }
        TokenCommand::List { workspace } => {
            let (_, store) = open::administer(common)?;
            let workspace = workspace::find(&store, workspace.as_deref()).await?;
            let all: Vec<_> =
                store.tokens(workspace.id).await?.into_iter().map(|token| Shown::new(token, None)).collect();
            terminal.list(&all, ["ID", "LABEL", "SCOPES", "STATE", "LAST USED"], |token| {
                let state = match (token.revoked_at, token.expires_at) {
                    (Some(at), _) => format!("revoked {}", time(at)),
                    (None, Some(at)) if at <= now => format!("expired {}", time(at)),
                    (None, Some(at)) => format!("until {}", time(at)),
                    (None, None) => "valid".to_owned(),
                };
                let used = time_or(token.last_used_at, "never");
                [token.id.to_string(), token.label.clone(), token.scopes.join(" "), state, used]
            })
        }
        TokenCommand::Revoke { id } => {
            let (_, store) = open::administer(common)?;
            store.revoke_token(id, now).await?;
            terminal.answer(&serde_json::json!({ "id": id, "revokedAt": now }), || format!("{id} is revoked"))
        }
    }
}

/// A new token and its text.
pub(super) fn make(
    workspace: WorkspaceId,
    label: &str,
    scopes: Vec<Scope>,
    now: UnixMillis,
) -> (Token, Secret) {
    let text = entropy::credential(PREFIX);
    let token = Token {
        id: entropy::token_id(now),
        workspace,
        label: label.to_owned(),
        hash: entropy::credential_hash(text.reveal()),
        scopes,
        created_at: now,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    (token, text)
}
