//! What was spoken lately, so that a sentence that callers hear all day is spoken once.
//!
//! `utterance ─▶ spoken before? share ─▶ being spoken? join ─▶ speak, make pages, keep`

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use media::Pages;
use sound::{Lru, SpeakError, SpeakWarning, Speaker, Spoken, Utterance};
use tokio::sync::OnceCell;

/// All that speaks, and what it said. A clone is the same.
#[derive(Clone)]
pub(crate) struct Speech {
    shared: Arc<Shared>,
}

struct Shared {
    speaker: Speaker,
    shelf: Mutex<Shelf>,
}

struct Shelf {
    said: Lru<Utterance, Arc<Said>>,
    /// Bounded by the speaker's own bound: those that nobody waits for are cleared away.
    under_way: HashMap<Utterance, Weak<OnceCell<Arc<Said>>>>,
}

/// What came of an utterance.
pub(crate) struct Said {
    /// In the contract's codes.
    pub(crate) warnings: Vec<SpeakWarning>,
    /// The sound.
    pub(crate) outcome: Result<Arc<Pages>, SpeakError>,
}

impl Speech {
    /// Keeps up to `bytes_max` of what `speaker` says.
    pub(crate) fn new(speaker: Speaker, bytes_max: usize) -> Self {
        let shelf = Mutex::new(Shelf { said: Lru::new(bytes_max), under_way: HashMap::new() });
        Self { shared: Arc::new(Shared { speaker, shelf }) }
    }

    /// Speaks, or remembers having spoken.
    pub(crate) async fn say(&self, utterance: Utterance) -> Arc<Said> {
        let work = match self.shared.enter(&utterance) {
            Ok(said) => return said,
            Err(work) => work,
        };
        let speak = async {
            let Spoken { warnings, outcome } = self.shared.speaker.speak(&utterance).await;
            let outcome = match outcome {
                Ok(clip) => {
                    // Resampling takes a while, too.
                    let pages = tokio::task::spawn_blocking(move || Arc::new(Pages::new(&clip))).await;
                    pages.map_err(|error| SpeakError::Engine(error.to_string()))
                }
                Err(error) => Err(error),
            };
            Arc::new(Said { warnings, outcome })
        };
        let said = work.get_or_init(|| speak).await.clone();
        self.shared.keep(utterance, &said);
        said
    }
}

impl Shared {
    fn enter(&self, utterance: &Utterance) -> Result<Arc<Said>, Arc<OnceCell<Arc<Said>>>> {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(said) = shelf.said.get(utterance) {
            return Ok(said.clone());
        }
        if let Some(work) = shelf.under_way.get(utterance).and_then(Weak::upgrade) {
            return Err(work);
        }
        shelf.under_way.retain(|_, work| work.strong_count() > 0);
        let work = Arc::default();
        shelf.under_way.insert(utterance.clone(), Arc::downgrade(&work));
        Err(work)
    }

    /// What failed is tried anew the next time; so is what a service should have said.
    fn keep(&self, utterance: Utterance, said: &Arc<Said>) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.under_way.remove(&utterance);
        if let Ok(pages) = &said.outcome
            && said.warnings.iter().all(|warning| warning.code != SERVICE_FAILED)
        {
            let bytes = pages.bytes() + utterance.text.len();
            shelf.said.insert(utterance, said.clone(), bytes);
        }
    }
}

/// The warning that another than the operator's service has spoken.
const SERVICE_FAILED: u32 = 13_520;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use sound::SpeakConfig;
    use web::{Web, WebConfig};

    use super::*;

    /// A speaker whose engine writes a line for each text, and what it was asked.
    async fn speech(folder: &std::path::Path, bytes_max: usize) -> Speech {
        let engine = folder.join("flite");
        let (asked, sound) = (folder.join("asked"), folder.join("sound.wav"));
        let mut wav =
            b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x07\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data".to_vec();
        wav.extend(800_u32.to_le_bytes());
        wav.resize(wav.len() + 800, 0xff);
        fs::write(&sound, wav).expect("written");
        let (asked, sound) = (asked.display(), sound.display());
        let script = format!("#!/bin/sh\n[ \"$1\" = --version ] && exit 0\n(cat; echo) >> {asked}\ncat {sound}\n");
        fs::write(&engine, script).expect("written");
        fs::set_permissions(&engine, Permissions::from_mode(0o700)).expect("executable");
        let config = SpeakConfig { flite: engine, espeak: folder.join("none"), ..SpeakConfig::default() };
        let web = Web::new(&WebConfig::default()).expect("a way out");
        Speech::new(Speaker::start(config, web).await, bytes_max)
    }

    fn utterance(text: &str) -> Utterance {
        Utterance { text: text.to_owned(), ssml: false, voice: String::new(), language: String::new() }
    }

    #[tokio::test]
    async fn what_was_said_lately_is_not_spoken_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let speech = speech(folder.path(), 40_000).await; // two of them
        let pages = async |text| speech.say(utterance(text)).await.outcome.as_ref().expect("a sound").clone();
        let (first, meanwhile) = tokio::join!(pages("one"), pages("one"));
        let again = pages("one").await;
        assert!(Arc::ptr_eq(&first, &meanwhile) && Arc::ptr_eq(&first, &again));
        pages("two").await;
        pages("three").await;
        pages("one").await;
        let asked = fs::read_to_string(folder.path().join("asked")).expect("asked");
        assert_eq!(asked, "one\ntwo\nthree\none\n");
        let silent = speech.say(utterance("!")).await;
        assert_eq!(silent.outcome.as_ref().err().map(SpeakError::code), Some(13_520));
        assert!(speech.shared.shelf.lock().expect("no panic inside").under_way.is_empty());
    }
}
