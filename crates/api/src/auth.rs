//! Authentication: HTTP Basic with `AccountSid:AuthToken` (rest-voice §1.8).

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use model::{Account, AccountSid, AccountStatus};
use subtle::ConstantTimeEq as _;

use crate::api::Api;
use crate::json::VERSION_PATH;
use crate::problem::Problem;

/// On which account a request acts, and by whose credentials.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) account: Account,
    acts_as: AccountSid,
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

    /// Whose credentials these are: the account's own, or its owner's.
    pub(crate) fn acts_as(&self) -> AccountSid {
        self.acts_as
    }
}

/// Who may ask for `path` with these headers: the account the path names, if the credentials are its own or its
/// owner's; the credentials' account where the path names none.
pub(crate) async fn authenticate(api: &Api, headers: &HeaderMap, path: &str) -> Result<Caller, Problem> {
    let (sid, token) = credentials(headers)?;
    let account = api.store.account(sid).await?;
    // An unknown account takes as long as a wrong token.
    let expected = account.as_ref().map_or("", |account| &account.auth_token);
    let matches: bool = expected.as_bytes().ct_eq(token.as_bytes()).into();
    let account = account.filter(|_| matches && !token.is_empty());
    let account = account.ok_or(Problem::Unauthenticated { detail: "The credentials are not valid" })?;
    active(&account)?;

    let acts_as = account.sid;
    let Some(named) = account_in(path) else { return Ok(Caller { account, acts_as }) };
    let named: AccountSid = named.parse().map_err(|_| Problem::NotFound)?;
    if named == account.sid {
        return Ok(Caller { account, acts_as });
    }
    let named = api.store.account(named).await?.filter(|named| named.owner_account_sid == account.sid);
    let named = named.ok_or(Problem::NotFound)?;
    // Its owner may look at the account itself whatever its status, or it could never be made active again.
    if !is_account(path) {
        active(&named)?;
    }
    Ok(Caller { account: named, acts_as })
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

fn credentials(headers: &HeaderMap) -> Result<(AccountSid, String), Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Problem::Unauthenticated { detail: "The request has no credentials" })?;
    let malformed = Problem::Unauthenticated { detail: "The credentials are not Basic AccountSid:AuthToken" };
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
