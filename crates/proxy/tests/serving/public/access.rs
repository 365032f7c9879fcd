//! Who is let in, how many, and what those see who are not, or whom nobody
//! answers.

use super::stage::{APP, DOMAIN, Stage, full, read, request, told, visit};
use crate::harness::soon;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Response};
use postern_protocol::Provider;
use postern_protocol::signature::github;
use postern_proxy::store::Store;
use serde_json::{Value, json};
use tokio::sync::mpsc;

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn a_password_is_asked_for_and_goes_no_further() {
    let stage = Stage::telling(DOMAIN).await;
    let set = json!({"access": {"kind": "basic", "user": "ada", "password": "correct horse"}});
    let answer = stage.options(set).await;
    assert_eq!(answer.json::<Value>()["options"]["access"], json!({"kind": "basic", "user": "ada"}));
    let none = stage.get("/", &[]).await;
    assert_eq!((none.status.as_u16(), none.header("x-postern-error")), (401, "tunnel.denied"));
    assert_eq!(none.header("www-authenticate"), "Basic realm=\"app\", charset=\"UTF-8\"");
    for wrong in [
        basic("ada", "correct hors"),
        basic("ada", "Correct horse"),
        basic("eve", "correct horse"),
        basic("", ""),
        "Basic !!".into(),
        "Basic".into(),
        "Bearer correct horse".into(),
    ] {
        assert_eq!(stage.get("/", &[("authorization", &wrong)]).await.status, 401, "{wrong}");
    }
    let answer: Value = stage.get("/", &[("authorization", &basic("ada", "correct horse"))]).await.json();
    assert!(told(&answer, "authorization").is_empty(), "{answer}");
    // Left out, it stays.
    stage.set(json!({"access": {"kind": "basic", "user": "bob"}})).await;
    assert_eq!(stage.get("/", &[("authorization", &basic("bob", "correct horse"))]).await.status, 200);
    let list = stage.proxy.get("/v1/tunnels", &stage.proxy.token).await;
    assert!(!String::from_utf8_lossy(&list.body).contains("horse"));
}

#[tokio::test]
async fn a_token_is_asked_for() {
    let stage = Stage::telling(DOMAIN).await;
    stage.set(json!({"access": {"kind": "bearer", "token": "sixteen-letters!"}})).await;
    let none = stage.get("/", &[("authorization", &basic("sixteen-letters!", ""))]).await;
    assert_eq!((none.status.as_u16(), none.header("www-authenticate")), (401, "Bearer realm=\"app\""));
    assert_eq!(stage.get("/", &[("authorization", "bearer sixteen-letters!")]).await.status, 200);
    stage.set(json!({})).await;
    let answer: Value = stage.get("/", &[("authorization", "Bearer the app's own")]).await.json();
    assert_eq!(told(&answer, "authorization"), ["Bearer the app's own"], "without access it is the app's");
}

#[tokio::test]
async fn networks_are_let_in() {
    let settings = "[tunnel]\ndomain = \"tunnels.test\"\ntrusted_proxies = [\"127.0.0.1\"]\n";
    let stage = Stage::telling(settings).await;
    stage.set(json!({"allow": ["192.0.2.0/24", "2001:db8::/32"]})).await;
    for (address, expected) in
        [("192.0.2.7", 200), ("2001:db8::7", 200), ("192.0.3.7", 403), ("192.0.2.7, 198.51.100.1", 403)]
    {
        let answer = stage.get("/", &[("x-forwarded-for", address)]).await;
        assert_eq!(answer.status.as_u16(), expected, "{address}");
    }
    assert_eq!(stage.get("/", &[]).await.error(), "403 tunnel.denied");
}

#[tokio::test]
async fn only_signed_requests_get_through_byte_for_byte() {
    let stage = Stage::telling(DOMAIN).await;
    let source = stage.proxy.make_source(Provider::Github).await;
    stage.set(json!({"onlySigned": "github"})).await;
    let body = b"{\"odd\" :  1}\n";
    let signature = github::sign(&source.secrets[1], body);
    let post = async |signature: &str, body: &[u8]| {
        let headers = [("x-hub-signature-256", signature), ("x-github-event", "push")];
        read(visit(stage.address(), request(Method::POST, "/hook", &headers, full(body.to_vec()))).await)
            .await
    };
    let answer: Value = post(&signature, body).await.json();
    assert_eq!((&answer["body"], &answer["target"]), (&json!("{\"odd\" :  1}\n"), &json!("/hook")));
    assert_eq!(told(&answer, "x-hub-signature-256"), [signature.as_str()]);
    assert_eq!(told(&answer, "content-length"), [body.len().to_string()]);
    assert_eq!(post(&signature, b"{\"odd\":1}").await.error(), "403 tunnel.denied");
    assert_eq!(stage.get("/", &[]).await.error(), "403 tunnel.denied");
    // Without its source nobody gets through.
    stage.proxy.store.remove_source(source.id).await.unwrap();
    assert_eq!(post(&signature, body).await.error(), "403 tunnel.denied");
}

#[tokio::test]
async fn limits_are_kept() {
    let (sender, mut held) = mpsc::unbounded_channel();
    let stage = Stage::with(move |request| {
        let sender = sender.clone();
        async move {
            if request.uri().path() == "/hold" {
                let (chunks, body) = super::stage::written();
                sender.send(chunks).unwrap();
                return Response::new(body);
            }
            Response::new(full("there"))
        }
    })
    .await;
    stage.set(json!({"concurrency": 2})).await;
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers.push(visit(stage.address(), request(Method::GET, "/hold", &[], full(""))).await);
    }
    let refused = stage.get("/", &[]).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"));
    drop(held.recv().await.unwrap());
    assert_eq!(read(answers.remove(0)).await.status, 200);
    soon("room", async { while stage.get("/", &[]).await.status != 200 {} }).await;

    stage.set(json!({"rate": 3})).await;
    // The clock stands still: two seconds' worth, and no more.
    for _ in 0..6 {
        assert_eq!(stage.get("/", &[]).await.status, 200);
    }
    assert_eq!(stage.get("/", &[]).await.status, 429);
    stage.proxy.clock.turn(1_000);
    assert_eq!(stage.get("/", &[]).await.status, 200);
}

/// Nothing moves for too long: no answer, and no more of one.
#[tokio::test]
async fn what_does_not_move_ends() {
    let settings = "[tunnel]\ndomain = \"tunnels.test\"\nidle_timeout = \"100ms\"\n";
    let stage = Stage::of(settings, async |request| {
        if request.uri().path() == "/head" {
            return std::future::pending().await;
        }
        let (chunks, body) = super::stage::written();
        chunks.send(super::stage::data("begun")).await.unwrap();
        tokio::spawn(async move { chunks.closed().await });
        Response::new(body)
    })
    .await;
    assert_eq!(stage.get("/head", &[]).await.error(), "502 tunnel.broken");
    let mut answer = visit(stage.address(), request(Method::GET, "/body", &[], full(""))).await;
    assert_eq!(super::stage::next(answer.body_mut()).await, "begun");
    let end = soon("the end", http_body_util::BodyExt::frame(answer.body_mut())).await;
    assert!(matches!(end, Some(Err(_))), "{end:?}");
}

#[tokio::test]
async fn browsers_see_a_page_and_programs_json() {
    let stage = Stage::with(async |request| match request.uri().path() {
        "/refused" => Response::builder()
            .status(502)
            .header("content-type", "application/json")
            .header("x-postern-error", "target.refused")
            .body(full(
                r#"{"error":{"code":"target.refused","message":"nothing listens on <localhost:3000>"}}"#,
            ))
            .unwrap(),
        // What an application says of itself is its own.
        _ => Response::builder()
            .status(502)
            .header("content-type", "application/json")
            .body(full("{}"))
            .unwrap(),
    })
    .await;
    let page = stage.get("/refused", &[BROWSER]).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (502, "text/html; charset=utf-8"));
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(text.contains("Nothing answers behind this tunnel"), "{text}");
    assert!(text.contains("nothing listens on &lt;localhost:3000&gt;"), "{text}");
    assert!(
        !text.contains("<script") && page.header("content-security-policy").contains("default-src 'none'")
    );
    assert_eq!(stage.get("/refused", &[]).await.error(), "502 target.refused");
    assert_eq!(stage.get("/own", &[BROWSER]).await.body, "{}");

    stage.edge.serve(&[]);
    soon("it to be offline", async {
        while stage.get("/own", &[]).await.header("x-postern-error") != "tunnel.offline" {}
    })
    .await;
    let offline = stage.get("/", &[BROWSER, ("host", APP)]).await;
    assert!(String::from_utf8_lossy(&offline.body).contains("This tunnel is not online"));
    assert_eq!(offline.header("cache-control"), "no-store");
    let unknown = stage.get("/", &[BROWSER, ("host", "nobody.tunnels.test")]).await;
    assert!(String::from_utf8_lossy(&unknown.body).contains("There is no tunnel here"));
}

#[tokio::test]
async fn options_that_cannot_be_are_refused() {
    let stage = Stage::telling(DOMAIN).await;
    let open = stage.proxy.make_source(Provider::None).await;
    let set = |name: &str, value: &str| json!({"requestHeaders": {"set": {name: value}}});
    for bad in [
        json!({"access": {"kind": "basic", "user": "a:b", "password": "long enough"}}),
        json!({"access": {"kind": "basic", "user": "", "password": "long enough"}}),
        json!({"access": {"kind": "basic", "user": "ada", "password": "short"}}),
        json!({"access": {"kind": "basic", "user": "ada"}}),
        json!({"access": {"kind": "bearer", "token": "fifteen-letters"}}),
        json!({"access": {"kind": "bearer", "token": "with a space in it"}}),
        json!({"access": {"kind": "oauth"}}),
        json!({"allow": ["10.0.0.0/33"]}),
        json!({"allow": vec!["10.0.0.0/8"; 101]}),
        json!({"onlySigned": "nobody"}),
        json!({"onlySigned": open.name}),
        json!({"concurrency": 0}),
        json!({"rate": 100_001}),
        json!({"requestHeaders": {"remove": ["content-length"]}}),
        json!({"responseHeaders": {"set": {"X-Postern-Tunnel": "a"}}}),
        json!({"responseHeaders": {"remove": ["a b"]}}),
        set("a b", "x"),
        set("x-a", "a\r\nb"),
        set("x-a", &"x".repeat(5000)),
        set("Transfer-Encoding", "chunked"),
        json!({"typo": 1}),
    ] {
        let answer = stage.options(bad.clone()).await;
        assert_eq!(answer.error(), "400 request.malformed", "{bad}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("short") && !text.contains("letters"), "a secret is repeated: {text}");
    }
    let kept = stage.proxy.store.tunnel(&"app".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(kept.options, postern_protocol::api::tunnels::TunnelOptions::default());
}
