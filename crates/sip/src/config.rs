//! What an [`Endpoint`](crate::Endpoint) is told once, at its birth.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::Transport;
use crate::digest::{Algorithm, VerifierConfig};
use crate::limits::LimitsConfig;
use crate::registrar::RegistrarConfig;
use crate::resolver::ResolverConfig;
use crate::transaction::Timers;

/// Every bound and habit of the SIP front.
#[derive(Debug, Clone)]
pub struct Config {
    /// Server and User-Agent header. Default `Partyline`.
    pub server: String,
    /// Addresses that the world sees instead of ours (NAT 1:1). Default none.
    pub advertised: Vec<Advertised>,
    /// Where we are listened for. Streams that we open leave from any port, and nobody answers there: Contact names the
    /// listener's instead. Default none: every stream's own end is named.
    pub listening: Vec<(Transport, SocketAddr)>,
    /// Transaction timers.
    pub timers: Timers,
    /// Server transactions remembered at once; past it, new calls get a stateless 503 and other requests from
    /// strangers a stateless answer. Default 65,536.
    pub transactions_max: usize,
    /// Dialogs at once, ringing ones included; past it, new calls get a stateless 503. Default 16,384.
    pub dialogs_max: usize,
    /// Dialogs whose ACK is awaited; past it, new calls get a stateless 503. Default 4,096.
    pub unacked_max: usize,
    /// How many of them one source address may have; past it, its new calls get a stateless 503. A trunk of one
    /// address that acknowledges within 200 ms makes 1,280 calls a second. Default 256.
    pub unacked_per_source_max: usize,
    /// Server transactions of one source address that are in no call: answers to OPTIONS and REGISTER, and refusals of
    /// INVITEs. Each lives for 32 s, an acknowledged refusal for 5. Past it an OPTIONS or a refusal is answered as
    /// before, but not remembered; an INVITE or a REGISTER gets a stateless 503. A proxy brings 8,192 by 128 REGISTERs a
    /// second, each challenged once. Default 8,192.
    pub strays_per_source_max: usize,
    /// What strangers may ask, and how often. Default as much as they like.
    pub limits: LimitsConfig,
    /// What a [`Registrar`](crate::Registrar) of the same owner is told.
    pub registrar: RegistrarConfig,
    /// What a [`Verifier`](crate::Verifier) of the same owner is told.
    pub verifier: VerifierConfig,
    /// Digest algorithms to ask for, best liked first. Default MD5 alone: many a client reads the first challenge only,
    /// and knows nothing else.
    pub algorithms: Vec<Algorithm>,
    /// What a [`Resolver`](crate::Resolver) of the same owner is told.
    pub resolver: ResolverConfig,
    /// Streams at once; past it, a new one is closed. Default 8,192.
    pub connections_max: usize,
    /// Retry-After of a 503, in seconds. Default 5.
    pub retry_after_s: u32,
    /// Longest a call may wait for our final answer (RFC 3261 §16.6 timer C). Default 180 s.
    pub ringing_max: Duration,
    /// Session-Expires we ask for where the peer knows session timers and leaves it to us (RFC 4028). Default 1800 s.
    pub session_expires: Duration,
    /// Shortest session interval we accept; the RFC allows no less than 90 s. Default 90 s.
    pub session_expires_min: Duration,
}

/// One of our addresses and how the world reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advertised {
    /// The address a packet arrives at; `None` for any.
    pub local: Option<IpAddr>,
    /// The address to put into Contact and Via. It keeps the port.
    pub public: IpAddr,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: "Partyline".to_owned(),
            advertised: Vec::new(),
            listening: Vec::new(),
            timers: Timers::default(),
            transactions_max: 65_536,
            dialogs_max: 16_384,
            unacked_max: 4_096,
            unacked_per_source_max: 256,
            strays_per_source_max: 8_192,
            limits: LimitsConfig::default(),
            registrar: RegistrarConfig::default(),
            verifier: VerifierConfig::default(),
            algorithms: vec![Algorithm::Md5],
            resolver: ResolverConfig::default(),
            connections_max: 8_192,
            retry_after_s: 5,
            ringing_max: Duration::from_secs(180),
            session_expires: Duration::from_secs(1_800),
            session_expires_min: Duration::from_secs(90),
        }
    }
}
