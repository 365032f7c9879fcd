//! Bodies that are forms: a JSON document in the field `payload`, or fields.

use super::payload::{self, Json};
use crate::HeaderList;

/// How many fields of a form are kept.
const FIELDS: usize = 64;

/// Whether the headers say that the body is a form.
pub(super) fn is_named(headers: &HeaderList) -> bool {
    headers.get("content-type").is_some_and(|kind| {
        kind.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
    })
}

/// The JSON in the form's field `payload`.
pub(super) fn payload(body: &[u8]) -> Option<Json<'static>> {
    let (_, payload) = form_urlencoded::parse(body).find(|(name, _)| name == "payload")?;
    payload::read(payload.as_bytes()).map(Json::into_owned)
}

/// The form's first fields as an object of texts.
pub(super) fn fields(body: &[u8]) -> Json<'_> {
    let fields = form_urlencoded::parse(body).take(FIELDS);
    Json::Object(fields.map(|(name, value)| (name, Json::brief(value))).collect())
}
