//! The audio plane as its owner sees it: commands in, events out.
//!
//! Everything slow happens here, on the owner's thread: sockets are bound, codecs and buffers made, closed
//! legs freed. The plane remembers which threads keep which room and where each leg is, and so turns
//! each [`Command`] into orders that a media thread carries out without looking for anything.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use model::{LegId, RoomId};

use crate::Codec;
use crate::clock::MediaClock;
use crate::digits_out::DigitsOut;
use crate::leg::{Leg, Media};
use crate::message::{Command, Event, Groups, Refusal, Tuning};
use crate::mixer::Rate;
use crate::onlookers::{LegTap, Onlookers};
use crate::order::{Batch, Departure, LegOrder, NewRoute, Order, Report, Scrap, Scrapyard, ShareIndex};
use crate::place::{Place, Size};
use crate::ports::Ports;
use crate::socket::{UdpWires, Wire, Wires, raise_open_files_limit};
use crate::stats::ThreadStats;
use crate::suppress;
use crate::thread::ticks_given_up;
use crate::treatment::Treatment;
use crate::worker::{BATCHES_MAX, Links, MOVES_MAX, REPORTS_MAX, SCRAP_MAX, SHARES_MAX, SLOT_US, SLOTS, Tick, Worker};

/// How the audio plane is set up; read once, at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Media threads, each on a core of its own while there are enough.
    pub threads: usize,
    /// Where RTP ports are taken from: the even ones, RTCP one above.
    pub ports: RangeInclusive<u16>,
    /// How long a port rests after its leg is gone, so that the last packets of one call never reach the next.
    pub port_quarantine: Duration,
    /// Legs a room holds.
    pub room_legs_max: usize,
    /// Legs of one room on one thread. A room with more goes on on another thread, where there is one.
    pub share_legs_max: usize,
    /// [`Event::Quiet`] after this long without any packet.
    pub rtp_timeout: Duration,
    /// New legs are refused from this share of a thread's time on, in thousandths.
    pub occupancy_permille_max: u64,
    /// Rooms take the slot in which their packets wait least; otherwise they stay where they are put.
    pub chooses_slots: bool,
    /// Where SSRCs and first sequence numbers come from. A bridge on a network wants a random one.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: cores.saturating_sub(1).max(1),
            ports: 10_000..=32_767,
            port_quarantine: Duration::from_secs(10),
            room_legs_max: 250,
            share_legs_max: SHARE_LEGS_MAX,
            rtp_timeout: Duration::from_secs(30),
            occupancy_permille_max: 800,
            chooses_slots: true,
            seed: 0,
        }
    }
}

/// The audio plane. Owned by one thread, which sends it commands and must [`Plane::poll`] it regularly: that
/// is also where closed legs are freed.
pub struct Plane {
    config: Config,
    wires: Box<dyn Wires>,
    ports: Ports,
    lines: Vec<Line>,
    /// The legs the tick of each thread has been given room for.
    voices: Vec<Size>,
    stats: Vec<Arc<ThreadStats>>,
    legs: HashMap<LegId, Seat>,
    rooms: HashMap<RoomId, Place>,
    batch_last: u64,
    unapplied: HashMap<u64, Unapplied>,
    events: VecDeque<Event>,
    drive: Drive,
}

/// Who makes the workers work.
enum Drive {
    Threads { clock: Arc<MediaClock>, stop: Arc<AtomicBool>, threads: Vec<JoinHandle<()>> },
    Caller { workers: Vec<Driven>, slot: u64 },
}

/// A worker whose time is the caller's.
struct Driven {
    worker: Worker,
    /// The slot it runs next.
    slot: u64,
    /// It has no time before this slot.
    held_up_until: u64,
    /// It comes to each slot so many slots too late.
    behind: u64,
}

/// The way to one media thread, and what is known about it here.
struct Line {
    orders: Sender<Batch>,
    /// What found the way full, in order.
    backlog: VecDeque<Batch>,
    reports: Receiver<Report>,
    scrap: Receiver<Scrap>,
    free: Vec<ShareIndex>,
    slot_legs: [usize; SLOTS as usize],
    moving_in: usize,
}

/// What is known here about a leg.
struct Seat {
    room: RoomId,
    /// Where its share of the room is.
    thread: usize,
    /// What it emits into and hears.
    groups: (Groups, Groups),
    port: u16,
    closes: bool,
    /// It is on its way to its room.
    moving: Option<Moving>,
    agreements: u64,
    /// In a frame of its voice, at the highest rate it has agreed to so far.
    samples: usize,
    /// Agreed last.
    codec: Option<Codec>,
    tuning: Tuning,
}

/// A leg on its way to another room.
struct Moving {
    /// The room it comes from, and where, which has its place until it has left.
    from: (RoomId, usize),
    /// What is asked of it waits, with the number of its batch.
    waiting: VecDeque<(u64, Command)>,
}

/// A batch that is not in force everywhere.
#[derive(Debug, Clone, Copy, Default)]
struct Unapplied {
    waits_for: usize,
    tick: u64,
}

impl Plane {
    /// Starts the media threads, with real sockets.
    pub fn start(config: Config) -> io::Result<Self> {
        raise_open_files_limit();
        let clock = Arc::new(MediaClock::new());
        Self::start_with(config, Box::new(UdpWires::new(clock.clone())), clock)
    }

    fn start_with(config: Config, wires: Box<dyn Wires>, clock: Arc<MediaClock>) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let drive = Drive::Threads { clock: clock.clone(), stop: stop.clone(), threads: Vec::new() };
        let (mut plane, workers) = Self::new(config, wires, drive);
        for (number, worker) in workers.into_iter().enumerate() {
            let stats = plane.stats[number].clone();
            let started = crate::thread::start(number, worker, clock.clone(), stats, stop.clone())?;
            if let Drive::Threads { threads, .. } = &mut plane.drive {
                threads.push(started);
            }
        }
        Ok(plane)
    }

    /// A plane without threads, sockets or time: [`Plane::run_until`] makes time pass, `wires` carry packets.
    pub fn manual(config: Config, wires: Box<dyn Wires>) -> Self {
        suppress::warm_up();
        let (mut plane, workers) = Self::new(config, wires, Drive::Caller { workers: Vec::new(), slot: 0 });
        let driven = |worker| Driven { worker, slot: 1, held_up_until: 0, behind: 0 };
        plane.drive = Drive::Caller { workers: workers.into_iter().map(driven).collect(), slot: 0 };
        plane
    }

    fn new(config: Config, wires: Box<dyn Wires>, drive: Drive) -> (Self, Vec<Worker>) {
        let count = config.threads.max(1);
        let (inboxes, inbox_ends): (Vec<_>, Vec<_>) = (0..count).map(|_| bounded(MOVES_MAX)).unzip();
        let (mut lines, mut workers, mut stats) = (Vec::new(), Vec::new(), Vec::new());
        for inbox in inbox_ends {
            let (orders, orders_end) = bounded(BATCHES_MAX);
            let (reports_end, reports) = bounded(REPORTS_MAX);
            let (scrap_end, scrap) = bounded(SCRAP_MAX);
            let thread_stats = Arc::new(ThreadStats::default());
            stats.push(thread_stats.clone());
            let links = Links {
                orders: orders_end,
                inbox,
                inboxes: inboxes.clone(),
                reports: reports_end,
                scrap: Scrapyard(scrap_end),
                stats: thread_stats,
            };
            workers.push(Worker::new(links, config.chooses_slots));
            let free = (0..SHARES_MAX as ShareIndex).rev().collect();
            let backlog = VecDeque::new();
            lines.push(Line { orders, backlog, reports, scrap, free, slot_legs: [0; SLOTS as usize], moving_in: 0 });
        }
        let first_pair = random(config.seed, LegId(u64::MAX));
        let ports = Ports::new(&config.ports, config.port_quarantine.as_micros() as u64, first_pair);
        let plane = Self {
            config,
            wires,
            ports,
            lines,
            voices: vec![Size::default(); count],
            stats,
            legs: HashMap::new(),
            rooms: HashMap::new(),
            batch_last: 0,
            unapplied: HashMap::new(),
            events: VecDeque::new(),
            drive,
        };
        (plane, workers)
    }

    /// Runs every slot up to and including this instant of the media clock. Does nothing with real threads.
    pub fn run_until(&mut self, now_us: u64) {
        let Drive::Caller { workers, slot } = &mut self.drive else { return };
        while *slot < now_us / SLOT_US {
            *slot += 1;
            let has_time = |driven: &&mut Driven| *slot >= driven.held_up_until.max(driven.slot + driven.behind);
            for driven in workers.iter_mut().filter(has_time) {
                let slot = *slot - driven.behind;
                driven.catch_up(slot);
                driven.worker.take_orders(Tick::new(slot, 0));
            }
            for driven in workers.iter_mut().filter(has_time) {
                let slot = *slot - driven.behind;
                driven.worker.tick(Tick::new(slot, 0));
                driven.slot = slot + 1;
            }
        }
    }

    /// Keeps one worker from its work for so long, as a core would that has too much to do; then it makes up for it.
    /// Does nothing with real threads.
    pub fn hold_up(&mut self, thread: usize, us: u64) {
        if let Drive::Caller { workers, slot } = &mut self.drive
            && let Some(driven) = workers.get_mut(thread)
        {
            driven.held_up_until = *slot + us / SLOT_US;
        }
    }

    /// Has one worker come to each slot so many slots too late from now on. Does nothing with real threads.
    pub fn fall_behind(&mut self, thread: usize, slots: u64) {
        if let Drive::Caller { workers, .. } = &mut self.drive
            && let Some(driven) = workers.get_mut(thread)
        {
            driven.behind = slots;
        }
    }

    /// The media clock: microseconds since the start.
    pub fn now_us(&self) -> u64 {
        match &self.drive {
            Drive::Threads { clock, .. } => clock.now_us(),
            Drive::Caller { slot, .. } => slot * SLOT_US,
        }
    }

    /// Every media thread runs. When one has come to its end it has panicked: its legs are silent, none of them
    /// can be closed any more, and whoever owns the plane should end, too.
    pub fn is_alive(&self) -> bool {
        match &self.drive {
            Drive::Threads { threads, .. } => !threads.iter().any(JoinHandle::is_finished),
            Drive::Caller { .. } => true,
        }
    }

    /// Each media thread's counters.
    pub fn stats(&self) -> &[Arc<ThreadStats>] {
        &self.stats
    }

    /// Sends commands that take effect together. Returns the number [`Event::Applied`] will carry.
    pub fn apply(&mut self, commands: Vec<Command>) -> u64 {
        self.batch_last += 1;
        let number = self.batch_last;
        self.unapplied.insert(number, Unapplied { waits_for: 1, tick: self.now_us() / (SLOT_US * SLOTS) });
        let mut drafts = self.drafts();
        for command in commands {
            self.draft(number, command, &mut drafts);
        }
        self.dispatch(number, drafts);
        self.part_applied(number, 0);
        self.work_off_backlogs();
        number
    }

    /// Commands are on their way, so that [`Event::Applied`] is near: [`Plane::poll`] should be asked soon.
    pub fn is_asked(&self) -> bool {
        !self.unapplied.is_empty()
    }

    /// The next event, if there is one.
    pub fn poll(&mut self) -> Option<Event> {
        if self.events.is_empty() {
            for thread in 0..self.lines.len() {
                while let Ok(report) = self.lines[thread].reports.try_recv() {
                    self.take_report(thread, report);
                }
                while self.lines[thread].scrap.try_recv().is_ok() {} // received to be freed
            }
            self.work_off_backlogs();
        }
        self.events.pop_front()
    }

    /// Turns one command into orders.
    fn draft(&mut self, number: u64, command: Command, drafts: &mut [Vec<Order>]) {
        let (leg, order) = match command {
            Command::OpenLeg { leg, room, address } => return self.open_leg(leg, room, address, drafts),
            Command::Announce { room, playback, sound } => {
                let place = self.rooms.get_mut(&room);
                if let Some(first) = place.and_then(Place::announce) {
                    let (thread, index) = (first.thread, first.index);
                    drafts[thread].push(Order::Announce { index, playback, sound });
                } else {
                    self.events.push_back(Event::AnnouncementEnded { room, playback });
                }
                return;
            }
            Command::Agree { leg, .. }
            | Command::Route { leg, .. }
            | Command::Move { leg, .. }
            | Command::Play { leg, .. }
            | Command::StopPlay { leg }
            | Command::SendDigits { leg, .. }
            | Command::Tune { leg, .. }
            | Command::DetectMachine { leg, .. }
            | Command::Tap { leg, .. }
            | Command::Untap { leg, .. }
            | Command::CloseLeg { leg } => (leg, command),
        };
        let now_us = self.now_us();
        let Some(seat) = self.legs.get_mut(&leg).filter(|seat| !seat.closes) else {
            return self.drop_command();
        };
        if let Some(Moving { waiting, .. }) = &mut seat.moving {
            // A leg that is to be closed must be closed, whatever else had no room.
            if waiting.len() < WAITING_MAX || matches!(order, Command::CloseLeg { .. }) {
                seat.closes = matches!(order, Command::CloseLeg { .. });
                waiting.push_back((number, order));
                self.unapplied.entry(number).or_default().waits_for += 1;
            } else {
                self.drop_command();
            }
            return;
        }
        let Some(place) = self.rooms.get_mut(&seat.room) else { return self.drop_command() };
        let Some(index) = place.on(seat.thread).map(|holding| holding.index) else { return self.drop_command() };
        let groups_before = seat.groups;
        let order = match order {
            Command::Agree { stream, .. } => {
                seat.agreements += 1;
                let seed = random(self.config.seed ^ seat.agreements, leg);
                match Media::new(stream, seat.tuning, seed) {
                    Ok(media) => {
                        let more = stream.codec.frame_samples().saturating_sub(seat.samples);
                        seat.samples += more;
                        seat.codec = Some(stream.codec);
                        place.add(seat.thread, Size { legs: 0, samples: more }, &mut self.voices, drafts);
                        LegOrder::Agree(media)
                    }
                    Err(error) => {
                        tracing::warn!(?leg, %error, "codec refused, the leg stays as it was");
                        return self.drop_command();
                    }
                }
            }
            Command::Move { room, emit, hear, .. } if room != seat.room => {
                return self.move_leg(number, leg, room, (emit, hear), drafts);
            }
            Command::Route { emit, hear, .. } | Command::Move { emit, hear, .. } => {
                seat.groups = (emit, hear);
                place.use_groups(emit, hear, drafts);
                let hears_anew = hear != groups_before.1;
                LegOrder::Route(NewRoute::new(emit, hear).with_spare(seat.codec.filter(|_| hears_anew)))
            }
            Command::Play { playback, sound, loops, .. } => LegOrder::Play { playback, sound, loops },
            Command::StopPlay { .. } => LegOrder::StopPlay,
            Command::SendDigits { digits, .. } => LegOrder::SendDigits(DigitsOut::new(digits)),
            Command::Tune { tuning, .. } => {
                seat.tuning = tuning;
                let rate = seat.codec.map(|codec| Rate::from_hz(codec.rate_hz()));
                LegOrder::Tune(tuning, Treatment::new(tuning, rate))
            }
            Command::DetectMachine { detection, .. } => LegOrder::Admit(Onlookers::new(None, Some(detection))),
            Command::Tap { tap, .. } => LegOrder::Admit(Onlookers::new(Some(LegTap::new(tap)), None)),
            Command::Untap { tap, .. } => LegOrder::Dismiss(tap),
            Command::CloseLeg { .. } => {
                seat.closes = true;
                seat.groups = (0, 0);
                LegOrder::Close
            }
            Command::OpenLeg { .. } | Command::Announce { .. } => return, // dealt with above
        };
        let leaves = matches!(order, LegOrder::Route(_) | LegOrder::Close);
        drafts[seat.thread].push(Order::Leg { index, leg, order });
        if leaves {
            place.leave_groups(groups_before.0, groups_before.1, now_us, drafts);
        }
    }

    fn open_leg(&mut self, leg: LegId, room: RoomId, address: IpAddr, drafts: &mut [Vec<Order>]) {
        if self.legs.contains_key(&leg) {
            return self.drop_command();
        }
        let opened = self.spot_for(room).and_then(|spot| Ok((spot, self.bind(address)?)));
        match opened {
            Ok((spot, Pair { port, rtp, rtcp })) => {
                let samples = Rate::Narrow.frame(); // until something else is agreed
                let thread = spot.thread;
                let index = self.enter(room, spot, samples, drafts);
                let rtp_timeout_us = self.config.rtp_timeout.as_micros() as u64;
                let boxed = Leg::new(leg, rtp, rtcp, random(self.config.seed, leg), rtp_timeout_us);
                drafts[thread].push(Order::OpenLeg { index, leg: boxed });
                let (closes, moving, agreements, groups, codec) = (false, None, 0, (0, 0), None);
                let tuning = Tuning::default();
                let seat = Seat { room, thread, groups, port, closes, moving, agreements, samples, codec, tuning };
                self.legs.insert(leg, seat);
                self.events.push_back(Event::LegOpened { leg, local: SocketAddr::new(address, port) });
            }
            Err(why) => self.events.push_back(Event::LegRefused { leg, why }),
        }
    }

    /// Sends a leg to another room: a departure where it is, and a place kept where it goes.
    fn move_leg(&mut self, number: u64, leg: LegId, room: RoomId, route: (Groups, Groups), drafts: &mut [Vec<Order>]) {
        let spot = match self.spot_for(room) {
            Ok(spot) if self.lines[spot.thread].moving_in < MOVES_MAX => spot,
            Ok(_) => return self.events.push_back(Event::MoveRefused { leg, why: Refusal::Overloaded }),
            Err(why) => return self.events.push_back(Event::MoveRefused { leg, why }),
        };
        let Some(samples) = self.legs.get(&leg).map(|seat| seat.samples) else { return };
        let (now_us, thread) = (self.now_us(), spot.thread);
        let index = self.enter(room, spot, samples, drafts);
        if let Some(place) = self.rooms.get_mut(&room) {
            place.use_groups(route.0, route.1, drafts);
        }
        let Some(seat) = self.legs.get_mut(&leg) else { return };
        let from = (std::mem::replace(&mut seat.room, room), std::mem::replace(&mut seat.thread, thread));
        let groups_before = std::mem::replace(&mut seat.groups, route);
        seat.moving = Some(Moving { from, waiting: VecDeque::new() });
        let Some(place) = self.rooms.get_mut(&from.0) else { return };
        let Some(index_before) = place.on(from.1).map(|holding| holding.index) else { return };
        let route = NewRoute::new(route.0, route.1).with_spare(seat.codec);
        let departure = Departure { batch: number, thread, index, route };
        drafts[from.1].push(Order::Leg { index: index_before, leg, order: LegOrder::Depart(departure) });
        place.leave_groups(groups_before.0, groups_before.1, now_us, drafts);
        self.lines[thread].moving_in += 1;
        self.unapplied.entry(number).or_default().waits_for += 1; // the arrival is acknowledged, too
    }

    /// Where a leg goes that joins a room, or opens it; refused when there is no room for one more leg.
    ///
    /// The slot of a new room is the one with the fewest legs over all threads, so that it does not depend on how
    /// many there are; the thread is the one with the fewest legs in that slot. Once legs have joined, the room takes
    /// the slot that makes their packets wait least, by itself.
    fn spot_for(&self, room: RoomId) -> Result<Spot, Refusal> {
        if let Some(place) = self.rooms.get(&room) {
            if place.legs() >= self.config.room_legs_max {
                return Err(Refusal::RoomFull);
            }
            return self.thread_for(place).map(|thread| Spot { thread, slot: place.slot }).ok_or(Refusal::Overloaded);
        }
        let legs_in = |slot: u64| self.lines.iter().map(|line| line.slot_legs[slot as usize]).sum::<usize>();
        let slot = (0..SLOTS).min_by_key(|&slot| legs_in(slot)).unwrap_or(0);
        let thread = self.least_loaded(slot, |_| true);
        thread.map(|thread| Spot { thread, slot }).ok_or(Refusal::Overloaded)
    }

    /// The thread on which one more leg joins a room: where the room is already and may have more; otherwise where
    /// it is not yet. If it is everywhere, where it has the fewest legs: a share may be too large for its slot, but
    /// nobody is refused while there is time left.
    fn thread_for(&self, place: &Place) -> Option<usize> {
        let holdings = || place.holdings().iter().filter(|holding| !self.is_busy(holding.thread));
        let with_room = holdings().find(|holding| holding.size.legs < self.config.share_legs_max);
        let smallest = || holdings().min_by_key(|holding| holding.size.legs);
        let with_room = with_room.map(|holding| holding.thread);
        with_room
            .or_else(|| self.least_loaded(place.slot, |thread| place.on(thread).is_none()))
            .or_else(|| smallest().map(|holding| holding.thread))
    }

    /// The thread with the fewest legs in a slot, of those that can take another share.
    fn least_loaded(&self, slot: u64, is_wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let is_free = |thread: usize| !self.is_busy(thread) && !self.lines[thread].free.is_empty();
        let load = |thread: &usize| {
            let legs = &self.lines[*thread].slot_legs;
            (legs[slot as usize], legs.iter().sum::<usize>())
        };
        (0..self.lines.len()).filter(|&thread| is_free(thread) && is_wanted(thread)).min_by_key(load)
    }

    /// A thread has too little time left for one more leg.
    fn is_busy(&self, thread: usize) -> bool {
        self.stats[thread].occupancy_permille.get() >= self.config.occupancy_permille_max
    }

    /// Counts one more leg in a room, which is opened or goes on in another share if need be; returns where that is.
    fn enter(&mut self, room: RoomId, spot: Spot, samples: usize, drafts: &mut [Vec<Order>]) -> ShareIndex {
        let (now_us, Spot { thread, slot }) = (self.now_us(), spot);
        let line = &mut self.lines[thread];
        line.slot_legs[slot as usize] += 1;
        let mut name = || (thread, line.free.pop().expect("a spot is on a thread that can take another share"));
        let place = self.rooms.entry(room).or_insert_with(|| Place::open(room, slot, name(), drafts));
        if place.on(thread).is_none() {
            place.split(room, name(), self.stats.len(), &mut self.voices, now_us, drafts);
        }
        place.add(thread, Size { legs: 1, samples }, &mut self.voices, drafts);
        place.on(thread).expect("opened if it was not there").index
    }

    /// Counts one leg less in a room, which is closed when it was the last.
    fn leave(&mut self, (room, thread): (RoomId, usize), samples: usize, drafts: &mut [Vec<Order>]) {
        let Some(place) = self.rooms.get_mut(&room) else { return };
        self.lines[thread].slot_legs[place.slot as usize] -= 1;
        if place.remove(thread, samples, &mut self.voices, drafts) {
            self.rooms.remove(&room);
        }
    }

    /// Binds the next free pair of ports.
    fn bind(&mut self, address: IpAddr) -> Result<Pair, Refusal> {
        let now_us = self.now_us();
        for _ in 0..self.ports.pairs().min(BINDS_MAX) {
            let port = self.ports.take(now_us).ok_or(Refusal::NoPorts)?;
            let wires = &mut self.wires;
            let pair =
                wires.open(address, port).and_then(|rtp| Ok(Pair { port, rtp, rtcp: wires.open(address, port + 1)? }));
            match pair {
                Ok(pair) => return Ok(pair),
                // Somebody else's: as good as one of ours that rests.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => self.ports.release(port, now_us),
                Err(error) => {
                    self.ports.release(port, now_us);
                    tracing::warn!(%address, port, %error, "RTP port cannot be bound");
                    return Err(Refusal::Io);
                }
            }
        }
        Err(Refusal::NoPorts)
    }

    fn take_report(&mut self, thread: usize, report: Report) {
        match report {
            Report::Event(event) => {
                if let Event::AnnouncementEnded { room, .. } = &event
                    && let Some(place) = self.rooms.get_mut(room)
                {
                    place.announced();
                }
                self.events.push_back(event);
            }
            Report::Applied { batch, tick } => self.part_applied(batch, tick),
            Report::Slot { room, slot } => self.took_slot(thread, room, slot),
            Report::Arrived(leg) => self.arrived(thread, leg),
            Report::Closed(leg) => {
                let id = leg.id;
                if let Some(seat) = self.legs.remove(&id) {
                    self.ports.release(seat.port, self.now_us());
                    let mut drafts = self.drafts();
                    self.leave((seat.room, seat.thread), seat.samples, &mut drafts);
                    self.dispatch(UNASKED, drafts);
                }
                self.events.push_back(Event::LegClosed { leg: id, stats: leg.stats() });
            }
            Report::ShareClosed { index, share } => {
                self.lines[thread].free.push(index);
                let room = share.room;
                let unheard = share.into_unannounced();
                self.events.extend(unheard.map(|playback| Event::AnnouncementEnded { room, playback }));
            }
        }
    }

    /// A room ticks in another slot than before.
    fn took_slot(&mut self, thread: usize, room: RoomId, slot: u64) {
        let Some(place) = self.rooms.get_mut(&room) else { return };
        let before = place.slot;
        if place.take_slot(slot) {
            let (legs, slot_legs) = (place.legs(), &mut self.lines[thread].slot_legs);
            slot_legs[before as usize] -= legs;
            slot_legs[slot as usize] += legs;
        }
    }

    /// A leg is where it was sent: its old place is free, and what was asked of it meanwhile follows it.
    fn arrived(&mut self, thread: usize, leg: LegId) {
        self.lines[thread].moving_in -= 1;
        let Some(seat) = self.legs.get_mut(&leg) else { return };
        seat.closes = false; // if it is to close, the command to do so is among those that wait
        let Some(Moving { from, waiting }) = seat.moving.take() else { return };
        let samples = seat.samples;
        let mut drafts = self.drafts();
        self.leave(from, samples, &mut drafts);
        self.dispatch(UNASKED, drafts);
        for (number, command) in waiting {
            let mut drafts = self.drafts();
            self.draft(number, command, &mut drafts);
            self.dispatch(number, drafts);
            self.part_applied(number, 0);
        }
    }

    fn drafts(&self) -> Vec<Vec<Order>> {
        self.lines.iter().map(|_| Vec::new()).collect()
    }

    /// Puts drafted orders on their way. Rooms are opened before anybody is sent to them.
    fn dispatch(&mut self, number: u64, drafts: Vec<Vec<Order>>) {
        for (line, orders) in self.lines.iter_mut().zip(drafts).filter(|(_, orders)| !orders.is_empty()) {
            if let Some(unapplied) = self.unapplied.get_mut(&number) {
                unapplied.waits_for += 1;
            }
            line.backlog.push_back(Batch { number, orders });
        }
    }

    fn work_off_backlogs(&mut self) {
        for line in &mut self.lines {
            while let Some(batch) = line.backlog.pop_front() {
                if let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) = line.orders.try_send(batch)
                {
                    line.backlog.push_front(batch);
                    break;
                }
            }
        }
    }

    /// One of the things a batch waits for has happened.
    fn part_applied(&mut self, number: u64, tick: u64) {
        let Some(unapplied) = self.unapplied.get_mut(&number) else { return };
        unapplied.waits_for -= 1;
        unapplied.tick = unapplied.tick.max(tick);
        if unapplied.waits_for == 0 {
            let tick = unapplied.tick;
            self.unapplied.remove(&number);
            self.events.push_back(Event::Applied { batch: number, tick });
        }
    }

    fn drop_command(&self) {
        self.stats[0].commands_dropped.add(1);
    }
}

impl Driven {
    /// Runs the slots before this one that it has missed, as far as a thread would.
    fn catch_up(&mut self, now_slot: u64) {
        self.slot += ticks_given_up((now_slot - self.slot) * SLOT_US) * SLOTS;
        for slot in self.slot..now_slot {
            self.worker.take_orders(Tick::new(slot, 0));
            self.worker.tick(Tick::new(slot, 0));
        }
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        if let Drive::Threads { stop, threads, .. } = &mut self.drive {
            stop.store(true, Ordering::Relaxed);
            for thread in threads.drain(..) {
                // A media thread that has panicked has said so already.
                drop(thread.join());
            }
        }
    }
}

/// Where a room is or would be.
#[derive(Debug, Clone, Copy)]
struct Spot {
    thread: usize,
    slot: u64,
}

/// A bound pair of ports.
struct Pair {
    port: u16,
    rtp: Box<dyn Wire>,
    rtcp: Box<dyn Wire>,
}

/// A number that nobody guesses from outside without the seed (splitmix64).
fn random(seed: u64, leg: LegId) -> u64 {
    let mixed = seed.wrapping_add(leg.0.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// The default of [`Config::share_legs_max`]: what a thread can tick within a slot of 2 ms, at 5 to 7 µs a leg with the
/// kernel's part.
const SHARE_LEGS_MAX: usize = 250;

/// The number of a batch nobody asked for.
const UNASKED: u64 = 0;

/// Commands that wait for one leg to arrive.
const WAITING_MAX: usize = 64;

/// Pairs of ports tried for one leg, where others hold ports of our range: what they hold is mostly in one piece.
/// A try takes some 5 µs, and those that failed are not tried again while they rest.
const BINDS_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::Codec;
    use crate::message::Stream;
    use crate::socket::Received;

    /// Wires that end whoever looks into them.
    struct Broken;

    impl Wires for Broken {
        fn open(&mut self, _address: IpAddr, _port: u16) -> io::Result<Box<dyn Wire>> {
            Ok(Box::new(Broken))
        }
    }

    impl Wire for Broken {
        fn receive(&mut self, _buffer: &mut [u8]) -> Option<Received> {
            panic!("broken on purpose")
        }

        fn send(&mut self, _datagram: &[u8], _to: SocketAddr) -> bool {
            false
        }

        fn connect(&mut self, _peer: Option<SocketAddr>) {}
    }

    #[test]
    fn a_room_goes_on_where_there_is_time_left() {
        // What share of its time each thread is busy, and on which the second leg of a room is that was on the first.
        for (case, busy_permille, expected) in [
            ("time enough", [790, 0, 0], Ok(0)),
            ("none left here", [800, 0, 0], Ok(1)),
            ("nor there", [900, 1_000, 300], Ok(2)),
            ("nowhere", [800, 800, 800], Err(Refusal::Overloaded)),
        ] {
            let mut plane = Plane::manual(Config { threads: 3, ..Config::default() }, Box::new(Broken));
            let open = |leg| Command::OpenLeg { leg: LegId(leg), room: RoomId(1), address: [127, 0, 0, 1].into() };
            plane.apply(vec![open(1)]);
            plane.run_until(100_000);
            for (stats, permille) in plane.stats.iter().zip(busy_permille) {
                stats.occupancy_permille.set(permille);
            }
            plane.apply(vec![open(2)]);
            plane.run_until(200_000);
            let refusal = std::iter::from_fn(|| plane.poll()).find_map(|event| match event {
                Event::LegRefused { why, .. } => Some(why),
                _ => None,
            });
            let legs: Vec<u64> = plane.stats.iter().map(|stats| stats.legs.get()).collect();
            let found = if legs.iter().sum::<u64>() == 2 { legs.iter().rposition(|&legs| legs > 0) } else { None };
            assert_eq!(found.ok_or(refusal), expected.map_err(Some), "{case}");
        }
    }

    #[test]
    fn the_end_of_a_media_thread_is_noticed() {
        let config = Config { threads: 2, ..Config::default() };
        let clock = Arc::new(MediaClock::new());
        let mut plane = Plane::start_with(config, Box::new(Broken), clock).expect("threads");
        let (leg, address) = (LegId(1), IpAddr::from([127, 0, 0, 1]));
        plane.apply(vec![Command::OpenLeg { leg, room: RoomId(1), address }]);
        while !matches!(plane.poll(), Some(Event::Applied { .. })) {
            thread::yield_now();
        }
        assert!(plane.is_alive());
        let stream = Stream {
            remote: None,
            rtcp: None,
            rtcp_mux: false,
            codec: Codec::Pcmu,
            payload_type_in: 0,
            payload_type_out: 0,
            telephone_event: None,
            comfort_noise_payload_type: None,
            ptime_ms: 20,
            sends: true,
            receives: true,
        };
        plane.apply(vec![Command::Agree { leg, stream }]);
        let start = Instant::now();
        while plane.is_alive() {
            assert!(start.elapsed() < Duration::from_secs(10), "it goes on and on");
            thread::yield_now();
        }
        assert_eq!(plane.poll(), None, "nor does what it has left behind hurt its owner");
    }
}
