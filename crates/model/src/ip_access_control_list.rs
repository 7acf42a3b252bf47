//! From which addresses may be called.

use std::net::{IpAddr, Ipv4Addr};

use crate::{AccountSid, IpAccessControlListSid, IpAddressSid, Timestamp};

/// A list of addresses as the API shows it and the store keeps it (rest-voice §9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpAccessControlList {
    /// `AL…`.
    pub sid: IpAccessControlListSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// Shown name.
    pub friendly_name: String,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

/// One entry of such a list: an address and how many of its bits count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpAddress {
    /// `IP…`.
    pub sid: IpAddressSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// In which list.
    pub ip_access_control_list_sid: IpAccessControlListSid,
    /// Shown name.
    pub friendly_name: String,
    /// As it was given.
    pub ip_address: Ipv4Addr,
    /// 0 to 32.
    pub cidr_prefix_length: u8,
    /// First seen.
    pub created: Timestamp,
    /// Last changed.
    pub updated: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

impl IpAddress {
    /// Whether that address is one of those this entry is for. An IPv4 address mapped into IPv6 is what it was.
    pub fn covers(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address.to_canonical() else { return false };
        let differing = u32::from(address) ^ u32::from(self.ip_address);
        differing.leading_zeros() >= self.cidr_prefix_length.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_covers_what_shares_its_prefix() {
        for (entry, prefix, address, want) in [
            ("192.0.2.7", 32, "192.0.2.7", true),
            ("192.0.2.7", 32, "192.0.2.6", false),
            ("192.0.2.7", 24, "192.0.2.200", true),
            ("192.0.2.7", 24, "192.0.3.7", false),
            ("192.0.2.7", 31, "192.0.2.6", true),
            ("192.0.2.7", 0, "203.0.113.9", true),
            ("192.0.2.7", 32, "::ffff:192.0.2.7", true),
            ("192.0.2.7", 0, "2001:db8::1", false),
        ] {
            let now = Timestamp::from_micros(0);
            let entry_of = IpAddress {
                sid: IpAddressSid::from_bits(1),
                account_sid: AccountSid::from_bits(2),
                ip_access_control_list_sid: IpAccessControlListSid::from_bits(3),
                friendly_name: "gateway".to_owned(),
                ip_address: entry.parse().expect("an address"),
                cidr_prefix_length: prefix,
                created: now,
                updated: now,
                seq: 1,
            };
            assert_eq!(entry_of.covers(address.parse().expect("an address")), want, "{address} in {entry}/{prefix}");
        }
    }
}
