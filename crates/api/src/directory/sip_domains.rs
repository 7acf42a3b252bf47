//! SIP domains (rest-voice §9).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::{DirectoryRow, SipDigest, SipDomain};
use serde::Serialize;
use serde_json::{Value, json};
use switch::{Command, DirectoryCommand, DomainChange, Set, VoiceHooksChange};

use super::{HookCodes, change, delete as deleted, friendly_name, hook, set, sid, sid_set};
use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self as answers, account_path};
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /SIP/Domains.json`
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let paging = Paging::read(&parameters)?;
    let page = paging.page(|sid| api.store.sip_domain_seq(caller.sid(), sid)).await?;
    let rows = api.store.sip_domains(caller.sid(), page).await?;
    let path = format!("{}/SIP/Domains", account_path(caller.sid()));
    Ok(paging.answer("domains", &path, &rows, |row| row.sid.to_string(), DomainJson::of))
}

/// `POST /SIP/Domains.json`
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let domain_name = parameters.filled("DomainName").ok_or(Problem::Missing { code: FIELDS, name: "DomainName" })?;
    let command = DirectoryCommand::CreateDomain {
        account: caller.sid(),
        domain_name: domain_name.to_owned(),
        change: Box::new(domain_change(&parameters)?),
    };
    change(&api, command, StatusCode::CREATED, shown).await
}

/// `GET /SIP/Domains/{SD}.json`
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, domain)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let row = api.store.sip_domain(caller.sid(), sid(&domain)?).await?.ok_or(Problem::NotFound)?;
    Ok(answers::ok(&DomainJson::of(&row)))
}

/// `POST /SIP/Domains/{SD}.json`
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, domain)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let command = DirectoryCommand::UpdateDomain {
        account: caller.sid(),
        sid: sid(&domain)?,
        domain_name: parameters.filled("DomainName").map(str::to_owned),
        change: Box::new(domain_change(&parameters)?),
    };
    change(&api, command, StatusCode::OK, shown).await
}

/// `DELETE /SIP/Domains/{SD}.json`
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, domain)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let command = DirectoryCommand::DeleteDomain { account: caller.sid(), sid: sid(&domain)? };
    deleted(&api, Command::Directory(command)).await
}

/// The parameters, one a line.
fn domain_change(parameters: &Parameters) -> Result<DomainChange, Problem> {
    const CODES: HookCodes = HookCodes { url: FIELDS, method: FIELDS };
    const STATUS: [&str; 2] = ["VoiceStatusCallbackUrl", "VoiceStatusCallbackMethod"];
    Ok(DomainChange {
        friendly_name: friendly_name(parameters, FIELDS)?.map(|name| Some(name).filter(|name| !name.is_empty())),
        voice: VoiceHooksChange {
            voice: hook(parameters, ["VoiceUrl", "VoiceMethod"], CODES)?,
            fallback: hook(parameters, ["VoiceFallbackUrl", "VoiceFallbackMethod"], CODES)?,
            status_callback: hook(parameters, STATUS, CODES)?,
        },
        sip_registration: parameters.flag_filter("SipRegistration")?,
        secure: parameters.flag_filter("Secure")?,
        digest: digest(parameters)?,
        emergency_calling_enabled: parameters.flag_filter("EmergencyCallingEnabled")?,
        byoc_trunk_sid: sid_set(parameters, "ByocTrunkSid")?,
        emergency_caller_sid: sid_set(parameters, "EmergencyCallerSid")?,
    })
}

/// `GET /SIP/Domains/{SD}/Digest.json`
pub(crate) async fn fetch_digest(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, domain)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let row = api.store.sip_domain(caller.sid(), sid(&domain)?).await?.ok_or(Problem::NotFound)?;
    Ok(answers::ok(&DigestJson::of(&row)))
}

/// `POST /SIP/Domains/{SD}/Digest.json`
pub(crate) async fn update_digest(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, domain)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let command = DirectoryCommand::UpdateDomain {
        account: caller.sid(),
        sid: sid(&domain)?,
        domain_name: None,
        change: Box::new(DomainChange { digest: digest(&parameters)?, ..DomainChange::default() }),
    };
    change(&api, command, StatusCode::OK, shown_digest).await
}

/// Ours: what passwords are proved with; as the server is set if it is empty.
fn digest(parameters: &Parameters) -> Result<Set<SipDigest>, Problem> {
    const NAME: &str = "PartylineSipDigest";
    set(parameters, NAME, |text| {
        let word: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
        word.parse().map_err(|_| Problem::Parameter { name: NAME, expected: "md5, sha-256, or md5,sha-256" })
    })
}

/// What is wrong with a field of a domain.
const FIELDS: u32 = 21231;

fn shown(row: &DirectoryRow) -> Option<DomainJson> {
    match row {
        DirectoryRow::SipDomain(row) => Some(DomainJson::of(row)),
        _ => None,
    }
}

fn shown_digest(row: &DirectoryRow) -> Option<DigestJson> {
    match row {
        DirectoryRow::SipDomain(row) => Some(DigestJson::of(row)),
        _ => None,
    }
}

/// What is ours of a domain: the domain itself is Twilio's to the field.
#[derive(Serialize)]
struct DigestJson {
    account_sid: String,
    domain_sid: String,
    partyline_sip_digest: Option<&'static str>,
    date_updated: String,
    uri: String,
}

impl DigestJson {
    fn of(row: &SipDomain) -> Self {
        Self {
            account_sid: row.account_sid.to_string(),
            domain_sid: row.sid.to_string(),
            partyline_sip_digest: row.digest.map(SipDigest::as_str),
            date_updated: row.updated.rfc2822(),
            uri: format!("{}/SIP/Domains/{}/Digest.json", account_path(row.account_sid), row.sid),
        }
    }
}

#[derive(Serialize)]
struct DomainJson {
    sid: String,
    account_sid: String,
    domain_name: String,
    friendly_name: Option<String>,
    api_version: String,
    auth_type: &'static str,
    voice_url: Option<String>,
    voice_method: &'static str,
    voice_fallback_url: Option<String>,
    voice_fallback_method: &'static str,
    voice_status_callback_url: Option<String>,
    voice_status_callback_method: &'static str,
    sip_registration: bool,
    secure: bool,
    emergency_calling_enabled: bool,
    byoc_trunk_sid: Option<String>,
    emergency_caller_sid: Option<String>,
    date_created: String,
    date_updated: String,
    uri: String,
    subresource_uris: Value,
}

impl DomainJson {
    fn of(row: &SipDomain) -> Self {
        let path = format!("{}/SIP/Domains/{}", account_path(row.account_sid), row.sid);
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            domain_name: row.domain_name.clone(),
            friendly_name: row.friendly_name.clone(),
            api_version: row.api_version.clone(),
            auth_type: row.auth_type.as_str(),
            voice_url: row.voice.voice.url.clone(),
            voice_method: row.voice.voice.method.as_str(),
            voice_fallback_url: row.voice.fallback.url.clone(),
            voice_fallback_method: row.voice.fallback.method.as_str(),
            voice_status_callback_url: row.voice.status_callback.url.clone(),
            voice_status_callback_method: row.voice.status_callback.method.as_str(),
            sip_registration: row.sip_registration,
            secure: row.secure,
            emergency_calling_enabled: row.emergency_calling_enabled,
            byoc_trunk_sid: row.byoc_trunk_sid.map(|sid| sid.to_string()),
            emergency_caller_sid: row.emergency_caller_sid.map(|sid| sid.to_string()),
            date_created: row.created.rfc2822(),
            date_updated: row.updated.rfc2822(),
            subresource_uris: json!({
                "ip_access_control_list_mappings": format!("{path}/IpAccessControlListMappings.json"),
                "credential_list_mappings": format!("{path}/CredentialListMappings.json"),
            }),
            uri: format!("{path}.json"),
        }
    }
}
