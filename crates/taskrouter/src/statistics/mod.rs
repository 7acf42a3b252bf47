//! Statistics (taskrouter §13), fed by what happens: nothing is ever counted by looking at all there is.
//!
//! ```text
//! a task changed ─▶ Standings ─▶ how it stands now          (real time: counters and ordered indexes)
//! an event       ─▶ Ledger    ─▶ what happened in a minute  (cumulative: buckets of figures)
//! ```
//!
//! Both are kept by task channel; what is asked of all channels is their sum.

mod bucket;
mod ledger;
mod standing;

use std::collections::BTreeMap;
use std::time::Duration;

use model::{ActivitySid, TaskQueueSid, TaskSid, Timestamp, WorkerSid, WorkflowSid};

pub use bucket::{BucketRow, Counts, Figures, FiguresError, Side, Split, Spread, WAITS_MAX};
pub use ledger::{BUCKETS_MAX, FINE, REACH};
pub(crate) use ledger::{Ledger, Series};
pub(crate) use standing::Standings;

/// Of what statistics are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the resources' own words
pub enum Scope {
    Workspace,
    Queue(TaskQueueSid),
    Workflow(WorkflowSid),
    /// Cumulative only.
    Worker(WorkerSid),
}

/// How things stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RealTime {
    /// Every task that is not over.
    pub tasks: TasksByStatus,
    /// Tasks that have never been assigned.
    pub tasks_by_priority: BTreeMap<u32, u32>,
    /// The oldest of those, and its age.
    pub longest_waiting: Option<(TaskSid, Duration)>,
    /// Of those in a queue, the one that came into it first, and how long ago.
    pub longest_in_queue: Option<(TaskSid, Duration)>,
    /// Workers of the queue, or of the workspace; of a workflow, none are counted. Whatever channel is asked for.
    pub eligible_workers: u32,
    /// Those of them whose activity is available.
    pub available_workers: u32,
    /// Those of them in each activity there is.
    pub activities: BTreeMap<ActivitySid, u32>,
}

/// Tasks, by how they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)] // as in `AssignmentStatus`
pub struct TasksByStatus {
    pub pending: u32,
    pub reserved: u32,
    pub assigned: u32,
    pub wrapping: u32,
}

impl TasksByStatus {
    /// All of them.
    pub const fn total(&self) -> u32 {
        self.pending + self.reserved + self.assigned + self.wrapping
    }
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cumulative {
    /// From when on: the moment asked for, back to the beginning of its minute, or of its hour if it is older than [`FINE`].
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
    /// What.
    pub figures: Figures,
}
