//! What is missing and what is wrong, parameter by parameter of every operation we have: each gets the contract's code.

use std::collections::BTreeMap;
use std::time::Duration;

use api::Config;

use crate::answers::{answers, columns};
use crate::bridge::{ACCOUNT, Bridge, TOKEN, basic};
use crate::centre::Centre;
use crate::workspace_statistics;

const PARAMETERS: &str = include_str!("../../../../fixtures/rest/parameters.tsv");

/// Where an operation is asked.
pub(crate) struct Place {
    verb: &'static str,
    path: &'static str,
}

impl Place {
    /// That is where something was asked.
    pub(crate) fn is(&self, (verb, uri): &(String, String)) -> bool {
        let path = uri.split('?').next().unwrap_or_default();
        let (asked, ours) = (path.split('/'), self.path.split('/'));
        let fits = |asked: &str, ours: &str| {
            let [asked, ours] = [asked, ours].map(|segment| segment.strip_suffix(".json").unwrap_or(segment));
            ours == asked || ours.starts_with('{') && !asked.is_empty()
        };
        self.verb == verb && asked.clone().count() == ours.clone().count() && asked.zip(ours).all(|(a, o)| fits(a, o))
    }
}

/// Of every operation in the table.
pub(crate) fn places() -> BTreeMap<&'static str, Place> {
    let rows = PARAMETERS.lines().skip(1).map(columns::<7>);
    rows.map(|[operation, verb, path, ..]| (operation, Place { verb, path })).collect()
}

/// What is not given, or not given rightly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Missing,
    Flag,
    Number,
    Sid,
    Url,
    /// One of `GET` and `POST`.
    Method,
    Word,
    Date,
}

/// The codes of the contract (rest-voice §1.9, §3.2, §7 to §9): the first line that fits an operation, a parameter and a
/// fault counts. An asterisk stands for whatever there is before or after.
const CODES: &[(&str, &str, Option<Fault>, u64)] = &[
    ("*", "PageSize", None, 20007),
    ("*", "Page", None, 20001),
    ("UpdateAccount", "Status", None, 21475),
    ("*", "To", Some(Fault::Missing), 21201),
    ("*", "From", Some(Fault::Missing), 21213),
    ("CreateQueue", "FriendlyName", Some(Fault::Missing), 20002),
    ("UpdateMember", "Url", None, 21205),
    // Numbers and applications.
    ("*Application", "*", Some(Fault::Url), 21402),
    ("*Application", "*", Some(Fault::Method), 21403),
    ("*IncomingPhoneNumber*", "*", Some(Fault::Url), 21402),
    ("*IncomingPhoneNumber*", "*", Some(Fault::Method), 21403),
    ("ListAvailablePhoneNumberLocal", "AreaCode", None, 21451),
    // SIP.
    ("*SipDomain", "DomainName", Some(Fault::Missing), 21231),
    ("*SipDomain", "*", Some(Fault::Url), 21231),
    ("*SipDomain", "*", Some(Fault::Method), 21231),
    ("*SipCredentialList", "FriendlyName", Some(Fault::Missing), 21240),
    ("*SipCredential", "*", Some(Fault::Missing), 21243),
    ("*SipIpAccessControlList", "FriendlyName", Some(Fault::Missing), 21235),
    ("*SipIpAddress", "*", Some(Fault::Missing), 21238),
    ("*SipIpAddress", "CidrPrefixLength", None, 21238),
    // Calls, and those who are called into conferences.
    ("CreateCall", "ApplicationSid", None, 21218),
    ("*Call", "Url", None, 21205),
    ("*Call", "FallbackUrl", None, 21205),
    ("*Call", "*Method", None, 21209),
    ("CreateParticipant", "WaitMethod", None, 20001),
    ("CreateParticipant", "*Method", None, 21209),
    ("CreateStream", "*Method", None, 21209),
    ("UpdateMember", "Method", None, 21209),
    ("CreateValidationRequest", "*Method", None, 21209),
    ("*Call", "*Callback", None, 21609),
    ("CreateParticipant", "*Callback", None, 21609),
    ("CreateStream", "StatusCallback", None, 21609),
    ("CreateValidationRequest", "StatusCallback", None, 21609),
    ("CreateCall", "Timeout", None, 21208),
    ("CreateParticipant", "Timeout", None, 21208),
    ("*", "MachineDetection*", Some(Fault::Number), 21263),
    ("Create*", "Byoc", None, 21300),
    ("*Participant", "CallSidToCoach", None, 13240),
    // Whatever else. Of an instruction there is one code, as it has no other when an application answers with it.
    ("Update*Reservation", "*", None, 20001),
    ("*", "*", Some(Fault::Sid), 20423),
    ("*", "*", None, 20001),
];

/// Where the contract says that anything but true is false.
const ANYTHING_ELSE_IS_FALSE: [(&str, &str); 4] = [
    ("CreateParticipant", "Muted"),
    ("UpdateParticipant", "Muted"),
    ("UpdateParticipant", "Hold"),
    ("CreateActivity", "Available"),
];

fn code(operation: &str, parameter: &str, fault: Fault) -> u64 {
    let fits = |pattern: &str, text: &str| match pattern.split('*').collect::<Vec<_>>()[..] {
        [whole] => text == whole,
        [start, end] => text.starts_with(start) && text.ends_with(end),
        [_, within, _] => text.contains(within),
        _ => unreachable!("{pattern} has two asterisks at most"),
    };
    let of = |(operations, parameters, of, _): &&(&str, &str, Option<Fault>, u64)| {
        fits(operations, operation) && fits(parameters, parameter) && of.is_none_or(|of| of == fault)
    };
    CODES.iter().find(of).expect("the last line fits everything").3
}

/// What an operation cannot do without, where it can be refused for anything else.
fn needed(operation: &str) -> Vec<(&'static str, &'static str)> {
    match operation {
        "CreateCall" => vec![("To", "client:ana"), ("From", "ben"), ("Url", "http://app.test/")],
        "CreateParticipant" => vec![("To", "client:ana"), ("From", "ben")],
        "CreateStream" => vec![("Url", "wss://app.test/")],
        "UpdateMember" => vec![("Url", "http://app.test/")],
        "UpdateStream" => vec![("Status", "stopped")],
        "CreateSipDomain" => vec![("DomainName", "new.sip.twilio.com")],
        "CreateSipCredential" => vec![("Username", "new"), ("Password", "Sesame0penNow")],
        "CreateSipIpAddress" => vec![("FriendlyName", "new"), ("IpAddress", "192.0.2.9")],
        "CreateTaskChannel" => vec![("FriendlyName", "new"), ("UniqueName", "new")],
        "CreateWorkflow" => vec![("FriendlyName", "new"), ("Configuration", "{}")],
        "CreateValidationRequest" => vec![("PhoneNumber", "+442071838751")],
        _ if operation.starts_with("CreateIncomingPhoneNumber") => vec![("PhoneNumber", "+15005550099")],
        _ if operation.starts_with("Create") => vec![("FriendlyName", "new")],
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn whatever_is_missing_or_wrong_has_the_contracts_code() {
    // What is not refused may be a command that the fake switch never answers.
    let bridge = Bridge::with(Config { switch_timeout: Duration::from_millis(200), ..Config::default() }).await;
    let centre = Centre::set_up().await;
    let statistics = workspace_statistics::answers(&centre).await;
    let answers = answers(&bridge).await.into_iter().chain(statistics);
    let asked: BTreeMap<_, _> = answers.map(|(operation, reply)| (operation, reply.asked)).collect();
    let mut wrong = Vec::new();
    let mut refused = 0;
    for line in PARAMETERS.lines().skip(1) {
        let [operation, verb, _, parameter, required, kind, format] = columns(line);
        if ANYTHING_ELSE_IS_FALSE.contains(&(operation, parameter)) {
            continue;
        }
        let fault = match (kind, format.split(':').next().unwrap_or_default()) {
            ("boolean", _) => Some(Fault::Flag),
            ("integer", _) => Some(Fault::Number),
            (_, "sid") => Some(Fault::Sid),
            (_, "uri") => Some(Fault::Url),
            (_, "enum") if format == "enum:GET|POST" => Some(Fault::Method),
            (_, "enum") => Some(Fault::Word),
            (_, "date-time" | "date") => Some(Fault::Date),
            _ => None,
        };
        let missing = (required == "yes").then_some(Fault::Missing);
        for fault in [missing, fault].into_iter().flatten() {
            let mut form = needed(operation);
            form.retain(|(name, _)| *name != parameter);
            if fault != Fault::Missing {
                form.push((parameter, "/wrong?"));
            }
            let form = form.iter().map(|(name, value)| format!("{name}={}", value.replace('+', "%2B")));
            let form = form.collect::<Vec<_>>().join("&");
            let path = asked[operation].1.split('?').next().unwrap_or_default();
            let (uri, body) =
                if verb == "GET" { (format!("{path}?{form}"), String::new()) } else { (path.to_owned(), form) };
            let request = axum::http::Request::builder()
                .method(verb)
                .uri(uri.replace('<', "%3C").replace('>', "%3E"))
                .header("authorization", basic(&ACCOUNT.to_string(), TOKEN))
                .header("content-type", "application/x-www-form-urlencoded");
            let bridge = if operation.ends_with("Statistics") { &centre.bridge } else { &bridge };
            let reply = bridge.send(request.body(body.into()).expect("is a request")).await;
            let want = (400, code(operation, parameter, fault));
            if reply.outcome() != want {
                wrong.push(format!("{operation} {parameter} {fault:?}: {:?}, not {want:?}", reply.outcome()));
            }
            refused += 1;
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(refused > 500, "{refused} are not all there are");
}
