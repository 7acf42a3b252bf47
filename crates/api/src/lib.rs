//! Twilio's wire: REST; and what is ours beside it, gRPC among it.
//!
//! The only place that spells Twilio's parameter names, JSON keys, dates and error codes (rest-voice §1–§10). Reads
//! come from the store, changes go to the switch through the [`Switchboard`]; nothing is decided here but what a
//! request means. Where to start reading: `router.rs`, all routes on one page.
//!
//! ```text
//! Listener ─▶ front_door (admit, path, auth) ─▶ router ─▶ calls, conferences, participants, directory …
//!                                                              │ GET ─▶ store     POST, DELETE ─▶ switch
//! ```

mod accepting;
mod accounts;
mod api;
mod attending;
mod auth;
mod base_url;
mod call_events;
mod callee;
mod calls;
mod conferences;
mod date;
mod description;
mod directory;
mod event_bridge;
mod events;
mod events_socket;
pub mod fanout;
mod feed;
mod form;
mod front_door;
pub mod grpc;
mod health;
mod json;
mod keys;
mod listener;
mod media_statistics;
pub mod media_stream;
mod metrics;
mod new_call;
mod new_participant;
mod notifications;
mod paging;
mod parameters;
mod participants;
mod problem;
mod rate;
mod request_line;
mod router;
mod streams;
mod switchboard;
mod taskrouter;
mod tuning;
pub mod webhook;

pub use api::{Api, Config};
pub use feed::Feeds;
pub use keys::make_main_key;
pub use listener::{serve, serve_tls};
pub use metrics::{Metric, Reading};
pub use router::router;
pub use switchboard::Switchboard;
