//! A contact centre's day, step by step: hold, transfer, supervision, whispers, with who then hears whom.

use std::time::Duration;

use model::{CallStatus, ConferenceStatus, ParticipantStatus};
use switch::webhook::{DialCallStatus, Purpose};
use switch::{AudioUrl, Command, HttpMethod, Instructions, ParticipantChange, WaitAudio};

use crate::phone::State;
use crate::wanted;
use crate::world::{ACCOUNT, World};

const CUSTOMER: &str = "+15005550001";
const AGENT: &str = "+15005550002";
const SUPERVISOR: &str = "+15005550003";
const HOLD: &str = "http://www.myapp.com/hold";
const TUNE: &str = "http://www.myapp.com/tune.wav";

fn seconds(world: &mut World, seconds: u64) {
    world.run_for(Duration::from_secs(seconds));
}

/// Cus, a customer, and gus, an agent, in one conference, both by documents that go on afterwards.
fn centre(seed: u64) -> World {
    let mut world = World::new(seed);
    let stay =
        "<Dial action=\"/after\"><Conference beep=\"false\" endConferenceOnExit=\"false\">WT1</Conference></Dial>";
    for (number, url) in [(CUSTOMER, "https://app.test/customer"), (AGENT, "https://app.test/agent")] {
        world.number(number, url);
        world.documents(url, &[stay]);
    }
    world.documents("https://app.test/after", &["<Hangup/>"]);
    world.number(SUPERVISOR, "https://app.test/supervisor");
    world.file(TUNE, 1_009);
    world.voice("Please wait", 1_009);
    for (name, number) in [("cus", CUSTOMER), ("gus", AGENT)] {
        world.try_dial(name, number);
        seconds(&mut world, 1);
    }
    world
}

fn change(world: &mut World, name: &str, change: ParticipantChange) {
    world.update(name, change).unwrap_or_else(|refusal| panic!("{name}: {refusal} ({world})"));
    world.run_for(Duration::from_millis(40));
}

fn held(url: &str) -> ParticipantChange {
    let hold_audio = Some(AudioUrl { url: url.to_owned(), method: HttpMethod::Get });
    ParticipantChange { hold: Some(true), hold_audio, ..ParticipantChange::default() }
}

fn unheld() -> ParticipantChange {
    ParticipantChange { hold: Some(false), ..ParticipantChange::default() }
}

fn muted(muted: bool) -> ParticipantChange {
    ParticipantChange { muted: Some(muted), ..ParticipantChange::default() }
}

fn event_names(world: &World) -> Vec<&'static str> {
    world.events.iter().filter(|event| !event.is_fleeting()).map(|event| event.name()).collect()
}

/// Cus hears this, and gus nothing.
fn check_hold(world: &mut World, music: &str) {
    world.check_hearing(&format!(
        "    cus gus music
                         cus  -   .   {music}
                         gus  .   -   .  "
    ));
}

const BOTH_TALK: &str = "    cus gus music
                         cus  -   x   .
                         gus  x   -   .  ";

#[test]
fn hold_plays_what_the_application_says_and_resume_ends_it() {
    type Case = (&'static str, &'static [&'static str], [&'static str; 2], Option<u16>);
    // What is behind the hold URL, whether it is heard at once, and three seconds later; what is told of it.
    let cases: &[Case] = &[
        ("audio is looped", &[], ["x", "x"], None),
        ("a document runs once", &["<Play>/tune.wav</Play>"], ["x", "."], None),
        ("it may speak", &["<Say>Please wait</Say><Pause length=\"1\"/>"], ["x", "."], None),
        ("it loops by leading to itself", &["<Play>/tune.wav</Play><Redirect/>"], ["x", "x"], None),
        ("or by playing for ever", &["<Play loop=\"0\">/tune.wav</Play>"], ["x", "x"], None),
        ("it may lead elsewhere", &["<Redirect>/tune.wav</Redirect>"], ["x", "x"], None),
        ("it may not lead to itself without a sound", &["<Redirect/>"], [".", "."], Some(11_215)),
        ("it may not dial", &["<Dial><Queue>support</Queue></Dial><Play>/tune.wav</Play>"], [".", "."], Some(13_238)),
        ("a broken one is silence", &["<Play>"], [".", "."], Some(12_100)),
    ];
    for (case, documents, hears, told) in cases {
        let mut world = centre(100);
        if documents.is_empty() {
            world.file(HOLD, 1_009);
        } else {
            world.documents(HOLD, documents);
        }
        change(&mut world, "cus", held(HOLD));
        assert!(world.participant("cus").hold, "{case}");
        world.run_for(Duration::from_millis(60));
        check_hold(&mut world, hears[0]);
        assert!(matches!(world.purposes(HOLD)[0], Purpose::ConferenceWait { .. }), "{case}");
        seconds(&mut world, 3);
        check_hold(&mut world, hears[1]);
        assert!(world.times_asked(HOLD) <= 101, "{case}: asked {} times", world.times_asked(HOLD));
        if let Some(code) = told {
            assert_eq!(world.times_notified(*code), 1, "{case}: {:?}", world.notifications);
        }
        let asked = world.asks.len();
        change(&mut world, "cus", unheld());
        world.check_hearing(BOTH_TALK);
        seconds(&mut world, 2);
        assert_eq!(world.asks.len(), asked, "{case}: nothing is asked for once it is over");
        assert_eq!(event_names(&world)[3..], ["participant-hold", "participant-unhold"], "{case}");
        for name in ["gus", "cus"] {
            world.hang_up(name);
        }
        world.check_nothing_is_left();
    }
}

#[test]
fn a_hold_url_that_fails_is_silence_and_another_one_begins_anew() {
    let mut world = centre(101);
    change(&mut world, "cus", held("https://app.test/gone"));
    world.run_for(Duration::from_millis(200));
    check_hold(&mut world, ".");
    assert_eq!(world.times_notified(11_200), 1);
    world.documents(HOLD, &["<Play>/tune.wav</Play>"]);
    change(&mut world, "cus", held(HOLD));
    world.run_for(Duration::from_millis(60));
    check_hold(&mut world, "x");
    change(&mut world, "cus", held("")); // the built-in music
    seconds(&mut world, 2);
    check_hold(&mut world, "x");
    world.hang_up("cus");
    world.hang_up("gus");
    world.check_nothing_is_left();
}

/// Cus is held, gil is called in, and gus is removed before gil takes it up.
fn cold_transfer(seed: u64) -> World {
    let mut world = centre(seed);
    change(&mut world, "cus", held(""));
    let gil = world.phone_waits("gil");
    let mut new = wanted::participant(&gil, "WT1");
    new.leg.ring_timeout = Duration::from_secs(20);
    world.command(Command::CreateParticipant(Box::new(new))).expect("a place is free");
    assert_eq!(world.participant("gil").status, ParticipantStatus::Queued);
    world.run_for(Duration::from_millis(200));
    assert_eq!(world.participant("gil").status, ParticipantStatus::Ringing);
    world.kick("gus").expect("he is there");
    seconds(&mut world, 1);
    assert_eq!(world.phone("gus").state, State::Over(200), "his document has come to its end");
    assert_eq!(world.call("gus").status, CallStatus::Completed);
    assert_eq!(world.conference("WT1").status, ConferenceStatus::InProgress, "a held customer keeps it alive");
    world.check_hearing(
        "    cus gil music
                         cus  -   .   x
                         gil  .   -   .  ",
    );
    world
}

#[test]
fn a_cold_transfer_leaves_the_customer_on_hold_until_the_other_answers() {
    let mut world = cold_transfer(102);
    world.take_up("gil");
    world.run_for(Duration::from_millis(200));
    assert_eq!(world.participant("gil").status, ParticipantStatus::Connected);
    world.check_hearing(
        "    cus gil music
                         cus  -   .   x
                         gil  .   -   .  ",
    );
    change(&mut world, "cus", unheld());
    world.check_hearing(
        "    cus gil music
                         cus  -   x   .
                         gil  x   -   .  ",
    );
    assert_eq!(
        event_names(&world)[3..],
        ["participant-hold", "participant-leave", "participant-join", "participant-unhold"]
    );
    world.hang_up("cus");
    world.run_for(Duration::from_millis(300));
    assert_eq!(world.phone("gil").state, State::Talking, "nobody has said that this ends it");
    world.kick("gil").expect("he is there");
    world.run_for(Duration::from_millis(300));
    assert_eq!(world.phone("gil").state, State::Over(200), "who was called in has nothing more to do");
    assert_eq!(world.times_notified(16_030), 0);
    world.check_nothing_is_left();
}

#[test]
fn a_cold_transfer_that_nobody_answers_leaves_the_room_alive() {
    type Ends = fn(&mut World);
    let cases: [(&str, Ends, &str); 4] = [
        ("nobody answers", |world| seconds(world, 21), "no-answer"),
        ("busy", |world| world.refuse("gil", "486 Busy Here"), "busy"),
        ("nobody is there", |world| world.refuse("gil", "404 Not Found"), "failed"),
        ("removed again", |world| drop(world.kick("gil")), "canceled"),
    ];
    for (case, end, status) in cases {
        let mut world = cold_transfer(103);
        end(&mut world);
        world.run_for(Duration::from_millis(200));
        let last = world.events.last().expect("something has happened");
        let told = last.parameters();
        let value = |name| told.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str());
        assert_eq!(last.name(), "participant-leave", "{case}");
        assert_eq!(value("ReasonParticipantLeft"), Some("participant_add_failed"), "{case}");
        assert_eq!(value("ParticipantCallStatus"), Some(status), "{case}");
        assert_eq!(world.participant("gil").status, ParticipantStatus::Failed, "{case}");
        assert_eq!(world.times_notified(16_030), 1, "{case}");
        assert_eq!(world.conference("WT1").status, ConferenceStatus::InProgress, "{case}");
        world.check_hearing(
            "    cus gil music
                             cus  -   .   x
                             gil  .   -   .  ",
        );
        world.hang_up("cus");
        world.check_nothing_is_left();
    }
}

#[test]
fn who_is_still_called_is_let_go_when_the_room_ends() {
    let mut world = cold_transfer(104);
    world.hang_up("cus");
    seconds(&mut world, 1);
    assert_eq!(world.phone("gil").state, State::Over(487));
    assert_eq!(world.participant("gil").status, ParticipantStatus::Failed);
    assert_eq!(
        event_names(&world)[5..],
        ["participant-leave", "participant-leave", "conference-end"],
        "the held one, the called one, the end"
    );
    world.check_nothing_is_left();
}

const MONITOR: &str = "    cus gus sue music
                       cus  -   x   .   .
                       gus  x   -   .   .
                       sue  x   x   -   .  ";
const WHISPER: &str = "    cus gus sue music
                       cus  -   x   .   .
                       gus  x   -   x   .
                       sue  x   x   -   .  ";
const BARGE: &str = "    cus gus sue music
                       cus  -   x   x   .
                       gus  x   -   x   .
                       sue  x   x   -   .  ";

#[test]
fn a_supervisor_listens_whispers_barges_and_listens_again() {
    let mut world = centre(105);
    world.documents(
        "https://app.test/supervisor",
        &["<Dial><Conference muted=\"true\" beep=\"false\">WT1</Conference></Dial>"],
    );
    world.try_dial("sue", SUPERVISOR);
    world.run_for(Duration::from_millis(300));
    world.check_hearing(MONITOR);
    let gus = world.call("gus").sid;
    let whisper = ParticipantChange {
        coaching: Some(true),
        call_sid_to_coach: Some(gus),
        muted: Some(false),
        ..Default::default()
    };
    let barge = ParticipantChange { coaching: Some(false), muted: Some(false), ..Default::default() };
    for (step, picture) in
        [(whisper, WHISPER), (barge, BARGE), (muted(true), MONITOR), (muted(false), BARGE), (muted(true), MONITOR)]
    {
        change(&mut world, "sue", step);
        world.check_hearing(picture);
    }
    assert_eq!(
        event_names(&world)[3..],
        [
            "participant-join",
            "participant-unmute",
            "participant-modify",
            "participant-modify",
            "participant-mute",
            "participant-unmute",
            "participant-mute",
        ]
    );
    world.hang_up("sue");
    world.run_for(Duration::from_millis(200));
    world.check_hearing(BOTH_TALK);
    for name in ["cus", "gus"] {
        world.hang_up(name);
    }
    world.check_nothing_is_left();
}

#[test]
fn a_supervisor_whispers_from_the_start() {
    let mut world = centre(106);
    let gus = world.call("gus").sid;
    let document = format!("<Dial><Conference coach=\"{gus}\" beep=\"false\">WT1</Conference></Dial>");
    world.documents("https://app.test/supervisor", &[&document]);
    world.try_dial("sue", SUPERVISOR);
    world.run_for(Duration::from_millis(300));
    assert_eq!(world.participant("sue").call_sid_to_coach, Some(gus));
    world.check_hearing(WHISPER);
    world.hang_up("gus");
    world.run_for(Duration::from_millis(200));
    assert!(world.participant("sue").muted, "a whisper never leaks");
    world.check_hearing(
        "    cus gus sue music
                         cus  -   .   .   .
                         gus  .   -   .   .
                         sue  x   .   -   .  ",
    );
}

#[test]
fn what_is_to_be_heard_on_hold_may_be_said_while_the_phone_still_rings() {
    let mut world = centre(115);
    world.file(TUNE, 1_009);
    let sue = world.phone_waits("sue");
    world.command(Command::CreateParticipant(Box::new(wanted::participant(&sue, "WT1")))).expect("a place is free");
    world.run_for(Duration::from_millis(200));
    let only_where = ParticipantChange { hold: None, ..held(TUNE) };
    change(&mut world, "sue", only_where);
    world.take_up("sue");
    world.run_for(Duration::from_millis(300));
    change(&mut world, "sue", ParticipantChange { hold: Some(true), ..ParticipantChange::default() });
    seconds(&mut world, 1);
    assert_eq!(world.times_asked(TUNE), 1);
    let heard = world.listen("sue");
    assert!(testkit::tone::Tone { hz: 1_009 }.level_dbfs(&heard) > -30.0, "her own tune ({world})");
}

#[test]
fn a_supervisor_is_called_in_unheard_even_where_ringing_is_heard() {
    let mut world = centre(107);
    let sue = world.phone_waits("sue");
    let mut new = wanted::participant(&sue, "WT1");
    new.muted = true;
    world.command(Command::CreateParticipant(Box::new(new))).expect("a place is free");
    world.run_for(Duration::from_millis(200));
    world.speak_early("sue");
    world.run_for(Duration::from_millis(200));
    world.check_hearing(
        "    cus gus sue music
                         cus  -   x   x   .
                         gus  x   -   x   .
                         sue  .   .   -   .  ",
    );
    world.take_up("sue");
    world.run_for(Duration::from_millis(300));
    world.check_hearing(MONITOR);
}

#[test]
fn the_agent_hears_about_the_call_before_it_is_connected() {
    // What the callee is told, whether it presses a key, and whether the two talk then.
    let gather = "<Gather numDigits=\"1\" timeout=\"1\" action=\"/choice\"><Say>Press one</Say></Gather><Hangup/>";
    for (case, whisper, presses, talk) in [
        ("told", "<Say>A call</Say>", false, true),
        ("told by another document", "<Redirect>/more</Redirect>", false, true),
        ("declines by document", "<Say>A call</Say><Hangup/>", false, false),
        ("accepts by key", gather, true, true),
        ("does not press a key", gather, false, false),
        ("what is told cannot be had", "<Say", false, false),
    ] {
        let mut world = World::new(108);
        world.number(CUSTOMER, "https://app.test/customer");
        let gus = world.phone_waits("gus");
        let dial = format!("<Dial action=\"/after\"><Sip url=\"/whisper\">{gus}</Sip></Dial>");
        world.documents("https://app.test/customer", &[&dial]);
        world.documents("https://app.test/whisper", &[whisper]);
        world.documents("https://app.test/choice", &["<Say>A call</Say>"]);
        world.documents("https://app.test/more", &["<Say>A call</Say>"]);
        world.documents("https://app.test/after", &["<Pause length=\"30\"/>"]);
        world.voice("A call", 1_009);
        world.voice("Press one", 1_009);
        world.try_dial("cus", CUSTOMER);
        world.run_for(Duration::from_millis(300));
        world.take_up("gus");
        if presses {
            world.run_for(Duration::from_millis(500));
            world.press("gus", 1);
        }
        seconds(&mut world, 4);
        let mark = if talk { "x" } else { "." };
        world.check_hearing(&format!(
            "    cus gus music
                             cus  -   {mark}   .
                             gus  {mark}   -   .  "
        ));
        let after = world.purposes("https://app.test/after");
        match after.as_slice() {
            [] => assert!(talk, "{case}"),
            [Purpose::Dial(result)] => {
                assert!(!talk, "{case}: {result:?}");
                assert_eq!((result.status, result.bridged), (DialCallStatus::Completed, Some(false)), "{case}");
            }
            told => panic!("{case}: {told:?}"),
        }
        world.hang_up("cus");
        world.check_nothing_is_left();
    }
}

#[test]
fn a_callee_that_hangs_up_while_it_is_told_lets_its_caller_go_on() {
    let mut world = World::new(109);
    world.number(CUSTOMER, "https://app.test/customer");
    let gus = world.phone_waits("gus");
    let dial = format!("<Dial action=\"/after\"><Sip url=\"/whisper\">{gus}</Sip></Dial>");
    world.documents("https://app.test/customer", &[&dial]);
    world.documents("https://app.test/whisper", &["<Say loop=\"0\">A call</Say>"]);
    world.documents("https://app.test/after", &["<Pause length=\"30\"/>"]);
    world.voice("A call", 1_009);
    world.try_dial("cus", CUSTOMER);
    world.run_for(Duration::from_millis(300));
    world.speak_early("gus");
    world.run_for(Duration::from_millis(100));
    world.check_hearing(
        "    cus gus music
                         cus  -   x   .
                         gus  .   -   .  ",
    );
    world.take_up("gus");
    world.run_for(Duration::from_millis(200));
    // What it says to the document is not heard: the caller hears it ring on.
    world.check_hearing(
        "    cus gus music
                         cus  -   .   x
                         gus  .   -   x  ",
    );
    world.hang_up("gus");
    world.run_for(Duration::from_millis(200));
    let told = world.purposes("https://app.test/after");
    assert!(
        matches!(told.as_slice(), [Purpose::Dial(result)] if result.bridged == Some(false) && result.call.is_some()),
        "{told:?}"
    );
    assert_eq!(world.phone("cus").state, State::Talking);
    world.hang_up("cus");
    world.check_nothing_is_left();
}

#[test]
fn an_agent_called_by_the_api_is_told_first_by_its_own_document() {
    let mut world = centre(110);
    world.hang_up("gus");
    let gil = world.phone_waits("gil");
    let text = "<Response><Say>A call</Say><Dial><Conference beep=\"false\">WT1</Conference></Dial></Response>";
    let mut new = wanted::call(&gil, "https://app.test/unused");
    new.instructions = Instructions::Twiml(text.to_owned());
    world.voice("A call", 1_009);
    world.command(Command::CreateCall(Box::new(new))).expect("a call");
    world.run_for(Duration::from_millis(200));
    world.take_up("gil");
    world.run_for(Duration::from_millis(200));
    world.check_hearing(
        "    cus gil music
                         cus  -   .   .
                         gil  .   -   x  ",
    );
    seconds(&mut world, 1);
    world.check_hearing(
        "    cus gil music
                         cus  -   x   .
                         gil  x   -   .  ",
    );
}

#[test]
fn an_announcement_to_the_agent_is_not_heard_by_the_customer() {
    let mut world = centre(111);
    world.voice("He is angry", 1_009);
    world.documents(
        "https://app.test/brief",
        &["<Say>He is angry</Say><Pause length=\"1\"/><Play>http://www.myapp.com/tune.wav</Play>"],
    );
    let announce = Some(AudioUrl { url: "https://app.test/brief".to_owned(), method: HttpMethod::Post });
    change(&mut world, "gus", ParticipantChange { announce, ..ParticipantChange::default() });
    let told = "    cus gus music
                cus  -   x   .
                gus  x   -   x  ";
    world.run_for(Duration::from_millis(100));
    world.check_hearing(told);
    world.run_for(Duration::from_millis(800));
    world.check_hearing(BOTH_TALK);
    world.run_for(Duration::from_millis(500));
    world.check_hearing(told);
    seconds(&mut world, 1);
    world.check_hearing(BOTH_TALK);
    assert_eq!(event_names(&world)[3..], ["announcement-end"]);
    assert!(matches!(world.purposes("https://app.test/brief")[0], Purpose::ConferenceWait { .. }));
}

#[test]
fn an_announcement_to_all_outlives_the_one_in_whose_name_it_was_asked_for() {
    let mut world = centre(112);
    world.dial("ida", "WT1");
    world.documents("https://app.test/brief", &["<Pause length=\"1\"/><Play>http://www.myapp.com/tune.wav</Play>"]);
    let announce = Some(AudioUrl { url: "https://app.test/brief".to_owned(), method: HttpMethod::Post });
    let conference = switch::ConferenceRef::Name("WT1".to_owned());
    let command = Command::UpdateConference { account: ACCOUNT, conference, complete: false, announce };
    world.command(command).expect("it is there");
    world.run_for(Duration::from_millis(200));
    world.hang_up("cus"); // who has been there longest
    seconds(&mut world, 1);
    world.check_hearing(
        "    gus ida music
                         gus  -   x   x
                         ida  x   -   x  ",
    );
    seconds(&mut world, 1);
    assert_eq!(event_names(&world).last(), Some(&"announcement-end"));
    world.hang_up("gus");
    world.hang_up("ida");
    world.check_nothing_is_left();
}

#[test]
fn whoever_waits_hears_who_takes_it() {
    let mut world = World::new(113);
    world.number(CUSTOMER, "https://app.test/customer");
    world.number(AGENT, "https://app.test/agent");
    world.documents("https://app.test/customer", &["<Enqueue action=\"/left\">support</Enqueue>"]);
    world.documents("https://app.test/left", &["<Pause length=\"30\"/>"]);
    let dial = "<Dial action=\"/after\"><Queue url=\"/about-to-connect\">support</Queue></Dial>";
    world.documents("https://app.test/agent", &[dial]);
    world.documents("https://app.test/after", &["<Pause length=\"30\"/>"]);
    let whisper = "https://app.test/about-to-connect";
    world.documents(whisper, &["<Say>You will be recorded</Say>"]);
    world.voice("You will be recorded", 1_009);
    world.try_dial("cus", CUSTOMER);
    seconds(&mut world, 2);
    world.try_dial("gus", AGENT);
    world.run_for(Duration::from_millis(200));
    world.check_hearing(
        "    cus gus music
                         cus  -   .   x
                         gus  .   -   x  ",
    );
    let told = world.purposes(whisper);
    let [Purpose::QueueWhisper { time, dequeuing, .. }] = told.as_slice() else { panic!("once, not {told:?}") };
    assert_eq!((time.as_secs(), *dequeuing), (2, world.call("gus").sid));
    seconds(&mut world, 1);
    world.check_hearing(BOTH_TALK);
    world.hang_up("cus");
    world.hang_up("gus");
    world.check_nothing_is_left();
}

#[test]
fn a_participant_may_wait_in_silence_or_with_a_document_of_its_own() {
    for (case, wait, hears) in [
        ("silence", WaitAudio::Silence, "."),
        ("music", WaitAudio::Playlist, "x"),
        ("a document", WaitAudio::Url(wanted::link("https://app.test/wait")), "x"),
        ("one that fails", WaitAudio::Url(wanted::link("https://app.test/gone")), "."),
    ] {
        let mut world = World::new(114);
        world.file(TUNE, 1_009);
        world.documents("https://app.test/wait", &["<Play>http://www.myapp.com/tune.wav</Play><Redirect/>"]);
        let gil = world.phone_waits("gil");
        let new = switch::NewParticipant { wait, ..wanted::participant(&gil, "WT1") };
        world.command(Command::CreateParticipant(Box::new(new))).expect("a place is free");
        world.run_for(Duration::from_millis(100));
        world.take_up("gil");
        seconds(&mut world, 2);
        assert_eq!(world.conference("WT1").status, ConferenceStatus::Init, "{case}");
        world.check_hearing(&format!(
            "    gil music
                             gil  -   {hears}  "
        ));
        world.dial("ida", "WT1");
        world.check_hearing(
            "    gil ida music
                             gil  -   x   .
                             ida  x   -   .  ",
        );
        world.hang_up("ida");
        world.hang_up("gil");
        world.check_nothing_is_left();
    }
}
