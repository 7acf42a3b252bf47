//! From a worker who becomes available to the question to the application: `cargo bench --bench assignment`, after
//! `cargo build --release`.
//!
//! On the real binary, over HTTP: the clock starts before the request that makes a worker available, and stops when the
//! application has read the assignment callback, so that a whole request of ours is in it. The same request's worth of
//! bytes sent to the same application directly is the baseline. Then the same with a URL that answers 500, for the
//! fallback. Fails where a bound is not met. That no timer stands in between is `tests/scenarios/assignment.rs`'s.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use testkit::application::Application;
use testkit::histogram::Histogram;
use testkit::kept_alive::KeptAlive;
use testkit::rest::Rest;
use testkit::server::{Server, wait_until};
use testkit::wire::Moment;

fn main() -> ExitCode {
    let application = Application::start();
    let server = Server::start();
    let centre = Centre::set_up(&server, &application);

    let plain = Rest::new(application.address(), "user", "password");
    let mut directly = Histogram::default();
    for round in 0..ROUNDS {
        let sent = Moment::now();
        plain.request("POST", "/plain", &[("Attributes", &"x".repeat(700))]).expect(204);
        directly.add(application.asked_at("/plain")[round].since(sent));
    }
    let asked = centre.rounds("/assignment", &centre.asks);
    let fallen_back = centre.rounds("/fallback", &centre.falls_back);
    let failed = application.asked_at("/broken");
    let mut fallback = Histogram::default();
    application.asked_at("/fallback").iter().zip(&failed).for_each(|(at, failed)| fallback.add(at.since(*failed)));

    let mut unmet = 0;
    for (what, times, bound) in [
        ("a plain POST to the application", &directly, None),
        ("available, until the application is asked", &asked, Some(BOUND)),
        ("available, until its fallback is asked", &fallen_back, Some(BOUND)),
        ("of that, from the failure to the fallback", &fallback, None),
    ] {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let [half, most] = [0.5, 0.99].map(|share| ms(times.quantile(share)));
        println!("{what:44} p50 {half:.2} ms, p99 {most:.2} ms, at most {:.2} ms", ms(times.longest()));
        if let Some(bound) = bound.filter(|bound| times.quantile(0.99) > *bound) {
            println!("NOT MET: {what}: more than {bound:?}");
            unmet += 1;
        }
    }
    if unmet == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A worker for each way of asking, and a task that nobody ever takes.
struct Centre<'a> {
    application: &'a Application,
    rest: Rest,
    workspace: String,
    available: String,
    offline: String,
    asks: String,
    falls_back: String,
}

impl<'a> Centre<'a> {
    fn set_up(server: &Server, application: &'a Application) -> Self {
        let rest = server.rest();
        let made = |path: &str, form: &[(&str, &str)]| rest.request("POST", path, form).expect(201).text("sid");
        application.status("/plain", 204);
        let asked = application.status("/assignment", 204);
        let broken = application.status("/broken", 500);
        let fallback = application.status("/fallback", 204);
        let workspace = format!("/v1/Workspaces/{}", made("/v1/Workspaces", &[("FriendlyName", "Bench")]));
        let list = rest.request("GET", &format!("{workspace}/Activities"), &[]).expect(200).json();
        let activity = |name: &str| {
            let mut activities = list["activities"].as_array().expect("a list").iter();
            let found = activities.find(|row| row["friendly_name"] == name).expect("one that every workspace has");
            found["sid"].as_str().expect("a SID").to_owned()
        };
        let worker = |name: &str, url: &str, fallback: &str| {
            let attributes = json!({"team": name}).to_string();
            let worker = made(&format!("{workspace}/Workers"), &[("FriendlyName", name), ("Attributes", &attributes)]);
            let target = format!("team == \"{name}\"");
            let queue = made(&format!("{workspace}/TaskQueues"), &[("FriendlyName", name), ("TargetWorkers", &target)]);
            let configuration = json!({"task_routing": {"filters": [], "default_filter": {"queue": queue}}});
            let form = [
                ("FriendlyName", name),
                ("Configuration", &configuration.to_string()),
                ("AssignmentCallbackUrl", url),
                ("FallbackAssignmentCallbackUrl", fallback),
            ];
            let workflow = made(&format!("{workspace}/Workflows"), &form);
            made(&format!("{workspace}/Tasks"), &[("WorkflowSid", &workflow)]);
            worker
        };
        Self {
            application,
            asks: worker("asks", &asked, &fallback),
            falls_back: worker("falls back", &broken, &fallback),
            available: activity("Available"),
            offline: activity("Offline"),
            workspace,
            rest,
        }
    }

    /// The worker comes and goes: how long it took each time until `path` was asked.
    fn rounds(&self, path: &str, worker: &str) -> Histogram {
        let mut client = KeptAlive::connect(&self.rest);
        let worker = format!("{}/Workers/{worker}", self.workspace);
        let mut times = Histogram::default();
        for round in 0..ROUNDS {
            let sent = Moment::now();
            assert_eq!(client.post(&worker, &[("ActivitySid", &self.available)]).0, 200);
            let is_asked = wait_until(PATIENCE, || self.application.asked_at(path).len() > round);
            assert!(is_asked, "{path} was not asked");
            times.add(self.application.asked_at(path)[round].since(sent));
            let leave = [("ActivitySid", self.offline.as_str()), ("RejectPendingReservations", "true")];
            assert_eq!(client.post(&worker, &leave).0, 200);
        }
        times
    }
}

const ROUNDS: usize = 300;
const BOUND: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(10);
