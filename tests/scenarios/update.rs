//! Updates of live calls, whatever they are doing, and who crosses whom on the way (rest-voice §3.3).

use std::time::Duration;

use model::{CallStatus, ReasonConferenceEnded};
use switch::webhook::{DequeueResult, DialCallStatus, Purpose, QueueResult};
use switch::{CallEnd, Command, HttpMethod, Link, MemberRef, QueueCommand, Refusal};

use crate::phone::State;
use crate::wanted;
use crate::world::{ACCOUNT, World};

const NUMBER: &str = "+15005550001";
const AGENT: &str = "+15005550002";
const VOICE: &str = "https://app.test/voice";
const NEW: &str = "https://app.test/new";
const AFTER: &str = "https://app.test/after";
const LEFT: &str = "https://app.test/left";
const DIALLED: &str = "https://app.test/dialled";

fn seconds(world: &mut World, seconds: u64) {
    world.run_for(Duration::from_secs(seconds));
}

/// Ana calls a number with this document; everything it may lead to is there.
fn ana_calls(seed: u64, document: &str) -> World {
    let mut world = World::new(seed);
    world.number(NUMBER, VOICE);
    world.number(AGENT, "https://app.test/agent");
    world.documents(VOICE, &[document]);
    for url in [NEW, AFTER, LEFT, DIALLED] {
        world.documents(url, &["<Say loop=\"0\">Something else</Say>"]);
    }
    world.documents("https://app.test/agent", &["<Dial action=\"/dialled\"><Queue>support</Queue></Dial>"]);
    world.voice("Something else", 1_009);
    world.try_dial("ana", NUMBER);
    world.run_for(Duration::from_millis(500));
    world
}

/// Eve has dialled ben's phone, which rings.
fn eve_dials_ben(seed: u64, attributes: &str, noun: &str) -> World {
    let mut world = World::new(seed);
    world.number(NUMBER, VOICE);
    let ben = world.phone_waits("ben");
    world.documents(VOICE, &[&format!("<Dial action=\"/after\" {attributes}><Sip {noun}>{ben}</Sip></Dial>")]);
    for url in [NEW, AFTER] {
        world.documents(url, &["<Say loop=\"0\">Something else</Say>"]);
    }
    world.voice("Something else", 1_009);
    world.try_dial("eve", NUMBER);
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.phone("ben").state, State::Ringing, "{world}");
    world
}

const EVE_ALONE: &str = "    eve ben music
                         eve  -   .   x
                         ben  .   -   .  ";
const EVE_AND_BEN: &str = "    eve ben music
                           eve  -   x   .
                           ben  x   -   .  ";

#[test]
fn a_call_that_has_not_been_answered_cannot_be_redirected_but_ended() {
    for (end, status) in [(CallEnd::Completed, 480), (CallEnd::Canceled, 480)] {
        let mut world = ana_calls(140, "<Pause length=\"60\"/><Say>Something else</Say>");
        assert_eq!(world.phone("ana").state, State::Calling);
        assert_eq!(world.redirect("ana", NEW), Err(Refusal::NotInProgress));
        let row = world.update_call("ana", |change| change.end = Some(end)).expect("it lives");
        assert_eq!(row.status, CallStatus::Canceled);
        world.run_for(Duration::from_millis(200));
        assert_eq!(world.phone("ana").state, State::Over(status));
        world.check_nothing_is_left();
    }
}

#[test]
fn a_call_is_ended_while_it_does_anything() {
    for (case, document) in [
        ("speaking", "<Say loop=\"0\">Something else</Say>"),
        ("gathering", "<Gather timeout=\"60\"/>"),
        ("gathering with prompts", "<Gather timeout=\"60\"><Say loop=\"0\">Something else</Say></Gather>"),
        ("pausing", "<Say>Something else</Say><Pause length=\"60\"/>"),
        ("pressing keys", "<Play digits=\"WWWWWWWWWWWWWWWWWWWWWWWWWWW1\"/>"),
        ("in a queue", "<Enqueue>support</Enqueue>"),
        ("in a queue with a document", "<Enqueue waitUrl=\"/new\">support</Enqueue>"),
        ("waiting for a queue", "<Say>Something else</Say><Enqueue>a</Enqueue>"),
        ("in a conference", "<Dial><Conference>standup</Conference></Dial>"),
        ("in a conference with a document", "<Dial><Conference waitUrl=\"/new\">standup</Conference></Dial>"),
    ] {
        let mut world = ana_calls(141, document);
        world.run_for(Duration::from_millis(700));
        let canceled = world.update_call("ana", |change| change.end = Some(CallEnd::Canceled)).expect("it lives");
        assert_eq!(canceled.status, CallStatus::InProgress, "{case}: cancel does not touch it");
        let row = world.update_call("ana", |change| change.end = Some(CallEnd::Completed)).expect("it lives");
        assert_eq!(row.status, CallStatus::Completed, "{case}");
        world.run_for(Duration::from_millis(200));
        assert_eq!(world.phone("ana").state, State::Over(200), "{case}");
        world.check_nothing_is_left();
    }
}

#[test]
fn whatever_it_does_a_call_takes_up_another_document() {
    for (case, document) in [
        ("speaking", "<Say loop=\"0\">Something else</Say>"),
        ("gathering", "<Gather timeout=\"60\"/>"),
        ("pausing", "<Gather timeout=\"1\"/><Pause length=\"60\"/>"),
        ("pressing keys", "<Play digits=\"WWWWWWWWWWWWWWWWWWWWWWWWWWW1\"/>"),
        ("in a conference", "<Dial action=\"/after\"><Conference>standup</Conference></Dial>"),
    ] {
        let mut world = ana_calls(142, document);
        world.run_for(Duration::from_millis(520));
        world.redirect("ana", NEW).expect("it is answered");
        seconds(&mut world, 3);
        assert_eq!(world.times_asked(NEW), 1, "{case}");
        assert_eq!(world.times_asked(AFTER), 0, "{case}");
        world.check_hearing(
            "    ana music
                             ana  -   x  ",
        );
        assert_eq!(world.switch.stats().running, 1, "{case}: one document runs");
        world.hang_up("ana");
        world.check_nothing_is_left();
    }
}

#[test]
fn a_document_that_is_asked_for_comes_too_late() {
    for ends in [false, true] {
        let mut world = ana_calls(160, "<Gather timeout=\"1\"/><Redirect>/slow</Redirect>");
        world.documents("https://app.test/slow", &["<Dial action=\"/after\"><Conference>standup</Conference></Dial>"]);
        while world.times_asked("https://app.test/slow") == 0 {
            world.run_for(Duration::from_millis(1));
        }
        if ends {
            world.hang_up("ana");
        } else {
            world.redirect("ana", NEW).expect("it is answered");
        }
        seconds(&mut world, 1);
        assert!(world.conferences.is_empty());
        assert_eq!((world.times_asked(AFTER), world.times_asked(NEW)), (0, usize::from(!ends)));
        if !ends {
            world.hang_up("ana");
        }
        world.check_nothing_is_left();
    }
}

#[test]
fn a_participant_that_is_redirected_leaves_its_conference() {
    for (case, ends, status) in [("the others stay", false, "-"), ("it ends for all", true, "completed")] {
        let document =
            format!("<Dial action=\"/after\"><Conference endConferenceOnExit=\"{ends}\">standup</Conference></Dial>");
        let mut world = ana_calls(143, &document);
        world.dial("ben", "standup");
        world.dial("cho", "standup");
        world.redirect("ana", NEW).expect("it is answered");
        world.run_for(Duration::from_millis(400));
        let left = world.events.iter().find(|event| event.name() == "participant-leave").expect("she has left");
        let told = left.parameters();
        let value = |name| told.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str());
        assert_eq!(value("ReasonParticipantLeft"), Some("participant_updated_via_api"), "{case}");
        assert_eq!(value("ParticipantCallStatus"), Some("in-progress"), "{case}");
        let ended = world.conference("standup").reason_ended;
        assert_eq!(ended, ends.then_some(ReasonConferenceEnded::EndOnExitLeft), "{case} {status}");
        let mark = if ends { "." } else { "x" };
        world.check_hearing(&format!(
            "    ana ben cho music
                             ana  -   .   .   x
                             ben  .   -   {mark}   .
                             cho  .   {mark}   -   .  "
        ));
        assert_eq!(world.times_asked(AFTER), 0, "{case}: no action");
    }
}

#[test]
fn who_waits_in_a_queue_tells_that_it_was_redirected() {
    let mut world = ana_calls(144, "<Enqueue action=\"/left\" waitUrl=\"/wait\">support</Enqueue>");
    world.documents("https://app.test/wait", &["<Pause length=\"1\"/>"]);
    seconds(&mut world, 2);
    world.redirect("ana", NEW).expect("it is answered");
    seconds(&mut world, 2);
    let told = world.purposes(LEFT);
    assert!(
        matches!(told.as_slice(), [Purpose::Enqueue { result: QueueResult::Redirected, queue: Some(_), .. }]),
        "{told:?}"
    );
    let waited = world.times_asked("https://app.test/wait");
    seconds(&mut world, 3);
    assert_eq!(world.times_asked("https://app.test/wait"), waited, "nobody waits any more");
    world.check_hearing(
        "    ana music
                         ana  -   x  ",
    );
    world.hang_up("ana");
    world.check_nothing_is_left();
}

#[test]
fn a_member_is_taken_out_by_its_call_or_from_the_front() {
    let mut world = ana_calls(145, "<Enqueue action=\"/left\">support</Enqueue>");
    world.try_dial("cho", NUMBER);
    world.run_for(Duration::from_millis(500));
    let queue = world.queue("support");
    let dequeue = |member| {
        let link = Link { url: NEW.to_owned(), method: HttpMethod::Post };
        Command::Queue(QueueCommand::DequeueMember { account: ACCOUNT, queue, member, link })
    };
    let (ana, cho) = (world.call("ana").sid, world.call("cho").sid);
    for (member, call, position) in [(MemberRef::Call(cho), cho, 2), (MemberRef::Front, ana, 1)] {
        match world.command(dequeue(member)) {
            Ok(switch::Answer::QueueMember(member)) => {
                assert_eq!((member.call, member.position), (call, position), "as it was");
            }
            other => panic!("a member, not {other:?}"),
        }
    }
    assert_eq!(world.command(dequeue(MemberRef::Front)), Err(Refusal::MemberNotFound));
    seconds(&mut world, 1);
    let told = world.purposes(LEFT);
    let redirected = |told: &&Purpose| matches!(told, Purpose::Enqueue { result: QueueResult::Redirected, .. });
    assert!(told.len() == 2 && told.iter().all(redirected), "{told:?}");
    assert_eq!(world.times_asked(NEW), 2);
    let first: Vec<_> =
        world.callbacks.iter().filter(|callback| callback.url == LEFT).map(|told| Some(told.id)).collect();
    let then: Vec<_> = world.asks.iter().filter(|ask| ask.url == NEW).map(|ask| ask.after).collect();
    assert_eq!(then, first, "the action is told before anything else is asked for the call");
    for name in ["ana", "cho"] {
        world.hang_up(name);
    }
    world.check_nothing_is_left();
}

#[test]
fn who_dialled_a_phone_leaves_it_without_a_word() {
    for (case, answered) in [("while it rings", false), ("while they talk", true)] {
        let mut world = eve_dials_ben(146, "", "");
        if answered {
            world.take_up("ben");
            world.run_for(Duration::from_millis(300));
        }
        world.redirect("eve", NEW).expect("it is answered");
        world.run_for(Duration::from_millis(300));
        let gone = if answered { State::Over(200) } else { State::Over(487) };
        assert_eq!(world.phone("ben").state, gone, "{case}");
        world.check_hearing(EVE_ALONE);
        assert_eq!((world.times_asked(AFTER), world.times_asked(NEW)), (0, 1), "{case}: no action");
        world.hang_up("eve");
        world.check_nothing_is_left();
    }
}

#[test]
fn who_was_dialled_goes_on_alone_and_so_does_its_caller() {
    let mut world = eve_dials_ben(147, "", "");
    world.take_up("ben");
    world.run_for(Duration::from_millis(300));
    world.check_hearing(EVE_AND_BEN);
    world.redirect("ben", NEW).expect("it is answered");
    world.run_for(Duration::from_millis(300));
    let told = world.purposes(AFTER);
    let [Purpose::Dial(result)] = told.as_slice() else { panic!("once, not {told:?}") };
    assert_eq!((result.status, result.bridged), (DialCallStatus::Completed, Some(true)));
    assert_eq!(result.call, Some(world.call("ben").sid));
    world.check_hearing(
        "    eve ben music
                         eve  -   .   x
                         ben  .   -   x  ",
    );
    world.hang_up("eve");
    world.run_for(Duration::from_millis(300));
    assert_eq!(world.phone("ben").state, State::Talking, "it is nobody's child any more");
    world.hang_up("ben");
    world.check_nothing_is_left();
}

#[test]
fn who_was_taken_out_of_a_queue_and_is_redirected_tells_so() {
    for (case, whispers, result) in [
        ("while they talk", false, QueueResult::RedirectedFromBridged),
        ("while it is told", true, QueueResult::BridgingInProcess),
    ] {
        let mut world = ana_calls(148, "<Enqueue action=\"/left\">support</Enqueue>");
        if whispers {
            world.documents(
                "https://app.test/agent",
                &["<Dial action=\"/dialled\"><Queue url=\"/after\">support</Queue></Dial>"],
            );
        }
        world.try_dial("gus", AGENT);
        world.run_for(Duration::from_millis(500));
        world.redirect("ana", NEW).expect("it is answered");
        seconds(&mut world, 1);
        let told = world.purposes(LEFT);
        assert!(
            matches!(told.as_slice(), [Purpose::Enqueue { result: told, .. }] if *told == result),
            "{case}: {told:?}"
        );
        let told = world.purposes(DIALLED);
        let [Purpose::Dial(dialled)] = told.as_slice() else { panic!("{case}: once, not {told:?}") };
        let dequeued = dialled.queue.as_ref().expect("it was a queue").result;
        let (status, want) = match whispers {
            true => (DialCallStatus::NoAnswer, DequeueResult::Hangup),
            false => (DialCallStatus::Completed, DequeueResult::Bridged),
        };
        assert_eq!((dialled.status, dequeued), (status, want), "{case}");
        world.check_hearing(
            "    ana gus music
                             ana  -   .   x
                             gus  .   -   x  ",
        );
        world.hang_up("ana");
        world.hang_up("gus");
        world.check_nothing_is_left();
    }
}

#[test]
fn who_is_told_about_an_agent_that_hangs_up_waits_on_in_front() {
    let mut world = ana_calls(149, "<Enqueue action=\"/left\" waitUrl=\"/wait\">support</Enqueue>");
    world.documents("https://app.test/wait", &["<Play loop=\"0\">/tune.wav</Play>"]);
    world.file("https://app.test/tune.wav", 1_009);
    world.documents(
        "https://app.test/agent",
        &["<Dial action=\"/dialled\"><Queue url=\"/after\">support</Queue></Dial>"],
    );
    world.try_dial("cho", NUMBER);
    seconds(&mut world, 2);
    world.try_dial("gus", AGENT);
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.times_asked(AFTER), 1, "she is told");
    world.hang_up("gus");
    seconds(&mut world, 1);
    assert_eq!(world.times_asked(LEFT), 0, "she waits on");
    world.documents("https://app.test/agent", &["<Dial action=\"/dialled\"><Queue>support</Queue></Dial>"]);
    world.try_dial("gil", AGENT);
    world.run_for(Duration::from_millis(500));
    world.check_hearing(
        "    ana cho gil music
                         ana  -   .   x   .
                         cho  .   -   .   x
                         gil  x   .   -   .  ",
    );
    world.hang_up("gil");
    world.run_for(Duration::from_millis(300));
    let told = world.purposes(LEFT);
    let [Purpose::Enqueue { result: QueueResult::Bridged, time, .. }] = told.as_slice() else { panic!("{told:?}") };
    assert!(time.as_secs() >= 4, "all of it: {time:?}");
    for name in ["ana", "cho"] {
        world.hang_up(name);
    }
    world.check_nothing_is_left();
}

#[test]
fn a_member_that_hangs_up_while_it_is_told_lets_the_agent_go_on() {
    let mut world = ana_calls(150, "<Enqueue action=\"/left\">support</Enqueue>");
    world.documents(
        "https://app.test/agent",
        &["<Dial action=\"/dialled\"><Queue url=\"/after\">support</Queue></Dial>"],
    );
    world.try_dial("gus", AGENT);
    world.run_for(Duration::from_millis(500));
    world.hang_up("ana");
    world.run_for(Duration::from_millis(300));
    let told = world.purposes(DIALLED);
    let [Purpose::Dial(dialled)] = told.as_slice() else { panic!("once, not {told:?}") };
    assert_eq!(dialled.queue.as_ref().map(|queue| queue.result), Some(DequeueResult::Hangup));
    let told = world.purposes(LEFT);
    assert!(matches!(told.as_slice(), [Purpose::Enqueue { result: QueueResult::Hangup, .. }]), "{told:?}");
    assert_eq!(world.phone("gus").state, State::Talking);
    world.hang_up("gus");
    world.check_nothing_is_left();
}

#[test]
fn an_agent_that_no_longer_waits_takes_nobody() {
    type Stops = fn(&mut World);
    let cases: [(&str, &str, Stops); 4] = [
        ("it hangs up", "", |world| world.hang_up("gus")),
        ("it has waited for long enough", "timeout=\"5\"", |world| seconds(world, 6)),
        ("it presses *", "hangupOnStar=\"true\"", |world| world.press("gus", 10)),
        ("it is redirected", "", |world| drop(world.redirect("gus", NEW))),
    ];
    for (case, attributes, stop) in cases {
        let mut world = ana_calls(151, "<Enqueue>support</Enqueue>"); // so that there is such a queue
        world.hang_up("ana");
        let dial = format!("<Dial action=\"/dialled\" {attributes}><Queue>support</Queue></Dial>");
        world.documents("https://app.test/agent", &[&dial]);
        world.try_dial("gus", AGENT);
        world.run_for(Duration::from_millis(300));
        stop(&mut world);
        seconds(&mut world, 1);
        world.try_dial("cho", NUMBER);
        seconds(&mut world, 1);
        let queue = world.queue("support");
        let listed = world.command(Command::Queue(QueueCommand::ListMembers { account: ACCOUNT, queue }));
        let Ok(switch::Answer::QueueMembers(members)) = listed else { panic!("{case}: {listed:?}") };
        assert_eq!(members.len(), 1, "{case}: nobody has taken her out");
        for name in ["gus", "cho"] {
            if world.phone(name).state == State::Talking {
                world.hang_up(name);
            }
        }
        world.check_nothing_is_left();
    }
}

#[test]
fn the_caller_and_the_callee_cross() {
    // The callee answers as the caller hangs up: the caller's BYE comes first, …
    let mut world = eve_dials_ben(152, "", "");
    let answer = world.prepare_to_take_up("ben");
    world.hang_up("eve");
    world.say("ben", &answer);
    seconds(&mut world, 1);
    assert_eq!(world.phone("ben").state, State::Over(200), "let go again");
    let told = world.purposes(AFTER);
    assert!(
        matches!(told.as_slice(), [Purpose::Dial(result)] if result.status == DialCallStatus::Canceled),
        "{told:?}"
    );
    world.check_nothing_is_left();

    // … or the callee's 200.
    let mut world = eve_dials_ben(153, "", "");
    let answer = world.prepare_to_take_up("ben");
    world.say("ben", &answer);
    world.hang_up("eve");
    seconds(&mut world, 1);
    assert_eq!(world.phone("ben").state, State::Over(200));
    let told = world.purposes(AFTER);
    assert!(
        matches!(told.as_slice(), [Purpose::Dial(result)] if result.status == DialCallStatus::Completed),
        "{told:?}"
    );
    world.check_nothing_is_left();
}

#[test]
fn two_that_answer_at_once_do_not_both_win() {
    let mut world = World::new(154);
    world.number(NUMBER, VOICE);
    let (ben, cho) = (world.phone_waits("ben"), world.phone_waits("cho"));
    let dial = format!("<Dial action=\"/after\"><Sip>{ben}</Sip><Sip>{cho}</Sip></Dial>");
    world.documents(VOICE, &[&dial]);
    world.try_dial("eve", NUMBER);
    world.run_for(Duration::from_millis(500));
    let (first, second) = (world.prepare_to_take_up("cho"), world.prepare_to_take_up("ben"));
    world.say("cho", &first);
    world.say("ben", &second);
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.phone("ben").state, State::Over(200), "answered elsewhere");
    world.check_hearing(
        "    eve ben cho music
                         eve  -   .   x   .
                         ben  .   -   .   .
                         cho  x   .   -   .  ",
    );
    world.hang_up("eve");
    world.check_nothing_is_left();
}

#[test]
fn a_star_ends_what_was_dialled() {
    for (case, attributes, answered, over) in [
        ("while they talk", "hangupOnStar=\"true\"", true, true),
        ("while it rings", "hangupOnStar=\"true\"", false, true),
        ("it was not asked for", "", true, false),
    ] {
        let mut world = eve_dials_ben(155, attributes, "");
        if answered {
            world.take_up("ben");
            world.run_for(Duration::from_millis(300));
        }
        world.press("eve", 10);
        world.run_for(Duration::from_millis(500));
        assert_eq!(world.times_asked(AFTER) == 1, over, "{case}");
        assert_eq!(matches!(world.phone("ben").state, State::Over(_)), over, "{case}");
        assert_eq!(world.phone("eve").state, State::Talking, "{case}");
        world.hang_up("eve");
        world.check_nothing_is_left();
    }
}

#[test]
fn a_talk_lasts_as_long_as_the_dial_says() {
    let mut world = eve_dials_ben(156, "timeLimit=\"3\"", "");
    seconds(&mut world, 4);
    world.take_up("ben");
    seconds(&mut world, 2);
    world.check_hearing(EVE_AND_BEN);
    seconds(&mut world, 1);
    assert_eq!(world.phone("ben").state, State::Over(200));
    let told = world.purposes(AFTER);
    let [Purpose::Dial(result)] = told.as_slice() else { panic!("once, not {told:?}") };
    assert_eq!(result.duration.map(|talked| talked.as_secs()), Some(3));
    world.check_hearing(EVE_ALONE);
    world.hang_up("eve");
    world.check_nothing_is_left();
}

#[test]
fn a_caller_that_gives_up_while_its_document_is_asked_for_leaves_nothing() {
    let mut world = World::new(157);
    world.number(NUMBER, VOICE);
    world.documents(VOICE, &["<Dial action=\"/after\"><Conference>standup</Conference></Dial>"]);
    world.try_dial("ana", NUMBER);
    world.run_for(Duration::from_millis(10));
    world.cancel("ana");
    seconds(&mut world, 1);
    assert_eq!(world.phone("ana").state, State::Over(487));
    assert_eq!(world.call("ana").status, CallStatus::Canceled);
    assert!(world.conferences.is_empty());
    assert_eq!(world.times_asked(AFTER), 0);
    world.check_nothing_is_left();
}

#[test]
fn documents_that_lead_to_one_another_and_take_no_time_break_off() {
    for (case, document) in [
        ("redirected", "<Redirect/>"),
        ("nobody to dial", "<Dial><Number>+15005559999</Number></Dial><Redirect/>"),
        ("no such queue", "<Dial action=\"/voice\"><Queue>nowhere</Queue></Dial>"),
        ("no such workflow", "<Enqueue action=\"/voice\" workflowSid=\"WW00000000000000000000000000000001\"/>"),
        ("nobody to coach", "<Dial action=\"/voice\"><Conference coach=\"nobody\">standup</Conference></Dial>"),
        ("nothing to hear", "<Play>/gone.wav</Play><Redirect/>"),
        ("nothing recorded", "<Record action=\"/voice\"/><Redirect/>"),
    ] {
        let mut world = ana_calls(158, document);
        seconds(&mut world, 12);
        assert!(world.times_asked(VOICE) <= 102, "{case}: {}", world.times_asked(VOICE));
        assert_eq!(world.phone("ana").state, State::Over(200), "{case}");
        assert!(world.times_notified(11_215) >= 1, "{case}");
        world.check_nothing_is_left();
    }
}

#[test]
fn a_status_callback_that_is_set_later_is_told_of_the_end() {
    let mut world = ana_calls(159, "<Say loop=\"0\">Something else</Say>");
    world
        .update_call("ana", |change| change.status_callback = Some(wanted::link("https://app.test/status")))
        .expect("it lives");
    world.hang_up("ana");
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.told_of_call("ana"), ["0 completed completed"]);
    world.check_nothing_is_left();
}
