//! What workers report of their work.

use super::*;
use postern_protocol::api::{WorkReport, WorkStatus};

fn report(at: i64, status: WorkStatus, reason: Option<&str>) -> WorkReport {
    WorkReport { at: T0.plus(at), status, reason: reason.map(str::to_owned), worker_id: None }
}

pub(crate) async fn reports_are_kept_once(mut world: World) {
    let worker = world.active_worker(&[]).await;
    let event = world.accept().await.id;
    let sent = [
        report(1, WorkStatus::Processing, None),
        report(2, WorkStatus::Processing, None),
        report(3, WorkStatus::Failed, Some("out of memory")),
        report(4, WorkStatus::Processing, None),
        report(5, WorkStatus::Completed, None),
        report(6, WorkStatus::Completed, None),
    ];
    for one in &sent {
        assert!(world.store().report_work(worker, event, 0, one.clone()).await.unwrap());
    }
    world.restart();
    let kept = world.record(event).await.deliveries.remove(0).reports;
    assert_eq!(kept, [sent[0].clone(), sent[2].clone(), sent[3].clone(), sent[4].clone()]);

    for n in 0..150 {
        let one = report(n, WorkStatus::Processing, Some(&n.to_string()));
        assert!(world.store().report_work(worker, event, 0, one).await.unwrap());
    }
    let kept = world.record(event).await.deliveries.remove(0).reports;
    assert_eq!((kept.len(), kept[99].reason.as_deref()), (100, Some("149")));
}

pub(crate) async fn nobody_reports_of_what_is_not_theirs(world: World) {
    let worker = world.active_worker(&["Comment"]).await;
    let event = world.accept().await.id;
    let done = report(1, WorkStatus::Completed, None);
    assert!(!world.store().report_work(worker, event, 0, done.clone()).await.unwrap());
    let worker = world.active_worker(&[]).await;
    let event = world.accept().await.id;
    assert!(!world.store().report_work(worker, event, 1, done.clone()).await.unwrap(), "no such replay");
    assert!(world.store().report_work(worker, event, 0, done).await.unwrap());
}
