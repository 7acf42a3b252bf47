//! Keeping: registrations outlive a restart, unless they hang on a connection.
//!
//! What a user's contacts have become is saved at the end of the event that changed them, all of them at once. A refresh
//! that only lets one live a little longer is not worth a write: so a phone costs one in [`SAVED_AGAIN_AFTER`] at most,
//! however often it registers.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use model::Registration;
use sip::{Flow, StoredBinding, Transport};
use tracing::info;

use super::{Aor, Registrations, proof};
use crate::directory::Directory;
use crate::effect::{Effect, Row};
use crate::turn::Now;

/// How much longer, or shorter, a contact must have become good for to be saved for that alone. By so much a restart
/// may forget a phone too early; the shortest registration is as long.
const SAVED_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What is saved of whom.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// Whose contacts are perhaps not as they were saved.
    pub(super) changed: BTreeSet<Aor>,
    /// Of everybody who has any: what tells their contacts from others, and until when they are good.
    saved: HashMap<Aor, Vec<(u64, Instant)>>,
}

impl Registrations {
    /// Saves what has changed since the last time.
    pub(crate) fn save(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for aor in std::mem::take(&mut self.keeping.changed) {
            let stored = self.registrar.export(now.instant, &aor);
            let contacts = marks(now.instant, &stored);
            if is_as_saved(&contacts, self.keeping.saved.get(&aor).map_or(&[], Vec::as_slice)) {
                continue;
            }
            let rows = stored.into_iter().map(|binding| row(now, &aor, binding)).collect();
            effects.push(Effect::Save(Row::Registrations(aor.0, aor.1.clone(), rows)));
            match contacts.is_empty() {
                true => self.keeping.saved.remove(&aor),
                false => self.keeping.saved.insert(aor, contacts),
            };
        }
    }

    /// Takes back what was saved before a restart: as far as it is still good, and its owner may still register.
    /// `reachable` says by which datagrams a phone is reached now that was reached by these.
    pub(crate) fn restore(
        &mut self,
        now: Now,
        directory: &Directory,
        rows: Vec<Registration>,
        reachable: impl Fn(Flow) -> Option<Flow>,
    ) {
        for row in rows {
            let aor = (row.domain_sid, row.user.clone());
            let is_good = row.expires > now.wall;
            let binding = binding(now, row, &reachable);
            self.keeping
                .saved
                .entry(aor.clone())
                .or_default()
                .extend(marks(now.instant, std::slice::from_ref(&binding)));
            self.keeping.changed.insert(aor.clone());
            if let Some(proof) = proof(directory, &aor).filter(|_| is_good) {
                self.registrar.import(now.instant, &aor, binding);
                self.proofs.insert(aor, proof);
            }
        }
        for contacts in self.keeping.saved.values_mut() {
            contacts.sort_unstable();
        }
        // Nothing of that happens now.
        while self.registrar.poll().is_some() {}
        if !self.registrar.is_empty() {
            info!(phones = self.registrar.len(), "registered since before the restart");
        }
    }
}

fn row(now: Now, (domain, user): &Aor, binding: StoredBinding) -> Registration {
    let StoredBinding { contact, flow, path, q, call_id, cseq, user_agent, expires_in } = binding;
    Registration {
        domain_sid: *domain,
        user: user.clone(),
        contact,
        flow: flow.map(|flow| (flow.local, flow.remote)),
        path,
        q,
        call_id,
        cseq,
        user_agent,
        expires: now.wall + expires_in,
    }
}

fn binding(now: Now, row: Registration, reachable: impl Fn(Flow) -> Option<Flow>) -> StoredBinding {
    let Registration { contact, flow, path, q, call_id, cseq, user_agent, expires, .. } = row;
    let datagrams = |(local, remote)| Flow { transport: Transport::Udp, local, remote, connection: None };
    let flow = flow.map(datagrams).and_then(reachable);
    let expires_in = expires.since(now.wall);
    StoredBinding { contact, flow, path, q, call_id, cseq, user_agent, expires_in }
}

/// What is compared of contacts, in an order of its own.
fn marks(now: Instant, contacts: &[StoredBinding]) -> Vec<(u64, Instant)> {
    let mark = |binding: &StoredBinding| {
        let StoredBinding { contact, flow, path, q, user_agent, expires_in, .. } = binding;
        let mut hasher = DefaultHasher::new();
        (contact, flow, path, q, user_agent).hash(&mut hasher);
        (hasher.finish(), now + *expires_in)
    };
    let mut marks: Vec<_> = contacts.iter().map(mark).collect();
    marks.sort_unstable();
    marks
}

fn is_as_saved(now: &[(u64, Instant)], saved: &[(u64, Instant)]) -> bool {
    let close = |a: Instant, b: Instant| a.max(b) - a.min(b) < SAVED_AGAIN_AFTER;
    now.len() == saved.len() && now.iter().zip(saved).all(|(now, saved)| now.0 == saved.0 && close(now.1, saved.1))
}
