//! A workspace that is gone is taken apart piece by piece: to free the memory of a hundred thousand tasks takes its time, too.

use super::*;

impl Engine {
    /// Takes some of what there is away, of which nobody is told. True: there is more.
    pub fn dissolve(&mut self, budget: usize) -> bool {
        for _ in 0..budget {
            self.spend(1);
            let gone = self.dissolve_task()
                || self.reservations.take_first()
                || self.transfers.take_first()
                || self.workers.take_first()
                || self.timers.pop_first().is_some()
                || self.ledger.take_first();
            if !gone {
                return false;
            }
        }
        true
    }

    fn dissolve_task(&mut self) -> bool {
        let Some(task) = self.tasks.keys().next().copied() else { return false };
        self.leave_line(task);
        self.standings.count(task, None);
        self.tasks.take_first()
    }
}
