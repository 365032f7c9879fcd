//! What the page may ask for: one command, behind which the edge keeps the
//! table of operations, and what only a desktop's program knows.

use crate::edge::{CurrentEdge, EdgeState};
use postern_edge::api::ApiError;
use serde_json::Value;
use tauri::{Builder, Runtime, State};

/// Calls an operation of the edge's local API by its name.
///
/// # Errors
/// The operation's own, as `{code, message, retryable}`.
#[tauri::command]
async fn call(edge: State<'_, CurrentEdge>, op: String, args: Option<Value>) -> Result<Value, ApiError> {
    let edge = edge.inner().clone();
    edge.call(&op, args.unwrap_or_default()).await
}

/// Which edge works for the app; later changes come as [`crate::live::EDGE`].
#[tauri::command]
fn edge_state(edge: State<'_, CurrentEdge>) -> EdgeState {
    edge.state()
}

/// Makes the commands known to the app.
pub(crate) fn register<R: Runtime>(builder: Builder<R>) -> Builder<R> {
    builder.invoke_handler(tauri::generate_handler![call, edge_state])
}

#[cfg(test)]
mod tests;
