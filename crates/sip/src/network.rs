//! A network: addresses that share their first bits (RFC 4632, RFC 4291 §2.3).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// Not `address` or `address/bits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address, or an address and how many of its bits count")]
pub struct NetworkError;

impl Network {
    /// The addresses that share the first `prefix` bits with this one; at most all of its bits.
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(ip) => {
                let prefix = prefix.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                Self { first: Ipv4Addr::from_bits(ip.to_bits() & mask).into(), prefix }
            }
            IpAddr::V6(ip) => {
                let prefix = prefix.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                Self { first: Ipv6Addr::from_bits(ip.to_bits() & mask).into(), prefix }
            }
        }
    }

    /// Whether the address is one of them. An IPv4 address within IPv6 is that IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && Self::new(address, self.prefix) == *self
    }

    /// Who may be taken for one: an IPv4 address, or the 64 bits of IPv6 that a single line gets (RFC 6177).
    pub(crate) fn of_source(address: IpAddr) -> Self {
        let bits = if address.to_canonical().is_ipv4() { 32 } else { 64 };
        Self::new(address, bits)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| NetworkError)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), |prefix| prefix.trim().parse().map_err(|_| NetworkError))?;
        if prefix <= bits { Ok(Self::new(address, prefix)) } else { Err(NetworkError) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_shares_their_bits() {
        for (network, shown, inside, outside) in [
            ("192.0.2.7", "192.0.2.7/32", "192.0.2.7", "192.0.2.8"),
            ("192.0.2.7/24", "192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("127.0.0.0/8", "127.0.0.0/8", "127.9.9.9", "::1"),
            ("10.0.0.0/31", "10.0.0.0/31", "::ffff:10.0.0.1", "10.0.0.2"),
            ("2001:db8::1/64", "2001:db8::/64", "2001:db8::ffff:0:0:1", "2001:db8:0:1::1"),
            ("::1", "::1/128", "::1", "127.0.0.1"),
            ("::/0", "::/0", "2001:db8::1", "192.0.2.1"),
        ] {
            let read: Network = network.parse().expect(network);
            assert_eq!(read.to_string(), shown);
            assert!(read.contains(inside.parse().expect("an address")), "{inside} in {network}");
            assert!(!read.contains(outside.parse().expect("an address")), "{outside} in {network}");
        }
        for text in ["", "x", "192.0.2.0/33", "::/129", "192.0.2.0/", "192.0.2.0/-1", "192.0.2/24"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text:?}");
        }
    }
}
