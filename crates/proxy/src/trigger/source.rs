//! The source a synthetic event comes in by: the one named, or the
//! workspace's first of the provider, made when there is none.

use crate::entropy;
use crate::http::error::ApiError;
use crate::store::{Source, Store, StoreError};
use postern_protocol::api::TriggerRequest;
use postern_protocol::id::WorkspaceId;
use postern_protocol::signature::{Scheme, standard};
use postern_protocol::{ErrorCode, Provider, Secret, UnixMillis};

pub(super) async fn find(
    store: &dyn Store,
    workspace: WorkspaceId,
    request: &TriggerRequest,
    now: UnixMillis,
) -> Result<Source, ApiError> {
    let sources = store.sources(workspace).await?;
    let Some(wanted) = &request.source else {
        return match sources.iter().find(|s| s.provider() == request.provider) {
            Some(source) => Ok(source.clone()),
            None => make(store, workspace, request.provider, now).await,
        };
    };
    let found = sources.into_iter().find(|s| s.name == *wanted || s.id.to_string() == *wanted);
    let source = found.ok_or_else(|| ApiError::new(ErrorCode::NotFound, "there is no such source"))?;
    if source.provider() != request.provider {
        let (name, is, wanted) = (&source.name, source.provider(), request.provider);
        let message = format!("the source `{name}` is of provider {is}, not {wanted}");
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    Ok(source)
}

async fn make(
    store: &dyn Store,
    workspace: WorkspaceId,
    provider: Provider,
    now: UnixMillis,
) -> Result<Source, ApiError> {
    let missing = || {
        let message = format!("the workspace has no source of provider {provider}; make one");
        ApiError::new(ErrorCode::NotFound, message)
    };
    // What a sender of its own signs like, only its owner knows.
    let scheme = Scheme::of(provider).ok_or_else(missing)?;
    for name in [provider.as_str().to_owned(), format!("{provider}-trigger")] {
        let id = entropy::source_id(now);
        let (scheme, secrets) = (scheme.clone(), secrets(provider));
        let source = Source {
            id,
            workspace,
            name,
            scheme,
            id_from: None,
            entity_pointer: None,
            secrets,
            old_until: None,
            created_at: now,
        };
        match store.create_source(source.clone()).await {
            Ok(()) => return Ok(source),
            // Taken by a source of another provider, or made a moment ago.
            Err(StoreError::Exists(_)) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(made) = store.sources(workspace).await?.into_iter().find(|s| s.provider() == provider) {
            return Ok(made);
        }
    }
    Err(missing())
}

fn secrets(provider: Provider) -> Vec<Secret> {
    match provider {
        Provider::Linear => vec![entropy::credential("lin_whs_")],
        Provider::Stripe => vec![entropy::credential("whsec_")],
        Provider::Github | Provider::Slack | Provider::Hmac | Provider::Timestamped => {
            vec![entropy::credential("")]
        }
        Provider::StandardWebhooks => vec![standard::new_secret(entropy::bytes())],
        Provider::None | Provider::Postern => Vec::new(),
    }
}
