//! What the switch is told at its start.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use media::Pages;
use model::AccountSid;
use sip::AudioCodec;

use crate::trunk::Trunk;

/// Settings of the switch. Read once, but for our own addresses.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whose calls those are that no number or domain claims.
    pub account: AccountSid,
    /// Who may dial into a room by its name.
    pub open_rooms: OpenRooms,
    /// Calls at once; one more is answered 503.
    pub calls_max: usize,
    /// Participants in one conference; one more is answered 503 (rest-voice §14: 250).
    pub room_legs_max: usize,
    /// Longest life of an answered call of which the application does not say how long it may last (rest-voice §14: 4 h).
    pub call_time_limit: Duration,
    /// A leg that is silent for this long while its phone holds us is gone; otherwise the audio plane's own bound rules.
    pub held_rtp_timeout: Duration,
    /// How long calls may go on after [`Event::Drain`](crate::Event::Drain).
    pub drain: Duration,
    /// Fetches under way at once.
    pub fetches_max: usize,
    /// Requests to applications under way at once.
    pub asks_max: usize,
    /// Addresses to put into session descriptions.
    pub addresses: Vec<MediaAddress>,
    /// Where we are reached and from where we call. It may change: [`Event::OwnAddresses`](crate::Event::OwnAddresses).
    pub own: OwnAddresses,
    /// What we speak, best first.
    pub codecs: Vec<AudioCodec>,
    /// `region` of new conferences.
    pub region: String,
    /// Default wait and hold audio.
    pub hold_music: Arc<Pages>,
    /// Heard when a participant with `BeepOnExit` leaves.
    pub beep: Arc<Pages>,
    /// Carriers for calls to numbers.
    pub trunks: Vec<Trunk>,
    /// How often registered phones are asked whether they are there; never if not said.
    pub qualify: Option<Duration>,
    /// Heard by a caller while a phone rings that says nothing itself.
    pub ring_back: Arc<Pages>,
    /// What the SIP endpoint is told.
    pub sip: sip::Config,
}

/// Our addresses, and where they lead, as the machine has them now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnAddresses {
    /// Where our own calls begin: concrete addresses of ours that listen for datagrams.
    pub signalling: Vec<std::net::SocketAddr>,
    /// Networks, and the address of ours that leads there; the most specific first. Where none fits, `signalling` says.
    pub routes: Vec<(sip::Network, IpAddr)>,
    /// Ours towards the public network, at most one a family: for a phone whose audio is of another family than its
    /// signalling, where [`Config::addresses`] does not say.
    pub towards_world: Vec<IpAddr>,
}

/// An address for audio: where we bind, and what the phone is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaAddress {
    /// Ours; unspecified (`0.0.0.0`, `::`) means the one the call's signalling arrived at.
    pub bind: IpAddr,
    /// What the phone sees, where a router translates one to one; otherwise the same as `bind`.
    pub advertised: Option<IpAddr>,
}

/// Who may dial into a room by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenRooms {
    /// Callers from loopback and private addresses.
    Private,
    /// Everybody.
    Any,
    /// Nobody: 404.
    Off,
}
