//! The fetcher: what is played, from where it is.
//!
//! One exchange is: its turn ─▶ guard ─▶ connect ─▶ request ─▶ redirects, each guarded anew ─▶ body.
//! Everything about it is bounded: how many at once and waiting, of one host and of all, the time spent
//! waiting, the time of the exchange, the time to connect, the number of redirects, the size of the body.
//! No cookies. Which addresses may be opened is the business of `web`, which guards each connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use model::HttpMethod;
use tokio::sync::Semaphore;
use web::header::{self, HeaderMap, HeaderValue};
use web::target::{self, Credentials, take_credentials};
use web::{AllowRule, Connecting, FetchError, Response, TurnBounds, Turns, Url, Web, WebConfig, form_urlencoded};

/// Opens URLs, within the bounds of its [`FetchConfig`]. A clone is the same fetcher.
#[derive(Clone)]
pub struct Fetcher {
    shared: Arc<Shared>,
}

struct Shared {
    web: Web,
    config: FetchConfig,
    turns: Turns,
    /// Bytes that bodies under way may still take.
    bodies: Semaphore,
}

impl Fetcher {
    /// A fetcher that trusts the machine's certificate authorities and those of `config`.
    ///
    /// # Errors
    /// A sentence, when a trusted certificate of `config` cannot be used.
    pub fn new(config: FetchConfig) -> Result<Self, String> {
        let web = WebConfig { allow: config.allow.clone(), trusted: config.trusted.clone() };
        Ok(Self::over(Web::new(&web)?, config))
    }

    /// A fetcher that shares its way out with others; `allow` and `trusted` of `config` are that way's business.
    pub fn over(web: Web, config: FetchConfig) -> Self {
        let turns = Turns::new(TurnBounds {
            concurrent_max: config.concurrent_max,
            concurrent_per_host_max: config.concurrent_per_host_max,
            waiting_max: config.waiting_max,
            waiting_per_host_max: config.waiting_per_host_max,
            waiting_timeout: config.waiting_timeout,
        });
        let bodies = Semaphore::new(config.bytes_under_way_max);
        Self { shared: Arc::new(Shared { web, config, turns, bodies }) }
    }

    /// Sends `request` and collects the answer's body; an answer that is not 2xx is an error.
    ///
    /// # Errors
    /// [`FetchError`]; its [`code`](FetchError::code) is the one to log.
    pub async fn fetch(&self, request: Request) -> Result<Fetched, FetchError> {
        let shared = &*self.shared;
        let url = target::parse(&request.url)?;
        let _turn = shared.turns.take(&url).await?;
        match tokio::time::timeout(shared.config.timeout, shared.exchange(url, request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchError::TimedOut(shared.config.timeout)),
        }
    }
}

impl Shared {
    async fn exchange(&self, mut url: Url, request: Request) -> Result<Fetched, FetchError> {
        let mut form = None;
        match request.method {
            HttpMethod::Post => form = Some(encode_form(&request.parameters)),
            HttpMethod::Get if request.parameters.is_empty() => {}
            HttpMethod::Get => drop(url.query_pairs_mut().extend_pairs(&request.parameters)),
        }
        let bytes_max = request.bytes_max.unwrap_or(self.config.bytes_max);
        let mut credentials = take_credentials(&mut url);
        let mut authorize = false; // the first request goes without them (twiml §13)
        let mut redirects = 0;
        loop {
            let authorization = credentials.as_ref().filter(|_| authorize);
            let response = self.send(&url, form.as_deref(), authorization, &request.unless).await?;
            match response.status().as_u16() {
                304 if !request.unless.is_empty() => return read(response, url, 0, &self.bodies).await,
                200..=299 => return read(response, url, bytes_max, &self.bodies).await,
                status @ (301..=303 | 307 | 308) => {
                    if redirects == self.config.redirects_max {
                        return Err(FetchError::TooManyRedirects(redirects));
                    }
                    redirects += 1;
                    let mut next = target::location(&response, &url)?;
                    let given = take_credentials(&mut next);
                    if given.is_some() || next.origin() != url.origin() {
                        (credentials, authorize) = (given, false);
                    }
                    if status < 307 {
                        form = None; // POST becomes GET
                    }
                    url = next;
                }
                401 if credentials.is_some() && !authorize && asks_for_basic(&response) => authorize = true,
                status => return Err(FetchError::Status(status)),
            }
        }
    }

    /// One request to one address, sent again once when the connection failed.
    async fn send(
        &self,
        url: &Url,
        form: Option<&str>,
        authorization: Option<&Credentials>,
        unless: &HeaderMap,
    ) -> Result<Response, FetchError> {
        let mut attempts = 0;
        loop {
            let (mut headers, mut method, mut body) = (unless.clone(), web::Method::GET, None);
            if let Some(form) = form {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FORM_TYPE));
                (method, body) = (web::Method::POST, Some(Bytes::copy_from_slice(form.as_bytes())));
            }
            headers.extend(authorization.map(|credentials| (header::AUTHORIZATION, credentials.basic())));
            let connecting = Connecting { timeout: self.config.connect_timeout, ..Connecting::default() };
            attempts += 1;
            match self.web.send(connecting, method, url, headers, body).await {
                Err(FetchError::Connect(_)) if attempts < ATTEMPTS_MAX => {}
                outcome => return outcome,
            }
        }
    }
}

/// Collects the body, giving up as soon as it is too large, or all bodies under way are together.
async fn read(mut response: Response, url: Url, bytes_max: usize, bodies: &Semaphore) -> Result<Fetched, FetchError> {
    let too_large = || FetchError::TooLarge { bytes_max };
    if response.content_length().is_some_and(|len| usize::try_from(len).map_or(true, |len| len > bytes_max)) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    let mut taken = bodies.try_acquire_many(0).map_err(|_| FetchError::Busy)?;
    while let Some(piece) = Web::piece(&mut response).await? {
        if body.len() + piece.len() > bytes_max {
            return Err(too_large());
        }
        let len = u32::try_from(piece.len()).map_err(|_| too_large())?;
        taken.merge(bodies.try_acquire_many(len).map_err(|_| FetchError::Busy)?);
        body.extend_from_slice(&piece);
    }
    let caching = Caching::of(response.headers());
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|v| v.to_str().ok()).and_then(|v| v.split(';').next());
    Ok(Fetched {
        status: response.status().as_u16(),
        content_type: content_type.map(|t| t.trim().to_ascii_lowercase()),
        url: url.into(),
        body: body.freeze(),
        caching,
    })
}

/// How long an answer may be used again, and by what it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Caching {
    /// Not forbidden.
    pub(crate) may_keep: bool,
    /// From now on.
    pub(crate) fresh_for: Duration,
    pub(crate) etag: Option<HeaderValue>,
    pub(crate) last_modified: Option<HeaderValue>,
}

impl Caching {
    fn of(headers: &HeaderMap) -> Self {
        let seconds = |text: &str| text.trim().trim_matches('"').parse().ok().map(Duration::from_secs);
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let control = text(header::CACHE_CONTROL).unwrap_or_default().to_ascii_lowercase();
        let says = |word| control.split(',').any(|directive| directive.trim() == word);
        let max_age = control.split(',').find_map(|directive| seconds(directive.trim().strip_prefix("max-age=")?));
        let age = text(header::AGE).and_then(seconds).unwrap_or_default();
        let is_fresh = !says("no-cache");
        Self {
            may_keep: !says("no-store"),
            fresh_for: max_age.filter(|_| is_fresh).unwrap_or_default().saturating_sub(age),
            etag: headers.get(header::ETAG).cloned(),
            last_modified: headers.get(header::LAST_MODIFIED).cloned(),
        }
    }
}

/// What to fetch.
#[derive(Debug, Clone)]
pub struct Request {
    method: HttpMethod,
    url: String,
    parameters: Vec<(String, String)>,
    bytes_max: Option<usize>,
    /// What is known already.
    unless: HeaderMap,
}

impl Request {
    /// A request without parameters. A URL without a scheme is taken as `http://`.
    pub fn new(method: HttpMethod, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), parameters: Vec::new(), bytes_max: None, unless: HeaderMap::new() }
    }

    /// Adds parameters: to the body of a POST, to the query of a GET.
    #[must_use]
    pub fn parameters(mut self, parameters: impl IntoIterator<Item = (String, String)>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// Only if it has changed since: otherwise 304, without a body.
    #[must_use]
    pub(crate) fn unless_unchanged(mut self, known: &Fetched) -> Self {
        let Caching { etag, last_modified, .. } = &known.caching;
        self.unless.extend(etag.clone().map(|etag| (header::IF_NONE_MATCH, etag)));
        self.unless.extend(last_modified.clone().map(|date| (header::IF_MODIFIED_SINCE, date)));
        self
    }

    /// A smaller (or larger) limit of the body than the configured one.
    #[must_use]
    pub fn bytes_max(mut self, bytes_max: usize) -> Self {
        self.bytes_max = Some(bytes_max);
        self
    }
}

/// A 2xx answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// 200 to 299.
    pub status: u16,
    /// `Content-Type` without its parameters, in lower case.
    pub content_type: Option<String>,
    /// Where it came from in the end; relative URLs in a document start here.
    pub url: String,
    /// All of it; may be empty.
    pub body: Bytes,
    /// What its server says about using it again.
    pub(crate) caching: Caching,
}

impl Fetched {
    /// The body, where an empty one is a failure.
    ///
    /// # Errors
    /// [`FetchError::Empty`].
    pub fn required_body(self) -> Result<Bytes, FetchError> {
        if self.body.is_empty() { Err(FetchError::Empty) } else { Ok(self.body) }
    }
}

/// Bounds of the fetcher.
#[derive(Debug, Clone)]
pub struct FetchConfig {
    /// What may be fetched beyond public addresses; nothing by default.
    pub allow: Vec<AllowRule>,
    /// Largest body, unless the request says otherwise; 32 MiB.
    pub bytes_max: usize,
    /// Of all bodies under way together; one more byte is [`FetchError::Busy`]; 512 MiB.
    pub bytes_under_way_max: usize,
    /// For a whole exchange, from its turn to the last byte of the body; 15 s.
    pub timeout: Duration,
    /// To wait for its turn; 15 s.
    pub waiting_timeout: Duration,
    /// To look up the name, connect and shake hands; 5 s.
    pub connect_timeout: Duration,
    /// 10.
    pub redirects_max: usize,
    /// Exchanges under way; 256.
    pub concurrent_max: usize,
    /// Exchanges under way with one host and port; 16.
    pub concurrent_per_host_max: usize,
    /// Exchanges waiting for their turn; 1,024.
    pub waiting_max: usize,
    /// Exchanges waiting for one host and port; 512.
    pub waiting_per_host_max: usize,
    /// Certificate authorities (DER) trusted beside the machine's.
    pub trusted: Vec<Vec<u8>>,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            bytes_max: 32 << 20,
            bytes_under_way_max: 512 << 20,
            timeout: Duration::from_secs(15),
            waiting_timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(5),
            redirects_max: 10,
            concurrent_max: 256,
            concurrent_per_host_max: 16,
            waiting_max: 1_024,
            waiting_per_host_max: 512,
            trusted: Vec::new(),
        }
    }
}

fn asks_for_basic(response: &Response) -> bool {
    let challenges = response.headers().get_all(header::WWW_AUTHENTICATE);
    challenges.iter().any(|c| c.as_bytes().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic")))
}

fn encode_form(parameters: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

const FORM_TYPE: &str = "application/x-www-form-urlencoded; charset=UTF-8";

/// One retry when the connection failed, none for anything else (twiml §13).
const ATTEMPTS_MAX: u32 = 2;

// In a file of their own: they bring a whole badly behaved web server.
#[cfg(test)]
mod tests;
