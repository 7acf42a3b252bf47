//! A phone that waits to be called: rings, and takes the call, refuses it, or is told that nobody calls any more.
//!
//! ```no_run
//! # use testkit::{callee::Callee, tone::Tone};
//! let ben = Callee::wait_at([127, 0, 0, 1].into(), "ben");
//! // Somebody is told to call `ben.uri()`.
//! let phone = ben.ring().take(Tone::nth(3));
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::phone::Phone;
use crate::sip::{self, Message, Start};
use crate::tone::Tone;

/// A phone with an address of its own, over UDP. Its calls come one after the other.
#[derive(Debug)]
pub struct Callee {
    user: String,
    socket: UdpSocket,
    /// What each INVITE was last answered, by its branch: what comes again is answered again.
    answered: RefCell<BTreeMap<String, String>>,
}

/// A call that has not been answered yet.
#[derive(Debug)]
pub struct Ringing<'a> {
    callee: &'a Callee,
    /// The INVITE as it came.
    pub invite: Message,
    caller: SocketAddr,
    tag: String,
}

impl Callee {
    /// Waits for calls at a free port of this address.
    ///
    /// # Panics
    /// When there is none.
    pub fn wait_at(address: IpAddr, user: &str) -> Self {
        let socket = UdpSocket::bind((address, 0)).expect("a port for SIP");
        socket.set_read_timeout(Some(LOOK_EVERY)).expect("a time that is not zero");
        Self { user: user.to_owned(), socket, answered: RefCell::default() }
    }

    /// How it is called.
    pub fn uri(&self) -> String {
        format!("sip:{}@{}", self.user, self.address())
    }

    /// Waits for a call, and rings.
    ///
    /// # Panics
    /// When nobody calls.
    #[track_caller]
    pub fn ring(&self) -> Ringing<'_> {
        let Some((invite, caller)) = self.wait_for("INVITE", PATIENCE) else {
            panic!("nobody called {} within {PATIENCE:?}", self.uri());
        };
        let ringing = Ringing { callee: self, invite, caller, tag: sip::unique() };
        ringing.respond("180 Ringing", None);
        ringing
    }

    /// True when nobody calls for this long.
    pub fn is_left_alone(&self, length: Duration) -> bool {
        self.wait_for("INVITE", length).is_none()
    }

    /// The next new request of this method. What else comes meanwhile is answered as a phone answers it.
    fn wait_for(&self, wanted: &str, patience: Duration) -> Option<(Message, SocketAddr)> {
        let deadline = Instant::now() + patience;
        let mut piece = [0; 16 * 1024];
        while Instant::now() < deadline {
            let Ok((length, from)) = self.socket.recv_from(&mut piece) else { continue };
            let Some(message) = Message::scan(&piece[..length]) else { continue };
            let Start::Request(method) = &message.start else { continue };
            let known = self.answered.borrow().get(branch(&message)).filter(|_| method == "INVITE").cloned();
            match (known, method.as_str()) {
                (Some(response), _) => self.send(&response, from),
                (None, "ACK") => {}
                (None, method) if method == wanted => return Some((message, from)),
                // A request about a call that is over, or was never this one's.
                (None, _) => self.send(&message.respond("481 Call Does Not Exist", "none", "", None), from),
            }
        }
        None
    }

    fn send(&self, text: &str, to: SocketAddr) {
        self.socket.send_to(text.as_bytes(), to).expect("loopback takes datagrams");
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket has an address")
    }
}

impl Ringing<'_> {
    /// Takes the call, humming.
    ///
    /// # Panics
    /// When the INVITE has no offer to answer.
    #[track_caller]
    pub fn take(self, tone: Tone) -> Phone {
        let (phone, response) = Phone::answering(&self.invite, self.caller, &self.tag, tone);
        self.remember(&response);
        self.callee.send(&response, self.caller);
        phone
    }

    /// Refuses it: `486 Busy Here`.
    pub fn refuse(self, status: &str) {
        self.respond(status, None);
    }

    /// Rings until the caller gives up, and the reason it gives.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn wait_canceled(self) -> Option<String> {
        let Some((cancel, from)) = self.callee.wait_for("CANCEL", PATIENCE) else {
            panic!("{} was not canceled within {PATIENCE:?}", self.callee.uri());
        };
        assert_eq!(cancel.header("call-id"), self.invite.header("call-id"), "another call is canceled");
        self.callee.send(&cancel.respond("200 OK", &self.tag, "", None), from);
        self.respond("487 Request Terminated", None);
        cancel.header("reason").map(str::to_owned)
    }

    fn respond(&self, status: &str, body: Option<&str>) {
        let contact = format!("Contact: <{}>\r\n", self.callee.uri());
        let response = self.invite.respond(status, &self.tag, &contact, body);
        self.remember(&response);
        self.callee.send(&response, self.caller);
    }

    fn remember(&self, response: &str) {
        let branch = branch(&self.invite).to_owned();
        self.callee.answered.borrow_mut().insert(branch, response.to_owned());
    }
}

/// What tells a request that is sent again from a new one (RFC 3261 §17.2.3).
fn branch(request: &Message) -> &str {
    let via = request.header("via").unwrap_or_default();
    via.split(";branch=").nth(1).and_then(|rest| rest.split([';', ',']).next()).unwrap_or(via)
}

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:ben@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bK1;rport\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:ben@127.0.0.1>\r\nCall-ID: x\r\nCSeq: 7 INVITE\r\n\
        Contact: <sip:a@127.0.0.1:1>\r\n\r\n";

    fn read(caller: &UdpSocket) -> Message {
        let mut piece = [0; 4096];
        let length = caller.recv(&mut piece).expect("an answer");
        Message::scan(&piece[..length]).expect("a response")
    }

    #[test]
    fn it_rings_once_and_is_told_when_nobody_calls_any_more() {
        let ben = Callee::wait_at([127, 0, 0, 1].into(), "ben");
        let caller = UdpSocket::bind("127.0.0.1:0").expect("a port");
        caller.connect(ben.address()).expect("a way");
        caller.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
        caller.send(INVITE.as_bytes()).expect("sent");
        let ringing = ben.ring();
        assert_eq!(read(&caller).status(), Some(180));
        caller.send(INVITE.as_bytes()).expect("sent");
        let cancel = INVITE.replace("INVITE", "CANCEL").replace("\r\n\r\n", "\r\nReason: SIP;cause=200\r\n\r\n");
        caller.send(cancel.as_bytes()).expect("sent");
        assert_eq!(ringing.wait_canceled().as_deref(), Some("SIP;cause=200"));
        let statuses: Vec<_> = (0..3).map(|_| read(&caller).status()).collect();
        assert_eq!(statuses, [Some(180), Some(200), Some(487)]);
        caller.send(INVITE.as_bytes()).expect("sent");
        assert!(ben.is_left_alone(Duration::from_millis(100)), "an INVITE that comes again is none");
        assert_eq!(read(&caller).status(), Some(487));
    }
}
