//! A contact centre: a bridge of its own, and beside it an application that was written for Twilio.
//!
//! The application is `application.py`, with the official SDK: it answers documents, refuses what is not signed as it
//! should be, keeps what it was asked, and does what the test says in Python, as its developer would have written it.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use testkit::callee::Callee;
use testkit::hearing::{Heard, Picture, Sound};
use testkit::phone::{Dial, Phone};
use testkit::rest::Rest;
use testkit::server::{ACCOUNT_SID, AUTH_TOKEN, Server, wait_until};
use testkit::tone::Tone;
use testkit::wav;

use crate::party::PATIENCE;

/// A bridge and its application.
pub(crate) struct Centre {
    application: RefCell<Application>,
    pub(crate) server: Server,
    pub(crate) rest: Rest,
}

impl Centre {
    /// Starts both; no number leads anywhere yet.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a bridge with settings of its own, and the application.
    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        let server = Server::start_with(settings);
        let rest = server.rest();
        let files = server.data().join("files");
        fs::create_dir_all(&files).expect("a directory for the application's files");
        for (name, tone) in FILES {
            fs::write(files.join(name), wav::write(&tone.second(FILE_DBFS))).expect("a file of the application");
        }
        let application = RefCell::new(Application::start(&server));
        Self { application, server, rest }
    }

    /// The application is gone, as after a crash.
    pub(crate) fn application_dies(&self) {
        self.application.borrow_mut().end();
    }

    /// It takes connections, as its kernel does that for it, and answers nothing.
    pub(crate) fn application_hangs(&self) {
        let pid = self.application.borrow().child.id();
        let stopped = Command::new("sh").args(["-c", &format!("kill -STOP {pid}")]).status().expect("a shell");
        assert!(stopped.success(), "the application is stopped");
    }

    /// It is there again, at the same address, and has forgotten everything.
    pub(crate) fn application_comes_back(&self) {
        *self.application.borrow_mut() = Application::start(&self.server);
    }

    /// What this expression of the application comes to; it must not fail.
    #[track_caller]
    pub(crate) fn does(&self, expression: &str) -> Value {
        let mut said = self.says(expression);
        assert!(said["error"].is_null(), "{expression}: {said}");
        said["value"].take()
    }

    /// As [`Centre::does`], for one of the SDK's calls that makes something: its SID.
    #[track_caller]
    pub(crate) fn makes(&self, expression: &str) -> String {
        let made = self.does(expression);
        let sid = made["sid"].as_str().or_else(|| made["call_sid"].as_str());
        sid.unwrap_or_else(|| panic!("{expression}: no SID in {made}")).to_owned()
    }

    /// What this expression comes to, under `value`, or how it failed, under `error`.
    pub(crate) fn says(&self, expression: &str) -> Value {
        self.application.borrow_mut().says(expression)
    }

    /// A number whose calls are this path's; `more` are further arguments.
    pub(crate) fn number(&self, number: &str, path: &str, more: &str) {
        self.makes(&format!(
            "client.incoming_phone_numbers.create(phone_number='{number}', voice_url=here('{path}'), {more})"
        ));
    }

    /// Somebody dials a number.
    pub(crate) fn dial(&self, number: &str) -> Dial {
        Phone::dial(self.server.sip(), number)
    }

    /// A phone that can be called at an address of its own.
    pub(crate) fn callee(&self, user: &str) -> Callee {
        Callee::wait_at(self.server.callers().into(), user)
    }

    /// What was asked of a path, of all paths if it is empty.
    pub(crate) fn requests(&self, path: &str) -> Vec<Value> {
        let path = if path.is_empty() { String::new() } else { format!("'{path}'") };
        self.does(&format!("requests({path})")).as_array().cloned().unwrap_or_default()
    }

    /// Waits until a path was asked so often, and returns what was asked.
    #[track_caller]
    pub(crate) fn wait_asked(&self, path: &str, times: usize) -> Vec<Value> {
        let mut seen = Vec::new();
        let come = wait_until(PATIENCE, || {
            seen = self.requests(path);
            seen.len() >= times
        });
        let paths: Vec<_> = self.requests("").iter().map(|seen| seen["target"].clone()).collect();
        assert!(come, "{path} was asked {} times, not {times}, of all that was asked: {paths:?}", seen.len());
        seen
    }

    /// Waits until this parameter of a path's requests has had these values, in this order.
    #[track_caller]
    pub(crate) fn wait_told(&self, path: &str, name: &str, values: &[&str]) -> Vec<Value> {
        let mut seen = Vec::new();
        let told = |seen: &[Value]| -> Vec<String> {
            let values = seen.iter().map(|seen| seen["parameters"][name].as_str().unwrap_or("(none)").to_owned());
            values.collect()
        };
        wait_until(PATIENCE, || {
            seen = self.requests(path);
            seen.len() >= values.len()
        });
        assert_eq!(told(&seen), values, "{name} told to {path}");
        seen
    }

    /// Waits until `/call-events` was told of this call that it has had these statuses, in this order.
    #[track_caller]
    pub(crate) fn wait_statuses(&self, call: &str, statuses: &[&str]) -> Vec<Value> {
        let mut seen = Vec::new();
        wait_until(PATIENCE, || {
            seen = self.requests("/call-events");
            seen.retain(|seen| seen["parameters"]["CallSid"] == call);
            seen.len() >= statuses.len()
        });
        let told: Vec<_> = seen.iter().map(|seen| seen["parameters"]["CallStatus"].clone()).collect();
        assert_eq!(told, statuses, "told of {call}");
        for (n, seen) in seen.iter().enumerate() {
            assert_eq!(seen["parameters"]["SequenceNumber"], n.to_string(), "{seen:#}");
        }
        seen
    }

    /// Waits until a call's notifications have these codes, in any order.
    #[track_caller]
    pub(crate) fn wait_notified(&self, call: &str, codes: &[&str]) {
        let mut seen = Vec::new();
        let mut wanted = codes.to_vec();
        wanted.sort_unstable();
        wait_until(PATIENCE, || {
            let list = self.does(&format!("client.calls('{call}').notifications.list()"));
            let list = list.as_array().cloned().unwrap_or_default();
            seen = list.iter().filter_map(|n| Some(n["error_code"].as_str()?.to_owned())).collect();
            seen.sort_unstable();
            seen == wanted
        });
        assert_eq!(seen, wanted, "the notifications of {call}");
    }

    /// Waits until a call is said to be in this state.
    #[track_caller]
    pub(crate) fn wait_status(&self, call: &str, status: &str) -> Value {
        let mut seen = Value::Null;
        wait_until(PATIENCE, || {
            seen = self.rest.get(&format!("Calls/{call}.json")).expect(200).json();
            seen["status"] == status
        });
        assert_eq!(seen["status"], status, "{seen}");
        seen
    }

    /// The SID of the newest call from this user of a phone, or to this address.
    #[track_caller]
    pub(crate) fn call_of(&self, who: &str) -> String {
        let mut found = None;
        wait_until(PATIENCE, || {
            let calls = self.rest.get("Calls.json").expect(200).json();
            let calls = calls["calls"].as_array().cloned().unwrap_or_default();
            let is = |value: &Value| value.as_str().is_some_and(|text| text.contains(who));
            found = calls.into_iter().find(|call| is(&call["from"]) || is(&call["to"]));
            found.is_some()
        });
        let call = found.unwrap_or_else(|| panic!("no call of {who}"));
        call["sid"].as_str().expect("a SID").to_owned()
    }

    /// The SID of the live conference of this name.
    #[track_caller]
    pub(crate) fn conference(&self, name: &str) -> String {
        let mut found = None;
        wait_until(PATIENCE, || {
            let list = self.rest.get(&format!("Conferences.json?FriendlyName={name}")).expect(200).json();
            found = list["conferences"][0]["sid"].as_str().map(str::to_owned);
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("no conference {name}"))
    }

    /// Everything that was asked so far was signed as the SDK's validator wants it, and carried what all of it carries.
    #[track_caller]
    pub(crate) fn check_requests(&self) {
        let all = self.requests("");
        assert!(!all.is_empty(), "nothing was asked");
        for seen in all.iter().filter(|seen| seen["file"] == false) {
            let header = |name: &str| seen["headers"][name].as_str().unwrap_or_default().to_owned();
            assert_eq!(seen["valid"], true, "a signature that the SDK refuses: {seen:#}");
            assert_eq!(header("user-agent"), "TwilioProxy/1.1", "{seen:#}");
            assert!(!header("i-twilio-idempotency-token").is_empty(), "{seen:#}");
            assert_eq!(seen["parameters"]["AccountSid"], ACCOUNT_SID, "{seen:#}");
        }
        crate::signatures::check(&all);
    }
}

/// Waits until these phones hear what the picture says. Columns beside the phones' names are files of the application.
///
/// # Panics
/// When it never comes true.
#[track_caller]
pub(crate) fn check_hearing(phones: &[(&'static str, &Phone, Tone)], picture: &str) {
    let picture = Picture::parse(picture);
    let hums = phones.iter().map(|&(name, _, tone)| (name, Sound::Hum(tone)));
    let files = FILES.iter().filter_map(|&(name, tone)| Some((name.strip_suffix(".wav")?, Sound::Hum(tone))));
    let sounds: Vec<_> = hums.chain(files).chain([("sound", Sound::Music)]).collect();
    let mut mismatch = None;
    let holds = wait_until(PATIENCE, || {
        let mut heard = Heard::new(&sounds);
        let recordings: Vec<_> = std::thread::scope(|scope| {
            let named = |name: &str| phones.iter().find(|(known, ..)| *known == name).map(|&(_, phone, _)| phone);
            let listen = |name| {
                let phone = named(name).unwrap_or_else(|| panic!("{name} has no phone"));
                (name, scope.spawn(move || phone.listen(LISTEN)))
            };
            let listening: Vec<_> = picture.listeners().map(listen).collect();
            listening.into_iter().map(|(name, thread)| (name, thread.join().expect("listening"))).collect()
        });
        recordings.iter().for_each(|(name, pcm)| heard.measure(name, pcm));
        mismatch = picture.check(&heard).err();
        mismatch.is_none()
    });
    assert!(holds, "{}", mismatch.expect("it never held"));
}

/// The application's process.
struct Application {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Application {
    fn start(server: &Server) -> Self {
        let address = SocketAddr::from((server.callers(), APPLICATION_PORT));
        let mut child = Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/application.py"))
            .args([&server.rest().base_url(), ACCOUNT_SID, AUTH_TOKEN])
            .args([&address.ip().to_string(), &address.port().to_string()])
            .arg(server.data().join("files"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let orders = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut application = Self { child, orders, answers };
        application.answer("its start");
        application
    }

    fn says(&mut self, expression: &str) -> Value {
        writeln!(self.orders, "{}", expression.replace('\n', " ")).expect("the application lives");
        self.answer(expression)
    }

    fn answer(&mut self, asked: &str) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the application lives");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{asked}: {error} in {line:?}"))
    }

    fn end(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the application plays. Each is a second of a tone, and as loud as phones hum.
const FILES: &[(&str, Tone)] = &[
    ("wait.wav", Tone { hz: 2503 }),
    ("hold.wav", Tone { hz: 2657 }),
    ("whisper.wav", Tone { hz: 2803 }),
    ("announcement.wav", Tone { hz: 2957 }),
    ("sorry.wav", Tone { hz: 3109 }),
];
const FILE_DBFS: f64 = testkit::tone::HUM_DBFS;
const LISTEN: Duration = Duration::from_millis(500);
const APPLICATION_PORT: u16 = 8000;
