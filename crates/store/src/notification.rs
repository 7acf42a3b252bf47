//! Notifications: what went wrong, newest first, and no more than [`NOTIFICATIONS_MAX`].

use std::sync::Arc;
use std::time::Duration;

use model::{AccountSid, CallSid, Exchange, Level, Notification, NotificationSid};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::column::{number, storable, text, text_if, time, word, word_if};
use crate::select::Select;
use crate::{Page, Rows, Span, Store, StoreError};

/// Which notifications to list; what is `None` or open does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotificationFilter {
    /// Of this call.
    pub call_sid: Option<CallSid>,
    /// How bad.
    pub level: Option<Level>,
    /// When.
    pub at: Span,
}

impl Store {
    /// The notification of that SID, if it is this account's.
    pub async fn notification(
        &self,
        account: AccountSid,
        sid: NotificationSid,
    ) -> Result<Option<Notification>, StoreError> {
        Select::new("SELECT * FROM notifications WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, decode)
            .await
    }

    /// This account's notifications.
    pub async fn notifications(
        &self,
        account: AccountSid,
        filter: &NotificationFilter,
        page: Page,
    ) -> Result<Rows<Notification>, StoreError> {
        Select::new("SELECT * FROM notifications WHERE")
            .push(" account_sid = ", account.to_string())
            .push_if(" AND call_sid = ", filter.call_sid.map(|sid| sid.to_string()))
            .push_if(" AND log = ", filter.level.map(|level| level.to_string()))
            .within(" AND created >= ", " AND created < ", filter.at)
            .page(page, &self.readers, decode)
            .await
    }

    /// Where the notification of that SID stands in the list, so that a page can start from it.
    pub async fn notification_seq(&self, account: AccountSid, sid: NotificationSid) -> Result<Option<i64>, StoreError> {
        Select::new("SELECT seq FROM notifications WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, |row| number(row, "seq"))
            .await
    }
}

/// Adds one.
pub(crate) async fn save(notification: &Notification, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    const SAVE: &str = "INSERT INTO notifications (sid, account_sid, call_sid, log, error_code, message, created, seq, \
        request_method, request_url, request_form, response_status, response_headers, response_type, response_body, \
        duration) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
        ON CONFLICT (sid) DO NOTHING";
    let exchange = notification.exchange.as_deref();
    let shown = |text: fn(&Exchange) -> &String, column| exchange.map(|e| storable(text(e), column)).transpose();
    sqlx::query(SAVE)
        .bind(notification.sid.to_string())
        .bind(notification.account_sid.to_string())
        .bind(notification.call_sid.map(|sid| sid.to_string()))
        .bind(notification.level.as_str())
        .bind(i64::from(notification.error_code))
        .bind(storable(&notification.message, "notifications.message")?)
        .bind(notification.at.micros())
        .bind(notification.seq)
        .bind(exchange.map(|exchange| exchange.method.as_str()))
        .bind(shown(|exchange| &exchange.url, "notifications.request_url")?)
        .bind(shown(|exchange| &exchange.parameters, "notifications.request_form")?)
        .bind(exchange.and_then(|exchange| exchange.status).map(i64::from))
        .bind(shown(|exchange| &exchange.headers, "notifications.response_headers")?)
        .bind(shown(|exchange| &exchange.content_type, "notifications.response_type")?)
        .bind(shown(|exchange| &exchange.body, "notifications.response_body")?)
        .bind(exchange.map(|exchange| i64::try_from(exchange.duration.as_micros()).unwrap_or(i64::MAX)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes the oldest beyond the bound.
pub(crate) async fn prune(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    const PRUNE: &str = "DELETE FROM notifications \
        WHERE seq <= (SELECT seq FROM notifications ORDER BY seq DESC LIMIT 1 OFFSET $1)";
    sqlx::query(PRUNE).bind(NOTIFICATIONS_MAX).execute(connection).await?;
    Ok(())
}

fn decode(row: &SqliteRow) -> Result<Notification, StoreError> {
    let of_exchange = |column| text_if(row, column).map(Option::unwrap_or_default);
    let exchange = match word_if(row, "request_method")? {
        None => None,
        Some(method) => Some(Arc::new(Exchange {
            method,
            url: of_exchange("request_url")?,
            parameters: of_exchange("request_form")?,
            status: crate::column::number_if(row, "response_status")?.and_then(|status| status.try_into().ok()),
            headers: of_exchange("response_headers")?,
            content_type: of_exchange("response_type")?,
            body: of_exchange("response_body")?,
            duration: Duration::from_micros(number(row, "duration")?.try_into().unwrap_or(0)),
        })),
    };
    let code = number(row, "error_code")?;
    Ok(Notification {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        call_sid: word_if(row, "call_sid")?,
        level: word(row, "log")?,
        error_code: code
            .try_into()
            .map_err(|_| StoreError::Unreadable { column: "error_code", value: code.to_string() })?,
        message: text(row, "message")?,
        exchange,
        at: time(row, "created")?,
        seq: number(row, "seq")?,
    })
}

/// Notifications kept; past that the oldest go.
pub const NOTIFICATIONS_MAX: i64 = 100_000;

#[cfg(test)]
mod tests {
    use model::{HttpMethod, Timestamp};

    use super::*;
    use crate::testing::{ACCOUNT, call, open};
    use crate::{Position, Row};

    fn notification(number: i64, exchange: bool) -> Notification {
        let exchange = exchange.then(|| {
            Arc::new(Exchange {
                method: HttpMethod::Post,
                url: "https://app.test/voice".to_owned(),
                parameters: "CallSid=CA1".to_owned(),
                status: Some(500),
                headers: "server=x".to_owned(),
                content_type: "text/html".to_owned(),
                body: "oops".to_owned(),
                duration: Duration::from_millis(12),
            })
        });
        Notification {
            sid: NotificationSid::from_bits(number.unsigned_abs().into()),
            account_sid: ACCOUNT,
            call_sid: (number % 2 == 0).then(|| call(1).sid),
            level: if number % 3 == 0 { Level::Warning } else { Level::Error },
            error_code: 11_200,
            message: "no answer".to_owned(),
            exchange,
            at: Timestamp::from_micros(number),
            seq: number,
        }
    }

    #[tokio::test]
    async fn notifications_are_listed_newest_first_by_what_is_asked() {
        let (_scratch, store) = open().await;
        let all: Vec<_> = (1..=6).map(|n| notification(n, n > 3)).collect();
        store.commit(&all.iter().cloned().map(Row::Notification).collect::<Vec<_>>()).await.expect("writes");
        for (case, filter, want) in [
            ("all", NotificationFilter::default(), &[6, 5, 4, 3, 2, 1][..]),
            ("of a call", NotificationFilter { call_sid: Some(call(1).sid), ..Default::default() }, &[6, 4, 2]),
            ("warnings", NotificationFilter { level: Some(Level::Warning), ..Default::default() }, &[6, 3]),
            (
                "of a time",
                NotificationFilter {
                    at: Span { from: Some(Timestamp::from_micros(2)), until: Some(Timestamp::from_micros(4)) },
                    ..Default::default()
                },
                &[3, 2],
            ),
        ] {
            let page = Page { size: 10, position: Position::Offset(0) };
            let rows = store.notifications(ACCOUNT, &filter, page).await.expect("reads").rows;
            assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), want, "{case}");
        }
        for want in all {
            assert_eq!(store.notification_seq(ACCOUNT, want.sid).await.expect("reads"), Some(want.seq));
            assert_eq!(store.notification(ACCOUNT, want.sid).await.expect("reads"), Some(want));
        }
        let other = AccountSid::from_bits(1);
        assert_eq!(store.notification(other, NotificationSid::from_bits(1)).await.expect("reads"), None);
    }
}
