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
//! What is missing is made up, and in pauses one hears the noise behind the voice ([`Gap`]). A timestamp that jumps while
//! sequence numbers do not is such a pause: silence that was not sent.
//!
//! No clock, no socket, no allocation after `new`. Times are microseconds on the media clock; positions in the stream
//! are RTP timestamps, unwrapped; everything else is samples.

use std::mem::offset_of;

use crate::codec::{Codec, CodecError, Decoder, micros};
use crate::delay::Delay;
use crate::gap::{Behind, Gap, Join};
use crate::jitter::{Jitter, Kind, NotTaken, PLACES, Waiting};
use crate::pace::{JitterBuffer, Pace, Plan, Standing};
use crate::rtp;
use crate::source::{Judged, Place, Source};
use crate::tape::{ALIKE_MIN, PERIOD_MS_MAX, Tape};

/// What SDP and the operator say about a stream, beside its codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayoutConfig {
    /// The payload type of RFC 3389 comfort noise; 13 by convention.
    pub comfort_noise_payload_type: Option<u8>,
    /// How much jitter is ridden out at most.
    pub jitter_buffer: JitterBuffer,
    /// See [`Playout::set_data_mode`].
    pub data_mode: bool,
}

impl Default for PlayoutConfig {
    fn default() -> PlayoutConfig {
        PlayoutConfig { comfort_noise_payload_type: Some(13), jitter_buffer: JitterBuffer::default(), data_mode: false }
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

/// What a frame is made of; if of several things, the last of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pulled {
    /// The peer sends nothing: not yet, not any more, or in its pauses there is nothing to be heard.
    Silence,
    /// The peer sends nothing, since nobody speaks there: the noise behind its voice.
    Noise,
    /// Made up: what should be here is lost or late.
    Concealed,
    /// What the peer sent.
    Voice,
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
    /// Frames of noise, in pauses and where much is missing.
    pub noise_frames: u64,
    /// Frames without anything.
    pub silent_frames: u64,
    /// Samples handed out, of whatever kind.
    pub played_samples: u64,
    /// Samples made up for what was lost or late, faded out or not. A pause that was taken for a loss at first is taken
    /// off again.
    pub concealed_samples: u64,
    /// Samples left out to catch up.
    pub dropped_samples: u64,
    /// Samples repeated to wait.
    pub repeated_samples: u64,
    /// How long before its turn the least delayed packet arrives, at the last frame.
    pub headroom_us: i64,
    /// How much later than the least delayed packet nearly all others arrive.
    pub jitter_us: i64,
    /// How long a sound waits here if its packet is among the least delayed: `headroom_us`, averaged over a second.
    pub delay_us: i64,
    /// Sound that waits now, decoded or not.
    pub buffer_us: i64,
    /// How much faster than ours the sender's clock runs, in parts per million; 0 until that is known.
    pub drift_ppm: i32,
}

/// See the [module](self). In the order in which a steady stream meets it: what is behind the voice is learnt now and then.
#[repr(C)]
pub struct Playout {
    codec: Codec,
    comfort_noise_payload_type: Option<u8>,
    decoder: Decoder,
    tape: Tape,
    source: Source,
    state: State,
    /// Packets before this one have been played or given up …
    next_sequence: i64,
    /// … as the bits say, of the one just before it from the lowest on: set if it was played.
    played: u64,
    /// So many samples from this timestamp on were made up for a packet that may never have been sent.
    unproven: (i64, usize),
    /// What timestamps and frames have in common: the packets' length and 20 ms, in samples.
    granule: usize,
    pace: Pace,
    jitter: Jitter,
    delay: Delay,
    steady: Steady,
    gap: Gap,
    /// But for what is in `steady`.
    stats: PlayoutStats,
}

/// Of [`PlayoutStats`], what every packet and every frame counts.
#[derive(Default)]
struct Steady {
    queued: u64,
    voice_frames: u64,
    silent_frames: u64,
    played_samples: u64,
    concealed_samples: u64,
    headroom_us: i64,
    delay_us: i64,
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

/// Packets that may arrive after the first and be played before it.
const START_REORDER: i64 = 8;

/// Gaps between timestamps that are none: clocks and packet lengths that disagree a little.
const SLACK_US: i64 = 2_000;
/// After so long without a packet the sender is taken for silent.
const SILENT_MS: usize = 200;
/// Frames in a second: what the delay is averaged over.
const DELAY_FRAMES: i64 = 50;

impl Playout {
    /// What is looked at of it while packet follows on packet.
    pub(crate) const STEADY_BYTES: usize = offset_of!(Playout, gap) + Gap::STEADY_BYTES;

    /// A stream that has not begun. The same `seed` and packets make the same sound.
    pub fn new(codec: Codec, config: PlayoutConfig, seed: u64) -> Result<Playout, CodecError> {
        Ok(Playout {
            codec,
            comfort_noise_payload_type: config.comfort_noise_payload_type,
            decoder: Decoder::new(codec)?,
            jitter: Jitter::new(codec),
            delay: Delay::new(),
            tape: Tape::new(codec),
            gap: Gap::new(codec, seed),
            source: Source::new(codec.clock_hz()),
            pace: Pace::new(config.jitter_buffer, config.data_mode),
            state: State::Waiting { sounding: false, fade_in: false, silence: 0 },
            next_sequence: 0,
            played: 0,
            unproven: (0, 0),
            granule: codec.frame_samples(),
            steady: Steady::default(),
            stats: PlayoutStats::default(),
        })
    }

    /// How much jitter is ridden out at most from now on.
    pub fn set_jitter_buffer(&mut self, jitter_buffer: JitterBuffer) {
        self.pace.set_jitter_buffer(jitter_buffer);
    }

    /// In data mode every sample that arrives in time is played as it was sent, none dropped, repeated or faded over:
    /// for modems, alarms and text telephones. From its start, the stream waits for as much jitter as
    /// [`JitterBuffer`] allows; a stream that plays already pauses once, until it has caught up on that.
    pub fn set_data_mode(&mut self, data_mode: bool) {
        if data_mode && !self.pace.is_data() {
            self.wait(false);
        }
        self.pace.set_data_mode(data_mode);
    }

    /// Takes a packet of this codec's payload type, or of comfort noise, that arrived at `arrival_us`.
    pub fn push(&mut self, packet: &rtp::Packet, arrival_us: u64) -> Pushed {
        let Some(kind) = self.kind_of(packet) else {
            self.stats.refused += 1;
            return Pushed::Refused;
        };
        let place = match self.source.judge(packet, arrival_us) {
            Judged::Continues(place) => place,
            Judged::Begins(place) => return self.begin_source(place, kind, packet.payload, arrival_us),
            Judged::Stray => {
                self.stats.stray += 1;
                return Pushed::Stray;
            }
        };
        let Place { sequence, timestamp } = place;
        if self.is_awaited(place, kind) {
            self.decode(&Waiting::passing(sequence, timestamp, kind), Some(packet.payload), 0);
            return self.queued(place, arrival_us);
        }
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
                self.unproven = (0, 0);
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
        self.queued(place, arrival_us);
        pushed
    }

    /// Nothing waits, nothing is ahead, and this is the frame to be played next: it need not wait either.
    fn is_awaited(&self, place: Place, kind: Kind) -> bool {
        place.sequence == self.next_sequence
            && matches!(self.state, State::Playing { timestamp, made_up: 0 } if timestamp == place.timestamp)
            && kind.samples() == self.codec.frame_samples()
            && self.jitter.is_empty()
            && self.tape.ahead() == 0
    }

    /// A packet has been taken that will be played.
    fn queued(&mut self, place: Place, arrival_us: u64) -> Pushed {
        self.steady.queued += 1;
        self.note_arrival(place.timestamp, arrival_us);
        self.source.note(place, arrival_us);
        Pushed::Queued
    }

    /// Notes a packet of the same stream that carries no audio (telephone-event), so that it is not taken for lost.
    pub fn pass(&mut self, packet: &rtp::Packet) {
        let Some(Place { sequence, timestamp }) = self.source.place_beside(packet) else { return };
        if (self.next_sequence..self.next_sequence + PLACES as i64).contains(&sequence) {
            let _ = self.jitter.insert(sequence, timestamp, Kind::Aside, &[]); // a second copy is no news
        }
    }

    /// Fills `out` with the frame to be played at `now_us`: [`Codec::frame_samples`] of them.
    pub fn pull(&mut self, now_us: u64, out: &mut [i16]) -> Pulled {
        let frame = out.len();
        let mut pulled = if self.tape.ahead() > 0 { Pulled::Voice } else { Pulled::Silence };
        while self.tape.ahead() < frame {
            let added = self.add_next(now_us, frame - self.tape.ahead());
            pulled = pulled.max(added);
        }
        self.keep_pace(now_us, frame);
        self.tape.play(out);
        self.steady.played_samples += frame as u64;
        match pulled {
            Pulled::Voice => self.steady.voice_frames += 1,
            Pulled::Concealed => self.stats.concealed_frames += 1,
            Pulled::Noise => self.stats.noise_frames += 1,
            Pulled::Silence => self.steady.silent_frames += 1,
        }
        pulled
    }

    /// Samples made up so far.
    pub(crate) fn concealed_samples(&self) -> u64 {
        self.steady.concealed_samples
    }

    /// What happened so far.
    pub fn stats(&self) -> PlayoutStats {
        let waiting = self.jitter.samples() + self.tape.ahead();
        let Steady { queued, voice_frames, silent_frames, played_samples, concealed_samples, headroom_us, delay_us } =
            self.steady;
        PlayoutStats {
            queued,
            voice_frames,
            silent_frames,
            played_samples,
            concealed_samples,
            headroom_us,
            delay_us,
            jitter_us: self.delay.jitter_us(),
            buffer_us: micros(waiting as i64, self.codec.rate_hz()),
            drift_ppm: self.delay.drift_ppm().round() as i32,
            ..self.stats
        }
    }

    /// Fetches what the next packet and the next frame will touch into the cache.
    pub(crate) fn fetch(&self) {
        self.tape.fetch();
    }

    /// The same of where the next frame lies, without waiting for it.
    pub(crate) fn prefetch(&self) {
        self.tape.prefetch();
    }

    fn kind_of(&self, packet: &rtp::Packet) -> Option<Kind> {
        if self.comfort_noise_payload_type == Some(packet.payload_type) {
            return Some(Kind::ComfortNoise);
        }
        let samples = self.codec.samples_in(packet.payload).ok()?;
        Some(Kind::Voice { samples: samples as u16 }) // at most PACKET_MS_MAX
    }

    /// Takes the first packet of another stream.
    fn begin_source(&mut self, place: Place, kind: Kind, payload: &[u8], arrival_us: u64) -> Pushed {
        let Place { sequence, timestamp } = place;
        self.tape.cut();
        self.wait(self.stats.sources > 0);
        self.next_sequence = sequence - START_REORDER;
        self.played = 0;
        self.unproven = (0, 0);
        self.jitter.clear();
        self.delay.reset();
        self.gap.reset();
        let inserted = self.jitter.insert(sequence, timestamp, kind, payload);
        if self.decoder.reset().is_err() || inserted.is_err() {
            self.stats.refused += 1;
            return Pushed::Refused;
        }
        self.note_arrival(timestamp, arrival_us);
        self.stats.sources += 1;
        self.steady.queued += 1;
        Pushed::NewSource
    }

    /// Gives up everything before `sequence`: the stream goes on there, as after silence.
    fn skip_to(&mut self, sequence: i64) {
        self.tape.cut();
        self.wait(true);
        self.jitter.clear();
        self.next_sequence = sequence;
        self.played = 0;
        self.unproven = (0, 0);
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
                self.gap.tell(self.jitter.payload(&aside));
                self.wait(false);
            }
            self.done_with(aside.sequence);
            return Pulled::Silence; // nothing added: the caller comes again
        }
        match (self.state, next) {
            (State::Waiting { .. }, Some(next)) if self.is_stale(&next, now_us) => {
                self.stats.late += 1;
                self.done_with(next.sequence);
                Pulled::Silence
            }
            (State::Waiting { .. }, Some(next)) if self.may_begin(&next, now_us) => {
                self.decode(&next, None, 0);
                Pulled::Voice
            }
            (State::Waiting { sounding, fade_in, silence }, _) => {
                let (added, sounding) = self.gap.pause(missing, sounding, silence, &mut self.tape, &mut self.decoder);
                self.state = State::Waiting { sounding, fade_in, silence: silence + missing };
                added
            }
            (State::Playing { timestamp, made_up }, None) => {
                if made_up >= self.samples(SILENT_MS) {
                    self.wait(false);
                    return Pulled::Silence;
                }
                let pulled = self.gap.what_follows(made_up);
                let made = self.gap.conceal(missing, None, &mut self.tape, &mut self.decoder);
                self.steady.concealed_samples += made as u64;
                self.unproven = (timestamp, self.unproven.1 + made);
                self.state = State::Playing { timestamp, made_up: made_up + made };
                pulled
            }
            (State::Playing { timestamp, made_up }, Some(next)) => {
                let gap_ticks = next.timestamp - timestamp;
                let gap = gap_ticks * self.samples_per_tick() - made_up as i64;
                if self.ticks_to_us(gap_ticks) <= SLACK_US || gap <= 0 {
                    let over = if self.is_over(now_us, timestamp, made_up) { -gap.min(0) } else { 0 };
                    return if self.decode(&next, None, over as usize) { Pulled::Voice } else { Pulled::Silence };
                }
                let lost = next.sequence - self.next_sequence;
                if lost == 0 {
                    self.wait(false); // the sender left out what nobody would hear
                    return Pulled::Silence;
                }
                let gap = gap as usize;
                let (pulled, samples) = (self.gap.what_follows(made_up), next.kind.samples());
                let behind = Behind { payload: self.jitter.payload(&next), samples, missing: gap };
                let made = self.gap.conceal(missing.min(gap), Some(behind), &mut self.tape, &mut self.decoder);
                self.steady.concealed_samples += made as u64;
                let over = (made_up + made) as i64 / self.samples_per_tick();
                self.state = State::Playing { timestamp: timestamp + over, made_up: 0 };
                pulled
            }
        }
    }

    /// Has the first packet after silence waited for long enough, so that those behind it will be in time?
    fn may_begin(&self, first: &Waiting, now_us: u64) -> bool {
        let headroom_us = self.headroom_at_start_us(first, now_us);
        headroom_us.is_some_and(|headroom_us| self.pace.may_begin(headroom_us, self.delay.jitter_us()))
    }

    /// Has it waited for so long that the stream may just as well begin behind it?
    fn is_stale(&self, first: &Waiting, now_us: u64) -> bool {
        let Kind::Voice { samples } = first.kind else { return false };
        let len_us = micros(samples.into(), self.codec.rate_hz());
        let headroom_us = self.headroom_at_start_us(first, now_us);
        headroom_us.is_some_and(|headroom_us| self.pace.is_beyond_cap(headroom_us - len_us))
            && self.jitter.first_from(first.sequence + 1).is_some()
    }

    /// The headroom if the stream began now, with this packet.
    fn headroom_at_start_us(&self, first: &Waiting, now_us: u64) -> Option<i64> {
        let Kind::Voice { samples } = first.kind else { return None };
        let granule = common(samples.into(), self.codec.frame_samples());
        // in the middle of a frame, its samples would not lie as the packets do
        (self.tape.ahead() == 0).then(|| self.headroom_us(now_us, first.timestamp, 0, granule))
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
        let whole = if ahead == granule { granule } else { ahead.div_euclid(granule) * granule }; // divides seldom
        let reserve = whole - (self.codec.frame_samples() as i64 - granule);
        now_us as i64 - least_us - self.ticks_to_us(timestamp) + micros(reserve, self.codec.rate_hz())
    }

    /// Drops or repeats some of what lies ahead if too much or too little is waiting.
    fn keep_pace(&mut self, now_us: u64, frame: usize) {
        self.pace.play(frame);
        let State::Playing { timestamp, made_up: 0 } = self.state else { return };
        let headroom_us = self.headroom_us(now_us, timestamp, self.tape.ahead() as i64, self.granule);
        self.steady.headroom_us = headroom_us;
        self.steady.delay_us += (headroom_us - self.steady.delay_us) / DELAY_FRAMES;
        if self.gap.is_concealing() {
            return;
        }
        let (jitter_us, granule, ahead) = (self.delay.jitter_us(), self.granule, self.tape.ahead());
        let over = if ahead == granule { 0 } else { ahead % granule };
        let plan = self.pace.plan(&Standing { headroom_us, jitter_us, over, granule, frame });
        match plan {
            Plan::Keep => {}
            Plan::Repeat(wanted) => {
                let repeated = self.tape.repeat_period(wanted);
                self.stats.repeated_samples += repeated as u64;
                self.pace.done(repeated, plan, frame);
            }
            Plan::Drop(cut) => {
                self.look_ahead(frame + self.samples(PERIOD_MS_MAX));
                let dropped = self.tape.drop_period(cut.most, ALIKE_MIN - cut.hurry, cut.noise_too);
                self.stats.dropped_samples += dropped as u64;
                self.pace.done(dropped, plan, frame);
            }
            Plan::DropFrame => {
                self.look_ahead(2 * frame);
                let dropped = self.tape.drop_front(frame);
                self.stats.dropped_samples += dropped as u64;
            }
        }
    }

    /// Decodes packets that follow on without a gap until `len` samples lie ahead.
    fn look_ahead(&mut self, len: usize) {
        while let State::Playing { timestamp, .. } = self.state
            && self.tape.ahead() < len
            && let Some(next) = self.jitter.first_from(self.next_sequence)
            && matches!(next.kind, Kind::Voice { .. })
            && self.ticks_to_us(next.timestamp - timestamp) <= SLACK_US
        {
            self.decode(&next, None, 0);
        }
    }

    /// Is the time over for a packet of which the first samples were made up? Otherwise it is played later, and the
    /// stream with it.
    fn is_over(&self, now_us: u64, timestamp: i64, made_up: usize) -> bool {
        // where even the least delayed packets come too late, it is no jitter, and waiting adds no delay
        let ahead = self.tape.ahead() as i64 - made_up as i64;
        self.pace.is_at_cap(self.headroom_us(now_us, timestamp, ahead, self.granule))
    }

    /// Decodes a packet behind what is ahead, under a cross-fade with what was made up, or played, before it, and
    /// leaves out its first samples if the time is over for `over` of them. `payload`: of one that did not wait. Is
    /// anything left of it?
    fn decode(&mut self, packet: &Waiting, payload: Option<&[u8]>, over: usize) -> bool {
        let Kind::Voice { samples } = packet.kind else { return false };
        let samples = usize::from(samples);
        let skipped = over.min(samples);
        let (sound, out) = self.tape.continuation(samples);
        let decoded = self.decoder.decode(payload.unwrap_or_else(|| self.jitter.payload(packet)), out);
        let heard = &mut out[skipped..];
        let join = match self.state {
            _ if self.pace.is_data() => Join::Cut,
            State::Waiting { sounding: true, silence: 0, .. } => Join::CutOff,
            State::Waiting { fade_in: true, .. } => Join::FadeIn,
            _ => Join::Merge,
        };
        if decoded.is_err() {
            self.gap.replace(sound, heard); // it looked like a packet: as good as lost
        } else if !heard.is_empty() {
            self.gap.join(sound, heard, join);
        }
        self.gap.learn(packet.sequence, out);
        out.copy_within(skipped.., 0);
        self.tape.extend(samples - skipped);
        self.stats.late += u64::from(skipped == samples);
        self.granule = common(samples, self.codec.frame_samples());
        let (since, unproven) = std::mem::take(&mut self.unproven);
        if packet.sequence == self.next_sequence && self.ticks_to_us(packet.timestamp - since) > SLACK_US {
            self.steady.concealed_samples -= unproven as u64; // nothing was lost, nor late: it was a pause
        }
        let timestamp = packet.timestamp + samples as i64 / self.samples_per_tick();
        self.state = State::Playing { timestamp, made_up: over - skipped };
        self.done_with(packet.sequence);
        skipped < samples
    }

    /// From sound to silence, until the next packet; `fade_in`: which is of another stream.
    fn wait(&mut self, fade_in: bool) {
        let sounding = match self.state {
            State::Playing { .. } => !self.gap.has_faded(),
            State::Waiting { sounding, .. } => sounding,
        };
        self.gap.end();
        self.state = State::Waiting { sounding, fade_in, silence: 0 };
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
        micros(ticks, self.codec.clock_hz())
    }
}

/// Greatest common divisor; both are positive.
fn common(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common(b, a % b) }
}
