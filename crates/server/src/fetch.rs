//! Audio for the switch: from over the network, decoded, or spoken, and made ready for the audio plane, all in the
//! background.

use std::sync::Arc;

use media::Pages;
use sound::{Fetcher, Method, Request, SpeakError, SpeakWarning, Speaker, Utterance, without_secrets};
use switch::{AudioMethod, AudioUrl, Event, FetchFailed, FetchId};
use tokio::runtime::Handle;

use crate::library::Library;
use crate::run_loop::{Inbox, Input};
use crate::spoken::Speech;

/// Starts fetches and brings what they find into the run loop. The fetcher bounds how many run at once, the
/// library how much they leave in memory.
pub(crate) struct Fetches {
    sources: Sources,
    speech: Speech,
    runtime: Handle,
    inbox: Inbox,
}

#[derive(Clone)]
struct Sources {
    fetcher: Fetcher,
    library: Library,
}

/// Fetched sound in memory, 20 bytes for each sample at 8 kHz: 55 minutes of different sounds.
const SOUND_BYTES_MAX: usize = 512 << 20;

/// The same of what was spoken lately: 7 minutes.
const SPEECH_BYTES_MAX: usize = 64 << 20;

impl Fetches {
    pub(crate) fn new(fetcher: Fetcher, speaker: Speaker, runtime: Handle, inbox: Inbox) -> Self {
        let sources = Sources { fetcher, library: Library::new(SOUND_BYTES_MAX) };
        Self { sources, speech: Speech::new(speaker, SPEECH_BYTES_MAX), runtime, inbox }
    }

    /// Answered by [`Event::Fetched`], exactly once.
    pub(crate) fn start(&self, fetch: FetchId, url: AudioUrl) {
        let (sources, inbox) = (self.sources.clone(), self.inbox.clone());
        self.runtime.spawn(async move {
            let outcome = sources.pages(url).await;
            inbox.send(Input::Event(Event::Fetched { fetch, outcome })).await;
        });
    }

    /// Answered by [`Event::Fetched`], exactly once.
    pub(crate) fn speak(&self, fetch: FetchId, utterance: Utterance) {
        let (speech, inbox) = (self.speech.clone(), self.inbox.clone());
        self.runtime.spawn(async move {
            let said = speech.say(utterance).await;
            for SpeakWarning { code, reason } in said.warnings.clone() {
                inbox.send(Input::Event(Event::FetchWarning { fetch, code, reason })).await;
            }
            let failed = |error: &SpeakError| FetchFailed { code: error.code(), reason: error.to_string() };
            let outcome = said.outcome.as_ref().map(Arc::clone).map_err(failed);
            inbox.send(Input::Event(Event::Fetched { fetch, outcome })).await;
        });
    }
}

impl Sources {
    async fn pages(&self, AudioUrl { url, method }: AudioUrl) -> Result<Arc<Pages>, FetchFailed> {
        let method = match method {
            AudioMethod::Get => Method::Get,
            AudioMethod::Post => Method::Post,
        };
        // The reason is logged.
        let failed = |code, why: String| FetchFailed { code, reason: format!("{}: {why}", without_secrets(&url)) };
        let fetched = self.fetcher.fetch(Request::new(method, url.clone())).await;
        let file = fetched.and_then(|f| f.required_body()).map_err(|error| failed(error.code(), error.to_string()))?;
        self.library.pages(file).await.map_err(|error| failed(error.code(), error.to_string()))
    }
}
