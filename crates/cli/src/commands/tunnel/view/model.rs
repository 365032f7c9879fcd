//! What the view shows.

use crate::view::{List, Row};
use postern_edge::api::{Live, PublicTunnel, TunnelRequest};
use postern_protocol::UnixMillis;
use postern_protocol::api::tunnels::TunnelName;

pub(super) struct Model {
    names: Vec<TunnelName>,
    /// Those that are served, as they stand; none before the edge has said.
    pub(super) tunnels: Vec<PublicTunnel>,
    /// When that was, the seconds since counted.
    pub(super) now: UnixMillis,
    pub(super) list: List<TunnelRequest>,
    /// Requests that are not in the list, since too many came at once.
    pub(super) missed: u64,
}

impl Model {
    pub(super) fn new(names: &[TunnelName]) -> Self {
        Self {
            names: names.to_vec(),
            tunnels: Vec::new(),
            now: UnixMillis(0),
            list: List::default(),
            missed: 0,
        }
    }

    /// Takes what the edge tells.
    pub(super) fn take(&mut self, live: Live) {
        if let Some(status) = live.status {
            self.now = status.now;
            self.tunnels = status.tunnels;
            self.tunnels.retain(|tunnel| self.names.contains(&tunnel.name));
        }
        if let Some(requests) = live.requests {
            self.missed += requests.missed;
            let own = requests.rows.into_iter().filter(|request| self.names.contains(&request.tunnel));
            own.for_each(|request| self.list.put(request));
        }
    }

    /// A second has passed.
    pub(super) fn second(&mut self) {
        self.now = self.now.plus(1_000);
    }

    /// Whether requests must say which tunnel they came through.
    pub(super) fn several(&self) -> bool {
        self.names.len() > 1
    }
}

impl Row for TunnelRequest {
    type Id = u64;

    fn id(&self) -> u64 {
        self.id
    }

    fn words(&self) -> String {
        let status = self.status.map(|status| status.to_string()).unwrap_or_default();
        let error = self.error.as_deref().unwrap_or_default();
        format!("{} {} {} {status} {error}", self.tunnel, self.method, self.path)
    }
}
