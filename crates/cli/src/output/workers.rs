//! `workers`: who else is registered in the workspace.

use super::{Ink, Style, counted, safe};
use postern_edge::api::Workers;
use postern_protocol::api::{CircuitCause, CircuitState, GroupMode, WorkerInfo, WorkerState};

/// One line for each worker.
pub(crate) fn workers(style: &Style, list: &Workers) -> String {
    if list.workers.is_empty() {
        return "No worker is registered in this workspace. `postern serve` starts one.".into();
    }
    let width = list.workers.iter().map(|worker| safe(&worker.name).chars().count()).max().unwrap_or(0);
    let own = list.own.as_deref();
    list.workers.iter().map(|worker| line(style, worker, width, own)).collect::<Vec<_>>().join("\n")
}

/// `ada-laptop  active  3 waiting  Issue Comment.create  (this machine)`
fn line(style: &Style, worker: &WorkerInfo, width: usize, own: Option<&str>) -> String {
    let (ink, state) = match worker.state {
        WorkerState::Active => (Ink::Good, "active"),
        WorkerState::Pending => (Ink::Busy, "pending"),
        WorkerState::Away => (Ink::Faint, "away"),
        WorkerState::Paused => (Ink::Busy, "paused"),
        WorkerState::Gone => (Ink::Faint, "gone"),
    };
    let name = safe(&worker.name);
    let gap = " ".repeat(width - name.chars().count());
    let mut line = format!(
        "{}{gap}  {}  {:10}",
        style.paint(Ink::Strong, &name),
        style.paint(ink, &format!("{state:7}")),
        format!("{} waiting", worker.waiting.count),
    );
    let wants = match worker.capabilities.as_slice() {
        [] => "everything".to_owned(),
        terms => safe(&terms.join(" ")),
    };
    line.push_str(&format!("  {wants}"));
    if let Some(group) = &worker.group {
        let shares = if group.mode == GroupMode::Claim { "shares as" } else { "group" };
        line.push_str(&style.paint(Ink::Faint, &format!("  {shares} {}", group.name)));
    }
    if worker.state == WorkerState::Away {
        line.push_str(
            &style.paint(Ink::Faint, &format!("  since {}", style.day_and_time(worker.leased_until))),
        );
    }
    match worker.circuit.as_ref().map(|circuit| (circuit.state, circuit.cause)) {
        Some((CircuitState::Open, Some(CircuitCause::Failing))) => {
            line.push_str(&format!("  {}", style.paint(Ink::Bad, "left alone: it fails")));
        }
        Some((CircuitState::Open, _)) => {
            line.push_str(&format!("  {}", style.paint(Ink::Bad, "left alone: out of reach")));
        }
        Some((CircuitState::HalfOpen, _)) => {
            line.push_str(&format!("  {}", style.paint(Ink::Busy, "one at a time until one is taken")));
        }
        _ => {}
    }
    if worker.throttled_until.is_some() {
        line.push_str(&format!("  {}", style.paint(Ink::Busy, "throttled")));
    }
    if own == Some(worker.id.to_string().as_str()) {
        line.push_str(&style.paint(Ink::Faint, "  (this machine)"));
    }
    if let Some(problem) = worker.challenge_error.as_ref().or(worker.transport_error.as_ref()) {
        line.push_str(&format!("  {}", style.paint(Ink::Bad, &safe(problem))));
    }
    if worker.transport_failures > 1 {
        line.push_str(&format!(" ({} in a row)", counted(worker.transport_failures.into(), "failure")));
    }
    line
}
