//! Workers and their channels: made, changed and deleted (taskrouter §3).

use std::collections::BTreeMap;

use model::{RoutingRow, TaskChannelSid, WorkerSid};
use taskrouter::{CAPACITY_MAX, Input, WorkerChange};

use super::desk::Desk;
use super::live::Live;
use super::rows::{self, WorkerNote};
use super::settings::taken_name;
use super::{NewWorker, RoutingAnswer, RoutingRefusal, WorkerChannelRef, WorkerUpdate};

type Answered = Result<RoutingAnswer, RoutingRefusal>;

impl Live {
    pub(super) fn create_worker(&mut self, new: NewWorker, desk: &mut Desk) -> Answered {
        self.expect_activity("ActivitySid", new.activity)?;
        let activity = new.activity.or(self.row.default_activity_sid);
        let activity = activity.ok_or(RoutingRefusal::Missing("ActivitySid"))?;
        let attributes = rows::attributes(new.attributes.as_deref().unwrap_or(NO_ATTRIBUTES))?;
        self.expect_free_worker_name(&new.friendly_name, None)?;
        let sid = WorkerSid::from_bits(desk.names.bits());
        let note = WorkerNote {
            created: desk.now,
            updated: desk.now,
            version: 0,
            seq: desk.names.seq(),
            channels: BTreeMap::new(),
        };
        self.workers.insert(sid, note);
        let worker = taskrouter::NewWorker { sid, friendly_name: new.friendly_name, attributes, activity };
        if let Err(refusal) = self.input(Input::CreateWorker(worker), desk) {
            self.workers.remove(&sid);
            return Err(refusal);
        }
        desk.index.workers.insert(sid, self.place());
        // Its channels are listed in the order of the task channels.
        let mut channels: Vec<_> = self.channels.values().map(|channel| (channel.seq, channel.sid)).collect();
        channels.sort_unstable();
        for (_, channel) in channels {
            self.worker_channel(sid, channel, desk);
        }
        self.answer_worker(sid, desk)
    }

    pub(super) fn update_worker(
        &mut self,
        sid: WorkerSid,
        if_match: Option<u32>,
        change: WorkerUpdate,
        desk: &mut Desk,
    ) -> Answered {
        self.expect_worker(sid, if_match)?;
        self.expect_activity("ActivitySid", change.activity)?;
        if let Some(name) = &change.friendly_name {
            self.expect_free_worker_name(name, Some(sid))?;
        }
        let attributes = change.attributes.as_deref().map(rows::attributes).transpose()?;
        let change = WorkerChange {
            friendly_name: change.friendly_name,
            attributes,
            activity: change.activity,
            reject_pending_reservations: change.reject_pending_reservations,
        };
        self.input(Input::UpdateWorker { worker: sid, change }, desk)?;
        self.answer_worker(sid, desk)
    }

    pub(super) fn delete_worker(&mut self, sid: WorkerSid, if_match: Option<u32>, desk: &mut Desk) -> Answered {
        self.expect_worker(sid, if_match)?;
        self.input(Input::DeleteWorker(sid), desk)?;
        Ok(RoutingAnswer::Removed)
    }

    pub(super) fn update_worker_channel(
        &mut self,
        worker: WorkerSid,
        named: &WorkerChannelRef,
        capacity: Option<u32>,
        available: Option<bool>,
        desk: &mut Desk,
    ) -> Answered {
        self.expect_worker(worker, None)?;
        let channel = self.find_worker_channel(worker, named).ok_or(RoutingRefusal::NotFound)?;
        if capacity.is_some_and(|capacity| capacity > CAPACITY_MAX) {
            return Err(RoutingRefusal::Invalid(format!("Capacity must be between 0 and {CAPACITY_MAX}")));
        }
        self.input(Input::UpdateWorkerChannel { worker, channel, capacity, available }, desk)?;
        if let Some(note) = self.workers.get_mut(&worker).and_then(|note| note.channels.get_mut(&channel)) {
            note.updated = desk.now;
        }
        let row = self.worker_channel(worker, channel, desk).ok_or(RoutingRefusal::NotFound)?;
        Ok(RoutingAnswer::Row(Box::new(RoutingRow::WorkerChannel(row))))
    }

    fn find_worker_channel(&self, worker: WorkerSid, named: &WorkerChannelRef) -> Option<TaskChannelSid> {
        match named {
            WorkerChannelRef::Sid(sid) => {
                let mut channels = self.workers.get(&worker)?.channels.iter();
                channels.find(|(_, note)| note.sid == *sid).map(|(channel, _)| *channel)
            }
            WorkerChannelRef::TaskChannel(named) => self.find_channel(named),
        }
    }

    /// There is such a worker, and it has not changed since.
    pub(super) fn expect_worker(&self, sid: WorkerSid, if_match: Option<u32>) -> Result<(), RoutingRefusal> {
        let worker = self.engine.worker(sid).ok_or(RoutingRefusal::NotFound)?;
        match if_match.filter(|version| *version != worker.version) {
            Some(_) => Err(RoutingRefusal::PreconditionFailed),
            None => Ok(()),
        }
    }

    /// Names are unique whatever their letters' case.
    fn expect_free_worker_name(&self, name: &str, of: Option<WorkerSid>) -> Result<(), RoutingRefusal> {
        match self.engine.worker_named(name).filter(|sid| Some(*sid) != of) {
            Some(_) => Err(taken_name("Worker", name)),
            None => Ok(()),
        }
    }

    fn answer_worker(&mut self, sid: WorkerSid, desk: &mut Desk) -> Answered {
        let row = self.worker(sid, desk.now).ok_or(RoutingRefusal::NotFound)?;
        Ok(RoutingAnswer::Row(Box::new(RoutingRow::Worker(row))))
    }
}

/// What expressions may ask about something of which nothing was said.
pub(super) const NO_ATTRIBUTES: &str = "{}";
