//! WebSockets, case by case as Autobahn's suite has them (its numbers in the
//! tables), and each twice: to a WebSocket server directly, and through the
//! tunnel to the same one. Of either the visitor gets the same bytes to the end.
//! (The suite itself, `autobahntestsuite` 25.10.1, is written for Python 2: with
//! Python 3 it installs, and does not start.)

use crate::on_both_carriers;
use crate::scene::{APP, Carrier, Scene, Wire, ask};
use crate::streams::UPGRADE;
use axum::body::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::{WebSocketStream, accept_async};

on_both_carriers! {
    messages_of_all_sizes
    pings_and_pongs
    reserved_bits
    reserved_opcodes
    fragments
    text_that_is_utf_8_and_text_that_is_not
    closing
    large_messages_in_any_pieces
    what_both_ends_agree_on_is_theirs
    many_at_once
    over_http_2_beside_other_requests
    over_http_2_refused
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FIN: u8 = 0x80;

/// A frame; of a client it is masked.
fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    let mask = if masked { 0x80 } else { 0 };
    match payload.len() {
        len @ 0..=125 => bytes.push(mask | len as u8),
        len @ 126..=0xffff => {
            bytes.push(mask | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(mask | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    if masked {
        bytes.extend(KEY);
        bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        bytes.extend(payload);
    }
    bytes
}

/// What a visitor sends, and in which pieces.
struct Case {
    number: String,
    bytes: Vec<u8>,
    /// How many bytes are written at once.
    piece: usize,
    /// What comes back: frames, the last one a close, of which the code counts.
    back: Vec<(u8, Vec<u8>)>,
}

/// One that ends as it should, with these frames of the client's before its
/// close.
fn good(number: impl ToString, frames: &[(u8, &[u8])], back: &[(u8, &[u8])]) -> Case {
    let normal = 1000_u16.to_be_bytes();
    ends(number, &[frames, &[(FIN | CLOSE, &normal)]].concat(), back, 1000)
}

/// One after which the server closes with `code`.
fn ends(number: impl ToString, frames: &[(u8, &[u8])], back: &[(u8, &[u8])], code: u16) -> Case {
    let bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(*first, payload, true)).collect();
    let mut back: Vec<_> = back.iter().map(|(first, payload)| (*first, payload.to_vec())).collect();
    back.push((FIN | CLOSE, if code == 0 { Vec::new() } else { code.to_be_bytes().to_vec() }));
    Case { number: number.to_string(), piece: usize::MAX, bytes, back }
}

impl Case {
    fn in_pieces(self, piece: usize) -> Self {
        Self { piece, ..self }
    }
}

/// A WebSocket server that sends messages back, and says by a code what was
/// wrong with one.
async fn serve(stream: TcpStream) {
    let Ok(mut socket) = accept_async(stream).await else { return };
    let code = loop {
        match socket.next().await {
            Some(Ok(message)) if message.is_text() || message.is_binary() => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Some(Ok(_)) => {}
            Some(Err(Error::Utf8(_))) => break Some(CloseCode::Invalid),
            Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. }))) => break Some(CloseCode::Size),
            Some(Err(Error::Protocol(_))) => break Some(CloseCode::Protocol),
            Some(Err(_)) | None => break None,
        }
    };
    if let Some(code) = code {
        let _ = socket.close(Some(CloseFrame { code, reason: "".into() })).await;
    }
    let _ = socket.flush().await;
    end(socket).await;
}

/// Closes in order: what the other end still sends is read, or it might lose
/// what it has not read yet.
async fn end(socket: WebSocketStream<TcpStream>) {
    let mut stream = socket.into_inner();
    let _ = stream.shutdown().await;
    while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
}

/// All that a visitor gets who opens a WebSocket at `to` and sends what the case
/// has.
async fn visit(to: SocketAddr, case: &Case) -> Vec<u8> {
    let mut visitor = Wire::to(to).await;
    visitor.say(ask("GET", "/chat", UPGRADE)).await;
    let head = visitor.head().await;
    assert_eq!((head.second(), head.one("sec-websocket-accept")), ("101", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let (mut reader, mut writer) = tokio::io::split(visitor.0);
    let send = async {
        for piece in case.bytes.chunks(case.piece.min(case.bytes.len().max(1))) {
            // The server may have heard enough.
            if writer.write_all(piece).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    };
    let mut came = Vec::new();
    let receive = postern_testkit::within("the end of the WebSocket", reader.read_to_end(&mut came));
    let ((), ended) = tokio::join!(send, receive);
    assert!(ended.is_ok(), "{}: {ended:?}", case.number);
    came
}

/// The frames of a server.
fn read(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, len, rest @ ..] = bytes {
        let (len, rest) = match len {
            126 => (u16::from_be_bytes([rest[0], rest[1]]).into(), &rest[2..]),
            127 => (usize::from_be_bytes(rest[..8].try_into().expect("eight bytes")), &rest[8..]),
            len => ((*len).into(), rest),
        };
        frames.push((*first, rest[..len].to_vec()));
        bytes = &rest[len..];
    }
    frames
}

async fn run(carrier: Carrier, cases: Vec<Case>) {
    let scene = Scene::of(carrier).await;
    let direct = SocketAddr::from(([127, 0, 0, 1], scene.local.port));
    let server = async {
        loop {
            let local = scene.local.accept().await;
            tokio::spawn(serve(local.into_inner()));
        }
    };
    let visitors = async {
        for case in cases {
            let expected = visit(direct, &case).await;
            let came = visit(scene.proxy.address(), &case).await;
            assert!(
                came == expected,
                "{}: {} bytes through the tunnel, {} directly",
                case.number,
                came.len(),
                expected.len()
            );
            let mut frames = read(&came);
            if let Some((_, last)) = frames.last_mut() {
                last.truncate(2);
            }
            assert!(frames == case.back, "{}: {:?}", case.number, frames.last());
        }
    };
    tokio::select! {
        () = visitors => {}
        () = server => {}
    }
}

async fn messages_of_all_sizes(carrier: Carrier) {
    let mut cases = Vec::new();
    for (chapter, kind, byte) in [("1.1", TEXT, b'*'), ("1.2", BINARY, 0xfe)] {
        for (n, len) in [0, 125, 126, 127, 128, 65_535, 65_536, 65_536].into_iter().enumerate() {
            let message = vec![byte; len];
            let message = (FIN | kind, message.as_slice());
            let piece = if n == 7 { 997 } else { usize::MAX };
            cases.push(good(format!("{chapter}.{}", n + 1), &[message], &[message]).in_pieces(piece));
        }
    }
    run(carrier, cases).await;
}

async fn pings_and_pongs(carrier: Carrier) {
    let (ping, pong) = (FIN | PING, FIN | PONG);
    let binary: &[u8] = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff";
    let (long, longer) = ([0xfe; 125], [0xfe; 126]);
    let mut cases = vec![
        good("2.1", &[(ping, b"")], &[(pong, b"")]),
        good("2.2", &[(ping, b"Hello, world!")], &[(pong, b"Hello, world!")]),
        good("2.3", &[(ping, binary)], &[(pong, binary)]),
        good("2.4", &[(ping, &long)], &[(pong, &long)]),
        ends("2.5", &[(ping, &longer)], &[], 1002),
        good("2.6", &[(ping, &long)], &[(pong, &long)]).in_pieces(1),
        good("2.7", &[(pong, b"")], &[]),
        good("2.8", &[(pong, b"unsolicited")], &[]),
        good("2.9", &[(pong, b"unsolicited"), (ping, b"ping")], &[(pong, b"ping")]),
    ];
    for (number, piece) in [("2.10", usize::MAX), ("2.11", 1)] {
        let payloads: Vec<String> = (0..10).map(|n| format!("payload-{n}")).collect();
        let all = |first| payloads.iter().map(|text| (first, text.as_bytes())).collect::<Vec<_>>();
        cases.push(good(number, &all(ping), &all(pong)).in_pieces(piece));
    }
    run(carrier, cases).await;
}

async fn reserved_bits(carrier: Carrier) {
    let (text, hello): (u8, &[u8]) = (FIN | TEXT, b"Hello, world!");
    let cases = vec![
        ends("3.1", &[(text | 0x10, hello)], &[], 1002),
        ends("3.2", &[(text, hello), (text | 0x20, hello), (FIN | PING, b"")], &[(text, hello)], 1002),
        ends("3.3", &[(text, hello), (text | 0x30, hello), (FIN | PING, b"")], &[(text, hello)], 1002),
        ends("3.4", &[(text, hello), (text | 0x40, hello), (FIN | PING, b"")], &[(text, hello)], 1002)
            .in_pieces(1),
        ends("3.5", &[(FIN | BINARY | 0x50, hello)], &[], 1002),
        ends("3.6", &[(FIN | PING | 0x60, hello)], &[], 1002),
        ends("3.7", &[(FIN | CLOSE | 0x70, b"")], &[], 1002),
    ];
    run(carrier, cases).await;
}

async fn reserved_opcodes(carrier: Carrier) {
    let hello: &[u8] = b"Hello, world!";
    let mut cases = Vec::new();
    for (chapter, opcodes) in [("4.1", 3..=7), ("4.2", 11..=15)] {
        for (n, opcode) in opcodes.enumerate() {
            let payload = if n == 0 { b"".as_slice() } else { hello };
            let number = format!("{chapter}.{}", n + 1);
            let frames = [(FIN | TEXT, hello), (FIN | opcode, payload), (FIN | PING, b"".as_slice())];
            let piece = if n >= 3 { 1 } else { usize::MAX };
            cases.push(ends(number, &frames, &[(FIN | TEXT, hello)], 1002).in_pieces(piece));
        }
    }
    run(carrier, cases).await;
}

async fn fragments(carrier: Carrier) {
    let (one, two): (&[u8], &[u8]) = (b"fragment1", b"fragment2");
    let (ping, pong, text) = (FIN | PING, FIN | PONG, FIN | TEXT);
    let whole = (text, b"fragment1fragment2".as_slice());
    let (begun, done) = ((TEXT, one), (FIN, two));
    let (ping_here, pong_here) = ((ping, b"ping".as_slice()), (pong, b"ping".as_slice()));
    let five: Vec<(u8, &[u8])> = vec![
        (TEXT, b"fragment1"),
        (CONTINUATION, b"fragment2"),
        (ping, b"pongme 1"),
        (CONTINUATION, b"fragment3"),
        (CONTINUATION, b"fragment4"),
        (ping, b"pongme 2"),
        (FIN, b"fragment5"),
    ];
    let of_five: Vec<(u8, &[u8])> = vec![
        (pong, b"pongme 1"),
        (pong, b"pongme 2"),
        (text, b"fragment1fragment2fragment3fragment4fragment5"),
    ];
    let mut cases = vec![
        ends("5.1", &[(PING, one), (FIN, two)], &[], 1002),
        ends("5.2", &[(PONG, one), (FIN, two)], &[], 1002),
        good("5.3", &[begun, done], &[whole]),
        good("5.4", &[begun, done], &[whole]).in_pieces(10),
        good("5.5", &[begun, done], &[whole]).in_pieces(1),
        good("5.6", &[begun, ping_here, done], &[pong_here, whole]),
        good("5.7", &[begun, ping_here, done], &[pong_here, whole]).in_pieces(10),
        good("5.8", &[begun, ping_here, done], &[pong_here, whole]).in_pieces(1),
    ];
    for (number, first) in [("5.9", FIN), ("5.12", CONTINUATION)] {
        for (n, piece) in [usize::MAX, 10, 1].into_iter().enumerate() {
            let frames = [(first, b"non-continuation".as_slice()), (text, b"Hello, world!")];
            cases.push(ends(format!("{number}+{n}"), &frames, &[], 1002).in_pieces(piece));
        }
    }
    cases.push(ends(
        "5.15",
        &[begun, done, (CONTINUATION, b"fragment3"), (text, b"fragment4")],
        &[whole],
        1002,
    ));
    for (number, opcode) in [("5.16", CONTINUATION), ("5.17", FIN)] {
        cases.push(ends(number, &[(opcode, one), begun, done], &[], 1002));
    }
    cases.push(ends("5.18", &[begun, (text, two)], &[], 1002));
    cases.push(good("5.19", &five, &of_five));
    cases.push(good("5.20", &five, &of_five).in_pieces(1));
    run(carrier, cases).await;
}

async fn text_that_is_utf_8_and_text_that_is_not(carrier: Carrier) {
    let greek = "Hello-µ@ßöäüàá-UTF-8!!κόσμε".as_bytes();
    let text = FIN | TEXT;
    let mut cases = vec![
        good("6.1.1", &[(text, b"")], &[(text, b"")]),
        good("6.1.2", &[(TEXT, b""), (CONTINUATION, b""), (FIN, b"")], &[(text, b"")]),
        good(
            "6.1.3",
            &[(TEXT, b""), (CONTINUATION, b"middle frame payload"), (FIN, b"")],
            &[(text, b"middle frame payload")],
        ),
        good("6.2.1", &[(text, greek)], &[(text, greek)]),
        // In the middle of a character.
        good("6.2.2", &[(TEXT, &greek[..7]), (FIN, &greek[7..])], &[(text, greek)]),
    ];
    let bytewise: Vec<(u8, &[u8])> = greek
        .iter()
        .enumerate()
        .map(|(n, byte)| {
            (
                match n {
                    0 => TEXT,
                    n if n + 1 == greek.len() => FIN,
                    _ => CONTINUATION,
                },
                std::slice::from_ref(byte),
            )
        })
        .collect();
    cases.push(good("6.2.3", &bytewise, &[(text, greek)]));
    cases.push(good("6.2.4", &[(text, greek)], &[(text, greek)]).in_pieces(1));
    let broken: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";
    cases.push(ends("6.3.1", &[(text, broken)], &[], 1007));
    let bytewise: Vec<(u8, &[u8])> = broken
        .iter()
        .enumerate()
        .map(|(n, byte)| {
            (
                match n {
                    0 => TEXT,
                    n if n + 1 == broken.len() => FIN,
                    _ => CONTINUATION,
                },
                std::slice::from_ref(byte),
            )
        })
        .collect();
    cases.push(ends("6.3.2", &bytewise, &[], 1007));
    cases.push(ends(
        "6.4.1",
        &[(TEXT, &broken[..11]), (CONTINUATION, b"\xf4\x90\x80\x80"), (FIN, b"edited")],
        &[],
        1007,
    ));
    cases.push(ends(
        "6.4.2",
        &[(TEXT, b"\xce\xba\xe1\xbd\xb9\xf4"), (CONTINUATION, b"\x90"), (FIN, b"\x80\x80")],
        &[],
        1007,
    ));
    cases.push(ends("6.4.3", &[(text, b"\xce\xba\xf4\x90\x80\x80edited")], &[], 1007).in_pieces(13));
    cases.push(ends("6.4.4", &[(text, b"\xce\xba\xf4\x90\x80\x80edited")], &[], 1007).in_pieces(1));
    let valid: [&[u8]; 28] = [
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
        b"\x00",
        b"\xc2\x80",
        b"\xe0\xa0\x80",
        b"\xf0\x90\x80\x80",
        b"\x7f",
        b"\xdf\xbf",
        b"\xef\xbf\xbf",
        b"\xf4\x8f\xbf\xbf",
        b"\xed\x9f\xbf",
        b"\xee\x80\x80",
        b"\xef\xbf\xbd",
        b"\xef\xbf\xbe",
        b"\xef\xbb\xbf",
        b"\xf0\x9f\xbf\xbe",
        b"\xf0\x9f\xbf\xbf",
        b"\xf0\xaf\xbf\xbe",
        b"\xf0\xaf\xbf\xbf",
        b"\xf0\xbf\xbf\xbe",
        b"\xf1\x8f\xbf\xbf",
        b"\xf1\x9f\xbf\xbe",
        b"\xf1\xaf\xbf\xbf",
        b"\xf1\xbf\xbf\xbe",
        b"\xf2\x8f\xbf\xbf",
        b"\xf2\xbf\xbf\xbe",
        b"\xf3\x8f\xbf\xbf",
        b"\xf3\xbf\xbf\xbf",
        b"\xf4\x8f\xbf\xbe",
    ];
    for (n, bytes) in valid.iter().enumerate() {
        cases.push(good(format!("6.5-6.9, 6.22-6.23, valid {n}"), &[(text, bytes)], &[(text, bytes)]));
    }
    let invalid: [&[u8]; 42] = [
        b"\x80",
        b"\xbf",
        b"\x80\xbf",
        b"\x80\xbf\x80",
        b"\x80\xbf\x80\xbf",
        b"\x80\xbf\x80\xbf\x80\xbf",
        b"\xc0 \xc1 \xc2 \xdf ",
        b"\xe0 \xe1 \xef ",
        b"\xf0 \xf1 \xf7 ",
        b"\xf8 \xfb ",
        b"\xfc \xfd ",
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xf8\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfb\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf",
        b"\xfe",
        b"\xff",
        b"\xfe\xfe\xff\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xf8\x80\x80\x80\xaf",
        b"\xfc\x80\x80\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf8\x87\xbf\xbf\xbf",
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xed\xad\xbf",
        b"\xed\xae\x80",
        b"\xed\xbf\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xed\xaf\xbf\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
    ];
    for (n, bytes) in invalid.iter().enumerate() {
        cases.push(ends(format!("6.10-6.21, invalid {n}"), &[(text, bytes)], &[], 1007));
    }
    run(carrier, cases).await;
}

async fn closing(carrier: Carrier) {
    let (text, close, hello): (u8, u8, &[u8]) = (FIN | TEXT, FIN | CLOSE, b"Hello World!");
    let with = |code: u16, reason: &[u8]| [&code.to_be_bytes(), reason].concat();
    let normal = with(1000, b"");
    let (full, too_long) = (with(1000, &[b'*'; 123]), with(1000, &[b'*'; 124]));
    let mut cases = vec![
        good("7.1.1", &[(text, hello)], &[(text, hello)]),
        ends("7.1.2", &[(close, &normal), (close, &normal)], &[], 1000),
        ends("7.1.3", &[(close, &normal), (FIN | PING, b"")], &[], 1000),
        ends("7.1.4", &[(close, &normal), (text, hello)], &[], 1000),
        ends("7.1.5", &[(TEXT, b"fragment1"), (close, &normal), (FIN, b"fragment2")], &[], 1000),
        good(
            "7.1.6",
            &[(text, &[b'*'; 256 << 10]), (text, hello)],
            &[(text, &[b'*'; 256 << 10]), (text, hello)],
        ),
        ends("7.3.1", &[(close, b"")], &[], 0),
        ends("7.3.2", &[(close, b"a")], &[], 1002),
        ends("7.3.3", &[(close, &normal)], &[], 1000),
        ends("7.3.4", &[(close, &with(1000, b"Hello World!"))], &[], 1000),
        ends("7.3.5", &[(close, &full)], &[], 1000),
        ends("7.3.6", &[(close, &too_long)], &[], 1002),
        ends("7.5.1", &[(close, &with(1000, b"\xce\xba\xed\xa0\x80edited"))], &[], 1007),
    ];
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        cases.push(ends(format!("7.7.X {code}"), &[(close, &with(code, b""))], &[], code));
    }
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999] {
        cases.push(ends(format!("7.9.X {code}"), &[(close, &with(code, b""))], &[], 1002));
    }
    run(carrier, cases).await;
}

async fn large_messages_in_any_pieces(carrier: Carrier) {
    let mut cases = Vec::new();
    for (chapter, kind) in [("9.1", TEXT), ("9.2", BINARY)] {
        for (n, len) in [64 << 10, 256 << 10, 1 << 20, 4 << 20].into_iter().enumerate() {
            let message = vec![b'*'; len];
            let message = (FIN | kind, message.as_slice());
            cases.push(good(format!("{chapter}.{}", n + 1), &[message], &[message]));
        }
    }
    for (chapter, kind) in [("9.3", TEXT), ("9.4", BINARY)] {
        let whole = vec![b'*'; 1 << 20];
        for fragment in [256, 4 << 10, 64 << 10, 1 << 20] {
            let count = whole.len() / fragment;
            let frames: Vec<(u8, &[u8])> = whole
                .chunks(fragment)
                .enumerate()
                .map(|(n, piece)| {
                    (if n == 0 { kind } else { 0 } | if n + 1 == count { FIN } else { 0 }, piece)
                })
                .collect();
            cases.push(good(format!("{chapter} {fragment}"), &frames, &[(FIN | kind, &whole)]));
        }
    }
    for (chapter, kind) in [("9.5", TEXT), ("9.6", BINARY)] {
        let message = vec![b'*'; 1 << 20];
        for piece in [256, 1_024, 64 << 10] {
            let message = (FIN | kind, message.as_slice());
            cases.push(good(format!("{chapter} {piece}"), &[message], &[message]).in_pieces(piece));
        }
    }
    for (chapter, kind) in [("9.7", TEXT), ("9.8", BINARY)] {
        for len in [0, 64, 1_024] {
            let message = vec![b'*'; len];
            let all = vec![(FIN | kind, message.as_slice()); 1_000];
            cases.push(good(format!("{chapter} {len}"), &all, &all));
        }
    }
    let whole = vec![b'*'; 65_536];
    let frames: Vec<(u8, &[u8])> = whole
        .chunks(1_300)
        .enumerate()
        .map(|(n, piece)| (if n == 0 { TEXT } else { 0 } | if n == 50 { FIN } else { 0 }, piece))
        .collect();
    cases.push(good("10.1.1", &frames, &[(FIN | TEXT, &whole)]));
    run(carrier, cases).await;
}

/// Extensions and subprotocols: offered and chosen by the ends, frames with the
/// bits of an extension included (chapters 12 and 13).
async fn what_both_ends_agree_on_is_theirs(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let offers = "sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n\
                  sec-websocket-protocol: chat.v2, chat.v1\r\norigin: https://other.example\r\n";
    let (mut visitor, mut local) =
        scene.visit(ask("GET", "/chat?room=1", &format!("{UPGRADE}{offers}"))).await;
    let asked = local.head().await;
    assert_eq!(asked.line, "GET /chat?room=1 HTTP/1.1");
    assert_eq!(asked.one("sec-websocket-extensions"), "permessage-deflate; client_max_window_bits");
    assert_eq!(asked.one("sec-websocket-protocol"), "chat.v2, chat.v1");
    assert_eq!(asked.one("sec-websocket-key"), "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!((asked.one("origin"), asked.one("sec-websocket-version")), ("https://other.example", "13"));
    local
        .say(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: chat.v1\r\n\
             sec-websocket-extensions: permessage-deflate\r\nset-cookie: a=1\r\n\r\n",
        )
        .await;
    let head = visitor.head().await;
    for (name, value) in [
        ("sec-websocket-protocol", "chat.v1"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("set-cookie", "a=1"),
    ] {
        assert_eq!(head.one(name), value);
    }
    // Compressed or not, and whatever else they may come to speak.
    let noise: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let (sent, deflated) = (frame(FIN | TEXT | 0x40, &noise, true), frame(FIN | TEXT | 0x40, &noise, false));
    let ((), came) = tokio::join!(visitor.say(&sent), local.read(sent.len()));
    assert!(came == sent);
    let ((), came) = tokio::join!(local.say(&deflated), visitor.read(deflated.len()));
    assert!(came == deflated);
    // What was said along with the end of a handshake is not lost, and neither
    // half's end is the other's.
    visitor.end().await;
    assert_eq!(local.rest().await, b"");
    local.say("still here").await;
    assert_eq!(visitor.read(10).await, b"still here");
    drop(local);
    assert_eq!(visitor.rest().await, b"");
}

/// `POSTERN_WEBSOCKETS` on one tunnel, all open at once; `make soak` has a
/// thousand.
async fn many_at_once(carrier: Carrier) {
    let many = postern_testkit::setting("POSTERN_WEBSOCKETS", 100);
    let scene = Scene::of(carrier).await;
    let mut open = Vec::new();
    for _ in 0..many {
        let (mut visitor, mut local) = scene.visit(ask("GET", "/chat", UPGRADE)).await;
        local.head().await;
        local.say("HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").await;
        assert_eq!(visitor.head().await.second(), "101");
        open.push((visitor, local));
    }
    for round in 0..3 {
        for (n, (visitor, local)) in open.iter_mut().enumerate() {
            let (there, back) = (format!("{round} to {n:4}"), format!("{round} of {n:4}"));
            visitor.say(&there).await;
            local.say(&back).await;
            assert_eq!(local.read(there.len()).await, there.into_bytes());
            assert_eq!(visitor.read(back.len()).await, back.into_bytes());
        }
    }
    for (n, (visitor, mut local)) in open.into_iter().enumerate() {
        if n % 2 == 0 {
            visitor.reset()
        } else {
            drop(visitor)
        }
        assert_eq!(local.rest().await, b"");
    }
    scene.works().await;
}

/// A visitor's connection over HTTP/2, on which one request was answered: by
/// then it knows that WebSockets are to be had.
async fn http_2(scene: &Scene) -> SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(scene.proxy.address()).await.expect("the proxy listens");
    let (mut visitor, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2 is spoken");
    tokio::spawn(connection);
    let request = Request::get(format!("http://{APP}/")).body(Empty::new()).expect("a request");
    let answer = async {
        let mut local = scene.local.accept().await;
        local.head().await;
        local.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    };
    let ((), answer) = tokio::join!(answer, visitor.send_request(request));
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
    visitor
}

/// An extended CONNECT of RFC 8441.
fn connect(protocol: &'static str, version: &str) -> Request<Empty<Bytes>> {
    let request = Request::connect(format!("http://{APP}/chat?room=1"))
        .extension(Protocol::from_static(protocol))
        .header("sec-websocket-version", version)
        .header("sec-websocket-protocol", "chat.v2, chat.v1")
        .header("origin", "https://other.example");
    request.body(Empty::new()).expect("a request")
}

async fn over_http_2_beside_other_requests(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let mut visitor = http_2(&scene).await;
    let server = async {
        let mut local = scene.local.accept().await;
        let asked = local.head().await;
        assert_eq!(asked.line, "GET /chat?room=1 HTTP/1.1");
        assert_eq!((asked.one("upgrade"), asked.one("connection")), ("websocket", "Upgrade"));
        assert_eq!(asked.one("sec-websocket-protocol"), "chat.v2, chat.v1");
        assert_eq!(
            (asked.one("origin"), asked.one("sec-websocket-version")),
            ("https://other.example", "13")
        );
        let accept = derive_accept_key(asked.one("sec-websocket-key").as_bytes());
        let yes = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-protocol: chat.v1\r\nset-cookie: a=1\r\n";
        local.say(format!("{yes}sec-websocket-accept: {accept}\r\n\r\n")).await;
        local
    };
    let (mut local, answer) = tokio::join!(server, visitor.send_request(connect("websocket", "13")));
    let answer = answer.expect("an answer");
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat.v1");
    assert_eq!(answer.headers()["set-cookie"], "a=1");
    for name in ["sec-websocket-accept", "upgrade", "connection"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
    let upgraded = hyper::upgrade::on(answer).await.expect("a WebSocket");
    let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
    // More than fits on its way, both ways.
    let noise: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    let ask = async {
        writer.write_all(&noise).await.expect("the visitor's bytes go");
        writer.flush().await.expect("they do");
    };
    let ((), came) = tokio::join!(ask, local.read(noise.len()));
    assert!(came == noise);
    let mut back = vec![0; noise.len()];
    let ((), read) = tokio::join!(local.say(&noise), reader.read_exact(&mut back));
    assert!(read.is_ok() && back == noise);
    // Neither half's end is the other's.
    writer.shutdown().await.expect("the visitor's end");
    assert_eq!(local.rest().await, b"");
    local.say("still here").await;
    local.end().await;
    let mut rest = Vec::new();
    postern_testkit::within("the end", reader.read_to_end(&mut rest)).await.expect("an end in order");
    assert_eq!(rest, b"still here");
}

async fn over_http_2_refused(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let mut visitor = http_2(&scene).await;
    // By the local server: a 2xx would grant it.
    for (says, status, expected) in [
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 7\r\n\r\nrefused", StatusCode::FORBIDDEN, "refused"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", StatusCode::BAD_GATEWAY, "tunnel.broken"),
    ] {
        let server = async {
            let mut local = scene.local.accept().await;
            local.head().await;
            local.say(says).await;
            local
        };
        let (_local, answer) = tokio::join!(server, visitor.send_request(connect("websocket", "13")));
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), status);
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        assert!(String::from_utf8_lossy(&body).contains(expected), "{body:?}");
    }
    // By the proxy: nobody else hears of it.
    for (protocol, version, status) in [
        ("websocket", "8", StatusCode::BAD_REQUEST),
        ("connect-udp", "13", StatusCode::METHOD_NOT_ALLOWED),
        ("postern-h2", "13", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let answer = visitor.send_request(connect(protocol, version)).await.expect("an answer");
        assert_eq!(answer.status(), status, "{protocol}");
    }
    scene.works().await;
}
