//! Flow: the path a message came on and its answer goes back on (RFC 5626 §3.2).

use std::net::SocketAddr;

/// What carries the bytes. TLS and WebSocket follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams: we resend until answered.
    Udp,
    /// A stream: the network resends.
    Tcp,
}

impl Transport {
    /// Whether the network resends for us (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp => true,
        }
    }

    /// As written in a Via.
    pub(crate) const fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

/// One path: our address, theirs, and for a stream the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// What carries the bytes.
    pub transport: Transport,
    /// Our concrete address, never `0.0.0.0` or `::`: it becomes our Contact.
    pub local: SocketAddr,
    /// Where the bytes came from.
    pub remote: SocketAddr,
    /// Which stream, by a number that is never used again. `None` for datagrams.
    pub connection: Option<u64>,
}

/// Another port of the same host, on the same link.
pub(crate) fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}
