//! Shares: what of a table each source takes up.
//!
//! A dialog whose ACK is awaited holds a leg until its 2xx is given up on, 32 s later; a refusal nobody acknowledges, or
//! the answer to a stray question, is remembered as long for copies of what it answers. One source may take its share of
//! them and no more, so that it does not take everybody's (RFC 7339 §5.10). A source is an address, not a port: ports
//! cost nothing.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use crate::Flow;

/// As many entries as there are things in it, sources no more than these.
#[derive(Debug)]
pub(super) struct Shares<K> {
    taken: HashMap<K, IpAddr>,
    by_source: HashMap<IpAddr, usize>,
}

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Self { taken: HashMap::new(), by_source: HashMap::new() }
    }
}

impl<K: Copy + Eq + Hash> Shares<K> {
    /// Notes that there is one more. It counts for the source it had at first, wherever it moves.
    pub(super) fn insert(&mut self, id: K, flow: Flow) {
        self.taken.entry(id).or_insert_with(|| {
            let source = source_of(flow);
            *self.by_source.entry(source).or_default() += 1;
            source
        });
    }

    /// It is one less, if it was one.
    pub(super) fn remove(&mut self, id: K) {
        let Some(source) = self.taken.remove(&id) else { return };
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }

    /// How many of them this flow's source has.
    pub(super) fn of_source(&self, flow: Flow) -> usize {
        self.by_source.get(&source_of(flow)).copied().unwrap_or(0)
    }
}

fn source_of(flow: Flow) -> IpAddr {
    flow.remote.ip().to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DialogId, Transport};

    #[test]
    fn each_source_is_counted_and_forgotten() {
        let flow = |remote: &str| Flow {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().expect("an address"),
            remote: remote.parse().expect("an address"),
            connection: None,
        };
        let (ana, ana_again, ben) =
            (flow("192.0.2.10:5060"), flow("[::ffff:192.0.2.10]:7000"), flow("192.0.2.11:5060"));
        let mut shares = Shares::default();
        shares.insert(DialogId(1), ana);
        shares.insert(DialogId(1), ben); // it moved
        shares.insert(DialogId(2), ana_again);
        assert_eq!((shares.len(), shares.of_source(ana), shares.of_source(ben)), (2, 2, 0));
        shares.remove(DialogId(1));
        shares.remove(DialogId(1));
        assert_eq!((shares.len(), shares.of_source(ana_again)), (1, 1));
        shares.remove(DialogId(2));
        assert_eq!((shares.taken.len(), shares.by_source.len()), (0, 0));
    }
}
