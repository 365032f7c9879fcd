use super::super::model::Model;
use super::lines;
use crate::output::tests::{coloured, plain, session};
use crate::view::Act;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use postern_edge::api::{
    ExchangeKind, Live, LiveRequests, PublicTunnel, PublicTunnelState, Status, TunnelRequest, TunnelSettings,
};
use postern_protocol::UnixMillis;
use unicode_width::UnicodeWidthStr;

const NOON: UnixMillis = UnixMillis(1_795_348_800_000);

fn tunnel(name: &str, state: PublicTunnelState) -> PublicTunnel {
    PublicTunnel {
        name: name.parse().unwrap(),
        url: format!("https://{name}.example.com"),
        settings: TunnelSettings { target: "http://localhost:3000".into(), ..TunnelSettings::default() },
        on: false,
        held: true,
        state,
    }
}

fn request(id: u64) -> TunnelRequest {
    TunnelRequest {
        id,
        tunnel: "app".parse().unwrap(),
        at: NOON,
        method: "POST".into(),
        path: format!("/hooks/{id}?from=ci"),
        replay_of: None,
        kind: ExchangeKind::Http,
        status: Some(200),
        open: false,
        connect_micros: None,
        first_byte_micros: Some(11_000),
        micros: 12_345,
        request_bytes: 0,
        response_bytes: 1_234,
        error: None,
    }
}

fn told(tunnels: Vec<PublicTunnel>) -> Live {
    let status = Status { tunnels, ..session() };
    Live { changes: None, status: Some(status), requests: None }
}

fn came(rows: Vec<TunnelRequest>, missed: u64) -> Live {
    Live { changes: None, status: None, requests: Some(LiveRequests { rows, missed }) }
}

fn model(names: &[&str]) -> Model {
    Model::new(&names.iter().map(|name| name.parse().unwrap()).collect::<Vec<_>>())
}

fn screen(model: &mut Model, width: usize, height: usize) -> String {
    lines(model, width, height, &plain()).join("\n")
}

fn press(model: &mut Model, code: KeyCode) -> Option<Act<u64>> {
    model.list.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn busy() -> Vec<TunnelRequest> {
    vec![
        request(1),
        TunnelRequest {
            method: "GET".into(),
            path: "/hmr".into(),
            status: Some(101),
            kind: ExchangeKind::WebSocket,
            open: true,
            ..request(2)
        },
        TunnelRequest {
            method: "GET".into(),
            path: format!("/dash/{}", "long/".repeat(30)),
            status: Some(502),
            error: Some("nothing listens on localhost:3000".into()),
            ..request(3)
        },
        TunnelRequest { replay_of: Some(1), micros: 3_000, ..request(4) },
        TunnelRequest { status: None, error: Some("given up before its end".into()), ..request(5) },
    ]
}

#[test]
fn screens() {
    let mut one = model(&["app"]);
    insta::assert_snapshot!(screen(&mut one, 90, 6));
    one.take(told(vec![tunnel("app", PublicTunnelState::Online), tunnel("other", PublicTunnelState::Off)]));
    insta::assert_snapshot!(screen(&mut one, 90, 7));
    one.take(came(busy(), 0));
    insta::assert_snapshot!(screen(&mut one, 100, 10));
    insta::assert_snapshot!(screen(&mut one, 50, 10));
    let problem = "the proxy cannot be reached: connection refused".into();
    let offline = PublicTunnelState::Offline { problem, retry_at: Some(NOON.plus(5_000)) };
    one.take(told(vec![tunnel("app", offline)]));
    one.second();
    insta::assert_snapshot!(screen(&mut one, 160, 10));
}

#[test]
fn several_tunnels_have_a_line_each_as_long_as_they_are_few() {
    let names = ["app", "api", "docs", "shop", "web"];
    let mut model = model(&names);
    model.take(told(names.iter().map(|name| tunnel(name, PublicTunnelState::Online)).collect()));
    model.take(came(vec![TunnelRequest { tunnel: "docs".parse().unwrap(), ..request(1) }], 7));
    insta::assert_snapshot!(screen(&mut model, 100, 10));
}

#[test]
fn requests_of_other_tunnels_are_not_this_commands() {
    let mut model = model(&["app"]);
    model.take(came(vec![request(1), TunnelRequest { tunnel: "web".parse().unwrap(), ..request(2) }], 0));
    assert_eq!(model.list.count(), 1);
}

#[test]
fn a_request_that_went_on_is_one_row_when_it_has_ended() {
    let mut model = model(&["app"]);
    model.take(came(vec![TunnelRequest { open: true, ..request(1) }], 0));
    assert!(screen(&mut model, 90, 6).contains("1 open"));
    model.take(came(vec![request(1)], 0));
    assert!(!screen(&mut model, 90, 6).contains("open\n"));
    assert_eq!(model.list.count(), 1);
}

#[test]
fn keys_open_replay_and_link_the_request_that_is_selected() {
    let mut model = model(&["app"]);
    model.take(came(busy(), 0));
    screen(&mut model, 90, 12);
    press(&mut model, KeyCode::Up);
    assert_eq!(press(&mut model, KeyCode::Char('o')), Some(Act::Own('o', 4)));
    assert_eq!(press(&mut model, KeyCode::Enter), Some(Act::Open(4)));
    model.list.open("POST /hooks/4");
    model.take(came(vec![request(6)], 0));
    // Its own keys go on meaning the request that is shown.
    assert_eq!(press(&mut model, KeyCode::Char('r')), Some(Act::Replay(4)));
    assert_eq!(press(&mut model, KeyCode::Char('o')), Some(Act::Own('o', 4)));
    press(&mut model, KeyCode::Esc);
    for letter in "/502".chars() {
        press(&mut model, KeyCode::Char(letter));
    }
    press(&mut model, KeyCode::Enter);
    assert_eq!(press(&mut model, KeyCode::Enter), Some(Act::Open(3)));
}

#[test]
fn every_line_fits_whatever_the_size() {
    let mut model = model(&["app", "web"]);
    model.take(told(vec![
        tunnel("app", PublicTunnelState::Online),
        tunnel("web", PublicTunnelState::Connecting),
    ]));
    model.take(came(busy(), 1));
    for style in [plain(), coloured()] {
        for width in 0..130 {
            for height in [0, 1, 3, 10] {
                let lines = lines(&mut model, width, height, &style);
                assert!(lines.len() <= height, "{width}×{height}");
                for line in lines {
                    let bare: String = line
                        .split("\x1b[")
                        .enumerate()
                        .map(|(n, part)| match n {
                            0 => part,
                            _ => part.split_once('m').unwrap().1,
                        })
                        .collect();
                    assert!(bare.width() <= width, "{width}×{height}: {bare}");
                }
            }
        }
    }
}
