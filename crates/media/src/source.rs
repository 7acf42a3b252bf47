//! Which packets continue the stream that is being played, and which begin another.
//!
//! A stream is one SSRC whose sequence numbers and timestamps go on. A packet that continues nothing may be a stray
//! from somewhere: only if the next one follows on it, or if nothing else is there, it begins a new stream (RFC 3550
//! appendix A.1, with a shorter probation). Here numbers are unwrapped: from now on they only ever grow.

use crate::codec::micros;
use crate::rtp;

/// See the [module](self).
pub(crate) struct Source {
    clock_hz: u32,
    newest: Option<Newest>,
    /// The SSRC and sequence number that would prove a new stream.
    stray: Option<(u32, u16)>,
}

/// The newest packet of the stream.
#[derive(Debug, Clone, Copy)]
struct Newest {
    ssrc: u32,
    place: Place,
    arrival_us: u64,
}

/// Where in its stream a packet belongs: sequence number and timestamp, unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) sequence: i64,
    pub(crate) timestamp: i64,
}

/// What a packet is to the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    Continues(Place),
    /// It is the first of another stream.
    Begins(Place),
    /// Nothing, unless the next one follows on it.
    Stray,
}

/// Further off, a timestamp belongs to another stream.
const JUMP_US: i64 = 1_000_000;
/// The same for sequence numbers (RFC 3550 appendix A.1).
const DROPOUT_MAX: i64 = 3000;
const MISORDER_MAX: i64 = 100;
/// A stream that has not been heard of for so long is replaced at once.
const QUIET_US: u64 = 100_000;

impl Source {
    pub(crate) fn new(clock_hz: u32) -> Source {
        Source { clock_hz, newest: None, stray: None }
    }

    /// Says what a packet is. If it begins a stream, that is the stream from now on.
    pub(crate) fn judge(&mut self, packet: &rtp::Packet, arrival_us: u64) -> Judged {
        if let Some(place) = self.continued(packet, arrival_us) {
            self.stray = None;
            return Judged::Continues(place);
        }
        let proved = self.stray == Some((packet.ssrc, packet.sequence));
        let quiet = self.newest.is_none_or(|newest| arrival_us.saturating_sub(newest.arrival_us) > QUIET_US);
        if !proved && !quiet {
            self.stray = Some((packet.ssrc, packet.sequence.wrapping_add(1)));
            return Judged::Stray;
        }
        let place = Place { sequence: packet.sequence.into(), timestamp: packet.timestamp.into() };
        self.stray = None;
        self.newest = Some(Newest { ssrc: packet.ssrc, place, arrival_us });
        Judged::Begins(place)
    }

    /// A packet of the stream has been taken.
    pub(crate) fn note(&mut self, place: Place, arrival_us: u64) {
        if let Some(newest) = self.newest.as_mut().filter(|newest| newest.place.sequence < place.sequence) {
            *newest = Newest { place, arrival_us, ..*newest };
        }
    }

    /// The sequence number of a packet that carries something else than audio, and the timestamp it came after.
    pub(crate) fn place_beside(&self, packet: &rtp::Packet) -> Option<Place> {
        let newest = self.newest.filter(|newest| newest.ssrc == packet.ssrc)?;
        Some(Place { sequence: unwrap_sequence(newest.place.sequence, packet.sequence), ..newest.place })
    }

    fn continued(&self, packet: &rtp::Packet, arrival_us: u64) -> Option<Place> {
        let newest = self.newest.filter(|newest| newest.ssrc == packet.ssrc)?;
        let before = newest.place;
        let sequence = unwrap_sequence(before.sequence, packet.sequence);
        let ticks = i64::from(packet.timestamp.wrapping_sub(before.timestamp as u32) as i32);
        let ahead_us = micros(ticks, self.clock_hz);
        let passed_us = arrival_us as i64 - newest.arrival_us as i64;
        // after a pause the timestamp has jumped, but no further than time has passed
        let jumped = ahead_us.abs() > JUMP_US && (ahead_us - passed_us).abs() > JUMP_US;
        let near = -MISORDER_MAX..DROPOUT_MAX;
        let is_near = near.contains(&(sequence - before.sequence)) && !jumped;
        is_near.then_some(Place { sequence, timestamp: before.timestamp + ticks })
    }
}

fn unwrap_sequence(newest: i64, sequence: u16) -> i64 {
    newest + i64::from(sequence.wrapping_sub(newest as u16) as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> rtp::Packet<'static> {
        rtp::Packet { payload_type: 0, marker: false, sequence, timestamp, ssrc, payload: &[] }
    }

    #[test]
    fn a_stream_goes_on_until_another_proves_itself() {
        const BEFORE: u32 = u32::MAX - 79; // 160 on, it has wrapped
        let place = |sequence, timestamp| Place { sequence, timestamp: i64::from(BEFORE) + timestamp };
        for (case, second, passed_us, want) in [
            ("the next", packet(1, 0, 80), 20_000, Judged::Continues(place(65_536, 160))),
            ("one lost", packet(1, 1, 240), 40_000, Judged::Continues(place(65_537, 320))),
            ("one before", packet(1, 65_534, BEFORE - 160), 1, Judged::Continues(place(65_534, -160))),
            ("after a minute", packet(1, 0, 480_080), 60_020_000, Judged::Continues(place(65_536, 480_160))),
            ("another sender", packet(2, 0, 80), 20_000, Judged::Stray),
            ("two seconds on", packet(1, 0, 16_080), 20_000, Judged::Stray),
            ("two seconds back", packet(1, 0, BEFORE - 16_000), 20_000, Judged::Stray),
            ("far away", packet(1, 3_100, 80), 20_000, Judged::Stray),
        ] {
            let mut source = Source::new(8_000);
            let first = source.judge(&packet(1, 65_535, BEFORE), 0);
            assert_eq!(first, Judged::Begins(Place { sequence: 65_535, timestamp: BEFORE.into() }), "{case}");
            assert_eq!(source.judge(&second, passed_us), want, "{case}");
            let follows = rtp::Packet { sequence: second.sequence.wrapping_add(1), ..second };
            let follower = source.judge(&follows, passed_us + 20_000);
            assert_eq!(matches!(follower, Judged::Begins(_)), want == Judged::Stray, "{case}: the one after it");
        }
    }

    #[test]
    fn where_nothing_is_any_packet_begins() {
        let mut source = Source::new(8_000);
        source.judge(&packet(1, 7, 0), 0);
        assert_eq!(source.judge(&packet(2, 9, 0), QUIET_US), Judged::Stray);
        let begins = Judged::Begins(Place { sequence: 11, timestamp: 5 });
        assert_eq!(source.judge(&packet(2, 11, 5), QUIET_US + 1), begins);
    }
}
