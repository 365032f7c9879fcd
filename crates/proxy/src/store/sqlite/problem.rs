//! What goes wrong inside the store, before it becomes a [`StoreError`].

use crate::store::StoreError;
use crate::vault::VaultError;
use rusqlite::ErrorCode;

/// Why a piece of work did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Vault(#[from] VaultError),
    #[error("the database holds what cannot be read: {0}")]
    Damaged(&'static str),
    /// Work reports this before it has written anything.
    #[error("{0} exists already")]
    Exists(String),
    /// Work reports this before it has written anything.
    #[error("{0} does not exist")]
    Missing(String),
    /// Work reports this before it has written anything.
    #[error("the event is not committed yet")]
    NotYet,
    /// A defect of ours, caught.
    #[error("the work panicked")]
    Panicked,
    #[error("this store was opened for administration, not for serving")]
    NotServing,
}

impl Problem {
    /// Whether the work decided to change nothing, as opposed to having failed.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Exists(_) | Self::Missing(_) | Self::NotYet)
    }

    /// Whether the trouble is the disk's or the file's: nothing else in the
    /// same transaction will fare better.
    pub(super) fn is_outage(&self) -> bool {
        let Self::Sqlite(rusqlite::Error::SqliteFailure(error, _)) = self else { return false };
        matches!(
            error.code,
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::ReadOnly
                | ErrorCode::OutOfMemory
                | ErrorCode::FileLockingProtocolFailed
        )
    }

    /// Whether a unique constraint refused a row.
    pub(super) fn is_conflict(error: &rusqlite::Error) -> bool {
        error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) && !is_of_a_trigger(error)
    }

    /// Whether a secret was refused that was sealed before the master key was
    /// replaced: sealed anew it is taken.
    fn is_of_a_former_key(&self) -> bool {
        matches!(self, Self::Sqlite(error) if is_of_a_trigger(error))
    }
}

impl From<Problem> for StoreError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Exists(what) => Self::Exists(what),
            Problem::Missing(what) => Self::Missing(what),
            Problem::NotYet => Self::Unavailable(Box::new(Problem::NotYet)),
            outage if outage.is_outage() || outage.is_of_a_former_key() => {
                Self::Unavailable(Box::new(outage))
            }
            other => Self::Failed(Box::new(other)),
        }
    }
}

/// The only triggers are those of the sealed secrets.
fn is_of_a_trigger(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_TRIGGER)
}
