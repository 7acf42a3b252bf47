//! The SIP side of the load: places the calls, answers what the bridge asks, says goodbye.
//!
//! One UDP socket for all calls, as a trunk has; calls are told apart by Call-ID. Latency runs from the first
//! INVITE leaving to the 200's arrival as the kernel stamped it.

use std::collections::{BTreeMap, HashMap};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use super::traffic::Traffic;
use super::{Audio, Part, Plan};
use crate::histogram::Histogram;
use crate::sdp::{self, Flow, Remote};
use crate::sip::{Dialog, Message, Start, Transport, unique};
use crate::wire::{self, Batch, Moment};

/// All callers.
pub(super) struct Caller {
    socket: UdpSocket,
    batch: Batch,
    calls_per_second: u32,
    audio: Audio,
    calls: Vec<Call>,
    by_call_id: HashMap<String, usize>,
    tag: String,
    pub(super) counts: Counts,
}

/// What happened to the calls.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) answered: usize,
    /// How many were refused, by status.
    pub(super) refused: BTreeMap<u16, usize>,
    /// Calls that the bridge ended.
    pub(super) ended_by_bridge: usize,
    /// Requests that had to be sent again.
    pub(super) retransmissions: u64,
    /// INVITE to 200.
    pub(super) invite: Histogram,
    /// re-INVITE to 200.
    pub(super) reinvite: Histogram,
    /// BYE to 200.
    pub(super) bye: Histogram,
}

struct Call {
    dialog: Dialog,
    wire: Option<UdpSocket>,
    local: std::net::SocketAddr,
    state: State,
    versions: u32,
    last_ack: String,
}

/// One call's life.
enum State {
    Waiting,
    Asking(Request),
    Up,
    Over,
}

/// A request on its way.
struct Request {
    text: String,
    asks: Asks,
    sent: Moment,
    resend_at: Instant,
    interval: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    Join,
    Change,
    End,
}

impl Caller {
    pub(super) fn new(plan: &Plan, parts: &[Part]) -> Self {
        let any = if plan.server.is_ipv4() { [127, 0, 0, 1].into() } else { [0, 0, 0, 0, 0, 0, 0, 1].into() };
        let socket = wire::bind(any).expect("a port for SIP");
        socket.connect(plan.server).expect("a way to the server");
        socket.set_nonblocking(false).expect("sockets can be made blocking");
        let local = socket.local_addr().expect("a connected socket has an address");
        let call = |part: &Part| {
            let wire = wire::bind(any).expect("a port for audio: raise the limit of open files");
            let user = format!("leg-{}-{}", part.room, part.place);
            Call {
                dialog: Dialog::new(Transport::Udp, local, &user, &plan.rooms[part.room].name, plan.server),
                local: wire.local_addr().expect("a bound socket has an address"),
                wire: Some(wire),
                state: State::Waiting,
                versions: 0,
                last_ack: String::new(),
            }
        };
        let calls: Vec<_> = parts.iter().map(call).collect();
        let by_call_id = calls.iter().enumerate().map(|(nth, call)| (call.dialog.call_id().to_owned(), nth)).collect();
        let (calls_per_second, audio, tag) = (plan.calls_per_second, plan.audio, unique());
        let batch = Batch::new(32, 4096);
        Self { socket, batch, calls_per_second, audio, calls, by_call_id, tag, counts: Counts::default() }
    }

    /// Places all calls at the planned rate and waits for their answers.
    pub(super) fn call_everyone(&mut self, traffic: &Traffic) {
        self.everyone(Some(traffic), |caller, leg| {
            let offer = caller.calls[leg].describe(Flow::SendRecv, caller.audio);
            let text = caller.calls[leg].dialog.invite(Some(&offer));
            caller.ask(leg, text, Asks::Join);
        });
    }

    /// Ends all calls at the rate they came and waits until every BYE is answered.
    pub(super) fn hang_up_everyone(&mut self) {
        self.everyone(None, |caller, leg| {
            if matches!(caller.calls[leg].state, State::Up) {
                let text = caller.calls[leg].dialog.bye();
                caller.ask(leg, text, Asks::End);
            }
        });
    }

    /// Keeps the calls up for a while.
    pub(super) fn serve(&mut self, length: Duration, traffic: &Traffic) {
        let until = Instant::now() + length;
        while Instant::now() < until {
            self.turn(until, Some(traffic));
        }
    }

    /// Keeps the calls up; the last `holding` legs hold the bridge in the middle third.
    pub(super) fn serve_with_holds(&mut self, length: Duration, holding: usize, traffic: &Traffic) {
        self.serve(length / 3, traffic);
        self.change(holding, Flow::SendOnly, traffic);
        self.serve(length / 3, traffic);
        self.change(holding, Flow::SendRecv, traffic);
        self.serve(length / 3, traffic);
    }

    fn change(&mut self, holding: usize, flow: Flow, traffic: &Traffic) {
        for leg in self.calls.len().saturating_sub(holding)..self.calls.len() {
            if matches!(self.calls[leg].state, State::Up) {
                traffic.rest(leg);
                let offer = self.calls[leg].describe(flow, self.audio);
                let text = self.calls[leg].dialog.invite(Some(&offer));
                self.ask(leg, text, Asks::Change);
            }
        }
    }

    /// Begins something for one leg after the other on an absolute beat, then waits until all have their answer.
    fn everyone(&mut self, traffic: Option<&Traffic>, begin: impl Fn(&mut Self, usize)) {
        let begun = Instant::now();
        for leg in 0..self.calls.len() {
            let due = begun + Duration::from_secs(1) * leg as u32 / self.calls_per_second;
            while Instant::now() < due {
                self.turn(due, traffic);
            }
            begin(self, leg);
        }
        let patience = Instant::now() + PATIENCE;
        while self.calls.iter().any(|call| matches!(call.state, State::Asking(_))) && Instant::now() < patience {
            self.turn(Instant::now() + TURN_MAX, traffic);
        }
    }

    fn ask(&mut self, leg: usize, text: String, asks: Asks) {
        let sent = Moment::now();
        self.send(&text);
        let request = Request { text, asks, sent, resend_at: Instant::now() + T1, interval: T1 * 2 };
        self.calls[leg].state = State::Asking(request);
    }

    /// Waits for messages until `until`, a moment at most, and handles them.
    fn turn(&mut self, until: Instant, traffic: Option<&Traffic>) {
        let wait = until.saturating_duration_since(Instant::now()).clamp(Duration::from_micros(100), TURN_MAX);
        self.socket.set_read_timeout(Some(wait)).expect("the time is not zero");
        // Only waits: what came is taken in one batch below, with its stamps.
        drop(self.socket.peek(&mut [0]));
        self.batch.receive(&self.socket);
        let messages: Vec<_> =
            self.batch.packets().filter_map(|(bytes, at)| Some((Message::scan(bytes)?, at))).collect();
        for (message, arrived) in messages {
            let Some(&leg) = message.header("call-id").and_then(|id| self.by_call_id.get(id)) else { continue };
            match &message.start {
                Start::Response(status) => self.take_response(leg, *status, &message, arrived, traffic),
                Start::Request(method) => self.take_request(leg, method, &message, traffic),
            }
        }
        self.resend();
    }

    fn take_response(
        &mut self,
        leg: usize,
        status: u16,
        response: &Message,
        arrived: Moment,
        traffic: Option<&Traffic>,
    ) {
        let is_invite = response.sequence().is_some_and(|(_, method)| method == "INVITE");
        let State::Asking(request) = &mut self.calls[leg].state else {
            if is_invite && (200..300).contains(&status) {
                // The bridge has not seen our ACK.
                let ack = self.calls[leg].last_ack.clone();
                self.counts.retransmissions += 1;
                self.send(&ack);
            }
            return;
        };
        if is_invite != (request.asks != Asks::End) {
            return;
        }
        if status < 200 {
            request.resend_at = Instant::now() + PATIENCE;
            return;
        }
        let (asks, latency) = (request.asks, arrived.since(request.sent));
        match (asks, status) {
            (Asks::Join | Asks::Change, 200..=299) => {
                let call = &mut self.calls[leg];
                call.dialog.answered(response);
                call.last_ack = call.dialog.ack(None);
                call.state = State::Up;
                let ack = call.last_ack.clone();
                self.send(&ack);
                if asks == Asks::Change {
                    return self.counts.reinvite.add(latency);
                }
                self.counts.invite.add(latency);
                self.counts.answered += 1;
                let call = &mut self.calls[leg];
                if let (Some(remote), Some(wire), Some(traffic)) =
                    (Remote::read(&response.body), call.wire.take(), traffic)
                {
                    wire.connect(remote.address).expect("a way to the bridge's audio");
                    traffic.join(leg, wire);
                }
            }
            (Asks::Join | Asks::Change, _) => {
                let ack = self.calls[leg].dialog.ack_refusal(response);
                self.send(&ack);
                *self.counts.refused.entry(status).or_default() += 1;
                self.calls[leg].state = if asks == Asks::Join { State::Over } else { State::Up };
            }
            (Asks::End, _) => {
                self.counts.bye.add(latency);
                self.calls[leg].state = State::Over;
            }
        }
    }

    fn take_request(&mut self, leg: usize, method: &str, request: &Message, traffic: Option<&Traffic>) {
        if method == "ACK" {
            return;
        }
        let offer = (method == "INVITE").then(|| self.calls[leg].describe(Flow::SendRecv, self.audio));
        let response = request.respond("200 OK", &self.tag, "", offer.as_deref());
        self.send(&response);
        if method == "BYE" && !matches!(self.calls[leg].state, State::Over) {
            self.calls[leg].state = State::Over;
            self.counts.ended_by_bridge += 1;
            if let Some(traffic) = traffic {
                traffic.leave(leg);
            }
        }
    }

    fn resend(&mut self) {
        let now = Instant::now();
        for call in &mut self.calls {
            let State::Asking(request) = &mut call.state else { continue };
            if now >= request.resend_at {
                request.resend_at = now + request.interval;
                request.interval *= 2;
                self.counts.retransmissions += 1;
                // A lost datagram is sent again; so is one the kernel refused.
                drop(self.socket.send(request.text.as_bytes()));
            }
        }
    }

    fn send(&self, text: &str) {
        drop(self.socket.send(text.as_bytes()));
    }
}

impl Call {
    fn describe(&mut self, flow: Flow, audio: Audio) -> String {
        self.versions += 1;
        sdp::describe_codec(self.local, self.versions, flow, false, (audio.payload_type, audio.rtpmap))
    }
}

/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
/// 64 · T1: a request unanswered by then is never answered.
const PATIENCE: Duration = Duration::from_secs(32);
/// Retransmissions are looked at this often at least.
const TURN_MAX: Duration = Duration::from_millis(50);
