//! Reading an element's attributes: each is asked for once, by name; what nobody asked for is unknown.
//!
//! A value that cannot be is a warning with the attribute's own code, and its default holds (twiml §1).

use std::ops::RangeInclusive;
use std::time::Duration;

use model::HttpMethod;

use crate::Link;
use crate::warning::{UNKNOWN, Warnings, shorten};
use crate::xml::Element;

/// The attributes of one element.
pub(crate) struct Attributes<'e, 'w> {
    element: &'e Element,
    asked: Vec<&'static str>,
    pub(crate) warnings: &'w mut Warnings,
}

impl<'e, 'w> Attributes<'e, 'w> {
    pub(crate) fn of(element: &'e Element, warnings: &'w mut Warnings) -> Self {
        Self { element, asked: Vec::new(), warnings }
    }

    /// The value as written.
    pub(crate) fn raw(&mut self, name: &'static str) -> Option<&'e str> {
        self.asked.push(name);
        self.element.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A text that means nothing when empty.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.raw(name).map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// Whatever `read` makes of the value; `None`, with a warning, if nothing.
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        code: u16,
        expected: &str,
        read: impl FnOnce(&'e str) -> Option<T>,
    ) -> Option<T> {
        let value = self.raw(name)?.trim();
        let read = read(value);
        if read.is_none() {
            self.warn(code, name, value, expected);
        }
        read
    }

    /// One of a few words, in either case.
    pub(crate) fn word<T: Copy>(&mut self, name: &'static str, code: u16, words: &[(&str, T)]) -> Option<T> {
        let expected = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        self.read(name, code, &expected, |value| {
            words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value)).map(|(_, meaning)| *meaning)
        })
    }

    pub(crate) fn flag(&mut self, name: &'static str, default: bool, code: u16) -> bool {
        self.word(name, code, &[("true", true), ("false", false)]).unwrap_or(default)
    }

    pub(crate) fn number(&mut self, name: &'static str, code: u16, range: RangeInclusive<u32>) -> Option<u32> {
        let expected = match *range.end() {
            u32::MAX => format!("a whole number from {}", range.start()),
            end => format!("a whole number from {} to {end}", range.start()),
        };
        self.read(name, code, &expected, |value| number(value).filter(|number| range.contains(number)))
    }

    pub(crate) fn seconds(&mut self, name: &'static str, code: u16, range: RangeInclusive<u32>) -> Option<Duration> {
        self.number(name, code, range).map(|seconds| Duration::from_secs(seconds.into()))
    }

    pub(crate) fn millis(&mut self, name: &'static str, code: u16, range: RangeInclusive<u32>) -> Option<Duration> {
        self.number(name, code, range).map(|millis| Duration::from_millis(millis.into()))
    }

    pub(crate) fn method(&mut self, name: &'static str, code: u16) -> HttpMethod {
        self.word(name, code, &[("POST", HttpMethod::Post), ("GET", HttpMethod::Get)]).unwrap_or(HttpMethod::Post)
    }

    /// A URL and the attribute that says its method; `None` without the URL. An empty one is kept: it is the document.
    pub(crate) fn link(&mut self, url: &'static str, method: &'static str, code: u16) -> Option<Link> {
        let method = self.method(method, code);
        self.raw(url).map(|url| Link { url: url.trim().to_owned(), method })
    }

    /// `action` and `method` of a verb that without them goes back to its own document.
    pub(crate) fn action(&mut self, code: u16) -> Link {
        let method = self.method("method", code);
        Link { url: self.raw("action").unwrap_or_default().trim().to_owned(), method }
    }

    /// As [`Attributes::link`], of what is told and never answers a document: an empty URL is nobody.
    pub(crate) fn callback(&mut self, url: &'static str, method: &'static str, code: u16) -> Option<Link> {
        self.link(url, method, code).filter(|link| !link.url.is_empty())
    }

    /// Words with a blank between them; false if `set` knows none of them, and so the default holds.
    pub(crate) fn words(&mut self, name: &'static str, code: u16, mut set: impl FnMut(&str) -> bool) -> bool {
        let Some(value) = self.raw(name) else { return false };
        let mut known = false;
        for word in value.split_whitespace() {
            if set(word) {
                known = true;
            } else {
                self.warn(code, name, word, "the name of an event");
            }
        }
        known
    }

    /// These are known, and have no effect.
    pub(crate) fn ignore(&mut self, names: &[&'static str]) {
        self.asked.extend_from_slice(names);
    }

    /// Whatever nobody asked for is unknown. What has a prefix is another vocabulary's business.
    pub(crate) fn finish(self) {
        let Self { element, asked, warnings } = self;
        for (name, _) in &element.attributes {
            if !asked.contains(&name.as_str()) && name != "xmlns" && !name.contains(':') {
                warnings.warn(UNKNOWN, format!("<{}> has no attribute {}", element.name, shorten(name)));
            }
        }
    }

    pub(crate) fn warn(&mut self, code: u16, name: &str, value: &str, expected: &str) {
        if self.warnings.is_full() {
            return; // a list of a thousand wrong words shall not be written a thousand times for nothing
        }
        let message = format!("<{} {name}={:?}>: expected {expected}", self.element.name, shorten(value));
        self.warnings.warn(code, message);
    }
}

/// A whole number, as XML's users write it: no sign, no more digits than it takes.
pub(crate) fn number(text: &str) -> Option<u32> {
    // `parse` would take a sign.
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Two letters and 32 hex digits.
pub(crate) fn is_sid(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
