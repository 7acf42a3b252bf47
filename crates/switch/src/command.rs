//! What the control layer asks for, and what it is told.
//!
//! One spelling of each operation, whoever asks (REST today): the rules live behind it, in the switch.

use model::{
    AccountSid, AccountStatus, Call, CallSid, Conference, ConferenceSid, DirectoryRow, HttpMethod, JitterBufferSize,
    LegStats, Participant, Timestamp, Tuning,
};

use twiml::Link;

use crate::directory::{DirectoryCommand, DirectoryRefusal};
use crate::new_call::{CallChange, NewCall, NewParticipant};
use crate::queue_command::{QueueCommand, QueueLoad, QueueMember, QueueState};
use crate::routing::{RoutingAnswer, RoutingCommand, RoutingRefusal};
use crate::stream::{StreamCommand, StreamState};

/// One operation on live things, or on what they are routed by. Answered exactly once, after what it changed has been saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Place a call (rest-voice §3.2).
    CreateCall(Box<NewCall>),
    /// End a call, or give it something else to do (rest-voice §3.3).
    UpdateCall(Box<CallChange>),
    /// Say how a live call's leg is doing.
    MeasureCall {
        /// Whose call.
        account: AccountSid,
        /// Which.
        call: CallSid,
    },
    /// End a conference, or play something to everyone in it (rest-voice §4.1).
    UpdateConference {
        /// Whose.
        account: AccountSid,
        /// Which.
        conference: ConferenceRef,
        /// End it; wins over `announce`.
        complete: bool,
        /// Play this to everyone, once.
        announce: Option<AudioUrl>,
    },
    /// Call somebody into a conference (rest-voice §5.2).
    CreateParticipant(Box<NewParticipant>),
    /// Change who hears whom (rest-voice §5.3).
    UpdateParticipant {
        /// Whose.
        account: AccountSid,
        /// In which conference.
        conference: ConferenceRef,
        /// Which.
        participant: ParticipantRef,
        /// Everything that shall change, at once or not at all.
        change: ParticipantChange,
    },
    /// Kick (rest-voice §5.1).
    RemoveParticipant {
        /// Whose.
        account: AccountSid,
        /// Out of which conference.
        conference: ConferenceRef,
        /// Which.
        participant: ParticipantRef,
    },
    /// Take a participant to another conference, a new one if none of that name lives; answered by
    /// `Answer::Participant`, as it is there. Ours: it stays muted if it was, keeps its label and how it is treated, and is
    /// neither on hold nor coaching.
    MoveParticipant {
        /// Whose.
        account: AccountSid,
        /// Where it is.
        conference: ConferenceRef,
        /// Which.
        participant: ParticipantRef,
        /// Where it goes.
        to: ConferenceRef,
    },
    /// Change what an account has set up (rest-voice §8, §9).
    Directory(DirectoryCommand),
    /// A queue, or who waits in it (rest-voice §7).
    Queue(QueueCommand),
    /// A media stream of a call (rest-voice §11).
    Stream(StreamCommand),
    /// TaskRouter: a workspace, or something in one.
    Routing(Box<RoutingCommand>),
    /// An account may act, or may not any more (rest-voice §2): whoever calls one that may not is told that nobody is
    /// there, and the calls of one that is closed end.
    SetAccountStatus {
        /// Which.
        account: AccountSid,
        /// From now on.
        status: AccountStatus,
    },
}

/// How the application wants a call to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// Whatever its state.
    Completed,
    /// Only while it is not answered; an answered call goes on.
    Canceled,
}

/// A conference as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConferenceRef {
    /// By SID.
    Sid(ConferenceSid),
    /// By the name of a live one.
    Name(String),
}

/// A participant as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParticipantRef {
    /// By its call.
    Call(CallSid),
    /// By the application's own name for it.
    Label(String),
}

/// Which parameters of a participant shall change; `None` leaves one as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParticipantChange {
    /// `Muted`.
    pub muted: Option<bool>,
    /// `Hold`.
    pub hold: Option<bool>,
    /// `HoldUrl` and `HoldMethod`: what the participant hears on hold from the next hold on.
    pub hold_audio: Option<AudioUrl>,
    /// `AnnounceUrl` and `AnnounceMethod`: played once, to this participant only.
    pub announce: Option<AudioUrl>,
    /// `WaitUrl` and `WaitMethod`: what it hears while the conference has not started. An empty URL is silence.
    pub wait_audio: Option<AudioUrl>,
    /// `BeepOnExit`.
    pub beep_on_exit: Option<bool>,
    /// `EndConferenceOnExit`.
    pub end_conference_on_exit: Option<bool>,
    /// `Coaching`.
    pub coaching: Option<bool>,
    /// `CallSidToCoach`; without `Coaching` it implies `Coaching=true`.
    pub call_sid_to_coach: Option<CallSid>,
    /// How its voice is treated: ours, not Twilio's.
    pub tuning: TuningChange,
}

/// What of a [`Tuning`] shall change; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TuningChange {
    /// Within [`Tuning::GAIN_DB`].
    pub gain_db: Option<i8>,
    /// Suppress its noise.
    pub noise_suppression: Option<bool>,
    /// How much jitter is ridden out.
    pub jitter_buffer_size: Option<JitterBufferSize>,
    /// It is data, and no voice.
    pub data_mode: Option<bool>,
}

impl TuningChange {
    /// What becomes of a tuning.
    pub(crate) fn over(self, before: Tuning) -> Tuning {
        Tuning {
            gain_db: self.gain_db.unwrap_or(before.gain_db),
            noise_suppression: self.noise_suppression.unwrap_or(before.noise_suppression),
            jitter_buffer_size: self.jitter_buffer_size.unwrap_or(before.jitter_buffer_size),
            data_mode: self.data_mode.unwrap_or(before.data_mode),
        }
    }
}

/// Audio to be fetched when it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioUrl {
    /// Absolute `http` or `https`, checked at the edge; or empty: the default for this kind of audio.
    pub url: String,
    /// How to ask for it.
    pub method: HttpMethod,
}

impl From<Link> for AudioUrl {
    fn from(Link { url, method }: Link) -> Self {
        Self { url, method }
    }
}

impl From<AudioUrl> for Link {
    fn from(AudioUrl { url, method }: AudioUrl) -> Self {
        Self { url, method }
    }
}

/// How a leg was doing, at most a few seconds ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measurement {
    /// In numbers.
    pub stats: LegStats,
    /// When.
    pub at: Timestamp,
}

/// What a command did: the resource as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Of [`Command::CreateCall`] and [`Command::UpdateCall`].
    Call(Call),
    /// Of [`Command::MeasureCall`]: nothing before the first measurement.
    Measured(Option<Measurement>),
    /// Of [`Command::UpdateConference`].
    Conference(Conference),
    /// Of [`Command::CreateParticipant`] and [`Command::UpdateParticipant`].
    Participant(Participant),
    /// Of whatever removes or deletes.
    Removed,
    /// Of [`Command::Stream`].
    Stream(StreamState),
    /// Of [`Command::SetAccountStatus`].
    AccountStatus(AccountStatus),
    /// Of [`Command::Directory`].
    Directory(Box<DirectoryRow>),
    /// Of [`DirectoryCommand::AvailableNumbers`]: E.164, in order.
    AvailableNumbers(Vec<String>),
    /// Of [`QueueCommand::Create`] and [`QueueCommand::Update`].
    Queue(Box<QueueState>),
    /// Of [`QueueCommand::Measure`].
    QueueLoads(Vec<QueueLoad>),
    /// Of [`QueueCommand::ListMembers`].
    QueueMembers(Vec<QueueMember>),
    /// Of [`QueueCommand::FetchMember`] and [`QueueCommand::DequeueMember`].
    QueueMember(QueueMember),
    /// Of [`Command::Routing`].
    Routing(Box<RoutingAnswer>),
}

/// Why a command changed nothing. The control layer has one table from these to its own codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The call is unknown, or long over (the store may still know it).
    #[error("no such live call")]
    CallNotFound,
    /// The conference is unknown or belongs to somebody else.
    #[error("no such live conference")]
    ConferenceNotFound,
    /// The conference is over; nothing can be played to it.
    #[error("the conference is over")]
    ConferenceOver,
    /// No such participant in this conference.
    #[error("no such participant in this conference")]
    ParticipantNotFound,
    /// Coaching was asked for without saying whom (13240).
    #[error("coaching needs CallSidToCoach")]
    CoachWithoutTarget,
    /// The one to be coached is not in the room (16028).
    #[error("the participant to coach is not in the conference")]
    CoachTargetAbsent,
    /// The one to be coached is on hold (16027).
    #[error("the participant to coach is on hold")]
    CoachTargetOnHold,
    /// The one to be coached is coaching, or is the coach itself (16000).
    #[error("the participant to coach is a coach")]
    CoachTargetCoaches,
    /// As many participants are being coached as a room can keep apart (16000).
    #[error("too many participants are being coached in this conference")]
    TooManyCoached,
    /// A leg that is not connected cannot be held (20001).
    #[error("the participant is not connected")]
    NotConnected,
    /// A call that is not answered cannot be given something else to do (21220).
    #[error("the call is not in progress")]
    NotInProgress,
    /// Calls may not be shown to come from that number: it is neither the account's nor a caller ID of it (21210).
    #[error("the caller's number is neither owned nor verified")]
    CallerNotOwned,
    /// The account has no such application (21218).
    #[error("no such application")]
    ApplicationUnknown,
    /// Nothing leads to whom was to be called (21214).
    #[error("no route leads there")]
    NoRoute,
    /// Somebody in the conference has that label (16026).
    #[error("the label is taken in this conference")]
    LabelTaken,
    /// As many participants as the conference may have (16020).
    #[error("the conference is full")]
    ConferenceFull,
    /// The account has no such queue.
    #[error("no such queue")]
    QueueNotFound,
    /// Nobody like that waits in the queue.
    #[error("no such member in the queue")]
    MemberNotFound,
    /// The call has no such stream, or has it no longer.
    #[error("no such stream")]
    StreamNotFound,
    /// A stream of the call has that name.
    #[error("the name is taken by another stream of the call")]
    StreamNameTaken,
    /// As many streams as a call may have.
    #[error("the call has too many streams")]
    TooManyStreams,
    /// It does not fit what is set up.
    #[error(transparent)]
    Directory(#[from] DirectoryRefusal),
    /// It does not fit what is set up for TaskRouter.
    #[error(transparent)]
    Routing(#[from] RoutingRefusal),
    /// The change could not be saved (500).
    #[error("the change could not be saved")]
    NotSaved,
    /// Too much is going on (503/429).
    #[error("the switch is overloaded")]
    Overloaded,
}
