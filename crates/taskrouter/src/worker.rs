//! Workers: what they can do, what they are doing, how much of it fits (taskrouter §3).

use std::collections::{BTreeMap, BTreeSet};

use model::{ActivitySid, ReservationSid, TaskChannelSid, Timestamp, WorkerSid};

use crate::Attributes;

/// What a worker may be doing (taskrouter §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Its name in the API.
    pub sid: ActivitySid,
    /// Its name for people.
    pub friendly_name: String,
    /// Whether who does it may be offered tasks. Never changes.
    pub available: bool,
}

/// A kind of work (taskrouter §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskChannel {
    /// Its name in the API.
    pub sid: TaskChannelSid,
    /// Its name in expressions.
    pub unique_name: String,
    /// Who has idled longest on this channel comes first, not who has idled longest altogether.
    pub optimized: bool,
}

/// Somebody who takes tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Its name in the API.
    pub sid: WorkerSid,
    /// Its name for people.
    pub friendly_name: String,
    /// What expressions may ask about it.
    pub attributes: Attributes,
    /// What it is doing.
    pub activity: ActivitySid,
    /// Since when it does that.
    pub status_changed: Timestamp,
    /// What it can do at once of each kind.
    pub channels: BTreeMap<TaskChannelSid, WorkerChannel>,
    /// Reservations that are pending, accepted or wrapping.
    pub open: BTreeSet<ReservationSid>,
    /// The last reservation ended, or it became available: whichever came later.
    pub idle_since: Timestamp,
    /// When it was last offered a task.
    pub last_reserved: Option<Timestamp>,
    /// Grows with every change.
    pub version: u32,
}

/// One kind of work of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerChannel {
    /// Tasks at once, at most [`CAPACITY_MAX`]; 0 is none.
    pub capacity: u32,
    /// Whether any may be offered.
    pub available: bool,
    /// Reservations on it that are pending, accepted or wrapping.
    pub open: u32,
    /// As [`Worker::idle_since`], of this channel.
    pub idle_since: Timestamp,
    /// As [`Worker::last_reserved`], of this channel.
    pub last_reserved: Option<Timestamp>,
}

impl WorkerChannel {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { capacity: 1, available: true, open: 0, idle_since: now, last_reserved: None }
    }

    /// ⌊(1 − open/capacity)·100⌋; 0 without capacity.
    pub fn available_capacity_percentage(&self) -> u32 {
        let free = self.capacity.saturating_sub(self.open);
        (free * 100).checked_div(self.capacity).unwrap_or(0)
    }
}

/// Who comes first for a task: who has idled longest (taskrouter §11). With multitasking, workers without any task come
/// before those with some, who are ordered by when they were last offered one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Idle {
    has_tasks: bool,
    since: Timestamp,
}

impl Worker {
    /// How it stands among those free on `channel`.
    pub(crate) fn idle(&self, channel: &TaskChannel) -> Option<Idle> {
        let on = self.channels.get(&channel.sid)?;
        let (has_tasks, since, last) = if channel.optimized {
            (on.open > 0, on.idle_since, on.last_reserved)
        } else {
            (!self.open.is_empty(), self.idle_since, self.last_reserved)
        };
        Some(Idle { has_tasks, since: if has_tasks { last.unwrap_or(since) } else { since } })
    }

    /// Whether one task more fits on `channel`, its activity aside.
    pub(crate) fn has_room(&self, channel: TaskChannelSid, multi_task: bool) -> bool {
        self.channels.get(&channel).is_some_and(|on| {
            on.available && on.capacity > 0 && if multi_task { on.open < on.capacity } else { self.open.is_empty() }
        })
    }
}

/// Tasks at once on one channel (taskrouter §9).
pub const CAPACITY_MAX: u32 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_that_is_left() {
        for (capacity, open, want) in
            [(1, 0, 100), (1, 1, 0), (3, 2, 33), (3, 1, 66), (0, 0, 0), (1, 2, 0), (50, 1, 98)]
        {
            let mut channel = WorkerChannel::new(Timestamp::from_micros(0));
            (channel.capacity, channel.open) = (capacity, open);
            assert_eq!(channel.available_capacity_percentage(), want, "{open} of {capacity}"); // §3
        }
    }
}
