//! The secrets that the developer's own program verifies with: set, listed,
//! removed. They are kept beside the worker's, and never come out again.

use super::ApiError;
use crate::EdgeHandle;
use crate::secrets::{LocalSecret, ProfileSecrets};
use crate::state::Session;
use postern_protocol::signature::Scheme;
use postern_protocol::{ErrorCode, Provider, Secret, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// So many are kept at most: keychains have small items.
const MOST: usize = 50;
/// The longest secret, in bytes.
const LONGEST_SECRET: usize = 500;
/// The longest name of a source, in characters (the proxy's own limit).
const LONGEST_SOURCE: usize = 100;

/// `local_secrets`: which there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LocalSecrets {
    /// In the order in which they were first set.
    pub secrets: Vec<LocalSecretInfo>,
}

/// A local secret, without itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LocalSecretInfo {
    /// The name of the one source it is for; absent: all of the provider's
    /// that have none of their own.
    pub source: Option<String>,
    /// How it signs.
    pub scheme: Scheme,
    /// When it was set.
    pub set_at: UnixMillis,
}

/// `set_local_secret`: keeps a secret for a source, or for all of a provider's,
/// in the place of the one it had.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct SetLocalSecret {
    /// The source's name; absent: all of the scheme's provider.
    pub source: Option<String>,
    /// How the source signs.
    pub scheme: Scheme,
    /// What the program verifies with. Space round it is dropped.
    #[serde(serialize_with = "postern_protocol::secret::expose")]
    #[ts(type = "string")]
    pub secret: Secret,
}

/// `remove_local_secret`: which.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct LocalSecretKey {
    /// The source's name; absent: the one for all of the provider's.
    pub source: Option<String>,
    /// Whose scheme it signs by.
    pub provider: Provider,
}

/// The local secrets there are.
///
/// # Errors
/// `edge.not_signed_in`.
pub async fn local_secrets(edge: &EdgeHandle) -> Result<LocalSecrets, ApiError> {
    let session = edge.shared.session()?;
    Ok(list(&session))
}

/// Sets a local secret.
///
/// # Errors
/// `edge.not_signed_in`; `request.malformed` for a secret, source or scheme
/// that cannot be one; `keychain.*` and `store.unavailable` when it cannot be
/// kept: then nothing has changed.
pub async fn set_local_secret(edge: &EdgeHandle, args: SetLocalSecret) -> Result<LocalSecrets, ApiError> {
    let session = edge.shared.session()?;
    let local = LocalSecret {
        source: source(args.source)?,
        secret: Secret::new(args.secret.reveal().trim()),
        scheme: args.scheme,
        set_at: edge.shared.now(),
    };
    let bytes = local.secret.reveal().len();
    if bytes == 0 || bytes > LONGEST_SECRET {
        return Err(refuse(format!("a local secret has 1 to {LONGEST_SECRET} bytes; this has {bytes}")));
    }
    match local.scheme {
        Scheme::None => return Err(refuse("a source that signs nothing needs no local secret".into())),
        Scheme::Hmac(_) | Scheme::Timestamped(_) if local.source.is_none() => {
            return Err(refuse(format!(
                "a local secret of the scheme {} is for one source: name it",
                local.scheme.provider()
            )));
        }
        _ => {}
    }
    change(edge, &session, |kept| {
        let same =
            |s: &LocalSecret| s.source == local.source && s.scheme.provider() == local.scheme.provider();
        match kept.iter().position(same) {
            Some(before) => kept[before] = local,
            None if kept.len() >= MOST => {
                return Err(refuse(format!("{MOST} local secrets are kept at most: remove one first")));
            }
            None => kept.push(local),
        }
        Ok(())
    })
    .await
}

/// Removes a local secret.
///
/// # Errors
/// `edge.not_signed_in`; `not_found`; and as [`set_local_secret`] when the
/// removal cannot be kept.
pub async fn remove_local_secret(edge: &EdgeHandle, args: LocalSecretKey) -> Result<LocalSecrets, ApiError> {
    let session = edge.shared.session()?;
    change(edge, &session, |kept| {
        let before = kept.len();
        kept.retain(|s| s.source != args.source || s.scheme.provider() != args.provider);
        if kept.len() == before {
            return Err(ApiError::new(ErrorCode::NotFound, "there is no such local secret"));
        }
        Ok(())
    })
    .await
}

/// Changes what is kept, then what is used.
async fn change(
    edge: &EdgeHandle,
    session: &Session,
    how: impl FnOnce(&mut Vec<LocalSecret>) -> Result<(), ApiError>,
) -> Result<LocalSecrets, ApiError> {
    // All of a profile's secrets are one item: one change after the other.
    let _changing = session.changing.lock().await;
    let mut local = session.local.borrow().clone();
    how(&mut local)?;
    let secrets = ProfileSecrets { local: local.clone(), ..session.secrets() };
    edge.shared.config.secrets.save(&session.profile.secrets_key(), &secrets).await?;
    session.local.send_replace(local);
    edge.shared.touch();
    Ok(list(session))
}

fn list(session: &Session) -> LocalSecrets {
    let info = |s: &LocalSecret| LocalSecretInfo {
        source: s.source.clone(),
        scheme: s.scheme.clone(),
        set_at: s.set_at,
    };
    LocalSecrets { secrets: session.local.borrow().iter().map(info).collect() }
}

fn source(name: Option<String>) -> Result<Option<String>, ApiError> {
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    match &name {
        Some(name) if name.chars().count() > LONGEST_SOURCE => {
            Err(refuse(format!("a source's name has at most {LONGEST_SOURCE} characters")))
        }
        _ => Ok(name),
    }
}

fn refuse(why: String) -> ApiError {
    ApiError::new(ErrorCode::BadRequest, why)
}
