//! What a run of the load generator found, as numbers, as a table, and as a list of faults.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::caller::Counts;
use super::listen::{self, Listened, SNR_DB_MIN};
use super::traffic::Heard;
use super::{Part, Plan, Watched};
use crate::histogram::Histogram;

/// The numbers of one run.
#[derive(Debug)]
pub struct Report {
    /// Calls placed.
    pub called: usize,
    /// Calls answered with 200.
    pub answered: usize,
    /// Calls and re-INVITEs refused, by status.
    pub refused: BTreeMap<u16, usize>,
    /// Calls the bridge ended.
    pub ended_by_bridge: usize,
    /// SIP requests sent again for want of an answer, and 200s that came again.
    pub retransmissions: u64,
    /// INVITE to 200.
    pub invite: Histogram,
    /// re-INVITE to 200.
    pub reinvite: Histogram,
    /// BYE to 200.
    pub bye: Histogram,
    /// Packets received by all legs while everybody talked.
    pub received: u64,
    /// Packets missing by sequence number.
    pub missing: u64,
    /// Packets received twice.
    pub duplicates: u64,
    /// Packets received out of order.
    pub reordered: u64,
    /// Timestamps that did not grow by 160 a packet.
    pub timestamp_errors: u64,
    /// Streams that changed their SSRC.
    pub restarts: u64,
    /// Legs that received clearly fewer packets than talk lasted, or none.
    pub short_legs: Vec<usize>,
    /// Packets our own sockets dropped or could not send: a fault of the generator, not of the bridge.
    pub own_faults: u64,
    /// How far packets were off the 20 ms beat.
    pub spacing_errors: Histogram,
    /// How late the generator itself was.
    pub own_lateness: Histogram,
    /// Chirps' way through the bridge.
    pub added_delay: Histogram,
    /// The legs that were listened to.
    pub sampled: Vec<Listened>,
    /// The bridge's process, if it was watched.
    pub server: Option<ServerLoad>,
}

/// The bridge's process, idle and loaded.
#[derive(Debug, Clone, Copy)]
pub struct ServerLoad {
    /// Before the first call.
    pub idle: Watched,
    /// While everybody talked.
    pub loaded: Watched,
}

impl ServerLoad {
    /// CPU for one leg and one second.
    pub fn cpu_per_leg_second(&self, legs: usize) -> Duration {
        let leg_seconds = legs as f64 * self.loaded.length.as_secs_f64();
        self.loaded.used.cpu.div_f64(leg_seconds.max(f64::MIN_POSITIVE))
    }

    /// Memory for one leg, beyond what an idle bridge holds.
    pub fn bytes_per_leg(&self, legs: usize) -> f64 {
        self.loaded.resident_bytes.saturating_sub(self.idle.resident_bytes) as f64 / legs.max(1) as f64
    }

    /// Late wake-ups when loaded, and how many there may be: the idle share of as many, and thrice its chance
    /// deviation, since both count rare accidents of the machine. `None` when the bridge does not count them.
    pub fn late_wakeups(&self) -> Option<(u64, f64)> {
        let idle_share = self.idle.late_ticks? as f64 / self.idle.wakeups?.max(1) as f64;
        let expected = idle_share * self.loaded.wakeups? as f64;
        Some((self.loaded.late_ticks?, expected + 3.0 * expected.max(1.0).sqrt()))
    }
}

pub(super) fn compile(plan: &Plan, parts: &[Part], counts: Counts, heard: Heard, server: Option<ServerLoad>) -> Report {
    let mut report = Report {
        called: parts.len(),
        answered: counts.answered,
        refused: counts.refused,
        ended_by_bridge: counts.ended_by_bridge,
        retransmissions: counts.retransmissions,
        invite: counts.invite,
        reinvite: counts.reinvite,
        bye: counts.bye,
        received: 0,
        missing: 0,
        duplicates: 0,
        reordered: 0,
        timestamp_errors: 0,
        restarts: 0,
        short_legs: Vec::new(),
        own_faults: 0,
        spacing_errors: heard.spacing_errors,
        own_lateness: heard.own_lateness,
        added_delay: Histogram::default(),
        sampled: Vec::new(),
        server,
    };
    let Some(talk) = heard.talk else { return report };
    let expected = talk.1.since(talk.0).as_millis() as u64 / 20;
    for (nth, leg) in heard.legs.iter().enumerate() {
        let Some(leg) = leg else { continue };
        let stream = &leg.stream;
        report.received += stream.received;
        report.missing += stream.missing;
        report.duplicates += stream.duplicates;
        report.reordered += stream.reordered;
        report.timestamp_errors += stream.timestamp_errors;
        report.restarts += stream.restarts;
        report.own_faults += u64::from(leg.overflowed) + u64::from(leg.unsent);
        // Sequence numbers cannot show what is missing at the end, the clock can.
        if !leg.paused && stream.received + PHASE_PACKETS < expected {
            report.short_legs.push(nth);
        }
        if parts[nth].sampled && plan.talk > Duration::ZERO {
            let first = nth - parts[nth].place;
            let room = parts[first..].iter().zip(&heard.legs[first..]);
            let chirpers = room.take_while(|(part, _)| part.chirps.is_some());
            let mut chirped: Vec<_> =
                chirpers.filter_map(|(_, leg)| leg.as_ref()).flat_map(|leg| &leg.chirped).copied().collect();
            chirped.sort_unstable();
            chirped.pop(); // the last one may have been cut off by the end
            let room = parts[first..].iter().zip(&heard.legs[first..]);
            let room = room.take_while(|(part, _)| part.room == parts[nth].room);
            let late: Vec<_> = room.filter_map(|(_, leg)| leg.as_ref()).flat_map(|leg| &leg.late).copied().collect();
            report.sampled.push(listen::judge(nth, parts, leg, talk, &chirped, &late));
        }
    }
    report.sampled.iter().flat_map(|listened| &listened.delays).for_each(|&delay| report.added_delay.add(delay));
    report
}

impl Report {
    /// Why nothing can be said about sound and delay: the generator itself was not given the processor for so
    /// long that it lost packets. A run to be repeated on a machine that has the time.
    pub fn disturbed(&self) -> Option<String> {
        let lost = self.own_lateness.longest() > LOST;
        lost.then(|| format!("the load generator was {:?} late itself", self.own_lateness.longest()))
    }

    /// What no bridge may do at any load: lose, repeat or mistime packets, leak or break voices, drop calls.
    /// Speed and cost are judged by who asked for the run; sound is not judged when the run was disturbed.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut none = |count: u64, what: &str| {
            if count > 0 {
                faults.push(format!("{count} {what}"));
            }
        };
        none((self.called - self.answered) as u64, "calls not answered");
        none(self.ended_by_bridge as u64, "calls ended by the bridge");
        none(self.missing, "packets missing");
        none(self.duplicates, "packets twice");
        none(self.reordered, "packets out of order");
        none(self.timestamp_errors, "timestamps not grown by 160");
        none(self.restarts, "changes of SSRC");
        none(self.short_legs.len() as u64, "legs that received too little");
        for (status, count) in &self.refused {
            none(*count as u64, &format!("requests refused with {status}"));
        }
        if self.disturbed().is_some() {
            return faults;
        }
        for Listened {
            leg,
            expected_off_db,
            forbidden_dbfs,
            forbidden_hz,
            frames,
            frames_broken,
            frames_excused,
            chirps_lost,
            ..
        } in &self.sampled
        {
            if *expected_off_db > EXPECTED_OFF_DB_MAX {
                faults.push(format!("leg {leg} hears a voice {expected_off_db:.1} dB off"));
            }
            if *forbidden_dbfs > FORBIDDEN_DBFS_MAX {
                faults.push(format!("leg {leg} hears {forbidden_hz} Hz at {forbidden_dbfs:.1} dBFS"));
            }
            if frames_broken > frames_excused {
                faults.push(format!("leg {leg} has {frames_broken} of {frames} frames below {SNR_DB_MIN} dB"));
            }
            if *chirps_lost > 0 {
                faults.push(format!("leg {leg} missed {chirps_lost} chirps"));
            }
        }
        faults
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "{name:24} {value}");
        row("calls", format!("{} placed, {} answered, refused {:?}", self.called, self.answered, self.refused))?;
        row("ended by the bridge", self.ended_by_bridge.to_string())?;
        row("INVITE to 200", times(&self.invite))?;
        row("re-INVITE to 200", times(&self.reinvite))?;
        row("BYE to 200", times(&self.bye))?;
        row("SIP retransmissions", self.retransmissions.to_string())?;
        let Self { received, missing, duplicates, reordered, timestamp_errors, restarts, .. } = self;
        row(
            "packets",
            format!("{received} received, {missing} missing, {duplicates} twice, {reordered} out of order"),
        )?;
        row(
            "streams",
            format!("{timestamp_errors} wrong timestamps, {restarts} restarts, short {:?}", self.short_legs),
        )?;
        row("spacing error", times(&self.spacing_errors))?;
        row("generator late", times(&self.own_lateness))?;
        row("generator faults", self.own_faults.to_string())?;
        row("added delay", times(&self.added_delay))?;
        let worst = |pick: fn(&Listened) -> f64| self.sampled.iter().map(pick).fold(f64::NEG_INFINITY, f64::max);
        row("legs listened to", self.sampled.len().to_string())?;
        row("  expected voices off", format!("{:.2} dB at most", worst(|l| l.expected_off_db)))?;
        row("  forbidden voices", format!("{:.1} dBFS at most", worst(|l| l.forbidden_dbfs)))?;
        row("  worst frame", format!("{:.1} dB", -worst(|l| -l.snr_db_min)))?;
        let all = |pick: fn(&Listened) -> usize| self.sampled.iter().map(pick).sum::<usize>();
        let (broken, excused) = (all(|l| l.frames_broken), all(|l| l.frames_excused));
        row("  broken frames", format!("{broken}, {excused} of them just after the generator was late"))?;
        let Some(server) = &self.server else { return Ok(()) };
        let loaded = &server.loaded;
        let media_us = loaded.used.media_cpu.as_micros() as f64 / (self.answered as f64 * loaded.length.as_secs_f64());
        let cpu_us = server.cpu_per_leg_second(self.answered).as_nanos() as f64 / 1_000.0;
        row("CPU a leg and second", format!("{cpu_us:.1} µs, of that media threads {media_us:.1} µs"))?;
        let (idle_kib, loaded_kib) = (server.idle.resident_bytes / 1024, loaded.resident_bytes / 1024);
        row("memory", format!("{idle_kib} KiB idle, {loaded_kib} KiB loaded"))?;
        for (name, watched) in [("idle", &server.idle), ("loaded", loaded)] {
            let Watched { used, ticks, wakeups, late_ticks, .. } = watched;
            let wait_ms = used.media_run_queue_wait.as_millis();
            let count = |count: &Option<u64>| count.map_or("uncounted".to_owned(), |count| count.to_string());
            let [late, wakeups, ticks] = [late_ticks, wakeups, ticks].map(count);
            let text = format!("{late} of {wakeups} for {ticks} ticks, waited {wait_ms} ms for a core");
            row(&format!("late wake-ups {name}"), text)?;
        }
        row("parts of rooms missed", loaded.parts_missed.map_or("uncounted".to_owned(), |count| count.to_string()))?;
        Ok(())
    }
}

fn times(histogram: &Histogram) -> String {
    if histogram.count() == 0 {
        return "none".to_owned();
    }
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| ms(histogram.quantile(share)));
    let longest = ms(histogram.longest());
    format!("p50 {p50:.2}  p99 {p99:.2}  p99.9 {p999:.2}  longest {longest:.2} ms  (of {})", histogram.count())
}

/// Packets that beginning and end of a measurement may cut off, and a bridge that is some ticks late.
const PHASE_PACKETS: u64 = 5;
/// Later than this the generator loses packets.
const LOST: Duration = Duration::from_millis(20);
/// A voice that passed a mixer and two G.711 steps.
const EXPECTED_OFF_DB_MAX: f64 = 0.5;
/// Louder than this and a voice leaked.
const FORBIDDEN_DBFS_MAX: f64 = -60.0;
