//! TLS: the certificate we show, taken from its files again whenever they change.
//!
//! A connection keeps the certificate of its handshake; the next one sees the new one. What cannot be used is said in the
//! log and changes nothing: the one that works is shown further.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use model::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio::signal::unix::Signal;
use tracing::{info, warn};

/// The certificate that is shown.
#[derive(Debug)]
pub(crate) struct Certificate {
    directory: PathBuf,
    provider: Arc<CryptoProvider>,
    shown: RwLock<Arc<CertifiedKey>>,
}

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{path} cannot be used: {reason}; `partyline certs` makes a certificate")]
    File { path: PathBuf, reason: String },
    #[error("{key} is not the key of {certificate}: {reason}")]
    NotItsKey { certificate: PathBuf, key: PathBuf, reason: rustls::Error },
    #[error("this build has no TLS: {0}")]
    Provider(rustls::Error),
}

impl Certificate {
    /// The certificate in that directory.
    pub(crate) fn open(directory: &Path) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let shown = RwLock::new(read(directory, &provider)?);
        Ok(Arc::new(Self { directory: directory.to_owned(), provider, shown }))
    }

    /// For whoever serves by TLS.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let versions = ServerConfig::builder_with_provider(self.provider.clone()).with_safe_default_protocol_versions();
        let config = versions.map_err(TlsError::Provider)?.with_no_client_auth();
        Ok(config.with_cert_resolver(self.clone()))
    }

    /// Takes the files again whenever `hangup` comes, and when they are seen to have changed.
    pub(crate) async fn keep(self: Arc<Self>, mut hangup: Signal) {
        let mut seen = self.stamps();
        loop {
            let asked = tokio::select! {
                signal = hangup.recv() => signal.is_some(),
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let now = self.stamps();
            if asked || now != seen {
                seen = now;
                self.reload();
            }
        }
    }

    fn reload(&self) {
        match read(&self.directory, &self.provider) {
            Ok(certificate) => {
                *self.shown.write().unwrap_or_else(PoisonError::into_inner) = certificate;
                info!(directory = %self.directory.display(), "certificate taken");
            }
            Err(error) => warn!(%error, "certificate not taken, the last one is shown further"),
        }
    }

    /// When the files were changed last, and how long they are.
    fn stamps(&self) -> [Option<(SystemTime, u64)>; 2] {
        [CERTIFICATE_FILE, KEY_FILE].map(|name| {
            let metadata = fs::metadata(self.directory.join(name)).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }
}

/// Says of each `hangup` that no certificate is shown.
pub(crate) async fn nothing_to_keep(mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        info!("HTTPS is not served: there is no certificate to take again");
    }
}

impl ResolvesServerCert for Certificate {
    /// There is one, whatever the name: who asks for another is told so by it.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn read(directory: &Path, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
    let (certificate, key) = (directory.join(CERTIFICATE_FILE), directory.join(KEY_FILE));
    let file = |path: &Path, reason: String| TlsError::File { path: path.to_owned(), reason };
    let chain = fs::read(&certificate).map_err(|error| file(&certificate, error.to_string()))?;
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| file(&certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(file(&certificate, "there is no certificate in it".to_owned()));
    }
    let der = fs::read(&key).map_err(|error| file(&key, error.to_string()))?;
    let der = PrivateKeyDer::from_pem_slice(&der).map_err(|error| file(&key, error.to_string()))?;
    let signing = provider.key_provider.load_private_key(der).map_err(|error| file(&key, error.to_string()))?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Err(reason) => Err(TlsError::NotItsKey { certificate, key, reason }),
        Ok(()) => Ok(Arc::new(certified)),
    }
}

/// Whether who trusts the authority `ca_pem` trusts that certificate, too; says why not.
pub(crate) fn check_issued(ca_pem: &str, leaf: &CertificateDer<'_>, now: Timestamp) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        let ca = ca.map_err(|error| error.to_string())?;
        roots.add(ca).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build();
    let name = ServerName::try_from("localhost").expect("is a name");
    let now = UnixTime::since_unix_epoch(Duration::from_micros(now.micros().unsigned_abs()));
    let verified = verifier.map_err(|error| error.to_string())?.verify_server_cert(leaf, &[], &name, &[], now);
    verified.map(drop).map_err(|error| error.to_string())
}

/// The chain, our own certificate first; and its key.
pub(crate) const CERTIFICATE_FILE: &str = "certificate.pem";
pub(crate) const KEY_FILE: &str = "key.pem";
/// How often we look whether the files have changed.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

    use super::*;

    fn put(directory: &Path, name: &str) -> Vec<u8> {
        let Made { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).expect("makes one");
        fs::write(directory.join(CERTIFICATE_FILE), cert.pem()).expect("writes");
        fs::write(directory.join(KEY_FILE), signing_key.serialize_pem()).expect("writes");
        cert.der().to_vec()
    }

    #[test]
    fn what_cannot_be_used_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        assert!(Certificate::open(path).expect_err("nothing there").to_string().contains("partyline certs"));
        let first = put(path, "first.test");
        let certificate = Certificate::open(path).expect("is there");
        let shown = || certificate.shown.read().expect("no panic").cert[0].to_vec();
        assert_eq!(shown(), first);

        let old_key = fs::read(path.join(KEY_FILE)).expect("is there");
        let second = put(path, "second.test");
        let new_key = fs::read(path.join(KEY_FILE)).expect("is there");
        for (case, key) in [("half written", &new_key[..20]), ("the other's key", &old_key), ("nothing", b"")] {
            fs::write(path.join(KEY_FILE), key).expect("writes");
            certificate.reload();
            assert_eq!(shown(), first, "{case}");
        }
        fs::write(path.join(KEY_FILE), &new_key).expect("writes");
        certificate.reload();
        assert_eq!(shown(), second);
    }
}
