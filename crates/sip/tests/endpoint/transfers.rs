//! Transfers: REFER both ways (RFC 3515, RFC 4488), and calls that replace others (RFC 3891).

use sip::{DialogId, EndCause, Event, Headers, Name, ReferId, Replaces, Request};

use crate::callee::{Callee, credentials, outgoing};
use crate::phone::{OFFER, Phone, World, secs};

const TO_BEN: &str = "Refer-To: <sip:ben@example.com>\r\n";

fn text(request: &Request, name: Name<'_>) -> String {
    request.headers.text(name).map(|value| value.into_owned()).unwrap_or_default()
}

/// Ana asks us to transfer her.
fn referred(world: &mut World, ana: &mut Phone, headers: &str) -> ReferId {
    world.hear(ana.flow, ana.request("REFER", headers, ""));
    match world.event() {
        Event::Refer { refer, .. } => refer,
        other => panic!("not a REFER: {other:?}"),
    }
}

#[test]
fn they_are_told_how_their_transfer_goes() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.call(&mut ana);
    let attended = "Refer-To: <sip:ben@example.com?Replaces=1%40y%3Bto-tag%3Da%3Bfrom-tag%3Db>\r\n\
                    Referred-By: <sip:ana@example.com>\r\n";
    world.hear(ana.flow, ana.request("REFER", attended, ""));
    let Event::Refer { refer, target, replaces: Some(replaces), referred_by, reports: true } = world.event() else {
        panic!("not an attended transfer")
    };
    assert_eq!((target.to_string(), replaces.call_id.as_str()), ("<sip:ben@example.com>".to_owned(), "1@y"));
    assert_eq!(referred_by.as_deref(), Some("<sip:ana@example.com>"));
    assert_eq!(world.said(), [""; 0]);
    world.endpoint.accept_refer(world.now, refer);
    world.drain();
    let said = world.messages();
    assert_eq!(crate::phone::name(&said[0].message), "202 REFER");
    let mut notify = match &said[1].message {
        sip::Message::Request(request) => request.clone(),
        sip::Message::Response(_) => panic!("no NOTIFY"),
    };
    assert_eq!(
        (text(&notify, Name::Event), text(&notify, Name::ContentType)),
        ("refer".into(), "message/sipfrag;version=2.0".into())
    );
    assert_eq!(
        (&notify.body[..], text(&notify, Name::SubscriptionState)),
        (&b"SIP/2.0 100 Trying\r\n"[..], "active;expires=240".into())
    );
    // One NOTIFY at a time; what is old by then is not said.
    for status in [180, 183, 200, 180] {
        world.endpoint.refer_progress(world.now, refer, status);
    }
    world.drain();
    assert_eq!(world.said(), [""; 0]);
    world.hear(ana.flow, ana.answer(&notify, 200, "", ""));
    notify = world.request().1;
    assert_eq!(
        (&notify.body[..], text(&notify, Name::SubscriptionState)),
        (&b"SIP/2.0 200 OK\r\n"[..], "terminated;reason=noresource".into())
    );
    world.hear(ana.flow, ana.answer(&notify, 200, "", ""));
    world.endpoint.refer_progress(world.now, refer, 486);
    world.endpoint.accept_refer(world.now, refer);
    world.drain();
    assert_eq!((world.said(), world.events.len()), (vec![], 0), "that was the last word");
    // The second of a call says which it is.
    let second = referred(&mut world, &mut ana, TO_BEN);
    world.endpoint.accept_refer(world.now, second);
    world.drain();
    let notify = world.requests().pop().expect("a NOTIFY");
    assert_eq!(text(&notify, Name::Event), format!("refer;id={}", second.number));
    // They do not understand it: no more of that, but the call goes on.
    world.hear(ana.flow, ana.answer(&notify, 481, "", ""));
    world.endpoint.refer_progress(world.now, second, 200);
    world.hear(ana.flow, ana.bye());
    assert_eq!(world.said(), ["200 BYE"]);
    assert!(matches!(world.event(), Event::Ended { cause: EndCause::Bye, .. }));
    world.run_for(secs(40));
    world.assert_empty();
}

#[test]
fn a_transfer_that_is_refused_or_not_to_be_told_about() {
    for (case, headers, accepted, reports, said) in [
        ("refused", TO_BEN, false, true, vec!["603 REFER"]),
        (
            "quietly",
            "Refer-To: <sip:ben@example.com>\r\nRefer-Sub: false\r\nRequire: norefersub\r\n",
            true,
            false,
            vec!["202 REFER"],
        ),
        ("aloud", "r: <sip:ben@example.com>\r\nRefer-Sub: true\r\n", true, true, vec!["202 REFER", "NOTIFY"]),
    ] {
        let mut world = World::new();
        let mut ana = Phone::udp();
        world.call(&mut ana);
        world.hear(ana.flow, ana.request("REFER", headers, ""));
        let Event::Refer { refer, reports: wanted, .. } = world.event() else { panic!("{case}") };
        assert_eq!(wanted, reports, "{case}");
        if accepted {
            world.endpoint.accept_refer(world.now, refer);
        } else {
            world.endpoint.refuse_refer(world.now, refer, 603);
        }
        world.endpoint.refuse_refer(world.now, refer, 500);
        world.drain();
        assert_eq!(world.said(), said, "{case}");
    }
    for (case, headers, status) in [
        ("to nobody", "", 400),
        ("to two", "Refer-To: <sip:ben@example.com>, <sip:cho@example.com>\r\n", 400),
        ("half a call replaced", "Refer-To: <sip:ben@example.com?Replaces=1>\r\n", 400),
    ] {
        let mut world = World::new();
        let mut ana = Phone::udp();
        world.call(&mut ana);
        world.hear(ana.flow, ana.request("REFER", headers, ""));
        assert_eq!((world.response().status, world.events.len()), (status, 0), "{case}");
    }
}

#[test]
fn who_is_hung_up_on_is_told_the_outcome_first() {
    let (trying, over) = ("SIP/2.0 100 Trying\r\n", "SIP/2.0 200 OK\r\n");
    for (case, known, answered, hung_up, want) in [
        ("known at once", &[200][..], false, true, &[over][..]),
        ("known at once, and no hanging up", &[200], false, false, &[over]),
        ("known at once and after some ringing", &[180, 200, 486], false, true, &[over]),
        ("not known", &[], false, true, &[trying]),
        ("known before the first NOTIFY is answered", &[200], true, true, &[trying, over]),
        ("not known, and the first NOTIFY is not answered", &[180], true, true, &[trying]),
    ] {
        let mut world = World::new();
        let mut ana = Phone::udp();
        let dialog = world.call(&mut ana);
        let refer = referred(&mut world, &mut ana, TO_BEN);
        world.endpoint.accept_refer(world.now, refer);
        if answered {
            world.drain();
        }
        for status in known {
            world.endpoint.refer_progress(world.now, refer, *status);
        }
        if hung_up {
            world.endpoint.hangup(world.now, dialog, None);
        }
        world.drain();
        let said = world.requests();
        let (bye, notifies) = said.split_last().filter(|_| hung_up).map_or((None, &said[..]), |(b, n)| (Some(b), n));
        assert!(bye.is_none_or(|bye| bye.method.as_str() == "BYE"), "{case}");
        let bodies: Vec<_> = notifies.iter().map(|notify| String::from_utf8_lossy(&notify.body)).collect();
        assert_eq!(bodies, want, "{case}");
        let state = text(notifies.last().expect("a NOTIFY"), Name::SubscriptionState);
        assert_eq!(state.starts_with("terminated"), want.contains(&over), "{case}: {state}");
        world.hang_up(dialog);
        world.run_for(secs(70));
        world.assert_empty();
    }
}

#[test]
fn transfers_are_bounded_in_number_and_time() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.call(&mut ana);
    let refers: Vec<ReferId> = (0..4).map(|_| referred(&mut world, &mut ana, TO_BEN)).collect();
    world.hear(ana.flow, ana.request("REFER", TO_BEN, ""));
    let response = world.response();
    assert_eq!((response.status, response.headers.contains(Name::RetryAfter), world.events.len()), (500, true, 0));
    // Nobody answers the first three, and nobody says what becomes of the last.
    world.endpoint.accept_refer(world.now, refers[3]);
    world.drain();
    let said = world.messages();
    let sip::Message::Request(notify) = &said[1].message else { panic!("no NOTIFY") };
    world.hear(ana.flow, ana.answer(notify, 200, "", ""));
    world.run_for(secs(20));
    assert_eq!(world.said(), ["500 REFER"; 3]);
    world.run_for(secs(220));
    let (_, notify) = world.request();
    assert_eq!(text(&notify, Name::SubscriptionState), "terminated;reason=timeout");
    // The call ends with one unanswered.
    referred(&mut world, &mut ana, TO_BEN);
    world.hear(ana.flow, ana.bye());
    assert_eq!(world.said(), ["200 BYE", "487 REFER"]);
    world.event();
    world.run_for(secs(40));
    world.assert_empty();
}

/// We ask Ben, whom we have called, to call somebody else.
fn refer(world: &mut World, dialog: DialogId) -> Request {
    let mut headers = Headers::new();
    headers.push(Name::ReferredBy, "<sip:ana@example.com>");
    headers.push(Name::CallId, "evil");
    world.endpoint.refer(world.now, dialog, &"<sip:cho@example.com>".parse().expect("an address"), &headers);
    world.drain();
    world.request().1
}

#[test]
fn we_are_told_how_our_transfer_goes() {
    for (case, notify_first) in [("the 202 first", false), ("a NOTIFY overtakes it", true)] {
        let mut world = World::new();
        let (dialog, mut ben) = world.call_out(outgoing());
        let refer = refer(&mut world, dialog);
        assert_eq!(
            (text(&refer, Name::ReferTo), text(&refer, Name::ReferredBy)),
            ("<sip:cho@example.com>".into(), "<sip:ana@example.com>".into())
        );
        assert_eq!(refer.headers.count(Name::CallId), 1, "{case}");
        world.endpoint.refer(world.now, dialog, &"<sip:dan@example.com>".parse().expect("an address"), &Headers::new());
        world.drain();
        assert!(matches!(world.event(), Event::ReferAnswered { status: 491, .. }), "{case}: one at a time");
        if !notify_first {
            ben.answers(&mut world, &refer, 202, "");
            assert!(matches!(world.event(), Event::ReferAnswered { status: 202, .. }), "{case}");
        }
        let state = "Event: refer\r\nContent-Type: message/sipfrag\r\nSubscription-State: active\r\n";
        let notify = ben.request("NOTIFY", state, "SIP/2.0 180 Ringing");
        world.hear(ben.flow, notify);
        assert_eq!(world.said(), ["200 NOTIFY"], "{case}");
        if notify_first {
            assert!(matches!(world.event(), Event::ReferAnswered { status: 202, .. }), "{case}");
            ben.answers(&mut world, &refer, 202, "");
        }
        assert!(matches!(world.event(), Event::ReferProgress { status: 180, over: false, .. }), "{case}");
        for (headers, status) in [("", 489), ("Event: presence\r\n", 489), ("Event: refer;id=77\r\n", 481)] {
            let notify = ben.request("NOTIFY", headers, "");
            world.hear(ben.flow, notify);
            assert_eq!(world.said(), [format!("{status} NOTIFY")], "{case}");
        }
        let state = "Event: refer;id=2\r\nContent-Type: message/sipfrag\r\nSubscription-State: terminated;reason=noresource\r\n";
        let notify = ben.request("NOTIFY", state, "SIP/2.0 503 Service Unavailable\r\n");
        world.hear(ben.flow, &notify);
        assert!(matches!(world.event(), Event::ReferProgress { status: 503, over: true, .. }), "{case}");
        let notify = ben.request("NOTIFY", state, "SIP/2.0 200 OK");
        world.hear(ben.flow, notify);
        assert_eq!(world.said(), ["200 NOTIFY", "481 NOTIFY"], "{case}");
        assert_eq!(world.events.len(), 0, "{case}");
        world.hang_up(dialog);
        world.run_for(secs(40));
        world.assert_empty();
    }
}

#[test]
fn a_transfer_of_ours_that_comes_to_nothing() {
    for (case, status, headers, over) in [
        ("refused", Some(603), "", false),
        ("they know no such number, but us", Some(404), "", false),
        ("quietly", Some(202), "Refer-Sub: false", false),
        ("they have lost the call", Some(481), "", true),
        ("silence", None, "", true),
    ] {
        let mut world = World::new();
        let (dialog, ben) = world.call_out(outgoing());
        let request = refer(&mut world, dialog);
        match status {
            Some(status) => ben.answers(&mut world, &request, status, headers),
            None => world.run_for(secs(32)),
        }
        let want = status.unwrap_or(408);
        let told = world.event();
        assert!(
            matches!(told, Event::ReferAnswered { status, reports: false, .. } if status == want),
            "{case}: {told:?}"
        );
        assert_eq!(matches!(world.events.pop_front(), Some(Event::Ended { .. })), over, "{case}");
        world.said();
        if !over {
            refer(&mut world, dialog); // and another may follow
        }
        world.hang_up(dialog);
        world.run_for(secs(40));
        world.assert_empty();
    }
    // They take it and say nothing, or that it rings and nothing more.
    for (rings, wait) in [(false, secs(32)), (true, secs(240))] {
        let mut world = World::new();
        let (dialog, mut ben) = world.call_out(outgoing());
        let request = refer(&mut world, dialog);
        ben.answers(&mut world, &request, 202, "");
        assert!(matches!(world.event(), Event::ReferAnswered { status: 202, reports: true, .. }));
        if rings {
            let notify =
                ben.request("NOTIFY", "Event: refer\r\nContent-Type: message/sipfrag\r\n", "SIP/2.0 180 Ringing");
            world.hear(ben.flow, notify);
            assert!(matches!(world.event(), Event::ReferProgress { status: 180, over: false, .. }));
        }
        world.run_for(wait - secs(1));
        assert_eq!(world.events.len(), 0);
        world.run_for(secs(1));
        assert!(matches!(world.event(), Event::ReferProgress { status: 0, over: true, .. }));
    }
}

#[test]
fn a_refer_proves_who_we_are_where_the_call_did() {
    let mut world = World::new();
    let (dialog, mut ben) = world.call_out(sip::Outgoing { credentials: credentials(), ..outgoing() });
    let first = refer(&mut world, dialog);
    ben.answers(&mut world, &first, 407, "Proxy-Authenticate: Digest realm=\"x\", nonce=\"a\", qop=\"auth\"");
    let (_, again) = world.request();
    assert!(again.headers.contains(Name::ProxyAuthorization) && !first.headers.contains(Name::ProxyAuthorization));
    assert_eq!(
        (text(&again, Name::ReferTo), text(&again, Name::CSeq)),
        (text(&first, Name::ReferTo), "3 REFER".into())
    );
    ben.answers(&mut world, &again, 202, "");
    assert!(matches!(world.event(), Event::ReferAnswered { status: 202, .. }));
    let notify = ben.request("NOTIFY", "Event: refer;id=3\r\nContent-Type: message/sipfrag\r\n", "SIP/2.0 100 Trying");
    world.hear(ben.flow, notify);
    assert!(matches!(world.event(), Event::ReferProgress { status: 100, .. }));
}

#[test]
fn a_call_may_replace_another() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    let answered = world.call(&mut ana);
    let ours = world.calls(outgoing());
    let ben = Callee::called(&mut world);
    ben.says(&mut world, 180, "", "");
    ben.fork("cho1").says(&mut world, 180, "", "");
    let ringing = {
        let dan = Phone { call_id: "dan".to_owned(), ..Phone::udp() };
        world.hear(dan.flow, dan.invite());
        world.events.clear();
        world.said();
        let eve = Phone { call_id: "eve".to_owned(), ..Phone::udp() };
        world.hear(eve.flow, eve.invite());
        world.invited()
    };
    let our_call_id = world.endpoint.call_id(ours).expect("a call").to_owned();
    let tag = |dialog: DialogId| format!("{:016x}", dialog.0);
    for (case, call_id, to_tag, from_tag, early_only, want) in [
        ("answered", ana.call_id.as_str(), tag(answered), "ana1", false, Ok(answered)),
        ("answered, and early only", &ana.call_id, tag(answered), "ana1", true, Err(486)),
        ("ours, which rings", &our_call_id, tag(ours), "ben1", true, Ok(ours)),
        ("ours, which rings there too", &our_call_id, tag(ours), "cho1", false, Ok(ours)),
        ("ours, but where it does not ring", &our_call_id, tag(ours), "dan1", false, Err(481)),
        ("theirs, which rings here", "eve", tag(ringing), "ana1", false, Err(481)),
        ("another Call-ID", "x", tag(answered), "ana1", false, Err(481)),
        ("tags the wrong way round", &ana.call_id, "ana1".to_owned(), "ana1", false, Err(481)),
        ("another's tag", &ana.call_id, tag(answered), "ben1", false, Err(481)),
    ] {
        let replaces = Replaces { call_id: call_id.to_owned(), to_tag, from_tag: from_tag.to_owned(), early_only };
        assert_eq!(world.endpoint.find_replaced(&replaces), want, "{case}");
    }

    let replaces = format!("Require: replaces\r\nReplaces: {};to-tag={};from-tag=ana1\r\n", ana.call_id, tag(answered));
    let fay = Phone { call_id: "fay".to_owned(), from: "<sip:fay@example.com>;tag=fay1".to_owned(), ..Phone::udp() };
    world.hear(fay.flow, fay.again("INVITE", &replaces, OFFER));
    let Event::Invite { replaces: Some(replaces), .. } = world.event() else { panic!("it replaces none") };
    assert_eq!(world.endpoint.find_replaced(&replaces), Ok(answered));
    world.hang_up(answered);
    assert_eq!(world.endpoint.find_replaced(&replaces), Err(603));
}

#[test]
fn who_hangs_up_before_the_last_word_gets_it_all_the_same() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.call(&mut ana);
    let refer = referred(&mut world, &mut ana, TO_BEN);
    world.endpoint.accept_refer(world.now, refer);
    world.drain();
    // Their answer to the first NOTIFY is on its way as they hang up.
    let first = world.requests().pop().expect("a NOTIFY");
    world.endpoint.refer_progress(world.now, refer, 200);
    world.drain();
    world.hear(ana.flow, ana.bye());
    let said = world.messages();
    let names: Vec<_> = said.iter().map(|sent| crate::phone::name(&sent.message)).collect();
    assert_eq!(names, ["200 BYE", "NOTIFY"]);
    let sip::Message::Request(last) = &said[1].message else { panic!("no NOTIFY") };
    assert_eq!(
        (&last.body[..], text(last, Name::SubscriptionState)),
        (&b"SIP/2.0 200 OK\r\n"[..], "terminated;reason=noresource".into())
    );
    assert!(matches!(world.event(), Event::Ended { cause: EndCause::Bye, .. }));
    world.hear(ana.flow, ana.answer(&first, 200, "", ""));
    world.hear(ana.flow, ana.answer(last, 481, "", ""));
    assert_eq!((world.said(), world.events.len()), (vec![], 0));
    world.run_for(secs(40));
    world.assert_empty();
}
