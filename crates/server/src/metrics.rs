//! `/metrics`: what every floor counts, under one set of names.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use api::webhook::{Outbox, Webhooks};
use api::{Metric, Reading};
use media::{LATENESS_BOUNDS_US, ThreadStats};
use store::Writer;
use switch::{Histogram, Quality};

use crate::sip_socket::SocketStats;
use crate::turns::{BOUNDS_US, Turns};

/// The run loop's numbers as of one of its last rounds: an immutable snapshot, swapped whole.
#[derive(Debug, Clone)]
pub(crate) struct Snapshots(Arc<Mutex<Snapshot>>);

#[derive(Debug, Clone)]
struct Snapshot {
    taken: Instant,
    switch: switch::Stats,
    sip: sip::Stats,
    turns: Turns,
}

impl Snapshots {
    pub(crate) fn new(switch: switch::Stats, sip: &sip::Stats) -> Self {
        let snapshot = Snapshot { taken: Instant::now(), switch, sip: sip.clone(), turns: Turns::default() };
        Self(Arc::new(Mutex::new(snapshot)))
    }

    pub(crate) fn publish(&self, switch: switch::Stats, sip: &sip::Stats, turns: &Turns) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Snapshot { taken: Instant::now(), switch, sip: sip.clone(), turns: turns.clone() };
    }

    /// The run loop has gone round lately: it is neither dead nor stuck.
    pub(crate) fn is_fresh(&self) -> bool {
        self.read().taken.elapsed() < STALE
    }

    fn read(&self) -> Snapshot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Ten of the run loop's longest pauses.
const STALE: Duration = Duration::from_secs(5);

/// Everything that counts.
pub(crate) struct Sources {
    pub(crate) snapshots: Snapshots,
    pub(crate) media: Vec<Arc<ThreadStats>>,
    pub(crate) sockets: Arc<SocketStats>,
    pub(crate) writer: Arc<Writer>,
    pub(crate) saves_failed: Arc<AtomicU64>,
    pub(crate) webhooks: Webhooks,
    pub(crate) outbox: Arc<Outbox>,
}

impl Sources {
    /// All numbers, now.
    pub(crate) fn collect(&self) -> Vec<Metric> {
        let Snapshot { switch, sip, turns, .. } = self.snapshots.read();
        let counts = switch.counts;
        let mut metrics = vec![
            gauge("partyline_calls", "Calls that are not over.", switch.calls),
            gauge("partyline_conferences", "Conferences that are not completed.", switch.conferences),
            gauge("partyline_participants", "Participants in conferences.", switch.participants),
            counter("partyline_calls_total", "Calls that had a destination.", counts.calls),
            counter(
                "partyline_calls_unknown_total",
                "INVITEs for nobody here, answered 404.",
                counts.unknown_destination,
            ),
            counter("partyline_calls_out_total", "Calls that we made.", counts.calls_out),
            counter("partyline_documents_total", "TwiML documents that were run.", counts.documents),
            counter(
                "partyline_documents_failed_total",
                "Documents that could not be had, or could not be read.",
                counts.documents_failed,
            ),
            gauge(
                "partyline_trunks_silent",
                "Trunks that did not answer when they were last asked.",
                switch.trunks_silent,
            ),
            counter(
                "partyline_calls_refused_total",
                "INVITEs refused because a bound was reached.",
                counts.refused_full,
            ),
            counter("partyline_offers_refused_total", "Session descriptions answered 488.", counts.not_acceptable),
            counter("partyline_rtp_timeouts_total", "Calls ended because nothing was received.", counts.rtp_timeouts),
            counter("partyline_digits_total", "DTMF digits heard.", counts.digits),
            counter("partyline_fetches_failed_total", "Audio that could not be had.", counts.fetches_failed),
        ];
        metrics.extend(stranger_metrics(&switch));
        metrics.extend(leg_metrics(&switch.quality));
        metrics.extend(sip_metrics(&sip));
        metrics.extend(turn_metrics(&turns));
        metrics.extend(self.media.iter().enumerate().flat_map(|(n, thread)| media_metrics(n, thread)));
        let sockets = &self.sockets;
        let writer = self.writer.stats();
        metrics.extend([
            counter(
                "partyline_sip_datagrams_dropped_total",
                "SIP datagrams dropped because too much was waiting.",
                sockets.datagrams_dropped.load(Relaxed),
            ),
            counter(
                "partyline_sip_sends_failed_total",
                "SIP messages that could not be sent.",
                sockets.sends_failed.load(Relaxed),
            ),
            counter(
                "partyline_sip_connections_refused_total",
                "TCP connections refused because too many were open.",
                sockets.connections_refused.load(Relaxed),
            ),
            gauge("partyline_sip_connections", "TCP connections open.", sockets.connections_open.load(Relaxed)),
            counter("partyline_saves_total", "Events whose rows were saved.", writer.batches_saved),
            counter(
                "partyline_saves_failed_total",
                "Events whose rows could not be saved.",
                self.saves_failed.load(Relaxed),
            ),
            counter(
                "partyline_events_dropped_total",
                "Events about who speaks that were not logged, because there were too many.",
                switch.events_dropped,
            ),
            counter("partyline_commits_total", "Database transactions.", writer.commits),
            gauge("partyline_saves_waiting", "Events whose rows wait to be saved.", writer.batches_waiting),
        ]);
        metrics.extend(self.webhooks.metrics());
        metrics.extend(self.outbox.metrics());
        metrics
    }
}

/// How long events keep the run loop.
fn turn_metrics(turns: &Turns) -> [Metric; 2] {
    let bins = BOUNDS_US.iter().zip(turns.counts).map(|(bound, count)| (*bound as f64 / 1e6, count)).collect();
    let reading = Reading::Histogram { bins, above: turns.above, sum: turns.total.as_secs_f64() };
    let help = "How long an event kept the run loop, so that others waited.";
    let longest = Reading::Gauge(turns.longest.as_secs_f64());
    [
        Metric { name: "partyline_turn_seconds", help, labels: Vec::new(), reading },
        Metric {
            name: "partyline_turn_seconds_max",
            help: "The longest since the start.",
            labels: Vec::new(),
            reading: longest,
        },
    ]
}

fn sip_metrics(sip: &sip::Stats) -> Vec<Metric> {
    let requests = sip.requests.iter().map(|(method, count)| {
        let labels = vec![("method", method.to_owned())];
        counter_of("partyline_sip_requests_total", "SIP requests received.", labels, count)
    });
    let responses = (1..).zip(sip.responses).map(|(class, count)| {
        let labels = vec![("status", format!("{class}xx"))];
        counter_of("partyline_sip_responses_total", "SIP responses sent.", labels, count)
    });
    let others = [
        ("partyline_sip_retransmissions_total", "SIP messages sent again.", sip.retransmissions),
        ("partyline_sip_malformed_total", "SIP requests that could not be read.", sip.malformed),
        ("partyline_sip_dropped_total", "SIP messages dropped in silence.", sip.dropped),
        (
            "partyline_sip_unremembered_total",
            "SIP requests outside of calls answered without memory, their source having its share of it.",
            sip.unremembered,
        ),
        ("partyline_sip_overload_refused_total", "SIP requests refused without memory.", sip.refused_overload),
        ("partyline_sip_draining_refused_total", "SIP requests refused while draining.", sip.refused_draining),
    ];
    let others = others.into_iter().map(|(name, help, count)| counter(name, help, count));
    requests.chain(responses).chain(others).collect()
}

/// Who may come in, who has, and who is held back.
fn stranger_metrics(switch: &switch::Stats) -> Vec<Metric> {
    let switch::RegistrationCounts { registered, lapsed, challenged, wrong, refused } = switch.registration_counts;
    let limits = switch.limits;
    let outcomes = [("registered", registered), ("challenged", challenged), ("wrong", wrong), ("refused", refused)];
    let outcomes = outcomes.into_iter().map(|(outcome, count)| {
        let help = "REGISTERs done, and those and calls to SIP domains that were not let in.";
        counter_of("partyline_sip_admissions_total", help, vec![("outcome", outcome.to_owned())], count)
    });
    let held_back = [
        ("scanner", limits.scanners),
        ("banned", limits.banned),
        ("too_many", limits.too_many),
        ("exempt", limits.exempted),
    ];
    let held_back = held_back.into_iter().map(|(why, count)| {
        let help = "Requests of strangers that got no answer or a 503; those of exempt sources were let through.";
        counter_of("partyline_sip_held_back_total", help, vec![("why", why.to_owned())], count)
    });
    let others = [
        gauge("partyline_registrations", "Phones registered.", switch.registrations),
        gauge(
            "partyline_registrations_silent",
            "Phones registered that did not answer when they were last asked.",
            switch.registrations_silent,
        ),
        counter("partyline_registrations_lapsed_total", "Registrations that nobody refreshed.", lapsed),
        counter("partyline_sip_bans_total", "Sources banned for guessing passwords.", limits.bans),
    ];
    outcomes.chain(held_back).chain(others).collect()
}

/// How all legs are doing together. A label for each of them would make as many series as there are calls, so these are
/// histograms in which each leg is one sample every five seconds; what a single leg does is with its call.
fn leg_metrics(quality: &Quality) -> Vec<Metric> {
    let histograms = [
        (
            "partyline_leg_mos",
            "Estimated mean opinion score of what legs sent us (ITU-T G.107), each leg once every 5 s; one call's is in its MediaStatistics.",
            &quality.mos_thousandths,
            1e-3,
        ),
        (
            "partyline_leg_jitter_seconds",
            "Interarrival jitter of what legs sent us, each leg once every 5 s; one call's is in its MediaStatistics.",
            &quality.jitter_us,
            1e-6,
        ),
        (
            "partyline_leg_lost_ratio",
            "Share of a leg's packets that never came, of 5 s at a time; one call's is in its MediaStatistics.",
            &quality.lost_ppm,
            1e-6,
        ),
        (
            "partyline_leg_added_delay_seconds",
            "What we add to the way of a leg's voice, each leg once every 5 s; one call's is in its MediaStatistics.",
            &quality.added_delay_us,
            1e-6,
        ),
    ];
    let counters = [
        ("partyline_leg_voice_milliseconds_total", "Audio of all legs that was played as it came.", quality.voice_ms),
        (
            "partyline_leg_concealed_milliseconds_total",
            "Audio of all legs that had to be made up.",
            quality.concealed_ms,
        ),
        (
            "partyline_leg_stretched_samples_total",
            "Samples of all legs left out or repeated to follow network and clocks.",
            quality.stretched_samples,
        ),
        ("partyline_leg_clipped_frames_total", "20 ms frames of all legs with samples at full scale.", quality.clipped),
        ("partyline_leg_packets_lost_total", "Packets of all legs that never came.", quality.lost),
        ("partyline_leg_packets_late_total", "Packets of all legs that came too late to be heard.", quality.late),
    ];
    let histograms = histograms.into_iter().map(|(name, help, histogram, unit)| Metric {
        name,
        help,
        labels: Vec::new(),
        reading: reading_of(histogram, unit),
    });
    histograms.chain(counters.into_iter().map(|(name, help, count)| counter(name, help, count))).collect()
}

/// `unit`: what one is worth in the metric's own.
fn reading_of(histogram: &Histogram, unit: f64) -> Reading {
    // Bounds are multiplied out to no more digits than they have: 0.005, not 0.005000000000000001.
    let bound = |bound: u32| (f64::from(bound) * unit * 1e9).round() / 1e9;
    let bins = histogram.bounds.iter().zip(histogram.counts).map(|(&at, count)| (bound(at), count)).collect();
    Reading::Histogram { bins, above: histogram.above, sum: histogram.sum as f64 * unit }
}

fn media_metrics(thread: usize, stats: &ThreadStats) -> Vec<Metric> {
    let counters = [
        ("partyline_media_ticks_total", "Room ticks run.", &stats.ticks),
        (
            "partyline_media_late_ticks_total",
            "Wake-ups more than 1 ms late, the wait for a core taken off.",
            &stats.late_ticks_own,
        ),
        ("partyline_media_late_wakeups_total", "Wake-ups more than 1 ms late, for whatever reason.", &stats.late_ticks),
        ("partyline_media_overruns_total", "Times ticks were given up.", &stats.overruns),
        ("partyline_media_skipped_ticks_total", "Ticks of 20 ms given up.", &stats.ticks_skipped),
        (
            "partyline_media_run_queue_wait_nanoseconds_total",
            "Time a media thread stood ready without a core.",
            &stats.run_queue_wait_ns,
        ),
        ("partyline_media_packets_in_total", "RTP packets accepted.", &stats.packets_in),
        ("partyline_media_packets_out_total", "RTP packets sent.", &stats.packets_out),
        (
            "partyline_media_commands_dropped_total",
            "Commands for legs or rooms that are gone.",
            &stats.commands_dropped,
        ),
        (
            "partyline_media_parts_missed_total",
            "Parts of rooms on several threads that the others mixed without.",
            &stats.parts_missed,
        ),
        ("partyline_media_events_dropped_total", "Events given up.", &stats.events_dropped),
    ];
    let gauges = [
        (
            "partyline_media_occupancy_permille",
            "Share of the last second a media thread was busy.",
            &stats.occupancy_permille,
        ),
        ("partyline_media_lateness_microseconds_max", "The latest wake-up since the start.", &stats.lateness_us_max),
        ("partyline_media_legs", "Legs on this thread.", &stats.legs),
        ("partyline_media_rooms", "Rooms on this thread, or parts of them.", &stats.rooms),
    ];
    let labels = || vec![("thread", thread.to_string())];
    let counts: Vec<_> = stats.lateness.iter().map(media::Counter::get).collect();
    let wakeups = counts.iter().sum();
    let (&above, counts) = counts.split_last().expect("a bin for what is later than all bounds");
    let lateness = Metric {
        name: "partyline_media_tick_lateness_seconds",
        help: "How long after its planned instant a media thread woke for a tick.",
        labels: labels(),
        reading: Reading::Histogram {
            bins: LATENESS_BOUNDS_US.iter().zip(counts).map(|(&bound, &count)| (bound as f64 / 1e6, count)).collect(),
            above,
            sum: stats.lateness_us_total.get() as f64 / 1e6,
        },
    };
    let wakeups = counter_of("partyline_media_wakeups_total", "Wake-ups for ticks.", labels(), wakeups);
    let counters = counters.into_iter().map(|(name, help, number)| counter_of(name, help, labels(), number.get()));
    let gauges = gauges.into_iter().map(|(name, help, number)| Metric {
        name,
        help,
        labels: labels(),
        reading: Reading::Gauge(number.get() as f64),
    });
    counters.chain(gauges).chain([lateness, wakeups]).collect()
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Metric {
    counter_of(name, help, Vec::new(), value)
}

fn counter_of(name: &'static str, help: &'static str, labels: Vec<(&'static str, String)>, value: u64) -> Metric {
    // Exact up to 2^53, which no counter here reaches in a century.
    Metric { name, help, labels, reading: Reading::Counter(value as f64) }
}

fn gauge(name: &'static str, help: &'static str, value: usize) -> Metric {
    Metric { name, help, labels: Vec::new(), reading: Reading::Gauge(value as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_people_would() {
        let histogram = Histogram {
            bounds: &[0, 250, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 50_000, 100_000],
            counts: [1, 2, 0, 0, 0, 0, 0, 0, 0, 3],
            above: 4,
            sum: 5_000_000,
        };
        let Reading::Histogram { bins, above, sum } = reading_of(&histogram, 1e-6) else { panic!("is a histogram") };
        let bounds: Vec<_> = bins.iter().map(|(bound, _)| bound.to_string()).collect();
        assert_eq!(bounds, ["0", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.02", "0.05", "0.1"]);
        assert_eq!((bins[1].1, bins[9].1, above, sum), (2, 3, 4, 5.0));
    }
}
