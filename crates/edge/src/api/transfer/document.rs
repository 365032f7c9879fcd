//! The document itself: written, read, and its rules turned into a profile's.

use super::{Appearance, refuse};
use crate::api::{Action, ApiError, ForwardTo, Rule, Settings, View};
use crate::redact;
use postern_protocol::ErrorCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

/// What `format` says.
const FORMAT: &str = "postern-settings";
/// The version this one writes and reads.
const VERSION: u64 = 1;

/// The document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Exported {
    format: String,
    version: u64,
    /// Of the machine; what is absent stays as it is.
    #[serde(default)]
    pub(super) settings: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) appearance: Option<Appearance>,
    #[serde(default)]
    pub(super) profiles: Vec<ExportedProfile>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExportedProfile {
    pub(super) proxy_url: String,
    pub(super) workspace_id: String,
    /// For people.
    pub(super) workspace: String,
    /// What it is called on the machine, where it was given a name.
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) rules: Vec<ExportedRule>,
    #[serde(default)]
    pub(super) views: Vec<View>,
}

impl ExportedProfile {
    pub(super) fn is_of(&self, proxy_url: &str, workspace_id: &str) -> bool {
        self.proxy_url == proxy_url && self.workspace_id == workspace_id
    }
}

/// A rule without its number and its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExportedRule {
    name: String,
    enabled: bool,
    filter: Vec<String>,
    action: Action,
    #[serde(default)]
    stop: bool,
    /// What was left out, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets_left_out: Vec<String>,
}

impl ExportedRule {
    pub(super) fn of(rule: &Rule) -> Self {
        let (action, secrets_left_out) = match &rule.action {
            Action::Notify => (Action::Notify, Vec::new()),
            Action::Forward(to) => {
                let (url, parameters) = without_secrets(&to.url);
                let mut left: Vec<_> =
                    to.headers.iter().map(|(name, _)| format!("the header {name}")).collect();
                left.extend(parameters.into_iter().map(|name| format!("`{name}` in the address")));
                (Action::Forward(ForwardTo { url, headers: Vec::new(), ..to.clone() }), left)
            }
        };
        Self {
            name: rule.name.clone(),
            enabled: rule.enabled,
            filter: rule.filter.clone(),
            action,
            stop: rule.stop,
            secrets_left_out,
        }
    }

    /// Where it forwards to, as far as the document says.
    fn url(&self) -> Option<&str> {
        match &self.action {
            Action::Forward(to) => Some(&to.url),
            Action::Notify => None,
        }
    }
}

/// An address without the values that are likely secret, and their names.
fn without_secrets(text: &str) -> (String, Vec<String>) {
    let Ok(mut url) = Url::parse(text) else { return (text.to_owned(), Vec::new()) };
    let (secret, plain): (Vec<_>, Vec<_>) =
        url.query_pairs().into_owned().partition(|(name, _)| redact::names_a_secret(name));
    if secret.is_empty() {
        return (text.to_owned(), Vec::new());
    }
    if plain.is_empty() {
        url.set_query(None);
    } else {
        url.query_pairs_mut().clear().extend_pairs(plain);
    }
    (url.into(), secret.into_iter().map(|(name, _)| name).collect())
}

/// The rules of a document for a profile that has `there`. One of a name that
/// is there keeps its number. Secrets that the document lacks are those of a
/// rule that is there, if it has the same ones for the same address; otherwise
/// they are missing, and said.
pub(super) fn rules(wanted: &[ExportedRule], there: &[Rule]) -> (Vec<Rule>, Vec<String>) {
    let (mut rules, mut missing, mut used): (Vec<Rule>, _, Vec<u64>) = (Vec::new(), Vec::new(), Vec::new());
    for wanted in wanted {
        let same_name = |rule: &&Rule| rule.name == wanted.name && !used.contains(&rule.id);
        let id = there.iter().find(same_name).map_or(0, |rule| rule.id);
        used.extend((id != 0).then_some(id));
        let mut action = wanted.action.clone();
        if !wanted.secrets_left_out.is_empty() {
            let same = there.iter().find(|rule| {
                let rule = ExportedRule::of(rule);
                rule.url() == wanted.url() && rule.secrets_left_out == wanted.secrets_left_out
            });
            match (same.map(|rule| &rule.action), &mut action) {
                (Some(Action::Forward(from)), Action::Forward(to)) => {
                    to.url.clone_from(&from.url);
                    to.headers.clone_from(&from.headers);
                }
                _ => missing.extend(
                    wanted.secrets_left_out.iter().map(|secret| format!("rule “{}”: {secret}", wanted.name)),
                ),
            }
        }
        rules.push(Rule {
            id,
            name: wanted.name.clone(),
            enabled: wanted.enabled,
            filter: wanted.filter.clone(),
            action,
            stop: wanted.stop,
        });
    }
    (rules, missing)
}

impl Exported {
    pub(super) fn new(
        settings: Map<String, Value>,
        appearance: Option<Appearance>,
        profiles: Vec<ExportedProfile>,
    ) -> Self {
        Self { format: FORMAT.into(), version: VERSION, settings, appearance, profiles }
    }

    pub(super) fn write(&self) -> Result<String, ApiError> {
        let mut text = serde_json::to_string_pretty(self).map_err(unwritten)?;
        text.push('\n');
        Ok(text)
    }

    pub(super) fn read(text: &str) -> Result<Self, ApiError> {
        let value: Value =
            serde_json::from_str(text).map_err(|e| refuse(format!("the document is not JSON: {e}")))?;
        if value["format"] != FORMAT {
            return Err(refuse(format!("these are not settings of Postern's: `format` is not \"{FORMAT}\"")));
        }
        match &value["version"] {
            version if *version == VERSION => {}
            Value::Number(version) => {
                let message = format!(
                    "the document is of version {version}; this Postern reads version {VERSION} only"
                );
                return Err(ApiError::new(ErrorCode::Unsupported, message));
            }
            _ => return Err(refuse("the document does not say its `version`")),
        }
        // Read from the text, for the place of what is wrong.
        serde_json::from_str(text).map_err(|e| refuse(format!("the document cannot be read: {e}")))
    }
}

fn unwritten(error: serde_json::Error) -> ApiError {
    ApiError::new(ErrorCode::Internal, error.to_string())
}

/// Settings by their names.
pub(super) fn members(settings: &Settings) -> Result<Map<String, Value>, ApiError> {
    match serde_json::to_value(settings).map_err(unwritten)? {
        Value::Object(members) => Ok(members),
        _ => Ok(Map::new()),
    }
}

/// The settings with those of a document in their place.
pub(super) fn settings(before: &Settings, wanted: &Map<String, Value>) -> Result<Settings, ApiError> {
    let mut members = members(before)?;
    for (name, value) in wanted {
        let Some(member) = members.get_mut(name) else {
            return Err(refuse(format!("`settings.{name}`: there is no such setting")));
        };
        *member = value.clone();
        serde_json::from_value::<Settings>(Value::Object(Map::from_iter([(name.clone(), value.clone())])))
            .map_err(|e| refuse(format!("`settings.{name}`: {e}")))?;
    }
    serde_json::from_value(Value::Object(members)).map_err(|e| refuse(format!("`settings`: {e}")))
}
