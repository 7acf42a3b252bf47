//! `make demo`: a contact centre's day in a minute, with phones that hum and a small application, and who hears whom after
//! each step, as measured in what their phones were sent. One of the live tests, so that it plays whenever it is shown.
//!
//! The bridge is the release binary, the centre is what `partyline seed-demo` sets up, the application is written with the
//! official Python SDK. Nothing leaves this machine.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::callee::Callee;
use testkit::hearing::{Heard, Picture, Sound};
use testkit::phone::Phone;
use testkit::server::{ACCOUNT_SID, AUTH_TOKEN, command, wait_until};
use testkit::tone::Tone;

use crate::centre::Centre;
use crate::party::PATIENCE;

const NUMBER: &str = "+15005550006";
const CUSTOMER: Tone = Tone { hz: 409 };
const SHYAM: Tone = Tone { hz: 857 };
const EMMA: Tone = Tone { hz: 1259 };
const SUPERVISOR: Tone = Tone { hz: 1709 };
/// What the application plays to who waits, and to who is on hold.
const WAIT: Tone = Tone { hz: 2503 };
const HOLD: Tone = Tone { hz: 2657 };
/// How much of it is listened to.
const LISTEN: Duration = Duration::from_millis(500);

/// Who takes part, by name.
type Guests<'a> = [(&'a str, &'a Phone, Tone)];

#[test]
fn a_contact_centre_plays_a_day() {
    let demo = Demo::start();
    let cus = demo.a_caller_waits();
    let (gus, task) = demo.an_agent_takes_the_call(&cus);
    let room = demo.room(&task);
    demo.hold_and_resume(&room, &cus, &gus);
    demo.a_supervisor_listens_whispers_and_barges_in(&room, &task, &cus, &gus);
    let emma = demo.a_warm_transfer(&room, &task, &cus, gus);
    let shyam = demo.a_cold_transfer(&room, &cus, emma);
    demo.wrap_up(cus, shyam);
    demo.centre.check_requests();
    println!("\nThat was all. What the application was asked was signed as the official SDKs want it.");
}

struct Demo {
    centre: Centre,
    workspace: String,
    shyam: Callee,
    emma: Callee,
}

impl Demo {
    fn start() -> Self {
        let centre = Centre::start();
        let (shyam, emma) = (centre.callee("shyam"), centre.callee("emma"));
        step(&format!("A bridge runs at {}; `partyline seed-demo` sets up a contact centre:", centre.rest.base_url()));
        let application = centre.does("here('')");
        let output = command()
            .args(["seed-demo", "--url", &centre.rest.base_url()])
            .args(["--application", application.as_str().expect("a URL")])
            .args(["--contact", &format!("shyam={}", shyam.uri()), "--contact", &format!("emma={}", emma.uri())])
            .env("PARTYLINE_ACCOUNT_SID", ACCOUNT_SID)
            .env("PARTYLINE_AUTH_TOKEN", AUTH_TOKEN)
            .output()
            .expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "seed-demo: {}", String::from_utf8_lossy(&output.stderr));
        said.lines().for_each(|line| println!("    {line}"));
        let sid = |letters: &str| {
            let line = said.lines().find(|line| line.starts_with(letters));
            line.and_then(|line| line.split_whitespace().next()).expect("a SID").to_owned()
        };
        let workspace = format!("client.taskrouter.v1.workspaces('{}')", sid("WS"));
        centre.does(&format!("route_to('{}')", sid("WW")));
        centre.number(NUMBER, "/incoming-call", "");
        Self { centre, workspace, shyam, emma }
    }

    fn a_caller_waits(&self) -> Phone {
        step("A customer calls, hears a menu, presses 2 for Hindi, and waits with music; nobody is at work yet.");
        let cus = self.centre.dial(NUMBER).as_user("+15005550100").humming(CUSTOMER).connect();
        self.centre.wait_asked("/incoming-call", 1);
        cus.press("2");
        self.centre.wait_asked("/wait", 1);
        show(&[("customer", &cus, CUSTOMER)], "customer music\n customer - x");
        cus
    }

    fn an_agent_takes_the_call(&self, cus: &Phone) -> (Phone, Value) {
        step("Shyam, who speaks Hindi, goes to work: he is offered the call, his phone rings, he answers.");
        self.instruct(&json!({"instruction": "conference"}));
        self.moves("Shyam Hindi", "Available");
        let gus = self.shyam.ring().take(SHYAM);
        show(
            &[("customer", cus, CUSTOMER), ("shyam", &gus, SHYAM)],
            "customer shyam music\n customer - x .\n shyam x - .",
        );
        let task = self.wait_task("assigned");
        println!("    task {} is assigned; the conference bears its name", task["sid"].as_str().unwrap_or_default());
        (gus, task)
    }

    /// The conference of a task, as the SDK names it.
    fn room(&self, task: &Value) -> String {
        let sid = self.centre.conference(task["sid"].as_str().expect("a SID"));
        format!("client.conferences('{sid}')")
    }

    fn participant(&self, room: &str, call: &str, change: &str) {
        self.centre.does(&format!("{room}.participants('{call}').{change}"));
    }

    fn hold(&self, room: &str, on: bool) {
        let customer = self.centre.call_of("+15005550100");
        let on = if on { "True" } else { "False" };
        self.participant(room, &customer, &format!("update(hold={on}, hold_url=here('/hold'))"));
    }

    fn hold_and_resume(&self, room: &str, cus: &Phone, gus: &Phone) {
        let both = [("customer", cus, CUSTOMER), ("shyam", gus, SHYAM)];
        step("Hold: the customer hears the application's music.");
        self.hold(room, true);
        show(&both, "customer shyam hold\n customer - . x\n shyam . - .");
        step("Resume.");
        self.hold(room, false);
        show(&both, "customer shyam hold\n customer - x .\n shyam x - .");
    }

    fn a_supervisor_listens_whispers_and_barges_in(&self, room: &str, task: &Value, cus: &Phone, gus: &Phone) {
        step("Monitor: a supervisor is called into the conference, muted.");
        let supervisor = self.centre.callee("supervisor");
        let call = self.centre.makes(&format!(
            "{room}.participants.create(from_='{NUMBER}', to='{}', muted=True, beep='false')",
            supervisor.uri()
        ));
        let sue = supervisor.ring().take(SUPERVISOR);
        let all = [("customer", cus, CUSTOMER), ("shyam", gus, SHYAM), ("super", &sue, SUPERVISOR)];
        show(&all, "customer shyam super\n customer - x .\n shyam x - .\n super x x -");
        step("Whisper: only the agent hears the supervisor.");
        let told: Value = serde_json::from_str(task["attributes"].as_str().expect("a string")).expect("JSON");
        let agent = told["conference"]["participants"]["worker"].as_str().expect("a SID").to_owned();
        self.participant(room, &call, &format!("update(coaching=True, call_sid_to_coach='{agent}', muted=False)"));
        show(&all, "customer shyam super\n customer - x .\n shyam x - x\n super x x -");
        step("Barge: everybody does.");
        self.participant(room, &call, "update(coaching=False)");
        show(&all, "customer shyam super\n customer - x x\n shyam x - x\n super x x -");
        step("The supervisor hangs up, and nothing else changes.");
        sue.hang_up();
        let both = [("customer", cus, CUSTOMER), ("shyam", gus, SHYAM)];
        show(&both, "customer shyam\n customer - x\n shyam x -");
    }

    fn a_warm_transfer(&self, room: &str, task: &Value, cus: &Phone, gus: Phone) -> Phone {
        step("Warm transfer: the customer is put on hold, a second task asks for Emma by name, and she is called.");
        self.hold(room, true);
        let url = self.centre.does("here('/transferred')");
        self.instruct(&json!({"instruction": "call", "from": NUMBER, "url": url, "accept": true}));
        self.moves("Emma English", "Available");
        let attributes =
            format!("json.dumps({{'requested_agent': 'Emma English', 'original_task_sid': {}}})", task["sid"]);
        self.centre.makes(&format!(
            "{}.tasks.create(workflow_sid=ROUTING['workflow'], task_channel='voice', attributes={attributes})",
            self.workspace
        ));
        let emma = self.emma.ring().take(EMMA);
        let all = [("customer", cus, CUSTOMER), ("shyam", &gus, SHYAM), ("emma", &emma, EMMA)];
        show(&all, "customer shyam emma hold\n customer - . . x\n shyam . - x .\n emma . x - .");
        step("Off hold: all three talk.");
        self.hold(room, false);
        show(&all, "customer shyam emma\n customer - x x\n shyam x - x\n emma x x -");
        step("Shyam leaves, and his task is completed: customer and Emma talk on in the same room.");
        gus.hang_up();
        self.complete(task);
        show(&[("customer", cus, CUSTOMER), ("emma", &emma, EMMA)], "customer emma\n customer - x\n emma x -");
        emma
    }

    fn a_cold_transfer(&self, room: &str, cus: &Phone, emma: Phone) -> Phone {
        step("Cold transfer: the customer is put on hold, Emma is removed at once, Shyam is called back meanwhile.");
        self.hold(room, true);
        let agent = self.centre.call_of("sip:emma@");
        self.participant(room, &agent, "delete()");
        assert!(emma.wait_ended(), "she was removed");
        show(&[("customer", cus, CUSTOMER)], "customer hold\n customer - x");
        self.centre.makes(&format!(
            "{room}.participants.create(from_='{NUMBER}', to='{}', beep='false', end_conference_on_exit=True)",
            self.shyam.uri()
        ));
        let shyam = self.shyam.ring().take(SHYAM);
        step("He answers, and the customer comes off hold.");
        self.hold(room, false);
        show(&[("customer", cus, CUSTOMER), ("shyam", &shyam, SHYAM)], "customer shyam\n customer - x\n shyam x -");
        shyam
    }

    fn wrap_up(&self, cus: Phone, shyam: Phone) {
        step("Shyam hangs up, which ends the conference and the call. Emma's task is completed; both wrap up.");
        shyam.hang_up();
        assert!(cus.wait_ended(), "endConferenceOnExit");
        self.complete(&self.wait_task("assigned"));
        self.wait_task("completed");
        for worker in ["Shyam Hindi", "Emma English"] {
            self.moves(worker, "Wrap-Up");
        }
        let workers = format!("[(w.friendly_name, w.activity_name) for w in {}.workers.list()]", self.workspace);
        println!("    {}", self.centre.does(&workers));
    }

    fn instruct(&self, instruction: &Value) {
        self.centre.does(&format!("instruct(json.loads('{instruction}'))"));
    }

    fn moves(&self, worker: &str, activity: &str) {
        let one = |list: &str, name: &str| format!("{}.{list}.list(friendly_name='{name}')[0]", self.workspace);
        let sid = format!("{}.sid", one("activities", activity));
        self.centre.does(&format!("{}.update(activity_sid={sid})", one("workers", worker)));
    }

    /// The newest task, once it stands like this.
    fn wait_task(&self, status: &str) -> Value {
        let mut seen = Value::Null;
        wait_until(PATIENCE, || {
            seen = self.centre.does(&format!("{}.tasks.list(ordering='DateCreated:desc')", self.workspace))[0].take();
            seen["assignment_status"] == status
        });
        assert_eq!(seen["assignment_status"], status, "{seen:#}");
        seen
    }

    fn complete(&self, task: &Value) {
        let with = "assignment_status='completed', reason='done'";
        self.centre.does(&format!("{}.tasks({}).update({with})", self.workspace, task["sid"]));
    }
}

fn step(what: &str) {
    println!("\n{what}");
}

/// Waits until it is as it must be, and shows what is then measured: rows hear columns.
fn show(guests: &Guests, expected: &str) {
    let expected = Picture::parse(expected);
    let beside = [("music", Sound::Hum(WAIT)), ("hold", Sound::Hum(HOLD))];
    let sounds: Vec<(&str, Sound)> =
        guests.iter().map(|(name, _, tone)| (*name, Sound::Hum(*tone))).chain(beside).collect();
    let names: Vec<&str> = guests.iter().map(|(name, ..)| *name).collect();
    let mut measured = None;
    let mut mismatch = None;
    let holds = wait_until(PATIENCE, || {
        let mut heard = Heard::new(&sounds);
        let recordings: Vec<_> = std::thread::scope(|scope| {
            let listening: Vec<_> =
                guests.iter().map(|(name, phone, _)| (*name, scope.spawn(|| phone.listen(LISTEN)))).collect();
            listening.into_iter().map(|(name, thread)| (name, thread.join().expect("listening"))).collect()
        });
        recordings.iter().for_each(|(name, pcm)| heard.measure(name, pcm));
        mismatch = expected.check(&heard).err();
        measured = Some(Picture::measured(&heard, &names));
        mismatch.is_none()
    });
    assert!(holds, "{}", mismatch.expect("it never held"));
    let measured = measured.expect("it was measured").to_string();
    measured.lines().for_each(|line| println!("    {line}"));
}
