//! Where events are forwarded to.

use crate::api::ApiError;
use crate::proxy_client::is_loopback;
use postern_protocol::ErrorCode;
use url::Url;

/// A checked forward target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    url: Url,
    text: String,
}

impl Target {
    /// Reads a target as people write it: `http://localhost:3000/webhooks`,
    /// or `localhost:3000`, or `3000/webhooks`. Postern's `own_ports` on this machine
    /// are refused: events would go in circles.
    pub(crate) fn parse(text: &str, own_ports: &[u16]) -> Result<Self, ApiError> {
        let refuse =
            |why: String| Err(ApiError::new(ErrorCode::BadRequest, format!("the forward target {why}")));
        let text = text.trim();
        let port = text.strip_prefix(':').unwrap_or(text);
        let begins = port.split(['/', '?']).next().is_some_and(|port| port.parse::<u16>().is_ok());
        let read = web_address(text, begins.then_some(port), |e| {
            format!("is not a URL ({e}): write it as http://localhost:3000/webhooks")
        });
        let url = match read {
            Ok(url) => url,
            Err(why) => return refuse(why),
        };
        if url.fragment().is_some() {
            return refuse("must not contain `#`".into());
        }
        let target = Self { text: url.as_str().to_owned(), url };
        if target.is_own(own_ports) {
            let port = target.port();
            return refuse(format!("is Postern itself: port {port} is its own, events would go in circles"));
        }
        Ok(target)
    }

    /// Whether it is one of Postern's `own_ports` on this machine.
    pub(crate) fn is_own(&self, own_ports: &[u16]) -> bool {
        own_ports.contains(&self.port()) && (is_loopback(&self.url) || is_unspecified(&self.url))
    }

    /// The whole URL.
    pub(crate) fn url(&self) -> &str {
        &self.text
    }

    /// Host and port as shown on a pill: `localhost:3000`.
    pub(crate) fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// The port, given or the scheme's.
    pub(crate) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(80)
    }
}

/// Reads the address of a web server as people write it, trimmed: the scheme
/// may be left out, and `localhost:` where it begins with a port. Otherwise,
/// what is wrong with it, as the end of a sentence; `unreadable` says it of
/// what is no URL.
pub(crate) fn web_address(
    text: &str,
    from_port: Option<&str>,
    unreadable: impl FnOnce(url::ParseError) -> String,
) -> Result<Url, String> {
    let whole = match from_port {
        Some(rest) => format!("http://localhost:{rest}"),
        None if text.contains("://") => text.to_owned(),
        None => format!("http://{text}"),
    };
    let url = Url::parse(&whole).map_err(unreadable)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("must begin with http:// or https://, not {}://", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user or password".into());
    }
    Ok(url)
}

/// `0.0.0.0` and `[::]` reach this machine too.
fn is_unspecified(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_unspecified(),
        Some(url::Host::Ipv6(ip)) => ip.is_unspecified(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn any_target_is_read_or_refused() {
        crate::fuzz::run("target", |data| {
            let text = String::from_utf8_lossy(data);
            match Target::parse(&text, &[3000]) {
                Ok(target) => {
                    assert_eq!(Target::parse(target.url(), &[3000]).unwrap(), target);
                    assert!(!target.authority().is_empty());
                }
                Err(error) => assert_eq!(error.code, "request.malformed", "{}", error.message),
            }
        });
    }

    #[test]
    fn a_target_is_read_as_people_write_it() {
        let url = |text| Target::parse(text, &[]).unwrap().url().to_owned();
        assert_eq!(url("http://localhost:3000/webhooks?x=1"), "http://localhost:3000/webhooks?x=1");
        assert_eq!(url("localhost:3000/hook"), "http://localhost:3000/hook");
        assert_eq!(url("3000"), "http://localhost:3000/");
        assert_eq!(url(":3000/hook?x=1"), "http://localhost:3000/hook?x=1");
        assert_eq!(url("https://dev.example"), "https://dev.example/");
        assert_eq!(Target::parse("3000", &[]).unwrap().authority(), "localhost:3000");
        assert_eq!(Target::parse("https://dev.example", &[]).unwrap().port(), 443);
    }

    #[test]
    fn what_cannot_be_a_target_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "not a URL"),
            ("http://", "not a URL"),
            ("ftp://localhost", "must begin with"),
            ("http://u:p@localhost", "user or password"),
            ("http://localhost/#a", "`#`"),
            ("http://localhost:7777/x", "Postern itself"),
            ("http://127.0.0.1:7777", "Postern itself"),
            ("http://127.1:7777", "Postern itself"),
            ("http://[::1]:7777", "Postern itself"),
            ("http://[::ffff:127.0.0.1]:7777", "Postern itself"),
            ("http://0.0.0.0:7777", "Postern itself"),
            ("7777", "Postern itself"),
        ] {
            let refused = Target::parse(text, &[7777]).unwrap_err();
            assert!(refused.message.contains(why), "{text}: {}", refused.message);
        }
        assert!(Target::parse("http://other.example:7777", &[7777]).is_ok());
    }
}
