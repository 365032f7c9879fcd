//! What is shown when the app cannot start: a small window of its own, and a
//! sentence on stderr. The exit code is then [`EXIT_CODE`].

use crate::edge::{EdgeError, causes};
use crate::window;
use postern_edge::StartError;
use std::process::ExitCode;
use tauri::http::{Response, header};
use tauri::webview::WebviewWindowBuilder;
use tauri::{AppHandle, Manager, Runtime, WebviewUrl};

/// The scheme of the page, which is not part of the user interface: it must
/// show when nothing else works.
pub(crate) const SCHEME: &str = "postern-failure";

/// The exit code of an app that could not start.
pub(crate) const EXIT_CODE: i32 = 1;

/// What happened, and what to do.
struct Failure {
    title: &'static str,
    sentences: Vec<String>,
}

/// Shows why the edge did not start.
///
/// # Errors
/// When not even that window opens.
pub(crate) fn show<R: Runtime>(app: &AppHandle<R>, problem: &EdgeError) -> tauri::Result<()> {
    let failure = Failure::of(problem);
    say(&format!("{}: {}", failure.title, failure.sentences.join(" ")));
    app.manage(failure);
    let url =
        tauri::Url::parse(&format!("{SCHEME}://localhost/")).map_err(|_| tauri::Error::WindowNotFound)?;
    WebviewWindowBuilder::new(app, "failure", WebviewUrl::CustomProtocol(url))
        .title("Postern")
        .inner_size(560.0, 300.0)
        .center()
        .build()?;
    Ok(())
}

/// The same instead of the app's window, which waits for the edge in vain.
pub(crate) fn replace_window<R: Runtime>(app: &AppHandle<R>, problem: &EdgeError) {
    // First the new one: without any the app would end.
    let shown = show(app, problem).and_then(|()| window::take_away(app));
    if let Err(problem) = shown {
        say(&format!("and no window says so: {problem}"));
        app.exit(EXIT_CODE);
    }
}

/// Whether that is all the app shows.
pub(crate) fn is_shown<R: Runtime>(app: &AppHandle<R>) -> bool {
    app.try_state::<Failure>().is_some()
}

/// Says why there is not even a window.
pub(crate) fn without_a_window(reason: &str) -> ExitCode {
    say(reason);
    ExitCode::FAILURE
}

/// The page.
pub(crate) fn page<R: Runtime>(app: &AppHandle<R>) -> Response<Vec<u8>> {
    let html = app.try_state::<Failure>().map(|failure| failure.html()).unwrap_or_default();
    let mut answer = Response::new(html.into_bytes());
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ] {
        answer.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    answer
}

impl Failure {
    fn of(problem: &EdgeError) -> Self {
        if matches!(problem, EdgeError::Attach(_) | EdgeError::Start(StartError::AlreadyRunning(_))) {
            let sentences = vec![
                "Another Postern works with the same data and cannot be attached to.".to_owned(),
                sentence(&problem.to_string()),
                "Stop it, or quit it from where it was started; then open Postern again.".to_owned(),
            ];
            return Self { title: "Another Postern holds the data folder", sentences };
        }
        Self { title: "Postern could not start", sentences: vec![sentence(&causes(problem))] }
    }

    fn html(&self) -> String {
        let paragraphs: String =
            self.sentences.iter().map(|text| format!("<p>{}</p>", escape(text))).collect();
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Postern</title><style>\
             :root{{color-scheme:light dark}}\
             body{{font:14px/1.5 system-ui,sans-serif;margin:40px;overflow-wrap:anywhere}}\
             h1{{font-size:18px}}</style><h1>{}</h1>{paragraphs}",
            escape(self.title)
        )
    }
}

/// `text` with a capital at its start and a full stop at its end.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let start: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("{start}{}.", letters.as_str().trim_end_matches('.'))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[expect(clippy::print_stderr, reason = "the last word of a program that ends, whatever the log filter")]
fn say(sentence: &str) {
    eprintln!("postern-desktop: {sentence}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_edge::Running;
    use postern_protocol::Secret;

    #[test]
    fn a_running_edge_is_named_and_its_token_is_not() {
        let running = Running {
            pid: 4711,
            program: "postern serve".to_owned(),
            api_url: None,
            control_token: Secret::new("hush"),
        };
        let html = Failure::of(&EdgeError::Start(StartError::AlreadyRunning(running))).html();
        assert!(html.contains("process 4711") && html.contains("Stop it"), "{html}");
        assert!(!html.contains("hush"), "{html}");
    }

    #[test]
    fn causes_are_told_and_cannot_become_markup() {
        let problem = EdgeError::Start(StartError::DataDir {
            path: "/data/<b>".to_owned(),
            source: std::io::Error::other("disk full"),
        });
        let html = Failure::of(&problem).html();
        assert!(html.contains("/data/&lt;b&gt;: disk full."), "{html}");
    }
}
