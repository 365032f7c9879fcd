use super::*;
use postern_protocol::signature::Scheme;
use postern_protocol::{HeaderList, dedupe, line};
use serde_json::json;
use std::collections::BTreeSet;

const NOW: UnixMillis = UnixMillis(1_795_341_420_123);

fn made(provider: Provider, name: &str) -> Made {
    make(provider, name, &Map::new(), NOW).unwrap().unwrap()
}

fn body(provider: Provider, name: &str) -> Value {
    serde_json::from_str(&made(provider, name).body).unwrap()
}

#[test]
fn each_template_is_the_event_its_name_says_and_has_a_line() {
    let lines: Vec<_> = list()
        .iter()
        .map(|Template { provider, name, about }| {
            let made = made(*provider, name);
            assert!(
                ["{{", "\"$use\"", "\"$without\""].iter().all(|left| !made.body.contains(left)),
                "{name}: {}",
                made.body
            );
            let headers: HeaderList = made.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let described = line::describe(*provider, &headers, made.body.as_bytes());
            assert_eq!(described.name(), *name);
            assert!(!about.is_empty() && !described.detail.is_empty(), "{name}");
            format!("{name}: {} | {}", described.subject, described.detail)
        })
        // Random ids and numbers are no part of the line's shape.
        .map(|line| {
            let id = |word: &str| match word.rsplit_once('_') {
                Some((prefix, rest)) if rest.ends_with('…') => format!("{prefix}_…"),
                _ => word.to_owned(),
            };
            line.split(' ').map(id).collect::<Vec<_>>().join(" ")
        })
        .map(|line| {
            let digits: String = line.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            let mut shape = String::new();
            for c in digits.chars() {
                if !(c == '0' && shape.ends_with('0')) {
                    shape.push(c);
                }
            }
            shape
        })
        .collect();
    // The hashes in a few lines are random too.
    let lines: Vec<_> = lines
        .into_iter()
        .filter(|line| !line.starts_with("status") && !line.starts_with("commit_comment"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn there_is_every_type() {
    let kinds = |wanted| -> BTreeSet<_> {
        let of = list().into_iter().filter(|t| t.provider == wanted);
        of.map(|t| t.name.split('.').next().unwrap().to_owned()).collect()
    };
    // Linear's 22 resource types, and OAuthApp, which comes without being asked for.
    assert_eq!(kinds(Provider::Linear).len(), 23);
    assert_eq!(kinds(Provider::Github).len(), 58);
    let names = |wanted| list().into_iter().filter(|t| t.provider == wanted).count();
    assert_eq!((names(Provider::Stripe), names(Provider::Slack)), (16, 16));
}

#[test]
fn every_event_is_another() {
    for Template { provider, name, .. } in list() {
        let key = || {
            let Made { headers, body } = made(provider, &name);
            let headers: HeaderList = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            dedupe::key(&Scheme::of(provider).unwrap(), None, &headers, body.as_bytes())
        };
        let one = key();
        // What has no id of its own is never taken for a repetition.
        assert!(one.is_none() || one != key(), "{name}");
    }
}

#[test]
fn times_are_of_now_in_the_providers_form() {
    let issue = body(Provider::Linear, "Issue.create");
    assert_eq!(issue["webhookTimestamp"], NOW.0);
    assert_eq!(issue["createdAt"], "2026-11-22T09:57:00.123Z");
    assert_eq!(body(Provider::Github, "issues.opened")["issue"]["created_at"], "2026-11-22T09:57:00Z");
}

#[test]
fn one_name_is_one_value_throughout_an_event_and_blocks_give_way() {
    let comment = body(Provider::Linear, "Comment.create");
    assert_eq!(comment["data"]["issueId"], comment["data"]["issue"]["id"]);
    let moved = body(Provider::Linear, "Issue.update");
    assert_eq!(moved["data"]["state"]["name"], "In Progress");
    assert_eq!(moved["action"], "update");
    let document = body(Provider::Linear, "AppUserNotification.documentMention");
    assert!(document["notification"].get("issue").is_none());
    let pull = body(Provider::Github, "pull_request.closed");
    assert!(pull["number"].is_u64() && pull["number"] == pull["pull_request"]["number"]);
    assert_eq!(body(Provider::Github, "fork")["sender"]["login"], "grace");
}

#[test]
fn members_are_set_by_path() {
    let set = json!({ "data.title": "Mine", "data.labels.0.name": "Red", "data.labels.1.name": "New", "data.extra.deep": 7 });
    let made = make(Provider::Linear, "Issue.create", set.as_object().unwrap(), NOW).unwrap().unwrap();
    let body: Value = serde_json::from_str(&made.body).unwrap();
    let data = &body["data"];
    assert_eq!((&data["title"], &data["extra"]["deep"]), (&json!("Mine"), &json!(7)));
    assert_eq!((&data["labels"][0]["name"], &data["labels"][1]["name"]), (&json!("Red"), &json!("New")));
    for (path, said) in [
        ("data.title.x", "`data.title` has no members"),
        ("data.labels.7", "`data.labels` is a list of 1"),
        ("data.labels.x.name", "`x` none of its places"),
        ("data..x", "is no path"),
        ("", "is no path"),
    ] {
        let set = [(path.to_owned(), Value::Null)].into_iter().collect();
        let refused = make(Provider::Linear, "Issue.create", &set, NOW).err().unwrap();
        assert!(refused.contains(said), "{path}: {refused}");
    }
}

#[test]
fn slacks_commands_and_interactions_are_forms() {
    let deploy = made(Provider::Slack, "slash_command.deploy");
    assert!(deploy.body.contains("&command=%2Fdeploy&text=web+now&"), "{}", deploy.body);
    let form = ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
    assert!(deploy.headers.contains(&form));
    let pressed = made(Provider::Slack, "block_actions.approve");
    assert!(pressed.body.starts_with("payload=%7B%22type%22") && pressed.headers.contains(&form));
    let mention = made(Provider::Slack, "app_mention");
    assert!(mention.body.starts_with('{') && !mention.headers.contains(&form));
}

#[test]
fn stripes_times_are_unix_seconds_and_its_ids_one_throughout() {
    let paid = body(Provider::Stripe, "checkout.session.completed");
    assert_eq!((&paid["created"], &paid["livemode"]), (&json!(NOW.seconds()), &json!(false)));
    assert!(paid.get("action").is_none());
    let invoice = &body(Provider::Stripe, "invoice.payment_failed")["data"]["object"];
    assert_eq!(invoice["lines"]["data"][0]["invoice"], invoice["id"]);
    assert_eq!(invoice["status_transitions"]["paid_at"], Value::Null);
}

#[test]
fn a_body_of_ones_own_is_sent_as_it_is() {
    let text = "{ \"action\":\"opened\",  \"n\": 1.50 }";
    let mine = own(Provider::Github, "issues", text.into(), &Map::new(), NOW).unwrap();
    assert_eq!(mine.body, text);
    assert!(mine.headers.contains(&("x-github-event".into(), "issues".into())));
    let set: Map<_, _> = [("action".to_owned(), "closed".into())].into_iter().collect();
    assert_eq!(
        own(Provider::Github, "issues", text.into(), &set, NOW).unwrap().body,
        r#"{"action":"closed","n":1.5}"#
    );
    assert!(own(Provider::Github, "issues", "no JSON".into(), &set, NOW).is_err());
    assert!(own(Provider::None, "x", "no JSON".into(), &Map::new(), NOW).is_ok());
}

#[test]
fn an_unknown_name_makes_nothing() {
    for name in ["Issue.explode", "Issue", "Nothing.create", ""] {
        assert!(make(Provider::Linear, name, &Map::new(), NOW).unwrap().is_none(), "{name}");
    }
    assert!(make(Provider::None, "Issue.create", &Map::new(), NOW).unwrap().is_none());
}
