//! The headers that providers send besides their signatures.

use super::fresh::{Fresh, uuid};
use postern_protocol::Provider;
use serde_json::Value;

/// The headers of an event with this name and body, which is written as `text`.
pub(super) fn of(
    provider: Provider,
    name: &str,
    body: &Value,
    text: &str,
    fresh: &mut Fresh,
) -> Vec<(String, String)> {
    let kind = name.split('.').next().unwrap_or(name).to_owned();
    let headers = match provider {
        Provider::Linear => linear(kind, body, fresh),
        Provider::Github => github(kind),
        Provider::Stripe => stripe(),
        Provider::Slack => slack(text),
        _ => vec![("content-type", "application/json".into())],
    };
    headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn linear(kind: String, body: &Value, fresh: &Fresh) -> Vec<(&'static str, String)> {
    let sent = body["webhookTimestamp"].as_i64().unwrap_or(fresh.now().0);
    vec![
        ("content-type", "application/json; charset=utf-8".into()),
        ("user-agent", "Linear-Webhook".into()),
        ("linear-delivery", uuid()),
        ("linear-event", kind),
        ("linear-timestamp", sent.to_string()),
    ]
}

fn github(kind: String) -> Vec<(&'static str, String)> {
    vec![
        ("accept", "*/*".into()),
        ("content-type", "application/json".into()),
        ("user-agent", "GitHub-Hookshot/0f2b1c7".into()),
        ("x-github-delivery", uuid()),
        ("x-github-event", kind),
        ("x-github-hook-id", "489200117".into()),
        ("x-github-hook-installation-target-id", "700112233".into()),
        ("x-github-hook-installation-target-type", "repository".into()),
    ]
}

fn stripe() -> Vec<(&'static str, String)> {
    vec![
        ("accept", "*/*; q=0.5, application/xml".into()),
        ("cache-control", "no-cache".into()),
        ("content-type", "application/json; charset=utf-8".into()),
        ("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)".into()),
    ]
}

fn slack(text: &str) -> Vec<(&'static str, String)> {
    let json = text.trim_start().starts_with('{');
    vec![
        ("accept", "*/*".into()),
        ("content-type", if json { "application/json" } else { "application/x-www-form-urlencoded" }.into()),
        ("user-agent", "Slackbot 1.0 (+https://api.slack.com/robots)".into()),
    ]
}
