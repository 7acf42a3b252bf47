//! What every request may use: the store, the switch, the clock.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model::{AccountSid, ApiKeySid, CallEvent, RequestSid, Timestamp};
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};
use store::{Row, Store, Writer};
use switch::{Answer, Command};
use tokio::sync::{Mutex as TurnTaking, MutexGuard as Turn, Semaphore, SemaphorePermit};

use crate::event_bridge::Presence;
use crate::feed::Feeds;
use crate::metrics::{Metric, Requests};
use crate::problem::Problem;
use crate::rate::Rates;
use crate::switchboard::{AnySwitchboard, Switchboard};

/// Bounds of the HTTP side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Longest request body, in bytes; a longer one is answered with 413.
    pub body_bytes_max: usize,
    /// Requests worked on at once; one more is answered with 429.
    pub requests_max: usize,
    /// Requests that one account may make in a second; one more is answered with 429. `None`: as many as it likes.
    pub requests_per_s: Option<NonZeroU32>,
    /// Connections open at once; one more waits to be accepted.
    pub connections_max: usize,
    /// How long a client may take for the handshake of TLS.
    pub handshake_timeout: Duration,
    /// How long a client may take to send the head of a request, and as long again for its body.
    pub request_timeout: Duration,
    /// How long the switch may take to answer; then the request is answered with 503.
    pub switch_timeout: Duration,
    /// How clients reach us, `https://HOST[:PORT]`; `None`: as their requests say.
    pub public_url: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            body_bytes_max: 64 * 1024,
            requests_max: 256,
            requests_per_s: None,
            connections_max: 1024,
            handshake_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            switch_timeout: Duration::from_secs(10),
            public_url: None,
        }
    }
}

/// The application programming interface: what requests share.
pub struct Api {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) requests: Requests,
    pub(crate) feeds: Arc<Feeds>,
    /// Whose screens are open.
    pub(crate) presence: Arc<Presence>,
    /// Keeps what was asked in calls.
    writer: Option<Arc<Writer>>,
    switchboard: Box<dyn AnySwitchboard>,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    metrics: Box<dyn Fn() -> Vec<Metric> + Send + Sync>,
    ready: Box<dyn Fn() -> bool + Send + Sync>,
    request_sids: Mutex<StdRng>,
    /// Of the operating system: who could guess it would know every token.
    secrets: Mutex<StdRng>,
    account_changes: TurnTaking<()>,
    admission: Semaphore,
    rates: Option<Rates>,
    evaluations: Rates,
}

impl Api {
    /// An API over that store and switch. `clock` tells the time of day, `seed` makes request SIDs.
    pub fn new(
        config: Config,
        store: Store,
        switchboard: impl Switchboard,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
        seed: u64,
    ) -> Self {
        Self {
            admission: Semaphore::new(config.requests_max),
            rates: config.requests_per_s.map(Rates::new),
            evaluations: Rates::new(EVALUATIONS_PER_S),
            config,
            store,
            requests: Requests::default(),
            feeds: Arc::default(),
            presence: Arc::default(),
            writer: None,
            switchboard: Box::new(switchboard),
            clock: Box::new(clock),
            metrics: Box::new(Vec::new),
            ready: Box::new(|| true),
            request_sids: Mutex::new(StdRng::seed_from_u64(seed)),
            secrets: Mutex::new(StdRng::try_from_rng(&mut SysRng).expect("the operating system has randomness")),
            account_changes: TurnTaking::new(()),
        }
    }

    /// Keeps requests that change calls among the events of those calls.
    #[must_use]
    pub fn with_writer(mut self, writer: Arc<Writer>) -> Self {
        self.writer = Some(writer);
        self
    }

    /// Tells those who follow what `feeds` is told has been committed.
    #[must_use]
    pub fn with_feeds(mut self, feeds: Arc<Feeds>) -> Self {
        self.feeds = feeds;
        self
    }

    /// Shows these numbers, too, under `/metrics`.
    #[must_use]
    pub fn with_metrics(mut self, metrics: impl Fn() -> Vec<Metric> + Send + Sync + 'static) -> Self {
        self.metrics = Box::new(metrics);
        self
    }

    /// Answers `/readyz` with what this says: false while starting and draining.
    #[must_use]
    pub fn with_readiness(mut self, ready: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.ready = Box::new(ready);
        self
    }

    /// The switch's answer to a command.
    pub(crate) async fn command(&self, command: Command) -> Result<Answer, Problem> {
        match tokio::time::timeout(self.config.switch_timeout, self.switchboard.send(command)).await {
            Ok(answer) => answer.map_err(Problem::Refused),
            Err(_) => {
                tracing::error!(timeout = ?self.config.switch_timeout, "the switch did not answer");
                Err(Problem::Unavailable)
            }
        }
    }

    /// Keeps an event of a call; the writer counts those for which there is no room.
    pub(crate) fn keep_event(&self, event: CallEvent) {
        if let Some(writer) = &self.writer {
            let _ = writer.submit(vec![Row::CallEvent(event)], drop);
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(crate) fn ready(&self) -> bool {
        (self.ready)()
    }

    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let mut metrics = (self.metrics)();
        metrics.extend(self.requests.metrics());
        metrics.extend(self.feeds.metrics());
        metrics
    }

    /// A place among the requests worked on, if there is one.
    pub(crate) fn admit(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.admission.try_acquire().map_err(|_| Problem::TooManyRequests { after: Duration::from_secs(1) })
    }

    /// Whether the account may ask again already.
    pub(crate) fn count_request(&self, account: AccountSid, now: Instant) -> Result<(), Problem> {
        match &self.rates {
            Some(rates) => rates.take(account, now).map_err(|after| Problem::TooManyRequests { after }),
            None => Ok(()),
        }
    }

    /// Whether the account may have expressions evaluated over a list again already.
    pub(crate) fn count_evaluation(&self, account: AccountSid, now: Instant) -> Result<(), Problem> {
        self.evaluations.take(account, now).map_err(|after| Problem::TooManyRequests { after })
    }

    /// One after the other: what an account has become in the store is what it has become in the switch.
    pub(crate) async fn account_change(&self) -> Turn<'_, ()> {
        self.account_changes.lock().await
    }

    /// A name for a new account.
    pub(crate) fn account_sid(&self) -> AccountSid {
        AccountSid::from_bits(self.secret_bits())
    }

    /// A name for a new key.
    pub(crate) fn api_key_sid(&self) -> ApiKeySid {
        ApiKeySid::from_bits(self.secret_bits())
    }

    /// 32 characters that nobody guesses.
    pub(crate) fn secret(&self) -> String {
        format!("{:032x}", self.secret_bits())
    }

    fn secret_bits(&self) -> u128 {
        self.secrets.lock().unwrap_or_else(std::sync::PoisonError::into_inner).random()
    }

    /// A name for one request.
    pub(crate) fn request_sid(&self) -> RequestSid {
        let mut rng = self.request_sids.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        RequestSid::from_bits(rng.random())
    }
}

/// Lists of one account with an expression to evaluate, in a second (taskrouter §9).
const EVALUATIONS_PER_S: NonZeroU32 = NonZeroU32::new(3).expect("is not 0");
