//! Rated load against the release binary: `cargo bench --bench capacity`, after `cargo build --release`.
//!
//! 250 legs in one room, then 300 rooms of three, with the load generator on the same cores. Prints a table each and
//! fails when a packet is missing, a voice leaks, or a bound of the audio plane's design is not met.

use std::process::ExitCode;
use std::time::Duration;

use testkit::load::{self, Plan, Report};
use testkit::server::Server;

fn main() -> ExitCode {
    let mut unmet = 0;
    for (name, plan) in [
        ("250 legs in one room", (|at| Plan::one_room(at, 250)) as fn(_) -> Plan),
        ("300 rooms of three", |at| Plan::three_party_rooms(at, 300)),
    ] {
        let server = Server::start();
        let report = load::run(&plan(server.sip()), Some(&server));
        println!("\n{name}\n{report}");
        for complaint in report.faults().into_iter().chain(report.disturbed()).chain(bounds(&report)) {
            println!("NOT MET: {complaint}");
            unmet += 1;
        }
    }
    if unmet == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a bridge must reach beyond making no mistakes.
fn bounds(report: &Report) -> Vec<String> {
    let mut unmet = Vec::new();
    let setup = report.invite.quantile(0.99);
    if setup > SETUP_P99_MAX {
        unmet.push(format!("INVITE to 200 takes {setup:?} at p99, at most {SETUP_P99_MAX:?} are allowed"));
    }
    let server = report.server.as_ref().expect("the run watched the server");
    let cpu = server.cpu_per_leg_second(report.answered);
    if cpu > CPU_PER_LEG_SECOND_MAX {
        unmet.push(format!("{cpu:?} of CPU for a leg and second, at most {CPU_PER_LEG_SECOND_MAX:?} are allowed"));
    }
    match server.late_wakeups() {
        Some((late, may_be)) if late as f64 > may_be => {
            unmet.push(format!("{late} late wake-ups, at most {may_be:.0} as of the idle baseline"));
        }
        Some(_) => {}
        None => unmet.push("the bridge does not count late wake-ups".to_owned()),
    }
    unmet
}

const SETUP_P99_MAX: Duration = Duration::from_millis(20);
const CPU_PER_LEG_SECOND_MAX: Duration = Duration::from_micros(350);
