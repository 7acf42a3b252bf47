//! What a stream sounds like when nobody speaks, so that gaps and pauses do not sound like a dead line.
//!
//! `voice … pause … voice ─▶ the softest of the last seconds: level, colour ─▶ noise of that level and colour`
//!
//! Learnt from what is heard between words, or told by the sender (RFC 3389), which then counts more. A sender whose
//! pauses are digital silence is silent here, too; a tone, music or whatever else can be predicted well is no
//! background. No clock, no allocation; learning costs 20 ns a packet looked at, and 0.5 µs where it is softer than
//! those before; so does a frame of noise.

/// See the [module](self).
pub(crate) struct Background {
    /// The softest piece of the running window, and of the one before it.
    softest: [Option<Noise>; 2],
    /// Pieces looked at in the running window.
    pieces: u32,
    told: Option<Noise>,
    /// What comes out of the filter, the latest first.
    memory: [f32; ORDER],
    random: u32,
}

/// A noise with a colour.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Noise {
    /// Mean square.
    level: f32,
    /// How the next sample follows from those before, the latest first, …
    predictor: [f32; ORDER],
    /// … and the share of the level that does not.
    surprise: f32,
}

/// Enough for the tilt and the one or two resonances that a room's noise has; a sender may describe more.
const ORDER: usize = 8;
/// What is louder than −40 dBov is not in the background.
const LEVEL_MAX: f32 = 1e-4 * FULL_SCALE;
/// Mean square of 0 dBov: a square wave at full scale.
const FULL_SCALE: f32 = 32_768.0 * 32_768.0;
/// No sample of what may be background lies beyond: three times its level, and more.
const SOFT_PEAK: i16 = 1_700;
/// What is softer than −84 dBov is silence: two bits, or what a codec makes of nothing.
const LEVEL_MIN: f32 = 4.0;
/// A sender may describe a louder noise than we would find, but not one to drown voices in.
const TOLD_DBOV_MAX: u8 = 30;
/// Where less than this share is a surprise (−20 dB), it is a tone.
const SURPRISE_MIN: f32 = 0.01;
/// What is not softer by this factor is not looked at more closely.
const SOFTER: f32 = 0.8;
/// The softest of many pieces is softer than they are on the whole, by about this factor.
const SOFTEST_BIAS: f32 = 1.2;
/// A piece that is looked at more closely: 20 ms at 16 kHz.
const PIECE_MAX: usize = 320;
/// Pieces to a window: of one packet in four, 2.4 s.
const PIECES: u32 = 30;

impl Background {
    /// `seed`: of the noise.
    pub(crate) fn new(seed: u64) -> Background {
        let random = (seed ^ seed >> 32) as u32;
        Background { softest: [None; 2], pieces: 0, told: None, memory: [0.0; ORDER], random }
    }

    /// Forgets what another stream sounded like.
    pub(crate) fn reset(&mut self) {
        *self = Background { random: self.random, ..Background::new(0) };
    }

    /// Looks at a piece of what the peer sent.
    pub(crate) fn learn(&mut self, sound: &[i16]) {
        let level = variance(&sound[..sound.len().div_ceil(2)]);
        let running = &mut self.softest[0];
        if level < LEVEL_MAX
            && running.is_none_or(|softest| level < softest.level * SOFTER)
            && let Some(noise) = Noise::of(&sound[..sound.len().min(PIECE_MAX)])
        {
            *running = Some(noise);
        }
        self.pieces += 1;
        if self.pieces == PIECES {
            self.pieces = 0;
            self.softest = [None, self.softest[0]];
        }
    }

    /// Takes the payload of a comfort noise packet. An empty one tells nothing.
    pub(crate) fn tell(&mut self, payload: &[u8]) {
        if let [level, coefficients @ ..] = payload {
            self.told = Some(Noise::told(*level, coefficients));
        }
    }

    /// The sender has said what its pauses sound like.
    pub(crate) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// Is there anything to be heard?
    pub(crate) fn is_audible(&self) -> bool {
        self.noise().is_some_and(|noise| noise.level > LEVEL_MIN)
    }

    /// Adds the background to `sound`, its weight going from `from` to `to`.
    pub(crate) fn add(&mut self, sound: &mut [i16], from: f32, to: f32) {
        let Some(noise) = self.noise().filter(|noise| noise.level > LEVEL_MIN) else { return };
        // evenly spread from −1 to 1, of which the mean square is a third
        let excitation = (3.0 * noise.level * noise.surprise).sqrt() / 2.0f32.powi(31);
        let step = (to - from) / sound.len().max(1) as f32;
        let (mut weight, mut random, mut memory) = (from, self.random, self.memory);
        for sample in sound {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223); // Numerical Recipes
            let expected: f32 = noise.predictor.iter().zip(&memory).map(|(predictor, sample)| predictor * sample).sum();
            let next = expected + random.cast_signed() as f32 * excitation;
            memory.copy_within(..ORDER - 1, 1);
            memory[0] = next;
            *sample = (f32::from(*sample) + next * weight).round() as i16; // saturates
            weight += step;
        }
        (self.random, self.memory) = (random, memory);
    }

    fn noise(&self) -> Option<Noise> {
        let learnt = self.softest.iter().flatten().min_by(|a, b| a.level.total_cmp(&b.level));
        self.told.or(learnt.copied())
    }
}

impl Noise {
    /// The noise in `sound`; `None` if it is none.
    fn of(sound: &[i16]) -> Option<Noise> {
        let level = variance(sound);
        if level <= LEVEL_MIN {
            return Some(Noise { level: 0.0, predictor: [0.0; ORDER], surprise: 1.0 });
        }
        // under a parabola: a tone that ends abruptly is hard to tell from noise
        let mut window = [0.0; PIECE_MAX];
        let middle = sound.len() as f32 / 2.0;
        for (i, (x, &sample)) in window.iter_mut().zip(sound).enumerate() {
            *x = f32::from(sample) * (1.0 - ((i as f32 + 0.5) / middle - 1.0).powi(2));
        }
        let window = &window[..sound.len()];
        let mut shape = [0.0; ORDER + 1];
        for (lag, shape) in shape.iter_mut().enumerate().take(sound.len()) {
            *shape = products(&window[lag..], window);
        }
        // Levinson and Durbin: one reflection coefficient after the other
        let (mut predictor, mut left) = ([0.0; ORDER], shape[0].max(1.0) * 1.001);
        let total = left;
        for order in 0..ORDER {
            let known: f32 = (0..order).map(|i| predictor[i] * shape[order - i]).sum();
            left = grow(&mut predictor, order, (shape[order + 1] - known) / left, left);
        }
        let surprise = left / total;
        (surprise > SURPRISE_MIN).then_some(Noise { level: level * SOFTEST_BIAS, predictor, surprise })
    }

    /// As RFC 3389 §3 spells it: the level in −dBov, and reflection coefficients in 127 steps either way, whose sign is
    /// that of the all-zero filter: what is mostly low begins with a negative one.
    fn told(level: u8, coefficients: &[u8]) -> Noise {
        let (mut predictor, mut surprise) = ([0.0; ORDER], 1.0);
        for (order, &index) in coefficients.iter().take(ORDER).enumerate() {
            let quantised = (i32::from(index.min(254)) - 127) * 258;
            surprise = grow(&mut predictor, order, -quantised as f32 / 32_768.0, surprise);
        }
        let dbov = f32::from((level & 0x7F).max(TOLD_DBOV_MAX));
        Noise { level: FULL_SCALE * 10.0f32.powf(dbov / -10.0), predictor, surprise }
    }
}

/// Makes a predictor of one order more, by its next reflection coefficient. Returns how much of `left` is left.
fn grow(predictor: &mut [f32; ORDER], order: usize, reflection: f32, left: f32) -> f32 {
    let before = *predictor;
    for i in 0..order {
        predictor[i] -= reflection * before[order - 1 - i];
    }
    predictor[order] = reflection;
    left * (1.0 - reflection * reflection)
}

/// What a soft sound's samples have in them beside their mean, squared and averaged. A loud one is far above
/// [`LEVEL_MAX`] also when it is cut at [`SOFT_PEAK`], so that whole numbers of 32 bits do.
fn variance(sound: &[i16]) -> f32 {
    let (mut sum, mut squares) = (0, 0);
    for &sample in sound {
        let sample = i32::from(sample.clamp(-SOFT_PEAK, SOFT_PEAK));
        sum += sample;
        squares += sample * sample;
    }
    let len = sound.len().max(1) as f32;
    let mean = sum as f32 / len;
    (squares as f32 / len - mean * mean).max(0.0)
}

/// Sum of the products, side by side in eight lanes.
fn products(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Random(u32);

    impl Random {
        /// Evenly spread from −1 to 1.
        fn next(&mut self) -> f32 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 17;
            self.0 ^= self.0 << 5;
            self.0.cast_signed() as f32 / 2.0f32.powi(31)
        }
    }

    /// A second of noise at 8 kHz: each sample `tilt` times the one before, and something new.
    fn coloured(peak: f32, tilt: f32) -> Vec<i16> {
        let (mut random, mut last) = (Random(7), 0.0);
        let sample = |_| {
            last = last * tilt + random.next() * peak;
            last.round() as i16
        };
        (0..8_000).map(sample).collect()
    }

    /// Mean square of what is beside the mean, of any sound.
    fn level(sound: &[i16]) -> f32 {
        let mean = sound.iter().map(|&x| f32::from(x)).sum::<f32>() / sound.len() as f32;
        sound.iter().map(|&x| (f32::from(x) - mean).powi(2)).sum::<f32>() / sound.len() as f32
    }

    fn db(ratio: f32) -> f32 {
        10.0 * ratio.log10()
    }

    fn a_second_of(background: &mut Background) -> Vec<i16> {
        let mut noise = vec![0; 8_000];
        noise.chunks_mut(160).for_each(|frame| background.add(frame, 1.0, 1.0));
        noise
    }

    /// How alike neighbours are: the tilt of the spectrum.
    fn tilt(sound: &[i16]) -> f32 {
        let sound: Vec<f32> = sound.iter().map(|&sample| sample.into()).collect();
        products(&sound[1..], &sound) / products(&sound, &sound)
    }

    #[test]
    fn the_noise_between_words_is_learnt() {
        for (case, pause) in [
            ("white", coloured(40.0, 0.0)),
            ("low", coloured(20.0, 0.9)),
            ("high", coloured(30.0, -0.5)),
            ("loud", coloured(400.0, 0.3)),
        ] {
            let mut background = Background::new(1);
            for (i, piece) in pause.chunks(160).cycle().take(4 * PIECES as usize).enumerate() {
                let voice: Vec<i16> = piece.iter().enumerate().map(|(i, x)| x + (i % 61 * 100) as i16).collect();
                background.learn(if i % 3 > 0 { &voice } else { piece });
            }
            let noise = a_second_of(&mut background);
            let off_db = db(level(&noise) / level(&pause));
            assert!(off_db.abs() < 2.0, "{case}: {off_db:.1} dB off");
            assert!((tilt(&noise) - tilt(&pause)).abs() < 0.2, "{case}: {:.2}, {:.2}", tilt(&noise), tilt(&pause));
        }
    }

    #[test]
    fn what_is_no_background_is_not_learnt() {
        let tone = |peak: f32| (0..8_000).map(|i| (peak * (i as f32 * 0.34).sin()).round() as i16).collect();
        for (case, sound) in [
            ("silence", vec![0; 8_000]),
            ("what A-law makes of it", vec![8; 8_000]),
            ("a bit to and fro", coloured(1.4, 0.0)),
            ("a tone", tone(8_000.0)),
            ("a soft tone", tone(200.0)),
            ("too loud", coloured(2_000.0, 0.0)),
        ] {
            let mut background = Background::new(1);
            sound.chunks(160).for_each(|piece| background.learn(piece));
            assert!(!background.is_audible(), "{case}");
            assert!(a_second_of(&mut background).iter().all(|&sample| sample == 0), "{case}");
        }
    }

    #[test]
    fn a_noise_that_has_ended_is_forgotten() {
        let mut background = Background::new(1);
        let (noise, louder) = (coloured(40.0, 0.0), coloured(200.0, 0.0));
        noise.chunks(160).for_each(|piece| background.learn(piece));
        for piece in louder.chunks(160).cycle().take(2 * PIECES as usize) {
            background.learn(piece);
        }
        let off_db = db(level(&a_second_of(&mut background)) / level(&louder));
        assert!(off_db.abs() < 2.0, "{off_db:.1} dB");
        background.learn(&[0; 160]);
        assert!(!background.is_audible(), "silence is the softest of all");
        background.reset();
        assert!(!background.is_audible());
    }

    #[test]
    fn a_noise_is_made_as_told() {
        // 0 is a coefficient of −0.99, 254 of 0.99
        for (case, payload, level_dbov, want_tilt) in [
            ("a level", &[50][..], -50.0, 0.0),
            ("low", &[50, 47], -50.0, 0.63),
            ("high", &[60, 190], -60.0, -0.5),
            ("by a long description", &[40, 60, 140, 127, 127, 127, 127, 127, 127, 127, 127, 130], -40.0, 0.5),
            ("with the reserved bit set", &[0x80 | 50], -50.0, 0.0),
            ("far too loud", &[0], -30.0, 0.0),
        ] {
            let mut background = Background::new(1);
            background.tell(payload);
            assert!(background.is_told() && background.is_audible(), "{case}");
            let noise = a_second_of(&mut background);
            let dbov = db(level(&noise) / FULL_SCALE);
            assert!((dbov - level_dbov).abs() < 1.0, "{case}: {dbov:.1} dBov");
            assert!((tilt(&noise) - want_tilt).abs() < 0.1, "{case}: {:.2}", tilt(&noise));
        }
        let mut background = Background::new(1);
        background.tell(&[]);
        assert!(!background.is_told());
        background.tell(&[127]);
        assert!(!background.is_audible());
    }

    #[test]
    fn any_description_is_stable() {
        let mut random = Random(3);
        for _ in 0..300 {
            let payload: Vec<u8> = (0..13).map(|_| (random.next() * 128.0 + 128.0) as u8).collect();
            let mut background = Background::new(1);
            background.tell(&payload);
            let loudest = a_second_of(&mut background).iter().map(|sample| sample.unsigned_abs()).max();
            assert!(
                loudest < Some(20_000) && background.memory.iter().all(|x| x.is_finite()),
                "{payload:?}: {loudest:?}"
            );
        }
    }

    #[test]
    fn it_comes_and_goes_as_asked() {
        let mut background = Background::new(1);
        background.tell(&[40]);
        let mut sound = vec![1_000; 800];
        background.add(&mut sound, 0.0, 1.0);
        let part = |range: std::ops::Range<usize>| level(&sound[range]);
        assert!(part(0..80) * 9.0 < part(240..320) && part(240..320) * 2.0 < part(720..800));
        let mean = sound.iter().map(|&x| i32::from(x)).sum::<i32>() / 800;
        assert!((mean - 1_000).abs() < 40, "it is added: {mean}");
    }
}
