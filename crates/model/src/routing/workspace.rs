//! A workspace: where tasks, workers, queues and workflows belong together.

use crate::{AccountSid, ActivitySid, Timestamp, WorkspaceSid, word_enum};

/// A workspace as the API shows it and the store keeps it (taskrouter §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// `WS…`.
    pub sid: WorkspaceSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// Its name for people.
    pub friendly_name: String,
    /// Told what happens in it.
    pub event_callback_url: Option<String>,
    /// Of what: types of events between commas, as they were given; none is all.
    pub events_filter: Option<String>,
    /// Workers may have several tasks at once.
    pub multi_task_enabled: bool,
    /// Which kind of queue comes first among equal priority.
    pub prioritize_queue_order: TaskOrder,
    /// What a new worker does.
    pub default_activity_sid: Option<ActivitySid>,
    /// What a worker does who lets a reservation time out.
    pub timeout_activity_sid: Option<ActivitySid>,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

word_enum! {
    /// Which of two tasks that have waited comes first.
    TaskOrder {
        /// The older.
        Fifo = "FIFO",
        /// The newer.
        Lifo = "LIFO",
    }
}
