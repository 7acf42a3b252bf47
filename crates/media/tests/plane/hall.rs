//! A hall to try the plane in: phones that hum, wires in memory, time that passes when told.
//!
//! Every phone sends one packet of 20 ms at its own moment of the cycle and keeps every packet it is sent. No
//! threads, no sockets, no clock: the same test gives the same bytes every time.

use std::collections::{HashMap, VecDeque};
use std::f64::consts::TAU;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use media::{
    Codec, Command, Config, Decoder, Encoder, Event, Groups, MAIN, Plane, Received, Stream, TelephoneEvent, Wire,
    Wires, rtp,
};
use model::{LegId, LegStats, RoomId};

use crate::ear;

/// The bridge's address.
pub(crate) const BRIDGE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

pub(crate) const ROOM: RoomId = RoomId(1);

/// The payload type of digits.
pub(crate) const EVENT_TYPE: u8 = 101;

/// No sample of comfort noise is louder, and no voice of a test as quiet.
pub(crate) const NOISE_PEAK: i16 = 100;

/// All datagrams under way.
#[derive(Clone, Default)]
pub(crate) struct Network(Arc<Mutex<Traffic>>);

#[derive(Default)]
pub(crate) struct Traffic {
    now_us: u64,
    to_bridge: HashMap<u16, VecDeque<(Vec<u8>, SocketAddr, u64)>>,
    from_bridge: HashMap<SocketAddr, Vec<Vec<u8>>>,
    /// What each of the bridge's ports is connected to.
    pub(crate) connected: HashMap<u16, SocketAddr>,
    pub(crate) closed: Vec<u16>,
    /// Ports that somebody else holds.
    pub(crate) taken: Range<u16>,
    /// How often the bridge has asked for one of them.
    pub(crate) refused: usize,
}

impl Network {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.0.lock().expect("no test thread panics while it holds the network")
    }

    /// Puts a datagram on the wire to a port of the bridge, as of now.
    pub(crate) fn send(&self, port: u16, from: SocketAddr, datagram: &[u8]) {
        let mut traffic = self.lock();
        let now_us = traffic.now_us;
        traffic.to_bridge.entry(port).or_default().push_back((datagram.to_vec(), from, now_us));
    }

    /// Everything the bridge has sent to an address since the last call.
    pub(crate) fn take(&self, to: SocketAddr) -> Vec<Vec<u8>> {
        self.lock().from_bridge.remove(&to).unwrap_or_default()
    }
}

impl Wires for Network {
    fn open(&mut self, _address: IpAddr, port: u16) -> io::Result<Box<dyn Wire>> {
        let mut traffic = self.lock();
        if traffic.taken.contains(&port) {
            traffic.refused += 1;
            return Err(io::ErrorKind::AddrInUse.into());
        }
        Ok(Box::new(Port { port, network: self.clone() }))
    }
}

struct Port {
    port: u16,
    network: Network,
}

impl Wire for Port {
    fn receive(&mut self, buffer: &mut [u8]) -> Option<Received> {
        let mut traffic = self.network.lock();
        let connected = traffic.connected.get(&self.port).copied();
        loop {
            let (datagram, from, arrival_us) = traffic.to_bridge.get_mut(&self.port)?.pop_front()?;
            if connected.is_none_or(|peer| peer == from) {
                let len = datagram.len().min(buffer.len());
                buffer[..len].copy_from_slice(&datagram[..len]);
                return Some(Received { len, from, arrival_us: Some(arrival_us) });
            }
        }
    }

    fn send(&mut self, datagram: &[u8], to: SocketAddr) -> bool {
        self.network.lock().from_bridge.entry(to).or_default().push(datagram.to_vec());
        true
    }

    fn connect(&mut self, peer: Option<SocketAddr>) {
        let mut traffic = self.network.lock();
        match peer {
            Some(peer) => traffic.connected.insert(self.port, peer),
            None => traffic.connected.remove(&self.port),
        };
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.network.lock().closed.push(self.port);
    }
}

/// What a phone says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Voice {
    /// A steady tone: its frequency and its peak.
    Tone(f64, f64),
    /// A tone in syllables, four a second: its frequency and its peak at their middle. Over 500 ms its level is that of a
    /// tone of half the peak.
    Syllables(f64, f64),
    /// White noise with this peak.
    Noise(i16),
    /// The two tones of a key.
    Key(char),
    /// Any sound: its sample of this number, at this rate.
    Sound(fn(u64, f64) -> f64),
    /// One value in every sample, which G.711 keeps as it is.
    Level(i16),
    /// Sweeps through the telephone's band, four a second and each another one, so that every moment is known by its
    /// sound.
    Sweeps,
    /// Packets of silence.
    Silence,
    /// Nothing at all.
    Nothing,
}

/// A phone on the network, and its leg.
pub(crate) struct Phone {
    pub(crate) leg: LegId,
    pub(crate) address: SocketAddr,
    /// Its leg's port.
    pub(crate) port: u16,
    pub(crate) voice: Voice,
    pub(crate) stream: Stream,
    /// When it sends, within each 20 ms.
    pub(crate) phase_us: u64,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    /// The payload it sent last.
    pub(crate) last_said: Vec<u8>,
    sample: u64,
    /// When it sent its first sample.
    pub(crate) spoke_us: Option<u64>,
    encoder: Encoder,
    decoder: Decoder,
    /// Every datagram it has been sent.
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// What of it is RTP audio, decoded.
    pub(crate) heard: Vec<i16>,
    /// When the bridge sent each packet of it.
    pub(crate) heard_us: Vec<u64>,
}

impl Phone {
    /// The next packet of its voice.
    pub(crate) fn speak(&mut self) -> Option<Vec<u8>> {
        if matches!(self.voice, Voice::Nothing) {
            return None;
        }
        let rate = f64::from(self.stream.codec.rate_hz());
        let pcm: Vec<i16> = (self.sample..self.sample + self.stream.codec.frame_samples() as u64)
            .map(|i| match self.voice {
                Voice::Tone(hz, peak) => (peak * (TAU * hz * i as f64 / rate).sin()).round() as i16,
                Voice::Syllables(hz, peak) => {
                    let envelope = 0.5 - 0.5 * (TAU * 4.0 * i as f64 / rate).cos();
                    (peak * envelope * (TAU * hz * i as f64 / rate).sin()).round() as i16
                }
                Voice::Noise(peak) => {
                    let random = (i + u64::from(self.ssrc) * 1_000_003).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    let random = (random ^ random >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                    ((random >> 32) as i64 % (2 * i64::from(peak) + 1) - i64::from(peak)) as i16
                }
                Voice::Key(key) => {
                    let hz = media::inband::tones_of(key).expect("a key");
                    hz.iter().map(|hz| 7_000.0 * (TAU * hz * i as f64 / rate).sin()).sum::<f64>().round() as i16
                }
                Voice::Sound(sound) => sound(i, rate).round() as i16,
                Voice::Level(level) => level,
                Voice::Sweeps => sweeps(i as f64 / rate),
                Voice::Silence | Voice::Nothing => 0,
            })
            .collect();
        self.sample += pcm.len() as u64;
        let mut payload = vec![0; 2_000];
        let len = self.encoder.encode(&pcm, &mut payload).expect("a frame");
        let packet = self.packet(self.stream.payload_type_in, &payload[..len]);
        self.last_said = payload[..len].to_vec();
        Some(packet)
    }

    /// A packet that continues its stream.
    pub(crate) fn packet(&mut self, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let (sequence, timestamp, ssrc) = (self.sequence, self.timestamp, self.ssrc);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.stream.codec.clock_hz() / 50);
        let packet = rtp::Packet { payload_type, marker: false, sequence, timestamp, ssrc, payload };
        let mut datagram = vec![0; 12 + payload.len()];
        packet.write(&mut datagram).expect("room for it");
        datagram
    }

    /// The RTP packets it has been sent, as they are.
    pub(crate) fn packets(&self) -> Vec<rtp::Packet<'_>> {
        let rtp = self.datagrams.iter().filter(|datagram| !media::rtcp::is_rtcp(datagram));
        rtp.map(|datagram| rtp::Packet::parse(datagram).expect("RTP from the bridge")).collect()
    }

    /// The last so many milliseconds it heard.
    pub(crate) fn last_ms(&self, ms: usize) -> &[i16] {
        let samples = self.stream.codec.rate_hz() as usize / 1_000 * ms;
        &self.heard[self.heard.len() - samples..]
    }

    /// The level of one tone in the last 500 ms it heard, in dB of a full-scale tone.
    pub(crate) fn level_dbfs(&self, hz: f64) -> f64 {
        ear::level_dbfs(self.last_ms(500), f64::from(self.stream.codec.rate_hz()), hz)
    }
}

/// [`Voice::Sweeps`] at this moment, in seconds.
pub(crate) fn sweeps(t: f64) -> i16 {
    let (number, t) = ((t * 4.0).floor(), t % 0.25);
    // two frequencies from a golden sequence, which never comes back
    let hz = |nth: f64| 300.0 + 2_800.0 * ((number * 2.0 + nth) * 0.618_033_988_749_895).fract();
    let turns = hz(0.0) * t + (hz(1.0) - hz(0.0)) * t * t * 2.0;
    let edge = (t.min(0.25 - t) / 0.005).min(1.0);
    (6_000.0 * edge * (TAU * turns).sin()).round() as i16
}

/// The hall itself.
pub(crate) struct Hall {
    pub(crate) plane: Plane,
    pub(crate) network: Network,
    pub(crate) now_us: u64,
    pub(crate) phones: Vec<Phone>,
    pub(crate) events: Vec<Event>,
    /// The plane's owner asks it for events.
    pub(crate) owner_listens: bool,
    next_leg: u64,
    /// Packets that phones have sent and when they arrive, by phone.
    under_way: Vec<(u64, usize, Vec<u8>)>,
}

/// Rooms stay in their slots, so that every test knows when they tick.
pub(crate) fn config(threads: usize) -> Config {
    Config { threads, seed: 7, chooses_slots: false, ..Config::default() }
}

impl Hall {
    pub(crate) fn new(threads: usize) -> Self {
        Self::with(config(threads))
    }

    pub(crate) fn with(config: Config) -> Self {
        let network = Network::default();
        let plane = Plane::manual(config, Box::new(network.clone()));
        let (phones, events, under_way) = Default::default();
        Self { plane, network, now_us: 0, phones, events, owner_listens: true, next_leg: 1, under_way }
    }

    /// A phone that is in a room, hears it and is heard; returns its number.
    pub(crate) fn join(&mut self, room: RoomId, codec: Codec, voice: Voice) -> usize {
        let phone = self.open(room, codec, voice);
        self.route(phone, MAIN, MAIN);
        phone
    }

    /// A phone whose leg is open and agreed, but neither hears nor is heard.
    pub(crate) fn open(&mut self, room: RoomId, codec: Codec, voice: Voice) -> usize {
        let phone = self.connect(room, codec, voice);
        let (leg, stream) = (self.phones[phone].leg, self.phones[phone].stream);
        self.plane.apply(vec![Command::Agree { leg, stream }]);
        phone
    }

    /// A phone whose leg is open and no more.
    pub(crate) fn connect(&mut self, room: RoomId, codec: Codec, voice: Voice) -> usize {
        let leg = LegId(self.next_leg);
        self.next_leg += 1;
        self.plane.apply(vec![Command::OpenLeg { leg, room, address: BRIDGE }]);
        self.collect();
        let port = self.events.iter().find_map(|event| match event {
            Event::LegOpened { leg: opened, local } if *opened == leg => Some(local.port()),
            _ => None,
        });
        let number = self.phones.len();
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 4_000 + 2 * number as u16);
        self.phones.push(Phone {
            leg,
            address,
            port: port.expect("an open leg"),
            voice,
            stream: stream(codec, address),
            phase_us: (number as u64 * 3_700) % 20_000,
            sequence: 65_530,
            timestamp: 0xFFFF_FF00,
            ssrc: 1_000 + number as u32,
            last_said: Vec::new(),
            sample: 0,
            spoke_us: None,
            encoder: Encoder::new(codec).expect("a codec"),
            decoder: Decoder::new(codec).expect("a codec"),
            datagrams: Vec::new(),
            heard: Vec::new(),
            heard_us: Vec::new(),
        });
        number
    }

    pub(crate) fn route(&mut self, phone: usize, emit: Groups, hear: Groups) -> u64 {
        let leg = self.phones[phone].leg;
        self.plane.apply(vec![Command::Route { leg, emit, hear }])
    }

    /// Agrees anew, with a change.
    pub(crate) fn agree(&mut self, phone: usize, change: impl FnOnce(&mut Stream)) {
        let phone = &mut self.phones[phone];
        let codec_before = phone.stream.codec;
        change(&mut phone.stream);
        if phone.stream.codec != codec_before {
            phone.encoder = Encoder::new(phone.stream.codec).expect("a codec");
            phone.decoder = Decoder::new(phone.stream.codec).expect("a codec");
        }
        let (leg, stream) = (phone.leg, phone.stream);
        self.plane.apply(vec![Command::Agree { leg, stream }]);
    }

    /// Lets time pass, with everybody speaking.
    pub(crate) fn run_ms(&mut self, ms: u64) {
        self.run_ms_with(ms, |_, _| true);
    }

    /// Lets time pass; `passes` says of each phone's packet whether the network carries it.
    pub(crate) fn run_ms_with(&mut self, ms: u64, mut passes: impl FnMut(usize, u16) -> bool) {
        self.run_ms_late(ms, |phone, sequence| passes(phone, sequence).then_some(0));
    }

    /// Lets time pass; `late_us` says of each phone's packet how long the network takes to carry it, if it does.
    pub(crate) fn run_ms_late(&mut self, ms: u64, mut late_us: impl FnMut(usize, u16) -> Option<u64>) {
        let end_us = self.now_us + ms * 1_000;
        while self.now_us < end_us {
            self.now_us += 100;
            self.network.lock().now_us = self.now_us;
            for (number, phone) in self.phones.iter_mut().enumerate() {
                if self.now_us % 20_000 == phone.phase_us {
                    let sequence = phone.sequence;
                    if let Some(packet) = phone.speak() {
                        phone.spoke_us.get_or_insert(self.now_us);
                        let late_us = late_us(number, sequence);
                        self.under_way.extend(late_us.map(|late_us| (self.now_us + late_us, number, packet)));
                    }
                }
            }
            for (_, number, packet) in self.under_way.extract_if(.., |(arrival_us, ..)| *arrival_us <= self.now_us) {
                self.network.send(self.phones[number].port, self.phones[number].address, &packet);
            }
            self.plane.run_until(self.now_us);
            if self.owner_listens && self.now_us.is_multiple_of(2_000) {
                self.collect();
            }
        }
    }

    /// Hands out what the bridge has sent and said.
    pub(crate) fn collect(&mut self) {
        for phone in &mut self.phones {
            for datagram in self.network.take(phone.address) {
                if let Ok(packet) = rtp::Packet::parse(&datagram)
                    && packet.payload_type == phone.stream.payload_type_out
                {
                    let mut pcm = [0; 5_760];
                    let samples = phone.decoder.decode(packet.payload, &mut pcm).expect("a payload of the codec");
                    phone.heard.extend(&pcm[..samples]);
                    phone.heard_us.push(self.now_us);
                }
                phone.datagrams.push(datagram);
            }
        }
        while let Some(event) = self.plane.poll() {
            self.events.push(event);
        }
    }

    /// Closes a phone's leg and returns its statistics.
    pub(crate) fn close(&mut self, phone: usize) -> LegStats {
        let leg = self.phones[phone].leg;
        self.plane.apply(vec![Command::CloseLeg { leg }]);
        self.run_ms(40);
        let stats = self.events.iter().find_map(|event| match event {
            Event::LegClosed { leg: closed, stats } if *closed == leg => Some(*stats),
            _ => None,
        });
        stats.expect("a closed leg")
    }
}

/// An ordinary agreement.
pub(crate) fn stream(codec: Codec, remote: SocketAddr) -> Stream {
    let payload_type = match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::Opus => 111,
        Codec::L16 { .. } => 96,
    };
    Stream {
        remote: Some(remote),
        rtcp: None,
        rtcp_mux: false,
        codec,
        payload_type_in: payload_type,
        payload_type_out: payload_type,
        telephone_event: Some(TelephoneEvent {
            payload_type_in: EVENT_TYPE,
            payload_type_out: EVENT_TYPE,
            clock_hz: codec.clock_hz(),
        }),
        comfort_noise_payload_type: None,
        ptime_ms: 20,
        sends: true,
        receives: true,
    }
}
