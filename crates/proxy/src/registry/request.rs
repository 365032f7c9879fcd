//! Reads a registration: each part is checked, and what is wrong is said
//! precisely.

use super::address::AddressPolicy;
use super::lease::bad_policy;
use super::{url, version};
use crate::entropy;
use crate::http::error::ApiError;
use crate::store::{Token, Worker};
use postern_protocol::api::{
    CatchUp, Circuit, Group, Ordering, PolicyChange, RegisterRequest, SignatureStyleName, WorkerPolicy,
    WorkerState,
};
use postern_protocol::filter::Filter;
use postern_protocol::signature::{SignatureStyle, Timestamped};
use postern_protocol::{ErrorCode, Secret, UnixMillis};

/// How many capability terms a worker may have.
const MOST_CAPABILITIES: usize = 100;
/// How long a worker's name may be, in characters.
const LONGEST_NAME: usize = 100;

/// What a registration asks for, checked.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(super) url: Option<String>,
    pub(super) filter: Filter,
    pub(super) ordering: Ordering,
    pub(super) catch_up: CatchUp,
    pub(super) group: Option<Group>,
    pub(super) style: SignatureStyle,
    pub(super) policy: PolicyChange,
}

/// `me`: the id of the Linear user who registers.
pub(crate) fn check(
    request: &RegisterRequest,
    policy: &AddressPolicy,
    me: Option<&str>,
) -> Result<Wanted, ApiError> {
    version::check(&request.protocol_version)?;
    let name = request.name.trim();
    let length = name.chars().count();
    if !(1..=LONGEST_NAME).contains(&length) || name.chars().any(char::is_control) {
        let message = format!("name: write 1 to {LONGEST_NAME} characters on one line");
        return Err(ApiError::new(ErrorCode::BadRequest, message));
    }
    if request.capabilities.len() > MOST_CAPABILITIES {
        let message = format!("capabilities: at most {MOST_CAPABILITIES} terms");
        return Err(ApiError::new(ErrorCode::FilterInvalid, message));
    }
    let filter = filter(&request.capabilities, me)?;
    let url = request.webhook_url.as_deref().map(|url| url::check(url, policy)).transpose()?;
    let (name, style, policy) = (name.to_owned(), style(request)?, request.policy.clone());
    let (ordering, catch_up, group) = (request.ordering, request.catch_up, request.group.clone());
    Ok(Wanted { name, url, filter, ordering, catch_up, group, style, policy })
}

impl Wanted {
    /// The worker that comes of it: pending, until its challenge is answered.
    pub(crate) fn worker(
        self,
        token: &Token,
        credential: &Secret,
        secret: Secret,
        leased_until: UnixMillis,
        now: UnixMillis,
    ) -> Result<Worker, ApiError> {
        Ok(Worker {
            id: entropy::worker_id(now),
            workspace: token.workspace,
            token: token.id,
            name: self.name,
            url: self.url,
            credential_hash: entropy::credential_hash(credential.reveal()),
            secret,
            previous_secret: None,
            filter: self.filter,
            ordering: self.ordering,
            catch_up: self.catch_up,
            group: self.group,
            style: self.style,
            state: WorkerState::Pending,
            leased_until,
            challenge_error: None,
            circuit: Circuit::closed(now),
            policy: self.policy.apply(&WorkerPolicy::default()).map_err(bad_policy)?,
            throttled_until: None,
            created_at: now,
        })
    }
}

/// How it is to be signed for.
fn style(request: &RegisterRequest) -> Result<SignatureStyle, ApiError> {
    let wrong = |message: &str| Err(ApiError::new(ErrorCode::BadRequest, message));
    match (request.signature_style, &request.header_prefix) {
        (SignatureStyleName::Standard, None) => Ok(SignatureStyle::Standard),
        (SignatureStyleName::Standard, Some(_)) => {
            wrong("headerPrefix: it goes with signatureStyle `timestamped` alone")
        }
        (SignatureStyleName::Timestamped, None) => {
            wrong("headerPrefix: signatureStyle `timestamped` needs one, such as X-Acme")
        }
        (SignatureStyleName::Timestamped, Some(prefix)) if is_reserved(prefix.as_str()) => {
            wrong("headerPrefix: `webhook` and `postern` begin the proxy's own headers; choose another")
        }
        (SignatureStyleName::Timestamped, Some(prefix)) => {
            Ok(SignatureStyle::Timestamped(Timestamped { header_prefix: prefix.clone() }))
        }
    }
}

fn is_reserved(prefix: &str) -> bool {
    ["webhook", "postern"]
        .iter()
        .any(|ours| prefix.strip_prefix(ours).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
}

/// The filter, in which `me` is resolved.
fn filter(capabilities: &[String], me: Option<&str>) -> Result<Filter, ApiError> {
    let invalid = |message: String| ApiError::new(ErrorCode::FilterInvalid, message);
    let filter = Filter::parse(capabilities).map_err(|error| invalid(error.to_string()))?;
    if !filter.speaks_of_me() {
        return Ok(filter);
    }
    let me = me.ok_or_else(|| {
        invalid(
            "capabilities: `me` is the Linear user who signed in, and this token stands for none; \
             write the id, or sign in with a Linear key"
                .to_owned(),
        )
    })?;
    filter.resolve_me(me).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_protocol::PROTOCOL_VERSION;

    fn request() -> RegisterRequest {
        serde_json::from_value(serde_json::json!({
            "webhookUrl": "https://laptop.example/", "token": "pst_x", "name": " Ada's laptop ",
            "capabilities": ["Issue", "!Issue.remove"], "protocolVersion": PROTOCOL_VERSION,
        }))
        .unwrap()
    }

    fn code(change: impl FnOnce(&mut RegisterRequest)) -> ErrorCode {
        let mut request = request();
        change(&mut request);
        check(&request, &AddressPolicy::default(), None).unwrap_err().code()
    }

    #[test]
    fn a_good_one() {
        let wanted = check(&request(), &AddressPolicy::default(), None).unwrap();
        assert_eq!(
            (wanted.name.as_str(), wanted.url.as_deref()),
            ("Ada's laptop", Some("https://laptop.example/"))
        );
        assert_eq!(wanted.catch_up, CatchUp::All);
    }

    #[test]
    fn each_wrong_part_has_its_code() {
        assert_eq!(code(|r| r.name = "  ".into()), ErrorCode::BadRequest);
        assert_eq!(code(|r| r.name = "x".repeat(101)), ErrorCode::BadRequest);
        assert_eq!(code(|r| r.name = "a\nb".into()), ErrorCode::BadRequest);
        assert_eq!(code(|r| r.capabilities = vec!["Issue.".into()]), ErrorCode::FilterInvalid);
        assert_eq!(code(|r| r.capabilities = vec!["Issue".into(); 101]), ErrorCode::FilterInvalid);
        let timestamped = SignatureStyleName::Timestamped;
        assert_eq!(code(|r| r.signature_style = timestamped), ErrorCode::BadRequest);
        assert_eq!(code(|r| r.header_prefix = "X-Acme".parse().ok()), ErrorCode::BadRequest);
        for reserved in ["Webhook", "postern", "Postern-Original"] {
            let prefix = reserved.parse().ok();
            let asked =
                |r: &mut RegisterRequest| (r.signature_style, r.header_prefix) = (timestamped, prefix);
            assert_eq!(code(asked), ErrorCode::BadRequest, "{reserved}");
        }
        assert_eq!(code(|r| r.webhook_url = Some("http://laptop.example".into())), ErrorCode::UrlRefused);
        for version in ["", "1", "2.0", "0.9", "1.1", "1.0.0", "+1.0", "1.x", "1. 0"] {
            assert_eq!(
                code(|r| r.protocol_version = version.into()),
                ErrorCode::ProtocolUnsupported,
                "{version}"
            );
        }
    }

    #[test]
    fn any_registration_is_checked_or_refused_in_words() {
        let open = AddressPolicy { allow_loopback: true, allow: Vec::new() };
        crate::fuzz::run("registration", |data| {
            let Ok(request) = serde_json::from_slice::<RegisterRequest>(data) else { return };
            for (policy, me) in [(&AddressPolicy::default(), None), (&open, Some("user-1"))] {
                match check(&request, policy, me) {
                    Ok(wanted) => {
                        assert!((1..=LONGEST_NAME).contains(&wanted.name.chars().count()));
                        assert!(!wanted.filter.speaks_of_me());
                        let url = wanted.url.map(|url| ::url::Url::parse(&url).unwrap());
                        assert!(url.is_none_or(|url| url.scheme() == "https" || policy.allow_loopback));
                    }
                    Err(error) => assert!(!error.message().contains("pst_s3cret"), "{}", error.message()),
                }
            }
        });
    }
}
