//! Calls that an application has us make: how they end, what is told of them, and what they do first (rest-voice §3).

use std::time::Duration;

use model::{AnsweredBy, CallStatus};
use switch::webhook::{CallbackBody, Purpose};
use switch::{Amd, CallCallback, CallEnd, Callee, Command, Instructions, MachineDetection, NewCall, Refusal, Trunk};

use crate::phone::{State, Voice};
use crate::wanted;
use crate::world::World;

const URL: &str = "https://app.test/out";
const STATUS: &str = "https://app.test/status";

fn seconds(world: &mut World, seconds: u64) {
    world.run_for(Duration::from_secs(seconds));
}

/// Ben's phone is called, all is told of it, and nobody has answered yet.
fn calling(seed: u64, adjust: impl FnOnce(&mut NewCall)) -> World {
    let mut world = World::new(seed);
    let ben = world.phone_waits("ben");
    let mut new = wanted::call(&ben, URL);
    new.leg.status = CallCallback {
        link: Some(wanted::link(STATUS)),
        initiated: true,
        ringing: true,
        answered: true,
        completed: true,
    };
    adjust(&mut new);
    world.documents(URL, &["<Pause length=\"60\"/>"]);
    world.command(Command::CreateCall(Box::new(new))).expect("a way leads there");
    assert_eq!(world.call("ben").status, CallStatus::Queued);
    world.run_for(Duration::from_millis(200));
    world
}

#[test]
fn every_end_has_its_status_and_all_that_is_told_is_told_in_order() {
    type Ends = fn(&mut World);
    let cases: [(&str, Ends, CallStatus, u16); 8] = [
        ("nobody answers", |world| seconds(world, 21), CallStatus::NoAnswer, 487),
        ("busy", |world| world.refuse("ben", "486 Busy Here"), CallStatus::Busy, 486),
        ("busy everywhere", |world| world.refuse("ben", "600 Busy Everywhere"), CallStatus::Busy, 600),
        ("declined", |world| world.refuse("ben", "603 Decline"), CallStatus::Busy, 603),
        ("not there", |world| world.refuse("ben", "480 Temporarily Unavailable"), CallStatus::NoAnswer, 480),
        ("not found", |world| world.refuse("ben", "404 Not Found"), CallStatus::Failed, 404),
        ("no common codec", |world| world.refuse("ben", "488 Not Acceptable Here"), CallStatus::Failed, 488),
        (
            "canceled",
            |world| drop(world.update_call("ben", |change| change.end = Some(CallEnd::Canceled))),
            CallStatus::Canceled,
            487,
        ),
    ];
    for (case, end, status, sip) in cases {
        let mut world = calling(120, |new| new.leg.ring_timeout = Duration::from_secs(20));
        assert_eq!(world.call("ben").status, CallStatus::Ringing, "{case}");
        end(&mut world);
        world.run_for(Duration::from_millis(200));
        assert_eq!(world.call("ben").status, status, "{case}");
        assert_eq!(world.phone("ben").state, State::Over(sip), "{case}");
        assert_eq!(
            world.told_of_call("ben"),
            ["0 initiated queued", "1 ringing ringing", &format!("2 completed {status}")],
            "{case}"
        );
        assert_eq!(world.call("ben").answered, None, "{case}");
        assert_eq!(world.times_asked(URL), 0, "{case}: nobody is there to be told anything");
        world.check_nothing_is_left();
    }
}

#[test]
fn who_says_nothing_at_all_is_not_reached() {
    let mut world = World::new(121);
    let ben = world.phone_waits("ben");
    world.vanish("ben");
    world.command(Command::CreateCall(Box::new(wanted::call(&ben, URL)))).expect("a way leads there");
    seconds(&mut world, 40);
    assert_eq!(world.call("ben").status, CallStatus::Failed);
    world.check_nothing_is_left();
}

#[test]
fn only_what_is_wanted_is_told_and_the_end_always_has_the_last_number() {
    let mut world = calling(122, |new| (new.leg.status.initiated, new.leg.status.answered) = (false, false));
    world.take_up("ben");
    seconds(&mut world, 1);
    world.hang_up("ben");
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.told_of_call("ben"), ["0 ringing ringing", "1 completed completed"]);
    let Some(CallbackBody::CallStatus(last)) = world.callbacks.last().map(|callback| &callback.body) else {
        panic!("the end is told ({world})");
    };
    assert_eq!(last.sip_response_code, Some(200));
    assert!(last.facts.call.ended.is_some() && last.facts.call.answered.is_some());
    assert!(world.callbacks.iter().all(|callback| callback.url == STATUS));
    world.check_nothing_is_left();
}

#[test]
fn a_call_canceled_before_anybody_is_called_tells_nothing() {
    let mut world = World::new(123);
    let ben = world.phone_waits("ben");
    let mut new = wanted::call(&ben, URL);
    new.leg.status = CallCallback { link: Some(wanted::link(STATUS)), completed: true, ..CallCallback::default() };
    world.command(Command::CreateCall(Box::new(new))).expect("a way leads there");
    let row = world.update_call("ben", |change| change.end = Some(CallEnd::Canceled)).expect("it lives");
    assert_eq!(row.status, CallStatus::Canceled);
    seconds(&mut world, 1);
    assert_eq!(world.phone("ben").state, State::Idle);
    assert_eq!(world.told_of_call("ben"), Vec::<String>::new());
    world.check_nothing_is_left();
}

#[test]
fn keys_are_pressed_before_the_document_is_asked_for() {
    let mut world = calling(124, |new| new.leg.send_digits = Some("WW12#".to_owned()));
    world.take_up("ben");
    seconds(&mut world, 2);
    assert_eq!(world.times_asked(URL), 0, "two seconds of pauses come first");
    seconds(&mut world, 2);
    assert_eq!(world.times_asked(URL), 1);
    assert_eq!(*world.purposes(URL)[0], Purpose::Voice);
    world.hang_up("ben");
    world.check_nothing_is_left();
}

#[test]
fn who_hangs_up_before_the_document_was_asked_for_is_not_asked_about() {
    let mut world = calling(125, |new| new.leg.send_digits = Some("WW12#".to_owned()));
    world.take_up("ben");
    seconds(&mut world, 1);
    world.hang_up("ben");
    seconds(&mut world, 3);
    assert_eq!(world.times_asked(URL), 0);
    assert_eq!(world.call("ben").status, CallStatus::Completed);
    world.check_nothing_is_left();
}

#[test]
fn what_is_asked_for_while_keys_are_pressed_comes_in_their_stead() {
    let mut world = calling(126, |new| new.leg.send_digits = Some("WW12#".to_owned()));
    world.documents("https://app.test/new", &["<Pause length=\"30\"/>"]);
    world.take_up("ben");
    seconds(&mut world, 1);
    world.redirect("ben", "https://app.test/new").expect("it is answered");
    seconds(&mut world, 4);
    assert_eq!((world.times_asked("https://app.test/new"), world.times_asked(URL)), (1, 0));
    assert_eq!(world.switch.stats().running, 1, "one document runs");
    world.hang_up("ben");
    world.check_nothing_is_left();
}

#[test]
fn a_call_lasts_as_long_as_it_may() {
    let mut world = calling(127, |new| new.leg.time_limit = Some(Duration::from_secs(3)));
    seconds(&mut world, 4);
    assert_eq!(world.phone("ben").state, State::Ringing, "ringing does not count");
    world.take_up("ben");
    seconds(&mut world, 2);
    world.update_call("ben", |change| change.time_limit = Some(Duration::from_secs(5))).expect("it lives");
    seconds(&mut world, 2);
    assert_eq!(world.phone("ben").state, State::Talking, "it may last longer now, from the answer on");
    seconds(&mut world, 2);
    assert_eq!(world.phone("ben").state, State::Over(200));
    assert_eq!(world.call("ben").status, CallStatus::Completed);
    world.check_nothing_is_left();
}

#[test]
fn what_the_application_says_counts_also_where_a_call_lasts_longer_than_others() {
    const NUMBER: &str = "+15005550001";
    let short = || World::with(133, |config, _| config.call_time_limit = Duration::from_secs(3));
    let dials = |document: &str| {
        let mut world = short();
        let ben = world.phone_waits("ben");
        world.number(NUMBER, URL);
        world.documents(URL, &[&document.replace("BEN", &ben)]);
        world.try_dial("ana", NUMBER);
        world.run_for(Duration::from_millis(200));
        world
    };
    let called = |time_limit| {
        let mut world = short();
        let mut new = wanted::call(&world.phone_waits("ben"), URL);
        new.leg.time_limit = time_limit;
        world.documents(URL, &["<Pause length=\"60\"/>"]);
        world.command(Command::CreateCall(Box::new(new))).expect("a way leads there");
        world.run_for(Duration::from_millis(200));
        world
    };
    let limit = |seconds| Some(Duration::from_secs(seconds));
    let dialled = |limit: &str| dials(&format!("<Dial {limit}><Sip>BEN</Sip></Dial>"));
    let in_conference = |limit: &str| dials(&format!("<Dial {limit}><Conference>standup</Conference></Dial>"));
    for (case, mut world, name, lasts_s) in [
        ("nothing is said", called(None), "ben", 3),
        ("longer is said", called(limit(6)), "ben", 6),
        ("shorter is said", called(limit(2)), "ben", 2),
        ("a dial that lasts longer", dialled("timeLimit=\"6\""), "ana", 6),
        ("its callee", dialled("timeLimit=\"6\""), "ben", 6),
        ("a stay that lasts longer", in_conference("timeLimit=\"6\""), "ana", 6),
    ] {
        if world.phone("ben").state == State::Ringing {
            world.take_up("ben");
        }
        world.run_for(Duration::from_millis(lasts_s * 1_000 - 500));
        assert_eq!(world.phone(name).state, State::Talking, "{case}");
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.phone(name).state, State::Over(200), "{case}");
    }
}

fn detection(asynchronous: bool) -> Option<Amd> {
    let detection = MachineDetection {
        message_end: false,
        timeout: Duration::from_secs(10),
        speech_threshold: Duration::from_millis(2_400),
        speech_end_threshold: Duration::from_millis(1_200),
        silence_timeout: Duration::from_secs(5),
        callback: Some(wanted::link("https://app.test/amd")),
    };
    Some(Amd { detection, asynchronous })
}

fn told_of_detection(world: &World) -> Vec<AnsweredBy> {
    let told = world.callbacks.iter().filter_map(|callback| match callback.body {
        CallbackBody::AsyncAmd { answered_by, .. } => Some(answered_by),
        _ => None,
    });
    told.collect()
}

/// Ben says something of that length, and is silent then.
fn ben_says(world: &mut World, ms: u64) {
    world.voices("ben", Voice::Silent);
    world.take_up("ben");
    world.run_for(Duration::from_millis(600));
    world.voices("ben", Voice::Speaks);
    world.run_for(Duration::from_millis(ms));
    world.voices("ben", Voice::Silent);
}

#[test]
fn a_document_that_waits_for_who_has_answered_is_told_it() {
    for (case, ms, by) in [("a word", 800, AnsweredBy::Human), ("a speech", 4_000, AnsweredBy::MachineStart)] {
        let mut world = calling(128, |new| new.leg.amd = detection(false));
        ben_says(&mut world, ms);
        seconds(&mut world, 3);
        let asked: Vec<_> = world.asks.iter().filter(|ask| ask.url == URL).collect();
        assert_eq!(asked.len(), 1, "{case}");
        assert_eq!(asked[0].call.call.answered_by, Some(by), "{case}");
        assert!(asked[0].call.machine_detection_ms.is_some_and(|ms| ms > 0), "{case}");
        assert_eq!(told_of_detection(&world), [], "{case}: the document knows");
        world.hang_up("ben");
        world.check_nothing_is_left();
    }
}

#[test]
fn a_document_that_does_not_wait_runs_while_it_is_found_out() {
    let mut world = calling(129, |new| new.leg.amd = detection(true));
    ben_says(&mut world, 800);
    assert_eq!(world.times_asked(URL), 1, "at once");
    assert_eq!(world.asks[0].call.call.answered_by, None);
    seconds(&mut world, 3);
    assert_eq!(told_of_detection(&world), [AnsweredBy::Human]);
    assert_eq!(world.times_asked(URL), 1);
    world.hang_up("ben");
    world.check_nothing_is_left();
}

#[test]
fn who_is_given_another_document_is_not_waited_for_any_more() {
    let mut world = calling(130, |new| new.leg.amd = detection(false));
    world.documents("https://app.test/new", &["<Pause length=\"30\"/>"]);
    world.take_up("ben");
    world.redirect("ben", "https://app.test/new").expect("it is answered");
    seconds(&mut world, 12);
    assert_eq!((world.times_asked("https://app.test/new"), world.times_asked(URL)), (1, 0));
    assert_eq!(world.switch.stats().running, 1, "one document runs");
    world.hang_up("ben");
    world.check_nothing_is_left();
}

#[test]
fn the_fallback_is_asked_with_what_went_wrong() {
    for (case, document, code) in [("nothing there", None, 11_200), ("broken", Some("<Say>"), 12_100)] {
        let mut world = World::new(131);
        let ben = world.phone_waits("ben");
        let mut new = wanted::call(&ben, URL);
        new.fallback = Some(wanted::link("https://app.test/fallback"));
        if let Some(document) = document {
            world.documents(URL, &[document]);
        }
        world.documents("https://app.test/fallback", &["<Pause length=\"2\"/>"]);
        world.command(Command::CreateCall(Box::new(new))).expect("a way leads there");
        world.run_for(Duration::from_millis(100));
        world.take_up("ben");
        seconds(&mut world, 1);
        let asked = world.asks.iter().find(|ask| ask.url == "https://app.test/fallback");
        assert_eq!(asked.and_then(|ask| ask.error.clone()), Some((code, URL.to_owned())), "{case}");
        assert_eq!(world.phone("ben").state, State::Talking, "{case}");
        seconds(&mut world, 3);
        assert_eq!(world.phone("ben").state, State::Over(200), "{case}: the fallback's document has run out");
        world.check_nothing_is_left();
    }
}

#[test]
fn a_document_of_its_own_has_no_url_to_go_back_to() {
    // A relative action of TwiML that came as a parameter leads nowhere (15004).
    for (document, talks, told) in [
        ("<Pause length=\"30\"/>", true, 0),
        ("<Redirect>/more</Redirect><Pause length=\"30\"/>", false, 1),
        ("<Redirect>https://app.test/out</Redirect>", true, 0),
    ] {
        let text = format!("<Response>{document}</Response>");
        let mut world = calling(132, |new| new.instructions = Instructions::Twiml(text));
        world.take_up("ben");
        seconds(&mut world, 3);
        assert_eq!(world.phone("ben").state == State::Talking, talks, "{document}");
        assert_eq!(world.times_notified(15_004), told, "{document}: {:?}", world.notifications);
    }
}

#[test]
fn a_call_that_rings_cannot_be_given_a_document_but_can_be_ended() {
    let mut world = calling(133, |_| {});
    assert_eq!(world.redirect("ben", "https://app.test/new"), Err(Refusal::NotInProgress));
    let row = world.update_call("ben", |change| change.end = Some(CallEnd::Completed)).expect("it lives");
    assert_eq!(row.status, CallStatus::Canceled);
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.phone("ben").state, State::Over(487));
    world.check_nothing_is_left();
}

#[test]
fn an_answer_that_crosses_a_cancel_is_hung_up() {
    let mut world = calling(134, |_| {});
    // The phone answers before our CANCEL reaches it.
    let answer = world.prepare_to_take_up("ben");
    world.update_call("ben", |change| change.end = Some(CallEnd::Canceled)).expect("it lives");
    world.say("ben", &answer);
    seconds(&mut world, 1);
    assert_eq!(world.call("ben").status, CallStatus::Canceled, "a final state does not change");
    assert_eq!(world.told_of_call("ben").last().map(String::as_str), Some("2 completed canceled"));
    assert_eq!(world.phone("ben").state, State::Over(200), "it was told BYE");
    world.check_nothing_is_left();
}

#[test]
fn the_fallback_is_asked_each_time_and_the_call_ends_only_with_it() {
    const FALLBACK: &str = "https://app.test/fallback";
    let again = "<Pause length=\"1\"/><Redirect>https://app.test/gone</Redirect>";
    let own = Instructions::Twiml("<Response><Redirect>https://app.test/gone</Redirect></Response>".to_owned());
    for (case, instructions) in [("a URL", None), ("TwiML", Some(own))] {
        for (second, talks) in [("<Pause length=\"60\"/>", true), ("<Say>never closed", false)] {
            let mut world = World::new(135);
            let ben = world.phone_waits("ben");
            let mut new = wanted::call(&ben, "https://app.test/gone");
            new.instructions = instructions.clone().unwrap_or(new.instructions);
            new.fallback = Some(wanted::link(FALLBACK));
            world.documents(FALLBACK, &[again, second]);
            world.command(Command::CreateCall(Box::new(new))).expect("a way leads there");
            world.run_for(Duration::from_millis(100));
            world.take_up("ben");
            seconds(&mut world, 3);
            assert_eq!(world.times_asked(FALLBACK), 2, "{case}");
            assert_eq!(world.phone("ben").state == State::Talking, talks, "{case}, then {second}");
        }
    }
}

#[test]
fn the_time_a_call_may_ring_runs_from_its_first_try_on() {
    let uri = |text: &str| text.parse::<sip::Uri>().expect("a URI").sip().expect("a SIP URI").clone();
    let mut world = World::with(136, |config, _| {
        config.trunks = vec![Trunk {
            name: "carrier".to_owned(),
            // Nobody is at the first, and the phone is at the second.
            uris: vec![uri("sip:10.0.0.99"), uri("sip:10.0.0.2")],
            domain: None,
            credentials: None,
            caller_id: None,
            prefixes: vec!["+44".to_owned()],
            codecs: Vec::new(),
            keep_alive: None,
        }];
    });
    world.phone_waits("gateway");
    world.number("+15005550001", URL);
    let mut new = wanted::call("", URL);
    new.leg.from = "+15005550001".to_owned();
    new.leg.to = Callee::Number("+442079460000".to_owned());
    new.leg.ring_timeout = Duration::from_secs(20);
    world.command(Command::CreateCall(Box::new(new))).expect("a trunk leads there");
    seconds(&mut world, 5);
    assert_eq!(world.phone("gateway").state, State::Ringing, "after four seconds of silence at the first");
    world.run_for(Duration::from_millis(14_900));
    assert_eq!(world.phone("gateway").state, State::Ringing);
    world.run_for(Duration::from_millis(200));
    assert_eq!(world.phone("gateway").state, State::Over(487));
    assert_eq!(world.calls.values().next().map(|call| call.status), Some(CallStatus::NoAnswer));
    // The silent one may still say something for 64·T1.
    seconds(&mut world, 40);
    world.check_nothing_is_left();
}
