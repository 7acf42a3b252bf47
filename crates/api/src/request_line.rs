//! Request lines as older clients write them: `GET /…/Calls.json?StartTime>=2026-01-02 HTTP/1.1`.
//!
//! `<` and `>` may not stand bare in a URI, and the HTTP library refuses the whole request; the contract wants it
//! answered (rest-voice §1.2). So on its way in a request line is looked at, and what may not stand bare is escaped.
//! A request line is what comes first on a connection, and first after an answer; a pipelined one, which comes
//! before the answer, is left as it is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection whose request lines are repaired as they are read.
pub(crate) struct Lenient<S> {
    stream: S,
    state: State,
}

enum State {
    /// Bytes of a request line, until its end has come.
    Line(Vec<u8>),
    /// The repaired line and what came with it, of which so much has been handed on.
    Repaired { bytes: Vec<u8>, taken: usize },
    /// Headers and body.
    Rest,
}

impl<S> Lenient<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, state: State::Line(Vec::new()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lenient<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                State::Rest => return Pin::new(&mut this.stream).poll_read(cx, out),
                State::Repaired { bytes, taken } => {
                    let len = out.remaining().min(bytes.len() - *taken);
                    out.put_slice(&bytes[*taken..*taken + len]);
                    *taken += len;
                    if *taken == bytes.len() {
                        this.state = State::Rest;
                    }
                    return Poll::Ready(Ok(()));
                }
                State::Line(line) => {
                    let mut piece = [0; PIECE_BYTES];
                    let mut piece = ReadBuf::new(&mut piece);
                    ready!(Pin::new(&mut this.stream).poll_read(cx, &mut piece))?;
                    let piece = piece.filled();
                    line.extend_from_slice(piece);
                    let more_to_come = !piece.is_empty() && may_become_request_line(line);
                    if !more_to_come {
                        let bytes = repair(std::mem::take(line));
                        this.state = State::Repaired { bytes, taken: 0 };
                    }
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lenient<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // An answer: what is read next begins with a request line. (After a `100 Continue` it is a body, which
        // is not taken for one.)
        if matches!(this.state, State::Rest) {
            this.state = State::Line(Vec::new());
        }
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// Whether the bytes are the beginning of a request line whose end has not come yet.
fn may_become_request_line(bytes: &[u8]) -> bool {
    let begins = BEGINNINGS.iter().any(|verb| bytes.starts_with(verb) || verb.starts_with(bytes));
    begins && bytes.len() <= LINE_BYTES_MAX && !bytes.contains(&b'\n')
}

/// Escapes what may not stand bare in the target of a request line, if that is what the bytes begin with.
fn repair(bytes: Vec<u8>) -> Vec<u8> {
    let Some(target) = target(&bytes) else { return bytes };
    if !bytes[target.clone()].iter().any(|byte| BARE.contains(byte)) {
        return bytes;
    }
    let mut repaired = bytes[..target.start].to_vec();
    for &byte in &bytes[target.clone()] {
        if BARE.contains(&byte) {
            repaired.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            repaired.push(byte);
        }
    }
    repaired.extend_from_slice(&bytes[target.end..]);
    repaired
}

/// Where the target stands in `VERB /target HTTP/1.x`.
fn target(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let line = bytes.split(|&b| b == b'\n').next()?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let start = line.iter().position(|&b| b == b' ')? + 1;
    let end = line.len().checked_sub(" HTTP/1.1".len())?;
    let is_request = line[..start - 1].iter().all(u8::is_ascii_uppercase)
        && start < end
        && line[start] == b'/'
        && line[end..].starts_with(b" HTTP/1.");
    is_request.then_some(start..end)
}

/// Bytes that clients leave bare in a query, and that the library refuses there.
const BARE: &[u8] = b"<>\"";
/// Of the requests whose queries have filters; nothing else waits for the end of its line.
const BEGINNINGS: [&[u8]; 4] = [b"GET /", b"POST /", b"PUT /", b"DELETE /"];
const PIECE_BYTES: usize = 2048;
/// Longer than any line that will be accepted.
const LINE_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[test]
    fn only_the_target_of_a_request_line_is_escaped() {
        for (case, bytes, want) in [
            ("a filter", "GET /a?T>=1&T<=2 HTTP/1.1\r\nH: <x>\r\n", "GET /a?T%3E=1&T%3C=2 HTTP/1.1\r\nH: <x>\r\n"),
            ("nothing to do", "GET /a?T%3E=1 HTTP/1.1\r\n", "GET /a?T%3E=1 HTTP/1.1\r\n"),
            ("HTTP/1.0, bare line feed", "POST /a?T>=1 HTTP/1.0\n", "POST /a?T%3E=1 HTTP/1.0\n"),
            ("a body", "Twiml=<Response>\r\n", "Twiml=<Response>\r\n"),
            ("a body that speaks of requests", "x GET /<a> HTTP/1.1\r\n", "x GET /<a> HTTP/1.1\r\n"),
            ("no version", "GET /a?T>=1\r\n", "GET /a?T>=1\r\n"),
            ("no target", "GET HTTP/1.1\r\n", "GET HTTP/1.1\r\n"),
            ("nothing", "", ""),
        ] {
            assert_eq!(String::from_utf8(repair(bytes.into())).as_deref(), Ok(want), "{case}");
        }
    }

    #[tokio::test]
    async fn a_line_is_repaired_however_it_comes_and_a_body_is_not_held_back() {
        let (mut client, server) = duplex(4096);
        let mut server = Lenient::new(server);
        let head = "GET /a?T%3E=1 HTTP/1.1\r\n\r\n";
        for pieces in [&["GET /a?T>=1 HTTP/1.1\r\n\r\n"][..], &["GE", "T", " ", "/a?T", ">=1 HTTP/1.1\r", "\n\r\n"]] {
            let send = async {
                for piece in pieces {
                    client.write_all(piece.as_bytes()).await.expect("goes");
                    tokio::task::yield_now().await;
                }
            };
            let mut read = vec![0; head.len()];
            let (_, received) = tokio::join!(send, server.read_exact(&mut read));
            received.expect("comes");
            assert_eq!(String::from_utf8_lossy(&read), head);

            server.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.expect("goes");
            client.write_all(b"Muted=<true>").await.expect("goes");
            let mut body = [0; 12];
            server.read_exact(&mut body).await.expect("comes");
            assert_eq!(&body, b"Muted=<true>");
            server.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("goes");
        }
        drop(client);
        assert_eq!(server.read(&mut [0; 8]).await.expect("ends"), 0);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            let _ = repair(bytes);
        }
    }
}
