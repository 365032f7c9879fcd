use super::*;

#[test]
fn it_is_not_printed_but_exposed_on_demand() {
    #[derive(Debug, serde::Serialize, Deserialize)]
    struct Answer {
        #[serde(serialize_with = "expose")]
        secret: Secret,
    }
    let answer: Answer = serde_json::from_str(r#"{"secret":"hush"}"#).unwrap();
    assert_eq!(answer.secret.reveal(), "hush");
    assert!(!format!("{answer:?} {answer:#?}").contains("hush"));
    assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"secret":"hush"}"#);
}
