//! What asking an application adds to a call: `cargo bench --bench documents`, after `cargo build --release`.
//!
//! 100 calls a second into conferences, on the real binary, once by dialling open rooms and once by dialling numbers whose
//! document is `<Dial><Conference>`, served by an application in this process. What the application takes itself, from a
//! request read to its answer written, is no time of ours. Fails when a call does.

use std::process::ExitCode;
use std::time::Duration;

use testkit::application::Application;
use testkit::load::{self, Plan, Report, Room};
use testkit::server::Server;

fn main() -> ExitCode {
    let application = Application::start();
    let server = Server::start();
    for nth in 0..ROOMS {
        let document = format!("<Response><Dial><Conference>conference-{nth}</Conference></Dial></Response>");
        let url = application.file(&format!("/voice-{nth}"), "text/xml", document.as_bytes());
        let form = [("PhoneNumber", number(nth)), ("VoiceUrl", url)];
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        server.rest().post("IncomingPhoneNumbers.json", &form).expect(201);
    }
    let open = run(&server, |nth| format!("open-{nth}"));
    let asked = run(&server, number);
    let own = application.own_time();

    let mut faults = 0;
    for (name, report) in [("open rooms", &open), ("documents", &asked)] {
        let (half, most) = (report.invite.quantile(0.5), report.invite.quantile(0.99));
        println!("{name:12} {} calls, INVITE to 200: p50 {half:.1?}, p99 {most:.1?}", report.answered);
        let failed = ROOMS * LEGS - report.answered + report.ended_by_bridge;
        if failed > 0 {
            println!("WRONG: {name}: {failed} calls failed: {:?}", report.refused);
        }
        faults += failed;
    }
    println!(
        "{:12} {} requests, p50 {:.1?}, p99 {:.1?}",
        "application",
        own.count(),
        own.quantile(0.5),
        own.quantile(0.99)
    );
    let ours = asked.invite.quantile(0.5).saturating_sub(own.quantile(0.5));
    let added = ours.saturating_sub(open.invite.quantile(0.5));
    println!("our side of a call with a document: p50 {ours:.1?}, that is {added:.1?} more than an open room's");
    if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(server: &Server, name: impl Fn(usize) -> String) -> Report {
    let rooms = (0..ROOMS).map(|nth| Room { name: name(nth), legs: LEGS, talkers: 2 }).collect();
    let plan = Plan {
        calls_per_second: 100,
        baseline: Duration::ZERO,
        talk: Duration::from_secs(3),
        chirps: Duration::ZERO,
        ..Plan::rooms(server.sip(), rooms)
    };
    load::run(&plan, Some(server))
}

fn number(nth: usize) -> String {
    format!("+1500555{nth:04}")
}

/// Ten seconds of calls.
const ROOMS: usize = 100;
const LEGS: usize = 10;
