//! SIP over UDP and TCP: bytes in to the run loop, bytes out to the network.
//!
//! Nothing here reads a message. A flow is named by its addresses and, on TCP, by a connection number; the SIP
//! endpoint decides what goes down which. TLS and WebSocket follow as further kinds of connection.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use sip::{Flow, Transport};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use crate::config::SipListen;
use crate::own_address;
use crate::run_loop::{Inbox, Input};

/// All places where SIP is listened for, as the run loop sends through them.
#[derive(Debug, Default)]
pub(crate) struct SipSockets {
    udp: Vec<UdpFlow>,
    connections: HashMap<u64, mpsc::Sender<Bytes>>,
    /// Where streams of ours run, and what they bring goes.
    streams: Option<(tokio::runtime::Handle, Inbox)>,
    pub(crate) stats: Arc<SocketStats>,
}

/// A UDP socket and the address it is bound to.
#[derive(Debug)]
struct UdpFlow {
    socket: Arc<UdpSocket>,
    bound: SocketAddr,
}

/// What went missing at the edge.
#[derive(Debug, Default)]
pub(crate) struct SocketStats {
    /// Datagrams dropped because the run loop's inbox was full.
    pub(crate) datagrams_dropped: AtomicU64,
    /// Messages that could not be sent.
    pub(crate) sends_failed: AtomicU64,
    /// TCP connections refused because [`CONNECTIONS_MAX`] were open.
    pub(crate) connections_refused: AtomicU64,
    /// TCP connections open now.
    pub(crate) connections_open: AtomicUsize,
}

/// TCP connections at once.
const CONNECTIONS_MAX: usize = 4096;
/// Messages waiting to be written to one TCP connection; a peer that reads no faster is cut off.
const OUTBOX_MESSAGES_MAX: usize = 64;
/// Largest UDP datagram there is.
const DATAGRAM_LEN_MAX: usize = 65_535;
/// Bytes read from a TCP connection at once.
const READ_LEN: usize = 16 * 1024;
/// Kernel buffer for datagrams that arrive while the run loop is busy: a burst of some thousand INVITEs.
const RECEIVE_BUFFER_LEN: usize = 4 * 1024 * 1024;
/// A TCP peer that vanished is noticed after about this long.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// A TCP peer that will send nothing more may still be answered for so long: a transaction's longest life.
const HALF_CLOSED: Duration = Duration::from_secs(32);
/// A TCP peer that takes no byte for this long is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

impl SipSockets {
    /// Binds every listener and starts to receive. `skip_missing_families`: leave out those whose address family
    /// this machine does not have.
    pub(crate) async fn listen(
        listeners: &[SipListen],
        skip_missing_families: bool,
        inbox: &Inbox,
    ) -> io::Result<(Self, Vec<SipListen>)> {
        let streams = Some((tokio::runtime::Handle::current(), inbox.clone()));
        let mut sockets = Self { streams, ..Self::default() };
        let mut bound = Vec::new();
        for listener in listeners {
            let address = match sockets.bind(*listener, inbox) {
                Ok(address) => address,
                Err(error) if skip_missing_families && is_missing_family(&error) => {
                    info!(address = %listener.address, "address family missing here, not listening");
                    continue;
                }
                Err(error) => {
                    let text = format!("cannot listen for SIP on {listener}: {error}");
                    return Err(io::Error::new(error.kind(), text));
                }
            };
            bound.push(SipListen { address, ..*listener });
        }
        Ok((sockets, bound))
    }

    fn bind(&mut self, listener: SipListen, inbox: &Inbox) -> io::Result<SocketAddr> {
        let domain = Domain::for_address(listener.address);
        let kind = match listener.transport {
            Transport::Udp => (Type::DGRAM, Protocol::UDP),
            Transport::Tcp => (Type::STREAM, Protocol::TCP),
        };
        let socket = Socket::new(domain, kind.0, Some(kind.1))?;
        if listener.address.is_ipv6() {
            socket.set_only_v6(true)?; // 0.0.0.0 has a socket of its own
        }
        socket.set_nonblocking(true)?;
        match listener.transport {
            Transport::Udp => {
                // The kernel may grant less than asked for; that costs datagrams in a burst, nothing else.
                let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_LEN);
                socket.bind(&listener.address.into())?;
                let socket = Arc::new(UdpSocket::from(socket));
                let bound = socket.local_addr()?;
                let reader = tokio::net::UdpSocket::from_std(socket.try_clone()?)?;
                tokio::spawn(receive_datagrams(reader, bound, inbox.clone(), Arc::clone(&self.stats)));
                self.udp.push(UdpFlow { socket, bound });
                Ok(bound)
            }
            Transport::Tcp => {
                socket.set_reuse_address(true)?;
                socket.bind(&listener.address.into())?;
                socket.listen(1024)?;
                let listener = TcpListener::from_std(socket.into())?;
                let bound = listener.local_addr()?;
                tokio::spawn(accept_connections(listener, inbox.clone(), Arc::clone(&self.stats)));
                Ok(bound)
            }
        }
    }

    /// Opens a stream to somebody, and says what came of that. At most [`CONNECT_TIMEOUT`] later.
    pub(crate) fn connect(&self, remote: SocketAddr) {
        let Some((runtime, inbox)) = self.streams.clone() else { return };
        let stats = Arc::clone(&self.stats);
        runtime.spawn(async move {
            let full = stats.connections_open.load(Ordering::Relaxed) >= CONNECTIONS_MAX;
            let opened = match full {
                true => Err(io::Error::other("too many connections")),
                false => match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(remote)).await {
                    Ok(opened) => opened,
                    Err(_) => Err(io::ErrorKind::TimedOut.into()),
                },
            };
            match opened.and_then(|stream| Connection::new(stream, remote, inbox.next_connection())) {
                Ok(connection) => {
                    stats.connections_open.fetch_add(1, Ordering::Relaxed);
                    connection.run(inbox, true).await;
                    stats.connections_open.fetch_sub(1, Ordering::Relaxed);
                }
                Err(error) => {
                    debug!(%remote, %error, "no stream");
                    inbox.send(Input::Event(switch::Event::Connected { remote, flow: None })).await;
                }
            }
        });
    }

    /// A connection exists now; what is sent down it goes through `outbox`.
    pub(crate) fn connected(&mut self, connection: u64, outbox: mpsc::Sender<Bytes>) {
        self.connections.insert(connection, outbox);
    }

    /// Ends a connection; what was queued for it is still written.
    pub(crate) fn close(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    /// Sends, or counts that it could not. Never waits.
    pub(crate) fn send(&mut self, flow: &Flow, bytes: Bytes) {
        let sent = match (flow.transport, flow.connection) {
            (Transport::Udp, _) => self.send_datagram(flow, &bytes),
            (Transport::Tcp, Some(connection)) => self.send_stream(connection, bytes),
            (Transport::Tcp, None) => false,
        };
        if !sent {
            self.stats.sends_failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send_datagram(&self, flow: &Flow, bytes: &[u8]) -> bool {
        let exact = self.udp.iter().find(|udp| udp.bound == flow.local);
        let wildcard = |udp: &&UdpFlow| {
            let same_family = udp.bound.is_ipv4() == flow.local.is_ipv4();
            udp.bound.ip().is_unspecified() && udp.bound.port() == flow.local.port() && same_family
        };
        let Some(udp) = exact.or_else(|| self.udp.iter().find(wildcard)) else { return false };
        match udp.socket.send_to(bytes, flow.remote) {
            Ok(_) => true,
            // An ICMP error about an earlier datagram is reported on this one; this one was not sent.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                udp.socket.send_to(bytes, flow.remote).is_ok()
            }
            Err(error) => {
                debug!(remote = %flow.remote, %error, "datagram not sent");
                false
            }
        }
    }

    fn send_stream(&mut self, connection: u64, bytes: Bytes) -> bool {
        let Some(outbox) = self.connections.get(&connection) else { return false };
        let taken = outbox.try_send(bytes).is_ok();
        if !taken {
            // Full or gone: without this message the stream is worth nothing to the peer.
            self.connections.remove(&connection);
        }
        taken
    }
}

fn is_missing_family(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

async fn receive_datagrams(socket: tokio::net::UdpSocket, bound: SocketAddr, inbox: Inbox, stats: Arc<SocketStats>) {
    let mut buffer = vec![0; DATAGRAM_LEN_MAX];
    let mut local = LocalAddress { bound, known: HashMap::new(), since: Instant::now() };
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((len, remote)) => {
                let flow = Flow { transport: Transport::Udp, local: local.towards(remote), remote, connection: None };
                let bytes = Bytes::copy_from_slice(&buffer[..len]);
                if !inbox.offer(Input::Event(switch::Event::Sip { flow, bytes })) {
                    stats.datagrams_dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            // ICMP errors about what we sent surface here; they say nothing about what comes.
            Err(error) => debug!(%bound, %error, "receive"),
        }
    }
}

/// The address of ours that a peer reaches us at, when the socket is bound to all of them: the one the kernel would
/// answer from. It goes into Contact and session descriptions.
struct LocalAddress {
    bound: SocketAddr,
    known: HashMap<IpAddr, SocketAddr>,
    /// When the memory started afresh.
    since: Instant,
}

/// Peers whose local address is remembered; past that the memory starts afresh.
const PEERS_REMEMBERED_MAX: usize = 4096;
/// After which it does so anyway: an interface may have come or gone.
const REMEMBERED_FOR: Duration = Duration::from_secs(5);

impl LocalAddress {
    fn towards(&mut self, remote: SocketAddr) -> SocketAddr {
        if !self.bound.ip().is_unspecified() {
            return self.bound;
        }
        if self.since.elapsed() > REMEMBERED_FOR {
            self.known.clear();
            self.since = Instant::now();
        }
        if let Some(local) = self.known.get(&remote.ip()) {
            return *local;
        }
        let local = own_address::towards(remote).map_or(self.bound, |own| SocketAddr::new(own, self.bound.port()));
        if self.known.len() >= PEERS_REMEMBERED_MAX {
            self.known.clear();
        }
        self.known.insert(remote.ip(), local);
        local
    }
}

async fn accept_connections(listener: TcpListener, inbox: Inbox, stats: Arc<SocketStats>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                if stats.connections_open.load(Ordering::Relaxed) >= CONNECTIONS_MAX {
                    stats.connections_refused.fetch_add(1, Ordering::Relaxed);
                    continue; // dropped, so closed
                }
                let connection = inbox.next_connection();
                match Connection::new(stream, remote, connection) {
                    Ok(connection) => {
                        stats.connections_open.fetch_add(1, Ordering::Relaxed);
                        let (inbox, stats) = (inbox.clone(), Arc::clone(&stats));
                        tokio::spawn(async move {
                            connection.run(inbox, false).await;
                            stats.connections_open.fetch_sub(1, Ordering::Relaxed);
                        });
                    }
                    Err(error) => debug!(%remote, %error, "connection lost at once"),
                }
            }
            Err(error) => {
                // Out of file descriptors, most likely: waiting for some to be freed beats spinning.
                warn!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// How long a stream of ours may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

struct Connection {
    stream: TcpStream,
    flow: Flow,
    id: u64,
}

impl Connection {
    fn new(stream: TcpStream, remote: SocketAddr, id: u64) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4);
        socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        let flow = Flow { transport: Transport::Tcp, local: stream.local_addr()?, remote, connection: Some(id) };
        Ok(Self { stream, flow, id })
    }

    /// Lives until either side closes, or the peer stops reading. `ours`: we have opened it, and somebody waits for it.
    async fn run(self, inbox: Inbox, ours: bool) {
        let (outbox, mut outgoing) = mpsc::channel::<Bytes>(OUTBOX_MESSAGES_MAX);
        if !inbox.send(Input::Connected { connection: self.id, outbox }).await {
            return;
        }
        let (mut reader, mut writer) = self.stream.into_split();
        let flow = self.flow;
        if ours && !inbox.send(Input::Event(switch::Event::Connected { remote: flow.remote, flow: Some(flow) })).await {
            return;
        }
        let read = async {
            let mut buffer = BytesMut::with_capacity(READ_LEN);
            while let Ok(1..) = reader.read_buf(&mut buffer).await {
                let bytes = buffer.split().freeze();
                // Waiting here is what slows a peer down that sends more than we can take.
                if !inbox.send(Input::Event(switch::Event::Sip { flow, bytes })).await {
                    break;
                }
                buffer.reserve(READ_LEN);
            }
        };
        let write = async {
            while let Some(bytes) = outgoing.recv().await {
                match tokio::time::timeout(WRITE_TIMEOUT, writer.write_all(&bytes)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => break,
                }
            }
            let _ = writer.shutdown().await; // the peer may be gone already
        };
        let mut write = std::pin::pin!(write);
        let half_closed = tokio::select! { () = read => true, () = &mut write => false };
        // A stream of ours that the peer has closed is of no more use: the next call needs another one, at once.
        if half_closed && !ours {
            // The peer has said all it will say, and may still be waiting for our answers.
            let _ = tokio::time::timeout(HALF_CLOSED, write).await;
        }
        inbox.send(Input::Disconnected { connection: self.id }).await;
    }
}
