//! `postern profiles`: the workspaces this machine works for.

use super::dead_letters::agreed;
use crate::args::Profiles;
use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{self, Output, counted, safe};
use postern_edge::api::{ProfileKey, ProfileState, RenameProfile, Status};

/// Lists, shows, renames or removes.
pub(crate) async fn profiles(settings: &Settings, command: Profiles, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    let status: Status = edge.call("status", ()).await?;
    let status: Status = match command {
        Profiles::List => status,
        Profiles::Use { name } => {
            let id = named(&status, &name)?.id;
            edge.call("switch_profile", ProfileKey { id }).await?
        }
        Profiles::Rename { name, new } => {
            let id = named(&status, &name)?.id;
            edge.call("rename_profile", RenameProfile { id, name: new }).await?
        }
        Profiles::Remove { name, yes } => {
            let profile = named(&status, &name)?;
            if !yes {
                let (name, events) = (safe(&profile.name), counted(profile.events, "event"));
                let question = format!(
                    "Leave {name} at {} and delete {events}, its token and the worker's secrets from this machine?",
                    safe(&profile.proxy_url)
                );
                agreed(&question, output)?;
            }
            edge.unlock().await?;
            edge.call("remove_profile", ProfileKey { id: profile.id }).await?
        }
    };
    output.show(&status.profiles, |style| output::profiles(style, &status))
}

fn named<'s>(status: &'s Status, name: &str) -> Result<&'s ProfileState, Failure> {
    let exact = status.profiles.iter().find(|profile| profile.name == name);
    let alike = || {
        let alike = |profile: &&ProfileState| profile.name.to_lowercase() == name.to_lowercase();
        status.profiles.iter().find(alike)
    };
    exact.or_else(alike).ok_or_else(|| {
        let names: Vec<_> = status.profiles.iter().map(|profile| safe(&profile.name)).collect();
        let there = if names.is_empty() { "nobody is signed in".into() } else { names.join(", ") };
        Failure::coded("not_found", format!("There is no profile {} here. There is: {there}.", safe(name)))
    })
}
