//! How long sound takes through the bridge, found by ear: media.md §5, "added delay".

use media::Codec;
use model::RoomId;

use crate::hall::{Hall, Phone, Voice, config, sweeps};

const RATE_HZ: usize = 8_000;
/// What is compared to find a moment again.
const PIECE: usize = RATE_HZ / 10;

/// When each tenth of a second that a listener heard from `from_us` on was heard, and how much later than its packets
/// came to the bridge where the network is quick. Cross-correlation with all that was said in the `longest_ms` before.
fn delays(talker: &Phone, listener: &Phone, from_us: u64, longest_ms: usize) -> Vec<(u64, f64)> {
    let spoke_us = talker.spoke_us.expect("it spoke");
    let pieces = listener.heard.chunks_exact(PIECE).zip(listener.heard_us.iter().step_by(PIECE / 160));
    let since_spoken = |us: u64| ((us.max(spoke_us) - spoke_us) as f64 * RATE_HZ as f64 / 1e6) as usize;
    let said: Vec<i16> = (0..since_spoken(listener.heard_us[listener.heard_us.len() - 1]) + PIECE)
        .map(|i| sweeps(i as f64 / 8e3))
        .collect();
    let pieces = pieces.filter(|(_, at_us)| **at_us >= from_us.max(spoke_us + 500_000));
    let delay = |(piece, &at_us): (&[i16], &u64)| {
        let now = since_spoken(at_us);
        let alike = |&start: &usize| {
            let product = |(&a, &b): (&i16, &i16)| i64::from(a) * i64::from(b);
            let (said, heard) = (&said[start..start + PIECE], piece);
            let energy: i64 = said.iter().zip(said).map(product).sum();
            (said.iter().zip(heard).map(product).sum::<i64>() as f64 / (energy as f64 + 1.0).sqrt() * 1e3) as i64
        };
        let start = (now.saturating_sub(longest_ms * RATE_HZ / 1_000)..=now).max_by_key(alike).expect("some place");
        (at_us, (at_us - spoke_us) as f64 / 1e3 - start as f64 / 8.0)
    };
    pieces.map(delay).collect()
}

fn percentile(delays_ms: &mut [f64], percent: usize) -> f64 {
    delays_ms.sort_by(f64::total_cmp);
    delays_ms[(delays_ms.len() - 1) * percent / 100]
}

/// Pairs of a talker and a listener, each in a room of its own, whose phases are spread evenly.
fn pairs(count: u64) -> Hall {
    let mut hall = Hall::with(config(1));
    for pair in 0..count {
        for voice in [Voice::Sweeps, Voice::Silence] {
            let phone = hall.join(RoomId(pair + 1), Codec::Pcmu, voice);
            // an odd step, so that neighbouring rooms, whose slots are neighbours, have unlike phases
            hall.phones[phone].phase_us = pair * 77 % 200 * 100;
        }
    }
    hall
}

fn delays_ms(hall: &Hall, from_us: u64) -> Vec<f64> {
    let pairs = hall.phones.as_chunks().0.iter();
    pairs.flat_map(|[talker, listener]| delays(talker, listener, from_us, 100)).map(|(_, delay_ms)| delay_ms).collect()
}

#[test]
fn a_clean_network_adds_14_ms_at_the_median_and_24_at_most() {
    let mut hall = pairs(100);
    hall.run_ms(1_200);
    let mut delays_ms = delays_ms(&hall, 0);
    let (median, p99) = (percentile(&mut delays_ms, 50), percentile(&mut delays_ms, 99));
    println!("clean: median {median:.1} ms, p99 {p99:.1} ms of {}", delays_ms.len());
    assert!(delays_ms.len() > 400 && delays_ms[0] > 0.0, "{delays_ms:?}");
    assert!(median <= 14.0 && p99 <= 24.0, "median {median:.1} ms, p99 {p99:.1} ms");
}

#[test]
fn jitter_of_10_ms_adds_45_ms_at_most() {
    // up to 10 ms late, and 10 ms early or late
    for span_us in [10_000, 20_000] {
        let mut hall = pairs(20);
        let mut random = 1_u64;
        hall.run_ms_late(10_000, |_, _| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            Some((random >> 33) % span_us)
        });
        let mut delays_ms = delays_ms(&hall, 1_000_000);
        let (median, worst) = (percentile(&mut delays_ms, 50), percentile(&mut delays_ms, 100));
        println!("up to {span_us} µs late: median {median:.1} ms, worst {worst:.1} ms of {}", delays_ms.len());
        assert!(worst <= 45.0, "{span_us} µs: {delays_ms:?}");
    }
}

#[test]
fn after_a_stall_of_300_ms_the_delay_is_below_45_ms_within_4_s() {
    let mut hall = pairs(20);
    let stalled_us = 2_000_000..2_320_000; // each packet arrives with the last one
    hall.run_ms(stalled_us.start / 1_000);
    for steps_left in (0..=15).rev() {
        hall.run_ms_late(20, |_, _| Some(steps_left * 20_000));
    }
    hall.run_ms(6_000);
    let mut latest_us = 0;
    for [talker, listener] in hall.phones.as_chunks().0 {
        let delays = delays(talker, listener, stalled_us.end, 500);
        // a piece with a cut in it may be found elsewhere: of three, the one in the middle counts
        let steady = delays.windows(3).map(|three| {
            let mut delays_ms = [0, 1, 2].map(|i| three[i].1);
            (three[1].0, percentile(&mut delays_ms, 50))
        });
        let steady: Vec<(u64, f64)> = steady.collect();
        assert!(steady[0].1 > 250.0, "there was a stall: {delays:?}");
        let over = steady.iter().rfind(|(_, delay_ms)| *delay_ms > 45.0).expect("it was longer");
        latest_us = latest_us.max(over.0 - stalled_us.end);
    }
    println!("a stall of 300 ms: more than 45 ms until {} ms after it", latest_us / 1_000);
    assert!(latest_us <= 4_000_000, "more than 45 ms until {latest_us} µs after it");
}
