//! A TwiML document, and what it asks for next.
//!
//! `bytes ─▶ parse ─▶ Document ─▶ Interpreter ─▶ Step ─▶ (somebody does it) ─▶ Outcome ─▶ next Step …`
//!
//! Knows neither HTTP nor audio nor calls: a [`Step`] says what to do, who runs the document knows how.
//!
//! ```
//! use twiml::{Asked, Gathered, Interpreter, Kind, Outcome, Step, parse};
//!
//! let bytes = b"<Response><Gather numDigits='1' action='chosen'><Say>One or two?</Say></Gather></Response>";
//! let mut interpreter = Interpreter::new(parse(bytes)?, Some("https://app.test/voice/menu"), Kind::Call);
//! let Step::Gather(gather) = interpreter.next(Outcome::Started) else { panic!("the only verb") };
//! assert_eq!(gather.digits_max, Some(1));
//! // The caller hears the prompt, and presses 2.
//! let heard = Gathered::Digits { digits: "2".to_owned(), finished_on_key: None };
//! let Step::Fetch { link, with } = interpreter.next(Outcome::Gathered(heard.clone())) else { panic!("its action") };
//! assert_eq!((link.url.as_str(), with), ("https://app.test/voice/chosen", Asked::Gather(heard)));
//! # Ok::<(), twiml::DocumentError>(())
//! ```

mod attributes;
mod conference;
mod connect;
mod dial;
mod document;
mod gather;
mod interpreter;
mod keys;
mod link;
mod party;
mod prompt;
mod queue;
mod recording;
mod speech;
mod step;
mod stream;
mod verb;
mod warning;
mod xml;

pub use conference::{Coach, ConferenceEvents, ConferenceNoun, WaitAudio};
pub use connect::{Connect, ConnectTo, ConversationNoun};
pub use dial::{Dial, DialTo};
pub use document::{Document, DocumentError, parse};
pub use gather::{Gather, Patience, Recognition};
pub use interpreter::Interpreter;
pub use keys::Keys;
pub use link::Link;
pub use party::{
    ApplicationNoun, CallCallback, ClientNoun, MachineDetection, NumberNoun, Parameter, Party, SipCredentials, SipNoun,
};
pub use prompt::{Pause, Play, Prompt, Repeat, Say, SendDigits};
pub use queue::{Enqueue, EnqueueTo, QueueNoun, Task};
pub use recording::{Record, Recording, RecordingCallback, Track};
pub use step::{Asked, Gathered, Kind, Outcome, Step};
pub use stream::{StartRecording, StopStream, Stream};
pub use verb::{Refer, RejectReason, Verb};
pub use warning::Warning;
