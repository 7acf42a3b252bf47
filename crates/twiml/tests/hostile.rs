//! Documents that nobody would write, by the thousand: nothing panics, and whatever is run comes to its end.

use proptest::collection::vec;
use proptest::prelude::*;
use twiml::{Document, Gathered, Interpreter, Kind, Link, Outcome, Prompt, Say, Step, Verb, parse};

/// Reads bytes as a document and, if they are one, runs it for every kind with these outcomes.
fn check(bytes: &[u8], outcomes: &[Outcome]) -> Result<(), TestCaseError> {
    let Ok(document) = parse(bytes) else { return Ok(()) };
    prop_assert!(document.warnings.len() <= 100);
    for say in document.verbs.iter().flat_map(says) {
        check_say(say)?;
    }
    use Kind::{Announcement, Call, CalleeWhisper, ConferenceWait, QueueWait, QueueWhisper};
    for kind in [Call, ConferenceWait, Announcement, QueueWait, CalleeWhisper, QueueWhisper] {
        for base in [None, Some("https://app.test/voice/menu")] {
            run(document.clone(), base, kind, outcomes)?;
        }
    }
    Ok(())
}

/// Never more steps than verbs and an end; nothing after that.
fn run(document: Document, base: Option<&str>, kind: Kind, outcomes: &[Outcome]) -> Result<(), TestCaseError> {
    let steps_max = document.verbs.len() + 1;
    let mut interpreter = Interpreter::new(document, base, kind);
    let mut step = interpreter.next(Outcome::Started);
    let mut outcomes = outcomes.iter().cycle();
    for _ in 0..steps_max {
        if let Step::Fetch { link, .. } | Step::Tell { link, .. } = &step {
            check_link(link)?;
        }
        if is_over(&step) {
            prop_assert_eq!(interpreter.next(Outcome::Done), Step::Ended);
            return Ok(());
        }
        step = interpreter.next(outcomes.next().cloned().unwrap_or(Outcome::Done));
    }
    prop_assert!(is_over(&step), "{step:?} after {steps_max} steps");
    Ok(())
}

fn is_over(step: &Step) -> bool {
    matches!(
        step,
        Step::Fetch { .. }
            | Step::Tell { .. }
            | Step::Leave
            | Step::Reject(_)
            | Step::Hangup
            | Step::Ended
            | Step::Again { .. }
            | Step::Fail { .. }
    )
}

fn check_link(link: &Link) -> Result<(), TestCaseError> {
    let url = link.url.to_ascii_lowercase();
    prop_assert!(url.starts_with("http:") || url.starts_with("https:"), "{url:?} is not absolute");
    Ok(())
}

fn says(verb: &Verb) -> Vec<&Say> {
    match verb {
        Verb::Say(say) => vec![say],
        Verb::Gather(gather) => gather
            .prompts
            .iter()
            .filter_map(|prompt| match prompt {
                Prompt::Say(say) => Some(say),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// There is something to say, not too much, and its markup is XML again.
fn check_say(say: &Say) -> Result<(), TestCaseError> {
    prop_assert!(!say.text.is_empty() && say.text.chars().count() <= Say::CHARS_MAX);
    let Some(ssml) = &say.ssml else { return Ok(()) };
    let inner = ssml.strip_prefix("<speak>").and_then(|rest| rest.strip_suffix("</speak>"));
    let again = parse(format!("<Response><Say>{}</Say></Response>", inner.unwrap_or_default()).as_bytes());
    let again = again.map_err(|error| TestCaseError::fail(format!("{ssml:?}: {error}")))?;
    let [Verb::Say(again)] = again.verbs.as_slice() else { return Err(TestCaseError::fail(format!("{ssml:?}"))) };
    prop_assert_eq!((&again.text, &again.ssml), (&say.text, &say.ssml));
    Ok(())
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Done),
        1 => Just(Outcome::Failed),
        2 => Just(Outcome::Nothing),
        1 => Just(Outcome::Refused),
        1 => Just(Outcome::Gathered(Gathered::Digits { digits: "1".to_owned(), finished_on_key: Some('#') })),
        1 => prop_oneof![Just(Outcome::HungUp), Just(Outcome::Replaced), Just(Outcome::Started)],
    ]
}

/// The pieces documents are made of, whole and broken.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(ELEMENTS).prop_map(|name| format!("<{name}>")),
        prop::sample::select(ELEMENTS).prop_map(|name| format!("</{name}>")),
        prop::sample::select(ELEMENTS).prop_map(|name| format!("<{name}/>")),
        (prop::sample::select(ELEMENTS), prop::sample::select(ATTRIBUTES), prop::sample::select(VALUES))
            .prop_map(|(name, attribute, value)| format!("<{name} {attribute}=\"{value}\">")),
        prop::sample::select(VALUES).prop_map(str::to_owned),
        prop::sample::select(BROKEN).prop_map(str::to_owned),
        "\\PC{0,4}",
    ]
}

/// An element that is closed, whatever is in it.
fn element() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![prop::sample::select(VALUES).prop_map(str::to_owned), Just(String::new())];
    leaf.prop_recursive(4, 24, 4, |inside| {
        let attributes =
            prop::collection::btree_map(prop::sample::select(ATTRIBUTES), prop::sample::select(VALUES), 0..4);
        (prop::sample::select(ELEMENTS), attributes, vec(inside, 0..4)).prop_map(|(name, attributes, inside)| {
            let attributes: String = attributes.iter().map(|(name, value)| format!(" {name}='{value}'")).collect();
            format!("<{name}{attributes}>{}</{name}>", inside.concat())
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..300), outcomes in vec(outcome(), 1..6)) {
        check(&bytes, &outcomes)?;
    }

    #[test]
    fn any_pieces(pieces in vec(piece(), 0..40), outcomes in vec(outcome(), 1..6)) {
        check(pieces.concat().as_bytes(), &outcomes)?;
        check(format!("<Response>{}</Response>", pieces.concat()).as_bytes(), &outcomes)?;
    }

    #[test]
    fn any_verbs(verbs in vec(element(), 0..8), outcomes in vec(outcome(), 1..6)) {
        let document = format!("<Response>{}</Response>", verbs.concat());
        prop_assert!(parse(document.as_bytes()).is_ok(), "{document}");
        check(document.as_bytes(), &outcomes)?;
    }

    #[test]
    fn any_damage(
        document in prop::sample::select(documents()),
        damage in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
        outcomes in vec(outcome(), 1..6),
    ) {
        let mut bytes = document;
        for (at, byte, how) in damage {
            let at = at.index(bytes.len().max(1));
            match how {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => { bytes.remove(at); }
                _ => bytes.insert(at, byte),
            }
        }
        check(&bytes, &outcomes)?;
    }
}

/// Every document among the fixtures.
fn documents() -> Vec<Vec<u8>> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/twiml");
    std::fs::read_dir(directory)
        .expect("fixtures/twiml")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .map(|path| std::fs::read(path).expect("a document"))
        .collect()
}

/// As large as a document may be, in the shapes that are slow to read where something is quadratic. The bounds on depth,
/// elements and attributes are what makes them quick; a test that took minutes would say that one is gone.
#[test]
fn the_largest_documents_come_to_an_end() {
    let fill = |start: &str, piece: &str, end: &str| {
        let count = (Document::BYTES_MAX - start.len() - end.len()) / piece.len();
        format!("{start}{}{end}", piece.repeat(count))
    };
    let numbered = |start: &str, piece: fn(usize) -> String, end: &str| {
        let mut text = start.to_owned();
        for i in 0.. {
            let piece = piece(i);
            if text.len() + piece.len() + end.len() > Document::BYTES_MAX {
                break;
            }
            text.push_str(&piece);
        }
        text + end
    };
    let events = "<Response><Dial><Conference statusCallbackEvent='";
    for (case, document, accepted) in [
        ("one long text", fill("<Response><Say>", "a", "</Say></Response>"), true),
        ("references", fill("<Response><Say>", "&#97;", "</Say></Response>"), true),
        ("comments in text", fill("<Response><Say>", "a<!---->", "</Say></Response>"), true),
        ("words of a list", fill(events, "x ", "'>c</Conference></Dial></Response>"), true),
        ("hints", fill("<Response><Gather hints='", "x,", "'/></Response>"), true),
        ("verbs", fill("<Response>", "<Leave/>", "</Response>"), true),
        ("nesting", fill("<Response>", "<Say>", ""), false),
        ("attributes", numbered("<Response", |i| format!(" a{i}=''"), "/>"), false),
        ("namespaces", numbered("<Response>", |i| format!("<a xmlns:n{i}='u'>"), ""), false),
        ("unclosed comments", fill("<Response>", "<!--", "</Response>"), false),
        ("unclosed CDATA", fill("<Response><Say>", "<![CDATA[", "</Say></Response>"), false),
    ] {
        assert!(document.len() <= Document::BYTES_MAX, "{case}: {} bytes", document.len());
        assert_eq!(parse(document.as_bytes()).is_ok(), accepted, "{case}");
    }
    assert!(parse(fill("<Response>", " ", "</Response> ").as_bytes()).is_ok());
    let too_large = parse(&vec![b' '; Document::BYTES_MAX + 1]).expect_err("too large");
    assert_eq!(too_large.code(), 11750);
}

const ELEMENTS: &[&str] = &[
    "Response",
    "Say",
    "Play",
    "Pause",
    "Gather",
    "Record",
    "Dial",
    "Number",
    "Client",
    "Identity",
    "Sip",
    "Uri",
    "Headers",
    "Header",
    "Conference",
    "Queue",
    "Application",
    "ApplicationSid",
    "Parameter",
    "Enqueue",
    "Task",
    "Leave",
    "Connect",
    "Conversation",
    "Stream",
    "Start",
    "Stop",
    "Recording",
    "Redirect",
    "Refer",
    "Reject",
    "Hangup",
    "Echo",
    "Sms",
    "break",
    "sub",
    "p",
    "x:y",
];

const ATTRIBUTES: &[&str] = &[
    "action",
    "method",
    "url",
    "timeout",
    "loop",
    "digits",
    "length",
    "input",
    "finishOnKey",
    "numDigits",
    "record",
    "statusCallback",
    "statusCallbackEvent",
    "waitUrl",
    "callerId",
    "name",
    "value",
    "alias",
    "workflowSid",
    "reservationSid",
    "machineDetection",
    "actionOnEmptyResult",
    "username",
    "password",
    "xml:lang",
    "voice",
    "track",
    "priority",
];

const VALUES: &[&str] = &[
    "",
    "0",
    "1",
    "5",
    "-1",
    "4294967296",
    "true",
    "false",
    "GET",
    "auto",
    "dtmf speech",
    "#",
    "12#",
    "/next",
    "next?a=1",
    "https://app.test/",
    "ftp://app.test",
    "wss://app.test",
    "sip:ann@app.test",
    "+15005550006",
    "hello there",
    "&amp;",
    "&#10;",
    "{}",
    "WW0123456789abcdef0123456789abcdef",
    "WR0123456789abcdef0123456789abcdef",
    "Enable",
    "größe",
    "http://",
    "//",
    "?",
    "inbound_track",
    "start end",
];

const BROKEN: &[&str] = &[
    "<",
    ">",
    "&",
    "&#",
    "&#x110000;",
    "&nope;",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<!DOCTYPE x>",
    "<?xml version='1.0'?>",
    "<Say ",
    "=",
    "\"",
    "'",
    "/>",
    "</",
    "\u{feff}",
    "\u{1}",
];
