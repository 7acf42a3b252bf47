//! Statistics: the figures of what happened, for a restart to go on from.

use model::StatisticsBucket;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::column::{flag, text, time, word};
use crate::directory::upsert::Upsert;
use crate::select::Select;
use crate::{Store, StoreError};

impl Store {
    /// Every bucket of every workspace, for the switch to start with.
    pub async fn statistics(&self) -> Result<Vec<StatisticsBucket>, StoreError> {
        Select::new(EVERY_BUCKET).all(&self.readers, decode).await
    }
}

/// Writes the bucket as it is now, or deletes it.
pub(crate) async fn save(row: &StatisticsBucket, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    const DELETE: &str =
        "DELETE FROM statistics_buckets WHERE scope_sid = $1 AND task_channel_sid = $2 AND begins = $3";
    let channel = row.task_channel_sid.map(|sid| sid.to_string()).unwrap_or_default();
    let Some(figures) = &row.figures else {
        let delete = sqlx::query(DELETE).bind(row.scope.to_string()).bind(channel).bind(row.begins.micros());
        delete.execute(connection).await?;
        return Ok(());
    };
    let upsert = Upsert::into("statistics_buckets", "scope_sid, task_channel_sid, begins")
        .word("scope_sid", row.scope)
        .word("task_channel_sid", channel)
        .time("begins", row.begins)
        .word("workspace_sid", row.workspace_sid)
        .number("is_hour", row.hour)
        .text("figures", figures)?;
    upsert.execute(connection).await
}

fn decode(row: &SqliteRow) -> Result<StatisticsBucket, StoreError> {
    let has_channel = !text(row, "task_channel_sid")?.is_empty();
    Ok(StatisticsBucket {
        workspace_sid: word(row, "workspace_sid")?,
        scope: word(row, "scope_sid")?,
        task_channel_sid: if has_channel { Some(word(row, "task_channel_sid")?) } else { None },
        begins: time(row, "begins")?,
        hour: flag(row, "is_hour")?,
        figures: Some(text(row, "figures")?),
    })
}

const EVERY_BUCKET: &str = "SELECT * FROM statistics_buckets ORDER BY begins";

#[cfg(test)]
mod tests {
    use model::{RoutingKey, StatisticsScope, TaskChannelSid, TaskQueueSid, Timestamp, WorkerSid, WorkspaceSid};

    use super::*;
    use crate::Row;
    use crate::testing::open;

    #[tokio::test]
    async fn figures_are_kept_until_they_are_too_old_or_their_workspace_is_gone() {
        let (_scratch, store) = open().await;
        let workspace = WorkspaceSid::from_bits(1);
        let bucket = |scope, minute: i64| StatisticsBucket {
            workspace_sid: workspace,
            scope,
            task_channel_sid: Some(TaskChannelSid::from_bits(1)),
            begins: Timestamp::from_micros(minute * 60_000_000),
            hour: false,
            figures: Some(format!("{minute}")),
        };
        let queue = StatisticsScope::TaskQueue(TaskQueueSid::from_bits(1));
        let all = [
            bucket(StatisticsScope::Workspace(workspace), 1),
            bucket(queue, 2),
            StatisticsBucket {
                task_channel_sid: None,
                hour: true,
                ..bucket(StatisticsScope::Worker(WorkerSid::from_bits(1)), 3)
            },
        ];
        let save = |row: &StatisticsBucket| Row::StatisticsBucket(Box::new(row.clone()));
        store.commit(&all.each_ref().map(save)).await.expect("writes");
        assert_eq!(store.statistics().await.expect("reads"), all);
        let more = StatisticsBucket { figures: Some("more".to_owned()), ..all[0].clone() };
        let gone = StatisticsBucket { figures: None, ..all[1].clone() };
        store.commit(&[save(&more), save(&gone)]).await.expect("writes");
        assert_eq!(store.statistics().await.expect("reads"), [more, all[2].clone()]);
        store.commit(&[Row::RoutingDeleted(RoutingKey::Workspace(workspace))]).await.expect("deletes");
        assert_eq!(store.statistics().await.expect("reads"), []);
    }
}
