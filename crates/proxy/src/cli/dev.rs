//! `dev`: what a newcomer needs, made on the first start and kept, then served.
//!
//! The folder holds the database, the master key, `token` (the token's text)
//! and, while it serves, `dev.json`, on which scripts wait. All of them are
//! for their owner alone.

use super::serve::{Bound, Signals, build, listen, log_to_stderr, serve};
use super::{CliError, Common, Terminal, source, token};
use crate::app::open_store;
use crate::config::{Config, Overrides, state_home};
use crate::entropy::credential_hash;
use crate::private;
use crate::store::{Access, Scope, Source, Store, Workspace};
use clap::Args;
use postern_protocol::id::WorkspaceId;
use postern_protocol::signature::Scheme;
use postern_protocol::{Clock, Provider, Secret, UnixMillis};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const WORKSPACE: &str = "Dev";
const SOURCES: [(&str, Scheme); 2] = [("linear", Scheme::Linear), ("github", Scheme::Github)];

#[derive(Debug, Args)]
pub(super) struct DevArgs {
    /// Where everything is kept [default: postern-dev in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "DIR", conflicts_with = "data_dir")]
    dir: Option<PathBuf>,
    /// Where to listen, on this machine; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Where health and metrics are; a free port when --listen has port 0
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<SocketAddr>,
    /// Stop when standard input ends, too: when the program that started this one has gone
    #[arg(long)]
    until_eof: bool,
}

/// `dev.json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    proxy_url: String,
    admin_url: String,
    token_file: PathBuf,
    sources: Vec<DescribedSource>,
}

/// A source in `dev.json`, with its secret: for development only.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribedSource {
    name: String,
    provider: Provider,
    url: String,
    secret: Option<String>,
}

pub(super) async fn run(
    args: DevArgs,
    common: &Common,
    terminal: &mut Terminal,
    clock: Arc<dyn Clock>,
) -> Result<(), CliError> {
    let dir =
        args.dir.or_else(|| common.data_dir.clone()).unwrap_or_else(|| state_home().join("postern-dev"));
    let free = args.listen.filter(|listen| listen.port() == 0);
    let overrides = Overrides {
        listen: args.listen,
        admin_listen: args.admin_listen.or(free),
        data_dir: Some(dir.clone()),
        allow_loopback: true,
    };
    let mut config = Config::load(common.config.as_deref(), &overrides)?;
    // Browsers know where the names of localhost lead.
    config.tunnel.domain.get_or_insert_with(|| "localhost".to_owned());
    log_to_stderr(&config.log)?;
    let store = open_store(&config, Access::Serve)?;
    let dir = dir.canonicalize().map_err(|source| CliError::File { path: dir, source })?;
    let described_in = dir.join("dev.json");
    // Of a run that was killed: nobody shall take it for this one's.
    let _ = std::fs::remove_file(&described_in);

    let now = clock.now();
    let workspace = workspace(&store, now).await?;
    let sources = sources(&store, workspace, now).await?;
    let token_file = dir.join("token");
    token(&store, workspace, &token_file, now).await?;

    let signals = Signals::listen()?;
    let signals = if args.until_eof { signals.or_end_of_input() } else { signals };
    let listeners = listen(&config).await?;
    let bound = Bound::of(&config, &listeners)?;
    let base = config.public_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
    let base = base.unwrap_or_else(|| bound.proxy_url().to_owned());
    let described = Described {
        proxy_url: bound.proxy_url().to_owned(),
        admin_url: bound.admin_url().to_owned(),
        token_file,
        sources: sources.iter().map(|source| describe(source, &base)).collect(),
    };
    let app = build(config, store)?;
    let json = serde_json::to_string_pretty(&described).map_err(|error| CliError::Output(error.into()))?;
    write(&described_in, &json)?;
    terminal.answer(&described, || text(&described, &dir))?;
    let outcome = serve(app, listeners, signals).await;
    let _ = std::fs::remove_file(&described_in);
    outcome
}

async fn workspace(store: &dyn Store, now: UnixMillis) -> Result<WorkspaceId, CliError> {
    if let Some(present) = store.workspaces().await?.into_iter().find(|workspace| workspace.name == WORKSPACE)
    {
        return Ok(present.id);
    }
    let id = crate::entropy::workspace_id(now);
    store.create_workspace(Workspace { id, name: WORKSPACE.to_owned(), created_at: now }).await?;
    Ok(id)
}

async fn sources(
    store: &dyn Store,
    workspace: WorkspaceId,
    now: UnixMillis,
) -> Result<Vec<Source>, CliError> {
    let present = store.sources(workspace).await?;
    for (name, scheme) in SOURCES {
        if !present.iter().any(|source| source.name == name) {
            store.create_source(source::make(workspace, name, scheme, None, None, now)).await?;
        }
    }
    Ok(store.sources(workspace).await?)
}

/// Makes sure that the file holds a valid token.
async fn token(
    store: &dyn Store,
    workspace: WorkspaceId,
    file: &Path,
    now: UnixMillis,
) -> Result<(), CliError> {
    if let Ok(text) = std::fs::read_to_string(file).map(Secret::new) {
        let hash = credential_hash(text.reveal().trim());
        let valid = |token: &crate::store::Token| {
            token.hash == hash && token.revoked_at.is_none() && token.expires_at.is_none_or(|at| at > now)
        };
        if store.tokens(workspace).await?.iter().any(valid) {
            return Ok(());
        }
    }
    let (token, text) = token::make(workspace, "dev", Scope::ALL.to_vec(), now);
    store.create_token(token).await?;
    write(file, text.reveal())
}

fn write(path: &Path, content: &str) -> Result<(), CliError> {
    let failed = |source| CliError::File { path: path.to_owned(), source };
    private::replace(path, &format!("{content}\n")).map_err(failed)
}

fn describe(source: &Source, base: &str) -> DescribedSource {
    DescribedSource {
        name: source.name.clone(),
        provider: source.provider(),
        url: format!("{base}/hooks/{}", source.id),
        secret: source.secrets.first().map(|secret| secret.reveal().to_owned()),
    }
}

fn text(described: &Described, dir: &Path) -> String {
    let mut text = format!("Postern is serving {} from {}\n", described.proxy_url, dir.display());
    for source in &described.sources {
        text.push_str(&format!("\n  {} webhooks go to {}\n", source.name, source.url));
        if let (Provider::Github, Some(secret)) = (source.provider, &source.secret) {
            text.push_str(&format!("    with the secret {secret}\n"));
        }
    }
    text.push_str(&format!(
        "\nThe workspace's token is in {}. Sign in with it (`postern login`, or in the app), then try:\n\n  \
         postern trigger linear Issue.create\n",
        described.token_file.display()
    ));
    text
}
