//! Played sound: fetched from a URL, decoded to one channel of PCM, or built in.
//!
//! - [`Fetcher`] gets the bytes behind a URL, within bounds.
//! - [`decode()`] turns the bytes of a WAV or MP3 file into a [`model::Clip`].
//! - [`hold_music`] and [`beep`] need neither.
//!
//! Floor 1: knows no calls and no rooms. What keeps fetched sound stands between [`Fetcher::fetch`] and
//! [`decode()`]: both are plain functions of what they are given.

mod builtin;
mod decode;
mod fetch;
mod mp3;
mod wav;

pub use builtin::{beep, hold_music};
pub use decode::{DecodeError, decode};
pub use fetch::{FetchConfig, Fetched, Fetcher, Method, Request};
pub use web::{FetchError, without_secrets};
