//! Via: the way a request came and its response goes back (RFC 3261 §20.42, RFC 3581).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::grammar::{find_outside, is_token, trim};
use crate::params::Params;
use crate::uri::{Host, parse_v6};

/// One hop: `SIP/2.0/UDP host:port;branch=…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// As written: `UDP`, `TCP`, `WSS`, or something we never heard of.
    pub transport: String,
    /// Where the sender says it is.
    pub host: Host,
    /// Unset means the transport's own.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` and whatever else.
    pub params: Params,
}

impl Via {
    /// What every branch made since RFC 3261 begins with; one without it is matched the old way.
    pub const BRANCH_COOKIE: &'static str = "z9hG4bK";

    /// Reads one value of a Via header; `None` if it is not one of SIP 2.0.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        // White space may stand around both slashes, so the first two words are cut by slash, not by space.
        let (name, rest) = value.split_once('/')?;
        let (version, rest) = rest.split_once('/')?;
        if !trim(name).eq_ignore_ascii_case("SIP") || trim(version) != "2.0" {
            return None;
        }
        let (transport, rest) = trim(rest).split_once([' ', '\t', '\r', '\n'])?;
        if !is_token(transport.as_bytes()) {
            return None;
        }
        let (sent_by, params) = rest.split_at(find_outside(rest, b';'));
        let (host, port) = parse_sent_by(trim(sent_by))?;
        Some(Self { transport: transport.to_owned(), host, port, params: Params::parse(params)? })
    }

    /// The transaction's name; `None` from senders older than RFC 3261.
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }

    /// Whether the branch is unique by itself: it begins with the cookie and says something after it.
    pub fn branch_is_unique(&self) -> bool {
        self.branch().and_then(|branch| branch.strip_prefix(Self::BRANCH_COOKIE)).is_some_and(|rest| !rest.is_empty())
    }

    /// The address the next hop saw, with or without the brackets that IPv6 may have here (RFC 5118 §4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get("received")?;
        let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
        bare.parse().ok().or_else(|| parse_v6(bare).map(IpAddr::V6))
    }

    /// The port the next hop saw.
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport")?.parse().ok()
    }

    /// Whether the sender asks for its responses at the port it sent from (RFC 3581): `;rport` without a value.
    pub fn wants_rport(&self) -> bool {
        self.params.get("rport").is_some()
    }

    /// Notes where the request really came from: the address where it differs from what the Via says or
    /// `rport` was asked for, and the port where it was asked for (RFC 3261 §18.2.1, RFC 3581 §4). What the
    /// sender itself wrote there never stands.
    pub fn stamp(&mut self, source: SocketAddr) {
        let source_ip = source.ip().to_canonical();
        if self.wants_rport() {
            self.params.set("rport", Some(&source.port().to_string()));
        } else if self.host.ip().map(|ip| ip.to_canonical()) == Some(source_ip) {
            return self.params.remove("received");
        }
        self.params.set("received", Some(&source_ip.to_string()));
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)
    }
}

/// `host`, `host:port`, `host : port`.
fn parse_sent_by(text: &str) -> Option<(Host, Option<u16>)> {
    if text.contains([' ', '\t', '\r', '\n']) {
        let joined: String = text.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect();
        let words = text.split([' ', '\t', '\r', '\n', ':']).filter(|word| !word.is_empty()).count();
        // Space is allowed around the colon before the port, and nowhere else.
        return if words <= 2 && text.contains(':') { Host::parse_with_port(&joined).ok() } else { None };
    }
    Host::parse_with_port(text).ok()
}
