//! What piles up must cost nothing: deliveries wait for paused workers of one
//! workspace, and a worker of another gets its events as if they did not. Then
//! a paused worker goes on, and in the end the proxy is killed and started.

use crate::Result;
use crate::load;
use crate::options::Options;
use crate::pace::{self, Times, arrival};
use crate::proxy::{Arrivals, Proxy, Registered, Worker, Workspace};
use crate::report::Spread;
use std::time::{Duration, Instant};

/// The workers for which deliveries wait.
const PAUSED: usize = 100;
/// Between two posts.
const PACE: Duration = Duration::from_millis(20);

struct Scene {
    proxy: Proxy,
    /// The worker that gets its events, and the paused ones.
    lively: Workspace,
    waiting: Workspace,
    paused: Vec<(Registered, Arrivals)>,
    arrivals: Arrivals,
}

/// What was seen with so many deliveries waiting.
struct Level {
    waiting: usize,
    times: Vec<Times>,
    memory: Option<f64>,
    /// From the end of a worker's pause to the first of what waited for it, in
    /// milliseconds; and what it got a second.
    first: f64,
    drained: f64,
}

impl Scene {
    async fn set(options: &Options, home: &std::path::Path) -> Result<Self> {
        let (proxy, mut made) = Proxy::start(home, "", 2).await?;
        let (waiting, lively) = (made.remove(1), made.remove(0));
        let (worker, arrivals) = Worker::active();
        proxy.register(&lively, worker).await?;
        let mut paused = Vec::new();
        for _ in 0..PAUSED {
            let (worker, arrivals) = Worker::active();
            let worker = proxy.register(&waiting, worker).await?;
            proxy.pause(&worker, true).await?;
            paused.push((worker, arrivals));
        }
        let mut scene = Self { proxy, lively, waiting, paused, arrivals };
        println!("warming up");
        scene.pace(options.length()).await?;
        Ok(scene)
    }

    async fn pace(&mut self, length: Duration) -> Result<Times> {
        let hook = self.proxy.hook(&self.lively)?;
        pace::pace(&hook, &mut self.arrivals, 1, PACE, length).await
    }

    /// Measures with `events` waiting for each of the paused workers, one of
    /// which, the last, goes on in the end.
    async fn measure(&mut self, options: &Options, events: usize) -> Result<Level> {
        let waiting = events * self.paused.len();
        println!("{waiting} deliveries waiting");
        let mut times = Vec::new();
        for _ in 0..options.rounds() {
            let seen = self.pace(options.length()).await?;
            println!("  p50 {:.2} ms, p99 {:.2} ms", seen.p50, seen.p99);
            times.push(seen);
        }
        let memory = self.proxy.process.memory();
        let (worker, mut arrivals) = self.paused.pop().ok_or("no worker is left")?;
        let began = Instant::now();
        self.proxy.pause(&worker, false).await?;
        let (_, first) = arrival(&mut arrivals).await?;
        let mut last = first;
        for _ in 1..events {
            last = arrival(&mut arrivals).await?.1;
        }
        self.proxy.pause(&worker, true).await?;
        let ms = first.saturating_duration_since(began).as_secs_f64() * 1e3;
        let drained = events as f64 / last.saturating_duration_since(began).as_secs_f64();
        println!("  a worker goes on: the first after {ms:.1} ms, {drained:.0} delivered/s");
        Ok(Level { waiting, times, memory, first: ms, drained })
    }

    /// Kills the proxy while a worker gets what waited; from its start until
    /// it listens, and until the next delivery arrives, in milliseconds.
    async fn restart(&mut self) -> Result<(f64, f64)> {
        let (worker, mut arrivals) = self.paused.pop().ok_or("no worker is left")?;
        self.proxy.pause(&worker, false).await?;
        arrival(&mut arrivals).await?;
        let began = self.proxy.restart().await?;
        let listens = began.elapsed().as_secs_f64() * 1e3;
        loop {
            let (_, at) = arrival(&mut arrivals).await?;
            if at > began {
                return Ok((listens, (at - began).as_secs_f64() * 1e3));
            }
        }
    }
}

/// Measures and prints the table.
///
/// # Errors
/// When the proxy does not start, or a delivery is missing.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let home = options.folder()?;
    let mut scene = Scene::set(options, home.path()).await?;
    let hook = scene.proxy.hook(&scene.waiting)?;
    let mut levels = Vec::new();
    let mut events = 0;
    // For each of the paused workers.
    for wanted in [100, if options.is_quick() { 1_000 } else { 10_000 }] {
        load::fill(&hook, usize::from(options.connections), wanted - events).await?;
        events = wanted;
        levels.push(scene.measure(options, events).await?);
    }
    let waiting = events * scene.paused.len();
    let (listens, first) = scene.restart().await?;

    let head = ["waiting", "p50 ms", "p99 ms", "memory MiB", "goes on: first after ms", "delivered/s"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for level in &levels {
        let spread = |figure: fn(&Times) -> f64| Spread::of(level.times.iter().map(figure)).show(2);
        rows.push(vec![
            level.waiting.to_string(),
            spread(|times| times.p50),
            spread(|times| times.p99),
            level.memory.map_or("–".into(), |mib| format!("{mib:.0}")),
            format!("{:.1}", level.first),
            format!("{:.0}", level.drained),
        ]);
    }
    let title = format!(
        "Backlog: deliveries waiting for {PAUSED} paused workers, and a worker of another workspace at 50 events \
         a second; then a paused worker goes on. Killed and started with {waiting} waiting: it listens after \
         {listens:.0} ms, the first delivery arrives after {first:.0} ms"
    );
    options.publish(&title, &rows)
}
