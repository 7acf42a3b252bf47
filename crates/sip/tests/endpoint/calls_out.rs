//! Calls that the endpoint makes (RFC 3261 §13.2, §9.1, RFC 6026), and the ways they go wrong.

use sip::{Config, EndCause, Event, Failure, Method, Name, Outgoing, Reason, Transport};

use crate::callee::{Callee, credentials, outgoing};
use crate::phone::{ANSWER, OFFER, World, flow, ms, secs};

#[test]
fn a_call_is_made_answered_and_hung_up() {
    for connection in [None, Some(1)] {
        let mut world = World::new();
        let transport = if connection.is_some() { Transport::Tcp } else { Transport::Udp };
        let flow = flow(transport, "192.0.2.10:5060", connection);
        assert!(connection.is_none_or(|connection| world.endpoint.opened(connection)));
        let dialog = world.calls(Outgoing { flow, ..outgoing() });
        let mut ben = Callee::called(&mut world);
        let text = |name| ben.invite.headers.text(name).expect("a header").into_owned();
        assert_eq!(
            (ben.flow, ben.invite.uri.as_str(), &ben.invite.body[..]),
            (flow, "sip:ben@192.0.2.10", OFFER.as_bytes())
        );
        assert_eq!(text(Name::From), format!("\"Ana\" <sip:ana@example.com>;tag={:016x}", dialog.0));
        assert_eq!(text(Name::To), "<sip:ben@192.0.2.10>");
        let tcp = if connection.is_some() { ";transport=tcp" } else { "" };
        assert_eq!(text(Name::Contact), format!("<sip:ana@192.0.2.1:5060{tcp}>"));
        assert_eq!((text(Name::MaxForwards), text(Name::CSeq)), ("70".to_owned(), "1 INVITE".to_owned()));
        assert!(["timer", "100rel", "replaces"].iter().all(|tag| ben.invite.headers.lists(Name::Supported, tag)));
        assert_eq!(world.endpoint.call_id(dialog), Some(text(Name::CallId).as_str()));

        ben.says(&mut world, 100, "", "");
        assert_eq!(world.events.len(), 0);
        ben.says(&mut world, 180, "Alert-Info: <urn:x>", "");
        let Event::Progress { response, tag, answer: None, reliable: false, .. } = world.event() else { panic!() };
        assert_eq!((response.status, tag.as_deref()), (180, Some("ben1")));
        assert!(response.headers.contains(Name::AlertInfo));
        ben.says(&mut world, 200, "Record-Route: <sip:192.0.2.20;lr>\nX-Odd: 1", ANSWER);
        let Event::Accepted { response, answer: Some(_), .. } = world.event() else { panic!("not accepted") };
        assert!(response.headers.contains(Name::from("X-Odd")));
        let (_, ack) = world.request();
        assert_eq!((ack.method.as_str(), ack.uri.as_str()), ("ACK", "sip:ben@192.0.2.10:5060"));
        assert_eq!(ack.headers.text(Name::CSeq).as_deref(), Some("1 ACK"));
        assert_eq!(ack.headers.text(Name::Route).as_deref(), Some("<sip:192.0.2.20;lr>"));
        assert_ne!(
            ack.headers.via_top().map(|via| via.branch().map(str::to_owned)),
            ben.invite.headers.via_top().map(|via| via.branch().map(str::to_owned))
        );
        // A copy of the 200 gets a copy of the ACK, and a late 180 nothing.
        ben.says(&mut world, 200, "", ANSWER);
        assert_eq!(world.request().1, ack);
        ben.says(&mut world, 180, "", "");

        let bye = ben.request("BYE", "Reason: Q.850;cause=16\r\n", "");
        world.hear(ben.flow, bye);
        assert_eq!(world.said(), ["200 BYE"]);
        assert!(matches!(world.event(), Event::Ended { cause: EndCause::Bye, reason: Some(_), .. }));
        world.run_for(secs(40));
        assert_eq!((world.said(), world.events.len()), (vec![], 0));
        world.assert_empty();
    }
}

#[test]
fn we_hang_up() {
    let mut world = World::new();
    let (dialog, ben) = world.call_out(outgoing());
    world.hang_up(dialog);
    let (_, bye) = world.request();
    assert_eq!(
        (bye.headers.text(Name::CSeq).as_deref(), bye.headers.to_tag().as_deref()),
        (Some("2 BYE"), Some("ben1"))
    );
    ben.answers(&mut world, &bye, 200, "");
    assert_eq!(world.endpoint.dialogs_open(), 0);
    world.run_for(secs(40));
    assert_eq!(world.events.len(), 0);
    world.assert_empty();
}

#[test]
fn a_call_that_is_refused() {
    for (case, status, headers, failure) in [
        ("busy", 486, "Reason: Q.850;cause=17", Failure::Refused),
        ("declined by all", 603, "", Failure::Refused),
        ("overloaded", 503, "Retry-After: 7", Failure::Refused),
        ("moved, which we do not follow", 302, "", Failure::Refused),
        ("wants a password", 401, "WWW-Authenticate: Digest realm=\"x\", nonce=\"a\"", Failure::Refused),
        ("wants a longer session, but not how long", 422, "", Failure::Refused),
    ] {
        let mut world = World::new();
        world.calls(outgoing());
        let ben = Callee::called(&mut world);
        ben.says(&mut world, 180, "", "");
        world.event();
        ben.says(&mut world, status, headers, "");
        ben.says(&mut world, status, headers, "");
        let acks = world.requests();
        assert_eq!(acks.len(), 2, "{case}: one for each copy");
        assert_eq!(acks[0].headers.via_top(), ben.invite.headers.via_top(), "{case}");
        let Event::Failed { status: told, failure: how, response: Some(response), .. } = world.event() else {
            panic!("{case}")
        };
        assert_eq!((told, how, response.status), (status, failure, status), "{case}");
        assert_eq!(response.headers.retry_after(), (status == 503).then_some(7), "{case}");
        assert_eq!(world.endpoint.dialogs_open(), 0, "{case}");
        world.run_for(secs(40));
        assert_eq!((world.said(), world.events.len()), (vec![], 0), "{case}");
        world.assert_empty();
    }
}

#[test]
fn a_call_that_nobody_answers() {
    for (case, silence_timeout, rings, fails_at_s, failure, said) in [
        ("nobody there", secs(600), false, 32, Failure::Unreachable, vec!["INVITE"; 7]),
        ("nobody there, and another target", secs(4), false, 4, Failure::Unreachable, vec!["INVITE"; 7]),
        ("it rings", secs(4), true, 60, Failure::NoAnswer, vec!["CANCEL"; 11]),
    ] {
        let mut world = World::new();
        world.calls(Outgoing { silence_timeout, ..outgoing() });
        if rings {
            let ben = Callee::called(&mut world);
            ben.says(&mut world, 180, "", "");
            world.event();
        }
        world.run_for(ms(fails_at_s * 1000 - 1));
        assert_eq!(world.events.len(), 0, "{case}");
        world.run_for(ms(1));
        assert_eq!(world.failed(), (408, failure), "{case}");
        world.run_for(secs(100));
        assert_eq!(world.said(), said, "{case}");
        world.assert_empty();
    }
}

#[test]
fn we_give_up_a_call_that_rings() {
    let reason = Reason::sip(200, "Call completed elsewhere");
    let mut world = World::new();
    let dialog = world.calls(outgoing());
    let ben = Callee::called(&mut world);
    ben.says(&mut world, 180, "", "");
    world.event();
    world.endpoint.hangup(world.now, dialog, Some(reason.clone()));
    world.drain();
    let (flow, cancel) = world.request();
    assert_eq!((cancel.method.as_str(), flow, cancel.uri.as_str()), ("CANCEL", ben.flow, ben.invite.uri.as_str()));
    assert_eq!(cancel.headers.via_top(), ben.invite.headers.via_top());
    assert_eq!(cancel.headers.text(Name::CSeq).as_deref(), Some("1 CANCEL"));
    assert_eq!(cancel.headers.get(Name::To), ben.invite.headers.get(Name::To));
    assert_eq!(cancel.headers.reason(), Some(reason));
    ben.answers(&mut world, &cancel, 200, "");
    ben.says(&mut world, 487, "", "");
    assert_eq!(world.said(), ["ACK"]);
    world.run_for(secs(40));
    assert_eq!((world.said(), world.events.len()), (vec![], 0));
    world.assert_empty();
}

#[test]
fn a_cancel_waits_until_something_was_heard() {
    for (case, first) in [("100", 100), ("183", 183)] {
        let mut world = World::new();
        let dialog = world.calls(outgoing());
        let ben = Callee::called(&mut world);
        world.hang_up(dialog);
        assert_eq!(world.said(), [""; 0], "{case}");
        ben.says(&mut world, first, "", "");
        assert_eq!(world.said(), ["CANCEL"], "{case}");
        ben.says(&mut world, 180, "", "");
        ben.says(&mut world, 487, "", "");
        assert_eq!(world.said(), ["ACK"], "{case}");
        world.run_for(secs(40));
        assert_eq!(world.events.len(), 0, "{case}");
        world.assert_empty();
    }
    // Nobody there: nothing to cancel.
    let mut world = World::new();
    let dialog = world.calls(outgoing());
    world.hang_up(dialog);
    world.run_for(secs(40));
    assert_eq!((world.said(), world.events.len()), (vec!["INVITE".to_owned(); 7], 0));
    world.assert_empty();
    // It rings, and neither 487 nor anything else comes (RFC 3261 §9.1).
    let mut world = World::new();
    let dialog = world.calls(outgoing());
    Callee::called(&mut world).says(&mut world, 180, "", "");
    world.event();
    world.hang_up(dialog);
    world.run_for(secs(33));
    assert_eq!((world.endpoint.dialogs_open(), world.events.len()), (0, 0));
    world.assert_empty();
}

#[test]
fn a_cancel_and_the_200_cross() {
    for (case, cancel_answered_first) in [("the 200 first", false), ("the answer to CANCEL first", true)] {
        let mut world = World::new();
        let dialog = world.calls(outgoing());
        let ben = Callee::called(&mut world);
        ben.says(&mut world, 180, "", "");
        world.event();
        world.endpoint.hangup(world.now, dialog, Some(Reason::sip(200, "Call completed elsewhere")));
        world.drain();
        let (_, cancel) = world.request();
        if cancel_answered_first {
            ben.answers(&mut world, &cancel, 200, "");
        }
        ben.says(&mut world, 200, "", ANSWER);
        let said = world.requests();
        assert_eq!(said.iter().map(|request| request.method.as_str()).collect::<Vec<_>>(), ["ACK", "BYE"], "{case}");
        assert!(said[1].headers.reason().is_some(), "{case}");
        ben.answers(&mut world, &cancel, 481, "");
        // The ACK got lost.
        ben.says(&mut world, 200, "", ANSWER);
        assert_eq!(world.said(), ["ACK"], "{case}");
        ben.answers(&mut world, &said[1], 200, "");
        world.run_for(secs(40));
        assert_eq!((world.said(), world.events.len()), (vec![], 0), "{case}");
        world.assert_empty();
    }
}

#[test]
fn a_call_forks() {
    let mut world = World::new();
    let dialog = world.calls(outgoing());
    let ben = Callee::called(&mut world);
    let (cho, dan) = (ben.fork("cho1"), ben.fork("dan1"));
    let other_answer = ANSWER.replace("5000", "5002");
    for (phone, status, body) in
        [(&ben, 180, ""), (&cho, 183, ANSWER), (&ben, 183, other_answer.as_str()), (&dan, 180, "")]
    {
        phone.says(&mut world, status, "", body);
        let Event::Progress { dialog: of, tag, answer, .. } = world.event() else { panic!("no progress") };
        assert_eq!((of, tag.as_deref(), answer.is_some()), (dialog, Some(phone.tag.as_str()), !body.is_empty()));
    }
    // Cho answers without a description: its early one counts, not Ben's.
    cho.says(&mut world, 200, "", "");
    let Event::Accepted { answer: Some(answer), .. } = world.event() else { panic!("not accepted") };
    assert_eq!(answer.media[0].port, 5000);
    let (_, ack) = world.request();
    assert_eq!(ack.headers.to_tag().as_deref(), Some("cho1"));
    // Ben and another phone that nobody has heard of were too late.
    for late in [&ben, &ben.fork("eve1")] {
        late.says(&mut world, 200, "", ANSWER);
        let said = world.requests();
        let parted: Vec<_> = said.iter().map(|request| (request.method.as_str(), request.headers.to_tag())).collect();
        assert_eq!(parted, [("ACK", Some(late.tag.clone())), ("BYE", Some(late.tag.clone()))]);
        assert!(said[1].headers.reason().is_some_and(|reason| reason.cause == Some(200)));
        late.says(&mut world, 200, "", ANSWER);
        assert_eq!(world.said(), ["ACK"], "a copy of the 200: the ACK got lost");
        late.answers(&mut world, &said[1], 200, "");
    }
    assert_eq!(world.events.len(), 0);
    world.run_for(secs(33));
    // They may still talk to us, but there is no call.
    let mut ben = ben;
    let bye = ben.request("BYE", "", "");
    world.hear(ben.flow, bye);
    assert_eq!(world.said(), ["481 BYE"]);
    let mut cho = cho;
    let bye = cho.request("BYE", "", "");
    world.hear(cho.flow, bye);
    assert_eq!(world.said(), ["200 BYE"]);
    assert!(matches!(world.event(), Event::Ended { cause: EndCause::Bye, .. }));
    world.run_for(secs(40));
    world.assert_empty();
}

#[test]
fn forks_are_bounded() {
    let mut world = World::new();
    let dialog = world.calls(outgoing());
    let ben = Callee::called(&mut world);
    for number in 0..100 {
        ben.fork(&format!("f{number}")).says(&mut world, 180, "", "");
    }
    let progress = world.events.drain(..).count();
    assert_eq!(progress, 9, "the one heard last and eight more");
    assert_eq!(world.endpoint.stats().dropped, 91);
    ben.fork("f0").says(&mut world, 199, "", "");
    ben.fork("f99").says(&mut world, 180, "", "");
    assert!(matches!(world.event(), Event::Progress { .. }), "one has left, so there is room");
    // Whom we had no room for answers first all the same.
    ben.fork("f50").says(&mut world, 200, "", ANSWER);
    assert!(matches!(world.event(), Event::Accepted { .. }));
    let (_, ack) = world.request();
    assert_eq!(ack.headers.to_tag().as_deref(), Some("f50"));
    for number in 0..50 {
        ben.fork(&format!("f{number}")).says(&mut world, 200, "", ANSWER);
    }
    let said = world.said();
    assert_eq!(said.iter().filter(|name| *name == "BYE").count(), 15);
    world.hang_up(dialog);
    world.run_for(secs(100));
    world.assert_empty();
}

#[test]
fn an_answer_without_a_description_is_no_call() {
    for (case, offer, body) in [
        ("we offered", Some(OFFER.to_owned()), ""),
        ("we did not", None, ""),
        ("nonsense", Some(OFFER.to_owned()), "v=0\r\nx"),
    ] {
        let mut world = World::new();
        world.calls(Outgoing { offer, ..outgoing() });
        let ben = Callee::called(&mut world);
        ben.says(&mut world, 200, "", body);
        let said = world.requests();
        assert_eq!(said.iter().map(|request| request.method.as_str()).collect::<Vec<_>>(), ["ACK", "BYE"], "{case}");
        assert_eq!(world.failed(), (488, Failure::AnswerMissing), "{case}");
        ben.answers(&mut world, &said[1], 200, "");
        world.run_for(secs(40));
        assert_eq!(world.events.len(), 0, "{case}");
        world.assert_empty();
    }
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut world = World::new();
    let dialog = world.calls(Outgoing { offer: None, ..outgoing() });
    let ben = Callee::called(&mut world);
    assert!(ben.invite.body.is_empty());
    ben.says(&mut world, 200, "", OFFER);
    ben.says(&mut world, 200, "", OFFER);
    assert!(matches!(world.event(), Event::Accepted { answer: None, .. }));
    assert!(matches!(world.event(), Event::Offered { offer: Some(_), .. }));
    assert_eq!((world.said(), world.events.len()), (vec![], 0));
    world.endpoint.reanswer(world.now, dialog, ANSWER.to_owned());
    world.drain();
    let (_, ack) = world.request();
    assert_eq!((ack.method.as_str(), &ack.body[..]), ("ACK", ANSWER.as_bytes()));
    ben.says(&mut world, 200, "", OFFER);
    assert_eq!(world.request().1, ack);
    world.hang_up(dialog);
    world.run_for(secs(40));
    world.assert_empty();

    // We cannot answer it: ACK and BYE (RFC 3261 §13.2.2.4).
    let mut world = World::new();
    let dialog = world.calls(Outgoing { offer: None, ..outgoing() });
    Callee::called(&mut world).says(&mut world, 200, "", OFFER);
    world.endpoint.rereject(world.now, dialog, 488, None);
    world.drain();
    assert_eq!(world.said(), ["ACK", "BYE"]);
    world.run_for(secs(40));
    world.assert_empty();
}

#[test]
fn a_password_is_proved_once() {
    let ask = |nonce: &str, more: &str| {
        format!("WWW-Authenticate: Digest realm=\"x\", nonce=\"{nonce}\", qop=\"auth\"{more}")
    };
    for (case, challenges, want) in [
        ("right", vec![(401, ask("a", ""))], None),
        ("wrong", vec![(401, ask("a", "")), (401, ask("b", ""))], Some(401)),
        ("the same nonce again", vec![(401, ask("a", "")), (401, ask("a", ", stale=true"))], Some(401)),
        ("too old a nonce", vec![(401, ask("a", "")), (401, ask("b", ", stale=TRUE"))], None),
        ("a proxy first", vec![(407, ask("p", "").replace("WWW", "Proxy")), (401, ask("a", ""))], None),
        ("Basic", vec![(401, "WWW-Authenticate: Basic realm=\"x\"".to_owned())], Some(401)),
        ("forbidden", vec![(401, ask("a", "")), (403, String::new())], Some(403)),
    ] {
        let mut world = World::new();
        let dialog = world.calls(Outgoing { credentials: credentials(), ..outgoing() });
        let mut ben = Callee::called(&mut world);
        let first = ben.invite.headers.clone();
        for (number, (status, header)) in challenges.iter().enumerate() {
            ben.says(&mut world, *status, header, "");
            let mut said = world.requests();
            let Some(again) = said.pop().filter(|request| request.method == Method::Invite) else {
                assert_eq!(said.len() + 1, 1, "{case}: the ACK");
                continue;
            };
            assert_eq!(
                again.headers.cseq().map(|cseq| cseq.number),
                Ok(u32::try_from(number).expect("few") + 2),
                "{case}"
            );
            for name in [Name::CallId, Name::From, Name::To] {
                assert_eq!(again.headers.get(name), first.get(name), "{case}");
            }
            ben.invite = again;
        }
        if let Some(status) = want {
            assert_eq!(world.failed(), (status, Failure::Refused), "{case}");
            assert_eq!(world.endpoint.dialogs_open(), 0, "{case}");
            continue;
        }
        let proofs = [Name::Authorization, Name::ProxyAuthorization];
        let asked_by_proxy = challenges.iter().any(|(status, _)| *status == 407);
        assert_eq!(proofs.map(|name| ben.invite.headers.count(name)), [1, usize::from(asked_by_proxy)], "{case}");
        ben.says(&mut world, 200, "", ANSWER);
        assert!(matches!(world.event(), Event::Accepted { .. }), "{case}");
        let (_, ack) = world.request();
        for name in proofs {
            assert_eq!(ack.headers.get(name), ben.invite.headers.get(name), "{case}: RFC 3261 §22.1");
        }
        // Within the call it is proved beforehand, and once more if they insist.
        world.hang_up(dialog);
        let (_, bye) = world.request();
        assert!(bye.headers.text(Name::Authorization).is_some_and(|proof| proof.contains("nc=00000002")), "{case}");
        ben.answers(&mut world, &bye, 401, &ask("z", ""));
        let (_, again) = world.request();
        assert!(again.headers.text(Name::Authorization).is_some_and(|proof| proof.contains("nonce=\"z\"")), "{case}");
        let number = |request: &sip::Request| request.headers.cseq().expect("a CSeq").number;
        assert!(number(&again) > number(&bye), "{case}");
        ben.answers(&mut world, &again, 401, &ask("y", ""));
        assert_eq!((world.said(), world.endpoint.dialogs_open()), (vec![], 0), "{case}");
        world.run_for(secs(40));
        world.assert_empty();
    }
}

#[test]
fn sessions_have_timers_here_too() {
    // Too short for them: again with what they ask for (RFC 4028 §7.3), once.
    let mut world = World::with(Config { session_expires: secs(100), ..Config::default() });
    world.calls(outgoing());
    let mut ben = Callee::called(&mut world);
    assert_eq!(ben.invite.headers.text(Name::SessionExpires).as_deref(), Some("100"));
    ben.says(&mut world, 422, "Min-SE: 300", "");
    ben.invite = world.requests().pop().expect("another INVITE");
    let text = |name| ben.invite.headers.text(name).expect("a header").into_owned();
    assert_eq!(
        (text(Name::SessionExpires), text(Name::MinSe), text(Name::CSeq)),
        ("300".into(), "300".into(), "2 INVITE".into())
    );
    ben.says(&mut world, 200, "Session-Expires: 300;refresher=uac\nRequire: timer\nAllow: UPDATE", ANSWER);
    assert!(matches!(world.event(), Event::Accepted { .. }));
    assert_eq!(world.said(), ["ACK"]);
    world.run_for(secs(150));
    let (_, update) = world.request();
    assert_eq!((update.method.as_str(), update.headers.text(Name::CSeq).as_deref()), ("UPDATE", Some("3 UPDATE")));
    // Ours is the Call-ID, so after glare ours is the longer pause (RFC 3261 §14.1).
    ben.answers(&mut world, &update, 491, "");
    world.run_for(ms(2_099));
    assert_eq!(world.said(), [""; 0]);
    world.run_for(ms(1_901));
    let update = world.requests().remove(0);
    ben.answers(&mut world, &update, 200, "Session-Expires: 300;refresher=uas");
    // Now it is theirs to refresh, and they do not.
    world.run_for(secs(300));
    assert!(matches!(world.event(), Event::Ended { cause: EndCause::SessionExpired, .. }));
    world.run_for(secs(40));
    world.assert_empty();

    let mut world = World::new();
    world.calls(outgoing());
    let mut ben = Callee::called(&mut world);
    ben.says(&mut world, 422, "Min-SE: 3000", "");
    ben.invite = world.requests().pop().expect("another INVITE");
    ben.says(&mut world, 422, "Min-SE: 4000", "");
    assert_eq!(world.failed(), (422, Failure::Refused));
}

#[test]
fn our_requests_follow_the_callees_route() {
    for (case, record_route, contact, uri, routes, to) in [
        ("direct", "", "<sip:ben@192.0.2.10:5099>", "sip:ben@192.0.2.10:5099", vec![], "192.0.2.10:5099"),
        ("elsewhere", "", "<sip:ben@192.0.2.11>", "sip:ben@192.0.2.11", vec![], "192.0.2.11:5060"),
        ("behind a NAT", "", "<sip:ben@10.1.2.3:5060>", "sip:ben@10.1.2.3:5060", vec![], "192.0.2.10:5060"),
        ("a name", "", "<sip:ben@phone.invalid>", "sip:ben@phone.invalid", vec![], "192.0.2.10:5060"),
        (
            "loose, in reverse",
            "Record-Route: <sip:192.0.2.21;lr>, <sip:p2.example.com;lr>\nRecord-Route: <sip:192.0.2.23:5070;lr>",
            "<sip:ben@192.0.2.99>",
            "sip:ben@192.0.2.99",
            vec!["<sip:192.0.2.23:5070;lr>", "<sip:p2.example.com;lr>", "<sip:192.0.2.21;lr>"],
            "192.0.2.23:5070",
        ),
        (
            "strict",
            "Record-Route: <sip:192.0.2.22;lr>\nRecord-Route: <sip:192.0.2.21:5075>",
            "<sip:ben@192.0.2.99>",
            "sip:192.0.2.21:5075",
            vec!["<sip:192.0.2.22;lr>", "<sip:ben@192.0.2.99>"],
            "192.0.2.21:5075",
        ),
    ] {
        let mut world = World::new();
        let dialog = world.calls(outgoing());
        let ben = Callee { contact: contact.to_owned(), ..Callee::called(&mut world) };
        ben.says(&mut world, 200, record_route, ANSWER);
        world.hang_up(dialog);
        let said = world.messages();
        assert_eq!(said.len(), 2, "{case}");
        for sent in said {
            let sip::Message::Request(request) = sent.message else { panic!("{case}") };
            let got: Vec<_> =
                request.headers.get_all(Name::Route).map(|route| String::from_utf8_lossy(route).into_owned()).collect();
            assert_eq!((request.uri.as_str(), got), (uri, routes.iter().map(ToString::to_string).collect()), "{case}");
            assert_eq!(sent.flow.remote, to.parse().expect("an address"), "{case}: {}", request.method);
        }
    }
}

#[test]
fn a_registered_phone_is_reached_by_its_flow() {
    for same_flow in [true, false] {
        let mut world = World::new();
        let dialog = world.calls(Outgoing { same_flow, ..outgoing() });
        let ben = Callee { contact: "<sip:ben@192.0.2.77:5060>".to_owned(), ..Callee::called(&mut world) };
        ben.says(&mut world, 200, "", ANSWER);
        world.hang_up(dialog);
        let remote = if same_flow { "192.0.2.10:5060" } else { "192.0.2.77:5060" };
        assert!(world.messages().iter().all(|sent| sent.flow.remote == remote.parse().expect("an address")));
    }
}

#[test]
fn an_invite_says_what_its_maker_says() {
    let mut world = World::new();
    let mut headers = sip::Headers::new();
    for (name, value) in [
        ("X-Odd", "1\r\nEvil: 2"),
        ("P-Asserted-Identity", "<sip:+15550100@example.com>"),
        ("Diversion", "<sip:a@b>"),
        ("Replaces", "1;to-tag=a;from-tag=b"),
        ("Via", "SIP/2.0/UDP evil"),
        ("Contact", "<sip:evil@x>"),
        ("Bad Name", "x"),
        ("X-Bad:", "x"),
        ("Content-Length", "7"),
    ] {
        headers.push(Name::from(name), value);
    }
    let parse = |text: &str| text.parse().expect("an address");
    world.calls(Outgoing {
        headers,
        uri: "sip:ben@192.0.2.10;user=phone?X-A=1".parse().expect("a URI"),
        to: Some(parse("\"Ben\" <sip:ben@example.com>")),
        routes: vec![parse("<sip:proxy.example.com;lr>"), parse("<sip:p2.example.com;lr>")],
        max_forwards: 7,
        ..outgoing()
    });
    let ben = Callee::called(&mut world);
    let all = |name: &str| -> Vec<String> {
        ben.invite.headers.get_all(Name::from(name)).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    };
    assert_eq!(ben.invite.uri.as_str(), "sip:ben@192.0.2.10;user=phone");
    assert_eq!(all("To"), ["\"Ben\" <sip:ben@example.com>"]);
    assert_eq!(all("Route"), ["<sip:proxy.example.com;lr>", "<sip:p2.example.com;lr>"]);
    assert_eq!(all("Max-Forwards"), ["7"]);
    assert_eq!(all("X-Odd"), ["1  Evil: 2"]);
    assert_eq!(all("Replaces").len() + all("Diversion").len() + all("P-Asserted-Identity").len(), 3);
    assert_eq!((all("Via").len(), all("Contact").len(), all("Bad Name").len(), all("Evil").len()), (1, 1, 0, 0));
    // A strict proxy wants itself in the request line.
    world.calls(Outgoing { routes: vec![parse("<sip:strict.example.com>")], ..outgoing() });
    let (_, invite) = world.request();
    assert_eq!(invite.uri.as_str(), "sip:strict.example.com");
    assert_eq!(invite.headers.text(Name::Route).as_deref(), Some("<sip:ben@192.0.2.10>"));
}

#[test]
fn a_stream_that_ends_ends_the_call_before_it_is_answered() {
    let tcp = |connection| flow(Transport::Tcp, "192.0.2.10:5060", Some(connection));
    let mut world = World::new();
    let dialog = world.calls(Outgoing { flow: tcp(1), ..outgoing() });
    assert_eq!(world.failed(), (503, Failure::Unreachable), "a stream that nobody has opened");
    assert_eq!((world.said(), world.endpoint.call_id(dialog)), (vec![], None));

    assert!(world.endpoint.opened(2));
    world.calls(Outgoing { flow: tcp(2), ..outgoing() });
    world.said();
    world.endpoint.closed(world.now, 2);
    world.drain();
    assert_eq!(world.failed(), (408, Failure::Unreachable));
    world.assert_empty();
}

#[test]
fn calls_out_are_bounded_too() {
    let mut world = World::with(Config { dialogs_max: 2, ..Config::default() });
    world.calls(outgoing());
    world.calls(outgoing());
    assert_eq!(world.said(), ["INVITE", "INVITE"]);
    world.calls(outgoing());
    assert_eq!((world.failed(), world.said()), ((503, Failure::Full), vec![]));
    assert_eq!(world.endpoint.stats().refused_overload, 1);

    let mut world = World::with(Config { transactions_max: 1, ..Config::default() });
    world.calls(Outgoing { credentials: credentials(), ..outgoing() });
    let ben = Callee::called(&mut world);
    ben.says(&mut world, 401, "WWW-Authenticate: Digest realm=\"x\", nonce=\"a\"", "");
    assert_eq!((world.failed(), world.said()), ((503, Failure::Full), vec!["ACK".to_owned()]), "no room to ask again");
    assert_eq!(world.endpoint.stats().refused_overload, 1);
}

#[test]
fn what_we_ask_of_a_call_that_they_have_lost_ends_it() {
    for (case, status, over) in
        [("481", Some(481), true), ("408", Some(408), true), ("silence", None, true), ("405", Some(405), false)]
    {
        let mut world = World::new();
        let (dialog, ben) = world.call_out(outgoing());
        world.endpoint.info(world.now, dialog, "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n".into());
        world.drain();
        let (_, info) = world.request();
        assert_eq!((info.method.as_str(), info.body.len()), ("INFO", 24), "{case}");
        match status {
            Some(status) => ben.answers(&mut world, &info, status, ""),
            None => world.run_for(secs(33)),
        }
        let ended = world.events.pop_front();
        assert_eq!(
            matches!(ended, Some(Event::Ended { cause: EndCause::PeerLostDialog, .. })),
            over,
            "{case}: {ended:?}"
        );
        world.hang_up(dialog);
        world.run_for(secs(40));
        world.assert_empty();
    }
}

#[test]
fn somebody_is_asked_whether_they_are_there() {
    for (case, status, want) in
        [("there", Some(200), Some(200)), ("there, and cross", Some(405), Some(405)), ("gone", None, None)]
    {
        let mut world = World::new();
        let to = outgoing().flow;
        let ping = world.endpoint.options(world.now, to, "sip:192.0.2.10".parse().expect("a URI"));
        world.drain();
        let (flow, options) = world.request();
        assert_eq!((flow, options.method.as_str(), options.uri.as_str()), (to, "OPTIONS", "sip:192.0.2.10"), "{case}");
        assert!(sip::parse(&options.to_bytes()).is_ok(), "{case}");
        match status {
            Some(status) => world.hear(to, crate::phone::Phone::udp().answer(&options, status, "", "")),
            None => world.run_for(secs(32)),
        }
        assert!(matches!(world.event(), Event::Pinged { ping: of, status } if of == ping && status == want), "{case}");
        world.run_for(secs(40));
        world.assert_empty();
    }
}
