//! The load generator: many callers, each on its own port with its own stream, and ears on some of them.
//!
//! sipp sends all calls' audio from one port and never listens; this listens. Two threads, and cheap enough to
//! share two cores with the bridge it measures:
//!
//! `caller` (SIP) ── answered legs ─▶ `traffic` (RTP: 20 slots of 1 ms, a packet a leg each 20 ms)
//!
//! Every leg's stream is checked by header and kernel arrival time ([`stream`]); a sample of legs is recorded and
//! judged by ear ([`listen`]). [`run`] goes through: idle baseline, calls, talk, chirps, goodbye.

mod audio;
mod caller;
pub mod floor;
mod listen;
mod report;
mod stream;
mod traffic;

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

pub use self::audio::{Audio, PAYLOAD_MAX};
pub use self::listen::Listened;
pub use self::report::{Report, ServerLoad};
pub use self::stream::Stream;

use self::caller::Caller;
use self::traffic::Traffic;
use crate::phone::Phone;
use crate::process;
use crate::rest;
use crate::server::Server;
use crate::tone::Tone;
use crate::wire;

/// What to do to the bridge.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where it takes calls, over UDP.
    pub server: SocketAddr,
    /// Who meets where.
    pub rooms: Vec<Room>,
    /// What they speak.
    pub audio: Audio,
    /// How fast the calls come.
    pub calls_per_second: u32,
    /// How long an idle bridge is watched first, for comparison.
    pub baseline: Duration,
    /// Time between the last answer and the first measurement.
    pub settle: Duration,
    /// How long everybody talks and is measured.
    pub talk: Duration,
    /// How long chirps are sent to time the way through the bridge.
    pub chirps: Duration,
    /// How many legs are recorded and listened to; at most six talk in each of their rooms.
    pub sampled: usize,
    /// How many legs put the bridge on hold and come back, by re-INVITE, while the others talk.
    pub holding: usize,
}

/// One conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// What its callers dial.
    pub name: String,
    /// How many call.
    pub legs: usize,
    /// How many of them, from the first, hum a tone; the others send silence.
    pub talkers: usize,
}

impl Plan {
    /// Everyone in one room, three of them talking.
    pub fn one_room(server: SocketAddr, legs: usize) -> Self {
        Self::rooms(server, vec![Room { name: "townhall".to_owned(), legs, talkers: 3 }])
    }

    /// Many rooms of three, two talking in each.
    pub fn three_party_rooms(server: SocketAddr, rooms: usize) -> Self {
        let room = |nth| Room { name: format!("room-{nth}"), legs: 3, talkers: 2 };
        Self::rooms(server, (0..rooms).map(room).collect())
    }

    /// These rooms, and the usual course of a measurement: 50 calls/s, 30 s of talk, 10 s of chirps.
    pub fn rooms(server: SocketAddr, rooms: Vec<Room>) -> Self {
        Self {
            server,
            rooms,
            audio: Audio::PCMU,
            calls_per_second: 50,
            baseline: Duration::from_secs(10),
            settle: Duration::from_secs(2),
            talk: Duration::from_secs(30),
            chirps: Duration::from_secs(10),
            sampled: 24,
            holding: 0,
        }
    }

    /// How many calls that makes.
    pub fn legs(&self) -> usize {
        self.rooms.iter().map(|room| room.legs).sum()
    }

    /// What each leg is to do, in the order of the calls: room by room.
    fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::with_capacity(self.legs());
        for (room, plan) in self.rooms.iter().enumerate() {
            for place in 0..plan.legs {
                let tone = (place < plan.talkers).then(|| room_tone(room, place));
                parts.push(Part { room, room_legs: plan.legs, place, tone, sampled: false, chirps: None });
            }
        }
        self.choose_samples(&mut parts);
        parts
    }

    /// Spreads the sampled legs over the rooms, never the first legs of one: those send the chirps.
    fn choose_samples(&self, parts: &mut [Part]) {
        let chirpers = |part: &Part| chirpers(part.room_legs);
        let sampled = if self.audio.is_heard() { self.sampled } else { 0 };
        let wanted = sampled.min(parts.iter().filter(|part| part.place >= chirpers(part)).count());
        for nth in 0..wanted {
            let at = nth * parts.len() / wanted;
            let is_free = |&leg: &usize| parts[leg].place >= chirpers(&parts[leg]) && !parts[leg].sampled;
            let leg = (at..parts.len()).chain(0..at).find(is_free).expect("fewer are wanted than there are");
            parts[leg].sampled = true;
            let first = leg - parts[leg].place;
            for turn in 0..chirpers(&parts[leg]) {
                parts[first + turn].chirps = Some(turn);
            }
        }
    }
}

/// How many legs of a room chirp, one after the other. How long a chirp waits depends on when in the cycle its sender's
/// packets come; one leg of a large room would say nothing about the others.
fn chirpers(legs: usize) -> usize {
    if legs >= 3 * CHIRPERS { CHIRPERS } else { 1 }
}

const CHIRPERS: usize = 10;

/// What one leg does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    room: usize,
    /// How many it has.
    room_legs: usize,
    /// Its number in the room.
    place: usize,
    tone: Option<Tone>,
    /// Recorded and listened to.
    sampled: bool,
    /// Chirps in the chirping phase, in this turn.
    chirps: Option<usize>,
}

/// Talkers of one room are 500 Hz apart, those of neighbouring rooms differ.
fn room_tone(room: usize, place: usize) -> Tone {
    Tone::nth(room * 7 + place * 10)
}

/// Runs the plan from the first call to the last BYE.
///
/// `server`, when given, is watched meanwhile: CPU, memory, run-queue wait and late ticks.
///
/// # Panics
/// When this machine has no ports or descriptors left for the callers.
pub fn run(plan: &Plan, server: Option<&Server>) -> Report {
    wire::raise_open_files_limit();
    let parts = plan.parts();
    let idle = server.map(|server| {
        // One lone leg for each slot of the cycle: an idle thread that never wakes has nothing to be late for.
        let lone: Vec<Phone> =
            (0..SLOTS).map(|n| Phone::dial(plan.server, &format!("baseline-{n}")).connect()).collect();
        let idle = watch(server, plan.baseline, || thread::sleep(plan.baseline));
        drop(lone);
        idle
    });
    let traffic = Traffic::start(&parts, plan.audio);
    let mut caller = Caller::new(plan, &parts);
    caller.call_everyone(&traffic);
    caller.serve(plan.settle, &traffic);
    traffic.talk();
    let talk = |caller: &mut Caller| caller.serve_with_holds(plan.talk, plan.holding, &traffic);
    let loaded = match server {
        Some(server) => Some(watch(server, plan.talk, || talk(&mut caller))),
        None => {
            talk(&mut caller);
            None
        }
    };
    traffic.chirp();
    caller.serve(plan.chirps, &traffic);
    let legs = traffic.stop();
    caller.hang_up_everyone();
    let server = idle.zip(loaded).map(|(idle, loaded)| ServerLoad { idle, loaded });
    report::compile(plan, &parts, caller.counts, legs, server)
}

/// Slots of the bridge's 20 ms cycle.
const SLOTS: usize = 10;

/// What a server used while `meanwhile` ran.
fn watch(server: &Server, length: Duration, meanwhile: impl FnOnce()) -> Watched {
    let (usage, metrics) = (server.usage(), server.metrics());
    meanwhile();
    let (used, metrics_after) = (server.usage() - usage, server.metrics());
    let grown = |name| {
        let (before, after) = (rest::metric(&metrics, name), rest::metric(&metrics_after, name));
        after.zip(before).map(|(after, before)| (after - before) as u64)
    };
    Watched {
        length,
        used,
        resident_bytes: process::resident_bytes(server.pid()).expect("the bridge runs"),
        ticks: grown("partyline_media_ticks_total"),
        wakeups: grown("partyline_media_wakeups_total"),
        late_ticks: grown("partyline_media_late_ticks_total"),
        parts_missed: grown("partyline_media_parts_missed_total"),
    }
}

/// A server over a stretch of time.
#[derive(Debug, Clone, Copy)]
pub struct Watched {
    /// How long.
    pub length: Duration,
    /// What it used meanwhile.
    pub used: process::Usage,
    /// Its memory at the end.
    pub resident_bytes: u64,
    /// Ticks of its media threads, if it counts them.
    pub ticks: Option<u64>,
    /// Wake-ups of its media threads; each may run several ticks.
    pub wakeups: Option<u64>,
    /// Those of them that were late.
    pub late_ticks: Option<u64>,
    /// Times a room on several threads was mixed without what one of them had heard.
    pub parts_missed: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Relay;

    #[test]
    fn talkers_of_a_room_are_far_apart_and_samples_hear_a_chirper() {
        let plan = Plan { sampled: 40, ..Plan::three_party_rooms(([127, 0, 0, 1], 5060).into(), 30) };
        let parts = plan.parts();
        assert_eq!(parts.iter().filter(|part| part.sampled).count(), 40);
        for part in parts.iter().filter(|part| part.sampled) {
            assert!(part.place > 0);
            assert!(parts.iter().any(|other| other.room == part.room && other.chirps.is_some()));
        }
        for place in 1..6 {
            let (first, other) = (room_tone(3, 0).hz, room_tone(3, place).hz);
            assert!(first.abs_diff(other) > 400);
        }
    }

    #[test]
    fn a_bridge_without_faults_gets_a_report_without_faults() {
        let relay = Relay::start();
        let rooms = (0..6).map(|nth| Room { name: format!("pair-{nth}"), legs: 2, talkers: 2 }).collect();
        let plan = Plan {
            settle: Duration::from_millis(200),
            talk: Duration::from_secs(2),
            chirps: Duration::from_millis(1_200),
            sampled: 4,
            ..Plan::rooms(relay.sip(), rooms)
        };
        let report = run(&plan, None);
        assert_eq!(report.faults(), Vec::<String>::new(), "{report}");
        assert_eq!(report.answered, 12);
        assert_eq!(report.sampled.len(), 4);
        assert!(report.received > 12 * 90, "{report}");
        assert!(report.added_delay.count() >= 4, "{report}");
        assert!(report.added_delay.quantile(0.5) < Duration::from_millis(20), "{report}");
    }

    #[test]
    fn who_holds_comes_back() {
        let relay = Relay::start();
        let rooms = vec![Room { name: "pair".to_owned(), legs: 2, talkers: 2 }];
        let plan = Plan {
            settle: Duration::ZERO,
            talk: Duration::from_secs(4),
            chirps: Duration::ZERO,
            sampled: 0,
            holding: 1,
            ..Plan::rooms(relay.sip(), rooms)
        };
        let report = run(&plan, None);
        assert_eq!(report.reinvite.count(), 2, "held and resumed\n{report}");
        assert_eq!(report.faults(), Vec::<String>::new(), "{report}");
    }

    #[test]
    fn refusals_are_counted_by_status() {
        let relay = Relay::start();
        let rooms = vec![Room { name: "busy".to_owned(), legs: 3, talkers: 0 }];
        let short = Duration::ZERO;
        let plan = Plan { settle: short, talk: short, chirps: short, ..Plan::rooms(relay.sip(), rooms) };
        let report = run(&plan, None);
        assert_eq!(report.refused.get(&486), Some(&3));
        assert!(report.faults().iter().any(|fault| fault.contains("486")), "{:?}", report.faults());
    }
}
