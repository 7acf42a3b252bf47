//! Participants.

use model::{AccountSid, CallSid, ConferenceSid, Participant, Tuning};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::column::{flag, narrow, number, storable, text_if, time, word, word_if};
use crate::insert::{Bindings, Insert};
use crate::select::Select;
use crate::{Page, Rows, Store, StoreError};

/// Which participants to list; what is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParticipantFilter {
    /// Muted or not.
    pub muted: Option<bool>,
    /// On hold or not.
    pub hold: Option<bool>,
    /// Coaching or not.
    pub coaching: Option<bool>,
}

impl Store {
    /// The participant with that call, if it has not left.
    pub async fn participant(
        &self,
        account: AccountSid,
        conference: ConferenceSid,
        call: CallSid,
    ) -> Result<Option<Participant>, StoreError> {
        present(account, conference).push(" AND call_sid = ", call.to_string()).first(&self.readers, decode).await
    }

    /// The participant with that label, if it has not left.
    pub async fn participant_labelled(
        &self,
        account: AccountSid,
        conference: ConferenceSid,
        label: &str,
    ) -> Result<Option<Participant>, StoreError> {
        present(account, conference).push(" AND label = ", label.to_owned()).first(&self.readers, decode).await
    }

    /// Who has not left this conference.
    pub async fn participants(
        &self,
        account: AccountSid,
        conference: ConferenceSid,
        filter: &ParticipantFilter,
        page: Page,
    ) -> Result<Rows<Participant>, StoreError> {
        present(account, conference)
            .push_if(" AND muted = ", filter.muted)
            .push_if(" AND hold = ", filter.hold)
            .push_if(" AND coaching = ", filter.coaching)
            .page(page, &self.readers, decode)
            .await
    }

    /// Where the participant with that call stands in the list, gone or not, so that a page can start from it.
    pub async fn participant_seq(
        &self,
        account: AccountSid,
        conference: ConferenceSid,
        call: CallSid,
    ) -> Result<Option<i64>, StoreError> {
        Select::new("SELECT seq FROM participants WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND conference_sid = ", conference.to_string())
            .push(" AND call_sid = ", call.to_string())
            .first(&self.readers, |row| number(row, "seq"))
            .await
    }
}

fn present(account: AccountSid, conference: ConferenceSid) -> Select {
    Select::new("SELECT * FROM participants WHERE status NOT IN ('complete', 'failed')")
        .push(" AND account_sid = ", account.to_string())
        .push(" AND conference_sid = ", conference.to_string())
}

/// Writes the participants as they are now, each of them named once. A call that comes back to the same conference takes
/// its old row, at a new place in the list.
pub(crate) async fn save(participants: &[&Participant], connection: &mut SqliteConnection) -> Result<(), StoreError> {
    static SAVE: Insert = Insert::new(
        "INSERT INTO participants (conference_sid, call_sid, account_sid, label, muted, hold, coaching, \
            call_sid_to_coach, start_conference_on_enter, end_conference_on_exit, beep_on_exit, status, created, \
            updated, seq, gain_db, noise_suppression, jitter_buffer_size, data_mode) VALUES",
        19,
        "ON CONFLICT (conference_sid, call_sid) DO UPDATE SET label = excluded.label, muted = excluded.muted, \
            hold = excluded.hold, coaching = excluded.coaching, call_sid_to_coach = excluded.call_sid_to_coach, \
            start_conference_on_enter = excluded.start_conference_on_enter, \
            end_conference_on_exit = excluded.end_conference_on_exit, beep_on_exit = excluded.beep_on_exit, \
            status = excluded.status, created = excluded.created, updated = excluded.updated, seq = excluded.seq, \
            gain_db = excluded.gain_db, noise_suppression = excluded.noise_suppression, \
            jitter_buffer_size = excluded.jitter_buffer_size, data_mode = excluded.data_mode",
    );
    fn bind<'q>(row: Bindings<'q>, participant: &'q &Participant) -> Result<Bindings<'q>, StoreError> {
        Ok(row
            .bind(participant.conference_sid.to_string())
            .bind(participant.call_sid.to_string())
            .bind(participant.account_sid.to_string())
            .bind(participant.label.as_deref().map(|label| storable(label, "participants.label")).transpose()?)
            .bind(i64::from(participant.muted))
            .bind(i64::from(participant.hold))
            .bind(i64::from(participant.coaching))
            .bind(participant.call_sid_to_coach.map(|sid| sid.to_string()))
            .bind(i64::from(participant.start_conference_on_enter))
            .bind(i64::from(participant.end_conference_on_exit))
            .bind(i64::from(participant.beep_on_exit))
            .bind(participant.status.as_str())
            .bind(participant.created.micros())
            .bind(participant.updated.micros())
            .bind(participant.seq)
            .bind(i64::from(participant.tuning.gain_db))
            .bind(i64::from(participant.tuning.noise_suppression))
            .bind(participant.tuning.jitter_buffer_size.as_str())
            .bind(i64::from(participant.tuning.data_mode)))
    }
    SAVE.run(participants, connection, bind).await
}

pub(crate) fn decode(row: &SqliteRow) -> Result<Participant, StoreError> {
    Ok(Participant {
        call_sid: word(row, "call_sid")?,
        conference_sid: word(row, "conference_sid")?,
        account_sid: word(row, "account_sid")?,
        label: text_if(row, "label")?,
        muted: flag(row, "muted")?,
        hold: flag(row, "hold")?,
        coaching: flag(row, "coaching")?,
        call_sid_to_coach: word_if(row, "call_sid_to_coach")?,
        start_conference_on_enter: flag(row, "start_conference_on_enter")?,
        end_conference_on_exit: flag(row, "end_conference_on_exit")?,
        beep_on_exit: flag(row, "beep_on_exit")?,
        tuning: Tuning {
            gain_db: narrow(row, "gain_db")?,
            noise_suppression: flag(row, "noise_suppression")?,
            jitter_buffer_size: word(row, "jitter_buffer_size")?,
            data_mode: flag(row, "data_mode")?,
        },
        status: word(row, "status")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

#[cfg(test)]
mod tests {
    use model::{JitterBufferSize, ParticipantStatus};

    use super::*;
    use crate::testing::{ACCOUNT, call, conference, open, participant};
    use crate::{Position, Row};

    #[tokio::test]
    async fn only_those_present_are_found_by_call_label_or_filter() {
        let (_scratch, store) = open().await;
        let room = conference(0).sid;
        let mut ana = participant(room, 0);
        (ana.label, ana.muted) = (Some("ana".to_owned()), true);
        let mut ben = participant(room, 1);
        (ben.coaching, ben.call_sid_to_coach) = (true, Some(ana.call_sid));
        ben.tuning = Tuning {
            gain_db: -20,
            noise_suppression: true,
            jitter_buffer_size: JitterBufferSize::Off,
            data_mode: true,
        };
        let mut gone = participant(room, 2);
        (gone.label, gone.status) = (Some("gone".to_owned()), ParticipantStatus::Complete);
        let elsewhere = participant(conference(1).sid, 3);
        store.commit(&[ana.clone(), ben.clone(), gone, elsewhere].map(Row::Participant)).await.expect("writes");

        assert_eq!(store.participant(ACCOUNT, room, call(0).sid).await.expect("reads"), Some(ana.clone()));
        assert_eq!(store.participant(ACCOUNT, room, call(2).sid).await.expect("reads"), None, "gone");
        assert_eq!(store.participant(ACCOUNT, room, call(3).sid).await.expect("reads"), None, "elsewhere");
        assert_eq!(store.participant_labelled(ACCOUNT, room, "ana").await.expect("reads"), Some(ana.clone()));
        assert_eq!(store.participant_labelled(ACCOUNT, room, "gone").await.expect("reads"), None);
        assert_eq!(store.participant_seq(ACCOUNT, room, call(2).sid).await.expect("reads"), Some(3));

        let none = ParticipantFilter::default;
        for (case, filter, want) in [
            ("none", none(), vec![&ben, &ana]),
            ("muted", ParticipantFilter { muted: Some(true), ..none() }, vec![&ana]),
            ("not muted", ParticipantFilter { muted: Some(false), ..none() }, vec![&ben]),
            ("coaching", ParticipantFilter { coaching: Some(true), ..none() }, vec![&ben]),
            ("on hold", ParticipantFilter { hold: Some(true), ..none() }, vec![]),
        ] {
            let page = Page { size: 50, position: Position::Offset(0) };
            let rows = store.participants(ACCOUNT, room, &filter, page).await.expect("reads").rows;
            assert_eq!(rows.iter().collect::<Vec<_>>(), want, "{case}");
        }
    }
}
