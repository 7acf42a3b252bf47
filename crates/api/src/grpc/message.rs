//! From rows to messages.

use std::fmt::Display;

use model::{ConferenceStatus, ParticipantStatus, Timestamp};
use store::LoggedEvent;

use super::proto;

impl From<&model::Conference> for proto::Conference {
    fn from(conference: &model::Conference) -> Self {
        let status = match conference.status {
            ConferenceStatus::Init => proto::ConferenceStatus::Init,
            ConferenceStatus::InProgress => proto::ConferenceStatus::InProgress,
            ConferenceStatus::Completed => proto::ConferenceStatus::Completed,
        };
        Self {
            sid: conference.sid.to_string(),
            account_sid: conference.account_sid.to_string(),
            friendly_name: conference.friendly_name.clone(),
            status: status.into(),
            reason_conference_ended: text(conference.reason_ended),
            call_sid_ending_conference: text(conference.call_sid_ending),
            date_created: time(conference.created),
            date_updated: time(conference.updated),
        }
    }
}

impl From<&model::Participant> for proto::Participant {
    fn from(participant: &model::Participant) -> Self {
        let status = match participant.status {
            ParticipantStatus::Queued => proto::ParticipantStatus::Queued,
            ParticipantStatus::Connecting => proto::ParticipantStatus::Connecting,
            ParticipantStatus::Ringing => proto::ParticipantStatus::Ringing,
            ParticipantStatus::Connected => proto::ParticipantStatus::Connected,
            ParticipantStatus::Complete => proto::ParticipantStatus::Complete,
            ParticipantStatus::Failed => proto::ParticipantStatus::Failed,
        };
        Self {
            call_sid: participant.call_sid.to_string(),
            conference_sid: participant.conference_sid.to_string(),
            account_sid: participant.account_sid.to_string(),
            label: participant.label.clone().unwrap_or_default(),
            status: status.into(),
            muted: participant.muted,
            hold: participant.hold,
            coaching: participant.coaching,
            call_sid_to_coach: text(participant.call_sid_to_coach),
            start_conference_on_enter: participant.start_conference_on_enter,
            end_conference_on_exit: participant.end_conference_on_exit,
            gain_db: participant.tuning.gain_db.into(),
            date_created: time(participant.created),
            date_updated: time(participant.updated),
        }
    }
}

impl proto::Event {
    /// One event of that account.
    pub(super) fn of(account: model::AccountSid, event: &LoggedEvent) -> Self {
        Self {
            seq: event.seq,
            r#type: event.name.clone(),
            account_sid: account.to_string(),
            conference_sid: text(event.conference_sid),
            call_sid: text(event.call_sid),
            queue_sid: text(event.queue_sid),
            date_created: time(event.at),
            parameters: event.parameters.clone().into_iter().collect(),
        }
    }
}

/// Nothing is an empty string.
fn text(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn time(at: Timestamp) -> Option<prost_types::Timestamp> {
    let micros = at.micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or_default();
    Some(prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos })
}
