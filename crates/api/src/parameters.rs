//! Parameters: what a request says, read into types (rest-voice §1.2).
//!
//! Each reader takes the parameter's name and answers `None` where the request does not have it, so that a
//! resource's page reads as the table of its parameters.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method, Uri, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use model::CallSid;
use store::Span;
use switch::{AudioUrl, HttpMethod};
use url::Url;

use crate::api::Api;
use crate::call_events::Noted;
use crate::date;
use crate::form::Form;
use crate::problem::Problem;

/// The parameters of one request: its query, and its body where the verb has one; the body wins.
pub(crate) struct Parameters(Form);

impl FromRequest<Arc<Api>> for Parameters {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        Self::read_from(request, api, api.config.body_bytes_max).await
    }
}

/// The parameters of a request that may have a workflow in it.
pub(crate) struct LargeParameters(pub(crate) Parameters);

impl FromRequest<Arc<Api>> for LargeParameters {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        // Of each byte of it a form may make three.
        let bytes_max = api.config.body_bytes_max + 3 * taskrouter::CONFIGURATION_MAX;
        Parameters::read_from(request, api, bytes_max).await.map(Self)
    }
}

/// A body of JSON, for the one request that has it (taskrouter §13).
pub(crate) async fn json_body<T: serde::de::DeserializeOwned>(request: Request, api: &Api) -> Result<T, Problem> {
    let body = read_in_time(request.into_body(), api, api.config.body_bytes_max).await?;
    serde_json::from_slice(&body).map_err(|_| Problem::MalformedForm { why: "the body is not the JSON it should be" })
}

async fn read_in_time(body: Body, api: &Api, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let body = tokio::time::timeout(api.config.request_timeout, read(body, bytes_max)).await;
    body.unwrap_or(Err(Problem::MalformedForm { why: "the body did not come in time" }))
}

impl Parameters {
    async fn read_from(request: Request, api: &Api, bytes_max: usize) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let parse = |encoded: &[u8]| Form::parse(encoded).map_err(|why| Problem::MalformedForm { why });
        let query = parse(head.uri.query().unwrap_or_default().as_bytes())?;
        if head.method != Method::POST && head.method != Method::PUT {
            return Ok(Self(query));
        }
        let body = read_in_time(body, api, bytes_max).await?;
        if !body.is_empty() {
            check_content_type(&head.headers)?;
        }
        let form = parse(&body)?.or(query);
        if let Some(noted) = head.extensions.get::<Noted>() {
            noted.note(&form);
        }
        Ok(Self(form))
    }

    /// Those of a query alone.
    pub(crate) fn of_query(uri: &Uri) -> Result<Self, Problem> {
        let form = Form::parse(uri.query().unwrap_or_default().as_bytes());
        form.map(Self).map_err(|why| Problem::MalformedForm { why })
    }

    /// These, as if they had been sent.
    pub(crate) fn of_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(Form::of(pairs))
    }

    /// The value as it is, which may be empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)
    }

    /// The value, unless it is empty: a filter without a value does not restrict.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Every value of that name, split where one has several words; `None` where there is no such name.
    pub(crate) fn words(&self, name: &str) -> Option<Vec<&str>> {
        let mut values = self.iter().filter(|(of, _)| *of == name).map(|(_, value)| value).peekable();
        values.peek()?;
        Some(values.flat_map(str::split_whitespace).collect())
    }

    /// Every parameter, as the client sent it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter()
    }

    /// A boolean for which the reference says that anything but true is false.
    pub(crate) fn is_true(&self, name: &str) -> Option<bool> {
        self.get(name).map(|value| truth(value).unwrap_or(false))
    }

    /// Any other boolean.
    pub(crate) fn flag(&self, name: &'static str) -> Result<Option<bool>, Problem> {
        self.read(name, "true or false", truth)
    }

    /// A whole number within a range.
    pub(crate) fn number<T: FromStr + PartialOrd>(
        &self,
        name: &'static str,
        expected: &'static str,
        range: RangeInclusive<T>,
    ) -> Result<Option<T>, Problem> {
        self.read(name, expected, |value| value.parse().ok().filter(|number| range.contains(number)))
    }

    /// One of a few words.
    pub(crate) fn word<T: FromStr>(&self, name: &'static str, expected: &'static str) -> Result<Option<T>, Problem> {
        self.read(name, expected, |value| value.parse().ok())
    }

    /// A boolean as a filter.
    pub(crate) fn flag_filter(&self, name: &'static str) -> Result<Option<bool>, Problem> {
        self.read_filled(name, "true or false", truth)
    }

    /// One of the words a status may be, as a filter.
    pub(crate) fn word_filter<T: FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, Problem> {
        self.read_filled(name, expected, |value| value.parse().ok())
    }

    /// A stretch of time out of `Name`, `Name<` and `Name>`; both ends are inclusive.
    pub(crate) fn span(&self, [on, before, after]: [&'static str; 3]) -> Result<Span, Problem> {
        let read = |name| self.read_filled(name, "YYYY-MM-DD or an ISO 8601 date and time", date::span);
        let on = read(on)?.unwrap_or_default();
        let before = read(before)?.map(|span| Span { from: None, ..span }).unwrap_or_default();
        let after = read(after)?.map(|span| Span { until: None, ..span }).unwrap_or_default();
        Ok(on.and(before).and(after))
    }

    /// A number from 0 on.
    pub(crate) fn whole(&self, name: &'static str) -> Result<Option<i64>, Problem> {
        let read = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().unwrap_or(i64::MAX));
        self.read_filled(name, "a number from 0 on", read)
    }

    /// A call's SID as a filter.
    pub(crate) fn call_sid(&self, name: &'static str) -> Result<Option<CallSid>, Problem> {
        self.filled(name).map(|value| value.parse().map_err(|_| Problem::SidMalformed { name })).transpose()
    }

    /// Audio to fetch: a URL and the parameter that says how. An empty URL stays empty: it means the default.
    pub(crate) fn audio(
        &self,
        url: &'static str,
        method: &'static str,
        default: HttpMethod,
    ) -> Result<Option<AudioUrl>, Problem> {
        let method = self.read_filled(method, "GET or POST", audio_method)?.unwrap_or(default);
        let read = |text: &str| if text.is_empty() { Some(String::new()) } else { absolute(text) };
        Ok(self.read(url, "an absolute http or https URL", read)?.map(|url| AudioUrl { url, method }))
    }

    /// These, as if they had been sent.
    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        let encode = crate::form::encode;
        let form: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        Self(Form::parse(form.join("&").as_bytes()).expect("is a form"))
    }

    /// What is said in other words than a form's, in a form's.
    pub(crate) fn spelled(said: Vec<(&'static str, String)>) -> Result<Self, Problem> {
        if said.iter().any(|(_, value)| value.contains('\0')) {
            return Err(Problem::MalformedForm { why: "a NUL character" });
        }
        Ok(Self(Form::of(said.into_iter().map(|(name, value)| (name.to_owned(), value)))))
    }

    fn read<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        self.get(name).map(|value| parse(value).ok_or(Problem::Parameter { name, expected })).transpose()
    }

    fn read_filled<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        self.filled(name).map(|value| parse(value).ok_or(Problem::Parameter { name, expected })).transpose()
    }
}

/// An absolute `http` or `https` URL; without a scheme it is one of `http` (rest-voice §3.2).
pub(crate) fn absolute(text: &str) -> Option<String> {
    let text = text.trim();
    let repaired;
    let text = if has_scheme(text) {
        text
    } else {
        repaired = format!("http://{text}");
        &repaired
    };
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    // The parser forgives `http:///path`, which names no host.
    let (_, after_scheme) = text.split_once("://")?;
    (url.has_host() && !after_scheme.starts_with(['/', '\\', '?', '#'])).then(|| url.into())
}

/// Whether it begins with `scheme://` (RFC 3986 §3.1); one further on belongs to a query.
fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

/// `GET` or `POST`.
pub(crate) fn audio_method(text: &str) -> Option<HttpMethod> {
    match text.to_ascii_uppercase().as_str() {
        "GET" => Some(HttpMethod::Get),
        "POST" => Some(HttpMethod::Post),
        _ => None,
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// A body that is no form.
pub(crate) async fn read_body(body: Body, api: &Api) -> Result<Vec<u8>, Problem> {
    read_in_time(body, api, api.config.body_bytes_max).await
}

async fn read(body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Ok(body.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::BodyTooLarge { bytes_max }),
        Err(_) => Err(Problem::MalformedForm { why: "the body ended early or is not framed as HTTP asks" }),
    }
}

/// A body is a form; it may leave that unsaid.
fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let value = String::from_utf8_lossy(value.as_bytes());
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.is_empty() || media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(());
    }
    Err(Problem::ContentType { found: media_type.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(encoded: &str) -> Parameters {
        Parameters(Form::parse(encoded.as_bytes()).expect("is a form"))
    }

    #[test]
    fn booleans_come_in_any_case_and_as_digits() {
        for (text, strict) in [
            ("true", Some(true)),
            ("TRUE", Some(true)),
            ("1", Some(true)),
            ("false", Some(false)),
            ("False", Some(false)),
            ("0", Some(false)),
            ("yes", None),
            ("", None),
            ("2", None),
        ] {
            let parameters = parameters(&format!("X={text}"));
            assert_eq!(parameters.flag("X").ok().flatten(), strict, "{text}");
            assert_eq!(parameters.is_true("X"), Some(strict == Some(true)), "{text}");
        }
        assert_eq!(parameters("").flag("X"), Ok(None));
        assert_eq!(parameters("").is_true("X"), None);
    }

    #[test]
    fn urls_are_absolute_and_a_missing_scheme_is_repaired() {
        for (text, want) in [
            ("http://app.test/hold", Some("http://app.test/hold")),
            ("HTTPS://App.Test:8443/a?b=c#d", Some("https://app.test:8443/a?b=c#d")),
            ("www.myapp.com/hold", Some("http://www.myapp.com/hold")),
            ("localhost:8080/x", Some("http://localhost:8080/x")),
            ("127.0.0.1:8080", Some("http://127.0.0.1:8080/")),
            ("www.myapp.com/h?u=http://x/", Some("http://www.myapp.com/h?u=http://x/")),
            ("localhost:8000/h?u=http://x/", Some("http://localhost:8000/h?u=http://x/")),
            ("/only/a/path?u=http://x/", None),
            ("http://[::1]:80/a", Some("http://[::1]/a")),
            ("http://user:secret@app.test/", Some("http://user:secret@app.test/")),
            ("http://app.test/a b", Some("http://app.test/a%20b")),
            ("http://", None),
            ("http:///path", None),
            ("http://?x", None),
            ("/only/a/path", None),
            ("ftp://app.test/", None),
            ("file:///etc/passwd", None),
            ("javascript:alert(1)", None),
            ("http://a b/", None),
            ("http://app.test:99999/", None),
            ("://x", None),
            ("not a url at all", None),
        ] {
            assert_eq!(absolute(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn audio_takes_its_method_from_its_own_parameter() {
        let read = |encoded| parameters(encoded).audio("HoldUrl", "HoldMethod", HttpMethod::Get);
        let audio = |url: &str, method| Ok(Some(AudioUrl { url: url.to_owned(), method }));
        assert_eq!(read("HoldMethod=POST"), Ok(None));
        assert_eq!(read("HoldUrl="), audio("", HttpMethod::Get));
        assert_eq!(read("HoldUrl=a.test"), audio("http://a.test/", HttpMethod::Get));
        assert_eq!(read("HoldUrl=a.test&HoldMethod=post"), audio("http://a.test/", HttpMethod::Post));
        assert_eq!(
            read("HoldUrl=a.test&HoldMethod=PUT"),
            Err(Problem::Parameter { name: "HoldMethod", expected: "GET or POST" })
        );
    }

    #[test]
    fn spans_meet() {
        const NAMES: [&str; 3] = ["StartTime", "StartTime<", "StartTime>"];
        let read = |encoded| parameters(encoded).span(NAMES);
        let day = |text| date::span(text).expect("is a day");
        assert_eq!(read(""), Ok(Span::default()));
        assert_eq!(read("StartTime=2026-01-02"), Ok(day("2026-01-02")));
        assert_eq!(
            read("StartTime<=2026-01-31&StartTime>=2026-01-02"),
            Ok(Span { from: day("2026-01-02").from, until: day("2026-01-31").until }),
            "both days are in"
        );
        assert!(read("StartTime>=yesterday").is_err());
        assert_eq!(read("StartTime>="), Ok(Span::default()), "no value, no filter");
    }
}
