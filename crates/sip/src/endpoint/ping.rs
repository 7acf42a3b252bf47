//! OPTIONS of ours: whether somebody is there (RFC 3261 §11.1).

use std::time::Instant;

use rand::Rng;

use super::client::{Habits, Purpose};
use super::{Endpoint, tag_of};
use crate::inspection::ACCEPT;
use crate::{Event, Flow, Method, Name, NameAddr, PingId, Request, Uri};

impl Endpoint {
    /// Asks whether somebody is there. [`Event::Pinged`] says so, within 64·T1.
    pub fn options(&mut self, now: Instant, flow: Flow, uri: Uri) -> PingId {
        let ping = PingId(self.rng.next_u64());
        let (from, call_id) = (self.contact(flow, None), self.rng.next_u64());
        let mut request = Request::new(Method::Options, uri.clone().into());
        for (name, value) in [
            (Name::MaxForwards, "70".to_owned()),
            (Name::From, format!("{from};tag={}", tag_of(ping.0))),
            (Name::To, NameAddr::new(uri).to_string()),
            (Name::CallId, tag_of(call_id)),
            (Name::CSeq, "1 OPTIONS".to_owned()),
            (Name::Contact, from),
            (Name::Accept, ACCEPT.to_owned()),
        ] {
            request.headers.push(name, value);
        }
        if self.send_client(now, flow, request, Purpose::Ping(ping), Habits::default()).is_none() {
            self.event(Event::Pinged { ping, status: None });
        }
        ping
    }
}
