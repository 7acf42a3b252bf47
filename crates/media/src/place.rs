//! Where the plane keeps a room, and how much has to fit there.
//!
//! Mostly that is one share on one thread. A room that outgrows it goes on in further shares, one a thread; the first
//! lasts as long as the room, the others as long as somebody is in them. What the shares have to know of each other,
//! and of the groups in use in the others, is ordered here.
//!
//! Media threads never allocate, so whatever a leg needs beside its own box must be there before it comes: a seat in
//! its share, and room for its frame where the tick works. The plane counts both, and orders more in time.

use std::sync::Arc;

use model::RoomId;

use crate::message::{Groups, MAIN};
use crate::order::{Growth, NewRoute, Order, ShareIndex};
use crate::partial::Partial;
use crate::room::exchange::{Exchange, Peer, PeerName, TICKS_AHEAD_IN_ALL};
use crate::room::memory::Memory;
use crate::room::{ANNOUNCEMENTS_MAX, Seats, Share, Voices};

/// Where a room is.
pub(crate) struct Place {
    pub(crate) slot: u64,
    holdings: Vec<Holding>,
    emits: Uses,
    hears: Uses,
    /// Emitted into until a moment ago, and when that ended, in microseconds: it may still fade.
    emits_left: Vec<(Groups, u64)>,
    /// Buses and mixes that what the shares post to each other has room for.
    routes: usize,
    /// Announcements that were ordered and are not over.
    announcements: usize,
}

/// A share of a room on a thread.
pub(crate) struct Holding {
    pub(crate) thread: usize,
    pub(crate) index: ShareIndex,
    /// What is in it, or on its way to it, or has not left it yet.
    pub(crate) size: Size,
    /// Seats it has.
    seats: usize,
    /// The legs its tick has room for, where it works by itself: in a room of several shares.
    voices: Size,
}

/// Legs, and the samples in one frame of each of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) legs: usize,
    pub(crate) samples: usize,
}

/// Groups in use in a room beside the common ones, and how many legs use each.
#[derive(Debug, Default)]
struct Uses(Vec<(Groups, usize)>);

impl Place {
    /// Opens a room.
    pub(crate) fn open(room: RoomId, slot: u64, name: PeerName, drafts: &mut [Vec<Order>]) -> Self {
        let (thread, index) = name;
        drafts[thread].push(Order::OpenShare { index, share: Share::new(room, slot) });
        let holdings = vec![Holding::new(thread, index)];
        Self {
            slot,
            holdings,
            emits: Uses::default(),
            hears: Uses::default(),
            emits_left: Vec::new(),
            routes: 0,
            announcements: 0,
        }
    }

    /// Everybody in it, or on the way to it, or not gone yet.
    pub(crate) fn legs(&self) -> usize {
        self.holdings.iter().map(|holding| holding.size.legs).sum()
    }

    /// The room's only share has taken another slot. `false` when it is not the only one: then all stay together.
    pub(crate) fn take_slot(&mut self, slot: u64) -> bool {
        let is_whole = self.holdings.len() == 1;
        if is_whole {
            self.slot = slot;
        }
        is_whole
    }

    /// Its shares; the first one speaks for it.
    pub(crate) fn holdings(&self) -> &[Holding] {
        &self.holdings
    }

    /// Counts one more announcement; the share that is to play it, or none when too many wait already.
    pub(crate) fn announce(&mut self) -> Option<&Holding> {
        let has_room = self.announcements < ANNOUNCEMENTS_MAX;
        self.announcements += usize::from(has_room);
        self.holdings.first().filter(|_| has_room)
    }

    /// An announcement is over.
    pub(crate) fn announced(&mut self) {
        self.announcements = self.announcements.saturating_sub(1);
    }

    /// Its share on a thread.
    pub(crate) fn on(&self, thread: usize) -> Option<&Holding> {
        self.holdings.iter().find(|holding| holding.thread == thread)
    }

    /// Counts legs in on a thread, or samples of one that is there, and orders room for them. `threads` says what each
    /// thread has room for.
    pub(crate) fn add(&mut self, thread: usize, more: Size, threads: &mut [Size], drafts: &mut [Vec<Order>]) {
        let is_split = self.holdings.len() > 1;
        let Some(holding) = self.holdings.iter_mut().find(|holding| holding.thread == thread) else { return };
        holding.size.legs += more.legs;
        holding.size.samples += more.samples;
        holding.make_room(is_split, threads, drafts);
    }

    /// Goes on in one more share, on a thread of up to `threads_max`.
    pub(crate) fn split(
        &mut self,
        room: RoomId,
        name: PeerName,
        threads_max: usize,
        threads: &mut [Size],
        now_us: u64,
        drafts: &mut [Vec<Order>],
    ) {
        let (emits, hears) = (self.emits.groups(), self.hears.groups());
        self.emits_left.retain(|&(_, left_us)| now_us < left_us + FADE_US);
        let fading = self.emits_left.iter().map(|&(emit, _)| emit).filter(|emit| !emits.contains(emit));
        let all_emits: Vec<Groups> = emits.iter().copied().chain(fading).collect();
        self.routes = self.routes.max(routes_for(all_emits.len().max(hears.len())));
        let partials = || partials(self.routes, TICKS_AHEAD_IN_ALL);
        let mut own = Exchange::new(threads_max, &emits, &hears);
        let was_whole = self.holdings.len() == 1;
        let all_hears = [0, MAIN].iter().chain(&hears);
        let groups = all_emits.iter().map(|&emit| (Some(emit), None)).chain(all_hears.map(|&hear| (None, Some(hear))));
        for (at, holding) in self.holdings.iter().enumerate() {
            let (mut theirs, ours) = Peer::pair(holding.name(), name);
            if at == 0 {
                theirs.teach([(); 2].map(|()| Memory::new(&all_emits, &hears)));
            }
            own.join(ours, &mut partials());
            let exchange = was_whole.then(|| Exchange::new(threads_max, &emits, &hears));
            let (index, slot) = (holding.index, self.slot);
            let order = Order::Join { index, slot, peer: theirs, partials: partials(), exchange };
            drafts[holding.thread].push(order);
            let fades = |emit: &Option<Groups>| emit.is_some_and(|emit| !emits.contains(&emit));
            for (emit, hear) in groups.clone().filter(|(emit, _)| was_whole && !fades(emit)) {
                let (index, route) = (holding.index, NewRoute::for_all(emit, hear));
                drafts[holding.thread].push(Order::Know { index, route, larger: Vec::new() });
            }
        }
        let mut share = Share::another(room, self.slot, own);
        for (emit, hear) in groups {
            share.introduce(NewRoute::for_all(emit, hear));
        }
        drafts[name.0].push(Order::OpenShare { index: name.1, share });
        self.holdings.push(Holding::new(name.0, name.1));
        for holding in &mut self.holdings {
            holding.make_room(true, threads, drafts);
        }
    }

    /// Counts a leg out on a thread. `true` when it was the room's last: all is given back.
    pub(crate) fn remove(
        &mut self,
        thread: usize,
        samples: usize,
        threads: &mut [Size],
        drafts: &mut [Vec<Order>],
    ) -> bool {
        let Some(holding) = self.holdings.iter_mut().find(|holding| holding.thread == thread) else { return false };
        holding.size.legs -= 1;
        holding.size.samples -= samples;
        let is_empty = self.legs() == 0;
        for at in (1..self.holdings.len()).rev() {
            if self.holdings[at].size.legs == 0 {
                self.close(at, drafts);
            }
        }
        if is_empty {
            self.close(0, drafts);
        } else if let [whole] = &mut self.holdings[..] {
            whole.voices = Size::default();
            whole.make_room(false, threads, drafts);
        }
        is_empty
    }

    fn close(&mut self, at: usize, drafts: &mut [Vec<Order>]) {
        let closed = self.holdings.remove(at);
        drafts[closed.thread].push(Order::CloseShare { index: closed.index });
        for holding in &self.holdings {
            drafts[holding.thread].push(Order::Part { index: holding.index, name: closed.name() });
        }
    }

    /// A leg uses groups: every share is to know them, if there are several.
    pub(crate) fn use_groups(&mut self, emit: Groups, hear: Groups, drafts: &mut [Vec<Order>]) {
        let (emit_is_new, hear_is_new) = (self.emits.add(emit), self.hears.add(hear));
        if self.holdings.len() == 1 || !(emit_is_new || hear_is_new) {
            return;
        }
        let needed = routes_for(self.emits.0.len().max(self.hears.0.len()));
        let grows = needed > self.routes;
        self.routes = self.routes.max(needed);
        let larger = if grows { (self.holdings.len() - 1) * TICKS_AHEAD_IN_ALL } else { 0 };
        for holding in &self.holdings {
            let route = NewRoute::for_all(emit_is_new.then_some(emit), hear_is_new.then_some(hear));
            drafts[holding.thread].push(Order::Know {
                index: holding.index,
                route,
                larger: partials(self.routes, larger),
            });
        }
    }

    /// A leg does not use groups any more, once it has faded.
    pub(crate) fn leave_groups(&mut self, emit: Groups, hear: Groups, now_us: u64, drafts: &mut [Vec<Order>]) {
        let emit = self.emits.remove(emit).then_some(emit);
        let hear = self.hears.remove(hear).then_some(hear);
        if let Some(emit) = emit {
            self.emits_left.retain(|&(_, left_us)| now_us < left_us + FADE_US);
            self.emits_left.push((emit, now_us));
        }
        if self.holdings.len() == 1 || emit.is_none() && hear.is_none() {
            return;
        }
        for holding in &self.holdings {
            drafts[holding.thread].push(Order::Forget { index: holding.index, emit, hear });
        }
    }
}

impl Holding {
    /// Nobody, and room for nobody.
    fn new(thread: usize, index: ShareIndex) -> Self {
        Self { thread, index, size: Size::default(), seats: 0, voices: Size::default() }
    }

    fn name(&self) -> PeerName {
        (self.thread, self.index)
    }

    /// Orders what it and its thread lack to hold what is counted there.
    fn make_room(&mut self, is_split: bool, threads: &mut [Size], drafts: &mut [Vec<Order>]) {
        let mut voices = if is_split { self.voices } else { threads[self.thread] };
        if let Some(growth) = self.growth(&mut voices) {
            drafts[self.thread].push(Order::Grow { index: self.index, growth });
        }
        if is_split {
            self.voices = voices;
        } else {
            threads[self.thread] = voices;
        }
    }

    /// What has to be ordered before its size may be what it is; `voices` is the room for voices where it is ticked.
    fn growth(&mut self, voices: &mut Size) -> Option<Box<Growth>> {
        let wanted = self.size.with_reserve();
        let seats = (self.seats < self.size.legs).then(|| {
            self.seats = wanted.legs;
            Seats::new(wanted.legs)
        });
        let voices = (*voices != voices.or_larger(self.size)).then(|| {
            *voices = voices.or_larger(wanted);
            Voices::new(voices.legs, voices.samples)
        });
        (seats.is_some() || voices.is_some()).then(|| Box::new(Growth { seats, voices }))
    }
}

impl Size {
    /// What the room is to be made for: at most twice as much, so that it need not be made again soon.
    fn with_reserve(self) -> Self {
        Self { legs: self.legs.next_power_of_two().max(SEATS_MIN), samples: self.samples.next_power_of_two() }
    }

    fn or_larger(self, other: Self) -> Self {
        Self { legs: self.legs.max(other.legs), samples: self.samples.max(other.samples) }
    }
}

impl Uses {
    /// One leg more uses groups. `true` if it is the first.
    fn add(&mut self, groups: Groups) -> bool {
        if groups == 0 || groups == MAIN {
            return false;
        }
        if let Some((_, legs)) = self.0.iter_mut().find(|(known, _)| *known == groups) {
            *legs += 1;
            return false;
        }
        self.0.push((groups, 1));
        true
    }

    /// One leg less uses groups. `true` if it was the last.
    fn remove(&mut self, groups: Groups) -> bool {
        let Some(at) = self.0.iter().position(|&(known, _)| known == groups) else { return false };
        self.0[at].1 -= 1;
        let was_last = self.0[at].1 == 0;
        if was_last {
            self.0.swap_remove(at);
        }
        was_last
    }

    fn groups(&self) -> Vec<Groups> {
        self.0.iter().map(|&(groups, _)| groups).collect()
    }
}

/// The buses, or mixes, there may be in one tick where so many groups beside the common one are in use: as many again
/// fade.
fn routes_for(groups: usize) -> usize {
    (1 + 2 * groups).next_power_of_two()
}

/// As many partials, with room for so many buses and mixes.
fn partials(routes: usize, count: usize) -> Vec<Arc<Partial>> {
    std::iter::repeat_with(|| Arc::new(Partial::new(routes))).take(count).collect()
}

/// From the order until the fade is over and nothing rings, with something to spare.
const FADE_US: u64 = 200_000;

/// A conference has three parties more often than two.
const SEATS_MIN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_before_it_is_needed_and_seldom() {
        let (mut holding, mut voices) = (Holding::new(0, 0), Size::default());
        let mut ordered = (0, 0);
        for legs in 1..=1_000 {
            holding.size = Size { legs, samples: legs * 160 };
            let growth = holding.growth(&mut voices);
            ordered.0 += growth.iter().filter(|growth| growth.seats.is_some()).count();
            ordered.1 += growth.iter().filter(|growth| growth.voices.is_some()).count();
            assert!(holding.seats >= legs && voices.legs >= legs && voices.samples >= legs * 160, "{legs} legs");
        }
        assert_eq!((holding.seats, voices.samples), (1_024, 262_144), "no more than twice what is needed");
        assert!(ordered.0 <= 9 && ordered.1 <= 20, "{ordered:?}");
        let mut small = Holding::new(0, 1);
        small.size = Size { legs: 3, samples: 480 };
        let growth = small.growth(&mut voices).expect("seats");
        assert!(growth.seats.is_some() && growth.voices.is_none(), "the thread has room for voices already");
        assert!(small.growth(&mut voices).is_none());
    }

    #[test]
    fn shares_come_and_go_and_all_are_told() {
        let (mut threads, mut drafts) = ([Size::default(); 3], vec![Vec::new(), Vec::new(), Vec::new()]);
        let one = Size { legs: 1, samples: 160 };
        let told = |drafts: &mut Vec<Vec<Order>>| -> Vec<String> {
            let name = |order: Order| match order {
                Order::OpenShare { share, .. } if share.is_split() => "open another",
                Order::OpenShare { .. } => "open",
                Order::CloseShare { .. } => "close",
                Order::Join { exchange: Some(_), .. } => "split",
                Order::Join { .. } => "join",
                Order::Part { .. } => "part",
                Order::Know { .. } => "know",
                Order::Forget { .. } => "forget",
                Order::Grow { .. } => "grow",
                _ => "",
            };
            drafts.iter_mut().map(|orders| orders.drain(..).map(name).collect::<Vec<_>>().join(" ")).collect()
        };
        let mut place = Place::open(RoomId(1), 0, (0, 7), &mut drafts);
        place.add(0, one, &mut threads, &mut drafts);
        place.use_groups(2, 3, &mut drafts);
        assert_eq!(told(&mut drafts), ["open grow", "", ""]);
        place.split(RoomId(1), (1, 7), 3, &mut threads, 0, &mut drafts);
        place.add(1, one, &mut threads, &mut drafts);
        let split = "split know know know know grow";
        assert_eq!(told(&mut drafts), [split, "open another grow", ""], "its voices have a room of their own");
        place.split(RoomId(1), (2, 9), 3, &mut threads, 0, &mut drafts);
        place.add(2, one, &mut threads, &mut drafts);
        assert_eq!(told(&mut drafts), ["join", "join", "open another grow"]);
        place.use_groups(2, 3, &mut drafts);
        place.use_groups(4, MAIN, &mut drafts);
        assert_eq!(told(&mut drafts), ["know"; 3]);
        place.leave_groups(2, 3, 0, &mut drafts);
        assert_eq!(told(&mut drafts), [""; 3], "another leg uses them");
        place.leave_groups(2, 3, 0, &mut drafts);
        place.leave_groups(4, MAIN, 0, &mut drafts);
        assert_eq!(told(&mut drafts), ["forget forget"; 3]);
        assert!(!place.remove(0, 160, &mut threads, &mut drafts));
        assert_eq!(told(&mut drafts), [""; 3], "the first share stays");
        assert!(!place.remove(1, 160, &mut threads, &mut drafts));
        assert_eq!(told(&mut drafts), ["part", "close", "part"]);
        assert!(place.remove(2, 160, &mut threads, &mut drafts));
        assert_eq!(told(&mut drafts), ["part close", "", "close"]);
    }
}
