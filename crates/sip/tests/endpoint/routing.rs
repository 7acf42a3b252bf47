//! Where messages go: Via, Route, Contact and what NAT does to them (RFC 3261 §12.2, §16.12, §18.2, RFC 3581).

use sip::{Advertised, Config, Flow, Method, Name, Request, Transport};

use crate::phone::{OFFER, Phone, World, flow, secs};

fn udp(remote: &str) -> Flow {
    flow(Transport::Udp, remote, None)
}

/// Calls, hangs up from our side, and returns where the BYE went.
fn bye(world: &mut World, phone: &mut Phone) -> (Flow, Request) {
    let dialog = world.call(phone);
    world.endpoint.hangup(world.now, dialog, None);
    world.drain();
    let (flow, bye) = world.request();
    assert_eq!(bye.method, Method::Bye);
    (flow, bye)
}

#[test]
fn a_response_goes_where_the_request_came_from() {
    for (case, from, via, to, stamped) in [
        ("rport", "192.0.2.10:7000", "SIP/2.0/UDP 192.0.2.10:5060;rport", "192.0.2.10:7000", "received=192.0.2.10"),
        ("behind a NAT", "198.51.100.9:7000", "SIP/2.0/UDP 10.0.0.5:5060;rport", "198.51.100.9:7000", "rport=7000"),
        ("no rport", "192.0.2.10:7000", "SIP/2.0/UDP 192.0.2.10:5070", "192.0.2.10:5070", "192.0.2.10:5070"),
        ("no rport, no port", "192.0.2.10:7000", "SIP/2.0/UDP 192.0.2.10", "192.0.2.10:5060", "UDP 192.0.2.10;"),
        (
            "no rport, NAT",
            "198.51.100.9:7000",
            "SIP/2.0/UDP 10.0.0.5:5060",
            "198.51.100.9:7000",
            "received=198.51.100.9",
        ),
        ("a name", "192.0.2.10:7000", "SIP/2.0/UDP phone.example.com", "192.0.2.10:7000", "received=192.0.2.10"),
        ("IPv6", "[2001:db8::9]:7000", "SIP/2.0/UDP [2001:db8::9]:5080", "[2001:db8::9]:5080", "[2001:db8::9]:5080"),
    ] {
        let mut world = World::new();
        let phone = Phone { via: via.to_owned(), ..Phone::on(udp(from)) };
        world.hear(phone.flow, phone.again("OPTIONS", "", ""));
        let sent = world.messages().pop().expect("an answer");
        assert_eq!(sent.flow.remote, to.parse().expect("an address"), "{case}");
        let via = sent.message.headers().text(Name::Via).expect("a Via").into_owned();
        assert!(via.contains(stamped), "{case}: {via}");
    }
}

#[test]
fn our_contact_is_what_the_world_can_reach() {
    let advertised = vec![Advertised { local: None, public: "203.0.113.7".parse().expect("an address") }];
    for (case, advertised, remote, want) in [
        ("as it is", vec![], "192.0.2.10:5060", "<sip:standup@192.0.2.1:5060>"),
        ("NAT 1:1", advertised.clone(), "192.0.2.10:5060", "<sip:standup@203.0.113.7:5060>"),
        ("IPv6", advertised, "[2001:db8::9]:5060", "<sip:standup@[2001:db8::1]:5060>"),
    ] {
        let mut world = World::with(Config { advertised, ..Config::default() });
        let ana = Phone::on(udp(remote));
        world.hear(ana.flow, ana.invite());
        let dialog = world.invited();
        world.accept(dialog);
        let ok = world.messages().pop().expect("a 200").message;
        assert_eq!(ok.headers().text(Name::Contact).as_deref(), Some(want), "{case}");
    }
}

#[test]
fn our_requests_follow_the_route() {
    let loose =
        "Record-Route: <sip:p1.example.com;lr>, <sip:192.0.2.21;lr>\r\nRecord-Route: <sip:192.0.2.22:5070;lr>\r\n";
    let strict = "Record-Route: <sip:192.0.2.21:5075>\r\nRecord-Route: <sip:192.0.2.22;lr>\r\n";
    let gruu = "<sip:ana@192.0.2.10:5099;gr=x?Subject=hi>";
    for (case, extra, contact, uri, routes, to) in [
        ("direct", "", "<sip:ana@192.0.2.10:5099>", "sip:ana@192.0.2.10:5099", vec![], "192.0.2.10:5099"),
        ("direct, no port said", "", "<sip:ana@192.0.2.10>", "sip:ana@192.0.2.10", vec![], "192.0.2.10:5060"),
        ("elsewhere", "", "<sip:ana@192.0.2.11>", "sip:ana@192.0.2.11", vec![], "192.0.2.11:5060"),
        ("a name", "", "<sip:ana@phone.invalid>", "sip:ana@phone.invalid", vec![], "192.0.2.10:5060"),
        (
            "over TCP, which we have not",
            "",
            "<sip:a@192.0.2.11;transport=tcp>",
            "sip:a@192.0.2.11;transport=tcp",
            vec![],
            "192.0.2.10:5060",
        ),
        (
            "loose",
            loose,
            gruu,
            "sip:ana@192.0.2.10:5099;gr=x",
            vec!["<sip:p1.example.com;lr>", "<sip:192.0.2.21;lr>", "<sip:192.0.2.22:5070;lr>"],
            "192.0.2.10:5060", // the proxy has a name: back where it called from
        ),
        (
            "strict",
            strict,
            "<sip:ana@192.0.2.99>",
            "sip:192.0.2.21:5075",
            vec!["<sip:192.0.2.22;lr>", "<sip:ana@192.0.2.99>"],
            "192.0.2.21:5075",
        ),
    ] {
        let mut world = World::new();
        let mut ana = Phone { extra: extra.to_owned(), contact: contact.to_owned(), ..Phone::udp() };
        world.hear(ana.flow, ana.invite());
        let dialog = world.invited();
        world.accept(dialog);
        let ok = world.messages().pop().expect("a 200").message;
        let mirrored: Vec<_> = ok.headers().get_all(Name::RecordRoute).collect();
        assert_eq!(
            mirrored,
            extra.lines().map(|line| &line.as_bytes()["Record-Route: ".len()..]).collect::<Vec<_>>(),
            "{case}"
        );
        ana.learn(&ok);
        world.hear(ana.flow, ana.ack());
        world.endpoint.hangup(world.now, dialog, None);
        world.drain();
        let (flow, bye) = world.request();
        let got: Vec<_> =
            bye.headers.get_all(Name::Route).map(|route| String::from_utf8_lossy(route).into_owned()).collect();
        assert_eq!((bye.uri.as_str(), got), (uri, routes.iter().map(ToString::to_string).collect()), "{case}");
        assert_eq!(flow.remote, to.parse().expect("an address"), "{case}");
        assert_eq!(bye.headers.get(Name::From), ok.headers().get(Name::To), "{case}");
        assert_eq!(bye.headers.get(Name::To), ok.headers().get(Name::From), "{case}");
    }
}

#[test]
fn a_phone_behind_a_nat_is_reached_through_it() {
    let mut world = World::new();
    let mut ana = Phone::on(udp("198.51.100.9:7000"));
    ana.via = "SIP/2.0/UDP 10.0.0.5:5060;rport".to_owned();
    ana.contact = "<sip:ana@10.0.0.5:5060>".to_owned();
    let (flow, bye) = bye(&mut world, &mut ana);
    assert_eq!((flow.remote, bye.uri.as_str()), (ana.flow.remote, "sip:ana@10.0.0.5:5060"));
}

#[test]
fn a_new_contact_and_a_new_source_are_taken_over() {
    let mut world = World::new();
    let mut ana = Phone::udp();
    let dialog = world.call(&mut ana);
    ana.contact = "<sip:ana@192.0.2.10:5088>".to_owned();
    world.hear(ana.flow, ana.request("UPDATE", "", ""));
    assert_eq!(world.said(), ["200 UPDATE"]);
    // A refused re-INVITE refreshes no target.
    ana.contact = "<sip:ana@192.0.2.10:5999>".to_owned();
    world.hear(ana.flow, ana.request("INVITE", "", OFFER));
    world.endpoint.rereject(world.now, dialog, 488, None);
    world.drain();
    world.messages();
    world.hear(ana.flow, ana.same_branch("ACK"));
    world.endpoint.hangup(world.now, dialog, None);
    world.drain();
    let (flow, bye) = world.request();
    assert_eq!((bye.uri.as_str(), flow.remote.port()), ("sip:ana@192.0.2.10:5088", 5088));

    // The NAT gave it another port since.
    let mut world = World::new();
    let mut ana = Phone::on(udp("198.51.100.9:7000"));
    ana.via = "SIP/2.0/UDP 10.0.0.5:5060;rport".to_owned();
    let dialog = world.call(&mut ana);
    world.hear(udp("198.51.100.9:7999"), ana.request("OPTIONS", "", ""));
    world.messages();
    world.endpoint.hangup(world.now, dialog, None);
    world.drain();
    assert_eq!(world.request().0.remote.port(), 7999);
    world.run_for(secs(40));
    world.assert_empty();
}
