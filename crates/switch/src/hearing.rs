//! Who hears whom: a participant's flags, turned into masks and a private player.
//!
//! The table of rest-voice §5.4 as one pure function. A room's groups are bits: [`MAIN`] is the conversation, each
//! coached leg has a bit of its own on which only its coaches speak and only it listens.

use std::collections::BTreeMap;

use media::{ECHO, Groups, MAIN};
use model::{CallSid, Participant};

/// What one participant sends into the room, takes out of it, and is played besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hearing {
    pub(crate) emit: Groups,
    pub(crate) hear: Groups,
    pub(crate) player: Player,
}

/// What the private player is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Player {
    /// Nothing of its own: the room only.
    Nothing,
    /// The conference has not started.
    Wait,
    /// The application holds this participant.
    Hold,
}

/// The table of rest-voice §5.4.
///
/// `phone_holds`: the phone itself has put us on hold (RFC 3264 §8.4); `coach_bit`: the bit of the leg this one
/// coaches; `own_bit`: the bit on which this one is coached, or none.
pub(crate) fn hearing(
    started: bool,
    participant: &Participant,
    phone_holds: bool,
    coach_bit: Option<Groups>,
    own_bit: Groups,
) -> Hearing {
    if participant.hold {
        return Hearing { emit: 0, hear: 0, player: Player::Hold };
    }
    if !started {
        return Hearing { emit: 0, hear: 0, player: Player::Wait };
    }
    let emit = match coach_bit {
        _ if participant.muted || phone_holds => 0,
        Some(bit) => bit,
        None => MAIN,
    };
    Hearing { emit, hear: MAIN | own_bit, player: Player::Nothing }
}

/// Which bit each coached leg of one room listens on.
#[derive(Debug, Default)]
pub(crate) struct CoachBits {
    bits: BTreeMap<CallSid, Groups>,
}

impl CoachBits {
    /// The bit on which `coached` hears its coaches, if it has any; otherwise no bit.
    pub(crate) fn of(&self, coached: CallSid) -> Groups {
        self.bits.get(&coached).copied().unwrap_or(0)
    }

    /// Makes sure `coached` has a bit. `None`: all [`COACHED_MAX`] are taken.
    pub(crate) fn give(&mut self, coached: CallSid) -> Option<Groups> {
        if let Some(bit) = self.bits.get(&coached) {
            return Some(*bit);
        }
        let taken = self.bits.values().fold(MAIN | ECHO, |all, bit| all | bit);
        let free = !taken;
        if free == 0 {
            return None;
        }
        let bit = 1 << free.trailing_zeros();
        self.bits.insert(coached, bit);
        Some(bit)
    }

    /// Frees the bits of all legs that `is_coached` says nobody coaches any more.
    pub(crate) fn retain(&mut self, is_coached: impl Fn(CallSid) -> bool) {
        self.bits.retain(|coached, _| is_coached(*coached));
    }
}

/// How many legs of one room can be coached at once: the bits of [`Groups`] less [`MAIN`] and [`ECHO`].
#[cfg(test)]
const COACHED_MAX: usize = Groups::BITS as usize - 2;

#[cfg(test)]
mod tests {
    use model::{AccountSid, ConferenceSid, ParticipantStatus, Timestamp, Tuning};

    use super::*;

    fn participant(muted: bool, hold: bool) -> Participant {
        Participant {
            call_sid: CallSid::from_bits(1),
            conference_sid: ConferenceSid::from_bits(2),
            account_sid: AccountSid::from_bits(3),
            label: None,
            muted,
            hold,
            coaching: false,
            call_sid_to_coach: None,
            start_conference_on_enter: true,
            end_conference_on_exit: false,
            beep_on_exit: false,
            tuning: Tuning::default(),
            status: ParticipantStatus::Connected,
            created: Timestamp::from_micros(0),
            updated: Timestamp::from_micros(0),
            seq: 1,
        }
    }

    #[test]
    fn masks_follow_the_table() {
        const B: Groups = 1 << 5; // the bit of the leg that is coached
        let hears_room = |emit| Hearing { emit, hear: MAIN, player: Player::Nothing };
        // case, started, muted, hold, phone holds, coaches B, is coached, want
        for (case, started, muted, hold, phone, coaches, coached, want) in [
            ("normal", true, false, false, false, None, 0, hears_room(MAIN)),
            ("muted", true, true, false, false, None, 0, hears_room(0)),
            ("hold", true, false, true, false, None, 0, Hearing { emit: 0, hear: 0, player: Player::Hold }),
            (
                "hold dominates mute",
                true,
                true,
                true,
                false,
                None,
                0,
                Hearing { emit: 0, hear: 0, player: Player::Hold },
            ),
            (
                "hold while waiting",
                false,
                false,
                true,
                false,
                None,
                0,
                Hearing { emit: 0, hear: 0, player: Player::Hold },
            ),
            ("waiting", false, false, false, false, None, 0, Hearing { emit: 0, hear: 0, player: Player::Wait }),
            ("whisper", true, false, false, false, Some(B), 0, hears_room(B)),
            ("monitor", true, true, false, false, Some(B), 0, hears_room(0)),
            (
                "coached",
                true,
                false,
                false,
                false,
                None,
                B,
                Hearing { emit: MAIN, hear: MAIN | B, player: Player::Nothing },
            ),
            ("phone holds", true, false, false, true, None, 0, hears_room(0)),
        ] {
            assert_eq!(hearing(started, &participant(muted, hold), phone, coaches, coached), want, "{case}");
        }
    }

    #[test]
    fn every_coached_leg_has_its_own_bit_until_none_is_left() {
        let mut bits = CoachBits::default();
        let mut seen = MAIN;
        for n in 0..COACHED_MAX {
            let bit = bits.give(CallSid::from_bits(n as u128)).expect("a bit is free");
            assert_eq!(bit & seen, 0, "bit {n} is nobody else's");
            assert_eq!(bits.give(CallSid::from_bits(n as u128)), Some(bit), "a second coach shares it");
            seen |= bit;
        }
        assert_eq!(bits.give(CallSid::from_bits(1000)), None);
        bits.retain(|coached| coached != CallSid::from_bits(7));
        assert!(bits.give(CallSid::from_bits(1000)).is_some(), "a freed bit is used again");
    }
}
