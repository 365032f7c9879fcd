//! What the page may ask for: one command, behind which the edge keeps the
//! table of operations, and what only a desktop's program knows.

use crate::edge::{CurrentEdge, EdgeState};
use crate::link::{Next, Place};
use crate::live::Feed;
use crate::login;
use postern_edge::api::{ApiError, Live};
use postern_protocol::ErrorCode;
use serde::Serialize;
use serde_json::Value;
use tauri::{AppHandle, Builder, Runtime, State};
use tauri_plugin_opener::OpenerExt;

/// Calls an operation of the edge's local API by its name.
///
/// # Errors
/// The operation's own, as `{code, message, retryable}`.
#[tauri::command]
async fn call(edge: State<'_, CurrentEdge>, op: String, args: Option<Value>) -> Result<Value, ApiError> {
    let edge = edge.inner().clone();
    edge.call(&op, args.unwrap_or_default()).await
}

/// Begins to tell the page what changes after `cursor`; by the number that it
/// answers the page fetches ([`live_next`]).
#[tauri::command]
fn live_open(edge: State<'_, CurrentEdge>, feed: State<'_, Feed>, cursor: u64) -> u32 {
    feed.open(&edge, cursor)
}

/// The next changes, or nothing for a while; `null` when another page fetches.
///
/// # Errors
/// None: a command that waits must be able to have some.
#[tauri::command]
async fn live_next(feed: State<'_, Feed>, page: u32) -> Result<Option<Live>, ApiError> {
    Ok(feed.next(page).await)
}

/// Which edge works for the app; later changes come as [`crate::live::EDGE`].
#[tauri::command]
fn edge_state(edge: State<'_, CurrentEdge>) -> EdgeState {
    edge.state()
}

/// What the page shows of the program around it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    /// Where history and settings are.
    data_folder: String,
    /// Absent where the system does not say.
    starts_at_login: Option<bool>,
}

#[tauri::command]
fn desktop_facts<R: Runtime>(app: AppHandle<R>, edge: State<'_, CurrentEdge>) -> Facts {
    Facts { data_folder: edge.data_dir().display().to_string(), starts_at_login: login::is_on(&app) }
}

/// Starts the app at login from now on, or no longer.
///
/// # Errors
/// `internal`, in the system's words.
#[tauri::command]
fn set_start_at_login<R: Runtime>(app: AppHandle<R>, on: bool) -> Result<(), ApiError> {
    login::set(&app, on).map_err(|problem| {
        ApiError::new(ErrorCode::Internal, format!("Starting at login could not be changed: {problem}."))
    })
}

/// Opens the data folder in the system's file manager.
///
/// # Errors
/// `internal`, in the system's words.
#[tauri::command]
async fn open_data_folder<R: Runtime>(
    app: AppHandle<R>,
    edge: State<'_, CurrentEdge>,
) -> Result<(), ApiError> {
    let folder = edge.data_dir().display().to_string();
    app.opener().open_path(&folder, None::<&str>).map_err(|problem| {
        ApiError::new(ErrorCode::Internal, format!("No program opens the folder {folder}: {problem}."))
    })
}

/// Where the page shall go next, once.
#[tauri::command]
fn next_place(next: State<'_, Next>) -> Option<Place> {
    next.take()
}

/// Makes the commands known to the app.
pub(crate) fn register<R: Runtime>(builder: Builder<R>) -> Builder<R> {
    builder.invoke_handler(tauri::generate_handler![
        call,
        live_open,
        live_next,
        edge_state,
        desktop_facts,
        set_start_at_login,
        open_data_folder,
        next_place
    ])
}

#[cfg(test)]
mod tests;
