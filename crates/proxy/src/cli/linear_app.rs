//! `linear-app put|link`.

use super::secret::{OldSecretArgs, SecretArgs};
use super::{CliError, Common, Terminal, open, secret, source};
use crate::store::{LinearApp, Store};
use clap::Subcommand;
use postern_protocol::UnixMillis;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(super) enum LinearAppCommand {
    /// Make an app, or give it a new signing secret; the one before stays valid beside it for a while
    Put {
        /// Its name in the URL, 1 to 64 of a-z 0-9 -
        slug: String,
        #[command(flatten)]
        old: OldSecretArgs,
        #[command(flatten)]
        secret: SecretArgs,
    },
    /// Route an organisation's webhooks of an app to a source
    Link {
        /// The app
        slug: String,
        /// Linear's id of the organisation
        #[arg(long)]
        organization: String,
        /// The source's name or id
        #[arg(long)]
        source: String,
        /// The workspace's name or id; needed when there are several
        #[arg(long)]
        workspace: Option<String>,
    },
}

pub(super) async fn run(
    command: LinearAppCommand,
    common: &Common,
    terminal: &mut Terminal,
    now: UnixMillis,
) -> Result<(), CliError> {
    match command {
        LinearAppCommand::Put { slug, old, secret } => {
            check_slug(&slug)?;
            let new = secret.require()?;
            let (config, store) = open::administer(common)?;
            let before = store.linear_app(&slug).await?;
            let mut app = before.unwrap_or(LinearApp {
                slug,
                secrets: Vec::new(),
                old_until: None,
                organizations: Vec::new(),
            });
            (app.secrets, app.old_until) = old.rotated(app.secrets, new, now);
            store.put_linear_app(app.clone()).await?;
            let url = format!("{}/webhooks/linear/{}", config.base_url(config.listen), app.slug);
            let shown = json!({
                "slug": app.slug, "url": url, "secrets": app.secrets.len(), "oldUntil": app.old_until,
            });
            terminal.answer(&shown, || {
                let kept = secret::kept(app.secrets.len(), app.old_until);
                format!("Linear app {} kept{kept}.\nURL: {url}", app.slug)
            })
        }
        LinearAppCommand::Link { slug, organization, source, workspace } => {
            if organization.is_empty() || organization.len() > 100 {
                return Err(CliError::Usage("an organisation's id has 1 to 100 characters".into()));
            }
            let (_, store) = open::administer(common)?;
            let source = source::find(&store, workspace.as_deref(), &source).await?;
            store.link_organization(&slug, &organization, source.id).await?;
            let shown = json!({ "slug": slug, "organization": organization, "source": source.id });
            terminal.answer(&shown, || format!("{organization} of {slug} goes to {}", source.name))
        }
    }
}

fn check_slug(slug: &str) -> Result<(), CliError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=64).contains(&slug.len()) && slug.chars().all(allowed) {
        return Ok(());
    }
    Err(CliError::Usage("an app's name in the URL has 1 to 64 of a-z 0-9 -".into()))
}
