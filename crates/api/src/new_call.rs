//! The parameters of `POST Calls.json`, of its update, and what participants share with them (rest-voice §3.2, §3.3, §5.2).

use std::ops::RangeInclusive;
use std::time::Duration;

use model::{AccountSid, CallSid, HttpMethod, Level};
use switch::webhook::Remark;
use switch::{
    Amd, AudioUrl, CallCallback, CallChange, CallEnd, Callee, Instructions, LegRecording, Link, MachineDetection,
    NewCall, NewLeg, RecordingCallback, SipCredentials, Track,
};

use crate::callee;
use crate::parameters::{Parameters, absolute, audio_method};
use crate::problem::Problem;

/// Reads a new call.
pub(crate) fn new_call(account: AccountSid, parameters: &Parameters) -> Result<NewCall, Problem> {
    let mut leg = new_leg(parameters, false, RINGING_SECONDS)?;
    let instructions = match parameters.filled("ApplicationSid") {
        Some(sid) => {
            let expected = "the SID of an application";
            let wrong = Problem::Invalid { code: 21218, name: "ApplicationSid", expected };
            Instructions::Application(sid.parse().map_err(|_| wrong)?)
        }
        None => instructions(parameters)?.ok_or(Problem::UrlMissing)?,
    };
    let mut fallback = link(parameters, "FallbackUrl", "FallbackMethod", 21205)?;
    if let Instructions::Application(_) = instructions {
        // Its hooks replace these.
        (fallback, leg.status) = (None, CallCallback::default());
    }
    let amd = machine_detection(parameters, "AsyncAmdStatusCallback", "AsyncAmdStatusCallbackMethod")?;
    leg.amd = match parameters.flag_filter("AsyncAmd")? {
        Some(true) => amd.map(|detection| Amd { detection, asynchronous: true }),
        _ => amd.map(|detection| Amd { detection, asynchronous: false }),
    };
    leg.amd.take_if(|_| leg.send_digits.is_some());
    Ok(NewCall { account, instructions, fallback, leg })
}

/// Reads what shall change about a call.
pub(crate) fn call_change(account: AccountSid, call: CallSid, parameters: &Parameters) -> Result<CallChange, Problem> {
    let end = match parameters.get("Status") {
        None => None,
        Some("completed") => Some(CallEnd::Completed),
        Some("canceled") => Some(CallEnd::Canceled),
        Some(_) => return Err(Problem::Parameter { name: "Status", expected: "completed or canceled" }),
    };
    Ok(CallChange {
        account,
        call,
        end,
        instructions: instructions(parameters)?,
        fallback: link(parameters, "FallbackUrl", "FallbackMethod", 21205)?,
        status_callback: link(parameters, "StatusCallback", "StatusCallbackMethod", 21609)?,
        time_limit: time_limit(parameters)?,
    })
}

/// What a leg is dialled with. Machine detection is read by whoever asks for the leg: it differs.
pub(crate) fn new_leg(
    parameters: &Parameters,
    applications_too: bool,
    ringing_seconds: RangeInclusive<u64>,
) -> Result<NewLeg, Problem> {
    let to = callee::to(parameters.filled("To").ok_or(Problem::ToMissing)?, applications_too)?;
    let from = callee::from("From", parameters.filled("From").ok_or(Problem::FromMissing)?, &to)?;
    let caller_id = parameters.filled("CallerId").map(|text| callee::from("CallerId", text, &to)).transpose()?;
    let mut remarks = Vec::new();
    let status = status_callback(parameters, &mut remarks)?;
    Ok(NewLeg {
        from,
        caller_id,
        status,
        send_digits: send_digits(parameters)?,
        ring_timeout: ring_timeout(parameters, ringing_seconds)?,
        time_limit: time_limit(parameters)?.unwrap_or(TIME_LIMIT_DEFAULT),
        credentials: credentials(parameters, &to)?,
        amd: None,
        record: recording(parameters, &mut remarks)?,
        byoc: match parameters.filled("Byoc") {
            Some(sid) => Some(sid.parse().map_err(|_| {
                let expected = "the SID of a BYOC trunk";
                Problem::Invalid { code: 21300, name: "Byoc", expected }
            })?),
            None => None,
        },
        call_reason: parameters.filled("CallReason").map(str::to_owned),
        call_token: parameters.filled("CallToken").map(str::to_owned),
        client_notification_url: match parameters.filled("ClientNotificationUrl") {
            Some(url) => {
                Some(absolute(url).ok_or(Problem::Parameter { name: "ClientNotificationUrl", expected: URL })?)
            }
            None => None,
        },
        remarks,
        to,
    })
}

/// `Url` and `Method`, or `Twiml`; the URL wins.
fn instructions(parameters: &Parameters) -> Result<Option<Instructions>, Problem> {
    if let Some(url) = parameters.filled("Url") {
        let url = absolute(url).ok_or(Problem::UrlMalformed)?;
        let method = method(parameters, "Method")?;
        return Ok(Some(Instructions::Link(AudioUrl { url, method }.into())));
    }
    let Some(twiml) = parameters.filled("Twiml") else { return Ok(None) };
    if twiml.chars().count() > TWIML_CHARACTERS_MAX {
        return Err(Problem::Parameter { name: "Twiml", expected: "at most 4000 characters" });
    }
    Ok(Some(Instructions::Twiml(twiml.to_owned())))
}

/// A URL with its method; `code` is for a URL that is none.
pub(crate) fn link(
    parameters: &Parameters,
    name: &'static str,
    method_name: &'static str,
    code: u32,
) -> Result<Option<Link>, Problem> {
    let method = method(parameters, method_name)?;
    let Some(text) = parameters.filled(name) else { return Ok(None) };
    let url = absolute(text).ok_or(Problem::Invalid { code, name, expected: URL })?;
    Ok(Some(AudioUrl { url, method }.into()))
}

fn method(parameters: &Parameters, name: &'static str) -> Result<HttpMethod, Problem> {
    let read = |text| audio_method(text).ok_or(Problem::Invalid { code: 21209, name, expected: "GET or POST" });
    parameters.filled(name).map_or(Ok(HttpMethod::Post), read)
}

/// `StatusCallback`, `…Method` and `…Event` of a call. What is no event is passed over, and said (rest-voice §3.2).
fn status_callback(parameters: &Parameters, remarks: &mut Vec<Remark>) -> Result<CallCallback, Problem> {
    let link = link(parameters, "StatusCallback", "StatusCallbackMethod", 21609)?;
    let mut callback = CallCallback { link, ..CallCallback::default() };
    let mut known = false;
    for word in parameters.words("StatusCallbackEvent").unwrap_or_default() {
        known |= match word {
            "initiated" => set(&mut callback.initiated),
            "ringing" => set(&mut callback.ringing),
            "answered" => set(&mut callback.answered),
            "completed" => set(&mut callback.completed),
            _ => passed_over("StatusCallbackEvent", word, remarks),
        };
    }
    callback.completed |= !known;
    Ok(callback)
}

fn recording(parameters: &Parameters, remarks: &mut Vec<Remark>) -> Result<Option<LegRecording>, Problem> {
    const NAMES: [&str; 3] =
        ["RecordingStatusCallback", "RecordingStatusCallbackMethod", "RecordingStatusCallbackEvent"];
    let recording = LegRecording {
        dual: choice(parameters, "RecordingChannels", "mono or dual", &[("mono", false), ("dual", true)])?
            .unwrap_or(false),
        track: choice(
            parameters,
            "RecordingTrack",
            "inbound, outbound or both",
            &[("inbound", Track::Inbound), ("outbound", Track::Outbound), ("both", Track::Both)],
        )?
        .unwrap_or(Track::Both),
        trim_silence: trim(parameters, "Trim")?,
        callback: recording_callback(parameters, NAMES, remarks)?,
    };
    Ok(Some(recording).filter(|_| parameters.is_true("Record") == Some(true)))
}

/// A recording's callback. Of its events three are told; the others come with them, and are passed over.
pub(crate) fn recording_callback(
    parameters: &Parameters,
    [url, method, event]: [&'static str; 3],
    remarks: &mut Vec<Remark>,
) -> Result<RecordingCallback, Problem> {
    let mut callback =
        RecordingCallback { link: link(parameters, url, method, 21609)?, ..RecordingCallback::default() };
    let mut known = false;
    for word in parameters.words(event).unwrap_or_default() {
        known |= match word {
            "in-progress" | "started" => set(&mut callback.in_progress),
            "completed" | "stopped" => set(&mut callback.completed),
            "absent" | "failed" => set(&mut callback.absent),
            "paused" | "resumed" => true,
            _ => passed_over(event, word, remarks),
        };
    }
    callback.completed |= !known;
    Ok(callback)
}

/// True, as what it sets.
pub(crate) fn set(flag: &mut bool) -> bool {
    *flag = true;
    true
}

/// False: a word that is none of the events.
pub(crate) fn passed_over(name: &str, word: &str, remarks: &mut Vec<Remark>) -> bool {
    if remarks.len() < REMARKS_MAX {
        let word: String = word.chars().take(WORD_CHARACTERS_MAX).collect();
        remarks.push(Remark { level: Level::Error, code: 21626, message: format!("{name}: {word:?} is no event") });
    }
    false
}

/// `trim-silence`, which is the default, or `do-not-trim`.
pub(crate) fn trim(parameters: &Parameters, name: &'static str) -> Result<bool, Problem> {
    let trims =
        choice(parameters, name, "trim-silence or do-not-trim", &[("trim-silence", true), ("do-not-trim", false)]);
    Ok(trims?.unwrap_or(true))
}

/// One of a few words.
pub(crate) fn choice<T: Copy>(
    parameters: &Parameters,
    name: &'static str,
    expected: &'static str,
    words: &[(&str, T)],
) -> Result<Option<T>, Problem> {
    let Some(text) = parameters.filled(name) else { return Ok(None) };
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.map(Some).ok_or(Problem::Parameter { name, expected })
}

fn send_digits(parameters: &Parameters) -> Result<Option<String>, Problem> {
    let Some(digits) = parameters.filled("SendDigits") else { return Ok(None) };
    let right = digits.len() <= DIGITS_MAX
        && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'D' | b'a'..=b'd' | b'#' | b'*' | b'w' | b'W'));
    let expected = "at most 32 of 0-9 A-D # * w W";
    if right {
        Ok(Some(digits.to_owned()))
    } else {
        Err(Problem::Invalid { code: 21206, name: "SendDigits", expected })
    }
}

fn ring_timeout(parameters: &Parameters, seconds: RangeInclusive<u64>) -> Result<Duration, Problem> {
    let Some(text) = parameters.filled("Timeout") else { return Ok(RING_TIMEOUT_DEFAULT) };
    let expected = if *seconds.start() == 1 { "seconds from 1 to 600" } else { "seconds from 5 to 600" };
    let wrong = Problem::Invalid { code: 21208, name: "Timeout", expected };
    text.parse().ok().filter(|given| seconds.contains(given)).map(Duration::from_secs).ok_or(wrong)
}

fn time_limit(parameters: &Parameters) -> Result<Option<Duration>, Problem> {
    match parameters.filled("TimeLimit") {
        None => Ok(None),
        Some(_) => Ok(parameters.number("TimeLimit", "seconds from 1 to 86400", 1..=86_400)?.map(Duration::from_secs)),
    }
}

/// What a challenged INVITE answers with; for SIP addresses only.
fn credentials(parameters: &Parameters, to: &Callee) -> Result<Option<SipCredentials>, Problem> {
    let username = credential(parameters, "SipAuthUsername", [21221, 21222])?;
    let password = credential(parameters, "SipAuthPassword", [21223, 21224])?;
    match (username, password) {
        (Some(_), None) => Err(Problem::Missing { code: 21225, name: "SipAuthPassword" }),
        (Some(username), Some(password)) if matches!(to, Callee::Sip { .. }) => {
            Ok(Some(SipCredentials { username, password }))
        }
        _ => Ok(None),
    }
}

fn credential(
    parameters: &Parameters,
    name: &'static str,
    [too_long, characters]: [u32; 2],
) -> Result<Option<String>, Problem> {
    let Some(text) = parameters.filled(name) else { return Ok(None) };
    if text.chars().count() > CREDENTIAL_CHARACTERS_MAX {
        return Err(Problem::Invalid { code: too_long, name, expected: "at most 255 characters" });
    }
    if text.contains(|c: char| c.is_control() || c == '"') {
        return Err(Problem::Invalid { code: characters, name, expected: "neither quotes nor control characters" });
    }
    Ok(Some(text.to_owned()))
}

/// `MachineDetection` and its companions, and whom to tell.
pub(crate) fn machine_detection(
    parameters: &Parameters,
    callback: &'static str,
    callback_method: &'static str,
) -> Result<Option<MachineDetection>, Problem> {
    let span = |name, expected, range: RangeInclusive<u64>, default: u64| match parameters.filled(name) {
        None => Ok(default),
        Some(text) => {
            let wrong = Problem::Invalid { code: 21263, name, expected };
            text.parse().ok().filter(|given| range.contains(given)).ok_or(wrong)
        }
    };
    let ms = |name, expected, range, default| span(name, expected, range, default).map(Duration::from_millis);
    let seconds = span("MachineDetectionTimeout", "seconds from 3 to 59", 3..=59, 30)?;
    let speech = ms("MachineDetectionSpeechThreshold", "milliseconds from 1000 to 6000", 1000..=6000, 2400)?;
    let speech_end = ms("MachineDetectionSpeechEndThreshold", "milliseconds from 500 to 5000", 500..=5000, 1200)?;
    let silence = ms("MachineDetectionSilenceTimeout", "milliseconds from 2000 to 10000", 2000..=10_000, 5000)?;
    let callback = link(parameters, callback, callback_method, 21609)?;
    let message_end = match parameters.filled("MachineDetection") {
        None => return Ok(None),
        Some("Enable") => false,
        Some("DetectMessageEnd") => true,
        Some(_) => {
            let expected = "Enable or DetectMessageEnd";
            return Err(Problem::Invalid { code: 21234, name: "MachineDetection", expected });
        }
    };
    Ok(Some(MachineDetection {
        message_end,
        timeout: Duration::from_secs(seconds),
        speech_threshold: speech,
        speech_end_threshold: speech_end,
        silence_timeout: silence,
        callback,
    }))
}

/// `Timeout` of a call.
const RINGING_SECONDS: RangeInclusive<u64> = 1..=600;
const RING_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// rest-voice §14.
const TIME_LIMIT_DEFAULT: Duration = Duration::from_secs(4 * 3600);
const TWIML_CHARACTERS_MAX: usize = 4000;
const DIGITS_MAX: usize = 32;
const CREDENTIAL_CHARACTERS_MAX: usize = 255;
/// Who writes ten wrong events learns enough.
const REMARKS_MAX: usize = 10;
/// Of a wrong event, as it is shown.
const WORD_CHARACTERS_MAX: usize = 40;
const URL: &str = "an absolute http or https URL";
