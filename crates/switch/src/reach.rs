//! Reach: from which of our addresses somebody is spoken to.

use std::net::SocketAddr;

use sip::{Flow, Transport};

use crate::config::Config;

/// The path of datagrams to an address: from one of ours of the same family, on loopback from loopback.
pub(crate) fn flow_towards(config: &Config, remote: SocketAddr) -> Option<Flow> {
    let fits = |local: &&SocketAddr| local.is_ipv6() == remote.is_ipv6();
    let same = config.signalling.iter().filter(fits);
    let local = same.max_by_key(|local| local.ip().is_loopback() == remote.ip().is_loopback())?;
    Some(Flow { transport: Transport::Udp, local: *local, remote, connection: None })
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
