//! Fetching audio for the switch: over the network, decoded, and made ready for the audio plane, all in the
//! background.

use std::sync::Arc;

use media::Pages;
use sound::{Fetcher, Method, Request};
use switch::{AudioMethod, AudioUrl, Event, FetchFailed, FetchId};
use tokio::runtime::Handle;

use crate::run_loop::{Inbox, Input};

/// Starts fetches and brings what they find into the run loop. The fetcher bounds how many run at once.
pub(crate) struct Fetches {
    fetcher: Arc<Fetcher>,
    runtime: Handle,
    inbox: Inbox,
}

/// Our own failure, in the contract's codes.
const CODE_OURS: u32 = 12400;

impl Fetches {
    pub(crate) fn new(fetcher: Fetcher, runtime: Handle, inbox: Inbox) -> Self {
        Self { fetcher: Arc::new(fetcher), runtime, inbox }
    }

    /// Answered by [`Event::Fetched`], exactly once.
    pub(crate) fn start(&self, fetch: FetchId, url: AudioUrl) {
        let (fetcher, inbox) = (Arc::clone(&self.fetcher), self.inbox.clone());
        self.runtime.spawn(async move {
            let outcome = pages(&fetcher, url).await;
            inbox.send(Input::Event(Event::Fetched { fetch, outcome })).await;
        });
    }
}

async fn pages(fetcher: &Fetcher, url: AudioUrl) -> Result<Arc<Pages>, FetchFailed> {
    let method = match url.method {
        AudioMethod::Get => Method::Get,
        AudioMethod::Post => Method::Post,
    };
    let clip = fetcher
        .sound(Request::new(method, url.url.clone()))
        .await
        .map_err(|error| FetchFailed { code: error.code(), reason: format!("{}: {error}", url.url) })?;
    // Resampling to every rate takes a while: not on a thread that serves sockets.
    tokio::task::spawn_blocking(move || Arc::new(Pages::new(&clip)))
        .await
        .map_err(|error| FetchFailed { code: CODE_OURS, reason: format!("{}: {error}", url.url) })
}
