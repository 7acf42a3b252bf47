//! Parameters: `;name=value;flag`, behind a header value or inside a URI.

use std::borrow::Cow;
use std::fmt;

use crate::grammar::{find_outside, quoted, trim, unescape};

/// `;name=value` pairs in the order they came, kept as text and searched when asked.
///
/// There are rarely more than four, so a search costs less than a map would. Names compare without case. What
/// we do not know stays as written; only white space around `;` and `=` is dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Params {
    /// Empty, or begins with `;`.
    text: String,
}

impl Params {
    /// No parameters.
    pub const fn new() -> Self {
        Self { text: String::new() }
    }

    /// Reads text that is empty or begins with `;`. `None` if it is neither or a parameter has no proper name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = trim(text);
        let mut params = Self { text: String::with_capacity(rest.len()) };
        while !rest.is_empty() {
            rest = rest.strip_prefix(';')?;
            let end = find_outside(rest, b';');
            let (name, value) = split_pair(&rest[..end]);
            if !is_param_name(name) || value.is_some_and(|value| !is_param_value(value)) {
                return None;
            }
            params.push(name, value);
            rest = &rest[end..];
        }
        Some(params)
    }

    /// The value as written, quotes included; empty for a parameter without one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or(""))
    }

    /// What the value says: quotes and escapes taken off.
    pub fn get_unquoted(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(|value| match quoted(value) {
            Some((inner, _)) => Cow::Owned(unescape(inner)),
            None => Cow::Borrowed(value),
        })
    }

    /// Whether it is there, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Every parameter, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let mut rest = self.text.as_str();
        std::iter::from_fn(move || {
            let body = rest.strip_prefix(';')?;
            let (pair, next) = body.split_at(find_outside(body, b';'));
            rest = next;
            Some(pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value))))
        })
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Puts one behind the others. `value` is written as it is: the caller quotes what needs quotes.
    pub fn push(&mut self, name: &str, value: Option<&str>) {
        self.text.push(';');
        self.text.push_str(name);
        if let Some(value) = value {
            self.text.push('=');
            self.text.push_str(value);
        }
    }

    /// Gives `name` this value, in its old place if it had one.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        if !self.contains(name) {
            return self.push(name, value);
        }
        let mut changed = Self { text: String::with_capacity(self.text.len()) };
        for (key, old) in self.iter() {
            let new = if key.eq_ignore_ascii_case(name) { value } else { old };
            changed.push(key, new);
        }
        *self = changed;
    }

    /// Takes `name` out.
    pub fn remove(&mut self, name: &str) {
        let mut kept = Self { text: String::with_capacity(self.text.len()) };
        for (key, value) in self.iter().filter(|(key, _)| !key.eq_ignore_ascii_case(name)) {
            kept.push(key, value);
        }
        *self = kept;
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn split_pair(pair: &str) -> (&str, Option<&str>) {
    match pair.split_once('=') {
        Some((name, value)) => (trim(name), Some(trim(value))),
        None => (trim(pair), None),
    }
}

/// Wider than a token, since a URI's parameters may hold `[ ] / : & + $` (RFC 3261 §25.1 `paramchar`).
fn is_param_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte > b' ' && byte != 0x7f && !matches!(byte, b'"' | b'<' | b'>' | b','))
}

/// A quoted string and nothing after it, or text that needs no quotes.
fn is_param_value(value: &str) -> bool {
    match quoted(value) {
        Some((_, rest)) => rest.is_empty(),
        None => is_param_name(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_written_or_not_at_all() {
        for (case, text, want) in [
            ("none", "", Some("")),
            ("a flag", ";lr", Some(";lr")),
            ("a value", ";tag=a1", Some(";tag=a1")),
            ("white space around the signs", " ; tag\t= a1 ;\r\n lr ", Some(";tag=a1;lr")),
            ("a quoted value that hides the signs", ";x=\"a;b=c\\\"\";y", Some(";x=\"a;b=c\\\"\";y")),
            ("an IPv6 value without brackets", ";received=2001:db8::9:255", Some(";received=2001:db8::9:255")),
            ("an empty value", ";a=", None),
            ("no name", ";=a", None),
            ("nothing between two signs", ";;lr", None),
            ("nothing behind the last sign", ";lr;", None),
            ("no sign in front", "lr", None),
            ("a quote left open", ";x=\"a", None),
            ("text behind the quote", ";x=\"a\"b", None),
            ("white space within", ";a b", None),
        ] {
            assert_eq!(Params::parse(text).map(|params| params.to_string()).as_deref(), want, "{case}");
        }
    }

    #[test]
    fn parameters_are_found_and_changed_by_name_in_any_case() {
        let mut params = Params::parse(";branch=z9;RPORT;text=\"a \\\"b\\\"\"").expect("parameters");
        assert_eq!(params.get("Branch"), Some("z9"));
        assert_eq!(params.get("rport"), Some(""));
        assert_eq!(params.get_unquoted("text").as_deref(), Some("a \"b\""));
        assert_eq!(params.get("received"), None);

        params.set("rport", Some("5062"));
        params.set("received", Some("192.0.2.1"));
        params.remove("text");
        assert_eq!(params.to_string(), ";branch=z9;RPORT=5062;received=192.0.2.1");
    }
}
