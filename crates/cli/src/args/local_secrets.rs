//! The arguments of `postern local-secrets`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum LocalSecrets {
    /// List for which sources there are any.
    List,
    /// Set one, in the place of the one there was.
    Set(LocalSecretsSet),
    /// Forget one.
    Remove(LocalSecretOf),
}

/// What a local secret is for.
#[derive(Args, Debug)]
#[group(id = "of", required = true, multiple = false)]
pub(crate) struct LocalSecretOf {
    /// The events of this source, by name.
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// The events of all sources of this provider that have none of their own:
    /// linear, github, stripe, slack, standard_webhooks.
    #[arg(long)]
    pub(crate) provider: Option<postern_protocol::Provider>,
}

#[derive(Args, Debug)]
pub(crate) struct LocalSecretsSet {
    #[command(flatten)]
    pub(crate) of: LocalSecretOf,
    /// Read the secret from standard input instead of asking for it.
    #[arg(long)]
    pub(crate) secret_stdin: bool,
}
