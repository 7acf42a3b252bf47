//! What happens in a workspace, told: to the list of events, to the application, to workers' screens (taskrouter §12).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use model::{
    Concerned, EventActor, EventResource, EventSid, HttpMethod, TaskRouterEvent, TaskRouterEventType, TaskSid,
    Timestamp, WorkerSid,
};
use taskrouter::{AssignmentStatus, ReservationStatus, Route};

use super::assignment::TaskEnd;
use super::desk::Desk;
use super::live::Live;
use super::rows;
use crate::effect::{Effect, Row};
use crate::follow_up::FollowUp;
use crate::webhook::{Callback, CallbackBody, Lane};

/// Names and values, in their order.
type Data = Vec<(Cow<'static, str>, String)>;

impl Live {
    /// Tells what the engine says has happened.
    pub(super) fn tell(&mut self, event: &taskrouter::Event, desk: &mut Desk) {
        self.note(event, desk);
        // Every word of the engine's is one of the contract's.
        let event_type = event.kind;
        let concerned = self.concerned(event, desk);
        let told = TaskRouterEvent {
            sid: EventSid::from_bits(desk.names.bits()),
            account_sid: self.row.account_sid,
            workspace_sid: self.row.sid,
            event_type,
            description: self.description(event),
            at: event.at,
            resource: self.resource(event),
            actor: desk.actor.unwrap_or(EventActor::Workspace(self.row.sid)),
            task_sid: event.task.as_ref().map(|task| task.sid),
            worker_sid: event.worker.as_ref().map(|worker| worker.sid),
            task_queue_sid: event.queue.as_ref().map(|queue| queue.sid),
            workflow_sid: event.workflow.as_ref().map(|workflow| workflow.sid),
            reservation_sid: event.reservation.as_ref().map(|reservation| reservation.sid),
            task_channel_sid: event.task.as_ref().map(|task| task.channel).or(event.channel),
            data: self.data(event, desk.now),
            concerned: Some(Arc::new(concerned)),
            seq: desk.names.seq(),
        };
        self.send(told, desk);
    }

    /// Tells what happens to the workspace as a whole, which its engine knows nothing of.
    pub(super) fn tell_workspace(&mut self, event_type: TaskRouterEventType, description: String, desk: &mut Desk) {
        let told = TaskRouterEvent {
            sid: EventSid::from_bits(desk.names.bits()),
            account_sid: self.row.account_sid,
            workspace_sid: self.row.sid,
            event_type,
            description,
            at: desk.now,
            resource: EventResource::Workspace(self.row.sid),
            actor: desk.actor.unwrap_or(EventActor::Workspace(self.row.sid)),
            task_sid: None,
            worker_sid: None,
            task_queue_sid: None,
            workflow_sid: None,
            reservation_sid: None,
            task_channel_sid: None,
            data: self.data_of_workspace(),
            concerned: None,
            seq: desk.names.seq(),
        };
        self.send(told, desk);
    }

    /// Keeps an event, and tells the application if it wants to hear of such.
    fn send(&self, event: TaskRouterEvent, desk: &mut Desk) {
        let event = Arc::new(event);
        desk.effects.push(Effect::Save(Row::TaskRouterEvent(Arc::clone(&event))));
        let Some(url) = self.row.event_callback_url.clone() else { return };
        let types = self.row.events_filter.as_deref().map(|filter| filter.split(',').map(str::trim));
        let is_wanted = types.is_none_or(|mut types| types.any(|name| name == event.event_type.as_str()));
        if !is_wanted {
            return;
        }
        let lane = match (event.task_sid, event.worker_sid) {
            (Some(task), _) => Lane::Task(task),
            (None, Some(worker)) => Lane::Worker(worker),
            (None, None) => Lane::Workspace(event.workspace_sid),
        };
        desk.effects.push(Effect::Callback(Box::new(Callback {
            id: desk.names.callback(),
            seq: desk.names.seq(),
            event: None,
            lane,
            account: event.account_sid,
            url,
            method: HttpMethod::Post,
            body: CallbackBody::TaskRouter(event),
        })));
    }

    /// Notes what follows from an event beside its being told.
    fn note(&mut self, event: &taskrouter::Event, desk: &mut Desk) {
        use TaskRouterEventType as E;
        if let Some(reservation) = &event.reservation {
            let note = self.reservations.entry(reservation.sid).or_default();
            if note.seq == 0 {
                note.seq = desk.names.seq();
                desk.index.reservations.insert(reservation.sid, self.row.sid);
            }
            let is_given_up = matches!(
                event.kind,
                E::ReservationRejected | E::ReservationTimeout | E::ReservationCanceled | E::ReservationRescinded
            );
            if event.kind == E::ReservationAccepted {
                note.is_carried = false; // from here on it is the task's business, and the call's
            }
            if is_given_up && std::mem::take(&mut note.is_carried) {
                desk.follow_ups.push_back(FollowUp::OfferOver(reservation.sid));
            }
        }
        if let Some(transfer) = &event.transfer {
            self.transfers.entry(transfer.sid).or_insert_with(|| desk.names.seq());
        }
        let Some(task) = &event.task else { return };
        let end = match event.kind {
            E::TaskCanceled => TaskEnd::Canceled(task.reason.clone()),
            E::TaskCompleted => TaskEnd::Completed,
            E::TaskDeleted | E::TaskSystemDeleted => TaskEnd::Deleted,
            _ => return,
        };
        let Some(note) = self.tasks.get_mut(&task.sid) else { return };
        if let (Some(call), false) = (note.call, std::mem::replace(&mut note.is_told, true)) {
            desk.follow_ups.push_back(FollowUp::TaskEnded { task: task.sid, call, end });
        }
    }

    fn resource(&self, event: &taskrouter::Event) -> EventResource {
        let family = event.kind.as_str().split('.').next().unwrap_or_default();
        let of_event = match family {
            "activity" => event.activity.map(EventResource::Activity),
            "worker" => event.worker.as_ref().map(|worker| EventResource::Worker(worker.sid)),
            "task-channel" => event.channel.map(EventResource::TaskChannel),
            "reservation" => event.reservation.as_ref().map(|r| EventResource::Reservation(r.sid)),
            // What happens to a task in a queue or a workflow happens to the task.
            _ => event.task.as_ref().map(|task| EventResource::Task(task.sid)),
        };
        let of_settings = || match family {
            "task-queue" => event.queue.as_ref().map(|queue| EventResource::TaskQueue(queue.sid)),
            "workflow" => event.workflow.as_ref().map(|workflow| EventResource::Workflow(workflow.sid)),
            _ => None,
        };
        of_event.or_else(of_settings).unwrap_or(EventResource::Workspace(self.row.sid))
    }

    fn description(&self, event: &taskrouter::Event) -> String {
        use TaskRouterEventType as E;
        let worker = event.worker.as_ref().map_or("", |worker| &*worker.friendly_name);
        let activity = |sid: Option<model::ActivitySid>| {
            sid.and_then(|sid| self.activities.get(&sid)).map_or("", |activity| &*activity.friendly_name)
        };
        let channel = event.channel.and_then(|sid| self.channels.get(&sid)).map_or("", |row| &*row.unique_name);
        let queue = event.queue.as_ref().map_or("", |queue| &*queue.friendly_name);
        let workflow = event.workflow.as_ref().map_or("", |workflow| self.name_of(workflow));
        let task = event.task.as_ref().map(|task| task.sid.to_string()).unwrap_or_default();
        let reservation = event.reservation.as_ref().map(|r| r.sid.to_string()).unwrap_or_default();
        // The last word of its type, as in `reservation.rejected`.
        let verb = event.kind.as_str().rsplit('.').next().unwrap_or_default();
        match event.kind {
            E::ActivityCreated | E::ActivityUpdated | E::ActivityDeleted => {
                format!("Activity {} {verb}", activity(event.activity))
            }
            E::WorkspaceCreated | E::WorkspaceUpdated | E::WorkspaceDeleted => {
                format!("Workspace {} {verb}", self.row.friendly_name)
            }
            E::WorkerCreated | E::WorkerDeleted => format!("Worker {worker} {verb}"),
            E::WorkerActivityUpdate => {
                format!("Worker {worker} updated to {} Activity", activity(event.worker.as_ref().map(|w| w.activity)))
            }
            E::WorkerAttributesUpdate => format!("Worker {worker} attributes updated"),
            E::WorkerCapacityUpdate => format!("Worker {worker} capacity updated on {channel}"),
            E::WorkerChannelAvailabilityUpdate => format!("Worker {worker} availability updated on {channel}"),
            E::TaskChannelCreated | E::TaskChannelUpdated | E::TaskChannelDeleted => {
                format!("TaskChannel {channel} {verb}")
            }
            E::TaskQueueCreated | E::TaskQueueDeleted => format!("TaskQueue {queue} {verb}"),
            E::TaskQueueExpressionUpdated => format!("TaskQueue {queue} target expression updated"),
            E::TaskQueueEntered => format!("Task {task} entered TaskQueue {queue}"),
            E::TaskQueueMoved => format!("Task {task} moved to TaskQueue {queue}"),
            E::TaskQueueTimeout => format!("Task {task} timed out of TaskQueue {queue}"),
            E::WorkflowCreated | E::WorkflowUpdated | E::WorkflowDeleted => format!("Workflow {workflow} {verb}"),
            E::WorkflowEntered => format!("Task {task} entered Workflow {workflow}"),
            E::WorkflowTargetMatched => format!("Task {task} matched a target of Workflow {workflow}"),
            E::WorkflowTimeout => format!("Task {task} timed out of Workflow {workflow}"),
            E::WorkflowSkipped => format!("Task {task} skipped a target of Workflow {workflow}"),
            E::TaskCreated | E::TaskUpdated | E::TaskCanceled | E::TaskCompleted | E::TaskDeleted => {
                format!("Task {task} {verb}")
            }
            E::TaskWrapup => format!("Task {task} wrapping up"),
            E::TaskSystemDeleted => format!("Task {task} deleted by the system"),
            E::TaskTransferInitiated
            | E::TaskTransferAttemptFailed
            | E::TaskTransferFailed
            | E::TaskTransferCanceled
            | E::TaskTransferCompleted => format!("Task {task} {}", verb.replace('-', " ")),
            E::ReservationTimeout => format!("Reservation {reservation} timed out"),
            E::ReservationWrapup => format!("Reservation {reservation} wrapping up"),
            E::ReservationCreated
            | E::ReservationAccepted
            | E::ReservationRejected
            | E::ReservationCanceled
            | E::ReservationRescinded
            | E::ReservationCompleted
            | E::ReservationFailed => format!("Reservation {reservation} {verb}"),
        }
    }

    /// A workflow's name now, even where a task goes by what the workflow did under another.
    fn name_of<'a>(&'a self, workflow: &'a taskrouter::Workflow) -> &'a str {
        self.workflows.get(&workflow.sid).map_or(&workflow.friendly_name, |row| &row.friendly_name)
    }

    fn data_of_workspace(&self) -> Data {
        let members = [("workspace_sid", self.row.sid.to_string()), ("workspace_name", self.row.friendly_name.clone())];
        members.map(|(name, value)| (Cow::Borrowed(name), value)).into()
    }

    /// The members of §12.1, by what is concerned.
    fn data(&self, event: &taskrouter::Event, now: Timestamp) -> Data {
        let mut data = self.data_of_workspace();
        let mut add = |name: &'static str, value: String| data.push((Cow::Borrowed(name), value));
        let activity_name = |sid| self.activities.get(&sid).map_or_else(String::new, |row| row.friendly_name.clone());
        let unique_name = |sid| self.channels.get(&sid).map_or_else(String::new, |row| row.unique_name.clone());
        if let Some(task) = &event.task {
            add("task_sid", task.sid.to_string());
            add("task_attributes", task.attributes.as_str().to_owned());
            add("task_age", now.since(task.created).as_secs().to_string());
            add("task_priority", task.priority.to_string());
            add("task_assignment_status", task.status.to_string());
            if let Some(reason) = &task.reason {
                match task.status {
                    AssignmentStatus::Canceled => add("task_canceled_reason", reason.clone()),
                    AssignmentStatus::Completed => add("task_completed_reason", reason.clone()),
                    _ => {}
                }
            }
            add("task_channel_sid", task.channel.to_string());
            add("task_channel_unique_name", unique_name(task.channel));
            add("task_version", task.version.to_string());
            add("task_date_created", task.created.seconds().to_string());
            add("task_re_evaluated", task.re_evaluate.to_string());
        }
        if let Some(worker) = &event.worker {
            add("worker_sid", worker.sid.to_string());
            add("worker_name", worker.friendly_name.clone());
            add("worker_attributes", worker.attributes.as_str().to_owned());
            add("worker_activity_sid", worker.activity.to_string());
            add("worker_activity_name", activity_name(worker.activity));
            add("worker_version", worker.version.to_string());
            if let (Some(previous), Some(since)) = (event.activity, event.activity_since) {
                let time = event.at.since(since);
                add("worker_previous_activity_sid", previous.to_string());
                add("worker_previous_activity_name", activity_name(previous));
                add("worker_time_in_previous_activity", time.as_secs().to_string());
                add("worker_time_in_previous_activity_ms", time.as_millis().to_string());
            }
        } else if let Some(activity) = event.activity {
            add("activity_sid", activity.to_string());
            add("activity_name", activity_name(activity));
        }
        if let Some(on) = &event.worker_channel {
            add("worker_channel_available", on.available.to_string());
            add("worker_channel_available_capacity", on.available_capacity_percentage().to_string());
            if let Some(capacity) = event.previous_capacity {
                let before = taskrouter::WorkerChannel { capacity, ..on.clone() };
                add("worker_channel_previous_capacity", before.available_capacity_percentage().to_string());
            }
            add("worker_channel_task_count", on.open.to_string());
        }
        if let (Some(channel), None) = (event.channel, &event.task) {
            add("task_channel_sid", channel.to_string());
            add("task_channel_unique_name", unique_name(channel));
        }
        if let Some(queue) = &event.queue {
            let row = self.queues.get(&queue.sid);
            add("task_queue_sid", queue.sid.to_string());
            add("task_queue_name", queue.friendly_name.clone());
            add("task_queue_target_expression", row.map_or_else(String::new, |row| row.target_workers.clone()));
            if let Some(entered) = event.task.as_ref().and_then(|task| task.queue_entered) {
                add("task_queue_entry_date", entered.seconds().to_string());
            }
        }
        if let Some(workflow) = &event.workflow {
            add("workflow_sid", workflow.sid.to_string());
            add("workflow_name", self.name_of(workflow).to_owned());
            if let Some(filter) = event.filter() {
                add("workflow_filter_name", filter.name.to_owned());
                add("workflow_filter_expression", filter.expression.to_owned());
                add("workflow_filter_target_name", filter.target_name.to_owned());
                add("workflow_filter_target_expression", filter.target_expression.to_owned());
            }
        }
        if let Some(reservation) = &event.reservation {
            add("reservation_sid", reservation.sid.to_string());
            add("reservation_version", reservation.version.to_string());
            if let Some(code) = reservation.canceled_reason_code {
                add("reservation_reason_code", code.to_string());
            }
        }
        if let Some(transfer) = &event.transfer {
            let row = rows::transfer_row(self.place(), transfer, 0);
            add("transfer_started", transfer.created.seconds().to_string());
            add("transfer_sid", transfer.sid.to_string());
            add("transfer_mode", row.transfer_mode.to_string());
            add("transfer_to", row.transfer_to.to_string());
            add("transfer_status", row.transfer_status.to_string());
        }
        data
    }

    /// The rows an event is about, as they were.
    fn concerned(&mut self, event: &taskrouter::Event, desk: &mut Desk) -> Concerned {
        let mut concerned = Concerned::default();
        if let Some(facts) = &event.task {
            if event.worker.is_none() {
                concerned.workers = self.workers_of(facts.sid, facts.status);
            }
            concerned.task = self.task(facts.sid, desk.now).map(|mut row| {
                row.attributes = facts.attributes.as_str().to_owned();
                row.assignment_status = facts.status;
                row.priority = facts.priority;
                row.task_queue_sid = facts.queue;
                row.task_queue_entered = facts.queue_entered;
                row.reason = facts.reason.clone();
                row.version = facts.version;
                if let Route::Workflow { workflow, .. } = facts.route {
                    row.workflow_sid = Some(workflow);
                }
                row
            });
        }
        if let Some(facts) = &event.worker {
            concerned.worker = self.worker(facts.sid, desk.now).map(|mut row| {
                row.attributes = facts.attributes.as_str().to_owned();
                row.activity_sid = facts.activity;
                row.version = facts.version;
                row
            });
            concerned.worker_available = self.activities.get(&facts.activity).is_some_and(|row| row.available);
            concerned.worker_channel = event.channel.and_then(|channel| self.worker_channel(facts.sid, channel, desk));
        }
        if let Some(facts) = &event.reservation {
            concerned.reservation = self.reservation(facts.sid).map(|mut row| {
                row.reservation_status = facts.status;
                row.canceled_reason_code = facts.canceled_reason_code;
                row.version = facts.version;
                row
            });
        }
        concerned.transfer = event.transfer.as_ref().map(|transfer| {
            let seq = self.transfers.get(&transfer.sid).copied().unwrap_or_default();
            rows::transfer_row(self.place(), transfer, seq)
        });
        concerned
    }

    /// Who has a task that stands so; of one that has ended, who had it until then.
    fn workers_of(&self, task: TaskSid, status: AssignmentStatus) -> Vec<WorkerSid> {
        let has = |of: ReservationStatus| match status {
            AssignmentStatus::Completed => of.is_open() || of == ReservationStatus::Completed,
            AssignmentStatus::Canceled => of.is_open() || of == ReservationStatus::Canceled,
            _ => of.is_open(),
        };
        let task = self.engine.task(task).into_iter();
        let reservations = task.flat_map(|task| &task.reservations).filter_map(|sid| self.engine.reservation(*sid));
        let workers: BTreeSet<_> = reservations.filter(|of| has(of.status)).map(|of| of.worker).collect();
        workers.into_iter().collect()
    }

    /// Tells developers of a task that does not go as its workflow says.
    pub(super) fn warn(&mut self, code: u16, task: TaskSid, worker: Option<WorkerSid>, desk: &mut Desk) {
        // Whom other accounts have is nobody's business.
        let elsewhere = worker.and_then(|worker| desk.index.workers.get(&worker));
        let is_elsewhere = elsewhere.is_some_and(|place| place.account == self.row.account_sid);
        let code = if code == 40_154 && is_elsewhere { 40_155 } else { code };
        let what = match code {
            14_222 => "no filter of its workflow takes it, and there is no default filter",
            40_152 => "the known worker of its target is not in the target's queue",
            40_154 => "the known worker of its target is no worker of this workspace",
            40_155 => "the known worker of its target is in another workspace",
            _ => "its workflow could not be followed",
        };
        desk.notify_error(self.row.account_sid, code, format!("Task {task}: {what}"));
    }
}
