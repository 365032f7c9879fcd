//! What the events of the history say: bodies like those of Linear and GitHub,
//! of words that nobody speaks, the same for the same number.

use crate::words::{Dice, word};
use postern_protocol::Provider;
use serde_json::json;

/// Each so-many-th event has a word of its own.
pub(super) const RARE: usize = 1_000;

/// A made-up event.
pub(super) struct MadeUp {
    pub(super) provider: Provider,
    /// The header that says what it is, and its value.
    pub(super) header: (&'static str, &'static str),
    pub(super) body: String,
}

/// The word that the `n`th event alone has, where it has one.
pub(super) fn rare_word(n: usize) -> String {
    let letters = (n / RARE * RARE).to_string();
    letters.bytes().fold("zq".to_owned(), |word, digit| word + &char::from(b'a' + digit - b'0').to_string())
}

/// The `n`th event.
pub(super) fn event(n: usize, now: i64) -> MadeUp {
    let mut dice = Dice::new(n);
    let number = dice.below(9_000);
    let title = dice.words(5);
    let length = 20 + dice.below(120);
    let mut text = dice.words(length);
    if n.is_multiple_of(RARE) {
        text.push(' ');
        text.push_str(&rare_word(n));
    }
    let team = ["ENG", "OPS", "WEB", "DATA"][dice.low(4)];
    let person = ["Ada", "Grace", "Edsger", "Barbara", "Ken", "Radia"][dice.below(6)];
    let linear = |kind: &'static str, action: &str, data: serde_json::Value| MadeUp {
        provider: Provider::Linear,
        header: ("linear-event", kind),
        body: json!({
            "action": action, "type": kind, "createdAt": "2026-11-22T09:30:00.000Z",
            "organizationId": "9e3d8c1a-6f0b-4a57-8d0e-0a3f6e1c2b4d", "webhookTimestamp": now,
            "actor": { "id": "5c7a1b62-64cf-4c0e-a6a7-2f4f4b7b7a11", "name": person, "type": "user" },
            "url": format!("https://linear.app/acme/issue/{team}-{number}"),
            "data": data, "updatedFrom": { "updatedAt": "2026-11-22T09:29:00.000Z" },
        })
        .to_string(),
    };
    let issue = json!({
        "id": format!("2174add1-f7c8-44e3-bbf3-{number:012x}"), "identifier": format!("{team}-{number}"),
        "number": number, "title": title, "description": text, "priority": dice.below(5),
        "state": { "name": "In Progress", "type": "started" }, "team": { "key": team, "name": team },
    });
    let repository = json!({ "full_name": format!("acme/{}", word(dice.low(40))), "default_branch": "main" });
    let github = |kind: &'static str, body: serde_json::Value| MadeUp {
        provider: Provider::Github,
        header: ("x-github-event", kind),
        body: body.to_string(),
    };
    let sender = json!({ "login": person });
    match dice.below(1_000) {
        0..560 => linear("Issue", "update", issue),
        560..620 => linear("Issue", "create", issue),
        620..790 => {
            linear("Comment", "create", json!({ "id": format!("c{n}"), "body": text, "issue": issue }))
        }
        790..830 => {
            linear("Project", "update", json!({ "id": format!("p{number}"), "name": title, "content": text }))
        }
        830..940 => github(
            "push",
            json!({
                "ref": format!("refs/heads/{}", word(dice.low(200))), "repository": repository, "sender": sender,
                "pusher": { "name": person }, "commits": [{ "id": format!("{n:040x}"), "message": text }],
            }),
        ),
        940..999 => github(
            "pull_request",
            json!({
                "action": "synchronize", "number": number, "repository": repository, "sender": sender,
                "pull_request": { "title": title, "body": text, "number": number },
            }),
        ),
        _ => github(
            "release",
            json!({
                "action": "published", "repository": repository, "sender": sender,
                "release": { "tag_name": format!("v{number}"), "name": title, "body": text },
            }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_each_time_and_their_rare_words_their_own() {
        assert_eq!(event(7, 1).body, event(7, 1).body);
        assert_ne!(event(7, 1).body, event(8, 1).body);
        assert!(event(5_000, 1).body.contains(&rare_word(5_000)));
        assert!(!event(5_001, 1).body.contains(&rare_word(5_000)));
        assert_ne!(rare_word(5_000), rare_word(6_000));
        let types = |n| event(n, 1).header.1;
        let issues = (0..1_000).filter(|n| types(*n) == "Issue").count();
        assert!((500..720).contains(&issues), "{issues}");
        assert!((0..10_000).any(|n| types(n) == "release"));
    }
}
