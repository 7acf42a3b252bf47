//! The load generator against the real binary, small: what `make bench` does at rated load, nothing may break here.

use std::time::Duration;

use testkit::load::{self, Plan, Room};
use testkit::server::Server;

#[test]
fn a_big_room_and_many_small_ones_are_carried_without_a_fault() {
    let server = Server::start();
    let mut rooms = vec![Room { name: "townhall".to_owned(), legs: 40, talkers: 3 }];
    rooms.extend((0..10).map(|nth| Room { name: format!("room-{nth}"), legs: 3, talkers: 2 }));
    let plan = Plan {
        baseline: Duration::from_secs(2),
        talk: Duration::from_secs(10),
        chirps: Duration::from_secs(3),
        sampled: 12,
        ..Plan::rooms(server.sip(), rooms)
    };
    let report = load::run(&plan, Some(&server));
    println!("{report}");
    assert_eq!(report.faults(), Vec::<String>::new(), "\n{report}");
    assert_eq!(report.answered, plan.legs());
}

#[test]
fn legs_that_hold_and_come_back_disturb_nobody() {
    let server = Server::start();
    let plan = Plan {
        baseline: Duration::ZERO,
        talk: Duration::from_secs(9),
        chirps: Duration::ZERO,
        sampled: 6,
        holding: 6,
        ..Plan::rooms(server.sip(), vec![Room { name: "townhall".to_owned(), legs: 20, talkers: 3 }])
    };
    let report = load::run(&plan, Some(&server));
    assert_eq!(report.faults(), Vec::<String>::new(), "\n{report}");
    assert_eq!(report.reinvite.count(), 12, "\n{report}");
}
