//! What the README tells newcomers to type, typed.

use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::server::{ACCOUNT_SID, AUTH_TOKEN};

use crate::party::Party;

const README: &str = include_str!("../../README.md");

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
        [("sh", vec!["sh", "-euc"], "cho"), ("python", vec!["python3", "-c"], "dan"), ("js", vec!["node", "-e"], "eva")]
    {
        let mut party = Joined { party: &party, phone: None };
        let (call, before) = party.join(guest);
        let output = Command::new(interpreter[0])
            .args(&interpreter[1..])
            .arg(block("Dial in", language))
            .envs([("SID", ACCOUNT_SID), ("TOKEN", AUTH_TOKEN), ("BASE", &party.party.rest.base_url())])
            .stdin(Stdio::null())
            .output()
            .expect("the interpreter runs");
        assert!(output.status.success(), "{language}: {}", String::from_utf8_lossy(&output.stderr));
        let log =
            party.party.rest.request("GET", &format!("/partyline/v1/events?After={before}"), &[]).expect(200).json();
        let told: Vec<&str> = log["events"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|event| event["call_sid"] == call.as_str())
            .filter_map(|event| event["type"].as_str().filter(|name| name.starts_with("participant-")))
            .filter(|name| !name.contains("speech"))
            .collect();
        assert_eq!(told, ["participant-mute", "participant-hold", "participant-leave"], "{language}");
        assert!(party.phone.take().expect("has joined").wait_ended(), "{language}: removed");
    }
}

/// Somebody more in the room.
struct Joined<'a> {
    party: &'a Party,
    phone: Option<testkit::phone::Phone>,
}

impl Joined<'_> {
    /// Joins; the call's SID, and where the log is then.
    fn join(&mut self, name: &str) -> (String, Value) {
        let known = self.party.call_sids();
        let dial = testkit::phone::Phone::dial(self.party.server.sip(), crate::party::ROOM).as_user(name);
        self.phone = Some(dial.connect());
        let mut call = None;
        testkit::server::wait_until(crate::party::PATIENCE, || {
            call = self.party.call_sids().into_iter().find(|sid| !known.contains(sid));
            call.is_some()
        });
        let mut after = Value::from(0);
        loop {
            let path = format!("/partyline/v1/events?Limit=1000&After={after}");
            let log = self.party.rest.request("GET", &path, &[]).expect(200).json();
            after = log["after"].clone();
            if log["more"] == false {
                return (call.expect("is in the room"), after);
            }
        }
    }
}
