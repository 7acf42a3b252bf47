//! TaskRouter after a restart: every workspace as its rows say.
//!
//! No call has outlived the process. So who waited for a task waits no longer, and work that was done on a call is over.

use std::collections::{BTreeMap, HashMap, HashSet};

use model::{
    AssignmentStatus, Reservation, ReservationStatus, RoutingRow, StatisticsBucket, Task, TaskSid, Timestamp, Worker,
    WorkerChannel, WorkerSid, WorkspaceSid,
};
use taskrouter::{BucketRow, Engine, Saved};

use super::live::Live;
use super::rows::{self, ChannelNote, ReservationNote, TaskNote, WorkerNote};
use super::statistics::bucket_to_engine;
use super::{Routing, RoutingRefusal, whom};
use crate::webhook::QueueResult;

/// The rows of one workspace.
#[derive(Default)]
struct Rows {
    workspace: Option<model::Workspace>,
    activities: Vec<model::Activity>,
    channels: Vec<model::TaskChannel>,
    workers: Vec<Worker>,
    worker_channels: HashMap<WorkerSid, Vec<WorkerChannel>>,
    queues: Vec<model::TaskQueue>,
    workflows: Vec<model::Workflow>,
    tasks: Vec<Task>,
    reservations: Vec<Reservation>,
    transfers: Vec<model::Transfer>,
    buckets: Vec<BucketRow>,
}

impl Routing {
    /// Every workspace of these rows. `seed` is where the SIDs of new reservations come from.
    pub fn load(
        now: Timestamp,
        seed: u64,
        rows: impl IntoIterator<Item = RoutingRow>,
        buckets: impl IntoIterator<Item = StatisticsBucket>,
    ) -> Self {
        let mut by_workspace: BTreeMap<WorkspaceSid, Rows> = BTreeMap::new();
        for row in rows {
            sort(row, &mut by_workspace);
        }
        for bucket in buckets {
            if let Some(rows) = by_workspace.get_mut(&bucket.workspace_sid) {
                rows.buckets.push(bucket_to_engine(bucket));
            }
        }
        let mut routing = Self::default();
        for (number, (sid, rows)) in (0..).zip(by_workspace) {
            let Some(workspace) = rows.workspace.clone() else {
                tracing::warn!(workspace_sid = %sid, "left out: there are rows in it, but no workspace");
                continue;
            };
            routing.restore(now, seed.wrapping_add(number), workspace, rows);
        }
        routing
    }

    fn restore(&mut self, now: Timestamp, seed: u64, workspace: model::Workspace, mut rows: Rows) {
        let sid = workspace.sid;
        let saved = rows.saved(&workspace);
        let (engine, mended) = Engine::restore(now, seed, saved);
        for row in mended {
            tracing::warn!(workspace_sid = %sid, sid = row.row, "{}", row.what);
        }
        let mut live = Live::new(workspace, engine);
        live.activities.extend(rows.activities.into_iter().map(|row| (row.sid, row)));
        live.channels.extend(rows.channels.into_iter().map(|row| (row.sid, row)));
        live.queues.extend(rows.queues.into_iter().map(|row| (row.sid, row)));
        live.workflows.extend(rows.workflows.into_iter().map(|row| (row.sid, row)));
        self.index.workflows.extend(live.workflows.keys().map(|workflow| (*workflow, sid)));
        for row in rows.workers {
            let channels = rows.worker_channels.get(&row.sid).into_iter().flatten();
            let note = |row: &WorkerChannel| {
                let note = ChannelNote { sid: row.sid, created: row.created, updated: row.updated, seq: row.seq };
                (row.task_channel_sid, note)
            };
            let note = WorkerNote {
                created: row.created,
                updated: row.updated,
                version: row.version,
                seq: row.seq,
                channels: channels.map(note).collect(),
            };
            live.workers.insert(row.sid, note);
            self.index.workers.insert(row.sid, live.place());
        }
        // A task that is being handed over waits, too, and is its initiator's still.
        let is_held = |row: &&Reservation| {
            matches!(row.reservation_status, ReservationStatus::Accepted | ReservationStatus::Wrapping)
        };
        let held: HashSet<TaskSid> = rows.reservations.iter().filter(is_held).map(|row| row.task_sid).collect();
        let (mut callers_gone, mut hand_overs) = (Vec::new(), Vec::new());
        for row in rows.tasks {
            let waits = matches!(row.assignment_status, AssignmentStatus::Pending | AssignmentStatus::Reserved);
            let room = live.engine.task(row.sid).and_then(|task| whom::room_of(&task.attributes));
            match held.contains(&row.sid) {
                false if waits && row.call_sid.is_some() => callers_gone.push(row.sid),
                true if waits && (row.call_sid.is_some() || room.is_some()) => hand_overs.push(row.sid),
                _ => {}
            }
            let note = TaskNote {
                updated: row.updated,
                version: row.version,
                seq: row.seq,
                call: row.call_sid,
                is_told: true,
                target: row.routing_target,
            };
            self.index.tasks.insert(row.sid, sid);
            live.tasks.insert(row.sid, note);
        }
        let mut work_over = Vec::new();
        rows.reservations.sort_by_key(|row| row.seq);
        for row in rows.reservations {
            if row.reservation_status == ReservationStatus::Pending {
                live.unasked.push_back(row.sid);
            }
            if row.worker_call_sid.is_some() {
                work_over.push(row.sid);
            }
            let note = ReservationNote {
                seq: row.seq,
                is_carried: false,
                worker_call: row.worker_call_sid,
                worker: Some(row.worker_sid),
                post_work_activity: row.post_work_activity_sid,
                end: Some(row.work_end),
            };
            self.index.reservations.insert(row.sid, sid);
            live.reservations.insert(row.sid, note);
        }
        live.transfers.extend(rows.transfers.iter().map(|row| (row.sid, row.seq)));
        // What comes of these is told with the first turn.
        let mut done: Vec<_> =
            callers_gone.into_iter().map(|task| live.caller_gone(now, task, QueueResult::Hangup)).collect();
        done.extend(hand_overs.into_iter().map(|task| live.end_transfer(now, task)));
        done.extend(work_over.into_iter().map(|sid| live.work_over(now, sid)));
        for refusal in done.into_iter().filter_map(Result::err) {
            tracing::warn!(workspace_sid = %sid, %refusal, "what a restart has ended could not be ended");
        }
        self.workspaces.live.insert(sid, live);
        self.workspaces.touched.insert(sid);
    }
}

impl Rows {
    /// What an engine is restored from. A row that it cannot understand is left out, and said.
    fn saved(&mut self, workspace: &model::Workspace) -> Saved {
        fn understood<T>(of: impl std::fmt::Display, row: Result<T, RoutingRefusal>) -> Option<T> {
            row.inspect_err(|refusal| tracing::warn!(sid = %of, %refusal, "left out: it cannot be understood")).ok()
        }
        let channels = |worker: &Worker| self.worker_channels.get(&worker.sid).map_or(&[][..], Vec::as_slice);
        let worker = |row: &Worker| understood(row.sid, rows::worker_to_engine(row, channels(row)));
        let queue = |row| understood(model::TaskQueue::clone(row).sid, rows::queue_to_engine(row));
        // Every queue it names was there when it was put.
        let workflow = |row: &model::Workflow| understood(row.sid, rows::workflow_to_engine(row, |_| true));
        let former = |row| {
            let former = model::Workflow::clone(row).former.into_iter();
            former.filter_map(move |former| understood(row.sid, rows::former_to_engine(row, &former)))
        };
        let mut reservations: Vec<&Reservation> = self.reservations.iter().collect();
        reservations.sort_by_key(|row| row.seq);
        let mut transfers: Vec<&model::Transfer> = self.transfers.iter().collect();
        transfers.sort_by_key(|row| row.seq);
        Saved {
            workspace: rows::workspace_settings(workspace),
            activities: self.activities.iter().map(rows::activity_to_engine).collect(),
            channels: self.channels.iter().map(rows::channel_to_engine).collect(),
            workers: self.workers.iter().filter_map(worker).collect(),
            queues: self.queues.iter().filter_map(queue).collect(),
            workflows: self.workflows.iter().filter_map(workflow).collect(),
            former: self.workflows.iter().flat_map(former).collect(),
            tasks: (self.tasks.iter())
                .filter_map(|row| understood(row.sid, rows::task_to_engine(row)).flatten())
                .collect(),
            reservations: reservations.into_iter().map(rows::reservation_to_engine).collect(),
            transfers: transfers.into_iter().map(rows::transfer_to_engine).collect(),
            buckets: std::mem::take(&mut self.buckets),
        }
    }
}

fn sort(row: RoutingRow, into: &mut BTreeMap<WorkspaceSid, Rows>) {
    let rows = into.entry(row.workspace()).or_default();
    match row {
        RoutingRow::Workspace(row) => rows.workspace = Some(row),
        RoutingRow::Activity(row) => rows.activities.push(row),
        RoutingRow::TaskChannel(row) => rows.channels.push(row),
        RoutingRow::Worker(row) => rows.workers.push(row),
        RoutingRow::WorkerChannel(row) => rows.worker_channels.entry(row.worker_sid).or_default().push(row),
        RoutingRow::TaskQueue(row) => rows.queues.push(row),
        RoutingRow::Workflow(row) => rows.workflows.push(row),
        RoutingRow::Task(row) => rows.tasks.push(row),
        RoutingRow::Reservation(row) => rows.reservations.push(row),
        RoutingRow::Transfer(row) => rows.transfers.push(row),
    }
}
