//! Lookups: names of hosts and services that calls wait for (RFC 3263).
//!
//! [`Lookups::targets`] says where a URI leads if that is known; if not, it asks ([`Effect::Lookup`]), and whoever waits
//! comes again when [`Event::LookedUp`](crate::Event::LookedUp) has been taken in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use model::CallSid;
use sip::{Answered, LookupFailed, Query, Resolved, Resolver, ResolverConfig, SearchId, SipUri, Target, Unresolved};

use crate::effect::Effect;

/// What is known of the domain name system, and what has been asked of it.
#[derive(Debug)]
pub struct Lookups {
    resolver: Resolver,
    /// Asked and not answered. At most [`UNDER_WAY_MAX`].
    under_way: BTreeSet<Query>,
    /// Who waits, by each of the questions they wait for.
    waiting: BTreeMap<Query, BTreeSet<Waiter>>,
    /// The same by waiter. No more than there are calls and searches, each with a few questions.
    waits_for: BTreeMap<Waiter, Vec<Query>>,
}

/// Who waits to be told where something leads, or for a stream to be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Waiter {
    /// A call of ours that is to be made.
    Call(CallSid),
    /// A call whose peer is to be found again.
    Search(SearchId),
}

/// Where a URI leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Led {
    /// There, best first.
    To(Vec<Target>),
    /// Nowhere.
    Nowhere(Unresolved),
    /// These have been asked: come again when one of them is answered.
    Asked(Vec<Query>),
}

impl Lookups {
    /// Nothing is known. `seed` decides among hosts of one priority.
    pub fn new(config: ResolverConfig, seed: u64) -> Self {
        Self {
            resolver: Resolver::new(config, seed),
            under_way: BTreeSet::new(),
            waiting: BTreeMap::new(),
            waits_for: BTreeMap::new(),
        }
    }

    /// Where a URI leads.
    pub fn targets(&mut self, now: Instant, uri: &SipUri, effects: &mut Vec<Effect>) -> Led {
        match self.resolver.targets(now, uri) {
            Resolved::Targets(targets) => Led::To(targets),
            Resolved::Nowhere(why) => Led::Nowhere(why),
            Resolved::Ask(queries) => {
                let fresh: Vec<_> = queries.iter().filter(|query| !self.under_way.contains(query)).cloned().collect();
                if self.under_way.len() + fresh.len() > UNDER_WAY_MAX {
                    return Led::Nowhere(Unresolved::Lookup(LookupFailed));
                }
                for query in fresh {
                    self.under_way.insert(query.clone());
                    effects.push(Effect::Lookup(query));
                }
                Led::Asked(queries)
            }
        }
    }

    /// Somebody waits until one of these is answered.
    pub(crate) fn wait(&mut self, waiter: Waiter, queries: Vec<Query>) {
        self.forget(waiter);
        for query in &queries {
            self.waiting.entry(query.clone()).or_default().insert(waiter);
        }
        self.waits_for.insert(waiter, queries);
    }

    /// Who waited for this, and does so no more.
    pub(crate) fn wake(&mut self, query: &Query) -> Vec<Waiter> {
        let woken: Vec<_> = self.waiting.get(query).into_iter().flatten().copied().collect();
        woken.iter().for_each(|waiter| self.forget(*waiter));
        woken
    }

    /// Somebody waits for nothing any more.
    pub(crate) fn forget(&mut self, waiter: Waiter) {
        for query in self.waits_for.remove(&waiter).unwrap_or_default() {
            if let Some(waiting) = self.waiting.get_mut(&query) {
                waiting.remove(&waiter);
                if waiting.is_empty() {
                    self.waiting.remove(&query);
                }
            }
        }
    }

    /// What a lookup brought.
    pub fn looked_up(&mut self, now: Instant, query: Query, answer: Result<Answered, LookupFailed>) {
        self.under_way.remove(&query);
        self.resolver.learn(now, query, answer);
    }

    /// A target answered 503 or not at all: for a while it is the last one tried.
    pub fn failed(&mut self, now: Instant, target: Target, retry_after: Option<Duration>) {
        self.resolver.failed(now, target, retry_after);
    }
}

/// Questions under way; past it whatever needs another one leads nowhere for now.
const UNDER_WAY_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use sip::{Records, Transport};

    use super::*;

    fn uri(text: &str) -> SipUri {
        let uri: sip::Uri = text.parse().expect("a URI");
        uri.sip().expect("a SIP URI").clone()
    }

    #[test]
    fn what_two_wait_for_is_asked_once() {
        let now = Instant::now();
        let mut lookups = Lookups::new(ResolverConfig::default(), 1);
        let mut effects = Vec::new();
        let desk = uri("sip:ana@desk.test:5080");
        let (a, aaaa) = (Query::A("desk.test".to_owned()), Query::Aaaa("desk.test".to_owned()));
        for _ in 0..2 {
            assert_eq!(lookups.targets(now, &desk, &mut effects), Led::Asked(vec![a.clone(), aaaa.clone()]));
        }
        let mut asked = effects.drain(..).map(|effect| match effect {
            Effect::Lookup(query) => query,
            other => panic!("not a lookup: {other:?}"),
        });
        assert_eq!((asked.next(), asked.next(), asked.next()), (Some(a.clone()), Some(aaaa.clone()), None));
        drop(asked);
        let found = Records::A(vec![[192, 0, 2, 9].into()]);
        lookups.looked_up(now, a, Ok(Answered { records: found, ttl: Duration::from_secs(60) }));
        assert_eq!(lookups.targets(now, &desk, &mut effects), Led::Asked(vec![aaaa.clone()]), "half of it");
        assert!(effects.is_empty(), "the other half is under way");
        lookups.looked_up(now, aaaa, Err(LookupFailed));
        let target = Target { transport: Transport::Udp, address: ([192, 0, 2, 9], 5080).into() };
        assert_eq!(lookups.targets(now, &desk, &mut effects), Led::To(vec![target]));
    }

    #[test]
    fn questions_under_way_are_bounded() {
        let now = Instant::now();
        let mut lookups = Lookups::new(ResolverConfig::default(), 1);
        let mut effects = Vec::new();
        let refused = |outcome| matches!(outcome, Led::Nowhere(Unresolved::Lookup(LookupFailed)));
        for number in 0..UNDER_WAY_MAX / 2 {
            let led = lookups.targets(now, &uri(&format!("sip:h{number}.test:5060")), &mut effects);
            assert!(matches!(led, Led::Asked(queries) if queries.len() == 2), "host {number}");
        }
        assert!(refused(lookups.targets(now, &uri("sip:more.test:5060"), &mut effects)));
        assert_eq!(effects.len(), UNDER_WAY_MAX);
    }

    #[test]
    fn only_those_who_wait_for_an_answer_are_woken_and_once() {
        let mut lookups = Lookups::new(ResolverConfig::default(), 1);
        let [ana, ben] = [1, 2].map(|bits| Waiter::Call(CallSid::from_bits(bits)));
        let cho = Waiter::Search(SearchId(2));
        let [a, b, c] = ["a", "b", "c"].map(|name| Query::A(name.to_owned()));
        lookups.wait(ana, vec![a.clone(), b.clone()]);
        lookups.wait(ben, vec![b.clone()]);
        lookups.wait(cho, vec![b.clone(), c.clone()]);
        lookups.forget(cho);
        assert_eq!(lookups.wake(&a), [ana]);
        assert_eq!(lookups.wake(&b), [ben], "the other has been woken, or has gone");
        lookups.wait(ana, vec![b.clone()]);
        lookups.wait(ana, vec![c.clone()]);
        assert_eq!((lookups.wake(&b), lookups.wake(&c)), (vec![], vec![ana]));
        assert!(lookups.waiting.is_empty() && lookups.waits_for.is_empty());
    }
}
