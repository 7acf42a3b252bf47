//! Keys of accounts.

use std::time::Instant;

use model::{AccountSid, ApiKey, ApiKeySid, Timestamp};
use sqlx::sqlite::SqliteRow;

use crate::column::{flag, storable, text, time, word};
use crate::select::Select;
use crate::signing_secret;
use crate::{Page, Rows, Store, StoreError};

impl Store {
    /// Adds a key, listed before all others; false if its account has as many as it may have. `secret_sha256` is in hex.
    pub async fn add_api_key(&self, key: &ApiKey, secret_sha256: &str, keys_max: u32) -> Result<bool, StoreError> {
        // The place of a deleted key is not given away again: pages may start from it.
        const ADD: &str = "INSERT INTO api_keys (sid, account_sid, friendly_name, secret_sha256, created, updated, seq, is_main) \
            SELECT $1, $2, $3, $4, $5, $6, (SELECT COALESCE(MAX(seq), 0) + 1 FROM \
                (SELECT seq FROM api_keys UNION ALL SELECT seq FROM deleted_places WHERE name LIKE 'SK%') AS places), $8 \
            WHERE (SELECT COUNT(*) FROM api_keys WHERE account_sid = $2) < $7";
        let done = sqlx::query(ADD)
            .bind(key.sid.to_string())
            .bind(key.account_sid.to_string())
            .bind(storable(&key.friendly_name, "api_keys.friendly_name")?)
            .bind(storable(secret_sha256, "api_keys.secret_sha256")?)
            .bind(key.created.micros())
            .bind(key.updated.micros())
            .bind(i64::from(keys_max))
            .bind(i64::from(key.is_main))
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The key of that SID, if it is this account's.
    pub async fn api_key(&self, account: AccountSid, sid: ApiKeySid) -> Result<Option<ApiKey>, StoreError> {
        Select::new("SELECT * FROM api_keys WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, decode)
            .await
    }

    /// The key of that SID, whosever it is, and what its secret hashes to.
    pub async fn api_key_secret(&self, sid: ApiKeySid) -> Result<Option<(ApiKey, String)>, StoreError> {
        let now = Instant::now();
        let before = match self.recent_keys.get(&sid, now) {
            Ok(key) => return Ok(Some(key)),
            Err(before) => before,
        };
        let key = Select::new("SELECT * FROM api_keys WHERE")
            .push(" sid = ", sid.to_string())
            .first(&self.readers, |row| Ok((decode(row)?, text(row, "secret_sha256")?)))
            .await?;
        if let Some(key) = &key {
            self.recent_keys.keep(before, sid, key.clone(), now);
        }
        Ok(key)
    }

    /// This account's keys.
    pub async fn api_keys(&self, account: AccountSid, page: Page) -> Result<Rows<ApiKey>, StoreError> {
        Select::new("SELECT * FROM api_keys WHERE")
            .push(" account_sid = ", account.to_string())
            .page(page, &self.readers, decode)
            .await
    }

    /// Where the key of that SID stands or stood in the list.
    pub async fn api_key_seq(&self, account: AccountSid, sid: ApiKeySid) -> Result<Option<i64>, StoreError> {
        let select = Select::new("SELECT seq FROM api_keys WHERE")
            .push(" account_sid = ", account.to_string())
            .push(" AND sid = ", sid.to_string());
        self.place(select, sid.to_string()).await
    }

    /// Gives the key another name, and answers what it has become; nothing if there is none.
    pub async fn rename_api_key(
        &self,
        account: AccountSid,
        sid: ApiKeySid,
        friendly_name: &str,
        now: Timestamp,
    ) -> Result<Option<ApiKey>, StoreError> {
        const RENAME: &str =
            "UPDATE api_keys SET friendly_name = $1, updated = $2 WHERE account_sid = $3 AND sid = $4 RETURNING *";
        let row = sqlx::query(RENAME)
            .bind(storable(friendly_name, "api_keys.friendly_name")?)
            .bind(now.micros())
            .bind(account.to_string())
            .bind(sid.to_string())
            .fetch_optional(&self.writer)
            .await;
        self.recent_keys.forget(&sid);
        row?.as_ref().map(decode).transpose()
    }

    /// Deletes the key; false if there is none. Its place stays.
    pub async fn delete_api_key(&self, account: AccountSid, sid: ApiKeySid) -> Result<bool, StoreError> {
        const KEEP_PLACE: &str = "INSERT INTO deleted_places (name, seq) \
            SELECT sid, seq FROM api_keys WHERE account_sid = $1 AND sid = $2 ON CONFLICT (name) DO NOTHING";
        const DELETE: &str = "DELETE FROM api_keys WHERE account_sid = $1 AND sid = $2";
        let mut transaction = self.writer.begin().await?;
        let mut gone = 0;
        for statement in [KEEP_PLACE, DELETE] {
            let query = sqlx::query(statement).bind(account.to_string()).bind(sid.to_string());
            gone = query.execute(&mut *transaction).await?.rows_affected();
        }
        if gone == 1 {
            sqlx::query(signing_secret::DELETE).bind(sid.to_string()).execute(&mut *transaction).await?;
        }
        let committed = transaction.commit().await;
        self.recent_keys.forget(&sid);
        committed?;
        Ok(gone == 1)
    }
}

fn decode(row: &SqliteRow) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        sid: word(row, "sid")?,
        account_sid: word(row, "account_sid")?,
        friendly_name: text(row, "friendly_name")?,
        is_main: flag(row, "is_main")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Position;
    use crate::testing::{ACCOUNT, open};

    fn key(number: u128) -> ApiKey {
        let at = Timestamp::from_micros(1);
        let friendly_name = format!("key {number}");
        let sid = ApiKeySid::from_bits(number);
        ApiKey { sid, account_sid: ACCOUNT, friendly_name, is_main: number == 2, created: at, updated: at }
    }

    #[tokio::test]
    async fn keys_are_kept_renamed_and_deleted_and_hold_their_place() {
        let (_scratch, store) = open().await;
        for (number, want) in [(1, true), (2, true), (3, true), (4, false)] {
            assert_eq!(store.add_api_key(&key(number), "hash", 3).await.expect("runs"), want, "number {number}");
        }
        let other = AccountSid::from_bits(7);
        assert_eq!(store.api_key(ACCOUNT, key(1).sid).await.expect("reads"), Some(key(1)));
        assert_eq!(store.api_key(other, key(1).sid).await.expect("reads"), None);
        assert_eq!(store.api_key_secret(key(1).sid).await.expect("reads"), Some((key(1), "hash".to_owned())));
        assert_eq!(store.api_key_secret(key(9).sid).await.expect("reads"), None);

        let now = Timestamp::from_micros(2);
        let renamed = ApiKey { friendly_name: "desk".to_owned(), updated: now, ..key(1) };
        assert_eq!(store.rename_api_key(ACCOUNT, key(1).sid, "desk", now).await.expect("runs"), Some(renamed.clone()));
        assert_eq!(store.rename_api_key(other, key(1).sid, "mine", now).await.expect("runs"), None);

        assert!(!store.delete_api_key(other, key(3).sid).await.expect("runs"), "somebody else's");
        assert!(store.delete_api_key(ACCOUNT, key(3).sid).await.expect("runs"));
        assert!(!store.delete_api_key(ACCOUNT, key(3).sid).await.expect("runs"), "gone");
        assert!(store.add_api_key(&key(5), "hash", 3).await.expect("runs"), "there is a place again");
        let place = store.api_key_seq(ACCOUNT, key(3).sid).await.expect("reads").expect("is kept");
        let page = async |position| store.api_keys(ACCOUNT, Page { size: 50, position }).await.expect("reads").rows;
        assert_eq!(page(Position::Offset(0)).await, [key(5), key(2), renamed.clone()]);
        assert_eq!(page(Position::After(place)).await, [key(2), renamed]);
    }
}
