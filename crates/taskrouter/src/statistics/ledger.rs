//! What has happened, in buckets of a minute; of an hour, when it was long ago.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use model::{TaskChannelSid, Timestamp, WorkerSid};

use super::bucket::Stint;
use super::{BucketRow, Cumulative, Figures, Scope};
use crate::{Event, KEPT, TaskRouterEventType, Worker};

/// Of what, on which channel.
pub(crate) type Series = (Scope, Option<TaskChannelSid>);

#[derive(Debug)]
struct Bucket {
    hour: bool,
    figures: Figures,
}

/// Every bucket, by when it began.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    series: BTreeMap<Series, BTreeMap<Timestamp, Bucket>>,
    /// Buckets there are.
    count: usize,
    /// Those that are not as somebody else has them.
    changed: BTreeSet<(Timestamp, Series)>,
    /// What was not counted because there were too many.
    lost: u64,
    /// Until when old buckets have been folded.
    folded: Option<Timestamp>,
}

impl Ledger {
    /// Something happened.
    pub(crate) fn hear(&mut self, event: &Event) {
        use TaskRouterEventType as E;
        if event.kind == E::WorkerActivityUpdate
            && let (Some(worker), Some(activity), Some(began)) = (&event.worker, event.activity, event.activity_since)
        {
            let stint = Stint { activity, began, ended: event.at };
            self.figures(event.at, (Scope::Worker(worker.sid), None), |figures| figures.stint(stint));
        }
        let Some(task) = &event.task else { return };
        let workflow = task.workflow.map(Scope::Workflow);
        let queue = task.queue.map(Scope::Queue);
        let worker = event.worker.as_ref().map(|worker| Scope::Worker(worker.sid));
        let (workspace, previous) = (Some(Scope::Workspace), event.previous_queue.map(Scope::Queue));
        let (age, first) = (event.at.since(task.created), task.assigned.is_none());
        let in_queue = task.queue_entered.map(|entered| event.at.since(entered));
        let mut count = |scopes: &[Option<Scope>], change: &dyn Fn(&mut Figures, Scope)| {
            for scope in scopes.iter().copied().flatten() {
                self.figures(event.at, (scope, Some(task.channel)), |figures| change(figures, scope));
            }
        };
        let all = [workspace, queue, workflow];
        let who = [workspace, queue, workflow, worker];
        match event.kind {
            E::TaskCreated => count(&[workspace], &|f, _| f.counts.tasks_entered += 1),
            E::WorkflowEntered => count(&[workflow], &|f, _| f.counts.tasks_entered += 1),
            E::TaskQueueEntered => count(&[queue], &|f, _| f.counts.tasks_entered += 1),
            E::TaskQueueMoved => {
                count(&[queue], &|f, _| f.counts.tasks_entered += 1);
                count(&[workspace, previous, workflow], &|f, _| f.counts.tasks_moved += 1);
            }
            E::WorkflowTimeout => count(&[workspace, workflow], &|f, _| f.counts.tasks_timed_out_in_workflow += 1),
            E::TaskCanceled => count(&all, &|f, _| {
                f.counts.tasks_canceled += 1;
                if first {
                    f.canceled_after(age);
                }
            }),
            E::TaskCompleted => count(&all, &|f, _| f.counts.tasks_completed += 1),
            // Gone by itself when it has been over for a while, nobody has deleted it.
            E::TaskDeleted if task.ended.is_some_and(|ended| event.at >= ended + KEPT) => {}
            E::TaskDeleted | E::TaskSystemDeleted => count(&all, &|f, _| f.counts.tasks_deleted += 1),
            E::ReservationCreated => count(&who, &|f, _| f.counts.reservations_created += 1),
            E::ReservationAccepted => count(&who, &|f, scope| {
                f.counts.reservations_accepted += 1;
                if first {
                    f.accepted_after(age);
                }
                if let (true, Scope::Queue(_), Some(in_queue)) = (first, scope, in_queue) {
                    f.in_queue_until_accepted.add(in_queue);
                }
            }),
            E::ReservationRejected => count(&who, &|f, _| f.counts.reservations_rejected += 1),
            E::ReservationTimeout => count(&who, &|f, _| f.counts.reservations_timed_out += 1),
            E::ReservationCanceled => count(&who, &|f, _| f.counts.reservations_canceled += 1),
            E::ReservationRescinded => count(&who, &|f, _| f.counts.reservations_rescinded += 1),
            _ => {}
        }
    }

    fn figures(&mut self, at: Timestamp, series: Series, change: impl FnOnce(&mut Figures)) {
        let begins = floor(at, MINUTE);
        let buckets = self.series.entry(series).or_default();
        if !buckets.contains_key(&begins) {
            if self.count >= BUCKETS_MAX {
                self.lost += 1;
                return;
            }
            self.count += 1;
        }
        let bucket = buckets.entry(begins).or_insert_with(|| Bucket { hour: false, figures: Figures::default() });
        change(&mut bucket.figures);
        self.changed.insert((begins, series));
    }

    /// What happened from `from` to `to`, on one channel or all.
    pub(crate) fn sum(
        &self,
        now: Timestamp,
        scope: Scope,
        channel: Option<TaskChannelSid>,
        (from, to): (Timestamp, Timestamp),
        waits: bool,
    ) -> Cumulative {
        let start = floor(from, if from < fine_from(now) { HOUR } else { MINUTE });
        let mut figures = Figures::default();
        for bucket in self.buckets(scope, channel, (start, to)) {
            if waits { figures.merge(&bucket.figures) } else { figures.merge_without_waits(&bucket.figures) }
        }
        Cumulative { start, end: to, figures: figures.clip(start) }
    }

    /// How many buckets [`Ledger::sum`] looks at.
    pub(crate) fn effort(&self, scope: Scope, channel: Option<TaskChannelSid>, span: (Timestamp, Timestamp)) -> usize {
        self.buckets(scope, channel, span).count()
    }

    fn buckets(
        &self,
        scope: Scope,
        channel: Option<TaskChannelSid>,
        (from, to): (Timestamp, Timestamp),
    ) -> impl Iterator<Item = &Bucket> {
        let ends = (scope, None)..=(scope, Some(TaskChannelSid::from_bits(u128::MAX)));
        let series = self.series.range(ends).filter(move |((_, on), _)| {
            from < to && (on.is_none() || channel.is_none_or(|channel| *on == Some(channel)))
        });
        series.flat_map(move |(_, buckets)| buckets.range(from..to).map(|(_, bucket)| bucket))
    }

    /// As [`Ledger::sum`], of a worker: what it is doing counts as far as it has come.
    pub(crate) fn sum_worker(
        &self,
        now: Timestamp,
        worker: WorkerSid,
        row: Option<&Worker>,
        channel: Option<TaskChannelSid>,
        (from, to): (Timestamp, Timestamp),
        waits: bool,
    ) -> Cumulative {
        let mut sum = self.sum(now, Scope::Worker(worker), channel, (from, to), waits);
        if let Some(row) = row {
            let (began, ended) = (row.status_changed.max(sum.start), to.min(now));
            if began < ended {
                sum.figures.spend(Stint { activity: row.activity, began, ended });
            }
        }
        sum
    }

    /// A bucket that has changed, or is no more.
    pub(crate) fn poll(&mut self) -> Option<BucketRow> {
        let (begins, series) = self.changed.pop_first()?;
        Some(self.row(begins, series))
    }

    fn row(&self, begins: Timestamp, series: Series) -> BucketRow {
        let bucket = self.series.get(&series).and_then(|buckets| buckets.get(&begins));
        BucketRow {
            scope: series.0,
            channel: series.1,
            begins,
            hour: bucket.is_some_and(|bucket| bucket.hour),
            figures: bucket.map(|bucket| bucket.figures.to_text()),
        }
    }

    pub(crate) fn rows(&self) -> Vec<BucketRow> {
        let all = self.series.iter().flat_map(|(series, buckets)| buckets.keys().map(|begins| (*begins, *series)));
        all.map(|(begins, series)| self.row(begins, series)).collect()
    }

    /// Takes back a row that was kept. False: it cannot be read, or there are too many.
    pub(crate) fn restore(&mut self, row: &BucketRow) -> bool {
        let Some(Ok(figures)) = row.figures.as_ref().map(|text| text.parse::<Figures>()) else { return false };
        let buckets = self.series.entry((row.scope, row.channel)).or_default();
        if self.count >= BUCKETS_MAX || buckets.contains_key(&row.begins) {
            return false;
        }
        self.count += 1;
        buckets.insert(row.begins, Bucket { hour: row.hour, figures });
        true
    }

    /// Whether an hour has begun since old buckets were last folded; if so, they are to be, one series after the other.
    pub(crate) fn is_due(&mut self, now: Timestamp) -> bool {
        let hour = Some(floor(now, HOUR));
        std::mem::replace(&mut self.folded, hour) != hour && self.count > 0
    }

    /// The next series after this one, and how many buckets of it were looked at: what is no longer [`FINE`] becomes hours, and what is out
    /// of [`REACH`] goes.
    pub(crate) fn fold(&mut self, now: Timestamp, after: Option<Series>) -> Option<(Series, usize)> {
        let from = after.map_or(Unbounded, Excluded);
        let (series, buckets) = self.series.range_mut((from, Unbounded)).next()?;
        let series = *series;
        let (gone, fine) = (back(floor(now, HOUR), REACH), fine_from(now));
        let old: Vec<Timestamp> = buckets
            .range(..fine)
            .filter(|(begins, bucket)| **begins < gone || !bucket.hour)
            .map(|(at, _)| *at)
            .collect();
        for begins in &old {
            let Some(bucket) = buckets.remove(begins) else { continue };
            self.count -= 1;
            self.changed.insert((*begins, series));
            if *begins < gone {
                continue;
            }
            let hour = floor(*begins, HOUR);
            match buckets.get_mut(&hour) {
                Some(all) => {
                    all.hour = true;
                    all.figures.merge(&bucket.figures);
                }
                None => {
                    self.count += 1;
                    buckets.insert(hour, Bucket { hour: true, figures: bucket.figures });
                }
            }
            self.changed.insert((hour, series));
        }
        let spent = 1 + old.len();
        if buckets.is_empty() {
            self.series.remove(&series);
        }
        Some((series, spent))
    }

    /// Forgets what there is of one series. False: there is none.
    pub(crate) fn take_first(&mut self) -> bool {
        self.changed.pop_first();
        self.series.pop_first().is_some()
    }

    /// What was not counted because there were [`BUCKETS_MAX`] buckets.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}

fn floor(at: Timestamp, unit: i64) -> Timestamp {
    Timestamp::from_micros(at.micros().div_euclid(unit) * unit)
}

fn back(at: Timestamp, span: Duration) -> Timestamp {
    Timestamp::from_micros(at.micros().saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
}

/// From when on there are minutes. Hours are folded whole.
fn fine_from(now: Timestamp) -> Timestamp {
    back(floor(now, HOUR), FINE)
}

const MINUTE: i64 = 60 * 1_000_000;
const HOUR: i64 = 60 * MINUTE;
/// How long the minutes of an hour are kept apart after it: whatever is asked of the last day is exact to the minute.
pub const FINE: Duration = Duration::from_secs(25 * 60 * 60);
/// How far statistics reach (taskrouter §9).
pub const REACH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Buckets of one workspace. One is some 300 bytes; 50,000 calls a day between 500 workers come to some 400,000.
pub const BUCKETS_MAX: usize = 1_000_000;
