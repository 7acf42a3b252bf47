//! What two audio lines amount to: theirs, in a description of theirs, and ours.
//!
//! ```text
//! m=audio 5000 RTP/AVP 96 0 120       codec Opus, 96; digits 120 at 48 kHz;
//! c=IN IP4 192.0.2.10            ─▶   send to 192.0.2.10:5000, RTCP to :5001,
//! a=sendonly … a=ptime:20             20 ms a packet; they hold us: listen, do not talk
//! ```
//! Or the reason why they amount to nothing, a [`Rejection`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::payload_type::{AudioCodec, Encoding, encodings};
use crate::sdp::{MediaDescription, NetAddress, Proto, SessionDescription};
use crate::{Direction, LocalMedia};

/// The audio stream that both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// Where the peer receives. `None` when it wants nothing (then `direction` does not send) or when we cannot
    /// tell: it gave a host name, or an address of the other IP family. Then what arrives shows where it is.
    pub remote: Option<SocketAddr>,
    /// Where the peer receives RTCP; `None` along with `remote`, or if it wants none.
    pub rtcp: Option<SocketAddr>,
    /// RTP and RTCP share one port, both ways (RFC 5761).
    pub rtcp_mux: bool,
    /// The one codec.
    pub codec: AudioCodec,
    /// What the peer calls it: for what we send.
    pub payload_type_out: u8,
    /// What we called it: for what we receive. In our answers always the peer's own number.
    pub payload_type_in: u8,
    /// Digits as events, if the peer knows them.
    pub telephone_event: Option<TelephoneEvent>,
    /// The peer's number for comfort noise at the codec's clock. We do not ask for it, but it may come.
    pub comfort_noise: Option<u8>,
    /// How much audio the peer wants in one packet: 10, 20, 30, 40 or 60 ms.
    pub ptime_ms: u8,
    /// Ours, as answered: what we may send and shall listen to.
    pub direction: Direction,
    /// We would send, the peer does not want to hear: `sendonly`, `inactive`, an address of zeros, port 0.
    pub peer_holds: bool,
}

impl Agreed {
    /// What the peer's live audio line `media`, in its description `session`, and ours amount to.
    ///
    /// `our_number`: given what the peer calls an encoding, what we call it, if we speak it at all.
    pub(crate) fn between(
        session: &SessionDescription,
        media: &MediaDescription,
        local: &LocalMedia,
        our_number: impl Fn(u8, Encoding) -> Option<u8>,
    ) -> Result<Self, Rejection> {
        // Plain RTP. Feedback (the F) is allowed, not required: without a=rtcp-fb in our answer there is none.
        if !matches!(media.proto, Proto::Avp | Proto::Avpf) {
            return Err(Rejection::Transport);
        }
        let numbered = |(theirs, encoding)| Some((theirs, our_number(theirs, encoding)?, encoding));
        let formats: Vec<(u8, u8, Encoding)> = encodings(media).into_iter().filter_map(numbered).collect();
        let audio = |&(theirs, ours, encoding): &_| match encoding {
            Encoding::Audio(codec) => Some((theirs, ours, codec)),
            Encoding::TelephoneEvent { .. } | Encoding::ComfortNoise { .. } => None,
        };
        let (payload_type_out, payload_type_in, codec) =
            formats.iter().find_map(audio).ok_or(Rejection::NoCommonCodec)?;
        let find = |wanted| formats.iter().find(|(_, _, encoding)| *encoding == wanted);
        let digits = |clock_hz| {
            let &(payload_type_out, payload_type_in, _) = find(Encoding::TelephoneEvent { clock_hz })?;
            Some(TelephoneEvent { payload_type_out, payload_type_in, clock_hz })
        };
        let comfort_noise = find(Encoding::ComfortNoise { clock_hz: codec.clock_hz() });

        let target = Target::of(session.connection_of(media).ok_or(Rejection::NoConnection)?, local.address)?;
        if media.port == DISCARD_PORT {
            return Err(Rejection::DiscardPort);
        }
        let remote = target.at(media.port);
        let rtcp_mux = media.attributes.get("rtcp-mux").is_some();
        let peer = session.direction_of(media);
        let peer = Direction::of(peer.sends(), peer.receives() && target != Target::Nowhere);
        Ok(Self {
            remote,
            rtcp: if rtcp_mux { remote } else { rtcp_address(media, target, local.address) },
            rtcp_mux,
            codec,
            payload_type_out,
            payload_type_in,
            telephone_event: digits(codec.clock_hz()).or_else(|| digits(8000)),
            comfort_noise: comfort_noise.map(|(theirs, _, _)| *theirs),
            ptime_ms: ptime_ms(media, codec),
            direction: peer.answer(local.direction),
            peer_holds: local.direction.sends() && !peer.receives(),
        })
    }

    /// The same stream once the peer has ended it: as if held from both ends.
    pub(crate) fn ended(&self) -> Self {
        Self { remote: None, rtcp: None, direction: Direction::Inactive, peer_holds: true, ..self.clone() }
    }

    /// What our answer names: the codec and digits, no more.
    pub(crate) fn formats(&self) -> Vec<(u8, Encoding)> {
        let digits = self.telephone_event;
        let digits = digits.map(|event| (event.payload_type_in, Encoding::TelephoneEvent { clock_hz: event.clock_hz }));
        [(self.payload_type_in, Encoding::Audio(self.codec))].into_iter().chain(digits).collect()
    }
}

/// Digits as RTP events (RFC 4733).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// For events we send.
    pub payload_type_out: u8,
    /// For events we receive.
    pub payload_type_in: u8,
    /// The codec's clock, or 8000 where a peer with Opus offers events at no other.
    pub clock_hz: u32,
}

/// Why an offer or answer cannot become a call. The message is fit for the text of a `Warning` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No audio line, or only refused ones.
    #[error("no audio")]
    NoAudio,
    /// Audio, but in no codec of ours.
    #[error("no common audio codec")]
    NoCommonCodec,
    /// SRTP, or something that is not RTP.
    #[error("audio over RTP/AVP or RTP/AVPF only")]
    Transport,
    /// Port 9 stands for addresses to be sent later.
    #[error("trickle ICE not available")]
    DiscardPort,
    /// Neither the line nor the session says where to send.
    #[error("audio without connection address")]
    NoConnection,
    /// Not the internet.
    #[error("network type IN only")]
    NetworkType,
    /// Neither IPv4 nor IPv6.
    #[error("address types IP4 and IP6 only")]
    AddressType,
    /// To many at once.
    #[error("multicast not available")]
    Multicast,
    /// An answer that nobody asked for.
    #[error("answer without offer")]
    NothingOffered,
}

impl Rejection {
    /// The status that refuses an offer: 488 Not Acceptable Here.
    pub const STATUS: u16 = 488;

    /// The code for the `Warning` header (RFC 3261 §20.43).
    pub fn warning_code(self) -> u16 {
        match self {
            Self::NetworkType => 300,
            Self::AddressType => 301,
            Self::Transport | Self::DiscardPort => 302,
            Self::NoAudio => 304,
            Self::NoCommonCodec => 305,
            Self::Multicast => 330,
            Self::NoConnection | Self::NothingOffered => 399,
        }
    }
}

/// What a peer's connection address tells us who send from one of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    At(IpAddr),
    /// `0.0.0.0` or `::`, the old way to hold (RFC 3264 §8.4): nothing may be sent.
    Nowhere,
    /// A host name, which we do not look up, or an address of the other IP family, to which our socket cannot
    /// send. We answer all the same: a phone that has both families sends to ours, and is heard and answered.
    Unknown,
}

impl Target {
    fn of(connection: &NetAddress, ours: IpAddr) -> Result<Self, Rejection> {
        if !connection.net_type.eq_ignore_ascii_case("IN") {
            return Err(Rejection::NetworkType);
        }
        if !["IP4", "IP6"].iter().any(|known| connection.address_type.eq_ignore_ascii_case(known)) {
            return Err(Rejection::AddressType);
        }
        match connection.ip() {
            Some(ip) if ip.is_unspecified() => Ok(Self::Nowhere),
            Some(ip) if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) => Err(Rejection::Multicast),
            Some(ip) if ip.is_ipv4() == ours.is_ipv4() => Ok(Self::At(ip)),
            Some(_) | None => Ok(Self::Unknown),
        }
    }

    fn at(self, port: u16) -> Option<SocketAddr> {
        match self {
            Self::At(ip) => Some(SocketAddr::new(ip, port)),
            Self::Nowhere | Self::Unknown => None,
        }
    }
}

/// Where the peer receives RTCP on a port of its own: as `a=rtcp:port IN IP4 address` says (RFC 3605), else next
/// to its RTP. One we cannot read or reach gets none.
fn rtcp_address(media: &MediaDescription, target: Target, ours: IpAddr) -> Option<SocketAddr> {
    let Some(said) = media.attributes.get("rtcp") else { return target.at(media.port.checked_add(1)?) };
    let (port, address) = said.split_once(' ').unwrap_or((said, ""));
    let port = port.parse().ok().filter(|port| *port != 0)?;
    match NetAddress::parse(address) {
        Some(elsewhere) if target.at(port).is_some() => Target::of(&elsewhere, ours).ok()?.at(port),
        _ => target.at(port),
    }
}

/// The packet time to send: what the peer asks for, within its limit and ours, rounded down to one we have.
fn ptime_ms(media: &MediaDescription, codec: AudioCodec) -> u8 {
    let millis = |name| {
        let whole = media.attributes.get(name)?.split('.').next()?;
        whole.parse().ok().filter(|millis: &u32| *millis > 0)
    };
    let wanted = millis("ptime").unwrap_or(PTIME_MS_USUAL.into());
    let limit = millis("maxptime").unwrap_or(u32::MAX).min(codec.ptime_ms_max().into());
    let fits = |ptime: &u8| u32::from(*ptime) <= wanted.min(limit);
    PTIMES_MS.into_iter().rev().find(fits).unwrap_or(PTIMES_MS[0])
}

const PTIMES_MS: [u8; 5] = [10, 20, 30, 40, 60];
/// What everybody uses and nobody needs to ask for.
pub(crate) const PTIME_MS_USUAL: u8 = 20;
/// RFC 863; in an offer, RFC 8840 §4.1.1.
const DISCARD_PORT: u16 = 9;
