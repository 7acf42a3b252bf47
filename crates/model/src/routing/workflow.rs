//! A workflow: what brings tasks into queues.

use std::time::Duration;

use crate::{AccountSid, Timestamp, WorkflowSid, WorkspaceSid};

/// A workflow as the API shows it and the store keeps it (taskrouter §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// `WW…`.
    pub sid: WorkflowSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// In which workspace.
    pub workspace_sid: WorkspaceSid,
    /// Its name for people.
    pub friendly_name: String,
    /// What it does: JSON, byte for byte as it was given.
    pub configuration: String,
    /// Grows when what it does changes. Not shown.
    pub revision: u32,
    /// Waiting tasks that came by a revision before this one begin anew. Not shown.
    pub anew_from: u32,
    /// What it did before, as long as tasks go by that. Not shown.
    pub former: Vec<FormerConfiguration>,
    /// Asked what to do with each reservation.
    pub assignment_callback_url: Option<String>,
    /// Asked where that fails.
    pub fallback_assignment_callback_url: Option<String>,
    /// How long a reservation may be pending; whole seconds.
    pub task_reservation_timeout: Duration,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

/// What a workflow did once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerConfiguration {
    /// As [`Workflow::revision`] was.
    pub revision: u32,
    /// As [`Workflow::configuration`] was.
    pub configuration: String,
}
