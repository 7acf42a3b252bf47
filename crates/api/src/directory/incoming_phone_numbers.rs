//! Numbers that can be called (rest-voice §8).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::{AccountSid, DirectoryRow, IncomingPhoneNumber, NumberType, PhoneNumberSid};
use serde::Serialize;
use store::NumberFilter;
use switch::{Command, DirectoryCommand, NumberChange, NumberWanted, SmsHooksChange, VoiceHooksChange};

use super::{HookCodes, NotE164, api_version, change, delete as deleted, e164, friendly_name, hook, sid, sid_set};
use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self, account_path};
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /IncomingPhoneNumbers.json`, and of one type `…/Local.json`, `…/TollFree.json`, `…/Mobile.json`
pub(crate) async fn list(
    only: Option<NumberType>,
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    // None of ours is new to the platform, so this keeps all or none.
    let keeps_none = parameters.flag_filter("Beta")? == Some(true)
        || parameters.filled("Origin").is_some_and(|origin| origin != ORIGIN);
    let filter = NumberFilter {
        friendly_name: parameters.filled("FriendlyName").map(str::to_owned),
        phone_number: parameters.filled("PhoneNumber").map(part_of_number),
        number_type: only,
    };
    let paging = Paging::read(&parameters)?;
    let page = paging.page(|sid| api.store.incoming_phone_number_seq(caller.sid(), sid)).await?;
    let mut rows = api.store.incoming_phone_numbers(caller.sid(), &filter, page).await?;
    if keeps_none {
        (rows.rows, rows.more) = (Vec::new(), false);
    }
    let list = match only {
        None => "",
        Some(NumberType::Local) => "/Local",
        Some(NumberType::TollFree) => "/TollFree",
        Some(NumberType::Mobile) => "/Mobile",
    };
    let path = format!("{}/IncomingPhoneNumbers{list}", account_path(caller.sid()));
    let shown = |row: &IncomingPhoneNumber| NumberJson::of(row, only.is_none());
    Ok(paging.answer("incoming_phone_numbers", &path, &rows, |row| row.sid.to_string(), shown))
}

/// `POST /IncomingPhoneNumbers.json`, and of one type
pub(crate) async fn create(
    only: Option<NumberType>,
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let number = match (parameters.filled("PhoneNumber"), parameters.filled("AreaCode").filter(|_| only.is_none())) {
        (Some(number), _) => NumberWanted::Exactly(e164(number).map_err(|why| match why {
            NotE164::Malformed => Problem::Invalid { code: 21401, name: "PhoneNumber", expected: E164 },
            NotE164::Implausible => Problem::Invalid { code: 21421, name: "PhoneNumber", expected: E164 },
        })?),
        (None, Some(area)) if area.len() == 3 && area.bytes().all(|b| b.is_ascii_digit()) => {
            NumberWanted::InArea(area.to_owned())
        }
        (None, Some(_)) => return Err(Problem::Invalid { code: 21451, name: "AreaCode", expected: "three digits" }),
        (None, None) => return Err(Problem::Missing { code: 20001, name: "PhoneNumber" }),
    };
    let change_of = Box::new(number_change(&parameters)?);
    let command =
        DirectoryCommand::CreateNumber { account: caller.sid(), number, number_type: only, change: change_of };
    change(&api, command, StatusCode::CREATED, |row| shown(row, only.is_none())).await
}

/// `GET /IncomingPhoneNumbers/{PN}.json`
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, number)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let row = api.store.incoming_phone_number(caller.sid(), sid(&number)?).await?.ok_or(Problem::NotFound)?;
    Ok(json::ok(&NumberJson::of(&row, true)))
}

/// `POST /IncomingPhoneNumbers/{PN}.json`
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, number)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let number: PhoneNumberSid = sid(&number)?;
    let account_sid = new_owner(&api, &caller, &parameters).await?;
    let change_of = Box::new(NumberChange { account_sid, ..number_change(&parameters)? });
    let command = DirectoryCommand::UpdateNumber { account: caller.sid(), sid: number, change: change_of };
    change(&api, command, StatusCode::OK, |row| shown(row, true)).await
}

/// `DELETE /IncomingPhoneNumbers/{PN}.json`
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, number)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let command = DirectoryCommand::DeleteNumber { account: caller.sid(), sid: sid(&number)? };
    deleted(&api, Command::Directory(command)).await
}

/// To which account of the family the number moves; only the parent may say so.
async fn new_owner(api: &Api, caller: &Caller, parameters: &Parameters) -> Result<Option<AccountSid>, Problem> {
    let Some(text) = parameters.filled("AccountSid") else { return Ok(None) };
    let to: AccountSid = text.parse().map_err(|_| Problem::SidMalformed { name: "AccountSid" })?;
    if to == caller.sid() {
        return Ok(None);
    }
    if caller.acts_as() != caller.owner() {
        return Err(Problem::OnlyParentMoves);
    }
    match api.store.account(to).await? {
        Some(account) if account.owner_account_sid == caller.owner() => Ok(Some(to)),
        _ => Err(Problem::NotInFamily),
    }
}

/// The parameters, one a line.
fn number_change(parameters: &Parameters) -> Result<NumberChange, Problem> {
    Ok(NumberChange {
        account_sid: None,
        friendly_name: friendly_name(parameters, 20002)?.filter(|name| !name.is_empty()),
        api_version: api_version(parameters)?,
        voice: VoiceHooksChange {
            voice: hook(parameters, ["VoiceUrl", "VoiceMethod"], CODES)?,
            fallback: hook(parameters, ["VoiceFallbackUrl", "VoiceFallbackMethod"], CODES)?,
            status_callback: hook(parameters, ["StatusCallback", "StatusCallbackMethod"], CODES)?,
        },
        voice_caller_id_lookup: parameters.flag_filter("VoiceCallerIdLookup")?,
        voice_application_sid: sid_set(parameters, "VoiceApplicationSid")?,
        trunk_sid: sid_set(parameters, "TrunkSid")?,
        voice_receive_mode: parameters.word_filter("VoiceReceiveMode", "voice or fax")?,
        sms: SmsHooksChange {
            sms: hook(parameters, ["SmsUrl", "SmsMethod"], CODES)?,
            fallback: hook(parameters, ["SmsFallbackUrl", "SmsFallbackMethod"], CODES)?,
        },
        sms_application_sid: sid_set(parameters, "SmsApplicationSid")?,
        emergency_status: parameters.word_filter("EmergencyStatus", "Active or Inactive")?,
        emergency_address_sid: sid_set(parameters, "EmergencyAddressSid")?,
        address_sid: sid_set(parameters, "AddressSid")?,
        identity_sid: sid_set(parameters, "IdentitySid")?,
        bundle_sid: sid_set(parameters, "BundleSid")?,
    })
}

fn shown(row: &DirectoryRow, with_type: bool) -> Option<NumberJson> {
    match row {
        DirectoryRow::IncomingPhoneNumber(row) => Some(NumberJson::of(row, with_type)),
        _ => None,
    }
}

/// As it is compared: without the punctuation people write; a plus may have come as the blank it is in a form.
fn part_of_number(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect()
}

/// Codes of numbers and of applications alike.
pub(super) const CODES: HookCodes = HookCodes { url: 21402, method: 21403 };
const E164: &str = "a plus, a country code and a number, such as +15005550006";
/// `origin` of every number.
const ORIGIN: &str = "twilio";

#[derive(Serialize)]
struct NumberJson {
    sid: String,
    account_sid: String,
    phone_number: String,
    friendly_name: String,
    origin: &'static str,
    beta: bool,
    capabilities: Capabilities,
    address_requirements: &'static str,
    address_sid: Option<String>,
    api_version: String,
    voice_url: Option<String>,
    voice_method: &'static str,
    voice_fallback_url: Option<String>,
    voice_fallback_method: &'static str,
    voice_caller_id_lookup: bool,
    voice_application_sid: Option<String>,
    voice_receive_mode: &'static str,
    sms_url: Option<String>,
    sms_method: &'static str,
    sms_fallback_url: Option<String>,
    sms_fallback_method: &'static str,
    sms_application_sid: Option<String>,
    status_callback: Option<String>,
    status_callback_method: &'static str,
    trunk_sid: Option<String>,
    identity_sid: Option<String>,
    bundle_sid: Option<String>,
    emergency_status: &'static str,
    emergency_address_sid: Option<String>,
    emergency_address_status: &'static str,
    status: &'static str,
    /// Absent in the lists of one type.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    date_created: String,
    date_updated: String,
    uri: String,
}

/// What a number can be used for.
#[derive(Serialize)]
pub(super) struct Capabilities {
    voice: bool,
    sms: bool,
    mms: bool,
    fax: bool,
}

/// Calls, and nothing else.
pub(super) const CAPABILITIES: Capabilities = Capabilities { voice: true, sms: false, mms: false, fax: false };

impl NumberJson {
    fn of(row: &IncomingPhoneNumber, with_type: bool) -> Self {
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            phone_number: row.phone_number.clone(),
            friendly_name: row.friendly_name.clone(),
            origin: ORIGIN,
            beta: false,
            capabilities: CAPABILITIES,
            address_requirements: "none",
            address_sid: row.address_sid.map(|sid| sid.to_string()),
            api_version: row.api_version.clone(),
            voice_url: row.voice.voice.url.clone(),
            voice_method: row.voice.voice.method.as_str(),
            voice_fallback_url: row.voice.fallback.url.clone(),
            voice_fallback_method: row.voice.fallback.method.as_str(),
            voice_caller_id_lookup: row.voice_caller_id_lookup,
            voice_application_sid: row.voice_application_sid.map(|sid| sid.to_string()),
            voice_receive_mode: row.voice_receive_mode.as_str(),
            sms_url: row.sms.sms.url.clone(),
            sms_method: row.sms.sms.method.as_str(),
            sms_fallback_url: row.sms.fallback.url.clone(),
            sms_fallback_method: row.sms.fallback.method.as_str(),
            sms_application_sid: row.sms_application_sid.map(|sid| sid.to_string()),
            status_callback: row.voice.status_callback.url.clone(),
            status_callback_method: row.voice.status_callback.method.as_str(),
            trunk_sid: row.trunk_sid.map(|sid| sid.to_string()),
            identity_sid: row.identity_sid.map(|sid| sid.to_string()),
            bundle_sid: row.bundle_sid.map(|sid| sid.to_string()),
            emergency_status: row.emergency_status.as_str(),
            emergency_address_sid: row.emergency_address_sid.map(|sid| sid.to_string()),
            emergency_address_status: "unregistered",
            status: "in-use",
            r#type: with_type.then_some(row.number_type.as_str()),
            date_created: row.created.rfc2822(),
            date_updated: row.updated.rfc2822(),
            uri: format!("{}/IncomingPhoneNumbers/{}.json", account_path(row.account_sid), row.sid),
        }
    }
}
