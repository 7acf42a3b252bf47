//! Attending to a connection until it ends, or until our patience does: nobody has a place for ever without asking anything.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long a connection may be quiet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Since the last request was done, or the connection began.
    pub(crate) quiet: Duration,
    /// From then on, when it has been told that nothing more will be answered.
    pub(crate) goodbye: Duration,
}

/// Carries a connection on until it ends, or until our patience does.
///
/// Where nothing has been asked for too long it is told (`finish`) that nothing more will be answered; what is under way
/// may still be finished, and when that, too, has taken too long it is closed. So a client that does not take its
/// answer, or that never ends the head of a request, has no place forever. `stopping` is closed when nothing more is to be
/// asked.
pub(crate) async fn attend<C, E>(
    connection: C,
    mut finish: impl FnMut(Pin<&mut C>),
    activity: &Activity,
    patience: Patience,
    mut stopping: watch::Receiver<()>,
) where
    C: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    let mut connection = std::pin::pin!(connection);
    let mut finishing = false;
    let mut look_at = Instant::now() + patience.quiet;
    loop {
        tokio::select! {
            outcome = &mut connection => {
                if let Err(reason) = outcome {
                    tracing::debug!(%reason, "connection ended");
                }
                return;
            }
            _ = stopping.changed(), if !finishing => {
                finishing = true;
                finish(connection.as_mut());
            }
            () = sleep_until(look_at) => {
                let now = Instant::now();
                let quiet_until = activity.quiet_since().map(|since| since + patience.quiet);
                match quiet_until {
                    Some(until) if until <= now && finishing => {
                        tracing::debug!("connection closed: the client neither asks nor takes its answer");
                        return;
                    }
                    Some(until) if until <= now => {
                        finishing = true;
                        finish(connection.as_mut());
                        look_at = now + patience.goodbye;
                    }
                    Some(until) => look_at = until,
                    None => look_at = now + patience.quiet,
                }
            }
        }
    }
}

/// What a connection is asked.
#[derive(Debug)]
pub(crate) struct Activity {
    under_way: AtomicUsize,
    last: Mutex<Instant>,
}

impl Activity {
    /// Nothing yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { under_way: AtomicUsize::new(0), last: Mutex::new(Instant::now()) })
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        UnderWay(Arc::clone(self))
    }

    /// Since when nothing is under way; `None` while something is.
    fn quiet_since(&self) -> Option<Instant> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (self.under_way.load(Ordering::SeqCst) == 0).then_some(last)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn who_asks_nothing_is_told_so_and_then_closed() {
        let patience = Patience { quiet: Duration::from_millis(5), goodbye: Duration::from_millis(1) };
        let (_stop, stopping) = watch::channel(());
        let (activity, told) = (Activity::new(), Cell::new(0));
        let asked = activity.begin();
        let deaf = std::future::pending::<Result<(), String>>();
        let attended = attend(deaf, |_| told.set(told.get() + 1), &activity, patience, stopping);
        let mut attended = std::pin::pin!(attended);
        let long = timeout(10 * patience.quiet, attended.as_mut()).await;
        assert_eq!((long.is_err(), told.get()), (true, 0), "what is asked may last");
        drop(asked);
        attended.await;
        assert_eq!(told.get(), 1);
    }
}
