//! When a peer's packets came, asked of the kernel as often as need be.
//!
//! The kernel's time of arrival costs a packet some 0.4 µs, and says the same of nearly all of them: a stream that has
//! come evenly goes on so. Of such a stream one packet in sixteen is asked for, and the others are taken to have come when
//! their timestamps say:
//!
//! `asked  1 2 3 … 100 · · · · · · · · · · · · · · · 116 · · · …`
//!
//! Whatever is uneven ends that at once: a packet off its time, a look that finds nothing, another stream.

use crate::rtp::Packet;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// Packets to be asked for until the stream is taken for an even one.
    asks_left: u32,
    /// Packets since the last one that was asked for.
    unasked: u32,
    known: Option<Known>,
}

/// The last packet that was asked for.
#[derive(Debug)]
struct Known {
    ssrc: u32,
    timestamp: u32,
    arrival_us: u64,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { asks_left: EVEN_PACKETS, unasked: 0, known: None }
    }
}

impl Arrivals {
    /// The kernel is to be asked about the next packet.
    pub(crate) fn asks(&self) -> bool {
        self.asks_left > 0 || self.unasked + 1 >= ASKED_EVERY
    }

    /// Something is uneven.
    pub(crate) fn doubt(&mut self) {
        self.asks_left = EVEN_PACKETS;
    }

    /// Takes the stream's next packet, found by `now_us`, and its time of arrival if that was asked for. Returns when it
    /// came, as far as known.
    pub(crate) fn note(&mut self, packet: &Packet, clock_hz: u32, arrival_us: Option<u64>, now_us: u64) -> u64 {
        let expected_us = self.known.as_ref().filter(|known| known.ssrc == packet.ssrc).map(|known| {
            let ticks = i64::from(packet.timestamp.wrapping_sub(known.timestamp) as i32);
            known.arrival_us.saturating_add_signed(ticks * 1_000_000 / i64::from(clock_hz))
        });
        let Some(arrival_us) = arrival_us else {
            self.unasked += 1;
            let likely_us = expected_us.filter(|expected_us| expected_us.abs_diff(now_us) <= WAIT_US_MAX);
            if likely_us.is_none() {
                self.doubt();
            }
            return likely_us.unwrap_or(now_us).min(now_us);
        };
        if expected_us.is_some_and(|expected_us| expected_us.abs_diff(arrival_us) <= UNEVEN_US_MAX) {
            self.asks_left = self.asks_left.saturating_sub(1);
        } else {
            self.doubt();
        }
        self.unasked = 0;
        self.known = Some(Known { ssrc: packet.ssrc, timestamp: packet.timestamp, arrival_us });
        arrival_us
    }
}

/// A stream is even when so many packets in a row were: 2 s, as long as the playout buffer remembers its least delay.
const EVEN_PACKETS: u32 = 100;

/// Of an even stream, one packet of so many is asked for: at least one in each half second that the playout buffer judges.
const ASKED_EVERY: u32 = 16;

/// What is off by more is uneven: less is ridden out by the headroom that playout keeps in any case.
const UNEVEN_US_MAX: u64 = 3_000;

/// A packet of an even stream waits for its tick, and no longer than two.
const WAIT_US_MAX: u64 = 40_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets one after the other, every 20 ms, as `late_us` says; which were asked for, and what is said of each less
    /// when it came.
    fn run(packets: u32, late_us: impl Fn(u32) -> u64, ssrc: impl Fn(u32) -> u32) -> (Vec<bool>, Vec<i64>) {
        let mut arrivals = Arrivals::default();
        let take = |number: u32| {
            let (asked, came_us) = (arrivals.asks(), 1_000_000 + u64::from(number) * 20_000 + late_us(number));
            let (sequence, timestamp) = (number as u16, (u32::MAX - 999).wrapping_add(number * 160));
            let packet =
                Packet { payload_type: 0, marker: false, sequence, timestamp, ssrc: ssrc(number), payload: &[] };
            let now_us = came_us.next_multiple_of(20_000) + 7_000;
            let said_us = arrivals.note(&packet, 8_000, asked.then_some(came_us), now_us);
            (asked, said_us as i64 - came_us as i64)
        };
        (0..packets).map(take).unzip()
    }

    #[test]
    fn of_an_even_stream_few_are_asked_for_and_the_others_known() {
        for (case, late_us, off_us) in [
            ("as a clock", (|_| 0) as fn(u32) -> u64, 0),
            ("within a millisecond", |number| u64::from(number % 3) * 500, 1_000),
            ("100 ppm slow", |number| u64::from(number) * 2, 2 * i64::from(ASKED_EVERY)),
        ] {
            let (asked, off) = run(500, late_us, |_| 7);
            assert!(asked[..=100].iter().all(|&asked| asked), "{case}");
            let few = asked[101..].iter().filter(|&&asked| asked).count();
            assert!((23..=25).contains(&few), "{case}: {few} of 399");
            assert!(off.iter().all(|off| off.abs() <= off_us), "{case}: {off:?}");
        }
    }

    #[test]
    fn all_of_an_uneven_stream_are_asked_for() {
        let all = |asked: &[bool]| asked.iter().all(|&asked| asked);
        assert!(all(&run(500, |number| u64::from(number % 4) * 4_000, |_| 7).0), "jitter");
        let (asked, off) = run(500, |number| if number < 200 { 0 } else { 9_000 }, |_| 7);
        let noticed = (200..).find(|&at| asked[at]).expect("within a few packets");
        assert!(noticed < 216 && all(&asked[noticed..noticed + 100]), "a longer way, from {noticed} on");
        assert!(off[noticed..].iter().all(|&off| off == 0) && off.iter().all(|&off| off >= -9_000));
        let (asked, _) = run(500, |_| 0, |number| if number < 200 { 7 } else { 8 });
        assert!(!asked[201..].is_empty() && all(&asked[201..300]), "another stream, from its second packet on");
    }

    #[test]
    fn who_finds_nothing_asks() {
        let mut arrivals = Arrivals { asks_left: 0, ..Arrivals::default() };
        assert!(!arrivals.asks());
        arrivals.doubt();
        assert!(arrivals.asks());
    }

    #[test]
    fn any_timestamp_is_survived() {
        let mut arrivals = Arrivals::default();
        for number in 0..2_000_u32 {
            let timestamp = number.wrapping_mul(0x9E37_79B9);
            let packet = Packet { payload_type: 0, marker: false, sequence: 0, timestamp, ssrc: 7, payload: &[] };
            let came_us = number.is_multiple_of(3).then_some(u64::from(number));
            assert!(arrivals.note(&packet, 8_000, came_us, u64::from(number)) <= u64::from(number));
        }
    }
}
