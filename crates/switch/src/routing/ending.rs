//! A workspace that is gone, or whose account is: what was in it is taken apart piece by piece.

use std::collections::hash_map;

use model::{ReservationSid, TaskSid, WorkerSid};
use taskrouter::Engine;

use super::assignment::TaskEnd;
use super::desk::{Desk, Index};
use super::live::Live;
use super::rows::{ReservationNote, TaskNote, WorkerNote};
use crate::follow_up::FollowUp;

#[derive(Debug)]
pub(super) struct Ending {
    engine: Engine,
    tasks: hash_map::IntoIter<TaskSid, TaskNote>,
    reservations: hash_map::IntoIter<ReservationSid, ReservationNote>,
    workers: hash_map::IntoIter<WorkerSid, WorkerNote>,
    /// Whoever waits in it is told that it is in vain.
    is_told: bool,
}

impl Ending {
    /// `is_told`: whoever waits for a task is let go.
    pub(super) fn new(live: Live, is_told: bool, index: &mut Index) -> Self {
        for workflow in live.workflows.keys() {
            index.workflows.remove(workflow);
        }
        let (tasks, reservations) = (live.tasks.into_iter(), live.reservations.into_iter());
        Self { engine: live.engine, tasks, reservations, workers: live.workers.into_iter(), is_told }
    }

    /// Looks at so many tasks, reservations or workers. True: there are more.
    pub(super) fn go_on(&mut self, budget: usize, desk: &mut Desk) -> bool {
        for _ in 0..budget {
            if let Some((task, note)) = self.tasks.next() {
                desk.index.tasks.remove(&task);
                if let (Some(call), false, true) = (note.call, note.is_told, self.is_told) {
                    desk.follow_ups.push_back(FollowUp::TaskEnded { task, call, end: TaskEnd::Deleted });
                }
            } else if let Some((reservation, note)) = self.reservations.next() {
                desk.index.reservations.remove(&reservation);
                let status = self.engine.reservation(reservation).map(|reservation| reservation.status);
                let is_pending = status == Some(taskrouter::ReservationStatus::Pending);
                if note.is_carried && is_pending && self.is_told {
                    desk.follow_ups.push_back(FollowUp::OfferOver(reservation));
                }
            } else if let Some((worker, _)) = self.workers.next() {
                desk.index.workers.remove(&worker);
            } else {
                return self.engine.dissolve(budget);
            }
        }
        true
    }
}
