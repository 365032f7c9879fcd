use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn at<'b>(body: &'b str, path: &str) -> Option<&'b str> {
    pointer(valid(body.as_bytes())?, path).map(|raw| std::str::from_utf8(raw.bytes()).unwrap())
}

#[test]
fn a_value_is_found_as_it_is_written() {
    let body =
        " {\"a\" : [ 1.50 , {\"b\\u0063\":\"x\\\"}]\"} ] ,\n\"\": tRue, \"n\":-0}\t".replace("tRue", "true");
    assert_eq!(at(&body, "/a/0"), Some("1.50"));
    assert_eq!(at(&body, "/a/1/bc"), Some(r#""x\"}]""#));
    assert_eq!(at(&body, "/"), Some("true"));
    assert_eq!(at(&body, "/n"), Some("-0"));
    assert_eq!(at(&body, "/a/2"), None);
    assert_eq!(at(&body, "/n/0"), None);
    assert_eq!(at(r#"{"a":1,"a":{"b":2}}"#, "/a/b"), Some("2"));
    assert_eq!(at(r#"{"a":{"b":2},"a":1}"#, "/a/b"), None);
}

#[test]
fn what_is_not_one_value_is_not_valid() {
    for body in ["", " ", "{", "{} {}", "[1,]", "nul", "\"", "01", "\u{feff}{}"] {
        assert_eq!(valid(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn a_string_that_is_not_unicode_has_no_text() {
    for body in [&br#""\ud800""#[..], b"\"\xff\"", b"1"] {
        assert_eq!(valid(body).and_then(Raw::text), None);
    }
}

#[test]
fn deep_nesting_is_walked_without_recursion() {
    let body = format!(r#"{{"a":{}{},"b":1}}"#, "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert_eq!(at(&body, "/b"), Some("1"));
}

fn same(raw: Raw<'_>, value: &Value) {
    match value {
        Value::Object(members) => {
            let ours: Vec<_> = raw.members().collect();
            assert_eq!(ours.len(), members.len());
            for ((key, raw), (name, value)) in ours.into_iter().zip(members) {
                assert_eq!(key.text().as_deref(), Some(name.as_str()));
                same(raw, value);
            }
        }
        Value::Array(items) => {
            let ours: Vec<_> = raw.items().collect();
            assert_eq!(ours.len(), items.len());
            ours.into_iter().zip(items).for_each(|(raw, item)| same(raw, item));
        }
        _ => assert_eq!(serde_json::from_slice::<Value>(raw.bytes()).unwrap(), *value),
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        "[\"\\\\,:{}\\[\\]]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((".{0,4}", inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn it_reads_what_serde_reads(value in value()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            same(valid(text.as_bytes()).unwrap(), &value);
        }
    }
}
