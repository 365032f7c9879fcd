//! A secret given to a command: by standard input or from a variable.

use super::CliError;
use clap::Args;
use postern_protocol::signature::standard;
use postern_protocol::{Provider, Secret};
use std::io::Read;
use zeroize::Zeroizing;

/// The longest secret taken, in bytes.
const LONGEST: u64 = 4_096;

/// Where the secret comes from; never from the command line itself.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct SecretArgs {
    /// Read the provider's secret from standard input
    #[arg(long)]
    secret_stdin: bool,
    /// Read the provider's secret from this environment variable
    #[arg(long, value_name = "VARIABLE")]
    secret_env: Option<String>,
}

impl SecretArgs {
    /// The secret, when one was given.
    pub(super) fn read(&self) -> Result<Option<Secret>, CliError> {
        let text = if self.secret_stdin {
            let mut text = Zeroizing::new(String::new());
            std::io::stdin().take(LONGEST + 1).read_to_string(&mut text).map_err(CliError::Input)?;
            text
        } else if let Some(name) = &self.secret_env {
            variable(name)?
        } else {
            return Ok(None);
        };
        match text.trim() {
            "" => Err(CliError::Usage("the secret is empty".into())),
            long if long.len() as u64 > LONGEST => {
                Err(CliError::Usage(format!("the secret is longer than {LONGEST} bytes")))
            }
            secret => Ok(Some(Secret::new(secret))),
        }
    }

    /// The secret, where one must be given.
    pub(super) fn require(&self) -> Result<Secret, CliError> {
        self.read()?
            .ok_or_else(|| CliError::Usage("give the secret with --secret-stdin or --secret-env".into()))
    }
}

/// What a variable named on the command line holds.
pub(super) fn variable(name: &str) -> Result<Zeroizing<String>, CliError> {
    #[expect(clippy::disallowed_methods, reason = "the user names the variable on the command line")]
    let value = std::env::var(name);
    value
        .map(Zeroizing::new)
        .map_err(|_| CliError::Usage(format!("the variable {name} is not set, or not text")))
}

/// Who chooses a provider's secrets, where that is the provider itself.
pub(super) fn chosen_by(provider: Provider) -> Option<&'static str> {
    match provider {
        Provider::Linear => Some("Linear"),
        Provider::Stripe => Some("Stripe"),
        Provider::Slack => Some("Slack"),
        Provider::Github
        | Provider::StandardWebhooks
        | Provider::Hmac
        | Provider::Timestamped
        | Provider::None => None,
    }
}

/// A new secret in the form the provider's people expect.
pub(super) fn generate(provider: Provider) -> Secret {
    match provider {
        Provider::StandardWebhooks => standard::new_secret(crate::entropy::bytes()),
        Provider::Linear => crate::entropy::credential("lin_whs_"),
        Provider::Stripe => crate::entropy::credential("whsec_"),
        Provider::Github | Provider::Slack | Provider::Hmac | Provider::Timestamped | Provider::None => {
            crate::entropy::credential("")
        }
    }
}

/// Refuses what cannot be a secret of the provider.
pub(super) fn check(provider: Provider, secret: &Secret) -> Result<(), CliError> {
    let usage = |text: &str| Err(CliError::Usage(text.into()));
    match provider {
        Provider::StandardWebhooks if !standard_key(secret.reveal()) => {
            usage("a Standard Webhooks secret is `whsec_` and 24 to 64 bytes in base64")
        }
        Provider::Stripe if !secret.reveal().starts_with("whsec_") => {
            usage("a Stripe endpoint's signing secret begins with `whsec_`; this is another key")
        }
        Provider::None => usage("a source of provider none has no secret"),
        _ => Ok(()),
    }
}

fn standard_key(text: &str) -> bool {
    use base64::Engine;
    let engine = base64::engine::general_purpose::STANDARD;
    text.strip_prefix("whsec_")
        .and_then(|key| engine.decode(key).ok().map(Zeroizing::new))
        .is_some_and(|key| (24..=64).contains(&key.len()))
}
