//! Signing in with Linear: a member of an organisation that an administrator
//! has linked to a workspace needs no token of ours.
//!
//! The first time a key is seen, Linear is asked whose it is ([`api`]); a
//! member of a linked organisation, no guest, gets a row among the tokens, by
//! which the key's hash is known from then on like any other token. The key
//! itself is kept sealed, so that [`recheck`] can ask again every hour: what
//! Linear refuses then is revoked, and its workers' leases end. While Linear
//! cannot be asked nobody new comes in, and who is in stays.

use crate::delivery::client::Outbound;
use crate::entropy;
use crate::http::auth::CREDENTIAL_PREFIX;
use crate::http::error::ApiError;
use crate::http::rate::Buckets;
use crate::store::{LinearMember, LinearOrganization, Scope, Store, StoreError, Token};
use http::Uri;
use postern_protocol::id::WorkspaceId;
use postern_protocol::{Clock, ErrorCode, Secret, UnixMillis};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

mod api;
pub(crate) mod recheck;

use api::{Asked, Viewer};

/// How every key and access token of Linear's begins.
const PREFIX: &str = "lin_";
/// How long a key's refusal is remembered, in milliseconds.
const REMEMBER_MILLIS: i64 = 30_000;
/// How many refusals are remembered.
const REMEMBERED: usize = 10_000;
/// How many unknown keys of one address lead to a question per minute.
const PER_MINUTE: f64 = 20.0;

/// Lets members of linked organisations in.
pub(crate) struct LinearSignIn {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    client: Outbound,
    url: Uri,
    by_address: Buckets<IpAddr>,
    refused: Mutex<HashMap<[u8; 32], (UnixMillis, ErrorCode, String)>>,
}

impl LinearSignIn {
    /// Asks Linear's GraphQL API at `url`.
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, client: Outbound, url: Uri) -> Self {
        let by_address = Buckets::new(PER_MINUTE / 60.0, PER_MINUTE);
        Self { store, clock, client, url, by_address, refused: Mutex::default() }
    }

    /// Makes a key of Linear's known, where its holder may sign in. Says
    /// nothing of what is no such key, or is known already.
    pub(crate) async fn admit(&self, key: &Secret, address: IpAddr) -> Result<(), ApiError> {
        if !key.reveal().starts_with(PREFIX) || key.reveal().starts_with(CREDENTIAL_PREFIX) {
            return Ok(());
        }
        let now = self.clock.now();
        let hash = entropy::credential_hash(key.reveal());
        if self.store.token_by_hash(hash, now).await?.is_some() {
            return Ok(());
        }
        if let Some((code, message)) = self.remembered(&hash, now) {
            return Err(ApiError::new(code, message));
        }
        self.by_address.take(address, now)?;
        let viewer = match api::ask(&self.client, &self.url, key).await {
            Asked::Viewer(viewer) => viewer,
            Asked::Refused(why) => return Err(self.refuse(hash, now, ErrorCode::Unauthorized, why)),
            Asked::Unknown { why, retry_after } => {
                return Err(ApiError::new(ErrorCode::Unavailable, why).retry_after(retry_after));
            }
        };
        let organization = viewer.organization.id.clone();
        let workspace = match self.belongs(&viewer).await? {
            Ok(workspace) => workspace,
            Err(why) => return Err(self.refuse(hash, now, ErrorCode::Forbidden, why)),
        };
        let token = Token {
            id: entropy::token_id(now),
            workspace,
            label: label(&viewer),
            hash,
            scopes: Scope::ALL.to_vec(),
            created_at: now,
            expires_at: None,
            revoked_at: None,
            last_used_at: None,
        };
        tracing::info!(token = %token.id, %workspace, "signed in with Linear");
        let member = LinearMember {
            token: token.id,
            workspace,
            organization,
            user: Some(viewer.id),
            secret: key.clone(),
            checked_at: now,
        };
        Ok(self.store.admit_linear(token, member).await?)
    }

    /// The workspace of the viewer's organisation; `Err` says why there is none.
    async fn belongs(&self, viewer: &Viewer) -> Result<Result<WorkspaceId, String>, StoreError> {
        if viewer.guest {
            return Ok(Err("guests of a Linear organization cannot sign in; ask for a token".to_owned()));
        }
        let organization = &viewer.organization;
        let named = LinearOrganization { id: organization.id.clone(), url_key: organization.url_key.clone() };
        let found = self.store.linear_workspace(named).await?;
        Ok(found.ok_or_else(|| {
            format!(
                "no workspace is linked to the Linear organization {}: an administrator links it with \
                 `postern-proxy linear-org link`",
                line(&organization.url_key)
            )
        }))
    }

    fn remembered(&self, hash: &[u8; 32], now: UnixMillis) -> Option<(ErrorCode, String)> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, code, message) = refused.get(hash)?;
        (0..REMEMBER_MILLIS).contains(&now.since(*at)).then(|| (*code, message.clone()))
    }

    fn refuse(&self, hash: [u8; 32], now: UnixMillis, code: ErrorCode, message: String) -> ApiError {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= REMEMBERED {
            refused.clear();
        }
        refused.insert(hash, (now, code, message.clone()));
        ApiError::new(code, message)
    }
}

fn label(viewer: &Viewer) -> String {
    let text = format!("Linear: {} ({})", line(&viewer.name), line(&viewer.organization.url_key));
    text.chars().take(100).collect()
}

/// A text from outside, on one line and not endless.
fn line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}
