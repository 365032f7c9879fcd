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

#[cfg(test)]
mod tests {
    use super::{LIMIT, Listing};
    use axum::extract::FromRequestParts;
    use futures_util::FutureExt;
    use http::Request;
    use postern_protocol::ErrorCode;
    use postern_protocol::api::{DeadLetterFilter, DeliveryFilter, EventFilter};
    use serde::de::DeserializeOwned;

    fn read<F: DeserializeOwned, const N: usize>(query: &str) {
        let Ok(request) = Request::get(format!("/v1/list?{query}")).body(()) else { return };
        let mut parts = request.into_parts().0;
        match Listing::<F, N>::from_request_parts(&mut parts, &()).now_or_never().unwrap() {
            Ok(listing) => assert!((1..=LIMIT.1).contains(&listing.limit)),
            Err(error) => assert_eq!(error.code(), ErrorCode::BadRequest, "{}", error.message()),
        }
    }

    #[test]
    fn any_query_is_a_list_or_refused() {
        crate::fuzz::run("query", |data| {
            let query = String::from_utf8_lossy(data);
            read::<EventFilter, 16>(&query);
            read::<DeliveryFilter, 24>(&query);
            read::<DeadLetterFilter, 24>(&query);
        });
    }
}
