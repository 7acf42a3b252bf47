//! The active speaker of a room: whom an application shows large.

use model::LegId;

use crate::selection::Nominee;

/// Who it is, and what has been told of it.
pub(crate) struct Speaker {
    leg: Option<LegId>,
    /// Ticks since one took over from another, up to [`SWITCH_TICKS`].
    since: u32,
    told: Option<LegId>,
}

impl Default for Speaker {
    fn default() -> Self {
        Self { leg: None, since: SWITCH_TICKS, told: None }
    }
}

impl Speaker {
    /// Looks at who talks in this tick, in all shares of the room.
    ///
    /// Who speaks goes on until it stops, or somebody else is 6 dB louder: which whoever takes over in its pauses is
    /// soon. One takes over from another at most once a second; that nobody speaks is said as soon as it is so.
    pub(crate) fn look<'a>(&mut self, nominees: impl Iterator<Item = &'a Nominee>) {
        let (mut loudest, mut own): (Option<&Nominee>, _) = (None, None);
        for nominee in nominees.filter(|nominee| nominee.talks) {
            loudest = loudest.filter(|loudest| loudest.prominence >= nominee.prominence).or(Some(nominee));
            own = own.or((Some(nominee.leg) == self.leg).then_some(nominee.prominence));
        }
        self.since = (self.since + 1).min(SWITCH_TICKS);
        match loudest {
            Some(loudest) if own.is_none_or(|own| loudest.prominence > LOUDER * own) => {
                if self.since == SWITCH_TICKS {
                    (self.leg, self.since) = (Some(loudest.leg), 0);
                }
            }
            Some(_) => {}
            None => self.leg = None,
        }
    }

    /// A change that has not been told yet.
    pub(crate) fn take(&mut self) -> Option<Option<LegId>> {
        let changed = self.told != self.leg;
        self.told = self.leg;
        changed.then_some(self.leg)
    }
}

/// One second.
const SWITCH_TICKS: u32 = 50;

/// 6 dB.
const LOUDER: f32 = 4.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets legs talk with these prominences for so many ticks each; the ticks of changes, and to whom.
    fn changes(course: &[(u32, &[(u64, f32)])]) -> Vec<(u32, Option<u64>)> {
        let (mut speaker, mut tick, mut changes) = (Speaker::default(), 0, Vec::new());
        for &(ticks, talkers) in course {
            let nominees: Vec<Nominee> = (talkers.iter())
                .map(|&(leg, prominence)| Nominee::new(LegId(leg), 0, prominence, false, prominence > 1.0))
                .collect();
            for _ in 0..ticks {
                tick += 1;
                speaker.look(nominees.iter());
                changes.extend(speaker.take().map(|leg| (tick, leg.map(|leg| leg.0))));
            }
        }
        changes
    }

    #[test]
    fn one_speaks_until_it_stops_or_another_is_louder() {
        for (case, course, expected) in [
            ("noise is nobody", &[(100, &[(1, 0.5)][..])][..], &[][..]),
            ("one", &[(10, &[]), (60, &[(1, 9.0)]), (10, &[])], &[(11, Some(1)), (71, None)]),
            ("a louder one", &[(60, &[(1, 9.0)]), (60, &[(1, 9.0), (2, 40.0)])], &[(1, Some(1)), (61, Some(2))]),
            ("one as loud", &[(60, &[(1, 9.0)]), (60, &[(1, 9.0), (2, 30.0)])], &[(1, Some(1))]),
            ("one after another", &[(60, &[(1, 9.0)]), (60, &[(2, 9.0)])], &[(1, Some(1)), (61, Some(2))]),
            ("an interruption", &[(10, &[(1, 9.0)]), (60, &[(2, 99.0)])], &[(1, Some(1)), (51, Some(2))]),
            (
                "a short pause",
                &[(10, &[(1, 9.0)]), (5, &[]), (60, &[(2, 9.0)])],
                &[(1, Some(1)), (11, None), (51, Some(2))],
            ),
        ] {
            assert_eq!(changes(course), expected, "{case}");
        }
    }

    #[test]
    fn two_who_shout_at_each_other_are_switched_once_a_second() {
        let course: Vec<(u32, &[(u64, f32)])> = (0..50)
            .map(|i| (10, if i % 2 == 0 { &[(1, 90.0), (2, 9.0)][..] } else { &[(1, 9.0), (2, 90.0)] }))
            .collect();
        let changes = changes(&course);
        assert!(changes.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 50), "{changes:?}");
        assert!(changes.len() > 5);
    }
}
