//! Many workers, and some of them dead: how long the living wait for an event
//! that everybody gets.

use crate::Result;
use crate::options::Options;
use crate::pace::{self, Times};
use crate::proxy::{Arrivals, Proxy, Worker, Workspace};
use crate::report::Spread;
use std::time::Duration;
use tempfile::TempDir;

/// How many workers, and how many of them are dead. One without dead stands
/// before one with.
const CROWDS: [(usize, usize); 5] = [(1, 0), (10, 0), (10, 1), (100, 0), (100, 10)];
/// Deliveries a second at most, all workers together, and events.
const DELIVERIES: usize = 500;
const EVENTS: usize = 50;
/// After a worker died: until no connection to it is left.
const SILENCE: Duration = Duration::from_secs(6);

struct Crowd {
    workers: usize,
    dead: usize,
    proxy: Proxy,
    workspace: Workspace,
    arrivals: Arrivals,
    times: Vec<Times>,
    /// Its store, removed with it.
    _home: TempDir,
}

impl Crowd {
    async fn gather(workers: usize, dead: usize, options: &Options) -> Result<Self> {
        println!("{workers} workers, {dead} of them dead");
        let home = options.folder()?;
        let (proxy, mut made) = Proxy::start(home.path(), "", 1).await?;
        let workspace = made.remove(0);
        let (worker, arrivals) = Worker::active();
        for number in 0..workers {
            let registered = proxy.register(&workspace, worker.clone()).await?;
            if number < dead {
                registered.die();
            }
        }
        Ok(Self { workers, dead, proxy, workspace, arrivals, times: Vec::new(), _home: home })
    }

    async fn measure(&mut self, length: Duration) -> Result<()> {
        let beat = Duration::from_secs(1) / u32::try_from(EVENTS.min(DELIVERIES / self.workers))?;
        let hook = self.proxy.hook(&self.workspace)?;
        let living = self.workers - self.dead;
        let times = pace::pace(&hook, &mut self.arrivals, living, beat, length).await?;
        println!("  {:>3} workers, {:>2} dead: p99 {:.2} ms", self.workers, self.dead, times.p99);
        self.times.push(times);
        Ok(())
    }
}

/// Measures and prints the table.
///
/// # Errors
/// When a proxy does not start, or a delivery to a living worker is missing.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let mut crowds = Vec::new();
    for (workers, dead) in CROWDS {
        crowds.push(Crowd::gather(workers, dead, options).await?);
    }
    tokio::time::sleep(SILENCE).await;
    for round in 1..=options.rounds() {
        println!("round {round} of {}", options.rounds());
        for crowd in &mut crowds {
            crowd.measure(options.length()).await?;
        }
    }
    let head = ["workers", "of them dead", "p50 ms", "p99 ms", "p99 × without dead", "memory MiB"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (number, crowd) in crowds.iter().enumerate() {
        let spread = |figure: fn(&Times) -> f64| Spread::of(crowd.times.iter().map(figure)).show(2);
        let ratio = if crowd.dead > 0 {
            let without = &crowds[number - 1].times;
            Spread::of(crowd.times.iter().zip(without).map(|(a, b)| a.p99 / b.p99)).show(2)
        } else {
            "–".into()
        };
        rows.push(vec![
            crowd.workers.to_string(),
            crowd.dead.to_string(),
            spread(|times| times.p50),
            spread(|times| times.p99),
            ratio,
            crowd.proxy.process.memory().map_or("–".into(), |mib| format!("{mib:.0}")),
        ]);
    }
    let title = format!(
        "Workers: an event to everybody, at most {EVENTS} events and {DELIVERIES} deliveries a second; \
         from the POST to each living worker"
    );
    options.publish(&title, &rows)
}
