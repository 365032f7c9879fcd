use super::*;
use serde_json::json;

#[test]
fn a_scheme_without_parameters_is_its_provider() {
    for provider in Provider::ALL {
        let Some(scheme) = Scheme::of(provider) else {
            assert!(matches!(provider, Provider::Hmac | Provider::Timestamped | Provider::Postern));
            continue;
        };
        assert_eq!(scheme.provider(), provider);
        assert_eq!(serde_json::to_value(&scheme).unwrap(), json!({"provider": provider.as_str()}));
        assert_eq!(serde_json::from_value::<Scheme>(json!({"provider": provider.as_str()})).unwrap(), scheme);
    }
}

#[test]
fn parameters_cross_and_may_be_left_out() {
    let least: Scheme = serde_json::from_value(json!({"provider": "hmac", "header": "X-Sig"})).unwrap();
    let whole = json!({"provider": "hmac", "header": "x-sig", "algorithm": "sha256", "encoding": "hex", "prefix": ""});
    assert_eq!(serde_json::to_value(&least).unwrap(), whole);
    assert_eq!(serde_json::from_value::<Scheme>(whole).unwrap(), least);
    let named = json!({"provider": "timestamped", "headerPrefix": "x-acme"});
    let scheme: Scheme = serde_json::from_value(named.clone()).unwrap();
    assert_eq!(scheme.provider(), Provider::Timestamped);
    assert_eq!(serde_json::to_value(&scheme).unwrap(), named);
}

#[test]
fn what_cannot_be_configured_is_refused() {
    for json in [
        json!({"provider": "hmac"}),
        json!({"provider": "hmac", "header": ""}),
        json!({"provider": "hmac", "header": "x sig"}),
        json!({"provider": "hmac", "header": "x-sig\r\n"}),
        json!({"provider": "hmac", "header": "x".repeat(101)}),
        json!({"provider": "hmac", "header": "x-sig", "algorithm": "md5"}),
        json!({"provider": "hmac", "header": "x-sig", "encoding": "base32"}),
        json!({"provider": "hmac", "header": "x-sig", "prefix": "é"}),
        json!({"provider": "hmac", "header": "x-sig", "prefix": " v1="}),
        json!({"provider": "hmac", "header": "x-sig", "prefix": "x".repeat(65)}),
        json!({"provider": "hmac", "header": "x-sig", "prefx": "v1="}),
        json!({"provider": "timestamped"}),
        json!({"provider": "timestamped", "headerPrefix": "X Acme"}),
        json!({"provider": "gitlab"}),
    ] {
        assert!(serde_json::from_value::<Scheme>(json.clone()).is_err(), "{json}");
    }
}
