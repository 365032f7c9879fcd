//! `postern-proxy`: see [`postern_proxy::cli`].

use clap::Parser;
use postern_protocol::Clock;
use postern_proxy::cli::{Cli, Terminal};
use postern_proxy::clock::SystemClock;
use std::process::ExitCode;
use std::sync::Arc;

/// Gives the memory of large bodies back when they are done with; glibc's
/// keeps most of it for as long as the process lives.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    cli.run(&mut Terminal::standard(), clock)
}
