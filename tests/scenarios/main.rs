//! The whole bridge in virtual time: switch, SIP endpoint and audio plane, with phones that hum.
//!
//! Each scenario says what people do and who then hears whom (row hears column). No socket, no sleep.

mod application;
mod assignment;
mod call_out;
mod centre;
mod chaos;
mod conference;
mod contacts;
mod control;
mod dial;
mod document;
mod events;
mod flows;
mod log;
mod network;
mod networks;
mod phone;
mod queue;
mod route;
mod routing;
mod signalling;
mod stay;
mod stream;
mod transfer;
mod trouble;
mod tuning;
mod update;
mod wanted;
mod world;
