//! RTCP of one leg: what we report to the peer every few seconds, and what it reports to us.
//!
//! On a socket of its own, or on the RTP socket where both ends agreed to share it (RFC 5761). Its own socket is
//! looked into once a second, at a moment that differs from leg to leg, so that reports never bunch up in a tick.

use std::net::SocketAddr;

use model::LegStats;

use crate::message::Stream;
use crate::rtcp::{self, Packet, ReportBlock, Sent};
use crate::sender::Sender;
use crate::socket::Wire;
use crate::worker::Tick;

/// One leg's side of RTCP.
pub(crate) struct Reports {
    look_us: u64,
    report_us: u64,
    wire: Box<dyn Wire>,
    cname: String,
    /// Where the peer's RTCP came from, where that is not where it was agreed to come from.
    source: Option<SocketAddr>,
    /// What the peer says about our stream.
    peer: Option<ReportBlock>,
    round_trip_us: u32,
    random: u64,
    said_bye: bool,
}

/// What a leg knows that a report needs.
pub(crate) struct Situation<'a> {
    pub(crate) stream: &'a Stream,
    pub(crate) sender: &'a Sender,
    /// Where our RTP goes.
    pub(crate) target: SocketAddr,
    pub(crate) rtp_wire: &'a mut dyn Wire,
    pub(crate) reception: &'a mut rtcp::Reception,
}

impl Reports {
    /// Allocates: not in a tick.
    pub(crate) fn new(wire: Box<dyn Wire>, random: u64) -> Self {
        let cname = format!("{random:016x}@partyline"); // RFC 7022 §4.2: random, and short-lived
        Self {
            wire,
            cname,
            look_us: 0,
            report_us: 0,
            source: None,
            peer: None,
            round_trip_us: 0,
            random,
            said_bye: false,
        }
    }

    /// Begins reporting with the first agreement.
    pub(crate) fn begin(&mut self, now_us: u64) {
        self.look_us = now_us + self.draw() % LOOK_EVERY_US;
        self.report_us = now_us + INTERVAL_US / 4 + self.draw() % (INTERVAL_US / 4);
    }

    /// When it is time for [`Reports::tick`] to do anything.
    pub(crate) fn due_us(&self) -> u64 {
        self.look_us.min(self.report_us)
    }

    /// Looks into the socket and sends a report, each when it is time. `true` when the peer has said anything.
    pub(crate) fn tick(&mut self, tick: Tick, situation: &mut Situation, buffer: &mut [u8]) -> bool {
        let mut heard = false;
        if tick.us >= self.look_us {
            self.look_us += LOOK_EVERY_US;
            for _ in 0..PACKETS_MAX {
                let Some(received) = self.wire.receive(buffer) else { break };
                let datagram = &buffer[..received.len.min(buffer.len())];
                // Spoofed RTCP is harmless but for what it would say in statistics: the address is enough.
                if rtcp::is_rtcp(datagram) && received.from.ip() == situation.target.ip() {
                    self.source = Some(received.from);
                    self.take(datagram, received.arrival_us.unwrap_or(tick.us), tick, situation);
                    heard = true;
                }
            }
        }
        if tick.us >= self.report_us {
            self.report_us = tick.us + INTERVAL_US / 2 + self.draw() % INTERVAL_US;
            self.report(tick, situation, false);
        }
        heard
    }

    /// Takes a datagram that is RTCP and the peer's.
    pub(crate) fn take(&mut self, datagram: &[u8], arrival_us: u64, tick: Tick, situation: &mut Situation) {
        for packet in rtcp::packets(datagram).map_while(Result::ok) {
            let blocks = match packet {
                Packet::SenderReport { ssrc, sent, blocks } => {
                    situation.reception.sender_report(ssrc, &sent, arrival_us);
                    blocks
                }
                Packet::ReceiverReport { blocks, .. } => blocks,
                // A BYE does not end the call: SIP does.
                Packet::SourceDescription { .. } | Packet::Bye { .. } | Packet::Other { .. } => continue,
            };
            let own = situation.sender.ssrc();
            if let Some(block) = blocks.into_iter().take(BLOCKS_MAX).find(|block| block.ssrc == own) {
                let arrival_wall_us = tick.wall_us.saturating_sub(tick.us.saturating_sub(arrival_us));
                let round_trip_us = rtcp::round_trip_us(&block, rtcp::ntp_from_unix_us(arrival_wall_us));
                self.round_trip_us = round_trip_us.unwrap_or(self.round_trip_us);
                self.peer = Some(block);
            }
        }
    }

    /// Says that this leg is leaving, once.
    pub(crate) fn say_bye(&mut self, tick: Tick, situation: &mut Situation) {
        if !std::mem::replace(&mut self.said_bye, true) {
            self.report(tick, situation, true);
        }
    }

    fn report(&mut self, tick: Tick, situation: &mut Situation, leaving: bool) {
        let Situation { stream, sender, target, rtp_wire, reception } = situation;
        let sent = (sender.counts.packets > 0).then(|| Sent {
            ntp: rtcp::ntp_from_unix_us(tick.wall_us),
            rtp_timestamp: sender.timestamp(),
            packets: sender.counts.packets as u32,
            octets: sender.counts.bytes as u32,
        });
        let mut datagram = [0; REPORT_MAX];
        let block = reception.report(tick.us);
        let Ok(mut len) = rtcp::write_report(&mut datagram, sender.ssrc(), sent, block, &self.cname) else { return };
        if leaving {
            len += rtcp::write_bye(&mut datagram[len..], sender.ssrc()).unwrap_or(0);
        }
        let datagram = &datagram[..len];
        if stream.rtcp_mux {
            rtp_wire.send(datagram, *target);
        } else {
            self.wire.send(datagram, self.source.unwrap_or_else(|| agreed_address(stream, *target)));
        }
    }

    /// Adds what the peer reports to a leg's statistics.
    pub(crate) fn add_to(&self, stats: &mut LegStats, clock_hz: u32) {
        let peer = self.peer.unwrap_or_default();
        stats.peer_lost = peer.lost.max(0) as u64;
        stats.peer_jitter_us = (u64::from(peer.jitter) * 1_000_000 / u64::from(clock_hz.max(1))) as u32;
        stats.round_trip_us = self.round_trip_us;
    }

    /// The next number of a small generator (splitmix64): when to report need not be hard to guess.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ (mixed >> 31)
    }
}

/// Where SDP says RTCP goes; behind a NAT that SDP knows nothing of, the port above the one RTP comes from.
fn agreed_address(stream: &Stream, target: SocketAddr) -> SocketAddr {
    match stream.rtcp {
        Some(rtcp) if stream.remote == Some(target) => rtcp,
        _ => SocketAddr::new(target.ip(), target.port().saturating_add(1)),
    }
}

/// Mean time between two reports (RFC 3550 §6.2); each is drawn from half to one and a half times that.
const INTERVAL_US: u64 = 5_000_000;

/// How often the RTCP socket is looked into.
const LOOK_EVERY_US: u64 = 1_000_000;

/// Datagrams read in one look.
const PACKETS_MAX: usize = 4;

/// Report blocks looked through for ours.
const BLOCKS_MAX: usize = 31;

/// Sender report, one block, SDES and BYE.
const REPORT_MAX: usize = 256;
