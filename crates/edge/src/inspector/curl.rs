//! A kept request as a command for a shell.

use crate::api::{Body, TunnelRequestDetail};

/// Headers that curl makes by itself.
const OWN: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// The command that sends the request to `origin` once more.
pub(crate) fn curl(detail: &TunnelRequestDetail, origin: &str) -> String {
    let request = &detail.request;
    let mut command =
        format!("curl -X {} {}", quoted(&request.method), quoted(&format!("{origin}{}", request.path)));
    for (name, value) in detail.request_headers.iter().filter(|(name, _)| !OWN.contains(name)) {
        let header = format!("{name}: {}", String::from_utf8_lossy(value));
        command.push_str(&format!(" \\\n  -H {}", quoted(&header)));
    }
    match &detail.request_body {
        Body::Utf8 { text } if text.is_empty() => {}
        Body::Utf8 { text } => command.push_str(&format!(" \\\n  --data-binary {}", quoted(text))),
        Body::Base64 { base64 } => {
            command = format!("printf %s {} | base64 -d | {command} \\\n  --data-binary @-", quoted(base64));
        }
    }
    command
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
