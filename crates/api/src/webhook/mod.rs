//! Webhooks: what applications are asked and told, over HTTP.
//!
//! ```text
//! Ask ──▶ parameters ─▶ turn ─▶ exchange (signed, retried, redirected) ─▶ Event::Asked; Assignment likewise
//! Callback ──▶ parameters ─▶ outbox row, committed ─▶ lane ─▶ exchange ─▶ Event::CallbackClosed
//! ```
//! Start reading at [`Webhooks::ask`]; one exchange is `exchange.rs`, what it says `parameters.rs`.

mod answer;
mod assignment;
mod challenge;
mod cookies;
mod documents;
mod exchange;
mod lanes;
mod outbox;
mod overrides;
mod parameters;
mod signature;
mod told;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{AccountSid, CallEvent, CallSid, Exchange, HttpMethod, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use store::{Row, Store, Writer};
use switch::Event;
use switch::webhook::{Answered, Ask, AskFailed, Purpose, Remark, SoundFile};
use web::{Connecting, FetchError, TurnBounds, Turns, Web, form_urlencoded, target};

use crate::metrics::{Metric, Reading};
use answer::Kind;
use cookies::Cookies;
use documents::Documents;
use exchange::{Body, Exchanges, Message, Reply};
use overrides::Overrides;
use parameters::Pairs;
use told::{TOLD_PATIENCE, Told};

pub(crate) use exchange::kept;
pub use outbox::{Outbox, OutboxConfig, row};

/// Bounds of what is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Requests for documents under way; the next waits.
    pub asks_max: usize,
    /// The same with one host and port, so that one that hangs leaves room for others.
    pub asks_per_host_max: usize,
    /// Requests for documents that wait; one more fails at once with 11200.
    pub asks_waiting_max: usize,
    /// How long one waits before it fails.
    pub waiting_timeout: Duration,
    /// For a whole exchange, callbacks' too, unless its URL says otherwise.
    pub timeout: Duration,
    /// To connect, likewise.
    pub connect_timeout: Duration,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            asks_max: 512,
            asks_per_host_max: 256,
            asks_waiting_max: 8_192,
            waiting_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(5),
        }
    }
}

/// Asks and tells applications. A clone is the same.
#[derive(Clone)]
pub struct Webhooks {
    shared: Arc<Shared>,
}

struct Shared {
    exchanges: Exchanges,
    turns: Turns,
    store: Store,
    writer: Arc<Writer>,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    tokens: Mutex<StdRng>,
    told: Told,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    asks: AtomicU64,
    asks_failed: AtomicU64,
    asks_refused: AtomicU64,
    ask_micros: AtomicU64,
    attempts: AtomicU64,
    events_lost: AtomicU64,
}

impl Webhooks {
    /// Asks over `web`. `store` knows the tokens of accounts, `writer` keeps what was asked, `clock` tells the time of
    /// day, `seed` makes names for requests.
    pub fn new(
        config: WebhookConfig,
        web: Web,
        store: Store,
        writer: Arc<Writer>,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
        seed: u64,
    ) -> Self {
        let turns = Turns::new(TurnBounds {
            concurrent_max: config.asks_max,
            concurrent_per_host_max: config.asks_per_host_max,
            waiting_max: config.asks_waiting_max,
            waiting_per_host_max: config.asks_waiting_max,
            waiting_timeout: config.waiting_timeout,
        });
        let defaults = Overrides {
            connecting: Connecting { timeout: config.connect_timeout, ..Connecting::default() },
            read: config.timeout,
            total: config.timeout,
            ..Overrides::default()
        };
        let exchanges = Exchanges { web, cookies: Cookies::default(), documents: Documents::default(), defaults };
        let tokens = Mutex::new(StdRng::seed_from_u64(seed));
        let (clock, told, counts) = (Box::new(clock), Told::default(), Counts::default());
        Self { shared: Arc::new(Shared { exchanges, turns, store, writer, clock, tokens, told, counts }) }
    }

    /// Asks an application for a document: [`Event::Asked`], whatever happens.
    pub async fn ask(&self, ask: Ask) -> Event {
        let Shared { exchanges, counts, told, .. } = &*self.shared;
        if let Some(callback) = ask.after {
            told.wait(callback, TOLD_PATIENCE).await;
        }
        let body = Body::Form(encode(&parameters::of_ask(&ask)));
        let (account, call, at) = (ask.account, ask.call.call.sid, self.now());
        counts.asks.fetch_add(1, Relaxed);
        let reply = match self.turn_and_token(&ask.url, ask.account).await {
            Ok((_turn, auth_token)) => {
                let message = Message {
                    url: &ask.url,
                    method: ask.method,
                    body: &body,
                    auth_token: &auth_token,
                    idempotency_token: uuid(self.random()),
                    cookies_of: Some(call),
                    overridable: !matches!(ask.purpose, Purpose::Conversation(_)),
                    wants_document: true,
                };
                exchanges.exchange(&message).await
            }
            Err(error) => Reply::unsent(error, &ask.url, ask.method, &body),
        };
        let Reply { outcome, attempts, mut remarks, exchange } = reply;
        counts.attempts.fetch_add(attempts.into(), Relaxed);
        counts.ask_micros.fetch_add(u64::try_from(exchange.duration.as_micros()).unwrap_or(u64::MAX), Relaxed);
        self.log(account, call, at, &exchange);
        let outcome = outcome.map_err(|error| (code(&error), error.to_string())).and_then(|answer| {
            let url = String::from(answer.url);
            match answer.kind {
                Kind::Audio => {
                    let content_type = exchange.content_type.split(';').next().unwrap_or_default();
                    let content_type = content_type.trim().to_ascii_lowercase();
                    let file = SoundFile { bytes: answer.body, content_type };
                    Ok(Answered::Audio { url, file: Some(file).filter(|file| !file.bytes.is_empty()) })
                }
                _ if answer.body.is_empty() => {
                    remarks.push(Remark { code: 11_770, message: "the answer is empty".to_owned() });
                    Ok(Answered::Empty { url })
                }
                Kind::Document => Ok(Answered::Document { bytes: answer.body, url }),
                Kind::Text => Ok(Answered::Text { text: String::from_utf8_lossy(&answer.body).into_owned(), url }),
                Kind::NotAccepted => {
                    Err((12_300, format!("content of type {} is not accepted", exchange.content_type)))
                }
            }
        });
        let outcome = outcome.map_err(|(code, message)| {
            counts.asks_failed.fetch_add(1, Relaxed);
            AskFailed { code, message, url: exchange.url.clone(), status: exchange.status }
        });
        Event::Asked { ask: ask.ask, outcome, remarks, exchange: Arc::new(exchange) }
    }

    /// What is asked, for `/metrics`.
    pub fn metrics(&self) -> Vec<Metric> {
        let Shared { counts, turns, .. } = &*self.shared;
        let read = |count: &AtomicU64| count.load(Relaxed) as f64; // exact up to 2^53
        let metric = |name, help, reading| Metric { name, help, labels: Vec::new(), reading };
        vec![
            metric("partyline_asks_total", "Documents asked for.", Reading::Counter(read(&counts.asks))),
            metric(
                "partyline_asks_failed_total",
                "Documents that did not come.",
                Reading::Counter(read(&counts.asks_failed)),
            ),
            metric(
                "partyline_asks_refused_total",
                "Documents not even asked for, because too many were being asked for.",
                Reading::Counter(read(&counts.asks_refused)),
            ),
            metric(
                "partyline_ask_seconds_total",
                "Time applications took, all requests for documents together.",
                Reading::Counter(read(&counts.ask_micros) / 1e6),
            ),
            metric(
                "partyline_webhook_requests_total",
                "Requests sent to applications.",
                Reading::Counter(read(&counts.attempts)),
            ),
            metric(
                "partyline_asks",
                "Documents being asked for, or waiting to be.",
                Reading::Gauge(turns.taken() as f64),
            ),
        ]
    }

    /// A turn with the host of a URL, and what its request is signed with.
    async fn turn_and_token(&self, url: &str, account: AccountSid) -> Result<(web::Turn, String), FetchError> {
        let turn = self.shared.turns.take(&target::parse(url)?).await.inspect_err(|_| {
            self.shared.counts.asks_refused.fetch_add(1, Relaxed);
        })?;
        Ok((turn, self.auth_token(account).await?))
    }

    /// The token of an account, which changes only over the API: what is stored is what is.
    async fn auth_token(&self, account: AccountSid) -> Result<String, FetchError> {
        match self.shared.store.account(account).await {
            Ok(Some(account)) => Ok(account.auth_token),
            Ok(None) => Err(FetchError::Unsigned(format!("{account} does not exist"))),
            Err(error) => {
                tracing::error!(%error, "the store failed");
                Err(FetchError::Unsigned("the store failed".to_owned()))
            }
        }
    }

    /// Keeps one exchange among the events of its call.
    fn log(&self, account: AccountSid, call: CallSid, at: Timestamp, exchange: &Exchange) {
        let event = CallEvent {
            account_sid: account,
            call_sid: call,
            method: exchange.method.to_string(),
            url: exchange.url.clone(),
            parameters: exchange.parameters.clone(),
            status: exchange.status,
            content_type: exchange.content_type.clone(),
            body: exchange.body.clone(),
            at,
            duration: exchange.duration,
        };
        if self.shared.writer.submit(vec![Row::CallEvent(event)], drop).is_err() {
            self.shared.counts.events_lost.fetch_add(1, Relaxed);
        }
    }

    fn now(&self) -> Timestamp {
        (self.shared.clock)()
    }

    fn random(&self) -> u128 {
        self.shared.tokens.lock().unwrap_or_else(PoisonError::into_inner).random()
    }
}

impl Reply {
    /// Nothing was sent.
    fn unsent(error: FetchError, url: &str, method: HttpMethod, body: &Body) -> Self {
        let (Body::Form(parameters) | Body::Json(parameters)) = body;
        let exchange = Exchange {
            method,
            url: web::without_secrets(url),
            parameters: exchange::kept(parameters),
            status: None,
            headers: String::new(),
            content_type: String::new(),
            body: String::new(),
            duration: Duration::ZERO,
        };
        Self { outcome: Err(error), attempts: 0, remarks: Vec::new(), exchange }
    }
}

fn encode(pairs: &Pairs) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs.iter()).finish()
}

fn code(error: &FetchError) -> u16 {
    u16::try_from(error.code()).expect("all of them are within 16 bits")
}

/// Random bits as a UUID of version 4 (RFC 9562 §5.4).
fn uuid(bits: u128) -> String {
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
