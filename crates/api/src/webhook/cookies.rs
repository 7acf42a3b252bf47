//! Cookies that applications set, kept for the rest of a call (twiml §10).
//!
//! As in a browser a cookie goes back to whoever set it (RFC 6265), and each call is a browser of its own. Nobody tells
//! us here when a call ends: of more than [`CALLS_MAX`] calls the one that was set a cookie longest ago loses its own.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use model::CallSid;
use web::Url;

/// The cookies of all calls.
#[derive(Debug, Default)]
pub(crate) struct Cookies(Mutex<Jars>);

#[derive(Debug, Default)]
struct Jars {
    of: HashMap<CallSid, Vec<Cookie>>,
    /// Calls with cookies, the oldest first.
    order: VecDeque<CallSid>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// Hosts below `domain`, too.
    below: bool,
    path: String,
    secure: bool,
}

impl Cookies {
    /// The `Cookie` header of a request, if there is anything to say.
    pub(crate) fn header(&self, call: CallSid, url: &Url) -> Option<String> {
        let jars = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cookies = jars.of.get(&call)?.iter().filter(|cookie| cookie.is_for(url));
        let cookies: Vec<_> = cookies.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!cookies.is_empty()).then(|| cookies.join("; "))
    }

    /// Keeps what the `Set-Cookie` headers of an answer from `url` say.
    pub(crate) fn keep<'a>(&self, call: CallSid, url: &Url, headers: impl Iterator<Item = &'a str>) {
        for header in headers.take(COOKIES_MAX) {
            let Some((cookie, is_over)) = Cookie::parse(header, url) else { continue };
            let mut jars = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            jars.keep(call, cookie, is_over);
        }
    }
}

impl Jars {
    fn keep(&mut self, call: CallSid, cookie: Cookie, is_over: bool) {
        if !self.of.contains_key(&call) {
            if self.order.len() >= CALLS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.of.remove(&oldest);
            }
            self.order.push_back(call);
        }
        let jar = self.of.entry(call).or_default();
        jar.retain(|kept| (&kept.name, &kept.domain, &kept.path) != (&cookie.name, &cookie.domain, &cookie.path));
        if !is_over && jar.len() < COOKIES_MAX {
            jar.push(cookie);
        }
    }
}

impl Cookie {
    /// A `Set-Cookie` header, and whether it takes the cookie away instead. `None`: nothing that may be kept.
    fn parse(header: &str, url: &Url) -> Option<(Self, bool)> {
        let mut pieces = header.split(';').map(str::trim);
        let (name, value) = pieces.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        // Control characters would let an application write headers of its own into our next request to it.
        if name.is_empty() || header.len() > COOKIE_BYTES_MAX || header.chars().any(char::is_control) {
            return None;
        }
        let host = url.host_str()?.to_ascii_lowercase();
        let mut cookie = Self {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: host.clone(),
            below: false,
            path: "/".to_owned(),
            secure: false,
        };
        let mut is_over = false;
        for piece in pieces {
            let (attribute, value) = piece.split_once('=').map_or((piece, ""), |(a, v)| (a.trim(), v.trim()));
            match attribute.to_ascii_lowercase().as_str() {
                "domain" if !value.is_empty() => {
                    let domain = value.trim_start_matches('.').to_ascii_lowercase();
                    // Neither another's host nor a whole top-level domain; an address is nobody's domain.
                    let is_above = host.strip_suffix(&domain).is_some_and(|below| below.ends_with('.'));
                    if domain != host && !(is_above && domain.contains('.') && url.domain().is_some()) {
                        return None;
                    }
                    (cookie.below, cookie.domain) = (domain != host || url.domain().is_some(), domain);
                }
                "path" if value.starts_with('/') => cookie.path = value.to_owned(),
                "secure" => cookie.secure = true,
                "max-age" => is_over = value.parse::<i64>().is_ok_and(|seconds| seconds <= 0),
                // How applications take a cookie back; calls are too short for any other date to matter.
                "expires" => is_over |= value.contains("1970"),
                _ => {}
            }
        }
        Some((cookie, is_over))
    }

    fn is_for(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let of_host = host.eq_ignore_ascii_case(&self.domain)
            || (self.below && host.to_ascii_lowercase().strip_suffix(&self.domain).is_some_and(|b| b.ends_with('.')));
        let of_path = url
            .path()
            .strip_prefix(&self.path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/'));
        of_host && of_path && (!self.secure || url.scheme() == "https")
    }
}

/// Calls with cookies.
const CALLS_MAX: usize = 10_000;
/// Of one call.
const COOKIES_MAX: usize = 20;
/// One `Set-Cookie` header.
const COOKIE_BYTES_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: CallSid = CallSid::from_bits(1);

    fn url(text: &str) -> Url {
        text.parse().expect(text)
    }

    #[test]
    fn a_cookie_goes_back_to_whoever_set_it() {
        for (case, set, asked, want) in [
            ("the same host", "a=1", "http://app.test/other", Some("a=1")),
            ("another port", "a=1", "http://app.test:81/", Some("a=1")),
            ("another host", "a=1", "http://app2.test/", None),
            ("a host below", "a=1", "http://x.app.test/", None),
            ("a host below, for the domain", "a=1; Domain=app.test", "http://x.app.test/", Some("a=1")),
            ("the domain above", "a=1; Domain=.test", "http://app.test/", None),
            ("somebody else's domain", "a=1; Domain=bank.test", "http://bank.test/", None),
            ("the end of a name", "a=1; Domain=app.test", "http://notapp.test/", None),
            ("a path", "a=1; Path=/voice", "http://app.test/voice/x", Some("a=1")),
            ("another path", "a=1; Path=/voice", "http://app.test/voices", None),
            ("secure", "a=1; Secure", "http://app.test/", None),
            ("secure, over TLS", "a=1; Secure; HttpOnly", "https://app.test/", Some("a=1")),
            ("taken back", "a=; Max-Age=0", "http://app.test/", None),
            ("taken back by date", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://app.test/", None),
            ("an equals sign in the value", "a=b=c", "http://app.test/", Some("a=b=c")),
            ("no cookie", "Secure", "http://app.test/", None),
        ] {
            let cookies = Cookies::default();
            cookies.keep(CALL, &url("http://app.test/voice"), [set].into_iter());
            assert_eq!(cookies.header(CALL, &url(asked)).as_deref(), want, "{case}");
            assert_eq!(cookies.header(CallSid::from_bits(2), &url(asked)), None, "{case}: of another call");
        }
    }

    #[test]
    fn a_new_value_takes_the_place_of_the_old_and_there_is_a_bound() {
        let cookies = Cookies::default();
        let from = url("http://app.test/");
        let many: Vec<String> = (0..50).map(|n| format!("c{n}=x")).collect();
        cookies.keep(CALL, &from, many.iter().map(String::as_str));
        cookies.keep(CALL, &from, ["c3=y", "c0=; Max-Age=-1"].into_iter());
        let header = cookies.header(CALL, &from).expect("some");
        assert_eq!(header.split("; ").count(), COOKIES_MAX - 1);
        assert!(header.ends_with("; c3=y") && !header.contains("c0="), "{header}");

        for call in 0..=CALLS_MAX {
            cookies.keep(CallSid::from_bits(10 + call as u128), &from, ["a=1"].into_iter());
        }
        assert_eq!(cookies.header(CALL, &from), None, "the oldest went");
        assert!(cookies.header(CallSid::from_bits(10 + CALLS_MAX as u128), &from).is_some());
    }
}
