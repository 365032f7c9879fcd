//! A tested path, hop by hop.

use super::{Ink, Style, safe, span};
use postern_edge::api::{HopPlace, HopState, PathTest};

/// One line for each hop, and what it came to.
pub(crate) fn path_test(style: &Style, test: &PathTest) -> String {
    let mut lines = Vec::new();
    for hop in &test.hops {
        let place = match hop.place {
            HopPlace::Network => "network",
            HopPlace::Proxy => "proxy",
            HopPlace::ThisMachine => "this machine",
            HopPlace::Target => "target",
        };
        let (ink, word) = match hop.state {
            HopState::Passed => (Ink::Good, "ok  "),
            HopState::Failed => (Ink::Bad, "fail"),
            HopState::Skipped => (Ink::Faint, "–   "),
        };
        let took = hop.took_micros.map(took).unwrap_or_default();
        let line = format!("{}  {place:<12}  {:<20} {took:>9}", style.paint(ink, word), hop.name);
        lines.push(format!("{line}  {}", style.paint(Ink::Faint, &safe(&hop.note))));
    }
    if let Some(total) = test.total_micros {
        lines.push(format!("{}, {} in all", style.paint(Ink::Good, "The whole path works"), took(total)));
    }
    if let Some(skew) = test.skew_ms.filter(|skew| skew.abs() > 2_000) {
        let way = if skew > 0 { "ahead of" } else { "behind" };
        lines.push(format!("The proxy's clock is {} {way} this one.", span(skew.abs())));
    }
    lines.join("\n")
}

#[expect(clippy::cast_precision_loss, reason = "durations")]
fn took(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{:.2} ms", micros as f64 / 1e3),
        10_000..1_000_000 => format!("{} ms", micros / 1000),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}
