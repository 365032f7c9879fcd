//! The live view of `postern tunnel`, in a terminal that util-linux's `script`
//! makes.

use crate::{machine, public, serve};
use axum::Router;
use axum::routing::get;
use postern_testkit::{ProxyHome, client, within};
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};

/// What is on a terminal, and its keys.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    /// All that was drawn, from the start on.
    drawn: Vec<u8>,
}

impl Terminal {
    /// Runs a shell's command in one of 14 lines of 90 letters.
    fn run(mut script: tokio::process::Command, command: &str) -> Self {
        let command = format!("stty rows 14 cols 90; exec {command}");
        script.args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"]);
        script
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        let mut child = script.spawn().expect("util-linux has `script`");
        let keys = child.stdin.take().expect("stdin is piped");
        let screen = child.stdout.take().expect("stdout is piped");
        Self { child, keys, screen, drawn: Vec::new() }
    }

    /// Waits until this is drawn, after what was waited for before.
    async fn shows(&mut self, text: &str) {
        within(text, async {
            loop {
                if let Some(at) = self.drawn.windows(text.len()).position(|drawn| drawn == text.as_bytes()) {
                    self.drawn.drain(..at + text.len());
                    return;
                }
                let read = self.screen.read_buf(&mut self.drawn).await.expect("the terminal is read");
                assert!(read > 0, "it ended without {text:?}: {}", String::from_utf8_lossy(&self.drawn));
            }
        })
        .await;
    }

    async fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).await.expect("the terminal takes keys");
    }
}

#[tokio::test]
async fn a_terminal_shows_requests_takes_keys_and_is_put_back() {
    let proxy = ProxyHome::new();
    let proxy = proxy.dev().await;
    let (port, _server) = serve(Router::new().route("/hello", get(|| async { "hi there" }))).await;
    let machine = machine(&proxy);
    let postern = machine.command(&[]);
    let program = postern.as_std().get_program().to_string_lossy().into_owned();
    let script = machine.command_of(Path::new("script"), &[]);
    let mut terminal = Terminal::run(script, &format!("'{program}' tunnel {port} --name app"));
    terminal.shows("\x1b[?1049h").await;
    terminal.shows("● online").await;
    let answer = client().get(public(&proxy, "/hello?q=1")).send().await.expect("the proxy answers");
    assert_eq!(answer.text().await.expect("a body"), "hi there");
    terminal.shows("› ").await;
    terminal.shows("GET     /hello?q=1").await;
    terminal.press(b"\r").await;
    terminal.shows("answer     200, begun after").await;
    terminal.shows("Esc back").await;
    terminal.press(b"r").await;
    terminal.shows("Replayed: ").await;
    terminal.press(b"o").await;
    // On the terminal's own screen, in one piece.
    terminal.shows("\x1b[?1049l").await;
    terminal.shows("&at=/tunnels/app?request=1\r\n").await;
    terminal.press(b"x").await;
    terminal.shows("\x1b[?1049h").await;
    terminal.press(b"\x1b").await;
    terminal.shows(" · replay").await;
    terminal.press(b"q").await;
    terminal.shows("\x1b[?1049l").await;
    assert!(within("its end", terminal.child.wait()).await.expect("it ends").success());
}
