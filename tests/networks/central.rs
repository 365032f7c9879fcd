//! The proxy of the test, by its own commands, and the providers that post to
//! it.

use crate::authority::Authority;
use crate::places::PROXY;
use postern_protocol::Secret;
use postern_protocol::api::{WorkerInfo, WorkerList};
use postern_protocol::id::EventId;
use postern_protocol::signature::{github, linear};
use postern_testkit::{Machine, Process, Sender, binary, within};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;

/// What signs at both sources.
const SECRET: &str = "It's a Secret to Everybody";
/// The proxy's state in another process tells nobody of its changes.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A proxy that serves its network by TLS.
pub(crate) struct Central {
    pub(crate) url: String,
    pub(crate) token: Secret,
    linear: String,
    github: String,
    client: reqwest::Client,
    folder: TempDir,
    _process: Process,
}

impl Central {
    /// With `settings` in its environment.
    pub(crate) async fn start(authority: &Authority, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let command = |arguments: &[&str]| {
            let mut command = Process::command(&binary::proxy(), folder.path());
            command.args(["--json", "--data-dir"]).arg(folder.path().join("data")).args(arguments);
            command.env("POSTERN_TLS__CERT_FILE", authority.certificate());
            command.env("POSTERN_TLS__KEY_FILE", authority.key()).envs(settings.iter().copied());
            command
        };
        ask(command(&["workspace", "create", "Acme"])).await;
        let token = ask(command(&["token", "create", "laptops"])).await;
        let source = async |provider| {
            let made = command(&["source", "create", provider, "--provider", provider, "--secret-stdin"]);
            ask(made).await["id"].as_str().unwrap().to_owned()
        };
        let (linear, github) = (source("linear").await, source("github").await);
        let listen = format!("{PROXY}:0");
        let process =
            Process::spawn(command(&["serve", "--listen", &listen, "--admin-listen", "127.0.0.1:0"]));
        let line = process.line("the first line", |line| serde_json::from_str::<Value>(line).ok()).await;
        let root = std::fs::read(authority.root()).unwrap();
        // Installed already: as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([reqwest::Certificate::from_pem(&root).unwrap()])
            .build()
            .unwrap();
        let url = line["proxyUrl"].as_str().unwrap().to_owned();
        Self {
            token: Secret::new(token["token"].as_str().unwrap()),
            linear: format!("{url}/hooks/{linear}"),
            github: format!("{url}/hooks/{github}"),
            url,
            client,
            folder,
            _process: process,
        }
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Posts as Linear does; returns the delivery's id, once it is accepted.
    pub(crate) async fn linear(&self, number: usize) -> String {
        let delivery = Sender::new_delivery();
        let body = serde_json::json!({
            "action": "update", "type": "Issue", "organizationId": "o",
            "webhookTimestamp": 1_795_348_927_000_i64,
            "data": { "id": "issue-1", "identifier": "ENG-1", "title": format!("Change {number}") },
        });
        let body = body.to_string();
        let signature = linear::sign(&SECRET.into(), body.as_bytes());
        let headers = [
            ("linear-delivery", delivery.as_str()),
            ("linear-event", "Issue"),
            ("linear-signature", &signature),
        ];
        self.post(&self.linear, &headers, body).await;
        delivery
    }

    /// Posts as GitHub does.
    pub(crate) async fn github(&self, event: &str, delivery: &str, body: String) {
        let signature = github::sign(&SECRET.into(), body.as_bytes());
        let headers =
            [("x-github-delivery", delivery), ("x-github-event", event), ("x-hub-signature-256", &signature)];
        self.post(&self.github, &headers, body).await;
    }

    async fn post(&self, url: &str, headers: &[(&str, &str)], body: String) {
        let request = self.client.post(url).header("content-type", "application/json");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = within("the proxy's answer", request.body(body).send()).await.unwrap();
        let status = answer.status();
        assert_eq!(status, 200, "{}", answer.text().await.unwrap());
    }

    /// Waits until the only worker is as `wanted`.
    pub(crate) async fn worker(&self, what: &str, wanted: impl Fn(&WorkerInfo) -> bool) {
        within(what, async {
            loop {
                let request = self.client.get(format!("{}/v1/workers", self.url));
                let answer = request.bearer_auth(self.token.reveal()).send().await.unwrap();
                let list: WorkerList = answer.json().await.unwrap();
                if matches!(list.workers.as_slice(), [worker] if wanted(worker)) {
                    return;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    /// The bodies as they were accepted, by the events' ids.
    pub(crate) fn bodies(&self) -> BTreeMap<String, Vec<u8>> {
        let database = look_into(&self.folder.path().join("data/postern.db"));
        let mut query = database.prepare("SELECT id, body FROM events").unwrap();
        let rows = query.query_map([], |row| {
            Ok((EventId::from_bytes(row.get(0)?).to_string(), row.get::<_, Vec<u8>>(1)?))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }
}

/// Runs a command of the proxy's; a source's secret is on its standard input.
async fn ask(command: Command) -> Value {
    let (status, out, err) = Machine::run_with_input(command, SECRET).await;
    assert!(status.success(), "{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// A database of a program that is running.
pub(crate) fn look_into(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}
