//! Workspaces, activities, task channels, queues and workflows: made, changed and deleted (taskrouter §2, §4, §5).

use std::time::Duration;

use model::{
    AccountSid, Activity, ActivitySid, FormerConfiguration, RoutingKey, RoutingRow, TaskChannel, TaskChannelSid,
    TaskOrder, TaskQueue, TaskQueueSid, TaskRouterEventType, Workflow, WorkflowSid, Workspace, WorkspaceSid,
};
use taskrouter::{Engine, Input, MAX_RESERVED_MAX};

use super::desk::Desk;
use super::live::Live;
use super::rows;
use super::{
    NewTaskQueue, NewWorkflow, NewWorkspace, RoutingAnswer, RoutingRefusal, TaskChannelRef, TaskQueueUpdate,
    WorkflowUpdate, WorkspaceUpdate,
};
type Answered = Result<RoutingAnswer, RoutingRefusal>;

impl Live {
    /// A new workspace with all that belongs in one.
    pub(super) fn create(account: AccountSid, new: NewWorkspace, desk: &mut Desk) -> Result<Self, RoutingRefusal> {
        let activities = ACTIVITIES.map(|activity| (ActivitySid::from_bits(desk.names.bits()), activity));
        let offline = activities[0].0;
        let row = Workspace {
            sid: WorkspaceSid::from_bits(desk.names.bits()),
            account_sid: account,
            friendly_name: new.friendly_name,
            event_callback_url: new.event_callback_url,
            events_filter: new.events_filter,
            multi_task_enabled: new.multi_task_enabled,
            prioritize_queue_order: new.prioritize_queue_order,
            default_activity_sid: Some(offline),
            timeout_activity_sid: Some(offline),
            created: desk.now,
            updated: desk.now,
            seq: desk.names.seq(),
        };
        let engine = Engine::new(rows::workspace_settings(&row), desk.names.bits() as u64);
        desk.save(RoutingRow::Workspace(row.clone()));
        let mut live = Self::new(row, engine);
        let description = format!("Workspace {} created", live.row.friendly_name);
        live.tell_workspace(TaskRouterEventType::WorkspaceCreated, description, desk);
        for (sid, (name, available)) in activities {
            live.add_activity(sid, name.to_owned(), available, desk)?;
        }
        for name in BUILT_IN_CHANNELS {
            live.create_channel(name.to_owned(), name.to_owned(), false, desk)?;
        }
        if new.fifo {
            let queue = live.add_queue(
                NewTaskQueue {
                    friendly_name: FIFO_QUEUE.to_owned(),
                    target_workers: None,
                    max_reserved_workers: 1,
                    task_order: TaskOrder::Fifo,
                    reservation_activity: None,
                    assignment_activity: None,
                },
                desk,
            )?;
            let to = queue.sid;
            live.create_workflow(
                NewWorkflow {
                    friendly_name: FIFO_WORKFLOW.to_owned(),
                    configuration: format!(
                        r#"{{"task_routing":{{"filters":[],"default_filter":{{"queue":"{to}"}}}}}}"#
                    ),
                    assignment_callback_url: None,
                    fallback_assignment_callback_url: None,
                    task_reservation_timeout: RESERVATION_TIMEOUT_DEFAULT,
                },
                desk,
            )?;
        }
        Ok(live)
    }

    pub(super) fn update(&mut self, change: WorkspaceUpdate, desk: &mut Desk) -> Answered {
        self.expect_activity("DefaultActivitySid", change.default_activity)?;
        self.expect_activity("TimeoutActivitySid", change.timeout_activity)?;
        let row = &mut self.row;
        set(&mut row.friendly_name, change.friendly_name);
        set(&mut row.event_callback_url, change.event_callback_url);
        set(&mut row.events_filter, change.events_filter);
        set(&mut row.multi_task_enabled, change.multi_task_enabled);
        set(&mut row.prioritize_queue_order, change.prioritize_queue_order);
        set(&mut row.default_activity_sid, change.default_activity.map(Some));
        set(&mut row.timeout_activity_sid, change.timeout_activity.map(Some));
        row.updated = desk.now;
        let settings = rows::workspace_settings(&self.row);
        self.input(Input::SetWorkspace(settings), desk)?;
        Ok(keep(RoutingRow::Workspace(self.row.clone()), desk))
    }

    /// The workspace goes, if no worker has a task. What is in it goes piece by piece ([`Ending`](super::ending::Ending)).
    pub(super) fn delete(&mut self, desk: &mut Desk) -> Result<(), RoutingRefusal> {
        // Not by how tasks stand: one that is being transferred is pending, and its initiator has it.
        if let Some(reservation) = self.engine.held() {
            return Err(RoutingRefusal::Invalid(format!("Task {} is assigned", reservation.task)));
        }
        let description = format!("Workspace {} deleted", self.row.friendly_name);
        self.tell_workspace(TaskRouterEventType::WorkspaceDeleted, description, desk);
        desk.delete(RoutingKey::Workspace(self.row.sid));
        Ok(())
    }

    pub(super) fn create_activity(&mut self, friendly_name: String, available: bool, desk: &mut Desk) -> Answered {
        self.expect_free_activity_name(&friendly_name, None)?;
        let sid = ActivitySid::from_bits(desk.names.bits());
        self.add_activity(sid, friendly_name, available, desk)
    }

    fn add_activity(&mut self, sid: ActivitySid, name: String, available: bool, desk: &mut Desk) -> Answered {
        let row = Activity {
            sid,
            account_sid: self.row.account_sid,
            workspace_sid: self.row.sid,
            friendly_name: name,
            available,
            created: desk.now,
            updated: desk.now,
            seq: desk.names.seq(),
        };
        self.put_activity(row, desk)
    }

    fn put_activity(&mut self, row: Activity, desk: &mut Desk) -> Answered {
        let before = self.activities.insert(row.sid, row.clone());
        if let Err(refusal) = self.input(Input::PutActivity(rows::activity_to_engine(&row)), desk) {
            put_back(&mut self.activities, row.sid, before);
            return Err(refusal);
        }
        Ok(keep(RoutingRow::Activity(row), desk))
    }

    pub(super) fn update_activity(&mut self, sid: ActivitySid, name: Option<String>, desk: &mut Desk) -> Answered {
        let mut row = self.activities.get(&sid).ok_or(RoutingRefusal::NotFound)?.clone();
        if let Some(name) = name {
            self.expect_free_activity_name(&name, Some(sid))?;
            row.friendly_name = name;
        }
        row.updated = desk.now;
        self.put_activity(row, desk)
    }

    pub(super) fn delete_activity(&mut self, sid: ActivitySid, desk: &mut Desk) -> Answered {
        self.activities.get(&sid).ok_or(RoutingRefusal::NotFound)?;
        self.input(Input::DeleteActivity(sid), desk)?;
        self.activities.remove(&sid);
        desk.delete(RoutingKey::Activity(sid));
        let names = |row: &&TaskQueue| [row.reservation_activity_sid, row.assignment_activity_sid].contains(&Some(sid));
        let named: Vec<TaskQueue> = self.queues.values().filter(names).cloned().collect();
        for mut row in named {
            row.reservation_activity_sid = row.reservation_activity_sid.filter(|activity| *activity != sid);
            row.assignment_activity_sid = row.assignment_activity_sid.filter(|activity| *activity != sid);
            row.updated = desk.now;
            self.put_queue(row, desk)?;
        }
        Ok(RoutingAnswer::Removed)
    }

    fn expect_free_activity_name(&self, name: &str, of: Option<ActivitySid>) -> Result<(), RoutingRefusal> {
        let taken = self.activities.values().any(|row| row.friendly_name == name && Some(row.sid) != of);
        if taken { Err(taken_name("Activity", name)) } else { Ok(()) }
    }

    pub(super) fn create_channel(
        &mut self,
        friendly_name: String,
        unique_name: String,
        channel_optimized_routing: bool,
        desk: &mut Desk,
    ) -> Answered {
        // Paths name a channel by either.
        if unique_name.parse::<TaskChannelSid>().is_ok() {
            return Err(RoutingRefusal::Invalid("UniqueName must not be the SID of a task channel".to_owned()));
        }
        if self.channels.values().any(|row| row.unique_name == unique_name) {
            return Err(taken_name("TaskChannel", &unique_name));
        }
        let row = TaskChannel {
            sid: TaskChannelSid::from_bits(desk.names.bits()),
            account_sid: self.row.account_sid,
            workspace_sid: self.row.sid,
            friendly_name,
            unique_name,
            channel_optimized_routing,
            created: desk.now,
            updated: desk.now,
            seq: desk.names.seq(),
        };
        self.put_channel(row, desk)
    }

    fn put_channel(&mut self, row: TaskChannel, desk: &mut Desk) -> Answered {
        let before = self.channels.insert(row.sid, row.clone());
        if let Err(refusal) = self.input(Input::PutChannel(rows::channel_to_engine(&row)), desk) {
            put_back(&mut self.channels, row.sid, before);
            return Err(refusal);
        }
        Ok(keep(RoutingRow::TaskChannel(row), desk))
    }

    pub(super) fn update_channel(
        &mut self,
        channel: &TaskChannelRef,
        friendly_name: Option<String>,
        channel_optimized_routing: Option<bool>,
        desk: &mut Desk,
    ) -> Answered {
        let sid = self.find_channel(channel).ok_or(RoutingRefusal::NotFound)?;
        let mut row = self.channels.get(&sid).ok_or(RoutingRefusal::NotFound)?.clone();
        set(&mut row.friendly_name, friendly_name);
        set(&mut row.channel_optimized_routing, channel_optimized_routing);
        row.updated = desk.now;
        self.put_channel(row, desk)
    }

    pub(super) fn delete_channel(&mut self, channel: &TaskChannelRef, desk: &mut Desk) -> Answered {
        let sid = self.find_channel(channel).ok_or(RoutingRefusal::NotFound)?;
        let name = self.channels.get(&sid).map_or("", |row| &row.unique_name);
        if BUILT_IN_CHANNELS.contains(&name) {
            return Err(RoutingRefusal::Invalid(format!("TaskChannel {name} is built in and cannot be deleted")));
        }
        self.input(Input::DeleteChannel(sid), desk)?;
        self.channels.remove(&sid);
        desk.delete(RoutingKey::TaskChannel(sid));
        Ok(RoutingAnswer::Removed)
    }

    pub(super) fn create_queue(&mut self, new: NewTaskQueue, desk: &mut Desk) -> Answered {
        self.add_queue(new, desk).map(|row| RoutingAnswer::Row(Box::new(RoutingRow::TaskQueue(row))))
    }

    fn add_queue(&mut self, new: NewTaskQueue, desk: &mut Desk) -> Result<TaskQueue, RoutingRefusal> {
        let row = TaskQueue {
            sid: TaskQueueSid::from_bits(desk.names.bits()),
            account_sid: self.row.account_sid,
            workspace_sid: self.row.sid,
            friendly_name: new.friendly_name,
            target_workers: new.target_workers.unwrap_or_else(|| EVERYBODY.to_owned()),
            max_reserved_workers: new.max_reserved_workers,
            task_order: new.task_order,
            reservation_activity_sid: new.reservation_activity,
            assignment_activity_sid: new.assignment_activity,
            created: desk.now,
            updated: desk.now,
            seq: desk.names.seq(),
        };
        self.put_queue(row, desk)
    }

    pub(super) fn update_queue(&mut self, sid: TaskQueueSid, change: TaskQueueUpdate, desk: &mut Desk) -> Answered {
        let mut row = self.queues.get(&sid).ok_or(RoutingRefusal::NotFound)?.clone();
        set(&mut row.friendly_name, change.friendly_name);
        set(&mut row.target_workers, change.target_workers);
        set(&mut row.max_reserved_workers, change.max_reserved_workers);
        set(&mut row.task_order, change.task_order);
        set(&mut row.reservation_activity_sid, change.reservation_activity);
        set(&mut row.assignment_activity_sid, change.assignment_activity);
        row.updated = desk.now;
        self.put_queue(row, desk).map(|row| RoutingAnswer::Row(Box::new(RoutingRow::TaskQueue(row))))
    }

    fn put_queue(&mut self, row: TaskQueue, desk: &mut Desk) -> Result<TaskQueue, RoutingRefusal> {
        if self.queues.values().any(|other| other.friendly_name == row.friendly_name && other.sid != row.sid) {
            return Err(taken_name("TaskQueue", &row.friendly_name));
        }
        if !(1..=MAX_RESERVED_MAX).contains(&row.max_reserved_workers) {
            return Err(RoutingRefusal::Invalid(format!(
                "MaxReservedWorkers must be between 1 and {MAX_RESERVED_MAX}"
            )));
        }
        self.expect_activity("ReservationActivitySid", row.reservation_activity_sid)?;
        self.expect_activity("AssignmentActivitySid", row.assignment_activity_sid)?;
        let queue = rows::queue_to_engine(&row)?;
        let before = self.queues.insert(row.sid, row.clone());
        if let Err(refusal) = self.input(Input::PutQueue(queue), desk) {
            put_back(&mut self.queues, row.sid, before);
            return Err(refusal);
        }
        desk.save(RoutingRow::TaskQueue(row.clone()));
        Ok(row)
    }

    pub(super) fn delete_queue(&mut self, sid: TaskQueueSid, desk: &mut Desk) -> Answered {
        self.queues.get(&sid).ok_or(RoutingRefusal::NotFound)?;
        self.input(Input::DeleteQueue(sid), desk)?;
        self.queues.remove(&sid);
        desk.delete(RoutingKey::TaskQueue(sid));
        Ok(RoutingAnswer::Removed)
    }

    pub(super) fn create_workflow(&mut self, new: NewWorkflow, desk: &mut Desk) -> Answered {
        let row = Workflow {
            sid: WorkflowSid::from_bits(desk.names.bits()),
            account_sid: self.row.account_sid,
            workspace_sid: self.row.sid,
            friendly_name: new.friendly_name,
            configuration: new.configuration,
            revision: 0,
            anew_from: 0,
            former: Vec::new(),
            assignment_callback_url: new.assignment_callback_url,
            fallback_assignment_callback_url: new.fallback_assignment_callback_url,
            task_reservation_timeout: new.task_reservation_timeout,
            created: desk.now,
            updated: desk.now,
            seq: desk.names.seq(),
        };
        self.put_workflow(row, false, desk)
    }

    pub(super) fn update_workflow(&mut self, sid: WorkflowSid, change: WorkflowUpdate, desk: &mut Desk) -> Answered {
        let mut row = self.workflows.get(&sid).ok_or(RoutingRefusal::NotFound)?.clone();
        set(&mut row.friendly_name, change.friendly_name);
        set(&mut row.configuration, change.configuration);
        set(&mut row.assignment_callback_url, change.assignment_callback_url);
        set(&mut row.fallback_assignment_callback_url, change.fallback_assignment_callback_url);
        set(&mut row.task_reservation_timeout, change.task_reservation_timeout);
        row.updated = desk.now;
        self.put_workflow(row, change.re_evaluate_tasks, desk)
    }

    fn put_workflow(&mut self, mut row: Workflow, re_evaluate: bool, desk: &mut Desk) -> Answered {
        if !(Duration::from_secs(1)..=RESERVATION_TIMEOUT_MAX).contains(&row.task_reservation_timeout) {
            let most = RESERVATION_TIMEOUT_MAX.as_secs();
            return Err(RoutingRefusal::Invalid(format!("TaskReservationTimeout must be between 1 and {most}")));
        }
        let workflow = rows::workflow_to_engine(&row, |queue| self.queues.contains_key(&queue))?;
        let before = self.workflows.insert(row.sid, row.clone());
        if let Err(refusal) = self.input(Input::PutWorkflow { workflow, re_evaluate }, desk) {
            put_back(&mut self.workflows, row.sid, before);
            return Err(refusal);
        }
        if let Some(routing) = self.engine.workflow(row.sid) {
            (row.revision, row.anew_from) = (routing.revision, routing.anew_from);
        }
        if let Some(Workflow { revision, configuration, .. }) = before {
            row.former.push(FormerConfiguration { revision, configuration });
        }
        row.former.retain(|former| self.engine.is_former(row.sid, former.revision));
        self.workflows.insert(row.sid, row.clone());
        desk.index.workflows.insert(row.sid, self.row.sid);
        Ok(keep(RoutingRow::Workflow(row), desk))
    }

    pub(super) fn delete_workflow(&mut self, sid: WorkflowSid, desk: &mut Desk) -> Answered {
        self.workflows.get(&sid).ok_or(RoutingRefusal::NotFound)?;
        self.input(Input::DeleteWorkflow(sid), desk)?;
        self.workflows.remove(&sid);
        desk.index.workflows.remove(&sid);
        desk.delete(RoutingKey::Workflow(sid));
        Ok(RoutingAnswer::Removed)
    }
}

fn keep(row: RoutingRow, desk: &mut Desk) -> RoutingAnswer {
    desk.save(row.clone());
    RoutingAnswer::Row(Box::new(row))
}

/// As it was before something was put that is refused after all.
fn put_back<K: Ord, V>(map: &mut std::collections::BTreeMap<K, V>, key: K, before: Option<V>) {
    match before {
        Some(before) => map.insert(key, before),
        None => map.remove(&key),
    };
}

fn set<T>(value: &mut T, change: Option<T>) {
    if let Some(change) = change {
        *value = change;
    }
}

pub(super) fn taken_name(of: &str, name: &str) -> RoutingRefusal {
    RoutingRefusal::Taken(format!("{of} with name {name:?} exists already"))
}

/// What a new workspace's workers may be doing, and whether they are available then (taskrouter §2). The first is what
/// they do to begin with.
const ACTIVITIES: [(&str, bool); 3] = [("Offline", false), ("Available", true), ("Unavailable", false)];
/// Kinds of work that every workspace has (taskrouter §2).
pub(super) const BUILT_IN_CHANNELS: [&str; 5] = ["default", "voice", "chat", "sms", "video"];
/// Of the template FIFO (taskrouter §2).
const FIFO_QUEUE: &str = "Sample Queue";
/// As above.
const FIFO_WORKFLOW: &str = "Default Fifo Workflow";
/// `TargetWorkers` where nothing is said (taskrouter §4).
const EVERYBODY: &str = "1==1";
/// `TaskReservationTimeout` where nothing is said (taskrouter §5) …
pub const RESERVATION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(120);
/// … and at most (taskrouter §9).
pub const RESERVATION_TIMEOUT_MAX: Duration = Duration::from_secs(86_400);
