//! Transactions: one request and its responses, made reliable (RFC 3261 §17, RFC 6026).
//!
//! Four machines, one file each. They know bytes and time, not messages: [`Key`] says which transaction a
//! message belongs to, the endpoint keeps the tables.

pub(crate) mod invite_client;
pub(crate) mod invite_server;
mod key;
pub(crate) mod non_invite_client;
pub(crate) mod non_invite_server;

pub(crate) use key::{Key, Keys};

use std::time::Duration;

/// The name of a transaction of ours. A CANCEL has the branch of what it cancels (RFC 3261 §9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Branch {
    /// What stands behind the cookie, in hex.
    pub(crate) bits: u64,
    pub(crate) cancel: bool,
}

/// The base timers of RFC 3261 table 4; all others are multiples of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// Round-trip estimate. Default 500 ms.
    pub t1: Duration,
    /// Longest pause between copies. Default 4 s.
    pub t2: Duration,
    /// How long a message may live in the network. Default 5 s.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}
