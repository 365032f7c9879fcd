//! Deliveries over HTTPS, by the real program: it trusts whom the operating
//! system trusts, and nobody else.

#![cfg(target_os = "linux")]

use crate::harness::{Receiver, call, soon};
use http::Method;
use postern_protocol::PROTOCOL_VERSION;
use postern_protocol::api::{LeaseResponse, RegisterResponse, WorkerState};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

struct Program {
    address: SocketAddr,
    token: String,
    _child: Child,
    _folder: TempDir,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serving/tls").join(name)
}

/// `postern-proxy dev`, which takes this file for the system's authorities.
async fn program(authorities: &Path) -> Program {
    let folder = TempDir::new().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_postern-proxy"))
        .args(["--json", "dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--dir"])
        .arg(folder.path())
        .env("SSL_CERT_FILE", authorities)
        .env_remove("SSL_CERT_DIR")
        .env("NO_PROXY", "localhost")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = soon("the program's answer", lines.next_line()).await.unwrap().unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap();
    let url = answer["proxyUrl"].as_str().unwrap();
    let token = std::fs::read_to_string(answer["tokenFile"].as_str().unwrap()).unwrap();
    Program {
        address: url.trim_start_matches("http://").parse().unwrap(),
        token: token.trim().to_owned(),
        _child: child,
        _folder: folder,
    }
}

async fn register(program: &Program, receiver: &Receiver) -> RegisterResponse {
    let request = json!({
        "webhookUrl": format!("https://localhost:{}/hook", receiver.address.port()),
        "token": program.token, "name": "laptop", "protocolVersion": PROTOCOL_VERSION,
    });
    let answer = call(program.address, Method::POST, "/edge/register", &[], request.to_string()).await;
    let worker: RegisterResponse = answer.json();
    receiver.knows(&worker.secret);
    worker
}

#[tokio::test]
async fn a_worker_whose_certificate_the_system_trusts_gets_its_deliveries() {
    let program = program(&file("ca.pem")).await;
    let mut receiver = Receiver::start_tls(&file("localhost.pem"), &file("localhost.key")).await;
    let worker = register(&program, &receiver).await;
    let bearer = format!("Bearer {}", worker.credential.reveal());
    let headers: [(&str, &[u8]); 1] = [("authorization", bearer.as_bytes())];
    let request = json!({"provider": "none", "body": "hello"}).to_string();
    let answer = call(program.address, Method::POST, "/v1/events/trigger", &headers, request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(receiver.delivery().await.body, "hello");
}

#[tokio::test]
async fn a_worker_whose_certificate_nobody_knows_gets_nothing() {
    // An authority, though not the one that signed.
    let program = program(&file("localhost.pem")).await;
    let receiver = Receiver::start_tls(&file("localhost.pem"), &file("localhost.key")).await;
    let worker = register(&program, &receiver).await;
    let bearer = format!("Bearer {}", worker.credential.reveal());
    let path = format!("/edge/workers/{}/lease", worker.worker_id);
    // Only its renewals tell a worker how its challenge went.
    let reason = soon("the challenge's outcome", async {
        loop {
            let headers: [(&str, &[u8]); 1] = [("authorization", bearer.as_bytes())];
            let lease: LeaseResponse =
                call(program.address, Method::POST, &path, &headers, "{}").await.json();
            assert_eq!(lease.state, WorkerState::Pending);
            if let Some(reason) = lease.challenge_error {
                return reason;
            }
        }
    })
    .await;
    assert!(reason.starts_with("TLS failed"), "{reason}");
}
