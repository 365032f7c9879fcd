//! What the other end of a tunnel sends before it is known, read from any
//! bytes. Seeds: `fuzz/seeds`.

use crate::carrier::{Carrier, PROTOCOL_HEADER};
use crate::control::Message;
use crate::settings::MAX_CONTROL_MESSAGE;
use crate::upgrade;
use bytes::BytesMut;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Version};
use std::path::Path;
use tokio_util::codec::{Decoder, LinesCodec};

#[path = "../../protocol/fuzz/mutate.rs"]
mod mutate;

fn run(name: &str, check: fn(&[u8])) {
    mutate::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds"), name, check);
}

/// The control stream: every message that is read is written so that it is
/// read the same.
#[test]
fn any_control_message_is_read_or_refused() {
    run("control", |data| {
        let (mut lines, mut data) =
            (LinesCodec::new_with_max_length(MAX_CONTROL_MESSAGE), BytesMut::from(data));
        while let Ok(Some(line)) = lines.decode_eof(&mut data) {
            let Ok(message) = serde_json::from_str::<Message>(&line) else { continue };
            let written = serde_json::to_string(&message).unwrap();
            assert!(!written.contains('\n'));
            assert_eq!(serde_json::from_str::<Message>(&written).unwrap(), message);
        }
    });
}

/// The request that asks for a tunnel: a method and a version on the first
/// line, then headers. It is answered 101 as it asked, 400, or 426 with what
/// would be taken.
#[test]
fn any_request_for_a_tunnel_is_answered() {
    run("upgrade", |data| {
        let Some(mut request) = request(data) else { return };
        // As hyper's server puts it there.
        let on_upgrade = hyper::upgrade::on(&mut request);
        request.extensions_mut().insert(on_upgrade);
        let asked = request.headers().get(PROTOCOL_HEADER).cloned();
        match upgrade(&mut request) {
            Ok(taken) => {
                assert_eq!((request.method(), request.version()), (&Method::GET, Version::HTTP_11));
                let answer = taken.response();
                assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
                let accepts = answer.headers().contains_key("sec-websocket-accept");
                assert_eq!(accepts, taken.carrier() == Carrier::WebSocket);
                assert!(taken.protocol_version().is_none_or(|v| asked.is_some_and(|asked| asked == v)));
            }
            Err(refused) => {
                let answer = refused.response();
                let names = answer.headers().contains_key("upgrade");
                assert!(
                    matches!((answer.status().as_u16(), names), (400, false) | (426, true)),
                    "{refused:?}"
                );
            }
        }
    });
}

fn request(data: &[u8]) -> Option<Request<()>> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(first.split(|byte| *byte == b' ').next()?).ok()?;
    *request.version_mut() = if first.ends_with(b"1.0") { Version::HTTP_10 } else { Version::HTTP_11 };
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    Some(request)
}
