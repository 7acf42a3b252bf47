//! Authentication: HTTP Basic with `AccountSid:AuthToken`, or with a key and its secret (rest-voice §1.8).

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use model::{Account, AccountSid, AccountStatus, ApiKeySid, SidError};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::api::Api;
use crate::json::{VERSION_PATH, account_path};
use crate::keys;
use crate::problem::Problem;

/// On which account a request acts, and by whose credentials.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) account: Account,
    acts_as: AccountSid,
    /// By a key of the account, not by its token.
    by_key: bool,
}

impl Caller {
    /// The account's SID.
    pub(crate) fn sid(&self) -> AccountSid {
        self.account.sid
    }

    /// The parent of its family: itself, or the one that owns it.
    pub(crate) fn owner(&self) -> AccountSid {
        self.account.owner_account_sid
    }

    /// It owns itself, and others may be its.
    pub(crate) fn is_parent(&self) -> bool {
        self.owner() == self.sid()
    }

    /// The same, on another account of its family, as a path would name it.
    pub(crate) async fn acting_on(self, api: &Api, account: &str) -> Result<Self, Problem> {
        let named: AccountSid = account.parse().map_err(|_| Problem::NotFound)?;
        if named == self.sid() {
            return Ok(self);
        }
        let named =
            api.store.account(named).await?.filter(|named| !self.by_key && named.owner_account_sid == self.acts_as);
        let account = named.ok_or(Problem::NotFound)?;
        active(&account)?;
        Ok(Self { account, ..self })
    }

    /// It sees its account alone, whoever owns whom (rest-voice §1.8): a key is of one account.
    pub(crate) fn sees_itself_alone(&self) -> bool {
        self.by_key || !self.is_parent()
    }

    /// Whose credentials these are: the account's own, or its owner's.
    pub(crate) fn acts_as(&self) -> AccountSid {
        self.acts_as
    }
}

/// Who may ask for `path` with these headers: the account the path names, if the credentials are its own, its owner's or
/// those of a key of it; the credentials' account where the path names none.
pub(crate) async fn authenticate(api: &Api, headers: &HeaderMap, path: &str) -> Result<Caller, Problem> {
    let (user, password) = credentials(headers)?;
    let mut is_main = false;
    // Who is unknown takes as long as a wrong password.
    let (account, expected, given) = match user {
        User::Account(sid) => {
            let account = api.store.account(sid).await?;
            let expected = account.as_ref().map(|account| account.auth_token.clone());
            (account, expected.unwrap_or_default(), password)
        }
        User::Key(sid) => {
            let (key, expected) = api.store.api_key_secret(sid).await?.unzip();
            let account = match &key {
                Some(key) => api.store.account(key.account_sid).await?,
                None => None,
            };
            is_main = key.is_some_and(|key| key.is_main);
            (account, expected.unwrap_or_default(), keys::hash(&password))
        }
    };
    let matches: bool = expected.as_bytes().ct_eq(given.as_bytes()).into();
    let account = account.filter(|_| matches && !given.is_empty());
    let account = account.ok_or(Problem::Unauthenticated { detail: "The credentials are not valid" })?;
    active(&account)?;
    if matches!(user, User::Key(_)) {
        return by_key(account, is_main, path);
    }

    let acts_as = account.sid;
    let Some(named) = account_in(path) else { return Ok(Caller { account, acts_as, by_key: false }) };
    let named: AccountSid = named.parse().map_err(|_| Problem::NotFound)?;
    if named == account.sid {
        return Ok(Caller { account, acts_as, by_key: false });
    }
    let named = api.store.account(named).await?.filter(|named| named.owner_account_sid == account.sid);
    let named = named.ok_or(Problem::NotFound)?;
    // Its owner may look at the account itself whatever its status, or it could never be made active again.
    if !is_account(path) {
        active(&named)?;
    }
    Ok(Caller { account: named, acts_as, by_key: false })
}

/// Credentials by which something goes on that was once begun; it is to end when they are good no longer.
pub(crate) struct Standing {
    api: Arc<Api>,
    /// Those of the request that began it.
    headers: HeaderMap,
    /// What they have to be good for.
    path: String,
    changes: watch::Receiver<()>,
    look_at: Instant,
}

impl Standing {
    /// `headers` have just been found good for `account`.
    pub(crate) fn of(api: &Arc<Api>, headers: &HeaderMap, account: AccountSid) -> Self {
        let headers = headers.get(header::AUTHORIZATION).map(|value| (header::AUTHORIZATION, value.clone()));
        Self {
            api: Arc::clone(api),
            headers: headers.into_iter().collect(),
            path: format!("{}/Conferences", account_path(account)),
            changes: api.feeds.credential_changes(),
            look_at: Instant::now() + LOOK_EVERY,
        }
    }

    /// It is time to look again, since they may have changed.
    pub(crate) fn is_due(&self) -> bool {
        Instant::now() >= self.look_at || self.changes.has_changed().unwrap_or(true)
    }

    /// Waits until it is time.
    pub(crate) async fn due(&mut self) {
        tokio::select! {
            // What has been seen here is looked at in any case.
            _ = self.changes.changed() => self.look_at = Instant::now(),
            () = sleep_until(self.look_at) => {}
        }
    }

    /// Whether they are still good.
    pub(crate) async fn look(&mut self) -> bool {
        self.changes.mark_unchanged();
        let found = authenticate(&self.api, &self.headers, &self.path).await;
        self.look_at = Instant::now() + LOOK_EVERY;
        // What cannot be read now can be read the next time.
        matches!(found, Ok(_) | Err(Problem::Internal))
    }
}

/// How often credentials are looked at that have not been seen to change.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// A key is of one account; a standard one may ask for all but accounts and keys (rest-voice §1.8).
fn by_key(account: Account, is_main: bool, path: &str) -> Result<Caller, Problem> {
    let below_version = path.strip_prefix(VERSION_PATH).unwrap_or_default();
    match Vec::from_iter(below_version.split('/').filter(|segment| !segment.is_empty()))[..] {
        ["Accounts"] | ["Accounts", _] | ["Accounts", _, "Keys" | "SigningKeys", ..] if !is_main => {
            Err(Problem::KeyNotPermitted)
        }
        ["Accounts", named, ..] if named.parse() != Ok(account.sid) => Err(Problem::NotFound),
        _ => Ok(Caller { acts_as: account.sid, account, by_key: true }),
    }
}

fn active(account: &Account) -> Result<(), Problem> {
    match account.status {
        AccountStatus::Active => Ok(()),
        AccountStatus::Suspended | AccountStatus::Closed => Err(Problem::AccountInactive),
    }
}

/// What follows `/2010-04-01/Accounts/` up to the next slash.
fn account_in(path: &str) -> Option<&str> {
    path.strip_prefix(VERSION_PATH)?.strip_prefix("/Accounts/")?.split('/').next()
}

/// Whether the path names an account, and nothing of it.
fn is_account(path: &str) -> bool {
    account_in(path).is_some_and(|account| path.len() == VERSION_PATH.len() + "/Accounts/".len() + account.len())
}

/// Whose name the credentials have.
#[derive(Clone, Copy)]
enum User {
    Account(AccountSid),
    Key(ApiKeySid),
}

impl FromStr for User {
    type Err = SidError;

    fn from_str(text: &str) -> Result<Self, SidError> {
        text.parse().map(Self::Account).or_else(|_| text.parse().map(Self::Key))
    }
}

fn credentials(headers: &HeaderMap) -> Result<(User, String), Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Problem::Unauthenticated { detail: "The request has no credentials" })?;
    let malformed =
        Problem::Unauthenticated { detail: "The credentials are neither Basic AccountSid:AuthToken nor a key's" };
    if values.next().is_some() {
        return Err(malformed);
    }
    let parse = || {
        let (scheme, encoded) = value.to_str().ok()?.trim().split_once(' ')?;
        let decoded = BASE64.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("Basic"))?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (user, password) = decoded.split_once(':')?;
        Some((user.parse().ok()?, password.to_owned()))
    };
    parse().ok_or(malformed)
}

/// Clients differ on whether Basic credentials are padded.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
