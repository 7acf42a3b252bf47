//! linphone from the Debian packages, driven by its console: registers, calls, holds, and is called by its name.
//!
//! It has no sound card here: it speaks from a file and writes what it hears into another.

use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use testkit::rest::metric;
use testkit::server::{Server, wait_until};
use testkit::tone::{HUM_DBFS, RATE_HZ, Tone};
use testkit::wav;

use crate::party::{PATIENCE, Party, ROOM};

const DOMAIN: &str = "desk.sip.partyline.internal";
const PASSWORD: &str = "Sesame123456";
const HUM: Tone = Tone { hz: 857 };
/// It speaks Opus, and its resamplers keep a level less exactly than G.711 does.
const LEVEL_TOLERANCE_DB: f64 = 3.0;
/// Longer than the test lasts.
const HUM_SECONDS: usize = 120;
/// What it writes, and what stands before it in the file.
const HEARD_RATE_HZ: u32 = 48_000;
const WAV_HEADER_LEN: usize = 44;

/// A running linphone, registered as alice.
struct Linphone {
    child: Child,
    orders: ChildStdin,
    directory: PathBuf,
}

impl Linphone {
    fn register(server: &Server) -> Self {
        let directory = server.data().join("linphone");
        fs::create_dir_all(directory.join(".local/share/linphone")).expect("a directory for linphone");
        // It takes a port that it is told, and this one was free a moment ago.
        let free = UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.local_addr()).expect("a free port");
        let rc = include_str!("../../sip-profiles/linphone/linphonerc")
            .replace("{port}", &free.port().to_string())
            .replace("{bridge}", &server.sip().to_string())
            .replace("{user}", "alice")
            .replace("{domain}", DOMAIN)
            .replace("{password}", PASSWORD);
        fs::write(directory.join("linphonerc"), rc).expect("a configuration");
        let hum = HUM.second_at(RATE_HZ, HUM_DBFS).repeat(HUM_SECONDS);
        fs::write(directory.join("hum.wav"), wav::write(&hum)).expect("a tone file");
        let log = fs::File::create(directory.join("log")).expect("a log");
        let mut child = Command::new("linphonec")
            .args(["-a", "-d", "1", "-c"])
            .arg(directory.join("linphonerc"))
            .current_dir(&directory)
            .env("HOME", &directory)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .expect("linphonec runs: apt-get install linphone-cli");
        let orders = child.stdin.take().expect("it listens");
        let mut linphone = Self { child, orders, directory };
        linphone.order("soundcard use files");
        linphone.order(&format!("play {}", linphone.path("hum.wav")));
        linphone.order(&format!("record {}", linphone.path("heard.wav")));
        let registered = || metric(&server.metrics(), "partyline_registrations") == Some(1.0);
        assert!(wait_until(PATIENCE, registered), "linphone does not register\n{}", linphone.log());
        linphone
    }

    /// Types this into its console.
    fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("it reads what is typed");
    }

    fn path(&self, file: &str) -> String {
        self.directory.join(file).to_str().expect("temporary paths are text").to_owned()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// What it has heard so far, at 8 kHz; of tones below 4 kHz every sixth sample will do.
    fn heard(&self) -> Vec<i16> {
        let file = fs::read(self.directory.join("heard.wav")).unwrap_or_default();
        let samples = file.get(WAV_HEADER_LEN..).unwrap_or_default().as_chunks::<2>().0;
        samples.iter().map(|pair| i16::from_le_bytes(*pair)).step_by((HEARD_RATE_HZ / RATE_HZ) as usize).collect()
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A domain at which alice may register.
fn let_alice_register(server: &Server) {
    let rest = server.rest();
    let made = |resource: &str, form: &[(&str, &str)]| rest.post(resource, form).expect(201).text("sid");
    let domain = made("SIP/Domains.json", &[("DomainName", DOMAIN), ("SipRegistration", "true")]);
    let list = made("SIP/CredentialLists.json", &[("FriendlyName", "phones")]);
    made(&format!("SIP/CredentialLists/{list}/Credentials.json"), &[("Username", "alice"), ("Password", PASSWORD)]);
    let mappings = format!("SIP/Domains/{domain}/Auth/Registrations/CredentialListMappings.json");
    made(&mappings, &[("CredentialListSid", &list)]);
}

/// Ana hears it, or does not hear it.
#[track_caller]
fn ana_hears(party: &Party, linphone: &Linphone, heard: bool, case: &str) {
    let ana = &party.guest("ana").phone;
    let mut level_dbfs = f64::NEG_INFINITY;
    let so = wait_until(PATIENCE, || {
        level_dbfs = HUM.level_dbfs(&ana.listen(Duration::from_millis(500)));
        if heard { (level_dbfs - HUM_DBFS).abs() < LEVEL_TOLERANCE_DB } else { level_dbfs < -55.0 }
    });
    assert!(so, "{case}: ana hears linphone at {level_dbfs:.1} dBFS\n{}", linphone.log());
}

#[track_caller]
fn there_are(party: &Party, linphone: &Linphone, count: usize, case: &str) {
    assert!(wait_until(PATIENCE, || party.call_sids().len() == count), "{case}\n{}", linphone.log());
}

#[test]
fn it_registers_calls_holds_and_is_called_by_its_name() {
    let party = Party::of(["ana"]);
    let_alice_register(&party.server);
    let mut linphone = Linphone::register(&party.server);

    linphone.order(&format!("call sip:{ROOM}@{}", party.server.sip()));
    there_are(&party, &linphone, 2, "it calls");
    ana_hears(&party, &linphone, true, "it has called");
    linphone.order("pause");
    ana_hears(&party, &linphone, false, "it holds");
    linphone.order("resume");
    ana_hears(&party, &linphone, true, "it has taken up again");
    linphone.order("terminate");
    there_are(&party, &linphone, 1, "it hangs up");

    let form = [("From", "desk"), ("To", "client:alice")];
    party.server.rest().post(&format!("Conferences/{ROOM}/Participants.json"), &form).expect(201);
    there_are(&party, &linphone, 2, "it is called");
    ana_hears(&party, &linphone, true, "it has answered");
    let ana = party.guest("ana").tone;
    let mut level_dbfs = f64::NEG_INFINITY;
    let heard = wait_until(PATIENCE, || {
        let heard = linphone.heard();
        level_dbfs = ana.level_dbfs(&heard[heard.len().saturating_sub(4_000)..]);
        (level_dbfs - HUM_DBFS).abs() < LEVEL_TOLERANCE_DB
    });
    assert!(heard, "linphone hears ana at {level_dbfs:.1} dBFS\n{}", linphone.log());
    linphone.order("terminate");
    there_are(&party, &linphone, 1, "it has hung up");
}
