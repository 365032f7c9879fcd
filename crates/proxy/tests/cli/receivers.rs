//! The receivers of docs/receivers.md, run as they stand there, against the
//! program: registered by `worker add`, challenged, delivered to.

use crate::harness::{Place, Serving};
use postern_protocol::signature::{SignatureStyle, Timestamped, github, linear};
use postern_protocol::{Clock, Secret, UnixMillis};
use postern_proxy::clock::SystemClock;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DOCUMENT: &str = include_str!("../../../../docs/receivers.md");
const PATIENCE: Duration = Duration::from_secs(60);

/// The code block whose first line ends with this command.
fn block(command: &str) -> &'static str {
    let blocks = DOCUMENT.split("```").skip(1).step_by(2);
    let mut found = blocks.filter(|block| block.lines().nth(1).is_some_and(|line| line.ends_with(command)));
    let block = found.next().unwrap();
    assert!(found.next().is_none());
    block.split_once('\n').unwrap().1
}

/// An address that is known before the receiver behind it runs. What comes
/// meanwhile is cut off.
struct Front {
    url: String,
    behind: Arc<Mutex<Option<String>>>,
}

impl Front {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let behind = Arc::new(Mutex::new(None));
        let to = Arc::clone(&behind);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let to = to.lock().unwrap().clone();
                if let Some(there) = to.and_then(|address: String| TcpStream::connect(address).ok()) {
                    for (from, into) in [(&stream, &there), (&there, &stream)] {
                        let (mut from, mut into) = (from.try_clone().unwrap(), into.try_clone().unwrap());
                        std::thread::spawn(move || {
                            let _ = std::io::copy(&mut from, &mut into);
                            let _ = into.shutdown(Shutdown::Write);
                        });
                    }
                }
            }
        });
        Self { url, behind }
    }
}

/// A receiver of the document; killed when the test ends.
struct Plain {
    child: Child,
    lines: Receiver<String>,
    address: String,
}

impl Plain {
    fn run(place: &Place, command: &str, secret: &str) -> Self {
        let (program, file) = command.split_once(' ').unwrap();
        let path = place.path().join(file);
        std::fs::write(&path, block(command)).unwrap();
        let mut child = Command::new(program)
            .arg(path)
            .env("POSTERN_SECRET", secret)
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (told, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        let mut this = Self { child, lines, address: String::new() };
        let line = this.line();
        this.address = format!("127.0.0.1:{}", line.strip_prefix("listening on ").unwrap());
        this
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    fn post(&self, headers: &[(String, String)], body: &[u8]) -> u16 {
        post(&self.address, "/hook", headers, body)
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status of a POST.
fn post(address: &str, path: &str, headers: &[(String, String)], body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    head.push_str("connection: close\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn now() -> UnixMillis {
    SystemClock.now()
}

/// A source's path and secret.
fn source(serving: &Serving, provider: &str) -> (String, Secret) {
    let sources = serving.said["sources"].as_array().unwrap();
    let source = sources.iter().find(|source| source["provider"] == provider).unwrap();
    let path = source["url"].as_str().unwrap().split("/hooks/").nth(1).unwrap();
    (format!("/hooks/{path}"), Secret::new(source["secret"].as_str().unwrap()))
}

fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Registers, is challenged, is delivered to; refuses what it should.
fn works(command: &str, style: &SignatureStyle) {
    let place = Place::new();
    let serving = Serving::dev(&place);
    let proxy = serving.said["proxyUrl"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let dir = place.path().join("dev");
    let data = ["--data-dir", dir.to_str().unwrap()];
    let front = Front::open();
    let mut add = vec!["worker", "add", "plain", "--url", &front.url];
    if let SignatureStyle::Timestamped(_) = style {
        add.extend(["--signature-style", "timestamped", "--header-prefix", "X-Acme"]);
    }
    let made: Value = place.loopback_json(&[&add[..], &data].concat());
    assert_eq!(made["state"], "pending");
    assert!(made["leasedUntil"].is_null());
    let secret = Secret::new(made["secret"].as_str().unwrap());
    let plain = Plain::run(&place, command, secret.reveal());
    *front.behind.lock().unwrap() = Some(plain.address.clone());

    // By itself, the proxy challenges it until it answers.
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let listed = place.loopback_json(&[&["worker", "list"][..], &data].concat());
        if listed[0]["state"] == "active" {
            assert!(listed[0]["leasedUntil"].is_null() && listed[0]["secret"].is_null());
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{listed}");
        std::thread::yield_now();
    }

    let (path, source_secret) = source(&serving, "linear");
    let body =
        format!(r#"{{"action":"update","type":"Issue","data":{{"id":"1"}},"webhookTimestamp":{}}}"#, now().0);
    let signature = linear::sign(&source_secret, body.as_bytes());
    let headers =
        named(&[("linear-delivery", "d-1"), ("linear-event", "Issue"), ("linear-signature", &signature)]);
    assert_eq!(post(&proxy, &path, &headers, body.as_bytes()), 200);
    let line = plain.line();
    assert!(line.starts_with("event evt_") && line.ends_with(" Issue.update"), "{line}");

    let (path, source_secret) = source(&serving, "github");
    let body = r#"{"action":"opened","pull_request":{"number":1}}"#;
    let signature = github::sign(&source_secret, body.as_bytes());
    let event = [("x-github-event", "pull_request"), ("x-github-delivery", "d-2")];
    let headers = named(&[&event[..], &[("x-hub-signature-256", &signature)]].concat());
    assert_eq!(post(&proxy, &path, &headers, body.as_bytes()), 200);
    let line = plain.line();
    assert!(line.starts_with("event evt_") && line.ends_with(" pull_request.opened"), "{line}");

    // A new secret signs beside the one that the receiver still has.
    place.loopback_json(&[&["worker", "rotate-secret", made["id"].as_str().unwrap()][..], &data].concat());
    let body = br#"{"action":"closed","pull_request":{"number":1}}"#;
    let signature = github::sign(&source_secret, body);
    let event = [("x-github-event", "pull_request"), ("x-github-delivery", "d-3")];
    let headers = named(&[&event[..], &[("x-hub-signature-256", &signature)]].concat());
    assert_eq!(post(&proxy, &path, &headers, body), 200);
    assert!(plain.line().ends_with(" pull_request.closed"));

    // What the proxy did not sign, it refuses.
    let signed = |secrets: &[Secret], ago: i64| {
        style.headers(secrets, "evt_1", "Issue.update", now().plus(-ago), b"{}")
    };
    let good = signed(std::slice::from_ref(&secret), 0);
    assert_eq!(plain.post(&good, b"{}"), 200);
    plain.line();
    let two = signed(&["whsec_b3RoZXI=".into(), secret.clone()], 0);
    assert_eq!(plain.post(&two, b"{}"), 200, "either of two signatures is enough");
    plain.line();
    assert_eq!(plain.post(&good, b"{ }"), 401, "a tampered body");
    let other: Secret = "whsec_b3RoZXI=".into();
    assert_eq!(plain.post(&signed(std::slice::from_ref(&other), 0), b"{}"), 401, "another secret");
    for ago in [400_000, -400_000] {
        assert_eq!(plain.post(&signed(std::slice::from_ref(&secret), ago), b"{}"), 401, "{ago} ms ago");
    }
    assert_eq!(plain.post(&[], b"{}"), 401, "unsigned");
    let odd = style
        .headers(&[], "caf\u{e9}", "x", now(), b"{}")
        .map(|(name, value)| (name, format!("{value},v1=\u{e9}")));
    assert_eq!(plain.post(&odd, b"{}"), 401, "letters of no signature");
    let mut ping = good.to_vec();
    ping.push(("postern-kind".into(), "ping".into()));
    assert_eq!(plain.post(&ping, b"{}"), 200);
    assert_eq!(plain.post(&good, b"{}"), 200, "it still runs");
    assert!(plain.line().starts_with("event evt_1 "));
    assert!(plain.lines.try_recv().is_err(), "a ping is kept by nobody");
}

fn acme() -> SignatureStyle {
    SignatureStyle::Timestamped(Timestamped { header_prefix: "X-Acme".parse().unwrap() })
}

#[test]
fn node_by_standard_webhooks() {
    works("node standard.mjs", &SignatureStyle::Standard);
}

#[test]
fn node_timestamped() {
    works("node timestamped.mjs", &acme());
}

#[test]
fn python_by_standard_webhooks() {
    works("python3 standard.py", &SignatureStyle::Standard);
}

#[test]
fn python_timestamped() {
    works("python3 timestamped.py", &acme());
}

#[test]
fn what_no_worker_can_be_is_refused() {
    let place = Place::new();
    place.json(&["workspace", "create", "Acme"]);
    let add = |more: &[&str]| place.refused(&[&["worker", "add", "plain", "--url"], more].concat(), 2);
    assert!(add(&["https://10.0.0.1/"]).contains("a private address"));
    assert!(add(&["http://127.0.0.1:9/"]).contains("registration.allow_loopback"));
    let good = "https://hooks.example.com/";
    assert!(add(&[good, "--signature-style", "timestamped"]).contains("headerPrefix"));
    assert!(add(&[good, "--header-prefix", "X-Acme"]).contains("headerPrefix"));
    assert!(add(&[good, "--capability", "Issue."]).contains("capability `Issue.`"));
    assert_eq!(place.json(&["worker", "list"]).as_array().unwrap().len(), 0);
    assert_eq!(place.json(&["token", "list"]).as_array().unwrap().len(), 0, "no token is left over");
    let unknown = "wrk_01K9Z3V8Q4T5N6M7P8R9S0ABCD";
    assert!(place.refused(&["worker", "remove", unknown], 1).contains("there is no worker"));

    let made = place.json(&["worker", "add", "plain", "--url", good, "--capability", "Issue"]);
    let id = made["id"].as_str().unwrap();
    let listed = place.json(&["worker", "list"]);
    assert_eq!((&listed[0]["id"], &listed[0]["capabilities"][0]), (&made["id"], &"Issue".into()));
    let rotated = place.json(&["worker", "rotate-secret", id]);
    assert!(rotated["secret"].as_str().unwrap().starts_with("whsec_") && rotated["secret"] != made["secret"]);
    // Removing it is known to the one that serves; here nobody does.
    place.json(&["worker", "remove", id]);
    assert_eq!(place.json(&["worker", "list"]).as_array().unwrap().len(), 0);
    assert!(place.refused(&["worker", "rotate-secret", id], 1).contains("there is no worker"));
}
