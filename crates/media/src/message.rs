//! What call control and the audio plane say to each other.
//!
//! Call control sends batches of [`Command`]s through [`crate::Plane::apply`] and reads [`Event`]s from
//! [`crate::Plane::poll`]. Everything names its leg or room by the number call control gave it; a command
//! for a leg that is not (or no longer) there is dropped and counted, since its `LegClosed` may have been
//! on the way while the command was written.
//!
//! Who hears whom: each leg *emits* into some groups and *hears* some groups. A leg is audible to another
//! iff `emit & hear` of the two meet. `MAIN` is the conversation; a coach emits a group of its own that only
//! the coached leg hears besides `MAIN`; a leg on hold emits and hears nothing but its private player. Nobody hears
//! themselves, but in `ECHO`.

use std::mem::offset_of;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use model::{AnsweredBy, LegId, LegStats, PlaybackId, RoomId, TapId};

use crate::dtmf::DigitString;
use crate::machine::MachineDetection;
use crate::player::Pages;
use crate::tap::Tap;
use crate::{Codec, JitterBuffer};

/// A set of listening groups, one bit each.
pub type Groups = u64;

/// The group of the conversation itself.
pub const MAIN: Groups = 1;

/// The group in which a leg hears itself, too: a mirror for one who is alone in a room.
pub const ECHO: Groups = 1 << (Groups::BITS - 1);

/// What call control asks of the audio plane.
#[derive(Debug, Clone)]
pub enum Command {
    /// Bind a pair of ports and put a silent, deaf leg into a room, which is made if it does not exist.
    /// Answered by [`Event::LegOpened`] or [`Event::LegRefused`].
    OpenLeg {
        /// The new leg's name.
        leg: LegId,
        /// Where it goes.
        room: RoomId,
        /// The local address to bind, and to name in SDP.
        address: IpAddr,
    },
    /// What SDP agreed: the first time, and after each re-INVITE.
    Agree {
        /// Whose media was agreed.
        leg: LegId,
        /// The agreement, whole.
        stream: Stream,
    },
    /// Who hears this leg, and whom it hears. Changes fade over 10 ms.
    Route {
        /// The leg.
        leg: LegId,
        /// The groups it speaks to.
        emit: Groups,
        /// The groups it listens to.
        hear: Groups,
    },
    /// Take a leg to another room, with its socket, its streams and its player. Refused with
    /// [`Event::MoveRefused`] when the room is full: the leg then stays where it is, as it is. The place it leaves
    /// is free a moment after it has left, not yet for the rest of the same batch.
    Move {
        /// The leg.
        leg: LegId,
        /// The room it goes to, which is made if it does not exist.
        room: RoomId,
        /// The groups it speaks to there.
        emit: Groups,
        /// The groups it listens to there.
        hear: Groups,
    },
    /// Play to one leg alone; replaces what it was playing. [`Event::PlaybackEnded`] follows when a sound that
    /// does not go on for ever came to its own end, not when it was stopped or replaced.
    Play {
        /// The only listener.
        leg: LegId,
        /// The name its end is reported under.
        playback: PlaybackId,
        /// What is played.
        sound: Arc<Pages>,
        /// How often, one after the other without a gap; 0: until stopped, as in TwiML.
        loops: u32,
    },
    /// End what [`Command::Play`] started.
    StopPlay {
        /// The leg.
        leg: LegId,
    },
    /// Press keys to the peer: as RFC 4733 events where those are agreed, otherwise as tones in place of what it
    /// hears. Keys and pauses that are still on their way go first; those for which there is no room (four times
    /// [`DigitString::LEN_MAX`]) are all dropped. [`Event::DigitsSent`] follows when everything is out. While nothing may
    /// be sent, they wait.
    SendDigits {
        /// The leg.
        leg: LegId,
        /// The keys, 100 ms each and 100 ms apart.
        digits: DigitString,
    },
    /// Treat what a peer says, and how it arrives, otherwise than by default. Gain and suppression fade over 10 ms.
    Tune {
        /// The leg.
        leg: LegId,
        /// All of it, from now on.
        tuning: Tuning,
    },
    /// Find out who has answered, from now on; [`Event::Answered`] follows, once. Replaces a detection under way.
    DetectMachine {
        /// The leg.
        leg: LegId,
        /// How.
        detection: MachineDetection,
    },
    /// Have somebody listen in on a leg, and perhaps speak to it, until it is closed or [`Command::Untap`]. At most four
    /// do; to another one it is over at once.
    Tap {
        /// The leg.
        leg: LegId,
        /// Its end of the tap.
        tap: Tap,
    },
    /// End a tap: its reader hears that it is over.
    Untap {
        /// The leg.
        leg: LegId,
        /// Which of its taps.
        tap: TapId,
    },
    /// Play once to everybody in a room who hears [`MAIN`], one after the other when several are asked for.
    /// [`Event::AnnouncementEnded`] follows, also when the room does not exist or empties before the end.
    Announce {
        /// The room.
        room: RoomId,
        /// The name its end is reported under.
        playback: PlaybackId,
        /// What is played.
        sound: Arc<Pages>,
    },
    /// Fade out, say BYE by RTCP and give the ports back. [`Event::LegClosed`] follows, exactly once.
    CloseLeg {
        /// The leg.
        leg: LegId,
    },
}

/// What is done to one leg's voice, and to how it arrives. The default changes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tuning {
    /// How much louder the peer is made for everybody who hears it, at most [`Tuning::GAIN_DB_MAX`] up or down.
    pub gain_db: i8,
    /// Leave only its voice of what it sends. Adds 10 to 14 ms of delay.
    pub noise_suppression: bool,
    /// The most jitter that is ridden out.
    pub jitter_buffer: JitterBuffer,
    /// It is a modem, an alarm or a text telephone: what it sends is passed on as it is, neither stretched nor made
    /// louder nor freed of noise.
    pub data_mode: bool,
}

impl Tuning {
    /// 20 dB is ten times as loud.
    pub const GAIN_DB_MAX: i8 = 20;
}

/// One leg's media as SDP agreed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Stream {
    /// Where it wants RTCP, when it said so; otherwise the port above `remote`.
    pub rtcp: Option<SocketAddr>,
    /// Where the peer said it wants its RTP; `None` when it wants none (`0.0.0.0`, port 0).
    pub remote: Option<SocketAddr>,
    /// RTP and RTCP share one port (RFC 5761).
    pub rtcp_mux: bool,
    /// The one codec, both ways.
    pub codec: Codec,
    /// The payload type the peer sends `codec` with.
    pub payload_type_in: u8,
    /// The payload type the peer wants `codec` with.
    pub payload_type_out: u8,
    /// Digits as RFC 4733 events, when agreed.
    pub telephone_event: Option<TelephoneEvent>,
    /// The payload type of RFC 3389 comfort noise, when agreed.
    pub comfort_noise_payload_type: Option<u8>,
    /// The packet time the peer wants to receive: 10, 20, 30 (sent as 20), 40 or 60.
    pub ptime_ms: u8,
    /// We may send.
    pub sends: bool,
    /// We listen; otherwise what arrives only proves that the peer lives.
    pub receives: bool,
}

impl Stream {
    /// What is at its beginning, and no tick looks at.
    pub(crate) const RARE_BYTES: usize = offset_of!(Stream, remote);
}

/// The payload types of RFC 4733 telephone events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// The payload type the peer sends digits with.
    pub payload_type_in: u8,
    /// The payload type the peer wants digits with.
    pub payload_type_out: u8,
    /// The clock that event durations count in.
    pub clock_hz: u32,
}

/// What the audio plane tells call control.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The leg has its ports; `local` belongs into SDP.
    LegOpened {
        /// The leg.
        leg: LegId,
        /// The RTP address; RTCP is one port above.
        local: SocketAddr,
    },
    /// A leg was not opened: there is none.
    LegRefused {
        /// The leg.
        leg: LegId,
        /// Why not.
        why: Refusal,
    },
    /// A leg was not moved: it lives on where it was, with its route and its sound, and is closed as any other.
    MoveRefused {
        /// The leg.
        leg: LegId,
        /// Why not.
        why: Refusal,
    },
    /// The leg is gone and its ports are back.
    LegClosed {
        /// The leg.
        leg: LegId,
        /// What it did in its life.
        stats: LegStats,
    },
    /// How a leg is doing: a second after its first agreement, and every few seconds from then on. May be given up when
    /// events are not read quickly enough.
    Measured {
        /// The leg.
        leg: LegId,
        /// What it did so far.
        stats: LegStats,
    },
    /// The peer pressed a key, reported once, when the key is up again, however it was told: by RFC 4733, or by the
    /// tone itself.
    Digit {
        /// The leg.
        leg: LegId,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
        /// How long the key was down.
        duration_ms: u32,
        /// It was a tone: whoever hears the peer has heard it, too.
        in_audio: bool,
    },
    /// What [`Command::DetectMachine`] has found.
    Answered {
        /// The leg.
        leg: LegId,
        /// Who it is.
        by: AnsweredBy,
        /// How long that took, from the command on.
        after_ms: u32,
    },
    /// Everything [`Command::SendDigits`] has asked for is out.
    DigitsSent {
        /// The leg that sent it.
        leg: LegId,
    },
    /// A private sound came to its own end.
    PlaybackEnded {
        /// The leg that heard it.
        leg: LegId,
        /// Which one.
        playback: PlaybackId,
    },
    /// An announcement is over.
    AnnouncementEnded {
        /// The room that heard it.
        room: RoomId,
        /// Which one.
        playback: PlaybackId,
    },
    /// Every command of a batch is in force and its 10 ms fades are over: what is sent from the next tick on
    /// shows nothing of before.
    Applied {
        /// What [`crate::Plane::apply`] returned.
        batch: u64,
        /// The 20 ms tick, counted since the plane started, in which it took effect (of several threads, the
        /// last to do so).
        tick: u64,
    },
    /// Nothing has come from the peer for `Config::rtp_timeout`; repeated after each further one.
    Quiet {
        /// The leg.
        leg: LegId,
        /// How long it has been quiet by now.
        since_ms: u64,
    },
    /// The peer has begun to talk (for 200 ms by now), or has not talked for 800 ms. Who emits nothing does not talk.
    Speech {
        /// The leg.
        leg: LegId,
        /// It talks.
        talking: bool,
    },
    /// Another one is the active speaker of a room: within 300 ms, at most once a second.
    Speaker {
        /// The room.
        room: RoomId,
        /// Who it is; `None` when nobody talks.
        leg: Option<LegId>,
    },
}

/// Why a leg was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Every pair of ports in the configured range is taken.
    #[error("no free pair of RTP ports")]
    NoPorts,
    /// The media threads are at 80 % of what they can do, or hold as many legs or rooms as they are made for.
    #[error("the media threads are at their limit")]
    Overloaded,
    /// The room holds `Config::room_legs_max` legs.
    #[error("the room is full")]
    RoomFull,
    /// The local address cannot be bound.
    #[error("the local address cannot be bound")]
    Io,
}
