//! The public tunnels in the tray's menu: one check item each, which says how it
//! stands and switches it.

use super::words::{escaped, one_line};
use crate::edge;
use crate::live::Latest;
use postern_edge::api::{PublicTunnel, PublicTunnelState};
use std::sync::{Mutex, PoisonError};
use tauri::menu::{CheckMenuItem, Submenu};
use tauri::{AppHandle, Manager, Runtime};

/// What an item's id starts with; the tunnel's name follows.
const PREFIX: &str = "tunnel:";

/// The tunnel of a menu item's id.
pub(super) fn tunnel_of(item: &str) -> Option<&str> {
    item.strip_prefix(PREFIX)
}

/// The part of the menu with the tunnels in it.
pub(super) struct Tunnels<R: Runtime> {
    menu: Submenu<R>,
    /// What it was told last.
    told: Mutex<Vec<Line>>,
    shown: Mutex<Vec<Entry<R>>>,
}

struct Entry<R: Runtime> {
    line: Line,
    item: CheckMenuItem<R>,
}

/// What there is to be seen of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    name: String,
    label: String,
    on: bool,
}

impl Line {
    fn of(tunnel: &PublicTunnel) -> Self {
        let name = tunnel.name.to_string();
        let label = match state(&tunnel.state) {
            Some(state) => one_line(&format!("{name} · {state}")),
            None => name.clone(),
        };
        Self { name, label, on: tunnel.on }
    }
}

/// How it stands; nothing of one that is off.
fn state(state: &PublicTunnelState) -> Option<String> {
    Some(match state {
        PublicTunnelState::Off => return None,
        PublicTunnelState::Connecting => "connecting".to_owned(),
        PublicTunnelState::Online => "online".to_owned(),
        PublicTunnelState::Elsewhere { worker } => format!("served by {}", worker.name),
        PublicTunnelState::Refused { .. } => "refused by the proxy".to_owned(),
        PublicTunnelState::Offline { .. } => "offline".to_owned(),
    })
}

impl<R: Runtime> Tunnels<R> {
    /// An empty one.
    pub(super) fn new(app: &AppHandle<R>) -> tauri::Result<Self> {
        let menu = Submenu::new(app, "Tunnels", false)?;
        Ok(Self { menu, told: Mutex::default(), shown: Mutex::default() })
    }

    /// The item that opens it.
    pub(super) fn menu(&self) -> &Submenu<R> {
        &self.menu
    }

    /// Shows these; they are by name. On the main thread.
    fn show(&self, app: &AppHandle<R>, wanted: &[Line]) -> tauri::Result<()> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for at in (0..shown.len()).rev() {
            if !wanted.iter().any(|line| line.name == shown[at].line.name) {
                self.menu.remove(&shown[at].item)?;
                shown.remove(at);
            }
        }
        for (at, line) in wanted.iter().enumerate() {
            if let Some(entry) = shown.get_mut(at).filter(|entry| entry.line.name == line.name) {
                if entry.line.label != line.label {
                    entry.item.set_text(escaped(&line.label))?;
                }
                // A press checks the item by itself, whatever comes of it.
                if entry.item.is_checked()? != line.on {
                    entry.item.set_checked(line.on)?;
                }
                entry.line = line.clone();
                continue;
            }
            let id = format!("{PREFIX}{}", line.name);
            let item = CheckMenuItem::with_id(app, id, escaped(&line.label), true, line.on, None::<&str>)?;
            self.menu.insert(&item, at)?;
            shown.insert(at, Entry { line: line.clone(), item });
        }
        self.menu.set_enabled(!shown.is_empty())
    }
}

/// Shows these, where there is anything new of them.
pub(super) fn show<R: Runtime>(app: &AppHandle<R>, tunnels: &[PublicTunnel]) {
    let wanted: Vec<_> = tunnels.iter().map(Line::of).collect();
    let state = app.state::<Tunnels<R>>();
    let mut told = state.told.lock().unwrap_or_else(PoisonError::into_inner);
    if *told != wanted {
        told.clone_from(&wanted);
        turn(app, wanted);
    }
}

/// Shows them as they are, not as a press has left them.
pub(super) fn show_again<R: Runtime>(app: &AppHandle<R>) {
    let state = app.state::<Tunnels<R>>();
    let told = state.told.lock().unwrap_or_else(PoisonError::into_inner);
    turn(app, told.clone());
}

/// Shows these in one turn of the main thread: a menu that is opened meanwhile has
/// the old ones or the new ones, never some of each.
fn turn<R: Runtime>(app: &AppHandle<R>, wanted: Vec<Line>) {
    let handle = app.clone();
    let shown = app.run_on_main_thread(move || {
        if let Err(problem) = handle.state::<Tunnels<R>>().show(&handle, &wanted) {
            tracing::warn!(%problem, "the tunnels in the tray's menu are behind");
        }
    });
    if let Err(problem) = shown {
        tracing::debug!(%problem, "the app ends: its tray shows no more tunnels");
    }
}

/// Switches a tunnel over: what a press on its item means.
pub(super) fn toggle<R: Runtime>(app: &AppHandle<R>, name: &str) {
    let status = app.state::<Latest>().status();
    let tunnel =
        status.and_then(|status| status.tunnels.into_iter().find(|tunnel| tunnel.name.as_str() == name));
    if let Some(tunnel) = tunnel {
        edge::set_tunnel_on(app, tunnel.name, !tunnel.on);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_edge::api::TunnelSettings;
    use postern_protocol::api::tunnels::TunnelWorker;

    fn tunnel(state: PublicTunnelState) -> PublicTunnel {
        PublicTunnel {
            name: "app".parse().unwrap(),
            url: "https://app.example.com".to_owned(),
            settings: TunnelSettings::default(),
            on: true,
            held: false,
            state,
        }
    }

    #[test]
    fn a_line_says_how_a_tunnel_stands() {
        let label = |state| Line::of(&tunnel(state)).label;
        assert_eq!(label(PublicTunnelState::Off), "app");
        assert_eq!(label(PublicTunnelState::Online), "app · online");
        let worker = TunnelWorker {
            id: "wrk_01K9Z0000000000000000000AA".parse().unwrap(),
            name: "Grace\n& co".into(),
        };
        assert_eq!(label(PublicTunnelState::Elsewhere { worker }), "app · served by Grace & co");
    }
}
