//! Fields: the `name=value, name="value"` that follow the scheme of a challenge or of its answer (RFC 7235 §2.1).

use super::DigestError;
use crate::grammar::{find_outside, is_token, quoted, trim};

/// The parameters of one header, at most [`FIELDS_MAX`]. A value stands as written, less its quotes: hashes are made
/// of the text between them, escapes included.
#[derive(Debug)]
pub(super) struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    /// Reads a header's value, which must be `Digest` and then parameters, none of them twice.
    pub(super) fn parse(value: &'a str) -> Result<Self, DigestError> {
        let value = trim(value);
        let (scheme, mut rest) = value.split_once([' ', '\t']).ok_or(DigestError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(DigestError::Scheme);
        }
        let mut fields = Self(Vec::with_capacity(12));
        while !rest.is_empty() {
            let end = find_outside(rest, b',');
            let pair = trim(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or("");
            // An empty place between two commas is allowed, and found after the last.
            if !pair.is_empty() {
                fields.push(pair)?;
            }
        }
        Ok(fields)
    }

    /// What it says, less the quotes.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// What it says, which it must.
    pub(super) fn need(&self, name: &'static str) -> Result<&'a str, DigestError> {
        self.get(name).ok_or(DigestError::Missing(name))
    }

    fn push(&mut self, pair: &'a str) -> Result<(), DigestError> {
        let (name, value) = pair.split_once('=').ok_or(DigestError::Malformed)?;
        let (name, value) = (trim(name), trim(value));
        let value = match quoted(value) {
            Some((inner, behind)) if trim(behind).is_empty() => inner,
            None if !value.contains('"') => value,
            _ => return Err(DigestError::Malformed),
        };
        let control = value.contains(|c: char| c.is_control());
        if !is_token(name.as_bytes()) || control || self.get(name).is_some() || self.0.len() >= FIELDS_MAX {
            return Err(DigestError::Malformed);
        }
        self.0.push((name, value));
        Ok(())
    }
}

/// Parameters of one header; the RFCs know a dozen.
const FIELDS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_as_written_less_their_quotes() {
        for (case, text, want) in [
            ("usual", "Digest a=1, b=\"2\"", Ok((Some("1"), Some("2")))),
            ("no blank, odd case", "digest A=\"1\",B=2", Ok((Some("1"), Some("2")))),
            ("blanks all over", "  Digest \t a = 1 ,\tb = \"2\"  ", Ok((Some("1"), Some("2")))),
            ("a comma within quotes", "Digest a=\"1,2\", b=\"=\"", Ok((Some("1,2"), Some("=")))),
            ("escapes stay", "Digest a=\"\\\"x\\\\\"", Ok((Some("\\\"x\\\\"), None))),
            ("commas to spare", "Digest ,a=1,, ,b=2,", Ok((Some("1"), Some("2")))),
            ("empty", "Digest a=,b=\"\"", Ok((Some(""), Some("")))),
            ("equals signs at the end", "Digest a=x==", Ok((Some("x=="), None))),
            ("twice", "Digest a=1, A=2", Err(DigestError::Malformed)),
            ("a quote left open", "Digest a=\"1, b=2", Err(DigestError::Malformed)),
            ("a quote amid a word", "Digest a=1\"2\"", Err(DigestError::Malformed)),
            ("something behind a quote", "Digest a=\"1\"2", Err(DigestError::Malformed)),
            ("no value", "Digest a", Err(DigestError::Malformed)),
            ("no name", "Digest =1", Err(DigestError::Malformed)),
            ("another scheme", "Basic a=1", Err(DigestError::Scheme)),
            ("nothing but the scheme", "Digest", Err(DigestError::Scheme)),
            ("nothing", "", Err(DigestError::Scheme)),
        ] {
            let got = Fields::parse(text).map(|fields| (fields.get("a"), fields.get("b")));
            assert_eq!(got, want, "{case}");
        }
    }

    #[test]
    fn there_is_a_bound() {
        let many = |n: usize| format!("Digest {}", (0..n).map(|i| format!("p{i}=1,")).collect::<String>());
        assert!(Fields::parse(&many(FIELDS_MAX)).is_ok());
        assert_eq!(Fields::parse(&many(FIELDS_MAX + 1)).err(), Some(DigestError::Malformed));
    }
}
