//! `postern tunnel`: a public address for a port of this machine, for as long as
//! the command runs, with a line for each request. In a terminal it is a [`view`]
//! with keys.
//!
//! It attaches to the edge that runs on the data folder, or runs one itself. The
//! tunnel ends with the command; its name stays the workspace's.

use super::dead_letters::agreed;
use super::listen::attach;
use super::{secret, status::not_signed_in};
use crate::args::{Tunnel, TunnelCommand, TunnelOpen, Visitors};
use crate::backend::{Backend, Client, Settings};
use crate::failure::Failure;
use crate::output::{self, Output, safe};
use crate::signals;
use futures_util::StreamExt;
use postern_edge::api::{
    Live, PublicTunnel, PublicTunnelState, ReservedTunnels, Status, TunnelKey, TunnelRequest, TunnelSettings,
    Tunnels,
};
use postern_protocol::api::tunnels::{TunnelAccess, TunnelInfo, TunnelName, TunnelOptions};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

mod view;

/// A line of `--json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Line<'a> {
    Tunnel(&'a PublicTunnel),
    Request(&'a TunnelRequest),
}

/// Opens, lists, reserves, releases or starts.
pub(crate) async fn tunnel(settings: &Settings, args: Tunnel, output: &Output) -> Result<(), Failure> {
    if args.says_both() {
        let message = "A target and how to reach it are for `postern tunnel TARGET` alone, without a \
                       command such as list.";
        return Err(Failure::usage(message));
    }
    match args.command {
        None => open(settings, args.open, output).await,
        Some(TunnelCommand::Start { names, all, plain, proxy }) => {
            run(settings, proxy.proxy, output, Wanted::Kept { names, all }, plain).await
        }
        Some(TunnelCommand::List) => list(settings, output).await,
        Some(TunnelCommand::Reserve { name, visitors }) => reserve(settings, name, visitors, output).await,
        Some(TunnelCommand::Release { name, yes }) => release(settings, name, yes, output).await,
    }
}

/// What is to be served.
enum Wanted {
    One(TunnelOpen),
    Kept { names: Vec<TunnelName>, all: bool },
}

async fn open(settings: &Settings, mut args: TunnelOpen, output: &Output) -> Result<(), Failure> {
    let (proxy, plain) = (args.proxy.proxy.take(), args.plain);
    run(settings, proxy, output, Wanted::One(args), plain).await
}

/// Serves until a signal.
async fn run(
    settings: &Settings,
    proxy: Option<String>,
    output: &Output,
    wanted: Wanted,
    plain: bool,
) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    signals::cancel_on_signal(stop.clone());
    let (client, own) = attach(settings, proxy, "postern tunnel").await?;
    let served = tokio::select! {
        served = serve(settings, client, output, wanted, plain) => served,
        () = stop.cancelled() => Ok(()),
    };
    if let Some(own) = own {
        own.drain().await;
    }
    served
}

async fn serve(
    settings: &Settings,
    client: Client,
    output: &Output,
    wanted: Wanted,
    plain: bool,
) -> Result<(), Failure> {
    let edge = Backend::Running(client.clone());
    registered(settings, &client).await?;
    let (names, take_over, one) = match wanted {
        Wanted::One(args) => {
            let take_over = args.take_over;
            (vec![led(settings, &edge, args).await?.name], take_over, true)
        }
        Wanted::Kept { names, all } => {
            let kept: Tunnels = edge.call("tunnels", ()).await?;
            let names =
                if all { kept.tunnels.into_iter().map(|tunnel| tunnel.name).collect() } else { names };
            if names.is_empty() {
                let message = "This machine has no tunnels. `postern tunnel 3000 --name app` makes one.";
                return Err(Failure::coded("not_found", message));
            }
            (names, false, false)
        }
    };
    let mut live = client.serve_tunnels(&names, take_over).await?;
    if output.interactive && !plain {
        return view::show(client, &names, one && !take_over, &mut live, output).await;
    }
    output.note("Ctrl-C ends it.");
    let mut shown = BTreeMap::new();
    while let Some(batch) = live.next().await {
        let Live { status, requests, .. } = batch?;
        for tunnel in status.into_iter().flat_map(|status| status.tunnels) {
            if names.contains(&tunnel.name) && shown.get(&tunnel.name) != Some(&tunnel) {
                show(&tunnel, one && !take_over, output)?;
                shown.insert(tunnel.name.clone(), tunnel);
            }
        }
        let Some(requests) = requests else { continue };
        for request in requests.rows.iter().filter(|request| names.contains(&request.tunnel)) {
            let line = |style: &output::Style| output::tunnel_request(style, request, names.len() > 1);
            output.show(&Line::Request(request), line)?;
        }
        if requests.missed > 0 {
            output.note(&format!("{} more are not shown.", requests.missed));
        }
    }
    Ok(())
}

/// Waits until this machine is a worker of the workspace.
async fn registered(settings: &Settings, client: &Client) -> Result<(), Failure> {
    let mut live = client.live(None, None).await?;
    while let Some(batch) = live.next().await {
        let Some(status) = batch?.status else { continue };
        if let Some(problem) = hopeless(settings, &status) {
            return Err(problem);
        }
        if status.session.is_some_and(|session| session.worker_id.is_some()) {
            return Ok(());
        }
    }
    Ok(())
}

fn hopeless(settings: &Settings, status: &Status) -> Option<Failure> {
    use postern_edge::api::Connection;
    match &status.connection {
        // With a token from the environment the sign-in may still be under way.
        Connection::SignedOut if settings.token.is_none() => Some(not_signed_in()),
        Connection::Refused { problem } => {
            Some(Failure::new(postern_protocol::ErrorCode::Unauthorized, output::sentence(problem)))
        }
        Connection::Reconnecting { problem, .. } => {
            Some(Failure::new(postern_protocol::ErrorCode::ProxyUnreachable, output::sentence(problem)))
        }
        _ => None,
    }
}

/// Has a name lead to the target.
async fn led(settings: &Settings, edge: &Backend, args: TunnelOpen) -> Result<PublicTunnel, Failure> {
    let how = TunnelSettings {
        target: args.target.unwrap_or_default(),
        keep_host: args.keep_host,
        insecure: args.insecure,
        lan: args.lan,
        inspect: !args.no_inspect,
        timeout_seconds: args.timeout.unwrap_or(TunnelSettings::default().timeout_seconds),
    };
    let kept: Tunnels = edge.call("tunnels", ()).await?;
    let written = written(&how.target);
    let name = args.name.or_else(|| {
        let mut leading = kept.tunnels.iter().filter(|tunnel| tunnel.settings.target == written);
        leading.next().map(|tunnel| tunnel.name.clone())
    });
    let known = kept.tunnels.iter().find(|tunnel| Some(&tunnel.name) == name.as_ref());
    if let Some(known) = known.filter(|known| known.on && known.settings.target != written) {
        let (name, target) = (&known.name, safe(&known.settings.target));
        let message = format!(
            "{name} leads to {target} on this machine now. Switch it off there first, or take another --name."
        );
        return Err(Failure::usage(message));
    }
    let options = options(settings, edge, name.as_ref(), args.visitors).await?;
    let mut add = json!({ "settings": how });
    if let Some(name) = &name {
        add["name"] = name.as_str().into();
    }
    if let Some(options) = options {
        add["options"] = json!(options);
    }
    if known.is_none() {
        // On for as long as this runs.
        add["on"] = false.into();
    }
    edge.call("add_tunnel", add).await
}

/// The target as the edge writes it, where it is the short form.
fn written(target: &str) -> String {
    let target = target.trim().trim_end_matches('/');
    let port = target.strip_prefix(':').unwrap_or(target);
    if port.parse::<u16>().is_ok() {
        format!("http://localhost:{port}")
    } else if target.contains("://") {
        target.to_owned()
    } else {
        format!("http://{target}")
    }
}

/// What is to apply to visitors: what applied before, with what was given.
/// Nothing was given: nothing.
async fn options(
    settings: &Settings,
    edge: &Backend,
    name: Option<&TunnelName>,
    visitors: Visitors,
) -> Result<Option<TunnelOptions>, Failure> {
    let Visitors { auth, bearer, no_auth, allow, only_signed } = visitors;
    if auth.is_none() && !bearer && !no_auth && allow.is_empty() && only_signed.is_none() {
        return Ok(None);
    }
    let secret = |what: &str| match &settings.tunnel_secret {
        Some(secret) => Ok(secret.clone()),
        None => secret::read(false, what, "in POSTERN_TUNNEL_SECRET"),
    };
    let reserved: ReservedTunnels = edge.call("reserved_tunnels", ()).await?;
    let before = reserved.tunnels.into_iter().find(|tunnel| Some(&tunnel.name) == name);
    let mut options = before.map(|tunnel| tunnel.options).unwrap_or_default();
    if let Some(user) = auth {
        options.access = TunnelAccess::Basic { user, password: Some(secret("password for visitors")?) };
    } else if bearer {
        options.access = TunnelAccess::Bearer { token: Some(secret("token for visitors")?) };
    } else if no_auth {
        options.access = TunnelAccess::None {};
    }
    if !allow.is_empty() {
        options.allow = if allow.iter().any(|network| network == "any") { Vec::new() } else { allow };
    }
    if let Some(source) = only_signed {
        options.only_signed = Some(source).filter(|source| !source.is_empty());
    }
    Ok(Some(options))
}

/// Why a tunnel that cannot be served ends the command, where it is the `only` one
/// and nothing is to be expected.
fn hopeless_tunnel(tunnel: &PublicTunnel, only: bool) -> Result<(), Failure> {
    match &tunnel.state {
        PublicTunnelState::Elsewhere { worker } if only => {
            let message = format!("{} serves {} now. --take-over takes it.", safe(&worker.name), tunnel.name);
            Err(Failure::coded("tunnel.elsewhere", message))
        }
        PublicTunnelState::Refused { code, message } if only => {
            Err(Failure::coded(code, output::sentence(message)))
        }
        _ => Ok(()),
    }
}

/// Says how a tunnel stands.
fn show(tunnel: &PublicTunnel, only: bool, output: &Output) -> Result<(), Failure> {
    hopeless_tunnel(tunnel, only)?;
    match &tunnel.state {
        PublicTunnelState::Online => output.show(&Line::Tunnel(tunnel), |style| output::leads(style, tunnel)),
        PublicTunnelState::Off => Ok(()),
        _ if output.json => output.show(&Line::Tunnel(tunnel), |_| String::new()),
        _ => {
            output.note(&format!("{}: {}", tunnel.name, output::tunnel_state(&output.style, tunnel)));
            Ok(())
        }
    }
}

async fn list(settings: &Settings, output: &Output) -> Result<(), Failure> {
    let edge = asked(settings).await?;
    let reserved: ReservedTunnels = edge.call("reserved_tunnels", ()).await?;
    let own: Tunnels = edge.call("tunnels", ()).await?;
    let both: Value = json!({ "reserved": reserved.tunnels, "own": own.tunnels });
    output.show(&both, |style| output::tunnels(style, &reserved, &own))
}

async fn reserve(
    settings: &Settings,
    name: TunnelName,
    visitors: Visitors,
    output: &Output,
) -> Result<(), Failure> {
    let edge = asked(settings).await?;
    let options = options(settings, &edge, Some(&name), visitors).await?;
    let mut args = json!({ "name": name });
    if let Some(options) = options {
        args["options"] = json!(options);
    }
    let reserved: TunnelInfo = edge.call("reserve_tunnel", args).await?;
    output.show(&reserved, |_| format!("{} is the workspace's: {}", reserved.name, safe(&reserved.url)))
}

async fn release(settings: &Settings, name: TunnelName, yes: bool, output: &Output) -> Result<(), Failure> {
    if !yes {
        let question = format!("Give {name} up? Its address stops working for everybody.");
        agreed(&question, output)?;
    }
    let edge = asked(settings).await?;
    let left: ReservedTunnels = edge.call("release_tunnel", TunnelKey { name: name.clone() }).await?;
    output.show(&left.tunnels, |_| {
        format!("{name} is given up. For 30 days only this workspace can have it again.")
    })
}

/// An edge that can ask the proxy.
async fn asked(settings: &Settings) -> Result<Backend, Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    edge.unlock().await?;
    Ok(edge)
}
