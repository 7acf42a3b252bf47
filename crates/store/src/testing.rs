//! What the tests of this crate start from: a scratch database, and rows to put in it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use model::{
    AccountSid, Call, CallSid, CallStatus, CallbackKind, Conference, ConferenceEvent, ConferenceSid, ConferenceStatus,
    Direction, Happening, HttpMethod, Participant, ParticipantStatus, Timestamp, Tuning,
};
use tempfile::TempDir;

use crate::{OpenCallback, Store};

/// Whose rows these are.
pub(crate) const ACCOUNT: AccountSid = AccountSid::from_bits(0xACC);

/// An empty database, and the directory that is removed when the test ends.
pub(crate) async fn open() -> (TempDir, Store) {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let store = Store::open(&scratch.path().join("partyline.db")).await.expect("opens");
    (scratch, store)
}

/// Every list and every row that any test of this crate asks for is found by an index: nothing is read from end to end
/// to see whether it fits. What is asked for without any condition of the caller's is: it is wanted whole, at the start.
pub(crate) async fn check_plan(sql: &str, has_arguments: bool) {
    static CHECKED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if !CHECKED.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.to_owned()) {
        return;
    }
    // The plan is the schema's, whatever rows there are.
    let (_scratch, store) = open().await;
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let plan = sqlx::query(explain).fetch_all(&store.readers).await.expect("explains");
    // The API asks for reservations of a task or of a worker; a test of their status asks for neither.
    let exempt = sql.contains("FROM reservations") && !sql.contains("AND task_sid") && !sql.contains("AND worker_sid");
    for step in plan.iter().map(|row| crate::column::text(row, "detail").expect("has a detail")) {
        assert!(!has_arguments || exempt || !step.starts_with("SCAN"), "{sql}: {step}");
    }
}

/// Call number `number`, in progress.
pub(crate) fn call(number: u64) -> Call {
    let at = Timestamp::from_micros(1_000_000 * i64::try_from(number).expect("small"));
    Call {
        sid: CallSid::from_bits(u128::from(number) + 1),
        account_sid: ACCOUNT,
        parent_call_sid: None,
        to: "sip:standup@bridge.test".to_owned(),
        from: "sip:ana@phone.test".to_owned(),
        caller_name: None,
        phone_number_sid: None,
        forwarded_from: None,
        answered_by: None,
        status: CallStatus::InProgress,
        direction: Direction::Inbound,
        created: at,
        updated: at,
        started: Some(at),
        answered: Some(at),
        ended: None,
        seq: i64::try_from(number).expect("small") + 1,
    }
}

/// Conference number `number`, in progress.
pub(crate) fn conference(number: u64) -> Conference {
    let at = Timestamp::from_micros(1_000_000 * i64::try_from(number).expect("small"));
    Conference {
        sid: ConferenceSid::from_bits(u128::from(number) + 1),
        account_sid: ACCOUNT,
        friendly_name: format!("room {number}"),
        status: ConferenceStatus::InProgress,
        region: "us1".to_owned(),
        reason_ended: None,
        call_sid_ending: None,
        created: at,
        updated: at,
        seq: i64::try_from(number).expect("small") + 1,
    }
}

/// Call number `number` in that conference, connected.
pub(crate) fn participant(conference: ConferenceSid, number: u64) -> Participant {
    let call = call(number);
    Participant {
        call_sid: call.sid,
        conference_sid: conference,
        account_sid: ACCOUNT,
        label: None,
        muted: false,
        hold: false,
        coaching: false,
        call_sid_to_coach: None,
        start_conference_on_enter: true,
        end_conference_on_exit: false,
        beep_on_exit: false,
        tuning: Tuning::default(),
        status: ParticipantStatus::Connected,
        created: call.created,
        updated: call.updated,
        seq: call.seq,
    }
}

/// Event number `number`, of that many seconds after 1970: its conference started.
pub(crate) fn event(number: u64) -> ConferenceEvent {
    let conference = conference(0);
    let seconds = i64::try_from(number).expect("small");
    ConferenceEvent {
        seq: seconds + 1,
        account_sid: ACCOUNT,
        conference_sid: conference.sid,
        friendly_name: conference.friendly_name,
        sequence_number: 1,
        at: Timestamp::from_micros(1_000_000 * seconds),
        happening: Happening::Started,
    }
}

/// Callback number `number`, of call 0.
pub(crate) fn callback(number: u64) -> OpenCallback {
    let call = call(0);
    OpenCallback {
        seq: i64::try_from(number).expect("small"),
        event: Some(i64::try_from(number).expect("small") - 1).filter(|seq| *seq > 0),
        id: u128::from(number) << 64,
        lane: call.sid.to_string(),
        account_sid: ACCOUNT,
        call_sid: Some(call.sid),
        kind: CallbackKind::CallStatus,
        url: "https://app.test/status".to_owned(),
        method: HttpMethod::Post,
        body: "CallStatus=completed".to_owned(),
        is_json: false,
        created: call.created,
    }
}
