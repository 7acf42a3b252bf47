//! Media streams of a call (rest-voice §11): started and stopped here, as by `<Start>` and `<Stop>`.
//!
//! A stream is known as long as it lives: one that is over, however it ended, is not found.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use model::Call;
use serde::Serialize;
use switch::{Answer, Command, Parameter, Refusal, Stream, StreamCommand, StreamRef, StreamState, Track};
use url::Url;

use crate::api::Api;
use crate::auth::Caller;
use crate::calls::stored;
use crate::json::{self, account_path};
use crate::new_call::{choice, link};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// `POST /Calls/{CA}/Streams.json`
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, call)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let stream = Box::new(stream(&parameters)?);
    let call = stored(&api, &caller, &call).await?;
    let command = StreamCommand::Start { account: caller.sid(), call: call.sid, stream };
    answer(&api, &call, command).await
}

/// `POST /Calls/{CA}/Streams/{MZ or Name}.json`: stops it.
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, call, stream)): Path<(String, String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    match parameters.filled("Status") {
        None => return Err(Problem::Missing { code: 20001, name: "Status" }),
        Some("stopped") => {}
        Some(_) => return Err(Problem::Parameter { name: "Status", expected: "stopped" }),
    }
    let call = stored(&api, &caller, &call).await?;
    let stream = stream.parse().map_or_else(|_| StreamRef::Name(stream), StreamRef::Sid);
    let command = StreamCommand::Stop { account: caller.sid(), call: call.sid, stream };
    answer(&api, &call, command).await
}

async fn answer(api: &Api, call: &Call, command: StreamCommand) -> Result<Response, Problem> {
    let starts = matches!(command, StreamCommand::Start { .. });
    match api.command(Command::Stream(command)).await {
        Ok(Answer::Stream(stream)) => Ok(json::ok(&StreamJson::of(&stream))),
        Ok(other) => Err(Problem::mismatch(&other)),
        // It is there, or was a moment ago, but is over.
        Err(Problem::Refused(Refusal::CallNotFound)) if starts => {
            tracing::debug!(call_sid = %call.sid, "no stream for a call that is over");
            Err(Problem::NotInProgress)
        }
        Err(problem) => Err(problem),
    }
}

fn stream(parameters: &Parameters) -> Result<Stream, Problem> {
    let url = parameters.filled("Url").ok_or(Problem::Missing { code: 20001, name: "Url" })?.trim();
    if !Url::parse(url).is_ok_and(|url| url.scheme() == "wss" && url.has_host()) {
        return Err(Problem::Parameter { name: "Url", expected: "an absolute wss URL" });
    }
    let name = parameters.filled("Name");
    if name.is_some_and(|name| name.chars().count() > NAME_CHARACTERS_MAX) {
        return Err(Problem::Parameter { name: "Name", expected: "at most 128 characters" });
    }
    let tracks = [("inbound_track", Track::Inbound), ("outbound_track", Track::Outbound), ("both_tracks", Track::Both)];
    let track = choice(parameters, "Track", "inbound_track, outbound_track or both_tracks", &tracks)?;
    Ok(Stream {
        url: url.to_owned(),
        name: name.map(str::to_owned),
        track: track.unwrap_or(Track::Inbound),
        status_callback: link(parameters, "StatusCallback", "StatusCallbackMethod", 21609)?,
        parameters: custom(parameters),
    })
}

/// `Parameter1.Name` and `Parameter1.Value` to `Parameter99`, in the order of their numbers; one without a name is left
/// out.
fn custom(parameters: &Parameters) -> Vec<Parameter> {
    let one = |number| {
        let name = parameters.filled(&format!("Parameter{number}.Name"))?.to_owned();
        let value = parameters.get(&format!("Parameter{number}.Value")).unwrap_or_default().to_owned();
        Some(Parameter { name, value })
    };
    (1..=PARAMETERS_MAX).filter_map(one).collect()
}

#[derive(Serialize)]
struct StreamJson {
    sid: String,
    account_sid: String,
    call_sid: String,
    name: Option<String>,
    status: &'static str,
    date_updated: String,
    uri: String,
}

impl StreamJson {
    fn of(stream: &StreamState) -> Self {
        let path = account_path(stream.account_sid);
        Self {
            sid: stream.sid.to_string(),
            account_sid: stream.account_sid.to_string(),
            call_sid: stream.call_sid.to_string(),
            name: stream.name.clone(),
            status: if stream.stopped { "stopped" } else { "in-progress" },
            date_updated: stream.updated.rfc2822(),
            uri: format!("{path}/Calls/{}/Streams/{}.json", stream.call_sid, stream.sid),
        }
    }
}

/// Longest `Name`, in characters.
const NAME_CHARACTERS_MAX: usize = 128;
/// As many as Twilio's description has.
const PARAMETERS_MAX: usize = 99;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_from_its_parameters() {
        let url = ("Url", "wss://app.test/audio");
        let plain = Stream {
            url: url.1.to_owned(),
            name: None,
            track: Track::Inbound,
            status_callback: None,
            parameters: Vec::new(),
        };
        let named = |name: &str, value: &str| Parameter { name: name.to_owned(), value: value.to_owned() };
        let wrong = |name, expected| Err(Problem::Parameter { name, expected });
        let long = "x".repeat(NAME_CHARACTERS_MAX + 1);
        let tracks = "inbound_track, outbound_track or both_tracks";
        for (case, pairs, want) in [
            ("a URL", vec![url], Ok(plain.clone())),
            ("a name", vec![url, ("Name", "ears")], Ok(Stream { name: Some("ears".to_owned()), ..plain.clone() })),
            ("a track", vec![url, ("Track", "both_tracks")], Ok(Stream { track: Track::Both, ..plain.clone() })),
            (
                "parameters of its own",
                vec![url, ("Parameter2.Name", "b"), ("Parameter1.Value", "1"), ("Parameter1.Name", "a")],
                Ok(Stream { parameters: vec![named("a", "1"), named("b", "")], ..plain.clone() }),
            ),
            ("a parameter without a name", vec![url, ("Parameter1.Value", "1")], Ok(plain.clone())),
            ("no URL", vec![], Err(Problem::Missing { code: 20001, name: "Url" })),
            ("no WebSocket", vec![("Url", "https://app.test/")], wrong("Url", "an absolute wss URL")),
            ("no TLS", vec![("Url", "ws://app.test/")], wrong("Url", "an absolute wss URL")),
            ("no host", vec![("Url", "wss:")], wrong("Url", "an absolute wss URL")),
            ("another track", vec![url, ("Track", "inbound")], wrong("Track", tracks)),
            ("a long name", vec![url, ("Name", &long)], wrong("Name", "at most 128 characters")),
            (
                "a callback that is none",
                vec![url, ("StatusCallback", "ftp://app.test/")],
                Err(Problem::Invalid {
                    code: 21609,
                    name: "StatusCallback",
                    expected: "an absolute http or https URL",
                }),
            ),
        ] {
            assert_eq!(stream(&Parameters::of(&pairs)), want, "{case}");
        }
    }
}
