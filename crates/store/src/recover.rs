//! After a crash: what was live is over, and the log tells so.
//!
//! A program that is killed loses nothing that it has committed, but a machine that loses its power may lose the last
//! commits, though what was in them has been told. Numbers are not given twice all the same: every start goes on far
//! beyond the last one it finds ([`SEQ_SKIP`]), so that whoever goes on from one that is lost is told that there is a gap.

use std::collections::{BTreeMap, HashMap};

use model::{
    AccountEvent, Call, CallSid, CallStatus, CallStep, CallStepEvent, Conference, ConferenceEvent, ConferenceSid,
    Happening, Participant, ParticipantStatus, QueueEvent, QueueHappening, QueueResult, QueueSid,
    ReasonConferenceEnded, ReasonParticipantLeft, Timestamp,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Executor, Row as _, SqliteConnection};

use crate::column::{narrow, number, text, time, word};
use crate::{Store, StoreError, call, conference, event, participant};

/// What a restart found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The switch goes on from the next one: none beyond it has ever been given, as far as anybody knows. 0 in an empty
    /// database.
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
        const QUEUED: &str = "SELECT seq, account_sid, type, call_sid, queue_sid, data, created FROM events \
            WHERE type IN ('queue-join', 'queue-leave') \
            AND call_sid IN (SELECT sid FROM calls WHERE status IN ('queued', 'ringing', 'in-progress')) ORDER BY seq";
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
        let seq_found: i64 = transaction.fetch_one(SEQ_MAX).await?.try_get("seq_max")?;
        let seq_max = if seq_found == 0 { 0 } else { seq_found.saturating_add(SEQ_SKIP) };
        let mut counted = HashMap::new();
        for row in transaction.fetch_all(COUNTED).await? {
            counted.insert(word(&row, "conference_sid")?, narrow(&row, "n")?);
        }
        let waiting = waiting(now, &transaction.fetch_all(QUEUED).await?)?;
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
        let mut endings = endings(now, waiting, calls, participants, conferences, counted);
        for event in &mut endings {
            recovered.seq_max += 1;
            event.set_seq(recovered.seq_max);
        }
        event::save(&endings.iter().collect::<Vec<_>>(), &mut transaction).await?;
        transaction.commit().await?;
        Ok(recovered)
    }
}

/// Who waits in a queue, as far as the log tells: who came last of all. That they do no longer.
fn waiting(now: Timestamp, queued: &[SqliteRow]) -> Result<Vec<QueueEvent>, StoreError> {
    let mut waiting = BTreeMap::<(CallSid, QueueSid), (i64, QueueEvent)>::new();
    for row in queued {
        let (call, queue_sid) = (word(row, "call_sid")?, word(row, "queue_sid")?);
        if text(row, "type")? == "queue-leave" {
            waiting.remove(&(call, queue_sid));
            continue;
        }
        let data = text(row, "data")?;
        let told: HashMap<String, String> =
            serde_json::from_str(&data).map_err(|_| StoreError::Unreadable { column: "data", value: data.clone() })?;
        let waited = now.since(time(row, "created")?);
        let left = QueueEvent {
            seq: 0,
            account_sid: word(row, "account_sid")?,
            queue_sid,
            friendly_name: told.get("FriendlyName").cloned().unwrap_or_default(),
            at: now,
            happening: QueueHappening::Left { call, result: QueueResult::SystemError, waited },
        };
        waiting.insert((call, queue_sid), (number(row, "seq")?, left));
    }
    let mut waiting: Vec<_> = waiting.into_values().collect();
    waiting.sort_unstable_by_key(|(came, _)| *came);
    Ok(waiting.into_iter().map(|(_, left)| left).collect())
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
    waiting: Vec<QueueEvent>,
    calls: Vec<Call>,
    participants: Vec<Participant>,
    conferences: Vec<Conference>,
    mut counted: HashMap<ConferenceSid, u32>,
) -> Vec<AccountEvent> {
    let statuses: HashMap<_, _> = calls.iter().map(|call| (call.sid, call.status)).collect();
    let names: HashMap<_, _> = conferences.iter().map(|row| (row.sid, row.friendly_name.clone())).collect();
    let mut events = Vec::with_capacity(waiting.len() + calls.len() + participants.len() + conferences.len());
    events.extend(waiting.into_iter().map(AccountEvent::Queue));
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
    events.extend(calls.into_iter().map(|call| {
        let step = CallStep::Completed;
        AccountEvent::Call(CallStepEvent { seq: 0, at: now, step, sip_response_code: None, call })
    }));
    events
}

/// Numbers passed over at each start: more than are given in the moments between two times that the disk is waited for
/// (`writer.rs`). There are 2⁶³.
pub(crate) const SEQ_SKIP: i64 = 1_000_000;

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
        let seq_max = 7 + SEQ_SKIP + 5;
        assert_eq!(recovered, Recovered { seq_max, calls_ended: 2, conferences_ended: 1, participants_ended: 2 });

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
            (event.seq - SEQ_SKIP, words, event.call_sid)
        });
        let (first, second) = (Some(call(0).sid), Some(call(1).sid));
        let want = [
            (8, "participant-leave 12 completed participant_hung_up", first),
            (9, "participant-leave 13 failed participant_add_failed", second),
            (10, "conference-end 14", None),
            (11, "call-completed completed", first),
            (12, "call-completed failed", second),
        ];
        assert_eq!(shown.collect::<Vec<_>>(), want.map(|(seq, words, call)| (seq, words.to_owned(), call)));

        let again = store.recover(RESTART).await.expect("recovers");
        let seq_max = seq_max + SEQ_SKIP;
        assert_eq!(again, Recovered { seq_max, ..Recovered::default() }, "a clean restart ends nothing");
    }

    #[tokio::test]
    async fn who_waited_waits_no_longer() {
        let (queue, other) = (QueueSid::from_bits(1), QueueSid::from_bits(2));
        let at = |seconds: i64| Timestamp::from_micros(RESTART.micros() - seconds * 1_000_000);
        let happens = |seq, queue_sid, happening| {
            let (account_sid, friendly_name) = (ACCOUNT, "support".to_owned());
            let event = QueueEvent { seq, account_sid, queue_sid, friendly_name, at: at(100 - seq), happening };
            Row::Event(AccountEvent::Queue(event))
        };
        let came =
            |seq, queue, number| happens(seq, queue, QueueHappening::Joined { call: call(number).sid, position: 1 });
        let went = |seq, queue, number| {
            let (call, result, waited) = (call(number).sid, QueueResult::Bridged, Default::default());
            happens(seq, queue, QueueHappening::Left { call, result, waited })
        };
        let mut over = call(3);
        (over.status, over.ended) = (CallStatus::Completed, Some(at(50)));
        let (_scratch, store) = killed_with(&[
            Row::Call(call(0)),
            Row::Call(call(1)),
            Row::Call(call(2)),
            Row::Call(over),
            came(10, queue, 0),
            came(11, queue, 1),
            went(12, queue, 1),
            came(13, queue, 2),
            went(14, queue, 2),
            came(15, other, 2),
            came(16, queue, 3),
        ])
        .await;
        store.recover(RESTART).await.expect("recovers");
        let told = store.events(ACCOUNT, 16, 50).await.expect("reads").0.rows;
        let told = told.iter().filter(|event| event.name == "queue-leave").map(|event| {
            let parameter = |name: &str| event.parameters[name].clone();
            (
                event.call_sid,
                event.queue_sid,
                parameter("QueueResult"),
                parameter("QueueTime"),
                parameter("FriendlyName"),
            )
        });
        let left = |number, queue, time: &str| {
            let (result, name) = ("system-error".to_owned(), "support".to_owned());
            (Some(call(number).sid), Some(queue), result, time.to_owned(), name)
        };
        assert_eq!(told.collect::<Vec<_>>(), [left(0, queue, "90"), left(2, other, "85")]);
    }

    #[tokio::test]
    async fn a_number_that_was_lost_is_not_given_again() {
        // What the second batch says has been told, and the power fails before the disk has it.
        let told = |seq| Row::Event(ConferenceEvent { seq, ..event(0) }.into());
        let (_scratch, store) = killed_with(&[told(7)]).await;
        let lost = 7 + SEQ_SKIP / 2;
        let first = store.recover(RESTART).await.expect("recovers").seq_max + 1;
        assert!(first > lost, "{first}");
        let bounds = store.log_bounds(ACCOUNT).await.expect("reads");
        assert!(lost > bounds.highest, "whoever goes on from there is told that the log ends before: {bounds:?}");
    }

    #[tokio::test]
    async fn an_empty_database_starts_from_zero() {
        let (_scratch, store) = open().await;
        assert_eq!(store.recover(RESTART).await.expect("recovers"), Recovered::default());
    }
}
