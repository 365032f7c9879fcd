//! Dead letters, and what became of them.

use super::{Ink, Style, counted, safe};
use postern_protocol::api::{
    AttemptRecord, DeliveryDetail, DeliveryInfo, DeliveryList, DeliveryState, Progress, Recovered,
};

/// One line for each, and where the next page is.
pub(crate) fn dead_letters(style: &Style, list: &DeliveryList) -> String {
    let mut lines: Vec<_> = list.deliveries.iter().map(|delivery| line(style, delivery)).collect();
    match &list.next {
        Some(next) => lines.push(style.paint(Ink::Faint, &format!("More: --cursor {}", safe(next)))),
        None if lines.is_empty() => return "There are none.".into(),
        None => {}
    }
    lines.join("\n")
}

/// `2026-11-22 10:42:07  dlv_…  Issue.update  ENG-42 Fix login  ada-laptop  dead: exhausted`
fn line(style: &Style, delivery: &DeliveryInfo) -> String {
    format!(
        "{}  {}  {}  {}  {}  {}",
        style.paint(Ink::Faint, &style.day_and_time(delivery.received_at)),
        style.paint(Ink::Faint, &delivery.id.to_string()),
        style.paint(Ink::Strong, &safe(&delivery.name)),
        safe(&delivery.subject),
        safe(&delivery.worker),
        standing(style, delivery),
    )
}

fn standing(style: &Style, delivery: &DeliveryInfo) -> String {
    let (ink, state) = match delivery.state {
        DeliveryState::Pending => (Ink::Busy, "waiting"),
        DeliveryState::Sending => (Ink::Busy, "under way"),
        DeliveryState::Delivered => (Ink::Good, "delivered"),
        DeliveryState::Claimed => (Ink::Busy, "being worked on"),
        DeliveryState::Dead => (Ink::Bad, "dead"),
        DeliveryState::Expired => (Ink::Bad, "expired"),
        DeliveryState::Held => (Ink::Busy, "held"),
        DeliveryState::Skipped => (Ink::Faint, "skipped"),
        DeliveryState::Queued => (Ink::Busy, "in line"),
        DeliveryState::Discarded => (Ink::Faint, "discarded"),
    };
    let reason = delivery.ended.as_ref().and_then(|ended| ended.reason.as_deref());
    match reason.filter(|reason| *reason != state) {
        Some(reason) => format!("{}: {}", style.paint(ink, state), safe(reason)),
        None => style.paint(ink, state),
    }
}

/// One delivery with all its attempts.
pub(crate) fn dead_letter(style: &Style, detail: &DeliveryDetail) -> String {
    let delivery = &detail.delivery;
    let mut lines = vec![
        format!("{}  {}", style.paint(Ink::Strong, &safe(&delivery.name)), safe(&delivery.subject)),
        format!("event     {}, {}", delivery.event_id, style.day_and_time(delivery.received_at)),
        format!("to        {}", safe(&delivery.worker)),
        format!("stands    {}", standing(style, delivery)),
    ];
    if let Some(ended) = &delivery.ended {
        lines.push(format!("since     {}, by {}", style.day_and_time(ended.at), safe(&ended.by)));
    }
    if delivery.redriven > 0 {
        lines.push(format!("redriven  {}", counted(delivery.redriven.into(), "time")));
    }
    lines.extend(detail.attempts.iter().map(|attempt| self::attempt(style, attempt)));
    lines.join("\n")
}

fn attempt(style: &Style, attempt: &AttemptRecord) -> String {
    let outcome = match (attempt.status, &attempt.error) {
        (_, Some(error)) => safe(error),
        (Some(status), None) => status.to_string(),
        (None, None) => "delivered".into(),
    };
    let answer = attempt.answer.as_deref().filter(|answer| !answer.trim().is_empty());
    let answer = answer.map_or(String::new(), |answer| format!("\n          {}", safe(answer.trim())));
    format!("#{:<7}  {}  {outcome}{answer}", attempt.number, style.day_and_time(attempt.at))
}

/// What a redrive or discard would come to.
pub(crate) fn would(op: &str, progress: &Progress) -> String {
    let able = u64::from(progress.matched - progress.unable);
    with_unable(format!("This would {op} {}.", counted(able, "dead letter")), progress)
}

/// What it came to.
pub(crate) fn done(op: &str, progress: &Progress) -> String {
    let done = if op == "discard" { "discarded" } else { "on the way again" };
    with_unable(format!("{} {done}.", counted(progress.changed.into(), "dead letter")), progress)
}

fn with_unable(text: String, progress: &Progress) -> String {
    match progress.unable {
        0 => text,
        unable => format!("{text} {unable} cannot be redriven: their worker is gone."),
    }
}

/// What a recovery came to, or would.
pub(crate) fn recovered(recovered: &Recovered, dry_run: bool) -> String {
    let all = u64::from(recovered.missing) + u64::from(recovered.ended);
    let parts = format!("{} never sent here, {} given up or skipped", recovered.missing, recovered.ended);
    match (all, dry_run) {
        (0, _) => "Nothing is missing.".into(),
        (all, true) => format!("This would deliver {}: {parts}.", counted(all, "event")),
        (_, false) => format!("{} on the way: {parts}.", counted(recovered.delivering.into(), "event")),
    }
}
