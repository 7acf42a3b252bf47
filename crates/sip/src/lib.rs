//! Partyline: SIP and SDP, from bytes to dialogs; no I/O.

mod direction;
mod offer_answer;
mod payload_type;
mod sdp;

pub use direction::Direction;
pub use offer_answer::{Agreed, LocalMedia, OfferAnswer, Rejection, TelephoneEvent};
pub use payload_type::AudioCodec;
pub use sdp::{Attributes, MediaDescription, NetAddress, Origin, Proto, SdpError, SessionDescription, Timing};
