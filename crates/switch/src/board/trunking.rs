//! Whether carriers are there: OPTIONS to each trunk, now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use sip::{PingId, Target, Transport, Uri};
use tracing::{info, warn};

use super::Board;
use crate::lookup::Led;
use crate::reach::flow_towards;
use crate::timers::Timer;
use crate::turn::Turn;

/// How soon a trunk is asked again whose name was still being looked up.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is known of the trunks.
#[derive(Debug, Default)]
pub(crate) struct Trunks {
    begun: bool,
    pings: BTreeMap<PingId, (usize, Target)>,
    /// Those that did not answer when they were last asked.
    pub(crate) silent: BTreeMap<usize, u32>,
}

impl Board {
    /// Asks every trunk for the first time that wants to be asked.
    pub(crate) fn begin_keep_alive(&mut self, turn: &mut Turn) {
        if !std::mem::replace(&mut self.trunks.begun, true) {
            for (at, _) in turn.config.trunks.iter().enumerate().filter(|(_, trunk)| trunk.keep_alive.is_some()) {
                self.ping_trunk(at, turn);
            }
        }
    }

    pub(super) fn ping_trunk(&mut self, at: usize, turn: &mut Turn) {
        let Some((trunk, every)) = turn.config.trunks.get(at).and_then(|trunk| Some((trunk, trunk.keep_alive?))) else {
            return;
        };
        let mut again = every;
        for uri in &trunk.uris {
            match self.lookups.targets(turn.now.instant, uri, turn.effects) {
                Led::Asked(_) => again = LOOK_AGAIN.min(every),
                Led::Nowhere(why) => warn!(trunk = trunk.name, %why, "the trunk leads nowhere"),
                Led::To(targets) => {
                    for target in targets.into_iter().filter(|target| target.transport == Transport::Udp) {
                        let Some(flow) = flow_towards(turn.config, target.address) else { continue };
                        let ping = self.endpoint.options(turn.now.instant, flow, Uri::Sip(uri.clone()));
                        self.trunks.pings.insert(ping, (at, target));
                    }
                }
            }
        }
        turn.timers.set(turn.now.instant + again, Timer::Trunk(at));
    }

    /// A trunk has answered our OPTIONS, or has not: then it is tried last for a while.
    pub(super) fn pinged(&mut self, ping: PingId, status: Option<u16>, turn: &mut Turn) {
        if self.phone_pinged(ping, status) {
            return;
        }
        let Some((at, target)) = self.trunks.pings.remove(&ping) else { return };
        let name = turn.config.trunks.get(at).map(|trunk| trunk.name.as_str()).unwrap_or_default();
        let was_silent = self.trunks.silent.remove(&at);
        match status {
            Some(503) | None => {
                let times = was_silent.unwrap_or(0) + 1;
                self.trunks.silent.insert(at, times);
                self.lookups.failed(turn.now.instant, target, None);
                if was_silent.is_none() {
                    warn!(trunk = name, address = %target.address, ?status, "the trunk does not answer");
                }
            }
            Some(status) if was_silent.is_some() => info!(trunk = name, status, "the trunk answers again"),
            Some(_) => {}
        }
    }
}
