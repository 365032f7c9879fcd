//! What is measured in turns, and what was seen of it.

use super::load::{beat, flood};
use super::visitor::Address;
use super::{CONNECTIONS, bodies};
use crate::Result;
use crate::process::Process;
use std::sync::Arc;
use std::time::Duration;

/// One way to the local server.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) address: Address,
    /// The programs between a visitor and the local server.
    ends: Vec<Arc<Process>>,
    pub(super) seen: Figures,
}

/// Per round.
#[derive(Default)]
pub(super) struct Figures {
    /// Requests a second over so many connections as [`CONNECTIONS`] says.
    pub(super) rates: [Vec<f64>; CONNECTIONS.len()],
    /// CPU seconds per 10,000 requests over each of them, of all ends.
    pub(super) cpu: [Vec<f64>; CONNECTIONS.len()],
    /// Milliseconds of requests on a beat.
    pub(super) p50: Vec<f64>,
    pub(super) p99: Vec<f64>,
    /// MiB a second.
    pub(super) down: Vec<f64>,
    pub(super) up: Vec<f64>,
    /// Milliseconds of requests on a beat beside an upload.
    pub(super) beside_up: Vec<f64>,
}

impl Subject {
    pub(super) fn new(name: &'static str, address: Address, ends: Vec<Arc<Process>>) -> Self {
        Self { name, address, ends, seen: Figures::default() }
    }

    /// Requests without pause over the connections at this place of
    /// [`CONNECTIONS`].
    ///
    /// # Errors
    /// When one is not answered 200.
    pub(super) async fn flood(&mut self, at: usize, length: Duration) -> Result<()> {
        let before = self.cpu();
        let seen = flood(self.address.clone(), CONNECTIONS[at], length).await;
        let seen = self.told(seen)?;
        if let (Some(before), Some(after)) = (before, self.cpu()) {
            self.seen.cpu[at].push((after - before) / seen.accepted as f64 * 1e4);
        }
        let (rate, cpu) = (seen.rate(), self.seen.cpu[at].last().copied().unwrap_or(f64::NAN));
        println!("  {:<28} {rate:>8.0} requests/s, {cpu:.2} s of CPU per 10 k", self.name);
        self.seen.rates[at].push(rate);
        Ok(())
    }

    /// Requests on a beat.
    ///
    /// # Errors
    /// As [`Subject::flood`].
    pub(super) async fn beat(&mut self, length: Duration) -> Result<()> {
        let seen = beat(self.address.clone(), length).await;
        let seen = self.told(seen)?;
        let (p50, p99) = (seen.percentile(0.5), seen.percentile(0.99));
        println!("  {:<28} p50 {p50:.3} ms, p99 {p99:.3} ms", self.name);
        self.seen.p50.push(p50);
        self.seen.p99.push(p99);
        Ok(())
    }

    /// A body of so many MiB each way, and requests on a beat beside one.
    ///
    /// # Errors
    /// As [`Subject::flood`].
    pub(super) async fn bodies(&mut self, mib: usize, length: Duration) -> Result<()> {
        let down = bodies::down(self.address.clone(), mib).await;
        let down = self.told(down)?;
        let up = bodies::up(self.address.clone(), mib).await;
        let up = self.told(up)?;
        let beside = bodies::beat_beside_up(self.address.clone(), mib, length).await;
        let beside = self.told(beside)?.percentile(0.99);
        println!("  {:<28} down {down:.0} MiB/s, up {up:.0} MiB/s; beside it p99 {beside:.2} ms", self.name);
        self.seen.down.push(down);
        self.seen.up.push(up);
        self.seen.beside_up.push(beside);
        Ok(())
    }

    fn told<T>(&self, seen: Result<T>) -> Result<T> {
        seen.map_err(|error| format!("{}: {error}", self.name).into())
    }

    fn cpu(&self) -> Option<f64> {
        self.ends.iter().map(|end| end.cpu()).sum()
    }
}
