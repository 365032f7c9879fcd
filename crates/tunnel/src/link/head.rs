//! The head of a request as HTTP/2 wants it.

use super::error::SendError;
use crate::hop;
use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Request, Uri, Version};

/// Stands in where a request names no host.
const NOWHERE: Authority = Authority::from_static("tunnel.invalid");

/// Keeps method, path and headers; gives the target a scheme and an authority.
/// The scheme is `http` or `https`, whatever was asked for: the others are the
/// transport's own. Extensions stay behind.
pub(super) fn request(parts: Parts) -> Result<Request<()>, SendError> {
    let mut request = Request::new(());
    *request.uri_mut() = target(parts.uri, &parts.headers).map_err(SendError::InvalidTarget)?;
    *request.method_mut() = parts.method;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = parts.headers;
    hop::strip(request.headers_mut());
    Ok(request)
}

fn target(uri: Uri, headers: &HeaderMap) -> Result<Uri, http::Error> {
    let mut target = uri.into_parts();
    let https = target.scheme.as_ref() == Some(&Scheme::HTTPS);
    target.scheme = Some(if https { Scheme::HTTPS } else { Scheme::HTTP });
    if target.authority.is_none() {
        let host = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
        target.authority = Some(host.unwrap_or(NOWHERE));
    }
    if target.path_and_query.is_none() {
        target.path_and_query = Some(PathAndQuery::from_static("/"));
    }
    Ok(Uri::from_parts(target)?)
}

#[cfg(test)]
mod tests {
    use super::request;
    use http::{Method, Request};

    fn sent(uri: &str, host: Option<&str>) -> String {
        let mut given = Request::builder().method(Method::OPTIONS).uri(uri);
        if let Some(host) = host {
            given = given.header("host", host);
        }
        request(given.body(()).unwrap().into_parts().0).unwrap().uri().to_string()
    }

    #[test]
    fn every_target_gets_scheme_and_authority() {
        assert_eq!(sent("/a//b%2F?q=1", Some("x.test:8")), "http://x.test:8/a//b%2F?q=1");
        assert_eq!(sent("/", None), "http://tunnel.invalid/");
        assert_eq!(sent("https://y.test/z", Some("x.test")), "https://y.test/z");
    }

    #[test]
    fn the_control_scheme_cannot_be_asked_for() {
        assert_eq!(sent("postern://control/", None), "http://control/");
    }
}
