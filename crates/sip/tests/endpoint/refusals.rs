//! Requests that get an error, or silence where the RFC says drop (RFC 3261 §8.2).

use sip::{Event, Name, Response};

use crate::phone::{OFFER, Phone, World, secs};

/// What a phone on its own gets for one request.
fn answer_to(text: &str) -> Response {
    let mut world = World::new();
    world.hear(Phone::udp().flow, text);
    assert_eq!(world.events.len(), 0, "{text}");
    world.response()
}

#[test]
fn a_request_outside_of_a_call_gets_what_the_rfc_says() {
    let ana = Phone::udp();
    let with_tag = Phone { to_tag: Some("nobody".to_owned()), ..ana.clone() };
    let edit = |text: String, from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    let long_uri = format!("sip:{}@192.0.2.1 SIP", "x".repeat(3000));
    for (case, text, status) in [
        ("unknown method", ana.again("JUMP", "", ""), 501),
        ("methods have case", ana.again("invite", "", OFFER), 501),
        ("SUBSCRIBE", ana.again("SUBSCRIBE", "", ""), 405),
        ("MESSAGE", ana.again("MESSAGE", "", ""), 405),
        ("REFER of a stranger", ana.again("REFER", "", ""), 403),
        ("NOTIFY without a call", ana.again("NOTIFY", "", ""), 481),
        ("PUBLISH", ana.again("PUBLISH", "", ""), 405),
        ("PRACK without a call", ana.again("PRACK", "", ""), 481),
        ("BYE without a call", ana.again("BYE", "", ""), 481),
        ("UPDATE without a call", ana.again("UPDATE", "", OFFER), 481),
        ("INFO without a call", ana.again("INFO", "", ""), 481),
        ("BYE in a lost call", with_tag.again("BYE", "", ""), 481),
        ("re-INVITE in a lost call", with_tag.again("INVITE", "", OFFER), 481),
        ("OPTIONS in a lost call", with_tag.again("OPTIONS", "", ""), 481),
        ("an extension we lack", ana.again("INVITE", "Require: 100rel, timer, gin, path\r\n", OFFER), 420),
        ("no hops left", edit(ana.invite(), "Max-Forwards: 70", "Max-Forwards: 0"), 483),
        ("a body we cannot read", ana.again("INVITE", "Content-Type: text/plain\r\n", "hello"), 415),
        ("an encoding we lack", ana.again("INVITE", "Content-Encoding: gzip\r\n", OFFER), 415),
        ("an offer that is none", ana.again("INVITE", "", "v=0\r\nnonsense"), 400),
        ("wants no SDP back", ana.again("INVITE", "Accept: text/html\r\n", OFFER), 406),
        ("no Contact", edit(ana.invite(), "Contact:", "X-Contact:"), 400),
        ("a call that replaces half of one", ana.again("INVITE", "Replaces: 1;to-tag=a\r\n", OFFER), 400),
        ("two Contacts", ana.again("INVITE", "Contact: <sip:b@192.0.2.11>\r\n", OFFER), 400),
        ("too short a session", ana.again("INVITE", "Supported: timer\r\nSession-Expires: 60\r\n", OFFER), 422),
        ("a session of nonsense", ana.again("INVITE", "Session-Expires: soon\r\n", OFFER), 400),
        ("too long a URI", edit(ana.invite(), "sip:standup@192.0.2.1 SIP", &long_uri), 414),
        ("another scheme", edit(ana.invite(), "sip:standup@192.0.2.1 SIP", "soap.beep://a SIP"), 416),
        ("another SIP", edit(ana.invite(), "192.0.2.1 SIP/2.0", "192.0.2.1 SIP/7.0"), 505),
        ("CSeq of another method", edit(ana.invite(), "CSeq: 1 INVITE", "CSeq: 1 BYE"), 400),
        ("CSeq past 2^31", edit(ana.invite(), "CSeq: 1 ", "CSeq: 2147483648 "), 400),
        ("no Call-ID", edit(ana.invite(), "Call-ID:", "X-Call-ID:"), 400),
        ("headers without end", ana.again("INVITE", &format!("X-Long: {}\r\n", "x".repeat(20_000)), OFFER), 513),
    ] {
        let response = answer_to(&text);
        assert_eq!(response.status, status, "{case}");
        assert!(response.headers.to_tag().is_some(), "{case}: no To-tag");
        let told = match status {
            405 | 501 => response.headers.lists(Name::Allow, "INVITE"),
            415 if case.contains("encoding") => response.headers.get(Name::AcceptEncoding) == Some(b"identity"),
            415 => response.headers.lists(Name::Accept, "application/sdp"),
            420 => response.headers.get(Name::Unsupported) == Some(b"gin, path"),
            422 => response.headers.get(Name::MinSe) == Some(b"90"),
            _ => true,
        };
        assert!(told, "{case}: {:?}", response.headers);
    }
}

#[test]
fn what_is_merely_unusual_is_accepted() {
    let ana = Phone::udp();
    let multipart = format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b--\r\n"
    );
    for (case, text, offers) in [
        ("supports 100rel", ana.again("INVITE", "Supported: 100rel\r\n", OFFER), true),
        ("Require: timer", ana.again("INVITE", "Require: timer\r\n", OFFER), true),
        ("multipart", ana.again("INVITE", "Content-Type: multipart/mixed;boundary=b\r\n", &multipart), true),
        (
            "an optional body",
            ana.again("INVITE", "Content-Type: text/plain\r\nContent-Disposition: render;handling=optional\r\n", "hi"),
            false,
        ),
        ("compact names", ana.invite().replace("Via:", "v:").replace("From:", "f:").replace("To:", "t:"), true),
        ("a proxy's business", ana.again("INVITE", "Proxy-Require: sec-agree\r\n", OFFER), true),
        ("a session timer from a proxy", ana.again("INVITE", "Session-Expires: 60\r\n", OFFER), true),
        ("takes anything", ana.again("INVITE", "Accept: application/*;q=0.2\r\n", OFFER), true),
    ] {
        let mut world = World::new();
        world.hear(ana.flow, text);
        assert_eq!(world.said(), ["100 INVITE"], "{case}");
        let sip::Event::Invite { offer, .. } = world.event() else { panic!("{case}") };
        assert_eq!(offer.is_some(), offers, "{case}");
    }
}

#[test]
fn an_error_to_an_invite_is_resent_until_its_ack() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.again("INVITE", "Require: gin\r\n", OFFER));
    let first = world.response();
    world.hear(ana.flow, ana.again("INVITE", "Require: gin\r\n", OFFER));
    assert_eq!(world.response(), first);
    ana.to_tag = first.headers.to_tag();
    world.hear(ana.flow, ana.same_branch("ACK"));
    world.run_for(secs(6));
    assert_eq!(world.said(), [""; 0]);
    world.assert_empty();
}

#[test]
fn a_merged_request_is_482() {
    let mut world = World::new();
    let ana = Phone::udp();
    let forked = Phone { via: "SIP/2.0/UDP 192.0.2.20;rport".to_owned(), ..ana.clone() };
    world.hear(ana.flow, ana.invite());
    world.hear(ana.flow, forked.invite());
    assert_eq!(world.said(), ["100 INVITE", "482 INVITE"]);
    assert_eq!(world.events.len(), 1);
    // A new attempt has a new CSeq.
    let mut again = Phone { ..ana.clone() };
    world.hear(ana.flow, again.request("INVITE", "", OFFER));
    assert_eq!(world.said(), ["100 INVITE"]);
}

#[test]
fn options_for_a_user_is_the_owners_to_answer() {
    let mut world = World::new();
    world.options = None;
    let mut ana = Phone::udp();
    for (case, answers, want, capable) in [
        ("somebody", vec![200, 404], 200, true),
        ("nobody", vec![404], 404, false),
        ("no room", vec![503], 503, false),
        ("no answer", vec![], 500, false),
    ] {
        let options = ana.request("OPTIONS", "", "");
        world.hear(ana.flow, &options);
        world.hear(ana.flow, &options);
        let Event::Options { id, request, flow } = world.event() else { panic!("{case}: no OPTIONS") };
        assert_eq!((request.uri.as_str(), flow), ("sip:standup@192.0.2.1", ana.flow), "{case}");
        assert_eq!(world.said(), [""; 0], "{case}");
        for status in answers {
            world.endpoint.answer_options(world.now, id, status);
        }
        world.drain();
        if case == "no answer" {
            world.run_for(secs(4));
        }
        let response = world.response();
        assert_eq!((response.status, response.headers.contains(Name::Accept)), (want, capable), "{case}");
        assert_eq!(response.headers.contains(Name::RetryAfter), want == 503, "{case}");
        world.hear(ana.flow, &options);
        assert_eq!(world.response(), response, "{case}: the same to a copy");
        world.run_for(secs(32));
        world.assert_empty();
    }

    // The server itself asks nobody.
    world.hear(ana.flow, ana.request("OPTIONS", "", "").replacen("sip:standup@", "sip:", 1));
    assert_eq!((world.response().status, world.events.len()), (200, 0));
}

#[test]
fn a_register_is_the_owners_to_answer() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    for (case, status, headers, want) in [
        ("bound", 200, vec![(Name::Contact, "<sip:ana@192.0.2.10>;expires=60".to_owned())], 200),
        ("asked for a password", 401, vec![(Name::WwwAuthenticate, "Digest realm=\"x\"".to_owned())], 401),
        ("no answer", 0, vec![], 500),
    ] {
        // What a proxy on the way may insist on (RFC 3327 §5.2).
        let register = ana.request("REGISTER", "Require: path\r\n", "");
        world.hear(ana.flow, &register);
        world.hear(ana.flow, &register);
        let Event::Register { id, request, flow } = world.event() else { panic!("{case}: no REGISTER") };
        assert_eq!((request.uri.as_str(), flow), ("sip:standup@192.0.2.1", ana.flow), "{case}");
        assert_eq!(world.said(), [""; 0], "{case}");
        if status == 0 {
            world.run_for(secs(4));
        } else {
            world.endpoint.answer_register(world.now, id, status, &headers);
            world.drain();
        }
        let response = world.response();
        assert_eq!(response.status, want, "{case}");
        for (name, value) in headers {
            assert_eq!(response.headers.text(name).as_deref(), Some(value.as_str()), "{case}");
        }
        world.hear(ana.flow, &register);
        assert_eq!(world.response(), response, "{case}: the same to a copy");
        world.run_for(secs(32));
        world.assert_empty();
    }
}

#[test]
fn options_is_answered_as_an_invite_would_be() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    world.hear(ana.flow, ana.again("OPTIONS", "", "").replace("Max-Forwards: 70", "Max-Forwards: 0"));
    let response = world.response();
    assert_eq!(response.status, 200);
    for name in [Name::Allow, Name::Accept, Name::Supported, Name::Contact] {
        assert!(response.headers.contains(name), "{name}");
    }
    world.call(&mut ana);
    world.endpoint.set_draining(true);
    world.hear(ana.flow, ana.request("OPTIONS", "", ""));
    assert_eq!(world.response().status, 200); // a call that is there goes on

    let stranger = Phone { call_id: "other".to_owned(), ..Phone::udp() };
    for text in [stranger.again("OPTIONS", "", ""), stranger.invite()] {
        world.hear(ana.flow, &text);
        let response = world.response();
        assert_eq!((response.status, response.headers.get(Name::RetryAfter)), (503, Some(&b"5"[..])));
        assert!(response.headers.to_tag().is_some());
    }
}

#[test]
fn what_must_be_dropped_is_dropped() {
    let ana = Phone::udp();
    let stray = Phone { to_tag: Some("nobody".to_owned()), ..ana.clone() };
    let response = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK0123456789abcdef\r\nFrom: <sip:a@b>;tag=1\r\n\
                    To: <sip:a@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n";
    for (case, bytes) in [
        ("keep-alive", b"\r\n\r\n".to_vec()),
        ("STUN", vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]),
        ("empty", vec![]),
        ("noise", b"hello".to_vec()),
        ("stray ACK", stray.again("ACK", "", "").into_bytes()),
        ("malformed ACK", stray.again("ACK", "", "").replace("CSeq: 1", "CSeq: one").into_bytes()),
        ("stray response", response.as_bytes().to_vec()),
        ("malformed response", response.replace("200 OK", "2000 OK").into_bytes()),
        ("a response with NUL", response.replace("Call-ID: x", "Call-ID: x\r\nX-Odd: \"\0\"").into_bytes()),
        ("another's response", response.replace("z9hG4bK0123", "elsewhere").into_bytes()),
    ] {
        let mut world = World::new();
        world.hear(ana.flow, bytes);
        assert_eq!((world.said(), world.events.len()), (vec![], 0), "{case}");
        assert_eq!(world.endpoint.stats().dropped, 1, "{case}");
        world.assert_empty();
    }
}
