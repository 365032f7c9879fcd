//! Tells the proxy which names are served here, and takes note of what became
//! of them.

use super::Tunnels;
use crate::state::Shared;
use postern_protocol::api::tunnels::NameOutcomes;
use postern_tunnel::{AgentHandle, State};

/// Does so for as long as the agent lives.
pub(crate) async fn serve_names(shared: &Shared, tunnels: &Tunnels, agent: &AgentHandle) {
    let (mut list, mut state, mut said) = (tunnels.changes(), agent.state(), agent.config());
    list.mark_changed();
    let mut told = None;
    loop {
        let news = tokio::select! {
            // The end of a connection before what is said on the next one.
            biased;
            Ok(()) = state.changed() => {
                let up = matches!(*state.borrow_and_update(), State::Up { .. });
                !up && tunnels.said(None)
            }
            Ok(()) = said.changed() => {
                let outcomes = said.borrow_and_update().clone();
                let outcomes = outcomes.and_then(|said| serde_json::from_value::<NameOutcomes>(said).ok());
                tunnels.said(Some(outcomes.unwrap_or_default().tunnels))
            }
            Ok(()) = list.changed() => {
                list.mark_unchanged();
                let names = tunnels.names();
                // Who serves no name need not say so, unless it did before.
                if told.as_ref() != Some(&names) && (told.is_some() || !names.tunnels.is_empty()) {
                    match serde_json::to_value(&names) {
                        Ok(names) => agent.configure(names),
                        Err(e) => tracing::error!(error = %e, "the served names could not be written"),
                    }
                    told = Some(names);
                }
                true
            }
            else => return,
        };
        if news {
            shared.touch();
        }
    }
}
