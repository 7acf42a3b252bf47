//! Forms: `application/x-www-form-urlencoded`, in a body or a query, read strictly.
//!
//! What is not a form is refused rather than guessed at: a `%` without two hex digits, bytes that are not UTF-8,
//! and NUL, which no database of ours can store.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Names and values in the order they came; a name may come several times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form; the error says what is wrong with it.
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, &'static str> {
        let pairs = encoded.split(|&b| b == b'&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let name_len = pair.iter().position(|&b| b == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(name_len);
            Ok((decode(name)?, decode(value.strip_prefix(b"=").unwrap_or_default())?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// These, as if they had been read.
    pub(crate) fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// The last value of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Every name and value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds those of `other` whose names are not here.
    #[must_use]
    pub(crate) fn or(mut self, other: Self) -> Self {
        let extra: Vec<_> = other.0.into_iter().filter(|(name, _)| self.get(name).is_none()).collect();
        self.0.extend(extra);
        self
    }
}

/// Writes a name or a value so that it can stand in a query.
pub(crate) fn encode(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, RESERVED)
}

/// Whether a path can be decoded: well-formed escapes of UTF-8 without NUL.
pub(crate) fn is_decodable_path(path: &str) -> bool {
    // In a path a plus sign is itself, which makes no difference to whether it can be decoded.
    decode(path.as_bytes()).is_ok()
}

fn decode(encoded: &[u8]) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next())? << 4 | hex(rest.next())?,
            byte => byte,
        });
    }
    if bytes.contains(&0) {
        return Err("a NUL character");
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8")
}

fn hex(digit: Option<&u8>) -> Result<u8, &'static str> {
    match digit {
        Some(digit @ b'0'..=b'9') => Ok(digit - b'0'),
        Some(digit @ b'a'..=b'f') => Ok(digit - b'a' + 10),
        Some(digit @ b'A'..=b'F') => Ok(digit - b'A' + 10),
        _ => Err("a percent sign is not followed by two hex digits"),
    }
}

/// Everything but letters, digits, `-`, `.`, `_` and `~` (RFC 3986 §2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_strictly() {
        for (case, encoded, want) in [
            ("nothing", "", Ok(vec![])),
            ("one", "Muted=true", Ok(vec![("Muted", "true")])),
            ("repeated", "E=a&E=b", Ok(vec![("E", "a"), ("E", "b")])),
            ("empty pieces", "&&a=1&", Ok(vec![("a", "1")])),
            ("no value", "a&b=", Ok(vec![("a", ""), ("b", "")])),
            ("no name", "=x", Ok(vec![("", "x")])),
            ("equals sign in the value", "a=b=c", Ok(vec![("a", "b=c")])),
            ("an operator in the name", "StartTime%3E=2026-01-02", Ok(vec![("StartTime>", "2026-01-02")])),
            ("the same, bare", "StartTime>=2026-01-02", Ok(vec![("StartTime>", "2026-01-02")])),
            ("plus is a blank", "a=x+y%2Bz", Ok(vec![("a", "x y+z")])),
            ("UTF-8", "a=%C3%A9é", Ok(vec![("a", "éé")])),
            ("half an escape", "a=%4", Err("a percent sign is not followed by two hex digits")),
            ("no escape", "a=100%", Err("a percent sign is not followed by two hex digits")),
            ("not hex", "a=%zz", Err("a percent sign is not followed by two hex digits")),
            ("a sign is not hex", "a=%+1", Err("a percent sign is not followed by two hex digits")),
            ("half a character", "a=%C3", Err("not UTF-8")),
            ("NUL", "a=%00", Err("a NUL character")),
        ] {
            let form = Form::parse(encoded.as_bytes());
            let pairs = form.as_ref().map(|form| form.iter().collect::<Vec<_>>()).map_err(|why| *why);
            assert_eq!(pairs, want, "{case}");
        }
        assert_eq!(Form::parse(b"a=\xff"), Err("not UTF-8"));
    }

    #[test]
    fn the_last_value_counts_and_the_body_wins() {
        let body = Form::parse(b"a=1&a=2").expect("is a form");
        let query = Form::parse(b"a=3&b=4&b=5").expect("is a form");
        let both = body.or(query);
        assert_eq!((both.get("a"), both.get("b"), both.get("A")), (Some("2"), Some("5"), None));
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_is_read_back(name in "[^\0]{0,20}", value in "[^\0]{0,20}") {
            let form = Form::parse(format!("{}={}", encode(&name), encode(&value)).as_bytes()).expect("is a form");
            proptest::prop_assert_eq!(form, Form(vec![(name, value)]));
        }

        #[test]
        fn nothing_panics(encoded: Vec<u8>) {
            let _ = Form::parse(&encoded);
        }
    }
}
