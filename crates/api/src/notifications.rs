//! Notifications: what went wrong, for those who write applications (rest-voice §10).

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use model::{AccountSid, Call, Notification, NotificationSid};
use serde::Serialize;
use store::NotificationFilter;

use crate::api::Api;
use crate::auth::Caller;
use crate::calls;
use crate::form::encode;
use crate::json::{self, API_VERSION, account_path};
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /Notifications.json`
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    page(&api, &caller, &parameters, None).await
}

/// `GET /Calls/{CA}/Notifications.json`
pub(crate) async fn list_of_call(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, call)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let call = calls::stored(&api, &caller, &call).await?;
    page(&api, &caller, &parameters, Some(&call)).await
}

async fn page(api: &Api, caller: &Caller, parameters: &Parameters, call: Option<&Call>) -> Result<Response, Problem> {
    let filter = NotificationFilter {
        call_sid: call.map(|call| call.sid),
        level: parameters.word_filter("Log", "0 or 1")?,
        at: parameters.span(["MessageDate", "MessageDate<", "MessageDate>"])?,
    };
    let paging = Paging::read(parameters)?;
    let page = paging.page(|sid| api.store.notification_seq(caller.sid(), sid)).await?;
    let rows = api.store.notifications(caller.sid(), &filter, page).await?;
    let path = list_path(caller.sid(), call);
    let shown = |notification: &Notification| NotificationJson::of(notification, &path);
    Ok(paging.answer("notifications", &path, &rows, |notification| notification.sid.to_string(), shown))
}

/// `GET /Notifications/{NO}.json`
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, notification)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let notification = stored(&api, &caller, &notification).await?;
    Ok(json::ok(&InstanceJson::of(&notification, &list_path(caller.sid(), None))))
}

/// `GET /Calls/{CA}/Notifications/{NO}.json`
pub(crate) async fn fetch_of_call(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, call, notification)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let call = calls::stored(&api, &caller, &call).await?;
    let notification = stored(&api, &caller, &notification).await?;
    if notification.call_sid != Some(call.sid) {
        return Err(Problem::NotFound);
    }
    Ok(json::ok(&InstanceJson::of(&notification, &list_path(caller.sid(), Some(&call)))))
}

async fn stored(api: &Api, caller: &Caller, sid: &str) -> Result<Notification, Problem> {
    let sid: NotificationSid = sid.parse().map_err(|_| Problem::NotFound)?;
    api.store.notification(caller.sid(), sid).await?.ok_or(Problem::NotFound)
}

fn list_path(account: AccountSid, call: Option<&Call>) -> String {
    let of = call.map(|call| format!("/Calls/{}", call.sid)).unwrap_or_default();
    format!("{}{of}/Notifications", account_path(account))
}

/// One in a list.
#[derive(Serialize)]
struct NotificationJson {
    sid: String,
    account_sid: String,
    call_sid: Option<String>,
    api_version: &'static str,
    log: &'static str,
    error_code: String,
    more_info: String,
    message_text: String,
    message_date: String,
    request_url: Option<String>,
    request_method: Option<&'static str>,
    date_created: String,
    date_updated: String,
    uri: String,
}

/// One by itself tells of the exchange it came of, too.
#[derive(Serialize)]
struct InstanceJson {
    #[serde(flatten)]
    listed: NotificationJson,
    request_variables: Option<String>,
    response_headers: Option<String>,
    response_body: Option<String>,
}

impl NotificationJson {
    fn of(notification: &Notification, list_path: &str) -> Self {
        let Notification { sid, error_code, message, .. } = notification;
        let at = notification.at.rfc2822();
        let exchange = notification.exchange.as_deref();
        Self {
            sid: sid.to_string(),
            account_sid: notification.account_sid.to_string(),
            call_sid: notification.call_sid.map(|sid| sid.to_string()),
            api_version: API_VERSION,
            log: notification.level.as_str(),
            error_code: error_code.to_string(),
            more_info: format!("https://www.twilio.com/docs/errors/{error_code}"),
            message_text: format!("Msg={}&ErrorCode={error_code}", encode(message)),
            message_date: at.clone(),
            request_url: exchange.map(|exchange| exchange.url.clone()),
            request_method: exchange.map(|exchange| exchange.method.as_str()),
            date_created: at.clone(),
            date_updated: at,
            uri: format!("{list_path}/{sid}.json"),
        }
    }
}

impl InstanceJson {
    fn of(notification: &Notification, list_path: &str) -> Self {
        let exchange = notification.exchange.as_deref();
        Self {
            listed: NotificationJson::of(notification, list_path),
            request_variables: exchange.map(|exchange| exchange.parameters.clone()),
            response_headers: exchange.map(|exchange| exchange.headers.clone()),
            response_body: exchange.map(|exchange| exchange.body.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Level;
    use serde_json::Value;

    #[test]
    fn every_code_has_the_level_of_the_dictionary() {
        let vectors: Value = serde_json::from_str(include_str!("../../../fixtures/rest/vectors/errors.json"))
            .expect("the vectors are JSON");
        for entry in vectors["codes"].as_array().expect("a list") {
            let code = entry["code"].as_u64().and_then(|code| u16::try_from(code).ok()).expect("a code");
            let want = if entry["level"] == "warning" { Level::Warning } else { Level::Error };
            assert_eq!(Level::of(code), want, "{code}");
        }
    }
}
