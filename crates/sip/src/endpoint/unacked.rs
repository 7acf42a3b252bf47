//! Unacked: the dialogs whose ACK is awaited, and how many of them each source has.
//!
//! Such a dialog holds a leg until its 2xx is given up on, 32 s later. One source that never acknowledges may take
//! its share of them and no more, so that it does not take everybody's (RFC 7339 §5.10). A source is an address,
//! not a port: ports cost nothing.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::{DialogId, Flow};

/// As many entries as there are dialogs in it, sources no more than these.
#[derive(Debug, Default)]
pub(super) struct Unacked {
    dialogs: HashMap<DialogId, IpAddr>,
    by_source: HashMap<IpAddr, usize>,
}

impl Unacked {
    /// Notes that this dialog's ACK is awaited. It counts for the source it had at first, wherever it moves.
    pub(super) fn insert(&mut self, id: DialogId, flow: Flow) {
        self.dialogs.entry(id).or_insert_with(|| {
            let source = source_of(flow);
            *self.by_source.entry(source).or_default() += 1;
            source
        });
    }

    /// Its ACK has come, or is awaited no more.
    pub(super) fn remove(&mut self, id: DialogId) {
        let Some(source) = self.dialogs.remove(&id) else { return };
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.dialogs.len()
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
    use crate::Transport;

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
        let mut unacked = Unacked::default();
        unacked.insert(DialogId(1), ana);
        unacked.insert(DialogId(1), ben); // it moved
        unacked.insert(DialogId(2), ana_again);
        assert_eq!((unacked.len(), unacked.of_source(ana), unacked.of_source(ben)), (2, 2, 0));
        unacked.remove(DialogId(1));
        unacked.remove(DialogId(1));
        assert_eq!((unacked.len(), unacked.of_source(ana_again)), (1, 1));
        unacked.remove(DialogId(2));
        assert_eq!((unacked.dialogs.len(), unacked.by_source.len()), (0, 0));
    }
}
