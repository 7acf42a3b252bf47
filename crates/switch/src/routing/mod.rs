//! TaskRouter, live: every workspace with its tasks, workers, queues and workflows (taskrouter §2 to §8).
//!
//! ```text
//! Command::Routing ─┐                ┌─▶ Row::Routing, each row that changed once a turn
//! the board ────────┼─▶ Routing ─────┼─▶ Row::TaskRouterEvent ─▶ EventCallbackUrl
//! time ─────────────┘  (an Engine    ├─▶ Effect::Assign ─▶ Event::Assigned ─▶ its instruction
//!                    per workspace)  └─▶ FollowUp: an instruction to carry out, a task that has ended
//! ```

mod assignment;
mod command;
mod instruction;

pub use assignment::{ASSIGNMENT_TIMEOUT, Assignment, AssignmentId, TaskEnd};
pub use command::{
    NewTask, NewTaskQueue, NewWorker, NewWorkflow, NewWorkspace, ReservationOf, ReservationUpdate, RoutingAnswer,
    RoutingCommand, RoutingOrder, RoutingRefusal, TaskChannelRef, TaskQueueUpdate, TaskUpdate, WorkerChannelRef,
    WorkerUpdate, WorkflowUpdate, WorkspaceOrder, WorkspaceUpdate,
};
pub use instruction::{
    CallWorker, ConferWorker, Dequeue, Instruction, LegFlags, RING_TIMEOUT, RING_TIMEOUT_MAX, Redirect,
    SIP_RING_TIMEOUT_MAX, Supervise, SupervisorMode, WorkerLeg,
};
