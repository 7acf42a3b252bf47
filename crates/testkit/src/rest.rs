//! A tiny HTTP client: one request, one connection, Basic auth.
//!
//! Independent of the bridge's own HTTP stack, and able to send what no library would.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::wire::Moment;

/// A client of one bridge, acting as one account.
#[derive(Debug, Clone)]
pub struct Rest {
    address: SocketAddr,
    account_sid: String,
    auth_token: String,
}

/// What the bridge answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as text.
    pub body: String,
    /// When the last byte had been read.
    pub at: Moment,
    asked: String,
}

impl Rest {
    /// A client that knows the way and the credentials; connects with each request.
    pub fn new(address: SocketAddr, account_sid: &str, auth_token: &str) -> Self {
        Self { address, account_sid: account_sid.to_owned(), auth_token: auth_token.to_owned() }
    }

    /// The same client with other credentials.
    pub fn with_credentials(&self, user: &str, password: &str) -> Self {
        Self::new(self.address, user, password)
    }

    /// Where the bridge's API listens.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// GETs a resource of the account: `Conferences.json?Status=in-progress`.
    pub fn get(&self, resource: &str) -> Answer {
        self.request("GET", &self.path(resource), &[])
    }

    /// POSTs a form to a resource of the account.
    pub fn post(&self, resource: &str, form: &[(&str, &str)]) -> Answer {
        self.request("POST", &self.path(resource), form)
    }

    /// DELETEs a resource of the account.
    pub fn delete(&self, resource: &str) -> Answer {
        self.request("DELETE", &self.path(resource), &[])
    }

    /// Any method on any path of the server.
    ///
    /// # Panics
    /// When the bridge gives no HTTP answer: no test can go on from there.
    pub fn request(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        self.try_request(method, path, form).unwrap_or_else(|error| panic!("{method} {path}: no answer: {error}"))
    }

    /// As [`Rest::request`], for those who expect that nobody answers.
    ///
    /// # Errors
    /// When there is no connection, or no complete answer within [`ANSWER_WITHIN`].
    pub fn try_request(&self, method: &str, path: &str, form: &[(&str, &str)]) -> io::Result<Answer> {
        let body = encode_form(form);
        let content = match form {
            [] => String::new(),
            _ => format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", body.len()),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{}Accept: application/json\r\n\
             Connection: close\r\n{content}\r\n{body}",
            self.address,
            self.authorization(),
        );
        self.send_raw(request.as_bytes())
    }

    /// Sends these bytes as they are and reads what comes until the server closes.
    ///
    /// # Errors
    /// When there is no connection, or no complete answer within [`ANSWER_WITHIN`].
    pub fn send_raw(&self, request: &[u8]) -> io::Result<Answer> {
        let mut stream = TcpStream::connect_timeout(&self.address, ANSWER_WITHIN)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_nodelay(true)?;
        // A server may answer an oversized request and close before it was all sent: its answer still counts.
        let sent = stream.write_all(request);
        let mut answer = Vec::new();
        while !is_complete(&answer) {
            let mut piece = [0; 16 * 1024];
            match stream.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => answer.extend_from_slice(&piece[..length]),
                Err(_) if !answer.is_empty() => break,
                Err(error) => return Err(sent.err().unwrap_or(error)),
            }
        }
        let asked = String::from_utf8_lossy(request).lines().next().unwrap_or_default().to_owned();
        Answer::parse(&answer, asked)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("not an HTTP answer: {answer:?}")))
    }

    /// The header line that says who asks, line end included.
    pub fn authorization(&self) -> String {
        format!("Authorization: Basic {}\r\n", base64(format!("{}:{}", self.account_sid, self.auth_token).as_bytes()))
    }

    fn path(&self, resource: &str) -> String {
        format!("/2010-04-01/Accounts/{}/{resource}", self.account_sid)
    }
}

impl Answer {
    fn parse(bytes: &[u8], asked: String) -> Option<Self> {
        let end = head_end(bytes)?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.lines();
        let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect::<Vec<_>>();
        let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        let body = if chunked { dechunk(&bytes[end..])? } else { bytes[end..].to_vec() };
        let body = String::from_utf8_lossy(&body).into_owned();
        Some(Self { status, headers, body, at: Moment::now(), asked })
    }

    /// This answer, which must have that status.
    ///
    /// # Panics
    /// When it has another one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} answered {}", self.asked, self.body);
        self
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{}: {error} in {:?}", self.asked, self.body))
    }

    /// One text field of the JSON body.
    ///
    /// # Panics
    /// When there is no such text.
    #[track_caller]
    pub fn text(&self, field: &str) -> String {
        let json = self.json();
        json[field].as_str().unwrap_or_else(|| panic!("{}: no text {field} in {json}", self.asked)).to_owned()
    }

    /// One header field, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The sum over all labels of one metric in the Prometheus text of `/metrics`; `None` when it is not there.
pub fn metric(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

/// `Content-Length` bytes of body, or the last chunk, have arrived; without either the close ends it.
fn is_complete(bytes: &[u8]) -> bool {
    let Some(end) = head_end(bytes) else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    match head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok()) {
        Some(length) => bytes.len() >= end + length,
        None => head.starts_with("http/1.1 204") || (head.contains("chunked") && bytes.ends_with(b"\r\n0\r\n\r\n")),
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn dechunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).ok()?.trim(), 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(line + 2..line + 2 + length)?);
        bytes = bytes.get(line + 2 + length + 2..)?;
    }
}

pub(crate) fn encode_form(form: &[(&str, &str)]) -> String {
    form.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect::<Vec<_>>().join("&")
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => write!(out, "%{byte:02X}").expect("writing to a string"),
        }
        out
    })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, i| bits << 8 | u32::from(group.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 0x3F) as usize];
            out.push(if i <= group.len() { digit.into() } else { '=' });
        }
    }
    out
}

/// A bridge that has not answered by then does not answer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_forms_are_spelled_as_the_wire_wants() {
        for (case, text, want) in [
            ("empty", "", ""),
            ("two paddings", "f", "Zg=="),
            ("one padding", "fo", "Zm8="),
            ("none", "foo", "Zm9v"),
            ("a user", "AC1:secret", "QUMxOnNlY3JldA=="),
        ] {
            assert_eq!(base64(text.as_bytes()), want, "{case}");
        }
        assert_eq!(
            encode_form(&[("HoldUrl", "http://a/b c"), ("Hold", "true")]),
            "HoldUrl=http%3A%2F%2Fa%2Fb%20c&Hold=true"
        );
    }

    #[test]
    fn an_answer_is_read_with_a_length_in_chunks_or_to_the_end() {
        for (case, bytes, body) in [
            ("length", &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"[..], "{}"),
            ("chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", "{}"),
            ("no body", b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        ] {
            assert!(is_complete(bytes), "{case}");
            assert!(!is_complete(&bytes[..bytes.len() - 1]), "{case}, cut");
            assert_eq!(Answer::parse(bytes, String::new()).expect(case).body, body, "{case}");
        }
    }

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let text =
            "# TYPE ticks counter\nticks{thread=\"media-0\"} 3\nticks{thread=\"media-1\"} 4\nticks_total 9\nup 1\n";
        assert_eq!(metric(text, "ticks"), Some(7.0));
        assert_eq!(metric(text, "up"), Some(1.0));
        assert_eq!(metric(text, "tick"), None);
    }
}
