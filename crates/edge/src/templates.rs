//! Events for `trigger`: bodies and headers as the providers send them, with
//! fresh ids and times. They follow the providers' public schemas
//! (linear.app/developers/webhooks, docs.github.com/webhooks,
//! docs.stripe.com/api/events, docs.slack.dev).
//!
//! The bodies are data: a file for each provider, with the building blocks
//! they share ([`catalogue`]) and placeholders for what is fresh in each event
//! ([`fresh`]).

use crate::api::Template;
use fresh::Fresh;
use postern_protocol::{Provider, UnixMillis};
use serde_json::{Map, Value};
use url::form_urlencoded;

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
    [Provider::Linear, Provider::Github, Provider::Stripe, Provider::Slack]
        .into_iter()
        .flat_map(catalogue::names)
        .collect()
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
    let text = written(provider, &body);
    Ok(Some(Made { headers: headers::of(provider, name, &body, &text, &mut fresh), body: text }))
}

/// The body as its provider writes it: JSON, but of Slack's commands a form, and
/// of its interactions JSON in a form's field.
fn written(provider: Provider, body: &Value) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    match (provider, body.as_object()) {
        (Provider::Slack, Some(members)) if members.contains_key("command") => {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            form.extend_pairs(members.iter().map(|(name, value)| (name, text(value))));
            form.finish()
        }
        (Provider::Slack, Some(_)) if body["type"] != "event_callback" => {
            form.append_pair("payload", &body.to_string()).finish()
        }
        _ => body.to_string(),
    }
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
    Ok(Made { headers: headers::of(provider, name, &json, &body, &mut Fresh::new(now)), body })
}

#[cfg(test)]
mod tests;
