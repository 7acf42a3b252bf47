//! `ConferenceControl`: what REST does with conferences and participants, spelled as messages.
//!
//! What is asked is spelled as REST's parameters and read as those are, so that there is one table of what may be said.

use std::sync::Arc;

use model::HttpMethod;
use store::{ConferenceFilter, Page, ParticipantFilter, Position, Rows};
use switch::{Answer, AudioUrl, Command, ParticipantChange};
use tonic::{Request, Response, Status};

use super::proto::conference_control_server::ConferenceControl;
use super::{enter, proto};
use crate::api::Api;
use crate::auth::Caller;
use crate::new_participant::new_participant;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::{conferences, participants};

pub(super) struct Control {
    pub(super) api: Arc<Api>,
}

type Answered<T> = Result<Response<T>, Status>;

/// A place among what is worked on, who asks, and what.
macro_rules! enter {
    ($self:ident, $request:ident) => {{
        let place = $self.api.admit()?;
        let (metadata, _, asked) = $request.into_parts();
        let caller = enter(&$self.api, &metadata, &asked.account_sid).await?;
        (place, caller, asked)
    }};
}

#[tonic::async_trait]
impl ConferenceControl for Control {
    async fn list_conferences(
        &self,
        request: Request<proto::ListConferencesRequest>,
    ) -> Answered<proto::ListConferencesResponse> {
        let (_place, caller, asked) = enter!(self, request);
        let filter = ConferenceFilter {
            friendly_name: Some(asked.friendly_name.clone()).filter(|name| !name.is_empty()),
            status: match asked.status() {
                proto::ConferenceStatus::Unspecified => None,
                proto::ConferenceStatus::Init => Some(model::ConferenceStatus::Init),
                proto::ConferenceStatus::InProgress => Some(model::ConferenceStatus::InProgress),
                proto::ConferenceStatus::Completed => Some(model::ConferenceStatus::Completed),
            },
            ..ConferenceFilter::default()
        };
        let page = page(asked.page_size, &asked.page_token)?;
        let rows = self.api.store.conferences(caller.sid(), &filter, page).await.map_err(Problem::from)?;
        let next_page_token = next(&rows, |conference| conference.seq);
        let conferences = rows.rows.iter().map(proto::Conference::from).collect();
        Ok(Response::new(proto::ListConferencesResponse { conferences, next_page_token }))
    }

    async fn get_conference(&self, request: Request<proto::GetConferenceRequest>) -> Answered<proto::Conference> {
        let (_place, caller, asked) = enter!(self, request);
        let conference = conferences::stored(&self.api, &caller, &asked.conference).await?;
        Ok(Response::new((&conference).into()))
    }

    async fn end_conference(&self, request: Request<proto::EndConferenceRequest>) -> Answered<proto::Conference> {
        let (_place, caller, asked) = enter!(self, request);
        let conference = conferences::change(&self.api, &caller, &asked.conference, true, None).await?;
        Ok(Response::new((&conference).into()))
    }

    async fn announce_to_conference(
        &self,
        request: Request<proto::AnnounceToConferenceRequest>,
    ) -> Answered<proto::Conference> {
        let (_place, caller, asked) = enter!(self, request);
        let announce = announcement(asked.audio)?;
        let conference = conferences::change(&self.api, &caller, &asked.conference, false, Some(announce)).await?;
        Ok(Response::new((&conference).into()))
    }

    async fn list_participants(
        &self,
        request: Request<proto::ListParticipantsRequest>,
    ) -> Answered<proto::ListParticipantsResponse> {
        let (_place, caller, asked) = enter!(self, request);
        let page = page(asked.page_size, &asked.page_token)?;
        let conference = conferences::stored(&self.api, &caller, &asked.conference).await?.sid;
        let filter = ParticipantFilter::default();
        let rows = self.api.store.participants(caller.sid(), conference, &filter, page).await.map_err(Problem::from)?;
        let next_page_token = next(&rows, |participant| participant.seq);
        let participants = rows.rows.iter().map(proto::Participant::from).collect();
        Ok(Response::new(proto::ListParticipantsResponse { participants, next_page_token }))
    }

    async fn get_participant(&self, request: Request<proto::GetParticipantRequest>) -> Answered<proto::Participant> {
        let (_place, caller, asked) = enter!(self, request);
        let found = participants::stored(&self.api, &caller, &asked.conference, &asked.participant).await?;
        Ok(Response::new((&found).into()))
    }

    async fn dial(&self, request: Request<proto::DialRequest>) -> Answered<proto::Participant> {
        let (_place, caller, asked) = enter!(self, request);
        let conference = conferences::named(filled(&asked.conference, "conference")?);
        let new = new_participant(caller.sid(), conference, &dialled(asked)?)?;
        participant(self.api.command(Command::CreateParticipant(Box::new(new))).await?)
    }

    async fn mute(&self, request: Request<proto::MuteRequest>) -> Answered<proto::Participant> {
        let (_place, caller, asked) = enter!(self, request);
        let change = vec![("Muted", asked.muted.to_string())];
        self.change(&caller, &asked.conference, &asked.participant, change).await
    }

    async fn hold(&self, request: Request<proto::HoldRequest>) -> Answered<proto::Participant> {
        let (_place, caller, asked) = enter!(self, request);
        let mut change = vec![("Hold", asked.hold.to_string())];
        change.extend(spelled(asked.audio, ["HoldUrl", "HoldMethod"]));
        self.change(&caller, &asked.conference, &asked.participant, change).await
    }

    async fn coach(&self, request: Request<proto::CoachRequest>) -> Answered<proto::Participant> {
        let (_place, caller, asked) = enter!(self, request);
        let change = vec![("Coaching", true.to_string()), ("CallSidToCoach", asked.call_sid_to_coach)];
        self.change(&caller, &asked.conference, &asked.participant, change).await
    }

    async fn monitor(&self, request: Request<proto::ParticipantRequest>) -> Answered<proto::Participant> {
        let (_place, caller, asked) = enter!(self, request);
        let change = vec![("Muted", true.to_string()), ("Coaching", false.to_string())];
        self.change(&caller, &asked.conference, &asked.participant, change).await
    }

    async fn barge(&self, request: Request<proto::ParticipantRequest>) -> Answered<proto::Participant> {
        let (_place, caller, asked) = enter!(self, request);
        let change = vec![("Muted", false.to_string()), ("Coaching", false.to_string())];
        self.change(&caller, &asked.conference, &asked.participant, change).await
    }

    async fn announce(&self, request: Request<proto::AnnounceRequest>) -> Answered<proto::Participant> {
        let (_place, caller, asked) = enter!(self, request);
        let change = ParticipantChange { announce: Some(announcement(asked.audio)?), ..ParticipantChange::default() };
        self.apply(&caller, &asked.conference, &asked.participant, change).await
    }

    async fn set_gain(&self, request: Request<proto::SetGainRequest>) -> Answered<proto::Participant> {
        let (_place, caller, asked) = enter!(self, request);
        let change = vec![("PartylineGain", asked.gain_db.to_string())];
        self.change(&caller, &asked.conference, &asked.participant, change).await
    }

    async fn r#move(&self, request: Request<proto::MoveRequest>) -> Answered<proto::Participant> {
        let (_place, caller, asked) = enter!(self, request);
        let to = filled(&asked.to_conference, "to_conference")?;
        if to.chars().count() > NAME_CHARACTERS_MAX {
            let expected = "at most 128 characters";
            return Err(Problem::Invalid { code: 16003, name: "to_conference", expected }.into());
        }
        let command = Command::MoveParticipant {
            account: caller.sid(),
            conference: conferences::named(&asked.conference),
            participant: participants::named(&asked.participant),
            to: conferences::named(to),
        };
        participant(self.api.command(command).await?)
    }

    async fn remove(&self, request: Request<proto::ParticipantRequest>) -> Answered<proto::RemoveResponse> {
        let (_place, caller, asked) = enter!(self, request);
        let command = Command::RemoveParticipant {
            account: caller.sid(),
            conference: conferences::named(&asked.conference),
            participant: participants::named(&asked.participant),
        };
        match self.api.command(command).await? {
            Answer::Removed => Ok(Response::new(proto::RemoveResponse {})),
            other => Err(Problem::mismatch(&other).into()),
        }
    }
}

impl Control {
    /// Changes a participant as REST's parameters of these names would.
    async fn change(
        &self,
        caller: &Caller,
        conference: &str,
        participant: &str,
        change: Vec<(&'static str, String)>,
    ) -> Answered<proto::Participant> {
        let change = participants::change(&Parameters::spelled(change)?)?;
        self.apply(caller, conference, participant, change).await
    }

    async fn apply(
        &self,
        caller: &Caller,
        conference: &str,
        of: &str,
        change: ParticipantChange,
    ) -> Answered<proto::Participant> {
        let command = Command::UpdateParticipant {
            account: caller.sid(),
            conference: conferences::named(conference),
            participant: participants::named(of),
            change,
        };
        participant(self.api.command(command).await?)
    }
}

fn participant(answer: Answer) -> Answered<proto::Participant> {
    match answer {
        Answer::Participant(participant) => Ok(Response::new((&participant).into())),
        other => Err(Problem::mismatch(&other).into()),
    }
}

/// A new participant in REST's words. What is not said is left to REST's defaults.
fn dialled(asked: proto::DialRequest) -> Result<Parameters, Problem> {
    let seconds = |name, seconds: u32| (seconds > 0).then(|| (name, seconds.to_string()));
    let text = |name, text: String| (!text.is_empty()).then_some((name, text));
    let mut said: Vec<(&'static str, String)> = vec![("Muted", asked.muted.to_string())];
    said.push(("EndConferenceOnExit", asked.end_conference_on_exit.to_string()));
    said.extend(text("To", asked.to));
    said.extend(text("From", asked.from));
    said.extend(text("Label", asked.label));
    said.extend(text("CallSidToCoach", asked.call_sid_to_coach));
    said.extend(asked.start_conference_on_enter.map(|starts| ("StartConferenceOnEnter", starts.to_string())));
    said.extend(asked.beep.map(|beep| ("Beep", beep.to_string())));
    said.extend(seconds("Timeout", asked.timeout_seconds));
    said.extend(seconds("TimeLimit", asked.time_limit_seconds));
    said.extend(spelled(asked.wait_audio, ["WaitUrl", "WaitMethod"]));
    said.extend(spelled(asked.status_callback, ["StatusCallback", "StatusCallbackMethod"]));
    Parameters::spelled(said)
}

/// Audio, or any other address, in REST's words.
fn spelled(audio: Option<proto::Audio>, [url, method]: [&'static str; 2]) -> Vec<(&'static str, String)> {
    let Some(audio) = audio else { return Vec::new() };
    let mut said = vec![(url, audio.url)];
    said.extend(Some((method, audio.method)).filter(|(_, method)| !method.is_empty()));
    said
}

/// What is played once.
fn announcement(audio: Option<proto::Audio>) -> Result<AudioUrl, Problem> {
    let said = Parameters::spelled(spelled(audio, ["AnnounceUrl", "AnnounceMethod"]))?;
    let announce = said.audio("AnnounceUrl", "AnnounceMethod", HttpMethod::Post)?;
    let expected = "an absolute http or https URL";
    announce.filter(|audio| !audio.url.is_empty()).ok_or(Problem::Parameter { name: "audio", expected })
}

fn filled<'a>(text: &'a str, name: &'static str) -> Result<&'a str, Problem> {
    if text.is_empty() { Err(Problem::Parameter { name, expected: "a SID or a name" }) } else { Ok(text) }
}

/// A page that begins after the row a token names.
fn page(size: u32, token: &str) -> Result<Page, Problem> {
    let size = match size {
        0 => PAGE_SIZE_DEFAULT,
        1..=PAGE_SIZE_MAX => size,
        _ => return Err(Problem::PageSize),
    };
    let position = match token {
        "" => Position::Offset(0),
        token => Position::After(token.parse().map_err(|_| Problem::PageToken)?),
    };
    Ok(Page { size, position })
}

fn next<T>(rows: &Rows<T>, seq: impl Fn(&T) -> i64) -> String {
    rows.rows.last().filter(|_| rows.more).map(|last| seq(last).to_string()).unwrap_or_default()
}

const PAGE_SIZE_DEFAULT: u32 = 50;
const PAGE_SIZE_MAX: u32 = 1_000;
/// Longest name of a conference (rest-voice §4.3).
const NAME_CHARACTERS_MAX: usize = 128;
