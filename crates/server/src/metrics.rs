//! `/metrics`: what every floor counts, under one set of names.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use api::{Metric, MetricKind};
use media::ThreadStats;
use store::Writer;

use crate::sip_socket::SocketStats;

/// The run loop's numbers as of its last round: an immutable snapshot, swapped whole.
#[derive(Debug, Clone)]
pub(crate) struct Snapshots(Arc<Mutex<Snapshot>>);

#[derive(Debug, Clone)]
struct Snapshot {
    taken: Instant,
    switch: switch::Stats,
    sip: sip::Stats,
}

impl Snapshots {
    pub(crate) fn new(switch: switch::Stats, sip: &sip::Stats) -> Self {
        Self(Arc::new(Mutex::new(Snapshot { taken: Instant::now(), switch, sip: sip.clone() })))
    }

    pub(crate) fn publish(&self, switch: switch::Stats, sip: &sip::Stats) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Snapshot { taken: Instant::now(), switch, sip: sip.clone() };
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
}

impl Sources {
    /// All numbers, now.
    pub(crate) fn collect(&self) -> Vec<Metric> {
        let Snapshot { switch, sip, .. } = self.snapshots.read();
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
        metrics.extend(sip_metrics(&sip));
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
            counter("partyline_commits_total", "Database transactions.", writer.commits),
            gauge("partyline_saves_waiting", "Events whose rows wait to be saved.", writer.batches_waiting),
        ]);
        metrics
    }
}

fn sip_metrics(sip: &sip::Stats) -> Vec<Metric> {
    let requests = sip.requests.iter().map(|(method, count)| {
        let labels = vec![("method", method.to_owned())];
        metric("partyline_sip_requests_total", "SIP requests received.", MetricKind::Counter, labels, count)
    });
    let responses = (1..).zip(sip.responses).map(|(class, count)| {
        let labels = vec![("status", format!("{class}xx"))];
        metric("partyline_sip_responses_total", "SIP responses sent.", MetricKind::Counter, labels, count)
    });
    let others = [
        ("partyline_sip_retransmissions_total", "SIP messages sent again.", sip.retransmissions),
        ("partyline_sip_malformed_total", "SIP requests that could not be read.", sip.malformed),
        ("partyline_sip_dropped_total", "SIP messages dropped in silence.", sip.dropped),
        ("partyline_sip_overload_refused_total", "SIP requests refused without memory.", sip.refused_overload),
        ("partyline_sip_draining_refused_total", "SIP requests refused while draining.", sip.refused_draining),
    ];
    let others = others.into_iter().map(|(name, help, count)| counter(name, help, count));
    requests.chain(responses).chain(others).collect()
}

fn media_metrics(thread: usize, stats: &ThreadStats) -> Vec<Metric> {
    let rows = [
        ("partyline_media_ticks_total", "Room ticks run.", MetricKind::Counter, &stats.ticks),
        (
            "partyline_media_late_ticks_total",
            "Wake-ups more than 1 ms late, the wait for a core taken off.",
            MetricKind::Counter,
            &stats.late_ticks_own,
        ),
        (
            "partyline_media_late_wakeups_total",
            "Wake-ups more than 1 ms late, for whatever reason.",
            MetricKind::Counter,
            &stats.late_ticks,
        ),
        ("partyline_media_overruns_total", "Times ticks were given up.", MetricKind::Counter, &stats.overruns),
        (
            "partyline_media_run_queue_wait_nanoseconds_total",
            "Time a media thread stood ready without a core.",
            MetricKind::Counter,
            &stats.run_queue_wait_ns,
        ),
        ("partyline_media_packets_in_total", "RTP packets accepted.", MetricKind::Counter, &stats.packets_in),
        ("partyline_media_packets_out_total", "RTP packets sent.", MetricKind::Counter, &stats.packets_out),
        (
            "partyline_media_commands_dropped_total",
            "Commands for legs or rooms that are gone.",
            MetricKind::Counter,
            &stats.commands_dropped,
        ),
        ("partyline_media_events_dropped_total", "Events given up.", MetricKind::Counter, &stats.events_dropped),
        (
            "partyline_media_occupancy_permille",
            "Share of the last second a media thread was busy.",
            MetricKind::Gauge,
            &stats.occupancy_permille,
        ),
        ("partyline_media_legs", "Legs on this thread.", MetricKind::Gauge, &stats.legs),
        ("partyline_media_rooms", "Rooms on this thread.", MetricKind::Gauge, &stats.rooms),
    ];
    let labels = vec![("thread", thread.to_string())];
    let wakeups = stats.lateness.iter().map(media::Counter::get).sum();
    let wakeups =
        metric("partyline_media_wakeups_total", "Wake-ups for ticks.", MetricKind::Counter, labels.clone(), wakeups);
    rows.into_iter()
        .map(|(name, help, kind, number)| metric(name, help, kind, labels.clone(), number.get()))
        .chain([wakeups])
        .collect()
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Metric {
    metric(name, help, MetricKind::Counter, Vec::new(), value)
}

fn gauge(name: &'static str, help: &'static str, value: usize) -> Metric {
    metric(name, help, MetricKind::Gauge, Vec::new(), value as u64)
}

fn metric(
    name: &'static str,
    help: &'static str,
    kind: MetricKind,
    labels: Vec<(&'static str, String)>,
    value: u64,
) -> Metric {
    // Exact up to 2^53, which no counter here reaches in a century.
    Metric { name, help, kind, labels, value: value as f64 }
}
