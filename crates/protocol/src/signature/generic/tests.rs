use super::*;
use crate::signature::tests::{headers, secrets};

const BODY: &[u8] = b"Hello, World!";

fn hmac(algorithm: Algorithm, encoding: Encoding, prefix: &str) -> Hmac {
    Hmac { header: "X-Acme-Signature".parse().unwrap(), algorithm, encoding, prefix: prefix.parse().unwrap() }
}

fn judge(hmac: &Hmac, value: &str) -> Verdict {
    hmac.verify(
        &secrets(&["old", "It's a Secret to Everybody"]),
        &headers(&[("x-acme-signature", value)]),
        BODY,
    )
}

/// Computed with: printf 'Hello, World!' | openssl dgst -sha… -hmac "It's a Secret to Everybody" [-binary | base64]
const VECTORS: [(Algorithm, Encoding, &str); 6] = [
    (Algorithm::Sha1, Encoding::Hex, "01dc10d0c83e72ed246219cdd91669667fe2ca59"),
    (Algorithm::Sha1, Encoding::Base64, "AdwQ0Mg+cu0kYhnN2RZpZn/iylk="),
    (Algorithm::Sha256, Encoding::Hex, "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
    (Algorithm::Sha256, Encoding::Base64, "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc="),
    (
        Algorithm::Sha512,
        Encoding::Hex,
        "11ed355a617e98134e842012a7944ccf59c10256cb182357bd7e3a42013ff07c376f8c14cf5cc1923da20b51d64256b2fb8ebbf100aa67a61326f61fea8111bc",
    ),
    (
        Algorithm::Sha512,
        Encoding::Base64,
        "Ee01WmF+mBNOhCASp5RMz1nBAlbLGCNXvX46QgE/8Hw3b4wUz1zBkj2iC1HWQlay+4678QCqZ6YTJvYf6oERvA==",
    ),
];

#[test]
fn known_signatures_are_made_and_accepted() {
    for (algorithm, encoding, tag) in VECTORS {
        for prefix in ["", "sha=", "HMAC "] {
            let hmac = hmac(algorithm, encoding, prefix);
            let value = format!("{prefix}{tag}");
            assert_eq!(hmac.sign(&"It's a Secret to Everybody".into(), BODY), value);
            assert_eq!(judge(&hmac, &value), Ok(Verified::by(1)));
        }
    }
}

#[test]
fn a_tag_of_another_form_is_malformed() {
    for (algorithm, encoding, tag) in VECTORS {
        for (other, other_encoding, _) in VECTORS {
            if (other, other_encoding) != (algorithm, encoding) {
                let failure = judge(&hmac(other, other_encoding, ""), tag).unwrap_err();
                assert!(
                    matches!(failure, Failure::Malformed { ref field, .. } if field == "x-acme-signature"),
                    "{failure}"
                );
            }
        }
    }
}

#[test]
fn what_is_not_of_the_form_says_why() {
    let plain = hmac(Algorithm::Sha256, Encoding::Hex, "");
    let prefixed = hmac(Algorithm::Sha256, Encoding::Base64, "v1=");
    let cases = [
        (&plain, "".to_owned(), "expected 64 hex digits, got 0 bytes"),
        (&plain, "ab".repeat(31), "expected 64 hex digits, got 31 bytes"),
        (&plain, format!("sha256={}", "a".repeat(64)), "expected 64 hex digits, got 71 other characters"),
        (&prefixed, "c2hvcnQ=".into(), "it does not begin with `v1=`"),
        (&prefixed, "v1=c2hvcnQ=".into(), "expected the base64 of 32 bytes, got 5 bytes"),
        (&prefixed, "v1=%%%".into(), "expected the base64 of 32 bytes, got 3 other characters"),
    ];
    for (hmac, value, reason) in cases {
        assert_eq!(judge(hmac, &value), Err(mac::malformed("x-acme-signature", reason)), "{value}");
    }
    let missing = plain.verify(&secrets(&["s"]), &headers(&[]), BODY).unwrap_err();
    assert_eq!(missing, Failure::MissingHeader { header: "x-acme-signature".into() });
}

#[test]
fn base64_is_read_without_padding_too_and_hex_in_either_case() {
    let tag = VECTORS[3].2.trim_end_matches('=');
    judge(&hmac(Algorithm::Sha256, Encoding::Base64, ""), tag).unwrap();
    judge(&hmac(Algorithm::Sha256, Encoding::Hex, ""), &VECTORS[2].2.to_uppercase()).unwrap();
}

#[test]
fn no_secret_and_an_empty_secret_match_nothing() {
    let hmac = hmac(Algorithm::Sha1, Encoding::Hex, "");
    let signed = headers(&[("x-acme-signature", &hmac.sign(&"".into(), BODY))]);
    assert_eq!(hmac.verify(&[], &signed, BODY), Err(Failure::WrongSecret { tried: 0 }));
    assert_eq!(hmac.verify(&secrets(&[""]), &signed, BODY), Err(Failure::WrongSecret { tried: 1 }));
}
