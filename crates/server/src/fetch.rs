//! Audio for the switch: from over the network, decoded, or spoken, and made ready for the audio plane, all in the
//! background.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use media::Pages;
use sound::{CachedFetcher, Fetcher, Genre, Request, SpeakError, SpeakWarning, Speaker, Utterance, without_secrets};
use switch::webhook::SoundFile;
use switch::{AudioUrl, Event, FetchFailed, FetchId, HttpMethod};
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
    /// The same for what may be used again.
    cached: CachedFetcher,
    library: Library,
    /// At most one of each, 2 to 6 MB.
    genres: Arc<Mutex<HashMap<Genre, Arc<Pages>>>>,
}

/// Fetched sound in memory, 20 bytes for each sample at 8 kHz: 55 minutes of different sounds.
const SOUND_BYTES_MAX: usize = 512 << 20;

/// The same of what was spoken lately: 7 minutes.
const SPEECH_BYTES_MAX: usize = 64 << 20;

impl Fetches {
    pub(crate) fn new(fetcher: Fetcher, speaker: Speaker, runtime: Handle, inbox: Inbox) -> Self {
        let cached = CachedFetcher::new(fetcher.clone());
        let sources = Sources { fetcher, cached, library: Library::new(SOUND_BYTES_MAX), genres: Arc::default() };
        Self { sources, speech: Speech::new(speaker, SPEECH_BYTES_MAX), runtime, inbox }
    }

    /// Answered by [`Event::Fetched`], exactly once. What is there already is not fetched.
    pub(crate) fn start(&self, fetch: FetchId, url: AudioUrl, file: Option<SoundFile>) {
        let (sources, inbox) = (self.sources.clone(), self.inbox.clone());
        self.runtime.spawn(async move {
            let outcome = match file {
                Some(file) => sources.pages_of(file, &url.url).await,
                None => sources.pages(url).await,
            };
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
        // The reason is logged.
        let failed = |code, why: String| FetchFailed { code, reason: format!("{}: {why}", without_secrets(&url)) };
        if let Some(genre) = Genre::at(&url) {
            return self.music(genre).await.map_err(|why| failed(12_400, why));
        }
        let fetched = match method {
            HttpMethod::Get => self.cached.get(&url, Instant::now).await,
            HttpMethod::Post => self.fetcher.fetch(Request::new(method, url.clone())).await,
        };
        let fetched = fetched.map_err(|error| failed(error.code(), error.to_string()))?;
        let content_type = fetched.content_type.clone();
        let file = fetched.required_body().map_err(|error| failed(error.code(), error.to_string()))?;
        self.library.pages(file, content_type).await.map_err(|error| failed(error.code(), error.to_string()))
    }

    /// The sound that came from a URL.
    async fn pages_of(&self, file: SoundFile, url: &str) -> Result<Arc<Pages>, FetchFailed> {
        let SoundFile { bytes, content_type } = file;
        let pages = self.library.pages(bytes, Some(content_type)).await;
        pages.map_err(|why| FetchFailed { code: why.code(), reason: format!("{}: {why}", without_secrets(url)) })
    }

    /// The music of a genre, which is made when it is first asked for and kept.
    async fn music(&self, genre: Genre) -> Result<Arc<Pages>, String> {
        let made = |pages: &HashMap<Genre, Arc<Pages>>| pages.get(&genre).cloned();
        if let Some(pages) = made(&self.genres.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(pages);
        }
        let pages = tokio::task::spawn_blocking(move || Arc::new(Pages::new(&genre.music()))).await;
        let pages = pages.map_err(|error| error.to_string())?;
        // Of two who make it at once, one's is used by all who come later.
        Ok(self.genres.lock().unwrap_or_else(PoisonError::into_inner).entry(genre).or_insert(pages).clone())
    }
}
