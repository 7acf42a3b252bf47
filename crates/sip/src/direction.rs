//! Which way audio flows, and the rule by which an answer narrows what was offered (RFC 3264 §6.1).

use std::fmt;

/// The direction of one stream, seen from whoever wrote it down: `SendOnly` in the peer's description means
/// that we only listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Both sides talk. What a description means when it says nothing.
    #[default]
    SendRecv,
    /// The writer talks and does not listen: how most phones put a call on hold.
    SendOnly,
    /// The writer listens and does not talk.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The direction with exactly these two halves.
    pub fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether the writer sends audio.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the writer wants to receive audio.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// What to do when the peer wrote `self` and we would like `ours`: we send only what the peer receives, and
    /// expect only what it sends. RFC 3264 §6.1.
    pub fn answer(self, ours: Direction) -> Direction {
        Self::of(ours.sends() && self.receives(), ours.receives() && self.sends())
    }

    /// The direction named by an attribute, `None` for any other attribute.
    pub(crate) fn named(attribute: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| attribute.eq_ignore_ascii_case(direction.name()))
    }

    /// The attribute that says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::{self, *};

    #[test]
    fn an_answer_narrows_the_offer() {
        for (case, offered, ours, want) in [
            ("plain talk", SendRecv, SendRecv, SendRecv),
            ("they hold us", SendOnly, SendRecv, RecvOnly),
            ("they only listen", RecvOnly, SendRecv, SendOnly),
            ("they hold us from both ends", Inactive, SendRecv, Inactive),
            ("we hold them", SendRecv, SendOnly, SendOnly),
            ("both hold", SendOnly, SendOnly, Inactive),
            ("we only listen", SendRecv, RecvOnly, RecvOnly),
            ("both only listen", RecvOnly, RecvOnly, Inactive),
            ("we want nothing", SendRecv, Inactive, Inactive),
        ] {
            assert_eq!(offered.answer(ours), want, "{case}");
        }
    }

    #[test]
    fn names_are_read_as_written() {
        for direction in [SendRecv, SendOnly, RecvOnly, Inactive] {
            assert_eq!(Direction::named(direction.name()), Some(direction));
        }
        assert_eq!(Direction::named("SendOnly"), Some(SendOnly), "some phones capitalise");
        assert_eq!(Direction::named("ptime"), None);
    }
}
