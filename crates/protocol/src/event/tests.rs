use super::*;

#[test]
fn a_provider_has_one_text_everywhere() {
    for provider in Provider::ALL {
        assert_eq!(serde_json::to_value(provider).unwrap(), provider.as_str());
        assert_eq!(provider.as_str().parse(), Ok(provider));
        assert_eq!(provider.to_string(), provider.as_str());
    }
    let unknown = "GitHub".parse::<Provider>().unwrap_err();
    assert_eq!(unknown, UnknownProvider("GitHub".into()));
    let known: Vec<_> = Provider::ALL.iter().map(|p| p.as_str()).collect();
    assert_eq!(unknown.to_string(), format!("unknown provider `GitHub`; known are {}", known.join(", ")));
}

#[test]
fn a_name_is_type_and_action_where_there_is_one() {
    let mut event = Described {
        event_type: "Issue".into(),
        action: Some("create".into()),
        entity: None,
        subject: String::new(),
        detail: String::new(),
    };
    assert_eq!(event.name(), "Issue.create");
    event.action = None;
    assert_eq!(event.name(), "Issue");
}
