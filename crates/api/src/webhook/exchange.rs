//! One exchange with an application: signed, tried again, redirected, authorised, within its time (twiml §12, §13).

use std::time::{Duration, Instant};

use model::{CallSid, Exchange, HttpMethod};
use switch::webhook::Remark;
use web::header::{self, HeaderMap, HeaderName, HeaderValue};
use web::target::{self, Credentials, take_credentials};
use web::{Bytes, FetchError, Method, Response, Url, Web, form_urlencoded};

use super::answer::Kind;
use super::cookies::Cookies;
use super::documents::{Documents, Stored};
use super::overrides::Overrides;
use super::{challenge, signature};

/// What is sent, and to whom.
#[derive(Debug, Clone)]
pub(crate) struct Message<'a> {
    /// As the application wrote it.
    pub(crate) url: &'a str,
    pub(crate) method: HttpMethod,
    pub(crate) body: &'a Body,
    /// Of the account: what it is signed with.
    pub(crate) auth_token: &'a str,
    /// The same whenever this message is sent.
    pub(crate) idempotency_token: String,
    /// Whose cookies go along, and grow.
    pub(crate) cookies_of: Option<CallSid>,
    /// The fragment says how to ask (twiml §13).
    pub(crate) overridable: bool,
    /// What comes back is a document; else only that something does matters.
    pub(crate) wants_document: bool,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// Parameters, form-encoded: in the body of a POST, in the query of a GET.
    Form(String),
    /// JSON; always posted.
    Json(String),
}

impl Body {
    fn text(&self) -> &str {
        let (Self::Form(text) | Self::Json(text)) = self;
        text
    }
}

/// How an exchange went.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) outcome: Result<Answer, FetchError>,
    /// Requests sent.
    pub(crate) attempts: u32,
    /// What was wrong with how it was asked for.
    pub(crate) remarks: Vec<Remark>,
    /// What developers are shown.
    pub(crate) exchange: Exchange,
}

/// A 2xx answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) kind: Kind,
    /// Where it came from in the end, as the application would write it: without our parameters, with its own user and
    /// password. Relative URLs start here.
    pub(crate) url: Url,
    /// All of a document, and of audio; nothing of audio that is larger than [`AUDIO_BYTES_MAX`].
    pub(crate) body: Bytes,
}

/// What all exchanges share.
pub(crate) struct Exchanges {
    pub(crate) web: Web,
    pub(crate) cookies: Cookies,
    pub(crate) documents: Documents,
    /// How applications are asked that do not say how.
    pub(crate) defaults: Overrides,
}

/// Where one exchange has got to.
struct Way<'a> {
    message: &'a Message<'a>,
    overrides: Overrides,
    url: Url,
    /// The query of `url` as it was before our parameters joined it.
    query: Option<String>,
    /// The port of `url` is written out although it is the usual one: the application may sign with it.
    port_written: Option<u16>,
    /// None any more once a redirect has made it a GET.
    form: Option<&'a Body>,
    credentials: Option<Credentials>,
    authorization: Option<HeaderValue>,
    redirects: usize,
    retries_left: u32,
}

/// What was seen on the way.
#[derive(Default)]
struct Trace {
    attempts: u32,
    status: Option<u16>,
    headers: String,
    content_type: String,
    body: String,
}

impl Exchanges {
    /// Sends the message and brings back what came, exactly one answer or one reason why there is none.
    pub(crate) async fn exchange(&self, message: &Message<'_>) -> Reply {
        let began = Instant::now();
        let mut trace = Trace::default();
        let (outcome, remarks, url) = match Way::begin(message, self.defaults.clone()) {
            Ok((way, remarks)) => {
                let (shown, total) = (way.asked(), way.overrides.total);
                let outcome = tokio::time::timeout(total, self.follow(way, &mut trace)).await;
                (outcome.unwrap_or(Err(FetchError::TimedOut(total))), remarks, shown)
            }
            Err(error) => (Err(error), Vec::new(), web::without_secrets(message.url)),
        };
        let Trace { attempts, status, headers, content_type, body } = trace;
        let exchange = Exchange {
            method: message.method,
            url,
            parameters: kept(message.body.text()),
            status,
            headers,
            content_type,
            body,
            duration: began.elapsed(),
        };
        Reply { outcome, attempts, remarks, exchange }
    }

    /// From request to request, until one has an answer that is the last.
    async fn follow(&self, mut way: Way<'_>, trace: &mut Trace) -> Result<Answer, FetchError> {
        loop {
            let known = self.documents.get(&way.url).filter(|_| way.form.is_none() && way.message.wants_document);
            let error = match self.request(&way, known.as_ref(), trace).await {
                Ok(response) => {
                    let status = response.status().as_u16();
                    match status {
                        304 if let Some(Stored { content_type, body, .. }) = known => {
                            trace.body = kept(&String::from_utf8_lossy(&body));
                            return Ok(Answer { kind: Kind::of(content_type.as_deref()), url: way.base(), body });
                        }
                        200..=299 => {
                            let read = self.read(response, &way, trace);
                            match tokio::time::timeout(way.overrides.read, read).await {
                                Ok(outcome) => return outcome,
                                Err(_) => FetchError::TimedOut(way.overrides.read),
                            }
                        }
                        301..=303 | 307 | 308 => {
                            way.redirect(&response)?;
                            continue;
                        }
                        401 if way.authorize(&response) => continue,
                        status => {
                            trace.note_error_body(response).await;
                            FetchError::Status(status)
                        }
                    }
                }
                Err(error) => error,
            };
            if !way.tries_again_after(&error) {
                return Err(error);
            }
        }
    }

    /// One request, as far as the head of its answer.
    async fn request(&self, way: &Way<'_>, known: Option<&Stored>, trace: &mut Trace) -> Result<Response, FetchError> {
        let (method, body) = match way.form {
            Some(body) => (Method::POST, Some(Bytes::copy_from_slice(body.text().as_bytes()))),
            None => (Method::GET, None),
        };
        let mut headers = way.headers();
        let cookie = way.message.cookies_of.and_then(|call| self.cookies.header(call, &way.url));
        headers.extend(cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()).map(|c| (header::COOKIE, c)));
        known.iter().for_each(|stored| stored.condition(&mut headers));
        trace.attempts += 1;
        let answer = self.web.send(way.overrides.connecting, method, &way.url, headers, body);
        let answer = tokio::time::timeout(way.overrides.read, answer).await;
        let response = answer.unwrap_or(Err(FetchError::TimedOut(way.overrides.read)))?;
        trace.note(&response);
        if let Some(call) = way.message.cookies_of {
            let set = response.headers().get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
            self.cookies.keep(call, &way.url, set);
        }
        Ok(response)
    }

    /// Collects the body of a document, giving up as soon as it is too large.
    async fn read(&self, mut response: Response, way: &Way<'_>, trace: &mut Trace) -> Result<Answer, FetchError> {
        let url = way.base();
        if !way.message.wants_document {
            trace.note_error_body(response).await;
            return Ok(Answer { kind: Kind::Document, url, body: Bytes::new() });
        }
        let content_type = content_type(&response);
        let kind = Kind::of(content_type.as_deref());
        let bytes_max = if kind == Kind::Audio { AUDIO_BYTES_MAX } else { DOCUMENT_BYTES_MAX };
        // Audio may be larger, and is then fetched as any that is played.
        let too_large = || match kind {
            Kind::Audio => Ok(Answer { kind, url: url.clone(), body: Bytes::new() }),
            _ => Err(FetchError::TooLarge { bytes_max }),
        };
        if response.content_length().is_some_and(|len| len > bytes_max as u64) {
            return too_large();
        }
        let mut body = Vec::new();
        while let Some(piece) = Web::piece(&mut response).await? {
            if body.len() + piece.len() > bytes_max {
                return too_large();
            }
            body.extend_from_slice(&piece);
        }
        if kind == Kind::Audio {
            return Ok(Answer { kind, url, body: body.into() });
        }
        trace.body = kept(&String::from_utf8_lossy(&body));
        let body = Bytes::from(body);
        if way.form.is_none() {
            self.documents.keep(&way.url, response.headers(), content_type, &body);
        }
        Ok(Answer { kind, url, body })
    }
}

impl<'a> Way<'a> {
    fn begin(message: &'a Message<'a>, defaults: Overrides) -> Result<(Self, Vec<Remark>), FetchError> {
        let mut url = target::parse(message.url)?;
        let (overrides, remarks) = match url.fragment() {
            Some(fragment) if message.overridable => defaults.parse(fragment),
            _ => (defaults, Vec::new()),
        };
        let credentials = take_credentials(&mut url);
        let port_written = written_port(message.url);
        let query = url.query().map(str::to_owned);
        let form = match (message.method, message.body) {
            (HttpMethod::Post, body @ Body::Form(_)) => Some(body),
            (HttpMethod::Get, Body::Form(form)) => {
                append(&mut url, form);
                None
            }
            (_, body @ Body::Json(json)) => {
                append(&mut url, &format!("{}={}", signature::BODY_HASH, signature::body_hash(json.as_bytes())));
                Some(body)
            }
        };
        let retries_left = overrides.retries;
        let authorization = None; // the first request goes without (twiml §13)
        let way = Self {
            query,
            message,
            overrides,
            url,
            port_written,
            form,
            credentials,
            authorization,
            redirects: 0,
            retries_left,
        };
        Ok((way, remarks))
    }

    /// The URL as it may be shown: without our parameters and without secrets.
    fn asked(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(self.query.as_deref());
        kept(url.as_str())
    }

    /// The URL as the application would write it.
    fn base(&self) -> Url {
        let mut url = self.url.clone();
        url.set_query(self.query.as_deref());
        if let Some(Credentials { user, password }) = &self.credentials {
            // Only a URL without a host can have none.
            let _ = url.set_username(user);
            let _ = url.set_password(Some(password).filter(|password| !password.is_empty()).map(String::as_str));
        }
        url
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: &str| {
            headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
        };
        let url = self.signed_url();
        let token = self.message.auth_token;
        let signature = match self.form {
            Some(Body::Form(form)) => {
                put(header::CONTENT_TYPE, FORM_TYPE);
                let pairs: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
                signature::of_form(token, &url, pairs.iter().map(|(name, value)| (&**name, &**value)))
            }
            Some(Body::Json(_)) => {
                put(header::CONTENT_TYPE, JSON_TYPE);
                signature::of_url(token, &url)
            }
            None => {
                put(header::CONTENT_LENGTH, "0"); // always (twiml §10); of a body the client writes it
                signature::of_url(token, &url)
            }
        };
        put(SIGNATURE, &signature);
        put(IDEMPOTENCY_TOKEN, &self.message.idempotency_token);
        headers.extend(self.authorization.clone().map(|value| (header::AUTHORIZATION, value)));
        headers
    }

    /// As requested, but with a port where the application has written one.
    fn signed_url(&self) -> String {
        match self.port_written {
            Some(port) if self.url.port().is_none() => {
                let (before, after) = (&self.url[..url::Position::AfterHost], &self.url[url::Position::AfterHost..]);
                format!("{before}:{port}{after}")
            }
            _ => self.url.as_str().to_owned(),
        }
    }

    fn redirect(&mut self, response: &Response) -> Result<(), FetchError> {
        if self.redirects == REDIRECTS_MAX {
            return Err(FetchError::TooManyRedirects(self.redirects));
        }
        self.redirects += 1;
        let mut next = target::location(response, &self.url)?;
        let given = take_credentials(&mut next);
        if given.is_some() || next.origin() != self.url.origin() {
            (self.credentials, self.authorization) = (given, None);
        }
        if response.status().as_u16() < 307 {
            self.form = None; // POST becomes GET
        }
        self.query = next.query().map(str::to_owned);
        (self.url, self.port_written) = (next, None);
        Ok(())
    }

    /// Answers a 401, once, if there is something to answer it with.
    fn authorize(&mut self, response: &Response) -> bool {
        if self.authorization.is_some() {
            return false;
        }
        let method = if self.form.is_some() { Method::POST } else { Method::GET };
        let cnonce = self.message.idempotency_token.replace('-', "");
        self.authorization = self
            .credentials
            .as_ref()
            .and_then(|credentials| challenge::answer(response.headers(), credentials, &method, &self.url, &cnonce));
        self.authorization.is_some()
    }

    fn tries_again_after(&mut self, error: &FetchError) -> bool {
        let on = self.overrides.retry_on;
        let again = match error {
            FetchError::Connect(_) => on.connection,
            FetchError::TimedOut(_) => on.read,
            FetchError::Status(status) => on.status(*status),
            _ => false,
        };
        let again = again && self.retries_left > 0;
        self.retries_left -= u32::from(again);
        again
    }
}

impl Trace {
    fn note(&mut self, response: &Response) {
        let pairs = response.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        self.headers = kept(&form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish());
        self.status = Some(response.status().as_u16());
        self.content_type = kept(&content_type(response).unwrap_or_default());
        self.body.clear();
    }

    /// As much as is shown of a body nobody needs, if it comes soon. Read to its end a connection can be used again.
    async fn note_error_body(&mut self, mut response: Response) {
        let mut body = Vec::new();
        let read = async {
            while let Ok(Some(piece)) = Web::piece(&mut response).await {
                body.extend_from_slice(&piece);
                if body.len() > DOCUMENT_BYTES_MAX {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(UNNEEDED_BODY, read).await;
        self.body = kept(&String::from_utf8_lossy(&body));
    }
}

fn content_type(response: &Response) -> Option<String> {
    response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Adds form-encoded pairs to a query.
fn append(url: &mut Url, form: &str) {
    if form.is_empty() {
        return;
    }
    let query = match url.query().filter(|query| !query.is_empty()) {
        Some(query) => format!("{query}&{form}"),
        None => form.to_owned(),
    };
    url.set_query(Some(&query));
}

/// The port of a URL as it is written, where the URL library would leave it out as the usual one.
fn written_port(url: &str) -> Option<u16> {
    let (scheme, rest) = url.trim().split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?;
    let (_, port) = authority.rsplit_once(':')?;
    match (scheme.to_ascii_lowercase().as_str(), port) {
        ("http", "80") => Some(80),
        ("https", "443") => Some(443),
        _ => None,
    }
}

/// As much of a text as is kept to be shown, and nothing that the store would refuse.
pub(crate) fn kept(text: &str) -> String {
    let end = text.floor_char_boundary(KEPT_BYTES_MAX);
    text[..end].replace('\0', "\u{fffd}")
}

const FORM_TYPE: &str = "application/x-www-form-urlencoded; charset=UTF-8";
const JSON_TYPE: &str = "application/json";
const SIGNATURE: HeaderName = HeaderName::from_static("x-twilio-signature");
const IDEMPOTENCY_TOKEN: HeaderName = HeaderName::from_static("i-twilio-idempotency-token");

/// Largest document (twiml §1).
pub(crate) const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// Largest audio that is taken in place of a document: two minutes as telephones send it. As many of them as may be asked
/// for at once are as much as may be fetched at once.
pub(crate) const AUDIO_BYTES_MAX: usize = 1 << 20;
const REDIRECTS_MAX: usize = 10;
/// Of each text that developers are shown.
const KEPT_BYTES_MAX: usize = 4 * 1024;
/// How long is waited for a body that says nothing to us.
const UNNEEDED_BODY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_signed_where_it_was_written() {
        let body = Body::Form("a=1".to_owned());
        for (url, want) in [
            ("https://app.test/x", "https://app.test/x"),
            ("https://app.test:443/x#rc=0", "https://app.test:443/x"),
            ("http://u:p@app.test:80", "http://app.test:80/"),
            ("http://app.test:443/x", "http://app.test:443/x"),
            ("https://app.test/x:443", "https://app.test/x:443"),
            ("http://[::1]:80/x?y", "http://[::1]:80/x?y"),
            ("http://[::1]/x", "http://[::1]/x"),
            ("https://App.Test/x?tenant=7&x=a%20b", "https://app.test/x?tenant=7&x=a%20b"),
        ] {
            let message = Message {
                url,
                method: HttpMethod::Post,
                body: &body,
                auth_token: "t",
                idempotency_token: String::new(),
                cookies_of: None,
                overridable: true,
                wants_document: true,
            };
            let (way, _) = Way::begin(&message, Overrides::default()).expect(url);
            assert_eq!(way.signed_url(), want);
        }
    }

    #[test]
    fn parameters_join_a_query_that_is_there() {
        for (url, want) in [
            ("http://a.test/", "http://a.test/?b=1"),
            ("http://a.test/?", "http://a.test/?b=1"),
            ("http://a.test/?x=a%20b", "http://a.test/?x=a%20b&b=1"),
        ] {
            let mut parsed: Url = url.parse().expect(url);
            append(&mut parsed, "b=1");
            assert_eq!(parsed.as_str(), want);
        }
    }

    #[test]
    fn what_is_kept_is_short_and_has_no_nul() {
        assert_eq!(kept("a\0b"), "a\u{fffd}b");
        assert_eq!(kept(&"ä".repeat(10_000)).len(), KEPT_BYTES_MAX);
        assert_eq!(kept(&format!("x{}", "ä".repeat(10_000))).len(), KEPT_BYTES_MAX - 1);
    }
}
