//! bore, a tunnel of bytes: its server, and its client beside the local server.

use crate::Result;
use crate::process::Process;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::process::Command;

/// Starts both ends; where visitors go. `None`: it is not installed.
///
/// # Errors
/// When they do not start; the server's port is fixed, so another one may run.
pub(super) async fn start(origin: SocketAddr) -> Result<Option<([Process; 2], SocketAddr)>> {
    let mut server = bore();
    server.args(["server", "--bind-addr", "127.0.0.1"]);
    let Ok(mut server) = Process::start(server) else { return Ok(None) };
    said(&mut server, "server listening").await?;
    let mut client = bore();
    client.args(["local", &origin.port().to_string(), "--local-host", "127.0.0.1", "--to", "127.0.0.1"]);
    let mut client = Process::start(client)?;
    let line = said(&mut client, "listening at ").await?;
    let port = line.rsplit(':').next().unwrap_or_default();
    let port: u16 = port.chars().take_while(char::is_ascii_digit).collect::<String>().parse()?;
    Ok(Some(([server, client], ([127, 0, 0, 1], port).into())))
}

/// Where `scripts/bench` puts it, or wherever it is found.
fn bore() -> Command {
    let installed = std::env::current_exe().ok().and_then(|program| {
        let target = program.parent()?.parent()?;
        Some(target.join("tools/bin/bore"))
    });
    let program = installed.filter(|program| program.is_file()).unwrap_or_else(|| PathBuf::from("bore"));
    let mut command = Command::new(program);
    command.env("NO_COLOR", "1").env("RUST_LOG", "info").stderr(Stdio::null());
    command
}

/// The first line with this in it.
async fn said(process: &mut Process, what: &str) -> Result<String> {
    loop {
        let line = process.line().await.map_err(|error| format!("bore: {error}"))?;
        if line.contains(what) {
            return Ok(line);
        }
    }
}
