//! The RTP stream a leg sends: what never breaks, whatever happens to the leg.
//!
//! One SSRC, sequence numbers without a gap, timestamps that count every sample, also those of ticks in which
//! nothing may be sent. Packs 20 ms frames into packets of the packet time the peer asked for:
//!
//! `10 ms: two packets a tick · 20 (and 30): one · 40, 60: one every second, third tick`

use std::net::SocketAddr;

use crate::Encoder;
use crate::digits_out::EventPacket;
use crate::dtmf::EVENT_LEN;
use crate::mail::Outbox;
use crate::message::Stream;
use crate::mixer::FRAME_MAX;
use crate::rtp::{self, HEADER_LEN};

/// One outgoing RTP stream.
pub(crate) struct Sender {
    ssrc: u32,
    sequence: u16,
    /// Of the next sample.
    timestamp: u32,
    /// The next packet is the first one, or the first after silence.
    marker: bool,
    /// When the event being sent, or sent last, has begun.
    event_timestamp: u32,
    clock_hz: u32,
    packet_ms: u32,
    /// Frames that wait for the rest of their packet, when packets are longer than a tick.
    waiting: Box<[i16]>,
    waiting_frames: usize,
    pub(crate) counts: SentCounts,
}

/// What a stream has sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SentCounts {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) errors: u64,
}

/// The way out of a leg: where packets go, and the memory they are written in.
pub(crate) struct Outlet<'a> {
    pub(crate) outbox: &'a mut Outbox,
    /// Whose packets they are, as the room counts.
    pub(crate) member: usize,
    pub(crate) to: SocketAddr,
    pub(crate) payload_type: u8,
}

impl Outlet<'_> {
    /// Where the payload of the next packet is written.
    pub(crate) fn payload(&mut self, len: usize) -> &mut [u8] {
        &mut self.outbox.draft()[HEADER_LEN..HEADER_LEN + len]
    }
}

/// 60 ms.
const FRAMES_MAX: usize = 3;

impl Sender {
    /// A stream that has sent nothing yet. `random` gives it its name and its first numbers.
    pub(crate) fn new(random: u64) -> Self {
        Self {
            ssrc: random as u32,
            sequence: (random >> 32) as u16,
            timestamp: (random >> 16) as u32,
            marker: true,
            event_timestamp: 0,
            clock_hz: 0,
            packet_ms: FRAME_MS,
            waiting: Box::default(),
            waiting_frames: 0,
            counts: SentCounts::default(),
        }
    }

    /// Room for the frames of a packet, if it is longer than one. Allocates: not in a tick.
    pub(crate) fn room_to_wait(stream: &Stream) -> Box<[i16]> {
        let frames = if matches!(stream.ptime_ms, 40 | 60) { FRAMES_MAX } else { 0 };
        vec![0; frames * stream.codec.frame_samples()].into()
    }

    /// The name of the stream.
    pub(crate) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The timestamp of the next sample.
    pub(crate) fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Goes on as newly agreed. Another clock needs another SSRC (RFC 7160 §4.1); all else continues. Exchanges what
    /// [`Sender::room_to_wait`] has made.
    pub(crate) fn agree(&mut self, stream: &Stream, room_to_wait: &mut Box<[i16]>) {
        std::mem::swap(&mut self.waiting, room_to_wait);
        self.give_up_waiting();
        let clock_hz = stream.codec.clock_hz();
        if self.clock_hz != clock_hz && self.clock_hz != 0 {
            self.ssrc = self.ssrc.wrapping_mul(0x9E37_79B1).wrapping_add(1);
            self.marker = true;
        }
        self.clock_hz = clock_hz;
        self.packet_ms = match stream.ptime_ms {
            10 => 10,
            40 => 40,
            60 => 60,
            _ => FRAME_MS,
        };
    }

    /// Every packet is one frame: a frame encoded for others fits this stream too.
    pub(crate) fn sends_single_frames(&self) -> bool {
        self.packet_ms == FRAME_MS
    }

    /// Lets ticks pass in which nothing is sent.
    pub(crate) fn pass(&mut self, ticks: u64) {
        self.give_up_waiting();
        self.timestamp = self.timestamp.wrapping_add((ticks as u32).wrapping_mul(self.clock_units(FRAME_MS)));
        self.marker = true;
    }

    /// Sends one frame whose payload is in the outlet already. Only where [`Sender::sends_single_frames`].
    pub(crate) fn send_encoded(&mut self, payload_len: usize, outlet: &mut Outlet) {
        self.send(payload_len, FRAME_MS, outlet);
    }

    /// Sends an event packet (RFC 4733) in place of a frame: all packets of an event have the timestamp of its start,
    /// while the time of the stream goes on.
    pub(crate) fn send_event(&mut self, packet: &EventPacket, outlet: &mut Outlet) {
        self.give_up_waiting();
        if packet.starts {
            self.event_timestamp = self.timestamp;
        }
        outlet.payload(EVENT_LEN).copy_from_slice(&packet.payload);
        self.send_at(self.event_timestamp, packet.starts, EVENT_LEN, FRAME_MS, outlet);
    }

    /// Encodes one frame and sends what is a full packet by now: none, one, or two short ones.
    pub(crate) fn send_frame(&mut self, pcm: &[i16], encoder: &mut Encoder, outlet: &mut Outlet) {
        match self.packet_ms {
            10 => {
                let (first, second) = pcm.split_at(pcm.len() / 2);
                self.encode_and_send(first, 10, encoder, outlet);
                self.encode_and_send(second, 10, encoder, outlet);
            }
            FRAME_MS => self.encode_and_send(pcm, FRAME_MS, encoder, outlet),
            longer => {
                let start = self.waiting_frames * pcm.len();
                self.waiting[start..start + pcm.len()].copy_from_slice(pcm);
                self.waiting_frames += 1;
                if self.waiting_frames as u32 * FRAME_MS >= longer {
                    let (frames, mut packet) = (self.waiting_frames, [0; FRAME_MAX * FRAMES_MAX]);
                    let packet = &mut packet[..frames * pcm.len()];
                    packet.copy_from_slice(&self.waiting[..frames * pcm.len()]);
                    self.waiting_frames = 0;
                    self.encode_and_send(packet, longer, encoder, outlet);
                }
            }
        }
    }

    fn encode_and_send(&mut self, pcm: &[i16], ms: u32, encoder: &mut Encoder, outlet: &mut Outlet) {
        match encoder.encode(pcm, &mut outlet.outbox.draft()[HEADER_LEN..]) {
            Ok(len) => self.send(len, ms, outlet),
            Err(_) => {
                self.counts.errors += 1;
                self.timestamp = self.timestamp.wrapping_add(self.clock_units(ms));
            }
        }
    }

    /// Writes the header in front of the payload and puts both into the outbox.
    fn send(&mut self, payload_len: usize, ms: u32, outlet: &mut Outlet) {
        self.send_at(self.timestamp, self.marker, payload_len, ms, outlet);
    }

    fn send_at(&mut self, timestamp: u32, marker: bool, payload_len: usize, ms: u32, outlet: &mut Outlet) {
        let header = rtp::Packet {
            payload_type: outlet.payload_type,
            marker,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
            payload: &[],
        };
        outlet.outbox.draft()[..HEADER_LEN].copy_from_slice(&header.header());
        if outlet.outbox.post(HEADER_LEN + payload_len, outlet.member, outlet.to) {
            self.counts.packets += 1;
            self.counts.bytes += payload_len as u64;
        } else {
            self.counts.errors += 1;
        }
        self.marker = false;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.clock_units(ms));
    }

    /// The network would not have a packet of so many bytes.
    pub(crate) fn not_sent(&mut self, payload_len: usize) {
        self.counts.packets -= 1;
        self.counts.bytes -= payload_len as u64;
        self.counts.errors += 1;
    }

    /// Gives up the start of a packet whose rest will not come; its time has passed all the same.
    fn give_up_waiting(&mut self) {
        let passed = self.waiting_frames as u32 * self.clock_units(FRAME_MS);
        self.timestamp = self.timestamp.wrapping_add(passed);
        self.waiting_frames = 0;
    }

    fn clock_units(&self, ms: u32) -> u32 {
        self.clock_hz / 1_000 * ms
    }
}

/// A tick.
const FRAME_MS: u32 = 20;
