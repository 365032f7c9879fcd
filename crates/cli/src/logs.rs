//! What happens inside, on standard error: nothing but trouble by default,
//! more with each `-v`. `RUST_LOG` overrides both. The last lines are kept in
//! memory beside it, for the diagnostics.

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Sends log lines of the level that `verbose` asks for to standard error.
pub(crate) fn install(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::ERROR,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let shown = fmt::layer().with_writer(std::io::stderr).with_filter(filter);
    // For the diagnostics.
    let kept = fmt::layer().with_ansi(false).with_writer(postern_edge::log::writer);
    let kept = kept.with_filter(LevelFilter::INFO);
    // Installed already: by a test in this process.
    let _ = tracing_subscriber::registry().with(shown).with(kept).try_init();
}
