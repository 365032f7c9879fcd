//! Postern's desktop app: a window, a tray icon and notifications around the
//! edge, which does all the work.
//!
//! The page in the window reaches the edge by one command
//! ([`commands::call`]) and fetches its changes, a batch at a time
//! ([`live::Feed`]). The edge runs in this process, on Tauri's async runtime,
//! and is drained before the process ends; or it is another program's that
//! runs already ([`edge`]).

mod commands;
mod config;
mod download;
mod edge;
mod failure;
mod link;
mod live;
mod login;
mod notifications;
mod quit;
mod secrets;
mod tray;
mod window;

use config::Config;
use edge::CurrentEdge;
use std::process::ExitCode;
use tauri::{App, AppHandle, Manager, RunEvent, Wry};

/// Runs the app until it is quit. The exit code is 0 unless the app could not
/// start; then the reason is in the window and on stderr.
#[must_use]
pub fn run() -> ExitCode {
    let config = Config::from_environment();
    config::start_logging();
    if let Err(reason) = window::system_present() {
        return failure::without_a_window(&reason);
    }
    match build(config) {
        Ok(app) => exit_code(app.run_return(|app, event| on_event(app, &event))),
        Err(problem) => failure::without_a_window(&format!("the app could not start: {problem}")),
    }
}

fn build(config: Config) -> tauri::Result<App<Wry>> {
    commands::register(tauri::Builder::default())
        // First: a second start must go no further than showing this one.
        .plugin(tauri_plugin_single_instance::init(|app, arguments, _| {
            if !arguments.iter().any(|argument| argument == login::BACKGROUND) {
                window::show(app);
            }
        }))
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_opener::init())
        .plugin(login::plugin())
        .plugin(window::remember_state())
        .register_uri_scheme_protocol(failure::SCHEME, |context, _| failure::page(context.app_handle()))
        .setup(move |app| Ok(start(app.handle(), &config)?))
        .build(tauri::generate_context!())
}

/// Opens the window and, while the system's web view starts in it, the edge;
/// then everything else that shows the edge. Or shows why it did not start.
fn start(app: &AppHandle, config: &Config) -> tauri::Result<()> {
    quit::on_signals(app);
    let edge = match config.edge(app) {
        Ok(config) => CurrentEdge::new(config),
        Err(problem) => return failure::show(app, &problem.into()),
    };
    app.manage(edge.clone());
    app.manage(link::Next::default());
    live::prepare(app);
    link::follow(app);
    let begun = app.clone();
    tauri::async_runtime::spawn(async move {
        let outcome = edge.begin().await;
        let app = begun.clone();
        let done = begun.run_on_main_thread(move || match outcome {
            Ok(()) => show_edge(&app),
            Err(problem) => failure::replace_window(&app, &problem),
        });
        if let Err(problem) = done {
            tracing::debug!(%problem, "the app ended while it started");
        }
    });
    window::open(app, !login::started_it())
}

/// Everything outside the window that shows the edge.
fn show_edge(app: &AppHandle) {
    if let Err(problem) = tray::build(app) {
        tracing::error!(%problem, "no tray icon");
    }
    if login::started_it() {
        login::show_without_tray(app);
    }
    live::follow(app);
}

fn on_event(app: &AppHandle, event: &RunEvent) {
    match event {
        RunEvent::WindowEvent { label, event: tauri::WindowEvent::CloseRequested { api, .. }, .. }
            if label == window::LABEL =>
        {
            api.prevent_close();
            quit::on_close(app);
        }
        // Without a code the user asked; with one, we did, and have drained.
        RunEvent::ExitRequested { code: None, api, .. } => {
            api.prevent_exit();
            quit::quit(app);
        }
        #[cfg(target_os = "macos")]
        RunEvent::Reopen { .. } => window::show(app),
        // The system ended the app without asking (macOS, logging out).
        RunEvent::Exit => {
            if let Some(edge) = app.try_state::<CurrentEdge>() {
                tauri::async_runtime::block_on(edge.stop());
            }
        }
        _ => {}
    }
}

fn exit_code(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}
