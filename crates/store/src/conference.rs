//! Conferences.

use model::{AccountSid, Conference, ConferenceSid, ConferenceStatus};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::column::{number, storable, text, time, word, word_if};
use crate::select::Select;
use crate::{Page, Rows, Span, Store, StoreError};

/// Which conferences to list; what is `None` or open does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConferenceFilter {
    /// Name, byte for byte.
    pub friendly_name: Option<String>,
    /// State.
    pub status: Option<ConferenceStatus>,
    /// When it was made.
    pub created: Span,
    /// When it last changed.
    pub updated: Span,
}

impl Store {
    /// The conference of that SID, if it is this account's.
    pub async fn conference(&self, account: AccountSid, sid: ConferenceSid) -> Result<Option<Conference>, StoreError> {
        Select::new("SELECT * FROM conferences WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, decode)
            .await
    }

    /// The one conference of that name that is not over.
    pub async fn conference_named(&self, account: AccountSid, name: &str) -> Result<Option<Conference>, StoreError> {
        Select::new("SELECT * FROM conferences WHERE status <> 'completed'")
            .push(" AND account_sid = ", account.to_string())
            .push(" AND friendly_name = ", name.to_owned())
            .first(&self.readers, decode)
            .await
    }

    /// This account's conferences.
    pub async fn conferences(
        &self,
        account: AccountSid,
        filter: &ConferenceFilter,
        page: Page,
    ) -> Result<Rows<Conference>, StoreError> {
        Select::new("SELECT * FROM conferences WHERE")
            .push(" account_sid = ", account.to_string())
            .push_if(" AND friendly_name = ", filter.friendly_name.clone())
            .push_if(" AND status = ", filter.status.map(|status| status.to_string()))
            .within(" AND created >= ", " AND created < ", filter.created)
            .within(" AND updated >= ", " AND updated < ", filter.updated)
            .page(page, &self.readers, decode)
            .await
    }

    /// Where the conference of that SID stands in the list, so that a page can start from it.
    pub async fn conference_seq(&self, account: AccountSid, sid: ConferenceSid) -> Result<Option<i64>, StoreError> {
        Select::new("SELECT seq FROM conferences WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, |row| number(row, "seq"))
            .await
    }
}

/// Writes the conference as it is now.
pub(crate) async fn save(conference: &Conference, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    const SAVE: &str = "INSERT INTO conferences (sid, account_sid, friendly_name, status, region, reason_ended, \
            call_sid_ending, created, updated, seq) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
        ON CONFLICT (sid) DO UPDATE SET status = excluded.status, region = excluded.region, \
            reason_ended = excluded.reason_ended, call_sid_ending = excluded.call_sid_ending, \
            updated = excluded.updated";
    sqlx::query(SAVE)
        .bind(conference.sid.to_string())
        .bind(conference.account_sid.to_string())
        .bind(storable(&conference.friendly_name, "conferences.friendly_name")?)
        .bind(conference.status.as_str())
        .bind(storable(&conference.region, "conferences.region")?)
        .bind(conference.reason_ended.map(|reason| reason.as_str()))
        .bind(conference.call_sid_ending.map(|sid| sid.to_string()))
        .bind(conference.created.micros())
        .bind(conference.updated.micros())
        .bind(conference.seq)
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) fn decode(row: &SqliteRow) -> Result<Conference, StoreError> {
    Ok(Conference {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        friendly_name: text(row, "friendly_name")?,
        status: word(row, "status")?,
        region: text(row, "region")?,
        reason_ended: word_if(row, "reason_ended")?,
        call_sid_ending: word_if(row, "call_sid_ending")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
        seq: number(row, "seq")?,
    })
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;
    use crate::testing::{ACCOUNT, conference, open};
    use crate::{Position, Row};

    #[tokio::test]
    async fn a_name_denotes_the_one_that_is_not_over() {
        let (_scratch, store) = open().await;
        let named = |number, status| Conference { friendly_name: "standup".to_owned(), status, ..conference(number) };
        let first = named(0, ConferenceStatus::Completed);
        store.commit(&[Row::Conference(first)]).await.expect("writes");
        assert_eq!(store.conference_named(ACCOUNT, "standup").await.expect("reads"), None);
        let second = named(1, ConferenceStatus::Init);
        store.commit(&[Row::Conference(second.clone())]).await.expect("writes");
        assert_eq!(store.conference_named(ACCOUNT, "standup").await.expect("reads"), Some(second));
        assert_eq!(store.conference_named(ACCOUNT, "Standup").await.expect("reads"), None, "byte for byte");
        assert_eq!(store.conference_named(AccountSid::from_bits(1), "standup").await.expect("reads"), None);
    }

    #[tokio::test]
    async fn each_filter_keeps_what_it_names() {
        let (_scratch, store) = open().await;
        for number in 0..4 {
            let mut row = conference(number);
            row.updated = Timestamp::from_micros(100);
            if number == 2 {
                row.status = ConferenceStatus::Init;
            }
            store.commit(&[Row::Conference(row)]).await.expect("writes");
        }
        let seconds = |seconds: i64| Some(Timestamp::from_micros(seconds * 1_000_000));
        let none = ConferenceFilter::default;
        for (case, filter, want) in [
            ("none", none(), vec![3, 2, 1, 0]),
            ("name", ConferenceFilter { friendly_name: Some("room 1".to_owned()), ..none() }, vec![1]),
            ("status", ConferenceFilter { status: Some(ConferenceStatus::Init), ..none() }, vec![2]),
            (
                "created",
                ConferenceFilter { created: Span { from: seconds(1), until: seconds(3) }, ..none() },
                vec![2, 1],
            ),
            ("updated", ConferenceFilter { updated: Span { from: seconds(1), until: None }, ..none() }, vec![]),
        ] {
            let page = Page { size: 50, position: Position::Offset(0) };
            let rows = store.conferences(ACCOUNT, &filter, page).await.expect("reads").rows;
            assert_eq!(rows.iter().map(|row| row.seq - 1).collect::<Vec<_>>(), want, "{case}");
        }
    }
}
