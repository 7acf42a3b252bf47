//! URIs: `sip:` and `sips:` taken apart (RFC 3261 §19.1), every other scheme kept as text.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::params::Params;

/// An address of a user, a device or a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Uri {
    /// `sip:` or `sips:`.
    Sip(SipUri),
    /// Any other scheme, such as `tel:`.
    Other {
        /// Before the colon, as written.
        scheme: String,
        /// After the colon, as written.
        rest: String,
    },
}

/// `sip:user:password@host:port;params?headers`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SipUri {
    /// `sips:`: every hop over TLS.
    pub secure: bool,
    /// As written, `%` escapes included; [`SipUri::user_decoded`] takes them off.
    pub user: Option<String>,
    /// As written.
    pub password: Option<String>,
    /// Where.
    pub host: Host,
    /// Unset means the transport's own.
    pub port: Option<u16>,
    /// `;transport=tcp;lr`.
    pub params: Params,
    /// What follows the `?`, as written.
    pub headers: Option<String>,
}

/// A host by name or by address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name, as written.
    Name(String),
    /// `192.0.2.1`.
    V4(Ipv4Addr),
    /// `[2001:db8::1]`.
    V6(Ipv6Addr),
}

/// The URI of a request line: what it means, and the very text it came as, which some peers insist on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestUri {
    text: String,
    uri: Uri,
}

/// Why a text is no URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// No `scheme:` at the front.
    #[error("a URI begins with a scheme and a colon")]
    Scheme,
    /// Something between the scheme and the host.
    #[error("the user part of the URI is malformed")]
    User,
    /// No host, or none that can be one; an IPv6 address without brackets is such.
    #[error("the host of the URI is malformed")]
    Host,
    /// Not a number from 0 to 65535.
    #[error("the port of the URI is malformed")]
    Port,
    /// A `;` with nothing behind it, or the like.
    #[error("a parameter of the URI is malformed")]
    Param,
    /// A space, a quote, an angle bracket or a control character.
    #[error("the URI holds a character that must be escaped")]
    Character,
}

impl Uri {
    /// The `sip:` or `sips:` URI, if it is one.
    pub const fn sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            Self::Other { .. } => None,
        }
    }

    /// Who is meant: the user of a SIP URI or the number of a `tel:` URI, escapes taken off.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Sip(uri) => uri.user_decoded(),
            Self::Other { scheme, rest } if scheme.eq_ignore_ascii_case("tel") => {
                rest.split(';').next().map(Cow::Borrowed)
            }
            Self::Other { .. } => None,
        }
    }

    /// Whether both name the same thing (RFC 3261 §19.1.4; other schemes: letter by letter).
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sip(one), Self::Sip(two)) => one.equivalent(two),
            (Self::Other { scheme, rest }, Self::Other { scheme: scheme2, rest: rest2 }) => {
                scheme.eq_ignore_ascii_case(scheme2) && rest == rest2
            }
            _ => false,
        }
    }
}

impl SipUri {
    /// `sip:host`, nothing else.
    pub const fn new(host: Host) -> Self {
        Self { secure: false, user: None, password: None, host, port: None, params: Params::new(), headers: None }
    }

    /// The user with `%` escapes taken off; what then is no UTF-8 shows as `�`.
    pub fn user_decoded(&self) -> Option<Cow<'_, str>> {
        self.user.as_deref().map(decode)
    }

    /// The `transport` parameter.
    pub fn transport(&self) -> Option<&str> {
        self.params.get("transport")
    }

    /// Whether it is a loose router's (`;lr`).
    pub fn is_loose_router(&self) -> bool {
        self.params.contains("lr")
    }

    /// Whether both name the same resource by RFC 3261 §19.1.4. Not transitive: the RFC says so itself.
    pub fn equivalent(&self, other: &Self) -> bool {
        self.secure == other.secure
            && same_escaped(self.user.as_deref(), other.user.as_deref())
            && same_escaped(self.password.as_deref(), other.password.as_deref())
            && self.host.equivalent(&other.host)
            && self.port == other.port
            && params_agree(&self.params, &other.params)
            && params_agree(&other.params, &self.params)
            && same_headers(self.headers.as_deref(), other.headers.as_deref())
    }

    /// Reads what stands after `sip:` or `sips:`.
    fn parse(secure: bool, text: &str) -> Result<Self, UriError> {
        let (userinfo, rest) = match text.split_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, text),
        };
        // A second `@` is either a user that should have escaped it or a host that hides another: never guess.
        if rest.contains('@') {
            return Err(UriError::User);
        }
        let (user, password) =
            match userinfo.map(|info| info.split_once(':').map_or((info, None), |(u, p)| (u, Some(p)))) {
                None => (None, None),
                Some(("", _)) => return Err(UriError::User),
                Some((user, password)) => (Some(user.to_owned()), password.map(str::to_owned)),
            };
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers.to_owned())),
            None => (rest, None),
        };
        let (host_port, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
        let (host, port) = Host::parse_with_port(host_port)?;
        let params = Params::parse(params).ok_or(UriError::Param)?;
        Ok(Self { secure, user, password, host, port, params, headers })
    }
}

impl Host {
    /// Reads `host` or `host:port`. IPv6 needs its brackets, or nobody knows where the port begins.
    pub(crate) fn parse_with_port(text: &str) -> Result<(Self, Option<u16>), UriError> {
        let host_end = match text.strip_prefix('[') {
            Some(inner) => inner.find(']').ok_or(UriError::Host)? + 2,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, port) = text.split_at(host_end);
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().map_err(|_| UriError::Port)?)
            }
            Some(_) => return Err(if host.starts_with('[') { UriError::Port } else { UriError::Host }),
            None if port.is_empty() => None,
            None => return Err(UriError::Host),
        };
        Ok((host.parse()?, port))
    }

    /// The address, if it is one.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    /// Whether both are the same address or the same name, case aside.
    pub fn equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(two)) => one.eq_ignore_ascii_case(two),
            _ => self == other,
        }
    }
}

impl FromStr for Host {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if let Some(inner) = text.strip_prefix('[') {
            return parse_v6(inner.strip_suffix(']').ok_or(UriError::Host)?).map(Self::V6).ok_or(UriError::Host);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::V4(address));
        }
        // The underscore is no host name by the book, but found in many a phone's.
        let named =
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if named { Ok(Self::Name(text.to_owned())) } else { Err(UriError::Host) }
    }
}

/// RFC 3261's own grammar allowed three colons before a trailing IPv4 address; RFC 5118 §4.10 asks to accept them.
pub(crate) fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| text.contains(":::").then(|| text.replacen(":::", "::", 1).parse().ok())?)
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl From<SocketAddr> for SipUri {
    fn from(address: SocketAddr) -> Self {
        Self { port: Some(address.port()), ..Self::new(address.ip().into()) }
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Self {
        Self::Sip(uri)
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        // U+FFFD is what bytes that are no UTF-8 were read as: sending it back would name someone else.
        let unfit = |byte: u8| byte <= b' ' || matches!(byte, 0x7f | b'"' | b'<' | b'>');
        if text.bytes().any(unfit) || (!text.is_ascii() && text.contains('\u{fffd}')) {
            return Err(UriError::Character);
        }
        let (scheme, rest) = text.split_once(':').ok_or(UriError::Scheme)?;
        let mut letters = scheme.bytes();
        let named = letters.next().is_some_and(|b| b.is_ascii_alphabetic())
            && letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        if !named || rest.is_empty() {
            return Err(UriError::Scheme);
        }
        if scheme.eq_ignore_ascii_case("sip") {
            SipUri::parse(false, rest).map(Self::Sip)
        } else if scheme.eq_ignore_ascii_case("sips") {
            SipUri::parse(true, rest).map(Self::Sip)
        } else {
            Ok(Self::Other { scheme: scheme.to_owned(), rest: rest.to_owned() })
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip(uri) => uri.fmt(f),
            Self::Other { scheme, rest } => write!(f, "{scheme}:{rest}"),
        }
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            f.write_str("@")?;
        }
        self.host.fmt(f)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.fmt(f)?;
        if let Some(headers) = &self.headers {
            write!(f, "?{headers}")?;
        }
        Ok(())
    }
}

impl RequestUri {
    /// What it means.
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The text as it came, or as it will be sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for RequestUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Ok(Self { uri: text.parse()?, text: text.to_owned() })
    }
}

impl From<Uri> for RequestUri {
    fn from(uri: Uri) -> Self {
        Self { text: uri.to_string(), uri }
    }
}

impl From<SipUri> for RequestUri {
    fn from(uri: SipUri) -> Self {
        Uri::Sip(uri).into()
    }
}

/// Takes `%` escapes off. A `%` without two hex digits stands for itself.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        match (byte, hex_pair(tail)) {
            (b'%', Some(value)) => {
                out.push(value);
                rest = &tail[2..];
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn hex_pair(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*text.first()?)? << 4 | digit(*text.get(1)?)?)
}

/// Reads the next character of escaped text: an escape of a character that needs none is that character;
/// an escape of a reserved one stays apart from the bare one (RFC 3261 §19.1.4, RFC 2396 §2.2).
fn next_compared(rest: &mut &[u8]) -> Option<(bool, u8)> {
    let (&byte, tail) = rest.split_first()?;
    let (escaped, byte) = match (byte, hex_pair(tail)) {
        (b'%', Some(value)) => {
            *rest = &tail[2..];
            let needless = value.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&value);
            (!needless, value)
        }
        _ => {
            *rest = tail;
            (false, byte)
        }
    };
    Some((escaped, byte))
}

fn same_escaped(one: Option<&str>, two: Option<&str>) -> bool {
    compare_escaped(one, two, |one, two| one == two)
}

fn same_escaped_caseless(one: &str, two: &str) -> bool {
    compare_escaped(Some(one), Some(two), |one, two| one.eq_ignore_ascii_case(&two))
}

fn compare_escaped(one: Option<&str>, two: Option<&str>, same: impl Fn(u8, u8) -> bool) -> bool {
    let (Some(one), Some(two)) = (one, two) else { return one.is_none() && two.is_none() };
    let (mut one, mut two) = (one.as_bytes(), two.as_bytes());
    loop {
        match (next_compared(&mut one), next_compared(&mut two)) {
            (None, None) => return true,
            (Some((escaped, byte)), Some((escaped2, byte2))) if escaped == escaped2 && same(byte, byte2) => {}
            _ => return false,
        }
    }
}

/// Whether everything `one` says is matched by `two`: parameters that both have must agree, and some must not
/// stand in one alone, since they change where or how a request is sent.
fn params_agree(one: &Params, two: &Params) -> bool {
    one.iter().all(|(name, value)| match two.iter().find(|(other, _)| same_escaped_caseless(name, other)) {
        Some((_, other)) => same_escaped_caseless(value.unwrap_or(""), other.unwrap_or("")),
        None => !["user", "ttl", "method", "maddr", "transport"].iter().any(|never| name.eq_ignore_ascii_case(never)),
    })
}

/// Headers count always and in any order.
fn same_headers(one: Option<&str>, two: Option<&str>) -> bool {
    let (one, two) = (one.unwrap_or(""), two.unwrap_or(""));
    let holds = |all: &str, wanted: &str| {
        wanted.split('&').all(|pair| all.split('&').any(|other| same_escaped_caseless(pair, other)))
    };
    one.split('&').count() == two.split('&').count() && holds(one, two) && holds(two, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn sip_uris_are_taken_apart() {
        for (text, user, host, port, rest) in [
            ("sip:example.com", None, "example.com", None, ""),
            ("SIP:ana@example.com", Some("ana"), "example.com", None, ""),
            ("sips:ana:secret@192.0.2.1:5061", Some("ana"), "192.0.2.1", Some(5061), ""),
            (
                "sip:+1-555@[2001:db8::1]:5060;transport=tcp;lr",
                Some("+1-555"),
                "[2001:db8::1]",
                Some(5060),
                ";transport=tcp;lr",
            ),
            ("sip:a;b?c/d@host_1", Some("a;b?c/d"), "host_1", None, ""),
            ("sip:%61%20b@example.com.", Some("a b"), "example.com.", None, ""),
            ("sip:[2001:db8:::192.0.2.1]", None, "[2001:db8::c000:201]", None, ""),
            ("sip:x.invalid;ob?Subject=hi", None, "x.invalid", None, ";ob"),
        ] {
            let parsed = uri(text);
            let sip = parsed.sip().expect("a SIP URI");
            assert_eq!(sip.user_decoded().as_deref(), user, "{text}");
            assert_eq!((sip.host.to_string().as_str(), sip.port), (host, port), "{text}");
            assert_eq!(sip.params.to_string(), rest, "{text}");
        }
    }

    #[test]
    fn what_is_no_uri_says_why() {
        for (text, want) in [
            ("", UriError::Scheme),
            ("example.com", UriError::Scheme),
            ("sip:", UriError::Scheme),
            ("5ip:x", UriError::Scheme),
            ("sip:@example.com", UriError::User),
            ("sip:a@b@example.com", UriError::User),
            ("sip:a@", UriError::Host),
            ("sip:2001:db8::1", UriError::Host),
            ("sip:[2001:db8::1", UriError::Host),
            ("sip:[::1]x", UriError::Host),
            ("sip:exa%6dple.com", UriError::Host),
            ("sip:example.com:", UriError::Port),
            ("sip:example.com:70000", UriError::Port),
            ("sip:example.com:+5060", UriError::Host),
            ("sip:example.com;;lr", UriError::Param),
            ("sip:a b@example.com", UriError::Character),
            ("<sip:example.com>", UriError::Character),
            ("sip:\u{fffd}@example.com", UriError::Character),
        ] {
            assert_eq!(text.parse::<Uri>(), Err(want), "{text:?}");
        }
    }

    #[test]
    fn uris_are_written_as_they_came() {
        for text in [
            "sip:ana:secret@example.com:5060;transport=tcp;lr?Subject=a%20b&Priority=urgent",
            "sips:[2001:db8::1]:5061",
            "tel:+15550100;phone-context=example.com",
            "urn:service:sos",
        ] {
            assert_eq!(uri(text).to_string(), text);
        }
    }

    #[test]
    fn a_called_user_is_a_user_or_a_number() {
        assert_eq!(uri("sip:stand%2Dup@example.com").user().as_deref(), Some("stand-up"));
        assert_eq!(uri("tel:+1-555-0100;ext=2").user().as_deref(), Some("+1-555-0100"));
        assert_eq!(uri("sip:example.com").user(), None);
        assert_eq!(uri("urn:service:sos").user(), None);
    }

    #[test]
    fn uris_compare_by_the_rules_of_rfc_3261_19_1_4() {
        for (one, two, want) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=a%40b",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=a%40b",
                true,
            ),
            ("sip:alice@atlanta.com?subject=a&priority=b", "sip:alice@atlanta.com?priority=b&subject=a", true),
            ("SIP:ALICE@AtLanTa.CoM", "sip:alice@AtLanTa.CoM", false), // users have a case
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false),  // a port, or the transport's own
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false),
            ("sip:bob@biloxi.com", "sips:bob@biloxi.com", false),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next", false),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false),
            ("sip:bob@biloxi.com", "sip:biloxi.com", false),
            ("sip:a%3Bb@biloxi.com", "sip:a;b@biloxi.com", false), // an escaped reserved character is another one
            ("sip:bob@[2001:db8::1]", "sip:bob@[2001:0DB8:0::1]", true),
            ("tel:+15550100", "TEL:+15550100", true),
            ("tel:+15550100", "sip:+15550100@example.com", false),
        ] {
            assert_eq!(uri(one).equivalent(&uri(two)), want, "{one} and {two}");
            assert_eq!(uri(two).equivalent(&uri(one)), want, "{two} and {one}");
        }
    }
}
