//! Conferences (rest-voice §4). They are born by a call that joins, and end; they are neither made nor deleted here.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use model::Conference;
use serde::Serialize;
use serde_json::{Value, json};
use store::ConferenceFilter;
use switch::{Answer, AudioUrl, Command, ConferenceRef, HttpMethod, Refusal};

use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self, API_VERSION, account_path};
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `GET /Conferences.json`
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let filter = ConferenceFilter {
        friendly_name: parameters.filled("FriendlyName").map(str::to_owned),
        status: parameters.word_filter("Status", "init, in-progress or completed")?,
        created: parameters.span(["DateCreated", "DateCreated<", "DateCreated>"])?,
        updated: parameters.span(["DateUpdated", "DateUpdated<", "DateUpdated>"])?,
    };
    let paging = Paging::read(&parameters)?;
    let page = paging.page(|sid| api.store.conference_seq(caller.sid(), sid)).await?;
    let rows = api.store.conferences(caller.sid(), &filter, page).await?;
    let path = format!("{}/Conferences", account_path(caller.sid()));
    Ok(paging.answer("conferences", &path, &rows, |conference| conference.sid.to_string(), ConferenceJson::of))
}

/// `GET /Conferences/{CF}.json`
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, conference)): Path<(String, String)>,
) -> Result<Response, Problem> {
    Ok(json::ok(&ConferenceJson::of(&stored(&api, &caller, &conference).await?)))
}

/// `POST /Conferences/{CF}.json`: ends it, or plays something to everyone; the end wins.
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, conference)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let complete = match parameters.get("Status") {
        None => false,
        Some("completed") => true,
        Some(_) => return Err(Problem::Parameter { name: "Status", expected: "completed" }),
    };
    let announce = parameters.audio("AnnounceUrl", "AnnounceMethod", HttpMethod::Post)?;
    let announce = announce.filter(|audio| !audio.url.is_empty());
    if !complete && announce.is_none() {
        return Ok(json::ok(&ConferenceJson::of(&stored(&api, &caller, &conference).await?)));
    }
    Ok(json::ok(&ConferenceJson::of(&change(&api, &caller, &conference, complete, announce).await?)))
}

/// Ends a conference, or plays something to everyone in it.
pub(crate) async fn change(
    api: &Api,
    caller: &Caller,
    conference: &str,
    complete: bool,
    announce: Option<AudioUrl>,
) -> Result<Conference, Problem> {
    let command =
        Command::UpdateConference { account: caller.sid(), conference: named(conference), complete, announce };
    match api.command(command).await {
        Ok(Answer::Conference(conference)) => Ok(conference),
        Ok(other) => Err(Problem::mismatch(&other)),
        Err(Problem::Refused(Refusal::ConferenceOver | Refusal::ConferenceNotFound)) => {
            stored(api, caller, conference).await?;
            // It is over: there is nothing to end any more, and nobody to play to.
            Err(if complete { Problem::NotFound } else { Problem::ConferenceOver })
        }
        Err(problem) => Err(problem),
    }
}

/// The conference that a path names: by SID, or the live one of that name.
pub(crate) async fn stored(api: &Api, caller: &Caller, name: &str) -> Result<Conference, Problem> {
    let conference = match named(name) {
        ConferenceRef::Sid(sid) => api.store.conference(caller.sid(), sid).await?,
        ConferenceRef::Name(name) => api.store.conference_named(caller.sid(), &name).await?,
    };
    conference.ok_or(Problem::NotFound)
}

/// What a path calls a conference by.
pub(crate) fn named(name: &str) -> ConferenceRef {
    name.parse().map_or_else(|_| ConferenceRef::Name(name.to_owned()), ConferenceRef::Sid)
}

#[derive(Serialize)]
struct ConferenceJson {
    sid: String,
    account_sid: String,
    friendly_name: String,
    status: &'static str,
    region: String,
    api_version: &'static str,
    reason_conference_ended: Option<&'static str>,
    call_sid_ending_conference: Option<String>,
    date_created: String,
    date_updated: String,
    uri: String,
    subresource_uris: Value,
}

impl ConferenceJson {
    fn of(conference: &Conference) -> Self {
        let path = format!("{}/Conferences/{}", account_path(conference.account_sid), conference.sid);
        Self {
            sid: conference.sid.to_string(),
            account_sid: conference.account_sid.to_string(),
            friendly_name: conference.friendly_name.clone(),
            status: conference.status.as_str(),
            region: conference.region.clone(),
            api_version: API_VERSION,
            reason_conference_ended: conference.reason_ended.map(|reason| reason.as_str()),
            call_sid_ending_conference: conference.call_sid_ending.map(|sid| sid.to_string()),
            date_created: conference.created.rfc2822(),
            date_updated: conference.updated.rfc2822(),
            subresource_uris: json!({
                "participants": format!("{path}/Participants.json"),
                "recordings": format!("{path}/Recordings.json"),
            }),
            uri: format!("{path}.json"),
        }
    }
}
