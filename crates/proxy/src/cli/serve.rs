//! `serve`: logs, store, listeners, then the app until a signal.

use super::{CliError, Common, Terminal};
use crate::app::{App, Listeners, Parts, open_store};
use crate::config::{Config, ConfigError, Log, LogFormat, Overrides};
use crate::store::{Access, SqliteStore};
use clap::Args;
use serde_json::json;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Where providers, edges and clients come in, over the configuration
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Where health and metrics are, over the configuration
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<SocketAddr>,
}

pub(super) async fn run(args: ServeArgs, common: &Common, terminal: &mut Terminal) -> Result<(), CliError> {
    let overrides = Overrides {
        listen: args.listen,
        admin_listen: args.admin_listen,
        data_dir: common.data_dir.clone(),
        ..Overrides::default()
    };
    let config = Config::load(common.config.as_deref(), &overrides)?;
    log_to_stderr(&config.log)?;
    let store = open_store(&config, Access::Serve)?;
    let listeners = listen(&config).await?;
    let bound = Bound::of(&config, &listeners)?;
    let app = build(config, store)?;
    let signals = Signals::listen()?;
    let shown = json!({ "proxyUrl": bound.proxy_url(), "adminUrl": bound.admin_url() });
    terminal.answer(&shown, || {
        format!("postern-proxy serves {} (health and metrics: {})", bound.proxy_url(), bound.admin_url())
    })?;
    serve(app, listeners, signals).await
}

/// The app, before anyone is told that it serves.
pub(super) fn build(config: Config, store: SqliteStore) -> Result<App, CliError> {
    Ok(App::build(Parts::new(config, Arc::new(store)))?)
}

/// The app until SIGTERM or SIGINT, and its drain.
pub(super) async fn serve(app: App, listeners: Listeners, signals: Signals) -> Result<(), CliError> {
    let stop = CancellationToken::new();
    let signals = tokio::spawn(signals.stop(stop.clone()));
    let outcome = app.serve(listeners, stop).await;
    signals.abort();
    Ok(outcome?)
}

pub(super) async fn listen(config: &Config) -> Result<Listeners, CliError> {
    let bind = async |address: SocketAddr, key| {
        TcpListener::bind(address).await.map_err(|source| CliError::Listen { address, key, source })
    };
    Ok(Listeners {
        public: bind(config.listen, "listen").await?,
        admin: bind(config.admin_listen, "admin_listen").await?,
    })
}

/// The addresses really listened on: port 0 has become one.
pub(super) struct Bound {
    public: String,
    admin: String,
}

impl Bound {
    pub(super) fn of(config: &Config, listeners: &Listeners) -> Result<Self, CliError> {
        let address = |listener: &TcpListener| listener.local_addr().map_err(CliError::Runtime);
        let public = config.listener_url(address(&listeners.public)?);
        let admin = format!("http://{}", address(&listeners.admin)?);
        Ok(Self { public, admin })
    }

    pub(super) fn proxy_url(&self) -> &str {
        &self.public
    }

    pub(super) fn admin_url(&self) -> &str {
        &self.admin
    }
}

/// Logs go to standard error: standard output is for answers.
pub(super) fn log_to_stderr(log: &Log) -> Result<(), ConfigError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(log.filter()?)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second subscriber in one process is a test's: the first one stays.
    let _ = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// The signals that end the program. Listened for from the moment this is
/// made, which is before anyone is told that the program serves.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    /// The end of standard input, where that counts as one.
    input: Option<oneshot::Receiver<()>>,
}

/// Returns once, at the end of the input; never where it does not count.
async fn ended(input: &mut Option<oneshot::Receiver<()>>) {
    match input.as_mut() {
        Some(end) => drop(end.await),
        None => std::future::pending().await,
    }
    *input = None;
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn listen() -> Result<Self, CliError> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(CliError::Runtime);
        let (interrupt, terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, input: None })
    }

    #[cfg(not(unix))]
    pub(super) fn listen() -> Result<Self, CliError> {
        Ok(Self { input: None })
    }

    /// Counts the end of standard input as a signal.
    pub(super) fn or_end_of_input(mut self) -> Self {
        let (ended, end) = oneshot::channel();
        // A thread of its own: the runtime would wait for one of its to have read.
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            let _ = ended.send(());
        });
        self.input = Some(end);
        self
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = ended(&mut self.input) => {}
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        tokio::select! {
            heard = tokio::signal::ctrl_c() => {
                if heard.is_err() {
                    tracing::warn!("signals cannot be listened for");
                    std::future::pending().await
                }
            }
            () = ended(&mut self.input) => {}
        }
    }

    /// The first signal begins the drain, the second ends the process.
    async fn stop(mut self, stop: CancellationToken) {
        self.next().await;
        tracing::info!("stopping: what is under way may finish; another signal ends it at once");
        stop.cancel();
        self.next().await;
        std::process::exit(1);
    }
}
