//! TaskRouter: which worker is offered which task (contract: taskrouter.md).
//!
//! Floor 1: no I/O, no clock; knows neither calls nor REST. An [`Engine`] is one workspace: it is told what is asked
//! and what time it is, and says who is offered what. Expressions stand alone:
//!
//! ```
//! use serde_json::json;
//! use taskrouter::Expression;
//!
//! let queue = Expression::parse("languages HAS \"en\" AND level >= 3")?;
//! assert!(queue.is_true(&json!({"languages": ["en", "hi"], "level": 5})));
//! assert!(!queue.is_true(&json!({"languages": ["hi"], "level": 5})));
//! # Ok::<(), taskrouter::ExpressionError>(())
//! ```
//!
//! `attributes`, `worker`, `queue`, `workflow`, `task`, `reservation`, `transfer` are the words; `engine` is what happens to them;
//! `waiting` and `free` are why that is quick, `statistics` what it comes to.

mod attributes;
mod engine;
mod event;
mod expression;
mod free;
mod names;
mod queue;
mod reservation;
mod rows;
mod statistics;
mod task;
mod transfer;
mod waiting;
mod worker;
mod workflow;

pub use attributes::{ATTRIBUTES_MAX, Attributes, AttributesError};
pub use engine::{
    ACTIVITIES_MAX, ASSIGNED_MAX, CHANNELS_MAX, CONCURRENT_MAX, Changed, Engine, Input, KEPT, Mended, NewTask,
    NewTransfer, NewWorker, Output, PAUSE, QUEUES_MAX, RESERVATION_TIMEOUT, Refusal, RoutingTarget, Saved, TASKS_MAX,
    TaskChange, WORKERS_MAX, WORKFLOWS_MAX, WorkerChange, Workspace,
};
pub use event::{Event, FilterFacts, ReservationFacts, TaskFacts, WorkerFacts};
pub use expression::{
    Expression, ExpressionError, INVALID_PARAMETER, LENGTH_MAX, NESTING_MAX, Names, Path, Step, Text, Value, Wrong,
    descend,
};
/// The words for how things stand are everybody's.
pub use model::{
    AssignmentStatus, ReservationStatus, TaskOrder, TaskRouterEventType, TransferMode, TransferStatus, TransferTarget,
};
pub use names::{TargetNames, TaskNames, WorkerNames, WorkersNames};
pub use queue::{MAX_RESERVED_MAX, TaskQueue};
pub use reservation::Reservation;
pub use statistics::{
    BUCKETS_MAX, BucketRow, Counts, Cumulative, FINE, Figures, FiguresError, REACH, RealTime, Scope, Side, Split,
    Spread, TasksByStatus, WAITS_MAX,
};
pub use task::{RESERVATIONS_MAX, Route, Task, WorkflowStep};
pub use transfer::{TRANSFERS_MAX, Transfer};
pub use worker::{Activity, CAPACITY_MAX, TaskChannel, Worker, WorkerChannel};
pub use workflow::{
    CONFIGURATION_MAX, ConfigurationError, Direction, Filter, KnownWorker, OrderBy, OrderByError, PRIORITY_MAX,
    TASK_TIMEOUT_MAX, Target, Workflow,
};
