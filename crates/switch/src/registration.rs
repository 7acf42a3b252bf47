//! Registrations: phones at SIP domains, and who may call there (rest-voice §9).
//!
//! ```text
//! REGISTER sip:acme.sip.test   domain takes phones? ─▶ its registration credentials ─▶ bound: user@domain
//! INVITE sip:x@acme.sip.test   address in its IP lists? ─▶ its call credentials ─▶ a call, from client:user if registered
//! ```
//! A domain with neither kind of list takes no call. What is refused is refused alike for users that exist and for
//! those that do not, and wrong passwords count against their source.

mod keeping;
mod qualifying;

use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

use model::{AccountSid, CredentialSid, MappedList, SipDigest, SipDomain, SipDomainSid, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sip::{
    Algorithm, Binding, Claim, DialogId, Flow, Host, InquiryId, Limits, Method, Name, Registered, Registrar,
    RegistrarEvent, Reject, Request, Secret, SipUri, Transport, Verdict, Verifier,
};
use tracing::{debug, info};

use crate::board::Board;
use crate::directory::{CredentialUse, Directory};
use crate::turn::Turn;
use keeping::Keeping;
use qualifying::Qualifying;

/// A user of a domain, as phones register.
type Aor = (SipDomainSid, String);

/// A credential, and since when it is as it is: a new password makes it another.
type Proof = (CredentialSid, Timestamp);

/// Who is reached where, and who has proved to be who.
#[derive(Debug)]
pub struct Registrations {
    registrar: Registrar<Aor>,
    /// By what each of those proved who they are.
    proofs: HashMap<Aor, Proof>,
    keeping: Keeping,
    pub(crate) qualifying: Qualifying,
    verifier: Verifier,
    /// Where a domain does not say.
    algorithms: Vec<Algorithm>,
    counts: RegistrationCounts,
}

/// What came of REGISTERs and of calls to SIP domains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RegistrationCounts {
    /// REGISTERs that were done.
    pub registered: u64,
    /// Bindings that lapsed since nobody refreshed them, whose connection ended, or whose credential is no more.
    pub lapsed: u64,
    /// Requests asked for a password, or for a fresh answer.
    pub challenged: u64,
    /// Wrong passwords and unknown users.
    pub wrong: u64,
    /// Refused for another reason: no such domain, not to be registered at, not from that address, too many.
    pub refused: u64,
}

/// A registered caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whose domain it is.
    pub account: AccountSid,
    /// Where the phone is registered.
    pub domain: SipDomainSid,
    /// As which user.
    pub user: String,
}

/// A request refused: the answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(Name<'static>, String)>,
}

impl fmt::Display for Identity {
    /// As requests to applications name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client:{}", self.user)
    }
}

impl Registrations {
    /// Nobody is registered. `seed` is random and ours alone.
    pub(crate) fn new(config: &sip::Config, seed: u64) -> Self {
        let mut key = [0; 32];
        StdRng::seed_from_u64(seed).fill_bytes(&mut key);
        Self {
            registrar: Registrar::new(config.registrar),
            proofs: HashMap::new(),
            keeping: Keeping::default(),
            qualifying: Qualifying::default(),
            verifier: Verifier::new(config.verifier, key),
            algorithms: config.algorithms.clone(),
            counts: RegistrationCounts::default(),
        }
    }

    /// Where to ring `client:user`: every contact of that name, on any of the account's domains that take phones.
    pub fn contacts(&self, directory: &Directory, account: AccountSid, user: &str) -> Vec<Binding> {
        let domains = directory.registration_domains(account);
        domains.flat_map(|domain| self.registrar.contacts(&(domain.sid, user.to_owned()))).collect()
    }

    /// Where to ring `sip:user@domain`; nowhere if the host is no domain of ours or nobody is registered so.
    pub fn contacts_at(&self, directory: &Directory, uri: &SipUri) -> Vec<Binding> {
        let (Some(domain), Some(user)) = (domain_of(directory, uri), uri.user_decoded()) else { return Vec::new() };
        if !domain.sip_registration {
            return Vec::new();
        }
        self.registrar.contacts(&(domain.sid, user.into_owned()))
    }

    /// After every change to the directory: who registered by a credential that is not the domain's any more, or has
    /// another password now, or at a domain that takes no phones, or whose account may not act, is registered no more.
    pub(crate) fn follow(&mut self, directory: &Directory) {
        let proofs = &self.proofs;
        self.registrar.retain(|aor| proof(directory, aor).is_some_and(|proof| proofs.get(aor) == Some(&proof)));
        self.tell();
    }

    /// Who calls: the user of the request's From, if a phone is registered so from the very place this request came
    /// from. For calls that were admitted.
    pub fn identify(&self, directory: &Directory, request: &Request, flow: &Flow) -> Option<Identity> {
        let from = request.headers.from().ok()?.uri;
        let uri = from.sip()?;
        let domain = domain_of(directory, uri).filter(|domain| domain.sip_registration)?;
        let user = uri.user_decoded()?.into_owned();
        let aor = (domain.sid, user);
        let registered = self.registrar.is_from(&aor, flow);
        registered.then_some(Identity { account: domain.account_sid, domain: aor.0, user: aor.1 })
    }

    /// Phones registered now.
    pub fn bindings(&self) -> usize {
        self.registrar.len()
    }

    /// Those of them that did not answer when they were last asked.
    pub fn silent(&self) -> usize {
        self.registrar.silent()
    }

    /// What came of all requests so far.
    pub const fn counts(&self) -> &RegistrationCounts {
        &self.counts
    }

    /// Whether an INVITE may go on: to no domain of ours it may, to one of ours if it is from where and from whom the
    /// domain wants.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        directory: &Directory,
        limits: &mut Limits,
        request: &Request,
        flow: &Flow,
    ) -> Result<(), Refused> {
        let Some(domain) = request.uri.uri().sip().and_then(|uri| domain_of(directory, uri)) else { return Ok(()) };
        let lists: Vec<_> = directory.domain_lists(domain.sid).collect();
        let by_address = lists.iter().any(|list| matches!(list, MappedList::CallsIpAccessControlList(_)));
        let by_credential = lists.iter().any(|list| matches!(list, MappedList::CallsCredentialList(_)));
        let placed = !by_address || directory.ip_allowed(domain.sid, flow.remote.ip());
        if !(by_address || by_credential) || !placed || !is_secure_enough(domain, flow) {
            return Err(self.refused(403));
        }
        if by_credential {
            self.prove(now, directory, limits, domain, CredentialUse::Calls, request, flow)?;
        }
        Ok(())
    }

    /// What to answer to a REGISTER, after doing what it asks.
    pub(crate) fn register(
        &mut self,
        now: Instant,
        directory: &Directory,
        limits: &mut Limits,
        request: &Request,
        flow: Flow,
    ) -> Registered {
        let outcome = self.try_register(now, directory, limits, request, flow);
        self.tell();
        outcome.unwrap_or_else(|Refused { status, headers }| Registered { status, headers })
    }

    fn try_register(
        &mut self,
        now: Instant,
        directory: &Directory,
        limits: &mut Limits,
        request: &Request,
        flow: Flow,
    ) -> Result<Registered, Refused> {
        // Who is to be reached stands in To (RFC 3261 §10.2); whom to register at, in the Request-URI, is its domain.
        let to = request.headers.to().map_err(|_| self.refused(400))?.uri;
        let aor = to.sip().and_then(|uri| Some((domain_of(directory, uri)?, uri.user_decoded()?)));
        let taken = aor.filter(|(domain, _)| domain.sip_registration && is_secure_enough(domain, &flow));
        let Some((domain, user)) = taken else { return Err(self.refused(403)) };
        let username = self.prove(now, directory, limits, domain, CredentialUse::Registrations, request, &flow)?;
        // Nobody registers as somebody else.
        if username != user {
            return Err(self.refused(403));
        }
        let aor = (domain.sid, username);
        let registered = self.registrar.register(now, &aor, request, flow);
        if let Some(proof) = proof(directory, &aor).filter(|_| self.registrar.knows(&aor)) {
            self.proofs.insert(aor, proof);
        }
        match registered.status {
            200 => self.counts.registered += 1,
            _ => self.counts.refused += 1,
        }
        Ok(registered)
    }

    /// A connection is gone, and phones with it.
    pub(crate) fn closed(&mut self, connection: u64) {
        self.registrar.closed(connection);
        self.tell();
    }

    /// Forgets phones that have not refreshed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.registrar.handle_timeout(now);
        self.tell();
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [self.registrar.next_deadline(), self.qualifying.next_deadline()].into_iter().flatten().min()
    }

    /// Who sent it, if they know a credential of the domain for this use.
    #[expect(clippy::too_many_arguments, reason = "a request, how it came, and all it is checked against")]
    fn prove(
        &mut self,
        now: Instant,
        directory: &Directory,
        limits: &mut Limits,
        domain: &SipDomain,
        wanted: CredentialUse,
        request: &Request,
        flow: &Flow,
    ) -> Result<String, Refused> {
        let source = flow.remote.ip();
        let Request { method, headers, .. } = request;
        let algorithms = algorithms(domain).unwrap_or(&self.algorithms);
        let claim = Claim { method, headers, source, realm: &domain.domain_name, algorithms };
        let lookup = |username: &str, _| {
            let credential = directory.credential(domain.sid, username, wanted)?;
            Some(Secret::Password(credential.password.0.clone()))
        };
        match self.verifier.verify(now, &claim, lookup) {
            Verdict::Passed { username } => Ok(username),
            Verdict::Challenged { challenges, .. } => {
                self.counts.challenged += 1;
                // A registrar asks as itself, who takes calls as a proxy does: so phones and trunks know it.
                let (status, name) = match method {
                    Method::Register => (401, Name::WwwAuthenticate),
                    _ => (407, Name::ProxyAuthenticate),
                };
                let headers = challenges.iter().map(|challenge| (name, challenge.to_string())).collect();
                Err(Refused { status, headers })
            }
            Verdict::Wrong { username } => {
                self.counts.wrong += 1;
                let banned = limits.offended(now, source);
                info!(%source, domain = domain.domain_name, username, banned, "wrong credentials");
                Err(Refused { status: 403, headers: Vec::new() })
            }
        }
    }

    fn refused(&mut self, status: u16) -> Refused {
        self.counts.refused += 1;
        Refused { status, headers: Vec::new() }
    }

    /// Says what has happened to bindings.
    fn tell(&mut self) {
        while let Some(event) = self.registrar.poll() {
            let (RegistrarEvent::Bound { aor, .. } | RegistrarEvent::Unbound { aor, .. }) = &event;
            self.keeping.changed.insert(aor.clone());
            match event {
                RegistrarEvent::Bound { aor: (domain, user), uri, refreshed: false } => {
                    info!(%domain, user, contact = uri, "registered");
                }
                RegistrarEvent::Bound { aor: (domain, user), uri, refreshed: true } => {
                    debug!(%domain, user, contact = uri, "registered again");
                }
                RegistrarEvent::Unbound { aor: (domain, user), uri, why } => {
                    if why != sip::Unbound::Asked {
                        self.counts.lapsed += 1;
                    }
                    let aor = (domain, user);
                    if !self.registrar.knows(&aor) {
                        self.proofs.remove(&aor);
                    }
                    let (domain, user) = aor;
                    info!(%domain, user, contact = uri, ?why, "registered no more");
                }
            }
        }
    }
}

impl Board {
    /// Answers a REGISTER.
    pub(crate) fn register(&mut self, id: InquiryId, request: &Request, flow: Flow, turn: &Turn) {
        let (now, limits) = (turn.now.instant, self.endpoint.limits());
        let Registered { status, headers } = self.registrations.register(now, turn.directory, limits, request, flow);
        self.endpoint.answer_register(now, id, status, &headers);
    }

    /// Whether an INVITE may go on; if not, it has been refused.
    pub(crate) fn admits(&mut self, dialog: DialogId, request: &Request, flow: &Flow, turn: &Turn) -> bool {
        let (now, limits) = (turn.now.instant, self.endpoint.limits());
        let refused = self.registrations.admit(now, turn.directory, limits, request, flow).err();
        if let Some(Refused { status, headers }) = &refused {
            let why = Reject { headers: headers.clone(), ..Reject::default() };
            self.endpoint.reject(now, dialog, *status, why);
        }
        refused.is_none()
    }
}

/// What somebody has to know to be registered there now.
fn proof(directory: &Directory, (domain, user): &Aor) -> Option<Proof> {
    let credential = directory.credential(*domain, user, CredentialUse::Registrations)?;
    directory.takes_phones(*domain).then_some((credential.sid, credential.updated))
}

/// What the users of a domain prove their passwords with, if it says so.
fn algorithms(domain: &SipDomain) -> Option<&'static [Algorithm]> {
    Some(match domain.digest? {
        SipDigest::Md5 => &[Algorithm::Md5],
        SipDigest::Md5OrSha256 => &[Algorithm::Md5, Algorithm::Sha256],
        SipDigest::Sha256 => &[Algorithm::Sha256],
    })
}

/// The domain of that name; none of an account that may not act.
fn domain_of<'a>(directory: &'a Directory, uri: &SipUri) -> Option<&'a SipDomain> {
    match &uri.host {
        Host::Name(host) => directory.domain(host).filter(|domain| directory.is_active(domain.account_sid)),
        Host::V4(_) | Host::V6(_) => None,
    }
}

/// Whether it came as the domain wants: over TLS where it is `Secure`.
fn is_secure_enough(domain: &SipDomain, flow: &Flow) -> bool {
    match flow.transport {
        Transport::Udp | Transport::Tcp => !domain.secure,
    }
}

#[cfg(test)]
mod tests;
