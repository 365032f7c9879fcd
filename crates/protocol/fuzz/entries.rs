//! What is fuzzed: every parser of this crate that reads what strangers send.
//! Each entry takes any bytes, and panics where a promise is broken. Used by
//! libFuzzer (`fuzz_targets/`) and, on fixed mutations of the seeds, by
//! `tests/fuzz.rs`.

use postern_protocol::api::{
    CatchUpRequest, Challenge, DiscardRequest, LeaseRequest, PolicyChange, RecoverRequest, RedriveRequest,
    RegisterRequest, ReplayRequest, ReportWork, TriggerRequest, WorkerPolicy,
};
use postern_protocol::dedupe::{self, IdFrom};
use postern_protocol::filter::{Filter, takers};
use postern_protocol::id::{DeliveryId, EventId, SourceId, TokenId, WorkerId, WorkspaceId};
use postern_protocol::signature::{self, Failure, Freshness, Scheme, slack};
use postern_protocol::{Described, ErrorBody, HeaderList, Provider, Secret, UnixMillis, line};

/// One entry: its name, which is that of its seeds' folder, and the function.
pub(crate) type Entry = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const ENTRIES: [Entry; 16] = [
    ("id", id),
    ("header_json", header_json),
    ("linear", linear),
    ("github", github),
    ("standard", standard),
    ("stripe", stripe),
    ("slack", slack),
    ("hmac", hmac),
    ("timestamped", timestamped),
    ("guess", guess),
    ("config", config),
    ("dedupe", dedupe),
    ("filter", filter),
    ("condition", condition),
    ("line", line),
    ("api", api),
];

/// Ids: one text each, and 16 bytes.
pub(crate) fn id(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    macro_rules! check {
        ($($id:ty),*) => {$(
            if let Ok(id) = text.parse::<$id>() {
                assert_eq!(id.to_string(), text);
                assert_eq!(<$id>::from_bytes(id.to_bytes()), id);
            }
        )*};
    }
    check!(EventId, WorkspaceId, SourceId, WorkerId, DeliveryId, TokenId);
}

/// The JSON of a list of headers: what is read is written so that it is read
/// the same.
pub(crate) fn header_json(data: &[u8]) {
    if let Ok(headers) = serde_json::from_slice::<HeaderList>(data) {
        let written = serde_json::to_vec(&headers).expect("headers can be written");
        assert_eq!(serde_json::from_slice::<HeaderList>(&written).expect("and read again"), headers);
    }
}

/// Linear's header and signed time.
pub(crate) fn linear(data: &[u8]) {
    verify(&Scheme::Linear, data);
}

/// GitHub's header.
pub(crate) fn github(data: &[u8]) {
    verify(&Scheme::Github, data);
}

/// Standard Webhooks' three headers.
pub(crate) fn standard(data: &[u8]) {
    verify(&Scheme::StandardWebhooks, data);
}

/// Stripe's header.
pub(crate) fn stripe(data: &[u8]) {
    verify(&Scheme::Stripe, data);
}

/// Slack's two headers, and its challenge.
pub(crate) fn slack(data: &[u8]) {
    verify(&Scheme::Slack, data);
    let (_, body) = split(data);
    if let Some(challenge) = slack::challenge(body) {
        assert!((1..=1000).contains(&challenge.len()));
    }
}

/// A configured header, in each hash and encoding.
pub(crate) fn hmac(data: &[u8]) {
    for algorithm in ["sha1", "sha256", "sha512"] {
        for encoding in ["hex", "base64"] {
            for prefix in ["", "sha="] {
                let json = serde_json::json!({"provider": "hmac", "header": "x-signature",
                    "algorithm": algorithm, "encoding": encoding, "prefix": prefix});
                verify(&serde_json::from_value(json).expect("a scheme"), data);
            }
        }
    }
}

/// The timestamped scheme's header.
pub(crate) fn timestamped(data: &[u8]) {
    verify(&named(), data);
}

/// Guesses about any failure.
pub(crate) fn guess(data: &[u8]) {
    let (headers, body) = split(data);
    let secrets = [Secret::new("s3cret")];
    for scheme in schemes() {
        if let Some(Err(failure)) = signature::verify(&scheme, &secrets, &headers, body, None)
            && let Some(guess) = signature::guess(&scheme, &failure, &secrets, &headers, body)
        {
            assert!(!guess.to_string().contains("s3cret"));
        }
    }
}

/// A scheme's configuration, and where an id stands.
pub(crate) fn config(data: &[u8]) {
    if let Ok(scheme) = serde_json::from_slice::<Scheme>(data) {
        let written = serde_json::to_vec(&scheme).expect("a scheme can be written");
        assert_eq!(serde_json::from_slice::<Scheme>(&written).expect("and read again"), scheme);
    }
    if let Ok(from) = serde_json::from_slice::<IdFrom>(data) {
        let _ = dedupe::key(&Scheme::None, Some(&from), &HeaderList::new(), data);
    }
}

/// Dedupe keys: the same for the same post, and never long.
pub(crate) fn dedupe(data: &[u8]) {
    let (headers, body) = split(data);
    let froms = [r#"{"header":"x-id"}"#, r#"{"pointer":"/a/0/b"}"#];
    let froms = froms.map(|json| serde_json::from_str::<IdFrom>(json).expect("a place"));
    for scheme in schemes() {
        for from in froms.iter().map(Some).chain([None]) {
            let key = dedupe::key(&scheme, from, &headers, body);
            assert_eq!(key, dedupe::key(&scheme, from, &headers, body));
            if let Some(key) = key {
                assert!(key.as_text().len() <= 265 && !key.as_text().is_empty());
            }
        }
    }
}

/// A filter's term: what is read is written so that it is read the same.
pub(crate) fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Filter::parse(&[text]) {
        Ok(filter) => {
            let written = Vec::from(filter.clone());
            assert_eq!(Filter::parse(&written).expect("what was written"), filter);
            let _ = filter.resolve_me("u1").map(|resolved| assert!(!resolved.speaks_of_me()));
        }
        Err(error) => assert!((1..=text.chars().count() + 1).contains(&error.at), "{error}"),
    }
}

/// A filter's term on the first line, and the body it is asked about.
pub(crate) fn condition(data: &[u8]) {
    let (term, body) = data.split_at(data.iter().position(|b| *b == b'\n').unwrap_or(data.len()));
    let Ok(filter) = Filter::parse(&[String::from_utf8_lossy(term)]) else { return };
    for provider in Provider::ALL {
        let event = line::describe(provider, &HeaderList::new(), body);
        let taken = filter.takes(provider, &event, body);
        let all = [(0, &filter), (1, &Filter::default())];
        // The proxy's own events are for those who name them.
        let everyone = provider != Provider::Postern;
        let expected: Vec<u32> =
            [(taken, 0), (everyone, 1)].iter().filter(|(t, _)| *t).map(|(_, n)| *n).collect();
        assert_eq!(takers(provider, &event, body, all), expected);
    }
}

/// The human line: one line, of bounded length, and a name that a filter takes.
pub(crate) fn line(data: &[u8]) {
    let (headers, body) = split(data);
    for provider in Provider::ALL {
        let event: Described = line::describe(provider, &headers, body);
        assert!((1..=120).contains(&event.subject.chars().count()), "{event:?}");
        assert!(event.detail.chars().count() <= 200, "{event:?}");
        assert!(!event.subject.chars().chain(event.detail.chars()).any(char::is_control), "{event:?}");
        let filter = Filter::parse(&[format!("{provider}:{}", event.name())]);
        assert!(filter.is_ok_and(|filter| filter.takes(provider, &event, body)), "{event:?}");
    }
}

/// The bodies of the proxy's API: what is read is written so that it is read
/// the same, and a policy that is taken has waits.
pub(crate) fn api(data: &[u8]) {
    macro_rules! check {
        ($($body:ty),*) => {$(
            if let Ok(read) = serde_json::from_slice::<$body>(data) {
                let written = serde_json::to_vec(&read).expect("a body can be written");
                let again = serde_json::from_slice::<$body>(&written).expect("and read again");
                assert_eq!(serde_json::to_vec(&again).expect("and written"), written, stringify!($body));
            }
        )*};
    }
    check!(
        RegisterRequest,
        LeaseRequest,
        CatchUpRequest,
        ReportWork,
        PolicyChange,
        TriggerRequest,
        RedriveRequest,
        DiscardRequest,
        RecoverRequest,
        ReplayRequest,
        Challenge,
        ErrorBody
    );
    if let Ok(change) = serde_json::from_slice::<PolicyChange>(data)
        && let Ok(policy) = change.apply(&WorkerPolicy::default())
        && let Some(retry) = policy.retry
    {
        for failures in 1..=60 {
            let wait = retry.strategy.wait(failures);
            assert!(wait.is_none_or(|wait| wait <= retry.strategy.longest()), "{retry:?}");
        }
        let text = retry.to_string();
        assert!(!text.is_empty());
    }
}

/// Nothing verifies that no one signed, and the verdict does not depend on how
/// often it is asked for.
fn verify(scheme: &Scheme, data: &[u8]) {
    let (headers, body) = split(data);
    let secrets = [Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), Secret::new("")];
    let freshness = Freshness { now: UnixMillis(1_763_800_000_000), tolerance: 300_000 };
    for freshness in [None, Some(freshness)] {
        let verdict = signature::verify(scheme, &secrets, &headers, body, freshness);
        assert_eq!(verdict, signature::verify(scheme, &secrets, &headers, body, freshness));
        // The seeds are not signed with these secrets, and no fuzzer forges one.
        let Some(Err(failure)) = verdict else { panic!("{scheme:?} accepted what no one signed") };
        assert!(!matches!(failure, Failure::Stale { .. } | Failure::Future { .. }));
        assert!(!format!("{failure} {failure:?}").contains("whsec_"));
    }
}

/// Headers up to an empty line, `name: value` each, and the body after it.
fn split(data: &[u8]) -> (HeaderList, &[u8]) {
    let mut headers = HeaderList::new();
    let mut rest = data;
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        if line.is_empty() {
            return (headers, after);
        }
        let Some(colon) = line.iter().position(|b| *b == b':') else { break };
        headers.push(&String::from_utf8_lossy(&line[..colon]), line[colon + 1..].trim_ascii());
        rest = after;
    }
    (headers, rest)
}

fn named() -> Scheme {
    let json = serde_json::json!({"provider": "timestamped", "headerPrefix": "x-acme"});
    serde_json::from_value(json).expect("a scheme")
}

fn schemes() -> Vec<Scheme> {
    let hmac = serde_json::json!({"provider": "hmac", "header": "x-signature"});
    let hmac = serde_json::from_value(hmac).expect("a scheme");
    Provider::ALL.into_iter().filter_map(Scheme::of).chain([named(), hmac]).collect()
}
