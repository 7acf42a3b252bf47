//! Partyline: SIP and SDP, from bytes to dialogs; no I/O.
//!
//! The message layer: [`parse`] makes a [`Message`] of a datagram, [`Framer`] cuts messages out of a stream,
//! and `write` turns a message into bytes again. What we do not understand is kept as it came. Above it the
//! [`Endpoint`] answers calls: transactions, dialogs, session timers.

mod address;
mod agreed;
mod authorizer;
mod body;
mod config;
mod deadline;
mod dialog;
mod digest;
mod direction;
mod endpoint;
mod event;
mod flow;
mod framer;
mod grammar;
mod header;
mod inspection;
mod limits;
mod message;
mod name;
mod network;
mod offer_answer;
mod outgoing;
mod params;
mod parse;
mod payload_type;
mod registrar;
mod reliable;
mod replaces;
mod resolver;
mod sdp;
mod session_timer;
mod stats;
mod transaction;
mod transfer;
mod uri;
mod via;
mod view;

pub use address::{NameAddr, NameAddrError};
pub use agreed::{Agreed, Rejection, TelephoneEvent};
pub use config::{Advertised, Config};
pub use digest::{
    Algorithm, Authorization, Challenge, Claim, DigestError, Login, Secret, Unproven, Verdict, Verifier, VerifierConfig,
};
pub use direction::Direction;
pub use endpoint::Endpoint;
pub use event::{DialogId, EndCause, Event, InquiryId, Output, PingId, ReferId, Reject, SearchId};
pub use flow::{Flow, Transport};
pub use framer::{BODY_BYTES_MAX, Framed, Framer, HEAD_BYTES_MAX};
pub use header::{FIELDS_MAX, HeaderError, Headers};
pub use limits::{Decision, LimitStats, Limits, LimitsConfig};
pub use message::{Message, Method, Request, Response, reason_phrase};
pub use name::Name;
pub use network::{Network, NetworkError};
pub use offer_answer::{LocalMedia, OfferAnswer};
pub use outgoing::{Credentials, Failure, Outgoing};
pub use params::Params;
pub use parse::{ParseError, Refused, URI_BYTES_MAX, parse};
pub use payload_type::AudioCodec;
pub use registrar::{Binding, Registered, Registrar, RegistrarConfig, RegistrarEvent, StoredBinding, Unbound};
pub use reliable::RAck;
pub use replaces::Replaces;
pub use resolver::{
    Answered, LookupFailed, Naptr, Query, Records, Resolved, Resolver, ResolverConfig, Srv, TARGETS_MAX, Target,
    Unresolved,
};
pub use sdp::{Attributes, MediaDescription, NetAddress, Origin, Proto, SdpError, SessionDescription, Timing};
pub use stats::{ByMethod, Stats};
pub use transaction::Timers;
pub use uri::{Host, RequestUri, SipUri, Uri, UriError};
pub use via::Via;
pub use view::{CSeq, MediaType, Reason, Refresher, SessionExpires};
