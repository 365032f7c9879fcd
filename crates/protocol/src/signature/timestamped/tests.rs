use super::*;
use crate::signature::Verified;
use crate::signature::tests::{headers, secrets};

const NOW: i64 = 1_763_800_000_000;

fn acme() -> Timestamped {
    Timestamped { header_prefix: "X-Acme".parse().unwrap() }
}

#[test]
fn our_own_deliveries_carry_three_headers_and_verify() {
    let secrets = secrets(&["whsec_old", "whsec_new"]);
    let made = acme().headers(&secrets, "evt_1", "Issue.update", UnixMillis(NOW + 999), b"{}");
    let names: Vec<_> = made.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x-acme-signature", "x-acme-delivery", "x-acme-event"]);
    assert!(made[0].1.starts_with("t=1763800000,v1="), "{}", made[0].1);
    assert_eq!((made[1].1.as_str(), made[2].1.as_str()), ("evt_1", "Issue.update"));
    let headers: HeaderList = made.into_iter().collect();
    for (index, secret) in secrets.iter().enumerate() {
        let verdict = acme().verify(std::slice::from_ref(secret), &headers, b"{}", None);
        assert_eq!(verdict, Ok(Verified { signed_at: Some(UnixMillis(NOW)), ..Verified::by(0) }), "{index}");
    }
}

#[test]
fn another_name_is_another_header() {
    let headers = headers(&[("x-other-signature", &sign(&secrets(&["s"]), UnixMillis(NOW), b""))]);
    let failure = acme().verify(&secrets(&["s"]), &headers, b"", None).unwrap_err();
    assert_eq!(failure, Failure::MissingHeader { header: "x-acme-signature".into() });
}
