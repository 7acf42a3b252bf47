//! What is parsed: RTP, RTCP, telephone events.

use media::dtmf::{Event, EventReceiver, EventSender};
use media::rtcp::{self, Reception, ReportBlock, Sent};
use media::rtp;

use crate::random::Random;
use crate::without_allocating;

/// Inputs of a case.
const INPUTS: u64 = 64;

/// Writes an RTP packet with all that may be in one; returns its length.
fn rtp_packet(random: &mut Random, out: &mut [u8]) -> usize {
    let sources = if random.one_in(4) { random.below(16) } else { 0 };
    let extension = if random.one_in(4) { Some(random.below(6)) } else { None };
    let padding = if random.one_in(4) { random.below(20) + 1 } else { 0 };
    let payload = random.below(200);
    let len = 12 + 4 * sources + extension.map_or(0, |words| 4 + 4 * words) + payload + padding;
    random.fill(&mut out[..len]);
    out[0] = 0x80 | sources as u8;
    let mut at = 12 + 4 * sources;
    if let Some(words) = extension {
        out[0] |= 0x10;
        out[at + 2..at + 4].copy_from_slice(&(words as u16).to_be_bytes());
        at += 4 + 4 * words;
    }
    if padding > 0 {
        out[0] |= 0x20;
        out[len - 1] = padding as u8;
    }
    assert_eq!(at + payload + padding, len);
    len
}

pub(crate) fn rtp(random: &mut Random) -> u64 {
    let (mut datagram, mut again) = ([0; 1_024], [0; 1_024]);
    for _ in 0..INPUTS {
        let mut len = rtp_packet(random, &mut datagram);
        match random.below(8) {
            0 => {
                len = random.below(datagram.len());
                random.fill(&mut datagram[..len]);
            }
            1 => {}
            _ => len = random.spoil(&mut datagram, len),
        }
        without_allocating(|| {
            let Ok(packet) = rtp::Packet::parse(&datagram[..len]) else { return };
            assert!(packet.payload.len() + rtp::HEADER_LEN <= len);
            let written = packet.write(&mut again).expect("it was there before");
            assert_eq!(rtp::Packet::parse(&again[..written]), Ok(packet), "read back");
        });
    }
    INPUTS
}

/// Writes a compound of several RTCP packets; returns its length.
fn compound(random: &mut Random, out: &mut [u8]) -> usize {
    let mut len = 0;
    for _ in 0..=random.below(3) {
        let ssrc = random.next() as u32;
        let sent = random.one_in(2).then(|| Sent {
            ntp: random.next(),
            rtp_timestamp: random.next() as u32,
            packets: random.next() as u32,
            octets: random.next() as u32,
        });
        let block = random.one_in(2).then(|| ReportBlock {
            ssrc: random.next() as u32,
            fraction_lost: random.next() as u8,
            lost: random.next() as i32 >> 8,
            highest_sequence: random.next() as u32,
            jitter: random.next() as u32,
            last_report: random.next() as u32,
            delay_since: random.next() as u32,
        });
        let rest = &mut out[len..];
        let written = match random.below(4) {
            0 => rtcp::write_bye(rest, ssrc),
            _ => rtcp::write_report(rest, ssrc, sent, block, "someone@somewhere"),
        };
        len += written.expect("there is room");
    }
    len
}

pub(crate) fn rtcp(random: &mut Random) -> u64 {
    let mut datagram = [0; 1_024];
    let mut reception = Reception::new(8_000);
    for _ in 0..INPUTS {
        let mut len = compound(random, &mut datagram);
        match random.below(8) {
            0 => {
                len = random.below(datagram.len());
                random.fill(&mut datagram[..len]);
            }
            1 => {}
            _ => len = random.spoil(&mut datagram, len),
        }
        let now = random.next();
        without_allocating(|| {
            let datagram = &datagram[..len];
            assert!(!rtcp::is_rtcp(datagram) || datagram[0] >> 6 == 2);
            let mut packets = 0;
            for packet in rtcp::packets(datagram) {
                packets += 1;
                match packet {
                    Ok(rtcp::Packet::SenderReport { ssrc, sent, blocks }) => {
                        reception.sender_report(ssrc, &sent, now >> 12);
                        for block in blocks {
                            let _ = rtcp::round_trip_us(&block, now);
                        }
                    }
                    Ok(rtcp::Packet::ReceiverReport { blocks, .. }) => {
                        assert!(blocks.count() * 24 <= len);
                    }
                    Ok(rtcp::Packet::SourceDescription { cname, .. }) => {
                        assert!(cname.is_none_or(|cname| cname.len() < len));
                    }
                    Ok(rtcp::Packet::Bye { reason, .. }) => assert!(reason.is_none_or(|reason| reason.len() < len)),
                    Ok(rtcp::Packet::Other { .. }) | Err(_) => {}
                }
            }
            assert!(packets <= len / 4 + 1, "{packets} packets in {len} bytes");
        });
    }
    INPUTS
}

pub(crate) fn reception(random: &mut Random) -> u64 {
    let mut reception = Reception::new(if random.one_in(2) { 8_000 } else { 48_000 });
    let (mut sequence, mut timestamp, mut ssrc, mut now_us) = (random.next() as u16, random.next() as u32, 1, 0);
    for _ in 0..INPUTS {
        match random.below(12) {
            0 => sequence = random.next() as u16,
            1 => timestamp = random.next() as u32,
            2 => ssrc = random.below(3) as u32,
            3 => sequence = sequence.wrapping_sub(random.below(5) as u16),
            4 => now_us += random.next() >> 34,
            5 => now_us += random.below(1_000_000) as u64,
            _ => {}
        }
        let packet = rtp::Packet { payload_type: 0, marker: false, sequence, timestamp, ssrc, payload: &[] };
        without_allocating(|| {
            reception.push(&packet, now_us);
            if sequence.is_multiple_of(5) {
                let block = reception.report(now_us);
                assert!(block.is_none_or(|block| (-0x80_0000..0x80_0000).contains(&block.lost)), "{block:?}");
            }
        });
        let _ = (reception.received(), reception.lost(), reception.jitter_us());
        sequence = sequence.wrapping_add(1);
        timestamp = timestamp.wrapping_add(160);
        now_us += 20_000;
    }
    INPUTS
}

pub(crate) fn telephone_event(random: &mut Random) -> u64 {
    const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];
    let clock_hz = [8_000, 48_000, 0][random.below(3)];
    let mut receiver = EventReceiver::new(clock_hz);
    let (mut inputs, mut now_us, mut timestamp) = (0, 0, random.next() as u32);
    while inputs < INPUTS {
        let key = KEYS[random.below(16)];
        let sender = EventSender::new(key, random.below(400) as u32, clock_hz.max(8_000)).expect("a key");
        for (payload, marker) in sender {
            let mut bytes = [0; 64];
            bytes[..payload.len()].copy_from_slice(&payload);
            let mut len = payload.len();
            if random.one_in(4) {
                len = random.spoil(&mut bytes, len);
            }
            let at = if random.one_in(10) { random.next() as u32 } else { timestamp };
            let marker = marker != random.one_in(10);
            inputs += 1;
            without_allocating(|| {
                let _ = Event::parse(&bytes[..len]).map(|event| assert_eq!(Event::parse(&event.to_bytes()), Ok(event)));
                for digit in [receiver.push(&bytes[..len], at, marker, now_us), receiver.poll(now_us)] {
                    assert!(digit.is_none_or(|digit| KEYS.contains(&digit.digit)), "{digit:?}");
                }
            });
            now_us += random.below(60_000) as u64;
        }
        timestamp = timestamp.wrapping_add(random.below(5_000) as u32);
        now_us += random.below(200_000) as u64;
    }
    inputs
}
