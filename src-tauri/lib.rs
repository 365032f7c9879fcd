//! Postern's desktop app: a window, a tray icon and notifications around the
//! edge, which does all the work.
//!
//! The page in the window reaches the edge by one command
//! ([`commands::call`]) and hears of its changes by one event
//! ([`live::LIVE`]). The edge runs in this process, on Tauri's async runtime,
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

/// Starts the edge, then everything that shows it; or shows why it did not
/// start.
fn start(app: &AppHandle, config: &Config) -> tauri::Result<()> {
    quit::on_signals(app);
    match tauri::async_runtime::block_on(CurrentEdge::start(app, config)) {
        Ok(edge) => {
            app.manage(edge);
            app.manage(link::Next::default());
            link::follow(app);
            window::open(app, !login::started_it())?;
            tray::build(app)?;
            if login::started_it() {
                login::show_without_tray(app);
            }
            live::follow(app);
            Ok(())
        }
        Err(problem) => failure::show(app, &problem),
    }
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
