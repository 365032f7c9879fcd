use super::*;
use postern_protocol::{HeaderList, line};

const NOW: UnixMillis = UnixMillis(1_795_341_420_123);

#[test]
fn each_template_is_the_event_its_name_says() {
    for Template { provider, name, .. } in list() {
        let made = make(provider, &name, NOW).unwrap();
        let headers: HeaderList = made.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let described = line::describe(provider, &headers, made.body.as_bytes());
        assert_eq!(described.name(), name);
        assert!(!described.subject.is_empty(), "{name} has a line");
    }
}

#[test]
fn every_event_is_another() {
    for Template { provider, name, .. } in list() {
        let (one, two) = (make(provider, &name, NOW).unwrap(), make(provider, &name, NOW).unwrap());
        let id = |made: &Made| made.headers.iter().find(|(n, _)| n.ends_with("-delivery")).cloned().unwrap();
        assert_ne!(id(&one), id(&two));
    }
}

#[test]
fn times_are_of_now_in_the_providers_form() {
    let body: Value =
        serde_json::from_str(&make(Provider::Linear, "Issue.create", NOW).unwrap().body).unwrap();
    assert_eq!(body["webhookTimestamp"], NOW.0);
    assert_eq!(body["createdAt"], "2026-11-22T09:57:00.123Z");
    let body: Value =
        serde_json::from_str(&make(Provider::Github, "issues.opened", NOW).unwrap().body).unwrap();
    assert_eq!(body["issue"]["created_at"], "2026-11-22T09:57:00Z");
}

#[test]
fn an_unknown_name_makes_nothing() {
    assert!(make(Provider::Linear, "Issue.explode", NOW).is_none());
    assert!(make(Provider::None, "Issue.create", NOW).is_none());
}
