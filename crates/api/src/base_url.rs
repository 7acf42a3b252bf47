//! How the client reaches us: what absolute URLs in answers begin with (rest-voice §1.7).
//!
//! What the operator says wins (`PARTYLINE_PUBLIC_URL`); then what a proxy in front of us says of the request it was
//! sent; then the request itself. A client that lies about it lies to itself: only its own answer says it.

use axum::extract::Request;
use axum::http::{HeaderMap, header};

use crate::api::Config;

/// How a connection came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// `https://bridge.example.test`: no slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    /// The one in which this request was sent.
    pub(crate) fn of(config: &Config, request: &Request) -> Self {
        if let Some(url) = &config.public_url {
            return Self(url.clone());
        }
        let headers = request.headers();
        let scheme = match (forwarded(headers, "x-forwarded-proto"), request.extensions().get()) {
            (Some(scheme), _) if scheme.eq_ignore_ascii_case("https") => "https",
            (Some(scheme), _) if scheme.eq_ignore_ascii_case("http") => "http",
            (_, Some(Scheme::Https)) => "https",
            _ => "http",
        };
        let host = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // HTTP/2 names it in the request's target (RFC 9113 §8.3.1).
        let authority = || request.uri().authority().map(|authority| authority.as_str());
        let named = [forwarded(headers, "x-forwarded-host"), host(), authority()];
        let host = named.into_iter().flatten().find(|host| is_host(host)).unwrap_or("localhost");
        Self(format!("{scheme}://{host}"))
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the outermost of all proxies said: the first of a list.
fn forwarded<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()?.split(',').next().map(str::trim)
}

/// A name or an address, and perhaps a port; nothing that could lead out of a URL's authority.
fn is_host(text: &str) -> bool {
    let in_hosts = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    !text.is_empty() && text.len() <= HOST_BYTES_MAX && text.bytes().all(in_hosts)
}

/// A name has at most 253 characters (RFC 1035 §2.3.4), a port five.
const HOST_BYTES_MAX: usize = 260;

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn the_operator_knows_best_then_the_proxy_then_the_request() {
        let public = || Config { public_url: Some("https://voice.test".to_owned()), ..Config::default() };
        let plain = Config::default;
        for (case, config, scheme, uri, headers, want) in [
            ("HTTP/1.1", plain(), Scheme::Http, "/a", &[("host", "b.test:8080")][..], "http://b.test:8080"),
            (
                "by TLS",
                plain(),
                Scheme::Https,
                "/a",
                &[("host", "api.local.twilio.com")],
                "https://api.local.twilio.com",
            ),
            ("HTTP/2", plain(), Scheme::Https, "https://b.test:8443/a", &[], "https://b.test:8443"),
            ("an address", plain(), Scheme::Http, "/a", &[("host", "[::1]:8080")], "http://[::1]:8080"),
            (
                "behind a proxy",
                plain(),
                Scheme::Http,
                "/a",
                &[
                    ("host", "10.0.0.1"),
                    ("x-forwarded-proto", "https, http"),
                    ("x-forwarded-host", "voice.test, in.test"),
                ],
                "https://voice.test",
            ),
            (
                "a proxy that opens TLS and says no more",
                plain(),
                Scheme::Http,
                "/a",
                &[("host", "voice.test"), ("x-forwarded-proto", "HTTPS")],
                "https://voice.test",
            ),
            (
                "no scheme",
                plain(),
                Scheme::Https,
                "/a",
                &[("host", "b.test"), ("x-forwarded-proto", "ftp")],
                "https://b.test",
            ),
            ("no host", plain(), Scheme::Http, "/a", &[("host", "b.test/\"x")], "http://localhost"),
            ("nothing", plain(), Scheme::Http, "/a", &[], "http://localhost"),
            (
                "configured",
                public(),
                Scheme::Http,
                "/a",
                &[("host", "b.test"), ("x-forwarded-host", "c")],
                "https://voice.test",
            ),
        ] {
            let mut request = Request::builder().uri(uri).extension(scheme);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Body::empty()).expect("is a request");
            assert_eq!(BaseUrl::of(&config, &request).as_str(), want, "{case}");
        }
    }
}
