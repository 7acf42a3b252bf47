//! Participants (rest-voice §5): who hears whom in a conference.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use model::Participant;
use serde::Serialize;
use store::ParticipantFilter;
use switch::{Answer, Command, HttpMethod, ParticipantChange, ParticipantRef};

use crate::api::Api;
use crate::auth::Caller;
use crate::conferences;
use crate::json::{self, account_path};
use crate::new_participant::new_participant;
use crate::paging::Paging;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::tuning;

/// `GET /Conferences/{CF}/Participants.json`: those who have not left.
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, conference)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let filter = ParticipantFilter {
        muted: parameters.flag_filter("Muted")?,
        hold: parameters.flag_filter("Hold")?,
        coaching: parameters.flag_filter("Coaching")?,
    };
    let paging = Paging::read(&parameters)?;
    let conference = conferences::stored(&api, &caller, &conference).await?.sid;
    let page = paging.page(|sid| api.store.participant_seq(caller.sid(), conference, sid)).await?;
    let rows = api.store.participants(caller.sid(), conference, &filter, page).await?;
    let path = format!("{}/Conferences/{conference}/Participants", account_path(caller.sid()));
    let sid = |participant: &Participant| participant.call_sid.to_string();
    Ok(paging.answer("participants", &path, &rows, sid, ParticipantJson::of))
}

/// `POST /Conferences/{CF or name}/Participants.json`
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, conference)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let new = new_participant(caller.sid(), conferences::named(&conference), &parameters)?;
    match api.command(Command::CreateParticipant(Box::new(new))).await? {
        Answer::Participant(participant) => {
            let shown = ParticipantJson { queue_time: Some("0".to_owned()), ..ParticipantJson::of(&participant) };
            Ok(json::answer(StatusCode::CREATED, &shown))
        }
        other => Err(Problem::mismatch(&other)),
    }
}

/// `GET /Conferences/{CF}/Participants/{CA or label}.json`
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, conference, participant)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    Ok(json::ok(&ParticipantJson::of(&stored(&api, &caller, &conference, &participant).await?)))
}

/// `POST /Conferences/{CF}/Participants/{CA or label}.json`
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, conference, participant)): Path<(String, String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let command = Command::UpdateParticipant {
        account: caller.sid(),
        conference: conferences::named(&conference),
        participant: named(&participant),
        change: change(&parameters)?,
    };
    match api.command(command).await? {
        Answer::Participant(participant) => Ok(json::ok(&ParticipantJson::of(&participant))),
        other => Err(Problem::mismatch(&other)),
    }
}

/// `DELETE /Conferences/{CF}/Participants/{CA or label}.json`
pub(crate) async fn remove(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, conference, participant)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let command = Command::RemoveParticipant {
        account: caller.sid(),
        conference: conferences::named(&conference),
        participant: named(&participant),
    };
    match api.command(command).await? {
        Answer::Removed => Ok(StatusCode::NO_CONTENT.into_response()),
        other => Err(Problem::mismatch(&other)),
    }
}

/// The update parameters, one a line. What depends on the state of the room is the switch's to refuse.
pub(crate) fn change(parameters: &Parameters) -> Result<ParticipantChange, Problem> {
    Ok(ParticipantChange {
        muted: parameters.is_true("Muted"),
        hold: parameters.is_true("Hold"),
        hold_audio: parameters.audio("HoldUrl", "HoldMethod", HttpMethod::Get)?,
        announce: parameters
            .audio("AnnounceUrl", "AnnounceMethod", HttpMethod::Post)?
            .filter(|audio| !audio.url.is_empty()),
        wait_audio: parameters.audio("WaitUrl", "WaitMethod", HttpMethod::Post)?,
        beep_on_exit: parameters.flag("BeepOnExit")?,
        end_conference_on_exit: parameters.flag("EndConferenceOnExit")?,
        coaching: parameters.flag("Coaching")?,
        call_sid_to_coach: parameters
            .filled("CallSidToCoach")
            .map(|sid| sid.parse().map_err(|_| Problem::CoachTargetMalformed))
            .transpose()?,
        tuning: tuning::change(parameters)?,
    })
}

/// The participant that a path names, if it has not left.
pub(crate) async fn stored(
    api: &Api,
    caller: &Caller,
    conference: &str,
    participant: &str,
) -> Result<Participant, Problem> {
    let conference = conferences::stored(api, caller, conference).await?.sid;
    let participant = match named(participant) {
        ParticipantRef::Call(call) => api.store.participant(caller.sid(), conference, call).await?,
        ParticipantRef::Label(label) => api.store.participant_labelled(caller.sid(), conference, &label).await?,
    };
    participant.ok_or(Problem::NotFound)
}

/// What a path calls a participant by.
pub(crate) fn named(name: &str) -> ParticipantRef {
    name.parse().map_or_else(|_| ParticipantRef::Label(name.to_owned()), ParticipantRef::Call)
}

#[derive(Serialize)]
struct ParticipantJson {
    account_sid: String,
    call_sid: String,
    label: Option<String>,
    conference_sid: String,
    call_sid_to_coach: Option<String>,
    coaching: bool,
    muted: bool,
    hold: bool,
    start_conference_on_enter: bool,
    end_conference_on_exit: bool,
    status: &'static str,
    queue_time: Option<String>,
    date_created: String,
    date_updated: String,
    uri: String,
}

impl ParticipantJson {
    fn of(participant: &Participant) -> Self {
        let conference =
            format!("{}/Conferences/{}", account_path(participant.account_sid), participant.conference_sid);
        Self {
            account_sid: participant.account_sid.to_string(),
            call_sid: participant.call_sid.to_string(),
            label: participant.label.clone(),
            conference_sid: participant.conference_sid.to_string(),
            call_sid_to_coach: participant.call_sid_to_coach.map(|sid| sid.to_string()),
            coaching: participant.coaching,
            muted: participant.muted,
            hold: participant.hold,
            start_conference_on_enter: participant.start_conference_on_enter,
            end_conference_on_exit: participant.end_conference_on_exit,
            status: participant.status.as_str(),
            queue_time: None, // known only while one is made
            date_created: participant.created.rfc2822(),
            date_updated: participant.updated.rfc2822(),
            uri: format!("{conference}/Participants/{}.json", participant.call_sid),
        }
    }
}
