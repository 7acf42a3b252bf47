//! The RTP thread: sends every leg's packet each 20 ms and takes in what comes back.
//!
//! A cycle is 20 slots of 1 ms on an absolute beat; a leg has one slot, so that the bridge meets callers at every
//! phase. Sockets are emptied only every tenth cycle, ten packets a call: arrival was stamped by the kernel.

use std::collections::HashMap;
use std::mem;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::stream::Stream;
use super::{Audio, PAYLOAD_MAX, Part, chirpers};
use crate::chirp;
use crate::histogram::Histogram;
use crate::pcmu::{self, FRAME_SAMPLES};
use crate::rtp::{HEADER_LEN, Header, HeardPacket};
use crate::tone::Tone;
use crate::wire::{self, Batch, Moment};

/// A handle on the running thread.
pub(super) struct Traffic {
    orders: Sender<Order>,
    thread: JoinHandle<Heard>,
}

/// What came back from all legs.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// One for each leg, in the order of the calls; a leg that never joined has none.
    pub(super) legs: Vec<Option<HeardLeg>>,
    /// How far packets were off the 20 ms beat, over all legs.
    pub(super) spacing_errors: Histogram,
    /// How late we were ourselves: what the bridge is not to be blamed for.
    pub(super) own_lateness: Histogram,
    /// When talk began and ended.
    pub(super) talk: Option<(Moment, Moment)>,
}

/// What came back from one leg.
#[derive(Debug)]
pub(super) struct HeardLeg {
    /// Its packets while everybody talked.
    pub(super) stream: Stream,
    /// It paused by hold, so its packets are not counted against the clock.
    pub(super) paused: bool,
    /// A sampled leg's packets, from the beginning of talk.
    pub(super) recording: Vec<HeardPacket>,
    /// When the leg's chirps went out.
    pub(super) chirped: Vec<Moment>,
    /// When we sent a talker's packet so late that it may have missed its turn at the bridge.
    pub(super) late: Vec<Moment>,
    /// Packets that our own full socket dropped.
    pub(super) overflowed: u32,
    /// Packets that the kernel would not send: nobody listens there.
    pub(super) unsent: u32,
}

enum Order {
    Join { leg: usize, wire: UdpSocket },
    Rest { leg: usize },
    Leave { leg: usize },
    Talk,
    Chirp,
    Stop,
}

impl Traffic {
    /// Starts the thread; no leg has joined.
    pub(super) fn start(parts: &[Part], audio: Audio) -> Self {
        let (orders, taken) = mpsc::channel();
        let parts = parts.to_vec();
        let thread = thread::Builder::new().name("load-traffic".to_owned());
        let thread = thread.spawn(move || Loop::new(parts, audio, taken).run()).expect("a thread more");
        Self { orders, thread }
    }

    /// The call was answered; `wire` is connected to where the bridge wants audio.
    pub(super) fn join(&self, leg: usize, wire: UdpSocket) {
        self.order(Order::Join { leg, wire });
    }

    /// The leg holds the bridge or comes back: its stream pauses with reason.
    pub(super) fn rest(&self, leg: usize) {
        self.order(Order::Rest { leg });
    }

    /// The bridge ended the call.
    pub(super) fn leave(&self, leg: usize) {
        self.order(Order::Leave { leg });
    }

    /// Measurement begins.
    pub(super) fn talk(&self) {
        self.order(Order::Talk);
    }

    /// Measurement ends; the chirpers of sampled rooms chirp.
    pub(super) fn chirp(&self) {
        self.order(Order::Chirp);
    }

    /// Nothing is sent from here on. What was heard.
    pub(super) fn stop(self) -> Heard {
        self.order(Order::Stop);
        self.thread.join().expect("the traffic thread does not panic")
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("the traffic thread runs until it is stopped");
    }
}

struct Loop {
    parts: Vec<Part>,
    audio: Audio,
    legs: Vec<Option<Leg>>,
    slots: [Vec<usize>; SLOTS],
    /// A second of each tone, and of silence, encoded; shared, so that all of them stay in the processor's cache.
    hums: HashMap<Option<Tone>, Arc<[Vec<u8>]>>,
    joined: usize,
    heard: Heard,
    chirping: bool,
    headers: Batch,
    packets: Batch,
    orders: Receiver<Order>,
}

struct Leg {
    wire: UdpSocket,
    header: Header,
    packet_units: u32,
    voice: Voice,
    heard: HeardLeg,
    sampled: bool,
}

/// What a leg sends, encoded beforehand.
enum Voice {
    /// A second of the tone, or of silence, packet by packet, and the place in it.
    Hum { second: Arc<[Vec<u8>]>, at: usize },
    /// Two packets of chirp at the start of every cycle, silence in between.
    Chirps { chirp: Vec<u8>, nth: usize, cycle: usize },
}

impl Loop {
    fn new(parts: Vec<Part>, audio: Audio, orders: Receiver<Order>) -> Self {
        Self {
            legs: parts.iter().map(|_| None).collect(),
            parts,
            audio,
            slots: Default::default(),
            hums: HashMap::new(),
            joined: 0,
            heard: Heard::default(),
            chirping: false,
            headers: Batch::new(PACKETS_AT_ONCE, HEADER_LEN),
            packets: Batch::new(PACKETS_AT_ONCE, HEADER_LEN + FRAME_SAMPLES),
            orders,
        }
    }

    fn run(mut self) -> Heard {
        wire::be_punctual();
        let (mut beat, mut slot) = (Instant::now(), 0);
        loop {
            slot = (slot + 1) % (SLOTS * READ_EVERY);
            beat += SLOT;
            wire::sleep_until(beat);
            let late = beat.elapsed();
            self.heard.own_lateness.add(late);
            if beat.elapsed() > CYCLE {
                beat += CYCLE;
                self.lose_a_packet_each();
            }
            while let Ok(order) = self.orders.try_recv() {
                if matches!(order, Order::Stop) {
                    return self.finish();
                }
                self.take(order);
            }
            self.send(slot % SLOTS, late > LATE);
            self.receive(slot % SLOTS, slot / SLOTS);
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Join { leg, wire } => {
                // A step coprime to the slots spreads any number of legs evenly.
                self.slots[self.joined * 7 % SLOTS].push(leg);
                self.joined += 1;
                let voice = self.hum(self.parts[leg].tone);
                self.legs[leg] = Some(Leg::new(wire, leg, self.audio, voice, self.parts[leg].sampled));
            }
            Order::Rest { leg } => {
                if let Some(leg) = &mut self.legs[leg] {
                    leg.heard.stream.rest();
                    leg.heard.paused = true;
                }
            }
            Order::Leave { leg } => {
                self.slots.iter_mut().for_each(|slot| slot.retain(|&other| other != leg));
            }
            Order::Talk => {
                self.heard.talk = Some((Moment::now(), Moment(u64::MAX)));
                self.heard.own_lateness = Histogram::default();
            }
            Order::Chirp => {
                self.chirping = true;
                if let Some((_, end)) = &mut self.heard.talk {
                    *end = Moment::now();
                }
                for (leg, part) in self.legs.iter_mut().zip(&self.parts) {
                    if let (Some(leg), Some(turn)) = (leg, part.chirps) {
                        let cycle = CHIRP_CYCLE * chirpers(part.room_legs);
                        leg.voice = Voice::Chirps { chirp: chirp_packets(), nth: cycle - CHIRP_CYCLE * turn, cycle };
                    }
                }
            }
            Order::Stop => {}
        }
    }

    fn hum(&mut self, tone: Option<Tone>) -> Voice {
        let encode = || (self.audio.encode)(tone).into();
        Voice::Hum { second: Arc::clone(self.hums.entry(tone).or_insert_with(encode)), at: 0 }
    }

    fn send(&mut self, slot: usize, late: bool) {
        for &nth in &self.slots[slot] {
            if let Some(leg) = &mut self.legs[nth] {
                leg.send();
                if late && self.parts[nth].tone.is_some() {
                    leg.heard.late.push(Moment::now());
                }
            }
        }
    }

    /// We were late by a whole cycle: its packets are lost, not sent in a burst that no network would make.
    fn lose_a_packet_each(&mut self) {
        for leg in self.legs.iter_mut().flatten() {
            leg.packet(&mut [0; HEADER_LEN + PAYLOAD_MAX]);
        }
    }

    /// Empties the sockets whose turn it is: each leg's comes every [`READ_EVERY`] cycles.
    fn receive(&mut self, slot: usize, cycle: usize) {
        for turn in 0..self.slots[slot].len() {
            if turn % READ_EVERY == cycle {
                self.receive_leg(self.slots[slot][turn]);
            }
        }
    }

    fn receive_leg(&mut self, leg: usize) {
        let Some(leg) = &mut self.legs[leg] else { return };
        let batch = if leg.sampled { &mut self.packets } else { &mut self.headers };
        loop {
            let received = batch.receive(&leg.wire);
            for (bytes, arrived) in batch.packets() {
                let Some((from, until)) = self.heard.talk else { continue };
                let Some(header) = Header::read(bytes).filter(|header| header.payload_type == self.audio.payload_type)
                else {
                    continue;
                };
                if (from..until).contains(&arrived) {
                    let units = self.audio.packet_units;
                    leg.heard.stream.take(header, arrived, units, &mut self.heard.spacing_errors);
                }
                if leg.sampled && arrived >= from {
                    leg.heard.recording.extend(HeardPacket::read(bytes, arrived));
                }
            }
            if received < batch.capacity() {
                leg.heard.overflowed = batch.overflowed();
                return;
            }
        }
    }

    fn finish(mut self) -> Heard {
        for leg in 0..self.legs.len() {
            self.receive_leg(leg);
        }
        if let Some((_, end)) = &mut self.heard.talk {
            *end = (*end).min(Moment::now());
        }
        self.heard.legs = self.legs.into_iter().map(|leg| leg.map(|leg| leg.heard)).collect();
        self.heard
    }
}

impl Leg {
    fn new(wire: UdpSocket, number: usize, audio: Audio, voice: Voice, sampled: bool) -> Self {
        let ssrc = 0x1000_0000 + number as u32;
        let heard = HeardLeg {
            stream: Stream::default(),
            paused: false,
            recording: Vec::new(),
            chirped: Vec::new(),
            late: Vec::new(),
            overflowed: 0,
            unsent: 0,
        };
        Self {
            wire,
            header: Header {
                payload_type: audio.payload_type,
                marker: true,
                sequence: number as u16,
                timestamp: ssrc,
                ssrc,
            },
            packet_units: audio.packet_units,
            voice,
            heard,
            sampled,
        }
    }

    fn send(&mut self) {
        let mut packet = [0; HEADER_LEN + PAYLOAD_MAX];
        let (len, chirp_begins) = self.packet(&mut packet);
        if chirp_begins {
            self.heard.chirped.push(Moment::now());
        }
        if self.wire.send(&packet[..len]).is_err() {
            self.heard.unsent += 1;
        }
    }

    /// Writes the next packet; its length, and whether a chirp begins in it.
    fn packet(&mut self, packet: &mut [u8; HEADER_LEN + PAYLOAD_MAX]) -> (usize, bool) {
        let (header, payload) = packet.split_at_mut(HEADER_LEN);
        header.copy_from_slice(&self.header.write());
        let (len, chirp_begins) = self.voice.speak(payload);
        self.header.marker = false;
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = self.header.timestamp.wrapping_add(self.packet_units);
        (HEADER_LEN + len, chirp_begins)
    }
}

impl Voice {
    /// Writes the next packet's sound; its length, and whether a chirp begins in it.
    fn speak(&mut self, payload: &mut [u8]) -> (usize, bool) {
        match self {
            Self::Hum { second, at } => {
                let sound = &second[*at];
                payload[..sound.len()].copy_from_slice(sound);
                *at = (*at + 1) % second.len();
                (sound.len(), false)
            }
            Self::Chirps { chirp, nth, cycle } => {
                let nth = mem::replace(nth, (*nth % *cycle) + 1) % *cycle;
                let place = nth * FRAME_SAMPLES;
                let payload = &mut payload[..FRAME_SAMPLES];
                match chirp.get(place..place + FRAME_SAMPLES) {
                    Some(sound) => payload.copy_from_slice(sound),
                    None => payload.fill(pcmu::SILENCE),
                }
                (FRAME_SAMPLES, place == 0)
            }
        }
    }
}

/// The chirp, filled up with silence to whole packets.
fn chirp_packets() -> Vec<u8> {
    let mut bytes = pcmu::encode_all(&chirp::samples());
    bytes.resize(bytes.len().next_multiple_of(FRAME_SAMPLES), pcmu::SILENCE);
    bytes
}

const SLOT: Duration = Duration::from_millis(1);
/// A bridge keeps no more than this in hand for the packets of a stream that has come evenly.
const LATE: Duration = Duration::from_micros(700);
/// Slots in a cycle.
const SLOTS: usize = 20;
/// A packet time.
const CYCLE: Duration = Duration::from_millis(20);
/// Cycles between two looks at a socket: 200 ms, ten packets, a twentieth of its receive buffer.
const READ_EVERY: usize = 10;
const PACKETS_AT_ONCE: usize = 16;
/// Packets between the starts of two chirps: half a second.
const CHIRP_CYCLE: usize = 25;
