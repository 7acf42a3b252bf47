//! Where a request goes: URLs as applications write them, and what may be in them beside the way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Response;
use reqwest::header::{self, HeaderValue};
use url::Url;

use crate::error::{FetchError, without_secrets};

/// `user:password@` of a URL, decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Before the colon.
    pub user: String,
    /// After it.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    /// Leaves the password out, so that no log line carries it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Credentials {
    /// As RFC 7617 sends them.
    pub fn basic(&self) -> HeaderValue {
        let value = format!("Basic {}", BASE64.encode(format!("{}:{}", self.user, self.password)));
        let mut value = HeaderValue::try_from(value).expect("base64 is ASCII");
        value.set_sensitive(true);
        value
    }
}

/// A URL as an application writes it: blanks around it and a missing scheme are forgiven.
///
/// # Errors
/// [`FetchError::Url`].
pub fn parse(text: &str) -> Result<Url, FetchError> {
    let text = text.trim();
    let url = if has_scheme(text) {
        Url::parse(text).ok()
    } else {
        // `www.example.com/hold` is one; `mailto:someone@example.com` would only look like one.
        Url::parse(&format!("http://{text}")).ok().filter(|url| url.username().is_empty())
    };
    url.filter(is_http).ok_or_else(|| FetchError::Url(without_secrets(text)))
}

/// Whether it begins with `scheme://` (RFC 3986 §3.1); one further on belongs to a query.
fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// Takes the credentials out of a URL, so that they are neither sent unasked nor logged; and the fragment, which is
/// never sent.
pub fn take_credentials(url: &mut Url) -> Option<Credentials> {
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let credentials =
        Credentials { user: decoded(url.username()), password: decoded(url.password().unwrap_or_default()) };
    let (_, _) = (url.set_username(""), url.set_password(None));
    url.set_fragment(None);
    (!credentials.user.is_empty() || !credentials.password.is_empty()).then_some(credentials)
}

/// Where a redirect from `url` leads.
///
/// # Errors
/// [`FetchError::NoLocation`].
pub fn location(response: &Response, url: &Url) -> Result<Url, FetchError> {
    let location = response.headers().get(header::LOCATION).and_then(|l| std::str::from_utf8(l.as_bytes()).ok());
    location.and_then(|l| url.join(l).ok()).filter(is_http).ok_or(FetchError::NoLocation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_scheme_is_repaired() {
        for (text, want) in [
            ("localhost:8000/x.wav", "http://localhost:8000/x.wav"),
            ("127.0.0.1:8000/x", "http://127.0.0.1:8000/x"),
            ("www.myapp.com/h?u=http://x/", "http://www.myapp.com/h?u=http://x/"),
            ("127.0.0.1:8000/h?u=http://x/", "http://127.0.0.1:8000/h?u=http://x/"),
            ("HTTPS://a.example/", "https://a.example/"),
        ] {
            assert_eq!(parse(text).map(String::from).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn user_password_and_fragment_are_taken_out() {
        for (text, want, credentials) in [
            ("http://a.example/x?y#z", "http://a.example/x?y", None),
            ("http://u@a.example/", "http://a.example/", Some(("u", ""))),
            ("http://u:p%40%C3%A4@a.example/#z", "http://a.example/", Some(("u", "p@ä"))),
        ] {
            let mut url = parse(text).expect(text);
            let taken = take_credentials(&mut url);
            assert_eq!(url.as_str(), want);
            let taken = taken.as_ref().map(|c| (c.user.as_str(), c.password.as_str()));
            assert_eq!(taken, credentials, "{text}");
        }
    }
}
