//! One edge per data folder; starting and stopping.

use crate::support::{TestClock, TestEdge, config};
use postern_edge::{ApiConfig, CertificateFiles, Edge, Running, StartError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Starts a second edge on the folder and says why it does not.
async fn second(dir: &Path, clock: &TestClock) -> StartError {
    match Edge::start(config(dir, clock)).await {
        Ok(_) => panic!("two edges on one folder"),
        Err(e) => e,
    }
}

#[tokio::test]
async fn a_second_edge_is_told_where_the_first_is() {
    let edge = TestEdge::start().await;
    let StartError::AlreadyRunning(running) = second(edge.dir.path(), &edge.clock).await else {
        panic!("another error")
    };
    assert_eq!(running.api_url.as_deref(), edge.handle.api_url());
    assert!(!running.control_token.reveal().is_empty());
    let (_, dir) = edge.stop().await;
    assert_eq!(Running::find(dir.path()).unwrap(), None);
    assert!(!dir.path().join("running.json").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_look_into_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("made/for/it");
    let clock = TestClock::new();
    let (_handle, _edge) = Edge::start(config(&deep, &clock)).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&deep), 0o700);
    assert_eq!(mode(&deep.join("running.json")), 0o600);
}

#[tokio::test]
async fn an_edge_that_never_ran_lets_the_folder_go() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let (handle, edge) = Edge::start(config(dir.path(), &clock)).await.unwrap();
    drop((handle, edge));
    assert!(Edge::start(config(dir.path(), &clock)).await.is_ok());
}

#[tokio::test]
async fn the_local_api_is_never_open_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), &TestClock::new());
    config.api = Some(ApiConfig { bind: SocketAddr::from(([0, 0, 0, 0], 0)), ui: None });
    assert!(matches!(Edge::start(config).await, Err(StartError::ApiNotLoopback(_))));
}

#[tokio::test]
async fn bad_configuration_is_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::new();
    let mut bad = config(dir.path(), &clock);
    bad.webhook_base = Some("laptop".into());
    let Err(e) = Edge::start(bad).await else { panic!("it starts") };
    assert_eq!(e.to_string(), "the webhook address `laptop` is not a URL of the form https://laptop.example");

    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut bad = config(dir.path(), &clock);
    bad.receiver_bind = taken.local_addr().unwrap();
    let Err(e) = Edge::start(bad).await else { panic!("it starts") };
    assert_eq!(e.to_string(), format!("cannot listen on {}", taken.local_addr().unwrap()));
}

#[tokio::test]
async fn a_history_of_a_newer_version_is_refused_and_left_alone() {
    let (clock, dir) = TestEdge::start().await.stop().await;
    let path = dir.path().join("history.db");
    let versions = |file: &rusqlite::Connection| -> i64 {
        file.query_row("SELECT count(*) FROM refinery_schema_history", [], |row| row.get(0)).unwrap()
    };
    let file = rusqlite::Connection::open(&path).unwrap();
    let before = versions(&file);
    file.execute(
        "INSERT INTO refinery_schema_history VALUES (99, 'future', '2030-01-01T00:00:00Z', '1')",
        [],
    )
    .unwrap();
    drop(file);
    let error = second(dir.path(), &clock).await;
    let StartError::History(cause) = &error else { panic!("{error}") };
    assert!(cause.to_string().contains("made by a newer one"), "{cause}");
    let file = rusqlite::Connection::open(&path).unwrap();
    assert_eq!(versions(&file), before + 1);
}

#[tokio::test]
async fn with_a_certificate_deliveries_arrive_by_https() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let clock = TestClock::new();
    let files = CertificateFiles { certificate: dir.path().join("c.pem"), key: dir.path().join("k.pem") };
    let mut config = config(dir.path(), &clock);
    config.tls = Some(files.clone());
    let Err(e) = Edge::start(config.clone()).await else { panic!("it starts") };
    let missing = format!("the certificate file {} cannot be read: ", files.certificate.display());
    assert!(e.to_string().starts_with(&missing), "{e}");

    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let edge = TestEdge::run(config, clock, dir).await;
    let url = edge.handle.receiver_url().to_owned();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let trusted = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
    let answer = client.post(format!("{url}/hook/nobody")).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    let plain = client.post(format!("{}/hook/nobody", url.replace("https:", "http:"))).send().await.unwrap();
    assert_eq!(plain.status(), 400);
    assert!(plain.text().await.unwrap().contains("this port speaks HTTPS only"));
    edge.stop().await;
}
