//! After a crash: what was live is over.

use model::Timestamp;
use sqlx::{Executor, Row as _};

use crate::{Store, StoreError};

/// What a restart found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The highest `seq` in use; the switch goes on from the next one. 0 in an empty database.
    pub seq_max: i64,
    /// Calls that were cut off.
    pub calls_ended: u64,
    /// Conferences that were cut off.
    pub conferences_ended: u64,
    /// Participants that were cut off.
    pub participants_ended: u64,
}

impl Store {
    /// Ends what a crash left live, as of `now`; called once, before anything new is written.
    ///
    /// Nobody knows when the calls ended: the restart is the first moment it is certain that they have.
    pub async fn recover(&self, now: Timestamp) -> Result<Recovered, StoreError> {
        // Answered and over; or it could not be placed (rest-voice §3.5).
        const CALLS: &str = "UPDATE calls SET status = CASE WHEN answered IS NULL THEN 'failed' ELSE 'completed' END, \
            ended = $1, updated = $1 WHERE status IN ('queued', 'ringing', 'in-progress')";
        const PARTICIPANTS: &str = "UPDATE participants \
            SET status = CASE WHEN status = 'connected' THEN 'complete' ELSE 'failed' END, updated = $1 \
            WHERE status IN ('queued', 'connecting', 'ringing', 'connected')";
        // All its legs are gone (rest-voice §4.3).
        const CONFERENCES: &str = "UPDATE conferences \
            SET status = 'completed', reason_ended = 'last-participant-left', updated = $1 \
            WHERE status IN ('init', 'in-progress')";
        const SEQ_MAX: &str = "SELECT MAX(seq) AS seq_max FROM (SELECT 0 AS seq \
            UNION ALL SELECT MAX(seq) FROM calls \
            UNION ALL SELECT MAX(seq) FROM conferences \
            UNION ALL SELECT MAX(seq) FROM participants \
            UNION ALL SELECT MAX(seq) FROM incoming_phone_numbers \
            UNION ALL SELECT MAX(seq) FROM applications \
            UNION ALL SELECT MAX(seq) FROM sip_domains \
            UNION ALL SELECT MAX(seq) FROM sip_domain_mappings \
            UNION ALL SELECT MAX(seq) FROM credential_lists \
            UNION ALL SELECT MAX(seq) FROM credentials \
            UNION ALL SELECT MAX(seq) FROM ip_access_control_lists \
            UNION ALL SELECT MAX(seq) FROM ip_addresses \
            UNION ALL SELECT MAX(seq) FROM outgoing_caller_ids \
            UNION ALL SELECT MAX(seq) FROM queues \
            UNION ALL SELECT MAX(seq) FROM deleted_places \
            UNION ALL SELECT MAX(seq) FROM workspaces \
            UNION ALL SELECT MAX(seq) FROM activities \
            UNION ALL SELECT MAX(seq) FROM task_channels \
            UNION ALL SELECT MAX(seq) FROM workers \
            UNION ALL SELECT MAX(seq) FROM worker_channels \
            UNION ALL SELECT MAX(seq) FROM task_queues \
            UNION ALL SELECT MAX(seq) FROM workflows \
            UNION ALL SELECT MAX(seq) FROM tasks \
            UNION ALL SELECT MAX(seq) FROM reservations \
            UNION ALL SELECT MAX(seq) FROM transfers \
            UNION ALL SELECT MAX(seq) FROM routing_places \
            UNION ALL SELECT MAX(seq) FROM task_router_events \
            UNION ALL SELECT MAX(seq) FROM events \
            UNION ALL SELECT MAX(seq) FROM outbox \
            UNION ALL SELECT MAX(seq) FROM notifications) AS every";

        let mut transaction = self.writer.begin().await?;
        let mut ended = [0; 3];
        for (ended, sql) in ended.iter_mut().zip([CALLS, CONFERENCES, PARTICIPANTS]) {
            *ended = transaction.execute(sqlx::query(sql).bind(now.micros())).await?.rows_affected();
        }
        let seq_max = transaction.fetch_one(SEQ_MAX).await?.try_get("seq_max")?;
        transaction.commit().await?;
        let [calls_ended, conferences_ended, participants_ended] = ended;
        Ok(Recovered { seq_max, calls_ended, conferences_ended, participants_ended })
    }
}

#[cfg(test)]
mod tests {
    use model::{CallStatus, ConferenceStatus, ParticipantStatus, ReasonConferenceEnded};

    use super::*;
    use crate::testing::{ACCOUNT, call, conference, open, participant};
    use crate::{Page, ParticipantFilter, Position, Row};

    const RESTART: Timestamp = Timestamp::from_micros(1_000_000_000_000);

    /// The files as a killed process leaves them: copied while they are open, with everything still in the WAL.
    async fn killed_with(rows: &[Row]) -> (tempfile::TempDir, Store) {
        let (scratch, store) = open().await;
        store.commit(rows).await.expect("writes");
        let after = tempfile::tempdir().expect("a scratch directory");
        for file in ["partyline.db", "partyline.db-wal"] {
            std::fs::copy(scratch.path().join(file), after.path().join(file)).expect("copies");
        }
        let store = Store::open(&after.path().join("partyline.db")).await.expect("opens");
        (after, store)
    }

    #[tokio::test]
    async fn nothing_stays_live_and_what_was_over_stays_as_it_was() {
        let room = conference(0);
        let mut over = conference(1);
        over.status = ConferenceStatus::Completed;
        over.reason_ended = Some(ReasonConferenceEnded::ViaApi);
        let mut ringing = call(1);
        (ringing.status, ringing.answered) = (CallStatus::Ringing, None);
        let mut busy = call(2);
        (busy.status, busy.answered, busy.ended) = (CallStatus::Busy, None, busy.started);
        let mut joining = participant(room.sid, 1);
        joining.status = ParticipantStatus::Ringing;
        let (_scratch, store) = killed_with(&[
            Row::Call(call(0)),
            Row::Call(ringing.clone()),
            Row::Call(busy.clone()),
            Row::Conference(room.clone()),
            Row::Conference(over.clone()),
            Row::Participant(participant(room.sid, 0)),
            Row::Participant(joining),
        ])
        .await;

        let recovered = store.recover(RESTART).await.expect("recovers");
        assert_eq!(recovered, Recovered { seq_max: 3, calls_ended: 2, conferences_ended: 1, participants_ended: 2 });

        for (case, before, status, ended) in [
            ("answered", call(0), CallStatus::Completed, Some(RESTART)),
            ("not answered", ringing, CallStatus::Failed, Some(RESTART)),
            ("over before", busy.clone(), CallStatus::Busy, busy.ended),
        ] {
            let after = store.call(ACCOUNT, before.sid).await.expect("reads").expect("is there");
            assert_eq!((after.status, after.ended), (status, ended), "{case}");
        }
        let after = store.conference(ACCOUNT, room.sid).await.expect("reads").expect("is there");
        assert_eq!(after.status, ConferenceStatus::Completed);
        assert_eq!(after.reason_ended, Some(ReasonConferenceEnded::LastLeft));
        assert_eq!(store.conference(ACCOUNT, over.sid).await.expect("reads"), Some(over));
        let page = Page { size: 50, position: Position::Offset(0) };
        let listed = store.participants(ACCOUNT, room.sid, &ParticipantFilter::default(), page).await.expect("reads");
        assert_eq!(listed.rows, []);

        let again = store.recover(RESTART).await.expect("recovers");
        assert_eq!(again, Recovered { seq_max: 3, ..Recovered::default() }, "a clean restart ends nothing");
    }

    #[tokio::test]
    async fn an_empty_database_starts_from_zero() {
        let (_scratch, store) = open().await;
        assert_eq!(store.recover(RESTART).await.expect("recovers"), Recovered::default());
    }
}
