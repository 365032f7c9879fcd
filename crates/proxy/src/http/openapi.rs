//! The description of the workspace API (OpenAPI 3.1), made from the handlers
//! that the route table names and from the types they take and give, and
//! served at `/v1/openapi.json`. What is not described there is not served
//! under `/v1`.

use crate::store::Scope;
use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::{CONTENT_TYPE, HeaderValue};
use postern_protocol::ErrorCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify};
use utoipa_axum::router::OpenApiRouter;

/// What every route of `/v1` belongs under.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Postern workspace API"),
    tags(
        (name = "workspace", description = "The workspace, its sources and its workers."),
        (name = "events", description = "What was accepted, and what became of it."),
        (name = "deliveries", description = "Each event's way to each worker; dead letters."),
    ),
    security(("bearer" = [])),
    components(schemas(postern_protocol::ErrorBody)),
    modifiers(&Bearer),
)]
struct Frame;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApi) {
        let scopes: Vec<_> = Scope::ALL.iter().map(|scope| format!("`{}`", scope.as_str())).collect();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(format!(
            "A workspace token (`pst_…`) with the scope that the route names ({}), or a worker's credential (`psw_…`), \
             which may do what the token it registered with may.",
            scopes.join(", ")
        )));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        document.info.description = Some(
            "Programs match the `code` of an error; its message is for people. Lists are read a page at a time: \
             pass `next` of one answer as `cursor` of the next request, until an answer has none. A page may be \
             short, or empty, before the last."
                .into(),
        );
    }
}

/// The answers that any route may give when it does not do what was asked.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        for code in [
            ErrorCode::BadRequest,
            ErrorCode::Unauthorized,
            ErrorCode::TokenRevoked,
            ErrorCode::Forbidden,
            ErrorCode::NotFound,
            ErrorCode::BodyTimeout,
            ErrorCode::BodyIncomplete,
            ErrorCode::TooLarge,
            ErrorCode::Unsupported,
            ErrorCode::RateLimited,
            ErrorCode::Internal,
            ErrorCode::StoreUnavailable,
        ] {
            by_status.entry(code.status()).or_default().push(code.as_str());
        }
        let refusal = |(status, codes): (u16, Vec<&str>)| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
            let response = ResponseBuilder::new()
                .description(format!("`{}`", codes.join("`, `")))
                .content("application/json", content)
                .build();
            (status.to_string(), RefOr::T(response))
        };
        by_status.into_iter().map(refusal).collect()
    }
}

/// The routes with the document that describes them beside them.
pub(crate) fn described(routes: OpenApiRouter) -> Router {
    let (router, mut document) = OpenApiRouter::with_openapi(frame()).merge(routes).split_for_parts();
    document.info.version = env!("CARGO_PKG_VERSION").into();
    let mut json = serde_json::to_value(&document).unwrap_or_default();
    complete(&mut json);
    // The types' documentation links to other types, which mean nothing here.
    let json = json.to_string().replace("[`", "`").replace("`]", "`");
    let answer = ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json);
    router.route("/v1/openapi.json", get(async move || answer.clone().into_response()))
}

/// Adds what the types do not say of themselves.
fn complete(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    for schema in schemas.values_mut() {
        // A variant with a value is an object with the one member.
        let variants = schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten();
        for variant in
            variants.filter(|variant| variant["properties"].as_object().is_some_and(|p| p.len() == 1))
        {
            variant["additionalProperties"] = json!(false);
        }
    }
    // A token has no worker of its own to make an event for.
    if let Some(trigger) = schemas.get_mut("TriggerRequest") {
        trigger["anyOf"] = json!([
            {"required": ["worker"], "properties": {"worker": {"type": "string"}}},
            {"required": ["all"], "properties": {"all": {"const": true}}},
        ]);
        // A pair is a list of two; what HTTP allows (RFC 9110, section 5).
        let name = json!({"type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"});
        let value = json!({"type": "string", "pattern": "^[^\\x00-\\x08\\x0a-\\x1f\\x7f]*$"});
        trigger["properties"]["headers"]["items"] =
            json!({"type": "array", "prefixItems": [name, value], "items": false, "minItems": 2});
    }
}

fn frame() -> OpenApi {
    <Frame as utoipa::OpenApi>::openapi()
}
