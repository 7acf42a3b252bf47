//! Reliable provisional responses (RFC 3262): what their headers say, and how they are sent.
//!
//! `183 RSeq 7, resent until ─▶ PRACK 7 ─▶ 180 RSeq 8, which waited, until ─▶ PRACK 8 ─▶ 200, which waited`

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::grammar::number;
use crate::transaction::Timers;
use crate::{CSeq, HeaderError, Headers, Name, Response};

/// `RAck: 776656 1 INVITE`: which 1xx a PRACK acknowledges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RAck {
    /// Its RSeq.
    pub rseq: u32,
    /// The CSeq of the request it answered.
    pub cseq: CSeq,
}

impl Headers {
    /// The number of a reliable 1xx.
    pub fn rseq(&self) -> Option<u32> {
        number(&self.text(Name::RSeq)?).and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
    }

    /// The 1xx that a PRACK acknowledges.
    pub fn rack(&self) -> Result<RAck, HeaderError> {
        let malformed = HeaderError::Malformed(Name::RAck);
        let text = self.text(Name::RAck).ok_or(HeaderError::Missing(Name::RAck))?;
        let (rseq, cseq) = text.split_once([' ', '\t']).ok_or(malformed)?;
        let rseq = number(rseq).and_then(|number| u32::try_from(number).ok()).ok_or(malformed)?;
        Ok(RAck { rseq, cseq: cseq.trim_ascii().parse().map_err(|_| malformed)? })
    }
}

/// The 1xx of one call that came in, from a caller who acknowledges them.
#[derive(Debug)]
pub(crate) struct Provisionals {
    /// They insist: every 1xx but 100. Else those that describe the session, where a loss would be heard.
    always: bool,
    next_rseq: u32,
    unacked: Option<Unacked>,
    waiting: VecDeque<Response>,
    /// An offer of the INVITE has been answered, and they know it: they may offer anew, and we may.
    pub(crate) settled: bool,
    /// The 200 and its description, which wait for the last PRACK.
    pub(crate) accepted: Option<Bytes>,
}

/// The one whose PRACK is awaited.
#[derive(Debug)]
pub(crate) struct Unacked {
    pub(crate) rseq: u32,
    pub(crate) described: bool,
    response: Bytes,
    resend_at: Instant,
    interval: Duration,
    give_up_at: Instant,
}

/// What the clock wants of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Resend(Bytes),
    NoPrack,
}

impl Provisionals {
    /// For an INVITE with these headers; `None` if its sender does not know PRACK. `first_rseq`: random (§3).
    pub(crate) fn of(headers: &Headers, first_rseq: impl FnOnce() -> u32) -> Option<Self> {
        let always = headers.lists(Name::Require, "100rel");
        (always || headers.lists(Name::Supported, "100rel")).then(|| Self {
            always,
            next_rseq: first_rseq() & RSEQ_FIRST_MAX | 1,
            unacked: None,
            waiting: VecDeque::new(),
            settled: false,
            accepted: None,
        })
    }

    /// Whether this response is to be sent reliably.
    pub(crate) fn apply_to(&self, response: &Response) -> bool {
        self.always || !response.body.is_empty()
    }

    /// Lets a response wait for its turn. Past the bound the one that waited last gives way: what counts is how far the
    /// call is now.
    pub(crate) fn push(&mut self, response: Response) {
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_back();
        }
        self.waiting.push_back(response);
    }

    /// The next to be sent, numbered: one at a time (§3).
    pub(crate) fn pop(&mut self) -> Option<(u32, Response)> {
        if self.unacked.is_some() {
            return None;
        }
        let mut response = self.waiting.pop_front()?;
        let rseq = self.next_rseq;
        self.next_rseq += 1;
        response.headers.push(Name::Require, "100rel");
        response.headers.push(Name::RSeq, rseq.to_string());
        Some((rseq, response))
    }

    /// It was sent, as these bytes.
    pub(crate) fn sent(&mut self, now: Instant, rseq: u32, described: bool, response: Bytes, timers: Timers) {
        self.unacked = Some(Unacked {
            rseq,
            described,
            response,
            resend_at: now + timers.t1,
            interval: timers.t1,
            give_up_at: now + 64 * timers.t1,
        });
    }

    /// A PRACK for this number came.
    pub(crate) fn acknowledge(&mut self, rseq: u32) -> Option<Unacked> {
        self.unacked.take_if(|unacked| unacked.rseq == rseq)
    }

    /// Nothing waits: the 200 may go.
    pub(crate) fn is_empty(&self) -> bool {
        self.unacked.is_none() && self.waiting.is_empty()
    }

    /// What the clock wants; moves the moment of what it hands out. The pause doubles without a ceiling (§3).
    pub(crate) fn due(&mut self, now: Instant) -> Option<Due> {
        let unacked = self.unacked.as_mut()?;
        if now >= unacked.give_up_at {
            return Some(Due::NoPrack);
        }
        (now >= unacked.resend_at).then(|| {
            unacked.interval *= 2;
            unacked.resend_at = now + unacked.interval;
            Due::Resend(unacked.response.clone())
        })
    }

    /// When to ask [`Provisionals::due`].
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.unacked.as_ref().map(|unacked| unacked.resend_at.min(unacked.give_up_at))
    }
}

/// Responses that wait behind one whose PRACK is awaited.
const WAITING_MAX: usize = 4;
/// The first RSeq is below 2^31 (§3); this leaves room to count up.
const RSEQ_FIRST_MAX: u32 = (1 << 30) - 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Method, Request};

    fn headers(lines: &[(&'static str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(Name::from(*name), value);
        }
        headers
    }

    fn response(status: u16, body: &'static str) -> Response {
        let request = Request::new(Method::Invite, "sip:ana@example.com".parse().expect("a URI"));
        Response { body: Bytes::from_static(body.as_bytes()), ..Response::to(&request, status) }
    }

    #[test]
    fn racks_and_rseqs_are_read() {
        for (value, want) in [
            ("776656 1 INVITE", Some((776_656, 1))),
            ("1  2\tINVITE", Some((1, 2))),
            ("1 INVITE", None),
            ("-1 1 INVITE", None),
            ("4294967296 1 INVITE", None),
            ("", None),
        ] {
            let rack = headers(&[("RAck", value)]).rack().ok();
            assert_eq!(rack.map(|rack| (rack.rseq, rack.cseq.number)), want, "{value}");
        }
        for (value, want) in [("7", Some(7)), ("0", None), ("x", None), ("4294967296", None)] {
            assert_eq!(headers(&[("RSeq", value)]).rseq(), want, "{value}");
        }
    }

    #[test]
    fn who_gets_which_reliably() {
        for (case, lines, ringing, described) in [
            ("knows nothing of it", vec![("Supported", "timer")], None, None),
            ("knows it", vec![("k", "timer, 100rel")], Some(false), Some(true)),
            ("insists", vec![("Require", "100rel")], Some(true), Some(true)),
        ] {
            let provisionals = Provisionals::of(&headers(&lines), || 7);
            let applies = |response: Response| provisionals.as_ref().map(|some| some.apply_to(&response));
            assert_eq!((applies(response(180, "")), applies(response(183, "v=0"))), (ringing, described), "{case}");
        }
    }

    #[test]
    fn one_is_sent_at_a_time_and_again_until_its_prack() {
        let start = Instant::now();
        let (timers, bytes) = (Timers::default(), Bytes::from_static(b"183"));
        let mut provisionals = Provisionals::of(&headers(&[("Require", "100rel")]), || u32::MAX).expect("reliable");
        for status in [183, 180, 181, 182, 199] {
            provisionals.push(response(status, ""));
        }
        let (rseq, first) = provisionals.pop().expect("the first");
        assert_eq!((rseq, first.status, first.headers.rseq()), (RSEQ_FIRST_MAX, 183, Some(rseq)));
        provisionals.sent(start, rseq, false, bytes.clone(), timers);
        assert!(provisionals.pop().is_none());
        let mut resent_ms = vec![];
        loop {
            let at = provisionals.next_deadline().expect("a deadline");
            match provisionals.due(at) {
                Some(Due::Resend(_)) => resent_ms.push((at - start).as_millis()),
                due => break assert_eq!((due, (at - start).as_millis()), (Some(Due::NoPrack), 32_000)),
            }
        }
        assert_eq!(resent_ms, [500, 1500, 3500, 7500, 15500, 31500]);
        assert!(provisionals.acknowledge(rseq + 1).is_none());
        assert!(provisionals.acknowledge(rseq).is_some() && provisionals.acknowledge(rseq).is_none());
        let mut rest = vec![];
        while let Some((rseq, response)) = provisionals.pop() {
            rest.push((rseq - RSEQ_FIRST_MAX, response.status));
        }
        assert_eq!(rest, [(1, 180), (2, 181), (3, 199)], "182 gave way");
        assert!(provisionals.is_empty());
    }
}
