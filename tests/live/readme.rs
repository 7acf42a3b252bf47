//! What the README tells newcomers to type, typed.

use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::phone::Phone;
use testkit::server::{ACCOUNT_SID, AUTH_TOKEN, wait_until};

use crate::party::{PATIENCE, Party, ROOM};

const README: &str = include_str!("../../README.md");
/// What is told of who is muted, held and removed.
const WANTED: [&str; 3] = ["participant-mute", "participant-hold", "participant-leave"];

/// The first block in that language below that heading.
fn block(heading: &str, language: &str) -> &'static str {
    let (_, below) = README.split_once(&format!("\n## {heading}\n")).expect("has the heading");
    let section = below.split("\n## ").next().unwrap_or_default();
    let (_, block) = section.split_once(&format!("```{language}\n")).expect("has such a block");
    block.split("```").next().unwrap_or_default()
}

#[test]
fn the_same_operations_in_every_language_do_what_they_say() {
    let party = Party::of(["ana", "ben"]);
    // One bridge for all: each removes the one who came last.
    for (language, interpreter, guest) in
        [("sh", ["sh", "-euc"], "cho"), ("python", ["python3", "-c"], "dan"), ("js", ["node", "-e"], "eva")]
    {
        let known = party.call_sids();
        let phone = Phone::dial(party.server.sip(), ROOM).as_user(guest).connect();
        let mut call = None;
        wait_until(PATIENCE, || {
            call = party.call_sids().into_iter().find(|sid| !known.contains(sid));
            call.is_some()
        });
        let call = call.expect("is in the room");
        let output = Command::new(interpreter[0])
            .args([interpreter[1], block("Dial in", language)])
            .envs([("SID", ACCOUNT_SID), ("TOKEN", AUTH_TOKEN), ("BASE", &party.rest.base_url())])
            .stdin(Stdio::null())
            .output()
            .expect("the interpreter runs");
        assert!(output.status.success(), "{language}: {}", String::from_utf8_lossy(&output.stderr));
        // Who leaves takes its numbers along, which come when its leg has closed.
        wait_until(PATIENCE, || told(&party, &call).len() >= WANTED.len());
        assert_eq!(told(&party, &call), WANTED, "{language}");
        assert!(phone.wait_ended(), "{language}: removed");
    }
}

/// What the log has of it, as far as it is wanted.
fn told(party: &Party, call: &str) -> Vec<String> {
    let log = party.rest.request("GET", "/partyline/v1/events?Limit=1000", &[]).expect(200).json();
    let events = log["events"].as_array().cloned().unwrap_or_default();
    let of_call = events.iter().filter(|event| event["call_sid"] == call);
    let names = of_call.filter_map(|event: &Value| event["type"].as_str());
    names.filter(|name| WANTED.contains(name)).map(str::to_owned).collect()
}
