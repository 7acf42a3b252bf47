//! One received stream, from packets to 20 ms frames of PCM.
//!
//! Packets go in as they arrive ([`Playout::push`]); one frame comes out per tick ([`Playout::pull`]), decoded, in
//! order, without duplicates:
//!
//! `push 7, 9, 10 ─▶ [ 7 | _ | 9 | 10 ] ─▶ pull: Voice, Concealed, Voice, Voice`
//!
//! How long a packet waits follows the network ([`Delay`]): on a quiet one, it is played at the first tick after its
//! arrival, bit for bit. Where packets run late, or the sender's clock is slower than ours, a period of the voice is
//! repeated; where more is waiting than the network calls for, or the sender is faster, one is dropped ([`Tape`]).
//! What is missing is made up ([`Concealer`], or libopus). A timestamp that jumps while sequence numbers do not is
//! silence that was not sent.
//!
//! No clock, no socket, no allocation after `new`. Times are microseconds on the media clock; positions in the stream
//! are RTP timestamps, unwrapped; everything else is samples.

use crate::codec::{Codec, CodecError, Decoder};
use crate::conceal::Concealer;
use crate::delay::Delay;
use crate::jitter::{Jitter, Kind, NotTaken, PLACES, Waiting};
use crate::rtp;
use crate::tape::{ALIKE_MIN, PERIOD_MS_MAX, Tape, mix};

/// What SDP and the operator say about a stream, beside its codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayoutConfig {
    /// The payload type of RFC 3389 comfort noise; 13 by convention.
    pub comfort_noise_payload_type: Option<u8>,
    /// The longest delay taken on in advance to ride out jitter, in ms.
    pub delay_ms_max: u16,
}

impl Default for PlayoutConfig {
    fn default() -> PlayoutConfig {
        PlayoutConfig { comfort_noise_payload_type: Some(13), delay_ms_max: 120 }
    }
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It will be played.
    Queued,
    /// It will be played, and it is the first of a new stream: another SSRC, or a jump in time or sequence.
    NewSource,
    /// It does not belong to the stream. If the next one follows on it, a new stream begins there.
    Stray,
    /// Its turn is over.
    Late,
    /// It is here already.
    Duplicate,
    /// It will be played, but far too much was waiting: that has been thrown away.
    Overflow,
    /// Its payload is nothing this codec sends.
    Refused,
}

/// What a frame is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// What the peer sent, all of it or in part.
    Voice,
    /// Made up: what should be here is lost or late.
    Concealed,
    /// The peer sends nothing: not yet, not any more, or it suppresses silence.
    Silence,
}

/// What happened to a stream so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlayoutStats {
    /// Packets taken.
    pub queued: u64,
    /// Packets whose turn was over.
    pub late: u64,
    /// Packets that came twice.
    pub duplicate: u64,
    /// Packets that belonged to no stream.
    pub stray: u64,
    /// Times everything that waited was thrown away.
    pub overflow: u64,
    /// Packets that were nothing of this codec.
    pub refused: u64,
    /// New streams: the first one, changes of SSRC, jumps.
    pub sources: u64,
    /// Frames with at least one sample from the peer.
    pub voice_frames: u64,
    /// Frames that were made up.
    pub concealed_frames: u64,
    /// Frames without anything.
    pub silent_frames: u64,
    /// Samples left out to catch up.
    pub dropped_samples: u64,
    /// Samples repeated to wait.
    pub repeated_samples: u64,
    /// How long before its turn the least delayed packet arrives, at the last frame.
    pub headroom_us: i64,
    /// How much later than the least delayed packet nearly all others arrive.
    pub jitter_us: i64,
}

/// See the [module](self).
pub struct Playout {
    codec: Codec,
    config: PlayoutConfig,
    decoder: Decoder,
    jitter: Jitter,
    delay: Delay,
    tape: Tape,
    concealer: Concealer,
    source: Option<Source>,
    /// The SSRC and sequence number that would prove a new stream.
    stray: Option<(u32, u16)>,
    state: State,
    /// Packets before this one have been played or given up …
    next_sequence: i64,
    /// … as the bits say, of the one just before it from the lowest on: set if it was played.
    played: u64,
    /// What timestamps and frames have in common: the packets' length and 20 ms, in samples.
    granule: usize,
    /// Samples to be played before the next one is dropped or repeated: nobody hears 5 %.
    steady: usize,
    /// So often in a row nothing was found that could be dropped or repeated.
    misses: u32,
    stats: PlayoutStats,
}

/// The stream being played, and its newest packet.
#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    sequence: i64,
    timestamp: i64,
    arrival_us: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Silence, until a packet has waited for long enough.
    Waiting {
        /// What was played has not been faded out yet.
        sounding: bool,
        /// What comes next is another stream than what was played, and fades in.
        fade_in: bool,
        /// Samples of silence so far.
        silence: usize,
    },
    /// The sample at `timestamp` is the next to be decoded.
    Playing {
        timestamp: i64,
        /// Samples made up since, because nothing was there: neither this packet nor a later one.
        made_up: usize,
    },
}

/// Further off, a timestamp belongs to another stream.
const JUMP_US: i64 = 1_000_000;
/// The same for sequence numbers (RFC 3550 appendix A.1).
const DROPOUT_MAX: i64 = 3000;
const MISORDER_MAX: i64 = 100;
/// A stream that has not been heard of for so long is replaced at once.
const QUIET_US: u64 = 100_000;
/// Packets that may arrive after the first and be played before it.
const START_REORDER: i64 = 8;

/// What the least delayed packet has left before its turn, beyond the jitter: a stream begins with at least so much, …
const HEADROOM_START_US: i64 = 2_000;
/// … is slowed down below this, …
const HEADROOM_LOW_US: i64 = 1_500;
/// … and sped up so as to keep this.
const HEADROOM_TARGET_US: i64 = 3_000;
/// So far beyond the target, it is sped up by 10 % instead of 5 %, and wherever it is.
const HURRY_US: i64 = 100_000;
/// After so many misses in a row it is tried every 160 ms: often enough for the pauses of speech.
const MISSES_MAX: u32 = 4;

/// Gaps between timestamps that are none: clocks and packet lengths that disagree a little.
const SLACK_US: i64 = 2_000;
/// After so long without a packet the sender is taken for silent.
const SILENT_MS: usize = 200;
/// Fade where one sound is cut off or another begins.
const FADE_MS: usize = 5;
/// How long libopus goes on with the comfort noise of a sender that has paused: such senders refresh it every 400 ms.
const OPUS_NOISE_MS: usize = 500;
/// libopus makes up multiples of 2.5 ms.
const OPUS_STEP_US: usize = 2_500;

impl Playout {
    /// A stream that has not begun. The same `seed` and packets make the same sound.
    pub fn new(codec: Codec, config: PlayoutConfig, seed: u64) -> Result<Playout, CodecError> {
        Ok(Playout {
            codec,
            config,
            decoder: Decoder::new(codec)?,
            jitter: Jitter::new(codec),
            delay: Delay::new(),
            tape: Tape::new(codec),
            concealer: Concealer::new(codec.rate_hz(), seed),
            source: None,
            stray: None,
            state: State::Waiting { sounding: false, fade_in: false, silence: 0 },
            next_sequence: 0,
            played: 0,
            granule: codec.frame_samples(),
            steady: 0,
            misses: 0,
            stats: PlayoutStats::default(),
        })
    }

    /// Takes a packet of this codec's payload type, or of comfort noise, that arrived at `arrival_us`.
    pub fn push(&mut self, packet: &rtp::Packet, arrival_us: u64) -> Pushed {
        let Some(kind) = self.kind_of(packet) else {
            self.stats.refused += 1;
            return Pushed::Refused;
        };
        let Some((sequence, timestamp)) = self.unwrap(packet, arrival_us) else {
            return self.begin_source(packet, kind, arrival_us);
        };
        self.stray = None;
        if sequence < self.next_sequence {
            if self.was_played(sequence) {
                self.stats.duplicate += 1;
                return Pushed::Duplicate;
            }
            self.stats.late += 1;
            self.note_arrival(timestamp, arrival_us); // so that the next ones are waited for
            return Pushed::Late;
        }
        let mut pushed = Pushed::Queued;
        if sequence - self.next_sequence >= PLACES as i64 {
            if self.jitter.is_empty() {
                self.next_sequence = sequence; // everything in between is lost
                self.played = 0;
            } else {
                self.skip_to(sequence);
                pushed = Pushed::Overflow;
            }
        }
        match self.jitter.insert(sequence, timestamp, kind, packet.payload) {
            Ok(()) => {}
            Err(NotTaken::Duplicate) => {
                self.stats.duplicate += 1;
                return Pushed::Duplicate;
            }
            Err(NotTaken::Full) => {
                self.skip_to(sequence);
                pushed = Pushed::Overflow;
                if self.jitter.insert(sequence, timestamp, kind, packet.payload).is_err() {
                    self.stats.refused += 1; // longer than everything that may wait
                    return Pushed::Refused;
                }
            }
        }
        self.stats.queued += 1;
        self.note_arrival(timestamp, arrival_us);
        if let Some(source) = self.source.as_mut().filter(|source| source.sequence < sequence) {
            *source = Source { sequence, timestamp, arrival_us, ..*source };
        }
        pushed
    }

    /// Notes a packet of the same stream that carries no audio (telephone-event), so that it is not taken for lost.
    pub fn pass(&mut self, packet: &rtp::Packet) {
        let Some(source) = self.source.filter(|source| source.ssrc == packet.ssrc) else { return };
        let sequence = unwrap_sequence(source.sequence, packet.sequence);
        if (self.next_sequence..self.next_sequence + PLACES as i64).contains(&sequence) {
            let _ = self.jitter.insert(sequence, source.timestamp, Kind::Aside, &[]); // a second copy is no news
        }
    }

    /// Fills `out` with the frame to be played at `now_us`: [`Codec::frame_samples`] of them.
    pub fn pull(&mut self, now_us: u64, out: &mut [i16]) -> Pulled {
        let frame = out.len();
        let mut pulled = if self.tape.ahead() > 0 { Pulled::Voice } else { Pulled::Silence };
        while self.tape.ahead() < frame {
            let added = self.add_next(now_us, frame - self.tape.ahead());
            pulled = match (pulled, added) {
                (Pulled::Voice, _) | (_, Pulled::Voice) => Pulled::Voice,
                (Pulled::Concealed, _) | (_, Pulled::Concealed) => Pulled::Concealed,
                _ => Pulled::Silence,
            };
        }
        self.keep_pace(now_us, frame);
        self.tape.play(out);
        match pulled {
            Pulled::Voice => self.stats.voice_frames += 1,
            Pulled::Concealed => self.stats.concealed_frames += 1,
            Pulled::Silence => self.stats.silent_frames += 1,
        }
        pulled
    }

    /// What happened so far.
    pub fn stats(&self) -> PlayoutStats {
        PlayoutStats { jitter_us: self.delay.jitter_us(), ..self.stats }
    }

    /// Brings what the next packet and the next frame will touch towards the cache.
    pub(crate) fn prefetch(&self) {
        self.jitter.prefetch(self.next_sequence);
        self.tape.prefetch();
    }

    fn kind_of(&self, packet: &rtp::Packet) -> Option<Kind> {
        if self.config.comfort_noise_payload_type == Some(packet.payload_type) {
            return Some(Kind::ComfortNoise);
        }
        let samples = self.codec.samples_in(packet.payload).ok()?;
        Some(Kind::Voice { samples: samples as u16 }) // at most PACKET_MS_MAX
    }

    /// Sequence number and timestamp as continuing the stream; `None` if they do not.
    fn unwrap(&self, packet: &rtp::Packet, arrival_us: u64) -> Option<(i64, i64)> {
        let newest = self.source.filter(|source| source.ssrc == packet.ssrc)?;
        let sequence = unwrap_sequence(newest.sequence, packet.sequence);
        let timestamp = newest.timestamp + i64::from(packet.timestamp.wrapping_sub(newest.timestamp as u32) as i32);
        let ahead_us = self.ticks_to_us(timestamp - newest.timestamp);
        let passed_us = arrival_us as i64 - newest.arrival_us as i64;
        // after a pause the timestamp has jumped, but no further than time has passed
        let jumped = ahead_us.abs() > JUMP_US && (ahead_us - passed_us).abs() > JUMP_US;
        let near = -MISORDER_MAX..DROPOUT_MAX;
        (near.contains(&(sequence - newest.sequence)) && !jumped).then_some((sequence, timestamp))
    }

    /// A packet that continues nothing: begins a new stream, if it is the first at all, if it continues another such
    /// packet, or if nothing else is there to be disturbed.
    fn begin_source(&mut self, packet: &rtp::Packet, kind: Kind, arrival_us: u64) -> Pushed {
        let proved = self.stray == Some((packet.ssrc, packet.sequence));
        let quiet = self.source.is_none_or(|source| arrival_us.saturating_sub(source.arrival_us) > QUIET_US);
        if !proved && !quiet {
            self.stray = Some((packet.ssrc, packet.sequence.wrapping_add(1)));
            self.stats.stray += 1;
            return Pushed::Stray;
        }
        self.tape.cut();
        self.wait(self.source.is_some());
        let (sequence, timestamp) = (i64::from(packet.sequence), i64::from(packet.timestamp));
        self.stray = None;
        self.source = Some(Source { ssrc: packet.ssrc, sequence, timestamp, arrival_us });
        self.next_sequence = sequence - START_REORDER;
        self.played = 0;
        self.jitter.clear();
        self.delay = Delay::new();
        let inserted = self.jitter.insert(sequence, timestamp, kind, packet.payload);
        if self.decoder.reset().is_err() || inserted.is_err() {
            self.stats.refused += 1;
            return Pushed::Refused;
        }
        self.note_arrival(timestamp, arrival_us);
        self.stats.sources += 1;
        self.stats.queued += 1;
        Pushed::NewSource
    }

    /// Gives up everything before `sequence`: the stream goes on there, as after silence.
    fn skip_to(&mut self, sequence: i64) {
        self.tape.cut();
        self.wait(true);
        self.jitter.clear();
        self.next_sequence = sequence;
        self.played = 0;
        self.stats.overflow += 1;
    }

    fn note_arrival(&mut self, timestamp: i64, arrival_us: u64) {
        self.delay.push(arrival_us as i64 - self.ticks_to_us(timestamp), arrival_us);
    }

    /// Adds sound behind what is ahead, `missing` samples if it has to be made: the next packet, or what stands for
    /// it. This is where is decided what a gap means.
    fn add_next(&mut self, now_us: u64, missing: usize) -> Pulled {
        let next = self.jitter.first_from(self.next_sequence);
        if let Some(aside) = next.filter(|next| !matches!(next.kind, Kind::Voice { .. })) {
            if aside.kind == Kind::ComfortNoise {
                self.wait(false);
            }
            self.done_with(aside.sequence);
            return Pulled::Silence; // nothing added: the caller comes again
        }
        match (self.state, next) {
            (State::Waiting { .. }, Some(next)) if self.may_begin(&next, now_us) => {
                self.decode(&next);
                Pulled::Voice
            }
            (State::Waiting { sounding, fade_in, silence }, _) => {
                if sounding {
                    self.fade_out();
                } else {
                    self.stay_silent(missing, silence);
                }
                self.state = State::Waiting { sounding: false, fade_in, silence: silence + missing };
                Pulled::Silence
            }
            (State::Playing { timestamp, made_up }, None) => {
                if made_up >= self.samples(SILENT_MS) {
                    self.wait(false);
                    return Pulled::Silence;
                }
                let made = self.conceal(missing, None);
                self.state = State::Playing { timestamp, made_up: made_up + made };
                if self.concealer.is_silent() { Pulled::Silence } else { Pulled::Concealed }
            }
            (State::Playing { timestamp, made_up }, Some(next)) => {
                let gap_ticks = next.timestamp - timestamp;
                let gap = gap_ticks * self.samples_per_tick() - made_up as i64;
                if self.ticks_to_us(gap_ticks) <= SLACK_US || gap <= 0 {
                    self.decode(&next);
                    return Pulled::Voice;
                }
                let lost = next.sequence - self.next_sequence;
                if lost == 0 {
                    self.wait(false); // the sender left out what nobody would hear
                    return Pulled::Silence;
                }
                let gap = gap as usize;
                let made = self.conceal(missing.min(gap), (lost == 1 && made_up == 0).then_some((next, gap)));
                let over = (made_up + made) as i64 / self.samples_per_tick();
                self.state = State::Playing { timestamp: timestamp + over, made_up: 0 };
                if self.concealer.is_silent() { Pulled::Silence } else { Pulled::Concealed }
            }
        }
    }

    /// Has the first packet after silence waited for long enough, so that those behind it will be in time?
    fn may_begin(&self, first: &Waiting, now_us: u64) -> bool {
        // in the middle of a frame, its samples would not lie as the packets do
        let Kind::Voice { samples } = first.kind else { return false };
        let granule = common(samples.into(), self.codec.frame_samples());
        self.tape.ahead() == 0
            && self.headroom_us(now_us, first.timestamp, 0, granule) >= self.jitter_us() + HEADROOM_START_US
    }

    /// How long before its turn the least delayed of the packets from `timestamp` on will arrive, when `ahead` samples
    /// lie before it.
    ///
    /// Frames take whole ticks: a packet that begins anywhere within a frame must be there at its start. Packets
    /// begin at multiples of the granule, of which the last within the frame is the worst case; and samples ahead
    /// help only by whole granules.
    fn headroom_us(&self, now_us: u64, timestamp: i64, ahead: i64, granule: usize) -> i64 {
        let least_us = self.delay.least_us().unwrap_or(now_us as i64);
        let granule = granule as i64;
        let reserve = ahead.div_euclid(granule) * granule - (self.codec.frame_samples() as i64 - granule);
        now_us as i64 - least_us - self.ticks_to_us(timestamp) + reserve * 1_000_000 / i64::from(self.codec.rate_hz())
    }

    /// The jitter to be ridden out, as far as we are asked to.
    fn jitter_us(&self) -> i64 {
        self.delay.jitter_us().min(i64::from(self.config.delay_ms_max) * 1000)
    }

    /// Drops or repeats one period of what lies ahead if too much or too little is waiting.
    fn keep_pace(&mut self, now_us: u64, frame: usize) {
        self.steady = self.steady.saturating_sub(frame);
        let State::Playing { timestamp, made_up: 0 } = self.state else { return };
        let ahead = self.tape.ahead() as i64;
        let headroom_us = self.headroom_us(now_us, timestamp, ahead, self.granule);
        self.stats.headroom_us = headroom_us;
        if self.steady > 0 || self.concealer.is_active() {
            return;
        }
        let spare_us = headroom_us - self.jitter_us();
        let over = self.tape.ahead() % self.granule;
        if spare_us < HEADROOM_LOW_US {
            let repeated = self.tape.repeat_period(self.granule - over);
            self.stats.repeated_samples += repeated as u64;
            self.rest(repeated * 20, frame);
        } else {
            // what is over a whole granule delays and helps nobody: it may go whatever is spare
            let beyond_us = (spare_us - HEADROOM_TARGET_US).max(0);
            let granules = beyond_us as usize * (self.codec.rate_hz() as usize / 1000) / (self.granule * 1000);
            let most = over + granules * self.granule;
            if most == 0 {
                return;
            }
            self.look_ahead(frame + self.samples(PERIOD_MS_MAX));
            // what resembles nothing, as music or noise, must not delay us for ever: the more waits, the less is asked
            let hurry = beyond_us as f32 / HURRY_US as f32;
            // a noise is left as it came unless that makes it a whole frame earlier, or it has been cut before
            let noise_too = over > 0 || granules * self.granule >= frame;
            let dropped = self.tape.drop_period(most, ALIKE_MIN - hurry, noise_too);
            self.stats.dropped_samples += dropped as u64;
            let pace = if hurry > 1.0 { 10 } else { 20 };
            self.rest(dropped * pace, frame);
        }
    }

    /// Leaves the sound as it is for `steady` samples, or if there was nothing to be done to it, for one frame, then
    /// for two, and so on: what cannot be cut now can hardly be cut 20 ms later, and looking costs more than playing.
    fn rest(&mut self, steady: usize, frame: usize) {
        self.misses = if steady > 0 { 0 } else { (self.misses + 1).min(MISSES_MAX) };
        self.steady = if steady > 0 { steady } else { frame << (self.misses - 1) };
    }

    /// Decodes packets that follow on without a gap until `len` samples lie ahead.
    fn look_ahead(&mut self, len: usize) {
        while let State::Playing { timestamp, .. } = self.state
            && self.tape.ahead() < len
            && let Some(next) = self.jitter.first_from(self.next_sequence)
            && matches!(next.kind, Kind::Voice { .. })
            && self.ticks_to_us(next.timestamp - timestamp) <= SLACK_US
        {
            self.decode(&next);
        }
    }

    /// Decodes a packet behind what is ahead, under a cross-fade with what was made up, or played, before it.
    fn decode(&mut self, packet: &Waiting) {
        let Kind::Voice { samples } = packet.kind else { return };
        let samples = usize::from(samples);
        let fade_len = self.samples(FADE_MS);
        let (sound, out) = self.tape.continuation(samples);
        let decoded = self.decoder.decode(self.jitter.payload(packet), out);
        match self.state {
            _ if decoded.is_err() => self.concealer.fill(sound, out), // it looked like a packet: as good as lost
            State::Waiting { sounding: true, .. } => {
                self.concealer.fill(sound, &mut []);
                self.concealer.merge(out);
            }
            State::Waiting { fade_in: true, .. } => fade_in(out, fade_len),
            _ => self.concealer.merge(out),
        }
        self.tape.extend(samples);
        self.granule = common(samples, self.codec.frame_samples());
        let timestamp = packet.timestamp + samples as i64 / self.samples_per_tick();
        self.state = State::Playing { timestamp, made_up: 0 };
        self.done_with(packet.sequence);
    }

    /// Makes up at least `len` samples and returns how many; `next` and the length of the whole gap, where the packet
    /// behind it is here and may carry what was in it.
    fn conceal(&mut self, len: usize, next: Option<(Waiting, usize)>) -> usize {
        if self.codec != Codec::Opus {
            let (sound, gap) = self.tape.continuation(len);
            self.concealer.fill(sound, gap);
            self.tape.extend(len);
            return len;
        }
        let step = OPUS_STEP_US * self.codec.rate_hz() as usize / 1_000_000;
        let (next, len) = match next {
            Some((next, gap)) if gap.is_multiple_of(step) && gap <= self.samples(60) => (Some(next), gap),
            _ => (None, len.next_multiple_of(step)),
        };
        let (_, gap) = self.tape.continuation(len);
        let next = next.as_ref().map(|next| self.jitter.payload(next));
        if self.decoder.recover(next, gap).is_err() {
            gap.fill(0);
        }
        self.tape.extend(len);
        len
    }

    /// From sound to silence, until the next packet; `fade_in`: which is of another stream.
    fn wait(&mut self, fade_in: bool) {
        let sounding = match self.state {
            State::Playing { .. } => !self.concealer.is_silent(),
            State::Waiting { sounding, .. } => sounding,
        };
        self.concealer.reset();
        self.state = State::Waiting { sounding, fade_in, silence: 0 };
    }

    /// Ends the sound within a few milliseconds.
    fn fade_out(&mut self) {
        let made = self.conceal(self.samples(FADE_MS), None);
        self.tape.fade_last(made);
        self.concealer.reset();
    }

    /// Adds `len` samples of silence; for Opus, of the noise the sender has described. `silence`: so much came before.
    fn stay_silent(&mut self, len: usize, silence: usize) {
        if self.codec == Codec::Opus && self.source.is_some() && silence < self.samples(OPUS_NOISE_MS) {
            self.conceal(len, None);
            return;
        }
        self.tape.continuation(len).1.fill(0);
        self.tape.extend(len);
    }

    fn done_with(&mut self, sequence: i64) {
        self.jitter.remove(sequence);
        let passed = sequence + 1 - self.next_sequence;
        self.played = self.played.checked_shl(passed as u32).unwrap_or(0) | 1;
        self.next_sequence = sequence + 1;
    }

    fn was_played(&self, sequence: i64) -> bool {
        let back = self.next_sequence - 1 - sequence;
        self.played.checked_shr(back as u32).is_some_and(|played| played & 1 == 1)
    }

    fn samples(&self, ms: usize) -> usize {
        ms * self.codec.rate_hz() as usize / 1000
    }

    /// 2 for G.722, whose clock runs at half its rate.
    fn samples_per_tick(&self) -> i64 {
        i64::from(self.codec.rate_hz() / self.codec.clock_hz())
    }

    fn ticks_to_us(&self, ticks: i64) -> i64 {
        ticks * 1_000_000 / i64::from(self.codec.clock_hz())
    }
}

fn fade_in(sound: &mut [i16], len: usize) {
    for (i, sample) in sound.iter_mut().take(len).enumerate() {
        *sample = mix(0, *sample, i, len);
    }
}

fn unwrap_sequence(newest: i64, sequence: u16) -> i64 {
    newest + i64::from(sequence.wrapping_sub(newest as u16) as i16)
}

/// Greatest common divisor; both are positive.
fn common(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_nothing_is_tried_ever_less_often() {
        let mut playout = Playout::new(Codec::Pcmu, PlayoutConfig::default(), 1).expect("a known codec");
        let mut after = |found: usize| {
            playout.rest(found * 20, 160);
            playout.steady
        };
        assert_eq!([0, 0, 0, 0, 0, 37, 0].map(&mut after), [160, 320, 640, 1_280, 1_280, 740, 160]);
    }
}
