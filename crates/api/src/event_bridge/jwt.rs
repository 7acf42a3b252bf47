//! JSON Web Tokens (RFC 7519) with HS256, as far as browsers bring them: read, and their signature checked.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value};
use sha2::Sha256;

use super::fault::TokenFault;

/// A token that nobody has vouched for yet.
pub(super) struct Jwt<'a> {
    header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    /// What is signed: all before the last dot.
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    /// Takes it apart. Nothing in it is to be believed before [`Jwt::check`].
    pub(super) fn read(text: &'a str) -> Result<Self, TokenFault> {
        if text.len() > BYTES_MAX {
            return Err(TokenFault::Invalid);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenFault::Invalid)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenFault::Invalid)?;
        let header = object(header).ok_or(TokenFault::Header)?;
        let claims = object(claims).ok_or(TokenFault::Invalid)?;
        let signature = BASE64URL.decode(signature).map_err(|_| TokenFault::Signature)?;
        let jwt = Self { header, claims, signed, signature };
        // Of all that a header may say (RFC 8725 §3.1), this alone is believed.
        if jwt.header_text("alg") != Some("HS256") || jwt.header_text("typ").is_some_and(|typ| typ != "JWT") {
            return Err(TokenFault::Header);
        }
        Ok(jwt)
    }

    /// Whether whoever has this secret has signed it.
    pub(super) fn check(&self, secret: &str) -> Result<(), TokenFault> {
        if secret.is_empty() {
            return Err(TokenFault::Signature);
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(self.signed.as_bytes());
        mac.verify_slice(&self.signature).map_err(|_| TokenFault::Signature)
    }

    /// What the header says.
    pub(super) fn header_text(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    /// What is claimed.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// A moment, in whole seconds (RFC 7519 §2).
    pub(super) fn seconds(&self, name: &str) -> Result<Option<i64>, TokenFault> {
        match self.claims.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
                seconds.map(Some).ok_or(TokenFault::Invalid)
            }
        }
    }
}

fn object(encoded: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&BASE64URL.decode(encoded).ok()?).ok()
}

/// Those who write tokens differ on padding.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Longest token; one with every policy there is has a fifth of it.
const BYTES_MAX: usize = 32 * 1024;
