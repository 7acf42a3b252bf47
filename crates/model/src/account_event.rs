//! What happens in an account, whatever it happens to: one entry of its log.
//!
//! The log, the callbacks, and whoever follows what happens read one order: that of `seq`, which the switch hands out.

use crate::{
    AccountSid, CallSid, CallStepEvent, ConferenceEvent, ConferenceSid, EventsLost, LegStats, QueueEvent, QueueSid,
    Timestamp,
};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountEvent {
    /// In a conference.
    Conference(ConferenceEvent),
    /// To a call: a step in its life.
    Call(CallStepEvent),
    /// In a queue.
    Queue(QueueEvent),
    /// Something that is not known any more.
    Lost(EventsLost),
}

impl AccountEvent {
    /// Its place among all that happens.
    pub fn seq(&self) -> i64 {
        match self {
            Self::Conference(event) => event.seq,
            Self::Call(event) => event.seq,
            Self::Queue(event) => event.seq,
            Self::Lost(event) => event.seq,
        }
    }

    /// Gives it its place.
    pub fn set_seq(&mut self, seq: i64) {
        match self {
            Self::Conference(event) => event.seq = seq,
            Self::Call(event) => event.seq = seq,
            Self::Queue(event) => event.seq = seq,
            Self::Lost(event) => event.seq = seq,
        }
    }

    /// Whose log it is in.
    pub fn account_sid(&self) -> AccountSid {
        match self {
            Self::Conference(event) => event.account_sid,
            Self::Call(event) => event.call.account_sid,
            Self::Queue(event) => event.account_sid,
            Self::Lost(event) => event.account_sid,
        }
    }

    /// When.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Conference(event) => event.at,
            Self::Call(event) => event.at,
            Self::Queue(event) => event.at,
            Self::Lost(event) => event.at,
        }
    }

    /// Its name on the wire: `participant-join`, `call-ringing`, `queue-leave`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conference(event) => event.name(),
            Self::Call(event) => event.name(),
            Self::Queue(event) => event.name(),
            Self::Lost(_) => EventsLost::NAME,
        }
    }

    /// It is of the moment: see [`ConferenceEvent::is_fleeting`].
    pub fn is_fleeting(&self) -> bool {
        match self {
            Self::Conference(event) => event.is_fleeting(),
            Self::Call(_) | Self::Queue(_) | Self::Lost(_) => false,
        }
    }

    /// The call it is about, if it is about one.
    pub fn call_sid(&self) -> Option<CallSid> {
        match self {
            Self::Conference(event) => event.call_sid(),
            Self::Call(event) => Some(event.call.sid),
            Self::Queue(event) => event.call_sid(),
            Self::Lost(_) => None,
        }
    }

    /// The conference it happened in, if it did in one.
    pub fn conference_sid(&self) -> Option<ConferenceSid> {
        match self {
            Self::Conference(event) => Some(event.conference_sid),
            Self::Call(_) | Self::Queue(_) | Self::Lost(_) => None,
        }
    }

    /// The queue it happened in, if it did in one.
    pub fn queue_sid(&self) -> Option<QueueSid> {
        match self {
            Self::Queue(event) => Some(event.queue_sid),
            Self::Conference(_) | Self::Call(_) | Self::Lost(_) => None,
        }
    }

    /// What a leg did, where the event tells that.
    pub fn leg_stats(&self) -> Option<&LegStats> {
        match self {
            Self::Conference(event) => event.leg_stats(),
            Self::Call(_) | Self::Queue(_) | Self::Lost(_) => None,
        }
    }

    /// Its parameters on the wire, in the contract's order and spelling.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Conference(event) => event.parameters(),
            Self::Call(event) => event.parameters(),
            Self::Queue(event) => event.parameters(),
            Self::Lost(event) => event.parameters(),
        }
    }
}

impl From<ConferenceEvent> for AccountEvent {
    fn from(event: ConferenceEvent) -> Self {
        Self::Conference(event)
    }
}
