//! A phone in virtual time: hums a tone of its own, hears, holds, hangs up.

use std::net::SocketAddr;

use testkit::pcmu;
use testkit::rtp::{EVENT, HEADER_LEN, Header, PCMU};
use testkit::sdp::{Flow, Remote, describe};
use testkit::sip::{Dialog, Message, Start, Transport};
use testkit::tone::{HUM_DBFS, Tone};

use crate::network::{Arrived, Network};

/// One phone and its one call.
pub(crate) struct Phone {
    pub(crate) name: String,
    pub(crate) tone: Tone,
    /// For signalling; audio is one port above.
    pub(crate) address: SocketAddr,
    /// Where it reaches the bridge.
    pub(crate) bridge: SocketAddr,
    /// What its Contact says, if not where it is.
    pub(crate) says_it_is_at: Option<String>,
    pub(crate) state: State,
    /// `false`: it goes silent without a word, as when its battery dies.
    pub(crate) alive: bool,
    /// `false`: it never sends an ACK.
    pub(crate) acknowledges: bool,
    pub(crate) voice: Voice,
    /// It is heard before it is taken up.
    early: bool,
    dialog: Dialog,
    /// The INVITE that called it, if it was called.
    called: Option<Message>,
    /// What it was last told about something other than a call.
    pub(crate) answer: Option<Message>,
    /// How often it has been called.
    calls: u32,
    /// The INVITE it has called with.
    sent: String,
    remote: Option<SocketAddr>,
    version: u32,
    flow: Flow,
    /// Where in the 20 ms cycle it sends.
    phase_us: u64,
    sequence: u16,
    timestamp: u32,
    hum: Vec<u8>,
    heard: Vec<Heard>,
    last_heard: Option<Header>,
    /// Keys it was told by RFC 4733, and when the last one began.
    pub(crate) keys: Vec<u8>,
    last_key: Option<u32>,
}

/// Where its call has got to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Nobody has called it yet.
    Idle,
    Calling,
    /// It is called, and rings.
    Ringing,
    Talking,
    /// It hung up, and waits for the answer; or was hung up on, or refused with this status.
    Over(u16),
}

/// What its user does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    /// So that others can tell who is heard.
    Hums,
    Silent,
    /// As people do: not evenly.
    Speaks,
}

/// Syllables of 180 ms and 120 ms apart, each of many tones and not as high as the one before.
fn spoken(at: u32) -> u8 {
    let (syllable, within) = (at / 2_400, at % 2_400);
    let pitch = 110.0 + 20.0 * f64::from(syllable % 5);
    let turns = f64::from(within) / 8_000.0 * std::f64::consts::TAU;
    let tone = |n: u32| (pitch * f64::from(n) * turns + f64::from(n * n)).sin() / f64::from(n);
    let sample = (1..12).map(tone).sum::<f64>() * 2_500.0;
    pcmu::encode(if within < 1_440 { sample as i16 } else { 0 })
}

struct Heard {
    at_us: u64,
    pcm: Vec<i16>,
}

const SAMPLES: usize = 160;
const FRAME_US: u64 = 20_000;

impl Phone {
    pub(crate) fn new(name: &str, index: usize, room: &str, bridge: SocketAddr) -> Self {
        let host = u8::try_from(index + 2).expect("some phones, not hundreds");
        Self::at(name, index, room, SocketAddr::from(([10, 0, 0, host], 5060)), bridge)
    }

    fn at(name: &str, index: usize, room: &str, address: SocketAddr, bridge: SocketAddr) -> Self {
        let tone = Tone::nth(index * 7 + 3);
        Self {
            name: name.to_owned(),
            tone,
            address,
            bridge,
            says_it_is_at: None,
            state: State::Calling,
            alive: true,
            acknowledges: true,
            voice: Voice::Hums,
            early: false,
            dialog: Dialog::new(Transport::Udp, address, name, room, bridge),
            called: None,
            answer: None,
            calls: 0,
            sent: String::new(),
            remote: None,
            version: 1,
            flow: Flow::SendRecv,
            phase_us: (index as u64 * 3_700) % FRAME_US,
            sequence: 1_000,
            timestamp: 50_000,
            hum: tone.second(HUM_DBFS).into_iter().map(pcmu::encode).collect(),
            heard: Vec::new(),
            last_heard: None,
            keys: Vec::new(),
            last_key: None,
        }
    }

    pub(crate) fn audio(&self) -> SocketAddr {
        SocketAddr::new(self.address.ip(), self.address.port() + 2)
    }

    pub(crate) fn invite(&mut self) -> String {
        let offer = self.describe();
        let invite = self.dialog.invite(Some(&offer));
        self.sent.clone_from(&invite);
        invite
    }

    /// Gives up before the answer: the CANCEL repeats what the INVITE said of itself (RFC 3261 §9.1).
    pub(crate) fn cancel(&mut self) -> String {
        let invite = Message::scan(self.sent.as_bytes()).expect("it has called");
        let value = |name| invite.header(name).unwrap_or_default();
        let target = self.sent.split(' ').nth(1).expect("a request line");
        let (via, from, to, call_id) = (value("via"), value("from"), value("to"), value("call-id"));
        let (sequence, _) = invite.sequence().expect("a request has a CSeq");
        format!(
            "CANCEL {target} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {sequence} CANCEL\r\nContent-Length: 0\r\n\r\n"
        )
    }

    /// An INVITE that wants the bridge's offer.
    pub(crate) fn invite_without_offer(&mut self) -> String {
        self.dialog.invite(None)
    }

    /// Holds, or takes up again, by re-INVITE.
    pub(crate) fn reinvite(&mut self, flow: Flow) -> String {
        self.flow = flow;
        self.version += 1;
        let offer = self.describe();
        self.dialog.invite(Some(&offer))
    }

    pub(crate) fn bye(&mut self) -> String {
        self.state = State::Over(200);
        match &self.called {
            Some(invite) => self.request_of_called(invite, "BYE", ""),
            None => self.dialog.bye(),
        }
    }

    /// A phone that was called wants its caller to talk to somebody else.
    pub(crate) fn refer(&self, to: &str) -> String {
        let invite = self.called.as_ref().expect("it was called");
        self.request_of_called(invite, "REFER", &format!("Contact: <sip:{}>\r\nRefer-To: <{to}>\r\n", self.address))
    }

    fn request_of_called(&self, invite: &Message, method: &str, headers: &str) -> String {
        let value = |name| invite.header(name).unwrap_or_default();
        let (us, them, call_id) = (value("to"), value("from"), value("call-id"));
        let (target, address, name) = (testkit::sip::uri(value("contact")), self.address, &self.name);
        let branch = testkit::sip::unique();
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: {us};tag={name}\r\nTo: {them}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n{headers}\
             Content-Length: 0\r\n\r\n"
        )
    }

    /// A phone that waits to be called.
    pub(crate) fn idle(name: &str, index: usize, bridge: SocketAddr) -> Self {
        Self { state: State::Idle, ..Self::new(name, index, "nobody", bridge) }
    }

    /// The same in another network.
    pub(crate) fn idle_at(name: &str, index: usize, address: SocketAddr, bridge: SocketAddr) -> Self {
        Self { state: State::Idle, ..Self::at(name, index, "nobody", address, bridge) }
    }

    /// Says by INFO that a key is pressed.
    pub(crate) fn key_by_info(&mut self, signal: &str) -> String {
        let body = format!("Signal={signal}\r\nDuration=160\r\n");
        let request = self.dialog.request("INFO", "", Some(&body));
        request.replace("application/sdp", "application/dtmf-relay")
    }

    /// Where the bridge has offered it audio.
    pub(crate) fn was_offered(&self) -> Option<SocketAddr> {
        Remote::read(&self.called.as_ref()?.body).map(|remote| remote.address)
    }

    /// It rings, and sends whoever calls elsewhere.
    pub(crate) fn redirect(&mut self, to: &str) -> String {
        assert_eq!(self.state, State::Ringing, "{} rings", self.name);
        self.state = State::Over(302);
        let invite = self.called.as_ref().expect("it was called");
        invite.respond("302 Moved Temporarily", &self.name, &format!("Contact: <{to}>\r\n"), None)
    }

    /// It rings, and is taken up.
    pub(crate) fn take_up(&mut self) -> String {
        assert_eq!(self.state, State::Ringing, "{} rings", self.name);
        self.state = State::Talking;
        let invite = self.called.as_ref().expect("it was called");
        self.remote = Remote::read(&invite.body).map(|remote| remote.address);
        invite.respond("200 OK", &self.name, &self.contact(), Some(&self.describe()))
    }

    /// It rings, and is not taken up but refused.
    pub(crate) fn refuse(&mut self, status: &str) -> String {
        assert_eq!(self.state, State::Ringing, "{} rings", self.name);
        self.state = State::Over(status[..3].parse().expect("a status"));
        let invite = self.called.as_ref().expect("it was called");
        invite.respond(status, &self.name, "", None)
    }

    /// It says something before it is taken up.
    pub(crate) fn speak_early(&mut self) -> String {
        let invite = self.called.as_ref().expect("it was called");
        self.remote = Remote::read(&invite.body).map(|remote| remote.address);
        self.early = true;
        invite.respond("183 Session Progress", &self.name, &self.contact(), Some(&self.describe()))
    }

    fn contact(&self) -> String {
        match &self.says_it_is_at {
            Some(uri) => format!("Contact: <{uri}>\r\n"),
            None => format!("Contact: <sip:{}@{}>\r\n", self.name, self.address),
        }
    }

    /// A header of the INVITE that called it.
    pub(crate) fn called_with(&self, header: &str) -> Option<&str> {
        self.called.as_ref()?.header(header)
    }

    /// What the bridge says; what the phone says to that.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Vec<String> {
        let message = Message::scan(bytes).expect("the bridge speaks SIP");
        match &message.start {
            Start::Request(method) if method == "INVITE" && matches!(self.state, State::Idle | State::Over(_)) => {
                // A new call: what it heard in the one before is no part of it.
                (self.remote, self.last_heard, self.early) = (None, None, false);
                self.calls += 1;
                let ringing = message.respond("180 Ringing", &self.name, &self.contact(), None);
                self.called = Some(message);
                self.state = State::Ringing;
                vec![ringing]
            }
            Start::Request(method) if method == "INVITE" && !self.is_of_this_call(&message) => {
                vec![message.respond("486 Busy Here", &self.name, "", None)]
            }
            Start::Request(method) if method == "ACK" => Vec::new(),
            Start::Request(method) if method == "CANCEL" => {
                let okay = message.respond("200 OK", &self.name, "", None);
                let invite = self.called.as_ref().filter(|_| self.state == State::Ringing);
                let gone = invite.map(|invite| invite.respond("487 Request Terminated", &self.name, "", None));
                if gone.is_some() {
                    self.state = State::Over(487);
                }
                std::iter::once(okay).chain(gone).collect()
            }
            Start::Request(method) => {
                if method == "BYE" && self.is_of_this_call(&message) {
                    self.state = State::Over(200);
                }
                vec![message.respond("200 OK", &self.name, "", None)]
            }
            Start::Response(_) => self.hear(&message).into_iter().collect(),
        }
    }

    /// Asks to be known under an address of the bridge's; `headers` are whole lines.
    pub(crate) fn register(&mut self, aor: &str, headers: &str) -> String {
        let (address, contact, name) = (self.address, self.contact(), &self.name);
        let (_, domain) = aor.split_once('@').expect("a user at a domain");
        self.version += 1;
        let (sequence, branch) = (self.version, testkit::sip::unique());
        format!(
            "REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: <{aor}>;tag={name}\r\nTo: <{aor}>\r\nCall-ID: {name}\r\nCSeq: {sequence} REGISTER\r\n\
             {contact}Expires: 3600\r\n{headers}Content-Length: 0\r\n\r\n"
        )
    }

    fn is_of_this_call(&self, message: &Message) -> bool {
        let own = self.called.as_ref().map_or(Some(self.dialog.call_id()), |invite| invite.header("call-id"));
        message.header("call-id") == own
    }

    /// An answer to something it has said.
    fn hear(&mut self, message: &Message) -> Option<String> {
        match &message.start {
            Start::Request(_) => None,
            Start::Response(100..=199) => None,
            Start::Response(status) => {
                let (_, method) = message.sequence().expect("a response has a CSeq");
                if method != "INVITE" {
                    self.answer = (method == "REGISTER").then(|| message.clone());
                    return None;
                }
                if *status >= 300 {
                    if self.state == State::Calling {
                        self.state = State::Over(*status);
                    }
                    return Some(self.dialog.ack_refusal(message));
                }
                let answering = self.state == State::Calling && self.remote.is_none();
                self.dialog.answered(message);
                let remote = Remote::read(&message.body).expect("the 200 describes audio");
                self.remote = Some(remote.address);
                self.state = State::Talking;
                // An INVITE without an offer is answered by one, and the ACK carries the answer.
                let offered = answering && message.body.contains("m=audio") && self.version == 0;
                let answer = offered.then(|| self.describe());
                self.acknowledges.then(|| self.dialog.ack(answer.as_deref()))
            }
        }
    }

    /// Expects the bridge's offer in the 200.
    pub(crate) fn wants_offer(&mut self) {
        self.version = 0;
    }

    /// Sends what is due at this instant.
    pub(crate) fn hum(&mut self, now_us: u64, network: &Network) {
        let due = now_us % FRAME_US == self.phase_us / 1_000 * 1_000;
        if !due || (self.state != State::Talking && !self.early) || !self.alive {
            return;
        }
        let start = (self.timestamp as usize - 50_000) % self.hum.len();
        let mut payload: Vec<u8> = self.hum.iter().cycle().skip(start).take(SAMPLES).copied().collect();
        match self.voice {
            Voice::Hums => {}
            Voice::Silent => payload.fill(pcmu::encode(0)),
            Voice::Speaks => (self.timestamp..).zip(&mut payload).for_each(|(at, said)| *said = spoken(at)),
        }
        self.send(PCMU, self.timestamp, false, &payload, network);
        self.timestamp += SAMPLES as u32;
    }

    /// Presses a key for 100 ms: RFC 4733 packets, the end said three times, all at once.
    pub(crate) fn press(&mut self, event: u8, network: &Network) {
        let timestamp = self.timestamp;
        for (n, duration) in [160_u16, 320, 480, 640, 800, 800, 800].into_iter().enumerate() {
            let end = if n >= 4 { 0x80 } else { 0 };
            let [high, low] = duration.to_be_bytes();
            self.send(EVENT, timestamp, n == 0, &[event, end | 10, high, low], network);
        }
    }

    fn send(&mut self, payload_type: u8, timestamp: u32, marker: bool, payload: &[u8], network: &Network) {
        let Some(remote) = self.remote else { return };
        let ssrc = u32::from(self.address.port()) << 16 | self.hum[1] as u32;
        let header = Header { payload_type, marker, sequence: self.sequence, timestamp, ssrc };
        self.sequence = self.sequence.wrapping_add(1);
        network.send(self.audio(), remote, [&header.write()[..], payload].concat());
    }

    /// Listens to what has arrived. The bridge's stream must be without a gap as long as it sends at all.
    pub(crate) fn listen(&mut self, arrived: Vec<Arrived>) {
        for Arrived { at_us, bytes } in arrived {
            let heard = |header: &Header| matches!(header.payload_type, PCMU | EVENT);
            let Some(header) = Header::read(&bytes).filter(heard) else { continue };
            // Of the call before, something may still be on its way.
            if let Some(last) = self.last_heard.filter(|_| self.calls <= 1) {
                assert_eq!(header.sequence, last.sequence.wrapping_add(1), "{}: a packet is missing", self.name);
                assert_eq!(header.ssrc, last.ssrc, "{}: one stream is one SSRC", self.name);
            }
            self.last_heard = Some(header);
            if header.payload_type == EVENT {
                // A key, and no sound.
                if self.last_key.replace(header.timestamp) != Some(header.timestamp) {
                    self.keys.push(bytes[HEADER_LEN]);
                }
                continue;
            }
            let pcm = bytes[HEADER_LEN..].iter().map(|&byte| pcmu::decode(byte)).collect();
            self.heard.push(Heard { at_us, pcm });
        }
    }

    /// What it has heard since.
    pub(crate) fn heard_since(&self, since_us: u64) -> Vec<i16> {
        self.heard.iter().filter(|heard| heard.at_us >= since_us).flat_map(|heard| heard.pcm.iter().copied()).collect()
    }

    /// Packets it has heard since.
    pub(crate) fn packets_since(&self, since_us: u64) -> usize {
        self.heard.iter().filter(|heard| heard.at_us >= since_us).count()
    }

    fn describe(&self) -> String {
        describe(self.audio(), self.version.max(1), self.flow, false)
    }
}
