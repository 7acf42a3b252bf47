//! REFER: a call is handed on, by them or by us (RFC 3515, RFC 4488).

use std::time::Instant;

use super::Endpoint;
use crate::{DialogId, Event, Headers, NameAddr, ReferId};

impl Endpoint {
    /// Answers [`Event::Refer`]: we will try. What comes of it is for `refer_progress`.
    pub fn accept_refer(&mut self, _now: Instant, _refer: ReferId) {}

    /// Answers [`Event::Refer`]: we will not.
    pub fn refuse_refer(&mut self, _now: Instant, _refer: ReferId, _status: u16) {}

    /// Tells what the call that they asked for has got: 100, 180, 200, 486, … From 200 on it is the last word.
    pub fn refer_progress(&mut self, _now: Instant, _refer: ReferId, _status: u16) {}

    /// Asks the other side to call somebody else instead. [`Event::ReferAnswered`] and [`Event::ReferProgress`] say
    /// what comes of it; what then becomes of this call is our owner's to decide. `headers`: Referred-By, Replaces in
    /// the target's URI, and the like.
    pub fn refer(&mut self, _now: Instant, dialog: DialogId, _target: &NameAddr, _headers: &Headers) {
        self.event(Event::ReferAnswered { dialog, status: 408 });
    }
}
