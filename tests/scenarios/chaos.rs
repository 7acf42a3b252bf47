//! Anything at any time: applications, people and networks that do whatever comes to their minds.
//!
//! A seeded walk: some phones, documents that lead to one another, keys, hang-ups, and everything the API can ask for.
//! Nothing is known beforehand of what is heard; but nothing panics, states only change as they may (the world checks
//! that of every row), and when everybody has gone nothing is left: no call, no document, no dial, no request, no timer.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{CallSid, CallStatus, ConferenceStatus, ParticipantStatus};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use switch::webhook::CallbackBody;
use switch::{
    AudioUrl, CallCallback, CallChange, CallEnd, Command, ConferenceRef, HttpMethod, Instructions, MemberRef,
    ParticipantChange, ParticipantRef, QueueCommand,
};
use testkit::sdp::Flow;

use crate::phone::State;
use crate::wanted;
use crate::world::{ACCOUNT, World};

const NUMBERS: [&str; 3] = ["+15005550001", "+15005550002", "+15005550003"];
const ROOMS: [&str; 2] = ["red", "blue"];
const QUEUES: [&str; 2] = ["sales", "support"];
const WAITING: [&str; 4] = ["ben", "cho", "dan", "eva"];
const CALLERS_MAX: usize = 10;
const URLS: usize = 8;
const STEPS: usize = 80;

/// One walk: what is decided by chance, and the world it happens in.
struct Walk {
    chance: StdRng,
    world: World,
    addresses: Vec<String>,
    callers: Vec<String>,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut world = World::with(seed, |config, _| {
            if seed.is_multiple_of(3) {
                // Next to nothing is allowed at once.
                (config.asks_max, config.fetches_max, config.calls_max, config.room_legs_max) = (2, 1, 6, 2);
            }
        });
        let addresses = WAITING.iter().map(|name| world.phone_waits(name)).collect();
        let mut walk = Self { chance: StdRng::seed_from_u64(seed), world, addresses, callers: Vec::new() };
        for (n, number) in NUMBERS.into_iter().enumerate() {
            walk.world.number(number, &url(n));
        }
        for n in 0..URLS {
            let documents: Vec<String> = (0..6).map(|_| walk.document()).collect();
            let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
            walk.world.documents(&url(n), &documents);
        }
        walk.world.file("https://app.test/tune.wav", 1_009);
        walk.world.voice("word", 1_009);
        walk
    }

    fn one_of<'a>(&mut self, all: &'a [&'a str]) -> &'a str {
        all.choose(&mut self.chance).copied().unwrap_or_default()
    }

    fn some_url(&mut self) -> String {
        // One more than there are, so that some lead nowhere.
        url(self.chance.random_range(0..=URLS))
    }

    fn audio(&mut self) -> AudioUrl {
        AudioUrl { url: self.some_url(), method: HttpMethod::Post }
    }

    fn likely(&mut self, percent: u32) -> bool {
        self.chance.random_range(0..100) < percent
    }

    /// ` name="value"`, or nothing.
    fn maybe(&mut self, name: &str, value: &str) -> String {
        if self.likely(50) { format!(" {name}=\"{value}\"") } else { String::new() }
    }

    fn document(&mut self) -> String {
        let verbs = self.chance.random_range(1..=3);
        let verbs: String = (0..verbs).map(|_| self.verb()).collect();
        // Most go on, so that something is always going on.
        if self.likely(60) { format!("{verbs}<Redirect>{}</Redirect>", self.some_url()) } else { verbs }
    }

    fn verb(&mut self) -> String {
        let somewhere = self.some_url();
        let action = self.maybe("action", &somewhere);
        match self.chance.random_range(0..20) {
            0 => "<Say>word</Say>".to_owned(),
            1 => "<Play loop=\"0\">/tune.wav</Play>".to_owned(),
            2 => "<Play>/gone.wav</Play>".to_owned(),
            3 => "<Pause length=\"1\"/>".to_owned(),
            4 => format!("<Gather{action} numDigits=\"1\" timeout=\"1\"><Say>word</Say></Gather>"),
            5 => "<Play digits=\"1w2\"/>".to_owned(),
            6 => format!("<Redirect>{somewhere}</Redirect>"),
            7 => ["<Hangup/>", "<Leave/>", "<Reject/>", "<Record/>", "<Say>broken"][self.chance.random_range(0..5)]
                .to_owned(),
            8..=10 => {
                let (queue, wait) = (self.one_of(&QUEUES), self.some_url());
                let wait = self.maybe("waitUrl", &wait);
                format!("<Enqueue{action}{wait} maxQueueSize=\"2\">{queue}</Enqueue>")
            }
            11 | 12 => {
                let (queue, told) = (self.one_of(&QUEUES), self.some_url());
                let told = self.maybe("url", &told);
                let star = self.maybe("hangupOnStar", "true");
                format!("<Dial{action}{star} timeout=\"5\"><Queue{told}>{queue}</Queue></Dial>")
            }
            13..=15 => {
                let (room, wait) = (self.one_of(&ROOMS), self.some_url());
                let attributes = [
                    self.maybe("waitUrl", &wait),
                    self.maybe("startConferenceOnEnter", "false"),
                    self.maybe("endConferenceOnExit", "true"),
                    self.maybe("participantLabel", "agent"),
                    self.maybe("muted", "true"),
                    self.maybe("maxParticipants", "2"),
                    self.maybe("statusCallback", "/told"),
                ];
                let attributes = attributes.concat() + " statusCallbackEvent=\"start end join leave mute hold modify\"";
                let dial = self.maybe("hangupOnStar", "true") + &self.maybe("timeLimit", "2");
                format!("<Dial{action}{dial}><Conference{attributes}>{room}</Conference></Dial>")
            }
            _ => {
                let nouns = self.chance.random_range(1..=2);
                let nouns: String = (0..nouns)
                    .map(|_| {
                        let (address, told) = (self.address(), self.some_url());
                        let told = self.maybe("url", &told) + &self.maybe("sendDigits", "w1");
                        format!("<Sip{told} statusCallback=\"/told\">{address}</Sip>")
                    })
                    .collect();
                let attributes = [
                    self.maybe("answerOnBridge", "true"),
                    self.maybe("sequential", "true"),
                    self.maybe("hangupOnStar", "true"),
                    self.maybe("timeLimit", "2"),
                ];
                format!("<Dial{action} timeout=\"5\"{}>{nouns}</Dial>", attributes.concat())
            }
        }
    }

    fn address(&mut self) -> String {
        self.addresses.choose(&mut self.chance).cloned().unwrap_or_default()
    }

    /// A phone in this state.
    fn phone_that(&mut self, is: State) -> Option<String> {
        let phones = self.world.phones_that(&is);
        phones.choose(&mut self.chance).cloned()
    }

    /// A call, and rarely one that is over.
    fn some_call(&mut self) -> Option<CallSid> {
        let any = self.likely(5);
        let lives = |status| matches!(status, CallStatus::Queued | CallStatus::Ringing | CallStatus::InProgress);
        let calls: Vec<CallSid> =
            self.world.calls.values().filter(|call| any || lives(call.status)).map(|call| call.sid).collect();
        calls.choose(&mut self.chance).copied()
    }

    /// A participant and its conference, and rarely another one's.
    fn some_participant(&mut self) -> Option<(ConferenceRef, ParticipantRef)> {
        if self.likely(5) {
            return Some((
                ConferenceRef::Name(self.one_of(&ROOMS).to_owned()),
                ParticipantRef::Call(self.some_call()?),
            ));
        }
        let gone = |status| matches!(status, ParticipantStatus::Complete | ParticipantStatus::Failed);
        let here: Vec<_> = self.world.participants.values().filter(|row| !gone(row.status)).collect();
        let row = here.choose(&mut self.chance)?;
        Some((ConferenceRef::Sid(row.conference_sid), ParticipantRef::Call(row.call_sid)))
    }

    /// Somebody does something.
    fn step(&mut self) {
        match self.chance.random_range(0..26) {
            0..=4 if self.callers.len() < CALLERS_MAX => {
                let (name, number) = (format!("caller{}", self.callers.len()), self.one_of(&NUMBERS));
                self.world.try_dial(&name, number);
                self.callers.push(name);
            }
            0..=7 => {
                if let Some(name) = self.phone_that(State::Ringing) {
                    if self.likely(80) {
                        self.world.take_up(&name);
                    } else {
                        let status = self.one_of(&["486 Busy Here", "404 Not Found", "503 Service Unavailable"]);
                        self.world.refuse(&name, status);
                    }
                }
            }
            8 => {
                if let Some(name) = self.phone_that(State::Talking) {
                    self.world.hang_up(&name);
                }
            }
            9 => {
                if let Some(name) = self.phone_that(State::Calling) {
                    self.world.cancel(&name);
                }
            }
            10 => {
                // Who was called has no re-INVITE here.
                let talking = self.world.phones_that(&State::Talking);
                if let Some(name) = talking.into_iter().find(|name| self.callers.contains(name)) {
                    let flow = if self.likely(50) { Flow::SendOnly } else { Flow::SendRecv };
                    self.world.phone_says(&name, flow);
                }
            }
            11 | 12 => {
                if let Some(name) = self.phone_that(State::Talking) {
                    let key = [1, 2, 10, 11][self.chance.random_range(0..4)];
                    self.world.press(&name, key);
                }
            }
            _ => {
                if let Some(command) = self.command() {
                    // Refused or not: it is answered, which the world insists on.
                    drop(self.world.command(command));
                }
            }
        }
    }

    fn command(&mut self) -> Option<Command> {
        let (account, conference) = (ACCOUNT, ConferenceRef::Name(self.one_of(&ROOMS).to_owned()));
        let address = self.address();
        Some(match self.chance.random_range(0..14) {
            0 => {
                let mut new = wanted::call(&address, &self.some_url());
                if self.likely(30) {
                    new.instructions = Instructions::Twiml(format!("<Response>{}</Response>", self.document()));
                }
                self.adjust(&mut new.leg);
                Command::CreateCall(Box::new(new))
            }
            1 | 2 => {
                let room = self.one_of(&ROOMS);
                let mut new = wanted::participant(&address, room);
                self.adjust(&mut new.leg);
                new.label = Some("agent".to_owned()).filter(|_| self.likely(30));
                new.call_sid_to_coach = self.some_call().filter(|_| self.likely(30));
                new.end_conference_on_exit = self.likely(30);
                Command::CreateParticipant(Box::new(new))
            }
            3..=5 => {
                let mut change = CallChange::none(account, self.some_call()?);
                match self.chance.random_range(0..5) {
                    0 => change.end = Some(CallEnd::Completed),
                    1 => change.end = Some(CallEnd::Canceled),
                    2 => change.time_limit = Some(Duration::from_secs(3)),
                    _ => change.instructions = Some(Instructions::Link(wanted::link(&self.some_url()))),
                }
                Command::UpdateCall(Box::new(change))
            }
            6..=9 => {
                let (conference, participant) = self.some_participant()?;
                let change = self.change();
                Command::UpdateParticipant { account, conference, participant, change }
            }
            10 => {
                let (conference, participant) = self.some_participant()?;
                Command::RemoveParticipant { account, conference, participant }
            }
            11 => {
                let announce = Some(self.audio());
                Command::UpdateConference { account, conference, complete: self.likely(20), announce }
            }
            _ => {
                let name = self.one_of(&QUEUES);
                let (queue, link) = (self.world.find_queue(name)?, wanted::link(&self.some_url()));
                Command::Queue(QueueCommand::DequeueMember { account, queue, member: MemberRef::Front, link })
            }
        })
    }

    fn adjust(&mut self, leg: &mut switch::NewLeg) {
        leg.ring_timeout = Duration::from_secs(self.chance.random_range(1..=6));
        leg.time_limit = Some(Duration::from_secs(self.chance.random_range(2..=20)));
        leg.send_digits = Some("w12".to_owned()).filter(|_| self.likely(30));
        let told = wanted::link("https://app.test/told");
        leg.status = CallCallback { link: Some(told), initiated: true, ringing: true, answered: true, completed: true };
    }

    fn change(&mut self) -> ParticipantChange {
        let mut change = ParticipantChange::default();
        match self.chance.random_range(0..6) {
            0 => change.muted = Some(self.likely(50)),
            1 => change.hold = Some(self.likely(50)),
            2 => (change.hold, change.hold_audio) = (Some(true), Some(self.audio())),
            3 => change.announce = Some(self.audio()),
            4 => change.end_conference_on_exit = Some(self.likely(50)),
            _ => (change.coaching, change.call_sid_to_coach) = (Some(self.likely(70)), self.some_call()),
        }
        change
    }

    /// Everybody goes.
    fn over(&mut self) {
        for _ in 0..8 {
            for name in self.world.phones_that(&State::Ringing) {
                self.world.refuse(&name, "486 Busy Here");
            }
            for name in self.world.phones_that(&State::Calling) {
                self.world.cancel(&name);
            }
            for name in self.world.phones_that(&State::Talking) {
                self.world.hang_up(&name);
            }
            self.world.run_for(Duration::from_secs(1));
        }
        self.world.check_nothing_is_left();
    }

    /// What was told was told in order, without a gap, and to the end.
    fn check_what_was_told(&self) {
        for conference in self.world.conferences.values() {
            assert_eq!(conference.status, ConferenceStatus::Completed, "{}", self.world);
            let events = self.world.events.iter().filter(|event| event.conference_sid == conference.sid);
            let events: Vec<_> = events.map(|event| (event.sequence_number, event.name())).collect();
            let numbers = events.iter().map(|(number, _)| *number);
            assert!(numbers.eq(1..=events.len() as u32), "{events:?} ({})", self.world);
            assert_eq!(events.last().map(|(_, name)| *name), Some("conference-end"), "{events:?} ({})", self.world);
        }
        let is_final = |status| !matches!(status, CallStatus::Queued | CallStatus::Ringing | CallStatus::InProgress);
        assert!(self.world.calls.values().all(|call| is_final(call.status)), "{}", self.world);
        let mut of_calls: BTreeMap<CallSid, u32> = BTreeMap::new();
        for callback in &self.world.callbacks {
            if let CallbackBody::CallStatus(told) = &callback.body {
                let next = of_calls.entry(told.facts.call.sid).or_default();
                assert_eq!(told.sequence, *next, "{}", self.world);
                *next += 1;
            }
        }
    }
}

fn url(n: usize) -> String {
    format!("https://app.test/{n}")
}

fn walk(seed: u64) {
    println!("seed {seed}"); // the last one is the one that failed
    let mut walk = Walk::new(seed);
    for _ in 0..STEPS {
        walk.step();
        let pause = [1, 5, 35, 100, 300, 900][walk.chance.random_range(0..6)];
        walk.world.run_for(Duration::from_millis(pause));
    }
    walk.over();
    walk.check_what_was_told();
}

#[test]
fn whatever_happens_nothing_is_left_of_it() {
    // PARTYLINE_CHAOS_SEEDS=5..500 walks others.
    let seeds = std::env::var("PARTYLINE_CHAOS_SEEDS").ok().and_then(|text| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    for seed in seeds.unwrap_or(1_000..1_012) {
        walk(seed);
    }
}
