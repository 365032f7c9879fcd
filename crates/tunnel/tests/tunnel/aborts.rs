//! Whoever gives up is heard at the other end, and nothing else is harmed.

use crate::ends::{
    Proxy, Tunnel, config, data, dialer, echo, full, get, handler, next, post, run_on_a_thread, text, tunnel,
    written,
};
use crate::on_both_carriers;
use futures_util::future::join_all;
use http::Response;
use http_body_util::BodyExt;
use postern_tunnel::{BodyError, Carrier, Reason, SendError, Timing};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

on_both_carriers! {
    a_visitor_who_leaves_before_the_answer_drops_the_handler
    a_visitor_who_leaves_during_the_answer_stops_its_writer
    an_upload_that_breaks_off_is_an_error_to_the_handler
    an_answer_that_breaks_off_is_an_error_to_the_visitor
    a_handler_that_panics_harms_only_its_request
    eight_hundred_leave_at_once_twenty_times
}

/// Hands each call's end of a channel to the test.
fn calls<T: Send + 'static>() -> (mpsc::UnboundedSender<T>, mpsc::UnboundedReceiver<T>) {
    mpsc::unbounded_channel()
}

async fn a_visitor_who_leaves_before_the_answer_drops_the_handler(carrier: Carrier) {
    let (called, mut call) = calls();
    let tunnel = tunnel(
        carrier,
        handler(move |_| {
            let (alive, dropped) = oneshot::channel::<()>();
            called.send(dropped).unwrap();
            async move {
                let _alive = alive;
                std::future::pending().await
            }
        }),
    )
    .await;
    let link = tunnel.link.clone();
    let visitor = tokio::spawn(async move { link.send(get("/")).await });
    let dropped = call.recv().await.unwrap();
    visitor.abort();
    dropped.await.unwrap_err();
}

async fn a_visitor_who_leaves_during_the_answer_stops_its_writer(carrier: Carrier) {
    let (called, mut call) = calls();
    let tunnel = tunnel(
        carrier,
        handler(move |_| {
            let (chunks, body) = written();
            called.send(chunks).unwrap();
            async { Response::new(body) }
        }),
    )
    .await;
    let mut body = tunnel.link.send(get("/")).await.unwrap().into_body();
    let chunks = call.recv().await.unwrap();
    chunks.send(data("first")).await.unwrap();
    assert_eq!(next(&mut body).await, "first");
    drop(body);
    // Before its next write.
    chunks.closed().await;
    assert_eq!(tunnel.link.in_flight(), 0);
}

async fn an_upload_that_breaks_off_is_an_error_to_the_handler(carrier: Carrier) {
    let (called, mut call) = calls();
    let tunnel = tunnel(
        carrier,
        handler(move |request| {
            let called = called.clone();
            async move {
                let mut body = request.into_body();
                // In a task of its own: the handler itself is dropped.
                tokio::spawn(async move {
                    while let Some(frame) = body.frame().await {
                        called.send(Some(frame.map(|frame| frame.into_data().unwrap()))).unwrap();
                    }
                    called.send(None).unwrap();
                });
                std::future::pending().await
            }
        }),
    )
    .await;
    let (chunks, body) = written();
    let link = tunnel.link.clone();
    let visitor = tokio::spawn(async move { link.send(post(body)).await.map(drop) });
    chunks.send(data("half")).await.unwrap();
    assert_eq!(call.recv().await.unwrap().unwrap().unwrap(), "half");
    chunks.send(Err(io::ErrorKind::ConnectionReset.into())).await.unwrap();
    assert_eq!(call.recv().await.unwrap().unwrap().unwrap_err(), BodyError::Reset(Reason::CANCEL));
    assert!(call.recv().await.unwrap().is_none());
    let error = visitor.await.unwrap().unwrap_err();
    assert!(matches!(error, SendError::Reset(Reason::CANCEL)), "{error}");
}

async fn an_answer_that_breaks_off_is_an_error_to_the_visitor(carrier: Carrier) {
    let broken = || {
        handler(async |_| {
            let (chunks, body) = written();
            tokio::spawn(async move {
                chunks.send(data("half")).await.unwrap();
                chunks.send(Err(io::ErrorKind::ConnectionReset.into())).await.unwrap();
            });
            Response::new(body)
        })
    };
    let tunnel = tunnel(carrier, broken()).await;
    let mut body = tunnel.link.send(get("/")).await.unwrap().into_body();
    // What was sent may be lost with the reset; an end must not be seen.
    let error = loop {
        match body.frame().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("a truncated body ended cleanly"),
        }
    };
    assert_eq!(error, BodyError::Reset(Reason::INTERNAL_ERROR));
}

async fn a_handler_that_panics_harms_only_its_request(carrier: Carrier) {
    let tunnel = tunnel(
        carrier,
        handler(async |request| {
            assert_ne!(request.uri().path(), "/panic", "as the test wants");
            Response::new(full("well"))
        }),
    )
    .await;
    let error = tunnel.link.send(get("/panic")).await.unwrap_err();
    assert!(matches!(error, SendError::Reset(_)) && !error.is_safe_to_retry(), "{error}");
    assert_eq!(text(tunnel.link.send(get("/")).await.unwrap().into_body()).await, "well");
}

/// What eight hundred visitors share with an agent on a thread of its own, so
/// that either end can be busy while the other is not.
struct Crowd {
    tunnel: Tunnel,
    /// One for each request that the handler has answered.
    answered: std_mpsc::Receiver<()>,
    /// Lets the agent's thread go on after `/busy`.
    release: std_mpsc::Sender<()>,
}

async fn crowd(carrier: Carrier) -> Crowd {
    let (note, answered) = std_mpsc::channel();
    let (release, released) = std_mpsc::channel();
    let released = Mutex::new(released);
    let (proxy, mut links) = Proxy::new(Timing::default());
    let handler = handler(move |request| {
        note.send(()).unwrap();
        if request.uri().path() == "/busy" {
            released.lock().unwrap().recv().unwrap();
        }
        async { Response::new(full(vec![1; 100])) }
    });
    let running =
        run_on_a_thread(dialer(&proxy.listen().await), config(Some(carrier), Timing::default()), handler);
    let link = links.recv().await.unwrap();
    Crowd { tunnel: Tunnel { link, links, running }, answered, release }
}

impl Crowd {
    /// Eight hundred send a request; returns once all of them are on the wire.
    async fn come(&self) -> Vec<JoinHandle<Result<(), SendError>>> {
        let visit = || {
            let link = self.tunnel.link.clone();
            tokio::spawn(async move { link.send(get("/")).await.map(drop) })
        };
        let visitors = (0..800).map(|_| visit()).collect();
        // They run, then the link writes what they sent.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        visitors
    }
}

/// With `h2`'s own limits on resets, at either end, the link ends here.
async fn eight_hundred_leave_at_once_twenty_times(carrier: Carrier) {
    let crowd = crowd(carrier).await;
    let link = &crowd.tunnel.link;
    for round in 0..20 {
        let busy = round % 2 == 0;
        let blocker = link.clone();
        let blocker =
            tokio::spawn(
                async move { if busy { blocker.send(get("/busy")).await.map(drop) } else { Ok(()) } },
            );
        if busy {
            while crowd.answered.try_recv().is_err() {
                tokio::task::yield_now().await;
            }
        }
        let visitors = crowd.come().await;
        if !busy {
            // All the answers are on their way; nobody here has read one.
            (0..800).for_each(|_| crowd.answered.recv().unwrap());
        }
        visitors.iter().for_each(|visitor| visitor.abort());
        for ended in join_all(visitors).await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => panic!("the link died in round {round}: {error}"),
                Err(left) => assert!(left.is_cancelled()),
            }
        }
        if busy {
            // The resets are on the wire before the agent looks again.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            crowd.release.send(()).unwrap();
        }
        blocker.await.unwrap().unwrap_or_else(|error| panic!("the link died in round {round}: {error}"));
        let fine = link.send(get("/")).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(text(fine.into_body()).await.len(), 100);
        while crowd.answered.try_recv().is_ok() {}
    }
    assert_eq!(link.in_flight(), 0);
    assert!(link.closing().is_none());
}

/// All of them are at work when they are left, and none stays behind.
#[tokio::test]
async fn eight_hundred_handlers_are_dropped() {
    let at_work = Arc::new(AtomicUsize::new(0));
    let count = at_work.clone();
    let tunnel = tunnel(
        Carrier::Upgrade,
        handler(move |_| {
            let one = One::new(count.clone());
            async move {
                let _one = one;
                std::future::pending().await
            }
        }),
    )
    .await;
    let visit = || {
        let link = tunnel.link.clone();
        tokio::spawn(async move { link.send(post(written().1)).await.map(drop) })
    };
    let visitors: Vec<_> = (0..800).map(|_| visit()).collect();
    while at_work.load(Ordering::SeqCst) < 800 {
        tokio::task::yield_now().await;
    }
    visitors.iter().for_each(|visitor| visitor.abort());
    while at_work.load(Ordering::SeqCst) > 0 {
        tokio::task::yield_now().await;
    }
    join_all(visitors).await;
    assert_eq!(tunnel.link.in_flight(), 0);
}

/// Counts itself.
struct One(Arc<AtomicUsize>);

impl One {
    fn new(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_upload_goes_on_after_a_short_answer() {
    let (called, mut call) = calls();
    let tunnel = tunnel(
        Carrier::Upgrade,
        handler(move |request| {
            let called = called.clone();
            tokio::spawn(async move { called.send(text(request.into_body()).await).unwrap() });
            async { Response::new(full("noted")) }
        }),
    )
    .await;
    let (chunks, body) = written();
    assert_eq!(text(tunnel.link.send(post(body)).await.unwrap().into_body()).await, "noted");
    chunks.send(data("late")).await.unwrap();
    drop(chunks);
    assert_eq!(call.recv().await.unwrap(), "late");
}

#[tokio::test]
async fn an_aborted_echo_leaves_nothing_behind() {
    let tunnel = tunnel(Carrier::Upgrade, echo()).await;
    for _ in 0..100 {
        let (chunks, body) = written();
        let answer = tunnel.link.send(post(body)).await.unwrap();
        chunks.send(data(vec![0; 1 << 20])).await.unwrap();
        drop(answer);
        chunks.closed().await;
    }
    // A hundred bodies of which nothing was read fit into no window.
    let response = tunnel.link.send(post(full(vec![1; 8 << 20]))).await.unwrap();
    assert_eq!(text(response.into_body()).await.len(), 8 << 20);
}
