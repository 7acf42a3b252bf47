//! TCP: framing, keep-alive, connection reuse (RFC 3261 §18.3, RFC 5626 §4.4.1, RFC 5923).

use bytes::Bytes;
use sip::{Config, DialogId, EndCause, Event, Flow, Headers, Method, Name, Outgoing, Transport};

use crate::callee::{Callee, credentials, outgoing};
use crate::phone::{ANSWER, OFFER, Phone, World, flow, secs};

#[test]
fn messages_may_be_cut_anywhere() {
    let mut world = World::new();
    let ana = Phone::tcp(1);
    let options = Phone { call_id: "ping".to_owned(), ..ana.clone() }.again("OPTIONS", "", "");
    let stream = format!("\r\n\r\n{}{options}\r\n\r\n", ana.invite());
    for byte in stream.bytes() {
        world.hear(ana.flow, [byte]);
    }
    let said: Vec<_> =
        world.messages().iter().map(|sent| (sent.flow == ana.flow, crate::phone::name(&sent.message))).collect();
    assert_eq!(said, ["\r\n", "100 INVITE", "200 OPTIONS", "\r\n"].map(|name| (true, name.to_owned())));
}

#[test]
fn a_stream_nobody_can_read_is_closed() {
    let mut world = World::new();
    let ana = Phone::tcp(1);
    world.hear(ana.flow, ana.again("OPTIONS", "", "").replace("Content-Length:", "X-Length:"));
    assert_eq!((world.response().status, &world.closed), (400, &vec![1]));
    world.hear(ana.flow, ana.again("OPTIONS", "", ""));
    assert_eq!(world.said(), [""; 0]);
}

#[test]
fn our_requests_go_down_the_stream_the_peer_opened() {
    let mut world = World::new();
    let mut ana = Phone { contact: "<sip:x@abc.invalid;transport=ws>".to_owned(), ..Phone::tcp(1) };
    let dialog = world.call(&mut ana);
    world.endpoint.hangup(world.now, dialog, None);
    world.drain();
    let (flow, bye) = world.request();
    assert_eq!((flow, bye.uri.as_str()), (ana.flow, "sip:x@abc.invalid;transport=ws"));
    world.hear(ana.flow, ana.answer(&bye, 200, "", ""));
    assert_eq!(world.endpoint.transactions_open(), 1); // the INVITE's, until timer L; timer K is zero on a stream
    world.run_for(secs(32));
    world.assert_empty();
}

#[test]
fn a_peer_that_comes_back_on_another_stream_is_found_there() {
    let mut world = World::new();
    let mut ana = Phone::tcp(1);
    let dialog = world.call(&mut ana);
    world.endpoint.closed(world.now, 1);
    world.run_for(secs(600));
    assert_eq!((world.events.len(), world.endpoint.dialogs_open()), (0, 1));
    ana.flow = flow(Transport::Tcp, "192.0.2.10:44000", Some(2));
    world.hear(ana.flow, ana.request("INVITE", "", OFFER));
    assert!(matches!(world.event(), Event::Offered { .. }));
    world.endpoint.rereject(world.now, dialog, 488, None);
    world.drain();
    world.messages();
    world.endpoint.hangup(world.now, dialog, None);
    world.drain();
    let (flow, bye) = world.request();
    assert_eq!((flow, bye.method), (ana.flow, Method::Bye));
}

/// Ana has called over a stream that has ended since, and is reached at this contact.
fn ana_without_her_stream(contact: &str) -> (World, Phone, DialogId) {
    let mut world = World::new();
    let timer = "Supported: timer\r\nSession-Expires: 600\r\n".to_owned();
    let mut ana = Phone { contact: contact.to_owned(), extra: timer, ..Phone::tcp(1) };
    let dialog = world.call(&mut ana);
    world.endpoint.closed(world.now, 1);
    world.run_for(secs(1));
    assert_eq!((world.events.len(), world.wanted.len()), (0, 0), "nobody has anything to say");
    (world, ana, dialog)
}

#[test]
fn a_lost_stream_is_replaced_when_we_have_something_to_say() {
    let (mut world, mut ana, dialog) = ana_without_her_stream("<sip:ana@192.0.2.10:5070;transport=tcp>");
    world.endpoint.hangup(world.now, dialog, None);
    world.drain();
    assert_eq!(world.said(), [""; 0]);
    assert_eq!(world.connects(Some(2)).to_string(), "192.0.2.10:5070");
    let (flow, bye) = world.request();
    assert_eq!((flow.connection, bye.method.clone()), (Some(2), Method::Bye));
    assert!(bye.headers.text(Name::Via).is_some_and(|via| via.starts_with("SIP/2.0/TCP 192.0.2.1:40000;rport")));
    ana.flow = flow;
    world.hear(ana.flow, ana.answer(&bye, 200, "", ""));
    world.run_for(secs(40));
    world.assert_empty();

    // A refresh, and all that follows, goes down the new one.
    let (mut world, mut ana, dialog) = ana_without_her_stream("<sip:ana@192.0.2.10>");
    world.run_for(secs(299));
    assert_eq!(world.connects(Some(2)).to_string(), "192.0.2.10:5060");
    let (flow, refresh) = world.request();
    assert_eq!((flow.connection, refresh.method.clone()), (Some(2), Method::Invite));
    ana.flow = flow;
    world.hear(ana.flow, ana.answer(&refresh, 200, "Session-Expires: 600;refresher=uas\r\n", ANSWER));
    world.messages();
    world.endpoint.hangup(world.now, dialog, None);
    world.drain();
    assert_eq!((world.wanted.len(), world.request().0.connection), (0, Some(2)));
}

#[test]
fn a_lost_stream_that_cannot_be_replaced_ends_the_call() {
    for (case, contact, wanted) in [
        ("nobody is there", "<sip:ana@192.0.2.10:5070;transport=tcp>", true),
        ("no address", "<sip:x@abc.invalid;transport=ws>", false),
        ("datagrams are wanted", "<sip:ana@192.0.2.10;transport=udp>", false),
        ("another family", "<sip:ana@[2001:db8::1];transport=tcp>", false),
    ] {
        let (mut world, _, _) = ana_without_her_stream(contact);
        world.run_for(secs(298));
        assert_eq!(world.events.len(), 0, "{case}");
        world.run_for(secs(1)); // the refresh is due
        if wanted {
            assert_eq!(world.events.len(), 0, "{case}");
            world.connects(None);
        }
        assert!(matches!(world.event(), Event::Ended { cause: EndCause::FlowLost, .. }), "{case}");
        world.run_for(secs(40));
        assert_eq!((world.said(), world.wanted.len()), (vec![], 0), "{case}");
        world.assert_empty();

        let (mut world, _, dialog) = ana_without_her_stream(contact);
        world.endpoint.hangup(world.now, dialog, None);
        world.drain();
        assert_eq!(world.wanted.len(), usize::from(wanted), "{case}");
        // Who was to open it may never say what came of that.
        world.run_for(secs(40));
        assert_eq!(world.events.len(), 0, "{case}: our own doing");
        world.assert_empty();
    }
}

#[test]
fn a_phone_that_gives_its_name_is_looked_for_by_its_name() {
    let named = "<sip:ana@Phone.example:5070;transport=tcp>";
    let (mut world, mut ana, dialog) = ana_without_her_stream(named);
    world.endpoint.hangup(world.now, dialog, None);
    world.drain();
    assert_eq!(world.finds(Some(2)), "sip:Phone.example:5070;transport=tcp");
    let (flow, bye) = world.request();
    assert_eq!((flow.connection, bye.uri.as_str()), (Some(2), "sip:ana@Phone.example:5070;transport=tcp"));
    ana.flow = flow;
    world.hear(ana.flow, ana.answer(&bye, 200, "", ""));
    world.run_for(secs(40));
    world.assert_empty();

    // A proxy on the way is looked for in its stead; and what wants no answer of ours waits for it all the same.
    let mut ana = Phone { contact: named.to_owned(), ..Phone::tcp(1) };
    ana.extra = "Record-Route: <sip:proxy.example;lr>\r\n".to_owned();
    let mut world = World::new();
    let dialog = world.call(&mut ana);
    world.endpoint.closed(world.now, 1);
    world.endpoint.hangup(world.now, dialog, None);
    world.drain();
    assert_eq!(world.finds(Some(2)), "sip:proxy.example;transport=tcp");
    assert_eq!(world.request().1.method, Method::Bye);

    // Nobody is found, or nobody says so: the call is over.
    for said in [true, false] {
        let (mut world, _, _) = ana_without_her_stream(named);
        world.run_for(secs(299)); // the refresh is due
        assert_eq!(world.events.len(), 0);
        if said {
            world.finds(None);
        } else {
            world.run_for(secs(10));
        }
        assert!(matches!(world.event(), Event::Ended { cause: EndCause::FlowLost, .. }), "{said}");
        assert_eq!(world.said(), [""; 0], "{said}");
        world.assert_empty();
    }
}

#[test]
fn a_name_that_leads_nowhere_is_not_looked_for() {
    for (case, contact) in [
        ("a browser's", "<sip:x@abc.INVALID;transport=tcp>"),
        ("a WebSocket", "<sip:x@phone.example;transport=ws>"),
        ("TLS", "<sips:x@phone.example>"),
        ("datagrams", "<sip:x@phone.example;transport=udp>"),
    ] {
        let (mut world, _, dialog) = ana_without_her_stream(contact);
        world.endpoint.hangup(world.now, dialog, None);
        world.drain();
        assert_eq!((world.sought.len(), world.wanted.len()), (0, 0), "{case}");
        world.run_for(secs(40));
        world.assert_empty();
    }
}

/// A call that is too long for a datagram.
fn long_call() -> Outgoing {
    let mut headers = Headers::new();
    headers.push(Name::from("X-Long"), "x".repeat(1_300));
    Outgoing { headers, ..outgoing() }
}

#[test]
fn what_is_too_long_for_a_datagram_goes_by_a_stream_where_there_is_one() {
    let mut world = World::new();
    world.calls(long_call());
    assert_eq!(world.said(), [""; 0]);
    assert_eq!(world.connects(Some(2)), outgoing().flow.remote);
    let (stream, invite) = world.request();
    let text = |name| invite.headers.text(name).expect("a header").into_owned();
    assert_eq!(
        (stream.transport, stream.connection, text(Name::CSeq)),
        (Transport::Tcp, Some(2), "1 INVITE".to_owned())
    );
    assert!(text(Name::Via).starts_with("SIP/2.0/TCP"), "{}", text(Name::Via));
    assert!(text(Name::Contact).contains(";transport=tcp"), "{}", text(Name::Contact));

    // Nobody listens for streams there, and for a while nobody is asked again.
    let mut world = World::new();
    for wanted in [1, 0] {
        world.calls(long_call());
        assert_eq!(world.wanted.len(), wanted);
        if wanted > 0 {
            world.connects(None);
        }
        let (flow, invite) = world.request();
        assert_eq!((flow.transport, invite.headers.cseq().map(|cseq| cseq.number)), (Transport::Udp, Ok(1)));
    }
    world.run_for(secs(600));
    world.messages();
    world.calls(long_call());
    assert_eq!((world.said(), world.wanted.len()), (vec![], 1));
    // A firewall may say nothing at all.
    world.run_for(secs(1));
    assert_eq!(world.request().0.transport, Transport::Udp);
    world.connects(Some(9));
    assert_eq!(world.said(), [""; 0], "too late");
}

#[test]
fn a_proof_that_makes_it_too_long_is_the_first_of_its_nonce() {
    let call = |padding: usize| {
        let mut headers = Headers::new();
        headers.push(Name::from("X-Long"), "x".repeat(padding));
        Outgoing { headers, credentials: credentials(), ..outgoing() }
    };
    let mut world = World::new();
    world.calls(call(1));
    let length = world.request().1.to_bytes().len();
    let mut world = World::new();
    world.calls(call(1_200 - length));
    let ben = Callee::called(&mut world);
    assert_eq!(ben.flow.transport, Transport::Udp, "without a proof it fits");
    ben.says(&mut world, 401, "WWW-Authenticate: Digest realm=\"x\", nonce=\"a\", qop=\"auth\"", "");
    assert_eq!(world.said(), ["ACK"]);
    world.connects(Some(2));
    let (flow, again) = world.request();
    assert_eq!(flow.transport, Transport::Tcp);
    let proof = again.headers.text(Name::Authorization).expect("a proof").into_owned();
    assert!(proof.contains("nc=00000001"), "{proof}"); // RFC 7616 §3.4
}

#[test]
fn who_wants_datagrams_gets_them_however_long() {
    let short = Outgoing { headers: Headers::new(), ..long_call() };
    let uri = |text: &str| text.parse().expect("a URI");
    for (case, call) in [
        ("it is short", short),
        ("it says so", Outgoing { uri: uri("sip:ben@192.0.2.10;transport=udp"), ..long_call() }),
        ("it is behind a NAT", Outgoing { same_flow: true, ..long_call() }),
    ] {
        let mut world = World::new();
        world.calls(call);
        assert_eq!((world.wanted.len(), world.request().0.transport), (0, Transport::Udp), "{case}");
    }
    let mut world = World::new();
    let dialog = world.calls(long_call());
    world.hang_up(dialog);
    world.connects(Some(2));
    assert_eq!(world.said(), [""; 0], "it was given up before it was sent");
    world.assert_empty();
}

#[test]
fn too_many_streams_are_closed_and_the_others_go_on() {
    let mut world = World::with(Config { connections_max: 2, ..Config::default() });
    let ping = Bytes::from_static(b"\r\n\r\n");
    for connection in 1..=3 {
        world.hear(flow(Transport::Tcp, "192.0.2.10:33000", Some(connection)), &ping);
    }
    assert_eq!((world.closed.clone(), world.messages().len()), (vec![3], 2));
    world.endpoint.closed(world.now, 1);
    world.hear(flow(Transport::Tcp, "192.0.2.10:33000", Some(4)), &ping);
    assert_eq!((world.closed.len(), world.messages().len()), (1, 1));
}

#[test]
fn a_message_that_does_not_end_closes_its_stream_and_no_other() {
    let mut world = World::new();
    let (slow, quick, quiet) = (Phone::tcp(1), Phone::tcp(2), Phone::tcp(3));
    world.hear(slow.flow, "OPTIONS sip:standup@192.0.2.1 SIP/2.0\r\n");
    world.hear(quick.flow, quick.again("OPTIONS", "", ""));
    world.hear(quiet.flow, "\r\n");
    world.run_for(secs(31));
    world.hear(slow.flow, "X: 1\r\n");
    assert_eq!(world.closed, [0; 0]);
    world.run_for(secs(2));
    assert_eq!(world.closed, [1], "a byte now and then does not keep it open");
}

#[test]
fn contact_names_where_somebody_listens() {
    let tcp = |local: &str| Flow {
        local: local.parse().expect("an address"),
        ..flow(Transport::Tcp, "192.0.2.10:5060", Some(1))
    };
    let listening = |listeners: &[&str]| {
        let tcp = listeners.iter().map(|at| (Transport::Tcp, at.parse().expect("an address")));
        let udp = (Transport::Udp, "0.0.0.0:5099".parse().expect("an address"));
        std::iter::once(udp).chain(tcp).collect::<Vec<_>>()
    };
    for (case, listeners, local, want) in [
        ("nobody does", &[][..], "192.0.2.1:41000", 41_000),
        ("anywhere", &["0.0.0.0:5080"], "192.0.2.1:41000", 5_080),
        ("here and elsewhere", &["192.0.2.2:5070", "192.0.2.1:5080"], "192.0.2.1:41000", 5_080),
        ("elsewhere alone", &["192.0.2.2:5070"], "192.0.2.1:41000", 5_070),
        ("over IPv6 alone", &["[::]:5080"], "192.0.2.1:41000", 41_000),
        ("at this very port too", &["0.0.0.0:5080", "0.0.0.0:5090"], "192.0.2.1:5090", 5_090),
    ] {
        let mut world = World::with(Config { listening: listening(listeners), ..Config::default() });
        world.endpoint.opened(1);
        world.calls(Outgoing { flow: tcp(local), ..outgoing() });
        let (_, invite) = world.request();
        let text = |name| invite.headers.text(name).expect("a header").into_owned();
        assert_eq!(text(Name::Contact), format!("<sip:ana@192.0.2.1:{want};transport=tcp>"), "{case}");
        assert!(text(Name::Via).starts_with(&format!("SIP/2.0/TCP {local};rport")), "{case}: {}", text(Name::Via));
    }
}
