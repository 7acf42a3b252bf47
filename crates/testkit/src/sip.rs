//! As much SIP as a caller needs: text templates for what it says, a small scanner for what it is told.
//!
//! Deliberately not crate `sip`: the bridge must agree with the RFCs, not with itself.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::wire::Moment;

/// What carries the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// One message, one datagram.
    Udp,
    /// A stream, messages told apart by `Content-Length`.
    Tcp,
}

/// The caller's side of one dialog (RFC 3261 §12.1.2): knows how to phrase the next request.
#[derive(Debug, Clone)]
pub struct Dialog {
    call_id: String,
    transport: Transport,
    local: SocketAddr,
    from: String,
    to: String,
    target: String,
    routes: Vec<String>,
    sequence: u32,
    invite_branch: String,
    invite_sequence: u32,
}

impl Dialog {
    /// A call from `sip:<user>@…` to `sip:<room>@<server>`, not yet begun; a room with an `@` names its own domain.
    pub fn new(transport: Transport, local: SocketAddr, user: &str, room: &str, server: SocketAddr) -> Self {
        let to = if room.contains('@') { format!("sip:{room}") } else { format!("sip:{room}@{server}") };
        let to = match transport {
            Transport::Udp => to,
            Transport::Tcp => format!("{to};transport=tcp"),
        };
        Self {
            call_id: unique(),
            transport,
            local,
            from: format!("<sip:{user}@{}>;tag={}", local.ip(), unique()),
            to: format!("<{to}>"),
            target: to,
            routes: Vec::new(),
            sequence: 0,
            invite_branch: String::new(),
            invite_sequence: 0,
        }
    }

    /// The called's side of the call that this INVITE, answered with this tag, began.
    pub fn answering(local: SocketAddr, invite: &Message, tag: &str) -> Self {
        let value = |name| invite.header(name).unwrap_or_default().to_owned();
        Self {
            call_id: value("call-id"),
            transport: Transport::Udp,
            local,
            from: format!("{};tag={tag}", value("to")),
            to: value("from"),
            target: uri(&value("contact")).to_owned(),
            routes: invite.headers("record-route").map(str::to_owned).collect(),
            sequence: 0,
            invite_branch: String::new(),
            invite_sequence: 0,
        }
    }

    /// Its name on the wire.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// INVITE, or re-INVITE once the call is answered; with an offer or without.
    pub fn invite(&mut self, offer: Option<&str>) -> String {
        let request = self.request("INVITE", "Supported: timer\r\n", offer);
        self.invite_sequence = self.sequence;
        request
    }

    /// Any further request of the dialog; `headers` are whole lines.
    pub fn request(&mut self, method: &str, headers: &str, body: Option<&str>) -> String {
        self.sequence += 1;
        let branch = format!("z9hG4bK{}", unique());
        if method == "INVITE" {
            self.invite_branch.clone_from(&branch);
        }
        self.write(method, self.sequence, &branch, headers, body)
    }

    /// ACK of a 2xx, a transaction of its own; carries the answer when the 2xx carried the offer.
    pub fn ack(&self, answer: Option<&str>) -> String {
        self.write("ACK", self.invite_sequence, &format!("z9hG4bK{}", unique()), "", answer)
    }

    /// ACK of a refusal: part of the INVITE's transaction, so with its branch.
    pub fn ack_refusal(&self, refusal: &Message) -> String {
        let to = refusal.header("to").unwrap_or_default();
        let with_tag = Self { to: to.to_owned(), ..self.clone() };
        with_tag.write("ACK", self.invite_sequence, &self.invite_branch, "", None)
    }

    /// BYE.
    pub fn bye(&mut self) -> String {
        self.request("BYE", "", None)
    }

    /// Learns from a 2xx what the next requests need: the other side's tag, its contact, the way there.
    pub fn answered(&mut self, response: &Message) {
        if let Some(to) = response.header("to") {
            self.to = to.to_owned();
        }
        if let Some(contact) = response.header("contact") {
            self.target = uri(contact).to_owned();
        }
        self.routes = response.headers("record-route").map(str::to_owned).collect();
        self.routes.reverse();
    }

    fn write(&self, method: &str, sequence: u32, branch: &str, headers: &str, body: Option<&str>) -> String {
        let Self { call_id, local, from, to, target, .. } = self;
        let (upper, contact) = match self.transport {
            Transport::Udp => ("UDP", format!("<sip:phone@{local}>")),
            Transport::Tcp => ("TCP", format!("<sip:phone@{local};transport=tcp>")),
        };
        let mut text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{upper} {local};rport;branch={branch}\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {sequence} {method}\r\n\
             Contact: {contact}\r\n{headers}"
        );
        for route in &self.routes {
            write!(text, "Route: {route}\r\n").expect("writing to a string");
        }
        finish(text, body)
    }
}

/// A received request or response, as far as a caller looks into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub start: Start,
    headers: Vec<(String, String)>,
    /// What it carries.
    pub body: String,
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// A request and its method.
    Request(String),
    /// A response and its status.
    Response(u16),
}

impl Message {
    /// Reads one whole message; `None` when it is not one.
    pub fn scan(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let first = lines.next()?;
        let start = match first.strip_prefix("SIP/2.0 ") {
            Some(status) => Start::Response(status.get(..3)?.parse().ok()?),
            None => Start::Request(first.strip_suffix(" SIP/2.0")?.split(' ').next()?.to_owned()),
        };
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (long_name(name.trim()), value.trim().to_owned()))
            .collect();
        Some(Self { start, headers, body: body.to_owned() })
    }

    /// The first header field of that lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every header field of that lower-case name.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Number and method of the CSeq.
    pub fn sequence(&self) -> Option<(u32, &str)> {
        let (number, method) = self.header("cseq")?.split_once(' ')?;
        Some((number.parse().ok()?, method.trim()))
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            Start::Response(status) => Some(status),
            Start::Request(_) => None,
        }
    }

    /// The answer to this request: `status` is `200 OK`, `headers` are whole lines, `tag` names our side.
    pub fn respond(&self, status: &str, tag: &str, headers: &str, body: Option<&str>) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for via in self.headers("via") {
            write!(text, "Via: {via}\r\n").expect("writing to a string");
        }
        for route in self.headers("record-route") {
            write!(text, "Record-Route: {route}\r\n").expect("writing to a string");
        }
        let value = |name| self.header(name).unwrap_or_default();
        let to = value("to");
        let tag = if to.contains(";tag=") { String::new() } else { format!(";tag={tag}") };
        let (from, call_id, sequence) = (value("from"), value("call-id"), value("cseq"));
        write!(text, "From: {from}\r\nTo: {to}{tag}\r\nCall-ID: {call_id}\r\nCSeq: {sequence}\r\n{headers}")
            .expect("writing to a string");
        finish(text, body)
    }
}

/// Takes one whole message off the front of a TCP stream; keep-alive line ends before it are skipped.
pub fn take_message(stream: &mut Vec<u8>) -> Option<Vec<u8>> {
    let blank = stream.iter().take_while(|&&byte| byte == b'\r' || byte == b'\n').count();
    stream.drain(..blank);
    let head_end = stream.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&stream[..head_end]);
    let length = head.split("\r\n").filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        (long_name(name.trim()) == "content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    let end = head_end + length.unwrap_or(0);
    (stream.len() >= end).then(|| stream.drain(..end).collect())
}

/// The URI in a `Contact`, `From` or `Route` value.
pub fn uri(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

/// A word that nobody used before.
pub fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{:x}-{:x}", Moment::now().0, NEXT.fetch_add(1, Ordering::Relaxed))
}

fn finish(mut text: String, body: Option<&str>) -> String {
    let body = body.unwrap_or_default();
    if !body.is_empty() {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    write!(text, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("writing to a string");
    text
}

fn long_name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "v" => "via",
        "f" => "from",
        "t" => "to",
        "i" => "call-id",
        "m" => "contact",
        "l" => "content-length",
        "c" => "content-type",
        "k" => "supported",
        _ => return name,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog() -> Dialog {
        let local = "127.0.0.1:40000".parse().expect("an address");
        let server = "127.0.0.2:5060".parse().expect("an address");
        Dialog::new(Transport::Udp, local, "ana", "standup", server)
    }

    const OK: &[u8] = b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\nRecord-Route: <sip:p1;lr>\r\n\
        Record-Route: <sip:p2;lr>\r\nf: <sip:a@b>;tag=1\r\nt: <sip:standup@c>;tag=2\r\ni: x\r\n\
        CSeq: 1 INVITE\r\nm: \"The Bridge\" <sip:bridge@127.0.0.2:5062>\r\nl: 3\r\n\r\nv=0";

    #[test]
    fn after_the_answer_requests_go_where_it_said() {
        let mut dialog = dialog();
        let invite = dialog.invite(Some("v=0"));
        assert!(invite.starts_with("INVITE sip:standup@127.0.0.2:5060 SIP/2.0\r\n"), "{invite}");
        assert!(invite.ends_with("Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0"), "{invite}");
        dialog.answered(&Message::scan(OK).expect("a response"));
        let bye = Message::scan(dialog.bye().as_bytes()).expect("a request");
        assert_eq!(bye.start, Start::Request("BYE".into()));
        assert_eq!(bye.header("to"), Some("<sip:standup@c>;tag=2"));
        assert_eq!(bye.headers("route").collect::<Vec<_>>(), ["<sip:p2;lr>", "<sip:p1;lr>"]);
        assert_eq!(bye.sequence(), Some((2, "BYE")));
        assert!(dialog.ack(None).starts_with("ACK sip:bridge@127.0.0.2:5062 SIP/2.0\r\n"));
        assert!(dialog.ack(None).contains("CSeq: 1 ACK"));
    }

    #[test]
    fn a_refusal_is_acknowledged_in_the_transaction_of_its_invite() {
        let mut dialog = dialog();
        let invite = Message::scan(dialog.invite(None).as_bytes()).expect("a request");
        let refusal = Message::scan(invite.respond("486 Busy Here", "9", "", None).as_bytes()).expect("a response");
        assert_eq!(refusal.status(), Some(486));
        let ack = Message::scan(dialog.ack_refusal(&refusal).as_bytes()).expect("a request");
        assert_eq!(ack.header("via"), invite.header("via"));
        assert!(ack.header("to").is_some_and(|to| to.ends_with(";tag=9")));
    }

    #[test]
    fn a_stream_is_cut_into_messages() {
        let mut stream = [b"\r\n\r\n", OK, b"SIP/2.0 100 Trying\r\n"].concat();
        assert_eq!(take_message(&mut stream).as_deref(), Some(OK));
        assert_eq!(take_message(&mut stream), None);
        stream.extend(b"\r\n");
        assert_eq!(take_message(&mut stream).as_deref(), Some(&b"SIP/2.0 100 Trying\r\n\r\n"[..]));
    }
}
