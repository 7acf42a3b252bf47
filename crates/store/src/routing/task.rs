//! Tasks.

use model::{
    AccountSid, AssignmentStatus, RoutingTarget, Task, TaskQueueSid, TaskSid, WorkflowSid, WorkflowStep, WorkspaceSid,
};
use sqlx::sqlite::SqliteRow;

use super::{ListPage, within};
use crate::column::{flag, narrow, number, number_if, span, text, text_if, time, time_if, word, word_if};
use crate::directory::upsert::Upsert;
use crate::{Rows, Store, StoreError};

/// Which tasks to list; what is `None` or empty does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Its priority.
    pub priority: Option<u32>,
    /// How it stands: one of these.
    pub assignment_status: Vec<AssignmentStatus>,
    /// The workflow that routes it …
    pub workflow_sid: Option<WorkflowSid>,
    /// … and the name of that, byte for byte.
    pub workflow_name: Option<String>,
    /// The queue it is in …
    pub task_queue_sid: Option<TaskQueueSid>,
    /// … and the name of that, byte for byte.
    pub task_queue_name: Option<String>,
    /// Where it was sent past the filters.
    pub routing_target: Option<RoutingTarget>,
}

/// What a task says of others beside their SIDs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskNames {
    /// The name of the queue it is in.
    pub task_queue: Option<String>,
    /// The name of its workflow.
    pub workflow: Option<String>,
    /// The unique name of its channel.
    pub task_channel: Option<String>,
}

impl Store {
    /// The one of that SID, if it is in this workspace.
    pub async fn task(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: TaskSid,
    ) -> Result<Option<(Task, TaskNames)>, StoreError> {
        within(SELECT, account, workspace).push(" AND sid = ", sid.to_string()).first(&self.readers, decode_named).await
    }

    /// This workspace's.
    pub async fn tasks(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        filter: &TaskFilter,
        page: &ListPage,
    ) -> Result<Rows<(Task, TaskNames)>, StoreError> {
        let mut select = within(SELECT, account, workspace)
            .push_if(" AND priority = ", filter.priority.map(i64::from))
            .one_of(" AND assignment_status", filter.assignment_status.iter().map(AssignmentStatus::to_string))
            .push_if(" AND workflow_sid = ", filter.workflow_sid.map(|sid| sid.to_string()))
            .push_if(" AND task_queue_sid = ", filter.task_queue_sid.map(|sid| sid.to_string()))
            .push_if(" AND routing_target = ", filter.routing_target.map(|target| target.to_string()));
        for (others, name) in [(WORKFLOWS, &filter.workflow_name), (TASK_QUEUES, &filter.task_queue_name)] {
            if let Some(name) = name {
                let named = select.push(others, workspace.to_string());
                select = named.push(" AND o.friendly_name = ", name.clone()).text(")");
            }
        }
        select.list(page, &self.readers, decode_named).await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn task_seq(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: TaskSid,
    ) -> Result<Option<i64>, StoreError> {
        let select = within("SELECT seq FROM tasks WHERE", account, workspace).push(" AND sid = ", sid.to_string());
        self.routing_place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &Task) -> Result<Upsert, StoreError> {
    let step = row.step;
    let upsert = Upsert::into("tasks", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .word("workspace_sid", row.workspace_sid)
        .text("attributes", &row.attributes)?
        .word("task_channel_sid", row.task_channel_sid)
        .word_if("workflow_sid", row.workflow_sid)
        .word_if("task_queue_sid", row.task_queue_sid)
        .time_if("task_queue_entered", row.task_queue_entered)
        .word("assignment_status", row.assignment_status)
        .text_if("reason", row.reason.as_deref())?
        .number("priority", row.priority)
        .span("timeout", row.timeout)
        .time("virtual_start", row.virtual_start)
        .word_if("routing_target", row.routing_target)
        .number("ignore_capacity", row.ignore_capacity)
        .number("step_revision", step.map_or(0, |step| step.revision))
        .number_if("step_filter", step.and_then(|step| step.filter))
        .number_if("step_target", step.map(|step| step.target))
        .time_if("step_since", step.map(|step| step.since))
        .span_if("step_allowed", step.map(|step| step.allowed))
        .time_if("step_expires", step.and_then(|step| step.expires))
        .number_if("step_timed_out", step.map(|step| step.timed_out))
        .number_if("step_stays", step.map(|step| step.stays))
        .number("re_evaluate", row.re_evaluate)
        .word_if("call_sid", row.call_sid)
        .time_if("assigned", row.assigned)
        .time_if("ended", row.ended)
        .number("version", row.version)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<Task, StoreError> {
    Ok(Task {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        workspace_sid: word(row, "workspace_sid")?,
        attributes: text(row, "attributes")?,
        task_channel_sid: word(row, "task_channel_sid")?,
        workflow_sid: word_if(row, "workflow_sid")?,
        task_queue_sid: word_if(row, "task_queue_sid")?,
        task_queue_entered: time_if(row, "task_queue_entered")?,
        assignment_status: word(row, "assignment_status")?,
        reason: text_if(row, "reason")?,
        priority: narrow(row, "priority")?,
        timeout: span(row, "timeout")?,
        virtual_start: time(row, "virtual_start")?,
        routing_target: word_if(row, "routing_target")?,
        ignore_capacity: flag(row, "ignore_capacity")?,
        step: number_if(row, "step_target")?.map(|_| decode_step(row)).transpose()?,
        re_evaluate: flag(row, "re_evaluate")?,
        call_sid: word_if(row, "call_sid")?,
        assigned: time_if(row, "assigned")?,
        ended: time_if(row, "ended")?,
        version: narrow(row, "version")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

fn decode_step(row: &SqliteRow) -> Result<WorkflowStep, StoreError> {
    Ok(WorkflowStep {
        revision: narrow(row, "step_revision")?,
        filter: number_if(row, "step_filter")?.map(|_| narrow(row, "step_filter")).transpose()?,
        target: narrow(row, "step_target")?,
        since: time(row, "step_since")?,
        allowed: span(row, "step_allowed")?,
        expires: time_if(row, "step_expires")?,
        timed_out: flag(row, "step_timed_out")?,
        stays: flag(row, "step_stays")?,
    })
}

fn decode_named(row: &SqliteRow) -> Result<(Task, TaskNames), StoreError> {
    let names = TaskNames {
        task_queue: text_if(row, "task_queue_name")?,
        workflow: text_if(row, "workflow_name")?,
        task_channel: text_if(row, "task_channel_name")?,
    };
    Ok((decode(row)?, names))
}

const SELECT: &str = "SELECT tasks.*, \
    (SELECT o.friendly_name FROM task_queues o WHERE o.sid = task_queue_sid) AS task_queue_name, \
    (SELECT o.friendly_name FROM workflows o WHERE o.sid = workflow_sid) AS workflow_name, \
    (SELECT o.unique_name FROM task_channels o WHERE o.sid = task_channel_sid) AS task_channel_name \
    FROM tasks WHERE";

const WORKFLOWS: &str = " AND workflow_sid IN (SELECT o.sid FROM workflows o WHERE o.workspace_sid = ";
const TASK_QUEUES: &str = " AND task_queue_sid IN (SELECT o.sid FROM task_queues o WHERE o.workspace_sid = ";

/// Keeps its place and its reservations' in their lists, and forgets the rest.
pub(super) const DELETE: [&str; 5] = [
    "INSERT INTO routing_places (sid, seq, deletion) \
        SELECT sid, seq, (SELECT COALESCE(MAX(deletion), 0) FROM routing_places) + 1 FROM tasks WHERE sid = $1 \
        ON CONFLICT (sid) DO NOTHING",
    "INSERT INTO routing_places (sid, seq, deletion) \
        SELECT sid, seq, (SELECT COALESCE(MAX(deletion), 0) FROM routing_places) + 1 FROM reservations WHERE task_sid = $1 \
        ON CONFLICT (sid) DO NOTHING",
    "DELETE FROM transfers WHERE task_sid = $1",
    "DELETE FROM reservations WHERE task_sid = $1",
    "DELETE FROM tasks WHERE sid = $1",
];
