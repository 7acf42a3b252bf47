//! UDP sockets whose packets are stamped by the kernel as they arrive.
//!
//! A busy test machine may run us late; the stamp is taken when the bridge's packet reaches our socket, so
//! late reading spoils no measurement and sockets may be read in rare, cheap batches.

use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment on the machine's wall clock, in nanoseconds: the clock of the kernel's stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set past 1970");
        Self(since_1970.as_nanos() as u64)
    }

    /// How long after `earlier` this is; zero when it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment that much later.
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0 + later.as_nanos() as u64)
    }
}

/// A non-blocking UDP socket on a port the system picked, with arrival stamps switched on.
///
/// # Errors
/// When the address is not this machine's, or no port or descriptor is left.
pub fn bind(address: IpAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddr::new(address, 0))?;
    socket.set_nonblocking(true)?;
    switch_on(&socket, libc::SO_TIMESTAMPNS)?;
    switch_on(&socket, libc::SO_RXQ_OVFL)?;
    Ok(socket)
}

/// Room for a batch of received packets, allocated once.
pub struct Batch {
    bytes: Vec<Vec<u8>>,
    controls: Vec<Control>,
    stamps: Vec<(usize, Moment)>,
    overflowed: u32,
}

/// Ancillary data of one packet, aligned as the kernel writes it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 64]);

impl Batch {
    /// Up to `packets` at once; of each, the first `bytes` are kept.
    pub fn new(packets: usize, bytes: usize) -> Self {
        Self {
            bytes: vec![vec![0; bytes]; packets],
            controls: vec![Control([0; 64]); packets],
            stamps: Vec::with_capacity(packets),
            overflowed: 0,
        }
    }

    /// Takes what waits in the socket, at most a batch: how many packets came. A refusal the peer's machine
    /// reported earlier counts as nothing.
    #[expect(unsafe_code, reason = "recvmmsg(2): one call for many packets, with stamps; std has neither")]
    pub fn receive(&mut self, socket: &UdpSocket) -> usize {
        self.stamps.clear();
        let mut slices: Vec<libc::iovec> = self
            .bytes
            .iter_mut()
            .map(|bytes| libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() })
            .collect();
        let mut headers: Vec<libc::mmsghdr> = slices
            .iter_mut()
            .zip(&mut self.controls)
            .map(|(slice, control)| libc::mmsghdr {
                msg_hdr: libc::msghdr {
                    msg_name: ptr::null_mut(),
                    msg_namelen: 0,
                    msg_iov: slice,
                    msg_iovlen: 1,
                    msg_control: control.0.as_mut_ptr().cast(),
                    msg_controllen: control.0.len(),
                    msg_flags: 0,
                },
                msg_len: 0,
            })
            .collect();
        // SAFETY: every header points to one buffer and one control block of `self`, with their true lengths,
        // all of which outlive the call; the vectors are not touched in between.
        let received = unsafe {
            let count = headers.len() as libc::c_uint;
            libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT, ptr::null_mut())
        };
        let received = usize::try_from(received).unwrap_or(0);
        for (header, control) in headers.iter().zip(&self.controls).take(received) {
            let notes = Notes::read(&control.0[..header.msg_hdr.msg_controllen]);
            self.overflowed = notes.overflowed.unwrap_or(self.overflowed);
            self.stamps.push((header.msg_len as usize, notes.arrived.unwrap_or_else(Moment::now)));
        }
        received
    }

    /// The packets of the last [`Batch::receive`], with their arrival.
    pub fn packets(&self) -> impl Iterator<Item = (&[u8], Moment)> {
        self.bytes
            .iter()
            .zip(&self.stamps)
            .map(|(bytes, &(length, arrived))| (&bytes[..length.min(bytes.len())], arrived))
    }

    /// The most packets one call takes.
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Packets the kernel dropped because the last socket read was full: our fault, not the bridge's.
    pub fn overflowed(&self) -> u32 {
        self.overflowed
    }
}

/// What the kernel noted beside a packet.
#[derive(Default)]
struct Notes {
    arrived: Option<Moment>,
    overflowed: Option<u32>,
}

impl Notes {
    /// Walks the `cmsghdr`s: length, level, type, then data, each padded to eight bytes.
    fn read(mut control: &[u8]) -> Self {
        let mut notes = Self::default();
        while control.len() >= HEADER {
            let number = |at: usize| i32::from_ne_bytes(control[at..at + 4].try_into().expect("four bytes"));
            let length = usize::from_ne_bytes(control[..8].try_into().expect("eight bytes"));
            if length < HEADER || length > control.len() {
                break;
            }
            let data = &control[HEADER..length];
            match (number(8), number(12)) {
                (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS) if data.len() >= 16 => {
                    let half = |at: usize| u64::from_ne_bytes(data[at..at + 8].try_into().expect("eight bytes"));
                    notes.arrived = Some(Moment(half(0) * 1_000_000_000 + half(8)));
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) if data.len() >= 4 => {
                    notes.overflowed = Some(u32::from_ne_bytes(data[..4].try_into().expect("four bytes")));
                }
                _ => {}
            }
            control = &control[length.next_multiple_of(8).min(control.len())..];
        }
        notes
    }
}

/// Sleeps until that moment of the monotonic clock.
pub(crate) fn sleep_until(deadline: std::time::Instant) {
    std::thread::sleep(deadline.saturating_duration_since(std::time::Instant::now()));
}

/// Has this thread run when it asked to: sleeps end to the microsecond, and it goes before ordinary threads when
/// that is permitted. A caller that is late sounds like a bridge at fault.
#[expect(unsafe_code, reason = "prctl(2) and sched_setscheduler(2) have no safe wrappers in std")]
pub(crate) fn be_punctual() {
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: one call takes numbers only, the other reads `lowest`, which outlives it. Both concern this thread
    // alone, and being refused is fine: then we are as punctual as everybody.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong);
        libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const lowest);
    }
}

/// Keeps this thread on one core, where the machine has that many.
#[expect(unsafe_code, reason = "sched_setaffinity(2) has no safe wrapper in std")]
pub(crate) fn stay_on_core(core: usize) {
    // SAFETY: all-zero is the empty set, the core fits into it, and pointer and size are those of one set. Being
    // refused is fine: then the thread runs where it may.
    unsafe {
        let mut cores: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(core % libc::CPU_SETSIZE as usize, &mut cores);
        libc::sched_setaffinity(0, size_of_val(&cores), &raw const cores);
    }
}

/// Lets this process have as many sockets as it is permitted to: a descriptor a leg.
#[expect(unsafe_code, reason = "setrlimit(2) has no safe wrapper in std")]
pub(crate) fn raise_open_files_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls are given one valid rlimit that outlives them; a refusal leaves all as it was.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

#[expect(unsafe_code, reason = "setsockopt(2) for options std does not know")]
fn switch_on(socket: &UdpSocket, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: `on` lives through the call and its true size is given.
    let failed = unsafe {
        let size = mem::size_of_val(&on) as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const on).cast(), size)
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Length of a `cmsghdr` on 64-bit Linux.
const HEADER: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_in_batches_with_the_time_they_arrived() {
        let ana = bind([127, 0, 0, 1].into()).expect("a port");
        let ben = bind([127, 0, 0, 1].into()).expect("a port");
        let before = Moment::now();
        for text in [&b"one"[..], b"two", b"three"] {
            ana.send_to(text, ben.local_addr().expect("bound")).expect("sent");
        }
        let after = Moment::now();
        let mut batch = Batch::new(2, 4);
        assert_eq!(batch.receive(&ben), 2);
        assert_eq!(batch.packets().map(|(bytes, _)| bytes).collect::<Vec<_>>(), [b"one", b"two"]);
        assert!(batch.packets().all(|(_, arrived)| (before..=after).contains(&arrived)));
        assert_eq!(batch.receive(&ben), 1);
        assert_eq!(batch.packets().next().expect("one packet").0, b"thre", "cut to what is kept");
        assert_eq!(batch.receive(&ben), 0);
    }
}
