//! The operations on saved views. They are kept for the profile, so that the
//! app and a browser show the same ones.

use super::ApiError;
use crate::EdgeHandle;
use crate::history::Renamed;
use postern_protocol::ErrorCode;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// So many views at most has a profile.
pub(super) const MOST: usize = 100;
/// How long a name may be, in characters.
const LONGEST_NAME: usize = 60;
/// How long a filter may be, in bytes.
const LONGEST_FILTER: usize = 4000;

/// A filter of the list with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct View {
    /// At most 60 characters, unlike all others.
    pub name: String,
    /// As the address of the list holds it: `q=login&provider=linear`.
    pub filter: String,
}

/// Every saved view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Views {
    /// By name.
    pub views: Vec<View>,
}

/// `rename_view`.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct RenameView {
    /// The view's name.
    pub name: String,
    /// Its new one.
    pub to: String,
}

/// `remove_view`.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct ViewKey {
    /// The view's name.
    pub name: String,
}

/// The profile's views; none without a sign-in.
///
/// # Errors
/// `store.unavailable`.
pub async fn views(edge: &EdgeHandle) -> Result<Views, ApiError> {
    let views = match edge.shared.profile_id() {
        Some(profile) => edge.shared.history.views(profile).await?,
        None => Vec::new(),
    };
    Ok(Views { views })
}

/// Keeps a view, in place of one of the same name.
///
/// # Errors
/// `edge.not_signed_in`; `request.malformed` for a name or a filter that is
/// empty or too long, and for more than 100 views.
pub async fn save_view(edge: &EdgeHandle, args: View) -> Result<Views, ApiError> {
    let profile = profile(edge)?;
    let view = checked(args)?;
    if !edge.shared.history.save_view(profile, view, MOST).await? {
        let message = format!("there are {MOST} views already: remove one first");
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    views(edge).await
}

/// Gives a view another name.
///
/// # Errors
/// `edge.not_signed_in`; `not_found`; `request.malformed` for a name that
/// another has, or that cannot be one.
pub async fn rename_view(edge: &EdgeHandle, args: RenameView) -> Result<Views, ApiError> {
    let profile = profile(edge)?;
    let to = name(&args.to)?;
    match edge.shared.history.rename_view(profile, args.name.clone(), to.clone()).await? {
        Renamed::Done => views(edge).await,
        Renamed::Unknown => {
            Err(ApiError::new(ErrorCode::NotFound, format!("there is no view `{}`", args.name)))
        }
        Renamed::Taken => {
            Err(ApiError::new(ErrorCode::BadRequest, format!("another view has the name `{to}`")))
        }
    }
}

/// Removes a view; one that is not there is removed already.
///
/// # Errors
/// `edge.not_signed_in`.
pub async fn remove_view(edge: &EdgeHandle, args: ViewKey) -> Result<Views, ApiError> {
    edge.shared.history.remove_view(profile(edge)?, args.name).await?;
    views(edge).await
}

/// A view as it is kept.
pub(super) fn checked(view: View) -> Result<View, ApiError> {
    let name = name(&view.name)?;
    if view.filter.is_empty() || view.filter.len() > LONGEST_FILTER {
        let message = format!("`filter` must have 1 to {LONGEST_FILTER} bytes");
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    Ok(View { name, filter: view.filter })
}

fn profile(edge: &EdgeHandle) -> Result<i64, ApiError> {
    edge.shared
        .profile_id()
        .ok_or_else(|| ApiError::new(ErrorCode::NotSignedIn, "views belong to a sign-in: sign in first"))
}

fn name(typed: &str) -> Result<String, ApiError> {
    let name = typed.trim();
    if name.is_empty() || name.chars().nth(LONGEST_NAME).is_some() || name.contains(char::is_control) {
        let message = format!("a view's name has 1 to {LONGEST_NAME} characters, and no control characters");
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    Ok(name.to_owned())
}
