//! A set of telephone keys.

use std::fmt;

/// Some of `0-9 # *`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Keys(u16);

impl Keys {
    /// Every key.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// `#`.
    pub const HASH: Self = Self(1 << 11);

    /// Reads keys written one after the other; `None` if one is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        text.chars().try_fold(Self::default(), |keys, key| Some(Self(keys.0 | Self::bit(key)?)))
    }

    /// This key is one of them.
    pub fn contains(self, key: char) -> bool {
        Self::bit(key).is_some_and(|bit| self.0 & bit != 0)
    }

    /// No key is.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn bit(key: char) -> Option<u16> {
        NAMES.find(key).map(|at| 1 << at)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: String = NAMES.chars().filter(|key| self.contains(*key)).collect();
        write!(f, "Keys({keys:?})")
    }
}

/// In the order of the bits.
const NAMES: &str = "0123456789*#";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_keys_of_a_telephone() {
        for (case, text, want) in [
            ("one", "#", Some("Keys(\"#\")")),
            ("any order, twice", "*1#1", Some("Keys(\"1*#\")")),
            ("none", "", Some("Keys(\"\")")),
            ("a letter", "1A", None),
            ("a space", "1 2", None),
            ("another script's digit", "٣", None),
        ] {
            assert_eq!(Keys::parse(text).map(|keys| format!("{keys:?}")).as_deref(), want, "{case}");
        }
        let keys = Keys::parse("5#").expect("keys");
        assert!(keys.contains('5') && keys.contains('#') && !keys.contains('*') && !keys.contains('x'));
        assert_eq!(format!("{:?} {:?}", Keys::HASH, Keys::ALL), "Keys(\"#\") Keys(\"0123456789*#\")");
        assert!(Keys::default().is_empty() && !keys.is_empty());
    }
}
