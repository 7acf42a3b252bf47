//! What may be asked of a queue, and what is told of it.

use std::time::Duration;

use model::{AccountSid, CallSid, Queue, QueueSid, Timestamp};
use twiml::Link;

/// One operation on a queue or on who waits in it (rest-voice §7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueCommand {
    /// Make one; answered by `Answer::Queue`.
    Create {
        /// Whose.
        account: AccountSid,
        /// Its name.
        friendly_name: String,
        /// Calls that may wait at once.
        max_size: u32,
    },
    /// Change one; answered by `Answer::Queue`.
    Update {
        /// Whose.
        account: AccountSid,
        /// Which.
        queue: QueueSid,
        /// Another name.
        friendly_name: Option<String>,
        /// Calls that may wait at once; who waits already stays.
        max_size: Option<u32>,
    },
    /// Delete one that nobody waits in; answered by `Answer::Removed`.
    Delete {
        /// Whose.
        account: AccountSid,
        /// Which.
        queue: QueueSid,
    },
    /// How full these are; answered by `Answer::QueueLoads`, in the same order. One that is not known is empty.
    Measure {
        /// Whose.
        account: AccountSid,
        /// Which.
        queues: Vec<QueueSid>,
    },
    /// Who waits, first in front; answered by `Answer::QueueMembers`.
    ListMembers {
        /// Whose.
        account: AccountSid,
        /// In which.
        queue: QueueSid,
    },
    /// One who waits; answered by `Answer::QueueMember`.
    FetchMember {
        /// Whose.
        account: AccountSid,
        /// In which.
        queue: QueueSid,
        /// Who.
        member: MemberRef,
    },
    /// Take one out and let it run that document; answered by `Answer::QueueMember`, as it was.
    DequeueMember {
        /// Whose.
        account: AccountSid,
        /// Out of which.
        queue: QueueSid,
        /// Who.
        member: MemberRef,
        /// `Url` and `Method`.
        link: Link,
    },
}

/// Who waits, as a path names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberRef {
    /// By its call.
    Call(CallSid),
    /// Whoever has waited for longest.
    Front,
}

/// A queue, and how full it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueState {
    /// The queue.
    pub queue: Queue,
    /// How full it is.
    pub load: QueueLoad,
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueLoad {
    /// Calls that wait.
    pub current_size: u32,
    /// How long they have waited, on average.
    pub average_wait: Duration,
}

/// Somebody who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMember {
    /// Where.
    pub queue: QueueSid,
    /// Whose.
    pub account: AccountSid,
    /// Which call.
    pub call: CallSid,
    /// Since when.
    pub enqueued: Timestamp,
    /// From 1.
    pub position: u32,
    /// How long by now.
    pub wait: Duration,
}
