//! A contact centre at work: callers who wait for whoever suits them, and what becomes of them (taskrouter §7).

use std::time::Duration;

use model::{AssignmentStatus, ConferenceStatus, ReservationStatus};
use switch::routing::{
    ConferWorker, Instruction, NewTask, ReservationOf, RoutingRefusal, Supervise, SupervisorMode, WorkspaceOrder,
};
use switch::webhook::{Purpose, QueueResult};
use switch::{HttpMethod, Link};

use crate::centre::{
    BOTH_TALK, Centre, HOTLINE, MUSIC, Rules, call, confer, conference, dequeue, is_over, seconds, talking, waiting,
};
use crate::phone::State;
use crate::world::World;

const LEFT: &str = "https://app.test/left";

fn left_with(world: &World) -> Vec<QueueResult> {
    let results = world.purposes(LEFT).into_iter().map(|purpose| match purpose {
        Purpose::Enqueue { result, task: Some(_), .. } => *result,
        other => panic!("of a task's wait, not {other:?}"),
    });
    results.collect()
}

#[test]
fn a_caller_hears_music_until_somebody_suits() {
    let (mut world, centre, gus) = waiting(700, Rules::default());
    world.check_hearing("    cus music\n cus  -   x  ");
    let task = world.last_task().clone();
    assert_eq!(task.assignment_status, AssignmentStatus::Pending);
    assert_eq!(task.task_queue_sid, Some(centre.hindi));
    for part in
        ["\"selected_language\":\"hi\"", "\"call_sid\":\"CA", "\"to\":\"+15005550006\"", "\"to_country\":\"US\""]
    {
        assert!(task.attributes.contains(part), "{part} is not in {}", task.attributes);
    }
    // Somebody who speaks another language is of no use to this caller.
    let ann = centre.agent(&mut world, "ann", "en");
    centre.moves(&mut world, ann, centre.available);
    assert_eq!(world.reservations().len(), 0);
    centre.moves(&mut world, gus, centre.available);
    assert_eq!(world.reservation_statuses(), [ReservationStatus::Pending]);
    assert_eq!(world.task_status(task.sid), AssignmentStatus::Reserved);
    let [asked] = world.assignments.as_slice() else { panic!("one question, not {:?}", world.assignments) };
    assert_eq!((asked.task, asked.worker, asked.workflow), (task.sid, gus, centre.workflow));
}

#[test]
fn dequeue_brings_the_two_together_and_ends_with_their_talk() {
    for agent_hangs_up in [true, false] {
        let (mut world, centre, gus) = talking(701, Rules::default(), dequeue);
        world.check_hearing(BOTH_TALK);
        let task = world.last_task().sid;
        assert_eq!(world.task_status(task), AssignmentStatus::Assigned);
        assert_eq!(world.reservation_statuses(), [ReservationStatus::Accepted]);
        assert_eq!(left_with(&world), []);
        world.hang_up(if agent_hangs_up { "gus" } else { "cus" });
        seconds(&mut world, 1);
        assert_eq!(world.task_status(task), AssignmentStatus::Completed, "{world}");
        assert_eq!(world.reservation_statuses(), [ReservationStatus::Completed]);
        assert_eq!(world.worker(gus).activity_sid, centre.wrap_up);
        assert_eq!(left_with(&world), [QueueResult::Bridged]);
        let goes_on = world.phone("cus").state == State::Talking;
        assert_eq!(goes_on, agent_hangs_up, "the caller's document goes on if the caller is there");
        if agent_hangs_up {
            world.hang_up("cus");
        }
        seconds(&mut world, 1);
        assert!(world.switch.is_idle(), "{world}");
    }
}

#[test]
fn conference_is_named_by_the_task_and_told_before_it_is_accepted() {
    let (mut world, centre, gus) = talking(702, Rules::default(), |_| confer());
    world.check_hearing(BOTH_TALK);
    let task = world.last_task().clone();
    let conference = world.conferences.values().next().expect("a conference").clone();
    assert_eq!((conference.friendly_name, conference.status), (task.sid.to_string(), ConferenceStatus::InProgress));
    for part in [
        format!("\"room_name\":\"{}\"", task.sid),
        format!("\"sid\":\"{}\"", conference.sid),
        format!("\"worker\":\"{}\"", world.call("gus").sid),
        format!("\"customer\":\"{}\"", world.call("cus").sid),
    ] {
        assert!(task.attributes.contains(&part), "{part} is not in {}", task.attributes);
    }
    let want = ["task.created", "reservation.created", "task.updated", "reservation.accepted"];
    assert_eq!(world.task_events(), want);
    assert_eq!(left_with(&world), [], "the stay goes on");
    world.hang_up("gus");
    seconds(&mut world, 1);
    // The caller stays, and the agent finishes up (§7.4.5, §7.4.6).
    assert_eq!(world.phone("cus").state, State::Talking);
    assert_eq!(world.task_status(task.sid), AssignmentStatus::Wrapping);
    assert_eq!(world.worker(gus).activity_sid, centre.available);
    centre.end(&mut world, task.sid, AssignmentStatus::Completed).expect("it may be completed");
    assert_eq!(world.reservation_statuses(), [ReservationStatus::Completed]);
    assert_eq!(world.phone("cus").state, State::Talking, "that is nothing to the call");
    world.hang_up("cus");
    seconds(&mut world, 1);
    assert_eq!(left_with(&world), [QueueResult::Bridged]);
    assert!(world.switch.is_idle(), "{world}");
}

#[test]
fn where_workers_have_one_task_its_end_is_the_end() {
    let rules = Rules { multi_task: false, ..Rules::default() };
    let (mut world, centre, gus) = talking(703, rules, |centre| {
        let post_work_activity = Some(centre.wrap_up);
        Instruction::Conference(Box::new(ConferWorker { post_work_activity, ..conference() }))
    });
    let task = world.last_task().sid;
    world.hang_up("cus");
    seconds(&mut world, 1);
    assert!(is_over(&world, "gus"), "EndConferenceOnCustomerExit");
    assert_eq!(world.task_status(task), AssignmentStatus::Completed);
    assert_eq!(world.worker(gus).activity_sid, centre.wrap_up);
    assert!(world.switch.is_idle(), "{world}");
}

#[test]
fn what_can_go_wrong_with_an_offer() {
    struct Case {
        what: &'static str,
        instruction: fn(&Centre) -> Instruction,
        happens: fn(&mut World),
        reservation: ReservationStatus,
        task: AssignmentStatus,
        goes_offline: bool,
        left: &'static [QueueResult],
    }
    let cases = [
        Case {
            what: "the agent does not answer",
            instruction: |_| confer(),
            happens: |world| seconds(world, 25),
            reservation: ReservationStatus::Timeout,
            task: AssignmentStatus::Pending,
            goes_offline: true,
            left: &[],
        },
        Case {
            what: "the agent does not answer a dequeue",
            instruction: dequeue,
            happens: |world| seconds(world, 25),
            reservation: ReservationStatus::Timeout,
            task: AssignmentStatus::Pending,
            goes_offline: true,
            left: &[],
        },
        Case {
            what: "the agent's phone refuses",
            instruction: |_| confer(),
            happens: |world| {
                world.refuse("gus", "603 Decline");
                seconds(world, 1);
            },
            reservation: ReservationStatus::Canceled,
            task: AssignmentStatus::Pending,
            goes_offline: false,
            left: &[],
        },
        Case {
            what: "the caller hangs up while the agent's phone rings",
            instruction: |_| confer(),
            happens: |world| {
                world.hang_up("cus");
                seconds(world, 1);
            },
            reservation: ReservationStatus::Canceled,
            task: AssignmentStatus::Canceled,
            goes_offline: false,
            left: &[QueueResult::Hangup],
        },
        Case {
            what: "the caller hangs up while the agent of a dequeue is called",
            instruction: dequeue,
            happens: |world| {
                world.hang_up("cus");
                seconds(world, 1);
            },
            reservation: ReservationStatus::Canceled,
            task: AssignmentStatus::Canceled,
            goes_offline: false,
            left: &[QueueResult::Hangup],
        },
    ];
    for (seed, case) in (710..).zip(cases) {
        let (mut world, centre, gus) = waiting(seed, Rules::default());
        world.instructions.push_back((case.instruction)(&centre));
        centre.moves(&mut world, gus, centre.available);
        assert_eq!(world.phone("gus").state, State::Ringing, "{}: {world}", case.what);
        (case.happens)(&mut world);
        assert!(is_over(&world, "gus"), "{}: {world}", case.what);
        assert_eq!(world.reservation_statuses()[0], case.reservation, "{}: {world}", case.what);
        assert_eq!(world.last_task().assignment_status, case.task, "{}: {world}", case.what);
        let activity = if case.goes_offline { centre.offline } else { centre.available };
        assert_eq!(world.worker(gus).activity_sid, activity, "{}", case.what);
        assert_eq!(left_with(&world), case.left, "{}", case.what);
        let waits = case.task == AssignmentStatus::Pending;
        if waits {
            world.check_hearing(MUSIC);
            world.hang_up("cus");
            seconds(&mut world, 1);
            assert_eq!(world.last_task().assignment_status, AssignmentStatus::Canceled, "{}", case.what);
            assert_eq!(world.last_task().reason.as_deref(), Some("hangup"), "{}", case.what);
        }
        assert!(world.switch.is_idle(), "{}: {world}", case.what);
        assert!(world.conferences.is_empty(), "no room is shown that nobody was in: {}", case.what);
    }
}

#[test]
fn an_offer_that_nobody_decides_times_out() {
    let (mut world, centre, gus) = waiting(720, Rules::default());
    centre.moves(&mut world, gus, centre.available); // and the application says nothing
    seconds(&mut world, 119);
    assert_eq!(world.reservation_statuses(), [ReservationStatus::Pending]);
    seconds(&mut world, 2);
    assert_eq!(world.reservation_statuses(), [ReservationStatus::Timeout]);
    assert_eq!(world.worker(gus).activity_sid, centre.offline);
    world.check_hearing(MUSIC_ALONE);
}

const MUSIC_ALONE: &str = "    cus music\n cus  -   x  ";

#[test]
fn a_reservation_that_times_out_stops_the_ringing() {
    let rules = Rules { reservation_timeout: Duration::from_secs(5), ..Rules::default() };
    let (mut world, centre, gus) = waiting(721, rules);
    world.instructions.push_back(confer());
    centre.moves(&mut world, gus, centre.available);
    assert_eq!(world.phone("gus").state, State::Ringing);
    seconds(&mut world, 6);
    assert!(is_over(&world, "gus"), "{world}");
    assert_eq!(world.reservation_statuses(), [ReservationStatus::Timeout]);
}

#[test]
fn a_task_whose_workflow_runs_out_lets_its_caller_go() {
    let rules = Rules { target_timeout_s: 30, ..Rules::default() };
    let (mut world, _, _) = waiting(722, rules);
    seconds(&mut world, 30);
    assert_eq!(world.last_task().assignment_status, AssignmentStatus::Canceled);
    assert_eq!(left_with(&world), [QueueResult::Leave]);
    assert_eq!(world.phone("cus").state, State::Talking, "the action's document runs");
}

#[test]
fn a_task_ended_by_rest_lets_its_caller_go() {
    let (mut world, centre, _) = waiting(723, Rules::default());
    let task = world.last_task().sid;
    centre.end(&mut world, task, AssignmentStatus::Canceled).expect("a pending task may be canceled");
    seconds(&mut world, 1);
    assert_eq!(left_with(&world), [QueueResult::Leave]);
}

#[test]
fn who_says_no_and_goes_elsewhere_leaves_it_to_the_next() {
    let (mut world, centre, gus) = waiting(724, Rules::default());
    let ben = centre.agent(&mut world, "ben", "hi en");
    world.instructions.push_back(Instruction::Reject { activity: Some(centre.offline) });
    centre.moves(&mut world, gus, centre.available);
    seconds(&mut world, 1);
    assert_eq!(world.reservation_statuses(), [ReservationStatus::Rejected]);
    assert_eq!(world.worker(gus).activity_sid, centre.offline);
    world.instructions.push_back(confer());
    centre.moves(&mut world, ben, centre.available);
    world.take_up("ben");
    seconds(&mut world, 1);
    assert_eq!(world.reservation_statuses(), [ReservationStatus::Rejected, ReservationStatus::Accepted]);
}

#[test]
fn a_workflow_nobody_knows_is_an_error_that_the_document_hears_of() {
    let mut world = World::new(725);
    let centre = Centre::set_up(&mut world, Rules::default());
    for (document, code) in [
        ("<Enqueue workflowSid=\"WW00000000000000000000000000000009\" action=\"/left\"/>".to_owned(), 14_220),
        (format!("<Enqueue workflowSid=\"{}\" action=\"/left\"><Task>[1]</Task></Enqueue>", centre.workflow), 14_221),
    ] {
        world.documents("https://app.test/incoming", &[&document]);
        world.try_dial(&format!("cus{code}"), HOTLINE);
        seconds(&mut world, 1);
        assert_eq!(world.times_notified(code), 1, "{code}");
    }
    let told = world.purposes(LEFT);
    assert!(
        matches!(told.as_slice(), [Purpose::Enqueue { result: QueueResult::Error, .. }, Purpose::Enqueue { .. }]),
        "{told:?}"
    );
    assert_eq!(world.tasks().len(), 0);
}

#[test]
fn a_caller_who_goes_elsewhere_ends_the_task_by_the_reason_it_had() {
    let (mut world, _, _) = waiting(776, Rules::default());
    world.documents("https://app.test/else", &["<Pause length=\"60\"/>"]);
    world.redirect("cus", "https://app.test/else").expect("it waits");
    seconds(&mut world, 1);
    assert_eq!(world.last_task().assignment_status, AssignmentStatus::Canceled);
    assert_eq!(world.last_task().reason.as_deref(), Some("redirected"));
}

#[test]
fn a_caller_whom_the_application_sends_elsewhere_keeps_its_task_until_that_is_accepted() {
    let (mut world, centre, gus) = waiting(777, Rules::default());
    world.documents("https://app.test/else", &["<Pause length=\"60\"/>"]);
    let call = world.call("cus").sid;
    let url = Link { url: "https://app.test/else".to_owned(), method: HttpMethod::Post };
    let redirect = switch::routing::Redirect { call, url, accept: false };
    world.instructions.push_back(Instruction::Redirect(Box::new(redirect)));
    centre.moves(&mut world, gus, centre.available);
    seconds(&mut world, 1);
    assert_eq!(world.reservation_statuses(), [ReservationStatus::Pending], "{world}");
    let (of, reservation) = (ReservationOf::Task(world.last_task().sid), world.last_reservation());
    let order = WorkspaceOrder::Instruct { reservation, of, if_match: None, instruction: Instruction::Accept };
    world.workspace_order(centre.workspace, order).expect("it is pending");
    seconds(&mut world, 1);
    assert_eq!(world.reservation_statuses(), [ReservationStatus::Accepted]);
    assert_eq!(world.task_status(world.last_task().sid), AssignmentStatus::Assigned);
}

#[test]
fn a_task_of_many_words_is_told_of_its_conference_all_the_same() {
    let words = "x".repeat(3_450);
    let mut world = World::new(778);
    let centre = Centre::set_up(&mut world, Rules::default());
    let workflow = centre.workflow;
    let document = format!(
        "<Enqueue workflowSid=\"{workflow}\"><Task>{{\"selected_language\":\"hi\",\"words\":\"{words}\"}}</Task></Enqueue>"
    );
    world.documents("https://app.test/incoming", &[&document]);
    let gus = centre.agent(&mut world, "gus", "hi");
    world.try_dial("cus", HOTLINE);
    seconds(&mut world, 2);
    let written = world.last_task().attributes.chars().count();
    assert!(taskrouter::ATTRIBUTES_MAX - 100 < written, "{written}: there is to be no room for a conference");
    world.instructions.push_back(confer());
    centre.moves(&mut world, gus, centre.available);
    world.take_up("gus");
    seconds(&mut world, 1);
    assert!(world.last_task().attributes.contains("\"conference\":{\"room_name\":"), "{world}");
    assert_eq!(world.reservation_statuses(), [ReservationStatus::Accepted]);
}

#[test]
fn a_task_says_by_which_call_its_worker_talks() {
    for (seed, instruction) in [(779, "dequeue"), (780, "call")] {
        let (world, _, _) = talking(seed, Rules::default(), |centre| match instruction {
            "dequeue" => dequeue(centre),
            _ => call("https://app.test/agent"),
        });
        let gus = world.call("gus").sid;
        let said = format!("\"worker_call_sid\":\"{gus}\"");
        assert!(world.last_task().attributes.contains(&said), "{instruction}: {}", world.last_task().attributes);
    }
}

#[test]
fn a_supervisor_is_called_in_by_an_instruction() {
    for (seed, mode, want) in [
        (740, SupervisorMode::Monitor, ". . x x -"),
        (741, SupervisorMode::Whisper, ". x x x -"),
        (742, SupervisorMode::Barge, "x x x x -"),
    ] {
        let (mut world, centre, _) = talking(seed, Rules::default(), |_| confer());
        let sue = centre.agent(&mut world, "sue", "xx");
        let (task, reservation) = (world.last_task().sid, world.last_reservation());
        let supervise = Instruction::Supervise(Supervise { supervisor: sue.to_string(), mode });
        let of = ReservationOf::Task(task);
        let order = WorkspaceOrder::Instruct { reservation, of, if_match: None, instruction: supervise };
        world.workspace_order(centre.workspace, order).expect("an accepted reservation may be supervised");
        seconds(&mut world, 1);
        world.take_up("sue");
        seconds(&mut world, 1);
        // Whether cus and gus hear sue, and sue hears cus, gus.
        let parts: Vec<&str> = want.split(' ').collect();
        world.check_hearing(&format!(
            "    cus gus sue
                         cus  -   x   {}
                         gus  x   -   {}
                         sue  {}   {}   -  ",
            parts[0], parts[1], parts[2], parts[3]
        ));
        world.hang_up("sue");
        seconds(&mut world, 1);
        world.check_hearing(
            "    cus gus sue
                         cus  -   x   .
                         gus  x   -   .
                         sue  .   .   -  ",
        );
        assert_eq!(world.task_status(task), AssignmentStatus::Assigned);
    }
}

#[test]
fn an_outbound_task_calls_the_agent_first() {
    let mut world = World::new(750);
    let centre = Centre::set_up(&mut world, Rules::default());
    let gus = centre.agent(&mut world, "gus", "hi"); // who is off, which is nothing to a task for gus alone
    let customer = world.phone_waits("cus");
    world.instructions.push_back(confer());
    let new = NewTask {
        attributes: Some(format!(r#"{{"outbound_to":"{customer}","from":"{HOTLINE}"}}"#)),
        workflow: Some(centre.workflow),
        routing_target: Some(model::RoutingTarget::Worker(gus)),
        ..NewTask::default()
    };
    world.workspace_order(centre.workspace, WorkspaceOrder::CreateTask(new)).expect("a task for gus");
    seconds(&mut world, 1);
    assert_eq!(world.phone("gus").state, State::Ringing, "{world}");
    assert_eq!(world.phone("cus").state, State::Idle, "{world}");
    world.take_up("gus");
    seconds(&mut world, 1);
    assert_eq!(world.phone("cus").state, State::Ringing, "{world}");
    world.take_up("cus");
    seconds(&mut world, 1);
    world.check_hearing(
        "    gus cus
                         gus  -   x
                         cus  x   -  ",
    );
    let task = world.last_task().clone();
    assert_eq!(task.assignment_status, AssignmentStatus::Assigned);
    assert!(task.attributes.contains(&format!("\"customer\":\"{}\"", world.call("cus").sid)), "{}", task.attributes);
}

#[test]
fn an_outbound_customer_who_cannot_be_called_leaves_nobody_behind() {
    let mut world = World::new(751);
    let centre = Centre::set_up(&mut world, Rules::default());
    let gus = centre.agent(&mut world, "gus", "hi");
    world.instructions.push_back(confer());
    let new = NewTask {
        attributes: Some(format!(r#"{{"outbound_to":"not a number","from":"{HOTLINE}"}}"#)),
        workflow: Some(centre.workflow),
        routing_target: Some(model::RoutingTarget::Worker(gus)),
        ..NewTask::default()
    };
    world.workspace_order(centre.workspace, WorkspaceOrder::CreateTask(new)).expect("a task for gus");
    seconds(&mut world, 1);
    let reservation = world.reservations()[0];
    assert_eq!(reservation.reservation_status, ReservationStatus::Canceled);
    assert_eq!(reservation.canceled_reason_code, Some(13_223));
    assert!(world.switch.is_idle(), "{world}");
}

#[test]
fn an_instruction_that_does_not_fit_is_refused_at_once() {
    let (mut world, centre, gus) = waiting(760, Rules::default());
    centre.moves(&mut world, gus, centre.available);
    let reservation = world.last_reservation();
    let mut instruct = |instruction| {
        let of = ReservationOf::Worker(gus);
        let order = WorkspaceOrder::Instruct { reservation, of, if_match: None, instruction };
        match world.workspace_order(centre.workspace, order) {
            Err(RoutingRefusal::Coded { code, .. }) => Some(code),
            Ok(_) => None,
            Err(other) => panic!("{other:?}"),
        }
    };
    let no_from = switch::routing::WorkerLeg::default();
    let url = switch::Link { url: "https://app.test/agent".to_owned(), method: switch::HttpMethod::Post };
    let call = switch::routing::CallWorker { leg: no_from, url: url.clone(), accept: false };
    assert_eq!(instruct(Instruction::Call(Box::new(call))), Some(40_111));
    // Whether the call can be redirected is known when it is tried.
    let nobody = model::CallSid::from_bits(7);
    let redirect = switch::routing::Redirect { call: nobody, url, accept: false };
    assert_eq!(instruct(Instruction::Redirect(Box::new(redirect))), None);
    assert_eq!(world.times_notified(40_122), 1);
    assert_eq!(world.reservation_statuses(), [ReservationStatus::Pending]);
    assert_eq!(world.phone("gus").state, State::Idle);
}

#[test]
fn what_is_another_accounts_is_nobodys_here() {
    // A task of this account that names a caller who waits for another task, and a conference that is not there.
    let (mut world, centre, gus) = waiting(770, Rules::default());
    let waiting_call = world.call("cus").sid;
    world.instructions.push_back(Instruction::Reject { activity: None });
    let stranger = centre.task(&mut world, &format!(r#"{{"selected_language":"en","call_sid":"{waiting_call}"}}"#));
    let ann = centre.agent(&mut world, "ann", "en");
    world.instructions.clear();
    world.instructions.push_back(confer());
    centre.moves(&mut world, ann, centre.available);
    seconds(&mut world, 1);
    assert_eq!(world.phone("ann").state, State::Idle, "nobody is called for a caller who waits for another task");
    assert_eq!(world.times_notified(40_144), 1);
    world.check_hearing(MUSIC_ALONE);
    centre.end(&mut world, stranger, AssignmentStatus::Canceled).expect("a reserved task may be canceled");
    // The caller's own task is as it was.
    world.instructions.push_back(confer());
    centre.moves(&mut world, gus, centre.available);
    world.take_up("gus");
    seconds(&mut world, 1);
    world.check_hearing(BOTH_TALK);
}

#[test]
fn a_reservation_accepted_while_the_phone_rings_is_carried_out() {
    let (mut world, centre, gus) = waiting(771, Rules::default());
    world.instructions.push_back(confer());
    centre.moves(&mut world, gus, centre.available);
    assert_eq!(world.phone("gus").state, State::Ringing);
    let order = WorkspaceOrder::UpdateReservation {
        reservation: world.last_reservation(),
        of: ReservationOf::Worker(gus),
        if_match: None,
        change: switch::routing::ReservationUpdate::Accepted,
    };
    world.workspace_order(centre.workspace, order).expect("a pending reservation may be accepted");
    world.take_up("gus");
    seconds(&mut world, 1);
    world.check_hearing(BOTH_TALK);
    world.hang_up("gus");
    seconds(&mut world, 1);
    assert_eq!(world.last_task().assignment_status, AssignmentStatus::Wrapping);
}

#[test]
fn a_task_that_ends_while_its_caller_is_told_something_lets_it_go() {
    let (mut world, centre, gus) = waiting(772, Rules::default());
    world.documents("https://app.test/whisper", &["<Pause length=\"30\"/>"]);
    world.instructions.push_back(call("https://app.test/agent"));
    // The agent's document takes the caller of the reservation, who is told something first.
    centre.moves(&mut world, gus, centre.available);
    let (reservation, task) = (world.last_reservation(), world.last_task().sid);
    let queue = format!("<Queue url=\"/whisper\" reservationSid=\"{reservation}\"/>");
    world.documents("https://app.test/agent", &[&format!("<Dial action=\"/done\">{queue}</Dial>")]);
    world.documents("https://app.test/done", &["<Hangup/>"]);
    seconds(&mut world, 1);
    world.take_up("gus");
    seconds(&mut world, 2);
    assert_eq!(world.times_asked("https://app.test/whisper"), 1, "{world}");
    centre.end(&mut world, task, AssignmentStatus::Completed).expect("an assigned task may be completed");
    world.hang_up("gus");
    seconds(&mut world, 1);
    assert_eq!(left_with(&world), [QueueResult::Leave]);
    world.hang_up("cus");
    seconds(&mut world, 1);
    assert!(world.switch.is_idle(), "{world}");
}
