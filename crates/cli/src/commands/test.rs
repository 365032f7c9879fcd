//! `postern test`: a canary through the whole path.

use super::status::not_running;
use crate::backend::{Settings, running};
use crate::failure::Failure;
use crate::output::{self, Output};
use postern_edge::api::{HopState, PathTest};

/// Has the running worker test the path, and shows each hop.
///
/// # Errors
/// When a hop failed, or there was nothing to test.
pub(crate) async fn test(settings: &Settings, output: &Output) -> Result<(), Failure> {
    let Some(edge) = running(settings).await? else {
        return Err(not_running("It must run, for the canary to arrive."));
    };
    let test: PathTest = serde_json::from_value(edge.call("test_path", serde_json::Value::Null).await?)
        .map_err(std::io::Error::from)?;
    output.show(&test, |style| output::path_test(style, &test))?;
    match test.hops.iter().find(|hop| hop.state == HopState::Failed) {
        None => Ok(()),
        Some(hop) => Err(Failure::coded("path.broken", format!("{}: {}.", hop.name, hop.note))),
    }
}
