//! What applications are told of a conference, in which order, and with which numbers (twiml §6.2).

use std::time::Duration;

use model::{ConferenceEvent, Happening, LegStats};
use switch::{Answer, AudioUrl, CallChange, CallEnd, Command, ConferenceRef, HttpMethod, ParticipantChange};

use crate::network::Weather;
use crate::world::{ACCOUNT, World};

const SECOND: Duration = Duration::from_secs(1);

/// One event a line: its name, whom it is about, and of its other parameters those that `show` names.
fn told(world: &World, names: &[&str], show: &[&str]) -> Vec<String> {
    let line = |event: &ConferenceEvent| {
        let who = names.iter().find(|name| Some(world.call(name).sid) == event.call_sid());
        let parameters = event.parameters();
        let shown =
            parameters.iter().filter(|(name, _)| show.contains(name)).map(|(name, value)| format!("{name}={value}"));
        let words = [event.name().to_owned()].into_iter().chain(who.map(|&name| name.to_owned())).chain(shown);
        words.collect::<Vec<_>>().join(" ")
    };
    world.events.iter().filter(|event| !event.is_fleeting()).map(line).collect()
}

fn left(world: &World, name: &str) -> Option<LegStats> {
    let call = Some(world.call(name).sid);
    let left = world.events.iter().find(|event| event.name() == "participant-leave" && event.call_sid() == call);
    left.unwrap_or_else(|| panic!("{name} has left ({world})")).leg_stats().copied()
}

#[test]
fn a_conference_is_told_from_the_first_to_join_to_its_end() {
    let mut world = World::new(60);
    for name in ["ana", "ben", "cho"] {
        world.dial(name, "standup");
    }
    world.run_for(SECOND);
    for name in ["cho", "ana", "ben"] {
        world.hang_up(name);
        world.run_for(SECOND);
    }
    let show = ["ReasonParticipantLeft", "ParticipantCallStatus", "ReasonConferenceEnded"];
    let left = "ParticipantCallStatus=completed ReasonParticipantLeft=participant_hung_up";
    assert_eq!(
        told(&world, &["ana", "ben", "cho"], &show),
        [
            "participant-join ana",
            "participant-join ben",
            "conference-start",
            "participant-join cho",
            &format!("participant-leave cho {left}"),
            &format!("participant-leave ana {left}"),
            &format!("participant-leave ben {left}"),
            "conference-end ReasonConferenceEnded=last-participant-left",
        ]
    );
    let numbers: Vec<_> = world.events.iter().map(|event| event.sequence_number).collect();
    assert_eq!(numbers, (1..=world.events.len() as u32).collect::<Vec<_>>(), "none is left out");
    assert!(world.events.is_sorted_by(|a, b| a.seq < b.seq && a.at <= b.at));
}

#[test]
fn each_room_counts_its_own_events() {
    let mut world = World::new(61);
    world.dial("ana", "standup");
    world.dial("ben", "retro");
    world.dial("cho", "standup");
    let of_room = |name: &str| {
        let events = world.events.iter().filter(|event| event.friendly_name == name);
        events.map(|event| (event.name(), event.sequence_number)).collect::<Vec<_>>()
    };
    assert_eq!(of_room("standup"), [("participant-join", 1), ("participant-join", 2), ("conference-start", 3)]);
    assert_eq!(of_room("retro"), [("participant-join", 1)]);
}

#[test]
fn who_leaves_tells_why_and_takes_its_numbers_along() {
    let end_all = ParticipantChange { end_conference_on_exit: Some(true), ..ParticipantChange::default() };
    for (case, leave, reasons, end) in [
        ("kicked", (|world| drop(world.kick("ana"))) as fn(&mut World), ["participant_updated_via_api", "-"], None),
        (
            "its call ended over the API",
            |world| {
                let (account, call) = (ACCOUNT, world.call("ana").sid);
                drop(world.command(Command::UpdateCall(Box::new(CallChange {
                    end: Some(CallEnd::Completed),
                    ..CallChange::none(account, call)
                }))));
            },
            ["participant_updated_via_api", "-"],
            None,
        ),
        (
            "the conference ended over the API",
            |world| {
                let conference = ConferenceRef::Name("standup".to_owned());
                let (account, complete, announce) = (ACCOUNT, true, None);
                drop(world.command(Command::UpdateConference { account, conference, complete, announce }));
            },
            ["conference_ended_via_api", "conference_ended_via_api"],
            Some("conference-ended-via-api"),
        ),
        (
            "whoever may end it has hung up",
            |world| world.hang_up("mod"),
            ["moderator_ended_conference", "moderator_ended_conference"],
            Some("participant-with-end-conference-on-exit-left"),
        ),
    ] {
        let mut world = World::new(62);
        for name in ["mod", "ana", "ben"] {
            world.dial(name, "standup");
        }
        world.update("mod", end_all.clone()).expect("is there");
        world.run_for(SECOND);
        leave(&mut world);
        world.run_for(SECOND);
        let value = |event: &ConferenceEvent, wanted: &str| {
            event.parameters().into_iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
        };
        for (name, want) in ["ana", "ben"].into_iter().zip(reasons) {
            let call = Some(world.call(name).sid);
            let leaves = world
                .events
                .iter()
                .filter(|event| matches!(event.happening, Happening::Left { .. }) && event.call_sid() == call);
            let reason = leaves.map(|event| value(event, "ReasonParticipantLeft")).next().flatten();
            assert_eq!(reason.as_deref().unwrap_or("-"), want, "{case}: {name}");
        }
        let last = world.events.last().expect("something happened");
        assert_eq!(value(last, "ReasonConferenceEnded").as_deref(), end, "{case}");
        let stats = left(&world, "ana").expect("its leg was closed");
        assert!((45..70).contains(&stats.packets_in), "{case}: {stats:?}");
        assert_eq!(world.leg_stats[&world.call("ana").sid], stats, "{case}: the call keeps the same");
    }
}

#[test]
fn each_kind_of_change_is_one_event_and_no_change_is_none() {
    let mut world = World::new(63);
    for name in ["ana", "ben"] {
        world.dial(name, "standup");
    }
    let audio = |url: &str| Some(AudioUrl { url: url.to_owned(), method: HttpMethod::Get });
    let ben = world.call("ben").sid;
    let none = ParticipantChange::default;
    for (case, change, want) in [
        ("mute", ParticipantChange { muted: Some(true), ..none() }, vec!["participant-mute"]),
        ("mute again", ParticipantChange { muted: Some(true), ..none() }, vec![]),
        (
            "unmute and hold",
            ParticipantChange { muted: Some(false), hold: Some(true), ..none() },
            vec!["participant-unmute", "participant-hold"],
        ),
        ("where hold audio is", ParticipantChange { hold_audio: audio("http://a.test/hold"), ..none() }, vec![]),
        ("unhold", ParticipantChange { hold: Some(false), ..none() }, vec!["participant-unhold"]),
        (
            "beep and end",
            ParticipantChange { beep_on_exit: Some(true), end_conference_on_exit: Some(true), ..none() },
            vec!["participant-modify"],
        ),
        ("coach", ParticipantChange { call_sid_to_coach: Some(ben), ..none() }, vec!["participant-modify"]),
        ("wait", ParticipantChange { wait_audio: audio("http://a.test/wait"), ..none() }, vec!["participant-modify"]),
        ("wait as before", ParticipantChange { wait_audio: audio("http://a.test/wait"), ..none() }, vec![]),
    ] {
        let before = world.events.len();
        world.update("ana", change).expect("ana is there");
        let told: Vec<_> = world.events[before..].iter().map(ConferenceEvent::name).collect();
        assert_eq!(told, want, "{case}");
    }
    world.hang_up("ben");
    world.run_for(SECOND);
    let told = told(&world, &["ana", "ben"], &["Muted", "Coaching"]);
    assert_eq!(
        told[told.len() - 3..],
        [
            "participant-leave ben Muted=false Coaching=false",
            "participant-mute ana Muted=true Coaching=false",
            "participant-modify ana Muted=true Coaching=false"
        ],
        "whoever coached the one that left falls silent"
    );
}

#[test]
fn announcements_tell_their_end_or_why_they_were_not_heard() {
    let audio = |url: &str| Some(AudioUrl { url: url.to_owned(), method: HttpMethod::Get });
    let to_all = |world: &mut World, url: &str| {
        let conference = ConferenceRef::Name("standup".to_owned());
        let (account, complete, announce) = (ACCOUNT, false, audio(url));
        world.command(Command::UpdateConference { account, conference, complete, announce }).expect("is live");
    };
    let to_ana = |world: &mut World, url: &str| {
        let change = ParticipantChange { announce: audio(url), ..ParticipantChange::default() };
        world.update("ana", change).expect("ana is there");
    };
    let hold_ana = |world: &mut World, hold| {
        world.update("ana", ParticipantChange { hold: Some(hold), ..ParticipantChange::default() }).expect("is there");
    };
    let mut world = World::new(64);
    world.file("http://a.test/hello", 900);
    world.dial("ana", "standup");
    to_all(&mut world, "http://a.test/hello"); // she hears it in place of her music
    world.run_for(2 * SECOND);
    world.dial("ben", "standup");
    to_all(&mut world, "http://a.test/hello");
    world.run_for(2 * SECOND);
    to_all(&mut world, "http://a.test/nothing");
    to_ana(&mut world, "http://a.test/hello");
    world.run_for(2 * SECOND);
    to_ana(&mut world, "http://a.test/hello");
    world.run_for(SECOND / 2);
    hold_ana(&mut world, true);
    to_ana(&mut world, "http://a.test/hello");
    world.run_for(SECOND);
    let told = told(&world, &["ana"], &["AnnounceUrl", "ReasonAnnouncementFailed"]);
    let told: Vec<_> = told.iter().filter(|line| line.starts_with("announcement")).collect();
    assert_eq!(
        told,
        [
            "announcement-end AnnounceUrl=http://a.test/hello",
            "announcement-end AnnounceUrl=http://a.test/hello",
            "announcement-fail AnnounceUrl=http://a.test/nothing ReasonAnnouncementFailed=nothing there",
            "announcement-end ana AnnounceUrl=http://a.test/hello",
            "announcement-fail ana AnnounceUrl=http://a.test/hello ReasonAnnouncementFailed=the participant was put on hold",
            "announcement-fail ana AnnounceUrl=http://a.test/hello ReasonAnnouncementFailed=the participant is on hold",
        ]
    );
}

#[test]
fn loss_shows_in_the_share_of_what_was_made_up_and_in_the_score() {
    let mut world = World::new(65);
    for name in ["ana", "ben"] {
        world.dial(name, "standup");
    }
    world.weather("ana", Weather { lost_percent: 3, ..Weather::default() });
    world.run_for(30 * SECOND);
    let call = world.call("ana").sid;
    let live = match world.command(Command::MeasureCall { account: ACCOUNT, call }) {
        Ok(Answer::Measured(Some(measured))) => measured.stats,
        other => panic!("a live call is measured, not {other:?}"),
    };
    assert!(live.concealed_ms > 0 && live.mos_recent_thousandths > 0, "{live:?}");
    world.hang_up("ana");
    world.hang_up("ben");
    world.run_for(SECOND);
    let [lossy, clean] = ["ana", "ben"].map(|name| left(&world, name).expect("its leg was closed"));
    assert!((20..45).contains(&lossy.concealed_permille), "{lossy:?}");
    assert!((1_400..1_600).contains(&(lossy.packets_in + lossy.lost)), "{lossy:?}");
    assert!(lossy.lost * 1_000 / (lossy.packets_in + lossy.lost) >= 20, "{lossy:?}");
    assert_eq!((clean.concealed_ms, clean.lost), (0, 0), "{clean:?}");
    assert!((4_380..=4_409).contains(&clean.mos_thousandths), "{clean:?}");
    assert!((3_900..4_250).contains(&lossy.mos_thousandths), "{lossy:?}");
    assert!(lossy.mos_lowest_thousandths <= lossy.mos_thousandths, "{lossy:?}");
    assert!(world.leg_stats[&call].packets_in >= live.packets_in);

    let quality = world.switch.stats().quality;
    assert_eq!(quality.concealed_ms, lossy.concealed_ms);
    assert_eq!(quality.voice_ms, lossy.voice_ms + clean.voice_ms);
    assert_eq!(quality.lost, lossy.lost);
    let samples = |histogram: switch::Histogram| histogram.counts.iter().sum::<u64>() + histogram.above;
    assert!((10..=16).contains(&samples(quality.mos_thousandths)), "two legs, every five seconds: {quality:?}");
}

#[test]
fn who_speaks_is_told_but_never_of_the_muted_or_held() {
    let mut world = World::new(66);
    for name in ["ana", "ben"] {
        world.dial(name, "standup"); // and hums: to a bridge that is a voice, until it takes it for a noise
    }
    world.run_for(2 * SECOND);
    let speech = |world: &World, name: &str| {
        let call = Some(world.call(name).sid);
        let about = world.events.iter().filter(|event| event.is_fleeting() && event.call_sid() == call);
        about.map(ConferenceEvent::name).filter(|name| *name != "active-speaker").collect::<Vec<_>>()
    };
    assert_eq!(speech(&world, "ana"), ["participant-speech-start"]);
    assert!(world.events.iter().any(|event| event.name() == "active-speaker" && event.call_sid().is_some()));
    for change in [
        ParticipantChange { muted: Some(true), ..ParticipantChange::default() },
        ParticipantChange { muted: Some(false), hold: Some(true), ..ParticipantChange::default() },
    ] {
        world.update("ana", change).expect("ana is there");
        world.run_for(2 * SECOND);
        assert_eq!(speech(&world, "ana"), ["participant-speech-start", "participant-speech-stop"]);
    }
    let stop = world.events.iter().position(|event| event.name() == "participant-speech-stop");
    let mute = world.events.iter().position(|event| event.name() == "participant-mute");
    assert!(stop < mute, "first she stops being heard");
}

#[test]
fn a_server_that_ends_loses_no_event() {
    let mut world = World::new(67);
    for name in ["ana", "ben"] {
        world.dial(name, "standup");
    }
    world.run_for(2 * SECOND);
    world.hang_up("ana");
    let told = |world: &World| world.events.iter().any(|event| event.name() == "participant-leave");
    assert!(!told(&world), "her leg has not said what it did");
    world.handle(switch::Event::Farewell);
    let last = left(&world, "ana").expect("what it had done a moment ago");
    assert!((45..60).contains(&last.packets_in), "measured a second after it began: {last:?}");
}
