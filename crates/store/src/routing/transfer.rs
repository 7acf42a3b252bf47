//! Transfers.

use model::{
    AccountSid, ReservationSid, TaskQueueSid, TaskSid, Transfer, TransferSid, TransferStatus, TransferTarget,
    WorkspaceSid,
};
use sqlx::sqlite::SqliteRow;

use super::within;
use crate::column::{number, text, text_if, time, word, word_if};
use crate::directory::upsert::Upsert;
use crate::{Store, StoreError};

impl Store {
    /// The one of that SID, if it is in this workspace.
    pub async fn transfer(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: TransferSid,
    ) -> Result<Option<Transfer>, StoreError> {
        within(SELECT, account, workspace).push(" AND sid = ", sid.to_string()).first(&self.readers, decode).await
    }

    /// The one that whoever has that reservation has begun, and that is under way.
    pub async fn transfer_of(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        task: TaskSid,
        reservation: ReservationSid,
    ) -> Result<Option<Transfer>, StoreError> {
        within(SELECT, account, workspace)
            .push(" AND task_sid = ", task.to_string())
            .push(" AND initiating_reservation_sid = ", reservation.to_string())
            .push(" AND transfer_status = ", TransferStatus::Initiated.to_string())
            .first(&self.readers, decode)
            .await
    }
}

pub(super) fn upsert(row: &Transfer) -> Result<Upsert, StoreError> {
    let to = match row.transfer_to {
        TransferTarget::Worker(sid) => sid.to_string(),
        TransferTarget::Queue(sid) => sid.to_string(),
    };
    let upsert = Upsert::into("transfers", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .word("workspace_sid", row.workspace_sid)
        .word("task_sid", row.task_sid)
        .word("transfer_mode", row.transfer_mode)
        .word("transfer_to", to)
        .word("transfer_status", row.transfer_status)
        .text_if("transfer_failed_reason", row.transfer_failed_reason.as_deref())?
        .word("initiating_reservation_sid", row.initiating_reservation_sid)
        .word("initiating_worker_sid", row.initiating_worker_sid)
        .word_if("initiating_queue_sid", row.initiating_queue_sid)
        .word_if("initiating_workflow_sid", row.initiating_workflow_sid)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<Transfer, StoreError> {
    let to_a_queue = text(row, "transfer_to")?.starts_with(TaskQueueSid::PREFIX);
    Ok(Transfer {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        workspace_sid: word(row, "workspace_sid")?,
        task_sid: word(row, "task_sid")?,
        transfer_mode: word(row, "transfer_mode")?,
        transfer_to: if to_a_queue {
            TransferTarget::Queue(word(row, "transfer_to")?)
        } else {
            TransferTarget::Worker(word(row, "transfer_to")?)
        },
        transfer_status: word(row, "transfer_status")?,
        transfer_failed_reason: text_if(row, "transfer_failed_reason")?,
        initiating_reservation_sid: word(row, "initiating_reservation_sid")?,
        initiating_worker_sid: word(row, "initiating_worker_sid")?,
        initiating_queue_sid: word_if(row, "initiating_queue_sid")?,
        initiating_workflow_sid: word_if(row, "initiating_workflow_sid")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

const SELECT: &str = "SELECT * FROM transfers WHERE";

/// In no list, so that nobody asks for its place.
pub(super) const DELETE: [&str; 1] = ["DELETE FROM transfers WHERE sid = $1"];
