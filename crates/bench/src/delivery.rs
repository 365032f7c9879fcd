//! From the provider's POST to the body at the worker: the proxy on SQLite, as
//! it comes and with early dispatch, beside a server that pushes from memory.
//! At 50 a second, how long it takes; at full load, how many arrive a second
//! and what each costs.

use crate::load::{self, Sender};
use crate::options::Options;
use crate::pace::{self, Times, arrival};
use crate::process::Process;
use crate::proxy::{Arrivals, Worker};
use crate::report::Spread;
use crate::{Result, ndjson, proxy};
use http::Uri;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Between two posts when the time of each is measured.
const PACE: Duration = Duration::from_millis(20);

struct Subject {
    name: &'static str,
    process: Process,
    uri: Uri,
    arrivals: Arrivals,
    /// Per round, in milliseconds.
    p50: Vec<f64>,
    p99: Vec<f64>,
    /// Per round, delivered per second.
    flood: Vec<f64>,
    /// Per round, CPU seconds per 10,000 delivered in the flood.
    cpu: Vec<f64>,
}

impl Subject {
    fn new(name: &'static str, process: Process, uri: Uri, arrivals: Arrivals) -> Self {
        let (p50, p99, flood, cpu) = Default::default();
        Self { name, process, uri, arrivals, p50, p99, flood, cpu }
    }

    /// One post at a time, each on its beat.
    async fn pace(&mut self, length: Duration) -> Result<()> {
        let Times { p50, p99 } = pace::pace(&self.uri, &mut self.arrivals, 1, PACE, length).await?;
        self.p50.push(p50);
        self.p99.push(p99);
        println!("  {:<24} p50 {p50:.2} ms, p99 {p99:.2} ms", self.name);
        Ok(())
    }

    /// As many as are accepted, until the last of them has arrived.
    async fn flood(&mut self, connections: usize, length: Duration) -> Result<()> {
        let before = self.process.cpu();
        let began = Instant::now();
        let accepted = load::run(Sender::Linear, &self.uri, connections, length).await?.accepted;
        let mut last = began;
        for _ in 0..accepted {
            last = last.max(arrival(&mut self.arrivals).await?.1);
        }
        let rate = accepted as f64 / last.duration_since(began).as_secs_f64();
        self.flood.push(rate);
        if let (Some(before), Some(after)) = (before, self.process.cpu()) {
            self.cpu.push((after - before) / accepted as f64 * 1e4);
        }
        println!("  {:<24} {rate:>8.0} delivered/s", self.name);
        Ok(())
    }
}

/// Measures and prints the table.
///
/// # Errors
/// When a server does not start, any post is not accepted, or any delivery
/// does not arrive.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let (process, uri, arrivals) = ndjson::start().await?;
    let baseline = Subject::new("NDJSON push from memory", process, uri, arrivals);
    let store = options.folder()?;
    let (worker, arrivals) = Worker::active();
    let (process, uri) = proxy::start(store.path(), "", worker).await?;
    let committed = Subject::new("proxy on SQLite", process, uri, arrivals);
    let another = options.folder()?;
    let (worker, arrivals) = Worker::active();
    let (process, uri) = proxy::start(another.path(), proxy::EARLY, worker).await?;
    let early = Subject::new("… with early dispatch", process, uri, arrivals);
    let mut subjects = [baseline, committed, early];
    let mut fsync = Vec::new();

    let connections = usize::from(options.connections);
    for round in 1..=options.rounds() {
        println!("round {round} of {}", options.rounds());
        for subject in &mut subjects {
            subject.pace(options.length()).await?;
        }
        fsync.push(fdatasync(store.path(), options.length()).await?);
        println!("  {:<24} p50 {:.2} ms", "one fdatasync", fsync[fsync.len() - 1]);
        for subject in &mut subjects {
            subject.flood(connections, options.length()).await?;
        }
    }

    let [baseline, ..] = &subjects;
    let mut rows = vec![
        [
            "what",
            "p50 ms at 50/s",
            "× baseline",
            "p99 ms",
            "× baseline",
            "flood, delivered/s",
            "× baseline",
            "CPU s per 10 k",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for subject in &subjects {
        let times =
            |ours: &[f64], base: &[f64]| Spread::of(ours.iter().zip(base).map(|(a, b)| a / b)).show(2);
        let spread = |figures: &[f64], decimals| Spread::of(figures.iter().copied()).show(decimals);
        rows.push(vec![
            subject.name.to_owned(),
            spread(&subject.p50, 2),
            times(&subject.p50, &baseline.p50),
            spread(&subject.p99, 2),
            times(&subject.p99, &baseline.p99),
            spread(&subject.flood, 0),
            times(&subject.flood, &baseline.flood),
            if subject.cpu.is_empty() { "–".into() } else { spread(&subject.cpu, 2) },
        ]);
    }
    let title = format!(
        "Delivery: from the POST of {} bytes to the body at the worker; flood over {connections} connections; \
         a fdatasync of 4 KiB, at 50 a second as well: {} ms",
        load::BODY,
        Spread::of(fsync).show(2)
    );
    options.publish(&title, &rows)
}

/// The median time of an fdatasync after 4 KiB were appended, in milliseconds:
/// one on each beat, as the posts come. A disk that is left alone in between
/// takes longer than one that is kept busy.
async fn fdatasync(folder: &Path, length: Duration) -> Result<f64> {
    let mut file = File::create(folder.join("fdatasync"))?;
    let mut beat = pace::every(PACE);
    let (mut took, end) = (Vec::new(), Instant::now() + length);
    while beat.tick().await.into_std() < end {
        file.write_all(&[1; 4096])?;
        let began = Instant::now();
        file.sync_data()?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Spread::of(took).median)
}
