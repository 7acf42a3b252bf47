//! Every document of `fixtures/twiml`, run as the `.steps` file beside it says (see the README there).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use twiml::{Gathered, Interpreter, Kind, Outcome, Step, parse};

#[test]
fn documents_ask_for_what_is_written_beside_them() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/twiml");
    let mut documents: Vec<PathBuf> = std::fs::read_dir(&directory)
        .expect("fixtures/twiml")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .collect();
    documents.sort();
    assert!(!documents.is_empty(), "no documents in {}", directory.display());
    let write = std::env::var_os("TWIML_FIXTURES").is_some_and(|mode| mode == "write");
    let mut wrong = Vec::new();
    for path in documents {
        let expected = path.with_extension("steps");
        let script = std::fs::read_to_string(&expected).unwrap_or_default();
        let found = run(&std::fs::read(&path).expect("a document"), &script);
        if write {
            std::fs::write(&expected, &found).expect("a place to write");
        } else if found != script {
            wrong.push(format!("{}:\n{found}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "these ask for something else now:\n\n{}", wrong.join("\n"));
}

#[test]
fn every_verb_has_a_document_that_is_right_and_one_that_is_not() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/twiml");
    let names: Vec<String> = std::fs::read_dir(directory)
        .expect("fixtures/twiml")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    for verb in [
        "say", "play", "pause", "gather", "record", "dial", "enqueue", "leave", "connect", "start", "stop", "redirect",
        "refer", "reject", "hangup", "echo",
    ] {
        let of_verb = || names.iter().filter(|name| name.split('-').next() == Some(verb));
        assert!(of_verb().any(|name| !name.contains("invalid")), "{verb} has none that is right");
        assert!(of_verb().any(|name| name.contains("invalid")), "{verb} has none that is wrong");
    }
}

/// Codes of the contract's tables (twiml §1 to §9) that a document earns by what it says; those that take a call are
/// earned in `tests/scenarios`.
const CODES: [u16; 40] = [
    12_100, 12_102, 12_200, 13_000, 13_201, 13_230, 13_231, 13_232, 13_233, 13_234, 13_235, 13_238, 13_239, 13_240,
    13_410, 13_430, 13_510, 13_511, 13_512, 13_520, 13_610, 13_611, 13_612, 13_613, 13_614, 13_615, 13_616, 13_621,
    13_710, 13_810, 13_910, 14_201, 14_210, 14_211, 14_212, 14_213, 14_215, 14_218, 14_221, 14_300,
];

#[test]
fn every_code_that_a_document_can_earn_is_earned_by_one() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/twiml");
    let scripts = std::fs::read_dir(&directory).expect("fixtures/twiml").map(|entry| entry.expect("an entry").path());
    let scripts = scripts.filter(|path| path.extension().is_some_and(|extension| extension == "steps"));
    let scripts: Vec<String> = scripts.map(|path| std::fs::read_to_string(path).expect("a script")).collect();
    let earned = |code: &u16| scripts.iter().any(|script| script.contains(&code.to_string()));
    let missing: Vec<u16> = CODES.into_iter().filter(|code| !earned(code)).collect();
    assert_eq!(missing, [0_u16; 0], "no document earns these");
}

/// Runs a document with the kind, base and outcomes of `script`, and writes the whole script anew.
fn run(bytes: &[u8], script: &str) -> String {
    let value = |name: &str| script.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let (kind, base) = (value("kind ").unwrap_or("Call"), value("base ").unwrap_or("https://app.test/voice/menu"));
    let mut found = format!("kind {kind}\nbase {base}\n\n");
    let document = match parse(bytes) {
        Ok(document) => document,
        Err(error) => return format!("{found}error {} {error}\n", error.code()),
    };
    let mut interpreter = Interpreter::new(document, (base != "none").then_some(base), kind_of(kind));
    let mut outcome = Outcome::Started;
    for line in script.lines().filter(|line| line.starts_with("< ")).map(Some).chain([None]) {
        let step = interpreter.next(outcome);
        for warning in interpreter.take_warnings() {
            writeln!(found, "warning {warning}").expect("a String takes everything");
        }
        found.push_str(&laid_out(&format!("{step:?}"), 0));
        found.push('\n');
        let Some(line) = line else { break };
        writeln!(found, "{line}").expect("a String takes everything");
        outcome = outcome_of(line);
        assert!(!matches!(step, Step::Ended), "an outcome after the end: {script}");
    }
    found
}

fn kind_of(name: &str) -> Kind {
    use Kind::{Announcement, Call, CalleeWhisper, ConferenceWait, QueueWait, QueueWhisper};
    let kinds = [Call, ConferenceWait, Announcement, QueueWait, CalleeWhisper, QueueWhisper];
    kinds.into_iter().find(|kind| format!("{kind:?}") == name).unwrap_or_else(|| panic!("no kind {name}"))
}

fn outcome_of(line: &str) -> Outcome {
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    match words.as_slice() {
        ["done"] => Outcome::Done,
        ["failed"] => Outcome::Failed,
        ["nothing"] => Outcome::Nothing,
        ["refused"] => Outcome::Refused,
        ["hung", "up"] => Outcome::HungUp,
        ["replaced"] => Outcome::Replaced,
        ["keyed", digits, finish @ ..] => Outcome::Gathered(Gathered::Digits {
            digits: (*digits).to_owned(),
            finished_on_key: finish.first().and_then(|key| key.chars().next()),
        }),
        ["said", confidence, words @ ..] => {
            Outcome::Gathered(Gathered::Speech { text: words.join(" "), confidence: (*confidence).to_owned() })
        }
        _ => panic!("no outcome: {line}"),
    }
}

/// `Debug` output without the fields that are `None`, `false` or empty, and with a line for every part of what is too
/// long for one.
fn laid_out(text: &str, indent: usize) -> String {
    let Some(open) = opening(text) else { return text.to_owned() };
    let (head, bracket) = (&text[..open], &text[open..=open]);
    let inside = parts(&text[open + 1..text.len() - 1]);
    let kept: Vec<&str> = inside
        .into_iter()
        .filter(|part| ![": None", ": false", ": []"].iter().any(|nothing| part.ends_with(nothing)))
        .collect();
    let parts: Vec<String> = kept.iter().map(|part| laid_out(part, indent + 2)).collect();
    let blank = if bracket == "{" && !parts.is_empty() { " " } else { "" };
    let close = &text[text.len() - 1..];
    let line = format!("{head}{bracket}{blank}{}{blank}{close}", parts.join(", "));
    if !line.contains('\n') && indent + line.chars().count() <= WIDTH {
        return line;
    }
    let mut laid = format!("{head}{bracket}");
    for part in parts {
        write!(laid, "\n{}{part},", " ".repeat(indent + 2)).expect("a String takes everything");
    }
    write!(laid, "\n{}{close}", " ".repeat(indent)).expect("a String takes everything");
    laid
}

/// Where the bracket opens that closes at the end.
fn opening(text: &str) -> Option<usize> {
    let open = text.find(['{', '(', '[', '"'])?;
    (text.ends_with(['}', ')', ']']) && !text[open..].starts_with('"')).then_some(open)
}

/// What stands between commas, not counting those within brackets and quotes.
fn parts(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quoted, mut escaped) = (Vec::new(), 0, 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

const WIDTH: usize = 118;
