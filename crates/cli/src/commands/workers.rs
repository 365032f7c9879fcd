//! `postern workers`.

use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{self, Output};
use postern_edge::api::Workers;

/// Lists the workspace's workers, as the proxy knows them.
pub(crate) async fn workers(settings: &Settings, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    edge.unlock().await?;
    let list: Workers = edge.call("workers", ()).await?;
    output.show(&list, |style| output::workers(style, &list))
}
