//! Reach: from which of our addresses somebody is spoken to.

use std::net::{IpAddr, SocketAddr};

use sip::{Flow, Host, SipUri, Transport};

use crate::config::Config;

/// The path of datagrams to an address: from one of ours of the same family, on loopback from loopback.
pub(crate) fn flow_towards(config: &Config, remote: SocketAddr) -> Option<Flow> {
    let fits = |local: &&SocketAddr| local.is_ipv6() == remote.is_ipv6();
    let same = config.signalling.iter().filter(fits);
    let local = same.max_by_key(|local| local.ip().is_loopback() == remote.ip().is_loopback())?;
    Some(Flow { transport: Transport::Udp, local: *local, remote, connection: None })
}

/// The same to where a URI says, if it says so in digits and datagrams are what it wants.
pub(crate) fn flow_to(config: &Config, uri: &SipUri) -> Option<Flow> {
    let ip: IpAddr = match uri.host {
        Host::V4(ip) => ip.into(),
        Host::V6(ip) => ip.into(),
        Host::Name(_) => return None,
    };
    let by_datagrams = uri.transport().is_none_or(|transport| transport.eq_ignore_ascii_case("udp"));
    if !by_datagrams || uri.secure {
        return None;
    }
    flow_towards(config, SocketAddr::new(ip, uri.port.unwrap_or(SIP_PORT)))
}

/// The path of datagrams to a phone that was reached by this one before a restart. We may listen elsewhere now.
pub(crate) fn flow_again(config: &Config, flow: Flow) -> Option<Flow> {
    let Flow { local, remote, .. } = flow;
    let is_open = |(transport, address): &(Transport, SocketAddr)| {
        let same_family = address.is_ipv6() == local.is_ipv6();
        let there = address.ip() == local.ip() || address.ip().is_unspecified() && same_family;
        *transport == Transport::Udp && there && address.port() == local.port()
    };
    if config.sip.listening.iter().any(is_open) { Some(flow) } else { flow_towards(config, remote) }
}

/// Where SIP is listened for when nothing else is said (RFC 3261 §18.1.1).
const SIP_PORT: u16 = 5060;
