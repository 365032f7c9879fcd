//! The desktop app's binary: see the library.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() -> std::process::ExitCode {
    postern_desktop::run()
}
