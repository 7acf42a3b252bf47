//! A short day, as `make soak` lives through a long one.

mod day;

use day::{Plan, live};

#[test]
fn a_day_of_the_same_seed_is_the_same_day_with_and_without_restarts() {
    let plan = Plan { seed: 7, calls: 1_500, agents: 24, restarts: 0 };
    let first = live(plan);
    assert!(first.counts.reservations_accepted > 500 && first.counts.tasks_canceled > 50, "{}", first.table);
    assert!(first.slowest <= first.busy, "measured in pieces");
    assert_eq!(live(Plan { restarts: 6, ..plan }).digest, first.digest, "a restart was noticed");
    assert_ne!(live(Plan { seed: 8, ..plan }).digest, first.digest);
}
