//! What a phone says about its media, and what the room then sounds like (RFC 3264 §8.4).

use std::time::Duration;

use model::CallStatus;
use switch::{Event, OpenRooms};
use testkit::sdp::Flow;

use crate::phone::State;
use crate::world::World;

#[test]
fn a_phone_that_holds_is_heard_by_nobody_until_it_takes_up_again() {
    for (case, flow) in [("sendonly", Flow::SendOnly), ("inactive", Flow::Inactive), ("0.0.0.0", Flow::ZeroAddress)] {
        let mut world = World::new(40);
        for name in ["ana", "ben", "cho"] {
            world.dial(name, "standup");
        }
        world.phone_says("ben", flow);
        world.run_for(Duration::from_millis(100));
        assert_eq!(world.packets_in_a_second("ben"), 0, "{case}: a phone that holds is sent nothing");
        world.check_hearing(
            "    ana ben cho music
                             ana  -   .   x   .
                             cho  x   .   -   .  ",
        );
        world.phone_says("ben", Flow::SendRecv);
        world.run_for(Duration::from_millis(100));
        world.check_hearing(
            "    ana ben cho music
                             ana  -   x   x   .
                             ben  x   -   x   .
                             cho  x   x   -   .  ",
        );
    }
}

#[test]
fn a_phone_that_only_listens_hears_the_room() {
    let mut world = World::new(41);
    world.dial("ana", "standup");
    world.dial("ben", "standup");
    world.phone_says("ben", Flow::RecvOnly);
    world.run_for(Duration::from_millis(100));
    world.check_hearing(
        "    ana ben music
                         ana  -   .    .
                         ben  x   -    .  ",
    );
}

#[test]
fn an_invite_without_an_offer_is_answered_by_one() {
    let mut world = World::new(42);
    world.dial("ana", "standup");
    world.dial_without_offer("ben", "standup");
    assert_eq!(world.phone("ben").state, State::Talking);
    world.check_hearing(
        "    ana ben music
                         ana  -   x    .
                         ben  x   -    .  ",
    );
}

#[test]
fn rooms_that_are_closed_are_not_there() {
    let mut world = World::with(43, |config, _| config.open_rooms = OpenRooms::Off);
    world.try_dial("ana", "standup");
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.phone("ana").state, State::Over(404));
    assert!(world.calls.is_empty() && world.conferences.is_empty());
}

#[test]
fn a_full_room_says_so_and_nobody_else_notices() {
    let mut world = World::with(44, |config, media| {
        config.room_legs_max = 2;
        media.room_legs_max = 2;
    });
    world.dial("ana", "standup");
    world.dial("ben", "standup");
    world.try_dial("cho", "standup");
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.phone("cho").state, State::Over(503));
    world.check_hearing(
        "    ana ben music
                         ana  -   x    .
                         ben  x   -    .  ",
    );
    assert_eq!(world.switch.stats().participants, 2);
    world.hang_up("ben");
    world.run_for(Duration::from_millis(100));
    world.dial("dan", "standup");
}

#[test]
fn as_many_calls_as_may_be_and_not_one_more() {
    let mut world = World::with(45, |config, _| config.calls_max = 1);
    world.dial("ana", "standup");
    world.try_dial("ben", "retro");
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.phone("ben").state, State::Over(503));
    assert!(world.conferences.values().all(|conference| conference.friendly_name != "retro"), "no half state");
    assert_eq!(world.switch.stats().conferences, 1);
}

#[test]
fn a_drain_lets_nobody_in_and_ends_the_rest_at_its_bound() {
    let mut world = World::with(46, |config, _| config.drain = Duration::from_secs(5));
    world.dial("ana", "standup");
    world.dial("ben", "standup");
    world.handle(Event::Drain);
    world.try_dial("cho", "standup");
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.phone("cho").state, State::Over(503));
    assert_eq!(world.phone("ana").state, State::Talking, "those who talk go on");
    world.check_hearing(
        "    ana ben music
                         ana  -   x    .
                         ben  x   -    .  ",
    );
    world.run_for(Duration::from_secs(4));
    assert_eq!(world.phone("ana").state, State::Over(200));
    assert_eq!(world.call("ben").status, CallStatus::Completed);
    assert!(world.switch.is_idle());
}

#[test]
fn nothing_is_sent_before_the_ack() {
    let mut world = World::new(47);
    world.dial("ana", "standup");
    world.dial_without_ack("ben", "standup");
    assert_eq!(world.packets_in_a_second("ben"), 0, "nobody has shown yet that this address wants to hear us");
    world.run_for(Duration::from_secs(40));
    assert_eq!(world.call("ben").status, CallStatus::Completed, "no ACK for 32 s ends the call");
    assert_eq!(world.switch.stats().calls, 1);
}
