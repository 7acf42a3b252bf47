//! The parameters of `POST Calls.json`, of its update, and what participants share with them (rest-voice §3.2, §3.3, §5.2).

use std::ops::RangeInclusive;
use std::time::Duration;

use model::{AccountSid, CallSid, HttpMethod};
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
        time_limit: time_limit(parameters)?,
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
    let method = method(parameters, "Method")?;
    if let Some(url) = parameters.filled("Url") {
        let url = absolute(url).ok_or(Problem::UrlMalformed)?;
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
pub(crate) fn status_callback(parameters: &Parameters, remarks: &mut Vec<Remark>) -> Result<CallCallback, Problem> {
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

pub(crate) fn recording(parameters: &Parameters, remarks: &mut Vec<Remark>) -> Result<Option<LegRecording>, Problem> {
    const NAMES: [&str; 3] =
        ["RecordingStatusCallback", "RecordingStatusCallbackMethod", "RecordingStatusCallbackEvent"];
    let record = parameters.flag("Record")?.unwrap_or(false);
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
    Ok(Some(recording).filter(|_| record))
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
        remarks.push(Remark { code: 21626, message: format!("{name}: {word:?} is no event") });
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
pub(crate) fn credentials(parameters: &Parameters, to: &Callee) -> Result<Option<SipCredentials>, Problem> {
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
const TWIML_CHARACTERS_MAX: usize = 4000;
const DIGITS_MAX: usize = 32;
const CREDENTIAL_CHARACTERS_MAX: usize = 255;
/// Who writes ten wrong events learns enough.
const REMARKS_MAX: usize = 10;
/// Of a wrong event, as it is shown.
const WORD_CHARACTERS_MAX: usize = 40;
const URL: &str = "an absolute http or https URL";

#[cfg(test)]
mod tests {
    use switch::HttpMethod;

    use super::*;
    use crate::new_participant::new_participant;

    const ACCOUNT: AccountSid = AccountSid::from_bits(1);

    /// A call to a number, with these parameters besides.
    fn read(more: &[(&str, &str)]) -> Result<NewCall, Problem> {
        let to = [("To", "+15005550001"), ("From", "+15005550006"), ("Url", "http://app.test/")];
        new_call(ACCOUNT, &Parameters::of(&[&to, more].concat()))
    }

    fn code<T>(read: Result<T, Problem>) -> Option<u32> {
        match read {
            Ok(_) => None,
            Err(Problem::Invalid { code, .. } | Problem::Missing { code, .. }) => Some(code),
            Err(Problem::Parameter { .. }) => Some(20001),
            Err(Problem::UrlMalformed | Problem::UrlMissing) => Some(21205),
            Err(Problem::CoachTargetMalformed) => Some(13240),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_parameter_has_its_bounds_and_its_code() {
        let long = "x".repeat(256);
        let (digits, more_digits) = ("1".repeat(32), "1".repeat(33));
        let (twiml, more_twiml) = ("x".repeat(4000), "x".repeat(4001));
        for (name, value, want) in [
            ("Url", "ftp://app.test/", Some(21205)),
            ("Method", "PUT", Some(21209)),
            ("FallbackUrl", "ftp://app.test/", Some(21205)),
            ("FallbackMethod", "put", Some(21209)),
            ("ApplicationSid", "AP1", Some(21218)),
            ("StatusCallback", "http://", Some(21609)),
            ("StatusCallback", "app.test/s", None),
            ("CallerId", "client:ana", Some(21212)),
            ("SendDigits", "12wW*#abcdABCD", None),
            ("SendDigits", &digits, None),
            ("SendDigits", &more_digits, Some(21206)),
            ("SendDigits", "1e", Some(21206)),
            ("Timeout", "1", None),
            ("Timeout", "600", None),
            ("Timeout", "0", Some(21208)),
            ("Timeout", "601", Some(21208)),
            ("Timeout", "soon", Some(21208)),
            ("TimeLimit", "86400", None),
            ("TimeLimit", "86401", Some(20001)),
            ("RecordingChannels", "stereo", Some(20001)),
            ("RecordingTrack", "outbound", None),
            ("RecordingTrack", "none", Some(20001)),
            ("Trim", "do-not-trim", None),
            ("Trim", "true", Some(20001)),
            ("RecordingStatusCallback", "ftp://x", Some(21609)),
            ("SipAuthUsername", "alice", Some(21225)),
            ("SipAuthUsername", &long, Some(21221)),
            ("SipAuthUsername", "a\u{7}", Some(21222)),
            ("SipAuthPassword", &long, Some(21223)),
            ("SipAuthPassword", "a\"b", Some(21224)),
            ("SipAuthPassword", "secret", None),
            ("MachineDetection", "Enable", None),
            ("MachineDetection", "true", Some(21234)),
            ("MachineDetectionTimeout", "2", Some(21263)),
            ("MachineDetectionSpeechThreshold", "6001", Some(21263)),
            ("MachineDetectionSpeechEndThreshold", "499", Some(21263)),
            ("MachineDetectionSilenceTimeout", "x", Some(21263)),
            ("AsyncAmd", "maybe", Some(20001)),
            ("AsyncAmdStatusCallback", "ftp://x", Some(21609)),
            ("Byoc", "TK0123456789abcdef0123456789abcdef", Some(21300)),
            ("Byoc", "BY0123456789abcdef0123456789abcdef", None),
            ("ClientNotificationUrl", "ftp://x", Some(20001)),
        ] {
            assert_eq!(code(read(&[(name, value)])), want, "{name}={value}");
        }
        for (document, want) in [(&twiml, None), (&more_twiml, Some(20001)), (&String::new(), Some(21205))] {
            let of = [("To", "client:ana"), ("From", "ben"), ("Twiml", document)];
            assert_eq!(code(new_call(ACCOUNT, &Parameters::of(&of))), want, "TwiML of {} characters", document.len());
        }
    }

    #[test]
    fn nothing_said_is_the_default() {
        let new = read(&[]).expect("is right");
        assert_eq!((new.leg.ring_timeout, new.leg.time_limit), (RING_TIMEOUT_DEFAULT, None));
        assert_eq!((new.leg.record, new.leg.amd, new.leg.caller_id, new.fallback), (None, None, None, None));
        assert_eq!(new.leg.status, CallCallback { completed: true, ..CallCallback::default() });
        let link = Link { url: "http://app.test/".to_owned(), method: HttpMethod::Post };
        assert_eq!(new.instructions, Instructions::Link(link));
    }

    #[test]
    fn events_are_words_however_they_come_and_what_is_none_is_passed_over() {
        for (case, words, want, remarks) in [
            ("one", &["ringing"][..], [false, true, false, false], 0),
            ("repeated", &["initiated", "answered"], [true, false, true, false], 0),
            ("in one value", &["initiated ringing answered completed"], [true; 4], 0),
            ("one is wrong", &["ringing", "in-progress"], [false, true, false, false], 1),
            ("all are", &["busy"], [false, false, false, true], 1),
            ("very many", &["x y z x y z x y z x y z"], [false, false, false, true], REMARKS_MAX),
        ] {
            let words: Vec<_> = words.iter().map(|word| ("StatusCallbackEvent", *word)).collect();
            let leg = read(&words).expect("is right").leg;
            let CallCallback { initiated, ringing, answered, completed, .. } = leg.status;
            assert_eq!([initiated, ringing, answered, completed], want, "{case}");
            assert_eq!(leg.remarks.len(), remarks, "{case}");
            assert!(leg.remarks.iter().all(|remark| remark.code == 21626), "{case}");
        }
    }

    #[test]
    fn what_excludes_each_other_does() {
        let both = read(&[("Twiml", "<Response/>"), ("Url", "http://wins.test/")]).expect("is right");
        let link = Link { url: "http://wins.test/".to_owned(), method: HttpMethod::Post };
        assert_eq!(both.instructions, Instructions::Link(link), "a URL goes before TwiML");
        let application = read(&[
            ("ApplicationSid", "AP0123456789abcdef0123456789abcdef"),
            ("FallbackUrl", "http://f.test/"),
            ("StatusCallback", "http://s.test/"),
        ]);
        let application = application.expect("is right");
        assert!(matches!(application.instructions, Instructions::Application(_)));
        assert_eq!((application.fallback, application.leg.status), (None, CallCallback::default()));
        let amd = [("MachineDetection", "DetectMessageEnd"), ("AsyncAmd", "true")];
        let found = read(&amd).expect("is right").leg.amd.expect("is wanted");
        assert!(found.asynchronous && found.detection.message_end);
        let keys = read(&[amd[0], ("SendDigits", "1")]).expect("is right");
        assert_eq!(keys.leg.amd, None, "keys are sent to machines");
        let to_number = [("SipAuthUsername", "alice"), ("SipAuthPassword", "secret")];
        assert_eq!(read(&to_number).expect("is right").leg.credentials, None, "no number is challenged");
        let to_sip = read(&[to_number[0], to_number[1], ("To", "sip:a@b.test")]).expect("is right");
        assert_eq!(to_sip.leg.credentials.expect("are there").username, "alice");
        let record = [("Record", "true"), ("RecordingChannels", "dual"), ("Trim", "do-not-trim")];
        let recording = read(&record).expect("is right").leg.record.expect("is wanted");
        assert!(recording.dual && !recording.trim_silence && recording.callback.completed);
    }

    #[test]
    fn a_participants_parameters_have_their_bounds_and_codes() {
        let room = || switch::ConferenceRef::Name("standup".to_owned());
        let read = |more: &[(&str, &str)], room| {
            let to = [("To", "client:ana"), ("From", "ben")];
            new_participant(ACCOUNT, room, &Parameters::of(&[&to, more].concat()))
        };
        let long = "x".repeat(129);
        let call = "CA0123456789abcdef0123456789abcdef";
        for (name, value, want) in [
            ("Label", "customer", None),
            ("Label", &long, Some(16023)),
            ("Label", "a/b", Some(16024)),
            ("Label", call, Some(16024)),
            ("Timeout", "4", Some(21208)),
            ("Timeout", "5", None),
            ("Beep", "onEnter", None),
            ("Beep", "loud", Some(20001)),
            ("Coaching", "true", Some(13240)),
            ("CallSidToCoach", "CF1", Some(13240)),
            ("CallSidToCoach", call, None),
            ("WaitUrl", "", None),
            ("WaitUrl", "ftp://x", Some(20001)),
            ("MaxParticipants", "1", Some(20001)),
            ("MaxParticipants", "251", Some(20001)),
            ("MaxParticipants", "2", None),
            ("JitterBufferSize", "huge", Some(20001)),
            ("ConferenceRecord", "record-from-start", None),
            ("ConferenceRecord", "yes", Some(20001)),
            ("ConferenceTrim", "yes", Some(20001)),
            ("ConferenceStatusCallback", "ftp://x", Some(21609)),
            ("CallerDisplayName", "x", Some(20001)),
            ("PartylineGain", "21", Some(20001)),
        ] {
            assert_eq!(code(read(&[(name, value)], room())), want, "{name}={value}");
        }
        assert_eq!(code(read(&[], switch::ConferenceRef::Name(long))), Some(16003));
        let new = read(&[], room()).expect("is right");
        assert!(new.beep_on_enter && new.beep_on_exit && new.start_conference_on_enter && new.early_media);
        assert!(!new.muted && !new.end_conference_on_exit && !new.room.record);
        assert!(new.room.status_events.start && new.room.status_events.end && !new.room.status_events.join);
        assert_eq!(new.wait, switch::WaitAudio::Playlist);
        let quiet = read(&[("WaitUrl", ""), ("Coaching", "false"), ("CallSidToCoach", call)], room());
        let quiet = quiet.expect("is right");
        assert_eq!((quiet.wait, quiet.call_sid_to_coach), (switch::WaitAudio::Silence, None));
    }
}
