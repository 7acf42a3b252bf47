//! Body: finds the session description in what a request carries (RFC 3261 §7.4, RFC 5621).
//!
//! A body is plain SDP, or SDP among other things in a `multipart/*`. What we cannot read is passed over where
//! its sender allows that (`handling=optional`) and refused with 415 where not.

use std::borrow::Cow;

use bytes::Bytes;

use crate::{Headers, MediaType, Name, Params};

/// Why a body stops a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// 415 with Accept.
    #[error("a body of this type cannot be read")]
    Type,
    /// 415 with Accept-Encoding.
    #[error("a body with this encoding cannot be read")]
    Encoding,
    /// 400.
    #[error("the multipart body is malformed")]
    Multipart,
}

/// The session description in the body, if there is one.
pub(crate) fn session_description(headers: &Headers, body: &Bytes) -> Result<Option<Bytes>, BodyError> {
    let part = Part {
        content_type: headers.text(Name::ContentType),
        disposition: headers.text(Name::ContentDisposition),
        encoding: headers.text(Name::ContentEncoding),
        body: body.clone(),
    };
    part.session_description(DEPTH_MAX)
}

/// A body, or a part of one.
#[derive(Debug, Default)]
struct Part<'a> {
    content_type: Option<Cow<'a, str>>,
    disposition: Option<Cow<'a, str>>,
    encoding: Option<Cow<'a, str>>,
    body: Bytes,
}

impl Part<'_> {
    fn session_description(&self, depth: usize) -> Result<Option<Bytes>, BodyError> {
        if self.body.is_empty() {
            return Ok(None);
        }
        let found = match self.encoding.as_deref() {
            Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => Err(BodyError::Encoding),
            _ => match self.media_type() {
                Some(kind) if kind.is("application/sdp") && self.describes_session() => Ok(Some(self.body.clone())),
                Some(kind) if kind.essence.starts_with("multipart/") && depth > 0 => self.search(&kind, depth),
                _ => Err(BodyError::Type),
            },
        };
        match found {
            Err(BodyError::Type | BodyError::Encoding) if self.handling_is("optional") => Ok(None),
            found => found,
        }
    }

    /// The first description among the parts. Beside one, what we cannot read stops us only if it says it must:
    /// senders of ISUP, locations and metadata forget `handling=optional`.
    fn search(&self, kind: &MediaType, depth: usize) -> Result<Option<Bytes>, BodyError> {
        let boundary = kind.params.get_unquoted("boundary").ok_or(BodyError::Multipart)?;
        let parts = parts(&self.body, &boundary).ok_or(BodyError::Multipart)?;
        let mut description = None;
        let mut fault = None;
        for part in &parts {
            match part.session_description(depth - 1) {
                Ok(Some(found)) => description = description.or(Some(found)),
                Ok(None) => {}
                Err(error) if part.handling_is("required") => return Err(error),
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        match (description, fault) {
            (None, Some(fault)) => Err(fault),
            (description, _) => Ok(description),
        }
    }

    /// A body of no stated type is taken for what it looks like.
    fn media_type(&self) -> Option<MediaType> {
        match &self.content_type {
            Some(text) => text.parse().ok(),
            None => self
                .body
                .starts_with(b"v=0")
                .then(|| MediaType { essence: "application/sdp".to_owned(), params: Params::new() }),
        }
    }

    /// SDP describes the session unless it says it is for something else, such as `early-session`.
    fn describes_session(&self) -> bool {
        let Some(disposition) = &self.disposition else { return true };
        let kind = disposition.split(';').next().unwrap_or("").trim();
        kind.eq_ignore_ascii_case("session") || kind.eq_ignore_ascii_case("render")
    }

    fn handling_is(&self, wanted: &str) -> bool {
        let params = self.disposition.iter().flat_map(|disposition| disposition.split(';').skip(1));
        params.filter_map(|param| param.split_once('=')).any(|(name, value)| {
            name.trim().eq_ignore_ascii_case("handling") && value.trim().trim_matches('"').eq_ignore_ascii_case(wanted)
        })
    }
}

/// Cuts a multipart body at its boundaries (RFC 2046 §5.1). `None` if there is no first one.
fn parts<'a>(body: &Bytes, boundary: &str) -> Option<Vec<Part<'a>>> {
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let mut parts = Vec::new();
    let mut begin = None;
    let mut at = 0;
    while at < body.len() {
        let end = find(&body[at..], b"\n").map_or(body.len(), |len| at + len + 1);
        let line = body[at..end].trim_ascii_end();
        if let Some(tail) = line.strip_prefix(delimiter.as_slice())
            && (tail.is_empty() || tail == b"--")
        {
            if let Some(begin) = begin
                && parts.len() < PARTS_MAX
            {
                parts.push(part(&body.slice(begin..at)));
            }
            begin = Some(end);
            if tail == b"--" {
                return Some(parts);
            }
        }
        at = end;
    }
    // The closing boundary is missing: the last part is as good as the others.
    parts.push(part(&body.slice(begin?..)));
    Some(parts)
}

/// Reads one part: header lines, an empty line, the content. The line end before the next boundary belongs to
/// the boundary.
fn part<'a>(text: &Bytes) -> Part<'a> {
    let mut part = Part::default();
    let mut at = 0;
    while at < text.len() {
        let end = find(&text[at..], b"\n").map_or(text.len(), |len| at + len + 1);
        let line = String::from_utf8_lossy(text[at..end].trim_ascii()).into_owned();
        at = end;
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = Some(Cow::Owned(value.trim().to_owned()));
        match Name::from(name.trim_end()) {
            Name::ContentType => part.content_type = value,
            Name::ContentDisposition => part.disposition = value,
            Name::ContentEncoding => part.encoding = value,
            _ => {}
        }
    }
    let content = &text[at..];
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    let content = content.strip_suffix(b"\r").unwrap_or(content);
    part.body = text.slice(at..at + content.len());
    part
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Multiparts inside a multipart that we look into.
const DEPTH_MAX: usize = 3;
/// Parts of one multipart that we look at.
const PARTS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n";

    fn mixed(part_headers: &str, second: &str) -> String {
        format!(
            "preamble\r\n--b 1\r\n{second}\r\n\r\nother\r\n--b 1\r\n{part_headers}\r\n\r\n{SDP}\r\n--b 1--\r\nepilogue"
        )
    }

    #[test]
    fn the_description_is_found_or_the_body_refused() {
        let sdp = Some(SDP.to_owned());
        let multipart = "multipart/mixed;boundary=\"b 1\"";
        for (case, kind, disposition, encoding, body, want) in [
            ("no body", "application/sdp", "", "", String::new(), Ok(None)),
            ("plain", "Application/SDP", "", "", SDP.to_owned(), Ok(sdp.clone())),
            ("no type", "", "", "", SDP.to_owned(), Ok(sdp.clone())),
            ("another type", "text/plain", "", "", "hi".to_owned(), Err(BodyError::Type)),
            ("another, optional", "text/plain", "render;handling=optional", "", "hi".to_owned(), Ok(None)),
            ("zipped", "application/sdp", "", "gzip", SDP.to_owned(), Err(BodyError::Encoding)),
            ("not zipped", "application/sdp", "session", "identity", SDP.to_owned(), Ok(sdp.clone())),
            ("for something else", "application/sdp", "early-session", "", SDP.to_owned(), Err(BodyError::Type)),
            ("mixed", multipart, "", "", mixed("c: application/sdp", "Content-Type: text/plain"), Ok(sdp.clone())),
            (
                "mixed, the other required",
                multipart,
                "",
                "",
                mixed(
                    "c: application/sdp",
                    "Content-Type: text/plain\r\nContent-Disposition: render;handling=required",
                ),
                Err(BodyError::Type),
            ),
            ("mixed without", multipart, "", "", mixed("c: text/html", "c: text/plain"), Err(BodyError::Type)),
            ("no boundary", "multipart/mixed", "", "", mixed("", ""), Err(BodyError::Multipart)),
            (
                "not closed",
                multipart,
                "",
                "",
                format!("--b 1\nc:application/sdp\n\n{SDP}"),
                Ok(Some(SDP.trim_end().to_owned())),
            ),
        ] {
            let mut headers = Headers::new();
            for (name, value) in
                [(Name::ContentType, kind), (Name::ContentDisposition, disposition), (Name::ContentEncoding, encoding)]
            {
                if !value.is_empty() {
                    headers.push(name, value);
                }
            }
            let got = session_description(&headers, &Bytes::from(body));
            assert_eq!(got, want.map(|want| want.map(Bytes::from)), "{case}");
        }
    }
}
