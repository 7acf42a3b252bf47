//! What the plane and its media threads say to each other.
//!
//! [`Order`]s are [`crate::Command`]s with everything they need made beforehand: boxes, sockets, codecs, so
//! that no media thread ever allocates; and with the places of rooms looked up, so that none ever searches.
//! Memory travels back as [`Scrap`] and is freed by the plane's owner.

use std::sync::Arc;

use crossbeam_channel::Sender;
use model::{LegId, PlaybackId, RoomId, TapId};

use crate::Codec;
use crate::bus::{Bus, Encoding, Mix, has_memory};
use crate::digits_out::DigitsOut;
use crate::leg::{Leg, Media};
use crate::message::{Event, Groups, MAIN, Tuning};
use crate::onlookers::{LegTap, Onlookers};
use crate::partial::Partial;
use crate::player::Pages;
use crate::room::exchange::{Exchange, Peer, PeerName};
use crate::room::memory::Memory;
use crate::room::{Seats, Share, Voices};
use crate::treatment::Treatment;

/// Where a share is kept on its thread.
pub(crate) type ShareIndex = u32;

/// Orders that take effect together.
pub(crate) struct Batch {
    pub(crate) number: u64,
    pub(crate) orders: Vec<Order>,
}

/// One thing a media thread is to do.
pub(crate) enum Order {
    OpenShare {
        index: ShareIndex,
        share: Box<Share>,
    },
    CloseShare {
        index: ShareIndex,
    },
    /// The room goes on in another share, too.
    Join {
        index: ShareIndex,
        /// The slot that all of its shares tick in.
        slot: u64,
        peer: Peer,
        /// What is posted to it.
        partials: Vec<Arc<Partial>>,
        /// If this is its second.
        exchange: Option<Box<Exchange>>,
    },
    /// Another share of the room is no more.
    Part {
        index: ShareIndex,
        name: PeerName,
    },
    /// Somebody in the room uses these groups.
    Know {
        index: ShareIndex,
        route: NewRoute,
        /// Larger partials, where more buses need them.
        larger: Vec<Arc<Partial>>,
    },
    /// Nobody in the room does any more.
    Forget {
        index: ShareIndex,
        emit: Option<Groups>,
        hear: Option<Groups>,
    },
    /// Comes before whoever needs the room.
    Grow {
        index: ShareIndex,
        growth: Box<Growth>,
    },
    OpenLeg {
        index: ShareIndex,
        leg: Box<Leg>,
    },
    /// To one leg.
    Leg {
        index: ShareIndex,
        leg: LegId,
        order: LegOrder,
    },
    Announce {
        index: ShareIndex,
        playback: PlaybackId,
        sound: Arc<Pages>,
    },
}

/// More room for a share, and for the thread that ticks it, where it has too little.
pub(crate) struct Growth {
    pub(crate) seats: Option<Seats>,
    pub(crate) voices: Option<Voices>,
}

/// One thing a leg is to do.
pub(crate) enum LegOrder {
    Agree(Box<Media>),
    Route(NewRoute),
    Depart(Departure),
    Play { playback: PlaybackId, sound: Arc<Pages>, loops: u32 },
    StopPlay,
    SendDigits(Box<DigitsOut>),
    Tune(Tuning, Box<Treatment>),
    Admit(Box<Onlookers>),
    Dismiss(TapId),
    Close,
}

/// A route with the bus and the mix it needs where its groups are new to the room. Mostly they are not, and
/// the boxes travel back.
pub(crate) struct NewRoute {
    pub(crate) emit: Groups,
    pub(crate) hear: Groups,
    pub(crate) bus: Option<Box<Bus>>,
    pub(crate) mix: Option<Box<Mix>>,
    /// For a mix, common or not, that the leg is the first to listen to by its codec.
    pub(crate) spare: Option<Box<Encoding>>,
}

impl NewRoute {
    /// Allocates: not in a tick.
    pub(crate) fn new(emit: Groups, hear: Groups) -> Self {
        let is_common = |groups| groups == 0 || groups == MAIN;
        Self {
            emit,
            hear,
            bus: (!is_common(emit)).then(|| Bus::new(emit)),
            mix: (!is_common(hear)).then(|| Mix::new(hear)),
            spare: None,
        }
    }

    /// The same for a leg that will listen by this codec to what it has not heard before. Allocates: not in a tick.
    pub(crate) fn with_spare(self, codec: Option<Codec>) -> Self {
        let codec = codec.filter(|&codec| has_memory(codec));
        // Without, it is encoded for this leg alone.
        Self { spare: codec.and_then(|codec| Encoding::new(codec).ok()), ..self }
    }

    /// For every share of a room of several, which all need all encodings. Allocates: not in a tick.
    pub(crate) fn for_all(emit: Option<Groups>, hear: Option<Groups>) -> Self {
        Self { hear: hear.unwrap_or(0), mix: hear.map(Mix::complete), ..Self::new(emit.unwrap_or(0), 0) }
    }
}

/// Where a leg moves to.
pub(crate) struct Departure {
    pub(crate) batch: u64,
    pub(crate) thread: usize,
    pub(crate) index: ShareIndex,
    pub(crate) route: NewRoute,
}

/// A leg on its way from one share to another, as it lies in the inbox of a media thread.
pub(crate) struct Arrival {
    pub(crate) leg: Box<Leg>,
    /// The slot it was last ticked in.
    pub(crate) ticked_slot: u64,
    pub(crate) departure: Departure,
}

/// What a media thread tells the plane.
pub(crate) enum Report {
    Event(Event),
    /// This part of a batch is in force.
    Applied {
        batch: u64,
        tick: u64,
    },
    /// The room ticks in another slot from now on.
    Slot {
        room: RoomId,
        slot: u64,
    },
    /// The leg can be spoken to at its new place.
    Arrived(LegId),
    Closed(Box<Leg>),
    ShareClosed {
        index: ShareIndex,
        share: Box<Share>,
    },
}

/// Memory to be freed off the media threads.
pub(crate) enum Scrap {
    Media(#[expect(dead_code, reason = "only dropped")] Box<Media>),
    Sound(#[expect(dead_code, reason = "only dropped")] Arc<Pages>),
    Bus(#[expect(dead_code, reason = "only dropped")] Box<Bus>),
    Mix(#[expect(dead_code, reason = "only dropped")] Box<Mix>),
    Digits(#[expect(dead_code, reason = "only dropped")] Box<DigitsOut>),
    Treatment(#[expect(dead_code, reason = "only dropped")] Box<Treatment>),
    Onlookers(#[expect(dead_code, reason = "only dropped")] Box<Onlookers>),
    Tap(#[expect(dead_code, reason = "only dropped")] Box<LegTap>),
    Encoding(#[expect(dead_code, reason = "only dropped")] Box<Encoding>),
    Growth(#[expect(dead_code, reason = "only dropped")] Box<Growth>),
    Exchange(#[expect(dead_code, reason = "only dropped")] Box<Exchange>),
    Peer(#[expect(dead_code, reason = "only dropped")] Peer),
    Memory(#[expect(dead_code, reason = "only dropped")] Box<Memory>),
    Partial(#[expect(dead_code, reason = "only dropped")] Arc<Partial>),
    Partials(#[expect(dead_code, reason = "only dropped")] Vec<Arc<Partial>>),
    Orders(#[expect(dead_code, reason = "only dropped")] Vec<Order>),
}

/// Where a media thread puts scrap.
pub(crate) struct Scrapyard(pub(crate) Sender<Scrap>);

impl Scrapyard {
    /// Gives memory away. When nobody has collected scrap for very long it is freed here and now: a late tick
    /// is better than a leak.
    pub(crate) fn put(&self, scrap: impl IntoIterator<Item = impl Into<Scrap>>) {
        for scrap in scrap {
            drop(self.0.try_send(scrap.into()));
        }
    }
}

macro_rules! scrap_from {
    ($($variant:ident($kind:ty)),+ $(,)?) => { $(
        impl From<$kind> for Scrap {
            fn from(scrap: $kind) -> Self {
                Self::$variant(scrap)
            }
        }
    )+ };
}

scrap_from! {
    Media(Box<Media>),
    Sound(Arc<Pages>),
    Bus(Box<Bus>),
    Mix(Box<Mix>),
    Digits(Box<DigitsOut>),
    Treatment(Box<Treatment>),
    Onlookers(Box<Onlookers>),
    Tap(Box<LegTap>),
    Encoding(Box<Encoding>),
    Growth(Box<Growth>),
    Exchange(Box<Exchange>),
    Peer(Peer),
    Memory(Box<Memory>),
    Partial(Arc<Partial>),
    Partials(Vec<Arc<Partial>>),
    Orders(Vec<Order>),
}
