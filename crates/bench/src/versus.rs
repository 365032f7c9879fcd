//! Accepted requests per second beside a server that only verifies: the
//! proxy's intake on SQLite with everything on (event and delivery rows,
//! dedupe, metrics), and the worker's receiver with full-text indexing.

use crate::load::{self, Seen, Sender};
use crate::options::Options;
use crate::process::Process;
use crate::proxy::Worker;
use crate::report::Spread;
use crate::{Result, proxy, worker};
use http::Uri;
use std::time::Duration;
use tokio::process::Command;

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

    async fn measure(&mut self, sender: Sender, connections: usize, length: Duration) -> Result<()> {
        let before = self.process.cpu();
        let seen = load::run(sender, &self.uri, connections, length)
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

/// Measures intake at the proxy.
///
/// # Errors
/// When a server does not start, or any request is not accepted.
pub(crate) async fn intake(options: &Options) -> Result<()> {
    let bare = verify_only("").await?;
    let store = options.folder()?;
    let (process, uri) = proxy::start(store.path(), "", Worker::paused()).await?;
    let subjects = [bare, Subject::new("proxy on SQLite", process, uri)];
    compare("Intake: Linear's bodies", Sender::Linear, subjects, options).await
}

/// Measures the worker's receiver.
///
/// # Errors
/// As [`intake`].
pub(crate) async fn receiver(options: &Options) -> Result<()> {
    let bare = verify_only("hook").await?;
    let store = options.folder()?;
    let (process, uri) = worker::start(store.path()).await?;
    let subjects = [bare, Subject::new("worker's receiver", process, uri)];
    compare("Receiver: a proxy's deliveries", Sender::Proxy, subjects, options).await
}

async fn verify_only(path: &str) -> Result<Subject> {
    let mut bare = Command::new(std::env::current_exe()?);
    bare.arg("verify-only");
    let mut bare = Process::start(bare)?;
    let address = bare.line().await?;
    Ok(Subject::new("verify only (bare axum)", bare, format!("http://{address}/{path}").parse()?))
}

async fn compare(title: &str, sender: Sender, mut subjects: [Subject; 2], options: &Options) -> Result<()> {
    let connections = usize::from(options.connections);
    let length = options.length();
    println!("warming up");
    for subject in &subjects {
        load::run(sender, &subject.uri, connections, Duration::from_secs(1)).await?;
    }
    for round in 1..=options.rounds() {
        println!("round {round} of {}", options.rounds());
        for subject in &mut subjects {
            subject.measure(sender, connections, length).await?;
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
    let title = format!("{title} of {} bytes, {connections} connections", load::BODY);
    options.publish(&title, &rows)
}
