//! Reservations.

use model::{AccountSid, Reservation, ReservationSid, ReservationStatus, TaskSid, WorkerSid, WorkspaceSid};
use sqlx::sqlite::SqliteRow;

use super::{ListPage, within};
use crate::column::{narrow, number, number_if, text, time, word, word_if};
use crate::directory::upsert::Upsert;
use crate::{Rows, Store, StoreError};

/// Which reservations to list; what is `None` or empty does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReservationFilter {
    /// Of this task.
    pub task_sid: Option<TaskSid>,
    /// Of this worker.
    pub worker_sid: Option<WorkerSid>,
    /// How they stand: one of these.
    pub reservation_status: Vec<ReservationStatus>,
}

impl Store {
    /// The one of that SID, if it is in this workspace; with the name of its worker.
    pub async fn reservation(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: ReservationSid,
    ) -> Result<Option<(Reservation, String)>, StoreError> {
        within(SELECT, account, workspace).push(" AND sid = ", sid.to_string()).first(&self.readers, decode_named).await
    }

    /// Those of a task, of a worker or of both, with the names of their workers.
    pub async fn reservations(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        filter: &ReservationFilter,
        page: &ListPage,
    ) -> Result<Rows<(Reservation, String)>, StoreError> {
        within(SELECT, account, workspace)
            .push_if(" AND task_sid = ", filter.task_sid.map(|sid| sid.to_string()))
            .push_if(" AND worker_sid = ", filter.worker_sid.map(|sid| sid.to_string()))
            .one_of(" AND reservation_status", filter.reservation_status.iter().map(ReservationStatus::to_string))
            .list(page, &self.readers, decode_named)
            .await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn reservation_seq(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: ReservationSid,
    ) -> Result<Option<i64>, StoreError> {
        let select =
            within("SELECT seq FROM reservations WHERE", account, workspace).push(" AND sid = ", sid.to_string());
        self.routing_place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &Reservation) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("reservations", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .word("workspace_sid", row.workspace_sid)
        .word("task_sid", row.task_sid)
        .word("worker_sid", row.worker_sid)
        .word("task_channel_sid", row.task_channel_sid)
        .word("reservation_status", row.reservation_status)
        .number_if("canceled_reason_code", row.canceled_reason_code)
        .time("times_out", row.times_out)
        .word_if("transfer_sid", row.transfer_sid)
        .word_if("worker_call_sid", row.worker_call_sid)
        .word_if("post_work_activity_sid", row.post_work_activity_sid)
        .word("work_end", row.work_end)
        .number("version", row.version)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<Reservation, StoreError> {
    let code = number_if(row, "canceled_reason_code")?;
    Ok(Reservation {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        workspace_sid: word(row, "workspace_sid")?,
        task_sid: word(row, "task_sid")?,
        worker_sid: word(row, "worker_sid")?,
        task_channel_sid: word(row, "task_channel_sid")?,
        reservation_status: word(row, "reservation_status")?,
        canceled_reason_code: code.map(|_| narrow(row, "canceled_reason_code")).transpose()?,
        times_out: time(row, "times_out")?,
        transfer_sid: word_if(row, "transfer_sid")?,
        worker_call_sid: word_if(row, "worker_call_sid")?,
        post_work_activity_sid: word_if(row, "post_work_activity_sid")?,
        work_end: word(row, "work_end")?,
        version: narrow(row, "version")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

fn decode_named(row: &SqliteRow) -> Result<(Reservation, String), StoreError> {
    Ok((decode(row)?, text(row, "worker_name")?))
}

const SELECT: &str = "SELECT reservations.*, \
    COALESCE((SELECT w.friendly_name FROM workers w WHERE w.sid = worker_sid), '') AS worker_name \
    FROM reservations WHERE";

/// Keeps its place, and forgets the rest.
pub(super) const DELETE: [&str; 2] = [
    "INSERT INTO routing_places (sid, seq, deletion) \
        SELECT sid, seq, (SELECT COALESCE(MAX(deletion), 0) FROM routing_places) + 1 FROM reservations WHERE sid = $1 \
        ON CONFLICT (sid) DO NOTHING",
    "DELETE FROM reservations WHERE sid = $1",
];
