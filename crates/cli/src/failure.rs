//! A command that did not do what it was asked: what happened, what was kept,
//! what to do, and a code to search for.

use crate::output::Output;
use postern_edge::api::ApiError;
pub(crate) use postern_edge::doctor::sentence;
use postern_edge::{SecretStoreError, StartError};
use postern_protocol::ErrorCode;
use std::io;
use std::process::ExitCode;

/// The exit statuses. They are part of the command line's contract: `--help`
/// and docs/cli.md list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Anything that has no status of its own.
    Failed = 1,
    /// The command line is wrong (clap's own status too).
    Usage = 2,
    /// Nobody is signed in.
    NotSignedIn = 3,
    /// The proxy cannot be reached.
    ProxyUnreachable = 4,
    /// The proxy refuses the credentials.
    Refused = 5,
    /// The keychain is absent, locked, or failed.
    Keychain = 6,
}

impl Exit {
    fn of(code: &str) -> Self {
        let is = |known: ErrorCode| known.as_str() == code;
        if is(ErrorCode::NotSignedIn) {
            Self::NotSignedIn
        } else if is(ErrorCode::ProxyUnreachable) {
            Self::ProxyUnreachable
        } else if code.starts_with("auth.") {
            Self::Refused
        } else if code.starts_with("keychain.") {
            Self::Keychain
        } else if code == USAGE {
            Self::Usage
        } else {
            Self::Failed
        }
    }
}

const USAGE: &str = "usage";

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    code: String,
    message: String,
    exit: Exit,
}

impl Failure {
    /// A failure with a code of the protocol's.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::coded(code.as_str(), message)
    }

    /// A failure with a code of the command line's own.
    pub(crate) fn coded(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), exit: Exit::of(code) }
    }

    /// The command line asks for something it cannot have.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::coded(USAGE, message)
    }

    /// The system gives no threads.
    pub(crate) fn no_runtime(error: io::Error) -> Self {
        Self::new(ErrorCode::Internal, format!("The system did not give this program its threads: {error}."))
    }

    /// Standard output is gone (`postern … | head`): nobody is left to tell.
    fn is_silent(&self) -> bool {
        self.code == BROKEN_PIPE
    }

    /// Its code.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// What it says.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Whether the keychain is to blame.
    pub(crate) fn is_keychain(&self) -> bool {
        self.exit == Exit::Keychain
    }

    /// Whether a listener's address is to blame.
    pub(crate) fn is_address_taken(&self) -> bool {
        self.code == ADDRESS_TAKEN
    }

    /// The same failure with a cure that only the caller knows.
    pub(crate) fn with_cure(mut self, cure: &str) -> Self {
        self.message.push(' ');
        self.message.push_str(cure);
        self
    }

    /// Says it on standard error and turns it into the exit status.
    pub(crate) fn report(&self, output: &Output) -> ExitCode {
        if self.is_silent() {
            return ExitCode::SUCCESS;
        }
        output.failure(&self.code, &self.message);
        ExitCode::from(self.exit as u8)
    }
}

const BROKEN_PIPE: &str = "output.closed";
const ADDRESS_TAKEN: &str = "edge.address_taken";

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::coded(&error.code, sentence(&error.message))
    }
}

impl From<SecretStoreError> for Failure {
    fn from(error: SecretStoreError) -> Self {
        Self::new(error.code(), sentence(&error.to_string()))
    }
}

/// Printing failed.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::coded(BROKEN_PIPE, "")
        } else {
            Self::coded("output.failed", format!("The output could not be written: {error}."))
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = match &error {
            StartError::Bind { .. } => ADDRESS_TAKEN,
            StartError::AlreadyRunning(_) => "edge.running",
            StartError::Certificate(_) | StartError::WebhookBase(_) => USAGE,
            _ => "edge.data_dir",
        };
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            message = format!("{message}: {inner}");
            cause = inner.source();
        }
        Self::coded(code, sentence(&message))
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Failure, sentence};
    use postern_protocol::ErrorCode;

    #[test]
    fn exit_statuses_follow_the_code() {
        for (code, exit) in [
            (ErrorCode::NotSignedIn, Exit::NotSignedIn),
            (ErrorCode::ProxyUnreachable, Exit::ProxyUnreachable),
            (ErrorCode::Unauthorized, Exit::Refused),
            (ErrorCode::TokenRevoked, Exit::Refused),
            (ErrorCode::Forbidden, Exit::Refused),
            (ErrorCode::KeychainLocked, Exit::Keychain),
            (ErrorCode::KeychainAbsent, Exit::Keychain),
            (ErrorCode::NotFound, Exit::Failed),
            (ErrorCode::Internal, Exit::Failed),
        ] {
            assert_eq!(Failure::new(code, "").exit, exit, "{code}");
        }
        assert_eq!(Failure::usage("").exit, Exit::Usage);
    }

    #[test]
    fn sentences_begin_and_end_as_sentences() {
        assert_eq!(sentence("no room"), "No room.");
        assert_eq!(sentence("Öl?"), "Öl?");
        assert_eq!(sentence(""), ".");
    }
}
