//! Who hears whom, as the application changes it (rest-voice §5.4).

use std::time::Duration;

use model::Participant;
use switch::{AudioUrl, HttpMethod, ParticipantChange, Refusal};

use crate::world::World;

/// Ana, Ben and Cho in one conference.
fn three(seed: u64) -> World {
    let mut world = World::new(seed);
    for name in ["ana", "ben", "cho"] {
        world.dial(name, "standup");
    }
    world.run_for(Duration::from_millis(500));
    world
}

fn change(world: &mut World, name: &str, change: ParticipantChange) -> Participant {
    let row = world.update(name, change).unwrap_or_else(|refusal| panic!("{name}: {refusal} ({world})"));
    // From the 40th millisecond after the answer on, the change is all there is to hear (three frames of phone).
    world.run_for(Duration::from_millis(40));
    row
}

fn muted(muted: bool) -> ParticipantChange {
    ParticipantChange { muted: Some(muted), ..ParticipantChange::default() }
}

fn hold(hold: bool) -> ParticipantChange {
    ParticipantChange { hold: Some(hold), ..ParticipantChange::default() }
}

fn coaching(world: &World, coached: &str) -> ParticipantChange {
    let call_sid_to_coach = Some(world.call(coached).sid);
    ParticipantChange { coaching: Some(true), call_sid_to_coach, ..ParticipantChange::default() }
}

const ALL_TALK: &str = "    ana ben cho music
                        ana  -   x   x   .
                        ben  x   -   x   .
                        cho  x   x   -   .  ";

#[test]
fn mute_is_heard_by_nobody() {
    let mut world = three(20);
    assert!(change(&mut world, "ben", muted(true)).muted);
    world.check_hearing(
        "    ana ben cho music
                         ana  -   .   x   .
                         ben  x   -   x   .
                         cho  x   .   -   .  ",
    );
    assert!(!change(&mut world, "ben", muted(false)).muted);
    world.check_hearing(ALL_TALK);
}

#[test]
fn hold_hears_music_only_and_dominates_mute() {
    let mut world = three(21);
    change(&mut world, "ben", muted(true));
    assert!(change(&mut world, "ben", hold(true)).hold);
    world.check_hearing(
        "    ana ben cho music
                         ana  -   .   x   .
                         ben  .   -   .   x
                         cho  x   .   -   .  ",
    );
    let row = change(&mut world, "ben", hold(false));
    assert!(row.muted && !row.hold, "unhold restores the mute flag");
    world.check_hearing(
        "    ana ben cho music
                         ana  -   .   x   .
                         ben  x   -   x   .
                         cho  x   .   -   .  ",
    );
}

#[test]
fn hold_audio_is_the_applications_own_where_it_has_some() {
    let mut world = three(22);
    world.file("http://app.test/hold.wav", 1_009);
    let url = |url: &str| AudioUrl { url: url.to_owned(), method: HttpMethod::Get };
    let own = |at: &str| ParticipantChange { hold: Some(true), hold_audio: Some(url(at)), ..Default::default() };
    change(&mut world, "ben", own("http://app.test/hold.wav"));
    world.run_for(Duration::from_millis(3_100));
    world.check_hearing(
        "    ana ben cho music
                         ana  -   .   x   .
                         ben  .   -   .   x
                         cho  x   .   -   .  ",
    );
    // Another HoldUrl while on hold restarts; one that does not answer is silence, not the room.
    change(&mut world, "ben", own("http://app.test/nothing.wav"));
    world.run_for(Duration::from_millis(100));
    world.check_hearing(
        "    ana ben cho music
                         ana  -   .   x   .
                         ben  .   -   .   .
                         cho  x   .   -   .  ",
    );
    change(&mut world, "ben", hold(false));
    world.check_hearing(ALL_TALK);
}

#[test]
fn two_changes_at_once_are_one_change() {
    let mut world = three(23);
    let both = ParticipantChange { muted: Some(true), hold: Some(true), ..ParticipantChange::default() };
    let row = change(&mut world, "ana", both);
    assert!(row.muted && row.hold);
    world.check_hearing(
        "    ana ben cho music
                         ana  -   .   .   x
                         ben  .   -   x   .
                         cho  .   x   -   .  ",
    );
}

#[test]
fn monitor_whisper_barge_and_back() {
    let mut world = three(24);
    // Cho supervises: monitor.
    change(&mut world, "cho", muted(true));
    world.check_hearing(
        "    ana ben cho music
                         ana  -   x   .   .
                         ben  x   -   .   .
                         cho  x   x   -   .  ",
    );
    // Whisper: only Ben hears Cho.
    let whisper = ParticipantChange { muted: Some(false), ..coaching(&world, "ben") };
    let row = change(&mut world, "cho", whisper);
    assert!(row.coaching && row.call_sid_to_coach == Some(world.call("ben").sid));
    world.check_hearing(
        "    ana ben cho music
                         ana  -   x   .   .
                         ben  x   -   x   .
                         cho  x   x   -   .  ",
    );
    // Retarget: only Ana hears Cho. The SID alone implies Coaching=true.
    let call_sid_to_coach = Some(world.call("ana").sid);
    let retarget = ParticipantChange { call_sid_to_coach, ..ParticipantChange::default() };
    change(&mut world, "cho", retarget);
    world.check_hearing(
        "    ana ben cho music
                         ana  -   x   x   .
                         ben  x   -   .   .
                         cho  x   x   -   .  ",
    );
    // Coaching and muted is monitor again.
    change(&mut world, "cho", muted(true));
    world.check_hearing(
        "    ana ben cho music
                         ana  -   x   .   .
                         ben  x   -   .   .
                         cho  x   x   -   .  ",
    );
    // Barge.
    let barge = ParticipantChange { coaching: Some(false), muted: Some(false), ..ParticipantChange::default() };
    let row = change(&mut world, "cho", barge);
    assert!(!row.coaching && row.call_sid_to_coach.is_none());
    world.check_hearing(ALL_TALK);
    // Coaching=true without a SID takes up whom it coached last.
    change(&mut world, "cho", ParticipantChange { coaching: Some(true), ..ParticipantChange::default() });
    world.check_hearing(
        "    ana ben cho music
                         ana  -   x   x   .
                         ben  x   -   .   .
                         cho  x   x   -   .  ",
    );
}

#[test]
fn two_coaches_of_one_do_not_hear_each_other() {
    let mut world = three(25);
    world.dial("dan", "standup");
    for coach in ["cho", "dan"] {
        let whisper = coaching(&world, "ben");
        change(&mut world, coach, whisper);
    }
    world.check_hearing(
        "    ana ben cho dan music
                         ana  -   x   .   .   .
                         ben  x   -   x   x   .
                         cho  x   x   -   .   .
                         dan  x   x   .   -   .  ",
    );
}

#[test]
fn a_whisper_never_leaks_when_the_coached_one_leaves() {
    let mut world = three(26);
    let whisper = coaching(&world, "ben");
    change(&mut world, "cho", whisper);
    world.hang_up("ben");
    world.run_for(Duration::from_millis(500));
    let cho = world.participant("cho");
    assert!(!cho.coaching && cho.muted && cho.call_sid_to_coach.is_none());
    world.check_hearing(
        "    ana ben cho music
                         ana  -   .   .   .
                         cho  x   .   -   .  ",
    );
}

#[test]
fn what_cannot_be_coached_is_refused_and_nothing_changes() {
    let mut world = three(27);
    world.dial("dan", "retro");
    let refused = |world: &mut World, coach: &str, change| world.update(coach, change).expect_err("must be refused");
    let both = |change: ParticipantChange| ParticipantChange { muted: Some(true), ..change };

    let nobody = both(ParticipantChange { coaching: Some(true), ..ParticipantChange::default() });
    assert_eq!(refused(&mut world, "ana", nobody), Refusal::CoachWithoutTarget);
    let elsewhere = both(coaching(&world, "dan"));
    assert_eq!(refused(&mut world, "ana", elsewhere), Refusal::CoachTargetAbsent);
    let herself = both(coaching(&world, "ana"));
    assert_eq!(refused(&mut world, "ana", herself), Refusal::CoachTargetCoaches);
    let whisper = coaching(&world, "ben");
    change(&mut world, "cho", whisper);
    let a_coach = both(coaching(&world, "cho"));
    assert_eq!(refused(&mut world, "ana", a_coach), Refusal::CoachTargetCoaches);
    change(&mut world, "ben", hold(true));
    let on_hold = both(coaching(&world, "ben"));
    assert_eq!(refused(&mut world, "ana", on_hold), Refusal::CoachTargetOnHold);
    change(&mut world, "ben", hold(false));

    let ana = world.participant("ana");
    assert!(!ana.muted && !ana.coaching, "a refused change changes nothing");
    world.check_hearing(
        "    ana ben cho music
                         ana  -   x   .   .
                         ben  x   -   x   .
                         cho  x   x   -   .  ",
    );
}
