//! What may be secret in a text, taken out of it: known secrets by their text,
//! wherever it stands; and beyond those whatever looks like a credential, so
//! that one nobody knew of does not slip through.

use postern_protocol::Secret;
use url::Url;

/// What stands where something was removed.
pub(crate) const REMOVED: &str = "[removed]";

/// How credentials begin that people have.
const PREFIXES: [&str; 22] = [
    "pst_",
    "psw_",
    "whsec_",
    "lin_api_",
    "lin_oauth_",
    "lin_wh",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "ghr_",
    "github_pat_",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "glpat-",
    "AKIA",
    "eyJ",
    "cred_",
];
/// From so many characters on, letters and digits in a row are no word and no
/// id of ours, of which the longest have 30.
const LONGEST_WORD: usize = 32;
/// Known secrets that are shorter would take ordinary words with them.
const SHORTEST_SECRET: usize = 4;
/// Words by which something is named whose value is secret.
const NAMES: [&str; 11] = [
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "apikey",
    "credential",
    "auth",
    "signature",
    "cookie",
    "bearer",
];

/// Whether what has this name is likely a secret: `api_key`, `X-Auth-Token`.
pub(crate) fn names_a_secret(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|secret| name.contains(secret))
        || matches!(name.as_str(), "key" | "sig" | "code" | "pass")
}

/// A URL down to where it leads: scheme, host and port. What people put into
/// paths may be secret too.
pub(crate) fn origin(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) if url.has_host() => url.origin().ascii_serialization(),
        _ => REMOVED.into(),
    }
}

/// The text without the secrets, and without what looks like one.
pub(crate) fn text(text: &str, secrets: &[Secret]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().map(Secret::reveal).filter(|secret| secret.len() >= SHORTEST_SECRET) {
        if text.contains(secret) {
            text = text.replace(secret, REMOVED);
        }
    }
    words(&urls(&text))
}

/// URLs lose user, password, query and fragment, and of a receiver's URL the key.
fn urls(text: &str) -> String {
    const BREAKS: [char; 12] = ['"', '\'', '<', '>', '`', '(', ')', ',', ';', '{', '}', '|'];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let after = &rest[at + 3..];
        let end = after.find(|c: char| c.is_whitespace() || BREAKS.contains(&c)).unwrap_or(after.len());
        let url = &after[..end];
        out.push_str(&rest[..at + 3]);
        let (authority, path) = match url.find(['/', '?', '#']) {
            Some(slash) => url.split_at(slash),
            None => (url, ""),
        };
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                out.push_str(REMOVED);
                out.push('@');
                out.push_str(host);
            }
            None => out.push_str(authority),
        }
        let (path, more) = match path.find(['?', '#']) {
            Some(at) => (&path[..at], true),
            None => (path, false),
        };
        match path.split_once("/hook/") {
            Some((before, _)) => {
                out.push_str(before);
                out.push_str("/hook/");
                out.push_str(REMOVED);
            }
            None => out.push_str(path),
        }
        if more {
            out.push('?');
            out.push_str(REMOVED);
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

/// Words that look like credentials go, and values of what is named as one.
fn words(text: &str) -> String {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '.' | '~' | '%');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // Whether the next word is the value of what the words before it named.
    let mut value = false;
    while !rest.is_empty() {
        let gap = rest.find(part).unwrap_or(rest.len());
        let between = &rest[..gap];
        value &= !between.contains([',', ';', '\n']);
        out.push_str(between);
        rest = &rest[gap..];
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        let scheme = ["bearer", "basic"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
        let named = after.trim_start_matches(['"', '\'']).starts_with(['=', ':']) && names_a_secret(word);
        // The value may be `Bearer abc`: the word after it is meant.
        let gone = between.ends_with('[') && word == "removed";
        let hidden = !scheme && !gone && !word.is_empty() && (value || is_credential(word));
        out.push_str(if hidden { REMOVED } else { word });
        value = scheme || named;
    }
    out
}

fn is_credential(word: &str) -> bool {
    let prefixed = |part: &str| {
        PREFIXES.iter().any(|prefix| part.strip_prefix(prefix).is_some_and(|rest| rest.len() >= 4))
    };
    let long = |part: &str| {
        part.len() >= LONGEST_WORD
            && part.bytes().any(|b| b.is_ascii_digit())
            && part.bytes().any(|b| b.is_ascii_alphabetic())
    };
    prefixed(word) || word.split(['/', '.', '%']).any(|part| prefixed(part) || long(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_removed_and_the_rest_stays() {
        let secrets = [Secret::new("correct horse battery"), Secret::new("x")];
        let mut wrong = Vec::new();
        for (from, left) in [
            ("the token pst_0123456789abcdef is refused", "the token [removed] is refused"),
            ("key: correct horse battery; next", "key: [removed]; next"),
            ("authorization: Bearer abcd.efgh, then more", "authorization: Bearer [removed], then more"),
            ("sent whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD=", "sent [removed]="),
            ("password=\"hunter2\" user=ada", "password=\"[removed]\" user=ada"),
            ("{\"apiKey\":\"abc\",\"name\":\"ada\"}", "{\"apiKey\":\"[removed]\",\"name\":\"ada\"}"),
            ("to http://ada:hunter2@localhost:3000/x failed", "to http://[removed]@localhost:3000/x failed"),
            ("(https://h.example/a?token=x&y=1#z)", "(https://h.example/a?[removed])"),
            ("http://127.0.0.1:4456/hook/9f2c is taken", "http://127.0.0.1:4456/hook/[removed] is taken"),
            ("9f2c41d07ab35e689f2c41d07ab35e68", "[removed]"),
            ("a/ghp_0123456789abcdef", "[removed]"),
            ("evt_01K9Z3V8Q4T5N6M7P8R9S0ABCD stored", "evt_01K9Z3V8Q4T5N6M7P8R9S0ABCD stored"),
            ("connection refused: nothing listens there", "connection refused: nothing listens there"),
            (
                "2026-11-22T15:07:38.102431Z  INFO postern_edge::registration::awake",
                "2026-11-22T15:07:38.102431Z  INFO postern_edge::registration::awake",
            ),
            (
                "the proxy refuses the token: it was revoked",
                "the proxy refuses the token: [removed] was revoked",
            ),
            ("", ""),
        ] {
            wrong.extend((text(from, &secrets) != left).then(|| (text(from, &secrets), left)));
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn an_address_is_told_without_its_path() {
        assert_eq!(origin("http://localhost:3000/hooks/T0/B1?token=x"), "http://localhost:3000");
        assert_eq!(origin("not a url"), REMOVED);
    }

    #[test]
    fn names_of_secrets_are_known() {
        for name in ["token", "access_token", "X-Api-Key", "sig", "Authorization", "client-secret", "key"] {
            assert!(names_a_secret(name), "{name}");
        }
        for name in ["page", "monkey", "team", "coded"] {
            assert!(!names_a_secret(name), "{name}");
        }
    }
}
