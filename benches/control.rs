//! Control while people talk: `cargo bench --bench control`, after `cargo build --release`.
//!
//! A thousand legs in rooms of three, four times in one run: left alone, twice while 2,000 times a second some participant
//! is muted, held, or neither any more, over REST and kept-alive connections, and left alone again. Shows how long the
//! requests took, what they cost beside the legs and in which threads, what the clients cost that ask, and that the audio did
//! not notice: late wake-ups of the media threads (less their wait for a core) as without it. Fails where a bound is not met.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::histogram::Histogram;
use testkit::load::{self, Plan, Report};
use testkit::process::{cpu_by_thread, own_cpu};
use testkit::rest::{Rest, metric};
use testkit::server::{ACCOUNT_SID, Server, wait_until};

fn main() -> ExitCode {
    load::floor::echo_if_asked();
    // Whatever changes meanwhile about the machine concerns both alike in that order.
    let runs = [false, true, true, false].map(|controlled| {
        let run = Run::new(controlled);
        let what = if controlled { format!("{UPDATES_PER_S} updates a second") } else { "left alone".to_owned() };
        println!("\n{what}\n{run}");
        run
    });
    let [before, first, second, after] = &runs;
    let (alone, controlled) = ([before, after], [first, second]);

    let mut unmet: Vec<String> = controlled.iter().flat_map(|run| run.report.faults()).collect();
    let mut at_most = |what: &str, value: f64, bound: f64| {
        println!("{what:44} {value:.2} of at most {bound:.2}");
        if value > bound {
            unmet.push(format!("{what}: {value:.2}, at most {bound:.2} are allowed"));
        }
    };
    for (run, alone) in controlled.iter().zip(alone) {
        let updates = &run.updates;
        at_most("updates that failed", updates.failed.values().sum::<usize>() as f64, 0.0);
        at_most("updates in ms, p99", updates.took.quantile(0.99).as_secs_f64() * 1e3, P99_MS_MAX);
        at_most("cores for them, beyond what legs take", run.cores() - alone.cores(), CORES_MAX);
    }
    let share = |runs: [&Run; 2]| {
        let loaded = runs.map(|run| &run.report.server.as_ref().expect("the run watched the server").loaded);
        let late: u64 = loaded.iter().map(|loaded| loaded.late_ticks.unwrap_or(0)).sum();
        let wakeups: u64 = loaded.iter().map(|loaded| loaded.wakeups.unwrap_or(0)).sum();
        (late as f64, wakeups.max(1) as f64)
    };
    let ((late_alone, wakeups_alone), (late, wakeups)) = (share(alone), share(controlled));
    // Both are counts of rare events: as far apart as three of their standard deviations they may be by chance.
    let expected = late_alone / wakeups_alone * wakeups;
    at_most("late wake-ups, by those left alone", late, expected + 3.0 * (2.0 * expected.max(1.0)).sqrt());
    for run in controlled {
        let rate = run.updates.took.count() as f64 / TALK.as_secs_f64();
        println!("{:44} {rate:.0}", "updates a second");
        if rate < 0.98 * f64::from(UPDATES_PER_S) {
            unmet.push(format!("{rate:.0} updates a second, {UPDATES_PER_S} are asked for"));
        }
    }
    unmet.iter().for_each(|complaint| println!("NOT MET: {complaint}"));
    if unmet.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A thousand legs that talk, controlled or not.
struct Run {
    report: Report,
    updates: Updates,
}

/// What was asked while everybody talked, and what came of it.
#[derive(Default)]
struct Updates {
    /// From when each was due to its answer.
    took: Histogram,
    /// By status; one of 200 did not say what it should.
    failed: BTreeMap<u16, usize>,
    /// CPU time of those who ask, from the first update to the last.
    clients: Duration,
    /// The same of the server, by thread.
    server: BTreeMap<String, Duration>,
    length: Duration,
}

impl Run {
    fn new(controlled: bool) -> Self {
        let server = Server::start();
        let plan = Plan {
            calls_per_second: 150,
            baseline: Duration::from_secs(2),
            // Time to find everybody, and to begin: all of the talk is controlled.
            settle: Duration::from_secs(8),
            talk: TALK,
            chirps: Duration::ZERO,
            // Who is held hears music, and who is muted is not heard: nothing to judge by ear.
            sampled: 0,
            ..Plan::three_party_rooms(server.sip(), ROOMS)
        };
        thread::scope(|scope| {
            let control =
                controlled.then(|| scope.spawn(|| control(&server, plan.legs(), plan.settle / 2 + plan.talk)));
            let report = load::run(&plan, Some(&server));
            let updates = control.map(|thread| thread.join().expect("controls")).unwrap_or_default();
            Self { report, updates }
        })
    }

    /// How many cores the server took while everybody talked.
    fn cores(&self) -> f64 {
        let loaded = &self.report.server.as_ref().expect("the run watched the server").loaded;
        loaded.used.cpu.as_secs_f64() / loaded.length.as_secs_f64()
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.report)?;
        writeln!(f, "{:24} {:.2}", "cores", self.cores())?;
        let Updates { took, failed, clients, server, length } = &self.updates;
        if took.count() == 0 {
            return Ok(());
        }
        let ms = |share| took.quantile(share).as_secs_f64() * 1e3;
        writeln!(f, "{:24} p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms", "updates", ms(0.5), ms(0.99), ms(0.999))?;
        writeln!(f, "{:24} {failed:?}", "failed, by status")?;
        let cores = |cpu: &Duration| cpu.as_secs_f64() / length.as_secs_f64();
        writeln!(f, "{:24} {:.3} cores", "the clients", cores(clients))?;
        for (thread, cpu) in server.iter().filter(|(_, cpu)| cores(cpu) >= 0.001) {
            writeln!(f, "  {thread:22} {:.3} cores", cores(cpu))?;
        }
        Ok(())
    }
}

/// Updates participants for `length`, once they are all there. Only the last [`TALK`] of it counts, and what was due but
/// could not be asked by then does not.
fn control(server: &Server, legs: usize, length: Duration) -> Updates {
    let rest = server.rest();
    let there = wait_until(PATIENCE, || metric(&server.metrics(), "partyline_participants") >= Some(legs as f64));
    assert!(there, "not everybody came");
    let paths = participants(&rest);
    let address: SocketAddr = rest.base_url().trim_start_matches("http://").parse().expect("an address");
    let begin = Instant::now();
    let cpu = || cpu_by_thread(server.pid()).expect("the bridge runs");
    let before = cpu();
    let next = AtomicUsize::new(0);
    let updates = Mutex::new(Updates::default());
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = Client::connect(address, &rest.authorization());
                while begin.elapsed() < length {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let due = begin + Duration::from_secs(number as u64) / UPDATES_PER_S;
                    if due - begin >= length {
                        break;
                    }
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    // Each participant in turn, and each time around another change.
                    let (path, round) = (&paths[number % paths.len()], number / paths.len());
                    let failed = client.post(path, CHANGES[round % CHANGES.len()]).err();
                    if due - begin >= length.saturating_sub(TALK) {
                        let mut updates = updates.lock().expect("nobody panicked");
                        updates.took.add(due.elapsed());
                        if let Some(status) = failed {
                            *updates.failed.entry(status).or_default() += 1;
                        }
                    }
                }
                updates.lock().expect("nobody panicked").clients += own_cpu();
            });
        }
    });
    let mut updates = updates.into_inner().expect("nobody panicked");
    updates.length = begin.elapsed();
    updates.server = cpu();
    for (thread, cpu) in &mut updates.server {
        *cpu = cpu.saturating_sub(before.get(thread).copied().unwrap_or_default());
    }
    updates
}

/// Every participant of every conference, as a path.
fn participants(rest: &Rest) -> Vec<String> {
    let mut paths = Vec::new();
    let mut page =
        Some(format!("/2010-04-01/Accounts/{ACCOUNT_SID}/Conferences.json?Status=in-progress&PageSize=1000"));
    while let Some(path) = page {
        let list = rest.request("GET", &path, &[]).expect(200).json();
        for conference in list["conferences"].as_array().expect("a list") {
            let uri = conference["subresource_uris"]["participants"].as_str().expect("a URI");
            let list = rest.request("GET", uri, &[]).expect(200).json();
            let uris = list["participants"].as_array().expect("a list").iter().filter_map(|one| one["uri"].as_str());
            paths.extend(uris.map(str::to_owned));
        }
        page = list["next_page_uri"].as_str().map(str::to_owned);
    }
    paths
}

/// One kept-alive connection.
struct Client {
    stream: BufReader<TcpStream>,
    head: String,
}

impl Client {
    fn connect(address: SocketAddr, authorization: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the bridge listens");
        stream.set_nodelay(true).expect("a socket");
        let head = format!(
            "Host: {address}\r\n{authorization}Accept: application/json\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n"
        );
        Self { stream: BufReader::new(stream), head }
    }

    /// Has the update done. The status, where the answer does not say that it was.
    fn post(&mut self, path: &str, (name, value, shown): (&str, &str, &str)) -> Result<(), u16> {
        let form = format!("{name}={value}");
        let request = format!("POST {path} HTTP/1.1\r\n{}Content-Length: {}\r\n\r\n{form}", self.head, form.len());
        self.stream.get_mut().write_all(request.as_bytes()).expect("the bridge reads");
        let (mut status, mut length) = (String::new(), 0);
        self.stream.read_line(&mut status).expect("an answer");
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a header");
            match line.trim_end().split_once(':') {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().expect("a number");
                }
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        if status == 200 && body[shown] == (value == "true") { Ok(()) } else { Err(status) }
    }
}

/// What participants are told, one after the other.
const CHANGES: [(&str, &str, &str); 4] =
    [("Muted", "true", "muted"), ("Hold", "true", "hold"), ("Muted", "false", "muted"), ("Hold", "false", "hold")];
const ROOMS: usize = 334;
const TALK: Duration = Duration::from_secs(20);
const UPDATES_PER_S: u32 = 2_000;
/// Connections; each waits for its answer before it asks again.
const CLIENTS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(60);
const P99_MS_MAX: f64 = 20.0;
const CORES_MAX: f64 = 1.0;
