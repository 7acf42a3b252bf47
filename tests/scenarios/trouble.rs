//! Lost packets, phones that vanish, and nonsense: what it costs whom.

use std::time::Duration;

use bytes::Bytes;
use model::{CallStatus, ParticipantStatus};
use switch::Event;

use crate::network::Weather;
use crate::world::World;

#[test]
fn packets_that_overtake_each_other_are_put_in_order() {
    let mut world = World::new(60);
    world.dial("ana", "standup");
    world.dial("ben", "standup");
    world.dial("cho", "standup");
    world.weather("ben", Weather { delay_us_max: 35_000, ..Weather::default() });
    world.run_for(Duration::from_secs(5));
    world.check_hearing(
        "    ana ben cho music
                         ana  -   x   x   .
                         ben  x   -   x   .
                         cho  x   x   -   .  ",
    );
}

#[test]
fn lost_packets_are_concealed_and_cost_nobody_else() {
    let mut world = World::new(61);
    for name in ["ana", "ben", "cho"] {
        world.dial(name, "standup");
    }
    world.weather("ben", Weather { lost_percent: 5, ..Weather::default() });
    world.run_for(Duration::from_secs(5));
    let since = Duration::from_secs(5);
    world.run_for(since);
    // Ben's tone is still whole enough to be told; his own ears have no part in his losses.
    world.check_hearing(
        "    ana cho music
                         ben  x   x   .  ",
    );
}

#[test]
fn a_leg_that_vanishes_is_hung_up_and_the_others_go_on() {
    let mut world = World::with(62, |_, media| media.rtp_timeout = Duration::from_secs(10));
    for name in ["ana", "ben", "cho"] {
        world.dial(name, "standup");
    }
    world.run_for(Duration::from_secs(1));
    world.vanish("ben");
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.call("ben").status, CallStatus::InProgress, "a muted phone may be silent for a while");
    world.run_for(Duration::from_secs(8));
    assert_eq!(world.call("ben").status, CallStatus::Completed);
    assert_eq!(world.participant("ben").status, ParticipantStatus::Complete);
    assert_eq!(world.switch.stats().counts.rtp_timeouts, 1);
    world.check_hearing(
        "    ana ben cho music
                         ana  -   .   x   .
                         cho  x   .   -   .  ",
    );
}

#[test]
fn digits_are_heard_once_each() {
    let mut world = World::new(63);
    world.dial("ana", "standup");
    world.dial("ben", "standup");
    world.run_for(Duration::from_millis(500));
    for event in [5, 11] {
        world.press("ana", event);
        world.run_for(Duration::from_millis(500));
    }
    assert_eq!(world.switch.stats().counts.digits, 2);
}

#[test]
fn nonsense_on_the_sip_port_touches_no_call() {
    let mut world = World::new(64);
    world.dial("ana", "standup");
    world.dial("ben", "standup");
    let flow = sip::Flow {
        transport: sip::Transport::Udp,
        local: ([10, 0, 0, 1], 5060).into(),
        remote: ([10, 0, 0, 99], 5060).into(),
        connection: None,
    };
    for nonsense in [
        &b""[..],
        b"\0\0\0\0",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"INVITE sip:standup@10.0.0.1 SIP/2.0\r\n\r\n",
        b"INVITE sip:standup@10.0.0.1 SIP/7.0\r\nVia: SIP/2.0/UDP h\r\n\r\n",
        &[0xff; 4000],
        b"BYE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.99;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n\
          Call-ID: z\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
    ] {
        world.handle(Event::Sip { flow, bytes: Bytes::copy_from_slice(nonsense) });
    }
    world.check_hearing(
        "    ana ben music
                         ana  -   x    .
                         ben  x   -    .  ",
    );
    assert_eq!(world.switch.stats().calls, 2);
}

#[test]
fn the_same_seed_is_the_same_world() {
    let life = |seed| {
        let mut world = World::new(seed);
        for name in ["ana", "ben", "cho"] {
            world.dial(name, "standup");
        }
        world.weather("ana", Weather { lost_percent: 5, delay_us_max: 30_000 });
        world.run_for(Duration::from_secs(3));
        let heard: Vec<Vec<i16>> = ["ana", "ben", "cho"].map(|name| world.phone(name).heard_since(0)).into();
        (heard, world.call("ana").sid)
    };
    assert_eq!(life(65), life(65));
    assert_ne!(life(65).1, life(66).1);
}
