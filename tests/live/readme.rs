//! What the README tells newcomers to type, typed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::phone::Phone;
use testkit::server::{ACCOUNT_SID, AUTH_TOKEN, wait_until};

use crate::party::{PATIENCE, Party, ROOM};

const README: &str = include_str!("../../README.md");
/// What is told of who is muted, held and removed.
const WANTED: [&str; 3] = ["participant-mute", "participant-hold", "participant-leave"];

/// Where grpcurl is not installed, something takes its place; see there.
const GRPCURL: &str = concat!(
    "command -v grpcurl >/dev/null || grpcurl() { python3 '",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/live/grpcurl.py' \"$@\"; }\n"
);

/// The first block in that language below that heading that has `with` in it.
fn block(heading: &str, language: &str, with: &str) -> &'static str {
    let (_, below) = README.split_once(&format!("\n## {heading}\n")).expect("has the heading");
    let section = below.split("\n## ").next().unwrap_or_default();
    let fence = format!("```{language}\n");
    let mut blocks = section.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
    blocks.find(|block| block.contains(with)).unwrap_or_else(|| panic!("{heading} has no such block: {with}"))
}

/// Runs lines of the README as a newcomer would who has set what it says.
fn typed(party: &Party, [interpreter, option]: [&str; 2], lines: &str) -> Command {
    let mut command = Command::new(interpreter);
    command.args([option, lines]).stdin(Stdio::null());
    command.envs([("SID", ACCOUNT_SID), ("TOKEN", AUTH_TOKEN), ("BASE", &party.rest.base_url())]);
    command.env("GRPC", party.server.grpc().to_string());
    command
}

#[test]
fn the_same_operations_in_every_language_do_what_they_say() {
    let party = Party::of(["ana", "ben"]);
    // One bridge for all: each removes the one who came last.
    for (language, with, interpreter, guest) in [
        ("sh", "curl", ["sh", "-euc"], "cho"),
        ("python", "twilio", ["python3", "-c"], "dan"),
        ("js", "twilio", ["node", "-e"], "eva"),
        ("sh", "grpcurl", ["sh", "-euc"], "fay"),
    ] {
        let known = party.call_sids();
        let phone = Phone::dial(party.server.sip(), ROOM).as_user(guest).connect();
        let mut call = None;
        wait_until(PATIENCE, || {
            call = party.call_sids().into_iter().find(|sid| !known.contains(sid));
            call.is_some()
        });
        let call = call.expect("is in the room");
        let stand_in = if with == "grpcurl" { GRPCURL } else { "" };
        let lines = format!("{stand_in}{}", block("Dial in", language, with));
        let output = typed(&party, interpreter, &lines).output().expect("the interpreter runs");
        assert!(output.status.success(), "{with}: {}", String::from_utf8_lossy(&output.stderr));
        // Who leaves takes its numbers along, which come when its leg has closed.
        wait_until(PATIENCE, || told(&party, &call).len() >= WANTED.len());
        assert_eq!(told(&party, &call), WANTED, "{language} with {with}");
        assert!(phone.wait_ended(), "{language} with {with}: removed");
    }
}

#[test]
fn the_log_is_watched_as_it_says() {
    let party = Party::of(["ana"]);
    let lines = format!("{GRPCURL}{}", block("Beyond Twilio", "sh", "grpcurl"));
    let mut watching = typed(&party, ["sh", "-euc"], &lines).stdout(Stdio::piped()).spawn().expect("a shell");
    // It ends with the bridge, or as soon as nobody listens to it.
    let said = BufReader::new(watching.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let types = said.filter(|line| line.contains("\"type\":")).map(|line| line.trim().to_owned());
    let mut others = 0;
    let answered =
        types.inspect(|line| others += u32::from(!line.contains("\"call-"))).any(|line| line.contains("call-answered"));
    assert!(answered && others == 0, "{others} of no call");
    drop(party);
    watching.wait().expect("ends");
}

/// What the log has of it, as far as it is wanted.
fn told(party: &Party, call: &str) -> Vec<String> {
    let log = party.rest.request("GET", "/partyline/v1/events?Limit=1000", &[]).expect(200).json();
    let events = log["events"].as_array().cloned().unwrap_or_default();
    let of_call = events.iter().filter(|event| event["call_sid"] == call);
    let names = of_call.filter_map(|event: &Value| event["type"].as_str());
    names.filter(|name| WANTED.contains(name)).map(str::to_owned).collect()
}
