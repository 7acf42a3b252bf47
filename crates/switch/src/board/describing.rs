//! Calls of ours that lead over several networks: each path is offered audio at the address of ours it leads from.
//!
//! ```text
//! a path ─▶ a leg at its address? ─ yes ─▶ INVITE, with that leg's offer
//!                 └─ no: OpenLeg ─▶ LegOpened ─────────┘          whoever answers makes its leg the call's, the others close
//! ```
//! Most calls have one leg from beginning to end; phones of one user that are registered over IPv4 and IPv6, or a carrier
//! with a host in each of two networks, have one for each address until somebody answers.

use std::time::Duration;

use media::Command;
use model::{CallSid, CallStatus, LegId};
use sip::{OfferAnswer, Outgoing as Invite};
use tracing::info;

use super::Board;
use crate::call::Line;
use crate::conference::Leaving;
use crate::leg::{LiveLeg, address_towards};
use crate::outbound::{Invitation, SpareLeg, Target, Wish};
use crate::turn::Turn;
use crate::webhook::CallEventName;

impl Board {
    /// Sends an INVITE as soon as the call has a leg at the address that its path leads from. False: we have no such
    /// address.
    pub(super) fn describe_to(&mut self, sid: CallSid, wish: Wish, turn: &mut Turn) -> bool {
        let Some(address) = address_towards(turn.config, Some(wish.flow())) else { return false };
        let Some(call) = self.calls.get_mut(&sid) else { return true };
        let Line::Outbound(outgoing) = &mut call.line else { return true };
        outgoing.wait(address, wish);
        let spare = outgoing.spares.iter().find(|spare| spare.address == address);
        let room = outgoing.room;
        let open = |leg, turn: &mut Turn| turn.media.push(Command::OpenLeg { leg, room, address: address.bind });
        let (leg, port) = if !call.has_leg {
            (call.address, call.has_leg) = (address, true);
            open(call.leg, turn);
            (call.leg, 0)
        } else if call.address == address {
            (call.leg, call.port)
        } else if let Some(spare) = spare {
            (spare.leg, spare.port)
        } else {
            let (leg, offer_answer) = (turn.names.leg(), OfferAnswer::new(turn.names.session_id()));
            open(leg, turn);
            outgoing.spares.push(SpareLeg { leg, address, port: 0, offer_answer });
            self.legs.insert(leg, LiveLeg::new(sid, call.span.clone()));
            (leg, 0)
        };
        if port != 0 {
            self.invite(sid, leg, turn);
        }
        true
    }

    /// A leg of a call that we make has its port: the INVITEs that describe it go out, to all phones at once.
    pub(super) fn leg_ready(&mut self, sid: CallSid, leg: LegId, port: u16, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let Line::Outbound(outgoing) = &mut call.line else { return };
        if call.leg == leg {
            call.port = port;
        } else if let Some(spare) = outgoing.spares.iter_mut().find(|spare| spare.leg == leg) {
            spare.port = port;
        } else {
            return; // it is being closed
        }
        if !call.is_answered() {
            self.invite(sid, leg, turn);
        }
    }

    fn invite(&mut self, sid: CallSid, leg: LegId, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        call.tell(CallEventName::Initiated, turn);
        let Line::Outbound(outgoing) = &mut call.line else { return };
        let spare = outgoing.spares.iter().find(|spare| spare.leg == leg);
        let (address, port) = spare.map_or((call.address, call.port), |spare| (spare.address, spare.port));
        let wishes = outgoing.take_waiting(address);
        if outgoing.is_idle() && wishes.is_empty() {
            // Nobody is registered there.
            call.sip_code = Some(480);
            self.end_call(sid, Some(CallStatus::NoAnswer), Leaving::HungUp, turn);
            return;
        }
        if wishes.is_empty() {
            return;
        }
        let local = call.local_media_at(turn.config, address, port);
        let Line::Outbound(outgoing) = &mut call.line else { return };
        let spare = outgoing.spares.iter_mut().find(|spare| spare.leg == leg);
        let offer = spare.map_or(&mut call.offer_answer, |spare| &mut spare.offer_answer).offer(&local);
        for wish in wishes {
            self.send_invite(sid, leg, wish, offer.clone(), turn);
        }
    }

    fn send_invite(&mut self, sid: CallSid, leg: LegId, wish: Wish, offer: String, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let Line::Outbound(outgoing) = &mut call.line else { return };
        let dialog = match wish {
            Wish::Follow { dialog, flow, uri } => {
                self.endpoint.follow(turn.now.instant, dialog, flow, uri, offer);
                dialog
            }
            Wish::Invite(Target { flow, uri, routes, credentials, same_flow }) => {
                let Invitation { from, to, headers, ring_until, max_forwards } = outgoing.invitation.clone();
                let invite = Invite {
                    to,
                    routes,
                    headers,
                    credentials,
                    ring_timeout: ring_until.saturating_duration_since(turn.now.instant),
                    max_forwards,
                    same_flow,
                    silence_timeout: if outgoing.has_others() { SILENCE_MAX } else { Duration::MAX },
                    redirects: true,
                    ..Invite::new(flow, uri, from, Some(offer))
                };
                self.endpoint.invite(turn.now.instant, invite)
            }
        };
        self.by_dialog.insert(dialog, sid);
        outgoing.invited(dialog, leg);
        call.facts.sip.get_or_insert_default().call_id = self.endpoint.call_id(dialog).unwrap_or_default().to_owned();
    }

    /// There is no room for a leg: what waited for it is not called. The call is over with the last of its legs.
    pub(super) fn leg_missing(&mut self, sid: CallSid, leg: LegId, turn: &mut Turn) {
        let Some(call) = self.calls.get_mut(&sid) else { return };
        let Line::Outbound(outgoing) = &mut call.line else { return };
        let address = if call.leg == leg {
            let Some(SpareLeg { leg, address, port, offer_answer }) = outgoing.spares.pop() else {
                self.end_call(sid, Some(CallStatus::Failed), Leaving::HungUp, turn);
                return;
            };
            (call.leg, call.port, call.offer_answer) = (leg, port, offer_answer);
            std::mem::replace(&mut call.address, address)
        } else {
            let Some(at) = outgoing.spares.iter().position(|spare| spare.leg == leg) else { return };
            outgoing.spares.swap_remove(at).address
        };
        for wish in outgoing.take_waiting(address) {
            match wish {
                Wish::Invite(_) => outgoing.refused_with(NO_LEG),
                Wish::Follow { dialog, .. } => {
                    outgoing.fail(dialog, NO_LEG);
                    self.by_dialog.remove(&dialog);
                    self.endpoint.hangup(turn.now.instant, dialog, None);
                }
            }
        }
        if !outgoing.is_idle() {
            return;
        }
        if outgoing.has_others() {
            return self.next_path(sid, turn);
        }
        let status = outgoing.refusal();
        call.sip_code = Some(status);
        call.span.in_scope(|| info!(status, "no leg for any path"));
        self.end_call(sid, Some(CallStatus::Failed), Leaving::HungUp, turn);
    }
}

/// How long a path that says nothing at all is waited for where there are others: seven retransmissions (RFC 3261
/// §17.1.1.2). A trunk that is there says 100 within one.
const SILENCE_MAX: Duration = Duration::from_secs(4);

/// What stands for a path for which we have no leg.
const NO_LEG: u16 = 503;
