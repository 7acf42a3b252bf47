//! After a crash: what was live is over, and the log tells so.

use std::collections::HashMap;

use model::{
    AccountEvent, Call, CallStatus, CallStep, CallStepEvent, Conference, ConferenceEvent, ConferenceSid, Happening,
    Participant, ParticipantStatus, ReasonConferenceEnded, ReasonParticipantLeft, Timestamp,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Row as _, SqliteConnection};

use crate::column::{narrow, word};
use crate::{Store, StoreError, call, conference, event, participant};

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
        // How far each live conference has counted its own events.
        const COUNTED: &str = "SELECT conference_sid, MAX(CAST(json_extract(data, '$.SequenceNumber') AS INTEGER)) AS n \
            FROM events WHERE conference_sid IN (SELECT sid FROM conferences WHERE status IN ('init', 'in-progress')) \
            GROUP BY conference_sid";
        // Answered and over; or it could not be placed (rest-voice §3.5).
        const CALLS: &str = "UPDATE calls SET status = CASE WHEN answered IS NULL THEN 'failed' ELSE 'completed' END, \
            ended = $1, updated = $1 WHERE status IN ('queued', 'ringing', 'in-progress') RETURNING *";
        const PARTICIPANTS: &str = "UPDATE participants \
            SET status = CASE WHEN status = 'connected' THEN 'complete' ELSE 'failed' END, updated = $1 \
            WHERE status IN ('queued', 'connecting', 'ringing', 'connected') RETURNING *";
        // All its legs are gone (rest-voice §4.3).
        const CONFERENCES: &str = "UPDATE conferences \
            SET status = 'completed', reason_ended = 'last-participant-left', updated = $1 \
            WHERE status IN ('init', 'in-progress') RETURNING *";
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
        let seq_max = transaction.fetch_one(SEQ_MAX).await?.try_get("seq_max")?;
        let mut counted = HashMap::new();
        for row in transaction.fetch_all(COUNTED).await? {
            counted.insert(word(&row, "conference_sid")?, narrow(&row, "n")?);
        }
        let mut calls = end(CALLS, call::decode, now, &mut transaction).await?;
        let mut participants = end(PARTICIPANTS, participant::decode, now, &mut transaction).await?;
        let mut conferences = end(CONFERENCES, conference::decode, now, &mut transaction).await?;
        calls.sort_unstable_by_key(|call| call.seq);
        participants.sort_unstable_by_key(|participant| participant.seq);
        conferences.sort_unstable_by_key(|conference| conference.seq);
        let mut recovered = Recovered {
            seq_max,
            calls_ended: calls.len() as u64,
            conferences_ended: conferences.len() as u64,
            participants_ended: participants.len() as u64,
        };
        // Whoever follows the log has been told how these began.
        let mut endings = endings(now, calls, participants, conferences, counted);
        for event in &mut endings {
            recovered.seq_max += 1;
            event.set_seq(recovered.seq_max);
        }
        event::save(&endings.iter().collect::<Vec<_>>(), &mut transaction).await?;
        transaction.commit().await?;
        Ok(recovered)
    }
}

/// Ends rows of one kind; as they are then.
async fn end<T>(
    sql: &'static str,
    decode: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    now: Timestamp,
    connection: &mut SqliteConnection,
) -> Result<Vec<T>, StoreError> {
    let ended = sqlx::query(sql).bind(now.micros()).fetch_all(connection).await?;
    ended.iter().map(decode).collect()
}

/// What the log has to tell of them, in the order in which the switch would.
fn endings(
    now: Timestamp,
    calls: Vec<Call>,
    participants: Vec<Participant>,
    conferences: Vec<Conference>,
    mut counted: HashMap<ConferenceSid, u32>,
) -> Vec<AccountEvent> {
    let statuses: HashMap<_, _> = calls.iter().map(|call| (call.sid, call.status)).collect();
    let names: HashMap<_, _> = conferences.iter().map(|row| (row.sid, row.friendly_name.clone())).collect();
    let mut events = Vec::with_capacity(calls.len() + participants.len() + conferences.len());
    events.extend(calls.into_iter().map(|call| {
        let step = CallStep::Completed;
        AccountEvent::Call(CallStepEvent { seq: 0, at: now, step, sip_response_code: None, call })
    }));
    let mut happens = |account_sid, conference_sid, happening| {
        let friendly_name = names.get(&conference_sid)?.clone();
        let sequence_number = counted.entry(conference_sid).or_default();
        *sequence_number += 1;
        let sequence_number = *sequence_number;
        let event =
            ConferenceEvent { seq: 0, account_sid, conference_sid, friendly_name, sequence_number, at: now, happening };
        Some(AccountEvent::Conference(event))
    };
    events.extend(participants.into_iter().filter_map(|participant| {
        let (account, conference) = (participant.account_sid, participant.conference_sid);
        let reason = match participant.status {
            ParticipantStatus::Failed => ReasonParticipantLeft::AddFailed,
            _ => ReasonParticipantLeft::HungUp,
        };
        let call_status = statuses.get(&participant.call_sid).copied().unwrap_or(CallStatus::Completed);
        happens(account, conference, Happening::Left { participant, call_status, reason, stats: None })
    }));
    events.extend(conferences.iter().filter_map(|conference| {
        let ended = Happening::Ended { reason: ReasonConferenceEnded::LastLeft, by: None };
        happens(conference.account_sid, conference.sid, ended)
    }));
    events
}

#[cfg(test)]
mod tests {
    use model::ConferenceStatus;

    use super::*;
    use crate::testing::{ACCOUNT, call, conference, event, open, participant};
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
            Row::Event(ConferenceEvent { seq: 7, sequence_number: 11, ..event(0) }.into()),
        ])
        .await;

        let recovered = store.recover(RESTART).await.expect("recovers");
        assert_eq!(recovered, Recovered { seq_max: 12, calls_ended: 2, conferences_ended: 1, participants_ended: 2 });

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

        let told = store.events(ACCOUNT, 7, 50).await.expect("reads").0.rows;
        let shown = told.iter().map(|event| {
            let names = ["SequenceNumber", "CallStatus", "ParticipantCallStatus", "ReasonParticipantLeft"];
            let shown = names.iter().filter_map(|name| event.parameters.get(*name).map(String::as_str));
            let words = [event.name.as_str()].into_iter().chain(shown).collect::<Vec<_>>().join(" ");
            (event.seq, words, event.call_sid)
        });
        let (first, second) = (Some(call(0).sid), Some(call(1).sid));
        let want = [
            (8, "call-completed completed", first),
            (9, "call-completed failed", second),
            (10, "participant-leave 12 completed participant_hung_up", first),
            (11, "participant-leave 13 failed participant_add_failed", second),
            (12, "conference-end 14", None),
        ];
        assert_eq!(shown.collect::<Vec<_>>(), want.map(|(seq, words, call)| (seq, words.to_owned(), call)));

        let again = store.recover(RESTART).await.expect("recovers");
        assert_eq!(again, Recovered { seq_max: 12, ..Recovered::default() }, "a clean restart ends nothing");
    }

    #[tokio::test]
    async fn an_empty_database_starts_from_zero() {
        let (_scratch, store) = open().await;
        assert_eq!(store.recover(RESTART).await.expect("recovers"), Recovered::default());
    }
}
