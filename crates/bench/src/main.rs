//! Measures Postern. A figure counts as a ratio to a baseline measured in the
//! same run, in turns, for machines differ and are noisy; the load generator
//! shares the machine with what it measures, and its share is the same for
//! both.
//!
//! `scripts/bench` builds everything for release and runs this.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod baseline;
mod intake;
mod load;
mod process;
mod proxy;
mod report;

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
    /// Signed bodies in: verify, store durably, answer.
    Intake(intake::Options),
    /// The baseline of `intake`: verifies and answers, stores nothing.
    #[command(hide = true)]
    VerifyOnly,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().what {
        What::Intake(options) => intake::run(&options).await,
        What::VerifyOnly => baseline::serve().await,
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
