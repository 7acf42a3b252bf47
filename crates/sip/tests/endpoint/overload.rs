//! Bounds: what a flood may take, and what it must not (RFC 6357, RFC 7339 §5.10).

use sip::{Config, EndCause, Event, Name, Output};

use crate::phone::{ANSWER, OFFER, Phone, World, ms, secs};

fn phone(number: usize) -> Phone {
    Phone { call_id: format!("flood{number}"), from: format!("<sip:ana@example.com>;tag={number}"), ..Phone::udp() }
}

#[test]
fn calls_past_a_bound_are_refused_and_calls_that_are_there_go_on() {
    for (case, config) in [
        ("dialogs", Config { dialogs_max: 2, ..Config::default() }),
        ("transactions", Config { transactions_max: 2, ..Config::default() }),
        ("ACKs awaited", Config { unacked_max: 2, ..Config::default() }),
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
    let config = Config { transactions_max: 3_000, dialogs_max: 2_000, unacked_max: 1_000, ..Config::default() };
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
                Output::Close { .. } => {}
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
fn a_flood_of_pings_is_answered_without_memory() {
    let mut world = World::with(Config { transactions_max: 100, ..Config::default() });
    for number in 0..1_000 {
        let phone = phone(number);
        world.hear(phone.flow, phone.again("OPTIONS", "", ""));
        assert_eq!(world.said(), ["200 OPTIONS"]);
    }
    assert_eq!(world.endpoint.transactions_open(), 100);
    world.run_for(secs(32));
    world.assert_empty();
}
