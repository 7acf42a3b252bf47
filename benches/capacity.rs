//! Rated load against the release binary: `cargo bench --bench capacity [NAME]`, after `cargo build --release`.
//!
//! Our load generator drives it over real sockets, on the same cores and counted apart. Beside each load, in the same
//! run, the kernel's floor: the same packets through a loop that only receives and sends. Every leg is checked packet by
//! packet, a sample of them by ear. Ends with the most legs at which every criterion holds, and fails when a bound of
//! the audio plane's design is not met.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use media::{Codec, Encoder};
use testkit::load::{self, Audio, PAYLOAD_MAX, Plan, Report, Room, floor};
use testkit::server::Server;
use testkit::tone::{HUM_DBFS, Tone};

/// One load.
struct Case {
    name: &'static str,
    plan: fn(SocketAddr) -> Plan,
    settings: &'static [(&'static str, &'static str)],
    /// What it must show, beyond making no mistake.
    bounds: Bounds,
}

/// What a load must show.
#[derive(Debug, Clone, Copy)]
enum Bounds {
    /// All that the design asks for at rated load.
    Rated,
    /// So many legs on one media thread at 80 % of its time.
    Legs(f64),
    /// Nothing: it is here to be known.
    Measured,
}

const CASES: [Case; 6] = [
    Case {
        name: "300 rooms of three",
        plan: |at| Plan { calls_per_second: 150, ..Plan::three_party_rooms(at, 300) },
        settings: &[],
        bounds: Bounds::Rated,
    },
    Case { name: "250 legs in one room", plan: |at| Plan::one_room(at, 250), settings: &[], bounds: Bounds::Rated },
    Case {
        name: "1000 legs in one room",
        plan: |at| Plan { calls_per_second: 200, ..Plan::one_room(at, 1_000) },
        settings: &[("PARTYLINE_ROOM_LEGS_MAX", "1000"), ("PARTYLINE_MEDIA_THREADS", "2")],
        bounds: Bounds::Rated,
    },
    Case {
        name: "500 calls a second into rooms of three",
        plan: |at| Plan { calls_per_second: 500, ..Plan::three_party_rooms(at, 500) },
        settings: &[],
        bounds: Bounds::Rated,
    },
    Case {
        name: "G.722 in rooms of three",
        plan: |at| Plan { audio: G722, ..short(Plan::three_party_rooms(at, 200)) },
        settings: &[("PARTYLINE_MEDIA_THREADS", "1")],
        bounds: Bounds::Legs(G722_LEGS_MIN),
    },
    Case {
        name: "Opus, six talk and 94 listen",
        plan: |at| {
            let room = Room { name: "lecture".to_owned(), legs: 100, talkers: 6 };
            Plan { audio: OPUS, ..short(Plan::rooms(at, vec![room])) }
        },
        settings: &[("PARTYLINE_MEDIA_THREADS", "1")],
        bounds: Bounds::Measured,
    },
];

/// A load that only its price is wanted of.
fn short(plan: Plan) -> Plan {
    let seconds = Duration::from_secs;
    Plan { calls_per_second: 150, baseline: seconds(2), talk: seconds(10), chirps: Duration::ZERO, ..plan }
}

const G722: Audio =
    Audio { payload_type: 9, rtpmap: "G722/8000", packet_units: 160, encode: |tone| encode(Codec::G722, tone) };

const OPUS: Audio =
    Audio { payload_type: 111, rtpmap: "opus/48000/2", packet_units: 960, encode: |tone| encode(Codec::Opus, tone) };

/// A second of a tone, or of silence, as a phone with this codec sends it.
fn encode(codec: Codec, tone: Option<Tone>) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec).expect("a codec of ours");
    let rate_hz = codec.rate_hz();
    let pcm = tone.map_or_else(|| vec![0; rate_hz as usize], |tone| tone.second_at(rate_hz, HUM_DBFS));
    let packet = |frame: &[i16]| {
        let mut payload = [0; PAYLOAD_MAX];
        let len = encoder.encode(frame, &mut payload).expect("20 ms");
        payload[..len].to_vec()
    };
    pcm.chunks(codec.frame_samples()).map(packet).collect()
}

fn main() -> ExitCode {
    floor::echo_if_asked();
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let mut unmet = 0;
    for case in CASES.iter().filter(|case| case.name.contains(&wanted)) {
        let measured = Measured::of(case);
        println!("\n{}\n{measured}", case.name);
        for complaint in measured.unmet(case.bounds) {
            println!("NOT MET: {complaint}");
            unmet += 1;
        }
    }
    if SEARCH.contains(&wanted) {
        println!("\n{SEARCH}");
        let most = SEARCHED.map(|(threads, settings)| {
            println!("{threads}:");
            search(settings)
        });
        unmet += u32::from(most.into_iter().all(|legs| legs < LEGS_MIN));
    }
    if unmet == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A load, and what the kernel alone takes for it.
struct Measured {
    report: Report,
    floor: Duration,
}

impl Measured {
    fn of(case: &Case) -> Self {
        let floor = || floor::measure(&(case.plan)(NOWHERE), FLOOR_LENGTH).cpu_per_leg_second;
        let before = floor();
        let server = Server::start_with(case.settings);
        let report = load::run(&(case.plan)(server.sip()), Some(&server));
        drop(server);
        Self { report, floor: (before + floor()) / 2 }
    }

    fn cpu(&self) -> Duration {
        let server = self.report.server.as_ref().expect("the run watched the server");
        server.cpu_per_leg_second(self.report.answered)
    }

    /// How many such legs one media thread could have at 80 % of its time.
    fn legs_on_one_thread(&self) -> f64 {
        let loaded = &self.report.server.as_ref().expect("the run watched the server").loaded;
        let busy = loaded.used.media_cpu.as_secs_f64() / loaded.length.as_secs_f64();
        self.report.answered as f64 * OCCUPANCY_MAX / busy
    }

    /// What is wrong, and what a bridge must reach beyond making no mistakes.
    fn unmet(&self, bounds: Bounds) -> Vec<String> {
        let Self { report, floor } = self;
        let mut unmet = report.faults();
        unmet.extend(report.disturbed());
        match bounds {
            Bounds::Rated => {}
            Bounds::Legs(legs) if self.legs_on_one_thread() < legs => {
                unmet.push(format!("{:.0} legs on one media thread, {legs} are asked for", self.legs_on_one_thread()));
                return unmet;
            }
            Bounds::Legs(_) | Bounds::Measured => return unmet,
        }
        let mut at_most = |what: &str, value: f64, bound: f64| {
            if value > bound {
                unmet.push(format!("{what}: {value:.2}, at most {bound:.2} are allowed"));
            }
        };
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let server = report.server.as_ref().expect("the run watched the server");
        at_most("INVITE to 200 in ms, p99", ms(report.invite.quantile(0.99)), SETUP_P99_MS_MAX);
        at_most("CPU of a leg and second in µs", ms(self.cpu()) * 1e3, CPU_US_MAX);
        at_most("CPU over the floor of the same run", self.cpu().as_secs_f64() / floor.as_secs_f64(), OVER_FLOOR_MAX);
        at_most("added delay in ms, p50", ms(report.added_delay.quantile(0.5)), DELAY_P50_MS_MAX);
        at_most("added delay in ms, p99", ms(report.added_delay.quantile(0.99)), DELAY_P99_MS_MAX);
        at_most("memory of a leg in kB", server.bytes_per_leg(report.answered) / 1e3, LEG_KB_MAX);
        at_most("spacing error in ms, p99.9", ms(report.spacing_errors.quantile(0.999)), SPACING_P999_MS_MAX);
        match server.late_wakeups() {
            Some((late, may_be)) => at_most("late wake-ups, by the idle baseline", late as f64, may_be),
            None => unmet.push("the bridge does not count late wake-ups".to_owned()),
        }
        unmet
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { report, floor } = self;
        write!(f, "{report}")?;
        let us = |time: Duration| time.as_nanos() as f64 / 1e3;
        let over = self.cpu().as_secs_f64() / floor.as_secs_f64();
        writeln!(f, "{:24} {:.1} µs a leg and second, of which we take {over:.2} times", "floor", us(*floor))?;
        let server = report.server.as_ref().expect("the run watched the server");
        writeln!(f, "{:24} {:.1} kB", "memory of a leg", server.bytes_per_leg(report.answered) / 1e3)?;
        writeln!(f, "{:24} {:.0} on one thread at 80 %", "such legs", self.legs_on_one_thread())
    }
}

/// Looks for the most legs, in rooms of three, at which nothing is wrong and nobody waits longer than allowed.
fn search(settings: &[(&str, &str)]) -> usize {
    let holds = |rooms: usize| {
        let server = Server::start_with(settings);
        let plan = Plan {
            calls_per_second: 500,
            baseline: Duration::from_secs(2),
            talk: Duration::from_secs(8),
            chirps: Duration::from_secs(4),
            ..Plan::three_party_rooms(server.sip(), rooms)
        };
        let report = load::run(&plan, Some(&server));
        let mut wrong = report.faults();
        wrong.extend(report.disturbed());
        if report.added_delay.quantile(0.5).as_secs_f64() * 1e3 > DELAY_P50_MS_MAX
            || report.added_delay.quantile(0.99).as_secs_f64() * 1e3 > DELAY_P99_MS_MAX
        {
            wrong.push("they wait too long".to_owned());
        }
        println!(
            "{:5} legs: {}",
            rooms * 3,
            if wrong.is_empty() { "all is well".to_owned() } else { wrong.join("; ") }
        );
        wrong.is_empty()
    };
    let mut most = 0;
    let mut rooms = LEGS_MIN / 3;
    if holds(rooms) {
        most = rooms;
        while most < LEGS_SOUGHT_MAX / 3 && holds(most + STEP_ROOMS) {
            most += STEP_ROOMS;
        }
    } else {
        while most == 0 && rooms > STEP_ROOMS {
            rooms -= STEP_ROOMS;
            most = if holds(rooms) { rooms } else { 0 };
        }
    }
    println!("{} legs at most, {LEGS_MIN} are asked for, with the load on the same cores", most * 3);
    most * 3
}

/// The floor needs a plan, but no bridge.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);
const FLOOR_LENGTH: Duration = Duration::from_secs(8);
const SEARCH: &str = "most legs in rooms of three";
/// A bridge leaves the first core to everything but audio where it is not told otherwise; told so, its second media thread
/// shares that core with the load.
const SEARCHED: [(&str, &[(&str, &str)]); 2] =
    [("one media thread, the default on two cores", &[]), ("two media threads", &[("PARTYLINE_MEDIA_THREADS", "2")])];
const STEP_ROOMS: usize = 100;
const LEGS_MIN: usize = 3_000;
const LEGS_SOUGHT_MAX: usize = 4_200;
/// 14 µs a frame both ways, and the kernel's part.
const G722_LEGS_MIN: f64 = 850.0;
const OCCUPANCY_MAX: f64 = 0.8;
const SETUP_P99_MS_MAX: f64 = 20.0;
const CPU_US_MAX: f64 = 350.0;
const OVER_FLOOR_MAX: f64 = 1.25;
const DELAY_P50_MS_MAX: f64 = 14.0;
const DELAY_P99_MS_MAX: f64 = 24.0;
const LEG_KB_MAX: f64 = 40.0;
const SPACING_P999_MS_MAX: f64 = 5.0;
