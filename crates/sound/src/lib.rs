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
mod decode;
mod fetch;
mod lru;
mod mp3;
mod speak;
mod wav;

pub use builtin::{beep, hold_music};
pub use decode::{DecodeError, decode};
pub use fetch::{FetchConfig, Fetched, Fetcher, Method, Request};
pub use lru::Lru;
pub use speak::{SpeakConfig, SpeakError, SpeakWarning, Speaker, Spoken, Utterance};
pub use web::{FetchError, without_secrets};
