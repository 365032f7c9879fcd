use crate::Provider;
use crate::filter::tests::event;
use crate::filter::{Filter, InvalidFilter, takers};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn filter(condition: &str) -> Filter {
    Filter::parse(&[format!("*[{condition}]")]).unwrap()
}

fn holds(condition: &str, body: &Json) -> bool {
    filter(condition).takes(Provider::Linear, &event("Issue.update"), body.to_string().as_bytes())
}

fn issue() -> Json {
    json!({
        "action": "update",
        "data": {
            "team": {"key": "ENG"}, "priority": 2, "estimate": 1.5, "assignee": null, "archived": false,
            "labels": [{"name": "Bug"}, {"name": "a \"b\" \\ é"}], "a key": {"0": 1}, "in": 1, "exists": 2, "me": "u1",
            "large": 9_007_199_254_740_993_i64
        }
    })
}

#[test]
fn conditions_hold_or_not() {
    let yes = [
        r#"data.team.key == "ENG" && (data.priority in [1,2] || exists(data.cycle))"#,
        r#"data.team.key=="ENG"&&data.priority==2"#,
        " action  ==\t\"update\" ",
        "data.priority == 2.0",
        "data.priority == 20e-1",
        "data.estimate == 1.50",
        "data.estimate != 1",
        "data.assignee == null",
        "exists(data.assignee)",
        "data.team != null",
        "data.team != 1",
        "data.archived == false",
        "data.priority != \"2\"",
        "data.large == 9007199254740993",
        "data.large != 9007199254740992",
        r#"data.labels[0].name == "Bug""#,
        r#"data.labels[1].name == "a \"b\" \\ \u00e9""#,
        r#"data["a key"]["0"] == 1"#,
        r#"["data"].priority == 2"#,
        "data.in in [1]",
        "data.exists == 2",
        "exists ( data.exists )",
        "!exists(data.no)",
        "!(data.no == 1)",
        "!data.priority == 3",
        "!!(data.priority == 2)",
        "data.priority == 1 || data.priority == 2 && action == \"update\"",
        "(data.priority == 2 || action == \"x\") && !(action == \"y\")",
    ];
    let no = [
        "data.no == 1",
        "data.no != 1",
        "data.no != null",
        "data.no == null",
        "data.no in [null, 1]",
        "exists(data.no)",
        "data.priority == \"2\"",
        "data.priority == 3",
        "data.priority in [1, 3, \"2\", null]",
        "data.assignee == false",
        "data.assignee.id != 1",
        "data.team == \"ENG\"",
        "data.labels[2].name != \"x\"",
        "data.labels.name == \"Bug\"",
        "data[0] != 1",
        "data.large == 9007199254740992",
        "data.team.key == \"eng\"",
        "data.me == me",
        "data.me != me",
        "data.me in [me]",
        "(data.priority == 2 || action == \"x\") && action == \"y\"",
    ];
    for condition in yes {
        assert!(holds(condition, &issue()), "{condition}");
    }
    for condition in no {
        assert!(!holds(condition, &issue()), "{condition}");
    }
}

#[test]
fn a_condition_belongs_to_its_term() {
    let takes = |terms: &[&str], name: &str, body: &str| {
        Filter::parse(terms).unwrap().takes(Provider::Linear, &event(name), body.as_bytes())
    };
    let terms = ["Issue[n == 1]", "Comment", "!Issue.remove[n == 1]", "!Comment[n == 2]"];
    for (name, body, taken) in [
        ("Issue.update", r#"{"n":1}"#, true),
        ("Issue.update", r#"{"n":2}"#, false),
        ("Issue.remove", r#"{"n":1}"#, false),
        ("Comment.create", r#"{"n":1}"#, true),
        ("Comment.create", r#"{"n":2}"#, false),
        ("Comment.create", "not json", true),
        ("Issue.update", "not json", false),
        ("Project.update", r#"{"n":1}"#, false),
    ] {
        assert_eq!(takes(&terms, name, body), taken, "{name} {body}");
    }
    assert!(takes(&["!Issue[n == 1]"], "Issue", "{}"));
}

#[test]
fn many_filters_are_asked_at_once() {
    let filters: Vec<_> = (0..50).map(|n| filter(&format!("data.n == {n}"))).collect();
    let all = Filter::default();
    let asked = filters.iter().chain([&all]).enumerate();
    assert_eq!(takers(Provider::Linear, &event("Issue"), br#"{"data":{"n":7}}"#, asked), [7, 50]);
}

#[test]
fn of_repeated_keys_the_last_counts() {
    let takes = |condition: &str, body: &str| {
        filter(condition).takes(Provider::Linear, &event("Issue"), body.as_bytes())
    };
    let body = r#"{"a":{"b":1,"c":1},"a":{"c":2}}"#;
    assert!(!takes("exists(a.b)", body));
    assert!(takes("a.c == 2 && exists(a)", body));
    assert!(!takes("exists(a.b)", r#"{"a":{"b":1},"a":7}"#));
}

#[test]
fn forms_are_read_as_the_provider_sends_them() {
    let takes = |provider, condition: &str, body: &str| {
        filter(condition).takes(provider, &event("x"), body.as_bytes())
    };
    let form = "payload=%7B%22user%22%3A%7B%22id%22%3A%22U1%22%7D%7D";
    for provider in [Provider::Github, Provider::Slack] {
        assert!(takes(provider, r#"user.id == "U1""#, form));
    }
    assert!(takes(
        Provider::Slack,
        r#"command == "/deploy" && text == "web now""#,
        "command=%2Fdeploy&text=web+now"
    ));
    assert!(!takes(Provider::Github, "exists(command)", "command=%2Fdeploy"));
    assert!(!takes(Provider::Linear, "exists(user)", form));
}

#[test]
fn odd_bodies_are_no_trouble() {
    let takes = |condition: &str, body: &[u8]| filter(condition).takes(Provider::Linear, &event("x"), body);
    let deep = format!(r#"{{"x":{}1{},"n":1}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(takes("n == 1 && exists(x[0][0]) && !exists(x[1])", deep.as_bytes()));
    assert!(takes("n == 1 && exists(x) && x != 0 && !(x == 0)", br#"{"x":1e999,"n":1}"#));
    assert!(takes(r#"exists(x) && x != "a""#, br#"{"x":"\ud800"}"#));
    assert!(takes(r#"x == 100000000000000000000000000000000000000000000000"#, br#"{"x":1e47}"#));
    let long = format!(r#"{{"x":"{}"}}"#, "y".repeat(10_000));
    assert!(takes("exists(x) && x != \"y\"", long.as_bytes()));
    for body in [&b""[..], b"{", b"\xff", b"[]", b"null", b"{\"n\":1}x"] {
        assert!(!takes("n == 1", body));
    }
    assert!(takes("[1].n == 1", br#"[0,{"n":1}]"#));
}

#[test]
fn me_is_whoever_registered() {
    let filter = Filter::parse(&["Issue[data.assignee.id == me || data.n in [1, me]]", "Comment"]).unwrap();
    assert!(filter.speaks_of_me() && filter.has_conditions());
    let resolved = filter.resolve_me("u\"1").unwrap();
    assert!(!resolved.speaks_of_me());
    assert_eq!(resolved.with_me("u\"1"), filter, "shown as it was written");
    assert_eq!(resolved.with_me("somebody else"), resolved);
    assert_eq!(
        Vec::from(resolved.clone()),
        [r#"Issue[data.assignee.id == "u\"1" || data.n in [1, "u\"1"]]"#, "Comment"]
    );
    let body = br#"{"data":{"assignee":{"id":"u\"1"}}}"#;
    assert!(resolved.takes(Provider::Linear, &event("Issue.update"), body));
    assert!(!filter.takes(Provider::Linear, &event("Issue.update"), body));
    assert_eq!(resolved.resolve_me("other").unwrap(), resolved);
    let error = filter.resolve_me(&"x".repeat(1000)).unwrap_err();
    assert_eq!(error.reason, "written out, the term has more than 1000 characters");
    let plain = Filter::parse(&["Issue"]).unwrap();
    assert!(!plain.speaks_of_me() && !plain.has_conditions());
}

#[test]
fn what_cannot_be_read_is_pointed_at() {
    let value = "a value: a text in double quotes, a number, true, false, null or me";
    let cases = [
        (
            "Issue[",
            7,
            "expected a field of the payload, as in `data.team.key`, but the text ends here".to_owned(),
        ),
        ("Issue[]", 7, "expected a field of the payload, as in `data.team.key`, found `]`".into()),
        (
            "Issue[a == 1",
            13,
            "expected `&&`, `||` or the `]` that ends the condition, but the text ends here".into(),
        ),
        ("Issue[a == 1]x", 14, "a term ends with its condition".into()),
        ("Issue[a = 1]", 9, "expected `==`, `!=` or `in`; equality is written `==`".into()),
        ("Issue[a]", 8, "expected `==`, `!=` or `in`, found `]`".into()),
        ("Issue[a inside [1]]", 9, "expected `==`, `!=` or `in`, found `i`".into()),
        ("Issue[a == ]", 12, format!("expected {value}, found `]`")),
        ("Issue[a == 'x']", 12, format!("expected {value}; texts stand in double quotes")),
        ("Issue[a == x]", 12, "`x` is not a value; texts stand in double quotes".into()),
        ("Issue[a == 01]", 12, "`01` is not a number, or too large".into()),
        ("Issue[a == 1e999]", 12, "`1e999` is not a number, or too large".into()),
        ("Issue[a == -]", 12, "`-` is not a number, or too large".into()),
        ("Issue[a == \"x]", 12, "this text has no end: expected `\"`".into()),
        ("Issue[a == \"\\x\"]", 12, "this text cannot be read: escapes are those of JSON".into()),
        (
            "Issue[é == 1 & b == 2]",
            14,
            "expected `&&`, `||` or the `]` that ends the condition; conditions are joined by `&&` and `||`"
                .into(),
        ),
        ("Issue[a == 1 &&]", 16, "expected a field of the payload, as in `data.team.key`, found `]`".into()),
        ("Issue[(a == 1]", 14, "expected `&&`, `||` or `)`, found `]`".into()),
        ("Issue[a == 1)]", 13, "expected `&&`, `||` or the `]` that ends the condition, found `)`".into()),
        ("Issue[exists(a]", 15, "expected `.`, `[` or the `)` that ends `exists(`, found `]`".into()),
        ("Issue[a in 1]", 12, "expected `[` and a list of values, found `1`".into()),
        ("Issue[a in []]", 13, format!("expected {value}, found `]`")),
        ("Issue[a in [1 2]]", 15, "expected `,` or the `]` that ends the list, found `2`".into()),
        (
            "Issue[a..b == 1]",
            9,
            "expected a field's name; others than words stand in `[\"…\"]`, found `.`".into(),
        ),
        (
            "Issue[a.0 == 1]",
            9,
            "expected a field's name; others than words stand in `[\"…\"]`, found `0`".into(),
        ),
        ("Issue[a[b] == 1]", 9, "expected an index from 0, or a name in quotes, found `b`".into()),
        ("Issue[a[-1] == 1]", 9, "expected an index from 0, or a name in quotes, found `-`".into()),
        ("Iss ue[a == 1]", 4, "a term has no spaces".into()),
    ];
    for (term, at, reason) in cases {
        let error = Filter::parse(&[term]).unwrap_err();
        assert_eq!(error, InvalidFilter { term: term.into(), at, reason });
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let nested = |open: &str, n: usize, close: &str| {
        Filter::parse(&[format!("*[{}a == 1{}]", open.repeat(n), close.repeat(n))])
    };
    nested("(", 64, ")").unwrap();
    assert_eq!(nested("(", 65, ")").unwrap_err().reason, "the condition nests too deep");
    let negated = nested("!", 32, "").unwrap();
    assert_eq!(Filter::parse(&Vec::from(negated.clone())).unwrap(), negated);
    nested("!(", 32, ")").unwrap();
    assert_eq!(nested("!", 33, "").unwrap_err().reason, "the condition nests too deep");
    assert_eq!(nested("(", 490, ")").unwrap_err().at, 67);
    let path = |n: usize| Filter::parse(&[format!("*[{} == 1]", vec!["a"; n].join("."))]);
    path(16).unwrap();
    assert_eq!(path(17).unwrap_err().reason, "a path has at most 16 steps");
    let long = Filter::parse(&[format!("*[a == \"{}\"]", "é".repeat(1000))]).unwrap_err();
    assert_eq!((long.at, long.reason.as_str()), (1001, "a term has at most 1000 characters"));
    assert_eq!(long.term.chars().count(), 1000);
    let packed = format!("*[{}]", vec!["a==1"; 160].join("&&"));
    assert_eq!(
        Filter::parse(&[&packed]).unwrap_err().reason,
        "written out, the term has more than 1000 characters"
    );
    assert_eq!(Filter::parse(&["a"; 201]).unwrap_err().reason, "a filter has at most 200 terms");
    Filter::parse(&["a"; 200]).unwrap();
}

/// A condition, and what it means, told another way.
#[derive(Clone, Debug)]
enum Model {
    Or(Vec<Model>),
    And(Vec<Model>),
    Not(Box<Model>),
    Exists(usize),
    Is(usize, Json),
    IsNot(usize, Json),
    In(usize, Vec<Json>),
}

/// Paths as conditions write them and as `Value::pointer` does.
const PATHS: [(&str, &str); 8] = [
    ("a", "/a"),
    ("a.b", "/a/b"),
    ("a[0]", "/a/0"),
    ("a[1].b", "/a/1/b"),
    ("[\"x y\"]", "/x y"),
    ("a.b.c", "/a/b/c"),
    ("[\"x y\"][0]", "/x y/0"),
    ("b", "/b"),
];

/// What a JSON pointer cannot say: `[0]` is an item, never a member `0`.
fn look(path: usize, body: &Json) -> Option<&Json> {
    body.pointer(PATHS[path].1)
}

fn same(one: &Json, other: &Json) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

impl Model {
    fn holds(&self, body: &Json) -> bool {
        match self {
            Self::Or(parts) => parts.iter().any(|part| part.holds(body)),
            Self::And(parts) => parts.iter().all(|part| part.holds(body)),
            Self::Not(inner) => !inner.holds(body),
            Self::Exists(path) => look(*path, body).is_some(),
            Self::Is(path, value) => look(*path, body).is_some_and(|found| same(found, value)),
            Self::IsNot(path, value) => look(*path, body).is_some_and(|found| !same(found, value)),
            Self::In(path, values) => {
                look(*path, body).is_some_and(|found| values.iter().any(|value| same(found, value)))
            }
        }
    }

    /// Every group in parentheses, so that precedence is not what is tested.
    fn text(&self) -> String {
        let join = |parts: &[Self], with: &str| {
            let parts: Vec<_> = parts.iter().map(|part| format!("({})", part.text())).collect();
            parts.join(with)
        };
        match self {
            Self::Or(parts) => join(parts, "||"),
            Self::And(parts) => join(parts, " && "),
            Self::Not(inner) => format!("! ({})", inner.text()),
            Self::Exists(path) => format!("exists({})", PATHS[*path].0),
            Self::Is(path, value) => format!("{}=={value}", PATHS[*path].0),
            Self::IsNot(path, value) => format!("{} != {value}", PATHS[*path].0),
            Self::In(path, values) => format!("{} in {}", PATHS[*path].0, Json::from(values.clone())),
        }
    }
}

fn literal() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-3i64..3).prop_map(Json::from),
        prop::sample::select(vec![0.5, 1.0, -2.0]).prop_map(Json::from),
        prop::sample::select(vec!["", "x", "\"]", "é\\"]).prop_map(Json::from),
    ]
}

fn model() -> impl Strategy<Value = Model> {
    let path = || 0..PATHS.len();
    let leaf = prop_oneof![
        path().prop_map(Model::Exists),
        (path(), literal()).prop_map(|(path, value)| Model::Is(path, value)),
        (path(), literal()).prop_map(|(path, value)| Model::IsNot(path, value)),
        (path(), prop::collection::vec(literal(), 1..4)).prop_map(|(path, values)| Model::In(path, values)),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Model::Or),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Model::And),
            inner.prop_map(|inner| Model::Not(Box::new(inner))),
        ]
    })
}

fn body() -> impl Strategy<Value = Json> {
    literal().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            prop::collection::vec((prop::sample::select(vec!["a", "b", "c", "x y"]), inner), 0..4).prop_map(
                |members| Json::Object(
                    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
                )
            ),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn evaluation_agrees_with_the_model_and_writing_with_reading(model in model(), bodies in prop::collection::vec(body(), 1..4)) {
        let term = format!("Issue.update[{}]", model.text());
        prop_assume!(term.chars().count() <= 1000);
        let filter = Filter::parse(&[&term]).unwrap();
        let written = Vec::from(filter.clone());
        let again = Filter::parse(&written).unwrap();
        prop_assert_eq!(&again, &filter, "{}", written[0]);
        prop_assert_eq!(Vec::from(again.clone()), written);
        for body in &bodies {
            let text = body.to_string();
            let takes = |filter: &Filter| filter.takes(Provider::Linear, &event("Issue.update"), text.as_bytes());
            prop_assert_eq!(takes(&filter), model.holds(body), "{} {}", term, body);
            prop_assert_eq!(takes(&again), takes(&filter));
        }
    }

    #[test]
    fn any_condition_is_read_or_refused_within_its_length(
        text in prop_oneof!["\\PC{0,30}", "([a-c.\\[\\]()!&|=\" 01,]|in|exists|me){0,20}"],
    ) {
        let term = format!("x[{text}]");
        match Filter::parse(&[&term]) {
            Ok(filter) => prop_assert_eq!(Filter::parse(&Vec::from(filter.clone())).unwrap(), filter),
            Err(error) => prop_assert!((1..=term.chars().count() + 1).contains(&error.at), "{error}"),
        }
    }
}
