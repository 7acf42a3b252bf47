//! The real binary, started the way an operator starts it, on a loopback address of its own.
//!
//! Linux answers on all of 127.0.0.0/8, so every server gets one address (`127.86.3.1`) and keeps the usual
//! ports: no two tests can meet, and a log line tells at once which server it is about.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{self, Usage};
use crate::rest::Rest;

/// A running bridge. Dropping it kills it and, unless the test is failing, removes its data.
#[derive(Debug)]
pub struct Server {
    address: Ipv4Addr,
    settings: Vec<(String, String)>,
    data: PathBuf,
    child: Child,
}

impl Server {
    /// Starts a bridge with the defaults and waits until it is ready.
    ///
    /// # Panics
    /// When there is no binary or it does not become ready; the end of its log is shown.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a bridge with these `PARTYLINE_…` settings over the test defaults.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self::start_at(|_| settings)
    }

    /// As [`Server::start_with`], for settings that speak of the server's own address.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub fn start_at(settings: impl FnOnce(Ipv4Addr) -> Vec<(String, String)>) -> Self {
        let address = own_address();
        let data = std::env::temp_dir().join(format!("partyline-{address}"));
        drop(fs::remove_dir_all(&data));
        fs::create_dir_all(&data).expect("a directory for the bridge's data");
        let settings = settings(address);
        let child = spawn(address, &settings, &data);
        let mut server = Self { address, settings, data, child };
        server.wait_ready();
        server
    }

    /// Starts the binary again on the same data, after it ended or was killed.
    pub fn restart(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        self.child = spawn(self.address, &self.settings, &self.data);
        self.wait_ready();
    }

    /// Where it takes calls, UDP and TCP alike.
    pub fn sip(&self) -> SocketAddr {
        (self.address, SIP_PORT).into()
    }

    /// A loopback address for this server's callers, shared with nobody else's.
    pub fn callers(&self) -> Ipv4Addr {
        let [first, second, third, fourth] = self.address.octets();
        Ipv4Addr::new(first, second | 0x80, third, fourth)
    }

    /// Its HTTP API, as the one account it was started with.
    pub fn rest(&self) -> Rest {
        Rest::new((self.address, HTTP_PORT).into(), ACCOUNT_SID, AUTH_TOKEN)
    }

    /// Its gRPC services.
    pub fn grpc(&self) -> SocketAddr {
        (self.address, GRPC_PORT).into()
    }

    /// The text of `/metrics`.
    pub fn metrics(&self) -> String {
        self.rest().request("GET", "/metrics", &[]).expect(200).body
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has used so far.
    ///
    /// # Panics
    /// When it no longer runs.
    pub fn usage(&self) -> Usage {
        Usage::of(self.pid()).expect("the bridge runs")
    }

    /// All it has written: to standard output and error, then to its log files.
    pub fn log(&self) -> String {
        let its_own = fs::read_dir(self.data.join("logs")).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files: Vec<_> = its_own.collect();
        files.sort();
        files.insert(0, self.data.join(LOG_FILE));
        files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect()
    }

    /// Where it keeps its data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Asks it to end, as systemd does.
    pub fn terminate(&self) {
        process::terminate(&self.child);
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it has not within `bound`.
    pub fn wait_ended(&mut self, bound: Duration) -> ExitStatus {
        let mut ended = None;
        let done = wait_until(bound, || {
            ended = self.child.try_wait().expect("our own child can be waited for");
            ended.is_some()
        });
        assert!(done, "the bridge still runs after {bound:?}\n{}", self.log_tail());
        ended.expect("the wait ended with a status")
    }

    fn wait_ready(&mut self) {
        let rest = self.rest();
        let ready = wait_until(READY_WITHIN, || {
            if let Some(status) = self.child.try_wait().expect("our own child can be waited for") {
                panic!("the bridge ended at its start: {status}\n{}", self.log_tail());
            }
            rest.try_request("GET", "/readyz", &[]).is_ok_and(|answer| answer.status == 200)
        });
        assert!(ready, "the bridge is not ready after {READY_WITHIN:?}\n{}", self.log_tail());
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("data kept in {}, the log ends with\n{}", self.data.display(), self.log_tail());
        } else {
            drop(fs::remove_dir_all(&self.data));
        }
    }
}

/// Looks again and again, every few milliseconds, until it is so; false when `bound` has passed.
pub fn wait_until(bound: Duration, mut so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + bound;
    while !so() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
    true
}

fn spawn(address: Ipv4Addr, settings: &[(String, String)], data: &Path) -> Child {
    let log = File::options().create(true).append(true).open(data.join(LOG_FILE)).expect("a log file");
    let both = log.try_clone().expect("a second handle of the log");
    command()
        .arg("serve")
        .current_dir(data)
        .env("PARTYLINE_SIP_LISTEN", format!("udp:{address}:{SIP_PORT},tcp:{address}:{SIP_PORT}"))
        .env("PARTYLINE_HTTP_LISTEN", format!("{address}:{HTTP_PORT}"))
        .env("PARTYLINE_GRPC_LISTEN", format!("{address}:{GRPC_PORT}"))
        .env("PARTYLINE_RTP_ADDRESS", address.to_string())
        .env("PARTYLINE_DATA", data)
        .env("PARTYLINE_ACCOUNT_SID", ACCOUNT_SID)
        .env("PARTYLINE_AUTH_TOKEN", AUTH_TOKEN)
        .envs(settings.iter().map(|(key, value)| (key, value)))
        .stdout(log)
        .stderr(both)
        .spawn()
        .expect("the bridge's binary runs")
}

/// The binary, to be run with the settings that the test gives it and none that happen to be around.
///
/// # Panics
/// When there is no binary.
pub fn command() -> Command {
    let mut command = Command::new(binary());
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("PARTYLINE_")) {
        command.env_remove(key);
    }
    command
}

/// `PARTYLINE_BIN`, or the release binary of the target directory this test was built in.
fn binary() -> PathBuf {
    let built = || -> Option<PathBuf> {
        let this_test = std::env::current_exe().ok()?;
        // target/<profile>/deps/<test>
        Some(this_test.ancestors().nth(3)?.join("release/partyline"))
    };
    let path = std::env::var_os("PARTYLINE_BIN").map(PathBuf::from).or_else(built);
    let path = path.unwrap_or_else(|| OsString::from("partyline").into());
    assert!(path.is_file(), "no binary at {}: build it (cargo build --release) or set PARTYLINE_BIN", path.display());
    path
}

/// An address of 127.0.0.0/8 that no other server of this or another running test has.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    // 127.64.0.0/10 for servers, 127.192.0.0/10 for callers; the rest is for what else lives on this machine.
    Ipv4Addr::new(127, high & 0x3F | 0x40, low, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The account every test server starts with.
pub const ACCOUNT_SID: &str = "AC0123456789abcdef0123456789abcdef";
/// Its token.
pub const AUTH_TOKEN: &str = "fedcba9876543210fedcba9876543210";
const SIP_PORT: u16 = 5060;
const HTTP_PORT: u16 = 8080;
const GRPC_PORT: u16 = 50051;
const LOG_FILE: &str = "test.log";
/// The first start makes a database; on a busy machine that may take a while.
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);
