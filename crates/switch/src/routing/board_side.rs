//! What the board asks of TaskRouter about the calls it has: nothing here is told or saved before the turn ends.

use std::time::Duration;

use model::{
    AccountSid, ActivitySid, CallSid, ReservationSid, ReservationStatus, TaskSid, Timestamp, WorkEnd, WorkerSid,
    WorkflowSid, WorkspaceSid,
};
use taskrouter::{Attributes, AttributesError, Input, RoutingTarget, TASK_TIMEOUT_MAX, WorkerChange};

use super::live::{Live, refused};
use super::rows::{self, TaskNote};
use super::{Routing, RoutingRefusal};
use crate::turn::Names;
use crate::webhook::QueueResult;

/// A task for a caller who waits (twiml §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewCallTask {
    pub(crate) account: AccountSid,
    pub(crate) workflow: WorkflowSid,
    pub(crate) call: CallSid,
    /// What `<Task>` has in it.
    pub(crate) document: Option<String>,
    /// What the call says of itself: `call_sid`, `from`, …
    pub(crate) fields: Vec<(&'static str, String)>,
    pub(crate) priority: u32,
    pub(crate) timeout: Duration,
}

/// Why there is no task: what developers are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskRefused {
    pub(crate) code: u16,
    pub(crate) message: String,
}

/// A task as the board sees it.
#[derive(Debug)]
pub(crate) struct TaskView<'a> {
    /// Completed or canceled.
    pub(crate) is_over: bool,
    pub(crate) attributes: &'a Attributes,
}

/// A reservation as the board sees it.
#[derive(Debug)]
pub(crate) struct ReservationView {
    pub(crate) sid: ReservationSid,
    pub(crate) account: AccountSid,
    pub(crate) workspace: WorkspaceSid,
    pub(crate) task: TaskSid,
    pub(crate) worker: WorkerSid,
    pub(crate) status: ReservationStatus,
}

/// A worker as the board sees it.
#[derive(Debug)]
pub(crate) struct WorkerView<'a> {
    pub(crate) attributes: &'a Attributes,
}

impl Routing {
    /// Whether the account has that workflow.
    pub(crate) fn is_workflow(&self, account: AccountSid, workflow: WorkflowSid) -> bool {
        let live = self.index.workflows.get(&workflow).and_then(|sid| self.workspaces.live.get(sid));
        live.is_some_and(|live| live.row.account_sid == account)
    }

    /// Makes a task for a caller who waits. The two end together from now on.
    pub(crate) fn create_task_for_call(
        &mut self,
        now: Timestamp,
        names: &mut Names,
        new: NewCallTask,
    ) -> Result<TaskSid, TaskRefused> {
        let refuse = |code, message: String| Err(TaskRefused { code, message });
        if !self.is_workflow(new.account, new.workflow) {
            return refuse(WORKFLOW_UNKNOWN, format!("{} is not a workflow of this account", new.workflow));
        }
        let document = new.document.as_deref().map(str::trim).filter(|text| !text.is_empty()).unwrap_or("{}");
        let attributes = match Attributes::of_call(document, &new.fields) {
            Ok(attributes) => attributes,
            Err(error @ AttributesError::TooLong) => return refuse(TASK_NOT_CREATED, error.to_string()),
            Err(error) => return refuse(DOCUMENT_MALFORMED, error.to_string()),
        };
        let Some(workspace) = self.index.workflows.get(&new.workflow).copied() else {
            return refuse(WORKFLOW_UNKNOWN, format!("{} is gone", new.workflow));
        };
        let Some(live) = self.workspaces.touch(workspace) else {
            return refuse(WORKFLOW_UNKNOWN, format!("{} is gone", new.workflow));
        };
        let Some(channel) = live.channels.values().find(|row| row.unique_name == VOICE_CHANNEL).map(|row| row.sid)
        else {
            return refuse(TASK_NOT_CREATED, "the workspace has no task channel for voice".to_owned());
        };
        let sid = TaskSid::from_bits(names.bits());
        let most = Duration::from_secs(u64::from(TASK_TIMEOUT_MAX));
        let task = taskrouter::NewTask {
            sid,
            attributes,
            channel,
            priority: new.priority.min(taskrouter::PRIORITY_MAX),
            timeout: new.timeout.clamp(Duration::from_secs(1), most),
            virtual_start: None,
            to: RoutingTarget::Workflow(new.workflow),
            workflow: None,
        };
        let note =
            TaskNote { updated: now, version: 0, seq: names.seq(), call: Some(new.call), is_told: false, target: None };
        live.tasks.insert(sid, note);
        if let Err(refusal) = live.engine.handle(now, Input::CreateTask(task)) {
            live.tasks.remove(&sid);
            return refuse(TASK_NOT_CREATED, refusal.to_string());
        }
        self.index.tasks.insert(sid, workspace);
        Ok(sid)
    }

    /// A task that is not gone.
    pub(crate) fn task(&self, sid: TaskSid) -> Option<TaskView<'_>> {
        let live = self.live_of_task(sid)?;
        let task = live.engine.task(sid)?;
        Some(TaskView { is_over: task.status.is_over(), attributes: &task.attributes })
    }

    /// A reservation of such a task.
    pub(crate) fn reservation(&self, sid: ReservationSid) -> Option<ReservationView> {
        let live = self.live_of_reservation(sid)?;
        let reservation = live.engine.reservation(sid)?;
        Some(ReservationView {
            sid,
            account: live.row.account_sid,
            workspace: live.row.sid,
            task: reservation.task,
            worker: reservation.worker,
            status: reservation.status,
        })
    }

    /// A worker of a workspace.
    pub(crate) fn worker(&self, workspace: WorkspaceSid, sid: WorkerSid) -> Option<WorkerView<'_>> {
        let worker = self.workspaces.live.get(&workspace)?.engine.worker(sid)?;
        Some(WorkerView { attributes: &worker.attributes })
    }

    /// Whether a workspace has that activity.
    pub(crate) fn has_activity(&self, workspace: WorkspaceSid, activity: ActivitySid) -> bool {
        self.workspaces.live.get(&workspace).is_some_and(|live| live.activities.contains_key(&activity))
    }

    /// Puts texts into a task's attributes, each at its path.
    pub(crate) fn enrich(
        &mut self,
        now: Timestamp,
        sid: TaskSid,
        texts: &[(&[&str], &str)],
    ) -> Result<(), RoutingRefusal> {
        let live = self.touch_task(sid)?;
        let before = &live.engine.task(sid).ok_or(RoutingRefusal::NotFound)?.attributes;
        let attributes = before.with(texts).map_err(rows::attributes_refused)?;
        let change = taskrouter::TaskChange { attributes: Some(attributes), ..Default::default() };
        live.engine.handle(now, Input::UpdateTask { task: sid, change }).map_err(refused)
    }

    /// The worker has the task.
    pub(crate) fn accept(&mut self, now: Timestamp, sid: ReservationSid) -> Result<(), RoutingRefusal> {
        let live = self.touch_reservation(sid)?;
        live.engine.handle(now, Input::Accept(sid)).map_err(refused)?;
        live.put_down(sid);
        Ok(())
    }

    /// The worker's phone rang in vain.
    pub(crate) fn no_answer(&mut self, now: Timestamp, sid: ReservationSid) -> Result<(), RoutingRefusal> {
        let live = self.touch_reservation(sid)?;
        live.put_down(sid);
        live.engine.handle(now, Input::NoAnswer(sid)).map_err(refused)
    }

    /// The worker could not be called.
    pub(crate) fn fail(&mut self, now: Timestamp, sid: ReservationSid, code: u16) -> Result<(), RoutingRefusal> {
        let live = self.touch_reservation(sid)?;
        live.put_down(sid);
        live.engine.handle(now, Input::Fail { reservation: sid, code }).map_err(refused)
    }

    /// The instruction has been carried out, and the reservation stays as it is: another one may follow.
    pub(crate) fn put_down(&mut self, sid: ReservationSid) {
        if let Ok(live) = self.touch_reservation(sid) {
            live.put_down(sid);
        }
    }

    /// Remembers, also over a restart, that the end of that call is the end of the work, and what comes of it.
    pub(crate) fn carried(
        &mut self,
        sid: ReservationSid,
        worker_call: CallSid,
        post_work: Option<ActivitySid>,
        end: WorkEnd,
    ) {
        let Ok(live) = self.touch_reservation(sid) else { return };
        let worker = live.engine.reservation(sid).map(|reservation| reservation.worker);
        let note = live.reservations.entry(sid).or_default();
        note.worker = worker;
        (note.worker_call, note.post_work_activity, note.end) = (Some(worker_call), post_work, Some(end));
        live.noted.insert(sid);
    }

    /// The worker's leg has left, or the conference is over (taskrouter §7.4, 6): what was to come of the reservation
    /// does, unless it has gone on already, and what follows the work, follows.
    pub(crate) fn work_over(&mut self, now: Timestamp, sid: ReservationSid) -> Result<(), RoutingRefusal> {
        let live = self.touch_reservation(sid)?;
        let over = live.work_over(now, sid);
        if live.engine.reservation(sid).is_none() {
            self.index.reservations.remove(&sid);
        }
        over
    }

    /// The caller waits no longer, for that reason: its task is canceled, unless somebody has it.
    pub(crate) fn caller_gone(
        &mut self,
        now: Timestamp,
        sid: TaskSid,
        result: QueueResult,
    ) -> Result<(), RoutingRefusal> {
        self.touch_task(sid)?.caller_gone(now, sid, result)
    }

    /// The customer has left the conference of a task. If that is being handed on, nobody is to take it over: whoever has
    /// it has it still, and if nobody does, it is canceled.
    pub(crate) fn customer_left(&mut self, now: Timestamp, sid: TaskSid) -> Result<(), RoutingRefusal> {
        self.touch_task(sid)?.customer_left(now, sid)
    }

    fn live_of_task(&self, sid: TaskSid) -> Option<&Live> {
        self.workspaces.live.get(self.index.tasks.get(&sid)?)
    }

    fn live_of_reservation(&self, sid: ReservationSid) -> Option<&Live> {
        self.workspaces.live.get(self.index.reservations.get(&sid)?)
    }

    fn touch_task(&mut self, sid: TaskSid) -> Result<&mut Live, RoutingRefusal> {
        let workspace = self.index.tasks.get(&sid).copied().ok_or(RoutingRefusal::NotFound)?;
        self.workspaces.touch(workspace).ok_or(RoutingRefusal::NotFound)
    }

    fn touch_reservation(&mut self, sid: ReservationSid) -> Result<&mut Live, RoutingRefusal> {
        let workspace = self.index.reservations.get(&sid).copied().ok_or(RoutingRefusal::NotFound)?;
        self.workspaces.touch(workspace).ok_or(RoutingRefusal::NotFound)
    }
}

impl Live {
    /// The board does nothing more about a reservation.
    fn put_down(&mut self, sid: ReservationSid) {
        if let Some(note) = self.reservations.get_mut(&sid) {
            note.is_carried = false;
        }
    }

    pub(super) fn work_over(&mut self, now: Timestamp, sid: ReservationSid) -> Result<(), RoutingRefusal> {
        let Some(worker) = self.engine.reservation(sid).map(|reservation| reservation.worker) else {
            // Its task was deleted while they talked.
            let note = self.reservations.remove(&sid).ok_or(RoutingRefusal::NotFound)?;
            let moved = note.worker.zip(note.post_work_activity);
            return moved.map_or(Ok(()), |(worker, activity)| self.set_activity(now, worker, activity));
        };
        let note = self.reservations.entry(sid).or_default();
        if note.worker_call.take().is_none() {
            return Err(RoutingRefusal::NotFound); // it is over once
        }
        let (post_work, end) = (note.post_work_activity.take(), note.end.unwrap_or(WorkEnd::Wrap));
        self.noted.insert(sid);
        let over = match end {
            WorkEnd::Wrap if self.row.multi_task_enabled => Some(Input::Wrap(sid)),
            WorkEnd::Wrap | WorkEnd::Complete => Some(Input::Complete(sid)),
            WorkEnd::Nothing => None,
        };
        let ended = over.map_or(Ok(()), |over| self.engine.handle(now, over).map_err(refused));
        // The application may have ended the reservation before; the worker is done with it only now.
        let moved = post_work.map_or(Ok(()), |activity| self.set_activity(now, worker, activity));
        ended.and(moved)
    }

    fn set_activity(&mut self, now: Timestamp, worker: WorkerSid, activity: ActivitySid) -> Result<(), RoutingRefusal> {
        let change = WorkerChange { activity: Some(activity), ..WorkerChange::default() };
        self.engine.handle(now, Input::UpdateWorker { worker, change }).map_err(refused)
    }

    /// Nobody is to take a task over any more: whoever has it, has it.
    pub(super) fn end_transfer(&mut self, now: Timestamp, sid: TaskSid) -> Result<(), RoutingRefusal> {
        let Some(transfer) = self.engine.task(sid).and_then(|task| task.transfer) else { return Ok(()) };
        self.engine.handle(now, Input::CancelTransfer(transfer)).map_err(refused)
    }

    pub(super) fn caller_gone(
        &mut self,
        now: Timestamp,
        sid: TaskSid,
        result: QueueResult,
    ) -> Result<(), RoutingRefusal> {
        if let Some(note) = self.tasks.get_mut(&sid) {
            note.is_told = true;
        }
        let (status, reason) = (taskrouter::AssignmentStatus::Canceled, Some(result.as_str().to_owned()));
        self.engine.handle(now, Input::EndTask { task: sid, status, reason }).map_err(refused)
    }

    fn customer_left(&mut self, now: Timestamp, sid: TaskSid) -> Result<(), RoutingRefusal> {
        let task = self.engine.task(sid).ok_or(RoutingRefusal::NotFound)?;
        let Some(transfer) = task.transfer.and_then(|transfer| self.engine.transfer_row(transfer)) else {
            return Ok(());
        };
        let initiator = self.engine.reservation(transfer.reservation);
        if initiator.is_some_and(|reservation| reservation.status.is_open()) {
            self.end_transfer(now, sid)
        } else {
            self.caller_gone(now, sid, QueueResult::Hangup)
        }
    }
}

/// `workflowSid` is nobody's.
const WORKFLOW_UNKNOWN: u16 = 14_220;
/// `<Task>` has no JSON object in it.
const DOCUMENT_MALFORMED: u16 = 14_221;
/// There is no room for the task.
const TASK_NOT_CREATED: u16 = 14_222;
/// What callers' tasks are.
const VOICE_CHANNEL: &str = "voice";
