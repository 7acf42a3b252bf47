//! Who comes with a token: a worker's screen, or a supervisor's (taskrouter §14.1, §14.5).
//!
//! Version 2 is an access token, signed with the secret of an API key; version 1 a capability token, signed with the token
//! of the account. No token is ever logged: whoever reads one is its worker until it expires.

use std::sync::Arc;
use std::time::Duration;

use model::{AccountSid, AccountStatus, ApiKeySid, EventActor, Timestamp, WorkerSid, WorkspaceSid};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Named;
use super::fault::TokenFault;
use super::jwt::Jwt;
use super::policy::Policies;
use crate::api::Api;
use crate::problem::Problem;

/// Whom a token vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub(super) account: AccountSid,
    pub(super) workspace: WorkspaceSid,
    /// Whose screen it is; a token of version 1 may be a queue's or the workspace's.
    pub(super) worker: Option<WorkerSid>,
    /// The token is over then.
    pub(super) expires: Timestamp,
    pub(super) power: Power,
}

/// What it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Power {
    /// Its worker, and the tasks that worker has.
    Worker,
    /// Every worker of the workspace, and every task.
    Supervisor,
    /// What the token lists.
    Listed(Policies),
}

impl Visitor {
    /// Whom a token vouches for, at the path it came by.
    pub(super) async fn of(api: &Api, token: &str, named: &Named) -> Result<Self, Problem> {
        match named {
            None => Self::of_access_token(api, token).await,
            Some((account, channel)) => Self::of_capability_token(api, token, account, channel).await,
        }
    }

    /// Whom an access token vouches for.
    pub(super) async fn of_access_token(api: &Api, text: &str) -> Result<Self, Problem> {
        let jwt = Jwt::read(text).map_err(Problem::Token)?;
        if !jwt.header_text("cty").is_none_or(|cty| cty.starts_with(CONTENT_TYPE)) {
            return Err(Problem::Token(TokenFault::Header));
        }
        let named = jwt.text("iss").and_then(|sid| sid.parse::<ApiKeySid>().ok());
        let named = named.zip(jwt.text("sub").and_then(|sid| sid.parse::<AccountSid>().ok()));
        let (key, account) = named.ok_or(Problem::Token(TokenFault::Issuer))?;
        let kept = api.store.signing_secret(key).await?.filter(|(of, _)| *of == account);
        let (_, secret) = kept.ok_or(Problem::Token(TokenFault::Issuer))?;
        jwt.check(&secret).map_err(Problem::Token)?;
        active(api, account).await?;
        let expires = time_of(&jwt, api.now()).map_err(Problem::Token)?;
        let grant = jwt.claims.get("grants").and_then(|grants| grants.get("task_router")).and_then(Value::as_object);
        let read = || {
            let grant = grant?;
            let text = |name: &str| grant.get(name)?.as_str();
            let power = match text("role") {
                None | Some("worker") => Power::Worker,
                Some("supervisor") => Power::Supervisor,
                Some(_) => return None,
            };
            let (workspace, worker) = (text("workspace_sid")?.parse().ok()?, text("worker_sid")?.parse().ok()?);
            Some(Self { account, workspace, worker: Some(worker), expires, power })
        };
        read().ok_or(Problem::Token(TokenFault::Grants))
    }

    /// Whom a capability token vouches for, at the channel that a path names.
    pub(super) async fn of_capability_token(
        api: &Api,
        text: &str,
        account: &str,
        channel: &str,
    ) -> Result<Self, Problem> {
        let jwt = Jwt::read(text).map_err(Problem::Token)?;
        let issuer = jwt.text("iss").filter(|iss| *iss == account && jwt.text("account_sid") == Some(account));
        let account = issuer.and_then(|sid| sid.parse::<AccountSid>().ok());
        let account = account.ok_or(Problem::Token(TokenFault::Issuer))?;
        let row = api.store.account(account).await?.ok_or(Problem::Token(TokenFault::Issuer))?;
        jwt.check(&row.auth_token).map_err(Problem::Token)?;
        active(api, account).await?;
        let expires = time_of(&jwt, api.now()).map_err(Problem::Token)?;
        let workspace = jwt.text("workspace_sid").and_then(|sid| sid.parse().ok());
        let is_its = jwt.text("channel") == Some(channel) && jwt.text("version") == Some("v1");
        let workspace = workspace.filter(|_| is_its).ok_or(Problem::Token(TokenFault::Grants))?;
        let policies = Policies::read(jwt.claims.get("policies").unwrap_or(&Value::Null));
        Ok(Self { account, workspace, worker: channel.parse().ok(), expires, power: Power::Listed(policies) })
    }

    /// Whether it may ask this at all; whose things they are is looked at where they are.
    pub(super) fn may(&self, method: &str, path: &str, parameters: &Map<String, Value>) -> Result<(), Problem> {
        match &self.power {
            Power::Listed(policies) if !policies.permit(method, path, parameters) => Err(Problem::TokenForbids),
            _ => Ok(()),
        }
    }

    /// Who does what it asks, as events tell.
    pub(super) fn actor(&self) -> EventActor {
        self.worker.map_or(EventActor::Account(self.account), EventActor::Worker)
    }

    /// Whether its token lists what it may do.
    pub(super) fn is_listed(&self) -> bool {
        matches!(self.power, Power::Listed(_))
    }

    /// Whether it may touch what is another worker's.
    pub(super) fn is_only_worker(&self) -> bool {
        self.power == Power::Worker
    }
}

/// A token by which a socket is open: it is to close when the token is good no longer.
pub(super) struct Standing {
    api: Arc<Api>,
    token: String,
    named: Named,
    changes: watch::Receiver<()>,
    look_at: Instant,
}

impl Standing {
    /// Of a token that is about to be looked at.
    pub(super) fn of(api: &Arc<Api>, token: &str, named: Named) -> Self {
        let changes = api.feeds.credential_changes();
        Self { api: Arc::clone(api), token: token.to_owned(), named, changes, look_at: Instant::now() + LOOK_EVERY }
    }

    /// Whom it vouches for.
    pub(super) async fn visitor(&self) -> Result<Visitor, Problem> {
        Visitor::of(&self.api, &self.token, &self.named).await
    }

    /// Waits until it is time to look again: keys or accounts have changed, or it has not been looked at for long.
    pub(super) async fn due(&mut self) {
        tokio::select! {
            // What has been seen here is looked at in any case.
            _ = self.changes.changed() => self.look_at = Instant::now(),
            () = sleep_until(self.look_at) => {}
        }
    }

    /// Whether the token is still good, and its worker there.
    pub(super) async fn look(&mut self) -> bool {
        self.changes.mark_unchanged();
        let found = self.vouched_worker().await;
        self.look_at = Instant::now() + LOOK_EVERY;
        // What cannot be read now can be read the next time.
        matches!(found, Ok(true) | Err(Problem::Internal))
    }

    async fn vouched_worker(&self) -> Result<bool, Problem> {
        let visitor = self.visitor().await?;
        let worker = visitor.worker.ok_or(Problem::NotFound)?;
        Ok(self.api.store.worker(visitor.account, visitor.workspace, worker).await?.is_some())
    }
}

async fn active(api: &Api, account: AccountSid) -> Result<(), Problem> {
    match api.store.account(account).await? {
        Some(account) if account.status == AccountStatus::Active => Ok(()),
        Some(_) => Err(Problem::AccountInactive),
        None => Err(Problem::Token(TokenFault::Issuer)),
    }
}

/// When it is over, if it is valid now.
fn time_of(jwt: &Jwt, now: Timestamp) -> Result<Timestamp, TokenFault> {
    let expires = jwt.seconds("exp")?.ok_or(TokenFault::Expired)?;
    let begins = jwt.seconds("nbf")?;
    if begins.is_some_and(|begins| begins > now.seconds() + SKEW.as_secs() as i64) {
        return Err(TokenFault::NotYetValid);
    }
    let longest = now.seconds() + (LIFE_MAX + SKEW).as_secs() as i64;
    if expires <= now.seconds() || expires > longest {
        return Err(TokenFault::Expired);
    }
    Ok(Timestamp::from_micros(expires.saturating_mul(1_000_000)))
}

/// `cty` of an access token begins so; its version follows.
const CONTENT_TYPE: &str = "twilio-fpa";
/// How often a token is looked at that has not been seen to change.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Longest life of a token.
const LIFE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// By how much the clock of whoever wrote it may be ahead of ours.
const SKEW: Duration = Duration::from_secs(60);
