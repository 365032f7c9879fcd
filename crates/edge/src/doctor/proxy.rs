//! The proxy, as seen from this machine: whether it answers, whether its
//! certificate is trusted, and how far its clock is from this one.

use super::Finding;
use postern_protocol::{Clock, ErrorBody, ErrorCode};
use reqwest::redirect::Policy;
use std::error::Error;
use std::time::{Duration, Instant};
use url::{Host, Url};

/// How long the proxy may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Clocks that differ less need no remark, in seconds.
const CLOSE: i64 = 30;
/// Deliveries are refused beyond this, in seconds.
const TOLERANCE: i64 = 300;

/// Asks the proxy who asks: the answer to nobody is a refusal that only a
/// Postern proxy gives.
pub(super) async fn check(address: &str) -> Vec<Finding> {
    let Ok(url) = Url::parse(&format!("{}/v1/workspace", address.trim().trim_end_matches('/'))) else {
        return vec![Finding::fail(
            "proxy",
            "Its address is no URL.",
            "Write it as https://postern.example.com.",
        )];
    };
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    let builder = reqwest::Client::builder().timeout(ANSWER).redirect(Policy::none());
    let client = if local { builder.no_proxy().build() } else { builder.build() };
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            return vec![Finding::fail(
                "proxy",
                causes(&error),
                "The system's HTTP settings cannot be used.",
            )];
        }
    };
    let secure = url.scheme() == "https";
    let asked = Instant::now();
    let answer = match client.get(url).send().await {
        Ok(answer) => answer,
        Err(error) => return vec![unreachable(&error.without_url())],
    };
    let took = asked.elapsed().as_millis();
    let mut findings = Vec::new();
    let skew = answer.headers().get("date").and_then(|date| date.to_str().ok()).and_then(skew);
    let body = answer.bytes().await.unwrap_or_default();
    let ours = serde_json::from_slice::<ErrorBody>(&body)
        .is_ok_and(|body| body.error.code == ErrorCode::Unauthorized.as_str());
    findings.push(if ours {
        Finding::ok("proxy", format!("{address} answers in {took} ms."))
    } else {
        let cure = "Check the address: something else answers there, or a gateway before the proxy.";
        Finding::fail("proxy", format!("What answers at {address} is not a Postern proxy."), cure)
    });
    findings.push(if secure {
        Finding::ok("certificate", "This machine trusts it.")
    } else {
        Finding::ok("certificate", "None is needed: the proxy is on this machine.")
    });
    findings.extend(skew.map(clock));
    findings
}

/// The proxy's clock minus this one, in seconds.
fn skew(date: &str) -> Option<i64> {
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_second();
    Some(theirs - crate::SystemClock.now().seconds())
}

pub(super) fn clock(skew: i64) -> Finding {
    let way = if skew > 0 { "ahead of" } else { "behind" };
    let found = format!("The proxy's is {} {way} this machine's.", super::span(skew.abs() * 1000));
    let cure = "Have both machines set their clocks from the network (NTP).";
    match skew.abs() {
        0..=CLOSE => Finding::ok("clock", "It agrees with the proxy's."),
        s if s < TOLERANCE => Finding::warn("clock", found, cure),
        _ => Finding::fail("clock", format!("{found} Deliveries are refused."), cure),
    }
}

fn unreachable(error: &reqwest::Error) -> Finding {
    let why = if error.is_timeout() { "no answer in time".to_owned() } else { causes(error) };
    let said = why.to_ascii_lowercase();
    if said.contains("certificate") || said.contains("tls") {
        let cure = "Have the proxy serve a certificate for this name that this machine trusts, \
                    or add its authority to the system's trust store.";
        return Finding::fail("certificate", format!("It is not trusted: {why}."), cure);
    }
    let cure = "Check the address, the network, and HTTPS_PROXY; see whether the proxy runs.";
    Finding::fail("proxy", format!("It cannot be reached: {why}."), cure)
}

/// The innermost causes say most; each is said once.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}
