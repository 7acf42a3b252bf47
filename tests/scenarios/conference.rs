//! The life of a conference (rest-voice §4.3).

use std::time::Duration;

use model::{CallStatus, ConferenceStatus, ParticipantStatus, ReasonConferenceEnded};
use switch::{
    Answer, AudioUrl, CallChange, CallEnd, Command, ConferenceRef, HttpMethod, ParticipantChange, ParticipantRef,
    Refusal,
};

use crate::phone::State;
use crate::world::{ACCOUNT, World};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn alone_one_hears_music_and_the_second_caller_starts_the_conference() {
    let mut world = World::new(1);
    world.dial("ana", "standup");
    world.run_for(SECOND);
    assert_eq!(world.conference("standup").status, ConferenceStatus::Init);
    world.check_hearing(
        "    ana music
                         ana  -    x  ",
    );
    world.dial("ben", "standup");
    assert_eq!(world.conference("standup").status, ConferenceStatus::InProgress);
    world.check_hearing(
        "    ana ben music
                         ana  -   x    .
                         ben  x   -    .  ",
    );
    assert_eq!(world.call("ana").status, CallStatus::InProgress);
    assert_eq!(world.participant("ben").status, ParticipantStatus::Connected);
}

#[test]
fn three_hear_each_other_and_another_room_is_another_world() {
    let mut world = World::new(2);
    for name in ["ana", "ben", "cho"] {
        world.dial(name, "standup");
    }
    world.dial("dan", "retro");
    world.dial("eva", "retro");
    world.run_for(SECOND);
    world.check_hearing(
        "    ana ben cho dan eva music
                         ana  -   x   x   .   .   .
                         ben  x   -   x   .   .   .
                         cho  x   x   -   .   .   .
                         dan  .   .   .   -   x   .
                         eva  .   .   .   x   -   .  ",
    );
}

#[test]
fn the_last_one_hears_silence_and_closes_the_room() {
    let mut world = World::new(3);
    world.dial("ana", "standup");
    world.dial("ben", "standup");
    let first = world.conference("standup").sid;
    world.hang_up("ben");
    world.run_for(Duration::from_millis(200));
    world.check_hearing(
        "    ana ben music
                         ana  -   .    .  ",
    );
    assert_eq!(world.conference("standup").status, ConferenceStatus::InProgress, "it never goes back");
    assert_eq!(world.participant("ben").status, ParticipantStatus::Complete);
    assert_eq!(world.call("ben").status, CallStatus::Completed);
    world.hang_up("ana");
    world.run_for(SECOND);
    let over = world.conference("standup");
    assert_eq!(over.status, ConferenceStatus::Completed);
    assert_eq!(over.reason_ended, Some(ReasonConferenceEnded::LastLeft));
    assert_eq!(over.call_sid_ending, Some(world.call("ana").sid));
    world.dial("cho", "standup");
    assert_ne!(world.conference("standup").sid, first, "a finished name starts a new conference");
    assert_eq!(world.switch.stats().conferences, 1);
}

#[test]
fn whoever_may_end_it_ends_it_for_all() {
    for (case, kicked, reason) in [
        ("hangs up", false, ReasonConferenceEnded::EndOnExitLeft),
        ("is kicked", true, ReasonConferenceEnded::EndOnExitKicked),
    ] {
        let mut world = World::new(4);
        for name in ["ana", "ben", "cho"] {
            world.dial(name, "standup");
        }
        let change = ParticipantChange { end_conference_on_exit: Some(true), ..ParticipantChange::default() };
        assert!(world.update("ana", change).expect("ana is there").end_conference_on_exit, "{case}");
        if kicked {
            assert_eq!(world.kick("ana"), Ok(Answer::Removed));
        } else {
            world.hang_up("ana");
        }
        world.run_for(SECOND);
        assert_eq!(world.conference("standup").reason_ended, Some(reason), "{case}");
        for name in ["ana", "ben", "cho"] {
            assert_eq!(world.phone(name).state, State::Over(200), "{case}: {name}");
            assert_eq!(world.call(name).status, CallStatus::Completed, "{case}: {name}");
        }
        assert!(world.switch.is_idle(), "{case}: nothing is left");
    }
}

#[test]
fn a_kicked_participant_is_hung_up_and_the_others_go_on() {
    let mut world = World::new(5);
    for name in ["ana", "ben", "cho"] {
        world.dial(name, "standup");
    }
    assert_eq!(world.kick("cho"), Ok(Answer::Removed));
    world.run_for(SECOND);
    assert_eq!(world.phone("cho").state, State::Over(200));
    assert_eq!(world.kick("cho"), Err(Refusal::ParticipantNotFound));
    world.check_hearing(
        "    ana ben cho music
                         ana  -   x   .   .
                         ben  x   -   .   .
                         cho  .   .   -   .  ",
    );
    world.kick("ana").expect("ana is there");
    world.kick("ben").expect("ben is there");
    world.run_for(SECOND);
    assert_eq!(world.conference("standup").reason_ended, Some(ReasonConferenceEnded::LastKicked));
}

#[test]
fn the_api_ends_a_conference_and_a_call() {
    let mut world = World::new(6);
    for name in ["ana", "ben", "cho"] {
        world.dial(name, "standup");
    }
    let call = world.call("cho").sid;
    let canceled =
        Command::UpdateCall(Box::new(CallChange { end: Some(CallEnd::Canceled), ..CallChange::none(ACCOUNT, call) }));
    let Ok(Answer::Call(row)) = world.command(canceled) else { panic!("a live call is answered with itself") };
    assert_eq!(row.status, CallStatus::InProgress, "cancel does not touch an answered call");
    let completed =
        Command::UpdateCall(Box::new(CallChange { end: Some(CallEnd::Completed), ..CallChange::none(ACCOUNT, call) }));
    let Ok(Answer::Call(row)) = world.command(completed) else { panic!("a live call is answered with itself") };
    assert_eq!(row.status, CallStatus::Completed);
    world.run_for(SECOND);
    assert_eq!(world.phone("cho").state, State::Over(200));

    let conference = ConferenceRef::Name("standup".to_owned());
    let end = Command::UpdateConference { account: ACCOUNT, conference, complete: true, announce: None };
    assert!(
        matches!(world.command(end.clone()), Ok(Answer::Conference(row)) if row.status == ConferenceStatus::Completed)
    );
    world.run_for(SECOND);
    assert_eq!(world.conference("standup").reason_ended, Some(ReasonConferenceEnded::ViaApi));
    assert_eq!(world.phone("ana").state, State::Over(200));
    assert_eq!(world.command(end), Err(Refusal::ConferenceNotFound));
    assert!(world.switch.is_idle());
}

#[test]
fn announcements_are_heard_by_all_or_by_one() {
    let mut world = World::new(7);
    for name in ["ana", "ben", "cho"] {
        world.dial(name, "standup");
    }
    world.update("cho", ParticipantChange { hold: Some(true), ..ParticipantChange::default() }).expect("cho is there");
    world.file("http://app.test/all.wav", 1_009);
    let url = |url: &str| AudioUrl { url: url.to_owned(), method: HttpMethod::Get };
    let conference = ConferenceRef::Name("standup".to_owned());
    let announce = Some(url("http://app.test/all.wav"));
    let command = Command::UpdateConference { account: ACCOUNT, conference, complete: false, announce };
    world.command(command).expect("the conference is there");
    world.run_for(Duration::from_millis(150));
    world.check_hearing(
        "    ana ben cho music
                         ana  -   x   .   x
                         ben  x   -   .   x
                         cho  .   .   -   x  ",
    );
    world.run_for(SECOND);
    world.check_hearing(
        "    ana ben cho music
                         ana  -   x   .   .
                         ben  x   -   .   .
                         cho  .   .   -   x  ",
    );

    let to_ana = ParticipantChange { announce: Some(url("http://app.test/all.wav")), ..ParticipantChange::default() };
    world.update("ana", to_ana).expect("ana is there");
    world.run_for(Duration::from_millis(150));
    world.check_hearing(
        "    ana ben cho music
                         ana  -   x   .   x
                         ben  x   -   .   .
                         cho  .   .   -   x  ",
    );
    world.run_for(SECOND);
    world.check_hearing(
        "    ana ben cho music
                         ana  -   x   .   .
                         ben  x   -   .   .
                         cho  .   .   -   x  ",
    );
}

#[test]
fn an_announcement_while_waiting_is_followed_by_music_again() {
    let mut world = World::new(8);
    world.dial("ana", "standup");
    world.file("http://app.test/soon.wav", 1_009);
    let announce = AudioUrl { url: "http://app.test/soon.wav".to_owned(), method: HttpMethod::Get };
    world
        .update("ana", ParticipantChange { announce: Some(announce), ..ParticipantChange::default() })
        .expect("ana is there");
    world.run_for(Duration::from_secs(2));
    world.check_hearing(
        "    ana music
                         ana  -    x  ",
    );
    world.dial("ben", "standup");
    world.check_hearing(
        "    ana ben music
                         ana  -   x    .
                         ben  x   -    .  ",
    );
}

#[test]
fn a_beep_on_exit_is_heard_by_those_who_stay() {
    let mut world = World::new(9);
    for name in ["ana", "ben", "cho"] {
        world.dial(name, "standup");
    }
    let beeps = ParticipantChange { beep_on_exit: Some(true), ..ParticipantChange::default() };
    world.update("cho", beeps).expect("cho is there");
    world.update("ben", ParticipantChange { muted: Some(true), ..ParticipantChange::default() }).expect("ben too");
    world.run_for(SECOND);
    world.hang_up("cho");
    world.check_hearing(
        "    ana ben cho music
                         ana  -   .   .   x
                         ben  x   -   .   x  ",
    );
    world.run_for(SECOND);
    world.check_hearing(
        "    ana ben cho music
                         ana  -   .   .   .
                         ben  x   -   .   .  ",
    );
}

#[test]
fn a_participant_is_found_by_conference_name_but_not_by_another_account() {
    let mut world = World::new(10);
    world.dial("ana", "standup");
    let participant = ParticipantRef::Call(world.call("ana").sid);
    let change = ParticipantChange { muted: Some(true), ..ParticipantChange::default() };
    let by_name = |account| Command::UpdateParticipant {
        account,
        conference: ConferenceRef::Name("standup".to_owned()),
        participant: participant.clone(),
        change: change.clone(),
    };
    assert!(world.command(by_name(ACCOUNT)).is_ok());
    let stranger = model::AccountSid::from_bits(1);
    assert_eq!(world.command(by_name(stranger)), Err(Refusal::ConferenceNotFound));
}

#[test]
fn a_call_does_not_outlast_its_time() {
    let mut world = World::with(11, |config, _| config.call_time_limit = Duration::from_secs(3));
    world.dial("ana", "standup");
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.phone("ana").state, State::Talking);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.phone("ana").state, State::Over(200));
    assert_eq!(world.call("ana").status, CallStatus::Completed);
}

#[test]
fn who_comes_while_the_last_one_goes_finds_a_new_conference() {
    let mut world = World::new(12);
    world.dial("ana", "standup");
    let first = world.conference("standup").sid;
    world.dial_while_hanging_up("ben", "standup", "ana");
    assert_eq!(world.phone("ben").state, State::Talking);
    assert_eq!(world.conferences[&first].status, ConferenceStatus::Completed);
    assert_ne!(world.participant("ben").conference_sid, first);
    world.check_hearing(
        "    ben music
                         ben  -    x  ",
    );
    world.dial("cho", "standup");
    world.check_hearing(
        "    ben cho music
                         ben  -   x    .
                         cho  x   -    .  ",
    );
    assert_eq!(world.switch.stats().conferences, 1);
}

#[test]
fn what_is_announced_is_repeated_as_often_as_the_document_says() {
    for to_one in [false, true] {
        let mut world = World::new(12);
        world.dial("ana", "standup");
        world.dial("ben", "standup");
        world.file("http://app.test/tone.wav", 1_009);
        world.documents("http://app.test/notice", &["<Play loop=\"3\">/tone.wav</Play>"]);
        let announce = Some(AudioUrl { url: "http://app.test/notice".to_owned(), method: HttpMethod::Get });
        if to_one {
            world.update("ana", ParticipantChange { announce, ..ParticipantChange::default() }).expect("she is there");
        } else {
            let conference = ConferenceRef::Name("standup".to_owned());
            let command = Command::UpdateConference { account: ACCOUNT, conference, complete: false, announce };
            world.command(command).expect("the conference is there");
        }
        let picture = |ana: &str, ben: &str| {
            format!(
                "    ana ben music
                             ana  -   x   {ana}
                             ben  x   -   {ben}  "
            )
        };
        world.run_for(Duration::from_millis(2_300));
        world.check_hearing(&picture("x", if to_one { "." } else { "x" }));
        world.run_for(Duration::from_millis(500));
        world.check_hearing(&picture(".", "."));
    }
}
