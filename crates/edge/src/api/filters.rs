//! Capability terms that somebody is writing.

use super::ApiError;
use crate::EdgeHandle;
use postern_protocol::filter::Filter;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `check_filter`.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FilterTerms {
    /// As for [`super::Settings::capabilities`].
    pub terms: Vec<String>,
}

/// What is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CheckedFilter {
    /// The first problem; absent where there is none.
    pub problem: Option<FilterProblem>,
}

/// Where a filter cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FilterProblem {
    /// Which term, from 0.
    pub term: u32,
    /// Where in it, in characters from 1.
    pub at: u32,
    /// What is wrong there.
    pub reason: String,
}

/// Says what keeps terms from being asked for, and where.
///
/// # Errors
/// None at present.
pub async fn check_filter(_: &EdgeHandle, args: FilterTerms) -> Result<CheckedFilter, ApiError> {
    let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let problem = args.terms.iter().enumerate().find_map(|(n, term)| {
        let wrong = Filter::parse(std::slice::from_ref(term)).err()?;
        Some(FilterProblem { term: place(n), at: place(wrong.at), reason: wrong.reason })
    });
    Ok(CheckedFilter { problem })
}
