//! `linear-org link|unlink|list`.

use super::{CliError, Common, Terminal, open, workspace};
use crate::store::Store;
use clap::Subcommand;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(super) enum LinearOrgCommand {
    /// Let an organisation's members, no guests, sign in to a workspace with their Linear keys
    Link {
        /// The organisation: Linear's id of it, or its URL key (linear.app/KEY)
        #[arg(long)]
        organization: String,
        /// The workspace's name or id; needed when there are several
        #[arg(long)]
        workspace: Option<String>,
    },
    /// Let them no longer; who signed in so is out within a minute
    Unlink {
        /// The organisation, as it was linked
        #[arg(long)]
        organization: String,
    },
    /// List the linked organisations
    List,
}

pub(super) async fn run(
    command: LinearOrgCommand,
    common: &Common,
    terminal: &mut Terminal,
) -> Result<(), CliError> {
    match command {
        LinearOrgCommand::Link { organization, workspace } => {
            let organization = checked(&organization)?;
            let (_, store) = open::administer(common)?;
            let workspace = workspace::find(&store, workspace.as_deref()).await?;
            store.link_linear(organization, workspace.id).await?;
            let shown = json!({ "organization": organization, "workspace": workspace.id });
            terminal.answer(&shown, || format!("Members of {organization} may sign in to {}", workspace.name))
        }
        LinearOrgCommand::Unlink { organization } => {
            let organization = checked(&organization)?;
            let (_, store) = open::administer(common)?;
            store.unlink_linear(organization).await?;
            let shown = json!({ "organization": organization });
            terminal.answer(&shown, || format!("Members of {organization} may no longer sign in"))
        }
        LinearOrgCommand::List => {
            let (_, store) = open::administer(common)?;
            let links: Vec<_> = store
                .linear_links()
                .await?
                .into_iter()
                .map(|(organization, workspace)| {
                    json!({ "organization": organization, "workspace": workspace })
                })
                .collect();
            terminal.list(&links, ["ORGANIZATION", "WORKSPACE"], |link| {
                ["organization", "workspace"].map(|key| link[key].as_str().unwrap_or_default().to_owned())
            })
        }
    }
}

fn checked(organization: &str) -> Result<&str, CliError> {
    let named = organization.trim();
    if (1..=100).contains(&named.len()) && !named.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Ok(named);
    }
    Err(CliError::Usage("an organisation is named by its id or its URL key, of 1 to 100 characters".into()))
}
