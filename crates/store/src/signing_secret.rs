//! The secrets of keys as they are: what access tokens are signed with (taskrouter §14.1).

use model::{AccountSid, ApiKeySid};

use crate::column::{storable, text, word};
use crate::select::Select;
use crate::{Store, StoreError};

impl Store {
    /// Keeps what a key signs with, for as long as there is the key.
    pub async fn keep_signing_secret(&self, sid: ApiKeySid, secret: &str) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO signing_secrets (sid, secret) VALUES ($1, $2)")
            .bind(sid.to_string())
            .bind(storable(secret, "signing_secrets.secret")?)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// For whom the key of that SID acts, and what it signs with.
    pub async fn signing_secret(&self, sid: ApiKeySid) -> Result<Option<(AccountSid, String)>, StoreError> {
        Select::new(SELECT)
            .push(" api_keys.sid = ", sid.to_string())
            .first(&self.readers, |row| Ok((word(row, "account_sid")?, text(row, "secret")?)))
            .await
    }
}

const SELECT: &str = "SELECT api_keys.account_sid AS account_sid, signing_secrets.secret AS secret FROM api_keys \
    JOIN signing_secrets ON signing_secrets.sid = api_keys.sid WHERE";

/// With its key.
pub(crate) const DELETE: &str = "DELETE FROM signing_secrets WHERE sid = $1";

#[cfg(test)]
mod tests {
    use model::{ApiKey, Timestamp};

    use super::*;
    use crate::testing::open;

    #[tokio::test]
    async fn a_secret_is_there_as_long_as_its_key() {
        let (_scratch, store) = open().await;
        let at = Timestamp::from_micros(1);
        let (sid, account_sid) = (ApiKeySid::from_bits(1), AccountSid::from_bits(9));
        let friendly_name = "desk".to_owned();
        let key = ApiKey { sid, account_sid, friendly_name, is_main: false, created: at, updated: at };
        assert!(store.add_api_key(&key, "hash", 10).await.expect("adds"));
        assert_eq!(store.signing_secret(sid).await.expect("reads"), None, "a key from before");
        store.keep_signing_secret(sid, "secret").await.expect("keeps");
        assert_eq!(store.signing_secret(sid).await.expect("reads"), Some((account_sid, "secret".to_owned())));
        assert!(store.delete_api_key(account_sid, sid).await.expect("deletes"));
        assert_eq!(store.signing_secret(sid).await.expect("reads"), None);
    }
}
