//! What everything outside the edge talks to.

use crate::api::operations;
use crate::api::{ApiError, Live, live};
use crate::handlers::Listener;
use crate::profiles::Profiles;
use crate::registration;
use crate::state::Shared;
use futures_util::Stream;
use postern_protocol::filter::Filter;
use postern_protocol::{ErrorCode, Secret};
use std::sync::Arc;

/// A running edge, cheap to clone. The operations are functions in
/// [`crate::api`].
///
/// A handle is about the profile that is shown when it is used; one made by
/// [`EdgeHandle::current`] or [`EdgeHandle::named`] stays with its profile.
#[derive(Clone)]
pub struct EdgeHandle {
    /// Of the profile, when it is [fixed](Self::fixed); the first one's otherwise.
    pub(crate) shared: Arc<Shared>,
    pub(crate) profiles: Arc<Profiles>,
    pub(crate) fixed: bool,
}

impl EdgeHandle {
    /// Changes after `cursor` (from now on, without), and the status whenever
    /// something in it changes; the status first. At most 60 items a second.
    pub fn live(&self, cursor: Option<u64>) -> impl Stream<Item = Live> + Send + use<> {
        live::stream(self, cursor)
    }

    /// A handle on the profile that is shown now, for as long as it is used.
    #[must_use]
    pub fn current(&self) -> Self {
        if self.fixed { self.clone() } else { self.of(self.profiles.shown()) }
    }

    /// A handle on the profile of this name.
    ///
    /// # Errors
    /// `not_found`.
    pub fn named(&self, name: &str) -> Result<Self, ApiError> {
        let slot = self.profiles.named(name).ok_or_else(|| {
            let names: Vec<_> = self.profiles.all().iter().filter_map(|slot| slot.profile_name()).collect();
            let there = if names.is_empty() { "nobody is signed in".into() } else { names.join(", ") };
            let message = format!("there is no profile `{name}` on this machine; there is: {there}");
            ApiError::new(ErrorCode::NotFound, message)
        })?;
        Ok(self.of(slot))
    }

    pub(crate) fn of(&self, slot: Arc<Shared>) -> Self {
        Self { shared: slot, profiles: Arc::clone(&self.profiles), fixed: true }
    }

    /// Forwards new events that `filter` takes to `target` too, for as long as
    /// the listener lives.
    ///
    /// # Errors
    /// `request.malformed` when `target` is not an `http` or `https` URL, or
    /// is Postern itself.
    pub fn add_listener(&self, target: &str, filter: Filter) -> Result<Listener, ApiError> {
        Ok(self.current().shared.listeners.add(operations::target(self, target)?, filter))
    }

    /// Reads the secrets of whoever was signed in before. [`crate::Edge::run`]
    /// does that by itself; for a shell that only calls an operation or two.
    ///
    /// # Errors
    /// `keychain.*`, or `store.unavailable`, when they cannot be read.
    pub async fn unlock(&self) -> Result<(), ApiError> {
        let shown = self.current().shared;
        let account = shown.account.borrow().clone();
        Ok(registration::unlock(&shown, &account).await?)
    }

    /// The receiver's address as the proxy sees it, without a path:
    /// `http://127.0.0.1:4456`.
    #[must_use]
    pub fn receiver_url(&self) -> String {
        self.shared.place.base()
    }

    /// The local HTTP API's base URL, `http://127.0.0.1:4455`, where it serves one.
    #[must_use]
    pub fn api_url(&self) -> Option<&str> {
        self.shared.api_url.as_deref()
    }

    /// A token that one program exchanges, once and within five minutes, for
    /// a bearer at `POST /api/session`: it goes into the UI's URL fragment.
    #[must_use]
    pub fn mint_token(&self) -> Secret {
        self.shared.access.mint(self.shared.now())
    }
}

impl std::fmt::Debug for EdgeHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EdgeHandle").field("receiver", &self.receiver_url()).finish_non_exhaustive()
    }
}
