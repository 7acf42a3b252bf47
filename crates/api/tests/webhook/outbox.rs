//! Callbacks: in order, one at a time, and whatever happens to us.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::webhook::{Outbox, OutboxConfig, row};
use model::{AccountSid, CallSid, CallbackKind, ConferenceEvent, ConferenceSid, Happening, HttpMethod, Timestamp};
use store::{OpenCallback, Row};
use switch::webhook::{
    Ask, CallEventName, CallFacts, CallProgress, Callback, CallbackBody, CallbackClosed, CallbackId, DialCallStatus,
    DialResult, Lane, Purpose,
};
use tokio::sync::mpsc;

use crate::desk::{ACCOUNT, Desk, NOW, answer, ask, call};

/// An outbox, and what it says of what is closed; closings are kept as the switch would keep them.
struct Delivery {
    outbox: Outbox,
    closed: mpsc::UnboundedReceiver<CallbackClosed>,
}

impl Delivery {
    fn start(desk: &Desk, config: OutboxConfig) -> Self {
        let (tell, closed) = mpsc::unbounded_channel();
        let writer = Arc::clone(&desk.writer);
        let outbox = Outbox::start(config, desk.webhooks.clone(), desk.store.clone(), move |closed: CallbackClosed| {
            let (tell, writer) = (tell.clone(), Arc::clone(&writer));
            async move {
                writer.write(vec![Row::CallbackClosed(closed.id.0)]).await.expect("writes");
                let _ = tell.send(closed);
            }
        });
        Self { outbox, closed }
    }

    async fn next(&mut self) -> CallbackClosed {
        tokio::time::timeout(Duration::from_secs(20), self.closed.recv()).await.expect("in time").expect("runs")
    }
}

/// Callback number `number` of that call to that URL.
fn callback(number: i64, of: u128, url: &str) -> OpenCallback {
    let progress = CallProgress {
        facts: CallFacts::of(call(of)),
        event: CallEventName::Ringing,
        at: NOW,
        sequence: u32::try_from(number).expect("small"),
        sip_response_code: None,
        recording: None,
    };
    let callback = Callback {
        id: CallbackId(0xabcd_0000 + number.unsigned_abs() as u128),
        seq: number,
        event: Some(number - 1),
        lane: Lane::Call(CallSid::from_bits(of)),
        account: ACCOUNT,
        url: url.to_owned(),
        method: HttpMethod::Post,
        body: CallbackBody::CallStatus(Box::new(progress)),
    };
    row(&callback, NOW)
}

async fn save(desk: &Desk, rows: &[OpenCallback]) {
    desk.store.commit(&rows.iter().cloned().map(Row::Callback).collect::<Vec<_>>()).await.expect("writes");
}

/// Which of them have arrived, by `SequenceNumber`.
fn arrived(desk: &Desk) -> Vec<i64> {
    let number = |body: &str| body.split("SequenceNumber=").nth(1)?.split('&').next()?.parse().ok();
    desk.application.seen().iter().filter_map(|seen| number(&seen.body)).collect()
}

#[tokio::test]
async fn a_lane_keeps_its_order_and_holds_up_no_other() {
    let desk = Desk::new().await;
    let hangs = format!("{}#tt=4000", desk.application.silent("/hangs"));
    let well = desk.application.raw("/well", &[&answer("204 Fine", "", "")]);
    let mut delivery = Delivery::start(&desk, OutboxConfig::default());
    let rows = [
        callback(1, 1, &hangs),
        callback(2, 1, &well),
        callback(3, 1, &well),
        callback(4, 2, &well),
        callback(5, 2, &well),
    ];
    save(&desk, &rows).await;
    delivery.outbox.announce(rows.len());
    assert!(!delivery.outbox.is_quiet());
    delivery.outbox.accept(rows.to_vec());
    let mut closed = Vec::new();
    for _ in 0..rows.len() {
        let one = delivery.next().await;
        closed.push((one.id.0 - 0xabcd_0000, one.remarks.iter().map(|remark| remark.code).collect::<Vec<_>>()));
    }
    let ok = Vec::new;
    assert_eq!(closed, [(4, ok()), (5, ok()), (1, vec![11_200]), (2, ok()), (3, ok())]);
    assert_eq!(arrived(&desk)[2..], [5, 2, 3][..]);
    assert_eq!(desk.store.open_callbacks(0, 10).await.expect("reads").rows, []);
}

#[tokio::test]
async fn what_is_open_when_the_process_dies_is_sent_again_with_the_same_token() {
    let desk = Desk::new().await;
    let hangs = desk.application.silent("/status");
    let rows = [callback(1, 1, &hangs), callback(2, 1, &hangs)];
    save(&desk, &rows).await;
    let killed = Delivery::start(&desk, OutboxConfig::default());
    while arrived(&desk).is_empty() {
        tokio::task::yield_now().await;
    }
    drop(killed);

    desk.application.raw("/status", &[&answer("200 OK", "", "")]);
    let mut delivery = Delivery::start(&desk, OutboxConfig::default());
    for number in [1, 2] {
        assert_eq!(delivery.next().await.id, CallbackId(0xabcd_0000 + number));
    }
    assert_eq!(arrived(&desk), [1, 1, 2]);
    let seen = desk.application.seen();
    let tokens: Vec<_> = seen.iter().map(|seen| seen.header("i-twilio-idempotency-token").expect("a token")).collect();
    assert!(tokens[0] == tokens[1] && tokens[1] != tokens[2], "{tokens:?}");
    assert_eq!(
        (seen[0].body == seen[1].body, seen[0].header("x-twilio-signature")),
        (true, seen[1].header("x-twilio-signature"))
    );
    assert_eq!(desk.store.open_callbacks(0, 10).await.expect("reads").rows, []);
}

#[tokio::test]
async fn an_action_that_is_only_told_says_what_one_that_is_asked_does_and_outlives_us() {
    let desk = Desk::new().await;
    let hangs = desk.application.silent("/after");
    let purpose = Purpose::Dial(Box::new(DialResult::of(DialCallStatus::Canceled)));
    let mut facts = CallFacts::of(call(1));
    facts.custom.push(("mode".to_owned(), "x".to_owned()));
    let told = Callback {
        id: CallbackId(0xabcd_0001),
        seq: 1,
        event: None,
        lane: Lane::Call(facts.call.sid),
        account: ACCOUNT,
        url: hangs.clone(),
        method: HttpMethod::Post,
        body: CallbackBody::Action { facts: Box::new(facts.clone()), purpose: purpose.clone() },
    };
    save(&desk, &[row(&told, NOW), callback(2, 1, &hangs)]).await;
    let killed = Delivery::start(&desk, OutboxConfig::default());
    while desk.application.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(killed);

    let after = desk.application.raw("/after", &[&answer("200 OK", "Content-Type: text/xml\r\n", "<Response/>")]);
    let mut delivery = Delivery::start(&desk, OutboxConfig::default());
    for number in [1, 2] {
        let closed = delivery.next().await;
        assert_eq!((closed.id, closed.call), (CallbackId(0xabcd_0000 + number), Some(facts.call.sid)));
        assert_eq!(closed.remarks, []);
    }
    desk.ask_for(Ask { call: Box::new(facts), purpose, ..ask(HttpMethod::Post, &after) }).await;
    let seen = desk.application.seen();
    let [before, again, status, asked] = seen.as_slice() else { panic!("four requests, not {seen:?}") };
    assert!(before.body.contains("DialCallStatus=canceled") && before.body.contains("mode=x"), "{}", before.body);
    assert_eq!((&again.body, &asked.body), (&before.body, &before.body));
    let token = "i-twilio-idempotency-token";
    assert_eq!(before.header(token), again.header(token));
    assert!(status.body.contains("SequenceNumber=2"), "in the order of the call: {}", status.body);
    assert_eq!(desk.store.open_callbacks(0, 10).await.expect("reads").rows, []);
}

#[tokio::test]
async fn what_there_is_no_room_for_waits_in_the_table_and_comes_in_its_order() {
    let desk = Desk::new().await;
    let url = desk.application.raw("/status", &[&answer("200 OK", "", "")]);
    let config = OutboxConfig { in_flight_max: 2, in_flight_per_host_max: 1, rows_max: 4 };
    let mut delivery = Delivery::start(&desk, config);
    for rows in (1..=60).collect::<Vec<_>>().chunks(5) {
        let rows: Vec<_> = rows.iter().map(|number| callback(*number, 1, &url)).collect();
        save(&desk, &rows).await;
        delivery.outbox.announce(rows.len());
        delivery.outbox.accept(rows);
    }
    for _ in 0..60 {
        delivery.next().await;
    }
    assert_eq!(arrived(&desk), (1..=60).collect::<Vec<_>>());
    // Whoever delivers may still be putting its things away.
    while !delivery.outbox.is_quiet() {
        tokio::task::yield_now().await;
    }
    delivery.outbox.announce(1);
    assert!(!delivery.outbox.is_quiet());
    delivery.outbox.forget(1);
    assert!(delivery.outbox.is_quiet());
}

#[tokio::test]
async fn what_is_read_before_we_are_told_that_it_is_saved_is_sent_once() {
    let desk = Desk::new().await;
    let url = desk.application.raw("/status", &[&answer("200 OK", "", "")]);
    let rows: Vec<_> = (1..=3).map(|number| callback(number, 1, &url)).collect();
    save(&desk, &rows[..2]).await;
    let mut delivery = Delivery::start(&desk, OutboxConfig::default());
    delivery.outbox.announce(2);
    for number in [1, 2] {
        assert_eq!(delivery.next().await.id, CallbackId(0xabcd_0000 + number));
    }
    delivery.outbox.accept(rows[..2].to_vec());
    save(&desk, &rows[2..]).await;
    delivery.outbox.announce(1);
    delivery.outbox.accept(rows[2..].to_vec());
    assert_eq!(delivery.next().await.id, CallbackId(0xabcd_0000 + 3));
    while !delivery.outbox.is_quiet() {
        tokio::task::yield_now().await;
    }
    assert_eq!(arrived(&desk), [1, 2, 3]);
}

#[tokio::test]
async fn a_host_that_hangs_leaves_room_for_others() {
    let desk = Desk::new().await;
    let other = testkit::application::Application::start();
    let hangs = desk.application.silent("/hangs");
    let well = other.raw("/well", &[&answer("200 OK", "", "")]);
    let config = OutboxConfig { in_flight_max: 4, in_flight_per_host_max: 2, rows_max: 100 };
    let mut delivery = Delivery::start(&desk, config);
    let mut rows: Vec<_> = (1..=20).map(|n| callback(n, n.unsigned_abs().into(), &hangs)).collect();
    rows.extend((21..=40).map(|n| callback(n, n.unsigned_abs().into(), &well)));
    save(&desk, &rows).await;
    delivery.outbox.announce(rows.len());
    delivery.outbox.accept(rows);
    for _ in 0..20 {
        assert!(delivery.next().await.id >= CallbackId(0xabcd_0000 + 21), "all of the other host first");
    }
    assert_eq!(desk.application.seen().len(), 2);
}

#[tokio::test]
async fn a_host_that_hangs_leaves_memory_for_others() {
    let desk = Desk::new().await;
    let other = testkit::application::Application::start();
    let hangs = desk.application.silent("/hangs");
    let well = other.raw("/well", &[&answer("200 OK", "", "")]);
    let config = OutboxConfig { in_flight_max: 4, in_flight_per_host_max: 2, rows_max: 8 };
    // Some wait in the table when we start, and more come.
    let row = |n: i64| callback(n, n.unsigned_abs().into(), if n % 50 == 0 { &well } else { &hangs });
    let rows: Vec<_> = (1..=1_200).map(row).collect();
    save(&desk, &rows[..1_000]).await;
    let mut delivery = Delivery::start(&desk, config);
    for rows in rows[1_000..].chunks(7) {
        save(&desk, rows).await;
        delivery.outbox.announce(rows.len());
        delivery.outbox.accept(rows.to_vec());
    }
    let mut closed = Vec::new();
    for _ in 0..24 {
        closed.push(delivery.next().await.id.0 - 0xabcd_0000);
    }
    closed.sort_unstable();
    assert_eq!(closed, (1..=24).map(|n| n * 50).collect::<Vec<_>>());
    assert_eq!(desk.application.seen().len(), 2);
    let behind = delivery.outbox.metrics().into_iter().find(|metric| metric.name == "partyline_callback_hosts_behind");
    assert!(behind.is_some_and(|metric| matches!(metric.reading, api::Reading::Gauge(1.0))));
    assert!(!delivery.outbox.is_quiet());
}

#[tokio::test]
async fn developers_are_told_what_became_of_a_callback() {
    let desk = Desk::new().await;
    let fine = desk.application.raw("/fine", &[&answer("200 OK", "", "")]);
    let moved = desk.application.raw("/moved", &[&answer("302 Go", "Location: /fine\r\n", "")]);
    let oops = desk.application.raw("/oops", &[&answer("500 Oops", "", "why")]);
    let nobody =
        format!("http://{}/", std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port"));
    let mut delivery = Delivery::start(&desk, OutboxConfig::default());
    let mut number = 0;
    for (case, kind, url, account, created, want) in [
        ("told", CallbackKind::CallStatus, &fine, ACCOUNT, NOW, None),
        ("told elsewhere", CallbackKind::CallStatus, &moved, ACCOUNT, NOW, None),
        ("an error", CallbackKind::CallStatus, &oops, ACCOUNT, NOW, Some((15_003, 1))),
        ("an error, of a recording", CallbackKind::Recording, &oops, ACCOUNT, NOW, Some((15_003, 1))),
        ("an error, of a conference", CallbackKind::Conference, &oops, ACCOUNT, NOW, Some((16_011, 1))),
        ("nobody there", CallbackKind::CallStatus, &nobody, ACCOUNT, NOW, Some((11_205, 2))),
        ("nobody there, of a conference", CallbackKind::Conference, &nobody, ACCOUNT, NOW, Some((16_010, 2))),
        ("whose?", CallbackKind::CallStatus, &fine, AccountSid::from_bits(9), NOW, Some((15_000, 0))),
        ("too old", CallbackKind::CallStatus, &fine, ACCOUNT, Timestamp::from_micros(0), Some((15_002, 0))),
    ] {
        number += 1;
        let row = OpenCallback { kind, account_sid: account, created, ..callback(number, 1, url) };
        save(&desk, std::slice::from_ref(&row)).await;
        delivery.outbox.accept(vec![row]);
        let closed = delivery.next().await;
        let said = closed.remarks.first().map(|remark| (remark.code, closed.attempts));
        assert_eq!((said, closed.call), (want, Some(CallSid::from_bits(1))), "{case}");
        if case == "an error" {
            assert_eq!((closed.exchange.status, closed.exchange.body.as_str()), (Some(500), "why"));
        }
    }
}

#[tokio::test]
async fn a_conferences_event_is_told_with_its_place_among_those_sent() {
    let desk = Desk::new().await;
    let url = desk.application.raw("/events", &[&answer("200 OK", "", "")]);
    let conference = ConferenceSid::from_bits(5);
    let event = ConferenceEvent {
        seq: 77,
        account_sid: ACCOUNT,
        conference_sid: conference,
        friendly_name: "standup".to_owned(),
        sequence_number: 12,
        at: NOW,
        happening: Happening::Started,
    };
    let callback = Callback {
        id: CallbackId(1),
        seq: 78,
        event: Some(77),
        lane: Lane::Conference(conference),
        account: ACCOUNT,
        url: url.clone(),
        method: HttpMethod::Get,
        body: CallbackBody::Conference { event: Box::new(event), sequence: 3 },
    };
    let row = row(&callback, NOW);
    assert_eq!((row.lane.as_str(), row.call_sid), ("CF00000000000000000000000000000005", None));
    assert_eq!(row.event, Some(77), "it tells of that entry of the log");
    let mut delivery = Delivery::start(&desk, OutboxConfig::default());
    save(&desk, std::slice::from_ref(&row)).await;
    delivery.outbox.accept(vec![row]);
    assert_eq!(delivery.next().await.remarks, []);
    let target = desk.application.seen().remove(0).target;
    assert!(target.starts_with("/events?StatusCallbackEvent=conference-start&ConferenceSid=CF0"), "{target}");
    assert!(target.contains("&SequenceNumber=3&") && !target.contains("=12"), "{target}");
}

#[tokio::test]
async fn nothing_is_told_before_it_is_kept() {
    let desk = Desk::new().await;
    let url = desk.application.raw("/status", &[&answer("200 OK", "", "")]);
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut delivery = Delivery::start(&desk, OutboxConfig::default());
    let row = callback(1, 1, &url);
    delivery.outbox.announce(1);
    let (seen, accepted) = (desk.application.clone(), Arc::clone(&order));
    let (done, committed) = tokio::sync::oneshot::channel();
    desk.writer
        .submit(vec![Row::Callback(row.clone())], move |saved| {
            accepted.lock().expect("no panic inside").push((saved.is_ok(), seen.seen().len()));
            let _ = done.send(());
        })
        .expect("there is room");
    committed.await.expect("is committed");
    delivery.outbox.accept(vec![row]);
    delivery.next().await;
    assert_eq!(*order.lock().expect("no panic inside"), [(true, 0)]);
    assert_eq!(desk.application.seen().len(), 1);
}
