//! Starting, being killed, being asked to go.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::phone::Phone;
use testkit::server::{self, wait_until};

use crate::party::{PATIENCE, Party, ROOM};

#[test]
fn after_a_crash_every_call_is_shown_as_ended() {
    let mut party = Party::of(["ana", "ben"]);
    let (call, conference) = (format!("Calls/{}.json", party.guest("ana").call_sid), party.conference());
    party.server.kill();
    party.server.restart();
    for status in ["in-progress", "ringing", "queued"] {
        let calls = party.rest.get(&format!("Calls.json?Status={status}")).expect(200).json();
        assert_eq!(calls["calls"], Value::Array(Vec::new()), "none {status}");
    }
    let ended = party.rest.get(&call).expect(200).json();
    assert_eq!(ended["status"], "completed");
    assert!(ended["end_time"].is_string(), "{ended}");
    assert_eq!(party.rest.get(&conference).expect(200).text("status"), "completed");
    let fresh = [(); 2].map(|()| Phone::dial(party.server.sip(), ROOM).connect());
    assert!(fresh.iter().all(|phone| !phone.is_ended()), "and new calls are taken");
}

#[test]
fn asked_to_end_it_takes_no_new_calls_hangs_up_the_rest_and_exits_well() {
    let mut party = Party::start_with(&[("PARTYLINE_DRAIN_SECONDS", "3")]);
    party.join("ana");
    party.join("ben");
    party.server.terminate();
    let mut refused = None;
    let draining = wait_until(PATIENCE, || {
        refused = Phone::dial(party.server.sip(), ROOM).try_connect().err();
        refused.is_some()
    });
    assert!(draining && refused == Some(503), "{refused:?}");
    assert!(party.guest("ana").phone.wait_ended(), "ana is hung up");
    assert!(party.guest("ben").phone.wait_ended(), "ben is hung up");
    assert_eq!(party.server.wait_ended(PATIENCE).code(), Some(0));
}

#[test]
fn with_nobody_on_the_line_it_ends_at_once() {
    let mut party = Party::start_with(&[("PARTYLINE_DRAIN_SECONDS", "600")]);
    party.server.terminate();
    assert_eq!(party.server.wait_ended(Duration::from_secs(60)).code(), Some(0));
}

#[test]
fn a_hangup_ends_nothing_where_there_is_no_certificate_to_take_again() {
    let party = Party::of(["ana", "ben"]);
    let hangup = Command::new("sh").args(["-c", &format!("kill -HUP {}", party.server.pid())]).status();
    assert!(hangup.expect("a shell").success());
    // Whoever answers this has run since, and would be gone.
    assert_eq!(party.rest.get(&party.conference()).expect(200).text("status"), "in-progress");
    assert!(!party.guest("ana").phone.is_ended(), "ana talks on");
}

#[test]
fn what_it_keeps_is_readable_by_its_owner_only() {
    let party = Party::of(["ana", "ben"]);
    let mut files = Vec::new();
    collect(party.server.data(), &mut files);
    // Our own capture of its output is none of its files.
    files.retain(|path| !path.ends_with("test.log"));
    assert!(!files.is_empty());
    for file in files {
        assert_eq!(mode(&file) & 0o077, 0, "{} is {:o}", file.display(), mode(&file));
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("just listed").permissions().mode()
}

/// What others could get at: files in directories that are open to them.
fn collect(directory: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(directory).expect("a readable directory").flatten() {
        if entry.path().is_dir() {
            if mode(&entry.path()) & 0o077 != 0 {
                collect(&entry.path(), files);
            }
        } else {
            files.push(entry.path());
        }
    }
}

#[test]
fn a_wrong_setting_stops_the_start_and_is_named() {
    for (key, value) in [
        ("PARTYLINE_SIP_LISTEN", "carrier-pigeon:127.0.0.1:5060"),
        ("PARTYLINE_RTP_PORTS", "many"),
        ("PARTYLINE_OPEN_ROOMS", "sometimes"),
        ("PARTYLINE_MEDIA_THREADS", "-1"),
        ("PARTYLINE_NO_SUCH_SETTING", "1"),
    ] {
        let output = server::command().arg("serve").env(key, value).output().expect("it runs");
        assert!(!output.status.success(), "{key}={value}");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.contains(key), "{key}={value}: {said}");
    }
}

#[test]
fn help_names_the_commands() {
    let output = server::command().arg("--help").output().expect("it runs");
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("serve") && said.contains("--config"), "{said}");
}
