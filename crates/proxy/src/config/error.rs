//! Why a setting cannot be used, in one sentence: key, value, cure.

use figment::Figment;
use figment::error::{Actual, Kind};
use std::fmt::Display;
use std::path::PathBuf;

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file given with `--config` cannot be read.
    #[error("the configuration file {path} cannot be read: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or holds what is no setting.
    #[error("{origin}{reason}")]
    Unreadable {
        /// `the file x: `, or empty.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// A value that its key cannot have.
    #[error("{key} = {value}: {cure}")]
    Invalid {
        /// The key, with its section: `delivery.jitter`.
        key: String,
        /// The value, or `…` for a secret.
        value: String,
        /// What to write instead.
        cure: String,
    },
}

impl ConfigError {
    pub(super) fn invalid(key: &str, value: impl Display, cure: impl Into<String>) -> Self {
        Self::Invalid { key: key.to_owned(), value: value.to_string(), cure: cure.into() }
    }
}

impl ConfigError {
    pub(super) fn new(error: figment::Error, settings: &Figment) -> Self {
        let key = error.path.join(".");
        let origin = error
            .metadata
            .as_ref()
            .and_then(|m| m.source.as_ref())
            .map(|source| format!("{source}: "))
            .unwrap_or_default();
        let expected = |actual: &Actual, wanted: &str| {
            // Whatever was put there may have been meant as a key.
            let value = if key.contains("key") { "…".to_owned() } else { plain(actual) };
            Self::Invalid { key: key.clone(), value, cure: format!("expected {wanted}") }
        };
        match &error.kind {
            Kind::InvalidType(actual, wanted) | Kind::InvalidValue(actual, wanted) => {
                expected(actual, wanted)
            }
            Kind::UnknownField(name, known) => {
                let section = error.path.iter().filter(|part| *part != name).map(|part| format!("{part}."));
                let key = format!("{}{name}", section.collect::<String>());
                Self::Unreadable {
                    origin,
                    reason: format!("there is no setting `{key}`; known here are {}", known.join(", ")),
                }
            }
            Kind::UnknownVariant(value, known) => {
                Self::invalid(&key, value, format!("expected one of {}", known.join(", ")))
            }
            Kind::Message(reason) => match settings.find_value(&key) {
                Ok(value) if !key.is_empty() && !key.contains("key") => {
                    Self::invalid(&key, plain(&value.to_actual()), reason)
                }
                _ => Self::Unreadable { origin, reason: reason.trim().replace('\n', " ") },
            },
            other => Self::Unreadable { origin, reason: format!("{key}: {other}") },
        }
    }
}

fn plain(actual: &Actual) -> String {
    match actual {
        Actual::Str(text) => format!("{text:?}"),
        Actual::Bool(value) => value.to_string(),
        Actual::Signed(value) => value.to_string(),
        Actual::Unsigned(value) => value.to_string(),
        Actual::Float(value) => value.to_string(),
        other => other.to_string(),
    }
}
