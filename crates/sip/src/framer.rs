//! Cuts messages out of a stream of bytes, wherever TCP has split them (RFC 3261 §18.3).
//!
//! `push "INVITE … l: 4␍␊␍␊v=0" ─▶ poll: nothing yet`
//! `push "␍␊␍␊␍␊SIP/2.0 200 …" ─▶ poll: Message(INVITE), Ping, nothing yet`
//! Between messages a double line end is a keep-alive ping, to be answered by a single one (RFC 5626 §4.4.1).
//! Only Content-Length tells where a message ends: one that lacks it or lies is the last the stream can carry.

use bytes::{Buf, Bytes, BytesMut};

use crate::grammar::is_token_byte;
use crate::header::HeaderError;
use crate::message::Message;
use crate::name::Name;
use crate::parse::{Head, ParseError, head_end};

/// One stream's received bytes. Drain [`Framer::poll`] after each [`Framer::push`]: then no more is kept than
/// one message, [`HEAD_BYTES_MAX`] and [`BODY_BYTES_MAX`], and the last push.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    stage: Stage,
}

/// What came out of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "handed on at once, never kept: boxing every message would cost more")]
pub enum Framed {
    /// A message.
    Message(Message),
    /// A message that is none, but whose end is known: answer it if it says so, and go on.
    Malformed(ParseError),
    /// Send [`Framer::PONG`] back.
    Ping,
    /// Nobody can tell where the next message begins: answer if it says so, then close. Nothing follows.
    Broken(ParseError),
}

#[derive(Debug, Default)]
enum Stage {
    /// A message or a keep-alive may begin.
    #[default]
    Between,
    /// A message has begun, its empty line is still to come and does not end in the first `searched` bytes.
    Head { searched: usize },
    /// The head is taken out of the buffer, of its body of `len` bytes some are still to come.
    Body { head: Box<Head>, len: usize },
    /// No message begins anywhere any more.
    Broken,
}

impl Framer {
    /// The answer to a ping.
    pub const PONG: &[u8] = b"\r\n";

    /// Nothing received yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A message has begun and not ended.
    pub fn is_amid_message(&self) -> bool {
        matches!(self.stage, Stage::Head { .. } | Stage::Body { .. })
    }

    /// Gives memory back that a long message took, once nothing waits in it.
    pub(crate) fn rest(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Takes what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.stage, Stage::Broken) {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next thing that has wholly come; `None` until more is pushed.
    pub fn poll(&mut self) -> Option<Framed> {
        loop {
            match std::mem::take(&mut self.stage) {
                Stage::Between => match self.buffer.as_ref() {
                    [b'\r', b'\n', b'\r', b'\n', ..] => {
                        self.buffer.advance(4);
                        return Some(Framed::Ping);
                    }
                    // Perhaps the beginning of a ping.
                    [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return None,
                    // A pong, or the empty lines that may stand before a message (RFC 3261 §7.5).
                    [b'\r' | b'\n', ..] => self.buffer.advance(1),
                    [first, ..] if !is_token_byte(*first) => return Some(self.broken(ParseError::NotSip)),
                    _ => self.stage = Stage::Head { searched: 0 },
                },
                Stage::Head { searched } => match head_end(&self.buffer, searched) {
                    Some(len) if len <= HEAD_BYTES_MAX => match self.take_head(len) {
                        Ok(body) => self.stage = body,
                        Err(error) => return Some(self.broken(error)),
                    },
                    None if self.buffer.len() <= HEAD_BYTES_MAX => {
                        // The line end that the empty line needs before it may be the last thing we have.
                        self.stage = Stage::Head { searched: self.buffer.len().saturating_sub(3) };
                        return None;
                    }
                    _ => {
                        self.buffer.truncate(HEAD_BYTES_MAX);
                        let error =
                            Head::read(&self.buffer).map_or_else(|error| error, |head| head.refuse(513, "long head"));
                        return Some(self.broken(error));
                    }
                },
                Stage::Body { head, len } if self.buffer.len() < len => {
                    self.stage = Stage::Body { head, len };
                    return None;
                }
                Stage::Body { head, len } => {
                    let body = Bytes::copy_from_slice(&self.buffer[..len]);
                    self.buffer.advance(len);
                    return Some(head.finish(body).map_or_else(Framed::Malformed, Framed::Message));
                }
                Stage::Broken => {
                    self.stage = Stage::Broken;
                    return None;
                }
            }
        }
    }

    /// Takes the head out of the buffer and learns how long the body is.
    fn take_head(&mut self, len: usize) -> Result<Stage, ParseError> {
        let head = Head::read(&self.buffer[..len])?;
        self.buffer.advance(len);
        if !head.is_sip() {
            return Err(ParseError::NotSip);
        }
        match head.body_len() {
            Ok(Some(len)) if len <= BODY_BYTES_MAX => Ok(Stage::Body { head: Box::new(head), len }),
            Ok(Some(_)) => Err(head.refuse(513, "long body")),
            Ok(None) => Err(head.refuse(400, HeaderError::Missing(Name::ContentLength))),
            Err(error) => Err(head.refuse(400, error)),
        }
    }

    fn broken(&mut self, error: ParseError) -> Framed {
        self.stage = Stage::Broken;
        self.buffer = BytesMut::new();
        Framed::Broken(error)
    }
}

/// A longer head is answered 513 and ends the stream.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A longer body is answered 513 and ends the stream.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(call_id: &str, headers: &str, body: &str) -> String {
        format!(
            "MESSAGE sip:zoe@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n\
             To: <sip:b@x>\r\nCSeq: 1 MESSAGE\r\nCall-ID: {call_id}\r\n{headers}\r\n{body}"
        )
    }

    /// What the stream holds, each thing in a word, however it is cut.
    fn framed(stream: &[u8], cut: usize) -> Vec<String> {
        let mut framer = Framer::new();
        let mut seen = Vec::new();
        for piece in stream.chunks(cut) {
            framer.push(piece);
            while let Some(framed) = framer.poll() {
                seen.push(match framed {
                    Framed::Message(message) => message.headers().call_id().expect("a Call-ID").to_owned(),
                    Framed::Ping => "ping".to_owned(),
                    Framed::Malformed(error) => format!("malformed: {error}"),
                    Framed::Broken(error) => format!("broken: {error}"),
                });
            }
        }
        seen
    }

    #[test]
    fn a_stream_is_cut_into_the_same_messages_wherever_tcp_cut_it() {
        let one = message("one", "l: 4\r\n", "\r\n\r\n");
        let two = message("two", "Content-Length: 0\r\n", "");
        let odd = message("odd", "l: 2\r\nMax-Forwards: -1\r\n", "hi");
        let tel = two.replace("sip:zoe", "mailto:zoe");
        for (case, stream, want) in [
            ("two, close together", format!("{one}{two}"), vec!["one", "two"]),
            ("empty lines before them", format!("\r\n{one}\r\n{two}"), vec!["one", "two"]),
            ("a ping between them", format!("{one}\r\n\r\n{two}"), vec!["one", "ping", "two"]),
            ("pings alone", "\r\n\r\n\r\n\r\n".to_owned(), vec!["ping", "ping"]),
            ("a pong alone", "\r\n".to_owned(), vec![]),
            (
                "one that is malformed",
                format!("{odd}{two}"),
                vec!["malformed: 400 Bad Request (malformed Max-Forwards header field)", "two"],
            ),
            ("one for another world", format!("{tel}{one}"), vec!["malformed: 416 Unsupported URI Scheme", "one"]),
            (
                "bare line feeds",
                format!("{two}{one}").replace("\r\n", "\n").replace("l: 4", "l: 2"),
                vec!["two", "one"],
            ),
        ] {
            for cut in 1..=stream.len() {
                assert_eq!(framed(stream.as_bytes(), cut), want, "{case}, in pieces of {cut}");
            }
        }
    }

    #[test]
    fn a_stream_whose_messages_have_no_end_is_over() {
        let good = message("good", "l: 0\r\n", "");
        for (case, stream, want) in [
            ("no Content-Length", message("x", "", "hi"), "400 Bad Request (missing Content-Length header field)"),
            (
                "a negative one",
                message("x", "l: -1\r\n", ""),
                "400 Bad Request (malformed Content-Length header field)",
            ),
            (
                "two of them",
                message("x", "l: 0\r\nl: 1\r\n", ""),
                "400 Bad Request (more than one Content-Length header field)",
            ),
            ("a huge one", message("x", &format!("l: {}\r\n", BODY_BYTES_MAX + 1), ""), "513 Message Too Large"),
            ("a huge head", message("x", &"Subject: x\r\n".repeat(HEAD_BYTES_MAX / 12), ""), "513 Message Too Large"),
            ("a head of one line", format!("A{}", "A".repeat(HEAD_BYTES_MAX)), "not SIP"),
            ("HTTP", "GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n".to_owned(), "not SIP"),
            ("TLS", "\x16\x03\x01\x02\x00".to_owned(), "not SIP"),
            (
                "a response without Content-Length",
                message("x", "", "").replace("MESSAGE sip:zoe@example.com SIP/2.0", "SIP/2.0 200 OK"),
                "dropped: missing Content-Length header field",
            ),
        ] {
            for cut in [1, 7, stream.len()] {
                assert_eq!(framed(format!("{stream}{good}").as_bytes(), cut), [format!("broken: {want}")], "{case}");
            }
        }
    }

    #[test]
    fn a_drained_framer_keeps_no_more_than_a_message() {
        let mut framer = Framer::new();
        let endless = vec![b'A'; 1000];
        let mut longest = 0;
        for _ in 0..1000 {
            framer.push(&endless);
            while framer.poll().is_some() {}
            longest = longest.max(framer.buffer.len());
        }
        assert!(longest <= HEAD_BYTES_MAX, "{longest} bytes were kept");
    }
}
