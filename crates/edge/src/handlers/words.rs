//! A failed run in words.

use super::Target;
use super::resolve::Unresolved;
use crate::state::with_causes;
use std::error::Error;
use std::io;

/// For the pill, and at length.
pub(super) struct Words {
    pub(super) label: String,
    pub(super) error: String,
}

/// Why no answer came from the target.
pub(super) fn of_error(error: &(dyn Error + 'static), target: &Target) -> Words {
    let at = target.authority();
    let words = |label: String, error: String| Words { label, error };
    if find::<Unresolved>(error).is_some() {
        return words(format!("{at} not found"), format!("the name of {at} does not resolve"));
    }
    if let Some(e) = find::<rustls::Error>(error) {
        return words("TLS failed".into(), format!("TLS with {at} failed: {e}"));
    }
    match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => words(
            format!("{at} refused"),
            format!("connection refused — nothing listens on {}", target.port()),
        ),
        Some(io::ErrorKind::TimedOut) => {
            words(format!("{at} unreachable"), format!("no connection to {at} in time"))
        }
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            words(format!("{at} unreachable"), format!("{at} cannot be reached from here"))
        }
        _ => words(
            "no answer".into(),
            format!("{at} closed the connection without an answer: {}", with_causes(error)),
        ),
    }
}

/// The first cause of type `E`, also where an I/O error wraps it.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut cause = Some(error);
    while let Some(e) = cause {
        if let Some(found) = e.downcast_ref() {
            return Some(found);
        }
        if let Some(inner) = e.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = find(inner)
        {
            return Some(found);
        }
        cause = e.source();
    }
    None
}
