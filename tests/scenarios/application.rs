//! Applications in place of phones: `<Dial><Application>` and `app:` participants (twiml §5.3, rest-voice §5.2).

use std::time::Duration;

use model::{ApplicationSid, CallStatus, Direction, DirectoryRow};
use switch::webhook::{Ask, CallbackBody, DialCallStatus, Purpose};
use switch::{
    Answer, ApplicationChange, Callee, Command, DirectoryCommand, HookChange, Parameter, Refusal, VoiceHooksChange,
};

use crate::phone::State;
use crate::wanted;
use crate::world::{ACCOUNT, World};

const NUMBER: &str = "+15005550001";
const VOICE: &str = "https://app.test/voice";
const AFTER: &str = "https://app.test/after";
const OTHER: &str = "https://other.test/voice";
const STATUS: &str = "https://app.test/status";

const TWO_TALK: &str = "    ana ben music
                        ana  -   x   .
                        ben  x   -   .  ";

fn application(world: &mut World, url: Option<&str>) -> ApplicationSid {
    let voice = HookChange { url: Some(url.map(str::to_owned)), method: None };
    let change = ApplicationChange {
        voice: VoiceHooksChange { voice, ..VoiceHooksChange::default() },
        ..ApplicationChange::default()
    };
    let create = DirectoryCommand::CreateApplication { account: ACCOUNT, change: Box::new(change) };
    match world.command(Command::Directory(create)) {
        Ok(Answer::Directory(row)) => match *row {
            DirectoryRow::Application(row) => row.sid,
            other => panic!("an application, not {other:?}"),
        },
        other => panic!("an application, not {other:?}"),
    }
}

/// Ana calls a number that dials an application, which does what a document says; ben's phone waits.
fn ana_dials(seed: u64, attributes: &str, document: &str) -> World {
    let mut world = World::new(seed);
    world.number(NUMBER, VOICE);
    let ben = world.phone_waits("ben");
    let sid = application(&mut world, Some(OTHER));
    world.documents(OTHER, &[&document.replace("BEN", &ben)]);
    let told = "<Parameter name=\"mode\" value=\"x\"/>";
    world.documents(
        VOICE,
        &[&format!(
            "<Dial action=\"/after\"><Application {attributes}><ApplicationSid>{sid}</ApplicationSid>{told}\
             </Application></Dial>"
        )],
    );
    world.documents(AFTER, &["<Pause length=\"60\"/>"]);
    world.try_dial("ana", NUMBER);
    world.run_for(Duration::from_millis(500));
    world
}

fn asked<'a>(world: &'a World, url: &str) -> &'a Ask {
    world.asks.iter().find(|ask| ask.url == url).unwrap_or_else(|| panic!("{url} is asked ({world})"))
}

fn result(world: &World) -> (DialCallStatus, Option<bool>) {
    match world.purposes(AFTER).as_slice() {
        [Purpose::Dial(result)] => (result.status, result.bridged),
        told => panic!("one action, not {told:?} ({world})"),
    }
}

#[test]
fn an_application_is_called_as_a_phone_is_and_may_call_on() {
    let status = format!("statusCallback=\"{STATUS}\" statusCallbackEvent=\"initiated ringing answered completed\"");
    let mut world = ana_dials(170, &status, "<Dial><Sip>BEN</Sip></Dial>");
    let ask = asked(&world, OTHER);
    assert_eq!(ask.call.custom, [("mode".to_owned(), "x".to_owned())]);
    assert_eq!((ask.call.call.direction, ask.call.call.status), (Direction::Inbound, CallStatus::Ringing));
    assert!(ask.call.call.to.starts_with("AP"), "{}", ask.call.call.to);
    assert_eq!(world.phone("ben").state, State::Ringing);
    world.take_up("ben");
    world.run_for(Duration::from_millis(500));
    world.check_hearing(TWO_TALK);
    world.hang_up("ben");
    world.run_for(Duration::from_millis(500));
    assert_eq!(result(&world), (DialCallStatus::Completed, Some(true)));
    assert_eq!(world.phone("ana").state, State::Talking, "the parent stays");
    let steps = world.callbacks.iter().filter_map(|callback| match &callback.body {
        CallbackBody::CallStatus(progress) if callback.url == STATUS => Some(progress.event.as_str()),
        _ => None,
    });
    assert_eq!(steps.collect::<Vec<_>>(), ["initiated", "ringing", "answered", "completed"]);
    world.hang_up("ana");
    world.check_nothing_is_left();
}

#[test]
fn it_hears_keys_and_hangs_up() {
    let mut world = ana_dials(171, "copyParentTo=\"true\"", "<Gather numDigits=\"2\" action=\"/menu\"/>");
    world.documents("https://other.test/menu", &["<Hangup/>"]);
    assert_eq!(asked(&world, OTHER).call.call.to, NUMBER);
    world.press("ana", 4);
    world.run_for(Duration::from_millis(500));
    world.press("ana", 2);
    world.run_for(Duration::from_secs(1));
    let told = world.purposes("https://other.test/menu");
    let [Purpose::Gather { digits, .. }] = told.as_slice() else { panic!("one action, not {told:?} ({world})") };
    assert_eq!(digits.as_deref(), Some("42"));
    assert_eq!(result(&world), (DialCallStatus::Completed, Some(true)));
}

#[test]
fn every_end_is_told() {
    for (case, document, want) in [
        ("rejected", "<Reject reason=\"busy\"/>", DialCallStatus::Busy),
        ("declined", "<Reject/>", DialCallStatus::NoAnswer),
    ] {
        let mut world = ana_dials(172, "", document);
        world.run_for(Duration::from_secs(2));
        assert_eq!(result(&world), (want, Some(false)), "{case}");
    }
    let mut world = ana_dials(173, "", "<Pause length=\"60\"/>");
    world.run_for(Duration::from_secs(31));
    assert_eq!(result(&world), (DialCallStatus::NoAnswer, Some(false)), "it does not answer in time");
    world.hang_up("ana");
    world.check_nothing_is_left();
    let mut world = ana_dials(174, "", "<Dial><Sip>BEN</Sip></Dial>");
    world.hang_up("ana");
    world.run_for(Duration::from_millis(200));
    assert_eq!(world.phone("ben").state, State::Over(487), "whom it called stops ringing");
    world.check_nothing_is_left();
}

#[test]
fn applications_that_call_themselves_come_to_an_end() {
    let mut world = World::new(175);
    world.number(NUMBER, VOICE);
    let sid = application(&mut world, Some(VOICE));
    world.documents(
        VOICE,
        &[&format!("<Dial><Application><ApplicationSid>{sid}</ApplicationSid></Application></Dial>")],
    );
    world.try_dial("ana", NUMBER);
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.times_asked(VOICE), 8, "ana's call, and seven more ({world})");
    assert_eq!(world.phone("ana").state, State::Over(200));
    world.check_nothing_is_left();
}

#[test]
fn an_application_that_is_not_there_is_not_called() {
    let mut world = World::new(176);
    world.number(NUMBER, VOICE);
    let silent = application(&mut world, None);
    world.documents(AFTER, &["<Pause length=\"60\"/>"]);
    let unknown = ApplicationSid::from_bits(1);
    for sid in [silent, unknown] {
        let noun = format!("<Application><ApplicationSid>{sid}</ApplicationSid></Application>");
        world.documents(VOICE, &[&format!("<Dial action=\"/after\">{noun}</Dial>")]);
        world.try_dial("ana", NUMBER);
        world.run_for(Duration::from_millis(500));
    }
    let failed =
        |purpose: &&&Purpose| matches!(purpose, Purpose::Dial(result) if result.status == DialCallStatus::Failed);
    assert_eq!(world.purposes(AFTER).iter().filter(failed).count(), 2);
    let mut new = wanted::participant("", "standup");
    new.leg.to = Callee::Application { sid: unknown, parameters: Vec::new() };
    assert_eq!(world.command(Command::CreateParticipant(Box::new(new))), Err(Refusal::ApplicationUnknown));
}

#[test]
fn an_application_takes_part_in_a_conference() {
    let mut world = World::new(177);
    let ben = world.phone_waits("ben");
    world.dial("ana", "standup");
    let sid = application(&mut world, Some(OTHER));
    world.documents(OTHER, &[&format!("<Dial><Sip>{ben}</Sip></Dial>")]);
    let mut new = wanted::participant("", "standup");
    let parameters = vec![Parameter { name: "mode".to_owned(), value: "x".to_owned() }];
    new.leg.to = Callee::Application { sid, parameters };
    new.end_conference_on_exit = true;
    world.command(Command::CreateParticipant(Box::new(new))).expect("it is there");
    world.run_for(Duration::from_millis(300));
    assert_eq!(asked(&world, OTHER).call.custom, [("mode".to_owned(), "x".to_owned())]);
    world.take_up("ben");
    world.run_for(Duration::from_millis(500));
    world.check_hearing(TWO_TALK);
    let call = world.calls.values().find(|call| call.to == format!("app:{sid}")).expect("its call");
    assert_eq!((call.direction, call.status), (Direction::OutboundApi, CallStatus::InProgress));
    world.hang_up("ben");
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.phone("ana").state, State::Over(200), "the application has left and ended the conference");
    world.check_nothing_is_left();
}

#[test]
fn what_is_no_phone_cannot_be_referred() {
    let world = ana_dials(178, "", "<Refer><Sip>sip:cho@other.test</Sip></Refer>");
    assert_eq!(world.times_notified(13_801), 1, "({world})");
}
