//! Mappings: which lists count for a SIP domain (rest-voice §9).
//!
//! They are there twice: the older ones directly below the domain, with paths of their own; the newer ones below `Auth`,
//! told apart by what they are for. Those for calls are one set.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use model::{DirectoryRow, MappedList, SipDomainMapping, SipDomainSid};
use serde::Serialize;
use store::{MappingKind, NamedMapping};
use switch::{Answer, Command, DirectoryCommand};

use super::{delete as deleted, sid};
use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self, account_path};
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// One of the five places where mappings are.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    kind: MappingKind,
    /// Directly below the domain.
    older: bool,
}

/// `/SIP/Domains/{SD}/IpAccessControlListMappings`
pub(crate) const IP: Place = Place { kind: MappingKind::CallsIpAccessControlList, older: true };
/// `/SIP/Domains/{SD}/CredentialListMappings`
pub(crate) const CREDENTIAL: Place = Place { kind: MappingKind::CallsCredentialList, older: true };
/// `/SIP/Domains/{SD}/Auth/Calls/IpAccessControlListMappings`
pub(crate) const CALLS_IP: Place = Place { older: false, ..IP };
/// `/SIP/Domains/{SD}/Auth/Calls/CredentialListMappings`
pub(crate) const CALLS_CREDENTIAL: Place = Place { older: false, ..CREDENTIAL };
/// `/SIP/Domains/{SD}/Auth/Registrations/CredentialListMappings`
pub(crate) const REGISTRATIONS: Place = Place { kind: MappingKind::RegistrationsCredentialList, older: false };

/// What the list itself answers to.
pub(crate) fn every(place: Place) -> MethodRouter<Arc<Api>> {
    get(move |api, caller, path, parameters| list(place, api, caller, path, parameters))
        .post(move |api, caller, path, parameters| create(place, api, caller, path, parameters))
}

/// What one of them answers to.
pub(crate) fn one(place: Place) -> MethodRouter<Arc<Api>> {
    get(move |api, caller, path| fetch(place, api, caller, path))
        .delete(move |api, caller, path| delete(place, api, caller, path))
}

async fn list(
    place: Place,
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, domain)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let domain: SipDomainSid = sid(&domain)?;
    let paging = Paging::read(&parameters)?;
    api.store.sip_domain(caller.sid(), domain).await?.ok_or(Problem::NotFound)?;
    let seq = |Named(sid): Named| {
        let list = place.list(&sid);
        let (api, caller) = (&api, &caller);
        async move {
            match list {
                Some(list) => api.store.sip_domain_mapping_seq(caller.sid(), domain, list).await,
                None => Ok(None),
            }
        }
    };
    let page = paging.page(seq).await?;
    let rows = api.store.sip_domain_mappings(caller.sid(), domain, place.kind, page).await?;
    let path = format!("{}/SIP/Domains/{domain}/{}", account_path(caller.sid()), place.path());
    let name = |(row, _): &NamedMapping| list_sid(row);
    Ok(paging.answer(place.key(), &path, &rows, name, |row| place.shown(row)))
}

async fn create(
    place: Place,
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, domain)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let domain = sid(&domain)?;
    let name = place.parameter();
    let text = parameters.filled(name).ok_or(Problem::Missing { code: 20001, name })?;
    let list = place.list(text).ok_or(Problem::SidMalformed { name })?;
    let command = DirectoryCommand::CreateMapping { account: caller.sid(), domain, list };
    match api.command(Command::Directory(command)).await? {
        Answer::Directory(row) if matches!(*row, DirectoryRow::SipDomainMapping(_)) => {
            // The row is there, and only the store knows what its list is called.
            let row = api.store.sip_domain_mapping(caller.sid(), domain, list).await?.ok_or(Problem::NotFound)?;
            Ok(json::answer(StatusCode::CREATED, &place.shown(&row)))
        }
        other => Err(Problem::mismatch(&other)),
    }
}

async fn fetch(
    place: Place,
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, domain, list)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let list = place.list(&list).ok_or(Problem::NotFound)?;
    let row = api.store.sip_domain_mapping(caller.sid(), sid(&domain)?, list).await?.ok_or(Problem::NotFound)?;
    Ok(json::ok(&place.shown(&row)))
}

async fn delete(
    place: Place,
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, domain, list)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let list = place.list(&list).ok_or(Problem::NotFound)?;
    let command = DirectoryCommand::DeleteMapping { account: caller.sid(), domain: sid(&domain)?, list };
    deleted(&api, Command::Directory(command)).await
}

impl Place {
    /// The list of that SID, as it counts here.
    fn list(self, sid: &str) -> Option<MappedList> {
        Some(match self.kind {
            MappingKind::CallsIpAccessControlList => MappedList::CallsIpAccessControlList(sid.parse().ok()?),
            MappingKind::CallsCredentialList => MappedList::CallsCredentialList(sid.parse().ok()?),
            MappingKind::RegistrationsCredentialList => MappedList::RegistrationsCredentialList(sid.parse().ok()?),
        })
    }

    /// Which parameter names the list.
    const fn parameter(self) -> &'static str {
        match self.kind {
            MappingKind::CallsIpAccessControlList => "IpAccessControlListSid",
            MappingKind::CallsCredentialList | MappingKind::RegistrationsCredentialList => "CredentialListSid",
        }
    }

    /// What follows the domain's path.
    const fn path(self) -> &'static str {
        match (self.kind, self.older) {
            (MappingKind::CallsIpAccessControlList, true) => "IpAccessControlListMappings",
            (MappingKind::CallsIpAccessControlList, false) => "Auth/Calls/IpAccessControlListMappings",
            (MappingKind::CallsCredentialList, true) => "CredentialListMappings",
            (MappingKind::CallsCredentialList, false) => "Auth/Calls/CredentialListMappings",
            (MappingKind::RegistrationsCredentialList, _) => "Auth/Registrations/CredentialListMappings",
        }
    }

    /// Under which key a page has its rows.
    const fn key(self) -> &'static str {
        match (self.kind, self.older) {
            (_, false) => "contents",
            (MappingKind::CallsIpAccessControlList, true) => "ip_access_control_list_mappings",
            (MappingKind::CallsCredentialList | MappingKind::RegistrationsCredentialList, true) => {
                "credential_list_mappings"
            }
        }
    }

    fn shown(self, (row, friendly_name): &NamedMapping) -> MappingJson {
        let sid = list_sid(row);
        let path = format!("{}/SIP/Domains/{}/{}", account_path(row.account_sid), row.domain_sid, self.path());
        MappingJson {
            uri: self.older.then(|| format!("{path}/{sid}.json")),
            domain_sid: self.older.then(|| row.domain_sid.to_string()),
            sid,
            account_sid: row.account_sid.to_string(),
            friendly_name: friendly_name.clone(),
            date_created: row.created.rfc2822(),
            date_updated: row.updated.rfc2822(),
        }
    }
}

/// A mapping is named by its list.
fn list_sid(row: &SipDomainMapping) -> String {
    match row.list {
        MappedList::CallsIpAccessControlList(sid) => sid.to_string(),
        MappedList::CallsCredentialList(sid) | MappedList::RegistrationsCredentialList(sid) => sid.to_string(),
    }
}

/// The name of a list in a page token: of which kind it is, the place knows.
struct Named(String);

impl std::str::FromStr for Named {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

#[derive(Serialize)]
struct MappingJson {
    sid: String,
    account_sid: String,
    friendly_name: String,
    date_created: String,
    date_updated: String,
    /// Of the older ones only.
    #[serde(skip_serializing_if = "Option::is_none")]
    domain_sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
}
