//! Which URLs a worker may have, as far as the text tells: `https://`, or
//! `http://` to this machine where that is allowed. Where a name leads is
//! judged on connecting ([`super::address`]).

use super::address::{AddressPolicy, is_allowed};
use crate::http::error::ApiError;
use postern_protocol::ErrorCode;
use std::net::IpAddr;
use url::{Host, Url};

/// How long a URL may be, in bytes.
const LONGEST: usize = 2048;

/// The URL in its normal form.
pub(super) fn check(text: &str, policy: &AddressPolicy) -> Result<String, ApiError> {
    let refused = |message: &str| ApiError::new(ErrorCode::UrlRefused, format!("webhookUrl: {message}"));
    if text.len() > LONGEST {
        return Err(refused("it is longer than 2048 bytes"));
    }
    let mut url = Url::parse(text).map_err(|error| refused(&format!("it is no absolute URL: {error}")))?;
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return Err(refused("it has no host")),
    };
    let local = match address {
        Some(address) => address.to_canonical().is_loopback(),
        None => url.host_str().is_some_and(is_localhost),
    };
    match url.scheme() {
        "https" => {}
        "http" if local && policy.allow_loopback => {}
        "http" if local => {
            return Err(refused(
                "this proxy does not deliver to its own machine (registration.allow_loopback)",
            ));
        }
        "http" => return Err(refused("http:// is allowed only to the proxy's own machine; use https://")),
        _ => return Err(refused("it must begin with https://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it must not carry a user name or password"));
    }
    if url.port() == Some(0) {
        return Err(refused("port 0 cannot be reached"));
    }
    let refused_address = address.is_some_and(|address| !is_allowed(address, policy));
    if refused_address || (local && !policy.allow_loopback) {
        return Err(refused("this proxy does not deliver to addresses inside a network"));
    }
    url.set_fragment(None);
    // What no request can carry must not become a worker that gets nothing.
    http::Uri::try_from(url.as_str())
        .map_err(|_| refused("it has characters that a request cannot carry"))?;
    Ok(url.into())
}

fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow_loopback: bool) -> AddressPolicy {
        AddressPolicy { allow_loopback, allow: vec!["10.1.0.0/16".parse().unwrap()] }
    }

    #[test]
    fn https_anywhere_public() {
        for (url, normal) in [
            ("https://laptop.example/hook", "https://laptop.example/hook"),
            ("HTTPS://Laptop.Example", "https://laptop.example/"),
            ("https://laptop.example:8443/a?b=c#d", "https://laptop.example:8443/a?b=c"),
            ("https://1.1.1.1/", "https://1.1.1.1/"),
            ("https://10.1.2.3/", "https://10.1.2.3/"),
            ("https://[2606:4700:4700::1111]/", "https://[2606:4700:4700::1111]/"),
        ] {
            assert_eq!(check(url, &policy(false)).unwrap(), normal);
        }
    }

    #[test]
    fn http_to_this_machine_alone_and_only_where_allowed() {
        for url in
            ["http://localhost:9/", "http://127.0.0.1:9/", "http://[::1]:9/", "http://app.localhost:9/"]
        {
            assert!(check(url, &policy(true)).is_ok(), "{url}");
            assert!(check(url, &policy(false)).is_err(), "{url}");
            assert!(check(&url.replace("http:", "https:"), &policy(false)).is_err(), "{url}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_code() {
        for url in [
            "",
            "laptop.example",
            "/hook",
            "ftp://laptop.example/",
            "file:///etc/passwd",
            "http://laptop.example/",
            "http://10.1.2.3/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest",
            "https://[fd00::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://0x0a000001/",
            "https://167772161/",
            "https://user@laptop.example/",
            "https://user:pass@laptop.example/",
            "https://laptop.example:0/",
            "https://0.0.0.0/",
            "unix:/run/x.sock",
            "http://localhost.evil.example/",
            "data:text/plain,x",
        ] {
            let error = check(url, &policy(true)).unwrap_err();
            assert_eq!(error.code(), ErrorCode::UrlRefused, "{url}");
        }
        assert!(check(&format!("https://a.example/{}", "x".repeat(3000)), &policy(true)).is_err());
    }
}
