//! `partyline certs`: a private certificate authority, and a certificate for the names under which SDKs call us.
//!
//! An application that was written for Twilio calls `https://api.twilio.com`, or `https://api.local.twilio.com` once
//! `TWILIO_REGION=local` is in its environment. Where such a name leads here, it wants a certificate for that name by an
//! authority it trusts, and that authority can only be a private one. The authority is made once; who has its key could
//! pose as anybody to those who trust it. The certificate is made anew at every run, for a year.

use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use model::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::tls::{CERTIFICATE_FILE, KEY_FILE};

/// What to make, and where.
pub(crate) struct Order<'a> {
    /// Its directory.
    pub(crate) directory: &'a Path,
    /// Names and addresses beside [`NAMES`].
    pub(crate) names: &'a [String],
    /// A new authority in place of the one that is there.
    pub(crate) new_authority: bool,
    pub(crate) now: Timestamp,
}

/// What was made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Made {
    /// The authority's certificate: what clients are to trust.
    pub(crate) authority: PathBuf,
    /// It was not there before.
    pub(crate) authority_is_new: bool,
    pub(crate) certificate: PathBuf,
    /// What the certificate is for.
    pub(crate) names: Vec<String>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertsError {
    #[error("{name:?} is neither a host name, nor *.NAME, nor an address")]
    Name { name: String },
    #[error("cannot use {path}: {error}")]
    File { path: PathBuf, error: std::io::Error },
    #[error("{there} is there, and {missing} is not: restore it, or have a new authority made by --new-ca")]
    HalfAnAuthority { there: PathBuf, missing: PathBuf },
    #[error("{path} is not an authority's key: {error}")]
    AuthorityKey { path: PathBuf, error: rcgen::Error },
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("the certificate that was made is not one of {authority}, which some other program has made: {error}")]
    Foreign { authority: PathBuf, error: String },
}

/// Makes the certificate, and the authority where there is none.
pub(crate) fn make(order: &Order<'_>) -> Result<Made, CertsError> {
    let mut names: Vec<String> = NAMES.iter().map(|&name| name.to_owned()).collect();
    for name in order.names {
        let name = name.to_ascii_lowercase();
        if !is_name(&name) {
            return Err(CertsError::Name { name });
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let at = |name: &str| order.directory.join(name);
    let (authority, authority_key) = (at(AUTHORITY_FILE), at(AUTHORITY_KEY_FILE));
    let authority_is_new = order.new_authority || !is_whole(&authority, &authority_key)?;
    let ca_key = if authority_is_new {
        let key = KeyPair::generate()?;
        let ca = authority_params(order.now).self_signed(&key)?;
        // The old ones may still be asked for: by a proxy, by certificates of theirs.
        keep_old(&[&authority, &authority_key])?;
        write(&authority_key, &key.serialize_pem(), SECRET)?;
        write(&authority, &ca.pem(), PUBLIC)?;
        key
    } else {
        let pem = fs::read_to_string(&authority_key).map_err(failed(&authority_key))?;
        KeyPair::from_pem(&pem).map_err(|error| CertsError::AuthorityKey { path: authority_key.clone(), error })?
    };
    let issuer = Issuer::new(authority_params(order.now), ca_key);
    let key = KeyPair::generate()?;
    let leaf = leaf_params(&names, order.now)?.signed_by(&key, &issuer)?;
    let ca_pem = fs::read_to_string(&authority).map_err(failed(&authority))?;
    crate::tls::check_issued(&ca_pem, leaf.der(), order.now)
        .map_err(|error| CertsError::Foreign { authority: authority.clone(), error })?;
    let certificate = at(CERTIFICATE_FILE);
    // A running bridge takes the pair when both are there: until then they do not fit each other.
    write(&at(KEY_FILE), &key.serialize_pem(), SECRET)?;
    write(&certificate, &leaf.pem(), PUBLIC)?;
    Ok(Made { authority, authority_is_new, certificate, names })
}

/// What the one who ran the command needs to know next.
pub(crate) fn report(made: &Made) -> String {
    let authority = made.authority.display();
    let kept = if made.authority_is_new { "new; clients are to trust it" } else { "the one there was" };
    format!(
        "Authority     {authority} ({kept})\nCertificate   {} (for {DAYS} days)\nNames         {}\n\n\
         A running bridge takes the certificate within {} s, or at once when sent SIGHUP. Clients trust it by\n  \
         REQUESTS_CA_BUNDLE={authority}     (Python)\n  NODE_EXTRA_CA_CERTS={authority}    (Node)\n  \
         curl --cacert {authority}\n",
        made.certificate.display(),
        made.names.join(" "),
        crate::tls::LOOK_EVERY.as_secs(),
    )
}

fn is_whole(authority: &Path, key: &Path) -> Result<bool, CertsError> {
    let half =
        |there: &Path, missing: &Path| CertsError::HalfAnAuthority { there: there.into(), missing: missing.into() };
    match (authority.exists(), key.exists()) {
        (true, true) => Ok(true),
        (false, false) => Ok(false),
        (true, false) => Err(half(authority, key)),
        (false, true) => Err(half(key, authority)),
    }
}

fn authority_params(now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(AUTHORITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ((y, m, d), (until_y, until_m, until_d)) = (midnight(now, -1), midnight(now, AUTHORITY_DAYS));
    (params.not_before, params.not_after) = (date_time_ymd(y, m, d), date_time_ymd(until_y, until_m, until_d));
    params
}

fn leaf_params(names: &[String], now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = named("Partyline");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    // Since yesterday: clients' clocks differ.
    let ((y, m, d), (until_y, until_m, until_d)) = (midnight(now, -1), midnight(now, DAYS));
    (params.not_before, params.not_after) = (date_time_ymd(y, m, d), date_time_ymd(until_y, until_m, until_d));
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

/// Midnight, so many days from now.
fn midnight(now: Timestamp, days: i64) -> (i32, u8, u8) {
    let (year, month, day) = Timestamp::from_micros(now.micros() + days * 86_400_000_000).date();
    let fits = "a year has four digits, a month and a day have two";
    (year.try_into().expect(fits), month.try_into().expect(fits), day.try_into().expect(fits))
}

fn is_name(name: &str) -> bool {
    let labels = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.parse::<IpAddr>().is_ok() || (labels.len() <= 253 && labels.split('.').all(is_label))
}

/// Moves what is there out of the way: to `.old`, or where there are older ones, `.old.2` and so on, the same for all.
fn keep_old(paths: &[&Path]) -> Result<(), CertsError> {
    let named = |path: &Path, nth: u32| match nth {
        1 => path.with_extension("pem.old"),
        nth => path.with_extension(format!("pem.old.{nth}")),
    };
    let is_free = |nth: &u32| !paths.iter().any(|path| named(path, *nth).exists());
    let nth = (1..).find(is_free).expect("fewer are kept than there are numbers");
    for path in paths {
        match fs::rename(path, named(path, nth)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(path)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Whole or not at all; nobody else may read a secret, not even for a moment.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertsError> {
    let new = path.with_extension("pem.new");
    let put = || -> std::io::Result<()> {
        match fs::remove_file(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    put().map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> CertsError {
    let path = path.to_owned();
    move |error| CertsError::File { path, error }
}

/// What every certificate is for. A wildcard stands for one label: the second group is what SDKs call once a region is
/// set (`local` for a bridge of one's own, then the ones there are); with an edge there is a label more, to be named.
const NAMES: &[&str] = &[
    "api.twilio.com",
    "taskrouter.twilio.com",
    "conversations.twilio.com",
    "event-bridge.twilio.com",
    "frontline-api.twilio.com",
    "*.local.twilio.com",
    "*.us1.twilio.com",
    "*.ie1.twilio.com",
    "*.au1.twilio.com",
    "localhost",
    "127.0.0.1",
    "::1",
];
const AUTHORITY_FILE: &str = "ca.pem";
const AUTHORITY_KEY_FILE: &str = "ca-key.pem";
const AUTHORITY_NAME: &str = "Partyline private authority";
const AUTHORITY_DAYS: i64 = 3_650;
/// Some clients take none that is valid for longer than 398.
const DAYS: i64 = 397;
const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::tls::Certificate;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn order<'a>(directory: &'a Path, names: &'a [String], new_authority: bool) -> Order<'a> {
        Order { directory, names, new_authority, now: NOW }
    }

    #[test]
    fn the_authority_is_made_once_and_the_certificate_every_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let made = make(&order(directory.path(), &[], false)).expect("makes both");
        assert!(made.authority_is_new);
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).expect("is there");
        let (authority, certificate) = (read(AUTHORITY_FILE), read(CERTIFICATE_FILE));
        Certificate::open(directory.path()).expect("the bridge can use it");

        let more = ["*.Lab.us1.twilio.com".to_owned(), "10.0.0.7".to_owned(), "localhost".to_owned()];
        let made = make(&order(directory.path(), &more, false)).expect("makes a certificate");
        assert!(!made.authority_is_new);
        assert_eq!(made.names.len(), NAMES.len() + 2, "localhost was in it: {:?}", made.names);
        assert_eq!(made.names[NAMES.len()..], ["*.lab.us1.twilio.com", "10.0.0.7"]);
        assert_eq!(read(AUTHORITY_FILE), authority);
        assert_ne!(read(CERTIFICATE_FILE), certificate);

        let made = make(&order(directory.path(), &[], true)).expect("makes both anew");
        assert!(made.authority_is_new);
        assert_ne!(read(AUTHORITY_FILE), authority);
        assert_eq!(read("ca.pem.old"), authority, "nothing is lost");
        let second = (read(AUTHORITY_FILE), read(AUTHORITY_KEY_FILE));
        make(&order(directory.path(), &[], true)).expect("makes both anew");
        assert_eq!(read("ca.pem.old"), authority, "nor by another time");
        assert_eq!((read("ca.pem.old.2"), read("ca-key.pem.old.2")), second);
        for (name, mode) in [
            (AUTHORITY_FILE, 0o644),
            (CERTIFICATE_FILE, 0o644),
            (AUTHORITY_KEY_FILE, 0o600),
            ("ca-key.pem.old", 0o600),
            ("ca-key.pem.old.2", 0o600),
            (KEY_FILE, 0o600),
        ] {
            let metadata = fs::metadata(directory.path().join(name)).expect("is there");
            assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
        }
    }

    #[test]
    fn half_an_authority_and_one_of_somebody_else_are_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let again = |case: &str| make(&order(directory.path(), &[], false)).expect_err(case).to_string();
        make(&order(directory.path(), &[], false)).expect("makes both");
        let (key, certificate) = (directory.path().join(AUTHORITY_KEY_FILE), directory.path().join(AUTHORITY_FILE));
        let mine = fs::read(&key).expect("is there");
        fs::remove_file(&key).expect("was there");
        assert!(again("no key").contains("--new-ca"));
        fs::write(&key, KeyPair::generate().expect("a key").serialize_pem()).expect("writes");
        assert!(again("another key").contains("some other program"));
        fs::write(&key, "no key at all").expect("writes");
        assert!(again("no key").contains("not an authority's key"));
        fs::write(&key, mine).expect("writes");
        fs::remove_file(&certificate).expect("was there");
        assert!(again("no certificate").contains("--new-ca"));
    }

    #[test]
    fn only_names_and_addresses_get_into_a_certificate() {
        for (name, right) in [
            ("bridge.example.test", true),
            ("*.lab.us1.twilio.com", true),
            ("bridge", true),
            ("10.0.0.7", true),
            ("2001:db8::7", true),
            ("", false),
            ("a b", false),
            ("*", false),
            ("api.*.twilio.com", false),
            ("-a.test", false),
            ("https://a.test", false),
            ("a..test", false),
        ] {
            assert_eq!(is_name(name), right, "{name}");
        }
    }
}
