//! Calls that an application asks for: who is called, from whom, and what is done with whoever answers.
//!
//! What is malformed has been refused at the edge; what does not fit what is set up (a caller's number that is not the
//! account's own, an application that is not there) is refused here, by the directory.

use std::time::Duration;

use model::{AccountSid, ApplicationSid, ByocTrunkSid, CallSid, JitterBufferSize};
use twiml::{
    CallCallback, ConferenceEvents, Link, MachineDetection, Parameter, RecordingCallback, SipCredentials, Track,
    WaitAudio,
};

use crate::command::{CallEnd, ConferenceRef, TuningChange};
use crate::webhook::Remark;

/// Whom to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callee {
    /// A telephone number: E.164 with its plus; without one a short code, an extension or a national number.
    Number(String),
    /// A registered user of one of the account's domains.
    Client {
        /// Without `client:`.
        identity: String,
        /// Told to the client.
        parameters: Vec<Parameter>,
    },
    /// A SIP address.
    Sip {
        /// `sip:` or `sips:`, without header parameters.
        uri: String,
        /// Those.
        headers: Vec<Parameter>,
    },
    /// A TwiML application in place of a phone; of participants only.
    Application {
        /// `AP…`.
        sid: ApplicationSid,
        /// Told to the application.
        parameters: Vec<Parameter>,
    },
}

impl Callee {
    /// As the API shows it: `+15005550006`, `client:alice`, `sip:alice@phone.test`, `app:AP…`.
    pub fn address(&self) -> String {
        match self {
            Self::Number(number) => number.clone(),
            Self::Client { identity, .. } => format!("client:{identity}"),
            Self::Sip { uri, .. } => uri.clone(),
            Self::Application { sid, .. } => format!("app:{sid}"),
        }
    }
}

/// What tells a call what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instructions {
    /// The document behind a URL.
    Link(Link),
    /// This document, which has no URL: relative ones in it lead nowhere.
    Twiml(String),
    /// An application's hooks, which replace fallback and status callback, too.
    Application(ApplicationSid),
}

/// `POST Calls.json` (rest-voice §3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCall {
    /// Whose.
    pub account: AccountSid,
    /// What whoever answers is told.
    pub instructions: Instructions,
    /// Asked where that fails.
    pub fallback: Option<Link>,
    /// The leg.
    pub leg: NewLeg,
}

/// What calls and participants have in common: the leg to be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLeg {
    /// Whom to call.
    pub to: Callee,
    /// From whom: E.164 with its plus, `client:…`, `sip:…`; to clients and SIP addresses any text.
    pub from: String,
    /// Shown in place of `from`.
    pub caller_id: Option<String>,
    /// Who is told how it goes.
    pub status: CallCallback,
    /// Keys to send once it is answered and before anything else, `w` half a second, `W` a second.
    pub send_digits: Option<String>,
    /// Longest ringing.
    pub ring_timeout: Duration,
    /// Longest talk, if the application says so: at most a day. Otherwise as long as any may last.
    pub time_limit: Option<Duration>,
    /// For a challenge.
    pub credentials: Option<SipCredentials>,
    /// Is it a machine that answers? Never with `send_digits`.
    pub amd: Option<Amd>,
    /// Recorded from the answer on.
    pub record: Option<LegRecording>,
    /// A trunk of the customer's own, for numbers.
    pub byoc: Option<ByocTrunkSid>,
    /// Kept for the callee's screen.
    pub call_reason: Option<String>,
    /// Kept: the call this one forwards.
    pub call_token: Option<String>,
    /// Kept.
    pub client_notification_url: Option<String>,
    /// What developers should be told of, once the call has a name: values that were passed over.
    pub remarks: Vec<Remark>,
}

/// How machines are told from people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amd {
    /// How; `callback` is told the result where it is `asynchronous`.
    pub detection: MachineDetection,
    /// The call does not wait for the result.
    pub asynchronous: bool,
}

/// How a leg is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegRecording {
    /// Its party and what it hears are on a channel each.
    pub dual: bool,
    /// Whose voice.
    pub track: Track,
    /// Silence at both ends is cut off.
    pub trim_silence: bool,
    /// Who is told.
    pub callback: RecordingCallback,
}

/// `POST Participants.json` (rest-voice §5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewParticipant {
    /// Whose.
    pub account: AccountSid,
    /// Which conference; made if there is none of that name.
    pub conference: ConferenceRef,
    /// The leg. Machine detection is asynchronous.
    pub leg: NewLeg,
    /// Shown on a SIP phone beside the number.
    pub caller_display_name: Option<String>,
    /// The application's own name for it, once in a conference.
    pub label: Option<String>,
    /// Joins unheard.
    pub muted: bool,
    /// Whom it coaches, if anybody.
    pub call_sid_to_coach: Option<CallSid>,
    /// The room hears a beep when it comes.
    pub beep_on_enter: bool,
    /// … and leaves.
    pub beep_on_exit: bool,
    /// May start the conference.
    pub start_conference_on_enter: bool,
    /// Ends the conference by leaving.
    pub end_conference_on_exit: bool,
    /// What it hears before the conference starts.
    pub wait: WaitAudio,
    /// The room hears it ring.
    pub early_media: bool,
    /// How its network's jitter is ridden out.
    pub jitter_buffer_size: JitterBufferSize,
    /// How its voice is treated: ours, not Twilio's.
    pub tuning: TuningChange,
    /// What counts for the conference, if this one makes it.
    pub room: NewRoom,
}

/// What the first participant says for the whole conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRoom {
    /// How many may be in it.
    pub participants_max: u32,
    /// Echoed.
    pub region: Option<String>,
    /// Told what happens in it.
    pub status_callback: Option<Link>,
    /// Of what.
    pub status_events: ConferenceEvents,
    /// Recorded from its start.
    pub record: bool,
    /// Silence at both ends of the recording is cut off.
    pub trim_silence: bool,
    /// Who is told of the recording.
    pub recording_callback: RecordingCallback,
}

impl Default for NewRoom {
    /// Nothing said.
    fn default() -> Self {
        Self {
            participants_max: PARTICIPANTS_MAX,
            region: None,
            status_callback: None,
            status_events: ConferenceEvents::default(),
            record: false,
            trim_silence: true,
            recording_callback: RecordingCallback::default(),
        }
    }
}

/// How many may be in a conference whose creator does not say (rest-voice §5.2).
const PARTICIPANTS_MAX: u32 = 250;

/// `POST Calls/{CA}.json` (rest-voice §3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallChange {
    /// Whose call.
    pub account: AccountSid,
    /// Which.
    pub call: CallSid,
    /// How it shall end; wins over a new document.
    pub end: Option<CallEnd>,
    /// A new document, to be run at once: a link or TwiML. Refused while the call is not answered.
    pub instructions: Option<Instructions>,
    /// Asked where that fails.
    pub fallback: Option<Link>,
    /// Who is told of the end from now on.
    pub status_callback: Option<Link>,
    /// Longest talk, from the answer on.
    pub time_limit: Option<Duration>,
}

impl CallChange {
    /// A change of nothing.
    pub fn none(account: AccountSid, call: CallSid) -> Self {
        Self { account, call, end: None, instructions: None, fallback: None, status_callback: None, time_limit: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callee_is_shown_without_what_is_only_told_to_it() {
        let told = vec![Parameter { name: "mode".to_owned(), value: "x".to_owned() }];
        let sid = ApplicationSid::from_bits(1);
        for (callee, want) in [
            (Callee::Number("+15005550006".to_owned()), "+15005550006"),
            (Callee::Client { identity: "alice".to_owned(), parameters: told.clone() }, "client:alice"),
            (Callee::Sip { uri: "sip:a@b.test".to_owned(), headers: told.clone() }, "sip:a@b.test"),
            (Callee::Application { sid, parameters: told }, "app:AP00000000000000000000000000000001"),
        ] {
            assert_eq!(callee.address(), want);
        }
    }
}
