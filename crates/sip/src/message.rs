//! A SIP message: a request or a response, its headers and its body (RFC 3261 §7).

use std::fmt;

use bytes::Bytes;

use crate::header::Headers;
use crate::name::Name;
use crate::uri::RequestUri;

/// What came, or what is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Somebody wants something.
    Request(Request),
    /// The answer.
    Response(Response),
}

/// `METHOD uri SIP/2.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is wanted.
    pub method: Method,
    /// Of whom.
    pub uri: RequestUri,
    /// Everything said about it.
    pub headers: Headers,
    /// What goes with it; its length is written by itself, whatever Content-Length says.
    pub body: Bytes,
}

/// `SIP/2.0 status reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 100 to 699.
    pub status: u16,
    /// For people; may be empty.
    pub reason: String,
    /// Everything said about it.
    pub headers: Headers,
    /// What goes with it.
    pub body: Bytes,
}

/// What a request wants. Methods compare letter by letter: `invite` is some other method.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// RFC 3261 §13.
    Invite,
    /// RFC 3261 §13.
    Ack,
    /// RFC 3261 §15.
    Bye,
    /// RFC 3261 §9.
    Cancel,
    /// RFC 3261 §11.
    Options,
    /// RFC 3261 §10.
    Register,
    /// RFC 3311.
    Update,
    /// RFC 3262.
    Prack,
    /// RFC 6086.
    Info,
    /// RFC 3515.
    Refer,
    /// RFC 6665.
    Notify,
    /// RFC 6665.
    Subscribe,
    /// RFC 3428.
    Message,
    /// RFC 3903.
    Publish,
    /// One we never heard of.
    Other(String),
}

impl Message {
    /// What was said about it.
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// Writes it as it goes over the wire.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Request(request) => request.write(out),
            Self::Response(response) => response.write(out),
        }
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

impl Request {
    /// A request without headers or body.
    pub const fn new(method: Method, uri: RequestUri) -> Self {
        Self { method, uri, headers: Headers::new(), body: Bytes::new() }
    }

    /// Writes it as it goes over the wire.
    pub fn write(&self, out: &mut Vec<u8>) {
        for part in [self.method.as_str(), " ", self.uri.as_str(), " SIP/2.0\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        self.headers.write(self.body.len(), out);
        out.extend_from_slice(&self.body);
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.uri.as_str().len() + size(&self.headers, &self.body));
        self.write(&mut out);
        out.into()
    }
}

impl Response {
    /// Answers `request`: the headers that every response mirrors are copied byte for byte (RFC 3261 §8.2.6).
    /// The To-tag is the caller's to add.
    pub fn to(request: &Request, status: u16) -> Self {
        Self::mirroring(&request.headers, status, reason_phrase(status))
    }

    /// As [`Response::to`], from what could be read of a request that is none, and saying what is wrong.
    pub fn mirroring(request: &Headers, status: u16, reason: &str) -> Self {
        let mut headers = Headers::with_capacity(request.size());
        headers.copy(Name::Via, request);
        for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
            // One of each, even where a spoiled request has several.
            if let Some(value) = request.get(name) {
                headers.push(name, value);
            }
        }
        Self { status, reason: reason.to_owned(), headers, body: Bytes::new() }
    }

    /// Writes it as it goes over the wire.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"SIP/2.0 ");
        out.extend_from_slice(self.status.to_string().as_bytes());
        out.push(b' ');
        out.extend(self.reason.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')));
        out.extend_from_slice(b"\r\n");
        self.headers.write(self.body.len(), out);
        out.extend_from_slice(&self.body);
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.reason.len() + size(&self.headers, &self.body));
        self.write(&mut out);
        out.into()
    }

    /// 1xx: more will follow.
    pub const fn is_provisional(&self) -> bool {
        self.status < 200
    }
}

/// A good guess of what the message takes on the wire, less the part of the start line that varies.
fn size(headers: &Headers, body: &[u8]) -> usize {
    headers.size() + body.len() + 64
}

macro_rules! methods {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        impl Method {
            /// As it stands in the request line.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Other(name) => name,
                }
            }
        }

        impl From<&str> for Method {
            fn from(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)+
                    _ => Self::Other(name.to_owned()),
                }
            }
        }
    };
}

methods! {
    Invite = "INVITE",
    Ack = "ACK",
    Bye = "BYE",
    Cancel = "CANCEL",
    Options = "OPTIONS",
    Register = "REGISTER",
    Update = "UPDATE",
    Prack = "PRACK",
    Info = "INFO",
    Refer = "REFER",
    Notify = "NOTIFY",
    Subscribe = "SUBSCRIBE",
    Message = "MESSAGE",
    Publish = "PUBLISH",
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a status is called where the RFCs name it; its class where they do not.
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => match status / 100 {
            0 | 1 => "Progress",
            2 => "Success",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_mirrors_what_the_request_said() {
        let mut request = Request::new(Method::Bye, "sip:a@x".parse().expect("a URI"));
        for (name, value) in [
            ("Via", "SIP/2.0/UDP b;branch=z9hG4bK1"),
            ("From", "<sip:b@x>;tag=\u{fffd}"),
            ("Via", "SIP/2.0/UDP c"),
            ("To", "sip:a@x;tag=2"),
            ("Subject", "not mirrored"),
            ("i", "1@b"),
            ("CSeq", "0002  BYE"),
        ] {
            request.headers.push(Name::from(name), value);
        }
        let mut response = Response::to(&request, 481);
        response.body = Bytes::from_static(b"gone");
        let text = response.to_bytes();
        assert_eq!(
            String::from_utf8_lossy(&text),
            "SIP/2.0 481 Call/Transaction Does Not Exist\r\n\
             Via: SIP/2.0/UDP b;branch=z9hG4bK1\r\n\
             Via: SIP/2.0/UDP c\r\n\
             From: <sip:b@x>;tag=\u{fffd}\r\n\
             To: sip:a@x;tag=2\r\n\
             Call-ID: 1@b\r\n\
             CSeq: 0002  BYE\r\n\
             Content-Length: 4\r\n\r\ngone"
        );
    }

    #[test]
    fn content_length_is_what_the_body_has() {
        let mut request = Request::new(Method::from("PING"), "sip:x".parse().expect("a URI"));
        request.headers.push(Name::ContentLength, "9999");
        request.headers.push(Name::Subject, "after it");
        assert_eq!(request.to_bytes(), "PING sip:x SIP/2.0\r\nContent-Length: 0\r\nSubject: after it\r\n\r\n");
    }

    #[test]
    fn methods_have_a_case() {
        assert_eq!(Method::from("INVITE"), Method::Invite);
        assert_eq!(Method::from("Invite"), Method::Other("Invite".into()));
    }

    #[test]
    fn every_status_has_a_phrase() {
        for (status, want) in
            [(200, "OK"), (199, "Progress"), (299, "Success"), (499, "Request Failure"), (699, "Global Failure")]
        {
            assert_eq!(reason_phrase(status), want);
        }
    }
}
