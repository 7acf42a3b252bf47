//! Resolver: where a SIP URI leads (RFC 3263), in which order to try, and who is left out for a while.
//!
//! It asks nobody itself. [`Resolver::targets`] says what it can from what has been learnt, or what must be asked first;
//! whoever has asked calls [`Resolver::learn`], and then `targets` again:
//!
//! `targets ─▶ Ask [NAPTR example.com] ─▶ learn ─▶ targets ─▶ Ask [SRV _sip._udp.…] ─▶ learn ─▶ … ─▶ Targets`
//!
//! So a resolution has no state of its own, and two of the same host share their answers. Addresses and explicit ports
//! need no question about services; an address needs none at all.

mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub use record::{Answered, LookupFailed, Naptr, Query, Records, Srv};

use crate::{Host, SipUri, Transport};
use record::plain;

/// Bounds and habits of a resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverConfig {
    /// What we send by, best liked first. Default UDP, TCP.
    pub transports: Vec<Transport>,
    /// Whether we can send over IPv4, IPv6. Default both.
    pub families: (bool, bool),
    /// An answer is kept at least for so long, whatever it says, lest one resolution ask the same twice. Default 5 s.
    pub ttl_min: Duration,
    /// And at most. Default one hour.
    pub ttl_max: Duration,
    /// Answers kept; past it the oldest go. Default 4,096.
    pub answers_max: usize,
    /// How long a target that failed is tried only after all others. Default 30 s.
    pub shunned: Duration,
}

impl Default for ResolverConfig {
    fn default() -> Self {
        Self {
            transports: vec![Transport::Udp, Transport::Tcp],
            families: (true, true),
            ttl_min: Duration::from_secs(5),
            ttl_max: Duration::from_secs(3_600),
            answers_max: 4_096,
            shunned: Duration::from_secs(30),
        }
    }
}

/// Where to send a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// By what.
    pub transport: Transport,
    /// To whom.
    pub address: SocketAddr,
}

/// How far a resolution has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// Try these one after the other: the next one on a 503, on a failure to connect or when nobody answers (RFC 3263
    /// §4.3). Never empty, at most [`TARGETS_MAX`].
    Targets(Vec<Target>),
    /// Ask these, all at once, and come again.
    Ask(Vec<Query>),
    /// It leads nowhere.
    Nowhere(Unresolved),
}

/// Why a URI leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unresolved {
    /// Its `transport` is none that we send by; so is TLS where it is `sips:`.
    #[error("a transport that we do not have")]
    Transport,
    /// Its host has no address, or none of a family that we have.
    #[error("no address")]
    NoAddress,
    /// The domain says that it offers no SIP.
    #[error("no such service")]
    NoService,
    /// Nobody told us: it may work later.
    #[error(transparent)]
    Lookup(#[from] LookupFailed),
}

/// What has been learnt of the domain name system.
#[derive(Debug)]
pub struct Resolver {
    config: ResolverConfig,
    rng: StdRng,
    /// At most `answers_max`.
    answers: HashMap<Query, Known>,
    /// The same in the order in which they were learnt.
    by_age: BTreeMap<u64, Query>,
    learnt_ever: u64,
    /// Who did not answer lately, until when. At most [`SHUNNED_MAX`].
    shunned: HashMap<Target, Instant>,
}

/// An answer that was learnt.
#[derive(Debug)]
struct Known {
    answer: Result<Records, LookupFailed>,
    until: Instant,
    age: u64,
}

/// One way to a host, before its addresses are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hop {
    transport: Transport,
    host: String,
    port: u16,
    /// Of the SRV record it comes from.
    priority: u16,
    weight: u16,
}

/// Why the answer is not there yet.
enum Pending {
    Ask(Vec<Query>),
    Nowhere(Unresolved),
}

impl From<Unresolved> for Pending {
    fn from(why: Unresolved) -> Self {
        Self::Nowhere(why)
    }
}

impl Resolver {
    /// One that knows nothing yet. The same seed makes the same choices among hosts of one priority.
    pub fn new(config: ResolverConfig, rng_seed: u64) -> Self {
        Self {
            config,
            rng: StdRng::seed_from_u64(rng_seed),
            answers: HashMap::new(),
            by_age: BTreeMap::new(),
            learnt_ever: 0,
            shunned: HashMap::new(),
        }
    }

    /// Where this URI leads: of a request to it, or of the topmost Route.
    pub fn targets(&mut self, now: Instant, uri: &SipUri) -> Resolved {
        self.shunned.retain(|_, until| *until > now);
        let found = self.hops(now, uri).and_then(|groups| self.addresses(now, groups));
        match found {
            Err(Pending::Ask(mut queries)) => {
                queries.sort_unstable();
                queries.dedup();
                Resolved::Ask(queries)
            }
            Err(Pending::Nowhere(why)) => Resolved::Nowhere(why),
            Ok(mut targets) => {
                let mut seen = BTreeSet::new();
                targets.retain(|target| seen.insert(*target));
                targets.sort_by_key(|target| self.shunned.contains_key(target)); // stable: the order holds otherwise
                targets.truncate(TARGETS_MAX);
                Resolved::Targets(targets)
            }
        }
    }

    /// What an [`Ask`](Resolved::Ask) brought. A failure is kept for a moment only.
    pub fn learn(&mut self, now: Instant, query: Query, answer: Result<Answered, LookupFailed>) {
        let (answer, ttl) = match answer {
            Ok(Answered { mut records, ttl }) if query.is_answered_by(&records) => {
                records.truncate(RECORDS_MAX);
                (Ok(records), ttl.min(self.config.ttl_max))
            }
            Ok(Answered { .. }) | Err(LookupFailed) => (Err(LookupFailed), Duration::ZERO),
        };
        let until = now + ttl.max(self.config.ttl_min);
        self.learnt_ever += 1;
        let age = self.learnt_ever;
        if let Some(before) = self.answers.insert(query.clone(), Known { answer, until, age }) {
            self.by_age.remove(&before.age);
        }
        self.by_age.insert(age, query);
        // The oldest goes, not what ends first: or what has just been asked for might go before it is looked at.
        while self.answers.len() > self.config.answers_max
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.answers.remove(&oldest);
        }
    }

    /// A target answered 503 or not at all: for a while it is the last one tried.
    pub fn failed(&mut self, now: Instant, target: Target, retry_after: Option<Duration>) {
        self.shunned.retain(|_, until| *until > now);
        if self.shunned.len() < SHUNNED_MAX {
            self.shunned.insert(target, now + retry_after.unwrap_or(self.config.shunned).min(SHUNNED_LONGEST));
        }
    }

    /// Which hosts to ask, by which transport, in groups of decreasing preference.
    fn hops(&self, now: Instant, uri: &SipUri) -> Result<Vec<Vec<Hop>>, Pending> {
        // TLS follows; until then whoever wants it cannot be reached.
        if uri.secure {
            return Err(Unresolved::Transport.into());
        }
        let asked = uri.transport().map(|name| self.transport_named(name).ok_or(Unresolved::Transport)).transpose()?;
        // `maddr` stands in for the host (RFC 3261 §19.1.1).
        let host = match uri.params.get("maddr") {
            Some(maddr) => maddr.parse().map_err(|_| Unresolved::NoAddress)?,
            None => uri.host.clone(),
        };
        let default = self.config.transports.first().copied().ok_or(Unresolved::Transport)?;
        let name = match &host {
            Host::Name(name) => plain(name),
            Host::V4(_) | Host::V6(_) => host.to_string(),
        };
        let direct = |transport: Transport, host: String| {
            vec![Hop { transport, host, port: uri.port.unwrap_or(PORT), priority: 0, weight: 0 }]
        };
        // Numeric, or with a port: nothing to choose (§4.1, §4.2).
        if uri.port.is_some() || host.ip().is_some() {
            return Ok(vec![direct(asked.unwrap_or(default), name)]);
        }
        if let Some(transport) = asked {
            let hops = self.srv(now, &service(transport, &name), transport)?;
            return Ok(vec![if hops.is_empty() { direct(transport, name) } else { hops }]);
        }
        let mut naptrs: Vec<(Transport, &Naptr)> = match self.known(now, &Query::Naptr(name.clone())) {
            Ok(Records::Naptr(records)) => {
                records.iter().filter_map(|record| Some((self.naptr_transport(record)?, record))).collect()
            }
            Err(pending @ Pending::Ask(_)) => return Err(pending),
            // Many a name server chokes on what it does not know: as if there were none.
            Ok(_) | Err(Pending::Nowhere(_)) => Vec::new(),
        };
        naptrs.sort_by_key(|(_, record)| (record.order, record.preference));
        let mut groups = Vec::new();
        let mut asks = Vec::new();
        let mut nowhere = None;
        // No NAPTR: what we have, as we like it (§4.1).
        let services: Vec<(Transport, String)> = if naptrs.is_empty() {
            self.config.transports.iter().map(|transport| (*transport, service(*transport, &name))).collect()
        } else {
            let of = |(transport, record): &(Transport, &Naptr)| (*transport, plain(&record.replacement));
            naptrs.iter().filter(|(_, record)| record.flags.eq_ignore_ascii_case("s")).map(of).collect()
        };
        for (transport, name) in services {
            match self.srv(now, &name, transport) {
                Ok(hops) if hops.is_empty() => {}
                Ok(hops) => groups.push(hops),
                Err(Pending::Ask(queries)) => asks.extend(queries),
                // What one service lacks another may have.
                Err(Pending::Nowhere(why)) => nowhere = Some(why),
            }
        }
        if !asks.is_empty() {
            return Err(Pending::Ask(asks));
        }
        match nowhere {
            Some(why) if groups.is_empty() => return Err(why.into()),
            None if groups.is_empty() => groups.push(direct(default, name)),
            _ => {}
        }
        Ok(groups)
    }

    /// The hosts of a service; none if it has no records, or nobody tells us: the host's own addresses may do then.
    fn srv(&self, now: Instant, name: &str, transport: Transport) -> Result<Vec<Hop>, Pending> {
        let records = match self.known(now, &Query::Srv(name.to_owned())) {
            Ok(Records::Srv(records)) => records,
            Err(pending @ Pending::Ask(_)) => return Err(pending),
            Ok(_) | Err(Pending::Nowhere(_)) => return Ok(Vec::new()),
        };
        if let [Srv { target, .. }] = records.as_slice()
            && plain(target).is_empty()
        {
            return Err(Unresolved::NoService.into());
        }
        let hop = |record: &Srv| {
            let Srv { priority, weight, port, ref target } = *record;
            Hop { transport, host: plain(target), port, priority, weight }
        };
        Ok(records.iter().filter(|record| !plain(&record.target).is_empty()).map(hop).collect())
    }

    /// The addresses of all hosts, in the order in which they are to be tried.
    fn addresses(&mut self, now: Instant, groups: Vec<Vec<Hop>>) -> Result<Vec<Target>, Pending> {
        let mut asks = Vec::new();
        let mut failed = None;
        let mut found: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for hop in groups.iter().flatten() {
            match self.addresses_of(now, &hop.host) {
                Ok(addresses) => {
                    found.insert(hop.host.clone(), addresses);
                }
                Err(Pending::Ask(queries)) => asks.extend(queries),
                // Another host may do.
                Err(Pending::Nowhere(why)) => failed = Some(why),
            }
        }
        if !asks.is_empty() {
            return Err(Pending::Ask(asks));
        }
        let mut targets = Vec::new();
        for hop in groups.into_iter().flat_map(|group| self.ordered(group)) {
            for address in found.get(&hop.host).into_iter().flatten() {
                targets.push(Target { transport: hop.transport, address: SocketAddr::new(*address, hop.port) });
            }
        }
        if targets.is_empty() { Err(failed.unwrap_or(Unresolved::NoAddress).into()) } else { Ok(targets) }
    }

    fn addresses_of(&self, now: Instant, host: &str) -> Result<Vec<IpAddr>, Pending> {
        let (v4, v6) = self.config.families;
        let ours = |address: &IpAddr| if address.is_ipv4() { v4 } else { v6 };
        if let Some(address) = host.parse::<Host>().ok().and_then(|host| host.ip()) {
            return Ok(Some(address).filter(ours).into_iter().collect());
        }
        let queries = [v4.then(|| Query::A(host.to_owned())), v6.then(|| Query::Aaaa(host.to_owned()))];
        let answers: Vec<_> = queries.iter().flatten().map(|query| self.known(now, query)).collect();
        let asks = answers.iter().filter_map(|answer| match answer {
            Err(Pending::Ask(queries)) => Some(queries.clone()),
            _ => None,
        });
        let asks: Vec<_> = asks.flatten().collect();
        if !asks.is_empty() {
            return Err(Pending::Ask(asks));
        }
        let mut addresses = Vec::new();
        let mut failed = None;
        for answer in answers {
            match answer {
                Ok(Records::A(records)) => addresses.extend(records.iter().copied().map(IpAddr::V4)),
                Ok(Records::Aaaa(records)) => addresses.extend(records.iter().copied().map(IpAddr::V6)),
                Ok(_) => {}
                Err(why) => failed = Some(why),
            }
        }
        match failed {
            Some(why) if addresses.is_empty() => Err(why),
            _ => Ok(addresses),
        }
    }

    /// Those of one priority by lot, each by its weight, lower priorities first (RFC 2782).
    fn ordered(&mut self, mut hops: Vec<Hop>) -> Vec<Hop> {
        // Weightless ones first, so that they too have a small chance.
        hops.sort_by_key(|hop| (hop.priority, hop.weight));
        let mut ordered = Vec::with_capacity(hops.len());
        while let Some(first) = hops.first() {
            let priority = first.priority;
            let same = hops.iter().take_while(|hop| hop.priority == priority);
            let sum: u32 = same.clone().map(|hop| u32::from(hop.weight)).sum();
            let lot = self.rng.random_range(0..=sum);
            let reached = same.scan(0, |sum, hop| {
                *sum += u32::from(hop.weight);
                Some(*sum)
            });
            let at = reached.take_while(|sum| *sum < lot).count();
            ordered.push(hops.remove(at));
        }
        ordered
    }

    fn known(&self, now: Instant, query: &Query) -> Result<&Records, Pending> {
        match self.answers.get(query) {
            Some(Known { answer: Ok(records), until, .. }) if *until > now => Ok(records),
            Some(Known { answer: Err(failed), until, .. }) if *until > now => Err(Unresolved::Lookup(*failed).into()),
            _ => Err(Pending::Ask(vec![query.clone()])),
        }
    }

    fn transport_named(&self, name: &str) -> Option<Transport> {
        self.config.transports.iter().copied().find(|transport| transport.via().eq_ignore_ascii_case(name))
    }

    fn naptr_transport(&self, record: &Naptr) -> Option<Transport> {
        let transport = match record.service.to_ascii_uppercase().as_str() {
            "SIP+D2U" => Transport::Udp,
            "SIP+D2T" => Transport::Tcp,
            _ => return None,
        };
        self.config.transports.contains(&transport).then_some(transport)
    }
}

/// The name of the SRV records of SIP over a transport.
fn service(transport: Transport, name: &str) -> String {
    let protocol = match transport {
        Transport::Udp => "_udp",
        Transport::Tcp => "_tcp",
    };
    format!("_sip.{protocol}.{name}")
}

/// Most targets of one URI that are worth trying.
pub const TARGETS_MAX: usize = 32;
/// Records of one answer that are read.
const RECORDS_MAX: usize = 64;
/// Targets shunned at once; past it none is added.
const SHUNNED_MAX: usize = 1_024;
/// A `Retry-After` beyond this is not believed.
const SHUNNED_LONGEST: Duration = Duration::from_secs(600);
/// SIP over UDP and TCP.
const PORT: u16 = 5060;

#[cfg(test)]
mod tests;
