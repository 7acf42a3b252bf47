//! A call from INVITE to BYE (RFC 3261 §13, §15), and the ways it goes wrong.

use sip::{Config, EndCause, Event, Reason, Reject, Timers};

use crate::phone::{ANSWER, OFFER, Phone, World, ms, secs};

#[test]
fn a_call_is_answered_and_hung_up_by_the_caller() {
    for mut ana in [Phone::udp(), Phone::tcp(1)] {
        let mut world = World::new();
        world.hear(ana.flow, ana.invite());
        assert_eq!(world.said(), ["100 INVITE"]); // at once
        let dialog = world.invited();
        world.endpoint.progress(world.now, dialog, 180, None);
        world.accept(dialog);
        let messages = world.messages();
        ana.learn(&messages[1].message);
        let ok = messages[1].message.headers();
        let tcp = if ana.flow.connection.is_some() { ";transport=tcp" } else { "" };
        assert_eq!(ok.get(sip::Name::Contact), Some(format!("<sip:standup@192.0.2.1:5060{tcp}>").as_bytes()));
        assert!(ok.lists(sip::Name::Allow, "UPDATE") && ok.lists(sip::Name::Supported, "timer"));
        assert!(ok.contains(sip::Name::Server));
        assert_eq!(ok.to_tag().expect("a tag").len(), 16); // 64 bits
        assert_eq!(ok.to_tag(), messages[0].message.headers().to_tag());

        world.hear(ana.flow, ana.ack());
        assert!(matches!(world.event(), Event::Acked { answer: None, .. }));
        world.hear(ana.flow, ana.bye());
        assert_eq!(world.said(), ["200 BYE"]);
        assert!(matches!(world.event(), Event::Ended { cause: EndCause::Bye, .. }));
        assert_eq!(world.endpoint.dialogs_open(), 0);
        world.run_for(secs(40));
        assert_eq!((world.said(), world.events.len()), (vec![], 0));
        world.assert_empty();
    }
}

#[test]
fn copies_are_answered_alike_and_tell_nobody() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.invite());
    world.hear(ana.flow, ana.invite());
    assert_eq!(world.said(), ["100 INVITE", "100 INVITE"]);
    let dialog = world.invited();
    world.endpoint.progress(world.now, dialog, 183, Some(ANSWER.to_owned()));
    world.drain();
    world.hear(ana.flow, ana.invite());
    let messages = world.messages();
    assert_eq!(messages[0].message, messages[1].message);
    world.accept(dialog);
    ana.learn(&world.messages()[0].message);
    let ack = ana.ack();
    world.hear(ana.flow, &ack);
    world.hear(ana.flow, &ack);
    let bye = ana.bye();
    world.hear(ana.flow, &bye);
    world.hear(ana.flow, &bye);
    let messages = world.messages();
    assert_eq!((messages.len(), &messages[0].message), (2, &messages[1].message));
    assert_eq!(world.events.len(), 2); // Acked, Ended
}

#[test]
fn the_2xx_goes_out_until_its_ack_comes_then_the_call_ends() {
    // RFC 3261 §13.3.1.4: also on a stream.
    for ana in [Phone::udp(), Phone::tcp(1)] {
        let mut world = World::new();
        world.hear(ana.flow, ana.invite());
        let dialog = world.invited();
        world.accept(dialog);
        world.messages();
        world.run_for(ms(31_999));
        let at = [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
        assert_eq!(world.said_when(), at.map(|ms| format!("{ms} 200 INVITE")));
        world.run_for(ms(1));
        assert!(matches!(world.event(), Event::Ended { cause: EndCause::NoAck, .. }));
        let (_, bye) = world.request();
        assert_eq!(bye.method, sip::Method::Bye);
        world.hear(ana.flow, ana.answer(&bye, 200, "", ""));
        world.run_for(secs(40));
        world.assert_empty();
        assert_eq!(world.events.len(), 0);
    }
}

#[test]
fn an_ack_must_name_the_invite_by_dialog_and_cseq() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.invite());
    let dialog = world.invited();
    world.accept(dialog);
    ana.learn(&world.messages()[1].message);
    let mut other = ana.clone();
    other.cseq += 1;
    world.hear(ana.flow, other.ack());
    let mut stranger = ana.clone();
    stranger.from = "<sip:ana@example.com>;tag=else".to_owned();
    world.hear(ana.flow, stranger.ack());
    assert_eq!(world.events.len(), 0);
    assert_eq!(world.endpoint.stats().dropped, 2);
    world.hear(ana.flow, ana.ack());
    assert!(matches!(world.event(), Event::Acked { .. }));
}

#[test]
fn a_caller_that_reuses_the_branch_for_its_ack_is_understood() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.invite());
    let dialog = world.invited();
    world.accept(dialog);
    ana.learn(&world.messages()[1].message);
    world.hear(ana.flow, ana.same_branch("ACK"));
    assert!(matches!(world.event(), Event::Acked { .. }));
}

#[test]
fn a_caller_without_an_offer_gets_ours_and_answers_in_the_ack() {
    for (case, body, answered) in [("an answer", OFFER, true), ("none", "", false), ("nonsense", "v=1", false)] {
        let mut world = World::new();
        let mut ana = Phone::udp();
        world.hear(ana.flow, ana.again("INVITE", "", ""));
        let Event::Invite { dialog, offer: None, .. } = world.event() else { panic!("an offer?") };
        world.accept(dialog);
        ana.learn(&world.messages()[1].message);
        world.hear(ana.flow, ana.ack_with(body));
        if answered {
            assert!(matches!(world.event(), Event::Acked { answer: Some(_), .. }), "{case}");
            assert_eq!(world.said(), [""; 0], "{case}");
        } else {
            assert!(matches!(world.event(), Event::Ended { cause: EndCause::AnswerMissing, .. }), "{case}");
            assert_eq!(world.said(), ["BYE"], "{case}");
        }
    }
}

#[test]
fn a_cancel_in_time_ends_the_call_with_487() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.invite());
    let dialog = world.invited();
    world.endpoint.progress(world.now, dialog, 180, None);
    world.drain();
    world.messages();
    let cancel = ana.again("CANCEL", "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n", "");
    world.hear(ana.flow, &cancel);
    let messages = world.messages();
    assert_eq!(
        messages.iter().map(|sent| crate::phone::name(&sent.message)).collect::<Vec<_>>(),
        ["200 CANCEL", "487 INVITE"]
    );
    assert_eq!(messages[0].message.headers().to_tag(), messages[1].message.headers().to_tag());
    let Event::Canceled { reason: Some(Reason { cause: Some(200), .. }), .. } = world.event() else { panic!("reason") };
    world.accept(dialog); // too late: nothing happens
    assert_eq!(world.said(), [""; 0]);
    world.run_for(ms(1500));
    assert_eq!(world.said(), ["487 INVITE", "487 INVITE"]);
    ana.learn(&messages[1].message);
    world.hear(ana.flow, ana.same_branch("ACK"));
    world.run_for(secs(40));
    assert_eq!(world.said(), [""; 0]);
    world.assert_empty();
}

#[test]
fn a_cancel_that_crosses_the_200_changes_nothing_and_the_caller_must_hang_up() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.invite());
    let dialog = world.invited();
    world.accept(dialog);
    ana.learn(&world.messages()[1].message);
    let to_tag = ana.to_tag.take();
    world.hear(ana.flow, ana.same_branch("CANCEL"));
    assert_eq!(world.said(), ["200 CANCEL"]);
    ana.to_tag = to_tag;
    world.hear(ana.flow, ana.ack());
    assert!(matches!(world.event(), Event::Acked { .. }));
    world.run_for(ms(3_999));
    assert_eq!(world.said(), [""; 0]);
    world.run_for(ms(1)); // it did not
    assert_eq!(world.said(), ["BYE"]);
    assert!(matches!(world.event(), Event::Ended { cause: EndCause::Canceled, .. }));
}

#[test]
fn a_cancel_for_nothing_is_481() {
    let mut world = World::new();
    let ana = Phone::udp();
    world.hear(ana.flow, ana.same_branch("CANCEL"));
    assert_eq!(world.said(), ["481 CANCEL"]);
}

#[test]
fn a_declined_call_is_resent_until_its_ack_and_forgotten() {
    let mut world = World::with(Config { server: "Partyline/0.1.0".to_owned(), ..Config::default() });
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.invite());
    let dialog = world.invited();
    let warning = Some((304, "Media \"type\" not available".to_owned()));
    world.endpoint.reject(world.now, dialog, 488, Reject { retry_after_s: Some(3), warning, ..Reject::default() });
    world.drain();
    let messages = world.messages();
    let refused = messages[1].message.headers();
    assert_eq!(refused.get(sip::Name::Warning), Some(&b"304 Partyline \"Media 'type' not available\""[..]));
    assert_eq!(refused.get(sip::Name::RetryAfter), Some(&b"3"[..]));
    assert_eq!(world.endpoint.dialogs_open(), 0);
    world.run_for(ms(500));
    assert_eq!(world.said(), ["488 INVITE"]);
    ana.learn(&messages[1].message);
    world.hear(ana.flow, ana.same_branch("ACK"));
    world.run_for(secs(5));
    assert_eq!(world.said(), [""; 0]);
    world.assert_empty();
    assert_eq!(world.events.len(), 0);
}

#[test]
fn our_hangup_waits_for_the_ack_and_tells_nobody() {
    for (case, acked) in [("after the ACK", true), ("without an ACK", false)] {
        let mut world = World::new();
        let mut ana = Phone::udp();
        world.hear(ana.flow, ana.invite());
        let dialog = world.invited();
        world.accept(dialog);
        ana.learn(&world.messages()[1].message);
        let reason = Reason { protocol: "Q.850".to_owned(), cause: Some(16), text: None };
        world.endpoint.hangup(world.now, dialog, Some(reason));
        world.drain();
        assert_eq!(world.said(), [""; 0], "{case}");
        if acked {
            world.hear(ana.flow, ana.ack());
        } else {
            world.run_for(secs(32));
        }
        let bye = world.messages().pop().expect("a BYE").message;
        assert_eq!(bye.headers().get(sip::Name::Reason), Some(&b"Q.850;cause=16"[..]), "{case}");
        world.run_for(secs(40)); // nobody answers it
        assert_eq!(world.events.len(), 0, "{case}");
        world.assert_empty();
    }
}

#[test]
fn at_the_end_of_the_process_no_hangup_waits_for_its_ack() {
    let mut world = World::new();
    let mut phones = [1, 2, 3].map(|number| Phone { call_id: format!("call{number}"), ..Phone::udp() });
    for phone in &mut phones {
        world.hear(phone.flow, phone.invite());
        let dialog = world.invited();
        world.accept(dialog);
        phone.learn(&world.messages()[1].message);
        if phone.call_id != "call3" {
            world.endpoint.hangup(world.now, dialog, None);
        }
    }
    world.endpoint.farewell(world.now);
    world.drain();
    assert_eq!(world.said(), ["BYE", "BYE"]); // the third has not been hung up
    world.hear(phones[0].flow, phones[0].ack());
    world.endpoint.farewell(world.now);
    world.drain();
    assert_eq!((world.said(), world.events.len()), (vec![], 0));
}

#[test]
fn hanging_up_a_ringing_call_declines_it() {
    let mut world = World::new();
    let ana = Phone::udp();
    world.hear(ana.flow, ana.invite());
    let dialog = world.invited();
    world.endpoint.hangup(world.now, dialog, None);
    world.drain();
    assert_eq!(world.said(), ["100 INVITE", "603 INVITE"]);
    assert_eq!((world.events.len(), world.endpoint.dialogs_open()), (0, 0));
}

#[test]
fn a_call_may_be_ended_by_bye_before_it_is_answered() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.invite());
    let dialog = world.invited();
    world.endpoint.progress(world.now, dialog, 180, None);
    world.drain();
    ana.learn(&world.messages()[1].message);
    world.hear(ana.flow, ana.bye());
    assert_eq!(world.said(), ["200 BYE", "487 INVITE"]);
    assert!(matches!(world.event(), Event::Canceled { .. }));
    assert_eq!(world.endpoint.dialogs_open(), 0);
}

#[test]
fn ringing_is_repeated_each_minute_and_ends_in_time() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.invite());
    let dialog = world.invited();
    world.endpoint.progress(world.now, dialog, 180, None);
    world.drain();
    ana.learn(&world.messages()[1].message);
    world.run_for(secs(180));
    assert_eq!(world.said_when(), ["60000 180 INVITE", "120000 180 INVITE", "180000 487 INVITE"]);
    world.hear(ana.flow, ana.same_branch("ACK"));
    assert!(matches!(world.event(), Event::Canceled { reason: None, .. }));

    (ana.call_id, ana.to_tag) = ("another".to_owned(), None);
    ana.extra = "Expires: 20\r\n".to_owned(); // RFC 3261 §13.3.1
    world.hear(ana.flow, ana.invite());
    world.messages();
    world.run_for(secs(20));
    assert_eq!(world.said(), ["487 INVITE"]);
}

#[test]
fn lost_packets_are_made_up_for() {
    // The 200 and the first ACK get lost: the copy of the 200 asks for the ACK again.
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.invite());
    let dialog = world.invited();
    world.accept(dialog);
    ana.learn(&world.messages()[1].message);
    world.run_for(ms(1500));
    assert_eq!(world.said(), ["200 INVITE", "200 INVITE"]);
    world.hear(ana.flow, ana.ack());
    world.run_for(secs(40));
    assert_eq!(world.said(), [""; 0]);
    // Our BYE gets lost three times.
    world.start = world.now;
    world.endpoint.hangup(world.now, dialog, None);
    world.drain();
    world.run_for(ms(3_500));
    let messages = world.messages();
    let sip::Message::Request(bye) = &messages[3].message else { panic!("a BYE") };
    assert!(messages.iter().all(|sent| sent.message == messages[0].message));
    world.hear(ana.flow, ana.answer(bye, 200, "", ""));
    world.run_for(secs(5));
    assert_eq!(world.said(), [""; 0]);
    world.assert_empty();
}

#[test]
fn a_caller_older_than_rfc_3261_is_understood() {
    // No branch, no From-tag, no Contact: RFC 4475 §3.1.1.13 (inv2543).
    let text = |method: &str, to_tag: &str| {
        let body = if method == "INVITE" { OFFER } else { "" };
        format!(
            "{method} sip:standup@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10\r\nFrom: <sip:ana@example.com>\r\n\
             To: <sip:standup@192.0.2.1>{to_tag}\r\nCall-ID: old\r\nCSeq: 1 {method}\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut world = World::new();
    let flow = Phone::udp().flow;
    world.hear(flow, text("INVITE", ""));
    world.hear(flow, text("INVITE", ""));
    assert_eq!(world.said(), ["100 INVITE", "100 INVITE"]);
    let dialog = world.invited();
    world.accept(dialog);
    let tag = world.response().headers.to_tag().expect("a tag");
    world.hear(flow, text("ACK", &format!(";tag={tag}")));
    assert!(matches!(world.event(), Event::Acked { .. }));
    world.endpoint.hangup(world.now, dialog, None);
    world.drain();
    let (to, bye) = world.request();
    assert_eq!((to.remote, bye.uri.as_str()), (flow.remote, "sip:ana@example.com"));

    let mut world = World::new();
    world.hear(flow, text("INVITE", ""));
    world.hear(flow, text("CANCEL", ""));
    assert_eq!(world.said(), ["100 INVITE", "200 CANCEL", "487 INVITE"]);
}

#[test]
fn the_timers_are_the_configuration_s() {
    let timers = Timers { t1: ms(10), t2: ms(40), t4: ms(50) };
    let mut world = World::with(sip::Config { timers, ..sip::Config::default() });
    let ana = Phone::udp();
    world.hear(ana.flow, ana.invite());
    let dialog = world.invited();
    world.accept(dialog);
    world.messages();
    world.run_for(ms(100));
    assert_eq!(world.said_when(), ["10 200 INVITE", "30 200 INVITE", "70 200 INVITE"]);
}
