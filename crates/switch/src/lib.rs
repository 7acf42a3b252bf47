//! The switch: every live call and conference. Events in, effects out.
//!
//! Everything that happens is an [`Event`]; everything we do is an [`Effect`]. [`Switch::handle`] turns one into
//! the other, one event at a time, and never waits: no socket, no clock, no SQL, no lock. What takes time (binding
//! a port, fetching music, committing a row) leaves as an effect and comes back as an event.

mod announcements;
mod board;
mod call;
mod command;
mod conference;
mod conference_callback;
mod config;
mod dial;
mod directory;
mod effect;
mod entry;
mod follow_up;
mod hearing;
mod inbound;
mod info_digit;
mod journal;
mod keypad;
mod leg;
mod lookup;
mod new_call;
mod offer;
mod outbound;
mod participant;
mod progress;
mod quality;
mod queue;
mod queue_command;
mod reach;
mod registration;
pub mod routing;
mod script;
mod stream;
mod timers;
mod trunk;
mod turn;
pub mod webhook;

use std::collections::VecDeque;
use std::time::Instant;

use model::{AccountStatus, Registration};
use sip::{Endpoint, Output};

pub use board::Counts;
pub use command::{
    Answer, AudioUrl, CallEnd, Command, ConferenceRef, Measurement, ParticipantChange, ParticipantRef, Refusal,
    TuningChange,
};
pub use config::{Config, MediaAddress, OpenRooms, OwnAddresses};
pub use directory::{
    ApplicationChange, CredentialUse, Directory, DirectoryCommand, DirectoryConfig, DirectoryRefusal, DomainChange,
    HookChange, NumberChange, NumberPattern, NumberWanted, Set, SmsHooksChange, VoiceHooksChange, VoiceTarget,
};
pub use effect::{Effect, Event, FetchFailed, FetchId, RequestId, Row};
pub use lookup::{Led, Lookups};
pub use model::HttpMethod;
pub use new_call::{Amd, CallChange, Callee, Instructions, LegRecording, NewCall, NewLeg, NewParticipant, NewRoom};
pub use quality::{Histogram, Quality};
pub use queue_command::{MemberRef, QueueCommand, QueueLoad, QueueMember, QueueState};
pub use registration::{Identity, RegistrationCounts, Registrations};
pub use stream::{OpenStream, StreamCommand, StreamEvent, StreamOrder, StreamRef, StreamState};
pub use trunk::Trunk;
pub use turn::Now;
/// What calls that are asked for have in common with those that documents dial.
pub use twiml::{
    CallCallback, ConferenceEvents, Link, MachineDetection, Parameter, RecordingCallback, SipCredentials, Stream,
    Track, WaitAudio,
};

use board::Board;
use directory::{Desk, QueueList};
use journal::Journal;
use routing::Routing;
use timers::Timers;
use turn::{Asks, Fetches, Names, Turn};

/// The one owner of everything that lives.
#[derive(Debug)]
pub struct Switch {
    config: Config,
    names: Names,
    fetches: Fetches,
    asks: Asks,
    timers: Timers,
    journal: Journal,
    directory: Directory,
    queue_list: QueueList,
    routing: Routing,
    board: Board,
    /// When the calls that still live are ended.
    drain_at: Option<Instant>,
}

/// How much is going on, and how much has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Calls that are not over.
    pub calls: usize,
    /// Conferences that are not completed.
    pub conferences: usize,
    /// Participants in them.
    pub participants: usize,
    /// Trunks that did not answer when they were last asked.
    pub trunks_silent: usize,
    /// Documents, dials, places in queues, and requests to applications under way.
    pub running: usize,
    /// Since the start.
    pub counts: Counts,
    /// Phones registered.
    pub registrations: usize,
    /// Those of them that did not answer when they were last asked.
    pub registrations_silent: usize,
    /// What came of their asking, since the start.
    pub registration_counts: RegistrationCounts,
    /// What was decided about strangers, since the start.
    pub limits: sip::LimitStats,
    /// How all legs have been doing since the start.
    pub quality: Quality,
    /// Events about who speaks that were not told, because there were too many.
    pub events_dropped: u64,
}

impl Switch {
    /// `seed` feeds SIDs and tags (from the operating system in a server, fixed in a test); `seq` is the highest
    /// order number ever saved.
    pub fn new(config: Config, seed: u64, seq: i64) -> Self {
        let endpoint = Endpoint::new(config.sip.clone(), seed.rotate_left(32));
        let lookups = Lookups::new(config.sip.resolver.clone(), seed.rotate_left(48));
        let registrations = Registrations::new(&config.sip, seed.rotate_left(16));
        Self {
            config,
            names: Names::new(seed, seq),
            fetches: Fetches::default(),
            asks: Asks::default(),
            timers: Timers::default(),
            journal: Journal::default(),
            directory: Directory::default(),
            queue_list: QueueList::default(),
            routing: Routing::default(),
            board: Board::new(endpoint, registrations, lookups),
            drain_at: None,
        }
    }

    /// The same, with what accounts have set up.
    #[must_use]
    pub fn with_directory(self, mut directory: Directory) -> Self {
        Self { queue_list: std::mem::take(&mut directory.queue_list), directory, ..self }
    }

    /// The same, with the phones that were registered when the process ended. After [`Switch::with_directory`]: who may
    /// register no more is left out.
    #[must_use]
    pub fn with_registrations(mut self, now: Now, rows: Vec<Registration>) -> Self {
        let Self { config, directory, board, .. } = &mut self;
        board.registrations.restore(now, directory, rows, |flow| reach::flow_again(config, flow));
        board.registrations.plan_qualifying(now.instant, config.qualify);
        self
    }

    /// The same, with these workspaces. What is due in them by now is done in the first turn.
    #[must_use]
    pub fn with_routing(self, routing: Routing) -> Self {
        Self { routing, ..self }
    }

    /// Handles one event; what is to be done about it is appended to `effects`.
    pub fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        if let Event::Command { command: Command::SetAccountStatus { account, status }, .. } = &event {
            self.directory.set_account_status(*account, *status);
            self.board.registrations.follow(&self.directory);
            match status {
                AccountStatus::Closed => self.routing.account_closed(*account),
                AccountStatus::Active | AccountStatus::Suspended => self.routing.workspaces.account_changed(*account),
            }
        }
        let event = match event {
            Event::OwnAddresses(own) => {
                self.config.own = *own;
                return;
            }
            Event::Command { request, command: Command::Directory(command) } => {
                let mut desk = Desk { now: now.wall, names: &mut self.names, effects };
                let answer = self.directory.command(command, &mut desk);
                self.board.registrations.follow(&self.directory);
                self.board.registrations.plan_qualifying(now.instant, self.config.qualify);
                self.board.registrations.save(now, effects);
                return effects.push(Effect::Reply { request, answer });
            }
            event => event,
        };
        let Self { config, names, fetches, asks, timers, journal, directory, queue_list, routing, board, drain_at } =
            self;
        let directory = &*directory;
        let (media, follow_ups) = (Vec::new(), VecDeque::new());
        let mut turn = Turn {
            now,
            config,
            names,
            fetches,
            asks,
            timers,
            journal,
            directory,
            queue_list,
            routing,
            effects,
            media,
            follow_ups,
            told: None,
        };
        turn.routing.workspaces.begin(now);
        board.begin_keep_alive(&mut turn);
        match event {
            Event::Sip { flow, bytes } => board.endpoint.receive(now.instant, flow, bytes),
            Event::FlowClosed { connection } => {
                board.endpoint.closed(now.instant, connection);
                board.registrations.closed(connection);
                board.disconnected(connection);
            }
            Event::Connected { remote, flow } => board.connected(remote, flow, &mut turn),
            // Taken in above.
            Event::OwnAddresses(_) => {}
            Event::Media(event) => board.media_event(event, &mut turn),
            Event::Fetched { fetch, outcome } => board.fetched(fetch, outcome, &mut turn),
            Event::Asked { ask, outcome, remarks, exchange } => {
                board.asked(ask, outcome, remarks, &exchange, &mut turn);
            }
            Event::Assigned { assignment, outcome, remarks, exchange } => {
                let (workspaces, mut desk) = turn.routing_desk();
                workspaces.assigned(assignment, outcome, remarks, &exchange, &mut desk);
            }
            Event::CallbackClosed(closed) => turn.callback_closed(*closed),
            Event::FetchWarning { fetch, code, reason } => board.fetch_warning(fetch, code, reason, &mut turn),
            Event::Stream { stream, event } => board.stream_event(stream, event, &mut turn),
            Event::Command { request, command } => {
                let answer = board.command(command, &mut turn);
                turn.effects.push(Effect::Reply { request, answer });
            }
            Event::LookedUp { query, answer } => board.looked_up(query, answer, &mut turn),
            Event::Timeout => {
                board.endpoint.handle_timeout(now.instant);
                board.registrations.handle_timeout(now.instant);
                board.qualify(&turn);
                board.timeout(&mut turn);
                if drain_at.take_if(|at| *at <= now.instant).is_some() {
                    board.end_everything(&mut turn);
                }
            }
            Event::Drain => {
                board.endpoint.set_draining(true);
                *drain_at = Some(now.instant + turn.config.drain);
            }
            Event::Farewell => {
                board.endpoint.farewell(now.instant);
                let (workspaces, mut desk) = turn.routing_desk();
                workspaces.farewell(&mut desk);
                board.release_all(&mut turn);
            }
        }
        // What the endpoint has to say may make us say more to it, and what was put down to be done may make more to be
        // done, so this runs until all is quiet. No document keeps it busy: see `twiml::Interpreter`.
        loop {
            if let Some(follow_up) = turn.follow_ups.pop_front() {
                board.do_next(follow_up, &mut turn);
                continue;
            }
            match board.endpoint.poll() {
                Some(Output::Send { flow, bytes }) => turn.effects.push(Effect::Send { flow, bytes }),
                Some(Output::Connect { remote }) => board.open_flow(remote, &mut turn),
                Some(Output::Search { search, hop }) => board.search(search, *hop, &mut turn),
                Some(Output::Close { connection }) => turn.effects.push(Effect::Close { connection }),
                Some(Output::Event(event)) => board.sip_event(event, &mut turn),
                None if turn.settle_routing() => {}
                None => break,
            }
        }
        let (workspaces, mut desk) = turn.routing_desk();
        workspaces.save(directory, &mut desk);
        board.registrations.plan_qualifying(now.instant, turn.config.qualify);
        board.registrations.save(now, turn.effects);
        turn.journal.release(turn.names, turn.effects);
        if !turn.media.is_empty() {
            turn.effects.push(Effect::Media(turn.media));
        }
    }

    /// When [`Event::Timeout`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        [
            self.routing.next_deadline(),
            self.drain_at,
            self.board.next_deadline(),
            self.timers.next_deadline(),
            self.journal.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// So many turns' rows wait to be stored, as the next one begins: TaskRouter does no more than it is asked for until they
    /// are fewer.
    pub fn saves_waiting(&mut self, turns: usize) {
        self.routing.workspaces.saves_waiting(turns);
    }

    /// No call lives, every BYE has been answered and every leg has said what it did: a drained server may stop.
    pub fn is_idle(&self) -> bool {
        self.board.calls_live() == 0 && self.board.legs_live() == 0 && self.board.endpoint.dialogs_open() == 0
    }

    /// Calls that are not over. Costs nothing, unlike all of [`Switch::stats`].
    pub fn calls_live(&self) -> usize {
        self.board.calls_live()
    }

    /// How much is going on.
    pub fn stats(&self) -> Stats {
        Stats {
            calls: self.board.calls_live(),
            conferences: self.board.conferences_live(),
            participants: self.board.participants_live(),
            trunks_silent: self.board.trunks_silent(),
            running: self.board.running() + self.asks.open() + self.fetches.under_way() + self.journal.told_of(),
            counts: self.board.counts,
            registrations: self.board.registrations.bindings(),
            registrations_silent: self.board.registrations.silent(),
            registration_counts: *self.board.registrations.counts(),
            limits: *self.board.endpoint.limit_stats(),
            quality: self.board.quality,
            events_dropped: self.journal.fleeting_refused(),
        }
    }

    /// What the SIP endpoint counts.
    pub fn sip_stats(&self) -> &sip::Stats {
        self.board.endpoint.stats()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use media::Pages;
    use model::{AccountSid, Clip, Timestamp};
    use sip::{Flow, Transport};

    use super::*;

    /// A switch that may do next to nothing.
    pub(crate) fn config() -> Config {
        let silence = Arc::new(Pages::new(&Clip { rate_hz: 8_000, samples: Vec::new() }));
        Config {
            account: AccountSid::from_bits(1),
            open_rooms: OpenRooms::Private,
            calls_max: 1,
            room_legs_max: 1,
            call_time_limit: Duration::from_secs(60),
            held_rtp_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            fetches_max: 1,
            asks_max: 1,
            addresses: Vec::new(),
            own: OwnAddresses::default(),
            codecs: vec![sip::AudioCodec::Pcmu],
            region: "us1".to_owned(),
            hold_music: silence.clone(),
            beep: silence.clone(),
            trunks: Vec::new(),
            qualify: None,
            ring_back: silence,
            sip: sip::Config::default(),
        }
    }

    /// The status line that one OPTIONS gets.
    fn options(uri: &str, adjust: fn(&mut Config)) -> String {
        let mut config = config();
        adjust(&mut config);
        let mut switch = Switch::new(config, 1, 0);
        let [local, remote] = ["10.0.0.1:5060", "10.0.0.2:5060"].map(|address| address.parse().expect("an address"));
        let flow = Flow { transport: Transport::Udp, local, remote, connection: None };
        let request = format!(
            "OPTIONS {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK1\r\nFrom: <sip:ana@10.0.0.2>;tag=1\r\n\
             To: <{uri}>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        let mut effects = Vec::new();
        let now = Now { instant: Instant::now(), wall: Timestamp::from_micros(0) };
        switch.handle(now, Event::Sip { flow, bytes: request.into() }, &mut effects);
        let [Effect::Send { bytes, .. }] = effects.as_slice() else { panic!("one answer, not {effects:?}") };
        String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn options_gets_what_a_call_would_get() {
        let as_it_is: fn(&mut Config) = |_| {};
        let closed: fn(&mut Config) = |config| config.open_rooms = OpenRooms::Off;
        let full: fn(&mut Config) = |config| config.calls_max = 0;
        for (case, uri, adjust, want) in [
            ("a room", "sip:standup@10.0.0.1", as_it_is, "SIP/2.0 200 OK"),
            ("no name for a room", "sip:a%00b@10.0.0.1", as_it_is, "SIP/2.0 404 Not Found"),
            ("a number nobody claims", "tel:+15550100", as_it_is, "SIP/2.0 404 Not Found"),
            ("closed rooms", "sip:standup@10.0.0.1", closed, "SIP/2.0 404 Not Found"),
            ("all calls taken", "sip:standup@10.0.0.1", full, "SIP/2.0 503 Service Unavailable"),
            ("the server itself", "sip:10.0.0.1", closed, "SIP/2.0 200 OK"),
        ] {
            assert_eq!(options(uri, adjust), want, "{case}");
        }
    }
}
