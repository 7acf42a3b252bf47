//! Where inputs come from: a seeded generator, and ways to spoil what is valid.

/// The same sequence for the same case of the same target.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(target: &str, number: u64) -> Random {
        let name = target.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3) // Fowler, Noll and Vo
        });
        Random(name ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// splitmix64
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to less than `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// True in one of so many.
    pub(crate) fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            piece.copy_from_slice(&self.next().to_le_bytes()[..piece.len()]);
        }
    }

    /// A number that programs stumble over, or any.
    fn odd(&mut self) -> u8 {
        match self.below(4) {
            0 => [0, 1, 0x7F, 0x80, 0x81, 0xFE, 0xFF, 0x3F][self.below(8)],
            _ => self.next() as u8,
        }
    }

    /// Spoils the first `len` bytes of `bytes` in a few places, or their length; returns that.
    pub(crate) fn spoil(&mut self, bytes: &mut [u8], mut len: usize) -> usize {
        for _ in 0..=self.below(3) {
            match self.below(6) {
                _ if len == 0 => len = self.below(bytes.len()),
                0 => bytes[self.below(len)] ^= 1 << self.below(8),
                1 => bytes[self.below(len)] = self.odd(),
                // where the fields are
                2 => bytes[self.below(len.min(32))] = self.odd(),
                3 => len = self.below(len + 1),
                4 => {
                    let longer = (len + self.below(64)).min(bytes.len());
                    self.fill(&mut bytes[len..longer]);
                    len = longer;
                }
                _ => {
                    let (from, to) = (self.below(len), self.below(len));
                    let some = self.below(len - from.max(to));
                    bytes.copy_within(from..from + some, to);
                }
            }
        }
        len
    }
}
