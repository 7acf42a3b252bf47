//! What the official SDKs for Python and Node make and change is seen to act: on calls, on phones, at a WebSocket.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use testkit::pcmu;
use testkit::phone::Phone;
use testkit::server::{ACCOUNT_SID, AUTH_TOKEN, wait_until};
use testkit::tone::{HUM_DBFS, Tone};

use crate::centre::{Centre, check_hearing};
use crate::https::certs;
use crate::party::PATIENCE;
use crate::registration::{WRONG, counts, run_as};

const NUMBER: &str = "+15005550001";
const ANA: Tone = Tone { hz: 409 };
const BEN: Tone = Tone { hz: 857 };
const CHO: Tone = Tone { hz: 1259 };

/// The SDK for Node, in a process of its own, beside a centre's application.
struct Node {
    child: Child,
    pipe: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Node {
    fn start(centre: &Centre) -> Self {
        let application = centre.does("here('')");
        let mut child = Command::new("node")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/acts.js"))
            .args([&centre.rest.base_url(), ACCOUNT_SID, AUTH_TOKEN, application.as_str().expect("a URL")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs");
        let orders = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, pipe: RefCell::new((orders, answers)) }
    }

    /// What this expression comes to, under `value`, or how it failed, under `error`.
    fn says(&self, expression: &str) -> Value {
        let (orders, answers) = &mut *self.pipe.borrow_mut();
        writeln!(orders, "{}", expression.replace('\n', " ")).expect("node lives");
        let mut line = String::new();
        answers.read_line(&mut line).expect("node lives");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{expression}: {error} in {line:?}"))
    }

    /// As [`Node::says`]; it must not fail.
    #[track_caller]
    fn does(&self, expression: &str) -> Value {
        let mut said = self.says(expression);
        assert!(said["error"].is_null(), "{expression}: {said}");
        said["value"].take()
    }

    /// As [`Node::does`], for what makes something: its SID.
    #[track_caller]
    fn makes(&self, expression: &str) -> String {
        let made = self.does(expression);
        let sid = made["sid"].as_str().or_else(|| made["callSid"].as_str());
        sid.unwrap_or_else(|| panic!("{expression}: no SID in {made}")).to_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn ana_dials(centre: &Centre, number: &str) -> Phone {
    centre.dial(number).as_user("ana").humming(ANA).connect()
}

#[test]
fn what_node_makes_of_numbers_and_queues_decides_what_callers_hear() {
    let centre = Centre::start_with(&[("PARTYLINE_OPEN_ROOMS", "off")]);
    let node = Node::start(&centre);
    let application = node.makes("client.applications.create({ friendlyName: 'desk', voiceUrl: here('/say') })");
    let number = node.makes(&format!(
        "client.incomingPhoneNumbers.create({{ phoneNumber: '{NUMBER}', voiceApplicationSid: '{application}' }})"
    ));
    ana_dials(&centre, NUMBER).hang_up();
    centre.wait_asked("/say", 1);
    node.does(&format!("client.applications('{application}').update({{ voiceUrl: here('/wait') }})"));
    ana_dials(&centre, NUMBER).hang_up();
    centre.wait_asked("/wait", 1);

    let queue = node.makes("client.queues.create({ friendlyName: 'sales', maxSize: 1 })");
    node.does(&format!(
        "client.incomingPhoneNumbers('{number}').update({{ voiceApplicationSid: '', voiceUrl: here('/incoming') }})"
    ));
    let waits = |n: usize| {
        let members = || node.does(&format!("client.queues('{queue}').members.list()"));
        let come = wait_until(PATIENCE, || members().as_array().map(Vec::len) == Some(n));
        assert!(come, "{n} wait: {}", members());
    };
    let ana = ana_dials(&centre, NUMBER);
    ana.press("1");
    waits(1);
    let turned_away = ana_dials(&centre, NUMBER);
    turned_away.press("1");
    assert_eq!(centre.wait_asked("/after-queue", 1)[0]["parameters"]["QueueResult"], "queue-full");
    node.does(&format!("client.queues('{queue}').update({{ maxSize: 2 }})"));
    let ben = centre.dial(NUMBER).humming(BEN).connect();
    ben.press("1");
    waits(2);
    let ben_call = node.does(&format!("client.queues('{queue}').members.list()"))[1]["callSid"].clone();
    let ben_call = ben_call.as_str().expect("a SID");
    for member in [ben_call, "Front"] {
        node.does(&format!("client.queues('{queue}').members('{member}').update({{ url: here('/sorry') }})"));
    }
    check_hearing(&[("ana", &ana, ANA), ("ben", &ben, BEN)], "ana ben sorry\n ana - . x\n ben . - x");

    assert_eq!(node.does(&format!("client.incomingPhoneNumbers('{number}').remove()")), true);
    assert_eq!(centre.dial(NUMBER).try_connect().expect_err("nobody's number"), 404);
    centre.check_requests();
}

#[test]
fn what_node_makes_of_calls_and_participants_is_heard() {
    let centre = Centre::start();
    let node = Node::start(&centre);
    let ana = centre.callee("ana");
    let call = node.makes(&format!(
        "client.calls.create({{ to: '{}', from: '{NUMBER}', url: here('/wait'), statusCallback: here('/call-events'),
         statusCallbackEvent: ['initiated', 'ringing', 'answered', 'completed'] }})",
        ana.uri()
    ));
    let ana = ana.ring().take(ANA);
    check_hearing(&[("ana", &ana, ANA)], "ana wait\n ana - x");
    node.does(&format!(
        "client.calls('{call}').update({{ twiml: `<Response><Play loop='0'>${{here('/sorry.wav')}}</Play></Response>` }})"
    ));
    check_hearing(&[("ana", &ana, ANA)], "ana wait sorry\n ana - . x");
    assert_eq!(node.does(&format!("client.calls('{call}').update({{ status: 'completed' }})"))["status"], "completed");
    assert!(ana.wait_ended());
    centre.wait_statuses(&call, &["initiated", "ringing", "in-progress", "completed"]);
    assert_eq!(node.does(&format!("client.calls('{call}').remove()")), true);

    let joins = |name: &'static str, tone: Tone| {
        let callee = centre.callee(name);
        let options = format!("{{ to: '{}', from: '{NUMBER}', label: '{name}', beep: 'false' }}", callee.uri());
        let sid = node.makes(&format!("client.conferences('desk').participants.create({options})"));
        (callee.ring().take(tone), sid)
    };
    let ((ana, ana_call), (ben, _), (cho, _)) = (joins("ana", ANA), joins("ben", BEN), joins("cho", CHO));
    let all = [("ana", &ana, ANA), ("ben", &ben, BEN), ("cho", &cho, CHO)];
    check_hearing(&all, "ana ben cho\n ana - x x\n ben x - x\n cho x x -");
    let desk = centre.conference("desk");
    let update = |who: &str, changes: &str| {
        node.does(&format!("client.conferences('{desk}').participants('{who}').update({{ {changes} }})"));
    };
    update(&ana_call, "muted: true");
    check_hearing(&all, "ana ben cho\n ana - x x\n ben . - x\n cho . x -");
    update("ana", "muted: false");
    update("cho", &format!("coaching: true, callSidToCoach: '{ana_call}'"));
    check_hearing(&all, "ana ben cho\n ana - x x\n ben x - .\n cho x x -");
    update("cho", "coaching: false");
    update("ben", "hold: true, holdUrl: here('/hold')");
    check_hearing(&all, "ana ben cho hold\n ana - . x .\n ben . - . x\n cho x . - .");
    update("ben", "hold: false");
    update("ana", "announceUrl: here('/announcement')");
    centre.wait_asked("/announcement", 1);
    node.does(&format!("client.conferences('{desk}').update({{ announceUrl: here('/announcement') }})"));
    centre.wait_asked("/announcement", 2);
    update("cho", "endConferenceOnExit: true");
    assert_eq!(node.does(&format!("client.conferences('{desk}').participants('ana').remove()")), true);
    assert!(ana.wait_ended() && !ben.is_ended());
    assert_eq!(node.does(&format!("client.conferences('{desk}').participants('cho').remove()")), true);
    assert!(cho.wait_ended() && ben.wait_ended(), "who was to end the conference has left it");

    let (eve, _) = joins("eve", ANA);
    let again = centre.conference("desk");
    assert_ne!(again, desk);
    assert_eq!(
        node.does(&format!("client.conferences('{again}').update({{ status: 'completed' }})"))["status"],
        "completed"
    );
    assert!(eve.wait_ended());
    centre.check_requests();
}

#[test]
fn what_node_makes_of_accounts_keys_and_caller_ids_counts() {
    let centre = Centre::start();
    let node = Node::start(&centre);
    let calls = format!("/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json");
    let key = node.does("client.newKeys.create({ friendlyName: 'desk' })");
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_else(|| panic!("no {name}: {row}")).to_owned();
    let (sid, secret) = (text(&key, "sid"), text(&key, "secret"));
    let by_key = centre.rest.with_credentials(&sid, &secret);
    let callee = centre.callee("ben");
    let form = [("To", &*callee.uri()), ("From", NUMBER), ("Twiml", "<Response><Pause length=\"30\"/></Response>")];
    by_key.request("POST", &calls, &form).expect(201);
    callee.ring().take(BEN).hang_up();
    assert_eq!(node.does(&format!("client.keys('{sid}').remove()")), true);
    by_key.request("POST", &calls, &form).expect(401);

    let call = "client.calls.create({ to: '+15005550002', from: '+15005557777', url: here('/say') })";
    assert_eq!(node.says(call)["error"]["code"], 21210, "not ours to show");
    node.does("client.validationRequests.create({ phoneNumber: '+15005557777' })");
    assert_eq!(node.says(call)["error"]["code"], 21214, "ours, but nobody takes it there");
    node.does("client.outgoingCallerIds.list().then(([one]) => client.outgoingCallerIds(one.sid).remove())");
    assert_eq!(node.says(call)["error"]["code"], 21210, "not any more");

    let account = node.does("client.api.v2010.accounts.create({ friendlyName: 'branch' })");
    let (sid, token) = (text(&account, "sid"), text(&account, "authToken"));
    let branch = centre.rest.with_credentials(&sid, &token);
    let numbers = format!("/2010-04-01/Accounts/{sid}/IncomingPhoneNumbers.json");
    let say = text(&centre.does("{'url': here('/say')}"), "url");
    branch.request("POST", &numbers, &[("PhoneNumber", NUMBER), ("VoiceUrl", &say)]).expect(201);
    centre.dial(NUMBER).connect().hang_up();
    let status =
        |status: &str| node.does(&format!("client.api.v2010.accounts('{sid}').update({{ status: '{status}' }})"));
    status("suspended");
    assert_eq!(centre.dial(NUMBER).try_connect().expect_err("nobody is there"), 404);
    status("active");
    centre.dial(NUMBER).connect().hang_up();
    status("closed");
    assert_eq!(branch.request("GET", &numbers, &[]).expect(401).json()["code"], 20005);
}

const DOMAIN: &str = "acme.sip.partyline.internal";

#[test]
fn what_node_makes_of_sip_decides_who_may_call() {
    let centre = Centre::start();
    let node = Node::start(&centre);
    let domain =
        node.makes(&format!("client.sip.domains.create({{ domainName: '{DOMAIN}', voiceUrl: here('/sorry') }})"));
    let desk = format!("desk@{DOMAIN}");
    let dial = || Phone::dial(centre.server.sip(), &desk).as_user("ana").humming(ANA).try_connect();
    assert_eq!(dial().err(), Some(403), "nobody is mapped");
    let list = node.makes("client.sip.ipAccessControlLists.create({ friendlyName: 'office' })");
    let addresses = format!("client.sip.ipAccessControlLists('{list}').ipAddresses");
    let address = node.makes(&format!("{addresses}.create({{ friendlyName: 'here', ipAddress: '192.0.2.1' }})"));
    let mappings = format!("client.sip.domains('{domain}').auth.calls.ipAccessControlListMappings");
    node.makes(&format!("{mappings}.create({{ ipAccessControlListSid: '{list}' }})"));
    assert_eq!(dial().err(), Some(403), "not from here");
    node.does(&format!("{addresses}('{address}').update({{ ipAddress: '127.0.0.0', cidrPrefixLength: 8 }})"));
    let ana = dial().expect("from here");
    check_hearing(&[("ana", &ana, ANA)], "ana sorry\n ana - x");
    ana.hang_up();
    node.does(&format!("client.sip.domains('{domain}').update({{ voiceUrl: here('/wait') }})"));
    let ana = dial().expect("from here, still");
    check_hearing(&[("ana", &ana, ANA)], "ana wait\n ana - x");
    ana.hang_up();
    assert_eq!(node.does(&format!("{addresses}('{address}').remove()")), true);
    assert_eq!(dial().err(), Some(403), "no address is left");
    centre.check_requests();
}

#[test]
fn a_phone_registers_with_its_new_password_and_no_longer_with_the_old() {
    let centre = Centre::start();
    let node = Node::start(&centre);
    let by_python = |expression: &str| centre.does(expression);
    let by_node = |expression: &str| node.does(expression);
    let domain = centre.makes(&format!("client.sip.domains.create(domain_name='{DOMAIN}', sip_registration=True)"));
    let list = centre.makes("client.sip.credential_lists.create(friendly_name='phones')");
    by_node(&format!(
        "client.sip.domains('{domain}').auth.registrations.credentialListMappings.create({{ credentialListSid: '{list}' }})"
    ));
    let of_python = format!("client.sip.credential_lists('{list}').credentials");
    let of_node = format!("client.sip.credentialLists('{list}').credentials");
    let alice = centre.makes(&format!("{of_python}.create(username='alice', password='Sesame123456')"));
    by_node(&format!("{of_node}.create({{ username: 'bob', password: 'Sesame123456' }})"));
    let registers =
        |user: &str, password: &str| run_as(&centre.server, "uac-registers-expect-200", user, password, 1, &[]);
    let refused = |user: &str, password: &str| {
        run_as(&centre.server, "uac-registers-with-wrong-password-expect-403", user, password, 1, &[]);
    };
    registers("alice", "Sesame123456");
    registers("bob", "Sesame123456");
    by_python(&format!("{of_python}('{alice}').update(password='Sesame234567')"));
    refused("alice", "Sesame123456");
    registers("alice", "Sesame234567");
    by_node(&format!("{of_node}('{alice}').update({{ password: 'Sesame345678' }})"));
    refused("alice", "Sesame234567");
    registers("alice", "Sesame345678");
    assert_eq!(by_python(&format!("{of_python}('{alice}').delete()")), true);
    refused("alice", "Sesame345678");
    counts(&centre.server, WRONG, 3.0);
    // With registrations no longer mapped, nobody registers.
    assert_eq!(
        by_node(&format!(
            "client.sip.domains('{domain}').auth.registrations.credentialListMappings('{list}').remove()"
        )),
        true
    );
    refused("bob", "Sesame123456");
}

#[test]
fn an_application_hears_a_call_from_the_start_of_a_stream_to_its_stop() {
    let directory = tempfile::tempdir().expect("a directory");
    certs(directory.path(), &["127.0.0.1"]);
    let authority = directory.path().join("ca.pem");
    let centre = Centre::start_with(&[("SSL_CERT_FILE", authority.to_str().expect("is text"))]);
    let node = Node::start(&centre);
    let mut ears = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/ears.py"))
        .arg(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let mut lines = BufReader::new(ears.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let url = format!("wss://127.0.0.1:{}/ears", lines.next().expect("a port"));
    let mut frames = lines.map(|line| serde_json::from_str::<Value>(&line).expect("is JSON"));

    let callee = centre.callee("ana");
    let call =
        centre.makes(&format!("client.calls.create(to='{}', from_='{NUMBER}', url=here('/wait'))", callee.uri()));
    let ana = callee.ring().take(ANA);
    centre.wait_status(&call, "in-progress");
    let by_python = (
        format!(
            "client.calls('{call}').streams.create(url='{url}', name='python', status_callback=here('/events'),
             parameter1_name='who', parameter1_value='ana')"
        ),
        format!("client.calls('{call}').streams('python').update(status='stopped')"),
        ANA,
    );
    let by_node = (
        format!(
            "client.calls('{call}').streams.create({{ url: '{url}', track: 'outbound_track',
             statusCallback: here('/events'), 'parameter1.name': 'who', 'parameter1.value': 'ana' }})"
        ),
        format!("client.calls('{call}').streams(STREAM).update({{ status: 'stopped' }})"),
        Tone { hz: 2503 }, // what she hears
    );
    for (start, stop, heard) in [by_python, by_node] {
        let sdk = |expression: &str| {
            if expression.contains("{ ") { node.does(expression) } else { centre.does(expression) }
        };
        let stream = sdk(&start);
        assert_eq!(stream["status"], "in-progress", "{stream}");
        let sid = stream["sid"].as_str().expect("a SID").to_owned();
        let mut next = || frames.next().expect("the application lives");
        assert_eq!(next()["event"], "connected");
        let first = next();
        assert_eq!((&first["event"], &first["start"]["streamSid"]), (&"start".into(), &sid.as_str().into()), "{first}");
        assert_eq!(first["start"]["callSid"], call.as_str(), "{first}");
        assert_eq!(first["start"]["customParameters"]["who"], "ana", "{first}");
        let mut pcm = Vec::new();
        let comes = (0..FRAMES_MAX).any(|_| {
            pcm.extend(audio(&next()));
            let end = &pcm[pcm.len().saturating_sub(4_000)..];
            end.len() == 4_000 && (heard.level_dbfs(end) - HUM_DBFS).abs() < 1.5
        });
        assert!(comes, "{start}: half a second of {} Hz", heard.hz);
        let stopped = sdk(&stop.replace("STREAM", &format!("'{sid}'")));
        assert_eq!((&stopped["status"], &stopped["sid"]), (&"stopped".into(), &sid.as_str().into()), "{stopped}");
        let last = (0..FRAMES_MAX).map(|_| next()).find(|frame| frame["event"] == "stop");
        assert_eq!(last.expect("is told of the end")["streamSid"], sid.as_str());
    }
    let told = ["stream-started", "stream-stopped", "stream-started", "stream-stopped"];
    centre.wait_told("/events", "StreamEvent", &told);
    let again = centre.says(&format!("client.calls('{call}').streams('python').update(status='stopped')"));
    assert_eq!(again["error"]["code"], 20404, "{again}");
    ana.hang_up();
    drop(ears.kill());
    drop(ears.wait());
    centre.check_requests();
}

/// What is heard in a frame, if it is one of audio.
fn audio(frame: &Value) -> Vec<i16> {
    let digits = frame["media"]["payload"].as_str().unwrap_or_default();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
    (0..digits.len()).step_by(2).map(|at| pcmu::decode(byte(at))).collect()
}

/// Ten seconds of them, and more.
const FRAMES_MAX: usize = 600;
