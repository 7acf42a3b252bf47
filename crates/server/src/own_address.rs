//! Which of our addresses the kernel would use towards somebody.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

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

/// Addresses for documentation (RFC 5737, RFC 3849): routed as anything public is, and nobody's.
const SOMEWHERE: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1)), 9),
    SocketAddr::new(IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 9),
];
