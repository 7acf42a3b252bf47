//! A tick allocates nothing and frees nothing, whatever happens in the rooms.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use media::{
    Codec, Command, Config, Encoder, Event, JitterBuffer, MAIN, MachineDetection, Pages, Plane, Received, Stream, Tap,
    TelephoneEvent, Tuning, Wire, Wires, rtp,
};
use model::{Clip, LegId, PlaybackId, RoomId, TapId, Tracks};

/// The system's allocator, which counts what a watched thread asks of it.
struct Counting;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    if WATCHED.get() {
        CALLS.set(CALLS.get() + 1);
    }
}

// SAFETY: hands everything through to the system's allocator.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise, handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Wires on which every peer speaks, 50 packets a second, and now and then something that is no RTP.
struct Chatter {
    now_us: Arc<AtomicU64>,
}

struct Peer {
    address: SocketAddr,
    /// One packet, whose numbers are counted up in place; none where RTCP goes.
    packet: Option<Vec<u8>>,
    next_us: u64,
    now_us: Arc<AtomicU64>,
}

/// Packets the bridge has sent.
static SENT: AtomicU64 = AtomicU64::new(0);

fn codec_on(port: u16) -> (Codec, u8) {
    [(Codec::Pcmu, 0), (Codec::G722, 9), (Codec::Pcma, 8), (Codec::Opus, 111), (Codec::L16 { rate_hz: 16_000 }, 96)]
        [usize::from(port / 2) % 5]
}

fn peer_of(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), port)
}

impl Wires for Chatter {
    fn open(&mut self, _address: IpAddr, port: u16) -> io::Result<Box<dyn Wire>> {
        let (codec, payload_type) = codec_on(port);
        let pcm: Vec<i16> = (0..codec.frame_samples()).map(|i| (i * 37 % 12_000) as i16).collect();
        let mut payload = [0; 2_000];
        let len = Encoder::new(codec).expect("a codec").encode(&pcm, &mut payload).expect("a frame");
        let (sequence, timestamp, ssrc) = (0, 0, port.into());
        let packet = rtp::Packet { payload_type, marker: false, sequence, timestamp, ssrc, payload: &payload[..len] };
        let mut datagram = vec![0; 12 + len];
        packet.write(&mut datagram).expect("room for it");
        Ok(Box::new(Peer {
            address: peer_of(port),
            packet: port.is_multiple_of(2).then_some(datagram),
            next_us: u64::from(port) * 777 % 20_000,
            now_us: self.now_us.clone(),
        }))
    }
}

impl Wire for Peer {
    fn receive(&mut self, buffer: &mut [u8]) -> Option<Received> {
        let packet = self.packet.as_mut()?;
        if self.next_us > self.now_us.load(Ordering::Relaxed) {
            return None;
        }
        let units = codec_on(self.address.port()).0.clock_hz() / 50;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]).wrapping_add(1);
        let timestamp = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]).wrapping_add(units);
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        let arrival_us = self.next_us;
        self.next_us += 20_000;
        let len = if sequence.is_multiple_of(50) { 5 } else { packet.len() };
        buffer[..len].copy_from_slice(&packet[..len]);
        Some(Received { len, from: self.address, arrival_us: Some(arrival_us) })
    }

    fn send(&mut self, _datagram: &[u8], _to: SocketAddr) -> bool {
        SENT.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn connect(&mut self, _peer: Option<SocketAddr>) {}
}

fn stream(port: u16) -> Stream {
    let (codec, payload_type) = codec_on(port);
    let event = TelephoneEvent { payload_type_in: 101, payload_type_out: 101, clock_hz: 8_000 };
    Stream {
        remote: Some(peer_of(port)),
        rtcp: None,
        rtcp_mux: port.is_multiple_of(4),
        codec,
        payload_type_in: payload_type,
        payload_type_out: payload_type,
        telephone_event: (!port.is_multiple_of(3)).then_some(event),
        comfort_noise_payload_type: Some(13),
        ptime_ms: [10, 20, 20, 40, 60][usize::from(port / 2) % 5],
        sends: true,
        receives: true,
    }
}

#[test]
fn nothing_is_allocated_or_freed_in_a_tick() {
    let now_us = Arc::new(AtomicU64::new(0));
    let config = Config { threads: 3, room_legs_max: 40, share_legs_max: 3, seed: 1, ..Config::default() };
    let mut plane = Plane::manual(config, Box::new(Chatter { now_us: now_us.clone() }));
    let sound = Arc::new(Pages::new(&Clip { rate_hz: 8_000, samples: vec![1_000; 1_234] }));
    let mut legs: Vec<(LegId, u16)> = Vec::new();
    let mut dialled = 0;
    let (mut closed, mut ended, mut arrived, mut measured, mut talked) = (0, 0, 0, 0, 0);
    let (rooms, mut split_steps) = (6, 0);
    let mut random = 12_345_u64;
    let mut draw = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };

    let (mut taps, mut tapped) = (Vec::new(), 0);
    for step in 0..6_000_u64 {
        // One thing happens every 4 ms, to anybody.
        let any = (!legs.is_empty()).then(|| legs[draw(legs.len().max(1) as u64) as usize]);
        let room = RoomId(draw(rooms));
        match (draw(13), any) {
            (0 | 1, _) if legs.len() < 60 => {
                let leg = LegId(step);
                plane.apply(vec![Command::OpenLeg { leg, room, address: IpAddr::V4(Ipv4Addr::LOCALHOST) }]);
            }
            (2, Some((leg, _))) => {
                plane.apply(vec![Command::CloseLeg { leg }]);
                legs.retain(|&(other, _)| other != leg);
            }
            (3, Some((leg, _))) => {
                plane.apply(vec![Command::Move { leg, room, emit: MAIN, hear: MAIN }]);
            }
            (4, Some((leg, _))) => {
                let loops = draw(3) as u32;
                plane.apply(vec![Command::Play { leg, playback: PlaybackId(step), sound: sound.clone(), loops }]);
            }
            (5, Some((leg, _))) => {
                plane.apply(vec![Command::StopPlay { leg }]);
            }
            (6, _) => {
                plane.apply(vec![Command::Announce { room, playback: PlaybackId(step), sound: sound.clone() }]);
            }
            (12, Some((leg, _))) => {
                let tuning = Tuning {
                    gain_db: draw(41) as i8 - 20,
                    noise_suppression: draw(8) == 0,
                    jitter_buffer: [JitterBuffer::Off, JitterBuffer::Large][draw(2) as usize],
                    data_mode: draw(5) == 0,
                };
                plane.apply(vec![Command::Tune { leg, tuning }]);
            }
            (10 | 11, Some((leg, _))) => {
                let digits = ["12w3456789*#", "W0w1ABCD"][draw(2) as usize].parse().expect("digits");
                plane.apply(vec![Command::SendDigits { leg, digits }]);
            }
            (7, Some((leg, port))) => {
                plane.apply(vec![Command::Agree { leg, stream: stream(port) }]);
            }
            (_, Some((leg, _))) => {
                plane.apply(vec![Command::Route { leg, emit: 1 << draw(4) >> 1, hear: draw(16) }]);
            }
            _ => {}
        }
        // Somebody looks on now and then, is spoken to, and looks away again.
        if let (0, Some((leg, _))) = (step % 9, any) {
            let (tap, reader, mut feeder) = Tap::with_feed(TapId(step), Tracks::Both);
            assert!((0..5).all(|_| feeder.feed(&[0x40; 160])), "there is room");
            feeder.mark(1);
            let detect = Command::DetectMachine { leg, detection: MachineDetection::default() };
            plane.apply(vec![Command::Tap { leg, tap }, detect]);
            taps.push((leg, TapId(step), reader, feeder));
            if taps.len() > 20 {
                let (leg, tap, mut reader, feeder) = taps.swap_remove((step % 20) as usize);
                feeder.clear();
                tapped += std::iter::from_fn(|| reader.poll().ok()).count();
                plane.apply(vec![Command::Untap { leg, tap }]);
            }
        }
        now_us.fetch_add(4_000, Ordering::Relaxed);
        WATCHED.set(true);
        plane.run_until(now_us.load(Ordering::Relaxed));
        WATCHED.set(false);
        assert_eq!(CALLS.get(), 0, "calls of the allocator within the tick of step {step}");
        split_steps += u64::from(plane.stats().iter().map(|thread| thread.rooms.get()).sum::<u64>() > rooms);
        while let Some(event) = plane.poll() {
            match event {
                Event::LegOpened { leg, local } => {
                    legs.push((leg, local.port()));
                    plane.apply(vec![
                        Command::Agree { leg, stream: stream(local.port()) },
                        Command::Route { leg, emit: MAIN, hear: MAIN },
                    ]);
                }
                Event::LegClosed { .. } => closed += 1,
                Event::Measured { .. } => measured += 1,
                Event::PlaybackEnded { .. } | Event::AnnouncementEnded { .. } => ended += 1,
                Event::DigitsSent { .. } => dialled += 1,
                Event::Applied { .. } => arrived += 1,
                Event::Speech { .. } | Event::Speaker { .. } => talked += 1,
                Event::LegRefused { .. } | Event::MoveRefused { .. } => {}
                Event::Answered { .. } | Event::Digit { .. } | Event::Quiet { .. } => {}
            }
        }
    }
    let sent = SENT.load(Ordering::Relaxed);
    assert!(dialled > 10, "{dialled} legs have sent digits");
    assert!(closed > 300 && ended > 500 && arrived > 3_000, "closed {closed}, ended {ended}, applied {arrived}");
    assert!(measured > 50 && talked > 100, "{measured} measurements, {talked} changes of who talks");
    assert!(sent > 20_000, "{sent} packets");
    assert!(tapped > 500, "{tapped} frames and marks for onlookers");
    assert!(split_steps > 3_000, "{split_steps} steps with more shares than rooms");
    assert_eq!(plane.stats().iter().map(|thread| thread.parts_missed.get()).sum::<u64>(), 0);
}
