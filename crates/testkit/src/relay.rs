//! The smallest bridge there is: passes each packet on to the other party in the room, and mixes nothing.
//!
//! Phones and load generator are tested against it, and it is the floor a mixing bridge is measured against.
//! A room named `busy` refuses. It knows just enough SIP for our own callers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::pcmu::FRAME_SAMPLES;
use crate::rtp::{self, Header};
use crate::sdp::{self, Flow, Remote};
use crate::sip::{self, Message, Start};

/// A running relay; it ends when dropped.
#[derive(Debug)]
pub struct Relay {
    sip: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Takes calls on one loopback port, UDP and TCP.
    ///
    /// # Panics
    /// When the machine has no loopback port left.
    pub fn start() -> Self {
        let (datagrams, listener) = (0..64).find_map(|_| same_port().ok()).expect("a port free for UDP and TCP");
        let sip = datagrams.local_addr().expect("a bound socket has an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let bridge = Bridge { datagrams, listener, streams: Vec::new(), legs: Vec::new() };
        let thread = Some(thread::spawn(move || bridge.run(&stopped)));
        Self { sip, stop, thread }
    }

    /// Where it takes calls.
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

struct Bridge {
    datagrams: UdpSocket,
    listener: TcpListener,
    streams: Vec<(TcpStream, Vec<u8>)>,
    legs: Vec<Leg>,
}

struct Leg {
    call_id: String,
    room: String,
    wire: UdpSocket,
    remote: Option<Remote>,
    out: Header,
}

impl Bridge {
    fn run(mut self, stopped: &AtomicBool) {
        let mut bytes = [0; 4096];
        while !stopped.load(Ordering::Relaxed) {
            while let Ok((length, from)) = self.datagrams.recv_from(&mut bytes) {
                for response in self.handle(&bytes[..length]) {
                    // Who is not there any more needs no answer.
                    drop(self.datagrams.send_to(response.as_bytes(), from));
                }
            }
            while let Ok((stream, _)) = self.listener.accept() {
                stream.set_nonblocking(true).expect("sockets can be made non-blocking");
                self.streams.push((stream, Vec::new()));
            }
            for (mut stream, mut received) in std::mem::take(&mut self.streams) {
                match stream.read(&mut bytes) {
                    Ok(0) => continue,
                    Ok(length) => received.extend_from_slice(&bytes[..length]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => continue,
                }
                while let Some(message) = sip::take_message(&mut received) {
                    for response in self.handle(&message) {
                        drop(stream.write_all(response.as_bytes()));
                    }
                }
                self.streams.push((stream, received));
            }
            self.relay(&mut bytes);
            thread::sleep(LOOK_EVERY);
        }
    }

    /// One request in, its responses out.
    fn handle(&mut self, bytes: &[u8]) -> Vec<String> {
        let Some(request) = Message::scan(bytes) else { return Vec::new() };
        let Start::Request(method) = &request.start else { return Vec::new() };
        let call_id = request.header("call-id").unwrap_or_default().to_owned();
        let known = self.legs.iter().position(|leg| leg.call_id == call_id);
        let offer = Remote::read(&request.body);
        match (method.as_str(), known) {
            ("INVITE", None) => {
                let to = sip::uri(request.header("to").unwrap_or_default());
                let room = to.trim_start_matches("sip:").split('@').next().unwrap_or_default();
                if room == "busy" {
                    return vec![request.respond("486 Busy Here", TAG, "", None)];
                }
                let leg = Leg::new(call_id, room, offer);
                let answer = self.answer(&request, &leg, offer);
                self.legs.push(leg);
                vec![request.respond("100 Trying", TAG, "", None), answer]
            }
            ("INVITE", Some(at)) => {
                self.legs[at].remote = offer.or(self.legs[at].remote);
                vec![self.answer(&request, &self.legs[at], offer)]
            }
            ("ACK", known) => {
                if let (Some(at), Some(answer)) = (known, offer) {
                    self.legs[at].remote = Some(answer);
                }
                Vec::new()
            }
            ("BYE", Some(at)) => {
                self.legs.remove(at);
                vec![request.respond("200 OK", TAG, "", None)]
            }
            ("OPTIONS", _) | (_, Some(_)) => vec![request.respond("200 OK", TAG, "", None)],
            _ => vec![request.respond("481 Call/Transaction Does Not Exist", TAG, "", None)],
        }
    }

    fn answer(&self, request: &Message, leg: &Leg, offer: Option<Remote>) -> String {
        let flow = match offer.map_or(Flow::SendRecv, |offer| offer.flow) {
            Flow::SendOnly => Flow::RecvOnly,
            Flow::RecvOnly => Flow::SendOnly,
            Flow::Inactive => Flow::Inactive,
            Flow::SendRecv | Flow::ZeroAddress => Flow::SendRecv,
        };
        let local = leg.wire.local_addr().expect("a bound socket has an address");
        let description = sdp::describe(local, 1, flow, true);
        let contact = format!("Contact: <sip:relay@{}>\r\n", self.datagrams.local_addr().expect("bound"));
        request.respond("200 OK", TAG, &contact, Some(&description))
    }

    /// Passes on what came, as each receiver's own stream.
    fn relay(&mut self, bytes: &mut [u8]) {
        for from in 0..self.legs.len() {
            while let Ok((length, _)) = self.legs[from].wire.recv_from(bytes) {
                let Some(header) = Header::read(&bytes[..length]) else { continue };
                if header.payload_type != rtp::PCMU {
                    continue;
                }
                let room = &self.legs[from].room;
                if let Some(to) = (0..self.legs.len()).find(|&to| to != from && self.legs[to].room == *room) {
                    self.legs[to].send(&bytes[rtp::HEADER_LEN..length]);
                }
            }
        }
    }
}

impl Leg {
    fn new(call_id: String, room: &str, remote: Option<Remote>) -> Self {
        let wire = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for audio");
        wire.set_nonblocking(true).expect("sockets can be made non-blocking");
        let out = Header { payload_type: rtp::PCMU, marker: false, sequence: 0, timestamp: 0, ssrc: 1 };
        Self { call_id, room: room.to_owned(), wire, remote, out }
    }

    fn send(&mut self, payload: &[u8]) {
        let Some(remote) = self.remote else { return };
        if matches!(remote.flow, Flow::SendRecv | Flow::RecvOnly) {
            let packet = [&self.out.write()[..], payload].concat();
            drop(self.wire.send_to(&packet, remote.address));
            self.out.sequence = self.out.sequence.wrapping_add(1);
            self.out.timestamp = self.out.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        }
    }
}

fn same_port() -> std::io::Result<(UdpSocket, TcpListener)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let datagrams = UdpSocket::bind(listener.local_addr()?)?;
    listener.set_nonblocking(true)?;
    datagrams.set_nonblocking(true)?;
    Ok((datagrams, listener))
}

/// One To-tag is enough: Call-IDs tell the dialogs apart.
const TAG: &str = "relay";
/// Adds at most this to a packet's way.
const LOOK_EVERY: Duration = Duration::from_micros(500);
