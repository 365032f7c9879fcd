//! A full disk, on either side: refused with 503, recovered from without a
//! restart once there is room, nothing corrupt, nothing lost.
//!
//! The disk is a small memory file system in a mount namespace of its own,
//! which ends with the test, however it ends. Making one needs root: run by
//! anybody else, the tests say that they were left out.

use http::StatusCode;
use postern_protocol::{ErrorBody, ErrorCode};
use postern_testkit::invariants::Books;
use postern_testkit::{Machine, ProxyHome, Sender, leftovers, within};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Names the small disk to the test that runs in the namespace.
const DISK: &str = "POSTERN_TEST_SMALL_DISK";
const SIZE: &str = "size=24m";
const SENDERS: usize = 4;

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

/// Runs this test once more, alone, where a small disk can be mounted that
/// nobody else sees; there, runs `test` on it.
fn on_small_disk<F: Future<Output = ()>>(name: &str, test: impl FnOnce(PathBuf) -> F) {
    if let Some(disk) = std::env::var_os(DISK).map(PathBuf::from) {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(&disk).status();
        assert!(mounted.is_ok_and(|status| status.success()), "a disk of {SIZE} cannot be mounted");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        return runtime.block_on(test(disk));
    }
    if !may_mount() {
        println!("left out: mounting a small disk in a namespace of its own needs root on Linux");
        return;
    }
    let disk = tempfile::tempdir().expect("a temporary folder can be made");
    let this = std::env::current_exe().expect("a test knows its own path");
    let run = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(this)
        .args(["--exact", name, "--nocapture"])
        .env(DISK, disk.path())
        .output()
        .expect("unshare can be started");
    let out = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{out}\n{}", String::from_utf8_lossy(&run.stderr));
    assert!(out.contains("1 passed"), "the test is not called {name}:\n{out}");
}

fn may_mount() -> bool {
    let probe = "mount -t tmpfs -o size=1m tmpfs /tmp";
    let tried = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--", "sh", "-c", probe])
        .output();
    tried.is_ok_and(|output| output.status.success())
}

/// Takes what room a disk has left.
struct Filler {
    path: PathBuf,
    file: File,
}

impl Filler {
    fn new(disk: &Path) -> Self {
        let path = disk.join("filler");
        let file = File::create(&path).expect("the disk takes a file");
        Self { path, file }
    }

    fn fill(&mut self) {
        while self.file.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(self) {
        drop(self.file);
        fs::remove_file(self.path).expect("the filler can be removed");
    }
}
