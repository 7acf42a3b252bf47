//! RTCP (RFC 3550 §6): what both ends report about what they send and how it arrives.
//!
//! A datagram is a *compound*: SR or RR first, then SDES with the CNAME, perhaps BYE. [`packets`] walks through one,
//! [`write_report`] and [`write_bye`] make one, [`Reception`] counts what goes into a report block.

use crate::rtp;

/// Is this datagram RTCP, where RTP and RTCP share a port? RFC 5761 §4: by the packet types, which RTP may not use.
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == VERSION)
}

/// One packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// From one who sends, and perhaps receives.
    SenderReport {
        /// Who reports.
        ssrc: u32,
        /// What was sent.
        sent: Sent,
        /// What arrived, by source.
        blocks: Blocks<'a>,
    },
    /// From one who only receives.
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// What arrived, by source.
        blocks: Blocks<'a>,
    },
    /// Who the first described source is.
    SourceDescription {
        /// The source.
        ssrc: u32,
        /// Its canonical name, the same for all its streams.
        cname: Option<&'a [u8]>,
    },
    /// Sources that leave.
    Bye {
        /// The first of them.
        ssrc: Option<u32>,
        /// In plain words.
        reason: Option<&'a [u8]>,
    },
    /// A type we have no use for: APP, feedback, extended reports.
    Other {
        /// As registered with IANA.
        packet_type: u8,
    },
}

/// The sender's part of a sender report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// When: seconds since 1900 in the upper half, the fraction in the lower.
    pub ntp: u64,
    /// The same moment on the RTP clock.
    pub rtp_timestamp: u32,
    /// Packets since the start.
    pub packets: u32,
    /// Bytes of payload since the start.
    pub octets: u32,
}

/// What one receiver says about one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Of the packets since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Since the start; negative when duplicates outnumber losses. 24 bits on the wire.
    pub lost: i32,
    /// Highest sequence number with its wraps in the upper half.
    pub highest_sequence: u32,
    /// In units of the RTP clock.
    pub jitter: u32,
    /// Middle 32 bits of `ntp` of the last sender report; 0 if there was none.
    pub last_report: u32,
    /// Since that report arrived, in 1/65536 s.
    pub delay_since: u32,
}

/// The report blocks of one report, read as they are walked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks<'a>(&'a [[u8; BLOCK_LEN]]);

impl Iterator for Blocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.0.split_first()?;
        self.0 = rest;
        let lost = i32::from_be_bytes([block[5], block[6], block[7], 0]) >> 8;
        Some(ReportBlock {
            ssrc: word(block, 0),
            fraction_lost: block[4],
            lost,
            highest_sequence: word(block, 2),
            jitter: word(block, 3),
            last_report: word(block, 4),
            delay_since: word(block, 5),
        })
    }
}

/// Walks through the packets of a compound. Ends with the first that is malformed.
///
/// Lenient where peers are: any type may come first, and alone (RFC 5506).
pub fn packets(datagram: &[u8]) -> impl Iterator<Item = Result<Packet<'_>, RtcpError>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let packet = split_packet(&mut rest);
        if packet.is_err() {
            rest = &[];
        }
        Some(packet)
    })
}

fn split_packet<'a>(rest: &mut &'a [u8]) -> Result<Packet<'a>, RtcpError> {
    let len = rest.len();
    let Some((&[first, packet_type, high, low], _)) = rest.split_first_chunk::<4>() else {
        return Err(RtcpError::Truncated { needed: 4, len });
    };
    if first >> 6 != VERSION {
        return Err(RtcpError::Version { version: first >> 6 });
    }
    let needed = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
    let Some((packet, after)) = rest.split_at_checked(needed) else {
        return Err(RtcpError::Truncated { needed, len });
    };
    *rest = after;
    let mut body = &packet[4..];
    if first & PADDING != 0 {
        let padding = body.last().copied().unwrap_or(0);
        match body.len().checked_sub(padding.into()) {
            Some(len) if padding > 0 && after.is_empty() => body = &body[..len],
            _ => return Err(RtcpError::Padding { padding }),
        }
    }
    parse_body(packet_type, usize::from(first & 0x1F), body)
}

/// `count`: of report blocks or sources, from the header.
fn parse_body(packet_type: u8, count: usize, body: &[u8]) -> Result<Packet<'_>, RtcpError> {
    let need = |needed: usize| {
        if body.len() < needed { Err(RtcpError::Truncated { needed, len: body.len() }) } else { Ok(()) }
    };
    Ok(match packet_type {
        SENDER_REPORT => {
            need(24 + count * BLOCK_LEN)?;
            let ntp = u64::from(word(body, 1)) << 32 | u64::from(word(body, 2));
            let sent = Sent { ntp, rtp_timestamp: word(body, 3), packets: word(body, 4), octets: word(body, 5) };
            let blocks = Blocks(&body[24..].as_chunks().0[..count]);
            Packet::SenderReport { ssrc: word(body, 0), sent, blocks }
        }
        RECEIVER_REPORT => {
            need(4 + count * BLOCK_LEN)?;
            Packet::ReceiverReport { ssrc: word(body, 0), blocks: Blocks(&body[4..].as_chunks().0[..count]) }
        }
        SOURCE_DESCRIPTION if count > 0 => {
            need(4)?;
            Packet::SourceDescription { ssrc: word(body, 0), cname: cname(&body[4..])? }
        }
        BYE => {
            need(count * 4)?;
            let reason = match body[count * 4..].split_first() {
                Some((&len, text)) => {
                    let len = usize::from(len);
                    Some(text.get(..len).ok_or(RtcpError::Truncated { needed: len, len: text.len() })?)
                }
                None => None,
            };
            Packet::Bye { ssrc: (count > 0).then(|| word(body, 0)), reason }
        }
        packet_type => Packet::Other { packet_type },
    })
}

/// The CNAME among the items of one chunk, which end with a zero byte.
fn cname(mut items: &[u8]) -> Result<Option<&[u8]>, RtcpError> {
    while let [item, rest @ ..] = items {
        if *item == END_OF_ITEMS {
            break;
        }
        let (&len, rest) = rest.split_first().ok_or(RtcpError::Truncated { needed: 1, len: 0 })?;
        let len = usize::from(len);
        let text = rest.get(..len).ok_or(RtcpError::Truncated { needed: len, len: rest.len() })?;
        if *item == CNAME {
            return Ok(Some(text));
        }
        items = &rest[len..];
    }
    Ok(None)
}

/// Writes a report and the SDES that must follow it into the front of `out`, and returns the length.
///
/// `sent`: makes it a sender report; `block`: what arrived from the peer, if anything did. `cname`: at most 255 bytes.
pub fn write_report(
    out: &mut [u8],
    ssrc: u32,
    sent: Option<Sent>,
    block: Option<ReportBlock>,
    cname: &str,
) -> Result<usize, RtcpError> {
    let cname = &cname.as_bytes()[..cname.len().min(255)];
    let count = u8::from(block.is_some());
    let mut writer = Writer { out, len: 0 };

    let start = writer.len;
    writer.begin(if sent.is_some() { SENDER_REPORT } else { RECEIVER_REPORT }, count)?;
    writer.words(&[ssrc])?;
    if let Some(Sent { ntp, rtp_timestamp, packets, octets }) = sent {
        writer.words(&[(ntp >> 32) as u32, ntp as u32, rtp_timestamp, packets, octets])?;
    }
    if let Some(block) = block {
        let lost = block.lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0xFF_FFFF;
        let loss = u32::from(block.fraction_lost) << 24 | lost;
        let ReportBlock { ssrc, highest_sequence, jitter, last_report, delay_since, .. } = block;
        writer.words(&[ssrc, loss, highest_sequence, jitter, last_report, delay_since])?;
    }
    writer.end(start);

    let start = writer.len;
    writer.begin(SOURCE_DESCRIPTION, 1)?;
    writer.words(&[ssrc])?;
    writer.bytes(&[CNAME, cname.len() as u8])?;
    writer.bytes(cname)?;
    // at least one zero ends the items, and as many as fill the word
    writer.bytes(&[0; 4][..4 - writer.len % 4])?;
    writer.end(start);
    Ok(writer.len)
}

/// Writes a BYE, to be appended to a report, into the front of `out`, and returns its length.
pub fn write_bye(out: &mut [u8], ssrc: u32) -> Result<usize, RtcpError> {
    let mut writer = Writer { out, len: 0 };
    writer.begin(BYE, 1)?;
    writer.words(&[ssrc])?;
    writer.end(0);
    Ok(writer.len)
}

struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    /// The header of a packet, its length still to come.
    fn begin(&mut self, packet_type: u8, count: u8) -> Result<(), RtcpError> {
        self.bytes(&[VERSION << 6 | count, packet_type, 0, 0])
    }

    fn end(&mut self, start: usize) {
        let words = (self.len - start) / 4 - 1;
        self.out[start + 2..start + 4].copy_from_slice(&(words as u16).to_be_bytes());
    }

    fn words(&mut self, words: &[u32]) -> Result<(), RtcpError> {
        words.iter().try_for_each(|word| self.bytes(&word.to_be_bytes()))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), RtcpError> {
        let needed = self.len + bytes.len();
        let len = self.out.len();
        let room = self.out.get_mut(self.len..needed).ok_or(RtcpError::Truncated { needed, len })?;
        room.copy_from_slice(bytes);
        self.len = needed;
        Ok(())
    }
}

/// How well one stream arrives (RFC 3550 appendices A.1, A.3, A.8).
#[derive(Debug, Clone)]
pub struct Reception {
    clock_hz: u32,
    /// The source being counted.
    source: Option<Source>,
}

#[derive(Debug, Clone)]
struct Source {
    ssrc: u32,
    /// First sequence number, and the highest with its wraps.
    base: u32,
    highest: u32,
    /// A jump is believed when the packet after it follows on.
    jump_to: Option<u16>,
    received: u32,
    expected_before: u32,
    received_before: u32,
    /// Arrival less timestamp of the last packet, in clock units; only differences count.
    transit: u32,
    /// In 1/16 of a clock unit.
    jitter_16: u32,
    /// Middle of the NTP time of the last sender report, and when it came.
    report: Option<(u32, u64)>,
}

impl Reception {
    /// `clock_hz`: of the stream's payload type.
    pub fn new(clock_hz: u32) -> Reception {
        Reception { clock_hz, source: None }
    }

    /// Counts one packet. Another SSRC starts over.
    pub fn push(&mut self, packet: &rtp::Packet, arrival_us: u64) {
        // Both fit for years of media time, and 128 bits are divided by a loop.
        let arrival = (arrival_us.wrapping_mul(u64::from(self.clock_hz)) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(packet.timestamp);
        match &mut self.source {
            Some(source) if source.ssrc == packet.ssrc => source.push(packet.sequence, transit),
            _ => self.source = Some(Source::new(packet.ssrc, packet.sequence, transit)),
        }
    }

    /// Counts one packet that was not asked when it arrived: jitter is that of the others, unless it is the first.
    pub fn count(&mut self, packet: &rtp::Packet, arrival_us: u64) {
        match &mut self.source {
            Some(source) if source.ssrc == packet.ssrc => {
                source.count(packet.sequence, source.transit);
            }
            _ => self.push(packet, arrival_us),
        }
    }

    /// Notes a sender report of the source.
    pub fn sender_report(&mut self, ssrc: u32, sent: &Sent, arrival_us: u64) {
        if let Some(source) = self.source.as_mut().filter(|source| source.ssrc == ssrc) {
            source.report = Some(((sent.ntp >> 16) as u32, arrival_us));
        }
    }

    /// The block for the next report; `None` before the first packet. The fraction lost counts from the last call.
    pub fn report(&mut self, now_us: u64) -> Option<ReportBlock> {
        self.source.as_mut().map(|source| source.report(now_us))
    }

    /// Packets received from the current source.
    pub fn received(&self) -> u32 {
        self.source.as_ref().map_or(0, |source| source.received)
    }

    /// Packets of the current source that never came; negative with duplicates.
    pub fn lost(&self) -> i32 {
        self.source.as_ref().map_or(0, |source| source.expected().wrapping_sub(source.received) as i32)
    }

    /// Mean deviation of the packets' spacing.
    pub fn jitter_us(&self) -> u32 {
        let ticks_16 = self.source.as_ref().map_or(0, |source| source.jitter_16);
        (u64::from(ticks_16) * 1_000_000 / 16 / u64::from(self.clock_hz.max(1))) as u32
    }
}

/// Appendix A.1: further ahead is a jump, further behind too.
const DROPOUT_MAX: u16 = 3000;
const MISORDER_MAX: u16 = 100;

impl Source {
    fn new(ssrc: u32, sequence: u16, transit: u32) -> Source {
        Source {
            ssrc,
            base: sequence.into(),
            highest: sequence.into(),
            jump_to: None,
            received: 1,
            expected_before: 0,
            received_before: 0,
            transit,
            jitter_16: 0,
            report: None,
        }
    }

    fn push(&mut self, sequence: u16, transit: u32) {
        if !self.count(sequence, transit) {
            return;
        }
        let deviation = (transit.wrapping_sub(self.transit) as i32).unsigned_abs();
        self.transit = transit;
        self.jitter_16 = self.jitter_16.saturating_add(deviation) - ((self.jitter_16 + 8) >> 4);
    }

    /// Counts a packet; `false` when it goes on with nothing.
    fn count(&mut self, sequence: u16, transit: u32) -> bool {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead < DROPOUT_MAX {
            self.highest = self.highest.wrapping_add(ahead.into());
        } else if ahead <= u16::MAX - MISORDER_MAX {
            if self.jump_to != Some(sequence) {
                self.jump_to = Some(sequence.wrapping_add(1));
                return false;
            }
            let report = self.report;
            *self = Source { report, ..Source::new(self.ssrc, sequence, transit) };
            return false;
        }
        self.jump_to = None;
        self.received = self.received.wrapping_add(1);
        true
    }

    fn expected(&self) -> u32 {
        self.highest.wrapping_sub(self.base).wrapping_add(1)
    }

    fn report(&mut self, now_us: u64) -> ReportBlock {
        let expected = self.expected();
        let expected_now = expected.wrapping_sub(self.expected_before);
        let lost_now = expected_now.saturating_sub(self.received.wrapping_sub(self.received_before));
        self.expected_before = expected;
        self.received_before = self.received;
        let (last_report, arrived_us) = self.report.unwrap_or((0, now_us));
        let delay_since = now_us.saturating_sub(arrived_us) * 65_536 / 1_000_000;
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: (u64::from(lost_now) * 256 / u64::from(expected_now.max(1))).min(255) as u8,
            lost: (expected.wrapping_sub(self.received) as i32).clamp(-0x80_0000, 0x7F_FFFF),
            highest_sequence: self.highest,
            jitter: self.jitter_16 >> 4,
            last_report,
            delay_since: delay_since as u32,
        }
    }
}

/// Microseconds since 1970 as an NTP timestamp.
pub fn ntp_from_unix_us(unix_us: u64) -> u64 {
    let seconds = unix_us / 1_000_000 + SECONDS_1900_TO_1970;
    let fraction = ((unix_us % 1_000_000) << 32) / 1_000_000;
    seconds << 32 | fraction
}

/// Round trip from a peer's block about us that arrives at `now_ntp`; `None` if the peer has had no report of ours yet.
pub fn round_trip_us(block: &ReportBlock, now_ntp: u64) -> Option<u32> {
    if block.last_report == 0 {
        return None;
    }
    let passed = ((now_ntp >> 16) as u32).wrapping_sub(block.last_report).checked_sub(block.delay_since)?;
    u32::try_from(u64::from(passed) * 1_000_000 / 65_536).ok()
}

const VERSION: u8 = 2;
const PADDING: u8 = 0x20;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const CNAME: u8 = 1;
const END_OF_ITEMS: u8 = 0;
const BLOCK_LEN: usize = 24;
const SECONDS_1900_TO_1970: u64 = 2_208_988_800;

/// The `index`th 32-bit word; the caller has checked that it is there.
fn word(bytes: &[u8], index: usize) -> u32 {
    let bytes = &bytes[index * 4..];
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Why a compound could not be read, or did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    /// It ends too early, or the buffer does.
    #[error("{len} bytes of RTCP, {needed} needed")]
    Truncated {
        /// Bytes announced.
        needed: usize,
        /// Bytes there are.
        len: usize,
    },
    /// Not version 2.
    #[error("RTCP version {version}, expected {VERSION}")]
    Version {
        /// The version found.
        version: u8,
    },
    /// No padding, more than there is room for, or not in the last packet.
    #[error("{padding} bytes of RTCP padding")]
    Padding {
        /// The count in the last byte.
        padding: u8,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SENT: Sent = Sent { ntp: 0xE000_0001_8000_0000, rtp_timestamp: 160_000, packets: 1000, octets: 160_000 };
    const BLOCK: ReportBlock = ReportBlock {
        ssrc: 0xBEEF,
        fraction_lost: 12,
        lost: -3,
        highest_sequence: 0x1_0005,
        jitter: 17,
        last_report: 0x0001_8000,
        delay_since: 65_536,
    };

    fn compound(sent: Option<Sent>, block: Option<ReportBlock>, cname: &str) -> Vec<u8> {
        let mut out = [0; 512];
        let mut len = write_report(&mut out, 7, sent, block, cname).expect("fits");
        len += write_bye(&mut out[len..], 7).expect("fits");
        out[..len].to_vec()
    }

    #[test]
    fn what_is_written_is_read_back() {
        for cname in ["", "a", "ab", "abc", "abcd", "leg@bridge"] {
            let bytes = compound(Some(SENT), Some(BLOCK), cname);
            assert!(is_rtcp(&bytes));
            let read: Vec<_> = packets(&bytes).collect::<Result<_, _>>().expect("our own");
            let [Packet::SenderReport { ssrc: 7, sent, mut blocks }, description, bye] = read[..] else {
                panic!("{read:?}")
            };
            assert_eq!((sent, blocks.next(), blocks.next()), (SENT, Some(BLOCK), None));
            assert_eq!(description, Packet::SourceDescription { ssrc: 7, cname: Some(cname.as_bytes()) });
            assert_eq!(bye, Packet::Bye { ssrc: Some(7), reason: None });
        }
        let bytes = compound(None, None, "x");
        assert!(matches!(packets(&bytes).next(), Some(Ok(Packet::ReceiverReport { ssrc: 7, blocks: Blocks([]) }))));
    }

    #[test]
    fn what_is_malformed_is_named_and_ends_the_walk() {
        let good = compound(Some(SENT), Some(BLOCK), "x");
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        for (case, bytes, want) in [
            ("cut", good[..30].to_vec(), RtcpError::Truncated { needed: 52, len: 30 }),
            ("cut in a header", vec![0x80, 200], RtcpError::Truncated { needed: 4, len: 2 }),
            ("version 0", with(0, 0x01), RtcpError::Version { version: 0 }),
            ("more blocks than bytes", with(0, 0x82), RtcpError::Truncated { needed: 72, len: 48 }),
            ("padding before the last packet", with(0, 0xA1), RtcpError::Padding { padding: 0 }),
            ("a name past the end", with(61, 9), RtcpError::Truncated { needed: 9, len: 2 }),
        ] {
            assert_eq!(packets(&bytes).find_map(Result::err), Some(want), "{case}");
        }
    }

    #[test]
    fn rtp_and_rtcp_on_one_port_are_told_apart_by_type() {
        for (case, datagram, want) in [
            ("sender report", &[0x80, 200, 0, 6][..], true),
            ("RTP of type 0", &[0x80, 0, 0, 1], false),
            ("RTP of type 101, marked", &[0x80, 0x80 | 101, 0, 1], false),
            ("STUN", &[0x00, 200, 0, 0], false),
            ("one byte", &[0x80], false),
        ] {
            assert_eq!(is_rtcp(datagram), want, "{case}");
        }
    }

    fn packet(sequence: u16, timestamp: u32) -> rtp::Packet<'static> {
        rtp::Packet { payload_type: 0, marker: false, sequence, timestamp, ssrc: 9, payload: &[] }
    }

    #[test]
    fn losses_are_counted_over_the_wrap_and_by_interval() {
        let mut reception = Reception::new(8000);
        let sequences = (65_530u16..=65_535).chain(0..10);
        for (i, sequence) in sequences.enumerate().filter(|(i, _)| ![3, 4, 8, 9].contains(i)) {
            reception.push(&packet(sequence, i as u32 * 160), i as u64 * 20_000);
        }
        let block = reception.report(0).expect("a source");
        assert_eq!((block.lost, block.fraction_lost, block.highest_sequence), (4, 64, 0x1_0009));
        assert_eq!(block.jitter, 0, "perfectly spaced");
        reception.push(&packet(10, 2560), 320_000);
        let block = reception.report(0).expect("a source");
        assert_eq!((block.lost, block.fraction_lost), (4, 0), "nothing was lost since the last report");
    }

    #[test]
    fn jitter_is_the_mean_deviation() {
        let mut reception = Reception::new(8000);
        for i in 0..1000u32 {
            let late_us = if i % 2 == 0 { 0 } else { 5_000 };
            reception.push(&packet(i as u16, i * 160), u64::from(i) * 20_000 + late_us);
        }
        assert!((4_800..=5_200).contains(&reception.jitter_us()), "{}", reception.jitter_us());
    }

    #[test]
    fn a_jump_is_believed_at_the_second_packet() {
        let mut reception = Reception::new(8000);
        reception.push(&packet(1, 0), 0);
        reception.push(&packet(30_000, 0), 0);
        assert_eq!((reception.received(), reception.lost()), (1, 0));
        reception.push(&packet(30_001, 0), 0);
        assert_eq!((reception.received(), reception.lost()), (1, 0));
    }

    #[test]
    fn the_round_trip_leaves_out_the_peers_waiting() {
        let mut reception = Reception::new(8000);
        reception.push(&packet(1, 0), 0);
        reception.sender_report(9, &Sent { ntp: ntp_from_unix_us(1_000_000), ..SENT }, 5_000_000);
        let block = reception.report(7_000_000).expect("a source");
        let round_trip = round_trip_us(&block, ntp_from_unix_us(1_000_000 + 2_000_000 + 40_000)).expect("reported");
        assert!((39_900..=40_100).contains(&round_trip), "{round_trip}");
        assert_eq!(round_trip_us(&ReportBlock::default(), 0), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_through(bytes in proptest::collection::vec(any::<u8>(), 0..128), head in 199u8..206) {
            let mut bytes = bytes;
            let walk = |bytes: &[u8]| packets(bytes).for_each(|packet| {
                if let Ok(Packet::SenderReport { blocks, .. } | Packet::ReceiverReport { blocks, .. }) = packet {
                    blocks.for_each(drop);
                }
            });
            walk(&bytes);
            if let [first, packet_type, high, ..] = &mut bytes[..] {
                (*first, *packet_type, *high) = (*first & 0x3F | 0x80, head, 0);
                walk(&bytes);
            }
        }

        #[test]
        fn any_packets_are_counted(packets: Vec<(u16, u32, u64)>) {
            let mut reception = Reception::new(48_000);
            for (sequence, timestamp, arrival_us) in packets {
                reception.push(&packet(sequence, timestamp), arrival_us);
                reception.report(arrival_us);
            }
        }
    }
}
