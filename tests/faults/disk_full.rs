//! A full disk, on either side: refused with 503, recovered from without a
//! restart once there is room, nothing corrupt, nothing lost.
//!
//! A small disk needs root: run by anybody else, the tests say that they were
//! left out.

use http::StatusCode;
use postern_protocol::{ErrorBody, ErrorCode};
use postern_testkit::disk::{self, Filler};
use postern_testkit::invariants::Books;
use postern_testkit::{Machine, ProxyHome, Sender, leftovers, within};
use std::path::PathBuf;
use std::time::Duration;

const MEBIBYTES: u32 = 24;
const SENDERS: usize = 4;
/// Mebibytes: enough for a proxy, less than its log takes in advance.
const LITTLE: usize = 8;

#[test]
fn a_proxy_whose_disk_is_full_answers_503_and_recovers() {
    on_small_disk("disk_full::a_proxy_whose_disk_is_full_answers_503_and_recovers", |disk| async move {
        let home = ProxyHome::within(&disk);
        let proxy = home.dev().await;
        let machine = Machine::new().signed_in(proxy.url(), proxy.token());
        let edge = machine.serve().await;
        edge.live().await;
        let sender = Sender::linear(proxy.source_url(), proxy.source_secret());
        let load = sender.load(SENDERS);
        load.reaches(50).await;

        let mut filler = Filler::new(&disk);
        let refusal = within("a refusal for want of room", async {
            loop {
                filler.fill();
                let (status, body) = sender.ask(&Sender::new_delivery()).await.expect("the proxy answers");
                if status != StatusCode::OK {
                    return (status, body);
                }
            }
        })
        .await;
        assert_eq!(refusal.0, StatusCode::SERVICE_UNAVAILABLE);
        let error: ErrorBody = serde_json::from_slice(&refusal.1).unwrap();
        assert_eq!(error.error.code, ErrorCode::StoreUnavailable.as_str());
        filler.free();

        load.reaches(load.count() + 100).await;
        let accepted = load.stop().await;
        let books = Books::open(&machine.data_dir(), &home.data_dir());
        books.settled().await;
        assert!(edge.stop().await.success());
        assert!(proxy.stop().await.success());
        books.balance(&accepted);
        leftovers::no_process(home.folder());
    });
}

/// Its log's room is not to be had in advance; what there is it does not keep
/// from the database.
#[test]
fn a_proxy_starts_and_works_where_there_is_little_room() {
    on_small_disk("disk_full::a_proxy_starts_and_works_where_there_is_little_room", |disk| async move {
        let mut filler = Filler::new(&disk);
        filler.take(MEBIBYTES as usize - LITTLE);
        let home = ProxyHome::within(&disk);
        let proxy = home.dev().await;
        let sender = Sender::linear(proxy.source_url(), proxy.source_secret());
        for _ in 0..20 {
            let (status, body) = sender.ask(&Sender::new_delivery()).await.expect("the proxy answers");
            assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        }
        let log = std::fs::metadata(home.data_dir().join("postern.db-wal")).expect("there is a log").len();
        assert!(log < (LITTLE as u64) << 20, "the log takes {log} bytes");
        assert!(proxy.stop().await.success());
        filler.free();
        let again = home.dev().await;
        assert!(again.stop().await.success());
    });
}

#[test]
fn a_worker_whose_disk_is_full_answers_503_and_recovers() {
    on_small_disk("disk_full::a_worker_whose_disk_is_full_answers_503_and_recovers", |disk| async move {
        // Refused deliveries come again soon, however long the disk stays full.
        let home = ProxyHome::new().with(
            "POSTERN_DELIVERY__SCHEDULE",
            r#"["immediate", "1s", "1s", "1s", "1s", "2s", "2s", "2s", "3s", "3s", "4s", "4s"]"#,
        );
        let proxy = home.dev().await;
        let machine = Machine::within(&disk).signed_in(proxy.url(), proxy.token());
        let edge = machine.serve().await;
        edge.live().await;
        let load = Sender::linear(proxy.source_url(), proxy.source_secret()).load(SENDERS);
        load.reaches(50).await;
        let books = Books::open(&machine.data_dir(), &home.data_dir());

        let mut filler = Filler::new(&disk);
        let mut again = tokio::time::interval(Duration::from_millis(5));
        tokio::select! {
            () = books.refused(ErrorCode::StoreUnavailable.as_str()) => {}
            () = async { loop { filler.fill(); again.tick().await; } } => {}
        }
        filler.free();

        load.reaches(load.count() + 100).await;
        let accepted = load.stop().await;
        books.settled().await;
        assert!(edge.stop().await.success());
        assert!(proxy.stop().await.success());
        books.balance(&accepted);
        leftovers::no_process(machine.folder());
    });
}

fn on_small_disk<F: Future<Output = ()>>(name: &str, test: impl FnOnce(PathBuf) -> F) {
    if disk::on_small_disk(name, MEBIBYTES, test).is_none() {
        println!("left out: mounting a small disk in a namespace of its own needs root on Linux");
    }
}
