//! Qualifying: whether registered phones are there, by OPTIONS now and then. It keeps their NATs open, too.
//!
//! A phone that does not answer is rung no more, but it stays registered and is asked on: when it answers again, or
//! registers, it is back. Any answer will do. A phone behind a proxy or under a name is not asked: whoever stands
//! between us would answer for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use sip::{Binding, Flow, PingId, Uri};
use tracing::{debug, info};

use super::{Aor, Registrations};
use crate::board::Board;
use crate::reach::flow_to;
use crate::turn::Turn;

/// Phones that are being asked at once. Each that is not there takes 32 s, each that is a round trip.
const ASKED_AT_ONCE_MAX: usize = 1_024;
/// How much later a phone is asked for which there was no room.
const NO_ROOM_PAUSE: Duration = Duration::from_secs(1);
/// How soon after a restart the first phones are asked, all of them within an interval.
const SOON: Duration = Duration::from_secs(1);

/// Who is asked when, and who is being asked.
#[derive(Debug, Default)]
pub(crate) struct Qualifying {
    due: BTreeSet<(Instant, Aor)>,
    /// The same by user: everybody who is registered, if phones are asked at all.
    due_at: HashMap<Aor, Instant>,
    /// At most [`ASKED_AT_ONCE_MAX`], and as many more as one user has contacts.
    asked: BTreeMap<PingId, (Aor, Binding)>,
}

impl Qualifying {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    fn ask_at(&mut self, at: Instant, aor: Aor) {
        self.forget(&aor);
        self.due.insert((at, aor.clone()));
        self.due_at.insert(aor, at);
    }

    fn forget(&mut self, aor: &Aor) {
        if let Some(at) = self.due_at.remove(aor) {
            self.due.remove(&(at, aor.clone()));
        }
    }

    fn take_due(&mut self, now: Instant) -> Option<Aor> {
        let (_, aor) = self.due.first().filter(|(at, _)| *at <= now)?.clone();
        self.forget(&aor);
        Some(aor)
    }
}

impl Registrations {
    /// Everybody who has begun or ceased to be registered. Called with what has changed before that is saved.
    pub(crate) fn plan_qualifying(&mut self, now: Instant, every: Option<Duration>) {
        let Some(every) = every else { return };
        let fresh: Vec<_> =
            self.keeping.changed.iter().filter(|aor| !self.qualifying.due_at.contains_key(*aor)).collect();
        // Those that come one by one are asked an interval later, those of a restart spread over one.
        let (restored, all) = (self.qualifying.due_at.is_empty() && fresh.len() > 1, fresh.len().max(1));
        let fresh: Vec<Aor> = fresh.into_iter().filter(|aor| self.registrar.knows(aor)).cloned().collect();
        for (place, aor) in (0_u32..).zip(fresh) {
            let share = every * place / u32::try_from(all).unwrap_or(u32::MAX);
            self.qualifying.ask_at(now + if restored { SOON + share } else { every }, aor);
        }
        for aor in &self.keeping.changed {
            if !self.registrar.knows(aor) {
                self.qualifying.forget(aor);
            }
        }
    }
}

impl Board {
    /// Asks those whose time it is.
    pub(crate) fn qualify(&mut self, turn: &Turn) {
        let Some(every) = turn.config.qualify else { return };
        let now = turn.now.instant;
        while let Some(aor) = self.registrations.qualifying.take_due(now) {
            if self.registrations.qualifying.asked.len() >= ASKED_AT_ONCE_MAX {
                self.registrations.qualifying.ask_at(now + NO_ROOM_PAUSE, aor);
                continue;
            }
            for (binding, _) in self.registrations.registrar.bound(&aor) {
                let flow =
                    binding.flow.or_else(|| flow_to(turn.config, &binding.uri).filter(|_| binding.path.is_empty()));
                if let Some(flow) = flow {
                    self.ask_phone(&aor, binding, flow, now);
                }
            }
            self.registrations.qualifying.ask_at(now + every, aor);
        }
    }

    fn ask_phone(&mut self, aor: &Aor, binding: Binding, flow: Flow, now: Instant) {
        // Who has not answered yet is not asked again.
        let is_asked =
            |(who, what): &(Aor, Binding)| who == aor && what.uri == binding.uri && what.flow == binding.flow;
        if !self.registrations.qualifying.asked.values().any(is_asked) {
            let ping = self.endpoint.options(now, flow, Uri::Sip(binding.uri.clone()));
            self.registrations.qualifying.asked.insert(ping, (aor.clone(), binding));
        }
    }

    /// A phone has answered our OPTIONS, or has not. False: it was no phone that was asked.
    pub(crate) fn phone_pinged(&mut self, ping: PingId, status: Option<u16>) -> bool {
        let Some((aor, binding)) = self.registrations.qualifying.asked.remove(&ping) else { return false };
        let is_news = self.registrations.registrar.heard(&aor, &binding, status.is_some());
        let (domain, user) = aor;
        match (is_news, status) {
            (Some(true), Some(status)) => {
                info!(%domain, user, contact = %binding.uri, status, "the phone answers again")
            }
            (Some(true), None) => info!(%domain, user, contact = %binding.uri, "the phone does not answer"),
            _ => debug!(%domain, user, contact = %binding.uri, ?status, "asked"),
        }
        true
    }
}
