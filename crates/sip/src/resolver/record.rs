//! Records: what is asked of the domain name system, and what it says (RFC 1035, RFC 2782, RFC 3403).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// One question; the name in lower case and without a dot at its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Query {
    /// Which services there are.
    Naptr(String),
    /// Which hosts offer a service.
    Srv(String),
    /// A host's IPv4 addresses.
    A(String),
    /// A host's IPv6 addresses.
    Aaaa(String),
}

/// An answer. Empty where the name has no such records, or does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// To [`Query::Naptr`].
    Naptr(Vec<Naptr>),
    /// To [`Query::Srv`].
    Srv(Vec<Srv>),
    /// To [`Query::A`].
    A(Vec<Ipv4Addr>),
    /// To [`Query::Aaaa`].
    Aaaa(Vec<Ipv6Addr>),
}

/// An answer and how long it may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// What was said.
    pub records: Records,
    /// For how long it holds; of an empty answer, how long to believe that.
    pub ttl: Duration,
}

/// Nobody answered, or not sensibly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the domain name system did not answer")]
pub struct LookupFailed;

/// A service of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    /// Lower first, strictly.
    pub order: u16,
    /// Lower first, among those of one order.
    pub preference: u16,
    /// `s`: what follows is the name of SRV records. No other is of use to us.
    pub flags: String,
    /// `SIP+D2U`: SIP over UDP; `SIP+D2T`: over TCP.
    pub service: String,
    /// Where to go on.
    pub replacement: String,
}

/// A host that offers a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// Lower first, strictly.
    pub priority: u16,
    /// Its share among those of one priority.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its name; `.` means that there decidedly is no such service.
    pub target: String,
}

impl Query {
    /// The name that is asked about.
    pub fn name(&self) -> &str {
        match self {
            Self::Naptr(name) | Self::Srv(name) | Self::A(name) | Self::Aaaa(name) => name,
        }
    }

    /// Whether these records are an answer to it.
    pub(super) fn is_answered_by(&self, records: &Records) -> bool {
        matches!(
            (self, records),
            (Self::Naptr(_), Records::Naptr(_))
                | (Self::Srv(_), Records::Srv(_))
                | (Self::A(_), Records::A(_))
                | (Self::Aaaa(_), Records::Aaaa(_))
        )
    }
}

impl Records {
    /// Nothing: the name has no such records, or does not exist.
    pub fn none(query: &Query) -> Self {
        match query {
            Query::Naptr(_) => Self::Naptr(Vec::new()),
            Query::Srv(_) => Self::Srv(Vec::new()),
            Query::A(_) => Self::A(Vec::new()),
            Query::Aaaa(_) => Self::Aaaa(Vec::new()),
        }
    }

    /// Forgets what goes beyond a bound: an answer of hundreds is no use, whoever sends it.
    pub(super) fn truncate(&mut self, max: usize) {
        match self {
            Self::Naptr(records) => records.truncate(max),
            Self::Srv(records) => records.truncate(max),
            Self::A(records) => records.truncate(max),
            Self::Aaaa(records) => records.truncate(max),
        }
    }
}

/// A name as it is asked about: in lower case, without a dot at its end.
pub(super) fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}
