//! Calls.

use model::{AnsweredBy, Call, CallStatus, PhoneNumberSid};
use store::Row;
use switch::{Answer, CallChange, CallEnd, Command, Refusal};

use crate::bridge::{ACCOUNT, Bridge, call, ended_call};

#[tokio::test]
async fn a_call_reads_as_the_contract_shows_it() {
    let bridge = Bridge::start().await;
    let known = Call {
        phone_number_sid: Some(PhoneNumberSid::from_bits(0xA1)),
        forwarded_from: Some("+15005550002".to_owned()),
        answered_by: Some(AnsweredBy::MachineStart),
        caller_name: Some("Ana".to_owned()),
        ..ended_call(0)
    };
    bridge.save(&[Row::Call(known)]).await;
    let body = bridge.get(&format!("/Calls/{}.json", call(0).sid)).await.json();
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Calls/{}", call(0).sid);
    for (key, want) in [
        ("from", "+15005550006"),
        ("from_formatted", "(500) 555-0006"),
        ("status", "completed"),
        ("direction", "inbound"),
        ("duration", "42"),
        ("start_time", "Tue, 10 Feb 2026 09:08:07 +0000"),
        ("end_time", "Tue, 10 Feb 2026 09:08:50 +0000"),
        ("queue_time", "0"),
        ("phone_number_sid", "PN000000000000000000000000000000a1"),
        ("forwarded_from", "+15005550002"),
        ("answered_by", "machine_start"),
        ("caller_name", "Ana"),
        ("price_unit", "USD"),
        ("api_version", "2010-04-01"),
        ("uri", &format!("{path}.json")),
    ] {
        assert_eq!(body[key], want, "{key}");
    }
    assert_eq!(body["subresource_uris"]["recordings"], format!("{path}/Recordings.json"));
}

#[tokio::test]
async fn lists_keep_what_the_filters_name() {
    let bridge = Bridge::start().await;
    let mut child = call(1);
    child.parent_call_sid = Some(call(0).sid);
    child.from = "sip:ana@phone.test".to_owned();
    bridge.save(&[call(0), child, ended_call(2)].map(Row::Call)).await;
    let parent = format!("ParentCallSid={}", call(0).sid);
    for (query, want) in [
        ("", Ok(3)),
        ("To=sip%3Astandup%40bridge.test", Ok(3)),
        ("To=nobody", Ok(0)),
        ("From=%2B15005550006", Ok(2)),
        ("From=%2B1+(500)+555-0006", Ok(2)),
        ("From=sip:ana@phone.test", Ok(1)),
        (&parent, Ok(1)),
        ("ParentCallSid=CA1", Err(20423)),
        ("Status=completed", Ok(1)),
        ("Status=in-progress", Ok(2)),
        ("Status=", Ok(3)),
        ("Status=over", Err(20001)),
        ("StartTime=2026-02-10", Ok(3)),
        ("StartTime=2026-02-11", Ok(0)),
        ("StartTime=2026-02-10T09:08:08Z", Ok(1)),
        ("StartTime%3E=2026-02-10T09:08:08Z", Ok(2)),
        ("StartTime%3C=2026-02-10T09:08:08Z", Ok(2)),
        ("StartTime%3C=2026-02-09", Ok(0)),
        ("EndTime=2026-02-10", Ok(1)),
        ("EndTime%3E=2026-02-10&Status=in-progress", Ok(0)),
        ("StartTime=yesterday", Err(20001)),
        ("starttime=yesterday", Ok(3)),
    ] {
        let reply = bridge.get(&format!("/Calls.json?{query}")).await;
        let found = match reply.outcome() {
            (200, _) => Ok(reply.json()["calls"].as_array().expect("a list").len()),
            (400, code) => Err(code),
            other => panic!("{query}: {other:?}"),
        };
        assert_eq!(found, want, "{query}");
    }
}

#[tokio::test]
async fn an_update_ends_what_can_be_ended() {
    let ringing = Call { status: CallStatus::Ringing, answered: None, ..call(0) };
    for (case, stored, form, ends, want) in [
        ("completed", call(0), "Status=completed", Some(CallEnd::Completed), (200, 0)),
        ("canceled", ringing.clone(), "Status=canceled", Some(CallEnd::Canceled), (200, 0)),
        ("over by now", ended_call(0), "Status=completed", Some(CallEnd::Completed), (200, 0)),
        ("nothing", call(0), "Unknown=1", None, (200, 0)),
        ("no such status", call(0), "Status=busy", None, (400, 20001)),
        ("empty status", call(0), "Status=", None, (400, 20001)),
        ("status in another case", call(0), "Status=Completed", None, (400, 20001)),
        ("a document for a ringing call", ringing, "Url=http://app.test/", None, (400, 21220)),
        ("a document for an ended call", ended_call(0), "Twiml=%3CResponse/%3E", None, (400, 21220)),
        ("a malformed URL", call(0), "Url=ftp://app.test/", None, (400, 21205)),
        ("a malformed method", call(0), "Url=http://app.test/&Method=PUT", None, (400, 21209)),
        ("a malformed callback", call(0), "StatusCallback=http://", None, (400, 21609)),
    ] {
        let bridge = Bridge::start().await;
        bridge.save(&[Row::Call(stored.clone())]).await;
        bridge.will_answer(match stored.status {
            CallStatus::Completed => Err(Refusal::CallNotFound),
            _ => Ok(Answer::Call(stored.clone())),
        });
        let reply = bridge.post(&format!("/Calls/{}.json", stored.sid), form).await;
        assert_eq!(reply.outcome(), want, "{case}: {}", reply.body);
        let command = ends.map(|end| {
            Command::UpdateCall(Box::new(CallChange { end: Some(end), ..CallChange::none(ACCOUNT, stored.sid) }))
        });
        assert_eq!(bridge.asked(), Vec::from_iter(command), "{case}");
        if want.0 == 200 {
            assert_eq!(reply.json()["status"], stored.status.as_str(), "{case}");
        }
    }
}

#[tokio::test]
async fn only_what_is_over_can_be_deleted() {
    let bridge = Bridge::start().await;
    bridge.save(&[Row::Call(call(0)), Row::Call(ended_call(1))]).await;
    let delete = async |number| bridge.ask("DELETE", &format!("/Calls/{}.json", call(number).sid), None).await;
    assert_eq!(delete(0).await.outcome(), (409, 20009));
    assert_eq!(delete(1).await.outcome(), (204, 0));
    assert_eq!(delete(1).await.outcome(), (404, 20404));
    assert_eq!(delete(2).await.outcome(), (404, 20404));
    assert_eq!(bridge.get(&format!("/Calls/{}.json", call(1).sid)).await.outcome(), (404, 20404));
}

#[tokio::test]
async fn a_call_cannot_be_placed_and_the_reason_is_the_first_there_is() {
    let bridge = Bridge::start().await;
    for (form, code) in [
        ("", 21201),
        ("To=", 21201),
        ("To=%2B15005550001", 21213),
        ("To=%2B15005550001&From=%2B15005550006", 21205),
        ("To=%2B15005550001&From=%2B15005550006&Url=ftp://x", 21205),
        ("To=%2B15005550001&From=%2B15005550006&Url=http://x&Method=HEAD", 21209),
        ("To=%2B15005550001&From=%2B15005550006&Url=http://x&StatusCallback=http://", 21609),
        ("To=%2B15005550001&From=%2B15005550006&Url=http://x", 21210),
        ("To=client:ana&From=%2B15005550006&Url=http://x", 21214),
        ("To=client:ana&From=ben&Twiml=%3CResponse/%3E", 21214),
    ] {
        assert_eq!(bridge.post("/Calls.json", form).await.outcome(), (400, code), "{form}");
    }
}
