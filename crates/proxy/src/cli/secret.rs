//! A secret given to a command: by standard input or from a variable.

use super::CliError;
use super::output::time;
use crate::config::parse_duration;
use clap::Args;
use postern_protocol::signature::standard;
use postern_protocol::{Provider, Secret, UnixMillis};
use std::io::Read;
use std::time::Duration;
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

/// What becomes of the secret before.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct OldSecretArgs {
    /// How long the secret before stays valid beside the new one: 2h, 7d
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = grace)]
    grace: Duration,
    /// Keep the secret before until the next rotation
    #[arg(long)]
    keep_old: bool,
    /// Let the old secrets go at once
    #[arg(long)]
    drop_old: bool,
}

fn grace(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a duration such as 2h or 7d".to_owned())
}

impl OldSecretArgs {
    /// The secrets after a rotation at `now`, the new one first, and until when
    /// the one before counts.
    pub(super) fn rotated(
        &self,
        mut secrets: Vec<Secret>,
        new: Secret,
        now: UnixMillis,
    ) -> (Vec<Secret>, Option<UnixMillis>) {
        secrets.retain(|old| !self.drop_old && !self.grace.is_zero() && *old != new);
        secrets.insert(0, new);
        secrets.truncate(2);
        let until = now.plus(i64::try_from(self.grace.as_millis()).unwrap_or(i64::MAX));
        let until = (secrets.len() > 1 && !self.keep_old).then_some(until);
        (secrets, until)
    }
}

/// How many secrets there are, for a table.
pub(super) fn count(secrets: usize, old_until: Option<UnixMillis>) -> String {
    match old_until {
        Some(until) => format!("{secrets}, the old one until {}", time(until)),
        None => secrets.to_string(),
    }
}

/// What is said of the secret before, after a rotation.
pub(super) fn kept(secrets: usize, old_until: Option<UnixMillis>) -> String {
    match (secrets, old_until) {
        (0 | 1, _) => String::new(),
        (_, Some(until)) => format!("; the one before stays valid until {}", time(until)),
        (_, None) => "; the one before stays valid beside it".to_owned(),
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
        | Provider::None
        | Provider::Postern => None,
    }
}

/// A new secret in the form the provider's people expect.
pub(super) fn generate(provider: Provider) -> Secret {
    match provider {
        Provider::StandardWebhooks => standard::new_secret(crate::entropy::bytes()),
        Provider::Linear => crate::entropy::credential("lin_whs_"),
        Provider::Stripe => crate::entropy::credential("whsec_"),
        Provider::Github
        | Provider::Slack
        | Provider::Hmac
        | Provider::Timestamped
        | Provider::None
        | Provider::Postern => crate::entropy::credential(""),
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
