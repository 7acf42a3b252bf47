//! Whom the endpoint calls: a phone, or what looks like several behind a proxy.

use sip::{Credentials, DialogId, Event, Failure, Flow, Message, Method, Name, Outgoing, Request, Response, Transport};

use crate::phone::{ANSWER, OFFER, Phone, World, flow};

/// Somebody who is called: answers the latest INVITE, and speaks within the call that comes of it.
#[derive(Debug, Clone)]
pub(crate) struct Callee {
    pub(crate) flow: Flow,
    /// The INVITE in question.
    pub(crate) invite: Request,
    pub(crate) tag: String,
    pub(crate) contact: String,
    pub(crate) cseq: u32,
}

impl Callee {
    /// The endpoint has just called: takes its INVITE.
    pub(crate) fn called(world: &mut World) -> Self {
        let (flow, invite) = world.request();
        assert_eq!(invite.method, Method::Invite);
        let contact = format!("<sip:ben@{}>", flow.remote);
        Self { flow, invite, tag: "ben1".to_owned(), contact, cseq: 100 }
    }

    /// Another phone that the same INVITE has reached.
    pub(crate) fn fork(&self, tag: &str) -> Self {
        Self { tag: tag.to_owned(), ..self.clone() }
    }

    /// A response to the INVITE.
    pub(crate) fn response(&self, status: u16, headers: &str, body: &str) -> Vec<u8> {
        let mut response = Response::to(&self.invite, status);
        if status > 100 {
            response.headers.set_to_tag(&self.tag);
            if !(300..400).contains(&status) {
                response.headers.push(Name::Contact, &self.contact);
            }
        }
        for line in headers.lines() {
            let (name, value) = line.split_once(": ").expect("a header");
            response.headers.push(Name::from(name), value);
        }
        if !body.is_empty() {
            response.headers.push(Name::ContentType, "application/sdp");
            response.body = bytes::Bytes::copy_from_slice(body.as_bytes());
        }
        response.to_bytes().to_vec()
    }

    /// Says so.
    pub(crate) fn says(&self, world: &mut World, status: u16, headers: &str, body: &str) {
        world.hear(self.flow, self.response(status, headers, body));
    }

    /// Answers some other request of the endpoint.
    pub(crate) fn answers(&self, world: &mut World, request: &Request, status: u16, headers: &str) {
        let bytes = Phone::on(self.flow).answer(request, status, headers, "");
        world.hear(self.flow, bytes);
    }

    /// A request within the call.
    pub(crate) fn request(&mut self, method: &str, headers: &str, body: &str) -> String {
        self.cseq += 1;
        let text = |name| self.invite.headers.text(name).expect("a header").into_owned();
        let (from, to, call_id) = (text(Name::To), text(Name::From), text(Name::CallId));
        let Self { flow, tag, contact, cseq, .. } = self;
        let kind =
            if body.is_empty() || headers.contains("Content-Type") { "" } else { "Content-Type: application/sdp\r\n" };
        let transport = if flow.transport == Transport::Tcp { "TCP" } else { "UDP" };
        format!(
            "{method} sip:us@{} SIP/2.0\r\nVia: SIP/2.0/{transport} {};rport;branch=z9hG4bK{tag}{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: {from};tag={tag}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: {contact}\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
            flow.local,
            flow.remote,
            body.len()
        )
    }
}

/// A call of ours with what is usual.
pub(crate) fn outgoing() -> Outgoing {
    let from = "\"Ana\" <sip:ana@example.com>".parse().expect("an address");
    let uri = "sip:ben@192.0.2.10".parse().expect("a URI");
    let udp = flow(Transport::Udp, "192.0.2.10:5060", None);
    Outgoing { contact_user: Some("ana".to_owned()), ..Outgoing::new(udp, uri, from, Some(OFFER.to_owned())) }
}

pub(crate) fn credentials() -> Option<Credentials> {
    Some(Credentials { username: "ana".to_owned(), password: "secret".to_owned(), realm: None })
}

impl World {
    /// The endpoint calls.
    pub(crate) fn calls(&mut self, outgoing: Outgoing) -> DialogId {
        let dialog = self.endpoint.invite(self.now, outgoing);
        self.drain();
        dialog
    }

    /// The endpoint calls and somebody answers: INVITE, 200, ACK.
    pub(crate) fn call_out(&mut self, outgoing: Outgoing) -> (DialogId, Callee) {
        let dialog = self.calls(outgoing);
        let ben = Callee::called(self);
        ben.says(self, 200, "Allow: INVITE, ACK, BYE, UPDATE, REFER, NOTIFY", ANSWER);
        assert_eq!(self.said(), ["ACK"]);
        assert!(matches!(self.event(), Event::Accepted { dialog: of, answer: Some(_), .. } if of == dialog));
        (dialog, ben)
    }

    pub(crate) fn hang_up(&mut self, dialog: DialogId) {
        self.endpoint.hangup(self.now, dialog, None);
        self.drain();
    }

    /// How the call failed.
    pub(crate) fn failed(&mut self) -> (u16, Failure) {
        match self.event() {
            Event::Failed { status, failure, .. } => (status, failure),
            other => panic!("not failed: {other:?}"),
        }
    }

    /// The requests said since the last look; whatever else was said is gone.
    pub(crate) fn requests(&mut self) -> Vec<Request> {
        let requests = self.messages().into_iter().filter_map(|sent| match sent.message {
            Message::Request(request) => Some(request),
            Message::Response(_) => None,
        });
        requests.collect()
    }
}
