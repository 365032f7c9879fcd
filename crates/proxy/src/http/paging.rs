//! The queries of lists: a filter, and which page. What is not known is
//! refused, so that a misspelt filter does not list everything.

use super::error::ApiError;
use crate::store::Cursor;
use axum::extract::FromRequestParts;
use http::request::Parts;
use postern_protocol::ErrorCode;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

/// How many are listed unless `limit` says otherwise, and at most.
const LIMIT: (u32, u32) = (50, 200);

/// The query of a list with the filter `F`.
pub(crate) struct Listing<F, const N: usize> {
    pub(crate) filter: F,
    pub(crate) from: Option<Cursor<N>>,
    pub(crate) limit: u32,
}

/// Which page of events.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `Listing` reads")]
pub(crate) struct EventPaging {
    /// `next` of the page before.
    #[param(nullable = false, pattern = "^[0-9a-f]{32}$")]
    cursor: Option<String>,
    /// At most so many; 50 unless said.
    #[param(nullable = false, minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Which page of deliveries.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `Listing` reads")]
pub(crate) struct DeliveryPaging {
    /// `next` of the page before.
    #[param(nullable = false, pattern = "^[0-9a-f]{48}$")]
    cursor: Option<String>,
    /// At most so many; 50 unless said.
    #[param(nullable = false, minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

impl<F: DeserializeOwned, const N: usize, S: Sync> FromRequestParts<S> for Listing<F, N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let mut rest = form_urlencoded::Serializer::new(String::new());
        let (mut cursor, mut limit) = (None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let twice = match &*name {
                "cursor" => cursor.replace(value).is_some(),
                "limit" => limit.replace(value).is_some(),
                _ => {
                    rest.append_pair(&name, &value);
                    false
                }
            };
            if twice {
                return Err(refused(format!("`{name}` stands there twice")));
            }
        }
        let cursor = cursor.map(|text| text.parse::<Cursor<N>>());
        let limit = match limit {
            None => LIMIT.0,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=LIMIT.1).contains(limit))
                .ok_or_else(|| refused(format!("`limit` is a number from 1 to {}", LIMIT.1)))?,
        };
        Ok(Self {
            filter: query_of(&rest.finish())?,
            from: cursor.transpose().map_err(|error| refused(format!("`cursor` is {error}")))?,
            limit,
        })
    }
}

/// The parameters of a query, none unknown.
pub(crate) fn query_of<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    serde_urlencoded::from_str(query).map_err(|error| refused(error.to_string()))
}

fn refused(why: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::BadRequest, format!("cannot read the query: {why}"))
}
