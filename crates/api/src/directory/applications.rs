//! Applications (rest-voice §8).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use model::{Application, DirectoryRow};
use serde::Serialize;
use store::ApplicationFilter;
use switch::{ApplicationChange, Command, DirectoryCommand, SmsHooksChange, VoiceHooksChange};

use super::incoming_phone_numbers::CODES;
use super::{api_version, change, delete as deleted, friendly_name, hook, sid, url_set};
use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self, account_path};
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /Applications.json`
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let filter = ApplicationFilter { friendly_name: parameters.filled("FriendlyName").map(str::to_owned) };
    let paging = Paging::read(&parameters)?;
    let page = paging.page(|sid| api.store.application_seq(caller.sid(), sid)).await?;
    let rows = api.store.applications(caller.sid(), &filter, page).await?;
    let path = format!("{}/Applications", account_path(caller.sid()));
    Ok(paging.answer("applications", &path, &rows, |row| row.sid.to_string(), ApplicationJson::of))
}

/// `POST /Applications.json`
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let change_of = Box::new(application_change(&parameters)?);
    let command = DirectoryCommand::CreateApplication { account: caller.sid(), change: change_of };
    change(&api, command, StatusCode::CREATED, shown).await
}

/// `GET /Applications/{AP}.json`
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, application)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let row = api.store.application(caller.sid(), sid(&application)?).await?.ok_or(Problem::NotFound)?;
    Ok(json::ok(&ApplicationJson::of(&row)))
}

/// `POST /Applications/{AP}.json`
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, application)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let change_of = Box::new(application_change(&parameters)?);
    let command =
        DirectoryCommand::UpdateApplication { account: caller.sid(), sid: sid(&application)?, change: change_of };
    change(&api, command, StatusCode::OK, shown).await
}

/// `DELETE /Applications/{AP}.json`
pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, application)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let command = DirectoryCommand::DeleteApplication { account: caller.sid(), sid: sid(&application)? };
    deleted(&api, Command::Directory(command)).await
}

/// The parameters, one a line.
fn application_change(parameters: &Parameters) -> Result<ApplicationChange, Problem> {
    Ok(ApplicationChange {
        friendly_name: friendly_name(parameters, 20002)?.map(|name| Some(name).filter(|name| !name.is_empty())),
        api_version: api_version(parameters)?,
        voice: VoiceHooksChange {
            voice: hook(parameters, ["VoiceUrl", "VoiceMethod"], CODES)?,
            fallback: hook(parameters, ["VoiceFallbackUrl", "VoiceFallbackMethod"], CODES)?,
            status_callback: hook(parameters, ["StatusCallback", "StatusCallbackMethod"], CODES)?,
        },
        voice_caller_id_lookup: parameters.flag_filter("VoiceCallerIdLookup")?,
        sms: SmsHooksChange {
            sms: hook(parameters, ["SmsUrl", "SmsMethod"], CODES)?,
            fallback: hook(parameters, ["SmsFallbackUrl", "SmsFallbackMethod"], CODES)?,
        },
        sms_status_callback: url_set(parameters, "SmsStatusCallback", CODES.url)?,
        message_status_callback: url_set(parameters, "MessageStatusCallback", CODES.url)?,
        public_application_connect_enabled: parameters.flag_filter("PublicApplicationConnectEnabled")?,
    })
}

fn shown(row: &DirectoryRow) -> Option<ApplicationJson> {
    match row {
        DirectoryRow::Application(row) => Some(ApplicationJson::of(row)),
        _ => None,
    }
}

#[derive(Serialize)]
struct ApplicationJson {
    sid: String,
    account_sid: String,
    friendly_name: Option<String>,
    api_version: String,
    voice_url: Option<String>,
    voice_method: &'static str,
    voice_fallback_url: Option<String>,
    voice_fallback_method: &'static str,
    voice_caller_id_lookup: bool,
    status_callback: Option<String>,
    status_callback_method: &'static str,
    sms_url: Option<String>,
    sms_method: &'static str,
    sms_fallback_url: Option<String>,
    sms_fallback_method: &'static str,
    sms_status_callback: Option<String>,
    message_status_callback: Option<String>,
    public_application_connect_enabled: bool,
    date_created: String,
    date_updated: String,
    uri: String,
}

impl ApplicationJson {
    fn of(row: &Application) -> Self {
        Self {
            sid: row.sid.to_string(),
            account_sid: row.account_sid.to_string(),
            friendly_name: row.friendly_name.clone(),
            api_version: row.api_version.clone(),
            voice_url: row.voice.voice.url.clone(),
            voice_method: row.voice.voice.method.as_str(),
            voice_fallback_url: row.voice.fallback.url.clone(),
            voice_fallback_method: row.voice.fallback.method.as_str(),
            voice_caller_id_lookup: row.voice_caller_id_lookup,
            status_callback: row.voice.status_callback.url.clone(),
            status_callback_method: row.voice.status_callback.method.as_str(),
            sms_url: row.sms.sms.url.clone(),
            sms_method: row.sms.sms.method.as_str(),
            sms_fallback_url: row.sms.fallback.url.clone(),
            sms_fallback_method: row.sms.fallback.method.as_str(),
            sms_status_callback: row.sms_status_callback.clone(),
            message_status_callback: row.message_status_callback.clone(),
            public_application_connect_enabled: row.public_application_connect_enabled,
            date_created: row.created.rfc2822(),
            date_updated: row.updated.rfc2822(),
            uri: format!("{}/Applications/{}.json", account_path(row.account_sid), row.sid),
        }
    }
}
