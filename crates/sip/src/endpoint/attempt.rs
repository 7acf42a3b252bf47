//! Attempt: a call of ours until somebody has answered it, or all have refused.
//!
//! ```text
//!            ┌── 401, 407, 422: the same INVITE, better ──┐
//!   Inviting ┴─ 3xx ─▶ Redirected ── follow ──────────────┴─▶ Inviting ─ 2xx ─▶ a dialog like any other
//!      └─ hangup, too long ─▶ Canceling ─ CANCEL, once anything was heard ─▶ 487; a 2xx that crossed it gets ACK, BYE
//! ```
//! The INVITE may have rung at several phones: the one heard last has the dialog, the others wait here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::authorizer::Authorizer;
use crate::dialog::Dialog;
use crate::transaction::Branch;
use crate::{NameAddr, Outgoing, Reason, Response, Uri};

/// A call of ours that nobody has answered.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Its flow, URI and routes are those of the present target.
    pub(super) outgoing: Outgoing,
    pub(super) call_id: String,
    /// CSeq of the latest INVITE.
    pub(super) number: u32,
    pub(super) stage: Stage,
    /// When it has rung for long enough.
    pub(super) ring_until: Instant,
    /// Early dialogs with other phones than the one heard last. At most [`FORKS_MAX`].
    pub(super) forks: Vec<Dialog>,
    pub(super) authorizer: Option<Box<Authorizer>>,
    /// How often the INVITE to this target has been sent again with credentials.
    pub(super) repeated: u8,
    /// What a 422 asks for, in seconds.
    pub(super) min_se_s: Option<u32>,
    /// Where the call has been, the first target included.
    tried: Vec<Uri>,
    /// Where it may go yet, best first.
    targets: VecDeque<Uri>,
}

/// How far it has got.
#[derive(Debug)]
pub(super) enum Stage {
    /// An INVITE is out.
    Inviting {
        branch: Branch,
        /// When we stop waiting for the first response to it; `None` once there was one.
        silent_until: Option<Instant>,
    },
    /// The INVITE is too long for a datagram, and a stream is being opened for it.
    Connecting,
    /// Our owner is asked whether, and how, to go to another target.
    Redirected,
    /// Nobody wants it any more, and our owner knows.
    Canceling {
        branch: Branch,
        /// Of the CANCEL, which waits until a response was heard (RFC 3261 §9.1).
        reason: Option<Reason>,
        sent: bool,
        /// When we stop waiting for the final response (§9.1).
        until: Instant,
    },
}

/// What the clock wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing was heard.
    Silent,
    /// It has rung for long enough.
    RungOut,
    /// A canceled call was never refused.
    Forget,
}

impl Attempt {
    pub(super) fn new(now: Instant, outgoing: Outgoing, call_id: String, branch: Branch) -> Self {
        let authorizer = outgoing.credentials.as_ref().map(|credentials| Box::new(Authorizer::new(credentials)));
        let ring_timeout = outgoing.ring_timeout.min(Outgoing::RING_TIMEOUT_MAX);
        Self {
            call_id,
            number: 0,
            stage: Stage::Inviting { branch, silent_until: None },
            ring_until: now + ring_timeout,
            forks: Vec::new(),
            authorizer,
            repeated: 0,
            min_se_s: None,
            tried: vec![outgoing.uri.clone()],
            targets: VecDeque::new(),
            outgoing,
        }
    }

    /// Whom the call was for at first, wherever it has gone since: To stays the same.
    pub(super) fn first_target(&self) -> Uri {
        self.tried.first().unwrap_or(&self.outgoing.uri).clone()
    }

    /// The INVITE whose answer counts.
    pub(super) const fn branch(&self) -> Option<Branch> {
        match &self.stage {
            Stage::Inviting { branch, .. } | Stage::Canceling { branch, .. } => Some(*branch),
            Stage::Connecting | Stage::Redirected => None,
        }
    }

    pub(super) const fn is_canceling(&self) -> bool {
        matches!(self.stage, Stage::Canceling { .. })
    }

    /// What the clock wants.
    pub(super) fn due(&self, now: Instant) -> Option<Due> {
        match &self.stage {
            Stage::Canceling { until, .. } => (now >= *until).then_some(Due::Forget),
            Stage::Inviting { silent_until: Some(at), .. } if now >= *at => Some(Due::Silent),
            Stage::Inviting { .. } | Stage::Connecting | Stage::Redirected => {
                (now >= self.ring_until).then_some(Due::RungOut)
            }
        }
    }

    /// When to ask [`Attempt::due`].
    pub(super) fn next_deadline(&self) -> Instant {
        match &self.stage {
            Stage::Canceling { until, .. } => *until,
            Stage::Inviting { silent_until: Some(at), .. } => self.ring_until.min(*at),
            Stage::Inviting { .. } | Stage::Connecting | Stage::Redirected => self.ring_until,
        }
    }

    /// Notes where a 3xx says the call may go: the highest q first (RFC 3261 §8.1.3.4), and nowhere twice, so that a
    /// circle ends.
    pub(super) fn redirected(&mut self, response: &Response) {
        let mut contacts = response.headers.contacts().unwrap_or_default();
        contacts.sort_by_key(|contact| std::cmp::Reverse(thousandths(contact)));
        for NameAddr { uri, .. } in contacts {
            let known = self.tried.iter().chain(&self.targets).any(|known| known.equivalent(&uri));
            if !known && self.targets.len() < TARGETS_MAX {
                self.targets.push_back(uri);
            }
        }
    }

    /// The next target to try, if there is one and there were not too many.
    pub(super) fn next_target(&mut self) -> Option<Uri> {
        let left = self.tried.len() <= REDIRECTS_MAX;
        self.targets.pop_front().filter(|_| left)
    }

    /// Goes on to another target.
    pub(super) fn follow(&mut self, flow: crate::Flow, target: Uri) {
        self.tried.push(target.clone());
        // A proxy on the way to the old target need not be on the way to the new one.
        if flow != self.outgoing.flow {
            self.outgoing.routes.clear();
        }
        (self.outgoing.flow, self.outgoing.uri) = (flow, target);
        let credentials = self.outgoing.credentials.as_ref();
        // Not to whomever the first target names (ES2021-05).
        let named = credentials.filter(|credentials| credentials.realm.is_some());
        self.authorizer = named.map(|credentials| Box::new(Authorizer::new(credentials)));
        self.repeated = 0;
    }
}

/// How much a target is preferred: `q=0.7` is 700; unsaid is 1000.
fn thousandths(contact: &NameAddr) -> u16 {
    let Some(q) = contact.params.get("q") else { return 1000 };
    let (whole, rest) = q.split_once('.').unwrap_or((q, ""));
    let digits = rest.bytes().chain(*b"000").take(3);
    let rest = digits.fold(0, |sum, digit| sum * 10 + u16::from(digit.wrapping_sub(b'0').min(9)));
    if whole == "0" { rest } else { 1000 }
}

/// Early dialogs of one call beside the one heard last. A phone beyond may still answer the call.
pub(super) const FORKS_MAX: usize = 8;
/// Forks whose late 2xx are acknowledged and hung up, in one call. The 2xx of others are dropped, and their senders give
/// up by themselves.
pub(super) const LATE_FORKS_MAX: usize = 16;
/// How often a call may be redirected.
const REDIRECTS_MAX: usize = 5;
/// Targets that wait to be tried.
const TARGETS_MAX: usize = 8;
/// How much longer than the call may ring its transaction lives: a CANCEL at the last moment wants its 487.
pub(super) const PROCEEDING_SLACK: Duration = Duration::from_secs(64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flow, Method, Name, Request, Transport};

    fn attempt() -> Attempt {
        let [local, remote] = ["192.0.2.1:5060", "192.0.2.10:5060"].map(|address| address.parse().expect("an address"));
        let flow = Flow { transport: Transport::Udp, local, remote, connection: None };
        let from = "<sip:ana@192.0.2.1>".parse().expect("an address");
        let outgoing = Outgoing::new(flow, "sip:ben@example.com".parse().expect("a URI"), from, None);
        Attempt::new(Instant::now(), outgoing, "call".to_owned(), Branch { bits: 1, cancel: false })
    }

    fn moved(contacts: &str) -> Response {
        let request = Request::new(Method::Invite, "sip:ben@example.com".parse().expect("a URI"));
        let mut response = Response::to(&request, 302);
        response.headers.push(Name::Contact, contacts);
        response
    }

    #[test]
    fn targets_come_by_q_and_never_twice() {
        for (case, contacts, want) in [
            ("one", "<sip:a@x>", vec!["sip:a@x"]),
            ("by q", "<sip:a@x>;q=0.1, <sip:b@x>;q=0.75, <sip:c@x>, <sip:d@x>;q=0.8", vec!["c", "d", "b", "a"]),
            ("equal q: as they stand", "<sip:b@x>;q=0.5, <sip:a@x>;q=0.50", vec!["b", "a"]),
            ("odd q", "<sip:b@x>;q=0.x, <sip:a@x>;q=9", vec!["a", "b"]),
            ("a circle", "<sip:ben@EXAMPLE.com>", vec![]),
            ("twice", "<sip:a@x>, <sip:a@X>", vec!["a"]),
            ("none", "*", vec![]),
            ("malformed", "<sip:a@x", vec![]),
        ] {
            let mut attempt = attempt();
            attempt.redirected(&moved(contacts));
            let mut got = vec![];
            while let Some(target) = attempt.next_target() {
                got.push(target.to_string());
            }
            assert_eq!(got.len(), want.len(), "{case}: {got:?}");
            assert!(got.iter().zip(&want).all(|(got, want)| got.contains(want)), "{case}: {got:?}");
        }
    }

    #[test]
    fn redirections_are_bounded() {
        let mut attempt = attempt();
        let flow = attempt.outgoing.flow;
        let mut followed = 0;
        for number in 0..100 {
            attempt.redirected(&moved(&format!("<sip:{number}@x>")));
            let Some(target) = attempt.next_target() else { break };
            attempt.follow(flow, target);
            followed += 1;
        }
        assert_eq!(followed, REDIRECTS_MAX);
        for number in 0..100 {
            attempt.redirected(&moved(&format!("<sip:{number}@y>")));
        }
        assert_eq!(attempt.targets.len(), TARGETS_MAX);
    }
}
