//! Calls.

use model::{AccountSid, AnsweredBy, Call, CallSid, CallStatus, Timestamp};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::column::{number, storable, text, text_if, time, time_if, word, word_if};
use crate::select::Select;
use crate::{Page, Rows, Span, Store, StoreError};

/// Which calls to list; what is `None` or open does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Called address.
    pub to: Option<String>,
    /// Calling address.
    pub from: Option<String>,
    /// The call that dialled it.
    pub parent_call_sid: Option<CallSid>,
    /// State.
    pub status: Option<CallStatus>,
    /// When it started.
    pub started: Span,
    /// When it ended.
    pub ended: Span,
}

impl Store {
    /// The call of that SID, if it is this account's.
    pub async fn call(&self, account: AccountSid, sid: CallSid) -> Result<Option<Call>, StoreError> {
        Select::new("SELECT * FROM calls WHERE deleted = 0")
            .push(" AND account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, decode)
            .await
    }

    /// This account's calls.
    pub async fn calls(&self, account: AccountSid, filter: &CallFilter, page: Page) -> Result<Rows<Call>, StoreError> {
        Select::new("SELECT * FROM calls WHERE deleted = 0")
            .push(" AND account_sid = ", account.to_string())
            .push_if(" AND to_address = ", filter.to.clone())
            .push_if(" AND from_address = ", filter.from.clone())
            .push_if(" AND parent_call_sid = ", filter.parent_call_sid.map(|sid| sid.to_string()))
            .push_if(" AND status = ", filter.status.map(|status| status.to_string()))
            .within(" AND started >= ", " AND started < ", filter.started)
            .within(" AND ended >= ", " AND ended < ", filter.ended)
            .page(page, &self.readers, decode)
            .await
    }

    /// Where the call of that SID stands in the list, deleted or not, so that a page can start from it.
    pub async fn call_seq(&self, account: AccountSid, sid: CallSid) -> Result<Option<i64>, StoreError> {
        Select::new("SELECT seq FROM calls WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, |row| number(row, "seq"))
            .await
    }

    /// Deletes a call that is over; false if there is no such call, or it is not over.
    ///
    /// Its place in the list stays, without anything about anybody, so that pages that start from it keep working.
    pub async fn delete_call(&self, account: AccountSid, sid: CallSid, now: Timestamp) -> Result<bool, StoreError> {
        const DELETE: &str = "UPDATE calls \
            SET deleted = 1, to_address = '', from_address = '', caller_name = NULL, forwarded_from = NULL, \
                leg_stats = NULL, updated = $1 \
            WHERE account_sid = $2 AND sid = $3 AND deleted = 0 AND status NOT IN ('queued', 'ringing', 'in-progress')";
        let done = sqlx::query(DELETE)
            .bind(now.micros())
            .bind(account.to_string())
            .bind(sid.to_string())
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}

/// Writes the call as it is now. A deleted one stays deleted.
pub(crate) async fn save(call: &Call, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    const SAVE: &str = "INSERT INTO calls (sid, account_sid, parent_call_sid, to_address, from_address, caller_name, \
            status, direction, created, updated, started, answered, ended, seq, phone_number_sid, forwarded_from, \
            answered_by) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
        ON CONFLICT (sid) DO UPDATE SET parent_call_sid = excluded.parent_call_sid, \
            to_address = excluded.to_address, from_address = excluded.from_address, \
            caller_name = excluded.caller_name, status = excluded.status, direction = excluded.direction, \
            updated = excluded.updated, started = excluded.started, answered = excluded.answered, \
            ended = excluded.ended, phone_number_sid = excluded.phone_number_sid, \
            forwarded_from = excluded.forwarded_from, answered_by = excluded.answered_by \
        WHERE calls.deleted = 0";
    sqlx::query(SAVE)
        .bind(call.sid.to_string())
        .bind(call.account_sid.to_string())
        .bind(call.parent_call_sid.map(|sid| sid.to_string()))
        .bind(storable(&call.to, "calls.to_address")?)
        .bind(storable(&call.from, "calls.from_address")?)
        .bind(call.caller_name.as_deref().map(|name| storable(name, "calls.caller_name")).transpose()?)
        .bind(call.status.as_str())
        .bind(call.direction.as_str())
        .bind(call.created.micros())
        .bind(call.updated.micros())
        .bind(call.started.map(Timestamp::micros))
        .bind(call.answered.map(Timestamp::micros))
        .bind(call.ended.map(Timestamp::micros))
        .bind(call.seq)
        .bind(call.phone_number_sid.map(|sid| sid.to_string()))
        .bind(call.forwarded_from.as_deref().map(|from| storable(from, "calls.forwarded_from")).transpose()?)
        .bind(call.answered_by.map(AnsweredBy::as_str))
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) fn decode(row: &SqliteRow) -> Result<Call, StoreError> {
    Ok(Call {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        parent_call_sid: word_if(row, "parent_call_sid")?,
        to: text(row, "to_address")?,
        from: text(row, "from_address")?,
        caller_name: text_if(row, "caller_name")?,
        phone_number_sid: word_if(row, "phone_number_sid")?,
        forwarded_from: text_if(row, "forwarded_from")?,
        answered_by: word_if(row, "answered_by")?,
        status: word(row, "status")?,
        direction: word(row, "direction")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        started: time_if(row, "started")?,
        answered: time_if(row, "answered")?,
        ended: time_if(row, "ended")?,
        seq: number(row, "seq")?,
    })
}

#[cfg(test)]
mod tests {
    use model::PhoneNumberSid;

    use super::*;
    use crate::testing::{ACCOUNT, call, open};
    use crate::{Position, Row};

    const NEWEST: Page = Page { size: 50, position: Position::Offset(0) };

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp::from_micros(seconds * 1_000_000))
    }

    /// Calls 0 to 9, one a second; every third was placed by call 0, call 9 is over.
    async fn ten_calls() -> (tempfile::TempDir, Store) {
        let (scratch, store) = open().await;
        for number in 0..10 {
            let mut row = call(number);
            row.to = format!("sip:{}@bridge.test", if number % 2 == 0 { "even" } else { "odd" });
            row.parent_call_sid = (number % 3 == 1).then(|| call(0).sid);
            if number == 9 {
                (row.status, row.ended) = (CallStatus::Completed, at(20));
            }
            store.commit(&[Row::Call(row)]).await.expect("writes");
        }
        (scratch, store)
    }

    fn numbers(rows: &Rows<Call>) -> Vec<i64> {
        rows.rows.iter().map(|call| call.seq - 1).collect()
    }

    #[tokio::test]
    async fn each_filter_keeps_what_it_names() {
        let (_scratch, store) = ten_calls().await;
        let none = CallFilter::default;
        for (case, filter, want) in [
            ("none", none(), vec![9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
            ("to", CallFilter { to: Some("sip:odd@bridge.test".to_owned()), ..none() }, vec![9, 7, 5, 3, 1]),
            ("from nobody", CallFilter { from: Some("sip:ben@phone.test".to_owned()), ..none() }, vec![]),
            ("parent", CallFilter { parent_call_sid: Some(call(0).sid), ..none() }, vec![7, 4, 1]),
            ("status", CallFilter { status: Some(CallStatus::Completed), ..none() }, vec![9]),
            ("started from", CallFilter { started: Span { from: at(8), until: None }, ..none() }, vec![9, 8]),
            ("started until", CallFilter { started: Span { from: None, until: at(2) }, ..none() }, vec![1, 0]),
            ("ended", CallFilter { ended: Span { from: at(20), until: at(21) }, ..none() }, vec![9]),
            (
                "two at once",
                CallFilter {
                    to: Some("sip:odd@bridge.test".to_owned()),
                    started: Span { from: at(3), until: at(7) },
                    ..none()
                },
                vec![5, 3],
            ),
        ] {
            let rows = store.calls(ACCOUNT, &filter, NEWEST).await.expect("reads");
            assert_eq!((numbers(&rows), rows.more), (want, false), "{case}");
        }
        let other = AccountSid::from_bits(7);
        assert_eq!(store.calls(other, &none(), NEWEST).await.expect("reads").rows, []);
        assert_eq!(store.call(other, call(0).sid).await.expect("reads"), None);
    }

    #[tokio::test]
    async fn pages_hold_their_place_while_rows_arrive_and_go() {
        let (_scratch, store) = ten_calls().await;
        let page = async |position| {
            let rows = store.calls(ACCOUNT, &CallFilter::default(), Page { size: 4, position }).await.expect("reads");
            (numbers(&rows), rows.more)
        };
        assert_eq!(page(Position::Offset(0)).await, (vec![9, 8, 7, 6], true));
        assert_eq!(page(Position::Offset(8)).await, (vec![1, 0], false));
        assert_eq!(page(Position::Offset(u64::MAX)).await, (vec![], false));

        let seq = store.call_seq(ACCOUNT, call(6).sid).await.expect("reads").expect("is there");
        store.commit(&[Row::Call(call(10))]).await.expect("writes");
        assert_eq!(page(Position::After(seq)).await, (vec![5, 4, 3, 2], true));
        assert_eq!(page(Position::Before(seq - 1)).await, (vec![9, 8, 7, 6], true));
        assert_eq!(page(Position::Before(11)).await, (vec![], true));

        let mut over = call(6);
        (over.status, over.ended) = (CallStatus::Completed, at(30));
        store.commit(&[Row::Call(over.clone())]).await.expect("writes");
        assert!(store.delete_call(ACCOUNT, over.sid, Timestamp::from_micros(1)).await.expect("deletes"));
        assert_eq!(store.call_seq(ACCOUNT, over.sid).await.expect("reads"), Some(seq), "a page can still start there");
        assert_eq!(page(Position::Before(seq - 1)).await, (vec![10, 9, 8, 7], true));
    }

    #[tokio::test]
    async fn only_a_call_that_is_over_can_be_deleted_and_it_stays_deleted() {
        let (_scratch, store) = ten_calls().await;
        let now = Timestamp::from_micros(1);
        let over = store.call(ACCOUNT, call(9).sid).await.expect("reads").expect("is there");
        assert!(!store.delete_call(ACCOUNT, call(8).sid, now).await.expect("runs"), "in progress");
        assert!(store.delete_call(ACCOUNT, over.sid, now).await.expect("runs"), "over");
        assert!(!store.delete_call(ACCOUNT, over.sid, now).await.expect("runs"), "gone");
        store.commit(&[Row::Call(over.clone())]).await.expect("writes");
        assert_eq!(store.call(ACCOUNT, over.sid).await.expect("reads"), None);
    }

    #[tokio::test]
    async fn what_is_known_of_a_call_comes_back() {
        let (_scratch, store) = open().await;
        let known = Call {
            phone_number_sid: Some(PhoneNumberSid::from_bits(1)),
            forwarded_from: Some("+15005550002".to_owned()),
            answered_by: Some(AnsweredBy::MachineEndBeep),
            caller_name: Some("Ana".to_owned()),
            ..call(0)
        };
        for row in [call(0), known] {
            store.commit(&[Row::Call(row.clone())]).await.expect("writes");
            assert_eq!(store.call(ACCOUNT, row.sid).await.expect("reads"), Some(row));
        }
    }

    #[tokio::test]
    async fn every_filter_is_answered_from_an_index() {
        let (_scratch, store) = open().await;
        for (filter, index) in [
            ("to_address = 'x' ORDER BY seq DESC", "calls_by_to"),
            ("from_address = 'x' ORDER BY seq DESC", "calls_by_from"),
            ("parent_call_sid = 'x' ORDER BY seq DESC", "calls_by_parent"),
            ("status = 'x' ORDER BY seq DESC", "calls_by_status"),
            ("seq < 5 ORDER BY seq DESC", "calls_by_seq"),
            ("started >= 1 AND started < 2 ORDER BY seq DESC", "calls_by_start"),
            ("ended >= 1 AND ended < 2 ORDER BY seq DESC", "calls_by_end"),
        ] {
            let sql = format!("EXPLAIN QUERY PLAN SELECT * FROM calls WHERE account_sid = 'a' AND {filter} LIMIT 50");
            let plan = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&store.readers).await.expect("explains");
            let plan: Vec<String> = plan.iter().map(|row| text(row, "detail").expect("has a detail")).collect();
            // A stretch of time is found by its index, and what is in it sorted.
            let sorted = plan.len() == 2 && plan[1].contains("ORDER BY") && filter.contains(">=");
            assert!((plan.len() == 1 || sorted) && plan[0].contains(index), "{filter}: {plan:?}");
        }
    }
}
