//! `source create|list|rotate-secret|remove`.

use super::output::time;
use super::secret::{self, SecretArgs};
use super::{CliError, Common, Terminal, open, workspace};
use crate::config::Config;
use crate::store::{Source, Store};
use clap::Subcommand;
use postern_protocol::dedupe::{IdFrom, Pointer};
use postern_protocol::id::{SourceId, WorkspaceId};
use postern_protocol::signature::Scheme;
use postern_protocol::{Provider, Secret, UnixMillis};
use serde::Serialize;

mod scheme;

#[derive(Debug, Subcommand)]
pub(super) enum SourceCommand {
    /// Make a source, and print the URL to give to the provider
    Create {
        /// Its name, 1 to 64 of a-z 0-9 - _ .
        name: String,
        #[command(flatten)]
        scheme: scheme::SchemeArgs,
        /// The workspace's name or id; needed when there are several
        #[arg(long)]
        workspace: Option<String>,
        #[command(flatten)]
        secret: SecretArgs,
    },
    /// List the sources
    List {
        /// The workspace's name or id; needed when there are several
        #[arg(long)]
        workspace: Option<String>,
    },
    /// Give a source a new secret; the one before stays valid beside it for a while
    #[command(alias = "rotate")]
    RotateSecret {
        /// The source's name or id
        source: String,
        /// The workspace's name or id; needed when there are several
        #[arg(long)]
        workspace: Option<String>,
        #[command(flatten)]
        old: secret::OldSecretArgs,
        #[command(flatten)]
        secret: SecretArgs,
    },
    /// Remove a source; its events stay
    Remove {
        /// The source's name or id
        source: String,
        /// The workspace's name or id; needed when there are several
        #[arg(long)]
        workspace: Option<String>,
    },
}

/// A source as lists show it: without its secrets.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: SourceId,
    workspace: WorkspaceId,
    name: String,
    provider: Provider,
    scheme: Scheme,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_from: Option<IdFrom>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_pointer: Option<Pointer>,
    url: String,
    secrets: usize,
    /// Until when those but the newest count.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_until: Option<UnixMillis>,
    created_at: UnixMillis,
    /// A secret made here: shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl Shown {
    fn new(source: &Source, config: &Config, made: Option<&Secret>) -> Self {
        Self {
            id: source.id,
            workspace: source.workspace,
            name: source.name.clone(),
            provider: source.provider(),
            scheme: source.scheme.clone(),
            id_from: source.id_from.clone(),
            entity_pointer: source.entity_pointer.clone(),
            url: url(config, source.id),
            secrets: source.secrets.len(),
            old_until: source.old_until,
            created_at: source.created_at,
            secret: made.map(|secret| secret.reveal().to_owned()),
        }
    }
}

/// The URL a provider posts to.
fn url(config: &Config, id: SourceId) -> String {
    format!("{}/hooks/{id}", config.base_url(config.listen))
}

pub(super) async fn run(
    command: SourceCommand,
    common: &Common,
    terminal: &mut Terminal,
    now: UnixMillis,
) -> Result<(), CliError> {
    match command {
        SourceCommand::Create { name, scheme, workspace, secret } => {
            check_name(&name)?;
            let entity_pointer = scheme.entity_pointer();
            let (scheme, id_from) = (scheme.scheme()?, scheme.id_from()?);
            let provider = scheme.provider();
            let given = secret.read()?;
            if let Some(secret) = &given {
                secret::check(provider, secret)?;
            }
            let (config, store) = open::administer(common)?;
            let workspace = workspace::find(&store, workspace.as_deref()).await?;
            let source = make(workspace.id, &name, scheme, id_from, given.as_ref(), now);
            let source = Source { entity_pointer, ..source };
            store.create_source(source.clone()).await?;
            // Some choose their secret themselves: what was made merely keeps
            // the source shut until that one is known.
            let chosen_here = given.is_none() && secret::chosen_by(provider).is_none();
            let shown = Shown::new(&source, &config, source.secrets.first().filter(|_| chosen_here));
            terminal.answer(&shown, || made_text(&shown, given.is_some()))
        }
        SourceCommand::List { workspace } => {
            let (config, store) = open::administer(common)?;
            let workspace = workspace::find(&store, workspace.as_deref()).await?;
            let sources = store.sources(workspace.id).await?;
            let all: Vec<Shown> = sources.iter().map(|source| Shown::new(source, &config, None)).collect();
            terminal.list(&all, ["NAME", "PROVIDER", "URL", "SECRETS", "MADE"], |s| {
                [
                    s.name.clone(),
                    s.provider.to_string(),
                    s.url.clone(),
                    secret::count(s.secrets, s.old_until),
                    time(s.created_at),
                ]
            })
        }
        SourceCommand::RotateSecret { source, workspace, old, secret } => {
            let given = secret.read()?;
            let (config, store) = open::administer(common)?;
            let mut source = find(&store, workspace.as_deref(), &source).await?;
            if let (Some(chooser), None) = (secret::chosen_by(source.provider()), &given) {
                return Err(CliError::Usage(format!(
                    "{chooser} chooses its secrets: give the one it shows with --secret-stdin or --secret-env"
                )));
            }
            let new = given.clone().unwrap_or_else(|| secret::generate(source.provider()));
            secret::check(source.provider(), &new)?;
            (source.secrets, source.old_until) = old.rotated(source.secrets, new.clone(), now);
            store.set_source_secrets(source.id, source.secrets.clone(), source.old_until).await?;
            let shown = Shown::new(&source, &config, Some(&new).filter(|_| given.is_none()));
            terminal.answer(&shown, || {
                let secret = shown.secret.as_ref().map(|s| format!("\nSecret, shown this once: {s}"));
                let kept = secret::kept(shown.secrets, shown.old_until);
                format!("{} has a new secret{kept}{}", shown.name, secret.unwrap_or_default())
            })
        }
        SourceCommand::Remove { source, workspace } => {
            let (config, store) = open::administer(common)?;
            let source = find(&store, workspace.as_deref(), &source).await?;
            store.remove_source(source.id).await?;
            let shown = Shown::new(&source, &config, None);
            terminal.answer(&shown, || format!("{} is removed; its events stay", shown.name))
        }
    }
}

/// A new source, with a secret made here where none is given.
pub(super) fn make(
    workspace: WorkspaceId,
    name: &str,
    scheme: Scheme,
    id_from: Option<IdFrom>,
    given: Option<&Secret>,
    now: UnixMillis,
) -> Source {
    let provider = scheme.provider();
    let secrets = match (given, provider) {
        (_, Provider::None) => Vec::new(),
        (Some(secret), _) => vec![secret.clone()],
        (None, _) => vec![secret::generate(provider)],
    };
    let id = crate::entropy::source_id(now);
    Source {
        id,
        workspace,
        name: name.to_owned(),
        scheme,
        id_from,
        entity_pointer: None,
        secrets,
        old_until: None,
        created_at: now,
    }
}

/// The source of that name or id.
pub(super) async fn find(
    store: &dyn Store,
    workspace: Option<&str>,
    named: &str,
) -> Result<Source, CliError> {
    if let Ok(id) = named.parse::<SourceId>()
        && let Some(source) = store.source(id).await?
    {
        return Ok(source);
    }
    let workspace = workspace::find(store, workspace).await?;
    let sources = store.sources(workspace.id).await?;
    sources.into_iter().find(|source| source.name == named).ok_or_else(|| {
        CliError::NotFound(format!("there is no source {named} in {}; see `source list`", workspace.name))
    })
}

fn check_name(name: &str) -> Result<(), CliError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(CliError::Usage("a source's name has 1 to 64 of a-z 0-9 - _ .".into()))
}

fn made_text(shown: &Shown, given: bool) -> String {
    let head = format!("Source {} made.\nURL: {}", shown.name, shown.url);
    match (secret::chosen_by(shown.provider), &shown.secret) {
        (_, Some(secret)) => format!("{head}\nSecret, shown this once: {secret}\nGive both to the provider."),
        (Some(chooser), None) if !given => format!(
            "{head}\nMake a webhook with this URL in {chooser}'s settings, then give its signing secret:\n  \
             postern-proxy source rotate-secret {} --drop-old --secret-stdin{}",
            shown.name,
            // Slack asks at once whether the URL answers.
            if shown.provider == Provider::Slack {
                "\nSlack shows it under Basic Information; give it first: Slack checks the URL with it."
            } else {
                ""
            }
        ),
        _ => format!("{head}\nGive it to the provider."),
    }
}
