//! Partyline: the audio plane: RTP in, mixed RTP out.
//!
//! From the wire to PCM: [`rtp`] parses a packet in place, [`Playout`] puts the packets of one stream in order
//! and hands out 20 ms of PCM per tick, decoding by [`Decoder`] and concealing what never came.
//! [`dtmf`] reads the digits a phone sends beside its voice, [`inband`] those it sends as tones in it, [`rtcp`] reports how well all of it arrived.
//!
//! From PCM to rooms: a [`Plane`] takes [`Command`]s and gives [`Event`]s; behind it, media threads tick rooms.

mod arrivals;
mod background;
mod bus;
mod clock;
mod codec;
mod conceal;
mod delay;
mod digits_out;
mod drift;
mod emodel;
mod facts;
mod gap;
mod jitter;
mod keypad;
mod latch;
mod leg;
mod limiter;
mod machine;
mod mail;
mod measure;
mod message;
mod noise;
mod onlookers;
mod order;
mod pace;
mod partial;
mod pitch;
mod place;
mod plane;
mod player;
mod playout;
mod ports;
mod prefetch;
mod reports;
mod resample;
mod room;
mod selection;
mod sender;
mod slot;
mod socket;
mod source;
mod speaker;
mod speech;
mod stats;
mod suppress;
mod tap;
mod tape;
mod thread;
mod tones;
mod treatment;
mod worker;

pub mod dtmf;
pub mod inband;
pub mod mixer;
pub mod rtcp;
pub mod rtp;
pub mod vector;

pub use codec::{Codec, CodecError, Decoder, Encoder, PACKET_MS_MAX};
pub use machine::{MachineDetection, MachineDetector};
pub use message::{Command, ECHO, Event, Groups, MAIN, Refusal, Stream, TelephoneEvent, Tuning};
pub use pace::JitterBuffer;
pub use plane::{Config, Plane};
pub use player::Pages;
pub use playout::{Playout, PlayoutConfig, PlayoutStats, Pulled, Pushed};
pub use resample::{RATE_HZ_MAX, RATE_HZ_MIN, RateError, Resampler, resample};
pub use socket::{Received, Wire, Wires};
pub use stats::{Counter, LATENESS_BOUNDS_US, ThreadStats};
pub use tap::{Heard, NotHeard, Tap, TapFeeder, TapFrame, TapReader, ToUlaw};
pub use tones::Tones;
