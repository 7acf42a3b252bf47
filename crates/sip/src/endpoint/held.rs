//! Requests of ours that wait for a stream to be opened.
//!
//! - Within a call whose stream is gone: down a new one, to where the other side says that it is reached (RFC 3261 §18);
//!   where it says so by a name, our owner finds out where that leads. If there is none to be had, the stream is lost.
//! - Too long for a datagram: down a stream to the same place, if somebody listens there (§18.1.1); else as a datagram
//!   after all, and so for a while.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::attempt::Stage as Trying;
use super::client::{Habits, Outcome, Purpose};
use super::{Endpoint, Owner};
use crate::dialog::Hop;
use crate::{DialogId, EndCause, Flow, Method, Output, Request, SearchId, SipUri, Transport};

/// A request that waits, and for how long.
#[derive(Debug)]
pub(super) struct Held {
    dialog: DialogId,
    what: What,
    until: Instant,
}

#[derive(Debug)]
enum What {
    /// A request within a dialog; without a stream it goes there, if anywhere.
    Within(Box<Request>, Option<Flow>),
    /// The INVITE of an attempt.
    Invite,
}

impl Endpoint {
    /// What an [`Output::Connect`] asked for has come to: a stream, which [`Endpoint::opened`] knows, or none.
    pub fn connected(&mut self, now: Instant, remote: SocketAddr, stream: Option<Flow>) {
        self.deadlines.set(Owner::Held(remote), None);
        for held in self.held.remove(&remote).unwrap_or_default() {
            self.held_len -= 1;
            self.release(now, Some(remote), held, stream);
        }
    }

    /// What an [`Output::Search`] has come to: the same.
    pub fn found(&mut self, now: Instant, search: SearchId, stream: Option<Flow>) {
        self.deadlines.set(Owner::Search(search), None);
        if let Some(held) = self.sought.remove(&search) {
            self.release(now, None, held, stream);
        }
    }

    /// No stream came in time.
    pub(super) fn held_timeout(&mut self, now: Instant, remote: SocketAddr) {
        let Some(waiting) = self.held.get_mut(&remote) else { return };
        let late: Vec<_> = waiting.extract_if(.., |held| held.until <= now).collect();
        self.held_len -= late.len();
        self.settle_held(remote);
        for held in late {
            self.release(now, Some(remote), held, None);
        }
    }

    /// Lets a request within a dialog wait for a new stream, its own being gone. False: there is no way to the other side.
    pub(super) fn hold_for_peer(&mut self, now: Instant, id: DialogId, request: Request) -> bool {
        let Some(hop) = self.dialogs.get(&id).and_then(|dialog| dialog.reconnects_to()) else { return false };
        let held = Held { dialog: id, what: What::Within(Box::new(request), None), until: now + STREAM_WAIT_MAX };
        match hop {
            Hop::At(remote) => self.hold(remote, held).is_ok(),
            Hop::Named(hop) => self.search(hop, held),
        }
    }

    fn search(&mut self, hop: SipUri, held: Held) -> bool {
        if self.held_len + self.sought.len() >= HELD_MAX {
            return false;
        }
        self.searches_ever += 1;
        let search = SearchId(self.searches_ever);
        self.deadlines.set(Owner::Search(search), Some(held.until));
        self.sought.insert(search, held);
        self.outputs.push_back(Output::Search { search, hop: Box::new(hop) });
        true
    }

    /// Lets a request within a dialog wait for a stream, if it is too long for a datagram; gives it back if not.
    pub(super) fn hold_if_long(&mut self, now: Instant, id: DialogId, flow: Flow, request: Request) -> Option<Request> {
        let streams = self.dialogs.get(&id).is_some_and(|dialog| dialog.takes_streams());
        if !streams || !self.is_too_long(now, flow, &request) {
            return Some(request);
        }
        let what = What::Within(Box::new(request), Some(flow));
        match self.hold(flow.remote, Held { dialog: id, what, until: now + STREAM_WISH_MAX }) {
            Err(Held { what: What::Within(request, _), .. }) => Some(*request),
            Ok(()) | Err(Held { what: What::Invite, .. }) => None,
        }
    }

    /// Lets an attempt wait for a stream before its INVITE goes out. False: there is no room for another one.
    pub(super) fn hold_invite(&mut self, now: Instant, id: DialogId, remote: SocketAddr) -> bool {
        self.hold(remote, Held { dialog: id, what: What::Invite, until: now + STREAM_WISH_MAX }).is_ok()
    }

    /// Whether it should not go as a datagram: it would travel in pieces.
    pub(super) fn is_too_long(&self, now: Instant, flow: Flow, request: &Request) -> bool {
        let headers = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
        let length = headers.sum::<usize>() + request.body.len() + REST_LEN;
        let tried = self.datagrams_only.get(&flow.remote).is_some_and(|until| *until > now);
        flow.transport == Transport::Udp && length > DATAGRAM_LEN_MAX && !tried
    }

    fn hold(&mut self, remote: SocketAddr, held: Held) -> Result<(), Held> {
        if self.held_len + self.sought.len() >= HELD_MAX {
            return Err(held);
        }
        let waiting = self.held.entry(remote).or_default();
        if waiting.is_empty() {
            self.outputs.push_back(Output::Connect { remote });
        }
        waiting.push(held);
        self.held_len += 1;
        self.settle_held(remote);
        Ok(())
    }

    fn settle_held(&mut self, remote: SocketAddr) {
        let waiting = self.held.get(&remote);
        let at = waiting.and_then(|waiting| waiting.iter().map(|held| held.until).min());
        if at.is_none() {
            self.held.remove(&remote);
        }
        self.deadlines.set(Owner::Held(remote), at);
    }

    /// `remote`: where it was to go, if that was said by an address.
    fn release(&mut self, now: Instant, remote: Option<SocketAddr>, held: Held, stream: Option<Flow>) {
        let id = held.dialog;
        let wished = matches!(held.what, What::Invite | What::Within(_, Some(_)));
        if let (None, true, Some(remote)) = (stream, wished, remote) {
            if self.datagrams_only.len() >= DATAGRAMS_ONLY_MAX {
                self.datagrams_only.clear();
            }
            self.datagrams_only.insert(remote, now + DATAGRAMS_ONLY_FOR);
        }
        match held.what {
            What::Invite => {
                let Some(attempt) = self.attempts.get_mut(&id) else { return };
                if matches!(attempt.stage, Trying::Connecting) {
                    attempt.outgoing.flow = stream.unwrap_or(attempt.outgoing.flow);
                    self.send_invite(now, id);
                }
            }
            What::Within(request, fallback) => {
                let Some(dialog) = self.dialogs.get_mut(&id) else { return };
                if let (Some(stream), None) = (stream, fallback) {
                    dialog.flow = stream;
                }
                let keep = dialog.authorizer.is_some() || self.attempts.contains_key(&id);
                let (method, number) = (request.method.clone(), request.headers.cseq().map_or(0, |cseq| cseq.number));
                let sent = stream.or(fallback).and_then(|flow| {
                    let habits = Habits { keep, ..Habits::default() };
                    self.send_client(now, flow, *request, Purpose::Within(id), habits)
                });
                if sent.is_none() {
                    self.peer_lost(now, id, &method, number);
                }
            }
        }
    }

    /// A request could not be sent, since the other side cannot be reached any more.
    fn peer_lost(&mut self, now: Instant, id: DialogId, method: &Method, number: u32) {
        match method {
            Method::Bye => self.forget_dialog(id),
            Method::Invite | Method::Update => {
                self.tell_ended(id, EndCause::FlowLost, None);
                self.forget_dialog(id);
            }
            Method::Refer => self.refer_answered(now, id, number, &Outcome::TimedOut),
            _ => {}
        }
    }
}

/// Requests that wait; one more goes as it can, or not at all.
const HELD_MAX: usize = 1_024;
/// Longest a request waits that cannot go otherwise. Who connects for us gives up earlier, at the first address at least.
const STREAM_WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest one waits that can: a firewall may swallow what it is to know whether there is somebody.
const STREAM_WISH_MAX: Duration = Duration::from_secs(1);
/// RFC 3261 §18.1.1, where the path's own limit is not known.
const DATAGRAM_LEN_MAX: usize = 1_300;
/// Via, User-Agent and the request line, more or less.
const REST_LEN: usize = 200;
/// Places that take datagrams alone; past it we ask anew.
const DATAGRAMS_ONLY_MAX: usize = 1_024;
/// How long that is believed of a place.
const DATAGRAMS_ONLY_FOR: Duration = Duration::from_secs(600);
