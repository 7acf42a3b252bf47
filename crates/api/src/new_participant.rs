//! The parameters of `POST Participants.json` (rest-voice §5.2).

use std::ops::RangeInclusive;

use model::{AccountSid, CallSid, JitterBufferSize};
use switch::webhook::Remark;
use switch::{
    Amd, AudioUrl, Callee, ConferenceEvents, ConferenceRef, Link, NewLeg, NewParticipant, NewRoom, WaitAudio,
};

use crate::new_call::{self, choice, link, machine_detection, passed_over, recording_callback, set, trim};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::tuning;

/// Reads a participant to be called into that conference.
pub(crate) fn new_participant(
    account: AccountSid,
    conference: ConferenceRef,
    parameters: &Parameters,
) -> Result<NewParticipant, Problem> {
    let mut leg = new_call::new_leg(parameters, true, RINGING_SECONDS)?;
    let detection = machine_detection(parameters, "AmdStatusCallback", "AmdStatusCallbackMethod")?;
    leg.amd = detection.map(|detection| Amd { detection, asynchronous: true });
    if matches!(&conference, ConferenceRef::Name(name) if name.chars().count() > NAME_CHARACTERS_MAX) {
        return Err(Problem::Invalid { code: 16003, name: "ConferenceSid", expected: "at most 128 characters" });
    }
    let [beep_on_enter, beep_on_exit] = beep(parameters)?;
    Ok(NewParticipant {
        account,
        conference,
        caller_display_name: caller_display_name(parameters, &leg)?,
        label: label(parameters)?,
        muted: parameters.is_true("Muted").unwrap_or(false),
        call_sid_to_coach: coached(parameters)?,
        beep_on_enter,
        beep_on_exit,
        start_conference_on_enter: parameters.flag_filter("StartConferenceOnEnter")?.unwrap_or(true),
        end_conference_on_exit: parameters.flag_filter("EndConferenceOnExit")?.unwrap_or(false),
        wait: wait(parameters)?,
        early_media: parameters.flag_filter("EarlyMedia")?.unwrap_or(true),
        jitter_buffer_size: parameters
            .word_filter("JitterBufferSize", "off, small, medium or large")?
            .unwrap_or(JitterBufferSize::Large),
        tuning: tuning::change(parameters)?,
        room: room(parameters, &mut leg.remarks)?,
        leg,
    })
}

/// Whether a beep is heard when it comes, and when it leaves.
pub(crate) fn beep(parameters: &Parameters) -> Result<[bool; 2], Problem> {
    let beep = choice(
        parameters,
        "Beep",
        "true, false, onEnter or onExit",
        &[("true", [true; 2]), ("false", [false; 2]), ("onEnter", [true, false]), ("onExit", [false, true])],
    )?;
    Ok(beep.unwrap_or([true; 2]))
}

/// What counts for the conference.
pub(crate) fn room(parameters: &Parameters, remarks: &mut Vec<Remark>) -> Result<NewRoom, Problem> {
    const RECORDING: [&str; 3] = [
        "ConferenceRecordingStatusCallback",
        "ConferenceRecordingStatusCallbackMethod",
        "ConferenceRecordingStatusCallbackEvent",
    ];
    let record = choice(
        parameters,
        "ConferenceRecord",
        "true, false, record-from-start or do-not-record",
        &[("true", true), ("record-from-start", true), ("false", false), ("do-not-record", false)],
    )?;
    let participants_max = match parameters.filled("MaxParticipants") {
        None => None,
        Some(_) => parameters.number("MaxParticipants", "a number from 2 to 250", 2..=PARTICIPANTS_MAX)?,
    };
    Ok(NewRoom {
        participants_max: participants_max.unwrap_or(PARTICIPANTS_MAX),
        region: parameters.filled("Region").map(str::to_owned),
        status_callback: link(parameters, "ConferenceStatusCallback", "ConferenceStatusCallbackMethod", 21609)?,
        status_events: conference_events(parameters, remarks),
        record: record.unwrap_or(false),
        trim_silence: trim(parameters, "ConferenceTrim")?,
        recording_callback: recording_callback(parameters, RECORDING, remarks)?,
    })
}

/// `start end` where none is named.
fn conference_events(parameters: &Parameters, remarks: &mut Vec<Remark>) -> ConferenceEvents {
    const NAME: &str = "ConferenceStatusCallbackEvent";
    let mut events = ConferenceEvents::default();
    let mut known = false;
    for word in parameters.words(NAME).unwrap_or_default() {
        known |= match word {
            "start" => set(&mut events.start),
            "end" => set(&mut events.end),
            "join" => set(&mut events.join),
            "leave" => set(&mut events.leave),
            "mute" => set(&mut events.mute),
            "hold" => set(&mut events.hold),
            "modify" => set(&mut events.modify),
            "speaker" => set(&mut events.speaker),
            "announcement" => set(&mut events.announcement),
            _ => passed_over(NAME, word, remarks),
        };
    }
    if !known {
        (events.start, events.end) = (true, true);
    }
    events
}

/// 1 to 128 characters without a slash, and nothing that could be taken for a call's SID.
fn label(parameters: &Parameters) -> Result<Option<String>, Problem> {
    let Some(label) = parameters.filled("Label") else { return Ok(None) };
    if label.chars().count() > LABEL_CHARACTERS_MAX {
        return Err(Problem::Invalid { code: 16023, name: "Label", expected: "at most 128 characters" });
    }
    if label.contains('/') || label.parse::<CallSid>().is_ok() {
        let expected = "neither a slash nor the SID of a call";
        return Err(Problem::Invalid { code: 16024, name: "Label", expected });
    }
    Ok(Some(label.to_owned()))
}

/// Whom it coaches: a SID alone says that it does, `Coaching=false` that it does not.
fn coached(parameters: &Parameters) -> Result<Option<CallSid>, Problem> {
    let coaching = parameters.flag_filter("Coaching")?;
    let target = parameters.filled("CallSidToCoach");
    let target: Option<CallSid> =
        target.map(|sid| sid.parse().map_err(|_| Problem::CoachTargetMalformed)).transpose()?;
    match (coaching, target) {
        (Some(true), None) => Err(Problem::CoachTargetMalformed),
        (Some(false), _) => Ok(None),
        (_, target) => Ok(target),
    }
}

/// Nothing said is music, an empty URL silence.
pub(crate) fn wait(parameters: &Parameters) -> Result<WaitAudio, Problem> {
    let audio = parameters.audio("WaitUrl", "WaitMethod", model::HttpMethod::Post)?;
    Ok(match audio {
        None => WaitAudio::Playlist,
        Some(AudioUrl { url, .. }) if url.is_empty() => WaitAudio::Silence,
        Some(audio) => WaitAudio::Url(Link::from(audio)),
    })
}

/// For SIP phones only, and passed over by all others.
fn caller_display_name(parameters: &Parameters, leg: &NewLeg) -> Result<Option<String>, Problem> {
    let Some(name) = parameters.filled("CallerDisplayName") else { return Ok(None) };
    if !(2..=255).contains(&name.chars().count()) || name.contains(char::is_control) {
        return Err(Problem::Parameter { name: "CallerDisplayName", expected: "2 to 255 characters" });
    }
    Ok(matches!(leg.to, Callee::Sip { .. }).then(|| name.to_owned()))
}

/// `Timeout` of a participant.
const RINGING_SECONDS: RangeInclusive<u64> = 5..=600;
/// Longest name of a conference (rest-voice §4.3).
const NAME_CHARACTERS_MAX: usize = 128;
const LABEL_CHARACTERS_MAX: usize = 128;
/// rest-voice §14.
const PARTICIPANTS_MAX: u32 = 250;
