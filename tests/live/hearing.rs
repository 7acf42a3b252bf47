//! Who hears whom, while an application mutes, holds, coaches and removes: rest-voice §5.4 on real sockets.

use testkit::application::Application;
use testkit::phone::Phone;
use testkit::sdp::Flow;
use testkit::server::wait_until;
use testkit::tone::Tone;
use testkit::wav;

use crate::party::{PATIENCE, Party, ROOM};

#[test]
fn two_hear_each_other_and_not_themselves() {
    let party = Party::of(["ana", "ben"]);
    party.check_hearing(
        "     ana ben music
         ana   -   x   .
         ben   x   -   .  ",
    );
}

#[test]
fn three_hear_each_other_whatever_way_they_came() {
    let mut party = Party::of(["ana"]);
    let dial = Phone::dial(party.server.sip(), ROOM);
    party.join_by("ben", dial.clone().over_tcp());
    party.join_by("cho", dial.without_offer());
    party.check_hearing(
        "     ana ben cho music
         ana   -   x   x   .
         ben   x   -   x   .
         cho   x   x   -   .  ",
    );
}

#[test]
fn alone_one_hears_music_and_with_company_no_more() {
    let mut party = Party::of(["ana"]);
    party.check_hearing("ana music\n ana - x");
    party.join("ben");
    party.check_hearing(
        "     ana ben music
         ana   -   x   .
         ben   x   -   .  ",
    );
}

#[test]
fn rooms_do_not_hear_each_other() {
    let mut party = Party::of(["ana", "ben"]);
    let stranger_hums = Tone::nth(50);
    let elsewhere = Phone::dial(party.server.sip(), "elsewhere").humming(stranger_hums).connect();
    party.join("cho");
    party.check_hearing(
        "     ana ben cho music
         ana   -   x   x   .
         ben   x   -   x   .
         cho   x   x   -   .  ",
    );
    let heard = elsewhere.listen(std::time::Duration::from_millis(500));
    for name in ["ana", "ben", "cho"] {
        assert!(party.guest(name).tone.level_dbfs(&heard) < -60.0, "{name} is heard elsewhere");
    }
}

#[test]
fn the_muted_are_heard_by_nobody_and_hear_everybody() {
    let party = Party::of(["ana", "ben", "cho"]);
    assert_eq!(party.post("ana", &[("Muted", "true")]).json()["muted"], true);
    party.check_hearing(
        "     ana ben cho music
         ana   -   x   x   .
         ben   .   -   x   .
         cho   .   x   -   .  ",
    );
    assert_eq!(party.post("ana", &[("Muted", "false")]).json()["muted"], false);
    party.check_hearing(
        "     ana ben cho music
         ana   -   x   x   .
         ben   x   -   x   .
         cho   x   x   -   .  ",
    );
}

#[test]
fn the_held_hear_music_only_and_are_heard_by_nobody() {
    let party = Party::of(["ana", "ben", "cho"]);
    assert_eq!(party.post("ben", &[("Hold", "true")]).json()["hold"], true);
    party.check_hearing(
        "     ana ben cho music
         ana   -   .   x   .
         ben   .   -   .   x
         cho   x   .   -   .  ",
    );
    party.post("ben", &[("Hold", "false")]);
    party.check_hearing(
        "     ana ben cho music
         ana   -   x   x   .
         ben   x   -   x   .
         cho   x   x   -   .  ",
    );
}

#[test]
fn hold_dominates_mute_and_gives_it_back() {
    let party = Party::of(["ana", "ben"]);
    party.post("ben", &[("Hold", "true"), ("Muted", "true")]);
    party.check_hearing(
        "     ana ben music
         ana   -   .   .
         ben   .   -   x  ",
    );
    party.post("ben", &[("Hold", "false")]);
    party.check_hearing(
        "     ana ben music
         ana   -   .   .
         ben   x   -   .  ",
    );
}

#[test]
fn the_held_hear_what_the_hold_url_serves() {
    let party = Party::of(["ana", "ben"]);
    let application = Application::start();
    let tune = wav::write(&Tone::nth(40).second(-25.0));
    let url = application.file("/hold.wav", "audio/wav", &tune);
    party.post("ben", &[("Hold", "true"), ("HoldUrl", &url), ("HoldMethod", "GET")]);
    party.check_hearing(
        "     ana ben music
         ana   -   .   .
         ben   .   -   x  ",
    );
    let heard = party.guest("ben").phone.listen(std::time::Duration::from_millis(500));
    assert!((Tone::nth(40).level_dbfs(&heard) + 25.0).abs() < 1.0, "the tune repeats without a gap");
    // It is asked as for a document, and answers with a sound: that is played, and not asked for again.
    let asked = application.requests();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("GET /hold.wav?CallSid=CA"), "{asked:?}");
}

#[test]
fn a_coach_is_heard_by_the_coached_only() {
    let party = Party::of(["ana", "ben", "cho"]);
    let answer = party.coach("cho", "ana").json();
    assert_eq!(answer["coaching"], true);
    assert_eq!(answer["call_sid_to_coach"], party.guest("ana").call_sid.as_str());
    party.check_hearing(
        "     ana ben cho music
         ana   -   x   x   .
         ben   x   -   .   .
         cho   x   x   -   .  ",
    );
}

#[test]
fn a_supervisor_monitors_whispers_and_barges_in() {
    let party = Party::of(["ana", "ben", "cho"]);
    party.post("cho", &[("Muted", "true")]);
    party.check_hearing(
        "     ana ben cho music
         ana   -   x   .   .
         ben   x   -   .   .
         cho   x   x   -   .  ",
    );
    let coached = &party.guest("ben").call_sid;
    party.post("cho", &[("Muted", "false"), ("Coaching", "true"), ("CallSidToCoach", coached)]);
    party.check_hearing(
        "     ana ben cho music
         ana   -   x   .   .
         ben   x   -   x   .
         cho   x   x   -   .  ",
    );
    party.post("cho", &[("Coaching", "false")]);
    party.check_hearing(
        "     ana ben cho music
         ana   -   x   x   .
         ben   x   -   x   .
         cho   x   x   -   .  ",
    );
}

#[test]
fn a_whisper_never_leaks_when_the_coached_leaves() {
    let mut party = Party::of(["ana", "ben", "cho"]);
    party.coach("cho", "ana");
    party.leaves("ana");
    party.check_hearing(
        "     ben cho music
         ben   -   .   .
         cho   x   -   .  ",
    );
    let cho = party.rest.get(&party.participant("cho")).expect(200).json();
    assert_eq!((&cho["coaching"], &cho["muted"]), (&false.into(), &true.into()), "{cho}");
}

#[test]
fn the_removed_are_hung_up_and_gone() {
    let party = Party::of(["ana", "ben", "cho"]);
    party.rest.delete(&party.participant("cho")).expect(204);
    assert!(party.guest("cho").phone.wait_ended(), "cho is hung up");
    party.check_hearing(
        "     ana ben cho music
         ana   -   x   .   .
         ben   x   -   .   .  ",
    );
    let answer = party.rest.get(&party.participant("cho")).expect(404);
    assert_eq!(answer.json()["code"], 20404);
    assert!(!party.call_sids().contains(&party.guest("cho").call_sid));
}

#[test]
fn who_hangs_up_is_gone_and_the_last_one_hears_silence() {
    let mut party = Party::of(["ana", "ben"]);
    party.check_hearing("ana ben music\n ana - x .");
    party.leaves("ben");
    party.check_hearing("ana music\n ana - ."); // rest-voice §4.3: it never goes back to waiting
    assert!(wait_until(PATIENCE, || party.call_sids().len() == 1));
}

#[test]
fn everybody_leaves_when_the_conference_is_ended() {
    let party = Party::of(["ana", "ben"]);
    assert_eq!(
        party.rest.post(&party.conference(), &[("Status", "completed")]).expect(200).text("status"),
        "completed"
    );
    assert!(party.guest("ana").phone.wait_ended());
    assert!(party.guest("ben").phone.wait_ended());
}

#[test]
fn everybody_leaves_with_the_one_whose_exit_ends_it() {
    let mut party = Party::of(["ana", "ben", "cho"]);
    party.post("cho", &[("EndConferenceOnExit", "true")]);
    party.leaves("cho");
    assert!(party.guest("ana").phone.wait_ended());
    assert!(party.guest("ben").phone.wait_ended());
    let conference = party.conference_json();
    assert_eq!(conference["status"], "completed");
    assert_eq!(conference["reason_conference_ended"], "participant-with-end-conference-on-exit-left");
}

#[test]
fn an_announcement_to_one_is_heard_by_that_one_only() {
    let party = Party::of(["ana", "ben"]);
    let application = Application::start();
    let long = Tone::nth(40).second(-25.0).repeat(20);
    let url = application.file("/announce.wav", "audio/wav", &wav::write(&long));
    party.post("ana", &[("AnnounceUrl", &url), ("AnnounceMethod", "GET")]);
    party.check_hearing(
        "     ben music
         ana   x   x
         ben   -   .  ",
    );
}

#[test]
fn an_announcement_to_the_room_is_heard_by_all_once() {
    let party = Party::of(["ana", "ben"]);
    let application = Application::start();
    let spoken = Tone::nth(40).second(-25.0).repeat(3);
    let url = application.file("/announce.wav", "audio/wav", &wav::write(&spoken));
    party.rest.post(&party.conference(), &[("AnnounceUrl", &url), ("AnnounceMethod", "GET")]).expect(200);
    party.check_hearing(
        "     ana ben music
         ana   -   x   x
         ben   x   -   x  ",
    );
    party.check_hearing(
        "     ana ben music
         ana   -   x   .
         ben   x   -   .  ",
    );
}

#[test]
fn a_phone_that_holds_is_not_heard_and_hears_nothing() {
    let party = Party::of(["ana", "ben", "cho"]);
    for (held_by, answered) in
        [(Flow::SendOnly, Flow::RecvOnly), (Flow::Inactive, Flow::Inactive), (Flow::ZeroAddress, Flow::SendRecv)]
    {
        let answer = party.guest("ben").phone.offer(held_by).flow;
        assert!(answer == answered || held_by == Flow::ZeroAddress, "{held_by:?} was answered {answer:?}");
        party.check_hearing(
            "     ana ben cho music
             ana   -   .   x   .
             ben   .   -   .   .
             cho   x   .   -   .  ",
        );
        assert_eq!(party.guest("ben").phone.offer(Flow::SendRecv).flow, Flow::SendRecv);
        party.check_hearing(
            "     ana ben cho music
             ana   -   x   x   .
             ben   x   -   x   .
             cho   x   x   -   .  ",
        );
    }
}
