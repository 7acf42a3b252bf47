//! From rows to messages.

use std::fmt::Display;

use model::{ConferenceStatus, LegStats, ParticipantStatus, Timestamp};
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
            media_statistics: event.leg_stats.map(proto::MediaStatistics::from),
        }
    }
}

impl From<LegStats> for proto::MediaStatistics {
    fn from(stats: LegStats) -> Self {
        let score = |thousandths| Some(f64::from(thousandths) / 1_000.0).filter(|score| *score != 0.0);
        let level = |level| Some(level).filter(|level| *level != 0);
        let LegStats {
            packets_in,
            bytes_in,
            packets_out,
            bytes_out,
            lost,
            late,
            duplicates,
            jitter_us,
            gap_ms_max,
            voice_ms,
            concealed_ms,
            concealed_bursts,
            concealed_permille,
            stretched_samples,
            stretched_permille,
            drift_ppm,
            buffer_ms,
            buffer_ms_mean,
            added_delay_us,
            level_in_db,
            level_in_db_max,
            level_out_db,
            clipped,
            mos_thousandths,
            mos_recent_thousandths,
            mos_lowest_thousandths,
            wrong_source,
            malformed,
            digits_refused,
            send_errors,
            peer_lost,
            peer_jitter_us,
            round_trip_us,
        } = stats;
        Self {
            packets_in,
            bytes_in,
            packets_out,
            bytes_out,
            lost,
            late,
            duplicates,
            jitter_us,
            gap_ms_max,
            voice_ms,
            concealed_ms,
            concealed_bursts,
            concealed_permille,
            stretched_samples,
            stretched_permille,
            drift_ppm,
            buffer_ms,
            buffer_ms_mean,
            added_delay_us,
            level_in_db: level(level_in_db),
            level_in_db_max: level(level_in_db_max),
            level_out_db: level(level_out_db),
            clipped,
            mos: score(mos_thousandths),
            mos_recent: score(mos_recent_thousandths),
            mos_lowest: score(mos_lowest_thousandths),
            wrong_source,
            malformed,
            digits_refused,
            send_errors,
            peer_lost,
            peer_jitter_us,
            round_trip_us,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_statistics::shown;

    #[test]
    fn what_a_leg_did_is_told_as_rest_tells_it() {
        // Every number another one, so that none can stand for another.
        let names: Vec<_> = LegStats::default().numbers().map(|(name, _)| name).collect();
        let stats = LegStats::from_numbers(names.into_iter().zip(1_001..));
        let told = format!("{:?}", proto::MediaStatistics::from(stats));
        let rest = shown(&stats);
        assert_eq!(told.matches(": ").count(), rest.len());
        for (name, number) in &rest {
            let either = [format!("{name}: {number}"), format!("{name}: Some({number})")];
            assert!(either.iter().any(|this| told.contains(this)), "{name} is {number}: {told}");
        }
        let nothing = proto::MediaStatistics::from(LegStats::default());
        assert_eq!((nothing.mos, nothing.level_in_db, nothing.lost), (None, None, 0), "not measured, not set");
    }
}
