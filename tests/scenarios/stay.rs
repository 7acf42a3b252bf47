//! Stays in conferences that documents began: who is let in, what ends them, what is told (twiml §6, rest-voice §4).

use std::time::Duration;

use model::{CallStatus, ConferenceStatus, ReasonConferenceEnded};
use switch::webhook::{CallbackBody, DialCallStatus, Purpose};
use switch::{Callee, Command, ConferenceEvents, ConferenceRef, Refusal};

use crate::phone::State;
use crate::wanted;
use crate::world::{ACCOUNT, World};

const FIRST: &str = "+15005550001";
const SECOND: &str = "+15005550002";
const THIRD: &str = "+15005550003";
const AFTER: &str = "https://app.test/after";

fn seconds(world: &mut World, seconds: u64) {
    world.run_for(Duration::from_secs(seconds));
}

/// Numbers whose callers dial a conference in these words, and hear something afterwards.
fn stays(seed: u64, dials: [&str; 3]) -> World {
    let mut world = World::new(seed);
    for (number, dial) in [FIRST, SECOND, THIRD].into_iter().zip(dials) {
        let url = format!("https://app.test/{number}");
        world.number(number, &url);
        world.documents(&url, &[dial]);
    }
    world.documents(AFTER, &["<Say loop=\"0\">Goodbye</Say>"]);
    world.voice("Goodbye", 1_009);
    world
}

fn come(world: &mut World, who: &[(&str, &str)]) {
    for (name, number) in who {
        world.try_dial(name, number);
        world.run_for(Duration::from_millis(300));
    }
}

fn statuses(world: &World) -> Vec<DialCallStatus> {
    let told = world.purposes(AFTER);
    let status = |told: &&Purpose| match told {
        Purpose::Dial(result) => result.status,
        told => panic!("a dial, not {told:?}"),
    };
    told.iter().map(status).collect()
}

const STAY: &str = "<Dial action=\"/after\"><Conference beep=\"false\">standup</Conference></Dial>";
const THREE: [(&str, &str); 3] = [("ana", FIRST), ("ben", SECOND), ("cho", THIRD)];

/// All three are heard to have gone on with their documents.
const GONE_ON: &str = "    ana ben cho music
                       ana  -   .   .   x
                       ben  .   -   .   x
                       cho  .   .   -   x  ";

#[test]
fn an_end_over_the_api_lets_everybody_go_on() {
    let mut world = stays(170, [STAY; 3]);
    come(&mut world, &THREE);
    let gil = world.phone_waits("gil");
    world.command(Command::CreateParticipant(Box::new(wanted::participant(&gil, "standup")))).expect("a place is free");
    world.run_for(Duration::from_millis(200));
    world.take_up("gil");
    world.run_for(Duration::from_millis(200));
    let conference = ConferenceRef::Name("standup".to_owned());
    let end = Command::UpdateConference { account: ACCOUNT, conference, complete: true, announce: None };
    world.command(end).expect("it is there");
    seconds(&mut world, 1);
    assert_eq!(world.conference("standup").reason_ended, Some(ReasonConferenceEnded::ViaApi));
    assert_eq!(statuses(&world), [DialCallStatus::Answered; 3]);
    assert_eq!(world.phone("gil").state, State::Over(200), "who was called in has nothing more to do");
    assert_eq!(world.times_notified(16_030), 0, "it was added");
    world.check_hearing(GONE_ON);
    let of_calls: Vec<String> = world
        .events
        .iter()
        .filter(|event| event.name() == "participant-leave")
        .map(|event| event.parameters().into_iter().find(|(name, _)| *name == "ParticipantCallStatus"))
        .map(|told| told.map(|(_, value)| value).unwrap_or_default())
        .collect();
    let count = |status: &str| of_calls.iter().filter(|told| *told == status).count();
    assert_eq!((count("in-progress"), count("completed")), (3, 1), "{of_calls:?}");
    for (name, _) in THREE {
        world.hang_up(name);
    }
    world.check_nothing_is_left();
}

#[test]
fn the_one_who_may_end_it_ends_it_and_all_go_on() {
    let ends = "<Dial action=\"/after\" hangupOnStar=\"true\"><Conference beep=\"false\" endConferenceOnExit=\"true\">standup\
                </Conference></Dial>";
    type Ends = fn(&mut World);
    let cases: [(&str, Ends, ReasonConferenceEnded, bool); 3] = [
        ("hangs up", |world| world.hang_up("ana"), ReasonConferenceEnded::EndOnExitLeft, false),
        ("presses *", |world| world.press("ana", 10), ReasonConferenceEnded::EndOnExitLeft, true),
        ("is kicked", |world| drop(world.kick("ana")), ReasonConferenceEnded::EndOnExitKicked, true),
    ];
    for (case, end, reason, goes_on) in cases {
        let mut world = stays(171, [ends, STAY, STAY]);
        come(&mut world, &THREE);
        end(&mut world);
        seconds(&mut world, 1);
        assert_eq!(world.conference("standup").reason_ended, Some(reason), "{case}");
        assert_eq!(statuses(&world), [DialCallStatus::Answered; 3], "{case}: who has hung up is told of, too");
        assert_eq!(world.phone("ana").state == State::Talking, goes_on, "{case}");
        let ana = if goes_on { "x" } else { "." };
        world.check_hearing(&GONE_ON.replacen('x', ana, 1));
        for name in if goes_on { &["ana", "ben", "cho"][..] } else { &["ben", "cho"] } {
            world.hang_up(name);
        }
        world.check_nothing_is_left();
    }
}

#[test]
fn a_star_means_nothing_where_it_was_not_asked_for() {
    let mut world = stays(172, [STAY; 3]);
    come(&mut world, &THREE[..2]);
    world.press("ana", 10);
    seconds(&mut world, 1);
    world.check_hearing(
        "    ana ben music
                         ana  -   x   .
                         ben  x   -   .  ",
    );
}

#[test]
fn a_stay_lasts_as_long_as_its_dial_says() {
    let limited = "<Dial action=\"/after\" timeLimit=\"3\"><Conference beep=\"false\">standup</Conference></Dial>";
    let mut world = stays(173, [limited, STAY, STAY]);
    come(&mut world, &THREE);
    seconds(&mut world, 1);
    assert_eq!(statuses(&world), []);
    seconds(&mut world, 2);
    assert_eq!(statuses(&world), [DialCallStatus::Answered]);
    world.check_hearing(
        "    ana ben cho music
                         ana  -   .   .   x
                         ben  .   -   x   .
                         cho  .   x   -   .  ",
    );
    world.kick("ben").expect("he is there");
    for name in ["ana", "ben", "cho"] {
        world.hang_up(name);
    }
    world.check_nothing_is_left();
}

#[test]
fn who_is_not_let_in_is_told_and_goes_on() {
    let then = "<Dial action=\"/after\">";
    let coach = |whom: &str| format!("{then}<Conference coach=\"{whom}\">standup</Conference></Dial>");
    let labelled = "<Dial action=\"/after\"><Conference participantLabel=\"agent\" maxParticipants=\"2\">standup\
                    </Conference></Dial>";
    let next_verb = format!("{labelled}<Say loop=\"0\">Goodbye</Say>");
    for (case, third, code, told) in [
        ("the label is taken", next_verb, 16_025, &[][..]),
        ("it is full", STAY.to_owned(), 16_020, &[DialCallStatus::Failed]),
        ("nobody to coach", coach("CA00000000000000000000000000000001"), 13_240, &[DialCallStatus::Failed]),
        ("no SID to coach", coach("agent"), 13_240, &[DialCallStatus::Failed]),
    ] {
        let mut world = stays(174, [labelled, STAY, &third]);
        come(&mut world, &THREE);
        seconds(&mut world, 1);
        assert_eq!(world.times_notified(code), 1, "{case}: {:?}", world.notifications);
        assert_eq!(statuses(&world), told, "{case}");
        world.check_hearing(
            "    ana ben cho music
                             ana  -   x   .   .
                             ben  x   -   .   .
                             cho  .   .   -   x  ",
        );
        for (name, _) in THREE {
            world.hang_up(name);
        }
        world.check_nothing_is_left();
    }
}

#[test]
fn who_is_refused_leaves_no_conference_behind() {
    let coach =
        "<Dial action=\"/after\"><Conference coach=\"CA00000000000000000000000000000001\">standup</Conference></Dial>";
    let mut world = stays(175, [coach; 3]);
    come(&mut world, &THREE[..1]);
    assert!(world.conferences.is_empty());
    assert_eq!(world.switch.stats().conferences, 0);
    world.hang_up("ana");
    world.check_nothing_is_left();
}

#[test]
fn a_full_conference_takes_nobody_by_the_api() {
    let two = "<Dial><Conference maxParticipants=\"2\" beep=\"false\">standup</Conference></Dial>";
    let mut world = stays(176, [two, STAY, STAY]);
    come(&mut world, &THREE[..2]);
    let gil = world.phone_waits("gil");
    let new = wanted::participant(&gil, "standup");
    assert_eq!(world.command(Command::CreateParticipant(Box::new(new.clone()))), Err(Refusal::ConferenceFull));
    world.hang_up("ben");
    world.run_for(Duration::from_millis(300));
    world.command(Command::CreateParticipant(Box::new(new))).expect("there is a place again");
    world.run_for(Duration::from_millis(200));
    world.try_dial("dan", THIRD);
    world.run_for(Duration::from_millis(300));
    assert_eq!(world.times_notified(16_020), 1, "the place is kept for who is called");
}

#[test]
fn while_it_waits_a_participant_hears_what_its_document_says() {
    for (case, wait, then, hears) in [
        ("music", "", "", ["x", "x"]),
        ("silence", "waitUrl=\"\"", "", [".", "."]),
        ("once", "waitUrl=\"/wait\"", "<Say>Goodbye</Say>", ["x", "."]),
        ("looped", "waitUrl=\"/wait\"", "<Say>Goodbye</Say><Redirect/>", ["x", "x"]),
        ("it may not dial", "waitUrl=\"/wait\"", "<Dial><Conference>other</Conference></Dial>", [".", "."]),
        ("it may not gather", "waitUrl=\"/wait\"", "<Gather/><Say>Goodbye</Say>", [".", "."]),
        ("it fails", "waitUrl=\"/gone\"", "", [".", "."]),
    ] {
        let dial = format!("<Dial><Conference beep=\"false\" {wait}>standup</Conference></Dial>");
        let mut world = stays(177, [&dial, &dial, STAY]);
        world.documents("https://app.test/wait", &[then]);
        come(&mut world, &THREE[..1]);
        for mark in hears {
            world.check_hearing(&format!("    ana music\n ana  -  {mark}"));
            seconds(&mut world, 2);
        }
        let asked = world.times_asked("https://app.test/wait");
        come(&mut world, &[("ben", SECOND)]);
        world.check_hearing(
            "    ana ben music
                             ana  -   x   .
                             ben  x   -   .  ",
        );
        seconds(&mut world, 2);
        assert!(world.times_asked("https://app.test/wait") <= asked + 1, "{case}: nobody waits any more");
        assert_eq!(world.call("ana").status, CallStatus::InProgress, "{case}");
        world.hang_up("ana");
        world.hang_up("ben");
        world.check_nothing_is_left();
    }
}

#[test]
fn the_first_to_come_decides_who_is_told_of_what_and_numbers_have_no_gaps() {
    let told = |events: &str, url: &str| {
        format!(
            "<Dial action=\"/after\"><Conference beep=\"false\" statusCallback=\"{url}\" statusCallbackEvent=\"{events}\">\
             standup</Conference></Dial>"
        )
    };
    let all = "start end join leave mute hold modify speaker announcement";
    let (first, second) = (told("start end join leave", "/first"), told(all, "/second"));
    let mut world = stays(178, [&first, &second, STAY]);
    come(&mut world, &THREE);
    let hold = switch::ParticipantChange { hold: Some(true), ..switch::ParticipantChange::default() };
    world.update("cho", hold).expect("she is there");
    for (name, _) in THREE {
        world.hang_up(name);
        world.run_for(Duration::from_millis(400));
    }
    assert_eq!(
        world.told_of_conferences(),
        [
            "1 participant-join",
            "2 participant-join",
            "3 conference-start",
            "4 participant-join",
            "5 participant-leave",
            "6 participant-leave",
            "7 participant-leave",
            "8 conference-end",
        ]
    );
    let urls: Vec<&str> = world
        .callbacks
        .iter()
        .filter(|callback| matches!(callback.body, CallbackBody::Conference { .. }))
        .map(|callback| callback.url.as_str())
        .collect();
    assert_eq!(urls, ["https://app.test/first"; 8]);
    world.check_nothing_is_left();
}

#[test]
fn where_the_first_wants_nothing_told_nothing_is() {
    let tells = "<Dial><Conference beep=\"false\" statusCallback=\"/told\" statusCallbackEvent=\"start end join leave\">\
                 standup</Conference></Dial>";
    let silent = "<Dial><Conference beep=\"false\" statusCallback=\"/told\">standup</Conference></Dial>";
    for (case, first) in [("no callback", STAY), ("no events", silent)] {
        let mut world = stays(179, [first, tells, tells]);
        come(&mut world, &THREE);
        for (name, _) in THREE {
            world.hang_up(name);
        }
        seconds(&mut world, 1);
        assert_eq!(world.told_of_conferences(), Vec::<String>::new(), "{case}");
        world.check_nothing_is_left();
    }
}

#[test]
fn one_who_is_called_in_first_decides_too_but_not_one_that_cannot_be_called() {
    let mut world = stays(180, [STAY; 3]);
    let told = |url: &str, uri: &str| {
        let mut new = wanted::participant(uri, "standup");
        new.room.status_callback = Some(wanted::link(url));
        new.room.status_events = ConferenceEvents { start: true, end: true, ..ConferenceEvents::default() };
        Command::CreateParticipant(Box::new(new))
    };
    let Command::CreateParticipant(mut nowhere) = told("https://app.test/nowhere", "") else { return };
    (nowhere.leg.to, nowhere.leg.from) = (Callee::Number("+15005559999".to_owned()), FIRST.to_owned());
    assert_eq!(world.command(Command::CreateParticipant(nowhere)), Err(Refusal::NoRoute));
    assert_eq!(world.switch.stats().running, 0, "nobody is told of a conference that never was");
    let gil = world.phone_waits("gil");
    world.command(told("https://app.test/gil", &gil)).expect("a place is free");
    world.run_for(Duration::from_millis(200));
    world.take_up("gil");
    come(&mut world, &THREE[..1]);
    world.hang_up("ana");
    world.run_for(Duration::from_millis(300));
    world.hang_up("gil");
    seconds(&mut world, 1);
    assert_eq!(world.told_of_conferences(), ["1 conference-start", "2 conference-end"]);
    assert_eq!(world.conference("standup").status, ConferenceStatus::Completed);
    world.check_nothing_is_left();
}

#[test]
fn who_goes_from_one_conference_straight_to_another_is_told_of_by_both() {
    let to_other = "<Dial><Conference beep=\"false\">other</Conference></Dial>";
    let mut world = stays(181, [STAY; 3]);
    world.documents(AFTER, &[to_other]);
    come(&mut world, &THREE[..1]);
    world.kick("ana").expect("she is there");
    world.run_for(Duration::from_millis(60));
    world.hang_up("ana");
    seconds(&mut world, 1);
    let told: Vec<_> = world.events.iter().map(|event| (event.friendly_name.as_str(), event.name())).collect();
    for name in ["standup", "other"] {
        let names: Vec<_> = told.iter().filter(|(of, _)| *of == name).map(|(_, event)| *event).collect();
        assert_eq!(names, ["participant-join", "participant-leave", "conference-end"], "{name}");
    }
    world.check_nothing_is_left();
}
