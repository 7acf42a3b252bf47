//! Many hands on one conference: clients that change, call in and remove the same participants at once.
//!
//! Random sequences of requests, of people and of time, held against a model of twenty lines (rest-voice §5.3): what was
//! written last is what is so, every answer says what is saved, and what is told of each participant is balanced: hold and
//! unhold take turns, as mute and unmute do, between one join and one leave.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{CallSid, ConferenceEvent, Participant, ParticipantStatus};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use switch::{Answer, Command, ConferenceRef, ParticipantChange, ParticipantRef, Refusal};

use crate::phone::State;
use crate::wanted;
use crate::world::{ACCOUNT, World};

/// Who dials in, and who is called in. Ana stays to the end: a conference that nobody is in is over.
const DIAL: [&str; 3] = ["ana", "ben", "cho"];
const CALLED: [&str; 3] = ["dan", "eva", "fay"];
const ROOM: &str = "standup";
const WALKS: u64 = 60;
const STEPS: usize = 70;
/// How long a call that was taken up needs to be through.
const THROUGH: Duration = Duration::from_millis(100);

/// What ought to be so of one participant.
#[derive(Debug, Clone, Default, PartialEq)]
struct Member {
    call: String,
    connected: bool,
    muted: bool,
    hold: bool,
    coaching: Option<String>,
    /// Whom it coached last: `Coaching=true` alone means that one.
    coached: Option<String>,
}

/// The model: those who are here, by name.
#[derive(Default)]
struct Model(BTreeMap<String, Member>);

impl Model {
    /// What becomes of the participant, or how the change is refused. `Err(None)`: for whatever reason.
    fn update(&mut self, name: &str, change: &Change) -> Result<(), Option<Refusal>> {
        let before = self.0[name].clone();
        let target = match (change.coaching, &change.coach) {
            (Some(false), _) => None,
            (_, Some(target)) => Some(target.clone()),
            (Some(true), None) => Some(before.coached.clone().ok_or(Some(Refusal::CoachWithoutTarget))?),
            (None, None) => before.coaching.clone(),
        };
        if !before.connected && change.hold == Some(true) {
            return Err(Some(Refusal::NotConnected));
        }
        if let Some(target) = target.as_ref().filter(|_| change.coaching.is_some() || change.coach.is_some()) {
            match self.0.get(target).filter(|target| target.connected) {
                // Whom it coached once may have gone, and be forgotten or not.
                None if change.coach.is_none() => return Err(None),
                None => return Err(Some(Refusal::CoachTargetAbsent)),
                Some(found) if target == name || found.coaching.is_some() => {
                    return Err(Some(Refusal::CoachTargetCoaches));
                }
                Some(found) if found.hold => return Err(Some(Refusal::CoachTargetOnHold)),
                Some(_) => {}
            }
        }
        let member = self.0.get_mut(name).expect("is here");
        member.muted = change.muted.unwrap_or(member.muted);
        member.hold = change.hold.unwrap_or(member.hold);
        member.coached = change.coach.clone().or_else(|| member.coached.clone());
        member.coaching = target;
        Ok(())
    }

    /// Who whispered to somebody who goes is muted, so that nobody else hears it.
    fn leave(&mut self, name: &str) {
        let was_connected = self.0.remove(name).is_some_and(|member| member.connected);
        for coach in self.0.values_mut().filter(|member| was_connected && member.coaching.as_deref() == Some(name)) {
            (coach.coaching, coach.muted) = (None, true);
        }
    }
}

/// What a client asks for.
#[derive(Debug, Clone, Default)]
struct Change {
    muted: Option<bool>,
    hold: Option<bool>,
    coaching: Option<bool>,
    coach: Option<String>,
}

struct Walk {
    chance: StdRng,
    world: World,
    model: Model,
    addresses: BTreeMap<&'static str, String>,
    /// What was answered, and how often: a walk that meets no refusal proves little.
    met: BTreeMap<String, usize>,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        let addresses = CALLED.iter().map(|name| (*name, world.phone_waits(name))).collect();
        let mut walk = Self {
            chance: StdRng::seed_from_u64(seed),
            world,
            model: Model::default(),
            addresses,
            met: BTreeMap::new(),
        };
        for name in DIAL {
            walk.world.dial(name, ROOM);
            walk.arrives(name, true);
        }
        walk
    }

    fn arrives(&mut self, name: &str, connected: bool) {
        let call = self.world.call(name).sid.to_string();
        self.model.0.insert(name.to_owned(), Member { call, connected, ..Member::default() });
    }

    fn somebody(&mut self) -> String {
        let names: Vec<String> = self.model.0.keys().cloned().collect();
        names.choose(&mut self.chance).expect("ana is here").clone()
    }

    fn likely(&mut self, percent: u32) -> bool {
        self.chance.random_range(0..100) < percent
    }

    fn maybe(&mut self, percent: u32) -> Option<bool> {
        self.likely(percent).then(|| self.likely(50))
    }

    fn step(&mut self) {
        match self.chance.random_range(0..20) {
            0..=11 => {
                // Two clients, one participant, the same moment.
                let name = self.somebody();
                for _ in 0..self.chance.random_range(1..=3) {
                    let change = self.change(&name);
                    self.update(&name, &change);
                }
            }
            12 | 13 => {
                let free: Vec<_> = CALLED.into_iter().filter(|name| !self.model.0.contains_key(*name)).collect();
                if let Some(name) = free.choose(&mut self.chance).copied() {
                    let new = wanted::participant(&self.addresses[name], ROOM);
                    let new = self.world.command(Command::CreateParticipant(Box::new(new)));
                    assert!(matches!(new, Ok(Answer::Participant(_))), "{new:?} ({})", self.world);
                    self.arrives(name, false);
                }
            }
            14 | 15 => {
                if let Some(name) = self.world.phones_that(&State::Ringing).choose(&mut self.chance).cloned() {
                    self.world.take_up(&name);
                    // Removed before anybody could know, or through.
                    if self.likely(30) {
                        self.remove(&name);
                    } else {
                        self.world.run_for(THROUGH);
                        self.model.0.get_mut(&name).expect("is being called").connected = true;
                    }
                }
            }
            16 => {
                if let Some(name) = self.world.phones_that(&State::Ringing).choose(&mut self.chance).cloned() {
                    self.world.refuse(&name, "486 Busy Here");
                    self.model.leave(&name);
                }
            }
            17 | 18 => {
                let name = self.somebody();
                if name != DIAL[0] {
                    self.remove(&name);
                }
            }
            _ => {
                let name = self.somebody();
                if name != DIAL[0] && self.model.0[&name].connected {
                    self.world.hang_up(&name);
                    self.model.leave(&name);
                }
            }
        }
        if self.likely(40) {
            let span = Duration::from_millis(self.chance.random_range(1..60));
            self.world.run_for(span);
        }
        self.check();
    }

    /// Anything; of somebody who is still being called, nothing about coaching, which is looked at when it joins.
    fn change(&mut self, name: &str) -> Change {
        let (muted, hold) = (self.maybe(50), self.maybe(50));
        if !self.model.0[name].connected || self.likely(60) {
            return Change { muted, hold, ..Change::default() };
        }
        let coach = if self.likely(70) { Some(self.somebody()) } else { None };
        Change { muted, hold, coaching: self.maybe(60), coach }
    }

    fn update(&mut self, name: &str, change: &Change) {
        let call = |member: &Member| member.call.parse::<CallSid>().expect("is a SID");
        let asked = ParticipantChange {
            muted: change.muted,
            hold: change.hold,
            coaching: change.coaching,
            call_sid_to_coach: change.coach.as_ref().map(|target| call(&self.model.0[target])),
            ..ParticipantChange::default()
        };
        let participant = ParticipantRef::Call(call(&self.model.0[name]));
        let conference = ConferenceRef::Name(ROOM.to_owned());
        let command = Command::UpdateParticipant { account: ACCOUNT, conference, participant, change: asked };
        let (answer, want) = (self.world.command(command), self.model.update(name, change));
        let met = answer.as_ref().err().map_or_else(|| "done".to_owned(), |refusal| format!("{refusal:?}"));
        *self.met.entry(met).or_default() += 1;
        match (answer, want) {
            (Ok(Answer::Participant(said)), Ok(())) => {
                assert_eq!(&said, self.world.participant(name), "{name}: what is said is saved ({})", self.world);
            }
            (Err(_), Err(None)) => {}
            (Err(refusal), Err(Some(want))) => assert_eq!(refusal, want, "{name}: {change:?} ({})", self.world),
            (answer, want) => panic!("{name}: {change:?}: {answer:?}, not {want:?} ({})", self.world),
        }
        self.check();
    }

    fn remove(&mut self, name: &str) {
        self.world.kick(name).unwrap_or_else(|refusal| panic!("{name}: {refusal:?} ({})", self.world));
        let again = self.world.kick(name);
        assert_eq!(again.err(), Some(Refusal::ParticipantNotFound), "{name} is gone at once ({})", self.world);
        self.model.leave(name);
    }

    /// Everything that is saved is as the model has it.
    fn check(&self) {
        let over = |row: &Participant| matches!(row.status, ParticipantStatus::Complete | ParticipantStatus::Failed);
        let here: Vec<String> =
            self.world.participants.values().filter(|row| !over(row)).map(|row| row.call_sid.to_string()).collect();
        assert_eq!(here.len(), self.model.0.len(), "{here:?}, not {:?} ({})", self.model.0, self.world);
        for (name, member) in &self.model.0 {
            let row = self.world.participant(name);
            let coached = member.coaching.as_ref().map(|target| self.world.call(target).sid);
            let connected = row.status == ParticipantStatus::Connected;
            assert_eq!(
                (connected, row.muted, row.hold, row.coaching, row.call_sid_to_coach),
                (member.connected, member.muted, member.hold, member.coaching.is_some(), coached),
                "{name}: {row:?} ({})",
                self.world
            );
        }
    }
}

/// What is told of every participant is balanced, and numbered without a gap.
fn check_told(world: &World) {
    let events: Vec<&ConferenceEvent> = world.events.iter().filter(|event| !event.is_fleeting()).collect();
    let mut numbers: Vec<_> = world.events.iter().map(|event| event.sequence_number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=world.events.len() as u32).collect::<Vec<_>>(), "{world}");
    for row in world.participants.values() {
        let told: Vec<&str> = events
            .iter()
            .filter(|event| event.call_sid() == Some(row.call_sid))
            .map(|event| event.name())
            .filter(|name| *name != "conference-start")
            .collect();
        let count = |name: &str| told.iter().filter(|told| **told == name).count();
        let context = || format!("{}: {told:?} ({world})", row.call_sid);
        assert!(count("participant-join") <= 1 && count("participant-leave") == 1, "{}", context());
        assert_eq!(told.last(), Some(&"participant-leave"), "nothing is told of who has gone: {}", context());
        if count("participant-join") == 0 {
            assert!(!told.contains(&"participant-hold"), "{}", context());
            continue;
        }
        assert_eq!(told.first(), Some(&"participant-join"), "{}", context());
        for pair in [["participant-hold", "participant-unhold"], ["participant-mute", "participant-unmute"]] {
            let turns: Vec<_> = told.iter().filter(|told| pair.contains(told)).collect();
            let taking_turns = turns.windows(2).all(|two| two[0] != two[1]);
            assert!(taking_turns, "{pair:?} take turns: {}", context());
            if pair[0] == "participant-hold" {
                assert!(turns.first().is_none_or(|first| **first == pair[0]), "{}", context());
            }
        }
    }
}

#[test]
fn whatever_clients_ask_for_at_once_the_last_word_counts_and_what_is_told_is_balanced() {
    let mut met = BTreeMap::<String, usize>::new();
    for seed in 0..WALKS {
        let mut walk = Walk::new(7_000 + seed);
        for _ in 0..STEPS {
            walk.step();
        }
        let conference = ConferenceRef::Name(ROOM.to_owned());
        let end = Command::UpdateConference { account: ACCOUNT, conference, complete: true, announce: None };
        assert!(walk.world.command(end).is_ok(), "{}", walk.world);
        walk.world.check_nothing_is_left();
        check_told(&walk.world);
        walk.met.into_iter().for_each(|(answer, times)| *met.entry(answer).or_default() += times);
    }
    let refusals =
        ["NotConnected", "CoachWithoutTarget", "CoachTargetAbsent", "CoachTargetCoaches", "CoachTargetOnHold"];
    for answer in ["done"].into_iter().chain(refusals) {
        assert!(met.get(answer).is_some_and(|times| *times >= 20), "{answer} was hardly met: {met:?}");
    }
}

#[test]
fn two_clients_hold_and_unhold_a_hundred_times_a_second() {
    let mut world = World::new(7_100);
    for name in ["ana", "ben", "cho"] {
        world.dial(name, ROOM);
    }
    let hold = |hold| ParticipantChange { hold: Some(hold), ..ParticipantChange::default() };
    let mut changes = 0;
    let mut held = false;
    for turn in 0..300 {
        // One holds and the other takes back, now in this order, now in that; and every tenth time both want the same.
        for wish in [turn % 3 == 0, if turn % 10 == 0 { turn % 3 == 0 } else { turn % 3 != 0 }] {
            let said = world.update("ana", hold(wish)).expect("is here");
            assert_eq!(said.hold, wish, "the answer says what was asked for ({world})");
            changes += usize::from(wish != held);
            held = wish;
        }
        world.run_for(Duration::from_millis(10));
    }
    let told: Vec<_> = world.events.iter().filter(|event| event.name().ends_with("hold")).collect();
    assert_eq!(told.len(), changes, "each change is told once ({world})");
    assert!(told.windows(2).all(|two| two[0].name() != two[1].name()), "hold and unhold take turns ({world})");
    world.update("ana", hold(true)).expect("is here");
    world.check_hearing(
        "    ana ben cho music
         ana  -   .   .   x
         ben  .   -   x   .
         cho  .   x   -   .  ",
    );
    world.update("ana", hold(false)).expect("is here");
    world.run_for(Duration::from_millis(200));
    world.check_hearing(
        "    ana ben cho music
         ana  -   x   x   .
         ben  x   -   x   .
         cho  x   x   -   .  ",
    );
    for name in ["ana", "ben", "cho"] {
        world.hang_up(name);
    }
    world.check_nothing_is_left();
    check_told(&world);
}

#[test]
fn who_is_removed_while_being_called_never_arrives() {
    for (case, gets_to) in [("before it rings", 0), ("while it rings", 1), ("while its answer is on its way", 2)] {
        let mut world = World::new(7_200 + gets_to);
        world.dial("ana", ROOM);
        let address = world.phone_waits("ben");
        let new = Command::CreateParticipant(Box::new(wanted::participant(&address, ROOM)));
        world.command(new).expect("the room is open");
        if gets_to > 0 {
            world.run_for(Duration::from_millis(200));
            assert_eq!(world.phone("ben").state, State::Ringing, "{case}");
        }
        let answer = (gets_to == 2).then(|| world.prepare_to_take_up("ben"));
        world.kick("ben").expect("is being called");
        if let Some(answer) = answer {
            world.say("ben", &answer);
        }
        world.run_for(Duration::from_secs(1));
        let state = &world.phone("ben").state;
        assert!(matches!((gets_to, state), (0, State::Idle) | (_, State::Over(_))), "{case}: {state:?}");
        world.check_hearing("    ana ben music\n ana - . x\n ben . - .");
        world.hang_up("ana");
        world.check_nothing_is_left();
        let of_ben = world.call("ben").sid;
        let told: Vec<_> = world.events.iter().filter(|event| event.call_sid() == Some(of_ben)).collect();
        assert_eq!(told.iter().map(|event| event.name()).collect::<Vec<_>>(), ["participant-leave"], "{case}");
    }
}
