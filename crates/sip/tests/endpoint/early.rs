//! Before the answer: early media, reliable 1xx and PRACK both ways (RFC 3262), UPDATE (RFC 3311).

use sip::{Event, Message, Name, Outgoing, Response};

use crate::callee::{Callee, credentials, outgoing};
use crate::phone::{ANSWER, OFFER, Phone, World, ms, secs};

const REL: &str = "Supported: 100rel\r\n";

/// A PRACK for this 1xx.
fn prack(ana: &mut Phone, response: &Response, body: &str) -> String {
    let rack = format!("RAck: {} 1 INVITE\r\n", response.headers.rseq().expect("an RSeq"));
    ana.request("PRACK", &rack, body)
}

#[test]
fn early_media_and_the_200_say_the_same() {
    let mut world = World::new();
    let ana = Phone::udp();
    world.hear(ana.flow, ana.invite());
    let dialog = world.invited();
    world.endpoint.progress(world.now, dialog, 183, Some(ANSWER.to_owned()));
    world.endpoint.progress(world.now, dialog, 180, None);
    world.endpoint.accept(world.now, dialog, "v=0\r\nsomething else".to_owned());
    world.drain();
    let said = world.messages();
    let got: Vec<_> =
        said.iter().map(|sent| (crate::phone::name(&sent.message), sent.message.headers().rseq())).collect();
    assert_eq!(
        got.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["100 INVITE", "183 INVITE", "180 INVITE", "200 INVITE"]
    );
    assert!(got.iter().all(|(_, rseq)| rseq.is_none()), "they do not know PRACK");
    let body = |at: usize| match &said[at].message {
        Message::Response(response) => response.body.clone(),
        Message::Request(_) => panic!("a request"),
    };
    assert_eq!((&body(1)[..], &body(2)[..], &body(3)[..]), (ANSWER.as_bytes(), &b""[..], ANSWER.as_bytes()));
}

#[test]
fn reliable_1xx_are_sent_again_until_their_prack() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.again("INVITE", REL, OFFER));
    let dialog = world.invited();
    world.said();
    world.endpoint.progress(world.now, dialog, 180, None);
    world.drain();
    assert!(!world.response().headers.contains(Name::RSeq), "nothing to lose in it, and they do not insist");
    world.endpoint.progress(world.now, dialog, 183, Some(ANSWER.to_owned()));
    world.endpoint.accept(world.now, dialog, ANSWER.to_owned());
    world.drain();
    let early = world.response();
    assert!(early.headers.lists(Name::Require, "100rel"));
    ana.learn(&Message::Response(early.clone()));
    world.run_for(ms(1_500));
    assert_eq!(world.said_when(), ["500 183 INVITE", "1500 183 INVITE"], "the 200 waits");
    // Wrong ones name nothing.
    for (rack, status) in [("RAck: 1 1 INVITE\r\n", 481), ("RAck: x\r\n", 400), ("", 400)] {
        world.hear(ana.flow, ana.request("PRACK", rack, ""));
        assert_eq!(world.response().status, status, "{rack}");
    }
    let prack = prack(&mut ana, &early, "");
    world.hear(ana.flow, &prack);
    assert_eq!(world.said(), ["200 PRACK", "200 INVITE"]);
    world.hear(ana.flow, &prack);
    assert_eq!(world.said(), ["200 PRACK"]);
    ana.cseq = 1;
    world.hear(ana.flow, ana.ack());
    assert!(matches!(world.event(), Event::Acked { .. }));
    ana.cseq = 10;
    world.hear(ana.flow, ana.bye());
    world.run_for(secs(40));
    world.assert_empty();
}

#[test]
fn without_a_prack_there_is_no_call() {
    let mut world = World::new();
    let ana = Phone::udp();
    world.hear(ana.flow, ana.again("INVITE", "Require: 100rel\r\n", OFFER));
    let dialog = world.invited();
    world.endpoint.progress(world.now, dialog, 180, None);
    world.endpoint.progress(world.now, dialog, 182, None);
    world.drain();
    assert_eq!(world.said(), ["100 INVITE", "180 INVITE"], "one at a time");
    world.run_for(secs(32));
    let said = world.said();
    assert_eq!((said.len(), said.last().map(String::as_str)), (7, Some("504 INVITE")));
    assert!(matches!(world.event(), Event::Canceled { .. }));
    world.run_for(secs(40));
    world.assert_empty();
}

#[test]
fn our_offer_may_go_in_a_reliable_1xx() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.again("INVITE", REL, ""));
    let dialog = world.invited();
    world.said();
    world.endpoint.progress(world.now, dialog, 183, Some(OFFER.to_owned()));
    world.drain();
    let early = world.response();
    assert_eq!(&early.body[..], OFFER.as_bytes());
    ana.learn(&Message::Response(early.clone()));
    world.hear(ana.flow, prack(&mut ana, &early, ANSWER));
    assert!(matches!(world.event(), Event::Answered { .. }));
    world.endpoint.accept(world.now, dialog, OFFER.to_owned());
    world.drain();
    let said = world.messages();
    let Message::Response(ok) = &said[1].message else { panic!("a request") };
    assert_eq!((ok.status, ok.body.len()), (200, 0), "all is said");
    ana.cseq = 1;
    world.hear(ana.flow, ana.ack());
    assert!(matches!(world.event(), Event::Acked { answer: None, .. }));

    // Who does not know PRACK gets none before the 200; and a PRACK without the answer ends the call.
    for (headers, body, said) in
        [("", "", vec!["183 INVITE"]), (REL, OFFER, vec!["183 INVITE", "200 PRACK", "504 INVITE"])]
    {
        let mut world = World::new();
        let mut ana = Phone::udp();
        world.hear(ana.flow, ana.again("INVITE", headers, ""));
        let dialog = world.invited();
        world.said();
        world.endpoint.progress(world.now, dialog, 183, Some(OFFER.to_owned()));
        world.drain();
        let mut heard = world.messages();
        let Message::Response(early) = heard.remove(0).message else { panic!("a request") };
        assert_eq!(&early.body[..], body.as_bytes());
        let mut got = vec!["183 INVITE".to_owned()];
        if !body.is_empty() {
            ana.learn(&Message::Response(early.clone()));
            world.hear(ana.flow, prack(&mut ana, &early, ""));
            got.extend(world.said());
        }
        assert_eq!(got, said);
    }
}

#[test]
fn the_caller_may_offer_anew_in_prack_and_update() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.again("INVITE", REL, OFFER));
    let dialog = world.invited();
    world.said();
    world.endpoint.progress(world.now, dialog, 183, Some(ANSWER.to_owned()));
    world.drain();
    let early = world.response();
    ana.learn(&Message::Response(early.clone()));
    // Too early: they cannot know our answer yet.
    world.hear(ana.flow, ana.request("UPDATE", "", OFFER));
    assert_eq!(world.response().status, 500);
    let answers = [ANSWER.replace("5000", "5001"), ANSWER.replace("5000", "5002")];
    for (method, answer) in ["PRACK", "UPDATE"].into_iter().zip(&answers) {
        let request = match method {
            "PRACK" => prack(&mut ana, &early, OFFER),
            _ => ana.request("UPDATE", "", OFFER),
        };
        world.hear(ana.flow, request);
        assert_eq!(world.said(), [""; 0], "{method}");
        assert!(matches!(world.event(), Event::Offered { offer: Some(_), .. }), "{method}");
        if method == "UPDATE" {
            // One at a time.
            world.hear(ana.flow, ana.request("UPDATE", "", OFFER));
            assert_eq!(world.response().status, 500);
        }
        world.endpoint.accept(world.now, dialog, ANSWER.to_owned());
        world.endpoint.reanswer(world.now, dialog, answer.clone());
        world.drain();
        let said = world.messages();
        let Message::Response(response) = &said[0].message else { panic!("a request") };
        assert_eq!((response.status, &response.body[..]), (200, answer.as_bytes()), "{method}");
        if method == "PRACK" {
            // It was answered while the PRACK waited: the 200 follows, and says what is agreed now.
            let Message::Response(ok) = &said[1].message else { panic!("a request") };
            assert_eq!((ok.status, &ok.body[..]), (200, answer.as_bytes()));
            break;
        }
    }

    // The same with UPDATE, before anybody answers.
    let mut world = World::new();
    let mut ana = Phone { call_id: "other".to_owned(), ..Phone::udp() };
    world.hear(ana.flow, ana.again("INVITE", REL, OFFER));
    let dialog = world.invited();
    world.said();
    world.endpoint.progress(world.now, dialog, 183, Some(ANSWER.to_owned()));
    world.drain();
    let early = world.response();
    ana.learn(&Message::Response(early.clone()));
    world.hear(ana.flow, prack(&mut ana, &early, ""));
    world.said();
    world.hear(ana.flow, ana.request("UPDATE", "", OFFER));
    assert!(matches!(world.event(), Event::Offered { .. }));
    world.endpoint.reanswer(world.now, dialog, answers[1].clone());
    world.drain();
    assert_eq!(&world.response().body[..], answers[1].as_bytes());
    world.hear(ana.flow, ana.request("UPDATE", "", OFFER));
    world.event();
    world.endpoint.rereject(world.now, dialog, 488, None);
    world.drain();
    assert_eq!(world.response().status, 488);
    // The caller gives up with an offer of its open: nothing stays behind.
    world.hear(ana.flow, ana.request("UPDATE", "", OFFER));
    world.event();
    let cancel = Phone { cseq: 1, branches: 0, to_tag: None, ..ana.clone() };
    world.hear(ana.flow, cancel.same_branch("CANCEL"));
    assert_eq!(world.said(), ["200 CANCEL", "487 INVITE", "487 UPDATE"]);
    world.run_for(secs(40));
    world.assert_empty();
}

#[test]
fn we_acknowledge_reliable_1xx_in_order() {
    let mut world = World::new();
    let dialog = world.calls(outgoing());
    let ben = Callee::called(&mut world);
    let rel = |rseq: u32| format!("Require: 100rel\nRSeq: {rseq}");
    ben.says(&mut world, 183, &rel(70), ANSWER);
    let (_, prack) = world.request();
    assert_eq!((prack.method.as_str(), prack.headers.text(Name::RAck).as_deref()), ("PRACK", Some("70 1 INVITE")));
    assert_eq!(
        (prack.headers.to_tag().as_deref(), prack.headers.text(Name::CSeq).as_deref()),
        (Some("ben1"), Some("2 PRACK"))
    );
    assert!(matches!(world.event(), Event::Progress { reliable: true, answer: Some(_), .. }));
    // A copy, and one before which another got lost.
    ben.says(&mut world, 183, &rel(70), ANSWER);
    ben.says(&mut world, 180, &rel(72), "");
    assert_eq!((world.said(), world.events.len()), (vec![], 0));
    // The PRACK is lost and goes out again by itself.
    world.run_for(ms(500));
    let (_, again) = world.request();
    assert_eq!(again, prack);
    ben.answers(&mut world, &prack, 200, "");
    ben.says(&mut world, 180, &rel(71), "");
    let (_, second) = world.request();
    assert_eq!(second.headers.text(Name::RAck).as_deref(), Some("71 1 INVITE"));
    assert!(matches!(world.event(), Event::Progress { reliable: true, answer: None, .. }));
    // Another fork counts for itself.
    let cho = ben.fork("cho1");
    cho.says(&mut world, 183, &rel(9), ANSWER);
    let (_, third) = world.request();
    assert_eq!(
        (third.headers.text(Name::RAck).as_deref(), third.headers.to_tag().as_deref()),
        (Some("9 1 INVITE"), Some("cho1"))
    );
    world.event();
    for prack in [second, third] {
        ben.answers(&mut world, &prack, 481, ""); // and is of no consequence
    }
    // What the 1xx has said, the 200 need not.
    ben.says(&mut world, 200, "", "");
    assert!(matches!(world.event(), Event::Accepted { answer: Some(_), .. }));
    assert_eq!(world.said(), ["ACK"]);
    world.hang_up(dialog);
    world.run_for(secs(40));
    world.assert_empty();
}

#[test]
fn their_offer_in_a_reliable_1xx_is_answered_in_the_prack() {
    for rejected in [false, true] {
        let mut world = World::new();
        let dialog = world.calls(Outgoing { offer: None, ..outgoing() });
        let ben = Callee::called(&mut world);
        ben.says(&mut world, 183, "Require: 100rel\nRSeq: 1", OFFER);
        assert!(matches!(world.event(), Event::Progress { answer: None, .. }));
        assert!(matches!(world.event(), Event::Offered { offer: Some(_), .. }));
        assert_eq!(world.said(), [""; 0]);
        if rejected {
            world.endpoint.rereject(world.now, dialog, 488, None);
            world.drain();
            assert_eq!(world.said(), ["CANCEL"]);
            ben.says(&mut world, 487, "", "");
        } else {
            world.endpoint.reanswer(world.now, dialog, ANSWER.to_owned());
            world.drain();
            let (_, prack) = world.request();
            assert_eq!(&prack.body[..], ANSWER.as_bytes());
            ben.says(&mut world, 200, "", "");
            assert!(matches!(world.event(), Event::Accepted { answer: None, .. }));
            assert_eq!(world.said(), ["ACK"]);
            world.hang_up(dialog);
        }
        world.run_for(secs(40));
        assert_eq!(world.events.len(), 0);
        world.assert_empty();
    }
}

#[test]
fn what_was_said_before_they_offered_anew_is_void() {
    for in_the_200 in ["", ANSWER] {
        let mut world = World::new();
        let dialog = world.calls(outgoing());
        let mut ben = Callee::called(&mut world);
        ben.says(&mut world, 183, "Require: 100rel\nRSeq: 1", ANSWER);
        assert!(matches!(world.event(), Event::Progress { answer: Some(_), .. }));
        let update = ben.request("UPDATE", "", OFFER);
        world.hear(ben.flow, update);
        assert!(matches!(world.event(), Event::Offered { offer: Some(_), .. }));
        world.endpoint.reanswer(world.now, dialog, ANSWER.to_owned());
        world.drain();
        assert_eq!(world.said(), ["PRACK", "200 UPDATE"]);
        ben.says(&mut world, 180, "", in_the_200);
        assert!(matches!(world.event(), Event::Progress { answer: None, .. }));
        ben.says(&mut world, 200, "", in_the_200);
        assert!(matches!(world.event(), Event::Accepted { answer: None, .. }));
        assert_eq!(world.said(), ["ACK"]);
        world.hang_up(dialog);
        world.run_for(secs(40));
        assert_eq!(world.events.len(), 0);
        world.assert_empty();
    }
}

#[test]
fn whom_we_call_may_ask_within_the_early_dialog() {
    let mut world = World::new();
    let dialog = world.calls(outgoing());
    let mut ben = Callee::called(&mut world);
    let update = ben.request("UPDATE", "", "");
    world.hear(ben.flow, update);
    assert_eq!(world.said(), ["481 UPDATE"], "nobody has heard of them");
    ben.says(&mut world, 183, "", ANSWER);
    world.event();
    for (method, body, status) in [
        ("UPDATE", OFFER, 491),
        ("UPDATE", "", 200),
        ("INVITE", OFFER, 491),
        ("BYE", "", 481),
        ("OPTIONS", "", 200),
        ("REFER", "", 403),
        ("PRACK", "", 400),
    ] {
        let request = ben.request(method, "", body);
        world.hear(ben.flow, request);
        assert_eq!(world.said(), [format!("{status} {method}")]);
    }
    let ack = ben.request("ACK", "", "");
    world.hear(ben.flow, ack);
    ben.says(&mut world, 183, "Require: 100rel\nRSeq: 1", ANSWER);
    world.event();
    world.said();
    // Now both know, and they may offer: in the dialog heard last, or in another.
    let mut cho = ben.fork("cho1");
    cho.says(&mut world, 180, "", "");
    world.event();
    let update = ben.request("UPDATE", "", OFFER);
    world.hear(ben.flow, update);
    assert!(matches!(world.event(), Event::Offered { offer: Some(_), .. }));
    world.endpoint.reanswer(world.now, dialog, ANSWER.to_owned());
    world.drain();
    assert_eq!(world.said(), ["200 UPDATE"]);
    let update = cho.request("UPDATE", "", OFFER);
    world.hear(cho.flow, update);
    assert_eq!(world.said(), ["491 UPDATE"]);
    // One that waits while the other phone is heard is not answered by what is meant for that.
    let update = ben.request("UPDATE", "", OFFER);
    world.hear(ben.flow, update);
    world.event();
    cho.says(&mut world, 180, "", "");
    assert_eq!(world.said(), ["500 UPDATE"]);
    world.event();
    world.hang_up(dialog);
    let update = ben.request("UPDATE", "", "");
    world.hear(ben.flow, update);
    assert_eq!(world.said(), ["CANCEL", "481 UPDATE"]);
    world.run_for(secs(40));
    assert_eq!(world.events.len(), 0);
    world.assert_empty();
}

#[test]
fn a_prack_that_is_challenged_is_sent_again_with_proof() {
    for (case, credentials, want) in [("we know who we are", credentials(), 1), ("we do not", None, 0)] {
        let mut world = World::new();
        world.calls(Outgoing { credentials, ..outgoing() });
        let ben = Callee::called(&mut world);
        ben.says(&mut world, 183, "Require: 100rel\nRSeq: 7", ANSWER);
        let (_, prack) = world.request();
        assert!(!prack.headers.contains(Name::Authorization), "{case}");
        let challenge = "WWW-Authenticate: Digest realm=\"x\", nonce=\"a\", qop=\"auth\"\r\n";
        ben.answers(&mut world, &prack, 401, challenge);
        let again = world.requests();
        assert_eq!(again.len(), want, "{case}");
        for again in again {
            let number = |request: &sip::Request| request.headers.cseq().expect("a CSeq").number;
            assert_eq!((again.method.as_str(), number(&again)), ("PRACK", number(&prack) + 1), "{case}");
            assert_eq!(again.headers.get(Name::RAck), prack.headers.get(Name::RAck), "{case}");
            assert!(
                again.headers.text(Name::Authorization).is_some_and(|proof| proof.contains("nonce=\"a\"")),
                "{case}"
            );
            ben.answers(&mut world, &again, 401, challenge);
            assert_eq!(world.said(), [""; 0], "{case}: the same nonce again is a wrong password");
        }
        ben.says(&mut world, 200, "", "");
        assert_eq!(world.said(), ["ACK"], "{case}: the call goes on either way");
    }
}
