//! HTTPS, by the real program. Outward it trusts whom the operating system
//! trusts, and nobody else, and goes through the proxy that the environment
//! names; its own listener shows the newest good certificate of its files.

#![cfg(target_os = "linux")]

use crate::harness::{Receiver, call, soon};
use http::{Method, Request, StatusCode, Version};
use postern_protocol::PROTOCOL_VERSION;
use postern_protocol::api::{LeaseResponse, RegisterResponse, WorkerState};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

struct Program {
    address: SocketAddr,
    url: String,
    token: String,
    child: Child,
    _folder: TempDir,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serving/tls").join(name)
}

/// `postern-proxy dev`, which takes this file for the system's authorities.
async fn program(authorities: &Path) -> Program {
    start(|command| command.env("SSL_CERT_FILE", authorities).env("NO_PROXY", "localhost")).await
}

async fn start(set: impl FnOnce(&mut Command) -> &mut Command) -> Program {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern-proxy"));
    command.args(["--json", "dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--dir"]);
    command.arg(folder.path());
    for name in
        ["SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"]
    {
        command.env_remove(name);
    }
    let mut child =
        set(&mut command).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = soon("the program's answer", lines.next_line()).await.unwrap().unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap();
    let url = answer["proxyUrl"].as_str().unwrap();
    let token = std::fs::read_to_string(answer["tokenFile"].as_str().unwrap()).unwrap();
    Program {
        address: url.rsplit('/').next().unwrap().parse().unwrap(),
        url: url.to_owned(),
        token: token.trim().to_owned(),
        child,
        _folder: folder,
    }
}

async fn register(program: &Program, receiver: &Receiver) -> RegisterResponse {
    let url = format!("https://localhost:{}/hook", receiver.address.port());
    register_as(program, receiver, &url).await
}

async fn register_as(program: &Program, receiver: &Receiver, url: &str) -> RegisterResponse {
    let request = json!({
        "webhookUrl": url,
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
    trigger(&program, &worker).await;
    assert_eq!(receiver.delivery().await.body, "hello");
}

async fn trigger(program: &Program, worker: &RegisterResponse) {
    let bearer = format!("Bearer {}", worker.credential.reveal());
    let headers: [(&str, &[u8]); 1] = [("authorization", bearer.as_bytes())];
    let request = json!({"provider": "none", "body": "hello"}).to_string();
    let answer = call(program.address, Method::POST, "/v1/events/trigger", &headers, request).await;
    assert_eq!(answer.status, 200);
}

/// A proxy that knows one name and lets CONNECT through to `target`; tells what
/// it was asked for.
async fn connect_proxy(target: SocketAddr) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            asked.send(head.lines().next().unwrap().to_owned()).unwrap();
            tokio::spawn(async move {
                let mut onward = TcpStream::connect(target).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
            });
        }
    });
    (address, told)
}

#[tokio::test]
async fn deliveries_go_through_the_proxy_of_the_environment() {
    let made = Made::new(&["laptop.test"]);
    let mut receiver = Receiver::start_tls(&made.certificate, &made.key).await;
    let (proxy, mut asked) = connect_proxy(receiver.address).await;
    let program = start(|command| {
        command.env("SSL_CERT_FILE", &made.certificate).env("HTTPS_PROXY", format!("http://{proxy}"))
    })
    .await;
    let worker = register_as(&program, &receiver, "https://laptop.test/hook").await;
    trigger(&program, &worker).await;
    assert_eq!(receiver.delivery().await.body, "hello");
    assert_eq!(soon("a CONNECT", asked.recv()).await.unwrap(), "CONNECT laptop.test:443 HTTP/1.1");
}

/// A certificate and its key in files; its own authority.
struct Made {
    certificate: PathBuf,
    key: PathBuf,
    _folder: TempDir,
}

impl Made {
    fn new(names: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let made = Self {
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
            _folder: folder,
        };
        made.renew(names);
        made
    }

    fn renew(&self, names: &[&str]) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(&self.key, made.signing_key.serialize_pem()).unwrap();
        std::fs::write(&self.certificate, made.cert.pem()).unwrap();
    }

    fn config(&self) -> PathBuf {
        let path = self._folder.path().join("proxy.toml");
        let text = format!(
            "[tls]\ncert_file = {:?}\nkey_file = {:?}\n",
            self.certificate.as_os_str(),
            self.key.as_os_str()
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A connection for one of `protocols`, if this is the certificate shown.
    async fn connect(&self, program: &Program, protocols: &[&str]) -> Option<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.certificate).unwrap()).unwrap();
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(program.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()
    }

    /// What answers `GET /v1/sources`, if this is the certificate shown.
    async fn sources(&self, program: &Program) -> Option<String> {
        let mut stream = self.connect(program, &[]).await?;
        let request = format!(
            "GET /v1/sources HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            program.token
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = soon("the answer", stream.read_to_end(&mut answer)).await;
        Some(String::from_utf8(answer).unwrap())
    }
}

#[tokio::test]
async fn the_listener_speaks_https_with_the_newest_certificate() {
    let made = Made::new(&["localhost"]);
    let program = start(|command| command.arg("--config").arg(made.config())).await;
    assert!(program.url.starts_with("https://"), "{}", program.url);
    // Connections that never say a word hold up nobody.
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(TcpStream::connect(program.address).await.unwrap());
    }
    let answer = made.sources(&program).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains(&format!("{}/hooks/src_", program.url)), "{answer}");
    let plain = call(program.address, Method::GET, "/v1/sources", &[], "").await;
    assert_eq!(plain.error(), "400 request.malformed");

    made.renew(&["localhost"]);
    let pid = program.child.id().unwrap().to_string();
    let asked = std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap();
    assert!(asked.success());
    let answer = soon("the new certificate", async {
        loop {
            if let Some(answer) = made.sources(&program).await {
                return answer;
            }
        }
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// What the handshake settles is what is spoken, and no more than that.
#[tokio::test]
async fn http_2_is_there_for_whoever_asks_for_it() {
    let made = Made::new(&["localhost"]);
    let program = start(|command| command.arg("--config").arg(made.config())).await;
    let settled = async |protocols: &[&str]| {
        let stream = made.connect(&program, protocols).await.unwrap();
        stream.get_ref().1.alpn_protocol().map(|protocol| String::from_utf8(protocol.to_vec()).unwrap())
    };
    assert_eq!(settled(&["http/1.1"]).await.as_deref(), Some("http/1.1"));
    assert_eq!(settled(&[]).await, None);
    let stream = made.connect(&program, &["http/1.1", "h2"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (executor, io) = (hyper_util::rt::TokioExecutor::new(), hyper_util::rt::TokioIo::new(stream));
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let url = format!("{}/v1/sources", program.url);
    let request = Request::get(&url).header("authorization", format!("Bearer {}", program.token));
    let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let answer = soon("an answer", sender.send_request(request)).await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
    // A worker's connection is made of one of HTTP/1.1.
    let request = Request::get(format!("{}/edge/connect", program.url));
    let request = request.body(http_body_util::Empty::new()).unwrap();
    let answer = soon("an answer", sender.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
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
