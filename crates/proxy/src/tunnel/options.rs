//! Which options a tunnel can have.

use crate::config::Network;
use crate::http::error::ApiError;
use crate::store::Source;
use http::HeaderValue;
use postern_protocol::api::tunnels::{HEADER_PREFIX, HeaderRules, TunnelAccess, TunnelOptions};
use postern_protocol::signature::Scheme;
use postern_protocol::{ErrorCode, Secret};
use std::ops::RangeInclusive;

const MOST_NETWORKS: usize = 100;
const MOST_RULES: usize = 50;
const LONGEST_VALUE: usize = 4096;

/// Headers that say how a message is framed, or where it goes.
const OWN: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "http2-settings",
];

/// Refuses options that cannot be, in words. `sources`: the workspace's.
pub(crate) fn check(options: &TunnelOptions, sources: &[Source]) -> Result<(), ApiError> {
    let TunnelOptions { access, allow, only_signed, request_headers, response_headers, concurrency, rate } =
        options;
    match access {
        TunnelAccess::None {} => {}
        TunnelAccess::Basic { user, password } => {
            let fits = |c: char| c != ':' && !c.is_control();
            if !(1..=100).contains(&user.chars().count()) || !user.chars().all(fits) {
                return refuse("`access.user` has 1 to 100 characters, no colon among them");
            }
            secret(password.as_ref(), 8..=200, |c| !c.is_control(), "password")?;
        }
        TunnelAccess::Bearer { token } => {
            secret(token.as_ref(), 16..=200, |c| c.is_ascii_graphic(), "token")?;
        }
    }
    if allow.len() > MOST_NETWORKS {
        return refuse(format!("`allow` has at most {MOST_NETWORKS} networks"));
    }
    if let Some(wrong) = allow.iter().find(|text| text.parse::<Network>().is_err()) {
        let shown: String = wrong.chars().take(50).collect();
        return refuse(format!("`allow`: {shown:?} is no network such as \"10.1.0.0/16\""));
    }
    if let Some(name) = only_signed {
        match sources.iter().find(|source| source.name == *name) {
            None => return refuse("`onlySigned` names no source of the workspace"),
            Some(source) if source.scheme == Scheme::None => {
                return refuse("`onlySigned`: nothing is signed at that source");
            }
            Some(_) => {}
        }
    }
    rules("requestHeaders", request_headers)?;
    rules("responseHeaders", response_headers)?;
    if concurrency.is_some_and(|most| !(1..=10_000).contains(&most)) {
        return refuse("`concurrency` is 1 to 10000");
    }
    if rate.is_some_and(|most| !(1..=100_000).contains(&most)) {
        return refuse("`rate` is 1 to 100000");
    }
    Ok(())
}

fn secret(
    secret: Option<&Secret>,
    length: RangeInclusive<usize>,
    fits: impl Fn(char) -> bool,
    what: &str,
) -> Result<(), ApiError> {
    let Some(secret) = secret else { return Ok(()) };
    if length.contains(&secret.reveal().chars().count()) && secret.reveal().chars().all(fits) {
        return Ok(());
    }
    refuse(format!("`access.{what}` has {} to {} characters that can be sent", length.start(), length.end()))
}

fn rules(of: &str, HeaderRules { remove, set }: &HeaderRules) -> Result<(), ApiError> {
    if remove.len() > MOST_RULES || set.len() > MOST_RULES {
        return refuse(format!("`{of}` removes and sets at most {MOST_RULES} headers each"));
    }
    let ours = |name: &str| OWN.contains(&name) || name.starts_with(HEADER_PREFIX);
    for name in remove.iter().map(|name| name.as_str()).chain(set.keys().map(String::as_str)) {
        let name = name.to_ascii_lowercase();
        if ours(&name) {
            return refuse(format!("`{of}`: the header {name} is the tunnel's own"));
        }
    }
    for (name, value) in set {
        if name.parse::<postern_protocol::header::HeaderName>().is_err() {
            return refuse(format!("`{of}.set` has what is no header's name"));
        }
        if value.len() > LONGEST_VALUE || HeaderValue::from_str(value).is_err() {
            return refuse(format!("`{of}.set`: the value of {name} cannot be sent"));
        }
    }
    Ok(())
}

fn refuse(message: impl Into<String>) -> Result<(), ApiError> {
    Err(ApiError::new(ErrorCode::BadRequest, message))
}
