//! `postern rotate-secret`: the worker's signing secret is replaced.

use super::status::not_running;
use crate::backend::{Backend, Settings, running};
use crate::failure::Failure;
use crate::output::Output;
use postern_edge::api::RotatedSecret;

/// Has the running worker do it: it must know the new secret at once.
pub(crate) async fn rotate_secret(settings: &Settings, output: &Output) -> Result<(), Failure> {
    let edge = match running(settings).await? {
        Some(client) => Backend::Running(client),
        None => return Err(not_running("It must run, to know the new secret at once.")),
    };
    let rotated: RotatedSecret = edge.call("rotate_secret", ()).await?;
    output.show(&rotated, |style| {
        format!(
            "Deliveries are signed with a new secret; the old one holds until {}.",
            style.day_and_time(rotated.old_until)
        )
    })
}
