//! `<Dial>`: phones ring, one answers, two talk (twiml §5).

use std::time::Duration;

use model::{CallStatus, Direction};
use switch::Trunk;
use switch::webhook::{DialCallStatus, Purpose, ReferCallStatus};
use testkit::sdp::Flow;

use crate::phone::State;
use crate::world::World;

const NUMBER: &str = "+15005550001";
const VOICE: &str = "https://app.test/voice";
const AFTER: &str = "https://app.test/after";

/// Ana calls a number that dials the phones of ben and cho.
fn ana_dials(seed: u64, document: impl Fn(&str, &str) -> String) -> World {
    let mut world = World::new(seed);
    world.number(NUMBER, VOICE);
    let (ben, cho) = (world.phone_waits("ben"), world.phone_waits("cho"));
    world.documents(VOICE, &[&document(&ben, &cho)]);
    world.documents(AFTER, &["<Pause length=\"60\"/>"]);
    world.try_dial("ana", NUMBER);
    world.run_for(Duration::from_millis(500));
    world
}

fn result(world: &World) -> (DialCallStatus, Option<bool>) {
    match world.purposes(AFTER).as_slice() {
        [Purpose::Dial(result)] => (result.status, result.bridged),
        told => panic!("one action, not {told:?} ({world})"),
    }
}

const TWO_TALK: &str = "    ana ben cho music
                        ana  -   x   .   .
                        ben  x   -   .   .
                        cho  .   .   -   .  ";

#[test]
fn a_phone_rings_answers_and_the_two_talk() {
    let mut world = ana_dials(20, |ben, _| format!("<Dial action=\"/after\"><Sip>{ben}?X-Team=blue</Sip></Dial>"));
    assert_eq!(world.phone("ben").state, State::Ringing);
    assert_eq!(world.phone("ben").called_with("x-team"), Some("blue"));
    assert_eq!(world.phone("ana").state, State::Talking);
    world.take_up("ben");
    world.run_for(Duration::from_millis(500));
    world.check_hearing(TWO_TALK);
    let child = world.calls.values().find(|call| call.parent_call_sid.is_some()).expect("a child call");
    assert_eq!((child.direction, child.status), (Direction::OutboundDial, CallStatus::InProgress));
    world.hang_up("ben");
    world.run_for(Duration::from_millis(200));
    assert_eq!(result(&world), (DialCallStatus::Completed, Some(true)));
    assert_eq!(world.phone("ana").state, State::Talking, "the parent stays");
    world.hang_up("ana");
    world.run_for(Duration::from_secs(1));
    assert!(world.switch.is_idle(), "{world}");
}

#[test]
fn the_first_to_answer_wins_and_the_other_stops_ringing() {
    let mut world =
        ana_dials(21, |ben, cho| format!("<Dial action=\"/after\"><Sip>{ben}</Sip><Sip>{cho}</Sip></Dial>"));
    assert_eq!(world.phone("ben").state, State::Ringing);
    assert_eq!(world.phone("cho").state, State::Ringing);
    world.take_up("ben");
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.phone("cho").state, State::Over(487));
    world.check_hearing(TWO_TALK);
}

#[test]
fn one_after_the_other() {
    let mut world = ana_dials(22, |ben, cho| {
        format!("<Dial sequential=\"true\" action=\"/after\"><Sip>{ben}</Sip><Sip>{cho}</Sip></Dial>")
    });
    assert_eq!(world.phone("ben").state, State::Ringing);
    assert_eq!(world.phone("cho").state, State::Idle);
    world.refuse("ben", "486 Busy Here");
    world.run_for(Duration::from_millis(200));
    assert_eq!(world.phone("cho").state, State::Ringing);
    world.refuse("cho", "603 Decline");
    world.run_for(Duration::from_millis(200));
    assert_eq!(result(&world), (DialCallStatus::Busy, Some(false)));
}

#[test]
fn nobody_answers_in_time() {
    let mut world = ana_dials(23, |ben, _| format!("<Dial timeout=\"5\" action=\"/after\"><Sip>{ben}</Sip></Dial>"));
    world.run_for(Duration::from_secs(6));
    assert_eq!(world.phone("ben").state, State::Over(487));
    assert_eq!(result(&world), (DialCallStatus::NoAnswer, Some(false)));
    check_tells_of(&world, "ben", 408);
}

/// The action is told of that one's call, and what SIP has said of it.
fn check_tells_of(world: &World, name: &str, status: u16) {
    let told = world.purposes(AFTER);
    let [Purpose::Dial(result)] = told.as_slice() else { panic!("one action, not {told:?} ({world})") };
    let sip = result.sip.as_ref().map(|sip| (Some(sip.call_id.as_str()), sip.response_code));
    let want = (world.phone(name).called_with("call-id"), Some(status));
    assert_eq!((result.call, sip), (Some(world.call(name).sid), Some(want)), "{result:?} ({world})");
}

#[test]
fn a_dial_that_ends_before_its_callee_tells_of_it_as_any() {
    const STAR: u8 = 10;
    let gives_up = |world: &mut World| world.hang_up("ana");
    let star = |world: &mut World| world.press("ana", STAR);
    let takes_over = |world: &mut World| {
        world.redirect("ben", "https://app.test/ben").expect("he talks");
    };
    type End = fn(&mut World);
    for (case, whisper, answers, end, want, status) in [
        ("gives up while it rings", "", false, gives_up as End, (DialCallStatus::Canceled, false), 487),
        ("a star while it rings", "", false, star as End, (DialCallStatus::Canceled, false), 487),
        ("hangs up", "", true, gives_up as End, (DialCallStatus::Completed, true), 200),
        ("gives up in a whisper", " url=\"/whisper\"", true, gives_up as End, (DialCallStatus::Completed, false), 200),
        ("the callee is given something else", "", true, takes_over as End, (DialCallStatus::Completed, true), 200),
    ] {
        let mut world = ana_dials(41, |ben, _| {
            format!("<Dial hangupOnStar=\"true\" action=\"/after\"><Sip{whisper}>{ben}</Sip></Dial>")
        });
        for url in ["https://app.test/whisper", "https://app.test/ben"] {
            world.documents(url, &["<Pause length=\"30\"/>"]);
        }
        if answers {
            world.take_up("ben");
            world.run_for(Duration::from_millis(300));
        }
        end(&mut world);
        world.run_for(Duration::from_millis(500));
        assert_eq!(result(&world), (want.0, Some(want.1)), "{case}");
        check_tells_of(&world, "ben", status);
    }
}

#[test]
fn a_phone_that_takes_a_transfer_and_reports_nothing_is_not_waited_for_long() {
    let mut world = World::new(42);
    world.number(NUMBER, VOICE);
    world.documents(VOICE, &["<Refer action=\"/after\"><Sip>sip:cho@other.test</Sip></Refer>"]);
    world.documents(AFTER, &["<Pause length=\"60\"/>"]);
    world.try_dial("ana", NUMBER);
    world.run_for(Duration::from_secs(31));
    assert!(world.purposes(AFTER).is_empty(), "its first report may yet come");
    world.run_for(Duration::from_secs(2));
    let told = world.purposes(AFTER);
    let [Purpose::Refer { status, response_code, notify_code }] = told.as_slice() else { panic!("told {told:?}") };
    assert_eq!((*status, *response_code, *notify_code), (ReferCallStatus::Failed, Some(200), None));
    assert_eq!(world.phone("ana").state, State::Talking, "the call is still ours");
}

#[test]
fn the_caller_gives_up() {
    let mut world = ana_dials(24, |ben, _| format!("<Dial action=\"/after\"><Sip>{ben}</Sip></Dial>"));
    world.hang_up("ana");
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.phone("ben").state, State::Over(487));
    assert_eq!(result(&world), (DialCallStatus::Canceled, Some(false)));
    assert!(world.switch.is_idle(), "{world}");
}

#[test]
fn the_caller_is_answered_when_the_callee_is() {
    let mut world =
        ana_dials(25, |ben, _| format!("<Dial answerOnBridge=\"true\" action=\"/after\"><Sip>{ben}</Sip></Dial>"));
    assert_eq!(world.phone("ana").state, State::Calling);
    world.take_up("ben");
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.phone("ana").state, State::Talking);
    world.check_hearing(TWO_TALK);
}

#[test]
fn the_callee_is_told_first_and_may_decline() {
    for (whisper, talks) in [("<Say>A call</Say>", true), ("<Say>A call</Say><Hangup/>", false)] {
        let mut world = World::new(26);
        world.number(NUMBER, VOICE);
        let ben = world.phone_waits("ben");
        world.documents(VOICE, &[&format!("<Dial action=\"/after\"><Sip url=\"/whisper\">{ben}</Sip></Dial>")]);
        world.documents("https://app.test/whisper", &[whisper]);
        world.documents(AFTER, &["<Pause length=\"60\"/>"]);
        world.voice("A call", 1_000);
        world.try_dial("ana", NUMBER);
        world.run_for(Duration::from_millis(500));
        world.take_up("ben");
        world.run_for(Duration::from_millis(500));
        // Neither hears the other yet, but what is played to each: it rings on, and the word before.
        world.check_hearing(
            "    ana ben music
                             ana  -   .   x
                             ben  .   -   x  ",
        );
        world.run_for(Duration::from_secs(1));
        let picture = if talks { "x" } else { "." };
        world.check_hearing(&format!(
            "    ana ben music
                             ana  -   {picture}   .
                             ben  {picture}   -   .  "
        ));
        assert_eq!(world.phone("ana").state, State::Talking);
        if !talks {
            assert_eq!(world.phone("ben").state, State::Over(200));
            assert_eq!(result(&world), (DialCallStatus::Completed, Some(false)));
        }
    }
}

#[test]
fn what_the_callee_says_before_it_answers_is_heard() {
    let mut world =
        ana_dials(27, |ben, _| format!("<Dial answerOnBridge=\"true\" action=\"/after\"><Sip>{ben}</Sip></Dial>"));
    world.speak_early("ben");
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.phone("ana").state, State::Calling, "still ringing, and not alone");
    world.take_up("ben");
    world.run_for(Duration::from_millis(500));
    world.check_hearing(TWO_TALK);
}

/// Ana's document dials a number, and the carrier for it is this trunk.
fn ana_dials_out(seed: u64, number: &str, prefixes: &[&str]) -> World {
    dials_out(seed, &format!("<Dial action=\"/after\">{number}</Dial>"), prefixes)
}

/// The same, to a number of the trunk, and shown as this.
fn ana_dials_out_as(seed: u64, caller_id: &str) -> World {
    dials_out(seed, &format!("<Dial action=\"/after\" callerId=\"{caller_id}\">+442079460000</Dial>"), &["+44"])
}

fn dials_out(seed: u64, document: &str, prefixes: &[&str]) -> World {
    let mut world = World::with(seed, |config, _| {
        config.trunks = vec![Trunk {
            name: "carrier".to_owned(),
            uris: vec!["sip:10.0.0.2:5060".parse::<sip::Uri>().expect("a URI").sip().expect("a SIP URI").clone()],
            domain: Some("carrier.test".to_owned()),
            credentials: None,
            caller_id: Some("+15005550099".to_owned()),
            prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
            codecs: Vec::new(),
            keep_alive: None,
        }];
    });
    world.phone_waits("gateway"); // the first phone is at 10.0.0.2
    world.number(NUMBER, VOICE);
    world.documents(VOICE, &[document]);
    world.documents(AFTER, &["<Pause length=\"60\"/>"]);
    world.try_dial("ana", NUMBER);
    world.run_for(Duration::from_millis(500));
    world
}

#[test]
fn a_number_is_reached_by_its_trunk() {
    let mut world = ana_dials_out(28, "+44 20 7946 0000", &["+44"]);
    assert_eq!(world.phone("gateway").state, State::Ringing);
    let from = world.phone("gateway").called_with("from").expect("a From");
    assert!(from.contains("sip:+15005550099@carrier.test"), "{from}");
    world.take_up("gateway");
    world.run_for(Duration::from_millis(500));
    world.check_hearing(
        "        gateway ana music
                         gateway    -     x    .
                         ana        x     -    .  ",
    );
}

#[test]
fn a_number_without_a_trunk_fails() {
    let world = ana_dials_out(29, "+33123456789", &["+44", "+1"]);
    assert_eq!(world.phone("gateway").state, State::Idle);
    assert_eq!(result(&world), (DialCallStatus::Failed, Some(false)));
}

#[test]
fn an_address_over_a_stream_that_cannot_be_opened_fails() {
    let world =
        ana_dials(30, |_, _| "<Dial action=\"/after\"><Sip>sip:dan@10.0.0.99;transport=tcp</Sip></Dial>".to_owned());
    assert_eq!(result(&world), (DialCallStatus::Failed, Some(false)));
    assert_eq!(world.switch.stats().calls, 1, "only ana's is left");
}

#[test]
fn a_caller_that_holds_is_not_heard_until_it_takes_up_again() {
    let mut world = ana_dials(28, |ben, _| format!("<Dial action=\"/after\"><Sip>{ben}</Sip></Dial>"));
    world.take_up("ben");
    world.run_for(Duration::from_millis(300));
    world.phone_says("ana", Flow::SendOnly);
    world.run_for(Duration::from_millis(100));
    world.check_hearing(
        "    ana ben cho music
                         ana  -   .   .   .
                         ben  .   -   .   .
                         cho  .   .   -   .  ",
    );
    world.phone_says("ana", Flow::SendRecv);
    world.run_for(Duration::from_millis(100));
    world.check_hearing(TWO_TALK);
}

#[test]
fn each_of_the_called_tells_its_own_steps() {
    let told = "statusCallback=\"/told\" statusCallbackEvent=\"initiated ringing answered completed\"";
    let mut world = ana_dials(29, |ben, cho| {
        format!("<Dial action=\"/after\"><Sip {told}>{ben}</Sip><Sip {told}>{cho}</Sip></Dial>")
    });
    world.take_up("ben");
    world.run_for(Duration::from_millis(300));
    world.hang_up("ben");
    world.run_for(Duration::from_millis(300));
    assert_eq!(
        world.told_of_call("ben"),
        ["0 initiated queued", "1 ringing ringing", "2 answered in-progress", "3 completed completed"]
    );
    assert_eq!(world.told_of_call("cho"), ["0 initiated queued", "1 ringing ringing", "2 completed canceled"]);
    assert!(world.told_of_call("ana").is_empty(), "its number has no callback");
    let (ana, ben) = (world.call("ana").sid, world.call("ben"));
    assert_eq!((ben.parent_call_sid, ben.direction), (Some(ana), Direction::OutboundDial));
    let told = world.purposes(AFTER);
    assert!(matches!(told.as_slice(), [Purpose::Dial(result)] if result.call == Some(ben.sid)), "the winner: {told:?}");
}

#[test]
fn what_one_said_before_it_failed_is_not_heard_while_the_next_one_rings() {
    let mut world = ana_dials(30, |ben, cho| {
        format!("<Dial sequential=\"true\" action=\"/after\"><Sip>{ben}</Sip><Sip>{cho}</Sip></Dial>")
    });
    world.speak_early("ben");
    world.run_for(Duration::from_millis(100));
    world.check_hearing(
        "    ana ben cho music
                         ana  -   x   .   .
                         ben  .   -   .   .
                         cho  .   .   -   .  ",
    );
    world.refuse("ben", "486 Busy Here");
    world.run_for(Duration::from_millis(200));
    assert_eq!(world.phone("cho").state, State::Ringing);
    world.check_hearing(
        "    ana ben cho music
                         ana  -   .   .   x
                         ben  .   -   .   .
                         cho  .   .   -   .  ",
    );
}

#[test]
fn nobody_dials_the_bridge_itself() {
    let world = ana_dials(31, |_, _| "<Dial action=\"/after\"><Sip>sip:standup@10.0.0.1</Sip></Dial>".to_owned());
    assert_eq!(result(&world), (DialCallStatus::Failed, Some(false)));
}

#[test]
fn a_number_is_shown_only_by_whom_it_belongs_to_however_it_is_written() {
    for (caller_id, reached) in [
        ("+15005550001", true),
        ("15005550001", true),
        ("+1 (500) 555-0001", true),
        ("+15005550002", false),
        ("15005550002", false),
        ("client:15005550002", false),
    ] {
        let world = ana_dials_out_as(32, caller_id);
        let want = if reached { State::Ringing } else { State::Idle };
        assert_eq!(world.phone("gateway").state, want, "{caller_id}");
        let codes: Vec<u16> = world.notifications.iter().map(|told| told.error_code).collect();
        assert_eq!(codes.contains(&13_214), !reached, "{caller_id}: {codes:?}");
    }
}

#[test]
fn a_number_of_ones_own_is_shown_as_all_numbers_are_written() {
    let ben_is_shown = |caller_id: &str| {
        let world = ana_dials(33, |ben, _| format!("<Dial callerId=\"{caller_id}\"><Sip>{ben}</Sip></Dial>"));
        let from = world.phone("ben").called_with("from").unwrap_or_default();
        let user = from.split(['<', '@']).nth(1).unwrap_or_default().to_owned();
        (world.call("ben").from.clone(), user)
    };
    for (written, from, user) in [
        ("+15005550001", NUMBER, "sip:+15005550001"),
        ("+1 (500) 555-0001", NUMBER, "sip:+15005550001"),
        ("15005550001", NUMBER, "sip:+15005550001"),
        // Not a number of hers, and to a SIP phone she may be anybody.
        ("15005550002", "15005550002", "sip:15005550002"),
        ("client:dan", "client:dan", "sip:dan"),
    ] {
        assert_eq!(ben_is_shown(written), (from.to_owned(), user.to_owned()), "{written}");
    }
    let world = ana_dials_out_as(34, "+1 (500) 555-0001");
    let dialled = world.calls.values().find(|call| call.parent_call_sid.is_some()).expect("a child call");
    assert_eq!(dialled.from, NUMBER);
}

#[test]
fn a_party_that_nothing_leads_to_is_told_and_nobody_before_it_in_its_place() {
    let mut world = ana_dials(35, |ben, _| {
        format!("<Dial sequential=\"true\" action=\"/after\"><Sip>{ben}</Sip><Number>+33123456789</Number></Dial>")
    });
    world.refuse("ben", "486 Busy Here");
    world.run_for(Duration::from_millis(200));
    let told = world.purposes(AFTER);
    let [Purpose::Dial(result)] = told.as_slice() else { panic!("one action, not {told:?}") };
    assert_eq!((result.status, result.call, result.sip.is_some()), (DialCallStatus::Failed, None, false));
    assert_eq!(world.times_notified(13_224), 1);
}

#[test]
fn a_name_that_nobody_answers_for_holds_no_call_for_longer_than_it_may_ring() {
    let mut world =
        ana_dials(36, |_, _| "<Dial timeout=\"5\" action=\"/after\"><Sip>sip:dan@desk.test</Sip></Dial>".to_owned());
    assert_eq!(world.switch.stats().calls, 2, "its name is being looked up");
    world.run_for(Duration::from_secs(11));
    assert_eq!(result(&world), (DialCallStatus::NoAnswer, Some(false)));
    assert_eq!(world.switch.stats().calls, 1, "only ana's is left");
    world.hang_up("ana");
    world.check_nothing_is_left();
}

#[test]
fn keys_of_the_one_reach_the_phone_of_the_other() {
    const STAR: u8 = 10;
    let dial = |ben: &str| format!("<Dial hangupOnStar=\"true\" action=\"/after\"><Sip>{ben}</Sip></Dial>");
    let mut world = ana_dials(37, |ben, _| dial(ben));
    world.press("ana", 1);
    world.run_for(Duration::from_millis(500));
    world.take_up("ben");
    world.run_for(Duration::from_millis(500));
    for (name, key) in [("ana", 4), ("ana", 2), ("ben", STAR), ("ben", 7)] {
        world.press(name, key);
        world.run_for(Duration::from_millis(500));
    }
    assert_eq!(world.phone("ben").keys, [4, 2], "what ana pressed while he rang is not kept for him");
    assert_eq!(world.phone("ana").keys, [STAR, 7]);
    assert_eq!(world.phone("ben").state, State::Talking, "the star of the called hangs up nobody");
    world.check_hearing(TWO_TALK);
    world.press("ana", STAR);
    world.run_for(Duration::from_millis(500));
    assert_eq!(result(&world), (DialCallStatus::Completed, Some(true)));
    assert_eq!(world.phone("ben").state, State::Over(200));
    assert_eq!(world.phone("ben").keys.len(), 2);
    world.press("ana", 5);
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.phone("ana").keys, [STAR, 7]);
    world.hang_up("ana");
    world.check_nothing_is_left();
}

#[test]
fn keys_in_a_conference_stay_with_the_application() {
    let mut world = World::new(38);
    world.dial("ana", "standup");
    world.dial("ben", "standup");
    world.press("ana", 4);
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.switch.stats().counts.digits, 1);
    assert!(world.phone("ben").keys.is_empty());
}

#[test]
fn a_phone_that_wants_a_password_nobody_has_given_is_told_of() {
    for (answer, notified) in [("401 Unauthorized", 1), ("407 Proxy Authentication Required", 1), ("403 Forbidden", 0)]
    {
        let mut world = ana_dials(39, |ben, _| format!("<Dial action=\"/after\"><Sip>{ben}</Sip></Dial>"));
        world.refuse("ben", answer);
        world.run_for(Duration::from_millis(200));
        assert_eq!((world.times_notified(13_244), world.purposes(AFTER).len()), (notified, 1), "{answer}");
    }
}

#[test]
fn a_callee_may_transfer_its_caller_only_where_the_document_says_whom_to_ask() {
    for (attribute, answer, notified, asked) in [("", 403, 1, 0), ("referUrl=\"/refer\"", 202, 0, 1)] {
        let mut world = ana_dials(40, |ben, _| format!("<Dial {attribute} action=\"/after\"><Sip>{ben}</Sip></Dial>"));
        world.documents("https://app.test/refer", &["<Pause length=\"60\"/>"]);
        world.take_up("ben");
        world.run_for(Duration::from_millis(300));
        let refer = world.phone("ben").refer("sip:cho@other.test");
        assert_eq!(world.asked_by("ben", &refer).first(), Some(&answer), "{attribute} ({world})");
        world.run_for(Duration::from_millis(200));
        let told = (world.times_notified(13_802), world.times_asked("https://app.test/refer"));
        assert_eq!(told, (notified, asked), "{attribute} ({world})");
    }
}

#[test]
fn a_callee_that_cannot_be_told_what_it_was_to_be_told_is_not_connected() {
    const SORRY: &str = "We are sorry. An application error has occurred. Goodbye.";
    let keys = "<Gather numDigits=\"1\" timeout=\"1\" actionOnEmptyResult=\"true\" action=\"/missing\"/>";
    for (case, whisper) in [("none", None), ("no document", Some("<Say>")), ("none of a later one", Some(keys))] {
        let mut world =
            ana_dials(43, |ben, _| format!("<Dial action=\"/after\"><Sip url=\"/whisper\">{ben}</Sip></Dial>"));
        world.documents("https://app.test/whisper", whisper.as_slice());
        world.voice(SORRY, 1_000);
        world.take_up("ben");
        world.run_for(Duration::from_millis(2_500));
        assert_eq!(world.phone("ben").state, State::Over(200), "{case} ({world})");
        assert_eq!(result(&world), (DialCallStatus::Completed, Some(false)), "{case}");
        assert_eq!(world.phone("ana").state, State::Talking, "{case}: the parent goes on");
    }
}

#[test]
fn a_dial_of_nobody_has_bridged_nobody() {
    let reservation = "<Queue reservationSid=\"WR00000000000000000000000000000001\"/>";
    for noun in ["", "<Sip>nobody</Sip>", "<Number>call me</Number>", "<Queue>unknown</Queue>", reservation] {
        let world = ana_dials(44, |_, _| format!("<Dial action=\"/after\">{noun}</Dial>"));
        assert_eq!(result(&world), (DialCallStatus::Failed, Some(false)), "{noun}");
    }
}
