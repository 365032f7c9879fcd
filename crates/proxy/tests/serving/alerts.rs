//! The alert rules that operators are given speak of metrics that there are.

use crate::harness::{Proxy, Receiver, call};
use http::Method;
use postern_protocol::Provider;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

fn rules() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations/alerts.yml")
}

/// The selectors in a text: `name`, or `name{label="value"}`.
fn selectors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("postern_") {
        let rest = &text[at..];
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let labels = rest[name.len()..].strip_prefix('{').and_then(|labels| labels.split_once('}'));
        found.insert(labels.map_or(name.clone(), |(labels, _)| format!("{name}{{{labels}}}")));
    }
    found
}

#[tokio::test]
async fn the_alerts_speak_of_metrics_that_there_are() {
    let mut proxy = Proxy::start().await;
    let source = proxy.make_source(Provider::Linear).await;
    let receiver = Receiver::start().await;
    proxy.register(&receiver).await;
    proxy.event(&source, 1).await;
    proxy.finished().await;
    let metrics = call(proxy.admin, Method::GET, "/metrics", &[], "").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    let text = std::fs::read_to_string(rules()).unwrap();
    let expressions: String = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let wanted = selectors(&expressions);
    assert!(wanted.len() > 10, "{wanted:?}");
    for selector in wanted {
        let (name, label) = selector.split_once('{').unwrap_or((&selector, ""));
        let label = label.trim_end_matches('}');
        let there = metrics.lines().any(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        });
        assert!(there, "{selector} is not among\n{metrics}");
    }
}

/// What each alert points at is in the runbook.
#[test]
fn the_alerts_point_into_the_runbook() {
    let text = std::fs::read_to_string(rules()).unwrap();
    let runbook = std::fs::read_to_string(rules().with_file_name("runbook.md")).unwrap();
    let anchor = |heading: &str| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect::<String>()
    };
    let anchors: BTreeSet<_> =
        runbook.lines().filter_map(|line| line.strip_prefix("## ")).map(anchor).collect();
    let pointed: Vec<_> =
        text.lines().filter_map(|line| line.trim().strip_prefix("runbook: runbook.md#")).collect();
    assert!(pointed.len() > 10);
    for place in pointed {
        assert!(anchors.contains(place), "{place} is not among {anchors:?}");
    }
}

#[test]
fn promtool_takes_the_alerts_where_it_is_installed() {
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
        let folder = rules().parent().unwrap().to_owned();
        match Command::new("promtool").args(arguments).current_dir(folder).output() {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(_) => println!("promtool is not installed: {arguments:?} left out"),
        }
    }
}
