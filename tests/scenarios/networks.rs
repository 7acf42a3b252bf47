//! A bridge in several networks: each phone is offered audio at the address of the bridge that leads there, whichever of
//! them answers, and whichever way is tried first.

use std::net::SocketAddr;
use std::time::Duration;

use model::CallStatus;
use switch::{Callee, Command, Event, MediaAddress, Trunk};

use crate::contacts::{PASSWORD, alice_in};
use crate::phone::State;
use crate::wanted;
use crate::world::{ACCOUNT, World};

const URL: &str = "https://app.test/out";
const AOR: &str = "sip:alice@phones.sip.test";
/// Addresses of the bridge beside the usual one: another network, and another family.
const OFFICE: &str = "10.7.0.1:5060";
const SIX: &str = "[fd00::1]:5060";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn settle(world: &mut World) {
    world.run_for(Duration::from_millis(200));
}

/// A bridge that is in all of them.
fn everywhere(seed: u64, adjust: impl FnOnce(&mut switch::Config, &mut media::Config)) -> World {
    let mut world = World::with(seed, |config, media| {
        let any = |text: &str| MediaAddress { bind: text.parse().expect("an address"), advertised: None };
        config.addresses = vec![any("0.0.0.0"), any("::")];
        config.own.signalling.extend([OFFICE, SIX].map(address));
        let networks = [("10.7.0.0/16", OFFICE), ("10.0.0.0/16", "10.0.0.1:5060"), ("fd00::/64", SIX)];
        let route = |(network, own): (&str, &str)| (network.parse().expect("a network"), address(own).ip());
        config.own.routes = networks.map(route).to_vec();
        adjust(config, media);
    });
    world.documents(URL, &["<Say loop=\"0\">Hello</Say>"]);
    world.voice("Hello", 1_009);
    world
}

/// Alice has a phone in each network, and is called.
fn alice_is_called(seed: u64, adjust: impl FnOnce(&mut switch::Config, &mut media::Config)) -> World {
    let mut world = alice_in(everywhere(seed, adjust), ACCOUNT, &["home"]);
    world.phone_waits_at("desk", "10.7.0.9:5060", OFFICE);
    world.phone_waits_at("car", "[fd00::9]:5060", SIX);
    for name in ["desk", "car"] {
        world.register(name, AOR, PASSWORD);
    }
    let mut new = wanted::call("", URL);
    new.leg.to = Callee::Client { identity: "alice".to_owned(), parameters: Vec::new() };
    new.leg.ring_timeout = Duration::from_secs(10);
    world.command(Command::CreateCall(Box::new(new))).expect("her phones are known");
    settle(&mut world);
    world
}

fn status(world: &World) -> CallStatus {
    world.calls.values().next().map(|call| call.status).expect("one call")
}

/// Nothing is left but who is registered.
fn check_idle(world: &mut World) {
    world.run_for(Duration::from_secs(1));
    assert!(world.switch.is_idle(), "{:?} ({world})", world.switch.stats());
}

/// Where the bridge wants a phone's audio to go.
fn offered(world: &World, name: &str) -> String {
    world.phone(name).was_offered().map(|offered| offered.ip().to_string()).expect("it was called")
}

#[test]
fn each_phone_of_a_user_is_offered_audio_where_it_is_reached() {
    for answers in ["home", "desk", "car"] {
        let mut world = alice_is_called(600, |_, _| {});
        for (name, want) in [("home", "10.0.0.1"), ("desk", "10.7.0.1"), ("car", "fd00::1")] {
            assert_eq!(world.phone(name).state, State::Ringing, "{name}");
            assert_eq!(offered(&world, name), want, "{name}");
        }
        world.take_up(answers);
        settle(&mut world);
        for other in ["home", "desk", "car"].into_iter().filter(|other| *other != answers) {
            assert_eq!(world.phone(other).state, State::Over(487), "{other}");
        }
        let heard = |name| if name == answers { "x" } else { "." };
        world.check_hearing(&format!(
            "     home desk car music
             home   -    .   .   {}
             desk   .    -   .   {}
             car    .    .   -   {}  ",
            heard("home"),
            heard("desk"),
            heard("car"),
        ));
        world.hang_up(answers);
        check_idle(&mut world);
        assert_eq!(status(&world), CallStatus::Completed);
        assert_eq!(world.leg_stats.len(), 1, "the numbers of one leg are kept: the one that was heard");
    }
}

#[test]
fn two_that_answer_at_once_over_two_networks_are_one_call() {
    let mut world = alice_is_called(601, |_, _| {});
    let (first, second) = (world.prepare_to_take_up("car"), world.prepare_to_take_up("desk"));
    world.say("car", &first);
    world.say("desk", &second);
    settle(&mut world);
    assert_eq!((&world.phone("car").state, &world.phone("desk").state), (&State::Talking, &State::Over(200)));
    world.check_hearing(
        "     home desk car music
         home   -    .   .   .
         desk   .    -   .   .
         car    .    .   -   x  ",
    );
    world.hang_up("car");
    check_idle(&mut world);
}

#[test]
fn what_is_said_before_the_answer_is_heard_from_whichever_network_it_comes() {
    let mut world = everywhere(602, |_, _| {});
    world.dial("ana", "standup");
    world.phone_waits_at("desk", "10.7.0.9:5060", OFFICE);
    world.dial("ben", "standup");
    // The first that is asked is in the usual network and sends us to the office.
    let home = world.phone_waits("home");
    world.command(Command::CreateParticipant(Box::new(wanted::participant(&home, "standup")))).expect("a way");
    settle(&mut world);
    world.speak_early("home");
    settle(&mut world);
    assert_eq!(offered(&world, "home"), "10.0.0.1");
    world.send_elsewhere("home", "sip:desk@10.7.0.9");
    settle(&mut world);
    assert_eq!(offered(&world, "desk"), "10.7.0.1");
    world.speak_early("desk");
    settle(&mut world);
    world.check_hearing(
        "     ana desk ben home music
         ana   -   x   x   .    .
         ben   x   x   -   .    .
         desk  .   -   .   .    .  ",
    );
    world.take_up("desk");
    settle(&mut world);
    world.check_hearing(
        "     ana desk ben home music
         ana   -   x   x   .    .
         ben   x   x   -   .    .
         desk  x   -   x   .    .  ",
    );
    for name in ["desk", "ana", "ben"] {
        world.hang_up(name);
    }
    world.check_nothing_is_left();
}

#[test]
fn a_carrier_with_a_host_in_each_network_is_offered_what_each_can_reach() {
    let uri = |text: &str| text.parse::<sip::Uri>().expect("a URI").sip().expect("a SIP URI").clone();
    let mut world = everywhere(603, |config, _| {
        config.trunks = vec![Trunk {
            name: "carrier".to_owned(),
            uris: ["sip:10.7.0.9", "sip:[fd00::9]", "sip:10.0.0.4"].map(uri).to_vec(),
            domain: None,
            credentials: None,
            caller_id: None,
            prefixes: vec!["+44".to_owned()],
            codecs: Vec::new(),
            keep_alive: None,
        }];
    });
    world.phone_waits_at("first", "10.7.0.9:5060", OFFICE);
    world.phone_waits_at("second", "[fd00::9]:5060", SIX);
    world.phone_waits("third");
    world.vanish("second");
    world.number("+15005550001", URL);
    let mut new = wanted::call("", URL);
    new.leg.to = Callee::Number("+442079460000".to_owned());
    new.leg.from = "+15005550001".to_owned();
    world.command(Command::CreateCall(Box::new(new))).expect("a way leads there");
    settle(&mut world);
    assert_eq!(offered(&world, "first"), "10.7.0.1");
    world.refuse("first", "503 Service Unavailable");
    // Nothing is heard of the second, and the third is asked four seconds later.
    world.run_for(Duration::from_secs(5));
    assert_eq!((world.phone("third").state.clone(), offered(&world, "third")), (State::Ringing, "10.0.0.1".to_owned()));
    world.take_up("third");
    settle(&mut world);
    world.check_hearing(
        "       first second third music
         first    -     .     .     .
         second   .     -     .     .
         third    .     .     -     x  ",
    );
    world.hang_up("third");
    // The one that says nothing is waited for, in case that it had taken the call (RFC 3261 §9.1).
    world.run_for(Duration::from_secs(32));
    world.check_nothing_is_left();
    assert_eq!(status(&world), CallStatus::Completed);
}

#[test]
fn a_leg_that_cannot_be_had_costs_the_phones_it_was_for_and_no_others() {
    // One leg to a room: the first that is opened.
    let mut world = alice_is_called(604, |_, media| media.room_legs_max = 1);
    let ringing = world.phones_that(&State::Ringing);
    assert_eq!(ringing.len(), 1, "{ringing:?}");
    world.take_up(&ringing[0]);
    settle(&mut world);
    assert_eq!(status(&world), CallStatus::InProgress);
    world.hang_up(&ringing[0]);
    check_idle(&mut world);
}

#[test]
fn who_gives_up_leaves_no_leg_in_any_network() {
    let mut world = alice_is_called(605, |_, _| {});
    world.run_for(Duration::from_secs(11));
    assert_eq!(status(&world), CallStatus::NoAnswer);
    for name in ["home", "desk", "car"] {
        assert_eq!(world.phone(name).state, State::Over(487), "{name}");
    }
    check_idle(&mut world);
}

#[test]
fn an_interface_that_comes_later_is_called_from_as_soon_as_it_is_known() {
    let mut world = everywhere(606, |config, _| config.own.routes.clear());
    let mut own = world.own_addresses();
    own.signalling.push(address("10.8.0.1:5060"));
    let desk = world.phone_waits_at("desk", "10.8.0.9:5060", "10.8.0.1:5060");
    for (known, want) in [(false, OFFICE), (true, "10.8.0.1:5060")] {
        if known {
            own.routes = vec![("10.8.0.0/16".parse().expect("a network"), [10, 8, 0, 1].into())];
            world.handle(Event::OwnAddresses(Box::new(own.clone())));
        }
        world.command(Command::CreateCall(Box::new(wanted::call(&desk, URL)))).expect("a way leads there");
        settle(&mut world);
        assert_eq!(offered(&world, "desk"), address(want).ip().to_string());
        assert!(world.phone("desk").called_with("via").is_some_and(|via| via.contains(want)), "{want}");
        world.refuse("desk", "486 Busy Here");
        settle(&mut world);
    }
    world.check_nothing_is_left();
}
