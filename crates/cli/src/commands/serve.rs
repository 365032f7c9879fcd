//! `postern serve`, the worker without a desktop, and `postern open`, the way
//! to its interface.

use super::status::not_running;
use crate::args;
use crate::backend::{Own, Settings, Started, running};
use crate::failure::Failure;
use crate::output::{self, Ink, Output};
use crate::{signals, ui};
use futures_util::StreamExt;
use postern_edge::api::Connection;
use postern_edge::{ApiConfig, EdgeHandle};
use postern_protocol::ErrorCode;
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// The first line of `--json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Address<'s> {
    /// The interface, with a token that opens it once, within five minutes.
    url: String,
    /// The same without the token: the local API's base.
    api_url: &'s str,
    pid: u32,
    data_dir: &'s Path,
}

/// Every other line of `--json`: how the connection stands now.
#[derive(Serialize)]
struct Changed<'c> {
    connection: &'c Connection,
}

/// Runs the worker until a signal, then drains.
pub(crate) async fn serve(settings: &Settings, args: args::Serve, output: &Output) -> Result<(), Failure> {
    let mut config = settings.edge(args.proxy.proxy)?;
    config.program = "postern serve".into();
    config.receiver_bind = SocketAddr::new(args.host, args.port);
    config.tls = args
        .tls_cert
        .zip(args.tls_key)
        .map(|(certificate, key)| postern_edge::CertificateFiles { certificate, key });
    config.webhook_base = args.webhook_base;
    config.via = args.via.map(Into::into);
    config.ordering = args.ordering.map(Into::into);
    config.capabilities = Some(args.capability).filter(|terms| !terms.is_empty());
    config.group = if args.no_group { Some(None) } else { args.group.map(Some) };
    config.policy.retry = args.retry.map(|args::Retry(policy)| policy);
    config.api = Some(ApiConfig {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, args.ui_port)),
        ui: Some(ui::router()),
    });
    let stop = CancellationToken::new();
    signals::cancel_on_signal(stop.clone());
    let own = match Own::start(settings, config).await.map_err(explain)? {
        Started::Own(own) => own,
        Started::Other(edge) => return Err(runs_already(edge.pid())),
    };
    let told = tokio::select! {
        told = tell(settings, &own.handle, output) => told,
        () = stop.cancelled() => Ok(()),
    };
    output.note("Stopping: what has begun is finished, the proxy holds what arrives.");
    own.drain().await;
    told
}

/// Says where the interface is, then each change of the connection's state, and
/// what keeps it from being live, until the edge ends.
async fn tell(settings: &Settings, edge: &EdgeHandle, output: &Output) -> Result<(), Failure> {
    let api_url = edge.api_url().ok_or_else(no_address)?;
    let started =
        Address { url: link(api_url, edge), api_url, pid: std::process::id(), data_dir: &settings.data_dir };
    output.show(&started, |style| {
        format!(
            "Postern is running; Ctrl-C stops it.\n\n  interface  {}\n  data       {}\n\n\
             The link opens the interface once; `postern open` prints another.\n",
            style.paint(Ink::Strong, &started.url),
            output::safe(&settings.data_dir.display().to_string()),
        )
    })?;
    let mut live = std::pin::pin!(edge.live(None));
    let mut last = None;
    while let Some(batch) = live.next().await {
        let Some(status) = batch.status else { continue };
        if last.as_ref().is_none_or(|last| is_news(last, &status.connection)) {
            last = Some(status.connection.clone());
            output
                .show(&Changed { connection: &status.connection }, |style| output::state(style, &status))?;
        }
    }
    Ok(())
}

/// Whether it is another state, or something new keeps it from being live.
fn is_news(last: &Connection, now: &Connection) -> bool {
    match (last, now) {
        (Connection::Connecting { problem: last, .. }, Connection::Connecting { problem: now, .. }) => {
            now.is_some() && last != now
        }
        _ => std::mem::discriminant(last) != std::mem::discriminant(now),
    }
}

fn link(api_url: &str, edge: &EdgeHandle) -> String {
    format!("{api_url}/#token={}", edge.mint_token().reveal())
}

fn no_address() -> Failure {
    Failure::new(ErrorCode::Internal, "The worker runs but does not say where its interface is.")
}

fn explain(failure: Failure) -> Failure {
    if failure.is_address_taken() {
        failure.with_cure(
            "Another program has the port: give another one with --ui-port or --port; 0 takes any.",
        )
    } else {
        failure
    }
}

fn runs_already(pid: u32) -> Failure {
    let message = format!(
        "A worker already runs on this data folder (process {pid}). `postern open` leads to its interface; \
         --data-dir names another folder."
    );
    Failure::coded("edge.running", message)
}

/// What `open --json` prints.
#[derive(Serialize)]
struct Link {
    url: String,
}

/// Prints a fresh link to the running worker's interface.
pub(crate) async fn open(settings: &Settings, output: &Output) -> Result<(), Failure> {
    let Some(edge) = running(settings).await? else {
        return Err(not_running("So there is no interface."));
    };
    if !edge.serves_ui().await? {
        return Err(Failure::coded(
            "edge.no_ui",
            "The running worker has a window of its own instead of an interface for a browser: it is the desktop app's.",
        ));
    }
    let mut url = edge.url("/");
    url.set_fragment(Some(&format!("token={}", edge.mint_token().await?.reveal())));
    let link = Link { url: url.into() };
    output.show(&link, |_| link.url.clone())
}
