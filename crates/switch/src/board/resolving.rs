//! Finding out where a call of ours leads, and the way there (RFC 3263).

use std::net::SocketAddr;

use model::{CallSid, CallStatus};
use sip::{Flow, LookupFailed, Query, Transport};
use tracing::info;

use super::Board;
use crate::call::Line;
use crate::conference::Leaving;
use crate::effect::Effect;
use crate::follow_up::FollowUp;
use crate::lookup::{Led, Waiter};
use crate::outbound::{Lead, Path, Target, Wish};
use crate::reach::{flow_towards, is_here};
use crate::turn::Turn;

/// Streams being opened at once; a call that needs one more goes another way, or fails.
const CONNECTING_MAX: usize = 256;

impl Board {
    /// Goes on with the first of a call's leads: the ways there are known, or somebody is asked.
    pub(super) fn lead(&mut self, sid: CallSid, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let span = call.span.clone();
        let _in_call = span.enter();
        let Line::Outbound(outgoing) = &mut call.line else { return };
        let Some(lead) = outgoing.leads.front() else { return };
        match self.lookups.targets(turn.now.instant, &lead.next_hop, turn.effects) {
            Led::To(found) => {
                let Some(Lead { uri, routes, credentials, .. }) = outgoing.leads.pop_front() else { return };
                let path = |target| {
                    let (uri, routes, credentials) = (uri.clone(), routes.clone(), credentials.clone());
                    Path { target, uri, routes, credentials }
                };
                outgoing.paths = found.into_iter().map(path).collect();
                self.next_path(sid, turn);
            }
            Led::Asked(queries) => self.lookups.wait(Waiter::Call(sid), queries),
            Led::Nowhere(why) => {
                info!(next_hop = ?lead.next_hop.host, %why, "leads nowhere");
                outgoing.leads.pop_front();
                self.next_path(sid, turn);
            }
        }
    }

    /// Takes the next way there is, or the next lead, or gives up.
    pub(super) fn next_path(&mut self, sid: CallSid, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let Line::Outbound(outgoing) = &mut call.line else { return };
        let Some(path) = outgoing.paths.front() else {
            if outgoing.leads.is_empty() {
                return self.nowhere(sid, turn);
            }
            return turn.follow_ups.push_back(FollowUp::Lead(sid));
        };
        let remote = path.target.address;
        if is_here(turn.config, remote) {
            info!(%remote, "leads back here");
            outgoing.paths.pop_front();
            return self.next_path(sid, turn);
        }
        let flow = match path.target.transport {
            Transport::Udp => flow_towards(turn.config, remote),
            Transport::Tcp => match self.streams_out.get(&remote).copied() {
                Some(flow) => Some(flow),
                None if self.begin_connecting(remote, turn) => {
                    return self.connecting.entry(remote).or_default().push(Waiter::Call(sid));
                }
                None => None,
            },
        };
        self.take_path(sid, flow, turn);
    }

    /// Calls by the first of the ways, if there is a flow for it; otherwise by the next one.
    fn take_path(&mut self, sid: CallSid, flow: Option<Flow>, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let span = call.span.clone();
        let _in_call = span.enter();
        let Line::Outbound(outgoing) = &mut call.line else { return };
        let Some(Path { target, uri, routes, credentials }) = outgoing.paths.pop_front() else { return };
        let Some(flow) = flow else {
            self.lookups.failed(turn.now.instant, target, None);
            return self.next_path(sid, turn);
        };
        info!(remote = %target.address, transport = ?target.transport, "trying");
        outgoing.last_tried = Some(target);
        let wish = Wish::Invite(Target { flow, uri, routes, credentials, same_flow: false });
        if !self.describe_to(sid, wish, turn) {
            self.next_path(sid, turn);
        }
    }

    /// A call has had the time it may ring for: nothing more is waited for or tried. What rings ends at this moment, too.
    pub(super) fn sought_for_too_long(&mut self, sid: CallSid, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        call.limit = None;
        if matches!(call.line, Line::Wired(_)) {
            return self.wire_rang_for_too_long(sid, turn);
        }
        let Line::Outbound(outgoing) = &mut call.line else { return };
        outgoing.give_up();
        if outgoing.is_idle() {
            call.span.in_scope(|| info!("found no way in time"));
            call.sip_code = Some(call.sip_code.unwrap_or(408));
            self.end_call(sid, Some(CallStatus::NoAnswer), Leaving::HungUp, turn);
        }
    }

    fn nowhere(&mut self, sid: CallSid, turn: &mut Turn) {
        if let Some(call) = self.calls.get_mut(&sid) {
            call.sip_code = Some(call.sip_code.unwrap_or(404));
        }
        self.end_call(sid, Some(CallStatus::Failed), Leaving::HungUp, turn);
    }

    /// The domain name system has answered: whoever waits for that goes on.
    pub(crate) fn looked_up(&mut self, query: Query, answer: Result<sip::Answered, LookupFailed>, turn: &mut Turn) {
        let woken = self.lookups.wake(&query);
        self.lookups.looked_up(turn.now.instant, query, answer);
        turn.follow_ups.extend(woken.into_iter().map(|waiter| match waiter {
            Waiter::Call(sid) => FollowUp::Lead(sid),
            Waiter::Search(search) => FollowUp::Seek(search),
        }));
    }

    /// The endpoint wants a stream to there: one that there is, or a new one.
    pub(crate) fn open_flow(&mut self, remote: SocketAddr, turn: &mut Turn) {
        match self.streams_out.get(&remote).copied() {
            Some(flow) => self.endpoint.connected(turn.now.instant, remote, Some(flow)),
            None if self.begin_connecting(remote, turn) => {}
            None => self.endpoint.connected(turn.now.instant, remote, None),
        }
    }

    /// Opens a stream, unless that is under way. False: too many are being opened.
    pub(super) fn begin_connecting(&mut self, remote: SocketAddr, turn: &mut Turn) -> bool {
        if self.connecting.contains_key(&remote) {
            return true;
        }
        let room = self.connecting.len() < CONNECTING_MAX;
        if room {
            self.connecting.insert(remote, Vec::new());
            turn.effects.push(Effect::Connect { remote });
        }
        room
    }

    /// A stream is open, or cannot be opened.
    pub(crate) fn connected(&mut self, remote: SocketAddr, flow: Option<Flow>, turn: &mut Turn) {
        let known = flow.filter(|flow| flow.connection.is_some_and(|connection| self.endpoint.opened(connection)));
        if let (Some(Flow { connection: Some(connection), .. }), None) = (flow, known) {
            turn.effects.push(Effect::Close { connection });
        }
        self.streams_out.extend(known.map(|flow| (remote, flow)));
        for waiter in self.connecting.remove(&remote).unwrap_or_default() {
            match waiter {
                Waiter::Call(sid) => self.take_path(sid, known, turn),
                Waiter::Search(search) => self.search_connected(search, known, turn),
            }
        }
        self.endpoint.connected(turn.now.instant, remote, known);
    }

    /// A stream has ended: the next call there needs another one.
    pub(crate) fn disconnected(&mut self, connection: u64) {
        self.streams_out.retain(|_, flow| flow.connection != Some(connection));
    }
}
