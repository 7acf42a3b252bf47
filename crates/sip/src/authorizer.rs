//! Authorizer: proves who we are to those who ask, once for each time they ask (RFC 3261 §22, RFC 7616 §3.4).
//!
//! `401 nonce a ─▶ again with a ─▶ 407 of a proxy, nonce b ─▶ again with a and b ─▶ 200 … BYE with both, nc counted up`
//!
//! An answer to a challenge is worth something to whoever gets it (ES2021-05): so only calls that were made with
//! credentials have one of these, and it answers one realm where one is named.

use crate::digest::{Challenge, Login};
use crate::grammar::lossy;
use crate::{Credentials, Name, Request, Response};

/// Our name and password for one call, and the challenges it has met.
#[derive(Debug)]
pub(crate) struct Authorizer {
    login: Login,
    realm: Option<String>,
    met: Vec<Met>,
}

/// A challenge that we answer in every request from now on.
#[derive(Debug)]
struct Met {
    /// Authorization or Proxy-Authorization.
    answer: Name<'static>,
    challenge: Challenge,
    /// How often its nonce has been used.
    nc: u32,
    /// It came in answer to the present request or a repetition of it.
    fresh: bool,
}

impl Authorizer {
    pub(crate) fn new(credentials: &Credentials) -> Self {
        let Credentials { username, password, realm } = credentials;
        Self { login: Login::new(username, password), realm: realm.clone(), met: Vec::new() }
    }

    /// Takes in a 401 or 407. Whether the request shall be sent again; `repeated`: how often it has been already.
    ///
    /// Not if they ask the same again, which means that the password is wrong, unless they say that only the nonce was
    /// too old. Never twice for one nonce.
    pub(crate) fn challenged(&mut self, response: &Response, repeated: u8) -> bool {
        let (asked, answer) = match response.status {
            401 => (Name::WwwAuthenticate, Name::Authorization),
            407 => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
            _ => return false,
        };
        if repeated >= REPEATED_MAX {
            return false;
        }
        if repeated == 0 {
            self.met.iter_mut().for_each(|met| met.fresh = false);
        }
        let mut learned = false;
        // The server has put the algorithm it prefers first (RFC 8760 §2.4), so one of each realm is enough.
        let mut seen: Vec<String> = Vec::new();
        for line in response.headers.get_all(asked) {
            let Ok(challenge) = Challenge::parse(&lossy(line)) else { continue };
            let ours = self.realm.as_ref().is_none_or(|realm| *realm == challenge.realm);
            if !ours || seen.contains(&challenge.realm) {
                continue;
            }
            seen.push(challenge.realm.clone());
            let full = self.met.len() >= REALMS_MAX;
            match self.met.iter_mut().find(|met| met.answer == answer && met.challenge.realm == challenge.realm) {
                Some(met) if met.challenge.nonce == challenge.nonce => return false,
                Some(met) if met.fresh && !challenge.stale => return false,
                Some(met) => *met = Met { answer, challenge, nc: 0, fresh: true },
                None if full => return false,
                None => self.met.push(Met { answer, challenge, nc: 0, fresh: true }),
            }
            learned = true;
        }
        learned
    }

    /// Answers every challenge met so far in this request. `cnonce`: fresh and unguessable.
    pub(crate) fn write(&mut self, request: &mut Request, cnonce: &str) {
        for name in [Name::Authorization, Name::ProxyAuthorization] {
            request.headers.remove(name);
        }
        for met in &mut self.met {
            met.nc += 1;
            let value = met.challenge.answer(&self.login, &request.method, request.uri.as_str(), met.nc, cnonce);
            request.headers.push(met.answer, value);
        }
    }

    /// The request written last has not been sent, and will be written anew: nobody has seen those answers, and a nonce
    /// is counted from 1 (RFC 7616 §3.4).
    pub(crate) fn take_back(&mut self) {
        self.met.iter_mut().for_each(|met| met.nc = met.nc.saturating_sub(1));
    }
}

/// How often one request is sent again for being challenged: by two proxies and the phone, and once for a stale nonce.
const REPEATED_MAX: u8 = 4;
/// Challenges remembered in one call.
const REALMS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;

    fn response(status: u16, challenges: &[&str]) -> Response {
        let request = Request::new(Method::Invite, "sip:ben@example.com".parse().expect("a URI"));
        let mut response = Response::to(&request, status);
        let name = if status == 407 { Name::ProxyAuthenticate } else { Name::WwwAuthenticate };
        for challenge in challenges {
            response.headers.push(name, challenge);
        }
        response
    }

    #[test]
    fn each_challenge_is_answered_once() {
        let a = "Digest realm=\"x\", nonce=\"a\", qop=\"auth\"";
        let b = "Digest realm=\"x\", nonce=\"b\", qop=\"auth\"";
        let stale = "Digest realm=\"x\", nonce=\"b\", qop=\"auth\", stale=true";
        let stale_a = "Digest realm=\"x\", nonce=\"a\", qop=\"auth\", stale=true";
        let other = "Digest realm=\"y\", nonce=\"c\"";
        for (case, realm, challenges, want) in [
            ("asked once", None, vec![(401, vec![a])], vec![true]),
            ("asked again: wrong password", None, vec![(401, vec![a]), (401, vec![a])], vec![true, false]),
            ("asked again, another nonce", None, vec![(401, vec![a]), (401, vec![b])], vec![true, false]),
            ("too old", None, vec![(401, vec![a]), (401, vec![stale])], vec![true, true]),
            ("too old, the same nonce", None, vec![(401, vec![a]), (401, vec![stale_a])], vec![true, false]),
            ("a proxy, then the phone", None, vec![(407, vec![a]), (401, vec![a])], vec![true, true]),
            ("two proxies", None, vec![(407, vec![a]), (407, vec![other])], vec![true, true]),
            ("our realm", Some("x"), vec![(401, vec![other, a])], vec![true]),
            ("not our realm", Some("x"), vec![(401, vec![other])], vec![false]),
            ("nothing we can answer", None, vec![(401, vec!["Basic realm=\"x\""])], vec![false]),
            ("no challenge", None, vec![(401, vec![])], vec![false]),
            ("no such status", None, vec![(403, vec![a])], vec![false]),
        ] {
            let realm = realm.map(str::to_owned);
            let mut authorizer =
                Authorizer::new(&Credentials { username: "ana".to_owned(), password: "secret".to_owned(), realm });
            let repeats = challenges.iter().zip(0..).map(|((status, challenges), repeated)| {
                authorizer.challenged(&response(*status, challenges), repeated)
            });
            assert_eq!(repeats.collect::<Vec<_>>(), want, "{case}");
        }
    }

    #[test]
    fn later_requests_prove_it_beforehand_and_may_be_asked_anew() {
        let credentials = Credentials { username: "ana".to_owned(), password: "secret".to_owned(), realm: None };
        let mut authorizer = Authorizer::new(&credentials);
        let mut bye = Request::new(Method::Bye, "sip:ben@example.com".parse().expect("a URI"));
        authorizer.write(&mut bye, "c");
        assert!(!bye.headers.contains(Name::Authorization));
        assert!(authorizer.challenged(&response(401, &["Digest realm=\"x\", nonce=\"a\", qop=\"auth\""]), 0));
        for nc in ["nc=00000001", "nc=00000002"] {
            authorizer.write(&mut bye, "c");
            let value = bye.headers.text(Name::Authorization).expect("proof").into_owned();
            assert!(value.contains(nc) && bye.headers.count(Name::Authorization) == 1, "{value}");
        }
        // Asterisk has a new nonce for every request and does not call the old one stale.
        assert!(authorizer.challenged(&response(401, &["Digest realm=\"x\", nonce=\"b\", qop=\"auth\""]), 0));
        authorizer.write(&mut bye, "c");
        let value = bye.headers.text(Name::Authorization).expect("proof").into_owned();
        assert!(value.contains("nc=00000001") && value.contains("nonce=\"b\""), "{value}");
        for repeated in 1..=REPEATED_MAX {
            let nonce = format!("Digest realm=\"x\", nonce=\"{repeated}\", stale=true");
            assert_eq!(authorizer.challenged(&response(401, &[&nonce]), repeated), repeated < REPEATED_MAX);
        }
    }
}
