//! The command line of `postern-proxy`: serving, and setting up what is served.
//!
//! Administrative commands work on the database directly, whether a proxy
//! serves from it or not; a running one takes a change up within a second.
//! Secrets come by standard input or from a variable, never as arguments,
//! which every user of the machine can see.
//!
//! Exit codes: 0 done; 1 it failed; 2 the command line or the configuration
//! cannot be used.

use clap::{Args, CommandFactory, Parser, Subcommand};
use postern_protocol::Clock;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

mod backup;
mod check;
mod config;
mod dev;
mod error;
mod linear_app;
mod linear_org;
mod open;
mod output;
mod rotate_key;
mod secret;
mod serve;
mod source;
mod token;
mod tunnel;
mod worker;
mod workspace;

pub use error::CliError;
pub use output::Terminal;

/// Takes webhooks in, stores them durably, delivers them to registered workers.
#[derive(Debug, Parser)]
#[command(name = "postern-proxy", version, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 done; 1 it failed; 2 the command line or the configuration cannot be used.";

/// What every command understands.
#[derive(Clone, Debug, Args)]
struct Common {
    /// The configuration file (TOML); see `config print-default`
    #[arg(long, global = true, env = "POSTERN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the database and the master key live, over the configuration
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT, then finish what is under way
    Serve(serve::ServeArgs),
    /// Serve for trying out: makes a workspace, sources and a token on the first start
    Dev(dev::DevArgs),
    /// Workspaces: teams that own sources, tokens and workers
    #[command(subcommand)]
    Workspace(workspace::WorkspaceCommand),
    /// Sources: where providers post to
    #[command(subcommand)]
    Source(source::SourceCommand),
    /// Linear OAuth apps, whose webhooks serve many organisations
    #[command(subcommand)]
    LinearApp(linear_app::LinearAppCommand),
    /// Linear organisations, whose members sign in with their Linear keys
    #[command(subcommand)]
    LinearOrg(linear_org::LinearOrgCommand),
    /// Tokens, with which edges register and clients ask
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Workers: make one of any HTTP server, list, remove
    #[command(subcommand)]
    Worker(worker::WorkerCommand),
    /// Names of public tunnels: list, release
    #[command(subcommand)]
    Tunnel(tunnel::TunnelCommand),
    /// Copy the database to a new file, while the proxy serves or not
    Backup(backup::BackupArgs),
    /// Put a backup in the place of the database; no proxy may be serving
    Restore(backup::RestoreArgs),
    /// Say whether the database is whole, the master key fits, and what is in it
    Check(check::CheckArgs),
    /// Bring the database of an earlier version up to date, which serving does too
    Upgrade(backup::UpgradeArgs),
    /// Seal every secret with a new master key, while the proxy serves or not
    RotateKey(rotate_key::RotateKeyArgs),
    /// The configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print a completion script for a shell
    Completions {
        /// Which one
        shell: clap_complete::Shell,
    },
}

impl Cli {
    /// Does what the command line says; an error is written to standard error.
    pub fn run(self, terminal: &mut Terminal, clock: Arc<dyn Clock>) -> ExitCode {
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return terminal.fail(&CliError::Runtime(error)),
        };
        match runtime.block_on(self.dispatch(terminal, clock)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => terminal.fail(&error),
        }
    }

    async fn dispatch(self, terminal: &mut Terminal, clock: Arc<dyn Clock>) -> Result<(), CliError> {
        let common = &self.common;
        terminal.json = common.json;
        match self.command {
            Command::Serve(args) => serve::run(args, common, terminal).await,
            Command::Dev(args) => dev::run(args, common, terminal, clock).await,
            Command::Workspace(command) => workspace::run(command, common, terminal, clock.now()).await,
            Command::Source(command) => source::run(command, common, terminal, clock.now()).await,
            Command::LinearApp(command) => linear_app::run(command, common, terminal, clock.now()).await,
            Command::LinearOrg(command) => linear_org::run(command, common, terminal).await,
            Command::Token(command) => token::run(command, common, terminal, clock.now()).await,
            Command::Worker(command) => worker::run(command, common, terminal, clock.now()).await,
            Command::Tunnel(command) => tunnel::run(command, common, terminal, clock.now()).await,
            Command::Backup(args) => backup::backup(&args, common, terminal),
            Command::Restore(args) => backup::restore(&args, common, terminal, clock.now()),
            Command::Check(args) => check::run(&args, common, terminal),
            Command::Upgrade(args) => backup::upgrade(&args, common, terminal),
            Command::RotateKey(args) => rotate_key::run(&args, common, terminal),
            Command::Config(command) => config::run(command, common, terminal),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "postern-proxy", &mut script);
                terminal.line(&String::from_utf8_lossy(&script))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    /// The documentation says of every command and of every option that it
    /// exists.
    #[test]
    fn the_pages_name_every_command_and_option() {
        let pages = [
            include_str!("../../../docs/proxy.md"),
            include_str!("../../../docs/receivers.md"),
            include_str!("../../../docs/operations/README.md"),
            include_str!("../../../docs/operations/runbook.md"),
        ]
        .concat();
        let names = |what: &str| {
            pages.match_indices(what).any(|(at, _)| {
                let after = pages[at + what.len()..].chars().next();
                !after.is_some_and(|next| next.is_ascii_alphanumeric() || next == '-')
            })
        };
        // `pp` stands for the program with its configuration.
        let command_is_named = |path: &str| {
            ["postern-proxy ", "pp ", "`"].iter().any(|before| names(&format!("{before}{path}")))
        };
        let mut unnamed = Vec::new();
        let mut left = vec![(String::new(), Cli::command())];
        while let Some((path, command)) = left.pop() {
            if !command.has_subcommands() && !command_is_named(path.trim()) {
                unnamed.push(path.clone());
            }
            let options = command.get_arguments().filter_map(clap::Arg::get_long);
            let options = options.map(|long| format!("--{long}")).filter(|option| !names(option));
            unnamed.extend(options.map(|option| format!("{path} {option}")));
            let subcommands = command.get_subcommands().cloned();
            left.extend(subcommands.map(|sub| (format!("{path} {}", sub.get_name()), sub)));
        }
        assert!(unnamed.is_empty(), "{unnamed:#?}");
    }
}
