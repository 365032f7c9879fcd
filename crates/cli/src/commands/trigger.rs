//! `postern trigger`.

use crate::args;
use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{self, Output, safe};
use postern_edge::api::{Templates, Trigger, Triggered};

/// Lists the templates, or has the proxy make an event from one.
pub(crate) async fn trigger(
    settings: &Settings,
    args: args::Trigger,
    output: &Output,
) -> Result<(), Failure> {
    let (Some(provider), Some(name)) = (args.provider, args.name) else {
        let edge = Backend::open(settings, settings.edge(None)?).await?;
        let list: Templates = edge.call("templates", ()).await?;
        return output.show(&list, |style| output::templates(style, &list));
    };
    let edge = Backend::open(settings, settings.edge(args.proxy.proxy)?).await?;
    edge.unlock().await?;
    let made: Triggered = edge.call("trigger", Trigger { provider, name: name.clone() }).await?;
    output.show(&made, |_| {
        let rest =
            if edge.runs() { "" } else { " It is held until the worker runs: `postern serve` starts it." };
        format!("The proxy made {} ({}).{rest}", safe(&name), safe(&made.event_id))
    })
}
