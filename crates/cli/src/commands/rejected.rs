//! `postern rejected`.

use crate::args::Rejected;
use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{self, Output};
use postern_edge::api::{RejectedPage, RejectedQuery};

/// Lists what the receiver refused, newest first.
pub(crate) async fn rejected(settings: &Settings, args: Rejected, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    let query = RejectedQuery { before: None, limit: Some(args.limit) };
    let page: RejectedPage = edge.call("rejected", query).await?;
    output.show(&page, |style| output::rejected(style, &page))
}
