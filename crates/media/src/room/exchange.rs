//! A room that is too large for one thread: its shares on several of them tick as one.
//!
//! In slot s every share receives and listens, and posts what it has heard; in slot s + 1 it takes what the others
//! have posted, decides and mixes as if all legs were its own, and sends to its legs:
//!
//! `slot s: receive ─▶ listen ─▶ post` ~ `slot s + 1: collect ─▶ select ─▶ mix ─▶ send`
//!
//! Everybody hears the same as in one share, to the bit, one slot later. Nobody waits for long: a share whose
//! part is late is looked for again in the next few slots, and then the others mix without it. The room's first share
//! plays the announcements and says who speaks.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::memory::Memory;
use super::{Hears, Scratch, Share, Voices, hears, mix_of, say};
use crate::mail::{Inbox, Outbox};
use crate::message::{Groups, MAIN};
use crate::mixer::{self, FRAME_MAX, Gain};
use crate::order::{NewRoute, Scrapyard, ShareIndex};
use crate::partial::{Nomination, Partial};
use crate::selection::Nominee;
use crate::stats::Counter;
use crate::worker::Tick;

/// What a share of a split room has that a whole room does not need.
pub(crate) struct Exchange {
    /// What a tick works with: it has to last from one slot to the next.
    scratch: Box<Scratch>,
    peers: Vec<Peer>,
    /// What was posted, and comes back when all others have let go of it.
    outbox: Vec<Arc<Partial>>,
    /// Larger ones, which take the place of those.
    larger: Vec<Arc<Partial>>,
    /// Groups in use somewhere in the room, beside the common ones: they keep their bus and mix here, too.
    emits: Vec<Groups>,
    hears: Vec<Groups>,
    /// The tick that has been listened to and not been sent.
    heard: Option<Tick>,
}

/// Another share of the room.
pub(crate) struct Peer {
    name: PeerName,
    to: Sender<Post>,
    from: Receiver<Post>,
    /// It is new and waits for what we remember: at once, and once more when it is there, if that was too early.
    learns: [Option<Box<Memory>>; 2],
    /// What it remembers, for us who are new.
    teaches: Option<Box<Memory>>,
    /// The newest of what it has posted, or the next if we are behind.
    partial: Option<Arc<Partial>>,
    /// It has posted something in its life, and in the last tick: then it is worth looking for once more.
    is_known: bool,
    is_punctual: bool,
}

/// What one share sends to another.
enum Post {
    Heard(Arc<Partial>),
    /// Comes before what was heard in the same tick.
    Remembered(Box<Memory>),
}

/// Where a share is kept: its thread, and its place there.
pub(crate) type PeerName = (usize, ShareIndex);

impl Peer {
    /// Two shares for each other: the first is for `a`, the second for `b`. Allocates: not in a tick.
    pub(crate) fn pair(a: PeerName, b: PeerName) -> (Self, Self) {
        let (to_a, from_b) = bounded(TICKS_AHEAD + 1);
        let (to_b, from_a) = bounded(TICKS_AHEAD + 1);
        let peer = |name, to, from| Self {
            name,
            to,
            from,
            learns: [None, None],
            teaches: None,
            partial: None,
            is_known: false,
            is_punctual: false,
        };
        (peer(b, to_b, from_b), peer(a, to_a, from_a))
    }

    /// Has this share tell the other, which is new, what the room remembers.
    pub(crate) fn teach(&mut self, memory: [Box<Memory>; 2]) {
        self.learns = memory.map(Some);
    }

    /// What it has to learn now.
    fn lesson(&mut self) -> Option<Box<Memory>> {
        let is_known = self.is_known;
        self.learns[0].take().or_else(|| self.learns[1].take_if(|_| is_known))
    }

    /// What it has posted for a slot.
    fn posted(&self, slot: u64) -> Option<&Partial> {
        self.partial.as_deref().filter(|partial| partial.slot == slot)
    }

    /// Takes in what it has posted up to a slot.
    fn collect(&mut self, slot: u64, scrap: &Scrapyard) {
        while self.partial.as_ref().is_none_or(|partial| partial.slot < slot) {
            match self.from.try_recv() {
                Ok(Post::Heard(next)) => {
                    self.partial.replace(next).into_iter().for_each(|old| let_go(old, scrap));
                }
                Ok(Post::Remembered(memory)) => scrap.put(self.teaches.replace(memory)),
                Err(_) => return,
            }
        }
    }
}

/// Gives a partial back. When whoever posted it is gone, it is ours alone and must be freed elsewhere.
fn let_go(partial: Arc<Partial>, scrap: &Scrapyard) {
    if Arc::strong_count(&partial) == 1 {
        scrap.put(Some(partial));
    }
}

impl Exchange {
    /// For a room of up to so many shares in which these groups are in use. Allocates: not in a tick.
    pub(crate) fn new(shares_max: usize, emits: &[Groups], hears: &[Groups]) -> Box<Self> {
        let with_room = |groups: &[Groups]| {
            let mut list = Vec::with_capacity(super::ROUTES_MAX.max(groups.len()));
            list.extend_from_slice(groups);
            list
        };
        let partials_max = shares_max * TICKS_AHEAD_IN_ALL;
        Box::new(Self {
            scratch: Scratch::new(),
            peers: Vec::with_capacity(shares_max),
            outbox: Vec::with_capacity(partials_max),
            larger: Vec::with_capacity(partials_max),
            emits: with_room(emits),
            hears: with_room(hears),
            heard: None,
        })
    }

    /// Takes another share in. What is to be posted to it comes with it.
    pub(crate) fn join(&mut self, peer: Peer, partials: &mut Vec<Arc<Partial>>) {
        self.peers.push(peer);
        let room = self.outbox.capacity() - self.outbox.len();
        self.outbox.extend(partials.drain(..partials.len().min(room)));
    }

    /// Lets another share go, and as many partials as were there for it, as far as they have come back.
    fn part(&mut self, name: PeerName, scrap: &Scrapyard) {
        if let Some(at) = self.peers.iter().position(|peer| peer.name == name) {
            scrap.put(Some(self.peers.swap_remove(at)));
        }
        while self.has_surplus()
            && let Some(at) = self.outbox.iter_mut().position(|partial| Arc::get_mut(partial).is_some())
        {
            scrap.put(Some(self.outbox.swap_remove(at)));
        }
    }

    fn has_surplus(&self) -> bool {
        self.outbox.len() > self.peers.len() * TICKS_AHEAD_IN_ALL
    }

    pub(crate) fn scratch(&mut self) -> &mut Scratch {
        &mut self.scratch
    }

    pub(super) fn keeps_bus(&self, emit: Groups) -> bool {
        self.emits.contains(&emit)
    }

    pub(super) fn keeps_mix(&self, hear: Groups) -> bool {
        self.hears.contains(&hear)
    }

    /// A place for what is heard in this tick; `None` when somebody has not given back anything for long.
    fn free(&mut self, scrap: &Scrapyard) -> Option<usize> {
        let free = |partial: &mut Arc<Partial>| Arc::get_mut(partial).is_some();
        let mut at = self.outbox.iter_mut().position(free)?;
        if self.has_surplus() {
            scrap.put(Some(self.outbox.swap_remove(at)));
            at = self.outbox.iter_mut().position(free)?;
        }
        if let Some(larger) = self.larger.pop_if(|larger| larger.routes() > self.outbox[at].routes()) {
            scrap.put(Some(std::mem::replace(&mut self.outbox[at], larger)));
        }
        Some(at)
    }

    /// Takes what the others have posted. `true` when nothing is missing that may still be hoped for.
    fn collect(&mut self, slot: u64, scrap: &Scrapyard) -> bool {
        self.peers.iter_mut().for_each(|peer| peer.collect(slot, scrap));
        self.peers.iter().all(|peer| !peer.is_punctual || peer.posted(slot).is_some())
    }
}

/// A room splits, and grows together again.
impl Share {
    /// Another share takes part from the next tick on. `exchange` is for a room that was whole so far.
    pub(crate) fn join(
        &mut self,
        peer: Peer,
        mut partials: Vec<Arc<Partial>>,
        exchange: Option<Box<Exchange>>,
        scrap: &Scrapyard,
    ) {
        scrap.put(if self.exchange.is_none() { std::mem::replace(&mut self.exchange, exchange) } else { exchange });
        if let Some(exchange) = &mut self.exchange {
            exchange.join(peer, &mut partials);
        }
        scrap.put(Some(partials));
    }

    /// Another share is no more. The last one alone is a whole room again.
    pub(crate) fn part(&mut self, name: PeerName, scrap: &Scrapyard) {
        let Some(exchange) = &mut self.exchange else { return };
        exchange.part(name, scrap);
        if exchange.peers.is_empty() {
            scrap.put(self.exchange.take());
        }
    }

    /// Groups are in use in the room that this share is to be another one of. Allocates: not in a tick.
    pub(crate) fn introduce(&mut self, route: NewRoute) {
        self.buses.extend(route.bus);
        if let Some(mix) = route.mix {
            match self.mixes.iter_mut().find(|own| own.hear == mix.hear) {
                Some(own) => *own = mix,
                None => self.mixes.push(mix),
            }
        }
    }

    /// Groups are in use somewhere in the room: from now on there is a bus and a mix for them here, too.
    pub(crate) fn know(&mut self, mut route: NewRoute, mut larger: Vec<Arc<Partial>>, scrap: &Scrapyard) {
        let (emit, hear) = (route.emit, route.hear);
        if let (Some(own), Some(complete)) =
            (self.mixes.iter_mut().find(|mix| mix.hear == hear), route.mix.as_deref_mut())
        {
            own.complete_from(complete);
        }
        self.prepare(route, scrap);
        let Some(exchange) = &mut self.exchange else { return scrap.put(Some(larger)) };
        for (groups, known) in [(emit, &mut exchange.emits), (hear, &mut exchange.hears)] {
            if groups != 0 && groups != MAIN && !known.contains(&groups) && known.len() < known.capacity() {
                known.push(groups);
            }
        }
        if exchange.larger.len() + larger.len() <= exchange.larger.capacity() {
            exchange.larger.append(&mut larger);
        }
        scrap.put(Some(larger));
    }

    /// Groups are in use nowhere in the room any more.
    pub(crate) fn forget(&mut self, emit: Option<Groups>, hear: Option<Groups>) {
        let Some(exchange) = &mut self.exchange else { return };
        exchange.emits.retain(|&known| Some(known) != emit);
        exchange.hears.retain(|&known| Some(known) != hear);
    }

    /// It is one of several.
    pub(crate) fn is_split(&self) -> bool {
        self.exchange.is_some()
    }

    /// The slot it has listened in and not answered yet.
    pub(crate) fn heard_slot(&self) -> Option<u64> {
        self.exchange.as_ref()?.heard.map(|heard| heard.slot)
    }

    /// What its ticks work with, if that is its own.
    pub(crate) fn own_scratch(&mut self) -> Option<&mut Scratch> {
        self.exchange.as_deref_mut().map(Exchange::scratch)
    }
}

/// The two halves of a tick.
impl Share {
    /// The first half of a tick: hear everybody here, and tell the others.
    pub(crate) fn hear(&mut self, tick: Tick, inbox: &mut Inbox, missing: &Counter, scrap: &Scrapyard) {
        let Some(mut exchange) = self.exchange.take() else { return };
        let scratch = &mut *exchange.scratch;
        self.receive(tick, scratch, inbox);
        self.listen(tick, scratch, &[]);
        let listening = std::mem::replace(&mut scratch.listening, [true; 3]);
        self.play_announcements(scratch, scrap);
        scratch.listening = listening;
        missing.add(self.post(tick, &mut exchange, scrap));
        exchange.heard = Some(tick);
        self.exchange = Some(exchange);
    }

    /// Posts what was heard to all other shares. Returns how much of it they will miss.
    fn post(&self, tick: Tick, exchange: &mut Exchange, scrap: &Scrapyard) -> u64 {
        let Some(at) = exchange.free(scrap) else { return 1 };
        let Exchange { scratch, outbox, peers, .. } = exchange;
        let Some(partial) = Arc::get_mut(&mut outbox[at]) else { return 1 };
        partial.begin(tick.slot);
        (partial.listening, partial.open, partial.floors_decibov) =
            (scratch.listening, scratch.open, scratch.floors_decibov);
        let missing = self.buses.iter().filter(|bus| !partial.add_bus(bus)).count();
        partial.add_announcement(&self.buses[0]);
        for nominee in scratch.nominees.list() {
            if let Some(nomination) = partial.nominate() {
                self.describe(nominee, &scratch.voices, nomination);
            }
        }
        let mut missing = missing + self.ask(scratch, partial);
        for peer in peers {
            if let Some(mut memory) = peer.lesson() {
                self.write_down(tick.slot, &mut memory);
                missing += usize::from(peer.to.try_send(Post::Remembered(memory)).is_err());
            }
            // Full where the other is far behind: it will have to do without.
            drop(peer.to.try_send(Post::Heard(outbox[at].clone())));
        }
        missing as u64
    }

    /// Notes what legs here will ask the mixes for: what these remember of it must go on everywhere. Returns how much
    /// of that there is no room for.
    fn ask(&self, scratch: &Scratch, partial: &mut Partial) -> usize {
        let ticking = self.members.iter().zip(&scratch.voices.list).filter(|(member, _)| member.ticks);
        let staying = ticking.filter(|(member, _)| !member.leaves());
        let asks = staying.filter_map(|(member, voice)| {
            let codec = member.leg.may_send_with()?;
            let asks = member.leg.may_share() && matches!(hears(&member.leg, codec, voice), Hears::Others);
            asks.then_some((member.leg.route.hear, codec))
        });
        asks.filter(|&(hear, codec)| !partial.ask(hear, codec)).count()
    }

    fn describe(&self, nominee: &Nominee, voices: &Voices, nomination: &mut Nomination) {
        let (leg, voice) = (&self.members[nominee.at].leg, &voices.list[nominee.at]);
        nomination.nominee = *nominee;
        nomination.voice = voice.audible.then_some(voice.rate);
        (nomination.emit, nomination.emit_before) = (leg.route.emit, leg.route.emit_before);
        nomination.gain_before = leg.gain;
        if voice.audible {
            nomination.frame[..voice.rate.frame()].copy_from_slice(voices.frame(voice));
        }
    }

    /// The second half: mix what everybody has told, and send. `false` if that must wait a little for the others.
    pub(crate) fn answer(
        &mut self,
        now: Tick,
        patience: Patience,
        outbox: &mut Outbox,
        missing: &Counter,
        scrap: &Scrapyard,
    ) -> bool {
        let Some(mut exchange) = self.exchange.take() else { return true };
        let ready = exchange.heard.filter(|heard| {
            heard.slot < now.slot && (exchange.collect(heard.slot, scrap) || now.slot > heard.slot + patience.slots())
        });
        if let Some(heard) = ready {
            exchange.heard = None;
            missing.add(self.take_in(heard.slot, &mut exchange, scrap));
            let Exchange { scratch, peers, .. } = &mut *exchange;
            self.select(scratch, peers);
            self.mix(scratch);
            for partial in peers.iter().filter_map(|peer| peer.posted(heard.slot)) {
                for &(hear, asked) in partial.asks() {
                    mix_of(&mut self.mixes, hear).follow(asked, &self.noise);
                }
            }
            self.send(heard, scratch, outbox);
            self.give_back(scratch);
            for peer in peers {
                if peer.posted(heard.slot).is_some() {
                    peer.partial.take().into_iter().for_each(|partial| let_go(partial, scrap));
                }
            }
        }
        self.exchange = Some(exchange);
        if let Some(heard) = ready {
            self.settle(heard, scrap, &[]);
        }
        ready.is_some()
    }

    /// Adds what the others have posted to what was heard here. Returns how much of it is missing.
    fn take_in(&mut self, slot: u64, exchange: &mut Exchange, scrap: &Scrapyard) -> u64 {
        let Exchange { scratch, peers, .. } = exchange;
        for memory in peers.iter_mut().filter_map(|peer| peer.teaches.take_if(|memory| memory.slot <= slot)) {
            if memory.slot == slot {
                self.recall(&memory);
            }
            scrap.put(Some(memory));
        }
        for partial in peers.iter().filter_map(|peer| peer.posted(slot)) {
            for (own, others) in scratch.listening.iter_mut().zip(partial.listening) {
                *own |= others;
            }
        }
        let mut missing = 0;
        for number in 0..peers.len() {
            let Some(partial) = peers[number].posted(slot) else {
                missing += u64::from(peers[number].is_known);
                peers[number].is_punctual = false;
                continue;
            };
            missing += partial.add_to(&mut self.buses, scratch.listening);
            scratch.open += partial.open;
            scratch.floors_decibov += partial.floors_decibov;
            for (at, nomination) in partial.nominations().iter().enumerate() {
                let nominee = Nominee { share: number + 1, at, ..nomination.nominee };
                if let Some(ducked) = scratch.nominees.nominate(nominee) {
                    self.say_nominee(&ducked, Gain::Ducked, peers, &mut scratch.voices);
                }
            }
            (peers[number].is_known, peers[number].is_punctual) = (true, true);
        }
        missing
    }

    /// Adds a nominee's voice to the buses it emits into, wherever it comes from.
    pub(super) fn say_nominee(&mut self, nominee: &Nominee, gain: Gain, peers: &[Peer], voices: &mut Voices) {
        let Some(other) = nominee.share.checked_sub(1) else { return self.say(nominee.at, gain, voices) };
        let partial = peers.get(other).and_then(|peer| peer.partial.as_deref());
        let Some(nomination) = partial.and_then(|partial| partial.nominations().get(nominee.at)) else { return };
        let Some(rate) = nomination.voice else { return };
        let (mut frame, mut leaving) = ([0; FRAME_MAX], [0; FRAME_MAX]);
        let (frame, leaving) = (&mut frame[..rate.frame()], &mut leaving[..rate.frame()]);
        frame.copy_from_slice(&nomination.frame[..rate.frame()]);
        mixer::apply_gain(frame, nomination.gain_before, gain);
        if let Some(emit_before) = nomination.emit_before {
            mixer::split_fade(frame, leaving);
            say(&mut self.buses, emit_before, rate, leaving);
        }
        say(&mut self.buses, nomination.emit, rate, frame);
    }
}

/// Ticks a share may be behind the others without losing anything of theirs: as many as a thread makes up for.
const TICKS_AHEAD: usize = 6;

/// What has been posted to one share and not been given back: what waits for it, what it has at hand, and one more.
pub(crate) const TICKS_AHEAD_IN_ALL: usize = TICKS_AHEAD + 2;

/// How long to look for what should have been there in the next slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A large share takes most of a slot to hear its legs, so that a moment more or less decides; and a thread that the
    /// machine wakes late is seldom more than a few slots late. To wait for it costs less than a tick without the others:
    /// a packet that comes some milliseconds later waits less at the phone, and a voice that is missing is heard to be.
    Slots,
    /// Something cannot wait any more.
    Over,
}

impl Patience {
    fn slots(self) -> u64 {
        match self {
            Patience::Slots => PATIENCE_SLOTS,
            Patience::Over => 0,
        }
    }
}

/// A share that is later than this is mixed without: its packets then leave 6 ms later than usual.
const PATIENCE_SLOTS: u64 = 3;
