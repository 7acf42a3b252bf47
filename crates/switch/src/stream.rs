//! Media streams: a call's audio on its way to an application, and back (twiml §9.3).

use model::{AccountSid, CallSid, LegId, StreamSid, Timestamp, Tracks};
use twiml::Stream;

/// What is asked of the streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamOrder {
    /// Connect to the application. Answered by [`StreamEvent::Started`] and then, once, [`StreamEvent::Stopped`] or
    /// [`StreamEvent::Failed`]; or by the latter alone.
    Open(Box<OpenStream>),
    /// Say `stop` and hang up. One that is not there (any more) is left as it is.
    Close {
        /// Which.
        stream: StreamSid,
    },
    /// The call's party pressed a key. The application hears of it where it may speak, too.
    Digit {
        /// Which stream.
        stream: StreamSid,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
    },
}

/// A stream to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenStream {
    /// Its name.
    pub stream: StreamSid,
    /// Whose audio it is.
    pub leg: LegId,
    /// As the application is told.
    pub account: AccountSid,
    /// As the application is told.
    pub call: CallSid,
    /// `wss://…`, as the document has it.
    pub url: String,
    /// What is sent. One that goes both ways sends [`Tracks::Inbound`].
    pub tracks: Tracks,
    /// The application may speak to the party (`<Connect>`).
    pub bidirectional: bool,
    /// `customParameters`, in the document's order.
    pub parameters: Vec<(String, String)>,
}

/// What has become of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// The application has taken it, and hears from now on.
    Started,
    /// It is over: by [`StreamOrder::Close`], with the leg, or by the application.
    Stopped,
    /// It could not be opened, or broke off.
    Failed {
        /// The contract's code.
        code: u32,
        /// What was seen, for the log and `StreamError`.
        reason: String,
    },
}

/// What the control layer asks of a call's streams (rest-voice §11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamCommand {
    /// Let an application listen, as `<Start><Stream>` does. Answered before anybody has connected.
    Start {
        /// Whose call.
        account: AccountSid,
        /// Which; answered.
        call: CallSid,
        /// Where to, and what.
        stream: Box<Stream>,
    },
    /// Stop it, as `<Stop><Stream>` does.
    Stop {
        /// Whose call.
        account: AccountSid,
        /// Which.
        call: CallSid,
        /// Which of its streams.
        stream: StreamRef,
    },
}

/// A stream as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamRef {
    /// By SID.
    Sid(StreamSid),
    /// By the application's own name for it.
    Name(String),
}

/// A stream as the control layer is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    /// `MZ…`.
    pub sid: StreamSid,
    /// Whose.
    pub account_sid: AccountSid,
    /// Of which call.
    pub call_sid: CallSid,
    /// The application's own name for it.
    pub name: Option<String>,
    /// It has been told to stop.
    pub stopped: bool,
    /// Last changed.
    pub updated: Timestamp,
}
