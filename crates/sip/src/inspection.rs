//! Inspection: what every request must pass before anybody acts on it (RFC 3261 §8.2.1 to §8.2.3).

use crate::body::BodyError;
use crate::session_timer::AskedError;
use crate::{CSeq, HeaderError, Method, Name, Request, Via, reason_phrase};

/// An error response in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
    pub(crate) headers: Vec<(Name<'static>, String)>,
}

impl Refusal {
    /// One without extra headers.
    pub(crate) fn new(status: u16) -> Self {
        Self { status, reason: reason_phrase(status), headers: Vec::new() }
    }

    /// 400, saying what is wrong.
    pub(crate) fn bad_request(reason: &'static str) -> Self {
        Self { status: 400, reason, headers: Vec::new() }
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: Name<'static>, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Type => Self::new(415).with(Name::Accept, ACCEPT),
            BodyError::Encoding => Self::new(415).with(Name::AcceptEncoding, "identity"),
            BodyError::Multipart => Self::bad_request("Malformed multipart body"),
        }
    }
}

impl AskedError {
    /// 400, or 422 with the least we take.
    pub(crate) fn refusal(self, min_s: u32) -> Refusal {
        match self {
            Self::Malformed => Refusal::bad_request("Malformed Session-Expires"),
            Self::TooSmall => Refusal::new(422).with(Name::MinSe, min_s),
        }
    }
}

/// The parts of a request that say which transaction and dialog it belongs to, read once.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The topmost, as it came.
    pub(crate) via: Via,
    pub(crate) from_tag: Option<String>,
    pub(crate) to_tag: Option<String>,
    pub(crate) call_id: String,
    pub(crate) cseq: CSeq,
}

impl Head {
    /// Reads it. The parser has already refused requests where this fails; it is no place to panic though.
    pub(crate) fn of(request: &Request) -> Result<Self, HeaderError> {
        let headers = &request.headers;
        Ok(Self {
            via: headers.via_top()?,
            from_tag: headers.from()?.tag().map(str::to_owned),
            to_tag: headers.to()?.tag().map(str::to_owned),
            call_id: headers.call_id()?.to_owned(),
            cseq: headers.cseq()?,
        })
    }
}

/// Inspects a request that is neither ACK nor CANCEL, in the order of RFC 3261 §8.2. What makes it unreadable, an
/// unknown URI scheme or a CSeq of another method, the parser has refused.
pub(crate) fn inspect(request: &Request, head: &Head) -> Result<(), Refusal> {
    match known(&request.method) {
        Known::Allowed => {}
        Known::NotAllowed => return Err(Refusal::new(405).with(Name::Allow, ALLOW)),
        Known::Never => return Err(Refusal::new(501).with(Name::Allow, ALLOW)),
    }
    // An OPTIONS that runs out of hops here is a traceroute (§11), and a dialog's peer has found us already.
    let hops = request.headers.max_forwards();
    if hops == Ok(Some(0)) && head.to_tag.is_none() && request.method != Method::Options {
        return Err(Refusal::new(483));
    }
    // A proxy on the way of a REGISTER may insist on it (RFC 3327 §5.2).
    let by_path = |tag: &str| request.method == Method::Register && tag.eq_ignore_ascii_case("path");
    let unsupported: Vec<&str> = request.headers.require().filter(|tag| !is_supported(tag) && !by_path(tag)).collect();
    if !unsupported.is_empty() {
        return Err(Refusal::new(420).with(Name::Unsupported, unsupported.join(", ")));
    }
    Ok(())
}

/// Whether an INVITE's sender takes what we would answer with (RFC 3261 §20.1, RFC 4475 §3.3.8).
pub(crate) fn accepts_sdp(request: &Request) -> bool {
    if !request.headers.contains(Name::Accept) {
        return true;
    }
    request.headers.list(Name::Accept).any(|range| {
        let range = range.split(';').next().unwrap_or("").trim();
        ["application/sdp", "application/*", "*/*"].iter().any(|wanted| range.eq_ignore_ascii_case(wanted))
    })
}

enum Known {
    Allowed,
    NotAllowed,
    Never,
}

fn known(method: &Method) -> Known {
    use Method::{Ack, Bye, Cancel, Info, Invite, Message, Notify, Options, Other, Prack, Publish, Refer, Register};
    use Method::{Subscribe, Update};
    match method {
        Invite | Ack | Cancel | Bye | Options | Update | Info | Prack | Refer | Notify | Register => Known::Allowed,
        Subscribe | Message | Publish => Known::NotAllowed,
        Other(_) => Known::Never,
    }
}

fn is_supported(tag: &str) -> bool {
    SUPPORTED.split(", ").any(|supported| tag.eq_ignore_ascii_case(supported))
}

/// Methods we act on.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK, REFER, NOTIFY, REGISTER";
/// Extensions we know.
pub(crate) const SUPPORTED: &str = "timer, 100rel, replaces, norefersub";
/// Bodies we read.
pub(crate) const ACCEPT: &str = "application/sdp, multipart/mixed";
/// Bodies we read in an INFO.
pub(crate) const ACCEPT_INFO: &str = "application/dtmf-relay, application/dtmf";
