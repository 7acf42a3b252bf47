//! The client: one request to one address, and no further.
//!
//! The guard judges the address that is connected to. Names are looked up by our own resolver, which hands the HTTP
//! client only addresses that may be opened, so a name that leads elsewhere a moment later gains nothing; addresses
//! written in a URL, which no resolver sees, are judged before each request.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, redirect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::{Host, Url};

use crate::error::{FetchError, NameError, from_client};
use crate::guard::{AddressGuard, AllowRule};

/// Whom to open, and whom to trust.
#[derive(Debug, Clone, Default)]
pub struct WebConfig {
    /// What may be opened beyond public addresses; nothing by default.
    pub allow: Vec<AllowRule>,
    /// Certificate authorities (DER) trusted beside the machine's.
    pub trusted: Vec<Vec<u8>>,
}

/// How a connection is made; those made alike are pooled together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Connecting {
    /// To look up the name, connect and shake hands.
    pub timeout: Duration,
    /// Tell the server's name in TLS's first message.
    pub sni: bool,
}

impl Default for Connecting {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), sni: true } // twiml §13
    }
}

/// Opens URLs. A clone shares its connections.
#[derive(Clone)]
pub struct Web {
    shared: Arc<Shared>,
}

struct Shared {
    guard: Arc<AddressGuard>,
    names: Arc<dyn Names>,
    tls: rustls::ClientConfig,
    /// At most [`CLIENTS_MAX`].
    clients: Mutex<HashMap<Connecting, Client>>,
}

impl Web {
    /// A way out that trusts the machine's certificate authorities and those of `config`.
    ///
    /// # Errors
    /// A sentence, when a trusted certificate of `config` cannot be used.
    pub fn new(config: &WebConfig) -> Result<Self, String> {
        Self::with_names(config, Arc::new(SystemNames))
    }

    /// The same, with another way to look names up.
    ///
    /// # Errors
    /// As [`Web::new`].
    pub fn with_names(config: &WebConfig, names: Arc<dyn Names>) -> Result<Self, String> {
        let guard = Arc::new(AddressGuard::new(config.allow.clone()));
        let tls = tls_config(&config.trusted)?;
        let web = Self { shared: Arc::new(Shared { guard, names, tls, clients: Mutex::default() }) };
        web.client(Connecting::default()).map_err(|e| format!("the HTTP client cannot be set up: {e}"))?;
        Ok(web)
    }

    /// One request, as it is: redirects are answers, nothing is tried again. `headers` win over ours.
    ///
    /// # Errors
    /// [`FetchError`], as far as the head of an answer.
    pub async fn send(
        &self,
        connecting: Connecting,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Response, FetchError> {
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        if literal.is_some_and(|address| !self.shared.guard.permits(None, address)) {
            return Err(FetchError::Forbidden(url.host_str().unwrap_or_default().to_owned()));
        }
        let client = self.client(connecting).map_err(|e| from_client(e, url))?;
        let mut request = client.request(method, url.clone()).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        request.send().await.map_err(|e| from_client(e, url))
    }

    /// The next piece of an answer's body, while there is one.
    ///
    /// # Errors
    /// [`FetchError`], when it breaks off.
    pub async fn piece(response: &mut Response) -> Result<Option<Bytes>, FetchError> {
        let url = response.url().clone();
        response.chunk().await.map_err(|e| from_client(e, &url))
    }

    /// The addresses a name leads to.
    pub(crate) async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, FetchError> {
        let found = self.shared.names.lookup(name.to_owned()).await;
        found.map_err(|error| FetchError::NameUnknown(format!("{name}: {error}")))
    }

    /// Those of the addresses that may be connected to.
    pub(crate) fn permitted(&self, host: Option<&str>, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, FetchError> {
        let first = found.first().copied();
        let permitted: Vec<_> = found.into_iter().filter(|ip| self.shared.guard.permits(host, *ip)).collect();
        match (permitted.is_empty(), host, first) {
            (false, ..) => Ok(permitted),
            (true, Some(host), None) => Err(FetchError::NameUnknown(format!("{host}: no address"))),
            (true, host, first) => {
                let shown = host.map(str::to_owned).or_else(|| first.map(|ip| ip.to_string()));
                Err(FetchError::Forbidden(shown.unwrap_or_default()))
            }
        }
    }

    /// Whom TLS trusts.
    pub(crate) fn tls(&self) -> rustls::ClientConfig {
        self.shared.tls.clone()
    }

    fn client(&self, connecting: Connecting) -> Result<Client, reqwest::Error> {
        let mut clients = self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&connecting) {
            return Ok(client.clone());
        }
        if clients.len() >= CLIENTS_MAX {
            // Requests under way keep theirs until they are done.
            clients.retain(|of, _| *of == Connecting::default());
        }
        let client = self.shared.build(connecting)?;
        clients.insert(connecting, client.clone());
        Ok(client)
    }
}

impl Shared {
    fn build(&self, connecting: Connecting) -> Result<Client, reqwest::Error> {
        let mut tls = self.tls.clone();
        tls.enable_sni = connecting.sni;
        Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(GuardedNames { names: Arc::clone(&self.names), guard: Arc::clone(&self.guard) })
            .redirect(redirect::Policy::none()) // each hop is guarded and signed anew, by whoever sends
            .no_proxy()
            .http1_only()
            .connect_timeout(connecting.timeout)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .default_headers(HeaderMap::from_iter([
                (header::USER_AGENT, HeaderValue::from_static(USER_AGENT)),
                (header::ACCEPT, HeaderValue::from_static("*/*")),
            ]))
            .build()
    }
}

/// What TLS trusts: the machine's authorities, so that an administrator's own is known, and `trusted`.
fn tls_config(trusted: &[Vec<u8>]) -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    // A machine without any gets 11237 for every https URL, but can be started.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for der in trusted {
        let certificate = CertificateDer::from_slice(der);
        roots.add(certificate.into_owned()).map_err(|e| format!("a trusted certificate cannot be used: {e}"))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(|e| e.to_string())?.with_root_certificates(roots).with_no_client_auth())
}

/// The certificates of a PEM file, as [`WebConfig::trusted`] takes them.
///
/// # Errors
/// A sentence, when it is damaged.
pub fn authorities(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let certificates = CertificateDer::pem_slice_iter(pem).map(|one| one.map(|certificate| certificate.to_vec()));
    certificates.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

/// Looks names up; in tests, in a table.
pub trait Names: Send + Sync {
    /// The addresses a name leads to now.
    fn lookup(&self, host: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
}

/// The machine's resolver.
struct SystemNames;

impl Names for SystemNames {
    fn lookup(&self, host: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// Gives the HTTP client only addresses that it may connect to.
struct GuardedNames {
    names: Arc<dyn Names>,
    guard: Arc<AddressGuard>,
}

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let (found, guard) = (self.names.lookup(host.clone()), Arc::clone(&self.guard));
        Box::pin(async move {
            let found = found.await.map_err(|e| NameError::Unknown(format!("{host}: {e}")))?;
            if found.is_empty() {
                return Err(NameError::Unknown(format!("{host}: no address")).into());
            }
            let permitted: Vec<_> = found.into_iter().filter(|ip| guard.permits(Some(&host), *ip)).collect();
            if permitted.is_empty() {
                return Err(NameError::Forbidden(host).into());
            }
            // Port 0 stands for the one in the URL.
            Ok(Box::new(permitted.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

/// As Twilio's fetcher names itself (twiml §10).
const USER_AGENT: &str = "TwilioProxy/1.1";

/// Connections kept open to one server, and for how long.
const IDLE_PER_HOST_MAX: usize = 4;
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Ways of connecting that keep connections open: applications may ask for their own in every URL.
const CLIENTS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_read_from_pem() {
        let pem = "words\n-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n\
                   -----BEGIN PRIVATE KEY-----\nBAU=\n-----END PRIVATE KEY-----\n\
                   -----BEGIN CERTIFICATE-----\nBgc=\n-----END CERTIFICATE-----\n";
        assert_eq!(authorities(pem.as_bytes()), Ok(vec![vec![1, 2, 3], vec![6, 7]]));
        assert_eq!(authorities(b"nothing of that kind"), Ok(Vec::new()));
        assert!(authorities(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").is_err());
        let web = Web::new(&WebConfig { trusted: vec![vec![1, 2, 3]], ..WebConfig::default() });
        assert!(web.is_err_and(|why| why.contains("cannot be used")));
    }
}
