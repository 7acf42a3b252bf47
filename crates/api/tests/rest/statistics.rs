//! What is ours beside Twilio's: how calls are doing, and the log of what happened.

use model::{AccountSid, CallStatus, ConferenceEvent, Happening, LegStats, ReasonParticipantLeft};
use serde_json::{Value, json};
use store::Row;
use switch::{Answer, Command, Measurement, Refusal};

use crate::bridge::{ACCOUNT, Bridge, Reply, TOKEN, account, at, basic, call, conference, ended_call, participant};

#[tokio::test]
async fn a_live_call_is_measured_and_a_past_one_remembered() {
    let stats = LegStats { packets_in: 1_234, mos_thousandths: 4_321, ..LegStats::default() };
    let measured = Some(Measurement { stats, at: at(7) });
    let kept = Row::LegStats(call(0).sid, stats);
    for (case, rows, answer, want) in [
        (
            "live",
            vec![Row::Call(call(0))],
            Some(Ok(Answer::Measured(measured))),
            (false, true, "Tue, 10 Feb 2026 09:08:14 +0000"),
        ),
        ("just answered", vec![Row::Call(call(0))], Some(Ok(Answer::Measured(None))), (false, false, "")),
        ("over by now", vec![Row::Call(call(0)), kept.clone()], Some(Err(Refusal::CallNotFound)), (true, true, "")),
        ("over", vec![Row::Call(ended_call(0)), kept], None, (true, true, "Tue, 10 Feb 2026 09:08:50 +0000")),
        ("cut off", vec![Row::Call(ended_call(0))], None, (false, false, "")),
    ] {
        let bridge = Bridge::start().await;
        bridge.save(&rows).await;
        let asks = answer.is_some();
        if let Some(answer) = answer {
            bridge.will_answer(answer);
        }
        let path = format!("/Calls/{}/MediaStatistics.json", call(0).sid);
        let body = bridge.get(&path).await.json();
        let (is_final, has_numbers, date) = want;
        assert_eq!(body["final"], is_final, "{case}: {body}");
        assert_eq!(body["date_measured"].as_str().unwrap_or_default(), date, "{case}");
        let numbers = (&body["media_statistics"]["packets_in"], &body["media_statistics"]["mos"]);
        let wanted = if has_numbers { (json!(1_234), json!(4.321)) } else { (Value::Null, Value::Null) };
        assert_eq!(numbers, (&wanted.0, &wanted.1), "{case}: {body}");
        assert_eq!(body["uri"], format!("/2010-04-01/Accounts/{ACCOUNT}{path}"), "{case}");
        let command = Command::MeasureCall { account: ACCOUNT, call: call(0).sid };
        assert_eq!(bridge.asked(), if asks { vec![command] } else { vec![] }, "{case}");
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_answered_as_for_calls() {
    let bridge = Bridge::start().await;
    let mut foreign = call(1);
    foreign.account_sid = AccountSid::from_bits(7);
    bridge.save(&[Row::Call(call(0)), Row::Call(foreign)]).await;
    for (verb, sid, want) in [
        ("GET", call(2).sid.to_string(), (404, 20404)),
        ("GET", call(1).sid.to_string(), (404, 20404)),
        ("GET", "CA1".to_owned(), (404, 20404)),
        ("POST", call(0).sid.to_string(), (405, 20004)),
        ("DELETE", call(0).sid.to_string(), (405, 20004)),
    ] {
        let reply = bridge.ask(verb, &format!("/Calls/{sid}/MediaStatistics.json"), None).await;
        assert_eq!(reply.outcome(), want, "{verb} {sid}");
    }
}

/// Event number `number`; every third is that somebody left.
pub(crate) fn event(number: i64) -> ConferenceEvent {
    let happening = match number % 3 {
        2 => Happening::Left {
            participant: participant(number),
            call_status: CallStatus::Completed,
            reason: ReasonParticipantLeft::HungUp,
            stats: Some(Box::new(LegStats { packets_in: 50, mos_thousandths: 4_400, ..LegStats::default() })),
        },
        _ => Happening::Started,
    };
    ConferenceEvent {
        seq: 10 * number,
        account_sid: ACCOUNT,
        conference_sid: conference(0).sid,
        friendly_name: conference(0).friendly_name,
        sequence_number: u32::try_from(number).expect("small"),
        at: at(number),
        happening,
    }
}

async fn events(bridge: &Bridge, query: &str, user: &str) -> Reply {
    let request = axum::http::Request::builder()
        .uri(format!("/partyline/v1/events{query}"))
        .header(axum::http::header::AUTHORIZATION, basic(user, TOKEN));
    bridge.send(request.body(axum::body::Body::empty()).expect("is a request")).await
}

#[tokio::test]
async fn the_log_reads_in_order_from_where_one_stopped() {
    let bridge = Bridge::start().await;
    bridge.save(&(1..=5).map(event).map(|event| Row::Event(event.into())).collect::<Vec<_>>()).await;
    let user = ACCOUNT.to_string();
    for (query, want) in [
        ("", (vec![10, 20, 30, 40, 50], 50, false)),
        (".json", (vec![10, 20, 30, 40, 50], 50, false)),
        ("?Limit=2", (vec![10, 20], 20, true)),
        ("?After=20&Limit=3", (vec![30, 40, 50], 50, false)),
        ("?After=50", (vec![], 50, false)),
        ("?After=99999999999999999999&Limit=99999999999", (vec![], i64::MAX, false)),
    ] {
        let body = events(&bridge, query, &user).await.json();
        let seqs = body["events"].as_array().expect("a list").iter().map(|event| event["seq"].as_i64());
        let seqs: Vec<_> = seqs.map(|seq| seq.expect("a number")).collect();
        let (after, more) = (body["after"].as_i64().expect("a number"), body["more"] == true);
        assert_eq!((seqs, after, more), want, "{query}");
    }
    for query in ["?After=-1", "?After=x", "?Limit=0", "?Limit=many"] {
        assert_eq!(events(&bridge, query, &user).await.outcome(), (400, 20001), "{query}");
    }
    let left = events(&bridge, "?After=10&Limit=1", &user).await.json()["events"][0].clone();
    for (key, want) in [
        ("/type", json!("participant-leave")),
        ("/account_sid", json!(user)),
        ("/conference_sid", json!(conference(0).sid.to_string())),
        ("/call_sid", json!(participant(2).call_sid.to_string())),
        ("/date_created", json!("Tue, 10 Feb 2026 09:08:09 +0000")),
        ("/parameters/SequenceNumber", json!("2")),
        ("/parameters/ReasonParticipantLeft", json!("participant_hung_up")),
        ("/media_statistics/packets_in", json!(50)),
        ("/media_statistics/mos", json!(4.4)),
    ] {
        assert_eq!(left.pointer(key), Some(&want), "{key}: {left}");
    }
}

#[tokio::test]
async fn the_log_is_for_its_account_only() {
    let bridge = Bridge::start().await;
    bridge.save(&[Row::Event(event(1).into())]).await;
    let other = AccountSid::from_bits(7);
    bridge.store.save_account(&account(other, other)).await.expect("writes");
    assert_eq!(events(&bridge, "", &other.to_string()).await.json()["events"], json!([]));
    let stranger = AccountSid::from_bits(8).to_string();
    assert_eq!(events(&bridge, "", &stranger).await.outcome(), (401, 20003));
    let nothing = axum::http::Request::builder().uri("/partyline/v1/nothing").body(axum::body::Body::empty());
    assert_eq!(bridge.send(nothing.expect("is a request")).await.outcome(), (401, 20003));
}
