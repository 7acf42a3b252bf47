//! TaskRouter, live: every workspace with its tasks, workers, queues and workflows (taskrouter §2 to §8).
//!
//! ```text
//! Command::Routing ─┐                ┌─▶ Row::Routing, each row that changed once a turn
//! the board ────────┼─▶ Routing ─────┼─▶ Row::TaskRouterEvent ─▶ EventCallbackUrl
//! time ─────────────┘  (an Engine    ├─▶ Effect::Assign ─▶ Event::Assigned ─▶ its instruction
//!                    per workspace)  └─▶ FollowUp: an instruction to carry out, a task that has ended
//! ```
//! `command` is what may be asked, `settings`, `people` and `tasks` do it, `instructing` has instructions followed,
//! `telling` says what happened; `board_side` is what calls have to do with it, `restore` how all comes back.

mod assignment;
mod board_side;
mod command;
mod desk;
mod ending;
mod hand_over;
mod instructing;
mod instruction;
mod live;
mod people;
mod restore;
mod rows;
mod settings;
mod statistics;
mod tasks;
mod telling;
#[cfg(test)]
mod tests;
pub(crate) mod whom;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use model::{AccountSid, RoutingRow, Timestamp, WorkspaceSid};

pub use assignment::{ASSIGNMENT_TIMEOUT, Assignment, AssignmentId, TaskEnd};
pub(crate) use board_side::{NewCallTask, ReservationView, TaskRefused, TaskView};
pub use command::{
    NewTask, NewTaskQueue, NewWorker, NewWorkflow, NewWorkspace, ReservationOf, ReservationUpdate, RoutingAnswer,
    RoutingCommand, RoutingOrder, RoutingRefusal, STATISTICS_BUCKETS_MAX, STATISTICS_SCOPES_MAX, Statistics,
    StatisticsOrder, TaskChannelRef, TaskQueueUpdate, TaskUpdate, WorkerChannelRef, WorkerUpdate, WorkflowUpdate,
    WorkspaceOrder, WorkspaceUpdate,
};
pub(crate) use desk::Desk;
pub(crate) use hand_over::HandOver;
pub use instruction::{
    CallWorker, ConferWorker, Dequeue, Instruction, LegFlags, RING_TIMEOUT, RING_TIMEOUT_MAX, Redirect,
    SIP_RING_TIMEOUT_MAX, Supervise, SupervisorMode, WorkerLeg,
};
pub use settings::{RESERVATION_TIMEOUT_DEFAULT, RESERVATION_TIMEOUT_MAX};
pub use tasks::TIMEOUT_DEFAULT;

pub(crate) use desk::Index;
use ending::Ending;
use live::Live;

use crate::directory::Directory;
use crate::turn::Now;

/// Every workspace, of all accounts.
#[derive(Debug, Default)]
pub struct Routing {
    pub(crate) workspaces: Workspaces,
    pub(crate) index: Index,
}

/// The workspaces, without where to find what is in them.
#[derive(Debug, Default)]
pub(crate) struct Workspaces {
    live: BTreeMap<WorkspaceSid, Live>,
    /// Where something was asked in this turn.
    touched: BTreeSet<WorkspaceSid>,
    /// Where something is to be saved after it.
    changed: BTreeSet<WorkspaceSid>,
    /// When each engine wants to work next.
    deadlines: BTreeSet<(Timestamp, WorkspaceSid)>,
    /// Engines that have more to do, whoever has waited longest in front.
    queue: VecDeque<WorkspaceSid>,
    /// Those that are gone, as far as they are not taken apart yet.
    endings: VecDeque<Ending>,
    /// How much work there may still be in this turn.
    budget: usize,
    /// The store is behind: what is not asked for by anybody waits until it has caught up.
    is_ahead: bool,
    /// The moment of the last turn, by both clocks.
    now: Option<Now>,
}

impl Routing {
    /// When there is something to be done next: at once, if there is more than fitted into a turn.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let Workspaces { queue, endings, deadlines, now, .. } = &self.workspaces;
        let now = (*now)?;
        if !(queue.is_empty() && endings.is_empty()) {
            let pause = if self.workspaces.is_ahead { CATCH_UP } else { Duration::ZERO };
            return Some(now.instant + pause);
        }
        deadlines.first().map(|(at, _)| now.instant + at.since(now.wall))
    }
}

impl Routing {
    /// An account is closed for good: its workspaces do nothing more. Their rows stay where they are.
    pub fn account_closed(&mut self, account: AccountSid) {
        let of_account = self.workspaces.live.values().filter(|live| live.row.account_sid == account);
        for workspace in of_account.map(|live| live.row.sid).collect::<Vec<_>>() {
            if let Some(live) = self.workspaces.forget(workspace) {
                self.workspaces.endings.push_back(Ending::new(live, false, &mut self.index));
            }
        }
    }
}

impl Workspaces {
    /// Does what the control layer asks, or says why not.
    pub(crate) fn command(
        &mut self,
        command: RoutingCommand,
        desk: &mut Desk,
    ) -> Result<RoutingAnswer, RoutingRefusal> {
        desk.actor = Some(command.actor);
        let (workspace, order) = match command.order {
            RoutingOrder::CreateWorkspace(new) => return self.create(command.account, new, desk),
            RoutingOrder::In { workspace, order } => (workspace, order),
        };
        let live = self.live.get_mut(&workspace).filter(|live| live.row.account_sid == command.account);
        let live = live.ok_or(RoutingRefusal::NotFound)?;
        if matches!(order, WorkspaceOrder::Delete) {
            live.delete(desk)?;
            let gone = self.forget(workspace);
            self.endings.extend(gone.map(|live| Ending::new(live, true, desk.index)));
            return Ok(RoutingAnswer::Removed);
        }
        self.touched.insert(workspace);
        live.order(order, desk)
    }

    fn create(
        &mut self,
        account: AccountSid,
        new: NewWorkspace,
        desk: &mut Desk,
    ) -> Result<RoutingAnswer, RoutingRefusal> {
        if self.live.values().filter(|live| live.row.account_sid == account).count() >= WORKSPACES_MAX {
            return Err(RoutingRefusal::Invalid(format!("There are {WORKSPACES_MAX} workspaces already")));
        }
        let live = Live::create(account, new, desk)?;
        let row = live.row.clone();
        self.live.insert(row.sid, live);
        self.touched.insert(row.sid);
        Ok(RoutingAnswer::Row(Box::new(RoutingRow::Workspace(row))))
    }

    /// A workspace is gone.
    fn forget(&mut self, workspace: WorkspaceSid) -> Option<Live> {
        let live = self.live.remove(&workspace)?;
        if let Some(at) = live.deadline {
            self.deadlines.remove(&(at, workspace));
        }
        self.touched.remove(&workspace);
        self.changed.remove(&workspace);
        self.queue.retain(|queued| *queued != workspace);
        Some(live)
    }

    /// A workspace about to be changed.
    fn touch(&mut self, workspace: WorkspaceSid) -> Option<&mut Live> {
        let live = self.live.get_mut(&workspace)?;
        self.touched.insert(workspace);
        Some(live)
    }

    /// A turn begins.
    pub(crate) fn begin(&mut self, now: Now) {
        self.now = Some(now);
        self.budget = if self.is_ahead { 0 } else { WORK_PER_TURN };
    }

    /// So many turns are yet to be saved. Work that needs no event to go on would fill the store's queue otherwise, and
    /// what calls and requests have to save would find no room in it.
    pub(crate) fn saves_waiting(&mut self, turns: usize) {
        self.is_ahead = turns > SAVES_AHEAD_MAX;
    }

    /// Tells what has happened, and decides who gets which task, as far as there may be work in this turn. True: there
    /// was something, and so there may be something for the board to do.
    pub(crate) fn settle(&mut self, directory: &Directory, desk: &mut Desk) -> bool {
        while let Some((_, workspace)) = self.deadlines.first().copied().filter(|(at, _)| *at <= desk.now) {
            self.deadlines.pop_first();
            if let Some(live) = self.live.get_mut(&workspace) {
                live.deadline = None;
            }
            self.enqueue(workspace);
        }
        let mut is_quiet = true;
        while let Some(workspace) = self.touched.pop_first() {
            is_quiet = false;
            if let Some(live) = self.live.get_mut(&workspace) {
                live.drain(desk);
                self.changed.insert(workspace);
                self.enqueue(workspace);
            }
        }
        while self.budget > 0 {
            let Some(workspace) = self.queue.pop_front() else { break };
            let Some(live) = self.live.get_mut(&workspace) else { continue };
            live.is_queued = false;
            // The tasks of an account that may not act wait until it may again.
            if !directory.is_active(live.row.account_sid) {
                continue;
            }
            is_quiet = false;
            let share = self.budget.min(WORK_AT_ONCE);
            self.budget -= share;
            let has_more = live.engine.work(desk.now, share);
            live.drain(desk);
            let has_more = live.ask_again(share, desk) || has_more;
            self.changed.insert(workspace);
            if has_more {
                self.enqueue(workspace);
            }
        }
        if self.budget > 0
            && let Some(mut ending) = self.endings.pop_front()
        {
            is_quiet = false;
            if ending.go_on(std::mem::take(&mut self.budget), desk) {
                self.endings.push_back(ending);
            }
        }
        !is_quiet
    }

    fn enqueue(&mut self, workspace: WorkspaceSid) {
        if let Some(live) = self.live.get_mut(&workspace)
            && !std::mem::replace(&mut live.is_queued, true)
        {
            self.queue.push_back(workspace);
        }
    }

    /// A turn ends: every row that changed in it is saved.
    pub(crate) fn save(&mut self, directory: &Directory, desk: &mut Desk) {
        while let Some(workspace) = self.changed.pop_first() {
            let Some(live) = self.live.get_mut(&workspace) else { continue };
            live.save(desk);
            let is_active = directory.is_active(live.row.account_sid);
            let deadline = live.engine.next_deadline().filter(|_| is_active);
            if deadline != live.deadline {
                if let Some(before) = std::mem::replace(&mut live.deadline, deadline) {
                    self.deadlines.remove(&(before, workspace));
                }
                self.deadlines.extend(deadline.map(|at| (at, workspace)));
            }
        }
    }

    /// An account may act, or may not any more: what its workspaces have to do is done from now on, or waits.
    pub(crate) fn account_changed(&mut self, account: AccountSid) {
        let of_account = self.live.values().filter(|live| live.row.account_sid == account).map(|live| live.row.sid);
        self.touched.extend(of_account.collect::<Vec<_>>());
    }
}

impl Live {
    /// Does what is asked of a workspace, its deletion aside.
    fn order(&mut self, order: WorkspaceOrder, desk: &mut Desk) -> Result<RoutingAnswer, RoutingRefusal> {
        use WorkspaceOrder as O;
        match order {
            O::Update(change) => self.update(change, desk),
            O::Delete => self.delete(desk).map(|()| RoutingAnswer::Removed),
            O::CreateActivity { friendly_name, available } => self.create_activity(friendly_name, available, desk),
            O::UpdateActivity { activity, friendly_name } => self.update_activity(activity, friendly_name, desk),
            O::DeleteActivity(activity) => self.delete_activity(activity, desk),
            O::CreateTaskChannel { friendly_name, unique_name, channel_optimized_routing } => {
                self.create_channel(friendly_name, unique_name, channel_optimized_routing, desk)
            }
            O::UpdateTaskChannel { channel, friendly_name, channel_optimized_routing } => {
                self.update_channel(&channel, friendly_name, channel_optimized_routing, desk)
            }
            O::DeleteTaskChannel(channel) => self.delete_channel(&channel, desk),
            O::CreateWorker(new) => self.create_worker(new, desk),
            O::UpdateWorker { worker, if_match, change } => self.update_worker(worker, if_match, change, desk),
            O::DeleteWorker { worker, if_match } => self.delete_worker(worker, if_match, desk),
            O::UpdateWorkerChannel { worker, channel, capacity, available } => {
                self.update_worker_channel(worker, &channel, capacity, available, desk)
            }
            O::CreateTaskQueue(new) => self.create_queue(new, desk),
            O::UpdateTaskQueue { queue, change } => self.update_queue(queue, change, desk),
            O::DeleteTaskQueue(queue) => self.delete_queue(queue, desk),
            O::CreateWorkflow(new) => self.create_workflow(new, desk),
            O::UpdateWorkflow { workflow, change } => self.update_workflow(workflow, change, desk),
            O::DeleteWorkflow(workflow) => self.delete_workflow(workflow, desk),
            O::CreateTask(new) => self.create_task(new, desk),
            O::UpdateTask { task, if_match, change } => self.update_task(task, if_match, change, desk),
            O::DeleteTask { task, if_match } => self.delete_task(task, if_match, desk),
            O::UpdateReservation { reservation, of, if_match, change } => {
                self.expect_reservation(reservation, of, if_match)?;
                self.update_reservation(reservation, change, desk)
            }
            O::Instruct { reservation, of, if_match, instruction } => {
                self.expect_reservation(reservation, of, if_match)?;
                self.instruct(reservation, instruction, desk)?;
                self.answer_reservation(reservation)
            }
            O::CreateTransfer { worker, task, reservation, to, mode, priority, attributes } => {
                let attributes = attributes.as_deref();
                self.create_transfer(worker, task, reservation, to, mode, priority, attributes, desk)
            }
            O::Statistics(order) => self.statistics(order, desk),
            O::CancelTransfer { worker, transfer } => self.cancel_transfer(worker, transfer, desk),
        }
    }
}

/// Workspaces that an account may have.
const WORKSPACES_MAX: usize = 1_000;
/// Workers and tasks that are looked at in one turn: some 200 µs. What is left is done in the next, after whatever else
/// has happened meanwhile.
const WORK_PER_TURN: usize = 100;
/// … and in one workspace before the next has its share.
const WORK_AT_ONCE: usize = 50;
/// Turns that may wait to be saved while there is more work: some tenths of a second of the store's.
const SAVES_AHEAD_MAX: usize = 64;
/// How long the store is left alone then.
const CATCH_UP: Duration = Duration::from_millis(5);
