//! `workspace create|list`.

use super::output::time;
use super::{CliError, Common, Terminal, open};
use crate::store::{Store, Workspace};
use clap::Subcommand;
use postern_protocol::UnixMillis;
use postern_protocol::id::WorkspaceId;
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(super) enum WorkspaceCommand {
    /// Make a workspace
    Create {
        /// Its name, 1 to 100 characters
        name: String,
    },
    /// List the workspaces
    List,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: WorkspaceId,
    name: String,
    created_at: UnixMillis,
}

impl From<Workspace> for Shown {
    fn from(workspace: Workspace) -> Self {
        Self { id: workspace.id, name: workspace.name, created_at: workspace.created_at }
    }
}

pub(super) async fn run(
    command: WorkspaceCommand,
    common: &Common,
    terminal: &mut Terminal,
    now: UnixMillis,
) -> Result<(), CliError> {
    match command {
        WorkspaceCommand::Create { name } => {
            let name = checked_name(&name)?;
            let (_, store) = open::administer(common)?;
            let workspace = Workspace { id: crate::entropy::workspace_id(now), name, created_at: now };
            store.create_workspace(workspace.clone()).await?;
            let shown = Shown::from(workspace);
            terminal.answer(&shown, || {
                format!(
                    "Workspace {} made: {}\nNext: postern-proxy source create, postern-proxy token create",
                    shown.name, shown.id
                )
            })
        }
        WorkspaceCommand::List => {
            let (_, store) = open::administer(common)?;
            let all: Vec<Shown> = store.workspaces().await?.into_iter().map(Shown::from).collect();
            terminal.list(&all, ["ID", "NAME", "MADE"], |w| {
                [w.id.to_string(), w.name.clone(), time(w.created_at)]
            })
        }
    }
}

fn checked_name(name: &str) -> Result<String, CliError> {
    let name = name.trim();
    let length = name.chars().count();
    if !(1..=100).contains(&length) || name.chars().any(char::is_control) {
        return Err(CliError::Usage(
            "a workspace's name has 1 to 100 characters, and no control characters".into(),
        ));
    }
    Ok(name.to_owned())
}

/// The workspace of that name or id; without one, the only one there is.
pub(super) async fn find(store: &dyn Store, named: Option<&str>) -> Result<Workspace, CliError> {
    let mut all = store.workspaces().await?;
    match named {
        Some(named) => all
            .into_iter()
            .find(|workspace| workspace.name == named || workspace.id.to_string() == named)
            .ok_or_else(|| {
                CliError::NotFound(format!("there is no workspace {named}; see `workspace list`"))
            }),
        None if all.len() > 1 => {
            Err(CliError::Usage("there are several workspaces: say which with --workspace".into()))
        }
        None => all.pop().ok_or_else(|| {
            CliError::NotFound("there is no workspace yet: make one with `workspace create`".into())
        }),
    }
}
