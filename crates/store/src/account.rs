//! Accounts, and the one every installation has.

use std::time::Instant;

use model::{Account, AccountSid, AccountStatus, Timestamp};
use sqlx::sqlite::SqliteRow;

use crate::column::{number, storable, text, time, word};
use crate::select::Select;
use crate::{Page, Rows, Store, StoreError};

/// Which accounts to list; what is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// Shown name, byte for byte.
    pub friendly_name: Option<String>,
    /// Whether it may act.
    pub status: Option<AccountStatus>,
}

/// What the main account is to be known by; what is `None` stays as stored, or is made at the first start.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// `AC…`.
    pub sid: Option<AccountSid>,
    /// Secret.
    pub auth_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    /// Leaves the token out, so that no log line carries it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("sid", &self.sid).finish_non_exhaustive()
    }
}

impl Store {
    /// The account of that SID.
    pub async fn account(&self, sid: AccountSid) -> Result<Option<Account>, StoreError> {
        let now = Instant::now();
        let before = match self.recent_accounts.get(&sid, now) {
            Ok(account) => return Ok(Some(account)),
            Err(before) => before,
        };
        let select = Select::new("SELECT * FROM accounts WHERE").push(" sid = ", sid.to_string());
        let account = select.first(&self.readers, decode).await?;
        if let Some(account) = &account {
            self.recent_accounts.keep(before, sid, account.clone(), now);
        }
        Ok(account)
    }

    /// The accounts that account owns; a main account owns itself.
    pub async fn accounts(
        &self,
        owner: AccountSid,
        filter: &AccountFilter,
        page: Page,
    ) -> Result<Rows<Account>, StoreError> {
        Select::new("SELECT * FROM accounts WHERE")
            .push(" owner_account_sid = ", owner.to_string())
            .push_if(" AND friendly_name = ", filter.friendly_name.clone())
            .push_if(" AND status = ", filter.status.map(|status| status.to_string()))
            .page(page, &self.readers, decode)
            .await
    }

    /// Where the account of that SID stands in its owner's list.
    pub async fn account_seq(&self, owner: AccountSid, sid: AccountSid) -> Result<Option<i64>, StoreError> {
        Select::new("SELECT seq FROM accounts WHERE")
            .push(" owner_account_sid = ", owner.to_string())
            .push(" AND sid = ", sid.to_string())
            .first(&self.readers, |row| number(row, "seq"))
            .await
    }

    /// The main account, made at the first start. `given` wins over what is stored, what is stored over `fresh`.
    pub async fn ensure_account(
        &self,
        given: &Credentials,
        fresh: impl FnOnce() -> (AccountSid, String),
        now: Timestamp,
    ) -> Result<Account, StoreError> {
        let stored = match given.sid {
            Some(sid) => self.account(sid).await?,
            None => self.oldest_account().await?,
        };
        let account = match (stored, &given.auth_token) {
            (Some(stored), None) => return Ok(stored),
            (Some(stored), Some(token)) if stored.auth_token == *token => return Ok(stored),
            (Some(stored), Some(token)) => Account { auth_token: token.clone(), updated: now, ..stored },
            (None, token) => {
                let (sid, fresh_token) = fresh();
                let sid = given.sid.unwrap_or(sid);
                Account {
                    sid,
                    owner_account_sid: sid,
                    friendly_name: "Partyline".to_owned(),
                    auth_token: token.clone().unwrap_or(fresh_token),
                    status: AccountStatus::Active,
                    created: now,
                    updated: now,
                }
            }
        };
        self.save_account(&account).await?;
        Ok(account)
    }

    /// Writes the account as it is now; a new one is listed before all others.
    pub async fn save_account(&self, account: &Account) -> Result<(), StoreError> {
        const SAVE: &str = "INSERT INTO accounts (sid, owner_account_sid, friendly_name, auth_token, status, created, \
                updated, seq) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, (SELECT COALESCE(MAX(seq), 0) + 1 FROM accounts)) \
            ON CONFLICT (sid) DO UPDATE SET friendly_name = excluded.friendly_name, \
                auth_token = excluded.auth_token, status = excluded.status, updated = excluded.updated";
        sqlx::query(SAVE)
            .bind(account.sid.to_string())
            .bind(account.owner_account_sid.to_string())
            .bind(storable(&account.friendly_name, "accounts.friendly_name")?)
            .bind(storable(&account.auth_token, "accounts.auth_token")?)
            .bind(account.status.as_str())
            .bind(account.created.micros())
            .bind(account.updated.micros())
            .execute(&self.writer)
            .await?;
        self.recent_accounts.forget(&account.sid);
        Ok(())
    }

    /// Adds a subaccount; false if its owner has as many as it may have, closed ones aside.
    pub async fn add_subaccount(&self, account: &Account, subaccounts_max: u32) -> Result<bool, StoreError> {
        const ADD: &str = "INSERT INTO accounts (sid, owner_account_sid, friendly_name, auth_token, status, created, \
                updated, seq) \
            SELECT $1, $2, $3, $4, $5, $6, $7, (SELECT COALESCE(MAX(seq), 0) + 1 FROM accounts) \
            WHERE (SELECT COUNT(*) FROM accounts \
                WHERE owner_account_sid = $2 AND sid <> $2 AND status <> 'closed') < $8";
        let done = sqlx::query(ADD)
            .bind(account.sid.to_string())
            .bind(account.owner_account_sid.to_string())
            .bind(storable(&account.friendly_name, "accounts.friendly_name")?)
            .bind(storable(&account.auth_token, "accounts.auth_token")?)
            .bind(account.status.as_str())
            .bind(account.created.micros())
            .bind(account.updated.micros())
            .bind(i64::from(subaccounts_max))
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Changes what is given, and answers what the account has become; nothing if there is none, or it is closed: what
    /// is closed stays as it is.
    pub async fn update_account(
        &self,
        sid: AccountSid,
        friendly_name: Option<&str>,
        status: Option<AccountStatus>,
        now: Timestamp,
    ) -> Result<Option<Account>, StoreError> {
        const UPDATE: &str = "UPDATE accounts SET friendly_name = COALESCE($1, friendly_name), \
            status = COALESCE($2, status), updated = $3 WHERE sid = $4 AND status <> 'closed' RETURNING *";
        let row = sqlx::query(UPDATE)
            .bind(friendly_name.map(|name| storable(name, "accounts.friendly_name")).transpose()?)
            .bind(status.map(AccountStatus::as_str))
            .bind(now.micros())
            .bind(sid.to_string())
            .fetch_optional(&self.writer)
            .await;
        // Whatever came of it: it may have been done all the same.
        self.recent_accounts.forget(&sid);
        row?.as_ref().map(decode).transpose()
    }

    /// The accounts that may not act, for the switch to start with.
    pub async fn inactive_accounts(&self) -> Result<Vec<AccountSid>, StoreError> {
        Select::new("SELECT sid FROM accounts WHERE status <> 'active'")
            .all(&self.readers, |row| word(row, "sid"))
            .await
    }

    /// The accounts that are closed for good.
    pub async fn closed_accounts(&self) -> Result<Vec<AccountSid>, StoreError> {
        Select::new("SELECT sid FROM accounts WHERE status = 'closed'").all(&self.readers, |row| word(row, "sid")).await
    }

    async fn oldest_account(&self) -> Result<Option<Account>, StoreError> {
        const OLDEST: &str = "SELECT * FROM accounts WHERE sid = owner_account_sid ORDER BY seq LIMIT 1";
        sqlx::query(OLDEST).fetch_optional(&self.readers).await?.as_ref().map(decode).transpose()
    }
}

fn decode(row: &SqliteRow) -> Result<Account, StoreError> {
    Ok(Account {
        sid: word(row, "sid")?,
        owner_account_sid: word(row, "owner_account_sid")?,
        friendly_name: text(row, "friendly_name")?,
        auth_token: text(row, "auth_token")?,
        status: word(row, "status")?,
        created: time(row, "created")?,
        updated: time(row, "updated")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::open;

    const FRESH: AccountSid = AccountSid::from_bits(0xF);
    const GIVEN: AccountSid = AccountSid::from_bits(0x6);

    #[tokio::test]
    async fn the_given_wins_over_the_stored_and_the_stored_over_the_fresh() {
        let (_scratch, store) = open().await;
        for (case, sid, token, want_sid, want_token) in [
            ("first start", None, None, FRESH, "fresh"),
            ("next start", None, None, FRESH, "fresh"),
            ("a token is given", None, Some("mine"), FRESH, "mine"),
            ("and not any more", None, None, FRESH, "mine"),
            ("another account is given", Some(GIVEN), Some("theirs"), GIVEN, "theirs"),
            ("without its token", Some(GIVEN), None, GIVEN, "theirs"),
            ("nothing: the oldest", None, None, FRESH, "mine"),
        ] {
            let given = Credentials { sid, auth_token: token.map(str::to_owned) };
            let fresh = || (FRESH, "fresh".to_owned());
            let account = store.ensure_account(&given, fresh, Timestamp::from_micros(1)).await.expect("saves");
            assert_eq!((account.sid, account.auth_token.as_str()), (want_sid, want_token), "{case}");
            assert_eq!(store.account(want_sid).await.expect("reads"), Some(account), "{case}");
        }
    }

    fn subaccount(number: u128) -> Account {
        Account {
            sid: AccountSid::from_bits(number),
            owner_account_sid: FRESH,
            friendly_name: format!("subaccount {number}"),
            auth_token: "theirs".to_owned(),
            status: AccountStatus::Active,
            created: Timestamp::from_micros(1),
            updated: Timestamp::from_micros(1),
        }
    }

    #[tokio::test]
    async fn subaccounts_are_bounded_and_what_is_closed_stays_closed() {
        let (_scratch, store) = open().await;
        let fresh = || (FRESH, "fresh".to_owned());
        store.ensure_account(&Credentials::default(), fresh, Timestamp::from_micros(1)).await.expect("saves");
        for (number, want) in [(1, true), (2, true), (3, false)] {
            assert_eq!(store.add_subaccount(&subaccount(number), 2).await.expect("runs"), want, "number {number}");
        }
        let now = Timestamp::from_micros(2);
        let update = async |name, status| {
            let account = store.update_account(subaccount(1).sid, name, status, now).await.expect("runs");
            account.map(|account| (account.friendly_name, account.status, account.updated))
        };
        for (case, name, status, want) in [
            ("a name", Some("desk"), None, Some(("desk", AccountStatus::Active))),
            ("suspended", None, Some(AccountStatus::Suspended), Some(("desk", AccountStatus::Suspended))),
            ("active again", None, Some(AccountStatus::Active), Some(("desk", AccountStatus::Active))),
            ("closed", Some("gone"), Some(AccountStatus::Closed), Some(("gone", AccountStatus::Closed))),
            ("active again", None, Some(AccountStatus::Active), None),
            ("a name", Some("back"), None, None),
        ] {
            let want = want.map(|(name, status)| (name.to_owned(), status, now));
            assert_eq!(update(name, status).await, want, "{case}");
        }
        assert_eq!(store.inactive_accounts().await.expect("reads"), [subaccount(1).sid]);
        assert_eq!(store.closed_accounts().await.expect("reads"), [subaccount(1).sid]);
        assert!(store.add_subaccount(&subaccount(3), 2).await.expect("runs"), "a closed one takes no place");
        assert_eq!(store.update_account(subaccount(9).sid, None, None, now).await.expect("runs"), None);
    }
}
