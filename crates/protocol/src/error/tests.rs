use super::*;
use std::collections::HashSet;

#[test]
fn every_code_has_its_own_text_which_is_its_json_and_an_error_status() {
    let texts: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(texts.len(), ErrorCode::ALL.len());
    for code in ErrorCode::ALL {
        let text = code.as_str();
        assert!(text.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c)), "{text}");
        assert_eq!(serde_json::to_value(code).unwrap(), text);
        assert_eq!(serde_json::from_value::<ErrorCode>(text.into()).unwrap(), *code);
        assert!((400..600).contains(&code.status()), "{text}");
    }
}

#[test]
fn codes_and_statuses_are_stable() {
    let table: Vec<_> = ErrorCode::ALL.iter().map(|code| format!("{} {code}", code.status())).collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn an_answer_has_one_shape() {
    let body = ErrorBody::new(ErrorCode::NotFound, "no such source");
    let json = serde_json::json!({"error": {"code": "not_found", "message": "no such source"}});
    assert_eq!(serde_json::to_value(&body).unwrap(), json);
    let newer = serde_json::json!({"error": {"code": "from.the.future", "message": "x", "extra": 1}});
    assert_eq!(serde_json::from_value::<ErrorBody>(newer).unwrap().error.code, "from.the.future");
}
