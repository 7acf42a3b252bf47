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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vias_are_read_through_all_their_white_space() {
        for (case, value, want) in [
            (
                "plain",
                "SIP/2.0/UDP a.example.com:5062;branch=z9hG4bK1;rport",
                Some("SIP/2.0/UDP a.example.com:5062;branch=z9hG4bK1;rport"),
            ),
            (
                "spread out",
                "SIP  / 2.0\t/  TCP   host  :  5060  ;  branch = z9hG4bK1",
                Some("SIP/2.0/TCP host:5060;branch=z9hG4bK1"),
            ),
            ("an IPv6 sender", "sip/2.0/udp [2001:db8::1]:5062", Some("SIP/2.0/udp [2001:db8::1]:5062")),
            (
                "a browser's",
                "SIP/2.0/WSS d1kd1.invalid;branch=z9hG4bK1",
                Some("SIP/2.0/WSS d1kd1.invalid;branch=z9hG4bK1"),
            ),
            ("another version", "SIP/7.0/UDP host", None),
            ("no transport", "SIP/2.0 host", None),
            ("no host", "SIP/2.0/UDP ;branch=z9hG4bK1", None),
            ("nothing behind the transport", "SIP/2.0/UDP", None),
            ("two hosts", "SIP/2.0/UDP one two", None),
            ("a port that is none", "SIP/2.0/UDP host:99999", None),
            ("empty parameters", "SIP/2.0/UDP host;;", None),
        ] {
            assert_eq!(Via::parse(value).map(|via| via.to_string()).as_deref(), want, "{case}");
        }
    }

    #[test]
    fn a_via_is_stamped_with_where_it_came_from() {
        for (case, value, want) in [
            ("from where it says", "192.0.2.1:5062;branch=b", "192.0.2.1:5062;branch=b"),
            ("from elsewhere", "10.0.0.1;branch=b", "10.0.0.1;branch=b;received=192.0.2.1"),
            ("by name", "phone.local;branch=b", "phone.local;branch=b;received=192.0.2.1"),
            ("asking for its port", "192.0.2.1;rport;branch=b", "192.0.2.1;rport=5062;branch=b;received=192.0.2.1"),
            ("with a port it made up", "192.0.2.1;rport=9", "192.0.2.1;rport=5062;received=192.0.2.1"),
            ("with an address it made up", "192.0.2.1;received=198.51.100.1", "192.0.2.1"),
            ("mapped into IPv6", "[::ffff:192.0.2.1]:5062", "[::ffff:192.0.2.1]:5062"),
        ] {
            let mut via = Via::parse(&format!("SIP/2.0/UDP {value}")).expect("a Via");
            via.stamp("[::ffff:192.0.2.1]:5062".parse().expect("an address"));
            assert_eq!(via.to_string(), format!("SIP/2.0/UDP {want}"), "{case}");
        }
    }
}
