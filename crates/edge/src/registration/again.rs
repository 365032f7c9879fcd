//! The same worker under another name, or with another token. Either is told to
//! the proxy by a registration with the worker's credential, so that it stays
//! the worker it was; history and rules are not touched.

use super::account::{checked_name, checked_token, start_session};
use crate::api::ApiError;
use crate::history::Profile;
use crate::secrets::{KeptIn, ProfileSecrets};
use crate::state::{Session, Shared};
use postern_protocol::{ErrorCode, Secret};

/// Gives the worker another name.
pub(crate) async fn rename(shared: &Shared, name: &str) -> Result<(), ApiError> {
    let name = checked_name(name)?;
    let session = shared.session()?;
    if session.profile.name == name {
        return Ok(());
    }
    let _changing = session.changing.lock().await;
    shared.history.rename_worker(session.profile.id, name.clone()).await?;
    let profile = Profile { name, ..session.profile.clone() };
    again(shared, &session, profile, session.token.clone()).await
}

/// Goes on with another token of the same workspace.
pub(crate) async fn change_token(shared: &Shared, token: &Secret) -> Result<(), ApiError> {
    let token = checked_token(token)?;
    let session = shared.session()?;
    if session.kept_in == KeptIn::Environment {
        let message = "the token comes from the environment (POSTERN_TOKEN): change it there";
        return Err(ApiError::new(ErrorCode::Unsupported, message));
    }
    let workspace = session.proxy.workspace(&token).await?;
    if workspace.id.to_string() != session.profile.workspace_id {
        let message = format!(
            "the token is of the workspace {}, not of {}: add that workspace instead",
            workspace.name, session.profile.workspace_name
        );
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    let _changing = session.changing.lock().await;
    // What a registration under way is told does not count; the next one does.
    shared.history.set_registered(session.profile.id, None).await?;
    let secrets = ProfileSecrets { token: Some(token.clone()), ..session.secrets() };
    shared.config.secrets.save(&session.profile.secrets_key(), &secrets).await?;
    again(shared, &session, session.profile.clone(), token).await
}

/// A session in the place of another of the same profile, to be registered anew.
async fn again(shared: &Shared, session: &Session, profile: Profile, token: Secret) -> Result<(), ApiError> {
    let (paused, label) = (*session.paused.borrow(), shared.label.borrow().clone());
    let profile = Profile { paused, label, registered: None, ..profile };
    Ok(start_session(shared, profile, session.secrets(), token, session.kept_in).await?)
}
