//! Heads, and what has nothing but one.

use crate::on_both_carriers;
use crate::scene::{APP, Carrier, OK, Scene, Wire, ask, get};

on_both_carriers! {
    odd_paths
    unknown_methods
    head_with_a_length
    answers_without_a_body
    cookies_in_their_order
    headers_that_are_there_twice
    bytes_beyond_ascii
    large_headers
    http_1_0
    keep_alive_and_pipelining
    absolute_form
    missing_and_repeated_hosts
    redirects
    early_hints
    connect_is_refused
    whatever_is_of_one_connection
}

async fn odd_paths(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let query = format!("/?{}", "q".repeat(8 << 10));
    for path in [
        "/a%2Fb//c/../d/./e",
        "/%zz",
        "/%",
        "//",
        "//evil.example/",
        "/?",
        "/a?b?c",
        "/;p=1",
        "/~a/'b'(c)*!$&+,=:@",
        "/\u{e9}\u{1f680}",
        "/t/other/x",
        "/..",
        "/a/../../..",
        "/a|b{c}\"",
        &query,
    ] {
        let (asked, mut visitor) = scene.trade(get(path), OK).await;
        assert_eq!(asked.line, format!("GET {path} HTTP/1.1"));
        assert_eq!(visitor.head().await.second(), "200", "{path}");
    }
    let (asked, _) = scene.trade(ask("OPTIONS", "*", ""), OK).await;
    assert_eq!(asked.line, "OPTIONS * HTTP/1.1");
}

async fn unknown_methods(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    for method in ["OPTIONS", "TRACE", "PROPFIND", "BREW", "M-SEARCH", "PATCH", "DELETE", "get", "X"] {
        let (asked, mut visitor) = scene.trade(ask(method, "/", ""), OK).await;
        assert_eq!(asked.line, format!("{method} / HTTP/1.1"));
        assert_eq!(visitor.head().await.second(), "200", "{method}");
    }
}

/// The connection's next request is answered, and nothing stands before that
/// answer.
async fn goes_on(scene: &Scene, visitor: &mut Wire) {
    visitor.say(get("/next")).await;
    let mut local = scene.local.accept().await;
    assert_eq!(local.head().await.line, "GET /next HTTP/1.1");
    local.say("HTTP/1.1 299 Next\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    assert_eq!(visitor.head().await.second(), "299");
}

async fn head_with_a_length(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 12345\r\ncontent-type: text/plain\r\n\r\n";
    let (asked, mut visitor) = scene.trade(ask("HEAD", "/", ""), answer).await;
    assert_eq!(asked.line, "HEAD / HTTP/1.1");
    let head = visitor.head().await;
    assert_eq!((head.one("content-length"), head.one("content-type")), ("12345", "text/plain"));
    goes_on(&scene, &mut visitor).await;
}

async fn answers_without_a_body(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    for answer in [
        "HTTP/1.1 204 No Content\r\nx-kept: 1\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\nx-kept: 1\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 77\r\nx-kept: 1\r\n\r\n",
        "HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\nx-kept: 1\r\n\r\n",
        "HTTP/1.1 599 Odd\r\ncontent-length: 0\r\nx-kept: 1\r\n\r\n",
    ] {
        let (_, mut visitor) = scene.trade(get("/"), answer).await;
        let head = visitor.head().await;
        assert_eq!((head.second(), head.one("x-kept")), (&answer[9..12], "1"), "{answer}");
        assert_eq!(head.one("transfer-encoding"), "");
        goes_on(&scene, &mut visitor).await;
    }
}

async fn cookies_in_their_order(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let answer = "HTTP/1.1 200 OK\r\nset-cookie: a=1; Path=/\r\nx-between: 1\r\nset-cookie: b=2, c\r\n\
                  set-cookie: a=3; HttpOnly\r\ncontent-length: 0\r\n\r\n";
    let (asked, mut visitor) = scene.trade(ask("GET", "/", "cookie: z=1; y=\"2\"; z=3\r\n"), answer).await;
    assert_eq!(asked.one("cookie"), "z=1; y=\"2\"; z=3");
    let cookies: Vec<&[u8]> = vec![b"a=1; Path=/", b"b=2, c", b"a=3; HttpOnly"];
    assert_eq!(visitor.head().await.all("set-cookie"), cookies);
}

async fn headers_that_are_there_twice(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let twice = "x-twice: 1\r\naccept: a\r\nX-Twice: 2\r\nx-empty:\r\nx-twice: 1\r\naccept: b\r\n";
    let (asked, mut visitor) = scene
        .trade(ask("GET", "/", twice), format!("HTTP/1.1 200 OK\r\n{twice}content-length: 0\r\n\r\n"))
        .await;
    for head in [asked, visitor.head().await] {
        assert_eq!(head.all("x-twice"), [b"1", b"2", b"1"]);
        assert_eq!(head.all("accept"), [b"a", b"b"]);
        assert_eq!(head.all("x-empty"), [b""]);
    }
}

async fn bytes_beyond_ascii(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let value: Vec<u8> = (0x80..=0xff).collect();
    let message = |line: &str| [line.as_bytes(), b"x-raw: ", &value, b"\r\nx-tab: a\tb\r\n\r\n"].concat();
    let asks = message(&format!("GET / HTTP/1.1\r\nhost: {APP}\r\n"));
    let (asked, mut visitor) = scene.trade(asks, message("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n")).await;
    for head in [asked, visitor.head().await] {
        assert_eq!((head.all("x-raw"), head.one("x-tab")), (vec![value.as_slice()], "a\tb"));
    }
}

async fn large_headers(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let value = "v".repeat(64 << 10);
    let header = format!("x-large: {value}\r\n");
    let answer = format!("HTTP/1.1 200 OK\r\n{header}content-length: 0\r\n\r\n");
    let (asked, mut visitor) = scene.trade(ask("GET", "/", &header), answer).await;
    assert!(asked.one("x-large") == value && visitor.head().await.one("x-large") == value);
    // A hundred of them are as good as one.
    let many: String = (0..90).map(|n| format!("x-{n}: {}\r\n", "v".repeat(500))).collect();
    let (asked, _) = scene.trade(ask("GET", "/", &many), OK).await;
    assert_eq!(asked.one("x-89").len(), 500);
    let mut visitor = scene.visitor().await;
    visitor.say(ask("GET", "/", &format!("x-large: {}\r\n", "v".repeat(96 << 10)))).await;
    assert_eq!(visitor.head().await.second(), "431");
    scene.works().await;
}

async fn http_1_0(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let old = format!("GET /old HTTP/1.0\r\nhost: {APP}\r\n\r\n");
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let (asked, mut visitor) = scene.trade(&old, chunked).await;
    assert_eq!(asked.line, "GET /old HTTP/1.1");
    let head = visitor.head().await;
    assert_eq!((head.line.as_str(), head.one("transfer-encoding")), ("HTTP/1.0 200 OK", ""));
    assert_eq!(visitor.rest().await, b"abc", "the end of the connection is the end of the body");
    // A local server of that age, which does the same.
    let (_, mut visitor) = scene.trade(get("/"), "HTTP/1.0 200 OK\r\n\r\nuntil the end").await;
    assert_eq!(visitor.head().await.one("transfer-encoding"), "chunked");
    assert_eq!(visitor.chunks(13).await, b"until the end");
    assert_eq!(visitor.chunk().await, b"");
}

async fn keep_alive_and_pipelining(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let one = |n: u8, more: &str| {
        ask("POST", &format!("/{n}"), &format!("{more}content-length: 1\r\n")) + &n.to_string()
    };
    let (mut visitor, mut local) =
        scene.visit([one(1, ""), one(2, ""), one(3, "connection: close\r\n")].concat()).await;
    for n in 1..=3_u8 {
        // The local server's connection is used again.
        assert_eq!(local.head().await.line, format!("POST /{n} HTTP/1.1"));
        assert_eq!(local.read(1).await, n.to_string().into_bytes());
        local.say(format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{n}")).await;
    }
    for n in 1..=3_u8 {
        let head = visitor.head().await;
        assert_eq!(head.one("connection"), if n == 3 { "close" } else { "" });
        assert_eq!(visitor.read(1).await, n.to_string().into_bytes());
    }
    assert_eq!(visitor.rest().await, b"");
}

async fn absolute_form(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    for scheme in ["http", "https"] {
        let (asked, _) = scene.trade(ask("GET", &format!("{scheme}://{APP}/abs?q"), ""), OK).await;
        assert_eq!(asked.line, "GET /abs?q HTTP/1.1");
        assert_eq!(asked.one("x-forwarded-proto"), "http", "what the visitor writes there says nothing");
    }
}

async fn missing_and_repeated_hosts(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    for hosts in
        ["", &format!("host: {APP}\r\nhost: {APP}\r\n"), &format!("host: {APP}, {APP}\r\n"), "host:\r\n"]
    {
        let mut visitor = scene.visitor().await;
        visitor.say(format!("GET /t/app/ HTTP/1.1\r\n{hosts}\r\n")).await;
        assert_eq!(visitor.head().await.second(), "400", "{hosts:?}");
    }
    scene.works().await;
}

async fn redirects(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    for location in ["http://localhost:3000/x?y#z", "/x", "../x", "//other.example/", "?q"] {
        let answer = format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let (_, mut visitor) = scene.trade(get("/"), answer).await;
        assert_eq!(visitor.head().await.one("location"), location);
    }
}

/// They go as far as this machine; the answer is what it would be without.
async fn early_hints(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\nlink: </a.css>; rel=preload\r\ncontent-length: 2\r\n\r\nok";
    let (_, mut visitor) =
        scene.trade(get("/"), [hints, "HTTP/1.1 102 Processing\r\n\r\n", hints, answer].concat()).await;
    let head = visitor.head().await;
    assert_eq!((head.second(), head.one("link")), ("200", "</a.css>; rel=preload"));
    assert_eq!(visitor.read(2).await, b"ok");
    goes_on(&scene, &mut visitor).await;
}

async fn connect_is_refused(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let mut visitor = scene.visitor().await;
    visitor.say(format!("CONNECT {APP}:443 HTTP/1.1\r\nhost: {APP}:443\r\n\r\n")).await;
    assert_eq!(visitor.head().await.second(), "405");
    scene.works().await;
}

async fn whatever_is_of_one_connection(carrier: Carrier) {
    let scene = Scene::of(carrier).await;
    let own = "keep-alive: timeout=5\r\nproxy-connection: keep-alive\r\nx-mine: 1\r\nx-kept: 1\r\n";
    let (asked, mut visitor) = scene
        .trade(
            ask("GET", "/", &format!("connection: X-Mine, keep-alive\r\nupgrade: h2c\r\nte: gzip\r\n{own}")),
            format!("HTTP/1.1 200 OK\r\nconnection: x-mine\r\n{own}content-length: 0\r\n\r\n"),
        )
        .await;
    for head in [asked, visitor.head().await] {
        for name in ["connection", "keep-alive", "proxy-connection", "x-mine", "upgrade", "te"] {
            assert_eq!(head.one(name), "", "{name}: {head:?}");
        }
        assert_eq!(head.one("x-kept"), "1");
    }
}
