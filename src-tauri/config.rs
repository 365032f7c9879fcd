//! What the environment decides: `POSTERN_DATA_DIR` (the folder of history,
//! settings and lock, instead of the system's usual place) and `RUST_LOG`
//! (what is logged to stderr, in `tracing`'s filter syntax).

use postern_edge::{EdgeConfig, FileSecrets};
use postern_protocol::api::CatchUp;
use std::path::PathBuf;
use tauri::{Manager, Runtime};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::secrets::DesktopSecrets;

/// What is logged unless `RUST_LOG` says otherwise.
const DEFAULT_LOG: &str = "warn,postern=info,postern_desktop=info,postern_edge=info";

/// The environment, read once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    /// Instead of the system's usual place.
    pub(crate) data_dir: Option<PathBuf>,
}

impl Config {
    /// Reads the environment.
    pub(crate) fn from_environment() -> Self {
        Self {
            data_dir: std::env::var_os("POSTERN_DATA_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from),
        }
    }

    /// The edge of this machine.
    pub(crate) fn edge<R: Runtime>(&self, app: &impl Manager<R>) -> Result<EdgeConfig, ConfigError> {
        let data_dir = match &self.data_dir {
            Some(dir) => dir.clone(),
            None => app.path().app_data_dir().map_err(ConfigError::NoDataDir)?,
        };
        let file = data_dir.join(FileSecrets::NAME);
        // Whoever asked `postern login` for a file has it here too.
        let mut config = if file.exists() {
            EdgeConfig::new(data_dir, FileSecrets::new(file))
        } else {
            EdgeConfig::new(data_dir, DesktopSecrets::start().map_err(ConfigError::NoThread)?)
        };
        config.program = "the desktop app".to_owned();
        // Somebody sits in front of it.
        config.catch_up = CatchUp::Ask;
        if let Some(name) = host_name() {
            config.default_name = name;
        }
        Ok(config)
    }
}

/// Why the edge cannot be configured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The system does not say where data belongs.
    #[error("the system names no folder for data: set POSTERN_DATA_DIR")]
    NoDataDir(#[source] tauri::Error),
    /// The keychain's thread.
    #[error("the system has no thread to give")]
    NoThread(#[source] std::io::Error),
}

/// Logs to stderr, from here on, and the last lines into memory.
pub(crate) fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    let shown = fmt::layer().with_writer(std::io::stderr).with_filter(filter);
    // For the diagnostics.
    let kept = fmt::layer().with_ansi(false).with_writer(postern_edge::log::writer);
    let kept = kept.with_filter(LevelFilter::INFO);
    let started = tracing_subscriber::registry().with(shown).with(kept).try_init();
    if let Err(problem) = started {
        tracing::warn!(%problem, "a logger was there already");
    }
}

/// What the machine is called, where it has a name.
fn host_name() -> Option<String> {
    gethostname::gethostname().into_string().ok().filter(|name| !name.is_empty())
}
