//! Measures Postern. A figure counts as a ratio to a baseline measured in the
//! same run, in turns, for machines differ and are noisy; the load generator
//! shares the machine with what it measures, and its share is the same for
//! both.
//!
//! `scripts/bench` builds everything for release and runs this.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod backlog;
mod baseline;
mod crowd;
mod delivery;
mod feed;
mod history;
mod load;
mod ndjson;
mod options;
mod pace;
mod process;
mod proxy;
mod report;
mod tunnels;
mod versus;
mod words;
mod worker;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// What goes wrong here ends the run with a sentence.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(about, version)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Signed bodies into the proxy: verify, store durably, answer.
    Intake(options::Options),
    /// The same into the worker.
    Receiver(options::Options),
    /// From the provider's POST to the body at the worker: how long it takes,
    /// and how many a second.
    Delivery(options::Options),
    /// The same to 1, 10 and 100 workers, with none and with a tenth of them
    /// dead.
    Crowd(options::Options),
    /// The same while 10,000 and a million deliveries wait, and after a restart.
    Backlog(options::Options),
    /// Pages, filters and searches in a history of a million events.
    History(history::HistoryOptions),
    /// Public tunnels beside nginx and bore: rates, latency, bodies, memory.
    Tunnels(tunnels::TunnelOptions),
    /// The baseline of `intake` and `receiver`: verifies and answers, stores
    /// nothing.
    #[command(hide = true)]
    VerifyOnly,
    /// The baseline of `delivery`: pushes what it verified to whoever listens,
    /// stores nothing.
    #[command(hide = true)]
    Ndjson,
    /// The proxy of `scripts/bench-ui`.
    #[command(hide = true)]
    Feed,
    /// The local server of `tunnels`.
    #[command(hide = true)]
    Origin,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().what {
        What::Intake(options) => versus::intake(&options).await,
        What::Receiver(options) => versus::receiver(&options).await,
        What::Delivery(options) => delivery::run(&options).await,
        What::Crowd(options) => crowd::run(&options).await,
        What::Backlog(options) => backlog::run(&options).await,
        What::History(options) => history::run(&options).await,
        What::Tunnels(options) => tunnels::run(&options).await,
        What::VerifyOnly => baseline::serve().await,
        What::Ndjson => ndjson::serve().await,
        What::Feed => feed::serve().await,
        What::Origin => tunnels::serve_origin().await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where the programs lie: beside this one.
fn beside(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{} is missing: build it first", path.display()).into())
    }
}
