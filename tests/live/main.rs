//! The real binary on real sockets, met by real clients: our phones, sipp, baresip, the official SDK.
//!
//! Every test has a bridge, an address and a data directory of its own. Nothing sleeps to be in step: tests wait
//! for what they want to see, with generous bounds, and count time in packets.

mod acts;
mod baresip;
mod browser;
mod called;
mod centre;
mod demo;
mod durable;
mod faults;
mod flows;
mod hearing;
mod https;
mod life;
mod linphone;
mod load;
mod party;
mod readme;
mod registration;
mod resources;
mod rest;
mod routing;
mod rows;
mod sdk;
mod signatures;
mod sipp;
mod softphone;
mod sound;
mod speech;
mod statistics;
mod taskrouter;
mod trouble;
mod watching;
