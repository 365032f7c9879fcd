//! `postern`: the edge worker for terminals and headless machines.
//!
//! One edge runs on a data folder. A command finds it, whichever program
//! started it, and talks to it over its local API; only when none runs does
//! it open the folder itself ([`backend`]). What a command prints is for
//! people, or with `--json` for programs, and its exit status tells failures
//! apart ([`failure::Exit`]).

mod args;
mod backend;
mod commands;
mod environment;
mod failure;
mod logs;
mod output;
mod signals;
mod ui;
mod view;

use args::Cli;
use clap::Parser;
use environment::Environment;
use output::Output;
use std::process::ExitCode;

/// Gives the memory of large bodies back when they are done with; glibc's
/// keeps most of it for as long as the process lives.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::read();
    let output = Output::new(cli.global.json, &environment);
    logs::install(cli.global.verbose);
    let done = runtime().and_then(|runtime| {
        let done = runtime.block_on(commands::run(cli, environment, &output));
        // What still blocks (a keychain's dialog) ends with the process.
        runtime.shutdown_background();
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&output),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, failure::Failure> {
    // Installed already: as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failure::Failure::no_runtime)
}
