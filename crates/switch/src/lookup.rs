//! Lookups: names of hosts and services that calls out wait for (RFC 3263).
//!
//! [`Lookups::targets`] says where a URI leads if that is known; if not, it asks ([`Effect::Lookup`]), and whoever waits
//! comes again when [`Event::LookedUp`](crate::Event::LookedUp) has been taken in.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sip::{Answered, LookupFailed, Query, Resolved, Resolver, ResolverConfig, SipUri, Target, Unresolved};

use crate::effect::Effect;

/// What is known of the domain name system, and what has been asked of it.
#[derive(Debug)]
pub struct Lookups {
    resolver: Resolver,
    /// Asked and not answered. At most [`UNDER_WAY_MAX`].
    under_way: BTreeSet<Query>,
}

impl Lookups {
    /// Nothing is known. `seed` decides among hosts of one priority.
    pub fn new(config: ResolverConfig, seed: u64) -> Self {
        Self { resolver: Resolver::new(config, seed), under_way: BTreeSet::new() }
    }

    /// Where a URI leads, best first; `None`: it has been asked, come again.
    pub fn targets(
        &mut self,
        now: Instant,
        uri: &SipUri,
        effects: &mut Vec<Effect>,
    ) -> Option<Result<Vec<Target>, Unresolved>> {
        match self.resolver.targets(now, uri) {
            Resolved::Targets(targets) => Some(Ok(targets)),
            Resolved::Nowhere(why) => Some(Err(why)),
            Resolved::Ask(queries) => {
                let fresh: Vec<_> = queries.into_iter().filter(|query| !self.under_way.contains(query)).collect();
                if self.under_way.len() + fresh.len() > UNDER_WAY_MAX {
                    return Some(Err(Unresolved::Lookup(LookupFailed)));
                }
                for query in fresh {
                    self.under_way.insert(query.clone());
                    effects.push(Effect::Lookup(query));
                }
                None
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
        for _ in 0..2 {
            assert_eq!(lookups.targets(now, &desk, &mut effects), None);
        }
        let mut asked = effects.drain(..).map(|effect| match effect {
            Effect::Lookup(query) => query,
            other => panic!("not a lookup: {other:?}"),
        });
        let (a, aaaa) = (Query::A("desk.test".to_owned()), Query::Aaaa("desk.test".to_owned()));
        assert_eq!((asked.next(), asked.next(), asked.next()), (Some(a.clone()), Some(aaaa.clone()), None));
        drop(asked);
        let found = Records::A(vec![[192, 0, 2, 9].into()]);
        lookups.looked_up(now, a, Ok(Answered { records: found, ttl: Duration::from_secs(60) }));
        assert_eq!(lookups.targets(now, &desk, &mut effects), None, "half of it");
        assert!(effects.is_empty(), "the other half is under way");
        lookups.looked_up(now, aaaa, Err(LookupFailed));
        let target = Target { transport: Transport::Udp, address: ([192, 0, 2, 9], 5080).into() };
        assert_eq!(lookups.targets(now, &desk, &mut effects), Some(Ok(vec![target])));
    }

    #[test]
    fn questions_under_way_are_bounded() {
        let now = Instant::now();
        let mut lookups = Lookups::new(ResolverConfig::default(), 1);
        let mut effects = Vec::new();
        let refused = |outcome: Option<Result<Vec<Target>, Unresolved>>| {
            matches!(outcome, Some(Err(Unresolved::Lookup(LookupFailed))))
        };
        for number in 0..UNDER_WAY_MAX / 2 {
            assert_eq!(lookups.targets(now, &uri(&format!("sip:h{number}.test:5060")), &mut effects), None);
        }
        assert!(refused(lookups.targets(now, &uri("sip:more.test:5060"), &mut effects)));
        assert_eq!(effects.len(), UNDER_WAY_MAX);
    }
}
