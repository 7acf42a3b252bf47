//! Instructions: what is to be done about a reservation (taskrouter §7.2).
//!
//! The control layer reads them from the answer to the assignment callback and from REST parameters, with one table.
//! `None` is what was not said: the rules of §7.3 (the worker's `contact_uri`, the number the customer dialled) and
//! whatever has to be looked up belong to whoever carries the instruction out.

use std::time::Duration;

use model::{ActivitySid, CallSid, JitterBufferSize};
use twiml::{CallCallback, Link, SipCredentials, WaitAudio};

use crate::new_call::{Callee, LegRecording, NewRoom};

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// The worker has the task; no call is placed.
    Accept,
    /// The worker will not have it.
    Reject {
        /// What the worker does from now on.
        activity: Option<ActivitySid>,
    },
    /// Call the worker, and bring the waiting caller to it (§7.5).
    Dequeue(Box<Dequeue>),
    /// Call the worker, and let a document decide (§7.6).
    Call(Box<CallWorker>),
    /// Give a live call another document (§7.7).
    Redirect(Box<Redirect>),
    /// Call the worker into a conference, and bring the waiting caller there (§7.4).
    Conference(Box<ConferWorker>),
    /// Call somebody into the conference of an accepted reservation (§7.8).
    Supervise(Supervise),
}

impl Instruction {
    /// Its name on the wire.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject { .. } => "reject",
            Self::Dequeue(_) => "dequeue",
            Self::Call(_) => "call",
            Self::Redirect(_) => "redirect",
            Self::Conference(_) => "conference",
            Self::Supervise(_) => "supervise",
        }
    }
}

/// The leg to a worker that some instructions have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerLeg {
    /// Whom to call; the worker's `contact_uri` without.
    pub to: Option<Callee>,
    /// From whom; see §7.3 for without.
    pub from: Option<String>,
    /// Longest ringing: [`RING_TIMEOUT`] where none is said, at most [`RING_TIMEOUT_MAX`].
    pub ring_timeout: Duration,
    /// Who is told how it goes.
    pub status: CallCallback,
    /// For a challenge.
    pub credentials: Option<SipCredentials>,
    /// Recorded from the answer on.
    pub record: Option<LegRecording>,
}

impl Default for WorkerLeg {
    /// Nothing said.
    fn default() -> Self {
        Self {
            to: None,
            from: None,
            ring_timeout: RING_TIMEOUT,
            status: CallCallback::default(),
            credentials: None,
            record: None,
        }
    }
}

/// `dequeue`. Its status callback is asked by GET, with `taskCallSid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dequeue {
    /// The worker's leg; recorded, it is both voices of the bridge.
    pub leg: WorkerLeg,
    /// What the worker does after it.
    pub post_work_activity: Option<ActivitySid>,
}

/// `call`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallWorker {
    /// The worker's leg.
    pub leg: WorkerLeg,
    /// The document that whoever answers hears.
    pub url: Link,
    /// The reservation is accepted when somebody answers.
    pub accept: bool,
}

/// `redirect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// Which call, any of the account's.
    pub call: CallSid,
    /// Its new document.
    pub url: Link,
    /// The reservation is accepted first.
    pub accept: bool,
}

/// `conference`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConferWorker {
    /// The worker's leg.
    pub leg: WorkerLeg,
    /// What the worker does after it.
    pub post_work_activity: Option<ActivitySid>,
    /// The room; named by the task without.
    pub room_name: Option<String>,
    /// How the worker comes in.
    pub flags: LegFlags,
    /// The room hears a beep when the customer comes.
    pub beep_on_customer_entrance: bool,
    /// The room ends when the customer leaves.
    pub end_conference_on_customer_exit: bool,
    /// What counts for the conference.
    pub room: NewRoom,
}

/// How a leg comes into a conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegFlags {
    /// Joins unheard.
    pub muted: bool,
    /// The room hears a beep when it comes …
    pub beep_on_enter: bool,
    /// … and leaves.
    pub beep_on_exit: bool,
    /// May start the conference.
    pub start_conference_on_enter: bool,
    /// Ends it by leaving.
    pub end_conference_on_exit: bool,
    /// What it hears before the conference starts.
    pub wait: WaitAudio,
    /// The room hears it ring.
    pub early_media: bool,
    /// How its network's jitter is ridden out.
    pub jitter_buffer_size: JitterBufferSize,
}

/// `supervise`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervise {
    /// Who, as it was given: the SID of a worker, or an address.
    pub supervisor: String,
    /// How.
    pub mode: SupervisorMode,
}

/// How a supervisor takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SupervisorMode {
    /// Unheard.
    Monitor,
    /// Heard by the worker.
    Whisper,
    /// Heard by all.
    Barge,
}

impl SupervisorMode {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Monitor, Self::Whisper, Self::Barge];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Whisper => "whisper",
            Self::Barge => "barge",
        }
    }
}

/// How long a worker's phone rings where nothing is said (taskrouter §7.3) …
pub const RING_TIMEOUT: Duration = Duration::from_secs(60);
/// … and at most …
pub const RING_TIMEOUT_MAX: Duration = Duration::from_secs(999);
/// … and at most by SIP.
pub const SIP_RING_TIMEOUT_MAX: Duration = Duration::from_secs(600);
