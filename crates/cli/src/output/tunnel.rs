//! `tunnel`: names, and requests as they come.

use super::{Ink, Style, safe, size};
use postern_edge::api::{
    ExchangeKind, PublicTunnel, PublicTunnelState, ReservedTunnels, TunnelRequest, Tunnels,
};
use postern_protocol::api::tunnels::TunnelInfo;

/// `tunnel list`: a line for each name.
pub(crate) fn tunnels(style: &Style, reserved: &ReservedTunnels, own: &Tunnels) -> String {
    if reserved.tunnels.is_empty() {
        return "No names. `postern tunnel 3000 --name app` reserves one and serves it.".into();
    }
    let width = reserved.tunnels.iter().map(|tunnel| tunnel.name.as_str().len()).max().unwrap_or(0);
    let line = |tunnel: &TunnelInfo| {
        let here = own.tunnels.iter().find(|own| own.name == tunnel.name);
        let serves = tunnel.worker.as_ref().filter(|worker| Some(worker.id.to_string()) != reserved.own);
        let state = match (here, serves) {
            (_, Some(worker)) => style.paint(Ink::Busy, &format!("served by {}", safe(&worker.name))),
            (Some(here), None) => state(style, here),
            (None, None) => style.paint(Ink::Faint, "nobody serves it"),
        };
        let target = here.map(|here| format!("  → {}", safe(&here.settings.target))).unwrap_or_default();
        let name = style.paint(Ink::Strong, &format!("{:width$}", tunnel.name.as_str()));
        format!("{name}  {}{target}  {state}", safe(&tunnel.url))
    };
    reserved.tunnels.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// How a tunnel stands: `online`.
pub(crate) fn state(style: &Style, tunnel: &PublicTunnel) -> String {
    match &tunnel.state {
        PublicTunnelState::Off => style.paint(Ink::Faint, "off"),
        PublicTunnelState::Connecting => style.paint(Ink::Busy, "connecting"),
        PublicTunnelState::Online => style.paint(Ink::Good, "online"),
        PublicTunnelState::Elsewhere { worker } => {
            style.paint(Ink::Busy, &format!("served by {}", safe(&worker.name)))
        }
        PublicTunnelState::Refused { message, .. } => {
            style.paint(Ink::Bad, &format!("refused: {}", safe(message)))
        }
        PublicTunnelState::Offline { problem, .. } => {
            style.paint(Ink::Bad, &format!("offline: {}", safe(problem)))
        }
    }
}

/// `https://app.example.com → http://localhost:3000`
pub(crate) fn leads(style: &Style, tunnel: &PublicTunnel) -> String {
    format!("{} → {}", style.paint(Ink::Strong, &safe(&tunnel.url)), safe(&tunnel.settings.target))
}

/// `10:42:07  POST    /a?b=c  200  12 ms  1.2 kB`: where several tunnels are
/// shown, with the `name` of the request's.
pub(crate) fn request(style: &Style, request: &TunnelRequest, name: bool) -> String {
    let at = style.paint(Ink::Faint, &style.time(request.at));
    let name = if name { format!("{}  ", request.tunnel) } else { String::new() };
    let status = match request.status {
        Some(status @ 0..400) => style.paint(Ink::Good, &status.to_string()),
        Some(status) => style.paint(Ink::Bad, &status.to_string()),
        None => style.paint(Ink::Bad, "–"),
    };
    let method = style.paint(Ink::Strong, &format!("{:7}", safe(&request.method)));
    let kind = match request.kind {
        ExchangeKind::Http => "",
        ExchangeKind::WebSocket => "  WebSocket",
        ExchangeKind::Events => "  events",
    };
    let went = if request.open {
        style.paint(Ink::Busy, "open")
    } else {
        format!("{}  {}", took(request.micros), size(request.response_bytes))
    };
    let error = request.error.as_ref().filter(|_| !request.open);
    let error = error.map(|why| style.paint(Ink::Bad, &format!("  {}", safe(why)))).unwrap_or_default();
    format!("{at}  {name}{method} {}  {status}  {went}{kind}{error}", safe(&request.path))
}

/// `812 ms`.
pub(crate) fn took(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{:.1} ms", micros as f64 / 1_000.0),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{:.1} s", micros as f64 / 1_000_000.0),
    }
}
