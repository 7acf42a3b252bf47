//! URLs that a document names, and the method each is asked with.

use model::HttpMethod;
use url::{ParseError, Url};

use crate::Warning;
use crate::warning::shorten;

/// A URL and its method. In a document the URL is as written (an empty one is the document itself); in a
/// [`Step`](crate::Step) it is absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where.
    pub url: String,
    /// How the application is asked.
    pub method: HttpMethod,
}

/// What relative URLs are relative to: the document's own final URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base(Option<(String, Url)>);

/// Why a URL leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkError {
    /// It is relative, and the document has no URL (rest-voice §3.3, `Twiml`).
    NoBase,
    /// It is no `http` or `https` URL with a host.
    Malformed,
}

impl LinkError {
    /// `code` is that of the place where the URL stands.
    pub(crate) fn warning(self, url: &str, code: u16) -> Warning {
        let url = shorten(url);
        match self {
            Self::NoBase => Warning::new(15004, format!("{url:?} is relative, in a document that has no URL itself")),
            Self::Malformed => Warning::new(code, format!("{url:?} is not an http or https URL")),
        }
    }
}

impl Base {
    /// A base that is no URL of the web is none.
    pub(crate) fn new(url: Option<&str>) -> Self {
        Self(url.and_then(|text| Some((text.to_owned(), Url::parse(text).ok().filter(is_web)?))))
    }

    /// Makes `reference` absolute (RFC 3986 §5.2).
    ///
    /// An absolute URL stays as the application wrote it, since that is what a signature is about; an empty one is the
    /// document's own, fragment included, since there the connection overrides are (twiml §13).
    pub(crate) fn resolve(&self, reference: &str) -> Result<String, LinkError> {
        let reference = reference.trim();
        if reference.is_empty() {
            return self.0.as_ref().map(|(text, _)| text.clone()).ok_or(LinkError::NoBase);
        }
        match Url::parse(reference) {
            Ok(url) if is_web(&url) => {
                let verbatim = reference.bytes().all(|byte| byte.is_ascii_graphic());
                Ok(if verbatim { reference.to_owned() } else { url.into() })
            }
            Ok(_) => Err(LinkError::Malformed),
            Err(ParseError::RelativeUrlWithoutBase) => {
                let (_, base) = self.0.as_ref().ok_or(LinkError::NoBase)?;
                base.join(reference).ok().filter(is_web).map(String::from).ok_or(LinkError::Malformed)
            }
            Err(_) => Err(LinkError::Malformed),
        }
    }
}

/// Is shown every link of a verb, and the code that says it is malformed.
pub(crate) type Visit<'a> = dyn FnMut(&mut Option<Link>, u16) + 'a;

/// The code of a URL that leads nowhere, where its place has none of its own.
pub(crate) const MALFORMED: u16 = 11100;

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_as_rfc_3986_says() {
        let base = Base::new(Some("https://app.test:8443/voice/menu.xml?tenant=7#rc=3"));
        let none = Base::new(None);
        let odd = Base::new(Some("sip:app.test"));
        for (case, base, reference, want) in [
            ("absolute, as written", &base, "HTTPS://Other.test?b=2", Ok("HTTPS://Other.test?b=2")),
            ("with overrides", &base, "http://o.test/x#rc=1", Ok("http://o.test/x#rc=1")),
            ("blanks", &base, " http://o.test/a b ", Ok("http://o.test/a%20b")),
            ("beside", &base, "next.xml", Ok("https://app.test:8443/voice/next.xml")),
            ("query only", &base, "?a=1", Ok("https://app.test:8443/voice/menu.xml?a=1")),
            ("from the root", &base, "/x?a=1&b=2", Ok("https://app.test:8443/x?a=1&b=2")),
            ("upwards, and beyond", &base, "../../../x", Ok("https://app.test:8443/x")),
            ("another host", &base, "//o.test/x", Ok("https://o.test/x")),
            ("a colon in the query", &base, "x?at=10:30", Ok("https://app.test:8443/voice/x?at=10:30")),
            ("empty", &base, "", Ok("https://app.test:8443/voice/menu.xml?tenant=7#rc=3")),
            ("another script", &base, "größe", Ok("https://app.test:8443/voice/gr%C3%B6%C3%9Fe")),
            ("no base", &none, "next.xml", Err(LinkError::NoBase)),
            ("no base, empty", &none, "", Err(LinkError::NoBase)),
            ("no base needed", &none, "http://o.test/x", Ok("http://o.test/x")),
            ("a base that is none", &odd, "next.xml", Err(LinkError::NoBase)),
            ("not of the web", &base, "ftp://o.test/x", Err(LinkError::Malformed)),
            ("a script", &base, "javascript:alert(1)", Err(LinkError::Malformed)),
            ("a file", &base, "file:///etc/passwd", Err(LinkError::Malformed)),
            ("no host", &base, "https://", Err(LinkError::Malformed)),
            ("a port that is none", &base, "http://o.test:99999/", Err(LinkError::Malformed)),
            ("host and port alone", &base, "localhost:8080/x", Err(LinkError::Malformed)),
        ] {
            assert_eq!(base.resolve(reference).as_deref(), want.as_ref().map(|url| *url), "{case}");
        }
    }
}
