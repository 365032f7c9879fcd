//! `tunnel list|release`: the names of public tunnels.

use super::output::{time, time_or};
use super::{CliError, Common, Terminal, open, workspace};
use crate::store::{Store, Workspace};
use clap::Subcommand;
use postern_protocol::UnixMillis;
use postern_protocol::api::tunnels::{TunnelAccess, TunnelName, TunnelOptions};
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(super) enum TunnelCommand {
    /// List the names that a workspace has reserved
    List {
        /// The workspace's name or id; needed when there are several
        #[arg(long)]
        workspace: Option<String>,
    },
    /// Release a name: its tunnel ends, and nobody else gets the name for 30 days
    Release {
        /// The name
        name: TunnelName,
        /// The workspace's name or id; needed when there are several
        #[arg(long)]
        workspace: Option<String>,
    },
}

/// A reserved name as lists show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: TunnelName,
    options: TunnelOptions,
    created_at: UnixMillis,
    used_at: Option<UnixMillis>,
}

impl Shown {
    /// Who is let in, in short.
    fn access(&self) -> String {
        let mut asked = match &self.options.access {
            TunnelAccess::None {} => vec![],
            TunnelAccess::Basic { .. } => vec!["password".to_owned()],
            TunnelAccess::Bearer { .. } => vec!["token".to_owned()],
        };
        if !self.options.allow.is_empty() {
            asked.push("networks".to_owned());
        }
        asked.extend(self.options.only_signed.iter().map(|source| format!("signed by {source}")));
        if asked.is_empty() { "everybody".to_owned() } else { asked.join(", ") }
    }
}

pub(super) async fn run(
    command: TunnelCommand,
    common: &Common,
    terminal: &mut Terminal,
    now: UnixMillis,
) -> Result<(), CliError> {
    let (_, store) = open::administer(common)?;
    match command {
        TunnelCommand::List { workspace } => {
            let workspace = workspace::find(&store, workspace.as_deref()).await?;
            let all = store.tunnels(workspace.id).await?.into_iter();
            let shown: Vec<_> = all
                .map(|tunnel| Shown {
                    name: tunnel.name,
                    options: tunnel.options.without_secrets(),
                    created_at: tunnel.created_at,
                    used_at: tunnel.used_at,
                })
                .collect();
            terminal.list(&shown, ["NAME", "FOR", "RESERVED", "LAST SERVED"], |tunnel| {
                let used = time_or(tunnel.used_at, "never");
                [tunnel.name.to_string(), tunnel.access(), time(tunnel.created_at), used]
            })
        }
        TunnelCommand::Release { name, workspace } => {
            let Workspace { id, .. } = workspace::find(&store, workspace.as_deref()).await?;
            if !store.release_tunnel(id, name.clone(), now).await? {
                return Err(CliError::NotFound(format!("`{name}` is not reserved; see `tunnel list`")));
            }
            terminal.answer(&serde_json::json!({ "name": name, "releasedAt": now }), || {
                format!("{name} is released")
            })
        }
    }
}
