//! What TaskRouter keeps, taken together: the rows that the switch keeps in memory and the store on disk.
//!
//! A row has all that the API shows of its resource, but for the names of others in it, and all that a restart needs.

mod activity;
mod event;
mod reservation;
mod statistics;
mod task;
mod task_channel;
mod task_queue;
mod transfer;
mod worker;
mod worker_channel;
mod workflow;
mod workspace;

pub use activity::Activity;
pub use event::{Concerned, EventActor, EventResource, TaskRouterEvent, TaskRouterEventType};
pub use reservation::{Reservation, ReservationStatus, WorkEnd};
pub use statistics::{StatisticsBucket, StatisticsScope};
pub use task::{AssignmentStatus, RoutingTarget, Task, WorkflowStep};
pub use task_channel::TaskChannel;
pub use task_queue::TaskQueue;
pub use transfer::{Transfer, TransferMode, TransferStatus, TransferTarget};
pub use worker::Worker;
pub use worker_channel::WorkerChannel;
pub use workflow::{FormerConfiguration, Workflow};
pub use workspace::{TaskOrder, Workspace};

use crate::{
    ActivitySid, ReservationSid, TaskChannelSid, TaskQueueSid, TaskSid, TransferSid, WorkerChannelSid, WorkerSid,
    WorkflowSid, WorkspaceSid,
};

/// One resource of a workspace, or one itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutingRow {
    /// Where all the others belong together.
    Workspace(Workspace),
    /// What a worker may be doing.
    Activity(Activity),
    /// A kind of work.
    TaskChannel(TaskChannel),
    /// Somebody who takes tasks.
    Worker(Worker),
    /// One kind of work of one worker.
    WorkerChannel(WorkerChannel),
    /// Where tasks wait.
    TaskQueue(TaskQueue),
    /// What brings them there.
    Workflow(Workflow),
    /// Something to be done.
    Task(Task),
    /// A task offered to a worker.
    Reservation(Reservation),
    /// A task on its way from one worker to another.
    Transfer(Transfer),
}

impl RoutingRow {
    /// In which workspace it is.
    pub const fn workspace(&self) -> WorkspaceSid {
        match self {
            Self::Workspace(row) => row.sid,
            Self::Activity(row) => row.workspace_sid,
            Self::TaskChannel(row) => row.workspace_sid,
            Self::Worker(row) => row.workspace_sid,
            Self::WorkerChannel(row) => row.workspace_sid,
            Self::TaskQueue(row) => row.workspace_sid,
            Self::Workflow(row) => row.workspace_sid,
            Self::Task(row) => row.workspace_sid,
            Self::Reservation(row) => row.workspace_sid,
            Self::Transfer(row) => row.workspace_sid,
        }
    }
}

/// Which resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutingKey {
    /// With all that is in it; its events stay until they are too old.
    Workspace(WorkspaceSid),
    /// What a worker may be doing.
    Activity(ActivitySid),
    /// A kind of work, with the workers' channels of it.
    TaskChannel(TaskChannelSid),
    /// Somebody who takes tasks, with its channels and its past reservations.
    Worker(WorkerSid),
    /// One kind of work of one worker.
    WorkerChannel(WorkerChannelSid),
    /// Where tasks wait.
    TaskQueue(TaskQueueSid),
    /// What brings them there.
    Workflow(WorkflowSid),
    /// Something to be done, with its reservations and transfers.
    Task(TaskSid),
    /// A task offered to a worker.
    Reservation(ReservationSid),
    /// A task on its way from one worker to another.
    Transfer(TransferSid),
}

impl RoutingRow {
    /// Which one.
    pub const fn key(&self) -> RoutingKey {
        match self {
            Self::Workspace(row) => RoutingKey::Workspace(row.sid),
            Self::Activity(row) => RoutingKey::Activity(row.sid),
            Self::TaskChannel(row) => RoutingKey::TaskChannel(row.sid),
            Self::Worker(row) => RoutingKey::Worker(row.sid),
            Self::WorkerChannel(row) => RoutingKey::WorkerChannel(row.sid),
            Self::TaskQueue(row) => RoutingKey::TaskQueue(row.sid),
            Self::Workflow(row) => RoutingKey::Workflow(row.sid),
            Self::Task(row) => RoutingKey::Task(row.sid),
            Self::Reservation(row) => RoutingKey::Reservation(row.sid),
            Self::Transfer(row) => RoutingKey::Transfer(row.sid),
        }
    }
}

impl std::fmt::Display for RoutingKey {
    /// Its SID.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Workspace(sid) => sid.fmt(f),
            Self::Activity(sid) => sid.fmt(f),
            Self::TaskChannel(sid) => sid.fmt(f),
            Self::Worker(sid) => sid.fmt(f),
            Self::WorkerChannel(sid) => sid.fmt(f),
            Self::TaskQueue(sid) => sid.fmt(f),
            Self::Workflow(sid) => sid.fmt(f),
            Self::Task(sid) => sid.fmt(f),
            Self::Reservation(sid) => sid.fmt(f),
            Self::Transfer(sid) => sid.fmt(f),
        }
    }
}
