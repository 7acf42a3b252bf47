//! Turns: how many exchanges at once, of one host and of all, and how many wait.
//!
//! Each host has turns of its own, so that one that hangs holds up nobody else: whoever waits for it takes none of
//! what all share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::error::FetchError;

/// Bounds of exchanges under way and waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnBounds {
    /// Under way.
    pub concurrent_max: usize,
    /// Under way with one host and port.
    pub concurrent_per_host_max: usize,
    /// Waiting for their turn.
    pub waiting_max: usize,
    /// Waiting for one host and port.
    pub waiting_per_host_max: usize,
    /// How long one waits.
    pub waiting_timeout: Duration,
}

/// Whose turn it is.
#[derive(Debug)]
pub struct Turns {
    bounds: TurnBounds,
    /// Exchanges under way and waiting; none free means [`FetchError::Busy`].
    places: Arc<Semaphore>,
    /// Exchanges under way.
    slots: Arc<Semaphore>,
    /// Host and port as the application wrote them: a redirect stays in the turn of where it began. No more than there
    /// are exchanges: whoever enters clears away those that nobody asks any more.
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// One exchange's turn, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _place: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
    _slot: OwnedSemaphorePermit,
}

impl Turns {
    /// Nothing under way.
    pub fn new(bounds: TurnBounds) -> Self {
        let places = Arc::new(Semaphore::new(bounds.concurrent_max + bounds.waiting_max));
        let slots = Arc::new(Semaphore::new(bounds.concurrent_max));
        Self { bounds, places, slots, hosts: Mutex::default() }
    }

    /// Waits for a turn with the host of `url`.
    ///
    /// # Errors
    /// [`FetchError::Busy`], at once when too many wait already, later when it takes too long.
    pub async fn take(&self, url: &Url) -> Result<Turn, FetchError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| FetchError::Busy)?;
        let host = self.enter(url)?;
        // First the host's: while it hangs, those who wait for it take none of the others'.
        let both = async { (host.acquire_owned().await, Arc::clone(&self.slots).acquire_owned().await) };
        match tokio::time::timeout(self.bounds.waiting_timeout, both).await {
            Ok((Ok(host), Ok(slot))) => Ok(Turn { _place: place, _host: host, _slot: slot }),
            _ => Err(FetchError::Busy),
        }
    }

    /// Exchanges under way and waiting.
    pub fn taken(&self) -> usize {
        self.bounds.concurrent_max + self.bounds.waiting_max - self.places.available_permits()
    }

    /// Hosts that somebody asks or waits for.
    pub fn hosts(&self) -> usize {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.values().filter(|slots| slots.strong_count() > 0).count()
    }

    /// The slots of the host of `url`, unless too many wait for them.
    fn enter(&self, url: &Url) -> Result<Arc<Semaphore>, FetchError> {
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
        let host = format!("{host}:{port}");
        let places_max = self.bounds.concurrent_per_host_max + self.bounds.waiting_per_host_max;
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|_, slots| slots.strong_count() > 0);
        if let Some(slots) = hosts.get(&host).and_then(Weak::upgrade) {
            return if Arc::strong_count(&slots) > places_max { Err(FetchError::Busy) } else { Ok(slots) };
        }
        let slots = Arc::new(Semaphore::new(self.bounds.concurrent_per_host_max));
        hosts.insert(host, Arc::downgrade(&slots));
        Ok(slots)
    }
}
