//! From a datagram to a message, or to what may be said about it (RFC 3261 §7, §16.3 and §18.3).
//!
//! A request that cannot be served is still answered where the RFC says so: [`Refused`] carries the status and
//! the headers a response needs, as far as they could be read. A bad response, and a bad ACK, is dropped.

use bytes::Bytes;

use crate::grammar::{is_token, is_token_byte, lossy};
use crate::header::{HeaderError, Headers};
use crate::message::{Message, Method, Request, Response, reason_phrase};
use crate::name::Name;
use crate::uri::{RequestUri, Uri, UriError};
use crate::view::CSeq;

/// Why bytes are no message to act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not SIP at all: STUN, a keep-alive, another protocol. Silence is the right answer.
    #[error("not SIP")]
    NotSip,
    /// SIP, and wrong, but nobody may be answered: a response, an ACK, or no Via to answer along.
    #[error("dropped: {0}")]
    Dropped(String),
    /// A request to be answered with an error.
    #[error("{} {}", .0.status, .0.reason)]
    Refused(Box<Refused>),
}

/// A request that gets an error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// 400, 414, 416, 505, 513.
    pub status: u16,
    /// What is wrong, in words fit for the status line.
    pub reason: String,
    /// What it wanted.
    pub method: Method,
    /// Via, From, To, Call-ID and CSeq as they came, those that were there.
    pub headers: Headers,
}

impl Refused {
    /// The response to send. The To-tag is still the caller's to add.
    pub fn response(&self) -> Response {
        Response::mirroring(&self.headers, self.status, &self.reason)
    }
}

/// Reads one datagram: one message; bytes behind its body are none of it (RFC 3261 §18.3).
pub fn parse(datagram: &[u8]) -> Result<Message, ParseError> {
    let head = Head::read(datagram)?;
    let rest = &datagram[head.len..];
    let body = match head.body_len() {
        Ok(Some(len)) if len <= rest.len() => &rest[..len],
        Ok(None) => rest,
        Ok(Some(_)) => return Err(head.refuse(400, "Content-Length is longer than the datagram")),
        Err(error) => return Err(head.refuse(400, error)),
    };
    let body = Bytes::copy_from_slice(body);
    head.finish(body)
}

/// Everything before the body, cut apart; what is wrong with it is noted, so that it can still be answered.
#[derive(Debug)]
pub(crate) struct Head {
    /// The error is the one for the whole message; its headers were kept for telling where it ends.
    start: Result<StartLine, ParseError>,
    headers: Headers,
    /// The first header line that did not read.
    fault: Option<&'static str>,
    /// Where the body begins.
    pub(crate) len: usize,
}

#[derive(Debug)]
enum StartLine {
    Request { method: Method, uri: RequestUri },
    Response { status: u16, reason: String },
}

impl Head {
    /// Reads the head that `bytes` begin with, up to the empty line or, lacking that, to the end.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ParseError> {
        // Empty lines before a message are to be ignored (RFC 3261 §7.5).
        let begin = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).ok_or(ParseError::NotSip)?;
        let message = &bytes[begin..];
        if !is_token_byte(message[0]) {
            return Err(ParseError::NotSip); // STUN begins with 0 or 1, RTP and DTLS with no letter either
        }
        let end = head_end(message, 0).unwrap_or(message.len());
        let line_end = message[..end].iter().position(|&byte| byte == b'\n').map_or(end, |at| at + 1);
        let (line, block) = message[..end].split_at(line_end);
        let (headers, fault) = Headers::parse(block.to_vec());
        let start = read_start(without_line_end(line), &headers);
        Ok(Self { start, headers, fault, len: begin + end })
    }

    /// Whether it is worth reading on.
    pub(crate) const fn is_sip(&self) -> bool {
        !matches!(self.start, Err(ParseError::NotSip))
    }

    /// How long the body is; two different claims are as bad as none.
    pub(crate) fn body_len(&self) -> Result<Option<usize>, HeaderError> {
        if self.headers.count(Name::ContentLength) > 1 {
            return Err(HeaderError::Repeated(Name::ContentLength));
        }
        self.headers.content_length()
    }

    /// Makes the message of it, if it holds what every message must.
    pub(crate) fn finish(self, body: Bytes) -> Result<Message, ParseError> {
        if let Err((status, detail)) = self.check() {
            return Err(self.refuse(status, detail));
        }
        let headers = self.headers;
        Ok(match self.start? {
            StartLine::Request { method, uri } => Message::Request(Request { method, uri, headers, body }),
            StartLine::Response { status, reason } => Message::Response(Response { status, reason, headers, body }),
        })
    }

    /// The error for this message: a refusal to be sent, unless it is one that nobody may answer. What is wrong
    /// with the start line goes first.
    pub(crate) fn refuse(self, status: u16, detail: impl ToString) -> ParseError {
        match self.start {
            Ok(StartLine::Request { method, .. }) => refuse(&method, &self.headers, status, detail.to_string()),
            Ok(StartLine::Response { .. }) => ParseError::Dropped(detail.to_string()),
            Err(error) => error,
        }
    }

    fn check(&self) -> Result<(), (u16, String)> {
        if let Some(fault) = self.fault {
            return Err((400, fault.to_owned()));
        }
        let cseq = check_response(&self.headers).map_err(|error| (400, error.to_string()))?;
        if let Ok(StartLine::Request { method, .. }) = &self.start {
            if cseq.method != *method {
                // An unknown method is the worse fault of the two (RFC 4475 §3.1.2.18).
                let status = if matches!(method, Method::Other(_)) { 501 } else { 400 };
                return Err((status, "the CSeq is of another method".to_owned()));
            }
            check_request(&self.headers).map_err(|error| (400, error.to_string()))?;
        }
        Ok(())
    }
}

/// What every message must hold.
fn check_response(headers: &Headers) -> Result<CSeq, HeaderError> {
    if let Some(&repeated) = SINGLE.iter().find(|&&name| headers.count(name) > 1) {
        return Err(HeaderError::Repeated(repeated));
    }
    headers.via_top()?;
    headers.from()?;
    headers.to()?;
    headers.call_id()?;
    headers.cseq()
}

/// What we shall rely on in a request, so that a bad one is refused here, once and for all.
fn check_request(headers: &Headers) -> Result<(), HeaderError> {
    headers.max_forwards()?;
    headers.contacts()?;
    headers.routes()?;
    headers.record_routes()?;
    Ok(())
}

/// A refusal of the request, unless it is an ACK, which is never answered (RFC 3261 §17), or came without a Via
/// that an answer could follow back.
fn refuse(method: &Method, headers: &Headers, status: u16, detail: String) -> ParseError {
    if *method == Method::Ack || !came_along_sip(headers) {
        return ParseError::Dropped(detail);
    }
    let reason = match status {
        400 => format!("Bad Request ({detail})"),
        _ => reason_phrase(status).to_owned(),
    };
    let headers = Response::mirroring(headers, status, "").headers;
    ParseError::Refused(Box::new(Refused { status, reason, method: method.clone(), headers }))
}

/// Whether the topmost Via is one of SIP, be it readable or not.
fn came_along_sip(headers: &Headers) -> bool {
    headers.get(Name::Via).and_then(|via| via.get(..3)).is_some_and(|name| name.eq_ignore_ascii_case(b"SIP"))
}

/// A start line that is not to be had: what it should have been decides who hears of it.
fn read_start(line: &[u8], headers: &Headers) -> Result<StartLine, ParseError> {
    let line = lossy(line);
    if line.get(..4).is_some_and(|version| version.eq_ignore_ascii_case("SIP/")) {
        return read_status_line(&line).ok_or_else(|| ParseError::Dropped("malformed status line".to_owned()));
    }
    // The URI may not hold spaces, so the first and the last one cut the line; what is left over shows in the URI.
    let (method, rest) = line.split_once(' ').unwrap_or((&line, ""));
    let (uri, version) = rest.rsplit_once(' ').unwrap_or((rest, ""));
    if !is_token(method.as_bytes()) || !(came_along_sip(headers) || line.contains("SIP/")) {
        return Err(ParseError::NotSip);
    }
    let method = Method::from(method);
    match read_target(uri, version) {
        Ok(uri) => Ok(StartLine::Request { method, uri }),
        Err((status, detail)) => Err(refuse(&method, headers, status, detail)),
    }
}

fn read_status_line(line: &str) -> Option<StartLine> {
    let (version, rest) = line.split_once(' ')?;
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = (status.len() == 3).then(|| status.parse().ok())?.filter(|status| (100..700).contains(status))?;
    version.eq_ignore_ascii_case(VERSION).then(|| StartLine::Response { status, reason: reason.to_owned() })
}

fn read_target(uri: &str, version: &str) -> Result<RequestUri, (u16, String)> {
    let bad = |detail: &str| (400, detail.to_owned());
    if !version.eq_ignore_ascii_case(VERSION) {
        return Err(if is_version(version) { (505, version.to_owned()) } else { bad("malformed request line") });
    }
    if uri.len() > URI_BYTES_MAX {
        return Err((414, format!("{} bytes of URI", uri.len())));
    }
    let uri: RequestUri = uri.parse().map_err(|error: UriError| bad(&error.to_string()))?;
    match uri.uri() {
        // Header fields belong to URIs that one clicks on; in a request they would come from nowhere (§19.1.1).
        Uri::Sip(sip) if sip.headers.is_some() => Err(bad("header fields in the Request-URI")),
        // A telephone number is somebody whom the switch may know; anything else is out of our world.
        Uri::Other { scheme, .. } if !scheme.eq_ignore_ascii_case("tel") => Err((416, scheme.clone())),
        _ => Ok(uri),
    }
}

/// `SIP/` digits `.` digits.
fn is_version(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbers =
        text.get(..4).filter(|name| name.eq_ignore_ascii_case("SIP/")).and_then(|_| text[4..].split_once('.'));
    numbers.is_some_and(|(major, minor)| digits(major) && digits(minor))
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Where the body begins: behind the first empty line at or after `from`.
pub(crate) fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == b'\n')? + 1;
        match &bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// A longer Request-URI is answered 414.
pub const URI_BYTES_MAX: usize = 2048;

const VERSION: &str = "SIP/2.0";

/// Headers that a message has once. Twice, and every hop might believe another one.
const SINGLE: [Name<'static>; 7] =
    [Name::From, Name::To, Name::CallId, Name::CSeq, Name::MaxForwards, Name::ContentLength, Name::ContentType];

#[cfg(test)]
mod tests {
    use super::*;

    /// A request that is in order, but for what the case changes.
    fn options(change: impl Fn(String) -> String) -> Vec<u8> {
        let request = "OPTIONS sip:zoe@example.com SIP/2.0\r\n\
            Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
            Max-Forwards: 70\r\n\
            From: <sip:ana@example.net>;tag=1\r\n\
            To: <sip:zoe@example.com>\r\n\
            Call-ID: 1@192.0.2.1\r\n\
            CSeq: 1 OPTIONS\r\n\
            Content-Length: 2\r\n\
            \r\n\
            hi";
        change(request.to_owned()).into_bytes()
    }

    fn outcome(message: &[u8]) -> String {
        match parse(message) {
            Ok(Message::Request(request)) => format!("accept {} bytes", request.body.len()),
            Ok(Message::Response(response)) => format!("accept {}", response.status),
            Err(ParseError::Refused(refused)) => format!("{} {}", refused.status, refused.reason),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn requests_are_accepted_refused_or_dropped() {
        let long = format!("sip:{}@example.com", "z".repeat(URI_BYTES_MAX));
        for (case, from, to, want) in [
            ("in order", "", "", "accept 2 bytes"),
            ("empty lines first", "OPTIONS sip", "\r\n\r\nOPTIONS sip", "accept 2 bytes"),
            ("bare line feeds", "\r\n", "\n", "accept 2 bytes"),
            ("bytes behind the body", "hi", "hi there", "accept 2 bytes"),
            ("no Content-Length", "Content-Length: 2\r\n", "", "accept 2 bytes"),
            ("no empty line", "\r\n\r\nhi", "\r\n", "400 Bad Request (Content-Length is longer than the datagram)"),
            ("no empty line and no body", "Content-Length: 2\r\n\r\nhi", "", "accept 0 bytes"),
            ("version in small letters", "SIP/2.0\r\nVia", "sip/2.0\r\nVia", "accept 2 bytes"),
            ("version 3.0", "SIP/2.0\r\nVia", "SIP/3.0\r\nVia", "505 Version Not Supported"),
            ("version 2.00", "SIP/2.0\r\nVia", "SIP/2.00\r\nVia", "505 Version Not Supported"),
            ("version without digits", "SIP/2.0\r\nVia", "SIP/x.y\r\nVia", "400 Bad Request (malformed request line)"),
            ("no version", " SIP/2.0\r\nVia", "\r\nVia", "400 Bad Request (malformed request line)"),
            ("no URI", "sip:zoe@example.com SIP", "SIP", "400 Bad Request (malformed request line)"),
            ("a very long URI", "sip:zoe@example.com SIP", &format!("{long} SIP"), "414 Request-URI Too Long"),
            ("a telephone number", "sip:zoe@example.com SIP", "tel:+15550100 SIP", "accept 2 bytes"),
            ("another scheme", "sip:zoe@example.com SIP", "mailto:zoe@example.com SIP", "416 Unsupported URI Scheme"),
            ("a tab in the request line", "OPTIONS sip", "OPTIONS\tsip", "not SIP"),
            ("NUL in the URI", "zoe@", "z\0e@", "400 Bad Request (the URI holds a character that must be escaped)"),
            ("NUL in the method", "OPTIONS sip", "OPT\0ONS sip", "not SIP"),
            ("NUL in the version", "SIP/2.0\r\nVia", "SIP/2.0\0\r\nVia", "400 Bad Request (malformed request line)"),
            ("NUL in a Call-ID", "1@192", "1\0@192", "400 Bad Request (control character in a header line)"),
            ("NUL in quotes", "From: <", "From: \"a\0\" <", "400 Bad Request (control character in a header line)"),
            ("NUL as a quoted pair", "From: <", "From: \"a\\\0\" <", "accept 2 bytes"),
            ("no From", "From:", "X-From:", "400 Bad Request (missing From header field)"),
            ("no To", "To:", "X-To:", "400 Bad Request (missing To header field)"),
            ("no Call-ID", "Call-ID:", "X-ID:", "400 Bad Request (missing Call-ID header field)"),
            ("no CSeq", "CSeq:", "X-Seq:", "400 Bad Request (missing CSeq header field)"),
            ("no Max-Forwards", "Max-Forwards: 70\r\n", "", "accept 2 bytes"),
            ("no Via", "Via:", "X-Via:", "dropped: missing Via header field"),
            ("the Via of another protocol", "Via: SIP/2.0/UDP", "Via: 1.1", "dropped: malformed Via header field"),
            ("a CSeq past 2^31", "CSeq: 1 ", "CSeq: 2147483648 ", "400 Bad Request (malformed CSeq header field)"),
            ("the CSeq of another method", "1 OPTIONS", "1 INVITE", "400 Bad Request (the CSeq is of another method)"),
            ("two From", "To:", "From: <sip:x@y>\r\nTo:", "400 Bad Request (more than one From header field)"),
            (
                "two Content-Length alike",
                "To:",
                "l: 2\r\nTo:",
                "400 Bad Request (more than one Content-Length header field)",
            ),
            (
                "a Content-Length past all numbers",
                "Length: 2",
                "Length: 99999999999999999999",
                "400 Bad Request (Content-Length is longer than the datagram)",
            ),
            (
                "a Content-Length in hex",
                "Length: 2",
                "Length: 0x2",
                "400 Bad Request (malformed Content-Length header field)",
            ),
            (
                "hops past 255",
                "Max-Forwards: 70",
                "Max-Forwards: 256",
                "400 Bad Request (malformed Max-Forwards header field)",
            ),
            (
                "a Route that does not read",
                "To:",
                "Route: <sip:x\r\nTo:",
                "400 Bad Request (malformed Route header field)",
            ),
            (
                "a Record-Route that does not read",
                "To:",
                "Record-Route: x\r\nTo:",
                "400 Bad Request (malformed Record-Route header field)",
            ),
            ("a Contact that does not read", "To:", "m: x\r\nTo:", "400 Bad Request (malformed Contact header field)"),
            ("a header that does not read", "To:", "no colon\r\nTo:", "400 Bad Request (malformed header line)"),
        ] {
            assert_eq!(outcome(&options(|request| request.replace(from, to))), want, "{case}");
        }
    }

    #[test]
    fn nobody_answers_an_ack_or_a_response() {
        for (case, line) in [
            ("a bad ACK", "ACK sip:zoe@example.com SIP/2.0"),
            ("an ACK of version 7", "ACK sip:zoe@example.com SIP/7.0"),
            ("an ACK to a strange scheme", "ACK x:y SIP/2.0"),
            ("a bad response", "SIP/2.0 200 OK"),
            ("a response of version 7", "SIP/7.0 200 OK"),
            ("a status of four digits", "SIP/2.0 2000 OK"),
            ("a status that is none", "SIP/2.0 +20 OK"),
            ("a status below all", "SIP/2.0 099 OK"),
            ("a status above all", "SIP/2.0 700 OK"),
            ("no status", "SIP/2.0"),
        ] {
            let message = options(|request| {
                request.replace("OPTIONS sip:zoe@example.com SIP/2.0", line).replace("CSeq: 1 OPTIONS", "CSeq: x")
            });
            assert!(matches!(parse(&message), Err(ParseError::Dropped(_))), "{case}: {}", outcome(&message));
        }
    }

    #[test]
    fn what_is_not_sip_is_none_of_our_business() {
        for (case, bytes) in [
            ("nothing", &b""[..]),
            ("a keep-alive", b"\r\n\r\n"),
            ("a keep-alive of zeros", &[0, 0, 0, 0]),
            ("a STUN binding request", b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"),
            ("a STUN binding response", b"\x01\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"),
            ("RTP", b"\x80\x00\x00\x01\x00\x00\x00\xa0\x00\x00\x00\x01"),
            ("a TLS ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
            ("HTTP", b"GET / HTTP/1.1\r\nHost: example.com\r\nVia: 1.1 proxy\r\n\r\n"),
            ("a scanner's word", b"jaK"),
            ("text", b"hello there\r\n\r\n"),
        ] {
            assert_eq!(parse(bytes), Err(ParseError::NotSip), "{case}");
        }
    }

    #[test]
    fn a_refusal_carries_what_its_answer_needs() {
        let message = options(|request| request.replace("To: <sip", "Subject: secret\r\nTo: \"unbalanced <sip"));
        let Err(ParseError::Refused(refused)) = parse(&message) else { panic!("{}", outcome(&message)) };
        let mut response = refused.response();
        response.headers.set_to_tag("t");
        assert_eq!(
            String::from_utf8_lossy(&response.to_bytes()),
            "SIP/2.0 400 Bad Request (malformed To header field)\r\n\
             Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
             From: <sip:ana@example.net>;tag=1\r\n\
             To: \"unbalanced <sip:zoe@example.com>;tag=t\r\n\
             Call-ID: 1@192.0.2.1\r\n\
             CSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        );
    }
}
