//! Verifier: challenges strangers and checks what they answer (RFC 7616 §3.3, §5; RFC 8760 §2).
//!
//! A nonce says itself when it was made and proves by a keyed hash that we made it, so handing one out costs no memory
//! and a flood of strangers fills nothing. Only nonces that have been answered rightly are remembered, with the
//! highest count seen: `nc` must grow, which is what refuses a replay. Whoever is older than qop has no count and gets
//! one use out of a nonce. A nonce is good for the address it was sent to: so a wrong answer to it was really given
//! there, and nobody gets another one banned.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{Algorithm, Authorization, Challenge, Proof, Secret, hex};
use crate::grammar::lossy;
use crate::{Headers, Method, Name};

/// How long a nonce is good for, and how many may be in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifierConfig {
    /// From the challenge on; later the client is told that it is stale and tries again by itself. Default 300 s.
    pub nonce_life: Duration,
    /// Nonces that have been answered rightly and may be used again, each some 50 bytes; past it the oldest goes
    /// stale early. Default 65,536.
    pub nonces_max: usize,
}

impl Default for VerifierConfig {
    fn default() -> Self {
        Self { nonce_life: Duration::from_secs(300), nonces_max: 65_536 }
    }
}

/// What came of checking a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is this user.
    Passed {
        /// As the lookup knows them.
        username: String,
    },
    /// It proves nothing yet: answer 401 or 407 with a header for each of these.
    Challenged {
        /// Best first, as the realm wants them.
        challenges: Vec<Challenge>,
        /// Why it was not enough.
        why: Unproven,
    },
    /// The proof is false, whether such a user exists or not: answer 403, and count it against the source.
    Wrong {
        /// Who they said they are.
        username: String,
    },
}

/// Why a request is challenged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unproven {
    /// It brought no answer for our realm.
    Absent,
    /// It brought one made with an algorithm that was not offered.
    Unusable,
    /// The nonce is too old, not ours, was given to another address, or was used with that count before. Whether the
    /// password is right is not looked at, or not told.
    Stale,
}

/// Who is to be checked, and against what.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The method of the request.
    pub method: &'a Method,
    /// Its headers.
    pub headers: &'a Headers,
    /// Where it came from.
    pub source: IpAddr,
    /// Whose users these are; holds no quote and no backslash.
    pub realm: &'a str,
    /// What we take, first that which we want most. MD5 comes first unless an account asks for better: many a client
    /// reads the first challenge only and knows nothing else.
    pub algorithms: &'a [Algorithm],
}

/// The server's side of digest authentication.
#[derive(Debug)]
pub struct Verifier {
    config: VerifierConfig,
    key: Hmac<Sha256>,
    /// Hashed in place of the password of a user who does not exist, so that guessing names tells nothing.
    dummy: String,
    /// When the nonces' own time began: at the first question.
    start: Option<Instant>,
    nonces_ever: u32,
    /// The highest count of each nonce in use. At most `nonces_max`.
    counts: BTreeMap<NonceId, u32>,
    /// Nonces up to this one are stale unless they are in the table.
    forgotten: Option<NonceId>,
}

/// When it was made, in milliseconds of the verifier's life, and which it was.
type NonceId = (u64, u32);

impl Verifier {
    /// `key` is random and ours alone. With another one, nonces handed out before are stale.
    pub fn new(config: VerifierConfig, key: [u8; 32]) -> Self {
        let key = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
        let dummy = hex(&key.clone().chain_update(b"dummy").finalize().into_bytes());
        Self { config, key, dummy, start: None, nonces_ever: 0, counts: BTreeMap::new(), forgotten: None }
    }

    /// Checks a request. `lookup` gives the secret of a user of the realm, for the algorithm named (an HA1 is good
    /// for its hash alone); it is asked at most once.
    pub fn verify(
        &mut self,
        now: Instant,
        claim: &Claim<'_>,
        lookup: impl FnOnce(&str, Algorithm) -> Option<Secret>,
    ) -> Verdict {
        self.start.get_or_insert(now);
        let said = match answer_to(claim.headers, claim.realm) {
            Some(said) if claim.algorithms.contains(&said.algorithm) => said,
            Some(_) => return self.challenged(now, claim, Unproven::Unusable),
            None => return self.challenged(now, claim, Unproven::Absent),
        };
        let Some(nonce) = self.id_of(claim, &said.nonce).filter(|id| self.is_alive(now, *id)) else {
            return self.challenged(now, claim, Unproven::Stale);
        };
        if !self.is_right(claim, &said, lookup) {
            return Verdict::Wrong { username: said.username };
        }
        if self.use_nonce(now, nonce, said.auth.as_ref().map_or(1, |auth| auth.nc)) {
            Verdict::Passed { username: said.username }
        } else {
            self.challenged(now, claim, Unproven::Stale)
        }
    }

    /// Nonces that have been answered rightly and are remembered.
    pub fn nonces_in_use(&self) -> usize {
        self.counts.len()
    }

    /// Whether the hash is what the user would have made. Costs the same for every user and for none.
    fn is_right(
        &self,
        claim: &Claim<'_>,
        said: &Authorization,
        lookup: impl FnOnce(&str, Algorithm) -> Option<Secret>,
    ) -> bool {
        let Authorization { username, nonce, uri, response, algorithm, auth, .. } = said;
        let secret = lookup(username, *algorithm);
        let password = match &secret {
            Some(Secret::Password(password)) => password,
            Some(Secret::Ha1(_)) | None => &self.dummy,
        };
        let hashed = algorithm.ha1(username, claim.realm, password);
        let ha1 = match &secret {
            Some(Secret::Ha1(ha1)) => ha1,
            Some(Secret::Password(_)) | None => &hashed,
        };
        let auth = auth.as_ref().map(|auth| (auth.cnonce.as_str(), auth.nc_text.as_str()));
        let proof = Proof { algorithm: *algorithm, nonce, auth, method: claim.method, uri };
        let right = proof.response(ha1).as_bytes().ct_eq(response.to_ascii_lowercase().as_bytes());
        bool::from(right) && secret.is_some()
    }

    fn is_alive(&self, now: Instant, nonce: NonceId) -> bool {
        self.age_ms(now).saturating_sub(nonce.0) < self.life_ms()
    }

    /// Whether the nonce is new with this count; it is used up to the count then.
    fn use_nonce(&mut self, now: Instant, id: NonceId, nc: u32) -> bool {
        let forgotten = self.forgotten.is_some_and(|last| id <= last);
        match self.counts.get_mut(&id) {
            Some(last) if nc <= *last => return false,
            Some(last) => *last = nc,
            None if forgotten || nc == 0 => return false,
            None => {
                self.counts.insert(id, nc);
            }
        }
        let oldest_ms = self.age_ms(now).saturating_sub(self.life_ms());
        while let Some(entry) = self.counts.first_entry()
            && (entry.key().0 < oldest_ms || self.counts.len() > self.config.nonces_max)
        {
            self.forgotten = self.counts.pop_first().map(|(id, _)| id).max(self.forgotten);
        }
        true
    }

    fn challenged(&mut self, now: Instant, claim: &Claim<'_>, why: Unproven) -> Verdict {
        let nonce = self.nonce(now, claim);
        let opaque = hex(&self.seal(claim, b"opaque")[..8]);
        let challenge = |&algorithm| Challenge {
            realm: claim.realm.to_owned(),
            nonce: nonce.clone(),
            opaque: Some(opaque.clone()),
            algorithm,
            stale: why == Unproven::Stale,
            auth: true,
        };
        Verdict::Challenged { challenges: claim.algorithms.iter().map(challenge).collect(), why }
    }

    /// A fresh one: its time and number, and the seal on both.
    fn nonce(&mut self, now: Instant, claim: &Claim<'_>) -> String {
        self.nonces_ever = self.nonces_ever.wrapping_add(1);
        let head = format!("{:012x}{:08x}", self.age_ms(now) & AGE_MS_MASK, self.nonces_ever);
        let seal = hex(&self.seal(claim, head.as_bytes()));
        head + &seal
    }

    /// Which nonce of ours it is, for this realm and this address, if it is one.
    fn id_of(&self, claim: &Claim<'_>, nonce: &str) -> Option<NonceId> {
        let (head, seal) = nonce.split_at_checked(HEAD_LEN)?;
        let ours = hex(&self.seal(claim, head.as_bytes()));
        if !bool::from(ours.as_bytes().ct_eq(seal.as_bytes())) {
            return None;
        }
        let (age, number) = head.split_at(AGE_DIGITS);
        Some((u64::from_str_radix(age, 16).ok()?, u32::from_str_radix(number, 16).ok()?))
    }

    fn seal(&self, claim: &Claim<'_>, head: &[u8]) -> [u8; SEAL_LEN] {
        let source = match claim.source.to_canonical() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        // Of fixed length, and then what no realm holds, so that none can pretend to be part of what follows.
        let mac = self.key.clone().chain_update(source.octets()).chain_update(claim.realm).chain_update([0]);
        let mac = mac.chain_update(head);
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        whole.first_chunk().copied().expect("a seal is a part of the hash")
    }

    fn life_ms(&self) -> u64 {
        u64::try_from(self.config.nonce_life.as_millis()).unwrap_or(u64::MAX)
    }

    fn age_ms(&self, now: Instant) -> u64 {
        let age = self.start.map_or(Duration::ZERO, |start| now.saturating_duration_since(start));
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }
}

/// What a request says to our realm, in either header: which it is depends on who the client takes us for. What does
/// not read counts as unsaid.
fn answer_to(headers: &Headers, realm: &str) -> Option<Authorization> {
    let lines = headers.get_all(Name::Authorization).chain(headers.get_all(Name::ProxyAuthorization));
    lines.filter_map(|line| Authorization::parse(&lossy(line)).ok()).find(|said| said.realm == realm)
}

/// Hex digits of a nonce's time: 8,900 years.
const AGE_DIGITS: usize = 12;
const AGE_MS_MASK: u64 = (1 << (4 * AGE_DIGITS)) - 1;
/// Hex digits of its time and number.
const HEAD_LEN: usize = AGE_DIGITS + 8;
/// Bytes of the seal: 128 bits of HMAC-SHA-256.
const SEAL_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Login;

    const REALM: &str = "acme.sip.example.com";

    struct World {
        verifier: Verifier,
        now: Instant,
        offered: Vec<Algorithm>,
        source: IpAddr,
    }

    impl World {
        fn new(config: VerifierConfig) -> Self {
            let now = Instant::now();
            Self {
                verifier: Verifier::new(config, [7; 32]),
                now,
                offered: vec![Algorithm::Md5],
                source: [192, 0, 2, 9].into(),
            }
        }

        fn verify(&mut self, authorization: Option<&str>) -> Verdict {
            let mut headers = Headers::new();
            if let Some(value) = authorization {
                headers.push(Name::Authorization, value);
            }
            let method = Method::Register;
            let (source, algorithms) = (self.source, &self.offered);
            let claim = Claim { method: &method, headers: &headers, source, realm: REALM, algorithms };
            self.verifier.verify(self.now, &claim, |user, algorithm| match user {
                "ana" => Some(Secret::Password("Sesame123456".into())),
                "ben" => Some(Secret::Ha1(algorithm.ha1("ben", REALM, "Sesame123456"))),
                _ => None,
            })
        }

        fn challenge(&mut self) -> Challenge {
            match self.verify(None) {
                Verdict::Challenged { mut challenges, why: Unproven::Absent } => challenges.remove(0),
                other => panic!("not asked: {other:?}"),
            }
        }
    }

    fn answer(challenge: &Challenge, user: &str, password: &str, nc: u32) -> String {
        challenge.answer(&Login::new(user, password), &Method::Register, "sip:acme.sip.example.com", nc, "c0ffee")
    }

    fn kind(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Passed { .. } => "passed",
            Verdict::Wrong { .. } => "wrong",
            Verdict::Challenged { why: Unproven::Absent, .. } => "absent",
            Verdict::Challenged { why: Unproven::Unusable, .. } => "unusable",
            Verdict::Challenged { why: Unproven::Stale, challenges } => {
                assert!(challenges.iter().all(|challenge| challenge.stale));
                "stale"
            }
        }
    }

    #[test]
    fn who_knows_the_password_passes() {
        for (case, user, password, want) in [
            ("a password kept", "ana", "Sesame123456", "passed"),
            ("a hash kept", "ben", "Sesame123456", "passed"),
            ("a wrong password", "ana", "sesame123456", "wrong"),
            ("a wrong password against a hash", "ben", "sesame123456", "wrong"),
            ("nobody", "cho", "Sesame123456", "wrong"),
            ("nobody at all", "", "", "wrong"),
        ] {
            for algorithm in [Algorithm::Md5, Algorithm::Md5Sess, Algorithm::Sha256, Algorithm::Sha256Sess] {
                let mut world = World::new(VerifierConfig::default());
                world.offered = vec![algorithm];
                let challenge = world.challenge();
                let verdict = world.verify(Some(&answer(&challenge, user, password, 1)));
                assert_eq!(kind(&verdict), want, "{case}, {algorithm}");
            }
        }
    }

    #[test]
    fn a_nonce_counts_up_and_grows_old() {
        let life = VerifierConfig::default().nonce_life;
        let mut world = World::new(VerifierConfig::default());
        let challenge = world.challenge();
        let second = life / 300;
        for (case, wait, nc, want) in [
            ("first", second, 1, "passed"),
            ("the same again", second, 1, "stale"),
            ("the next", second, 2, "passed"),
            ("one lost on the way", second, 10, "passed"),
            ("hex, beyond nine", second, 11, "passed"),
            ("late", second, 3, "stale"),
            ("none", second, 0, "stale"),
            ("just alive", life - 8 * second, 12, "passed"),
            ("too old", second, 13, "stale"),
        ] {
            world.now += wait;
            let verdict = world.verify(Some(&answer(&challenge, "ana", "Sesame123456", nc)));
            assert_eq!(kind(&verdict), want, "{case}");
        }
        // An old nonce tells nothing about a password.
        let verdict = world.verify(Some(&answer(&challenge, "ana", "guess", 14)));
        assert_eq!(kind(&verdict), "stale");
    }

    #[test]
    fn nonces_are_ours_and_the_realms() {
        let mut world = World::new(VerifierConfig::default());
        let challenge = world.challenge();
        let mut other_key = World::new(VerifierConfig::default());
        other_key.verifier = Verifier::new(VerifierConfig::default(), [8; 32]);
        let foreign = other_key.challenge();
        let flipped = |at: usize| {
            let mut nonce = challenge.nonce.clone().into_bytes();
            nonce[at] ^= 1;
            Challenge { nonce: String::from_utf8(nonce).expect("still ASCII"), ..challenge.clone() }
        };
        for (case, challenge, want) in [
            ("from before a restart", foreign, "stale"),
            ("another time", flipped(11), "stale"),
            ("another number", flipped(19), "stale"),
            ("another seal", flipped(51), "stale"),
            ("short", Challenge { nonce: "abc".into(), ..challenge.clone() }, "stale"),
            ("not ASCII", Challenge { nonce: "é".repeat(26), ..challenge.clone() }, "stale"),
            ("another realm", Challenge { realm: "x".into(), ..challenge.clone() }, "absent"),
            ("an algorithm not offered", Challenge { algorithm: Algorithm::Sha256, ..challenge.clone() }, "unusable"),
            ("as it came", challenge.clone(), "passed"),
        ] {
            let verdict = world.verify(Some(&answer(&challenge, "ana", "Sesame123456", 1)));
            assert_eq!(kind(&verdict), want, "{case}");
        }
        for (case, source, password, want) in [
            ("from elsewhere", "192.0.2.8", "Sesame123456", "stale"),
            ("a guess in another's name", "192.0.2.8", "guess", "stale"),
            ("the same address in its other spelling", "::ffff:192.0.2.9", "Sesame123456", "passed"),
        ] {
            world.source = source.parse().expect("an address");
            assert_eq!(kind(&world.verify(Some(&answer(&challenge, "ana", password, 2)))), want, "{case}");
        }
    }

    #[test]
    fn who_is_older_than_qop_uses_a_nonce_once() {
        let mut world = World::new(VerifierConfig::default());
        let challenge = Challenge { auth: false, ..world.challenge() };
        let said = answer(&challenge, "ana", "Sesame123456", 1);
        assert!(!said.contains("qop"));
        assert_eq!(kind(&world.verify(Some(&said))), "passed");
        assert_eq!(kind(&world.verify(Some(&said))), "stale");
    }

    #[test]
    fn what_is_forgotten_cannot_be_replayed() {
        let mut world = World::new(VerifierConfig { nonces_max: 2, ..VerifierConfig::default() });
        let challenges: Vec<_> = std::iter::repeat_with(|| world.challenge()).take(3).collect();
        for challenge in &challenges {
            assert_eq!(kind(&world.verify(Some(&answer(challenge, "ana", "Sesame123456", 1)))), "passed");
        }
        assert_eq!(world.verifier.nonces_in_use(), 2);
        for (challenge, nc, want) in
            [(&challenges[0], 1, "stale"), (&challenges[0], 2, "stale"), (&challenges[1], 2, "passed")]
        {
            assert_eq!(kind(&world.verify(Some(&answer(challenge, "ana", "Sesame123456", nc)))), want);
        }
    }

    #[test]
    fn guesses_and_questions_fill_nothing() {
        let mut world = World::new(VerifierConfig::default());
        for nc in 1..100 {
            let challenge = world.challenge();
            assert_eq!(kind(&world.verify(Some(&answer(&challenge, "ana", "guess", nc)))), "wrong");
        }
        assert_eq!(world.verifier.nonces_in_use(), 0);
    }

    #[test]
    fn the_realm_says_which_comes_first() {
        let mut world = World::new(VerifierConfig::default());
        world.offered = vec![Algorithm::Sha256, Algorithm::Md5];
        let Verdict::Challenged { challenges, .. } = world.verify(None) else { panic!("not asked") };
        let texts: Vec<_> = challenges.iter().map(ToString::to_string).collect();
        assert!(texts[0].contains("algorithm=SHA-256, qop=\"auth\"") && texts[1].contains("algorithm=MD5, "));
        assert!(!texts.concat().contains("auth-int"));
    }
}
