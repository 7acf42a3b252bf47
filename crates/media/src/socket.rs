//! The wires a leg talks over: the one file of this crate that does network I/O.
//!
//! A [`Wire`] is one bound UDP port. Real ones are non-blocking sockets that the tick polls, with small
//! receive buffers (what waits longer is stale) and the kernel's time of arrival of every packet of which it is asked. Tests
//! bring their own wires and drive the plane through [`crate::Plane::manual`].

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::MediaClock;

/// Opens wires, on the caller's thread, never in a tick.
pub trait Wires: Send {
    /// Binds one UDP port. [`io::ErrorKind::AddrInUse`] makes the plane try the next pair.
    fn open(&mut self, address: IpAddr, port: u16) -> io::Result<Box<dyn Wire>>;
}

/// One bound UDP port. Nothing here blocks, allocates or fails loudly.
pub trait Wire: Send {
    /// The next datagram that has arrived, if one has. A datagram longer than `buffer` is cut.
    fn receive(&mut self, buffer: &mut [u8]) -> Option<Received>;

    /// The same, where it need not be known when the datagram has arrived: that is cheaper on a connected wire.
    fn receive_untimed(&mut self, buffer: &mut [u8]) -> Option<Received> {
        self.receive(buffer).map(|received| Received { arrival_us: None, ..received })
    }

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
    /// When it arrived, by the kernel's clock, in microseconds of the media clock, if that was asked.
    pub arrival_us: Option<u64>,
}

/// Real UDP sockets.
pub(crate) struct UdpWires {
    clock: Arc<MediaClock>,
}

impl UdpWires {
    pub(crate) fn new(clock: Arc<MediaClock>) -> Self {
        Self { clock }
    }
}

impl Wires for UdpWires {
    fn open(&mut self, address: IpAddr, port: u16) -> io::Result<Box<dyn Wire>> {
        let local = SocketAddr::new(address, port);
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        match address {
            IpAddr::V4(_) => socket.set_tos_v4(EXPEDITED_FORWARDING)?,
            IpAddr::V6(_) => socket.set_tclass_v6(EXPEDITED_FORWARDING)?,
        }
        arrival_time(&socket)?; // from the first time it is asked for on, it is noted
        socket.bind(&local.into())?;
        Ok(Box::new(UdpWire { socket, peer: None, others_left: OTHERS_LEFT, clock: self.clock.clone() }))
    }
}

/// One real UDP socket, in one cache line.
#[repr(align(64))]
struct UdpWire {
    socket: Socket,
    peer: Option<SocketAddr>,
    /// So many looks into it must find nothing until what others had sent before it was connected has been read.
    others_left: u32,
    clock: Arc<MediaClock>,
}

impl Wire for UdpWire {
    fn receive(&mut self, buffer: &mut [u8]) -> Option<Received> {
        // Errors are reports about packets we sent (ICMP unreachable): each is read once and then gone.
        for _ in 0..ERRORS_READ_MAX {
            let read = match self.sole_peer() {
                Some(peer) => (&self.socket).read(buffer).map(|len| (len, peer)),
                None => receive_from(&self.socket, buffer),
            };
            match read {
                Ok((len, from)) => {
                    let wall_us = arrival_time(&self.socket);
                    let arrival_us =
                        wall_us.map_or_else(|_| self.clock.now_us(), |wall_us| self.clock.at_wall(wall_us));
                    return Some(Received { len, from, arrival_us: Some(arrival_us) });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.others_left = self.others_left.saturating_sub(1);
                    return None;
                }
                Err(_) => {}
            }
        }
        None
    }

    fn receive_untimed(&mut self, buffer: &mut [u8]) -> Option<Received> {
        let Some(from) = self.sole_peer() else { return self.receive(buffer) };
        for _ in 0..ERRORS_READ_MAX {
            match (&self.socket).read(buffer) {
                Ok(len) => return Some(Received { len, from, arrival_us: None }),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => {}
            }
        }
        None
    }

    fn send(&mut self, datagram: &[u8], to: SocketAddr) -> bool {
        let send = || match self.peer {
            Some(peer) if peer == to => self.socket.send(datagram),
            _ => self.socket.send_to(datagram, &to.into()),
        };
        match send() {
            Ok(_) => true,
            // The answer to an earlier packet; this one has not been sent.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => send().is_ok(),
            Err(_) => false,
        }
    }

    fn connect(&mut self, peer: Option<SocketAddr>) {
        let connected = match peer {
            Some(peer) => self.socket.connect(&peer.into()).is_ok(),
            None => disconnect(&self.socket).is_err(),
        };
        self.peer = peer.filter(|_| connected);
        self.others_left = OTHERS_LEFT;
    }
}

impl UdpWire {
    /// The only one whose packets can be in the socket, if there is one.
    fn sole_peer(&self) -> Option<SocketAddr> {
        self.peer.filter(|_| self.others_left == 0)
    }
}

/// Lets this process open as many sockets as it is allowed to: a leg needs two.
#[allow(unsafe_code)]
pub(crate) fn raise_open_files_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is valid to be written to.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0 {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the limit is valid. Where it is refused, fewer legs can be opened, which is reported then.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    }
}

/// The wall-clock time, in microseconds, at which the packet read last arrived, as the kernel has noted it. Asked for
/// like this, it costs nothing to read a packet of which nobody asks; `SO_TIMESTAMPNS` would have every read tell it.
#[allow(unsafe_code)]
fn arrival_time(socket: &Socket) -> io::Result<i64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: this request writes one timespec, which is what the pointer is to.
    if unsafe { libc::ioctl(socket.as_raw_fd(), SIOCGSTAMPNS, &raw mut time) } == 0 {
        return Ok(time.tv_sec * 1_000_000 + time.tv_nsec / 1_000);
    }
    let error = io::Error::last_os_error();
    // Nothing has been read so far.
    if error.kind() == io::ErrorKind::NotFound { Ok(0) } else { Err(error) }
}

/// `asm/sockios.h`, where a `timespec` has 64 bits; libc does not name it.
const SIOCGSTAMPNS: libc::Ioctl = 0x8907;

/// Takes a connected socket back to listening to everybody.
#[allow(unsafe_code)]
fn disconnect(socket: &Socket) -> io::Result<()> {
    // SAFETY: an all-zero sockaddr is a valid one.
    let mut nobody: libc::sockaddr = unsafe { std::mem::zeroed() };
    nobody.sa_family = libc::AF_UNSPEC as libc::sa_family_t;
    // SAFETY: pointer and length are those of one sockaddr.
    let result =
        unsafe { libc::connect(socket.as_raw_fd(), &raw const nobody, size_of_val(&nobody) as libc::socklen_t) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads one datagram, and who sent it.
#[allow(unsafe_code)]
fn receive_from(socket: &Socket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    // SAFETY: all-zero is a valid value of this plain C structure.
    let mut source: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut source_len = size_of_val(&source) as libc::socklen_t;
    // SAFETY: both pointers are to memory of the length given with them, which outlives the call.
    let len = unsafe {
        libc::recvfrom(
            socket.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            0,
            (&raw mut source).cast(),
            &raw mut source_len,
        )
    };
    if len < 0 {
        return Err(io::Error::last_os_error());
    }
    let from = source_address(&source).ok_or(io::ErrorKind::InvalidData)?;
    Ok((len as usize, from))
}

/// The kernel's address as ours; `None` for a family we do not speak.
#[allow(unsafe_code)]
fn source_address(source: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(source.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is a sockaddr_in, and the storage is aligned for any.
            let v4 = unsafe { &*(&raw const *source).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::new(ip.into(), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for sockaddr_in6.
            let v6 = unsafe { &*(&raw const *source).cast::<libc::sockaddr_in6>() };
            Some(SocketAddr::new(Ipv6Addr::from(v6.sin6_addr.s6_addr).into(), u16::from_be(v6.sin6_port)))
        }
        _ => None,
    }
}

/// Bounds stale audio: about 20 packets of G.711, as the kernel counts (it doubles this for its own needs).
const RECEIVE_BUFFER_BYTES: usize = 8 * 1024;

/// Looks that must find nothing after a socket was connected: at the first, another core may still be about to put a
/// stranger's packet into it, which it had found the way for before. Two looks are a tick apart.
const OTHERS_LEFT: u32 = 2;

/// DSCP EF (RFC 3246), in the upper six bits of the byte.
const EXPEDITED_FORWARDING: u32 = 46 << 2;

/// How many pending error reports one read steps over.
const ERRORS_READ_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A real wire, its address, and two who may send to it.
    fn line() -> (Box<dyn Wire>, SocketAddr, [UdpSocket; 2]) {
        let mut wires = UdpWires::new(Arc::new(MediaClock::new()));
        let free = || UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
        let local = free().local_addr().expect("bound"); // and free again
        (wires.open(LOOPBACK, local.port()).expect("a port that was free"), local, [free(), free()])
    }

    #[test]
    fn what_a_stranger_sent_before_the_peer_was_known_stays_his() {
        let (mut wire, local, [peer, stranger]) = line();
        let address = |socket: &UdpSocket| socket.local_addr().expect("bound");
        let send = |from: &UdpSocket| from.send_to(b"hello", local).expect("sent");
        send(&stranger);
        wire.connect(Some(address(&peer)));
        send(&stranger); // the kernel's to refuse
        send(&peer);
        let mut buffer = [0; 100];
        for (case, looks, want) in [
            ("before", 1, Some(address(&stranger))),
            ("after", 1, Some(address(&peer))),
            ("found nothing, once and twice", 2, None),
        ] {
            for _ in 0..looks {
                let received = wire.receive_untimed(&mut buffer);
                assert_eq!(received.map(|received| received.from), want, "{case}");
                assert!(received.is_none_or(|received| received.arrival_us.is_some()), "{case}: the source was asked");
            }
        }
        send(&peer);
        let received = wire.receive_untimed(&mut buffer).expect("a packet");
        assert_eq!(
            received,
            Received { len: 5, from: address(&peer), arrival_us: None },
            "nobody else can have sent it"
        );
        wire.connect(None);
        send(&stranger);
        let received = wire.receive_untimed(&mut buffer).expect("a packet");
        assert_eq!(received.from, address(&stranger), "everybody is listened to again");
    }
}
