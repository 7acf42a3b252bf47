//! What happened in a while, in figures (taskrouter §13).

use crate::{SidError, TaskChannelSid, TaskQueueSid, Timestamp, WorkerSid, WorkflowSid, WorkspaceSid};

/// The figures of a minute, or of an hour of long ago: one for each scope, channel and beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatisticsBucket {
    /// In which workspace.
    pub workspace_sid: WorkspaceSid,
    /// Of what in it.
    pub scope: StatisticsScope,
    /// On which channel; `None` is what has none.
    pub task_channel_sid: Option<TaskChannelSid>,
    /// From when on.
    pub begins: Timestamp,
    /// It is an hour, and not a minute.
    pub hour: bool,
    /// As the engine writes them; `None`: it is to be kept no longer.
    pub figures: Option<String>,
}

/// Of what statistics are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the resources' own words
pub enum StatisticsScope {
    Workspace(WorkspaceSid),
    TaskQueue(TaskQueueSid),
    Workflow(WorkflowSid),
    Worker(WorkerSid),
}

impl std::fmt::Display for StatisticsScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Workspace(sid) => sid.fmt(f),
            Self::TaskQueue(sid) => sid.fmt(f),
            Self::Workflow(sid) => sid.fmt(f),
            Self::Worker(sid) => sid.fmt(f),
        }
    }
}

impl std::str::FromStr for StatisticsScope {
    type Err = SidError;
    fn from_str(sid: &str) -> Result<Self, SidError> {
        match sid.get(..2) {
            Some(TaskQueueSid::PREFIX) => sid.parse().map(Self::TaskQueue),
            Some(WorkflowSid::PREFIX) => sid.parse().map(Self::Workflow),
            Some(WorkerSid::PREFIX) => sid.parse().map(Self::Worker),
            _ => sid.parse().map(Self::Workspace),
        }
    }
}
