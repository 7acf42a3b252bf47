//! What the endpoint has counted since its birth.

use crate::Method;

/// Plain counters; they only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests that came and could be read, copies included.
    pub requests: ByMethod,
    /// Requests we sent, copies not included.
    pub requests_sent: ByMethod,
    /// Responses we sent, copies not included: 1xx first, 6xx last.
    pub responses: [u64; 6],
    /// Responses to our requests, copies included: 1xx first, 6xx last.
    pub responses_received: [u64; 6],
    /// Messages we sent again.
    pub retransmissions: u64,
    /// Copies of requests that came again.
    pub retransmissions_received: u64,
    /// Requests that could not be read and were answered with an error.
    pub malformed: u64,
    /// Bytes dropped in silence: not SIP, bad responses, ACKs and responses nobody waits for.
    pub dropped: u64,
    /// Requests answered without memory since a bound was reached.
    pub refused_overload: u64,
    /// Strays' requests answered without memory since their source had its share of it.
    pub unremembered: u64,
    /// New calls and pings refused since we are draining.
    pub refused_draining: u64,
    /// Streams closed since there were too many, nothing could be cut out of them, or a message took too long to end.
    pub connections_refused: u64,
}

/// One counter a method; all methods we never heard of share the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByMethod([u64; METHODS.len()]);

impl ByMethod {
    /// How many of this method.
    pub fn get(&self, method: &Method) -> u64 {
        self.0[index(method)]
    }

    /// Every method by name, `other` last.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        METHODS.iter().copied().zip(self.0)
    }

    pub(crate) fn count(&mut self, method: &Method) {
        self.0[index(method)] += 1;
    }
}

/// Counts a response under its class.
pub(crate) fn count_class(classes: &mut [u64; 6], status: u16) {
    let class = usize::from(status / 100).clamp(1, classes.len());
    classes[class - 1] += 1;
}

fn index(method: &Method) -> usize {
    let name = method.as_str();
    METHODS.iter().position(|known| *known == name).unwrap_or(METHODS.len() - 1)
}

const METHODS: [&str; 15] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "UPDATE",
    "INFO",
    "REGISTER",
    "PRACK",
    "REFER",
    "NOTIFY",
    "SUBSCRIBE",
    "MESSAGE",
    "PUBLISH",
    "other",
];
