//! Events for `trigger`: bodies and headers as the providers send them, with
//! fresh ids and times. They follow the providers' public schemas
//! (linear.app/developers/webhooks, docs.github.com/webhooks).
//!
//! The bodies are data: a file for each provider, with the building blocks
//! they share ([`catalogue`]) and placeholders for what is fresh in each event
//! ([`fresh`]).

use crate::api::Template;
use fresh::Fresh;
use postern_protocol::{Provider, UnixMillis};
use serde_json::{Map, Value};

mod catalogue;
mod fresh;
mod headers;
mod set;

/// An event made from a template, or of a body of one's own.
pub(crate) struct Made {
    /// The provider's headers that name the event. Signatures are the proxy's.
    pub(crate) headers: Vec<(String, String)>,
    /// The body's text.
    pub(crate) body: String,
}

/// All templates, in the order of a menu.
#[must_use]
pub fn list() -> Vec<Template> {
    [Provider::Linear, Provider::Github].into_iter().flat_map(catalogue::names).collect()
}

/// An event from the template of this name with other members: `None` when
/// there is no such template.
///
/// # Errors
/// In words, when a member cannot be set.
pub(crate) fn make(
    provider: Provider,
    name: &str,
    set: &Map<String, Value>,
    now: UnixMillis,
) -> Result<Option<Made>, String> {
    let mut fresh = Fresh::new(now);
    let Some(mut body) = catalogue::body(provider, name, &mut fresh) else { return Ok(None) };
    set::members(&mut body, set)?;
    let headers = headers::of(provider, name, &body, &mut fresh);
    Ok(Some(Made { headers, body: body.to_string() }))
}

/// An event with a body of one's own. Without members to set it is sent byte
/// for byte.
///
/// # Errors
/// In words, when members are to be set and the body is not JSON or has no
/// place for them.
pub(crate) fn own(
    provider: Provider,
    name: &str,
    body: String,
    set: &Map<String, Value>,
    now: UnixMillis,
) -> Result<Made, String> {
    let json = serde_json::from_str::<Value>(&body);
    let (json, body) = if set.is_empty() {
        (json.unwrap_or_default(), body)
    } else {
        let mut json =
            json.map_err(|error| format!("members cannot be set, the body is not JSON: {error}"))?;
        set::members(&mut json, set)?;
        let body = json.to_string();
        (json, body)
    };
    Ok(Made { headers: headers::of(provider, name, &json, &mut Fresh::new(now)), body })
}

#[cfg(test)]
mod tests;
