//! Endpoint: the SIP front as one machine. Bytes and time go in; bytes and events come out.
//!
//! ```text
//!  receive ─▶ Framer ─▶ parse ─▶ transaction ─▶ uas.rs, early.rs, refer.rs: inspect, dialog ─▶ Event
//!                                    ▲  │                                                       │
//!   Send  ◀──────────────────────────┘  └──▶ client.rs: answers to what we asked:               ▼
//!                                            call_out.rs, uac.rs, refer.rs       accept, invite, hangup, refer …
//! ```
//! After every call that takes `now`: drain [`Endpoint::poll`], then sleep until [`Endpoint::next_deadline`].
//! Every table has its bound in [`Config`]; past it a new call gets a 503 that costs no memory, while requests
//! within calls are always served (RFC 7339 §5.10, RFC 6357).

mod answering;
mod attempt;
mod call_out;
mod client;
mod early;
mod held;
mod inquiries;
mod ping;
mod refer;
mod shares;
mod uac;
mod uas;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::deadline::Deadlines;
use crate::dialog::{Dialog, Due, Stage};
use crate::flow::with_port;
use crate::stats::count_class;
use crate::transaction::{Branch, Key, Keys, invite_server, non_invite_server};
use crate::{
    Config, DialogId, EndCause, Event, Flow, Framed, Framer, InquiryId, LimitStats, Limits, Message, Name, Output,
    ParseError, ReferId, Replaces, Response, SearchId, SipUri, Stats, Transport, parse,
};
use attempt::Attempt;
use client::Client;
use held::Held;
use shares::Shares;

/// Answers SIP calls, and makes them.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
    rng: StdRng,
    keys: Keys,
    /// The live streams and what has come in on them.
    connections: HashMap<u64, Framer>,
    limits: Limits,
    /// Their requests. At most `transactions_max`, and an eighth more where those are REGISTERs.
    servers: HashMap<Key, Server>,
    /// Which requests outside of dialogs those are, to know a merged one.
    merges: HashMap<Key, Key>,
    /// Our requests, by branch. At most `transactions_max`.
    clients: HashMap<Branch, Client>,
    /// At most `dialogs_max`.
    dialogs: HashMap<DialogId, Dialog>,
    /// Those of ours that nobody has answered, at most as many; between two targets a call is here alone.
    attempts: HashMap<DialogId, Attempt>,
    /// Requests that wait for a stream, by where it leads …
    held: HashMap<SocketAddr, Vec<Held>>,
    held_len: usize,
    /// … and those for which that is yet to be found out.
    sought: HashMap<SearchId, Held>,
    /// How many of those there have been.
    searches_ever: u64,
    /// Where nobody listens for streams, and until when that is believed.
    datagrams_only: HashMap<SocketAddr, Instant>,
    /// The dialogs whose ACK is awaited: at most `unacked_max`, and `unacked_per_source_max` of one source, and as
    /// many more as there are re-INVITEs.
    unacked: Shares<DialogId>,
    /// Which of `servers` are in no call of ours: questions, and INVITEs that were refused. At most
    /// `strays_per_source_max` of one source.
    strays: Shares<Key>,
    /// What our owner has not answered, OPTIONS and REGISTER. No more than `servers`, where each has its transaction.
    inquiries: HashMap<InquiryId, Inquiry>,
    /// How many there have been.
    inquiries_ever: u64,
    deadlines: Deadlines<Owner>,
    /// Drained after each call, so as long as one datagram, one piece of a stream, or one moment makes it.
    outputs: VecDeque<Output>,
    /// How far their transfers are that nobody has been told of yet. As short as `outputs`.
    untold: Vec<(Instant, ReferId)>,
    draining: bool,
    stats: Stats,
}

/// Who waits for a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Owner {
    Server(Key),
    Client(Branch),
    Dialog(DialogId),
    /// A call of ours that nobody has answered.
    Attempt(DialogId),
    /// A stream amid a message.
    Stream(u64),
    /// An OPTIONS or a REGISTER that our owner has not answered.
    Inquiry(InquiryId),
    /// Requests that wait for a stream to there.
    Held(SocketAddr),
    /// A request that waits for a stream to wherever its name leads.
    Search(SearchId),
}

/// A request outside of calls whose answer is our owner's to choose.
#[derive(Debug)]
struct Inquiry {
    transaction: Key,
    flow: Flow,
    /// The response, lacking status and what depends on it.
    template: Response,
}

/// A server transaction in its table.
#[derive(Debug)]
struct Server {
    machine: ServerMachine,
    /// Where its responses go.
    reply: Flow,
    merge: Option<Key>,
    dialog: Option<DialogId>,
}

#[derive(Debug)]
enum ServerMachine {
    Invite(invite_server::InviteServer),
    NonInvite(non_invite_server::NonInviteServer),
}

impl Endpoint {
    /// An endpoint without calls. The same seed makes the same tags and branches.
    pub fn new(config: Config, rng_seed: u64) -> Self {
        let limits = Limits::new(config.limits.clone());
        let mut rng = StdRng::seed_from_u64(rng_seed);
        let keys = Keys::new([rng.next_u64(), rng.next_u64()]);
        Self {
            config,
            rng,
            keys,
            connections: HashMap::new(),
            limits,
            servers: HashMap::new(),
            merges: HashMap::new(),
            clients: HashMap::new(),
            dialogs: HashMap::new(),
            attempts: HashMap::new(),
            held: HashMap::new(),
            held_len: 0,
            sought: HashMap::new(),
            searches_ever: 0,
            datagrams_only: HashMap::new(),
            unacked: Shares::default(),
            strays: Shares::default(),
            inquiries: HashMap::new(),
            inquiries_ever: 0,
            deadlines: Deadlines::new(),
            outputs: VecDeque::new(),
            untold: Vec::new(),
            draining: false,
            stats: Stats::default(),
        }
    }

    /// Takes one datagram, or a piece of a stream however it was cut.
    pub fn receive(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        match flow.connection {
            None => match parse(&bytes) {
                Ok(message) => self.message(now, flow, message),
                Err(error) => self.malformed(now, flow, &error),
            },
            Some(connection) => self.stream(now, flow, connection, &bytes),
        }
    }

    /// A stream that we opened is there; one that was opened to us makes itself known by its first bytes. `false`: there
    /// are too many, close it.
    pub fn opened(&mut self, connection: u64) -> bool {
        let full = self.connections.len() >= self.config.connections_max;
        if full && !self.connections.contains_key(&connection) {
            self.stats.connections_refused += 1;
            return false;
        }
        self.connections.entry(connection).or_default();
        true
    }

    /// A stream has ended. Its calls go on: the peer may come back on another one. Only whom we call down it will not
    /// answer.
    pub fn closed(&mut self, now: Instant, connection: u64) {
        self.connections.remove(&connection);
        self.deadlines.set(Owner::Stream(connection), None);
        self.calls_lost(now, connection);
    }

    /// Does what is due. To be called at [`Endpoint::next_deadline`]; earlier or later does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(owner) = self.deadlines.pop_due(now) {
            match owner {
                Owner::Server(key) => self.server_timeout(now, key),
                Owner::Client(branch) => self.client_timeout(now, branch),
                Owner::Dialog(id) => self.dialog_timeout(now, id),
                Owner::Attempt(id) => self.attempt_timeout(now, id),
                Owner::Stream(connection) => self.stream_timeout(connection),
                Owner::Inquiry(id) => self.answer_inquiry(now, id, 500, &[]),
                Owner::Held(remote) => self.held_timeout(now, remote),
                Owner::Search(search) => self.found(now, search, None),
            }
        }
    }

    /// When to call [`Endpoint::handle_timeout`].
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// The next thing to do, until there is none.
    pub fn poll(&mut self) -> Option<Output> {
        if self.outputs.is_empty() {
            self.tell_untold();
        }
        self.outputs.pop_front()
    }

    /// While draining, new calls and pings from outside are answered 503; calls that are there go on.
    pub fn set_draining(&mut self, draining: bool) {
        self.draining = draining;
    }

    /// What was counted so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// What strangers may ask: to be told who gave a wrong password and who a right one.
    pub fn limits(&mut self) -> &mut Limits {
        &mut self.limits
    }

    /// What was decided about strangers so far.
    pub fn limit_stats(&self) -> &LimitStats {
        self.limits.stats()
    }

    /// Calls that are not over, ringing and closing ones included.
    pub fn dialogs_open(&self) -> usize {
        let between = self.attempts.keys().filter(|id| !self.dialogs.contains_key(id)).count();
        self.dialogs.len() + between
    }

    /// The Call-ID of a call that is not over.
    pub fn call_id(&self, dialog: DialogId) -> Option<&str> {
        let call_id = self.dialogs.get(&dialog).map(|dialog| dialog.call_id.as_str());
        call_id.or_else(|| self.attempts.get(&dialog).map(|attempt| attempt.call_id.as_str()))
    }

    /// The call that an INVITE is to take the place of, or the answer it gets: 481, 486, 603 (RFC 3891 §3).
    pub fn find_replaced(&self, replaces: &Replaces) -> Result<DialogId, u16> {
        let named = dialog_of(&replaces.to_tag).and_then(|id| self.dialogs.get(&id));
        let dialog = named.filter(|dialog| dialog.call_id == replaces.call_id).ok_or(481_u16)?;
        let forks = self.attempts.get(&dialog.id).map(|attempt| &attempt.forks);
        // A peer older than RFC 3261 has no tag, which others write as 0.
        let with = |dialog: &Dialog| dialog.remote_tag.as_deref().unwrap_or("0") == replaces.from_tag;
        if !with(dialog) && !forks.is_some_and(|forks| forks.iter().any(with)) {
            return Err(481);
        }
        match dialog.stage {
            Stage::Talking { .. } if replaces.early_only => Err(486),
            Stage::Talking { .. } | Stage::Calling(_) => Ok(dialog.id),
            // A call that still rings here cannot be taken over by another: only its caller can give it up.
            Stage::Ringing { .. } => Err(481),
            Stage::HangingUp { .. } | Stage::Closing => Err(603),
        }
    }

    /// Transactions in the tables, both ways.
    pub fn transactions_open(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// A message that has begun must end within a transaction's life: else a peer that sends a byte now and then
    /// would hold memory for as long as it likes.
    fn watch_stream(&mut self, now: Instant, connection: u64, was_amid_message: bool) {
        let Some(framer) = self.connections.get_mut(&connection) else { return };
        if !framer.is_amid_message() {
            framer.rest();
            self.deadlines.set(Owner::Stream(connection), None);
        } else if !was_amid_message {
            self.deadlines.set(Owner::Stream(connection), Some(now + 64 * self.config.timers.t1));
        }
    }

    fn stream_timeout(&mut self, connection: u64) {
        self.connections.remove(&connection);
        self.stats.connections_refused += 1;
        self.outputs.push_back(Output::Close { connection });
    }

    fn stream(&mut self, now: Instant, flow: Flow, connection: u64, bytes: &[u8]) {
        if !self.connections.contains_key(&connection) && self.connections.len() >= self.config.connections_max {
            self.stats.connections_refused += 1;
            return self.outputs.push_back(Output::Close { connection });
        }
        let framer = self.connections.entry(connection).or_default();
        let mut was_amid_message = framer.is_amid_message();
        framer.push(bytes);
        while let Some(framed) = self.connections.get_mut(&connection).and_then(Framer::poll) {
            was_amid_message = false;
            match framed {
                Framed::Message(message) => self.message(now, flow, message),
                Framed::Malformed(error) => self.malformed(now, flow, &error),
                Framed::Ping => self.send(flow, Bytes::from_static(Framer::PONG)),
                Framed::Broken(error) => {
                    self.malformed(now, flow, &error);
                    self.stats.connections_refused += 1;
                    self.outputs.push_back(Output::Close { connection });
                }
            }
        }
        self.watch_stream(now, connection, was_amid_message);
    }

    fn message(&mut self, now: Instant, flow: Flow, message: Message) {
        match message {
            Message::Request(request) => self.receive_request(now, flow, request),
            Message::Response(response) => self.receive_response(now, &response),
        }
    }

    /// Answers what is a request but cannot be read, without remembering it; drops the rest.
    fn malformed(&mut self, now: Instant, flow: Flow, error: &ParseError) {
        let refused = match error {
            ParseError::Refused(refused) if !self.limits.is_banned(now, flow.remote.ip()) => refused,
            _ => {
                self.stats.dropped += 1;
                return;
            }
        };
        self.stats.malformed += 1;
        let mut response = refused.response();
        let mut reply = flow;
        if let Ok(mut via) = response.headers.via_top() {
            reply = reply_flow(flow, &via);
            via.stamp(flow.remote);
            response.headers.set_via_top(&via);
        }
        let tag = self.keys.stateless_tag(response.to_bytes());
        response.headers.set_to_tag(&tag);
        response.headers.push(Name::Server, &self.config.server);
        self.send_response(reply, &response);
    }

    fn server_timeout(&mut self, now: Instant, key: Key) {
        match self.servers.get(&key).map(|server| &server.machine) {
            Some(ServerMachine::Invite(_)) => {
                self.drive_invite(now, key, invite_server::Input::Timeout);
            }
            Some(ServerMachine::NonInvite(_)) => self.drive_non_invite(now, key, non_invite_server::Input::Timeout),
            None => {}
        }
    }

    fn dialog_timeout(&mut self, now: Instant, id: DialogId) {
        let timers = self.config.timers;
        while let Some(due) = self.dialogs.get_mut(&id).and_then(|dialog| dialog.due(now, timers)) {
            match due {
                Due::Ring(response) => self.provisional(now, id, &response),
                Due::RingingTooLong => self.give_up_ringing(now, id, None),
                Due::Resend(flow, success) => {
                    self.stats.retransmissions += 1;
                    let flow = if self.is_alive(flow) { flow } else { self.dialogs[&id].flow };
                    self.send(flow, success);
                }
                Due::RingReliably(response) => self.resend_provisional(id, response),
                Due::NoPrack => self.no_prack(now, id),
                Due::Transfer(due) => self.transfer_due(now, id, &due),
                Due::NoAck => self.no_ack(now, id),
                Due::NoByeAfterCancel => self.end_with_bye(now, id, EndCause::Canceled, None),
                Due::Refresh => self.refresh(now, id),
                Due::SessionExpired => self.end_with_bye(now, id, EndCause::SessionExpired, None),
            }
        }
        self.settle_dialog(id);
    }

    /// Steps an INVITE server transaction. Whether an ACK is the dialog's to handle.
    fn drive_invite(&mut self, now: Instant, key: Key, input: invite_server::Input) -> bool {
        let Some(Server { machine: ServerMachine::Invite(machine), reply, .. }) = self.servers.get_mut(&key) else {
            return false;
        };
        let (output, reply) = (machine.handle(now, input), *reply);
        let mut pass_ack = false;
        match output {
            invite_server::Output::Nothing => {}
            invite_server::Output::Send(bytes) => self.send(reply, bytes),
            invite_server::Output::Resend(bytes) => {
                self.stats.retransmissions += 1;
                self.send(reply, bytes);
            }
            invite_server::Output::PassAck => pass_ack = true,
        }
        self.settle_server(key);
        pass_ack
    }

    /// Steps a non-INVITE server transaction.
    fn drive_non_invite(&mut self, now: Instant, key: Key, input: non_invite_server::Input) {
        let Some(Server { machine: ServerMachine::NonInvite(machine), reply, .. }) = self.servers.get_mut(&key) else {
            return;
        };
        let (output, reply) = (machine.handle(now, input), *reply);
        match output {
            non_invite_server::Output::Nothing => {}
            non_invite_server::Output::Send(bytes) => self.send(reply, bytes),
            non_invite_server::Output::Resend(bytes) => {
                self.stats.retransmissions += 1;
                self.send(reply, bytes);
            }
        }
        self.settle_server(key);
    }

    /// After each step of a server transaction: forget it, or note when it wants to be woken.
    fn settle_server(&mut self, key: Key) {
        let Some(server) = self.servers.get(&key) else { return };
        let (terminated, deadline) = match &server.machine {
            ServerMachine::Invite(machine) => (machine.is_terminated(), machine.next_deadline()),
            ServerMachine::NonInvite(machine) => (machine.is_terminated(), machine.next_deadline()),
        };
        self.deadlines.set(Owner::Server(key), deadline);
        if terminated {
            self.forget_server(key);
        }
    }

    /// After each change to a dialog: note when it wants to be woken and whether its ACK is awaited.
    fn settle_dialog(&mut self, id: DialogId) {
        let dialog = self.dialogs.get(&id);
        self.deadlines.set(Owner::Dialog(id), dialog.and_then(Dialog::next_deadline));
        match dialog {
            Some(dialog) if dialog.is_unacked() => self.unacked.insert(id, dialog.flow),
            _ => self.unacked.remove(id),
        }
    }

    fn forget_dialog(&mut self, id: DialogId) {
        if let Some(attempt) = self.attempts.remove(&id) {
            self.deadlines.set(Owner::Attempt(id), None);
            attempt.forks.iter().for_each(|fork| self.discard(fork));
        }
        if let Some(dialog) = self.dialogs.remove(&id) {
            self.discard(&dialog);
        }
        self.settle_dialog(id);
    }

    /// Forgets a request of theirs that nobody will answer any more.
    fn forget_server(&mut self, key: Key) {
        self.deadlines.set(Owner::Server(key), None);
        self.strays.remove(key);
        if let Some(Server { merge: Some(merge), .. }) = self.servers.remove(&key) {
            self.merges.remove(&merge);
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Tells that an answered call is over, unless its user knows: it hung up, or was told before.
    fn tell_ended(&mut self, id: DialogId, cause: EndCause, reason: Option<crate::Reason>) {
        if self.dialogs.get(&id).is_some_and(|dialog| matches!(dialog.stage, Stage::Talking { .. })) {
            self.event(Event::Ended { dialog: id, cause, reason });
        }
    }

    /// Whether bytes can be put on this flow.
    fn is_alive(&self, flow: Flow) -> bool {
        flow.connection.is_none_or(|connection| self.connections.contains_key(&connection))
    }

    fn send(&mut self, flow: Flow, bytes: Bytes) {
        if self.is_alive(flow) {
            self.outputs.push_back(Output::Send { flow, bytes });
        }
    }

    fn send_response(&mut self, flow: Flow, response: &Response) {
        let bytes = self.write_response(response);
        self.send(flow, bytes);
    }

    fn write_response(&mut self, response: &Response) -> Bytes {
        count_class(&mut self.stats.responses, response.status);
        response.to_bytes()
    }

    /// Our name and address for a dialog, as the peer can reach it over the flow it uses.
    fn contact(&self, flow: Flow, user: Option<&str>) -> String {
        let address = SocketAddr::new(self.public_address(flow).ip(), self.listening_port(flow));
        let mut uri = SipUri::from(address);
        uri.user = user.map(str::to_owned);
        if flow.transport == Transport::Tcp {
            uri.params.push("transport", Some("tcp"));
        }
        format!("<{uri}>")
    }

    /// The port at which we are reached at our end of this flow: its own, unless nobody listens there.
    fn listening_port(&self, flow: Flow) -> u16 {
        let local = flow.local.ip().to_canonical();
        let same_family = |(transport, address): &&(Transport, SocketAddr)| {
            *transport == flow.transport && address.is_ipv4() == local.is_ipv4()
        };
        let there = |address: &SocketAddr| address.ip().is_unspecified() || address.ip().to_canonical() == local;
        let ports = || self.config.listening.iter().filter(same_family).map(|(_, address)| address);
        let nearest = ports().filter(|address| there(address)).chain(ports()).next();
        match nearest {
            Some(nearest) if !ports().any(|address| there(address) && address.port() == flow.local.port()) => {
                nearest.port()
            }
            _ => flow.local.port(),
        }
    }

    /// The address the world knows our end of this flow by.
    fn public_address(&self, flow: Flow) -> SocketAddr {
        let local = flow.local.ip().to_canonical();
        let advertised = self.config.advertised.iter().find(|entry| {
            entry.local.is_none_or(|address| address == local) && entry.public.is_ipv4() == local.is_ipv4()
        });
        SocketAddr::new(advertised.map_or(local, |entry| entry.public), flow.local.port())
    }

    fn random_s(&mut self, seconds: std::ops::RangeInclusive<u32>) -> u32 {
        self.rng.random_range(seconds)
    }

    fn random_pause(&mut self, longest: Duration) -> Duration {
        // RFC 3261 §14.1: in units of 10 ms.
        Duration::from_millis(10 * self.rng.random_range(0..=u64::try_from(longest.as_millis() / 10).unwrap_or(0)))
    }
}

/// Where the response to a request goes (RFC 3261 §18.2.2, RFC 3581 §4).
///
/// Down the stream it came on. On UDP to the port its sender listens at, if the sender asked for nothing else and
/// the address it gives is where it is; else back where the packet came from, which is what gets through a NAT.
fn reply_flow(flow: Flow, via: &crate::Via) -> Flow {
    let source = flow.remote.ip().to_canonical();
    let knows_itself = via.host.ip().map(|ip| ip.to_canonical()) == Some(source);
    if flow.transport == Transport::Udp && !via.wants_rport() && knows_itself {
        Flow { remote: with_port(flow.remote, via.port.unwrap_or(5060)), ..flow }
    } else {
        flow
    }
}

fn tag_of(bits: u64) -> String {
    format!("{bits:016x}")
}

/// The dialog that a To-tag of ours names: our tags are our dialogs' numbers.
fn dialog_of(tag: &str) -> Option<DialogId> {
    let digits = tag.len() == 16 && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(tag, 16).ok().map(DialogId))?
}
