//! A number rings, the application is asked, and what its documents say is done (twiml §1–§4, §9, §13).

use std::time::Duration;

use model::CallStatus;
use switch::webhook::Purpose;
use switch::{Command, DirectoryCommand, HookChange, NumberChange, NumberWanted, VoiceHooksChange};
use testkit::tone::Tone;

use crate::phone::{State, Voice};
use crate::world::{ACCOUNT, World};

const NUMBER: &str = "+15005550001";
const VOICE: &str = "https://app.test/voice";

/// Ana calls a number whose document this is, and time passes.
fn ana_calls(seed: u64, documents: &[(&str, &[&str])]) -> World {
    let mut world = World::new(seed);
    world.number(NUMBER, VOICE);
    for (url, documents) in documents {
        world.documents(url, documents);
    }
    world.try_dial("ana", NUMBER);
    world
}

/// For how long a tone was heard, to the 50 ms.
fn heard_ms(heard: &[i16], hz: u32) -> usize {
    let tone = Tone { hz };
    heard.chunks(400).filter(|chunk| tone.level_dbfs(chunk) > -30.0).count() * 50
}

fn seconds(world: &mut World, seconds: u64) {
    world.run_for(Duration::from_secs(seconds));
}

#[test]
fn a_number_asks_its_application_and_speaks() {
    let mut world = ana_calls(1, &[(VOICE, &["<Say>Hello</Say><Play>https://app.test/tune.wav</Play>"])]);
    world.voice("Hello", 1_000);
    world.file("https://app.test/tune.wav", 2_000);
    world.run_for(Duration::from_millis(20));
    assert_eq!(world.phone("ana").state, State::Calling, "not answered before the document says so");
    assert_eq!(world.asks.len(), 1);
    assert_eq!(world.asks[0].purpose, Purpose::Voice);
    assert_eq!(world.asks[0].call.call.to, NUMBER);
    assert_eq!(world.asks[0].call.call.status, CallStatus::Ringing);
    world.run_for(Duration::from_millis(180));
    assert_eq!(world.phone("ana").state, State::Talking);
    world.run_for(Duration::from_millis(2_500));
    assert_eq!(world.phone("ana").state, State::Over(200), "hung up when the document ran out");
    let heard = world.phone("ana").heard_since(0);
    for hz in [1_000, 2_000] {
        let ms = heard_ms(&heard, hz);
        assert!((900..=1_100).contains(&ms), "{hz} Hz was heard for {ms} ms");
    }
    assert_eq!(world.call("ana").status, CallStatus::Completed);
}

#[test]
fn keys_are_gathered_and_told() {
    let gather = "<Gather action=\"/menu\" numDigits=\"2\"><Say>Press</Say></Gather><Say>Nothing</Say>";
    let mut world = ana_calls(2, &[(VOICE, &[gather]), ("https://app.test/menu", &["<Hangup/>"])]);
    world.voice("Press", 1_000);
    seconds(&mut world, 1);
    world.press("ana", 4);
    seconds(&mut world, 1);
    world.press("ana", 2);
    seconds(&mut world, 1);
    let told = world.purposes("https://app.test/menu");
    let [Purpose::Gather { digits, finished_on_key: None, speech: None, waiting: None }] = told.as_slice() else {
        panic!("one action, not {told:?}");
    };
    assert_eq!(digits.as_deref(), Some("42"));
    assert_eq!(world.phone("ana").state, State::Over(200));
}

#[test]
fn a_key_that_is_told_in_rtp_and_by_info_is_one_key() {
    let gather = "<Gather action=\"/menu\" timeout=\"2\"/><Hangup/>";
    let mut world = ana_calls(3, &[(VOICE, &[gather]), ("https://app.test/menu", &["<Hangup/>"])]);
    seconds(&mut world, 1);
    // Twice the same key, told both ways in either order; then one by INFO alone, by the number of its event.
    for by_info_first in [false, true] {
        if by_info_first {
            world.press_by_info("ana", "4");
        }
        world.press("ana", 4);
        world.run_for(Duration::from_millis(300));
        if !by_info_first {
            world.press_by_info("ana", "4");
        }
    }
    world.press_by_info("ana", "10");
    seconds(&mut world, 3);
    let told = world.purposes("https://app.test/menu");
    let [Purpose::Gather { digits, .. }] = told.as_slice() else { panic!("one action, not {told:?}") };
    assert_eq!(digits.as_deref(), Some("44*"));
}

#[test]
fn who_waits_for_speech_is_told_that_nobody_understands_any() {
    let gather = "<Gather input=\"speech\" action=\"/menu\" timeout=\"1\"/><Pause length=\"9\"/>";
    let mut world = ana_calls(61, &[(VOICE, &[gather])]);
    seconds(&mut world, 3);
    assert_eq!(world.times_notified(13_340), 1);
    assert!(world.purposes("https://app.test/menu").is_empty(), "as if nothing had been said");
}

#[test]
fn silence_goes_on_with_the_next_verb() {
    let gather = "<Gather action=\"/menu\" timeout=\"2\"/><Redirect>/again</Redirect>";
    let mut world = ana_calls(3, &[(VOICE, &[gather]), ("https://app.test/again", &["<Pause length=\"30\"/>"])]);
    seconds(&mut world, 1);
    assert!(world.purposes("https://app.test/again").is_empty(), "still listening");
    seconds(&mut world, 2);
    assert_eq!(world.purposes("https://app.test/again").len(), 1);
    assert!(world.purposes("https://app.test/menu").is_empty());
    assert_eq!(world.phone("ana").state, State::Talking);
}

#[test]
fn an_echo_gives_the_caller_back_until_another_document_runs() {
    let mut world = ana_calls(60, &[(VOICE, &["<Echo/>"]), ("https://app.test/quiet", &["<Pause length=\"9\"/>"])]);
    world.voices("ana", Voice::Hums);
    seconds(&mut world, 1);
    let own = world.phone("ana").tone;
    let level = own.level_dbfs(&world.listen("ana"));
    assert!((-25.0..-15.0).contains(&level), "her own voice, neither louder nor fainter: {level} dBFS ({world})");
    world.redirect("ana", "https://app.test/quiet").expect("her call lives");
    seconds(&mut world, 1);
    let level = own.level_dbfs(&world.listen("ana"));
    assert!(level < -45.0, "{level} dBFS are left of it ({world})");
    world.hang_up("ana");
    world.check_nothing_is_left();
}

#[test]
fn a_call_is_refused_as_the_document_says() {
    for (document, status, row) in [
        ("<Reject/>", 603, CallStatus::NoAnswer),
        ("<Reject reason=\"busy\"/>", 486, CallStatus::Busy),
        ("<Hangup/>", 200, CallStatus::Completed),
    ] {
        let mut world = ana_calls(4, &[(VOICE, &[document])]);
        seconds(&mut world, 1);
        assert_eq!(world.phone("ana").state, State::Over(status), "{document}");
        assert_eq!(world.call("ana").status, row, "{document}");
    }
}

#[test]
fn a_broken_document_ends_with_a_word_and_a_notification() {
    for (document, code) in [("<Say>never closed", 12_100), ("", 0)] {
        let mut world = ana_calls(5, &[(VOICE, &[document])]);
        seconds(&mut world, 2);
        assert_eq!(world.phone("ana").state, State::Over(200), "{document}");
        let codes: Vec<u16> = world.notifications.iter().map(|n| n.error_code).filter(|c| *c != 11_200).collect();
        assert_eq!(codes, if code == 0 { Vec::new() } else { vec![code] }, "{document}");
    }
}

#[test]
fn a_sound_that_is_none_has_the_code_of_where_it_was_to_be_heard() {
    let play = "<Play>https://app.test/page.html</Play>";
    let gather = format!("<Gather timeout=\"1\">{play}</Gather>");
    for (case, document, code, other) in
        [("by itself", play, 13_420, 13_325), ("in a gather", gather.as_str(), 13_325, 13_420)]
    {
        let mut world = ana_calls(7, &[(VOICE, &[document])]);
        seconds(&mut world, 3);
        assert_eq!((world.times_notified(code), world.times_notified(other)), (1, 0), "{case}");
        assert_eq!(world.phone("ana").state, State::Over(200), "{case}: the document goes on to its end");
    }
}

#[test]
fn a_number_without_a_document_is_busy() {
    let mut world = World::new(6);
    world.try_dial("ana", "+15005550009");
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.phone("ana").state, State::Talking, "nobody's number is a room like any other");
}

#[test]
fn the_caller_who_hangs_up_leaves_nothing_behind() {
    let gather = "<Gather action=\"/menu\" timeout=\"60\"/>";
    let mut world = ana_calls(7, &[(VOICE, &[gather])]);
    seconds(&mut world, 1);
    world.hang_up("ana");
    seconds(&mut world, 1);
    assert!(world.switch.is_idle(), "{world}");
    seconds(&mut world, 40); // what SIP keeps for retransmissions is gone by then (RFC 3261 §17)
    assert_eq!(world.switch.next_deadline(), None, "no timer is left");
}

#[test]
fn a_conference_is_dialled_and_left() {
    let document = "<Dial action=\"/after\"><Conference>standup</Conference></Dial>";
    let mut world = ana_calls(8, &[(VOICE, &[document]), ("https://app.test/after", &["<Pause length=\"9\"/>"])]);
    world.dial("ben", "standup");
    seconds(&mut world, 1);
    world.check_hearing(
        "    ana ben music
                         ana  -   x   .
                         ben  x   -   .  ",
    );
    world.kick("ana").expect("she is there");
    seconds(&mut world, 1);
    assert_eq!(world.phone("ana").state, State::Talking, "her document goes on");
    let told = world.purposes("https://app.test/after");
    assert!(matches!(told.as_slice(), [Purpose::Dial(result)] if result.status.as_str() == "answered"), "{told:?}");
    world.check_hearing(
        "    ana ben music
                         ana  -   .   .
                         ben  .   -   .  ",
    );
}

#[test]
fn a_call_without_a_leg_ends_as_failed_and_its_application_is_told() {
    // One pair of RTP ports, and ben has it.
    let mut world = World::with(30, |_, media| media.ports = 10_000..=10_001);
    let hook = |url: &str| HookChange { url: Some(Some(url.to_owned())), method: None };
    let status_callback = hook("https://app.test/status");
    let voice = VoiceHooksChange { voice: hook(VOICE), status_callback, ..VoiceHooksChange::default() };
    let change = Box::new(NumberChange { voice, ..NumberChange::default() });
    let number = NumberWanted::Exactly(NUMBER.to_owned());
    let create = DirectoryCommand::CreateNumber { account: ACCOUNT, number, number_type: None, change };
    world.command(Command::Directory(create)).expect("the number is free");
    world.documents(VOICE, &["<Say>Hello</Say>"]);
    world.dial("ben", "standup");
    world.try_dial("ana", NUMBER);
    world.run_for(Duration::from_millis(200));
    assert_eq!(world.phone("ana").state, State::Over(503));
    assert_eq!(world.call("ana").status, CallStatus::Failed);
    assert_eq!(world.told_of_call("ana"), ["0 completed failed"]);
    assert_eq!(world.switch.stats().calls, 1, "ben's");
}

#[test]
fn a_sound_that_cannot_be_asked_for_is_told() {
    let mut world = World::with(31, |config, _| config.fetches_max = 0);
    world.number(NUMBER, VOICE);
    world.documents(VOICE, &["<Say>Hello</Say><Pause length=\"30\"/>"]);
    world.try_dial("ana", NUMBER);
    seconds(&mut world, 1);
    assert_eq!(world.times_notified(11_200), 1, "{:?}", world.notifications);
    assert_eq!(world.switch.stats().counts.fetches_failed, 1);
    assert_eq!(world.phone("ana").state, State::Talking, "her document goes on");
}

#[test]
fn an_action_is_told_however_many_requests_are_under_way() {
    let mut world = World::with(32, |config, _| config.asks_max = 1);
    world.number(NUMBER, VOICE);
    let ben = world.phone_waits("ben");
    world.documents(VOICE, &[&format!("<Dial action=\"/after\"><Sip>{ben}</Sip></Dial>")]);
    world.try_dial("ana", NUMBER);
    world.run_for(Duration::from_millis(500));
    world.try_dial("cho", NUMBER); // whose application takes its time
    world.hang_up("ana");
    assert!(matches!(world.purposes("https://app.test/after").as_slice(), [Purpose::Dial(_)]));
    assert_eq!(world.times_notified(11_200), 0);
}
