//! `postern trigger`.

use crate::args;
use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{self, Output, safe};
use postern_edge::api::{Templates, Trigger, Triggered};
use postern_protocol::{ErrorCode, Provider};
use serde::Serialize;
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// No provider's body is longer, in bytes.
const LONGEST_BODY: u64 = 25 << 20;

/// What `--json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    /// The first one's id.
    event_id: String,
    /// All of them, in order.
    event_ids: Vec<String>,
}

/// Lists the templates, or has the proxy make events.
pub(crate) async fn trigger(
    settings: &Settings,
    args: args::Trigger,
    output: &Output,
) -> Result<(), Failure> {
    let Some(provider) = args.provider.filter(|_| !args.list) else {
        return list(settings, args.provider, output).await;
    };
    let (name, body) = match (args.name, args.file) {
        (_, Some(file)) => own(provider, args.event_type, &file)?,
        (name, None) => (name.unwrap_or_default(), None),
    };
    let set = (!args.set.is_empty()).then(|| args.set.into_iter().collect());
    let edge = Backend::open(settings, settings.edge(args.proxy.proxy)?).await?;
    edge.unlock().await?;
    let mut event_ids = Vec::new();
    for _ in 0..args.count {
        let trigger = Trigger { provider, name: name.clone(), set: set.clone(), body: body.clone() };
        let triggered: Result<Triggered, Failure> = edge.call("trigger", trigger).await;
        match triggered {
            Ok(made) => event_ids.push(made.event_id),
            Err(failure) if failure.code() == ErrorCode::NotFound.as_str() && body.is_none() => {
                return Err(failure.with_cure(&format!("`postern trigger --list {provider}` lists them.")));
            }
            Err(failure) if event_ids.is_empty() => return Err(failure),
            Err(failure) => {
                return Err(failure.with_cure(&format!("{} were made before.", event_ids.len())));
            }
        }
    }
    let made = Made { event_id: event_ids.first().cloned().unwrap_or_default(), event_ids };
    output.show(&made, |_| {
        let rest =
            if edge.runs() { "" } else { " It is held until the worker runs: `postern serve` starts it." };
        match made.event_ids.len() {
            1 => format!("The proxy made {} ({}).{rest}", safe(&name), safe(&made.event_id)),
            n => format!("The proxy made {} {n} times.{rest}", safe(&name)),
        }
    })
}

async fn list(settings: &Settings, provider: Option<Provider>, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    let mut list: Templates = edge.call("templates", ()).await?;
    list.templates.retain(|template| provider.is_none_or(|provider| provider == template.provider));
    output.show(&list, |style| output::templates(style, &list))
}

/// The name and the text of a body of one's own.
fn own(provider: Provider, name: Option<String>, file: &Path) -> Result<(String, Option<String>), Failure> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("The body in {} cannot be read: {why}.", file.display()))
    };
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(LONGEST_BODY + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(LONGEST_BODY + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > LONGEST_BODY {
        return Err(unreadable(&format_args!("it is longer than {} MiB", LONGEST_BODY >> 20)));
    }
    let text = String::from_utf8(bytes).map_err(|_| unreadable(&"it is not UTF-8"))?;
    let said = || {
        // GitHub says the type in a header alone.
        let json: Value = serde_json::from_str(&text).ok().filter(|_| provider != Provider::Github)?;
        Some(json["type"].as_str()?.to_owned())
    };
    let name = name.or_else(said).ok_or_else(|| {
        Failure::usage("The body does not say what type of event it is: give it with --type.")
    })?;
    Ok((name, Some(text)))
}
