//! Every profile of `sip-profiles/`, run by sipp against the real binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use testkit::phone::Phone;
use testkit::rest::metric;
use testkit::server::{Server, wait_until};

use crate::party::PATIENCE;

/// Runs one profile once, over UDP, for a second of talk; it must end as its name says.
#[track_caller]
fn expect(profile: &str) {
    expect_with(profile, 1, &[]);
}

#[track_caller]
fn expect_with(profile: &str, calls: u32, options: &[&str]) {
    let server = Server::start();
    run(&server, profile, calls, options);
    server.rest().request("GET", "/healthz", &[]).expect(200);
}

#[track_caller]
pub(crate) fn run(server: &Server, profile: &str, calls: u32, options: &[&str]) {
    let target = server.sip().to_string();
    Sipp::start(server, profile, calls, &[&[target.as_str(), "-s", "standup", "-d", "1000"], options].concat()).ends();
}

/// One run of sipp. Dropping it kills it.
pub(crate) struct Sipp {
    child: Child,
    what: String,
    calls: u32,
    statistics: PathBuf,
    errors: PathBuf,
}

impl Sipp {
    /// Starts a profile, to be run so often; whom to call, if anybody, is among the options.
    pub(crate) fn start(server: &Server, profile: &str, calls: u32, options: &[&str]) -> Self {
        let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-profiles");
        let nth = RUNS.fetch_add(1, Ordering::Relaxed);
        let ours = |what: &str| server.data().join(format!("sipp-{nth}.{what}"));
        let (statistics, errors) = (ours("csv"), ours("err"));
        let callers = server.callers().to_string();
        let child = Command::new("sipp")
            .current_dir(&profiles)
            .args(["-sf", &format!("{profile}.xml")])
            .args(["-i", &callers, "-mi", &callers, "-bind_local"])
            .args(["-m", &calls.to_string(), "-r", "10", "-nostdin", "-timeout", "120", "-timeout_error"])
            .args(["-recv_timeout", "30000", "-trace_err", "-error_file", &text(&errors)])
            .args(["-trace_stat", "-fd", "1", "-stf", &text(&statistics)])
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp runs: apt-get install sip-tester");
        Self { child, what: format!("{profile} {options:?}"), calls, statistics, errors }
    }

    /// Waits for its end: all calls must have gone as the profile says.
    #[track_caller]
    pub(crate) fn ends(mut self) {
        let status = self.child.wait().expect("our own child");
        let said = fs::read_to_string(&self.errors).unwrap_or_default();
        assert_eq!(status.code(), Some(0), "{}\n{said}", self.what);
        let statistics = Statistics::read(&self.statistics);
        assert_eq!(statistics.last("SuccessfulCall(C)"), self.calls, "{}\n{said}", self.what);
        assert_eq!(statistics.last("FailedCall(C)"), 0, "{}\n{said}", self.what);
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // Mostly it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Files of each run have names of their own.
static RUNS: AtomicU32 = AtomicU32::new(0);

fn text(path: &Path) -> String {
    path.to_str().expect("temporary paths are text").to_owned()
}

/// What `-trace_stat` wrote: a line of names, then one line a second, all separated by semicolons.
struct Statistics {
    names: Vec<String>,
    last: Vec<String>,
}

impl Statistics {
    fn read(path: &PathBuf) -> Self {
        let file = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut lines = file.lines().map(|line| line.split(';').map(str::to_owned).collect());
        Self { names: lines.next().unwrap_or_default(), last: lines.next_back().unwrap_or_default() }
    }

    fn last(&self, name: &str) -> u32 {
        let place = self.names.iter().position(|known| known == name);
        let value = place.and_then(|place| self.last.get(place)).and_then(|value| value.parse().ok());
        value.unwrap_or_else(|| panic!("sipp's statistics have no number {name}"))
    }
}

#[test]
fn uac_joins_and_talks() {
    expect_with("uac-joins-and-talks-expect-200", 10, &[]);
}

#[test]
fn uac_joins_and_talks_over_tcp() {
    expect_with("uac-joins-and-talks-expect-200", 10, &["-t", "t1"]);
}

#[test]
fn uac_joins_and_talks_over_a_connection_a_call() {
    expect_with("uac-joins-and-talks-expect-200", 10, &["-t", "tn", "-max_socket", "100"]);
}

#[test]
fn uac_joins_with_pcma() {
    expect("uac-joins-with-pcma-expect-200");
}

#[test]
fn uac_holds_by_sendonly() {
    expect("uac-holds-by-sendonly-expect-recvonly");
}

#[test]
fn uac_holds_by_inactive() {
    expect("uac-holds-by-inactive-expect-inactive");
}

#[test]
fn uac_holds_by_zero_address() {
    expect("uac-holds-by-zero-address-expect-200");
}

#[test]
fn uac_holds_by_update() {
    expect("uac-holds-by-update-expect-recvonly");
}

#[test]
fn uac_presses_keys() {
    let server = Server::start();
    run(&server, "uac-presses-keys-expect-200", 1, &[]);
    assert_eq!(metric(&server.metrics(), "partyline_digits_total"), Some(4.0));
}

#[test]
fn uac_cancels_early() {
    expect_with("uac-cancels-early-expect-487", 10, &[]);
}

#[test]
fn uac_offers_nothing() {
    expect("uac-offers-nothing-expect-offer");
}

#[test]
fn uac_pings_by_options() {
    expect("uac-pings-by-options-expect-200");
}

#[test]
fn uac_asks_for_timer() {
    expect("uac-asks-for-timer-expect-session-expires");
}

#[test]
fn uac_asks_for_short_timer() {
    expect("uac-asks-for-short-timer-expect-422");
}

#[test]
fn uac_refreshes_by_update() {
    expect("uac-refreshes-by-update-expect-200");
}

#[test]
fn uac_sends_unknown_method() {
    expect("uac-sends-unknown-method-expect-501");
}

#[test]
fn uac_publishes() {
    expect("uac-publishes-expect-405");
}

#[test]
fn uac_requires_unknown_extension() {
    expect("uac-requires-unknown-extension-expect-420");
}

#[test]
fn uac_sends_unreadable_body() {
    expect("uac-sends-unreadable-body-expect-415");
}

#[test]
fn uac_offers_unknown_codec() {
    expect("uac-offers-unknown-codec-expect-488");
}

#[test]
fn uac_runs_out_of_hops() {
    expect("uac-runs-out-of-hops-expect-483");
}

#[test]
fn uac_byes_unknown_call() {
    expect("uac-byes-unknown-call-expect-481");
}

#[test]
fn uac_never_acks() {
    expect_with("uac-never-acks-expect-bye", 1, &["-recv_timeout", "60000"]);
}

#[test]
fn uac_calls_while_draining() {
    let server = Server::start_with(&[("PARTYLINE_DRAIN_SECONDS", "60")]);
    let keeps_it_up = Phone::dial(server.sip(), "standup").connect();
    server.terminate();
    let refuses = || Phone::dial(server.sip(), "standup").try_connect().is_err();
    assert!(wait_until(PATIENCE, refuses), "a draining bridge takes no calls");
    run(&server, "uac-calls-while-draining-expect-503", 1, &[]);
    keeps_it_up.hang_up();
}

#[test]
fn every_profile_is_run_here() {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-profiles");
    let runs = concat!(include_str!("sipp.rs"), include_str!("called.rs"), include_str!("registration.rs"));
    for entry in fs::read_dir(profiles).expect("the profiles").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "xml") {
            let name = path.file_stem().and_then(|name| name.to_str()).expect("a readable name").to_owned();
            assert!(runs.contains(&format!("\"{name}\"")), "{name} is not run");
        }
    }
}
