//! Keys: names and secrets with which programs act for an account (rest-voice §2). `SigningKeys` are the same by an older
//! name.
//!
//! A secret is shown in the answer that made it, and never again. It has 128 random bits, so that of what is asked with it
//! one round of SHA-256 hides it as well as a slow hash would; beside the hash it is kept as it is, to check what was
//! signed with it (`event_bridge`).

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use model::{AccountSid, ApiKey, ApiKeySid, Timestamp};
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use store::{Store, StoreError};

use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self, account_path};
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// By which name the keys are asked for.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    /// In paths.
    path: &'static str,
    /// In lists.
    key: &'static str,
}

pub(crate) const KEYS: Names = Names { path: "Keys", key: "keys" };
pub(crate) const SIGNING_KEYS: Names = Names { path: "SigningKeys", key: "signing_keys" };

/// Their list.
pub(crate) fn every(names: Names) -> MethodRouter<Arc<Api>> {
    get(move |api, caller, parameters| list(names, api, caller, parameters)).post(create)
}

/// One of them.
pub(crate) fn one() -> MethodRouter<Arc<Api>> {
    get(fetch).post(update).put(update).delete(delete)
}

/// Makes a main key: one that may do everything its account may. That is for the operator alone, since whoever may ask for
/// keys can ask for standard ones only. `None`: the account has as many keys as it may have.
pub async fn make_main_key(
    store: &Store,
    account_sid: AccountSid,
    friendly_name: String,
    now: Timestamp,
) -> Result<Option<(ApiKey, String)>, StoreError> {
    let mut rng = StdRng::try_from_rng(&mut SysRng).expect("the operating system has randomness");
    let sid = ApiKeySid::from_bits(rng.random());
    let secret = format!("{:032x}", rng.random::<u128>());
    let key = ApiKey { sid, account_sid, friendly_name, is_main: true, created: now, updated: now };
    if !store.add_api_key(&key, &hash(&secret), KEYS_MAX).await? {
        return Ok(None);
    }
    store.keep_signing_secret(sid, &secret).await?;
    Ok(Some((key, secret)))
}

/// What a secret is kept as: 64 hex digits.
pub(crate) fn hash(secret: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(secret) {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
    }
    hex
}

async fn list(
    names: Names,
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let paging = Paging::read(&parameters)?;
    let page = paging.page(|sid| api.store.api_key_seq(caller.sid(), sid)).await?;
    let rows = api.store.api_keys(caller.sid(), page).await?;
    let path = format!("{}/{}", account_path(caller.sid()), names.path);
    Ok(paging.answer(names.key, &path, &rows, |key| key.sid.to_string(), |key| KeyJson::of(key, None)))
}

async fn create(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let now = api.now();
    let friendly_name = friendly_name(&parameters)?.unwrap_or_default();
    let (sid, account_sid) = (api.api_key_sid(), caller.sid());
    let key = ApiKey { sid, account_sid, friendly_name, is_main: false, created: now, updated: now };
    let secret = api.secret();
    match api.store.add_api_key(&key, &hash(&secret), KEYS_MAX).await? {
        true => {
            api.store.keep_signing_secret(key.sid, &secret).await?;
            Ok(json::answer(StatusCode::CREATED, &KeyJson::of(&key, Some(secret))))
        }
        false => Err(Problem::TooManyKeys),
    }
}

async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, key)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let sid = key.parse().map_err(|_| Problem::NotFound)?;
    let key = api.store.api_key(caller.sid(), sid).await?.ok_or(Problem::NotFound)?;
    Ok(json::ok(&KeyJson::of(&key, None)))
}

async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, key)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let sid = key.parse().map_err(|_| Problem::NotFound)?;
    let key = match friendly_name(&parameters)? {
        Some(name) => api.store.rename_api_key(caller.sid(), sid, &name, api.now()).await?,
        None => api.store.api_key(caller.sid(), sid).await?,
    };
    Ok(json::ok(&KeyJson::of(&key.ok_or(Problem::NotFound)?, None)))
}

async fn delete(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, key)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let sid = key.parse().map_err(|_| Problem::NotFound)?;
    match api.store.delete_api_key(caller.sid(), sid).await? {
        true => {
            api.feeds.credentials_changed();
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        false => Err(Problem::NotFound),
    }
}

fn friendly_name(parameters: &Parameters) -> Result<Option<String>, Problem> {
    let name = parameters.get("FriendlyName");
    match name.filter(|name| name.chars().count() > FRIENDLY_NAME_CHARACTERS_MAX) {
        Some(_) => Err(Problem::Invalid { code: 20002, name: "FriendlyName", expected: "at most 64 characters" }),
        None => Ok(name.map(str::to_owned)),
    }
}

#[derive(Serialize)]
struct KeyJson {
    sid: String,
    friendly_name: String,
    date_created: String,
    date_updated: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl KeyJson {
    fn of(key: &ApiKey, secret: Option<String>) -> Self {
        Self {
            sid: key.sid.to_string(),
            friendly_name: key.friendly_name.clone(),
            date_created: key.created.rfc2822(),
            date_updated: key.updated.rfc2822(),
            secret,
        }
    }
}

/// Longest `FriendlyName`, in characters.
const FRIENDLY_NAME_CHARACTERS_MAX: usize = 64;
/// Keys of one account.
const KEYS_MAX: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_kept_as_its_sha_256() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
