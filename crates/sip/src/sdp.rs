//! A session description: what one side of a call says about its media (RFC 8866, RFC 4566).
//!
//! Reading is lenient where phones are sloppy (line ends, missing last line end, unknown lines, odd order) and
//! bounded where a stranger could be hostile. We keep what an answer depends on: origin, name, connections,
//! times, attributes and every media line; bandwidth, keys, e-mail and the like are read over.
//!
//! ```text
//! v=0                             always 0, always first
//! o=- 3920 1 IN IP4 192.0.2.1     Origin: whose description, and which version of it
//! s=-                             name
//! c=IN IP4 192.0.2.1              NetAddress: where media goes, unless a media line has its own
//! t=0 0                           Timing
//! m=audio 5000 RTP/AVP 0 101      MediaDescription: kind, port, Proto, formats …
//! a=rtpmap:101 telephone-event/8000         … and its Attributes
//! ```
//! What the two sides make of each other's descriptions is [`crate::OfferAnswer`]'s business.

use std::fmt;
use std::net::IpAddr;

use crate::Direction;

/// One side's description of its media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDescription {
    /// `o=`: who wrote it, and its version.
    pub origin: Origin,
    /// `s=`: a name nobody looks at.
    pub name: String,
    /// `c=` before the first media line: the address of every media line that has none of its own.
    pub connection: Option<NetAddress>,
    /// `t=` lines. An answer repeats the offer's.
    pub times: Vec<Timing>,
    /// `a=` lines before the first media line.
    pub attributes: Attributes,
    /// `m=` lines, each with what follows it. An answer has exactly as many as its offer.
    pub media: Vec<MediaDescription>,
}

impl SessionDescription {
    /// Reads a description from a message body.
    pub fn parse(body: &[u8]) -> Result<Self, SdpError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(SdpError::BodyTooLong { bytes: body.len() });
        }
        let text = String::from_utf8_lossy(body);
        // CRLF, a lone LF and a lone CR all end a line; the last one may lack its end.
        let mut lines = text.split(['\r', '\n']).map(str::trim_end).filter(|line| !line.is_empty());
        if lines.next() != Some("v=0") {
            return Err(SdpError::Version);
        }
        let mut reader = Reader::default();
        for (number, line) in lines.enumerate() {
            if number >= LINES_MAX {
                return Err(SdpError::TooManyLines);
            }
            reader.read(line)?;
        }
        reader.finish()
    }

    /// Where the peer asks for its audio: the address of the first audio line that is not refused.
    /// For choosing the local address, IPv4 or IPv6, from which to answer it.
    pub fn audio_address(&self) -> Option<IpAddr> {
        let audio = self.media.iter().find(|media| media.is_audio() && media.port != 0)?;
        self.connection_of(audio)?.ip()
    }

    /// The connection that holds for `media`: its own, else the session's.
    pub(crate) fn connection_of<'a>(&'a self, media: &'a MediaDescription) -> Option<&'a NetAddress> {
        media.connection.as_ref().or(self.connection.as_ref())
    }

    /// The direction that holds for `media`: its own, else the session's, else both ways (RFC 8866 §6.7).
    pub(crate) fn direction_of(&self, media: &MediaDescription) -> Direction {
        media.attributes.direction().or(self.attributes.direction()).unwrap_or_default()
    }
}

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { username, session_id, version, address } = &self.origin;
        write!(f, "v=0\r\no={username} {session_id} {version} {address}\r\ns={}\r\n", self.name)?;
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        for Timing { start, stop } in &self.times {
            write!(f, "t={start} {stop}\r\n")?;
        }
        write!(f, "{}", self.attributes)?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

/// `o=`: who wrote a description, and which version of it this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// A login name, or `-`.
    pub username: String,
    /// The same for the whole dialog.
    pub session_id: u64,
    /// Grows by one with each changed description (RFC 3264 §8).
    pub version: u64,
    /// The writer's host.
    pub address: NetAddress,
}

impl Origin {
    /// Read from the right: some phones put a display name with spaces first, others nothing at all.
    fn parse(value: &str) -> Option<Self> {
        let mut fields = value.rsplit(' ').filter(|field| !field.is_empty());
        let (address, address_type, net_type) = (fields.next()?, fields.next()?, fields.next()?);
        let (version, session_id) = (digits(fields.next()?)?, digits(fields.next()?)?);
        let mut username: Vec<&str> = fields.collect();
        username.reverse();
        let username = if username.is_empty() { "-".to_owned() } else { username.join(" ") };
        Some(Self { username, session_id, version, address: NetAddress::of(net_type, address_type, address) })
    }
}

/// A network address as `o=` and `c=` spell it: `IN IP4 192.0.2.1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetAddress {
    /// `IN`, the internet; anything else was never seen in the wild.
    pub net_type: String,
    /// `IP4` or `IP6`.
    pub address_type: String,
    /// A literal address, maybe with a multicast TTL, or a host name.
    pub address: String,
}

impl NetAddress {
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        Some(Self::of(fields.next()?, fields.next()?, fields.next()?))
    }

    fn of(net_type: &str, address_type: &str, address: &str) -> Self {
        Self { net_type: net_type.to_owned(), address_type: address_type.to_owned(), address: address.to_owned() }
    }

    /// The literal address; `None` for a host name. What the literal is counts, not what `IP4` or `IP6` claims,
    /// and an IPv4 address mapped into IPv6 is an IPv4 address.
    pub fn ip(&self) -> Option<IpAddr> {
        let literal = self.address.split('/').next()?;
        literal.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
    }
}

impl From<IpAddr> for NetAddress {
    fn from(ip: IpAddr) -> Self {
        Self::of("IN", if ip.is_ipv4() { "IP4" } else { "IP6" }, &ip.to_string())
    }
}

impl fmt::Display for NetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.net_type, self.address_type, self.address)
    }
}

/// `t=`: when the session starts and stops, in NTP seconds; `0 0` in every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    /// Start, 0: now.
    pub start: u64,
    /// Stop, 0: never.
    pub stop: u64,
}

impl Timing {
    fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        Some(Self { start: digits(fields.next()?)?, stop: digits(fields.next()?)? })
    }
}

/// A number of any length, as the grammar of `o=` and `t=` has it; we do not calculate with it.
fn digits(field: &str) -> Option<u64> {
    let numeric = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
    numeric.then(|| field.parse().unwrap_or(u64::MAX))
}

/// `m=` and the lines that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaDescription {
    /// `audio`, `video`, `image` (fax), …
    pub kind: String,
    /// Where the writer receives; 0 refuses or ends the stream.
    pub port: u16,
    /// How it is carried.
    pub proto: Proto,
    /// For RTP the payload types, most wanted first. Never empty.
    pub formats: Vec<String>,
    /// The line's own `c=`.
    pub connection: Option<NetAddress>,
    /// The line's own `a=` lines.
    pub attributes: Attributes,
}

impl MediaDescription {
    /// `audio 5000 RTP/AVP 0 101`. What is read here is echoed into answers, so it must be plain printable text.
    fn parse(value: &str) -> Result<Self, SdpError> {
        let malformed = || SdpError::Malformed { line: 'm' };
        let mut fields = value.split_ascii_whitespace();
        let (kind, port, proto) = match (fields.next(), fields.next(), fields.next()) {
            (Some(kind), Some(port), Some(proto)) => (kind, port, proto),
            _ => return Err(malformed()),
        };
        // `port/count` asks for several streams; nobody does for audio, the first one serves.
        let port = port.split('/').next().unwrap_or(port).parse().map_err(|_| malformed())?;
        let formats: Vec<&str> = fields.by_ref().take(FORMATS_MAX).collect();
        if fields.next().is_some() {
            return Err(SdpError::TooManyFormats);
        }
        let plain = |token: &str| token.bytes().all(|byte| byte.is_ascii_graphic());
        if formats.is_empty() || ![kind, proto].into_iter().chain(formats.iter().copied()).all(plain) {
            return Err(malformed());
        }
        Ok(Self {
            kind: kind.to_owned(),
            port,
            proto: Proto::from(proto),
            formats: formats.into_iter().map(str::to_owned).collect(),
            connection: None,
            attributes: Attributes::default(),
        })
    }

    /// Whether the line describes audio.
    pub fn is_audio(&self) -> bool {
        self.kind.eq_ignore_ascii_case("audio")
    }

    /// The same line refused: port 0, nothing else said (RFC 3264 §6).
    pub(crate) fn refused(&self) -> Self {
        Self {
            kind: self.kind.clone(),
            port: 0,
            proto: self.proto.clone(),
            formats: self.formats.clone(),
            connection: None,
            attributes: Attributes::default(),
        }
    }
}

impl fmt::Display for MediaDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, port, proto, formats, connection, attributes } = self;
        write!(f, "m={kind} {port} {proto}")?;
        formats.iter().try_for_each(|format| write!(f, " {format}"))?;
        f.write_str("\r\n")?;
        if let Some(connection) = connection {
            write!(f, "c={connection}\r\n")?;
        }
        write!(f, "{attributes}")
    }
}

/// How a media line is carried: plain RTP, or RTP secured in one of two ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proto {
    /// `RTP/AVP`, RFC 3551.
    Avp,
    /// `RTP/AVPF`, with early feedback, RFC 4585.
    Avpf,
    /// `RTP/SAVP`: SRTP, its key in the description, RFC 3711 and RFC 4568.
    Savp,
    /// `RTP/SAVPF`, RFC 5124.
    Savpf,
    /// `UDP/TLS/RTP/SAVP`: SRTP, its key from a DTLS handshake, RFC 5764.
    DtlsSavp,
    /// `UDP/TLS/RTP/SAVPF`: what browsers speak.
    DtlsSavpf,
    /// Not RTP as we know it: `udptl`, `TCP/MSRP`, `DTLS/SCTP`, …
    Other(String),
}

impl Proto {
    const KNOWN: [Proto; 6] = [Self::Avp, Self::Avpf, Self::Savp, Self::Savpf, Self::DtlsSavp, Self::DtlsSavpf];

    fn name(&self) -> &str {
        match self {
            Self::Avp => "RTP/AVP",
            Self::Avpf => "RTP/AVPF",
            Self::Savp => "RTP/SAVP",
            Self::Savpf => "RTP/SAVPF",
            Self::DtlsSavp => "UDP/TLS/RTP/SAVP",
            Self::DtlsSavpf => "UDP/TLS/RTP/SAVPF",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for Proto {
    fn from(name: &str) -> Self {
        let known = Self::KNOWN.into_iter().find(|proto| name.eq_ignore_ascii_case(proto.name()));
        known.unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The `a=` lines of a session or of one media line, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes(Vec<Attribute>);

impl Attributes {
    /// The value of the first attribute with this name, empty for one that has none, like `a=rtcp-mux`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all attributes with this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |attribute| attribute.name.eq_ignore_ascii_case(name));
        named.map(|attribute| attribute.value.as_deref().unwrap_or(""))
    }

    /// Adds `a=name`, or `a=name:value`.
    pub(crate) fn push(&mut self, name: &str, value: Option<String>) {
        self.0.push(Attribute { name: name.to_owned(), value });
    }

    /// The direction, where one is named.
    pub(crate) fn direction(&self) -> Option<Direction> {
        self.0.iter().find_map(|attribute| Direction::named(&attribute.name))
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|Attribute { name, value }| match value {
            Some(value) => write!(f, "a={name}:{value}\r\n"),
            None => write!(f, "a={name}\r\n"),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Attribute {
    name: String,
    value: Option<String>,
}

impl Attribute {
    fn parse(line: &str) -> Self {
        match line.split_once(':') {
            Some((name, value)) => Self { name: name.trim().to_owned(), value: Some(value.trim().to_owned()) },
            None => Self { name: line.trim().to_owned(), value: None },
        }
    }
}

/// What has been read so far, line by line.
#[derive(Default)]
struct Reader {
    origin: Option<Origin>,
    name: Option<String>,
    connection: Option<NetAddress>,
    times: Vec<Timing>,
    attributes: Attributes,
    media: Vec<MediaDescription>,
}

impl Reader {
    fn read(&mut self, line: &str) -> Result<(), SdpError> {
        let (letter, value) = match line.split_at_checked(2).map(|(letter, value)| (letter.as_bytes(), value)) {
            Some(([letter, b'='], value)) => (char::from(*letter), value.trim_start_matches(' ')),
            _ => return Err(SdpError::NotALine),
        };
        let malformed = SdpError::Malformed { line: letter };
        match letter {
            'o' if self.origin.is_none() => self.origin = Some(Origin::parse(value).ok_or(malformed)?),
            's' if self.name.is_none() => self.name = Some(value.to_owned()),
            't' => self.times.push(Timing::parse(value).ok_or(malformed)?),
            'm' if self.media.len() >= MEDIA_MAX => return Err(SdpError::TooManyMediaLines),
            'm' => self.media.push(MediaDescription::parse(value)?),
            'c' => {
                // A second c= of one section is a layered multicast's; the first one serves.
                let connection = self.media.last_mut().map_or(&mut self.connection, |media| &mut media.connection);
                connection.get_or_insert(NetAddress::parse(value).ok_or(malformed)?);
            }
            'a' => {
                let attributes = self.media.last_mut().map_or(&mut self.attributes, |media| &mut media.attributes);
                if attributes.0.len() >= ATTRIBUTES_MAX {
                    return Err(SdpError::TooManyAttributes);
                }
                attributes.0.push(Attribute::parse(value));
            }
            _ => {} // i u e p b r z k, and letters nobody has defined
        }
        Ok(())
    }

    fn finish(self) -> Result<SessionDescription, SdpError> {
        Ok(SessionDescription {
            origin: self.origin.ok_or(SdpError::NoOrigin)?,
            name: self.name.unwrap_or_else(|| "-".to_owned()),
            connection: self.connection,
            times: if self.times.is_empty() { vec![Timing::default()] } else { self.times },
            attributes: self.attributes,
            media: self.media,
        })
    }
}

/// Why a body is not a session description that we would read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// It does not begin like one.
    #[error("no v=0 in the first line of the session description")]
    Version,
    /// Nobody claims it.
    #[error("no o= line in the session description")]
    NoOrigin,
    /// A line is not `letter=value`.
    #[error("a line of the session description is not of the form x=value")]
    NotALine,
    /// A line we depend on cannot be read.
    #[error("malformed {line}= line in the session description")]
    Malformed {
        /// Its letter.
        line: char,
    },
    /// Larger than any description a phone sends.
    #[error("session description of {bytes} bytes, at most {BODY_BYTES_MAX} are read")]
    BodyTooLong {
        /// Its size.
        bytes: usize,
    },
    /// More lines than any phone sends.
    #[error("session description of more than {LINES_MAX} lines")]
    TooManyLines,
    /// More media lines than we care to refuse one by one.
    #[error("session description of more than {MEDIA_MAX} media lines")]
    TooManyMediaLines,
    /// More formats than there are payload types.
    #[error("media line of more than {FORMATS_MAX} formats")]
    TooManyFormats,
    /// More attributes in one section than any phone sends.
    #[error("more than {ATTRIBUTES_MAX} attributes in one section of the session description")]
    TooManyAttributes,
}

/// A browser offering audio and video sends 6–10 KiB.
const BODY_BYTES_MAX: usize = 32 * 1024;
const LINES_MAX: usize = 1000;
const MEDIA_MAX: usize = 32;
/// A browser's video section has about 60.
const ATTRIBUTES_MAX: usize = 256;
/// As many as there are payload types.
const FORMATS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_may_send_is_bounded() {
        let many = |line: &str, times: usize| format!("{HEAD}{}", line.repeat(times));
        let formats = |count| format!("{HEAD}m=audio 5000 RTP/AVP{}\n", " 0".repeat(count));
        for (case, text, want) in [
            ("media lines", many("m=audio 5000 RTP/AVP 0\n", MEDIA_MAX), None),
            ("one more", many("m=audio 5000 RTP/AVP 0\n", MEDIA_MAX + 1), Some(SdpError::TooManyMediaLines)),
            ("formats", formats(FORMATS_MAX), None),
            ("one more", formats(FORMATS_MAX + 1), Some(SdpError::TooManyFormats)),
            ("attributes", many("a=x\n", ATTRIBUTES_MAX), None),
            ("one more", many("a=x\n", ATTRIBUTES_MAX + 1), Some(SdpError::TooManyAttributes)),
            ("lines", many("i=x\n", LINES_MAX - 1), None),
            ("one more", many("i=x\n", LINES_MAX), Some(SdpError::TooManyLines)),
            ("bytes", many("x", BODY_BYTES_MAX), Some(SdpError::BodyTooLong { bytes: HEAD.len() + BODY_BYTES_MAX })),
        ] {
            assert_eq!(SessionDescription::parse(text.as_bytes()).err(), want, "{case}");
        }
    }

    #[test]
    fn what_we_read_we_write() {
        let text = "v=0\r\no=Ana Lopez 5 6 IN IP4 192.0.2.1\r\ns=talk\r\nc=IN IP6 ::1\r\nt=1 2\r\nt=3 4\r\n\
            a=sendonly\r\na=tool:x: y\r\n\
            m=audio 5000 RTP/AVP 0 8\r\nc=IN IP4 phone.example.com\r\na=rtcp-mux\r\na=ptime:20\r\n\
            m=video 0 UDP/TLS/RTP/SAVPF 99\r\nm=image 4 udptl t38\r\n";
        assert_eq!(SessionDescription::parse(text.as_bytes()).unwrap().to_string(), text);
    }

    const HEAD: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\n";
}
