use super::*;
use crate::signature::Failure;
use crate::signature::tests::{headers, secrets};

/// GitHub's own example, "Testing the webhook payload validation".
const SECRET: &str = "It's a Secret to Everybody";
const BODY: &[u8] = b"Hello, World!";
const SIGNED: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

#[test]
fn githubs_vector_is_made_and_accepted() {
    assert_eq!(sign(&SECRET.into(), BODY), SIGNED);
    let verified = verify(&secrets(&["other", SECRET]), &headers(&[(SIGNATURE, SIGNED)]), BODY).unwrap();
    assert_eq!(verified, Verified::by(1));
}

#[test]
fn upper_case_digits_are_accepted_but_not_another_prefix() {
    let digits = SIGNED.strip_prefix(PREFIX).unwrap().to_uppercase();
    let judge = |value: &str| verify(&secrets(&[SECRET]), &headers(&[(SIGNATURE, value)]), BODY);
    judge(&format!("sha256={digits}")).unwrap();
    for value in [digits.clone(), format!("SHA256={digits}"), format!("sha1={digits}"), String::new()] {
        let failure = judge(&value).unwrap_err();
        assert_eq!(failure, mac::malformed(SIGNATURE, "it does not begin with `sha256=`"), "{value}");
    }
}

#[test]
fn the_legacy_header_is_not_a_substitute() {
    let failure = verify(&secrets(&[SECRET]), &headers(&[("x-hub-signature", SIGNED)]), BODY).unwrap_err();
    assert_eq!(failure, Failure::MissingHeader { header: SIGNATURE.into() });
}

#[test]
fn digits_that_are_not_64_hex_digits_are_malformed() {
    for value in [
        "sha256=",
        "sha256=7571",
        &format!("{SIGNED}00"),
        &SIGNED.replace('7', "g"),
        &SIGNED.replace("75", "é"),
    ] {
        let failure = verify(&secrets(&[SECRET]), &headers(&[(SIGNATURE, value)]), BODY).unwrap_err();
        assert!(
            matches!(failure, Failure::Malformed { ref field, .. } if field == SIGNATURE),
            "{value}: {failure}"
        );
    }
}

#[test]
fn no_secret_and_an_empty_secret_match_nothing() {
    let forged = sign(&"".into(), BODY);
    let signed = headers(&[(SIGNATURE, &forged)]);
    assert_eq!(verify(&[], &signed, BODY), Err(Failure::WrongSecret { tried: 0 }));
    assert_eq!(verify(&secrets(&[""]), &signed, BODY), Err(Failure::WrongSecret { tried: 1 }));
}
