//! A name and an address: the value of From, To, Contact, Route and Record-Route (RFC 3261 §20.10).

use std::fmt;
use std::str::FromStr;

use crate::grammar::{find_outside, quoted, trim, unescape, write_quoted};
use crate::params::Params;
use crate::uri::Uri;

/// `"display" <uri>;params`, or the short `uri;params`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// The shown name, quotes and escapes taken off.
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// `tag`, `expires`, `q` and whatever else stands behind the address.
    pub params: Params,
}

/// The text is no address: an unbalanced quote or bracket, a bad URI, a name that needs quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name and an address")]
pub struct NameAddrError;

impl NameAddr {
    /// The address alone.
    pub const fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::new() }
    }

    /// One side of a dialog, as that side named itself.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag")
    }
}

impl FromStr for NameAddr {
    type Err = NameAddrError;

    fn from_str(text: &str) -> Result<Self, NameAddrError> {
        let text = trim(text);
        let (display, rest) = match quoted(text) {
            Some((inner, rest)) => (Some(unescape(inner)), trim(rest)),
            None => match text.find('<') {
                Some(0) | None => (None, text),
                Some(at) => (Some(plain_display(trim(&text[..at])).ok_or(NameAddrError)?), &text[at..]),
            },
        };
        let (uri, params) = match rest.strip_prefix('<') {
            Some(rest) => rest.split_once('>').ok_or(NameAddrError)?,
            None if display.is_some() => return Err(NameAddrError),
            // Without brackets, parameters belong to the header and a `?` or `,` cannot be told apart (§20.10).
            None => {
                let (uri, params) = rest.split_at(find_outside(rest, b';'));
                if uri.contains(['?', ',']) {
                    return Err(NameAddrError);
                }
                (trim(uri), params)
            }
        };
        let uri = uri.parse().map_err(|_| NameAddrError)?;
        Ok(Self { display, uri, params: Params::parse(params).ok_or(NameAddrError)? })
    }
}

/// A display name without quotes is tokens with spaces between; beyond the book we let letters of every script
/// pass, since phones send them, but nothing that could mean something else.
fn plain_display(text: &str) -> Option<String> {
    let plain = !text.contains(|c: char| {
        (c.is_ascii_control() && c != '\t') || matches!(c, ',' | ';' | ':' | '@' | '"' | '>' | '\\')
    });
    plain.then(|| text.to_owned())
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write_quoted(display, f)?;
            f.write_str(" ")?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_both_of_their_forms() {
        for (text, display, want) in [
            ("sip:ana@example.com", None, Some("<sip:ana@example.com>")),
            ("sip:ana@example.com;tag=1", None, Some("<sip:ana@example.com>;tag=1")), // the header's, not the URI's
            ("<sip:ana@example.com;lr>;tag=1", None, Some("<sip:ana@example.com;lr>;tag=1")),
            ("Ana Maria <sip:ana@example.com>", Some("Ana Maria"), Some("\"Ana Maria\" <sip:ana@example.com>")),
            ("Ana<sip:ana@example.com>", Some("Ana"), Some("\"Ana\" <sip:ana@example.com>")),
            ("Zoë Grün <sip:z@example.com>", Some("Zoë Grün"), Some("\"Zoë Grün\" <sip:z@example.com>")),
            (
                "\"a, <b>; \\\"c\\\\\" <sip:ana@example.com>",
                Some("a, <b>; \"c\\"),
                Some("\"a, <b>; \\\"c\\\\\" <sip:ana@example.com>"),
            ),
            ("\"\" <sip:ana@example.com>", Some(""), Some("\"\" <sip:ana@example.com>")),
            ("<tel:+15550100>;tag=1", None, Some("<tel:+15550100>;tag=1")),
            ("\"Ana <sip:ana@example.com>", None, None),
            ("\"Ana\" sip:ana@example.com", None, None),
            ("Caller, Ana <sip:ana@example.com>", None, None),
            ("<sip:ana@example.com", None, None),
            ("<sip:ana@example.com>>", None, None),
            ("<sip:ana@example.com> tag=1", None, None),
            ("<>", None, None),
            ("", None, None),
            ("sip:ana@example.com?Subject=x", None, None),
            ("< sip:ana@example.com >", None, None),
        ] {
            let parsed = text.parse::<NameAddr>().ok();
            assert_eq!(parsed.as_ref().map(ToString::to_string).as_deref(), want, "{text}");
            assert_eq!(parsed.and_then(|address| address.display).as_deref(), display, "{text}");
        }
    }
}
