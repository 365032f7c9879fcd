//! The command as the page calls it, through Tauri's IPC, without a display.

use super::register;
use crate::edge::CurrentEdge;
use crate::link::{Next, Place};
use crate::live::Feed;
use postern_edge::{EdgeConfig, MemorySecrets};
use serde_json::{Value, json};
use tauri::ipc::{CallbackFn, InvokeBody};
use tauri::test::{INVOKE_KEY, MockRuntime, get_ipc_response, mock_builder, mock_context, noop_assets};
use tauri::webview::InvokeRequest;
use tauri::{App, Manager, WebviewWindow, WebviewWindowBuilder};
use tempfile::TempDir;

/// A page over a real edge, which nobody has signed in to.
struct Page {
    window: WebviewWindow<MockRuntime>,
    app: App<MockRuntime>,
    data: TempDir,
}

impl Page {
    fn open() -> Self {
        let data = tempfile::tempdir().unwrap();
        let config = EdgeConfig::new(data.path(), MemorySecrets::new());
        let edge = tauri::async_runtime::block_on(CurrentEdge::of(config)).unwrap();
        let app = register(mock_builder())
            .manage(edge)
            .manage(Next::default())
            .manage(Feed::default())
            .build(mock_context(noop_assets()))
            .unwrap();
        let window = WebviewWindowBuilder::new(&app, "main", tauri::WebviewUrl::default()).build().unwrap();
        Self { window, app, data }
    }

    fn call(&self, arguments: Value) -> Result<Value, Value> {
        self.invoke("call", arguments)
    }

    fn invoke(&self, command: &str, arguments: Value) -> Result<Value, Value> {
        let request = InvokeRequest {
            cmd: command.into(),
            callback: CallbackFn(0),
            error: CallbackFn(1),
            url: if cfg!(windows) { "http://tauri.localhost" } else { "tauri://localhost" }.parse().unwrap(),
            body: InvokeBody::Json(arguments),
            headers: tauri::http::HeaderMap::new(),
            invoke_key: INVOKE_KEY.to_owned(),
        };
        get_ipc_response(&self.window, request).map(|body| body.deserialize().unwrap())
    }

    fn error_code(&self, op: &str, args: &Value) -> String {
        let error = self.call(json!({ "op": op, "args": args })).unwrap_err();
        assert!(error["message"].is_string() && error["retryable"].is_boolean(), "{error}");
        error["code"].as_str().unwrap().to_owned()
    }
}

#[test]
fn the_page_learns_how_things_stand() {
    let status = Page::open().call(json!({ "op": "status" })).unwrap();
    assert_eq!(status["connection"], json!({ "state": "signed_out" }));
    assert_eq!((&status["session"], &status["events"]), (&Value::Null, &json!(0)));
    assert_eq!(status["settings"]["notifications"], json!(true));
}

#[test]
fn what_is_set_is_seen() {
    let page = Page::open();
    page.call(json!({ "op": "set_settings", "args": { "notifications": false } })).unwrap();
    let status = page.call(json!({ "op": "status", "args": null })).unwrap();
    assert_eq!(status["settings"]["notifications"], json!(false));
}

#[test]
fn the_page_fetches_what_changes_until_another_does() {
    let page = Page::open();
    let next = |number: &Value| page.invoke("live_next", json!({ "page": number })).unwrap();
    let first = page.invoke("live_open", json!({ "cursor": 0 })).unwrap();
    assert_eq!(next(&first)["status"]["settings"]["notifications"], json!(true));
    page.call(json!({ "op": "set_settings", "args": { "notifications": false } })).unwrap();
    while next(&first)["status"]["settings"]["notifications"] != json!(false) {}
    let second = page.invoke("live_open", json!({ "cursor": 0 })).unwrap();
    assert_eq!(next(&first), Value::Null);
    assert_eq!(next(&second)["status"]["settings"]["notifications"], json!(false));
}

#[test]
fn the_page_learns_of_the_program_around_it() {
    let page = Page::open();
    assert_eq!(page.invoke("edge_state", json!({})).unwrap(), json!({ "state": "own" }));
    let folder = page.data.path().display().to_string();
    // Nothing here starts programs at login.
    let facts = json!({ "dataFolder": folder, "startsAtLogin": null });
    assert_eq!(page.invoke("desktop_facts", json!({})).unwrap(), facts);
    let refused = page.invoke("set_start_at_login", json!({ "on": true })).unwrap_err();
    assert_eq!(refused["code"], "internal");
}

#[test]
fn the_page_goes_where_it_is_asked_to_once() {
    let page = Page::open();
    page.app.state::<Next>().set(Place::Event("evt_1".to_owned()));
    assert_eq!(page.invoke("next_place", json!({})).unwrap(), json!({ "event": "evt_1" }));
    assert_eq!(page.invoke("next_place", json!({})).unwrap(), Value::Null);
}

#[test]
fn an_unknown_operation_is_not_found() {
    assert_eq!(Page::open().error_code("make_coffee", &Value::Null), "not_found");
}

#[test]
fn arguments_that_do_not_fit_are_malformed() {
    assert_eq!(Page::open().error_code("sign_in", &json!({ "proxyUrl": 7 })), "request.malformed");
}

#[test]
fn an_unreachable_proxy_is_told_apart_from_a_bad_address() {
    let page = Page::open();
    // A port that was free a moment ago and that nobody listens on.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sign_in = |proxy: String| json!({ "proxyUrl": proxy, "token": "pst_whatever" });
    assert_eq!(page.error_code("sign_in", &sign_in(format!("http://{nobody}"))), "proxy.unreachable");
    assert_eq!(page.error_code("sign_in", &sign_in("not a url".to_owned())), "request.malformed");
}

#[test]
fn without_a_sign_in_there_is_nothing_to_trigger() {
    let trigger = json!({ "provider": "linear", "name": "Issue.create" });
    assert_eq!(Page::open().error_code("trigger", &trigger), "edge.not_signed_in");
}
