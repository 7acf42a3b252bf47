//! Real media threads and real sockets, on loopback. The packets themselves are the clock: one every 20 ms.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::{Duration, Instant};

use media::{Codec, Command, Config, Event, MAIN, Plane, Refusal, Stream, rtp};
use model::{LegId, RoomId};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// What a test waits for at most; only reached when it fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// A phone: a socket and its leg.
struct Phone {
    leg: LegId,
    socket: UdpSocket,
    sequence: u16,
    value: u8,
}

impl Phone {
    fn join(plane: &mut Plane, leg: u64, address: IpAddr, value: u8) -> Self {
        let leg = LegId(leg);
        plane.apply(vec![Command::OpenLeg { leg, room: RoomId(1), address }]);
        let Event::LegOpened { local, .. } = wait_for(plane, |event| matches!(event, Event::LegOpened { .. })) else {
            unreachable!("waited for it")
        };
        let socket = UdpSocket::bind((address, 0)).expect("a free port");
        socket.connect(local).expect("a route to ourselves");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let stream = Stream {
            remote: Some(socket.local_addr().expect("bound")),
            rtcp: None,
            rtcp_mux: false,
            codec: Codec::Pcma,
            payload_type_in: 8,
            payload_type_out: 8,
            telephone_event: None,
            comfort_noise_payload_type: None,
            ptime_ms: 20,
            sends: true,
            receives: true,
        };
        plane.apply(vec![Command::Agree { leg, stream }, Command::Route { leg, emit: MAIN, hear: MAIN }]);
        Self { leg, socket, sequence: 0, value }
    }

    /// Says its value for 20 ms.
    fn speak(&mut self) {
        let payload = [self.value; 160];
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let timestamp = u32::from(sequence) * 160;
        let packet = rtp::Packet { payload_type: 8, marker: false, sequence, timestamp, ssrc: 1, payload: &payload };
        let mut datagram = [0; 172];
        packet.write(&mut datagram).expect("room for it");
        // Refused is what we may be told about an earlier packet.
        let _ = self.socket.send(&datagram);
    }

    /// The next packet's payload.
    fn hear(&mut self) -> Vec<u8> {
        let mut datagram = [0; 2_000];
        let len = self.socket.recv(&mut datagram).expect("a packet every 20 ms");
        rtp::Packet::parse(&datagram[..len]).expect("RTP").payload.to_vec()
    }
}

fn wait_for(plane: &mut Plane, wanted: impl Fn(&Event) -> bool) -> Event {
    let start = Instant::now();
    loop {
        match plane.poll() {
            Some(event) if wanted(&event) => return event,
            Some(_) => {}
            None => std::thread::yield_now(),
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for an event");
    }
}

fn config(ports: std::ops::RangeInclusive<u16>) -> Config {
    Config { threads: 2, ports, seed: 3, ..Config::default() }
}

#[test]
fn phones_hear_each_other_and_a_dead_one_hurts_nobody() {
    // In one share, and in one on each thread.
    for (address, first_port, share_legs_max) in [(V4, 21_000, 500), (V6, 21_100, 500), (V4, 21_300, 1)] {
        let config = Config { share_legs_max, ..config(first_port..=first_port + 99) };
        let mut plane = Plane::start(config).expect("threads");
        let mut ana = Phone::join(&mut plane, 1, address, 0xA5);
        let mut ben = Phone::join(&mut plane, 2, address, 0x95);
        let dead = Phone::join(&mut plane, 3, address, 0xD5);
        let dead_leg = dead.leg;
        drop(dead); // from now on the kernel answers its leg: port unreachable
        let mut heard = (0, 0);
        while heard.0 < 50 || heard.1 < 50 {
            ana.speak();
            ben.speak();
            heard.0 += usize::from(ana.hear().iter().all(|&byte| byte == 0x95));
            heard.1 += usize::from(ben.hear().iter().all(|&byte| byte == 0xA5));
            while plane.poll().is_some() {}
            assert!(ana.sequence < 400, "{heard:?} packets of 400 bring the other's voice and nothing else");
        }
        plane.apply(vec![Command::CloseLeg { leg: dead_leg }, Command::CloseLeg { leg: ana.leg }]);
        let closed = wait_for(&mut plane, |event| matches!(event, Event::LegClosed { leg, .. } if *leg == ana.leg));
        let Event::LegClosed { stats, .. } = closed else { unreachable!("waited for it") };
        assert!(stats.packets_in >= 50 && stats.packets_out >= 50 && stats.wrong_source == 0, "{stats:?}");
        assert!(stats.send_errors == 0, "{stats:?}");
        let ticks: u64 = plane.stats().iter().map(|thread| thread.ticks.get()).sum();
        assert!(ticks >= 50, "{ticks} ticks");
    }
}

#[test]
fn what_cannot_be_bound_is_refused() {
    let taken = UdpSocket::bind((V4, 21_202)).expect("a free port");
    let mut plane = Plane::start(config(21_200..=21_205)).expect("threads");
    let mut open = |leg, address| {
        plane.apply(vec![Command::OpenLeg { leg: LegId(leg), room: RoomId(1), address }]);
        wait_for(&mut plane, |event| matches!(event, Event::LegOpened { .. } | Event::LegRefused { .. }))
    };
    let nobody_s = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(open(1, nobody_s), Event::LegRefused { leg: LegId(1), why: Refusal::Io });
    let ports: Vec<Event> = (2..5).map(|leg| open(leg, V4)).collect();
    let opened = |port: u16| {
        let is_it = |event: &&Event| matches!(event, Event::LegOpened { local, .. } if *local == (V4, port).into());
        ports.iter().filter(is_it).count()
    };
    assert_eq!((opened(21_200), opened(21_204)), (1, 1), "{ports:?}");
    assert_eq!(ports[2], Event::LegRefused { leg: LegId(4), why: Refusal::NoPorts }, "{ports:?}");
    drop(taken);
}
