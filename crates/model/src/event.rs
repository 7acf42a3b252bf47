//! What happens in a conference, as applications are told of it (twiml §6.2).
//!
//! One [`ConferenceEvent`] is the source of everything that tells it: the event log, and whatever calls back later.

use crate::{
    AccountSid, CallSid, CallStatus, ConferenceSid, LegStats, Participant, ReasonConferenceEnded, Timestamp, word_enum,
};

/// One thing that happened in one conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConferenceEvent {
    /// Order among all that happens, handed out by the switch.
    pub seq: i64,
    /// Whose conference.
    pub account_sid: AccountSid,
    /// Which.
    pub conference_sid: ConferenceSid,
    /// By what name it is known.
    pub friendly_name: String,
    /// Place among the conference's own events: the first is 1, and none is left out.
    pub sequence_number: u32,
    /// When.
    pub at: Timestamp,
    /// What.
    pub happening: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// The conference has started: those who waited hear each other.
    Started,
    /// It is over.
    Ended {
        /// Why.
        reason: ReasonConferenceEnded,
        /// Whose leaving ended it: the call, and the application's name for it.
        by: Option<(CallSid, Option<String>)>,
    },
    /// Something about one participant, which is as it says from now on.
    Participant(ParticipantHappening, Participant),
    /// A participant is gone.
    Left {
        /// As it was.
        participant: Participant,
        /// What became of its call.
        call_status: CallStatus,
        /// Why it left.
        reason: ReasonParticipantLeft,
        /// What its leg did, as far as is known.
        stats: Option<Box<LegStats>>,
    },
    /// Something was played to everybody, or to one participant, to its end; or it was not.
    Announced {
        /// What was to be played.
        url: String,
        /// The one it was for.
        to: Option<Participant>,
        /// Why it was not heard, or not to its end.
        failure: Option<String>,
    },
    /// Somebody else speaks now than before, or nobody does. Ours: Twilio has no such event.
    Speaker {
        /// Who.
        call: Option<CallSid>,
    },
}

word_enum! {
    /// What happens to participants that stay.
    ParticipantHappening {
        /// It is in the room.
        Joined = "participant-join",
        /// It is heard by nobody.
        Muted = "participant-mute",
        /// It is heard again.
        Unmuted = "participant-unmute",
        /// It hears hold audio.
        Held = "participant-hold",
        /// It hears the room again.
        Unheld = "participant-unhold",
        /// Something else about it changed.
        Modified = "participant-modify",
        /// It speaks.
        SpeechStarted = "participant-speech-start",
        /// It has stopped speaking.
        SpeechStopped = "participant-speech-stop",
    }
}

word_enum! {
    /// Why a participant left.
    ReasonParticipantLeft {
        /// Its call ended by itself.
        HungUp = "participant_hung_up",
        /// It was removed, or its call redirected or ended, over the API.
        UpdatedViaApi = "participant_updated_via_api",
        /// Somebody with `EndConferenceOnExit` ended the conference for all.
        ModeratorEnded = "moderator_ended_conference",
        /// The API ended the conference.
        ConferenceEndedViaApi = "conference_ended_via_api",
        /// Its call never came about.
        AddFailed = "participant_add_failed",
    }
}

impl ConferenceEvent {
    /// Its name on the wire.
    pub fn name(&self) -> &'static str {
        match &self.happening {
            Happening::Started => "conference-start",
            Happening::Ended { .. } => "conference-end",
            Happening::Participant(happening, _) => happening.as_str(),
            Happening::Left { .. } => "participant-leave",
            Happening::Announced { failure: None, .. } => "announcement-end",
            Happening::Announced { failure: Some(_), .. } => "announcement-fail",
            Happening::Speaker { .. } => "active-speaker",
        }
    }

    /// It is of the moment: who speaks changes so often that what else happened would be lost among it.
    pub fn is_fleeting(&self) -> bool {
        match &self.happening {
            Happening::Participant(happening, _) => {
                matches!(happening, ParticipantHappening::SpeechStarted | ParticipantHappening::SpeechStopped)
            }
            Happening::Speaker { .. } => true,
            Happening::Started | Happening::Ended { .. } | Happening::Left { .. } | Happening::Announced { .. } => {
                false
            }
        }
    }

    /// The participant it is about, if it is about one.
    pub fn call_sid(&self) -> Option<CallSid> {
        match &self.happening {
            Happening::Participant(_, participant)
            | Happening::Left { participant, .. }
            | Happening::Announced { to: Some(participant), .. } => Some(participant.call_sid),
            Happening::Speaker { call } => *call,
            Happening::Started | Happening::Ended { .. } | Happening::Announced { to: None, .. } => None,
        }
    }

    /// What a leg did, where the event tells that.
    pub fn leg_stats(&self) -> Option<&LegStats> {
        match &self.happening {
            Happening::Left { stats, .. } => stats.as_deref(),
            _ => None,
        }
    }

    /// Its parameters on the wire, in the contract's order and spelling.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut list = vec![
            ("StatusCallbackEvent", self.name().to_owned()),
            ("ConferenceSid", self.conference_sid.to_string()),
            ("FriendlyName", self.friendly_name.clone()),
            ("AccountSid", self.account_sid.to_string()),
            ("SequenceNumber", self.sequence_number.to_string()),
            ("Timestamp", self.at.rfc2822()),
        ];
        match &self.happening {
            Happening::Started => {}
            Happening::Ended { reason, by } => {
                if let Some((call, label)) = by {
                    list.push(("CallSidEndingConference", call.to_string()));
                    list.extend(label.clone().map(|label| ("ParticipantLabelEndingConference", label)));
                }
                list.push(("ReasonConferenceEnded", reason.to_string()));
                list.push(("Reason", prose(*reason, by.as_ref().map(|(call, _)| *call))));
            }
            Happening::Participant(_, participant) => list.extend(participant_set(participant)),
            Happening::Left { participant, call_status, reason, .. } => {
                list.extend(participant_set(participant));
                list.push(("ParticipantCallStatus", call_status.to_string()));
                list.push(("ReasonParticipantLeft", reason.to_string()));
            }
            Happening::Announced { url, to, failure } => {
                list.push(("AnnounceUrl", url.clone()));
                list.extend(failure.clone().map(|failure| ("ReasonAnnouncementFailed", failure)));
                list.extend(to.iter().flat_map(participant_set));
            }
            Happening::Speaker { call } => list.extend(call.map(|call| ("CallSid", call.to_string()))),
        }
        list
    }
}

/// What every event about a participant says of it.
fn participant_set(participant: &Participant) -> Vec<(&'static str, String)> {
    let mut set = vec![
        ("CallSid", participant.call_sid.to_string()),
        ("Muted", participant.muted.to_string()),
        ("Hold", participant.hold.to_string()),
        ("Coaching", participant.coaching.to_string()),
        ("EndConferenceOnExit", participant.end_conference_on_exit.to_string()),
        ("StartConferenceOnEnter", participant.start_conference_on_enter.to_string()),
    ];
    set.extend(participant.label.clone().map(|label| ("ParticipantLabel", label)));
    set.extend(participant.call_sid_to_coach.map(|coached| ("CallSidToCoach", coached.to_string())));
    set
}

/// The reason in a sentence.
fn prose(reason: ReasonConferenceEnded, by: Option<CallSid>) -> String {
    let who = by.map_or_else(|| "A participant".to_owned(), |call| format!("Participant {call}"));
    match reason {
        ReasonConferenceEnded::ViaApi => "The conference was ended via the API".to_owned(),
        ReasonConferenceEnded::EndOnExitLeft => format!("{who} with EndConferenceOnExit left"),
        ReasonConferenceEnded::EndOnExitKicked => format!("{who} with EndConferenceOnExit was removed"),
        ReasonConferenceEnded::LastKicked => format!("{who}, the last one, was removed"),
        ReasonConferenceEnded::LastLeft => format!("{who}, the last one, left"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ParticipantStatus, Tuning};

    fn event(happening: Happening) -> ConferenceEvent {
        ConferenceEvent {
            seq: 42,
            account_sid: AccountSid::from_bits(1),
            conference_sid: ConferenceSid::from_bits(2),
            friendly_name: "standup".to_owned(),
            sequence_number: 7,
            at: Timestamp::from_micros(1_770_714_487_000_000),
            happening,
        }
    }

    fn participant() -> Participant {
        Participant {
            call_sid: CallSid::from_bits(3),
            conference_sid: ConferenceSid::from_bits(2),
            account_sid: AccountSid::from_bits(1),
            label: Some("customer".to_owned()),
            muted: true,
            hold: false,
            coaching: true,
            call_sid_to_coach: Some(CallSid::from_bits(4)),
            start_conference_on_enter: true,
            end_conference_on_exit: false,
            beep_on_exit: false,
            tuning: Tuning::default(),
            status: ParticipantStatus::Connected,
            created: Timestamp::from_micros(0),
            updated: Timestamp::from_micros(0),
            seq: 1,
        }
    }

    /// Name, call, and what comes after the six parameters that every event has.
    fn told(happening: Happening) -> (&'static str, Option<CallSid>, String) {
        let event = event(happening);
        let parameters = event.parameters();
        let (common, own) = parameters.split_at(6);
        let common: Vec<_> = common.iter().map(|(_, value)| value.as_str()).collect();
        let (conference, account) = (event.conference_sid.to_string(), event.account_sid.to_string());
        let date = "Tue, 10 Feb 2026 09:08:07 +0000";
        assert_eq!(common, [event.name(), &conference, "standup", &account, "7", date]);
        let own = own.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        (event.name(), event.call_sid(), own)
    }

    #[test]
    fn every_event_is_told_as_the_contract_lists_it() {
        let zeros = |digit| format!("{digit:032}");
        let set = format!(
            "CallSid=CA{}&Muted=true&Hold=false&Coaching=true&EndConferenceOnExit=false&StartConferenceOnEnter=true&\
             ParticipantLabel=customer&CallSidToCoach=CA{}",
            zeros(3),
            zeros(4)
        );
        let call = Some(CallSid::from_bits(3));
        for (happening, want) in [
            (Happening::Started, ("conference-start", None, String::new())),
            (
                Happening::Ended {
                    reason: ReasonConferenceEnded::LastLeft,
                    by: Some((CallSid::from_bits(3), Some("customer".to_owned()))),
                },
                (
                    "conference-end",
                    None,
                    format!(
                        "CallSidEndingConference=CA{three}&ParticipantLabelEndingConference=customer&\
                         ReasonConferenceEnded=last-participant-left&Reason=Participant CA{three}, the last one, left",
                        three = zeros(3)
                    ),
                ),
            ),
            (
                Happening::Ended { reason: ReasonConferenceEnded::ViaApi, by: None },
                (
                    "conference-end",
                    None,
                    "ReasonConferenceEnded=conference-ended-via-api&Reason=The conference was ended via the API"
                        .to_owned(),
                ),
            ),
            (
                Happening::Participant(ParticipantHappening::Joined, participant()),
                ("participant-join", call, set.clone()),
            ),
            (
                Happening::Left {
                    participant: participant(),
                    call_status: CallStatus::Completed,
                    reason: ReasonParticipantLeft::HungUp,
                    stats: None,
                },
                (
                    "participant-leave",
                    call,
                    format!("{set}&ParticipantCallStatus=completed&ReasonParticipantLeft=participant_hung_up"),
                ),
            ),
            (
                Happening::Announced { url: "http://a.test/".to_owned(), to: None, failure: None },
                ("announcement-end", None, "AnnounceUrl=http://a.test/".to_owned()),
            ),
            (
                Happening::Announced {
                    url: "http://a.test/".to_owned(),
                    to: Some(participant()),
                    failure: Some("404".to_owned()),
                },
                ("announcement-fail", call, format!("AnnounceUrl=http://a.test/&ReasonAnnouncementFailed=404&{set}")),
            ),
            (Happening::Speaker { call }, ("active-speaker", call, format!("CallSid=CA{}", zeros(3)))),
            (Happening::Speaker { call: None }, ("active-speaker", None, String::new())),
        ] {
            assert_eq!(told(happening), want);
        }
    }
}
