//! Finding out where a call of ours leads (RFC 3263).

use model::{CallSid, CallStatus};
use sip::{LookupFailed, Query};
use tracing::info;

use super::Board;
use super::placing::flow_towards;
use crate::call::Line;
use crate::conference::Leaving;
use crate::leg::address_towards;
use crate::outbound::{Lead, Target};
use crate::todo::Todo;
use crate::turn::Turn;

impl Board {
    /// Goes on with the first of a call's leads: its INVITE goes out, or somebody is asked where to.
    pub(super) fn lead(&mut self, sid: CallSid, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let span = call.span.clone();
        let _in_call = span.enter();
        let has_port = call.has_port();
        let Line::Outbound(outgoing) = &mut call.line else { return };
        let Some(lead) = outgoing.leads.front() else { return };
        match self.lookups.targets(turn.now.instant, &lead.next_hop, turn.effects) {
            Some(Ok(found)) => {
                let Some(Lead { uri, credentials, .. }) = outgoing.leads.pop_front() else { return };
                outgoing.last_tried = found.first().copied();
                let path = |target: &sip::Target| {
                    // A stream would have to be opened first; whoever offers both is reached by datagrams.
                    let by_datagrams = target.transport == sip::Transport::Udp;
                    let (uri, credentials) = (uri.clone(), credentials.clone());
                    let flow = flow_towards(target.address, turn).filter(|_| by_datagrams)?;
                    Some(Target { flow, uri, routes: Vec::new(), credentials, same_flow: false })
                };
                outgoing.else_try = found.iter().filter_map(path).collect();
                let Some(first) = outgoing.else_try.pop_front() else { return self.next_lead(sid, turn) };
                let flow = first.flow;
                outgoing.at_once.push(first);
                if has_port {
                    return self.invite(sid, turn);
                }
                let Some(address) = address_towards(turn.config, Some(&flow)) else { return self.next_lead(sid, turn) };
                let (leg, room) = (call.leg, outgoing.room);
                (call.address, call.has_leg) = (address, true);
                turn.media.push(media::Command::OpenLeg { leg, room, address: address.bind });
            }
            None => {
                self.resolving.insert(sid);
            }
            Some(Err(why)) => {
                info!(next_hop = ?lead.next_hop.host, %why, "leads nowhere");
                outgoing.leads.pop_front();
                self.next_lead(sid, turn);
            }
        }
    }

    fn next_lead(&mut self, sid: CallSid, turn: &mut Turn) {
        let Some(call) = self.calls.get(&sid) else { return };
        let Line::Outbound(outgoing) = &call.line else { return };
        if outgoing.leads.is_empty() {
            self.nowhere(sid, 404, turn);
        } else {
            turn.todo.push_back(Todo::Lead(sid));
        }
    }

    fn nowhere(&mut self, sid: CallSid, status: u16, turn: &mut Turn) {
        if let Some(call) = self.calls.get_mut(&sid) {
            call.sip_code = Some(status);
        }
        self.end_call(sid, Some(CallStatus::Failed), Leaving::HungUp, turn);
    }

    /// The domain name system has answered: whoever waits for that goes on.
    pub(crate) fn looked_up(&mut self, query: Query, answer: Result<sip::Answered, LookupFailed>, turn: &mut Turn) {
        self.lookups.looked_up(turn.now.instant, query, answer);
        turn.todo.extend(std::mem::take(&mut self.resolving).into_iter().map(Todo::Lead));
    }
}
