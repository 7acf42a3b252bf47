//! What runs beside a call: `<Start>` and `<Stop>`, their `<Stream>` and `<Recording>`.

use crate::{Link, Parameter, RecordingCallback, Track};

/// `<Stream>` (twiml §9.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// `wss:` only.
    pub url: String,
    /// To stop it by.
    pub name: Option<String>,
    /// What the application hears.
    pub track: Track,
    /// Told when it starts, stops and fails.
    pub status_callback: Option<Link>,
    /// Told to the application.
    pub parameters: Vec<Parameter>,
}

/// `<Start><Recording>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartRecording {
    /// The parties are on a channel each.
    pub dual: bool,
    /// Whose voice.
    pub track: Track,
    /// Silence at both ends is cut off.
    pub trim_silence: bool,
    /// Who is told of it.
    pub callback: RecordingCallback,
}

/// `<Stop><Stream>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopStream {
    /// The one of this name; `None` is every one of the call.
    pub name: Option<String>,
}
