//! Why a request failed, and the code the API shows for it.

use std::error::Error;
use std::io;
use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
use std::time::Duration;

use rustls::CertificateError;
use url::Url;

/// Why a fetch failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Not a URL that can be fetched.
    #[error("{0:?} is not an http or https URL")]
    Url(String),
    /// Neither public nor allowed.
    #[error("{0} leads to an address that may not be fetched (see PARTYLINE_FETCH_ALLOW)")]
    Forbidden(String),
    /// Too many exchanges are under way and waiting.
    #[error("too many fetches at once")]
    Busy,
    /// The whole took too long.
    #[error("no complete answer within {0:?}")]
    TimedOut(Duration),
    /// The name leads nowhere.
    #[error("unknown host name {0}")]
    NameUnknown(String),
    /// No connection.
    #[error("connection failed: {0}")]
    Connect(String),
    /// The peer spoke, but not HTTP.
    #[error("the answer broke off or is not HTTP: {0}")]
    Protocol(String),
    /// It never ended.
    #[error("more than {0} redirects")]
    TooManyRedirects(usize),
    /// A redirect to nowhere.
    #[error("redirect without a usable Location")]
    NoLocation,
    /// The answer was not 2xx.
    #[error("HTTP status {0}")]
    Status(u16),
    /// TLS failed, but not for the certificate.
    #[error("TLS handshake failed: {0}")]
    Tls(String),
    /// The certificate is for another name.
    #[error("the certificate is not for this host")]
    CertificateName,
    /// The certificate is not valid now.
    #[error("the certificate is expired or not valid yet")]
    CertificateExpired,
    /// Nobody we trust vouches for the certificate.
    #[error("the certificate is not trusted: {0}")]
    CertificateUntrusted(String),
    /// The body is larger than the limit.
    #[error("the body is larger than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// It could not be signed: our own failure.
    #[error("the request could not be signed: {0}")]
    Unsigned(String),
    /// There is no body where there must be one.
    #[error("the body is empty")]
    Empty,
}

impl FetchError {
    /// The code it is logged with (`contract/vectors/errors.json`).
    pub fn code(&self) -> u32 {
        match self {
            Self::Url(_) => 11_100,
            // An error status has a code of its own in the dictionary, 11217; but what applications look for where their
            // VoiceUrl or a sound fails is the catch-all (flows F1c, twiml §3).
            Self::Forbidden(_) | Self::Busy | Self::TimedOut(_) | Self::Status(_) => 11_200,
            Self::Connect(_) => 11_205,
            Self::Protocol(_) => 11_206,
            Self::NameUnknown(_) => 11_210,
            Self::TooManyRedirects(_) => 11_215,
            Self::NoLocation => 11_216,
            Self::Tls(_) => 11_220,
            Self::CertificateName => 11_235,
            Self::CertificateExpired => 11_236,
            Self::CertificateUntrusted(_) => 11_237,
            Self::TooLarge { .. } => 11_750,
            Self::Empty => 11_770,
            Self::Unsigned(_) => 12_400,
        }
    }
}

/// Why our resolver gave the client no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NameError {
    #[error("{0}")]
    Unknown(String),
    #[error("{0} may not be fetched")]
    Forbidden(String),
}

/// What the HTTP client's error, while fetching `url`, comes down to.
pub(crate) fn from_client(error: reqwest::Error, url: &Url) -> FetchError {
    let error = &error.without_url(); // its query is nobody's business
    let root = causes(error).last().map(ToString::to_string).unwrap_or_default();
    for cause in causes(error) {
        if let Some(error) = cause.downcast_ref::<NameError>() {
            return match error {
                NameError::Unknown(what) => FetchError::NameUnknown(what.clone()),
                NameError::Forbidden(host) => FetchError::Forbidden(host.clone()),
            };
        }
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return from_tls(error);
        }
        // Ends of a connection that was there: with https, while TLS was being set up.
        let broke_off = |kind| matches!(kind, UnexpectedEof | ConnectionReset | BrokenPipe);
        if error.is_connect() && cause.downcast_ref::<io::Error>().is_some_and(|e| broke_off(e.kind())) {
            return if url.scheme() == "https" { FetchError::Tls(root) } else { FetchError::Connect(root) };
        }
    }
    if error.is_connect() {
        FetchError::Connect(root)
    } else if error.is_builder() {
        FetchError::Url(without_secrets(url.as_str()))
    } else {
        FetchError::Protocol(root)
    }
}

/// What the error of a bare connection comes down to; with TLS, while that was being set up.
pub(crate) fn from_connection(error: &io::Error, is_tls: bool) -> FetchError {
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(error) => from_tls(error),
        None if is_tls => FetchError::Tls(error.to_string()),
        None => FetchError::Connect(error.to_string()),
    }
}

fn from_tls(error: &rustls::Error) -> FetchError {
    use CertificateError::{Expired, ExpiredContext, NotValidForName, NotValidForNameContext};
    use CertificateError::{NotValidYet, NotValidYetContext};
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            NotValidForName | NotValidForNameContext { .. } => FetchError::CertificateName,
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => FetchError::CertificateExpired,
            why => FetchError::CertificateUntrusted(why.to_string()),
        },
        error => FetchError::Tls(error.to_string()),
    }
}

/// A URL, or what was meant as one, as it may be shown and logged: where it leads, but neither who asks nor the
/// query, which is where applications put what is secret.
pub fn without_secrets(url: &str) -> String {
    let url = url.trim().split(['?', '#']).next().unwrap_or_default();
    let scheme_len = url.find("://").map_or(0, |at| at + "://".len());
    let (scheme, rest) = url.split_at(scheme_len);
    // `@` ends the user wherever it is: a password may hold a slash that nobody encoded.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    scheme.chars().chain(rest.chars()).take(SHOWN_LEN_MAX).collect()
}

/// Characters of a URL that are shown.
const SHOWN_LEN_MAX: usize = 200;

/// An error and what lies under it. `io::Error` hides the error it wraps from `source`, so it is asked itself.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
        None => error.source(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_secrets() {
        for (url, want) in [
            ("https://app.test:8443/hold.wav", "https://app.test:8443/hold.wav"),
            ("https://u:p@app.test/hold.wav?token=t#part", "https://app.test/hold.wav"),
            ("u:p/q@app.test/x", "app.test/x"),
            ("http://a b/?token=t", "http://a b/"),
            ("app.test?u=http://x/", "app.test"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(url), want, "{url}");
        }
        assert_eq!(without_secrets(&"ä".repeat(1_000)).chars().count(), SHOWN_LEN_MAX);
    }
}
