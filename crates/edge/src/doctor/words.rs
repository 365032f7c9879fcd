//! Findings in words, the same in every shell.

use crate::api::Tunnel;

/// `12 ms`, `3.4 s`, `5 min`, `2 h`, `3 d`: a span of time of at least nothing.
#[must_use]
pub fn span(millis: i64) -> String {
    match millis.max(0) {
        ms @ 0..1_000 => format!("{ms} ms"),
        ms @ 1_000..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        ms @ 10_000..120_000 => format!("{} s", ms / 1_000),
        ms @ 120_000..7_200_000 => format!("{} min", ms / 60_000),
        ms @ 7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        ms => format!("{} d", ms / 86_400_000),
    }
}

/// What a tunnel that is up is like: round trip, carrier, HTTP proxy.
#[must_use]
pub fn trip(tunnel: &Tunnel) -> Option<String> {
    let Tunnel::Up { carrier, round_trip_micros, http_proxy, .. } = tunnel else { return None };
    let trip = round_trip_micros.map(|micros| format!(" · {:.1} ms", micros as f64 / 1000.0));
    let carrier = (carrier == "websocket").then_some(" · over a WebSocket");
    let gate = http_proxy.as_ref().map(|gate| format!(" · by the HTTP proxy {gate}"));
    Some(format!("{}{}{}", trip.unwrap_or_default(), carrier.unwrap_or_default(), gate.unwrap_or_default()))
}

/// `text` with a capital at its start and a full stop at its end.
#[must_use]
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let start: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{start}{}{stop}", letters.as_str())
}
