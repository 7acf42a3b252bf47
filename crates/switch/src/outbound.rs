//! A call that we make: whom it reaches by which paths, and which of them answer.

use std::collections::VecDeque;
use std::time::Instant;

use model::{LegId, RoomId};
use sip::{Credentials, DialogId, Flow, Headers, NameAddr, OfferAnswer, SipUri, Uri};

use crate::command::AudioUrl;
use crate::config::MediaAddress;
use crate::entry::Entry;
use crate::new_call::Amd;
use crate::script::Source;

/// One path to the called: a registered phone, or a trunk.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) flow: Flow,
    pub(crate) uri: Uri,
    /// Proxies on the way.
    pub(crate) routes: Vec<NameAddr>,
    pub(crate) credentials: Option<Credentials>,
    /// It registered by this flow: whatever we say to it goes there.
    pub(crate) same_flow: bool,
}

/// What happens to a call of ours once it is answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// Keys that are pressed before anything else.
    pub(crate) send_digits: Option<String>,
    /// Who has answered is found out.
    pub(crate) amd: Option<Amd>,
    /// What a callee is told before it is connected.
    pub(crate) whisper: Option<AudioUrl>,
    /// The document that runs it.
    pub(crate) source: Option<Source>,
    /// How it comes into the conference it is for.
    pub(crate) entry: Option<Entry>,
    /// The room hears it ring.
    pub(crate) early_media: bool,
    /// It waits for its keys to be pressed, or for who has answered to be known.
    pub(crate) waits: bool,
}

impl Plan {
    /// The call is given something else to do.
    pub(crate) fn give_up(&mut self) {
        (self.waits, self.send_digits, self.whisper, self.source) = (false, None, None, None);
    }
}

/// What our INVITEs say, whomever they go to.
#[derive(Debug, Clone)]
pub(crate) struct Invitation {
    pub(crate) from: NameAddr,
    pub(crate) to: Option<NameAddr>,
    pub(crate) headers: Headers,
    /// When it has rung for long enough, wherever it has been tried meanwhile.
    pub(crate) ring_until: Instant,
    pub(crate) max_forwards: u8,
}

/// Where a call leads that is not to a registered phone: to be found out.
#[derive(Debug, Clone)]
pub(crate) struct Lead {
    /// Whom to look for (RFC 3263).
    pub(crate) next_hop: SipUri,
    /// What is asked for there.
    pub(crate) uri: Uri,
    /// Proxies on the way.
    pub(crate) routes: Vec<NameAddr>,
    pub(crate) credentials: Option<Credentials>,
}

/// One way to a destination that was found out.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) target: sip::Target,
    pub(crate) uri: Uri,
    pub(crate) routes: Vec<NameAddr>,
    pub(crate) credentials: Option<Credentials>,
}

/// An INVITE that waits until there is a leg for it to describe.
#[derive(Debug)]
pub(crate) enum Wish {
    /// A path is to be called by.
    Invite(Target),
    /// One that was called is to be called elsewhere.
    Follow { dialog: DialogId, flow: Flow, uri: Uri },
}

impl Wish {
    pub(crate) const fn flow(&self) -> &Flow {
        match self {
            Self::Invite(target) => &target.flow,
            Self::Follow { flow, .. } => flow,
        }
    }
}

/// Another leg than the call's own, for paths that lead from another address of ours: one of the two will carry the call.
#[derive(Debug)]
pub(crate) struct SpareLeg {
    pub(crate) leg: LegId,
    pub(crate) address: MediaAddress,
    /// 0 until it is bound.
    pub(crate) port: u16,
    pub(crate) offer_answer: OfferAnswer,
}

/// The dialling of one call.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) invitation: Invitation,
    /// What waits for a leg at this address. At most [`FORKS_MAX`] and a redirection for each.
    waiting: Vec<(MediaAddress, Wish)>,
    /// At most one for each address we have.
    pub(crate) spares: Vec<SpareLeg>,
    /// To be tried one after the other: the ways to one destination.
    pub(crate) paths: VecDeque<Path>,
    /// To be found out and tried after those.
    pub(crate) leads: VecDeque<Lead>,
    /// The room its legs are opened in, once a path is known.
    pub(crate) room: RoomId,
    /// Who is being called, and which leg was described there.
    ringing: Vec<(DialogId, LegId)>,
    accepted: Option<DialogId>,
    /// The path that was tried last, if it was looked for.
    pub(crate) last_tried: Option<sip::Target>,
    /// The most telling of the refusals so far.
    refused: Option<u16>,
}

/// Phones of one user that ring at once; further ones do not.
pub(crate) const FORKS_MAX: usize = 10;

impl Outgoing {
    pub(crate) fn new(invitation: Invitation, leads: VecDeque<Lead>, room: RoomId) -> Self {
        Self {
            invitation,
            waiting: Vec::new(),
            spares: Vec::new(),
            paths: VecDeque::new(),
            leads,
            room,
            ringing: Vec::new(),
            accepted: None,
            last_tried: None,
            refused: None,
        }
    }

    /// Nobody is being called or is about to be, and nobody has accepted.
    pub(crate) fn is_idle(&self) -> bool {
        self.ringing.is_empty() && self.waiting.is_empty() && self.accepted.is_none()
    }

    /// To be sent as soon as there is a leg at this address.
    pub(crate) fn wait(&mut self, address: MediaAddress, wish: Wish) {
        self.waiting.push((address, wish));
    }

    /// What has waited for a leg at this address.
    pub(crate) fn take_waiting(&mut self, address: MediaAddress) -> Vec<Wish> {
        self.waiting.extract_if(.., |(wanted, _)| *wanted == address).map(|(_, wish)| wish).collect()
    }

    /// The dialog that was accepted.
    pub(crate) fn dialog(&self) -> Option<DialogId> {
        self.accepted
    }

    /// There are ways that have not been tried.
    pub(crate) fn has_others(&self) -> bool {
        !self.paths.is_empty() || !self.leads.is_empty()
    }

    /// An INVITE is out, which describes this leg.
    pub(crate) fn invited(&mut self, dialog: DialogId, leg: LegId) {
        self.ringing.retain(|(other, _)| *other != dialog);
        self.ringing.push((dialog, leg));
    }

    /// The leg that was described in this dialog.
    pub(crate) fn leg_of(&self, dialog: DialogId) -> Option<LegId> {
        self.ringing.iter().find(|(other, _)| *other == dialog).map(|(_, leg)| *leg)
    }

    /// The only one that may still answer, if it is only one: its early media can be meant for the caller.
    pub(crate) fn rings_alone(&self) -> bool {
        self.ringing.len() == 1 && self.waiting.is_empty()
    }

    /// One has accepted. The others are to be cancelled.
    pub(crate) fn accept(&mut self, dialog: DialogId) -> Vec<DialogId> {
        self.accepted = Some(dialog);
        self.waiting.clear();
        let ringing = std::mem::take(&mut self.ringing);
        ringing.into_iter().map(|(other, _)| other).filter(|other| *other != dialog).collect()
    }

    /// One has failed. True: nobody rings any more.
    pub(crate) fn fail(&mut self, dialog: DialogId, status: u16) -> bool {
        self.ringing.retain(|(other, _)| *other != dialog);
        self.refused_with(status);
        self.is_idle()
    }

    /// A refusal, or what stands for one where nobody could be called.
    pub(crate) fn refused_with(&mut self, status: u16) {
        if self.refused.is_none_or(|before| weight(status) > weight(before)) {
            self.refused = Some(status);
        }
    }

    /// Nothing more is tried.
    pub(crate) fn give_up(&mut self) {
        self.leads.clear();
        self.paths.clear();
        self.waiting.clear();
    }

    /// What the call is said to have failed with: 480 if nobody could be called at all.
    pub(crate) fn refusal(&self) -> u16 {
        self.refused.unwrap_or(480)
    }

    /// Every dialog there is.
    pub(crate) fn take_dialogs(&mut self) -> Vec<DialogId> {
        self.waiting.clear();
        let ringing = std::mem::take(&mut self.ringing);
        ringing.into_iter().map(|(dialog, _)| dialog).chain(self.accepted.take()).collect()
    }
}

/// Of several refusals the one that says most about the called stands for all (after RFC 3261 §16.7): somebody
/// declined, is busy, did not answer; then what only says something about a phone.
fn weight(status: u16) -> u8 {
    match status {
        600..=699 => 4,
        486 => 3,
        408 | 480 | 487 => 2,
        503 => 0,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing() -> Outgoing {
        let from = "<sip:us@10.0.0.1>".parse().expect("an address");
        let ring_until = Instant::now();
        let invitation = Invitation { from, to: None, headers: Headers::new(), ring_until, max_forwards: 70 };
        Outgoing::new(invitation, VecDeque::new(), RoomId(1))
    }

    #[test]
    fn the_most_telling_refusal_stands_for_all() {
        for (statuses, want) in [
            (&[][..], 480),
            (&[404], 404),
            (&[404, 486], 486),
            (&[486, 404], 486),
            (&[480, 603, 486], 603),
            (&[503, 500], 500),
            (&[503], 503),
        ] {
            let mut outgoing = outgoing();
            (0..statuses.len()).for_each(|n| outgoing.invited(DialogId(n as u64), LegId(1)));
            for (n, status) in statuses.iter().enumerate() {
                assert_eq!(outgoing.fail(DialogId(n as u64), *status), n + 1 == statuses.len(), "{statuses:?}");
            }
            assert_eq!(outgoing.refusal(), want, "{statuses:?}");
        }
    }

    #[test]
    fn who_accepts_first_ends_the_ringing_of_the_others() {
        let mut outgoing = outgoing();
        let [a, b, c] = [1, 2, 3].map(DialogId);
        [a, b, c].into_iter().for_each(|dialog| outgoing.invited(dialog, LegId(1)));
        assert!(!outgoing.fail(a, 486));
        assert_eq!(outgoing.accept(b), [c]);
        assert_eq!(outgoing.dialog(), Some(b));
        assert!(!outgoing.fail(c, 487), "the one that was accepted goes on");
        assert_eq!(outgoing.take_dialogs(), [b]);
    }
}
