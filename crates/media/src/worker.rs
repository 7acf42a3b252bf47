//! What a media thread does: the rooms it owns, slot by slot.
//!
//! A cycle of 20 ms has ten slots of 2 ms; a room ticks in one of them, so that a thread's packets leave
//! spread over the cycle. In each slot the thread first takes what it was told ([`Worker::take_orders`]),
//! then ticks the slot's rooms ([`Worker::tick`]). Neither allocates, locks, logs, or calls the system but
//! to receive and to send. Knows no clock: whoever drives it (`thread`, or a test) says which slot it is.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError};

use crate::mail::{BATCH_LEGS, Mail};
use crate::message::Event;
use crate::order::{Arrival, Batch, Order, Report, Scrapyard, ShareIndex};
use crate::prefetch::prefetch;
use crate::room::exchange::Patience;
use crate::room::{Leaver, PrefetchStep, Scratch, Share};
use crate::stats::ThreadStats;

/// Slots in a cycle.
pub(crate) const SLOTS: u64 = 10;

/// How long a slot is.
pub(crate) const SLOT_US: u64 = 2_000;

/// One slot: its number since the plane started, and its planned time on the media clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tick {
    pub(crate) slot: u64,
    pub(crate) us: u64,
    /// The same moment on the wall clock, since 1970.
    pub(crate) wall_us: u64,
}

impl Tick {
    /// A slot on a media clock that showed zero at this wall-clock time.
    pub(crate) fn new(slot: u64, wall_zero_us: u64) -> Self {
        Self { slot, us: slot * SLOT_US, wall_us: wall_zero_us + slot * SLOT_US }
    }
}

/// The rooms of one media thread.
pub(crate) struct Worker {
    links: Links,
    /// By [`ShareIndex`], which the plane hands out.
    shares: Vec<Option<Box<Share>>>,
    /// The shares that tick in each slot.
    slots: [Vec<ShareIndex>; SLOTS as usize],
    /// Shares that have listened and wait for what the others of their room have heard.
    open: Vec<ShareIndex>,
    /// Slots for which orders may have waited for those shares.
    orders_wait_slots: u64,
    /// Batches that are in force once their rooms have ticked, in this slot.
    applied: VecDeque<(u64, u64)>,
    /// Legs whose room, or whose place in it, is not there yet.
    lobby: VecDeque<Arrival>,
    /// How long each slot's work takes, in microseconds, smoothed.
    busy_us: [u64; SLOTS as usize],
    chooses_slots: bool,
    /// Shares that are to take another slot when this one is over.
    changes: Vec<(ShareIndex, u64)>,
    /// Shares that are to be given back as soon as they are empty.
    closing: Vec<ShareIndex>,
    scratch: Box<Scratch>,
    mail: Mail,
}

/// How a worker is connected to the plane and to the other workers.
pub(crate) struct Links {
    pub(crate) orders: Receiver<Batch>,
    pub(crate) inbox: Receiver<Arrival>,
    /// Everybody's, in the order of the threads. The plane keeps no more legs moving than they hold.
    pub(crate) inboxes: Vec<Sender<Arrival>>,
    pub(crate) reports: Sender<Report>,
    pub(crate) scrap: Scrapyard,
    pub(crate) stats: Arc<ThreadStats>,
}

impl Worker {
    pub(crate) fn new(links: Links, chooses_slots: bool) -> Self {
        Self {
            links,
            shares: std::iter::repeat_with(|| None).take(SHARES_MAX).collect(),
            slots: std::array::from_fn(|_| Vec::with_capacity(SHARES_MAX)),
            open: Vec::with_capacity(SHARES_MAX),
            orders_wait_slots: 0,
            applied: VecDeque::with_capacity(BATCHES_MAX),
            lobby: VecDeque::with_capacity(MOVES_MAX),
            busy_us: [0; SLOTS as usize],
            chooses_slots,
            changes: Vec::with_capacity(CHANGES_MAX),
            closing: Vec::with_capacity(SHARES_MAX),
            scratch: Scratch::new(),
            mail: Mail::new(),
        }
    }

    /// The next slot from `slot` on with something to do, but no later than in `slots_max` slots.
    pub(crate) fn next_busy(&self, slot: u64, slots_max: u64) -> u64 {
        if !self.open.is_empty() {
            return slot;
        }
        (slot..slot + slots_max)
            .find(|slot| !self.slots[(slot % SLOTS) as usize].is_empty())
            .unwrap_or(slot + slots_max)
    }

    /// Carries out what the plane has ordered, and takes in legs from other rooms: between ticks, so that those
    /// under way are ended before.
    pub(crate) fn take_orders(&mut self, tick: Tick) {
        self.answer(tick, Patience::Slots);
        if !self.open.is_empty() {
            // Where the others of many rooms are late, there is always one that waits: not for ever.
            self.orders_wait_slots += 1;
            if self.orders_wait_slots <= ORDERS_WAIT_SLOTS_MAX || !self.has_orders() {
                return;
            }
            self.answer(tick, Patience::Over);
        }
        self.orders_wait_slots = 0;
        // Each batch taken will need a place among the applied, and among the scrap.
        while self.applied.len() < BATCHES_MAX - MOVES_MAX {
            let Ok(mut batch) = self.links.orders.try_recv() else { break };
            let mut in_force = tick.slot;
            for order in batch.orders.drain(..) {
                in_force = in_force.max(self.carry_out(order, tick));
            }
            self.applied.push_back((batch.number, in_force));
            self.links.scrap.put(Some(batch.orders));
        }
        // A leg can be faster than the order to make room for it, where that order found its way full.
        for _ in 0..self.lobby.len() {
            self.lobby.pop_front().into_iter().for_each(|arrival| self.arrive(arrival, tick));
        }
        while let Ok(arrival) = self.links.inbox.try_recv() {
            self.arrive(arrival, tick);
        }
    }

    /// Carries out one order; returns the slot in which it is in force.
    fn carry_out(&mut self, order: Order, tick: Tick) -> u64 {
        let (index, done) = match order {
            Order::OpenShare { index, share } => {
                self.slots[share.slot as usize].push(index);
                let is_split = share.is_split();
                self.shares[index as usize] = Some(share);
                self.links.stats.rooms.add(1);
                if is_split {
                    self.tick_first(index);
                }
                return tick.slot;
            }
            Order::Join { index, slot, peer, partials, exchange } => {
                // This slot's rooms have not ticked yet.
                let own = share_at(&mut self.shares, index).slot;
                let since = (tick.slot + SLOTS - 1 - own) % SLOTS + 1;
                self.take_slot(index, slot, tick.slot.saturating_sub(since));
                share_at(&mut self.shares, index).join(peer, partials, exchange, &self.links.scrap);
                self.tick_first(index);
                return tick.slot;
            }
            Order::Part { index, name } => {
                share_at(&mut self.shares, index).part(name, &self.links.scrap);
                return tick.slot;
            }
            Order::Know { index, route, larger } => {
                share_at(&mut self.shares, index).know(route, larger, &self.links.scrap);
                return tick.slot;
            }
            Order::Forget { index, emit, hear } => {
                share_at(&mut self.shares, index).forget(emit, hear);
                return tick.slot;
            }
            Order::CloseShare { index } => {
                self.closing.push(index);
                return tick.slot;
            }
            Order::Grow { index, mut growth } => {
                let share = share_at(&mut self.shares, index);
                growth.seats.iter_mut().for_each(|seats| share.grow(seats));
                let scratch = share.own_scratch().unwrap_or(&mut self.scratch);
                growth.voices.iter_mut().for_each(|voices| scratch.grow(voices));
                self.links.scrap.put(Some(growth));
                return tick.slot;
            }
            Order::OpenLeg { index, leg } => {
                self.links.stats.legs.add(1);
                share_at(&mut self.shares, index).open(leg);
                (index, true)
            }
            Order::Leg { index, leg, order } => {
                let share = share_at(&mut self.shares, index);
                (index, share.order(leg, order, tick, &self.links.scrap))
            }
            Order::Announce { index, playback, sound } => {
                let share = share_at(&mut self.shares, index);
                (index, share.announce(playback, sound, &self.links.scrap))
            }
        };
        if !done {
            self.links.stats.commands_dropped.add(1);
        }
        self.next_tick_of(index, tick.slot)
    }

    /// Takes in a leg from another room.
    fn arrive(&mut self, arrival: Arrival, tick: Tick) {
        let share = self.shares[arrival.departure.index as usize].as_ref();
        if !share.is_some_and(|share| share.has_room()) {
            self.lobby.push_back(arrival);
            return;
        }
        let (leg, index, batch) = (arrival.leg.id, arrival.departure.index, arrival.departure.batch);
        // It sits out what is left of the 20 ms since its last tick.
        let rested = tick.slot.max(arrival.ticked_slot + SLOTS);
        self.links.stats.legs.add(1);
        if !share_at(&mut self.shares, index).arrive(arrival, &self.links.scrap) {
            self.links.stats.commands_dropped.add(1);
        }
        let in_force = self.next_tick_of(index, rested);
        self.applied.push_back((batch, in_force));
        self.links.report(Report::Arrived(leg)); // its place is kept, see `may_report_facts`
    }

    /// Ticks the rooms of a slot, and lets go what is done.
    pub(crate) fn tick(&mut self, tick: Tick) {
        let slot = (tick.slot % SLOTS) as usize;
        let mut at = 0;
        while let Some(&index) = self.slots[slot].get(at) {
            if share_at(&mut self.shares, index).rests_until > tick.slot {
                at += 1;
                continue;
            }
            let batch = self.fetch_batch(slot, at, tick);
            if batch.is_empty() {
                self.tick_alone(index, tick);
                at += 1;
            } else {
                at = batch.end;
                self.tick_batch(slot, batch, tick);
            }
        }
        self.answer(tick, Patience::Slots); // who was late may have made up for it
        self.change_slots(tick);
        self.close_shares();
        self.report_applied(tick);
        self.links.stats.packets_in.add(std::mem::take(&mut self.scratch.packets_in));
        self.links.stats.packets_out.add(std::mem::take(&mut self.scratch.packets_out));
    }

    /// Receives what has come for as many rooms of a slot, from the one at `start` on, as fit into one batch. Returns
    /// their places: none when that one is too large, or split.
    fn fetch_batch(&mut self, slot: usize, start: usize, tick: Tick) -> Range<usize> {
        let Self { slots, shares, mail, .. } = self;
        let (mut legs, mut end) = (0, start);
        mail.inbox.clear();
        while let Some(&index) = slots[slot].get(end) {
            if let Some(&index) = slots[slot].get(end + STEPS.len()) {
                prefetch(&shares[index as usize]);
            }
            for (ahead, step) in STEPS {
                prefetch_share(shares, &slots[slot], end + ahead, step);
            }
            let share = share_at(shares, index);
            legs += share.legs();
            if !share.fits_a_batch() || share.rests_until > tick.slot || legs > BATCH_LEGS {
                break;
            }
            share.fetch(0..share.legs(), tick, &mut mail.inbox);
            end += 1;
        }
        start..end
    }

    /// Ticks the rooms of one batch.
    fn tick_batch(&mut self, slot: usize, batch: Range<usize>, tick: Tick) {
        let Self { slots, shares, mail, scratch, links, .. } = self;
        mail.outbox.clear();
        let mut asked = 0;
        for at in batch.clone() {
            let (share, next) = neighbours(shares, &slots[slot][at..batch.end]);
            let legs = share.legs();
            share.tick(tick, scratch, mail, &links.scrap, asked, next);
            asked = legs;
            share.mailed = mail.outbox.len();
        }
        let mut sent = 0;
        for at in batch {
            let Self { slots, shares, mail, scratch, links, .. } = self;
            let index = slots[slot][at];
            let share = share_at(shares, index);
            let mailed = share.mailed;
            scratch.packets_out += share.deliver(sent..mailed, &mail.outbox);
            sent = mailed;
            links.report_facts(share, tick);
            links.let_go(share);
            links.stats.ticks.add(1);
            self.choose_slot(index, tick);
        }
    }

    /// Ticks a room that is large, or split.
    fn tick_alone(&mut self, index: ShareIndex, tick: Tick) {
        let Self { shares, mail, scratch, links, open, .. } = self;
        let share = share_at(shares, index);
        if share.is_split() {
            share.hear(tick, &mut mail.inbox, &links.stats.parts_missed, &links.scrap);
            open.push(index);
        } else {
            share.tick(tick, scratch, mail, &links.scrap, 0, None);
            links.report_facts(share, tick);
            links.let_go(share);
        }
        links.stats.ticks.add(1);
        self.choose_slot(index, tick);
    }

    /// Says how long a slot's work took.
    pub(crate) fn was_busy(&mut self, slot: u64, us: u64) {
        let busy_us = &mut self.busy_us[(slot % SLOTS) as usize];
        *busy_us = (*busy_us * 15 + us) / 16;
    }

    /// Chooses the slot of a room whose legs have joined a while ago, if it has not been chosen since.
    fn choose_slot(&mut self, index: ShareIndex, tick: Tick) {
        let share = share_at(&mut self.shares, index);
        let Some(waits) = share.waits(tick) else { return };
        if share.is_split() || !self.chooses_slots || self.changes.len() == CHANGES_MAX {
            return;
        }
        // A slot without rooms is not measured: it keeps what it was when it had some.
        let busy_us = |slot: u64| if self.slots[slot as usize].is_empty() { 0 } else { self.busy_us[slot as usize] };
        let (own, all) = (share.legs() as u64, self.links.stats.legs.get().max(1));
        let own_us = (0..SLOTS).map(busy_us).sum::<u64>() * own / all;
        let has_room = |slot: u64| busy_us(slot) + own_us <= SLOT_BUSY_US_MAX;
        let before = share.slot;
        if let Some(slot) = waits.better_than(before, has_room) {
            // Others who choose before it is measured shall know.
            self.busy_us[slot as usize] = busy_us(slot) + own_us;
            let left = &mut self.busy_us[before as usize];
            *left = left.saturating_sub(own_us);
            self.changes.push((index, slot));
        }
    }

    /// Puts rooms into the slots they have chosen, unless nobody can be told.
    fn change_slots(&mut self, tick: Tick) {
        while let Some((index, slot)) = self.changes.pop() {
            if self.links.may_report_facts() {
                let room = share_at(&mut self.shares, index).room;
                self.take_slot(index, slot, tick.slot);
                self.links.report(Report::Slot { room, slot });
            }
        }
    }

    /// Puts a share into a slot; it ticks again when at least 20 ms have passed since `last_slot`, when it last did.
    fn take_slot(&mut self, index: ShareIndex, slot: u64, last_slot: u64) {
        let share = share_at(&mut self.shares, index);
        let before = std::mem::replace(&mut share.slot, slot);
        if before == slot {
            return;
        }
        share.rests_until = last_slot + SLOTS;
        if let Some(at) = self.slots[before as usize].iter().position(|&other| other == index) {
            self.slots[before as usize].swap_remove(at);
        }
        self.slots[slot as usize].push(index);
    }

    /// There is something to be carried out, or a leg to be taken in.
    fn has_orders(&self) -> bool {
        !self.links.orders.is_empty() || !self.links.inbox.is_empty() || !self.lobby.is_empty()
    }

    /// Ends the ticks of shares that listened in an earlier slot, where the others have told what they heard.
    fn answer(&mut self, tick: Tick, patience: Patience) {
        let mut at = 0;
        while let Some(&index) = self.open.get(at) {
            let share = share_at(&mut self.shares, index);
            if !share.answer(tick, patience, &mut self.mail.outbox, &self.links.stats.parts_missed, &self.links.scrap) {
                at += 1;
                continue;
            }
            if let Some(scratch) = share.own_scratch() {
                self.links.stats.packets_in.add(std::mem::take(&mut scratch.packets_in));
                self.links.stats.packets_out.add(std::mem::take(&mut scratch.packets_out));
            }
            self.links.report_facts(share, tick);
            self.links.let_go(share);
            self.open.swap_remove(at);
        }
    }

    /// Gives shares back that are to close, where nobody is in them any more.
    fn close_shares(&mut self) {
        let Self { closing, slots, shares, links, open, .. } = self;
        closing.retain(|&index| {
            let share = share_at(shares, index);
            if share.legs() > 0 || open.contains(&index) || !links.may_report_facts() {
                return true;
            }
            let slot = &mut slots[share.slot as usize];
            if let Some(at) = slot.iter().position(|&other| other == index) {
                slot.swap_remove(at);
            }
            if let Some(share) = shares[index as usize].take() {
                links.stats.rooms.subtract(1);
                links.report(Report::ShareClosed { index, share });
            }
            false
        });
    }

    /// Has a share tick before all others of its slot: those on other threads wait for what it hears.
    fn tick_first(&mut self, index: ShareIndex) {
        let slot = &mut self.slots[share_at(&mut self.shares, index).slot as usize];
        if let Some(at) = slot.iter().position(|&other| other == index) {
            slot.swap(0, at);
        }
    }

    fn report_applied(&mut self, tick: Tick) {
        let links = &self.links;
        // What was listened to under the new orders is sent when all have told what they heard.
        let heard_slot = |&index: &ShareIndex| self.shares[index as usize].as_ref()?.heard_slot();
        let unsent_slot = self.open.iter().filter_map(heard_slot).min().unwrap_or(u64::MAX);
        self.applied.retain(|&(batch, in_force)| {
            let waits = in_force >= unsent_slot.min(tick.slot + 1) || !links.may_report_facts();
            if !waits {
                links.report(Report::Applied { batch, tick: in_force / SLOTS });
            }
            waits
        });
    }

    /// The first slot from `slot` on in which a share ticks.
    fn next_tick_of(&mut self, index: ShareIndex, slot: u64) -> u64 {
        let share = share_at(&mut self.shares, index);
        let slot = slot.max(share.rests_until);
        slot + (share.slot + SLOTS - slot % SLOTS) % SLOTS
    }
}

impl Links {
    /// Tells what legs and rooms have to tell, as far as there is room for it; the rest stays with them.
    fn report_facts(&self, share: &mut Share, tick: Tick) {
        let room = share.room;
        while self.may_report_facts() {
            let Some(playback) = share.announced().pop_front() else { break };
            self.report(Report::Event(Event::AnnouncementEnded { room, playback }));
        }
        if self.may_report_facts()
            && let Some(leg) = share.speaker().take()
        {
            self.report(Report::Event(Event::Speaker { room, leg }));
        }
        if !share.has_news {
            return;
        }
        for leg in share.legs_mut() {
            if leg.is_to_be_measured(tick) && self.may_report_measurements() {
                let (leg, stats) = (leg.id, leg.measure(tick));
                self.report(Report::Event(Event::Measured { leg, stats }));
            }
            let facts = leg.facts();
            while self.may_report_facts() {
                let Some(event) = facts.take() else { break };
                self.report(Report::Event(event));
            }
            match facts.take_dropped() {
                0 => {}
                dropped => self.stats.events_dropped.add(dropped),
            }
        }
    }

    /// Lets legs go that are closed, or on their way to another room.
    fn let_go(&self, share: &mut Share) {
        while let Some(leaver) = share.take_leaver(self.may_report_facts()) {
            self.stats.legs.subtract(1);
            match leaver {
                Leaver::Closed(leg) => self.report(Report::Closed(leg)),
                Leaver::Departed(arrival) => {
                    let inbox = &self.inboxes[arrival.departure.thread];
                    if let Err(TrySendError::Full(_)) = inbox.try_send(arrival) {
                        unreachable!("the plane keeps no more legs moving than an inbox holds");
                    } // or the plane is being dropped, and that thread was first
                }
            }
        }
    }

    /// There is room for a report that can wait, beside those that cannot.
    fn may_report_facts(&self) -> bool {
        self.reports.len() + MOVES_MAX < REPORTS_MAX
    }

    /// There is so much room that measurements are in nobody's way.
    fn may_report_measurements(&self) -> bool {
        self.reports.len() < REPORTS_MAX / 2
    }

    fn report(&self, report: Report) {
        // Full only if may_report_facts was not asked; gone only if the plane is being dropped.
        drop(self.reports.try_send(report));
    }
}

/// Brings a share of a slot towards the cache, if there is one.
fn prefetch_share(shares: &[Option<Box<Share>>], slot: &[ShareIndex], at: usize, step: PrefetchStep) {
    if let Some(&index) = slot.get(at)
        && let Some(share) = &shares[index as usize]
    {
        share.prefetch(step);
    }
}

/// The share an order or an arrival is for.
fn share_at(shares: &mut [Option<Box<Share>>], index: ShareIndex) -> &mut Share {
    shares[index as usize].as_deref_mut().expect("the plane keeps a share open while anything is on its way to it")
}

/// The first of these shares, and the one that ticks after it.
fn neighbours<'a>(shares: &'a mut [Option<Box<Share>>], batch: &[ShareIndex]) -> (&'a mut Share, Option<&'a Share>) {
    let (index, Some(&next)) = (batch[0], batch.get(1)) else { return (share_at(shares, batch[0]), None) };
    let both = shares.get_disjoint_mut([index as usize, next as usize]);
    let [share, next] = both.expect("a share is in one slot, and there once");
    (share.as_deref_mut().expect("a slot's shares are open"), next.as_deref())
}

/// While one room's packets are received, what those behind it need for theirs comes nearer.
const STEPS: [(usize, PrefetchStep); 4] =
    [(3, PrefetchStep::Share), (2, PrefetchStep::Members), (1, PrefetchStep::Legs), (0, PrefetchStep::Wires)];

/// Rooms of one thread.
pub(crate) const SHARES_MAX: usize = 16_384;

/// Batches on their way to a thread, or in it and not in force.
pub(crate) const BATCHES_MAX: usize = 1_024;

/// How long orders wait for shares that wait for others: a cycle.
const ORDERS_WAIT_SLOTS_MAX: u64 = SLOTS;

/// Legs on their way to one thread.
pub(crate) const MOVES_MAX: usize = 256;

/// Rooms that change their slot in one.
const CHANGES_MAX: usize = 16;

/// How long the work of a slot may take when a room chooses it: 80 % of it.
const SLOT_BUSY_US_MAX: u64 = SLOT_US * 8 / 10;

/// Reports of one thread that the plane has not read.
pub(crate) const REPORTS_MAX: usize = 8_192;

/// Scrap of one thread that the plane has not freed.
pub(crate) const SCRAP_MAX: usize = 8_192;
