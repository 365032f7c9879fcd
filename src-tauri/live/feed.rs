//! The page's changes. It fetches a batch when it has shown the one before: of
//! a flood it is told at the pace at which it reads, and nothing piles up on
//! the way. Scripts that the shell runs in the page, as its events are, would
//! be queued without end, and each be kept by the page as a program of its own.

use crate::edge::CurrentEdge;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use postern_edge::api::Live;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A fetch is answered after this long, whatever there is: no request of a
/// page is open for minutes.
const PATIENCE: Duration = Duration::from_secs(25);

/// What the page of the window reads; a page that is loaded anew reads anew.
#[derive(Default)]
pub(crate) struct Feed(Mutex<Reading>);

#[derive(Default)]
struct Reading {
    /// Counts the pages.
    page: u32,
    changes: Option<Arc<tokio::sync::Mutex<BoxStream<'static, Live>>>>,
    /// Cancelled when another page reads.
    over: CancellationToken,
}

impl Feed {
    /// Begins to tell what `edge` changes after `cursor`; the page's number, by
    /// which it fetches. Earlier pages are told no more.
    pub(crate) fn open(&self, edge: &CurrentEdge, cursor: u64) -> u32 {
        let changes = Arc::new(tokio::sync::Mutex::new(edge.live_after(cursor).boxed()));
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reading.over.cancel();
        let page = reading.page + 1;
        *reading = Reading { page, changes: Some(changes), over: CancellationToken::new() };
        page
    }

    /// The next batch for the page, an empty one when there is none for a
    /// while; `None` when another page reads, or nothing will come any more.
    pub(crate) async fn next(&self, page: u32) -> Option<Live> {
        let (changes, over) = {
            let reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (reading.changes.clone().filter(|_| reading.page == page)?, reading.over.clone())
        };
        let next = async { changes.lock().await.next().await };
        tokio::select! {
            next = tokio::time::timeout(PATIENCE, next) => {
                next.unwrap_or(Some(Live { changes: None, status: None, requests: None }))
            }
            () = over.cancelled() => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_edge::{EdgeConfig, MemorySecrets};

    #[tokio::test]
    async fn a_page_that_waits_is_let_go_when_another_reads() {
        let dir = tempfile::tempdir().unwrap();
        let edge = CurrentEdge::of(EdgeConfig::new(dir.path(), MemorySecrets::new())).await.unwrap();
        let feed = Arc::new(Feed::default());
        let first = feed.open(&edge, 0);
        assert!(feed.next(first).await.unwrap().status.is_some());
        let waiting = tokio::spawn({
            let feed = Arc::clone(&feed);
            async move { while feed.next(first).await.is_some() {} }
        });
        let second = feed.open(&edge, 0);
        waiting.await.unwrap();
        assert!(feed.next(second).await.unwrap().status.is_some());
        edge.stop().await;
        while feed.next(second).await.is_some() {}
    }
}
