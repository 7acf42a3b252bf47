//! What happened within a minute, or within an hour of long ago: figures that can be added up, and kept as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use model::{ActivitySid, TaskChannelSid, Timestamp};

use super::Scope;

/// A bucket as a store keeps it: one row by `scope`, `channel` and `begins`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketRow {
    /// Of what.
    pub scope: Scope,
    /// On which channel; `None` is what has none: what workers did.
    pub channel: Option<TaskChannelSid>,
    /// From when on.
    pub begins: Timestamp,
    /// Whether it is an hour, and not a minute.
    pub hour: bool,
    /// The figures as text ([`Figures::to_text`], [`Figures::from_str`]); `None`: the row is to be deleted.
    pub figures: Option<String>,
}

/// Everything cumulative statistics tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// How often things happened.
    pub counts: Counts,
    /// How old tasks were when they were first accepted.
    pub until_accepted: Spread,
    /// How old tasks were when they were canceled that nobody had accepted.
    pub until_canceled: Spread,
    /// Of queues: how long tasks had been there when they were first accepted.
    pub in_queue_until_accepted: Spread,
    /// Those two ages in whole seconds, rounded down, and how many tasks were accepted and canceled at it. A wait is below
    /// a threshold of whole seconds exactly if this is, so that any threshold can be asked for.
    pub(super) waits: Vec<(u32, Side)>,
    /// Of workers: how long they did what, without `first`.
    pub activities: BTreeMap<ActivitySid, Spread>,
    /// The first stint of a worker that ended here. Only this one may have begun before the time that is asked for.
    pub(super) first: Option<Stint>,
}

/// A worker did something from here to there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stint {
    pub(super) activity: ActivitySid,
    pub(super) began: Timestamp,
    pub(super) ended: Timestamp,
}

macro_rules! counts {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {
        /// How often things happened.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counts { $($(#[$meta])* pub $name: u32),+ }

        impl Counts {
            fn add(&mut self, other: &Self) {
                $(self.$name = self.$name.saturating_add(other.$name);)+
            }

            fn values(&self) -> Vec<u32> {
                vec![$(self.$name),+]
            }

            fn from_values(mut values: impl Iterator<Item = u32>) -> Option<Self> {
                Some(Self { $($name: values.next()?),+ })
            }
        }
    };
}

counts! {
    /// Offers made.
    reservations_created,
    /// Offers accepted.
    reservations_accepted,
    /// Offers rejected.
    reservations_rejected,
    /// Offers nobody answered.
    reservations_timed_out,
    /// Offers taken back, or that could not be delivered.
    reservations_canceled,
    /// Offers that another worker was quicker to accept.
    reservations_rescinded,
    /// Tasks that came: were created in the workspace, entered the queue or the workflow.
    tasks_entered,
    /// Tasks given up.
    tasks_canceled,
    /// Tasks done.
    tasks_completed,
    /// Tasks gone.
    tasks_deleted,
    /// Tasks that left one queue, this one, for another.
    tasks_moved,
    /// Tasks whose workflow came to its end.
    tasks_timed_out_in_workflow,
}

/// How long something took, every time it happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spread {
    /// How often.
    pub count: u32,
    /// Altogether.
    pub total: Duration,
    /// At least.
    pub min: Duration,
    /// At most.
    pub max: Duration,
}

impl Spread {
    /// It happened once more, and took so long.
    pub fn add(&mut self, took: Duration) {
        self.merge(&Self { count: 1, total: took, min: took, max: took });
    }

    /// What happened there happened here, too.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.count = self.count.saturating_add(other.count);
        self.total = self.total.saturating_add(other.total);
    }

    /// On average.
    pub fn avg(&self) -> Duration {
        self.total.checked_div(self.count).unwrap_or_default()
    }

    fn numbers(&self) -> [u128; 4] {
        [self.count.into(), self.total.as_micros(), self.min.as_micros(), self.max.as_micros()]
    }

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(',').map(|number| number.parse::<u64>().ok());
        let count = u32::try_from(numbers.next()??).ok()?;
        let mut micros = || numbers.next()?.map(Duration::from_micros);
        Some(Self { count, total: micros()?, min: micros()?, max: micros()? })
    }
}

/// Tasks on one side of a threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Side {
    /// Accepted after such a wait.
    pub reservations_accepted: u32,
    /// Canceled after such a wait.
    pub tasks_canceled: u32,
}

impl Side {
    fn add(&mut self, other: Self) {
        self.reservations_accepted = self.reservations_accepted.saturating_add(other.reservations_accepted);
        self.tasks_canceled = self.tasks_canceled.saturating_add(other.tasks_canceled);
    }
}

/// `split_by_wait_time` of one threshold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Split {
    /// Those that waited so long, or longer.
    pub above: Side,
    /// Those that did not.
    pub below: Side,
}

impl Figures {
    /// What happened there happened here, too.
    pub fn merge(&mut self, other: &Self) {
        self.merge_without_waits(other);
        for (second, side) in &other.waits {
            self.wait_of(*second, *side);
        }
    }

    /// As [`Figures::merge`], where nobody asks for a [`Split`].
    pub(super) fn merge_without_waits(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.until_accepted.merge(&other.until_accepted);
        self.until_canceled.merge(&other.until_canceled);
        self.in_queue_until_accepted.merge(&other.in_queue_until_accepted);
        for (activity, spread) in &other.activities {
            self.activities.entry(*activity).or_default().merge(spread);
        }
        if let Some(stint) = other.first {
            self.stint(stint);
        }
    }

    /// How many waited longer than `seconds`, and how many less.
    pub fn split(&self, seconds: u32) -> Split {
        let mut split = Split::default();
        for (second, side) in &self.waits {
            if *second < seconds { split.below.add(*side) } else { split.above.add(*side) }
        }
        split
    }

    pub(super) fn accepted_after(&mut self, wait: Duration) {
        self.until_accepted.add(wait);
        self.wait_of(whole_seconds(wait), Side { reservations_accepted: 1, tasks_canceled: 0 });
    }

    pub(super) fn canceled_after(&mut self, wait: Duration) {
        self.until_canceled.add(wait);
        self.wait_of(whole_seconds(wait), Side { reservations_accepted: 0, tasks_canceled: 1 });
    }

    fn wait_of(&mut self, second: u32, side: Side) {
        match self.waits.binary_search_by_key(&second, |(second, _)| *second) {
            Ok(at) => self.waits[at].1.add(side),
            Err(at) if self.waits.len() < WAITS_MAX => self.waits.insert(at, (second, side)),
            Err(at) => {
                // Full: counted with its neighbour, so that a threshold between the two is off by this one.
                let near = at.min(self.waits.len() - 1);
                self.waits[near].1.add(side);
            }
        }
    }

    pub(super) fn stint(&mut self, stint: Stint) {
        match self.first {
            None => self.first = Some(stint),
            Some(first) if stint.began < first.began => {
                self.first = Some(stint);
                self.spend(first);
            }
            Some(_) => self.spend(stint),
        }
    }

    /// Counts the first stint, too, as far as it is not before `from`.
    pub(super) fn clip(mut self, from: Timestamp) -> Self {
        if let Some(first) = self.first.take() {
            self.spend(Stint { began: first.began.max(from), ..first });
        }
        self
    }

    pub(super) fn spend(&mut self, stint: Stint) {
        self.activities.entry(stint.activity).or_default().add(stint.ended.since(stint.began));
    }

    /// For a store. Times are in µs.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let counts: Vec<String> = self.counts.values().iter().map(ToString::to_string).collect();
        text.push_str(&counts.join(","));
        for spread in [&self.until_accepted, &self.until_canceled, &self.in_queue_until_accepted] {
            text.push(';');
            text.push_str(&spread.numbers().map(|number| number.to_string()).join(","));
        }
        text.push(';');
        for (second, side) in &self.waits {
            let _ = write!(text, "{second},{},{} ", side.reservations_accepted, side.tasks_canceled);
        }
        text.push(';');
        for (activity, spread) in &self.activities {
            let _ = write!(text, "{activity},{} ", spread.numbers().map(|number| number.to_string()).join(","));
        }
        text.push(';');
        if let Some(first) = self.first {
            let _ = write!(text, "{},{},{}", first.activity, first.began.micros(), first.ended.micros());
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let mut counts = parts.next()?.split(',').map_while(|count| count.parse().ok());
        let mut figures = Self { counts: Counts::from_values(&mut counts)?, ..Self::default() };
        figures.until_accepted = Spread::parse(parts.next()?)?;
        figures.until_canceled = Spread::parse(parts.next()?)?;
        figures.in_queue_until_accepted = Spread::parse(parts.next()?)?;
        for wait in parts.next()?.split_whitespace() {
            let mut numbers = wait.split(',').map(|number| number.parse::<u32>().ok());
            let mut next = || numbers.next()?;
            let (second, reservations_accepted, tasks_canceled) = (next()?, next()?, next()?);
            figures.wait_of(second, Side { reservations_accepted, tasks_canceled });
        }
        for activity in parts.next()?.split_whitespace() {
            let (activity, spread) = activity.split_once(',')?;
            figures.activities.insert(activity.parse().ok()?, Spread::parse(spread)?);
        }
        let first = parts.next()?;
        if !first.is_empty() {
            let mut members = first.split(',');
            let activity = members.next()?.parse().ok()?;
            let mut moment = || members.next()?.parse().ok().map(Timestamp::from_micros);
            figures.first = Some(Stint { activity, began: moment()?, ended: moment()? });
        }
        Some(figures)
    }
}

impl FromStr for Figures {
    type Err = FiguresError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or(FiguresError)
    }
}

/// A text is not what [`Figures::to_text`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these are no figures")]
pub struct FiguresError;

fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX)
}

/// Different waits, in whole seconds, that one bucket tells apart.
pub const WAITS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_they_were_written() {
        let mut figures = Figures::default();
        figures.counts.tasks_moved = 7;
        figures.accepted_after(Duration::from_millis(4_999));
        figures.accepted_after(Duration::from_secs(5));
        figures.canceled_after(Duration::from_secs(31));
        figures.in_queue_until_accepted.add(Duration::from_secs(2));
        let activity = ActivitySid::from_bits(3);
        for (began, ended) in [(50, 60), (10, 20), (60, 90)] {
            let moment = Timestamp::from_micros;
            figures.stint(Stint { activity, began: moment(began), ended: moment(ended) });
        }
        assert_eq!(figures.to_text().parse(), Ok(figures.clone()));
        let [five, thirty] = [5, 30].map(|seconds| figures.split(seconds));
        assert_eq!((five.below.reservations_accepted, five.above.reservations_accepted), (1, 1));
        assert_eq!((thirty.below.reservations_accepted, thirty.above.tasks_canceled), (2, 1));
        let clipped = figures.clip(Timestamp::from_micros(15));
        let spread = clipped.activities[&activity];
        let micros = [spread.total, spread.min, spread.max, spread.avg()].map(|span| span.as_micros());
        assert_eq!((spread.count, micros), (3, [45, 5, 30, 15]));
        for text in ["", "1,2", "0,0,0,0,0,0,0,0,0,0,0,0;0,0,0,0;;", &figures_text().replace(";1,1", ";1,-1")] {
            assert_eq!(text.parse::<Figures>(), Err(FiguresError), "{text:?}");
        }
    }

    fn figures_text() -> String {
        let mut figures = Figures::default();
        figures.until_accepted.add(Duration::from_micros(1));
        figures.to_text()
    }

    #[test]
    fn waits_beyond_the_bound_are_counted_with_their_neighbours() {
        let mut figures = Figures::default();
        for second in 0..2 * WAITS_MAX as u64 {
            figures.accepted_after(Duration::from_secs(second));
        }
        let split = figures.split(10);
        assert_eq!(split.below.reservations_accepted, 10);
        assert_eq!(split.above.reservations_accepted, 2 * WAITS_MAX as u32 - 10);
        assert_eq!(figures.waits.len(), WAITS_MAX);
    }
}
