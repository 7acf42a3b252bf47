//! What a leg costs beyond the kernel: whole rooms in whole ticks, on wires that are memory.
//!
//! `warm` has the caches to itself. `cold` touches, with each packet, as much other memory as the kernel's network path
//! does for a socket, so that what the leg touches has to come from further away, as in a real bridge; `stand_in` is
//! that walk alone, to be taken off. An element is a leg's tick: 50 of them are a leg and second.

use std::hint::black_box;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use media::{Codec, Command, Config, Encoder, MAIN, Plane, Received, Stream, Wire, Wires, rtp};
use model::{LegId, RoomId};

/// What the kernel touches for a packet in and a packet out, about: the socket, two buffers, their bookkeeping.
const KERNEL_BYTES: usize = 6 * 1024;

/// Legs of a room that talk; the others send silence.
const TALKERS: u64 = 2;

/// Wires on which peers talk or send silence, a packet every 20 ms.
struct Phones {
    /// How many a room has.
    legs: u64,
    opened: u64,
    elsewhere: usize,
    now_us: Arc<AtomicU64>,
}

struct Peer {
    address: SocketAddr,
    packet: Vec<u8>,
    /// When the next packet comes; never on an RTCP port.
    next_us: u64,
    now_us: Arc<AtomicU64>,
    elsewhere: Vec<u64>,
}

impl Wires for Phones {
    fn open(&mut self, _address: IpAddr, port: u16) -> io::Result<Box<dyn Wire>> {
        let is_rtp = port.is_multiple_of(2);
        let loudness = if self.opened % self.legs < TALKERS { 100 } else { 0 };
        self.opened += u64::from(is_rtp);
        let pcm: Vec<i16> = (0..160).map(|i| i % 40 * loudness).collect();
        let mut payload = [0; 160];
        let len = Encoder::new(Codec::Pcmu).expect("a codec").encode(&pcm, &mut payload).expect("a frame");
        let (sequence, timestamp, ssrc) = (0, 0, port.into());
        let packet =
            rtp::Packet { payload_type: 0, marker: false, sequence, timestamp, ssrc, payload: &payload[..len] };
        let mut datagram = vec![0; 12 + len];
        packet.write(&mut datagram).expect("room for it");
        // In the middle between two ticks, and each a little earlier or later.
        let next_us =
            if is_rtp { self.now_us.load(Ordering::Relaxed) + 11_000 + u64::from(port) % 64 } else { u64::MAX };
        let elsewhere = vec![1; if is_rtp { self.elsewhere / size_of::<u64>() } else { 0 }];
        Ok(Box::new(Peer { address: peer_of(port), packet: datagram, next_us, now_us: self.now_us.clone(), elsewhere }))
    }
}

impl Wire for Peer {
    fn receive(&mut self, buffer: &mut [u8]) -> Option<Received> {
        let arrival_us = self.next_us;
        if arrival_us > self.now_us.load(Ordering::Relaxed) {
            return None;
        }
        self.next_us += 20_000;
        walk(&mut self.elsewhere);
        let number = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| self.packet[at + byte]));
        let (sequence, timestamp) = (number(0).wrapping_add(1) as u16, number(4).wrapping_add(160));
        self.packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        self.packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        buffer[..self.packet.len()].copy_from_slice(&self.packet);
        Some(Received { len: self.packet.len(), from: self.address, arrival_us: Some(arrival_us) })
    }

    fn send(&mut self, _datagram: &[u8], _to: SocketAddr) -> bool {
        true
    }

    fn connect(&mut self, _peer: Option<SocketAddr>) {}
}

/// Touches every cache line, as who reads and writes does.
fn walk(memory: &mut [u64]) {
    memory.iter_mut().step_by(8).for_each(|word| *word = word.wrapping_add(1));
    black_box(memory);
}

fn peer_of(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), port)
}

fn stream(port: u16) -> Stream {
    Stream {
        remote: Some(peer_of(port)),
        rtcp: None,
        rtcp_mux: false,
        codec: Codec::Pcmu,
        payload_type_in: 0,
        payload_type_out: 0,
        telephone_event: None,
        comfort_noise_payload_type: None,
        ptime_ms: 20,
        sends: true,
        receives: true,
    }
}

/// A plane with so many rooms of so many legs, all of whom hum.
fn plane(rooms: u64, legs: u64, elsewhere: usize) -> (Plane, Arc<AtomicU64>) {
    let config = Config { threads: 1, room_legs_max: 1_000, ..Config::default() };
    let now_us = Arc::new(AtomicU64::new(0));
    let mut plane = Plane::manual(config, Box::new(Phones { legs, opened: 0, elsewhere, now_us: now_us.clone() }));
    for leg in 0..rooms * legs {
        let (leg, room) = (LegId(leg + 1), RoomId(leg / legs + 1));
        plane.apply(vec![Command::OpenLeg { leg, room, address: Ipv4Addr::LOCALHOST.into() }]);
        let opened = std::iter::from_fn(|| plane.poll()).find_map(|event| match event {
            media::Event::LegOpened { local, .. } => Some(local.port()),
            _ => None,
        });
        let stream = stream(opened.expect("there are ports"));
        plane.apply(vec![Command::Agree { leg, stream }, Command::Route { leg, emit: MAIN, hear: MAIN }]);
        turn(&mut plane, &now_us);
    }
    (0..100).for_each(|_| turn(&mut plane, &now_us));
    (plane, now_us)
}

/// 20 ms pass.
fn turn(plane: &mut Plane, now_us: &AtomicU64) {
    for _ in 0..10 {
        let next_us = plane.now_us() + 2_000;
        now_us.store(next_us, Ordering::Relaxed);
        plane.run_until(next_us);
    }
    while plane.poll().is_some() {}
}

fn rooms(c: &mut Criterion) {
    let mut group = c.benchmark_group("leg_tick");
    for (rooms, legs) in [(300, 3), (4, 225), (1, 900)] {
        group.throughput(Throughput::Elements(rooms * legs));
        for (name, elsewhere) in [("warm", 0), ("cold", KERNEL_BYTES)] {
            let (mut plane, now_us) = plane(rooms, legs, elsewhere);
            let id = BenchmarkId::new(name, format!("{rooms}x{legs}"));
            group.bench_function(id, |bench| bench.iter(|| turn(&mut plane, &now_us)));
        }
    }
    let mut memory = vec![vec![1_u64; KERNEL_BYTES / size_of::<u64>()]; 900];
    group.bench_function("stand_in", |bench| bench.iter(|| memory.iter_mut().for_each(|bytes| walk(bytes))));
    group.finish();
}

criterion_group!(benches, rooms);
criterion_main!(benches);
