//! A `<Dial>` while it rings or talks: who is called, who has answered, and what is to be told of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use model::{ActivitySid, CallSid, QueueSid, ReservationSid};
use twiml::{Dial, Party};

use crate::queue::Member;
use crate::script::ScriptId;
use crate::timers::TimerId;
use crate::webhook::{DequeueResult, Dequeued, DialCallStatus, DialResult};

/// One `<Dial>`. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DialId(pub(crate) u64);

/// A `<Dial>` of phones, or of a queue, that is not over.
#[derive(Debug)]
pub(crate) struct LiveDial {
    pub(crate) parent: CallSid,
    /// The parent's document, which goes on afterwards.
    pub(crate) script: ScriptId,
    pub(crate) begun: Instant,
    pub(crate) dial: Dial,
    /// To be called next, of those that are called one after the other.
    pub(crate) waiting: VecDeque<Party>,
    /// Calls that ring or talk.
    pub(crate) callees: Vec<CallSid>,
    /// The one that has answered, and may be told something first.
    pub(crate) winner: Option<CallSid>,
    /// Since when the two hear each other.
    pub(crate) bridged: Option<Instant>,
    /// What the last to fail has failed with.
    pub(crate) result: DialResult,
    /// The longest talk, or the longest wait for somebody in the queue.
    pub(crate) timer: Option<TimerId>,
    pub(crate) queue: Option<FromQueue>,
}

/// Of a `<Dial><Queue>`: who was taken out of which queue.
#[derive(Debug, Clone)]
pub(crate) struct FromQueue {
    pub(crate) queue: QueueSid,
    /// What the one from the queue is told first.
    pub(crate) url: Option<twiml::Link>,
    /// How long that one had waited.
    pub(crate) waited: Duration,
    /// Its place, until the two are connected.
    pub(crate) member: Option<Member>,
    /// The reservation it was taken by, if it waited for a task.
    pub(crate) reserved: Option<Reserved>,
}

/// The reservation that a `<Dial><Queue reservationSid>` is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reserved {
    pub(crate) reservation: ReservationSid,
    /// What the worker does when the talk is over.
    pub(crate) post_work: Option<ActivitySid>,
    /// The talk was all there was to do (`dequeue`); else the application says when it is done.
    pub(crate) completes: bool,
}

impl FromQueue {
    /// Out of which queue, and how long the one from it had waited.
    pub(crate) fn waited(&self) -> (QueueSid, Duration) {
        (self.queue, self.waited)
    }
}

impl LiveDial {
    pub(crate) fn new(parent: CallSid, script: ScriptId, dial: Dial, begun: Instant) -> Self {
        Self {
            parent,
            script,
            begun,
            dial,
            waiting: VecDeque::new(),
            callees: Vec::new(),
            winner: None,
            bridged: None,
            result: DialResult { bridged: Some(false), ..DialResult::of(DialCallStatus::Failed) },
            timer: None,
            queue: None,
        }
    }

    /// Somebody was taken out of this queue, and may yet go back to it.
    pub(crate) fn holds_place_in(&self, queue: QueueSid) -> bool {
        self.bridged.is_none() && self.queue.as_ref().is_some_and(|from| from.queue == queue && from.member.is_some())
    }

    /// What is told of it now that it is over. `status`: what became of the winner, or of the last to fail.
    pub(crate) fn result(&self, status: DialCallStatus, now: Instant) -> DialResult {
        let talked = self.bridged.map(|since| now.saturating_duration_since(since));
        let queue = self.queue.as_ref().map(|from| Dequeued {
            queue: Some(from.queue),
            result: match (self.bridged, self.winner) {
                (Some(_), _) => DequeueResult::Bridged,
                (None, Some(_)) => DequeueResult::Hangup,
                (None, None) => DequeueResult::NoAnswer,
            },
            call: self.winner,
            queue_time: self.winner.map(|_| from.waited),
            duration: talked,
        });
        let call = if self.queue.is_some() { None } else { self.winner.or(self.result.call) };
        let bridged = Some(self.bridged.is_some());
        DialResult { status, call, duration: talked, bridged, queue, ..self.result.clone() }
    }
}
