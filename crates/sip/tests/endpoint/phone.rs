//! A world with one endpoint in it, and phones that call it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::{
    Config, DialogId, Endpoint, Event, Flow, Message, Name, Output, Request, Response, SearchId, Transport, parse,
};

pub(crate) const OFFER: &str =
    "v=0\r\no=ana 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
pub(crate) const ANSWER: &str =
    "v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n";

/// One endpoint, its clock, and everything it has said that no test has looked at yet.
pub(crate) struct World {
    pub(crate) endpoint: Endpoint,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) events: VecDeque<Event>,
    sent: VecDeque<Sent>,
    pub(crate) closed: Vec<u64>,
    /// Where streams are wanted to.
    pub(crate) wanted: Vec<SocketAddr>,
    /// Who is looked for by name, to be reached by a stream.
    pub(crate) sought: Vec<(SearchId, String)>,
    /// What an OPTIONS for a user is answered, at once; `None` leaves it among the events.
    pub(crate) options: Option<u16>,
}

/// One message of the endpoint, and when it left.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) at_ms: u128,
    pub(crate) flow: Flow,
    pub(crate) message: Message,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let start = Instant::now();
        Self {
            endpoint: Endpoint::new(config, 7),
            start,
            now: start,
            events: VecDeque::new(),
            sent: VecDeque::new(),
            closed: vec![],
            wanted: vec![],
            sought: vec![],
            options: Some(200),
        }
    }

    /// A message arrives.
    pub(crate) fn hear(&mut self, flow: Flow, text: impl AsRef<[u8]>) {
        self.endpoint.receive(self.now, flow, Bytes::copy_from_slice(text.as_ref()));
        self.drain();
    }

    /// Takes what the endpoint wants done.
    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Send { flow, bytes } => {
                    let message = parse(&bytes).unwrap_or_else(|_| Message::Response(lenient(&bytes)));
                    let at_ms = (self.now - self.start).as_millis();
                    self.sent.push_back(Sent { at_ms, flow, message });
                }
                Output::Close { connection } => self.closed.push(connection),
                Output::Connect { remote } => self.wanted.push(remote),
                Output::Search { search, hop } => self.sought.push((search, hop.to_string())),
                Output::Event(event) => match (event, self.options) {
                    (Event::Options { id, .. }, Some(status)) => {
                        self.endpoint.answer_options(self.now, id, status);
                    }
                    (event, _) => self.events.push_back(event),
                },
            }
        }
    }

    /// The one stream that is wanted is there, by this number, or cannot be opened. Where it leads.
    pub(crate) fn connects(&mut self, connection: Option<u64>) -> SocketAddr {
        let remote = self.wanted.pop().expect("a stream is wanted");
        assert_eq!(self.wanted, [], "and only one");
        let stream = connection.map(|number| {
            assert!(self.endpoint.opened(number));
            Flow {
                local: "192.0.2.1:40000".parse().expect("an address"),
                ..flow(Transport::Tcp, &remote.to_string(), Some(number))
            }
        });
        self.endpoint.connected(self.now, remote, stream);
        self.drain();
        remote
    }

    /// The one who is looked for by name is found, or is not. By which name.
    pub(crate) fn finds(&mut self, connection: Option<u64>) -> String {
        let (search, name) = self.sought.pop().expect("somebody is looked for");
        assert_eq!(self.sought, [], "and nobody else");
        let stream = connection.map(|number| {
            assert!(self.endpoint.opened(number));
            flow(Transport::Tcp, "192.0.2.77:5060", Some(number))
        });
        self.endpoint.found(self.now, search, stream);
        self.drain();
        name
    }

    /// Time passes.
    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.endpoint.next_deadline().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// What was said since the last look, as `200 INVITE` and `BYE`.
    pub(crate) fn said(&mut self) -> Vec<String> {
        self.messages().iter().map(|sent| name(&sent.message)).collect()
    }

    /// The same, with the moment in ms before each.
    pub(crate) fn said_when(&mut self) -> Vec<String> {
        self.messages().iter().map(|sent| format!("{} {}", sent.at_ms, name(&sent.message))).collect()
    }

    pub(crate) fn messages(&mut self) -> Vec<Sent> {
        self.sent.drain(..).collect()
    }

    /// The one response said since the last look.
    pub(crate) fn response(&mut self) -> Response {
        let mut messages = self.messages();
        match (messages.pop(), messages.len()) {
            (Some(Sent { message: Message::Response(response), .. }), 0) => response,
            other => panic!("not one response: {other:?}"),
        }
    }

    /// The one request said since the last look, and where it went.
    pub(crate) fn request(&mut self) -> (Flow, Request) {
        let mut messages = self.messages();
        match (messages.pop(), messages.len()) {
            (Some(Sent { flow, message: Message::Request(request), .. }), 0) => (flow, request),
            other => panic!("not one request: {other:?}"),
        }
    }

    pub(crate) fn event(&mut self) -> Event {
        self.events.pop_front().expect("an event")
    }

    /// The dialog of the call that has just come in.
    pub(crate) fn invited(&mut self) -> DialogId {
        match self.event() {
            Event::Invite { dialog, .. } => dialog,
            other => panic!("not a call: {other:?}"),
        }
    }

    pub(crate) fn accept(&mut self, dialog: DialogId) {
        self.endpoint.accept(self.now, dialog, ANSWER.to_owned());
        self.drain();
    }

    /// A whole call set-up: INVITE, 200, ACK.
    pub(crate) fn call(&mut self, phone: &mut Phone) -> DialogId {
        self.hear(phone.flow, phone.invite());
        let dialog = self.invited();
        self.accept(dialog);
        let messages = self.messages();
        phone.learn(&messages.last().expect("a 200").message);
        self.hear(phone.flow, phone.ack());
        assert!(matches!(self.event(), Event::Acked { .. }));
        assert_eq!(self.said(), [""; 0]);
        dialog
    }

    /// Nothing is left in any table.
    pub(crate) fn assert_empty(&self) {
        assert_eq!((self.endpoint.dialogs_open(), self.endpoint.transactions_open()), (0, 0));
        assert_eq!(self.endpoint.next_deadline(), None);
    }
}

/// An answer to a malformed request, which mirrors what is malformed; and the pong, which is no message at all.
fn lenient(bytes: &[u8]) -> Response {
    let text = String::from_utf8_lossy(bytes);
    let mut headers = sip::Headers::new();
    for (name, value) in text.lines().filter_map(|line| line.split_once(": ")) {
        headers.push(Name::from(name), value);
    }
    let status = text.get(8..11).map_or(0, |status| status.parse().expect("a status"));
    Response { status, reason: text.into_owned(), headers, body: Bytes::new() }
}

/// `200 INVITE` or `BYE`.
pub(crate) fn name(message: &Message) -> String {
    match message {
        Message::Request(request) => request.method.to_string(),
        Message::Response(response) => response
            .headers
            .cseq()
            .map_or(response.reason.clone(), |cseq| format!("{} {}", response.status, cseq.method)),
    }
}

/// A caller. Its fields are its habits; every request takes a new branch.
#[derive(Debug, Clone)]
pub(crate) struct Phone {
    pub(crate) flow: Flow,
    pub(crate) call_id: String,
    pub(crate) from: String,
    /// Learned from the first response that has one.
    pub(crate) to_tag: Option<String>,
    pub(crate) cseq: u32,
    pub(crate) contact: String,
    /// More header lines, each with its line end, in every request.
    pub(crate) extra: String,
    /// The topmost Via up to the branch.
    pub(crate) via: String,
    pub(crate) branches: u32,
}

impl Phone {
    pub(crate) fn udp() -> Self {
        Self::on(flow(Transport::Udp, "192.0.2.10:5060", None))
    }

    pub(crate) fn tcp(connection: u64) -> Self {
        Self::on(flow(Transport::Tcp, "192.0.2.10:33000", Some(connection)))
    }

    pub(crate) fn on(flow: Flow) -> Self {
        let transport = if flow.transport == Transport::Tcp { "TCP" } else { "UDP" };
        Self {
            flow,
            call_id: "call@192.0.2.10".to_owned(),
            from: "<sip:ana@example.com>;tag=ana1".to_owned(),
            to_tag: None,
            cseq: 1,
            contact: format!("<sip:ana@{}>", flow.remote),
            extra: String::new(),
            via: format!("SIP/2.0/{transport} {};rport", flow.remote),
            branches: 0,
        }
    }

    /// A request with the present CSeq and branch: again, if nothing was changed.
    pub(crate) fn again(&self, method: &str, headers: &str, body: &str) -> String {
        let Self { call_id, from, cseq, contact, extra, via, branches, .. } = self;
        let to_tag = self.to_tag.as_ref().map_or(String::new(), |tag| format!(";tag={tag}"));
        let kind =
            if body.is_empty() || headers.contains("Content-Type") { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:standup@192.0.2.1 SIP/2.0\r\nVia: {via};branch=z9hG4bK{call_id}{branches}\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: <sip:standup@192.0.2.1>{to_tag}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: {contact}\r\n{extra}{headers}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// A new request: the next CSeq, a new branch.
    pub(crate) fn request(&mut self, method: &str, headers: &str, body: &str) -> String {
        self.cseq += 1;
        self.branches += 1;
        self.again(method, headers, body)
    }

    /// The first INVITE, with an offer.
    pub(crate) fn invite(&self) -> String {
        self.again("INVITE", "", OFFER)
    }

    /// ACK to a 2xx: a transaction of its own.
    pub(crate) fn ack(&mut self) -> String {
        self.ack_with("")
    }

    pub(crate) fn ack_with(&mut self, body: &str) -> String {
        self.branches += 1;
        self.again("ACK", "", body)
    }

    /// ACK to an error, or CANCEL: the INVITE's branch.
    pub(crate) fn same_branch(&self, method: &str) -> String {
        self.again(method, "", "")
    }

    pub(crate) fn bye(&mut self) -> String {
        self.request("BYE", "", "")
    }

    /// Notes the To-tag.
    pub(crate) fn learn(&mut self, message: &Message) {
        self.to_tag = message.headers().to_tag();
    }

    /// Answers a request of the endpoint.
    pub(crate) fn answer(&self, request: &Request, status: u16, headers: &str, body: &str) -> Vec<u8> {
        let mut response = Response::to(request, status);
        for line in headers.lines().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").expect("a header");
            response.headers.push(Name::from(name), value);
        }
        response.body = Bytes::copy_from_slice(body.as_bytes());
        response.to_bytes().to_vec()
    }
}

pub(crate) fn flow(transport: Transport, remote: &str, connection: Option<u64>) -> Flow {
    let local: SocketAddr =
        if remote.starts_with('[') { "[2001:db8::1]:5060" } else { "192.0.2.1:5060" }.parse().expect("an address");
    Flow { transport, local, remote: remote.parse().expect("an address"), connection }
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
