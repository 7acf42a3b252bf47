//! What single headers mean: typed views, read from the text when asked.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::address::NameAddr;
use crate::grammar::{find_outside, is_token, lossy, number, trim, values, write_quoted};
use crate::header::{HeaderError, Headers};
use crate::message::Method;
use crate::name::Name;
use crate::params::Params;
use crate::via::Via;

/// `CSeq: 314159 INVITE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    /// Below 2^31 (RFC 3261 §8.1.1.5).
    pub number: u32,
    /// The method of the request, also in its responses.
    pub method: Method,
}

/// `Content-Type: application/sdp;charset=utf-8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    /// `type/subtype` in lower case.
    pub essence: String,
    /// `boundary` and the like.
    pub params: Params,
}

/// `Session-Expires: 1800;refresher=uas` (RFC 4028 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionExpires {
    /// How long the session lives without a refresh.
    pub seconds: u32,
    /// Who has to refresh; unset in a request that leaves it open.
    pub refresher: Option<Refresher>,
}

/// Who refreshes a session, by its part in the transaction that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answers it.
    Uas,
}

/// `Reason: SIP;cause=200;text="Call completed elsewhere"` (RFC 3326).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850`, …
    pub protocol: String,
    /// A status or cause of that protocol.
    pub cause: Option<u16>,
    /// For people.
    pub text: Option<String>,
}

impl Headers {
    /// The topmost Via: who sent us the message.
    pub fn via_top(&self) -> Result<Via, HeaderError> {
        let line = self.required(Name::Via)?;
        values(&line).next().and_then(Via::parse).ok_or(HeaderError::Malformed(Name::Via))
    }

    /// The whole way the message came, last hop first.
    pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
        self.all(Name::Via, Via::parse)
    }

    /// Puts another topmost Via in the place of the first, leaving the others untouched, on the same line or not.
    pub fn set_via_top(&mut self, via: &Via) {
        let line = self.text(Name::Via).unwrap_or_default().into_owned();
        let rest = line.get(find_outside(&line, b',')..).unwrap_or("");
        self.set_first(Name::Via, format!("{via}{rest}"));
    }

    /// Who sent the request.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        self.address(Name::From)
    }

    /// Whom the request is meant for.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.address(Name::To)
    }

    /// The From-tag; `None` from senders older than RFC 3261, or if From does not read.
    pub fn from_tag(&self) -> Option<String> {
        self.from().ok()?.tag().map(str::to_owned)
    }

    /// The To-tag; none in a request outside of a dialog.
    pub fn to_tag(&self) -> Option<String> {
        self.to().ok()?.tag().map(str::to_owned)
    }

    /// Gives To this tag, unless it has one. All else in it stays as it came, even what does not read: the
    /// refusal of a spoiled request needs its tag too (RFC 3261 §8.2.6.2).
    pub fn set_to_tag(&mut self, tag: &str) {
        let Some(value) = self.get(Name::To) else { return };
        if self.to().is_ok_and(|to| to.tag().is_some()) {
            return;
        }
        let value = [value, b";tag=", tag.as_bytes()].concat();
        self.set(Name::To, value);
    }

    /// The Call-ID. It compares byte by byte.
    pub fn call_id(&self) -> Result<&str, HeaderError> {
        let value = self.get(Name::CallId).ok_or(HeaderError::Missing(Name::CallId))?;
        let text = std::str::from_utf8(value).ok();
        text.filter(|text| is_call_id(text)).ok_or(HeaderError::Malformed(Name::CallId))
    }

    /// The CSeq.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        self.required(Name::CSeq)?.parse()
    }

    /// Where the sender wants to be reached. A `*` is no address; see [`Headers::contact_is_star`].
    pub fn contacts(&self) -> Result<Vec<NameAddr>, HeaderError> {
        if self.contact_is_star() { Ok(Vec::new()) } else { self.addresses(Name::Contact) }
    }

    /// `Contact: *`, all of a REGISTER's bindings.
    pub fn contact_is_star(&self) -> bool {
        self.get(Name::Contact) == Some(b"*") && self.count(Name::Contact) == 1
    }

    /// The hops that want to see the whole dialog, as they stand in the message.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.addresses(Name::RecordRoute)
    }

    /// The hops still to visit.
    pub fn routes(&self) -> Result<Vec<NameAddr>, HeaderError> {
        self.addresses(Name::Route)
    }

    /// Every address of a header that may hold several: P-Asserted-Identity, Diversion, Path, …
    pub fn addresses(&self, name: Name<'static>) -> Result<Vec<NameAddr>, HeaderError> {
        self.all(name, |value| value.parse().ok())
    }

    /// How many hops the request may still make, 0 to 255; unset is allowed from senders older than RFC 3261.
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        self.number(Name::MaxForwards)?
            .map(|n| u8::try_from(n).map_err(|_| HeaderError::Malformed(Name::MaxForwards)))
            .transpose()
    }

    /// How long the body says it is.
    pub fn content_length(&self) -> Result<Option<usize>, HeaderError> {
        let malformed = |_| HeaderError::Malformed(Name::ContentLength);
        self.number(Name::ContentLength)?.map(|n| usize::try_from(n).map_err(malformed)).transpose()
    }

    /// What the body is; `None` if unsaid or unreadable.
    pub fn content_type(&self) -> Option<MediaType> {
        self.text(Name::ContentType)?.parse().ok()
    }

    /// Extensions without which the sender wants nothing done.
    pub fn require(&self) -> impl Iterator<Item = &str> {
        self.list(Name::Require)
    }

    /// Extensions the sender knows.
    pub fn supported(&self) -> impl Iterator<Item = &str> {
        self.list(Name::Supported)
    }

    /// Methods the sender takes. Empty also if unsaid.
    pub fn allow(&self) -> impl Iterator<Item = Method> {
        self.list(Name::Allow).map(Method::from)
    }

    /// How long the session lives unrefreshed (RFC 4028).
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, HeaderError> {
        self.text(Name::SessionExpires).map(|value| value.parse()).transpose()
    }

    /// The shortest session the sender takes, in seconds (RFC 4028).
    pub fn min_se(&self) -> Result<Option<u32>, HeaderError> {
        let Some(value) = self.text(Name::MinSe) else { return Ok(None) };
        // Parameters are allowed behind it and mean nothing yet.
        delta_seconds(value.split(';').next().unwrap_or("")).map(Some).ok_or(HeaderError::Malformed(Name::MinSe))
    }

    /// How long something stays valid, in seconds. What is no number reads as unsaid, what is too large as the
    /// largest (RFC 3261 §20.19 leaves nobody worse off by that).
    pub fn expires(&self) -> Option<u32> {
        delta_seconds(&self.text(Name::Expires)?)
    }

    /// After how many seconds to try again; what stands behind the number (a comment, a duration) is not read.
    pub fn retry_after(&self) -> Option<u32> {
        let value = self.text(Name::RetryAfter)?;
        delta_seconds(value.split([' ', '\t', ';', '(']).next().unwrap_or(""))
    }

    /// Why a call ended; the first reason that reads, if there are several.
    pub fn reason(&self) -> Option<Reason> {
        self.get_all(Name::Reason).find_map(|line| values(&lossy(line)).find_map(|value| value.parse().ok()))
    }

    fn required(&self, name: Name<'static>) -> Result<Cow<'_, str>, HeaderError> {
        self.text(name).ok_or(HeaderError::Missing(name))
    }

    fn address(&self, name: Name<'static>) -> Result<NameAddr, HeaderError> {
        self.required(name)?.parse().map_err(|_| HeaderError::Malformed(name))
    }

    fn all<T>(&self, name: Name<'static>, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, HeaderError> {
        let mut all = Vec::new();
        for line in self.get_all(name) {
            for value in values(&lossy(line)) {
                all.push(parse(value).ok_or(HeaderError::Malformed(name))?);
            }
        }
        Ok(all)
    }

    fn number(&self, name: Name<'static>) -> Result<Option<u64>, HeaderError> {
        let malformed = HeaderError::Malformed(name);
        self.text(name).map(|value| number(&value).ok_or(malformed)).transpose()
    }
}

/// Seconds, as many as 32 bits hold.
fn delta_seconds(text: &str) -> Option<u32> {
    number(trim(text)).map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// The RFC's `word` allows almost every visible ASCII character; beyond it nothing that ends a value is taken.
fn is_call_id(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

impl FromStr for CSeq {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let malformed = HeaderError::Malformed(Name::CSeq);
        let (digits, method) = text.split_once([' ', '\t']).ok_or(malformed)?;
        let method = trim(method);
        let number = number(digits).filter(|&number| number <= CSEQ_MAX).and_then(|number| u32::try_from(number).ok());
        match number {
            Some(number) if is_token(method.as_bytes()) => Ok(Self { number, method: method.into() }),
            _ => Err(malformed),
        }
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

impl Reason {
    /// A SIP status and what it means here.
    pub fn sip(cause: u16, text: &str) -> Self {
        Self { protocol: "SIP".to_owned(), cause: Some(cause), text: Some(text.to_owned()) }
    }
}

impl MediaType {
    /// Whether it is `essence`, given in lower case.
    pub fn is(&self, essence: &str) -> bool {
        self.essence == essence
    }
}

impl FromStr for MediaType {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let malformed = HeaderError::Malformed(Name::ContentType);
        let (essence, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let (kind, subkind) = essence.split_once('/').ok_or(malformed)?;
        let (kind, subkind) = (trim(kind), trim(subkind));
        if !is_token(kind.as_bytes()) || !is_token(subkind.as_bytes()) {
            return Err(malformed);
        }
        let essence = format!("{kind}/{subkind}").to_ascii_lowercase();
        Ok(Self { essence, params: Params::parse(params).ok_or(malformed)? })
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.essence, self.params)
    }
}

impl FromStr for SessionExpires {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let malformed = HeaderError::Malformed(Name::SessionExpires);
        let (seconds, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let params = Params::parse(params).ok_or(malformed)?;
        let refresher = match params.get("refresher") {
            Some(who) if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Ok(Self { seconds: delta_seconds(seconds).ok_or(malformed)?, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        match self.refresher {
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reason {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let malformed = HeaderError::Malformed(Name::Reason);
        let (protocol, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let protocol = trim(protocol);
        if !is_token(protocol.as_bytes()) {
            return Err(malformed);
        }
        let params = Params::parse(params).ok_or(malformed)?;
        Ok(Self {
            protocol: protocol.to_owned(),
            cause: params.get("cause").and_then(|cause| cause.parse().ok()),
            text: params.get_unquoted("text").map(Cow::into_owned),
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        if let Some(text) = &self.text {
            f.write_str(";text=")?;
            write_quoted(text, f)?;
        }
        Ok(())
    }
}

/// 2^31 − 1: the largest sequence number (RFC 3261 §8.1.1.5). ES2017-01 shows what happens without the check.
const CSEQ_MAX: u64 = i32::MAX as u64;

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push(Name::from(name), value);
        headers
    }

    #[test]
    fn cseqs_stay_below_2_to_the_31() {
        for (value, want) in [
            ("1 INVITE", Some("1 INVITE")),
            ("0009 \t INVITE", Some("9 INVITE")),
            ("2147483647 BYE", Some("2147483647 BYE")),
            ("2147483648 BYE", None),
            ("4294967297 BYE", None), // 1, to those who let it wrap: ES2017-01
            ("99999999999999999999999 BYE", None),
            ("-1 BYE", None),
            ("1", None),
            ("BYE", None),
            ("1 BYE now", None),
            ("1BYE", None),
            ("", None),
        ] {
            assert_eq!(one("CSeq", value).cseq().ok().map(|cseq| cseq.to_string()).as_deref(), want, "{value:?}");
        }
    }

    #[test]
    fn numbers_are_read_within_their_bounds() {
        for (value, hops, length) in [
            ("0", Some(0), Some(0)),
            ("0070", Some(70), Some(70)),
            ("255", Some(255), Some(255)),
            ("256", None, Some(256)),
            ("-1", None, None),
            ("+1", None, None),
            ("1 1", None, None),
            ("", None, None),
        ] {
            assert_eq!(one("Max-Forwards", value).max_forwards().ok().flatten(), hops, "Max-Forwards {value:?}");
            assert_eq!(one("l", value).content_length().ok().flatten(), length, "Content-Length {value:?}");
        }
        assert_eq!(Headers::new().max_forwards(), Ok(None));
    }

    #[test]
    fn expires_is_lenient() {
        for (value, want) in
            [("3600", Some(3600)), ("99999999999999999999", Some(u32::MAX)), ("soon", None), ("-1", None)]
        {
            assert_eq!(one("Expires", value).expires(), want, "{value}");
        }
    }

    #[test]
    fn call_ids_compare_as_they_are() {
        for (value, want) in
            [("a84b4c76e66710@pc33.example.com", true), ("odd)(><:\\/\"][?}{", true), ("two words", false), ("", false)]
        {
            assert_eq!(one("i", value).call_id().is_ok(), want, "{value:?}");
        }
        assert_eq!(Headers::new().call_id(), Err(HeaderError::Missing(Name::CallId)));
    }

    #[test]
    fn media_types_are_read_in_any_case() {
        for (value, want) in [
            ("application/sdp", Some("application/sdp")),
            ("Application / SDP ; charset=UTF-8", Some("application/sdp;charset=UTF-8")),
            ("multipart/mixed;boundary=\"a;b\"", Some("multipart/mixed;boundary=\"a;b\"")),
            ("sdp", None),
            ("application/", None),
            ("application/sdp;", None),
        ] {
            assert_eq!(one("c", value).content_type().map(|kind| kind.to_string()).as_deref(), want, "{value}");
        }
    }

    #[test]
    fn session_timers_are_read_in_both_headers() {
        for (value, want) in [
            ("1800", Some("1800")),
            ("90;refresher=UAS", Some("90;refresher=uas")),
            ("90 ; refresher = uac ; x", Some("90;refresher=uac")),
            ("90;refresher=nobody", Some("90")),
            ("99999999999", Some("4294967295")),
            ("", None),
            ("soon", None),
        ] {
            let read = one("x", value).session_expires().ok().flatten();
            assert_eq!(read.map(|expires| expires.to_string()).as_deref(), want, "{value}");
        }
        assert_eq!(one("Min-SE", "90;x=y").min_se(), Ok(Some(90)));
        assert_eq!(one("Min-SE", "x").min_se(), Err(HeaderError::Malformed(Name::MinSe)));
    }

    #[test]
    fn reasons_are_read_and_written() {
        let read = |value| one("Reason", value).reason().map(|reason| reason.to_string());
        assert_eq!(
            read("SIP ;cause=200 ;text=\"Call completed elsewhere\"").as_deref(),
            Some("SIP;cause=200;text=\"Call completed elsewhere\"")
        );
        assert_eq!(read("Q.850;cause=16, SIP;cause=480").as_deref(), Some("Q.850;cause=16"));
        assert_eq!(read(";cause=16"), None);
        let reason = Reason { protocol: "SIP".into(), cause: None, text: Some("say \"bye\"\r\nVia: x".into()) };
        assert_eq!(reason.to_string(), "SIP;text=\"say \\\"bye\\\"  Via: x\"");
    }

    #[test]
    fn contacts_are_addresses_or_a_star() {
        let mut headers = one("m", "<sip:a@x>, \"b, c\" <sip:b@x>;expires=5");
        headers.push(Name::Contact, "sip:c@x;q=0.5");
        let contacts: Vec<String> = headers.contacts().expect("contacts").iter().map(ToString::to_string).collect();
        assert_eq!(contacts, ["<sip:a@x>", "\"b, c\" <sip:b@x>;expires=5", "<sip:c@x>;q=0.5"]);
        assert!(one("m", "*").contact_is_star());
        assert_eq!(one("m", "*").contacts(), Ok(Vec::new()));
        headers.push(Name::Contact, "*");
        assert!(headers.contacts().is_err());
    }

    #[test]
    fn the_topmost_via_changes_alone() {
        let mut headers = one("v", "SIP/2.0/UDP a;branch=z9hG4bK1 , SIP/2.0/TCP b");
        headers.push(Name::Via, "SIP/2.0/TLS c");
        let mut via = headers.via_top().expect("a Via");
        via.stamp(([192, 0, 2, 1], 5060).into());
        headers.set_via_top(&via);
        let lines: Vec<_> = headers.get_all(Name::Via).collect();
        assert_eq!(lines, [&b"SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.1, SIP/2.0/TCP b"[..], b"SIP/2.0/TLS c"]);
        assert_eq!(headers.vias().map(|vias| vias.len()), Ok(3));
    }

    #[test]
    fn to_gets_one_tag_and_no_second() {
        for (value, want) in [
            ("sip:a@x", "sip:a@x;tag=t"),
            ("\"A;tag=1\" <sip:a@x;tag=2>", "\"A;tag=1\" <sip:a@x;tag=2>;tag=t"),
            ("<sip:a@x>;TAG=1", "<sip:a@x>;TAG=1"),
            ("\"A <sip:a@x>", "\"A <sip:a@x>;tag=t"), // does not read, and is mirrored all the same
        ] {
            let mut headers = one("To", value);
            headers.set_to_tag("t");
            assert_eq!(headers.text(Name::To).as_deref(), Some(want));
        }
    }
}
