//! Whom the edge works for: signing in and out, and picking up at start.

use crate::api::{ApiError, Connection, SignIn};
use crate::history::{HistoryError, NewProfile, Profile};
use crate::profiles::Profiles;
use crate::proxy_client::{ProxyError, base_url};
use crate::secrets::{KeptIn, ProfileSecrets, SecretStoreError};
use crate::state::{Account, Session, Shared, with_causes};
use crate::tunnels::Tunnels;
use postern_protocol::api::WorkspaceInfo;
use postern_protocol::{ErrorCode, Secret};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The longest name the proxy takes, in characters.
const LONGEST_NAME: usize = 100;

/// Fills the slots at start: with all that were signed in, the one last shown
/// being shown again; or with what the environment's token says, alone.
pub(crate) async fn at_start(profiles: &Arc<Profiles>) -> Result<(), HistoryError> {
    let first = profiles.shown();
    let shown = first.history.current_profile().await?.map(|profile| profile.id);
    if first.config.environment.is_some() {
        let account = of_environment(&first).await?;
        return take_up(&first, account).await;
    }
    for (n, profile) in first.history.signed_in_profiles().await?.into_iter().enumerate() {
        let slot = if n == 0 { Arc::clone(&first) } else { profiles.add() };
        let is_shown = Some(profile.id) == shown;
        take_up(&slot, Account::Locked(profile)).await?;
        if is_shown {
            profiles.show(&slot);
        }
    }
    Ok(())
}

/// Puts an account into an empty slot.
async fn take_up(slot: &Shared, account: Account) -> Result<(), HistoryError> {
    slot.label.send_replace(account.profile().and_then(|profile| profile.label.clone()));
    if !matches!(account, Account::SignedOut) {
        let connecting = Connection::Connecting { since: slot.now(), problem: None };
        slot.connection.send_replace(connecting);
    }
    slot.account.send_replace(account);
    let rejected = slot.history.rejected(slot.profile_id(), None, 1).await?;
    slot.rejected.send_replace(rejected.total);
    Ok(())
}

/// Whom the environment's token signs in.
async fn of_environment(shared: &Shared) -> Result<Account, HistoryError> {
    let current = shared.history.current_profile().await?;
    let Some(environment) = &shared.config.environment else { return Ok(Account::SignedOut) };
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
pub(crate) async fn sign_in(
    profiles: &Arc<Profiles>,
    shared: &Arc<Shared>,
    args: SignIn,
) -> Result<Arc<Shared>, ApiError> {
    let proxy_url = base_url(&args.proxy_url)?;
    let token = checked_token(&args.token)?;
    let name = args.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let name = name.map(checked_name).transpose()?;
    if shared.config.environment.is_some() {
        let message = "this worker has its token from the environment (POSTERN_TOKEN) and works for that \
                       workspace alone: start it without, to sign in";
        return Err(ApiError::new(ErrorCode::Unsupported, message));
    }
    let workspace = shared.proxies.proxy(&proxy_url).workspace(&token).await?;
    let same = |account: &Account| {
        account.profile().is_some_and(|profile| {
            profile.proxy_url == proxy_url && profile.workspace_id == workspace.id.to_string()
        })
    };
    let slot = match profiles.find(same) {
        Some(slot) => slot,
        None if shared.account.borrow().profile().is_none() => Arc::clone(shared),
        None => profiles.add(),
    };
    let entered = enter(&slot, proxy_url, workspace, name, token, shared.config.secrets.kept_in()).await;
    if entered.is_err() && slot.account.borrow().profile().is_none() {
        // One that was made for it goes again.
        profiles.vacate(&slot);
    }
    entered?;
    tell_apart(profiles, &slot).await?;
    profiles.show(&slot);
    Ok(slot)
}

/// A token as people paste it.
pub(super) fn checked_token(token: &Secret) -> Result<Secret, ApiError> {
    let token = Secret::new(token.reveal().trim());
    if token.reveal().is_empty() || token.reveal().contains(|c: char| !c.is_ascii_graphic()) {
        let message = "the token is not one: it begins with pst_ and has no spaces";
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    Ok(token)
}

/// A worker's name as the proxy takes it.
pub(super) fn checked_name(name: &str) -> Result<String, ApiError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
        let message = format!("the name must be one line of 1 to {LONGEST_NAME} characters");
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    Ok(name.to_owned())
}

/// Gives a profile whose workspace is called as another profile is a name of
/// its own: commands choose profiles by name.
async fn tell_apart(profiles: &Profiles, slot: &Arc<Shared>) -> Result<(), HistoryError> {
    let (Some(id), Some(name)) = (slot.profile_id(), slot.profile_name()) else { return Ok(()) };
    let others: Vec<_> = profiles.all().into_iter().filter(|other| !Arc::ptr_eq(other, slot)).collect();
    let taken = |name: &str| {
        others
            .iter()
            .any(|other| other.profile_name().is_some_and(|own| own.to_lowercase() == name.to_lowercase()))
    };
    if !taken(&name) {
        return Ok(());
    }
    let proxy = slot.session().ok().and_then(|session| url::Url::parse(&session.profile.proxy_url).ok());
    let host = proxy.as_ref().and_then(|url| url.host_str()).unwrap_or("another proxy").to_owned();
    let numbered =
        (1..).map(|n| if n == 1 { format!("{name} ({host})") } else { format!("{name} ({host}) {n}") });
    let Some(label) = numbered.into_iter().find(|label| !taken(label)) else { return Ok(()) };
    slot.history.set_label(id, Some(label.clone())).await?;
    slot.label.send_replace(Some(label));
    Ok(())
}

/// Finds out the workspace of a token from the environment.
pub(super) async fn resolve(shared: &Shared, proxy_url: &str, token: &Secret) -> Result<(), ProxyError> {
    let workspace = shared.proxies.proxy(proxy_url).workspace(token).await?;
    let entered = enter(shared, proxy_url.to_owned(), workspace, None, token.clone(), KeptIn::Environment);
    entered.await.map_err(|e| ProxyError::Unreachable(e.message))
}

async fn enter(
    shared: &Shared,
    proxy_url: String,
    workspace: WorkspaceInfo,
    name: Option<String>,
    token: Secret,
    kept_in: KeptIn,
) -> Result<(), ApiError> {
    let new = NewProfile {
        hook_key: hex::encode(rand::random::<[u8; 16]>()),
        proxy_url,
        workspace_id: workspace.id.to_string(),
        workspace_name: workspace.name,
        named: name.is_some(),
        name: name.unwrap_or_else(|| shared.config.default_name.clone()),
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
    start_session(shared, profile, secrets, token, kept_in).await?;
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

/// Why a profile that was signed in before cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnlockError {
    #[error(transparent)]
    Secrets(#[from] SecretStoreError),
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl From<UnlockError> for ApiError {
    fn from(error: UnlockError) -> Self {
        match error {
            UnlockError::Secrets(error) => error.into(),
            UnlockError::History(error) => error.into(),
        }
    }
}

/// Reads the secrets of the profile that was signed in before.
pub(crate) async fn unlock(shared: &Shared, account: &Account) -> Result<(), UnlockError> {
    let Account::Locked(profile) = account else { return Ok(()) };
    let from_environment = match (&shared.config.environment, &profile.token_digest) {
        (Some(environment), Some(known)) if digest(&environment.token) == *known => Some(&environment.token),
        _ => None,
    };
    let kept_in = from_environment.map_or_else(|| shared.config.secrets.kept_in(), |_| KeptIn::Environment);
    let secrets = kept(shared, &profile.secrets_key(), kept_in).await?;
    match from_environment.cloned().or_else(|| secrets.token.clone()) {
        Some(token) => start_session(shared, profile.clone(), secrets, token, kept_in).await?,
        // Its secrets were removed behind our back: as good as signed out.
        None => {
            shared.account.send_replace(Account::SignedOut);
            shared.touch();
        }
    }
    Ok(())
}

/// Puts a session into the slot.
pub(super) async fn start_session(
    shared: &Shared,
    profile: Profile,
    secrets: ProfileSecrets,
    token: Secret,
    kept_in: KeptIn,
) -> Result<(), HistoryError> {
    // Asked now that it has been used: a store may find out then that there is
    // no keychain, and keep things elsewhere.
    let kept_in = match kept_in {
        KeptIn::Environment => kept_in,
        _ => shared.config.secrets.kept_in(),
    };
    let proxy = shared.proxies.proxy(&profile.proxy_url);
    let rules = shared.history.rules(profile.id).await?;
    let tunnels =
        Tunnels::new(profile.id, shared.history.tunnels(profile.id).await?, shared.own_ports.clone());
    let session = Session::new(profile, secrets, token, kept_in, proxy, (rules, tunnels));
    shared.label.send_replace(session.profile.label.clone());
    let account = Account::SignedIn(Arc::new(session));
    shared.account.send_replace(account.clone());
    shared.set_connection(&account, Connection::Connecting { since: shared.now(), problem: None });
    shared.touch();
    Ok(())
}

/// Leaves the proxy, forgets the secrets; answers with the slot that is shown
/// then. The history stays. The proxy need
/// not be reachable: the worker is then away until it is retired there.
pub(crate) async fn sign_out(profiles: &Profiles, shared: &Arc<Shared>) -> Result<Arc<Shared>, ApiError> {
    let account = shared.account.borrow().clone();
    let profile = match &account {
        Account::SignedOut => return Ok(profiles.shown()),
        Account::SignedIn(session) => Some(session.profile.clone()),
        Account::Locked(profile) => Some(profile.clone()),
        Account::Unresolved { .. } => None,
    };
    if let Some(profile) = &profile {
        shared.config.secrets.delete(&profile.secrets_key()).await?;
        shared.history.leave_profile(profile.id).await?;
    }
    shared.account.send_replace(Account::SignedOut);
    shared.label.send_replace(None);
    shared.set_connection(&Account::SignedOut, Connection::SignedOut);
    let shown = profiles.vacate(shared);
    if let Some(next) = shown.profile_id() {
        shared.history.show_profile(next).await?;
    }
    if let Account::SignedIn(session) = account {
        let worker = session.worker.borrow().clone();
        if let Some(worker) = worker
            && let Err(e) = session.proxy.leave(&worker.worker_id, &worker.credential).await
        {
            tracing::warn!(error = %e, "the proxy could not be told that this worker leaves");
        }
    }
    Ok(shown)
}

/// By which a token is recognised without being kept.
fn digest(token: &Secret) -> String {
    hex::encode(Sha256::digest(token.reveal()))
}
