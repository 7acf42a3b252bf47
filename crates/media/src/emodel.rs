//! How a voice that came this way would be judged: the E-model (ITU-T G.107), reduced to what a bridge can know.
//!
//! `R = 93.2 − Idd − Ie,eff`: with everything else at its default (clause 7.1), what is left to count is pure delay and
//! what was lost after the jitter buffer. `R` is then what people would call it on average, 1 (bad) to 4.5 (excellent).
//! It is the narrow-band scale for every codec: the wider band of G.722 and Opus gains nothing on it, so that numbers of
//! one bridge can be compared. Echo is left out: phones cancel their own.

use crate::Codec;

/// What is known about the way of a voice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Path {
    pub(crate) codec: Codec,
    /// From mouth to ear, as far as it can be known.
    pub(crate) delay_ms: f32,
    /// What was heard as it was sent …
    pub(crate) voice_ms: u64,
    /// … and what had to be made up …
    pub(crate) concealed_ms: u64,
    /// … in so many stretches.
    pub(crate) bursts: u64,
}

/// The mean opinion score of that way, in thousandths; 0 if nothing came.
pub(crate) fn mos_thousandths(path: &Path) -> u32 {
    if path.voice_ms + path.concealed_ms == 0 {
        return 0;
    }
    (mos(rating(path)) * 1_000.0).round() as u32
}

/// The transmission rating factor R.
fn rating(path: &Path) -> f32 {
    let loss = path.concealed_ms as f32 / (path.voice_ms + path.concealed_ms).max(1) as f32;
    RATING_DEFAULT
        - delay_impairment(path.delay_ms)
        - loss_impairment(path.codec, 100.0 * loss, burst_ratio(path, loss))
}

/// How much longer the gaps are than those of losses that fall independently of each other (clause 7.5), counted in
/// packets of 20 ms, whatever theirs hold: a gap of 60 ms sounds the same by one packet or by three.
fn burst_ratio(path: &Path, loss: f32) -> f32 {
    let length = path.concealed_ms as f32 / (20 * path.bursts.max(1)) as f32;
    (length * (1.0 - loss)).max(1.0)
}

/// Ie,eff (clause 7.5), of loss in per cent.
fn loss_impairment(codec: Codec, loss_percent: f32, burst_ratio: f32) -> f32 {
    let (impairment, robustness) = match codec {
        // G.113 Appendix I: G.711 with concealment.
        Codec::Pcmu | Codec::Pcma => (0.0, 25.1),
        // G.113 has no values of these on the narrow-band scale. They lose nothing to G.711 when all is well, and the same
        // concealment (or libopus') fills their gaps.
        Codec::G722 | Codec::Opus | Codec::L16 { .. } => (0.0, 25.1),
    };
    impairment + (95.0 - impairment) * loss_percent / (loss_percent / burst_ratio + robustness)
}

/// Idd (clause 7.4): nothing below 100 ms; beyond, talk becomes taking turns. For conversations that mind delay as most do
/// (sT = 1, mT = 100 ms).
fn delay_impairment(delay_ms: f32) -> f32 {
    if delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2();
    let root = |x: f32| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

/// Annex B of G.107. Its polynomial dips below 1 where R is next to nothing.
fn mos(rating: f32) -> f32 {
    let r = rating.clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}

/// R with every parameter at its default (G.107 clause 7.7).
const RATING_DEFAULT: f32 = 93.2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_are_judged_as_annex_b_lists_them() {
        for (rating, want) in [
            (-10.0, 1.0),
            (0.0, 1.0),
            (3.0, 1.0),
            (50.0, 2.58),
            (60.0, 3.10),
            (70.0, 3.60),
            (80.0, 4.03),
            (90.0, 4.34),
            (93.2, 4.41),
            (100.0, 4.5),
            (120.0, 4.5),
        ] {
            assert!((mos(rating) - want).abs() < 0.008, "R {rating}: {}", mos(rating));
        }
    }

    #[test]
    fn loss_impairs_g711_as_listeners_said() {
        // Provisional planning values for G.711 with concealment and random loss, G.113 (02/2001) Appendix I.
        for (loss_percent, want) in
            [(0.0, 0.0), (1.0, 5.0), (2.0, 7.0), (3.0, 10.0), (5.0, 15.0), (7.0, 20.0), (10.0, 25.0)]
        {
            let impairment = loss_impairment(Codec::Pcmu, loss_percent, 1.0);
            assert!((impairment - want).abs() < 2.5, "{loss_percent} %: {impairment}");
        }
    }

    #[test]
    fn delay_counts_from_100_ms_on() {
        // Computed from clause 7.4 by hand: X = lb(Ta / 100).
        for (delay_ms, want) in [(0.0, 0.0), (100.0, 0.0), (150.0, 0.16), (200.0, 3.04), (300.0, 14.76), (400.0, 24.07)]
        {
            let impairment = delay_impairment(delay_ms);
            assert!((impairment - want).abs() < 0.02, "{delay_ms} ms: {impairment}");
        }
    }

    #[test]
    fn a_path_is_worse_for_loss_for_bursts_and_for_delay() {
        let path = |delay_ms, voice: u64, concealed: u64, bursts| {
            let (voice_ms, concealed_ms) = (20 * voice, 20 * concealed);
            mos_thousandths(&Path { codec: Codec::Pcmu, delay_ms, voice_ms, concealed_ms, bursts })
        };
        let clean = path(50.0, 1_000, 0, 0);
        assert_eq!(clean, 4_409);
        assert_eq!(path(50.0, 0, 0, 0), 0, "nothing came");
        let lossy = path(50.0, 970, 30, 30);
        assert!((4_000..4_200).contains(&lossy), "3 %: {lossy}");
        assert!(path(50.0, 970, 30, 5) < lossy, "the same in bursts of six");
        assert!(path(300.0, 970, 30, 30) < lossy - 300, "the same from far away");
        assert_eq!(path(1e6, 0, 1, 1), 1_000, "as bad as can be");
    }
}
