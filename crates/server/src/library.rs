//! Sounds in memory, each of them once.
//!
//! A file is fetched each time it is wanted, since it may have changed; but what has the same bytes is decoded
//! once and shared by all who play it, as long as one of them does:
//!
//! `body ─▶ already played? share ─▶ already being decoded? join ─▶ room for it? decode, two at a time`
//!
//! What is told apart by a keyed hash nobody can make two contents collide in.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use media::Pages;
use sound::DecodeError;
use tokio::sync::{OnceCell, Semaphore};

/// All fetched sounds that are playing or about to. A clone is the same library.
#[derive(Clone)]
pub(crate) struct Library {
    shared: Arc<Shared>,
}

struct Shared {
    bytes_max: usize,
    hasher: RandomState,
    decoders: Arc<Semaphore>,
    /// Bounded by `bytes_max`: those that are no more are cleared away before another is added.
    sounds: Mutex<HashMap<Key, Sound>>,
}

/// Hash and length of a file's content.
type Key = (u64, usize);

struct Sound {
    work: Weak<Work>,
    pages: Weak<Pages>,
    /// Of the file while it waits, then of its pages.
    bytes: usize,
}

/// A file to be decoded, by the first who waits for it.
struct Work {
    file: Bytes,
    outcome: OnceCell<Result<Arc<Pages>, LibraryError>>,
}

impl Library {
    /// A library that holds up to `bytes_max` bytes, of files to be decoded and pages made of them.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let (hasher, decoders) = (RandomState::new(), Arc::new(Semaphore::new(DECODERS_MAX)));
        Self { shared: Arc::new(Shared { bytes_max, hasher, decoders, sounds: Mutex::default() }) }
    }

    /// The sound that a file holds.
    pub(crate) async fn pages(&self, file: Bytes, content_type: Option<String>) -> Result<Arc<Pages>, LibraryError> {
        let key = (self.shared.hasher.hash_one((&file, &content_type)), file.len());
        match self.shared.enter(key, file)? {
            Entered::Ready(pages) => Ok(pages),
            Entered::Under(work) => {
                work.outcome.get_or_init(|| self.decode(key, work.file.clone(), content_type)).await.clone()
            }
        }
    }

    async fn decode(&self, key: Key, file: Bytes, content_type: Option<String>) -> Result<Arc<Pages>, LibraryError> {
        let turn = Arc::clone(&self.shared.decoders).acquire_owned().await;
        let shared = Arc::clone(&self.shared);
        // Decoding and resampling to every rate take a while: not on a thread that serves sockets.
        let work = tokio::task::spawn_blocking(move || {
            let _turn = turn; // until the end, even when nobody waits for it any more
            let clip = sound::decode_as(&file, content_type.as_deref())?;
            drop(file);
            shared.reserve(key, Pages::bytes_of(&clip))?;
            let pages = Arc::new(Pages::new(&clip));
            shared.keep(key, &pages);
            Ok(pages)
        });
        // Only a fault in a decoder can end it like this; the file is then no file we can play.
        work.await.unwrap_or(Err(LibraryError::Decode(DecodeError::NotAudio)))
    }
}

enum Entered {
    Ready(Arc<Pages>),
    Under(Arc<Work>),
}

impl Shared {
    fn enter(&self, key: Key, file: Bytes) -> Result<Entered, LibraryError> {
        self.with_sounds(|sounds| {
            if let Some(sound) = sounds.get(&key) {
                if let Some(pages) = sound.pages.upgrade() {
                    return Ok(Entered::Ready(pages));
                }
                if let Some(work) = sound.work.upgrade() {
                    return Ok(Entered::Under(work));
                }
            }
            self.check(sounds, key, file.len())?;
            let bytes = file.len();
            let work = Arc::new(Work { file, outcome: OnceCell::new() });
            sounds.insert(key, Sound { work: Arc::downgrade(&work), pages: Weak::new(), bytes });
            Ok(Entered::Under(work))
        })
    }

    /// Takes the room for pages before they are made.
    fn reserve(&self, key: Key, bytes: usize) -> Result<(), LibraryError> {
        self.with_sounds(|sounds| {
            self.check(sounds, key, bytes)?;
            // Absent when all who waited for it have gone.
            sounds.get_mut(&key).into_iter().for_each(|sound| sound.bytes = bytes);
            Ok(())
        })
    }

    fn keep(&self, key: Key, pages: &Arc<Pages>) {
        self.with_sounds(|sounds| {
            if let Some(sound) = sounds.get_mut(&key) {
                (sound.pages, sound.bytes) = (Arc::downgrade(pages), pages.bytes());
            }
        });
    }

    /// Whether there is room for `bytes` of one sound beside all others.
    fn check(&self, sounds: &HashMap<Key, Sound>, key: Key, bytes: usize) -> Result<(), LibraryError> {
        let others: usize = sounds.iter().filter(|(other, _)| **other != key).map(|(_, sound)| sound.bytes).sum();
        if others + bytes > self.bytes_max {
            return Err(LibraryError::Full { bytes_max: self.bytes_max });
        }
        Ok(())
    }

    /// The sounds that are still wanted.
    fn with_sounds<T>(&self, act: impl FnOnce(&mut HashMap<Key, Sound>) -> T) -> T {
        let mut sounds = self.sounds.lock().unwrap_or_else(PoisonError::into_inner);
        sounds.retain(|_, sound| sound.work.strong_count() > 0 || sound.pages.strong_count() > 0);
        act(&mut sounds)
    }
}

/// Why a file gives no sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LibraryError {
    /// It cannot be played.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Other sounds take all the room.
    #[error("the sounds being played take all of the {} MiB there are for them", bytes_max >> 20)]
    Full {
        /// The room.
        bytes_max: usize,
    },
}

impl LibraryError {
    /// The code it is logged with (`contract/vectors/errors.json`).
    pub(crate) fn code(&self) -> u32 {
        match self {
            Self::Decode(_) => 13_420,   // content that cannot be played
            Self::Full { .. } => 12_400, // our own failure
        }
    }
}

/// Sounds decoded at once: the audio threads need the cores more than a queue of long files does.
const DECODERS_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    const ROOM: usize = 1 << 20;

    /// A WAV file of so many samples of silence at 8 kHz, and `mark` at its end.
    fn file(samples: u32, mark: u8) -> Bytes {
        let mut file =
            b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x07\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data".to_vec();
        file.extend(samples.to_le_bytes());
        file.resize(file.len() + samples as usize - 1, 0xff);
        file.push(mark);
        file.into()
    }

    fn sounds(library: &Library) -> Vec<usize> {
        library.shared.with_sounds(|sounds| sounds.values().map(|sound| sound.bytes).collect())
    }

    #[tokio::test]
    async fn the_same_content_is_shared_while_somebody_plays_it() {
        let library = Library::new(ROOM);
        let first = library.pages(file(800, 1), None).await.expect("a sound");
        let again = library.pages(file(800, 1), None).await.expect("a sound");
        let other = library.pages(file(800, 2), None).await.expect("a sound");
        assert!(Arc::ptr_eq(&first, &again) && !Arc::ptr_eq(&first, &other));
        assert_eq!(sounds(&library), [first.bytes(), other.bytes()]);
        drop((first, again, other));
        assert!(sounds(&library).is_empty());
    }

    #[tokio::test]
    async fn whoever_comes_while_it_is_decoded_joins() {
        let library = Library::new(ROOM);
        // Nothing is decoded before all have come.
        let decoders = library.shared.decoders.acquire_many(DECODERS_MAX as u32).await.expect("open");
        let mut all: Vec<_> = (0..100).map(|_| Box::pin(library.pages(file(800, 1), None))).collect();
        let pending = poll_fn(|cx| Poll::Ready(all.iter_mut().all(|one| one.as_mut().poll(cx).is_pending()))).await;
        assert!(pending);
        assert_eq!(sounds(&library), [file(800, 1).len()], "one file waits");
        drop(decoders);
        drop(all.remove(0)); // the first gives up: the next takes over
        let mut heard = Vec::new();
        for one in all {
            heard.push(one.await.expect("a sound"));
        }
        assert!(heard.iter().all(|pages| Arc::ptr_eq(pages, &heard[0])));
        assert_eq!(sounds(&library), [heard[0].bytes()]);
    }

    #[tokio::test]
    async fn what_exceeds_the_room_is_refused_until_there_is_some() {
        let library = Library::new(ROOM);
        let full = LibraryError::Full { bytes_max: ROOM };
        let half = library.pages(file(30_000, 1), None).await.expect("600 kB of pages");
        assert_eq!(library.pages(file(30_000, 2), None).await.err(), Some(full.clone()));
        assert_eq!(sounds(&library), [half.bytes()], "what was refused leaves nothing");
        assert!(library.pages(file(30_000, 1), None).await.is_ok(), "shared, which costs nothing");
        assert!(library.pages(file(800, 3), None).await.is_ok(), "small enough");
        drop(half);
        assert!(library.pages(file(30_000, 2), None).await.is_ok());
        assert_eq!(library.pages(vec![0; ROOM + 1].into(), None).await.err(), Some(full), "not even decoded");
    }

    #[tokio::test]
    async fn what_is_not_audio_is_an_error_and_forgotten() {
        let library = Library::new(ROOM);
        let error = library.pages(Bytes::from_static(b"<html>"), None).await.expect_err("a page");
        assert_eq!(
            (error.code(), error.to_string()),
            (13_420, "no WAV, MP3, AIFF, AU, FLAC, Ogg or GSM file".to_owned())
        );
        assert!(sounds(&library).is_empty());
    }
}
