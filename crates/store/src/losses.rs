//! Losses: events that could not be saved, until the log has told of them.
//!
//! A batch fails where the disk is full or a text cannot be stored, and is refused where too many wait. Whatever was in it
//! is missing from the log; whoever follows that is told so by an entry in the place of the last one missing, saved with
//! the account's next batch that can be, and before it:
//!
//! `11 12 saved   13 14 lost   15 lost   16 saved ─▶ log: 11 12 [15: three lost, from 13 on] 16`

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::{AccountEvent, AccountSid, EventsLost};

use crate::Row;

/// What is missing, and has not been told.
#[derive(Debug, Default)]
pub(crate) struct Losses(Mutex<BTreeMap<AccountSid, BTreeMap<i64, EventsLost>>>);

impl Losses {
    /// None of these rows has been saved.
    pub(crate) fn add(&self, rows: &[Row]) {
        let mut losses = self.lock();
        for event in rows.iter().filter_map(Row::event) {
            let lost = match event {
                AccountEvent::Lost(lost) => lost.clone(),
                event => {
                    let (seq, account_sid, at) = (event.seq(), event.account_sid(), event.at());
                    EventsLost { seq, account_sid, at, first: seq, count: 1 }
                }
            };
            let of_account = losses.entry(lost.account_sid).or_default();
            let is_full = of_account.len() >= LOSSES_MAX;
            match of_account.last_entry().filter(|_| is_full) {
                // It is told of a little earlier than it would be.
                Some(mut last) => last.get_mut().count += lost.count,
                None => drop(of_account.insert(lost.seq, lost)),
            }
        }
    }

    /// Puts before these rows what is missing before them.
    pub(crate) fn tell(&self, rows: &mut Vec<Row>) {
        let mut losses = self.lock();
        if losses.is_empty() {
            return;
        }
        let mut firsts = BTreeMap::new();
        for event in rows.iter().filter_map(Row::event) {
            firsts.entry(event.account_sid()).or_insert_with(|| event.seq());
        }
        for (account, first) in firsts {
            let Some(of_account) = losses.get_mut(&account) else { continue };
            let later = of_account.split_off(&first);
            let missing = std::mem::replace(of_account, later);
            if of_account.is_empty() {
                losses.remove(&account);
            }
            rows.splice(0..0, together(missing));
        }
    }

    /// What is missing at the end of every log.
    pub(crate) fn tell_rest(&self) -> Vec<Row> {
        std::mem::take(&mut *self.lock()).into_values().filter_map(together).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<AccountSid, BTreeMap<i64, EventsLost>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One entry for them all.
fn together(missing: BTreeMap<i64, EventsLost>) -> Option<Row> {
    let one = missing.into_values().reduce(|before, lost| EventsLost {
        first: before.first.min(lost.first),
        count: before.count + lost.count,
        ..lost
    });
    one.map(|lost| Row::Event(AccountEvent::Lost(lost)))
}

/// Losses of one account that are kept apart; more of them count as one with the last.
const LOSSES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::event;

    fn happened(account: u128, number: u64) -> Row {
        let account_sid = AccountSid::from_bits(account);
        Row::Event(model::ConferenceEvent { account_sid, ..event(number - 1) }.into())
    }

    /// Account, place, and if it is missing: from where on, and how many.
    type Shown = (AccountSid, i64, Option<(i64, u64)>);

    fn shown(rows: &[Row]) -> Vec<Shown> {
        let events = rows.iter().filter_map(Row::event);
        let lost = |event: &AccountEvent| match event {
            AccountEvent::Lost(lost) => Some((lost.first, lost.count)),
            _ => None,
        };
        events.map(|event| (event.account_sid(), event.seq(), lost(event))).collect()
    }

    #[test]
    fn what_is_missing_is_told_before_what_comes_after_it() {
        let losses = Losses::default();
        let [ana, ben] = [1, 2].map(AccountSid::from_bits);
        losses.add(&[happened(1, 13), happened(2, 14)]);
        losses.add(&[happened(1, 15)]);
        losses.add(&[happened(1, 19)]);
        let mut rows = vec![happened(1, 12)];
        losses.tell(&mut rows);
        assert_eq!(shown(&rows), [(ana, 12, None)], "it comes later");
        let mut rows = vec![happened(1, 16), happened(1, 17)];
        losses.tell(&mut rows);
        assert_eq!(shown(&rows), [(ana, 15, Some((13, 2))), (ana, 16, None), (ana, 17, None)]);
        losses.add(&rows);
        let mut rows = vec![happened(1, 18)];
        losses.tell(&mut rows);
        assert_eq!(shown(&rows), [(ana, 17, Some((13, 4))), (ana, 18, None)], "nor could that be saved");
        assert_eq!(shown(&losses.tell_rest()), [(ana, 19, Some((19, 1))), (ben, 14, Some((14, 1)))]);
        assert_eq!(losses.tell_rest(), []);
    }

    #[test]
    fn there_are_never_too_many() {
        let losses = Losses::default();
        let all = LOSSES_MAX as u64 + 100;
        (1..=all).for_each(|number| losses.add(&[happened(1, number)]));
        let last = i64::try_from(LOSSES_MAX).expect("small");
        assert_eq!(shown(&losses.tell_rest()), [(AccountSid::from_bits(1), last, Some((1, all)))]);
    }
}
