//! OPTIONS of ours: whether somebody is there (RFC 3261 §11.1).

use std::time::Instant;

use super::Endpoint;
use crate::{Event, Flow, PingId, Uri};

use rand::Rng;

impl Endpoint {
    /// Asks whether somebody is there. [`Event::Pinged`] says so, within 64·T1.
    pub fn options(&mut self, _now: Instant, _flow: Flow, _uri: Uri) -> PingId {
        let ping = PingId(self.rng.next_u64());
        self.event(Event::Pinged { ping, status: None });
        ping
    }
}
