//! Workflows.

use model::{AccountSid, FormerConfiguration, Workflow, WorkflowSid, WorkspaceSid};
use sqlx::sqlite::SqliteRow;

use super::{ListPage, within};
use crate::column::{narrow, number, span, text, text_if, time, word};
use crate::directory::upsert::Upsert;
use crate::{Rows, Store, StoreError};

impl Store {
    /// The one of that SID, if it is in this workspace.
    pub async fn workflow(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: WorkflowSid,
    ) -> Result<Option<Workflow>, StoreError> {
        within(SELECT, account, workspace).push(" AND sid = ", sid.to_string()).first(&self.readers, decode).await
    }

    /// This workspace's, of all names or of one, byte for byte.
    pub async fn workflows(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        friendly_name: Option<String>,
        page: &ListPage,
    ) -> Result<Rows<Workflow>, StoreError> {
        within(SELECT, account, workspace)
            .push_if(" AND friendly_name = ", friendly_name)
            .list(page, &self.readers, decode)
            .await
    }

    /// Where the one of that SID stands or stood in the list.
    pub async fn workflow_seq(
        &self,
        account: AccountSid,
        workspace: WorkspaceSid,
        sid: WorkflowSid,
    ) -> Result<Option<i64>, StoreError> {
        let select = within("SELECT seq FROM workflows WHERE", account, workspace).push(" AND sid = ", sid.to_string());
        self.routing_place(select, sid.to_string()).await
    }
}

pub(super) fn upsert(row: &Workflow) -> Result<Upsert, StoreError> {
    let upsert = Upsert::into("workflows", "sid")
        .word("sid", row.sid)
        .word("account_sid", row.account_sid)
        .word("workspace_sid", row.workspace_sid)
        .text("friendly_name", &row.friendly_name)?
        .text("configuration", &row.configuration)?
        .number("revision", row.revision)
        .number("anew_from", row.anew_from)
        .text("former", &encode_former(&row.former))?
        .text_if("assignment_callback_url", row.assignment_callback_url.as_deref())?
        .text_if("fallback_assignment_callback_url", row.fallback_assignment_callback_url.as_deref())?
        .span("task_reservation_timeout", row.task_reservation_timeout)
        .times(row.created, row.updated, row.seq);
    Ok(upsert)
}

pub(super) fn decode(row: &SqliteRow) -> Result<Workflow, StoreError> {
    Ok(Workflow {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        workspace_sid: word(row, "workspace_sid")?,
        friendly_name: text(row, "friendly_name")?,
        configuration: text(row, "configuration")?,
        revision: narrow(row, "revision")?,
        anew_from: narrow(row, "anew_from")?,
        former: decode_former(text(row, "former")?)?,
        assignment_callback_url: text_if(row, "assignment_callback_url")?,
        fallback_assignment_callback_url: text_if(row, "fallback_assignment_callback_url")?,
        task_reservation_timeout: span(row, "task_reservation_timeout")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

fn encode_former(former: &[FormerConfiguration]) -> String {
    let pairs: Vec<_> = former.iter().map(|former| (former.revision, &former.configuration)).collect();
    serde_json::to_string(&pairs).expect("numbers and texts cannot fail to serialize")
}

fn decode_former(text: String) -> Result<Vec<FormerConfiguration>, StoreError> {
    let pairs: Vec<(u32, String)> =
        serde_json::from_str(&text).map_err(|_| StoreError::Unreadable { column: "former", value: text })?;
    let former = pairs.into_iter().map(|(revision, configuration)| FormerConfiguration { revision, configuration });
    Ok(former.collect())
}

const SELECT: &str = "SELECT * FROM workflows WHERE";

/// Keeps its place, and forgets the rest.
pub(super) const DELETE: [&str; 2] = [
    "INSERT INTO routing_places (sid, seq, deletion) \
        SELECT sid, seq, (SELECT COALESCE(MAX(deletion), 0) FROM routing_places) + 1 FROM workflows WHERE sid = $1 \
        ON CONFLICT (sid) DO NOTHING",
    "DELETE FROM workflows WHERE sid = $1",
];
