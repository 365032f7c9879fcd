//! A request through a public tunnel, in full.

use super::detail::{header, payload};
use super::{Ink, Style, safe, size, took};
use postern_edge::api::{Body, ExchangeKind, TunnelFrame, TunnelRequestDetail};
use postern_protocol::HeaderList;

/// What was asked, what was answered, and how long it took.
pub(crate) fn detail(style: &Style, detail: &TunnelRequestDetail) -> String {
    let request = &detail.request;
    let after = |micros: Option<u64>| micros.map_or_else(|| "–".into(), took);
    let status = request.status.map_or_else(|| "none".into(), |status| status.to_string());
    let mut lines = vec![
        style.paint(Ink::Strong, &format!("{} {}", safe(&request.method), safe(&request.path))),
        format!("  came       {} through {}", style.day_and_time(request.at), request.tunnel),
        format!("  answer     {status}, begun after {}", after(request.first_byte_micros)),
        format!("  took       {}{}", took(request.micros), if request.open { " so far" } else { "" }),
        format!(
            "  sizes      {} asked, {} answered",
            size(request.request_bytes),
            size(request.response_bytes)
        ),
    ];
    if let Some(of) = request.replay_of {
        lines.push(format!("  replay of  {of}"));
    }
    if let Some(error) = &request.error {
        lines.push(format!("  error      {}", style.paint(Ink::Bad, &safe(error))));
    }
    let mut message = |title: &str, headers: &HeaderList, body: &Body, truncated: bool| {
        lines.push(String::new());
        lines.push(style.paint(Ink::Strong, title));
        lines.extend(headers.iter().map(|(name, value)| header(name, value)));
        if !is_empty(body) {
            lines.push(String::new());
            lines.push(payload(body));
        }
        if truncated {
            lines.push(style.paint(Ink::Busy, "  Only this beginning of the body is kept."));
        }
    };
    message("Request", &detail.request_headers, &detail.request_body, detail.request_truncated);
    message("Answer", &detail.response_headers, &detail.response_body, detail.response_truncated);
    if !detail.frames.is_empty() {
        let title = if request.kind == ExchangeKind::Events { "Events" } else { "Frames" };
        lines.push(String::new());
        lines.push(style.paint(Ink::Strong, title));
        lines.extend(detail.frames.iter().map(frame));
        if detail.more_frames {
            lines.push(style.paint(Ink::Busy, "  Only these first ones are kept."));
        }
    }
    lines.join("\n")
}

fn frame(frame: &TunnelFrame) -> String {
    let way = if frame.from_visitor { "→" } else { "←" };
    let body = match &frame.body {
        Body::Utf8 { text } => safe(text).replace('\n', "\n      "),
        Body::Base64 { base64 } => format!("(base64) {base64}"),
    };
    let cut = if frame.truncated { " …" } else { "" };
    format!("  {way} {}  {}  {}  {body}{cut}", took(frame.micros), safe(&frame.kind), size(frame.size))
}

fn is_empty(body: &Body) -> bool {
    match body {
        Body::Utf8 { text } => text.is_empty(),
        Body::Base64 { base64 } => base64.is_empty(),
    }
}
