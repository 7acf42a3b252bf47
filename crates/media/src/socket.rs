//! The wires a leg talks over: the one file of this crate that does network I/O.
//!
//! A [`Wire`] is one bound UDP port. Real ones are non-blocking sockets that the tick polls, with small
//! receive buffers (what waits longer is stale) and the kernel's time of arrival on every packet. Tests
//! bring their own wires and drive the plane through [`crate::Plane::manual`].

use std::io;
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
        ask_for_arrival_times(&socket)?;
        socket.bind(&local.into())?;
        Ok(Box::new(UdpWire { socket, peer: None, peer_only: false, clock: self.clock.clone() }))
    }
}

/// One real UDP socket.
struct UdpWire {
    socket: Socket,
    peer: Option<SocketAddr>,
    /// What others had sent before the kernel knew of the peer has been read.
    peer_only: bool,
    clock: Arc<MediaClock>,
}

impl Wire for UdpWire {
    fn receive(&mut self, buffer: &mut [u8]) -> Option<Received> {
        // Errors are reports about packets we sent (ICMP unreachable): each is read once and then gone.
        for _ in 0..ERRORS_READ_MAX {
            match receive_with_time(&self.socket, self.peer.filter(|_| self.peer_only), buffer) {
                Ok((len, from, wall_us)) => {
                    let arrival_us = wall_us.map_or_else(|| self.clock.now_us(), |wall_us| self.clock.at_wall(wall_us));
                    return Some(Received { len, from, arrival_us });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.peer_only = self.peer.is_some();
                    return None;
                }
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
        self.peer_only = false;
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

/// Asks the kernel to stamp every packet with the time it arrived.
#[allow(unsafe_code)]
fn ask_for_arrival_times(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int; pointer and length are those of one.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

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

/// Reads one datagram, who sent it, and the wall-clock time of its arrival in microseconds. Where the socket is
/// connected to a `peer`, nobody else can have sent it, and the kernel need not say so.
#[allow(unsafe_code)]
fn receive_with_time(
    socket: &Socket,
    peer: Option<SocketAddr>,
    buffer: &mut [u8],
) -> io::Result<(usize, SocketAddr, Option<i64>)> {
    // SAFETY: all-zero is a valid value of these plain C structures.
    let (mut source, mut message): (libc::sockaddr_storage, libc::msghdr) = unsafe { std::mem::zeroed() };
    let mut control = [0_u64; 8]; // aligned for cmsghdr; one timestamp needs 32 bytes
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    if peer.is_none() {
        message.msg_name = (&raw mut source).cast();
        message.msg_namelen = size_of_val(&source) as libc::socklen_t;
    }
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: every pointer in `message` is to a local or to `buffer`, with its own length.
    let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    if len < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut wall_us = None;
    // SAFETY: the kernel has filled `message`; the CMSG macros stay inside its control buffer.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if !header.is_null() && (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_TIMESTAMPNS
        {
            let time = libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned();
            wall_us = Some(time.tv_sec * 1_000_000 + time.tv_nsec / 1_000);
        }
    }
    let from = peer.or_else(|| source_address(&source)).ok_or(io::ErrorKind::InvalidData)?;
    Ok((len as usize, from, wall_us))
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

/// DSCP EF (RFC 3246), in the upper six bits of the byte.
const EXPEDITED_FORWARDING: u32 = 46 << 2;

/// How many pending error reports one read steps over.
const ERRORS_READ_MAX: usize = 4;
