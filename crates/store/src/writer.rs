//! The writer: many small batches, few commits.
//!
//! Batches queue up while a commit is under way; whatever has queued up goes into the next one. Under load the
//! price of a commit is shared, without load nobody waits:
//!
//! `submit a b c ─▶ [ a ] commit ─▶ done(a) ─▶ [ b c ] commit ─▶ done(b) done(c)`
//!
//! Where several have shared a commit, the next one is put off for a moment ([`CROWD_PAUSE`]), so that more share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use model::AccountEvent;
use sqlx::Connection as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::event::Pruning;
use crate::losses::Losses;
use crate::{Row, Store, StoreError, call_event, commit, notification, routing};

/// Queue in front of the one task that writes.
#[derive(Debug)]
pub struct Writer {
    batches: mpsc::Sender<Batch>,
    counters: Arc<Counters>,
    losses: Arc<Losses>,
    task: JoinHandle<()>,
    checkpoints: JoinHandle<()>,
}

impl Writer {
    /// Starts the task on the current runtime. At most `batches_max` batches wait.
    pub fn start(store: Store, batches_max: usize) -> Self {
        Self::start_watched(store, batches_max, Box::new(|_| {}))
    }

    /// The same; `watcher` sees the rows of every batch that is stored.
    pub fn start_watched(store: Store, batches_max: usize, watcher: Watcher) -> Self {
        let (batches, queue) = mpsc::channel(batches_max);
        let (counters, losses) = (Arc::<Counters>::default(), Arc::<Losses>::default());
        let finish = Arc::<AtomicBool>::default();
        let checkpoints = tokio::spawn(keep_checkpointing(store.clone(), counters.clone(), finish.clone()));
        let task = tokio::spawn(run(store, queue, counters.clone(), losses.clone(), finish, watcher));
        Self { batches, counters, losses, task, checkpoints }
    }

    /// Queues a batch: its rows become visible together or not at all, after those of every batch before it. `done`
    /// is then called once, on the writer's task, with what became of this batch; it must not block.
    pub fn submit(
        &self,
        rows: Vec<Row>,
        done: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) -> Result<(), Refused> {
        self.batches.try_send(Batch { rows, done: Box::new(done) }).map_err(|refused| {
            self.counters.refused.fetch_add(1, Relaxed);
            match refused {
                mpsc::error::TrySendError::Full(batch) => {
                    self.losses.add(&batch.rows);
                    Refused::Full(batch.rows)
                }
                mpsc::error::TrySendError::Closed(batch) => Refused::Stopped(batch.rows),
            }
        })
    }

    /// Queues a batch, waiting for room, and waits for its commit.
    pub async fn write(&self, rows: Vec<Row>) -> Result<(), StoreError> {
        let (sender, result) = oneshot::channel();
        // A caller that has gone away does not ask what became of its rows.
        let done = Box::new(move |outcome| drop(sender.send(outcome)));
        self.batches.send(Batch { rows, done }).await.map_err(|_| StoreError::WriterGone)?;
        result.await.unwrap_or(Err(StoreError::WriterGone))
    }

    /// What has been written so far.
    pub fn stats(&self) -> WriterStats {
        WriterStats {
            batches_saved: self.counters.saved.load(Relaxed),
            batches_failed: self.counters.failed.load(Relaxed),
            batches_refused: self.counters.refused.load(Relaxed),
            commits: self.counters.commits.load(Relaxed),
            batches_waiting: self.batches.max_capacity() - self.batches.capacity(),
        }
    }

    /// Writes what is queued and stops.
    pub async fn close(self) {
        let Self { batches, task, checkpoints, .. } = self;
        checkpoints.abort();
        drop(batches);
        if let Err(panic) = task.await {
            tracing::error!(%panic, "the writer stopped early");
        }
    }
}

/// Called on the writer's task with the rows of one batch after their commit, in the order of the commits, before the
/// batch's own `done`; it must not block.
pub type Watcher = Box<dyn Fn(&[Row]) + Send + Sync>;

/// Why a batch was not queued; it is handed back, and its `done` is not called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// As many batches wait as may.
    Full(Vec<Row>),
    /// The writer is no longer there.
    Stopped(Vec<Row>),
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Batches whose rows are stored.
    pub batches_saved: u64,
    /// Batches that were tried and are not stored.
    pub batches_failed: u64,
    /// Batches for which there was no room.
    pub batches_refused: u64,
    /// Transactions committed.
    pub commits: u64,
    /// Batches that wait now.
    pub batches_waiting: usize,
}

struct Batch {
    rows: Vec<Row>,
    done: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

#[derive(Debug, Default)]
struct Counters {
    saved: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    commits: AtomicU64,
}

async fn run(
    store: Store,
    mut queue: mpsc::Receiver<Batch>,
    counters: Arc<Counters>,
    losses: Arc<Losses>,
    finish: Arc<AtomicBool>,
    watcher: Watcher,
) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    let mut pruning = None;
    let mut logged = 0;
    let mut not_before = Instant::now();
    while queue.recv_many(&mut group, GROUP_MAX).await > 0 {
        if group.len() < GROUP_MAX && Instant::now() < not_before {
            sleep_until(not_before).await;
            group.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(GROUP_MAX - group.len()));
        }
        if finish.swap(false, Relaxed)
            && let Err(error) = store.finish_checkpoint().await
        {
            tracing::warn!(%error, "the log of commits was not begun anew");
        }
        let is_crowd = group.len() >= CROWD;
        not_before = if is_crowd { Instant::now() + CROWD_PAUSE } else { Instant::now() };
        let (mut batches, dones): (Vec<_>, Vec<_>) = group.drain(..).map(|batch| (batch.rows, batch.done)).unzip();
        let results = write(&store, &mut batches, &losses, &counters).await;
        let saved = batches.iter().zip(&results).filter(|(_, result)| result.is_ok()).flat_map(|(rows, _)| rows);
        let saved: Vec<_> = saved.collect();
        logged += saved.iter().filter(|row| row.is_logged()).count();
        let events: Vec<_> = saved.into_iter().filter_map(Row::event).collect();
        for ((done, result), rows) in dones.into_iter().zip(results).zip(&batches) {
            if result.is_ok() {
                watcher(rows);
            }
            let counter = if result.is_ok() { &counters.saved } else { &counters.failed };
            counter.fetch_add(1, Relaxed);
            done(result);
        }
        // What is missing from logs to which nothing has been added since. Of what was refused the log goes on with
        // what still waits.
        if queue.is_empty() {
            tell_rest(&store, &losses, &watcher).await;
        }
        if let Err(error) = prune(&store, &mut pruning, &events).await {
            tracing::warn!(%error, "the event log was not pruned");
            pruning = None; // what was counted may not be so: count anew
        }
        if logged >= LOGGED_BETWEEN_PRUNINGS {
            logged = 0;
            if let Err(error) = prune_logs(&store).await {
                tracing::warn!(%error, "notifications and events of calls were not pruned");
            }
        }
    }
}

/// Has what is committed taken over into the file again and again, so that no commit has to wait for that, and no more than
/// the last moments are lost with the machine's power.
///
/// Under load there is always a commit that came meanwhile, so that the log of commits would grow for ever: when it is long,
/// `finish` asks the writer to do the little that is left.
async fn keep_checkpointing(store: Store, counters: Arc<Counters>, finish: Arc<AtomicBool>) {
    let mut done = 0;
    loop {
        sleep(CHECKPOINT_EVERY).await;
        let commits = counters.commits.load(Relaxed);
        if commits == done {
            continue;
        }
        done = commits;
        match store.checkpoint().await {
            Ok(pages) => finish.store(pages >= LOG_PAGES_MAX, Relaxed),
            Err(error) => tracing::warn!(%error, "what is committed was not taken over into the file"),
        }
    }
}

/// Keeps the event log within its bounds, now that these have been added.
async fn prune(store: &Store, pruning: &mut Option<Pruning>, events: &[&AccountEvent]) -> Result<(), sqlx::Error> {
    let Some(newest) = events.iter().map(|event| event.at()).max() else { return Ok(()) };
    let pruning = match pruning {
        Some(pruning) => {
            pruning.added(events.iter().copied());
            pruning
        }
        // The first time, what has just been added is among what is counted.
        None => pruning.insert(Pruning::begin(&mut *store.writer.acquire().await?).await?),
    };
    if pruning.is_due() {
        let mut transaction = store.writer.begin().await?;
        pruning.prune(&mut transaction, newest).await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// Keeps what developers and applications are shown of the past within its bounds.
async fn prune_logs(store: &Store) -> Result<(), sqlx::Error> {
    let mut transaction = store.writer.begin().await?;
    notification::prune(&mut transaction).await?;
    call_event::prune(&mut transaction).await?;
    routing::prune_events(&mut transaction).await?;
    transaction.commit().await
}

/// Tells of what is missing at the end of logs.
async fn tell_rest(store: &Store, losses: &Losses, watcher: &Watcher) {
    let rows = losses.tell_rest();
    if rows.is_empty() {
        return;
    }
    match store.commit(&rows).await {
        Ok(()) => watcher(&rows),
        Err(_) => losses.add(&rows), // not yet
    }
}

/// Writes the batches; what became of each. Nearly always all is well, and nothing is spent on the case that it is not.
async fn write(
    store: &Store,
    batches: &mut [Vec<Row>],
    losses: &Losses,
    counters: &Counters,
) -> Vec<Result<(), StoreError>> {
    batches.iter_mut().for_each(|rows| losses.tell(rows));
    let Err(reason) = at_once(store, batches, counters).await else {
        return batches.iter().map(|_| Ok(())).collect();
    };
    tracing::debug!(%reason, batches = batches.len(), "a batch failed, writing each to a savepoint");
    match together(store, batches, losses, counters).await {
        Ok(results) => results,
        // The commit itself failed: each batch gets its own, so that only the one to blame suffers. Where a batch says
        // that one before it is lost which now is not, the log keeps what it has in that place.
        Err(reason) => {
            tracing::warn!(%reason, batches = batches.len(), "group commit failed, writing batch by batch");
            one_by_one(store, batches, losses, counters).await
        }
    }
}

/// All batches in one commit, or none.
async fn at_once(store: &Store, batches: &[Vec<Row>], counters: &Counters) -> Result<(), StoreError> {
    let mut transaction = store.writer.begin().await?;
    if let Err(error) = commit::save(batches.iter().flatten(), &mut transaction).await {
        transaction.rollback().await?;
        return Err(error);
    }
    transaction.commit().await?;
    counters.commits.fetch_add(1, Relaxed);
    Ok(())
}

/// All batches in one commit. A batch that fails is taken back alone, to its savepoint.
async fn together(
    store: &Store,
    batches: &mut [Vec<Row>],
    losses: &Losses,
    counters: &Counters,
) -> Result<Vec<Result<(), StoreError>>, sqlx::Error> {
    let mut results = Vec::with_capacity(batches.len());
    let mut transaction = store.writer.begin().await?;
    let missing = Losses::default();
    for rows in &mut *batches {
        missing.tell(rows);
        let mut savepoint = transaction.begin().await?;
        let result = commit::save(&*rows, &mut savepoint).await;
        match result {
            Ok(()) => savepoint.commit().await?,
            Err(_) => {
                savepoint.rollback().await?;
                missing.add(rows);
            }
        }
        results.push(result);
    }
    transaction.commit().await?;
    losses.add(&missing.tell_rest());
    counters.commits.fetch_add(1, Relaxed);
    Ok(results)
}

async fn one_by_one(
    store: &Store,
    batches: &mut [Vec<Row>],
    losses: &Losses,
    counters: &Counters,
) -> Vec<Result<(), StoreError>> {
    let mut results = Vec::with_capacity(batches.len());
    for rows in batches {
        losses.tell(rows);
        let result = store.commit(rows).await;
        match result {
            Ok(()) => {
                counters.commits.fetch_add(1, Relaxed);
            }
            Err(_) => losses.add(rows),
        }
        results.push(result);
    }
    results
}

/// Batches of one commit that make it likely that others follow at once: of one client that asks again as soon as it has its
/// answer there are fewer.
const CROWD: usize = 4;
/// From the begin of such a commit to the next: a little of the time that a request may take, for a good part of its cost.
const CROWD_PAUSE: Duration = Duration::from_millis(3);
/// Between two times that what is committed is taken over into the file.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(250);
/// Pages of the log of commits after which it is begun anew: 64 MB.
const LOG_PAGES_MAX: i64 = 16_384;

/// Batches that share a commit at most: bounds how long the first of them waits.
const GROUP_MAX: usize = 256;

/// Notifications and events of calls and workspaces written before the oldest are looked for: each look reads an index to its end.
const LOGGED_BETWEEN_PRUNINGS: usize = 1_000;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use sqlx::Executor as _;

    use super::*;
    use crate::testing::{ACCOUNT, call, open};

    /// What became of each batch, in the order it was said.
    #[derive(Clone, Default)]
    struct Outcomes(Arc<Mutex<Vec<(u64, bool)>>>);

    impl Outcomes {
        fn note(&self, batch: u64) -> impl FnOnce(Result<(), StoreError>) + Send + 'static {
            let outcomes = self.0.clone();
            move |result| outcomes.lock().expect("no test panics holding it").push((batch, result.is_ok()))
        }

        fn take(&self) -> Vec<(u64, bool)> {
            std::mem::take(&mut self.0.lock().expect("no test panics holding it"))
        }
    }

    #[tokio::test]
    async fn what_queues_up_shares_a_commit_and_a_bad_batch_fails_alone() {
        let (_scratch, store) = open().await;
        let writer = Writer::start(store.clone(), 8);
        let outcomes = Outcomes::default();
        // Nothing is awaited between these, so on this one-threaded runtime they meet in the queue.
        for number in 0..5 {
            let mut good = call(number);
            good.to = "sip:standup@bridge.test".to_owned();
            let mut bad = call(100 + number);
            bad.to = "sip:nul\0@bridge.test".to_owned();
            let rows = if number == 2 { vec![Row::Call(good), Row::Call(bad)] } else { vec![Row::Call(good)] };
            writer.submit(rows, outcomes.note(number)).expect("there is room");
        }
        let last = writer.write(vec![Row::Call(call(5))]).await;
        assert!(last.is_ok());
        assert_eq!(outcomes.take(), [(0, true), (1, true), (2, false), (3, true), (4, true)]);
        for (number, stored) in [(0, true), (1, true), (2, false), (102, false), (3, true), (4, true), (5, true)] {
            let found = store.call(ACCOUNT, call(number).sid).await.expect("reads");
            assert_eq!(found.is_some(), stored, "call {number}");
        }
        let stats = writer.stats();
        assert_eq!((stats.batches_saved, stats.batches_failed, stats.commits), (5, 1, 1));
        writer.close().await;
    }

    #[tokio::test]
    async fn when_the_disk_is_full_what_still_fits_is_written() {
        let (_scratch, store) = open().await;
        let writer = Writer::start(store.clone(), 8);
        let outcomes = Outcomes::default();
        store.writer.execute("PRAGMA max_page_count = 60").await.expect("a connection's own limit");
        let mut huge = call(1);
        huge.to = "x".repeat(4 << 20);
        writer.submit(vec![Row::Call(call(0))], outcomes.note(0)).expect("there is room");
        writer.submit(vec![Row::Call(huge)], outcomes.note(1)).expect("there is room");
        writer.submit(vec![Row::Call(call(2))], outcomes.note(2)).expect("there is room");
        writer.close().await;
        assert_eq!(outcomes.take(), [(0, true), (1, false), (2, true)]);
        assert_eq!(store.call(ACCOUNT, call(1).sid).await.expect("reads"), None);
        assert!(store.call(ACCOUNT, call(2).sid).await.expect("reads").is_some());
    }

    #[tokio::test]
    async fn the_log_of_commits_is_begun_anew_while_others_write() {
        let (scratch, store) = open().await;
        let log = || std::fs::metadata(scratch.path().join("partyline.db-wal")).expect("is there").len();
        let mut lengths = Vec::new();
        for round in 0..3 {
            for number in 0..20 {
                store.commit(&[Row::Call(call(20 * round + number))]).await.expect("writes");
            }
            assert!(store.checkpoint().await.expect("is taken over") > 0);
            store.commit(&[Row::Call(call(0))]).await.expect("writes meanwhile");
            store.finish_checkpoint().await.expect("is taken over");
            lengths.push(log());
        }
        assert_eq!(lengths[1..], [lengths[0]; 2], "it is not longer than the first time");
    }

    #[tokio::test]
    async fn a_full_queue_hands_the_batch_back() {
        let (_scratch, store) = open().await;
        let writer = Writer::start(store.clone(), 2);
        let outcomes = Outcomes::default();
        writer.submit(vec![Row::Call(call(0))], outcomes.note(0)).expect("there is room");
        writer.submit(vec![Row::Call(call(1))], outcomes.note(1)).expect("there is room");
        let refused = writer.submit(vec![Row::Call(call(2))], outcomes.note(2)).expect_err("two wait already");
        assert_eq!(refused, Refused::Full(vec![Row::Call(call(2))]));
        assert_eq!((writer.stats().batches_waiting, writer.stats().batches_refused), (2, 1));
        writer.close().await; // writes what is queued
        assert_eq!(outcomes.take(), [(0, true), (1, true)]);
    }

    #[tokio::test]
    async fn rows_of_one_call_end_as_the_last_batch_says() {
        let (_scratch, store) = open().await;
        let writer = Writer::start(store.clone(), 8);
        let mut now = call(0);
        for caller_name in ["ana", "ben", "cho"] {
            now.caller_name = Some(caller_name.to_owned());
            writer.submit(vec![Row::Call(now.clone())], drop).expect("there is room");
        }
        writer.close().await;
        assert_eq!(store.call(ACCOUNT, now.sid).await.expect("reads"), Some(now));
    }
}
