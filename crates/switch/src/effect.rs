//! Everything that happens, and everything we do about it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use media::Pages;
use model::{
    AccountEvent, Call, CallSid, Conference, DirectoryKey, DirectoryRow, Exchange, LegStats, Notification, Participant,
    Registration, RoutingKey, RoutingRow, SipDomainSid, StatisticsBucket, StreamSid, TaskRouterEvent,
};
use sip::Flow;

use crate::command::{Answer, AudioUrl, Command, Refusal};
use crate::config::OwnAddresses;
use crate::routing::{Assignment, AssignmentId, Instruction};
use crate::stream::{StreamEvent, StreamOrder};
use crate::webhook::{Answered, Ask, AskFailed, AskId, Callback, CallbackClosed, CallbackId, Remark, SoundFile};

/// Everything that happens.
#[derive(Debug)]
pub enum Event {
    /// A datagram, or a piece of a stream.
    Sip {
        /// Where it came in.
        flow: Flow,
        /// What came.
        bytes: Bytes,
    },
    /// A stream connection is gone.
    FlowClosed {
        /// Which.
        connection: u64,
    },
    /// What an [`Effect::Connect`] asked for: exactly once for each.
    Connected {
        /// Where to.
        remote: SocketAddr,
        /// The stream; `None` if nobody was there.
        flow: Option<Flow>,
    },
    /// An interface has come or gone: our addresses are these now. Calls that there are go on as they began.
    OwnAddresses(Box<OwnAddresses>),
    /// The audio plane has something to say.
    Media(media::Event),
    /// The control layer asks for something; answered by [`Effect::Reply`] with the same id, exactly once.
    Command {
        /// Named by the asker.
        request: RequestId,
        /// What is asked.
        command: Command,
    },
    /// What an [`Effect::Fetch`] asked for.
    Fetched {
        /// Which.
        fetch: FetchId,
        /// The sound, ready to be played, or why there is none.
        outcome: Result<Arc<Pages>, FetchFailed>,
    },
    /// What an [`Effect::Ask`] asked for: exactly once for each.
    Asked {
        /// Which.
        ask: AskId,
        /// What came.
        outcome: Result<Answered, AskFailed>,
        /// What developers should be told besides.
        remarks: Vec<Remark>,
        /// The last request and its answer, for the notifications that may come of it.
        exchange: Arc<Exchange>,
    },
    /// What an [`Effect::Assign`] asked for: exactly once for each.
    Assigned {
        /// Which.
        assignment: AssignmentId,
        /// What the application wants done; nothing, if it will say so by REST, or has said what cannot be understood.
        outcome: Result<Option<Instruction>, AskFailed>,
        /// What developers should be told besides (40000, 40001, 40005, 55555).
        remarks: Vec<Remark>,
        /// The last request and its answer, for the notifications that may come of it.
        exchange: Arc<Exchange>,
    },
    /// An [`Effect::Callback`], of this process or of one before, has been answered or given up.
    CallbackClosed(Box<CallbackClosed>),
    /// Something about a fetch that does not keep it from being answered, such as a voice that is not to be had. Before
    /// its [`Event::Fetched`].
    FetchWarning {
        /// Which.
        fetch: FetchId,
        /// The contract's code, 13511 and its like.
        code: u32,
        /// What was seen, for the log.
        reason: String,
    },
    /// What has become of a media stream.
    Stream {
        /// Which.
        stream: StreamSid,
        /// What.
        event: StreamEvent,
    },
    /// What an [`Effect::Lookup`] brought.
    LookedUp {
        /// What was asked.
        query: sip::Query,
        /// What was said.
        answer: Result<sip::Answered, sip::LookupFailed>,
    },
    /// [`Switch::next_deadline`](crate::Switch::next_deadline) has come.
    Timeout,
    /// No new calls from now on; those that live end at the latest after `Config::drain`.
    Drain,
    /// The process ends now: whoever still awaits our goodbye shall have it.
    Farewell,
}

/// Everything we do. Effects of one event leave in their order; see each for when.
#[derive(Debug)]
pub enum Effect {
    /// Send these bytes down this flow, at once.
    Send {
        /// Where.
        flow: Flow,
        /// What.
        bytes: Bytes,
    },
    /// Close a stream connection.
    Close {
        /// Which.
        connection: u64,
    },
    /// Open a stream; answered by [`Event::Connected`].
    Connect {
        /// Where to.
        remote: SocketAddr,
    },
    /// Ask the domain name system; answered by [`Event::LookedUp`] with the same query, exactly once.
    Lookup(sip::Query),
    /// Give these to the audio plane as one batch, at once.
    Media(Vec<media::Command>),
    /// Keep this state of a resource. All of one event are one transaction.
    Save(Row),
    /// Fetch audio, or take it from what an application has answered already; answered by [`Event::Fetched`].
    Fetch {
        /// Named by us.
        fetch: FetchId,
        /// What.
        url: AudioUrl,
        /// What was answered from there.
        file: Option<SoundFile>,
    },
    /// Ask an application for a document; answered by [`Event::Asked`].
    Ask(Ask),
    /// Ask an application what to do with a reservation, once this event's `Save`s have been kept; answered by
    /// [`Event::Assigned`].
    Assign(Box<Assignment>),
    /// Tell an application, once this has been kept together with the event's `Save`s; answered by
    /// [`Event::CallbackClosed`].
    Callback(Box<Callback>),
    /// Turn text into speech; answered by [`Event::Fetched`], after an [`Event::FetchWarning`] for each thing about it
    /// that could not be as it was asked for.
    Speak {
        /// Named by us.
        fetch: FetchId,
        /// What is said. Of more than 4,096 characters, the first ones (13521).
        text: String,
        /// The text is SSML without its `<speak>`: what `<Say>` may contain.
        ssml: bool,
        /// As TwiML names it: `alice`, `Polly.Joanna`; empty: the default. An unknown one is 13511.
        voice: String,
        /// BCP 47, such as `de-DE`; empty: the voice's, or the default. An unknown one is 13512.
        language: String,
    },
    /// Open or close a media stream to an application, or tell it of a digit.
    Stream(StreamOrder),
    /// Answer a command, after this event's `Save`s have been committed.
    Reply {
        /// Whose.
        request: RequestId,
        /// The answer.
        answer: Result<Answer, Refusal>,
    },
}

/// One asked-for command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// One fetch under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FetchId(pub u64);

/// A resource whose state is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A call.
    Call(Call),
    /// A conference.
    Conference(Conference),
    /// A participant.
    Participant(Participant),
    /// What a call's leg did in its life, to be kept with the call.
    LegStats(CallSid, LegStats),
    /// Something that went wrong.
    Notification(Notification),
    /// A callback is not open any more.
    CallbackClosed(CallbackId),
    /// Something that an account has set up.
    Directory(Box<DirectoryRow>),
    /// It has been deleted, with whatever was in it.
    DirectoryDeleted(DirectoryKey),
    /// Where a user of a domain is reached: all their contacts that outlive a restart.
    Registrations(SipDomainSid, String, Vec<Registration>),
    /// Something that happened, an entry of its account's log. Whoever is to be told of it is told once this is kept.
    Event(AccountEvent),
    /// A workspace, or something in one.
    Routing(Box<RoutingRow>),
    /// It is gone, with whatever was in it.
    RoutingDeleted(RoutingKey),
    /// The figures of a minute or an hour of a workspace, or that they are to be kept no longer.
    StatisticsBucket(Box<StatisticsBucket>),
    /// Something that happened in a workspace.
    TaskRouterEvent(Arc<TaskRouterEvent>),
}

/// Why there is no audio behind a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FetchFailed {
    /// The contract's code, 11200 and its like.
    pub code: u32,
    /// What was seen, for the log.
    pub reason: String,
}
