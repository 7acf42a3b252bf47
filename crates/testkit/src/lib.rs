//! Partyline's test bench: phones that hum, a load generator, the server under test, the hearing matrix.
//!
//! For tests and benches only. Nothing here uses Partyline's own `sip` or `media`: a peer that shared their
//! code would share their mistakes.

pub mod application;
pub mod callee;
pub mod chirp;
pub mod hearing;
pub mod histogram;
pub mod kept_alive;
pub mod load;
pub mod pcmu;
pub mod phone;
pub mod process;
pub mod relay;
pub mod rest;
pub mod rtp;
pub mod sdp;
pub mod server;
pub mod sip;
pub mod tone;
pub mod wav;
pub mod wire;
