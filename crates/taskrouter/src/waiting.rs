//! Tasks that wait, in lines: the tasks of one line may be taken by the same workers.
//!
//! A line is what a target says (queue, expression, order, known worker) together with the values of the task attributes
//! it speaks of. So one look at its head decides for the whole line: if nobody free may take that, nobody free may
//! take any of it, and a task that joins needs no look at all. A line is *due* when that may have changed, and the line
//! with the foremost head is looked at first: whoever is free gets the foremost task there is for him.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use model::{TaskChannelSid, TaskQueueSid, TaskSid, WorkerSid};

use crate::OrderBy;
use crate::free::Place;

/// Which task is first: priority, kind of queue, virtual start time (turned round for LIFO), SID (taskrouter §11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) priority: Reverse<u32>,
    pub(crate) kind: u8,
    pub(crate) start: i64,
    pub(crate) task: TaskSid,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LineKey {
    /// `None` only of a task for one worker.
    pub(crate) queue: Option<TaskQueueSid>,
    pub(crate) channel: TaskChannelSid,
    pub(crate) only: Option<WorkerSid>,
    pub(crate) ignore_capacity: bool,
    pub(crate) order: Arc<OrderBy>,
    pub(crate) expression: String,
    /// What the expression says of the task.
    pub(crate) values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LineId(u64);

/// Whom the last look has not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fresh {
    Everybody,
    These(BTreeSet<WorkerSid>),
}

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) key: Arc<LineKey>,
    waiting: BTreeSet<Rank>,
    pub(crate) fresh: Fresh,
    /// A look at everybody that goes on.
    scan: Option<Scan>,
    /// A worker was passed over for some task's sake only, so that another task may still have it.
    passed_over: bool,
    /// The task to be looked at next, if the line is due.
    due_as: Option<Rank>,
}

/// How far a look at everybody has come. Whoever does not suit one task of a line suits none of it.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// For whom; another task of the line goes on with it, unless somebody was passed over for this one's sake.
    pub(crate) task: Option<TaskSid>,
    /// The last that was looked at.
    pub(crate) after: Option<Place>,
    /// Who suits.
    pub(crate) found: Vec<WorkerSid>,
    /// Somebody was passed over.
    pub(crate) passed: bool,
    /// Who has come meanwhile, perhaps to a place before that.
    pub(crate) missed: BTreeSet<WorkerSid>,
}

/// The lines that hear of a worker together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Among {
    Queue(TaskQueueSid, TaskChannelSid),
    Worker(WorkerSid),
}

/// Workers that many lines are to hear of, all at once.
#[derive(Debug, Default)]
struct Stir {
    workers: BTreeSet<WorkerSid>,
    /// The last line that has heard of them.
    after: Option<LineId>,
    /// Those who came while that was told: for another round.
    next: BTreeSet<WorkerSid>,
}

#[derive(Debug, Default)]
pub(crate) struct Waiting {
    lines: HashMap<LineId, Line>,
    by_key: HashMap<Arc<LineKey>, LineId>,
    of_queue: HashMap<(TaskQueueSid, TaskChannelSid), BTreeSet<LineId>>,
    of_worker: HashMap<WorkerSid, BTreeSet<LineId>>,
    of_task: HashMap<TaskSid, (LineId, Rank)>,
    /// What long lists of lines have not been told yet.
    stirred: BTreeMap<Among, Stir>,
    due: BTreeSet<(Rank, LineId)>,
    last: u64,
}

impl Waiting {
    /// True: it is the first of its line.
    pub(crate) fn join(&mut self, key: LineKey, rank: Rank) -> bool {
        let known = self.by_key.get(&key).copied();
        let id = known.unwrap_or_else(|| self.open(key));
        let Some(line) = self.lines.get_mut(&id) else { return false };
        line.waiting.insert(rank);
        self.of_task.insert(rank.task, (id, rank));
        if std::mem::take(&mut line.passed_over) {
            (line.fresh, line.scan) = (Fresh::Everybody, None);
        }
        if line.fresh != Fresh::These(BTreeSet::new()) {
            self.make_due(id);
        }
        known.is_none()
    }

    fn open(&mut self, key: LineKey) -> LineId {
        self.last += 1;
        let (id, key) = (LineId(self.last), Arc::new(key));
        match (key.only, key.queue) {
            (Some(worker), _) => drop(self.of_worker.entry(worker).or_default().insert(id)),
            (None, Some(queue)) => drop(self.of_queue.entry((queue, key.channel)).or_default().insert(id)),
            (None, None) => {}
        }
        self.by_key.insert(key.clone(), id);
        let (waiting, fresh) = (BTreeSet::new(), Fresh::Everybody);
        let line = Line { key, waiting, fresh, scan: None, passed_over: false, due_as: None };
        self.lines.insert(id, line);
        id
    }

    /// What its line was of, if it was the last there.
    pub(crate) fn leave(&mut self, task: TaskSid) -> Option<Arc<LineKey>> {
        let (id, rank) = self.of_task.remove(&task)?;
        let line = self.lines.get_mut(&id)?;
        line.waiting.remove(&rank);
        if line.due_as.is_some() {
            self.make_due(id);
        }
        if self.lines.get(&id).is_some_and(|line| line.waiting.is_empty()) { self.close(id) } else { None }
    }

    fn close(&mut self, id: LineId) -> Option<Arc<LineKey>> {
        let line = self.lines.remove(&id)?;
        self.by_key.remove(&line.key);
        if let Some(worker) = line.key.only {
            remove_from(&mut self.of_worker, worker, id);
        } else if let Some(queue) = line.key.queue {
            remove_from(&mut self.of_queue, (queue, line.key.channel), id);
        }
        Some(line.key)
    }

    /// Puts a line where its head belongs among those that are due.
    fn make_due(&mut self, id: LineId) {
        let head = self.lines.get(&id).and_then(|line| line.waiting.first().copied());
        self.set_due(id, head);
    }

    fn set_due(&mut self, id: LineId, rank: Option<Rank>) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        if let Some(rank) = std::mem::replace(&mut line.due_as, rank) {
            self.due.remove(&(rank, id));
        }
        if let Some(rank) = rank {
            self.due.insert((rank, id));
        }
    }

    /// A worker has room on a channel, or may have become eligible: the lines of its queue have somebody to look at.
    pub(crate) fn freshen(&mut self, queue: TaskQueueSid, channel: TaskChannelSid, worker: WorkerSid) {
        self.freshen_among(Among::Queue(queue, channel), worker);
    }

    /// As [`Waiting::freshen`], of the lines that wait for this worker alone.
    pub(crate) fn freshen_own(&mut self, worker: WorkerSid) {
        self.freshen_among(Among::Worker(worker), worker);
    }

    fn among(&self, among: Among) -> Option<&BTreeSet<LineId>> {
        match among {
            Among::Queue(queue, channel) => self.of_queue.get(&(queue, channel)),
            Among::Worker(worker) => self.of_worker.get(&worker),
        }
    }

    fn freshen_among(&mut self, among: Among, worker: WorkerSid) {
        let Some(lines) = self.among(among) else { return };
        if lines.len() > TOLD_AT_ONCE {
            let stir = self.stirred.entry(among).or_default();
            let is_told = stir.after.is_some();
            if is_told { &mut stir.next } else { &mut stir.workers }.insert(worker);
            return;
        }
        let lines: Vec<LineId> = lines.iter().copied().collect();
        for id in lines {
            self.freshen_line(id, worker);
        }
    }

    /// Many lines have not heard yet of workers they are to look at.
    pub(crate) fn is_stirred(&self) -> bool {
        !self.stirred.is_empty()
    }

    /// Tells some of them, so that the foremost comes first among all that are due; how many. `None`: all have heard.
    pub(crate) fn spread(&mut self, budget: usize) -> Option<usize> {
        let (among, mut stir) = self.stirred.pop_first()?;
        let from = stir.after.map_or(Unbounded, Excluded);
        let lines = self.among(among).into_iter().flat_map(|lines| lines.range((from, Unbounded)));
        // One line is told of many as quickly as of one: to look at everybody.
        let at_once = if stir.workers.len() > NAMED_MAX { 1 } else { stir.workers.len().max(1) };
        let most = (budget.max(1) * TOLD_FOR_ONE / at_once).max(1);
        let lines: Vec<LineId> = lines.take(most).copied().collect();
        for id in &lines {
            match stir.workers.len() > NAMED_MAX {
                true => self.freshen_whole(*id),
                false => stir.workers.iter().for_each(|worker| self.freshen_line(*id, *worker)),
            }
        }
        let spent = (lines.len() * at_once / TOLD_FOR_ONE).max(1);
        if lines.len() == most {
            stir.after = lines.last().copied();
            self.stirred.insert(among, stir);
        } else if !stir.next.is_empty() {
            self.stirred.insert(among, Stir { workers: stir.next, ..Stir::default() });
        }
        Some(spent)
    }

    /// As [`Waiting::freshen`], of the line this task waits in.
    pub(crate) fn freshen_task(&mut self, task: TaskSid, worker: WorkerSid) {
        if let Some((id, _)) = self.of_task.get(&task) {
            self.freshen_line(*id, worker);
        }
    }

    fn freshen_line(&mut self, id: LineId, worker: WorkerSid) {
        if let Some(line) = self.lines.get_mut(&id) {
            if let Fresh::These(workers) = &mut line.fresh {
                workers.insert(worker);
                if workers.len() > NAMED_MAX {
                    line.fresh = Fresh::Everybody;
                }
            }
            if let Some(scan) = &mut line.scan {
                scan.missed.insert(worker);
            }
            self.make_due(id);
        }
    }

    /// A line has everybody to look at.
    fn freshen_whole(&mut self, id: LineId) {
        if let Some(line) = self.lines.get_mut(&id) {
            (line.fresh, line.scan) = (Fresh::Everybody, None);
            self.make_due(id);
        }
    }

    /// Lines wait for this worker and nobody else.
    pub(crate) fn waits_for(&self, worker: WorkerSid) -> bool {
        self.of_worker.contains_key(&worker)
    }

    /// A task waits for this worker and nobody else.
    pub(crate) fn is_for(&self, task: TaskSid, worker: WorkerSid) -> bool {
        let line = self.of_task.get(&task).and_then(|(id, _)| self.lines.get(id));
        line.is_some_and(|line| line.key.only == Some(worker))
    }

    /// How far the look at everybody has come for a line, which is to be put back.
    pub(crate) fn take_scan(&mut self, id: LineId) -> Option<Scan> {
        self.lines.get_mut(&id)?.scan.take()
    }

    pub(crate) fn put_scan(&mut self, id: LineId, scan: Scan) {
        if let Some(line) = self.lines.get_mut(&id) {
            line.scan = Some(scan);
        }
    }

    pub(crate) fn line(&self, id: LineId) -> Option<&Line> {
        self.lines.get(&id)
    }

    /// The line to be looked at first, and the task in it.
    pub(crate) fn due(&self) -> Option<(LineId, TaskSid)> {
        self.due.first().map(|(rank, id)| (*id, rank.task))
    }

    /// Nobody free may take what waits in a line.
    pub(crate) fn settle(&mut self, id: LineId) {
        if let Some(line) = self.lines.get_mut(&id) {
            (line.fresh, line.scan) = (Fresh::These(BTreeSet::new()), None);
        }
        self.set_due(id, None);
    }

    /// Somebody free may not have this task, but perhaps the next in its line: that is due in its own turn.
    pub(crate) fn pass_over(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.passed_over = true;
        let next = line.due_as.and_then(|rank| line.waiting.range((Excluded(rank), Unbounded)).next().copied());
        match next {
            Some(next) => self.set_due(id, Some(next)),
            None => self.settle(id),
        }
    }
}

/// Workers a line is to look at by name; more, and it looks at everybody, piece by piece.
const NAMED_MAX: usize = 64;
/// As many lines hear of a worker at once; more, piece by piece.
const TOLD_AT_ONCE: usize = 64;
/// Lines that are told of a worker in the time one is looked at.
const TOLD_FOR_ONE: usize = 8;

fn remove_from<K: std::hash::Hash + Eq>(map: &mut HashMap<K, BTreeSet<LineId>>, key: K, id: LineId) {
    if let std::collections::hash_map::Entry::Occupied(mut lines) = map.entry(key) {
        lines.get_mut().remove(&id);
        if lines.get().is_empty() {
            lines.remove();
        }
    }
}
