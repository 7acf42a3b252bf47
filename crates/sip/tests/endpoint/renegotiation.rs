//! re-INVITE, UPDATE and INFO within a call (RFC 3261 §14, RFC 3311, RFC 6086).

use sip::{DialogId, EndCause, Event, Name};

use crate::phone::{ANSWER, OFFER, Phone, World, ms, secs};

fn talking() -> (World, Phone, DialogId) {
    let mut world = World::new();
    let mut ana = Phone::udp();
    let dialog = world.call(&mut ana);
    (world, ana, dialog)
}

#[test]
fn a_re_invite_is_answered_and_acknowledged() {
    let (mut world, mut ana, dialog) = talking();
    world.hear(ana.flow, ana.request("INVITE", "", OFFER));
    assert_eq!(world.said(), ["100 INVITE"]);
    assert!(matches!(world.event(), Event::Offered { offer: Some(_), .. }));
    world.endpoint.reanswer(world.now, dialog, ANSWER.to_owned());
    world.drain();
    world.run_for(ms(500));
    assert_eq!(world.said(), ["200 INVITE", "200 INVITE"]);
    world.hear(ana.flow, ana.ack());
    assert!(matches!(world.event(), Event::Acked { answer: None, .. }));
    world.run_for(secs(60));
    assert_eq!(world.said(), [""; 0]);
    assert_eq!(world.endpoint.transactions_open(), 0);
}

#[test]
fn a_re_invite_without_an_offer_gets_ours() {
    let (mut world, mut ana, dialog) = talking();
    world.hear(ana.flow, ana.request("INVITE", "", ""));
    assert!(matches!(world.event(), Event::Offered { offer: None, .. }));
    world.endpoint.reanswer(world.now, dialog, ANSWER.to_owned());
    world.drain();
    world.hear(ana.flow, ana.ack_with(OFFER));
    assert!(matches!(world.event(), Event::Acked { answer: Some(_), .. }));
}

#[test]
fn a_refused_re_invite_leaves_the_call_alone() {
    let (mut world, mut ana, dialog) = talking();
    world.hear(ana.flow, ana.request("INVITE", "", OFFER));
    world.event();
    world.endpoint.rereject(world.now, dialog, 488, Some((305, "Incompatible media format".to_owned())));
    world.drain();
    let refused = world.messages().pop().expect("a 488").message;
    assert_eq!(refused.headers().get(Name::Warning), Some(&b"305 Partyline \"Incompatible media format\""[..]));
    world.hear(ana.flow, ana.same_branch("ACK"));
    world.run_for(secs(60));
    assert_eq!((world.said(), world.events.len(), world.endpoint.dialogs_open()), (vec![], 0, 1));
    world.hear(ana.flow, ana.bye());
    assert!(matches!(world.event(), Event::Ended { cause: EndCause::Bye, .. }));
}

#[test]
fn a_re_invite_whose_200_is_never_acknowledged_ends_the_call() {
    let (mut world, mut ana, dialog) = talking();
    world.hear(ana.flow, ana.request("INVITE", "", OFFER));
    world.event();
    world.endpoint.reanswer(world.now, dialog, ANSWER.to_owned());
    world.drain();
    world.run_for(secs(32));
    assert!(matches!(world.event(), Event::Ended { cause: EndCause::NoAck, .. }));
    assert_eq!(world.said().last().map(String::as_str), Some("BYE"));
}

#[test]
fn overlapping_offers_wait() {
    let retry = |world: &mut World| {
        let response = world.response();
        let after = response.headers.text(Name::RetryAfter).map(|after| after.parse::<u32>().expect("seconds"));
        assert!(after.is_none_or(|after| after <= 10));
        (response.status, after.is_some())
    };
    // A second re-INVITE, or an UPDATE with an offer, before we answered the first: RFC 3261 §14.2, RFC 3311 §5.2.
    let (mut world, mut ana, dialog) = talking();
    world.hear(ana.flow, ana.request("INVITE", "", OFFER));
    world.messages();
    world.hear(ana.flow, ana.request("UPDATE", "", OFFER));
    assert_eq!(retry(&mut world), (500, true));
    let mut second = ana.clone();
    world.hear(ana.flow, second.request("INVITE", "", OFFER));
    let messages = world.messages();
    assert_eq!(messages.iter().map(|sent| crate::phone::name(&sent.message)).collect::<Vec<_>>(), ["500 INVITE"]);
    world.endpoint.reanswer(world.now, dialog, ANSWER.to_owned());
    world.drain();
    assert_eq!(world.said(), ["200 INVITE"]);

    // Our offer in the 200 waits for its answer in the ACK: RFC 5407 §3.1.5.
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.again("INVITE", "", ""));
    let dialog = world.invited();
    world.accept(dialog);
    ana.learn(&world.messages()[1].message);
    world.hear(ana.flow, ana.clone().request("INVITE", "", OFFER));
    assert_eq!(retry(&mut world), (491, false));

    // Before the call is answered.
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.invite());
    let dialog = world.invited();
    world.endpoint.progress(world.now, dialog, 180, None);
    world.drain();
    ana.learn(&world.messages()[1].message);
    world.hear(ana.flow, ana.request("UPDATE", "", OFFER));
    assert_eq!(retry(&mut world), (500, true));
    world.hear(ana.flow, ana.request("UPDATE", "", ""));
    assert_eq!(retry(&mut world), (200, false));
    world.accept(dialog);
    assert_eq!(world.said(), ["200 INVITE"]);
}

#[test]
fn a_re_invite_proves_that_the_200_arrived() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.invite());
    let dialog = world.invited();
    world.accept(dialog);
    ana.learn(&world.messages()[1].message);
    world.hear(ana.flow, ana.request("INVITE", "", OFFER)); // overtakes the ACK: RFC 5407 §3.1.4
    assert!(matches!(world.event(), Event::Acked { .. }));
    assert!(matches!(world.event(), Event::Offered { .. }));
    world.run_for(secs(40));
    assert_eq!(world.said(), ["100 INVITE"]);
    world.endpoint.reanswer(world.now, dialog, ANSWER.to_owned());
    world.drain();
    world.hear(ana.flow, ana.ack());
    assert!(matches!(world.event(), Event::Acked { .. }));
}

#[test]
fn an_update_offers_without_an_ack() {
    let (mut world, mut ana, dialog) = talking();
    world.hear(ana.flow, ana.request("UPDATE", "", OFFER));
    assert!(matches!(world.event(), Event::Offered { offer: Some(_), .. }));
    world.endpoint.reanswer(world.now, dialog, ANSWER.to_owned());
    world.drain();
    assert_eq!(world.response().body, ANSWER);
    world.hear(ana.flow, ana.request("UPDATE", "", OFFER));
    world.endpoint.rereject(world.now, dialog, 488, None);
    world.drain();
    assert_eq!(world.said(), ["488 UPDATE"]);
    world.run_for(secs(60));
    assert_eq!((world.said(), world.endpoint.dialogs_open()), (vec![], 1));
}

#[test]
fn an_update_without_an_offer_is_answered_at_once() {
    let (mut world, mut ana, _) = talking();
    world.hear(ana.flow, ana.request("UPDATE", "Session-Expires: 90;refresher=uac\r\n", ""));
    let response = world.response();
    assert_eq!((response.status, response.body.len()), (200, 0));
    assert_eq!(response.headers.get(Name::SessionExpires), Some(&b"90;refresher=uac"[..])); // JsSIP needs the echo
    assert_eq!(world.events.len(), 0);
}

#[test]
fn a_request_out_of_order_is_500() {
    let (mut world, mut ana, _) = talking();
    world.hear(ana.flow, ana.request("OPTIONS", "", ""));
    assert_eq!(world.said(), ["200 OPTIONS"]);
    ana.cseq -= 2;
    world.hear(ana.flow, ana.request("INFO", "", ""));
    assert_eq!(world.said(), ["500 INFO"]);
}

#[test]
fn canceling_a_re_invite_is_taken_note_of() {
    let (mut world, mut ana, dialog) = talking();
    world.hear(ana.flow, ana.request("INVITE", "", OFFER));
    world.hear(ana.flow, ana.same_branch("CANCEL"));
    world.endpoint.reanswer(world.now, dialog, ANSWER.to_owned());
    world.drain();
    assert_eq!(world.said(), ["100 INVITE", "200 CANCEL", "200 INVITE"]);
}

#[test]
fn info_brings_digits() {
    let (mut world, mut ana, _) = talking();
    for (case, kind, body, status, told) in [
        ("dtmf-relay", "application/dtmf-relay", "Signal=5\r\nDuration=160", 200, true),
        ("dtmf", "Application/DTMF", "5", 200, true),
        ("empty", "", "", 200, false),
        ("another", "application/media_control+xml", "<x/>", 415, false),
    ] {
        let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        world.hear(ana.flow, ana.request("INFO", &kind, body));
        let response = world.response();
        assert_eq!(response.status, status, "{case}");
        assert_eq!(response.headers.lists(Name::Accept, "application/dtmf-relay"), status == 415, "{case}");
        match (world.events.pop_front(), told) {
            (Some(Event::Info { content_type, body: got, .. }), true) => {
                assert_eq!((content_type, got.as_ref()), (kind[14..].trim().to_lowercase(), body.as_bytes()), "{case}");
            }
            (None, false) => {}
            other => panic!("{case}: {other:?}"),
        }
    }
}

#[test]
fn a_call_that_ends_takes_its_open_offer_with_it() {
    let (mut world, mut ana, dialog) = talking();
    world.hear(ana.flow, ana.request("INVITE", "", OFFER));
    world.messages();
    world.hear(ana.flow, ana.bye());
    assert_eq!(world.said(), ["200 BYE", "487 INVITE"]);
    world.endpoint.reanswer(world.now, dialog, ANSWER.to_owned());
    world.drain();
    assert_eq!(world.said(), [""; 0]);

    let (mut world, mut ana, dialog) = talking();
    world.hear(ana.flow, ana.request("INVITE", "", OFFER));
    world.messages();
    world.endpoint.hangup(world.now, dialog, None);
    world.drain();
    assert_eq!(world.said(), ["487 INVITE", "BYE"]);
    world.hear(ana.flow, ana.request("INFO", "", ""));
    assert_eq!(world.said(), ["481 INFO"]);
    world.hear(ana.flow, ana.bye()); // both hang up at once
    assert_eq!(world.said(), ["200 BYE"]);
    assert_eq!(world.endpoint.dialogs_open(), 0);
}
