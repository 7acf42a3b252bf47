//! The small words of SIP's grammar (RFC 3261 §25.1): which bytes make a token, what counts as white space,
//! and where a value ends when quotes and angle brackets may hide the separator.

use std::borrow::Cow;

/// Characters of a `token`: methods, header names, parameter names.
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// At least one character, and nothing but token characters.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

/// White space within a header value. Line ends are here too: a folded line is one value.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The value without white space at either end.
pub(crate) const fn trim(text: &str) -> &str {
    text.trim_ascii()
}

/// Bytes as text, what is no UTF-8 as `�`. Checked as a whole first, since it nearly always is.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// A number of digits alone, as SIP writes all of its numbers: no sign, leading zeros allowed.
///
/// `None` when it is not that; what is too large for 64 bits reads as `u64::MAX`.
pub(crate) fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.bytes().fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

/// Where `separator` first stands outside of quoted strings and `<…>`; the length of the text if nowhere.
///
/// A quote or bracket left open hides everything after it, so what follows stays part of the value and the
/// parser of that value gets to see, and refuse, the unbalanced text.
pub(crate) fn find_outside(text: &str, separator: u8) -> usize {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if !bracketed => quoted = !quoted,
            _ if quoted => {}
            b'<' => bracketed = true,
            b'>' => bracketed = false,
            _ if byte == separator && !bracketed => return at,
            _ => {}
        }
    }
    text.len()
}

/// The values of one header line, where several may stand with commas between them. Empty ones are skipped.
pub(crate) fn values(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = find_outside(rest, b',');
            let value = trim(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or("");
            if !value.is_empty() {
                return Some(value);
            }
        }
        None
    })
}

/// Takes a quoted string off the front of `text`: what is between the quotes, escapes still in it, and the rest.
pub(crate) fn quoted(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some((&inner[..at], &inner[at + 1..])),
            _ => {}
        }
    }
    None
}

/// What a quoted string says: `\x` is `x`.
pub(crate) fn unescape(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => out.extend(chars.next()),
            _ => out.push(char),
        }
    }
    out
}

/// Writes `text` as a quoted string.
pub(crate) fn write_quoted(text: &str, out: &mut impl std::fmt::Write) -> std::fmt::Result {
    out.write_char('"')?;
    for char in text.chars() {
        // A line end cannot be escaped (RFC 3261 §25.1 quoted-pair) and would end the header.
        let char = if matches!(char, '\r' | '\n') { ' ' } else { char };
        if matches!(char, '"' | '\\') || (char.is_ascii_control() && char != '\t') {
            out.write_char('\\')?;
        }
        out.write_char(char)?;
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_counts_only_outside_of_quotes_and_brackets() {
        for (line, want) in [
            ("a, b ,c", vec!["a", "b", "c"]),
            ("\"a, b\" <sip:x,y>;q=1, c", vec!["\"a, b\" <sip:x,y>;q=1", "c"]),
            ("\"a\\\", b\" , c", vec!["\"a\\\", b\"", "c"]),
            (",, a,,", vec!["a"]),
            ("\"open, for ever", vec!["\"open, for ever"]),
            ("", vec![]),
        ] {
            assert_eq!(values(line).collect::<Vec<_>>(), want, "{line}");
        }
    }

    #[test]
    fn a_number_is_digits_and_nothing_else() {
        for (text, want) in [
            ("0", Some(0)),
            ("0070", Some(70)),
            ("18446744073709551616", Some(u64::MAX)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1 ", None),
            ("1e3", None),
        ] {
            assert_eq!(number(text), want, "{text:?}");
        }
    }
}
