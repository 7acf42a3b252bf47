//! The packets of one stream that wait to be played, in order of their sequence numbers.
//!
//! `insert 7, 9, 8, 8 ─▶ [ 7 | 8 | 9 ] ─▶ first: 7`, and the second 8 is a duplicate.
//!
//! Payloads stay encoded: an eighth to half of their PCM. They lie behind one another in a ring of bytes, so that
//! short packets take little room and a quiet network touches the same few cache lines again and again.
//! No clock, no socket, no allocation after `new`.

use std::ops::Range;

use crate::codec::Codec;

/// What waits: everything about a packet but its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Sequence number and timestamp, unwrapped: they only ever grow.
    pub(crate) sequence: i64,
    pub(crate) timestamp: i64,
    pub(crate) kind: Kind,
    start: u32,
    len: u16,
}

impl Waiting {
    /// A packet that is played before it has waited: its bytes are elsewhere.
    pub(crate) fn passing(sequence: i64, timestamp: i64, kind: Kind) -> Waiting {
        Waiting { sequence, timestamp, kind, start: 0, len: 0 }
    }

    fn bytes(&self) -> Range<usize> {
        self.start as usize..self.start as usize + usize::from(self.len)
    }
}

/// What a packet stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Audio: this many PCM samples.
    Voice { samples: u16 },
    /// RFC 3389: silence until the next audio, and what it sounds like.
    ComfortNoise,
    /// Something of the same stream that is not audio, such as a telephone-event: nothing is missing here.
    Aside,
}

impl Kind {
    pub(crate) fn samples(self) -> usize {
        match self {
            Kind::Voice { samples } => samples.into(),
            Kind::ComfortNoise | Kind::Aside => 0,
        }
    }
}

/// Why a packet was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Its sequence number is here already.
    Duplicate,
    /// No place, or no room for its bytes.
    Full,
}

pub(crate) struct Jitter {
    /// At `sequence % PLACES`.
    places: Box<[Option<Waiting>; PLACES]>,
    /// A bit for each place that is taken: to look for one should not mean to read them all.
    taken: u64,
    /// PCM samples in all that waits.
    samples: usize,
    bytes: Box<[u8]>,
    /// Where the next payload goes.
    write: usize,
}

/// Packets that may wait: 640 ms of the shortest (10 ms).
pub(crate) const PLACES: usize = 64;
/// How much audio may wait, however it is packed.
const BUFFER_MS: usize = 500;

impl Jitter {
    pub(crate) fn new(codec: Codec) -> Jitter {
        let bytes = match codec {
            Codec::Opus => OPUS_BYTES,
            codec => codec.payload_len_max(codec.frame_samples()) * BUFFER_MS / 20,
        };
        Jitter { places: Box::new([None; PLACES]), taken: 0, samples: 0, bytes: vec![0; bytes].into(), write: 0 }
    }

    pub(crate) fn insert(&mut self, sequence: i64, timestamp: i64, kind: Kind, payload: &[u8]) -> Result<(), NotTaken> {
        if self.taken & 1 << place(sequence) != 0 {
            let is_here = self.places[place(sequence)].is_some_and(|waiting| waiting.sequence == sequence);
            return Err(if is_here { NotTaken::Duplicate } else { NotTaken::Full });
        }
        let start = self.room_for(payload.len()).ok_or(NotTaken::Full)?;
        self.bytes[start..start + payload.len()].copy_from_slice(payload);
        self.write = start + payload.len();
        self.places[place(sequence)] =
            Some(Waiting { sequence, timestamp, kind, start: start as u32, len: payload.len() as u16 });
        self.taken |= 1 << place(sequence);
        self.samples += kind.samples();
        Ok(())
    }

    /// The waiting packet with the lowest sequence number from `sequence` on.
    pub(crate) fn first_from(&self, sequence: i64) -> Option<Waiting> {
        let from = place(sequence);
        let mut ahead = self.taken.rotate_right(from as u32);
        while ahead != 0 {
            let at = ahead.trailing_zeros() as usize;
            let waiting = self.places[(from + at) % PLACES].filter(|waiting| waiting.sequence == sequence + at as i64);
            if waiting.is_some() {
                return waiting;
            }
            ahead &= ahead - 1;
        }
        None
    }

    pub(crate) fn payload(&self, waiting: &Waiting) -> &[u8] {
        &self.bytes[waiting.bytes()]
    }

    pub(crate) fn remove(&mut self, sequence: i64) {
        if self.is_empty() {
            return; // without a look at the place
        }
        if let Some(removed) = self.places[place(sequence)].take_if(|waiting| waiting.sequence == sequence) {
            self.taken &= !(1 << place(sequence));
            self.samples -= removed.kind.samples();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.places.fill(None);
        self.taken = 0;
        self.samples = 0;
    }

    /// How much sound waits, in PCM samples.
    pub(crate) fn samples(&self) -> usize {
        self.samples
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// Everything that waits, in no order.
    fn all(&self) -> impl Iterator<Item = &Waiting> {
        let mut left = self.taken;
        std::iter::from_fn(move || {
            let at = (left != 0).then(|| left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(&self.places[at])
        })
        .flatten()
    }

    /// Where `len` bytes fit: at the write position or, past the end, at the front, if nothing lies there. Packets that
    /// did not come in order leave holes, which are looked for last.
    fn room_for(&mut self, len: usize) -> Option<usize> {
        if self.is_empty() {
            self.write = 0;
        }
        let free = |start: usize| {
            let end = start + len;
            let overlaps = |waiting: &Waiting| waiting.bytes().start < end && start < waiting.bytes().end;
            end <= self.bytes.len() && !self.all().any(overlaps)
        };
        let behind_others = self.all().map(|waiting| waiting.bytes().end);
        [self.write, 0].into_iter().chain(behind_others).find(|&start| free(start))
    }
}

/// 64 kbit/s, twice what speech takes.
const OPUS_BYTES: usize = 8 * BUFFER_MS;

fn place(sequence: i64) -> usize {
    sequence.rem_euclid(PLACES as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOICE: Kind = Kind::Voice { samples: 160 };

    /// Puts in packets with these sequence numbers, each filled with its number.
    fn with(sequences: &[i64]) -> Jitter {
        let mut jitter = Jitter::new(Codec::Pcmu);
        for &sequence in sequences {
            jitter.insert(sequence, sequence * 160, VOICE, &[sequence as u8; 160]).expect("room");
        }
        jitter
    }

    /// Takes out everything from `sequence` on.
    fn play(jitter: &mut Jitter, mut sequence: i64) -> Vec<i64> {
        let mut played = vec![];
        while let Some(first) = jitter.first_from(sequence) {
            assert_eq!(jitter.payload(&first), [first.sequence as u8; 160]);
            jitter.remove(first.sequence);
            played.push(first.sequence);
            sequence = first.sequence + 1;
        }
        played
    }

    #[test]
    fn packets_come_out_in_order() {
        assert_eq!(play(&mut with(&[7, 9, 8, 12]), 7), [7, 8, 9, 12]);
        assert_eq!(play(&mut with(&[-1, 1, 0]), -1), [-1, 0, 1]);
    }

    #[test]
    fn a_second_copy_is_a_duplicate_and_a_far_one_has_no_place() {
        let mut jitter = with(&[7]);
        assert_eq!(jitter.insert(7, 0, VOICE, &[1]), Err(NotTaken::Duplicate));
        assert_eq!(jitter.insert(7 + PLACES as i64, 0, VOICE, &[1]), Err(NotTaken::Full));
    }

    #[test]
    fn every_hole_can_be_filled() {
        let mut jitter = with(&(0..25).collect::<Vec<_>>());
        for hole in [3, 17, 9] {
            jitter.remove(hole);
        }
        for sequence in 25..28 {
            jitter.insert(sequence, 0, VOICE, &[sequence as u8; 160]).expect("a hole");
        }
        assert_eq!(jitter.insert(28, 0, VOICE, &[0; 160]), Err(NotTaken::Full));
        assert_eq!(play(&mut jitter, 0).len(), 25);
    }

    #[test]
    fn the_ring_of_bytes_fills_up_and_goes_round() {
        let mut jitter = with(&(0..25).collect::<Vec<_>>());
        assert_eq!(jitter.insert(25, 0, VOICE, &[0; 160]), Err(NotTaken::Full), "500 ms are waiting");
        for sequence in 25..1000 {
            jitter.remove(sequence - 25);
            jitter.insert(sequence, 0, VOICE, &[sequence as u8; 160]).expect("as much as was taken out");
        }
        assert_eq!(play(&mut jitter, 975), (975..1000).collect::<Vec<_>>());
    }
}
