//! What the page may ask for: one command, behind which the edge keeps the
//! table of operations.

use postern_edge::EdgeHandle;
use postern_edge::api::{self, ApiError};
use serde_json::Value;
use tauri::{Builder, Runtime, State};

/// Calls an operation of the edge's local API by its name.
///
/// # Errors
/// The operation's own, as `{code, message, retryable}`.
#[tauri::command]
async fn call(edge: State<'_, EdgeHandle>, op: String, args: Option<Value>) -> Result<Value, ApiError> {
    api::call(&edge, &op, args.unwrap_or_default()).await
}

/// Makes the command known to the app.
pub(crate) fn register<R: Runtime>(builder: Builder<R>) -> Builder<R> {
    builder.invoke_handler(tauri::generate_handler![call])
}

#[cfg(test)]
mod tests;
