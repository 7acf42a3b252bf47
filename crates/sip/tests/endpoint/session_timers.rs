//! Session timers, both roles (RFC 4028).

use sip::{DialogId, EndCause, Event, Method, Name, Request};

use crate::phone::{ANSWER, OFFER, Phone, World, secs};

/// A call whose caller's INVITE has these headers, and the Session-Expires of our 200.
fn talking(headers: &str) -> (World, Phone, DialogId, Option<String>) {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.again("INVITE", headers, OFFER));
    let dialog = world.invited();
    world.accept(dialog);
    let ok = world.messages().pop().expect("a 200").message;
    ana.learn(&ok);
    world.hear(ana.flow, ana.ack());
    world.event();
    let expires = ok.headers().text(Name::SessionExpires).map(|value| value.into_owned());
    assert_eq!(ok.headers().lists(Name::Require, "timer"), expires.is_some());
    (world, ana, dialog, expires)
}

fn refresh(world: &mut World) -> Request {
    let (_, request) = world.request();
    assert!(request.headers.lists(Name::Supported, "timer"));
    assert!(request.headers.contains(Name::Contact));
    assert!(request.to_bytes().len() < 1300, "RFC 3261 §18.1.1");
    request
}

#[test]
fn the_200_says_who_refreshes() {
    for (case, headers, want) in [
        ("not known", "", None),
        ("known", "Supported: timer\r\n", Some("1800;refresher=uas")),
        ("asked", "Supported: timer\r\nSession-Expires: 600\r\n", Some("600;refresher=uas")),
        ("theirs", "Supported: timer\r\nx: 600;refresher=uac\r\n", Some("600;refresher=uac")),
        ("ours", "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n", Some("600;refresher=uas")),
    ] {
        let (_, _, _, expires) = talking(headers);
        assert_eq!(expires.as_deref(), want, "{case}");
    }
}

#[test]
fn a_caller_that_does_not_refresh_is_hung_up_on() {
    let (mut world, mut ana, ..) = talking("Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n");
    for _ in 0..5 {
        world.run_for(secs(45));
        world.hear(ana.flow, ana.request("UPDATE", "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n", ""));
        assert_eq!(world.said(), ["200 UPDATE"]);
    }
    world.run_for(secs(59));
    assert_eq!(world.said(), [""; 0]);
    world.run_for(secs(1));
    assert_eq!(world.said(), ["BYE"]);
    assert!(matches!(world.event(), Event::Ended { cause: EndCause::SessionExpired, .. }));
    world.run_for(secs(40));
    world.assert_empty();
}

#[test]
fn we_refresh_by_update_where_it_is_allowed() {
    let (mut world, ana, ..) = talking("Supported: timer\r\nAllow: INVITE, UPDATE\r\nSession-Expires: 600\r\n");
    for _ in 0..3 {
        world.run_for(secs(300));
        let update = refresh(&mut world);
        assert_eq!((&update.method, update.body.len()), (&Method::Update, 0));
        assert_eq!(update.headers.get(Name::SessionExpires), Some(&b"600;refresher=uac"[..]));
        world.hear(ana.flow, ana.answer(&update, 200, "Session-Expires: 600;refresher=uac\nRequire: timer", ""));
    }
    assert_eq!((world.said(), world.events.len()), (vec![], 0));
}

#[test]
fn we_refresh_by_re_invite_where_not() {
    let (mut world, ana, dialog, _) = talking("Supported: timer\r\nSession-Expires: 600\r\n");
    world.run_for(secs(300));
    let invite = refresh(&mut world);
    assert_eq!((&invite.method, invite.body.as_ref()), (&Method::Invite, ANSWER.as_bytes())); // unchanged: same version
    let ok = ana.answer(&invite, 200, "Session-Expires: 600;refresher=uac\nContent-Type: application/sdp", OFFER);
    world.hear(ana.flow, ana.answer(&invite, 100, "", ""));
    world.hear(ana.flow, &ok);
    let (_, ack) = world.request();
    assert_eq!((&ack.method, ack.headers.cseq().expect("a CSeq").number), (&Method::Ack, 1));
    assert_ne!(ack.headers.via_top().expect("a Via").branch(), invite.headers.via_top().expect("a Via").branch());
    assert!(matches!(world.event(), Event::Answered { dialog: d, .. } if d == dialog));
    world.hear(ana.flow, &ok); // the ACK got lost
    assert_eq!(world.request().1, ack);
    assert_eq!(world.events.len(), 0);
}

#[test]
fn a_peer_that_takes_over_the_refreshing_or_drops_the_timer_is_let() {
    let headers = "Supported: timer\r\nAllow: UPDATE\r\nSession-Expires: 600\r\n";
    let (mut world, ana, ..) = talking(headers);
    world.run_for(secs(300));
    let update = refresh(&mut world);
    world.hear(ana.flow, ana.answer(&update, 200, "Session-Expires: 600;refresher=uas", ""));
    world.run_for(secs(567));
    assert_eq!(world.said(), [""; 0]);
    world.run_for(secs(1)); // 32 s before the end
    assert_eq!(world.said(), ["BYE"]);

    let (mut world, ana, ..) = talking(headers);
    world.run_for(secs(300));
    let update = refresh(&mut world);
    world.hear(ana.flow, ana.answer(&update, 200, "", ""));
    world.run_for(secs(6_000));
    assert_eq!((world.said(), world.endpoint.dialogs_open()), (vec![], 1));
}

#[test]
fn a_refresh_that_fails_says_what_to_do() {
    enum Want {
        Ended { bye: bool },
        Again { within_s: u64, method: Method, expires: &'static str },
    }
    use Want::{Again, Ended};
    let again = |within_s, method, expires| Again { within_s, method, expires };
    for (case, status, headers, want) in [
        ("lost", 481, "", Ended { bye: false }),
        ("gone", 404, "", Ended { bye: false }),
        ("timed out", 408, "", Ended { bye: true }),
        ("glare", 491, "", again(2, Method::Update, "600;refresher=uac")),
        ("busy", 500, "Retry-After: 7", again(7, Method::Update, "600;refresher=uac")),
        ("not now", 503, "", again(10, Method::Update, "600;refresher=uac")),
        ("too short", 422, "Min-SE: 900", again(0, Method::Update, "900;refresher=uac")),
        ("no UPDATE after all", 405, "", again(0, Method::Invite, "600;refresher=uac")),
    ] {
        let (mut world, ana, ..) = talking("Supported: timer\r\nAllow: UPDATE\r\nSession-Expires: 600\r\n");
        world.run_for(secs(300));
        let update = refresh(&mut world);
        world.hear(ana.flow, ana.answer(&update, status, headers, ""));
        match want {
            Ended { bye } => {
                assert!(matches!(world.event(), Event::Ended { cause: EndCause::PeerLostDialog, .. }), "{case}");
                assert_eq!(world.said().len(), usize::from(bye), "{case}");
                world.run_for(secs(40));
                world.assert_empty();
            }
            Again { within_s, method, expires } => {
                world.run_for(secs(within_s));
                let messages = world.messages();
                let Some(sip::Message::Request(again)) = messages.first().map(|sent| &sent.message) else {
                    panic!("{case}: no second try")
                };
                assert_eq!(
                    (&again.method, again.headers.get(Name::SessionExpires)),
                    (&method, Some(expires.as_bytes())),
                    "{case}"
                );
                assert_eq!(world.events.len(), 0, "{case}");
            }
        }
    }
}

#[test]
fn numbers_beyond_reason_are_cut_to_size() {
    let huge = "18446744073709551615";
    let (mut world, ana, ..) = talking("Supported: timer\r\nAllow: UPDATE\r\nSession-Expires: 1800\r\n");
    world.run_for(secs(900));
    let update = refresh(&mut world);
    world.hear(ana.flow, ana.answer(&update, 500, &format!("Retry-After: {huge} (never)"), ""));
    world.run_for(secs(299));
    assert_eq!(world.said(), [""; 0]);
    world.run_for(secs(1));
    let update = refresh(&mut world);
    world.hear(ana.flow, ana.answer(&update, 422, &format!("Min-SE: {huge}"), ""));
    let update = refresh(&mut world);
    assert_eq!(update.headers.get(Name::SessionExpires), Some(&b"4294967295;refresher=uac"[..]));
    world.hear(ana.flow, ana.answer(&update, 200, &format!("Session-Expires: {huge};refresher=uac"), ""));
    world.run_for(secs(100_000));
    assert_eq!((world.said(), world.endpoint.dialogs_open()), (vec![], 1));

    let (mut world, ..) = talking(&format!("Supported: timer\r\nExpires: {huge}\r\nSession-Expires: {huge}\r\n"));
    world.run_for(secs(100_000));
    assert_eq!((world.said(), world.endpoint.dialogs_open()), (vec![], 1));
}

#[test]
fn a_refresh_that_nobody_answers_ends_the_call() {
    let (mut world, ..) = talking("Supported: timer\r\nAllow: UPDATE\r\nSession-Expires: 600\r\n");
    world.run_for(secs(332));
    assert!(matches!(world.event(), Event::Ended { cause: EndCause::PeerLostDialog, .. }));
    assert_eq!(world.said().last().map(String::as_str), Some("BYE"));
    world.run_for(secs(40));
    world.assert_empty();
}

#[test]
fn a_re_invite_while_ours_is_out_is_glare() {
    let (mut world, mut ana, ..) = talking("Supported: timer\r\nSession-Expires: 600\r\n");
    world.run_for(secs(300));
    let invite = refresh(&mut world);
    world.hear(ana.flow, ana.request("INVITE", "", OFFER));
    assert_eq!(world.said(), ["491 INVITE"]);
    world.hear(ana.flow, ana.request("UPDATE", "", OFFER));
    assert_eq!(world.said(), ["491 UPDATE"]);
    world.hear(ana.flow, ana.answer(&invite, 491, "", ""));
    let (_, ack) = world.request();
    assert_eq!(ack.headers.via_top(), invite.headers.via_top()); // RFC 3261 §17.1.1.3
    // While we hold back, theirs gets through.
    world.hear(ana.flow, ana.request("INVITE", "Supported: timer\r\n", OFFER));
    assert!(matches!(world.event(), Event::Offered { .. }));
}

#[test]
fn too_short_a_refresh_is_422_and_leaves_the_call_alone() {
    let (mut world, mut ana, ..) = talking("Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n");
    world.hear(ana.flow, ana.request("UPDATE", "Supported: timer\r\nSession-Expires: 89\r\n", ""));
    let response = world.response();
    assert_eq!((response.status, response.headers.get(Name::MinSe)), (422, Some(&b"90"[..])));
    assert_eq!(world.endpoint.dialogs_open(), 1);
}
