//! Headers: every header of a message, in order, the unknown ones byte for byte.
//!
//! All text lies in one buffer
//! that the fields point into, so parsing a message copies its headers once and allocates twice:
//!
//! `text   Via: SIP/2.0/UDP a;branch=z9hG4bK1␍␊X-Odd: ÿ␍␊…`
//! `fields [ Via → 5..36 ] [ "X-Odd" 38..43 → 45..46 ] …`

use std::borrow::Cow;
use std::fmt;

use crate::grammar::{is_space, is_token, lossy, values};
use crate::name::Name;

/// The headers of one message.
#[derive(Clone, Default)]
pub struct Headers {
    text: Vec<u8>,
    fields: Vec<Field>,
}

/// A header that is missing or does not read as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It is not there.
    #[error("missing {0} header field")]
    Missing(Name<'static>),
    /// It is there and makes no sense.
    #[error("malformed {0} header field")]
    Malformed(Name<'static>),
    /// It may be there once, and is there more often.
    #[error("more than one {0} header field")]
    Repeated(Name<'static>),
}

/// One line, after unfolding.
#[derive(Debug, Clone, Copy)]
struct Field {
    name: FieldName,
    value: Span,
}

#[derive(Debug, Clone, Copy)]
enum FieldName {
    Known(Name<'static>),
    Other(Span),
}

/// From where to where in the text. A message is far shorter than 4 GiB; see the bounds in `parse.rs`.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

impl Headers {
    /// None yet.
    pub const fn new() -> Self {
        Self { text: Vec::new(), fields: Vec::new() }
    }

    /// None yet, with room for some.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), fields: Vec::with_capacity(FIELDS_USUAL) }
    }

    /// The first header of this name, as bytes: peers put any bytes there.
    pub fn get(&self, name: Name<'_>) -> Option<&[u8]> {
        self.fields.iter().find(|field| self.is_named(field, name)).map(|field| self.slice(field.value))
    }

    /// The first header of this name as text; bytes that are no UTF-8 show as `�`.
    pub fn text(&self, name: Name<'_>) -> Option<Cow<'_, str>> {
        self.get(name).map(lossy)
    }

    /// Every header of this name, line by line.
    pub fn get_all(&self, name: Name<'_>) -> impl Iterator<Item = &[u8]> {
        self.fields.iter().filter(move |field| self.is_named(field, name)).map(|field| self.slice(field.value))
    }

    /// Every value of a comma-separated header, over all of its lines, white space trimmed, empty ones skipped.
    ///
    /// For lists of words such as Supported, Require and Allow: a line that is no UTF-8 is skipped.
    pub fn list(&self, name: Name<'_>) -> impl Iterator<Item = &str> {
        self.get_all(name).filter_map(|line| std::str::from_utf8(line).ok()).flat_map(values)
    }

    /// Whether a comma-separated header lists `word`, case aside.
    pub fn lists(&self, name: Name<'_>, word: &str) -> bool {
        self.list(name).any(|value| value.eq_ignore_ascii_case(word))
    }

    /// Whether there is one of this name.
    pub fn contains(&self, name: Name<'_>) -> bool {
        self.fields.iter().any(|field| self.is_named(field, name))
    }

    /// How many lines have this name.
    pub fn count(&self, name: Name<'_>) -> usize {
        self.fields.iter().filter(|field| self.is_named(field, name)).count()
    }

    /// All headers in order.
    pub fn iter(&self) -> impl Iterator<Item = (Name<'_>, &[u8])> {
        self.fields.iter().map(|field| (self.name(field), self.slice(field.value)))
    }

    /// How many lines there are.
    pub const fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Adds a header behind the others. A line end in `value` becomes a space: no value can smuggle in a header.
    pub fn push(&mut self, name: Name<'_>, value: impl AsRef<[u8]>) {
        let field = self.store(name, value.as_ref());
        self.fields.push(field);
    }

    /// Adds a header before the others, as a hop does with its Via.
    pub fn push_front(&mut self, name: Name<'_>, value: impl AsRef<[u8]>) {
        let field = self.store(name, value.as_ref());
        self.fields.insert(0, field);
    }

    /// Makes `value` the only header of this name, in the place of the first one there was.
    pub fn set(&mut self, name: Name<'_>, value: impl AsRef<[u8]>) {
        self.set_first(name, value);
        let text = &self.text;
        let mut first = true;
        self.fields.retain(|field| !named(text, field, name) || std::mem::take(&mut first));
    }

    /// Replaces the first line of this name and leaves the others: how a hop stamps the topmost Via.
    pub(crate) fn set_first(&mut self, name: Name<'_>, value: impl AsRef<[u8]>) {
        let field = self.store(name, value.as_ref());
        match self.fields.iter().position(|old| self.is_named(old, name)) {
            Some(at) => self.fields[at] = field,
            None => self.fields.push(field),
        }
    }

    /// Takes every header of this name out.
    pub fn remove(&mut self, name: Name<'_>) {
        let text = &self.text;
        self.fields.retain(|field| !named(text, field, name));
    }

    /// Copies every header of this name from another message, byte for byte and in order.
    pub fn copy(&mut self, name: Name<'_>, from: &Self) {
        for value in from.get_all(name) {
            self.push(name, value);
        }
    }

    /// Writes all headers and the empty line. Content-Length says what the body truly has, whatever was stored.
    pub(crate) fn write(&self, body_len: usize, out: &mut Vec<u8>) {
        let body_len = body_len.to_string();
        let mut line = |name: Name<'_>, value: &[u8]| {
            for part in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
                out.extend_from_slice(part);
            }
        };
        let mut written = false;
        for (name, value) in self.iter() {
            if name != Name::ContentLength {
                line(name, value);
            } else if !std::mem::replace(&mut written, true) {
                line(name, body_len.as_bytes());
            }
        }
        if !written {
            line(Name::ContentLength, body_len.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    /// How many bytes the headers take on the wire, about.
    pub(crate) const fn size(&self) -> usize {
        self.text.len() + self.fields.len() * 4
    }

    /// Reads a block of header lines. What does not read is left out and the first such fault is told, so that
    /// even a spoiled message can be answered with the headers it did have.
    pub(crate) fn parse(text: Vec<u8>) -> (Self, Option<&'static str>) {
        let mut headers = Self { text, fields: Vec::with_capacity(FIELDS_USUAL) };
        let mut fault = None;
        let mut start = 0;
        while start < headers.text.len() {
            if matches!(headers.text[start..], [b'\n', ..] | [b'\r', b'\n', ..]) {
                break; // the empty line before the body
            }
            let end = unfold(&mut headers.text, start, &mut fault);
            if headers.fields.len() == FIELDS_MAX {
                return (headers, fault.or(Some("too many header fields")));
            }
            if blank_controls(&mut headers.text[start..end]) {
                fault = fault.or(Some("control character in a header line"));
            }
            match headers.read_field(start, end) {
                Some(field) => headers.fields.push(field),
                None => fault = fault.or(Some("malformed header line")),
            }
            start = end + 1;
        }
        (headers, fault)
    }

    fn read_field(&self, start: usize, end: usize) -> Option<Field> {
        let line = &self.text[start..end];
        let colon = line.iter().position(|&byte| byte == b':')?;
        let name = line[..colon].trim_ascii_end();
        if !is_token(name) {
            return None;
        }
        let name = match Name::known(name) {
            Some(known) => FieldName::Known(known),
            None => FieldName::Other(Span::new(start, start + name.len())),
        };
        Some(Field { name, value: trimmed(&self.text, start + colon + 1, end) })
    }

    fn store(&mut self, name: Name<'_>, value: &[u8]) -> Field {
        let name = match Name::known(name.as_str().as_bytes()) {
            Some(known) => FieldName::Known(known),
            None => FieldName::Other(self.append(name.as_str().as_bytes())),
        };
        Field { name, value: self.append(value) }
    }

    fn append(&mut self, text: &[u8]) -> Span {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        for byte in &mut self.text[start..] {
            if matches!(*byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        trimmed(&self.text, start, self.text.len())
    }

    fn is_named(&self, field: &Field, name: Name<'_>) -> bool {
        named(&self.text, field, name)
    }

    fn name(&self, field: &Field) -> Name<'_> {
        match field.name {
            FieldName::Known(name) => name,
            FieldName::Other(span) => Name::Other(std::str::from_utf8(self.slice(span)).unwrap_or("")),
        }
    }

    fn slice(&self, span: Span) -> &[u8] {
        span.of(&self.text)
    }
}

fn named(text: &[u8], field: &Field, name: Name<'_>) -> bool {
    match (field.name, name) {
        (FieldName::Known(known), _) => known == name,
        (FieldName::Other(span), Name::Other(other)) => span.of(text).eq_ignore_ascii_case(other.as_bytes()),
        (FieldName::Other(_), _) => false,
    }
}

/// Blanks the line ends inside the header line that begins at `start`, and says where the line ends.
///
/// A line goes on in the next one if that begins with white space (RFC 3261 §7.3.1). Line ends are CR LF; a
/// bare LF is taken too, a bare CR is a fault: echoed in an answer it would mean something else to the next hop.
fn unfold(text: &mut [u8], start: usize, fault: &mut Option<&'static str>) -> usize {
    let mut at = start;
    loop {
        let end = text[at..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |len| at + len);
        let line_end = if end > at && text[end - 1] == b'\r' { end - 1 } else { end };
        for byte in &mut text[at..line_end] {
            if *byte == b'\r' {
                *byte = b' ';
                *fault = fault.or(Some("stray carriage return in a header line"));
            }
        }
        if !matches!(text.get(end + 1), Some(b' ' | b'\t')) {
            // Only the CR of the line's own end may still stand in front of `end`; trimming takes it off.
            return end;
        }
        text[line_end..=end].fill(b' ');
        at = end + 1;
    }
}

/// Blanks the control characters of an unfolded line, and says whether there were any.
///
/// Only behind a backslash in a quoted string may one stand (RFC 3261 §25.1 `quoted-pair`, RFC 4475 §3.1.1.2).
fn blank_controls(line: &mut [u8]) -> bool {
    let is_control = |byte: u8| byte.is_ascii_control() && byte != b'\t';
    // The CR of the line's own end; any other has been blanked before.
    let line = match line {
        [line @ .., b'\r'] => line,
        line => line,
    };
    if !line.iter().any(|&byte| is_control(byte)) {
        return false;
    }
    let (mut found, mut quoted, mut escaped) = (false, false, false);
    for byte in line {
        match *byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            control if is_control(control) => {
                *byte = b' ';
                found = true;
            }
            _ => {}
        }
    }
    found
}

fn trimmed(text: &[u8], mut start: usize, mut end: usize) -> Span {
    while start < end && is_space(text[start]) {
        start += 1;
    }
    while start < end && is_space(text[end - 1]) {
        end -= 1;
    }
    Span::new(start, end)
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        let narrow = |at| u32::try_from(at).expect("a message is far shorter than 4 GiB");
        Self { start: narrow(start), end: narrow(end) }
    }

    fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..self.end as usize]
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name.as_str(), lossy(value)))).finish()
    }
}

impl PartialEq for Headers {
    /// The same headers in the same order; where the text lies does not matter.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

/// Lines one message may have; the next one is a fault. An INVITE through five proxies has about 40.
pub const FIELDS_MAX: usize = 256;

/// Room made at once.
const FIELDS_USUAL: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Headers {
        let (headers, fault) = Headers::parse(lines.as_bytes().to_vec());
        assert_eq!(fault, None, "{lines:?}");
        headers
    }

    #[test]
    fn lines_are_read_folded_or_not() {
        for (case, lines, name, want) in [
            ("plain", "Subject: hello\r\n", "subject", "hello"),
            ("compact, no space", "s:hello\r\n", "Subject", "hello"),
            ("space before the colon", "Subject \t: hello \r\n", "Subject", "hello"),
            ("folded", "Subject: one\r\n two\r\n\t three\r\nTo: x\r\n", "Subject", "one   two  \t three"),
            ("folded before it begins", "Subject:\r\n one\r\n", "Subject", "one"),
            ("empty", "Subject:\r\nTo: x\r\n", "Subject", ""),
            ("folded into nothing", "Subject: a\r\n \r\nTo: x\r\n", "Subject", "a"),
            ("bare line feeds", "Subject: one\n two\nTo: x\n", "Subject", "one\n two".replace('\n', " ").leak()),
            ("no line end at the end", "To: x\r\nSubject: a", "Subject", "a"),
            ("quoted pairs", "Subject: \"\\\0\\\"\\\x7f\"\r\n", "Subject", "\"\\\0\\\"\\\x7f\""),
            ("an unknown one", "x-odd: ;;,\r\n", "X-Odd", ";;,"),
        ] {
            assert_eq!(read(lines).text(Name::from(name)).as_deref(), Some(want), "{case}");
        }
    }

    #[test]
    fn a_line_that_does_not_read_is_told_and_the_others_kept() {
        for (case, lines, want) in [
            ("no colon", "Via: a\r\nnonsense\r\nTo: b\r\n", "malformed header line"),
            ("no name", "Via: a\r\n: x\r\nTo: b\r\n", "malformed header line"),
            ("space in the name", "Via: a\r\nMy Header: x\r\nTo: b\r\n", "malformed header line"),
            ("white space first", " Via: a\r\nVia: a\r\nTo: b\r\n", "malformed header line"),
            ("a stray CR", "Via: a\r\nX: a\rTo: c\r\nTo: b\r\n", "stray carriage return in a header line"),
            ("NUL", "Via: a\r\nX: a\0c\r\nTo: b\r\n", "control character in a header line"),
            ("NUL in quotes", "Via: a\r\nX: \"\0\"\r\nTo: b\r\n", "control character in a header line"),
            ("DEL on a folded line", "Via: a\r\nX: a\r\n \x7f\r\nTo: b\r\n", "control character in a header line"),
            ("NUL in the name", "Via: a\r\nX\0: c\r\nTo: b\r\n", "control character in a header line"),
            ("NUL behind a backslash", "Via: a\r\nX: \\\0\r\nTo: b\r\n", "control character in a header line"),
        ] {
            let (headers, fault) = Headers::parse(lines.as_bytes().to_vec());
            assert_eq!(fault, Some(want), "{case}");
            assert_eq!(headers.text(Name::Via).as_deref(), Some("a"), "{case}");
            assert_eq!(headers.text(Name::To).as_deref(), Some("b"), "{case}");
        }
    }

    #[test]
    fn more_lines_than_anybody_needs_are_a_fault() {
        assert_eq!(Headers::parse(b"a: b\r\n".repeat(FIELDS_MAX)).1, None);
        let (headers, fault) = Headers::parse(b"a: b\r\n".repeat(FIELDS_MAX + 1));
        assert_eq!((headers.len(), fault), (FIELDS_MAX, Some("too many header fields")));
    }

    #[test]
    fn headers_change_in_their_place() {
        let mut headers = read("v: a\r\nTo: b\r\nVIA: c\r\nX-Odd: \r\n");
        headers.set_first(Name::Via, "a2");
        headers.set(Name::To, "b2");
        headers.set(Name::from("x-odd"), "y");
        headers.push(Name::Subject, "z");
        headers.push_front(Name::Via, "first");
        let lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect();
        assert_eq!(lines, ["Via: first", "Via: a2", "To: b2", "Via: c", "x-odd: y", "Subject: z"]);

        headers.set(Name::Via, "only");
        assert_eq!(headers.get_all(Name::Via).collect::<Vec<_>>(), [b"only"]);
        headers.remove(Name::Via);
        assert!(!headers.contains(Name::Via));
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn no_value_smuggles_in_a_header() {
        let mut headers = Headers::new();
        headers.push(Name::Subject, "hello\r\nVia: forged");
        let mut out = Vec::new();
        headers.write(0, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "Subject: hello  Via: forged\r\nContent-Length: 0\r\n\r\n");
    }

    #[test]
    fn bytes_that_are_no_text_stay_as_they_are() {
        let (headers, _) = Headers::parse(b"Subject: \xff\xfe\t caf\xe9\r\n".to_vec());
        assert_eq!(headers.get(Name::Subject), Some(&b"\xff\xfe\t caf\xe9"[..]));
        let mut out = Vec::new();
        headers.write(0, &mut out);
        assert!(out.starts_with(b"Subject: \xff\xfe\t caf\xe9\r\n"));
    }

    #[test]
    fn lists_run_over_lines_and_commas() {
        let headers = read("Supported: timer, 100rel\r\nk:\r\nk: ,replaces,\r\n");
        assert_eq!(headers.list(Name::Supported).collect::<Vec<_>>(), ["timer", "100rel", "replaces"]);
        assert!(headers.lists(Name::Supported, "TIMER"));
        assert!(!headers.lists(Name::Supported, "time"));
    }
}
