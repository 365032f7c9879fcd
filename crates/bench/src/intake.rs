//! Intake: accepted requests per second, of the proxy on SQLite with
//! everything on (event and delivery rows, dedupe, metrics) beside a server
//! that only verifies.

use crate::load::{self, Seen};
use crate::process::Process;
use crate::report::{Spread, table};
use crate::{Result, beside, proxy};
use http::Uri;
use std::path::PathBuf;
use std::time::Duration;
use tokio::process::Command;

/// What `intake` is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often each is measured, in turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    seconds: u16,
    /// Connections held open.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Also writes the table to this file.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// One server under load, and what was seen of it.
struct Subject {
    name: &'static str,
    process: Process,
    uri: Uri,
    seen: Vec<Seen>,
    /// CPU seconds per 10,000 requests, per measurement.
    cpu: Vec<f64>,
}

impl Subject {
    fn new(name: &'static str, process: Process, uri: Uri) -> Self {
        Self { name, process, uri, seen: Vec::new(), cpu: Vec::new() }
    }

    async fn measure(&mut self, connections: usize, length: Duration) -> Result<()> {
        let before = self.process.cpu();
        let seen = load::run(&self.uri, connections, length)
            .await
            .map_err(|error| format!("{}: {error}", self.name))?;
        if let (Some(before), Some(after)) = (before, self.process.cpu()) {
            self.cpu.push((after - before) / seen.accepted as f64 * 1e4);
        }
        println!("  {:<24} {:>8.0} accepted/s, p99 {:.1} ms", self.name, seen.rate(), seen.percentile(0.99));
        self.seen.push(seen);
        Ok(())
    }
}

/// Measures and prints the table.
///
/// # Errors
/// When a server does not start, or any request is not accepted.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let connections = usize::from(options.connections);
    let length = Duration::from_secs(options.seconds.into());

    let mut bare = Command::new(std::env::current_exe()?);
    bare.arg("verify-only");
    let mut bare = Process::start(bare)?;
    let address = bare.line().await?;
    let bare = Subject::new("verify only (bare axum)", bare, format!("http://{address}/").parse()?);
    let store = tempfile::tempdir_in(beside("postern-proxy")?.parent().ok_or("no directory")?)?;
    let (process, uri) = proxy::start(store.path()).await?;
    let mut subjects = [bare, Subject::new("proxy on SQLite", process, uri)];

    println!("warming up");
    for subject in &subjects {
        load::run(&subject.uri, connections, Duration::from_secs(1)).await?;
    }
    for round in 1..=options.rounds {
        println!("round {round} of {}", options.rounds);
        for subject in &mut subjects {
            subject.measure(connections, length).await?;
        }
    }

    let [baseline, _] = &subjects;
    let mut rows = vec![
        ["what", "accepted/s", "× verify-only", "p50 ms", "p99 ms", "CPU s per 10 k"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for subject in &subjects {
        let ratios = subject.seen.iter().zip(&baseline.seen).map(|(seen, base)| seen.rate() / base.rate());
        let spread = |figure: fn(&Seen) -> f64| Spread::of(subject.seen.iter().map(figure));
        rows.push(vec![
            subject.name.to_owned(),
            spread(Seen::rate).show(0),
            Spread::of(ratios).show(2),
            spread(|seen| seen.percentile(0.5)).show(2),
            spread(|seen| seen.percentile(0.99)).show(1),
            if subject.cpu.is_empty() {
                "–".into()
            } else {
                Spread::of(subject.cpu.iter().copied()).show(2)
            },
        ]);
    }
    let text = format!(
        "Intake: Linear bodies of {} bytes, {} connections, {} rounds of {} s in turns; median (least–greatest).\n\
         Load generator and servers share {} cores; loopback.\n\n{}",
        load::BODY,
        options.connections,
        options.rounds,
        options.seconds,
        std::thread::available_parallelism()?,
        table(&rows),
    );
    println!("\n{text}");
    if let Some(path) = &options.out {
        std::fs::write(path, text)?;
    }
    Ok(())
}
