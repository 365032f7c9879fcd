//! The files of templates, one for each provider.
//!
//! `blocks` are pieces that many bodies share; `events` are the types, each
//! with its actions (or none), its body, and what differs by action (`with`).
//! An object's member `$use` names a block, or several, that the object begins
//! with; its other members are put over the block's, object by object. In
//! `with`, `$without` names members that the action's body lacks.

use super::fresh::Fresh;
use crate::api::Template;
use postern_protocol::Provider;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::LazyLock;

#[derive(Deserialize)]
struct Catalogue {
    blocks: Map<String, Value>,
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    /// What it is, of a type without actions.
    about: Option<String>,
    /// Each action, and what it is.
    #[serde(default)]
    actions: Map<String, Value>,
    body: Value,
    /// What is put over the body, by action.
    #[serde(default)]
    with: Map<String, Value>,
}

static LINEAR: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("linear.json")));
static GITHUB: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("github.json")));
static STRIPE: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("stripe.json")));
static SLACK: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("slack.json")));

#[expect(clippy::expect_used, reason = "the files are part of the program, and a test reads them all")]
fn read(file: &str) -> Catalogue {
    serde_json::from_str(file).expect("a file of templates")
}

fn of(provider: Provider) -> Option<&'static Catalogue> {
    match provider {
        Provider::Linear => Some(&LINEAR),
        Provider::Github => Some(&GITHUB),
        Provider::Stripe => Some(&STRIPE),
        Provider::Slack => Some(&SLACK),
        _ => None,
    }
}

/// A provider's templates, in the order of a menu.
pub(super) fn names(provider: Provider) -> impl Iterator<Item = Template> {
    of(provider).into_iter().flat_map(|catalogue| &catalogue.events).flat_map(move |event| {
        let template = move |name: String, about: &str| Template { provider, name, about: about.into() };
        let bare = event.about.as_deref().map(|about| template(event.kind.clone(), about));
        let actions = event.actions.iter().map(move |(action, about)| {
            template(format!("{}.{action}", event.kind), about.as_str().unwrap_or_default())
        });
        bare.into_iter().chain(actions)
    })
}

/// The body of the template of this name, if there is one.
pub(super) fn body(provider: Provider, name: &str, fresh: &mut Fresh) -> Option<Value> {
    let catalogue = of(provider)?;
    let (kind, action) = match name.split_once('.') {
        Some((kind, action)) => (kind, Some(action)),
        None => (name, None),
    };
    let event = catalogue.events.iter().find(|event| event.kind == kind)?;
    match action {
        Some(action) if event.actions.contains_key(action) => {}
        None if event.about.is_some() => {}
        _ => return None,
    }
    fresh.names(kind, action);
    let mut body = Map::new();
    // The others have the action in the type, or in a place that the body says.
    if let (Provider::Linear | Provider::Github, Some(action)) = (provider, action) {
        body.insert("action".to_owned(), action.into());
    }
    let mut body = Value::Object(body);
    over(&mut body, catalogue.expand(&event.body, fresh));
    if let Some(changes) = action.and_then(|action| event.with.get(action)) {
        over(&mut body, catalogue.expand(changes, fresh));
    }
    Some(body)
}

impl Catalogue {
    /// A value with its blocks in place and what is fresh filled in.
    fn expand(&self, value: &Value, fresh: &mut Fresh) -> Value {
        match value {
            Value::String(text) => fresh.fill(text),
            Value::Array(items) => items.iter().map(|item| self.expand(item, fresh)).collect(),
            Value::Object(members) => {
                let mut object = Value::Object(Map::new());
                for (name, value) in members {
                    match (name.as_str(), value) {
                        ("$use", Value::Array(blocks)) => {
                            for block in blocks {
                                self.begin(&mut object, block, fresh);
                            }
                        }
                        ("$use", block) => self.begin(&mut object, block, fresh),
                        // Names of members, not text to fill.
                        ("$without", names) => object[name] = names.clone(),
                        _ => {
                            let value = self.expand(value, fresh);
                            over(&mut object, [(name.clone(), value)].into_iter().collect());
                        }
                    }
                }
                object
            }
            other => other.clone(),
        }
    }

    /// Adds a block's members to those that are there already.
    fn begin(&self, object: &mut Value, block: &Value, fresh: &mut Fresh) {
        let block = block.as_str().and_then(|name| self.blocks.get(name)).unwrap_or(&Value::Null);
        let own = object.clone();
        over(object, self.expand(block, fresh));
        over(object, own);
    }
}

/// Puts `value` over `below`: member by member where both are objects.
fn over(below: &mut Value, value: Value) {
    match (below, value) {
        (Value::Object(below), Value::Object(mut members)) => {
            if let Some(Value::Array(without)) = members.shift_remove("$without") {
                for name in without.iter().filter_map(Value::as_str) {
                    below.shift_remove(name);
                }
            }
            for (name, value) in members {
                match below.get_mut(&name) {
                    Some(below) => over(below, value),
                    None => {
                        below.insert(name, value);
                    }
                }
            }
        }
        (below, value) => *below = value,
    }
}
