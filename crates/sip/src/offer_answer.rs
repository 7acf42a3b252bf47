//! Offer and answer: how two session descriptions become one agreed audio stream (RFC 3264).
//!
//! One [`OfferAnswer`] lives as long as its dialog. Whoever offers, the answer settles it:
//!
//! ```text
//! they offer ─▶ answer() ─▶ our answer and what is Agreed, or a Rejection: 488, and all stays as it was
//! we offer() ─▶ their answer ─▶ accept_answer() ─▶ what is Agreed, or a Rejection
//! ```
//! We take one audio stream: the first line we can speak, and on it the first codec in the offerer's order, with
//! telephone events at that codec's clock. A second codec in the answer would make pjsua ask again for one.
//! Every other line is refused with port 0. ICE, bundling and keys are read over: what our answer does not
//! mention, the peer does without.

use std::net::{IpAddr, SocketAddr};

use crate::Direction;
use crate::payload_type::{AudioCodec, Encoding, PayloadTypes, encodings};
use crate::sdp::{Attributes, MediaDescription, NetAddress, Origin, Proto, SessionDescription, Timing};

/// The offers and answers of one dialog, from our side.
#[derive(Debug)]
pub struct OfferAnswer {
    session_id: u64,
    /// The last description that left, whatever became of it: versions count on from here.
    sent: Option<SessionDescription>,
    /// Our offer that waits for its answer.
    offered: Option<Ours>,
    settled: Option<(Ours, Agreed)>,
    payload_types: PayloadTypes,
}

impl OfferAnswer {
    /// For a new dialog. `session_id` goes into our `o=` lines; it should differ from call to call.
    pub fn new(session_id: u64) -> Self {
        let session_id = session_id & i64::MAX.unsigned_abs(); // RFC 3264 §5: must fit a signed 64-bit number
        Self { session_id, sent: None, offered: None, settled: None, payload_types: PayloadTypes::default() }
    }

    /// Answers the peer's offer, the first one or a later one. A rejection changes nothing: the re-offer is
    /// refused and the call goes on as agreed before. An offer of ours that still waits is given up.
    ///
    /// A peer may end its stream by offering port 0 for it. In the first offer that is no audio at all; in a
    /// later one we agree, and until its next offer the call stands as if held from both ends.
    pub fn answer(&mut self, offer: &SessionDescription, local: &LocalMedia) -> Result<(String, Agreed), Rejection> {
        let (line, agreed) = match first_usable_line(offer, local) {
            Err(Rejection::NoAudio) => self.ended_by(offer).ok_or(Rejection::NoAudio)?,
            usable => usable?,
        };
        let mut media: Vec<_> = offer.media.iter().map(MediaDescription::refused).collect();
        if offer.media[line].port != 0 {
            let Agreed { ptime_ms, direction, rtcp_mux, .. } = agreed;
            let proto = offer.media[line].proto.clone();
            media[line] = local.audio_line(proto, &agreed.formats(), ptime_ms, direction, rtcp_mux);
        }
        let ours = self.write(local, offer.times.clone(), media, line);
        let text = ours.description.to_string();
        self.offered = None;
        self.settled = Some((ours, agreed.clone()));
        Ok((text, agreed))
    }

    /// Our offer: every codec of `local`, the one in use first so that a refresh does not change it.
    /// Lines of earlier offers keep their places (RFC 3264 §8).
    pub fn offer(&mut self, local: &LocalMedia) -> String {
        let (mut media, line) = match &self.settled {
            Some((ours, _)) => (ours.description.media.iter().map(MediaDescription::refused).collect(), ours.line),
            None => (Vec::new(), 0),
        };
        let formats = self.payload_types.number(self.encodings_to_offer(local));
        let audio = local.audio_line(Proto::Avp, &formats, PTIME_MS_USUAL, local.direction, true);
        match media.get_mut(line) {
            Some(place) => *place = audio,
            None => media.push(audio),
        }
        let ours = self.write(local, vec![Timing::default()], media, line);
        let text = ours.description.to_string();
        self.offered = Some(ours);
        text
    }

    /// Reads the answer to our offer. After a rejection what was agreed before still holds.
    pub fn accept_answer(&mut self, answer: &SessionDescription) -> Result<Agreed, Rejection> {
        let ours = self.offered.take().ok_or(Rejection::NothingOffered)?;
        let offered = encodings(&ours.description.media[ours.line]);
        let our_number = |_, encoding| offered.iter().find(|(_, ours)| *ours == encoding).map(|(number, _)| *number);
        let live = |media: &&MediaDescription| media.is_audio() && media.port != 0;
        let theirs = answer.media.get(ours.line).filter(live).ok_or(Rejection::NoAudio)?;
        let agreed = agree(answer, theirs, &ours.local, our_number)?;
        self.settled = Some((ours, agreed.clone()));
        Ok(agreed)
    }

    /// What we said last and was agreed, once more: for session refreshes, which say so by an unchanged version.
    /// Sent as an offer, its answer may be given to [`Self::accept_answer`] or left unread.
    pub fn repeat(&mut self) -> Option<String> {
        let (Ours { description, line, local }, _) = self.settled.as_ref()?.clone();
        let ours = self.write(&local, description.times, description.media, line);
        let text = ours.description.to_string();
        self.offered = Some(ours);
        Some(text)
    }

    /// What is agreed now; `None` before the first answer.
    pub fn agreed(&self) -> Option<&Agreed> {
        self.settled.as_ref().map(|(_, agreed)| agreed)
    }

    /// The stream as it stands after an offer that ends it and asks for nothing else. An offer with another live
    /// line, such as a fax machine's, wants that line, and is better refused: then the audio stays.
    fn ended_by(&self, offer: &SessionDescription) -> Option<(usize, Agreed)> {
        let (ours, agreed) = self.settled.as_ref()?;
        let all_ended = offer.media.iter().all(|media| media.port == 0);
        let still_there = offer.media.get(ours.line)?.is_audio();
        (all_ended && still_there).then(|| {
            let direction = Direction::Inactive;
            (ours.line, Agreed { remote: None, rtcp: None, direction, peer_holds: true, ..agreed.clone() })
        })
    }

    /// The codec in use, then the others, then digits at every clock among them; at 8 kHz always, the one clock
    /// that every phone knows.
    fn encodings_to_offer(&self, local: &LocalMedia) -> Vec<Encoding> {
        let in_use = self.agreed().map(|agreed| agreed.codec).filter(|codec| local.codecs.contains(codec));
        let codecs: Vec<AudioCodec> = in_use.into_iter().chain(local.codecs.iter().copied()).collect();
        let clocks = [8000].into_iter().chain(codecs.iter().map(|codec| codec.clock_hz()));
        let digits = clocks.map(|clock_hz| Encoding::TelephoneEvent { clock_hz });
        let mut encodings = Vec::new();
        for encoding in codecs.iter().copied().map(Encoding::Audio).chain(digits) {
            if !encodings.contains(&encoding) {
                encodings.push(encoding);
            }
        }
        encodings
    }

    /// Our next description. Its version grows by one exactly when it says something new (RFC 3264 §8).
    fn write(&mut self, local: &LocalMedia, times: Vec<Timing>, media: Vec<MediaDescription>, line: usize) -> Ours {
        let address = NetAddress::from(local.address);
        let version = self.sent.as_ref().map_or(1, |sent| sent.origin.version);
        let mut description = SessionDescription {
            origin: Origin { username: "-".to_owned(), session_id: self.session_id, version, address: address.clone() },
            name: "-".to_owned(),
            connection: Some(address),
            times,
            attributes: Attributes::default(),
            media,
        };
        if self.sent.as_ref().is_some_and(|sent| *sent != description) {
            description.origin.version += 1;
        }
        self.payload_types.remember(&description.media[line]);
        self.sent = Some(description.clone());
        Ours { description, line, local: local.clone() }
    }
}

/// A description of ours, which of its lines is the audio, and what we meant by it.
#[derive(Debug, Clone)]
struct Ours {
    description: SessionDescription,
    line: usize,
    local: LocalMedia,
}

/// What we bring to an offer or answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalMedia {
    /// Where we receive, as the peer can reach it.
    pub address: IpAddr,
    /// Our RTP port, not 0.
    pub port: u16,
    /// At least one. In the order we prefer when we offer; when we answer, the offerer's order counts.
    pub codecs: Vec<AudioCodec>,
    /// What we would like, normally both ways.
    pub direction: Direction,
}

impl LocalMedia {
    fn audio_line(
        &self,
        proto: Proto,
        formats: &[(u8, Encoding)],
        ptime_ms: u8,
        direction: Direction,
        rtcp_mux: bool,
    ) -> MediaDescription {
        let mut attributes = Attributes::default();
        for (number, encoding) in formats {
            attributes.push("rtpmap", Some(format!("{number} {}", encoding.rtpmap())));
            if let Some(fmtp) = encoding.fmtp() {
                attributes.push("fmtp", Some(format!("{number} {fmtp}")));
            }
        }
        attributes.push("ptime", Some(ptime_ms.to_string()));
        attributes.push("maxptime", Some(PTIME_MS_MAX.to_string()));
        attributes.push(direction.name(), None);
        if rtcp_mux {
            attributes.push("rtcp-mux", None);
        }
        MediaDescription {
            kind: "audio".to_owned(),
            port: self.port,
            proto,
            formats: formats.iter().map(|(number, _)| number.to_string()).collect(),
            connection: None,
            attributes,
        }
    }
}

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
    /// What our answer names: the codec and digits, no more.
    fn formats(&self) -> Vec<(u8, Encoding)> {
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

/// The first audio line we can speak; if there is none, what is wrong with the first.
fn first_usable_line(offer: &SessionDescription, local: &LocalMedia) -> Result<(usize, Agreed), Rejection> {
    let mirrored = |number, encoding| match encoding {
        Encoding::Audio(codec) => local.codecs.contains(&codec).then_some(number),
        Encoding::TelephoneEvent { .. } | Encoding::ComfortNoise { .. } => Some(number),
    };
    let mut first_rejection = None;
    for (line, media) in offer.media.iter().enumerate() {
        if !media.is_audio() || media.port == 0 {
            continue;
        }
        match agree(offer, media, local, mirrored) {
            Ok(agreed) => return Ok((line, agreed)),
            Err(rejection) => first_rejection = first_rejection.or(Some(rejection)),
        }
    }
    Err(first_rejection.unwrap_or(Rejection::NoAudio))
}

/// What the peer's live audio line `media` of `session` and ours amount to.
///
/// `our_number`: given what the peer calls an encoding, what we call it, if we speak it at all.
fn agree(
    session: &SessionDescription,
    media: &MediaDescription,
    local: &LocalMedia,
    our_number: impl Fn(u8, Encoding) -> Option<u8>,
) -> Result<Agreed, Rejection> {
    // Plain RTP. Feedback (the F) is allowed, not required: without a=rtcp-fb in our answer there is none.
    if !matches!(media.proto, Proto::Avp | Proto::Avpf) {
        return Err(Rejection::Transport);
    }
    let named = encodings(media);
    let common =
        || named.iter().filter_map(|(number, encoding)| Some((*number, our_number(*number, *encoding)?, *encoding)));
    let (payload_type_out, payload_type_in, codec) = common()
        .find_map(|(theirs, ours, encoding)| match encoding {
            Encoding::Audio(codec) => Some((theirs, ours, codec)),
            _ => None,
        })
        .ok_or(Rejection::NoCommonCodec)?;
    let digits_at = |clock_hz| {
        common().find(|(_, _, encoding)| *encoding == Encoding::TelephoneEvent { clock_hz }).map(
            |(payload_type_out, payload_type_in, _)| TelephoneEvent { payload_type_out, payload_type_in, clock_hz },
        )
    };
    let quiet = Encoding::ComfortNoise { clock_hz: codec.clock_hz() };

    let target = Target::of(session.connection_of(media).ok_or(Rejection::NoConnection)?, local.address)?;
    if media.port == DISCARD_PORT {
        return Err(Rejection::DiscardPort);
    }
    let remote = target.at(media.port);
    let rtcp_mux = media.attributes.get("rtcp-mux").is_some();
    let peer = session.direction_of(media);
    let peer = Direction::of(peer.sends(), peer.receives() && target != Target::Nowhere);
    Ok(Agreed {
        remote,
        rtcp: if rtcp_mux { remote } else { rtcp_address(media, target, local.address) },
        rtcp_mux,
        codec,
        payload_type_out,
        payload_type_in,
        telephone_event: digits_at(codec.clock_hz()).or_else(|| digits_at(8000)),
        comfort_noise: named.iter().find(|(_, encoding)| *encoding == quiet).map(|(number, _)| *number),
        ptime_ms: ptime_ms(media, codec),
        direction: peer.answer(local.direction),
        peer_holds: local.direction.sends() && !peer.receives(),
    })
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
            Some(ip) if ip.is_multicast() || ip == IpAddr::V4(std::net::Ipv4Addr::BROADCAST) => {
                Err(Rejection::Multicast)
            }
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
    let limit = millis("maxptime").unwrap_or(PTIME_MS_MAX.into()).min(codec.ptime_ms_max().into());
    let fits = |ptime: &u8| u32::from(*ptime) <= wanted.min(limit);
    PTIMES_MS.into_iter().rev().find(fits).unwrap_or(PTIMES_MS[0])
}

const PTIMES_MS: [u8; 5] = [10, 20, 30, 40, PTIME_MS_MAX];
const PTIME_MS_USUAL: u8 = 20;
const PTIME_MS_MAX: u8 = 60;
/// RFC 863; in an offer, RFC 8840 §4.1.1.
const DISCARD_PORT: u16 = 9;
