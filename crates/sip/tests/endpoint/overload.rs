//! Bounds: what a flood may take, and what it must not (RFC 6357, RFC 7339 §5.10).

use sip::{Config, EndCause, Event, LimitsConfig, Name, Output, Reject, Transport};

use crate::phone::{ANSWER, OFFER, Phone, World, flow, ms, secs};

fn phone(number: usize) -> Phone {
    Phone { call_id: format!("flood{number}"), from: format!("<sip:ana@example.com>;tag={number}"), ..Phone::udp() }
}

#[test]
fn calls_past_a_bound_are_refused_and_calls_that_are_there_go_on() {
    for (case, config) in [
        ("dialogs", Config { dialogs_max: 2, ..Config::default() }),
        ("transactions", Config { transactions_max: 2, ..Config::default() }),
        ("ACKs awaited", Config { unacked_max: 2, ..Config::default() }),
        ("ACKs awaited of one source", Config { unacked_per_source_max: 2, ..Config::default() }),
    ] {
        let mut world = World::with(config);
        let mut phones = [phone(0), phone(1)];
        let dialogs = phones.each_mut().map(|phone| {
            world.hear(phone.flow, phone.invite());
            let dialog = world.invited();
            world.accept(dialog);
            phone.learn(&world.messages()[1].message);
            dialog
        });
        let mut late = phone(2);
        world.hear(late.flow, late.invite());
        let refused = world.response();
        assert_eq!((refused.status, refused.headers.get(Name::RetryAfter)), (503, Some(&b"5"[..])), "{case}");
        assert_eq!(world.endpoint.stats().refused_overload, 1, "{case}");
        world.hear(late.flow, late.invite());
        assert_eq!(world.response(), refused, "{case}: the same to a copy");
        late.to_tag = refused.headers.to_tag();
        world.hear(late.flow, late.same_branch("ACK"));
        world.hear(late.flow, late.again("BYE", "", ""));
        assert_eq!(world.said(), ["481 BYE"], "{case}");

        let [ana, ben] = &mut phones;
        world.hear(ana.flow, ana.ack());
        assert!(matches!(world.event(), Event::Acked { .. }), "{case}");
        world.hear(ana.flow, ana.request("INVITE", "", OFFER));
        assert!(matches!(world.event(), Event::Offered { .. }), "{case}");
        world.endpoint.reanswer(world.now, dialogs[0], ANSWER.to_owned());
        world.drain();
        world.hear(ana.flow, ana.ack());
        world.hear(ana.flow, ana.bye());
        world.hear(ben.flow, ben.ack());
        world.hear(ben.flow, ben.bye());
        assert_eq!(world.said(), ["100 INVITE", "200 INVITE", "200 BYE", "200 BYE"], "{case}");
        world.run_for(secs(40));
        world.assert_empty();
        world.hear(late.flow, phone(3).invite());
        assert_eq!(world.said(), ["100 INVITE"], "{case}: room again");
    }
}

#[test]
fn a_flood_of_calls_never_acknowledged_stays_within_bounds_and_drains() {
    const CALLS: usize = 200_000;
    let config = Config {
        transactions_max: 3_000,
        dialogs_max: 2_000,
        unacked_max: 1_000,
        unacked_per_source_max: 1_000,
        ..Config::default()
    };
    let mut world = World::with(config.clone());
    let (mut invited, mut ended, mut refused) = (0, 0, 0);
    let mut take = |world: &mut World| {
        while let Some(output) = world.endpoint.poll() {
            match output {
                Output::Event(Event::Invite { dialog, .. }) => {
                    invited += 1;
                    world.endpoint.accept(world.now, dialog, ANSWER.to_owned());
                }
                Output::Event(Event::Ended { cause: EndCause::NoAck, .. }) => ended += 1,
                Output::Event(other) => panic!("{other:?}"),
                Output::Send { bytes, .. } => refused += usize::from(bytes.starts_with(b"SIP/2.0 503")),
                Output::Close { .. } | Output::Connect { .. } | Output::Search { .. } => {}
            }
        }
    };
    for number in 0..CALLS {
        let flow = phone(number).flow;
        world.endpoint.receive(world.now, flow, phone(number).invite().into());
        take(&mut world);
        world.now += ms(1);
        while world.endpoint.next_deadline().is_some_and(|at| at <= world.now) {
            world.endpoint.handle_timeout(world.now);
            take(&mut world);
        }
        assert!(world.endpoint.dialogs_open() <= config.dialogs_max);
        assert!(world.endpoint.transactions_open() <= 2 * config.transactions_max);
    }
    while let Some(at) = world.endpoint.next_deadline() {
        world.now = at;
        world.endpoint.handle_timeout(world.now);
        take(&mut world);
    }
    world.assert_empty();
    assert_eq!((invited + refused, ended), (CALLS, invited));
    assert!(invited > 5_000, "{invited}: there is room again each time calls run out");
}

#[test]
fn a_source_that_acknowledges_nothing_takes_its_share_and_no_more() {
    let mut world = World::new();
    let at = |remote: &str, number| Phone {
        call_id: format!("flood{number}"),
        ..Phone::on(flow(Transport::Udp, remote, None))
    };
    for number in 0..300 {
        let port = 5060 + number;
        world.hear(at(&format!("192.0.2.66:{port}"), number).flow, at("192.0.2.66:5060", number).invite());
        while let Some(event) = world.events.pop_front() {
            let Event::Invite { dialog, .. } = event else { panic!("{event:?}") };
            world.accept(dialog);
        }
    }
    let said = world.said();
    let count = |name: &str| said.iter().filter(|said| *said == name).count();
    assert_eq!((count("200 INVITE"), count("503 INVITE")), (256, 44));
    world.call(&mut at("192.0.2.67:5060", 300)); // everybody else is served
    world.run_for(secs(70));
    assert_eq!(world.endpoint.dialogs_open(), 1);
    world.said();
    world.hear(at("192.0.2.66:5060", 301).flow, at("192.0.2.66:5060", 301).invite());
    assert_eq!(world.said(), ["100 INVITE"], "room again");
}

#[test]
fn a_source_that_acknowledges_promptly_meets_no_bound() {
    let mut world = World::new();
    for number in 0..2_000 {
        world.call(&mut Phone { call_id: format!("call{number}"), ..Phone::udp() });
        world.run_for(ms(2)); // 500 calls a second
    }
    assert_eq!((world.endpoint.dialogs_open(), world.endpoint.stats().refused_overload), (2_000, 0));
}

#[test]
fn a_flood_of_pings_is_answered_without_memory() {
    for (case, uri, past_the_bound) in [("the server", "sip:192.0.2.1", 200), ("a user", "sip:standup@192.0.2.1", 503)]
    {
        let mut world = World::with(Config { transactions_max: 100, ..Config::default() });
        for number in 0..1_000 {
            let phone = phone(number);
            world.hear(phone.flow, phone.again("OPTIONS", "", "").replacen("sip:standup@192.0.2.1", uri, 1));
            let status = if number < 100 { 200 } else { past_the_bound };
            assert_eq!(world.response().status, status, "{case}");
        }
        assert_eq!(world.endpoint.transactions_open(), 100);
        world.run_for(secs(32));
        world.assert_empty();
    }
}

#[test]
fn what_is_in_no_call_fills_no_table() {
    let mut world = World::with(Config { transactions_max: 8, ..Config::default() });
    for number in 0..100 {
        let stranger = phone(number);
        let mut in_a_call = Phone { to_tag: Some("0123456789abcdef".to_owned()), ..phone(number) };
        world.hear(stranger.flow, stranger.again("BYE", "", ""));
        world.hear(stranger.flow, stranger.again("BYE", "Require: x\r\n", ""));
        world.hear(stranger.flow, stranger.same_branch("CANCEL"));
        world.hear(stranger.flow, in_a_call.bye());
        world.hear(stranger.flow, in_a_call.request("INVITE", "", OFFER));
        world.hear(stranger.flow, in_a_call.same_branch("ACK"));
        assert_eq!(world.said(), ["481 BYE", "420 BYE", "481 CANCEL", "481 BYE", "481 INVITE"]);
        assert_eq!(world.endpoint.transactions_open(), 0);
    }
    world.call(&mut phone(100));
}

#[test]
fn strangers_are_held_back_and_calls_that_are_there_are_not() {
    let limits = LimitsConfig { requests_per_s: Some(1.0), burst: 2, offences_max: Some(1), ..LimitsConfig::default() };
    let mut world = World::with(Config { limits, ..Config::default() });
    let mut ana = phone(0);
    let dialog = world.call(&mut ana);
    world.hear(ana.flow, phone(1).again("OPTIONS", "User-Agent: friendly-scanner\r\n", ""));
    assert_eq!(world.said(), [""; 0], "a scanner");
    world.hear(ana.flow, phone(2).again("OPTIONS", "", ""));
    world.hear(ana.flow, phone(3).again("OPTIONS", "", ""));
    assert_eq!(world.said(), ["200 OPTIONS"], "one too many");
    let tcp = Phone { flow: flow(Transport::Tcp, "192.0.2.10:5060", Some(9)), ..phone(4) };
    world.hear(tcp.flow, tcp.again("OPTIONS", "", ""));
    let refused = world.response();
    assert_eq!((refused.status, refused.headers.get(Name::RetryAfter)), (503, Some(&b"5"[..])), "one too many, TCP");
    world.hear(ana.flow, ana.request("INVITE", "", OFFER));
    assert!(matches!(world.event(), Event::Offered { .. }), "within a call nothing is counted");
    world.endpoint.reanswer(world.now, dialog, ANSWER.to_owned());
    world.drain();
    world.hear(ana.flow, ana.ack());
    assert_eq!(world.said(), ["100 INVITE", "200 INVITE"]);

    assert!(world.endpoint.limits().offended(world.now, ana.flow.remote.ip()));
    world.run_for(secs(10));
    world.hear(ana.flow, phone(5).again("OPTIONS", "", ""));
    world.hear(ana.flow, "OPTIONS sip:x SIP/2.0\r\nVia: nonsense\r\n\r\n");
    world.hear(ana.flow, phone(6).bye());
    world.hear(ana.flow, phone(7).same_branch("CANCEL"));
    assert_eq!(world.said(), [""; 0], "banned");
    world.hear(ana.flow, ana.bye());
    assert_eq!(world.said(), ["200 BYE"], "and yet served within a call");
    let stats = *world.endpoint.limit_stats();
    assert_eq!((stats.scanners, stats.too_many, stats.banned, stats.bans), (1, 2, 3, 1));
}

#[test]
fn phones_may_stay_registered_when_there_is_no_room_for_calls() {
    let mut world = World::with(Config { transactions_max: 8, ..Config::default() });
    for number in 0..8 {
        world.hear(Phone::udp().flow, phone(number).invite());
    }
    world.messages();
    for (method, number, want) in [("INVITE", 8, 1), ("OPTIONS", 9, 1), ("REGISTER", 10, 0), ("REGISTER", 11, 1)] {
        world.events.clear();
        world.hear(Phone::udp().flow, phone(number).again(method, "", if method == "INVITE" { OFFER } else { "" }));
        let refused = world.said();
        assert_eq!((refused.len(), world.events.len()), (want, 1 - want), "{method} {number}: {refused:?}");
    }
}

#[test]
fn one_source_has_its_share_of_what_is_remembered_of_strays() {
    const SHARE: usize = 20;
    for (case, method, until_now, then) in [
        ("pings of the server", "OPTIONS", 200, 200),
        ("calls that are refused", "INVITE", 404, 503),
        ("registrations", "REGISTER", 403, 503),
    ] {
        let mut world = World::with(Config { strays_per_source_max: SHARE, ..Config::default() });
        let ask = |world: &mut World, remote: &str, number: usize| {
            let stranger =
                Phone { call_id: format!("{method}{number}"), ..Phone::on(flow(Transport::Udp, remote, None)) };
            let body = if method == "INVITE" { OFFER } else { "" };
            let request = stranger.again(method, "", body);
            let request = if method == "OPTIONS" { request.replacen("standup@", "", 1) } else { request };
            world.hear(stranger.flow, request);
            match world.events.pop_front() {
                Some(Event::Invite { dialog, .. }) => world.endpoint.reject(world.now, dialog, 404, Reject::default()),
                Some(Event::Register { id, .. }) => world.endpoint.answer_register(world.now, id, 403, &[]),
                other => assert!(other.is_none(), "{case}: {other:?}"),
            }
            world.drain();
            let last = world.messages().pop().expect("an answer");
            match last.message {
                sip::Message::Response(response) => response.status,
                other @ sip::Message::Request(_) => panic!("{case}: {other:?}"),
            }
        };
        for number in 0..3 * SHARE {
            let port = 5060 + number; // a port is no other source
            let want = if number < SHARE { until_now } else { then };
            assert_eq!(ask(&mut world, &format!("192.0.2.66:{port}"), number), want, "{case} {number}");
        }
        assert_eq!(world.endpoint.transactions_open(), SHARE, "{case}");
        let stats = world.endpoint.stats();
        let counted = if then == 503 { stats.refused_overload } else { stats.unremembered };
        assert_eq!(counted, 2 * SHARE as u64, "{case}");
        assert_eq!(ask(&mut world, "192.0.2.67:5060", 900), until_now, "{case}: everybody else is served");
        world.run_for(secs(40));
        world.messages();
        assert_eq!(ask(&mut world, "192.0.2.66:5060", 901), until_now, "{case}: room again");
        world.run_for(secs(40));
        world.assert_empty();
    }
}
