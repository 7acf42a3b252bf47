//! Text to speech.
//!
//! ```text
//! text, voice, language ─▶ voice table ─▶ its turn ─▶ an operator's service, if there is one
//!                                                  └▶ flite (English) · espeak-ng (a hundred languages) ─▶ Clip
//! ```
//! Engines are programs that the operating system packages, run once a text and bounded in number and time; or a service
//! that takes `{"text", "ssml", "voice", "language"}` and answers with a sound. Where one is missing or fails, the next one
//! speaks: a caller would rather hear another voice than nothing.

mod process;
mod ssml;
mod voice;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use model::Clip;
use tokio::sync::Semaphore;
use web::header::{self, HeaderMap, HeaderValue};
use web::{Connecting, Method, Url, Web};

use crate::decode::{DecodeError, decode};
use process::ProcessError;
use ssml::{Piece, Plain};
use voice::{Choice, Gender};

/// What is to be said, and by whom. Equal ones sound the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Utterance {
    /// The text; SSML, with or without its `<speak>`, if so marked.
    pub text: String,
    /// The text is SSML.
    pub ssml: bool,
    /// As TwiML names it; may be empty.
    pub voice: String,
    /// BCP 47; may be empty.
    pub language: String,
}

/// What came of it.
#[derive(Debug)]
pub struct Spoken {
    /// What could not be as it was asked for, by the contract's codes; the text is spoken all the same.
    pub warnings: Vec<SpeakWarning>,
    /// The sound.
    pub outcome: Result<Clip, SpeakError>,
}

/// Something that could not be as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeakWarning {
    /// 13511 (voice), 13512 (language), 13520 (the service failed) or 13521 (too long).
    pub code: u32,
    /// For the log.
    pub reason: String,
}

/// Why nothing was spoken; all are 13520.
#[derive(Debug, thiserror::Error)]
pub enum SpeakError {
    /// There is nothing in it that could be spoken.
    #[error("there is no word in the text")]
    NoWords,
    /// Too much is to be spoken.
    #[error("too much is being spoken at once")]
    Busy,
    /// Nothing that could speak.
    #[error("neither flite nor espeak-ng is installed, and no service is set")]
    NoEngine,
    /// The program or the service failed.
    #[error("{0}")]
    Engine(String),
    /// What it answered is no sound.
    #[error("what came of the text: {0}")]
    Sound(#[from] DecodeError),
}

impl SpeakError {
    /// The code it is logged with (`contract/vectors/errors.json`).
    pub fn code(&self) -> u32 {
        13_520
    }
}

/// Who speaks, and within which bounds.
#[derive(Debug, Clone)]
pub struct SpeakConfig {
    /// A service of the operator's that speaks before anybody else does.
    pub service: Option<Url>,
    /// The program; found on the path.
    pub flite: PathBuf,
    /// The program; found on the path.
    pub espeak: PathBuf,
    /// Texts spoken at once; 2: the audio threads need the cores more.
    pub concurrent_max: usize,
    /// Texts waiting for their turn; 256.
    pub waiting_max: usize,
    /// How long one waits for its turn before it fails; 10 s.
    pub waiting_timeout: Duration,
    /// For one text, all of its pieces and its wait for a turn together; 20 s.
    pub timeout: Duration,
}

impl Default for SpeakConfig {
    fn default() -> Self {
        Self {
            service: None,
            flite: "flite".into(),
            espeak: "espeak-ng".into(),
            concurrent_max: 2,
            waiting_max: 256,
            waiting_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(20),
        }
    }
}

/// All that speaks.
pub struct Speaker {
    config: SpeakConfig,
    /// The way to the service. It is the operator's own choice where that leads.
    web: Web,
    has_flite: bool,
    has_espeak: bool,
    places: Semaphore,
    slots: Semaphore,
}

impl Speaker {
    /// Looks for the engines. `web`: the way to the service, if there is one.
    pub async fn start(config: SpeakConfig, web: Web) -> Self {
        // flite says its version and calls that a failure.
        let has = async |program: &PathBuf| {
            let outcome = process::run(program, &["--version"], "", STARTING_MAX).await;
            matches!(outcome, Ok(_) | Err(ProcessError::Failed { .. }))
        };
        let has_flite = has(&config.flite).await;
        let has_espeak = has(&config.espeak).await;
        let (places, slots) =
            (Semaphore::new(config.concurrent_max + config.waiting_max), Semaphore::new(config.concurrent_max));
        Self { config, web, has_flite, has_espeak, places, slots }
    }

    /// What there ought to be and is not, in words for the log.
    pub fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if !self.has_flite {
            missing.push("flite is not installed: English is spoken by espeak-ng");
        }
        if !self.has_espeak {
            missing.push("espeak-ng is not installed: every language is spoken as if it were English");
        }
        if missing.len() == 2 && self.config.service.is_none() {
            missing = vec!["neither flite nor espeak-ng is installed: <Say> is silent"];
        }
        missing
    }

    /// Speaks a text. Takes from 20 ms to seconds.
    pub async fn speak(&self, utterance: &Utterance) -> Spoken {
        let mut warnings = Vec::new();
        let mut warn = |code, reason: String| warnings.push(SpeakWarning { code, reason });
        let Utterance { text, ssml, voice, language } = utterance;
        let choice = voice::choose(voice, language);
        if !choice.knows_voice {
            warn(13_511, format!("the voice {voice:?} is not known"));
        }
        if !choice.knows_language {
            let asked = if language.is_empty() { voice } else { language };
            warn(13_512, format!("the language {asked:?} is not known: spoken as {}", choice.language));
        }
        let (pieces, cut) = if *ssml {
            ssml::read(text, TEXT_CHARACTERS_MAX)
        } else {
            let kept: String = text.chars().take(TEXT_CHARACTERS_MAX).collect();
            let cut = kept.len() < text.len();
            (vec![Piece::Text(kept)], cut)
        };
        if cut {
            warn(13_521, format!("only the first {TEXT_CHARACTERS_MAX} characters are spoken"));
        }
        let has_words =
            pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains(char::is_alphanumeric)));
        if !has_words {
            return Spoken { warnings, outcome: Err(SpeakError::NoWords) };
        }
        let Ok(_place) = self.places.try_acquire() else {
            return Spoken { warnings, outcome: Err(SpeakError::Busy) };
        };
        let deadline = Instant::now() + self.config.timeout;
        let waiting = self.config.waiting_timeout.min(self.config.timeout);
        let Ok(_turn) = tokio::time::timeout(waiting, self.slots.acquire()).await else {
            return Spoken { warnings, outcome: Err(SpeakError::Busy) };
        };
        if let Some(service) = &self.config.service {
            // Half of the time that is left, or nobody could speak in its place.
            let timeout = left(deadline) / 2;
            match self.ask(service, &pieces, utterance, &choice, timeout).await {
                Ok(clip) => return Spoken { warnings, outcome: Ok(clip) },
                Err(error) => warn(13_520, format!("the speech service failed, so another engine speaks: {error}")),
            }
        }
        let english = voice::flite_voice(choice.gender, &choice.language);
        let outcome = match english {
            Some(voice) if self.has_flite => self.flite(voice, &pieces, deadline).await,
            _ if self.has_espeak => self.espeak(&choice, &pieces, *ssml, deadline).await,
            _ if self.has_flite => {
                warn(13_512, format!("nothing here speaks {}: spoken as English", choice.language));
                let voice = voice::flite_voice(choice.gender, voice::LANGUAGE_DEFAULT).unwrap_or("slt");
                self.flite(voice, &pieces, deadline).await
            }
            _ => Err(SpeakError::NoEngine),
        };
        Spoken { warnings, outcome }
    }

    async fn flite(&self, voice: &str, pieces: &[Piece], deadline: Instant) -> Result<Clip, SpeakError> {
        let mut whole = Clip { rate_hz: 0, samples: Vec::new() };
        let mut pause_ms = 0;
        for piece in ssml::to_plain(pieces) {
            match piece {
                Plain::Pause(length) => pause_ms += length.as_millis() as usize,
                Plain::Text(text) if !text.contains(char::is_alphanumeric) => {}
                Plain::Text(text) => {
                    let arguments = ["-voice", voice, "-f", "/dev/stdin", "-o", "/dev/stdout"];
                    let clip = self.run(&self.config.flite, &arguments, &text, deadline).await?;
                    if whole.samples.is_empty() {
                        whole.rate_hz = clip.rate_hz;
                    }
                    pause(&mut whole, std::mem::take(&mut pause_ms));
                    whole.samples.extend(clip.samples);
                }
            }
        }
        pause(&mut whole, pause_ms);
        Ok(whole)
    }

    async fn espeak(
        &self,
        choice: &Choice,
        pieces: &[Piece],
        ssml: bool,
        deadline: Instant,
    ) -> Result<Clip, SpeakError> {
        let name = voice::espeak_voice(&choice.language).unwrap_or("en-us");
        let name = match choice.gender {
            Gender::Man => name.to_owned(),
            Gender::Woman => format!("{name}+f3"),
        };
        let mut arguments = vec!["--stdin", "--stdout", "-b", "1", "-v", &name];
        let text = if ssml {
            arguments.push("-m");
            ssml::to_document(pieces)
        } else {
            let text = pieces.iter().map(|piece| if let Piece::Text(text) = piece { text } else { "" });
            // Two brackets begin what it takes for phonemes.
            text.collect::<String>().replace("[[", "[ [")
        };
        self.run(&self.config.espeak, &arguments, &text, deadline).await
    }

    async fn run(&self, program: &Path, arguments: &[&str], text: &str, deadline: Instant) -> Result<Clip, SpeakError> {
        let file = process::run(program, arguments, text, left(deadline)).await;
        let file = file.map_err(|error: ProcessError| SpeakError::Engine(error.to_string()))?;
        decoded(file.into()).await
    }

    /// Asks the service.
    async fn ask(
        &self,
        service: &Url,
        pieces: &[Piece],
        utterance: &Utterance,
        choice: &Choice,
        timeout: Duration,
    ) -> Result<Clip, SpeakError> {
        let text = if utterance.ssml {
            ssml::to_document(pieces)
        } else {
            pieces.iter().map(|piece| if let Piece::Text(text) = piece { text } else { "" }).collect()
        };
        let language =
            if choice.knows_language && utterance.language.is_empty() { &choice.language } else { &utterance.language };
        let question = serde_json::json!({
            "text": text, "ssml": utterance.ssml, "voice": utterance.voice, "language": language,
        });
        let failed = |error: web::FetchError| SpeakError::Engine(error.to_string());
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let answer = async {
            let body = Some(Bytes::from(question.to_string()));
            let send = self.web.send(Connecting::default(), Method::POST, service, headers, body);
            let mut response = send.await.map_err(failed)?;
            if !response.status().is_success() {
                return Err(SpeakError::Engine(format!("HTTP status {}", response.status().as_u16())));
            }
            let mut body = BytesMut::new();
            while let Some(piece) = Web::piece(&mut response).await.map_err(failed)? {
                if body.len() + piece.len() > ANSWER_BYTES_MAX {
                    return Err(SpeakError::Engine(format!("more than {ANSWER_BYTES_MAX} bytes")));
                }
                body.extend_from_slice(&piece);
            }
            Ok(body.freeze())
        };
        let answer = tokio::time::timeout(timeout, answer).await;
        let late = |_| SpeakError::Engine(format!("no answer within {timeout:?}"));
        decoded(answer.map_err(late)??).await
    }
}

/// Decodes off the threads that serve sockets.
async fn decoded(file: Bytes) -> Result<Clip, SpeakError> {
    let clip = tokio::task::spawn_blocking(move || decode(&file)).await;
    // Only a fault in a decoder can end it like this.
    Ok(clip.unwrap_or(Err(DecodeError::NotAudio))?)
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn pause(clip: &mut Clip, ms: usize) {
    let samples = clip.samples.len() + ms * clip.rate_hz as usize / 1_000;
    clip.samples.resize(samples, 0);
}

/// What is spoken of a text (twiml §3).
const TEXT_CHARACTERS_MAX: usize = 4_096;

/// A service's answer: five minutes at 48 kHz.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// How long a program may take to say its version.
const STARTING_MAX: Duration = Duration::from_secs(5);

// In a file of their own: they make programs and a service to be heard.
#[cfg(test)]
mod tests;
