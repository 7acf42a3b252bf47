//! `make soak`: a day of 50,000 calls and 500 agents in virtual time, twice, the second time with restarts.
//!
//! `soak [SEED [CALLS [AGENTS]]]`

#[path = "../tests/day/mod.rs"]
mod day;

use day::{Plan, live};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| {
        let given = arguments.next();
        given.map_or(default, |given| given.parse().unwrap_or_else(|_| panic!("a number is expected, not {given:?}")))
    };
    let seed = number(1);
    let at_most = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let (calls, agents) = (at_most(number(50_000)), at_most(number(500)));
    let plan = Plan { seed, calls, agents, restarts: 0 };
    let first = live(plan);
    println!("{}", first.table);
    println!("{:#?}", first.counts);
    println!(
        "seed {seed}: {calls} calls, {agents} agents; {:?} of work, {:?} at most at a time; digest {:016x}",
        first.busy, first.slowest, first.digest
    );
    let again = live(Plan { restarts: 12, ..plan });
    assert_eq!(again.digest, first.digest, "seed {seed}: a day with restarts is another day");
    println!("the same day with 12 restarts: the same digest");
}
