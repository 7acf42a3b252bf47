//! Registrar: who is reached where (RFC 3261 §10.3; Path RFC 3327; instances and flows RFC 5626).
//!
//! A machine without I/O: a REGISTER that has been authenticated goes in, what to answer comes out; bindings lapse at
//! [`Registrar::next_deadline`] and with the connection they were made over. `K` names whose contacts they are, an
//! address of record: whatever its owner finds it by.
//!
//! A binding outlives what was granted by [`RegistrarConfig::grace`], in which its phone is still rung: some refresh at
//! 99 % of the time, and a packet may be lost.

mod binding;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

pub use binding::{Binding, StoredBinding};
use binding::{Bound, Sender, q_of, target, without_terms};

use crate::grammar::number;
use crate::{Flow, Name, NameAddr, Request};

/// Bounds and habits of a registrar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistrarConfig {
    /// Granted where nothing is asked for. Default 3,600 s.
    pub expires_default: Duration,
    /// Least that is granted; who asks for less gets 423. Default 60 s.
    pub expires_min: Duration,
    /// Most that is granted. Default 3,600 s.
    pub expires_max: Duration,
    /// How long a phone is rung beyond what was granted. Default 15 s.
    pub grace: Duration,
    /// Contacts of one address of record; one more is answered 403. Default 10.
    pub contacts_max: usize,
    /// Contacts of all; one more is answered 503. Default 100,000.
    pub bindings_max: usize,
}

impl Default for RegistrarConfig {
    fn default() -> Self {
        Self {
            expires_default: Duration::from_secs(3_600),
            expires_min: Duration::from_secs(60),
            expires_max: Duration::from_secs(3_600),
            grace: Duration::from_secs(15),
            contacts_max: 10,
            bindings_max: 100_000,
        }
    }
}

/// What to answer to a REGISTER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// 200, or why not.
    pub status: u16,
    /// Every binding there is now, with what is left of its time; or what is wrong.
    pub headers: Vec<(Name<'static>, String)>,
}

/// What happened to a binding, for logs, metrics and who keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrarEvent<K> {
    /// There is a new one, or it was refreshed.
    Bound {
        /// Whose.
        aor: K,
        /// Where.
        uri: String,
        /// It was there before.
        refreshed: bool,
    },
    /// One is gone.
    Unbound {
        /// Whose.
        aor: K,
        /// Where.
        uri: String,
        /// Why.
        why: Unbound,
    },
}

/// Why a binding is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unbound {
    /// Its owner said so.
    Asked,
    /// Nobody refreshed it.
    Expired,
    /// The connection it was made over is gone.
    FlowClosed,
    /// Its owner may not register any more: [`Registrar::retain`].
    Revoked,
}

/// All bindings.
#[derive(Debug)]
pub struct Registrar<K> {
    config: RegistrarConfig,
    /// None of the lists is empty, none longer than `contacts_max`.
    records: HashMap<K, Record>,
    /// All of them together: at most `bindings_max`.
    bindings: usize,
    /// Those of them that do not answer.
    silent: usize,
    /// When the first binding of each record lapses.
    lapses: BTreeSet<(Instant, K)>,
    /// Whose bindings hang on a stream.
    by_connection: HashMap<u64, HashSet<K>>,
    /// As long as one call makes it, if its owner drains it.
    events: VecDeque<RegistrarEvent<K>>,
}

/// The bindings of one address of record, and when it is looked at next.
#[derive(Debug, Default)]
struct Record {
    bound: Vec<Bound>,
    lapses_at: Option<Instant>,
}

/// A contact of a REGISTER, and for how long: zero takes it off.
#[derive(Debug)]
struct Asked {
    contact: NameAddr,
    expires: Duration,
}

impl<K: Clone + Eq + Hash + Ord> Registrar<K> {
    /// One without bindings.
    pub fn new(config: RegistrarConfig) -> Self {
        Self {
            config,
            records: HashMap::new(),
            bindings: 0,
            silent: 0,
            lapses: BTreeSet::new(),
            by_connection: HashMap::new(),
            events: VecDeque::new(),
        }
    }

    /// Does what a REGISTER asks, all of it or nothing. Its sender has proved that they may do so for `aor`, and its
    /// topmost Via is stamped.
    pub fn register(&mut self, now: Instant, aor: &K, request: &Request, flow: Flow) -> Registered {
        self.lapse(now, aor);
        match self.read(request, flow) {
            Err(refused) => refused,
            Ok((asked, sender)) => match self.apply(now, aor, request, asked, &sender) {
                Err(refused) => refused,
                Ok(()) => self.bindings_of(now, aor, &sender),
            },
        }
    }

    /// Where to reach somebody, what they prefer first; of one preference what was registered last first. Those that do
    /// not answer are left out.
    pub fn contacts(&self, aor: &K) -> Vec<Binding> {
        let mut contacts = self.bound(aor);
        contacts.retain(|(_, silent)| !silent);
        contacts.into_iter().map(|(binding, _)| binding).collect()
    }

    /// The same with those that do not answer, and whether they do not.
    pub fn bound(&self, aor: &K) -> Vec<(Binding, bool)> {
        let bound = self.records.get(aor).map_or(&[][..], |record| &record.bound);
        let mut contacts: Vec<_> = bound.iter().rev().map(|bound| (bound.binding.clone(), bound.silent)).collect();
        contacts.sort_by_key(|(binding, _)| std::cmp::Reverse(binding.q));
        contacts
    }

    /// Whether a datagram's source or a stream is where a binding of this address of record was made.
    pub fn is_from(&self, aor: &K, flow: &Flow) -> bool {
        let same = |bound: &Bound| {
            bound.binding.flow.is_some_and(|its| match its.connection {
                Some(_) => its.connection == flow.connection,
                None => flow.connection.is_none() && its.remote == flow.remote,
            })
        };
        self.records.get(aor).is_some_and(|record| record.bound.iter().any(same))
    }

    /// A contact did not answer, or does again. It stays bound: whoever is silent for a moment has not left. Registering
    /// anew is an answer, too. `None` if it is gone; else whether that is news.
    pub fn heard(&mut self, aor: &K, binding: &Binding, answers: bool) -> Option<bool> {
        let it = |bound: &&mut Bound| bound.binding.uri == binding.uri && bound.binding.flow == binding.flow;
        let bound = self.records.get_mut(aor)?.bound.iter_mut().find(it)?;
        let is_news = bound.silent == answers;
        bound.silent = !answers;
        match (is_news, answers) {
            (true, true) => self.silent -= 1,
            (true, false) => self.silent += 1,
            (false, _) => {}
        }
        Some(is_news)
    }

    /// How many bindings do not answer.
    pub fn silent(&self) -> usize {
        self.silent
    }

    /// Whether anything is bound there.
    pub fn knows(&self, aor: &K) -> bool {
        self.records.contains_key(aor)
    }

    /// Takes off everything of those who may not register any more.
    pub fn retain(&mut self, may: impl Fn(&K) -> bool) {
        let mut revoked: Vec<K> = self.records.keys().filter(|aor| !may(aor)).cloned().collect();
        revoked.sort_unstable(); // the same calls shall say the same
        for aor in revoked {
            self.remove(&aor, Unbound::Revoked, |_| true);
        }
    }

    /// A stream is gone, and with it what was registered over it.
    pub fn closed(&mut self, connection: u64) {
        let mut aors: Vec<K> = self.by_connection.remove(&connection).into_iter().flatten().collect();
        aors.sort_unstable(); // the same calls shall say the same
        for aor in aors {
            self.remove(&aor, Unbound::FlowClosed, |bound| bound.connection() == Some(connection));
        }
    }

    /// Takes off what nobody has refreshed. To be called at [`Registrar::next_deadline`]; earlier or later does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, aor)) = self.lapses.first().cloned()
            && at <= now
        {
            self.lapse(now, &aor);
        }
    }

    /// When to call [`Registrar::handle_timeout`].
    pub fn next_deadline(&self) -> Option<Instant> {
        self.lapses.first().map(|(at, _)| *at)
    }

    /// The next thing that happened, until there is none.
    pub fn poll(&mut self) -> Option<RegistrarEvent<K>> {
        self.events.pop_front()
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.bindings
    }

    /// Whether nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.bindings == 0
    }

    /// What one has, to be kept over a restart. What hangs on a connection is not among it.
    pub fn export(&self, now: Instant, aor: &K) -> Vec<StoredBinding> {
        let bound = self.records.get(aor).map_or(&[][..], |record| &record.bound);
        let lasting = bound.iter().filter(|bound| bound.connection().is_none());
        lasting
            .map(|bound| StoredBinding {
                contact: bound.contact.to_string(),
                flow: bound.binding.flow,
                path: bound.binding.path.iter().map(ToString::to_string).collect(),
                q: bound.binding.q,
                call_id: bound.call_id.clone(),
                cseq: bound.cseq,
                user_agent: bound.binding.user_agent.clone(),
                expires_in: bound.expires_at.saturating_duration_since(now),
            })
            .collect()
    }

    /// Takes back what was kept. What does not read any more, has expired or goes beyond a bound is left out.
    pub fn import(&mut self, now: Instant, aor: &K, stored: StoredBinding) {
        let Ok(contact) = stored.contact.parse::<NameAddr>() else { return };
        let Ok(path) = stored.path.iter().map(|hop| hop.parse()).collect::<Result<Vec<NameAddr>, _>>() else { return };
        let Some(uri) = target(&contact) else { return };
        let there = self.records.get(aor).map_or(0, |record| record.bound.len());
        if there >= self.config.contacts_max || self.bindings >= self.config.bindings_max {
            return;
        }
        let StoredBinding { flow, q, call_id, cseq, user_agent, expires_in, .. } = stored;
        let flow = flow.filter(|flow| flow.connection.is_none());
        let binding = Binding { uri, flow, path, q, user_agent };
        let expires_at = now + expires_in.min(self.config.expires_max);
        self.insert(aor, Bound { binding, contact, call_id, cseq, expires_at, silent: false });
        self.lapse(now, aor);
    }

    /// What a REGISTER asks for, or why it cannot be done.
    fn read(&self, request: &Request, flow: Flow) -> Result<(Vec<Asked>, Sender), Registered> {
        let headers = &request.headers;
        let sender = Sender::of(request, flow).ok_or_else(|| Registered::refused(400))?;
        if sender.path().len() > PATH_MAX {
            return Err(Registered::refused(513));
        }
        if headers.contact_is_star() {
            // The one thing that may be said of all at once (RFC 3261 §10.3 step 6).
            return match headers.expires() {
                Some(0) => Ok((vec![], sender)),
                _ => Err(Registered::refused(400)),
            };
        }
        let contacts = headers.contacts().map_err(|_| Registered::refused(400))?;
        if contacts.len() > self.config.contacts_max {
            return Err(Registered::refused(403));
        }
        let default = headers.expires().map(u64::from).unwrap_or_else(|| self.config.expires_default.as_secs());
        let mut asked = Vec::with_capacity(contacts.len());
        for contact in contacts {
            if target(&contact).is_none() || contact.to_string().len() > CONTACT_BYTES_MAX {
                return Err(Registered::refused(400));
            }
            let own = contact.params.get("expires").map(number);
            // What does not read counts as unsaid (RFC 3261 §10.3 step 6).
            let expires = Duration::from_secs(own.flatten().unwrap_or(default)).min(self.config.expires_max);
            if !expires.is_zero() && expires < self.config.expires_min {
                let least = self.config.expires_min.as_secs().to_string();
                return Err(Registered { status: 423, headers: vec![(Name::MinExpires, least)] });
            }
            asked.push(Asked { contact, expires });
        }
        Ok((asked, sender))
    }

    /// Does all of it, or nothing if one part cannot be done.
    fn apply(
        &mut self,
        now: Instant,
        aor: &K,
        request: &Request,
        asked: Vec<Asked>,
        sender: &Sender,
    ) -> Result<(), Registered> {
        let bad = |_| Registered::refused(400);
        let call_id = request.headers.call_id().map_err(bad)?.to_owned();
        let cseq = request.headers.cseq().map_err(bad)?.number;
        let star = request.headers.contact_is_star();
        let bound = self.records.get(aor).map_or(&[][..], |record| &record.bound);
        let affected = |bound: &&Bound| star || asked.iter().any(|asked| bound.is_same_as(&asked.contact));
        // Something later has been said already (RFC 3261 §10.3 step 7).
        if bound.iter().filter(affected).any(|bound| bound.call_id == call_id && bound.cseq >= cseq) {
            return Err(Registered::refused(500));
        }
        let staying = bound.iter().filter(|bound| !affected(bound)).count();
        let coming = asked.iter().filter(|asked| !asked.expires.is_zero()).count();
        let grown = (staying + coming).saturating_sub(bound.len());
        if coming > 0 && staying + coming > self.config.contacts_max {
            return Err(Registered::refused(403));
        }
        if grown > 0 && self.bindings + grown > self.config.bindings_max {
            return Err(Registered::refused(503));
        }
        if star {
            self.remove(aor, Unbound::Asked, |_| true);
        }
        let user_agent: Option<String> =
            request.headers.text(Name::UserAgent).map(|name| name.chars().take(USER_AGENT_MAX).collect());
        for Asked { contact, expires } in asked {
            if expires.is_zero() {
                self.remove(aor, Unbound::Asked, |bound| bound.is_same_as(&contact));
                continue;
            }
            let Some(uri) = target(&contact) else { continue };
            let binding = Binding {
                flow: sender.flow_for(&uri),
                uri,
                path: sender.path().to_vec(),
                q: q_of(&contact),
                user_agent: user_agent.clone(),
            };
            let contact = without_terms(contact);
            let bound =
                Bound { binding, contact, call_id: call_id.clone(), cseq, expires_at: now + expires, silent: false };
            self.insert(aor, bound);
        }
        self.settle(aor);
        Ok(())
    }

    /// 200, and everything that is bound now (RFC 3261 §10.3 step 8): some phones look for themselves in it.
    fn bindings_of(&self, now: Instant, aor: &K, sender: &Sender) -> Registered {
        let mut headers = Vec::new();
        for bound in self.records.get(aor).map_or(&[][..], |record| &record.bound) {
            // In its grace it is rung, and yet not registered any more.
            let Some(expires_s) = bound.expires_s(now) else { continue };
            let mut contact = bound.contact.clone();
            if bound.binding.q != 1_000 {
                contact.params.push("q", Some(&format!("0.{:03}", bound.binding.q)));
            }
            contact.params.push("expires", Some(&expires_s.to_string()));
            headers.push((Name::Contact, contact.to_string()));
        }
        headers.extend(sender.path().iter().map(|hop| (Name::Path, hop.to_string())));
        Registered { status: 200, headers }
    }

    /// Binds it in place of whatever it is the same as.
    fn insert(&mut self, aor: &K, bound: Bound) {
        let record = self.records.entry(aor.clone()).or_default();
        let before: Vec<_> = record.bound.extract_if(.., |other| other.is_same_as(&bound.contact)).collect();
        let refreshed = !before.is_empty();
        let uri = bound.binding.uri.to_string();
        if let Some(connection) = bound.connection() {
            self.by_connection.entry(connection).or_default().insert(aor.clone());
        }
        record.bound.push(bound);
        self.bindings = self.bindings + 1 - before.len();
        self.events.push_back(RegistrarEvent::Bound { aor: aor.clone(), uri, refreshed });
        self.unlink(aor, &before);
        self.settle(aor);
    }

    fn lapse(&mut self, now: Instant, aor: &K) {
        let grace = self.config.grace;
        self.remove(aor, Unbound::Expired, |bound| bound.expires_at + grace <= now);
    }

    fn remove(&mut self, aor: &K, why: Unbound, gone: impl Fn(&Bound) -> bool) {
        let Some(record) = self.records.get_mut(aor) else { return };
        let removed: Vec<_> = record.bound.extract_if(.., |bound| gone(bound)).collect();
        self.bindings -= removed.len();
        for bound in &removed {
            let uri = bound.binding.uri.to_string();
            self.events.push_back(RegistrarEvent::Unbound { aor: aor.clone(), uri, why });
        }
        self.unlink(aor, &removed);
        self.settle(aor);
    }

    /// After bindings are gone: their connections forget whose they carried, unless they carry others of theirs.
    fn unlink(&mut self, aor: &K, removed: &[Bound]) {
        self.silent -= removed.iter().filter(|bound| bound.silent).count();
        let bound = self.records.get(aor).map_or(&[][..], |record| &record.bound);
        for connection in removed.iter().filter_map(Bound::connection) {
            if !bound.iter().any(|bound| bound.connection() == Some(connection))
                && let Some(aors) = self.by_connection.get_mut(&connection)
                && aors.remove(aor)
                && aors.is_empty()
            {
                self.by_connection.remove(&connection);
            }
        }
    }

    /// After each change to a record: forget it, or note when it is looked at next.
    fn settle(&mut self, aor: &K) {
        let Some(record) = self.records.get_mut(aor) else { return };
        let next = record.bound.iter().map(|bound| bound.expires_at + self.config.grace).min();
        if record.lapses_at != next {
            if let Some(before) = std::mem::replace(&mut record.lapses_at, next) {
                self.lapses.remove(&(before, aor.clone()));
            }
            if let Some(next) = next {
                self.lapses.insert((next, aor.clone()));
            }
        }
        if next.is_none() {
            self.records.remove(aor);
        }
    }
}

impl Registered {
    fn refused(status: u16) -> Self {
        Self { status, headers: Vec::new() }
    }
}

/// Proxies on the way back to a contact.
const PATH_MAX: usize = 8;
/// A contact with everything that is said beside it.
const CONTACT_BYTES_MAX: usize = 1_024;
/// Characters of a phone's name that are kept.
const USER_AGENT_MAX: usize = 128;

#[cfg(test)]
mod tests;
