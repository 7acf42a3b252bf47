//! A task in a conference goes from one worker to another, and who hears whom meanwhile (taskrouter §15).

use std::time::Duration;

use model::{
    AssignmentStatus, ConferenceStatus, ReservationStatus, RoutingRow, TransferMode, TransferSid, TransferStatus,
    TransferTarget, WorkerSid,
};
use switch::ParticipantChange;
use switch::routing::{Instruction, RoutingAnswer, WorkspaceOrder};

use crate::centre::{BOTH_TALK, Centre, MUSIC, Rules, call, confer, conference, is_over, seconds, talking};
use crate::phone::State;
use crate::world::World;

/// Puts the customer on hold, or takes up again.
fn hold(world: &mut World, on: bool) {
    let change = ParticipantChange { hold: Some(on), ..ParticipantChange::default() };
    world.update("cus", change).expect("the customer is in the conference");
    world.run_for(Duration::from_millis(40));
}

/// A second task for ben, who is called with a document that joins the first one's conference.
fn hand_on(world: &mut World, centre: &Centre) -> (model::TaskSid, model::TaskSid) {
    let first = world.last_task().sid;
    let document = format!("<Dial><Conference beep=\"false\">{first}</Conference></Dial>");
    world.documents("https://app.test/agent2", &[&document]);
    let ben = centre.agent(world, "ben", "en");
    centre.moves(world, ben, centre.available);
    hold(world, true);
    world.instructions.push_back(call("https://app.test/agent2"));
    let attributes = format!(r#"{{"requested_agent":"ben","original_task_sid":"{first}"}}"#);
    (first, centre.task(world, &attributes))
}

#[test]
fn a_blind_transfer_leaves_the_customer_in_the_same_room() {
    let (mut world, centre, _) = talking(730, Rules::default(), |_| confer());
    let (first, second) = hand_on(&mut world, &centre);
    world.kick("gus").expect("gus is in the conference");
    centre.end(&mut world, first, AssignmentStatus::Completed).expect("it may be completed");
    assert_eq!(world.task_status(first), AssignmentStatus::Completed);
    world.check_hearing(
        "    cus gus ben music
                         cus  -   .   .   x
                         gus  .   -   .   .
                         ben  .   .   -   .  ",
    );
    world.take_up("ben");
    seconds(&mut world, 1);
    assert_eq!(world.reservation_statuses().last(), Some(&ReservationStatus::Accepted));
    hold(&mut world, false);
    world.check_hearing(
        "    cus gus ben
                         cus  -   .   x
                         gus  .   -   .
                         ben  x   .   -  ",
    );
    assert_eq!(world.conferences.len(), 1, "the live conference, not a new one");
    // The end of a `call` leaves ending the task to the application (§7.6).
    world.hang_up("ben");
    seconds(&mut world, 1);
    assert_eq!(world.task_status(second), AssignmentStatus::Assigned);
}

#[test]
fn a_warm_transfer_lets_the_agents_talk_first() {
    let (mut world, centre, _) = talking(731, Rules::default(), |_| confer());
    let (first, _) = hand_on(&mut world, &centre);
    world.take_up("ben");
    seconds(&mut world, 1);
    world.check_hearing(
        "    cus gus ben music
                         cus  -   .   .   x
                         gus  .   -   x   .
                         ben  .   x   -   .  ",
    );
    hold(&mut world, false);
    world.check_hearing(
        "    cus gus ben music
                         cus  -   x   x   .
                         gus  x   -   x   .
                         ben  x   x   -   .  ",
    );
    world.kick("gus").expect("gus is in the conference");
    centre.end(&mut world, first, AssignmentStatus::Completed).expect("it may be completed");
    world.check_hearing(
        "    cus gus ben music
                         cus  -   .   x   .
                         gus  .   -   .   .
                         ben  x   .   -   .  ",
    );
}

/// Gus hands the task on to ben, who is called into its conference.
fn transfer(world: &mut World, centre: &Centre, gus: WorkerSid, mode: TransferMode) -> TransferSid {
    let ben = centre.agent(world, "ben", "hi");
    centre.moves(world, ben, centre.available);
    world.instructions.push_back(confer());
    let order = WorkspaceOrder::CreateTransfer {
        worker: gus,
        task: world.last_task().sid,
        reservation: world.last_reservation(),
        to: TransferTarget::Worker(ben),
        mode,
        priority: None,
        attributes: None,
    };
    let answer = world.workspace_order(centre.workspace, order).expect("ben is free");
    seconds(world, 1);
    assert_eq!(world.phone("ben").state, State::Ringing, "{world}");
    match answer {
        RoutingAnswer::Row(row) => match *row {
            RoutingRow::Transfer(transfer) => transfer.sid,
            other => panic!("a transfer, not {other:?}"),
        },
        other => panic!("a row, not {other:?}"),
    }
}

const ON_HOLD: &str = "    cus gus ben music
                       cus  -   .   .   x
                       gus  .   -   .   .
                       ben  .   .   -   .  ";

#[test]
fn a_transfer_holds_the_customer_until_the_application_takes_it_up() {
    let (mut world, centre, gus) = talking(760, Rules::default(), |_| confer());
    transfer(&mut world, &centre, gus, TransferMode::Warm);
    let task = world.last_task().sid;
    world.check_hearing(ON_HOLD);
    assert_eq!(world.task_status(task), AssignmentStatus::Reserved);
    world.take_up("ben");
    seconds(&mut world, 1);
    world.check_hearing(
        "    cus gus ben music
                         cus  -   .   .   x
                         gus  .   -   x   .
                         ben  .   x   -   .  ",
    );
    assert_eq!(world.task_status(task), AssignmentStatus::Assigned);
    assert_eq!(world.reservation_statuses(), [ReservationStatus::Accepted; 2]);
    hold(&mut world, false);
    world.check_hearing(
        "    cus gus ben music
                         cus  -   x   x   .
                         gus  x   -   x   .
                         ben  x   x   -   .  ",
    );
    world.kick("gus").expect("gus is in the conference");
    seconds(&mut world, 1);
    assert_eq!(world.reservation_statuses(), [ReservationStatus::Wrapping, ReservationStatus::Accepted]);
    assert_eq!(world.task_status(task), AssignmentStatus::Assigned, "ben has it");
    assert_eq!(world.conferences.len(), 1, "the same room");
    world.hang_up("cus");
    seconds(&mut world, 1);
    assert_eq!(world.task_status(task), AssignmentStatus::Wrapping, "{world}");
}

#[test]
fn a_cold_transfer_lets_the_first_agent_go_at_once() {
    for multi_task in [true, false] {
        let (mut world, centre, gus) = talking(761, Rules { multi_task, ..Rules::default() }, |_| {
            let mut confer = conference();
            confer.flags.end_conference_on_exit = true;
            Instruction::Conference(Box::new(confer))
        });
        transfer(&mut world, &centre, gus, TransferMode::Cold);
        let task = world.last_task().sid;
        assert!(is_over(&world, "gus"));
        world.check_hearing(ON_HOLD);
        let room = world.conferences.values().next().expect("a conference");
        assert_eq!(room.status, ConferenceStatus::InProgress, "the customer is in it, alone");
        world.take_up("ben");
        seconds(&mut world, 1);
        world.check_hearing(ON_HOLD);
        assert_eq!(world.reservation_statuses(), [ReservationStatus::Completed, ReservationStatus::Accepted]);
        assert_eq!(world.task_status(task), AssignmentStatus::Assigned);
        hold(&mut world, false);
        world.check_hearing(
            "    cus gus ben
                             cus  -   .   x
                             gus  .   -   .
                             ben  x   .   -  ",
        );
    }
}

#[test]
fn a_transfer_that_is_taken_back_leaves_the_task_where_it_was() {
    let (mut world, centre, gus) = talking(762, Rules::default(), |_| confer());
    let transfer = transfer(&mut world, &centre, gus, TransferMode::Warm);
    let order = WorkspaceOrder::CancelTransfer { worker: gus, transfer };
    world.workspace_order(centre.workspace, order).expect("it is under way");
    seconds(&mut world, 1);
    assert!(is_over(&world, "ben"), "{world}");
    assert_eq!(world.reservation_statuses(), [ReservationStatus::Accepted, ReservationStatus::Canceled]);
    assert_eq!(world.task_status(world.last_task().sid), AssignmentStatus::Assigned);
    world.check_hearing(MUSIC);
    hold(&mut world, false);
    world.check_hearing(BOTH_TALK);
}

#[test]
fn a_customer_who_hangs_up_while_the_task_is_handed_on_leaves_nobody_waiting() {
    for (seed, mode, ends, gus_has) in [
        (770, TransferMode::Warm, true, ReservationStatus::Wrapping),
        (771, TransferMode::Warm, false, ReservationStatus::Accepted),
        (772, TransferMode::Cold, true, ReservationStatus::Wrapping),
        (773, TransferMode::Cold, false, ReservationStatus::Wrapping),
    ] {
        let (mut world, centre, gus) = talking(seed, Rules::default(), |_| {
            let mut confer = conference();
            confer.end_conference_on_customer_exit = ends;
            Instruction::Conference(Box::new(confer))
        });
        let transfer = transfer(&mut world, &centre, gus, mode);
        world.hang_up("cus");
        seconds(&mut world, 1);
        assert!(is_over(&world, "ben"), "his phone need not ring on: {world}");
        assert_eq!(world.reservation_statuses(), [gus_has, ReservationStatus::Canceled]);
        assert_eq!(world.transfer_status(transfer), TransferStatus::Canceled);
        let ben = world.reservations().last().expect("it was offered to ben").worker_sid;
        assert_eq!(world.worker(ben).activity_sid, centre.available, "he has done nothing wrong");
        // The work is over with gus' leg, whichever goes first.
        if gus_has == ReservationStatus::Accepted {
            assert_eq!(world.task_status(world.last_task().sid), AssignmentStatus::Assigned);
            world.hang_up("gus");
            seconds(&mut world, 1);
        }
        assert_eq!(world.task_status(world.last_task().sid), AssignmentStatus::Wrapping, "{world}");
    }
}

#[test]
fn a_customer_who_hangs_up_while_a_queue_is_asked_takes_nobody_of_it_off_work() {
    for (seed, multi_task) in [(774, true), (775, false)] {
        let (mut world, centre, gus) = talking(seed, Rules { multi_task, ..Rules::default() }, |_| confer());
        let (task, reservation) = (world.last_task().sid, world.last_reservation());
        let order = WorkspaceOrder::CreateTransfer {
            worker: gus,
            task,
            reservation,
            to: TransferTarget::Queue(centre.hindi),
            mode: TransferMode::Cold,
            priority: None,
            attributes: None,
        };
        let answer = world.workspace_order(centre.workspace, order).expect("the queue is there");
        let RoutingAnswer::Row(row) = answer else { panic!("a row, not {answer:?}") };
        let RoutingRow::Transfer(transfer) = *row else { panic!("a transfer, not {row:?}") };
        seconds(&mut world, 1);
        world.hang_up("cus");
        seconds(&mut world, 1);
        assert_eq!(world.transfer_status(transfer.sid), TransferStatus::Canceled, "{world}");
        let offered = world.reservations().len(); // gus himself may have been asked, too
        let ben = centre.agent(&mut world, "ben", "hi");
        world.instructions.push_back(confer());
        centre.moves(&mut world, ben, centre.available);
        seconds(&mut world, 1);
        assert_eq!(world.reservations().len(), offered, "there is nobody to talk to: {world}");
        assert_eq!(world.worker(gus).activity_sid, centre.available);
        let (status, reason) = match multi_task {
            true => (AssignmentStatus::Wrapping, None),
            // Gus was done with it when he had left.
            false => (AssignmentStatus::Canceled, Some("hangup")),
        };
        let task = world.last_task();
        assert_eq!((task.assignment_status, task.reason.as_deref()), (status, reason));
    }
}
