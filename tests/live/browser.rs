//! Agents at the screens that browsers show them: the SDK for browsers, as it is published and in Node, beside phones of
//! ours. Its helper is `browser.js`, run by the `node` on the PATH.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use testkit::callee::Callee;
use testkit::rest::Rest;
use testkit::server::{ACCOUNT_SID, Server, wait_until};
use testkit::tone::Tone;

use crate::centre::check_hearing;
use crate::party::PATIENCE;

const CUS: Tone = Tone { hz: 409 };
const ANA: Tone = Tone { hz: 521 };
const BEN: Tone = Tone { hz: 653 };
const HOTLINE: &str = "+15005550006";

/// The program in which the screens are.
struct Screens {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Screens {
    fn start(rest: &Rest) -> Self {
        let mut child = Command::new("node")
            .args([concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/browser.js"), &rest.base_url()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs: apt-get install npm");
        let orders = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, orders, answers }
    }

    /// What this body of a function comes to, under `value`, or how it failed, under `error`.
    fn say(&mut self, body: &str) -> Value {
        writeln!(self.orders, "{}", body.replace('\n', " ")).expect("node lives");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("node lives");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{body}: {error} in {line:?}"))
    }

    /// The same, which must not fail.
    #[track_caller]
    fn does(&mut self, body: &str) -> Value {
        let mut said = self.say(body);
        assert!(said["error"].is_null(), "{body}: {said}");
        said["value"].take()
    }
}

impl Drop for Screens {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A bridge with a workspace, two agents at their phones, and a key that signs for their screens.
struct Office {
    server: Server,
    rest: Rest,
    screens: Screens,
    workspace: String,
    workflow: String,
    available: String,
    key: (String, String),
    ana: (String, Callee),
    ben: (String, Callee),
}

impl Office {
    fn open() -> Self {
        let server = Server::start();
        let rest = server.rest();
        let make = |path: &str, form: &[(&str, &str)]| rest.request("POST", path, form).expect(201).text("sid");
        let workspace = make("/v1/Workspaces", &[("FriendlyName", "Support")]);
        let inside = |path: &str| format!("/v1/Workspaces/{workspace}{path}");
        let activities = rest.request("GET", &inside("/Activities"), &[]).expect(200).json();
        let activities = activities["activities"].as_array().expect("a list").clone();
        let available = activities.iter().find(|one| one["friendly_name"] == "Available").expect("one of them");
        let available = available["sid"].as_str().expect("a SID").to_owned();
        let queue = make(&inside("/TaskQueues"), &[("FriendlyName", "All"), ("TargetWorkers", "1==1")]);
        let configuration = json!({"task_routing": {"filters": [], "default_filter": {"queue": queue}}}).to_string();
        let workflow = make(&inside("/Workflows"), &[("FriendlyName", "Calls"), ("Configuration", &configuration)]);
        let agent = |name: &str| {
            let phone = Callee::wait_at(server.callers().into(), name);
            let attributes = json!({"contact_uri": phone.uri()}).to_string();
            (make(&inside("/Workers"), &[("FriendlyName", name), ("Attributes", &attributes)]), phone)
        };
        let (ana, ben) = (agent("ana"), agent("ben"));
        let key = rest.post("Keys.json", &[]).expect(201);
        let key = (key.text("sid"), key.text("secret"));
        let screens = Screens::start(&rest);
        Self { rest, screens, workspace, workflow, available, key, ana, ben, server }
    }

    /// Opens a screen for a worker: `more` is what its token says beside, and the options of the SDK.
    fn open_screen(&mut self, name: &str, worker: &str, more: &str, options: &str) {
        let (key, secret) = &self.key;
        let of = format!(
            "{{account: '{ACCOUNT_SID}', key: '{key}', secret: '{secret}', workspace: '{}', worker: '{worker}' {more}}}",
            self.workspace
        );
        let opened = self.screens.does(&format!("return await open('{name}', {of}, {options})"));
        assert_eq!(opened, worker);
    }

    /// A customer is called, answers, and waits for an agent.
    fn customer(&self) -> testkit::phone::Phone {
        let phone = Callee::wait_at(self.server.callers().into(), "cus");
        let twiml = format!(
            "<Response><Enqueue workflowSid=\"{}\"><Task>{{\"why\":\"bill\"}}</Task></Enqueue></Response>",
            self.workflow
        );
        let call = self.rest.post("Calls.json", &[("To", &phone.uri()), ("From", HOTLINE), ("Twiml", &twiml)]);
        call.expect(201);
        phone.ring().take(CUS)
    }
}

#[test]
fn agents_work_at_screens_of_the_sdk_as_it_is() {
    let mut office = Office::open();
    let (ana, ben) = (office.ana.0.clone(), office.ben.0.clone());
    let at_work = format!("{{connectActivitySid: '{}'}}", office.available);
    office.open_screen("ana", &ana, "", &at_work);
    let names = office.screens.does("return Array.from(screens.ana.worker.activities.values(), (one) => one.name)");
    assert_eq!(names, json!(["Offline", "Available", "Unavailable"]));

    // A first offer is not taken, the second is, and both meet in a conference that the screen knows of.
    let cus = office.customer();
    office.screens.does(
        "const it = await screens.ana.hears_of('reservationCreated'); await it.reject();
         await screens.ana.hears_of('rejected')",
    );
    let confer = |name: &str| {
        format!(
            "const it = await screens.{name}.hears_of('reservationCreated');
             await it.conference({{from: '{HOTLINE}', endConferenceOnExit: false, endConferenceOnCustomerExit: true}});
             return it.status"
        )
    };
    assert_eq!(office.screens.does(&confer("ana")), "pending", "the phone rings");
    let anas = office.ana.1.ring().take(ANA);
    let room = office.screens.does(
        "await screens.ana.hears_of('accepted');
         return [screens.ana.task.status, screens.ana.task.attributes.conference.sid, screens.ana.task.attributes.why]",
    );
    assert_eq!((&room[0], &room[2]), (&json!("assigned"), &json!("bill")), "{room}");
    let participants = format!("Conferences/{}/Participants.json", room[1].as_str().expect("a SID"));
    assert_eq!(office.rest.get(&participants).expect(200).json()["participants"].as_array().map(Vec::len), Some(2));
    check_hearing(&[("cus", &cus, CUS), ("ana", &anas, ANA)], "    cus ana\n cus  -   x\n ana  x   -");

    // A supervisor listens in, from a screen of her own.
    office.open_screen("boss", &ben, ", role: 'supervisor'", "{}");
    office.screens.does("await screens.boss.worker.monitor(screens.ana.task.sid, screens.ana.reservation.sid)");
    let boss = office.ben.1.ring().take(BEN);
    let phones = [("cus", &cus, CUS), ("ana", &anas, ANA), ("ben", &boss, BEN)];
    check_hearing(&phones, "    cus ana ben\n cus  -   x   .\n ana  x   -   .\n ben  x   x   -");
    boss.hang_up();

    // Warm: the customer waits on hold until it is taken up, and three talk.
    office.open_screen("ben", &ben, "", &at_work);
    // The screen is ready before its worker is at work.
    let path = format!("/v1/Workspaces/{}/Workers/{ben}", office.workspace);
    let is_there = || office.rest.request("GET", &path, &[]).expect(200).json()["available"] == true;
    assert!(wait_until(PATIENCE, is_there), "ben is at work");
    office.screens.does(&format!("await screens.ana.task.transfer('{ben}')"));
    check_hearing(&[("cus", &cus, CUS), ("ana", &anas, ANA)], "    cus ana sound\n cus  -   .   x\n ana  .   -   .");
    let incoming = office.screens.does(&format!(
        "{}, screens.ben.reservation.task.transfers.incoming.mode",
        confer("ben").replace("return it.status", "return it.task.transfers.incoming && 'incoming'"),
    ));
    assert_eq!(incoming, "WARM");
    let bens = office.ben.1.ring().take(BEN);
    office.screens.does("await screens.ben.hears_of('accepted')");
    let phones = [("cus", &cus, CUS), ("ana", &anas, ANA), ("ben", &bens, BEN)];
    check_hearing(&phones, "    cus ana ben sound\n cus  -   .   .   x\n ana  .   -   x   .\n ben  .   x   -   .");
    office.screens.does("await screens.ben.task.updateParticipant({hold: false})");
    check_hearing(&phones, "    cus ana ben\n cus  -   x   x\n ana  x   -   x\n ben  x   x   -");
    office.screens.does(&format!("await screens.ben.task.kick('{ana}'); await screens.ana.hears_of('wrapup')"));
    assert!(anas.wait_ended());
    office.screens.does("await screens.ana.reservation.complete(); await screens.ana.hears_of('completed')");

    // Cold: who hands on goes at once, and the room stays.
    office.screens.does(&format!("await screens.ben.task.transfer('{ana}', {{mode: 'COLD'}})"));
    assert!(bens.wait_ended());
    office.screens.does(&confer("ana"));
    let anas = office.ana.1.ring().take(ANA);
    office.screens.does("await screens.ana.hears_of('accepted'); await screens.ben.hears_of('completed')");
    office.screens.does("await screens.ana.task.updateParticipant({hold: false})");
    check_hearing(&[("cus", &cus, CUS), ("ana", &anas, ANA)], "    cus ana\n cus  -   x\n ana  x   -");
    anas.hang_up();
    office.screens.does(
        "await screens.ana.hears_of('wrapup'); await screens.ana.task.complete('done');
         await screens.ana.hears_of('completed')",
    );

    // Another activity, and what the bridge thinks of it.
    let offline = office.screens.does(
        "const all = Array.from(screens.ana.worker.activities.values());
         const offline = all.find((one) => one.name === 'Offline');
         await offline.setAsCurrent();
         await screens.ana.hears_of('activityUpdated');
         return [offline.sid, screens.ana.worker.available]",
    );
    let path = format!("/v1/Workspaces/{}/Workers/{ana}", office.workspace);
    assert_eq!(office.rest.request("GET", &path, &[]).expect(200).json()["activity_sid"], offline[0]);
    assert_eq!(offline[1], false);
}

#[test]
fn a_screen_may_want_to_be_the_only_one_and_tokens_end() {
    let mut office = Office::open();
    let ana = office.ana.0.clone();
    office.open_screen("one", &ana, "", "{}");
    office.open_screen("two", &ana, "", "{closeExistingSessions: true}");
    let said = office.screens.does("return (await screens.one.hears_of('disconnected')).message");
    assert_eq!(said, "another session was opened");
    office.screens.does("screens.one.close(); screens.two.close()");
    // It says so five seconds before.
    office.open_screen("short", &ana, ", ttl: 8", "{}");
    office.screens.does("await screens.short.hears_of('tokenExpired')");
    // Of another's things a worker's screen is told nothing.
    office.open_screen("ana", &ana, "", "{}");
    let ben = office.ben.0.clone();
    let said = office.screens.say(&format!(
        "await screens.ana.worker._request.get('Workspaces/{}/Workers/{ben}/Reservations', 'v2')",
        office.workspace
    ));
    assert!(said["error"].as_str().is_some_and(|error| error.contains("403")), "{said}");
}
