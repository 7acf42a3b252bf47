//! Played sound: fetched from a URL, decoded to one channel of PCM, spoken, or built in.
//!
//! - [`Fetcher`] gets the bytes behind a URL, within bounds.
//! - [`decode()`] turns the bytes of a WAV or MP3 file into a [`model::Clip`].
//! - [`Speaker`] turns text into speech, by programs or a service.
//! - [`hold_music`] and [`beep`] need neither.
//!
//! Floor 1: knows no calls and no rooms. What keeps fetched sound stands between [`Fetcher::fetch`] and
//! [`decode()`]: both are plain functions of what they are given.

mod builtin;
mod cache;
mod container;
mod decode;
mod fetch;
mod genre;
mod gsm;
mod lru;
mod mp3;
mod opus_track;
mod raw;
mod speak;
mod wav;

pub use builtin::{beep, hold_music};
pub use cache::CachedFetcher;
pub use decode::{DecodeError, decode, decode_as};
pub use fetch::{FetchConfig, Fetched, Fetcher, Request};
pub use genre::Genre;
pub use lru::Lru;
pub use speak::{SpeakConfig, SpeakError, SpeakWarning, Speaker, Spoken, Utterance};
pub use web::{FetchError, without_secrets};
