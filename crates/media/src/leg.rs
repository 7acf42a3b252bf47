//! One leg: a socket, what the peer sends us, what we send it, and its private player.
//!
//! In a tick the room asks its legs, in this order: [`Leg::fetch`] empties the socket, [`Leg::take_mail`] fills the
//! playout buffer, [`Leg::listen`] takes one frame out of it, and once everybody's frame is in the mix, the room
//! sends through [`Leg::outlet`]. What others must know (a digit, the end of a sound) waits in the leg until
//! the event channel has room.

use std::mem::offset_of;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use model::{LegId, LegStats, PlaybackId, TapId, Track};

use crate::arrivals::Arrivals;
use crate::bus::{Encoding, Mix, has_memory};
use crate::digits_out::DigitsOut;
use crate::facts::Facts;
use crate::keypad::Keypad;
use crate::latch::Latch;
use crate::limiter::Limiter;
use crate::mail::{Inbox, Outbox};
use crate::measure::Measure;
use crate::message::{Groups, Stream, Tuning};
use crate::mixer::{Gain, Rate};
use crate::noise::Noise;
use crate::onlookers::{LegTap, Onlookers};
use crate::player::{Pages, Player};
use crate::prefetch::{CACHE_LINE, fetch_part, prefetch, prefetch_first, prefetch_part};
use crate::reports::{Reports, Situation};
use crate::rtcp::{self, Reception};
use crate::rtp::{HEADER_LEN, Packet};
use crate::sender::{Outlet, Sender};
use crate::socket::{Received, Wire};
use crate::speech::Speech;
use crate::suppress::Suppressor;
use crate::treatment::Treatment;
use crate::worker::Tick;
use crate::{Codec, CodecError, Encoder, Playout, PlayoutConfig, Pulled, Pushed};

/// One leg, as a room holds it. A leg in a steady call is met in the order of its fields, up to the latch's first ones: a
/// thread finds each of its legs cold, once a tick, and so fetches as few cache lines as may be.
#[repr(C, align(64))]
pub(crate) struct Leg {
    media: Option<Box<Media>>,
    wire: Box<dyn Wire>,
    polling: Polling,
    arrivals: Arrivals,
    /// When a packet of the peer last came; the time of the first agreement before there was one.
    heard_us: u64,
    /// Since when the peer ought to be heard.
    receives_since_us: u64,
    quiet_reported_us: u64,
    rtp_timeout_us: u64,
    pub(crate) route: Route,
    pub(crate) sender: Sender,
    pub(crate) speech: Speech,
    /// How loud it was in the mix of the last tick.
    pub(crate) gain: Gain,
    /// Of what it hears.
    pub(crate) limiter: Limiter,
    pub(crate) player: Option<Player>,
    /// What played until a moment ago; this tick fades it out.
    pub(crate) leaving_player: Option<Player>,
    /// Kept when all are out, for the next ones.
    digits_out: Option<Box<DigitsOut>>,
    /// Only where it has been tuned.
    treatment: Option<Box<Treatment>>,
    /// Only where there are any.
    onlookers: Option<Box<Onlookers>>,
    /// When [`Reports::tick`] has something to do.
    reports_due_us: u64,
    measure: Measure,
    facts: Facts,
    counts: Counts,
    /// From the middle of it on, a steady call does not look.
    latch: Latch,
    rare_counts: RareCounts,
    reports: Reports,
    /// Whom the socket is connected to.
    connected: Option<SocketAddr>,
    pub(crate) id: LegId,
}

/// See [`Leg::ask`]: in this order, since the sound is found by the playout buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TickPart {
    Leg,
    Playout,
    Stream,
    Sound,
}

/// What an agreement brings with it, made off the media threads. In the order in which a steady call meets it, as [`Leg`].
#[repr(C, align(64))]
pub(crate) struct Media {
    pub(crate) playout: Playout,
    /// On its way in, for a leg whose noise is suppressed; on its way out, what is to be freed.
    suppressor: Option<Box<Suppressor>>,
    /// For the sender.
    room_to_wait: Box<[i16]>,
    pub(crate) stream: Stream,
    pub(crate) reception: Reception,
    pub(crate) encoder: Encoder,
    /// What was sent last came from the encoder of all who listen only.
    shares: bool,
    /// What was sent last, if anything was, is comfort noise and nothing else.
    sent_silence: bool,
    /// For the next mix this leg listens to, if that cannot encode for several yet.
    pub(crate) spare: Option<Box<Encoding>>,
    keypad: Keypad,
}

impl Media {
    /// Allocates: not in a tick.
    pub(crate) fn new(stream: Stream, tuning: Tuning, seed: u64) -> Result<Box<Self>, CodecError> {
        let config = PlayoutConfig {
            comfort_noise_payload_type: stream.comfort_noise_payload_type,
            jitter_buffer: tuning.jitter_buffer,
            data_mode: tuning.data_mode,
        };
        let suppresses = tuning.noise_suppression && !tuning.data_mode;
        Ok(Box::new(Self {
            stream,
            playout: Playout::new(stream.codec, config, seed)?,
            encoder: Encoder::new(stream.codec)?,
            spare: if has_memory(stream.codec) { Some(Encoding::new(stream.codec)?) } else { None },
            shares: false,
            sent_silence: true,
            keypad: Keypad::new(&stream),
            suppressor: suppresses.then(|| Suppressor::new(Rate::from_hz(stream.codec.rate_hz()))),
            reception: Reception::new(stream.codec.clock_hz()),
            room_to_wait: Sender::room_to_wait(&stream),
        }))
    }
}

impl Media {
    /// The peer's decoder has been told by no other encoder, or has nothing to tell of it.
    fn may_share(&self) -> bool {
        !has_memory(self.stream.codec) || self.shares || self.sent_silence
    }
}

/// Who hears a leg and whom it hears, now and until a moment ago.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Route {
    pub(crate) emit: Groups,
    pub(crate) hear: Groups,
    /// What the running tick fades away from.
    pub(crate) emit_before: Option<Groups>,
    pub(crate) hear_before: Option<Groups>,
}

impl Route {
    /// Changes the route; the next tick fades. Two changes within a tick fade from what was last heard.
    pub(crate) fn change(&mut self, emit: Groups, hear: Groups) {
        let (was_emit, was_hear) = (self.emit_before.unwrap_or(self.emit), self.hear_before.unwrap_or(self.hear));
        *self = Self {
            emit,
            hear,
            emit_before: (was_emit != emit).then_some(was_emit),
            hear_before: (was_hear != hear).then_some(was_hear),
        };
    }

    /// Ends a tick: what faded is gone.
    pub(crate) fn settle(&mut self) {
        self.emit_before = None;
        self.hear_before = None;
    }

    /// Somebody could hear this leg, at least while it fades.
    pub(crate) fn emits(&self) -> bool {
        (self.emit | self.emit_before.unwrap_or(0)) != 0
    }

    /// Somebody who hears `hear` hears this leg, at least while it fades.
    pub(crate) fn is_audible_to(&self, hear: Groups) -> bool {
        (self.emit | self.emit_before.unwrap_or(0)) & hear != 0
    }
}

/// How often to look into the socket.
#[derive(Debug)]
struct Polling {
    polls: u32,
    /// How long the peer's packets are.
    packet_ms: i32,
    /// The last look found less than a frame: what was due then will come on top.
    owed_ms: i32,
    /// When we last looked.
    looked_us: u64,
    /// When the peer's last packet of audio came.
    arrival_us: Option<u64>,
    /// Sequence number and timestamp of the last packet: the distance to the next tells its length.
    last: Option<(u16, u32)>,
}

#[derive(Debug, Default)]
struct Counts {
    packets_in: u64,
    bytes_in: u64,
    gap_us_max: u64,
}

#[derive(Debug, Default)]
struct RareCounts {
    wrong_source: u64,
    malformed: u64,
    /// Counts of playout buffers that a change of codec has replaced.
    late: u64,
    duplicates: u64,
    stretched_samples: u64,
    played_samples: u64,
    lost: u64,
}

impl Leg {
    /// A silent, deaf leg. Allocates: not in a tick.
    pub(crate) fn new(
        id: LegId,
        wire: Box<dyn Wire>,
        rtcp_wire: Box<dyn Wire>,
        random: u64,
        rtp_timeout_us: u64,
    ) -> Box<Self> {
        Box::new(Self {
            id,
            wire,
            reports: Reports::new(rtcp_wire, random),
            latch: Latch::default(),
            connected: None,
            media: None,
            route: Route::default(),
            sender: Sender::new(random),
            player: None,
            leaving_player: None,
            digits_out: None,
            treatment: None,
            onlookers: None,
            speech: Speech::default(),
            gain: Gain::Whole,
            limiter: Limiter::default(),
            arrivals: Arrivals::default(),
            polling: Polling { polls: 0, packet_ms: FRAME_MS, owed_ms: 0, looked_us: 0, arrival_us: None, last: None },
            heard_us: 0,
            receives_since_us: 0,
            quiet_reported_us: 0,
            rtp_timeout_us,
            facts: Facts::new(id),
            measure: Measure::new(),
            counts: Counts::default(),
            rare_counts: RareCounts::default(),
            reports_due_us: 0,
        })
    }

    /// Brings what [`Leg::fetch`] touches of the leg itself towards the cache.
    pub(crate) fn prefetch_polling(&self) {
        prefetch_first(self, offset_of!(Leg, heard_us));
    }

    /// Fetches what a tick touches of the leg itself into the cache.
    pub(crate) fn fetch_whole(&self) {
        fetch_part(self, 0..STEADY_LEG);
    }

    /// The same for what the leg points to.
    pub(crate) fn fetch_media(&self) {
        if let Some(media) = &self.media {
            fetch_part::<Media>(media, 0..Playout::STEADY_BYTES);
            fetch_part::<Media>(media, STEADY_STREAM);
        }
    }

    /// Asks for a part of what its tick touches, to come while other things are done: a dozen cache lines, which seem to
    /// be as many as are not forgotten.
    pub(crate) fn ask(&self, part: TickPart) {
        let media = self.media.as_deref();
        match (part, media) {
            (TickPart::Leg, _) => prefetch_part(self, CACHE_LINE..STEADY_LEG),
            (TickPart::Playout, Some(media)) => prefetch_part(media, 0..Playout::STEADY_BYTES),
            (TickPart::Stream, Some(media)) => prefetch_part(media, STEADY_STREAM),
            (TickPart::Sound, Some(media)) => media.playout.prefetch(),
            (_, None) => {}
        }
    }

    /// The same for where its sound lies.
    pub(crate) fn fetch_sound(&self) {
        if let Some(media) = &self.media {
            media.playout.fetch();
        }
    }

    /// Takes a new agreement. The same codec goes on with the same buffer and encoder, so that a re-INVITE
    /// is not heard. Returns what is to be freed.
    pub(crate) fn agree(&mut self, mut media: Box<Media>, now_us: u64) -> Option<Box<Media>> {
        let new = media.stream;
        self.latch.agree(new.remote, now_us);
        self.connect();
        if !self.media.as_ref().is_some_and(|media| media.stream.receives) {
            self.receives_since_us = now_us;
        }
        if let Some(treatment) = &mut self.treatment {
            let rate = Rate::from_hz(new.codec.rate_hz());
            media.suppressor = treatment.agree(rate, media.suppressor.take());
        }
        let Some(old) = &mut self.media else {
            self.heard_us = now_us;
            self.quiet_reported_us = now_us;
            self.sender.agree(&new, &mut media.room_to_wait);
            self.reports.begin(now_us);
            self.reports_due_us = self.reports.due_us();
            self.measure.begin(now_us);
            self.media = Some(media);
            return None;
        };
        if old.stream.codec == new.codec && old.stream.comfort_noise_payload_type == new.comfort_noise_payload_type {
            std::mem::swap(&mut old.playout, &mut media.playout);
            std::mem::swap(&mut old.encoder, &mut media.encoder);
            (media.shares, media.sent_silence) = (old.shares, old.sent_silence);
            std::mem::swap(&mut old.reception, &mut media.reception);
        } else {
            let stats = old.playout.stats();
            self.rare_counts.late += stats.late;
            self.rare_counts.duplicates += stats.duplicate;
            self.rare_counts.stretched_samples += stats.dropped_samples + stats.repeated_samples;
            self.rare_counts.played_samples += stats.played_samples;
            self.measure.change_codec();
            self.rare_counts.lost += old.reception.lost().max(0) as u64;
        }
        media.keypad.continue_from(&mut old.keypad);
        std::mem::swap(&mut old.suppressor, &mut media.suppressor);
        if (old.stream.codec, old.stream.ptime_ms) != (new.codec, new.ptime_ms) {
            self.sender.agree(&new, &mut media.room_to_wait);
        }
        self.media.replace(media)
    }

    /// The rate this leg speaks and listens at.
    pub(crate) fn rate(&self) -> Rate {
        self.media.as_ref().map_or(Rate::Narrow, |media| Rate::from_hz(media.stream.codec.rate_hz()))
    }

    /// Starts a private sound; what played until now fades out. Returns a sound to be freed, if there is one.
    pub(crate) fn play(&mut self, playback: PlaybackId, sound: Arc<Pages>, loops: u32) -> Option<Arc<Pages>> {
        let freed = self.stop_playing();
        self.player = Some(Player::new(playback, sound, loops));
        freed
    }

    /// Lets the private sound fade out. Returns a sound to be freed, if there is one.
    pub(crate) fn stop_playing(&mut self) -> Option<Arc<Pages>> {
        let mut player = self.player.take()?;
        if player.has_begun() {
            player.stop();
            self.leaving_player.replace(player).map(Player::into_sound)
        } else {
            Some(player.into_sound())
        }
    }

    /// Sends these digits after those that are being sent. Says whether there was room for them, and what is to be
    /// freed.
    pub(crate) fn send_digits(&mut self, digits: Box<DigitsOut>) -> (bool, Option<Box<DigitsOut>>) {
        let (taken, freed) = match &mut self.digits_out {
            Some(before) => (before.continue_with(&digits), Some(digits)),
            None => {
                self.digits_out = Some(digits);
                (true, None)
            }
        };
        if !self.sends_digits() {
            self.facts.digits_sent(); // none at all
        }
        (taken, freed)
    }

    /// Treats the peer's voice otherwise from the next tick on. Returns what is to be freed.
    pub(crate) fn tune(&mut self, tuning: Tuning, mut treatment: Box<Treatment>) -> Option<Box<Treatment>> {
        if let Some(media) = &mut self.media {
            media.playout.set_jitter_buffer(tuning.jitter_buffer);
            media.playout.set_data_mode(tuning.data_mode);
        }
        if let Some(before) = &mut self.treatment {
            treatment.continue_from(before);
        }
        self.treatment.replace(treatment)
    }

    /// Lets somebody look on, beside those who do. Returns what is to be freed.
    pub(crate) fn admit(&mut self, mut onlookers: Box<Onlookers>) -> Option<Box<Onlookers>> {
        match &mut self.onlookers {
            Some(own) => {
                own.welcome(&mut onlookers);
                Some(onlookers)
            }
            None => self.onlookers.replace(onlookers),
        }
    }

    /// Ends a tap. Returns what is to be freed.
    pub(crate) fn dismiss(&mut self, tap: TapId) -> (Option<Box<LegTap>>, Option<Box<Onlookers>>) {
        let gone = self.onlookers.as_mut().and_then(|onlookers| onlookers.dismiss(tap));
        (gone, self.onlookers.take_if(|onlookers| onlookers.is_empty()))
    }

    /// What it hears must be made for it alone, since somebody looks on.
    pub(crate) fn is_overheard(&self) -> bool {
        self.onlookers.as_ref().is_some_and(|onlookers| onlookers.want_what_it_hears())
    }

    /// Somebody looks on who may speak to it.
    pub(crate) fn may_be_spoken_to(&self) -> bool {
        self.onlookers.as_ref().is_some_and(|onlookers| onlookers.may_speak())
    }

    /// Shows those who look on what it hears, where that is made for it alone.
    pub(crate) fn is_sent(&mut self, frame: &[i16], tick: Tick) {
        if self.onlookers.is_some() {
            let rate = self.rate();
            self.onlookers.iter_mut().for_each(|onlookers| onlookers.take(Track::Outbound, rate, Some(frame), tick));
        }
    }

    /// Who looks on and may speak to it, this tick's sound of theirs; `false`: nothing.
    pub(crate) fn speak_to(&mut self, rate: Rate, out: &mut [i16]) -> bool {
        self.onlookers.as_mut().is_some_and(|onlookers| onlookers.speak(rate, out))
    }

    /// Receives what has arrived, for [`Leg::take_mail`]. Returns how many packets.
    ///
    /// One frame's worth a tick, a second one every now and then for a sender that is a little fast, all
    /// there is when something has been waiting. At most [`PACKETS_MAX`] a tick.
    pub(crate) fn fetch(&mut self, tick: Tick, inbox: &mut Inbox) -> u32 {
        if self.media.is_none() {
            return 0;
        }
        let polling = &mut self.polling;
        polling.polls = polling.polls.wrapping_add(1);
        let mut wanted_ms = FRAME_MS + std::mem::take(&mut polling.owed_ms);
        if polling.polls.is_multiple_of(EXTRA_EVERY) {
            wanted_ms += FRAME_MS;
        }
        let (mut everything, mut packets) = (false, 0);
        while packets < PACKETS_MAX && (wanted_ms > 0 || everything) {
            let timed = packets > 0 || self.arrivals.asks();
            let Some((datagram, received)) = inbox.receive(&mut *self.wire, packets > 0, timed) else {
                if packets == 0 {
                    polling.owed_ms = wanted_ms.min(OWED_MS_MAX);
                    self.arrivals.doubt();
                }
                break;
            };
            packets += 1;
            if received.arrival_us.is_some_and(|arrival_us| arrival_us < polling.looked_us) {
                everything = true;
                self.arrivals.doubt();
            }
            if !rtcp::is_rtcp(datagram) {
                wanted_ms -= polling.packet_ms;
            }
        }
        polling.looked_us = tick.us;
        packets
    }

    /// Moves so many packets of the inbox into the playout buffer, and does what else a tick begins with. Returns how
    /// many of them were the peer's.
    pub(crate) fn take_mail(&mut self, packets: u32, tick: Tick, inbox: &mut Inbox, buffer: &mut [u8]) -> u64 {
        if self.media.is_none() {
            return 0;
        }
        let accepted_before = self.counts.packets_in;
        for _ in 0..packets {
            let Some((datagram, received)) = inbox.next() else { break };
            self.take(datagram, received, tick);
        }
        if tick.us >= self.reports_due_us
            && let Some((reports, mut situation)) = self.situation()
        {
            let heard = reports.tick(tick, &mut situation, buffer);
            self.reports_due_us = self.reports.due_us();
            self.heard_us = self.heard_us.max(if heard { tick.us } else { 0 });
        }
        self.watch_silence(tick.us);
        self.counts.packets_in - accepted_before
    }

    /// Hands a packet to the network; `false` when it would not have it.
    pub(crate) fn deliver(&mut self, datagram: &[u8], to: SocketAddr) -> bool {
        let sent = self.wire.send(datagram, to);
        if !sent {
            self.sender.not_sent(datagram.len().saturating_sub(HEADER_LEN));
        }
        sent
    }

    /// Brings what [`Leg::fetch`] touches first towards the cache; the leg itself should be on its way already.
    pub(crate) fn prefetch_wire(&self) {
        prefetch(&*self.wire);
    }

    /// Takes one datagram.
    fn take(&mut self, datagram: &[u8], received: Received, tick: Tick) {
        if rtcp::is_rtcp(datagram) {
            self.take_rtcp(datagram, received, tick);
            return;
        }
        let Some(media) = &mut self.media else { return };
        let stream = &media.stream;
        let Ok(packet) = Packet::parse(datagram) else {
            self.rare_counts.malformed += 1;
            return;
        };
        let is_event = stream.telephone_event.is_some_and(|event| event.payload_type_in == packet.payload_type);
        let is_noise = stream.comfort_noise_payload_type == Some(packet.payload_type);
        if packet.payload_type != stream.payload_type_in && !is_event && !is_noise {
            self.rare_counts.malformed += 1;
            return;
        }
        if !self.latch.judge(received.from, packet.ssrc, packet.sequence, tick.us) {
            self.rare_counts.wrong_source += 1;
            return;
        }
        self.counts.packets_in += 1;
        self.counts.bytes_in += packet.payload.len() as u64;
        let arrival_us = self.arrivals.note(&packet, stream.codec.clock_hz(), received.arrival_us, tick.us);
        if self.counts.packets_in > 1 {
            let gap_us = arrival_us.saturating_sub(self.heard_us);
            self.counts.gap_us_max = self.counts.gap_us_max.max(gap_us);
        }
        self.heard_us = self.heard_us.max(arrival_us);
        match received.arrival_us {
            Some(_) => media.reception.push(&packet, arrival_us),
            None => media.reception.count(&packet, arrival_us),
        }
        if is_event {
            media.playout.pass(&packet);
            if let Some(digit) = media.keypad.event(packet.payload, packet.timestamp, packet.marker, arrival_us) {
                self.facts.digit(digit, tick.us);
            }
            return;
        }
        if stream.receives && media.playout.push(&packet, arrival_us) == Pushed::Refused {
            self.rare_counts.malformed += 1;
        }
        self.polling.arrival_us = Some(arrival_us);
        let before = self.polling.last.replace((packet.sequence, packet.timestamp));
        if let Some((sequence, timestamp)) = before
            && packet.sequence == sequence.wrapping_add(1)
        {
            let units = i64::from(packet.timestamp.wrapping_sub(timestamp));
            let packet_ms = units * 1_000 / i64::from(stream.codec.clock_hz());
            self.polling.packet_ms = packet_ms.clamp(1, PACKET_MS_MAX) as i32;
        }
    }

    /// Takes RTCP that came to the RTP port, if that was agreed and the peer is who sent it.
    fn take_rtcp(&mut self, datagram: &[u8], received: Received, tick: Tick) {
        match self.situation() {
            Some((reports, mut situation)) if situation.stream.rtcp_mux && received.from == situation.target => {
                let arrival_us = received.arrival_us.unwrap_or(tick.us);
                reports.take(datagram, arrival_us, tick, &mut situation);
                self.heard_us = self.heard_us.max(arrival_us);
            }
            Some((_, situation)) if received.from != situation.target => self.rare_counts.wrong_source += 1,
            _ => self.rare_counts.malformed += 1,
        }
    }

    /// What RTCP needs of a leg that has somebody to talk to.
    fn situation(&mut self) -> Option<(&mut Reports, Situation<'_>)> {
        let media = self.media.as_deref_mut()?;
        media.stream.remote?;
        let target = self.latch.target()?;
        let (stream, reception) = (&media.stream, &mut media.reception);
        let situation = Situation { stream, sender: &self.sender, target, rtp_wire: &mut *self.wire, reception };
        Some((&mut self.reports, situation))
    }

    /// Tells the peer that nothing more will come.
    pub(crate) fn say_bye(&mut self, tick: Tick) {
        if let Some((reports, mut situation)) = self.situation() {
            reports.say_bye(tick, &mut situation);
        }
    }

    /// Has the kernel drop everybody else's packets, where the latch is certain of its source.
    fn connect(&mut self) {
        if !self.latch.take_changed() {
            return;
        }
        let sole_source = self.latch.sole_source();
        if sole_source != self.connected {
            self.connected = sole_source;
            self.wire.connect(sole_source);
        }
    }

    /// Ends digits whose end was lost, tells the latch and reports when the peer has fallen silent.
    fn watch_silence(&mut self, now_us: u64) {
        if let Some(digit) = self.media.as_mut().and_then(|media| media.keypad.poll(now_us)) {
            self.facts.digit(digit, now_us);
        }
        let receives = self.media.as_ref().is_some_and(|media| media.stream.receives);
        self.latch.watch(receives, self.heard_us.max(self.receives_since_us), now_us);
        self.connect();
        if now_us < self.heard_us + self.rtp_timeout_us {
            self.facts.heard();
        } else if now_us >= self.quiet_reported_us + self.rtp_timeout_us {
            self.quiet_reported_us = now_us;
            self.facts.quiet((now_us - self.heard_us) / 1_000);
        }
    }

    /// Takes the frame to be heard this tick out of the playout buffer; `false` when there is nothing in it.
    pub(crate) fn listen(&mut self, tick: Tick, frame: &mut [i16]) -> bool {
        let now_us = tick.us;
        let (mut came, mut is_noise) = (None, false);
        if let Some(media) = self.media.as_mut().filter(|media| media.stream.receives) {
            let pulled = media.playout.pull(now_us, frame);
            self.measure.heard(pulled, media.stream.codec, media.playout.concealed_samples());
            is_noise = pulled == Pulled::Noise;
            let mut audible = pulled != Pulled::Silence;
            if let Some(digit) = media.keypad.listen((audible && !is_noise).then_some(&*frame), now_us) {
                self.facts.digit(digit, now_us);
            }
            if let Some(treatment) = &mut self.treatment {
                audible = treatment.process(frame, audible);
            }
            came = audible.then_some(media.stream.codec);
        }
        if let Some(onlookers) = &mut self.onlookers {
            let heard = came.is_some().then_some(&*frame);
            onlookers.take(Track::Inbound, Rate::of_frame(frame), heard, tick);
            onlookers.detect(heard).into_iter().for_each(|(by, after_ms)| self.facts.answered(by, after_ms));
        }
        if self.route.emits() {
            self.speech.hear(came.map(|codec| (codec, &*frame)), is_noise);
        } else {
            self.speech.rest();
        }
        self.measure.level_in(self.speech.level(), self.speech.talks(), frame);
        self.facts.speech(self.speech.talks());
        came.is_some() && self.speech.is_open()
    }

    /// The codec to send with; `None` where nothing may be sent.
    pub(crate) fn may_send_with(&self) -> Option<Codec> {
        let stream = &self.media.as_ref()?.stream;
        let may_send = stream.sends && stream.remote.is_some() && self.latch.has_target();
        may_send.then_some(stream.codec)
    }

    /// Sends the page the player is at: its own bytes, copied once.
    pub(crate) fn send_page(&mut self, way_out: &mut WayOut) {
        if let (Some((mut outlet, media)), Some(player)) = (outlet(&mut self.media, &self.latch, way_out), &self.player)
        {
            player.page(media.stream.codec, outlet.payload(Rate::Narrow.frame()));
            self.sender.send_encoded(Rate::Narrow.frame(), &mut outlet);
        }
    }

    /// What was sent last is comfort noise, so that nothing is to be heard of a codec that starts anew.
    pub(crate) fn comes_from_silence(&self) -> bool {
        self.media.as_ref().is_some_and(|media| media.sent_silence)
    }

    /// Takes an encoding for the next mix it listens to. Returns what is to be freed: it has one, or it is of no use.
    pub(crate) fn take_spare(&mut self, spare: Option<Box<Encoding>>) -> Option<Box<Encoding>> {
        match &mut self.media {
            Some(media) if media.spare.is_none() => {
                let (wanted, unwanted) = match spare {
                    Some(spare) if spare.is_by(media.stream.codec) => (Some(spare), None),
                    spare => (None, spare),
                };
                media.spare = wanted;
                unwanted
            }
            _ => spare,
        }
    }

    /// It can be sent what a mix encodes once for all, as far as its peer's decoder goes.
    pub(crate) fn may_share(&self) -> bool {
        self.media.as_ref().is_some_and(|media| media.may_share())
    }

    /// Sends the frame that a mix encodes once for all who listen only. `false` when this leg cannot be one of
    /// them: its peer's decoder remembers what another encoder has told it.
    pub(crate) fn send_shared(&mut self, mix: &mut Mix, noise: &Noise, way_out: &mut WayOut) -> bool {
        let Some((mut outlet, media)) = outlet(&mut self.media, &self.latch, way_out) else {
            return true;
        };
        let codec = media.stream.codec;
        if !media.may_share() {
            return false;
        }
        let is_silent = mix.voices(Rate::from_hz(codec.rate_hz())) == 0;
        let Some(payload) = mix.encoded(codec, &mut media.spare, noise, &mut self.limiter) else { return false };
        outlet.payload(payload.len()).copy_from_slice(payload);
        media.shares = true;
        media.sent_silence = is_silent;
        self.sender.send_encoded(payload.len(), &mut outlet);
        self.measure.sent(mix.heard(Rate::from_hz(codec.rate_hz())), is_silent);
        true
    }

    /// Stops listening to what `mix` encodes for all: its own encoder takes over where that one was.
    pub(crate) fn stop_sharing(&mut self, mix: &Mix) {
        if let Some(media) = self.media.as_mut().filter(|media| media.shares) {
            media.shares = false;
            mix.hand_over(media.stream.codec, &mut media.encoder);
        }
    }

    /// Encodes and sends a frame of this leg's own; `is_silent`: it is nothing but comfort noise.
    pub(crate) fn send_frame(&mut self, pcm: &[i16], is_silent: bool, way_out: &mut WayOut) {
        if let Some((mut outlet, media)) = outlet(&mut self.media, &self.latch, way_out) {
            media.sent_silence = is_silent;
            self.sender.send_frame(pcm, &mut media.encoder, &mut outlet);
            self.measure.sent(pcm, is_silent);
        }
    }

    /// Digits are on their way out.
    pub(crate) fn sends_digits(&self) -> bool {
        self.digits_out.as_ref().is_some_and(|digits| digits.is_busy())
    }

    /// Sends what a tick of the digits is: an event, or a tone in place of `pcm`, or `pcm` as it is.
    pub(crate) fn send_next_digit(&mut self, pcm: &mut [i16], way_out: &mut WayOut) {
        let (Some(media), Some(digits)) = (&self.media, &mut self.digits_out) else { return };
        let Stream { codec, telephone_event, .. } = media.stream;
        let packet = digits.next(telephone_event, Rate::from_hz(codec.rate_hz()), pcm);
        if !digits.is_busy() {
            self.facts.digits_sent();
        }
        match (packet, telephone_event) {
            (Some(packet), Some(event)) => {
                if let Some((mut outlet, _)) = outlet(&mut self.media, &self.latch, way_out) {
                    outlet.payload_type = event.payload_type_out;
                    self.sender.send_event(&packet, &mut outlet);
                }
            }
            _ => self.send_frame(pcm, false, way_out),
        }
    }

    /// Ends a tick: fades are over, sounds move on. Returns a sound to be freed, if there is one.
    pub(crate) fn settle(&mut self) -> [Option<Arc<Pages>>; 2] {
        self.route.settle();
        let faded = self.leaving_player.take().map(Player::into_sound);
        let ended = self.player.take_if(|player| player.advance());
        if let Some(player) = &ended {
            self.facts.playback_ended(player.playback);
        }
        [faded, ended.map(Player::into_sound)]
    }

    /// When the peer's last packet came, if it still sends.
    pub(crate) fn last_arrival_us(&self, now_us: u64) -> Option<u64> {
        self.polling.arrival_us.filter(|arrival_us| arrival_us + STILL_SENDS_US > now_us)
    }

    /// There is something to tell, or to measure.
    pub(crate) fn has_news(&self, tick: Tick) -> bool {
        !self.facts.is_empty() || self.is_to_be_measured(tick)
    }

    /// What others must know and have not been told yet.
    pub(crate) fn facts(&mut self) -> &mut Facts {
        &mut self.facts
    }

    /// It is time to say how the leg is doing.
    pub(crate) fn is_to_be_measured(&self, tick: Tick) -> bool {
        self.measure.is_due(tick.us)
    }

    /// How the leg is doing.
    pub(crate) fn measure(&mut self, tick: Tick) -> LegStats {
        let mut stats = self.stats();
        if let Some(media) = &self.media {
            self.measure.turn(media.stream.codec, &mut stats, tick.us);
        }
        stats
    }

    /// What the leg did so far.
    pub(crate) fn stats(&self) -> LegStats {
        let mut stats = LegStats {
            packets_in: self.counts.packets_in,
            bytes_in: self.counts.bytes_in,
            packets_out: self.sender.counts.packets,
            bytes_out: self.sender.counts.bytes,
            send_errors: self.sender.counts.errors,
            late: self.rare_counts.late,
            duplicates: self.rare_counts.duplicates,
            stretched_samples: self.rare_counts.stretched_samples,
            lost: self.rare_counts.lost,
            wrong_source: self.rare_counts.wrong_source,
            malformed: self.rare_counts.malformed,
            digits_refused: self.facts.digits_refused(),
            gap_ms_max: (self.counts.gap_us_max / 1_000) as u32,
            ..LegStats::default()
        };
        if let Some(media) = &self.media {
            let playout = media.playout.stats();
            stats.late += playout.late;
            stats.duplicates += playout.duplicate;
            stats.stretched_samples += playout.dropped_samples + playout.repeated_samples;
            stats.lost += media.reception.lost().max(0) as u64;
            stats.jitter_us = media.reception.jitter_us();
            stats.drift_ppm = playout.drift_ppm;
            stats.buffer_ms = (playout.buffer_us.max(0) / 1_000) as u32;
            stats.added_delay_us = playout.delay_us.max(0) as u32 + decoding_us(media.stream.codec);
            let played_samples = self.rare_counts.played_samples + playout.played_samples;
            stats.stretched_permille = (stats.stretched_samples * 1_000 / played_samples.max(1)) as u32;
            self.reports.add_to(&mut stats, media.stream.codec.clock_hz());
            self.measure.add_to(&mut stats, media.stream.codec);
        }
        stats
    }
}

/// What a leg is to send goes here.
pub(crate) struct WayOut<'a> {
    pub(crate) outbox: &'a mut Outbox,
    /// The leg, as the room counts.
    pub(crate) member: usize,
}

/// How much later than its packet a sound comes out of the decoder: only the filters of G.722 hold some back (11 samples).
fn decoding_us(codec: Codec) -> u32 {
    match codec {
        Codec::G722 => 688,
        Codec::Pcmu | Codec::Pcma | Codec::Opus | Codec::L16 { .. } => 0,
    }
}

/// The way out of a leg, by the parts of it that are needed.
fn outlet<'a>(
    media: &'a mut Option<Box<Media>>,
    latch: &Latch,
    way_out: &'a mut WayOut,
) -> Option<(Outlet<'a>, &'a mut Media)> {
    let media = media.as_deref_mut()?;
    let payload_type = media.stream.payload_type_out;
    let WayOut { outbox, member } = way_out;
    Some((Outlet { outbox, member: *member, to: latch.target()?, payload_type }, media))
}

/// What a steady call looks at of a leg, and of what was agreed behind the playout buffer.
const STEADY_LEG: usize = offset_of!(Leg, latch) + Latch::STEADY_BYTES;
const STEADY_STREAM: Range<usize> =
    offset_of!(Media, stream) + Stream::RARE_BYTES..offset_of!(Media, keypad) + Keypad::STEADY_BYTES;

/// A peer that has been heard so lately still sends.
const STILL_SENDS_US: u64 = 100_000;

/// Datagrams read in one tick, whoever sends how many.
const PACKETS_MAX: u32 = 32;

/// Every how many ticks a second packet is read, so that a fast sender leaves nothing queued.
const EXTRA_EVERY: u32 = 16;

/// What a look that found nothing adds to the next one.
const OWED_MS_MAX: i32 = FRAME_MS;

/// The longest packet that counts towards what a tick wants to read.
const PACKET_MS_MAX: i64 = 60;

const FRAME_MS: i32 = 20;
