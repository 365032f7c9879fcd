use super::*;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Fixture {
    case: String,
    #[serde(default)]
    event: String,
    #[serde(default)]
    headers: HeaderList,
    body: Value,
}

fn fixtures() -> Vec<(Provider, Fixture)> {
    let all = [
        (Provider::Linear, include_str!("../../fixtures/linear.json")),
        (Provider::Github, include_str!("../../fixtures/github.json")),
        (Provider::None, include_str!("../../fixtures/generic.json")),
        (Provider::Stripe, include_str!("../../fixtures/stripe.json")),
        (Provider::Slack, include_str!("../../fixtures/slack.json")),
        (Provider::Postern, include_str!("../../fixtures/postern.json")),
    ];
    all.into_iter()
        .flat_map(|(provider, text)| {
            let fixtures: Vec<Fixture> = serde_json::from_str(text).unwrap();
            fixtures.into_iter().map(move |mut fixture| {
                if provider == Provider::Github {
                    fixture.headers.push("X-GitHub-Event", &fixture.event);
                }
                (provider, fixture)
            })
        })
        .collect()
}

fn linear(body: &str) -> Described {
    describe(Provider::Linear, &HeaderList::new(), body.as_bytes())
}

fn issue(title: &str) -> Described {
    linear(&serde_json::json!({"type": "Issue", "action": "create", "data": {"title": title}}).to_string())
}

#[test]
fn lines() {
    let table: Vec<_> = fixtures()
        .iter()
        .map(|(provider, fixture)| {
            let line = describe(*provider, &fixture.headers, fixture.body.to_string().as_bytes());
            format!(
                "# {provider}: {}\n{}\n  {}\n  {}\n  [{}]\n",
                fixture.case,
                line.name(),
                line.subject,
                line.detail,
                line.entity.unwrap_or_default()
            )
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn a_form_encoded_github_hook_is_read() {
    let fixture = fixtures().into_iter().map(|(_, f)| f).find(|f| f.event == "push").unwrap();
    let json = fixture.body.to_string();
    let plain = describe(Provider::Github, &fixture.headers, json.as_bytes());
    let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("payload", &json).finish();
    assert_eq!(describe(Provider::Github, &fixture.headers, form.as_bytes()), plain);
    let mut headers = fixture.headers.clone();
    headers.push("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    assert_eq!(describe(Provider::Github, &headers, format!("x=1&{form}").as_bytes()), plain);
    assert_eq!(describe(Provider::Github, &headers, b"x=1").event_type, UNKNOWN);
}

#[test]
fn what_slack_posts_as_forms_is_read() {
    let form = |fields: &[(&str, &str)]| {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
    };
    let command = form(&[
        ("team_id", "T1"),
        ("channel_id", "C1"),
        ("channel_name", "ops"),
        ("user_name", "ada"),
        ("command", "/deploy"),
        ("text", "web  now"),
    ]);
    let line = describe(Provider::Slack, &HeaderList::new(), &command);
    assert_eq!(line.name(), "slash_command.deploy");
    assert_eq!((line.subject.as_str(), line.detail.as_str()), ("/deploy web now", "in #ops · by ada"));
    assert_eq!(line.entity, None);
    for (_, fixture) in fixtures().into_iter().filter(|(provider, _)| *provider == Provider::Slack) {
        let json = fixture.body.to_string();
        let plain = describe(Provider::Slack, &HeaderList::new(), json.as_bytes());
        if plain.event_type == UNKNOWN {
            // Its line says how large the body is.
            continue;
        }
        assert_eq!(describe(Provider::Slack, &HeaderList::new(), &form(&[("payload", &json)])), plain);
    }
    for unknown in ["x=1", "payload=%7B", "command="] {
        assert_eq!(describe(Provider::Slack, &HeaderList::new(), unknown.as_bytes()).event_type, UNKNOWN);
    }
    let long = describe(Provider::Slack, &HeaderList::new(), &form(&[("command", &"/x".repeat(5000))]));
    assert!(long.subject.chars().count() <= LONGEST_SUBJECT);
}

#[test]
fn linears_type_comes_from_the_signed_body_not_from_the_header() {
    let headers: HeaderList = [("linear-event", "Comment")].into_iter().collect();
    assert_eq!(describe(Provider::Linear, &headers, br#"{"type":"Issue"}"#).event_type, "Issue");
    assert_eq!(describe(Provider::Linear, &headers, b"{}").event_type, UNKNOWN);
}

#[test]
fn what_cannot_be_read_is_unknown_and_says_how_large_it_is() {
    let binary = vec![0xff; 1942];
    for (body, size) in
        [(&binary[..], "1,942 bytes"), (b"", "0 bytes"), (b"{", "1 byte"), (b"{} {}", "5 bytes")]
    {
        for provider in Provider::ALL {
            let headers = [("x-github-event", "push")].into_iter().collect();
            let line = describe(provider, &headers, body);
            assert_eq!(line.name(), UNKNOWN);
            assert_eq!((line.subject, line.detail), (format!("Unreadable body · {size}"), String::new()));
        }
    }
}

#[test]
fn deep_nesting_is_skipped_without_recursion() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let line =
            linear(&format!(r#"{{"deep":{deep},"type":"Issue","data":{{"title":"Fix","deep":{deep}}}}}"#));
        assert_eq!((line.name().as_str(), line.subject.as_str()), ("Issue", "Fix"));
        let lone = describe(Provider::None, &HeaderList::new(), deep.as_bytes());
        assert_eq!(lone.event_type, UNKNOWN);
        let cut_off = describe(Provider::None, &HeaderList::new(), open.repeat(100_000).as_bytes());
        assert!(cut_off.subject.starts_with("Unreadable body"));
    }
}

#[test]
fn numbers_and_texts_that_rust_cannot_hold_leave_the_rest_readable() {
    for odd in ["1e400", "-123456789012345678901234567890.5e+99999", r#""\ud800""#, r#"{"\udfff":1}"#] {
        let line =
            linear(&format!(r#"{{"odd":{odd},"type":"Issue","data":{{"title":"Fix","odd":[{odd}]}}}}"#));
        assert_eq!((line.name().as_str(), line.subject.as_str()), ("Issue", "Fix"), "{odd}");
    }
    let read = payload::read(br#"{"n":1e400,"list":[1,2],"a":1,"a":"last","t":true,"z":null}"#).unwrap();
    assert_eq!((read.text("n"), read.count("list"), read.text("a")), (Some("1e400"), 2, Some("last")));
    assert!(read.is_true("t") && read.has("z") && !read.has("y"));
    assert_eq!(payload::read(b"{\"n\":1e400"), None);
    assert_eq!(payload::read(b"[1e400] 2"), None);
    let deep = format!("[1e400,{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(payload::read(deep.as_bytes()).unwrap().first_item().as_text(), Some("1e400"));
}

#[test]
fn a_long_list_is_counted_but_not_kept() {
    let commits = vec!["{}"; 2048].join(",");
    let body = format!(r#"{{"ref":"refs/heads/main","commits":[{commits}]}}"#);
    let headers = [("x-github-event", "push")].into_iter().collect();
    assert_eq!(describe(Provider::Github, &headers, body.as_bytes()).detail, "2048 commits");
    assert_eq!(payload::read(body.as_bytes()).unwrap().items("commits").len(), 64);
}

#[test]
fn a_line_is_one_line_whatever_the_payload_holds() {
    let line = issue("a\u{202e}b\r\n\tc\u{0}\u{1b}[31md\u{2066}\u{200b} \u{2028}e ");
    assert_eq!(line.subject, "ab c[31md e");
    assert_eq!(issue("👩\u{200d}🚀 क्\u{200d}ष").subject, "👩\u{200d}🚀 क्\u{200d}ष");
}

#[test]
fn subject_and_detail_are_cut_but_who_did_it_stays() {
    assert_eq!(issue(&"é".repeat(120)).subject, "é".repeat(120));
    assert_eq!(issue(&"é".repeat(121)).subject, format!("{}…", "é".repeat(119)));
    let labels: Vec<_> =
        (0..50).map(|i| serde_json::json!({"id": i.to_string(), "name": "a label"})).collect();
    let ids: Vec<_> = (0..50).map(|i| i.to_string()).collect();
    let line = linear(
        &serde_json::json!({"type": "Issue", "action": "update", "updatedFrom": {"labelIds": []},
            "data": {"labels": labels, "labelIds": ids}, "actor": {"name": "Ada"}})
        .to_string(),
    );
    assert!((190..=200).contains(&line.detail.chars().count()), "{}", line.detail);
    assert!(line.detail.ends_with("… · by Ada"), "{}", line.detail);
}

#[test]
fn of_repeated_keys_the_last_counts() {
    let line = linear(r#"{"type":"Issue","type":"Comment","data":{"title":"a","title":"b"}}"#);
    assert_eq!(line.event_type, "Comment");
}

/// What every line keeps to, whatever came in.
fn check(line: &Described) -> Result<(), TestCaseError> {
    let shown = [&line.subject, &line.detail];
    for text in shown.into_iter().chain(&line.entity) {
        prop_assert!(
            !text.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)),
            "{text:?}"
        );
    }
    prop_assert!(!line.subject.is_empty());
    prop_assert!(line.subject.chars().count() <= LONGEST_SUBJECT, "{line:?}");
    prop_assert!(line.detail.chars().count() <= LONGEST_DETAIL, "{line:?}");
    prop_assert!(line.entity.iter().all(|e| e.chars().count() <= LONGEST_ENTITY), "{line:?}");
    // Whatever the type and action are, a filter can name them.
    let filter = crate::filter::Filter::parse(&[format!("none:{}", line.name())]);
    prop_assert!(filter.is_ok_and(|f| f.takes(Provider::None, line, b"")), "{line:?}");
    Ok(())
}

fn json() -> impl Strategy<Value = Value> {
    let keys = "type|action|event|data|actor|issue|user|name|title|updatedFrom|stateId|labelIds|number|id|ref|commits\
        |repository|pull_request|sender|login|full_name|notification|agentSession|object|amount|currency|customer|previous_attributes|channel|ts|text|actions|command|issueData|body|labels|.{0,3}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,200}".prop_map(Value::from),
        prop::sample::select(vec![
            "Issue",
            "Comment",
            "Reaction",
            "invoice.paid",
            "charge",
            "eur",
            "event_callback",
            "message",
            "create",
            "update",
            "closed",
            ".",
            "a.b.",
            " "
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((keys, inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Puts `value` where `path` leads, or as deep as it leads.
fn put(at: &mut Value, path: &[usize], value: Value) {
    let Some((step, rest)) = path.split_first() else {
        *at = value;
        return;
    };
    match at {
        Value::Object(members) if !members.is_empty() => {
            let step = step % members.len();
            put(members.values_mut().nth(step).unwrap(), rest, value);
        }
        Value::Array(items) if !items.is_empty() => {
            let step = step % items.len();
            put(&mut items[step], rest, value);
        }
        _ => *at = value,
    }
}

proptest! {
    #[test]
    fn any_json_has_a_line(json in json(), event in "push|issues|release|status|.{0,100}") {
        for provider in Provider::ALL {
            let headers = [("x-github-event", &event)].into_iter().collect();
            check(&describe(provider, &headers, json.to_string().as_bytes()))?;
        }
    }

    #[test]
    fn any_value_anywhere_in_a_real_payload_has_a_line(which: prop::sample::Index, path: Vec<usize>, value in json()) {
        let fixtures = fixtures();
        let (provider, fixture) = &fixtures[which.index(fixtures.len())];
        let mut body = fixture.body.clone();
        put(&mut body, &path, value);
        check(&describe(*provider, &fixture.headers, body.to_string().as_bytes()))?;
    }

    #[test]
    fn any_bytes_have_a_line(body: Vec<u8>, event: Vec<u8>) {
        for provider in Provider::ALL {
            check(&describe(provider, &[("x-github-event", &event)].into_iter().collect(), &body))?;
        }
    }
}
