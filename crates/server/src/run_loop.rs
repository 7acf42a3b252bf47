//! The loop: one thread that owns the switch, hands it what happens and does what it decides.
//!
//! ```text
//! SIP sockets ─┐                       ┌─▶ datagrams, connections      at once
//! API ─────────┤                       ├─▶ audio plane                 at once
//! fetches ─────┼─▶ inbox ─▶ Switch ────┼─▶ fetches                     in the background
//! clock ───────┤                       ├─▶ writer ─▶ rows ─▶ replies, callbacks   after the commit
//! audio plane ─┘                       └─▶ replies without rows        at once
//! ```
//! Nothing here waits for anybody: what takes time runs elsewhere and comes back through the inbox.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use media::Plane;
use model::Timestamp;
use store::Writer;
use switch::{Answer, Command, Effect, Event, Now, Refusal, RequestId, Row, StreamEvent, Switch};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use crate::applications::Applications;
use crate::dns::Lookups;
use crate::fetch::Fetches;
use crate::metrics::Snapshots;
use crate::sip_socket::SipSockets;
use crate::streams::Streams;
use crate::turns::Turns;

/// Everything that reaches the run loop from other threads.
pub(crate) enum Input {
    /// Something happened.
    Event(Event),
    /// A stream connection exists; its messages go through `outbox`.
    Connected { connection: u64, outbox: mpsc::Sender<Bytes> },
    /// It exists no longer.
    Disconnected { connection: u64 },
    /// The control layer asks.
    Command { command: Command, reply: Reply },
    /// No new calls; stop when the last one is over, or its time is.
    Drain,
}

/// Where the answer to a command goes.
pub(crate) type Reply = oneshot::Sender<Result<Answer, Refusal>>;

/// The run loop's letter box.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    inputs: Sender<Input>,
    connections: Arc<AtomicU64>,
}

/// A media thread is gone, and with it the audio of its rooms: better to be started anew than to run on deaf.
#[derive(Debug, thiserror::Error)]
#[error("a media thread has ended; the log has it")]
pub(crate) struct AudioLost;

/// Inputs waiting for the run loop. Datagrams past that are dropped, commands refused; streams wait.
const INPUTS_MAX: usize = 16_384;
/// Inputs handled before the audio plane and the clock are looked at again.
const INPUTS_AT_ONCE: usize = 64;
/// How often the audio plane's events are collected while there are legs. Its threads never wake us: that would be
/// a system call in a tick. While it is to answer …
const MEDIA_POLL: Duration = Duration::from_millis(4);
/// … and while it can only have news of its own: a digit, the end of a sound.
const MEDIA_REST_POLL: Duration = Duration::from_millis(20);
/// The same without legs.
const IDLE_POLL: Duration = Duration::from_millis(500);
/// Between two snapshots of what is counted: they look at every conference.
const SNAPSHOT_PAUSE: Duration = Duration::from_millis(100);
/// After a drain's bound has ended all calls, how long their BYEs may take to be answered.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long applications may take for the last callbacks and questions …
const LAST_CALLBACKS: Duration = Duration::from_secs(5);
/// … and how often we look whether they have them.
const LAST_CALLBACKS_POLL: Duration = Duration::from_millis(20);
/// How long a stream reader waits before it offers its bytes to a full inbox again.
const FULL_INBOX_PAUSE: Duration = Duration::from_millis(5);

impl Inbox {
    pub(crate) fn new() -> (Self, Receiver<Input>) {
        let (inputs, receiver) = bounded(INPUTS_MAX);
        (Self { inputs, connections: Arc::default() }, receiver)
    }

    /// Puts `input` in, unless it is full or nobody reads any more.
    pub(crate) fn offer(&self, input: Input) -> bool {
        self.inputs.try_send(input).is_ok()
    }

    /// Puts `input` in, waiting while it is full. False: nobody reads any more.
    pub(crate) async fn send(&self, input: Input) -> bool {
        let mut input = input;
        loop {
            match self.inputs.try_send(input) {
                Ok(()) => return true,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(back)) => {
                    input = back;
                    tokio::time::sleep(FULL_INBOX_PAUSE).await;
                }
            }
        }
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }
}

/// The switch, and everything its effects act upon.
pub(crate) struct RunLoop {
    pub(crate) switch: Switch,
    pub(crate) plane: Plane,
    pub(crate) sockets: SipSockets,
    pub(crate) writer: Arc<Writer>,
    pub(crate) applications: Applications,
    pub(crate) fetches: Fetches,
    pub(crate) streams: Streams,
    pub(crate) lookups: Lookups,
    pub(crate) drain: Duration,
    pub(crate) snapshots: Snapshots,
    pub(crate) turns: Turns,
    pub(crate) saves_failed: Arc<AtomicU64>,
    pub(crate) replies: HashMap<RequestId, Reply>,
    pub(crate) requests: u64,
}

impl RunLoop {
    /// Runs until it has been drained, or until it cannot go on.
    pub(crate) fn run(mut self, inputs: &Receiver<Input>) -> Result<(), AudioLost> {
        let mut effects = Vec::new();
        let mut drained_by: Option<Instant> = None;
        let mut published = Instant::now();
        let mut is_published = true;
        // What was due while nobody ran.
        self.handle(Event::Timeout, &mut effects);
        loop {
            let patience = self.patience();
            match inputs.recv_timeout(if is_published { patience } else { patience.min(SNAPSHOT_PAUSE) }) {
                Ok(input) => {
                    drained_by = self.take(input, &mut effects).or(drained_by);
                    for input in inputs.try_iter().take(INPUTS_AT_ONCE) {
                        drained_by = self.take(input, &mut effects).or(drained_by);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if !self.plane.is_alive() {
                error!("a media thread has ended");
                return Err(AudioLost);
            }
            self.collect_media(&mut effects);
            let now = Instant::now();
            is_published = now >= published + SNAPSHOT_PAUSE;
            if is_published {
                self.snapshots.publish(self.switch.stats(), self.switch.sip_stats(), &self.turns);
                published = now;
            }
            if self.switch.next_deadline().is_some_and(|at| at <= now) {
                self.handle(Event::Timeout, &mut effects);
            }
            if drained_by.is_some_and(|by| self.switch.is_idle() || by <= now) {
                self.handle(Event::Farewell, &mut effects);
                self.tell_the_rest(inputs, &mut effects);
                info!(calls = self.switch.calls_live(), "drained");
                return Ok(());
            }
        }
    }

    /// Callbacks that are open get a little time; those that still are after it stay so in the database. What is being
    /// asked gets the same: the actions of the last calls, which no database keeps.
    fn tell_the_rest(&mut self, inputs: &Receiver<Input>, effects: &mut Vec<Effect>) {
        let until = Instant::now() + LAST_CALLBACKS;
        loop {
            let mut is_quiet = self.applications.is_quiet();
            for input in inputs.try_iter().take(INPUTS_MAX) {
                if let Input::Event(event @ (Event::CallbackClosed(_) | Event::Asked { .. })) = input {
                    self.handle(event, effects);
                    is_quiet = false; // it may have led to more
                }
            }
            if is_quiet || Instant::now() >= until {
                return;
            }
            std::thread::sleep(LAST_CALLBACKS_POLL);
        }
    }

    fn patience(&self) -> Duration {
        let poll = match self.switch.calls_live() {
            _ if self.plane.is_asked() => MEDIA_POLL,
            0 => IDLE_POLL,
            _ => MEDIA_REST_POLL,
        };
        let deadline = self.switch.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
        deadline.map_or(poll, |deadline| deadline.min(poll))
    }

    /// Handles one input. When a drain begins: the moment at which it is over, come what may.
    fn take(&mut self, input: Input, effects: &mut Vec<Effect>) -> Option<Instant> {
        match input {
            Input::Event(event) => {
                if let Event::Stream { stream, event: StreamEvent::Stopped | StreamEvent::Failed { .. } } = &event
                    && let Some(command) = self.streams.ended(*stream)
                {
                    self.plane.apply(vec![command]);
                }
                self.handle(event, effects);
            }
            Input::Connected { connection, outbox } => self.sockets.connected(connection, outbox),
            Input::Disconnected { connection } => {
                self.sockets.close(connection);
                self.handle(Event::FlowClosed { connection }, effects);
            }
            Input::Command { command, reply } => {
                self.requests += 1;
                let request = RequestId(self.requests);
                self.replies.insert(request, reply);
                self.handle(Event::Command { request, command }, effects);
            }
            Input::Drain => {
                info!(calls = self.switch.calls_live(), "draining");
                self.handle(Event::Drain, effects);
                return Some(Instant::now() + self.drain + FAREWELL);
            }
        }
        None
    }

    fn collect_media(&mut self, effects: &mut Vec<Effect>) {
        while let Some(event) = self.plane.poll() {
            self.handle(Event::Media(event), effects);
        }
    }

    fn handle(&mut self, event: Event, effects: &mut Vec<Effect>) {
        let now = Now { instant: Instant::now(), wall: Timestamp::from(SystemTime::now()) };
        self.switch.saves_waiting(self.writer.stats().batches_waiting);
        self.switch.handle(now, event, effects);
        self.execute(now.wall, effects);
        self.turns.took(now.instant.elapsed());
    }

    /// Does what one event's effects say. What has to be saved is one batch; its replies and
    /// callbacks leave after the commit.
    fn execute(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let mut rows = Vec::new();
        let mut replies = Vec::new();
        let mut callbacks = Vec::new();
        for effect in effects.drain(..) {
            match effect {
                Effect::Send { flow, bytes } => self.sockets.send(&flow, bytes),
                Effect::Close { connection } => self.sockets.close(connection),
                Effect::Connect { remote } => self.sockets.connect(remote),
                Effect::Lookup(query) => self.lookups.start(query),
                Effect::Media(batch) => {
                    self.plane.apply(batch);
                }
                Effect::Save(row) => rows.push(stored(row)),
                Effect::Ask(ask) => self.applications.ask(ask),
                Effect::Assign(assignment) => self.applications.assign(*assignment),
                Effect::Callback(callback) => callbacks.push(api::webhook::row(&callback, now)),
                Effect::Fetch { fetch, url, file } => self.fetches.start(fetch, url, file),
                Effect::Speak { fetch, text, ssml, voice, language } => {
                    self.fetches.speak(fetch, sound::Utterance { text, ssml, voice, language });
                }
                Effect::Stream(order) => {
                    if let Some(command) = self.streams.order(order) {
                        self.plane.apply(vec![command]);
                    }
                }
                Effect::Reply { request, answer } => {
                    replies.extend(self.replies.remove(&request).map(|reply| (reply, answer)));
                }
            }
        }
        rows.extend(callbacks.iter().cloned().map(store::Row::Callback));
        if rows.is_empty() {
            return answer(replies);
        }
        let callbacks_len = callbacks.len();
        self.applications.outbox.announce(callbacks_len);
        let outbox = Arc::clone(&self.applications.outbox);
        let saves_failed = Arc::clone(&self.saves_failed);
        let submitted = self.writer.submit(rows, move |saved| match saved {
            Ok(()) => {
                outbox.accept(callbacks);
                answer(replies);
            }
            Err(error) => {
                error!(%error, "not saved");
                outbox.forget(callbacks_len);
                saves_failed.fetch_add(1, Ordering::Relaxed);
                answer(replies.into_iter().map(|(reply, _)| (reply, Err(Refusal::NotSaved))));
            }
        });
        if let Err(refused) = submitted {
            // The replies went down with the batch: their askers see the channel close and say 500.
            warn!(?refused, "not saved");
            self.applications.outbox.forget(callbacks_len);
            self.saves_failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn answer(replies: impl IntoIterator<Item = (Reply, Result<Answer, Refusal>)>) {
    for (reply, answer) in replies {
        // A client that hung up no longer wants its answer; what it asked for is done all the same.
        let _ = reply.send(answer);
    }
}

fn stored(row: Row) -> store::Row {
    match row {
        Row::Call(call) => store::Row::Call(call),
        Row::Conference(conference) => store::Row::Conference(conference),
        Row::Participant(participant) => store::Row::Participant(participant),
        Row::LegStats(call, stats) => store::Row::LegStats(call, stats),
        Row::Registrations(domain, user, contacts) => store::Row::Registrations(domain, user, contacts),
        Row::Event(event) => store::Row::Event(event),
        Row::Directory(row) => store::Row::Directory(row),
        Row::DirectoryDeleted(key) => store::Row::DirectoryDeleted(key),
        Row::Notification(notification) => store::Row::Notification(notification),
        Row::Routing(row) => store::Row::Routing(row),
        Row::RoutingDeleted(key) => store::Row::RoutingDeleted(key),
        Row::StatisticsBucket(row) => store::Row::StatisticsBucket(row),
        Row::TaskRouterEvent(event) => store::Row::TaskRouterEvent(event),
        Row::CallbackClosed(id) => store::Row::CallbackClosed(id.0),
    }
}
