//! Which of our addresses the kernel would use towards somebody.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::config::SipListen;

/// The address of ours that packets to `remote` would leave from. Sends nothing.
pub(crate) fn towards(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let probe = UdpSocket::bind((any, 0))?;
    probe.connect(remote)?;
    Ok(probe.local_addr()?.ip())
}

/// Our addresses towards the public network, one a family, where there is one.
pub(crate) fn towards_the_world() -> Vec<IpAddr> {
    SOMEWHERE.iter().filter_map(|somewhere| towards(*somewhere).ok()).collect()
}

/// Concrete addresses that our own calls may begin at: those we listen on for datagrams, loopback among them.
pub(crate) fn signalling(bound: &[SipListen]) -> Vec<SocketAddr> {
    let world = towards_the_world();
    let datagrams = bound.iter().filter(|listener| listener.transport == sip::Transport::Udp);
    let concrete = |listener: &SipListen| -> Vec<SocketAddr> {
        let address = listener.address;
        if !address.ip().is_unspecified() {
            return vec![address];
        }
        let loopback: IpAddr = match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        let own = world.iter().copied().filter(|own| own.is_ipv6() == address.is_ipv6());
        std::iter::once(loopback).chain(own).map(|ip| SocketAddr::new(ip, address.port())).collect()
    };
    datagrams.flat_map(concrete).collect()
}

/// Addresses for documentation (RFC 5737, RFC 3849): routed as anything public is, and nobody's.
const SOMEWHERE: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1)), 9),
    SocketAddr::new(IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 9),
];
