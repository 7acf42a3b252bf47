//! Moments at which something of ours is due.

use std::collections::BTreeMap;
use std::time::Instant;

use model::CallSid;

use crate::dial::DialId;
use crate::script::ScriptId;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A call has lasted long enough.
    CallLimit(CallSid),
    /// A call of ours has had the time it may ring for, though where it leads had to be found out first.
    Seeking(CallSid),
    /// A script has paused, or waited for a key, for long enough.
    Script(ScriptId),
    /// A trunk is to be asked whether it is there, by its place in the configuration.
    Trunk(usize),
    /// Nobody has answered a `<Dial>`, or the two have talked for long enough.
    Dial(DialId),
}

/// A timer that has been set. Owned by what it is for, which clears it when it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimerId(Instant, u64);

/// All that is due some day.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeMap<(Instant, u64), Timer>,
    last: u64,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) -> TimerId {
        self.last += 1;
        self.due.insert((at, self.last), timer);
        TimerId(at, self.last)
    }

    pub(crate) fn clear(&mut self, timer: TimerId) {
        self.due.remove(&(timer.0, timer.1));
    }

    /// What is due by now, one at a time, in the order of time.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Timer> {
        let first = self.due.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(first.remove())
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_due_comes_in_the_order_of_time_and_what_is_cleared_never() {
        let (start, call) = (Instant::now(), |bits| Timer::CallLimit(CallSid::from_bits(bits)));
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.set(at(20), call(20));
        timers.set(at(10), call(10));
        let cleared = timers.set(at(15), call(15));
        timers.set(at(20), call(21));
        timers.clear(cleared);
        assert_eq!(timers.next_deadline(), Some(at(10)));
        assert_eq!(timers.take_due(at(9)), None);
        let due: Vec<_> = std::iter::from_fn(|| timers.take_due(at(20))).collect();
        assert_eq!(due, [call(10), call(20), call(21)]);
        assert_eq!(timers.next_deadline(), None);
    }
}
