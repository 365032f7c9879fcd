//! The work of a claim group's member: what is forwarded is reported on, and
//! what is another's is left to it.

use crate::proxy::{Book, FakeProxy};
use crate::support::{Delivery, TestClock, TestEdge, config};
use crate::target::Target;
use postern_edge::api::{
    self, Action, EventKey, ForwardTo, OutcomeKind, Repeat, ReportEvent, Rule, RuleList, SetForward, Settings,
};
use postern_protocol::api::{GroupMode, WorkStatus};
use std::sync::Arc;

async fn given(edge: &TestEdge, proxy: &FakeProxy, id: &str, number: u32) {
    let delivery = Delivery::new(id, edge, proxy)
        .header("postern-group", "builders")
        .header("postern-claim", number.to_string())
        .header("postern-claim-lease", "60");
    assert_eq!(delivery.post(&edge.hook().await).await.status(), 200);
}

/// Waits for so many reports, and takes them.
async fn reports(proxy: &FakeProxy, count: usize) -> Vec<(String, WorkStatus, Option<u32>)> {
    proxy.until("reports", |book| book.reports.len() >= count).await;
    let taken = std::mem::take(&mut proxy.book().reports);
    taken.into_iter().map(|(event, report)| (event, report.status, report.claim)).collect()
}

async fn forwarding(edge: &TestEdge, url: String) {
    api::set_forward(&edge.handle, SetForward { url: Some(url) }).await.unwrap();
}

#[tokio::test]
async fn what_is_forwarded_is_reported_on() {
    let proxy = FakeProxy::new().await;
    let (dir, clock) = (Arc::new(tempfile::tempdir().unwrap()), TestClock::new());
    let mut config = config(dir.path(), &clock);
    config.group = Some(Some("builders".parse().unwrap()));
    let edge = TestEdge::run(config, clock, dir).await;
    edge.sign_in(&proxy).await;
    proxy.until("the group is told", |book| book.group.is_some()).await;
    let group = proxy.book().group.clone().flatten().unwrap();
    assert_eq!((group.name.as_str(), group.mode), ("builders", GroupMode::Claim));

    let mut good = Target::ok().await;
    forwarding(&edge, good.url()).await;
    given(&edge, &proxy, "evt_1", 1).await;
    good.next().await;
    assert_eq!(reports(&proxy, 1).await, [("evt_1".into(), WorkStatus::Completed, Some(1))]);

    let mut bad =
        Target::answering("HTTP/1.1 500 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    forwarding(&edge, bad.url()).await;
    given(&edge, &proxy, "evt_2", 1).await;
    bad.next().await;
    proxy.until("a report", |book| !book.reports.is_empty()).await;
    let reason = proxy.book().reports[0].1.reason.clone().unwrap();
    assert!(reason.contains("500"), "{reason}");
    assert_eq!(reports(&proxy, 1).await, [("evt_2".into(), WorkStatus::Failed, Some(1))]);

    // Given once more, it is handled once more; what was done need not be.
    forwarding(&edge, good.url()).await;
    given(&edge, &proxy, "evt_2", 3).await;
    good.next().await;
    assert_eq!(reports(&proxy, 1).await, [("evt_2".into(), WorkStatus::Completed, Some(3))]);
    given(&edge, &proxy, "evt_1", 2).await;
    assert_eq!(reports(&proxy, 1).await, [("evt_1".into(), WorkStatus::Completed, Some(2))]);
    let first = api::event(&edge.handle, EventKey { id: "evt_1".into() }).await.unwrap();
    assert_eq!(first.runs.len(), 1);
}

#[tokio::test]
async fn the_group_is_remembered_until_it_is_left() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let told = |name: Option<&str>| {
        let name = name.map(ToOwned::to_owned);
        move |book: &Book| {
            let group = book.group.clone();
            group.is_some_and(|group| group.map(|group| group.name.to_string()) == name)
        }
    };
    let group = Some("builders".parse().unwrap());
    api::set_settings(&edge.handle, Settings { group, ..Settings::default() }).await.unwrap();
    proxy.until("the group is told", told(Some("builders"))).await;
    proxy.book().group = None;
    let edge = edge.restart().await;
    proxy.until("it is told again", told(Some("builders"))).await;
    api::set_settings(&edge.handle, Settings::default()).await.unwrap();
    proxy.until("it is left", told(None)).await;
}

#[tokio::test]
async fn a_report_that_did_not_arrive_is_made_again_after_a_restart() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let mut target = Target::ok().await;
    forwarding(&edge, target.url()).await;
    proxy.book().mute = true;
    given(&edge, &proxy, "evt_1", 4).await;
    target.next().await;
    proxy.until("a report that is refused", |book| !book.reports.is_empty()).await;
    let edge = edge.restart().await;
    proxy.book().mute = false;
    proxy.book().reports.clear();
    let told = reports(&proxy, 1).await;
    assert_eq!(told[0], ("evt_1".into(), WorkStatus::Completed, Some(4)));
    drop(edge);
}

#[tokio::test]
async fn what_is_anothers_is_not_begun() {
    let proxy = FakeProxy::new().await;
    let (dir, clock) = (Arc::new(tempfile::tempdir().unwrap()), TestClock::new());
    let mut config = config(dir.path(), &clock);
    config.timing.forward_concurrency = 1;
    let edge = TestEdge::run(config, clock, dir).await;
    edge.sign_in(&proxy).await;
    let (mut target, permits) = Target::held().await;
    forwarding(&edge, target.url()).await;
    given(&edge, &proxy, "evt_0", 1).await;
    target.next().await;
    // It waits for its turn for so long that another may have it.
    given(&edge, &proxy, "evt_1", 1).await;
    edge.clock.turn(31_000);
    proxy.book().lost = true;
    permits.add_permits(10);
    left_to_another(&edge, "evt_1").await;
    assert!(target.seen.try_recv().is_err(), "nothing else was forwarded");
}

#[tokio::test]
async fn what_was_lost_is_not_tried_again() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let (mut target, permits) = Target::held().await;
    let to = ForwardTo { retry: Repeat { count: 5, wait_ms: 10 }, ..ForwardTo::new(target.url()) };
    let rules = vec![Rule { action: Action::Forward(to), ..Rule::forward("") }];
    let version = api::rules(&edge.handle).await.unwrap().version;
    api::set_rules(&edge.handle, RuleList { version, rules }).await.unwrap();
    given(&edge, &proxy, "evt_1", 1).await;
    target.next().await;
    // While the first try was under way the proxy gave it to another.
    edge.clock.turn(31_000);
    proxy.book().lost = true;
    permits.close();
    left_to_another(&edge, "evt_1").await;
    assert!(target.seen.try_recv().is_err(), "there was no second try");
}

async fn left_to_another(edge: &TestEdge, id: &str) {
    let left = async {
        loop {
            let event = api::event(&edge.handle, EventKey { id: id.into() }).await.unwrap();
            if event.summary.outcome.label == "left to another" {
                assert_eq!(event.summary.outcome.kind, OutcomeKind::None);
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    crate::support::soon("it is left to another", left).await;
}

#[tokio::test]
async fn where_nothing_is_forwarded_somebody_reports() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::live(&proxy).await;
    let id = "evt_01JD3Q0000000000000000000A";
    given(&edge, &proxy, id, 1).await;
    let report = ReportEvent { id: id.into(), status: WorkStatus::Completed, reason: None };
    // The record that is asked for afterwards is not this proxy's to have.
    let _ = api::report_work(&edge.handle, report).await;
    assert_eq!(reports(&proxy, 1).await, [(id.into(), WorkStatus::Completed, None)]);
}
