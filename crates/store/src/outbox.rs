//! The outbox: what applications are yet to be told. A row is there as long as it is open, whatever happens to us.

use model::{AccountSid, CallSid, CallbackKind, HttpMethod, Timestamp};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::column::{flag, number, number_if, storable, text, time, word, word_if};
use crate::select::Select;
use crate::{Rows, Store, StoreError};

/// One callback that nobody has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCallback {
    /// Its place among all callbacks.
    pub seq: i64,
    /// The entry of the log that it tells of; `None` where it tells of none.
    pub event: Option<i64>,
    /// Random, and always the same.
    pub id: u128,
    /// What one host is told of one lane is sent in its order, one at a time.
    pub lane: String,
    /// Whose token signs it.
    pub account_sid: AccountSid,
    /// The call it is about, if it is about one.
    pub call_sid: Option<CallSid>,
    /// What it is about.
    pub kind: CallbackKind,
    /// As the application wrote it.
    pub url: String,
    /// How to send it.
    pub method: HttpMethod,
    /// As it is sent.
    pub body: String,
    /// The body is JSON, and no form.
    pub is_json: bool,
    /// When it came about.
    pub created: Timestamp,
}

impl Store {
    /// The open callbacks after `seq`, oldest first, at most `limit`.
    pub async fn open_callbacks(&self, seq: i64, limit: u32) -> Result<Rows<OpenCallback>, StoreError> {
        Select::new("SELECT * FROM outbox WHERE 1 = 1").next_after(seq, limit, &self.readers, decode).await
    }
}

/// Adds one.
pub(crate) async fn save(callback: &OpenCallback, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    const SAVE: &str = "INSERT INTO outbox (seq, id, lane, account_sid, call_sid, kind, url, method, body, json, created, \
        event) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    sqlx::query(SAVE)
        .bind(callback.seq)
        .bind(format!("{:032x}", callback.id))
        .bind(storable(&callback.lane, "outbox.lane")?)
        .bind(callback.account_sid.to_string())
        .bind(callback.call_sid.map(|sid| sid.to_string()))
        .bind(callback.kind.as_str())
        .bind(storable(&callback.url, "outbox.url")?)
        .bind(callback.method.as_str())
        .bind(storable(&callback.body, "outbox.body")?)
        .bind(i64::from(callback.is_json))
        .bind(callback.created.micros())
        .bind(callback.event)
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes one out; it may be gone already.
pub(crate) async fn close(id: u128, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    const CLOSE: &str = "DELETE FROM outbox WHERE id = $1";
    sqlx::query(CLOSE).bind(format!("{id:032x}")).execute(connection).await?;
    Ok(())
}

fn decode(row: &SqliteRow) -> Result<OpenCallback, StoreError> {
    let id = text(row, "id")?;
    Ok(OpenCallback {
        seq: number(row, "seq")?,
        event: number_if(row, "event")?,
        id: u128::from_str_radix(&id, 16).map_err(|_| StoreError::Unreadable { column: "id", value: id.clone() })?,
        lane: text(row, "lane")?,
        account_sid: word(row, "account_sid")?,
        call_sid: word_if(row, "call_sid")?,
        kind: word(row, "kind")?,
        url: text(row, "url")?,
        method: word(row, "method")?,
        body: text(row, "body")?,
        is_json: flag(row, "json")?,
        created: time(row, "created")?,
    })
}

#[cfg(test)]
mod tests {
    use crate::Row;
    use crate::testing::{call, callback, open};

    #[tokio::test]
    async fn what_is_open_is_read_in_order_until_it_is_closed() {
        let (_scratch, store) = open().await;
        let rows: Vec<_> = (1..=3).map(callback).collect();
        // With the rows of its event, or not at all.
        let mut bad = call(0);
        bad.to = "nul\0".to_owned();
        assert!(store.commit(&[Row::Callback(rows[0].clone()), Row::Call(bad)]).await.is_err());
        assert_eq!(store.open_callbacks(0, 10).await.expect("reads").rows, []);

        store.commit(&rows.iter().cloned().map(Row::Callback).collect::<Vec<_>>()).await.expect("writes");
        let page = store.open_callbacks(0, 2).await.expect("reads");
        assert_eq!((page.rows.as_slice(), page.more), (&rows[..2], true));
        store.commit(&[Row::CallbackClosed(rows[1].id), Row::CallbackClosed(77)]).await.expect("writes");
        let page = store.open_callbacks(0, 2).await.expect("reads");
        assert_eq!((page.rows, page.more), (vec![rows[0].clone(), rows[2].clone()], false));
        assert_eq!(store.open_callbacks(rows[0].seq, 2).await.expect("reads").rows, rows[2..]);
    }
}
