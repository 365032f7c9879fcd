//! `postern test`: a canary through the whole path.

use super::status::not_running;
use crate::backend::{Backend, Settings, running};
use crate::failure::Failure;
use crate::output::{self, Output};
use postern_edge::api::{HopState, PathTest};

/// Has the running worker test the path, and shows each hop.
///
/// # Errors
/// When a hop failed, or there was nothing to test.
pub(crate) async fn test(settings: &Settings, output: &Output) -> Result<(), Failure> {
    let edge = match running(settings).await? {
        Some(client) => Backend::Running(client),
        None => return Err(not_running("It must run, for the canary to arrive.")),
    };
    let test: PathTest = edge.call("test_path", ()).await?;
    output.show(&test, |style| output::path_test(style, &test))?;
    match test.hops.iter().find(|hop| hop.state == HopState::Failed) {
        None => Ok(()),
        Some(hop) => Err(Failure::coded("path.broken", format!("{}: {}.", hop.name, hop.note))),
    }
}
