//! Tuning: how a participant's voice is treated. Ours, and no part of Twilio's API.
//!
//! A participant takes the four `Partyline…` parameters beside its own; they are shown here, since the participant itself
//! is Twilio's to the field.

use std::ops::RangeInclusive;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use model::{Participant, Tuning};
use serde::Serialize;
use switch::{Answer, Command, ParticipantChange, TuningChange};

use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self, account_path};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::{conferences, participants};

/// `GET /Conferences/{CF}/Participants/{CA or label}/Tuning.json`
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, conference, participant)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    Ok(json::ok(&TuningJson::of(&participants::stored(&api, &caller, &conference, &participant).await?)))
}

/// `POST /Conferences/{CF}/Participants/{CA or label}/Tuning.json`
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, conference, participant)): Path<(String, String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let command = Command::UpdateParticipant {
        account: caller.sid(),
        conference: conferences::named(&conference),
        participant: participants::named(&participant),
        change: ParticipantChange { tuning: change(&parameters)?, ..ParticipantChange::default() },
    };
    match api.command(command).await? {
        Answer::Participant(participant) => Ok(json::ok(&TuningJson::of(&participant))),
        other => Err(Problem::mismatch(&other)),
    }
}

/// The parameters, one a line.
pub(crate) fn change(parameters: &Parameters) -> Result<TuningChange, Problem> {
    const GAIN: RangeInclusive<i8> = Tuning::GAIN_DB;
    Ok(TuningChange {
        gain_db: parameters.number("PartylineGain", "a whole number of dB from -20 to 20", GAIN)?,
        noise_suppression: parameters.flag("PartylineNoiseSuppression")?,
        jitter_buffer_size: parameters.word("PartylineJitterBufferSize", "off, small, medium or large")?,
        data_mode: parameters.flag("PartylineDataMode")?,
    })
}

#[derive(Serialize)]
struct TuningJson {
    account_sid: String,
    conference_sid: String,
    call_sid: String,
    partyline_gain: i8,
    partyline_noise_suppression: bool,
    partyline_jitter_buffer_size: &'static str,
    partyline_data_mode: bool,
    date_updated: String,
    uri: String,
}

impl TuningJson {
    fn of(participant: &Participant) -> Self {
        let Participant { account_sid, conference_sid, call_sid, tuning, updated, .. } = participant;
        let conference = format!("{}/Conferences/{conference_sid}", account_path(*account_sid));
        Self {
            account_sid: account_sid.to_string(),
            conference_sid: conference_sid.to_string(),
            call_sid: call_sid.to_string(),
            partyline_gain: tuning.gain_db,
            partyline_noise_suppression: tuning.noise_suppression,
            partyline_jitter_buffer_size: tuning.jitter_buffer_size.as_str(),
            partyline_data_mode: tuning.data_mode,
            date_updated: updated.rfc2822(),
            uri: format!("{conference}/Participants/{call_sid}/Tuning.json"),
        }
    }
}
