//! What one leg receives, judged by headers and arrival times alone.

use std::time::Duration;

use crate::histogram::Histogram;
use crate::rtp::Header;
use crate::wire::Moment;

/// Counts of one received stream.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// Packets that came.
    pub received: u64,
    /// Packets that, by sequence number, should have come and did not.
    pub missing: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets whose timestamp did not grow by their samples.
    pub timestamp_errors: u64,
    /// Changes of SSRC.
    pub restarts: u64,
    last: Option<(Header, Moment)>,
}

impl Stream {
    /// One more packet; timestamps grow by `packet_units` from one to the next. How far it was off the 20 ms beat goes to `spacing_errors`.
    pub fn take(&mut self, header: Header, arrived: Moment, packet_units: u32, spacing_errors: &mut Histogram) {
        self.received += 1;
        let Some((last, last_arrived)) = self.last.replace((header, arrived)) else { return };
        if header.ssrc != last.ssrc {
            self.restarts += 1;
            return;
        }
        let steps = header.sequence.wrapping_sub(last.sequence) as i16;
        if steps <= 0 {
            if steps == 0 {
                self.duplicates += 1;
            } else {
                self.reordered += 1;
                self.missing = self.missing.saturating_sub(1);
            }
            self.last = Some((last, last_arrived));
            return;
        }
        self.missing += steps as u64 - 1;
        if header.timestamp.wrapping_sub(last.timestamp) != steps as u32 * packet_units {
            self.timestamp_errors += 1;
        }
        if steps == 1 {
            spacing_errors.add(arrived.since(last_arrived).abs_diff(BEAT));
        }
    }

    /// The stream rests for a known reason: what comes next is not held against what came last.
    pub fn rest(&mut self) {
        self.last = None;
    }

    /// When the last packet came.
    pub fn last_arrived(&self) -> Option<Moment> {
        self.last.map(|(_, arrived)| arrived)
    }
}

const BEAT: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcmu::FRAME_SAMPLES;

    #[test]
    fn every_fault_of_a_stream_is_counted_once() {
        // One letter a packet: its place in the stream.
        let cases = [
            ("clean", "abcdef", [0, 0, 0]),
            ("one lost", "abdef", [1, 0, 0]),
            ("three lost", "abf", [3, 0, 0]),
            ("twice", "abbcd", [0, 1, 0]),
            ("swapped", "acbdef", [0, 0, 1]),
        ];
        for (case, arrivals, [missing, duplicates, reordered]) in cases {
            let (mut stream, mut spacing_errors) = (Stream::default(), Histogram::default());
            for (nth, place) in arrivals.bytes().map(|letter| u32::from(letter - b'a')).enumerate() {
                let sequence = 65_533u16.wrapping_add(place as u16);
                let timestamp = (u32::MAX - 200).wrapping_add(place * FRAME_SAMPLES as u32);
                let header = Header { payload_type: 0, marker: false, sequence, timestamp, ssrc: 1 };
                let arrived = Moment(nth as u64 * 20_000_000);
                stream.take(header, arrived, FRAME_SAMPLES as u32, &mut spacing_errors);
            }
            let counted = [stream.missing, stream.duplicates, stream.reordered];
            assert_eq!(counted, [missing, duplicates, reordered], "{case}");
            assert_eq!((stream.timestamp_errors, stream.restarts), (0, 0), "{case}");
        }
    }

    #[test]
    fn spacing_is_held_against_the_beat() {
        let (mut stream, mut spacing_errors) = (Stream::default(), Histogram::default());
        for (sequence, at_ms) in [(0, 0), (1, 20), (2, 43), (3, 60)] {
            let timestamp = u32::from(sequence) * FRAME_SAMPLES as u32;
            let header = Header { payload_type: 0, marker: false, sequence, timestamp, ssrc: 1 };
            stream.take(header, Moment(at_ms * 1_000_000), FRAME_SAMPLES as u32, &mut spacing_errors);
        }
        assert_eq!(spacing_errors.count(), 3);
        assert_eq!(spacing_errors.longest(), Duration::from_millis(3));
    }
}
