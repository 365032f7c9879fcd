//! Kills without warning, of each of the three in turn or at random, under load
//! and with an exact account: what was answered was seen once, what was not
//! answered was seen once or never.
//!
//! `POSTERN_ROUNDS` and `POSTERN_SEED` set how many kills there are and which.

use crate::{machine, public, tunnel};
use http::StatusCode;
use postern_testkit::{Process, ProxyHome, client, setting, within};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::watch;

/// So many send at once.
const VISITORS: usize = 8;
/// So many are answered between two kills.
const BETWEEN: std::ops::Range<usize> = 20..100;
const KILLS: u64 = 6;

/// A local server that writes down what it sees before it answers.
const SERVER: &str = r#"
import http.server, os, sys
seen = os.open(sys.argv[1], os.O_CREAT | os.O_APPEND | os.O_WRONLY)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        assert body.decode() == self.headers["x-id"], "the body is its own"
        os.write(seen, body + b"\n")
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// Starts it at a port, any free one the first time.
async fn serve(home: &Path, port: u16) -> (Process, u16) {
    let mut command = Process::command(Path::new("python3"), home);
    command.args(["-c", SERVER]).arg(home.join("seen")).arg(port.to_string());
    let process = Process::spawn(command);
    let port = process.line("its port", |line| line.parse().ok()).await;
    (process, port)
}

#[tokio::test]
async fn nothing_is_seen_twice_and_nothing_answered_unseen() {
    let (kills, seed) = (setting("POSTERN_ROUNDS", KILLS), setting("POSTERN_SEED", 1));
    println!("POSTERN_ROUNDS={kills} POSTERN_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let home = ProxyHome::new().with("POSTERN_TUNNEL__RATE", "0");
    let mut proxy = home.dev().await;
    let machine = machine(&proxy);
    let (mut server, port) = serve(machine.folder(), 0).await;
    let mut postern = tunnel(&machine, port).await;

    let (number, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let answered = watch::Sender::new(0_usize);
    let visitors: Vec<_> = (0..VISITORS)
        .map(|_| {
            let (number, over, answered) = (Arc::clone(&number), Arc::clone(&over), answered.clone());
            let (client, url) = (client(), public(&proxy, "/"));
            tokio::spawn(async move {
                let (mut good, mut bad) = (Vec::new(), Vec::new());
                while !over.load(Ordering::SeqCst) {
                    let id = number.fetch_add(1, Ordering::SeqCst).to_string();
                    let sent = client.post(&url).header("x-id", &id).body(id.clone()).send().await;
                    if sent.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                        good.push(id);
                        answered.send_modify(|n| *n += 1);
                    } else {
                        bad.push(id);
                        // The proxy may be gone: others want the processor to start it.
                        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                    }
                }
                (good, bad)
            })
        })
        .collect();
    let more = async |wanted: usize| {
        let mut answered = answered.subscribe();
        let wanted = *answered.borrow() + wanted;
        within("more answers", answered.wait_for(|n| *n >= wanted)).await.map(drop)
    };
    for kill in 0..kills {
        more(random.random_range(BETWEEN)).await.expect("visitors go on");
        // Each of them at least once, then at random.
        let which = if kill < 3 { kill } else { random.random_range(0..3) };
        match which {
            0 => {
                postern.kill_9().await;
                postern = tunnel(&machine, port).await;
            }
            1 => {
                proxy.kill_9().await;
                proxy = home.dev().await;
            }
            _ => {
                server.kill_9().await;
                server = serve(machine.folder(), port).await.0;
            }
        }
    }
    more(BETWEEN.end).await.expect("visitors go on");
    over.store(true, Ordering::SeqCst);

    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for visitor in visitors {
        let (ok, failed) = visitor.await.expect("a visitor ends");
        good.extend(ok);
        bad.extend(failed);
    }
    // What was given up may still be on its way: the programs end first.
    assert!(postern.stop().await.success() && proxy.stop().await.success());
    server.kill_9().await;
    let mut seen = BTreeMap::<String, u32>::new();
    let written = std::fs::read_to_string(machine.folder().join("seen")).expect("something was seen");
    written.lines().for_each(|id| *seen.entry(id.to_owned()).or_default() += 1);
    for id in &good {
        assert_eq!(seen.get(id), Some(&1), "{id} was answered");
    }
    for id in &bad {
        assert!(seen.get(id).is_none_or(|times| *times == 1), "{id} failed, and was seen {:?}", seen.get(id));
    }
    assert_eq!(good.len() + bad.len(), number.load(Ordering::SeqCst), "every request came to something");
    let strangers = seen.len() - good.len() - bad.iter().filter(|id| seen.contains_key(*id)).count();
    assert_eq!(strangers, 0, "nothing was seen that nobody sent");
    println!("{kills} kills: {} answered, each seen once; {} not answered", good.len(), bad.len());
}
