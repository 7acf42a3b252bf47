//! A call that we make (RFC 3261 §13.2).

use std::time::Instant;

use super::Endpoint;
use crate::{DialogId, Event, Failure, Flow, Outgoing, Uri};

use rand::Rng;

impl Endpoint {
    /// Calls somebody. What comes of it is told by [`Event::Progress`], [`Event::Accepted`] and [`Event::Failed`];
    /// `hangup` gives it up. The name stays the same from here to the end of the call.
    pub fn invite(&mut self, _now: Instant, _outgoing: Outgoing) -> DialogId {
        let id = DialogId(self.rng.next_u64());
        self.event(Event::Failed { dialog: id, status: 503, failure: Failure::Full, response: None });
        id
    }

    /// Answers [`Event::Redirected`]: the call goes on to this target, by this flow. No-op if it is not to be.
    pub fn follow(&mut self, _now: Instant, _dialog: DialogId, _flow: Flow, _target: Uri) {}
}
