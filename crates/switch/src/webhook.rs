//! What the switch asks of an application and tells it: types only.
//!
//! The control layer spells them (twiml §10, §11), sends them, and brings the answers back:
//!
//! ```text
//! Effect::Ask(Ask)           ─▶ request, signed, retried, redirected ─▶ Event::Asked { ask, outcome, … }   exactly once
//! Effect::Callback(Callback) ─▶ outbox, with the event's rows ─▶ sent after the commit ─▶ Event::CallbackClosed { … }
//! ```
//! A callback is never answered in time for a call to wait for it. What is open when the process ends is sent again
//! after the start; its closing then tells of a callback the switch has never heard of, which is why it says whose it is.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::{
    AccountSid, Call, CallSid, CallStatus, ConferenceEvent, ConferenceSid, Exchange, HttpMethod, QueueSid,
    RecordingSid, ReservationSid, StreamSid, TaskRouterEvent, TaskSid, Timestamp, WorkerSid, WorkflowSid, WorkspaceSid,
};
pub use model::{AnsweredBy, QueueResult};

/// Gives the words of one meaning their spelling: [`model`] has those that are stored, these are only sent.
macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? })+) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    )+ };
}

/// One request for a document under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AskId(pub u64);

/// A request for a document, or for audio in its place. Cookies are kept by call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Named by us.
    pub ask: AskId,
    /// Whose token signs it.
    pub account: AccountSid,
    /// Absolute, with whatever fragment the application has put there (twiml §13).
    pub url: String,
    /// How to ask.
    pub method: HttpMethod,
    /// The call it is for.
    pub call: Box<CallFacts>,
    /// What it is for, and what is said beside the call's facts.
    pub purpose: Purpose,
    /// Of a fallback: what went wrong before, code and URL.
    pub error: Option<(u16, String)>,
    /// What the application is told first, if it can be told soon: what became of the document before (rest-voice §7).
    pub after: Option<CallbackId>,
}

/// What every request says of its call (twiml §10): a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFacts {
    /// The call as it is now.
    pub call: Call,
    /// How long that took.
    pub machine_detection_ms: Option<u32>,
    /// Of a call that came in by SIP.
    pub sip: Option<SipFacts>,
    /// Parameters of a `client:` caller, or of the one that is called, and of `<Parameter>`.
    pub custom: Vec<(String, String)>,
    /// Of a call that an instruction has made to a worker.
    pub offer: Option<Box<OfferFacts>>,
}

/// What a worker is called for (taskrouter §7.5, §7.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferFacts {
    /// The task, …
    pub task: TaskSid,
    /// … the reservation that offers it, …
    pub reservation: ReservationSid,
    /// … and to whom.
    pub worker: WorkerSid,
    /// What the task said when the call was made, byte for byte.
    pub attributes: String,
    /// The customer's call, if the task has one.
    pub customer: Option<CallSid>,
}

impl CallFacts {
    /// Nothing beside the call itself.
    pub fn of(call: Call) -> Self {
        Self { call, machine_detection_ms: None, sip: None, custom: Vec::new(), offer: None }
    }
}

/// What a SIP leg says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SipFacts {
    /// The domain it was called at.
    pub domain: Option<String>,
    /// Its `SD…`, if it is one of ours.
    pub domain_sid: Option<String>,
    /// `Call-ID`.
    pub call_id: String,
    /// Where the INVITE came from.
    pub source_ip: Option<IpAddr>,
    /// `X-` headers and `User-to-User`, names as they came.
    pub headers: Vec<(String, String)>,
}

/// What a document is asked for, and the parameters that go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// The first document of a call.
    Voice,
    /// Whatever says nothing more: `<Redirect>`, a callee's `url`, a hold URL, the action of `<Connect><Stream>`.
    Plain,
    /// The action of `<Gather>`.
    Gather {
        /// What was keyed; empty when nothing came; `None` when something was said.
        digits: Option<String>,
        /// The key that ended it.
        finished_on_key: Option<char>,
        /// What was said.
        speech: Option<Speech>,
        /// Where the call waits meanwhile, if it does.
        waiting: Option<Waiting>,
    },
    /// The action of `<Record>`.
    Record {
        /// What was recorded.
        recording: Option<RecordingFacts>,
        /// The key that ended it, or `hangup`.
        digits: Option<String>,
    },
    /// The action of `<Dial>`.
    Dial(Box<DialResult>),
    /// The action of `<Enqueue>`.
    Enqueue {
        /// Why the call is no longer in the queue.
        result: QueueResult,
        /// Which; `None` when it never was in one.
        queue: Option<QueueSid>,
        /// How long it was.
        time: Duration,
        /// What it waited for, and whose that was, if that was a task.
        task: Option<(TaskSid, WorkflowSid)>,
    },
    /// The wait URL of a queue.
    QueueWait(Waiting),
    /// A wait, hold or announcement URL of a conference.
    ConferenceWait {
        /// Which.
        conference: ConferenceSid,
        /// Its name.
        friendly_name: String,
    },
    /// The `url` of `<Dial><Queue>`, on the queued call before it is bridged.
    QueueWhisper {
        /// Which.
        queue: QueueSid,
        /// How long the call has waited.
        time: Duration,
        /// Who takes it.
        dequeuing: CallSid,
    },
    /// The action of `<Refer>`.
    Refer {
        /// What became of it.
        status: ReferCallStatus,
        /// To the REFER.
        response_code: Option<u16>,
        /// Told by the NOTIFY.
        notify_code: Option<u16>,
    },
    /// The `referUrl` of `<Dial>`: the callee wants the caller transferred.
    ReferTransfer {
        /// `Refer-To`.
        target: String,
    },
    /// The action of `<Connect><Conversation>`.
    Conversation(Box<ConversationResult>),
}

/// How a call waits in a queue (twiml §7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub queue: QueueSid,
    /// From 1.
    pub position: u32,
    /// How long the call has waited.
    pub time: Duration,
    /// How long those in it have waited on average.
    pub average_time: Duration,
    /// How many wait.
    pub current_size: u32,
    /// How many may.
    pub max_size: u32,
}

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speech {
    /// In words.
    pub result: String,
    /// How sure we are, in thousandths.
    pub confidence_thousandths: u16,
}

/// A recording as requests tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingFacts {
    /// `RE…`.
    pub sid: RecordingSid,
    /// Without extension.
    pub url: String,
    /// `None` until it is known.
    pub duration: Option<Duration>,
}

/// What became of a `<Dial>` (twiml §5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialResult {
    /// In a word.
    pub status: DialCallStatus,
    /// The winner, or the last to fail; none of a conference.
    pub call: Option<CallSid>,
    /// Of the winner's talk; not said of a conference.
    pub duration: Option<Duration>,
    /// The two heard each other; not said of a conference.
    pub bridged: Option<bool>,
    /// When `record` was used.
    pub recording: Option<RecordingFacts>,
    /// Of a `<Sip>`.
    pub sip: Option<DialedSip>,
    /// Of a `<Queue>`.
    pub queue: Option<Dequeued>,
}

impl DialCallStatus {
    /// What has become of a dialled call that is over.
    pub fn of(status: CallStatus) -> Self {
        match status {
            CallStatus::Completed | CallStatus::InProgress => Self::Completed,
            CallStatus::Busy => Self::Busy,
            CallStatus::NoAnswer => Self::NoAnswer,
            CallStatus::Canceled => Self::Canceled,
            CallStatus::Failed | CallStatus::Queued | CallStatus::Ringing => Self::Failed,
        }
    }
}

impl DialResult {
    /// That status, and nothing else.
    pub fn of(status: DialCallStatus) -> Self {
        Self { status, call: None, duration: None, bridged: None, recording: None, sip: None, queue: None }
    }
}

/// What SIP said of a dialled `<Sip>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DialedSip {
    /// `Call-ID` of our INVITE.
    pub call_id: String,
    /// Its final answer.
    pub response_code: Option<u16>,
    /// `X-` headers and `User-to-User` of that answer.
    pub headers: Vec<(String, String)>,
}

/// What became of a `<Dial><Queue>` (twiml §7.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dequeued {
    /// Which, if there is one of that name.
    pub queue: Option<QueueSid>,
    /// In a word.
    pub result: DequeueResult,
    /// Who was taken out of it.
    pub call: Option<CallSid>,
    /// How long that one had waited.
    pub queue_time: Option<Duration>,
    /// How long the two talked.
    pub duration: Option<Duration>,
}

/// What became of a `<Connect><Conversation>` (twiml §8.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationResult {
    /// In a word.
    pub result: ConversationOutcome,
    /// The worker called, not the customer.
    pub worker_initiated: bool,
    /// When somebody was dialled: with what result, …
    pub status: Option<DialCallStatus>,
    /// … by which leg, …
    pub call: Option<CallSid>,
    /// … and how long the two talked.
    pub duration: Option<Duration>,
    /// When `record` was used.
    pub recording: Option<RecordingFacts>,
    /// `CH…`, when known.
    pub conversation: Option<String>,
}

/// What an application answered. Each tells where it came from in the end, with the user and password that the URL was
/// asked with: relative URLs start there, and it is not to be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// TwiML, or what may be (`text/plain`: [`Answered::Text`]).
    Document {
        /// As it came; not parsed.
        bytes: Bytes,
        /// Where it came from in the end.
        url: String,
    },
    /// Audio, to be played.
    Audio {
        /// Where it came from in the end.
        url: String,
        /// What came; `None` where that is too large to be carried about, or was made up: it is fetched from there.
        file: Option<SoundFile>,
    },
    /// Plain text: TwiML if it parses, else to be spoken.
    Text {
        /// What it says.
        text: String,
        /// Where it came from in the end.
        url: String,
    },
    /// Nothing at all, which counts as `<Response/>` (11770 is among the remarks).
    Empty {
        /// Where it came from in the end.
        url: String,
    },
}

/// Audio as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundFile {
    /// All of it.
    pub bytes: Bytes,
    /// Without its parameters, in lower case.
    pub content_type: String,
}

/// Why an application gave no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct AskFailed {
    /// Of the error dictionary; told to the fallback URL.
    pub code: u16,
    /// What was seen.
    pub message: String,
    /// The URL that was asked, without user and password; told to the fallback URL.
    pub url: String,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
}

/// Something a developer should know although it did no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Of the error dictionary, which says how bad it is.
    pub code: u16,
    /// What was seen.
    pub message: String,
}

/// One callback, for ever: also the token that lets an application recognise it when it comes twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallbackId(pub u128);

/// Something an application is to be told. Kept until somebody has answered, or it has been tried often enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// Random.
    pub id: CallbackId,
    /// Order among all callbacks, handed out by the switch.
    pub seq: i64,
    /// The entry of the log that it tells of; `None` where it tells of none. Within a lane the order is the same.
    pub event: Option<i64>,
    /// Within it they arrive in their order, one at a time.
    pub lane: Lane,
    /// Whose token signs it.
    pub account: AccountSid,
    /// Absolute.
    pub url: String,
    /// How to tell.
    pub method: HttpMethod,
    /// What.
    pub body: CallbackBody,
}

/// What callbacks are kept in order for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// One call.
    Call(CallSid),
    /// One conference.
    Conference(ConferenceSid),
    /// One task.
    Task(TaskSid),
    /// One worker, as far as no task is concerned.
    Worker(WorkerSid),
    /// The rest of a workspace.
    Workspace(WorkspaceSid),
}

/// What an application is told (twiml §11 and beside).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackBody {
    /// Of a call's life (§11.1).
    CallStatus(Box<CallProgress>),
    /// What a step has come to, of a call that goes on without it or is over: its action is asked as any (§10), and its
    /// answer is ignored.
    Action {
        /// The call.
        facts: Box<CallFacts>,
        /// What the step has come to.
        purpose: Purpose,
    },
    /// Of a conference (§6.2).
    Conference {
        /// What happened.
        event: Box<ConferenceEvent>,
        /// Among the events sent for this conference, from 1.
        sequence: u32,
    },
    /// Of a workspace (taskrouter §12.1).
    TaskRouter(Arc<TaskRouterEvent>),
    /// Of a recording (§11.2).
    Recording(Box<RecordingProgress>),
    /// A conference's recording is ready: the deprecated `eventCallbackUrl`.
    ConferenceRecordEnd {
        /// Which.
        conference: ConferenceSid,
        /// Of what.
        recording: RecordingFacts,
        /// Of the file.
        bytes: u64,
        /// When.
        at: Timestamp,
    },
    /// Who or what answered, found out while the document ran already (§11.3).
    AsyncAmd {
        /// Which call.
        call: CallSid,
        /// Who or what.
        answered_by: AnsweredBy,
        /// How long that took.
        machine_detection_ms: u32,
    },
    /// Of a media stream (§9.3).
    Stream {
        /// Whose.
        call: CallSid,
        /// Which.
        stream: StreamSid,
        /// The application's name for it.
        name: String,
        /// What happened.
        event: StreamEvent,
        /// Why, of an error.
        error: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// Of a conversation's voice session (§8.5).
    Conversation {
        /// `CH…`, when known.
        conversation: Option<String>,
        /// The other party's leg.
        call: Option<CallSid>,
        /// The worker called, not the customer.
        worker_initiated: bool,
        /// What happened to that leg.
        event: CallEventName,
        /// Among the events sent for this session, from 1.
        sequence: u32,
        /// When.
        at: Timestamp,
    },
}

/// One step in the life of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallProgress {
    /// The call after it.
    pub facts: CallFacts,
    /// Which step.
    pub event: CallEventName,
    /// When.
    pub at: Timestamp,
    /// Among the events sent for this call, from 0.
    pub sequence: u32,
    /// The last answer to our INVITE, or ours to theirs; said when it is over.
    pub sip_response_code: Option<u16>,
    /// When the call was made with `Record=true`; said when it is over.
    pub recording: Option<RecordingFacts>,
}

/// What becomes of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingProgress {
    /// Of one call or of a conference.
    pub of: Lane,
    /// Which.
    pub recording: RecordingFacts,
    /// How far it is.
    pub status: RecordingCallbackStatus,
    /// 1 or 2.
    pub channels: u8,
    /// When it began.
    pub started: Timestamp,
    /// What began it, as the API spells it: `DialVerb`.
    pub source: &'static str,
    /// `inbound`, `outbound` or `both`.
    pub track: &'static str,
    /// Why there is none.
    pub error_code: Option<u16>,
}

/// What became of a callback that is not open any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackClosed {
    /// Which.
    pub id: CallbackId,
    /// Whose.
    pub account: AccountSid,
    /// The call it was about, if it was about one.
    pub call: Option<CallSid>,
    /// How often it was tried.
    pub attempts: u32,
    /// What developers should know of it: an answer that was an error, or none.
    pub remarks: Vec<Remark>,
    /// The last try.
    pub exchange: Arc<Exchange>,
}

words! {
    /// What became of a `<Dial>`.
    DialCallStatus {
        /// Answered, and over.
        Completed = "completed",
        /// It was a conference, and the call was in it.
        Answered = "answered",
        /// Busy or declined.
        Busy = "busy",
        /// Rang until time was up.
        NoAnswer = "no-answer",
        /// Could not be placed.
        Failed = "failed",
        /// Given up before it was answered.
        Canceled = "canceled",
    }

    /// What became of a `<Dial><Queue>` (twiml §7.4).
    DequeueResult {
        /// Somebody was taken out, and the two talked.
        Bridged = "bridged",
        /// Nobody came in time.
        NoAnswer = "no-answer",
        /// No queue of that name.
        QueueNotFound = "queue-not-found",
        /// Our fault.
        Error = "error",
        /// The one taken out hung up.
        Hangup = "hangup",
    }

    /// What became of a `<Refer>` (twiml §9.2).
    ReferCallStatus {
        /// The other call is answered.
        InProgress = "in-progress",
        /// It was busy.
        Busy = "busy",
        /// The phone did not do it.
        Failed = "failed",
        /// The caller hung up meanwhile.
        Canceled = "canceled",
    }

    /// What became of a `<Connect><Conversation>` (twiml §8.4).
    ConversationOutcome {
        /// The two talked.
        SessionSuccess = "session-success",
        /// Nobody answered.
        DialedCallIncomplete = "dialed-call-incomplete",
        /// There was none, and none could be made.
        FailedCreateConversation = "failed-create-conversation",
        /// Nobody but the customer is in it.
        NoOtherParticipants = "no-other-participants",
        /// The worker named one there is not.
        InvalidConversation = "invalid-conversation",
        /// There was none, and none was to be made.
        NoExistingConversation = "no-existing-conversation",
        /// Our fault, or a service there is not.
        InternalError = "internal-error",
    }

    /// Steps of a call, as `StatusCallbackEvent` names them.
    CallEventName {
        /// It is being dialled.
        Initiated = "initiated",
        /// It rings.
        Ringing = "ringing",
        /// It is answered.
        Answered = "answered",
        /// It is over, however it ended.
        Completed = "completed",
    }

    /// How far a recording is, as its callback says.
    RecordingCallbackStatus {
        /// It has begun.
        InProgress = "in-progress",
        /// It can be fetched.
        Completed = "completed",
        /// There is nothing usable.
        Absent = "absent",
        /// Our fault.
        Failed = "failed",
    }

    /// What happened to a media stream.
    StreamEvent {
        /// It runs.
        Started = "stream-started",
        /// It has ended.
        Stopped = "stream-stopped",
        /// It failed.
        Error = "stream-error",
    }
}
