//! What nobody should send, as far as the local server: of what is refused it
//! sees nothing at all.

use crate::on_both_carriers;
use crate::scene::{APP, Carrier, OK, Scene, ask, get};

on_both_carriers! {
    what_could_be_read_in_two_ways_reaches_nobody
    a_request_with_both_lengths_smuggles_nothing
    nothing_smuggled_through_http_2
    forged_headers_are_overwritten
    slow_heads_hold_up_nobody
}

async fn what_could_be_read_in_two_ways_reaches_nobody(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let post = |rest: &str| format!("POST / HTTP/1.1\r\nhost: {APP}\r\n{rest}");
    let smuggled = format!("GET /smuggled HTTP/1.1\r\nhost: {APP}\r\n\r\n");
    for bad in [
        "content-length: 3\r\ncontent-length: 4\r\n\r\nabc",
        "content-length: 3, 4\r\n\r\nabc",
        "content-length: +3\r\n\r\nabc",
        "content-length: -1\r\n\r\n",
        "content-length: 0x3\r\n\r\nabc",
        "content-length: 3 \x0b\r\n\r\nabc",
        "content-length: 99999999999999999999999\r\n\r\nabc",
        "content-length:\r\n\r\n",
        "transfer-encoding: gzip\r\n\r\n",
        "transfer-encoding: identity\r\n\r\n",
        "transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        "transfer-encoding: chunked;x=y\r\n\r\n0\r\n\r\n",
        "transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding\r\n: chunked\r\n\r\n0\r\n\r\n",
        "x: a\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "x: a\rtransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "x: a\0b\r\n\r\n",
        "x y: a\r\n\r\n",
        ": a\r\n\r\n",
    ] {
        let mut visitor = scene.visitor().await;
        visitor.say(post(bad) + &smuggled).await;
        assert_eq!(visitor.head().await.second(), "400", "{bad:?}");
        let rest = visitor.rest().await;
        assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1"), "one answer, then the end: {bad:?}");
    }
    for line in [
        "GET / HTTP/1.1 x",
        "GET  / HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET / HTTP/2.0",
        "GET / http/1.1",
        "G\0T / HTTP/1.1",
        "/ HTTP/1.1",
        "GET",
        "\u{16}\u{3}\u{1}",
    ] {
        let mut visitor = scene.visitor().await;
        visitor.say(format!("{line}\r\nhost: {APP}\r\n\r\n{smuggled}")).await;
        visitor.end().await;
        let came = String::from_utf8_lossy(&visitor.rest().await).into_owned();
        assert!(
            came.is_empty() || came.starts_with("HTTP/1.1 400") || came.starts_with("HTTP/1.1 505"),
            "{line:?}: {came}"
        );
    }
    // Chunks that are none break the request off, wherever they stand.
    for bad in [
        "x\r\n",
        "-1\r\n",
        "1\r\nab\r\n",
        "1 1\r\na\r\n",
        "0x1\r\na\r\n",
        "1\n\na\r\n",
        "fffffffffffffffff\r\n",
    ] {
        let mut visitor = scene.visitor().await;
        visitor.say(post("transfer-encoding: chunked\r\n\r\n") + bad + "0\r\n\r\n" + &smuggled).await;
        visitor.rest().await;
        let mut next = scene.visitor().await;
        next.say(get("/next")).await;
        // Of the request that broke off something may be seen, but not its end.
        loop {
            let mut local = scene.local.accept().await;
            match local.head_or_end().await {
                Some(head) if head.second() == "/next" => break,
                Some(head) => {
                    assert_eq!(head.line, "POST / HTTP/1.1");
                    let seen = String::from_utf8_lossy(&local.rest().await).into_owned();
                    assert!(!seen.ends_with("0\r\n\r\n") && !seen.contains("smuggled"), "{bad:?}: {seen:?}");
                }
                None => {}
            }
        }
    }
    // The first that anybody sees after all that.
    scene.works().await;
}

/// Read by its chunks, and nothing is read after it (RFC 9112, section 6.1).
async fn a_request_with_both_lengths_smuggles_nothing(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let (length, chunks) = ("content-length: 5\r\n", "transfer-encoding: chunked\r\n");
    for framing in [format!("{length}{chunks}"), format!("{chunks}{length}")] {
        let smuggled = format!("GET /smuggled HTTP/1.1\r\nhost: {APP}\r\n\r\n");
        let (mut visitor, mut local) =
            scene.visit(ask("POST", "/", &framing) + "0\r\n\r\n" + &smuggled).await;
        let asked = local.head().await;
        assert_eq!((asked.one("content-length"), asked.one("transfer-encoding")), ("", "chunked"));
        assert_eq!(local.chunk().await, b"");
        local.say(OK).await;
        visitor.head().await;
        assert_eq!(visitor.rest().await, b"");
        assert_eq!(local.rest().await, b"\r\n", "the end of the chunks, and no second request");
    }
    // A local server that does the same is not believed either.
    let both = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 Smuggled\r\n\r\n";
    let (_, mut visitor) = scene.trade(ask("GET", "/", "connection: close\r\n"), both).await;
    let head = visitor.head().await;
    assert_eq!((head.one("content-length"), head.one("transfer-encoding")), ("", "chunked"));
    assert_eq!(visitor.chunk().await, b"");
    assert!(!String::from_utf8_lossy(&visitor.rest().await).contains("Smuggled"));
}

/// A request of HTTP/2, written by hand: what no library lets one send. `fields`
/// follow the four of a GET.
fn http_2(path: &[u8], authority: &[u8], fields: &[(&[u8], &[u8])], ended: bool) -> Vec<u8> {
    fn text(bytes: &[u8]) -> Vec<u8> {
        assert!(bytes.len() < 127);
        [&[bytes.len() as u8], bytes].concat()
    }
    // Of the static table: GET, http, and the names of path and authority.
    let mut block = vec![0x82, 0x86, 0x04];
    block.extend(text(path));
    block.push(0x01);
    block.extend(text(authority));
    for (name, value) in fields {
        block.push(0);
        block.extend(text(name));
        block.extend(text(value));
    }
    let end_stream = u8::from(ended);
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    bytes.extend(&(block.len() as u32).to_be_bytes()[1..]);
    bytes.extend([1, 4 | end_stream, 0, 0, 0, 1]);
    bytes.extend(block);
    bytes
}

/// What HTTP/2 carries in one field cannot become two lines of HTTP/1.1.
async fn nothing_smuggled_through_http_2(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let app = APP.as_bytes();
    let one = |name: &'static [u8], value: &'static [u8]| http_2(b"/", app, &[(name, value)], true);
    let split: &[u8] = b"a\r\ntransfer-encoding: chunked\r\n\r\nGET /smuggled HTTP/1.1";
    let lengths: [(&[u8], &[u8]); 2] = [(b"content-length", b"3"), (b"content-length", b"4")];
    for (what, bytes) in [
        ("a value of two lines", one(b"x", split)),
        ("a value with a bare LF", one(b"x", b"a\ntransfer-encoding: chunked")),
        ("a value with a NUL", one(b"x", b"a\0b")),
        ("a name of two lines", one(b"x: y\r\ntransfer-encoding", b"chunked")),
        ("a name with a colon", one(b"transfer-encoding:chunked", b"x")),
        ("a name in capitals", one(b"Transfer-Encoding", b"chunked")),
        ("an empty name", one(b"", b"x")),
        ("a coding", one(b"transfer-encoding", b"chunked")),
        ("a connection's own", one(b"connection", b"close")),
        ("an upgrade", one(b"upgrade", b"websocket")),
        ("another coding than trailers", one(b"te", b"gzip")),
        ("a second method", one(b":method", b"POST")),
        ("a pseudo field that is unknown", one(b":evil", b"x")),
        ("a pseudo field after others", http_2(b"/", app, &[(b"x", b"y"), (b":path", b"/")], true)),
        ("a length of what does not come", one(b"content-length", b"5")),
        ("two lengths", http_2(b"/", app, &lengths, false)),
        ("another host", one(b"host", b"other.tunnels.test")),
        ("a path of two lines", http_2(b"/ HTTP/1.1\r\nhost: x\r\n\r\n", app, &[], true)),
        ("a path with a space", http_2(b"/a b", app, &[], true)),
        ("no path", http_2(b"", app, &[], true)),
        ("a path that is none", http_2(b"smuggled", app, &[], true)),
        ("an authority of two lines", http_2(b"/", b"app.tunnels.test\r\nx: y", &[], true)),
        ("a user in the authority", http_2(b"/", b"a@app.tunnels.test", &[], true)),
    ] {
        let mut visitor = scene.visitor().await;
        visitor.say(bytes).await;
        visitor.end().await;
        assert!(!visitor.rest().await.is_empty(), "{what}: settings and a refusal");
    }
    // The first that anybody sees after all that.
    scene.works().await;
}

async fn forged_headers_are_overwritten(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let forged = "x-forwarded-for: 1.2.3.4\r\nx-forwarded-proto: https\r\nx-forwarded-host: bank.example\r\n\
                  x-forwarded-port: 1\r\nx-forwarded-prefix: /evil\r\nx-forwarded-server: evil\r\nforwarded: for=1.2.3.4\r\n\
                  x-real-ip: 1.2.3.4\r\nx-postern-tunnel: other\r\nx-postern-request-id: mine\r\npostern-kind: canary\r\n\
                  webhook-id: evt_1\r\nconnection: x-postern-tunnel, x-forwarded-for\r\nvia: 1.0 fred\r\n";
    let answer = "HTTP/1.1 200 OK\r\nx-postern-error: tunnel.offline\r\nx-postern-tunnel: x\r\nserver: mine\r\ncontent-length: 0\r\n\r\n";
    let (asked, mut visitor) = scene.trade(ask("GET", "/", forged), answer).await;
    for (name, value) in [
        ("host", format!("localhost:{}", scene.local.port).as_str()),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", APP),
        ("x-forwarded-port", "80"),
        ("x-forwarded-prefix", ""),
        ("x-forwarded-server", ""),
        ("forwarded", ""),
        ("x-real-ip", ""),
        ("x-postern-tunnel", ""),
        ("postern-kind", ""),
        ("webhook-id", "evt_1"),
    ] {
        assert_eq!(asked.one(name), value, "{name}");
    }
    assert_eq!(asked.one("x-postern-request-id").len(), 16);
    assert_eq!(asked.all("via"), [b"1.0 fred".as_slice(), b"1.1 postern"]);
    let head = visitor.head().await;
    assert_eq!(
        (head.one("x-postern-error"), head.one("x-postern-tunnel"), head.one("server")),
        ("", "", "mine")
    );
}

async fn slow_heads_hold_up_nobody(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let mut slow = Vec::new();
    for begun in ["", "G", "PRI * HTT", "GET / HTTP/1.1\r\nhost: app.tunn"].iter().cycle().take(200) {
        let mut visitor = scene.visitor().await;
        visitor.say(begun).await;
        slow.push(visitor);
    }
    scene.works().await;
}
