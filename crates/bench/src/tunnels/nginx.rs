//! nginx as a plain reverse proxy in front of the local server: one hop, and
//! nothing to dial out. It listens twice, in clear and over TLS.

use super::certificate::Certificate;
use super::free_port;
use crate::Result;
use crate::process::Process;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use tokio::process::Command;

/// Starts it in this folder; where it listens in clear, and over TLS. `None`:
/// it is not installed.
///
/// # Errors
/// When it does not start.
pub(super) async fn start(
    folder: &Path,
    origin: SocketAddr,
    certificate: &Certificate,
) -> Result<Option<(Process, [SocketAddr; 2])>> {
    let addresses = [free_port().await?, free_port().await?].map(|port| (Ipv4Addr::LOCALHOST, port).into());
    let configuration = folder.join("nginx.conf");
    std::fs::write(&configuration, configured(folder, origin, addresses, certificate))?;
    // Debian keeps it where only root looks.
    let hidden = "/usr/sbin/nginx";
    let mut command = Command::new(if Path::new(hidden).is_file() { hidden } else { "nginx" });
    command.arg("-p").arg(folder).arg("-c").arg(&configuration).arg("-e").arg(folder.join("error.log"));
    let process = match Process::start(command) {
        Ok(process) => process,
        Err(_) => return Ok(None),
    };
    for address in addresses {
        super::listening(address).await?;
    }
    Ok(Some((process, addresses)))
}

/// One process, so that its CPU time can be told. What it would write to disk, it
/// streams.
fn configured(
    folder: &Path,
    origin: SocketAddr,
    [plain, tls]: [SocketAddr; 2],
    certificate: &Certificate,
) -> String {
    let folder = folder.display();
    let (certificate, key) = (certificate.certificate.display(), certificate.key.display());
    format!(
        "daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  upstream origin {{ server {origin}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen {plain}; listen {tls} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1;
      proxy_set_header Connection \"\"; proxy_set_header Host $host;
      proxy_request_buffering off; proxy_max_temp_file_size 0;
    }}
  }}
}}
"
    )
}
