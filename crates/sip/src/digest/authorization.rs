//! Authorization: the answer to a challenge (RFC 7616 §3.4), in `Authorization` and `Proxy-Authorization` alike.

use std::fmt;

use super::fields::Fields;
use super::{Algorithm, DigestError};
use crate::grammar::{unescape, write_quoted};

/// What a client says to prove who it is. Texts are as written, less their quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Who it says it is, escapes taken off.
    pub username: String,
    /// Whose challenge it answers.
    pub realm: String,
    /// Which challenge.
    pub nonce: String,
    /// The Request-URI, as the client saw it.
    pub uri: String,
    /// The proof, in hex.
    pub response: String,
    /// How it was made.
    pub algorithm: Algorithm,
    /// What came with the challenge to be given back.
    pub opaque: Option<String>,
    /// With `qop=auth`; without it the client is older than that.
    pub auth: Option<Auth>,
}

/// What `qop=auth` adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// The client's own nonce.
    pub cnonce: String,
    /// How often the client has used our nonce, this time included.
    pub nc: u32,
    /// The same as written, which is what the hash is made of.
    pub(super) nc_text: String,
}

impl Authorization {
    /// Reads the value of an `Authorization` or `Proxy-Authorization` header.
    pub fn parse(value: &str) -> Result<Self, DigestError> {
        let fields = Fields::parse(value)?;
        let algorithm = fields.get("algorithm").map_or(Ok(Algorithm::Md5), Algorithm::parse)?;
        let auth = match fields.get("qop") {
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                Some(Auth::parse(fields.need("cnonce")?, fields.need("nc")?)?)
            }
            Some(_) => return Err(DigestError::Qop),
            None if algorithm.is_session() => return Err(DigestError::Missing("qop")),
            None => None,
        };
        Ok(Self {
            username: unescape(fields.need("username")?),
            realm: fields.need("realm")?.to_owned(),
            nonce: fields.need("nonce")?.to_owned(),
            uri: fields.need("uri")?.to_owned(),
            response: fields.need("response")?.to_owned(),
            algorithm,
            opaque: fields.get("opaque").map(str::to_owned),
            auth,
        })
    }
}

impl Auth {
    /// The first of a nonce is 1, in eight hex digits (RFC 7616 §3.4.6).
    pub(super) fn new(cnonce: &str, nc: u32) -> Self {
        Self { cnonce: cnonce.to_owned(), nc, nc_text: format!("{nc:08x}") }
    }

    fn parse(cnonce: &str, nc_text: &str) -> Result<Self, DigestError> {
        let hex = nc_text.len() <= 8 && nc_text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let nc = u32::from_str_radix(nc_text, 16).ok().filter(|_| hex).ok_or(DigestError::Malformed)?;
        Ok(Self { cnonce: cnonce.to_owned(), nc, nc_text: nc_text.to_owned() })
    }
}

impl fmt::Display for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest username=")?;
        write_quoted(&self.username, f)?;
        // What came from the challenge has its escapes already, and no quote among them.
        let Self { realm, nonce, uri, response, algorithm, .. } = self;
        write!(f, ", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\"")?;
        write!(f, ", algorithm={algorithm}")?;
        if let Some(Auth { cnonce, nc_text, .. }) = &self.auth {
            write!(f, ", cnonce=\"{cnonce}\", qop=auth, nc={nc_text}")?;
        }
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque=\"{opaque}\"")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_say_is_read() {
        let all = "Digest username=\"a\\\"b\", realm=\"x\", nonce=\"n\", uri=\"sip:x\", response=\"r\"";
        for (case, more, want) in [
            ("older than qop", "", Ok(None)),
            ("auth", ", qop=auth, cnonce=\"c\", nc=0000000a", Ok(Some(10))),
            ("auth in quotes", ", qop=\"AUTH\", cnonce=\"c\", nc=1", Ok(Some(1))),
            ("nc is too long", ", qop=auth, cnonce=\"c\", nc=000000001", Err(DigestError::Malformed)),
            ("nc has a sign", ", qop=auth, cnonce=\"c\", nc=+1", Err(DigestError::Malformed)),
            ("no cnonce", ", qop=auth, nc=00000001", Err(DigestError::Missing("cnonce"))),
            ("no nc", ", qop=auth, cnonce=\"c\"", Err(DigestError::Missing("nc"))),
            ("auth-int", ", qop=auth-int, cnonce=\"c\", nc=00000001", Err(DigestError::Qop)),
            ("SHA-256", ", algorithm=sha-256", Ok(None)),
            ("an algorithm of another kind", ", algorithm=AKAv1-MD5", Err(DigestError::Algorithm)),
            ("a session without a nonce of its own", ", algorithm=MD5-sess", Err(DigestError::Missing("qop"))),
        ] {
            let read = Authorization::parse(&format!("{all}{more}"));
            assert_eq!(
                read.as_ref().map(|said| said.auth.as_ref().map(|auth| auth.nc)).map_err(|e| *e),
                want,
                "{case}"
            );
            if let Ok(said) = read {
                assert_eq!(said.username, "a\"b", "{case}");
                assert_eq!(Authorization::parse(&said.to_string()), Ok(said), "{case}");
            }
        }
        for name in ["username", "realm", "nonce", "uri", "response"] {
            let without = all.replace(name, "other");
            assert_eq!(Authorization::parse(&without), Err(DigestError::Missing(name)));
        }
    }
}
