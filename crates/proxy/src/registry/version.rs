//! Which edges' protocol versions this proxy serves.

use crate::http::error::ApiError;
use postern_protocol::{ErrorCode, PROTOCOL_VERSION};

/// The same major version, and the same minor one or the one before.
pub(crate) fn check(theirs: &str) -> Result<(), ApiError> {
    let unsupported = || {
        let message =
            format!("this proxy speaks protocol {PROTOCOL_VERSION}; update the older one of proxy and edge");
        ApiError::new(ErrorCode::ProtocolUnsupported, message)
    };
    let (major, minor) = parts(PROTOCOL_VERSION).ok_or_else(unsupported)?;
    match parts(theirs) {
        Some(theirs) if theirs.0 == major && (theirs.1 == minor || theirs.1 + 1 == minor) => Ok(()),
        _ => Err(unsupported()),
    }
}

fn parts(version: &str) -> Option<(u16, u32)> {
    let (major, minor) = version.split_once('.')?;
    let number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !number(major) || !number(minor) {
        return None;
    }
    Some((major.parse().ok()?, minor.parse::<u16>().ok()?.into()))
}
