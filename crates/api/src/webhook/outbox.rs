//! The outbox: callbacks on their way, in the order of their lanes, and again after a restart.
//!
//! ```text
//! committed rows ─▶ lanes ─▶ one of a lane at a time, so many of a host, so many of all ─▶ closed
//!       └─ no room for all, or for those of a host: they stay in the table, and are read from there when there is some
//! ```
//! A host that answers slowly or not at all has no more rows in memory than there is room left for all others, and what
//! it is to be told waits in the table: what others are to be told is read past it (`lanes.rs`).
//!
//! A row is in the table as long as it is open, so nothing here has to survive: a start begins by reading the table. A
//! lane goes on as soon as its row has been answered or given up; that this is kept, too, is not waited for. A crash in
//! between sends one callback twice, with the same token.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{CallSid, CallbackKind, Timestamp};
use store::{OpenCallback, Rows, Store};
use switch::webhook::{Callback, CallbackBody, CallbackClosed, CallbackId, Lane, Purpose, Remark};
use tokio::sync::Notify;
use tokio::task::{Id, JoinHandle, JoinSet};
use web::FetchError;

use super::exchange::{Body, Message, Reply};
use super::lanes::{Lanes, Sending};
use super::{Webhooks, code, encode, parameters, uuid};
use crate::metrics::{Metric, Reading};

/// Bounds of callbacks on their way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxConfig {
    /// Requests under way.
    pub in_flight_max: usize,
    /// The same with one host and port, so that one that hangs leaves room for others; several that do have no more each
    /// than what is left for all others.
    pub in_flight_per_host_max: usize,
    /// Callbacks in memory; more wait in the table. One host has at most half of them, two a third each, and so on.
    pub rows_max: usize,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self { in_flight_max: 256, in_flight_per_host_max: 64, rows_max: 16_384 }
    }
}

/// The row of a callback that has just come about: spelled, so that it is sent as it was meant whatever follows.
pub fn row(callback: &Callback, created: Timestamp) -> OpenCallback {
    let (call_sid, kind) = about(callback);
    OpenCallback {
        seq: callback.seq,
        event: callback.event,
        id: callback.id.0,
        lane: match callback.lane {
            Lane::Call(call) => call.to_string(),
            Lane::Conference(conference) => conference.to_string(),
            Lane::Task(task) => task.to_string(),
            Lane::Worker(worker) => worker.to_string(),
            Lane::Workspace(workspace) => workspace.to_string(),
        },
        account_sid: callback.account,
        call_sid,
        kind,
        url: callback.url.clone(),
        method: callback.method,
        body: encode(&parameters::of_callback(callback.account, &callback.body)),
        is_json: false,
        created,
    }
}

/// The call a callback belongs to, and what it is about.
fn about(callback: &Callback) -> (Option<CallSid>, CallbackKind) {
    let of_lane = match callback.lane {
        Lane::Call(call) => Some(call),
        Lane::Conference(_) | Lane::Task(_) | Lane::Worker(_) | Lane::Workspace(_) => None,
    };
    match &callback.body {
        CallbackBody::CallStatus(progress) => (Some(progress.facts.call.sid), CallbackKind::CallStatus),
        // Asked as its voice session's other requests are.
        CallbackBody::Action { facts, purpose: Purpose::Conversation(_) } => {
            (Some(facts.call.sid), CallbackKind::Conversation)
        }
        CallbackBody::Action { facts, .. } => (Some(facts.call.sid), CallbackKind::Action),
        CallbackBody::Conference { event, .. } => (event.call_sid(), CallbackKind::Conference),
        CallbackBody::TaskRouter(_) => (None, CallbackKind::TaskRouter),
        CallbackBody::Recording(_) | CallbackBody::ConferenceRecordEnd { .. } => (of_lane, CallbackKind::Recording),
        CallbackBody::AsyncAmd { call, .. } => (Some(*call), CallbackKind::AnsweringMachine),
        CallbackBody::Stream { call, .. } => (Some(*call), CallbackKind::Stream),
        CallbackBody::Conversation { call, .. } => (call.or(of_lane), CallbackKind::Conversation),
    }
}

/// Delivers callbacks. What is open when it is dropped stays so in the table.
pub struct Outbox {
    inflow: Arc<Inflow>,
    task: JoinHandle<()>,
}

/// What the one who saves and the one who delivers share.
#[derive(Debug)]
struct Inflow {
    state: Mutex<InflowState>,
    changed: Notify,
    rows_max: usize,
}

#[derive(Debug)]
struct InflowState {
    /// Being saved.
    announced: usize,
    /// Saved, and to be taken.
    rows: VecDeque<OpenCallback>,
    /// Taken, and not closed.
    taken: usize,
    under_way: usize,
    /// Rows up to this `seq` are to be read from the table: those a start finds, or those there was no room for.
    behind_until: Option<i64>,
    /// Hosts with rows in the table that there was no room for.
    hosts_behind: usize,
    closed: u64,
    failed: u64,
}

impl Outbox {
    /// Begins with what is open in the table. `closed` is called for every callback that is answered or given up; its
    /// row stays until whoever is told so says that it is closed.
    pub fn start<F>(
        config: OutboxConfig,
        webhooks: Webhooks,
        store: Store,
        closed: impl Fn(CallbackClosed) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let state = InflowState {
            announced: 0,
            rows: VecDeque::new(),
            taken: 0,
            under_way: 0,
            behind_until: Some(0),
            hosts_behind: 0,
            closed: 0,
            failed: 0,
        };
        let inflow = Arc::new(Inflow { state: Mutex::new(state), changed: Notify::new(), rows_max: config.rows_max });
        let closed: Closed = Arc::new(move |callback| Box::pin(closed(callback)));
        let deliverer = Deliverer {
            inflow: Arc::clone(&inflow),
            webhooks,
            store,
            closed,
            lanes: Lanes::new(&config),
            running: JoinSet::new(),
            of_task: HashMap::new(),
        };
        Self { inflow, task: tokio::spawn(deliverer.run()) }
    }

    /// So many rows are being saved: [`Outbox::accept`] or [`Outbox::forget`] follows.
    pub fn announce(&self, rows: usize) {
        self.inflow.lock().announced += rows;
    }

    /// These have been saved, in their order.
    pub fn accept(&self, rows: Vec<OpenCallback>) {
        let mut state = self.inflow.lock();
        state.announced = state.announced.saturating_sub(rows.len());
        for row in rows {
            let is_full = state.rows.len() + state.taken >= self.inflow.rows_max;
            // The order of the table is kept: behind what waits there already, what comes now waits there, too.
            match state.behind_until {
                Some(until) => state.behind_until = Some(row.seq.max(until)),
                None if is_full => state.behind_until = Some(row.seq),
                None => state.rows.push_back(row),
            }
        }
        drop(state);
        self.inflow.changed.notify_one();
    }

    /// So many could not be saved, and are not sent.
    pub fn forget(&self, rows: usize) {
        let mut state = self.inflow.lock();
        state.announced = state.announced.saturating_sub(rows);
    }

    /// Nothing is being saved, waiting or under way: whoever is to be told of a closing has been.
    pub fn is_quiet(&self) -> bool {
        let state = self.inflow.lock();
        state.announced == 0 && state.rows.is_empty() && state.taken == 0 && !state.is_behind()
    }

    /// What is on its way, for `/metrics`.
    pub fn metrics(&self) -> Vec<Metric> {
        let state = self.inflow.lock();
        let counter = |name, help, count: u64| (name, help, Reading::Counter(count as f64)); // exact up to 2^53
        let gauge = |name, help, count: usize| (name, help, Reading::Gauge(count as f64));
        let rows = [
            counter("partyline_callbacks_closed_total", "Callbacks answered or given up.", state.closed),
            counter(
                "partyline_callbacks_failed_total",
                "Callbacks answered with an error or not at all.",
                state.failed,
            ),
            gauge(
                "partyline_callbacks",
                "Callbacks in memory, on their way or waiting.",
                state.rows.len() + state.taken,
            ),
            gauge("partyline_callbacks_under_way", "Callbacks being sent.", state.under_way),
            gauge(
                "partyline_callbacks_behind",
                "1 while callbacks wait in the table because there are too many for memory.",
                state.is_behind().into(),
            ),
            gauge(
                "partyline_callback_hosts_behind",
                "Hosts with callbacks that wait in the table because they have their share of memory.",
                state.hosts_behind,
            ),
        ];
        rows.map(|(name, help, reading)| Metric { name, help, labels: Vec::new(), reading }).into()
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inflow {
    fn lock(&self) -> MutexGuard<'_, InflowState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InflowState {
    fn is_behind(&self) -> bool {
        self.behind_until.is_some() || self.hosts_behind > 0
    }
}

type Closed = Arc<dyn Fn(CallbackClosed) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Whoever delivers.
struct Deliverer {
    inflow: Arc<Inflow>,
    webhooks: Webhooks,
    store: Store,
    closed: Closed,
    lanes: Lanes,
    running: JoinSet<bool>,
    of_task: HashMap<Id, Sending>,
}

impl Deliverer {
    async fn run(mut self) {
        loop {
            self.take();
            let read = self.read().await;
            let caught_up = self.catch_up().await;
            self.send();
            let is_failed = read.is_none() || caught_up.is_none();
            let is_more = !is_failed && (read == Some(true) || caught_up == Some(true));
            let changed = self.inflow.changed.notified();
            tokio::select! {
                () = changed => {}
                Some(done) = self.running.join_next_with_id() => {
                    let (id, is_ok) = match done {
                        Ok((id, is_ok)) => (id, is_ok),
                        Err(error) => {
                            tracing::error!(%error, "a delivery broke down"); // its row stays open in the table
                            (error.id(), false)
                        }
                    };
                    self.done(id, is_ok);
                }
                () = tokio::time::sleep(READ_PAUSE), if is_failed => {}
                () = std::future::ready(()), if is_more => {}
            }
        }
    }

    /// Takes what has been saved. A row may be read from the table before we are told that it has been saved: that one
    /// is here already.
    fn take(&mut self) {
        let mut state = self.inflow.lock();
        let rows = std::mem::take(&mut state.rows);
        state.taken += rows.len();
        drop(state);
        rows.into_iter().for_each(|row| self.lanes.put(row));
        self.settle();
    }

    /// Reads a page of what nobody has looked at yet and which is in the table only. True: there may be more; none: the
    /// table cannot be read, try again.
    async fn read(&mut self) -> Option<bool> {
        let until = self.inflow.lock().behind_until;
        if until.is_none() || self.lanes.room() == 0 {
            return Some(false);
        }
        let page = self.page(self.lanes.seq()).await?;
        page.rows.into_iter().for_each(|row| self.lanes.put(row));
        let mut state = self.inflow.lock();
        // What was committed meanwhile and is not in this page has told so by now, or will find nobody behind.
        if !page.more && state.behind_until == until {
            state.behind_until = None;
        }
        let is_behind = state.behind_until.is_some();
        drop(state);
        self.settle();
        Some(is_behind)
    }

    /// Reads a page for hosts with rows in the table that there is room for now. What it says is as above.
    async fn catch_up(&mut self) -> Option<bool> {
        let Some(after) = self.lanes.behind_after() else { return Some(false) };
        let page = self.page(after).await?;
        self.lanes.catch_up(after, page.rows, page.more);
        self.settle();
        Some(self.lanes.behind_after().is_some())
    }

    async fn page(&self, after: i64) -> Option<Rows<OpenCallback>> {
        let page = self.store.open_callbacks(after, PAGE_ROWS).await;
        page.inspect_err(|error| tracing::error!(%error, "the outbox cannot be read")).ok()
    }

    /// Says what is here, and what is not.
    fn settle(&self) {
        let mut state = self.inflow.lock();
        (state.taken, state.hosts_behind) = (self.lanes.rows(), self.lanes.hosts_behind());
    }

    /// Sends what may be sent.
    fn send(&mut self) {
        while let Some((row, sending)) = self.lanes.next() {
            let (webhooks, closed) = (self.webhooks.clone(), Arc::clone(&self.closed));
            let handle = self.running.spawn(async move {
                let callback = webhooks.tell(row).await;
                let is_ok = callback.remarks.is_empty();
                closed(callback).await;
                is_ok
            });
            self.of_task.insert(handle.id(), sending);
        }
        self.inflow.lock().under_way = self.of_task.len();
    }

    fn done(&mut self, id: Id, is_ok: bool) {
        if let Some(sending) = self.of_task.remove(&id) {
            self.lanes.done(sending);
        }
        self.settle();
        let mut state = self.inflow.lock();
        state.under_way = self.of_task.len();
        state.closed += 1;
        state.failed += u64::from(!is_ok);
    }
}

impl Webhooks {
    /// Tells an application what a row says, once, and says how that went.
    async fn tell(&self, row: OpenCallback) -> CallbackClosed {
        let body = if row.is_json { Body::Json(row.body) } else { Body::Form(row.body) };
        let at = self.now();
        let outcome = if at.since(row.created) > AGE_MAX {
            Err(FetchError::Busy)
        } else {
            self.auth_token(row.account_sid).await
        };
        let waited = matches!(outcome, Err(FetchError::Busy));
        let reply = match outcome {
            Ok(auth_token) => {
                let message = Message {
                    url: &row.url,
                    method: row.method,
                    body: &body,
                    auth_token: &auth_token,
                    idempotency_token: uuid(row.id),
                    cookies_of: row.call_sid,
                    overridable: row.kind != CallbackKind::Conversation,
                    wants_document: false,
                };
                self.shared.exchanges.exchange(&message).await
            }
            Err(error) => Reply::unsent(error, &row.url, row.method, &body),
        };
        let Reply { outcome, attempts, mut remarks, exchange } = reply;
        if let Some(call) = row.call_sid {
            self.log(row.account_sid, call, at, &exchange);
        }
        remarks.extend(outcome.err().and_then(|error| failure(row.kind, &error, waited)));
        let (id, account, call) = (CallbackId(row.id), row.account_sid, row.call_sid);
        self.shared.told.note(id);
        CallbackClosed { id, account, call, attempts, remarks, exchange: Arc::new(exchange) }
    }
}

/// What developers are told of a callback that failed.
fn failure(kind: CallbackKind, error: &FetchError, waited: bool) -> Option<Remark> {
    let code = match (kind, error) {
        (_, FetchError::Status(..400)) => return None, // an answer is an answer
        (_, _) if waited => 15_002,
        (CallbackKind::Conference, FetchError::Status(_)) => 16_011,
        (CallbackKind::Conference, _) => 16_010,
        (CallbackKind::Action, error) => code(error), // as of any action
        (_, FetchError::Status(_)) => 15_003,
        (_, FetchError::Unsigned(_)) => 15_000,
        (_, error) => code(error),
    };
    let message = if waited { "it waited too long to be sent".to_owned() } else { error.to_string() };
    Some(Remark { code, message })
}

/// Callbacks read from the table at once.
const PAGE_ROWS: u32 = 500;
/// Before a table that could not be read is read again.
const READ_PAUSE: Duration = Duration::from_secs(1);
/// Of a callback; after a day nobody expects to be told any more.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);
