//! `postern-proxy`: see [`postern_proxy::cli`].

use clap::Parser;
use postern_protocol::Clock;
use postern_proxy::cli::{Cli, Terminal};
use postern_proxy::clock::SystemClock;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    cli.run(&mut Terminal::standard(), clock)
}
