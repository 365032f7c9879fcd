//! What the schemes have in common: the tag, the comparison in
//! constant time, reading headers and judging a signed time.

use super::{Failure, Freshness, Verified};
use crate::HeaderList;
use crate::time::UnixMillis;
use hmac::digest::block_api::EagerHash;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// The length of an HMAC-SHA256 tag in bytes.
pub(super) const TAG: usize = 32;

/// HMAC-SHA256 of the parts, one after the other.
pub(super) fn tag(key: &[u8], parts: &[&[u8]]) -> [u8; TAG] {
    hmac::<Sha256>(key, parts).into()
}

/// The HMAC of the parts with any hash.
pub(super) fn hmac<H: EagerHash>(key: &[u8], parts: &[&[u8]]) -> hmac::digest::Output<Hmac<H>> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<H>::new_from_slice(key).expect("a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes()
}

/// The position of the first key that made one of the `claimed` tags over the
/// parts. An empty key makes none: anyone could sign with it.
pub(super) fn find<K: AsRef<[u8]>>(
    keys: impl IntoIterator<Item = K>,
    parts: &[&[u8]],
    claimed: &[[u8; TAG]],
) -> Result<usize, Failure> {
    find_by(keys, |key| tag(key, parts), claimed)
}

/// As [`find`], with tags as `make` makes them.
pub(super) fn find_by<K: AsRef<[u8]>, T: AsRef<[u8]>>(
    keys: impl IntoIterator<Item = K>,
    make: impl Fn(&[u8]) -> T,
    claimed: &[T],
) -> Result<usize, Failure> {
    let mut tried = 0;
    for key in keys {
        let key = key.as_ref();
        if !key.is_empty() {
            let ours = make(key);
            let any = claimed
                .iter()
                .fold(Choice::from(0), |any, theirs| any | ours.as_ref().ct_eq(theirs.as_ref()));
            if any.into() {
                return Ok(tried);
            }
        }
        tried += 1;
    }
    Err(Failure::WrongSecret { tried })
}

/// The first value of a header the scheme needs.
pub(super) fn header<'h>(headers: &'h HeaderList, name: &str) -> Result<&'h str, Failure> {
    let (_, value) = headers
        .iter()
        .find(|(n, _)| *n == name)
        .ok_or_else(|| Failure::MissingHeader { header: name.to_owned() })?;
    std::str::from_utf8(value).map_err(|_| malformed(name, "it is not text"))
}

/// A tag of exactly 64 hex digits, upper or lower case.
pub(super) fn hex_tag(field: &str, digits: &str) -> Result<[u8; TAG], Failure> {
    let mut tag = [0; TAG];
    if digits.len() != 2 * TAG {
        return Err(malformed(
            field,
            format!("expected 64 hex digits, got {} characters", digits.chars().count()),
        ));
    }
    hex::decode_to_slice(digits, &mut tag)
        .map_err(|_| malformed(field, "expected 64 hex digits, got other characters"))?;
    Ok(tag)
}

pub(super) fn malformed(field: &str, reason: impl Into<String>) -> Failure {
    Failure::Malformed { field: field.to_owned(), reason: reason.into() }
}

/// A time in whole seconds: digits, with an optional minus. What is signed is
/// the text, and `+5` or ` 5` would be another text for the same time.
pub(super) fn seconds(field: &str, text: &str) -> Result<UnixMillis, Failure> {
    let plain = (!text.starts_with('+')).then(|| text.parse::<i64>().ok()).flatten();
    plain
        .and_then(|seconds| seconds.checked_mul(1000))
        .map(UnixMillis)
        .ok_or_else(|| malformed(field, "it is not a whole number of seconds"))
}

/// A good signature's verdict, once its time is judged too.
pub(super) fn judge(secret: usize, signed_at: UnixMillis, freshness: Option<Freshness>) -> super::Verdict {
    if let Some(Freshness { now, tolerance }) = freshness {
        let age = now.since(signed_at);
        if age > tolerance {
            return Err(Failure::Stale { by_ms: age, tolerance_ms: tolerance });
        }
        let ahead = age.saturating_neg();
        if ahead > tolerance {
            return Err(Failure::Future { by_ms: ahead, tolerance_ms: tolerance });
        }
    }
    Ok(Verified { signed_at: Some(signed_at), ..Verified::by(secret) })
}
