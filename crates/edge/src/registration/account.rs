//! Whom the edge works for: signing in and out, and picking up at start.

use crate::api::{ApiError, Connection, SignIn};
use crate::history::{HistoryError, NewProfile, Profile};
use crate::proxy_client::{ProxyError, base_url};
use crate::secrets::{KeptIn, ProfileSecrets, SecretStoreError};
use crate::state::{Account, Session, Shared, with_causes};
use postern_protocol::api::WorkspaceInfo;
use postern_protocol::{ErrorCode, Secret};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The longest name the proxy takes, in characters.
const LONGEST_NAME: usize = 100;

/// Where to pick up at start: the environment's token, or whoever was signed
/// in last.
pub(crate) async fn at_start(shared: &Shared) -> Result<Account, HistoryError> {
    let current = shared.history.current_profile().await?;
    let Some(environment) = &shared.config.environment else {
        return Ok(current.map_or(Account::SignedOut, Account::Locked));
    };
    let token = environment.token.clone();
    let wanted = environment.proxy_url.as_deref().and_then(|url| base_url(url).ok());
    let known = shared.history.profile_of_token(digest(&token)).await?;
    let known = known.filter(|profile| wanted.as_ref().is_none_or(|url| *url == profile.proxy_url));
    if let Some(profile) = known {
        // Known from the last time: works before the proxy answers.
        return Ok(Account::Locked(profile));
    }
    Ok(match wanted.or(current.map(|profile| profile.proxy_url)) {
        Some(proxy_url) => Account::Unresolved { proxy_url, token },
        None => Account::SignedOut,
    })
}

/// Signs in with a token the user gave. Nothing is changed unless the proxy
/// takes the token and it could be kept.
pub(crate) async fn sign_in(shared: &Shared, args: SignIn) -> Result<(), ApiError> {
    let proxy_url = base_url(&args.proxy_url)?;
    let token = Secret::new(args.token.reveal().trim());
    if token.reveal().is_empty() || token.reveal().contains(|c: char| !c.is_ascii_graphic()) {
        return Err(ApiError::new(
            ErrorCode::BadRequest,
            "the token is not one: it begins with pst_ and has no spaces",
        ));
    }
    let name = match args.name.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => shared.config.default_name.clone(),
    };
    if name.chars().count() > LONGEST_NAME {
        return Err(ApiError::new(
            ErrorCode::BadRequest,
            format!("the name is longer than {LONGEST_NAME} characters"),
        ));
    }
    let workspace = shared.proxies.proxy(&proxy_url).workspace(&token).await?;
    enter(shared, proxy_url, workspace, name, token, shared.config.secrets.kept_in()).await
}

/// Finds out the workspace of a token from the environment.
pub(super) async fn resolve(shared: &Shared, proxy_url: &str, token: &Secret) -> Result<(), ProxyError> {
    let workspace = shared.proxies.proxy(proxy_url).workspace(token).await?;
    let name = shared.config.default_name.clone();
    let entered = enter(shared, proxy_url.to_owned(), workspace, name, token.clone(), KeptIn::Environment);
    entered.await.map_err(|e| ProxyError::Unreachable(e.message))
}

async fn enter(
    shared: &Shared,
    proxy_url: String,
    workspace: WorkspaceInfo,
    name: String,
    token: Secret,
    kept_in: KeptIn,
) -> Result<(), ApiError> {
    let new = NewProfile {
        hook_key: hex::encode(rand::random::<[u8; 16]>()),
        proxy_url,
        workspace_id: workspace.id.to_string(),
        workspace_name: workspace.name,
        name,
        token_digest: (kept_in == KeptIn::Environment).then(|| digest(&token)),
        now: shared.now(),
    };
    let key = Profile::key_of(&new.proxy_url, &new.workspace_id);
    let secrets = kept(shared, &key, kept_in).await?;
    let secrets =
        ProfileSecrets { token: (kept_in != KeptIn::Environment).then(|| token.clone()), ..secrets };
    if kept_in != KeptIn::Environment {
        shared.config.secrets.save(&key, &secrets).await?;
    }
    let profile = shared.history.enter_profile(new).await?;
    start_session(shared, profile, secrets, token, kept_in);
    Ok(())
}

/// What is kept for a profile already. Without a keychain, a token from the
/// environment works with nothing kept.
async fn kept(shared: &Shared, key: &str, kept_in: KeptIn) -> Result<ProfileSecrets, SecretStoreError> {
    match shared.config.secrets.load(key).await {
        Ok(secrets) => Ok(secrets.unwrap_or_default()),
        Err(e) if kept_in == KeptIn::Environment => {
            tracing::warn!(error = %with_causes(&e), "no worker credential could be read: this machine registers anew");
            Ok(ProfileSecrets::default())
        }
        Err(e) => Err(e),
    }
}

/// Reads the secrets of the profile that was signed in before.
pub(crate) async fn unlock(shared: &Shared, account: &Account) -> Result<(), SecretStoreError> {
    let Account::Locked(profile) = account else { return Ok(()) };
    let from_environment = match (&shared.config.environment, &profile.token_digest) {
        (Some(environment), Some(known)) if digest(&environment.token) == *known => Some(&environment.token),
        _ => None,
    };
    let kept_in = from_environment.map_or_else(|| shared.config.secrets.kept_in(), |_| KeptIn::Environment);
    let secrets = kept(shared, &profile.secrets_key(), kept_in).await?;
    match from_environment.cloned().or_else(|| secrets.token.clone()) {
        Some(token) => start_session(shared, profile.clone(), secrets, token, kept_in),
        // Its secrets were removed behind our back: as good as signed out.
        None => {
            shared.account.send_replace(Account::SignedOut);
            shared.touch();
        }
    }
    Ok(())
}

fn start_session(shared: &Shared, profile: Profile, secrets: ProfileSecrets, token: Secret, kept_in: KeptIn) {
    // Asked now that it has been used: a store may find out then that there is
    // no keychain, and keep things elsewhere.
    let kept_in = match kept_in {
        KeptIn::Environment => kept_in,
        _ => shared.config.secrets.kept_in(),
    };
    let proxy = shared.proxies.proxy(&profile.proxy_url);
    let session = Session::new(profile, secrets, token, kept_in, proxy, &shared.webhook_base);
    let account = Account::SignedIn(Arc::new(session));
    shared.account.send_replace(account.clone());
    shared.set_connection(&account, Connection::Connecting { since: shared.now(), problem: None });
    shared.touch();
}

/// Leaves the proxy, forgets the secrets. The history stays. The proxy need
/// not be reachable: the worker is then away until it is retired there.
pub(crate) async fn sign_out(shared: &Shared) -> Result<(), ApiError> {
    let account = shared.account.borrow().clone();
    let profile = match &account {
        Account::SignedOut => return Ok(()),
        Account::SignedIn(session) => Some(session.profile.clone()),
        Account::Locked(profile) => Some(profile.clone()),
        Account::Unresolved { .. } => None,
    };
    if let Some(profile) = &profile {
        shared.config.secrets.delete(&profile.secrets_key()).await?;
        shared.history.leave_profile(profile.id).await?;
    }
    shared.account.send_replace(Account::SignedOut);
    shared.set_connection(&Account::SignedOut, Connection::SignedOut);
    shared.touch();
    if let Account::SignedIn(session) = account {
        let worker = session.worker.borrow().clone();
        if let Some(worker) = worker
            && let Err(e) = session.proxy.leave(&worker.worker_id, &worker.credential).await
        {
            tracing::warn!(error = %e, "the proxy could not be told that this worker leaves");
        }
    }
    Ok(())
}

/// By which a token is recognised without being kept.
fn digest(token: &Secret) -> String {
    hex::encode(Sha256::digest(token.reveal()))
}
