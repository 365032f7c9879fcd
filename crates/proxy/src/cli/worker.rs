//! `worker add|list|rotate-secret|remove`: workers that are plain HTTP servers.
//! They renew no lease, so theirs does not end; a running proxy challenges
//! them until they answer.

use super::output::time;
use super::{CliError, Common, Terminal, open, token, workspace};
use crate::entropy;
use crate::registry::lasting::{self, NEVER};
use crate::registry::{policy, request};
use crate::store::{DeadReason, Scope, Store, Worker};
use clap::{Args, Subcommand, ValueEnum};
use postern_protocol::api::{
    CatchUp, Ordering, PolicyChange, RegisterRequest, SignatureStyleName, WorkerState,
};
use postern_protocol::header::HeaderName;
use postern_protocol::id::{WorkerId, WorkspaceId};
use postern_protocol::signature::{SignatureStyle, standard};
use postern_protocol::{PROTOCOL_VERSION, Secret, UnixMillis};
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(super) enum WorkerCommand {
    /// Make a worker of any HTTP server; its signing secret is shown this once
    Add(AddArgs),
    /// List the workers that have not left
    List {
        /// The workspace's name or id; needed when there are several
        #[arg(long)]
        workspace: Option<String>,
    },
    /// Give a worker a new signing secret; the one before signs beside it for a while
    RotateSecret {
        /// The worker's id: wrk_…
        id: WorkerId,
    },
    /// Remove a worker: what waits for it becomes dead letters
    Remove {
        /// The worker's id: wrk_…
        id: WorkerId,
    },
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// Its name, 1 to 100 characters
    name: String,
    /// Where deliveries are posted
    #[arg(long)]
    url: String,
    /// Which events it wants, such as Issue or "github:*"; may be repeated. Without it: all
    #[arg(long, value_name = "TERM")]
    capability: Vec<String>,
    /// How deliveries are signed
    #[arg(long, value_enum, default_value_t = Style::Standard)]
    signature_style: Style,
    /// With `timestamped`: what the headers begin with, X-Acme for X-Acme-Signature
    #[arg(long, value_name = "PREFIX")]
    header_prefix: Option<HeaderName>,
    /// The workspace's name or id; needed when there are several
    #[arg(long)]
    workspace: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Style {
    /// Standard Webhooks
    Standard,
    /// X-<Name>-Signature: t=…,v1=…
    Timestamped,
}

/// A worker as lists show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: WorkerId,
    workspace: WorkspaceId,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    capabilities: Vec<String>,
    signature: SignatureStyle,
    state: WorkerState,
    /// Absent: it does not end.
    #[serde(skip_serializing_if = "Option::is_none")]
    leased_until: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge_error: Option<String>,
    created_at: UnixMillis,
    /// Its secret, when it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl Shown {
    fn new(worker: Worker, secret: Option<&Secret>) -> Self {
        Self {
            id: worker.id,
            workspace: worker.workspace,
            name: worker.name,
            url: worker.url,
            capabilities: worker.filter.into(),
            signature: worker.style,
            state: worker.state,
            leased_until: (!lasting::lasts(worker.leased_until)).then_some(worker.leased_until),
            challenge_error: worker.challenge_error,
            created_at: worker.created_at,
            secret: secret.map(|secret| secret.reveal().to_owned()),
        }
    }

    /// Where it stands, in words.
    fn standing(&self) -> String {
        let state = match self.state {
            WorkerState::Pending => "pending",
            WorkerState::Active => "active",
            WorkerState::Away => "away",
            WorkerState::Paused => "paused",
            WorkerState::Gone => "gone",
        };
        match &self.challenge_error {
            Some(error) => format!("{state}: {error}"),
            None => state.to_owned(),
        }
    }
}

pub(super) async fn run(
    command: WorkerCommand,
    common: &Common,
    terminal: &mut Terminal,
    now: UnixMillis,
) -> Result<(), CliError> {
    match command {
        WorkerCommand::Add(args) => add(args, common, terminal, now).await,
        WorkerCommand::List { workspace } => {
            let (_, store) = open::administer(common)?;
            let workspace = workspace::find(&store, workspace.as_deref()).await?;
            let all = store.workers(workspace.id).await?.into_iter();
            let there = all.filter(|worker| worker.state != WorkerState::Gone);
            let shown: Vec<_> = there.map(|worker| Shown::new(worker, None)).collect();
            terminal.list(&shown, ["ID", "NAME", "URL", "LEASE", "STATE"], |worker| {
                let url = worker.url.clone().unwrap_or_else(|| "(tunnel)".to_owned());
                let lease = worker.leased_until.map_or_else(|| "none".to_owned(), time);
                [worker.id.to_string(), worker.name.clone(), url, lease, worker.standing()]
            })
        }
        WorkerCommand::RotateSecret { id } => {
            let (config, store) = open::administer(common)?;
            there(&store, id).await?;
            let grace = i64::try_from(config.registration.secret_grace.as_millis()).unwrap_or(i64::MAX);
            let (secret, until) = (standard::new_secret(entropy::bytes()), now.plus(grace));
            store.rotate_worker_secret(id, secret.clone(), until).await?;
            let shown = serde_json::json!({ "id": id, "secret": secret.reveal(), "previousUntil": until });
            terminal.answer(&shown, || {
                format!(
                    "{id} has a new secret; the one before signs too until {}. Shown this once:\n{}",
                    time(until),
                    secret.reveal()
                )
            })
        }
        WorkerCommand::Remove { id } => {
            let (_, store) = open::administer(common)?;
            there(&store, id).await?;
            store.remove_worker(id, DeadReason::WorkerLeft, now).await?;
            terminal.answer(&serde_json::json!({ "id": id }), || format!("{id} is removed"))
        }
    }
}

async fn add(
    args: AddArgs,
    common: &Common,
    terminal: &mut Terminal,
    now: UnixMillis,
) -> Result<(), CliError> {
    let (config, store) = open::administer(common)?;
    let workspace = workspace::find(&store, args.workspace.as_deref()).await?;
    let request = RegisterRequest {
        webhook_url: Some(args.url),
        token: Secret::new(""),
        name: args.name,
        capabilities: args.capability,
        ordering: Ordering::None,
        catch_up: CatchUp::All,
        group: None,
        signature_style: match args.signature_style {
            Style::Standard => SignatureStyleName::Standard,
            Style::Timestamped => SignatureStyleName::Timestamped,
        },
        header_prefix: args.header_prefix,
        policy: PolicyChange::default(),
        protocol_version: PROTOCOL_VERSION.to_owned(),
    };
    let wanted = request::check(&request, &policy(&config.registration), None)
        .map_err(|error| CliError::Usage(error.message().to_owned()))?;
    // Nobody has this token's text: it is there to be revoked.
    let label: String = format!("worker {}", wanted.name).chars().take(100).collect();
    let (token, _) = token::make(workspace.id, &label, vec![Scope::WorkersRegister], now);
    store.create_token(token.clone()).await?;
    let secret = standard::new_secret(entropy::bytes());
    let credential = entropy::credential("");
    let worker = wanted
        .worker(&token, &credential, secret.clone(), NEVER, now)
        .map_err(|error| CliError::Usage(error.message().to_owned()))?;
    store.register_worker(worker.clone()).await?;
    let shown = Shown::new(worker, Some(&secret));
    terminal.answer(&shown, || {
        format!(
            "Worker {} made; it is challenged until it answers. Its secret, shown this once:\n{}",
            shown.id,
            secret.reveal()
        )
    })
}

/// An error unless the worker is there.
async fn there(store: &dyn Store, id: WorkerId) -> Result<(), CliError> {
    match store.worker(id).await? {
        Some(worker) if worker.state != WorkerState::Gone => Ok(()),
        _ => Err(CliError::NotFound(format!("there is no worker {id}; see `worker list`"))),
    }
}
