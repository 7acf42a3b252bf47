//! Waiting in a queue (`<Enqueue>`), and taking somebody out of one (`<Dial><Queue>`).

use std::time::Duration;

use crate::{Link, WaitAudio, Warning};

/// `<Enqueue>` (twiml §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueue {
    /// Where to.
    pub to: EnqueueTo,
    /// Asked when the call leaves the queue; without it the next verb runs.
    pub action: Option<Link>,
    /// What is heard meanwhile: a document that is asked for again whenever it runs out.
    pub wait: WaitAudio,
    /// The queue is full with so many; `None` is its own limit.
    pub queue_size_max: Option<u32>,
}

/// Where an [`Enqueue`] leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnqueueTo {
    /// A queue of this name, made if there is none.
    Queue(String),
    /// TaskRouter.
    Workflow {
        /// `WW…`.
        workflow_sid: String,
        /// What the task says.
        task: Task,
    },
    /// Nowhere: the call has left already, with `QueueResult=error`.
    Nowhere(Warning),
}

/// `<Task>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// A JSON object, as text.
    pub attributes: String,
    /// The higher, the sooner.
    pub priority: u32,
    /// How long it may live.
    pub timeout: Duration,
}

/// `<Queue>` in a `<Dial>` (twiml §7.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueNoun {
    /// Whose front member is taken; `None` only with a reservation.
    pub name: Option<String>,
    /// A document for the one who waited, before the two are connected.
    pub url: Option<Link>,
    /// Take the caller of this reservation's task: `WR…`.
    pub reservation_sid: Option<String>,
    /// What the worker does afterwards: `WA…`.
    pub post_work_activity_sid: Option<String>,
    /// Why nobody can be taken: the dial has failed, with `DequeueResult=error`.
    pub problem: Option<Warning>,
}
