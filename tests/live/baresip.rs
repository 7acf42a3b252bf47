//! baresip from the Debian packages: really calls, sends a tone file, records what it hears.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use testkit::process;
use testkit::rest::metric;
use testkit::server::{Server, wait_until};
use testkit::tone::{HUM_DBFS, Tone};
use testkit::wav;

use crate::party::{PATIENCE, Party, ROOM};

/// A running baresip, its directory and its tone.
pub(crate) struct Baresip {
    child: Child,
    directory: PathBuf,
    tone: Tone,
}

/// How baresip names a codec in an account, the module that has it, and the PCM it wants.
struct Codec {
    name: &'static str,
    module: &'static str,
    rate_hz: u32,
    channels: u16,
}

impl Baresip {
    /// Starts baresip and lets it dial the room, humming.
    fn dial(server: &Server, codec: &Codec, tone: Tone) -> Self {
        let account = include_str!("../../sip-profiles/baresip/accounts");
        Self::start(server, codec, tone, account, &["-e", &format!("/dial sip:{ROOM}@{}", server.sip())])
    }

    /// Starts baresip as this user of a SIP domain: it registers, and answers who calls, humming.
    pub(crate) fn register(server: &Server, tone: Tone, domain: &str, user: &str, password: &str) -> Self {
        let account = include_str!("../../sip-profiles/baresip/accounts-registered")
            .replace("{user}", user)
            .replace("{domain}", domain)
            .replace("{password}", password)
            .replace("{bridge}", &server.sip().to_string());
        let codec = Codec { name: "PCMU/8000/1", module: "g711", rate_hz: 8_000, channels: 1 };
        let baresip = Self::start(server, &codec, tone, &account, &[]);
        let registered = || metric(&server.metrics(), "partyline_registrations") == Some(1.0);
        assert!(wait_until(PATIENCE, registered), "baresip does not register\n{}", baresip.log());
        baresip
    }

    /// Starts baresip with this account and these commands; humming in any call.
    fn start(server: &Server, codec: &Codec, tone: Tone, account: &str, commands: &[&str]) -> Self {
        let directory = server.data().join("baresip");
        fs::create_dir_all(&directory).expect("a directory for baresip");
        let hum = tone.second_at(codec.rate_hz, HUM_DBFS).repeat(HUM_SECONDS);
        fs::write(directory.join("hum.wav"), wav::write_at(&hum, codec.rate_hz, codec.channels)).expect("a tone file");
        let fill = |template: &str| {
            template
                .replace("{directory}", directory.to_str().expect("temporary paths are text"))
                .replace("{address}", &server.callers().to_string())
                .replace("{codec}", codec.name)
                .replace("{module}", codec.module)
        };
        fs::write(directory.join("config"), fill(include_str!("../../sip-profiles/baresip/config")))
            .expect("a configuration");
        fs::write(directory.join("accounts"), fill(account)).expect("an account");
        let log = fs::File::create(directory.join("log")).expect("a log");
        let child = Command::new("baresip")
            .arg("-f")
            .arg(&directory)
            .arg("-v")
            .args(commands)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .expect("baresip runs: apt-get install baresip-core");
        Self { child, directory, tone }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Hangs up, quits, and hands over what was heard, at 8 kHz.
    pub(crate) fn quit(&mut self) -> Vec<i16> {
        process::terminate(&self.child);
        let ended = wait_until(PATIENCE, || self.child.try_wait().expect("our own child").is_some());
        assert!(ended, "baresip does not quit\n{}", self.log());
        let recordings = fs::read_dir(&self.directory).expect("baresip's directory").flatten();
        let is_heard = |path: &PathBuf| path.to_str().is_some_and(|path| path.ends_with("-dec.wav"));
        let path = recordings.map(|entry| entry.path()).find(is_heard);
        let path = path.unwrap_or_else(|| panic!("baresip recorded nothing\n{}", self.log()));
        let file = fs::read(path).expect("a recording");
        let (rate_hz, pcm) = wav::read(&file).expect("16-bit PCM");
        // All tones are below 4 kHz, so every n-th sample will do.
        pcm.into_iter().step_by((rate_hz / testkit::tone::RATE_HZ).max(1) as usize).collect()
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        // Mostly it has quit already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// baresip and one of our phones meet and hear each other.
#[track_caller]
fn meets_a_phone(codec: &Codec) {
    let mut party = Party::of(["ana"]);
    let mut baresip = Baresip::dial(&party.server, codec, Tone::nth(30));
    let joined = wait_until(PATIENCE, || party.call_sids().len() == 2);
    assert!(joined, "baresip did not join\n{}", baresip.log());

    let ana = &party.guest("ana").phone;
    let mut level_dbfs = f64::NEG_INFINITY;
    let heard = wait_until(PATIENCE, || {
        level_dbfs = baresip.tone.level_dbfs(&ana.listen(std::time::Duration::from_millis(500)));
        (level_dbfs - HUM_DBFS).abs() < LEVEL_TOLERANCE_DB
    });
    assert!(heard, "ana hears baresip at {level_dbfs:.1} dBFS\n{}", baresip.log());

    ana.listen(std::time::Duration::from_secs(3));
    let recording = baresip.quit();
    // The end of the recording is the conversation; the beginning may still be music.
    let end = &recording[recording.len().saturating_sub(8_000)..recording.len().saturating_sub(4_000)];
    let ana_hums = party.guest("ana").tone;
    let (voice, own) = (ana_hums.level_dbfs(end), baresip.tone.level_dbfs(end));
    assert!((voice - HUM_DBFS).abs() < LEVEL_TOLERANCE_DB, "baresip hears ana at {voice:.1} dBFS\n{}", baresip.log());
    assert!(own < -55.0, "baresip hears itself at {own:.1} dBFS");
    assert!(wait_until(PATIENCE, || party.call_sids().len() == 1), "its BYE is understood");
    party.leaves("ana");
}

#[test]
fn it_meets_a_phone_in_pcmu() {
    meets_a_phone(&Codec { name: "PCMU/8000/1", module: "g711", rate_hz: 8_000, channels: 1 });
}

#[test]
fn it_meets_a_phone_in_pcma() {
    meets_a_phone(&Codec { name: "PCMA/8000/1", module: "g711", rate_hz: 8_000, channels: 1 });
}

#[test]
fn it_meets_a_phone_in_g722() {
    meets_a_phone(&Codec { name: "G722/16000/1", module: "g722", rate_hz: 16_000, channels: 1 });
}

#[test]
fn it_meets_a_phone_in_opus() {
    meets_a_phone(&Codec { name: "opus/48000/2", module: "opus", rate_hz: 48_000, channels: 2 });
}

#[test]
fn it_meets_a_phone_in_l16() {
    meets_a_phone(&Codec { name: "L16/16000/1", module: "l16", rate_hz: 16_000, channels: 1 });
}

/// Longer than any test lasts: baresip does not repeat its file.
const HUM_SECONDS: usize = 60;
/// Opus and G.722 keep a level less exactly than G.711.
const LEVEL_TOLERANCE_DB: f64 = 1.5;
