//! Which screens are open: so that one may close the others of its worker, and that a worker whose last screen is gone
//! goes offline (taskrouter §14.2).

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::WorkerSid;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// What is to be done about a worker without screens.
pub(super) type Afterwards = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The screens of all workers.
pub(crate) struct Presence {
    workers: Mutex<HashMap<WorkerSid, Screens>>,
    /// Waits for as long as a worker may be away.
    patience: fn() -> Afterwards,
}

impl Default for Presence {
    fn default() -> Self {
        Self { workers: Mutex::default(), patience: || Box::pin(tokio::time::sleep(ABSENT_AFTER)) }
    }
}

#[derive(Default)]
struct Screens {
    open: BTreeMap<u64, Arc<Notify>>,
    /// Of the last screen that came.
    last: u64,
    /// Nobody is there: what waits to be done about it.
    absent: Option<AbortHandle>,
}

impl Presence {
    /// A screen opens. With `closes_others` those before it are told to close.
    pub(super) fn enter(self: &Arc<Self>, worker: WorkerSid, closes_others: bool) -> Screen {
        let mut workers = self.lock();
        let screens = workers.entry(worker).or_default();
        if let Some(absent) = screens.absent.take() {
            absent.abort();
        }
        if closes_others {
            std::mem::take(&mut screens.open).values().for_each(|other| other.notify_one());
        }
        screens.last += 1;
        let (number, dismissed) = (screens.last, Arc::new(Notify::new()));
        screens.open.insert(number, Arc::clone(&dismissed));
        Screen { presence: Arc::clone(self), worker, number, dismissed, afterwards: None }
    }

    fn leave(self: &Arc<Self>, worker: WorkerSid, number: u64, afterwards: Option<Afterwards>) {
        let mut workers = self.lock();
        let Some(screens) = workers.get_mut(&worker) else { return };
        let was_open = screens.open.remove(&number).is_some();
        if !screens.open.is_empty() || screens.absent.is_some() {
            return;
        }
        let (Some(afterwards), true, Ok(runtime)) = (afterwards, was_open, tokio::runtime::Handle::try_current())
        else {
            workers.remove(&worker);
            return;
        };
        let presence = Arc::clone(self);
        let patience = (self.patience)();
        let waits = runtime.spawn(async move {
            patience.await;
            // From here on whoever comes finds it done.
            presence.lock().remove(&worker);
            afterwards.await;
        });
        screens.absent = Some(waits.abort_handle());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkerSid, Screens>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open screen; closed when it is dropped.
pub(super) struct Screen {
    presence: Arc<Presence>,
    worker: WorkerSid,
    number: u64,
    dismissed: Arc<Notify>,
    afterwards: Option<Afterwards>,
}

impl Screen {
    /// If it is the last, this is done a while after it has closed, unless another has opened meanwhile.
    pub(super) fn afterwards(&mut self, afterwards: Option<Afterwards>) {
        self.afterwards = afterwards;
    }

    /// Tells when another has opened that wants to be the only one.
    pub(super) fn dismissed(&self) -> Arc<Notify> {
        Arc::clone(&self.dismissed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.presence.leave(self.worker, self.number, self.afterwards.take());
    }
}

/// How long a worker may be without a screen before it goes offline (taskrouter §14.2).
const ABSENT_AFTER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt as _;
    use tokio::task::yield_now;

    use super::*;

    const ANA: WorkerSid = WorkerSid::from_bits(1);

    /// All that was spawned goes on as far as it can.
    async fn settle() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_has_no_screen_for_too_long_is_offline() {
        let no_time = Presence { patience: || Box::pin(std::future::ready(())), ..Presence::default() };
        let forever = Presence { patience: || Box::pin(std::future::pending()), ..Presence::default() };
        let (no_time, forever, count) = (Arc::new(no_time), Arc::new(forever), Arc::new(AtomicU32::new(0)));
        let open = |presence: &Arc<Presence>| {
            let (mut screen, count) = (presence.enter(ANA, false), Arc::clone(&count));
            screen.afterwards(Some(Box::pin(async move {
                count.fetch_add(1, Ordering::SeqCst);
            })));
            screen
        };
        let (one, two) = (open(&no_time), open(&no_time));
        drop(one);
        settle().await;
        assert_eq!(count.load(Ordering::SeqCst), 0, "another is still open");
        drop(two);
        settle().await;
        assert_eq!((count.load(Ordering::SeqCst), no_time.lock().len()), (1, 0));
        let mut silent = open(&no_time);
        silent.afterwards(None);
        drop(silent);
        settle().await;
        assert_eq!((count.load(Ordering::SeqCst), no_time.lock().len()), (1, 0), "nobody has asked for it");

        drop(open(&forever));
        settle().await;
        let waits = forever.lock()[&ANA].absent.clone().expect("somebody waits");
        let again = open(&forever);
        settle().await;
        assert!(waits.is_finished(), "it has come back in time");
        assert!(forever.lock()[&ANA].absent.is_none());
        drop(again);
    }

    #[tokio::test]
    async fn one_that_wants_to_be_alone_dismisses_the_others_of_its_worker() {
        let presence = Arc::new(Presence::default());
        let (one, two) = (presence.enter(ANA, false), presence.enter(ANA, false));
        let other = presence.enter(WorkerSid::from_bits(2), true);
        let alone = presence.enter(ANA, true);
        one.dismissed().notified().await;
        two.dismissed().notified().await;
        for stays in [&other, &alone] {
            assert!(stays.dismissed().notified().now_or_never().is_none());
        }
    }
}
