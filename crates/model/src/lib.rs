//! Partyline's words: SIDs, times, resources and their status values.
//!
//! Floor 0: depends on nothing of ours, does no I/O and decides nothing. What the API shows and the store
//! keeps is spelled here once; who may change it, and when, is the switch's business.

mod account;
mod account_event;
mod api_key;
mod application;
mod audio;
mod call;
mod call_event;
mod call_step;
mod conference;
pub mod country;
mod directory;
mod event;
mod events_lost;
mod exchange;
mod hook;
mod incoming_phone_number;
mod ip_access_control_list;
mod leg_stats;
mod notification;
mod outgoing_caller_id;
mod participant;
mod queue;
mod queue_event;
mod registration;
mod routing;
mod sid;
mod sip_credential;
mod sip_domain;
mod time;
mod tuning;

pub use account::{Account, AccountStatus};
pub use account_event::AccountEvent;
pub use api_key::ApiKey;
pub use application::Application;
pub use audio::{AnsweredBy, Clip, LegId, PlaybackId, RoomId, TapId, Track, Tracks};
pub use call::{Call, CallStatus, Direction};
pub use call_event::CallEvent;
pub use call_step::{CallStep, CallStepEvent};
pub use conference::{Conference, ConferenceStatus, ReasonConferenceEnded};
pub use directory::{DirectoryKey, DirectoryRow};
pub use event::{ConferenceEvent, Happening, ParticipantHappening, ReasonParticipantLeft};
pub use events_lost::EventsLost;
pub use exchange::{CallbackKind, Exchange, HttpMethod};
pub use hook::{Hook, SmsHooks, VoiceHooks};
pub use incoming_phone_number::{EmergencyStatus, IncomingPhoneNumber, NumberType, VoiceReceiveMode};
pub use ip_access_control_list::{IpAccessControlList, IpAddress};
pub use leg_stats::LegStats;
pub use notification::{Level, Notification};
pub use outgoing_caller_id::OutgoingCallerId;
pub use participant::{Participant, ParticipantStatus};
pub use queue::Queue;
pub use queue_event::{QueueEvent, QueueHappening, QueueResult};
pub use registration::Registration;
pub use routing::{
    Activity, AssignmentStatus, Concerned, EventActor, EventResource, FormerConfiguration, Reservation,
    ReservationStatus, RoutingKey, RoutingRow, RoutingTarget, StatisticsBucket, StatisticsScope, Task, TaskChannel,
    TaskOrder, TaskQueue, TaskRouterEvent, TaskRouterEventType, Transfer, TransferMode, TransferStatus, TransferTarget,
    WorkEnd, Worker, WorkerChannel, Workflow, WorkflowStep, Workspace,
};
pub use sid::{
    AccountSid, ActivitySid, AddressSid, ApiKeySid, ApplicationSid, BundleSid, ByocTrunkSid, CallSid, ConferenceSid,
    CredentialListSid, CredentialSid, EventSid, IdentitySid, IpAccessControlListSid, IpAddressSid, NotificationSid,
    PhoneNumberSid, QueueSid, RecordingSid, RequestSid, ReservationSid, SidError, SipDomainSid, StreamSid,
    TaskChannelSid, TaskQueueSid, TaskSid, TransferSid, TrunkSid, WorkerChannelSid, WorkerSid, WorkflowSid,
    WorkspaceSid,
};
pub use sip_credential::{Credential, CredentialList, Password};
pub use sip_domain::{AuthType, MappedList, SipDigest, SipDomain, SipDomainMapping};
pub use time::Timestamp;
pub use tuning::{JitterBufferSize, Tuning};

/// A word that the API and the store both spell the same way.
///
/// `word_enum!` gives an enum its wire spelling in both directions, so that no second table can disagree.
macro_rules! word_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every value, in the order of its life.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word as Twilio's API spells it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownWord;
            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownWord(word.to_owned())),
                }
            }
        }
    };
}
pub(crate) use word_enum;

/// A word that is not among those a status value may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWord(pub String);

impl std::fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} is not one of the known values", self.0)
    }
}

impl std::error::Error for UnknownWord {}
