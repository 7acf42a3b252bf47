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
    pub(crate) state: State,
    /// `false`: it goes silent without a word, as when its battery dies.
    pub(crate) alive: bool,
    /// `false`: it never sends an ACK.
    pub(crate) acknowledges: bool,
    dialog: Dialog,
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
}

/// Where its call has got to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Calling,
    Talking,
    /// It hung up, and waits for the answer; or was hung up on, or refused with this status.
    Over(u16),
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
        let address = SocketAddr::from(([10, 0, 0, host], 5060));
        let tone = Tone::nth(index * 7 + 3);
        Self {
            name: name.to_owned(),
            tone,
            address,
            state: State::Calling,
            alive: true,
            acknowledges: true,
            dialog: Dialog::new(Transport::Udp, address, name, room, bridge),
            remote: None,
            version: 1,
            flow: Flow::SendRecv,
            phase_us: (index as u64 * 3_700) % FRAME_US,
            sequence: 1_000,
            timestamp: 50_000,
            hum: tone.second(HUM_DBFS).into_iter().map(pcmu::encode).collect(),
            heard: Vec::new(),
            last_heard: None,
        }
    }

    pub(crate) fn audio(&self) -> SocketAddr {
        SocketAddr::new(self.address.ip(), self.address.port() + 2)
    }

    pub(crate) fn invite(&mut self) -> String {
        let offer = self.describe();
        self.dialog.invite(Some(&offer))
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
        self.dialog.bye()
    }

    /// What the bridge says; what the phone says to that.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Option<String> {
        let message = Message::scan(bytes).expect("the bridge speaks SIP");
        match &message.start {
            Start::Request(method) => {
                if method == "BYE" {
                    self.state = State::Over(200);
                }
                Some(message.respond("200 OK", &self.name, "", None))
            }
            Start::Response(100..=199) => None,
            Start::Response(status) => {
                let (_, method) = message.sequence().expect("a response has a CSeq");
                if method != "INVITE" {
                    return None;
                }
                if *status >= 300 {
                    if self.state == State::Calling {
                        self.state = State::Over(*status);
                    }
                    return Some(self.dialog.ack_refusal(&message));
                }
                let answering = self.state == State::Calling && self.remote.is_none();
                self.dialog.answered(&message);
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
        if !due || self.state != State::Talking || !self.alive {
            return;
        }
        let start = (self.timestamp as usize - 50_000) % self.hum.len();
        let payload: Vec<u8> = self.hum.iter().cycle().skip(start).take(SAMPLES).copied().collect();
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
            let Some(header) = Header::read(&bytes).filter(|header| header.payload_type == PCMU) else { continue };
            if let Some(last) = self.last_heard {
                assert_eq!(header.sequence, last.sequence.wrapping_add(1), "{}: a packet is missing", self.name);
                assert_eq!(header.ssrc, last.ssrc, "{}: one stream is one SSRC", self.name);
            }
            self.last_heard = Some(header);
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
