//! TaskRouter with an application of the official SDK, and phones: flows F0, F1, F4, F5, F6 and F9.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::callee::Callee;
use testkit::phone::Phone;
use testkit::server::wait_until;
use testkit::tone::Tone;

use crate::centre::{Centre, check_hearing};
use crate::party::PATIENCE;

const NUMBER: &str = "+15005550006";
const CUS: Tone = Tone { hz: 409 };
const GUS: Tone = Tone { hz: 857 };
const BEN: Tone = Tone { hz: 1259 };
const SUE: Tone = Tone { hz: 1709 };

/// A contact centre with TaskRouter, as flow F0 sets it up, and its agents' phones.
struct Routed {
    centre: Centre,
    sids: Value,
    phones: BTreeMap<&'static str, Callee>,
}

impl Routed {
    fn start() -> Self {
        let centre = Centre::start();
        let phones: BTreeMap<_, _> = ["gus", "ben", "sue"].map(|name| (name, centre.callee(name))).into();
        let contacts: Vec<String> = phones.iter().map(|(name, phone)| format!("'{name}': '{}'", phone.uri())).collect();
        let sids = centre.does(&format!("set_up({{{}}})", contacts.join(", ")));
        centre.number(NUMBER, "/incoming-call", "status_callback=here('/number-events')");
        Self { centre, sids, phones }
    }

    fn workspace(&self) -> String {
        format!("client.taskrouter.v1.workspaces('{}')", self.sids["workspace"].as_str().expect("a SID"))
    }

    /// A caller who has chosen Hindi, and waits.
    fn caller(&self) -> Phone {
        let cus = self.centre.dial(NUMBER).as_user("+15005550100").humming(CUS).connect();
        self.centre.wait_asked("/incoming-call", 1);
        cus.press("2");
        check_hearing(&[("cus", &cus, CUS)], "cus wait\n cus - x");
        cus
    }

    /// What the application answers to the next question about a reservation.
    fn instruct(&self, instruction: &Value) {
        // JSON that says true is Python that says True.
        self.centre.does(&format!("instruct(json.loads('{instruction}'))"));
    }

    /// An agent begins, or ends, to work.
    fn moves(&self, worker: &str, activity: &str) {
        let (worker, activity) = (&self.sids["workers"][worker], &self.sids["activities"][activity]);
        self.centre.does(&format!("{}.workers({worker}).update(activity_sid={activity})", self.workspace()));
    }

    fn worker_activity(&self, worker: &str) -> Value {
        self.centre.does(&format!("{}.workers({}).fetch()", self.workspace(), self.sids["workers"][worker]))["activity_name"]
            .take()
    }

    /// The newest task, when it stands like this.
    #[track_caller]
    fn wait_task(&self, status: &str) -> Value {
        let mut seen = Value::Null;
        wait_until(PATIENCE, || {
            let list = self.centre.does(&format!("{}.tasks.list(ordering='DateCreated:desc')", self.workspace()));
            seen = list[0].clone();
            seen["assignment_status"] == status
        });
        assert_eq!(seen["assignment_status"], status, "{seen:#}");
        seen
    }

    #[track_caller]
    fn wait_activity(&self, worker: &str, activity: &str) {
        let mut seen = Value::Null;
        wait_until(PATIENCE, || {
            seen = self.worker_activity(worker);
            seen == activity
        });
        assert_eq!(seen, activity, "{worker}");
    }

    /// Says of a task that it is over.
    fn complete(&self, task: &Value) {
        let (task, with) = (&task["sid"], "assignment_status='completed', reason='done'");
        self.centre.does(&format!("{}.tasks({task}).update({with})", self.workspace()));
    }

    /// A caller and gus, brought together in a conference.
    fn talking(&self) -> (Phone, Phone, Value) {
        let cus = self.caller();
        self.instruct(&json!({"instruction": "conference", "end_conference_on_customer_exit": true}));
        self.moves("gus", "Available");
        let gus = self.phones["gus"].ring().take(GUS);
        check_hearing(
            &[("cus", &cus, CUS), ("gus", &gus, GUS)],
            "    cus gus wait
             cus  -   x   .
             gus  x   -   .  ",
        );
        let task = self.wait_task("assigned");
        (cus, gus, task)
    }

    /// The event names that the application was told, as far as they concern tasks and reservations.
    fn told(&self) -> Vec<String> {
        let all = self.centre.requests("/events");
        let names = all.iter().filter_map(|seen| Some(seen["parameters"]["EventType"].as_str()?.to_owned()));
        names.filter(|name| name.starts_with("task.") || name.starts_with("reservation.")).collect()
    }

    #[track_caller]
    fn wait_told(&self, names: &[&str]) {
        let mut seen = Vec::new();
        wait_until(PATIENCE, || {
            seen = self.told();
            seen.len() >= names.len()
        });
        assert_eq!(seen, names);
    }
}

fn attributes(task: &Value) -> Value {
    serde_json::from_str(task["attributes"].as_str().expect("a string")).expect("JSON in a string")
}

#[test]
fn a_caller_is_brought_to_whoever_speaks_the_language() {
    let routed = Routed::start();
    // F0: the worker is in the queue of its language, and off.
    let queues = routed.centre.does(&format!(
        "[queue.friendly_name for queue in {}.task_queues.list(worker_sid={})]",
        routed.workspace(),
        routed.sids["workers"]["ben"]
    ));
    assert_eq!(queues, json!(["English"]));
    assert_eq!(routed.worker_activity("gus"), "Offline");
    let cus = routed.caller();
    let task = routed.wait_task("pending");
    assert_eq!(attributes(&task)["selected_language"], "hi", "{task:#}");
    let wait = &routed.centre.wait_asked("/wait", 1)[0];
    assert_eq!((&wait["method"], &wait["parameters"]["QueuePosition"]), (&"GET".into(), &"1".into()), "{wait:#}");
    // Ben is at work, and of no use to this caller.
    routed.moves("ben", "Available");
    assert_eq!(routed.wait_task("pending")["sid"], task["sid"]);
    let wrap_up = &routed.sids["activities"]["Wrap-Up"];
    routed.instruct(&json!({"instruction": "dequeue", "from": NUMBER, "post_work_activity_sid": wrap_up}));
    routed.moves("gus", "Available");
    let asked = &routed.centre.wait_asked("/assignment", 1)[0]["parameters"];
    assert_eq!((&asked["TaskSid"], &asked["WorkerSid"]), (&task["sid"], &routed.sids["workers"]["gus"]), "{asked:#}");
    let gus = routed.phones["gus"].ring().take(GUS);
    check_hearing(
        &[("cus", &cus, CUS), ("gus", &gus, GUS)],
        "    cus gus wait
         cus  -   x   .
         gus  x   -   .  ",
    );
    routed.wait_task("assigned");
    gus.hang_up();
    let left = &routed.centre.wait_asked("/after-queue", 1)[0]["parameters"];
    assert_eq!((&left["QueueResult"], &left["TaskSid"]), (&"bridged".into(), &task["sid"]), "{left:#}");
    assert!(cus.wait_ended(), "the action hangs up");
    routed.wait_activity("gus", "Wrap-Up");
    routed.wait_told(&[
        "task.created",
        "reservation.created",
        "task.updated", // with the worker's call
        "reservation.accepted",
        "reservation.completed",
        "task.completed",
    ]);
    routed.centre.check_requests();
}

#[test]
fn a_conference_bears_the_tasks_name_and_its_end_is_the_agents_to_say() {
    let routed = Routed::start();
    let (cus, gus, task) = routed.talking();
    let conference = routed.centre.conference(task["sid"].as_str().expect("a SID"));
    let told = &attributes(&task)["conference"];
    assert_eq!((&told["sid"], &told["room_name"]), (&conference.as_str().into(), &task["sid"]), "{told:#}");
    assert_eq!(told["participants"]["customer"], routed.centre.call_of("+15005550100").as_str());
    gus.hang_up();
    routed.wait_task("wrapping");
    routed.complete(&task);
    routed.wait_task("completed");
    assert!(!cus.is_ended(), "completing a task is nothing to its caller");
    cus.hang_up();
    routed.wait_told(&[
        "task.created",
        "reservation.created",
        "task.updated",
        "reservation.accepted",
        "reservation.wrapup",
        "task.wrapup",
        "reservation.completed",
        "task.completed",
    ]);
    routed.centre.check_requests();
}

#[test]
fn what_goes_wrong_leaves_nobody_stuck() {
    let routed = Routed::start();
    let cus = routed.caller();
    // Gus's phone refuses: the reservation is canceled, and the caller waits on.
    routed.instruct(&json!({"instruction": "conference"}));
    routed.moves("gus", "Available");
    routed.phones["gus"].ring().refuse("603 Decline");
    let mut statuses = Value::Null;
    wait_until(PATIENCE, || {
        let task = routed.wait_task("pending");
        let list = format!("{}.tasks({}).reservations.list()", routed.workspace(), task["sid"]);
        statuses = routed.centre.does(&format!("[r.reservation_status for r in {list}]"));
        statuses == json!(["canceled"])
    });
    assert_eq!(statuses, json!(["canceled"]));
    check_hearing(&[("cus", &cus, CUS)], "cus wait\n cus - x");
    // The caller gives up: so does the task.
    cus.hang_up();
    let task = routed.wait_task("canceled");
    assert_eq!(task["reason"], "hangup", "{task:#}");
    let left = &routed.centre.wait_asked("/after-queue", 1)[0]["parameters"];
    assert_eq!(left["QueueResult"], "hangup", "{left:#}");
    routed.centre.check_requests();
}

#[test]
fn a_transfer_is_blind_or_warm_and_stays_in_the_room() {
    let routed = Routed::start();
    let (cus, gus, task) = routed.talking();
    let name = task["sid"].as_str().expect("a SID").to_owned();
    let conference = routed.centre.conference(&name);
    let customer = routed.centre.call_of("+15005550100");
    let participant = |call: &str| format!("client.conferences('{conference}').participants('{call}')");
    let hold = |on: &str| {
        routed.centre.does(&format!("{}.update(hold={on}, hold_url=here('/hold'))", participant(&customer)));
    };
    hold("True");
    check_hearing(&[("cus", &cus, CUS), ("gus", &gus, GUS)], "    cus gus hold\n cus - . x\n gus . - .");
    routed.instruct(&json!({"instruction": "call", "from": NUMBER, "url": routed.centre.does("here('/transferred')"), "accept": true}));
    routed.moves("ben", "Available");
    let attributes = format!("json.dumps({{'requested_agent': 'ben', 'original_task_sid': '{name}'}})");
    let create = format!(
        "{}.tasks.create(workflow_sid={}, task_channel='voice', attributes={attributes})",
        routed.workspace(),
        routed.sids["workflow"]
    );
    let second = routed.centre.makes(&create);
    let ben = routed.phones["ben"].ring().take(BEN);
    let all = [("cus", &cus, CUS), ("gus", &gus, GUS), ("ben", &ben, BEN)];
    // The agents talk first, then all three.
    check_hearing(
        &all,
        "    cus gus ben hold
         cus  -   .   .   x
         gus  .   -   x   .
         ben  .   x   -   .  ",
    );
    hold("False");
    check_hearing(
        &all,
        "    cus gus ben hold
         cus  -   x   x   .
         gus  x   -   x   .
         ben  x   x   -   .  ",
    );
    let agent = routed.centre.call_of("sip:gus@");
    routed.centre.does(&format!("{}.delete()", participant(&agent)));
    assert!(gus.wait_ended());
    routed.complete(&task);
    check_hearing(&[("cus", &cus, CUS), ("ben", &ben, BEN)], "cus ben\n cus - x\n ben x -");
    assert_eq!(routed.centre.conference(&name), conference, "the same room");
    assert_eq!(routed.wait_task("assigned")["sid"], second.as_str(), "the application says when that is over");
    routed.centre.check_requests();
}

#[test]
fn a_supervisor_is_called_in_by_an_instruction() {
    let routed = Routed::start();
    let (cus, gus, task) = routed.talking();
    let reservations = format!("{}.tasks({}).reservations", routed.workspace(), task["sid"]);
    let reservation = routed.centre.does(&format!("{reservations}.list()[0]"))["sid"].take();
    routed.centre.does(&format!(
        "{reservations}({reservation}).update(instruction='supervise', supervisor={}, supervisor_mode='whisper')",
        routed.sids["workers"]["sue"]
    ));
    let sue = routed.phones["sue"].ring().take(SUE);
    check_hearing(
        &[("cus", &cus, CUS), ("gus", &gus, GUS), ("sue", &sue, SUE)],
        "    cus gus sue
         cus  -   x   .
         gus  x   -   x
         sue  x   x   -  ",
    );
    sue.hang_up();
    check_hearing(&[("cus", &cus, CUS), ("gus", &gus, GUS)], "cus gus\n cus - x\n gus x -");
    routed.centre.check_requests();
}

#[test]
fn an_outbound_task_calls_the_agent_and_then_the_customer() {
    let routed = Routed::start();
    let customer = routed.centre.callee("cus");
    routed.instruct(&json!({"instruction": "conference", "end_conference_on_exit": true}));
    let attributes = format!("json.dumps({{'outbound_to': '{}', 'from': '{NUMBER}'}})", customer.uri());
    routed.centre.makes(&format!(
        "{}.tasks.create(workflow_sid={}, task_channel='voice', routing_target={}, attributes={attributes})",
        routed.workspace(),
        routed.sids["workflow"],
        routed.sids["workers"]["gus"]
    ));
    let gus = routed.phones["gus"].ring().take(GUS);
    let cus = customer.ring().take(CUS);
    check_hearing(&[("cus", &cus, CUS), ("gus", &gus, GUS)], "cus gus\n cus - x\n gus x -");
    routed.wait_task("assigned");
    gus.hang_up();
    assert!(cus.wait_ended(), "EndConferenceOnExit");
    routed.wait_task("wrapping");
    routed.centre.check_requests();
}

#[test]
fn a_crash_loses_no_task_and_assigns_none_twice() {
    let mut routed = Routed::start();
    let cus = routed.caller();
    let waiting = routed.wait_task("pending");
    let create = format!(
        "{}.tasks.create(workflow_sid={}, attributes=json.dumps({{'selected_language': 'en'}}))",
        routed.workspace(),
        routed.sids["workflow"]
    );
    let kept = routed.centre.makes(&create);
    routed.moves("ben", "Available");
    let reserved = routed.wait_task("reserved");
    assert_eq!(reserved["sid"], kept.as_str());
    routed.centre.server.restart();
    drop(cus); // who waited is gone with the process
    let task = |sid: &Value| routed.centre.does(&format!("{}.tasks({sid}).fetch()", routed.workspace()));
    let mut gone = Value::Null;
    wait_until(PATIENCE, || {
        gone = task(&waiting["sid"]);
        gone["assignment_status"] == "canceled"
    });
    assert_eq!(gone["assignment_status"], "canceled", "{gone:#}");
    assert_eq!(task(&kept.as_str().into())["assignment_status"], "reserved");
    let list = format!("{}.tasks('{kept}').reservations", routed.workspace());
    let reservations = routed.centre.does(&format!("{list}.list()"));
    assert_eq!(reservations.as_array().map(Vec::len), Some(1), "{reservations:#}");
    routed.centre.does(&format!("{list}({}).update(reservation_status='accepted')", reservations[0]["sid"]));
    assert_eq!(task(&kept.as_str().into())["assignment_status"], "assigned");
}
