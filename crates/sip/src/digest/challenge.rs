//! Challenge: what a 401 or 407 asks for (RFC 7616 §3.3), and the answer to it.

use std::fmt;

use super::authorization::Auth;
use super::fields::Fields;
use super::{Algorithm, Authorization, DigestError, Login, Proof, Secret};
use crate::grammar::lossy;
use crate::{Headers, Method, Name};

/// A challenge that can be answered. Texts are as written, less their quotes.
///
/// Answer it only to a peer that these credentials are meant for, and only where the realm is the one configured for
/// it: whoever gets to challenge us may otherwise use the answer elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Whose credentials are wanted.
    pub realm: String,
    /// Theirs, to be hashed into the answer.
    pub nonce: String,
    /// To be given back as it came.
    pub opaque: Option<String>,
    /// How to hash.
    pub algorithm: Algorithm,
    /// The credentials were right and only the nonce was too old: try again, ask nobody for a password.
    pub stale: bool,
    /// Whether `qop=auth` is offered; if not, they are older than it (RFC 2069).
    pub auth: bool,
}

impl Challenge {
    /// Reads the value of one `WWW-Authenticate` or `Proxy-Authenticate` header.
    pub fn parse(value: &str) -> Result<Self, DigestError> {
        let fields = Fields::parse(value)?;
        let algorithm = fields.get("algorithm").map_or(Ok(Algorithm::Md5), Algorithm::parse)?;
        let auth = match fields.get("qop").map(str::trim_ascii).filter(|qop| !qop.is_empty()) {
            Some(qop) if qop.split(',').any(|offered| offered.trim_ascii().eq_ignore_ascii_case("auth")) => true,
            Some(_) => return Err(DigestError::Qop),
            None if algorithm.is_session() => return Err(DigestError::Missing("qop")),
            None => false,
        };
        Ok(Self {
            realm: fields.need("realm")?.to_owned(),
            nonce: fields.need("nonce")?.to_owned(),
            opaque: fields.get("opaque").map(str::to_owned),
            algorithm,
            stale: fields.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            auth,
        })
    }

    /// The first challenge of a response that can be answered: the server has put the one it prefers first (RFC 8760
    /// §2.4). `name` is [`Name::WwwAuthenticate`] of a 401, [`Name::ProxyAuthenticate`] of a 407.
    pub fn preferred(headers: &Headers, name: Name<'_>) -> Result<Self, DigestError> {
        let mut why = DigestError::Missing("challenge");
        for line in headers.get_all(name) {
            match Self::parse(&lossy(line)) {
                Ok(challenge) => return Ok(challenge),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// The value of the `Authorization` or `Proxy-Authorization` header that answers it.
    ///
    /// `uri` is the Request-URI as it is sent. `nc` counts the requests that this nonce has answered, the first is 1;
    /// `cnonce` is ours, fresh and unguessable, of letters and digits.
    pub fn answer(&self, login: &Login, method: &Method, uri: &str, nc: u32, cnonce: &str) -> String {
        let auth = self.auth.then(|| Auth::new(cnonce, nc));
        let proof = Proof {
            algorithm: self.algorithm,
            nonce: &self.nonce,
            auth: auth.as_ref().map(|auth| (auth.cnonce.as_str(), auth.nc_text.as_str())),
            method,
            uri,
        };
        let response = match &login.secret {
            Secret::Password(password) => proof.response(&self.algorithm.ha1(&login.username, &self.realm, password)),
            Secret::Ha1(ha1) => proof.response(ha1),
        };
        let said = Authorization {
            username: login.username.clone(),
            realm: self.realm.clone(),
            nonce: self.nonce.clone(),
            uri: uri.to_owned(),
            response,
            algorithm: self.algorithm,
            opaque: self.opaque.clone(),
            auth,
        };
        said.to_string()
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { realm, nonce, opaque, algorithm, stale, auth } = self;
        write!(f, "Digest realm=\"{realm}\", nonce=\"{nonce}\"")?;
        if let Some(opaque) = opaque {
            write!(f, ", opaque=\"{opaque}\"")?;
        }
        write!(f, ", algorithm={algorithm}")?;
        if *auth {
            f.write_str(", qop=\"auth\"")?;
        }
        if *stale {
            f.write_str(", stale=true")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CNONCE_7616: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    /// RFC 7616 §3.9.1's challenge, with one of its algorithms.
    fn rfc_7616(algorithm: &str) -> Challenge {
        let text = format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
        Challenge::parse(&text).expect("the RFC's own challenge")
    }

    #[test]
    fn answers_are_the_rfcs() {
        let lion = Login::new("Mufasa", "Circle of Life");
        let get = Method::from("GET");
        let rfc_2617 = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
                        nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let rfc_2617 = Challenge::parse(rfc_2617).expect("the RFC's own challenge");
        for (case, challenge, login, cnonce, want) in [
            ("RFC 7616 MD5", rfc_7616("MD5"), &lion, CNONCE_7616, "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "RFC 7616 SHA-256",
                rfc_7616("SHA-256"),
                &lion,
                CNONCE_7616,
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
            (
                "RFC 2617",
                rfc_2617,
                &Login::new("Mufasa", "Circle Of Life"),
                "0a4f113b",
                "6629fae49393a05397450978507c4ef1",
            ),
        ] {
            let answer = challenge.answer(login, &get, "/dir/index.html", 1, cnonce);
            let said = Authorization::parse(&answer).expect(case);
            assert_eq!(said.response, want, "{case}");
            assert_eq!((said.opaque.as_ref(), said.auth.map(|auth| auth.nc)), (challenge.opaque.as_ref(), Some(1)));
            let ha1 = challenge.algorithm.ha1(
                &login.username,
                &challenge.realm,
                match &login.secret {
                    Secret::Password(password) => password,
                    Secret::Ha1(_) => unreachable!("all rows have passwords"),
                },
            );
            let hashed = Login { username: login.username.clone(), secret: Secret::Ha1(ha1) };
            assert_eq!(challenge.answer(&hashed, &get, "/dir/index.html", 1, cnonce), answer, "{case}, from HA1");
        }
    }

    #[test]
    fn challenges_are_read() {
        for (case, more, want) in [
            ("older than qop", "", Ok((Algorithm::Md5, false, false))),
            ("a list", ", qop=\"auth-int, AUTH\"", Ok((Algorithm::Md5, true, false))),
            ("an empty list", ", qop=\"\"", Ok((Algorithm::Md5, false, false))),
            ("auth-int alone", ", qop=\"auth-int\"", Err(DigestError::Qop)),
            ("stale, in any case", ", stale=TRUE, qop=auth", Ok((Algorithm::Md5, true, true))),
            ("not stale", ", stale=false", Ok((Algorithm::Md5, false, false))),
            ("in quotes", ", algorithm=\"SHA-256\"", Ok((Algorithm::Sha256, false, false))),
            ("a session", ", algorithm=md5-SESS, qop=\"auth\"", Ok((Algorithm::Md5Sess, true, false))),
            ("a session of older days", ", algorithm=MD5-sess", Err(DigestError::Missing("qop"))),
            ("unknown", ", algorithm=SHA-512-256", Err(DigestError::Algorithm)),
        ] {
            let read = Challenge::parse(&format!("Digest realm=\"x\", nonce=\"n\"{more}"));
            let got = read.as_ref().map(|c| (c.algorithm, c.auth, c.stale)).map_err(|error| *error);
            assert_eq!(got, want, "{case}");
            if let Ok(challenge) = read {
                assert_eq!(Challenge::parse(&challenge.to_string()), Ok(challenge), "{case}");
            }
        }
        assert_eq!(Challenge::parse("Digest nonce=\"n\""), Err(DigestError::Missing("realm")));
        assert_eq!(Challenge::parse("Digest realm=\"x\""), Err(DigestError::Missing("nonce")));
    }

    #[test]
    fn the_first_that_can_be_answered_is() {
        let mut headers = Headers::new();
        let preferred = |headers: &Headers| Challenge::preferred(headers, Name::WwwAuthenticate).map(|c| c.nonce);
        assert_eq!(preferred(&headers), Err(DigestError::Missing("challenge")));
        headers.push(Name::WwwAuthenticate, "Digest realm=\"x\", nonce=\"1\", algorithm=SHA-512-256, qop=\"auth\"");
        assert_eq!(preferred(&headers), Err(DigestError::Algorithm));
        headers.push(Name::WwwAuthenticate, "Digest realm=\"x\", nonce=\"2\", algorithm=SHA-256, qop=\"auth\"");
        headers.push(Name::WwwAuthenticate, "Digest realm=\"x\", nonce=\"3\", algorithm=MD5, qop=\"auth\"");
        assert_eq!(preferred(&headers), Ok("2".to_owned()));
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", Login::new("ana", "hunter2")), "Login { username: \"ana\", secret: Password(…) }");
    }
}
