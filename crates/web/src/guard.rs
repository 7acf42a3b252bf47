//! Which addresses a URL may lead to.
//!
//! Whoever can set a `HoldUrl` could otherwise make the server read from inside its own network: its
//! neighbours' admin pages, a cloud's metadata service, itself. So only public addresses are opened, and
//! those the operator allows (`PARTYLINE_FETCH_ALLOW`). A pure function of the address that is about to be
//! connected to; names are judged by where they lead, at the moment they are used.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// What may be fetched: public addresses, and what the rules add.
#[derive(Debug, Clone, Default)]
pub struct AddressGuard {
    allow: Vec<AllowRule>,
}

impl AddressGuard {
    /// A guard that lets pass what is public or matches one of `allow`.
    pub fn new(allow: Vec<AllowRule>) -> Self {
        Self { allow }
    }

    /// Whether `address` may be connected to; `host` is the name it was looked up by, if it was.
    pub fn permits(&self, host: Option<&str>, address: IpAddr) -> bool {
        is_public(address) || self.allow.iter().any(|rule| rule.matches(host, address))
    }
}

/// One thing that may be fetched beyond public addresses: `10.0.0.0/8`, `::1` or `media.internal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowRule {
    /// Every address that begins like this one.
    Range {
        /// The first address.
        network: IpAddr,
        /// How many bits must be the same.
        prefix_len: u8,
    },
    /// Whatever addresses this name leads to. Lower case, no dot at the end.
    Host(String),
}

impl AllowRule {
    fn matches(&self, host: Option<&str>, address: IpAddr) -> bool {
        match self {
            Self::Host(name) => host.is_some_and(|host| host.trim_end_matches('.').eq_ignore_ascii_case(name)),
            Self::Range { network, prefix_len } => {
                // `::ffff:10.0.0.1` connects to 10.0.0.1, so that is what a rule must name.
                let ((network, bits), (address, address_bits)) = (as_bits(*network), as_bits(address.to_canonical()));
                bits == address_bits
                    && (u32::from(*prefix_len) == 0 || (network ^ address) >> (bits - u32::from(*prefix_len)) == 0)
            }
        }
    }
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address, an address range such as 10.0.0.0/8, or a host name")]
pub struct AllowRuleError(pub String);

impl FromStr for AllowRule {
    type Err = AllowRuleError;

    fn from_str(text: &str) -> Result<Self, AllowRuleError> {
        let wrong = || AllowRuleError(text.to_owned());
        let text = text.trim();
        let (address, prefix_len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len.parse::<u8>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        if let Ok(network) = address.parse::<IpAddr>() {
            let bits_max = if network.is_ipv4() { 32 } else { 128 };
            let prefix_len = prefix_len.unwrap_or(bits_max);
            return if prefix_len <= bits_max { Ok(Self::Range { network, prefix_len }) } else { Err(wrong()) };
        }
        let name = address.trim_end_matches('.').to_ascii_lowercase();
        // A name of digits and dots is a mistyped address.
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            && name.bytes().any(|b| b.is_ascii_alphabetic());
        if prefix_len.is_none() && is_name { Ok(Self::Host(name)) } else { Err(wrong()) }
    }
}

impl fmt::Display for AllowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { network, prefix_len } => write!(f, "{network}/{prefix_len}"),
            Self::Host(name) => f.write_str(name),
        }
    }
}

/// Whether an address belongs to the public internet (IANA special-purpose registries, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127, ..]           // this host, private, loopback
            | [100, 64..=127, ..]    // shared by carriers (RFC 6598)
            | [169, 254, ..]         // link-local, cloud metadata
            | [172, 16..=31, ..]     // private
            | [192, 0, 0 | 2, _]     // protocol assignments, documentation
            | [192, 88, 99, _]       // 6to4 relays
            | [192, 168, ..]         // private
            | [198, 18 | 19, ..]     // benchmarks
            | [198, 51, 100, _]      // documentation
            | [203, 0, 113, _]       // documentation
            | [224..=255, ..] // multicast, reserved, broadcast
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        // The IPv4 address itself, or one a translator or tunnel would reach.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            embedded(high, low)
        }
        // Protocol assignments (Teredo, ORCHID, …) and documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Loopback, unspecified, unique local, link-local, multicast and all that is not handed out yet lie outside.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// An address as a number, and how many bits it has.
fn as_bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), 32),
        IpAddr::V6(address) => (address.into(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_pass() {
        let guard = AddressGuard::default();
        for (case, address, want) in [
            ("a public server", "93.184.216.34", true),
            ("this host", "0.0.0.0", false),
            ("this network", "0.1.2.3", false),
            ("private, ten", "10.0.0.1", false),
            ("carrier NAT, first", "100.64.0.1", false),
            ("carrier NAT, last", "100.127.255.255", false),
            ("after carrier NAT", "100.128.0.1", true),
            ("loopback", "127.0.0.1", false),
            ("loopback, elsewhere", "127.8.8.8", false),
            ("cloud metadata", "169.254.169.254", false),
            ("before private 172", "172.15.255.255", true),
            ("private 172", "172.16.0.1", false),
            ("private 172, last", "172.31.255.255", false),
            ("after private 172", "172.32.0.1", true),
            ("protocol assignments", "192.0.0.8", false),
            ("documentation 1", "192.0.2.1", false),
            ("6to4 relay", "192.88.99.1", false),
            ("private 192", "192.168.1.1", false),
            ("benchmarks", "198.19.0.1", false),
            ("documentation 2", "198.51.100.7", false),
            ("documentation 3", "203.0.113.7", false),
            ("last unicast", "223.255.255.255", true),
            ("multicast", "224.0.0.1", false),
            ("reserved", "240.0.0.1", false),
            ("broadcast", "255.255.255.255", false),
            ("a public server, v6", "2606:4700::6810:84e5", true),
            ("unspecified", "::", false),
            ("loopback, v6", "::1", false),
            ("mapped public", "::ffff:93.184.216.34", true),
            ("mapped loopback", "::ffff:127.0.0.1", false),
            ("mapped private", "::ffff:192.168.0.1", false),
            ("compatible loopback", "::127.0.0.1", false),
            ("translated public", "64:ff9b::93.184.216.34", true),
            ("translated metadata", "64:ff9b::169.254.169.254", false),
            ("local translator", "64:ff9b:1::1", false),
            ("discard", "100::1", false),
            ("Teredo", "2001:0:4136:e378::1", false),
            ("benchmarks, v6", "2001:2::1", false),
            ("documentation, v6", "2001:db8::1", false),
            ("documentation, v6, new", "3fff:fff::1", false),
            ("6to4 public", "2002:5db8:d822::1", true),
            ("6to4 private", "2002:c0a8:1::1", false),
            ("segment routing", "5f00::1", false),
            ("unique local", "fd12:3456::1", false),
            ("link-local", "fe80::1", false),
            ("site-local", "fec0::1", false),
            ("multicast, v6", "ff02::1", false),
        ] {
            assert_eq!(guard.permits(Some("a.example"), address.parse().expect(case)), want, "{case}");
        }
    }

    #[test]
    fn rules_add_what_the_operator_names() {
        let rules =
            ["10.1.0.0/16", "127.0.0.0/8", "::1", "192.168.7.7", "fd00:1::/32", "media.internal", "100.64.0.0/10"];
        let guard = AddressGuard::new(rules.map(|r| r.parse().expect(r)).to_vec());
        for (case, host, address, want) in [
            ("in a range", None, "10.1.255.255", true),
            ("just outside", None, "10.2.0.0", false),
            ("loopback", None, "127.0.0.1", true),
            ("loopback, mapped", None, "::ffff:127.0.0.1", true),
            ("loopback, tunnelled", None, "2002:7f00:1::", false),
            ("loopback, v6", None, "::1", true),
            ("one address", None, "192.168.7.7", true),
            ("its neighbour", None, "192.168.7.8", false),
            ("a v6 range", None, "fd00:1:2::3", true),
            ("beside the v6 range", None, "fd00:2::3", false),
            ("a name, wherever it leads", Some("media.internal"), "10.200.0.1", true),
            ("a name in capitals, with a dot", Some("Media.Internal."), "10.200.0.1", true),
            ("a name below it", Some("x.media.internal"), "10.200.0.1", false),
            ("its address without the name", None, "10.200.0.1", false),
            ("range not on a byte", None, "100.127.0.1", true),
        ] {
            assert_eq!(guard.permits(host, address.parse().expect(case)), want, "{case}");
        }
        let all = AddressGuard::new(vec!["0.0.0.0/0".parse().expect("v4"), "::/0".parse().expect("v6")]);
        assert!(all.permits(None, Ipv4Addr::LOCALHOST.into()) && all.permits(None, Ipv6Addr::LOCALHOST.into()));
    }

    #[test]
    fn rules_are_parsed_or_refused() {
        for (text, want) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            (" 10.0.0.1 ", Some("10.0.0.1/32")),
            ("[::1]", Some("::1/128")),
            ("fd00::/8", Some("fd00::/8")),
            ("Files.Example.", Some("files.example")),
            ("localhost", Some("localhost")),
            ("10.0.0.0/33", None),
            ("10.0.0/8", None),
            ("10.0.0.256", None),
            ("a.example/8", None),
            ("http://a.example", None),
            ("a.example:80", None),
            ("", None),
        ] {
            let rule = text.parse::<AllowRule>();
            assert_eq!(rule.as_ref().map(ToString::to_string).ok().as_deref(), want, "{text:?}: {rule:?}");
        }
    }
}
