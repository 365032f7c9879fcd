//! Which URLs a worker may have, as far as the text tells: `https://`, or
//! `http://` to this machine where that is allowed. Where a name leads is
//! judged on connecting ([`super::address`]).

use super::address::{AddressPolicy, is_local, judge_host};
use crate::http::error::ApiError;
use postern_protocol::ErrorCode;
use url::Url;

/// How long a URL may be, in bytes.
const LONGEST: usize = 2048;

/// The URL in its normal form.
pub(super) fn check(text: &str, policy: &AddressPolicy) -> Result<String, ApiError> {
    let refused = |message: &str| ApiError::new(ErrorCode::UrlRefused, format!("webhookUrl: {message}"));
    if text.len() > LONGEST {
        return Err(refused("it is longer than 2048 bytes"));
    }
    let mut url = Url::parse(text).map_err(|error| refused(&format!("it is no absolute URL: {error}")))?;
    let host = url.host().ok_or_else(|| refused("it has no host"))?.to_owned();
    let local = is_local(&host);
    match url.scheme() {
        "https" => {}
        "http" if local && policy.allow_loopback => {}
        "http" if local => {
            return Err(refused(
                "this proxy does not deliver to its own machine (registration.allow_loopback)",
            ));
        }
        "http" => return Err(refused("http:// is allowed only to the proxy's own machine; use https://")),
        _ => return Err(refused("it must begin with https://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it must not carry a user name or password"));
    }
    if url.port() == Some(0) {
        return Err(refused("port 0 cannot be reached"));
    }
    judge_host(&host, policy)
        .map_err(|what| refused(&format!("it leads to {what}, where this proxy does not deliver")))?;
    url.set_fragment(None);
    // What no request can carry must not become a worker that gets nothing.
    http::Uri::try_from(url.as_str())
        .map_err(|_| refused("it has characters that a request cannot carry"))?;
    Ok(url.into())
}

#[cfg(test)]
mod tests;
