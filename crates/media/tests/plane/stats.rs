//! What a leg tells about itself, while it lives and at its end.

use media::{Codec, Event};
use model::{LegId, LegStats};

use crate::hall::{Hall, ROOM, Voice};

fn measured(hall: &Hall, leg: LegId) -> Vec<LegStats> {
    let of_leg = |event: &Event| match event {
        Event::Measured { leg: measured, stats } if *measured == leg => Some(*stats),
        _ => None,
    };
    hall.events.iter().filter_map(of_leg).collect()
}

#[test]
fn a_leg_is_measured_after_a_second_and_every_five() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Tone(440.0, 8_000.0));
    let leg = hall.phones[ana].leg;
    hall.run_ms(16_500);
    let measured = measured(&hall, leg);
    let packets: Vec<_> = measured.iter().map(|stats| stats.packets_in / 50).collect();
    assert_eq!(packets.len(), 4, "{packets:?}");
    for (packets, seconds) in packets.iter().zip([1, 6, 11, 16]) {
        assert!(packets.abs_diff(seconds) <= 1, "{packets} seconds of packets after {seconds} s");
    }
    let last = measured[3];
    // A sine of 8,000 is 15 dB below a square wave at full scale.
    assert_eq!((last.level_in_db, last.level_in_db_max, last.clipped), (-15, -15, 0), "{last:?}");
    assert!((1_000..25_000).contains(&last.added_delay_us) && last.buffer_ms_mean <= 40, "{last:?}");
    assert_eq!((last.stretched_permille, last.drift_ppm), (0, 0), "{last:?}");
    assert_eq!((last.concealed_ms, last.concealed_permille, last.mos_thousandths), (0, 0, 4_409), "{last:?}");
}

#[test]
fn what_is_lost_is_concealed_and_heard_in_the_score() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Tone(440.0, 8_000.0));
    let ben = hall.join(ROOM, Codec::Pcmu, Voice::Tone(660.0, 8_000.0));
    hall.run_ms(1_100);
    // Every 33rd of ana's packets is lost, for ten seconds; then none.
    hall.run_ms_with(10_000, |phone, sequence| phone != ana || sequence % 33 != 0);
    hall.run_ms(10_000);
    let leg = hall.phones[ana].leg;
    let recent: Vec<_> = measured(&hall, leg).iter().map(|stats| stats.mos_recent_thousandths).collect();
    let [lossy, clean] = [hall.close(ana), hall.close(ben)];
    assert_eq!((clean.concealed_ms, clean.mos_lowest_thousandths), (0, 4_409), "{clean:?}");
    assert!(
        (14..=16).contains(&lossy.concealed_bursts) && lossy.concealed_ms == 20 * lossy.concealed_bursts,
        "{lossy:?}"
    );
    assert!((13..=16).contains(&lossy.concealed_permille), "{lossy:?}");
    assert!(lossy.mos_thousandths < 4_350, "{lossy:?}");
    assert_eq!([lossy.level_out_db, clean.level_out_db], [-15, -15], "each hears the other");
    assert_eq!(recent.iter().min().copied(), Some(lossy.mos_lowest_thousandths));
    assert!(lossy.mos_lowest_thousandths < lossy.mos_thousandths, "{lossy:?}");
    assert_eq!(lossy.mos_recent_thousandths, 4_409, "in the end all was well: {recent:?}");
}

#[test]
fn who_is_too_loud_is_told_so_unless_nobody_hears_it() {
    let mut hall = Hall::new(1);
    let [ana, ben] = [(); 2].map(|()| hall.join(ROOM, Codec::Pcma, Voice::Tone(440.0, 40_000.0)));
    hall.route(ben, 0, media::MAIN);
    hall.run_ms(2_000);
    let [loud, muted] = [hall.close(ana), hall.close(ben)];
    assert!((95..=102).contains(&loud.clipped) && loud.level_in_db > -3, "{loud:?}");
    assert_eq!((muted.clipped, muted.level_in_db), (0, 0), "{muted:?}");
    assert!(muted.voice_ms > 1_900, "{muted:?}");
}
