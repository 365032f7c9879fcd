//! `postern local-secrets`: the secrets of the developer's own program.

use super::secret;
use crate::args::{LocalSecretOf, LocalSecrets, LocalSecretsSet};
use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{self, Output, safe};
use postern_edge::api::{self, LocalSecretKey, SetLocalSecret, Sources};
use postern_protocol::signature::Scheme;

/// Lists, sets or forgets.
pub(crate) async fn local_secrets(
    settings: &Settings,
    command: LocalSecrets,
    output: &Output,
) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    edge.unlock().await?;
    let secrets: api::LocalSecrets = match command {
        LocalSecrets::List => edge.call("local_secrets", ()).await?,
        LocalSecrets::Set(args) => set(&edge, args).await?,
        LocalSecrets::Remove(of) => {
            let scheme = scheme(&edge, &of).await?;
            let key = LocalSecretKey { source: of.source, provider: scheme.provider() };
            edge.call("remove_local_secret", key).await?
        }
    };
    output.show(&secrets, |style| output::local_secrets(style, &secrets))
}

async fn set(edge: &Backend, args: LocalSecretsSet) -> Result<api::LocalSecrets, Failure> {
    let scheme = scheme(edge, &args.of).await?;
    let whom = args.of.source.as_deref().map_or_else(|| scheme.provider().to_string(), safe);
    let secret = secret::read(args.secret_stdin, &format!("secret for {whom}"), "with --secret-stdin")?;
    edge.call("set_local_secret", SetLocalSecret { source: args.of.source, scheme, secret }).await
}

/// How what it is for is signed; of a source the proxy knows.
async fn scheme(edge: &Backend, of: &LocalSecretOf) -> Result<Scheme, Failure> {
    if let Some(provider) = of.provider {
        return Scheme::of(provider).filter(|scheme| *scheme != Scheme::None).ok_or_else(|| {
            Failure::usage(format!(
                "{provider} has no scheme that all its sources share: name the source with --source NAME."
            ))
        });
    }
    let name = of.source.as_deref().unwrap_or_default();
    let sources: Sources = edge.call("sources", ()).await?;
    let found = sources.sources.iter().find(|source| source.name == name);
    let Some(source) = found else {
        let names: Vec<_> = sources.sources.iter().map(|source| safe(&source.name)).collect();
        let known = if names.is_empty() { "it has none".into() } else { names.join(", ") };
        return Err(Failure::coded(
            "not_found",
            format!("The workspace has no source {}. Its sources: {known}.", safe(name)),
        ));
    };
    source.scheme.clone().or_else(|| Scheme::of(source.provider)).ok_or_else(|| {
        Failure::coded("request.unsupported", "This proxy is too old to say how the source is signed.")
    })
}
