//! A room's share: the legs of a room that one thread mixes, and the one tick that all of it is about.
//!
//! Mostly a room is one share. A room too large for a thread becomes several: each sums its own legs on its
//! buses in one slot, all but the few that it nominates to be heard whole; they [exchange] sums, nominees and the
//! number of open legs, and each decides, adds the nominees and mixes for its own listeners in the next. Exact
//! sums make the result the same; the cut is in [`Share::tick`], between [`Share::listen`] and [`Share::select`].

pub(crate) mod exchange;
pub(crate) mod memory;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use model::{LegId, PlaybackId, RoomId};

use crate::Codec;
use crate::bus::{Bus, Heard, Mix, Sums, has_memory};
use crate::leg::{Leg, Route, TickPart, WayOut};
use crate::limiter::Limiter;
use crate::mail::{BATCH_LEGS, Inbox, Mail, Outbox};
use crate::message::{ECHO, Groups, MAIN};
use crate::mixer::{self, FRAME_MAX, Gain, Rate};
use crate::noise::Noise;
use crate::order::{Arrival, Departure, LegOrder, NewRoute, Scrapyard};
use crate::player::{Pages, Player};
use crate::prefetch::{prefetch, prefetch_slice};
use crate::room::exchange::{Exchange, Peer};
use crate::selection::{Nominee, Nominees};
use crate::slot::{TICKS_TO_CHOICE, Waits};
use crate::speaker::Speaker;
use crate::worker::{SLOTS, Tick};

/// The legs of one room on one thread.
pub(crate) struct Share {
    pub(crate) room: RoomId,
    /// Which of the cycle's slots it ticks in.
    pub(crate) slot: u64,
    /// The room's first, which lasts as long as the room and speaks for it.
    is_first: bool,
    /// How it ticks with the room's other shares, if there are any.
    exchange: Option<Box<Exchange>>,
    /// It has changed its slot, and does not tick before this one.
    pub(crate) rests_until: u64,
    /// Ticks until it may choose another slot; none when nobody has joined since it did.
    choice_in: Option<u32>,
    /// The end of what it has put into the outbox of its batch.
    pub(crate) mailed: usize,
    /// One of its legs has something to tell, or is to be measured.
    pub(crate) has_news: bool,
    /// Side by side with `members`: finding one of 250 legs should not touch 250 legs.
    ids: Vec<LegId>,
    members: Vec<Member>,
    /// The first is the conversation's; the others last as long as somebody uses them. They come boxed, from where
    /// they were made, and go so.
    #[expect(clippy::vec_box, reason = "one pointer is moved in a tick, and places are kept for many")]
    buses: Vec<Box<Bus>>,
    /// The first hears nothing, the second the conversation.
    #[expect(clippy::vec_box, reason = "as above")]
    mixes: Vec<Box<Mix>>,
    noise: Noise,
    speaker: Speaker,
    announcer: Option<Player>,
    announcements: VecDeque<Player>,
    /// Announcements that are over and not reported yet.
    announced: VecDeque<PlaybackId>,
}

/// A leg, and what is to become of it.
struct Member {
    leg: Box<Leg>,
    /// The slot it was last ticked in, here or where it came from.
    ticked_slot: Option<u64>,
    /// It takes part in the running tick.
    ticks: bool,
    /// Packets received for it in the running tick.
    fetched: u32,
    fate: Fate,
}

impl Member {
    /// This tick is its last here.
    fn leaves(&self) -> bool {
        !matches!(self.fate, Fate::Stay)
    }
}

/// See [`Share::prefetch`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum PrefetchStep {
    Share,
    Members,
    Legs,
    Wires,
}

/// Places for legs in a room, made off the media threads.
pub(crate) struct Seats {
    ids: Vec<LegId>,
    members: Vec<Member>,
}

impl Seats {
    /// Allocates: not in a tick.
    pub(crate) fn new(legs: usize) -> Self {
        Self { ids: Vec::with_capacity(legs), members: Vec::with_capacity(legs) }
    }
}

/// What is to become of a leg after its next tick.
enum Fate {
    Stay,
    Close,
    Depart(Departure),
}

/// A leg that is done here.
pub(crate) enum Leaver {
    Closed(Box<Leg>),
    Departed(Arrival),
}

impl Share {
    /// An empty room, which has to [grow](Self::grow) before anybody comes. Allocates: not in a tick.
    pub(crate) fn new(room: RoomId, slot: u64) -> Box<Self> {
        let mut buses = Vec::with_capacity(ROUTES_MAX);
        buses.push(Bus::new(MAIN));
        let mut mixes = Vec::with_capacity(ROUTES_MAX);
        mixes.extend([Mix::new(0), Mix::new(MAIN)]);
        Box::new(Self {
            room,
            slot,
            is_first: true,
            exchange: None,
            rests_until: 0,
            choice_in: None,
            mailed: 0,
            has_news: false,
            ids: Vec::new(),
            members: Vec::new(),
            buses,
            mixes,
            noise: Noise::new(),
            speaker: Speaker::default(),
            announcer: None,
            announcements: VecDeque::with_capacity(ANNOUNCEMENTS_MAX),
            announced: VecDeque::with_capacity(2 * ANNOUNCEMENTS_MAX),
        })
    }

    /// One more share of a room, which takes part in it from its first tick on. Allocates: not in a tick.
    pub(crate) fn another(room: RoomId, slot: u64, exchange: Box<Exchange>) -> Box<Self> {
        let mut share = Self::new(room, slot);
        (share.is_first, share.exchange) = (false, Some(exchange));
        share
    }

    /// Legs here now.
    pub(crate) fn legs(&self) -> usize {
        self.members.len()
    }

    /// There is room for one more leg.
    pub(crate) fn has_room(&self) -> bool {
        self.members.len() < self.members.capacity()
    }

    /// Moves to a larger place; leaves the smaller one behind, to be freed.
    pub(crate) fn grow(&mut self, seats: &mut Seats) {
        if seats.members.capacity() <= self.members.capacity() {
            return;
        }
        seats.ids.append(&mut self.ids);
        seats.members.append(&mut self.members);
        std::mem::swap(&mut self.ids, &mut seats.ids);
        std::mem::swap(&mut self.members, &mut seats.members);
    }

    /// Takes a new leg in.
    pub(crate) fn open(&mut self, leg: Box<Leg>) {
        self.enter(leg, None);
    }

    /// Takes a leg in that comes from another room, or from another thread.
    pub(crate) fn arrive(&mut self, arrival: Arrival, scrap: &Scrapyard) -> bool {
        let Arrival { mut leg, ticked_slot, mut departure } = arrival;
        scrap.put(leg.take_spare(departure.route.spare.take()));
        let (emit, hear) = (departure.route.emit, departure.route.hear);
        let known = self.prepare(departure.route, scrap);
        if known {
            leg.route.change(emit, hear);
        }
        self.enter(leg, Some(ticked_slot));
        known
    }

    fn enter(&mut self, leg: Box<Leg>, ticked_slot: Option<u64>) {
        self.ids.push(leg.id);
        self.choice_in = Some(TICKS_TO_CHOICE);
        self.members.push(Member { leg, ticked_slot, ticks: false, fetched: 0, fate: Fate::Stay });
    }

    /// Carries out an order to a leg; `false` when it cannot: the leg is not here or is about to leave.
    pub(crate) fn order(&mut self, leg: LegId, order: LegOrder, tick: Tick, scrap: &Scrapyard) -> bool {
        let Some(at) = self.ids.iter().position(|&id| id == leg) else { return false };
        if !matches!(self.members[at].fate, Fate::Stay) {
            return false;
        }
        match order {
            LegOrder::Agree(media) => scrap.put(self.members[at].leg.agree(media, tick.us)),
            LegOrder::Route(mut route) => {
                scrap.put(self.members[at].leg.take_spare(route.spare.take()));
                let (emit, hear) = (route.emit, route.hear);
                if !self.prepare(route, scrap) {
                    return false;
                }
                self.members[at].leg.route.change(emit, hear);
            }
            LegOrder::Play { playback, sound, loops } => {
                scrap.put(self.members[at].leg.play(playback, sound, loops));
            }
            LegOrder::StopPlay => scrap.put(self.members[at].leg.stop_playing()),
            LegOrder::SendDigits(digits) => {
                let (taken, freed) = self.members[at].leg.send_digits(digits);
                scrap.put(freed);
                return taken;
            }
            LegOrder::Tune(tuning, treatment) => scrap.put(self.members[at].leg.tune(tuning, treatment)),
            LegOrder::Admit(onlookers) => scrap.put(self.members[at].leg.admit(onlookers)),
            LegOrder::Dismiss(tap) => {
                let (tap, none_left) = self.members[at].leg.dismiss(tap);
                scrap.put(tap);
                scrap.put(none_left);
            }
            LegOrder::Depart(departure) => {
                self.members[at].leg.route.change(0, 0);
                self.members[at].fate = Fate::Depart(departure);
            }
            LegOrder::Close => {
                self.members[at].leg.route.change(0, 0);
                self.members[at].fate = Fate::Close;
            }
        }
        true
    }

    /// Makes sure that a route's groups have their bus and their mix; `false` when there are too many already.
    fn prepare(&mut self, route: NewRoute, scrap: &Scrapyard) -> bool {
        let NewRoute { emit, hear, mut bus, mut mix, spare } = route;
        scrap.put(spare);
        let has_bus = |buses: &[Box<Bus>]| emit == 0 || buses.iter().any(|bus| bus.emit == emit);
        let has_mix = |mixes: &[Box<Mix>]| mixes.iter().any(|mix| mix.hear == hear);
        if !has_bus(&self.buses) && self.buses.len() < ROUTES_MAX {
            self.buses.extend(bus.take());
        }
        if !has_mix(&self.mixes) && self.mixes.len() < ROUTES_MAX {
            self.mixes.extend(mix.take());
        }
        scrap.put(bus);
        scrap.put(mix);
        has_bus(&self.buses) && has_mix(&self.mixes)
    }

    /// Plays to everybody who hears the conversation, after what is being played already; `false` (and over at
    /// once) when too much is waiting.
    pub(crate) fn announce(&mut self, playback: PlaybackId, sound: Arc<Pages>, scrap: &Scrapyard) -> bool {
        if self.announcements.len() == ANNOUNCEMENTS_MAX {
            scrap.put(Some(sound));
            self.announced_push(playback);
            return false;
        }
        self.announcements.push_back(Player::new(playback, sound, 1));
        true
    }

    fn announced_push(&mut self, playback: PlaybackId) {
        if self.announced.len() < self.announced.capacity() {
            self.announced.push_back(playback);
        }
    }

    /// Announcements that are over, oldest first, until they are taken out.
    pub(crate) fn announced(&mut self) -> &mut VecDeque<PlaybackId> {
        &mut self.announced
    }

    /// Everything that will not be announced any more, when the room has come to its end.
    pub(crate) fn into_unannounced(self) -> impl Iterator<Item = PlaybackId> {
        let players = self.announcer.into_iter().chain(self.announcements);
        self.announced.into_iter().chain(players.map(|player| player.playback))
    }

    /// It may tick together with other rooms: [`Share::fetch`] for all of them, [`Share::tick`], [`Share::deliver`].
    pub(crate) fn fits_a_batch(&self) -> bool {
        self.members.len() <= BATCH_LEGS && !self.is_split()
    }

    /// One tick of the room: hear everybody, mix, and send everybody what they hear; receiving before, and sending
    /// after, where it [fits a batch](Self::fits_a_batch). Meanwhile, leg by leg and part by part, what the tick of the
    /// `next` room of the batch will touch comes nearer; of its own, that of so many of the first legs has been `asked` for.
    pub(crate) fn tick(
        &mut self,
        tick: Tick,
        scratch: &mut Scratch,
        mail: &mut Mail,
        scrap: &Scrapyard,
        asked: usize,
        next: Option<&Share>,
    ) {
        let next = next.map_or(&[][..], |next| &next.members);
        let fits_a_batch = self.fits_a_batch();
        if fits_a_batch {
            self.buses[..COMMON_BUSES].iter().for_each(|bus| bus.prefetch());
            self.mixes[..COMMON_MIXES].iter().for_each(|mix| mix.prefetch());
            self.take_mail(0..self.members.len(), tick, scratch, &mut mail.inbox, asked, next);
            self.mixes[..COMMON_MIXES].iter().for_each(|mix| mix.prefetch_encodings());
        } else {
            self.receive(tick, scratch, &mut mail.inbox);
        }
        self.listen(tick, scratch, next);
        self.select(scratch, &[]);
        self.play_announcements(scratch, scrap);
        self.mix(scratch);
        if fits_a_batch {
            self.write(0..self.members.len(), tick, scratch, &mut mail.outbox, next);
        } else {
            self.send(tick, scratch, &mut mail.outbox);
        }
        self.give_back(scratch);
        self.settle(tick, scrap, next);
    }

    /// Brings what [`Share::fetch`] touches towards the cache, one step after the other, each when what the step
    /// before asked for has come: who is here, the first legs, their wires.
    pub(crate) fn prefetch(&self, step: PrefetchStep) {
        match step {
            // Apart from the others, which begin by reading what this one only asks for.
            PrefetchStep::Share => prefetch(self),
            step => self.prefetch_members(step),
        }
    }

    #[inline(never)]
    fn prefetch_members(&self, step: PrefetchStep) {
        let first = self.members.iter().take(PREFETCHED_LEGS);
        match step {
            PrefetchStep::Share => {}
            PrefetchStep::Members => {
                first.for_each(prefetch);
                prefetch_slice(&self.buses);
                prefetch_slice(&self.mixes);
            }
            PrefetchStep::Legs => first.for_each(|member| member.leg.prefetch_polling()),
            PrefetchStep::Wires => first.for_each(|member| member.leg.prefetch_wire()),
        }
    }

    /// Receives every leg's packets, batch by batch.
    fn receive(&mut self, tick: Tick, scratch: &mut Scratch, inbox: &mut Inbox) {
        for start in (0..self.members.len()).step_by(BATCH_LEGS) {
            let batch = start..self.members.len().min(start + BATCH_LEGS);
            inbox.clear();
            self.fetch(batch.clone(), tick, inbox);
            self.take_mail(batch, tick, scratch, inbox, 0, &[]);
        }
    }

    /// Receives what has come for these legs.
    pub(crate) fn fetch(&mut self, legs: Range<usize>, tick: Tick, inbox: &mut Inbox) {
        for at in legs {
            if let Some(next) = self.members.get(at + 3) {
                next.leg.prefetch_polling();
            }
            if let Some(next) = self.members.get(at + 2) {
                next.leg.prefetch_wire();
            }
            let member = &mut self.members[at];
            // A leg that has just come from an earlier slot waits until its peer has sent the next frame.
            let passed = member.ticked_slot.map_or(SLOTS, |ticked| tick.slot.saturating_sub(ticked));
            member.ticks = passed >= SLOTS;
            if member.ticks {
                member.ticked_slot = Some(tick.slot);
                if passed >= 2 * SLOTS {
                    member.leg.sender.pass(passed / SLOTS - 1);
                }
                member.fetched = member.leg.fetch(tick, inbox);
            }
        }
    }

    /// Gives these legs what has been received for them.
    fn take_mail(
        &mut self,
        legs: Range<usize>,
        tick: Tick,
        scratch: &mut Scratch,
        inbox: &mut Inbox,
        asked: usize,
        next: &[Member],
    ) {
        let end = legs.end;
        for at in legs {
            ask(next, at, TickPart::Leg);
            if at >= asked && (at - asked).is_multiple_of(FETCHED_LEGS) {
                fetch_legs(&self.members[at..end.min(at + FETCHED_LEGS)]);
            }
            let Member { leg, ticks, fetched, .. } = &mut self.members[at];
            if *ticks {
                scratch.packets_in += leg.take_mail(*fetched, tick, inbox, &mut scratch.received);
            }
        }
    }

    /// Takes one frame of every leg, and nominates those that may be heard whole. All others are ducked: the buses
    /// hold the sum of these.
    fn listen(&mut self, tick: Tick, scratch: &mut Scratch, next: &[Member]) {
        for bus in &mut self.buses {
            bus.begin(&mut scratch.sums);
        }
        scratch.voices.clear();
        scratch.nominees.clear();
        (scratch.open, scratch.floors_decibov) = (0, 0);
        scratch.listening = [false; 3];
        self.noise.begin(tick.slot / SLOTS);
        for at in 0..self.members.len() {
            ask(next, at, TickPart::Playout);
            let Member { leg, ticks, .. } = &mut self.members[at];
            let rate = leg.rate();
            if !*ticks {
                scratch.voices.add_silence(rate);
                continue;
            }
            scratch.listening[rate as usize] = true;
            let audible = leg.listen(tick, scratch.voices.add(rate));
            scratch.voices.list[at].audible = audible;
            if !leg.speech.is_open() {
                leg.gain = Gain::Whole;
                continue;
            }
            scratch.open += 1;
            scratch.floors_decibov += leg.speech.floor_decibov();
            let talks = leg.speech.talks() && leg.route.emit & MAIN != 0;
            let nominee = Nominee::new(leg.id, at, leg.speech.prominence(), leg.gain == Gain::Whole, talks);
            if let Some(ducked) = scratch.nominees.nominate(nominee) {
                self.say(ducked.at, Gain::Ducked, &mut scratch.voices);
            }
        }
    }

    /// Decides who is heard whole, and adds the nominees to the buses: those of this share and of all others.
    fn select(&mut self, scratch: &mut Scratch, peers: &[Peer]) {
        scratch.nominees.decide(scratch.open);
        for nominee in scratch.nominees.list() {
            let gain = if nominee.whole { Gain::Whole } else { Gain::Ducked };
            self.say_nominee(nominee, gain, peers, &mut scratch.voices);
        }
        if self.is_first {
            self.speaker.look(scratch.nominees.list());
        }
        self.noise.follow(scratch.floors_decibov, scratch.open);
    }

    /// Adds a leg's voice to the buses it emits into.
    fn say(&mut self, at: usize, gain: Gain, voices: &mut Voices) {
        let (leg, voice) = (&mut *self.members[at].leg, &voices.list[at]);
        let before = std::mem::replace(&mut leg.gain, gain);
        if !voice.audible {
            return;
        }
        let rate = voice.rate;
        let (frame, leaving) = voices.pcm[voice.start..voice.start + 2 * rate.frame()].split_at_mut(rate.frame());
        mixer::apply_gain(frame, before, gain);
        if let Some(emit_before) = leg.route.emit_before {
            mixer::split_fade(frame, leaving);
            say(&mut self.buses, emit_before, rate, leaving);
        }
        say(&mut self.buses, leg.route.emit, rate, frame);
    }

    /// Adds what is announced to the conversation.
    fn play_announcements(&mut self, scratch: &mut Scratch, scrap: &Scrapyard) {
        if self.announcer.is_none() {
            self.announcer = self.announcements.pop_front();
        }
        let Some(announcer) = &mut self.announcer else { return };
        for rate in Rate::ALL.into_iter().filter(|&rate| scratch.listening[rate as usize]) {
            let sound = &mut scratch.pcm[..rate.frame()];
            announcer.frame(rate, sound);
            self.buses[0].play(rate, sound);
        }
        if let Some(ended) = self.announcer.take_if(|announcer| announcer.advance()) {
            self.announced_push(ended.playback);
            scrap.put(Some(ended.into_sound()));
        }
    }

    /// Sums what each set of ears can hear.
    fn mix(&mut self, scratch: &mut Scratch) {
        for bus in &mut self.buses {
            bus.carry(scratch.listening);
        }
        for mix in &mut self.mixes {
            mix.begin(&mut scratch.heard, &self.buses, scratch.listening);
        }
    }

    /// Sends every leg what it hears, batch by batch.
    fn send(&mut self, tick: Tick, scratch: &mut Scratch, outbox: &mut Outbox) {
        for start in (0..self.members.len()).step_by(BATCH_LEGS) {
            outbox.clear();
            self.write(start..self.members.len().min(start + BATCH_LEGS), tick, scratch, outbox, &[]);
            scratch.packets_out += self.deliver(0..outbox.len(), outbox);
        }
    }

    /// Hands these packets to the network. Returns how many it took.
    pub(crate) fn deliver(&mut self, packets: Range<usize>, outbox: &Outbox) -> u64 {
        let deliver = |at| {
            let (posted, datagram) = outbox.packet(at);
            u64::from(self.members[posted.member].leg.deliver(datagram, posted.to))
        };
        packets.map(deliver).sum()
    }

    /// Writes what these legs hear into the outbox.
    fn write(&mut self, legs: Range<usize>, tick: Tick, scratch: &mut Scratch, outbox: &mut Outbox, next: &[Member]) {
        let Scratch { voices, pcm, ears, .. } = scratch;
        let members = self.members.iter_mut().zip(&voices.list).enumerate().take(legs.end).skip(legs.start);
        for (at, (member, voice)) in members {
            ask(next, at, TickPart::Stream);
            if !member.ticks {
                continue;
            }
            let leaves = member.leaves();
            let leg = &mut *member.leg;
            if matches!(member.fate, Fate::Close) {
                leg.say_bye(tick);
                continue;
            }
            let Some(codec) = leg.may_send_with() else {
                leg.sender.pass(1);
                continue;
            };
            let way_out = &mut WayOut { outbox, member: at };
            let heard_before = leg.route.hear_before.unwrap_or(leg.route.hear);
            match hears(leg, codec, voice) {
                _ if leg.sends_digits() => {
                    leg.stop_sharing(mix_of(&mut self.mixes, heard_before));
                    let frame = &mut pcm[..voice.rate.frame()];
                    render(leg, voice, voices, &mut self.mixes, &self.noise, ears, frame);
                    leg.is_sent(frame, tick);
                    leg.send_next_digit(frame, way_out);
                }
                Hears::Player => {
                    leg.stop_sharing(mix_of(&mut self.mixes, heard_before));
                    leg.send_page(way_out);
                }
                // Who leaves goes on elsewhere, from what it was sent here.
                Hears::Others
                    if !leaves && leg.send_shared(mix_of(&mut self.mixes, leg.route.hear), &self.noise, way_out) => {}
                Hears::Others | Hears::Own => {
                    leg.stop_sharing(mix_of(&mut self.mixes, heard_before));
                    let frame = &mut pcm[..voice.rate.frame()];
                    let is_silent = render(leg, voice, voices, &mut self.mixes, &self.noise, ears, frame);
                    leg.is_sent(frame, tick);
                    leg.send_frame(frame, is_silent, way_out);
                }
            }
        }
    }

    /// Gives back what buses and mixes have borrowed for the tick.
    fn give_back(&mut self, scratch: &mut Scratch) {
        scratch.sums.extend(self.buses.iter_mut().filter_map(|bus| bus.end()));
        scratch.heard.extend(self.mixes.iter_mut().filter_map(|mix| mix.end()));
    }

    /// Ends the tick: what faded is gone, sounds move on, buses nobody uses any more go.
    fn settle(&mut self, tick: Tick, scrap: &Scrapyard, next: &[Member]) {
        self.has_news = false;
        for (at, member) in self.members.iter_mut().enumerate() {
            ask(next, at, TickPart::Sound);
            if member.ticks {
                let freed = member.leg.settle();
                if freed.iter().any(Option::is_some) {
                    scrap.put(freed.into_iter().flatten());
                }
            }
            self.has_news |= member.leg.has_news(tick);
        }
        let used = |uses: &dyn Fn(&Route) -> bool| self.members.iter().any(|member| uses(&member.leg.route));
        let exchange = self.exchange.as_deref();
        for at in (COMMON_BUSES..self.buses.len()).rev() {
            let bus = &self.buses[at];
            let emit = bus.emit;
            let kept = bus.is_ringing() || exchange.is_some_and(|exchange| exchange.keeps_bus(emit));
            if !kept && !used(&|route| route.emit == emit || route.emit_before == Some(emit)) {
                scrap.put(Some(self.buses.swap_remove(at)));
            }
        }
        for at in (COMMON_MIXES..self.mixes.len()).rev() {
            let hear = self.mixes[at].hear;
            let kept = exchange.is_some_and(|exchange| exchange.keeps_mix(hear));
            if !kept && !used(&|route| route.hear == hear || route.hear_before == Some(hear)) {
                scrap.put(Some(self.mixes.swap_remove(at)));
            }
        }
    }

    /// How long its legs' packets wait, when it is time to choose a slot by that.
    pub(crate) fn waits(&mut self, tick: Tick) -> Option<Waits> {
        let choice_in = self.choice_in.as_mut()?;
        *choice_in -= 1;
        if *choice_in > 0 {
            return None;
        }
        self.choice_in = None;
        let mut waits = Waits::default();
        let arrivals = self.members.iter().filter_map(|member| member.leg.last_arrival_us(tick.us));
        arrivals.for_each(|arrival_us| waits.add(arrival_us));
        Some(waits)
    }

    /// Who speaks, to hear whether that has changed.
    pub(crate) fn speaker(&mut self) -> &mut Speaker {
        &mut self.speaker
    }

    /// The legs, to hear what they have to tell.
    pub(crate) fn legs_mut(&mut self) -> impl Iterator<Item = &mut Leg> {
        self.members.iter_mut().map(|member| &mut *member.leg)
    }

    /// Takes out a leg whose time here is over, once it has faded out. Closed ones only if they `may_close`.
    pub(crate) fn take_leaver(&mut self, may_close: bool) -> Option<Leaver> {
        let leaves = |member: &Member| match member.fate {
            Fate::Stay => false,
            Fate::Close => may_close,
            Fate::Depart(_) => true,
        };
        let at = self.members.iter().position(|member| member.ticks && leaves(member))?;
        self.ids.swap_remove(at);
        let Member { leg, ticked_slot, fate, .. } = self.members.swap_remove(at);
        Some(match fate {
            Fate::Depart(departure) => {
                Leaver::Departed(Arrival { leg, ticked_slot: ticked_slot.unwrap_or(0), departure })
            }
            Fate::Stay | Fate::Close => Leaver::Closed(leg),
        })
    }
}

/// Where the bytes a leg is sent come from.
enum Hears {
    /// Its player and nothing else: they are in the sound's pages.
    Player,
    /// Others, exactly as everybody who listens only: encoded once for all, where that can be.
    Others,
    /// What only this leg hears.
    Own,
}

/// Finds the cheapest source of what a leg hears.
fn hears(leg: &Leg, codec: Codec, voice: &Voice) -> Hears {
    let route = &leg.route;
    // A decoder that joins in the middle of a stream fades in by itself.
    let fades_mix = route.hear_before.is_some() && !(has_memory(codec) && leg.comes_from_silence());
    let fades = fades_mix || leg.leaving_player.is_some();
    let is_heard = voice.audible && route.is_audible_to(route.hear & !ECHO);
    match &leg.player {
        _ if fades || is_heard || leg.is_overheard() || !leg.sender.sends_single_frames() => Hears::Own,
        None => Hears::Others,
        Some(player) if route.hear == 0 && player.has_page(codec) => Hears::Player,
        _ => Hears::Own,
    }
}

/// Writes what a leg hears: its mix without its own voice, and its player; comfort noise where that is nothing.
/// `true` if it is that noise alone.
fn render(
    leg: &mut Leg,
    voice: &Voice,
    voices: &Voices,
    mixes: &mut [Box<Mix>],
    noise: &Noise,
    ears: &mut Ears,
    out: &mut [i16],
) -> bool {
    let (rate, route, rises) = (voice.rate, leg.route, !leg.comes_from_silence());
    let is_in = |emit: Groups, hear: Groups| voice.audible && emit & hear & !ECHO != 0;
    let emit_before = route.emit_before.unwrap_or(0);
    // How many of a mix's voices are somebody else's.
    let others_in = |mix: &Mix| {
        let own = usize::from(is_in(route.emit, mix.hear)) + usize::from(is_in(emit_before, mix.hear));
        mix.voices(rate).saturating_sub(own)
    };
    let without_own = |mix: &Mix, ear: &mut [i32]| {
        ear.copy_from_slice(mix.total(rate));
        if is_in(route.emit, mix.hear) {
            mixer::subtract(ear, voices.frame(voice));
        }
        if is_in(emit_before, mix.hear) {
            mixer::subtract(ear, voices.leaving(voice));
        }
    };
    let mix = mix_of(mixes, route.hear);
    let mut heard = others_in(mix);
    let ear = &mut ears.now[..rate.frame()];
    let is_plain = route.hear_before.is_none() && route.emit_before.is_none();
    let may_be_spoken_to = leg.may_be_spoken_to();
    if is_plain && !may_be_spoken_to && leg.player.is_none() && leg.leaving_player.is_none() {
        if heard == 0 {
            noise.frame(rate, rises, out);
            leg.limiter = Limiter::default();
            return true;
        }
        let peak = if is_in(route.emit, mix.hear) {
            mixer::mix_minus(mix.total(rate), voices.frame(voice), out)
        } else {
            mixer::saturate(mix.total(rate), out)
        };
        if !leg.limiter.passes(peak, heard) {
            without_own(mix, ear);
            leg.limiter.limit(ear, heard, out);
        }
        return false;
    }
    without_own(mix, ear);
    if may_be_spoken_to && leg.speak_to(rate, out) {
        mixer::add(ear, out);
        heard += 1;
    }
    if heard == 0 && leg.player.is_none() {
        noise.add_to(rate, rises && route.hear_before.is_none(), ear);
    }
    if let Some(hear_before) = route.hear_before {
        let (mix, before) = (mix_of(mixes, hear_before), &mut ears.before[..rate.frame()]);
        without_own(mix, before);
        if others_in(mix) == 0 && leg.leaving_player.is_none() {
            noise.add_to(rate, false, before);
        }
        mixer::cross_fade(ear, before);
        heard += others_in(mix);
    }
    for player in leg.player.iter().chain(&leg.leaving_player) {
        player.frame(rate, out);
        mixer::add(ear, out);
        heard += 1;
    }
    if !leg.limiter.passes(mixer::saturate(ear, out), heard) {
        leg.limiter.limit(ear, heard, out);
    }
    heard == 0
}

/// Adds a voice to the bus of the groups it emits into.
fn say(buses: &mut [Box<Bus>], emit: Groups, rate: Rate, voice: &[i16]) {
    if let Some(bus) = buses.iter_mut().find(|bus| bus.emit == emit) {
        bus.say(rate, voice);
    }
}

/// The mix for a set of ears, which [`Share::prepare`] has put there.
fn mix_of(mixes: &mut [Box<Mix>], hear: Groups) -> &mut Mix {
    let at = mixes.iter().position(|mix| mix.hear == hear).unwrap_or(0);
    &mut mixes[at]
}

/// What a tick works with: one per thread, used by its rooms one after the other.
pub(crate) struct Scratch {
    voices: Voices,
    /// Memory that buses and mixes borrow for a tick; the last given back is lent first, as it is nearest.
    sums: Vec<Box<Sums>>,
    heard: Vec<Box<Heard>>,
    /// Those of the voices that may be heard whole.
    nominees: Nominees,
    /// How many microphones are open, and the sum of the noise they come with.
    open: usize,
    floors_decibov: i32,
    /// The rates somebody listens at.
    listening: [bool; 3],
    ears: Ears,
    pcm: [i16; FRAME_MAX],
    received: [u8; RECEIVED_MAX],
    /// What the thread's counters do not know yet.
    pub(crate) packets_in: u64,
    pub(crate) packets_out: u64,
}

/// What one leg hears, before it is 16 bits wide: now, and before a change.
struct Ears {
    now: [i32; FRAME_MAX],
    before: [i32; FRAME_MAX],
}

impl Scratch {
    /// For rooms without legs, until it is to [grow](Self::grow). Allocates: not in a tick.
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            voices: Voices::new(0, 0),
            sums: (0..ROUTES_MAX).map(|_| Sums::new()).collect(),
            heard: (0..ROUTES_MAX).map(|_| Heard::new()).collect(),
            nominees: Nominees::default(),
            open: 0,
            floors_decibov: 0,
            listening: [false; 3],
            ears: Ears { now: [0; FRAME_MAX], before: [0; FRAME_MAX] },
            pcm: [0; FRAME_MAX],
            received: [0; RECEIVED_MAX],
            packets_in: 0,
            packets_out: 0,
        })
    }

    /// Takes more room for voices, if it is more; leaves the rest to be freed.
    pub(crate) fn grow(&mut self, voices: &mut Voices) {
        if voices.pcm.len() > self.voices.pcm.len() || voices.list.capacity() > self.voices.list.capacity() {
            std::mem::swap(&mut self.voices, voices);
        }
    }
}

/// Everybody's frames, one behind the other, in the order of the legs.
pub(crate) struct Voices {
    pcm: Box<[i16]>,
    used: usize,
    list: Vec<Voice>,
}

/// One leg's frame: where it lies and whether there is anything in it.
struct Voice {
    rate: Rate,
    /// Of the frame; what fades away from it lies right behind.
    start: usize,
    audible: bool,
}

impl Voices {
    /// Room for so many legs whose frames have so many samples in all, and for one frame more, which those share
    /// whose room has not come yet: a leg can be faster than it. Allocates: not in a tick.
    pub(crate) fn new(legs: usize, samples: usize) -> Self {
        Self { pcm: vec![0; 2 * (samples + FRAME_MAX)].into(), used: 0, list: Vec::with_capacity(legs) }
    }

    fn clear(&mut self) {
        self.used = 0;
        self.list.clear();
    }

    /// Makes room for the next leg's frame, and behind it for what fades away from it.
    fn add(&mut self, rate: Rate) -> &mut [i16] {
        let start = self.used.min(self.pcm.len() - 2 * FRAME_MAX);
        self.used = start + 2 * rate.frame();
        self.list.push(Voice { rate, start, audible: false });
        &mut self.pcm[start..start + rate.frame()]
    }

    /// The next leg has nothing to say.
    fn add_silence(&mut self, rate: Rate) {
        self.list.push(Voice { rate, start: 0, audible: false });
    }

    fn frame(&self, voice: &Voice) -> &[i16] {
        &self.pcm[voice.start..voice.start + voice.rate.frame()]
    }

    fn leaving(&self, voice: &Voice) -> &[i16] {
        &self.pcm[voice.start + voice.rate.frame()..voice.start + 2 * voice.rate.frame()]
    }
}

/// Fetches all that a tick touches of a few legs: first of all of them what is known already, then what that points to.
fn fetch_legs(members: &[Member]) {
    members.iter().for_each(|member| member.leg.fetch_whole());
    members.iter().for_each(|member| member.leg.fetch_media());
    members.iter().for_each(|member| member.leg.fetch_sound());
}

/// Asks for a part of what the tick of one of the next room's legs will touch.
#[inline]
fn ask(next: &[Member], at: usize, part: TickPart) {
    if let Some(member) = next.get(at) {
        member.leg.ask(part);
    }
}

/// So many legs are fetched at once: enough for their cache lines to come side by side, few enough for all to stay near.
const FETCHED_LEGS: usize = 4;

/// Legs of the next room that are asked for ahead; later ones are while the first are dealt with.
const PREFETCHED_LEGS: usize = 3;

/// Different emits, or different hears, in one room at a time: one for each group, twice that while all fade.
const ROUTES_MAX: usize = 2 * Groups::BITS as usize + 2;

/// The bus of the conversation is always there.
const COMMON_BUSES: usize = 1;

/// So are the mix of nothing and the mix of the conversation.
const COMMON_MIXES: usize = 2;

/// Announcements that wait, or are played, in one room.
pub(crate) const ANNOUNCEMENTS_MAX: usize = 16;

/// The longest RTCP datagram that is read whole.
const RECEIVED_MAX: usize = 4_096;
