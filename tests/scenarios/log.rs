//! The log of an account: calls, conferences and queues in one order, which the callbacks have, too; and going from one
//! conference to another, which is told as leaving and joining.

use std::time::Duration;

use model::{AccountEvent, DirectoryRow};
use switch::webhook::CallbackBody;
use switch::{
    Answer, ApplicationChange, CallCallback, Command, ConferenceRef, DirectoryCommand, HookChange, ParticipantChange,
    ParticipantRef, QueueCommand, Refusal, VoiceHooksChange,
};

use crate::wanted;
use crate::world::{ACCOUNT, World};

const SECOND: Duration = Duration::from_secs(1);
const CALLER: &str = "+15005550001";
const AGENT: &str = "+15005550002";

/// One line for each entry but who speaks: what, who, and of its parameters those that `show` names.
fn told(world: &World, names: &[&str], show: &[&str]) -> Vec<String> {
    let line = |event: &AccountEvent| {
        let who = names.iter().find(|name| Some(world.call(name).sid) == event.call_sid());
        let shown = event.parameters().into_iter().filter(|(name, _)| show.contains(name));
        let words = [event.name().to_owned()].into_iter().chain(who.map(|&name| name.to_owned()));
        words.chain(shown.map(|(name, value)| format!("{name}={value}"))).collect::<Vec<_>>().join(" ")
    };
    world.log.iter().filter(|event| !event.is_fleeting()).map(line).collect()
}

/// Every entry has a place of its own, and so has every callback, behind what it tells of.
fn check_order(world: &World) {
    assert!(world.log.is_sorted_by(|a, b| a.seq() < b.seq() && a.at() <= b.at()), "{:?}", world.log);
    let mut last = std::collections::HashMap::new();
    // An action is told what a step has come to, and that is no entry.
    for callback in world.callbacks.iter().filter(|callback| !matches!(callback.body, CallbackBody::Action { .. })) {
        let event = callback.event.expect("these tell of entries");
        assert!(event < callback.seq && world.log.iter().any(|entry| entry.seq() == event), "{callback:?}");
        let before = last.insert(callback.lane, event);
        assert!(before < Some(event), "a lane tells in the order of the log");
    }
}

#[test]
fn a_call_that_we_make_is_told_step_by_step_as_its_callbacks_tell_it() {
    let mut world = World::new(170);
    let ben = world.phone_waits("ben");
    let mut new = wanted::call(&ben, "https://app.test/out");
    let link = Some(wanted::link("https://app.test/status"));
    new.leg.status = CallCallback { link, initiated: false, ringing: true, answered: true, completed: true };
    world.documents("https://app.test/out", &["<Dial><Conference>standup</Conference></Dial>"]);
    world.command(Command::CreateCall(Box::new(new))).expect("a way leads there");
    world.run_for(SECOND);
    world.take_up("ben");
    world.run_for(SECOND);
    world.hang_up("ben");
    world.run_for(SECOND);
    let mut want = [
        "call-queued ben CallStatus=queued",
        "call-initiated ben CallStatus=initiated",
        "call-ringing ben CallStatus=ringing",
        "call-answered ben CallStatus=in-progress",
        "participant-join ben",
        "participant-leave ben",
        "conference-end",
        "call-completed ben CallStatus=completed SipResponseCode=200",
    ];
    let mut found = told(&world, &["ben"], &["CallStatus", "SipResponseCode"]);
    assert_eq!(found, want);
    check_order(&world);
    let of_callbacks = world.callbacks.iter().filter_map(|callback| callback.event);
    let told: Vec<_> = of_callbacks
        .filter_map(|seq| world.log.iter().find(|event| event.seq() == seq).map(AccountEvent::name))
        .collect();
    assert_eq!(told, ["call-ringing", "call-answered", "call-completed"]);
    want.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), want.len(), "each is told once");
}

#[test]
fn who_waits_in_a_queue_is_told_of_until_it_leaves() {
    let mut world = World::new(171);
    world.number(CALLER, "https://app.test/caller");
    world.number(AGENT, "https://app.test/agent");
    world.documents("https://app.test/caller", &["<Enqueue action=\"/left\">support</Enqueue>"]);
    world.documents("https://app.test/left", &["<Pause length=\"60\"/>"]);
    world.documents("https://app.test/agent", &["<Dial><Queue>support</Queue></Dial>"]);
    for name in ["ana", "cho"] {
        world.try_dial(name, CALLER);
        world.run_for(2 * SECOND);
    }
    world.try_dial("ben", AGENT);
    world.run_for(SECOND);
    for name in ["cho", "ben", "ana"] {
        world.hang_up(name);
        world.run_for(SECOND);
    }
    let queue = world.queue("support");
    world.command(Command::Queue(QueueCommand::Delete { account: ACCOUNT, queue })).expect("nobody waits");
    let queues: Vec<_> = told(&world, &["ana", "ben", "cho"], &["QueuePosition", "QueueResult"]);
    let queues: Vec<_> = queues.into_iter().filter(|line| line.starts_with("queue")).collect();
    assert_eq!(
        queues,
        [
            "queue-join ana QueuePosition=1",
            "queue-join cho QueuePosition=2",
            "queue-leave ana QueueResult=bridged",
            "queue-leave cho QueueResult=hangup",
            "queue-delete",
        ]
    );
    check_order(&world);
}

#[test]
fn a_call_to_an_application_is_told_at_both_ends() {
    let mut world = World::new(174);
    let hook = |url: &str| HookChange { url: Some(Some(url.to_owned())), method: None };
    let voice = VoiceHooksChange { voice: hook("https://other.test/voice"), ..VoiceHooksChange::default() };
    let change = Box::new(ApplicationChange { voice, ..ApplicationChange::default() });
    let create = DirectoryCommand::CreateApplication { account: ACCOUNT, change };
    let Ok(Answer::Directory(row)) = world.command(Command::Directory(create)) else { panic!("is made") };
    let DirectoryRow::Application(application) = *row else { panic!("an application") };
    world.number(CALLER, "https://app.test/caller");
    let sid = application.sid;
    let dial = format!("<Dial><Application><ApplicationSid>{sid}</ApplicationSid></Application></Dial>");
    world.documents("https://app.test/caller", &[&dial]);
    world.documents("https://other.test/voice", &["<Echo/>"]);
    world.try_dial("ana", CALLER);
    world.run_for(SECOND);
    world.hang_up("ana");
    world.run_for(SECOND);
    let lines = told(&world, &["ana"], &["Direction"]);
    let of = |direction: &str| {
        let lines = lines.iter().filter(|line| !line.contains("ana"));
        lines.filter_map(|line| line.strip_suffix(&format!(" Direction={direction}"))).collect::<Vec<_>>()
    };
    let out = ["call-queued", "call-initiated", "call-ringing", "call-answered", "call-completed"];
    assert_eq!(of("outbound-dial"), out, "the end that calls");
    assert_eq!(of("inbound"), ["call-ringing", "call-answered", "call-completed"], "the application's");
    check_order(&world);
}

fn move_to(world: &mut World, name: &str, to: ConferenceRef) -> Result<Answer, Refusal> {
    let (conference, call) = world.membership(name);
    world.command(Command::MoveParticipant {
        account: ACCOUNT,
        conference: ConferenceRef::Sid(conference),
        participant: ParticipantRef::Call(call),
        to,
    })
}

#[test]
fn who_moves_is_heard_there_and_no_longer_here() {
    let mut world = World::new(172);
    for (name, room) in [("ana", "standup"), ("ben", "standup"), ("cho", "retro"), ("dan", "retro")] {
        world.dial(name, room);
    }
    world.run_for(SECOND);
    world.update("ben", ParticipantChange { muted: Some(true), ..ParticipantChange::default() }).expect("is there");
    let before = world.log.len();
    let named = |name: &str| ConferenceRef::Name(name.to_owned());
    let Ok(Answer::Participant(moved)) = move_to(&mut world, "ben", named("retro")) else { panic!("he goes") };
    assert_eq!((moved.conference_sid, moved.muted), (world.membership("cho").0, true));
    world.run_for(SECOND);
    world.check_hearing(
        "    ana ben cho dan music
        ana   -   .   .   .   .
        ben   .   -   x   x   .
        cho   .   .   -   x   .
        dan   .   .   x   -   .  ",
    );
    world.update("ben", ParticipantChange { muted: Some(false), ..ParticipantChange::default() }).expect("is there");
    world.run_for(SECOND);
    world.check_hearing(
        "    ana ben cho dan music
        ana   -   .   .   .   .
        ben   .   -   x   x   .
        cho   .   x   -   x   .
        dan   .   x   x   -   .  ",
    );
    let lines = told(&world, &["ana", "ben", "cho", "dan"], &["FriendlyName", "ReasonParticipantLeft", "Muted"]);
    let skipped = world.log[..before].iter().filter(|event| !event.is_fleeting()).count();
    assert_eq!(
        lines[skipped..],
        [
            "participant-leave ben FriendlyName=standup Muted=true ReasonParticipantLeft=participant_updated_via_api",
            "participant-join ben FriendlyName=retro Muted=true",
            "participant-unmute ben FriendlyName=retro Muted=false",
        ]
    );
    // The last one to leave takes the conference along; a name nobody has is a new one.
    move_to(&mut world, "ana", named("lounge")).expect("she goes");
    world.run_for(SECOND);
    world.hang_up("ana");
    world.run_for(SECOND);
    let ended: Vec<_> = told(&world, &[], &["FriendlyName"]);
    let ended: Vec<_> = ended.iter().filter(|line| line.starts_with("conference-end")).collect();
    assert_eq!(ended, ["conference-end FriendlyName=standup", "conference-end FriendlyName=lounge"]);
    check_order(&world);
}

#[test]
fn who_cannot_move_stays_as_it_was() {
    let mut world = World::with(173, |config, _| config.room_legs_max = 2);
    for (name, room) in [("ana", "standup"), ("ben", "standup"), ("cho", "retro"), ("dan", "retro")] {
        world.dial(name, room);
    }
    world.run_for(SECOND);
    let before = world.log.iter().filter(|event| !event.is_fleeting()).count();
    let here = ConferenceRef::Sid(world.membership("ben").0);
    let unknown = ConferenceRef::Sid(model::ConferenceSid::from_bits(77));
    for (case, to, want) in [
        ("full", ConferenceRef::Name("retro".to_owned()), Some(Refusal::ConferenceFull)),
        ("unknown", unknown, Some(Refusal::ConferenceNotFound)),
        ("where it is", here, None),
    ] {
        assert_eq!(move_to(&mut world, "ben", to).err(), want, "{case}");
    }
    world.run_for(SECOND);
    assert_eq!(world.log.iter().filter(|event| !event.is_fleeting()).count(), before, "nothing has happened");
    world.check_hearing(
        "    ana ben cho dan music
        ana   -   x   .   .   .
        ben   x   -   .   .   .
        cho   .   .   -   x   .
        dan   .   .   x   -   .  ",
    );
}
