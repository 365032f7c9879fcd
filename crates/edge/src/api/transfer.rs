//! Settings from one machine to another: a document of everything that was set,
//! without events and without secrets. What is secret in it (values of headers
//! that rules add, of parameters in addresses) is left out and named, so that
//! whoever imports is told what to enter again.
//!
//! An import says first what it would change, and does all of it or nothing.

use super::operations::{check_settings, settings_in_force};
use super::{ApiError, Document, RuleList, Status, profiles, status, views};
use crate::EdgeHandle;
use crate::handlers;
use crate::history::Taken;
use crate::state::Shared;
use document::{Exported, ExportedProfile, ExportedRule};
use postern_protocol::ErrorCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use ts_rs::TS;

mod changes;
mod document;

/// How the interface looks: kept by itself, exported and imported with the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Appearance {
    /// Its colours.
    pub theme: Theme,
    /// Whether single letters are keys.
    pub single_keys: bool,
}

/// Colours of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// As the system has it.
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// `export_settings`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
#[ts(optional_fields)]
pub struct ExportSettings {
    /// How the interface looks that asks; absent: that is left out.
    pub appearance: Option<Appearance>,
}

/// `import_settings`.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct ImportSettings {
    /// The document that `export_settings` made.
    pub document: String,
    /// Whether to take it over; otherwise only to say what would change.
    pub apply: bool,
    /// How the interface looks that asks, for which to change it then is.
    pub appearance: Option<Appearance>,
}

/// What an import changes, or would.
#[derive(Clone, Debug, Serialize, Deserialize, TS)]
pub struct Imported {
    /// In the order of the document.
    pub changes: Vec<SettingChange>,
    /// Secrets that the document does not hold, and that this machine does not
    /// have: `Acme, rule “API”: the header x-api-key`.
    pub missing: Vec<String>,
    /// What is left out, and why.
    pub left: Vec<String>,
    /// How the document says that the interface looks.
    pub appearance: Option<Appearance>,
    /// Whether it was done.
    pub applied: bool,
    /// How things stand now.
    pub status: Status,
}

/// One thing that changes, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SettingChange {
    /// The profile's name; absent: of the machine.
    pub profile: Option<String>,
    /// `Notifications`, `Rule “API”`.
    pub what: String,
    /// As it is; absent: it is not there yet.
    pub from: Option<String>,
    /// As it becomes; absent: it goes.
    pub to: Option<String>,
}

/// Writes what was set on this machine, without secrets.
///
/// # Errors
/// `store.unavailable`.
pub async fn export_settings(edge: &EdgeHandle, args: ExportSettings) -> Result<Document, ApiError> {
    let mut exported = Vec::new();
    for slot in edge.profiles.all() {
        let Some(profile) = slot.account.borrow().profile().cloned() else { continue };
        let name = slot.label.borrow().clone();
        let rules = slot.history.rules(profile.id).await?.0.rules;
        let views = slot.history.views(profile.id).await?;
        exported.push(ExportedProfile {
            proxy_url: profile.proxy_url,
            workspace_id: profile.workspace_id,
            workspace: profile.workspace_name,
            name,
            rules: rules.iter().map(ExportedRule::of).collect(),
            views,
        });
    }
    let settings = document::members(&edge.shared.settings.borrow().clone())?;
    let text = Exported::new(settings, args.appearance, exported).write()?;
    Ok(Document { name: "postern-settings.json".into(), text })
}

/// Says what a document would change, or takes it over: all of it, or, when
/// something in it is wrong, nothing. Settings that it does not name stay. The
/// rules of a profile become those of the document; views are added to those
/// there are. Profiles that this machine is not signed in to are left out.
///
/// # Errors
/// `request.malformed` for what is no such document, or says what cannot be,
/// with the place; `request.unsupported` for one of another version;
/// `edge.rules_changed`; `store.unavailable`.
pub async fn import_settings(edge: &EdgeHandle, args: ImportSettings) -> Result<Imported, ApiError> {
    let document = Exported::read(&args.document)?;
    let before = edge.shared.settings.borrow().clone();
    let mut settings = document::settings(&before, &document.settings)?;
    check_settings(&settings).map_err(|e| refuse(format!("`settings`: {}", e.message)))?;
    let mut plan = Plan::default();
    let mut moved = None;
    if settings.port != before.port {
        // Another machine's port need not be free on this one.
        match edge.shared.place.on(settings.port).await {
            Ok(listener) => moved = listener,
            Err(e) => {
                settings.port = before.port;
                plan.left.push(format!("the port: {}", e.message));
            }
        }
    }
    changes::of_settings(&before, &settings, &mut plan.changes)?;
    match (args.appearance, document.appearance) {
        (Some(now), Some(then)) => changes::of_appearance(now, then, &mut plan.changes),
        (None, Some(_)) => {
            plan.left.push("how the interface looks: import the document there to take that over".into());
        }
        _ => {}
    }
    for (n, profile) in document.profiles.iter().enumerate() {
        let same = |other: &ExportedProfile| other.is_of(&profile.proxy_url, &profile.workspace_id);
        if document.profiles.iter().filter(|other| same(other)).count() > 1 {
            return Err(refuse(format!("`profiles[{n}]`: its workspace is there twice")));
        }
        take(edge, n, profile, &mut plan).await?;
    }
    told_apart(edge, &plan)?;
    let applied = args.apply;
    if applied {
        let text = serde_json::to_string(&settings)
            .map_err(|e| ApiError::new(ErrorCode::Internal, e.to_string()))?;
        let (slots, taken): (Vec<_>, Vec<_>) = plan.taken.into_iter().unzip();
        let labels: Vec<_> = taken.iter().map(|taken| taken.label.clone()).collect();
        let changed = || {
            let message = "the rules have been changed elsewhere meanwhile: look at them, and import again";
            ApiError::new(ErrorCode::RulesChanged, message)
        };
        let lists = edge.shared.history.take_over(text, taken).await?.ok_or_else(changed)?;
        settings_in_force(edge, settings, moved).await?;
        for ((slot, label), list) in slots.into_iter().zip(labels).zip(lists) {
            slot.label.send_replace(label);
            if let Ok(session) = slot.session() {
                slot.apply_rules(&session, list);
            }
            slot.touch();
        }
    }
    Ok(Imported {
        changes: plan.changes,
        missing: plan.missing,
        left: plan.left,
        appearance: document.appearance,
        applied,
        status: status(edge).await?,
    })
}

/// What is to be done.
#[derive(Default)]
struct Plan {
    changes: Vec<SettingChange>,
    missing: Vec<String>,
    left: Vec<String>,
    taken: Vec<(Arc<Shared>, Taken)>,
}

/// What one profile of the document, the `n`th, changes.
async fn take(
    edge: &EdgeHandle,
    n: usize,
    wanted: &ExportedProfile,
    plan: &mut Plan,
) -> Result<(), ApiError> {
    let place = format!("`profiles[{n}]`");
    let label = wanted.name.as_deref().map(profiles::checked_name).transpose();
    let label = label.map_err(|e| refuse(format!("{place}: {}", e.message)))?;
    let mut kept_views = Vec::with_capacity(wanted.views.len());
    for (v, view) in wanted.views.iter().enumerate() {
        let view = views::checked(view.clone());
        kept_views.push(view.map_err(|e| refuse(format!("{place}, `views[{v}]`: {}", e.message)))?);
    }
    let slot = edge.profiles.find(|account| {
        account.profile().is_some_and(|profile| wanted.is_of(&profile.proxy_url, &profile.workspace_id))
    });
    let profile = slot.as_ref().and_then(|slot| slot.profile_id());
    let list = match profile {
        Some(profile) => edge.shared.history.rules(profile).await?.0,
        None => RuleList::default(),
    };
    let (rules, missing) = document::rules(&wanted.rules, &list.rules);
    if rules.len() > handlers::MOST_RULES {
        let message =
            format!("{place}: {} rules are too many: at most {}", rules.len(), handlers::MOST_RULES);
        return Err(refuse(message));
    }
    let known: Vec<_> = list.rules.iter().map(|rule| rule.id).collect();
    let rules = handlers::check(&rules, &known, &edge.shared.own_ports.now())
        .map_err(|problem| refuse(format!("{place}, {}", problem.told(&rules))))?;
    let (Some(slot), Some(profile)) = (slot, profile) else {
        let (name, url) = (&wanted.workspace, &wanted.proxy_url);
        plan.left.push(format!("{name} at {url}: this machine is not signed in there"));
        return Ok(());
    };
    let there = slot.history.views(profile).await?;
    let new = kept_views.iter().filter(|view| !there.iter().any(|other| other.name == view.name)).count();
    if there.len() + new > views::MOST {
        let message = format!("{place}: that makes {} views, and at most {}", there.len() + new, views::MOST);
        return Err(refuse(message));
    }
    let called = slot.profile_name().unwrap_or_default();
    changes::of_label(&called, &slot, label.as_deref(), &mut plan.changes);
    changes::of_rules(&called, &list.rules, &rules, &mut plan.changes);
    changes::of_views(&called, &there, &kept_views, &mut plan.changes);
    plan.missing.extend(missing.into_iter().map(|missing| format!("{called}, {missing}")));
    let rules = (rules != list.rules).then_some(rules);
    plan.taken.push((
        Arc::clone(&slot),
        Taken { profile, label, rules_version: list.version, rules, views: kept_views },
    ));
    Ok(())
}

/// Commands choose profiles by name: no two may have the same one.
fn told_apart(edge: &EdgeHandle, plan: &Plan) -> Result<(), ApiError> {
    let names = edge.profiles.all().into_iter().filter_map(|slot| {
        let taken = plan.taken.iter().find(|(other, _)| Arc::ptr_eq(other, &slot));
        let name = match taken {
            Some((slot, taken)) => taken.label.clone().or_else(|| slot.workspace_name()),
            None => slot.profile_name(),
        };
        name.map(|name| name.to_lowercase())
    });
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(refuse(format!("two profiles would be called `{}`", pair[0]))),
        None => Ok(()),
    }
}

fn refuse(why: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::BadRequest, why)
}
