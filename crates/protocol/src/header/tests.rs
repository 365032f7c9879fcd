use super::*;
use proptest::prelude::*;
use serde_json::json;

#[test]
fn order_and_repetition_are_kept_and_names_are_lower_case() {
    let headers: HeaderList =
        [("Set-Thing", "b"), ("X-Other", "1"), ("set-thing", "a")].into_iter().collect();
    let pairs: Vec<_> = headers.iter().collect();
    assert_eq!(pairs, [("set-thing", &b"b"[..]), ("x-other", b"1"), ("set-thing", b"a")]);
    assert_eq!(headers.get("SET-THING"), Some("b"));
    assert_eq!((headers.len(), headers.is_empty()), (3, false));
}

#[test]
fn text_is_text_in_json_and_anything_else_is_base64() {
    let mut headers = HeaderList::new();
    headers.push("a", "é");
    headers.push("b", [0xff, 0x00]);
    let json = json!([["a", "é"], ["b", {"base64": "/wA="}]]);
    assert_eq!(serde_json::to_value(&headers).unwrap(), json);
    assert_eq!(serde_json::from_value::<HeaderList>(json).unwrap(), headers);
    assert_eq!(headers.get("b"), None);
}

#[test]
fn other_json_is_refused() {
    for json in [json!({"a": "b"}), json!([["a"]]), json!([["a", 1]]), json!([["a", {"base64": "*"}]])] {
        assert!(serde_json::from_value::<HeaderList>(json.clone()).is_err(), "{json}");
    }
}

#[test]
fn names_read_from_json_are_lower_case_too() {
    let headers: HeaderList = serde_json::from_value(json!([["X-Thing", "1"]])).unwrap();
    assert_eq!(headers.iter().next().unwrap().0, "x-thing");
}

proptest! {
    #[test]
    fn any_list_round_trips(pairs: Vec<(String, Vec<u8>)>) {
        let headers: HeaderList = pairs.iter().map(|(n, v)| (n, v)).collect();
        let json = serde_json::to_vec(&headers).unwrap();
        prop_assert_eq!(serde_json::from_slice::<HeaderList>(&json).unwrap(), headers);
    }
}

#[test]
fn a_configured_name_is_one_that_http_allows() {
    for good in ["X-Acme-Signature", "a", "!#$%&'*+-.^_`|~09", &"x".repeat(100)] {
        assert_eq!(good.parse::<HeaderName>().unwrap().as_str(), good.to_lowercase());
    }
    for bad in ["", " x", "x y", "x:", "x\r\nset-cookie", "é", "(x)", &"x".repeat(101)] {
        assert_eq!(bad.parse::<HeaderName>(), Err(InvalidHeaderName), "{bad:?}");
        assert!(serde_json::from_value::<HeaderName>(bad.into()).is_err());
    }
}
