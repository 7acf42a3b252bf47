//! Queues: somebody waits, somebody takes them out (twiml §7).

use std::time::Duration;

use switch::webhook::{DequeueResult, DialCallStatus, Purpose, QueueResult, Waiting};
use switch::{Answer, Command, QueueCommand};

use crate::phone::State;
use crate::world::{ACCOUNT, World};

const CALLER: &str = "+15005550001";
const AGENT: &str = "+15005550002";

fn queue(seed: u64, enqueue: &str) -> World {
    let mut world = World::new(seed);
    world.number(CALLER, "https://app.test/caller");
    world.number(AGENT, "https://app.test/agent");
    world.documents("https://app.test/caller", &[enqueue]);
    world.documents("https://app.test/agent", &["<Dial action=\"/dialled\"><Queue>support</Queue></Dial>"]);
    world.documents("https://app.test/left", &["<Pause length=\"60\"/>"]);
    world.documents("https://app.test/dialled", &["<Pause length=\"60\"/>"]);
    world
}

#[test]
fn who_waits_first_is_taken_first() {
    let mut world = queue(40, "<Enqueue action=\"/left\">support</Enqueue>");
    world.try_dial("ana", CALLER);
    world.run_for(Duration::from_secs(2));
    world.try_dial("cho", CALLER);
    world.run_for(Duration::from_secs(1));
    world.check_hearing(
        "    ana cho music
                         ana  -   .   x
                         cho  .   -   x  ",
    );
    world.try_dial("ben", AGENT);
    world.run_for(Duration::from_millis(500));
    world.check_hearing(
        "    ana cho ben music
                         ana  -   .   x   .
                         cho  .   -   .   x
                         ben  x   .   -   .  ",
    );
    world.hang_up("ben");
    world.run_for(Duration::from_millis(500));
    let told = world.purposes("https://app.test/left");
    let [Purpose::Enqueue { result: QueueResult::Bridged, queue: Some(_), time, task: None }] = told.as_slice() else {
        panic!("one bridge, not {told:?}");
    };
    assert!((3..=4).contains(&time.as_secs()), "{time:?}");
    assert_eq!(world.phone("ana").state, State::Talking, "her document goes on");
    world.hang_up("cho");
    world.hang_up("ana");
    world.run_for(Duration::from_secs(1));
    let last = world.purposes("https://app.test/left").last().copied().cloned();
    assert!(matches!(last, Some(Purpose::Enqueue { result: QueueResult::Hangup, .. })), "{last:?}");
    assert!(world.switch.is_idle(), "{world}");
}

#[test]
fn an_empty_queue_is_waited_for() {
    let mut world = queue(41, "<Enqueue action=\"/left\">support</Enqueue>");
    world.try_dial("ana", CALLER);
    world.run_for(Duration::from_millis(200));
    world.hang_up("ana");
    world.run_for(Duration::from_millis(200));
    world.try_dial("ben", AGENT);
    world.run_for(Duration::from_secs(2));
    world.try_dial("cho", CALLER);
    world.run_for(Duration::from_millis(500));
    world.check_hearing(
        "    ana ben cho music
                         ana  .   .   .   .
                         ben  .   -   x   .
                         cho  .   x   -   .  ",
    );
    world.hang_up("cho");
    world.run_for(Duration::from_millis(500));
    let told = world.purposes("https://app.test/dialled");
    let [Purpose::Dial(result)] = told.as_slice() else { panic!("one dial, not {told:?}") };
    assert_eq!(result.status, DialCallStatus::Completed);
    let dequeued = result.queue.as_ref().expect("it was a queue");
    assert_eq!(dequeued.result, DequeueResult::Bridged);
    assert_eq!(dequeued.call, Some(world.call("cho").sid));
}

#[test]
fn a_wait_document_runs_over_and_over_and_may_leave() {
    let wait = "https://app.test/wait";
    let mut world = queue(42, "<Enqueue action=\"/left\" waitUrl=\"/wait\">support</Enqueue>");
    world.documents(wait, &["<Play>/tune.wav</Play>", "<Play>/tune.wav</Play>", "<Leave/>"]);
    world.file("https://app.test/tune.wav", 2_000);
    world.try_dial("ana", CALLER);
    world.run_for(Duration::from_millis(3_000));
    let told = world.purposes(wait);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        matches!(told[1], Purpose::QueueWait(Waiting { position: 1, current_size: 1, max_size: 1_000, .. })),
        "{:?}",
        told[1]
    );
    let told = world.purposes("https://app.test/left");
    assert!(matches!(told.as_slice(), [Purpose::Enqueue { result: QueueResult::Leave, .. }]), "{told:?}");
}

#[test]
fn a_full_queue_takes_nobody() {
    let mut world = queue(43, "<Enqueue action=\"/left\" maxQueueSize=\"1\">support</Enqueue>");
    world.try_dial("ana", CALLER);
    world.run_for(Duration::from_millis(200));
    world.try_dial("ben", CALLER);
    world.run_for(Duration::from_millis(500));
    let told = world.purposes("https://app.test/left");
    assert!(matches!(told.as_slice(), [Purpose::Enqueue { result: QueueResult::QueueFull, .. }]), "{told:?}");
    assert_eq!(world.times_notified(14_207), 1);
}

#[test]
fn a_queue_is_not_empty_while_the_one_it_is_left_by_may_come_back() {
    let wait = "https://app.test/wait";
    let mut world = queue(44, "<Enqueue action=\"/left\" waitUrl=\"/wait\">support</Enqueue>");
    world.documents(wait, &["<Pause length=\"60\"/>"]);
    world.documents("https://app.test/agent", &["<Dial><Queue url=\"/whisper\">support</Queue></Dial>"]);
    world.documents("https://app.test/whisper", &["<Pause length=\"9\"/>"]);
    world.try_dial("ana", CALLER);
    world.run_for(Duration::from_secs(1));
    world.try_dial("ben", AGENT);
    world.run_for(Duration::from_secs(1));
    let queue = world.queue("support");
    let delete = || Command::Queue(QueueCommand::Delete { account: ACCOUNT, queue });
    assert!(world.command(delete()).is_err(), "she is being told that she is next");
    world.hang_up("ben");
    world.run_for(Duration::from_millis(500));
    assert!(world.command(delete()).is_err(), "she waits again");
    let told = world.purposes(wait);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(matches!(told[1], Purpose::QueueWait(Waiting { position: 1, max_size: 1_000, .. })), "{:?}", told[1]);
    world.hang_up("ana");
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.command(delete()), Ok(Answer::Removed));
}

#[test]
fn the_answer_to_keys_in_a_wait_document_is_one_too() {
    let mut world = queue(45, "<Enqueue action=\"/left\" waitUrl=\"/wait\">support</Enqueue>");
    world.documents("https://app.test/wait", &["<Gather numDigits=\"1\" action=\"/menu\"/>"]);
    world.documents("https://app.test/menu", &["<Leave/>"]);
    world.try_dial("ana", CALLER);
    world.run_for(Duration::from_secs(2));
    world.press("ana", 1);
    world.run_for(Duration::from_secs(1));
    let told = world.purposes("https://app.test/menu");
    let [Purpose::Gather { digits, waiting: Some(waiting), .. }] = told.as_slice() else { panic!("told {told:?}") };
    assert_eq!(digits.as_deref(), Some("1"));
    let Waiting { queue, position, time, current_size, max_size, .. } = *waiting;
    assert_eq!((queue, position, current_size, max_size), (world.queue("support"), 1, 1, 1_000));
    assert!((1..=2).contains(&time.as_secs()), "{time:?}");
    assert_eq!(world.purposes("https://app.test/left").len(), 1, "and may leave");
}
