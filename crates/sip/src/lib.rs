//! Partyline: SIP and SDP, from bytes to dialogs; no I/O.
//!
//! The message layer: [`parse`] makes a [`Message`] of a datagram, [`Framer`] cuts messages out of a stream,
//! and `write` turns a message into bytes again. What we do not understand is kept as it came.

mod address;
mod agreed;
mod direction;
mod framer;
mod grammar;
mod header;
mod message;
mod offer_answer;
mod params;
mod parse;
mod payload_type;
mod sdp;
mod uri;
mod via;
mod view;

pub use address::{NameAddr, NameAddrError};
pub use agreed::{Agreed, Rejection, TelephoneEvent};
pub use direction::Direction;
pub use framer::{BODY_BYTES_MAX, Framed, Framer, HEAD_BYTES_MAX};
pub use header::{FIELDS_MAX, HeaderError, Headers, Name};
pub use message::{Message, Method, Request, Response, reason_phrase};
pub use offer_answer::{LocalMedia, OfferAnswer};
pub use params::Params;
pub use parse::{ParseError, Refused, URI_BYTES_MAX, parse};
pub use payload_type::AudioCodec;
pub use sdp::{Attributes, MediaDescription, NetAddress, Origin, Proto, SdpError, SessionDescription, Timing};
pub use uri::{Host, RequestUri, SipUri, Uri, UriError};
pub use via::Via;
pub use view::{CSeq, MediaType, Reason, Refresher, SessionExpires};
