//! Which callbacks have been told of late: a request that is to come after one of them waits for it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use switch::webhook::CallbackId;
use tokio::sync::Notify;

/// The last so many, and who waits for the next.
#[derive(Debug, Default)]
pub(super) struct Told {
    last: Mutex<VecDeque<CallbackId>>,
    news: Notify,
}

impl Told {
    /// It was answered, or given up.
    pub(super) fn note(&self, callback: CallbackId) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LAST_MAX {
            last.pop_front();
        }
        last.push_back(callback);
        drop(last);
        self.news.notify_waiters();
    }

    /// Until it was, or for so long.
    pub(super) async fn wait(&self, callback: CallbackId, patience: Duration) {
        let told = async {
            loop {
                let news = self.news.notified();
                if self.last.lock().unwrap_or_else(PoisonError::into_inner).contains(&callback) {
                    return;
                }
                news.await;
            }
        };
        if tokio::time::timeout(patience, told).await.is_err() {
            tracing::debug!("what was to be told first takes too long");
        }
    }
}

/// More than there are callbacks under way at once.
const LAST_MAX: usize = 4_096;
/// How long a request waits for what is to be told first: its call hears silence meanwhile.
pub(super) const TOLD_PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_goes_on_when_it_was_told_or_not_for_too_long() {
        let told = Told::default();
        let [before, after, never] = [1, 2, 3].map(CallbackId);
        told.note(before);
        told.wait(before, TOLD_PATIENCE).await;
        let mut waiting = Box::pin(told.wait(after, Duration::MAX));
        told.wait(never, Duration::ZERO).await;
        tokio::select! {
            biased;
            () = &mut waiting => panic!("it has not been told"),
            () = tokio::task::yield_now() => told.note(after),
        }
        waiting.await;
        (0..LAST_MAX as u128 + 10).for_each(|number| told.note(CallbackId(number)));
        assert_eq!(told.last.lock().expect("nobody panics").len(), LAST_MAX);
    }
}
