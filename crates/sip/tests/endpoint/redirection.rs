//! 3xx: a call of ours goes elsewhere (RFC 3261 §8.1.3.4), if its maker lets it.

use sip::{Credentials, Event, Failure, Method, Name, Outgoing, Transport, Uri};

use crate::callee::{Callee, credentials, outgoing};
use crate::phone::{ANSWER, OFFER, World, flow, secs};

fn uri(text: &str) -> Uri {
    text.parse().expect("a URI")
}

/// The question that a redirection is.
fn redirected(world: &mut World) -> (u16, String) {
    match world.event() {
        Event::Redirected { status, target, .. } => (status, target.to_string()),
        other => panic!("not redirected: {other:?}"),
    }
}

#[test]
fn a_call_is_followed_from_target_to_target() {
    let mut world = World::new();
    let dialog = world.calls(Outgoing { redirects: true, ..outgoing() });
    let first = Callee::called(&mut world);
    first.says(&mut world, 302, "Contact: <sip:low@192.0.2.30>;q=0.2, <sip:high@192.0.2.31>", "");
    assert_eq!(world.said(), ["ACK"]);
    assert_eq!(redirected(&mut world), (302, "sip:high@192.0.2.31".to_owned()));
    // Whoever is asked may take their time.
    world.run_for(secs(5));
    let to = flow(Transport::Udp, "192.0.2.31:5060", None);
    world.endpoint.follow(world.now, dialog, to, uri("sip:high@192.0.2.31"), "v=0 there\r\n".to_owned());
    world.endpoint.follow(world.now, dialog, to, uri("sip:twice@192.0.2.31"), OFFER.to_owned());
    world.drain();
    let second = Callee::called(&mut world);
    assert_eq!((second.flow, second.invite.uri.as_str()), (to, "sip:high@192.0.2.31"));
    assert_eq!(&second.invite.body[..], b"v=0 there\r\n", "what is offered there");
    for name in [Name::CallId, Name::From, Name::To] {
        assert_eq!(second.invite.headers.get(name), first.invite.headers.get(name));
    }
    assert_eq!(second.invite.headers.text(Name::CSeq).as_deref(), Some("2 INVITE"));
    // That one is busy; the other is left.
    second.says(&mut world, 486, "", "");
    assert_eq!(redirected(&mut world), (486, "sip:low@192.0.2.30".to_owned()));
    world.endpoint.follow(world.now, dialog, to, uri("sip:low@192.0.2.30"), OFFER.to_owned());
    world.drain();
    world.said();
    world.calls(outgoing());
    let mut third = Callee::called(&mut world);
    third.invite.headers.set(Name::CallId, second.invite.headers.get(Name::CallId).expect("a Call-ID"));
    world.hang_up(dialog);
    world.run_for(secs(40));
    assert_eq!(world.failed(), (408, Failure::Unreachable), "the other call");
    world.assert_empty();
}

#[test]
fn where_a_redirection_ends() {
    for (case, answers, want) in [
        ("a circle", vec![(302, "<sip:ben@192.0.2.10>")], 302),
        ("a larger circle", vec![(302, "<sip:a@192.0.2.30>"), (302, "<sip:ben@192.0.2.10>")], 302),
        ("nowhere", vec![(300, "*")], 300),
        ("none is left", vec![(302, "<sip:a@192.0.2.30>"), (404, "")], 404),
        ("declined by all", vec![(302, "<sip:a@192.0.2.30>, <sip:b@192.0.2.30>"), (603, "")], 603),
        (
            "for ever",
            vec![
                (302, "<sip:a@192.0.2.30>"),
                (302, "<sip:b@192.0.2.30>"),
                (302, "<sip:c@192.0.2.30>"),
                (302, "<sip:d@192.0.2.30>"),
                (302, "<sip:e@192.0.2.30>"),
                (302, "<sip:f@192.0.2.30>"),
            ],
            302,
        ),
    ] {
        let mut world = World::new();
        let dialog = world.calls(Outgoing { redirects: true, ..outgoing() });
        let mut ben = Callee::called(&mut world);
        let last = answers.len() - 1;
        for (number, (status, contacts)) in answers.into_iter().enumerate() {
            let header = if contacts.is_empty() { String::new() } else { format!("Contact: {contacts}") };
            ben.says(&mut world, status, &header, "");
            if number < last {
                let (_, target) = redirected(&mut world);
                world.said();
                world.endpoint.follow(world.now, dialog, ben.flow, uri(&target), OFFER.to_owned());
                world.drain();
                ben = Callee::called(&mut world);
            }
        }
        assert_eq!(world.failed(), (want, Failure::Refused), "{case}");
        world.run_for(secs(40));
        world.assert_empty();
    }
}

#[test]
fn who_does_not_want_to_be_sent_elsewhere_hangs_up() {
    let mut world = World::new();
    let dialog = world.calls(Outgoing { redirects: true, ..outgoing() });
    let ben = Callee::called(&mut world);
    ben.says(&mut world, 302, "Contact: <sip:a@192.0.2.30>", "");
    redirected(&mut world);
    assert!(world.endpoint.call_id(dialog).is_some());
    world.hang_up(dialog);
    assert_eq!(world.said(), ["ACK"]);
    world.run_for(secs(40));
    assert_eq!(world.events.len(), 0);
    world.assert_empty();

    // And who never says: it has rung for long enough.
    let mut world = World::new();
    world.calls(Outgoing { redirects: true, ..outgoing() });
    Callee::called(&mut world).says(&mut world, 302, "Contact: <sip:a@192.0.2.30>", "");
    redirected(&mut world);
    world.run_for(secs(60));
    assert_eq!(world.failed(), (408, Failure::NoAnswer));
    world.assert_empty();
}

#[test]
fn a_password_is_not_taken_elsewhere() {
    let named = Credentials { realm: Some("x".to_owned()), ..credentials().expect("credentials") };
    for (case, credentials, proved) in [("any realm", credentials(), false), ("one realm", Some(named), true)] {
        let mut world = World::new();
        let dialog = world.calls(Outgoing { redirects: true, credentials, ..outgoing() });
        let ben = Callee::called(&mut world);
        ben.says(&mut world, 302, "Contact: <sip:a@192.0.2.30>", "");
        let (_, target) = redirected(&mut world);
        world.said();
        world.endpoint.follow(world.now, dialog, ben.flow, uri(&target), OFFER.to_owned());
        world.drain();
        let stranger = Callee::called(&mut world);
        stranger.says(&mut world, 401, "WWW-Authenticate: Digest realm=\"x\", nonce=\"a\"", "");
        let again = world.requests().pop().expect("an ACK at least");
        assert_eq!(again.method == Method::Invite, proved, "{case}");
        if !proved {
            assert_eq!(world.failed(), (401, Failure::Refused), "{case}");
            continue;
        }
        let answered = Callee { invite: again, ..stranger };
        answered.says(&mut world, 200, "", ANSWER);
        assert!(matches!(world.event(), Event::Accepted { .. }), "{case}");
    }
}
