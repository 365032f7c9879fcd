//! Large bodies: down, up, and small requests while one goes up.

use super::load::beat;
use super::origin;
use super::visitor::{Address, Visitor, apart};
use crate::Result;
use crate::load::Seen;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Downloads so many MiB; MiB a second.
///
/// # Errors
/// When not all of it comes.
pub(super) async fn down(to: Address, mib: usize) -> Result<f64> {
    apart(move || async move {
        let mut visitor = Visitor::connect(&to).await?;
        let asks = visitor.asks(&format!("{}{mib}", origin::DOWN));
        let began = Instant::now();
        visitor.ask(&asks).await?;
        Ok(mib as f64 / began.elapsed().as_secs_f64())
    })
    .await
}

/// Uploads so many MiB; MiB a second, until the answer.
///
/// # Errors
/// When it is not answered.
pub(super) async fn up(to: Address, mib: usize) -> Result<f64> {
    apart(move || async move {
        let mut visitor = Visitor::connect(&to).await?;
        let began = Instant::now();
        visitor.upload(origin::UP, mib << 20).await?;
        Ok(mib as f64 / began.elapsed().as_secs_f64())
    })
    .await
}

/// GETs on a beat for so long, while one upload follows another.
///
/// # Errors
/// When one of them fails.
pub(super) async fn beat_beside_up(to: Address, mib: usize, length: Duration) -> Result<Seen> {
    let over = Arc::new(AtomicBool::new(false));
    let (asked, ended) = (to.clone(), Arc::clone(&over));
    let uploads = tokio::spawn(apart(move || async move {
        let mut visitor = Visitor::connect(&to).await?;
        while !over.load(Ordering::Relaxed) {
            visitor.upload(origin::UP, mib << 20).await?;
        }
        Ok(())
    }));
    let seen = beat(asked, length).await;
    ended.store(true, Ordering::Relaxed);
    uploads.await??;
    seen
}
