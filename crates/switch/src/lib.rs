//! The switch: every live call and conference. Events in, effects out.
//!
//! Everything that happens is an [`Event`]; everything we do is an [`Effect`]. [`Switch::handle`] turns one into
//! the other, one event at a time, and never waits: no socket, no clock, no SQL, no lock. What takes time (binding
//! a port, fetching music, committing a row) leaves as an effect and comes back as an event.

mod command;

pub use command::{
    Answer, AudioMethod, AudioUrl, CallEnd, Command, ConferenceRef, ParticipantChange, ParticipantRef, Refusal,
};
