//! The wires a leg talks over: the one file of this crate that does network I/O.
//!
//! A [`Wire`] is one bound UDP port. Real ones are non-blocking sockets that the tick polls, with small
//! receive buffers (what waits longer is stale) and the kernel's time of arrival on every packet. Tests
//! bring their own wires and drive the plane through [`crate::Plane::manual`].

use std::io;
use std::net::{IpAddr, SocketAddr};

/// Opens wires, on the caller's thread, never in a tick.
pub trait Wires: Send {
    /// Binds one UDP port. [`io::ErrorKind::AddrInUse`] makes the plane try the next pair.
    fn open(&mut self, address: IpAddr, port: u16) -> io::Result<Box<dyn Wire>>;
}

/// One bound UDP port. Nothing here blocks, allocates or fails loudly.
pub trait Wire: Send {
    /// The next datagram that has arrived, if one has. A datagram longer than `buffer` is cut.
    fn receive(&mut self, buffer: &mut [u8]) -> Option<Received>;

    /// Hands one datagram to the network; `false` when it would not have it.
    fn send(&mut self, datagram: &[u8], to: SocketAddr) -> bool;

    /// From now on only `peer` is listened to (`None`: everybody again). A filter that costs nothing where
    /// the kernel provides one; the leg checks sources in any case.
    fn connect(&mut self, peer: Option<SocketAddr>);
}

/// What [`Wire::receive`] put into the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Bytes in the buffer.
    pub len: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// When it arrived, by the kernel's clock, in microseconds of the media clock.
    pub arrival_us: u64,
}
