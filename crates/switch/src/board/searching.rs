//! Calls whose stream is gone, and whose phone says by a name where it is reached: its BYE, its session refresh, its
//! transfer wait until the name is looked up and a stream is open (RFC 3263 §4). Nothing else waits meanwhile.

use std::collections::VecDeque;
use std::net::SocketAddr;

use sip::{Flow, SearchId, SipUri, Transport};
use tracing::debug;

use super::Board;
use crate::lookup::{Led, Waiter};
use crate::turn::Turn;

/// A peer that is looked for.
#[derive(Debug)]
pub(super) struct Search {
    hop: SipUri,
    /// Where it may be, once that is known: to be tried one after the other.
    addresses: Option<VecDeque<SocketAddr>>,
}

/// Searches at once; one more finds nobody. The endpoint waits for fewer, but gives up earlier.
const SEARCHES_MAX: usize = 2_048;

impl Board {
    /// The endpoint wants a stream to wherever this leads.
    pub(crate) fn search(&mut self, search: SearchId, hop: SipUri, turn: &mut Turn) {
        if self.searches.len() >= SEARCHES_MAX {
            return self.endpoint.found(turn.now.instant, search, None);
        }
        self.searches.insert(search, Search { hop, addresses: None });
        self.seek(search, turn);
    }

    /// Goes on with a search: the next address is tried, or its name is asked for.
    pub(super) fn seek(&mut self, id: SearchId, turn: &mut Turn) {
        let Some(search) = self.searches.get_mut(&id) else { return };
        if search.addresses.is_none() {
            match self.lookups.targets(turn.now.instant, &search.hop, turn.effects) {
                Led::To(targets) => {
                    let by_stream = targets.into_iter().filter(|target| target.transport == Transport::Tcp);
                    search.addresses = Some(by_stream.map(|target| target.address).collect());
                }
                Led::Asked(queries) => return self.lookups.wait(Waiter::Search(id), queries),
                Led::Nowhere(why) => {
                    debug!(host = ?search.hop.host, %why, "the phone is not found again");
                    return self.search_over(id, None, turn);
                }
            }
        }
        let Some(remote) = search.addresses.as_mut().and_then(VecDeque::pop_front) else {
            return self.search_over(id, None, turn);
        };
        if let Some(flow) = self.streams_out.get(&remote).copied() {
            self.search_over(id, Some(flow), turn);
        } else if self.begin_connecting(remote, turn) {
            self.connecting.entry(remote).or_default().push(Waiter::Search(id));
        } else {
            self.search_over(id, None, turn);
        }
    }

    /// A stream for a search is open, or there is nobody at that address.
    pub(super) fn search_connected(&mut self, id: SearchId, flow: Option<Flow>, turn: &mut Turn) {
        match flow {
            Some(_) => self.search_over(id, flow, turn),
            None => self.seek(id, turn),
        }
    }

    fn search_over(&mut self, id: SearchId, flow: Option<Flow>, turn: &mut Turn) {
        self.searches.remove(&id);
        self.endpoint.found(turn.now.instant, id, flow);
    }
}
