//! The view's lines, each as wide as the screen at most.

use super::model::Model;
use crate::output::{self, Ink, Style, counted, safe};
use crate::view::{Frame, Line, cut, ends};
use postern_edge::api::{ExchangeKind, PublicTunnel, PublicTunnelState, TunnelRequest};
use postern_protocol::UnixMillis;
use unicode_width::UnicodeWidthStr;

/// So many tunnels have a line of their own.
const LINES: usize = 4;
/// What most names fit into.
const NAME: usize = 16;
/// `POST`, `OPTIONS`.
const METHOD: usize = 7;

/// The whole screen.
pub(super) fn lines(model: &mut Model, width: usize, height: usize, style: &Style) -> Vec<String> {
    let several = model.several();
    let frame = Frame {
        head: head(model, width, style),
        count: count(model),
        waiting: "Waiting for requests: open the address in a browser.",
        no_match: "No request has these words. Esc shows all.",
        keys: "↑/↓ select · Enter open · r replay · o inspector · / filter · q quit",
        pager_keys: "↑/↓ scroll · r replay · o inspector · Esc back",
    };
    frame.lines(&mut model.list, (width, height), style, |line, request| row(line, request, several, width))
}

/// `https://app.example.com → http://localhost:3000                  ● online`
fn head(model: &Model, width: usize, style: &Style) -> Vec<String> {
    let tunnels = &model.tunnels;
    if tunnels.is_empty() {
        return vec![Line::new(style, width).add(Some(Ink::Busy), "● connecting").text];
    }
    let shown = if tunnels.len() > LINES { LINES - 1 } else { tunnels.len() };
    let line = |tunnel: &PublicTunnel| {
        let target = format!(" → {}", safe(&tunnel.settings.target));
        let (ink, state) = state(tunnel, model.now, style);
        ends(style, width, &[(Some(Ink::Strong), &safe(&tunnel.url)), (None, &target)], (ink, &state))
    };
    let mut lines: Vec<_> = tunnels[..shown].iter().map(line).collect();
    if let Some(rest) = tunnels.get(shown..).filter(|rest| !rest.is_empty()) {
        let online = rest.iter().filter(|tunnel| tunnel.state == PublicTunnelState::Online).count();
        let text = format!("and {} more, {online} of them online", rest.len());
        lines.push(Line::new(style, width).add(Some(Ink::Faint), &text).text);
    }
    lines
}

fn state(tunnel: &PublicTunnel, now: UnixMillis, style: &Style) -> (Ink, String) {
    let words = output::tunnel_state(&style.plain(), tunnel);
    match &tunnel.state {
        PublicTunnelState::Online => (Ink::Good, format!("● {words}")),
        PublicTunnelState::Offline { retry_at: Some(at), .. } if *at > now => {
            (Ink::Bad, format!("● {words}, tries again in {}", output::span(at.since(now))))
        }
        PublicTunnelState::Offline { .. } | PublicTunnelState::Refused { .. } => {
            (Ink::Bad, format!("● {words}"))
        }
        _ => (Ink::Busy, format!("● {words}")),
    }
}

/// `128 requests · 2 open · 3 failed`
fn count(model: &Model) -> String {
    let mut parts = vec![counted(model.list.count() as u64, "request")];
    let open = model.list.rows().filter(|request| request.open).count();
    let failed = model.list.rows().filter(|request| !request.open && request.error.is_some()).count();
    for (n, what) in [(open as u64, "open"), (failed as u64, "failed"), (model.missed, "more not shown")] {
        if n > 0 {
            parts.push(format!("{n} {what}"));
        }
    }
    parts.join(" · ")
}

/// `10:42:07  POST    /hooks?from=ci          200    12 ms    1.2 KB`
fn row<'s>(mut line: Line<'s>, request: &TunnelRequest, several: bool, width: usize) -> Line<'s> {
    let (ink, status) = match request.status {
        Some(status) if status < 400 && request.error.is_none() => (Ink::Good, status.to_string()),
        Some(status) => (Ink::Bad, status.to_string()),
        None if request.open => (Ink::Busy, "…".into()),
        None => (Ink::Bad, "–".into()),
    };
    let took = if request.open { "open".into() } else { output::took(request.micros) };
    let size =
        if width >= 60 { format!("{:>9}", output::size(request.response_bytes)) } else { String::new() };
    let right = format!(" {status:>3} {took:>8}{size}");
    let at = line.style.time(request.at);
    line = line.add(Some(Ink::Faint), &at).add(None, "  ");
    if several && width >= 80 {
        line = line.column(None, request.tunnel.as_str(), NAME).add(None, " ");
    }
    let kind = match request.kind {
        ExchangeKind::Http => "",
        ExchangeKind::WebSocket => " · WebSocket",
        ExchangeKind::Events => " · events",
    };
    let replay = if request.replay_of.is_some() { " · replay" } else { "" };
    let why = request.error.as_deref().filter(|_| !request.open).map(|why| format!(" · {}", safe(why)));
    let keep = right.width();
    // What went wrong is worth more than the end of a long path.
    let path = cut(&safe(&request.path), if why.is_some() { width / 3 } else { width });
    line.column(Some(Ink::Strong), &safe(&request.method), METHOD)
        .add(None, " ")
        .leave(keep, None, &path)
        .leave(keep, Some(Ink::Faint), &format!("{kind}{replay}"))
        .leave(keep, Some(Ink::Bad), &why.unwrap_or_default())
        .right(keep)
        .add(Some(ink), &format!(" {status:>3}"))
        .add(Some(if request.open { Ink::Busy } else { Ink::Faint }), &format!(" {took:>8}{size}"))
}

#[cfg(test)]
mod tests;
