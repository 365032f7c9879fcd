//! The worker's way out, with the programs as they are shipped: events come
//! through a tunnel that the worker opens; through a CONNECT proxy that wants a
//! password; with certificates of an authority that only the trust store knows.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod authority;
mod gate;

use authority::Authority;
use gate::Gate;
use postern_testkit::{Machine, ProxyHome, ProxyProcess, Receiver, Sender};
use serde_json::Value;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_the_tunnel_nothing_is_lost_when_the_proxy_dies() {
    let home = ProxyHome::new();
    let proxy = home.dev().await;
    let (sender, target) =
        (Sender::linear(proxy.source_url(), proxy.source_secret()), Receiver::start().await);
    let machine = Machine::new().signed_in(proxy.url(), proxy.token());
    let edge = machine.serve_with(&["--via", "tunnel"]).await;
    edge.live().await;
    machine.ask(&["forward", "set", &target.url("/hooks")]).await;
    let arrival = machine.ask(&["status"]).await["session"]["arrival"].take();
    assert_eq!((&arrival["way"], &arrival["tunnel"]["state"]), (&"tunnel".into(), &"up".into()));

    let mut sent = BTreeSet::new();
    let mut proxy = proxy;
    for round in 0..3 {
        let before = deliver(&sender, &mut sent).await;
        let arrived = target.nth(2 * round + 1).await;
        assert_eq!(arrived.headers.get("linear-delivery"), Some(before.as_str()));
        proxy.kill_9().await;
        proxy = home.dev().await;
        // Taken while the worker may still be dialling: it waits for it.
        deliver(&sender, &mut sent).await;
        target.nth(2 * round + 2).await;
    }
    let arrived: Vec<_> =
        target.requests().iter().map(|r| r.headers.get("linear-delivery").unwrap().to_owned()).collect();
    assert_eq!(arrived.len(), sent.len(), "each once");
    assert_eq!(arrived.into_iter().collect::<BTreeSet<_>>(), sent);

    let found = doctor(&machine).await;
    assert_eq!(found["tunnel"]["verdict"], "ok", "{found:#}");
    assert!(edge.stop().await.success());
    assert!(proxy.stop().await.success());
}

async fn deliver(sender: &Sender, sent: &mut BTreeSet<String>) -> String {
    let delivery = Sender::new_delivery();
    sender.deliver(&delivery).await;
    sent.insert(delivery.clone());
    delivery
}

/// The checks by their names.
async fn doctor(machine: &Machine) -> Value {
    let (_, out, err) = Machine::run(machine.command(&["--json", "doctor"])).await;
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let checks = report["checks"].as_array().unwrap();
    checks.iter().map(|check| (check["check"].as_str().unwrap().to_owned(), check.clone())).collect()
}

/// A proxy that speaks TLS, with a certificate of `authority`'s; its own client
/// trusts that authority too.
async fn tls_proxy(home: ProxyHome, authority: &Authority) -> (ProxyHome, ProxyProcess) {
    let home = home
        .with("POSTERN_TLS__CERT_FILE", authority.certificate())
        .with("POSTERN_TLS__KEY_FILE", authority.key())
        .with("SSL_CERT_FILE", authority.root());
    let proxy = home.dev().await;
    (home, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connect_proxy_may_be_the_only_way_out() {
    let authority = Authority::new(&["postern.test"]);
    let (_home, proxy) = tls_proxy(ProxyHome::new(), &authority).await;
    let gate = Gate::start("postern.test", "Basic bWU6aHVudGVyMg==").await;
    let address = format!("https://postern.test:{}", proxy.address().port());
    let outside = || Machine::new().signed_in(&address, proxy.token());
    let machine = outside()
        .with("HTTPS_PROXY", format!("http://me:hunter2@{}", gate.address()))
        .with("SSL_CERT_FILE", authority.root());
    let edge = machine.serve().await;
    edge.live().await;
    machine.ask(&["trigger", "linear", "Issue.create"]).await;
    let status = machine.ask(&["status"]).await;
    let arrival = &status["session"]["arrival"];
    // Chosen without being told to: the proxy is elsewhere.
    assert_eq!(arrival["way"], "tunnel");
    assert_eq!(arrival["tunnel"]["httpProxy"], gate.address().to_string());
    let found = doctor(&machine).await;
    for check in ["proxy", "certificate", "worker", "tunnel"] {
        assert_eq!(found[check]["verdict"], "ok", "{found:#}");
    }
    assert!(
        found["tunnel"]["found"].as_str().unwrap().contains(&format!("by the HTTP proxy {}", gate.address()))
    );
    let asked = gate.asked();
    assert!(asked.len() >= 3, "registration, lease, tunnel: {asked:?}");
    let only = format!("CONNECT postern.test:{} HTTP/1.1", proxy.address().port());
    assert!(asked.iter().all(|line| *line == only), "{asked:?}");
    assert!(!edge.process().log().contains("hunter2"));
    assert!(edge.stop().await.success());

    // The password is wrong: said, with the cure, and without the password.
    let machine = outside()
        .with("HTTPS_PROXY", format!("http://me:wrong@{}", gate.address()))
        .with("SSL_CERT_FILE", authority.root());
    let proxy_line = doctor(&machine).await["proxy"].take();
    assert_eq!(proxy_line["verdict"], "fail");
    assert!(!proxy_line.to_string().contains("wrong@"), "{proxy_line}");

    // An authority that nobody vouches for.
    let machine = outside().with("HTTPS_PROXY", format!("http://me:hunter2@{}", gate.address()));
    let certificate = doctor(&machine).await["certificate"].take();
    assert_eq!(certificate["verdict"], "fail", "{certificate}");

    // What NO_PROXY names is not asked of the gate, even where it leads nowhere.
    let before = gate.asked().len();
    let machine = outside()
        .with("HTTPS_PROXY", format!("http://me:hunter2@{}", gate.address()))
        .with("NO_PROXY", "postern.test")
        .with("SSL_CERT_FILE", authority.root());
    assert_eq!(doctor(&machine).await["proxy"]["verdict"], "fail");
    assert_eq!(gate.asked().len(), before);
    assert!(proxy.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_at_both_ends() {
    let authority = Authority::new(&["localhost", "127.0.0.1"]);
    let (_home, proxy) = tls_proxy(ProxyHome::new(), &authority).await;
    let target = Receiver::start().await;
    let machine = Machine::new()
        .signed_in(format!("https://localhost:{}", proxy.address().port()), proxy.token())
        .with("SSL_CERT_FILE", authority.root());
    let (certificate, key) = (authority.certificate(), authority.key());
    let tls = ["--tls-cert", certificate.as_str(), "--tls-key", key.as_str()];
    for way in ["address", "tunnel"] {
        let edge = machine.serve_with(&[&tls[..], &["--via", way]].concat()).await;
        edge.live().await;
        machine.ask(&["forward", "set", &target.url("/hooks")]).await;
        let arrival = machine.ask(&["status"]).await["session"]["arrival"].take();
        assert_eq!(arrival["way"], way);
        assert!(way == "tunnel" || arrival["url"].as_str().unwrap().starts_with("https://127.0.0.1:"));
        machine.ask(&["trigger", "linear", "Issue.create"]).await;
        target.nth(if way == "tunnel" { 2 } else { 1 }).await;
        assert!(edge.stop().await.success());
    }
    assert!(proxy.stop().await.success());
}
