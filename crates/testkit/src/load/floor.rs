//! The kernel's floor: what the same packets cost a program that does nothing with them.
//!
//! A process of its own, so that its CPU is counted apart: one thread wakes every 20 ms on an absolute beat and, for
//! each leg, receives one packet and sends it back, on non-blocking connected sockets, without an event loop. No
//! bridge that takes in and puts out a packet a leg and tick can cost less; how near one comes is what it adds.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Plan;
use super::traffic::Traffic;
use crate::process::Usage;
use crate::wire;

/// What a leg costs at the least.
#[derive(Debug, Clone, Copy)]
pub struct Floor {
    /// CPU time, user and system, of one leg in one second.
    pub cpu_per_leg_second: Duration,
    /// How many packets came back, of those that a bridge would have sent.
    pub echoed: f64,
}

/// Measures the floor with the legs of this plan, sending what they would send to a bridge.
///
/// The program that calls this must call [`echo_if_asked`] first thing in its `main`: it is started once more, as the
/// echo.
///
/// # Panics
/// When this machine has no ports or descriptors left, or the echo does not start.
pub fn measure(plan: &Plan, length: Duration) -> Floor {
    wire::raise_open_files_limit();
    let parts = plan.parts();
    let own: IpAddr = Ipv4Addr::LOCALHOST.into();
    let callers: Vec<_> = parts.iter().map(|_| wire::bind(own).expect("a port for audio")).collect();
    let mut echo = Echo::start(&callers);
    let traffic = Traffic::start(&parts, plan.audio);
    for (leg, (caller, port)) in callers.into_iter().zip(echo.ports()).enumerate() {
        caller.connect((own, port)).expect("a way to the echo");
        traffic.join(leg, caller);
    }
    thread::sleep(plan.settle);
    traffic.talk();
    let before = echo.usage();
    thread::sleep(length);
    let used = echo.usage() - before;
    traffic.chirp();
    let heard = traffic.stop();
    let received: u64 = heard.legs.iter().flatten().map(|leg| leg.stream.received).sum();
    let leg_seconds = parts.len() as f64 * length.as_secs_f64();
    Floor { cpu_per_leg_second: used.media_cpu.div_f64(leg_seconds), echoed: received as f64 / (leg_seconds * 50.0) }
}

/// Becomes the echo, and never returns, when this process was started to be one.
pub fn echo_if_asked() {
    if std::env::args().nth(1).as_deref() == Some(ECHO) {
        let thread = thread::Builder::new().name("media-echo".to_owned());
        let done = thread.spawn(|| run_echo(&mut BufReader::new(io::stdin()))).map(thread::JoinHandle::join);
        std::process::exit(if matches!(done, Ok(Ok(Ok(())))) { 0 } else { 1 });
    }
}

/// The echo's process.
struct Echo {
    child: Child,
}

impl Echo {
    fn start(callers: &[UdpSocket]) -> Self {
        let own = std::env::current_exe().expect("a program has a path");
        let child = Command::new(own).arg(ECHO).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("the echo starts");
        let mut stdin = child.stdin.take().expect("it was asked for");
        for caller in callers {
            let port = caller.local_addr().expect("a bound socket has an address").port();
            writeln!(stdin, "{port}").expect("the echo reads");
        }
        Self { child }
    }

    fn ports(&mut self) -> Vec<u16> {
        let stdout = self.child.stdout.take().expect("it was asked for");
        let lines = BufReader::new(stdout).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        lines.map(|line| line.parse().expect("the echo names its ports")).collect()
    }

    fn usage(&self) -> Usage {
        Usage::of(self.child.id()).expect("the echo runs")
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads whom to echo, a port a line, names its own ports in the same order, then echoes until it is killed.
fn run_echo(callers: &mut impl BufRead) -> io::Result<()> {
    wire::be_punctual();
    wire::stay_on_core(1); // where a bridge's first media thread runs
    wire::raise_open_files_limit();
    let mut legs = Vec::new();
    for line in callers.lines() {
        let port: u16 = line?.trim().parse().map_err(io::Error::other)?;
        let leg = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        leg.set_nonblocking(true)?;
        leg.connect((Ipv4Addr::LOCALHOST, port))?;
        legs.push(leg);
    }
    let mut stdout = io::stdout().lock();
    for leg in &legs {
        writeln!(stdout, "{}", leg.local_addr()?.port())?;
    }
    writeln!(stdout)?; // that was all
    let (mut beat, mut packet) = (Instant::now(), [0; 1_500]);
    loop {
        beat += TICK;
        wire::sleep_until(beat);
        for leg in &legs {
            if let Ok(len) = leg.recv(&mut packet) {
                drop(leg.send(&packet[..len])); // a caller that has gone
            }
        }
    }
}

const ECHO: &str = "echo-the-floor";
const TICK: Duration = Duration::from_millis(20);
