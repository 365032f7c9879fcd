//! The team's proxy: set up by its own commands, stopped and started again,
//! asked over its own API, and its database read beside it.

use postern_protocol::api::{WorkerInfo, WorkerList};
use postern_protocol::{Provider, Secret};
use postern_testkit::{Machine, Process, binary, client, within};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;

/// Shorter times than the proxy's own, and a rate that a flood is beyond.
const SETTINGS: &str = r#"
[limits]
source_rate = 20

[delivery]
schedule = ["immediate", "100ms", "100ms"]
claim_lease = "3s"
timeout = "5s"

[registration]
lease_seconds = 6
allow_loopback = true
secret_grace = "4s"

[tunnel]
heartbeat = "1s"
tolerance = "2s"
"#;

/// The database in another process tells nobody of its changes.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub(crate) struct Central {
    pub(crate) url: String,
    pub(crate) token: Secret,
    pub(crate) client: reqwest::Client,
    folder: TempDir,
    admin: String,
    process: Option<Process>,
    /// What its processes printed that have ended.
    logs: Vec<String>,
}

impl Central {
    /// A proxy whose folder lies in `parent`, serving.
    pub(crate) async fn open(parent: &Path) -> Self {
        let folder = tempfile::tempdir_in(parent).unwrap();
        std::fs::write(folder.path().join("proxy.toml"), SETTINGS).unwrap();
        let mut this = Self {
            url: String::new(),
            token: Secret::new(""),
            client: client(),
            folder,
            admin: String::new(),
            process: None,
            logs: Vec::new(),
        };
        this.ask(&["workspace", "create", "Acme"], "").await;
        let token = this.ask(&["token", "create", "the team"], "").await;
        this.token = Secret::new(token["token"].as_str().unwrap());
        this.start("127.0.0.1:0").await;
        this
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Process::command(&binary::proxy(), self.folder.path());
        command.arg("--json").arg("--config").arg(self.folder.path().join("proxy.toml"));
        command.arg("--data-dir").arg(self.data_dir()).args(arguments);
        command
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What one of the proxy's commands answers.
    pub(crate) async fn ask(&self, arguments: &[&str], input: &str) -> Value {
        let (status, out, err) = Machine::run_with_input(self.command(arguments), input).await;
        assert!(status.success(), "postern-proxy {}: {err}", arguments.join(" "));
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// A new source; where it is posted to.
    pub(crate) async fn source(&self, provider: Provider, secret: &Secret) -> String {
        let name = provider.as_str();
        let arguments = ["source", "create", name, "--provider", name, "--secret-stdin"];
        let made = self.ask(&arguments, secret.reveal()).await;
        format!("{}/hooks/{}", self.url, made["id"].as_str().unwrap())
    }

    /// Gives a source a new secret; `old` says what becomes of the one before.
    pub(crate) async fn rotate_source(&self, provider: Provider, old: &[&str], secret: &Secret) {
        let rotate = ["source", "rotate-secret", provider.as_str(), "--secret-stdin"];
        self.ask(&[&rotate, old].concat(), secret.reveal()).await;
    }

    async fn start(&mut self, listen: &str) {
        let serve = ["serve", "--listen", listen, "--admin-listen", "127.0.0.1:0"];
        let process = Process::spawn(self.command(&serve));
        let line = process.line("the first line", |line| serde_json::from_str::<Value>(line).ok()).await;
        self.url = line["proxyUrl"].as_str().unwrap().to_owned();
        self.admin = line["adminUrl"].as_str().unwrap().to_owned();
        self.process = Some(process);
    }

    /// Where it listens, from one start to the next.
    fn listen(&self) -> String {
        self.url.strip_prefix("http://").unwrap().to_owned()
    }

    /// Killed as by a power cut, and started again.
    pub(crate) async fn is_killed_and_starts_again(&mut self) {
        let process = self.process.take().unwrap();
        self.logs.push(process.log());
        process.kill_9().await;
        self.start(&self.listen()).await;
    }

    /// Stopped with its drain, as for an upgrade, and started again.
    pub(crate) async fn is_upgraded(&mut self) {
        self.stop().await;
        self.start(&self.listen()).await;
    }

    pub(crate) async fn stop(&mut self) {
        let (status, log) = self.process.take().unwrap().stop_with_log().await;
        assert!(status.success(), "{log}");
        self.logs.push(log);
    }

    /// Everything its processes printed, once it has stopped.
    pub(crate) fn logs(&self) -> String {
        self.logs.join("\n")
    }

    /// A request to `/v1` or `/edge`, which succeeds.
    pub(crate) async fn post<'c>(
        &self,
        path: &str,
        credential: impl Into<Option<&'c Secret>>,
        body: &Value,
    ) -> Value {
        let mut request = self.client.post(format!("{}{path}", self.url));
        if let Some(credential) = credential.into() {
            request = request.bearer_auth(credential.reveal());
        }
        let answer = within(path, request.json(body).send()).await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    pub(crate) async fn workers(&self) -> Vec<WorkerInfo> {
        let request = self.client.get(format!("{}/v1/workers", self.url)).bearer_auth(self.token.reveal());
        let list: WorkerList = within("the workers", request.send()).await.unwrap().json().await.unwrap();
        list.workers
    }

    /// Waits until the worker of this id is as `wanted`.
    pub(crate) async fn worker(&self, id: &str, what: &str, wanted: impl Fn(&WorkerInfo) -> bool) {
        within(what, async {
            while !self.workers().await.iter().any(|worker| worker.id.to_string() == id && wanted(worker)) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    /// Every sample of `/metrics`.
    pub(crate) async fn metrics(&self) -> BTreeMap<String, f64> {
        let request = self.client.get(format!("{}/metrics", self.admin));
        let text = within("the metrics", request.send()).await.unwrap().text().await.unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.filter_map(|line| line.rsplit_once(' '));
        samples.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
    }

    /// Its database, to be read.
    pub(crate) fn books(&self) -> Connection {
        let path = self.data_dir().join("postern.db");
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    /// Waits until the query, a number, answers `wanted`.
    pub(crate) async fn counts(&self, what: &str, sql: &str, wanted: i64) {
        let books = self.books();
        let mut last = None;
        let came = tokio::time::timeout(postern_testkit::DEADLINE, async {
            while last != Some(wanted) {
                last = Some(books.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap());
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        });
        assert!(came.await.is_ok(), "waited for {what}: {wanted}, and it is {last:?}");
    }

    /// Waits until nothing is pending.
    pub(crate) async fn settled(&self) {
        let pending = "SELECT count(*) FROM deliveries WHERE state IN (0, 6, 7)";
        self.counts("pending deliveries", pending, 0).await;
    }
}
