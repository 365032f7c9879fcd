//! Linear's answer to who holds a key: the query `viewer` of its GraphQL API
//! (<https://linear.app/developers/graphql>; errors and limits:
//! <https://linear.app/developers/rate-limiting>).

use crate::delivery::client::{Answer, Outbound};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use postern_protocol::Secret;
use serde::Deserialize;

const QUERY: &str = r#"{"query":"query { viewer { id name guest organization { id name urlKey } } }"}"#;
/// How the proxy names itself.
const USER_AGENT: &str = concat!("Postern/", env!("CARGO_PKG_VERSION"));
/// API keys travel as they are, access tokens of OAuth as bearers.
const API_KEY: &str = "lin_api_";
/// When to ask again unless Linear says, in seconds.
const RETRY_AFTER: u64 = 15;
/// What Linear asks for is honoured up to here, in seconds.
const LONGEST_RETRY_AFTER: u64 = 3600;

/// Who holds the key.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Viewer {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) guest: bool,
    pub(super) organization: Organization,
}

/// Where.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Organization {
    pub(super) id: String,
    pub(super) url_key: String,
}

/// What Linear says.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// The key is good.
    Viewer(Viewer),
    /// It is not: why, in words.
    Refused(String),
    /// Linear did not say.
    Unknown { why: String, retry_after: u64 },
}

#[derive(Deserialize)]
struct Body {
    data: Option<Data>,
    #[serde(default)]
    errors: Vec<GraphqlError>,
}

#[derive(Deserialize)]
struct Data {
    viewer: Option<Viewer>,
}

#[derive(Deserialize)]
struct GraphqlError {
    #[serde(default)]
    extensions: Extensions,
}

#[derive(Default, Deserialize)]
struct Extensions {
    code: Option<String>,
}

/// Asks once.
pub(super) async fn ask(client: &Outbound, url: &Uri, key: &Secret) -> Asked {
    let Some(headers) = headers(key) else {
        return Asked::Refused("the Linear key has characters that no key has".to_owned());
    };
    match client.post(url.clone(), headers, Bytes::from_static(QUERY.as_bytes())).await {
        Ok(answer) => judge(&answer),
        Err(error) => unknown(format!("Linear cannot be asked about this key now: {error}"), None),
    }
}

fn headers(key: &Secret) -> Option<HeaderMap> {
    let text = key.reveal();
    let credential = if text.starts_with(API_KEY) { text.to_owned() } else { format!("Bearer {text}") };
    let mut credential = HeaderValue::try_from(credential).ok()?;
    credential.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, credential);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    Some(headers)
}

/// GraphQL errors come with 200 and 400 alike: the code decides.
fn judge(answer: &Answer) -> Asked {
    let body: Option<Body> = serde_json::from_slice(&answer.body).ok();
    let has = |code: &str| {
        let errors = body.iter().flat_map(|body| &body.errors);
        errors.filter_map(|error| error.extensions.code.as_deref()).any(|found| found == code)
    };
    let retry_after = answer.retry_after.as_deref();
    if answer.status == StatusCode::TOO_MANY_REQUESTS || has("RATELIMITED") {
        return unknown(
            "Linear's rate limit is reached; this key cannot be checked now".to_owned(),
            retry_after,
        );
    }
    if answer.status == StatusCode::UNAUTHORIZED || has("AUTHENTICATION_ERROR") {
        return Asked::Refused("Linear does not know this key, or it was revoked".to_owned());
    }
    if answer.status == StatusCode::FORBIDDEN || has("FORBIDDEN") {
        return Asked::Refused("Linear does not let this key read who holds it".to_owned());
    }
    let clean = body.as_ref().is_some_and(|body| body.errors.is_empty());
    match body.and_then(|body| body.data).and_then(|data| data.viewer) {
        Some(viewer) if clean && answer.status.is_success() => Asked::Viewer(viewer),
        _ => {
            let why = format!("Linear answered {} and not who holds this key", answer.status.as_u16());
            unknown(why, retry_after)
        }
    }
}

fn unknown(why: String, retry_after: Option<&str>) -> Asked {
    let asked = retry_after.and_then(|text| text.trim().parse::<u64>().ok());
    Asked::Unknown { why, retry_after: asked.unwrap_or(RETRY_AFTER).clamp(1, LONGEST_RETRY_AFTER) }
}
