//! What a leg did, as it is kept: with its call, and with the event of its leaving.

use std::collections::BTreeMap;

use model::{AccountSid, CallSid, LegStats};
use sqlx::SqliteConnection;

use crate::column::text_if;
use crate::select::Select;
use crate::{Store, StoreError};

impl Store {
    /// What the leg of that call did, if the call is this account's, is over, and had one.
    pub async fn leg_stats(&self, account: AccountSid, call: CallSid) -> Result<Option<LegStats>, StoreError> {
        let kept = Select::new("SELECT leg_stats, seq FROM calls WHERE deleted = 0")
            .push(" AND account_sid = ", account.to_string())
            .push(" AND sid = ", call.to_string())
            .first(&self.readers, |row| text_if(row, "leg_stats"))
            .await?;
        kept.flatten().map(|text| decode(text, "calls.leg_stats")).transpose()
    }
}

/// Keeps the numbers with the call. A deleted one keeps nothing.
pub(crate) async fn save(call: CallSid, stats: &LegStats, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    const SAVE: &str = "UPDATE calls SET leg_stats = $1 WHERE sid = $2 AND deleted = 0";
    sqlx::query(SAVE).bind(encode(stats)).bind(call.to_string()).execute(connection).await?;
    Ok(())
}

/// Numbers by their names, but for those that are 0.
pub(crate) fn encode(stats: &LegStats) -> String {
    let numbers: BTreeMap<_, _> = stats.numbers().filter(|(_, number)| *number != 0).collect();
    serde_json::to_string(&numbers).expect("numbers by texts cannot fail to serialize")
}

pub(crate) fn decode(text: String, column: &'static str) -> Result<LegStats, StoreError> {
    let numbers: BTreeMap<&str, i64> =
        serde_json::from_str(&text).map_err(|_| StoreError::Unreadable { column, value: text.clone() })?;
    Ok(LegStats::from_numbers(numbers))
}

#[cfg(test)]
mod tests {
    use model::{CallStatus, Timestamp};

    use super::*;
    use crate::Row;
    use crate::testing::{ACCOUNT, call, open};

    #[tokio::test]
    async fn numbers_stay_with_their_call_until_it_is_deleted() {
        let (_scratch, store) = open().await;
        let (sid, stats) = (call(0).sid, LegStats { packets_in: 7, drift_ppm: -3, ..LegStats::default() });
        let kept = async || store.leg_stats(ACCOUNT, sid).await.expect("reads");
        store.commit(&[Row::LegStats(sid, stats)]).await.expect("writes");
        assert_eq!(kept().await, None, "no call, nothing to keep it with");
        let mut over = call(0);
        (over.status, over.ended) = (CallStatus::Completed, over.started);
        store.commit(&[Row::Call(call(0))]).await.expect("writes");
        assert_eq!(kept().await, None);
        store.commit(&[Row::LegStats(sid, stats), Row::Call(over.clone())]).await.expect("writes");
        assert_eq!(kept().await, Some(stats), "the call's own row leaves them alone");
        assert_eq!(store.leg_stats(AccountSid::from_bits(7), sid).await.expect("reads"), None);
        assert!(store.delete_call(ACCOUNT, sid, Timestamp::from_micros(1)).await.expect("deletes"));
        store.commit(&[Row::LegStats(sid, stats)]).await.expect("writes");
        assert_eq!(kept().await, None);
    }
}
