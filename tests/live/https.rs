//! HTTPS, and applications that move here by their environment alone (sdk.md §2): not a line of them is changed.
//!
//! The names they call lead here by a hook into the resolver of their language (`moved/`), as in a network where DNS says
//! so. Port 443 is what SDKs call; where that is root's alone, the same hook leads to another.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::phone::Phone;
use testkit::server::{self, ACCOUNT_SID, AUTH_TOKEN, Server, wait_until};

use crate::party::{PATIENCE, ROOM};

/// What SDKs call.
const HTTPS_PORT: u16 = 443;
/// What anybody may listen on.
const UNPRIVILEGED_PORT: u16 = 8443;

/// A bridge that also serves by TLS, with a certificate of `partyline certs`.
struct Bridge {
    server: Server,
    certificates: tempfile::TempDir,
    port: u16,
}

impl Bridge {
    fn start() -> Self {
        let certificates = tempfile::tempdir().expect("a directory");
        let directory = certificates.path().display().to_string();
        let mut port = HTTPS_PORT;
        let server = Server::start_at(|address| {
            if TcpListener::bind((address, port)).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
                port = UNPRIVILEGED_PORT;
            }
            certs(certificates.path(), &[&address.to_string(), "*.lab.local.twilio.com"]);
            let settings = [("PARTYLINE_TLS_DIR", directory), ("PARTYLINE_HTTPS_LISTEN", format!("{address}:{port}"))];
            settings.map(|(key, value)| (key.to_owned(), value)).into()
        });
        Self { server, certificates, port }
    }

    fn authority(&self) -> PathBuf {
        self.certificates.path().join("ca.pem")
    }

    fn host(&self) -> String {
        self.server.sip().ip().to_string()
    }

    /// Two phones in a room.
    fn with_guests(&self) -> [Phone; 2] {
        let guests = ["ana", "ben"].map(|name| Phone::dial(self.server.sip(), ROOM).as_user(name).connect());
        let rest = self.server.rest();
        let both = wait_until(PATIENCE, || {
            let list = rest.get("Conferences.json?Status=in-progress").expect(200).json();
            list["conferences"].as_array().is_some_and(|list| list.len() == 1)
        });
        assert!(both, "the conference is in progress");
        guests
    }

    /// Runs an application that knows nothing of us, in an environment that does.
    fn run(&self, program: &str, script: &str, environment: &[(&str, &str)]) -> Value {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/moved");
        let output = Command::new(program)
            .arg(format!("{directory}/{script}"))
            .env("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
            .env("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
            .env("REQUESTS_CA_BUNDLE", self.authority())
            .env("NODE_EXTRA_CA_CERTS", self.authority())
            .env("PYTHONPATH", directory)
            .env("NODE_OPTIONS", format!("--require {directory}/resolver.js"))
            .env("TWILIO_LEADS_TO", self.host())
            .env("TWILIO_LEADS_TO_PORT", self.port.to_string())
            .envs(environment.iter().copied())
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{script} {environment:?}: {error}\n{said}"))
    }

    fn curl(&self, arguments: &[&str]) -> String {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--user", &format!("{ACCOUNT_SID}:{AUTH_TOKEN}"), "--cacert"])
            .arg(self.authority())
            .args(arguments)
            .output()
            .expect("curl runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("is text")
    }
}

/// `partyline certs`, with these names.
pub(crate) fn certs(directory: &Path, names: &[&str]) -> String {
    let mut command = server::command();
    let output = command.arg("certs").args(names).env("PARTYLINE_TLS_DIR", directory).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("is text")
}

#[test]
fn applications_written_for_twilio_move_here_by_their_environment_alone() {
    let bridge = Bridge::start();
    let guests = bridge.with_guests();
    let want = json!({
        "conference": ROOM, "participants": 2, "calls": 2, "application": "moved here", "deleted": true,
    });
    let rest = bridge.server.rest();
    let conference = rest.get("Conferences.json").expect(200).json()["conferences"][0]["sid"].clone();
    let participants = format!("Conferences/{}/Participants", conference.as_str().expect("a SID"));
    for (program, script) in [("python3", "application.py"), ("node", "application.js")] {
        for environment in
            [&[][..], &[("TWILIO_REGION", "local")], &[("TWILIO_EDGE", "lab"), ("TWILIO_REGION", "local")]]
        {
            assert_eq!(bridge.run(program, script, environment), want, "{script} {environment:?}");
            let list = rest.get(&format!("{participants}.json")).expect(200).json();
            for participant in list["participants"].as_array().expect("a list") {
                assert_eq!(participant["muted"], true, "{script} {environment:?} has muted everybody");
                let sid = participant["call_sid"].as_str().expect("a SID");
                rest.post(&format!("{participants}/{sid}.json"), &[("Muted", "false")]).expect(200);
            }
        }
    }
    drop(guests);
}

#[test]
fn curl_asks_by_http_2_and_trusts_only_whom_it_is_told_to() {
    let bridge = Bridge::start();
    let lead = format!("api.twilio.com:443:{}:{}", bridge.host(), bridge.port);
    let url = format!("https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json");
    let asked = ["--connect-to", &lead, "--write-out", " %{http_version} %{http_code}", &url];
    for (how, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let said = bridge.curl(&[&[how][..], &asked].concat());
        assert!(said.ends_with(&format!(" {version} 200")) && said.contains("\"calls\":[]"), "{how}: {said}");
    }
    // A filter as older clients write it, which none of HTTP/2 does.
    let said = bridge.curl(&["--http1.1", "--connect-to", &lead, &format!("{url}?StartTime>=2026-01-02")]);
    assert!(said.contains("StartTime%3E=2026-01-02"), "{said}");
    let stranger = Command::new("curl").args(["--silent", "--connect-to", &lead, &url]).status().expect("curl runs");
    assert_eq!(stranger.code(), Some(60), "an authority that nobody vouches for");
}

#[test]
fn a_new_certificate_is_shown_to_new_connections_while_an_old_one_lives() {
    let bridge = Bridge::start();
    let mut client = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/moved/two_connections.py"))
        .args([bridge.host(), bridge.port.to_string()])
        .arg(bridge.authority())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let mut orders = client.stdin.take().expect("a pipe");
    let mut answers = BufReader::new(client.stdout.take().expect("a pipe")).lines();
    let mut serial = || -> String {
        let line = answers.next().expect("the client lives").expect("is text");
        let (status, serial) = line.split_once(' ').expect("two words");
        assert_eq!(status, "200", "on the first connection");
        serial.to_owned()
    };
    let old = serial();

    // Looked for every ten seconds, and at once when asked to.
    let own_address = bridge.host();
    assert!(certs(bridge.certificates.path(), &[&own_address]).contains("the one there was"));
    let hangup = Command::new("sh").args(["-c", &format!("kill -HUP {}", bridge.server.pid())]).status();
    assert!(hangup.expect("a shell").success());
    let mut shown = old.clone();
    let taken = wait_until(PATIENCE, || {
        writeln!(orders, "again").expect("the client lives");
        shown = serial();
        shown != old
    });
    assert!(taken, "{old} is shown still");
    drop(orders);
    client.wait().expect("the client ends");
}
