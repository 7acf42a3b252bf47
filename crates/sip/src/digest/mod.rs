//! Digest authentication (RFC 7616, for SIP RFC 3261 §22 and RFC 8760), both sides of it, without I/O or clock.
//!
//! ```text
//! we are asked:  401 ─▶ Challenge::preferred ─▶ Challenge::answer ─▶ Authorization
//! we ask:        request ─▶ Verifier::verify ─▶ Passed | Challenged (401) | Wrong (403)
//! ```
//! Only `qop=auth`, and what is older than qop: `auth-int` covers the body, which every hop with a topology to hide
//! rewrites.

mod authorization;
mod challenge;
mod fields;
mod verifier;

use std::fmt;

use md5::Md5;
use sha2::{Digest, Sha256};

pub use authorization::Authorization;
pub use challenge::Challenge;
pub use verifier::{Claim, Unproven, Verdict, Verifier, VerifierConfig};

use crate::Method;

/// How the hashes of a challenge are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `MD5`, also where nothing is said: the one that every phone knows.
    Md5,
    /// `MD5-sess`: the client's own nonce is hashed into its key.
    Md5Sess,
    /// `SHA-256` (RFC 8760).
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
}

/// What proves who somebody is.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The password itself.
    Password(String),
    /// `H(user:realm:password)` in lower-case hex, made with the hash of the challenge's algorithm.
    Ha1(String),
}

/// A name and what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub username: String,
    /// The proof.
    pub secret: Secret,
}

/// Why a challenge or its answer cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Basic, Bearer or the like.
    #[error("a scheme other than Digest")]
    Scheme,
    /// Not `name=value, …`, or a name twice.
    #[error("malformed digest parameters")]
    Malformed,
    /// Something that must be there is not.
    #[error("no {0} in the digest parameters")]
    Missing(&'static str),
    /// None of the hashes we know.
    #[error("a digest algorithm that we do not know")]
    Algorithm,
    /// `auth` is not among those offered.
    #[error("a quality of protection other than auth")]
    Qop,
}

impl Algorithm {
    /// As written in a header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
        }
    }

    /// Reads what a header says, case aside.
    fn parse(text: &str) -> Result<Self, DigestError> {
        [Self::Md5, Self::Md5Sess, Self::Sha256, Self::Sha256Sess]
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text))
            .ok_or(DigestError::Algorithm)
    }

    /// Whether the client's nonce goes into the key.
    const fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess)
    }

    /// The hash of these parts with a colon between them, in lower-case hex.
    fn hash(self, parts: &[&str]) -> String {
        match self {
            Self::Md5 | Self::Md5Sess => joined_hash::<Md5>(parts),
            Self::Sha256 | Self::Sha256Sess => joined_hash::<Sha256>(parts),
        }
    }

    /// `H(user:realm:password)`: what may be kept instead of a password.
    pub fn ha1(self, username: &str, realm: &str, password: &str) -> String {
        self.hash(&[username, realm, password])
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Secret {
    /// Says which kind it is and nothing else: secrets get into no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(…)",
            Self::Ha1(_) => "Ha1(…)",
        })
    }
}

impl Login {
    /// A name and its password.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), secret: Secret::Password(password.into()) }
    }
}

/// What a client proves itself by, as far as both sides say it in their headers.
#[derive(Debug, Clone, Copy)]
struct Proof<'a> {
    algorithm: Algorithm,
    nonce: &'a str,
    /// The client's nonce and its count, as written; `None` without qop (RFC 2069).
    auth: Option<(&'a str, &'a str)>,
    method: &'a Method,
    uri: &'a str,
}

impl Proof<'_> {
    /// `response`, from `H(user:realm:password)` (RFC 7616 §3.4.1).
    fn response(&self, ha1: &str) -> String {
        let Self { algorithm, nonce, auth, method, uri } = *self;
        let session = auth.filter(|_| algorithm.is_session());
        let session = session.map(|(cnonce, _)| algorithm.hash(&[ha1, nonce, cnonce]));
        let ha1 = session.as_deref().unwrap_or(ha1);
        let ha2 = algorithm.hash(&[method.as_str(), uri]);
        match auth {
            Some((cnonce, nc)) => algorithm.hash(&[ha1, nonce, nc, cnonce, "auth", &ha2]),
            None => algorithm.hash(&[ha1, nonce, &ha2]),
        }
    }
}

fn joined_hash<H: Digest>(parts: &[&str]) -> String {
    let mut hash = H::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

/// Lower-case hex.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(nibble.into(), 16).expect("four bits are one digit"));
        }
    }
    text
}
