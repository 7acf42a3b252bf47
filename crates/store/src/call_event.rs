//! What was asked of whom in calls, oldest first, and no more than [`CALL_EVENTS_MAX`].

use std::time::Duration;

use model::{AccountSid, CallEvent, CallSid};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use crate::column::{number, number_if, storable, text, time, word};
use crate::insert::{Bindings, Insert};
use crate::select::Select;
use crate::{Page, Rows, Store, StoreError};

impl Store {
    /// What was asked in a call of this account, oldest first, each with its place.
    pub async fn call_events(
        &self,
        account: AccountSid,
        call: CallSid,
        page: Page,
    ) -> Result<Rows<(i64, CallEvent)>, StoreError> {
        Select::new("SELECT * FROM call_events WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND call_sid = ", call.to_string())
            .page_oldest_first(page, &self.readers, |row| Ok((number(row, "seq")?, decode(row)?)))
            .await
    }
}

/// Adds them behind all others.
pub(crate) async fn save(events: &[&CallEvent], connection: &mut SqliteConnection) -> Result<(), StoreError> {
    const LAST: &str = "SELECT COALESCE(MAX(seq), 0) AS seq FROM call_events";
    static SAVE: Insert = Insert::new(
        "INSERT INTO call_events (seq, account_sid, call_sid, request_method, request_url, request_form, \
            response_status, response_type, response_body, created, duration) VALUES",
        11,
        "",
    );
    if events.is_empty() {
        return Ok(());
    }
    let last: i64 = sqlx::query(LAST).fetch_one(&mut *connection).await?.try_get("seq")?;
    let events: Vec<_> = (last + 1..).zip(events.iter().copied()).collect();
    fn bind<'q>(row: Bindings<'q>, (seq, event): &'q (i64, &CallEvent)) -> Result<Bindings<'q>, StoreError> {
        Ok(row
            .bind(*seq)
            .bind(event.account_sid.to_string())
            .bind(event.call_sid.to_string())
            .bind(storable(&event.method, "call_events.request_method")?)
            .bind(storable(&event.url, "call_events.request_url")?)
            .bind(storable(&event.parameters, "call_events.request_form")?)
            .bind(event.status.map(i64::from))
            .bind(storable(&event.content_type, "call_events.response_type")?)
            .bind(storable(&event.body, "call_events.response_body")?)
            .bind(event.at.micros())
            .bind(i64::try_from(event.duration.as_micros()).unwrap_or(i64::MAX)))
    }
    SAVE.run(&events, connection, bind).await
}

/// Removes the oldest beyond the bound; none was ever left out of the count.
pub(crate) async fn prune(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    const PRUNE: &str = "DELETE FROM call_events WHERE seq <= (SELECT MAX(seq) FROM call_events) - $1";
    sqlx::query(PRUNE).bind(CALL_EVENTS_MAX).execute(connection).await?;
    Ok(())
}

fn decode(row: &SqliteRow) -> Result<CallEvent, StoreError> {
    Ok(CallEvent {
        account_sid: word(row, "account_sid")?,
        call_sid: word(row, "call_sid")?,
        method: text(row, "request_method")?,
        url: text(row, "request_url")?,
        parameters: text(row, "request_form")?,
        status: number_if(row, "response_status")?.and_then(|status| status.try_into().ok()),
        content_type: text(row, "response_type")?,
        body: text(row, "response_body")?,
        at: time(row, "created")?,
        duration: Duration::from_micros(number(row, "duration")?.try_into().unwrap_or(0)),
    })
}

/// Events kept of all calls together; past that the oldest go.
pub const CALL_EVENTS_MAX: i64 = 200_000;

#[cfg(test)]
mod tests {
    use model::Timestamp;
    use sqlx::Executor as _;

    use super::*;
    use crate::testing::{ACCOUNT, call, open};
    use crate::{Position, Row};

    fn event(number: i64) -> CallEvent {
        CallEvent {
            account_sid: ACCOUNT,
            call_sid: call(0).sid,
            method: "POST".to_owned(),
            url: "https://app.test/voice".to_owned(),
            parameters: format!("N={number}"),
            status: (number > 1).then_some(200),
            content_type: "text/xml".to_owned(),
            body: "<Response/>".to_owned(),
            at: Timestamp::from_micros(number),
            duration: Duration::from_millis(5),
        }
    }

    #[tokio::test]
    async fn a_calls_events_are_paged_oldest_first() {
        let (_scratch, store) = open().await;
        let mut rows: Vec<_> = (1..=5).map(event).map(Row::CallEvent).collect();
        let mut other = event(9);
        other.call_sid = call(1).sid;
        rows.insert(2, Row::CallEvent(other));
        store.commit(&rows).await.expect("writes");
        let page = async |position| {
            let page = Page { size: 2, position };
            let rows = store.call_events(ACCOUNT, call(0).sid, page).await.expect("reads");
            (rows.rows.iter().map(|(seq, event)| (*seq, event.at.micros())).collect::<Vec<_>>(), rows.more)
        };
        assert_eq!(page(Position::Offset(0)).await, (vec![(1, 1), (2, 2)], true));
        assert_eq!(page(Position::Offset(4)).await, (vec![(6, 5)], false));
        assert_eq!(page(Position::After(2)).await, (vec![(4, 3), (5, 4)], true));
        assert_eq!(page(Position::After(5)).await, (vec![(6, 5)], false));
        assert_eq!(page(Position::Before(5)).await, (vec![(2, 2), (4, 3)], true));
        let whole = Page { size: 9, position: Position::Offset(0) };
        let all = store.call_events(ACCOUNT, call(0).sid, whole).await.expect("reads").rows;
        assert_eq!(all.into_iter().map(|(_, event)| event).collect::<Vec<_>>(), (1..=5).map(event).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn beyond_the_bound_the_oldest_go() {
        let (_scratch, store) = open().await;
        store.commit(&[Row::CallEvent(event(1)), Row::CallEvent(event(2))]).await.expect("writes");
        let far = CALL_EVENTS_MAX + 1;
        let sql = sqlx::AssertSqlSafe(format!("UPDATE call_events SET seq = {far} WHERE seq = 2"));
        store.writer.execute(sqlx::query(sql)).await.expect("writes");
        prune(&mut store.writer.acquire().await.expect("the one there is")).await.expect("prunes");
        let page = Page { size: 9, position: Position::Offset(0) };
        let left = store.call_events(ACCOUNT, call(0).sid, page).await.expect("reads").rows;
        assert_eq!(left.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [far]);
    }
}
