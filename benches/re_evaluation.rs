//! Calls while every waiting task is evaluated anew: `cargo bench --bench re_evaluation`, after `cargo build --release`.
//!
//! On the real binary: 100,000 tasks wait that nobody may take, and 100 calls a second come, once with the tasks left alone
//! and once while their workflow changes again and again, so that each of them goes from one queue to another. Shows how long
//! calls took, how long one event kept the run loop, and how long a worker then waits to be asked. Fails when a SIP message
//! had to be sent again, a call failed, or something was not saved.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::kept_alive::KeptAlive;
use testkit::load::{self, Plan, Report, Room};
use testkit::rest::{Rest, metric};
use testkit::server::{Server, wait_until};

fn main() -> ExitCode {
    let mut server = Server::start();
    let begun = Instant::now();
    let centre = Centre::set_up(&server);
    println!("{TASKS} tasks made in {:.1?}", begun.elapsed());
    // A new process has counted nothing yet.
    let begun = Instant::now();
    server.restart();
    println!("started with them in {:.1?}", begun.elapsed());

    let mut unmet = Vec::new();
    let alone = run(&server, "left alone", &mut unmet);
    let over = AtomicBool::new(false);
    let (evaluated, rounds) = thread::scope(|scope| {
        let changes = scope.spawn(|| centre.change_until(&over));
        let report = run(&server, "evaluated anew", &mut unmet);
        over.store(true, Ordering::Relaxed);
        (report, changes.join().expect("it goes on"))
    });
    for (nth, (took, answered)) in rounds.iter().enumerate() {
        println!("round {}: asked for in {answered:.1?}, all {TASKS} moved after {took:.1?}", nth + 1);
    }
    let settled = wait_until(PATIENCE, || metric(&server.metrics(), "partyline_saves_waiting") == Some(0.0));
    println!("all saved: {settled}");
    let lost = metric(&server.metrics(), "partyline_saves_failed_total").unwrap_or_default();
    if lost > 0.0 || !settled {
        unmet.push(format!("{lost} events were not saved"));
    }
    if rounds.is_empty() {
        unmet.push("no round was done while calls came".to_owned());
    }
    let added = evaluated.invite.quantile(0.5).saturating_sub(alone.invite.quantile(0.5));
    println!("INVITE to 200 at the median: {added:.1?} more than with tasks left alone");
    unmet.iter().for_each(|complaint| println!("NOT MET: {complaint}"));
    if unmet.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// 100 calls a second, and what they met.
fn run(server: &Server, name: &str, unmet: &mut Vec<String>) -> Report {
    let rooms = (0..ROOMS).map(|nth| Room { name: format!("room-{nth}"), legs: LEGS, talkers: 2 }).collect();
    let plan = Plan {
        calls_per_second: 100,
        baseline: Duration::ZERO,
        settle: Duration::ZERO,
        talk: Duration::from_secs(2),
        chirps: Duration::ZERO,
        sampled: 0,
        ..Plan::rooms(server.sip(), rooms)
    };
    let before = server.metrics();
    let report = load::run(&plan, None);
    let after = server.metrics();
    let value = |text: &str, name: &str| metric(text, name).unwrap_or_default();
    let grown = |name: &str| value(&after, name) - value(&before, name);
    let (half, most) = (report.invite.quantile(0.5), report.invite.quantile(0.99));
    println!("{name}: {} calls, INVITE to 200: p50 {half:.1?}, p99 {most:.1?}", report.answered);
    let bye = report.bye.quantile(0.99);
    println!("{name}: BYE to 200: p99 {bye:.1?}, at most {:.1?}", report.bye.longest());
    let mean = grown("partyline_turn_seconds_sum") / grown("partyline_turn_seconds_count").max(1.0);
    let longest = value(&after, "partyline_turn_seconds_max");
    let within = |bound: &str| grown(&format!("partyline_turn_seconds_bucket{{le=\"{bound}\"}}"));
    println!(
        "{name}: {} turns, {:.0} µs on average, {} longer than 1 ms, {} longer than 5 ms, the longest so far {:.2} ms",
        grown("partyline_turn_seconds_count"),
        mean * 1e6,
        grown("partyline_turn_seconds_count") - within("0.001"),
        grown("partyline_turn_seconds_count") - within("0.005"),
        longest * 1e3,
    );
    let resent = grown("partyline_sip_retransmissions_total");
    println!("{name}: sent again: {} messages by callers, {resent} by the bridge", report.retransmissions);
    let failed = plan.legs() - report.answered + report.ended_by_bridge;
    for (what, count) in [
        ("calls failed", failed as f64),
        ("messages were sent again", report.retransmissions as f64 + resent),
        ("datagrams were dropped", grown("partyline_sip_datagrams_dropped_total")),
    ] {
        if count > 0.0 {
            unmet.push(format!("{name}: {count} {what}"));
        }
    }
    report
}

/// A workspace whose tasks wait in one of two queues.
struct Centre {
    rest: Rest,
    workspace: String,
    workflow: String,
    queues: [String; 2],
}

impl Centre {
    fn set_up(server: &Server) -> Self {
        let rest = server.rest();
        let made = |path: &str, form: &[(&str, &str)]| rest.request("POST", path, form).expect(201).text("sid");
        let workspace = format!("/v1/Workspaces/{}", made("/v1/Workspaces", &[("FriendlyName", "Bench")]));
        let queues = ["one", "two"].map(|name| made(&format!("{workspace}/TaskQueues"), &[("FriendlyName", name)]));
        let configuration = configuration(&queues[0]);
        let form = [("FriendlyName", "w"), ("Configuration", configuration.as_str())];
        let workflow = made(&format!("{workspace}/Workflows"), &form);
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = KeptAlive::connect(&rest);
                    while next.fetch_add(1, Ordering::Relaxed) < TASKS {
                        let form = [("Attributes", ATTRIBUTES), ("WorkflowSid", workflow.as_str())];
                        let (status, body) = client.post(&format!("{workspace}/Tasks"), &form);
                        assert_eq!(status, 201, "{body}");
                    }
                });
            }
        });
        Self { rest, workspace, workflow, queues }
    }

    /// Sends all tasks to the other queue, and again when all have come there. How long each round took, and how long the
    /// answer to the request that began it.
    fn change_until(&self, over: &AtomicBool) -> Vec<(Duration, Duration)> {
        let mut client = KeptAlive::connect(&self.rest);
        let mut rounds = Vec::new();
        for round in 1.. {
            let [from, to] = [round - 1, round].map(|nth: usize| &self.queues[nth % 2]);
            let configuration = configuration(to);
            let begun = Instant::now();
            let form = [("Configuration", configuration.as_str()), ("ReEvaluateTasks", "true")];
            let (status, body) = client.post(&format!("{}/Workflows/{}", self.workspace, self.workflow), &form);
            assert_eq!(status, 200, "{body}");
            let answered = begun.elapsed();
            let path = format!("{}/TaskQueues/{from}/RealTimeStatistics", self.workspace);
            let mut is_over = false;
            let moved = wait_until(PATIENCE, || {
                thread::sleep(Duration::from_millis(100));
                is_over = over.load(Ordering::Relaxed);
                let (status, body) = client.get(&path);
                assert_eq!(status, 200, "{body}");
                body.contains("\"total_tasks\":0") || is_over
            });
            assert!(moved, "the tasks are still where they were");
            if is_over {
                return rounds;
            }
            rounds.push((begun.elapsed(), answered));
        }
        rounds
    }
}

fn configuration(queue: &str) -> String {
    // Filters that take nothing, as a real workflow has them before the one that does.
    let mut filters: Vec<_> = (0..20)
        .map(|nth| json!({"expression": format!("selected_product == \"p{nth}\""), "targets": [{"queue": queue}]}))
        .collect();
    filters.push(json!({"expression": "selected_language == \"hi\"", "targets": [{"queue": queue, "priority": 5}]}));
    json!({"task_routing": {"filters": filters}}).to_string()
}

const TASKS: usize = 100_000;
const CLIENTS: usize = 16;
const ATTRIBUTES: &str = r#"{"selected_language":"hi","selected_product":"none","from":"+15005550100"}"#;
/// Ten seconds of calls.
const ROOMS: usize = 100;
const LEGS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(120);
