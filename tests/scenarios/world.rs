//! A world in which time is a number: the whole bridge in process, phones, and a network between them.
//!
//! No socket, no thread, no sleep. The switch and the audio plane are the real ones; rows are kept as they are saved,
//! URLs answer what the test put behind them. The seed decides the rest, and a failure prints it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{Pages, Plane};
use model::{
    AccountEvent, AccountSid, Call, CallSid, Clip, Conference, ConferenceEvent, ConferenceSid, Direction, DirectoryRow,
    Exchange, HttpMethod, LegStats, Notification, Participant, QueueSid, Registration, RoutingRow, SipDomainSid,
    TaskRouterEvent, Timestamp,
};
use sip::{Challenge, Login};
use switch::routing::{Assignment, AssignmentId, Instruction};
use switch::webhook::{Answered, Ask, AskFailed, AskId, Callback, CallbackBody, Purpose};
use switch::{
    Answer, CallChange, Command, ConferenceRef, Directory, DirectoryCommand, DirectoryConfig, Effect, Event,
    FetchFailed, FetchId, HookChange, Instructions, Link, MediaAddress, Now, NumberChange, NumberWanted, OpenRooms,
    OwnAddresses, ParticipantChange, ParticipantRef, Refusal, RequestId, Row, StreamOrder, Switch, VoiceHooksChange,
};
use testkit::hearing::{Heard, Picture, Sound};
use testkit::sdp::Flow;
use testkit::sip::Message;

use crate::network::{Network, Weather};
use crate::phone::{Phone, State, Voice};

/// Everything there is.
pub(crate) struct World {
    pub(crate) switch: Switch,
    pub(crate) calls: BTreeMap<CallSid, Call>,
    pub(crate) conferences: BTreeMap<ConferenceSid, Conference>,
    pub(crate) participants: BTreeMap<CallSid, Participant>,
    /// Those that there are, by name.
    queues: BTreeMap<String, QueueSid>,
    pub(crate) leg_stats: BTreeMap<CallSid, LegStats>,
    /// Everything that happened, as saved …
    pub(crate) log: Vec<AccountEvent>,
    /// … and of it, what did in conferences.
    pub(crate) events: Vec<ConferenceEvent>,
    /// Everything that went wrong, as developers are told.
    pub(crate) notifications: Vec<Notification>,
    /// What applications are asked.
    pub(crate) asks: Vec<Ask>,
    /// What they are told.
    pub(crate) callbacks: Vec<Callback>,
    /// What they are asked to do with reservations. A test answers itself.
    pub(crate) assignments: Vec<Assignment>,
    /// What the application answers when it is asked what to do with a reservation: each once, nothing in between.
    pub(crate) instructions: VecDeque<Instruction>,
    /// Questions about reservations that are on their way.
    assigning: Vec<(u64, AssignmentId)>,
    /// What there is of workspaces, by SID, as last saved.
    pub(crate) routing: BTreeMap<String, RoutingRow>,
    /// What happened in workspaces.
    pub(crate) routing_events: Vec<Arc<TaskRouterEvent>>,
    /// What is asked of media streams. A test says itself what becomes of them.
    pub(crate) streams: Vec<StreamOrder>,
    /// Where users are reached, as saved.
    registrations: BTreeMap<(SipDomainSid, String), Vec<Registration>>,
    /// How often that was saved.
    pub(crate) registrations_saved: u32,
    config: switch::Config,
    set_up: Vec<DirectoryRow>,
    seed: u64,
    plane: Plane,
    network: Network,
    phones: Vec<Phone>,
    /// What is behind a URL.
    files: HashMap<String, Arc<Pages>>,
    /// What the application answers to a request for a URL: each one once, the last for ever.
    documents: HashMap<String, VecDeque<String>>,
    due: Vec<(u64, AskId, String)>,
    /// Where streams were to be opened to.
    refused: Vec<SocketAddr>,
    fetches: Vec<(u64, FetchId, String)>,
    answers: BTreeMap<u64, Result<Answer, Refusal>>,
    asked: u64,
    origin: Instant,
    now_us: u64,
}

/// Whose everything is.
pub(crate) const ACCOUNT: AccountSid = AccountSid::from_bits(0xacc);
const BRIDGE: ([u8; 4], u16) = ([10, 0, 0, 1], 5060);
/// What a caller hears while a phone rings.
pub(crate) const RING_BACK_HZ: u32 = 425;
const STEP_US: u64 = 1_000;
/// How long a fetch takes.
const FETCH_US: u64 = 30_000;
/// How long who hears whom is measured.
const LISTEN_US: u64 = 500_000;

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, |_, _| {})
    }

    /// A world whose bridge is set up in a particular way.
    pub(crate) fn with(seed: u64, adjust: impl FnOnce(&mut switch::Config, &mut media::Config)) -> Self {
        let mut config = switch::Config {
            account: ACCOUNT,
            open_rooms: OpenRooms::Private,
            calls_max: 1_000,
            room_legs_max: 250,
            call_time_limit: Duration::from_secs(4 * 3600),
            held_rtp_timeout: Duration::from_secs(1800),
            drain: Duration::from_secs(30),
            fetches_max: 16,
            asks_max: 64,
            addresses: vec![MediaAddress { bind: [10, 0, 0, 1].into(), advertised: None }],
            own: OwnAddresses { signalling: vec![SocketAddr::from(BRIDGE)], ..OwnAddresses::default() },
            codecs: vec![sip::AudioCodec::Pcmu, sip::AudioCodec::Pcma],
            region: "us1".to_owned(),
            hold_music: music(),
            beep: pages(1_000, 1_600, -20.0),
            trunks: Vec::new(),
            qualify: None,
            ring_back: pages(RING_BACK_HZ, 8_000, -20.0),
            sip: sip::Config::default(),
        };
        // Rooms stay in their slots: a test knows when they tick.
        let mut media = media::Config { threads: 1, seed, chooses_slots: false, ..media::Config::default() };
        adjust(&mut config, &mut media);
        let network = Network::new(seed);
        Self {
            switch: Switch::new(config.clone(), seed, 0),
            calls: BTreeMap::new(),
            conferences: BTreeMap::new(),
            participants: BTreeMap::new(),
            queues: BTreeMap::new(),
            leg_stats: BTreeMap::new(),
            log: Vec::new(),
            events: Vec::new(),
            notifications: Vec::new(),
            asks: Vec::new(),
            callbacks: Vec::new(),
            assignments: Vec::new(),
            instructions: VecDeque::new(),
            assigning: Vec::new(),
            routing: BTreeMap::new(),
            routing_events: Vec::new(),
            streams: Vec::new(),
            registrations: BTreeMap::new(),
            registrations_saved: 0,
            config,
            set_up: Vec::new(),
            seed,
            plane: Plane::manual(media, Box::new(network.clone())),
            network,
            phones: Vec::new(),
            files: HashMap::new(),
            documents: HashMap::new(),
            due: Vec::new(),
            refused: Vec::new(),
            fetches: Vec::new(),
            answers: BTreeMap::new(),
            asked: 0,
            origin: Instant::now(),
            now_us: 0,
        }
    }

    /// The same, with what accounts have set up.
    pub(crate) fn set_up(self, rows: impl IntoIterator<Item = DirectoryRow>) -> Self {
        let set_up: Vec<_> = rows.into_iter().collect();
        let directory = Directory::load(DirectoryConfig::default(), set_up.clone());
        Self { switch: self.switch.with_directory(directory), set_up, ..self }
    }

    /// The process ends without a word, and another one starts from what it has saved.
    pub(crate) fn restart(&mut self) {
        let seq = 1_000;
        let directory = Directory::load(DirectoryConfig::default(), self.set_up.clone());
        let registrations = self.registrations.values().flatten().cloned().collect();
        let switch = Switch::new(self.config.clone(), self.seed.wrapping_add(1), seq).with_directory(directory);
        self.switch = switch.with_registrations(self.now(), registrations);
    }

    /// A phone that waits to be called makes itself known under an address.
    pub(crate) fn register(&mut self, name: &str, aor: &str, password: &str) {
        if !self.phones.iter().any(|phone| phone.name == name) {
            self.phone_waits(name);
        }
        self.register_again(name, aor, password);
    }

    /// What a phone says that wants to be known, and does not know the password yet.
    pub(crate) fn register_request(&mut self, name: &str, aor: &str) -> String {
        self.phone_mut(name).register(aor, "")
    }

    /// From now on a phone says that it is reached there.
    pub(crate) fn contact_is(&mut self, name: &str, uri: &str) {
        self.phone_mut(name).says_it_is_at = Some(uri.to_owned());
    }

    /// A phone that is there makes itself known.
    pub(crate) fn register_again(&mut self, name: &str, aor: &str, password: &str) {
        let request = self.phone_mut(name).register(aor, "");
        self.say(name, &request);
        let challenge = self.phone_mut(name).answer.take().expect("a challenge");
        let challenge = challenge.header("www-authenticate").and_then(|header| Challenge::parse(header).ok());
        let (user, domain) = aor.trim_start_matches("sip:").split_once('@').expect("a user at a domain");
        let (uri, login) = (format!("sip:{domain}"), Login::new(user, password));
        let proof = challenge.expect("a challenge").answer(&login, &sip::Method::Register, &uri, 1, "c0ffee");
        let request = self.phone_mut(name).register(aor, &format!("Authorization: {proof}\r\n"));
        self.say(name, &request);
        let answer = self.phone_mut(name).answer.take();
        assert_eq!(answer.and_then(|answer| answer.status()), Some(200), "{name} is registered ({self})");
    }

    /// A new phone dials a room, and is through when this returns.
    pub(crate) fn dial(&mut self, name: &str, room: &str) {
        self.try_dial(name, room);
        self.run_for(Duration::from_millis(100));
        assert_eq!(self.phone(name).state, State::Talking, "{name} is through ({self})");
    }

    /// A new phone dials a room.
    pub(crate) fn try_dial(&mut self, name: &str, room: &str) {
        let mut phone = Phone::new(name, self.phones.len(), room, SocketAddr::from(BRIDGE));
        let (from, invite) = (phone.address, phone.invite());
        self.phones.push(phone);
        self.arrive(from, &invite);
    }

    /// A new phone dials a room, and before the bridge has opened its leg another hangs up.
    pub(crate) fn dial_while_hanging_up(&mut self, name: &str, room: &str, leaver: &str) {
        let mut phone = Phone::new(name, self.phones.len(), room, SocketAddr::from(BRIDGE));
        let (from, invite) = (phone.address, phone.invite());
        self.phones.push(phone);
        self.handle(self.datagram(from, &invite));
        self.hang_up(leaver);
        self.run_for(Duration::from_millis(100));
    }

    /// A new phone dials a room and wants to hear the bridge's offer first.
    pub(crate) fn dial_without_offer(&mut self, name: &str, room: &str) {
        let mut phone = Phone::new(name, self.phones.len(), room, SocketAddr::from(BRIDGE));
        phone.wants_offer();
        let (from, invite) = (phone.address, phone.invite_without_offer());
        self.phones.push(phone);
        self.arrive(from, &invite);
        self.run_for(Duration::from_millis(100));
    }

    /// A new phone dials a room, and never acknowledges the answer.
    pub(crate) fn dial_without_ack(&mut self, name: &str, room: &str) {
        let mut phone = Phone::new(name, self.phones.len(), room, SocketAddr::from(BRIDGE));
        phone.acknowledges = false;
        let (from, invite) = (phone.address, phone.invite());
        self.phones.push(phone);
        self.arrive(from, &invite);
    }

    /// The phone holds, or takes up again, by re-INVITE.
    pub(crate) fn phone_says(&mut self, name: &str, flow: Flow) {
        let phone = self.phone_mut(name);
        let (from, request) = (phone.address, phone.reinvite(flow));
        self.arrive(from, &request);
    }

    /// A phone that has not been answered gives up.
    pub(crate) fn cancel(&mut self, name: &str) {
        let phone = self.phone_mut(name);
        let (from, cancel) = (phone.address, phone.cancel());
        self.arrive(from, &cancel);
    }

    /// The phone hums, or speaks, or says nothing more.
    pub(crate) fn voices(&mut self, name: &str, voice: Voice) {
        self.phone_mut(name).voice = voice;
    }

    pub(crate) fn hang_up(&mut self, name: &str) {
        let phone = self.phone_mut(name);
        let (from, bye) = (phone.address, phone.bye());
        self.arrive(from, &bye);
    }

    /// The phone goes silent without a word.
    pub(crate) fn vanish(&mut self, name: &str) {
        self.phone_mut(name).alive = false;
    }

    /// And is there again.
    pub(crate) fn come_back(&mut self, name: &str) {
        self.phone_mut(name).alive = true;
    }

    pub(crate) fn press(&mut self, name: &str, event: u8) {
        let network = self.network.clone();
        self.phone_mut(name).press(event, &network);
    }

    /// Says by INFO that a key is pressed.
    pub(crate) fn press_by_info(&mut self, name: &str, signal: &str) {
        let phone = self.phone_mut(name);
        let (from, said) = (phone.address, phone.key_by_info(signal));
        self.arrive(from, &said);
    }

    pub(crate) fn weather(&mut self, name: &str, weather: Weather) {
        let audio = self.phone(name).audio();
        self.network.set_weather(audio, weather);
    }

    /// Puts a tone of one second behind a URL.
    pub(crate) fn file(&mut self, url: &str, hz: u32) {
        self.files.insert(url.to_owned(), pages(hz, 8_000, -20.0));
    }

    /// Puts documents behind a URL: each is answered once, the last one for ever.
    pub(crate) fn documents(&mut self, url: &str, documents: &[&str]) {
        let response = |document: &&str| format!("<Response>{document}</Response>");
        self.documents.insert(url.to_owned(), documents.iter().map(response).collect());
    }

    /// Makes a tone of one second of what is said.
    pub(crate) fn voice(&mut self, text: &str, hz: u32) {
        self.files.insert(text.to_owned(), pages(hz, 8_000, -20.0));
    }

    /// A number whose calls are handled by the document behind a URL.
    pub(crate) fn number(&mut self, number: &str, voice_url: &str) {
        let hooks = HookChange { url: Some(Some(voice_url.to_owned())), method: None };
        let change = NumberChange {
            voice: VoiceHooksChange { voice: hooks, ..VoiceHooksChange::default() },
            ..NumberChange::default()
        };
        let number = NumberWanted::Exactly(number.to_owned());
        let create =
            DirectoryCommand::CreateNumber { account: ACCOUNT, number, number_type: None, change: Box::new(change) };
        self.command(Command::Directory(create)).expect("the number is free");
    }

    /// A phone that waits to be called.
    pub(crate) fn phone_waits(&mut self, name: &str) -> String {
        let phone = Phone::idle(name, self.phones.len(), SocketAddr::from(BRIDGE));
        let uri = format!("sip:{name}@{}", phone.address);
        self.phones.push(phone);
        uri
    }

    /// The same in another network, where the bridge has this address.
    pub(crate) fn phone_waits_at(&mut self, name: &str, address: &str, bridge: &str) -> String {
        let [address, bridge] = [address, bridge].map(|text| text.parse().expect("an address"));
        self.phones.push(Phone::idle_at(name, self.phones.len(), address, bridge));
        format!("sip:{name}@{address}")
    }

    /// Where the bridge is, as it was told at its start.
    pub(crate) fn own_addresses(&self) -> OwnAddresses {
        self.config.own.clone()
    }

    /// A phone that rings sends its caller elsewhere.
    pub(crate) fn send_elsewhere(&mut self, name: &str, to: &str) {
        let phone = self.phone_mut(name);
        let (from, said) = (phone.address, phone.redirect(to));
        self.arrive(from, &said);
    }

    /// A phone that rings is taken up.
    pub(crate) fn take_up(&mut self, name: &str) {
        let phone = self.phone_mut(name);
        let (from, said) = (phone.address, phone.take_up());
        self.arrive(from, &said);
    }

    /// A phone that rings is taken up, but what it says is still on its way: [`World::say`] delivers it.
    pub(crate) fn prepare_to_take_up(&mut self, name: &str) -> String {
        self.phone_mut(name).take_up()
    }

    /// What a phone has said arrives.
    pub(crate) fn say(&mut self, name: &str, said: &str) {
        let from = self.phone(name).address;
        self.arrive(from, said);
    }

    /// The statuses of what a phone is told at once to something it asks by itself.
    pub(crate) fn asked_by(&mut self, name: &str, said: &str) -> Vec<u16> {
        let address = self.phone(name).address;
        let mut effects = Vec::new();
        self.switch.handle(self.now(), self.datagram(address, said), &mut effects);
        let status = |effect: &Effect| match effect {
            Effect::Send { flow, bytes } if flow.remote == address => Message::scan(bytes)?.status(),
            _ => None,
        };
        let statuses = effects.iter().filter_map(status).collect();
        self.carry_out(effects);
        statuses
    }

    /// A phone that rings is refused.
    pub(crate) fn refuse(&mut self, name: &str, status: &str) {
        let phone = self.phone_mut(name);
        let (from, said) = (phone.address, phone.refuse(status));
        self.arrive(from, &said);
    }

    /// A phone that rings says something already.
    pub(crate) fn speak_early(&mut self, name: &str) {
        let phone = self.phone_mut(name);
        let (from, said) = (phone.address, phone.speak_early());
        self.arrive(from, &said);
    }

    /// The purposes of everything asked behind a URL, and then of what it was only told.
    pub(crate) fn purposes(&self, url: &str) -> Vec<&Purpose> {
        let asked = self.asks.iter().filter(|ask| ask.url == url).map(|ask| &ask.purpose);
        let told = self.callbacks.iter().filter(|callback| callback.url == url);
        let told = told.filter_map(|callback| match &callback.body {
            CallbackBody::Action { purpose, .. } => Some(purpose),
            _ => None,
        });
        asked.chain(told).collect()
    }

    fn answer_ask(&mut self, ask: AskId, url: &str) {
        let own = url.to_owned();
        let document = self.documents.get_mut(url).and_then(|documents| match documents.len() {
            1 => documents.front().cloned(),
            _ => documents.pop_front(),
        });
        let outcome = match document {
            Some(document) => Ok(Answered::Document { bytes: document.into(), url: own }),
            None if self.files.contains_key(url) => Ok(Answered::Audio { url: own, file: None }),
            None => Err(AskFailed { code: 11_200, message: "nothing there".to_owned(), url: own, status: Some(404) }),
        };
        self.handle(Event::Asked { ask, outcome, remarks: Vec::new(), exchange: exchange(url) });
    }

    /// What the API would do, as the switch sees it.
    pub(crate) fn command(&mut self, command: Command) -> Result<Answer, Refusal> {
        self.asked += 1;
        self.handle(Event::Command { request: RequestId(self.asked), command });
        self.answers.remove(&self.asked).expect("every command is answered at once")
    }

    /// Changes one participant, by its phone's name.
    pub(crate) fn update(&mut self, name: &str, change: ParticipantChange) -> Result<Participant, Refusal> {
        let (conference, call) = self.membership(name);
        let command = Command::UpdateParticipant {
            account: ACCOUNT,
            conference: ConferenceRef::Sid(conference),
            participant: ParticipantRef::Call(call),
            change,
        };
        match self.command(command)? {
            Answer::Participant(participant) => Ok(participant),
            other => panic!("an update is answered with the participant, not {other:?}"),
        }
    }

    pub(crate) fn kick(&mut self, name: &str) -> Result<Answer, Refusal> {
        let (conference, call) = self.membership(name);
        let (conference, participant) = (ConferenceRef::Sid(conference), ParticipantRef::Call(call));
        self.command(Command::RemoveParticipant { account: ACCOUNT, conference, participant })
    }

    /// The call of a phone, as saved: the one it has made, else the last that was made to it.
    pub(crate) fn call(&self, name: &str) -> &Call {
        let address = format!("sip:{name}@");
        let made = |call: &&Call| call.direction == Direction::Inbound && call.from.starts_with(&address);
        let got = self.calls.values().filter(|call| call.to.starts_with(&address)).max_by_key(|call| call.seq);
        let call = self.calls.values().filter(made).max_by_key(|call| call.seq).or(got);
        call.unwrap_or_else(|| panic!("{name} has called, or was called ({self})"))
    }

    /// Ends a call, or gives it something else to do, by its phone's name.
    pub(crate) fn update_call(&mut self, name: &str, adjust: impl FnOnce(&mut CallChange)) -> Result<Call, Refusal> {
        let mut change = CallChange::none(ACCOUNT, self.call(name).sid);
        adjust(&mut change);
        match self.command(Command::UpdateCall(Box::new(change)))? {
            Answer::Call(call) => Ok(call),
            other => panic!("an update is answered with the call, not {other:?}"),
        }
    }

    /// Gives a live call another document.
    pub(crate) fn redirect(&mut self, name: &str, url: &str) -> Result<Call, Refusal> {
        let link = Link { url: url.to_owned(), method: HttpMethod::Post };
        self.update_call(name, |change| change.instructions = Some(Instructions::Link(link)))
    }

    /// How often something was asked.
    pub(crate) fn times_asked(&self, url: &str) -> usize {
        self.purposes(url).len()
    }

    /// Developers were told of this so often.
    pub(crate) fn times_notified(&self, code: u16) -> usize {
        self.notifications.iter().filter(|notification| notification.error_code == code).count()
    }

    /// The names of all phones whose calls have got there.
    pub(crate) fn phones_that(&self, state: &State) -> Vec<String> {
        self.phones.iter().filter(|phone| phone.state == *state).map(|phone| phone.name.clone()).collect()
    }

    /// The queue of a name, if there is one.
    pub(crate) fn find_queue(&self, name: &str) -> Option<QueueSid> {
        self.queues.get(name).copied()
    }

    /// The queue of a name.
    pub(crate) fn queue(&self, name: &str) -> QueueSid {
        *self.queues.get(name).unwrap_or_else(|| panic!("there is a queue {name} ({self})"))
    }

    /// What applications were told of one phone's call: the event, its number, and the call's status then.
    pub(crate) fn told_of_call(&self, name: &str) -> Vec<String> {
        let sid = self.call(name).sid;
        let of_call = self.callbacks.iter().filter_map(|callback| match &callback.body {
            CallbackBody::CallStatus(progress) if progress.facts.call.sid == sid => Some(progress),
            _ => None,
        });
        of_call.map(|p| format!("{} {} {}", p.sequence, p.event.as_str(), p.facts.call.status)).collect()
    }

    /// What applications were told of conferences: number and event.
    pub(crate) fn told_of_conferences(&self) -> Vec<String> {
        let told = self.callbacks.iter().filter_map(|callback| match &callback.body {
            CallbackBody::Conference { event, sequence } => Some(format!("{sequence} {}", event.name())),
            _ => None,
        });
        told.collect()
    }

    /// Everybody has gone, and nothing of them is left: no call, no leg, no timer.
    pub(crate) fn check_nothing_is_left(&mut self) {
        self.run_for(Duration::from_secs(1));
        let stats = self.switch.stats();
        assert!(self.switch.is_idle(), "{stats:?} ({self})");
        assert_eq!((stats.calls, stats.conferences, stats.participants, stats.running), (0, 0, 0, 0), "{self}");
        // What SIP keeps for retransmissions (RFC 3261 §17).
        self.run_in_steps(Duration::from_secs(40), 100 * STEP_US);
        assert_eq!(self.switch.next_deadline(), None, "no timer is left ({self})");
    }

    pub(crate) fn participant(&self, name: &str) -> &Participant {
        &self.participants[&self.call(name).sid]
    }

    /// The newest conference of a name, as saved.
    pub(crate) fn conference(&self, name: &str) -> &Conference {
        let named = self.conferences.values().filter(|conference| conference.friendly_name == name);
        named.max_by_key(|conference| conference.seq).unwrap_or_else(|| panic!("there was a {name} ({self})"))
    }

    pub(crate) fn membership(&self, name: &str) -> (ConferenceSid, CallSid) {
        let participant = self.participant(name);
        (participant.conference_sid, participant.call_sid)
    }

    pub(crate) fn phone(&self, name: &str) -> &Phone {
        self.phones.iter().find(|phone| phone.name == name).expect("a phone of that name")
    }

    fn phone_mut(&mut self, name: &str) -> &mut Phone {
        self.phones.iter_mut().find(|phone| phone.name == name).expect("a phone of that name")
    }

    /// The bridge has something to do at once.
    pub(crate) fn is_due(&self) -> bool {
        self.switch.next_deadline().is_some_and(|at| at <= self.now().instant)
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, span: Duration) {
        self.run_in_steps(span, STEP_US);
    }

    /// Lets time pass in which nobody is expected to say anything.
    fn run_in_steps(&mut self, span: Duration, step_us: u64) {
        let until_us = self.now_us + u64::try_from(span.as_micros()).expect("not for ever");
        while self.now_us < until_us {
            self.now_us += step_us;
            self.network.set_now(self.now_us);
            for phone in &mut self.phones {
                phone.hum(self.now_us, &self.network);
            }
            self.plane.run_until(self.now_us);
            self.collect_media();
            while let Some(n) = self.due.iter().position(|(at_us, ..)| *at_us <= self.now_us) {
                let (_, ask, url) = self.due.remove(n);
                self.answer_ask(ask, &url);
            }
            while let Some(n) = self.assigning.iter().position(|(at_us, ..)| *at_us <= self.now_us) {
                let (_, assignment) = self.assigning.remove(n);
                let (outcome, exchange) = (Ok(self.instructions.pop_front()), exchange("https://app.test/assignment"));
                self.handle(Event::Assigned { assignment, outcome, remarks: Vec::new(), exchange });
            }
            while let Some(n) = self.fetches.iter().position(|(at_us, ..)| *at_us <= self.now_us) {
                let (_, fetch, url) = self.fetches.remove(n);
                let found = self.files.get(&url).cloned();
                // A page is no sound.
                let code = if url.ends_with(".html") { 13_420 } else { 11_200 };
                let outcome = found.ok_or_else(|| FetchFailed { code, reason: format!("nothing at {url}") });
                self.handle(Event::Fetched { fetch, outcome });
            }
            if self.is_due() {
                self.handle(Event::Timeout);
            }
            for phone in &mut self.phones {
                phone.listen(self.network.take(phone.audio()));
            }
        }
    }

    /// Lets half a second pass, and holds what was heard in it against a picture (row hears column).
    pub(crate) fn check_hearing(&mut self, picture: &str) {
        let since_us = self.now_us;
        self.run_for(Duration::from_micros(LISTEN_US));
        let mut sounds: Vec<(&str, Sound)> =
            self.phones.iter().map(|phone| (phone.name.as_str(), Sound::Hum(phone.tone))).collect();
        sounds.push(("music", Sound::Music));
        let mut heard = Heard::new(&sounds);
        for phone in &self.phones {
            heard.measure(&phone.name, &phone.heard_since(since_us));
        }
        if let Err(mismatch) = Picture::parse(picture).check(&heard) {
            panic!("{mismatch}\n({self})");
        }
    }

    /// What a phone hears in half a second from now.
    pub(crate) fn listen(&mut self, name: &str) -> Vec<i16> {
        let since_us = self.now_us;
        self.run_for(Duration::from_micros(LISTEN_US));
        self.phone(name).heard_since(since_us)
    }

    /// Packets a phone hears in a second from now.
    pub(crate) fn packets_in_a_second(&mut self, name: &str) -> usize {
        let since_us = self.now_us;
        self.run_for(Duration::from_secs(1));
        self.phone(name).packets_since(since_us)
    }

    fn now(&self) -> Now {
        let since = Duration::from_micros(self.now_us);
        Now { instant: self.origin + since, wall: Timestamp::from_micros(1_770_714_487_000_000) + since }
    }

    fn arrive(&mut self, from: SocketAddr, message: &str) {
        self.handle(self.datagram(from, message));
        self.collect_media();
    }

    fn datagram(&self, from: SocketAddr, message: &str) -> Event {
        let phone = self.phones.iter().find(|phone| phone.address == from);
        let local = phone.map_or(SocketAddr::from(BRIDGE), |phone| phone.bridge);
        let flow = sip::Flow { transport: sip::Transport::Udp, local, remote: from, connection: None };
        Event::Sip { flow, bytes: Bytes::copy_from_slice(message.as_bytes()) }
    }

    fn collect_media(&mut self) {
        while let Some(event) = self.plane.poll() {
            self.handle(Event::Media(event));
        }
    }

    /// One event, and all its effects.
    pub(crate) fn handle(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.switch.handle(self.now(), event, &mut effects);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        // What phones say to this comes after all of it, however quick they are.
        let mut replies = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send { flow, bytes } => {
                    let phone = self.phones.iter_mut().find(|phone| phone.address == flow.remote);
                    let said = phone.filter(|phone| phone.alive).map(|phone| phone.receive(&bytes));
                    replies.extend(said.into_iter().flatten().map(|said| (flow.remote, said)));
                }
                // No scenario has a domain name system.
                Effect::Close { .. } | Effect::Lookup(_) => {}
                // Nobody here speaks over streams.
                Effect::Connect { remote } => self.refused.push(remote),
                Effect::Media(batch) => {
                    self.plane.apply(batch);
                }
                Effect::Save(Row::Call(call)) => {
                    if let Some(before) = self.calls.get(&call.sid) {
                        legal::call(before.status, call.status);
                    }
                    self.calls.insert(call.sid, call);
                }
                Effect::Save(Row::Conference(conference)) => {
                    if let Some(before) = self.conferences.get(&conference.sid) {
                        legal::conference(before.status, conference.status);
                    }
                    self.conferences.insert(conference.sid, conference);
                }
                Effect::Save(Row::Participant(participant)) => {
                    let before = self.participants.get(&participant.call_sid);
                    if let Some(before) = before.filter(|before| before.conference_sid == participant.conference_sid) {
                        legal::participant(before, &participant);
                    }
                    self.participants.insert(participant.call_sid, participant);
                }
                Effect::Save(Row::LegStats(call, stats)) => {
                    self.leg_stats.insert(call, stats);
                }
                Effect::Save(Row::Event(event)) => {
                    self.log.push(event.clone());
                    if let AccountEvent::Conference(event) = event {
                        self.events.push(event);
                    }
                }
                Effect::Save(Row::Notification(notification)) => self.notifications.push(notification),
                Effect::Save(Row::CallbackClosed(id)) => self.callbacks.retain(|callback| callback.id != id),
                Effect::Save(Row::Registrations(domain, user, contacts)) => {
                    self.registrations.insert((domain, user), contacts);
                    self.registrations_saved += 1;
                }
                Effect::Save(Row::Directory(row)) => {
                    if let DirectoryRow::Queue(queue) = *row {
                        self.queues.insert(queue.friendly_name, queue.sid);
                    }
                }
                // The switch remembers what is set up itself.
                Effect::Save(Row::DirectoryDeleted(_) | Row::StatisticsBucket(_)) => {}
                Effect::Save(Row::Routing(row)) => {
                    self.routing.insert(row_sid(&row), *row);
                }
                Effect::Save(Row::RoutingDeleted(key)) => {
                    self.routing.remove(&key.to_string());
                }
                Effect::Save(Row::TaskRouterEvent(event)) => self.routing_events.push(event),
                Effect::Assign(assignment) => {
                    self.assigning.push((self.now_us + FETCH_US, assignment.id));
                    self.assignments.push(*assignment);
                }
                Effect::Ask(ask) => {
                    self.due.push((self.now_us + FETCH_US, ask.ask, ask.url.clone()));
                    self.asks.push(ask);
                }
                Effect::Callback(callback) => self.callbacks.push(*callback),
                Effect::Fetch { fetch, url, .. } => self.fetches.push((self.now_us + FETCH_US, fetch, url.url)),
                Effect::Speak { fetch, text, .. } => self.fetches.push((self.now_us + FETCH_US, fetch, text)),
                Effect::Stream(order) => self.streams.push(order),
                Effect::Reply { request, answer } => {
                    self.answers.insert(request.0, answer);
                }
            }
        }
        for remote in std::mem::take(&mut self.refused) {
            self.handle(Event::Connected { remote, flow: None });
        }
        for (from, said) in replies {
            self.arrive(from, &said);
        }
    }
}

/// A request to an application, and its answer.
fn exchange(url: &str) -> Arc<Exchange> {
    Arc::new(Exchange {
        method: HttpMethod::Post,
        url: url.to_owned(),
        parameters: String::new(),
        status: Some(200),
        headers: String::new(),
        content_type: "text/xml".to_owned(),
        body: String::new(),
        duration: Duration::from_micros(FETCH_US),
    })
}

fn row_sid(row: &RoutingRow) -> String {
    row.key().to_string()
}

/// Which state may follow which (rest-voice §3.5, §4.3, §5.5): final ones never change.
mod legal {
    use model::{CallStatus, ConferenceStatus, Participant, ParticipantStatus};

    pub(super) fn call(before: CallStatus, now: CallStatus) {
        use CallStatus as S;
        let order = |status| match status {
            S::Queued => 0,
            S::Ringing => 1,
            S::InProgress => 2,
            S::Completed | S::Busy | S::NoAnswer | S::Failed | S::Canceled => 3,
        };
        let answered_first = now != S::Completed || matches!(before, S::InProgress | S::Completed);
        let ends = before == now || order(before) < order(now) && (before != S::InProgress || now == S::Completed);
        assert!(ends && answered_first, "a call that is {before} cannot be {now}");
    }

    pub(super) fn conference(before: ConferenceStatus, now: ConferenceStatus) {
        use ConferenceStatus as S;
        let order = |status| match status {
            S::Init => 0,
            S::InProgress => 1,
            S::Completed => 2,
        };
        assert!(before == now && now != S::Completed || order(before) < order(now), "{before} cannot be {now}");
    }

    pub(super) fn participant(before: &Participant, now: &Participant) {
        use ParticipantStatus as S;
        let order = |status| match status {
            S::Queued => 0,
            S::Connecting => 1,
            S::Ringing => 2,
            S::Connected => 3,
            S::Complete | S::Failed => 4,
        };
        // One call may come to the same conference again: that is another participant.
        let again = before.seq != now.seq && order(before.status) == 4;
        let on = before.status == now.status && order(now.status) < 4 || order(before.status) < order(now.status);
        assert!(again || on, "a participant that is {} cannot be {}", before.status, now.status);
    }
}

impl std::fmt::Display for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {}, after {} ms", self.seed, self.now_us / 1_000)
    }
}

/// Three tones that no phone hums: loud, and plainly nobody's voice.
fn music() -> Arc<Pages> {
    static MUSIC: OnceLock<Arc<Pages>> = OnceLock::new();
    Arc::clone(MUSIC.get_or_init(|| {
        let chord = [440.0_f64, 554.0, 660.0];
        let sample = |n: u32| {
            let at = f64::from(n) / 8_000.0 * std::f64::consts::TAU;
            chord.iter().map(|hz| 1_500.0 * (hz * at).sin()).sum::<f64>() as i16
        };
        Arc::new(Pages::new(&Clip { rate_hz: 8_000, samples: (0..8_000).map(sample).collect() }))
    }))
}

fn pages(hz: u32, samples: usize, dbfs: f64) -> Arc<Pages> {
    let tone = testkit::tone::Tone { hz }.second(dbfs);
    Arc::new(Pages::new(&Clip { rate_hz: 8_000, samples: tone.into_iter().cycle().take(samples).collect() }))
}
