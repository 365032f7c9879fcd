//! The live view of `tunnel` in a terminal: the addresses and how they stand on
//! top, one line for each request, a request with its answer in place, and the
//! keys below.

use super::hopeless_tunnel;
use crate::backend::{Backend, Client};
use crate::failure::Failure;
use crate::output::{self, Output};
use crate::view::{Act, Terminal};
use crossterm::event::{Event, EventStream, KeyCode, KeyEventKind, KeyModifiers};
use futures_util::{Stream, StreamExt};
use model::Model;
use postern_edge::api::{
    ApiError, Live, ReplayTunnelRequest, TunnelRequest, TunnelRequestDetail, TunnelRequestKey,
};
use postern_protocol::api::tunnels::TunnelName;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

mod draw;
mod model;

/// What was started by a key, and has ended.
enum Done {
    Opened(Result<Box<TunnelRequestDetail>, Failure>),
    Replayed(Result<Box<TunnelRequest>, Failure>),
    Linked(Result<String, Failure>),
}

/// Shows what comes until a key ends it. Where the tunnel is the `only` one, what
/// cannot be served ends it too.
///
/// # Errors
/// When the terminal cannot be used, the edge has ended, or the only tunnel cannot
/// be served.
pub(super) async fn show(
    client: Client,
    names: &[TunnelName],
    only: bool,
    live: &mut (impl Stream<Item = Result<Live, ApiError>> + Unpin),
    output: &Output,
) -> Result<(), Failure> {
    let (done, mut finished) = mpsc::unbounded_channel();
    let mut model = Model::new(names);
    let mut terminal = Terminal::enter()?;
    let mut keys = EventStream::new();
    // The state says how long it is until the next try.
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // Whether the view stands back for something that was said.
    let mut aside = false;
    loop {
        if !aside {
            let (width, height) = terminal.size()?;
            terminal.draw(&draw::lines(&mut model, width, height, &output.style))?;
        }
        tokio::select! {
            batch = live.next() => {
                let Some(batch) = batch else { return Ok(()) };
                model.take(batch?);
                for tunnel in &model.tunnels {
                    hopeless_tunnel(tunnel, only)?;
                }
            }
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) if aside && key.kind != KeyEventKind::Release => {
                    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
                        return Ok(());
                    }
                    terminal.back()?;
                    aside = false;
                }
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                    match model.list.key(key) {
                        Some(Act::Quit) => return Ok(()),
                        Some(act) => begin(act, &client, &model, done.clone()),
                        None => {}
                    }
                }
                // A resize: the next drawing fits.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
            Some(done) = finished.recv() => match done {
                Done::Opened(Ok(detail)) => {
                    model.list.open(&output::tunnel_request_detail(&output.style.plain(), &detail));
                }
                Done::Replayed(Ok(replay)) => {
                    let line = output::tunnel_request(&output.style.plain(), &replay, false);
                    model.list.note = format!("Replayed: {line}");
                }
                Done::Linked(Ok(text)) => {
                    terminal.aside(&format!("{text}\n\nAny key goes back to the requests."))?;
                    aside = true;
                }
                Done::Opened(Err(failure)) | Done::Replayed(Err(failure)) | Done::Linked(Err(failure)) => {
                    model.list.note = failure.message().to_owned();
                }
            },
            _ = tick.tick() => model.second(),
        }
    }
}

/// Starts what a key asks for; the view goes on meanwhile.
fn begin(act: Act<u64>, client: &Client, model: &Model, done: mpsc::UnboundedSender<Done>) {
    let client = client.clone();
    let tunnel = |id: u64| model.list.rows().find(|row| row.id == id).map(|row| row.tunnel.clone());
    let linked = match act {
        Act::Own('o', id) => tunnel(id).map(|tunnel| (tunnel, id)),
        _ => None,
    };
    tokio::spawn(async move {
        let edge = Backend::Running(client.clone());
        let came = match (act, linked) {
            (Act::Open(id), _) => {
                let key = TunnelRequestKey { id, reveal: None };
                Done::Opened(edge.call("tunnel_request", key).await.map(Box::new))
            }
            (Act::Replay(id), _) => {
                let replay = ReplayTunnelRequest { id, edit: None };
                Done::Replayed(edge.call("replay_tunnel_request", replay).await.map(Box::new))
            }
            (Act::Own(..), Some((tunnel, id))) => Done::Linked(link(&client, &tunnel, id).await),
            (Act::Own(..) | Act::Quit, _) => return,
        };
        // The view has ended: nobody wants to know.
        let _ = done.send(came);
    });
}

/// Where the inspector shows a request.
async fn link(client: &Client, tunnel: &TunnelName, id: u64) -> Result<String, Failure> {
    let place = format!("/tunnels/{tunnel}?request={id}");
    if !client.serves_ui().await? {
        return Ok(format!(
            "The inspector is in the desktop app: Tunnels, then {tunnel}. It shows this request as number {id}."
        ));
    }
    let mut url = client.url("/");
    let token = client.mint_token().await?;
    url.set_fragment(Some(&format!("token={}&at={place}", token.reveal())));
    Ok(format!("This link opens the request in a browser. It works once.\n\n{url}"))
}
