//! Credentials for those who ask: what a 401 wants, and what it gets (RFC 7617 Basic, RFC 7616 Digest).

use md5::Md5;
use sha2::{Digest, Sha256};
use web::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use web::target::Credentials;
use web::{Method, Url};

/// The `Authorization` that answers the challenges of a 401, if there is one we can answer.
pub(crate) fn answer(
    challenges: &HeaderMap,
    credentials: &Credentials,
    method: &Method,
    url: &Url,
    cnonce: &str,
) -> Option<HeaderValue> {
    let challenges: Vec<&str> = challenges.get_all(WWW_AUTHENTICATE).iter().filter_map(|c| c.to_str().ok()).collect();
    // Digest shows the password to nobody; where both are offered it is the better one.
    let digest = challenges.iter().filter_map(|challenge| after_scheme(challenge, "Digest"));
    let digest = digest.filter_map(Challenge::parse).max_by_key(|challenge| challenge.algorithm);
    if let Some(challenge) = digest {
        let mut value = HeaderValue::try_from(challenge.answer(credentials, method, url, cnonce)).ok()?;
        value.set_sensitive(true);
        return Some(value);
    }
    challenges.iter().any(|challenge| after_scheme(challenge, "Basic").is_some()).then(|| credentials.basic())
}

/// What follows the scheme of a challenge, if it is that one.
fn after_scheme<'a>(challenge: &'a str, scheme: &str) -> Option<&'a str> {
    let challenge = challenge.trim_start();
    let head = challenge.get(..scheme.len())?;
    let rest = &challenge[scheme.len()..];
    (head.eq_ignore_ascii_case(scheme) && (rest.is_empty() || rest.starts_with(' '))).then(|| rest.trim())
}

/// A Digest challenge we can answer.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    session: bool,
    /// `qop="auth"` is offered; without any the answer is that of RFC 2069.
    auth: bool,
}

/// The later one is the stronger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Challenge {
    fn parse(text: &str) -> Option<Self> {
        let parameters = parameters(text);
        let get = |name: &str| parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone());
        let named = get("algorithm").unwrap_or_else(|| "MD5".to_owned()).to_ascii_uppercase();
        let (algorithm, session) = match named.as_str() {
            "MD5" => (Algorithm::Md5, false),
            "MD5-SESS" => (Algorithm::Md5, true),
            "SHA-256" => (Algorithm::Sha256, false),
            "SHA-256-SESS" => (Algorithm::Sha256, true),
            _ => return None,
        };
        let qop = get("qop");
        let auth =
            qop.as_deref().is_some_and(|qop| qop.split(',').any(|word| word.trim().eq_ignore_ascii_case("auth")));
        if qop.is_some() && !auth {
            return None; // auth-int alone, which nobody asks for
        }
        Some(Self { realm: get("realm")?, nonce: get("nonce")?, opaque: get("opaque"), algorithm, session, auth })
    }

    fn answer(&self, credentials: &Credentials, method: &Method, url: &Url, cnonce: &str) -> String {
        let Self { realm, nonce, opaque, session, auth, .. } = self;
        let uri = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut a1 = self.hash(&format!("{}:{realm}:{}", credentials.user, credentials.password));
        if *session {
            a1 = self.hash(&format!("{a1}:{nonce}:{cnonce}"));
        }
        let a2 = self.hash(&format!("{method}:{uri}"));
        let response = match auth {
            true => self.hash(&format!("{a1}:{nonce}:{NONCE_COUNT}:{cnonce}:auth:{a2}")),
            false => self.hash(&format!("{a1}:{nonce}:{a2}")),
        };
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let algorithm = match (self.algorithm, session) {
            (Algorithm::Md5, false) => "MD5",
            (Algorithm::Md5, true) => "MD5-sess",
            (Algorithm::Sha256, false) => "SHA-256",
            (Algorithm::Sha256, true) => "SHA-256-sess",
        };
        let (user, realm, nonce) = (quoted(&credentials.user), quoted(realm), quoted(nonce));
        let mut answer = format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm={algorithm}, \
             response=\"{response}\""
        );
        if *auth {
            answer.push_str(&format!(", qop=auth, nc={NONCE_COUNT}, cnonce=\"{cnonce}\""));
        }
        if let Some(opaque) = opaque {
            answer.push_str(&format!(", opaque=\"{}\"", quoted(opaque)));
        }
        answer
    }

    fn hash(&self, text: &str) -> String {
        match self.algorithm {
            Algorithm::Md5 => hex(&Md5::digest(text)),
            Algorithm::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

/// `name=value, name="quoted, \"value\""`.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', '\t', ',']).to_owned();
        let mut value = String::new();
        let after = after.trim_start();
        if let Some(quoted) = after.strip_prefix('"') {
            let mut escaped = false;
            let mut end = quoted.len();
            for (at, character) in quoted.char_indices() {
                match character {
                    '\\' if !escaped => escaped = true,
                    '"' if !escaped => {
                        end = at + 1;
                        break;
                    }
                    character => {
                        value.push(character);
                        escaped = false;
                    }
                }
            }
            rest = &quoted[end..];
        } else {
            let end = after.find(',').unwrap_or(after.len());
            value.push_str(after[..end].trim());
            rest = &after[end..];
        }
        found.push((name, value));
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Each challenge is answered once.
const NONCE_COUNT: &str = "00000001";

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(challenges: &[&'static str], password: &str, url: &str) -> Option<String> {
        let mut map = HeaderMap::new();
        for challenge in challenges {
            map.append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        let credentials = Credentials { user: "Mufasa".to_owned(), password: password.to_owned() };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let answer = answer(&map, &credentials, &Method::GET, &url.parse().expect("a URL"), cnonce);
        answer.map(|value| value.to_str().expect("ASCII").to_owned())
    }

    /// RFC 7616 §3.9.1, and what it leaves out.
    #[test]
    fn challenges_are_answered_as_the_rfc_computes_it() {
        const NONCE: &str = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let url = "http://www.example.org/dir/index.html";
        let md5 = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
                   nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                   opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        let sha256 = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
                      nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"";
        let basic = "Basic realm=\"x, y\"";
        let response =
            |answer: &str| answer.split("response=\"").nth(1).and_then(|r| r.split('"').next()).map(str::to_owned);
        for (case, challenges, want) in [
            ("MD5", &[md5][..], "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", &[sha256], "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            ("the stronger", &[md5, sha256, basic], "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let answer = answered(challenges, "Circle of Life", url).expect(case);
            assert_eq!(response(&answer).as_deref(), Some(want), "{case}: {answer}");
            assert!(answer.contains(NONCE) && answer.contains("uri=\"/dir/index.html\""), "{answer}");
        }
        // RFC 2069 §2.4 with the correction of its errata.
        let old = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        let answer = answered(&[old], "CircleOfLife", url).expect("answered");
        assert_eq!(response(&answer).as_deref(), Some("1949323746fe6a43ef61f9606e7febea"));
        assert!(!answer.contains("qop"), "{answer}");
        assert_eq!(answered(&[basic], "p", url).as_deref(), Some("Basic TXVmYXNhOnA="));
        for unknown in ["Bearer x", "Digest realm=\"x\"", "Digest realm=\"x\", nonce=\"y\", algorithm=MD2", "Basically"]
        {
            assert_eq!(answered(&[unknown], "p", url), None, "{unknown}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text: String) {
            let _ = Challenge::parse(&text);
        }
    }
}
