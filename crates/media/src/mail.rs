//! Packets on their way between a slot's sockets and its legs.
//!
//! The kernel's network path and our own code are each about as large as the processor's nearest cache: taking turns
//! leg by leg, each would find its instructions gone and its branches forgotten. So a slot's work is done in batches:
//!
//! `receive for all ─▶ Inbox ─▶ listen, mix, encode for all ─▶ Outbox ─▶ send for all`
//!
//! Measured with 900 legs, that is a third of all a leg costs. Nothing is allocated after `new`.

use std::net::SocketAddr;

use crate::rtp::HEADER_LEN;
use crate::socket::{Received, Wire};

/// Legs of one batch. Small enough that a batch's packets stay near, large enough that what comes between two
/// batches does not matter.
pub(crate) const BATCH_LEGS: usize = 64;

/// A batch's packets, both ways.
pub(crate) struct Mail {
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
}

impl Mail {
    /// Allocates: not in a tick.
    pub(crate) fn new() -> Self {
        Self { inbox: Inbox::new(), outbox: Outbox::new() }
    }
}

/// What has been received for a batch of legs, in their order.
pub(crate) struct Inbox {
    bytes: Box<[u8]>,
    used: usize,
    packets: Vec<Fetched>,
    read: usize,
}

struct Fetched {
    start: usize,
    received: Received,
}

impl Inbox {
    /// Allocates: not in a tick.
    pub(crate) fn new() -> Self {
        let bytes = vec![0; BATCH_LEGS * RECEIVED_MAX + SURPLUS_BYTES].into();
        Self { bytes, used: 0, packets: Vec::with_capacity(PACKETS_MAX), read: 0 }
    }

    /// Starts a batch.
    pub(crate) fn clear(&mut self) {
        (self.used, self.read) = (0, 0);
        self.packets.clear();
    }

    /// Receives one packet, if there is one. A batch's legs always find room for their first one; for a `further` one
    /// there may be none left, so that it waits in its socket. `timed`: it must be known when it came.
    pub(crate) fn receive(&mut self, wire: &mut dyn Wire, further: bool, timed: bool) -> Option<(&[u8], Received)> {
        let kept = if further { BATCH_LEGS } else { 1 };
        let (bytes, places) = (self.bytes.len() - self.used, PACKETS_MAX - self.packets.len());
        if bytes < kept * RECEIVED_MAX || places < kept {
            return None;
        }
        let start = self.used;
        let place = &mut self.bytes[start..start + RECEIVED_MAX];
        let received = if timed { wire.receive(place) } else { wire.receive_untimed(place) }?;
        let received = Received { len: received.len.min(RECEIVED_MAX), ..received };
        self.used += received.len;
        self.packets.push(Fetched { start, received });
        Some((&self.bytes[start..self.used], received))
    }

    /// The next packet, in the order they were received.
    pub(crate) fn next(&mut self) -> Option<(&[u8], Received)> {
        let Fetched { start, received } = self.packets.get(self.read)?;
        self.read += 1;
        Some((&self.bytes[*start..start + received.len], *received))
    }
}

/// What is to be sent for a batch of legs, in their order.
pub(crate) struct Outbox {
    bytes: Box<[u8]>,
    used: usize,
    packets: Vec<Posted>,
}

/// A packet that is to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Posted {
    /// Whose, as its room counts.
    pub(crate) member: usize,
    pub(crate) to: SocketAddr,
    start: usize,
    len: usize,
}

impl Outbox {
    /// Allocates: not in a tick.
    pub(crate) fn new() -> Self {
        let bytes = vec![0; (BATCH_LEGS * PACKETS_A_LEG + 1) * DATAGRAM_MAX].into();
        Self { bytes, used: 0, packets: Vec::with_capacity(BATCH_LEGS * PACKETS_A_LEG) }
    }

    /// Starts a batch.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
        self.packets.clear();
    }

    /// How many packets it holds.
    pub(crate) fn len(&self) -> usize {
        self.packets.len()
    }

    /// Where the next packet is written: its header, and then its payload.
    pub(crate) fn draft(&mut self) -> &mut [u8; DATAGRAM_MAX] {
        self.bytes[self.used..].first_chunk_mut().expect("there is one place more than packets")
    }

    /// The draft, of `len` bytes, is what is to be sent. `false` when there are too many already.
    pub(crate) fn post(&mut self, len: usize, member: usize, to: SocketAddr) -> bool {
        let has_room = self.packets.len() < self.packets.capacity();
        if has_room {
            self.packets.push(Posted { member, to, start: self.used, len });
            self.used += len.min(DATAGRAM_MAX);
        }
        has_room
    }

    /// One of the packets, and its bytes.
    pub(crate) fn packet(&self, at: usize) -> (Posted, &[u8]) {
        let posted = self.packets[at];
        (posted, &self.bytes[posted.start..posted.start + posted.len])
    }
}

/// The longest datagram that is read whole: 120 ms of L16 at 16 kHz and its header.
const RECEIVED_MAX: usize = 4_096;

/// Room for what comes beside a packet a leg: a burst after a stall, or somebody who floods us.
const SURPLUS_BYTES: usize = 64 * RECEIVED_MAX;

/// Packets received for one batch.
const PACKETS_MAX: usize = 16 * BATCH_LEGS;

/// Packets a leg sends in a tick: two where they are 10 ms long.
const PACKETS_A_LEG: usize = 2;

/// The longest packet we send: 60 ms of L16 at 16 kHz. Opus stays below.
pub(crate) const DATAGRAM_MAX: usize = HEADER_LEN + 1_920;
